/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A conversation with the agent over its UNIX socket, for a program that does one thing after the other: a request
 * returns with its answer, a wait returns with what happened. Owned by main; the answer of a request stays valid until the
 * next one.
 *
 * Subscriptions made here are removed by session_close(); should the program die, TimeToLive removes them. Several
 * programs may be the same endpoint at a time, and the agent sends a notification to one of them: what is not our own
 * subscription's is left unacknowledged, so that the agent sends it again; session_reopen() makes it come here.
 */
#ifndef TOOLS_HOMEPATCH_SESSION_H
#define TOOLS_HOMEPATCH_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "transports/uds.h"
#include "usp/client.h"

/* Exit codes of the program, homepatch(1). */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_REFUSED = 1, /* the agent said no */
    OUTCOME_USAGE = 2,
    OUTCOME_UNREACHABLE = 3,
    OUTCOME_TIMEOUT = 4,
    OUTCOME_UPDATE_FAILED = 5,
    OUTCOME_INTERRUPTED = 130, /* as shells say it: 128 + SIGINT */
};

enum {
    SESSION_SUBSCRIPTIONS = 8,
    SESSION_TTL_S = 3600, /* renewed while the program lives */
};

struct session_settings {
    const char *socket;
    const char *endpoint; /* our own Endpoint ID */
    uint32_t timeout_ms;  /* of the connection and of each answer */
};

/* A notification of ours; valid during the call only. args: count pairs. */
struct session_notice {
    struct usp_client_notify notify;
    const struct usp_client_pair *args;
    size_t count;
};

struct session_subscription {
    const char *type;
    const char *references;
    bool retry;
    char id[48];
    char path[64];    /* its row; "" when it has none */
    uint64_t created; /* monotonic ms */
};

struct session {
    struct session_settings settings;
    struct loop loop;
    struct uds_client *client;
    struct uds *uds; /* NULL while not connected */
    uv_signal_t signals[2];
    struct timer timer;
    char agent[257];
    struct buf received; /* the record that answers */
    struct usp_client_message answer;
    char msg_id[48];
    uint32_t requests;
    bool answered;
    bool timed_out;
    bool interrupted;
    bool reconnected;  /* the connection was lost and is back: subscriptions are to be made again */
    bool restored;     /* it was: what was notified meanwhile was told to nobody */
    struct error lost; /* why there is no connection */
    struct session_subscription subscriptions[SESSION_SUBSCRIPTIONS];
    size_t subscribed;
    uint64_t renewed; /* monotonic ms */
    void (*on_notice)(void *ctx, const struct session_notice *notice);
    void *on_notice_ctx;
    uint32_t noticed; /* notices since the last wait */
    bool started;     /* the loop is there */
    bool open;
};

/* Connects. Any outcome but OUTCOME_DONE comes with err; session_close() is right in any case. */
enum outcome session_open(struct session *session, const struct session_settings *settings,
                          struct error *err);
void session_close(struct session *session);

/* For messages: an empty buffer with headroom and the next message id. */
struct str session_begin(struct session *session, struct buf *buf);
/* Sends the message (its bytes are taken) and waits for the answer: session->answer. */
enum outcome session_request(struct session *session, struct buf *message, struct error *err);
/* The same, and tells fn the facts of the answer. fn returns 0. */
enum outcome session_ask(struct session *session, struct buf *message, usp_client_fn *fn, void *ctx,
                         struct error *err);

/* references: comma-separated, static. retry: worth the agent's flash until it was acknowledged. */
enum outcome session_subscribe(struct session *session, const char *type, const char *references, bool retry,
                               struct error *err);
/*
 * Connects anew. The agent then takes this connection for the way to our endpoint, and sends at once what it has waiting:
 * a notification that went to another program of the same endpoint, for one.
 */
void session_reopen(struct session *session);
/* Until a notice came, or ms passed (false): or the user interrupted, or the connection came back. */
enum outcome session_wait(struct session *session, uint64_t ms, struct error *err);

#endif
