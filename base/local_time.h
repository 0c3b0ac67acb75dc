/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local time by a POSIX time zone (IEEE 1003.1, 8.3, the value of TZ; what Device.Time.LocalTimeZone holds), without the
 * process's own. The names of zones (Europe/Paris) are the system's affair. Pure functions.
 */
#ifndef BASE_LOCAL_TIME_H
#define BASE_LOCAL_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* A day of the year and a local time on it. */
struct local_rule {
    enum {
        LOCAL_DAY,         /* n: day 0..365, 29 February counts */
        LOCAL_DAY_NO_LEAP, /* Jn: day 1..365, 29 February is never counted */
        LOCAL_WEEKDAY,     /* Mm.w.d: the w-th day d of month m; 5: the last */
    } kind;
    int day; /* or d */
    int month;
    int week;
    int32_t time; /* s after midnight, may be on another day */
};

struct local_zone {
    bool set;         /* false: the system's (TZ, /etc/localtime) */
    int32_t standard; /* s east of UTC */
    int32_t daylight;
    bool changes; /* to daylight saving time at start, back at end */
    struct local_rule start;
    struct local_rule end;
};

/* "": the system's. -1 and err (7012): it is no such text. */
int local_zone_parse(struct local_zone *ret, const char *text, struct error *err);
/* s east of UTC at that moment (s since 1970). */
int32_t local_offset(const struct local_zone *zone, int64_t at);

#endif
