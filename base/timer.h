/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers on a clock: a heap of deadlines that the event loop drives, or a test by hand. A `struct timer` is embedded
 * in its owner; nothing is allocated per timer but its place in the heap. A timer that is armed must be cancelled
 * before its owner is freed.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct timer;
typedef void timer_fn(struct timer *timer, void *ctx);

struct timer {
    timer_fn *fn;
    void *ctx;
    uint64_t due; /* monotonic ms */
    size_t place; /* place in the heap + 1; 0 when not armed */
};

struct timers {
    const struct clock *clock;
    struct timer **heap;
    size_t count;
    size_t cap;
    bool running;
    void (*changed)(void *ctx); /* the next deadline changed; may be NULL */
    void *changed_ctx;
};

void timers_init(struct timers *timers, const struct clock *clock);
void timers_done(struct timers *timers);

void timer_init(struct timer *timer, timer_fn *fn, void *ctx);
/* Fires once, delay_ms from now; arming an armed timer moves it. -1 when memory is out. */
int timer_arm(struct timers *timers, struct timer *timer, uint64_t delay_ms);
void timer_cancel(struct timers *timers, struct timer *timer);
static inline int timer_armed(const struct timer *timer)
{
    return timer->place != 0;
}

/* Fires what is due, in order of deadline. */
void timers_run(struct timers *timers);
/* ms until the next deadline: 0 when one is due, UINT64_MAX when there is none. */
uint64_t timers_next(const struct timers *timers);

/*
 * The wait before retry number n (1, 2, ...) that USP prescribes everywhere (R-NOT.1, R-WS.19, R-E2E.10, R-MQTT.10):
 * a random time between m*(k/1000)^(n-1) and m*(k/1000)^n seconds, n capped at 10. In ms; cap_s limits it (0: none).
 */
uint64_t timer_backoff(uint32_t minimum_s, uint32_t multiplier_k, uint32_t retry, uint32_t cap_s);

#endif
