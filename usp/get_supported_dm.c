/* SPDX-License-Identifier: BSD-3-Clause */
/* GetSupportedDM (R-GSP.*): the declarations, as one controller may see them. */
#include <string.h>

#include "base/limits.h"
#include "usp/message.h"

static const char DATA_MODEL_URI[] = "urn:broadband-forum-org:tr-181-2-19-1";

struct supported {
    struct usp_request *request;
    bool first_level_only;
    bool commands;
    bool events;
    bool params;
    bool keys;
    int only; /* index of the one member asked for by its path, or -1 */
    enum dm_target_kind only_kind;
};

static unsigned value_type(enum dm_type type)
{
    static const unsigned types[] = {
        [DM_STRING] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_STRING,
        [DM_BOOLEAN] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_BOOLEAN,
        [DM_INT] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_INT,
        [DM_UNSIGNED_INT] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_UNSIGNED_INT,
        [DM_LONG] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_LONG,
        [DM_UNSIGNED_LONG] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_UNSIGNED_LONG,
        [DM_DATE_TIME] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_DATE_TIME,
        [DM_BASE64] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_BASE_64,
        [DM_HEX_BINARY] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_HEX_BINARY,
        [DM_ENUM] = USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_STRING,
    };

    return types[type];
}

static void write_param(struct buf *out, const struct dm_param *param)
{
    size_t mark = pb_begin(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_PARAMS);
    bool writable = (param->flags & (DM_WRITABLE | DM_AT_CREATION)) != 0;

    pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_PARAM_NAME, str_of(param->name));
    pb_write_uint(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_ACCESS,
                  writable ? USP_GET_SUPPORTED_DM_RESP_PARAM_ACCESS_TYPE_PARAM_READ_WRITE
                           : USP_GET_SUPPORTED_DM_RESP_PARAM_ACCESS_TYPE_PARAM_READ_ONLY);
    pb_write_uint(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_VALUE_TYPE,
                  param->flags & DM_LIST ? USP_GET_SUPPORTED_DM_RESP_PARAM_VALUE_TYPE_PARAM_STRING
                                         : value_type(param->type));
    pb_write_uint(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_VALUE_CHANGE,
                  param->flags & DM_NO_NOTIFY
                      ? USP_GET_SUPPORTED_DM_RESP_VALUE_CHANGE_TYPE_VALUE_CHANGE_WILL_IGNORE
                      : USP_GET_SUPPORTED_DM_RESP_VALUE_CHANGE_TYPE_VALUE_CHANGE_ALLOWED);
    pb_end(out, mark);
}

static void write_args(struct buf *out, unsigned number, const struct dm_arg *args)
{
    for (; args && args->name; args++)
        pb_write_text(out, number, str_of(args->name));
}

static void write_command(struct buf *out, const struct dm_command *command)
{
    size_t mark = pb_begin(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_COMMANDS);

    pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_NAME,
                  str_of(command->name));
    write_args(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_INPUT_ARG_NAMES, command->inputs);
    write_args(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_OUTPUT_ARG_NAMES, command->outputs);
    pb_write_uint(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_TYPE,
                  command->async ? USP_GET_SUPPORTED_DM_RESP_CMD_TYPE_CMD_ASYNC
                                 : USP_GET_SUPPORTED_DM_RESP_CMD_TYPE_CMD_SYNC);
    pb_end(out, mark);
}

static void write_event(struct buf *out, const struct dm_event_type *event)
{
    size_t mark = pb_begin(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_EVENTS);

    pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_EVENT_RESULT_EVENT_NAME, str_of(event->name));
    write_args(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_EVENT_RESULT_ARG_NAMES, event->args);
    pb_end(out, mark);
}

static void write_keys(struct buf *out, const struct dm_key *keys)
{
    for (; keys && keys->params[0]; keys++) {
        size_t mark = pb_begin(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_UNIQUE_KEY_SETS);

        for (size_t i = 0; keys->params[i]; i++)
            pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_UNIQUE_KEY_SET_KEY_NAMES,
                          str_of(keys->params[i]));
        pb_end(out, mark);
    }
}

static unsigned object_access(const struct dm_object *object)
{
    switch (object->flags & (DM_ADD | DM_DELETE)) {
    case DM_ADD | DM_DELETE:
        return USP_GET_SUPPORTED_DM_RESP_OBJ_ACCESS_TYPE_OBJ_ADD_DELETE;
    case DM_ADD:
        return USP_GET_SUPPORTED_DM_RESP_OBJ_ACCESS_TYPE_OBJ_ADD_ONLY;
    case DM_DELETE:
        return USP_GET_SUPPORTED_DM_RESP_OBJ_ACCESS_TYPE_OBJ_DELETE_ONLY;
    default:
        return USP_GET_SUPPORTED_DM_RESP_OBJ_ACCESS_TYPE_OBJ_READ_ONLY;
    }
}

static bool wanted(const struct supported *supported, enum dm_target_kind kind, bool flag, int index)
{
    return supported->only >= 0 ? supported->only_kind == kind && supported->only == index : flag;
}

static void write_members(const struct supported *supported, const struct dm_node *node)
{
    const struct dm_access *access = supported->request->access;
    struct buf *out = supported->request->out;

    for (int i = 0; i < node->commands_count; i++)
        if (wanted(supported, DM_TARGET_COMMAND, supported->commands, i) &&
            dm_may(access, NULL, dm_id_command(node, i), DM_MAY_READ))
            write_command(out, &node->object->commands[i]);
    for (int i = 0; i < node->events_count; i++)
        if (wanted(supported, DM_TARGET_EVENT, supported->events, i) &&
            dm_may(access, NULL, dm_id_event(node, i), DM_MAY_READ))
            write_event(out, &node->object->events[i]);
    for (int i = 0; i < node->params_count; i++)
        if (wanted(supported, DM_TARGET_PARAM, supported->params, i) &&
            dm_may(access, NULL, dm_id_param(node, i), DM_MAY_READ))
            write_param(out, &node->object->params[i]);
    if (supported->keys && supported->only < 0)
        write_keys(out, node->object->keys);
}

/* bare: path and access only, as for the children of an object when first_level_only. */
static void write_object(const struct supported *supported, const struct dm_node *node, bool bare)
{
    struct buf *out = supported->request->out;
    size_t mark = pb_begin(out, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_SUPPORTED_OBJS);

    pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_OBJ_PATH,
                  str_of(node->path));
    pb_write_uint(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_ACCESS, object_access(node->object));
    pb_write_uint(out, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_IS_MULTI_INSTANCE,
                  dm_node_is_table(node));
    if (!bare)
        write_members(supported, node);
    pb_end(out, mark);
}

/* R-GSP.0: an object of which nothing may be read is not supported, as far as this controller is concerned. */
static bool visible(const struct supported *supported, const struct dm_node *node)
{
    const struct dm_access *access = supported->request->access;

    if (dm_may(access, NULL, dm_id_object(node), DM_MAY_READ))
        return true;
    for (int i = 0; i < node->members_count; i++)
        if (dm_may(access, NULL, node->id + 2u + (uint32_t)i, DM_MAY_READ))
            return true;
    return false;
}

static void write_tree(const struct supported *supported, const struct dm_node *node, unsigned level)
{
    if (visible(supported, node))
        write_object(supported, node, level > 0 && supported->first_level_only);
    if (supported->only >= 0 || (supported->first_level_only && level > 0))
        return;
    for (uint16_t i = 0; i < node->children_count; i++)
        write_tree(supported, node->children[i], level + 1);
}

static void describe(struct supported *supported, struct str path)
{
    struct usp_request *request = supported->request;
    struct buf *out = request->out;
    size_t mark = pb_begin(out, USP_GET_SUPPORTED_DM_RESP_REQ_OBJ_RESULTS);
    struct dm_target target;
    struct error err;

    pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_REQ_OBJ_PATH, path);
    if (dm_resolve_supported(request->dm, request->arena, path, &target, &err) < 0) {
        pb_write_fixed32(out, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_ERR_CODE, err.code);
        pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_ERR_MSG, usp_error_text(&err));
    } else {
        pb_write_text(out, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_DATA_MODEL_INST_URI,
                      STR(DATA_MODEL_URI));
        supported->only = target.member;
        supported->only_kind = target.kind;
        write_tree(supported, target.node, 0);
    }
    pb_end(out, mark);
}

static bool read_flags(struct supported *supported, const struct pb_field *field)
{
    struct str path;

    switch (field->number) {
    case USP_GET_SUPPORTED_DM_FIRST_LEVEL_ONLY:
        return pb_bool(field, &supported->first_level_only);
    case USP_GET_SUPPORTED_DM_RETURN_COMMANDS:
        return pb_bool(field, &supported->commands);
    case USP_GET_SUPPORTED_DM_RETURN_EVENTS:
        return pb_bool(field, &supported->events);
    case USP_GET_SUPPORTED_DM_RETURN_PARAMS:
        return pb_bool(field, &supported->params);
    case USP_GET_SUPPORTED_DM_RETURN_UNIQUE_KEY_SETS:
        return pb_bool(field, &supported->keys);
    case USP_GET_SUPPORTED_DM_OBJ_PATHS:
        return pb_text(field, &path);
    default:
        return true;
    }
}

int usp_get_supported_dm(struct usp_request *request, struct str content, struct error *err)
{
    struct supported supported = {.request = request};
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    unsigned paths = 0;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if (!read_flags(&supported, &field))
            return usp_malformed(err, "GetSupportedDM");
    if (rc < 0)
        return usp_malformed(err, "GetSupportedDM");
    reader = pb_reader(content);
    while (pb_next(&reader, &field) > 0) {
        if (field.number != USP_GET_SUPPORTED_DM_OBJ_PATHS)
            continue;
        if (++paths > LIMIT_MESSAGE_PATHS)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "more than %u paths in one GetSupportedDM",
                             LIMIT_MESSAGE_PATHS);
        describe(&supported, field.bytes);
    }
    return 0;
}
