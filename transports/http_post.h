/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delivering bytes over HTTP and HTTPS with POST or PUT, on the fetcher's libcurl. What the server says in its answer is
 * read and dropped; any 2xx is success. Whether to try again is the owner's business.
 *
 * Loop's thread only; a post lives until `done` returns or it is cancelled with http_fetch_cancel().
 */
#ifndef TRANSPORTS_HTTP_POST_H
#define TRANSPORTS_HTTP_POST_H

#include "base/buf.h"
#include "transports/http_fetch.h"

struct http_post {
    const char *url;
    const char *username; /* NULL: none. Basic or digest as the server asks */
    const char *password;
    const char *method;         /* "POST" or "PUT" */
    const char *const *headers; /* further lines, Content-Type among them, ended by NULL; at most 8 */
    int64_t date;               /* for a Date header, s since 1970; 0: none */
    struct tls_settings tls;
};

/* A `body` for the owner's ops that drops what the server says. */
int http_post_ignore(void *ctx, const uint8_t *data, size_t len);

/* Takes over the content's bytes. ops->done is called once. */
struct http_fetch *http_post_start(struct http_fetcher *fetcher, const struct http_post *post,
                                   struct buf *content, const struct http_fetch_ops *ops, void *ctx,
                                   struct error *err);

#endif
