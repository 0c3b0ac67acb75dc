/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths against the supported model, and whether a path covers a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void supported(void **state)
{
    static const struct {
        const char *path, *node;
        enum dm_target_kind kind;
        uint32_t code;
    } cases[] = {
        {"Device.", "Device.", DM_TARGET_ROW, 0},
        {"Device.Thing.", "Device.Thing.{i}.", DM_TARGET_ROW, 0},
        {"Device.Thing.{i}.", "Device.Thing.{i}.", DM_TARGET_ROW, 0},
        {"Device.Thing.42.", "Device.Thing.{i}.", DM_TARGET_ROW, 0},
        {"Device.Thing.*.Name", "Device.Thing.{i}.", DM_TARGET_PARAM, 0},
        {"Device.Thing.{i}.Part.{i}.Order", "Device.Thing.{i}.Part.{i}.", DM_TARGET_PARAM, 0},
        {"Device.Thing.Part.Order", "Device.Thing.{i}.Part.{i}.", DM_TARGET_PARAM, 0},
        {"Device.Box.Do()", "Device.Box.", DM_TARGET_COMMAND, 0},
        {"Device.Box.Happened!", "Device.Box.", DM_TARGET_EVENT, 0},
        {"Device.Thing.*.Ref+.Name", "Device.Thing.{i}.", DM_TARGET_PARAM, 0},
        {"Device.Thing.*.Name+.Name", NULL, 0, ERROR_INVALID_PATH},
        {"Device.Thing.{i}.{i}.", NULL, 0, ERROR_INVALID_PATH},
        {"Device.Box.{i}.", NULL, 0, ERROR_INVALID_PATH},
        {"Device.Nothing.", NULL, 0, ERROR_INVALID_PATH},
        {"{i}.", NULL, 0, ERROR_INVALID_PATH},
        {"Device.Box.Name.", NULL, 0, ERROR_INVALID_PATH},
        {"Device..", NULL, 0, ERROR_INVALID_PATH_SYNTAX},
    };
    struct small_model *model = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dm_target target;
        struct arena arena;
        struct error err;
        int rc;

        arena_init(&arena, 0);
        error_clear(&err);
        rc = dm_resolve_supported(model->dm, &arena, str_of(cases[i].path), &target, &err);
        print_message("%s\n", cases[i].path);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(rc, cases[i].code ? -1 : 0);
        if (cases[i].node) {
            assert_string_equal(target.node->path, cases[i].node);
            assert_int_equal(target.kind, cases[i].kind);
        } else {
            assert_string_equal(err.path, cases[i].path);
        }
        arena_done(&arena);
    }
}

static void covers(void **state)
{
    static const struct {
        const char *path, *row;
        bool yes;
    } cases[] = {
        {"Device.", "Device.Thing.1.Part.2.", true},
        {"Device.Thing.", "Device.Thing.1.Part.2.", true},
        {"Device.Thing.1.", "Device.Thing.1.Part.2.", true},
        {"Device.Thing.2.", "Device.Thing.1.Part.2.", false},
        {"Device.Thing.*.Part.2.", "Device.Thing.1.Part.2.", true},
        {"Device.Thing.*.Part.2.", "Device.Thing.1.Part.1.", false},
        {"Device.Thing.*.Part.*.Order", "Device.Thing.1.Part.1.", true},
        {"Device.Thing.*.Part.*.Nothing", "Device.Thing.1.Part.1.", false},
        {"Device.Thing.1.Name", "Device.Thing.1.", true},
        {"Device.Thing.1.Name", "Device.Thing.1.Part.1.", false},
        {"Device.Thing.[Name==\"a\"].", "Device.Thing.1.", true},
        {"Device.Thing.[Name==\"a\"].", "Device.Thing.2.", false},
        {"Device.Thing.[Name==\"a\"].Part.", "Device.Thing.1.Part.1.", true},
        {"Device.Thing.[Name==1&&Number==x].", "Device.Thing.1.", false},
        {"Device.Thing.1.Ref+.", "Device.Thing.2.", false},
        {"Device.Box.", "Device.Thing.1.", false},
    };
    struct small_model *model = *state;

    for (unsigned i = 0; i < 2; i++) {
        struct dm_row *thing = small_thing_add(model, 0, i ? "b" : "a");

        dm_begin(model->dm, NULL);
        for (unsigned j = 0; j < 2; j++)
            assert_int_equal(
                dm_add_done(model->dm,
                            dm_add(model->dm, thing, dm_node_find(model->dm, "Device.Thing.Part."), 0, NULL),
                            NULL),
                0);
        assert_int_equal(dm_commit(model->dm, NULL), 0);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dm_row *row = dm_row_find(model->dm, str_of(cases[i].row));
        struct dm_path path;
        struct arena arena;

        arena_init(&arena, 0);
        assert_non_null(row);
        assert_int_equal(dm_path_parse(&arena, str_of(cases[i].path), &path, NULL), 0);
        if (dm_path_covers(model->dm, &arena, &path, row) != cases[i].yes)
            fail_msg("%s covers %s: not %d", cases[i].path, cases[i].row, cases[i].yes);
        arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(supported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(covers, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
