/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/record.h"

#include <endian.h>

#include "base/limits.h"
#include "usp/fields.h"

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

int usp_session_context_parse(struct str body, struct usp_session_context *ret)
{
    struct pb_reader reader = pb_reader(body);
    struct pb_field field;
    uint64_t *slot;
    int rc;

    *ret = (struct usp_session_context){.payload = reader};
    while ((rc = pb_next(&reader, &field)) > 0) {
        switch (field.number) {
        case USP_RECORD_SESSION_CONTEXT_RECORD_SESSION_ID:
            slot = &ret->session_id;
            break;
        case USP_RECORD_SESSION_CONTEXT_RECORD_SEQUENCE_ID:
            slot = &ret->sequence_id;
            break;
        case USP_RECORD_SESSION_CONTEXT_RECORD_EXPECTED_ID:
            slot = &ret->expected_id;
            break;
        case USP_RECORD_SESSION_CONTEXT_RECORD_RETRANSMIT_ID:
            slot = &ret->retransmit_id;
            break;
        case USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD_SAR_STATE:
            slot = &ret->sar;
            break;
        case USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOADREC_SAR_STATE:
            slot = &ret->recsar;
            break;
        case USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD:
            if (field.wire != PB_BYTES)
                return -1;
            continue;
        default: /* a later version's field */
            continue;
        }
        if (!pb_number(&field, slot))
            return -1;
    }
    return rc;
}

bool usp_session_payload(struct usp_session_context *context, struct str *ret)
{
    struct pb_field field;

    while (pb_next(&context->payload, &field) > 0)
        if (field.number == USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD)
            return pb_bytes(&field, ret);
    return false;
}

/* ---- writing ---- */

static void append_u64(struct buf *to, uint64_t value)
{
    uint64_t wire = htobe64(value);

    buf_append(to, &wire, sizeof(wire));
}

static void append_u32(struct buf *to, uint64_t value)
{
    uint32_t wire = htobe32((uint32_t)value);

    buf_append(to, &wire, sizeof(wire));
}

static void append_bytes(struct buf *to, struct str bytes)
{
    if (bytes.len)
        buf_append(to, bytes.data, bytes.len);
}

void usp_record_fields(struct buf *to, const struct usp_record *record,
                       const struct usp_session_context *context)
{
    append_bytes(to, record->version);
    append_bytes(to, record->to_id);
    append_bytes(to, record->from_id);
    append_u32(to, record->payload_security);
    append_bytes(to, record->sender_cert);
    if (!context)
        return;
    append_u64(to, context->session_id);
    append_u64(to, context->sequence_id);
    append_u64(to, context->expected_id);
    append_u64(to, context->retransmit_id);
    append_u32(to, context->sar);
    append_u32(to, context->recsar);
}

static void prepend(struct buf *buf, struct buf *head)
{
    if (head->failed || buf->failed)
        buf->failed = true;
    else if (head->len)
        buf_prepend(buf, buf_data(head), head->len);
    buf_done(head);
}

void usp_record_wrap_session(struct buf *payload, const struct usp_record *record,
                             const struct usp_session_context *context)
{
    struct buf head;

    buf_init(&head, 128, 0);
    pb_write_uint(&head, USP_RECORD_SESSION_CONTEXT_RECORD_SESSION_ID, context->session_id);
    pb_write_uint(&head, USP_RECORD_SESSION_CONTEXT_RECORD_SEQUENCE_ID, context->sequence_id);
    pb_write_uint(&head, USP_RECORD_SESSION_CONTEXT_RECORD_EXPECTED_ID, context->expected_id);
    pb_write_uint(&head, USP_RECORD_SESSION_CONTEXT_RECORD_RETRANSMIT_ID, context->retransmit_id);
    pb_write_uint(&head, USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD_SAR_STATE, context->sar);
    pb_write_uint(&head, USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOADREC_SAR_STATE, context->recsar);
    buf_room(payload, 0);
    prepend(payload, &head);
    pb_wrap(payload, USP_RECORD_RECORD_SESSION_CONTEXT);
    buf_init(&head, LIMIT_RECORD_BYTES, 0);
    pb_write_text(&head, USP_RECORD_RECORD_VERSION, record->version);
    pb_write_text(&head, USP_RECORD_RECORD_TO_ID, record->to_id);
    pb_write_text(&head, USP_RECORD_RECORD_FROM_ID, record->from_id);
    pb_write_uint(&head, USP_RECORD_RECORD_PAYLOAD_SECURITY, record->payload_security);
    if (record->mac_signature.len)
        pb_write_bytes(&head, USP_RECORD_RECORD_MAC_SIGNATURE, record->mac_signature);
    if (record->sender_cert.len)
        pb_write_bytes(&head, USP_RECORD_RECORD_SENDER_CERT, record->sender_cert);
    prepend(payload, &head);
}

/* Version, to_id and from_id, in front of what the buffer holds. */
static void prepend_ids(struct buf *buf, struct str to, struct str from)
{
    struct buf ids;

    buf_init(&ids, to.len + from.len + 64, 0);
    pb_write_text(&ids, USP_RECORD_RECORD_VERSION, STR(USP_RECORD_VERSION));
    pb_write_text(&ids, USP_RECORD_RECORD_TO_ID, to);
    pb_write_text(&ids, USP_RECORD_RECORD_FROM_ID, from);
    prepend(buf, &ids);
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
