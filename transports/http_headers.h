/* SPDX-License-Identifier: BSD-3-Clause */
/* Those headers of a request that the owner of the HTTP server asked for. Private to that. */
#ifndef TRANSPORTS_HTTP_HEADERS_H
#define TRANSPORTS_HTTP_HEADERS_H

#include "transports/http_server.h"

struct lws;

enum {
    HTTP_HEADERS_BYTES = 4096, /* of all of them */
};

struct http_headers {
    const char *values[HTTP_HEADERS];
    char text[HTTP_HEADERS_BYTES];
};

/* *ret is zeroed before. "" for what is not there, or does not fit: it is longer than anything that would be taken. */
void http_headers_copy(struct lws *wsi, const char *const *names, struct http_headers *ret);

#endif
