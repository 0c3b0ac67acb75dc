/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/authority/csr.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "transports/tls.h"
#include "usp/endpoint_id.h"

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 4096,
};

static const char URN[] = "urn:bbf:usp:id:";

static int wrong(struct error *err, const char *what)
{
    ERR_clear_error();
    return error_set(err, ERROR_INVALID_VALUE, NULL, "%s", what);
}

/* ---- names ---- */

/* No wildcards or levels of a topic, whose access list it may get into; nothing that needs quoting. */
static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
              c == '_' || (c == '.' && i > 0)))
            return false;
    }
    return name.len > 0;
}

int csr_check_name(struct str name, bool *ret_is_endpoint, struct error *err)
{
    bool is_endpoint = name.len && memchr(name.data, ':', name.len);

    if (name.len >= CA_NAME_BYTES)
        return wrong(err, "the name has more than 64 characters");
    if (is_endpoint ? usp_endpoint_id_check(name, NULL) < 0 || memchr(name.data, '/', name.len) ||
                          memchr(name.data, '+', name.len) || memchr(name.data, '#', name.len)
                    : !is_plain(name))
        return wrong(
            err,
            "the name is neither an Endpoint ID nor made of letters, digits, hyphens, dots and underscores");
    *ret_is_endpoint = is_endpoint;
    return 0;
}

int csr_name_entry(const X509_NAME *name, int nid, char to[CA_NAME_BYTES])
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *text = NULL;
    int len = -1;

    if (at >= 0 && X509_NAME_get_index_by_NID(name, nid, at) < 0)
        len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    for (int i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] == 0x7f)
            len = -1;
    if (len > 0 && len < CA_NAME_BYTES && str_is_utf8((struct str){(char *)text, (size_t)len})) {
        memcpy(to, text, (size_t)len);
        to[len] = '\0';
    } else {
        len = -1;
    }
    OPENSSL_free(text);
    return len > 0 ? 0 : -1;
}

/* The only subjectAltName that may be asked for is the Endpoint ID (R-SEC.0a). */
static int take_alternative(const GENERAL_NAMES *names, struct str *ret, struct error *err)
{
    const GENERAL_NAME *name = sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
    const ASN1_IA5STRING *uri = name && name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;
    struct str text = uri ? (struct str){(const char *)ASN1_STRING_get0_data(uri),
                                         (size_t)ASN1_STRING_length(uri)}
                          : STR("");

    if (text.len < sizeof(URN) || strncasecmp(text.data, URN, sizeof(URN) - 1) != 0)
        return wrong(err,
                     "the request asks for a subjectAltName other than one Endpoint ID (urn:bbf:usp:id:...)");
    *ret = (struct str){text.data + sizeof(URN) - 1, text.len - sizeof(URN) + 1};
    return 0;
}

static int take_name(struct csr *csr, const GENERAL_NAMES *alternatives, struct error *err)
{
    X509_NAME *subject = X509_REQ_get_subject_name(csr->request);
    bool has_common = X509_NAME_get_index_by_NID(subject, NID_commonName, -1) >= 0;
    char common[CA_NAME_BYTES] = "";
    struct str name;

    if (has_common && csr_name_entry(subject, NID_commonName, common) < 0)
        return wrong(err, "the request's common name is no name");
    name = str_of(common);
    if (alternatives) {
        if (take_alternative(alternatives, &name, err) < 0)
            return -1;
        if (has_common && !str_is(name, common))
            return wrong(err, "the request's common name and its subjectAltName are different names");
    }
    if (csr_check_name(name, &csr->is_endpoint, err) < 0)
        return -1;
    memcpy(csr->name, name.data, name.len);
    csr->name[name.len] = '\0';
    return 0;
}

static int read_name(struct csr *csr, struct error *err)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(csr->request);
    int critical = -1;
    GENERAL_NAMES *alternatives = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
    int rc = critical == -1 || alternatives
                 ? take_name(csr, alternatives, err)
                 : wrong(err, "the request's subjectAltName is malformed, or there are several");

    GENERAL_NAMES_free(alternatives);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return rc;
}

/* ---- key and signature ---- */

static bool is_good_curve(const EVP_PKEY *key)
{
    char curve[64];
    char encoding[64];

    /* Parameters that are spelled out would have to be checked first. */
    return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, encoding, sizeof(encoding),
                                          NULL) == 1 &&
           strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) == 0 &&
           EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 &&
           (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0);
}

static bool is_good_key(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "EC"))
        return is_good_curve(key);
    return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
           EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
}

static bool is_good_digest(const X509_REQ *request)
{
    int digest = NID_undef;

    OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request), &digest, NULL);
    return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

static int check_key(struct csr *csr, struct error *err)
{
    csr->key = X509_REQ_get0_pubkey(csr->request);
    if (!csr->key || !is_good_key(csr->key))
        return wrong(err, "the key is none of EC P-256, EC P-384 and RSA of 2048 to 4096 bits");
    if (!is_good_digest(csr->request))
        return wrong(err, "the request is not signed with SHA-256, SHA-384 or SHA-512");
    if (X509_REQ_verify(csr->request, csr->key) != 1) /* RFC 7030, 3.4 */
        return wrong(err, "the request is not signed with its own key");
    return 0;
}

/* ---- the body ---- */

static int decode(struct str body, unsigned char *to, int *ret_len)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int len = 0;
    int rest = 0;
    int rc = -1;

    if (ctx) {
        EVP_DecodeInit(ctx);
        rc = EVP_DecodeUpdate(ctx, to, &len, (const unsigned char *)body.data, (int)body.len);
        if (rc >= 0)
            rc = EVP_DecodeFinal(ctx, to + len, &rest);
    }
    EVP_ENCODE_CTX_free(ctx);
    *ret_len = len + rest;
    return rc < 0 ? -1 : 0;
}

static X509_REQ *parse(struct str body)
{
    unsigned char *der = body.len && body.len <= LIMIT_CSR_BYTES ? malloc(body.len) : NULL;
    const unsigned char *at = der;
    X509_REQ *request = NULL;
    int len;

    if (der && decode(body, der, &len) == 0)
        request = d2i_X509_REQ(NULL, &at, len);
    if (request && at != der + len) {
        X509_REQ_free(request);
        request = NULL;
    }
    free(der);
    return request;
}

int csr_read(struct str body, struct csr *ret, struct error *err)
{
    struct csr csr = {.request = parse(body)};

    if (!csr.request)
        return wrong(err, "the body is not a PKCS #10 request in base64");
    if (check_key(&csr, err) < 0 || read_name(&csr, err) < 0) {
        csr_done(&csr);
        return -1;
    }
    *ret = csr;
    return 0;
}

void csr_done(struct csr *csr)
{
    X509_REQ_free(csr->request);
    csr->request = NULL;
}
