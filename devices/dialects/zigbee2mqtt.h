/* SPDX-License-Identifier: BSD-3-Clause */
/* The dialect of Zigbee2MQTT: a bridge at the LAN's broker that speaks for the Zigbee devices of its radio. */
#ifndef DEVICES_DIALECTS_ZIGBEE2MQTT_H
#define DEVICES_DIALECTS_ZIGBEE2MQTT_H

#include "devices/dialects/dialect.h"

extern const struct dialect zigbee2mqtt_dialect;

#endif
