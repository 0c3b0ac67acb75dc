/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the engine share and nobody else includes. */
#ifndef DATAMODEL_INTERNAL_H
#define DATAMODEL_INTERNAL_H

#include "base/limits.h"
#include "datamodel/dm.h"

enum {
    ROW_OWNS_DATA = 1 << 0,
    ROW_NEW = 1 << 1,      /* added in the open batch: no ValueChange */
    ROW_DELETED = 1 << 2,  /* unlinked; memory stays until the batch ends */
    ROW_DIRTY = 1 << 3,    /* to be written at commit */
    ROW_STORED = 1 << 4,   /* the store has a record of it */
    ROW_EXTERNAL = 1 << 5, /* attached by a module */
    ROW_ADDING = 1 << 7,   /* until dm_add_done(): DM_AT_CREATION parameters may be set (R-KEY.1) */
    ROW_SHARES_DATA = 1
                      << 6, /* a single-instance object whose members lie in the data that its parent owns */
};

struct dm_member {
    struct str name;
    enum dm_member_kind kind;
    int index;
};

struct dm_index;

struct dm_table {
    struct dm_node *node;
    struct dm_row *parent;
    struct dm_row **rows; /* by instance */
    uint32_t count;
    uint32_t cap;
    uint32_t next_instance;
    bool next_dirty;
    struct dm_index *index; /* NULL while the table is small */
};

enum change_kind {
    CHANGE_ADDED,
    CHANGE_SET,
    CHANGE_DELETED,
};

/* What the member at a parameter's offset held before. */
union dm_field {
    char *text; /* owned by the change */
    uint64_t bits;
};

struct dm_change {
    enum change_kind kind;
    struct dm_row *row;
    int param;
    bool loaded; /* from the store: no feed */
    union dm_field old;
};

enum {
    DM_NESTING = 4,
};

struct dm {
    struct loop *loop;
    const struct limits *limits;
    struct store *store;
    void *ctx;
    struct dm_node **nodes; /* parents before children */
    size_t nodes_count;
    uint32_t access_ids;
    struct dm_row *root;
    struct observers observers;
    uint64_t seed[2];
    struct dm_requester requester;
    struct dm_change *changes; /* of the open batch, oldest first */
    size_t changes_count;
    size_t changes_cap;
    size_t marks[DM_NESTING];
    uint64_t generation;
    unsigned depth;
    bool waiting; /* the batch's end will be told */
    bool failed;  /* a change could not be recorded: the transaction must be rolled back */
    struct store_waiter waiter;
    struct deferred finish;
    struct arena scratch;
};

/* node.c */
int dm_nodes_build(struct dm *dm, const struct dm_mount *mounts, size_t count, struct error *err);
void dm_nodes_free(struct dm *dm);

/* row.c */
struct dm_row *dm_row_new(struct dm_row *parent, struct dm_node *node, uint32_t instance, void *data);
void dm_row_free(struct dm_row *row);
struct dm_table *dm_table_of(struct dm_row *parent, const struct dm_node *node);
int dm_table_link(struct dm *dm, struct dm_row *row);
void dm_table_unlink(struct dm *dm, struct dm_row *row);
/* Rows below first (post-order); `row` itself last. */
void dm_row_each_below(struct dm_row *row, void (*fn)(void *ctx, struct dm_row *row), void *ctx);
/* The row first (pre-order). */
void dm_row_each(struct dm_row *row, void (*fn)(void *ctx, struct dm_row *row), void *ctx);

/* index.c */
void dm_index_add(struct dm *dm, struct dm_table *table, struct dm_row *row, int param);
void dm_index_remove(struct dm *dm, struct dm_table *table, struct dm_row *row, int param);
void dm_index_add_row(struct dm *dm, struct dm_table *table, struct dm_row *row);
void dm_index_remove_row(struct dm *dm, struct dm_table *table, struct dm_row *row);
void dm_index_free(struct dm_index *index);

/* value.c */
void *dm_field_at(const struct dm_row *row, const struct dm_param *param);
bool dm_type_is_text(enum dm_type type);
/* Parses a checked text into the member; the old content goes to *old. -1: memory. */
int dm_field_set(struct dm_row *row, const struct dm_param *param, struct str text, union dm_field *old,
                 struct error *err);
void dm_field_swap(struct dm_row *row, const struct dm_param *param, union dm_field *old);
int dm_field_defaults(struct dm_row *row, struct error *err);
void dm_field_free(struct dm_row *row);
/* Checks a reference and gives the form to keep (instance numbers, no final dot) in the arena. */
int dm_reference_check(struct dm *dm, const struct dm_param *param, struct str text, struct str *ret,
                       struct error *err);

/* keys.c */
int dm_keys_check(struct dm *dm, struct dm_row *row, struct error *err);
int dm_keys_generate(struct dm *dm, struct dm_row *row, struct error *err);
int dm_references_clear(struct dm *dm, struct dm_row *deleted, struct error *err);

/* tx.c */
int dm_change_push(struct dm *dm, const struct dm_change *change);
int dm_set_field(struct dm *dm, struct dm_row *row, int param, struct str text, struct error *err);
void dm_row_dirty(struct dm_row *row);
void dm_schedule(struct dm *dm);

/* persist.c */
int dm_save_changes(struct dm *dm, size_t from, struct error *err);
bool dm_param_stored(const struct dm_param *param);
bool dm_row_stored(const struct dm_row *row);

#endif
