/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.ProxiedDevice.{i}.: the registry's devices as rows. */
#ifndef DATAMODEL_DEVICE_PROXIED_DEVICE_H
#define DATAMODEL_DEVICE_PROXIED_DEVICE_H

#include "datamodel/device/model.h"

extern const struct dm_object model_proxied_device, model_proxied_device_info, model_proxied_update,
    model_proxied_identity;

/* Listens to model->home's registry: a row per device, from now on. Once, before home_load(). */
int model_proxied_start(struct model *model, struct error *err);
void model_proxied_stop(struct model *model);

#endif
