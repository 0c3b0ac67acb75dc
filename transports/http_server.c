/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "transports/http_headers.h"
#include "transports/http_range.h"
#include "transports/websocket_internal.h"

enum {
    CHUNK_BYTES = 16 << 10,
    BYTES_PER_TURN = 256 << 10, /* to one peer before others get their turn */
    STALL_S = 30,               /* a peer that takes nothing for so long is hung up on */
    FIELD_BYTES = 512,          /* of a request's header that the owner is told */
};

struct http_server {
    struct websocket_context *context;
    struct listener listener;
    const struct http_server_ops *ops;
    void *ctx;
    struct lws_vhost *host; /* its own, when it has TLS */
    struct deferred destroy_host;
    struct http_peer *first;
    size_t count;
    size_t max_connections;
    size_t max_body;
    bool brief;
    const char *const *headers;
};

/* A connection, and the request that it is busy with. */
struct http_peer {
    struct link link; /* first */
    struct websocket_context *context;
    struct http_server *server; /* NULL when the server is gone */
    struct http_peer *next;
    struct http_peer **self;
    struct deferred kill;
    struct http_answer answer;
    bool answering; /* `answer` is on its way */
    uint64_t position;
    uint64_t end;
    struct posting *posting; /* what comes in; NULL: nothing does */
    int late_status;         /* `answer` came later, and is to begin with this; 0: no such thing */
    bool pending;            /* the owner holds it: it has yet to answer, or the answer goes on */
    bool streaming;          /* `answer` goes on */
};

/* A request with a body, until that is complete. Its header's memory is lws's, which may need it before. */
struct posting {
    struct buf body;
    uint64_t length; /* as announced */
    char path[WEBSOCKET_PATH_BYTES];
    char content_type[FIELD_BYTES];
    char authorization[FIELD_BYTES];
    struct http_headers headers;
};

/* ---- the end ---- */

static void end_request(struct http_peer *peer, bool complete)
{
    bool answering = peer->answering;

    if (!answering && !peer->late_status)
        return;
    peer->answering = false;
    peer->late_status = 0;
    if (peer->answer.fd >= 0)
        close(peer->answer.fd);
    free(peer->answer.content);
    if (answering && peer->server && peer->server->ops->end)
        peer->server->ops->end(peer->server->ctx, peer->answer.request_ctx, complete);
}

static void end_posting(struct http_peer *peer)
{
    if (!peer->posting)
        return;
    buf_done(&peer->posting->body);
    explicit_bzero(peer->posting, sizeof(*peer->posting)); /* a password may be in it */
    free(peer->posting);
    peer->posting = NULL;
}

static void end_pending(struct http_peer *peer)
{
    if (!peer->pending)
        return;
    peer->pending = false;
    peer->server->ops->gone(peer->server->ctx, (struct http_pending *)peer);
}

static void unlink_peer(struct http_peer *peer)
{
    if (!peer->server)
        return;
    end_pending(peer);
    *peer->self = peer->next;
    if (peer->next)
        peer->next->self = peer->self;
    peer->server->count--;
    peer->server = NULL;
}

static void on_destroyed(struct link *link)
{
    struct http_peer *peer = (struct http_peer *)link;

    end_request(peer, false);
    end_posting(peer);
    unlink_peer(peer);
    loop_undefer(peer->context->loop, &peer->kill);
    free(peer);
}

static void on_kill(void *ctx)
{
    struct http_peer *peer = ctx;

    link_kill(&peer->link);
}

/* ---- answering ---- */

static int complete_transaction(struct http_peer *peer)
{
    return lws_http_transaction_completed(peer->link.wsi) ? -1 : 0;
}

static int answer_status(struct http_peer *peer, int status)
{
    if (lws_return_http_status(peer->link.wsi, (unsigned)status, NULL) != 0)
        return -1;
    return complete_transaction(peer);
}

static const char *phrase(int status)
{
    switch (status) {
    case HTTP_STATUS_OK:
        return "OK";
    case HTTP_STATUS_PARTIAL_CONTENT:
        return "Partial Content";
    case HTTP_STATUS_REQ_RANGE_NOT_SATISFIABLE:
        return "Range Not Satisfiable";
    default:
        return status < HTTP_STATUS_INTERNAL_SERVER_ERROR ? "Refused" : "Not Possible";
    }
}

static int send_head(struct http_peer *peer, int status)
{
    const struct http_answer *answer = &peer->answer;
    unsigned long long size = answer->size;
    char range[96] = "";
    char length[64];
    char head[2048];
    int len;

    if (status == HTTP_STATUS_PARTIAL_CONTENT)
        snprintf(range, sizeof(range), "Content-Range: bytes %llu-%llu/%llu\r\n",
                 (unsigned long long)peer->position, (unsigned long long)peer->end - 1, size);
    else if (status == HTTP_STATUS_REQ_RANGE_NOT_SATISFIABLE)
        snprintf(range, sizeof(range), "Content-Range: bytes */%llu\r\n", size);
    /* An answer whose length is not said ends with its connection (RFC 9112, 6.3). */
    if (peer->streaming)
        snprintf(length, sizeof(length), "Connection: close");
    else
        snprintf(length, sizeof(length), "Content-Length: %llu",
                 (unsigned long long)(peer->end - peer->position));
    len = snprintf(head, sizeof(head),
                   "HTTP/1.1 %d %s\r\nContent-Type: %.100s\r\n%s\r\n%s"
                   "Cache-Control: no-store\r\n%s%.1000s%s%s%.191s%s\r\n",
                   status, phrase(status),
                   answer->content_type ? answer->content_type : "application/octet-stream", length,
                   answer->fd >= 0 ? "Accept-Ranges: bytes\r\n" : "", range,
                   answer->header ? answer->header : "", answer->header ? "\r\n" : "",
                   answer->cookie[0] ? "Set-Cookie: " : "", answer->cookie, answer->cookie[0] ? "\r\n" : "");
    return lws_write(peer->link.wsi, (unsigned char *)head, (size_t)len, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

/* What of the file is asked for; returns the status. */
static int choose_range(struct http_peer *peer)
{
    struct lws *wsi = peer->link.wsi;
    struct http_range range;
    char header[128];

    peer->position = 0;
    peer->end = peer->answer.size;
    if (lws_hdr_copy(wsi, header, sizeof(header), WSI_TOKEN_HTTP_RANGE) <= 0)
        return HTTP_STATUS_OK;
    /* No validator is given out, so a conditional range cannot hold. */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_IF_RANGE))
        return HTTP_STATUS_OK;
    switch (http_range_parse(header, peer->answer.size, &range)) {
    case 1:
        peer->position = range.first;
        peer->end = range.end;
        return HTTP_STATUS_PARTIAL_CONTENT;
    case -1:
        peer->end = 0;
        return HTTP_STATUS_REQ_RANGE_NOT_SATISFIABLE;
    default:
        return HTTP_STATUS_OK;
    }
}

static int finish(struct http_peer *peer)
{
    end_request(peer, peer->position == peer->answer.size);
    return complete_transaction(peer);
}

/* The server may be freed in any callback. */
static bool is_gone(const struct http_peer *peer)
{
    return peer->server == NULL;
}

/* Sends the answer that the owner gave: all of it, or the part that was asked for. */
static int begin_answer(struct http_peer *peer, const struct http_answer *answer, int status, bool is_head)
{
    peer->answer = *answer;
    peer->answering = true;
    if (is_gone(peer)) {
        end_request(peer, false);
        return -1;
    }
    if (answer->fd >= 0) {
        status = choose_range(peer);
    } else {
        peer->position = 0;
        peer->end = answer->size;
    }
    peer->pending = answer->stream;
    if (is_head)
        end_pending(peer); /* nothing follows */
    peer->streaming = peer->pending;
    if (send_head(peer, status) < 0)
        return -1;
    if (is_head)
        peer->end = peer->position;
    lws_set_timeout(peer->link.wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_S);
    lws_callback_on_writable(peer->link.wsi);
    return 0;
}

/* ---- what is posted ---- */

static void copy_header(struct lws *wsi, enum lws_token_indexes token, char to[FIELD_BYTES])
{
    if (lws_hdr_copy(wsi, to, FIELD_BYTES, token) < 0)
        to[0] = '\0'; /* not there, or longer than anything that would be taken */
}

/* Refused before its body was read, which is then no request of this connection: it ends. */
static int refuse_posting(struct http_peer *peer, int status)
{
    lws_return_http_status(peer->link.wsi, (unsigned)status, NULL);
    return -1;
}

static int on_posting(struct http_peer *peer, const char *path)
{
    const struct http_server *server = peer->server;
    struct lws *wsi = peer->link.wsi;
    char length[24];
    uint64_t size;

    if (!server->ops->post)
        return answer_status(peer, HTTP_STATUS_METHOD_NOT_ALLOWED);
    if (lws_hdr_copy(wsi, length, sizeof(length), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 ||
        str_to_u64(str_of(length), &size) < 0)
        return refuse_posting(peer, HTTP_STATUS_LENGTH_REQUIRED);
    if (!size)
        return refuse_posting(peer, HTTP_STATUS_BAD_REQUEST);
    if (size > server->max_body)
        return refuse_posting(peer, HTTP_STATUS_REQ_ENTITY_TOO_LARGE);
    end_posting(peer);
    peer->posting = calloc(1, sizeof(*peer->posting));
    if (!peer->posting)
        return refuse_posting(peer, HTTP_STATUS_SERVICE_UNAVAILABLE);
    buf_init(&peer->posting->body, size, 0);
    peer->posting->length = size;
    str_copy(peer->posting->path, sizeof(peer->posting->path), path);
    copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, peer->posting->content_type);
    copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, peer->posting->authorization);
    http_headers_copy(wsi, server->headers, &peer->posting->headers);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_S);
    return 0;
}

static int on_body(struct http_peer *peer, const void *data, size_t len)
{
    return peer->posting && buf_append(&peer->posting->body, data, len) == 0 ? 0 : -1;
}

static int on_posted(struct http_peer *peer)
{
    struct http_server *server = peer->server;
    struct posting *posting = peer->posting;
    struct http_answer answer = {.fd = -1};
    char name[INET6_ADDRSTRLEN] = "";
    struct http_posted posted = {.peer = name};
    int status;

    if (!posting || posting->body.len != posting->length)
        return -1;
    link_peer_name(&peer->link, name, sizeof(name));
    posted.path = posting->path;
    posted.content_type = posting->content_type;
    posted.authorization = posting->authorization;
    posted.headers = posting->headers.values;
    posted.pending = (struct http_pending *)peer;
    posted.body = (struct str){(const char *)buf_data(&posting->body), posting->body.len};
    posted.chain = tls_peer_chain(lws_get_ssl(peer->link.wsi));
    status = server->ops->post(server->ctx, &posted, &answer);
    end_posting(peer);
    if (!status) {
        peer->pending = !peer->late_status && !is_gone(peer);
        lws_set_timeout(peer->link.wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_S);
        return is_gone(peer) ? -1 : 0;
    }
    return begin_answer(peer, &answer, status, false);
}

void http_server_answer(struct http_pending *pending, int status, const struct http_answer *answer)
{
    struct http_peer *peer = (struct http_peer *)pending;

    peer->pending = false;
    peer->late_status = status;
    peer->answer = *answer;
    lws_callback_on_writable(peer->link.wsi);
}

/* ---- requests ---- */

static int on_get(struct http_peer *peer, const char *path, const char *name, struct http_answer *answer)
{
    const struct http_server *server = peer->server;
    struct http_headers *headers = calloc(1, sizeof(*headers));
    struct http_posted asked = {.path = path, .peer = name, .content_type = "", .authorization = ""};
    int status;

    if (!headers)
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    http_headers_copy(peer->link.wsi, server->headers, headers);
    asked.headers = headers->values;
    asked.pending = (struct http_pending *)peer;
    status = server->ops->get(server->ctx, &asked, answer);
    explicit_bzero(headers, sizeof(*headers)); /* a cookie may be in it */
    free(headers);
    return status;
}

static int on_request(struct http_peer *peer, const char *path)
{
    struct http_server *server = peer->server;
    struct lws *wsi = peer->link.wsi;
    bool is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    struct http_answer answer = {.fd = -1};
    char name[INET6_ADDRSTRLEN] = "";
    int status;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI))
        return on_posting(peer, path);
    if (!is_head && !lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI))
        return answer_status(peer, HTTP_STATUS_METHOD_NOT_ALLOWED);
    link_peer_name(&peer->link, name, sizeof(name));
    status = server->ops->get ? on_get(peer, path, name, &answer)
                              : server->ops->request(server->ctx, path, name, &answer);
    return status == HTTP_STATUS_OK || answer.content ? begin_answer(peer, &answer, status, is_head)
                                                      : answer_status(peer, status);
}

/* At most so many bytes from where it is; returns how many there are, or -1. */
static ssize_t read_chunk(const struct http_peer *peer, uint8_t chunk[CHUNK_BYTES])
{
    uint64_t left = peer->end - peer->position;
    size_t size = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

    if (peer->answer.fd >= 0)
        return pread(peer->answer.fd, chunk, size, (off_t)peer->position);
    memcpy(chunk, peer->answer.content + peer->position, size);
    return (ssize_t)size;
}

/* All that the owner gave was taken. */
static int go_on(struct http_peer *peer)
{
    struct http_answer more = {.fd = -1};
    int result = peer->pending
                     ? peer->server->ops->more(peer->server->ctx, (struct http_pending *)peer, &more)
                     : -1;

    /* It is free to take its time when there is nothing to take. */
    lws_set_timeout(peer->link.wsi, result > 0 ? PENDING_TIMEOUT_HTTP_CONTENT : NO_PENDING_TIMEOUT,
                    result > 0 ? STALL_S : 0);
    if (result <= 0)
        return result;
    free(peer->answer.content);
    peer->answer.content = more.content;
    peer->answer.size = peer->end = more.size;
    peer->position = 0;
    peer->pending = more.stream;
    lws_callback_on_writable(peer->link.wsi);
    return 0;
}

void http_server_more(struct http_pending *stream)
{
    lws_callback_on_writable(((struct http_peer *)stream)->link.wsi);
}

/* The socket takes more. */
static int on_writable(struct http_peer *peer)
{
    struct lws *wsi = peer->link.wsi;
    uint8_t chunk[CHUNK_BYTES];
    uint64_t begin = peer->position;

    if (peer->late_status) {
        struct http_answer answer = peer->answer;
        int status = peer->late_status;

        peer->late_status = 0;
        return begin_answer(peer, &answer, status, false);
    }
    if (!peer->answering)
        return 0;
    while (peer->position < peer->end && peer->position - begin < BYTES_PER_TURN &&
           !lws_partial_buffered(wsi)) {
        ssize_t n = read_chunk(peer, chunk);

        if (n <= 0 || lws_write(wsi, chunk, (size_t)n, LWS_WRITE_HTTP) < 0)
            return -1; /* the file is shorter than was said: the peer must not take it for whole */
        peer->position += (uint64_t)n;
    }
    if (peer->position > begin) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, STALL_S);
        if (peer->server->ops->progress)
            peer->server->ops->progress(peer->server->ctx, peer->answer.request_ctx, peer->position);
        if (is_gone(peer))
            return -1;
    }
    if (peer->position == peer->end && !lws_partial_buffered(wsi))
        return peer->streaming ? go_on(peer) : finish(peer);
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_link(struct link *link, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct http_peer *peer = (struct http_peer *)link;

    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return peer->server ? on_request(peer, in) : -1;
    case LWS_CALLBACK_HTTP_BODY:
        return peer->server ? on_body(peer, in, len) : -1;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return peer->server ? on_posted(peer) : -1;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return peer->server ? on_writable(peer) : -1;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return -1;
    case LWS_CALLBACK_CLOSED_HTTP:
        end_request(peer, false);
        end_pending(peer);
        return 0;
    default:
        return 0;
    }
}

/* ---- connections ---- */

static void make_room(struct http_server *server)
{
    struct http_peer *oldest = NULL;

    for (struct http_peer *peer = server->first; peer; peer = peer->next) /* the newest first */
        if (!peer->streaming)
            oldest = peer;
    if (!oldest)
        return;
    end_request(oldest, false);
    unlink_peer(oldest);
    loop_defer(server->context->loop, &oldest->kill);
}

static struct link *accepted(void *ctx)
{
    struct http_server *server = ctx;
    struct http_peer *peer;

    if (server->brief && server->count >= server->max_connections)
        make_room(server);
    peer = server->count < server->max_connections ? calloc(1, sizeof(*peer)) : NULL;
    if (!peer)
        return NULL;
    peer->link.handle = on_link;
    peer->link.destroyed = on_destroyed;
    peer->context = server->context;
    peer->server = server;
    peer->kill = (struct deferred){.fn = on_kill, .ctx = peer};
    peer->answer.fd = -1;
    peer->next = server->first;
    if (peer->next)
        peer->next->self = &peer->next;
    peer->self = &server->first;
    server->first = peer;
    server->count++;
    return &peer->link;
}

/* ---- the server ---- */

static void on_listener_closed(void *ctx)
{
    free(ctx);
}

static void on_destroy_host(void *ctx)
{
    struct http_server *server = ctx;

    lws_vhost_destroy(server->host);
}

struct http_server *http_server_new(struct websocket_context *context,
                                    const struct http_server_settings *settings,
                                    const struct http_server_ops *ops, void *ctx, struct error *err)
{
    struct http_server *server = calloc(1, sizeof(*server));

    if (!server) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    server->context = context;
    server->ops = ops;
    server->ctx = ctx;
    server->max_connections = settings->max_connections;
    server->max_body = settings->max_body;
    server->brief = settings->brief;
    server->headers = settings->headers;
    server->listener.accepted = accepted;
    server->listener.closed = on_listener_closed;
    server->listener.ctx = server;
    server->listener.per_peer = settings->per_peer;
    server->listener.network_places = settings->max_connections / 2;
    server->destroy_host = (struct deferred){.fn = on_destroy_host, .ctx = server};
    if (settings->tls)
        server->host = websocket_host_new(context, NULL, &settings->tls_settings, err);
    if ((settings->tls && !server->host) ||
        listener_open(&server->listener, context, server->host ? server->host : context->host,
                      settings->address, settings->port, err) < 0) {
        if (server->host)
            lws_vhost_destroy(server->host);
        free(server);
        return NULL;
    }
    return server;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    while (server->first) {
        struct http_peer *peer = server->first;

        end_request(peer, false);
        unlink_peer(peer);
        loop_defer(server->context->loop, &peer->kill); /* maybe inside a callback of lws */
    }
    if (server->host)
        loop_defer(server->context->loop, &server->destroy_host);
    listener_close(&server->listener);
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->listener.port;
}
