/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows in the store: what comes back after a restart, and what of a store that is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/small_model.h"

struct fixture {
    struct small_model model;
    char directory[64];
    char path[80];
};

static int set_up(void **state)
{
    static struct fixture fixture;

    snprintf(fixture.directory, sizeof(fixture.directory), "/tmp/homepatch-persist-XXXXXX");
    if (!mkdtemp(fixture.directory))
        return -1;
    snprintf(fixture.path, sizeof(fixture.path), "%s/db", fixture.directory);
    small_model_init(&fixture.model, fixture.path);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct fixture *fixture = *state;

    small_model_done(&fixture->model);
    for (size_t i = 0; i < 3; i++) {
        char path[96];

        snprintf(path, sizeof(path), "%s%s", fixture->path, suffixes[i]);
        unlink(path);
    }
    return rmdir(fixture->directory);
}

/* The program ends and starts again; gives how many values were skipped. */
static uint32_t restart(struct fixture *fixture)
{
    uint32_t skipped = 0;

    small_turn(&fixture->model);
    small_model_done(&fixture->model);
    small_model_init(&fixture->model, fixture->path);
    assert_int_equal(dm_load(fixture->model.dm, &skipped, NULL), 0);
    small_turn(&fixture->model);
    return skipped;
}

static void expect_back(struct fixture *fixture)
{
    char *before = small_dump(fixture->model.dm);
    char *after;

    assert_int_equal(restart(fixture), 0);
    after = small_dump(fixture->model.dm);
    assert_string_equal(after, before);
    small_check_index(fixture->model.dm);
    free(before);
    free(after);
}

static void everything_comes_back(void **state)
{
    static const char *const values[][2] = {
        {"Enable", "true"},
        {"Integer", "-1"},
        {"Number", "99"},
        {"Rank", "9"},
        {"Longer", "-9000000000"},
        {"Wide", "18446744073709551615"},
        {"When", "2020-01-01T00:00:00Z"},
        {"Kind", "Flat"},
        {"Tags", "red,blue"},
        {"Secret", "s"},
        {"Hex", "abcd"},
        {"Base64", "QUJD"},
        {"Ref", "Device.Thing.2"},
        {"Refs", "Device.Thing.1,Device.Thing.2"},
        {"Weak", "nowhere"},
        {"Alias", "chosen"},
        {"Inside.Title", "inner \xc3\xa9"},
        {"Inside.Size", "-4"},
    };
    struct fixture *fixture = *state;
    struct small_model *model = &fixture->model;

    assert_true(dm_store_empty(model->dm));
    for (unsigned i = 0; i < 12; i++)
        assert_non_null(small_thing_add(model, 0, NULL));
    assert_false(dm_store_empty(model->dm));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "Device.Thing.1.%s", values[i][0]);
        assert_int_equal(small_set(model, path, values[i][1]), 0);
    }
    assert_int_equal(small_set(model, "Device.Box.Number", "5"), 0);
    expect_back(fixture);
    assert_string_equal(small_get(model, "Device.Thing.1.Secret"), "s");
    assert_string_equal(small_get(model, "Device.Thing.[Alias==\"chosen\"].Number"), "99");
    assert_string_equal(small_get(model, "Device.Thing.3.Alias"), "cpe-3");
    /* What was loaded is told to the hooks, not to the feed. */
    assert_non_null(strstr(model->log, "added Device.Thing.1.\n"));
    assert_null(strstr(model->log, "feed"));
    /* Emptied values stay empty, though their default is not. */
    assert_int_equal(small_set(model, "Device.Thing.1.Inside.Title", ""), 0);
    assert_int_equal(small_set(model, "Device.Thing.1.Tags", ""), 0);
    expect_back(fixture);
}

static void volatile_values_do_not(void **state)
{
    struct fixture *fixture = *state;

    assert_non_null(small_thing_add(&fixture->model, 0, "a"));
    assert_int_equal(small_set(&fixture->model, "Device.Thing.1.Flag", "true"), 0);
    assert_int_equal(restart(fixture), 0);
    assert_string_equal(small_get(&fixture->model, "Device.Thing.1.Flag"), "false");
}

static void deletions(void **state)
{
    struct fixture *fixture = *state;
    struct small_model *model = &fixture->model;
    struct dm_row *row;

    for (unsigned i = 0; i < 12; i++)
        assert_non_null(small_thing_add(model, 0, NULL));
    for (unsigned i = 0; i < 3; i++) {
        dm_begin(model->dm, NULL);
        row = dm_add(model->dm, dm_row_find(model->dm, STR("Device.Thing.1.")),
                     dm_node_find(model->dm, "Device.Thing.Part."), 0, NULL);
        assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
        assert_int_equal(dm_commit(model->dm, NULL), 0);
    }
    small_turn(model);
    /* Thing.1 goes, and Thing.10 to 12 stay; so do numbers that were given. */
    assert_int_equal(small_delete(model, "Device.Thing.1."), 0);
    assert_int_equal(small_delete(model, "Device.Thing.12."), 0);
    expect_back(fixture);
    assert_string_equal(small_find(model, "Device.Thing.1.", NULL), "#7026");
    assert_int_equal(small_thing_add(model, 0, NULL)->instance, 13);
    /* Added and deleted in one batch, and over two. */
    assert_int_equal(small_delete(model, "Device.Thing.13."), 0);
    assert_non_null(small_thing_add(model, 0, NULL));
    small_turn(model);
    assert_int_equal(small_delete(model, "Device.Thing.14."), 0);
    expect_back(fixture);
    assert_int_equal(small_thing_add(model, 0, NULL)->instance, 15);
}

static void put(struct fixture *fixture, const char *kind, const char *key, struct str value)
{
    assert_int_equal(store_put(fixture->model.store, kind, str_of(key), value.data, value.len, NULL), 0);
}

/* Another version's rows, or a hand's: what is understood is taken, the rest is counted. */
static void strange_stores(void **state)
{
    static const struct {
        const char *key;
        struct str value;
        uint32_t skipped;
        const char *path, *reads; /* what is there afterwards */
    } cases[] = {
        {"Device.Thing.3.", STR("Number\0005\0Unknown\0x\0Name\0n\0"), 1, "Device.Thing.3.Number", "5"},
        {"Device.Thing.3.", STR("Number\0x\0Name\0n\0"), 1, "Device.Thing.3.Name", "n"},
        {"Device.Thing.3.", STR("Kind\0Cubic\0Name\0n\0"), 1, "Device.Thing.3.Kind", "Round"},
        {"Device.Thing.3.", STR("Number\0\0Name\0n\0"), 1, "Device.Thing.3.Number", "7"},
        {"Device.Thing.3.", STR("Twice\0001\0"), 1, "Device.Thing.3.Twice", "14"},
        {"Device.Thing.3.", STR(""), 0, "Device.Thing.3.Number", "7"},
        {"Device.Thing.3.", STR("Number"), 0, "Device.Thing.3.Number", "7"},
        {"Device.Thing.3.", STR("Name\0cut off"), 0, "Device.Thing.3.Name", "cut off"},
        {"Device.Thing.0.", STR("Number\0005\0"), 1, "Device.Thing.0.", "#7008"},
        {"Device.Thing.4294967296.", STR("Number\0005\0"), 1, "Device.Thing.*.", ""},
        {"Device.Thing.x.", STR("Number\0005\0"), 1, "Device.Thing.*.", ""},
        {"Device.Thing.", STR("Number\0005\0"), 1, "Device.Thing.*.", ""},
        {"Device.Nothing.1.", STR("Number\0005\0"), 1, "Device.Thing.*.", ""},
        {"Nothing", STR("Number\0005\0"), 1, "Device.Thing.*.", ""},
        {"", STR(""), 1, "Device.Thing.*.", ""},
        {"Device.Thing.3", STR("Number\0005\0"), 0, "Device.Thing.3.Number", "5"},
        {"Device.", STR("Number\0005\0"), 1, "Device.Thing.*.", ""},
        {"Device.Owned.4.", STR("Order\0005\0"), 1, "Device.Owned.*.", ""},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(fixture, "row", cases[i].key, cases[i].value);
        if (restart(fixture) != cases[i].skipped)
            fail_msg("case %zu: another number of values was skipped", i);
        assert_string_equal(small_get(&fixture->model, cases[i].path), cases[i].reads);
        small_check_index(fixture->model.dm);
        assert_int_equal(store_delete_prefix(fixture->model.store, "row", STR(""), NULL), 0);
        assert_int_equal(restart(fixture), 0);
        assert_true(dm_store_empty(fixture->model.dm));
    }
}

static void strange_numbers(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "next", "Device.Thing", STR("40"));
    put(fixture, "next", "Device.Box", STR("40"));
    put(fixture, "next", "Device.Nothing", STR("40"));
    put(fixture, "next", "Device.Owned", STR("x"));
    put(fixture, "next", "", STR("1"));
    put(fixture, "next", "Device.Thing.9.Part", STR("3"));
    assert_int_equal(restart(fixture), 5);
    assert_string_equal(small_find(&fixture->model, "Device.Thing.*.", NULL), "");
    assert_int_equal(small_thing_add(&fixture->model, 0, NULL)->instance, 40);
}

static void large_value(void **state)
{
    struct fixture *fixture = *state;
    struct small_model *model = &fixture->model;
    struct dm_node *node = dm_node_find(model->dm, "Device.Thing.");
    char *large = malloc(LIMIT_VALUE_BYTES);
    struct dm_row *row;

    memset(large, 'a', LIMIT_VALUE_BYTES);
    dm_begin(model->dm, NULL);
    row = dm_add(model->dm, dm_root(model->dm), node, 0, NULL);
    assert_int_equal(
        dm_set(model->dm, row, dm_node_param(node, "Secret"), (struct str){large, LIMIT_VALUE_BYTES}, NULL),
        0);
    assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    expect_back(fixture);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(volatile_values_do_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deletions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strange_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strange_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_value, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
