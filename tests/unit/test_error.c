/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

static void setting(void **state)
{
    struct error err;
    char *text = malloc(2000);

    (void)state;
    assert_int_equal(error_set(NULL, 7000, "p", "%d", 1), -1);
    assert_int_equal(error_set(&err, ERROR_INVALID_VALUE, "Device.X", "%s is %d", "it", 7), -1);
    assert_int_equal(err.code, 7012);
    assert_string_equal(err.path, "Device.X");
    assert_string_equal(err.message, "it is 7");
    assert_int_equal(error_set_errno(&err, ERROR_INTERNAL, NULL, ENOENT, "cannot"), -1);
    assert_string_equal(err.path, "");
    assert_string_equal(err.message, "cannot: No such file or directory");
    assert_int_equal(error_set_errno(NULL, ERROR_INTERNAL, NULL, ENOENT, "cannot"), -1);
    /* What does not fit is cut. */
    memset(text, 'x', 1999);
    text[1999] = '\0';
    error_set(&err, 1, text, "%s", text);
    assert_int_equal(strlen(err.path), ERROR_PATH_BYTES - 1);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    error_set_errno(&err, 1, text, ENOENT, "%s", text);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    error_clear(&err);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.message, "");
    error_clear(NULL);
    free(text);
}

/* Every code of the standard has its text and its CWMP fault. */
static void codes(void **state)
{
    (void)state;
    for (uint32_t code = 7000; code <= 7106; code++) {
        if (code > 7027 && code < 7100)
            continue;
        assert_string_not_equal(error_text(code), "Unknown error");
        assert_in_range(error_cwmp_fault(code), 9000, 9032);
    }
    assert_string_equal(error_text(6999), "Unknown error");
    assert_int_equal(error_cwmp_fault(6999), 9002);
    assert_int_equal(error_cwmp_fault(ERROR_PARAMETER_READ_ONLY), 9008);
    assert_int_equal(error_cwmp_fault(ERROR_INVALID_PATH), 9005);
}

/* A device's words may be in it, and it goes to controllers as UTF-8. */
static void cut_between_characters(void **state)
{
    struct error err;

    (void)state;
    for (int shift = 0; shift < 2; shift++) {
        char words[2 * sizeof(err.message) + 1];

        for (size_t i = 0; i + 2 < sizeof(words); i += 2)
            memcpy(words + i, "\xc3\xa9", 3);
        error_set(&err, ERROR_INTERNAL, NULL, "%s%s", shift ? "a" : "", words);
        assert_true(str_is_utf8(str_of(err.message)));
        assert_in_range(strlen(err.message), sizeof(err.message) - 2, sizeof(err.message) - 1);
    }
}

static void levels(void **state)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    enum log_level level;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse("loud", &level), -1);
    assert_int_equal(log_level_parse("", &level), -1);
    log_setup(LOG_LEVEL_WARNING, false, "test");
    assert_true(log_enabled(LOG_LEVEL_ERROR));
    assert_true(log_enabled(LOG_LEVEL_WARNING));
    assert_false(log_enabled(LOG_LEVEL_INFO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(setting), cmocka_unit_test(codes),
                                       cmocka_unit_test(cut_between_characters), cmocka_unit_test(levels)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
