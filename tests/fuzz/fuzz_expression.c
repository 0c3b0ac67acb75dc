/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Search expressions: the input stands between "Device.Thing.[" and "].". Matches come once and in order, and a further
 * term that holds for every row changes nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/small_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct matches {
    uint32_t rows[64];
    unsigned count;
};

static int found(void *ctx, const struct dm_target *target)
{
    struct matches *matches = ctx;

    if (matches->count && matches->rows[matches->count - 1] >= target->row->instance)
        abort(); /* in the order of the tree, and each once */
    if (matches->count < 64)
        matches->rows[matches->count++] = target->row->instance;
    return 0;
}

static int resolve(struct small_model *model, const char *first, const uint8_t *data, size_t size,
                   struct matches *ret)
{
    char text[LIMIT_PATH_BYTES + 64];
    int len = snprintf(text, sizeof(text), "Device.Thing.[%s%.*s].", first, (int)(size > 900 ? 900 : size),
                       (const char *)data);
    struct arena arena;
    struct dm_resolver resolver = {.dm = model->dm, .arena = &arena, .found = found, .ctx = ret};
    int rc;

    ret->count = 0;
    arena_init(&arena, 16 << 20);
    rc = dm_resolve(&resolver, (struct str){text, (size_t)len}, NULL);
    arena_done(&arena);
    return rc;
}

static struct small_model *the_model(void)
{
    static struct small_model model;
    static const char *const values[][2] = {
        {"Device.Thing.1.Number", "10"},
        {"Device.Thing.2.Number", "20"},
        {"Device.Thing.1.Enable", "true"},
        {"Device.Thing.1.Integer", "-5"},
        {"Device.Thing.2.Kind", "Flat"},
        {"Device.Thing.1.Tags", "red,blue"},
        {"Device.Thing.1.Secret", "s"},
        {"Device.Thing.1.Ref", "Device.Thing.2"},
        {"Device.Thing.1.When", "2026-01-02T03:04:05Z"},
    };

    if (model.dm)
        return &model;
    small_model_init(&model, ":memory:");
    for (unsigned i = 0; i < 12; i++)
        small_thing_add(&model, 0, i ? NULL : "a");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        small_set(&model, values[i][0], values[i][1]);
    small_turn(&model);
    return &model;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct small_model *model = the_model();
    struct matches all, again;

    if (memchr(data, 0, size) || resolve(model, "", data, size, &all) < 0)
        return 0;
    /* A first term that holds for every row and has no index: the same rows, unless that made the path too long. */
    if (memchr(data, ']', size) || memchr(data, '[', size) || memchr(data, '"', size) == NULL)
        return 0;
    if (resolve(model, "Number>=0&&", data, size, &again) == 0 &&
        (again.count != all.count || memcmp(again.rows, all.rows, all.count * sizeof(all.rows[0])) != 0))
        abort();
    return 0;
}
