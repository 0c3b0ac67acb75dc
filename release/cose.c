/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/cose.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <string.h>

#include "release/anchor.h"
#include "release/cbor.h"

enum {
    HEADER_ALGORITHM = 1,
    HEADER_KEY_ID = 4,
    MAC0_TAG = 17,
    MAC_TAG = 97,
    SIGN_TAG = 98,
    STRUCTURE_BYTES = 64 << 10,
    DER_BYTES = 80, /* of an ECDSA-Sig-Value over P-256 */
    HALF = COSE_SIGNATURE_BYTES / 2,
};

const char *cose_algorithm_text(int64_t algorithm)
{
    switch (algorithm) {
    case COSE_ES256:
        return "ES256";
    case COSE_EDDSA:
        return "EdDSA";
    case COSE_ESP256:
        return "ESP256";
    case COSE_ED25519:
        return "Ed25519";
    default:
        return NULL;
    }
}

static bool is_ecdsa(int64_t algorithm)
{
    return algorithm == COSE_ES256 || algorithm == COSE_ESP256;
}

/* ---- reading ---- */

static void read_headers(struct cbor *map, bool is_protected, struct cose_sign1 *ret)
{
    for (size_t pairs = cbor_map(map); pairs; pairs--) {
        int64_t key = cbor_int(map);

        if (key == HEADER_ALGORITHM && is_protected)
            ret->algorithm = cbor_int(map);
        else if (key == HEADER_KEY_ID && !ret->key_id.len)
            ret->key_id = cbor_bytes(map);
        else
            cbor_fail(map, "it has a COSE header that is not known here");
        if (map->why)
            return;
    }
}

static int check_tag(uint64_t tag, struct error *err)
{
    if (tag == COSE_SIGN1_TAG)
        return 0;
    return release_refuse(err, RELEASE_COSE_UNSUPPORTED, "its authentication is %s; sign it as COSE_Sign1",
                          tag == MAC0_TAG   ? "COSE_Mac0, a shared secret"
                          : tag == MAC_TAG  ? "COSE_Mac, a shared secret"
                          : tag == SIGN_TAG ? "COSE_Sign"
                                            : "of an unknown kind");
}

int cose_read(struct str block, struct cose_sign1 *ret, struct error *err)
{
    struct cbor cbor, headers;

    *ret = (struct cose_sign1){.signature = {"", 0}};
    if (cbor_open(&cbor, block) < 0)
        return release_refuse(err, RELEASE_CBOR_PARSE, "an authentication block is no CBOR: %s", cbor.why);
    if (check_tag(cbor_peek(&cbor) == CBOR_TAG ? cbor_tag(&cbor) : 0, err) < 0)
        return -1;
    if (cbor_array(&cbor) != 4)
        cbor_fail(&cbor, "COSE_Sign1 has four members");
    ret->headers = cbor_bytes(&cbor);
    if (cbor.why || cbor_open(&headers, ret->headers) < 0)
        return release_refuse(err, RELEASE_CBOR_PARSE, "an authentication block is no COSE_Sign1");
    read_headers(&headers, true, ret);
    read_headers(&cbor, false, ret);
    cbor_null(&cbor); /* the payload is beside it */
    ret->signature = cbor_bytes(&cbor);
    if (cbor_end(&headers) < 0 || cbor_end(&cbor) < 0)
        return release_refuse(err, RELEASE_COSE_UNSUPPORTED, "an authentication block: %s",
                              headers.why ? headers.why : cbor.why);
    if (!cose_algorithm_text(ret->algorithm))
        return release_refuse(
            err, RELEASE_ALGORITHM_UNSUPPORTED,
            "it is signed by COSE algorithm %lld; ES256, ESP256, EdDSA and Ed25519 are taken",
            (long long)ret->algorithm);
    if (ret->signature.len != COSE_SIGNATURE_BYTES || ret->key_id.len > COSE_KEY_ID_BYTES)
        return release_refuse(err, RELEASE_COSE_UNSUPPORTED,
                              "a signature or key id has not the right length");
    return 0;
}

/* ---- signatures ---- */

/* RFC 9052, 4.4: what is signed. */
static int put_structure(struct buf *buf, struct str headers, struct str payload)
{
    buf_init(buf, STRUCTURE_BYTES, 0);
    cbor_put_array(buf, 4);
    cbor_put_text(buf, STR("Signature1"));
    cbor_put_bytes(buf, headers);
    cbor_put_bytes(buf, STR(""));
    cbor_put_bytes(buf, payload);
    if (!buf->failed)
        return 0;
    buf_done(buf);
    return -1;
}

/* r and s side by side (RFC 9053, 2.1) into the DER that OpenSSL takes; its length, or -1. */
static int der_of(struct str raw, uint8_t to[DER_BYTES])
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    const uint8_t *bytes = (const uint8_t *)raw.data;
    BIGNUM *r = BN_bin2bn(bytes, HALF, NULL);
    BIGNUM *s = BN_bin2bn(bytes + HALF, HALF, NULL);
    int len = -1;

    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* sig has them */
        len = i2d_ECDSA_SIG(sig, NULL);
        len = len > 0 && len <= DER_BYTES ? i2d_ECDSA_SIG(sig, &to) : -1;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len;
}

static bool fits(EVP_PKEY *key, int64_t algorithm)
{
    return anchor_is_cose_key(key) && EVP_PKEY_is_a(key, "EC") == is_ecdsa(algorithm);
}

int cose_verify(const struct cose_sign1 *sign1, EVP_PKEY *key, struct str payload)
{
    const EVP_MD *md = is_ecdsa(sign1->algorithm) ? EVP_sha256() : NULL;
    uint8_t der[DER_BYTES];
    const uint8_t *signature = (const uint8_t *)sign1->signature.data;
    int len = COSE_SIGNATURE_BYTES;
    EVP_MD_CTX *ctx;
    struct buf buf;
    int result = -1;

    if (!fits(key, sign1->algorithm))
        return 0;
    if (md) {
        len = der_of(sign1->signature, der);
        signature = der;
    }
    ctx = EVP_MD_CTX_new();
    if (len > 0 && ctx && put_structure(&buf, sign1->headers, payload) == 0) {
        if (EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1)
            result = EVP_DigestVerify(ctx, signature, (size_t)len, buf_data(&buf), buf.len) == 1;
        buf_done(&buf);
    }
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return result;
}

static int raw_of(const uint8_t *der, size_t len, uint8_t to[COSE_SIGNATURE_BYTES])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    int rc = -1;

    if (sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, HALF) == HALF &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + HALF, HALF) == HALF)
        rc = 0;
    ECDSA_SIG_free(sig);
    return rc;
}

static int make_signature(EVP_PKEY *key, int64_t algorithm, struct str headers, struct str payload,
                          uint8_t to[COSE_SIGNATURE_BYTES])
{
    const EVP_MD *md = is_ecdsa(algorithm) ? EVP_sha256() : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t signature[DER_BYTES];
    size_t len = sizeof(signature);
    struct buf buf;
    int result = -1;

    if (ctx && put_structure(&buf, headers, payload) == 0) {
        if (EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
            EVP_DigestSign(ctx, signature, &len, buf_data(&buf), buf.len) == 1) {
            if (md)
                result = raw_of(signature, len, to);
            else if (len == COSE_SIGNATURE_BYTES)
                result = 0;
            if (!md && result == 0)
                memcpy(to, signature, len);
        }
        buf_done(&buf);
    }
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return result;
}

int cose_sign(struct buf *to, EVP_PKEY *key, struct str payload, struct error *err)
{
    int64_t algorithm = fits(key, COSE_ESP256) ? COSE_ESP256 : COSE_ED25519;
    uint8_t signature[COSE_SIGNATURE_BYTES], id[ANCHOR_ID_BYTES];
    struct buf headers;
    struct str header;
    int result = -1;

    if (!fits(key, algorithm))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "the key is neither Ed25519 nor EC P-256");
    buf_init(&headers, STRUCTURE_BYTES, 0);
    cbor_put_map(&headers, 2);
    cbor_put_uint(&headers, HEADER_ALGORITHM);
    cbor_put_int(&headers, algorithm);
    cbor_put_uint(&headers, HEADER_KEY_ID);
    if (anchor_key_id(key, id) == 0)
        cbor_put_bytes(&headers, (struct str){(const char *)id, sizeof(id)});
    else
        headers.failed = true;
    header = (struct str){(const char *)buf_data(&headers), headers.len};
    if (!headers.failed && make_signature(key, algorithm, header, payload, signature) == 0) {
        cbor_put_tag(to, COSE_SIGN1_TAG);
        cbor_put_array(to, 4);
        cbor_put_bytes(to, header);
        cbor_put_map(to, 0);
        cbor_put_null(to);
        cbor_put_bytes(to, (struct str){(const char *)signature, sizeof(signature)});
        result = to->failed ? -1 : 0;
    }
    buf_done(&headers);
    return result < 0
               ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "cannot sign: no memory, or no private key")
               : 0;
}
