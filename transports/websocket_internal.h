/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of WebSocket and the HTTP server share: the libwebsockets context, and how its callbacks find their
 * connection. Each lws connection carries a `struct link` (opaque user data) that begins the struct of what it is: a
 * WebSocket or an HTTP request. A link lives until lws has destroyed its connection, which may be long after the owner was
 * told of the end; `link->destroyed` is the last thing it hears.
 *
 * All server connections end up in the context's first virtual host, whatever Host header they send: lws picks the host by
 * port, and ours have none, because we listen ourselves (limits, errors in words, and a port that is free at once when its
 * server goes). A host of its own exists per server or client with TLS, for its SSL_CTX.
 */
#ifndef TRANSPORTS_WEBSOCKET_INTERNAL_H
#define TRANSPORTS_WEBSOCKET_INTERNAL_H

#include <libwebsockets.h>
#include <sys/socket.h>

#include "base/map.h"
#include "base/str.h"
#include "transports/output.h"
#include "transports/websocket.h"

enum {
    WEBSOCKET_SUBPROTOCOLS = 8,
    WEBSOCKET_SUBPROTOCOL_BYTES = 64,
    WEBSOCKET_EXTENSIONS = 4,
    WEBSOCKET_EXTENSION_BYTES = 64, /* of a name */
    WEBSOCKET_PATH_BYTES = 2048,
};

struct listener_peer;

struct link {
    struct lws *wsi; /* NULL before lws made it and after it destroyed it */
    /* An lws callback; returns what lws expects. */
    int (*handle)(struct link *link, enum lws_callback_reasons reason, void *in, size_t len);
    /* lws is through with it: free the struct. */
    void (*destroyed)(struct link *link);
    bool counted;               /* in context->links */
    struct listener_peer *peer; /* whose address it counts for; NULL: nobody's */
};

struct websocket_context {
    struct loop *loop;
    struct lws_context *lws;
    struct lws_vhost *host; /* the first */
    struct link *adopting;  /* whose wsi lws is making */
    struct output_chunk *spare;
    size_t links;     /* connections that lws has */
    size_t max_links; /* what its tables hold */
    struct map peers; /* address or /64, and port -> struct listener_peer */
    size_t sweep_peers;
    uv_idle_t closing;
    int closing_turns;
    char names[WEBSOCKET_SUBPROTOCOLS][WEBSOCKET_SUBPROTOCOL_BYTES]; /* of lws protocols; "" is free */
    size_t uses[WEBSOCKET_SUBPROTOCOLS];
    /* Names that lws is to know in answers, where it refuses what it does not know. They stay. */
    char extension_names[WEBSOCKET_EXTENSIONS][WEBSOCKET_EXTENSION_BYTES];
    struct lws_extension extensions[WEBSOCKET_EXTENSIONS + 1];
};

/*
 * For hosts and clients (of the context lws does not take it): pings are ours, at an interval that is a setting. With pings of
 * its own lws keeps a sorted list of all connections, and walks it at each pong.
 */
extern const lws_retry_bo_t websocket_no_pings;

/* Lets lws accept and ask for this subprotocol; NULL and "" are always there. */
int websocket_context_use(struct websocket_context *context, const char *subprotocol, struct error *err);
void websocket_context_unuse(struct websocket_context *context, const char *subprotocol);

/* Lets clients take answers with this extension ("name; parameters"). */
int websocket_context_extend(struct websocket_context *context, const char *extension, struct error *err);
/* The length of the name of an extension. */
size_t websocket_extension_name(const char *extension);

/* A virtual host with its own TLS. client_ctx: for TLS clients (taken on success); server: settings of a TLS server. */
struct lws_vhost *websocket_host_new(struct websocket_context *context, SSL_CTX *client_ctx,
                                     const struct tls_settings *server, struct error *err);

/* Closes the connection now if lws still has it. Not from inside an lws callback. */
void link_kill(struct link *link);
/* The peer's address in text; "" when it cannot be told. */
void link_peer_name(const struct link *link, char *to, size_t size);

/* ---- listening ---- */

struct listener {
    struct websocket_context *context;
    uv_poll_t poll;
    struct timer pause; /* when there are no file descriptors left */
    int fd;
    uint16_t port;
    struct peer_limits per_peer;
    uint32_t network_places; /* that all addresses of an IPv6 /64 take together */
    /* No more for now: whoever comes waits in the kernel's queue. NULL: never. */
    bool (*full)(void *ctx);
    /* A new connection: makes a link for it, or NULL to refuse it. */
    struct link *(*accepted)(void *ctx);
    /* The listener's memory is free to go. */
    void (*closed)(void *ctx);
    void *ctx;
    struct lws_vhost *host; /* the server's own or the context's */
};

/* -1: *listener is unused (`closed` is not called). */
int listener_open(struct listener *listener, struct websocket_context *context, struct lws_vhost *host,
                  const char *address, uint16_t port, struct error *err);
/* Stops listening at once; the port is free when this returns. `closed` is called later. */
void listener_close(struct listener *listener);

/* ---- what one address takes ---- */

/* false: it has all that it may. *ret_peer: whom the connection counts for, or NULL. */
bool listener_peer_enter(struct listener *listener, const struct sockaddr_storage *address,
                         struct listener_peer **ret_peer);
/* The connection is gone; peer may be NULL. */
void listener_peer_leave(struct websocket_context *context, struct listener_peer *peer);
void listener_peers_done(struct websocket_context *context);

/* ---- connections ---- */

struct websocket_end;

/* What a connection needs to know of its server or client. */
struct websocket_end {
    struct websocket_context *context;
    const struct websocket_ops *ops;
    size_t max_message;
    uint32_t ping_s;
    bool is_client;
    /* The connection ended; called before the owner's `closed`, which follows only if it was open. */
    void (*ended)(struct websocket_end *end, struct websocket *ws);
};

struct websocket {
    struct link link; /* first */
    struct websocket_context *context;
    struct websocket_end *end; /* NULL when ended */
    void *ctx;
    struct websocket *next; /* in one of the server's lists */
    struct websocket **self;
    uint64_t since; /* monotonic ms: its handshake began (servers) */
    struct output out;
    struct buf in; /* a message that comes in parts */
    struct deferred flush;
    struct timer timer; /* ping; when closing, how long yet */
    char *reason;       /* why this side closes */
    int code;           /* with which code it closes, or the peer's code */
    bool open;          /* messages may be sent */
    bool opened;        /* the owner was told */
    bool binary;        /* the message in `in` */
    bool closing;
    bool close_sent;
    bool awaiting_pong;
    bool leaving;  /* dropped in order: what is queued is still written */
    bool extended; /* of a server: the client offered the extension */
};

struct websocket *websocket_connection_new(struct websocket_end *end, void *ctx);
/* The opening handshake is done. */
void websocket_connection_open(struct websocket *ws);
/* Tells the owner and lets go of it; lws closes later. */
void websocket_connection_end(struct websocket *ws, int code, const struct error *err);
/* The same without a callback. */
void websocket_connection_drop(struct websocket *ws);
/* Queues a Close frame with 1001 if the connection is open, and lets it and all before it go out when the connection is
 * dropped or ended, which the caller does next. */
void websocket_connection_leave(struct websocket *ws);
/* The interval of pings has changed. */
void websocket_connection_keep_alive(struct websocket *ws);
/* Callbacks that servers and clients have in common. */
int websocket_connection_handle(struct websocket *ws, enum lws_callback_reasons reason, void *in, size_t len);

#endif
