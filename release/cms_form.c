/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/cms_form.h"

#include <openssl/asn1.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    CERTIFICATES = 16,
    VERSION_ISSUER = 1, /* RFC 5652, 5.1 and 5.3: signers are named by issuer and serial number */
    VERSION_KEY = 3,    /* one of them by its key identifier */
};

static int refuse(struct error *err, const char *what)
{
    return release_refuse(err, RELEASE_CBOR_PARSE, "its signature %s", what);
}

/* ---- DER, as far as OpenSSL gives no access ---- */

struct der {
    const unsigned char *at;
    const unsigned char *end;
};

/* The tag of the next element, with its class, and what is in it; -1: there is none. */
static int next(struct der *from, struct der *ret)
{
    const unsigned char *at = from->at;
    int tag, class;
    long len;

    if (from->at >= from->end || ASN1_get_object(&at, &len, &tag, &class, from->end - from->at) & 0x81)
        return -1;
    *ret = (struct der){at, at + len};
    from->at = at + len;
    return class | tag;
}

static bool enter(struct der *from, int tag, struct der *ret)
{
    return next(from, ret) == tag;
}

static struct str content_of(struct der element)
{
    return (struct str){(const char *)element.at, (size_t)(element.end - element.at)};
}

/* An INTEGER of one byte; -1. */
static int small(struct der *from)
{
    struct der value;

    return next(from, &value) == V_ASN1_INTEGER && value.end - value.at == 1 ? *value.at : -1;
}

/* RFC 5652, 5.1: those that the signers use, as they write them, and no other. */
static bool is_used(CMS_ContentInfo *cms, struct str algorithm)
{
    STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
    bool used = false;

    for (int i = 0; i < sk_CMS_SignerInfo_num(signers) && !used; i++) {
        unsigned char *der = NULL;
        X509_ALGOR *digest;
        int len;

        CMS_SignerInfo_get0_algs(sk_CMS_SignerInfo_value(signers, i), NULL, NULL, &digest, NULL);
        len = i2d_X509_ALGOR(digest, &der);
        used = len > 0 && str_equal((struct str){(const char *)der, (size_t)len}, algorithm);
        OPENSSL_free(der);
    }
    return used;
}

static bool are_used(CMS_ContentInfo *cms, struct der all)
{
    struct str before = {"", 0};
    struct der one;

    while (all.at < all.end) {
        struct str algorithm = {(const char *)all.at, 0};

        if (next(&all, &one) < 0)
            return false;
        algorithm.len = (size_t)((const char *)all.at - algorithm.data);
        /* In DER those that are the same are neighbours. */
        if (str_equal(algorithm, before) || !is_used(cms, algorithm))
            return false;
        before = algorithm;
    }
    return true;
}

/* Each signer is there once, and its version is that of how it is named; the highest of them, or -1. */
static int version_of_signers(struct der signers)
{
    struct der signer, name;
    struct str before = {"", 0};
    int highest = VERSION_ISSUER;

    while (signers.at < signers.end) {
        int version, expected;

        if (!enter(&signers, V_ASN1_SEQUENCE, &signer) || str_equal(content_of(signer), before))
            return -1;
        before = content_of(signer);
        version = small(&signer);
        expected = next(&signer, &name) == V_ASN1_SEQUENCE ? VERSION_ISSUER : VERSION_KEY;
        if (version != expected)
            return -1;
        if (version > highest)
            highest = version;
    }
    return highest;
}

/* RFC 5652, 5.1: version, digestAlgorithms, encapContentInfo, [0] certificates, signerInfos; no [1] crls. */
static int check_members(CMS_ContentInfo *cms, struct str bytes, struct error *err)
{
    struct der all = {(const unsigned char *)bytes.data, (const unsigned char *)bytes.data + bytes.len};
    struct der info, tagged, data, type, algorithms, content, part;
    int version, tag;

    if (!enter(&all, V_ASN1_SEQUENCE, &info) || !enter(&info, V_ASN1_OBJECT, &type) ||
        !enter(&info, V_ASN1_CONTEXT_SPECIFIC | 0, &tagged) || !enter(&tagged, V_ASN1_SEQUENCE, &data))
        return refuse(err, "is no SignedData");
    version = small(&data);
    if (!enter(&data, V_ASN1_SET, &algorithms) || !enter(&data, V_ASN1_SEQUENCE, &content))
        return refuse(err, "is no SignedData");
    if (!are_used(cms, algorithms))
        return refuse(err, "names digests that no signer uses");
    tag = next(&data, &part);
    if (tag == (V_ASN1_CONTEXT_SPECIFIC | 0))
        tag = next(&data, &part);
    if (tag != V_ASN1_SET)
        return refuse(err, "carries revocation lists: leave them out");
    if (version < 0 || version_of_signers(part) != version)
        return refuse(err, "has a wrong version number, or the same signer twice");
    return 0;
}

/* ---- signers ---- */

static int nid_of(const X509_ALGOR *algorithm, int *ret_type)
{
    const ASN1_OBJECT *object;
    const void *value;

    X509_ALGOR_get0(&object, ret_type, &value, algorithm);
    return OBJ_obj2nid(object);
}

/*
 * RFC 5754: ecdsa-with-SHA256 has no parameters and goes with SHA-256; those of RSA have NULL, and rsaEncryption names no
 * digest. What PSS says of itself is what it is verified with. A digest has NULL or nothing.
 */
static bool belong_together(const X509_ALGOR *signature, const X509_ALGOR *digest)
{
    int type, digest_type, of_signature, of_key;
    int nid = nid_of(signature, &type), digest_nid = nid_of(digest, &digest_type);

    if (digest_type != V_ASN1_UNDEF && digest_type != V_ASN1_NULL)
        return false;
    if (nid == NID_rsassaPss)
        return true;
    if (nid == NID_rsaEncryption)
        return type == V_ASN1_NULL;
    return OBJ_find_sigid_algs(nid, &of_signature, &of_key) == 1 && of_signature == digest_nid &&
           type == (of_key == NID_rsaEncryption ? V_ASN1_NULL : V_ASN1_UNDEF);
}

static int check_signers(CMS_ContentInfo *cms, struct error *err)
{
    STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);

    for (int i = 0; i < sk_CMS_SignerInfo_num(signers); i++) {
        CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(signers, i);
        X509_ALGOR *digest, *signature;

        CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, &signature);
        if (!belong_together(signature, digest))
            return refuse(err, "names an algorithm that is not the one it was made with");
        if (CMS_unsigned_get_attr_count(signer) > 0)
            return refuse(err, "has attributes that are not signed: leave them out");
    }
    return 0;
}

bool cms_names_signer(CMS_SignerInfo *signer, X509 *certificate)
{
    const unsigned char *named, *own;
    ASN1_OCTET_STRING *key_id = NULL;
    X509_NAME *issuer = NULL;
    size_t named_len, own_len;

    if (CMS_SignerInfo_get0_signer_id(signer, &key_id, &issuer, NULL) != 1)
        return false;
    if (!issuer)
        return true; /* by its key identifier, which was compared as bytes */
    return X509_NAME_get0_der(issuer, &named, &named_len) == 1 &&
           X509_NAME_get0_der(X509_get_issuer_name(certificate), &own, &own_len) == 1 &&
           named_len == own_len && memcmp(named, own, own_len) == 0;
}

int cms_check_form(CMS_ContentInfo *cms, struct str der, struct error *err)
{
    unsigned char *again = NULL;
    int len = i2d_CMS_ContentInfo(cms, &again);
    bool same = len > 0 && str_equal((struct str){(const char *)again, (size_t)len}, der);

    OPENSSL_free(again);
    if (len <= 0)
        return release_refuse(err, RELEASE_OPERATION_FAILED, "no memory to verify its signature");
    if (!same)
        return refuse(err, "is not DER: sign without streaming, as openssl cms -outform DER does");
    if (OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
        return refuse(err, "is over another type of content than data");
    if (check_signers(cms, err) < 0)
        return -1;
    return check_members(cms, der, err);
}

/* ---- certificates ---- */

static bool holds(STACK_OF(X509) * all, X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_cmp(sk_X509_value(all, i), certificate) == 0)
            return true;
    return false;
}

static bool has_issuer(STACK_OF(X509) * all, X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_check_issued(sk_X509_value(all, i), certificate) == X509_V_OK)
            return true;
    return false;
}

static bool is_next(STACK_OF(X509) * used, X509 *certificate)
{
    if ((X509_get_extension_flags(certificate) & EXFLAG_SI) && X509_self_signed(certificate, 1) != 1)
        return false;
    for (int i = 0; i < sk_X509_num(used); i++) {
        X509 *issued = sk_X509_value(used, i);

        if (!has_issuer(used, issued) && X509_check_issued(certificate, issued) == X509_V_OK &&
            X509_verify(issued, X509_get0_pubkey(certificate)) == 1)
            return true;
    }
    return false;
}

int cms_check_certificates(STACK_OF(X509) * came, STACK_OF(X509) * used, struct error *err)
{
    int number = sk_X509_num(came);

    if (number > CERTIFICATES)
        return refuse(err, "has more than 16 certificates");
    for (int i = 0; i < number; i++)
        for (int other = 0; other < i; other++)
            if (X509_cmp(sk_X509_value(came, i), sk_X509_value(came, other)) == 0)
                return refuse(err, "has the same certificate twice");
    /* Up from those in use, one step in each round. */
    for (int round = 0; round < number; round++)
        for (int i = 0; i < number; i++) {
            X509 *certificate = sk_X509_value(came, i);

            if (!holds(used, certificate) && is_next(used, certificate) &&
                X509_add_cert(used, certificate, X509_ADD_FLAG_UP_REF) != 1)
                return release_refuse(err, RELEASE_OPERATION_FAILED, "no memory to verify its signature");
        }
    for (int i = 0; i < number; i++)
        if (!holds(used, sk_X509_value(came, i)))
            return release_refuse(err, RELEASE_UNAUTHORISED,
                                  "a certificate came with it that has no part in it, or was changed");
    return 0;
}
