/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a session on their way out: numbered, cut to the size that the carrier takes, and kept until the peer says that
 * it has them (R-E2E.14 to R-E2E.18).
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/session_internal.h"

enum {
    /* Of a record besides its payload, Endpoint IDs, signature and certificate: tags, lengths, the session's numbers. */
    RECORD_HEAD_BYTES = 96,
    SIGNATURE_BYTES = 80,
    ENTRY_HEAD_BYTES = 6, /* tag and length of one entry of the payload */
    SHORTEST_ENTRY = 64,  /* rather a record that is too long than one that carries nothing */
    TLS_HEAD_BYTES = 5,   /* type, version, length */
};

/* ---- what may be asked for again ---- */

static void drop_oldest(struct usp_session *session)
{
    struct kept_record *kept = session->sent;

    session->sent = kept->next;
    if (!session->sent)
        session->sent_last = &session->sent;
    session->sent_count--;
    usp_session_refund(session, sizeof(*kept) + kept->len);
    free(kept);
}

void usp_session_forget_sent(struct usp_session *session)
{
    while (session->sent)
        drop_oldest(session);
}

/* R-E2E.16, up to the ceilings: the oldest gives way. What is not kept cannot be had again, and ends the session if asked for. */
static void keep(struct usp_session *session, uint64_t sequence_id, const struct buf *record)
{
    size_t bytes = sizeof(struct kept_record) + record->len;
    struct kept_record *kept;

    while (session->sent && session->sent_count >= LIMIT_SESSION_SENT)
        drop_oldest(session);
    while (!usp_session_charge(session, bytes)) {
        if (!session->sent)
            return;
        drop_oldest(session);
    }
    kept = malloc(bytes);
    if (!kept) {
        usp_session_refund(session, bytes);
        return;
    }
    *kept = (struct kept_record){.sequence_id = sequence_id, .len = record->len};
    memcpy(kept->data, buf_data(record), record->len);
    *session->sent_last = kept;
    session->sent_last = &kept->next;
    session->sent_count++;
}

/* A record that was asked for stays: its peer may ask again, although it counts as received meanwhile (TP-469 3.14). */
void usp_session_acknowledged(struct usp_session *session, uint64_t expected_id)
{
    while (session->sent && session->sent->sequence_id < expected_id && !session->sent->resent)
        drop_oldest(session);
}

int usp_session_resend(struct usp_session *session, const struct usp_route *route, uint64_t sequence_id)
{
    struct usp *usp = session->controller->usp;
    int32_t most = session->controller->e2e.retransmit_max;
    struct kept_record *kept = session->sent;
    struct buf record;

    while (kept && kept->sequence_id != sequence_id)
        kept = kept->next;
    if (!kept || (most >= 0 && kept->resent >= most))
        return -1;
    if (kept->resent < INT32_MAX)
        kept->resent++;
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    buf_append(&record, kept->data, kept->len);
    usp_send_record(usp, route, &record); /* what the channel does not take, the peer asks for again */
    return 0;
}

/* ---- one record ---- */

/* The payload's entries become a record; takes them over. */
static int send_one(struct usp_session *session, const struct usp_route *route, struct buf *payload,
                    struct usp_session_context *context)
{
    struct usp *usp = session->controller->usp;
    struct usp_record record = {.version = STR(USP_RECORD_VERSION),
                                .to_id = str_of(session->controller->endpoint_id),
                                .from_id = str_of(usp->endpoint_id),
                                .payload_security = session->secured ? TLS12 : PLAINTEXT};
    struct buf mac;
    int rc;

    context->session_id = session->id;
    context->sequence_id = session->next;
    context->expected_id = session->expected; /* R-E2E.17 */
    buf_init(&mac, LIMIT_RECORD_BYTES, 0);
    rc = usp_integrity_make(session, &record, context, &mac);
    usp_record_wrap_session(payload, &record, context);
    buf_done(&mac);
    if (rc < 0 || payload->failed) {
        buf_done(payload);
        return -1;
    }
    keep(session, session->next++, payload); /* R-E2E.15 */
    usp_session_alive(session);
    /* What the channel does not take is sent when the peer misses it. */
    usp_send_record(usp, route, payload);
    return 0;
}

static void begin_payload(const struct usp_session *session, struct buf *payload)
{
    const struct usp *usp = session->controller->usp;
    size_t certificate = usp->security && session->status != SESSION_UP
                             ? usp->security->certificate(usp->security_ctx).len
                             : 0;

    buf_init(payload, LIMIT_RECORD_BYTES, USP_HEADROOM + certificate);
}

static void add_entry(struct buf *payload, struct str entry)
{
    pb_write_bytes(payload, USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD, entry);
}

/* ---- segmentation ---- */

/* How much of entries with their heads fits into one record. */
static size_t room_of(const struct usp_session *session)
{
    const struct usp *usp = session->controller->usp;
    size_t most = session->controller->e2e.record_max;
    size_t head = RECORD_HEAD_BYTES + strlen(session->controller->endpoint_id) + strlen(usp->endpoint_id);

    if (session->secured && session->status == SESSION_UP)
        head += USP_MAC_BYTES;
    else if (session->secured || session->signs)
        head += SIGNATURE_BYTES + usp->security->certificate(usp->security_ctx).len;
    if (!most)
        return SIZE_MAX;
    return most > head + SHORTEST_ENTRY ? most - head : SHORTEST_ENTRY;
}

/* An entry of the payload is a TLS record, or the whole message. */
static bool next_entry(const struct usp_session *session, struct str *rest, struct str *ret)
{
    const uint8_t *bytes = (const uint8_t *)rest->data;
    size_t len = rest->len;

    if (!len)
        return false;
    if (session->secured && len > TLS_HEAD_BYTES)
        len = TLS_HEAD_BYTES + ((size_t)bytes[3] << 8 | bytes[4]);
    if (len > rest->len)
        len = rest->len;
    *ret = (struct str){rest->data, len};
    rest->data += len;
    rest->len -= len;
    return true;
}

static size_t size_of_entries(const struct usp_session *session, struct str bytes)
{
    size_t size = 0;
    struct str entry;

    while (next_entry(session, &bytes, &entry))
        size += ENTRY_HEAD_BYTES + entry.len;
    return size;
}

static int send_whole(struct usp_session *session, const struct usp_route *route, struct str bytes)
{
    struct usp_session_context context = {.sar = SAR_NONE};
    struct buf payload;
    struct str entry;

    begin_payload(session, &payload);
    while (next_entry(session, &bytes, &entry))
        add_entry(&payload, entry);
    return send_one(session, route, &payload, &context);
}

static enum sar state_of(bool first, bool last)
{
    if (first)
        return last ? SAR_NONE : SAR_BEGIN;
    return last ? SAR_COMPLETE : SAR_INPROCESS;
}

/* One entry, in as many records as it takes. */
static int send_entry(struct usp_session *session, const struct usp_route *route, struct str entry,
                      bool first_entry, bool last_entry)
{
    size_t most = room_of(session) - ENTRY_HEAD_BYTES;
    bool first = true;

    while (entry.len) {
        struct str part = {entry.data, entry.len < most ? entry.len : most};
        bool last = part.len == entry.len;
        struct usp_session_context context = {.recsar = state_of(first, last),
                                              .sar = state_of(first_entry && first, last_entry && last)};
        struct buf payload;

        begin_payload(session, &payload);
        add_entry(&payload, part);
        if (send_one(session, route, &payload, &context) < 0)
            return -1;
        entry.data += part.len;
        entry.len -= part.len;
        first = false;
    }
    return 0;
}

/* TR-369 "SAR function algorithm": all in one record if it fits, else each entry in records of its own. */
static int send_bytes(struct usp_session *session, const struct usp_route *route, struct str bytes)
{
    bool first = true;
    struct str entry;

    if (size_of_entries(session, bytes) <= room_of(session))
        return send_whole(session, route, bytes);
    while (next_entry(session, &bytes, &entry)) {
        if (send_entry(session, route, entry, first, bytes.len == 0) < 0)
            return -1;
        first = false;
    }
    return 0;
}

int usp_session_emit(struct usp_session *session, const struct usp_route *route, struct str payload)
{
    return payload.len ? send_bytes(session, route, payload) : 0;
}

int usp_session_signal(struct usp_session *session, const struct usp_route *route, uint64_t missing)
{
    struct controller *controller = session->controller;
    struct usp_session_context context = {.retransmit_id = missing};
    struct usp_route own;
    struct buf payload;

    if (!route) {
        if (controller->usp->ops->route(controller->usp->ctx, controller, &own) < 0)
            return -1;
        route = &own;
    }
    begin_payload(session, &payload);
    return send_one(session, route, &payload, &context);
}

static int send_sealed(struct usp_session *session, const struct usp_route *route, const struct buf *message)
{
    struct buf sealed;
    int rc;

    buf_init(&sealed, 2 * LIMIT_RECORD_BYTES, 0);
    rc = session->controller->usp->security->seal(
        session->security, (struct str){(char *)buf_data(message), message->len}, &sealed, NULL);
    if (rc == 0 && !sealed.failed)
        rc = send_bytes(session, route, (struct str){(char *)buf_data(&sealed), sealed.len});
    buf_done(&sealed);
    return rc;
}

int usp_session_send(struct controller *controller, const struct usp_route *route, struct buf *message)
{
    struct usp_session *session = controller->session;
    int rc = -1;

    if (session && session->status != SESSION_DOWN && (!session->secured || session->status == SESSION_UP)) {
        if (session->secured)
            rc = send_sealed(session, route, message);
        else
            rc = send_bytes(session, route, (struct str){(char *)buf_data(message), message->len});
    }
    buf_done(message);
    return rc;
}
