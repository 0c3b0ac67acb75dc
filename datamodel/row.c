/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows and tables: making, finding, walking. */
#include <stdlib.h>
#include <string.h>

#include "datamodel/internal.h"
#include "datamodel/path.h"

static int make_singles(struct dm_row *row)
{
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        struct dm_node *node = row->node->children[i];

        if (dm_node_is_table(node))
            continue;
        row->children[i].single = dm_row_new(row, node, 0, node->object->data_size ? NULL : row->data);
        if (!row->children[i].single)
            return -1;
        if (!node->object->data_size && (row->flags & (ROW_OWNS_DATA | ROW_SHARES_DATA))) {
            row->children[i].single->flags |= ROW_SHARES_DATA;
            if (dm_field_defaults(row->children[i].single, NULL) < 0)
                return -1;
        }
    }
    return 0;
}

/* data NULL: the engine allocates data_size bytes (or the row has none yet). */
struct dm_row *dm_row_new(struct dm_row *parent, struct dm_node *node, uint32_t instance, void *data)
{
    struct dm_row *row = calloc(1, sizeof(*row) + node->children_count * sizeof(union dm_child));

    if (!row)
        return NULL;
    row->node = node;
    row->parent = parent;
    row->instance = instance;
    row->data = data;
    if (!data && node->object->data_size) {
        row->data = calloc(1, node->object->data_size);
        row->flags |= ROW_OWNS_DATA;
        if (!row->data || dm_field_defaults(row, NULL) < 0)
            goto fail;
    }
    if (make_singles(row) < 0)
        goto fail;
    return row;
fail:
    dm_row_free(row);
    return NULL;
}

static void table_free(struct dm_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->count; i++)
        dm_row_free(table->rows[i]);
    dm_index_free(table->index);
    free(table->rows);
    free(table);
}

void dm_row_free(struct dm_row *row)
{
    if (!row)
        return;
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        if (dm_node_is_table(row->node->children[i]))
            table_free(row->children[i].table);
        else
            dm_row_free(row->children[i].single);
    }
    if (row->flags & ROW_OWNS_DATA) {
        if (row->data && row->node->object->done)
            row->node->object->done(row);
        dm_field_free(row);
        free(row->data);
    } else if (row->flags & ROW_SHARES_DATA) {
        dm_field_free(row);
    }
    free(row);
}

struct dm_table *dm_table_of(struct dm_row *parent, const struct dm_node *node)
{
    struct dm_table **slot = &parent->children[node->place].table;

    if (!*slot) {
        *slot = calloc(1, sizeof(**slot));
        if (*slot)
            **slot = (struct dm_table){
                .node = parent->node->children[node->place], .parent = parent, .next_instance = 1};
    }
    return *slot;
}

/* Where the instance is, or where it would be put. */
static uint32_t position(const struct dm_table *table, uint32_t instance)
{
    uint32_t low = 0;
    uint32_t high = table->count;

    if (high && table->rows[high - 1]->instance < instance)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (table->rows[middle]->instance < instance)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int dm_table_link(struct dm *dm, struct dm_row *row)
{
    struct dm_table *table = dm_table_of(row->parent, row->node);
    uint32_t at;

    if (!table)
        return -1;
    if (table->count == table->cap) {
        uint32_t cap = table->cap ? table->cap * 2 : 4;
        struct dm_row **rows = realloc(table->rows, cap * sizeof(struct dm_row *));

        if (!rows)
            return -1;
        table->rows = rows;
        table->cap = cap;
    }
    at = position(table, row->instance);
    memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof(struct dm_row *));
    table->rows[at] = row;
    table->count++;
    if (table->next_instance && row->instance >= table->next_instance) {
        table->next_instance = row->instance + 1; /* 0 after the last: none is left */
        table->next_dirty = true;
    }
    dm_index_add_row(dm, table, row);
    return 0;
}

void dm_table_unlink(struct dm *dm, struct dm_row *row)
{
    struct dm_table *table = row->parent->children[row->node->place].table;
    uint32_t at = position(table, row->instance);

    if (at >= table->count || table->rows[at] != row)
        return;
    dm_index_remove_row(dm, table, row);
    table->count--;
    memmove(&table->rows[at], &table->rows[at + 1], (table->count - at) * sizeof(struct dm_row *));
}

void dm_row_each_below(struct dm_row *row, void (*fn)(void *ctx, struct dm_row *row), void *ctx)
{
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        if (!dm_node_is_table(row->node->children[i])) {
            dm_row_each_below(row->children[i].single, fn, ctx);
            continue;
        }
        for (uint32_t j = 0; row->children[i].table && j < row->children[i].table->count; j++)
            dm_row_each_below(row->children[i].table->rows[j], fn, ctx);
    }
    fn(ctx, row);
}

void dm_row_each(struct dm_row *row, void (*fn)(void *ctx, struct dm_row *row), void *ctx)
{
    fn(ctx, row);
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        if (!dm_node_is_table(row->node->children[i])) {
            dm_row_each(row->children[i].single, fn, ctx);
            continue;
        }
        for (uint32_t j = 0; row->children[i].table && j < row->children[i].table->count; j++)
            dm_row_each(row->children[i].table->rows[j], fn, ctx);
    }
}

uint32_t dm_rows(const struct dm_row *parent, const struct dm_node *node, struct dm_row *const **ret)
{
    const struct dm_table *table = parent->children[node->place].table;

    *ret = table ? table->rows : NULL;
    return table ? table->count : 0;
}

struct dm_row *dm_row_child(const struct dm_row *row, const struct dm_node *node)
{
    return row->children[node->place].single;
}

struct dm_row *dm_row_instance(const struct dm_row *parent, const struct dm_node *node, uint32_t instance)
{
    const struct dm_table *table = parent->children[node->place].table;
    uint32_t at;

    if (!table)
        return NULL;
    at = position(table, instance);
    return at < table->count && table->rows[at]->instance == instance ? table->rows[at] : NULL;
}

bool dm_row_present(const struct dm_row *row)
{
    return !row->node->object->present || row->node->object->present(row);
}

size_t dm_row_path(const struct dm_row *row, char to[DM_PATH_BYTES])
{
    size_t len = row->parent ? dm_row_path(row->parent, to) : 0;

    /* Depth and names are declared in tables, so that the bound holds by far; the checks keep it true. */
    if (row->node->name.len + 24 > DM_PATH_BYTES - len)
        return len;
    memcpy(to + len, row->node->name.data, row->node->name.len);
    len += row->node->name.len;
    to[len++] = '.';
    if (row->instance) {
        len += str_from_u64(to + len, row->instance);
        to[len++] = '.';
    }
    to[len] = '\0';
    return len;
}

static int take_row(void *ctx, const struct dm_target *target)
{
    struct dm_row **ret = ctx;

    if (target->kind != DM_TARGET_ROW)
        return 0;
    *ret = target->row;
    return 1;
}

/* A path of names and numbers, as references are kept, is followed without memory. NULL: it is another, or not there. */
static struct dm_row *find_plain(const struct dm *dm, struct str path)
{
    struct dm_row *row = dm_root(dm);
    struct str part;

    if (!str_next(&path, '.', &part) || !str_is(part, "Device"))
        return NULL;
    while (row && path.len && str_next(&path, '.', &part)) {
        struct dm_node *node = dm_node_child(row->node, part);
        uint64_t instance;

        if (!node)
            return NULL;
        if (!dm_node_is_table(node))
            row = dm_row_child(row, node);
        else if (str_next(&path, '.', &part) && part.len && part.data[0] != '0' &&
                 str_to_u64(part, &instance) == 0 && instance <= UINT32_MAX)
            row = dm_row_instance(row, node, (uint32_t)instance);
        else
            return NULL;
        if (row && !dm_row_present(row))
            return NULL;
    }
    return row;
}

struct dm_row *dm_row_find(const struct dm *dm, struct str path)
{
    struct dm_row *row = find_plain(dm, path);
    struct arena arena;
    struct dm_resolver resolver = {.dm = dm, .arena = &arena, .found = take_row, .ctx = &row};

    if (row || !path.len)
        return row;
    arena_init(&arena, 0);
    dm_resolve(&resolver, path, NULL);
    arena_done(&arena);
    return row;
}
