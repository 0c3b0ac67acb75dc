/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiet hours on the wall clock, in the home's time zone (base/local_time.h): from one local time of the day to
 * another, over midnight when the end is not after the start. On a night on which a local time does not exist or comes
 * twice, what the clock on the wall shows counts.
 */
#ifndef CONSENT_QUIET_H
#define CONSENT_QUIET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/local_time.h"
#include "base/str.h"

struct quiet_cache {
    int start, end;
    int64_t from, next; /* what was found holds from .. next */
    bool quiet;
};

/* "02:30" as minutes of the day; -1 when it is no time of the day. */
int quiet_minute(struct str text);
/*
 * Whether now (s since 1970) is in the quiet hours, and at *ret_next they begin or end (0: never, or nothing is known:
 * the hours are empty, or the clock was never set). Another zone needs another cache.
 */
bool quiet_at(struct quiet_cache *cache, const struct local_zone *zone, int start, int end, int64_t now,
              int64_t *ret_next);

#endif
