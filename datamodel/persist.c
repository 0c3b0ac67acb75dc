/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows in the store: kind "row", key the instance path, value the stored parameters as name NUL text NUL. Names, not
 * positions: a later version that knows other parameters reads what it knows. Kind "next", key the table's path: the
 * next instance number, so that a number is not given twice (R-ARC.8).
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/internal.h"

static const char KIND_ROW[] = "row";
static const char KIND_NEXT[] = "next";

bool dm_param_stored(const struct dm_param *param)
{
    return !param->get && !param->count_of &&
           (param->flags & (DM_WRITABLE | DM_AT_CREATION | DM_FACTORY | DM_STATE)) &&
           !(param->flags & DM_VOLATILE);
}

bool dm_row_stored(const struct dm_row *row)
{
    bool own = row->node->object->save != NULL;

    for (; row; row = row->parent) {
        if ((row->flags & ROW_EXTERNAL) && !own)
            return false;
        if (row->node->object->persistent && !row->node->object->persistent(row))
            return false;
    }
    return true;
}

static bool has_stored_params(const struct dm_row *row)
{
    for (const struct dm_param *param = row->node->object->params; param && param->name; param++)
        if (dm_param_stored(param))
            return true;
    return row->instance != 0; /* a row is worth a record even without values */
}

static bool alias_unset(const struct dm_row *row, const struct dm_param *param)
{
    return (param->flags & DM_ALIAS) && !*(char *const *)dm_field_at(row, param);
}

static int encode(const struct dm_row *row, struct buf *to)
{
    for (int i = 0; i < row->node->params_count; i++) {
        const struct dm_param *param = &row->node->object->params[i];
        char scratch[DM_SCRATCH_BYTES];
        struct str text;

        if (!dm_param_stored(param) || !row->data || alias_unset(row, param))
            continue;
        text = dm_get_text(row, i, scratch);
        buf_append(to, param->name, strlen(param->name) + 1);
        buf_append(to, text.data, text.len);
        buf_append_byte(to, 0);
    }
    return to->failed ? -1 : 0;
}

static int save_row(struct dm *dm, struct dm_row *row, struct buf *scratch, struct error *err)
{
    char path[DM_PATH_BYTES];
    struct str key;

    row->flags &= ~(uint32_t)ROW_DIRTY;
    if (row->node->object->save)
        return row->node->object->save(dm, row, err);
    key = (struct str){path, dm_row_path(row, path)};
    if (!dm_row_stored(row)) {
        bool was = (row->flags & ROW_STORED) != 0;

        row->flags &= ~(uint32_t)ROW_STORED;
        return was ? store_delete(dm->store, KIND_ROW, key, err) : 0;
    }
    if (!has_stored_params(row))
        return 0;
    buf_clear(scratch, 0);
    if (encode(row, scratch) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
    row->flags |= ROW_STORED;
    return store_put(dm->store, KIND_ROW, key, buf_data(scratch), scratch->len, err);
}

static int save_next(struct dm *dm, struct dm_table *table, struct error *err)
{
    char path[DM_PATH_BYTES];
    char number[24];
    size_t len = dm_row_path(table->parent, path);

    table->next_dirty = false;
    if (table->node->name.len >= sizeof(path) - len)
        return 0;
    memcpy(path + len, table->node->name.data, table->node->name.len);
    return store_put(dm->store, KIND_NEXT, (struct str){path, len + table->node->name.len}, number,
                     str_from_u64(number, table->next_instance), err);
}

struct saving {
    struct dm *dm;
    struct buf scratch;
    struct error *err;
    int result;
};

static void save_if_dirty(void *ctx, struct dm_row *row)
{
    struct saving *saving = ctx;

    if (saving->result == 0 && (row->flags & ROW_DIRTY))
        saving->result = save_row(saving->dm, row, &saving->scratch, saving->err);
}

/* A new row's single-instance objects have values of their own. */
static void mark_singles(struct dm_row *row)
{
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        if (dm_node_is_table(row->node->children[i]))
            continue;
        row->children[i].single->flags |= ROW_DIRTY;
        mark_singles(row->children[i].single);
    }
}

static int save_added(struct saving *saving, struct dm_row *row)
{
    struct dm_table *table = dm_table_of(row->parent, row->node);

    if (!dm_row_stored(row))
        return 0;
    if (table->next_dirty && save_next(saving->dm, table, saving->err) < 0)
        return -1;
    mark_singles(row);
    dm_row_each(row, save_if_dirty, saving);
    return saving->result;
}

static int save_deleted(struct saving *saving, struct dm_row *row)
{
    char path[DM_PATH_BYTES];
    struct str prefix = {path, dm_row_path(row, path)};

    if (store_delete_prefix(saving->dm->store, KIND_NEXT, prefix, saving->err) < 0)
        return -1;
    return store_delete_prefix(saving->dm->store, KIND_ROW, prefix, saving->err);
}

static bool goes_away(const struct dm_row *row)
{
    for (; row; row = row->parent)
        if (row->flags & ROW_DELETED)
            return true;
    return false;
}

static int save_change(struct saving *saving, const struct dm_change *change)
{
    struct dm_row *row = change->row;

    if (change->kind == CHANGE_DELETED)
        return row->flags & ROW_STORED ? save_deleted(saving, row) : 0;
    if (goes_away(row))
        return 0;
    if (change->kind == CHANGE_ADDED)
        return save_added(saving, row);
    save_if_dirty(saving, row);
    return saving->result;
}

/* False when the changes are of rows only that nobody stores: then no batch needs to be begun. */
static bool any_to_store(const struct dm *dm, size_t from)
{
    for (size_t i = from; i < dm->changes_count; i++) {
        const struct dm_row *row = dm->changes[i].row;

        if ((row->flags & ROW_STORED) || row->node->object->save || dm_row_stored(row))
            return true;
    }
    return false;
}

int dm_save_changes(struct dm *dm, size_t from, struct error *err)
{
    struct saving saving = {.dm = dm, .err = err};
    int result = 0;

    /* A mark: when this message's writes fail half-way, none of them stays, and those of the others do. */
    if (from == dm->changes_count || !any_to_store(dm, from))
        return 0;
    if (store_mark(dm->store, err) < 0)
        return -1;
    buf_init(&saving.scratch, LIMIT_RECORD_BYTES, 0);
    for (size_t i = from; result == 0 && i < dm->changes_count; i++)
        result = save_change(&saving, &dm->changes[i]);
    buf_done(&saving.scratch);
    if (result == 0)
        store_mark_keep(dm->store);
    else
        store_mark_rollback(dm->store);
    return result;
}

/* ---- loading ---- */

struct loading {
    struct dm *dm;
    uint32_t skipped;
};

static struct dm_row *load_new_row(struct dm *dm, struct dm_row *parent, struct dm_node *node,
                                   uint32_t instance)
{
    /* Rows of a module's table are its own to attach. */
    struct dm_row *row = node->object->data_size ? dm_row_new(parent, node, instance, NULL) : NULL;

    if (!row || dm_table_link(dm, row) < 0)
        goto fail;
    if (dm_change_push(dm, &(struct dm_change){.kind = CHANGE_ADDED, .row = row, .loaded = true}) < 0) {
        dm_table_unlink(dm, row);
        goto fail;
    }
    row->flags |= ROW_STORED | ROW_NEW;
    return row;
fail:
    dm_row_free(row);
    return NULL;
}

/* The row of an instance path, made (with its rows above) when it is not there. */
static struct dm_row *row_at(struct dm *dm, struct str path)
{
    struct dm_row *row = dm->root;
    struct str part;

    if (!str_next(&path, '.', &part) || !str_equal(part, row->node->name))
        return NULL;
    while (path.len && str_next(&path, '.', &part)) {
        struct dm_node *node = dm_node_child(row->node, part);
        uint64_t instance;
        struct dm_row *next;

        if (!node)
            return NULL;
        if (!dm_node_is_table(node)) {
            row = dm_row_child(row, node);
            continue;
        }
        if (!str_next(&path, '.', &part) || str_to_u64(part, &instance) < 0 || !instance ||
            instance > UINT32_MAX)
            return NULL;
        next = dm_row_instance(row, node, (uint32_t)instance);
        row = next ? next : load_new_row(dm, row, node, (uint32_t)instance);
        if (!row)
            return NULL;
    }
    return row;
}

static int load_value(struct dm_row *row, struct str name, struct str text)
{
    enum dm_member_kind kind;
    int index = dm_node_member(row->node, name, &kind);
    const struct dm_param *param;
    union dm_field old;

    if (index < 0 || kind != DM_MEMBER_PARAM)
        return -1;
    param = &row->node->object->params[index];
    if (!dm_param_stored(param) || (text.len && dm_value_check(param, text, NULL) < 0) ||
        (!text.len && !dm_type_is_text(param->type)) || dm_field_set(row, param, text, &old, NULL) < 0)
        return -1;
    if (dm_type_is_text(param->type))
        free(old.text);
    return 0;
}

static int load_row(void *ctx, struct str key, struct str value)
{
    struct loading *loading = ctx;
    struct dm_row *row = row_at(loading->dm, key);
    struct str name;
    struct str text;

    if (!row || !row->data) {
        loading->skipped++;
        return 0;
    }
    row->flags |= ROW_STORED;
    if (row->instance)
        dm_index_remove_row(loading->dm, dm_table_of(row->parent, row->node), row);
    while (value.len && str_next(&value, '\0', &name) && str_next(&value, '\0', &text))
        if (load_value(row, name, text) < 0)
            loading->skipped++;
    if (row->instance)
        dm_index_add_row(loading->dm, dm_table_of(row->parent, row->node), row);
    return 0;
}

static int load_next(void *ctx, struct str key, struct str value)
{
    struct loading *loading = ctx;
    size_t end = key.len;
    struct dm_node *node;
    struct dm_row *parent;
    struct dm_table *table;
    uint64_t next;

    while (end && key.data[end - 1] != '.')
        end--;
    parent = dm_row_find(loading->dm, (struct str){key.data, end}); /* never made for the number's sake */
    node = parent ? dm_node_child(parent->node, (struct str){key.data + end, key.len - end}) : NULL;
    table = node && dm_node_is_table(node) ? dm_table_of(parent, node) : NULL;
    if (!table || str_to_u64(value, &next) < 0 || next > UINT32_MAX) {
        loading->skipped++;
        return 0;
    }
    if (next > table->next_instance)
        table->next_instance = (uint32_t)next;
    table->next_dirty = false;
    return 0;
}

static void push_single(void *ctx, struct dm_row *row)
{
    struct dm *dm = ctx;

    if (!row->instance && row->node->object->applied)
        row->node->object->applied(dm, row, DM_ROW_ADDED, 0);
}

int dm_load(struct dm *dm, uint32_t *ret_skipped, struct error *err)
{
    struct loading loading = {.dm = dm};

    if (store_each(dm->store, KIND_ROW, STR(""), load_row, &loading, err) < 0 ||
        store_each(dm->store, KIND_NEXT, STR(""), load_next, &loading, err) < 0)
        return -1;
    if (ret_skipped)
        *ret_skipped = loading.skipped;
    /* Single-instance objects outside tables are there from the start; those in rows come with their row. */
    for (size_t i = 0; i < dm->nodes_count; i++) {
        struct dm_row *row = dm->root;
        bool outside = true;

        for (struct dm_node *node = dm->nodes[i]; node; node = node->parent)
            outside = outside && !dm_node_is_table(node);
        if (outside)
            row = dm_row_find(dm, str_of(dm->nodes[i]->path));
        if (outside && row)
            push_single(dm, row);
    }
    dm_schedule(dm);
    return 0;
}

static int stop_at_first(void *ctx, struct str key, struct str value)
{
    (void)ctx;
    (void)key;
    (void)value;
    return 1;
}

bool dm_store_empty(struct dm *dm)
{
    return store_each(dm->store, KIND_ROW, STR(""), stop_at_first, NULL, NULL) == 0;
}
