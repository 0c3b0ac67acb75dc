/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSocket, both ways, and the HTTP server of the same port, on the event loop (libwebsockets on libuv). Whole messages in, whole
 * messages out. Knows no USP: paths, subprotocols and what is said over them belong to the owner.
 *
 * One `struct websocket_context` serves all servers and clients of a loop. A `struct websocket` lives from `opened` until
 * `closed` returns; it must not be used after. Loop's thread only. Strings in settings are copied.
 */
#ifndef TRANSPORTS_WEBSOCKET_H
#define TRANSPORTS_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "transports/tls.h"

struct websocket_context;
struct websocket_server;
struct websocket_client;
struct websocket;

enum {
    /* Headroom that a message handed to websocket_send() should have, so that it is not moved. */
    WEBSOCKET_HEADROOM = 32,
};

struct websocket_context *websocket_context_new(struct loop *loop, struct error *err);
/* After all servers and clients were freed; loop_done() sees the end of it. */
void websocket_context_free(struct websocket_context *context);

/* The opening handshake as the peer sent it. Lives during the callback. */
struct websocket_request {
    const char *path;         /* without the query */
    const char *query;        /* after '?', percent-encoded; "" when there is none */
    const char *subprotocols; /* Sec-WebSocket-Protocol; "" when absent */
    const char *extensions;   /* Sec-WebSocket-Extensions; "" when absent */
    const char *peer;         /* address in text */
};

struct websocket_ops {
    /*
     * Server only: 0 to accept (the new connection's ctx goes to *ret_ctx), else the HTTP status to refuse with. The peer may
     * still vanish before `opened`, without a word: what has to be freed is made there.
     */
    int (*accept)(void *server_ctx, const struct websocket_request *request, void **ret_ctx);
    /* Open: messages may be sent. peer_certificate: verified client or server certificate, or NULL; borrowed. */
    void (*opened)(void *ctx, struct websocket *ws, X509 *peer_certificate);
    void (*message)(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len);
    /* The end, however it came; err->message says it for people. Called once after opened; for a client also when an
     * attempt failed before it opened (ws is NULL then). code: the peer's close code, 1006 when there was none. */
    void (*closed)(void *ctx, struct websocket *ws, int code, const struct error *err);
};

/* What one address may take of a server; no connections: not limited, as this machine itself never is (a proxy may stand
 * there). Whatever is beyond is closed at once. All addresses of an IPv6 /64 together have half of the server's places. */
struct peer_limits {
    uint32_t connections; /* at a time */
    uint32_t burst;       /* new ones at once ... */
    uint32_t interval_ms; /* ... and after that one in so long */
};

struct websocket_server_settings {
    const char *address; /* NULL or "": all */
    uint16_t port;
    const char
        *subprotocol; /* echoed when the client offered it; NULL: none is used (a client may come without) */
    bool require_subprotocol; /* R-WS.12a: refuse a request without it */
    const char *extension;    /* answered to a client that offers its name (R-WS.11a); see below */
    uint32_t ping_s;          /* interval of pings; a peer that answers none within it is closed. 0: none */
    bool tls;
    struct tls_settings tls_settings;
    size_t max_message; /* bytes; a longer message closes with 1009 */
    size_t max_connections;
    struct peer_limits per_peer;
};

struct websocket_server *websocket_server_new(struct websocket_context *context,
                                              const struct websocket_server_settings *settings,
                                              const struct websocket_ops *ops, void *ctx, struct error *err);
/* Closes the port, which is free at once, and all its connections (each `closed` is called) with 1001, going away: what is
 * queued and the Close frame are sent as far as the sockets take them now. */
void websocket_server_free(struct websocket_server *server);
/* Another interval of pings, from now on. */
void websocket_server_keep_alive(struct websocket_server *server, uint32_t ping_s);
uint16_t websocket_server_port(
    const struct websocket_server *server); /* the one in use when settings said 0 */

struct websocket_client_settings {
    const char *host;
    uint16_t port;
    const char *path;        /* with query, e.g. "/usp?eid=..." */
    const char *subprotocol; /* required in the answer (R-WS.12); NULL: none */
    /*
     * A value of Sec-WebSocket-Extensions, as `name; parameter="value"`, that only says something and changes no frame:
     * offered by a client, which takes answers with it and without (R-WS.11b). NULL: none.
     */
    const char *extension;
    uint32_t ping_s;
    bool tls;
    struct tls_settings tls_settings;
    size_t max_message;
};

/* One attempt to connect: `opened`, or `closed` with ws NULL. Retrying is the owner's. */
struct websocket_client *websocket_client_new(struct websocket_context *context,
                                              const struct websocket_client_settings *settings,
                                              const struct websocket_ops *ops, void *ctx, struct error *err);
/* Ends the attempt or the connection with no further callback; an open one with 1001, as websocket_server_free() does. */
void websocket_client_free(struct websocket_client *client);
/* Another interval of pings, from now on. */
void websocket_client_keep_alive(struct websocket_client *client, uint32_t ping_s);

/* Queues one message; takes over the bytes of *message. -1: the queue is full (limit_queue_bytes) or the peer is going. */
int websocket_send(struct websocket *ws, bool binary, struct buf *message);
/* Closing handshake with this code (RFC 6455 7.4); what was queued before is sent first. */
void websocket_close(struct websocket *ws, int code, const char *reason);
/* The peer's verified chain, its own certificate first; borrowed. NULL when there is none. */
STACK_OF(X509) * websocket_peer_chain(const struct websocket *ws);
/* The peer's address in text; "" when it cannot be told. */
void websocket_peer_address(const struct websocket *ws, char *to, size_t size);
void websocket_set_ctx(struct websocket *ws, void *ctx);
size_t websocket_queued_bytes(const struct websocket *ws);

/* Whether this build has the transport; without it nothing of it can be made. */
extern const bool websocket_available;

#endif
