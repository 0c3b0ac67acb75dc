/* SPDX-License-Identifier: BSD-3-Clause */
/* Set (R-SET.*). */
#include "base/limits.h"
#include "usp/access.h"
#include "usp/message.h"

/* What one UpdateObject came to. A path may match many rows: all of them change, or none (R-SET.2a). */
struct update {
    struct usp_request *request;
    const struct usp_settings *settings;
    size_t failed; /* rows that failed */
    size_t done;
    struct error first;  /* the first failure */
    struct buf results;  /* updated_inst_results */
    struct buf failures; /* updated_inst_failures */
};

static void write_param_errors(struct buf *out, unsigned number, const struct usp_param_error *errors)
{
    for (; errors; errors = errors->next) {
        size_t mark = pb_begin(out, number);

        pb_write_text(out, USP_SET_RESP_PARAMETER_ERROR_PARAM, str_of(errors->path));
        pb_write_fixed32(out, USP_SET_RESP_PARAMETER_ERROR_ERR_CODE, errors->code);
        pb_write_text(out, USP_SET_RESP_PARAMETER_ERROR_ERR_MSG, str_of(errors->message));
        pb_end(out, mark);
    }
}

static bool failed_param(const struct usp_param_error *errors, struct str name)
{
    for (; errors; errors = errors->next)
        if (str_is(name, errors->path))
            return true;
    return false;
}

static void write_result(struct update *update, struct dm_row *row, const struct usp_param_error *errors)
{
    struct buf *out = &update->results;
    size_t mark = pb_begin(out, USP_SET_RESP_OPERATION_SUCCESS_UPDATED_INST_RESULTS);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(row, path);

    pb_write_text(out, USP_SET_RESP_UPDATED_INSTANCE_RESULT_AFFECTED_PATH, (struct str){path, len});
    write_param_errors(out, USP_SET_RESP_UPDATED_INSTANCE_RESULT_PARAM_ERRS, errors);
    for (uint32_t i = 0; i < update->settings->count; i++) {
        struct str name = update->settings->settings[i].param;
        char scratch[DM_SCRATCH_BYTES];
        struct dm_row *owner;
        int param;

        if (failed_param(errors, name))
            continue;
        owner = usp_setting_row(row, name, &param);
        /* R-SET.3: what may not be read is left out. */
        if (!owner || !dm_may(update->request->access, owner, dm_id_param(owner->node, param), DM_MAY_READ))
            continue;
        pb_write_entry(out, USP_SET_RESP_UPDATED_INSTANCE_RESULT_UPDATED_PARAMS, name,
                       usp_access_text(update->request->access, owner, param, scratch));
    }
    pb_end(out, mark);
}

static void write_failure(struct update *update, const struct dm_row *row, const struct error *err)
{
    struct buf *out = &update->failures;
    size_t mark = pb_begin(out, USP_SET_RESP_OPERATION_FAILURE_UPDATED_INST_FAILURES);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(row, path);
    struct str full = str_of(err->path);
    struct str name = str_starts(full, (struct str){path, len})
                          ? (struct str){full.data + len, full.len - len}
                          : full;
    size_t inner;

    pb_write_text(out, USP_SET_RESP_UPDATED_INSTANCE_FAILURE_AFFECTED_PATH, (struct str){path, len});
    inner = pb_begin(out, USP_SET_RESP_UPDATED_INSTANCE_FAILURE_PARAM_ERRS);
    pb_write_text(out, USP_SET_RESP_PARAMETER_ERROR_PARAM, name);
    pb_write_fixed32(out, USP_SET_RESP_PARAMETER_ERROR_ERR_CODE, err->code);
    pb_write_text(out, USP_SET_RESP_PARAMETER_ERROR_ERR_MSG, usp_error_text(err));
    pb_end(out, inner);
    pb_end(out, mark);
}

static int update_row(void *ctx, const struct dm_target *target)
{
    struct update *update = ctx;
    struct usp_param_error *errors = NULL;
    struct error err;

    if (target->kind != DM_TARGET_ROW)
        return 1;
    error_clear(&err);
    if (usp_settings_apply(update->request, target->row, update->settings, &errors, &err) == 0 &&
        dm_set_done(update->request->dm, target->row, &err) == 0) {
        write_result(update, target->row, errors);
        update->done++;
        return 0;
    }
    if (!update->failed++)
        update->first = err;
    write_failure(update, target->row, &err);
    return 0;
}

static void write_outcome(struct usp_request *request, const struct update *update)
{
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_SET_RESP_UPDATED_OBJ_RESULTS);
    size_t status;
    size_t inner;

    pb_write_text(out, USP_SET_RESP_UPDATED_OBJECT_RESULT_REQUESTED_PATH, update->settings->path);
    status = pb_begin(out, USP_SET_RESP_UPDATED_OBJECT_RESULT_OPER_STATUS);
    if (update->first.code) {
        inner = pb_begin(out, USP_SET_RESP_OPERATION_STATUS_OPER_FAILURE);
        pb_write_fixed32(out, USP_SET_RESP_OPERATION_FAILURE_ERR_CODE, update->first.code);
        pb_write_text(out, USP_SET_RESP_OPERATION_FAILURE_ERR_MSG, usp_error_text(&update->first));
        buf_append(out, buf_data(&update->failures), update->failures.len);
    } else {
        inner = pb_begin(out, USP_SET_RESP_OPERATION_STATUS_OPER_SUCCESS);
        buf_append(out, buf_data(&update->results), update->results.len);
    }
    out->failed |= update->results.failed || update->failures.failed;
    pb_end(out, inner);
    pb_end(out, status);
    pb_end(out, mark);
}

/* 0, or -1 when the object failed and the transaction was taken back to before it. */
static int update_object(struct usp_request *request, const struct usp_settings *settings, struct error *err)
{
    struct update update = {.request = request, .settings = settings};
    struct dm_resolver resolver = {.dm = request->dm,
                                   .arena = request->arena,
                                   .access = request->access,
                                   .found = update_row,
                                   .ctx = &update};
    int rc;

    buf_init(&update.results, LIMIT_RECORD_BYTES, 0);
    buf_init(&update.failures, LIMIT_RECORD_BYTES, 0);
    dm_begin(request->dm, NULL);
    error_clear(&update.first);
    rc = dm_resolve(&resolver, settings->path, err);
    if (rc > 0)
        error_set(err, ERROR_OBJECT_DOES_NOT_EXIST, NULL, "the path does not name an object instance");
    if (rc < 0 && resolver.missing_instance)
        err->code = ERROR_OBJECT_DOES_NOT_EXIST;
    if (rc != 0)
        update.first = *err;
    if (update.first.code)
        dm_rollback(request->dm);
    else
        dm_commit(request->dm, NULL); /* nested: cannot fail */
    write_outcome(request, &update);
    *err = update.first;
    if (!err->path[0])
        str_copy(err->path,
                 settings->path.len + 1 < sizeof(err->path) ? settings->path.len + 1 : sizeof(err->path),
                 settings->path.data);
    buf_done(&update.results);
    buf_done(&update.failures);
    return update.first.code ? -1 : 0;
}

static int update_objects(struct usp_request *request, struct str content, bool allow_partial,
                          struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    unsigned objects = 0;
    int result = 0;

    while (pb_next(&reader, &field) > 0) {
        struct usp_settings settings;
        struct error reason;

        if (field.number != USP_SET_UPDATE_OBJS)
            continue;
        if (field.wire != PB_BYTES || usp_settings_parse(request, field.bytes, &settings, err) < 0)
            return usp_malformed(err, "Set");
        if (++objects > LIMIT_MESSAGE_PATHS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u objects in one Set",
                             LIMIT_MESSAGE_PATHS);
        if (update_object(request, &settings, &reason) == 0 || allow_partial)
            continue;
        usp_param_error(request, reason.path, &reason);
        *err = reason;
        result = -1;
    }
    return result;
}

int usp_set(struct usp_request *request, struct str content, struct error *err)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    bool allow_partial = false;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if (field.number == USP_SET_ALLOW_PARTIAL && !pb_bool(&field, &allow_partial))
            return usp_malformed(err, "Set");
    if (rc < 0)
        return usp_malformed(err, "Set");
    usp_begin(request);
    /* R-SET.1: without allow_partial one failed object fails the message; param_errs says which. */
    return usp_end(request, update_objects(request, content, allow_partial, err), err);
}
