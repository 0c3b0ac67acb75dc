/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include <time.h>

void clock_fake(struct clock *clock, int64_t wall)
{
    *clock = (struct clock){.fake = true, .fake_monotonic = 1000, .fake_wall = wall * 1000};
}

void clock_fake_advance(struct clock *clock, uint64_t ms)
{
    clock->fake_monotonic += ms;
    clock->fake_wall += (int64_t)ms;
}

static int64_t now_ms(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t clock_monotonic(const struct clock *clock)
{
    return clock->fake ? clock->fake_monotonic : (uint64_t)now_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->fake ? clock->fake_wall : now_ms(CLOCK_REALTIME);
}

int64_t clock_wall(const struct clock *clock)
{
    return clock_wall_ms(clock) / 1000;
}
