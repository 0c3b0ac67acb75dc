/* SPDX-License-Identifier: BSD-3-Clause */
/* The products that the simulated home can hold: constant facts, nothing to free. */
#ifndef TOOLS_SIMHOME_SHELLY_MODELS_H
#define TOOLS_SIMHOME_SHELLY_MODELS_H

#include <stdbool.h>
#include <stddef.h>

struct model {
    const char *code;      /* GetDeviceInfo.model */
    const char *app;       /* GetDeviceInfo.app, and the name inside an image made for it */
    const char *id_prefix; /* device ids are PREFIX-mac */
    const char *platform;  /* the chip that an image is built for */
    int generation;
    int switches;
    bool battery; /* sleeps, and wakes now and then */
};

size_t model_count(void);
const struct model *model_at(size_t index);
/* Those that run on batteries come after these; they repeat from index 0. */
const struct model *model_sleepy_at(size_t index);
/* By product code or app name, without regard to case; NULL when there is no such product. */
const struct model *model_find(const char *name);
/* The product after this one: what a device claims to be when its identity is made to change. */
const struct model *model_other(const struct model *model);

#endif
