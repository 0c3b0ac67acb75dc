/* SPDX-License-Identifier: BSD-3-Clause */
/* Unique keys (R-KEY.2: unique after each change; R-ADD.5) and references to a row that goes away (R-ARC.12). */
#include <stdio.h>
#include <string.h>

#include "datamodel/internal.h"

struct twin_search {
    const struct dm_row *row;
    const struct dm_key *key;
};

/* Non-zero when `other` has the same values in all parameters of the key. */
static int is_twin(void *ctx, struct dm_row *other)
{
    const struct twin_search *search = ctx;
    char mine[DM_SCRATCH_BYTES];
    char theirs[DM_SCRATCH_BYTES];

    if (other == search->row)
        return 0;
    for (size_t i = 0; search->key->params[i]; i++) {
        int param = dm_node_param(search->row->node, search->key->params[i]);

        if (!str_equal(dm_get_text(search->row, param, mine), dm_get_text(other, param, theirs)))
            return 0;
    }
    return 1;
}

/* The parameter of the set by which twins are looked for: an indexed one. */
static int search_param(const struct dm_node *node, const struct dm_key *key)
{
    int first = dm_node_param(node, key->params[0]);

    for (size_t i = 0; key->params[i]; i++) {
        int param = dm_node_param(node, key->params[i]);

        if (node->object->params[param].flags & DM_INDEXED)
            return param;
    }
    return first;
}

static bool has_twin(struct dm *dm, struct dm_row *row, const struct dm_key *key)
{
    struct twin_search search = {row, key};
    char scratch[DM_SCRATCH_BYTES];
    int param = search_param(row->node, key);

    return dm_rows_with(dm, row->parent, row->node, param, dm_get_text(row, param, scratch), is_twin,
                        &search) != 0;
}

int dm_keys_check(struct dm *dm, struct dm_row *row, struct error *err)
{
    char path[DM_PATH_BYTES + 128];

    for (const struct dm_key *key = row->node->object->keys; key && key->params[0]; key++) {
        if (!row->instance || !has_twin(dm, row, key))
            continue;
        str_copy(path + dm_row_path(row, path), 128, key->params[0]);
        return error_set(err, ERROR_UNIQUE_KEY_CONFLICT, path, "another row has the same %s%s%s",
                         key->params[0], key->params[1] ? " and " : "", key->params[1] ? key->params[1] : "");
    }
    return 0;
}

/* Whether the open transaction set the parameter since the row was added. */
static bool was_set(const struct dm *dm, const struct dm_row *row, int param)
{
    for (size_t i = dm->changes_count; i-- > 0;) {
        const struct dm_change *change = &dm->changes[i];

        if (change->row != row)
            continue;
        if (change->kind == CHANGE_ADDED)
            return false;
        if (change->kind == CHANGE_SET && change->param == param)
            return true;
    }
    return false;
}

static int generate_number(struct dm *dm, struct dm_row *row, int param, struct error *err)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(row->parent, row->node, &rows);
    char scratch[DM_SCRATCH_BYTES];
    uint64_t highest = 0;
    size_t len;

    for (uint32_t i = 0; i < count; i++) {
        struct dm_value value;

        dm_get(rows[i], param, &value, scratch);
        if (rows[i] != row && value.number > highest)
            highest = value.number;
    }
    len = str_from_u64(scratch, highest + 1);
    return dm_set_field(dm, row, param, (struct str){scratch, len}, err);
}

static int generate_text(struct dm *dm, struct dm_row *row, const struct dm_key *key, int param,
                         struct error *err)
{
    char text[DM_SCRATCH_BYTES];

    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        int len = attempt ? snprintf(text, sizeof(text), "cpe-%u-%u", row->instance, attempt)
                          : snprintf(text, sizeof(text), "cpe-%u", row->instance);

        if (dm_set_field(dm, row, param, (struct str){text, (size_t)len}, err) < 0)
            return -1;
        if (!has_twin(dm, row, key))
            return 0;
    }
    return error_set(err, ERROR_UNIQUE_KEY_CONFLICT, NULL, "no free value for %s", key->params[0]);
}

static int generate(struct dm *dm, struct dm_row *row, const struct dm_key *key, int index, struct error *err)
{
    const struct dm_param *param = &row->node->object->params[index];
    char scratch[DM_SCRATCH_BYTES];

    if (was_set(dm, row, index) || param->get)
        return 0;
    if (param->flags & DM_ALIAS) /* computed until somebody chooses one, unless that name is taken */
        return has_twin(dm, row, key) ? generate_text(dm, row, key, index, err) : 0;
    if (param->flags & (DM_STRONG_REF | DM_WEAK_REF))
        return 0;
    if (param->type == DM_UNSIGNED_INT || param->type == DM_UNSIGNED_LONG)
        return generate_number(dm, row, index, err);
    if (param->type == DM_STRING && !param->values && !dm_get_text(row, index, scratch).len)
        return generate_text(dm, row, key, index, err);
    return 0;
}

int dm_keys_generate(struct dm *dm, struct dm_row *row, struct error *err)
{
    for (const struct dm_key *key = row->node->object->keys; key && key->params[0]; key++)
        for (size_t i = 0; key->params[i]; i++)
            if (generate(dm, row, key, dm_node_param(row->node, key->params[i]), err) < 0)
                return -1;
    return 0;
}

/* ---- references ---- */

struct clearing {
    struct dm *dm;
    const struct dm_node *node; /* of the rows that refer */
    int param;
    struct str gone; /* path of the deleted row, without final dot */
    int result;
    struct error *err;
};

static bool names(struct str item, struct str gone)
{
    item = str_trim(item);
    if (item.len && item.data[item.len - 1] == '.')
        item.len--;
    /* The row itself, or one below it that goes with it. */
    return str_equal(item, gone) || (str_starts(item, gone) && item.data[gone.len] == '.');
}

static void clear_in_row(void *ctx, struct dm_row *row)
{
    struct clearing *clearing = ctx;
    char scratch[DM_SCRATCH_BYTES];
    char *kept = NULL;
    bool found = false;
    struct str rest;
    struct str item;

    if (row->node != clearing->node || clearing->result < 0)
        return;
    rest = dm_get_text(row, clearing->param, scratch);
    while (rest.len && str_next(&rest, ',', &item)) {
        if (names(item, clearing->gone)) {
            found = true;
            continue;
        }
        kept = kept ? arena_printf(&clearing->dm->scratch, "%s,%.*s", kept, (int)item.len, item.data)
                    : arena_strndup(&clearing->dm->scratch, item.data, item.len);
        if (!kept) {
            clearing->result = error_set(clearing->err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
            return;
        }
    }
    if (found)
        clearing->result = dm_set_field(clearing->dm, row, clearing->param, str_of(kept ? kept : ""),
                                        clearing->err);
}

int dm_references_clear(struct dm *dm, struct dm_row *deleted, struct error *err)
{
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(deleted, path) - 1;

    for (size_t i = 0; i < dm->nodes_count; i++) {
        const struct dm_node *node = dm->nodes[i];

        for (int param = 0; param < node->params_count; param++) {
            const struct dm_param *declared = &node->object->params[param];
            struct clearing clearing = {dm, node, param, {path, len}, 0, err};

            /* What is computed follows by itself. */
            if (declared->get || !(declared->flags & DM_STRONG_REF) ||
                !str_starts(str_of(declared->refers),
                            (struct str){deleted->node->path, strlen(deleted->node->path) - 4}))
                continue;
            dm_row_each(dm->root, clear_in_row, &clearing);
            if (clearing.result < 0)
                return -1;
        }
    }
    return 0;
}
