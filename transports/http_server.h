/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small HTTP server for files: GET and HEAD with ranges, on the event loop. Which file answers a path, and for whom,
 * is the owner's decision per request. An owner may also take what is posted, and answer from memory, at once or later.
 */
#ifndef TRANSPORTS_HTTP_SERVER_H
#define TRANSPORTS_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/str.h"
#include "transports/tls.h"
#include "transports/websocket.h"

struct http_server;
struct http_pending; /* what was posted and is answered later, or an answer that goes on */

enum {
    HTTP_HEADERS = 8, /* that an owner may ask for */
    HTTP_COOKIE_BYTES = 192,
};

struct http_answer {
    int fd;        /* open for reading; the server closes it */
    char *content; /* with fd -1: the answer itself, malloc'ed; the server frees it. NULL: there is none */
    uint64_t size; /* bytes to serve from offset 0 */
    const char *content_type;
    const char *header; /* more lines, CRLF between them; NULL: none. Lives as long as the program */
    char cookie[HTTP_COOKIE_BYTES]; /* of Set-Cookie; "": none */
    void *request_ctx;              /* handed to `progress` */
    bool stream; /* `content` is how it begins; `more` gives the rest, and the connection ends with it */
};

/* What was posted, or asked for; lives during the callback. */
struct http_posted {
    const char *path;
    const char *peer;          /* its address in text */
    const char *content_type;  /* "" when it does not say */
    const char *authorization; /* the header; "" when there is none */
    const char *const
        *headers; /* values of settings->headers, in their order; "" for one that is not there */
    struct http_pending *pending;
    struct str body;
    STACK_OF(X509) * chain; /* of the peer's certificate, verified, its own first; NULL: it showed none */
};

struct http_server_ops {
    /* 200 and *ret_answer filled, or the status to answer with (404, 403, ...). path: decoded, without query, "." and
     * ".." are resolved. peer: its address in text. */
    int (*request)(void *ctx, const char *path, const char *peer, struct http_answer *ret_answer);
    /* The same for POST: the status, and any answer with it. NULL: nothing may be posted. */
    int (*post)(void *ctx, const struct http_posted *posted, struct http_answer *ret_answer);
    /* Instead of `request`, for owners that look at headers; any status may have an answer with it. NULL: `request`. */
    int (*get)(void *ctx, const struct http_posted *asked, struct http_answer *ret_answer);
    /* Of an answer with `stream`, once the peer has taken all that it was given. 1: ret_answer's content and size are next,
     * and the last when `stream` is not set again; 0: nothing now, until http_server_more(); -1: it ends here. */
    int (*more)(void *ctx, struct http_pending *stream, struct http_answer *ret_answer);
    /* `post` returned 0: http_server_answer() follows, unless this comes before, because the peer went. For an answer that
     * goes on: the peer went. */
    void (*gone)(void *ctx, struct http_pending *pending);
    /* Both NULL: nobody wants to know. Bytes up to this position were handed to the peer. `end` once for each answer, when it
     * is over: complete when the last byte of the file was handed over. */
    void (*progress)(void *ctx, void *request_ctx, uint64_t position);
    void (*end)(void *ctx, void *request_ctx, bool complete);
};

struct http_server_settings {
    const char *address; /* NULL or "": all */
    uint16_t port;       /* 0: any */
    bool tls;
    struct tls_settings tls_settings;
    uint32_t max_connections;
    /* Nobody needs one for long: when all are taken, the oldest gives way to a new one, unless its answer goes on. Then who
     * holds connections keeps nobody out. */
    bool brief;
    struct peer_limits per_peer;
    size_t max_body; /* of what is posted */
    /* Names of headers that the owner is told, in lower case, NULL at the end; at most HTTP_HEADERS. They live as long as
     * the program. NULL: none. */
    const char *const *headers;
};

struct http_server *http_server_new(struct websocket_context *context,
                                    const struct http_server_settings *settings,
                                    const struct http_server_ops *ops, void *ctx, struct error *err);
/* Closes the port, which is free at once, and ends all requests. */
void http_server_free(struct http_server *server);
/* Once for each `pending`. */
void http_server_answer(struct http_pending *pending, int status, const struct http_answer *answer);
/* There is more of it. */
void http_server_more(struct http_pending *stream);
uint16_t http_server_port(const struct http_server *server);

#endif
