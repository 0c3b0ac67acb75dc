/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS without a socket, for payloads that travel in something else (TR-369 "TLS Payload Encapsulation"): bytes in, bytes
 * out, and what an application derives from it: keys for a MAC, and signatures with the same certificate. Both ends show
 * a certificate; there is one cipher per version, ECDHE and ECDSA with P-256 (R-E2E.40, R-E2E.40a, R-E2E.40b), and no
 * renegotiation (R-E2E.42).
 *
 * An identity is owned by the caller and outlives its engines. Loop's thread only.
 */
#ifndef TRANSPORTS_TLS_ENGINE_H
#define TRANSPORTS_TLS_ENGINE_H

#include "base/buf.h"
#include "base/str.h"
#include "transports/tls.h"

enum {
    TLS_MAC_BYTES = 32,
};

/* Who this end is, and whom it trusts. NULL and err: the certificate is missing, or its key is not one of P-256. */
struct tls_identity;
struct tls_identity *tls_identity_new(const struct tls_settings *settings, struct error *err);
void tls_identity_free(struct tls_identity *identity);
/* Own certificate and its chain, PEM. */
struct str tls_identity_certificate(const struct tls_identity *identity);
/* ECDSA with SHA-256, in DER (R-E2E.31). */
int tls_identity_sign(struct tls_identity *identity, struct str bytes, struct buf *ret_signature,
                      struct error *err);

/* Whether this is the peer that is expected; its chain was verified. */
typedef bool tls_peer_fn(void *ctx, X509 *certificate, const STACK_OF(X509) * chain);
/* 0 when the (first) PEM certificate is trusted, is the expected peer's, and made the signature. */
int tls_identity_verify(struct tls_identity *identity, struct str bytes, struct str signature,
                        struct str certificates, tls_peer_fn *peer, void *ctx, struct error *err);

struct tls_engine;
struct tls_engine *tls_engine_new(struct tls_identity *identity, enum tls_side side, tls_peer_fn *peer,
                                  void *ctx, struct error *err);
void tls_engine_free(struct tls_engine *engine);
/*
 * Takes bytes of the peer (none: a client begins). Appends what they say to *plain and what is to be sent to *out, an alert
 * included when it fails. -1: the connection is refused, broken or closed, and of no more use.
 */
int tls_engine_take(struct tls_engine *engine, struct str bytes, struct buf *plain, struct buf *out,
                    struct error *err);
int tls_engine_seal(struct tls_engine *engine, struct str plain, struct buf *out, struct error *err);
bool tls_engine_up(const struct tls_engine *engine);
/* HMAC-SHA-256 with the key of our side or the peer's, made from the session (R-E2E.33 to R-E2E.39). -1: not yet. */
int tls_engine_mac(struct tls_engine *engine, bool own, struct str bytes, uint8_t ret[TLS_MAC_BYTES]);

#endif
