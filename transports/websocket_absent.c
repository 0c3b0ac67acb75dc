/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSocket and the file server in a build without libwebsockets (configure --without-websocket): there is a context, and
 * nothing can be opened in it.
 */
#include <stdlib.h>

#include "transports/http_server.h"
#include "transports/websocket.h"

const bool websocket_available = false;

struct websocket_context {
    struct loop *loop;
};

static void absent(struct error *err)
{
    error_set(err, ERROR_MESSAGE_NOT_SUPPORTED, NULL, "this program was built without WebSocket");
}

struct websocket_context *websocket_context_new(struct loop *loop, struct error *err)
{
    struct websocket_context *context = calloc(1, sizeof(*context));

    if (context)
        context->loop = loop;
    else
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return context;
}

void websocket_context_free(struct websocket_context *context)
{
    free(context);
}

struct websocket_server *websocket_server_new(struct websocket_context *context,
                                              const struct websocket_server_settings *settings,
                                              const struct websocket_ops *ops, void *ctx, struct error *err)
{
    (void)context;
    (void)settings;
    (void)ops;
    (void)ctx;
    absent(err);
    return NULL;
}

void websocket_server_free(struct websocket_server *server)
{
    (void)server;
}

void websocket_server_keep_alive(struct websocket_server *server, uint32_t ping_s)
{
    (void)server;
    (void)ping_s;
}

uint16_t websocket_server_port(const struct websocket_server *server)
{
    (void)server;
    return 0;
}

struct websocket_client *websocket_client_new(struct websocket_context *context,
                                              const struct websocket_client_settings *settings,
                                              const struct websocket_ops *ops, void *ctx, struct error *err)
{
    (void)context;
    (void)settings;
    (void)ops;
    (void)ctx;
    absent(err);
    return NULL;
}

void websocket_client_free(struct websocket_client *client)
{
    (void)client;
}

void websocket_client_keep_alive(struct websocket_client *client, uint32_t ping_s)
{
    (void)client;
    (void)ping_s;
}

int websocket_send(struct websocket *ws, bool binary, struct buf *message)
{
    (void)ws;
    (void)binary;
    (void)message;
    return -1;
}

void websocket_close(struct websocket *ws, int code, const char *reason)
{
    (void)ws;
    (void)code;
    (void)reason;
}

STACK_OF(X509) * websocket_peer_chain(const struct websocket *ws)
{
    (void)ws;
    return NULL;
}

void websocket_set_ctx(struct websocket *ws, void *ctx)
{
    (void)ws;
    (void)ctx;
}

size_t websocket_queued_bytes(const struct websocket *ws)
{
    (void)ws;
    return 0;
}

void websocket_peer_address(const struct websocket *ws, char *to, size_t size)
{
    (void)ws;
    if (size)
        to[0] = '\0';
}

struct http_server *http_server_new(struct websocket_context *context,
                                    const struct http_server_settings *settings,
                                    const struct http_server_ops *ops, void *ctx, struct error *err)
{
    (void)context;
    (void)settings;
    (void)ops;
    (void)ctx;
    absent(err);
    return NULL;
}

void http_server_free(struct http_server *server)
{
    (void)server;
}

void http_server_answer(struct http_pending *pending, int status, const struct http_answer *answer)
{
    (void)pending;
    (void)status;
    (void)answer;
}

void http_server_more(struct http_pending *stream)
{
    (void)stream;
}

uint16_t http_server_port(const struct http_server *server)
{
    (void)server;
    return 0;
}
