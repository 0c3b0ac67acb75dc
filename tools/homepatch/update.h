/* SPDX-License-Identifier: BSD-3-Clause */
/* Download() and Activate() on several devices at once, watched until the last has ended. */
#ifndef TOOLS_HOMEPATCH_UPDATE_H
#define TOOLS_HOMEPATCH_UPDATE_H

#include "tools/homepatch/inventory.h"
#include "tools/homepatch/progress.h"

struct update {
    struct device *device;
    unsigned slot;
    char key[64];
    char command[160];
    char request[64]; /* its row in Device.LocalAgent.Request.; "" when it never ran */
    bool ended;
    bool succeeded;
    uint64_t missing; /* since when the Request row is gone, monotonic ms; 0: it is there */
    uint32_t code;
    const char *fault;
};

struct updates {
    struct app *app;
    struct inventory *inventory;
    const char *name; /* "Download()" or "Activate()" */
    struct update *list;
    struct device **devices; /* the same devices, for the display */
    size_t count;
    struct progress progress;
    bool changed; /* something is to be drawn */
};

/* A slot to use on this device, or 0 and why not. */
typedef unsigned update_slot_fn(const struct device *device, const char **ret_why);

/*
 * Runs the command on the devices that the command line names (its first `names` arguments, or --all), and reports what came
 * of each.
 */
void updates_run(struct app *app, const char *name, int names, update_slot_fn *pick,
                 const struct usp_client_pair *args, size_t args_count);

#endif
