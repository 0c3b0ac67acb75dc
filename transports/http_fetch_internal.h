/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What http_fetch.c (one fetch) and http_fetcher.c (libcurl's multi interface on the loop) share. Inside a callback of
 * curl nothing may be removed from it, so a fetch that ends there is swept up at the end of the loop's iteration.
 */
#ifndef TRANSPORTS_HTTP_FETCH_INTERNAL_H
#define TRANSPORTS_HTTP_FETCH_INTERNAL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "transports/http_fetch.h"

/* What goes up (http_post.c). */
struct http_upload {
    const char *method;
    struct buf *content;        /* taken over when the fetch has begun */
    const char *const *headers; /* lines, ended by NULL */
    uint32_t timeout_s;         /* for all of it */
};

struct http_fetcher {
    struct loop *loop;
    CURLM *multi;
    struct timer timer;
    struct http_fetch *first;
    struct deferred sweep; /* frees fetches that ended inside curl */
};

struct http_fetch {
    struct http_fetcher *fetcher;
    struct http_fetch *next;
    struct http_fetch **self;
    CURL *curl;
    struct curl_slist *headers;
    const struct http_fetch_ops *ops;
    void *ctx;
    char *url; /* without credentials, for messages */
    uint64_t offset;
    uint64_t max_bytes;
    uint64_t received;  /* of this body */
    struct buf content; /* of an upload */
    bool uploads;
    bool head_told;
    bool ended;                /* no further callback; to be freed */
    enum http_outcome refused; /* why a callback stopped it; HTTP_DONE when none did */
    struct error why;
    char *etag;
    char *last_modified;
    char *content_range;
    char reason[CURL_ERROR_SIZE];
};

/* In http_fetch.c. upload NULL: a GET. */
struct http_fetch *http_fetch_begin(struct http_fetcher *fetcher, const struct http_request *request,
                                    const struct http_upload *upload, const struct http_fetch_ops *ops,
                                    void *ctx, struct error *err);
/* In http_fetch.c: curl is through with it, or it is in nobody's way any more. */
void http_fetch_finish(struct http_fetch *fetch, CURLcode code);
void http_fetch_free(struct http_fetch *fetch);

#endif
