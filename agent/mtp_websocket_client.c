/* SPDX-License-Identifier: BSD-3-Clause */
/* USP over WebSocket: a Controller.MTP row is a connection that the agent opens (R-WS.5), and opens again. */
#include <stdlib.h>
#include <string.h>

#include "agent/mtp_websocket.h"
#include "base/limits.h"
#include "base/log.h"
#include "usp/address.h"

enum {
    CLOSE_GOING_AWAY = 1001,
};

struct client {
    struct mtp *mtp;
    struct dm_row *row;
    struct websocket_client *client;
    struct session *session;
    struct timer timer; /* the next attempt, or the restart */
    bool restart;       /* with what the row says then, or not at all */
    bool stands_back; /* the controller has a session that it opened: no other is tried meanwhile (R-WS.4) */
    char *host;
    char *path;
    char *peer;
    uint32_t port;
    uint32_t ping;
    bool tls;
};

/* ---- attempts ---- */

static void set_retries(struct client *client, uint32_t retries)
{
    const struct dm_node *node = dm_node_child(client->row->node, STR("WebSocket"));
    struct controller_mtp *row = client->row->data;

    if (row->websocket_retries == retries)
        return;
    row->websocket_retries = retries;
    dm_changed(client->mtp->dm, dm_row_child(client->row, node), dm_node_param(node, "CurrentRetryCount"));
}

/* R-WS.19 */
static void retry_later(struct client *client)
{
    const struct controller_mtp *row = client->row->data;

    if (client->restart) /* comes sooner */
        return;
    set_retries(client, row->websocket_retries < UINT32_MAX ? row->websocket_retries + 1 : UINT32_MAX);
    timer_arm(&client->mtp->loop->timers, &client->timer,
              timer_backoff(row->websocket_retry_minimum, row->websocket_retry_multiplier,
                            row->websocket_retries, 0));
}

static void stand_back(struct client *client)
{
    client->stands_back = true;
    set_retries(client, 0);
}

static void client_opened(void *ctx, struct websocket *ws, X509 *certificate)
{
    struct client *client = ctx;
    struct session *session = session_new(client->mtp, client->peer);

    if (!session) {
        websocket_close(ws, CLOSE_GOING_AWAY, "out of memory");
        return;
    }
    session->ws = ws;
    session_identify(session, certificate, websocket_peer_chain(ws));
    client->session = session;
    set_retries(client, 0); /* R-WS.20 */
    log_info("WebSocket session with %s", client->peer);
    session_opened(session);
}

static void client_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct client *client = ctx;

    if (client->session)
        mtp_websocket_message(client->session, ws, binary, data, len);
}

static void client_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct client *client = ctx;

    (void)ws;
    (void)code;
    log_failure(LOG_LEVEL_WARNING, "WebSocket to the controller", err);
    session_free(client->session);
    client->session = NULL;
    if (session_with(client->mtp, client->peer, true))
        stand_back(client);
    else
        retry_later(client);
}

static const struct websocket_ops client_ops = {
    .opened = client_opened,
    .message = client_message,
    .closed = client_closed,
};

static int attempt(struct client *client, struct error *err)
{
    char *path = usp_handshake_path(client->path ? client->path : "", usp_endpoint_id(client->mtp->usp));
    char *extension = mtp_websocket_extension(client->mtp);
    struct websocket_client_settings settings = {
        .host = client->host,
        .port = (uint16_t)client->port,
        .path = path,
        .subprotocol = MTP_WEBSOCKET_SUBPROTOCOL,
        .extension = extension,
        .ping_s = client->ping,
        .tls = client->tls,
        .tls_settings = client->mtp->tls,
        .max_message = client->mtp->loop->limits->record_bytes,
    };

    error_set(err, ERROR_RESOURCES_EXCEEDED, client->host, "out of memory");
    if (path && extension)
        client->client = websocket_client_new(client->mtp->websockets, &settings, &client_ops, client, err);
    free(path);
    free(extension);
    return client->client ? 0 : -1;
}

static void connect_client(struct client *client)
{
    struct error err;

    websocket_client_free(client->client);
    client->client = NULL;
    if (session_with(client->mtp, client->peer, true)) {
        stand_back(client);
        return;
    }
    if (attempt(client, &err) == 0)
        return;
    log_failure(LOG_LEVEL_WARNING, "WebSocket to the controller", &err);
    retry_later(client);
}

/* ---- rows ---- */

static void client_stop(struct dm_row *row)
{
    struct controller_mtp *mtp_row = row->data;
    struct client *client = mtp_row->carrier;

    if (!client)
        return;
    timer_cancel(&client->mtp->loop->timers, &client->timer);
    if (client->session)
        session_say_goodbye(client->session);
    session_free(client->session);
    websocket_client_free(client->client);
    free(client->host);
    free(client->path);
    free(client->peer);
    free(client);
    mtp_row->carrier = NULL;
}

static bool is_wanted(const struct dm_row *row)
{
    const struct controller_mtp *mtp_row = row->data;
    const struct controller *controller = row->parent->data;

    return mtp_row->row.enable && controller->enable && controller->endpoint_id &&
           mtp_websocket_same_text(mtp_row->row.protocol, "WebSocket") && mtp_row->websocket_host &&
           mtp_row->websocket_host[0];
}

static void on_timer(struct timer *timer, void *ctx);

static void client_start(struct mtp *mtp, struct dm_row *row)
{
    const struct controller *controller = row->parent->data;
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
    timer_init(&client->timer, on_timer, client);
    mtp_row->carrier = client;
    set_retries(client, 0); /* R-WS.21: the count begins with the program, too */
    connect_client(client);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct client *client = ctx;
    struct mtp *mtp = client->mtp;
    struct dm_row *row = client->row;

    (void)timer;
    if (mtp->stopping)
        return;
    if (!client->restart) {
        connect_client(client);
        return;
    }
    client_stop(row);
    if (is_wanted(row))
        client_start(mtp, row);
}

static void restart(struct client *client)
{
    client->restart = true;
    timer_arm(&client->mtp->loop->timers, &client->timer, client->session ? MTP_RESTART_MS : 0);
}

static bool is_same(const struct client *client, const struct dm_row *row)
{
    const struct controller_mtp *mtp_row = row->data;
    const struct controller *controller = row->parent->data;

    return client->port == mtp_row->websocket_port && client->tls == mtp_row->websocket_encryption &&
           mtp_websocket_same_text(client->host, mtp_row->websocket_host) &&
           mtp_websocket_same_text(client->path, mtp_row->websocket_path) &&
           mtp_websocket_same_text(client->peer, controller->endpoint_id);
}

void mtp_websocket_client_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    const struct controller_mtp *mtp_row = row->data;
    struct client *client = mtp_row->carrier;

    if (deleted) {
        client_stop(row);
    } else if (!client) {
        if (is_wanted(row))
            client_start(mtp, row);
    } else if (!is_wanted(row) || !is_same(client, row)) {
        restart(client);
    } else if (client->ping != mtp_row->websocket_keep_alive) { /* R-WS.18 */
        client->ping = mtp_row->websocket_keep_alive;
        if (client->client)
            websocket_client_keep_alive(client->client, client->ping);
    }
}

bool mtp_websocket_reset(struct dm_row *row)
{
    struct client *client = ((struct controller_mtp *)row->data)->carrier;

    if (client)
        restart(client);
    return client != NULL;
}

static void each_client(struct mtp *mtp, void (*fn)(struct client *client, const char *peer),
                        const char *peer)
{
    struct dm_row *const *controllers;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.LocalAgent.")), mtp->controller, &controllers);

    for (uint32_t i = 0; i < count; i++) {
        struct dm_row *const *rows;
        uint32_t mtps = dm_rows(controllers[i], mtp->controller_mtp, &rows);

        for (uint32_t j = 0; j < mtps; j++)
            if (((struct controller_mtp *)rows[j]->data)->carrier)
                fn(((struct controller_mtp *)rows[j]->data)->carrier, peer);
    }
}

static void come_forward(struct client *client, const char *peer)
{
    if (!client->stands_back || strcmp(client->peer, peer) != 0 || session_with(client->mtp, peer, true))
        return;
    client->stands_back = false;
    retry_later(client);
}

void mtp_websocket_peer_left(struct mtp *mtp, const char *peer)
{
    if (!mtp->stopping)
        each_client(mtp, come_forward, peer);
}

static void stop(struct client *client, const char *peer)
{
    (void)peer;
    client_stop(client->row);
}

void mtp_websocket_clients_done(struct mtp *mtp)
{
    each_client(mtp, stop, NULL);
}
