/* SPDX-License-Identifier: BSD-3-Clause */
/* The factory configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/small_model.h"

static int set_up(void **state)
{
    static struct small_model model;

    small_model_init(&model, ":memory:");
    *state = &model;
    return 0;
}

static int tear_down(void **state)
{
    small_model_done(*state);
    return 0;
}

/* 0, or -1 with err; the file's name is cut off err's path. */
static int load(struct small_model *model, const char *text, struct error *err)
{
    char path[] = "/tmp/homepatch-factory-XXXXXX";
    int fd = mkstemp(path);
    int rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    error_clear(err);
    rc = dm_load_factory(model->dm, path, err);
    if (rc < 0)
        memmove(err->path, err->path + strlen(path), strlen(err->path + strlen(path)) + 1);
    unlink(path);
    small_turn(model);
    return rc;
}

static void good(void **state)
{
    static const char *const expected[][2] = {
        {"Device.Thing.*.Name", "one|three|seven"},
        {"Device.Thing.1.Note", "by the factory"},
        {"Device.Thing.1.Code", "ab"},
        {"Device.Thing.1.Ref", "Device.Thing.7"},
        {"Device.Thing.1.Inside.Title", "  kept  "},
        {"Device.Thing.1.Part.*.Color", "red|blue"},
        {"Device.Thing.3.Secret", "a # b = c"},
        {"Device.Thing.7.Enable", "true"},
        {"Device.Box.Number", "3"},
        {"Device.Thing.3.Alias", "cpe-3"},
    };
    struct small_model *model = *state;
    struct error err;

    if (load(model,
             "# the factory's\n\n"
             "Device.Thing.1.Name = one\n"
             "  Device.Thing.1.Ref=Device.Thing.7.\n" /* comes later */
             "Device.Thing.1.Note = by the factory\r\n"
             "Device.Thing.1.Code = ab\n"
             "Device.Thing.1.Inside.Title = \"  kept  \"\n"
             "Device.Thing.1.Part.2.Color = blue\n"
             "Device.Thing.1.Part.1.Color = red\n"
             "\tDevice.Thing.7.Name\t=\tseven\t\n"
             "Device.Thing.7.Enable = 1\n"
             "Device.Thing.3.Name = three\n"
             "Device.Thing.3.Secret = a # b = c\n"
             "Device.Box.Number = 3",
             &err) < 0)
        fail_msg("%s: %s", err.path, err.message);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_string_equal(small_get(model, expected[i][0]), expected[i][1]);
    assert_non_null(strstr(model->log, "feed created Device.Thing.7.\n"));
    assert_int_equal(small_thing_add(model, 0, NULL)->instance, 8);
    assert_int_equal(load(model, "", &err), 0);
    assert_int_equal(load(model, "\n\n# nothing\n", &err), 0);
}

/* An error names its line, and nothing of the file is in effect. */
static void bad(void **state)
{
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"Device.Thing.1.Name = a\nnonsense\n", ":2"},
        {"= value\n", ":1"},
        {"Device.Thing.1.Name = a\nDevice.Thing.1.Nothing = b\n", ":2"},
        {"Device.Nothing.1.Name = a\n", ":1"},
        {"Device.Thing.Name = a\n", ":1"},
        {"Device.Thing.0.Name = a\n", ":1"},
        {"Device.Thing.*.Name = a\n", ":1"},
        {"Device.Thing.[Name==\"a\"].Name = a\n", ":1"},
        {"Device.Thing.1. = a\n", ":1"},
        {"Device.Thing.1 = a\n", ":1"},
        {"Device. = a\n", ":1"},
        {"Device = a\n", ":1"},
        {"Other.Thing.1.Name = a\n", ":1"},
        {"Other.Box.Number = 1\n", ":1"},
        {"Device.Box.1.Number = 1\n", ":1"},
        {"Device.Box.Do() = 1\n", ":1"},
        {"Device.Box.Happened! = 1\n", ":1"},
        {"Device.Box.Number\n", ":1"},
        {"\n\nDevice.Box.Number = x\n", ":3"},
        {"Device.Box.Twice = 1\n", ":1"},
        {"Device.Thing.1.Name = a\nDevice.Thing.2.Name = a\n", ":1"},
        {"Device.Thing.1.Name = bad\n", ":1"},
        {"Device.Thing.1.Ref = Device.Thing.2\n", ":1"},
        {"Device.Thing.1.Name = \"a\n", ":1"},
        {"Device.Thing.1.Name = \"a\"b\"\n", ":1"},
        {"Device.Thing.1.Ref+.Name = a\n", ":1"},
        {"Device.Thing.1.Name = a\xff\n", ":1"},
        {"Device.Owned.1.Color = red\nDevice.Box.Number = x\n", ":1"}, /* a module's table */
    };
    struct small_model *model = *state;
    char *before = small_dump(model->dm);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        char *after;

        if (load(model, cases[i].text, &err) == 0)
            fail_msg("\"%s\" is taken", cases[i].text);
        if (strcmp(err.path, cases[i].where) != 0)
            fail_msg("\"%s\": the error is at \"%s\": %s", cases[i].text, err.path, err.message);
        assert_int_equal(err.code, ERROR_INVALID_CONFIGURATION);
        assert_true(err.message[0]);
        after = small_dump(model->dm);
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
    assert_true(dm_store_empty(model->dm));
}

static void missing_file(void **state)
{
    struct small_model *model = *state;
    struct error err;

    assert_int_equal(dm_load_factory(model->dm, "/nonexistent/factory.conf", &err), -1);
    assert_int_equal(dm_load_factory(model->dm, "/tmp", &err), -1);
    assert_string_equal(err.path, "/tmp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_file, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
