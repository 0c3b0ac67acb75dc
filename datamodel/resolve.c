/* SPDX-License-Identifier: BSD-3-Clause */
/* Resolving paths against the tree, and search expressions against rows. */
#include <stdlib.h>
#include <string.h>

#include "datamodel/path.h"

static int walk(struct dm_resolver *resolver, struct dm_row *row, const struct dm_path *path, uint32_t at,
                struct error *err);

static const enum dm_target_kind member_targets[] = {
    [DM_MEMBER_PARAM] = DM_TARGET_PARAM,
    [DM_MEMBER_COMMAND] = DM_TARGET_COMMAND,
    [DM_MEMBER_EVENT] = DM_TARGET_EVENT,
};

/* ---- search expressions ---- */

static int ordered(enum dm_operator op, int order)
{
    switch (op) {
    case DM_EQUAL:
        return order == 0;
    case DM_NOT_EQUAL:
        return order != 0;
    case DM_LESS:
        return order < 0;
    case DM_LESS_EQUAL:
        return order <= 0;
    case DM_GREATER:
        return order > 0;
    case DM_GREATER_EQUAL:
        return order >= 0;
    case DM_CONTAINS:
        break;
    }
    return 0;
}

static int bad_constant(const struct dm_term *term, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID_PATH_SYNTAX, NULL, "search expression: \"%.*s\" %s",
                     (int)(term->right.len > 60 ? 60 : term->right.len), term->right.data, what);
}

static int compare_number(const struct dm_value *value, const struct dm_term *term, struct error *err)
{
    bool is_signed = value->type == DM_INT || value->type == DM_LONG || value->type == DM_DATE_TIME;
    int64_t integer = 0;
    uint64_t number = 0;
    int rc;

    if (value->type == DM_DATE_TIME)
        rc = str_to_time(term->right, &integer);
    else
        rc = is_signed ? str_to_i64(term->right, &integer) : str_to_u64(term->right, &number);
    if (rc < 0 && !is_signed && str_to_i64(term->right, &integer) == 0)
        return ordered(term->op, 1); /* a negative number is below every unsigned one */
    if (rc < 0)
        return bad_constant(term, value->type == DM_DATE_TIME ? "is not a dateTime" : "is not a number", err);
    if (is_signed)
        return ordered(term->op, (value->integer > integer) - (value->integer < integer));
    return ordered(term->op, (value->number > number) - (value->number < number));
}

static bool list_contains(struct str list, struct str item)
{
    struct str part;

    while (list.len && str_next(&list, ',', &part))
        if (str_equal(str_trim(part), item))
            return true;
    return false;
}

static int compare_text(struct str text, const struct dm_term *term, struct error *err)
{
    if (term->op == DM_CONTAINS)
        return list_contains(text, term->right);
    if (term->op != DM_EQUAL && term->op != DM_NOT_EQUAL)
        return bad_constant(term, "is compared by order, but the parameter is a string", err);
    return str_equal(text, term->right) == (term->op == DM_EQUAL);
}

static int compare_boolean(const struct dm_value *value, const struct dm_term *term, struct error *err)
{
    bool constant;

    if (str_to_bool(term->right, &constant) < 0)
        return bad_constant(term, "is not a boolean", err);
    if (term->op != DM_EQUAL && term->op != DM_NOT_EQUAL)
        return bad_constant(term, "is compared by order, but the parameter is a boolean", err);
    return (value->boolean == constant) == (term->op == DM_EQUAL);
}

/* 1 when the row's parameter satisfies the term, 0 when not, -1. */
static int compare(const struct dm_row *row, int param, const struct dm_term *term, struct error *err)
{
    char scratch[DM_SCRATCH_BYTES];
    struct dm_value value;

    if (row->node->object->params[param].flags & DM_SECRET)
        return 0; /* a secret cannot be found out by searching */
    dm_get(row, param, &value, scratch);
    switch (value.type) {
    case DM_BOOLEAN:
        return compare_boolean(&value, term, err);
    case DM_INT:
    case DM_LONG:
    case DM_UNSIGNED_INT:
    case DM_UNSIGNED_LONG:
    case DM_DATE_TIME:
        return term->op == DM_CONTAINS
                   ? bad_constant(term, "is looked for in a list, but the parameter is none", err)
                   : compare_number(&value, term, err);
    case DM_STRING:
    case DM_BASE64:
    case DM_HEX_BINARY:
    case DM_ENUM:
        break;
    }
    return compare_text(value.text, term, err);
}

struct evaluation {
    const struct dm_term *term;
    const struct dm_access *access;
    struct error *err;
};

static int evaluate_target(void *ctx, const struct dm_target *target)
{
    struct evaluation *evaluation = ctx;

    if (target->kind != DM_TARGET_PARAM)
        return error_set(evaluation->err, ERROR_INVALID_PATH_SYNTAX, NULL,
                         "search expression: the left side is not a parameter");
    /* R-GIN.0: a key that may not be read matches nothing. */
    if (!dm_may(evaluation->access, target->row, dm_id_param(target->node, target->member), DM_MAY_READ))
        return 0;
    return compare(target->row, target->member, evaluation->term, evaluation->err);
}

static int term_holds(struct dm_resolver *resolver, struct dm_row *row, const struct dm_term *term,
                      struct error *err)
{
    struct evaluation evaluation = {term, resolver->access, err};
    struct dm_resolver inner = {.dm = resolver->dm,
                                .arena = resolver->arena,
                                .access = resolver->access,
                                .found = evaluate_target,
                                .ctx = &evaluation,
                                .hops = resolver->hops};

    return walk(&inner, row, term->left, 0, err);
}

struct matching {
    struct dm_resolver *resolver;
    const struct dm_path *path;
    uint32_t at; /* of the expression */
    struct error *err;
};

/* Goes on below the row, each row, that satisfies all terms (R-ARC.9). */
static int match_row(void *ctx, struct dm_row *row)
{
    struct matching *matching = ctx;
    const struct dm_segment *segment = &matching->path->segments[matching->at];

    for (uint32_t i = 0; i < segment->terms_count; i++) {
        int holds = term_holds(matching->resolver, row, &segment->terms[i], matching->err);

        if (holds <= 0)
            return holds;
    }
    return walk(matching->resolver, row, matching->path, matching->at + 1, matching->err);
}

/* The parameter by which the rows can be looked up, and the value as the index has it; -1: they must be scanned. */
static int indexed_term(const struct dm_node *node, const struct dm_segment *segment, struct str *ret_value)
{
    for (uint32_t i = 0; i < segment->terms_count; i++) {
        const struct dm_term *term = &segment->terms[i];
        enum dm_member_kind kind;
        int param;

        if (term->op != DM_EQUAL || term->left->count != 1)
            continue;
        param = dm_node_member(node, term->left->segments[0].name, &kind);
        if (param < 0 || kind != DM_MEMBER_PARAM || !(node->object->params[param].flags & DM_INDEXED) ||
            (node->object->params[param].type != DM_STRING && node->object->params[param].type != DM_ENUM))
            continue;
        *ret_value = term->right;
        return param;
    }
    return -1;
}

/* What the index gave. Copied first: whoever is told of a match may change the key that it was found by. */
struct gathering {
    struct arena *arena;
    struct dm_row **rows;
    uint32_t count;
    uint32_t cap;
};

static int gather(void *ctx, struct dm_row *row)
{
    struct gathering *gathering = ctx;

    if (gathering->count == gathering->cap) {
        uint32_t cap = gathering->cap ? gathering->cap * 2 : 4;
        struct dm_row **rows = arena_alloc(gathering->arena, cap * sizeof(struct dm_row *));

        if (!rows)
            return -1;
        if (gathering->count)
            memcpy(rows, gathering->rows, gathering->count * sizeof(struct dm_row *));
        gathering->rows = rows;
        gathering->cap = cap;
    }
    gathering->rows[gathering->count++] = row;
    return 0;
}

static int by_instance(const void *a, const void *b)
{
    const struct dm_row *left = *(struct dm_row *const *)a;
    const struct dm_row *right = *(struct dm_row *const *)b;

    return (left->instance > right->instance) - (left->instance < right->instance);
}

static int walk_expression(struct dm_resolver *resolver, struct dm_row *parent, struct dm_node *node,
                           const struct dm_path *path, uint32_t at, struct error *err)
{
    struct matching matching = {resolver, path, at, err};
    struct gathering gathering = {.arena = resolver->arena};
    struct str value;
    int param = indexed_term(node, &path->segments[at], &value);
    struct dm_row *const *rows;
    uint32_t count;

    if (param >= 0) {
        if (dm_rows_with(resolver->dm, parent, node, param, value, gather, &gathering) < 0)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        if (gathering.count > 1)
            qsort(gathering.rows, gathering.count, sizeof(struct dm_row *), by_instance);
        rows = gathering.rows;
        count = gathering.count;
    } else {
        count = dm_rows(parent, node, &rows);
    }
    for (uint32_t i = 0; i < count; i++) {
        int rc = match_row(&matching, rows[i]);

        if (rc)
            return rc;
    }
    return 0;
}

/* ---- walking ---- */

static int unsupported(struct error *err, struct str name)
{
    return error_set(err, ERROR_INVALID_PATH, NULL, "\"%.*s\" is not in the supported data model",
                     (int)(name.len > 60 ? 60 : name.len), name.data);
}

static int walk_table(struct dm_resolver *resolver, struct dm_row *parent, struct dm_node *node,
                      const struct dm_path *path, uint32_t at, struct error *err)
{
    const struct dm_segment *segment = &path->segments[at];
    struct dm_row *const *rows;
    struct dm_row *row;
    uint32_t count;

    switch (segment->kind) {
    case DM_SEGMENT_INSTANCE:
        row = dm_row_instance(parent, node, segment->instance);
        if (row)
            return walk(resolver, row, path, at + 1, err);
        resolver->missing_instance = true;
        return 0;
    case DM_SEGMENT_WILDCARD: /* R-ARC.10 */
        count = dm_rows(parent, node, &rows);
        for (uint32_t i = 0; i < count; i++) {
            int rc = walk(resolver, rows[i], path, at + 1, err);

            if (rc)
                return rc;
        }
        return 0;
    case DM_SEGMENT_EXPRESSION:
        return walk_expression(resolver, parent, node, path, at, err);
    case DM_SEGMENT_NAME:
    case DM_SEGMENT_PLACEHOLDER:
        break;
    }
    return unsupported(err, segment->name);
}

static int follow_item(struct dm_resolver *resolver, struct str item, const struct dm_path *path, uint32_t at,
                       struct error *err)
{
    struct dm_row *row = dm_row_find(resolver->dm, str_trim(item));
    int rc;

    if (!row) {
        resolver->missing_instance = true; /* a weak reference may dangle */
        return 0;
    }
    if (resolver->hops >= LIMIT_REFERENCE_HOPS)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u references followed",
                         LIMIT_REFERENCE_HOPS);
    resolver->hops++;
    rc = walk(resolver, row, path, at + 1, err);
    resolver->hops--;
    return rc;
}

static int follow(struct dm_resolver *resolver, struct dm_row *row, int param, const struct dm_path *path,
                  uint32_t at, struct error *err)
{
    const struct dm_segment *segment = &path->segments[at];
    const struct dm_param *declared = &row->node->object->params[param];
    int wanted = segment->follow > 0 ? segment->follow : 1;
    char scratch[DM_SCRATCH_BYTES];
    int number = 0;
    struct str rest;
    struct str item;

    if (!(declared->flags & (DM_STRONG_REF | DM_WEAK_REF)))
        return error_set(err, ERROR_INVALID_PATH, NULL, "%s is not a reference and cannot be followed",
                         declared->name);
    if (!dm_may(resolver->access, row, dm_id_param(row->node, param), DM_MAY_READ))
        return unsupported(err, segment->name);
    rest = dm_get_text(row, param, scratch);
    while (rest.len && dm_path_next(&rest, &item)) {
        int rc;

        number++;
        /* "+" alone follows the one item, or the first of a list. */
        if (segment->follow != DM_FOLLOW_ALL && number != wanted)
            continue;
        rc = follow_item(resolver, item, path, at, err);
        if (rc)
            return rc;
    }
    if (segment->follow != DM_FOLLOW_ALL && number < wanted)
        resolver->missing_instance = true; /* the reference, or this item of it, is empty */
    return 0;
}

static int found(struct dm_resolver *resolver, enum dm_target_kind kind, struct dm_node *node,
                 struct dm_row *row, int member)
{
    struct dm_target target = {kind, node, row, member};

    return resolver->found(resolver->ctx, &target);
}

static int walk_member(struct dm_resolver *resolver, struct dm_row *row, const struct dm_path *path,
                       uint32_t at, struct error *err)
{
    const struct dm_segment *segment = &path->segments[at];
    enum dm_member_kind kind;
    int member = dm_node_member(row->node, segment->name, &kind);

    if (member < 0)
        return unsupported(err, segment->name);
    if (segment->follow != DM_FOLLOW_NONE && kind == DM_MEMBER_PARAM)
        return follow(resolver, row, member, path, at, err);
    if (at + 1 != path->count || segment->follow != DM_FOLLOW_NONE || path->final_dot)
        return unsupported(err, segment->name);
    return found(resolver, member_targets[kind], row->node, row, member);
}

/* row is what the segments before `at` named. */
static int walk(struct dm_resolver *resolver, struct dm_row *row, const struct dm_path *path, uint32_t at,
                struct error *err)
{
    const struct dm_segment *segment = &path->segments[at];
    struct dm_node *child;

    if (at == path->count)
        return found(resolver, DM_TARGET_ROW, row->node, row, -1);
    if (segment->kind != DM_SEGMENT_NAME)
        return unsupported(err, segment->name);
    child = segment->follow == DM_FOLLOW_NONE ? dm_node_child(row->node, segment->name) : NULL;
    if (!child)
        return walk_member(resolver, row, path, at, err);
    if (dm_node_is_table(child)) {
        if (at + 1 == path->count)
            return found(resolver, DM_TARGET_TABLE, child, row, -1);
        return walk_table(resolver, row, child, path, at + 1, err);
    }
    row = dm_row_child(row, child);
    if (!dm_row_present(row)) {
        resolver->missing_instance = true;
        return 0;
    }
    return walk(resolver, row, path, at + 1, err);
}

/* ---- matching backwards ---- */

static bool instance_fits(struct dm_resolver *resolver, const struct dm_segment *segment, struct dm_row *row)
{
    switch (segment->kind) {
    case DM_SEGMENT_INSTANCE:
        return segment->instance == row->instance;
    case DM_SEGMENT_WILDCARD:
    case DM_SEGMENT_PLACEHOLDER:
        return true;
    case DM_SEGMENT_EXPRESSION:
        for (uint32_t i = 0; i < segment->terms_count; i++)
            if (term_holds(resolver, row, &segment->terms[i], NULL) <= 0)
                return false;
        return true;
    case DM_SEGMENT_NAME:
        break;
    }
    return false;
}

bool dm_path_covers(const struct dm *dm, struct arena *arena, const struct dm_path *path,
                    const struct dm_row *row)
{
    struct dm_resolver resolver = {.dm = dm, .arena = arena};
    struct dm_row *chain[LIMIT_PATH_DEPTH];
    uint32_t length = row->node->depth + 1;
    uint32_t level = 0;

    if (length > LIMIT_PATH_DEPTH)
        return false;
    for (uint32_t i = length; i-- > 0; row = row->parent)
        chain[i] = (struct dm_row *)row;
    for (uint32_t i = 0; i < path->count; level++) {
        const struct dm_segment *segment = &path->segments[i++];
        bool last = i == path->count;

        if (segment->kind != DM_SEGMENT_NAME || segment->follow != DM_FOLLOW_NONE)
            return false;
        if (level == length || !str_equal(chain[level]->node->name, segment->name)) {
            enum dm_member_kind kind;

            return last && level == length &&
                   dm_node_member(chain[length - 1]->node, segment->name, &kind) >= 0;
        }
        if (!last && path->segments[i].kind != DM_SEGMENT_NAME &&
            !instance_fits(&resolver, &path->segments[i++], chain[level]))
            return false;
    }
    return true;
}

/* ---- the supported model ---- */

static int walk_nodes(const struct dm *dm, struct dm_node *node, const struct dm_path *path,
                      struct dm_target *ret, struct error *err);

/* What an instance part stands in must be a table, and what its expression compares must be supported too. */
static int check_instance(const struct dm *dm, struct dm_node *node, const struct dm_path *path, uint32_t at,
                          struct error *err)
{
    const struct dm_segment *segment = &path->segments[at];

    if (!node || !dm_node_is_table(node) || at == 0 || path->segments[at - 1].kind != DM_SEGMENT_NAME)
        return unsupported(err, segment->name);
    for (uint32_t i = 0; i < segment->terms_count; i++) {
        struct dm_target left;

        if (walk_nodes(dm, node, segment->terms[i].left, &left, err) < 0)
            return -1;
    }
    return 0;
}

/* The object that a reference leads to, by its declaration. */
static struct dm_node *referred(const struct dm *dm, const struct dm_node *node, int param)
{
    const char *refers = node->object->params[param].refers;

    return refers ? dm_node_find(dm, refers) : NULL;
}

/* node: what the path is relative to, or NULL for a whole path. */
static int walk_nodes(const struct dm *dm, struct dm_node *node, const struct dm_path *path,
                      struct dm_target *ret, struct error *err)
{
    for (uint32_t i = 0; i < path->count; i++) {
        const struct dm_segment *segment = &path->segments[i];
        struct dm_node *child;
        enum dm_member_kind kind;
        int member;

        if (segment->kind != DM_SEGMENT_NAME) {
            if (check_instance(dm, node, path, i, err) < 0)
                return -1;
            continue;
        }
        child = node ? dm_node_child(node, segment->name) : dm_root(dm)->node;
        if (!node && !str_equal(child->name, segment->name))
            return unsupported(err, segment->name);
        member = child ? -1 : dm_node_member(node, segment->name, &kind);
        if (!child && member >= 0 && kind == DM_MEMBER_PARAM && segment->follow != DM_FOLLOW_NONE)
            child = referred(dm, node, member);
        if (child) {
            node = child;
            *ret = (struct dm_target){DM_TARGET_ROW, node, NULL, -1};
            continue;
        }
        if (member < 0 || segment->follow != DM_FOLLOW_NONE || i + 1 != path->count || path->final_dot)
            return unsupported(err, segment->name);
        *ret = (struct dm_target){member_targets[kind], node, NULL, member};
    }
    return 0;
}

static void name_path(struct error *err, struct str text)
{
    if (err && !err->path[0])
        str_copy(err->path, text.len + 1 < sizeof(err->path) ? text.len + 1 : sizeof(err->path), text.data);
}

int dm_resolve_supported(const struct dm *dm, struct arena *arena, struct str text, struct dm_target *ret,
                         struct error *err)
{
    struct dm_path path;

    error_clear(err);
    if (dm_path_parse(arena, text, &path, err) == 0 && walk_nodes(dm, NULL, &path, ret, err) == 0)
        return 0;
    name_path(err, text);
    return -1;
}

/* ---- entry ---- */

int dm_resolve_path(struct dm_resolver *resolver, const struct dm_path *path, struct error *err)
{
    struct dm_row *root = dm_root(resolver->dm);
    struct dm_target supported;
    int rc;

    resolver->missing_instance = false;
    if (path->segments[0].kind != DM_SEGMENT_NAME || !str_equal(path->segments[0].name, root->node->name))
        return unsupported(err, path->segments[0].name);
    rc = walk(resolver, root, path, 1, err);
    if (rc)
        return rc;
    /* R-GET.0: what matched nothing must still be in the supported model. */
    if ((path->search || resolver->missing_instance) &&
        walk_nodes(resolver->dm, NULL, path, &supported, err) < 0)
        return -1;
    if (resolver->missing_instance && !path->search)
        return error_set(err, ERROR_INVALID_PATH, NULL, "no such instance");
    return 0;
}

int dm_resolve(struct dm_resolver *resolver, struct str text, struct error *err)
{
    struct dm_path path;
    int rc = -1;

    error_clear(err);
    if (dm_path_parse(resolver->arena, text, &path, err) == 0)
        rc = dm_resolve_path(resolver, &path, err);
    if (rc < 0)
        name_path(err, text);
    return rc;
}
