/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USP records (TR-369, "USP Record Encapsulation"): reading one, and putting the envelope around a message. Bytes in,
 * bytes out; nothing is kept.
 */
#ifndef USP_RECORD_H
#define USP_RECORD_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "usp/pb.h"

enum {
    /*
     * Headroom for a message under construction: its own header, the record's, and what the transport puts in front.
     * With ordinary Endpoint IDs the whole envelope fits and nothing is moved.
     */
    USP_HEADROOM = 384,
};

#define USP_RECORD_VERSION "1.4"

enum usp_record_type {
    USP_RECORD_NO_SESSION = 7,
    USP_RECORD_SESSION = 8,
    USP_RECORD_WEBSOCKET_CONNECT = 9,
    USP_RECORD_MQTT_CONNECT = 10,
    USP_RECORD_STOMP_CONNECT = 11,
    USP_RECORD_DISCONNECT = 12,
    USP_RECORD_UDS_CONNECT = 13,
};

struct usp_record {
    struct str version;
    struct str to_id;
    struct str from_id;
    uint64_t payload_security;
    struct str mac_signature;
    struct str sender_cert;
    enum usp_record_type type;
    struct str payload; /* USP_RECORD_NO_SESSION */
    struct str body;    /* the other types, not read further */
    struct str reason;  /* USP_RECORD_DISCONNECT */
    uint64_t reason_code;
};

/*
 * 0; -1 and err 7100 when the bytes are no record, or break the rule that exactly one record type is present (R-ENC.3,
 * R-ENC.4). Content is borrowed from data.
 */
int usp_record_parse(struct str data, struct usp_record *ret, struct error *err);

/* The body of a session record, its fields as they are (R-E2E.*). `payload` is repeated: usp_session_payload() reads it. */
struct usp_session_context {
    uint64_t session_id;
    uint64_t sequence_id;
    uint64_t expected_id;
    uint64_t retransmit_id;
    uint64_t sar;    /* payload_sar_state: of the message */
    uint64_t recsar; /* payloadrec_sar_state: of one entry of the payload, for TLS a TLS record */
    struct pb_reader payload;
};
/* -1: malformed. */
int usp_session_context_parse(struct str body, struct usp_session_context *ret);
/* The next entry of the payload; false at the end. */
bool usp_session_payload(struct usp_session_context *context, struct str *ret);

/*
 * The fields of a record that MAC and signature cover, in the order and layout of R-E2E.32, R-E2E.32.1 and R-E2E.34.
 * context: NULL for a record without a session.
 */
void usp_record_fields(struct buf *to, const struct usp_record *record,
                       const struct usp_session_context *context);
/* Puts a session record around the entries of a payload, which are in the buffer with their tags. */
void usp_record_wrap_session(struct buf *payload, const struct usp_record *record,
                             const struct usp_session_context *context);

/* Puts a sessionless record (R-E2E.26) around the message in buf. */
void usp_record_wrap(struct buf *message, struct str to, struct str from);
/* Whole records into an empty buffer. topic: where this endpoint listens; version_5: MQTT 5.0, else 3.1.1. */
void usp_record_mqtt_connect(struct buf *buf, struct str to, struct str from, bool version_5,
                             struct str topic);
void usp_record_websocket_connect(struct buf *buf, struct str to, struct str from);
void usp_record_uds_connect(struct buf *buf, struct str to, struct str from);
void usp_record_disconnect(struct buf *buf, struct str to, struct str from, uint32_t code, struct str reason);

#endif
