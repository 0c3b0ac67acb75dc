/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A certificate signing request (PKCS #10) as it comes from the LAN: read, its proof of possession checked, and reduced to
 * what may be asked for: a name and a key. Whatever else it wants is not granted, or refused where it is another name.
 */
#ifndef DEVICES_AUTHORITY_CSR_H
#define DEVICES_AUTHORITY_CSR_H

#include <openssl/x509.h>

#include "base/error.h"
#include "base/str.h"
#include "devices/authority/ca.h"

struct csr {
    char name[CA_NAME_BYTES]; /* an Endpoint ID, or a plain name of a client of the broker */
    bool is_endpoint;
    X509_REQ *request;
    EVP_PKEY *key; /* the request's */
};

/* body: base64 of DER (RFC 8951, 2.1), blanks and line ends in it or not. -1: err says what is wrong with it. */
int csr_read(struct str body, struct csr *ret, struct error *err);
void csr_done(struct csr *csr);

/* A name that a certificate may have: 0, or -1 and err. */
int csr_check_name(struct str name, bool *ret_is_endpoint, struct error *err);
/* The one entry of the name, free of control characters. -1: there is none, more than one, or it is too long. */
int csr_name_entry(const X509_NAME *name, int nid, char to[CA_NAME_BYTES]);

#endif
