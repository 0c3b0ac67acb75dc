/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "transports/websocket_internal.h"

enum {
    HANDSHAKE_SPARE_MS = 5000, /* after that, one gives way to who comes next, when all places are taken */
};

struct websocket_server {
    struct websocket_end end; /* first */
    struct listener listener;
    struct lws_vhost *host; /* its own, when it has TLS */
    struct deferred destroy_host;
    struct websocket *first;   /* open */
    struct websocket *shaking; /* in their handshake, oldest first */
    struct websocket **last;   /* where the next one of those goes */
    size_t shaking_count;
    size_t count; /* of all */
    size_t max_connections;
    char *subprotocol; /* or NULL */
    char *extension;   /* or NULL */
    bool require_subprotocol;
    void *ctx;
};

/* ---- the request ---- */

struct request_text {
    char path[WEBSOCKET_PATH_BYTES];
    char query[WEBSOCKET_PATH_BYTES];
    char subprotocols[256];
    char extensions[512];
    char peer[INET6_ADDRSTRLEN];
};

/* lws took the query apart and decoded it; an owner decodes a query itself, so it is put together again. */
static int copy_query(struct lws *wsi, char *to, size_t size)
{
    char part[WEBSOCKET_PATH_BYTES];
    size_t at = 0;

    for (int i = 0;; i++) {
        int len = lws_hdr_copy_fragment(wsi, part, sizeof(part), WSI_TOKEN_HTTP_URI_ARGS, i);

        if (len < 0)
            break;
        if (at + 3 * (size_t)len + 2 > size)
            return -1;
        if (at)
            to[at++] = '&';
        for (int k = 0; k < len; k++) {
            unsigned char c = (unsigned char)part[k];

            if (c > ' ' && c < 0x7f && !strchr("%&+#", c))
                to[at++] = (char)c;
            else
                at += (size_t)snprintf(to + at, 4, "%%%02X", c);
        }
    }
    to[at] = '\0';
    return 0;
}

static int copy_header(struct lws *wsi, char *to, size_t size, enum lws_token_indexes token)
{
    to[0] = '\0';
    return lws_hdr_total_length(wsi, token) && lws_hdr_copy(wsi, to, (int)size, token) < 0 ? -1 : 0;
}

static int copy_request(struct link *link, struct request_text *to, struct websocket_request *ret)
{
    struct lws *wsi = link->wsi;

    if (copy_header(wsi, to->path, sizeof(to->path), WSI_TOKEN_GET_URI) < 0 || !to->path[0] ||
        copy_header(wsi, to->subprotocols, sizeof(to->subprotocols), WSI_TOKEN_PROTOCOL) < 0 ||
        copy_header(wsi, to->extensions, sizeof(to->extensions), WSI_TOKEN_EXTENSIONS) < 0 ||
        copy_query(wsi, to->query, sizeof(to->query)) < 0)
        return -1;
    link_peer_name(link, to->peer, sizeof(to->peer));
    *ret = (struct websocket_request){
        .path = to->path,
        .query = to->query,
        .subprotocols = to->subprotocols,
        .extensions = to->extensions,
        .peer = to->peer,
    };
    return 0;
}

/* Is one among the comma-separated names of a header? */
static bool offers(const char *names, const char *one)
{
    struct str rest = str_of(names);
    struct str name;

    while (str_next(&rest, ',', &name))
        if (str_is(str_trim(name), one))
            return true;
    return false;
}

/* R-WS.11a: is the extension that the server answers with offered? */
static bool offers_extension(const char *offered, const char *extension)
{
    struct str name = {extension, websocket_extension_name(extension)};
    struct str rest = str_of(offered);
    struct str one;

    while (str_next(&rest, ',', &one)) {
        one = str_trim(one);
        if (str_starts(one, name) && (one.len == name.len || strchr("; ", one.data[name.len])))
            return true;
    }
    return false;
}

static int add_headers(const struct websocket *ws, struct lws_process_html_args *args)
{
    const struct websocket_server *server = (const struct websocket_server *)ws->end;

    return ws->extended
               ? lws_add_http_header_by_name(ws->link.wsi, (const unsigned char *)"Sec-WebSocket-Extensions:",
                                             (const unsigned char *)server->extension,
                                             (int)strlen(server->extension), (unsigned char **)&args->p,
                                             (unsigned char *)args->p + args->max_len)
               : 0;
}

/* R-WS.11, R-WS.12a. 0 or the status to refuse with. */
static int check_subprotocol(const struct websocket_server *server, const struct websocket_request *request)
{
    if (!*request->subprotocols)
        return server->subprotocol && server->require_subprotocol ? HTTP_STATUS_BAD_REQUEST : 0;
    /* lws refuses by itself what is offered and known to nobody; what another server of ours knows must not pass here. */
    return server->subprotocol && offers(request->subprotocols, server->subprotocol)
               ? 0
               : HTTP_STATUS_BAD_REQUEST;
}

static int refuse(struct websocket *ws, int status)
{
    if (lws_return_http_status(ws->link.wsi, (unsigned)status, NULL) != 0)
        return -1;
    return 1; /* lws: it is answered */
}

static int confirm(struct websocket *ws)
{
    struct websocket_server *server = (struct websocket_server *)ws->end;
    struct websocket_request request;
    struct request_text text;
    int status;

    if (copy_request(&ws->link, &text, &request) < 0)
        return refuse(ws, HTTP_STATUS_BAD_REQUEST);
    status = check_subprotocol(server, &request);
    if (!status)
        status = server->end.ops->accept(server->ctx, &request, &ws->ctx);
    if (!ws->end)
        return -1;
    ws->extended = !status && server->extension && offers_extension(request.extensions, server->extension);
    return status ? refuse(ws, status) : 0;
}

static void take_out(struct websocket_server *server, struct websocket *ws)
{
    if (!ws->opened) {
        server->shaking_count--;
        if (server->last == &ws->next)
            server->last = ws->self;
    }
    *ws->self = ws->next;
    if (ws->next)
        ws->next->self = ws->self;
}

static void move_to_open(struct websocket_server *server, struct websocket *ws)
{
    take_out(server, ws);
    ws->next = server->first;
    if (ws->next)
        ws->next->self = &ws->next;
    ws->self = &server->first;
    server->first = ws;
}

static int on_link(struct link *link, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct websocket *ws = (struct websocket *)link;

    switch (reason) {
    case LWS_CALLBACK_HTTP:
        if (ws->end)
            refuse(ws, HTTP_STATUS_NOT_FOUND);
        return -1;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return ws->end ? confirm(ws) : -1;
    case LWS_CALLBACK_ADD_HEADERS:
        return ws->end ? add_headers(ws, in) : -1;
    case LWS_CALLBACK_ESTABLISHED:
        if (!ws->end)
            return -1;
        move_to_open((struct websocket_server *)ws->end, ws);
        websocket_connection_open(ws);
        return 0;
    case LWS_CALLBACK_CLOSED_HTTP:
        return 0;
    default:
        return websocket_connection_handle(ws, reason, in, len);
    }
}

/* ---- connections ---- */

static struct link *accepted(void *ctx)
{
    struct websocket_server *server = ctx;
    struct websocket *ws = server->count < server->max_connections
                               ? websocket_connection_new(&server->end, NULL)
                               : NULL;

    if (!ws)
        return NULL;
    ws->link.handle = on_link;
    ws->since = clock_monotonic(&server->end.context->loop->clock);
    ws->self = server->last;
    *server->last = ws;
    server->last = &ws->next;
    server->shaking_count++;
    server->count++;
    return &ws->link;
}

/* Those who come faster than they are dealt with wait in the kernel's queue. */
static bool is_full(void *ctx)
{
    struct websocket_server *server = ctx;
    struct websocket *oldest = server->shaking;
    uint64_t now = clock_monotonic(&server->end.context->loop->clock);

    if (server->shaking_count < LIMIT_HANDSHAKES)
        return false;
    if (now - oldest->since < HANDSHAKE_SPARE_MS)
        return true;
    websocket_connection_drop(oldest);
    return false;
}

static void ended(struct websocket_end *end, struct websocket *ws)
{
    struct websocket_server *server = (struct websocket_server *)end;

    take_out(server, ws);
    server->count--;
}

/* ---- the server ---- */

static void on_listener_closed(void *ctx)
{
    struct websocket_server *server = ctx;

    free(server->subprotocol);
    free(server->extension);
    free(server);
}

static void on_destroy_host(void *ctx)
{
    struct websocket_server *server = ctx;

    lws_vhost_destroy(server->host);
}

static int set_up(struct websocket_server *server, const struct websocket_server_settings *settings,
                  struct error *err)
{
    struct websocket_context *context = server->end.context;

    if ((settings->subprotocol && str_replace(&server->subprotocol, settings->subprotocol) < 0) ||
        (settings->extension && str_replace(&server->extension, settings->extension) < 0))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (websocket_context_use(context, server->subprotocol, err) < 0)
        return -1;
    if (settings->tls) {
        server->host = websocket_host_new(context, NULL, &settings->tls_settings, err);
        if (!server->host)
            goto unuse;
    }
    if (listener_open(&server->listener, context, server->host ? server->host : context->host,
                      settings->address, settings->port, err) < 0)
        goto unuse;
    return 0;
unuse:
    websocket_context_unuse(context, server->subprotocol);
    if (server->host)
        lws_vhost_destroy(server->host);
    return -1;
}

struct websocket_server *websocket_server_new(struct websocket_context *context,
                                              const struct websocket_server_settings *settings,
                                              const struct websocket_ops *ops, void *ctx, struct error *err)
{
    struct websocket_server *server = calloc(1, sizeof(*server));

    if (!server) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    server->end = (struct websocket_end){.context = context,
                                         .ops = ops,
                                         .max_message = settings->max_message,
                                         .ping_s = settings->ping_s,
                                         .ended = ended};
    server->listener.accepted = accepted;
    server->listener.closed = on_listener_closed;
    server->listener.ctx = server;
    server->listener.full = is_full;
    server->listener.per_peer = settings->per_peer;
    server->listener.network_places = (uint32_t)(settings->max_connections / 2);
    server->destroy_host = (struct deferred){.fn = on_destroy_host, .ctx = server};
    server->max_connections = settings->max_connections;
    server->last = &server->shaking;
    server->require_subprotocol = settings->require_subprotocol;
    server->ctx = ctx;
    if (set_up(server, settings, err) < 0) {
        on_listener_closed(server);
        return NULL;
    }
    return server;
}

void websocket_server_free(struct websocket_server *server)
{
    struct error err;

    if (!server)
        return;
    error_set(&err, ERROR_INTERNAL, NULL, "this side stops listening");
    while (server->first) {
        websocket_connection_leave(server->first);
        websocket_connection_end(server->first, LWS_CLOSE_STATUS_ABNORMAL_CLOSE, &err);
    }
    while (server->shaking)
        websocket_connection_drop(server->shaking);
    websocket_context_unuse(server->end.context, server->subprotocol);
    if (server->host)
        loop_defer(server->end.context->loop, &server->destroy_host); /* maybe inside a callback of lws */
    listener_close(&server->listener);
}

void websocket_server_keep_alive(struct websocket_server *server, uint32_t ping_s)
{
    server->end.ping_s = ping_s;
    for (struct websocket *ws = server->first; ws; ws = ws->next)
        websocket_connection_keep_alive(ws);
}

uint16_t websocket_server_port(const struct websocket_server *server)
{
    return server->listener.port;
}
