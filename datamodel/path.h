/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path names (TR-106, "Path Name Syntax"; R-ARC.7): parsing, and resolving against the tree.
 *
 *   Device.LocalAgent.Subscription.3.Enable              instance number
 *   Device.LocalAgent.Subscription.[ID=="x"].            unique key or any search expression, joined by &&
 *   Device.LocalAgent.Subscription.*.ID                  wildcard
 *   Device.LocalAgent.Subscription.3.Recipient+.Enable   reference followed (# and an index, or #*, for lists)
 *
 * An object path may be written with or without its final dot.
 */
#ifndef DATAMODEL_PATH_H
#define DATAMODEL_PATH_H

#include "base/arena.h"
#include "base/limits.h"
#include "datamodel/access.h"
#include "datamodel/dm.h"

enum dm_segment_kind {
    DM_SEGMENT_NAME,
    DM_SEGMENT_INSTANCE,
    DM_SEGMENT_WILDCARD,
    DM_SEGMENT_EXPRESSION,
    DM_SEGMENT_PLACEHOLDER, /* {i} */
};

enum dm_operator {
    DM_EQUAL,
    DM_NOT_EQUAL,
    DM_LESS,
    DM_LESS_EQUAL,
    DM_GREATER,
    DM_GREATER_EQUAL,
    DM_CONTAINS, /* ~= */
};

struct dm_term {
    struct dm_path *left; /* relative to the row */
    enum dm_operator op;
    struct str right; /* unquoted, unescaped */
    bool quoted;
};

enum {
    DM_FOLLOW_NONE = -2, /* not followed */
    DM_FOLLOW_ALL = -1,  /* #* */
    /* 0: +, else #n */
};

struct dm_segment {
    enum dm_segment_kind kind;
    int follow;
    struct str name;
    uint32_t instance;
    struct dm_term *terms;
    uint32_t terms_count;
};

struct dm_path {
    struct dm_segment *segments;
    uint32_t count;
    bool final_dot;
    bool search; /* a wildcard or an expression is in it: matching nothing is no error */
};

/* The next path name of a comma-separated list; a comma in a search expression separates nothing. As str_next(). */
bool dm_path_next(struct str *rest, struct str *ret_path);

/* Parses into the arena. 0, or -1 and err (7008, or 7005 over a limit). */
int dm_path_parse(struct arena *arena, struct str text, struct dm_path *ret, struct error *err);

/* What a path resolved to. */
enum dm_target_kind {
    DM_TARGET_ROW,   /* an object: row */
    DM_TARGET_TABLE, /* a table without an instance: row is its parent */
    DM_TARGET_PARAM,
    DM_TARGET_COMMAND,
    DM_TARGET_EVENT,
};

struct dm_target {
    enum dm_target_kind kind;
    struct dm_node *node; /* of the object (the table's for DM_TARGET_TABLE) */
    struct dm_row *row;
    int member; /* index for the last three */
};

struct dm_resolver {
    const struct dm *dm;
    struct arena *arena;
    const struct dm_access
        *access; /* what cannot be read is not there (R-GET.1, R-GIN.0); NULL: everything */
    int (*found)(void *ctx, const struct dm_target *target); /* non-zero stops and is returned */
    void *ctx;
    /* Result: the path is in the supported model, but an instance that it names by number does not exist. */
    bool missing_instance;
    unsigned hops; /* private */
};

/*
 * Calls found for everything that the path names, in order of the tree. 0; -1 and err (7008 syntax, 7026 not in the
 * supported model or an instance that does not exist); or what found returned.
 */
int dm_resolve(struct dm_resolver *resolver, struct str path, struct error *err);
int dm_resolve_path(struct dm_resolver *resolver, const struct dm_path *path, struct error *err);

/*
 * True when the object part of the path names this row or one above it. A member at the end of the path (a parameter,
 * command or event) is left to the caller, and then the object must be the row itself. Paths that follow references
 * cover nothing.
 */
bool dm_path_covers(const struct dm *dm, struct arena *arena, const struct dm_path *path,
                    const struct dm_row *row);

/* Against the supported model only: instance parts are skipped. member is -1 for an object. 0, or -1 and err. */
int dm_resolve_supported(const struct dm *dm, struct arena *arena, struct str path, struct dm_target *ret,
                         struct error *err);

#endif
