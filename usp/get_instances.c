/* SPDX-License-Identifier: BSD-3-Clause */
/* GetInstances (R-GIN.*). */
#include "base/limits.h"
#include "usp/message.h"

struct listing {
    struct usp_request *request;
    bool first_level_only;
    bool not_table;
};

static void write_instance(struct listing *listing, const struct dm_row *row)
{
    struct buf *out = listing->request->out;
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(row, path);
    size_t mark = pb_begin(out, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_CURR_INSTS);

    pb_write_text(out, USP_GET_INSTANCES_RESP_CURR_INSTANCE_INSTANTIATED_OBJ_PATH, (struct str){path, len});
    usp_write_keys(listing->request, USP_GET_INSTANCES_RESP_CURR_INSTANCE_UNIQUE_KEYS, row);
    pb_end(out, mark);
}

static void list_below(struct listing *listing, const struct dm_row *row);

static void list_table(struct listing *listing, const struct dm_row *parent, const struct dm_node *table)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(parent, table, &rows);

    for (uint32_t i = 0; i < count; i++) {
        /* R-GIN.0: what permissions hide is not present. */
        if (!dm_may(listing->request->access, rows[i], dm_id_instance(table), DM_MAY_READ))
            continue;
        write_instance(listing, rows[i]);
        if (!listing->first_level_only)
            list_below(listing, rows[i]);
    }
}

static void list_below(struct listing *listing, const struct dm_row *row)
{
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        const struct dm_node *child = row->node->children[i];

        if (dm_node_is_table(child))
            list_table(listing, row, child);
        else if (dm_row_present(dm_row_child(row, child)))
            list_below(listing, dm_row_child(row, child));
    }
}

static int found(void *ctx, const struct dm_target *target)
{
    struct listing *listing = ctx;

    if (target->kind == DM_TARGET_TABLE) {
        list_table(listing, target->row, target->node);
        return 0;
    }
    if (target->kind != DM_TARGET_ROW)
        return 1;
    /* An instance: itself is not listed again, only what is below it; so with a single-instance object. */
    list_below(listing, target->row);
    return 0;
}

static void list_path(struct usp_request *request, struct str path, bool first_level_only)
{
    struct listing listing = {.request = request, .first_level_only = first_level_only};
    struct dm_resolver resolver = {.dm = request->dm,
                                   .arena = request->arena,
                                   .access = request->access,
                                   .found = found,
                                   .ctx = &listing};
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_GET_INSTANCES_RESP_REQ_PATH_RESULTS);
    size_t results;
    struct error err;
    int rc;

    pb_write_text(out, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, path);
    results = out->len;
    rc = dm_resolve(&resolver, path, &err);
    if (rc > 0)
        rc = error_set(&err, ERROR_OBJECT_NOT_TABLE, NULL, "the path names a parameter, command or event");
    if (rc < 0) {
        pb_cancel(out, results);
        pb_write_fixed32(out, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_ERR_CODE, err.code);
        pb_write_text(out, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_ERR_MSG, usp_error_text(&err));
    }
    pb_end(out, mark);
}

int usp_get_instances(struct usp_request *request, struct str content, struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    bool first_level_only = false;
    struct str path;
    unsigned paths = 0;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0) {
        if (field.number == USP_GET_INSTANCES_FIRST_LEVEL_ONLY && !pb_bool(&field, &first_level_only))
            return usp_malformed(err, "GetInstances");
        if (field.number == USP_GET_INSTANCES_OBJ_PATHS && !pb_text(&field, &path))
            return usp_malformed(err, "GetInstances");
    }
    if (rc < 0)
        return usp_malformed(err, "GetInstances");
    reader = pb_reader(content);
    while (pb_next(&reader, &field) > 0) {
        if (field.number != USP_GET_INSTANCES_OBJ_PATHS)
            continue;
        if (++paths > LIMIT_MESSAGE_PATHS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u paths in one GetInstances",
                             LIMIT_MESSAGE_PATHS);
        list_path(request, field.bytes, first_level_only);
    }
    return 0;
}
