/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS settings shared by all transports, and OpenSSL contexts made from them. TLS 1.2 is the minimum (R-MQTT.48,
 * R-BULK.6, R-UDS.23a); the peer's chain and name are verified unless the settings say otherwise by name.
 */
#ifndef TRANSPORTS_TLS_H
#define TRANSPORTS_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"

struct tls_settings {
    const char *ca_file;          /* PEM bundle of trusted CAs; NULL for the system's */
    const char *certificate_file; /* own chain, PEM; NULL for none */
    const char *key_file;         /* own key, PEM */
    bool require_peer;            /* server: refuse clients without a certificate */
    bool ask_peer; /* server without a ca_file: ask clients for a certificate, `trust` says whose is taken */
    const struct tls_trust
        *trust; /* more that is trusted; must live as long as what is made with it; NULL: none */
};

/*
 * Certificates that are trusted besides those of the CA file, CAs or single ones. They may change at any time: connections
 * made from then on follow, also those of contexts that exist. Owned by the caller.
 */
struct tls_trust;
struct tls_trust *tls_trust_new(void);
void tls_trust_free(struct tls_trust *trust);
/* These instead of those before, and chains with a disabled one are refused, whoever vouches; takes references of its own.
 * -1: no memory, nothing has changed. */
int tls_trust_set(struct tls_trust *trust, const STACK_OF(X509) * certificates,
                  const STACK_OF(X509) * disabled);
/*
 * Whether servers let in clients whose certificate nobody vouches for, by itself or at all (trust on first use). What
 * is wrong with it otherwise (dates, purpose) still counts. Its connection's SSL_get_verify_result() is not X509_V_OK,
 * and the owner of the server has to decide whom it is.
 */
void tls_trust_first_use(struct tls_trust *trust, bool allowed);

/*
 * Whether the clock is known to be right. While it is not, the dates of certificates mean nothing (R-SEC.19, R-SEC.20); asked
 * anew for each chain. Without a function it always is.
 */
typedef bool tls_dated_fn(void *ctx);
void tls_trust_set_dated(struct tls_trust *trust, tls_dated_fn *dated, void *ctx);
/*
 * Whether a certificate of a chain that is otherwise good is no longer to be taken: revoked, or unknown to who issued it.
 * Asked anew for each handshake.
 */
typedef bool tls_refused_fn(void *ctx, const X509 *certificate);
void tls_trust_set_refused(struct tls_trust *trust, tls_refused_fn *refused, void *ctx);
/* Verifies the chain in ctx with its own store or what is trusted besides (NULL: nothing is). */
bool tls_trust_verify(X509_STORE_CTX *ctx, const struct tls_trust *trust);

enum tls_side {
    TLS_CLIENT,
    TLS_SERVER,
};

/*
 * A context to be freed with SSL_CTX_free(), or NULL. host: the name or address that the peer's certificate must carry
 * (client side); NULL to leave that to the caller. A server verifies a client that shows a certificate when there is a
 * ca_file or ask_peer; require_peer refuses those that show none.
 */
SSL_CTX *tls_context_new(const struct tls_settings *settings, enum tls_side side, const char *host,
                         struct error *err);

/* The same for a context that a library made. */
int tls_context_configure(SSL_CTX *ctx, const struct tls_settings *settings, enum tls_side side,
                          const char *host, struct error *err);

/* The newest reason in OpenSSL's error queue, as text for an error message; clears the queue. */
const char *tls_last_error(void);

/* The chain that the peer's certificate was verified with, its own first; borrowed. NULL: it showed none, or nobody
 * vouches for it. */
STACK_OF(X509) * tls_peer_chain(SSL *ssl);

/* Why the peer's certificate was refused in the handshake of this connection, or NULL when it was not. */
const char *tls_verify_error(const SSL *ssl);

/*
 * What a certificate says about USP identity: the subjectAltName entries that name an Endpoint ID (R-SEC.0a: a URI
 * "urn:bbf:usp:id:..." or, for fqdn, a dNSName). True when one of them is endpoint_id.
 */
bool tls_certificate_names(X509 *certificate, const char *endpoint_id);
/* Whether the certificate says at all whose it is, in the way that an Endpoint ID of this kind is said. */
bool tls_certificate_claims(X509 *certificate, const char *endpoint_id);

#endif
