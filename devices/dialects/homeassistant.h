/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dialect of Home Assistant's MQTT discovery: whatever announces itself on the LAN's broker for Home Assistant is
 * listed with what it says of itself, and what has an `update` entity can be told to install what its maker offers.
 */
#ifndef DEVICES_DIALECTS_HOMEASSISTANT_H
#define DEVICES_DIALECTS_HOMEASSISTANT_H

#include "devices/dialects/dialect.h"

extern const struct dialect homeassistant_dialect;

#endif
