/* SPDX-License-Identifier: BSD-3-Clause */
/* The update of one device, from ota_begin to the first boot of what was written. Called by device.c only. */
#ifndef TOOLS_SIMHOME_SHELLY_UPDATE_H
#define TOOLS_SIMHOME_SHELLY_UPDATE_H

#include <stdbool.h>

struct shelly;

/* The life timer of a device that is updating has run out. False: nothing left to do but the reboot. */
bool update_step(struct shelly *device);
/* Drops what is going on without a word, as a power cut does; what was written completely stays written. */
void update_abort(struct shelly *device);
/* Decides which firmware this boot runs, and as whom. */
void update_boot(struct shelly *device);

#endif
