/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trust anchors: the public keys and certificates whose signatures over a release count, as manufacturer or as operator,
 * for one vendor or for all, for a time. A set is filled once and then read only, so that a worker may use it; it is
 * counted (anchors_ref, anchors_unref: loop's thread only), and a change makes another set.
 *
 * Replacing a key: while the old and the new anchor are both there and valid, either one counts (docs/releases.md).
 */
#ifndef RELEASE_ANCHOR_H
#define RELEASE_ANCHOR_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/limits.h"
#include "release/release.h"

enum {
    ANCHOR_NAME_BYTES = 65,
    ANCHOR_ID_BYTES = 32, /* SHA-256 of the SubjectPublicKeyInfo: the key id that homepatch writes */
    ANCHOR_PEM_BYTES = 16384,
    ANCHOR_PATH_BYTES = 4096, /* of a file */
};

struct anchor {
    char name[ANCHOR_NAME_BYTES];
    char vendor[ANCHOR_NAME_BYTES]; /* only for devices of this maker; "": of any */
    enum release_roles role;
    int64_t not_before; /* s since 1970; 0: no limit */
    int64_t not_after;
    bool disabled; /* known, and does not count */
    bool revoked;  /* likewise, and no other anchor with this key counts either */
    char *file;    /* that it is from, of the set; NULL: none */
    uint8_t id[ANCHOR_ID_BYTES];
    EVP_PKEY *key;     /* EC P-256 or Ed25519; with a certificate also what CMS takes (RSA, EC) */
    X509 *certificate; /* NULL: a bare key, for envelopes only */
};

struct anchors {
    unsigned refs;
    unsigned count;
    struct anchor list[LIMIT_ANCHORS];
};

/* Empty, with one reference. NULL: no memory. */
struct anchors *anchors_new(void);
struct anchors *anchors_ref(struct anchors *anchors);
void anchors_unref(struct anchors *anchors);
/*
 * Reads a public key or a certificate (PEM, one of it) into `anchor`, whose other members the caller has set, and takes
 * it over. -1 and err: neither, not a key of use, or too many; the same key in the same role and scope twice. One that is
 * revoked takes all others with its key along.
 */
int anchors_add(struct anchors *anchors, const struct anchor *anchor, struct str pem, struct error *err);
/* All of `from` too. */
int anchors_copy(struct anchors *to, const struct anchors *from, struct error *err);
/* No anchor with this key counts any more. Before anybody else has the set. False: there is none. */
bool anchors_revoke(struct anchors *anchors, const uint8_t id[ANCHOR_ID_BYTES]);
/*
 * All files *.pem of a directory, in order of name. Lines before the PEM block say what it is for: "Role: operator"
 * (else manufacturer), "Vendor: Shelly", "Not-Before: " and "Not-After: " with a time, "Revoked: true".
 * err->path names the file that is wrong.
 */
int anchors_read_file(struct anchors *anchors, const char *path, struct error *err);
int anchors_read(struct anchors *anchors, const char *dir, struct error *err);

/* Counts now for this device. why (may be NULL): what stands against it. */
bool anchor_counts(const struct anchor *anchor, const struct release_identity *identity, int64_t now,
                   const char **ret_why);
/* Notes that this anchor has signed. */
void anchor_signed(const struct anchor *anchor, struct release *release);

/* PEM (public key, certificate) to a key; *ret_certificate NULL for a bare key. */
int anchor_parse(struct str pem, EVP_PKEY **ret_key, X509 **ret_certificate, struct error *err);
/* The opposite: appends the certificate, else the key. -1: no memory. */
int anchor_write(const struct anchor *anchor, struct buf *to);
/* EC P-256 or Ed25519: COSE signs with it here. A certificate may have another key, for CMS. */
bool anchor_is_cose_key(EVP_PKEY *key);
int anchor_key_id(EVP_PKEY *key, uint8_t ret[ANCHOR_ID_BYTES]);

#endif
