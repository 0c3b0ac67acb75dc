/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/cms.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "release/anchor.h"
#include "release/cms_form.h"

enum {
    AUTH_LEVEL = 2, /* OpenSSL's: 112 bits, so RSA with 2048 bits or more */
};

static BIO *bio_of(struct str bytes)
{
    return BIO_new_mem_buf(bytes.data, (int)bytes.len);
}

/* *ret_der: what PEM holds, of the same bytes in another form; malloc'ed by OpenSSL, or NULL. */
static CMS_ContentInfo *parse_pem(BIO *bio, unsigned char **ret_der, long *ret_len)
{
    const unsigned char *at;
    CMS_ContentInfo *cms;

    if (PEM_bytes_read_bio(ret_der, ret_len, NULL, PEM_STRING_CMS, bio, NULL, NULL) != 1) {
        *ret_der = NULL;
        return NULL;
    }
    at = *ret_der;
    cms = d2i_CMS_ContentInfo(NULL, &at, *ret_len);
    if (cms && at != *ret_der + *ret_len) {
        CMS_ContentInfo_free(cms);
        cms = NULL;
    }
    return cms;
}

static CMS_ContentInfo *parse_der(struct str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.data, *end = at + bytes.len;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)bytes.len);

    if (!cms || at == end)
        return cms;
    CMS_ContentInfo_free(cms); /* nothing may follow the structure */
    return NULL;
}

/* NULL and err: it is none, or not in the form that all have. */
static CMS_ContentInfo *parse(struct str signature, struct error *err)
{
    bool pem = signature.len && signature.data[0] == '-';
    unsigned char *der = NULL;
    CMS_ContentInfo *cms = NULL;
    BIO *bio = signature.len <= CMS_SIGNATURE_BYTES && pem ? bio_of(signature) : NULL;
    long len = 0;

    if (bio)
        cms = parse_pem(bio, &der, &len);
    else if (signature.len <= CMS_SIGNATURE_BYTES)
        cms = parse_der(signature);
    if (der)
        signature = (struct str){(const char *)der, (size_t)len};
    if (!cms || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed || CMS_is_detached(cms) != 1)
        release_refuse(err, RELEASE_CBOR_PARSE, "its signature is no detached CMS signature (DER or PEM)");
    else if (cms_check_form(cms, signature, err) == 0)
        goto out;
    CMS_ContentInfo_free(cms);
    cms = NULL;
out:
    OPENSSL_free(der);
    BIO_free(bio);
    return cms;
}

/* ---- who signed ---- */

/* For code, and nothing that the certificate says speaks against it. */
static bool signs_code(X509 *certificate)
{
    uint32_t flags = X509_get_extension_flags(certificate);

    return !(flags & EXFLAG_INVALID) && (flags & EXFLAG_XKUSAGE) &&
           (X509_get_extended_key_usage(certificate) & XKU_CODE_SIGN) &&
           (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE);
}

static bool takes_digest(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *object;
    int nid;

    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    nid = OBJ_obj2nid(object);
    return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

/* Adds the way there to `used`. */
static bool leads_to(X509 *certificate, STACK_OF(X509) * others, X509 *anchor, int64_t now,
                     STACK_OF(X509) * used)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool good = false;

    if (store && ctx && X509_STORE_add_cert(store, anchor) == 1 &&
        X509_STORE_CTX_init(ctx, store, certificate, others) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

        X509_VERIFY_PARAM_set_time(param, (time_t)now);
        X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        good = X509_verify_cert(ctx) == 1 &&
               X509_add_certs(used, X509_STORE_CTX_get0_chain(ctx), X509_ADD_FLAG_UP_REF) == 1;
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return good;
}

/* Of one signature file. */
struct signers {
    STACK_OF(X509) * came; /* with it */
    STACK_OF(X509) * used;
    const char *why; /* somebody signed who does not count */
};

static int take_signer(const struct release_request *request, CMS_SignerInfo *signer, struct signers *all,
                       struct release *ret, struct error *err)
{
    X509 *certificate;
    X509_ALGOR *digest;

    CMS_SignerInfo_get0_algs(signer, NULL, &certificate, &digest, NULL);
    if (!takes_digest(digest))
        return release_refuse(err, RELEASE_ALGORITHM_UNSUPPORTED,
                              "it is signed over another digest than SHA-2");
    if (certificate && !cms_names_signer(signer, certificate))
        return release_refuse(err, RELEASE_UNAUTHORISED,
                              "a signature names its signer otherwise than its certificate");
    if (certificate && X509_add_cert(all->used, certificate, X509_ADD_FLAG_UP_REF) != 1)
        return release_refuse(err, RELEASE_OPERATION_FAILED, "no memory to verify its signature");
    if (!certificate || !signs_code(certificate)) {
        all->why =
            "its certificate is not for code signing (extendedKeyUsage codeSigning, keyUsage digitalSignature)";
        return 0;
    }
    for (unsigned i = 0; i < request->anchors->count; i++) {
        const struct anchor *anchor = &request->anchors->list[i];
        const char *why;

        if (!anchor->certificate ||
            !leads_to(certificate, all->came, anchor->certificate, request->now, all->used))
            continue;
        if (anchor_counts(anchor, request->identity, request->now, &why))
            anchor_signed(anchor, ret);
        else
            all->why = why;
    }
    return 0;
}

static int take_signers(const struct release_request *request, CMS_ContentInfo *cms, struct release *ret,
                        struct error *err)
{
    STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
    struct signers all = {.came = CMS_get1_certs(cms), .used = sk_X509_new_null()};
    int result = all.used
                     ? 0
                     : release_refuse(err, RELEASE_OPERATION_FAILED, "no memory to verify its signature");

    for (int i = 0; i < sk_CMS_SignerInfo_num(signers) && result == 0; i++)
        result = take_signer(request, sk_CMS_SignerInfo_value(signers, i), &all, ret, err);
    if (result == 0 && !ret->roles)
        result = release_refuse(
            err, RELEASE_UNAUTHORISED, "%s",
            all.why ? all.why
                    : "its certificate leads to no trust anchor: add its maker's CA, or check "
                      "where it is from");
    if (result == 0)
        result = cms_check_certificates(all.came, all.used, err);
    sk_X509_pop_free(all.came, X509_free);
    sk_X509_pop_free(all.used, X509_free);
    return result;
}

int cms_authenticate(const struct release_request *request, struct release *ret, struct error *err)
{
    CMS_ContentInfo *cms = parse(request->signature, err);
    STACK_OF(X509) *known = sk_X509_new_null();
    BIO *content = bio_of(request->bytes);
    int count, result = -1;

    for (unsigned i = 0; known && i < request->anchors->count; i++)
        if (request->anchors->list[i].certificate)
            sk_X509_push(known, request->anchors->list[i].certificate);
    if (!cms) {
        /* err says why */
    } else if (!known || !content) {
        release_refuse(err, RELEASE_OPERATION_FAILED, "no memory to verify its signature");
    } else if ((count = sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms))) < 1 || count > CMS_SIGNERS) {
        release_refuse(err, RELEASE_UNAUTHORISED, "it has %d signers, and may have 1 to %d", count,
                       CMS_SIGNERS);
    } else if (CMS_verify(cms, known, NULL, content, NULL, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1) {
        release_refuse(err, RELEASE_UNAUTHORISED,
                       "a signature is not that of its manifest: it was changed, or forged");
    } else {
        result = take_signers(request, cms, ret, err);
    }
    BIO_free(content);
    sk_X509_free(known);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return result;
}

int cms_open(const struct release_request *request, struct release *ret, struct error *err)
{
    if (request->bytes.len > CMS_MANIFEST_BYTES)
        return release_refuse(err, RELEASE_CBOR_PARSE, "its manifest is longer than %d bytes",
                              CMS_MANIFEST_BYTES);
    if (cms_authenticate(request, ret, err) < 0)
        return -1;
    return cms_read(request->bytes, request->identity, ret, err);
}

/* ---- signing ---- */

int cms_make(struct buf *to, struct str manifest, struct str before, EVP_PKEY *key, X509 *certificate,
             struct error *err)
{
    unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP;
    BIO *content = bio_of(manifest);
    CMS_ContentInfo *cms = before.len ? parse(before, NULL)
                                      : CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
    unsigned char *der = NULL;
    int len = -1;

    if (cms && content &&
        CMS_add1_signer(cms, certificate, key, EVP_sha256(), flags | (before.len ? CMS_REUSE_DIGEST : 0)) &&
        (before.len || CMS_final(cms, content, NULL, flags) == 1))
        len = i2d_CMS_ContentInfo(cms, &der);
    if (len > 0)
        buf_append(to, der, (size_t)len);
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    BIO_free(content);
    ERR_clear_error();
    if (len > 0 && !to->failed)
        return 0;
    return error_set(err, ERROR_INVALID_VALUE, NULL,
                     before.len
                         ? "cannot co-sign: the signature there is no detached CMS signature over SHA-256"
                         : "cannot sign: the certificate is not that of the key");
}
