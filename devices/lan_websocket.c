/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/lan_websocket.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"

enum {
    PING_S = 30,
    /* New connections of one address. A device tries again every few seconds when it is refused. */
    OPEN_INTERVAL_MS = 1000,
    OPEN_BURST = 20,
    CLOSE_POLICY = 1008, /* RFC 6455, 7.4.1 */
};

/* What one address is allowed. Kept while it has sessions or its allowances have not recovered. */
struct address {
    char *text;
    struct rate opens;
    struct rate new_devices;
    uint32_t sessions;
    bool local;
};

struct session {
    struct lan_session lan; /* first: dialects hand it back to us */
    struct lan_websocket *owner;
    struct websocket *ws;
    const struct dialect *dialect;
    void *dialect_ctx;
    struct address *address;
    bool known; /* the dialect has taken it */
};

struct lan_websocket {
    struct loop *loop;
    const struct lan_websocket_ops *ops;
    void *ctx;
    struct websocket_server *server;
    struct map addresses; /* text -> struct address */
};

/* ---- addresses ---- */

static bool is_local(const char *text)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (strncmp(text, "::ffff:", 7) == 0)
        text += 7;
    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static void address_free(struct lan_websocket *lan, struct address *address)
{
    map_remove(&lan->addresses, str_of(address->text));
    free(address->text);
    free(address);
}

static void sweep_addresses(struct lan_websocket *lan)
{
    uint64_t now = clock_monotonic(&lan->loop->clock);
    struct address *address;
    size_t at = 0;

    while ((address = map_next(&lan->addresses, &at)))
        if (address->sessions == 0 && rate_idle(&address->opens, now) &&
            rate_idle(&address->new_devices, now))
            address_free(lan, address);
}

static struct address *address_of(struct lan_websocket *lan, const char *text)
{
    struct address *address = map_get(&lan->addresses, str_of(text));

    if (address)
        return address;
    if (lan->addresses.count >= LIMIT_LAN_ADDRESSES)
        sweep_addresses(lan);
    if (lan->addresses.count >= LIMIT_LAN_ADDRESSES)
        return NULL;
    address = calloc(1, sizeof(*address));
    if (address)
        address->text = str_dup(text, strlen(text));
    if (!address || !address->text || map_put(&lan->addresses, str_of(address->text), address) < 0) {
        if (address)
            free(address->text);
        free(address);
        return NULL;
    }
    address->local = is_local(text);
    return address;
}

/* ---- sessions ---- */

static void session_free(struct session *session)
{
    session->address->sessions--;
    free(session);
}

static int on_accept(void *server_ctx, const struct websocket_request *request, void **ret_ctx)
{
    struct lan_websocket *lan = server_ctx;
    struct address *address = address_of(lan, request->peer);
    const struct dialect *dialect;
    struct session *session;
    void *dialect_ctx = NULL;

    if (!address)
        return 503;
    if (!address->local &&
        (address->sessions >= LIMIT_LAN_SESSIONS ||
         !rate_take(&address->opens, clock_monotonic(&lan->loop->clock), OPEN_INTERVAL_MS, OPEN_BURST)))
        return 429;
    dialect = lan->ops->find(lan->ctx, request->path, &dialect_ctx);
    if (!dialect)
        return 404;
    session = calloc(1, sizeof(*session));
    if (!session)
        return 503;
    *session = (struct session){
        .lan = {.address = address->text,
                .path = dialect->websocket_path,
                .local = address->local,
                .new_devices = &address->new_devices},
        .owner = lan,
        .dialect = dialect,
        .dialect_ctx = dialect_ctx,
        .address = address,
    };
    address->sessions++;
    *ret_ctx = session;
    return 0;
}

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct session *session = ctx;

    session->ws = ws;
    session->lan.certified = peer_certificate != NULL;
    if (session->dialect->opened(session->dialect_ctx, &session->lan) < 0)
        websocket_close(ws, CLOSE_POLICY, "out of memory");
    else
        session->known = true;
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct session *session = ctx;

    (void)ws;
    if (session->known)
        session->dialect->message(session->dialect_ctx, &session->lan, binary, data, len);
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct session *session = ctx;

    (void)ws;
    (void)code;
    (void)err; /* devices come and go; whether one is online says it all */
    session->ws = NULL;
    if (session->known)
        session->dialect->closed(session->dialect_ctx, &session->lan);
    session_free(session);
}

static const struct websocket_ops websocket_ops = {
    .accept = on_accept,
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
};

struct lan_websocket *lan_websocket_new(struct loop *loop, const struct lan_websocket_ops *ops, void *ctx)
{
    struct lan_websocket *lan = calloc(1, sizeof(*lan));

    if (!lan)
        return NULL;
    lan->loop = loop;
    lan->ops = ops;
    lan->ctx = ctx;
    map_init(&lan->addresses);
    return lan;
}

void lan_websocket_free(struct lan_websocket *lan)
{
    struct address *address;
    size_t at = 0;

    if (!lan)
        return;
    if (lan->server)
        websocket_server_free(lan->server);
    while ((address = map_next(&lan->addresses, &at)))
        address_free(lan, address);
    map_done(&lan->addresses);
    free(lan);
}

int lan_websocket_start(struct lan_websocket *lan, struct websocket_context *context,
                        const struct lan_websocket_settings *settings, struct error *err)
{
    struct websocket_server_settings server = {
        .address = settings->address,
        .port = settings->port,
        .ping_s = PING_S,
        .tls = settings->tls,
        .tls_settings = settings->tls_settings,
        .max_message = LIMIT_LAN_FRAME_BYTES,
        .max_connections = LIMIT_CONNECTIONS,
    };

    lan->server = websocket_server_new(context, &server, &websocket_ops, lan, err);
    return lan->server ? 0 : -1;
}

uint16_t lan_websocket_port(const struct lan_websocket *lan)
{
    return lan->server ? websocket_server_port(lan->server) : 0;
}

int lan_websocket_send(struct lan_session *lan_session, bool binary, const void *data, size_t len,
                       struct error *err)
{
    struct session *session = (struct session *)lan_session;
    struct buf message;
    int rc = -1;

    if (!session->ws)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, lan_session->address, "the connection is closing");
    buf_init(&message, LIMIT_LAN_FRAME_BYTES + WEBSOCKET_HEADROOM, WEBSOCKET_HEADROOM);
    if (buf_append(&message, data, len) == 0)
        rc = websocket_send(session->ws, binary, &message);
    buf_done(&message);
    return rc < 0 ? error_set(err, ERROR_RESOURCES_EXCEEDED, lan_session->address, "the device does not read")
                  : 0;
}

void lan_websocket_close(struct lan_session *lan_session, const char *reason)
{
    struct session *session = (struct session *)lan_session;

    if (session->ws)
        websocket_close(session->ws, CLOSE_POLICY, reason);
}
