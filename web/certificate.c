/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page's own certificate: EC P-256, signed by itself, with its key in one file that only this user reads. Browsers ask
 * the resident once whether to trust it; its fingerprint is in the log.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/host_port.h"
#include "base/x509_time.h"
#include "transports/tls.h"
#include "web/internal.h"

enum {
    LIFE_DAYS = 10 * 365,
    SERIAL_BYTES = 16,
    ALTERNATIVES_BYTES = 2048,
};

/* ---- names ---- */

/* "DNS:gateway.lan,IP:192.168.1.1": the names were checked, so no comma is in one. */
static void list_names(const char *address, const char *names, char to[ALTERNATIVES_BYTES])
{
    struct str rest = str_of(names), name;
    size_t len = (size_t)snprintf(to, ALTERNATIVES_BYTES, "DNS:homepatch.local");

    if (*address)
        len += (size_t)snprintf(to + len, ALTERNATIVES_BYTES - len, ",IP:%s", address);
    while (str_next(&rest, ',', &name) && len < ALTERNATIVES_BYTES / 2) {
        char text[WEB_NAME_BYTES];

        name = str_trim(name);
        snprintf(text, sizeof(text), "%.*s", (int)name.len, name.data);
        len += (size_t)snprintf(to + len, ALTERNATIVES_BYTES - len, ",%s:%s",
                                host_is_address(text) ? "IP" : "DNS", text);
    }
}

static bool has_name(X509 *certificate, const char *name)
{
    return host_is_address(name) ? X509_check_ip_asc(certificate, name, 0) == 1
                                 : X509_check_host(certificate, name, 0, 0, NULL) == 1;
}

static bool has_names(X509 *certificate, const char *address, const char *names)
{
    struct str rest = str_of(names), name;

    if (*address && !has_name(certificate, address))
        return false;
    while (str_next(&rest, ',', &name)) {
        char text[WEB_NAME_BYTES];

        name = str_trim(name);
        snprintf(text, sizeof(text), "%.*s", (int)name.len, name.data);
        if (!has_name(certificate, text))
            return false;
    }
    return true;
}

/* ---- making ---- */

static int extend(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    int rc;

    X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    rc = extension && X509_add_ext(certificate, extension, -1) == 1 ? 0 : -1;
    X509_EXTENSION_free(extension);
    return rc;
}

static int set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number = NULL;
    int rc = -1;

    if (RAND_bytes(bytes, sizeof(bytes)) == 1) {
        bytes[0] &= 0x7f; /* RFC 5280, 4.1.2.2: positive */
        number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    }
    if (number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)))
        rc = 0;
    BN_free(number);
    return rc;
}

/* A clock that was never set makes a certificate that is made anew once it is. */
static X509 *sign(EVP_PKEY *key, const char *alternatives, int64_t now)
{
    static const unsigned char common_name[] = "homepatch";
    X509 *certificate = X509_new();
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    int64_t from = now - 24 * 3600;

    if (!certificate)
        return NULL;
    if (X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) == 0 &&
        x509_time(X509_getm_notBefore(certificate), from) &&
        x509_time(X509_getm_notAfter(certificate), from + LIFE_DAYS * 24 * 3600) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) &&
        X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
        extend(certificate, NID_basic_constraints, "critical,CA:FALSE") == 0 &&
        extend(certificate, NID_key_usage, "critical,digitalSignature") == 0 &&
        extend(certificate, NID_ext_key_usage, "serverAuth") == 0 &&
        extend(certificate, NID_subject_alt_name, alternatives) == 0 &&
        X509_sign(certificate, key, EVP_sha256()))
        return certificate;
    X509_free(certificate);
    return NULL;
}

static int write_file(const char *file, EVP_PKEY *key, X509 *certificate, struct error *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data;
    long len;
    int rc;

    if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) &&
        PEM_write_bio_X509(bio, certificate) && (len = BIO_get_mem_data(bio, &data)) > 0)
        rc = file_replace(AT_FDCWD, file, (struct str){data, (size_t)len}, 0600, (gid_t)-1, err);
    else
        rc = error_set(err, ERROR_INTERNAL, file, "cannot write the certificate: %s", tls_last_error());
    BIO_free(bio);
    return rc;
}

static int make(const char *file, const char *address, const char *names, int64_t now, struct error *err)
{
    char alternatives[ALTERNATIVES_BYTES];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = NULL;
    int rc = -1;

    list_names(address, names, alternatives);
    if (key)
        certificate = sign(key, alternatives, now);
    if (certificate)
        rc = write_file(file, key, certificate, err);
    else
        error_set(err, ERROR_INTERNAL, file, "cannot make a certificate: %s", tls_last_error());
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- the one that is there ---- */

static X509 *read_certificate(const char *file)
{
    FILE *stream = fopen(file, "re");
    X509 *certificate = stream ? PEM_read_X509(stream, NULL, NULL, NULL) : NULL;

    if (stream)
        fclose(stream);
    ERR_clear_error();
    return certificate;
}

static bool is_dated(X509 *certificate, int64_t now)
{
    return x509_seconds(X509_get0_notBefore(certificate)) < now &&
           x509_seconds(X509_get0_notAfter(certificate)) > now;
}

int web_certificate(const char *file, const char *address, const char *names, int64_t now, struct error *err)
{
    X509 *certificate = read_certificate(file);
    bool good = certificate && is_dated(certificate, now) && has_names(certificate, address, names);

    X509_free(certificate);
    return good ? 0 : make(file, address, names, now, err);
}

int web_certificate_fingerprint(const char *file, char ret[WEB_FINGERPRINT_BYTES], struct error *err)
{
    X509 *certificate = read_certificate(file);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    size_t len = 0;

    if (!certificate || !X509_digest(certificate, EVP_sha256(), digest, &size)) {
        X509_free(certificate);
        return error_set(err, ERROR_INVALID_CONFIGURATION, file, "there is no certificate in it");
    }
    X509_free(certificate);
    for (unsigned i = 0; i < size && len + 4 < WEB_FINGERPRINT_BYTES + 1; i++)
        len += (size_t)snprintf(ret + len, WEB_FINGERPRINT_BYTES - len, "%s%02X", i ? ":" : "", digest[i]);
    return 0;
}
