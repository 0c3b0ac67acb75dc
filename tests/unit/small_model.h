/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small data model for tests of the engine: every type, flag and hook once, in a table "Device.Thing.{i}." with rows
 * and objects below it. What hooks and the feed tell is written down, one line each. The caller owns the struct; one at
 * a time (the hooks have no context of their own).
 */
#ifndef TESTS_UNIT_SMALL_MODEL_H
#define TESTS_UNIT_SMALL_MODEL_H

#include "datamodel/path.h"

enum {
    SMALL_LOG_BYTES = 16384,
    SMALL_TIME = 1700000000, /* the clock's, at the start */
};

struct thing {
    char *alias, *name, *tags, *secret, *code, *hex, *base64, *ref, *refs, *weak, *note, *title;
    bool enable, flag;
    int32_t integer;
    uint32_t number, kind, rank;
    int64_t longer, when, size;
    uint64_t wide;
};

struct small_model {
    struct loop loop;
    struct limits limits; /* of the loop */
    struct store *store;
    struct dm *dm;
    struct observer observer;
    char log[SMALL_LOG_BYTES];
    char text[512]; /* of small_get() */
};

extern const struct dm_object small_device, small_box, small_thing, small_inside, small_part, small_owned;
/* Device. Box. Thing.{i}. Thing.{i}.Inside. Thing.{i}.Part.{i}. Owned.{i}. */
extern const struct dm_mount small_mounts[];
extern const size_t small_mounts_count;
/* Where the hooks write; small_model_init() sets it. */
extern char *small_log;

/* path: of the store, ":memory:" for none. Nothing is loaded. */
void small_model_init(struct small_model *model, const char *path);
void small_model_done(struct small_model *model);
/* Ends the iteration: what was committed becomes durable, and hooks and feed follow. */
void small_turn(struct small_model *model);

/* A row of Device.Thing. with this name (NULL: none), committed. 0 for the next instance. */
struct dm_row *small_thing_add(struct small_model *model, uint32_t instance, const char *name);
/* In a transaction of its own; "Device.Thing.1.Name". 0, or the error's code. */
uint32_t small_set(struct small_model *model, const char *path, const char *value);
uint32_t small_delete(struct small_model *model, const char *path);
/* The value, or "#7026" for an error, "" for nothing found, "a|b" for more than one. */
const char *small_get(struct small_model *model, const char *path);
/* Paths of all that is found, joined by blanks; or "#7026". */
const char *small_find(struct small_model *model, const char *path, const struct dm_access *access);

/* All rows and values as text; free() it. */
char *small_dump(const struct dm *dm);
/* Fails the test when the index of a table finds other rows than a scan. */
void small_check_index(const struct dm *dm);
/* What the hooks said, and forgets it. */
const char *small_said(struct small_model *model);

#endif
