/* SPDX-License-Identifier: BSD-3-Clause */
/* POSIX time zones against the C library's, which reads the same text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/local_time.h"

static void test_as_the_library(void **state)
{
    static const char *const zones[] = {
        "UTC0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "<-03>3",
        "<+0545>-5:45",
        "AEST-10AEDT,M10.1.0,M4.1.0/3", /* the southern half: over the new year */
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "LHST-10:30LHDT-11,M10.1.0,M4.1.0", /* half an hour */
        "IST-1GMT0,M10.5.0,M3.5.0/1",       /* Ireland: its winter is what is saved */
        "XXX-3YYY,J60/0,J300",
        "XXX3YYY,59,300/12:30:15",
        "<-04>4<-03>,M9.1.6/24,M4.1.6/24", /* Chile */
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", /* Greenland */
        "AAA+12:59:59BBB-14,M2.5.3/4,M12.5.6/7",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct local_zone zone;

        setenv("TZ", zones[i], 1);
        tzset();
        assert_int_equal(local_zone_parse(&zone, zones[i], NULL), 0);
        for (int64_t at = 1600000000; at < 4200000000; at += 5021) {
            time_t seconds = (time_t)at;
            struct tm local;

            assert_non_null(localtime_r(&seconds, &local));
            if (local_offset(&zone, at) != local.tm_gmtoff)
                fail_msg("%s at %lld: %d, and the library says %ld", zones[i], (long long)at,
                         local_offset(&zone, at), local.tm_gmtoff);
        }
    }
}

/* The second in which the clocks change. */
static void test_to_the_second(void **state)
{
    struct local_zone zone;

    (void)state;
    assert_int_equal(local_zone_parse(&zone, "CET-1CEST,M3.5.0,M10.5.0/3", NULL), 0);
    assert_int_equal(local_offset(&zone, 1774745999), 3600); /* 2026-03-29T00:59:59Z */
    assert_int_equal(local_offset(&zone, 1774746000), 7200);
    assert_int_equal(local_offset(&zone, 1792889999), 7200); /* 2026-10-25T00:59:59Z */
    assert_int_equal(local_offset(&zone, 1792890000), 3600);
    assert_int_equal(local_zone_parse(&zone, "EST+5 EDT,M4.1.0/2,M10.5.0/2", NULL), 0); /* TR-181's example */
    assert_int_equal(local_offset(&zone, 1782864000), -4 * 3600);                       /* July 2026 */
}

/* Daylight saving time all the year, as RFC 8536, 3.3.1, has it. */
static void test_all_the_year(void **state)
{
    struct local_zone zone;

    (void)state;
    assert_int_equal(local_zone_parse(&zone, "XXX-1YYY,0/0,J365/25", NULL), 0);
    for (int64_t at = 1600000000; at < 1800000000; at += 1800)
        assert_int_equal(local_offset(&zone, at), 7200);
}

static void test_system(void **state)
{
    struct local_zone zone;

    (void)state;
    setenv("TZ", "XXX-2", 1);
    assert_int_equal(local_zone_parse(&zone, "", NULL), 0);
    assert_int_equal(local_offset(&zone, 1774746000), 7200);
    setenv("TZ", "XXX-3", 1); /* looked up anew */
    assert_int_equal(local_offset(&zone, 1774746000), 3 * 3600);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "Europe/Paris",
        "CET",
        "CE-1",
        "CET-25",
        "CET-1:60",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,J366,J5",
        "CET-1CEST,366,5",
        "CET-1CEST,M3.5.0,M10.5.0/168",
        "CET-1CEST,M3.5.0,M10.5.0 ",
        "<+01-1",
        "<+0>-1",
        "-1",
        "+1",
        " ",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1CEST,M3,M10",
        "CET--1",
        ":Europe/Paris",
        "CET-99999999999999999999",
    };
    struct local_zone zone;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (local_zone_parse(&zone, texts[i], &err) == 0)
            fail_msg("%s was taken", texts[i]);
    assert_int_equal(err.code, ERROR_INVALID_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_library), cmocka_unit_test(test_to_the_second),
        cmocka_unit_test(test_all_the_year),   cmocka_unit_test(test_system),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
