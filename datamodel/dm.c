/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's life, rows of modules, the feed and calls. */
#include "datamodel/dm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "datamodel/internal.h"

struct dm *dm_new(const struct dm_mount *mounts, size_t count, struct loop *loop, struct store *store,
                  struct error *err)
{
    struct dm *dm = calloc(1, sizeof(*dm));

    if (!dm) {
        error_set(err, ERROR_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    dm->loop = loop;
    dm->limits = loop ? loop->limits : &limits_default;
    dm->store = store;
    arena_init(&dm->scratch, 0);
    (void)!getrandom(dm->seed, sizeof(dm->seed), GRND_NONBLOCK);
    if (dm_nodes_build(dm, mounts, count, err) < 0)
        goto fail;
    dm->root = dm_row_new(NULL, dm->nodes[0], 0, NULL);
    if (!dm->root) {
        error_set(err, ERROR_INTERNAL, NULL, "out of memory");
        goto fail;
    }
    return dm;
fail:
    dm_free(dm);
    return NULL;
}

void dm_free(struct dm *dm)
{
    if (!dm)
        return;
    if (dm->loop)
        loop_undefer(dm->loop, &dm->finish);
    if (dm->waiting)
        store_unwait(dm->store, &dm->waiter);
    for (size_t i = 0; i < dm->changes_count; i++) {
        struct dm_change *change = &dm->changes[i];

        if (change->kind == CHANGE_SET &&
            dm_type_is_text(change->row->node->object->params[change->param].type))
            free(change->old.text);
    }
    for (size_t i = 0; i < dm->changes_count; i++)
        if (dm->changes[i].kind == CHANGE_DELETED)
            dm_row_free(dm->changes[i].row);
    free(dm->changes);
    dm_row_free(dm->root);
    dm_nodes_free(dm);
    arena_done(&dm->scratch);
    free(dm);
}

struct loop *dm_loop(const struct dm *dm)
{
    return dm->loop;
}

struct store *dm_store(const struct dm *dm)
{
    return dm->store;
}

void dm_set_ctx(struct dm *dm, void *ctx)
{
    dm->ctx = ctx;
}

void *dm_ctx(const struct dm *dm)
{
    return dm->ctx;
}

struct dm_row *dm_root(const struct dm *dm)
{
    return dm->root;
}

/* ---- rows of modules ---- */

static void set_data(struct dm_row *row, void *data)
{
    row->data = data;
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        struct dm_node *node = row->node->children[i];

        if (!dm_node_is_table(node) && !node->object->data_size)
            set_data(row->children[i].single, data);
    }
}

void dm_bind(struct dm_row *row, void *data)
{
    set_data(row, data);
}

static void feed(struct dm *dm, enum dm_feed_type type, struct dm_row *row, int member)
{
    struct dm_feed event = {.type = type, .row = row, .member = member};

    observers_notify(&dm->observers, &event);
}

struct dm_row *dm_attach(struct dm *dm, struct dm_row *parent, struct dm_node *node, uint32_t instance,
                         void *data)
{
    struct dm_table *table = dm_table_of(parent, node);
    struct dm_row *row = NULL;

    if (table && (instance || table->next_instance))
        row = dm_row_new(parent, node, instance ? instance : table->next_instance, data);
    if (!row)
        return NULL;
    row->flags |= ROW_EXTERNAL;
    if (dm_table_link(dm, row) < 0) {
        dm_row_free(row);
        return NULL;
    }
    feed(dm, DM_FEED_CREATED, row, 0);
    return row;
}

static void announce_deleted(void *ctx, struct dm_row *row)
{
    if (row->instance)
        feed(ctx, DM_FEED_DELETED, row, 0);
}

/* Settings of the row that still wait for the store must not reach it after it is gone. */
static void forget_changes(void *ctx, struct dm_row *row)
{
    struct dm *dm = ctx;
    size_t kept = 0;

    for (size_t i = 0; i < dm->changes_count; i++) {
        struct dm_change *change = &dm->changes[i];

        if (change->row != row)
            dm->changes[kept++] = *change;
        else if (change->kind == CHANGE_SET && dm_type_is_text(row->node->object->params[change->param].type))
            free(change->old.text);
    }
    dm->changes_count = kept;
}

void dm_detach(struct dm *dm, struct dm_row *row)
{
    if (!row)
        return;
    dm_row_each_below(row, announce_deleted, dm);
    dm_table_unlink(dm, row);
    if (dm->changes_count)
        dm_row_each_below(row, forget_changes, dm);
    dm_row_free(row);
}

void dm_changed(struct dm *dm, struct dm_row *row, int param)
{
    feed(dm, DM_FEED_VALUE, row, param);
}

struct observers *dm_observers(struct dm *dm)
{
    return &dm->observers;
}

void dm_raise(struct dm *dm, struct dm_row *row, const char *event, const struct dm_pair *args, size_t count)
{
    enum dm_member_kind kind;
    int member = dm_node_member(row->node, str_of(event), &kind);
    struct dm_feed fed = {
        .type = DM_FEED_EVENT, .row = row, .member = member, .args = args, .args_count = count};

    if (member >= 0 && kind == DM_MEMBER_EVENT)
        observers_notify(&dm->observers, &fed);
}

/* ---- calls ---- */

static const struct dm_arg *find_arg(const struct dm_arg *args, const char *name)
{
    for (; args && args->name; args++)
        if (strcmp(args->name, name) == 0)
            return args;
    return NULL;
}

const char *dm_call_input(const struct dm_call *call, const char *name)
{
    const struct dm_arg *arg;

    for (size_t i = 0; i < call->inputs_count; i++)
        if (strcmp(call->inputs[i].name, name) == 0)
            return call->inputs[i].value;
    arg = find_arg(call->command->inputs, name);
    return arg ? arg->default_value : NULL;
}

bool dm_call_input_bool(const struct dm_call *call, const char *name)
{
    const char *text = dm_call_input(call, name);
    bool value = false;

    if (text)
        str_to_bool(str_of(text), &value);
    return value;
}

uint64_t dm_call_input_number(const struct dm_call *call, const char *name)
{
    const char *text = dm_call_input(call, name);
    uint64_t value = 0;

    if (text)
        str_to_u64(str_of(text), &value);
    return value;
}

int dm_call_output(struct dm_call *call, const char *name, const char *value)
{
    struct dm_pair *outputs = arena_alloc(&call->arena, (call->outputs_count + 1) * sizeof(*outputs));
    char *name_copy = arena_strdup(&call->arena, name);
    char *value_copy = arena_strdup(&call->arena, value);

    if (!outputs || !name_copy || !value_copy)
        return -1;
    if (call->outputs_count)
        memcpy(outputs, call->outputs, call->outputs_count * sizeof(*outputs));
    outputs[call->outputs_count++] = (struct dm_pair){name_copy, value_copy};
    call->outputs = outputs;
    return 0;
}

void dm_call_complete(struct dm_call *call, const struct error *err)
{
    call->complete(call, err);
}
