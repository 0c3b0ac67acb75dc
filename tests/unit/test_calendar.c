/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/x509_time.h"

static const int64_t DAY = 86400;

static void known_moments(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
        int wday, yday;
    } known[] = {
        {-62135596799, "0001-01-01T00:00:01Z", 1, 0},   {-2203891201, "1900-02-28T23:59:59Z", 3, 58},
        {-2203891200, "1900-03-01T00:00:00Z", 4, 59},   {-1, "1969-12-31T23:59:59Z", 3, 364},
        {951782400, "2000-02-29T00:00:00Z", 2, 59},     {978220800, "2000-12-31T00:00:00Z", 0, 365},
        {2147483647, "2038-01-19T03:14:07Z", 2, 18},    {2147483648, "2038-01-19T03:14:08Z", 2, 18},
        {4107542399, "2100-02-28T23:59:59Z", 0, 58},    {4107542400, "2100-03-01T00:00:00Z", 1, 59},
        {253402300799, "9999-12-31T23:59:59Z", 5, 364},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char text[STR_TIME_BYTES];
        struct tm tm;

        calendar_of(known[i].seconds, &tm);
        str_from_time(text, known[i].seconds);
        assert_string_equal(text, known[i].text);
        assert_int_equal(tm.tm_wday, known[i].wday);
        assert_int_equal(tm.tm_yday, known[i].yday);
        assert_true(calendar_seconds(&tm) == known[i].seconds);
    }
}

/* Each day of nine centuries follows the one before it, and leads back. */
static void every_day(void **state)
{
    struct tm before, tm;

    (void)state;
    calendar_of(-150 * 365 * DAY, &before);
    for (int64_t day = -150 * 365 + 1; day < 750 * 365; day++) {
        calendar_of(day * DAY + 3661, &tm);
        assert_int_equal(tm.tm_hour * 10000 + tm.tm_min * 100 + tm.tm_sec, 10101);
        assert_int_equal(tm.tm_wday, (before.tm_wday + 1) % 7);
        if (tm.tm_mday == 1)
            assert_int_equal(tm.tm_mon, (before.tm_mon + 1) % 12);
        else
            assert_true(tm.tm_mday == before.tm_mday + 1 && tm.tm_mon == before.tm_mon);
        assert_int_equal(tm.tm_yday, tm.tm_yday ? before.tm_yday + 1 : 0);
        assert_true(calendar_seconds(&tm) == day * DAY + 3661);
        before = tm;
    }
}

static void far_away(void **state)
{
    struct tm tm;

    (void)state;
    calendar_of(INT64_MAX, &tm);
    assert_true(tm.tm_year > 2000000000);
    calendar_of(INT64_MIN, &tm);
    assert_true(tm.tm_year < -2000000000);
}

static void certificates(void **state)
{
    static const int64_t moments[] = {-1, 1, 1700000000, 2524607999, 2524608000, 253402300799};

    (void)state;
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        ASN1_TIME *time = x509_time(NULL, moments[i]);

        assert_non_null(time);
        assert_true(x509_seconds(time) == moments[i]);
        ASN1_TIME_free(time);
    }
    assert_null(x509_time(NULL, 253402300800)); /* the year 10000 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments),
        cmocka_unit_test(every_day),
        cmocka_unit_test(far_away),
        cmocka_unit_test(certificates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
