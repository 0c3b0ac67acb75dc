/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/record.h"

static void write_sample(struct buf *buf)
{
    record_begin(buf, 3);
    record_put_number(buf, UINT64_MAX);
    record_put_text(buf, "text");
    record_put_text(buf, NULL);
    record_put_text(buf, "");
    record_put_number(buf, 4);
}

/* True when all of it was read. */
static bool read_sample(const void *data, size_t len, uint8_t version)
{
    struct record_reader reader;
    char copy[5];
    char *nothing;
    char *empty;
    bool result;

    record_read(&reader, (struct str){data, len}, version);
    result = record_number(&reader) == UINT64_MAX;
    record_copy(&reader, copy, sizeof(copy));
    nothing = record_text(&reader);
    empty = record_text(&reader);
    result = record_choice(&reader, 5) == 4 && result && strcmp(copy, "text") == 0 && !nothing && empty &&
             !*empty;
    free(nothing);
    free(empty);
    return record_end(&reader) && result;
}

static void test_round_trip(void **state)
{
    struct buf buf;

    (void)state;
    write_sample(&buf);
    assert_true(read_sample(buf_data(&buf), buf.len, 3));
    assert_false(read_sample(buf_data(&buf), buf.len, 4));
    buf_append_byte(&buf, 0); /* something is left over */
    assert_false(read_sample(buf_data(&buf), buf.len, 3));
    buf_done(&buf);
}

static void test_every_cut(void **state)
{
    struct buf buf;

    (void)state;
    write_sample(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        uint8_t *copy = malloc(len ? len : 1); /* exactly as long, for the sanitizer */

        memcpy(copy, buf_data(&buf), len);
        assert_false(read_sample(copy, len, 3));
        free(copy);
    }
    buf_done(&buf);
}

static void test_ranges(void **state)
{
    struct record_reader reader;
    struct buf buf;
    char small[4];

    (void)state;
    write_sample(&buf);
    record_read(&reader, (struct str){(const char *)buf_data(&buf), buf.len}, 3);
    assert_int_equal(record_choice(&reader, 10), 0);
    assert_true(reader.failed);
    assert_false(reader.no_memory);
    assert_null(record_text(&reader)); /* a reader that failed stays so */
    record_read(&reader, (struct str){(const char *)buf_data(&buf), buf.len}, 3);
    record_number(&reader);
    record_copy(&reader, small, sizeof(small));
    assert_true(reader.failed);
    assert_string_equal(small, "");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
