/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Updates as they go: bars that are drawn again on a terminal, else a line whenever a device enters another state or went
 * on by a tenth.
 */
#ifndef TOOLS_HOMEPATCH_PROGRESS_H
#define TOOLS_HOMEPATCH_PROGRESS_H

#include "tools/homepatch/inventory.h"

struct progress {
    struct app *app;
    struct arena scratch; /* of one drawing */
    bool live;
    size_t drawn; /* lines on the terminal */
};

void progress_init(struct progress *progress, struct app *app);
/* Shows these devices as they are now. Nothing with --json. */
void progress_show(struct progress *progress, struct device *const *devices, size_t count);
/* The lines that were drawn stay. */
void progress_done(struct progress *progress);

#endif
