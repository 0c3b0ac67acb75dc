/* SPDX-License-Identifier: BSD-3-Clause */
#include "consent/quiet.h"

enum {
    PLAUSIBLE_TIME = 1735689600, /* 2025: a clock that shows less was never set */
    HORIZON_MINUTES = 50 * 60,   /* a change of the clock may take one night's hours away */
};

static int two_digits(const char *text)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return -1;
    return (text[0] - '0') * 10 + text[1] - '0';
}

int quiet_minute(struct str text)
{
    int hour, minute;

    if (text.len != 5 || text.data[2] != ':')
        return -1;
    hour = two_digits(text.data);
    minute = two_digits(text.data + 3);
    return hour < 0 || hour > 23 || minute < 0 || minute > 59 ? -1 : hour * 60 + minute;
}

static bool is_quiet(const struct local_zone *zone, int start, int end, int64_t at)
{
    int minute = (int)((at + local_offset(zone, at)) % (24 * 3600) / 60);

    return start < end ? minute >= start && minute < end : minute >= start || minute < end;
}

bool quiet_at(struct quiet_cache *cache, const struct local_zone *zone, int start, int end, int64_t now,
              int64_t *ret_next)
{
    *ret_next = 0;
    if (start < 0 || end < 0 || start == end || now < PLAUSIBLE_TIME)
        return false;
    if (cache->start != start || cache->end != end || now < cache->from || now >= cache->next) {
        *cache = (struct quiet_cache){.start = start, .end = end, .from = now};
        cache->quiet = is_quiet(zone, start, end, now);
        cache->next = now - now % 60 + 60;
        for (int i = 0; i < HORIZON_MINUTES && is_quiet(zone, start, end, cache->next) == cache->quiet; i++)
            cache->next += 60;
    }
    *ret_next = cache->next;
    return cache->quiet;
}
