/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a part of the data model is declared: const tables with designated initialisers, one file per Device:2 object in
 * datamodel/device/. Everything else (GetSupportedDM, validation, access control, persistence, documents) is read from
 * these tables. A declaration says what TR-181 says; a test compares it with the standard.
 *
 * A row's values live in a C struct, the row's data: the module's own, or one that the engine allocates (data_size).
 * A parameter names the member by its offset, or a function that computes the value; there is no second copy.
 */
#ifndef DATAMODEL_SCHEMA_H
#define DATAMODEL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct dm;
struct dm_row;
struct dm_call;

/* The type of a parameter, and of the struct member at its offset. */
enum dm_type {
    DM_STRING,        /* char *, malloc'ed, NULL is "" */
    DM_BOOLEAN,       /* bool */
    DM_INT,           /* int32_t */
    DM_UNSIGNED_INT,  /* uint32_t */
    DM_LONG,          /* int64_t */
    DM_UNSIGNED_LONG, /* uint64_t */
    DM_DATE_TIME,     /* int64_t, s since 1970, 0 unknown */
    DM_BASE64,        /* char *, the encoded text */
    DM_HEX_BINARY,    /* char *, the encoded text */
    DM_ENUM,          /* uint32_t or an enum: an index into `values`; a string on the wire */
};

enum dm_param_flags {
    DM_WRITABLE = 1 << 0,
    DM_AT_CREATION = 1 << 1, /* writable when its row is added, never after (non-functional keys, R-KEY.1) */
    DM_SECRET = 1 << 2,      /* TR-106 "secured": reads as "" but for a secured role, "***" in logs */
    DM_INDEXED = 1 << 3,     /* equality in a search expression uses an index; every key set needs one such */
    DM_LIST = 1 << 4,        /* comma-separated list of `type` */
    DM_STRONG_REF = 1 << 5,  /* value is the path of a row of `refers` (R-ARC.12) */
    DM_WEAK_REF = 1 << 6,
    DM_ALIAS = 1 << 7,     /* TR-106 Alias: "cpe-<instance>" while nobody chose another */
    DM_NO_NOTIFY = 1 << 8, /* ValueChange is not raised (TR-181 canDeny): GetSupportedDM says WILL_IGNORE */
    DM_FACTORY =
        1 << 9, /* read-only for controllers, but set by the factory configuration and kept in the store */
    DM_STATE = 1 << 10,    /* read-only for controllers, but part of the row that is kept in the store */
    DM_VOLATILE = 1 << 11, /* writable, but not kept in the store */
};

/* One value, typed. Text is borrowed from the row (or from `scratch` of the caller) and lives as long as that. */
struct dm_value {
    enum dm_type type;
    union {
        bool boolean;
        int64_t integer; /* DM_INT, DM_LONG, DM_DATE_TIME */
        uint64_t number; /* DM_UNSIGNED_INT, DM_UNSIGNED_LONG */
        struct str text; /* the others, DM_ENUM included */
    };
};

enum {
    DM_SCRATCH_BYTES = 64, /* room for a number or a time as text */
};

struct dm_param {
    const char *name;
    enum dm_type type;
    uint16_t flags;
    uint16_t offset; /* of the member in the row's data; unused when `get` or `count_of` is set */
    /* Range of a number, or of the length of a text; both 0: no limit. */
    int64_t min;
    int64_t max;
    const char *const
        *values; /* NULL-terminated: the enumeration; for a DM_STRING with DM_LIST, of its items */
    const char *default_value; /* TR-106 text; NULL: zero or "" */
    const char *refers;   /* object path of the rows that a reference names, e.g. "Device.MQTT.Client." */
    const char *count_of; /* the value is the number of rows of this child table, e.g. "Subscription" */
    /* Computes the value. Text may be put into scratch (DM_SCRATCH_BYTES) or borrowed from the row's data. */
    void (*get)(const struct dm_row *row, struct dm_value *ret, char *scratch);
    /* Further rules of one value, e.g. a pattern: 0, or -1 and err. */
    int (*check)(const struct dm_row *row, struct str value, struct error *err);
};

/* An input or output argument of a command, or an argument of an event. */
struct dm_arg {
    const char *name; /* "DelaySeconds", "TimeWindow.{i}.Start" */
    enum dm_type type;
    bool required; /* mandatory input: its absence is 7027 (R-OPR.5) */
    int64_t min;
    int64_t max;
    const char *const *values;
    const char *default_value; /* R-OPR.7 */
};

struct dm_command {
    const char *name; /* with parentheses: "Reboot()" */
    bool async;
    const struct dm_arg *inputs; /* ended by a NULL name, or NULL */
    const struct dm_arg *outputs;
    /*
     * Starts the command; arguments are validated before. Sync: results are in the call when it returns; -1 and err is
     * a command failure. Async: -1 refuses it; 0 means that dm_call_complete() is called once, then or later.
     */
    int (*run)(struct dm_call *call, struct error *err);
    /* Async: cancels (Request.{i}.Cancel()); -1 and err when it is too late. On 0 dm_call_complete() still follows.
     * NULL: cannot be cancelled. */
    int (*cancel)(struct dm_call *call, struct error *err);
    /* Async: the program ends while the command runs: let go of the call. May be NULL. */
    void (*forget)(struct dm_call *call);
};

struct dm_event_type {
    const char *name; /* with the exclamation mark: "Boot!" */
    const struct dm_arg *args;
};

/* A set of parameters that together are unique in a table. */
struct dm_key {
    const char *params[4]; /* NULL-terminated */
};

enum dm_change_kind {
    DM_ROW_ADDED,
    DM_ROW_CHANGED,
    DM_ROW_DELETED,
};

enum dm_object_flags {
    DM_TABLE = 1 << 0,  /* multi-instance */
    DM_ADD = 1 << 1,    /* controllers may add rows */
    DM_DELETE = 1 << 2, /* controllers may delete rows */
};

struct dm_object {
    uint16_t flags;
    size_t data_size;                  /* of the data that the engine allocates per row; 0: see `dm_attach` */
    const struct dm_param *params;     /* ended by a NULL name, or NULL */
    const struct dm_command *commands; /* ended by a NULL name, or NULL */
    const struct dm_event_type *events; /* ended by a NULL name, or NULL */
    const struct dm_key *keys;          /* ended by an empty set, or NULL */
    uint32_t max_rows;                  /* at most limit_table_rows; 0: see the next */
    size_t rows_limit;                  /* LIMITS_OFFSET() of what the configuration says instead */

    /* A new row has its defaults; requester is the controller's row or NULL. Fill what depends on them. */
    int (*init)(struct dm *dm, struct dm_row *row, struct dm_row *requester, struct error *err);
    /* All settings of one change are in the row: cross-checks. -1 takes them back. */
    int (*check)(struct dm *dm, struct dm_row *row, struct error *err);
    /* The row is about to be deleted by a controller: -1 refuses. */
    int (*check_delete)(struct dm *dm, struct dm_row *row, struct error *err);
    /* The change is durable: act on it. Cannot fail. params: bit n for the n-th parameter (DM_ROW_CHANGED). */
    void (*applied)(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t params);
    /* Rows of which only some survive a restart (Subscription.Persistent). NULL: all do. */
    bool (*persistent)(const struct dm_row *row);
    /* Rows that their module stores itself: writes the row into the open batch instead of the engine. */
    int (*save)(struct dm *dm, struct dm_row *row, struct error *err);
    /* Single-instance objects of which TR-181 says 0..1: whether it is there now. NULL: always. */
    bool (*present)(const struct dm_row *row);
    /* Frees what the data holds besides the members that parameters declare. */
    void (*done)(struct dm_row *row);
};

/* Where an object is in the tree. The same declaration may stand in several places. */
struct dm_mount {
    const char *path; /* supported path: "Device.LocalAgent.Subscription.{i}." */
    const struct dm_object *object;
};

#define DM_OFFSET(type, member) (uint16_t) offsetof(type, member)
#define DM_END_PARAMS \
    {                 \
        .name = NULL  \
    }

#endif
