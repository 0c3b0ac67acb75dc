/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/record.h"

#include "usp/fields.h"
#include "usp/pb.h"

static const char VERSION[] = "1.4";

static int not_parsed(struct error *err, const char *what)
{
    return error_set(err, ERROR_RECORD_NOT_PARSED, NULL, "%s", what);
}

static int parse_body(struct usp_record *record, struct str body)
{
    struct pb_reader reader = pb_reader(body);
    struct pb_field field;
    bool good = true;
    int rc;

    record->body = body;
    while (good && (rc = pb_next(&reader, &field)) != 0) {
        if (rc < 0)
            return -1;
        if (record->type == USP_RECORD_NO_SESSION &&
            field.number == USP_RECORD_NO_SESSION_CONTEXT_RECORD_PAYLOAD)
            good = pb_bytes(&field, &record->payload);
        else if (record->type == USP_RECORD_DISCONNECT && field.number == USP_RECORD_DISCONNECT_RECORD_REASON)
            good = pb_text(&field, &record->reason);
        else if (record->type == USP_RECORD_DISCONNECT &&
                 field.number == USP_RECORD_DISCONNECT_RECORD_REASON_CODE)
            good = pb_number(&field, &record->reason_code);
    }
    return good ? 0 : -1;
}

static bool parse_field(struct usp_record *record, const struct pb_field *field, unsigned *types)
{
    struct str body;

    switch (field->number) {
    case USP_RECORD_RECORD_VERSION:
        return pb_text(field, &record->version);
    case USP_RECORD_RECORD_TO_ID:
        return pb_text(field, &record->to_id);
    case USP_RECORD_RECORD_FROM_ID:
        return pb_text(field, &record->from_id);
    case USP_RECORD_RECORD_PAYLOAD_SECURITY:
        return pb_number(field, &record->payload_security);
    case USP_RECORD_RECORD_MAC_SIGNATURE:
        return pb_bytes(field, &record->mac_signature);
    case USP_RECORD_RECORD_SENDER_CERT:
        return pb_bytes(field, &record->sender_cert);
    default:
        break;
    }
    if (field->number < USP_RECORD_NO_SESSION || field->number > USP_RECORD_UDS_CONNECT)
        return true; /* a later version's field */
    (*types)++;
    record->type = (enum usp_record_type)field->number;
    return pb_bytes(field, &body) && parse_body(record, body) == 0;
}

int usp_record_parse(struct str data, struct usp_record *ret, struct error *err)
{
    struct pb_reader reader = pb_reader(data);
    struct pb_field field;
    unsigned types = 0;
    int rc;

    *ret = (struct usp_record){.version = STR("")};
    while ((rc = pb_next(&reader, &field)) > 0)
        if (!parse_field(ret, &field, &types))
            return not_parsed(err, "a field of the record is malformed");
    if (rc < 0)
        return not_parsed(err, "the bytes are not a USP record");
    if (types != 1)
        return not_parsed(err, "the record does not hold exactly one record type");
    return 0;
}

/* Version, to_id and from_id, in front of what the buffer holds. */
static void prepend_ids(struct buf *buf, struct str to, struct str from)
{
    struct buf ids;

    buf_init(&ids, to.len + from.len + 64, 0);
    pb_write_text(&ids, USP_RECORD_RECORD_VERSION, STR(VERSION));
    pb_write_text(&ids, USP_RECORD_RECORD_TO_ID, to);
    pb_write_text(&ids, USP_RECORD_RECORD_FROM_ID, from);
    if (ids.failed || buf->failed)
        buf->failed = true;
    else
        buf_prepend(buf, buf_data(&ids), ids.len);
    buf_done(&ids);
}

void usp_record_wrap(struct buf *message, struct str to, struct str from)
{
    pb_wrap(message, USP_RECORD_NO_SESSION_CONTEXT_RECORD_PAYLOAD);
    pb_wrap(message, USP_RECORD_RECORD_NO_SESSION_CONTEXT);
    prepend_ids(message, to, from);
}

/* The buffer's content becomes the body of this record type. An empty body is still there: a oneof needs a member. */
static void finish(struct buf *buf, enum usp_record_type type, struct str to, struct str from)
{
    buf_room(buf, 0);
    pb_wrap(buf, type);
    prepend_ids(buf, to, from);
}

void usp_record_mqtt_connect(struct buf *buf, struct str to, struct str from, bool version_5,
                             struct str topic)
{
    pb_write_uint(buf, USP_RECORD_MQTT_CONNECT_RECORD_VERSION,
                  version_5 ? USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V5
                            : USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1);
    pb_write_text(buf, USP_RECORD_MQTT_CONNECT_RECORD_SUBSCRIBED_TOPIC, topic);
    finish(buf, USP_RECORD_MQTT_CONNECT, to, from);
}

void usp_record_websocket_connect(struct buf *buf, struct str to, struct str from)
{
    finish(buf, USP_RECORD_WEBSOCKET_CONNECT, to, from);
}

void usp_record_uds_connect(struct buf *buf, struct str to, struct str from)
{
    finish(buf, USP_RECORD_UDS_CONNECT, to, from);
}

void usp_record_disconnect(struct buf *buf, struct str to, struct str from, uint32_t code, struct str reason)
{
    pb_write_text(buf, USP_RECORD_DISCONNECT_RECORD_REASON, reason);
    pb_write_fixed32(buf, USP_RECORD_DISCONNECT_RECORD_REASON_CODE, code);
    finish(buf, USP_RECORD_DISCONNECT, to, from);
}
