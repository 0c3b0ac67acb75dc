/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UTC in the Gregorian calendar, from and to seconds since 1970-01-01T00:00:00Z, for all years that a struct tm can
 * hold. gmtime() and timegm() end in 2038 where time_t has 32 bits, and certificates, windows and "for ever" do not.
 */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdint.h>
#include <time.h>

/* As gmtime_r(). Seconds beyond the year 2^31 give the nearest that fits. */
void calendar_of(int64_t seconds, struct tm *ret);
/* As timegm(), but the fields are in their ranges; second 60 and hour 24 are the next minute's and day's. */
int64_t calendar_seconds(const struct tm *tm);

#endif
