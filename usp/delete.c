/* SPDX-License-Identifier: BSD-3-Clause */
/* Delete (R-DEL.*). */
#include "base/limits.h"
#include "usp/message.h"

/* The rows that a path names, gathered before the tree changes under the walk. */
struct deletion {
    struct usp_request *request;
    struct dm_row **rows;
    uint32_t count;
    uint32_t cap;
    struct error *err;
};

static int gather(void *ctx, const struct dm_target *target)
{
    struct deletion *deletion = ctx;

    if (target->kind != DM_TARGET_ROW || !target->row->instance)
        return error_set(deletion->err, ERROR_OBJECT_NOT_DELETABLE, NULL,
                         "the path does not name an object instance");
    if (deletion->count == deletion->cap) {
        uint32_t cap = deletion->cap ? deletion->cap * 2 : 16;
        struct dm_row **rows = arena_alloc(deletion->request->arena, cap * sizeof(struct dm_row *));

        if (!rows)
            return error_set(deletion->err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        if (deletion->count)
            memcpy(rows, deletion->rows, deletion->count * sizeof(struct dm_row *));
        deletion->rows = rows;
        deletion->cap = cap;
    }
    deletion->rows[deletion->count++] = target->row;
    return 0;
}

static int delete_row(struct usp_request *request, struct dm_row *row, struct error *err)
{
    error_clear(err);
    if (!(row->node->object->flags & DM_DELETE))
        return error_set(err, ERROR_OBJECT_NOT_DELETABLE, NULL,
                         "controllers cannot delete rows of this table");
    if (!dm_may(request->access, row, dm_id_instance(row->node), DM_MAY_WRITE))
        return error_set(err, ERROR_PERMISSION_DENIED, NULL, "the role of this controller may not delete it");
    return dm_delete(request->dm, row, err);
}

static void write_unaffected(struct buf *out, const char *path, const struct error *err)
{
    size_t mark = pb_begin(out, USP_DELETE_RESP_OPERATION_SUCCESS_UNAFFECTED_PATH_ERRS);

    pb_write_text(out, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_UNAFFECTED_PATH, str_of(path));
    pb_write_fixed32(out, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_ERR_CODE, err->code);
    pb_write_text(out, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_ERR_MSG, usp_error_text(err));
    pb_end(out, mark);
}

/* Deletes what was gathered, writing an OperationSuccess. Returns how many rows could not be deleted. */
static uint32_t delete_rows(struct deletion *deletion, struct error *ret_first)
{
    struct usp_request *request = deletion->request;
    uint32_t failures = 0;

    for (uint32_t i = 0; i < deletion->count; i++) {
        struct dm_row *row = deletion->rows[i];
        char path[DM_PATH_BYTES];
        size_t len = dm_row_path(row, path);
        struct error err;
        bool readable;

        /* Gone already: the path names it twice through references, or it went with another. */
        if (dm_row_instance(row->parent, row->node, row->instance) != row)
            continue;
        readable = dm_may(request->access, row, dm_id_instance(row->node), DM_MAY_READ);

        dm_begin(request->dm, NULL);
        if (delete_row(request, row, &err) == 0) {
            dm_commit(request->dm, NULL); /* nested: cannot fail */
            if (readable)                 /* R-DEL.2 */
                pb_write_text(request->out, USP_DELETE_RESP_OPERATION_SUCCESS_AFFECTED_PATHS,
                              (struct str){path, len});
            continue;
        }
        dm_rollback(request->dm);
        if (!err.path[0])
            str_copy(err.path, sizeof(err.path), path);
        if (!failures++)
            *ret_first = err;
        if (readable) /* R-DEL.4 */
            write_unaffected(request->out, path, &err);
    }
    return failures;
}

static void write_failure(struct buf *out, const struct error *err)
{
    size_t inner = pb_begin(out, USP_DELETE_RESP_OPERATION_STATUS_OPER_FAILURE);

    pb_write_fixed32(out, USP_DELETE_RESP_OPERATION_FAILURE_ERR_CODE, err->code);
    pb_write_text(out, USP_DELETE_RESP_OPERATION_FAILURE_ERR_MSG, usp_error_text(err));
    pb_end(out, inner);
}

/* 0, or -1 and err when the path as a whole failed. */
static int delete_path(struct usp_request *request, struct str path, struct error *err)
{
    struct deletion deletion = {.request = request, .err = err};
    struct dm_resolver resolver = {.dm = request->dm,
                                   .arena = request->arena,
                                   .access = request->access,
                                   .found = gather,
                                   .ctx = &deletion};
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_DELETE_RESP_DELETED_OBJ_RESULTS);
    size_t status;
    size_t inner;
    struct error first;
    uint32_t failures;
    int result = 0;

    pb_write_text(out, USP_DELETE_RESP_DELETED_OBJECT_RESULT_REQUESTED_PATH, path);
    status = pb_begin(out, USP_DELETE_RESP_DELETED_OBJECT_RESULT_OPER_STATUS);
    inner = pb_begin(out, USP_DELETE_RESP_OPERATION_STATUS_OPER_SUCCESS);
    /* R-DEL.2a: a valid path that names nothing deletes nothing, successfully (also TP-469 1.25). */
    if (dm_resolve(&resolver, path, err) < 0 && !resolver.missing_instance)
        result = -1;
    failures = result == 0 ? delete_rows(&deletion, &first) : 0;
    /* Nothing at all could be deleted: the path failed. */
    if (failures && failures == deletion.count) {
        *err = first;
        result = -1;
    }
    if (result < 0) {
        pb_cancel(out, inner);
        write_failure(out, err);
    } else {
        pb_end(out, inner);
    }
    pb_end(out, status);
    pb_end(out, mark);
    if (result == 0 && failures) {
        *err = first;
        return 1;
    }
    return result;
}

static int delete_paths(struct usp_request *request, struct str content, bool allow_partial,
                        struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    unsigned paths = 0;
    int result = 0;

    while (pb_next(&reader, &field) > 0) {
        struct error reason;

        if (field.number != USP_DELETE_OBJ_PATHS)
            continue;
        if (++paths > LIMIT_MESSAGE_PATHS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u paths in one Delete",
                             LIMIT_MESSAGE_PATHS);
        error_clear(&reason);
        if (delete_path(request, field.bytes, &reason) == 0 || allow_partial)
            continue;
        usp_param_error(request, reason.path, &reason);
        *err = reason;
        result = -1;
    }
    return result;
}

int usp_delete(struct usp_request *request, struct str content, struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    bool allow_partial = false;
    struct str path;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0) {
        if (field.number == USP_DELETE_ALLOW_PARTIAL && !pb_bool(&field, &allow_partial))
            return usp_malformed(err, "Delete");
        if (field.number == USP_DELETE_OBJ_PATHS && !pb_text(&field, &path))
            return usp_malformed(err, "Delete");
    }
    if (rc < 0)
        return usp_malformed(err, "Delete");
    usp_begin(request);
    return usp_end(request, delete_paths(request, content, allow_partial, err), err);
}
