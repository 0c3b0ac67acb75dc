/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/limits.h"

static void good(void **state)
{
    static const char text[] = "a = 1\n"
                               "# comment = 2\n"
                               "\n"
                               "  key.with.dots=  value with blanks  \r\n"
                               "\tquoted = \"  a \\\"b\\\" \\\\ \"\n"
                               "empty =\n"
                               "empty_quotes = \"\"\n"
                               "hash = a # b\n"
                               "equals = a=b\n"
                               "last = no newline";
    static const struct {
        const char *key, *value;
        unsigned number;
    } expected[] = {
        {"a", "1", 1},
        {"key.with.dots", "value with blanks", 4},
        {"quoted", "  a \"b\" \\ ", 5},
        {"empty", "", 6},
        {"empty_quotes", "", 7},
        {"hash", "a # b", 8},
        {"equals", "a=b", 9},
        {"last", "no newline", 10},
    };
    struct conf_line *line;
    struct arena arena;
    size_t n = 0;

    (void)state;
    arena_init(&arena, 0);
    assert_int_equal(conf_parse(&arena, "f", STR(text), &line, NULL), 0);
    for (; line; line = line->next, n++) {
        assert_true(str_is(line->key, expected[n].key));
        assert_true(str_is(line->value, expected[n].value));
        assert_int_equal(line->number, expected[n].number);
    }
    assert_int_equal(n, sizeof(expected) / sizeof(expected[0]));
    assert_int_equal(conf_parse(&arena, "f", STR(""), &line, NULL), 0);
    assert_null(line);
    arena_done(&arena);
}

static void bad(void **state)
{
    static const struct {
        struct str text;
        const char *where;
    } cases[] = {
        {STR("nothing"), "f:1"},     {STR("a = 1\n= 2"), "f:2"},   {STR("a = \"x"), "f:1"},
        {STR("a = \""), "f:1"},      {STR("a = \"x\" y"), "f:1"},  {STR("a = \"x\"y\""), "f:1"},
        {STR("a = \"x\\\""), "f:1"}, {STR("a = \"\\n\""), "f:1"},  {STR("a = \"x\\"), "f:1"},
        {STR("a = b\0c"), "f:1"},    {STR("\n\n\xff = 1"), "f:3"},
    };
    struct conf_line *line;
    struct arena arena;
    struct error err;

    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy = malloc(cases[i].text.len);

        memcpy(copy, cases[i].text.data, cases[i].text.len);
        print_message("%zu\n", i);
        assert_int_equal(conf_parse(&arena, "f", (struct str){copy, cases[i].text.len}, &line, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_CONFIGURATION);
        assert_string_equal(err.path, cases[i].where);
        assert_int_equal(conf_parse(&arena, "f", (struct str){copy, cases[i].text.len}, &line, NULL), -1);
        free(copy);
    }
    arena_done(&arena);
}

static void limits(void **state)
{
    char *text = malloc(LIMIT_CONFIG_LINE_BYTES + 8);
    struct conf_line *line;
    struct arena arena;

    (void)state;
    arena_init(&arena, 0);
    memset(text, 'x', LIMIT_CONFIG_LINE_BYTES + 8);
    text[1] = '=';
    assert_int_equal(conf_parse(&arena, "f", (struct str){text, LIMIT_CONFIG_LINE_BYTES}, &line, NULL), 0);
    assert_int_equal(conf_parse(&arena, "f", (struct str){text, LIMIT_CONFIG_LINE_BYTES + 1}, &line, NULL),
                     -1);
    free(text);
    arena_done(&arena);
    arena_init(&arena, 64); /* out of memory is an error like others */
    assert_int_equal(conf_parse(&arena, "f", STR("a = 1\nb = 2\nc = 3"), &line, NULL), -1);
    arena_done(&arena);
}

static void files(void **state)
{
    char path[] = "/tmp/homepatch-conf-XXXXXX";
    int fd = mkstemp(path);
    struct conf_line *line;
    struct arena arena;
    struct error err;

    (void)state;
    assert_int_equal(write(fd, "a = b\n", 6), 6);
    arena_init(&arena, 0);
    assert_int_equal(conf_read(&arena, path, &line, NULL), 0);
    assert_true(str_is(line->value, "b"));
    assert_null(line->next);
    assert_int_equal(ftruncate(fd, (off_t)LIMIT_CONFIG_BYTES + 1), 0);
    assert_int_equal(conf_read(&arena, path, &line, &err), -1);
    assert_string_equal(err.path, path);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(conf_read(&arena, path, &line, NULL), 0);
    assert_null(line);
    close(fd);
    unlink(path);
    assert_int_equal(conf_read(&arena, path, &line, &err), -1);
    assert_int_equal(conf_read(&arena, "/tmp", &line, &err), -1);
    assert_int_equal(conf_read(&arena, "/dev/zero", &line, &err), -1);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(limits),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
