/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * COSE_Sign1 (RFC 9052) with a detached payload, as SUIT uses it: ES256 (-7), ESP256 (-9), EdDSA (-8) and Ed25519 (-19),
 * with SHA-256 and P-256, or Ed25519. The other structures of COSE are recognised and refused by name.
 */
#ifndef RELEASE_COSE_H
#define RELEASE_COSE_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "release/release.h"

enum cose_algorithm {
    COSE_ES256 = -7,
    COSE_EDDSA = -8,
    COSE_ESP256 = -9,
    COSE_ED25519 = -19,
};

enum {
    COSE_SIGN1_TAG = 18,
    COSE_KEY_ID_BYTES = 64,
    COSE_SIGNATURE_BYTES = 64, /* of all four */
};

/* Borrows from the block. */
struct cose_sign1 {
    struct str headers; /* as it is signed */
    int64_t algorithm;
    struct str key_id; /* empty: none */
    struct str signature;
};

int cose_read(struct str block, struct cose_sign1 *ret, struct error *err);
/* 1: it is a signature of this key over the payload; 0: it is not; -1: memory is out. */
int cose_verify(const struct cose_sign1 *sign1, EVP_PKEY *key, struct str payload);
/* Appends a tagged COSE_Sign1 with the key's identifier (release/anchor.h). -1: not a key of use, or no memory. */
int cose_sign(struct buf *to, EVP_PKEY *key, struct str payload, struct error *err);
/* "ESP256"; NULL when it is none of the four. */
const char *cose_algorithm_text(int64_t algorithm);

#endif
