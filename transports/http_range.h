/* SPDX-License-Identifier: BSD-3-Clause */
/* The header Range (RFC 9110, 14). Private to the HTTP server. */
#ifndef TRANSPORTS_HTTP_RANGE_H
#define TRANSPORTS_HTTP_RANGE_H

#include <stdint.h>

struct http_range {
    uint64_t first;
    uint64_t end; /* after the last */
};

/* One range. 1: *ret is what to send; 0: it is to be ignored; -1: there is no such part. */
int http_range_parse(const char *header, uint64_t size, struct http_range *ret);

#endif
