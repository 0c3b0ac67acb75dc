/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates for tests, made on the spot: an authority and what it signs, as PEM files in a folder of the test's own.
 *
 */
#ifndef TESTS_UNIT_PKI_H
#define TESTS_UNIT_PKI_H

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PKI_PATH_BYTES = 160,
    PKI_DAY_S = 86400,
};

struct pki {
    char folder[64];
    EVP_PKEY *key;
    X509 *certificate;
};

static inline void pki_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* names: a subjectAltName such as "DNS:localhost,IP:127.0.0.1"; NULL for an authority. from, to: days from now. */
static inline X509 *pki_certificate(EVP_PKEY *key, const char *common_name, const char *names, X509 *issuer,
                                    EVP_PKEY *issuer_key, int from, int to)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    static long serial = 1;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_time_adj_ex(X509_getm_notBefore(certificate), from, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(certificate), to, 0, NULL);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name);
    pki_extension(certificate, issuer ? issuer : certificate, NID_basic_constraints,
                  names ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        pki_extension(certificate, issuer, NID_subject_alt_name, names);
    assert_true(X509_sign(certificate, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
    return certificate;
}

static inline const char *pki_path(const struct pki *pki, const char *name, char to[PKI_PATH_BYTES])
{
    snprintf(to, PKI_PATH_BYTES, "%s/%s", pki->folder, name);
    return to;
}

static inline void pki_save(const struct pki *pki, const char *name, X509 *certificate, EVP_PKEY *key)
{
    char path[PKI_PATH_BYTES];
    FILE *file = fopen(pki_path(pki, name, path), "w");

    assert_non_null(file);
    if (certificate)
        PEM_write_X509(file, certificate);
    if (key)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

/* An authority with its certificate in "ca.pem" of a new folder. */
static inline void pki_init(struct pki *pki)
{
    snprintf(pki->folder, sizeof(pki->folder), "/tmp/homepatch-pki-XXXXXX");
    assert_non_null(mkdtemp(pki->folder));
    pki->key = EVP_EC_gen("P-256");
    pki->certificate = pki_certificate(pki->key, pki->folder, NULL, NULL, NULL, -1, 30);
    pki_save(pki, "ca.pem", pki->certificate, NULL);
}

/* A certificate and its key, both in the file NAME. */
static inline void pki_issue(const struct pki *pki, const char *name, const char *names, int from, int to)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = pki_certificate(key, name, names, pki->certificate, pki->key, from, to);

    pki_save(pki, name, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void pki_done(struct pki *pki)
{
    DIR *folder = opendir(pki->folder);
    struct dirent *entry;
    char path[PKI_PATH_BYTES + 256];

    while (folder && (entry = readdir(folder))) {
        snprintf(path, sizeof(path), "%s/%s", pki->folder, entry->d_name);
        unlink(path);
    }
    if (folder)
        closedir(folder);
    rmdir(pki->folder);
    X509_free(pki->certificate);
    EVP_PKEY_free(pki->key);
}

#endif
