/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USP over WebSocket (R-WS.*): a LocalAgent.MTP row is a server for controllers, a Controller.MTP row a connection that
 * the agent opens and opens again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mtp.h"
#include "base/limits.h"
#include "base/log.h"
#include "usp/address.h"

static const char SUBPROTOCOL[] = "v1.usp";

enum {
    CLOSE_UNSUPPORTED_DATA = 1003, /* R-WS.16 */
    CLOSE_GOING_AWAY = 1001,
    HTTP_NOT_FOUND = 404,
    HTTP_UNAVAILABLE = 503,
    HANDSHAKE_MS = 15 * 1000, /* longer than the transport waits for one */
    MAX_SESSIONS = 64,
};

/* ---- both ways ---- */

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
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

static void leave_only_one(struct session *session)
{
    struct session *twin = session_twin(session);

    if (twin) /* R-WS.4: the new one is the one that works */
        websocket_close(twin->ws, CLOSE_GOING_AWAY, "another session of the same endpoint");
}

/* ---- the server ---- */

struct server {
    struct mtp *mtp;
    struct dm_row *row;
    struct websocket_server *server;
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
    leave_only_one(session);
    log_info("WebSocket session with %s",
             session->peer ? session->peer : "an endpoint that has not said its name");
    session_opened(session);
}

static void server_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct session *session = ctx;

    (void)ws;
    log_info("WebSocket session with %s ended (%d): %s", session->peer ? session->peer : "?", code,
             err->message);
    session_free(session);
}

static const struct websocket_ops server_ops = {
    .accept = accept_session,
    .opened = server_opened,
    .message = on_message,
    .closed = server_closed,
};

static void server_stop(struct dm_row *row)
{
    struct local_mtp *local = row->data;
    struct server *server = local->websocket_carrier;

    if (!server)
        return;
    websocket_server_free(server->server);
    forget_accepted(server, 0);
    free(server->path);
    free(server);
    local->websocket_carrier = NULL;
    local->status = LOCAL_MTP_DOWN;
}

static int server_start(struct mtp *mtp, struct dm_row *row, struct error *err)
{
    struct local_mtp *local = row->data;
    struct server *server = calloc(1, sizeof(*server));
    struct websocket_server_settings settings = {
        .port = (uint16_t)local->websocket_port,
        .subprotocol = SUBPROTOCOL,
        .require_subprotocol = true, /* R-WS.12a */
        .ping_s = local->websocket_keep_alive,
        .tls = local->websocket_encryption,
        .tls_settings = mtp->tls,
        .max_message = LIMIT_RECORD_BYTES,
        .max_connections = MAX_SESSIONS,
    };

    if (!server || str_replace(&server->path, local->websocket_path ? local->websocket_path : "") < 0) {
        free(server);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    /* R-MTP.1: with TLS the peer shows a certificate, which the configured CAs must vouch for. */
    settings.tls_settings.require_peer = local->websocket_encryption && mtp->tls.ca_file;
    server->mtp = mtp;
    server->row = row;
    server->port = local->websocket_port;
    server->tls = local->websocket_encryption;
    server->ping = local->websocket_keep_alive;
    server->server = websocket_server_new(mtp->websockets, &settings, &server_ops, server, err);
    if (!server->server) {
        free(server->path);
        free(server);
        return -1;
    }
    local->websocket_carrier = server;
    return 0;
}

void mtp_websocket_server_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    struct local_mtp *local = row->data;
    struct server *server = local->websocket_carrier;
    struct error err;

    if (deleted || !local->row.enable) {
        server_stop(row);
        return;
    }
    if (server && server->port == local->websocket_port && server->tls == local->websocket_encryption &&
        server->ping == local->websocket_keep_alive && same_path(server->path, local->websocket_path))
        return;
    server_stop(row);
    if (server_start(mtp, row, &err) == 0) {
        mtp_set_status(mtp, row, LOCAL_MTP_UP);
        return;
    }
    log_failure(LOG_LEVEL_ERROR, "cannot open the WebSocket server", &err);
    mtp_set_status(mtp, row, LOCAL_MTP_ERROR);
}

/* ---- the client ---- */

struct client {
    struct mtp *mtp;
    struct dm_row *row;
    struct websocket_client *client;
    struct session *session;
    struct timer retry;
    char *host;
    char *path;
    char *peer;
    uint32_t port;
    uint32_t ping;
    bool tls;
};

static void connect_client(struct client *client);

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    connect_client(ctx);
}

/* R-WS.19 */
static void retry_later(struct client *client)
{
    struct controller_mtp *row = client->row->data;

    row->websocket_retries++;
    dm_changed(client->mtp->dm, dm_row_child(client->row, dm_node_child(client->row->node, STR("WebSocket"))),
               dm_node_param(dm_node_child(client->row->node, STR("WebSocket")), "CurrentRetryCount"));
    timer_arm(&client->mtp->loop->timers, &client->retry,
              timer_backoff(row->websocket_retry_minimum, row->websocket_retry_multiplier,
                            row->websocket_retries, 0));
}

static void client_opened(void *ctx, struct websocket *ws, X509 *certificate)
{
    struct client *client = ctx;
    struct controller_mtp *row = client->row->data;
    struct session *session = session_new(client->mtp, client->peer);

    if (!session) {
        websocket_close(ws, CLOSE_GOING_AWAY, "out of memory");
        return;
    }
    session->ws = ws;
    session_identify(session, certificate, websocket_peer_chain(ws));
    client->session = session;
    row->websocket_retries = 0; /* R-WS.20 */
    leave_only_one(session);
    log_info("WebSocket session with %s", client->peer);
    session_opened(session);
}

static void client_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct client *client = ctx;

    if (client->session)
        on_message(client->session, ws, binary, data, len);
}

static void client_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct client *client = ctx;

    (void)ws;
    (void)code;
    log_failure(LOG_LEVEL_WARNING, "WebSocket to the controller", err);
    session_free(client->session);
    client->session = NULL;
    retry_later(client);
}

static const struct websocket_ops client_ops = {
    .opened = client_opened,
    .message = client_message,
    .closed = client_closed,
};

static void connect_client(struct client *client)
{
    char *path = usp_handshake_path(client->path ? client->path : "", usp_endpoint_id(client->mtp->usp));
    struct websocket_client_settings settings = {
        .host = client->host,
        .port = (uint16_t)client->port,
        .path = path,
        .subprotocol = SUBPROTOCOL,
        .ping_s = client->ping,
        .tls = client->tls,
        .tls_settings = client->mtp->tls,
        .max_message = LIMIT_RECORD_BYTES,
    };
    struct error err;

    websocket_client_free(client->client);
    client->client = NULL;
    error_set(&err, ERROR_RESOURCES_EXCEEDED, client->host, "out of memory");
    if (path)
        client->client = websocket_client_new(client->mtp->websockets, &settings, &client_ops, client, &err);
    free(path);
    if (client->client)
        return;
    log_failure(LOG_LEVEL_WARNING, "WebSocket to the controller", &err);
    retry_later(client);
}

static void client_stop(struct dm_row *row)
{
    struct controller_mtp *mtp_row = row->data;
    struct client *client = mtp_row->carrier;

    if (!client)
        return;
    timer_cancel(&client->mtp->loop->timers, &client->retry);
    session_free(client->session);
    websocket_client_free(client->client);
    free(client->host);
    free(client->path);
    free(client->peer);
    free(client);
    mtp_row->carrier = NULL;
}

static void client_start(struct mtp *mtp, struct dm_row *row, const struct controller *controller)
{
    struct controller_mtp *mtp_row = row->data;
    struct client *client = calloc(1, sizeof(*client));

    if (!client || str_replace(&client->host, mtp_row->websocket_host) < 0 ||
        str_replace(&client->path, mtp_row->websocket_path) < 0 ||
        str_replace(&client->peer, controller->endpoint_id) < 0) {
        if (client) {
            free(client->host);
            free(client->path);
        }
        free(client);
        return;
    }
    client->mtp = mtp;
    client->row = row;
    client->port = mtp_row->websocket_port;
    client->ping = mtp_row->websocket_keep_alive;
    client->tls = mtp_row->websocket_encryption;
    timer_init(&client->retry, on_retry, client);
    mtp_row->carrier = client;
    mtp_row->websocket_retries = 0;
    connect_client(client);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

void mtp_websocket_client_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    const struct controller_mtp *mtp_row = row->data;
    const struct controller *controller = row->parent->data;
    const struct client *client = mtp_row->carrier;
    bool wanted = !deleted && mtp_row->row.enable && controller->enable && controller->endpoint_id &&
                  same_text(mtp_row->row.protocol, "WebSocket") && mtp_row->websocket_host &&
                  mtp_row->websocket_host[0];

    if (wanted && client && client->port == mtp_row->websocket_port &&
        client->ping == mtp_row->websocket_keep_alive && client->tls == mtp_row->websocket_encryption &&
        same_text(client->host, mtp_row->websocket_host) &&
        same_text(client->path, mtp_row->websocket_path) && same_text(client->peer, controller->endpoint_id))
        return;
    client_stop(row);
    if (wanted)
        client_start(mtp, row, controller);
}

void mtp_websocket_done(struct mtp *mtp)
{
    struct dm_row *local_agent = dm_row_find(mtp->dm, STR("Device.LocalAgent."));
    struct dm_row *const *rows;
    uint32_t count = dm_rows(local_agent, mtp->local_mtp, &rows);

    for (uint32_t i = 0; i < count; i++)
        server_stop(rows[i]);
    count = dm_rows(local_agent, mtp->controller, &rows);
    for (uint32_t i = 0; i < count; i++) {
        struct dm_row *const *mtps;
        uint32_t n = dm_rows(rows[i], mtp->controller_mtp, &mtps);

        for (uint32_t j = 0; j < n; j++)
            client_stop(mtps[j]);
    }
}
