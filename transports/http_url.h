/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of files over HTTP: what one file names, seen from where it lies itself. */
#ifndef TRANSPORTS_HTTP_URL_H
#define TRANSPORTS_HTTP_URL_H

#include <stdbool.h>

/* RFC 3986, 5.2: `reference` as it is meant in the file at `base`. malloc'ed; NULL: neither http nor https, or no memory. */
char *http_url_join(const char *base, const char *reference);
/* The same scheme, host and port: credentials for one are for the other too. */
bool http_url_same_origin(const char *a, const char *b);

#endif
