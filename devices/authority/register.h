/* SPDX-License-Identifier: BSD-3-Clause */
/* How the register of issued certificates is stored: one JSON object each, under the serial number. */
#ifndef DEVICES_AUTHORITY_REGISTER_H
#define DEVICES_AUTHORITY_REGISTER_H

#include "devices/authority/authority.h"

void register_write(const struct issued *issued, struct buf *out);
/* NULL: it cannot be read, or memory is out. */
struct issued *register_read(struct str serial, struct str record);

#endif
