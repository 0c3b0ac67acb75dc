/* SPDX-License-Identifier: BSD-3-Clause */
/* Gathering: from a Reference to the parameters it names now, and what they are called in the report. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "bulk/profile.h"
#include "datamodel/path.h"

struct gathering {
    struct bulk_gather *gather;
    struct dm_path path; /* of the reference */
    struct str name;
    struct dm_path *excluded;
    struct dm_target *excluded_at;
    size_t
        below; /* length of the path of the object or table that the reference names; 0: it names a parameter */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the report is too large");
}

static struct bulk_item *add_item(struct bulk_items *items)
{
    if (items->count == items->cap) {
        uint32_t cap = items->cap ? items->cap * 2 : 64;
        struct bulk_item *more = arena_calloc(items->arena, cap, sizeof(*more));

        if (!more || cap > LIMIT_BULK_ITEMS)
            return NULL;
        if (items->count)
            memcpy(more, items->items, items->count * sizeof(*more));
        items->items = more;
        items->cap = cap;
    }
    items->items[items->count].number = items->count;
    return &items->items[items->count++];
}

/* ---- names ---- */

/* The part of a row's path at this place: "Device.A.1." has Device, A, 1. */
static struct str path_part(struct str path, uint32_t place)
{
    struct str part = STR("");

    for (uint32_t i = 0; i <= place && str_next(&path, '.', &part); i++)
        continue;
    return part;
}

static int append(char *to, size_t size, size_t *len, struct str text)
{
    if (*len + text.len >= size)
        return -1;
    memcpy(to + *len, text.data, text.len);
    *len += text.len;
    return 0;
}

/* R-BULK.9: the instances that wildcards stood for, in order. R-BULK.10: what lies below the object that was named. */
static struct str make_name(const struct gathering *g, const struct dm_row *row, const char *param)
{
    char path[DM_PATH_BYTES];
    struct str whole = {path, dm_row_path(row, path)};
    char name[DM_PATH_BYTES * 2 + 128];
    size_t len = 0;
    int bad = 0;

    if (!g->name.len) {
        bad |= append(name, sizeof(name), &len, whole);
    } else {
        bad |= append(name, sizeof(name), &len, g->name);
        for (uint32_t i = 0; i < g->path.count; i++) {
            if (g->path.segments[i].kind != DM_SEGMENT_WILDCARD &&
                g->path.segments[i].kind != DM_SEGMENT_EXPRESSION)
                continue;
            bad |= append(name, sizeof(name), &len, STR("."));
            bad |= append(name, sizeof(name), &len, path_part(whole, i));
        }
        if (g->below) {
            bad |= append(name, sizeof(name), &len, STR("."));
            bad |= append(name, sizeof(name), &len,
                          (struct str){whole.data + g->below, whole.len - g->below});
        }
    }
    /* A parameter that was named itself is called Name. */
    if (!g->name.len || g->below)
        bad |= append(name, sizeof(name), &len, str_of(param));
    if (bad)
        return (struct str){NULL, 0};
    return (struct str){arena_strndup(g->gather->items->arena, name, len), len};
}

/* ---- what is there ---- */

static bool is_excluded(const struct gathering *g, const struct dm_row *row, int param)
{
    for (uint32_t i = 0; i < g->gather->excluded_count; i++) {
        const struct dm_target *at = &g->excluded_at[i];

        if (!at->node)
            continue;
        if (at->kind == DM_TARGET_PARAM && (at->node != row->node || at->member != param))
            continue;
        if (dm_path_covers(g->gather->dm, g->gather->items->arena, &g->excluded[i], row))
            return true;
    }
    return false;
}

static int take_param(struct gathering *g, const struct dm_row *row, int param)
{
    const struct dm_param *declared = &row->node->object->params[param];
    struct arena *arena = g->gather->items->arena;
    char scratch[DM_SCRATCH_BYTES];
    struct bulk_item *item;
    struct str value;

    if (!dm_may(g->gather->access, row, dm_id_param(row->node, param), DM_MAY_READ) ||
        is_excluded(g, row, param))
        return 0;
    item = add_item(g->gather->items);
    if (!item)
        return 1;
    value = declared->flags & DM_SECRET ? STR("") : dm_get_text(row, param, scratch);
    item->name = make_name(g, row, declared->name);
    item->value = (struct str){arena_strndup(arena, value.data, value.len), value.len};
    item->type = declared->type;
    item->list = (declared->flags & DM_LIST) != 0;
    return item->name.data && item->value.data ? 0 : 1;
}

static int take_object(struct gathering *g, const struct dm_row *row)
{
    if (!dm_row_present(row))
        return 0;
    for (int param = 0; param < row->node->params_count; param++)
        if (take_param(g, row, param))
            return 1;
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        const struct dm_node *child = row->node->children[i];
        struct dm_row *const *rows;
        uint32_t count;

        if (!dm_node_is_table(child)) {
            if (take_object(g, dm_row_child(row, child)))
                return 1;
            continue;
        }
        count = dm_rows(row, child, &rows);
        for (uint32_t j = 0; j < count; j++)
            if (take_object(g, rows[j]))
                return 1;
    }
    return 0;
}

static int take_table(struct gathering *g, const struct dm_target *target)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(target->row, target->node, &rows);
    char path[DM_PATH_BYTES];

    g->below = dm_row_path(target->row, path) + target->node->name.len + 1;
    for (uint32_t i = 0; i < count; i++)
        if (take_object(g, rows[i]))
            return 1;
    return 0;
}

static int found(void *ctx, const struct dm_target *target)
{
    struct gathering *g = ctx;
    char path[DM_PATH_BYTES];

    switch (target->kind) {
    case DM_TARGET_PARAM:
        g->below = 0;
        return take_param(g, target->row, target->member);
    case DM_TARGET_ROW:
        g->below = dm_row_path(target->row, path);
        return take_object(g, target->row);
    case DM_TARGET_TABLE:
        return take_table(g, target);
    case DM_TARGET_COMMAND:
    case DM_TARGET_EVENT:
        break;
    }
    return 0;
}

static int read_excluded(struct gathering *g, struct error *err)
{
    uint32_t count = g->gather->excluded_count;
    struct arena *arena = g->gather->items->arena;

    g->excluded = arena_calloc(arena, count, sizeof(*g->excluded));
    g->excluded_at = arena_calloc(arena, count, sizeof(*g->excluded_at));
    if (!g->excluded || !g->excluded_at)
        return no_memory(err);
    for (uint32_t i = 0; i < count; i++) {
        struct str path = g->gather->excluded[i];

        if (dm_path_parse(arena, path, &g->excluded[i], NULL) < 0 ||
            dm_resolve_supported(g->gather->dm, arena, path, &g->excluded_at[i], NULL) < 0)
            g->excluded_at[i].node = NULL; /* names nothing that this version has */
    }
    return 0;
}

int bulk_gather(struct bulk_gather *gather, struct str name, struct str reference, struct error *err)
{
    struct gathering g = {.gather = gather, .name = name};
    struct dm_resolver resolver = {
        .dm = gather->dm, .arena = gather->items->arena, .access = gather->access, .found = found, .ctx = &g};

    if (!reference.len || dm_path_parse(gather->items->arena, reference, &g.path, NULL) < 0)
        return 0;
    if (gather->excluded_count && read_excluded(&g, err) < 0)
        return -1;
    /* What is not in the data model now is left out of the report (TR-369, A.1). */
    return dm_resolve_path(&resolver, &g.path, NULL) > 0 ? no_memory(err) : 0;
}

int bulk_reference_check(const struct dm *dm, const struct dm_row *row, const char *reference,
                         struct error *err)
{
    struct dm_target target;
    struct arena arena;
    struct dm_path path;
    int rc;

    if (!reference || !reference[0])
        return 0;
    arena_init(&arena, 0);
    rc = dm_resolve_supported(dm, &arena, str_of(reference), &target, err);
    if (rc == 0 && (target.kind == DM_TARGET_COMMAND || target.kind == DM_TARGET_EVENT))
        rc = error_set(err, ERROR_INVALID_VALUE, NULL, "commands and events have no value");
    if (rc == 0)
        rc = dm_path_parse(&arena, str_of(reference), &path, err);
    for (uint32_t i = 0; rc == 0 && i < path.count; i++)
        if (path.segments[i].follow != DM_FOLLOW_NONE)
            rc = error_set(err, ERROR_INVALID_VALUE, NULL, "a Reference follows no other reference");
    arena_done(&arena);
    if (rc < 0 && err) {
        size_t len;

        err->code = ERROR_INVALID_VALUE; /* the path is the value of a parameter here */
        len = dm_row_path(row, err->path);
        str_copy(err->path + len, sizeof(err->path) - len, "Reference");
    }
    return rc;
}

/* ---- order ---- */

/* As bytes, but '.' before all: an object and what is below it come one after the other. */
static int compare_names(struct str a, struct str b)
{
    size_t end = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < end; i++) {
        int left = a.data[i] == '.' ? 0 : (unsigned char)a.data[i];
        int right = b.data[i] == '.' ? 0 : (unsigned char)b.data[i];

        if (left != right)
            return left - right;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static int compare_items(const void *a, const void *b, void *ctx)
{
    const struct bulk_items *items = ctx;
    const struct bulk_item *left = &items->items[*(const uint32_t *)a];
    const struct bulk_item *right = &items->items[*(const uint32_t *)b];
    int order = compare_names(left->name, right->name);

    return order ? order : left->number < right->number ? -1 : 1;
}

static bool is_below(struct str name, struct str object)
{
    return name.len > object.len && str_starts(name, object) && name.data[object.len] == '.';
}

int bulk_items_sort(struct bulk_items *items, bool tree, struct error *err)
{
    items->sorted = arena_calloc(items->arena, items->count + 1, sizeof(*items->sorted));
    if (!items->sorted)
        return no_memory(err);
    for (uint32_t i = 0; i < items->count; i++)
        items->sorted[i] = i;
    qsort_r(items->sorted, items->count, sizeof(*items->sorted), compare_items, items);
    for (uint32_t i = 0; i + 1 < items->count; i++) {
        struct bulk_item *item = &items->items[items->sorted[i]];
        const struct bulk_item *next = &items->items[items->sorted[i + 1]];

        /* One name, one value: references may overlap, and JSON has no two members of one name. */
        if (str_equal(item->name, next->name) || (tree && is_below(next->name, item->name)))
            item->hidden = true;
    }
    return 0;
}
