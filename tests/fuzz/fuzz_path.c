/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path names against a small model: whatever the text is, parsing and resolving end, and what is found is found again by
 * its own path. One input is one path.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/small_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int again(void *ctx, const struct dm_target *target)
{
    (void)target;
    ++*(unsigned *)ctx;
    return 0;
}

static int found(void *ctx, const struct dm_target *target)
{
    struct small_model *model = ctx;
    char path[DM_PATH_BYTES + 64];
    unsigned times = 0;
    struct arena arena;
    struct dm_resolver resolver = {.dm = model->dm, .arena = &arena, .found = again, .ctx = &times};
    size_t len = dm_row_path(target->row, path);

    if (target->kind == DM_TARGET_PARAM)
        str_copy(path + len, sizeof(path) - len, target->node->object->params[target->member].name);
    else if (target->kind != DM_TARGET_ROW)
        return 0;
    arena_init(&arena, 0);
    if (dm_resolve(&resolver, str_of(path), NULL) != 0 || times != 1)
        abort();
    arena_done(&arena);
    return 0;
}

static struct small_model *the_model(void)
{
    static struct small_model model;

    if (model.dm)
        return &model;
    small_model_init(&model, ":memory:");
    for (unsigned i = 0; i < 12; i++)
        small_thing_add(&model, 0, i ? NULL : "a");
    small_set(&model, "Device.Thing.1.Ref", "Device.Thing.2");
    small_set(&model, "Device.Thing.2.Ref", "Device.Thing.1");
    small_set(&model, "Device.Thing.1.Refs", "Device.Thing.2,Device.Thing.3");
    small_set(&model, "Device.Thing.3.Weak", "Device.Nothing");
    small_turn(&model);
    return &model;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct small_model *model = the_model();
    struct str text = {(const char *)data, size};
    struct dm_row *row = dm_row_find(model->dm, STR("Device.Thing.1."));
    struct dm_target target;
    struct dm_path path;
    struct error err;
    struct arena arena;
    struct dm_resolver resolver = {.dm = model->dm, .arena = &arena, .found = found, .ctx = model};

    arena_init(&arena, 16 << 20);
    error_clear(&err);
    if (dm_resolve(&resolver, text, &err) < 0 && err.code != 7008 && err.code != 7026 && err.code != 7005)
        abort();
    dm_resolve_supported(model->dm, &arena, text, &target, &err);
    if (dm_path_parse(&arena, text, &path, NULL) == 0)
        dm_path_covers(model->dm, &arena, &path, row);
    arena_done(&arena);
    return 0;
}
