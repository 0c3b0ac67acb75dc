/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time. All code asks a clock and none asks the system, so that tests can move time by hand. The monotonic clock (ms
 * since some start) orders and waits; the wall clock (s since 1970, UTC) is for people and records.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    bool fake;
    uint64_t fake_monotonic; /* ms */
    int64_t fake_wall;       /* ms since 1970 */
};

/* A fake clock stands still at `wall` (seconds since 1970) until moved. */
void clock_fake(struct clock *clock, int64_t wall);
void clock_fake_advance(struct clock *clock, uint64_t ms);

uint64_t clock_monotonic(const struct clock *clock); /* ms */
int64_t clock_wall(const struct clock *clock);       /* s since 1970 */
int64_t clock_wall_ms(const struct clock *clock);    /* ms since 1970 */

#endif
