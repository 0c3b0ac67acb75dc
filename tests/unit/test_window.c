/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "firmware/window.h"

static const struct firmware_window two[] = {
    {.start_s = 100, .end_s = 200, .mode = MODE_ANY_TIME, .max_retries = -1},
    {.start_s = 300, .end_s = 400, .mode = MODE_WHEN_IDLE, .max_retries = -1},
};

static void check(const struct firmware_window *windows, size_t count, uint32_t skip, uint64_t at, int open,
                  uint64_t next_s, bool passed)
{
    struct window_now now;

    window_at(windows, count, skip, at, &now);
    assert_int_equal(now.open, open);
    assert_int_equal(now.next_s, next_s);
    assert_int_equal(now.passed, passed);
}

static void test_two_windows(void **state)
{
    (void)state;
    check(two, 2, 0, 0, -1, 100, false);
    check(two, 2, 0, 99, -1, 1, false);
    check(two, 2, 0, 100, 0, 100, false);
    check(two, 2, 0, 199, 0, 1, false);
    check(two, 2, 0, 200, -1, 100, false);
    check(two, 2, 0, 300, 1, 100, false);
    check(two, 2, 0, 400, -1, UINT64_MAX, true);
    check(two, 2, 0, 1ull << 40, -1, UINT64_MAX, true);
}

static void test_used_up(void **state)
{
    (void)state;
    check(two, 2, 1, 150, -1, 150, false);
    check(two, 2, 3, 0, -1, UINT64_MAX, true);
}

static void test_order_and_overlap(void **state)
{
    static const struct firmware_window late_first[] = {
        {.start_s = 300, .end_s = 400},
        {.start_s = 100, .end_s = 350},
    };

    (void)state;
    check(late_first, 2, 0, 0, -1, 100, false);
    check(late_first, 2, 0, 100, 1, 250, false);
    check(late_first, 2, 0, 320, 0, 80, false);
    check(late_first, 2, 1, 320, 1, 30, false);
}

static void test_without_end(void **state)
{
    static const struct firmware_window now[] = {{.start_s = 0, .end_s = WINDOW_UNTIMED_S}};

    (void)state;
    check(now, 1, 0, 0, 0, WINDOW_UNTIMED_S, false);
    check(now, 1, 0, WINDOW_UNTIMED_S, -1, UINT64_MAX, true);
}

static void check_refused(const struct firmware_window *windows, size_t count)
{
    struct error err;

    assert_int_equal(window_check(windows, count, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_COMMAND_ARGUMENTS);
}

static void test_arguments(void **state)
{
    struct firmware_window windows[6] = {{0}};

    (void)state;
    assert_int_equal(window_check(two, 2, NULL), 0);
    assert_int_equal(window_check(NULL, 0, NULL), 0);
    for (int i = 0; i < 6; i++)
        windows[i] = two[0];
    check_refused(windows, 6);
    windows[0].end_s = windows[0].start_s;
    check_refused(windows, 1);
    windows[0].end_s = windows[0].start_s - 1;
    check_refused(windows, 1);
    windows[0] = two[0];
    windows[0].max_retries = 11;
    check_refused(windows, 1);
    windows[0].max_retries = 10;
    windows[0].mode = (enum firmware_mode)7;
    check_refused(windows, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_windows),       cmocka_unit_test(test_used_up),
        cmocka_unit_test(test_order_and_overlap), cmocka_unit_test(test_without_end),
        cmocka_unit_test(test_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
