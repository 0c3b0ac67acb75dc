/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of zigbee2mqtt*.c when configured with --without-zigbee2mqtt: a row without a name is passed over. */
#include "devices/dialects/zigbee2mqtt.h"

const struct dialect zigbee2mqtt_dialect = {.name = NULL};
