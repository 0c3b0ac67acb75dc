/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server that devices open their WebSockets to: finds the dialect by the path, limits connections per address, and
 * hands messages on. Owned by the home; loop's thread only.
 */
#ifndef DEVICES_LAN_WEBSOCKET_H
#define DEVICES_LAN_WEBSOCKET_H

#include "devices/dialects/dialect.h"
#include "transports/websocket.h"

struct lan_websocket;

struct lan_websocket_ops {
    /* The dialect that speaks at this path, with its context; NULL: nobody. */
    const struct dialect *(*find)(void *ctx, const char *path, void **ret_dialect_ctx);
};

struct lan_websocket_settings {
    const char *address;     /* "" or NULL: all */
    uint16_t port;           /* 0: any */
    const char *subprotocol; /* the one that dialects here ask for; NULL: none does */
    bool tls;
    struct tls_settings tls_settings;
};

struct lan_websocket *lan_websocket_new(struct loop *loop, const struct lan_websocket_ops *ops, void *ctx);
/* Ends all sessions (each dialect's closed() is called). */
void lan_websocket_free(struct lan_websocket *lan);
int lan_websocket_start(struct lan_websocket *lan, struct websocket_context *context,
                        const struct lan_websocket_settings *settings, struct error *err);
uint16_t lan_websocket_port(const struct lan_websocket *lan); /* 0: not started */

/* Ends the sessions of those whose certificate is refused now; dialects hear of it before this returns. */
void lan_websocket_end_refused(struct lan_websocket *lan, tls_refused_fn *refused, void *ctx);

/* What both ends share: whether an address is of this machine, and a message out (ws NULL: it is closing). */
bool lan_address_is_local(const char *text);
int lan_websocket_write(struct websocket *ws, const char *peer, bool binary, const void *data, size_t len,
                        struct error *err);

/* For `struct lan`: of sessions that devices opened. */
int lan_websocket_send(struct lan_session *session, bool binary, const void *data, size_t len,
                       struct error *err);
void lan_websocket_close(struct lan_session *session, const char *reason);

#endif
