/* SPDX-License-Identifier: BSD-3-Clause */
/* The strict reader: one encoding for each item, and no other is read; what is written is read again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "release/cbor.h"

static int open_hex(const char *hex, struct cbor *ret, uint8_t bytes[256])
{
    int len = str_from_hex(str_of(hex), bytes, 256);

    assert_true(len >= 0);
    return cbor_open(ret, (struct str){(const char *)bytes, (size_t)len});
}

static void test_what_is_read(void **state)
{
    static const char *const good[] = {
        "00",
        "17",
        "1818",
        "18ff",
        "190100",
        "1a00010000",
        "1b0000000100000000",
        "20",
        "3863",
        "40",
        "4401020304",
        "60",
        "6449455446",
        "80",
        "83010203",
        "a0",
        "a201020304",
        "a26161016162820203",
        "f4",
        "f5",
        "f6",
        "d86ba0",
        "62c3bc",
        "a2188001202a",
        "a10180",
    };
    uint8_t bytes[256];
    struct cbor cbor;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (open_hex(good[i], &cbor, bytes) < 0)
            fail_msg("%s: %s", good[i], cbor.why);
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {
        "",     /* nothing */
        "0000", /* two items */
        "1817",
        "190017",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "3817",
        "5803010203", /* not the shortest */
        "5f41014102ff",
        "7f6161ff",
        "9f01ff",
        "bf0102ff",
        "ff", /* no definite length */
        "f97e00",
        "fa00000000",
        "fb0000000000000000",
        "f820",
        "f7",
        "e0",
        "1c",
        "fc",         /* of no use */
        "a201020102", /* a key twice */
        "a203040102", /* keys out of order */
        "a26162016161",
        "a2202a01",
        "a1",
        "a101",
        "8201",
        "42ff",
        "61ff",
        "62c328",
        "1a0000",
        "5bffffffffffffffff",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "7bffffffffffffffff",
        "c1",
        "d86b",
        "8181818181818181818181818101", /* too deep */
    };
    uint8_t bytes[256];
    struct cbor cbor;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (open_hex(bad[i], &cbor, bytes) == 0)
            fail_msg("%s was read", bad[i]);
        assert_non_null(cbor.why);
        assert_int_equal(cbor_peek(&cbor), CBOR_NONE);
        assert_int_equal(cbor_end(&cbor), -1);
    }
}

static void test_too_many_items(void **state)
{
    struct cbor cbor;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1 << 16, 0);
    cbor_put_array(&buf, CBOR_ITEMS);
    for (unsigned i = 0; i < CBOR_ITEMS; i++)
        cbor_put_uint(&buf, 0);
    assert_int_equal(cbor_open(&cbor, (struct str){(const char *)buf_data(&buf), buf.len}), -1);
    buf_done(&buf);
}

static void test_what_is_written_is_read(void **state)
{
    static const uint64_t numbers[] = {0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, 1ull << 32, INT64_MAX};
    struct cbor cbor;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1024, 0);
    cbor_put_array(&buf, 2 * 10 + 6);
    for (size_t i = 0; i < 10; i++) {
        cbor_put_uint(&buf, numbers[i]);
        cbor_put_int(&buf, -1 - (int64_t)numbers[i]);
    }
    cbor_put_bytes(&buf, STR("bytes"));
    cbor_put_text(&buf, STR("text"));
    cbor_put_tag(&buf, 107);
    cbor_put_map(&buf, 1);
    cbor_put_uint(&buf, 1);
    cbor_put_bool(&buf, true);
    cbor_put_null(&buf);
    cbor_put_bool(&buf, false);
    cbor_put_array(&buf, 0);
    assert_int_equal(cbor_open(&cbor, (struct str){(const char *)buf_data(&buf), buf.len}), 0);
    assert_int_equal(cbor_array(&cbor), 26);
    for (size_t i = 0; i < 10; i++) {
        assert_true(cbor_uint(&cbor) == numbers[i]);
        assert_true(cbor_int(&cbor) == -1 - (int64_t)numbers[i]);
    }
    assert_true(str_is(cbor_bytes(&cbor), "bytes"));
    assert_true(str_is(cbor_text(&cbor), "text"));
    assert_int_equal(cbor_tag(&cbor), 107);
    assert_int_equal(cbor_raw(&cbor).len, 3);
    cbor_null(&cbor);
    assert_false(cbor_bool(&cbor));
    assert_int_equal(cbor_array(&cbor), 0);
    assert_int_equal(cbor_end(&cbor), 0);
    buf_done(&buf);
}

/* Another type than asked for fails, stays failed, and gives nothing. */
static void test_another_type(void **state)
{
    uint8_t bytes[256];
    struct cbor cbor;

    (void)state;
    open_hex("820161ff", &cbor, bytes); /* bad inside: nothing at all */
    assert_int_equal(cbor_array(&cbor), 0);
    open_hex("826161f6", &cbor, bytes);
    assert_int_equal(cbor_array(&cbor), 2);
    assert_int_equal(cbor_uint(&cbor), 0);
    assert_int_equal(cbor_text(&cbor).len, 0);
    assert_int_equal(cbor_end(&cbor), -1);
    open_hex("1bffffffffffffffff", &cbor, bytes);
    assert_int_equal(cbor_int(&cbor), 0);
    assert_non_null(cbor.why);
    open_hex("f6", &cbor, bytes);
    cbor_bool(&cbor);
    assert_non_null(cbor.why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read),   cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_too_many_items), cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_another_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
