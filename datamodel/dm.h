/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data model engine: the tree of rows, its values, transactions, persistence and the change feed.
 *
 * Cost: a path costs what it returns. Instance numbers are found by bisection, keys through an index.
 *
 * A change goes validate, prepare, commit, apply: dm_begin() .. dm_add()/dm_set()/dm_delete() .. dm_commit() or
 * dm_rollback(). Changes are in memory at once and can be undone until the store's batch is durable; then the objects'
 * `applied` hooks run and the feed tells observers. When the batch fails, all of it is undone.
 *
 * Owned by the caller; loop's thread only.
 */
#ifndef DATAMODEL_DM_H
#define DATAMODEL_DM_H

#include "base/arena.h"
#include "base/loop.h"
#include "base/observer.h"
#include "base/store.h"
#include "datamodel/schema.h"

/* A member of an object: what a path may end in. */
enum dm_member_kind {
    DM_MEMBER_PARAM,
    DM_MEMBER_COMMAND,
    DM_MEMBER_EVENT,
};

/* A place in the supported model, made from a dm_mount when the engine starts. Read-only for all others. */
struct dm_node {
    const struct dm_object *object;
    struct dm_node *parent;
    struct str name;           /* "Subscription" */
    const char *path;          /* supported path, "Device.LocalAgent.Subscription.{i}." */
    struct dm_node **children; /* in order of declaration */
    uint16_t children_count;
    uint16_t place; /* index among the parent's children */
    uint16_t params_count, commands_count, events_count;
    struct dm_member *members; /* sorted by name */
    uint16_t members_count;
    uint32_t id; /* first of its access ids, see datamodel/access.h */
    uint32_t depth;
    uint32_t index; /* in dm_nodes() */
};

struct dm_table;

union dm_child {
    struct dm_row *single;
    struct dm_table *table;
};

/* One object instance, or a single-instance object. */
struct dm_row {
    struct dm_node *node;
    struct dm_row *parent;
    void *data;
    uint32_t instance;         /* 0 for a single-instance object */
    uint32_t flags;            /* private */
    union dm_child children[]; /* node->children_count */
};

struct dm *dm_new(const struct dm_mount *mounts, size_t count, struct loop *loop, struct store *store,
                  struct error *err);
void dm_free(struct dm *dm);

struct loop *dm_loop(const struct dm *dm);
struct store *dm_store(const struct dm *dm);
/* What `applied`, `get` and command functions need of the program; set by the wiring. */
void dm_set_ctx(struct dm *dm, void *ctx);
void *dm_ctx(const struct dm *dm);

/* ---- the tree ---- */
struct dm_row *dm_root(const struct dm *dm); /* "Device." */
size_t dm_nodes(const struct dm *dm, struct dm_node *const **ret);
uint32_t dm_access_ids(const struct dm *dm); /* how many access ids there are */
/* Another number after each change of a row in a transaction, and after each that is undone. */
uint64_t dm_generation(const struct dm *dm);
struct dm_node *dm_node_child(const struct dm_node *node, struct str name);
/* The place of a supported path ("Device.LocalAgent.Subscription.{i}." or without {i}), or NULL. */
struct dm_node *dm_node_find(const struct dm *dm, const char *path);
/* Index of the parameter, command or event, or -1. */
int dm_node_member(const struct dm_node *node, struct str name, enum dm_member_kind *ret_kind);
int dm_node_param(const struct dm_node *node, const char *name);

static inline bool dm_node_is_table(const struct dm_node *node)
{
    return (node->object->flags & DM_TABLE) != 0;
}

/* Rows of a child table in order of instance number; *ret is valid until the table changes. */
uint32_t dm_rows(const struct dm_row *parent, const struct dm_node *table, struct dm_row *const **ret);
struct dm_row *dm_row_child(const struct dm_row *row,
                            const struct dm_node *node); /* single-instance, or NULL */
struct dm_row *dm_row_instance(const struct dm_row *parent, const struct dm_node *table, uint32_t instance);
/* Rows whose indexed parameter has this value: calls fn for each until it returns non-zero. */
int dm_rows_with(const struct dm *dm, const struct dm_row *parent, const struct dm_node *table, int param,
                 struct str value, int (*fn)(void *ctx, struct dm_row *row), void *ctx);
/* The row that an instance path or reference value names ("Device.MQTT.Client.1", final dot or not), or NULL. */
struct dm_row *dm_row_find(const struct dm *dm, struct str path);
/* The row, if it is one of this object (else NULL). */
bool dm_row_present(const struct dm_row *row);

enum {
    DM_PATH_BYTES = 512,
};
/* "Device.LocalAgent.Subscription.3." terminated; returns the length (truncated never: depth is bounded). */
size_t dm_row_path(const struct dm_row *row, char to[DM_PATH_BYTES]);

/* ---- values ---- */
void dm_get(const struct dm_row *row, int param, struct dm_value *ret, char *scratch);
/* As TR-106 text; borrowed from the row or in scratch. Secrets are given: the caller decides who sees them. */
struct str dm_get_text(const struct dm_row *row, int param, char scratch[DM_SCRATCH_BYTES]);
struct str dm_value_text(const struct dm_value *value, char scratch[DM_SCRATCH_BYTES]);
/* Checks a text against a parameter's type, range, enumeration: 0, or -1 and err (7011, 7012). */
int dm_value_check(const struct dm_param *param, struct str text, struct error *err);
/* The same for an argument of a command. */
int dm_arg_check(const struct dm_arg *arg, struct str text, struct error *err);

/* ---- transactions ---- */
/* What a transaction is told about who asks. */
struct dm_requester {
    struct dm_row *controller; /* row of Device.LocalAgent.Controller, or NULL for the agent itself */
    bool factory;              /* the factory configuration: may set DM_FACTORY parameters */
};

/* Transactions nest: the inner one may be rolled back alone; the outermost commit writes to the store. */
void dm_begin(struct dm *dm, const struct dm_requester *requester);
/* Of the transaction that is open, for `check` and `save`. */
const struct dm_requester *dm_requester(const struct dm *dm);
/* -1 (only outermost): the store refused; everything since dm_begin() is undone. */
int dm_commit(struct dm *dm, struct error *err);
void dm_rollback(struct dm *dm);

/* Adds a row with its defaults; instance 0: the next free number. Finish it with dm_add_done() after its settings. */
struct dm_row *dm_add(struct dm *dm, struct dm_row *parent, struct dm_node *table, uint32_t instance,
                      struct error *err);
/* Checks required parameters, keys (generating what was not set, R-ADD.5) and the object's own rules. */
int dm_add_done(struct dm *dm, struct dm_row *row, struct error *err);
int dm_set(struct dm *dm, struct dm_row *row, int param, struct str text, struct error *err);
/* After the settings of one row: uniqueness of keys and the object's own rules. */
int dm_set_done(struct dm *dm, struct dm_row *row, struct error *err);
/* Deletes the row, all below it, and what strongly refers to it is cleared (R-ARC.12). */
int dm_delete(struct dm *dm, struct dm_row *row, struct error *err);
/* Makes everything that was committed durable and applied now. */
int dm_flush(struct dm *dm, struct error *err);
/* True while committed changes wait for the store. */
bool dm_pending(const struct dm *dm);

/* ---- rows that modules own ---- */
/* A row for the module's struct: appears at once, with ObjectCreation on the feed. instance 0: next. NULL: no memory. */
struct dm_row *dm_attach(struct dm *dm, struct dm_row *parent, struct dm_node *table, uint32_t instance,
                         void *data);
/* The opposite, ObjectDeletion included; rows below go with it. */
void dm_detach(struct dm *dm, struct dm_row *row);
/* The module gives a single-instance object its struct (its rows below too, if they have none of their own). */
void dm_bind(struct dm_row *row, void *data);
/* The module changed a value: ValueChange on the feed. */
void dm_changed(struct dm *dm, struct dm_row *row, int param);

/* ---- the feed ---- */
enum dm_feed_type {
    DM_FEED_VALUE,    /* row, param */
    DM_FEED_CREATED,  /* row */
    DM_FEED_DELETED,  /* row: still readable */
    DM_FEED_EVENT,    /* row, event, args */
    DM_FEED_COMPLETE, /* an operation ended: call */
};

struct dm_pair {
    const char *name;
    const char *value;
};

struct dm_feed {
    enum dm_feed_type type;
    struct dm_row *row;
    int member; /* index of the parameter or event in the row's object */
    const struct dm_pair *args;
    size_t args_count;
    const struct dm_call *call;
    const struct error *err; /* DM_FEED_COMPLETE: why it failed, or NULL */
};

struct observers *dm_observers(struct dm *dm);
/* Raises an event of the row's object. */
void dm_raise(struct dm *dm, struct dm_row *row, const char *event, const struct dm_pair *args, size_t count);

/* ---- commands ---- */
/*
 * One execution. For a sync command it lives on the caller's stack; for an async one on the heap, from run() until
 * dm_call_complete() returns. Inputs and outputs are in its arena.
 */
struct dm_call {
    struct dm *dm;
    struct dm_row *row; /* the object that the command is of; NULL once that was deleted */
    const struct dm_command *command;
    struct arena arena;
    const char *originator; /* Endpoint ID of who asked, "" for the agent itself */
    const char *command_key;
    const char *path; /* executed command in full: "Device.DeviceInfo.FirmwareImage.1.Download()" */
    uint32_t request; /* instance of Device.LocalAgent.Request., 0 for sync */
    struct dm_pair *inputs;
    size_t inputs_count;
    struct dm_pair *outputs;
    size_t outputs_count;
    void *state; /* of the command's module */
    void *ctx;   /* of who runs the call */
    void (*complete)(struct dm_call *call, const struct error *err);
};

/* The input's value, its declared default, or NULL. */
const char *dm_call_input(const struct dm_call *call, const char *name);
bool dm_call_input_bool(const struct dm_call *call, const char *name);
uint64_t dm_call_input_number(const struct dm_call *call, const char *name);
/* Copies both; -1 when memory is out. */
int dm_call_output(struct dm_call *call, const char *name, const char *value);
/* Ends an async call, exactly once: err NULL for success. The call is gone afterwards. */
void dm_call_complete(struct dm_call *call, const struct error *err);

/* ---- persistence ---- */
/* Rows from the store; unknown or bad entries are skipped and counted. 0, or -1 when the store cannot be read. */
int dm_load(struct dm *dm, uint32_t *ret_skipped, struct error *err);
/* True when the store holds no row at all: the factory configuration is due. */
bool dm_store_empty(struct dm *dm);
/* Reads a factory file (homepatch-factory.conf(5)) into the tree, in one transaction. err->path is file:line. */
int dm_load_factory(struct dm *dm, const char *file, struct error *err);

#endif
