/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key of the home's device authority and what is signed with it: certificates (RFC 5280) and the list of those that
 * were revoked. Key and certificate are one file, so that there is never half of them; what others may read is written beside.
 *
 * Owned by the caller. Signing and the small files block the loop for about a millisecond.
 */
#ifndef DEVICES_AUTHORITY_CA_H
#define DEVICES_AUTHORITY_CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum {
    CA_SERIAL_BYTES = 16, /* random (RFC 5280, 4.1.2.2) */
    CA_SERIAL_TEXT = 2 * CA_SERIAL_BYTES + 1,
    CA_NAME_BYTES = 65, /* ub-common-name of RFC 5280, and its end */
};

struct ca {
    EVP_PKEY *key; /* NULL: there is none yet */
    X509 *certificate;
};

/* What a certificate says of a device. */
struct ca_subject {
    const char *name; /* common name, and as a URI when it is an Endpoint ID (R-SEC.0a) */
    /* Proven by its manufacturer; "": not. */
    const char *manufacturer;
    const char *serial_number;
    uint8_t serial[CA_SERIAL_BYTES]; /* of the certificate */
    int64_t from, to;                /* s since 1970 */
};

/* 1, 0 when there is no such file, or -1: unreadable, or readable by others. */
int ca_load(struct ca *ca, const char *file, struct error *err);
/* A new key with a certificate of its own, in the file (mode 0600). owner: whose devices. */
int ca_make(struct ca *ca, const char *file, const char *owner, int64_t from, int64_t to, struct error *err);
void ca_done(struct ca *ca);

/* NULL and err. */
X509 *ca_issue(const struct ca *ca, const struct ca_subject *subject, EVP_PKEY *key, struct error *err);
/* Whether its signature is this authority's. */
bool ca_issued(const struct ca *ca, const X509 *certificate);
int64_t ca_not_after(const struct ca *ca);
/* The serial number as the register has it; -1: it is none of ours. */
int ca_serial(const X509 *certificate, char to[CA_SERIAL_TEXT]);

/* A list that is being made: ca_list_add() for each entry, and then ca_list_write() ends it and frees it in any case. */
X509_CRL *ca_list_new(const struct ca *ca, int64_t now, uint64_t number);
int ca_list_add(X509_CRL *list, const char *serial, int64_t when, bool superseded);
int ca_list_write(const struct ca *ca, X509_CRL *list, const char *file, struct error *err);

/* The certificate for all to read. */
int ca_write_certificate(const struct ca *ca, const char *file, struct error *err);
/* Certificates as EST gives them: PKCS #7 without signers, base64. Appends to *ret. */
int ca_bundle(X509 *certificate, struct buf *ret);

#endif
