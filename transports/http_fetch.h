/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fetching over HTTP and HTTPS (libcurl on the event loop): streams the body to the owner, follows a bounded number of
 * redirects (never from https to http; none if the owner says so), resumes at an offset. Policy (retry, checksums, where
 * bytes go) is the owner's.
 *
 * Loop's thread only; a fetch lives until `done` returns or it is cancelled.
 */
#ifndef TRANSPORTS_HTTP_FETCH_H
#define TRANSPORTS_HTTP_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "transports/tls.h"

struct http_fetcher;
struct http_fetch;

struct http_fetcher *http_fetcher_new(struct loop *loop, struct error *err);
/* Cancels what is left. Not from a callback of a fetch. */
void http_fetcher_free(struct http_fetcher *fetcher);

struct http_request {
    const char *url;      /* http or https; anything else is refused */
    const char *username; /* NULL: none. Sent to the first host only, basic or digest as the server asks */
    const char *password;
    uint64_t offset;       /* resume here: Range, made conditional by validator */
    const char *validator; /* ETag or Last-Modified for If-Range; NULL: none */
    uint64_t max_bytes;    /* the body (offset included) may not be longer */
    uint32_t connect_timeout_s;
    uint32_t stall_timeout_s; /* less than a byte per second for this long ends it */
    bool no_redirects;        /* an answer that leads elsewhere ends it: HTTP_PERMANENT */
    struct tls_settings tls;
};

struct http_head {
    int status;            /* final: 200, 206, 4xx ... */
    uint64_t offset;       /* where the body starts: the resumed offset for 206, 0 for 200 */
    int64_t length;        /* whole size if known, else -1 */
    const char *validator; /* ETag (strong) or Last-Modified, for resuming later; NULL: none */
    const char *content_type;
};

/* Whether a failed fetch may be tried again. */
enum http_outcome {
    HTTP_DONE,
    HTTP_TRANSIENT, /* name, connection, stall, short body, 408, 429, 5xx */
    HTTP_PERMANENT, /* URL, TLS verification, 4xx, redirects, too large */
    HTTP_ABORTED,   /* the owner said so in head() or body() */
};

struct http_fetch_ops {
    /* Before the first byte of a 2xx body; non-zero aborts. */
    int (*head)(void *ctx, const struct http_head *head);
    int (*body)(void *ctx, const uint8_t *data, size_t len);
    /* Once. err names what failed in words: the URL, the step, the status or TLS reason. */
    void (*done)(void *ctx, enum http_outcome outcome, const struct error *err);
};

struct http_fetch *http_fetch_start(struct http_fetcher *fetcher, const struct http_request *request,
                                    const struct http_fetch_ops *ops, void *ctx, struct error *err);
/* No further callback. May be called in one of its own; the fetch is gone when done() or this returns. */
void http_fetch_cancel(struct http_fetch *fetch);

#endif
