/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Releases for makers who have a PKI and no COSE: a small JSON manifest with a detached CMS signature (RFC 5652) beside it.
 * docs/releases.md has the members. The signing certificate is for code signing and leads to an anchor's certificate; the
 * manifest has each member once, none that is not known, and nothing behind it.
 */
#ifndef RELEASE_CMS_H
#define RELEASE_CMS_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "release/release.h"

enum {
    CMS_MANIFEST_BYTES = 16 << 10,
    CMS_SIGNATURE_BYTES = 24 << 10,
    CMS_SIGNERS = 4,
};

/* Begins like a manifest. */
bool cms_is_manifest(struct str bytes);
int cms_open(const struct release_request *request, struct release *ret, struct error *err);
/* Which anchors have signed; a part of cms_open(). */
int cms_authenticate(const struct release_request *request, struct release *ret, struct error *err);
/* The manifest alone; a part of cms_open(). */
int cms_read(struct str bytes, const struct release_identity *identity, struct release *ret,
             struct error *err);
/* Appends a detached signature, DER. With before (DER, may be empty) its signers are kept: a co-signature. */
int cms_make(struct buf *to, struct str manifest, struct str before, EVP_PKEY *key, X509 *certificate,
             struct error *err);

#endif
