/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocol buffers on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usp/pb.h"

static void reading(void **state)
{
    static const struct {
        struct str bytes;
        int rc;
        uint32_t number;
        enum pb_wire wire;
        uint64_t value;
    } cases[] = {
        {STR(""), 0, 0, 0, 0},
        {STR("\x08\x05"), 1, 1, PB_VARINT, 5},
        {STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1, 1, PB_VARINT, UINT64_MAX},
        {STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), -1, 0, 0, 0}, /* more than 64 bits */
        {STR("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), -1, 0, 0, 0},
        {STR("\x08\x80"), -1, 0, 0, 0},
        {STR("\x08"), -1, 0, 0, 0},
        {STR("\x0d\x01\x02\x03\x04"), 1, 1, PB_FIXED32, 0x04030201},
        {STR("\x0d\x01\x02\x03"), -1, 0, 0, 0},
        {STR("\x09\x01\x00\x00\x00\x00\x00\x00\x80"), 1, 1, PB_FIXED64, 0x8000000000000001ull},
        {STR("\x09\x01"), -1, 0, 0, 0},
        {STR("\x12\x03"
             "abc"),
         1, 2, PB_BYTES, 3},
        {STR("\x12\x00"), 1, 2, PB_BYTES, 0},
        {STR("\x12\x04"
             "abc"),
         -1, 0, 0, 0},
        {STR("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -1, 0, 0, 0},
        {STR("\x12"), -1, 0, 0, 0},
        {STR("\x00\x01"), -1, 0, 0, 0}, /* field 0 */
        {STR("\x0b"), -1, 0, 0, 0},     /* groups */
        {STR("\x0c"), -1, 0, 0, 0},
        {STR("\x0e\x00"), -1, 0, 0, 0},
        {STR("\x0f\x00"), -1, 0, 0, 0},
        {STR("\xf8\xff\xff\xff\x0f\x01"), 1, 0x1fffffff, PB_VARINT, 1},
        {STR("\xf8\xff\xff\xff\x1f\x01"), -1, 0, 0, 0}, /* a tag of more than 32 bits */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy = malloc(cases[i].bytes.len ? cases[i].bytes.len : 1);
        struct pb_reader reader;
        struct pb_field field;

        memcpy(copy, cases[i].bytes.data, cases[i].bytes.len);
        reader = pb_reader((struct str){copy, cases[i].bytes.len});
        print_message("%zu\n", i);
        assert_int_equal(pb_next(&reader, &field), cases[i].rc);
        if (cases[i].rc > 0) {
            assert_int_equal(field.number, cases[i].number);
            assert_int_equal(field.wire, cases[i].wire);
            assert_true(field.value == cases[i].value);
            assert_int_equal(pb_next(&reader, &field), 0);
        }
        free(copy);
    }
}

static void types(void **state)
{
    struct pb_field text = {.wire = PB_BYTES, .bytes = STR("ab")};
    struct pb_field wrong = {.wire = PB_BYTES, .bytes = STR("\xff")};
    struct pb_field number = {.wire = PB_VARINT, .value = 7};
    struct pb_field fixed = {.wire = PB_FIXED32, .value = 7};
    struct pb_field entry = {.wire = PB_BYTES, .bytes = STR("\x0a\x01k\x12\x01v\x18\x01")};
    struct pb_field half = {.wire = PB_BYTES, .bytes = STR("\x12\x01v")};
    struct pb_field bad_key = {.wire = PB_BYTES, .bytes = STR("\x08\x01")};
    struct pb_field bad_value = {.wire = PB_BYTES, .bytes = STR("\x12\x01\xff")};
    struct pb_field cut = {.wire = PB_BYTES, .bytes = STR("\x0a\x05k")};
    struct str key, value;
    uint64_t got;
    bool yes;

    (void)state;
    assert_true(pb_text(&text, &key) && str_is(key, "ab"));
    assert_false(pb_text(&wrong, &key));
    assert_true(str_is(key, "ab")); /* set only on success */
    assert_true(pb_bytes(&wrong, &key));
    assert_false(pb_bytes(&number, &key));
    assert_true(pb_number(&number, &got) && got == 7);
    assert_true(pb_number(&fixed, &got) && got == 7);
    assert_false(pb_number(&text, &got));
    assert_true(pb_bool(&number, &yes) && yes);
    assert_false(pb_bool(&fixed, &yes));
    assert_true(pb_entry(&entry, &key, &value) && str_is(key, "k") && str_is(value, "v"));
    assert_true(pb_entry(&half, &key, &value) && str_is(key, "") && str_is(value, "v"));
    assert_false(pb_entry(&bad_key, &key, &value));
    assert_false(pb_entry(&bad_value, &key, &value));
    assert_false(pb_entry(&cut, &key, &value));
    assert_false(pb_entry(&number, &key, &value));
}

static void writing(void **state)
{
    static const char expected[] =
        "\x0a\x02hi\x18\xac\x02\x25\x58\x1b\x00\x00\x2a\x00\x32\x07\x0a\x01k\x12\x02vv\x32\x04\x0a\x00\x12\x00";
    struct buf buf;

    (void)state;
    buf_init(&buf, 4096, 16);
    pb_write_text(&buf, 1, STR("hi"));
    pb_write_text(&buf, 1, STR("")); /* defaults are left out */
    pb_write_uint(&buf, 3, 300);
    pb_write_uint(&buf, 3, 0);
    pb_write_fixed32(&buf, 4, 7000);
    pb_write_fixed32(&buf, 4, 0);
    pb_write_bytes(&buf, 5, STR(""));
    pb_write_entry(&buf, 6, STR("k"), STR("vv"));
    pb_write_entry(&buf, 6, STR(""), (struct str){"", 0});
    assert_int_equal(buf.len, sizeof(expected) - 1);
    assert_memory_equal(buf_data(&buf), expected, buf.len);
    buf_done(&buf);
}

/* Nested messages of every length that needs another number of bytes, and what is cancelled. */
static void nesting(void **state)
{
    static const size_t lengths[] = {0,     1,     126,   127,     128,     129,     16382,
                                     16383, 16384, 16385, 2097150, 2097151, 2097152, 3000000};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct pb_reader reader;
        struct pb_field field;
        struct buf buf;
        size_t outer, inner, gone;
        uint8_t *room;

        buf_init(&buf, 8 << 20, 0);
        outer = pb_begin(&buf, 1);
        gone = pb_begin(&buf, 7);
        pb_write_text(&buf, 1, STR("gone"));
        pb_cancel(&buf, gone);
        inner = pb_begin(&buf, 2);
        room = buf_room(&buf, lengths[i]);
        memset(room, 'x', lengths[i]);
        buf.len += lengths[i];
        pb_end(&buf, inner);
        pb_write_uint(&buf, 3, 1);
        pb_end(&buf, outer);
        pb_wrap(&buf, 4);
        assert_false(buf.failed);
        reader = pb_reader((struct str){(char *)buf_data(&buf), buf.len});
        assert_int_equal(pb_next(&reader, &field), 1);
        assert_int_equal(field.number, 4);
        assert_int_equal(pb_next(&reader, &field), 0);
        reader = pb_reader((struct str){(char *)buf_data(&buf), buf.len});
        for (unsigned level = 0; level < 3; level++) {
            static const unsigned numbers[] = {4, 1, 2};

            assert_int_equal(pb_next(&reader, &field), 1);
            assert_int_equal(field.number, numbers[level]);
            if (level < 2)
                reader = pb_reader(field.bytes);
        }
        assert_int_equal(field.bytes.len, lengths[i]);
        for (size_t j = 0; j < lengths[i]; j += 1000)
            assert_int_equal(field.bytes.data[j], 'x');
        assert_int_equal(pb_next(&reader, &field), 1);
        assert_int_equal(field.number, 3);
        assert_int_equal(pb_next(&reader, &field), 0);
        buf_done(&buf);
    }
}

/* A full buffer stays failed, and nothing is written outside it. */
static void full(void **state)
{
    (void)state;
    for (size_t max = 0; max < 64; max++) {
        struct buf buf;
        size_t mark;

        buf_init(&buf, max, max / 3);
        mark = pb_begin(&buf, 1);
        pb_write_text(&buf, 2, STR("some text that is long"));
        pb_write_entry(&buf, 3, STR("key"), STR("value"));
        pb_write_uint(&buf, 4, 12345678);
        pb_write_fixed32(&buf, 5, 7);
        pb_end(&buf, mark);
        pb_wrap(&buf, 6);
        assert_true(buf.head + buf.len <= (max > 512 ? max : 512));
        assert_true(buf.failed);
        buf_done(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading), cmocka_unit_test(types), cmocka_unit_test(writing),
        cmocka_unit_test(nesting), cmocka_unit_test(full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
