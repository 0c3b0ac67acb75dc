/* SPDX-License-Identifier: BSD-3-Clause */
/* Get (R-GET.*). */
#include "base/limits.h"
#include "usp/access.h"
#include "usp/message.h"

struct get {
    struct usp_request *request;
    uint64_t max_depth;
    bool denied; /* the path names a parameter that may not be read: told as such (7006) */
};

/* Writes "Device.X.1." and returns where the result began; its parameters follow. */
static size_t begin_result(struct get *get, const struct dm_row *row)
{
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(row, path);
    size_t mark = pb_begin(get->request->out, USP_GET_RESP_REQUESTED_PATH_RESULT_RESOLVED_PATH_RESULTS);

    pb_write_text(get->request->out, USP_GET_RESP_RESOLVED_PATH_RESULT_RESOLVED_PATH,
                  (struct str){path, len});
    return mark;
}

static void write_param(struct get *get, const struct dm_row *row, int param)
{
    const struct dm_param *declared = &row->node->object->params[param];
    char scratch[DM_SCRATCH_BYTES];
    struct str text = usp_access_text(get->request->access, row, param, scratch);

    pb_write_entry(get->request->out, USP_GET_RESP_RESOLVED_PATH_RESULT_RESULT_PARAMS, str_of(declared->name),
                   text);
}

static void write_row(struct get *get, const struct dm_row *row)
{
    size_t mark = begin_result(get, row);
    bool any = false;

    for (int param = 0; param < row->node->params_count; param++) {
        /* R-GET.4: what may not be read is left out. */
        if (!dm_may(get->request->access, row, dm_id_param(row->node, param), DM_MAY_READ))
            continue;
        write_param(get, row, param);
        any = true;
    }
    if (any)
        pb_end(get->request->out, mark);
    else
        pb_cancel(get->request->out, mark);
}

/* depth: levels still wanted, this object's own included; 0: all (R-GET.5). */
static void write_tree(struct get *get, const struct dm_row *row, uint64_t depth)
{
    if (!dm_row_present(row))
        return;
    write_row(get, row);
    if (depth == 1)
        return;
    for (uint16_t i = 0; i < row->node->children_count; i++) {
        const struct dm_node *child = row->node->children[i];
        struct dm_row *const *rows;
        uint32_t count;

        if (!dm_node_is_table(child)) {
            write_tree(get, dm_row_child(row, child), depth ? depth - 1 : 0);
            continue;
        }
        count = dm_rows(row, child, &rows);
        for (uint32_t j = 0; j < count; j++)
            write_tree(get, rows[j], depth ? depth - 1 : 0);
    }
}

static int found(void *ctx, const struct dm_target *target)
{
    struct get *get = ctx;
    struct dm_row *const *rows;
    uint32_t count;
    size_t mark;

    switch (target->kind) {
    case DM_TARGET_ROW:
        write_tree(get, target->row, get->max_depth);
        break;
    case DM_TARGET_TABLE:
        count = dm_rows(target->row, target->node, &rows);
        for (uint32_t i = 0; i < count; i++)
            write_tree(get, rows[i], get->max_depth);
        break;
    case DM_TARGET_PARAM:
        if (!dm_may(get->request->access, target->row, dm_id_param(target->node, target->member),
                    DM_MAY_READ)) {
            get->denied = true;
            break;
        }
        mark = begin_result(get, target->row);
        write_param(get, target->row, target->member);
        pb_end(get->request->out, mark);
        break;
    case DM_TARGET_COMMAND:
    case DM_TARGET_EVENT:
        return 1;
    }
    return 0;
}

static void get_path(struct usp_request *request, struct str path, uint64_t max_depth)
{
    struct get get = {.request = request, .max_depth = max_depth};
    struct dm_resolver resolver = {
        .dm = request->dm, .arena = request->arena, .access = request->access, .found = found, .ctx = &get};
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_GET_RESP_REQ_PATH_RESULTS);
    size_t results;
    struct error err;
    int rc;

    pb_write_text(out, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, path);
    results = out->len;
    rc = dm_resolve(&resolver, path, &err);
    if (rc > 0)
        rc = error_set(&err, ERROR_INVALID_PATH, NULL, "commands and events cannot be read");
    else if (rc == 0 && get.denied && out->len == results)
        rc = error_set(&err, ERROR_PERMISSION_DENIED, NULL, "the role of this controller may not read it");
    if (rc < 0) {
        pb_cancel(out, results);
        pb_write_fixed32(out, USP_GET_RESP_REQUESTED_PATH_RESULT_ERR_CODE, err.code);
        pb_write_text(out, USP_GET_RESP_REQUESTED_PATH_RESULT_ERR_MSG, usp_error_text(&err));
    }
    pb_end(out, mark);
}

int usp_get(struct usp_request *request, struct str content, struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    uint64_t max_depth = 0;
    struct str path;
    unsigned paths = 0;
    int rc;

    /* max_depth may come after the paths. */
    while ((rc = pb_next(&reader, &field)) > 0) {
        if (field.number == USP_GET_MAX_DEPTH && !pb_number(&field, &max_depth))
            return usp_malformed(err, "Get");
        if (field.number == USP_GET_PARAM_PATHS && !pb_text(&field, &path))
            return usp_malformed(err, "Get");
    }
    if (rc < 0)
        return usp_malformed(err, "Get");
    reader = pb_reader(content);
    while (pb_next(&reader, &field) > 0) {
        if (field.number != USP_GET_PARAM_PATHS)
            continue;
        if (++paths > LIMIT_MESSAGE_PATHS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u paths in one Get",
                             LIMIT_MESSAGE_PATHS);
        get_path(request, field.bytes, max_depth);
    }
    return 0;
}
