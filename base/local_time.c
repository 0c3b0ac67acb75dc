/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/local_time.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"

enum {
    DAY_S = 24 * 3600,
    HOUR_S = 3600,
    NAME_MIN = 3,
    CHANGE_AT_S = 2 * HOUR_S, /* when a rule does not say */
    HOURS_MAX = 24,
    RULE_HOURS_MAX = 167, /* RFC 8536, 3.3.1 */
};

/* ---- reading ---- */

/* Each of these moves *at on and returns false when the text is wrong. */
static bool skip_name(const char **at)
{
    const char *from = *at;
    bool quoted = *from == '<';

    if (quoted)
        from++;
    *at = from;
    while (isalpha((unsigned char)**at) ||
           (quoted && (isdigit((unsigned char)**at) || **at == '+' || **at == '-')))
        ++*at;
    if (*at - from < NAME_MIN)
        return false;
    return !quoted || *(*at)++ == '>';
}

static bool read_number(const char **at, int max, int *ret)
{
    int value = 0;

    if (!isdigit((unsigned char)**at))
        return false;
    while (isdigit((unsigned char)**at)) {
        value = value * 10 + *(*at)++ - '0';
        if (value > max)
            return false;
    }
    *ret = value;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(const char **at, int hours_max, int32_t *ret)
{
    int hours, minutes = 0, seconds = 0;
    int sign = **at == '-' ? -1 : 1;

    if (**at == '-' || **at == '+')
        ++*at;
    if (!read_number(at, hours_max, &hours))
        return false;
    if (**at == ':' && (++*at, !read_number(at, 59, &minutes)))
        return false;
    if (**at == ':' && (++*at, !read_number(at, 59, &seconds)))
        return false;
    *ret = sign * (hours * HOUR_S + minutes * 60 + seconds);
    return true;
}

static bool skip_dot(const char **at)
{
    return *(*at)++ == '.';
}

static bool read_rule(const char **at, struct local_rule *ret)
{
    if (*(*at)++ != ',')
        return false;
    *ret = (struct local_rule){.kind = LOCAL_DAY, .time = CHANGE_AT_S};
    if (**at == 'M') {
        ++*at;
        ret->kind = LOCAL_WEEKDAY;
        if (!read_number(at, 12, &ret->month) || !skip_dot(at) || !read_number(at, 5, &ret->week) ||
            !skip_dot(at) || !read_number(at, 6, &ret->day) || !ret->month || !ret->week)
            return false;
    } else if (**at == 'J') {
        ++*at;
        ret->kind = LOCAL_DAY_NO_LEAP;
        if (!read_number(at, 365, &ret->day) || !ret->day)
            return false;
    } else if (!read_number(at, 365, &ret->day)) {
        return false;
    }
    return **at != '/' || (++*at, read_time(at, RULE_HOURS_MAX, &ret->time));
}

static bool read_zone(const char *at, struct local_zone *ret)
{
    int32_t west;

    if (!skip_name(&at) || !read_time(&at, HOURS_MAX, &west))
        return false;
    ret->standard = -west; /* POSIX counts west of UTC */
    if (!*at)
        return true;
    while (*at == ' ') /* as in TR-181's example */
        at++;
    ret->daylight = ret->standard + HOUR_S;
    if (!skip_name(&at))
        return false;
    if (*at != ',') {
        if (!read_time(&at, HOURS_MAX, &west))
            return false;
        ret->daylight = -west;
    }
    ret->changes = true;
    return read_rule(&at, &ret->start) && read_rule(&at, &ret->end) && !*at;
}

int local_zone_parse(struct local_zone *ret, const char *text, struct error *err)
{
    struct local_zone zone = {.set = *text != '\0'};

    if (zone.set && !read_zone(text, &zone))
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "\"%.64s\" is no POSIX time zone such as CET-1CEST,M3.5.0,M10.5.0/3", text);
    *ret = zone;
    return 0;
}

/* ---- counting ---- */

/* Days from 1970-01-01 to the first of a month; month 13: of the next year's January. */
static int64_t days_to(int64_t year, int month)
{
    struct tm first = {.tm_year = (int)(year - 1900) + month / 13, .tm_mon = (month - 1) % 12, .tm_mday = 1};

    return calendar_seconds(&first) / DAY_S;
}

static int month_start(int64_t year, int month)
{
    return (int)(days_to(year, month) - days_to(year, 1));
}

/* The day in that year, from 0. */
static int day_of(const struct local_rule *rule, int64_t year)
{
    int first, day;

    switch (rule->kind) {
    case LOCAL_DAY_NO_LEAP:
        return rule->day - 1 + (rule->day > 59 && month_start(year, 3) == 60);
    case LOCAL_WEEKDAY:
        first = month_start(year, rule->month);
        /* 1970-01-01 was a Thursday. */
        day = (int)((rule->day - (days_to(year, 1) + first + 4) % 7 + 7) % 7) + (rule->week - 1) * 7;
        if (rule->week == 5 && first + day >= month_start(year, rule->month + 1))
            day -= 7;
        return first + day;
    default:
        return rule->day;
    }
}

static int64_t moment(const struct local_rule *rule, int64_t year, int32_t offset)
{
    return (days_to(year, 1) + day_of(rule, year)) * DAY_S + rule->time - offset;
}

static int64_t year_of(int64_t at)
{
    struct tm tm;

    calendar_of(at, &tm);
    return tm.tm_year + 1900;
}

static int32_t system_offset(int64_t at)
{
    time_t seconds = (time_t)at;
    struct tm local;

    tzset();
    return localtime_r(&seconds, &local) ? (int32_t)local.tm_gmtoff : 0;
}

int32_t local_offset(const struct local_zone *zone, int64_t at)
{
    int64_t year, start, end;

    if (!zone->set)
        return system_offset(at);
    if (!zone->changes || at < 0)
        return zone->standard;
    year = year_of(at + zone->standard);
    start = moment(&zone->start, year, zone->standard);
    end = moment(&zone->end, year, zone->daylight);
    if (start < end ? at >= start && at < end : at >= start || at < end)
        return zone->daylight;
    return zone->standard;
}
