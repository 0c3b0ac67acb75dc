/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payload security and the integrity of records (TR-369 "Secure Message Exchange", R-E2E.28 to R-E2E.43), as far as usp/
 * sees it: bytes in, bytes out. Who does the cryptography fills in the functions; the wiring gives them to
 * usp_set_security(). Without them there are sessions, but neither TLS in them nor signatures.
 */
#ifndef USP_SECURITY_H
#define USP_SECURITY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "usp/usp.h"

struct controller;

enum {
    USP_MAC_BYTES = 32, /* HMAC-SHA-256 (R-E2E.33) */
};

/* TLS with one controller, as client or server. Owned by the session. */
struct usp_security;

struct usp_security_ops {
    /* The session's initiator is the client. NULL and err 7102: not possible here, e.g. without a certificate. */
    struct usp_security *(*open)(void *ctx, struct controller *controller, bool client, struct error *err);
    void (*close)(struct usp_security *security);
    /*
     * Bytes from the peer (none: a client begins). What they say is appended to *plain, what the peer has to get in turn
     * (handshake, alert) to *out, also on failure. -1: refused, broken or ended; nothing follows.
     */
    int (*take)(struct usp_security *security, struct str bytes, struct buf *plain, struct buf *out,
                struct error *err);
    int (*seal)(struct usp_security *security, struct str plain, struct buf *out, struct error *err);
    /* The handshake is complete: the peer is who it says it is. */
    bool (*up)(const struct usp_security *security);
    /* What the peer showed in it: peer, certificates and named, valid as long as the security. */
    struct usp_channel (*shown)(const struct usp_security *security);
    /* Of the fields, with our own key or the peer's. -1: the keys are not agreed yet. */
    int (*mac)(struct usp_security *security, bool own, struct str fields, uint8_t ret[USP_MAC_BYTES]);

    /* Signatures, for records that no TLS session covers yet. The certificate is PEM (sender_cert). */
    int (*sign)(void *ctx, struct str fields, struct buf *ret_signature, struct error *err);
    struct str (*certificate)(void *ctx); /* own; empty: there is none, and nothing can be signed */
    /* 0 when the certificate is the controller's, is trusted, and made the signature. */
    int (*verify)(void *ctx, struct controller *controller, struct str fields, struct str signature,
                  struct str certificate, struct error *err);
};

#endif
