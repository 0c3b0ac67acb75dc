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

enum {
    /*
     * Headroom for a message under construction: its own header, the record's, and what the transport puts in front.
     * With ordinary Endpoint IDs the whole envelope fits and nothing is moved.
     */
    USP_HEADROOM = 384,
};

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

/* Puts a sessionless record (R-E2E.26) around the message in buf. */
void usp_record_wrap(struct buf *message, struct str to, struct str from);
/* Whole records into an empty buffer. topic: where this endpoint listens; version_5: MQTT 5.0, else 3.1.1. */
void usp_record_mqtt_connect(struct buf *buf, struct str to, struct str from, bool version_5,
                             struct str topic);
void usp_record_websocket_connect(struct buf *buf, struct str to, struct str from);
void usp_record_uds_connect(struct buf *buf, struct str to, struct str from);
void usp_record_disconnect(struct buf *buf, struct str to, struct str from, uint32_t code, struct str reason);

#endif
