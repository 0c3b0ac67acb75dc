/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/calendar.h"

enum {
    DAY_S = 24 * 60 * 60,
    DAYS_4_YEARS = 4 * 365 + 1,
    DAYS_100_YEARS = 25 * DAYS_4_YEARS - 1,
    DAYS_400_YEARS = 4 * DAYS_100_YEARS + 1,
    /* From 0000-03-01 to 1970-01-01. Years are counted from March here: then the odd day is a year's last. */
    DAYS_TO_1970 = 719468,
    THURSDAY = 4, /* 1970-01-01 */
};

static const int64_t MOST_DAYS = 784000000000; /* its year still fits */

/* Days from the first of March to the first of that month, which counts from March. */
static int days_to(int month)
{
    return (month * 153 + 2) / 5;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

void calendar_of(int64_t seconds, struct tm *ret)
{
    int64_t days = floor_div(seconds, DAY_S);
    int in_day = (int)((seconds % DAY_S + DAY_S) % DAY_S);
    int64_t era, year;
    int day, month;

    if (days > MOST_DAYS || days < -MOST_DAYS)
        days = days > 0 ? MOST_DAYS : -MOST_DAYS;
    *ret = (struct tm){.tm_hour = in_day / 3600, .tm_min = in_day / 60 % 60, .tm_sec = in_day % 60};
    ret->tm_wday = (int)(((days + THURSDAY) % 7 + 7) % 7);
    era = floor_div(days + DAYS_TO_1970, DAYS_400_YEARS);
    day = (int)(days + DAYS_TO_1970 - era * DAYS_400_YEARS);
    year = (day - day / (DAYS_4_YEARS - 1) + day / DAYS_100_YEARS - day / (DAYS_400_YEARS - 1)) / 365;
    day -= (int)(year * 365 + year / 4 - year / 100);
    month = (day * 5 + 2) / 153;
    ret->tm_mday = day - days_to(month) + 1;
    year += era * 400 + (month >= 10 ? 1 : 0);
    ret->tm_mon = month >= 10 ? month - 10 : month + 2;
    ret->tm_year = (int)(year - 1900);
    ret->tm_yday = month >= 10 ? day - 306
                               : day + 59 + (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

int64_t calendar_seconds(const struct tm *tm)
{
    int64_t year = (int64_t)tm->tm_year + 1900 - (tm->tm_mon < 2 ? 1 : 0);
    int month = tm->tm_mon < 2 ? tm->tm_mon + 10 : tm->tm_mon - 2;
    int64_t days = year * 365 + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) +
                   days_to(month) + tm->tm_mday - 1 - DAYS_TO_1970;

    return days * DAY_S + tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec;
}
