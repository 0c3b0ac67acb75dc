/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasmota on the LAN's broker: commands and answers on topics, images by HTTP. One static row; see dialect.h. */
#ifndef DEVICES_DIALECTS_TASMOTA_H
#define DEVICES_DIALECTS_TASMOTA_H

#include "devices/dialects/dialect.h"

extern const struct dialect tasmota_dialect;

#endif
