/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that no device should send. */
#ifndef TOOLS_SIMHOME_SHELLY_GARBAGE_H
#define TOOLS_SIMHOME_SHELLY_GARBAGE_H

#include "base/buf.h"

/* One of several kinds, chosen by `turn`, in the name of the device `id`. */
void shelly_garbage(struct buf *out, unsigned turn, const char *id);

#endif
