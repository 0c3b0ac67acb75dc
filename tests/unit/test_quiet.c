/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "consent/quiet.h"

enum {
    MINUTE = 60,
    HOUR = 60 * MINUTE,
};

/* In Central Europe: DST begins on 2026-03-29 and ends on 2026-10-25, at 01:00 UTC. */
static int64_t at(const char *utc)
{
    int64_t seconds;

    assert_int_equal(str_to_time(str_of(utc), &seconds), 0);
    return seconds;
}

static bool is_quiet(const char *start, const char *end, const char *utc, int64_t *ret_next)
{
    struct quiet_cache cache = {.next = 0};
    struct local_zone zone;

    assert_int_equal(local_zone_parse(&zone, "CET-1CEST,M3.5.0,M10.5.0/3", NULL), 0);
    return quiet_at(&cache, &zone, quiet_minute(str_of(start)), quiet_minute(str_of(end)), at(utc), ret_next);
}

static void test_minutes(void **state)
{
    (void)state;
    assert_int_equal(quiet_minute(STR("00:00")), 0);
    assert_int_equal(quiet_minute(STR("23:59")), 23 * 60 + 59);
    assert_int_equal(quiet_minute(STR("24:00")), -1);
    assert_int_equal(quiet_minute(STR("12:60")), -1);
    assert_int_equal(quiet_minute(STR("1:00")), -1);
    assert_int_equal(quiet_minute(STR("-1:00")), -1);
    assert_int_equal(quiet_minute(STR("12.00")), -1);
    assert_int_equal(quiet_minute(STR("")), -1);
}

static void test_within_a_day(void **state)
{
    int64_t next;

    (void)state;
    assert_false(is_quiet("02:00", "05:00", "2026-01-10T00:59:59Z", &next));
    assert_int_equal(next, at("2026-01-10T01:00:00Z"));
    assert_true(is_quiet("02:00", "05:00", "2026-01-10T01:00:00Z", &next));
    assert_int_equal(next, at("2026-01-10T04:00:00Z"));
    assert_false(is_quiet("02:00", "05:00", "2026-01-10T04:00:00Z", &next));
    assert_int_equal(next, at("2026-01-11T01:00:00Z"));
}

static void test_over_midnight(void **state)
{
    int64_t next;

    (void)state;
    assert_true(is_quiet("22:30", "06:00", "2026-01-10T22:00:00Z", &next));
    assert_int_equal(next, at("2026-01-11T05:00:00Z"));
    assert_true(is_quiet("22:30", "06:00", "2026-01-10T23:30:00Z", &next));
    assert_false(is_quiet("22:30", "06:00", "2026-01-10T05:00:00Z", &next));
    assert_int_equal(next, at("2026-01-10T21:30:00Z"));
}

/* 02:00 to 03:00 local time does not exist on that night. */
static void test_spring(void **state)
{
    int64_t next;

    (void)state;
    assert_false(is_quiet("02:00", "03:00", "2026-03-29T00:59:00Z", &next));
    assert_int_equal(next, at("2026-03-30T00:00:00Z"));
    assert_true(is_quiet("01:30", "02:30", "2026-03-29T00:30:00Z", &next));
    assert_int_equal(next, at("2026-03-29T01:00:00Z")); /* 02:00 became 03:00 */
    assert_true(is_quiet("22:00", "06:00", "2026-03-28T21:00:00Z", &next));
    assert_int_equal(next - at("2026-03-28T21:00:00Z"), 7 * HOUR);
}

/* 02:00 to 03:00 local time comes twice on that night. */
static void test_autumn(void **state)
{
    int64_t next;

    (void)state;
    assert_true(is_quiet("02:00", "03:00", "2026-10-25T00:00:00Z", &next));
    assert_int_equal(next, at("2026-10-25T02:00:00Z"));
    assert_true(is_quiet("22:00", "06:00", "2026-10-24T20:00:00Z", &next));
    assert_int_equal(next - at("2026-10-24T20:00:00Z"), 9 * HOUR);
}

static void test_nothing_is_known(void **state)
{
    int64_t next;

    (void)state;
    assert_false(is_quiet("02:00", "02:00", "2026-01-10T01:00:00Z", &next));
    assert_int_equal(next, 0);
    assert_false(is_quiet("nonsense", "02:00", "2026-01-10T01:00:00Z", &next));
    assert_int_equal(next, 0);
    assert_false(is_quiet("00:00", "23:59", "1970-01-02T01:00:00Z", &next)); /* a clock that was never set */
    assert_int_equal(next, 0);
}

/* What was found is kept until the next change, and no longer than the clock and the hours stay. */
static void test_cache(void **state)
{
    const struct local_zone zone = {.set = true, .standard = HOUR};
    struct quiet_cache cache = {.next = 0};
    int64_t now = at("2026-01-10T00:00:00Z");
    int64_t next;

    (void)state;
    for (; now < at("2026-01-12T00:00:00Z"); now += 7 * MINUTE) {
        struct quiet_cache fresh = {.next = 0};
        int64_t expected;
        bool quiet = quiet_at(&fresh, &zone, 120, 300, now, &expected);

        assert_int_equal(quiet_at(&cache, &zone, 120, 300, now, &next), quiet);
        assert_int_equal(next, expected);
    }
    assert_true(
        quiet_at(&cache, &zone, 120, 300, at("2026-01-10T02:00:00Z"), &next)); /* the clock went back */
    assert_false(quiet_at(&cache, &zone, 240, 300, at("2026-01-10T02:00:00Z"), &next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minutes),       cmocka_unit_test(test_within_a_day),
        cmocka_unit_test(test_over_midnight), cmocka_unit_test(test_spring),
        cmocka_unit_test(test_autumn),        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
