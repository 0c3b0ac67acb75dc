/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/timer.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    BACKOFF_LAST_RETRY = 10, /* R-NOT.2, R-WS.19, R-E2E.11: from here on the range stays */
    BACKOFF_LONGEST_S = 100 * 365 * 24 *
                        3600u, /* the largest settings give 10^22 s, which no clock can count */
};

void timers_init(struct timers *timers, const struct clock *clock)
{
    *timers = (struct timers){.clock = clock};
}

void timers_done(struct timers *timers)
{
    if (!timers)
        return;
    for (size_t i = 0; i < timers->count; i++)
        timers->heap[i]->place = 0;
    free(timers->heap);
    *timers = (struct timers){0};
}

void timer_init(struct timer *timer, timer_fn *fn, void *ctx)
{
    *timer = (struct timer){.fn = fn, .ctx = ctx};
}

static void put(struct timers *timers, size_t at, struct timer *timer)
{
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static void sift_up(struct timers *timers, size_t at)
{
    struct timer *timer = timers->heap[at];

    while (at && timers->heap[(at - 1) / 2]->due > timer->due) {
        put(timers, at, timers->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(timers, at, timer);
}

static void sift_down(struct timers *timers, size_t at)
{
    struct timer *timer = timers->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && timers->heap[child + 1]->due < timers->heap[child]->due)
            child++;
        if (timers->heap[child]->due >= timer->due)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

static void announce(struct timers *timers)
{
    if (timers->changed)
        timers->changed(timers->changed_ctx);
}

static void take_out(struct timers *timers, struct timer *timer)
{
    size_t at = timer->place - 1;
    struct timer *last = timers->heap[--timers->count];

    timer->place = 0;
    if (last == timer)
        return;
    put(timers, at, last);
    sift_up(timers, at);
    sift_down(timers, last->place - 1);
}

int timer_arm(struct timers *timers, struct timer *timer, uint64_t delay_ms)
{
    uint64_t now = clock_monotonic(timers->clock);

    if (timer->place)
        take_out(timers, timer);
    if (timers->count == timers->cap) {
        size_t cap = timers->cap ? timers->cap * 2 : 16;
        struct timer **heap = realloc(timers->heap, cap * sizeof(*heap));

        if (!heap)
            return -1;
        timers->heap = heap;
        timers->cap = cap;
    }
    /* A timer that arms itself for now while timers_run() runs waits for the next round. */
    if (timers->running && delay_ms == 0)
        delay_ms = 1;
    timer->due = delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;
    put(timers, timers->count++, timer);
    sift_up(timers, timers->count - 1);
    announce(timers);
    return 0;
}

void timer_cancel(struct timers *timers, struct timer *timer)
{
    if (!timer->place)
        return;
    take_out(timers, timer);
    announce(timers);
}

void timers_run(struct timers *timers)
{
    uint64_t now = clock_monotonic(timers->clock);

    timers->running = true;
    while (timers->count && timers->heap[0]->due <= now) {
        struct timer *timer = timers->heap[0];

        take_out(timers, timer);
        timer->fn(timer, timer->ctx);
    }
    timers->running = false;
}

uint64_t timers_next(const struct timers *timers)
{
    uint64_t now;

    if (!timers->count)
        return UINT64_MAX;
    now = clock_monotonic(timers->clock);
    return timers->heap[0]->due > now ? timers->heap[0]->due - now : 0;
}

uint64_t timer_backoff(uint32_t minimum_s, uint32_t multiplier_k, uint32_t retry, uint32_t cap_s)
{
    double low = minimum_s;
    double high;
    uint32_t random = 0;

    if (retry > BACKOFF_LAST_RETRY)
        retry = BACKOFF_LAST_RETRY;
    for (uint32_t i = 1; i < retry; i++)
        low *= multiplier_k / 1000.0;
    high = low * multiplier_k / 1000.0;
    if (high > BACKOFF_LONGEST_S)
        high = BACKOFF_LONGEST_S;
    if (cap_s && high > cap_s)
        high = cap_s;
    if (low > high)
        low = high;
    /* Short reads and errors leave the lower bound: still within the range. */
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return (uint64_t)((low + (high - low) * (random / 4294967296.0)) * 1000.0);
}
