/* SPDX-License-Identifier: BSD-3-Clause */
/* Add (R-ADD.*). */
#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"

struct creation {
    struct usp_request *request;
    const struct usp_settings *settings;
    bool allow_partial;
    int result; /* -1: something failed and allow_partial is false */
    struct error *err;
};

static void write_success(struct usp_request *request, struct str requested, const struct dm_row *row,
                          const struct usp_param_error *errors)
{
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_ADD_RESP_CREATED_OBJ_RESULTS);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(row, path);
    size_t status;
    size_t inner;

    pb_write_text(out, USP_ADD_RESP_CREATED_OBJECT_RESULT_REQUESTED_PATH, requested);
    status = pb_begin(out, USP_ADD_RESP_CREATED_OBJECT_RESULT_OPER_STATUS);
    inner = pb_begin(out, USP_ADD_RESP_OPERATION_STATUS_OPER_SUCCESS);
    pb_write_text(out, USP_ADD_RESP_OPERATION_SUCCESS_INSTANTIATED_PATH, (struct str){path, len});
    for (; errors; errors = errors->next) {
        size_t one = pb_begin(out, USP_ADD_RESP_OPERATION_SUCCESS_PARAM_ERRS);

        pb_write_text(out, USP_ADD_RESP_PARAMETER_ERROR_PARAM, str_of(errors->path));
        pb_write_fixed32(out, USP_ADD_RESP_PARAMETER_ERROR_ERR_CODE, errors->code);
        pb_write_text(out, USP_ADD_RESP_PARAMETER_ERROR_ERR_MSG, str_of(errors->message));
        pb_end(out, one);
    }
    usp_write_keys(request, USP_ADD_RESP_OPERATION_SUCCESS_UNIQUE_KEYS, row);
    pb_end(out, inner);
    pb_end(out, status);
    pb_end(out, mark);
}

static void write_failure(struct usp_request *request, struct str requested, const struct error *err)
{
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_ADD_RESP_CREATED_OBJ_RESULTS);
    size_t status;
    size_t inner;

    pb_write_text(out, USP_ADD_RESP_CREATED_OBJECT_RESULT_REQUESTED_PATH, requested);
    status = pb_begin(out, USP_ADD_RESP_CREATED_OBJECT_RESULT_OPER_STATUS);
    inner = pb_begin(out, USP_ADD_RESP_OPERATION_STATUS_OPER_FAILURE);
    pb_write_fixed32(out, USP_ADD_RESP_OPERATION_FAILURE_ERR_CODE, err->code);
    pb_write_text(out, USP_ADD_RESP_OPERATION_FAILURE_ERR_MSG, usp_error_text(err));
    pb_end(out, inner);
    pb_end(out, status);
    pb_end(out, mark);
}

static int check_target(const struct creation *creation, const struct dm_target *target, struct error *err)
{
    if (target->kind != DM_TARGET_TABLE)
        return error_set(err, ERROR_OBJECT_NOT_TABLE, NULL, "the path does not name a table");
    if (!(target->node->object->flags & DM_ADD))
        return error_set(err, ERROR_OBJECT_NOT_CREATABLE, NULL, "controllers cannot add rows to this table");
    if (!dm_may(creation->request->access, target->row, dm_id_object(target->node), DM_MAY_WRITE))
        return error_set(err, ERROR_PERMISSION_DENIED, NULL,
                         "the role of this controller may not add rows here");
    return 0;
}

static void failed(struct creation *creation, const struct error *err)
{
    struct usp_request *request = creation->request;

    if (creation->allow_partial) {
        write_failure(request, creation->settings->path, err);
        return;
    }
    creation->result = -1; /* of the whole message, rows of a search expression included (R-ADD.2a) */
    *creation->err = *err;
    usp_param_error(request, err->path, err);
}

static void requested_path(struct error *err, struct str path)
{
    if (!err->path[0])
        str_copy(err->path, path.len + 1 < sizeof(err->path) ? path.len + 1 : sizeof(err->path), path.data);
}

static int create(void *ctx, const struct dm_target *target)
{
    struct creation *creation = ctx;
    struct usp_request *request = creation->request;
    struct usp_param_error *errors = NULL;
    struct dm_row *row;
    struct error err;

    error_clear(&err);
    if (check_target(creation, target, &err) < 0) {
        requested_path(&err, creation->settings->path);
        failed(creation, &err);
        return 0;
    }
    dm_begin(request->dm, NULL);
    row = dm_add(request->dm, target->row, target->node, 0, &err);
    if (row && usp_settings_apply(request, row, creation->settings, &errors, &err) == 0 &&
        dm_add_done(request->dm, row, &err) == 0) {
        dm_commit(request->dm, NULL); /* nested: cannot fail */
        if (target->node == request->usp->subscriptions)
            ((struct subscription *)row->data)->session = request->session;
        write_success(request, creation->settings->path, row, errors);
        return 0;
    }
    dm_rollback(request->dm);
    requested_path(&err, creation->settings->path);
    failed(creation, &err);
    return 0;
}

static int create_object(struct usp_request *request, const struct usp_settings *settings, bool allow_partial,
                         struct error *err)
{
    struct creation creation = {request, settings, allow_partial, 0, err};
    struct dm_resolver resolver = {.dm = request->dm,
                                   .arena = request->arena,
                                   .access = request->access,
                                   .found = create,
                                   .ctx = &creation};
    struct error reason;

    if (dm_resolve(&resolver, settings->path, &reason) < 0) {
        if (resolver.missing_instance)
            reason.code = ERROR_OBJECT_DOES_NOT_EXIST;
        failed(&creation, &reason);
    }
    return creation.result;
}

int usp_add(struct usp_request *request, struct str content, struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    bool allow_partial = false;
    unsigned objects = 0;
    int result = 0;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if (field.number == USP_ADD_ALLOW_PARTIAL && !pb_bool(&field, &allow_partial))
            return usp_malformed(err, "Add");
    if (rc < 0)
        return usp_malformed(err, "Add");
    usp_begin(request);
    reader = pb_reader(content);
    while (pb_next(&reader, &field) > 0) {
        struct usp_settings settings;

        if (field.number != USP_ADD_CREATE_OBJS)
            continue;
        if (field.wire != PB_BYTES || usp_settings_parse(request, field.bytes, &settings, err) < 0)
            result = usp_malformed(err, "Add");
        else if (++objects > LIMIT_MESSAGE_PATHS)
            result = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u objects in one Add",
                               LIMIT_MESSAGE_PATHS);
        else if (create_object(request, &settings, allow_partial, err) < 0)
            result = -1;
        else
            continue;
        if (!allow_partial && !request->errors)
            break; /* not about one object: the message as a whole is bad */
    }
    return usp_end(request, result, err);
}
