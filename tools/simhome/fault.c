/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/fault.h"

#include <string.h>

static const char *const names[] = {"offline",     "refuses",      "fails",       "no-return", "old-version",
                                    "wrong-model", "new-identity", "flood",       "garbage",   "mute",
                                    "power-cut",   "slow",         "low-battery", "rival"};

enum {
    FAULT_COUNT = sizeof(names) / sizeof(names[0]),
};

unsigned fault_find(const char *name)
{
    for (size_t bit = 0; bit < FAULT_COUNT; bit++) {
        if (!strcmp(names[bit], name))
            return 1u << bit;
    }
    return 0;
}

const char *fault_name(size_t bit)
{
    return bit < FAULT_COUNT ? names[bit] : NULL;
}
