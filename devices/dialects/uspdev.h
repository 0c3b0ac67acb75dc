/* SPDX-License-Identifier: BSD-3-Clause */
/* USP devices: what on the LAN is a USP agent itself, over WebSocket or MQTT. The gateway is its controller. */
#ifndef DEVICES_DIALECTS_USPDEV_H
#define DEVICES_DIALECTS_USPDEV_H

#include "devices/dialects/dialect.h"

extern const struct dialect uspdev_dialect;

#endif
