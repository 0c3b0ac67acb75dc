/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests that run a real loop: turns it until a condition holds, and fails the test when that takes too long.
 */
#ifndef TESTS_UNIT_WAIT_H
#define TESTS_UNIT_WAIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <cmocka.h>

#include "base/loop.h"

enum {
    WAIT_MS = 20000,
    WAIT_TICK_MS = 5,
};

static inline void wait_tick(uv_timer_t *timer)
{
    (void)timer;
}

static inline void wait_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/* Turns the loop once; returns after WAIT_TICK_MS at the latest. */
static inline void wait_turn(struct loop *loop)
{
    bool closed = false;
    uv_timer_t timer;

    uv_timer_init(&loop->uv, &timer);
    timer.data = &closed;
    uv_update_time(&loop->uv);
    uv_timer_start(&timer, wait_tick, WAIT_TICK_MS, 0);
    uv_run(&loop->uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, wait_closed);
    while (!closed)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}

#define WAIT_FOR(loop, condition)                                \
    do {                                                         \
        uint64_t wait_end_ = uv_hrtime() / 1000000 + WAIT_MS;    \
        while (!(condition)) {                                   \
            wait_turn(loop);                                     \
            if (uv_hrtime() / 1000000 > wait_end_)               \
                fail_msg("waited too long for: %s", #condition); \
        }                                                        \
    } while (0)

#endif
