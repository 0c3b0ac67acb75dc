/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.<vendor prefix>Consent. and what else shows consent/: the engine's structs as rows. */
#ifndef DATAMODEL_DEVICE_CONSENT_H
#define DATAMODEL_DEVICE_CONSENT_H

#include "consent/consent.h"
#include "datamodel/device/model.h"

extern const struct dm_object model_consent, model_consent_request, model_consent_ledger,
    model_consent_device;

/* Gives the home's policy its row. Before the rows are loaded: the factory configuration may set it. */
void model_consent_bind(struct model *model);
/* Rows for questions, the ledger and devices, from now on; after model_proxied_start(), before home_load(). -1: out of memory. */
int model_consent_start(struct model *model, struct error *err);
void model_consent_stop(struct model *model);

/* struct model.notice */
int model_consent_notice(struct dm_call *call, struct firmware_target *target, int slot, struct error *err);
/* struct model.identify */
int model_consent_identify(struct dm_call *call, const char *key, int what, struct error *err);

#endif
