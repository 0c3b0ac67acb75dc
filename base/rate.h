/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate limit in eight bytes: the time at which the next event would be exactly on schedule. An event passes while
 * that time is no more than the burst ahead of now. Zero-initialised it has its whole burst. Embedded in its owner.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t next_us;
};

/* now: monotonic ms. One event per interval_ms on the long run, burst of them at once. */
static inline bool rate_take(struct rate *rate, uint64_t now, uint32_t interval_ms, uint32_t burst)
{
    uint64_t now_us = now * 1000, interval_us = (uint64_t)interval_ms * 1000;
    uint64_t next = rate->next_us > now_us ? rate->next_us : now_us;

    if (next + interval_us > now_us + interval_us * burst)
        return false;
    rate->next_us = next + interval_us;
    return true;
}

/* ms until one would pass; 0: one would now. */
static inline uint64_t rate_wait_ms(const struct rate *rate, uint64_t now, uint32_t interval_ms,
                                    uint32_t burst)
{
    uint64_t due = now * 1000 + (uint64_t)interval_ms * 1000 * (burst - 1);

    return rate->next_us > due ? (rate->next_us - due + 999) / 1000 : 0;
}

/* True when its owner may forget it: the whole burst is there again. */
static inline bool rate_idle(const struct rate *rate, uint64_t now)
{
    return rate->next_us <= now * 1000;
}

#endif
