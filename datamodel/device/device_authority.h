/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.<vendor prefix>DeviceAuthority.: the authority that gives the home's devices certificates, and its register as rows. */
#ifndef DATAMODEL_DEVICE_DEVICE_AUTHORITY_H
#define DATAMODEL_DEVICE_DEVICE_AUTHORITY_H

#include "datamodel/device/model.h"

extern const struct dm_object model_device_authority, model_issued_certificate;

/* Listens to model->authority: a row per certificate, from now on. Once. */
int model_authority_start(struct model *model, struct error *err);
void model_authority_stop(struct model *model);

#endif
