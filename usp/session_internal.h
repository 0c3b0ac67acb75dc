/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of sessions share: session.c its life, session_receive.c and session_send.c its records. */
#ifndef USP_SESSION_INTERNAL_H
#define USP_SESSION_INTERNAL_H

#include "usp/fields.h"
#include "usp/internal.h"
#include "usp/record.h"
#include "usp/security.h"

enum sar {
    SAR_NONE = USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD_SAR_STATE_NONE,
    SAR_BEGIN = USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD_SAR_STATE_BEGIN,
    SAR_INPROCESS = USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD_SAR_STATE_INPROCESS,
    SAR_COMPLETE = USP_RECORD_SESSION_CONTEXT_RECORD_PAYLOAD_SAR_STATE_COMPLETE,
};

#define TLS12 USP_RECORD_RECORD_PAYLOAD_SECURITY_TLS12
#define PLAINTEXT USP_RECORD_RECORD_PAYLOAD_SECURITY_PLAINTEXT

/* A sequence id this near its end ends the session (R-E2E.8, R-E2E.9). */
#define SEQUENCE_LAST (UINT64_MAX - 10000)

/* A record that came before its turn (R-E2E.20), or one that was sent and may be asked for again (R-E2E.16). */
struct kept_record {
    struct kept_record *next;
    uint64_t sequence_id;
    int32_t resent;
    bool protected; /* received: its transport vouches for it */
    size_t len;
    uint8_t data[];
};

struct usp_session {
    struct controller *controller;
    enum session_status status;
    enum session_status told; /* to the feed, as the next */
    uint32_t retries;         /* CurrentRetryCount */
    uint32_t told_retries;
    bool ours;      /* the agent started it */
    bool perpetual; /* Allow: the controller uses sessions, so the agent does (TR-181 SessionMode) */
    bool secured;   /* the last one's payload security: the next one of a perpetual controller has the same */
    bool signs;     /* the peer signs without payload security, so we do */
    bool proven;    /* since it is up, a record of the peer was processed */
    bool came_up;   /* in this iteration: what waits for the controller can go */
    bool restart;   /* Reset() asks for another one */
    bool follow;    /* the settings changed */
    uint64_t id;
    uint64_t previous; /* session id of the one before: its late records are no news */
    uint64_t expected; /* next sequence id of the peer */
    uint64_t next;     /* own next sequence id */
    uint64_t begun;    /* grows with each session: who calls out looks whether it is still the same */
    uint64_t active;   /* monotonic ms of the last record */
    uint64_t tried;    /* of the first of the attempts that CurrentRetryCount counts */
    struct usp_security *security;
    struct kept_record *early; /* by sequence id */
    uint32_t early_count;
    uint32_t asked;           /* how often for the record that is missing */
    struct kept_record *sent; /* oldest first */
    struct kept_record **sent_last;
    uint32_t sent_count;
    size_t bytes;       /* of all kept records and of the payload below */
    struct buf payload; /* a message, as far as it has come */
    bool within;        /* between the first and last record of a segmented message (payload_sar_state) */
    bool within_entry;  /* and of one of its entries (payloadrec_sar_state) */
    struct timer wait;  /* the peer's next handshake record, a missing record, or the next attempt */
    struct timer expiry;
    struct deferred tell;
};

/* session.c */
/* The controller's, made when there is none yet; NULL: no memory. */
struct usp_session *usp_session_of(struct controller *controller);
/* A session with this id begins here: what was of the old one is gone. -1: its security cannot be opened. */
int usp_session_begin(struct usp_session *session, uint64_t id, bool ours, bool secured, struct error *err);
/* Starts one towards the controller, by its settings. route: NULL for the controller's own. -1: not now. */
int usp_session_start(struct usp_session *session, const struct usp_route *route);
/* It ends without another one. */
void usp_session_end(struct usp_session *session);
/* A record could not be processed: a new session, now or after a wait (R-E2E.10, R-E2E.21, R-E2E.23). */
void usp_session_fail(struct usp_session *session, const struct usp_route *route);
/* After one that is over: another, if the agent may begin it; else the controller is told. */
void usp_session_next(struct usp_session *session, const struct usp_route *route);
void usp_session_up(struct usp_session *session);
/* A record of the session that works was processed: failures are counted anew. */
void usp_session_heard(struct usp_session *session);
/* A record is missing, which is asked for if it does not come; or none is any more. */
void usp_session_missing(struct usp_session *session, bool missing);
/* A record came or went: the expiration begins anew. */
void usp_session_alive(struct usp_session *session);
/* Tells the controller (R-E2E.6a, R-E2E.6b). */
void usp_session_disconnect(struct usp *usp, const struct usp_route *route, struct str to, uint32_t code);
/* Counts bytes that are kept; false: there would be too many. */
bool usp_session_charge(struct usp_session *session, size_t bytes);
void usp_session_refund(struct usp_session *session, size_t bytes);
void usp_session_set_status(struct usp_session *session, enum session_status status);

/* session_send.c */
/* What TLS has to say by itself: handshake and alerts. */
int usp_session_emit(struct usp_session *session, const struct usp_route *route, struct str payload);
/* An empty record: begins a session, and asks again for a record that is missing (0: none). */
int usp_session_signal(struct usp_session *session, const struct usp_route *route, uint64_t missing);
/* The peer asks for one anew: -1 when it cannot be had (R-E2E.21). */
int usp_session_resend(struct usp_session *session, const struct usp_route *route, uint64_t sequence_id);
/* All before this one have arrived there. */
void usp_session_acknowledged(struct usp_session *session, uint64_t expected_id);
void usp_session_forget_sent(struct usp_session *session);

/* session_receive.c */
void usp_session_forget_received(struct usp_session *session);

/* integrity.c */
/*
 * The record is as its sender made it (R-E2E.30), or its transport makes that sure (protected). session: NULL for a
 * record that begins one; context: NULL for a record without one.
 */
int usp_integrity_check(struct controller *controller, struct usp_session *session,
                        const struct usp_record *record, const struct usp_session_context *context,
                        bool protected, struct error *err);
/* R-E2E.28: the transport's certificate is this controller's. */
bool usp_integrity_by_transport(const struct controller *controller, const struct usp_channel *from);
/* Fills in mac_signature and sender_cert of a record to be sent (R-E2E.29); the signature's bytes go to *scratch. */
int usp_integrity_make(struct usp_session *session, struct usp_record *record,
                       const struct usp_session_context *context, struct buf *scratch);

#endif
