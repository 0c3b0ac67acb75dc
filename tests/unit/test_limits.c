/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of limits, the keys that set them, and the manual that lists them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/agent_config.h"
#include "base/buf.h"
#include "base/limits.h"

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(limits_count * sizeof(uint32_t), sizeof(struct limits));
    for (const struct limit *limit = limits_table; limit < limits_table + limits_count; limit++) {
        print_message("%s\n", limit->key);
        assert_in_range(limit->standard, limit->lowest, limit->highest);
        assert_true(limit->lowest > 0); /* nothing is switched off by a limit */
        assert_int_equal(limits_value(&limits_default, limit->offset), limit->standard);
        assert_string_equal(limits_key(limit->offset), limit->key);
        assert_ptr_equal(limits_find(str_of(limit->key)), limit);
    }
    assert_int_equal(limits_check(&limits_default, "f", NULL), 0);
    assert_null(limits_find(STR("limit_")));
    assert_null(limits_find(STR("limit_subscription")));
    assert_null(limits_find(STR("subscriptions")));
}

static void ranges(void **state)
{
    (void)state;
    for (const struct limit *limit = limits_table; limit < limits_table + limits_count; limit++) {
        struct limits limits = limits_default, expected = limits_default;
        char text[24];

        snprintf(text, sizeof(text), "%u", limit->lowest - 1);
        assert_int_equal(limits_set(&limits, limit, str_of(text)), -1);
        snprintf(text, sizeof(text), "%llu", limit->highest + 1ull);
        assert_int_equal(limits_set(&limits, limit, str_of(text)), -1);
        assert_memory_equal(&limits, &expected, sizeof(limits));
        snprintf(text, sizeof(text), "%u", limit->highest);
        assert_int_equal(limits_set(&limits, limit, str_of(text)), 0);
        assert_int_equal(limits_value(&limits, limit->offset), limit->highest);
        snprintf(text, sizeof(text), "%u", limit->lowest);
        assert_int_equal(limits_set(&limits, limit, str_of(text)), 0);
        assert_int_equal(limits_value(&limits, limit->offset), limit->lowest);
        /* Its own member, and no other. */
        snprintf(text, sizeof(text), "%u", limit->standard);
        assert_int_equal(limits_set(&limits, limit, str_of(text)), 0);
        assert_memory_equal(&limits, &expected, sizeof(limits));
    }
}

static void words(void **state)
{
    static const char *const bad[] = {"", "many", "-1", "64x", "0x40", "18446744073709551617", "4294967360"};
    const struct limit *count = limits_find(STR("limit_controllers"));
    const struct limit *bytes = limits_find(STR("limit_record_bytes"));
    struct limits limits = limits_default;
    char text[LIMIT_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(limits_set(&limits, count, str_of(bad[i])), -1);
        assert_int_equal(limits_set(&limits, bytes, str_of(bad[i])), -1);
    }
    assert_int_equal(limits_set(&limits, count, STR("1K")), -1); /* no size */
    assert_memory_equal(&limits, &limits_default, sizeof(limits));
    assert_int_equal(limits_set(&limits, bytes, STR("1M")), 0);
    assert_int_equal(limits.record_bytes, 1 << 20);
    limits_expected(count, text);
    assert_string_equal(text, "a number from 1 to 1024");
    limits_expected(bytes, text);
    assert_string_equal(text, "a size from 64K to 8M");
    limits_text(bytes, 1u << 30, text);
    assert_string_equal(text, "1G");
    limits_text(bytes, 100000, text);
    assert_string_equal(text, "100000");
    limits_text(count, 1024, text);
    assert_string_equal(text, "1024");
}

static void together(void **state)
{
    struct limits limits = limits_default;
    struct error err;

    (void)state;
    limits.queue_bytes = limits.record_bytes - 1;
    assert_int_equal(limits_check(&limits, "f", &err), -1);
    assert_string_equal(err.path, "f");
    assert_string_equal(
        err.message,
        "limit_queue_bytes is less than limit_record_bytes: raise it, or lower limit_record_bytes");
    limits = limits_default;
    limits.session_bytes = limits.record_bytes - 1;
    assert_int_equal(limits_check(&limits, "f", NULL), -1);
    limits = limits_default;
    limits.sessions_bytes = limits.session_bytes - 1;
    assert_int_equal(limits_check(&limits, "f", NULL), -1);
}

struct told {
    unsigned now, later;
};

static void tell(void *ctx, const struct limit *limit, uint32_t value)
{
    struct told *told = ctx;

    assert_int_equal(value, limit->lowest);
    *(limit->when == LIMIT_AT_ONCE ? &told->now : &told->later) += 1;
}

static void followed(void **state)
{
    struct limits limits = limits_default, next = limits_default;
    struct told told = {0, 0}, expected = {0, 0};

    (void)state;
    limits_follow(&limits, &next, tell, &told);
    assert_memory_equal(&told, &expected, sizeof(told));
    for (const struct limit *limit = limits_table; limit < limits_table + limits_count; limit++) {
        char text[24];

        snprintf(text, sizeof(text), "%u", limit->lowest);
        assert_int_equal(limits_set(&next, limit, str_of(text)), 0);
        *(limit->when == LIMIT_AT_ONCE ? &expected.now : &expected.later) += 1;
    }
    limits_follow(&limits, &next, tell, &told);
    assert_memory_equal(&told, &expected, sizeof(told));
    for (const struct limit *limit = limits_table; limit < limits_table + limits_count; limit++)
        assert_int_equal(limits_value(&limits, limit->offset),
                         limit->when == LIMIT_AT_ONCE ? limit->lowest : limit->standard);
}

/* ---- homepatchd.conf(5) ---- */

static int read_config(const char *text, struct agent_config *config, struct error *err)
{
    char file[] = "/tmp/test_limits.XXXXXX";
    int fd = mkstemp(file);
    int rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    rc = agent_config_read(config, file, err);
    unlink(file);
    return rc;
}

static void configured(void **state)
{
    struct agent_config config;
    struct error err;

    (void)state;
    assert_int_equal(read_config("", &config, NULL), 0);
    assert_memory_equal(&config.limits, &limits_default, sizeof(config.limits));
    agent_config_done(&config);
    assert_int_equal(read_config("limit_subscriptions = 100\nlimit_record_bytes = 64K\n", &config, NULL), 0);
    assert_int_equal(config.limits.subscriptions, 100);
    assert_int_equal(config.limits.record_bytes, 64 << 10);
    assert_int_equal(config.limits.table_rows, limits_default.table_rows);
    agent_config_done(&config);
    assert_int_equal(read_config("# one\n\nlimit_subscriptions = 0\n", &config, &err), -1);
    assert_non_null(strstr(err.path, ":3"));
    assert_string_equal(err.message, "limit_subscriptions: \"0\" is not a number from 1 to 65536");
    agent_config_done(&config);
    assert_int_equal(read_config("limit_queue_bytes = 32K\n", &config, &err), -1);
    assert_string_equal(err.message, "limit_queue_bytes: \"32K\" is not a size from 64K to 256M");
    agent_config_done(&config);
    assert_int_equal(read_config("limit_queue_bytes = 1M\n", &config, &err), -1);
    assert_non_null(strstr(err.message, "limit_record_bytes"));
    agent_config_done(&config);
    assert_int_equal(read_config("limit_nothing = 1\n", &config, &err), -1);
    assert_non_null(strstr(err.message, "unknown key \"limit_nothing\""));
    agent_config_done(&config);
}

/* ---- its manual ---- */

static void write_manual(struct buf *text)
{
    for (const struct limit *limit = limits_table; limit < limits_table + limits_count; limit++) {
        char standard[LIMIT_TEXT_BYTES], lowest[LIMIT_TEXT_BYTES], highest[LIMIT_TEXT_BYTES], item[512];

        limits_text(limit, limit->standard, standard);
        limits_text(limit, limit->lowest, lowest);
        limits_text(limit, limit->highest, highest);
        snprintf(item, sizeof(item), ".It Cm %s\n%s.\nDefault\n.Cm %s ;\nfrom %s to %s%s.\n", limit->key,
                 limit->meaning, standard, lowest, highest,
                 limit->when == LIMIT_AT_START ? "; needs a restart" : "");
        buf_append(text, item, strlen(item));
    }
    buf_append_byte(text, 0);
}

/* It lists these keys and no others, with what the table says of them. */
static void manual(void **state)
{
    static const char begin[] = ".Ss Limits\n";
    const char *srcdir = getenv("srcdir");
    struct buf expected;
    char path[4096];
    char *text, *list, *end;
    size_t len;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/docs/homepatchd.conf.5", srcdir ? srcdir : ".");
    file = fopen(path, "r");
    assert_non_null(file);
    text = calloc(1, 1 << 20);
    assert_non_null(text);
    len = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    assert_true(len > 0);
    buf_init(&expected, 1 << 20, 0);
    write_manual(&expected);
    list = strstr(text, begin);
    list = list ? strstr(list, ".It") : NULL;
    end = list ? strstr(list, ".El") : NULL;
    if (!end || (size_t)(end - list) != strlen((char *)buf_data(&expected)) ||
        strncmp(list, (char *)buf_data(&expected), (size_t)(end - list)) != 0) {
        fputs((char *)buf_data(&expected), stdout);
        fail_msg("%s: the list of limits is to be as above", path);
    }
    memset(list, ' ', (size_t)(end - list));
    assert_null(strstr(text, ".It Cm limit_")); /* nowhere else */
    buf_done(&expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(ranges),   cmocka_unit_test(words),
        cmocka_unit_test(together), cmocka_unit_test(followed), cmocka_unit_test(configured),
        cmocka_unit_test(manual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
