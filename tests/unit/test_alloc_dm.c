/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory runs out at every allocation of transactions, loading and the factory file: all of it is done, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/small_model.h"

enum {
    MOST_ALLOCATIONS = 5000,
};

/* 0, or -1 when it failed and was rolled back. */
typedef int change_fn(struct small_model *model);

static int set(struct small_model *model, struct dm_row *row, const char *name, const char *value)
{
    return dm_set(model->dm, row, dm_node_param(row->node, name), str_of(value), NULL);
}

static int add(struct small_model *model)
{
    struct dm_row *root = dm_root(model->dm);
    struct dm_row *row = dm_add(model->dm, root, dm_node_find(model->dm, "Device.Thing."), 0, NULL);
    struct dm_row *part;

    if (!row || set(model, row, "Name", "new") < 0 || set(model, row, "Wide", "77") < 0 ||
        set(model, row, "Ref", "Device.Thing.1.") < 0 || dm_add_done(model->dm, row, NULL) < 0)
        return -1;
    part = dm_add(model->dm, row, dm_node_find(model->dm, "Device.Thing.Part."), 0, NULL);
    return part ? dm_add_done(model->dm, part, NULL) : -1;
}

static int change(struct small_model *model)
{
    struct dm_row *row = dm_row_find(model->dm, STR("Device.Thing.2."));

    return !row || set(model, row, "Name", "other") < 0 || set(model, row, "Number", "5") < 0 ||
                   set(model, row, "Refs", "Device.Thing.1,Device.Thing.[Name==\"cpe-3\"].") < 0
               ? -1
               : dm_set_done(model->dm, row, NULL);
}

static int remove_row(struct small_model *model)
{
    struct dm_row *row = dm_row_find(model->dm, STR("Device.Thing.3."));

    return row ? dm_delete(model->dm, row, NULL) : -1;
}

static int everything(struct small_model *model)
{
    dm_begin(model->dm, NULL);
    if (add(model) < 0) {
        dm_rollback(model->dm);
        return -1;
    }
    dm_commit(model->dm, NULL);
    return change(model) < 0 ? -1 : remove_row(model);
}

static void populate(struct small_model *model)
{
    small_model_init(model, ":memory:");
    for (unsigned i = 0; i < 12; i++)
        assert_non_null(small_thing_add(model, 0, NULL));
    assert_int_equal(small_set(model, "Device.Thing.1.Refs", "Device.Thing.2,Device.Thing.3,Device.Thing.4"),
                     0);
    assert_int_equal(small_set(model, "Device.Thing.4.Ref", "Device.Thing.3"), 0);
    small_turn(model);
}

static int run(struct small_model *model, change_fn *fn)
{
    int result;

    dm_begin(model->dm, NULL);
    if (fn(model) == 0)
        result = dm_commit(model->dm, NULL);
    else {
        dm_rollback(model->dm);
        result = -1;
    }
    small_turn(model);
    return result;
}

static int count_rows(void *ctx, struct str key, struct str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned stored_rows(struct small_model *model)
{
    unsigned count = 0;

    assert_int_equal(store_each(model->store, "row", STR("Device.Thing."), count_rows, &count, NULL), 0);
    return count;
}

static void every_allocation(change_fn *fn)
{
    static struct small_model model;
    unsigned rows_before, rows_after;
    char *before, *after;
    unsigned long n = 1;
    bool hit = true;

    populate(&model);
    before = small_dump(model.dm);
    rows_before = stored_rows(&model);
    assert_int_equal(run(&model, fn), 0);
    after = small_dump(model.dm);
    rows_after = stored_rows(&model);
    small_model_done(&model);
    for (; hit && n < MOST_ALLOCATIONS; n++) {
        int result;
        char *now;

        populate(&model);
        failing_alloc_arm(n);
        result = run(&model, fn);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        now = small_dump(model.dm);
        if (strcmp(now, result == 0 ? after : before) != 0)
            fail_msg("allocation %lu (%d): the model is between before and after:\n%s", n, result, now);
        assert_int_equal(stored_rows(&model), result == 0 ? rows_after : rows_before);
        free(now);
        small_check_index(model.dm);
        assert_int_equal(result < 0 ? run(&model, fn) : (int)small_set(&model, "Device.Thing.1.Number", "3"),
                         0);
        small_model_done(&model);
    }
    assert_true(n > 2 && n < MOST_ALLOCATIONS);
    free(before);
    free(after);
}

static void adding(void **state)
{
    (void)state;
    every_allocation(add);
}

static void changing(void **state)
{
    (void)state;
    every_allocation(change);
}

static void deleting(void **state)
{
    (void)state;
    every_allocation(remove_row);
}

static void all_together(void **state)
{
    (void)state;
    every_allocation(everything);
}

/* Starting: what cannot be loaded is counted or refused; nothing is freed twice or lost. */
static void loading(void **state)
{
    char path[] = "/tmp/homepatch-alloc-XXXXXX";
    int fd = mkstemp(path);
    static struct small_model model;
    bool hit = true;

    (void)state;
    close(fd);
    small_model_init(&model, path);
    for (unsigned i = 0; i < 12; i++)
        assert_non_null(small_thing_add(&model, 0, NULL));
    small_model_done(&model);
    for (unsigned long n = 1; hit; n++) {
        uint32_t skipped = 0;

        small_model_init(&model, path);
        failing_alloc_arm(n);
        dm_load(model.dm, &skipped, NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        small_turn(&model);
        small_check_index(model.dm);
        if (!hit)
            assert_int_equal(skipped, 0);
        small_model_done(&model);
        assert_true(n < MOST_ALLOCATIONS);
    }
    unlink(path);
}

static void starting(void **state)
{
    struct loop loop;
    struct store *store;
    struct dm *dm = NULL;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL), 0);
    store = store_open(":memory:", &loop, NULL);
    for (unsigned long n = 1; !dm; n++) {
        failing_alloc_arm(n);
        dm = dm_new(small_mounts, small_mounts_count, &loop, store, NULL);
        failing_alloc_arm(0);
        assert_true(n < MOST_ALLOCATIONS);
    }
    dm_free(dm);
    store_close(store);
    loop_done(&loop);
}

static void factory(void **state)
{
    static const char text[] =
        "Device.Thing.1.Name = a\nDevice.Thing.2.Name = \"b\"\nDevice.Thing.1.Ref = Device.Thing.2\n"
        "Device.Thing.1.Part.1.Color = red\nDevice.Box.Number = 3\n";
    char path[] = "/tmp/homepatch-alloc-XXXXXX";
    int fd = mkstemp(path);
    static struct small_model model;
    int result = -1;

    (void)state;
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    for (unsigned long n = 1; result < 0; n++) {
        struct error err;

        small_model_init(&model, ":memory:");
        failing_alloc_arm(n);
        result = dm_load_factory(model.dm, path, &err);
        failing_alloc_arm(0);
        small_turn(&model);
        assert_string_equal(small_find(&model, "Device.Thing.*.", NULL),
                            result < 0 ? "" : "Device.Thing.1. Device.Thing.2.");
        assert_int_equal(dm_store_empty(model.dm), result < 0);
        small_model_done(&model);
        assert_true(n < MOST_ALLOCATIONS);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adding),       cmocka_unit_test(changing), cmocka_unit_test(deleting),
        cmocka_unit_test(all_together), cmocka_unit_test(loading),  cmocka_unit_test(starting),
        cmocka_unit_test(factory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
