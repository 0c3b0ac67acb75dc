/* SPDX-License-Identifier: BSD-3-Clause */
/* The envelope of any message, and Notify requests. */
#include "usp/client.h"

#include "usp/fields.h"
#include "usp/pb.h"

/* ---- Msg ---- */

/* Where the body of each message type sits: the member of Body, and the member below it. Error has none below. */
static const struct place {
    uint8_t body;
    uint8_t kind;
} places[] = {
    [USP_HEADER_MSG_TYPE_ERROR] = {USP_BODY_ERROR, 0},
    [USP_HEADER_MSG_TYPE_GET] = {USP_BODY_REQUEST, USP_REQUEST_GET},
    [USP_HEADER_MSG_TYPE_GET_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_GET_RESP},
    [USP_HEADER_MSG_TYPE_NOTIFY] = {USP_BODY_REQUEST, USP_REQUEST_NOTIFY},
    [USP_HEADER_MSG_TYPE_SET] = {USP_BODY_REQUEST, USP_REQUEST_SET},
    [USP_HEADER_MSG_TYPE_SET_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_SET_RESP},
    [USP_HEADER_MSG_TYPE_OPERATE] = {USP_BODY_REQUEST, USP_REQUEST_OPERATE},
    [USP_HEADER_MSG_TYPE_OPERATE_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_OPERATE_RESP},
    [USP_HEADER_MSG_TYPE_ADD] = {USP_BODY_REQUEST, USP_REQUEST_ADD},
    [USP_HEADER_MSG_TYPE_ADD_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_ADD_RESP},
    [USP_HEADER_MSG_TYPE_DELETE] = {USP_BODY_REQUEST, USP_REQUEST_DELETE},
    [USP_HEADER_MSG_TYPE_DELETE_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_DELETE_RESP},
    [USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM] = {USP_BODY_REQUEST, USP_REQUEST_GET_SUPPORTED_DM},
    [USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_GET_SUPPORTED_DM_RESP},
    [USP_HEADER_MSG_TYPE_GET_INSTANCES] = {USP_BODY_REQUEST, USP_REQUEST_GET_INSTANCES},
    [USP_HEADER_MSG_TYPE_GET_INSTANCES_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_GET_INSTANCES_RESP},
    [USP_HEADER_MSG_TYPE_NOTIFY_RESP] = {USP_BODY_RESPONSE, USP_RESPONSE_NOTIFY_RESP},
    [USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO] = {USP_BODY_REQUEST, USP_REQUEST_GET_SUPPORTED_PROTOCOL},
    [USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO_RESP] = {USP_BODY_RESPONSE,
                                                      USP_RESPONSE_GET_SUPPORTED_PROTOCOL_RESP},
};

static int malformed(struct error *err, const char *why)
{
    return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "the bytes are no USP message: %s", why);
}

/* The one nested message among the members of a oneof (all others of this level are no members). */
static int only_member(struct str content, struct pb_field *ret)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    unsigned members = 0;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0) {
        members++;
        *ret = field;
    }
    return rc == 0 && members == 1 && ret->wire == PB_BYTES ? 0 : -1;
}

static int parse_header(struct str content, struct usp_client_message *ret)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    uint64_t type = 0;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if ((field.number == USP_HEADER_MSG_ID && !pb_text(&field, &ret->msg_id)) ||
            (field.number == USP_HEADER_MSG_TYPE && !pb_number(&field, &type)))
            return -1;
    ret->type = (uint32_t)type;
    return rc == 0 && type < sizeof(places) / sizeof(places[0]) ? 0 : -1;
}

int usp_client_parse(struct str payload, struct usp_client_message *ret, struct error *err)
{
    struct usp_client_message message = {.msg_id = STR("")};
    struct pb_reader reader = pb_reader(payload);
    struct str header = {NULL, 0};
    struct str body = {NULL, 0};
    struct pb_field field;
    const struct place *place;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if ((field.number == USP_MSG_HEADER && !pb_bytes(&field, &header)) ||
            (field.number == USP_MSG_BODY && !pb_bytes(&field, &body)))
            return malformed(err, "header or body is of the wrong type");
    if (rc < 0 || !header.data || !body.data || parse_header(header, &message) < 0)
        return malformed(err, "no header, no body, or a type that is not known");
    place = &places[message.type];
    if (!place->body || only_member(body, &field) < 0 || field.number != place->body)
        return malformed(err, "the body is not what the header says");
    if (place->kind) {
        struct pb_field inner;

        if (only_member(field.bytes, &inner) < 0 || inner.number != place->kind)
            return malformed(err, "the body is not what the header says");
        field = inner;
    }
    message.content = field.bytes;
    *ret = message;
    return 0;
}

/* ---- Notify ---- */

struct notice {
    struct usp_client_notify *notify;
    usp_client_fn *fn;
    void *ctx;
    int result; /* of fn */
};

static bool tell(struct notice *notice, const struct pb_field *field)
{
    struct usp_client_fact fact = {
        .kind = USP_FACT_EVENT_PARAM, .requested = STR(""), .path = notice->notify->path, .text = STR("")};

    if (!pb_entry(field, &fact.name, &fact.value))
        return false;
    if (notice->fn && notice->result == 0)
        notice->result = notice->fn(notice->ctx, &fact);
    return true;
}

static bool read_failure(struct usp_client_notify *notify, struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    uint64_t code = ERROR_COMMAND_FAILURE; /* a failure that names no code is still one */
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if ((field.number == USP_NOTIFY_COMMAND_FAILURE_ERR_CODE && !pb_number(&field, &code)) ||
            (field.number == USP_NOTIFY_COMMAND_FAILURE_ERR_MSG && !pb_text(&field, &notify->text)))
            return false;
    notify->code = (uint32_t)code;
    return rc == 0;
}

static bool read_outputs(struct notice *notice, struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if (field.number == USP_NOTIFY_OUTPUT_ARGS_OUTPUT_ARGS && !tell(notice, &field))
            return false;
    return rc == 0;
}

/* What is no map: paths, names, values. The fields 1 and 2 are texts wherever they are not named here. */
static bool read_head(struct usp_client_notify *notify, const struct pb_field *field)
{
    switch (notify->kind) {
    case USP_CLIENT_EVENT:
        return field->number == USP_NOTIFY_EVENT_OBJ_PATH     ? pb_text(field, &notify->path)
               : field->number == USP_NOTIFY_EVENT_EVENT_NAME ? pb_text(field, &notify->name)
                                                              : true;
    case USP_CLIENT_VALUE_CHANGE:
        return field->number == USP_NOTIFY_VALUE_CHANGE_PARAM_PATH    ? pb_text(field, &notify->path)
               : field->number == USP_NOTIFY_VALUE_CHANGE_PARAM_VALUE ? pb_text(field, &notify->value)
                                                                      : true;
    case USP_CLIENT_CREATION:
    case USP_CLIENT_DELETION:
        return field->number == USP_NOTIFY_OBJECT_CREATION_OBJ_PATH ? pb_text(field, &notify->path) : true;
    case USP_CLIENT_COMPLETE:
        if (field->number == USP_NOTIFY_OPERATION_COMPLETE_OBJ_PATH)
            return pb_text(field, &notify->path);
        if (field->number == USP_NOTIFY_OPERATION_COMPLETE_COMMAND_NAME)
            return pb_text(field, &notify->name);
        return field->number == USP_NOTIFY_OPERATION_COMPLETE_COMMAND_KEY ? pb_text(field, &notify->key)
                                                                          : true;
    case USP_CLIENT_ONBOARD:
        return field->number == USP_NOTIFY_ON_BOARD_REQUEST_SERIAL_NUMBER ? pb_text(field, &notify->value)
                                                                          : true;
    }
    return false;
}

static bool read_maps(struct notice *notice, const struct pb_field *field)
{
    switch (notice->notify->kind) {
    case USP_CLIENT_EVENT:
        return field->number == USP_NOTIFY_EVENT_PARAMS ? tell(notice, field) : true;
    case USP_CLIENT_CREATION:
        return field->number == USP_NOTIFY_OBJECT_CREATION_UNIQUE_KEYS ? tell(notice, field) : true;
    case USP_CLIENT_COMPLETE:
        if (field->number == USP_NOTIFY_OPERATION_COMPLETE_REQ_OUTPUT_ARGS)
            return field->wire == PB_BYTES && read_outputs(notice, field->bytes);
        if (field->number == USP_NOTIFY_OPERATION_COMPLETE_CMD_FAILURE)
            return field->wire == PB_BYTES && read_failure(notice->notify, field->bytes);
        return true;
    case USP_CLIENT_VALUE_CHANGE:
    case USP_CLIENT_DELETION:
    case USP_CLIENT_ONBOARD:
        return true;
    }
    return false;
}

/* Paths first: what fn is told of the maps carries them. */
static bool read_body(struct notice *notice, struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0)
        if (!read_head(notice->notify, &field))
            return false;
    if (rc < 0)
        return false;
    reader = pb_reader(content);
    while (pb_next(&reader, &field) > 0)
        if (!read_maps(notice, &field))
            return false;
    return true;
}

int usp_client_read_notify(const struct usp_client_message *message, struct usp_client_notify *ret,
                           usp_client_fn *fn, void *ctx, struct error *err)
{
    struct usp_client_notify notify = {.subscription_id = STR(""),
                                       .path = STR(""),
                                       .name = STR(""),
                                       .key = STR(""),
                                       .value = STR(""),
                                       .text = STR("")};
    struct notice notice = {.notify = &notify, .fn = fn, .ctx = ctx};
    struct pb_reader reader = pb_reader(message->content);
    struct str body = {NULL, 0};
    struct pb_field field;
    unsigned kinds = 0;
    bool good = message->type == USP_HEADER_MSG_TYPE_NOTIFY;
    int rc = 0;

    while (good && (rc = pb_next(&reader, &field)) > 0) {
        if (field.number == USP_NOTIFY_SUBSCRIPTION_ID)
            good = pb_text(&field, &notify.subscription_id);
        else if (field.number == USP_NOTIFY_SEND_RESP)
            good = pb_bool(&field, &notify.send_resp);
        if (field.number < USP_NOTIFY_EVENT || field.number > USP_NOTIFY_ON_BOARD_REQ)
            continue;
        kinds++;
        notify.kind = (enum usp_client_notify_kind)field.number;
        good = pb_bytes(&field, &body);
    }
    if (!good || rc < 0 || kinds != 1 || !read_body(&notice, body))
        return malformed(err, "a Notify with not exactly one well-formed notification");
    *ret = notify;
    return notice.result;
}
