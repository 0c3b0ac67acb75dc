/* SPDX-License-Identifier: BSD-3-Clause */
/* Equality on key parameters without a scan: a hash from (parameter, value) to the rows that have it. */
#include <stdlib.h>

#include "base/map.h"
#include "datamodel/internal.h"

enum {
    INDEX_FROM_ROWS = 8, /* a smaller table is scanned: that is faster, and most tables are */
    FIRST_BUCKETS = 32,
};

struct dm_index_entry {
    struct dm_index_entry *next;
    struct dm_row *row;
    uint64_t hash;
    int param;
};

struct dm_index {
    struct dm_index_entry **buckets;
    size_t mask;
    size_t count;
};

static uint64_t hash_of(const struct dm *dm, int param, struct str value)
{
    return map_hash(dm->seed, value.data, value.len) + (uint64_t)(unsigned)param * 0x9e3779b97f4a7c15ull;
}

void dm_index_free(struct dm_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i <= index->mask && index->buckets; i++) {
        while (index->buckets[i]) {
            struct dm_index_entry *next = index->buckets[i]->next;

            free(index->buckets[i]);
            index->buckets[i] = next;
        }
    }
    free(index->buckets);
    free(index);
}

static int grow(struct dm_index *index)
{
    size_t size = (index->mask + 1) * 2;
    struct dm_index_entry **buckets = calloc(size, sizeof(struct dm_index_entry *));

    if (!buckets)
        return -1;
    for (size_t i = 0; i <= index->mask; i++) {
        while (index->buckets[i]) {
            struct dm_index_entry *entry = index->buckets[i];

            index->buckets[i] = entry->next;
            entry->next = buckets[entry->hash & (size - 1)];
            buckets[entry->hash & (size - 1)] = entry;
        }
    }
    free(index->buckets);
    index->buckets = buckets;
    index->mask = size - 1;
    return 0;
}

static int insert(struct dm_index *index, struct dm_row *row, int param, uint64_t hash)
{
    struct dm_index_entry *entry;

    if (index->count > index->mask && grow(index) < 0)
        return -1;
    entry = malloc(sizeof(*entry));
    if (!entry)
        return -1;
    *entry = (struct dm_index_entry){index->buckets[hash & index->mask], row, hash, param};
    index->buckets[hash & index->mask] = entry;
    index->count++;
    return 0;
}

static bool indexed(const struct dm_row *row, int param)
{
    return (row->node->object->params[param].flags & DM_INDEXED) != 0;
}

static int add(struct dm *dm, struct dm_index *index, struct dm_row *row, int param)
{
    char scratch[DM_SCRATCH_BYTES];

    return insert(index, row, param, hash_of(dm, param, dm_get_text(row, param, scratch)));
}

/* Without memory for the index the table is scanned from now on. */
static void drop(struct dm_table *table)
{
    dm_index_free(table->index);
    table->index = NULL;
}

void dm_index_add(struct dm *dm, struct dm_table *table, struct dm_row *row, int param)
{
    if (table->index && indexed(row, param) && add(dm, table->index, row, param) < 0)
        drop(table);
}

static bool remove_from(struct dm_index *index, size_t bucket, const struct dm_row *row, int param)
{
    for (struct dm_index_entry **at = &index->buckets[bucket]; *at; at = &(*at)->next) {
        struct dm_index_entry *entry = *at;

        if (entry->row != row || entry->param != param)
            continue;
        *at = entry->next;
        free(entry);
        index->count--;
        return true;
    }
    return false;
}

void dm_index_remove(struct dm *dm, struct dm_table *table, struct dm_row *row, int param)
{
    char scratch[DM_SCRATCH_BYTES];
    struct dm_index *index = table->index;

    if (!index || !indexed(row, param))
        return;
    if (remove_from(index, hash_of(dm, param, dm_get_text(row, param, scratch)) & index->mask, row, param))
        return;
    /* A module changed a key behind our back: the entry is in the bucket of its old value. */
    for (size_t i = 0; i <= index->mask; i++)
        if (remove_from(index, i, row, param))
            return;
}

static void build(struct dm *dm, struct dm_table *table)
{
    struct dm_index *index = calloc(1, sizeof(*index));

    if (!index)
        return;
    index->buckets = calloc(FIRST_BUCKETS, sizeof(struct dm_index_entry *));
    if (!index->buckets) {
        free(index);
        return;
    }
    index->mask = FIRST_BUCKETS - 1;
    table->index = index;
    for (uint32_t i = 0; i < table->count; i++)
        for (int param = 0; param < table->node->params_count; param++)
            dm_index_add(dm, table, table->rows[i], param);
}

void dm_index_add_row(struct dm *dm, struct dm_table *table, struct dm_row *row)
{
    if (!table->index && table->count > INDEX_FROM_ROWS) {
        build(dm, table);
        return;
    }
    for (int param = 0; param < table->node->params_count; param++)
        dm_index_add(dm, table, row, param);
}

void dm_index_remove_row(struct dm *dm, struct dm_table *table, struct dm_row *row)
{
    for (int param = 0; table->index && param < table->node->params_count; param++)
        dm_index_remove(dm, table, row, param);
}

static int scan(const struct dm_table *table, int param, struct str value,
                int (*fn)(void *ctx, struct dm_row *row), void *ctx)
{
    char scratch[DM_SCRATCH_BYTES];

    for (uint32_t i = 0; i < table->count; i++) {
        if (str_equal(dm_get_text(table->rows[i], param, scratch), value)) {
            int rc = fn(ctx, table->rows[i]);

            if (rc)
                return rc;
        }
    }
    return 0;
}

int dm_rows_with(const struct dm *dm, const struct dm_row *parent, const struct dm_node *node, int param,
                 struct str value, int (*fn)(void *ctx, struct dm_row *row), void *ctx)
{
    const struct dm_table *table = parent->children[node->place].table;
    char scratch[DM_SCRATCH_BYTES];
    uint64_t hash;

    if (!table)
        return 0;
    if (!table->index || !(node->object->params[param].flags & DM_INDEXED))
        return scan(table, param, value, fn, ctx);
    hash = hash_of(dm, param, value);
    for (struct dm_index_entry *entry = table->index->buckets[hash & table->index->mask]; entry;
         entry = entry->next) {
        int rc;

        if (entry->hash != hash || entry->param != param ||
            !str_equal(dm_get_text(entry->row, param, scratch), value))
            continue;
        rc = fn(ctx, entry->row);
        if (rc)
            return rc;
    }
    return 0;
}
