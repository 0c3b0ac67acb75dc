/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/message.h"

#include <stdio.h>

#include "base/limits.h"

/* Header { msg_id, msg_type } in front of the body, written from its end. */
static void prepend_header(struct buf *buf, struct str msg_id, unsigned msg_type)
{
    uint8_t type[2] = {PB_TAG(USP_HEADER_MSG_TYPE, PB_VARINT), (uint8_t)msg_type};
    uint8_t head[24];
    size_t type_len = msg_type ? sizeof(type) : 0; /* ERROR is 0, and proto3 leaves a default out */
    size_t n = 0;

    if (buf->failed)
        return;
    head[n++] = PB_TAG(USP_MSG_HEADER, PB_BYTES);
    n += pb_put_varint(head + n, 1 + pb_varint_size(msg_id.len) + msg_id.len + type_len);
    head[n++] = PB_TAG(USP_HEADER_MSG_ID, PB_BYTES);
    n += pb_put_varint(head + n, msg_id.len);
    buf_prepend(buf, type, type_len);
    buf_prepend(buf, msg_id.data, msg_id.len);
    buf_prepend(buf, head, n);
}

void usp_msg_wrap(struct buf *content, struct str msg_id, unsigned msg_type, unsigned kind, unsigned type)
{
    buf_room(content, 0);
    pb_wrap(content, type);
    pb_wrap(content, kind);
    pb_wrap(content, USP_MSG_BODY);
    prepend_header(content, msg_id, msg_type);
}

struct str usp_error_text(const struct error *err)
{
    return str_of(err->message[0] ? err->message : error_text(err->code));
}

int usp_malformed(struct error *err, const char *message)
{
    return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "the %s message is malformed", message);
}

void usp_msg_error(struct buf *buf, struct str msg_id, const struct error *err,
                   const struct usp_param_error *errors)
{
    pb_write_fixed32(buf, USP_ERROR_ERR_CODE, err->code);
    pb_write_text(buf, USP_ERROR_ERR_MSG, usp_error_text(err));
    for (; errors; errors = errors->next) {
        size_t mark = pb_begin(buf, USP_ERROR_PARAM_ERRS);

        pb_write_text(buf, USP_ERROR_PARAM_ERROR_PARAM_PATH, str_of(errors->path));
        pb_write_fixed32(buf, USP_ERROR_PARAM_ERROR_ERR_CODE, errors->code);
        pb_write_text(buf, USP_ERROR_PARAM_ERROR_ERR_MSG, str_of(errors->message));
        pb_end(buf, mark);
    }
    pb_wrap(buf, USP_BODY_ERROR);
    pb_wrap(buf, USP_MSG_BODY);
    prepend_header(buf, msg_id, USP_HEADER_MSG_TYPE_ERROR);
}

static struct usp_param_error *new_error(struct arena *arena, const char *path, const struct error *err)
{
    struct usp_param_error *error = arena_alloc(arena, sizeof(*error));
    struct str text = usp_error_text(err);

    if (!error)
        return NULL;
    error->next = NULL;
    error->code = err->code;
    error->path = arena_strdup(arena, path);
    error->message = arena_strndup(arena, text.data, text.len);
    return error->path && error->message ? error : NULL;
}

void usp_param_error(struct usp_request *request, const char *path, const struct error *err)
{
    struct usp_param_error *error = new_error(request->arena, path, err);

    if (!error)
        return;
    *request->errors_last = error;
    request->errors_last = &error->next;
}

void usp_write_keys(struct usp_request *request, unsigned number, const struct dm_row *row)
{
    const struct dm_key *keys = row->node->object->keys;

    for (; keys && keys->params[0]; keys++) {
        for (size_t i = 0; keys->params[i]; i++) {
            int param = dm_node_param(row->node, keys->params[i]);
            char scratch[DM_SCRATCH_BYTES];

            if (dm_may(request->access, row, dm_id_param(row->node, param), DM_MAY_READ))
                pb_write_entry(request->out, number, str_of(keys->params[i]),
                               dm_get_text(row, param, scratch));
        }
    }
}

/* ---- settings of Add and Set ---- */

bool usp_setting_parse(struct str content, struct usp_setting *ret)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    bool good = true;
    int rc;

    /* Add.CreateParamSetting and Set.UpdateParamSetting have the same numbers. */
    *ret = (struct usp_setting){STR(""), STR(""), false};
    while (good && (rc = pb_next(&reader, &field)) != 0) {
        if (rc < 0)
            return false;
        if (field.number == USP_SET_UPDATE_PARAM_SETTING_PARAM)
            good = pb_text(&field, &ret->param);
        else if (field.number == USP_SET_UPDATE_PARAM_SETTING_VALUE)
            good = pb_text(&field, &ret->value);
        else if (field.number == USP_SET_UPDATE_PARAM_SETTING_REQUIRED)
            good = pb_bool(&field, &ret->required);
    }
    return good;
}

static uint32_t count_fields(struct str content, unsigned number)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    uint32_t count = 0;

    while (pb_next(&reader, &field) > 0)
        if (field.number == number)
            count++;
    return count;
}

int usp_settings_parse(struct usp_request *request, struct str content, struct usp_settings *ret,
                       struct error *err)
{
    uint32_t count = count_fields(content, USP_SET_UPDATE_OBJECT_PARAM_SETTINGS);
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    bool good = true;
    int rc;

    *ret = (struct usp_settings){.path = STR("")};
    if (count > LIMIT_MESSAGE_SETTINGS)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u settings for one object",
                         LIMIT_MESSAGE_SETTINGS);
    ret->settings = arena_calloc(request->arena, count ? count : 1, sizeof(*ret->settings));
    if (!ret->settings)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    while (good && (rc = pb_next(&reader, &field)) != 0) {
        if (rc < 0)
            good = false;
        else if (field.number == USP_SET_UPDATE_OBJECT_OBJ_PATH)
            good = pb_text(&field, &ret->path);
        else if (field.number == USP_SET_UPDATE_OBJECT_PARAM_SETTINGS)
            good = field.wire == PB_BYTES && usp_setting_parse(field.bytes, &ret->settings[ret->count++]);
    }
    return good ? 0 : usp_malformed(err, "request");
}

struct dm_row *usp_setting_row(struct dm_row *row, struct str name, int *ret_param)
{
    enum dm_member_kind kind;
    struct str part;

    while (str_next(&name, '.', &part) && name.data) {
        struct dm_node *child = dm_node_child(row->node, part);

        if (!child || dm_node_is_table(child) || !dm_row_present(dm_row_child(row, child)))
            return NULL;
        row = dm_row_child(row, child);
    }
    *ret_param = dm_node_member(row->node, part, &kind);
    return *ret_param >= 0 && kind == DM_MEMBER_PARAM ? row : NULL;
}

/* R-SEC.1 comes before everything else. */
static int apply_one(struct usp_request *request, struct dm_row *row, const struct usp_setting *setting,
                     struct error *err)
{
    int param = -1;

    error_clear(err);
    row = usp_setting_row(row, setting->param, &param);
    if (!row)
        return error_set(err, ERROR_UNSUPPORTED_PARAMETER, NULL, "no such parameter");
    if (!dm_may(request->access, row, dm_id_param(row->node, param), DM_MAY_WRITE))
        return error_set(err, ERROR_PERMISSION_DENIED, NULL, "the role of this controller may not write it");
    return dm_set(request->dm, row, param, setting->value, err);
}

/* A unique key that cannot be set fails the whole row, required or not (TP-469 1.88). */
static bool is_key(const struct dm_row *row, struct str name)
{
    for (const struct dm_key *key = row->node->object->keys; key && key->params[0]; key++)
        for (size_t i = 0; key->params[i]; i++)
            if (str_is(name, key->params[i]))
                return true;
    return false;
}

static void fill_path(struct error *err, const struct dm_row *row, struct str param)
{
    char path[DM_PATH_BYTES];

    dm_row_path(row, path);
    snprintf(err->path, sizeof(err->path), "%s%.*s", path, (int)(param.len > 100 ? 100 : param.len),
             param.data);
}

int usp_settings_apply(struct usp_request *request, struct dm_row *row, const struct usp_settings *settings,
                       struct usp_param_error **ret_errors, struct error *err)
{
    struct usp_param_error **last = ret_errors;

    for (uint32_t i = 0; i < settings->count; i++) {
        const struct usp_setting *setting = &settings->settings[i];

        if (apply_one(request, row, setting, err) == 0)
            continue;
        fill_path(err, row, setting->param);
        if (setting->required || is_key(row, setting->param)) /* R-ADD.3, R-SET.2 */
            return -1;
        /* R-ADD.4 */
        *last = new_error(request->arena,
                          arena_strndup(request->arena, setting->param.data, setting->param.len), err);
        if (*last)
            last = &(*last)->next;
    }
    return 0;
}
