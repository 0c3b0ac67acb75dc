/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/access_table.h"

#include <stdlib.h>
#include <string.h>

#include "datamodel/path.h"
#include "usp/access.h"

enum {
    REMEMBERED = 64, /* paths whose answer for a row is remembered */
};

/* One path of a permission's Targets. */
struct scope {
    struct scope *before; /* of lower Order, then of the role before */
    uint32_t role;        /* counted */
    bool secured;         /* the role is */
    bool depends;         /* the path names instances: it holds for some rows */
    uint32_t number;      /* counted among those that depend */
    struct dm_path path;
    struct dm_target target;
    uint8_t param, obj, instantiated, command; /* bits */
};

struct access_table {
    struct dm_access access;
    struct dm *dm;
    struct arena arena;   /* of the scopes */
    struct arena scratch; /* of a question */
    struct scope *last;
    uint32_t roles;
    uint32_t depending;
    uint32_t ids;
    uint8_t *bits;
    struct {
        const struct dm_row *row;
        uint64_t generation; /* of the data model */
        uint64_t asked;      /* by number of the scope */
        uint64_t covered;
    } memory;
};

static uint8_t parse_bits(const char *text)
{
    static const char letters[] = "rwxn";
    uint8_t bits = 0;

    for (size_t i = 0; text && text[i] && i < 4; i++)
        if (text[i] == letters[i])
            bits |= (uint8_t)(1u << i);
    return bits;
}

/* A secured role sees the secrets among what it may read. */
static uint8_t with_secrets(uint8_t bits, bool secured)
{
    return secured && (bits & DM_MAY_READ) ? bits | DM_MAY_READ_SECRET : bits;
}

/* ---- asking about a row ---- */

static const struct dm_node *node_of(const struct dm *dm, uint32_t id)
{
    struct dm_node *const *nodes;
    size_t low = 0;
    size_t high = dm_nodes(dm, &nodes);

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (nodes[middle]->id <= id)
            low = middle;
        else
            high = middle;
    }
    return nodes[low];
}

/* What a scope says of this id of this object, its path's instances apart: false for nothing. */
static bool grants(const struct scope *scope, const struct dm_node *node, uint32_t id, uint8_t *ret)
{
    const struct dm_target *target = &scope->target;

    switch (target->kind) {
    case DM_TARGET_ROW:
    case DM_TARGET_TABLE:
        *ret = id == dm_id_object(node)                     ? scope->obj
               : id == dm_id_instance(node)                 ? scope->instantiated
               : id < dm_id_param(node, node->params_count) ? scope->param
                                                            : scope->command;
        while (node && node->depth > target->node->depth)
            node = node->parent;
        return node == target->node;
    case DM_TARGET_PARAM:
        *ret = scope->param;
        return id == dm_id_param(target->node, target->member);
    case DM_TARGET_COMMAND:
        *ret = scope->command;
        return id == dm_id_command(target->node, target->member);
    case DM_TARGET_EVENT:
        *ret = scope->command;
        return id == dm_id_event(target->node, target->member);
    }
    return false;
}

static bool covers(struct access_table *table, const struct scope *scope, const struct dm_row *row)
{
    uint64_t bit = scope->number < REMEMBERED ? (uint64_t)1 << scope->number : 0;
    bool answer;

    if (table->memory.row != row || table->memory.generation != dm_generation(table->dm)) {
        table->memory.row = row;
        table->memory.generation = dm_generation(table->dm);
        table->memory.asked = 0;
        table->memory.covered = 0;
    }
    if (table->memory.asked & bit)
        return table->memory.covered & bit;
    answer = dm_path_covers(table->dm, &table->scratch, &scope->path, row);
    arena_reset(&table->scratch);
    table->memory.asked |= bit;
    table->memory.covered |= answer ? bit : 0;
    return answer;
}

/* Of each role the last scope that covers it decides. A question without a row is about the supported model. */
static uint8_t exact(const struct dm_access *access, const struct dm_row *row, uint32_t id)
{
    struct access_table *table = access->ctx;
    const struct dm_node *node = node_of(table->dm, id);
    uint32_t undecided = table->roles; /* roles before this one */
    uint8_t bits = 0;
    uint8_t said;

    for (const struct scope *scope = table->last; scope; scope = scope->before) {
        if (scope->role >= undecided || !grants(scope, node, id, &said) ||
            (scope->depends && row && !covers(table, scope, row)))
            continue;
        bits |= with_secrets(said, scope->secured);
        undecided = scope->role;
    }
    return bits;
}

/* ---- making ---- */

static void put(uint8_t *slot, uint8_t bits, const struct scope *scope)
{
    *slot = scope->depends ? *slot | DM_MAY_DEPENDS : bits;
}

static void put_node(uint8_t *bits, const struct dm_node *node, const struct scope *scope)
{
    uint32_t members = (uint32_t)node->params_count;
    uint32_t others = (uint32_t)node->commands_count + node->events_count;

    put(&bits[dm_id_object(node)], scope->obj, scope);
    put(&bits[dm_id_instance(node)], scope->instantiated, scope);
    for (uint32_t i = 0; i < members; i++)
        put(&bits[node->id + 2 + i], scope->param, scope);
    for (uint32_t i = 0; i < others; i++)
        put(&bits[node->id + 2 + members + i], scope->command, scope);
    for (uint16_t i = 0; i < node->children_count; i++)
        put_node(bits, node->children[i], scope);
}

static void put_scope(uint8_t *bits, const struct scope *scope)
{
    const struct dm_target *target = &scope->target;

    switch (target->kind) {
    case DM_TARGET_ROW:
    case DM_TARGET_TABLE:
        put_node(bits, target->node, scope);
        break;
    case DM_TARGET_PARAM:
        put(&bits[dm_id_param(target->node, target->member)], scope->param, scope);
        break;
    case DM_TARGET_COMMAND:
        put(&bits[dm_id_command(target->node, target->member)], scope->command, scope);
        break;
    case DM_TARGET_EVENT:
        put(&bits[dm_id_event(target->node, target->member)], scope->command, scope);
        break;
    }
}

/* True when the path applies to some rows of an object and not to others. */
static bool names_instances(const struct dm_path *path)
{
    for (uint32_t i = 0; i < path->count; i++)
        if (path->segments[i].kind == DM_SEGMENT_INSTANCE || path->segments[i].kind == DM_SEGMENT_EXPRESSION)
            return true;
    return false;
}

/* A target that this agent does not have grants nothing. -1: memory. */
static int add_target(struct access_table *table, const struct permission *permission, bool secured,
                      struct str text, uint8_t *bits)
{
    char *kept = arena_strndup(&table->arena, text.data, text.len);
    struct scope *scope = arena_calloc(&table->arena, 1, sizeof(*scope));
    struct error err;

    if (!kept || !scope)
        return -1;
    if (dm_path_parse(&table->arena, str_of(kept), &scope->path, &err) < 0 ||
        dm_resolve_supported(table->dm, &table->scratch, str_of(kept), &scope->target, &err) < 0)
        return err.code == ERROR_INTERNAL ? -1 : 0;
    scope->param = parse_bits(permission->param);
    scope->obj = parse_bits(permission->obj);
    scope->instantiated = parse_bits(permission->instantiated_obj);
    scope->command = parse_bits(permission->command_event);
    scope->role = table->roles;
    scope->secured = secured;
    scope->depends = names_instances(&scope->path);
    if (scope->depends)
        scope->number = table->depending++;
    scope->before = table->last;
    table->last = scope;
    put_scope(bits, scope);
    return 0;
}

/* Permissions of a role with a later Order override those before. */
static int by_order(const void *a, const void *b)
{
    const struct permission *left = (*(struct dm_row *const *)a)->data;
    const struct permission *right = (*(struct dm_row *const *)b)->data;

    return (left->order > right->order) - (left->order < right->order);
}

/* The role's permissions in order, in the scratch arena, or NULL. */
static struct dm_row **permissions_of(struct access_table *table, struct dm_row *role, uint32_t *ret_count)
{
    struct dm_node *node = dm_node_child(role->node, STR("Permission"));
    struct dm_row *const *rows = NULL;
    uint32_t count = node ? dm_rows(role, node, &rows) : 0;
    struct dm_row **sorted = arena_calloc(&table->scratch, count + 1, sizeof(*sorted));

    if (!sorted)
        return NULL;
    if (count)
        memcpy(sorted, rows, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_order);
    *ret_count = count;
    return sorted;
}

static int add_permissions(struct access_table *table, struct dm_row *role, bool secured, uint8_t *bits)
{
    uint32_t count;
    struct dm_row **rows = permissions_of(table, role, &count);

    for (uint32_t i = 0; rows && i < count; i++) {
        const struct permission *permission = rows[i]->data;
        struct str list = str_of(permission->targets);
        struct str item;

        while (permission->enable && list.len && dm_path_next(&list, &item))
            if (add_target(table, permission, secured, str_trim(item), bits) < 0)
                return -1;
    }
    return rows ? 0 : -1;
}

int access_table_add_role(struct access_table *table, struct dm_row *role, bool secured)
{
    uint8_t *bits = calloc(table->ids, 1);
    int result = -1;

    if (bits && add_permissions(table, role, secured, bits) == 0) {
        for (uint32_t i = 0; i < table->ids; i++)
            table->bits[i] |= with_secrets(bits[i], secured);
        table->roles++;
        result = 0;
    }
    free(bits);
    arena_reset(&table->scratch);
    return result;
}

void access_table_seal(struct access_table *table)
{
    table->access = (struct dm_access){.bits = table->bits, .exact = exact, .ctx = table};
    if (!table->depending) { /* nobody will ask */
        arena_done(&table->arena);
        table->last = NULL;
    }
    arena_done(&table->scratch);
}

/* ---- life ---- */

struct access_table *access_table_new(struct dm *dm)
{
    uint32_t ids = dm_access_ids(dm);
    struct access_table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->dm = dm;
    table->ids = ids;
    table->bits = calloc(ids, 1);
    arena_init(&table->arena, 0);
    arena_init(&table->scratch, 0);
    if (table->bits)
        return table;
    access_table_free(table);
    return NULL;
}

void access_table_free(struct access_table *table)
{
    if (!table)
        return;
    arena_done(&table->arena);
    arena_done(&table->scratch);
    free(table->bits);
    free(table);
}

const struct dm_access *access_table_use(struct access_table *table)
{
    table->memory.row = NULL;
    return &table->access;
}
