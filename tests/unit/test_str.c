/* SPDX-License-Identifier: BSD-3-Clause */
/* size: times: a table of cases */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void parts(void **state)
{
    struct str rest = STR("a,,b,"), part;
    const char *expected[] = {"a", "", "b", ""};
    unsigned n = 0;

    (void)state;
    while (str_next(&rest, ',', &part))
        assert_true(str_is(part, expected[n++]));
    assert_int_equal(n, 4);
    rest = STR("");
    assert_true(str_next(&rest, ',', &part));
    assert_int_equal(part.len, 0);
    assert_false(str_next(&rest, ',', &part));
    assert_true(str_is(str_trim(STR(" \t\r\na b \n")), "a b"));
    assert_true(str_is(str_trim(STR(" \t ")), ""));
    assert_true(str_equal((struct str){NULL, 0}, STR("")));
    assert_false(str_equal(STR("a"), STR("b")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_int_equal(str_of(NULL).len, 0);
}

static void copies(void **state)
{
    char to[4], *slot = NULL;

    (void)state;
    assert_int_equal(str_copy(to, sizeof(to), "abcdef"), 3);
    assert_string_equal(to, "abc");
    assert_int_equal(str_copy(to, sizeof(to), ""), 0);
    assert_int_equal(str_replace(&slot, "a"), 0);
    assert_int_equal(str_replace(&slot, "b"), 0);
    assert_string_equal(slot, "b");
    assert_int_equal(str_replace(&slot, NULL), 0);
    assert_null(slot);
    slot = str_dup(NULL, 0);
    assert_string_equal(slot, "");
    free(slot);
}

static void numbers(void **state)
{
    static const char *const not_u64[] = {
        "", " 1", "1 ", "-1", "+1", "1.0", "0x1", "18446744073709551616", "99999999999999999999999", "a"};
    static const char *const not_i64[] = {
        "", "-", "+", "--1", "+-1", "9223372036854775808", "-9223372036854775809", "1-"};
    char text[24];
    uint64_t number;
    int64_t integer;

    (void)state;
    for (size_t i = 0; i < sizeof(not_u64) / sizeof(not_u64[0]); i++)
        assert_int_equal(str_to_u64(str_of(not_u64[i]), &number), -1);
    for (size_t i = 0; i < sizeof(not_i64) / sizeof(not_i64[0]); i++)
        assert_int_equal(str_to_i64(str_of(not_i64[i]), &integer), -1);
    assert_int_equal(str_to_u64(STR("18446744073709551615"), &number), 0);
    assert_true(number == UINT64_MAX);
    assert_int_equal(str_from_u64(text, number), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
    assert_int_equal(str_to_i64(STR("-9223372036854775808"), &integer), 0);
    assert_true(integer == INT64_MIN);
    assert_int_equal(str_from_i64(text, integer), 20);
    assert_memory_equal(text, "-9223372036854775808", 20);
    assert_int_equal(str_to_i64(STR("+5"), &integer), 0);
    assert_int_equal(integer, 5);
    assert_int_equal(str_from_u64(text, 0), 1);
    assert_int_equal(str_from_i64(text, -1), 2);
}

static void sizes_and_booleans(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } sizes[] = {
        {"0", 0, 0},        {"10", 0, 10},           {"2K", 0, 2048},
        {"3M", 0, 3 << 20}, {"4G", 0, 4ull << 30},   {"", -1, 0},
        {"K", -1, 0},       {"1k", -1, 0},           {"1KB", -1, 0},
        {"-1", -1, 0},      {"17179869184G", -1, 0}, {"17179869183G", 0, 17179869183ull << 30},
    };
    bool yes;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t value = 0;

        assert_int_equal(str_to_size(str_of(sizes[i].text), &value), sizes[i].rc);
        assert_true(value == sizes[i].value);
    }
    assert_int_equal(str_to_bool(STR("true"), &yes), 0);
    assert_true(yes);
    assert_int_equal(str_to_bool(STR("0"), &yes), 0);
    assert_false(yes);
    assert_int_equal(str_to_bool(STR("True"), &yes), -1);
    assert_int_equal(str_to_bool(STR(""), &yes), -1);
}

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        const char *written; /* NULL: the same */
    } good[] = {
        {"0001-01-01T00:00:00Z", 0, NULL},
        {"2026-01-31T12:00:00Z", 1769860800, NULL},
        {"1970-01-01T00:00:01Z", 1, NULL},
        {"1969-12-31T23:59:59Z", -1, NULL},
        {"2026-01-31T12:00:00", 1769860800, "2026-01-31T12:00:00Z"},
        {"2026-01-31T14:00:00+02:00", 1769860800, "2026-01-31T12:00:00Z"},
        {"2026-01-31T06:30:00-05:30", 1769860800, "2026-01-31T12:00:00Z"},
        {"2026-01-31T12:00:00.999Z", 1769860800, "2026-01-31T12:00:00Z"},
        {"2024-02-29T00:00:00Z", 1709164800, NULL},
        {"2000-02-29T00:00:00Z", 951782400, NULL},
        {"2026-01-30T24:00:00Z", 1769817600, "2026-01-31T00:00:00Z"},
        {"9999-12-31T23:59:59Z", 253402300799, NULL},
        {"0001-01-03T03:24:59Z", -62135411701, NULL}, /* TR-106: relative to boot */
        {"0900-05-06T00:00:00Z", -33755097600, NULL},
    };
    static const char *const bad[] = {
        "",
        "now",
        "2026-01-31",
        "2026-01-31T12:00Z",
        "2026-1-31T12:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00ZZ",
        "2026-01-31T12:00:00+2:00",
        "2026-01-31T12:00:00+15:00",
        "2026-01-31T12:00:00+02",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31 12:00:00Z",
        "-2026-01-31T12:00:00Z",
        "0000-01-31T12:00:00Z",
        " 2026-01-31T12:00:00Z",
        "20260131T120000Z",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[STR_TIME_BYTES];
        int64_t seconds;

        print_message("%s\n", good[i].text);
        assert_int_equal(str_to_time(str_of(good[i].text), &seconds), 0);
        assert_true(seconds == good[i].seconds);
        str_from_time(text, seconds);
        assert_string_equal(text, good[i].written ? good[i].written : good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t seconds;

        print_message("%s\n", bad[i]);
        assert_int_equal(str_to_time(str_of(bad[i]), &seconds), -1);
    }
}

static void hexadecimal(void **state)
{
    uint8_t bytes[4];
    char text[9];

    (void)state;
    str_to_hex(text, (const uint8_t *)"\x00\xff\x1a\xb2", 4);
    assert_string_equal(text, "00ff1ab2");
    assert_int_equal(str_from_hex(STR("00FF1aB2"), bytes, sizeof(bytes)), 4);
    assert_memory_equal(bytes, "\x00\xff\x1a\xb2", 4);
    assert_int_equal(str_from_hex(STR(""), bytes, sizeof(bytes)), 0);
    assert_int_equal(str_from_hex(STR("0"), bytes, sizeof(bytes)), -1);
    assert_int_equal(str_from_hex(STR("0g"), bytes, sizeof(bytes)), -1);
    assert_int_equal(str_from_hex(STR("0011223344"), bytes, sizeof(bytes)), -1);
}

static void utf8(void **state)
{
    static const struct {
        struct str text;
        bool yes;
    } cases[] = {
        {STR(""), true},
        {STR("plain ascii of some length"), true},
        {STR("\xc3\xa9"), true},
        {STR("\xe2\x82\xac"), true},
        {STR("\xf0\x9f\x98\x80"), true},
        {STR("\xf4\x8f\xbf\xbf"), true},
        {STR("\xef\xbf\xbf"), true},
        {STR("a\0b"), false},
        {STR("12345678\0"), false},
        {STR("\x80"), false},
        {STR("\xc3"), false},
        {STR("\xc0\xaf"), false},
        {STR("\xc1\xbf"), false},
        {STR("\xe0\x80\xaf"), false},
        {STR("\xed\xa0\x80"), false},
        {STR("\xf0\x80\x80\x80"), false},
        {STR("\xf4\x90\x80\x80"), false},
        {STR("\xf5\x80\x80\x80"), false},
        {STR("\xff"), false},
        {STR("\xe2\x82"), false},
        {STR("\xf0\x9f\x98"), false},
        {STR("12345678\xc3"), false},
        {STR("1234567\xc3\xa9"
             "12345678\xff"),
         false},
        {STR("1234567\xc3\xa9"
             "12345678"),
         true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy = malloc(cases[i].text.len + 1);

        memcpy(copy, cases[i].text.data, cases[i].text.len);
        print_message("%zu\n", i);
        assert_int_equal(str_is_utf8((struct str){copy, cases[i].text.len}), cases[i].yes);
        free(copy);
    }
}

/* Characters of one to four bytes: every cut is shortened to whole ones, and what is whole stays. */
static void whole_characters(void **state)
{
    static const char text[] = "Zo\xc3\xab \xe2\x82\xac\xf0\x9f\x94\x8c";
    static const size_t expected[] = {0, 1, 2, 2, 4, 5, 5, 5, 8, 8, 8, 8, 12};

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++)
        assert_int_equal(str_whole((struct str){text, len}), expected[len]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),   cmocka_unit_test(copies),
        cmocka_unit_test(numbers), cmocka_unit_test(sizes_and_booleans),
        cmocka_unit_test(times),   cmocka_unit_test(hexadecimal),
        cmocka_unit_test(utf8),    cmocka_unit_test(whole_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
