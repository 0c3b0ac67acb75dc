/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The time windows of Activate() on the clock. Pure: takes seconds since acceptance, gives what to do now.
 */
#ifndef FIRMWARE_WINDOW_H
#define FIRMWARE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "firmware/firmware.h"

enum {
    /* end_s of the window of a command that named none: what could not be done for a month ends with a result, too. */
    WINDOW_UNTIMED_S = 30 * 24 * 3600,
};

struct window_now {
    int open;        /* index of the window that is open, -1: none */
    uint64_t next_s; /* until the next change: this window closes, or the next opens; UINT64_MAX: never */
    bool passed;     /* no window is open and none will be */
};

/* -1 and err (7027) when there are too many, one ends before it starts, or a mode is unknown. */
int window_check(const struct firmware_window *windows, size_t count, struct error *err);

/*
 * Where the clock stands. skip: bits of windows that are used up (their retries failed). When windows overlap, the
 * first in the order of the command counts.
 */
void window_at(const struct firmware_window *windows, size_t count, uint32_t skip, uint64_t elapsed_s,
               struct window_now *ret);

#endif
