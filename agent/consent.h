/* SPDX-License-Identifier: BSD-3-Clause */
/* Joins the engine of consent to the firmware manager, and tells it what the rows know of a device. */
#ifndef AGENT_CONSENT_H
#define AGENT_CONSENT_H

#include "consent/consent.h"
#include "datamodel/device/model.h"

/* Once, before any target is added to the manager. */
void agent_consent_start(struct consent *consent, struct model *model, struct firmware *firmware);

#endif
