/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A report: what a profile gathered, under the names it goes by, and how that is written. Items and their text are in
 * the arena they were gathered into.
 */
#ifndef BULK_REPORT_H
#define BULK_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "datamodel/access.h"
#include "datamodel/dm.h"

struct bulk_item {
    struct str name;
    struct str value;
    enum dm_type type;
    bool list;
    bool hidden;     /* another item has the same name, or lies below it */
    uint32_t number; /* in order of gathering */
};

struct bulk_items {
    struct arena *arena;
    struct bulk_item *items;
    uint32_t count;
    uint32_t cap;
    uint32_t *sorted; /* indices, by name: what lies below one object is together */
};

enum bulk_timestamp {
    BULK_UNIX_EPOCH,
    BULK_ISO_8601,
    BULK_NO_TIME,
};

/* Device.BulkData.Profile.{i}.JSONEncoding. */
enum bulk_json_format {
    BULK_OBJECT_HIERARCHY,
    BULK_NAME_VALUE_PAIR,
};

struct bulk_json {
    uint32_t format;
    uint32_t timestamp;
};

/* Device.BulkData.Profile.{i}.CSVEncoding. */
enum bulk_csv_format {
    BULK_PER_ROW,
    BULK_PER_COLUMN,
};

struct bulk_csv {
    char *field_separator;
    char *row_separator;
    char *escape;
    uint32_t format;
    uint32_t timestamp;
};

/*
 * Adds what a Reference names, under Name by R-BULK.9 and R-BULK.10 (the path itself when Name is empty), as far as
 * access allows and no path of `excluded` covers it. What is not there is no error. -1: no memory, or over a limit.
 */
struct bulk_gather {
    const struct dm *dm;
    const struct dm_access *access;
    struct bulk_items *items;
    const struct str *excluded;
    uint32_t excluded_count;
};
int bulk_gather(struct bulk_gather *gather, struct str name, struct str reference, struct error *err);
/* After all were added: sorts, and hides items whose name another has. tree: also those that have others below them. */
int bulk_items_sort(struct bulk_items *items, bool tree, struct error *err);

/* One Report instance, "{...}". */
void bulk_write_json(struct buf *out, const struct bulk_items *items, const struct bulk_json *json,
                     int64_t now);
void bulk_write_csv_header(struct buf *out, const struct bulk_items *items, const struct bulk_csv *csv);
void bulk_write_csv_rows(struct buf *out, const struct bulk_items *items, const struct bulk_csv *csv,
                         int64_t now);
/* TR-106's name of a base type (R-BULK.13). */
const char *bulk_type_name(const struct bulk_item *item);

#endif
