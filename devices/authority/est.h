/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enrolment over Secure Transport (RFC 7030, RFC 8951) on the LAN: /.well-known/est/ with cacerts, csrattrs, simpleenroll and
 * simplereenroll, and beside them crl.pem. Made and freed by the agent; the authority outlives it.
 */
#ifndef DEVICES_AUTHORITY_EST_H
#define DEVICES_AUTHORITY_EST_H

#include "devices/authority/authority.h"
#include "transports/http_server.h"

/* The operations of an HTTP server with TLS whose context is the authority. */
extern const struct http_server_ops est_ops;

/* The server. tls: its certificate and key; whom it trusts is the authority's. */
struct http_server *est_new(struct websocket_context *context, struct authority *authority,
                            const char *address, uint16_t port, const struct tls_settings *tls,
                            struct error *err);

#endif
