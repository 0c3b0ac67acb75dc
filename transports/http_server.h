/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small HTTP server for files: GET and HEAD with ranges, on the event loop. Which file answers a path, and for whom,
 * is the owner's decision per request.
 */
#ifndef TRANSPORTS_HTTP_SERVER_H
#define TRANSPORTS_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "transports/tls.h"
#include "transports/websocket.h"

struct http_server;

struct http_answer {
    int fd;        /* open for reading; the server closes it */
    uint64_t size; /* bytes to serve from offset 0 */
    const char *content_type;
    void *request_ctx; /* handed to `progress` */
};

struct http_server_ops {
    /* 200 and *ret_answer filled, or the status to answer with (404, 403, ...). path: decoded, without query, "." and
     * ".." are resolved. peer: its address in text. */
    int (*request)(void *ctx, const char *path, const char *peer, struct http_answer *ret_answer);
    /* Bytes up to this position were handed to the peer. `end` once for each answer, when it is over: complete when the
     * last byte of the file was handed over. */
    void (*progress)(void *ctx, void *request_ctx, uint64_t position);
    void (*end)(void *ctx, void *request_ctx, bool complete);
};

struct http_server_settings {
    const char *address; /* NULL or "": all */
    uint16_t port;       /* 0: any */
    bool tls;
    struct tls_settings tls_settings;
    uint32_t max_connections;
    struct peer_limits per_peer;
};

struct http_server *http_server_new(struct websocket_context *context,
                                    const struct http_server_settings *settings,
                                    const struct http_server_ops *ops, void *ctx, struct error *err);
/* Closes the port, which is free at once, and ends all requests. */
void http_server_free(struct http_server *server);
uint16_t http_server_port(const struct http_server *server);

#endif
