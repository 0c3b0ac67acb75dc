/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "devices/json.h"

static cJSON *parse(const char *text)
{
    struct error err = {0};
    cJSON *json = json_parse((const uint8_t *)text, strlen(text), &err);

    assert_true(json || err.code == ERROR_INVALID_ARGUMENTS);
    return json;
}

static void refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{}x",
        "[1,]",
        "{\"a\":}",
        "nul",
        "\"\xff\"",
        "{\"a\":\"\\u0000\"}",
        "\"\\u00001\"",
        "]",
        "{\"a\" 1}",
        "'a'",
        "\xc0\xaf",
        "{\"a\":\"b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_null(parse(texts[i]));
    assert_null(json_parse((const uint8_t *)"{\0}", 3, NULL));
}

static void accepted(void **state)
{
    static const char *const texts[] = {"{}", " [1, 2] \n", "null", "\"\\\\u0000\"", "{\"a\":\"[[[[\\\"]]\"}",
                                        "1e5"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cJSON *json = parse(texts[i]);

        assert_non_null(json);
        cJSON_Delete(json);
    }
}

/* n times open, then n times close. */
static cJSON *nested(size_t n)
{
    char *text = malloc(2 * n + 1);
    cJSON *json;

    memset(text, '[', n);
    memset(text + n, ']', n);
    text[2 * n] = '\0';
    json = parse(text);
    free(text);
    return json;
}

static void depth(void **state)
{
    cJSON *json = nested(LIMIT_JSON_DEPTH);

    (void)state;
    assert_non_null(json);
    cJSON_Delete(json);
    assert_null(nested(LIMIT_JSON_DEPTH + 1));
    assert_null(nested(100000));
}

/* An array of n zeros. */
static cJSON *many(size_t n)
{
    char *text = malloc(2 * n + 2);
    cJSON *json;

    for (size_t i = 0; i < n; i++)
        memcpy(text + 1 + 2 * i, "0,", 2);
    text[0] = '[';
    text[2 * n] = ']';
    text[2 * n + 1] = '\0';
    json = parse(text);
    free(text);
    return json;
}

static void values(void **state)
{
    cJSON *json = many(LIMIT_JSON_VALUES);

    (void)state;
    assert_non_null(json);
    cJSON_Delete(json);
    assert_null(many(LIMIT_JSON_VALUES + 1));
}

static void size(void **state)
{
    size_t len = LIMIT_LAN_FRAME_BYTES + 1;
    char *text = malloc(len + 1);
    cJSON *json;

    (void)state;
    memset(text, ' ', len);
    text[0] = '1';
    text[len] = '\0';
    assert_null(parse(text));
    text[len - 1] = '\0';
    json = parse(text);
    assert_non_null(json);
    cJSON_Delete(json);
    free(text);
}

static void getters(void **state)
{
    cJSON *json = parse(
        "{\"t\":\"abc\",\"T\":\"x\",\"e\":\"\",\"c\":\"a\\nb\",\"n\":7,\"f\":1.5,\"m\":-1,\"h\":1e300,"
        "\"o\":{\"x\":1},\"a\":[1],\"z\":null}");
    uint64_t number = 99;

    (void)state;
    assert_string_equal(json_text(json, "t", 3), "abc");
    assert_null(json_text(json, "t", 2));
    assert_null(json_text(json, "e", 9));
    assert_null(json_text(json, "c", 9));
    assert_null(json_text(json, "n", 9));
    assert_null(json_text(json, "none", 9));
    assert_null(json_text(NULL, "t", 9));
    assert_null(json_text(json_array(json, "a"), "t", 9));
    assert_int_equal(json_number(json, "n", 7, &number), 0);
    assert_int_equal(number, 7);
    assert_int_equal(json_number(json, "n", 6, &number), -1);
    assert_int_equal(json_number(json, "f", 9, &number), -1);
    assert_int_equal(json_number(json, "m", 9, &number), -1);
    assert_int_equal(json_number(json, "h", UINT64_MAX, &number), -1);
    assert_int_equal(json_number(json, "t", 9, &number), -1);
    assert_int_equal(json_number(json, "z", 9, &number), -1);
    assert_int_equal(number, 7);
    assert_non_null(json_object(json, "o"));
    assert_null(json_object(json, "a"));
    assert_non_null(json_array(json, "a"));
    assert_null(json_array(json, "o"));
    cJSON_Delete(json);
}

static void quoting(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 64, 0);
    assert_int_equal(json_quote(&buf, "a\"b\\c\n\x01\xc3\xbc"), 0);
    assert_string_equal(buf_cstr(&buf), "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xbc\"");
    buf_done(&buf);
    buf_init(&buf, 1024, 1020);
    assert_int_equal(json_quote(&buf, "too long"), -1);
    buf_done(&buf);
}

/* "1|two|" for the items of an array, "!" at the end for one that is malformed. */
static const char *items_of(const char *text, char to[128])
{
    struct json_items items;
    struct str item;
    int more;

    to[0] = '\0';
    if (json_items_begin(&items, (const uint8_t *)text, strlen(text), 64, NULL) < 0)
        return strcpy(to, "none");
    while ((more = json_items_next(&items, &item, NULL)) > 0)
        snprintf(to + strlen(to), 128 - strlen(to), "%.*s|", (int)item.len, item.data);
    return more < 0 ? strcat(to, "!") : to;
}

static void items(void **state)
{
    char to[128];

    (void)state;
    assert_string_equal(items_of("[]", to), "");
    assert_string_equal(items_of(" [ ] ", to), "");
    assert_string_equal(items_of("[1, {\"a\":[2,3]},\"x,]\\\"\"]", to), "1|{\"a\":[2,3]}|\"x,]\\\"\"|");
    assert_string_equal(items_of("{}", to), "none");
    assert_string_equal(items_of("", to), "none");
    assert_string_equal(items_of("[", to), "none");
    assert_string_equal(items_of("[1,]", to), "1|!");
    assert_string_equal(items_of("[,1]", to), "!");
    assert_string_equal(items_of("[1,,2]", to), "1|!");
    assert_string_equal(items_of("[1]]", to), "!");
    assert_string_equal(items_of("[{]", to), "!");
    assert_string_equal(items_of("[\"]", to), "!");
    assert_string_equal(items_of("[\"\\]", to), "!");
    assert_string_equal(items_of("[1111111111111111111111111111111111111111111111111111111111111111]", to),
                        "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused), cmocka_unit_test(accepted), cmocka_unit_test(depth),
        cmocka_unit_test(values),  cmocka_unit_test(size),     cmocka_unit_test(getters),
        cmocka_unit_test(quoting), cmocka_unit_test(items),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
