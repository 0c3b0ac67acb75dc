/* SPDX-License-Identifier: BSD-3-Clause */
/* The dialect of Shelly devices, generation 2 and later: JSON-RPC over the LAN's broker or their outbound WebSocket. */
#ifndef DEVICES_DIALECTS_SHELLY_H
#define DEVICES_DIALECTS_SHELLY_H

#include "devices/dialects/dialect.h"

extern const struct dialect shelly_dialect;

#endif
