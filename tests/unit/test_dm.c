/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree, values and their validation, rows of modules, commands. size: validation: a table of cases */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
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

/* ---- the supported model ---- */

static void nodes(void **state)
{
    struct small_model *model = *state;
    struct dm_node *const *all;
    struct dm_node *thing = dm_node_find(model->dm, "Device.Thing.{i}.");
    enum dm_member_kind kind;

    assert_int_equal(dm_nodes(model->dm, &all), small_mounts_count);
    assert_ptr_equal(thing, dm_node_find(model->dm, "Device.Thing"));
    assert_ptr_equal(thing, dm_node_find(model->dm, "Device.Thing."));
    assert_null(dm_node_find(model->dm, "Device.Thin"));
    assert_null(dm_node_find(model->dm, "Thing."));
    assert_null(dm_node_find(model->dm, ""));
    assert_true(dm_node_is_table(thing));
    assert_string_equal(thing->path, "Device.Thing.{i}.");
    assert_int_equal(thing->depth, 1);
    for (int i = 0; i < thing->params_count; i++)
        assert_int_equal(dm_node_param(thing, thing->object->params[i].name), i);
    assert_int_equal(dm_node_param(thing, "Nam"), -1);
    assert_int_equal(dm_node_param(thing, "Names"), -1);
    assert_int_equal(dm_node_param(thing, ""), -1);
    assert_int_equal(dm_node_param(dm_node_find(model->dm, "Device.Box."), "Do()"), -1);
    assert_int_equal(dm_node_member(dm_node_find(model->dm, "Device.Box."), STR("Do()"), &kind), 0);
    assert_int_equal(kind, DM_MEMBER_COMMAND);
    assert_int_equal(dm_node_member(dm_node_find(model->dm, "Device.Box."), STR("Happened!"), &kind), 0);
    assert_int_equal(kind, DM_MEMBER_EVENT);
    assert_null(dm_node_child(thing, STR("Par")));
}

static void bad_declarations(void **state)
{
    static const struct dm_mount orphan[] = {{"Device.", &small_device}, {"Device.A.B.", &small_device}};
    struct small_model *model = *state;
    struct error err;

    assert_null(dm_new(orphan, 2, &model->loop, model->store, &err));
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_string_equal(err.path, "Device.A.B.");
    dm_free(NULL);
}

/* Access ids are dense, and each place has its own. */
static void access_ids(void **state)
{
    struct small_model *model = *state;
    struct dm_node *const *all;
    size_t count = dm_nodes(model->dm, &all);
    uint32_t next = 0;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i]->index, i);
        assert_int_equal(dm_id_object(all[i]), next++);
        assert_int_equal(dm_id_instance(all[i]), next++);
        for (int j = 0; j < all[i]->params_count; j++)
            assert_int_equal(dm_id_param(all[i], j), next++);
        for (int j = 0; j < all[i]->commands_count; j++)
            assert_int_equal(dm_id_command(all[i], j), next++);
        for (int j = 0; j < all[i]->events_count; j++)
            assert_int_equal(dm_id_event(all[i], j), next++);
    }
    assert_int_equal(dm_access_ids(model->dm), next);
}

/* ---- values ---- */

static void validation(void **state)
{
    enum { OK = 0, TYPE = ERROR_INVALID_TYPE, VALUE = ERROR_INVALID_VALUE };
    static const struct {
        const char *param, *value;
        uint32_t code;
        const char *reads; /* NULL: as it was written */
    } cases[] = {
        {"Enable", "true", OK, NULL},
        {"Enable", "false", OK, NULL},
        {"Enable", "1", OK, "true"},
        {"Enable", "0", OK, "false"},
        {"Enable", "TRUE", TYPE, NULL},
        {"Enable", "", TYPE, NULL},
        {"Enable", "2", TYPE, NULL},
        {"Enable", "true ", TYPE, NULL},
        {"Integer", "-5", OK, NULL},
        {"Integer", "100", OK, NULL},
        {"Integer", "-6", VALUE, NULL},
        {"Integer", "101", VALUE, NULL},
        {"Integer", "2147483648", TYPE, NULL},
        {"Integer", "", TYPE, NULL},
        {"Integer", "1.5", TYPE, NULL},
        {"Integer", " 1", TYPE, NULL},
        {"Integer", "+7", OK, "7"},
        {"Integer", "-0", OK, "0"},
        {"Integer", "007", OK, "7"},
        {"Integer", "0x1", TYPE, NULL},
        {"Number", "0", OK, NULL},
        {"Number", "4294967295", OK, NULL},
        {"Number", "4294967296", TYPE, NULL},
        {"Number", "-1", TYPE, NULL},
        {"Number", "", TYPE, NULL},
        {"Number", "1e3", TYPE, NULL},
        {"Rank", "2", OK, NULL},
        {"Rank", "9", OK, NULL},
        {"Rank", "1", VALUE, NULL},
        {"Rank", "10", VALUE, NULL},
        {"Longer", "9223372036854775807", OK, NULL},
        {"Longer", "-9223372036854775808", OK, NULL},
        {"Longer", "9223372036854775808", TYPE, NULL},
        {"Longer", "-9223372036854775809", TYPE, NULL},
        {"Wide", "18446744073709551615", OK, NULL},
        {"Wide", "18446744073709551616", TYPE, NULL},
        {"Wide", "-1", TYPE, NULL},
        {"When", "2026-02-28T23:59:59Z", OK, NULL},
        {"When", "0001-01-01T00:00:00Z", OK, NULL},
        {"When", "2026-02-28T23:59:59.123456Z", OK, "2026-02-28T23:59:59Z"},
        {"When", "2026-03-01T01:00:00+01:00", OK, "2026-03-01T00:00:00Z"},
        {"When", "2026-13-01T00:00:00Z", TYPE, NULL},
        {"When", "2026-02-30T00:00:00Z", TYPE, NULL},
        {"When", "2025-02-29T00:00:00Z", TYPE, NULL},
        {"When", "2024-02-29T00:00:00Z", OK, NULL},
        {"When", "now", TYPE, NULL},
        {"When", "", TYPE, NULL},
        {"When", "2026-01-01", TYPE, NULL},
        {"Kind", "Flat", OK, NULL},
        {"Kind", "flat", VALUE, NULL},
        {"Kind", "", VALUE, NULL},
        {"Kind", "Flat,Round", VALUE, NULL},
        {"Tags", "red", OK, NULL},
        {"Tags", "", OK, NULL},
        {"Tags", "red,blue", OK, NULL},
        {"Tags", "red, green", OK, NULL},
        {"Tags", "red,pink", VALUE, NULL},
        {"Tags", "red,", VALUE, NULL},
        {"Hex", "00ffAB", OK, NULL},
        {"Hex", "", OK, NULL},
        {"Hex", "0", TYPE, NULL},
        {"Hex", "zz", TYPE, NULL},
        {"Hex", "0011223344", VALUE, NULL},
        {"Base64", "QUJD", OK, NULL},
        {"Base64", "QUI=", OK, NULL},
        {"Base64", "QQ==", OK, NULL},
        {"Base64", "Q===", TYPE, NULL},
        {"Base64", "QUJ", TYPE, NULL},
        {"Base64", "QU=D", TYPE, NULL},
        {"Base64", "QU D", TYPE, NULL},
        {"Base64", "", OK, NULL},
        {"Alias", "a-b_c.9", OK, NULL},
        {"Alias", "9a", VALUE, NULL},
        {"Alias", "", VALUE, NULL},
        {"Alias", "a b", VALUE, NULL},
        {"Alias", "-a", VALUE, NULL},
        {"Name", "any text, with \xc3\xa9", OK, NULL},
        {"Name", "", OK, NULL},
        {"Weak", "Device.Nothing.9", OK, NULL},
        {"Ref", "Device.Thing.9", VALUE, NULL},
        {"Ref", "Device.Thing.", VALUE, NULL},
        {"Ref", "Device.Thing.1.Inside.", OK, "Device.Thing.1.Inside"},
        {"Ref", "Device.Thing.1.Name", VALUE, NULL},
        {"Ref", "nonsense[", VALUE, NULL},
        {"Ref", "", OK, NULL},
        {"Code", "ab", ERROR_PARAMETER_READ_ONLY, NULL},
        {"Note", "ab", ERROR_PARAMETER_READ_ONLY, NULL},
        {"Twice", "1", ERROR_PARAMETER_READ_ONLY, NULL},
        {"PartNumberOfEntries", "1", ERROR_PARAMETER_READ_ONLY, NULL},
    };
    struct small_model *model = *state;

    assert_non_null(small_thing_add(model, 0, "a"));
    small_turn(model); /* it is no new row any more */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[64], before[128];
        uint32_t code;
        const char *after;

        snprintf(path, sizeof(path), "Device.Thing.1.%s", cases[i].param);
        snprintf(before, sizeof(before), "%s", small_get(model, path));
        code = small_set(model, path, cases[i].value);
        after = small_get(model, path);
        if (code != cases[i].code)
            fail_msg("%s = \"%s\": %u, expected %u", path, cases[i].value, code, cases[i].code);
        assert_string_equal(after, code ? before : cases[i].reads ? cases[i].reads : cases[i].value);
    }
}

static void lengths(void **state)
{
    struct small_model *model = *state;
    char *text = malloc(LIMIT_VALUE_BYTES + 2);

    assert_non_null(small_thing_add(model, 0, "a"));
    memset(text, 'a', LIMIT_VALUE_BYTES + 2);
    text[64] = '\0';
    assert_int_equal(small_set(model, "Device.Thing.1.Name", text), 0);
    text[64] = 'a';
    text[65] = '\0';
    assert_int_equal(small_set(model, "Device.Thing.1.Name", text), ERROR_INVALID_VALUE);
    text[65] = 'a';
    text[LIMIT_VALUE_BYTES] = '\0';
    assert_int_equal(small_set(model, "Device.Thing.1.Secret", text), 0);
    text[LIMIT_VALUE_BYTES] = 'a';
    text[LIMIT_VALUE_BYTES + 1] = '\0';
    assert_int_equal(small_set(model, "Device.Thing.1.Secret", text), ERROR_RESOURCES_EXCEEDED);
    memset(text, ',', LIMIT_VALUE_BYTES + 1);
    assert_int_equal(small_set(model, "Device.Thing.1.Refs", text), ERROR_RESOURCES_EXCEEDED);
    free(text);
}

static void defaults_and_hooks(void **state)
{
    static const char *const cases[][2] = {
        {"Enable", "false"},
        {"Number", "7"},
        {"Rank", "2"},
        {"Integer", "0"},
        {"When", "0001-01-01T00:00:00Z"},
        {"Kind", "Round"},
        {"Name", "a"},
        {"Alias", "cpe-1"},
        {"Inside.Title", "none"},
        {"Note", "made"},
        {"Twice", "14"},
        {"PartNumberOfEntries", "0"},
        {"Secret", ""},
    };
    struct small_model *model = *state;

    assert_non_null(small_thing_add(model, 0, "a"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "Device.Thing.1.%s", cases[i][0]);
        assert_string_equal(small_get(model, path), cases[i][1]);
    }
    assert_string_equal(small_get(model, "Device.Box.Number"), "7");
}

/* DM_AT_CREATION (R-KEY.1): until the addition is complete, though its batch may still be open */
static void at_creation(void **state)
{
    struct small_model *model = *state;
    struct dm_node *node = dm_node_find(model->dm, "Device.Thing.");
    int code = dm_node_param(node, "Code");
    struct dm_row *row;
    struct error err;

    dm_begin(model->dm, NULL);
    row = dm_add(model->dm, dm_root(model->dm), node, 0, NULL);
    assert_int_equal(dm_set(model->dm, row, code, STR("a"), &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_VALUE);
    assert_string_equal(err.path, "Device.Thing.1.Code");
    assert_int_equal(dm_set(model->dm, row, code, STR("xy"), &err), -1);
    assert_int_equal(dm_set(model->dm, row, code, STR("ab"), &err), 0);
    assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
    assert_int_equal(dm_set(model->dm, row, code, STR("cd"), &err), -1);
    assert_int_equal(err.code, ERROR_PARAMETER_READ_ONLY);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    small_turn(model);
    assert_int_equal(small_set(model, "Device.Thing.1.Code", "cd"), ERROR_PARAMETER_READ_ONLY);
    assert_string_equal(small_get(model, "Device.Thing.1.Code"), "ab");
    /* The factory configuration sets what controllers may not. */
    dm_begin(model->dm, &(struct dm_requester){.factory = true});
    assert_int_equal(dm_set(model->dm, row, dm_node_param(node, "Note"), STR("n"), NULL), 0);
    assert_int_equal(dm_set(model->dm, row, dm_node_param(node, "Twice"), STR("1"), NULL), -1);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    assert_string_equal(small_get(model, "Device.Thing.1.Note"), "n");
    small_turn(model);
}

/* ---- rows ---- */

static void instances(void **state)
{
    struct small_model *model = *state;
    struct dm_node *node = dm_node_find(model->dm, "Device.Thing.");
    static const uint32_t order[] = {5, 2, 9, 1, 7};
    struct dm_row *const *rows;
    char path[DM_PATH_BYTES];
    struct error err;

    for (size_t i = 0; i < 5; i++) {
        char name[8];

        snprintf(name, sizeof(name), "n%zu", i);
        assert_non_null(small_thing_add(model, order[i], name));
    }
    assert_int_equal(dm_rows(dm_root(model->dm), node, &rows), 5);
    for (uint32_t i = 1; i < 5; i++)
        assert_true(rows[i - 1]->instance < rows[i]->instance);
    assert_non_null(small_thing_add(model, 0, "next"));
    assert_int_equal(dm_row_path(dm_row_instance(dm_root(model->dm), node, 10), path), 16);
    assert_string_equal(path, "Device.Thing.10.");
    assert_null(dm_row_instance(dm_root(model->dm), node, 3));
    /* A number is not given again. */
    assert_int_equal(small_delete(model, "Device.Thing.10."), 0);
    small_turn(model);
    assert_non_null(small_thing_add(model, 0, "next"));
    assert_non_null(dm_row_instance(dm_root(model->dm), node, 11));
    assert_ptr_equal(dm_row_find(model->dm, STR("Device.Thing.[Name==\"next\"]")),
                     dm_row_instance(dm_root(model->dm), node, 11));
    assert_null(dm_row_find(model->dm, STR("Device.Thing.11.Name")));
    assert_null(dm_row_find(model->dm, STR("Device.Thing.")));
    assert_null(dm_row_find(model->dm, STR("")));
    /* The last number of all: there is no next one. */
    assert_non_null(small_thing_add(model, UINT32_MAX, "last"));
    dm_begin(model->dm, NULL);
    assert_null(dm_add(model->dm, dm_root(model->dm), node, 0, &err));
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    dm_rollback(model->dm);
    small_turn(model);
    small_check_index(model->dm);
}

static void full_table(void **state)
{
    struct small_model *model = *state;
    struct dm_node *node = dm_node_find(model->dm, "Device.Thing.");
    struct error err;
    uint32_t added = 0;

    dm_begin(model->dm, NULL);
    while (dm_add(model->dm, dm_root(model->dm), node, 0, &err))
        added++;
    assert_int_equal(added, 2000);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    assert_string_equal(err.message, "the table is full (2000 rows)");
    dm_rollback(model->dm);
    /* The common limit is above what the object says, and counts at once. */
    model->limits.table_rows = 40;
    dm_begin(model->dm, NULL);
    for (added = 0; dm_add(model->dm, dm_root(model->dm), node, 0, &err); added++)
        ;
    assert_int_equal(added, 40);
    assert_string_equal(err.message, "the table is full (limit_table_rows is 40)");
    model->limits.table_rows = 41;
    assert_non_null(dm_add(model->dm, dm_root(model->dm), node, 0, &err));
    dm_rollback(model->dm);
}

static void module_rows(void **state)
{
    struct part {
        const char *alias, *color, *owner;
        uint32_t order;
    } one = {.color = "red"}, two = {.order = 5};
    struct small_model *model = *state;
    struct dm_node *node = dm_node_find(model->dm, "Device.Owned.");
    struct dm_row *row = dm_attach(model->dm, dm_root(model->dm), node, 0, &one);

    assert_non_null(row);
    assert_int_equal(row->instance, 1);
    assert_non_null(dm_attach(model->dm, dm_root(model->dm), node, 7, &two));
    assert_string_equal(small_said(model), "feed created Device.Owned.1.\nfeed created Device.Owned.7.\n");
    assert_string_equal(small_get(model, "Device.Owned.1.Color"), "red");
    assert_string_equal(small_get(model, "Device.Owned.[Order==5].Alias"), "cpe-7");
    one.color = "blue";
    dm_changed(model->dm, row, dm_node_param(node, "Color"));
    assert_string_equal(small_said(model), "feed value Device.Owned.1.Color\n");
    assert_string_equal(small_get(model, "Device.Owned.1.Color"), "blue");
    dm_detach(model->dm, row);
    dm_detach(model->dm, NULL);
    assert_string_equal(small_said(model), "feed deleted Device.Owned.1.\n");
    assert_string_equal(small_find(model, "Device.Owned.*.", NULL), "Device.Owned.7.");
    assert_true(dm_store_empty(model->dm));
}

/* ---- commands ---- */

static void on_done(struct dm_call *call, const struct error *err)
{
    *(uint32_t *)call->ctx = err ? err->code : 1;
}

static void calls(void **state)
{
    static const struct dm_arg inputs[] = {
        {.name = "Delay", .type = DM_UNSIGNED_INT, .max = 10, .default_value = "3"},
        {.name = "Force", .type = DM_BOOLEAN},
        {.name = NULL},
    };
    static const struct dm_command command = {.name = "Do()", .inputs = inputs};
    struct dm_pair given[] = {{"Force", "true"}, {"Count", "5"}};
    uint32_t done = 0;
    struct dm_call call = {
        .command = &command, .inputs = given, .inputs_count = 2, .complete = on_done, .ctx = &done};
    struct error err;

    (void)state;
    arena_init(&call.arena, 4096);
    assert_string_equal(dm_call_input(&call, "Delay"), "3");
    assert_int_equal(dm_call_input_number(&call, "Delay"), 3);
    assert_int_equal(dm_call_input_number(&call, "Count"), 5);
    assert_int_equal(dm_call_input_number(&call, "Force"), 0);
    assert_true(dm_call_input_bool(&call, "Force"));
    assert_false(dm_call_input_bool(&call, "Delay"));
    assert_null(dm_call_input(&call, "Nothing"));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(dm_call_output(&call, "Name", "value"), 0);
    assert_int_equal(call.outputs_count, 5);
    assert_string_equal(call.outputs[4].value, "value");
    while (dm_call_output(&call, "Name", "value") == 0)
        ;
    assert_int_equal(dm_arg_check(&inputs[0], STR("10"), &err), 0);
    assert_int_equal(dm_arg_check(&inputs[0], STR("11"), &err), -1);
    assert_int_equal(dm_arg_check(&inputs[0], STR("x"), &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_TYPE);
    dm_call_complete(&call, NULL);
    assert_int_equal(done, 1);
    dm_call_complete(&call, &err);
    assert_int_equal(done, ERROR_INVALID_TYPE);
    arena_done(&call.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_declarations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(access_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(validation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lengths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults_and_hooks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(at_creation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(instances, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(module_rows, set_up, tear_down),
        cmocka_unit_test(calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
