/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void appending(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100000, 8);
    assert_null(buf_data(&buf));
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(buf_append_byte(&buf, (uint8_t)i), 0);
    assert_int_equal(buf_append_str(&buf, "end"), 0);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    assert_int_equal(buf_printf(&buf, "%s%d", "-", 7), 0);
    assert_int_equal(buf.len, 2005);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(buf_data(&buf)[i], (uint8_t)i);
    assert_string_equal(buf_cstr(&buf) + 2000, "end-7");
    assert_int_equal(buf.len, 2005);
    buf_done(&buf);
    buf_done(&buf);
    buf_done(NULL);
}

static void headroom(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4096, 4);
    assert_int_equal(buf_append_str(&buf, "body"), 0);
    assert_int_equal(buf_prepend(&buf, "ab", 2), 0);
    assert_int_equal(buf_prepend(&buf, "xy", 2), 0); /* used up */
    assert_int_equal(buf_prepend(&buf, "longer than what is left: ", 26), 0);
    assert_string_equal(buf_cstr(&buf), "longer than what is left: xyabbody");
    buf_consume(&buf, 26);
    assert_string_equal(buf_cstr(&buf), "xyabbody");
    assert_int_equal(buf_prepend(&buf, "again ", 6), 0); /* what was consumed is headroom */
    assert_string_equal(buf_cstr(&buf), "again xyabbody");
    buf_consume(&buf, 1000);
    assert_int_equal(buf.len, 0);
    buf_done(&buf);
    /* In front of nothing. */
    buf_init(&buf, 64, 0);
    assert_int_equal(buf_prepend(&buf, "a", 1), 0);
    assert_int_equal(buf_prepend(&buf, "", 0), 0);
    assert_string_equal(buf_cstr(&buf), "a");
    buf_done(&buf);
    buf_init(&buf, 64, 16);
    assert_int_equal(buf_prepend(&buf, "a", 1), 0);
    assert_string_equal(buf_cstr(&buf), "a");
    buf_done(&buf);
}

/* Up to the ceiling and not a byte further, for small ones too; failing changes nothing and stays. */
static void ceilings(void **state)
{
    static const size_t limits[] = {0, 1, 5, 100, 511, 512, 513, 1000, 5000};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct buf buf;
        size_t n = 0;

        buf_init(&buf, limits[i], 0);
        while (n < 10000 && buf_append_byte(&buf, 'x') == 0)
            n++;
        assert_int_equal(n, limits[i]);
        assert_true(buf.failed);
        assert_int_equal(buf.len, limits[i]);
        buf_consume(&buf, 1);
        assert_int_equal(buf_append_byte(&buf, 'x'), -1);
        assert_null(buf_cstr(&buf));
        assert_int_equal(buf_printf(&buf, "x"), -1);
        assert_int_equal(buf_prepend(&buf, "0123456789", 10), -1);
        buf_clear(&buf, 0);
        assert_false(buf.failed);
        assert_int_equal(buf_append(&buf, "0123456789", limits[i] < 10 ? limits[i] : 10), 0);
        buf_done(&buf);
        buf_init(&buf, limits[i], limits[i]);
        assert_int_equal(buf_append_byte(&buf, 'x'), -1); /* the headroom counts */
        buf_done(&buf);
    }
}

static void overflow(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, SIZE_MAX, 0);
    assert_int_equal(buf_append_str(&buf, "x"), 0);
    assert_null(buf_room(&buf, SIZE_MAX));
    assert_true(buf.failed);
    buf_done(&buf);
}

static void moving(void **state)
{
    struct buf from, to;

    (void)state;
    buf_init(&from, 100000, 0);
    buf_init(&to, 100, 0);
    buf_append_str(&to, "old");
    buf_append_str(&from, "new");
    buf_move(&to, &from);
    assert_string_equal(buf_cstr(&to), "new");
    assert_int_equal(from.len, 0);
    assert_int_equal(buf_append_str(&from, "usable"), 0);
    /* A large buffer gives its memory back when it is cleared. */
    for (unsigned i = 0; i < 80000; i++)
        buf_append_byte(&to, 'x');
    buf_clear(&to, 32);
    assert_null(to.base);
    assert_int_equal(buf_append_str(&to, "y"), 0);
    assert_int_equal(to.head, 32);
    buf_clear(&to, 4096);
    assert_int_equal(buf_append_str(&to, "z"), 0);
    assert_int_equal(to.head, 4096);
    buf_done(&from);
    buf_done(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appending), cmocka_unit_test(headroom), cmocka_unit_test(ceilings),
        cmocka_unit_test(overflow),  cmocka_unit_test(moving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
