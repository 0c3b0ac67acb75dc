/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.X_..._Releases.: whose signatures over firmware count, and what each vendor's devices need. Anchors are rows: those
 * that controllers add, and one for each file of release_anchors_dir. Every change makes a new set (release/anchor.h) for
 * the firmware manager.
 *
 * A file's trust is the file's: its row shows it, and a controller cannot change or delete it. What a controller can is to
 * take trust away (Revoked), because that must not wait for whoever writes files. It cannot bring back what a file revokes, nor
 * a file what it revokes: when the file goes, a row that was revoked stays and is the controllers' from then on.
 */
#include "config.h"

#include "datamodel/device/releases.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/log.h"
#include "datamodel/device/model.h"
#include "firmware/firmware.h"
#include "release/anchor.h"

struct releases {
    uint32_t required; /* enum firmware_signatures */
    uint32_t battery_percent;
    const struct clock *clock; /* NULL: nobody has been trusted yet */
};

struct vendor {
    char *alias;
    char *name;
    char *domain;
    uint32_t required;
    uint32_t battery_percent;
};

enum role {
    ROLE_MANUFACTURER,
    ROLE_OPERATOR,
};

/* What a row came to in the set that is in force. */
enum standing {
    STANDING_TAKEN,
    STANDING_REVOKED, /* it, or another with its key */
    STANDING_DUPLICATE,
    STANDING_ERROR,
};

struct anchor_row {
    char *alias;
    char *name;
    char *vendor;
    char *key; /* PEM */
    char *key_id;
    uint32_t role;
    int64_t not_before;
    int64_t not_after;
    bool enable;
    bool revoked;
    char *file; /* NULL: a controller's row */
    bool revoked_by_file;
    enum standing standing;
};

static const char *const signatures[] = {
    "None", "Checksum", "Any", "Manufacturer", "Operator", "ManufacturerAndOperator", NULL};
static const char *const statuses[] = {"Valid",   "Disabled",  "NotYetValid", "Expired",
                                       "Revoked", "Duplicate", "Error",       NULL};
static const char *const roles[] = {"Manufacturer", "Operator", NULL};

/* ---- the set ---- */

static struct dm_row *releases_of(const struct dm *dm)
{
    return dm_row_child(dm_root(dm), dm_node_child(dm_root(dm)->node, STR(VENDOR_PREFIX "Releases")));
}

static uint32_t rows_of(const struct dm *dm, const char *table, struct dm_row *const **ret)
{
    struct dm_row *releases = releases_of(dm);

    return dm_rows(releases, dm_node_child(releases->node, str_of(table)), ret);
}

/* Whoever has the model in a test has not this part of it. */
static bool has_releases(const struct dm *dm)
{
    return dm_node_child(dm_root(dm)->node, STR(VENDOR_PREFIX "Releases")) != NULL;
}

static int add_row(struct anchors *anchors, const struct anchor_row *row, struct error *err)
{
    struct anchor anchor = {.role = row->role == ROLE_OPERATOR ? RELEASE_OPERATOR : RELEASE_MANUFACTURER,
                            .not_before = row->not_before,
                            .not_after = row->not_after,
                            .revoked = row->revoked,
                            .disabled = !row->enable};

    str_copy(anchor.name, sizeof(anchor.name), row->name && *row->name ? row->name : row->alias);
    str_copy(anchor.vendor, sizeof(anchor.vendor), row->vendor ? row->vendor : "");
    return anchors_add(anchors, &anchor, str_of(row->key ? row->key : ""), err);
}

static int give(struct dm *dm, struct anchors *anchors, struct error *err)
{
    const struct releases *releases = releases_of(dm)->data;
    struct firmware_trust trust = {.anchors = anchors,
                                   .required = (enum firmware_signatures)releases->required,
                                   .battery_percent = (uint8_t)releases->battery_percent,
                                   .untagged = model_of(dm)->untagged_releases};
    struct firmware_vendor *vendors;
    struct dm_row *const *rows;
    uint32_t count = rows_of(dm, "Vendor", &rows);
    int result;

    vendors = calloc(count + 1, sizeof(*vendors));
    if (!vendors)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const struct vendor *vendor = rows[i]->data;

        vendors[i] = (struct firmware_vendor){.name = vendor->name ? vendor->name : "",
                                              .domain = vendor->domain ? vendor->domain : "",
                                              .required = (enum firmware_signatures)vendor->required,
                                              .battery_percent = (uint8_t)vendor->battery_percent};
    }
    trust.vendors = vendors;
    trust.vendors_count = count;
    result = firmware_set_trust(model_of(dm)->firmware, &trust, err);
    free(vendors);
    return result;
}

static bool is_of_file(const struct anchor_row *row)
{
    return row->file && *row->file;
}

/* The key of a row, or NULL: it has none yet. */
static const uint8_t *id_of(const struct anchor_row *row, uint8_t id[ANCHOR_ID_BYTES])
{
    return row->key_id && str_from_hex(str_of(row->key_id), id, ANCHOR_ID_BYTES) == ANCHOR_ID_BYTES ? id
                                                                                                    : NULL;
}

/* A controller's row becomes an anchor; of a file's row only its revocation counts, the rest is the file's. */
static void take_row(struct anchors *anchors, struct anchor_row *row)
{
    uint8_t id[ANCHOR_ID_BYTES];
    struct error why;

    row->standing = STANDING_TAKEN;
    if (is_of_file(row) && !row->revoked)
        return;
    if (is_of_file(row) && id_of(row, id) && anchors_revoke(anchors, id))
        return; /* else the file is gone, and whoever else has the key */
    if (add_row(anchors, row, &why) < 0) {
        row->standing = why.code == ERROR_VALUE_CONFLICT ? STANDING_DUPLICATE : STANDING_ERROR;
        log_failure(LOG_LEVEL_ERROR, "a trust anchor does not count", &why);
    }
}

static void note_revoked(const struct anchors *anchors, struct anchor_row *row)
{
    uint8_t id[ANCHOR_ID_BYTES];

    if (!id_of(row, id))
        return;
    for (unsigned i = 0; i < anchors->count; i++)
        if (anchors->list[i].revoked && memcmp(anchors->list[i].id, id, sizeof(id)) == 0)
            row->standing = STANDING_REVOKED;
}

int model_trust_releases(struct dm *dm, struct error *err)
{
    struct anchors *anchors;
    struct dm_row *const *rows;
    uint32_t count;
    int result;

    if (!has_releases(dm) || !model_of(dm)->firmware)
        return 0;
    anchors = anchors_new();
    if (!anchors)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    result = anchors_copy(anchors, model_of(dm)->release_anchors, err);
    count = rows_of(dm, "Anchor", &rows);
    for (uint32_t i = 0; i < count; i++)
        take_row(anchors, rows[i]->data);
    for (uint32_t i = 0; i < count; i++)
        note_revoked(anchors, rows[i]->data);
    if (result == 0)
        result = give(dm, anchors, err);
    ((struct releases *)releases_of(dm)->data)->clock = &dm_loop(dm)->clock;
    anchors_unref(anchors);
    return result;
}

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    struct error err;

    (void)row;
    (void)kind;
    (void)changed;
    if (model_trust_releases(dm, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the trust in releases stays as it was", &err);
}

/* ---- rows of anchors ---- */

static const struct anchor *anchor_of_file(const struct anchors *anchors, const char *file)
{
    for (unsigned i = 0; anchors && i < anchors->count; i++)
        if (anchors->list[i].file && strcmp(anchors->list[i].file, file) == 0)
            return &anchors->list[i];
    return NULL;
}

static bool says_what_file_says(const struct anchor_row *row, const struct anchor *anchor)
{
    return anchor && strcmp(row->name ? row->name : "", anchor->name) == 0 &&
           strcmp(row->vendor ? row->vendor : "", anchor->vendor) == 0 && row->enable &&
           row->not_before == anchor->not_before && row->not_after == anchor->not_after &&
           (row->role == ROLE_OPERATOR) == (anchor->role == RELEASE_OPERATOR);
}

/* A controller may revoke a file's anchor, and give the row another Alias. */
static int check_of_file(const struct dm *dm, const struct anchor_row *row, struct error *err)
{
    if (says_what_file_says(row, anchor_of_file(model_of(dm)->release_anchors, row->file)))
        return 0;
    return error_set(
        err, ERROR_PARAMETER_READ_ONLY, NULL,
        "the anchor is the file %.150s: change that, and reload; only Revoked and Alias are set here",
        row->file);
}

/* What one of the other rows says already. */
static int check_twins(const struct dm *dm, const struct dm_row *row, struct error *err)
{
    const struct anchor_row *anchor = row->data;
    struct dm_row *const *rows;
    uint32_t count = rows_of(dm, "Anchor", &rows);

    if (count > LIMIT_ANCHORS)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "there are %u trust anchors already, with those from files", LIMIT_ANCHORS);
    for (uint32_t i = 0; i < count; i++) {
        const struct anchor_row *other = rows[i]->data;

        if (rows[i] != row && !anchor->revoked && other->role == anchor->role && other->key_id &&
            strcmp(other->key_id, anchor->key_id) == 0 &&
            strcasecmp(other->vendor ? other->vendor : "", anchor->vendor ? anchor->vendor : "") == 0)
            return error_set(
                err, ERROR_UNIQUE_KEY_CONFLICT, NULL,
                "this key is an anchor already, in this role and for this vendor: row %u%s%.120s",
                rows[i]->instance, is_of_file(other) ? ", the file " : "",
                is_of_file(other) ? other->file : "");
    }
    return 0;
}

static int check_anchor(struct dm *dm, struct dm_row *row, struct error *err)
{
    struct anchor_row *anchor = row->data;
    struct anchors *alone;
    char hex[2 * ANCHOR_ID_BYTES + 1];
    int result;

    if (is_of_file(anchor) && dm_requester(dm)->controller)
        return check_of_file(dm, anchor, err);
    alone = anchors_new();
    if (!alone)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    result = add_row(alone, anchor, err);
    if (result == 0) {
        str_to_hex(hex, alone->list[0].id, ANCHOR_ID_BYTES);
        result = str_replace(&anchor->key_id, hex);
    }
    anchors_unref(alone);
    if (result == 0 && dm_requester(dm)->controller)
        result = check_twins(dm, row, err);
    return result;
}

static int check_anchor_delete(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct anchor_row *anchor = row->data;

    if (!is_of_file(anchor) || !dm_requester(dm)->controller)
        return 0;
    return error_set(err, ERROR_OBJECT_NOT_DELETABLE, NULL,
                     "the anchor is the file %.120s: remove that, and reload; Revoked ends its trust at once",
                     anchor->file);
}

static void get_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    static const unsigned of_standing[] = {0, 4, 5, 6};
    const struct anchor_row *anchor = row->data;
    const struct releases *releases = row->parent->data;
    int64_t now = releases->clock ? clock_wall(releases->clock) : 0;
    unsigned status = of_standing[anchor->standing];

    (void)scratch;
    if (!status && !anchor->enable)
        status = 1;
    else if (!status && anchor->not_before && now < anchor->not_before)
        status = 2;
    else if (!status && anchor->not_after && now > anchor->not_after)
        status = 3;
    ret->text = str_of(statuses[status]);
}

/* ---- rows of files ---- */

static int put(struct dm *dm, struct dm_row *row, const char *name, struct str text, struct error *err)
{
    return dm_set(dm, row, dm_node_param(row->node, name), text, err);
}

static int put_time(struct dm *dm, struct dm_row *row, const char *name, int64_t time, struct error *err)
{
    const struct dm_value value = {.type = DM_DATE_TIME, .integer = time};
    char scratch[DM_SCRATCH_BYTES];

    return put(dm, row, name, dm_value_text(&value, scratch), err);
}

static int put_file(struct dm *dm, struct dm_row *row, const struct anchor *anchor, struct error *err)
{
    if (put(dm, row, "Name", str_of(anchor->name), err) < 0 ||
        put(dm, row, "Vendor", str_of(anchor->vendor), err) < 0 ||
        put(dm, row, "Role",
            str_of(roles[anchor->role == RELEASE_OPERATOR ? ROLE_OPERATOR : ROLE_MANUFACTURER]), err) < 0 ||
        put(dm, row, "RevokedByFile", anchor->revoked ? STR("true") : STR("false"), err) < 0 ||
        put_time(dm, row, "NotBefore", anchor->not_before, err) < 0)
        return -1;
    return put_time(dm, row, "NotAfter", anchor->not_after, err);
}

static int add_file(struct dm *dm, const struct anchor *anchor, struct error *err)
{
    struct dm_row *releases = releases_of(dm);
    struct dm_row *row = dm_add(dm, releases, dm_node_child(releases->node, STR("Anchor")), 0, err);
    struct buf pem;
    int result = -1;

    buf_init(&pem, ANCHOR_PEM_BYTES, 0);
    if (row && anchor_write(anchor, &pem) < 0)
        error_set(err, ERROR_RESOURCES_EXCEEDED, anchor->file, "no memory for the row of the trust anchor");
    else if (row && put(dm, row, "File", str_of(anchor->file), err) == 0 &&
             put(dm, row, "Key", (struct str){(const char *)buf_data(&pem), pem.len}, err) == 0 &&
             put_file(dm, row, anchor, err) == 0)
        result = dm_add_done(dm, row, err);
    buf_done(&pem);
    return result;
}

/* The row of this file with this key, or NULL. */
static struct dm_row *row_of_file(const struct dm *dm, const struct anchor *anchor)
{
    struct dm_row *const *rows;
    uint32_t count = rows_of(dm, "Anchor", &rows);
    char hex[2 * ANCHOR_ID_BYTES + 1];

    str_to_hex(hex, anchor->id, ANCHOR_ID_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        const struct anchor_row *row = rows[i]->data;

        if (is_of_file(row) && strcmp(row->file, anchor->file) == 0 && row->key_id &&
            strcmp(row->key_id, hex) == 0)
            return rows[i];
    }
    return NULL;
}

/* A row whose file is gone, or holds another key by now; NULL: there is none (any more). */
static struct dm_row *stale_row(const struct dm *dm, const struct anchors *files)
{
    struct dm_row *const *rows;
    uint32_t count = rows_of(dm, "Anchor", &rows);
    uint8_t id[ANCHOR_ID_BYTES];

    for (uint32_t i = 0; i < count; i++) {
        const struct anchor_row *row = rows[i]->data;
        const struct anchor *anchor = is_of_file(row) ? anchor_of_file(files, row->file) : NULL;

        if (is_of_file(row) && (!anchor || !id_of(row, id) || memcmp(anchor->id, id, sizeof(id)) != 0))
            return rows[i];
    }
    return NULL;
}

/* What a controller revoked stays revoked, whatever becomes of the file. */
static int leave_file(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct anchor_row *anchor = row->data;

    if (!anchor->revoked)
        return dm_delete(dm, row, err);
    if (put(dm, row, "File", STR(""), err) < 0 || put(dm, row, "RevokedByFile", STR("false"), err) < 0)
        return -1;
    return dm_set_done(dm, row, err);
}

static int follow_files(struct dm *dm, const struct anchors *files, struct error *err)
{
    struct dm_row *row;

    while ((row = stale_row(dm, files)) != NULL)
        if (leave_file(dm, row, err) < 0)
            return -1;
    for (unsigned i = 0; files && i < files->count; i++) {
        const struct anchor *anchor = &files->list[i];

        row = row_of_file(dm, anchor);
        if (row ? put_file(dm, row, anchor, err) < 0 || dm_set_done(dm, row, err) < 0
                : add_file(dm, anchor, err) < 0)
            return -1;
    }
    return 0;
}

int model_trust_files(struct dm *dm, struct error *err)
{
    const struct dm_requester agent = {.factory = true}; /* sets what controllers cannot */
    int result = 0;

    if (has_releases(dm)) {
        dm_begin(dm, &agent);
        result = follow_files(dm, model_of(dm)->release_anchors, err);
        if (result < 0)
            dm_rollback(dm);
        else
            result = dm_commit(dm, err);
    }
    return result;
}

static int init_vendor(struct dm *dm, struct dm_row *row, struct dm_row *requester, struct error *err)
{
    const struct releases *releases = releases_of(dm)->data;
    struct vendor *vendor = row->data;

    (void)requester;
    (void)err;
    vendor->required = releases->required;
    vendor->battery_percent = releases->battery_percent;
    return 0;
}

/* ---- the declarations ---- */

#define ANCHOR(member) DM_OFFSET(struct anchor_row, member)
#define VENDOR(member) DM_OFFSET(struct vendor, member)

static const struct dm_param releases_params[] = {
    {.name = "RequiredSignatures",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = signatures,
     .default_value = "None",
     .offset = DM_OFFSET(struct releases, required)},
    {.name = "BatteryPercent",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 100,
     .offset = DM_OFFSET(struct releases, battery_percent)},
    {.name = "VendorNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Vendor"},
    {.name = "AnchorNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Anchor"},
    DM_END_PARAMS,
};

static const struct dm_param vendor_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = VENDOR(alias)},
    {.name = "Name", .type = DM_STRING, .flags = DM_WRITABLE | DM_INDEXED, .max = 64, .offset = VENDOR(name)},
    {.name = "Domain", .type = DM_STRING, .flags = DM_WRITABLE, .max = 253, .offset = VENDOR(domain)},
    {.name = "RequiredSignatures",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = signatures,
     .default_value = "None",
     .offset = VENDOR(required)},
    {.name = "BatteryPercent",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 100,
     .offset = VENDOR(battery_percent)},
    DM_END_PARAMS,
};

static const struct dm_param anchor_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = ANCHOR(alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = ANCHOR(enable)},
    {.name = "Revoked", .type = DM_BOOLEAN, .flags = DM_WRITABLE, .offset = ANCHOR(revoked)},
    {.name = "Name", .type = DM_STRING, .flags = DM_WRITABLE, .max = 64, .offset = ANCHOR(name)},
    {.name = "Role",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = roles,
     .default_value = "Manufacturer",
     .offset = ANCHOR(role)},
    {.name = "Vendor", .type = DM_STRING, .flags = DM_WRITABLE, .max = 64, .offset = ANCHOR(vendor)},
    {.name = "NotBefore", .type = DM_DATE_TIME, .flags = DM_WRITABLE, .offset = ANCHOR(not_before)},
    {.name = "NotAfter", .type = DM_DATE_TIME, .flags = DM_WRITABLE, .offset = ANCHOR(not_after)},
    {.name = "Key",
     .type = DM_STRING,
     .flags = DM_AT_CREATION,
     .max = ANCHOR_PEM_BYTES,
     .offset = ANCHOR(key)},
    {.name = "KeyID",
     .type = DM_HEX_BINARY,
     .flags = DM_STATE,
     .max = 2 * ANCHOR_ID_BYTES,
     .offset = ANCHOR(key_id)},
    {.name = "File", .type = DM_STRING, .flags = DM_STATE, .max = ANCHOR_PATH_BYTES, .offset = ANCHOR(file)},
    {.name = "RevokedByFile", .type = DM_BOOLEAN, .flags = DM_STATE, .offset = ANCHOR(revoked_by_file)},
    /* Follows the clock, too: no ValueChange. */
    {.name = "Status", .type = DM_ENUM, .flags = DM_NO_NOTIFY, .values = statuses, .get = get_status},
    DM_END_PARAMS,
};

static const struct dm_key vendor_keys[] = {{{"Alias"}}, {{"Name"}}, {{NULL}}};
static const struct dm_key anchor_keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_releases = {
    .data_size = sizeof(struct releases),
    .params = releases_params,
    .applied = applied,
};

const struct dm_object model_release_vendor = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct vendor),
    .params = vendor_params,
    .keys = vendor_keys,
    .max_rows = LIMIT_RELEASE_VENDORS,
    .init = init_vendor,
    .applied = applied,
};

const struct dm_object model_release_anchor = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct anchor_row),
    .params = anchor_params,
    .keys = anchor_keys,
    .max_rows = 2 *
                LIMIT_ANCHORS, /* files always find room; controllers' rows only up to LIMIT_ANCHORS in all */
    .check = check_anchor,
    .check_delete = check_anchor_delete,
    .applied = applied,
};
