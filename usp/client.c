/* SPDX-License-Identifier: BSD-3-Clause */
/* Building requests. Reading is client_read.c's. */
#include "usp/client.h"

#include "usp/fields.h"
#include "usp/pb.h"

/* Puts the message's header and body around the content in buf. */
static void wrap(struct buf *buf, struct str msg_id, unsigned msg_type, unsigned body, unsigned kind)
{
    struct buf header;

    buf_room(buf, 0); /* an empty content is still there: a oneof needs a member */
    pb_wrap(buf, kind);
    pb_wrap(buf, body);
    pb_wrap(buf, USP_MSG_BODY);
    buf_init(&header, msg_id.len + 64, 32);
    pb_write_text(&header, USP_HEADER_MSG_ID, msg_id);
    pb_write_uint(&header, USP_HEADER_MSG_TYPE, msg_type);
    pb_wrap(&header, USP_MSG_HEADER);
    if (header.failed || buf->failed)
        buf->failed = true;
    else
        buf_prepend(buf, buf_data(&header), header.len);
    buf_done(&header);
}

static void write_paths(struct buf *buf, unsigned number, const struct str *paths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pb_write_bytes(buf, number, paths[i]);
}

void usp_client_get(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                    uint32_t max_depth)
{
    write_paths(buf, USP_GET_PARAM_PATHS, paths, count);
    pb_write_fixed32(buf, USP_GET_MAX_DEPTH, max_depth);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_GET, USP_BODY_REQUEST, USP_REQUEST_GET);
}

void usp_client_get_instances(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                              bool first_level_only)
{
    write_paths(buf, USP_GET_INSTANCES_OBJ_PATHS, paths, count);
    pb_write_uint(buf, USP_GET_INSTANCES_FIRST_LEVEL_ONLY, first_level_only);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_GET_INSTANCES, USP_BODY_REQUEST, USP_REQUEST_GET_INSTANCES);
}

void usp_client_get_supported_dm(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                                 unsigned flags)
{
    write_paths(buf, USP_GET_SUPPORTED_DM_OBJ_PATHS, paths, count);
    pb_write_uint(buf, USP_GET_SUPPORTED_DM_FIRST_LEVEL_ONLY, !!(flags & USP_CLIENT_FIRST_LEVEL));
    pb_write_uint(buf, USP_GET_SUPPORTED_DM_RETURN_COMMANDS, !!(flags & USP_CLIENT_COMMANDS));
    pb_write_uint(buf, USP_GET_SUPPORTED_DM_RETURN_EVENTS, !!(flags & USP_CLIENT_EVENTS));
    pb_write_uint(buf, USP_GET_SUPPORTED_DM_RETURN_PARAMS, !!(flags & USP_CLIENT_PARAMS));
    pb_write_uint(buf, USP_GET_SUPPORTED_DM_RETURN_UNIQUE_KEY_SETS, !!(flags & USP_CLIENT_UNIQUE_KEYS));
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM, USP_BODY_REQUEST, USP_REQUEST_GET_SUPPORTED_DM);
}

void usp_client_get_supported_protocol(struct buf *buf, struct str msg_id, struct str versions)
{
    pb_write_text(buf, USP_GET_SUPPORTED_PROTOCOL_CONTROLLER_SUPPORTED_PROTOCOL_VERSIONS, versions);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO, USP_BODY_REQUEST,
         USP_REQUEST_GET_SUPPORTED_PROTOCOL);
}

/* Add and Set number the fields of their objects and settings alike. */
_Static_assert((int)USP_SET_UPDATE_OBJECT_OBJ_PATH == (int)USP_ADD_CREATE_OBJECT_OBJ_PATH &&
                   (int)USP_SET_UPDATE_OBJECT_PARAM_SETTINGS == (int)USP_ADD_CREATE_OBJECT_PARAM_SETTINGS,
               "objects of Add and Set are written by one function");

static void write_object(struct buf *buf, unsigned number, const struct usp_client_object *object)
{
    size_t mark = pb_begin(buf, number);

    pb_write_text(buf, USP_SET_UPDATE_OBJECT_OBJ_PATH, object->path);
    for (size_t i = 0; i < object->count; i++) {
        const struct usp_client_pair *pair = &object->params[i];
        size_t setting = pb_begin(buf, USP_SET_UPDATE_OBJECT_PARAM_SETTINGS);

        pb_write_text(buf, USP_SET_UPDATE_PARAM_SETTING_PARAM, pair->name);
        pb_write_text(buf, USP_SET_UPDATE_PARAM_SETTING_VALUE, pair->value);
        pb_write_uint(buf, USP_SET_UPDATE_PARAM_SETTING_REQUIRED, pair->required);
        pb_end(buf, setting);
    }
    pb_end(buf, mark);
}

void usp_client_set(struct buf *buf, struct str msg_id, const struct usp_client_object *objects, size_t count,
                    bool allow_partial)
{
    pb_write_uint(buf, USP_SET_ALLOW_PARTIAL, allow_partial);
    for (size_t i = 0; i < count; i++)
        write_object(buf, USP_SET_UPDATE_OBJS, &objects[i]);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_SET, USP_BODY_REQUEST, USP_REQUEST_SET);
}

void usp_client_add(struct buf *buf, struct str msg_id, const struct usp_client_object *objects, size_t count,
                    bool allow_partial)
{
    pb_write_uint(buf, USP_ADD_ALLOW_PARTIAL, allow_partial);
    for (size_t i = 0; i < count; i++)
        write_object(buf, USP_ADD_CREATE_OBJS, &objects[i]);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_ADD, USP_BODY_REQUEST, USP_REQUEST_ADD);
}

void usp_client_delete(struct buf *buf, struct str msg_id, const struct str *paths, size_t count,
                       bool allow_partial)
{
    pb_write_uint(buf, USP_DELETE_ALLOW_PARTIAL, allow_partial);
    write_paths(buf, USP_DELETE_OBJ_PATHS, paths, count);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_DELETE, USP_BODY_REQUEST, USP_REQUEST_DELETE);
}

void usp_client_operate(struct buf *buf, struct str msg_id, const struct usp_client_command *command)
{
    pb_write_text(buf, USP_OPERATE_COMMAND, command->path);
    pb_write_text(buf, USP_OPERATE_COMMAND_KEY, command->key);
    pb_write_uint(buf, USP_OPERATE_SEND_RESP, command->send_resp);
    for (size_t i = 0; i < command->count; i++)
        pb_write_entry(buf, USP_OPERATE_INPUT_ARGS, command->args[i].name, command->args[i].value);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_OPERATE, USP_BODY_REQUEST, USP_REQUEST_OPERATE);
}

void usp_client_notify_response(struct buf *buf, struct str msg_id, struct str subscription_id)
{
    pb_write_text(buf, USP_NOTIFY_RESP_SUBSCRIPTION_ID, subscription_id);
    wrap(buf, msg_id, USP_HEADER_MSG_TYPE_NOTIFY_RESP, USP_BODY_RESPONSE, USP_RESPONSE_NOTIFY_RESP);
}
