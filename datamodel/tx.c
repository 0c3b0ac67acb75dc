/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transactions. Changes are made in memory at once and recorded, oldest first; a rollback undoes them from the end.
 * They stay recorded until the store's batch is durable: then hooks and feed run, or all of it is undone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/internal.h"

enum {
    FLUSH_ROUNDS = 16, /* of hooks that change things in answer to a change */
};

int dm_change_push(struct dm *dm, const struct dm_change *change)
{
    if (dm->changes_count == dm->changes_cap) {
        size_t cap = dm->changes_cap ? dm->changes_cap * 2 : 64;
        struct dm_change *changes = realloc(dm->changes, cap * sizeof(*changes));

        if (!changes)
            return -1;
        dm->changes = changes;
        dm->changes_cap = cap;
    }
    dm->changes[dm->changes_count++] = *change;
    dm->generation++;
    return 0;
}

uint64_t dm_generation(const struct dm *dm)
{
    return dm->generation;
}

void dm_row_dirty(struct dm_row *row)
{
    row->flags |= ROW_DIRTY;
}

/* ---- undo ---- */

static void undo_set(struct dm *dm, struct dm_change *change)
{
    const struct dm_param *param = &change->row->node->object->params[change->param];
    struct dm_table *table = change->row->instance ? dm_table_of(change->row->parent, change->row->node)
                                                   : NULL;
    bool linked = table && !(change->row->flags & ROW_DELETED);

    if (linked)
        dm_index_remove(dm, table, change->row, change->param);
    dm_field_swap(change->row, param, &change->old);
    if (linked)
        dm_index_add(dm, table, change->row, change->param);
    if (dm_type_is_text(param->type))
        free(change->old.text);
}

static void undo_to(struct dm *dm, size_t mark)
{
    while (dm->changes_count > mark) {
        struct dm_change *change = &dm->changes[--dm->changes_count];

        dm->generation++;
        switch (change->kind) {
        case CHANGE_SET:
            undo_set(dm, change);
            break;
        case CHANGE_ADDED:
            dm_table_unlink(dm, change->row);
            dm_row_free(change->row);
            break;
        case CHANGE_DELETED:
            change->row->flags &= ~(uint32_t)ROW_DELETED;
            dm_table_link(dm, change->row); /* cannot fail: its place in the table is still allocated */
            break;
        }
    }
}

/* ---- the end of a batch ---- */

static void hook(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t params)
{
    if (row->node->object->applied)
        row->node->object->applied(dm, row, kind, params);
}

static void feed(struct dm *dm, enum dm_feed_type type, struct dm_row *row, int member)
{
    struct dm_feed event = {.type = type, .row = row, .member = member};

    observers_notify(&dm->observers, &event);
}

static void announce_added(void *ctx, struct dm_row *row)
{
    if (!row->instance)
        hook(ctx, row, DM_ROW_ADDED, 0);
}

static void apply_added(struct dm *dm, const struct dm_change *change)
{
    struct dm_row *row = change->row;

    if (row->flags & ROW_DELETED)
        return;
    hook(dm, row, DM_ROW_ADDED, 0);
    for (uint16_t i = 0; i < row->node->children_count; i++)
        if (!dm_node_is_table(row->node->children[i]))
            dm_row_each(row->children[i].single, announce_added, dm);
    if (!change->loaded)
        feed(dm, DM_FEED_CREATED, row, 0);
}

static void announce_deleted(void *ctx, struct dm_row *row)
{
    struct dm *dm = ctx;

    hook(dm, row, DM_ROW_DELETED, 0);
    if (row->instance)
        feed(dm, DM_FEED_DELETED, row, 0);
}

/* True for a parameter of a row that was itself added in this batch: part of the addition. */
static bool part_of_addition(const struct dm_row *row)
{
    while (row && !row->instance)
        row = row->parent;
    return row && (row->flags & (ROW_NEW | ROW_DELETED));
}

/* All settings of one row that stand together are one call of the hook. */
static size_t apply_set(struct dm *dm, const struct dm_change *changes, size_t at, size_t end)
{
    struct dm_row *row = changes[at].row;
    uint64_t params = 0;
    size_t next = at;

    for (; next < end && changes[next].kind == CHANGE_SET && changes[next].row == row; next++)
        params |= 1ull << changes[next].param;
    if (part_of_addition(row))
        return next;
    hook(dm, row, DM_ROW_CHANGED, params);
    for (size_t i = at; i < next; i++)
        feed(dm, DM_FEED_VALUE, row, changes[i].param);
    return next;
}

static void free_change(struct dm_change *change)
{
    if (change->kind == CHANGE_SET && dm_type_is_text(change->row->node->object->params[change->param].type))
        free(change->old.text);
}

static void apply(struct dm *dm, struct dm_change *changes, size_t count)
{
    for (size_t i = 0; i < count;) {
        struct dm_change *change = &changes[i];

        if (change->kind == CHANGE_SET) {
            i = apply_set(dm, changes, i, count);
            continue;
        }
        if (change->kind == CHANGE_ADDED)
            apply_added(dm, change);
        else if (!(change->row->flags & ROW_NEW))
            dm_row_each_below(change->row, announce_deleted, dm);
        i++;
    }
}

static void finish(struct dm *dm, bool durable)
{
    struct dm_change *changes = dm->changes;
    size_t count = dm->changes_count;

    dm->waiting = false;
    /* After dm_flush() it may still be queued: queued again, the list of deferred calls would be a circle. */
    if (dm->loop)
        loop_undefer(dm->loop, &dm->finish);
    if (!durable) {
        undo_to(dm, 0);
        return;
    }
    /* Hooks may change things again: those changes are a new batch. */
    dm->changes = NULL;
    dm->changes_count = 0;
    dm->changes_cap = 0;
    apply(dm, changes, count);
    for (size_t i = 0; i < count; i++) {
        free_change(&changes[i]);
        if (changes[i].kind == CHANGE_ADDED)
            changes[i].row->flags &= ~(uint32_t)(ROW_NEW | ROW_ADDING);
    }
    for (size_t i = 0; i < count; i++)
        if (changes[i].kind == CHANGE_DELETED)
            dm_row_free(changes[i].row);
    free(changes);
}

static void on_batch_end(void *ctx, bool durable)
{
    finish(ctx, durable);
}

static void wait_for_store(struct dm *dm)
{
    dm->waiter = (struct store_waiter){.fn = on_batch_end, .ctx = dm};
    store_wait(dm->store, &dm->waiter);
}

static void on_iteration_end(void *ctx)
{
    struct dm *dm = ctx;

    if (!dm->waiting)
        return;
    /* Nothing was to be stored at first, but by now something is: all of it is one batch. */
    if (store_pending(dm->store))
        wait_for_store(dm);
    else
        finish(dm, true);
}

void dm_schedule(struct dm *dm)
{
    if (dm->waiting || !dm->changes_count)
        return;
    dm->waiting = true;
    if (store_pending(dm->store)) {
        wait_for_store(dm);
    } else if (dm->loop) {
        dm->finish = (struct deferred){.fn = on_iteration_end, .ctx = dm};
        loop_defer(dm->loop, &dm->finish);
    }
}

int dm_flush(struct dm *dm, struct error *err)
{
    int result = 0;

    /* Hooks may change things again, and that must be durable before it is applied, too. */
    for (unsigned round = 0; result == 0 && round < FLUSH_ROUNDS; round++) {
        result = store_flush(dm->store, err);
        if (dm->waiting && dm->depth == 0 && !store_pending(dm->store))
            finish(dm, true);
        if (!dm->waiting && !store_pending(dm->store))
            break;
    }
    return result;
}

bool dm_pending(const struct dm *dm)
{
    return dm->waiting;
}

/* ---- transactions ---- */

void dm_begin(struct dm *dm, const struct dm_requester *requester)
{
    if (requester)
        dm->requester = *requester;
    dm->marks[dm->depth++] = dm->changes_count;
    if (dm->depth == 1)
        dm->failed = false;
}

const struct dm_requester *dm_requester(const struct dm *dm)
{
    return &dm->requester;
}

static void end(struct dm *dm)
{
    if (--dm->depth == 0) {
        dm->requester = (struct dm_requester){0};
        arena_reset(&dm->scratch);
    }
}

void dm_rollback(struct dm *dm)
{
    undo_to(dm, dm->marks[dm->depth - 1]);
    end(dm);
}

int dm_commit(struct dm *dm, struct error *err)
{
    size_t mark = dm->marks[dm->depth - 1];

    if (dm->depth == 1 && dm_save_changes(dm, mark, err) < 0) {
        dm_rollback(dm);
        return -1;
    }
    end(dm);
    if (dm->depth == 0)
        dm_schedule(dm);
    return 0;
}

/* ---- changes ---- */

/* The object's own limit, by number or by name, below that of all tables. */
static bool has_room(const struct dm *dm, const struct dm_table *table, struct error *err)
{
    const struct dm_object *object = table->node->object;
    uint32_t max = object->max_rows ? object->max_rows : limits_value(dm->limits, object->rows_limit);
    const char *key = object->max_rows ? NULL : limits_key(object->rows_limit);

    if (max > dm->limits->table_rows) {
        max = dm->limits->table_rows;
        key = limits_key(LIMITS_OFFSET(table_rows));
    }
    if (table->count < max)
        return true;
    if (key)
        error_set(err, ERROR_RESOURCES_EXCEEDED, table->node->path, "the table is full (%s is %u)", key, max);
    else
        error_set(err, ERROR_RESOURCES_EXCEEDED, table->node->path, "the table is full (%u rows)", max);
    return false;
}

struct dm_row *dm_add(struct dm *dm, struct dm_row *parent, struct dm_node *node, uint32_t instance,
                      struct error *err)
{
    struct dm_table *table = dm_table_of(parent, node);
    struct dm_row *row;

    if (table && !has_room(dm, table, err))
        return NULL;
    if (table && instance && dm_row_instance(parent, node, instance)) {
        error_set(err, ERROR_UNIQUE_KEY_CONFLICT, node->path, "instance %u exists", instance);
        return NULL;
    }
    if (table && !instance && !table->next_instance) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, node->path, "no instance number is left");
        return NULL;
    }
    row = table ? dm_row_new(parent, node, instance ? instance : table->next_instance, NULL) : NULL;
    if (!row)
        goto no_memory;
    row->flags |= ROW_NEW | ROW_ADDING | ROW_DIRTY;
    if (dm_table_link(dm, row) < 0)
        goto no_memory;
    if (dm_change_push(dm, &(struct dm_change){.kind = CHANGE_ADDED, .row = row}) < 0) {
        dm_table_unlink(dm, row);
        goto no_memory;
    }
    if (node->object->init && node->object->init(dm, row, dm->requester.controller, err) < 0)
        return NULL; /* the caller rolls back */
    return row;
no_memory:
    dm_row_free(row);
    error_set(err, ERROR_RESOURCES_EXCEEDED, node->path, "out of memory");
    return NULL;
}

static int check_row(struct dm *dm, struct dm_row *row, struct error *err)
{
    char path[DM_PATH_BYTES];

    if (dm_keys_check(dm, row, err) < 0)
        return -1;
    if (!row->node->object->check || row->node->object->check(dm, row, err) == 0)
        return 0;
    if (err && !err->path[0]) {
        dm_row_path(row, path);
        str_copy(err->path, sizeof(err->path), path);
    }
    return -1;
}

int dm_add_done(struct dm *dm, struct dm_row *row, struct error *err)
{
    if (dm_keys_generate(dm, row, err) < 0 || check_row(dm, row, err) < 0)
        return -1;
    row->flags &= ~(uint32_t)ROW_ADDING;
    return 0;
}

int dm_set_done(struct dm *dm, struct dm_row *row, struct error *err)
{
    return check_row(dm, row, err);
}

/* Sets without asking who may: the value is right already. */
int dm_set_field(struct dm *dm, struct dm_row *row, int index, struct str text, struct error *err)
{
    const struct dm_param *param = &row->node->object->params[index];
    struct dm_table *table = row->instance ? dm_table_of(row->parent, row->node) : NULL;
    struct dm_change change = {.kind = CHANGE_SET, .row = row, .param = index};
    int result;

    if (table)
        dm_index_remove(dm, table, row, index);
    result = dm_field_set(row, param, text, &change.old, err);
    if (table)
        dm_index_add(dm, table, row, index);
    if (result < 0)
        return -1;
    if (dm_change_push(dm, &change) < 0) {
        undo_set(dm, &change);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s: out of memory", param->name);
    }
    dm_row_dirty(row);
    return 0;
}

static int may_set(const struct dm *dm, const struct dm_row *row, const struct dm_param *param,
                   struct error *err)
{
    const struct dm_row *added = row;

    while (added && !added->instance)
        added = added->parent;
    if (param->flags & DM_WRITABLE)
        return 0;
    if ((param->flags & DM_AT_CREATION) && added && (added->flags & ROW_ADDING))
        return 0;
    if (dm->requester.factory && (param->flags & (DM_FACTORY | DM_STATE)))
        return 0;
    return error_set(err, ERROR_PARAMETER_READ_ONLY, NULL,
                     param->flags & DM_AT_CREATION ? "%s: can only be set when its row is added"
                                                   : "%s: is read-only",
                     param->name);
}

int dm_set(struct dm *dm, struct dm_row *row, int index, struct str text, struct error *err)
{
    const struct dm_param *param = &row->node->object->params[index];
    char scratch[DM_SCRATCH_BYTES];
    struct error local;

    if (!err)
        err = &local;
    error_clear(err);
    if (may_set(dm, row, param, err) < 0 || dm_value_check(param, text, err) < 0 ||
        ((param->flags & DM_STRONG_REF) && dm_reference_check(dm, param, text, &text, err) < 0) ||
        (param->check && param->check(row, text, err) < 0)) {
        if (!err->path[0]) {
            char path[DM_PATH_BYTES];

            dm_row_path(row, path);
            snprintf(err->path, sizeof(err->path), "%s%s", path, param->name);
        }
        return -1;
    }
    if (!(row->flags & ROW_NEW) && !(param->flags & DM_SECRET) &&
        str_equal(dm_get_text(row, index, scratch), text))
        return 0; /* nothing changes, nothing is written */
    return dm_set_field(dm, row, index, text, err);
}

int dm_delete(struct dm *dm, struct dm_row *row, struct error *err)
{
    /* A path may name a row twice (through references), or one that went with another. */
    for (const struct dm_row *above = row; above; above = above->parent)
        if (above->flags & ROW_DELETED)
            return 0;
    if (row->node->object->check_delete && row->node->object->check_delete(dm, row, err) < 0)
        return -1;
    if (dm_references_clear(dm, row, err) < 0)
        return -1;
    if (dm_change_push(dm, &(struct dm_change){.kind = CHANGE_DELETED, .row = row}) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    dm_table_unlink(dm, row);
    row->flags |= ROW_DELETED;
    return 0;
}
