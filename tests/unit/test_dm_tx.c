/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions: what a commit tells, and that a rollback or a lost batch leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static struct dm_row *row_of(struct small_model *model, const char *path)
{
    struct dm_row *row = dm_row_find(model->dm, str_of(path));

    if (!row)
        fail_msg("%s is not there", path);
    return row;
}

static int set(struct small_model *model, struct dm_row *row, const char *name, const char *value)
{
    return dm_set(model->dm, row, dm_node_param(row->node, name), str_of(value), NULL);
}

static struct dm_row *add(struct small_model *model, struct dm_row *parent, const char *table,
                          const char *name)
{
    struct dm_node *node = dm_node_child(parent->node, str_of(table));
    struct dm_row *row = dm_add(model->dm, parent, node, 0, NULL);

    assert_non_null(row);
    if (name)
        assert_int_equal(set(model, row, "Name", name), 0);
    return row;
}

/* Hooks and feed wait for the end of the iteration, and come in the order of the changes. */
static void order_of_the_feed(void **state)
{
    struct small_model *model = *state;
    struct dm_row *one, *part;

    dm_begin(model->dm, NULL);
    one = add(model, dm_root(model->dm), "Thing", "a");
    assert_int_equal(dm_add_done(model->dm, one, NULL), 0);
    part = add(model, one, "Part", NULL);
    assert_int_equal(dm_add_done(model->dm, part, NULL), 0);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    assert_string_equal(small_said(model), "");
    assert_true(dm_pending(model->dm));
    small_turn(model);
    assert_false(dm_pending(model->dm));
    assert_string_equal(small_said(model), "added Device.Thing.1.\n"
                                           "feed created Device.Thing.1.\n"
                                           "added Device.Thing.1.Part.1.\n"
                                           "feed created Device.Thing.1.Part.1.\n");
    dm_begin(model->dm, NULL);
    assert_int_equal(set(model, one, "Number", "8"), 0);
    assert_int_equal(set(model, one, "Enable", "true"), 0);
    assert_int_equal(set(model, one, "Enable", "true"), 0); /* changes nothing */
    assert_int_equal(set(model, row_of(model, "Device.Thing.1.Inside"), "Title", "t"), 0);
    assert_int_equal(set(model, one, "Kind", "Flat"), 0);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    small_turn(model);
    assert_string_equal(small_said(model), "changed Device.Thing.1.Enable Number \n"
                                           "feed value Device.Thing.1.Number\n"
                                           "feed value Device.Thing.1.Enable\n"
                                           "changed Device.Thing.1.Inside.Title \n"
                                           "feed value Device.Thing.1.Inside.Title\n"
                                           "changed Device.Thing.1.Kind \n"
                                           "feed value Device.Thing.1.Kind\n");
    assert_int_equal(small_delete(model, "Device.Thing.1."), 0);
    small_turn(model);
    assert_string_equal(small_said(model), "deleted Device.Thing.1.Inside.\n"
                                           "deleted Device.Thing.1.Part.1.\n"
                                           "feed deleted Device.Thing.1.Part.1.\n"
                                           "deleted Device.Thing.1.\n"
                                           "feed deleted Device.Thing.1.\n");
    /* Added and gone in one batch: nobody hears of it. */
    assert_non_null(small_thing_add(model, 0, "b"));
    assert_int_equal(small_delete(model, "Device.Thing.2."), 0);
    small_turn(model);
    assert_string_equal(small_said(model), "");
    assert_int_equal(small_set(model, "Device.Box.Happened!", "x"), ERROR_UNSUPPORTED_PARAMETER);
    dm_raise(model->dm, row_of(model, "Device.Box."), "Happened!", NULL, 0);
    dm_raise(model->dm, row_of(model, "Device.Box."), "Nothing!", NULL, 0);
    assert_string_equal(small_said(model), "feed event Device.Box.Happened!\n");
}

/* A change that is not stored, and one that is, in one iteration: both are applied, and so are later ones. */
static void unstored_and_stored_together(void **state)
{
    struct small_model *model = *state;
    struct dm_row *owned = dm_attach(model->dm, dm_root(model->dm), dm_node_find(model->dm, "Device.Owned."),
                                     0, calloc(1, 256));
    void *data = owned->data;

    assert_non_null(small_thing_add(model, 0, "a"));
    small_turn(model);
    small_said(model);
    assert_int_equal(small_set(model, "Device.Owned.1.Color", "red"), 0);
    assert_false(store_pending(model->store));
    assert_int_equal(small_set(model, "Device.Thing.1.Number", "9"), 0);
    small_turn(model);
    assert_false(dm_pending(model->dm));
    assert_string_equal(small_said(model), "changed Device.Owned.1.Color \n"
                                           "feed value Device.Owned.1.Color\n"
                                           "changed Device.Thing.1.Number \n"
                                           "feed value Device.Thing.1.Number\n");
    assert_int_equal(small_set(model, "Device.Thing.1.Number", "10"), 0);
    small_turn(model);
    assert_non_null(strstr(small_said(model), "feed value Device.Thing.1.Number\n"));
    /* A module takes its row back while a setting of it still waits. */
    assert_int_equal(small_set(model, "Device.Owned.1.Color", "blue"), 0);
    free(*(char **)((char *)data + owned->node->object->params[2].offset));
    dm_detach(model->dm, owned);
    small_turn(model);
    assert_string_equal(small_said(model), "feed deleted Device.Owned.1.\n");
    free(data);
}

/* ---- rollback ---- */

/* One of everything that a transaction can do. */
static void change_much(struct small_model *model)
{
    static const char *const settings[][2] = {
        {"Name", "z"},
        {"Enable", "true"},
        {"Integer", "-1"},
        {"Number", "99"},
        {"Rank", "9"},
        {"Longer", "-9000000000"},
        {"Wide", "9"},
        {"When", "2020-01-01T00:00:00Z"},
        {"Kind", "Flat"},
        {"Tags", "red"},
        {"Secret", "s"},
        {"Hex", "abcd"},
        {"Base64", "QUJD"},
        {"Ref", "Device.Thing.4."},
        {"Refs", "Device.Thing.4,Device.Thing.1"},
        {"Weak", "nowhere"},
        {"Flag", "true"},
        {"Alias", "chosen"},
    };
    struct dm_row *one = row_of(model, "Device.Thing.1");
    struct dm_row *row;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        assert_int_equal(set(model, one, settings[i][0], settings[i][1]), 0);
    assert_int_equal(set(model, one, "Name", "zz"), 0);
    assert_int_equal(set(model, row_of(model, "Device.Thing.1.Inside."), "Title", "new"), 0);
    row = add(model, one, "Part", NULL);
    assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
    row = add(model, dm_root(model->dm), "Thing", "new");
    assert_int_equal(set(model, row, "Code", "cc"), 0);
    assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
    assert_int_equal(dm_delete(model->dm, row_of(model, "Device.Thing.1.Part.1"), NULL), 0);
    assert_int_equal(dm_delete(model->dm, row_of(model, "Device.Thing.2"), NULL), 0);
    assert_int_equal(dm_delete(model->dm, row, NULL), 0);
}

static void populate(struct small_model *model)
{
    static const char *const values[][2] = {
        {"Device.Thing.1.Name", "first"},
        {"Device.Thing.1.Ref", "Device.Thing.2"},
        {"Device.Thing.3.Ref", "Device.Thing.2"},
        {"Device.Thing.3.Refs", "Device.Thing.1,Device.Thing.2,Device.Thing.4"},
        {"Device.Thing.4.Weak", "Device.Thing.2"},
        {"Device.Thing.1.Inside.Title", "old"},
    };
    struct dm_row *row;

    for (uint32_t i = 1; i <= 12; i++)
        assert_non_null(small_thing_add(model, 0, NULL));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(small_set(model, values[i][0], values[i][1]), 0);
    for (uint32_t i = 0; i < 3; i++) {
        dm_begin(model->dm, NULL);
        row = add(model, row_of(model, i ? "Device.Thing.2" : "Device.Thing.1"), "Part", NULL);
        assert_int_equal(set(model, row, "Owner", "Device.Thing.2"), 0);
        assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
        assert_int_equal(dm_commit(model->dm, NULL), 0);
    }
    small_turn(model);
    small_said(model);
}

static void expect_same(struct small_model *model, char *before)
{
    char *after = small_dump(model->dm);

    assert_string_equal(after, before);
    small_check_index(model->dm);
    free(after);
    free(before);
}

static void rollback_restores_everything(void **state)
{
    struct small_model *model = *state;
    char *before;

    populate(model);
    before = small_dump(model->dm);
    dm_begin(model->dm, NULL);
    change_much(model);
    dm_rollback(model->dm);
    small_turn(model);
    assert_string_equal(small_said(model), "");
    expect_same(model, before);
}

static void nested_rollback(void **state)
{
    struct small_model *model = *state;
    char *before;

    populate(model);
    dm_begin(model->dm, NULL);
    assert_int_equal(set(model, row_of(model, "Device.Thing.5"), "Number", "55"), 0);
    before = small_dump(model->dm);
    dm_begin(model->dm, NULL);
    change_much(model);
    dm_begin(model->dm, NULL);
    assert_int_equal(set(model, row_of(model, "Device.Thing.5"), "Number", "56"), 0);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    dm_rollback(model->dm);
    expect_same(model, before);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    small_turn(model);
    assert_string_equal(small_said(model),
                        "changed Device.Thing.5.Number \nfeed value Device.Thing.5.Number\n");
    assert_string_equal(small_get(model, "Device.Thing.5.Number"), "55");
}

/* What was committed inside a transaction that is taken back is taken back with it. */
static void inner_commit_outer_rollback(void **state)
{
    struct small_model *model = *state;
    char *before;

    populate(model);
    before = small_dump(model->dm);
    dm_begin(model->dm, NULL);
    dm_begin(model->dm, NULL);
    change_much(model);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    dm_rollback(model->dm);
    small_turn(model);
    expect_same(model, before);
    assert_false(store_pending(model->store));
}

/* ---- keys ---- */

static void unique_keys(void **state)
{
    struct small_model *model = *state;

    for (unsigned i = 0; i < 12; i++) { /* without an index, then with one */
        char name[16];

        snprintf(name, sizeof(name), "n%u", i);
        assert_non_null(small_thing_add(model, 0, name));
        assert_null(small_thing_add(model, 0, name));
        assert_null(small_thing_add(model, 0, "n0"));
        if (i)
            assert_int_equal(small_set(model, "Device.Thing.1.Name", name), ERROR_UNIQUE_KEY_CONFLICT);
        assert_string_equal(small_get(model, "Device.Thing.1.Name"), "n0");
    }
    small_check_index(model->dm);
    assert_string_equal(small_get(model, "Device.Thing.[Name==\"n11\"].Name"), "n11");
    /* A rejected row's number is not given again, and the conflict is gone with the row. */
    assert_int_equal(small_set(model, "Device.Thing.1.Name", "other"), 0);
    assert_non_null(small_thing_add(model, 0, "n0"));
    assert_int_equal(small_set(model, "Device.Thing.1.Alias", "cpe-4"), ERROR_UNIQUE_KEY_CONFLICT);
    assert_int_equal(small_set(model, "Device.Thing.1.Alias", "mine"), 0);
    assert_int_equal(small_set(model, "Device.Thing.[Alias==\"mine\"].Alias", "cpe-1"), 0);
    assert_int_equal(small_set(model, "Device.Thing.1.Name", "bad"), ERROR_VALUE_CONFLICT);
    assert_null(small_thing_add(model, 0, "bad"));
    assert_null(small_thing_add(model, 1, "once"));
    small_turn(model);
    small_check_index(model->dm);
}

static void generated_keys(void **state)
{
    struct small_model *model = *state;
    struct dm_row *one, *row;

    assert_non_null(small_thing_add(model, 0, NULL));
    assert_string_equal(small_get(model, "Device.Thing.1.Name"), "cpe-1");
    assert_string_equal(small_get(model, "Device.Thing.1.Alias"), "cpe-1");
    /* The names that would be generated are taken. */
    assert_non_null(small_thing_add(model, 0, "cpe-3"));
    assert_int_equal(small_set(model, "Device.Thing.2.Alias", "cpe-3"), 0);
    assert_non_null(small_thing_add(model, 0, NULL));
    assert_string_equal(small_get(model, "Device.Thing.3.Name"), "cpe-3-1");
    assert_string_equal(small_get(model, "Device.Thing.3.Alias"), "cpe-3-1");
    one = row_of(model, "Device.Thing.1.");
    dm_begin(model->dm, NULL);
    for (unsigned i = 0; i < 3; i++) {
        row = add(model, one, "Part", NULL);
        if (i == 1)
            assert_int_equal(set(model, row, "Order", "7"), 0);
        assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
    }
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    assert_string_equal(small_get(model, "Device.Thing.1.Part.*.Order"), "1|7|8");
    small_turn(model);
}

/* ---- references ---- */

static void references_cleared(void **state)
{
    struct small_model *model = *state;

    populate(model);
    assert_int_equal(small_delete(model, "Device.Thing.2."), 0);
    assert_string_equal(small_get(model, "Device.Thing.1.Ref"), "");
    assert_string_equal(small_get(model, "Device.Thing.3.Ref"), "");
    assert_string_equal(small_get(model, "Device.Thing.3.Refs"), "Device.Thing.1,Device.Thing.4");
    assert_string_equal(small_get(model, "Device.Thing.4.Weak"), "Device.Thing.2");
    assert_string_equal(small_get(model, "Device.Thing.1.Part.1.Owner"), "");
    small_turn(model);
    assert_non_null(strstr(small_said(model), "feed value Device.Thing.3.Refs\n"));
    assert_int_equal(small_set(model, "Device.Thing.1.Ref", "Device.Thing.2"), ERROR_INVALID_VALUE);
    assert_int_equal(small_set(model, "Device.Thing.1.Ref", "Device.Box."), ERROR_INVALID_VALUE);
    assert_int_equal(small_set(model, "Device.Thing.1.Refs", "Device.Thing.3,Device.Thing.2"),
                     ERROR_INVALID_VALUE);
    assert_int_equal(small_set(model, "Device.Thing.1.Ref", "Device.Thing.[Name==\"cpe-3\"]"), 0);
    assert_string_equal(small_get(model, "Device.Thing.1.Ref"), "Device.Thing.3");
    assert_int_equal(small_set(model, "Device.Thing.1.Ref", ""), 0);
    /* Thing.1 is not Thing.10. */
    assert_int_equal(small_set(model, "Device.Thing.3.Refs", "Device.Thing.10, Device.Thing.1"), 0);
    assert_int_equal(small_delete(model, "Device.Thing.1."), 0);
    assert_string_equal(small_get(model, "Device.Thing.3.Refs"), "Device.Thing.10");
    small_turn(model);
}

static void deleted_twice(void **state)
{
    struct small_model *model = *state;
    struct dm_row *one, *part;

    populate(model);
    one = row_of(model, "Device.Thing.2.");
    part = row_of(model, "Device.Thing.2.Part.1.");
    dm_begin(model->dm, NULL);
    assert_int_equal(dm_delete(model->dm, one, NULL), 0);
    assert_int_equal(dm_delete(model->dm, one, NULL), 0);
    assert_int_equal(dm_delete(model->dm, part, NULL), 0);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    small_turn(model);
    assert_string_equal(small_find(model, "Device.Thing.2.", NULL), "#7026");
}

static void refused_deletion(void **state)
{
    struct small_model *model = *state;
    char *before;

    assert_non_null(small_thing_add(model, 0, "keep"));
    small_turn(model);
    before = small_dump(model->dm);
    assert_int_equal(small_delete(model, "Device.Thing.1."), ERROR_OBJECT_NOT_DELETABLE);
    expect_same(model, before);
}

/* ---- the store fails ---- */

struct limited {
    struct rlimit old;
    void (*old_handler)(int);
};

/* From here on no file grows: a full disk. */
static void disk_full(struct limited *limited)
{
    struct rlimit none;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limited->old), 0);
    limited->old_handler = signal(SIGXFSZ, SIG_IGN);
    none = (struct rlimit){1024, limited->old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
}

static void disk_free(struct limited *limited)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited->old), 0);
    signal(SIGXFSZ, limited->old_handler);
}

static void lost_batch(void **state)
{
    char directory[] = "/tmp/homepatch-tx-XXXXXX";
    struct small_model model;
    struct limited limited;
    char path[64], command[128];
    char *before;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/db", directory);
    small_model_init(&model, path);
    populate(&model);
    before = small_dump(model.dm);

    disk_full(&limited);
    dm_begin(model.dm, NULL);
    change_much(&model);
    assert_int_equal(dm_commit(model.dm, NULL), 0);
    assert_int_equal(small_set(&model, "Device.Thing.7.Number", "70"), 0);
    small_turn(&model);
    disk_free(&limited);
    assert_string_equal(small_said(&model), "");
    expect_same(&model, before);
    assert_false(dm_pending(model.dm));

    /* The disk has room again: all goes on, and only what was kept is there after a restart. */
    assert_int_equal(small_set(&model, "Device.Thing.7.Number", "71"), 0);
    small_turn(&model);
    before = small_dump(model.dm);
    small_model_done(&model);
    small_model_init(&model, path);
    assert_int_equal(dm_load(model.dm, NULL, NULL), 0);
    small_turn(&model);
    expect_same(&model, before);
    small_model_done(&model);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

/* The program ends while changes wait: they are committed with the store, and nobody is told any more. */
static void freed_while_waiting(void **state)
{
    struct small_model model;

    (void)state;
    small_model_init(&model, ":memory:");
    populate(&model);
    dm_begin(model.dm, NULL);
    change_much(&model);
    assert_int_equal(dm_commit(model.dm, NULL), 0);
    assert_true(dm_pending(model.dm));
    dm_free(model.dm);
    assert_int_equal(store_flush(model.store, NULL), 0);
    assert_string_equal(small_said(&model), "");
    store_close(model.store);
    loop_done(&model.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_of_the_feed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unstored_and_stored_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rollback_restores_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nested_rollback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inner_commit_outer_rollback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unique_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(generated_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_cleared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleted_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_deletion, set_up, tear_down),
        cmocka_unit_test(lost_batch),
        cmocka_unit_test(freed_while_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
