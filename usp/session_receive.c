/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a session that come in: which session they are of, put in order, checked, and their payload put together
 * (R-E2E.4 to R-E2E.8, R-E2E.18 to R-E2E.25). Everything here is from a peer that may be hostile: what is kept has a ceiling, and
 * what breaks a rule costs the peer its session.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/access.h"
#include "usp/session_internal.h"
#include "usp/trust.h"

/* One record that is being looked at, and how it came. */
struct arrival {
    struct usp_session *session; /* NULL: there is no memory for one */
    const struct usp_channel *from;
    const struct usp_route *route;
    const struct usp_record *record;
    struct usp_session_context *context;
    bool protected;
    bool verified; /* its integrity was looked at */
};

/* ---- what came before its turn ---- */

void usp_session_forget_received(struct usp_session *session)
{
    while (session->early) {
        struct kept_record *kept = session->early;

        session->early = kept->next;
        usp_session_refund(session, sizeof(*kept) + kept->len);
        free(kept);
    }
    session->early_count = 0;
    usp_session_refund(session, session->payload.len);
    buf_done(&session->payload);
    buf_init(&session->payload, LIMIT_RECORD_BYTES, 0);
    session->within = false;
    session->within_entry = false;
}

/* R-E2E.20, step 1. -1: it cannot be kept (R-E2E.21). */
static int keep_early(const struct arrival *arrival, struct str data)
{
    struct usp_session *session = arrival->session;
    uint64_t sequence_id = arrival->context->sequence_id;
    size_t bytes = sizeof(struct kept_record) + data.len;
    struct kept_record **at = &session->early;
    struct kept_record *kept;

    while (*at && (*at)->sequence_id < sequence_id)
        at = &(*at)->next;
    if (*at && (*at)->sequence_id == sequence_id) /* R-E2E.25 */
        return 0;
    if (sequence_id - session->expected > LIMIT_SESSION_EARLY || !usp_session_charge(session, bytes))
        return -1;
    kept = malloc(bytes);
    if (!kept) {
        usp_session_refund(session, bytes);
        return -1;
    }
    *kept = (struct kept_record){
        .next = *at, .sequence_id = sequence_id, .protected = arrival->protected, .len = data.len};
    memcpy(kept->data, data.data, data.len);
    *at = kept;
    session->early_count++;
    usp_session_missing(session, true);
    return 0;
}

/* ---- the payload ---- */

/* Where in a segmented message the record is. -1: it cannot be there. */
static int follow_segments(struct usp_session *session, const struct usp_session_context *context)
{
    bool begins = context->sar == SAR_NONE || context->sar == SAR_BEGIN;
    bool begins_entry = context->recsar == SAR_NONE || context->recsar == SAR_BEGIN;

    if (begins == session->within || begins_entry == session->within_entry)
        return -1;
    session->within = context->sar == SAR_BEGIN || context->sar == SAR_INPROCESS;
    session->within_entry = context->recsar == SAR_BEGIN || context->recsar == SAR_INPROCESS;
    return session->within_entry && !session->within ? -1 : 0;
}

/* Entries of the payload, appended to the message; TLS is asked what they say, and says what it has to. */
static int gather(const struct arrival *arrival, struct buf *out, struct error *err)
{
    struct usp_session *session = arrival->session;
    const struct usp_security_ops *ops = session->controller->usp->security;
    struct buf *payload = &session->payload;
    struct str entry;

    while (usp_session_payload(arrival->context, &entry)) {
        size_t before = payload->len;
        int rc = 0;

        if (session->secured && entry.len)
            rc = ops->take(session->security, entry, payload, out, err);
        else if (entry.len)
            rc = buf_append(payload, entry.data, entry.len);
        if (payload->len > before && !usp_session_charge(session, payload->len - before)) {
            payload->len = before;
            rc = -1;
        }
        if (rc < 0 || payload->failed)
            return -1;
    }
    return 0;
}

/* Who the peer is, its certificate says now: it gets the roles of that (R-SEC.25). */
static int established(struct usp_session *session, struct error *err)
{
    const struct usp_security_ops *ops = session->controller->usp->security;
    struct usp_channel shown = ops->shown(session->security);

    usp_session_up(session);
    return usp_admit(session->controller, &shown, err) == USP_TAKEN ? 0 : -1;
}

static void take_message(const struct arrival *arrival)
{
    struct usp_session *session = arrival->session;
    struct usp_route route = *arrival->route;
    struct buf message;

    if (!session->payload.len)
        return;
    /* Out of the session: what the message does may end it. */
    usp_session_refund(session, session->payload.len);
    buf_init(&message, LIMIT_RECORD_BYTES, 0);
    buf_move(&message, &session->payload);
    route.in_session = session->controller; /* R-MSG.0a */
    usp_take_message(session->controller->usp, session->controller, &route,
                     (struct str){(char *)buf_data(&message), message.len});
    buf_done(&message);
}

static bool has_payload(struct usp_session_context context)
{
    struct str entry;

    return usp_session_payload(&context, &entry);
}

/* -1: the record has failed. */
static int take_payload(const struct arrival *arrival, struct error *err)
{
    struct usp_session *session = arrival->session;
    struct usp *usp = session->controller->usp;
    struct buf out;
    int rc;

    if (!has_payload(*arrival->context))
        return 0;
    if (follow_segments(session, arrival->context) < 0)
        return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "segments out of order");
    buf_init(&out, LIMIT_RECORD_BYTES, 0);
    rc = gather(arrival, &out, err);
    if (out.len)
        usp_session_emit(session, arrival->route, (struct str){(char *)buf_data(&out), out.len});
    buf_done(&out);
    if (rc < 0)
        return err && err->code ? -1
                                : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                                            "the payload is more than is kept (%s is %u, %s is %u)",
                                            LIMIT_SAYS(usp->limits, session_bytes),
                                            LIMIT_SAYS(usp->limits, sessions_bytes));
    if (session->secured && session->status != SESSION_UP && usp->security->up(session->security) &&
        established(session, err) < 0)
        return -1;
    if (!session->within)
        take_message(arrival);
    return 0;
}

/* ---- one record in its turn (R-E2E.20, step 3) ---- */

/* 0; -1: it has failed. What the session is afterwards, may be another one. */
static int process(const struct arrival *arrival, struct error *err)
{
    struct usp_session *session = arrival->session;
    struct usp_session_context *context = arrival->context;
    struct usp_channel shown = *arrival->from;
    bool was_up = session->status == SESSION_UP;
    uint64_t begun = session->begun;

    if ((arrival->record->payload_security == TLS12) != session->secured) /* R-E2E.19 */
        return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "payload_security is not the session's");
    if (!arrival->verified && usp_integrity_check(session->controller, session, arrival->record, context,
                                                  arrival->protected, err) < 0)
        return -1; /* R-E2E.23 */
    if (session->secured && was_up)
        shown = session->controller->usp->security->shown(session->security);
    if ((was_up || !session->secured) && usp_admit(session->controller, &shown, err) != USP_TAKEN)
        return -1;
    session->expected = context->sequence_id + 1; /* R-E2E.20, step 4 */
    session->asked = 0;
    usp_session_alive(session);
    if (!session->secured && !was_up)
        usp_session_up(session);
    if (was_up || !session->secured)
        usp_session_heard(session);
    if (take_payload(arrival, err) < 0)
        return -1;
    if (session->begun != begun || session->status == SESSION_DOWN)
        return 0;
    if (context->retransmit_id && usp_session_resend(session, arrival->route, context->retransmit_id) < 0)
        return error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "a record is asked for that cannot be had");
    usp_session_acknowledged(session, context->expected_id);
    return 0;
}

/* What waited for this record. */
static int process_early(const struct arrival *arrival, struct error *err)
{
    struct usp_session *session = arrival->session;
    uint64_t begun = session->begun;
    int rc = 0;

    while (rc == 0 && session->begun == begun && session->early &&
           session->early->sequence_id == session->expected) {
        struct kept_record *kept = session->early;
        struct usp_session_context context;
        struct usp_record record;
        struct arrival next = {session,  arrival->from,   arrival->route, &record,
                               &context, kept->protected, false};

        session->early = kept->next;
        session->early_count--;
        /* It was parsed when it came. */
        rc = usp_record_parse((struct str){(char *)kept->data, kept->len}, &record, err);
        if (rc == 0)
            rc = usp_session_context_parse(record.body, &context);
        if (rc == 0)
            rc = process(&next, err);
        usp_session_refund(session, sizeof(*kept) + kept->len);
        free(kept);
    }
    if (rc == 0 && session->begun == begun)
        usp_session_missing(session, session->early != NULL);
    return rc;
}

/* ---- whose record it is ---- */

static enum usp_verdict ignored(const struct arrival *arrival, struct error *err, const char *why)
{
    return usp_ignore(arrival->session->controller->usp, err, ERROR_INVALID_RECORD_VALUE, why,
                      arrival->record->from_id);
}

static enum usp_verdict failed(const struct arrival *arrival, struct error *err)
{
    arrival->session->controller->usp->stats.records_ignored++;
    usp_session_fail(arrival->session, arrival->route);
    if (err && !err->code)
        error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "the record could not be processed");
    return USP_IGNORED;
}

/* A session that was: its record is late, or its sender does not know yet that it is over (R-E2E.24). */
static bool is_past(const struct usp_session *session, const struct usp_session_context *context)
{
    bool down = session->status == SESSION_DOWN;

    if (down && context->sequence_id == 1)
        return false;
    return context->session_id == session->previous || (down && context->session_id == session->id);
}

static enum usp_verdict past(const struct arrival *arrival, struct error *err)
{
    struct usp_session *session = arrival->session;

    if (session->status == SESSION_DOWN && !timer_armed(&session->wait))
        usp_session_next(session, arrival->route);
    return ignored(arrival, err, "a record of a session that is over, from ");
}

/* The controller begins a session (R-E2E.4, R-E2E.6). -1: it must not, or not so; it was told. */
static int begun_by_peer(struct arrival *arrival, struct error *err)
{
    struct usp_session *session = arrival->session;
    struct controller *controller = session->controller;
    const struct usp_record *record = arrival->record;
    bool secured = record->payload_security == TLS12;

    /* Whoever cannot show that it is the controller does not end the session that there is (R-E2E.23). */
    if (usp_integrity_check(controller, NULL, record, arrival->context, arrival->protected, err) < 0) {
        if (arrival->context->sequence_id != 1 && session->status == SESSION_DOWN)
            usp_session_disconnect(controller->usp, arrival->route, record->from_id,
                                   ERROR_SESSION_CONTEXT_TERMINATED);
        return -1;
    }
    if (!secured && controller->e2e.mode == SESSION_REQUIRE && controller->e2e.security == SESSION_TLS) {
        usp_session_disconnect(controller->usp, arrival->route, record->from_id,
                               ERROR_SECURE_SESSION_REQUIRED);
        return error_set(err, ERROR_SECURE_SESSION_REQUIRED, controller->endpoint_id,
                         "a session without payload security (E2ESession.PayloadSecurity)");
    }
    if (usp_session_begin(session, arrival->context->session_id, false, secured, err) == 0) {
        session->signs = !secured && record->mac_signature.len;
        arrival->verified = true;
        return 0;
    }
    usp_session_disconnect(controller->usp, arrival->route, record->from_id,
                           ERROR_SECURE_SESSION_NOT_SUPPORTED);
    return -1;
}

/* In the session, whichever turn it is. */
static enum usp_verdict take_turn(const struct arrival *arrival, struct str data, struct error *err)
{
    struct usp_session *session = arrival->session;
    uint64_t sequence_id = arrival->context->sequence_id;
    uint64_t begun = session->begun;

    if (sequence_id < session->expected) /* R-E2E.20, step 2, R-E2E.25 */
        return ignored(arrival, err, "a record came again from ");
    if (sequence_id > SEQUENCE_LAST || session->next > SEQUENCE_LAST) { /* R-E2E.8, R-E2E.9 */
        error_set(err, ERROR_INVALID_RECORD_VALUE, NULL, "the sequence ids are used up");
        return failed(arrival, err);
    }
    if (sequence_id > session->expected)
        return keep_early(arrival, data) < 0 ? failed(arrival, err) : USP_TAKEN;
    if (process(arrival, err) < 0 || (session->begun == begun && process_early(arrival, err) < 0))
        return session->begun == begun ? failed(arrival, err) : USP_IGNORED;
    return USP_TAKEN;
}

/* R-MTP.5 leaves what has no message in it alone; a session that is there begins anew (R-E2E.24). */
static bool is_valid(const struct arrival *arrival)
{
    const struct usp_session_context *context = arrival->context;

    return context->session_id && context->sequence_id && context->sar <= SAR_COMPLETE &&
           context->recsar <= SAR_COMPLETE && arrival->record->payload_security <= TLS12;
}

enum usp_verdict usp_session_receive(struct controller *controller, const struct usp_channel *from,
                                     const struct usp_route *route, struct str data,
                                     const struct usp_record *record, struct error *err)
{
    struct usp_session_context context;
    struct arrival arrival = {.session = usp_session_of(controller),
                              .from = from,
                              .route = route,
                              .record = record,
                              .context = &context,
                              .protected = usp_integrity_by_transport(controller, from)};
    struct usp_session *session = arrival.session;

    error_clear(err);
    if (usp_session_context_parse(record->body, &context) < 0) {
        error_set(err, ERROR_RECORD_NOT_PARSED, NULL, "the session context is malformed");
        return USP_UNPROCESSABLE;
    }
    if (!session)
        return usp_ignore(controller->usp, err, ERROR_RESOURCES_EXCEEDED, "no memory for a session with ",
                          record->from_id);
    if (!is_valid(&arrival)) {
        if (session->status == SESSION_DOWN)
            return ignored(&arrival, err, "a value that a session record cannot have, from ");
        return failed(&arrival, err);
    }
    if (session->status == SESSION_DOWN || context.session_id != session->id) {
        if (is_past(session, &context))
            return past(&arrival, err);
        if (begun_by_peer(&arrival, err) < 0) {
            controller->usp->stats.records_ignored++;
            return USP_IGNORED;
        }
    }
    return take_turn(&arrival, data, err);
}
