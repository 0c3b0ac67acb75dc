/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.X_..._Releases.: whose signatures over firmware count, and what each vendor's devices need. Anchors are rows that
 * controllers add, beside the files of release_anchors_dir. Every change makes a new set (release/anchor.h) for the firmware
 * manager. A row cannot bring back what a file revokes, nor the other way round.
 */
#include "config.h"

#include "datamodel/device/releases.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "datamodel/device/model.h"
#include "firmware/firmware.h"
#include "release/anchor.h"

struct releases {
    uint32_t required; /* enum firmware_signatures */
    char *files;       /* names of the anchors that files give */
};

struct vendor {
    char *alias;
    char *name;
    char *domain;
    uint32_t required;
};

enum role {
    ROLE_MANUFACTURER,
    ROLE_OPERATOR,
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
};

static const char *const signatures[] = {
    "None", "Checksum", "Any", "Manufacturer", "Operator", "ManufacturerAndOperator", NULL};
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
                                              .required = (enum firmware_signatures)vendor->required};
    }
    trust.vendors = vendors;
    trust.vendors_count = count;
    result = firmware_set_trust(model_of(dm)->firmware, &trust, err);
    free(vendors);
    return result;
}

/* For people: which anchors are not rows. */
static void name_files(struct dm *dm)
{
    const struct anchors *anchors = model_of(dm)->release_anchors;
    struct releases *releases = releases_of(dm)->data;
    struct buf list;

    buf_init(&list, LIMIT_VALUE_BYTES, 0);
    for (unsigned i = 0; anchors && i < anchors->count; i++)
        buf_printf(&list, "%s%s", i ? "," : "", anchors->list[i].name);
    str_replace(&releases->files, buf_cstr(&list));
    buf_done(&list);
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
    for (uint32_t i = 0; i < count; i++) {
        struct error why;

        if (add_row(anchors, rows[i]->data, &why) < 0)
            log_failure(LOG_LEVEL_ERROR, "a trust anchor does not count", &why);
    }
    if (result == 0)
        result = give(dm, anchors, err);
    name_files(dm);
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

/* Alone, for what can be wrong with it; the same key twice is found by the table's unique key. */
static int check_anchor(struct dm *dm, struct dm_row *row, struct error *err)
{
    struct anchor_row *anchor = row->data;
    struct anchors *alone = anchors_new();
    char hex[2 * ANCHOR_ID_BYTES + 1];
    int result;

    (void)dm;
    if (!alone)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    result = add_row(alone, anchor, err);
    if (result == 0) {
        str_to_hex(hex, alone->list[0].id, ANCHOR_ID_BYTES);
        result = str_replace(&anchor->key_id, hex);
    }
    anchors_unref(alone);
    return result;
}

static int init_vendor(struct dm *dm, struct dm_row *row, struct dm_row *requester, struct error *err)
{
    const struct releases *releases = releases_of(dm)->data;
    struct vendor *vendor = row->data;

    (void)requester;
    (void)err;
    vendor->required = releases->required;
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
    {.name = "AnchorFiles", .type = DM_STRING, .flags = DM_LIST, .offset = DM_OFFSET(struct releases, files)},
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
     .flags = DM_STATE | DM_INDEXED,
     .max = ANCHOR_ID_BYTES,
     .offset = ANCHOR(key_id)},
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
    .max_rows = LIMIT_ANCHORS,
    .check = check_anchor,
    .applied = applied,
};
