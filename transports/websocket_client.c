/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A WebSocket client: one attempt. The name is resolved by base/resolve.h (lws would block), then the addresses are tried
 * in turn, each with a connection of its own.
 */
#include <stdio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/resolve.h"
#include "transports/websocket_internal.h"

enum {
    SWITCHING_PROTOCOLS = 101, /* the HTTP status of success */
};

struct websocket_client {
    struct websocket_end end; /* first */
    void *ctx;
    struct websocket *ws; /* the attempt or the connection; NULL between attempts */
    char *host;
    char *host_header;
    char *path;
    char *subprotocol; /* or NULL */
    char *extension;   /* or NULL */
    uint16_t port;
    SSL_CTX *tls;            /* NULL: plain */
    struct lws_vhost *vhost; /* its own, when it has TLS */
    struct resolve *resolve; /* NULL: not under way */
    struct addrinfo *addresses;
    struct addrinfo *address; /* to be tried next */
    struct deferred next;     /* tries it, or frees what is left */
    struct error why;         /* of the last attempt */
    bool freed;
};

static void finish(struct websocket_client *client)
{
    if (client->vhost)
        lws_vhost_destroy(client->vhost);
    SSL_CTX_free(client->tls);
    if (client->addresses)
        freeaddrinfo(client->addresses);
    free(client->host);
    free(client->host_header);
    free(client->path);
    free(client->subprotocol);
    free(client->extension);
    free(client);
}

/* ---- one attempt ---- */

/* lws's word, and what is behind it: the certificate, TLS, or the HTTP status. */
static void describe_failure(struct websocket_client *client, struct lws *wsi, const char *text, size_t len)
{
    const char *reason = client->tls ? tls_verify_error(lws_get_ssl(wsi)) : NULL;
    unsigned int status = lws_http_client_http_response(wsi);
    char peer[128];

    snprintf(peer, sizeof(peer), "%s:%u", client->host, client->port);
    if (reason)
        error_set(&client->why, ERROR_INTERNAL, peer, "the server's certificate is refused: %s", reason);
    else if (status && status != SWITCHING_PROTOCOLS)
        error_set(&client->why, ERROR_INTERNAL, peer, "the server answers with HTTP status %u", status);
    else if (client->tls && ERR_peek_last_error())
        error_set(&client->why, ERROR_INTERNAL, peer, "TLS fails: %s", tls_last_error());
    else
        error_set(&client->why, ERROR_INTERNAL, peer, "cannot connect: %.*s", text ? (int)len : 11,
                  text ? text : "no response");
}

/* R-WS.12 */
static int check_answer(struct websocket_client *client, struct lws *wsi)
{
    char name[WEBSOCKET_SUBPROTOCOL_BYTES] = "";

    if (!client->subprotocol)
        return 0;
    if (lws_hdr_copy(wsi, name, sizeof(name), WSI_TOKEN_PROTOCOL) > 0 &&
        strcmp(name, client->subprotocol) == 0)
        return 0;
    error_set(&client->why, ERROR_INTERNAL, client->host,
              "the server does not answer with the subprotocol %s", client->subprotocol);
    return -1;
}

static int offer_extension(struct websocket_client *client, struct lws *wsi, unsigned char **at, size_t room)
{
    return client->extension
               ? lws_add_http_header_by_name(wsi, (const unsigned char *)"Sec-WebSocket-Extensions:",
                                             (const unsigned char *)client->extension,
                                             (int)strlen(client->extension), at, *at + room)
               : 0;
}

static int on_link(struct link *link, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct websocket *ws = (struct websocket *)link;
    struct websocket_client *client = (struct websocket_client *)ws->end;

    switch (reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (client) {
            if (!client->why.code)
                describe_failure(client, link->wsi, in, len);
            websocket_connection_drop(ws);
        }
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return client ? offer_extension(client, link->wsi, in, len) : -1;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        return client ? check_answer(client, link->wsi) : -1;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (!client)
            return -1;
        websocket_connection_open(ws);
        return 0;
    default:
        return websocket_connection_handle(ws, reason, in, len);
    }
}

/* An attempt or the connection is over. */
static void ended(struct websocket_end *end, struct websocket *ws)
{
    struct websocket_client *client = (struct websocket_client *)end;

    client->ws = NULL;
    if (!ws->opened && !client->freed)
        loop_defer(end->context->loop, &client->next); /* the next address; not from inside lws */
}

static void attempt(struct websocket_client *client, const struct addrinfo *address)
{
    struct websocket_context *context = client->end.context;
    struct websocket *ws = websocket_connection_new(&client->end, client->ctx);
    char numeric[INET6_ADDRSTRLEN + 1] = "";
    struct lws_client_connect_info info = {
        .context = context->lws,
        .vhost = client->vhost ? client->vhost : context->host,
        .address = numeric,
        .port = client->port,
        .path = client->path,
        .retry_and_idle_policy = &websocket_no_pings,
        .host = client->host_header,
        .protocol = client->subprotocol,
        .local_protocol_name = "",
        .opaque_user_data = ws,
        .ssl_connection = client->tls ? LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK : 0,
        .alpn = "http/1.1",
    };

    if (!ws) {
        error_set(&client->why, ERROR_RESOURCES_EXCEEDED, client->host, "out of memory");
        loop_defer(context->loop, &client->next);
        return;
    }
    error_clear(&client->why);
    ERR_clear_error();
    client->ws = ws;
    ws->link.handle = on_link;
    if (address->ai_family == AF_INET6)
        uv_ip6_name((const struct sockaddr_in6 *)address->ai_addr, numeric, sizeof(numeric));
    else
        uv_ip4_name((const struct sockaddr_in *)address->ai_addr, numeric, sizeof(numeric));
    if (!lws_client_connect_via_info(&info) && client->ws == ws) {
        error_set(&client->why, ERROR_INTERNAL, client->host, "cannot connect to %s port %u", numeric,
                  client->port);
        websocket_connection_drop(ws);
    }
}

static void on_next(void *ctx)
{
    struct websocket_client *client = ctx;
    struct addrinfo *address = client->address;
    struct error why = client->why;

    if (client->freed) {
        finish(client);
        return;
    }
    if (address) {
        client->address = address->ai_next;
        attempt(client, address);
        return;
    }
    if (!why.code)
        error_set(&why, ERROR_INTERNAL, client->host, "cannot connect to port %u", client->port);
    client->end.ops->closed(client->ctx, NULL, LWS_CLOSE_STATUS_ABNORMAL_CLOSE, &why);
}

static void on_resolved(void *ctx, struct addrinfo *addresses, const struct error *err)
{
    struct websocket_client *client = ctx;

    client->resolve = NULL;
    client->addresses = addresses;
    client->address = addresses;
    if (!addresses)
        client->why = *err;
    on_next(client);
}

/* ---- the client ---- */

/* The dot that ends an absolute name is for the resolver; in HTTP and in certificates the name goes without it. */
static size_t name_length(const char *host)
{
    size_t len = strlen(host);

    return len > 1 && host[len - 1] == '.' ? len - 1 : len;
}

static int copy_settings(struct websocket_client *client, const struct websocket_client_settings *settings)
{
    bool is_ipv6 = strchr(settings->host, ':') != NULL;
    size_t name = name_length(settings->host);
    size_t size = name + 10;

    client->port = settings->port;
    client->host_header = malloc(size);
    if (!client->host_header || str_replace(&client->host, settings->host) < 0 ||
        str_replace(&client->path, settings->path && *settings->path ? settings->path : "/") < 0)
        return -1;
    if ((settings->subprotocol && str_replace(&client->subprotocol, settings->subprotocol) < 0) ||
        (settings->extension && str_replace(&client->extension, settings->extension) < 0))
        return -1;
    snprintf(client->host_header, size, is_ipv6 ? "[%.*s]:%u" : "%.*s:%u", (int)name, settings->host,
             settings->port);
    return 0;
}

static int set_up(struct websocket_client *client, const struct websocket_client_settings *settings,
                  struct error *err)
{
    struct websocket_context *context = client->end.context;
    if (copy_settings(client, settings) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, settings->host, "out of memory");
    if (settings->tls) {
        char *name = str_dup(settings->host, name_length(settings->host));

        if (!name)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, settings->host, "out of memory");
        client->tls = tls_context_new(&settings->tls_settings, TLS_CLIENT, name, err);
        free(name);
        if (!client->tls)
            return -1;
        client->vhost = websocket_host_new(context, client->tls, NULL, err);
        if (!client->vhost)
            return -1;
    }
    if (websocket_context_extend(context, client->extension, err) < 0 ||
        websocket_context_use(context, client->subprotocol, err) < 0)
        return -1;
    client->resolve = resolve_start(context->loop, client->host, on_resolved, client, err);
    if (client->resolve)
        return 0;
    websocket_context_unuse(context, client->subprotocol);
    return -1;
}

struct websocket_client *websocket_client_new(struct websocket_context *context,
                                              const struct websocket_client_settings *settings,
                                              const struct websocket_ops *ops, void *ctx, struct error *err)
{
    struct websocket_client *client = calloc(1, sizeof(*client));

    if (!client) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, settings->host, "out of memory");
        return NULL;
    }
    client->end = (struct websocket_end){
        .context = context,
        .ops = ops,
        .max_message = settings->max_message,
        .ping_s = settings->ping_s,
        .is_client = true,
        .ended = ended,
    };
    client->ctx = ctx;
    client->next = (struct deferred){.fn = on_next, .ctx = client};
    if (set_up(client, settings, err) < 0) {
        finish(client);
        return NULL;
    }
    return client;
}

void websocket_client_free(struct websocket_client *client)
{
    if (!client)
        return;
    client->freed = true;
    websocket_context_unuse(client->end.context, client->subprotocol);
    if (client->ws) {
        websocket_connection_leave(client->ws);
        websocket_connection_drop(client->ws);
    }
    resolve_cancel(client->resolve);
    client->resolve = NULL;
    loop_defer(client->end.context->loop, &client->next);
}

void websocket_client_keep_alive(struct websocket_client *client, uint32_t ping_s)
{
    client->end.ping_s = ping_s;
    if (client->ws)
        websocket_connection_keep_alive(client->ws);
}
