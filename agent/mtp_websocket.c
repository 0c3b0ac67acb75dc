/* SPDX-License-Identifier: BSD-3-Clause */
/* USP over WebSocket (R-WS.*): what both roles share, and the server for controllers behind a LocalAgent.MTP row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mtp_websocket.h"
#include "base/limits.h"
#include "base/log.h"
#include "usp/address.h"

enum {
    CLOSE_UNSUPPORTED_DATA = 1003, /* R-WS.16 */
    HTTP_NOT_FOUND = 404,
    HTTP_UNAVAILABLE = 503,
    HANDSHAKE_MS = 15 * 1000, /* longer than the transport waits for one */
};

/* ---- both ways ---- */

void mtp_websocket_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct session *session = ctx;
    struct error why;

    if (!binary) { /* R-WS.14 */
        websocket_close(ws, CLOSE_UNSUPPORTED_DATA, "records are binary");
        return;
    }
    if (!session_record(session, data, len, &why))
        websocket_close(ws, CLOSE_UNSUPPORTED_DATA, why.message);
}

/* R-WS.10a and R-WS.11a: for endpoints from before USP 1.3. The subprotocol's name and the query say the same. */
char *mtp_websocket_extension(const struct mtp *mtp)
{
    const char *eid = usp_endpoint_id(mtp->usp);
    size_t size = strlen(eid) + 32;
    char *text = malloc(size);

    if (text)
        snprintf(text, size, "bbf-usp-protocol; eid=\"%s\"", eid);
    return text;
}

bool mtp_websocket_same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* ---- the server ---- */

struct server {
    struct mtp *mtp;
    struct dm_row *row;
    struct websocket_server *server;
    struct timer restart; /* with other settings, or not at all */
    uint32_t port;
    bool tls;
    uint32_t ping;
    char *path;
    struct session *accepted; /* not open yet, newest first: a peer may vanish before, without a word */
};

/* Forgets those whose handshake did not end in time; all of them when max_age_ms is 0. */
static void forget_accepted(struct server *server, uint64_t max_age_ms)
{
    uint64_t now = clock_monotonic(&server->mtp->loop->clock);
    struct session **at = &server->accepted;

    while (*at) {
        struct session *session = *at;

        if (max_age_ms && now - session->accepted < max_age_ms) {
            at = &session->next;
            continue;
        }
        *at = session->next;
        session_free(session);
    }
}

static bool same_path(const char *a, const char *b)
{
    a = a ? a : "";
    b = b ? b : "";
    while (*a == '/')
        a++;
    while (*b == '/')
        b++;
    return strcmp(a, b) == 0;
}

static int accept_session(void *ctx, const struct websocket_request *request, void **ret_ctx)
{
    struct server *server = ctx;
    struct session *session;
    char *peer;

    if (!same_path(request->path, server->path))
        return HTTP_NOT_FOUND;
    /* R-WS.10b, R-WS.11c: in the query, or (older ones) nowhere or in an extension. */
    peer = usp_endpoint_of_handshake(request->query, request->extensions);
    session = session_new(server->mtp, peer);
    free(peer);
    if (!session)
        return HTTP_UNAVAILABLE;
    forget_accepted(server, HANDSHAKE_MS);
    session->server = server;
    session->next = server->accepted;
    server->accepted = session;
    *ret_ctx = session;
    return 0;
}

static void take_accepted(struct session *session)
{
    struct server *server = session->server;

    for (struct session **at = &server->accepted; *at; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            return;
        }
    }
}

static void server_opened(void *ctx, struct websocket *ws, X509 *certificate)
{
    struct session *session = ctx;

    take_accepted(session);
    session->ws = ws;
    session_identify(session, certificate, websocket_peer_chain(ws));
    log_info("WebSocket session with %s",
             session->peer ? session->peer : "an endpoint that has not said its name");
    session_opened(session);
}

static void server_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct session *session = ctx;
    struct mtp *mtp = session->mtp;
    char *peer = session->peer;

    (void)ws;
    log_info("WebSocket session with %s ended (%d): %s", peer ? peer : "?", code, err->message);
    session->peer = NULL;
    session->channel.peer = NULL;
    session_free(session);
    if (peer)
        mtp_websocket_peer_left(mtp, peer);
    free(peer);
}

static const struct websocket_ops server_ops = {
    .accept = accept_session,
    .opened = server_opened,
    .message = mtp_websocket_message,
    .closed = server_closed,
};

static void server_stop(struct dm_row *row)
{
    struct local_mtp *local = row->data;
    struct server *server = local->websocket_carrier;

    if (!server)
        return;
    timer_cancel(&server->mtp->loop->timers, &server->restart);
    sessions_say_goodbye(server->mtp, server);
    websocket_server_free(server->server);
    forget_accepted(server, 0);
    free(server->path);
    free(server);
    local->websocket_carrier = NULL;
}

static int open_server(struct server *server, const struct local_mtp *local, struct error *err)
{
    struct mtp *mtp = server->mtp;
    char *extension = mtp_websocket_extension(mtp);
    struct websocket_server_settings settings = {
        .port = (uint16_t)local->websocket_port,
        .subprotocol = MTP_WEBSOCKET_SUBPROTOCOL,
        .require_subprotocol = true, /* R-WS.12a */
        .extension = extension,
        .ping_s = local->websocket_keep_alive,
        .tls = local->websocket_encryption,
        .tls_settings = mtp->tls,
        .max_message = mtp->loop->limits->record_bytes,
        .max_connections = mtp->loop->limits->controller_connections,
    };

    /* R-MTP.1: with TLS the peer shows a certificate, which the configured CAs must vouch for. */
    settings.tls_settings.require_peer = local->websocket_encryption && mtp->tls.ca_file;
    server->server = websocket_server_new(mtp->websockets, &settings, &server_ops, server, err);
    free(extension);
    return server->server ? 0 : -1;
}

static void on_restart(struct timer *timer, void *ctx);

static int server_start(struct mtp *mtp, struct dm_row *row, struct error *err)
{
    struct local_mtp *local = row->data;
    struct server *server = calloc(1, sizeof(*server));

    if (!server || str_replace(&server->path, local->websocket_path ? local->websocket_path : "") < 0) {
        free(server);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    server->mtp = mtp;
    server->row = row;
    server->port = local->websocket_port;
    server->tls = local->websocket_encryption;
    server->ping = local->websocket_keep_alive;
    timer_init(&server->restart, on_restart, server);
    if (open_server(server, local, err) < 0) {
        free(server->path);
        free(server);
        return -1;
    }
    local->websocket_carrier = server;
    return 0;
}

static bool is_wanted(const struct local_mtp *local)
{
    return local->row.enable && mtp_websocket_same_text(local->row.protocol, "WebSocket");
}

static void begin(struct mtp *mtp, struct dm_row *row)
{
    struct error err;

    if (server_start(mtp, row, &err) == 0) {
        mtp_set_status(mtp, row, LOCAL_MTP_UP);
        return;
    }
    log_failure(LOG_LEVEL_ERROR, "cannot open the WebSocket server", &err);
    mtp_set_status(mtp, row, LOCAL_MTP_ERROR);
}

static void on_restart(struct timer *timer, void *ctx)
{
    struct server *server = ctx;
    struct mtp *mtp = server->mtp;
    struct dm_row *row = server->row;

    (void)timer;
    if (mtp->stopping)
        return;
    server_stop(row);
    if (is_wanted(row->data))
        begin(mtp, row);
    else if (mtp_websocket_same_text(((struct local_mtp *)row->data)->row.protocol, "WebSocket"))
        mtp_set_status(mtp, row, LOCAL_MTP_DOWN);
}

void mtp_websocket_server_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    const struct local_mtp *local = row->data;
    struct server *server = local->websocket_carrier;

    if (deleted) {
        server_stop(row);
        return;
    }
    if (!server) {
        if (is_wanted(local))
            begin(mtp, row);
        return;
    }
    if (is_wanted(local) && server->port == local->websocket_port &&
        server->tls == local->websocket_encryption && same_path(server->path, local->websocket_path)) {
        if (server->ping != local->websocket_keep_alive) {
            server->ping = local->websocket_keep_alive;
            websocket_server_keep_alive(server->server, server->ping);
        }
        timer_cancel(&mtp->loop->timers, &server->restart);
        return;
    }
    timer_arm(&mtp->loop->timers, &server->restart, MTP_RESTART_MS);
}

void mtp_websocket_done(struct mtp *mtp)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.LocalAgent.")), mtp->local_mtp, &rows);

    for (uint32_t i = 0; i < count; i++)
        server_stop(rows[i]);
    mtp_websocket_clients_done(mtp);
}
