/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/authority/ca.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "base/x509_time.h"
#include "transports/tls.h"

enum {
    FILE_PATH_BYTES = 4096,
    PRIVATE_MODE = 0600,
    PUBLIC_MODE = 0644,
    VERSION_3 = 2, /* as X.509 counts */
    CRL_VERSION_2 = 1,
};

static int failed(struct error *err, const char *path, const char *what)
{
    return error_set(err, ERROR_INTERNAL, path, "%s: %s", what, tls_last_error());
}

void ca_done(struct ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->certificate);
    *ca = (struct ca){.key = NULL};
}

/* ---- files ---- */

static int replace_file(const char *file, mode_t mode, BIO *content, struct error *err)
{
    char *data;
    long len = BIO_get_mem_data(content, &data);

    return file_replace(AT_FDCWD, file, (struct str){data, (size_t)len}, mode, (gid_t)-1, err);
}

int ca_load(struct ca *ca, const char *file, struct error *err)
{
    struct stat st;
    BIO *bio;

    *ca = (struct ca){.key = NULL};
    if (stat(file, &st) < 0)
        return errno == ENOENT
                   ? 0
                   : error_set_errno(err, ERROR_INVALID_CONFIGURATION, file, errno, "cannot be read");
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                         "others may read the key of the device authority: chmod 600, or remove it and enrol "
                         "all devices anew");
    ERR_clear_error();
    bio = BIO_new_file(file, "r");
    if (bio) {
        ca->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        ca->certificate = ca->key ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
    }
    if (ca->certificate && X509_check_private_key(ca->certificate, ca->key) == 1)
        return 1;
    failed(err, file, "holds no key with its certificate");
    ca_done(ca);
    return -1;
}

/* ---- certificates ---- */

static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    int rc;

    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    rc = extension && X509_add_ext(certificate, extension, -1) == 1 ? 0 : -1;
    X509_EXTENSION_free(extension);
    return rc;
}

static int add_name(X509_NAME *name, int nid, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0) == 1
               ? 0
               : -1;
}

/* RFC 5280, 4.1.2.2: positive, and of the length that we always use, by which we know our own. */
static int set_serial(X509 *certificate, const uint8_t serial[CA_SERIAL_BYTES])
{
    BIGNUM *number = BN_bin2bn(serial, CA_SERIAL_BYTES, NULL);
    int rc = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) ? 0 : -1;

    BN_free(number);
    return rc;
}

static X509 *certificate_new(EVP_PKEY *key, const uint8_t serial[CA_SERIAL_BYTES], int64_t from, int64_t to)
{
    X509 *certificate = X509_new();

    if (certificate && X509_set_version(certificate, VERSION_3) == 1 &&
        set_serial(certificate, serial) == 0 && x509_time(X509_getm_notBefore(certificate), from) &&
        x509_time(X509_getm_notAfter(certificate), to) && X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static X509 *self_sign(EVP_PKEY *key, const char *owner, int64_t from, int64_t to)
{
    uint8_t serial[CA_SERIAL_BYTES];
    X509 *certificate = NULL;
    char name[CA_NAME_BYTES];

    snprintf(name, sizeof(name), "Devices of %.50s", owner);
    if (RAND_bytes(serial, sizeof(serial)) == 1) {
        serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
        certificate = certificate_new(key, serial, from, to);
    }
    if (certificate && add_name(X509_get_subject_name(certificate), NID_commonName, name) == 0 &&
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
        add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") == 0 &&
        add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") == 0 &&
        add_extension(certificate, certificate, NID_subject_key_identifier, "hash") == 0 &&
        X509_sign(certificate, key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

int ca_make(struct ca *ca, const char *file, const char *owner, int64_t from, int64_t to, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    struct ca fresh = {.key = EVP_EC_gen("P-256")};
    int rc = -1;

    ERR_clear_error();
    if (fresh.key)
        fresh.certificate = self_sign(fresh.key, owner, from, to);
    if (bio && fresh.certificate &&
        PEM_write_bio_PKCS8PrivateKey(bio, fresh.key, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_bio_X509(bio, fresh.certificate) == 1)
        rc = replace_file(file, PRIVATE_MODE, bio, err);
    else
        failed(err, file, "cannot make the key of the device authority");
    BIO_free(bio);
    if (rc < 0) {
        ca_done(&fresh);
        return -1;
    }
    *ca = fresh;
    return 0;
}

/* Names were checked to be free of what would be more than a name here; the alternative text form would not be. */
static int add_uri(X509 *certificate, const char *name)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
    char text[sizeof("urn:bbf:usp:id:") + CA_NAME_BYTES];
    int len = snprintf(text, sizeof(text), "urn:bbf:usp:id:%s", name);
    int rc = -1;

    if (names && one && uri && ASN1_STRING_set(uri, text, len) == 1) {
        GENERAL_NAME_set0_value(one, GEN_URI, uri);
        uri = NULL;
        if (sk_GENERAL_NAME_push(names, one) > 0) {
            one = NULL;
            rc = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1 ? 0
                                                                                                         : -1;
        }
    }
    ASN1_IA5STRING_free(uri);
    GENERAL_NAME_free(one);
    GENERAL_NAMES_free(names);
    return rc;
}

static int describe(const struct ca *ca, const struct ca_subject *subject, X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    if ((subject->manufacturer[0] && add_name(name, NID_organizationName, subject->manufacturer) < 0) ||
        (subject->serial_number[0] && add_name(name, NID_serialNumber, subject->serial_number) < 0) ||
        add_name(name, NID_commonName, subject->name) < 0 ||
        X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)) != 1)
        return -1;
    if (add_extension(certificate, ca->certificate, NID_basic_constraints, "critical,CA:FALSE") < 0 ||
        add_extension(certificate, ca->certificate, NID_key_usage, "critical,digitalSignature") < 0 ||
        add_extension(certificate, ca->certificate, NID_ext_key_usage, "clientAuth") < 0 ||
        add_extension(certificate, ca->certificate, NID_subject_key_identifier, "hash") < 0 ||
        add_extension(certificate, ca->certificate, NID_authority_key_identifier, "keyid:always") < 0)
        return -1;
    return strstr(subject->name, ":") ? add_uri(certificate, subject->name) : 0;
}

X509 *ca_issue(const struct ca *ca, const struct ca_subject *subject, EVP_PKEY *key, struct error *err)
{
    X509 *certificate = certificate_new(key, subject->serial, subject->from, subject->to);

    if (certificate && describe(ca, subject, certificate) == 0 &&
        X509_sign(certificate, ca->key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    failed(err, subject->name, "cannot make the certificate");
    return NULL;
}

bool ca_issued(const struct ca *ca, const X509 *certificate)
{
    return ca->certificate &&
           X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(ca->certificate)) == 0 &&
           X509_verify((X509 *)certificate, ca->key) == 1;
}

int64_t ca_not_after(const struct ca *ca)
{
    return x509_seconds(X509_get0_notAfter(ca->certificate));
}

int ca_serial(const X509 *certificate, char to[CA_SERIAL_TEXT])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

    if (ASN1_STRING_length(serial) != CA_SERIAL_BYTES)
        return -1;
    str_to_hex(to, ASN1_STRING_get0_data(serial), CA_SERIAL_BYTES);
    return 0;
}

/* ---- the list of those that were revoked ---- */

X509_CRL *ca_list_new(const struct ca *ca, int64_t now, uint64_t number)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *time = x509_time(NULL, now);
    ASN1_INTEGER *count = ASN1_INTEGER_new();
    bool good =
        list && time && count && X509_CRL_set_version(list, CRL_VERSION_2) == 1 &&
        X509_CRL_set_issuer_name(list, X509_get_subject_name(ca->certificate)) == 1 &&
        X509_CRL_set1_lastUpdate(list, time) == 1 && ASN1_INTEGER_set_uint64(count, number) == 1 &&
        X509_CRL_add1_ext_i2d(list, NID_crl_number, count, 0, X509V3_ADD_DEFAULT) == 1 &&
        /* A broker refuses everybody once its list is stale, also when the gateway was off for long. The file is
                 * replaced whenever something changes; there is no later word to wait for. */
        X509_CRL_set1_nextUpdate(list, X509_get0_notAfter(ca->certificate)) == 1;

    ASN1_TIME_free(time);
    ASN1_INTEGER_free(count);
    if (good)
        return list;
    X509_CRL_free(list);
    return NULL;
}

int ca_list_add(X509_CRL *list, const char *serial, int64_t when, bool superseded)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *time = x509_time(NULL, when);
    ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
    BIGNUM *number = NULL;
    ASN1_INTEGER *value = BN_hex2bn(&number, serial) ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    int rc = -1;

    if (entry && time && value && reason && X509_REVOKED_set_serialNumber(entry, value) == 1 &&
        X509_REVOKED_set_revocationDate(entry, time) == 1 &&
        (!superseded ||
         (ASN1_ENUMERATED_set(reason, CRL_REASON_SUPERSEDED) == 1 &&
          X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, X509V3_ADD_DEFAULT) == 1)) &&
        X509_CRL_add0_revoked(list, entry) == 1) {
        entry = NULL;
        rc = 0;
    }
    X509_REVOKED_free(entry);
    ASN1_TIME_free(time);
    ASN1_INTEGER_free(value);
    ASN1_ENUMERATED_free(reason);
    BN_free(number);
    return rc;
}

int ca_list_write(const struct ca *ca, X509_CRL *list, const char *file, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int rc = -1;

    if (bio && list && X509_CRL_sort(list) == 1 && X509_CRL_sign(list, ca->key, EVP_sha256()) > 0 &&
        PEM_write_bio_X509_CRL(bio, list) == 1)
        rc = replace_file(file, PUBLIC_MODE, bio, err);
    else
        failed(err, file, "cannot make the list of revoked certificates");
    BIO_free(bio);
    X509_CRL_free(list);
    return rc;
}

int ca_write_certificate(const struct ca *ca, const char *file, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int rc = bio && PEM_write_bio_X509(bio, ca->certificate) == 1
                 ? replace_file(file, PUBLIC_MODE, bio, err)
                 : failed(err, file, "cannot write the authority's certificate");

    BIO_free(bio);
    return rc;
}

/* RFC 7030, 4.1.3: a certs-only message. */
int ca_bundle(X509 *certificate, struct buf *ret)
{
    PKCS7 *bundle = PKCS7_new();
    unsigned char *der = NULL;
    uint8_t *text;
    int len = -1;
    int rc = -1;

    if (bundle && PKCS7_set_type(bundle, NID_pkcs7_signed) == 1 &&
        PKCS7_content_new(bundle, NID_pkcs7_data) == 1 && PKCS7_add_certificate(bundle, certificate) == 1 &&
        PKCS7_set_detached(bundle, 1))
        len = i2d_PKCS7(bundle, &der);
    text = len > 0 ? buf_room(ret, (size_t)len / 3 * 4 + 5) : NULL;
    if (text) {
        ret->len += (size_t)EVP_EncodeBlock(text, der, len);
        rc = 0;
    }
    OPENSSL_free(der);
    PKCS7_free(bundle);
    return rc;
}
