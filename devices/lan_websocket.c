/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/lan_websocket.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"

enum {
    PING_S = 30,
    /* New connections of one address. A device tries again every few seconds when it is refused. */
    OPEN_INTERVAL_MS = 1000,
    OPEN_BURST = 20,
    HANDSHAKE_MS = 30000, /* longer than the transport waits for a handshake */
    KEY_BYTES = 128,
    HTTP_BAD_REQUEST = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_UNAVAILABLE = 503,
    CLOSE_POLICY = 1008, /* RFC 6455, 7.4.1 */
    CLOSE_TRY_LATER = 1013,
};

/* One address at one dialect's path. Kept while it has sessions or its allowance of new devices has not recovered. */
struct address {
    char *key;        /* "<path> <address>" */
    const char *text; /* the address, in key */
    struct lan_websocket *owner;
    const struct dialect *dialect;
    void *dialect_ctx;
    struct rate new_devices;
    uint32_t sessions; /* open, or about to be */
    bool local;
};

/*
 * Made when a handshake is accepted. A handshake that is given up is not told to anybody: until it is open a session is on
 * a list of ours, and forgotten when the handshake must be over.
 */
struct session {
    struct lan_session lan; /* first: dialects hand it back to us */
    struct websocket *ws;   /* NULL: not open yet, or closed */
    struct address *address;
    struct session *next;  /* of those that are not open yet, or of those with a certificate; newest first */
    struct session **self; /* with a certificate: what points here */
    uint64_t accepted;     /* monotonic ms */
    char *name;            /* lan.name */
};

struct lan_websocket {
    struct loop *loop;
    const struct lan_websocket_ops *ops;
    void *ctx;
    struct websocket_server *server;
    struct map addresses;     /* key -> struct address */
    struct session *accepted; /* in their handshake */
    uint32_t accepted_count;
    struct session *certified; /* open, with a certificate */
};

/* ---- addresses ---- */

bool lan_address_is_local(const char *text)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static void address_free(struct lan_websocket *lan, struct address *address)
{
    map_remove(&lan->addresses, str_of(address->key));
    free(address->key);
    free(address);
}

static void sweep_addresses(struct lan_websocket *lan)
{
    uint64_t now = clock_monotonic(&lan->loop->clock);
    struct address *address;
    size_t at = 0;

    while ((address = map_next(&lan->addresses, &at)))
        if (address->sessions == 0 && rate_idle(&address->new_devices, now))
            address_free(lan, address);
}

static struct address *address_new(struct lan_websocket *lan, const char *key, const struct dialect *dialect,
                                   void *dialect_ctx)
{
    struct address *address = calloc(1, sizeof(*address));

    if (address)
        address->key = str_dup(key, strlen(key));
    if (!address || !address->key || map_put(&lan->addresses, str_of(address->key), address) < 0) {
        if (address)
            free(address->key);
        free(address);
        return NULL;
    }
    address->text = address->key + strlen(dialect->websocket_path) + 1;
    address->owner = lan;
    address->dialect = dialect;
    address->dialect_ctx = dialect_ctx;
    address->local = lan_address_is_local(address->text);
    return address;
}

static struct address *address_of(struct lan_websocket *lan, const char *peer, const struct dialect *dialect,
                                  void *dialect_ctx)
{
    struct address *address;
    char key[KEY_BYTES];

    if (snprintf(key, sizeof(key), "%s %s", dialect->websocket_path, peer) >= (int)sizeof(key))
        return NULL;
    address = map_get(&lan->addresses, str_of(key));
    if (address)
        return address;
    if (lan->addresses.count >= LIMIT_LAN_ADDRESSES)
        sweep_addresses(lan);
    if (lan->addresses.count >= LIMIT_LAN_ADDRESSES)
        return NULL;
    return address_new(lan, key, dialect, dialect_ctx);
}

/* ---- sessions ---- */

static void session_free(struct session *session)
{
    session->address->sessions--;
    X509_free(session->lan.certificate);
    free(session->name);
    free(session);
}

/* Forgets handshakes that did not end in time; all of them when max_age_ms is 0. */
static void forget_accepted(struct lan_websocket *lan, uint64_t max_age_ms)
{
    uint64_t now = clock_monotonic(&lan->loop->clock);
    struct session **at = &lan->accepted;

    while (*at) {
        struct session *session = *at;

        if (max_age_ms && now - session->accepted < max_age_ms) {
            at = &session->next;
            continue;
        }
        *at = session->next;
        lan->accepted_count--;
        session_free(session);
    }
}

static void take_accepted(struct session *session)
{
    struct lan_websocket *lan = session->address->owner;

    for (struct session **at = &lan->accepted; *at; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            lan->accepted_count--;
            return;
        }
    }
}

static void link_certified(struct session *session)
{
    struct session **first = &session->address->owner->certified;

    session->next = *first;
    session->self = first;
    if (session->next)
        session->next->self = &session->next;
    *first = session;
}

static void unlink_certified(struct session *session)
{
    if (!session->self)
        return;
    *session->self = session->next;
    if (session->next)
        session->next->self = session->self;
    session->self = NULL;
}

static struct session *session_new(struct address *address, const struct websocket_request *request)
{
    struct lan_websocket *lan = address->owner;
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    if (address->dialect->name_of)
        session->name = address->dialect->name_of(request);
    session->lan = (struct lan_session){.address = address->text,
                                        .path = address->dialect->websocket_path,
                                        .name = session->name,
                                        .local = address->local,
                                        .new_devices = &address->new_devices};
    session->address = address;
    session->accepted = clock_monotonic(&lan->loop->clock);
    session->next = lan->accepted;
    lan->accepted = session;
    lan->accepted_count++;
    address->sessions++;
    return session;
}

/* The transport has seen to it that what is offered is the one subprotocol there is. */
static bool right_subprotocol(const struct dialect *dialect, const struct websocket_request *request)
{
    return !dialect->websocket_subprotocol == !*request->subprotocols;
}

static int on_accept(void *server_ctx, const struct websocket_request *request, void **ret_ctx)
{
    struct lan_websocket *lan = server_ctx;
    void *dialect_ctx = NULL;
    const struct dialect *dialect = lan->ops->find(lan->ctx, request->path, &dialect_ctx);
    struct address *address;
    struct session *session;

    if (!dialect)
        return HTTP_NOT_FOUND;
    if (!right_subprotocol(dialect, request))
        return HTTP_BAD_REQUEST;
    forget_accepted(lan, HANDSHAKE_MS);
    address = address_of(lan, request->peer, dialect, dialect_ctx);
    if (!address || lan->accepted_count >= lan->loop->limits->lan_candidates)
        return HTTP_UNAVAILABLE;
    session = session_new(address, request);
    if (!session)
        return HTTP_UNAVAILABLE;
    *ret_ctx = session;
    return 0;
}

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct session *session = ctx;
    struct address *address = session->address;

    take_accepted(session);
    session->ws = ws;
    if (peer_certificate && X509_up_ref(peer_certificate) == 1)
        session->lan.certificate = peer_certificate;
    session->lan.certified = session->lan.certificate != NULL;
    if (session->lan.certified)
        link_certified(session);
    if (address->dialect->opened(address->dialect_ctx, &session->lan) == 0)
        return;
    unlink_certified(session);
    session_free(session);
    websocket_set_ctx(ws, NULL);
    websocket_close(ws, CLOSE_TRY_LATER, "out of memory");
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct session *session = ctx;

    (void)ws;
    if (session)
        session->address->dialect->message(session->address->dialect_ctx, &session->lan, binary, data, len);
}

static void session_end(struct session *session)
{
    unlink_certified(session);
    session->ws = NULL;
    session->address->dialect->closed(session->address->dialect_ctx, &session->lan);
    session_free(session);
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct session *session = ctx;

    (void)ws;
    (void)code;
    (void)err; /* devices come and go; whether one is online says it all */
    if (session)
        session_end(session);
}

void lan_websocket_end_refused(struct lan_websocket *lan, tls_refused_fn *refused, void *ctx)
{
    struct session *next;

    for (struct session *session = lan->certified; session; session = next) {
        struct websocket *ws = session->ws;

        next = session->next;
        if (!refused(ctx, session->lan.certificate))
            continue;
        websocket_set_ctx(ws, NULL); /* whatever still comes is nobody's */
        session_end(session);
        websocket_close(ws, CLOSE_POLICY, "the certificate was revoked");
    }
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
    forget_accepted(lan, 0);
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
        .subprotocol = settings->subprotocol,
        .ping_s = PING_S,
        .tls = settings->tls,
        .tls_settings = settings->tls_settings,
        .max_message = LIMIT_LAN_FRAME_BYTES,
        .max_connections = lan->loop->limits->lan_connections,
        .per_peer = {.connections = lan->loop->limits->address_connections,
                     .burst = OPEN_BURST,
                     .interval_ms = OPEN_INTERVAL_MS},
    };

    lan->server = websocket_server_new(context, &server, &websocket_ops, lan, err);
    return lan->server ? 0 : -1;
}

uint16_t lan_websocket_port(const struct lan_websocket *lan)
{
    return lan->server ? websocket_server_port(lan->server) : 0;
}

int lan_websocket_write(struct websocket *ws, const char *peer, bool binary, const void *data, size_t len,
                        struct error *err)
{
    struct buf message;
    int rc = -1;

    if (!ws)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, peer, "the connection is closing");
    buf_init(&message, LIMIT_LAN_FRAME_BYTES + WEBSOCKET_HEADROOM, WEBSOCKET_HEADROOM);
    if (buf_append(&message, data, len) == 0)
        rc = websocket_send(ws, binary, &message);
    buf_done(&message);
    return rc < 0 ? error_set(err, ERROR_RESOURCES_EXCEEDED, peer, "the device does not read") : 0;
}

int lan_websocket_send(struct lan_session *lan_session, bool binary, const void *data, size_t len,
                       struct error *err)
{
    struct session *session = (struct session *)lan_session;

    return lan_websocket_write(session->ws, lan_session->address, binary, data, len, err);
}

void lan_websocket_close(struct lan_session *lan_session, const char *reason)
{
    struct session *session = (struct session *)lan_session;

    if (session->ws)
        websocket_close(session->ws, CLOSE_POLICY, reason);
}
