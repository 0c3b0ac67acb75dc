/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A JSON manifest with a CMS signature beside it: no changed byte of either is taken, and no structural change of the
 * signature's DER; what makers' tools write in good faith is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "release/cms.h"
#include "tests/unit/pki.h"
#include "tests/unit/release_bench.h"

static const char manifest[] =
    "{\"homepatch-release\": 1, \"vendor\": \"maker.example\", \"model\": [\"Plus1\"], \"version\": \"1.4.4\", "
    "\"sequence\": 3, \"image\": {\"uri\": \"plus1.bin\", \"size\": 1000, \"sha256\": "
    "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}}";

/* A root, an authority below it, and who signs below that; another who signs. */
struct fixture {
    EVP_PKEY *keys[4];
    X509 *root, *authority, *leaf, *other;
    struct anchors *anchors;
    struct release_request request;
    struct buf signature;
};

static X509 *signs_code(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *certificate = pki_certificate(key, name, issuer ? "DNS:releases" : NULL, issuer, issuer_key, -1,
                                        365);

    pki_extension(certificate, issuer ? issuer : certificate, NID_key_usage, "critical,digitalSignature");
    pki_extension(certificate, issuer ? issuer : certificate, NID_ext_key_usage, "codeSigning");
    assert_true(X509_sign(certificate, issuer ? issuer_key : key, EVP_sha256()) > 0);
    return certificate;
}

static X509 *authority(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    return pki_certificate(key, name, NULL, issuer, issuer_key, -1, 365);
}

static void trust(struct fixture *fixture, X509 *certificate, enum release_roles role)
{
    struct anchor anchor = {.name = "anchor", .role = role};
    BIO *bio = BIO_new(BIO_s_mem());
    struct error err;
    char *pem;
    long len;

    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    len = BIO_get_mem_data(bio, &pem);
    if (anchors_add(fixture->anchors, &anchor, (struct str){pem, (size_t)len}, &err) < 0)
        fail_msg("%s", err.message);
    BIO_free(bio);
}

static int setup(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    for (unsigned i = 0; i < 4; i++)
        fixture.keys[i] = EVP_EC_gen("P-256");
    fixture.root = authority(fixture.keys[0], "Root", NULL, NULL);
    fixture.authority = authority(fixture.keys[1], "Authority", fixture.root, fixture.keys[0]);
    fixture.leaf = signs_code(fixture.keys[2], "Releases", fixture.authority, fixture.keys[1]);
    fixture.other = signs_code(fixture.keys[3], "Operator", NULL, NULL);
    fixture.anchors = anchors_new();
    fixture.request = (struct release_request){
        .bytes = str_of(manifest), .anchors = fixture.anchors, .now = time(NULL)};
    buf_init(&fixture.signature, CMS_SIGNATURE_BYTES, 0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 4; i++)
        EVP_PKEY_free(fixture->keys[i]);
    X509_free(fixture->root);
    X509_free(fixture->authority);
    X509_free(fixture->leaf);
    X509_free(fixture->other);
    anchors_unref(fixture->anchors);
    buf_done(&fixture->signature);
    return 0;
}

static void sign_with(struct fixture *fixture, X509 *certificate, EVP_PKEY *key)
{
    struct buf before = fixture->signature;
    struct error err;

    buf_init(&fixture->signature, CMS_SIGNATURE_BYTES, 0);
    if (cms_make(&fixture->signature, str_of(manifest),
                 (struct str){(const char *)buf_data(&before), before.len}, key, certificate, &err) < 0)
        fail_msg("%s", err.message);
    buf_done(&before);
}

/* With what its maker's tool may add: certificates, or something that is not signed. */
static void sign_by_hand(struct fixture *fixture, X509 *const *more, unsigned flags, bool unsigned_attribute,
                         bool list)
{
    BIO *content = BIO_new_mem_buf(manifest, (int)strlen(manifest));
    STACK_OF(X509) *certificates = sk_X509_new_null();
    CMS_ContentInfo *cms;
    unsigned char *der = NULL;
    int len;

    for (; *more; more++)
        sk_X509_push(certificates, *more);
    cms = CMS_sign(fixture->leaf, fixture->keys[2], certificates, content, CMS_BINARY | CMS_DETACHED | flags);
    assert_non_null(cms);
    if (unsigned_attribute)
        assert_int_equal(CMS_unsigned_add1_attr_by_NID(sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0),
                                                       NID_pkcs9_unstructuredName, V_ASN1_UTF8STRING, "x", 1),
                         1);
    if (list) {
        X509_CRL *crl = X509_CRL_new();

        X509_CRL_set_issuer_name(crl, X509_get_subject_name(fixture->authority));
        X509_CRL_set1_lastUpdate(crl, X509_get0_notBefore(fixture->authority));
        X509_CRL_sign(crl, fixture->keys[1], EVP_sha256());
        assert_int_equal(CMS_add0_crl(cms, crl), 1);
    }
    len = i2d_CMS_ContentInfo(cms, &der);
    assert_true(len > 0);
    buf_append(&fixture->signature, der, (size_t)len);
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    sk_X509_free(certificates);
    BIO_free(content);
}

static int opens(struct fixture *fixture, struct str signature, struct error *err)
{
    struct release release;

    fixture->request.signature = signature;
    error_clear(err);
    return release_open(&fixture->request, &release, err);
}

static struct str signature_of(const struct fixture *fixture)
{
    return (struct str){(const char *)buf_data(&fixture->signature), fixture->signature.len};
}

static void must_open(struct fixture *fixture)
{
    struct error err;

    if (opens(fixture, signature_of(fixture), &err) < 0)
        fail_msg("%s", err.message);
}

static void must_refuse(struct fixture *fixture, const char *words)
{
    struct error err;

    assert_int_equal(opens(fixture, signature_of(fixture), &err), -1);
    if (!strstr(err.message, words))
        fail_msg("%s", err.message);
}

/* ---- bytes ---- */

static void change_each_byte(struct fixture *fixture)
{
    struct str good = signature_of(fixture);
    char *copy = malloc(good.len + 1);
    struct error err;

    assert_non_null(copy);
    memcpy(copy, good.data, good.len);
    copy[good.len] = 0;
    for (size_t at = 0; at < good.len; at++) {
        for (unsigned change = 1; change < 256; change <<= 1) {
            copy[at] = (char)(good.data[at] ^ (char)change);
            if (opens(fixture, (struct str){copy, good.len}, &err) == 0)
                fail_msg("a change at %zu was taken", at);
        }
        copy[at] = good.data[at];
    }
    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(opens(fixture, (struct str){copy, len}, &err), -1);
    assert_int_equal(opens(fixture, (struct str){copy, good.len + 1}, &err), -1);
    free(copy);
}

static void test_no_byte_is_changed(void **state)
{
    struct fixture *fixture = *state;

    trust(fixture, fixture->authority, RELEASE_MANUFACTURER);
    sign_with(fixture, fixture->leaf, fixture->keys[2]);
    must_open(fixture);
    change_each_byte(fixture);
    fixture->request.signature = signature_of(fixture);
    release_mutate(&fixture->request, str_of(manifest));
}

/* The anchor itself signs: then OpenSSL uses the anchor's copy of it, and looks at the one that came no further. */
static void test_signed_by_the_anchor(void **state)
{
    struct fixture *fixture = *state;

    trust(fixture, fixture->other, RELEASE_OPERATOR);
    sign_with(fixture, fixture->other, fixture->keys[3]);
    must_open(fixture);
    change_each_byte(fixture);
}

/* ---- DER ---- */

enum der_edit {
    DER_LEFT_OUT,
    DER_DOUBLED,
    DER_EXCHANGED,
    DER_WRAPPED,
    DER_EMPTIED,
    DER_TRAILING,
    DER_LONG_LENGTH,
    DER_INDEFINITE,
    DER_EDITS,
};

struct der_change {
    const unsigned char *at; /* of the element that is changed */
    enum der_edit edit;
    bool done;
};

static void put_element(struct buf *to, unsigned char tag, struct str content, bool longer)
{
    unsigned char head[6] = {tag, 0x83, (unsigned char)(content.len >> 16), (unsigned char)(content.len >> 8),
                             (unsigned char)content.len};

    if (longer) {
        buf_append(to, head, 5);
    } else if (content.len < 128) {
        head[1] = (unsigned char)content.len;
        buf_append(to, head, 2);
    } else if (content.len < 256) {
        head[1] = 0x81;
        head[2] = (unsigned char)content.len;
        buf_append(to, head, 3);
    } else {
        head[1] = 0x82;
        memmove(head + 2, head + 3, 2);
        buf_append(to, head, 4);
    }
    buf_append(to, content.data, content.len);
}

static const unsigned char *put_one(struct buf *to, const unsigned char *at, const unsigned char *end,
                                    struct der_change *change);

/* The elements between at and end. */
static void put_all(struct buf *to, const unsigned char *at, const unsigned char *end,
                    struct der_change *change)
{
    while (at < end) {
        bool here = change->at == at && change->edit <= DER_EXCHANGED;
        size_t before = to->len;
        const unsigned char *next = put_one(to, at, end, change);

        if (here && (change->edit != DER_EXCHANGED || next < end))
            change->done = true;
        if (here && change->edit == DER_LEFT_OUT)
            to->len = before;
        if (here && change->edit == DER_DOUBLED)
            put_one(to, at, end, change);
        if (here && change->edit == DER_EXCHANGED && next < end) {
            to->len = before;
            next = put_one(to, next, end, change);
            put_one(to, at, end, change);
        }
        at = next;
    }
}

static const unsigned char *put_one(struct buf *to, const unsigned char *at, const unsigned char *end,
                                    struct der_change *change)
{
    bool here = change->at == at;
    const unsigned char *content = at;
    struct buf inner;
    struct str all;
    int tag, class, kind;
    long len;

    kind = ASN1_get_object(&content, &len, &tag, &class, end - at);
    assert_int_equal(kind & 0x81, 0);
    buf_init(&inner, CMS_SIGNATURE_BYTES, 0);
    if (here && change->edit == DER_EMPTIED && len)
        change->done = true;
    else if (kind & V_ASN1_CONSTRUCTED)
        put_all(&inner, content, content + len, change);
    else
        buf_append(&inner, content, (size_t)len);
    if (here && change->edit == DER_TRAILING && (kind & V_ASN1_CONSTRUCTED)) {
        buf_append(&inner, "\5\0", 2);
        change->done = true;
    }
    all = (struct str){(const char *)buf_data(&inner), inner.len};
    if (here && change->edit == DER_INDEFINITE && (kind & V_ASN1_CONSTRUCTED)) {
        buf_append(to, (const unsigned char[]){*at, 0x80}, 2);
        buf_append(to, all.data, all.len);
        buf_append(to, "\0\0", 2);
        change->done = true;
    } else if (here && change->edit == DER_WRAPPED) {
        struct buf wrapped;

        buf_init(&wrapped, CMS_SIGNATURE_BYTES, 0);
        put_element(&wrapped, *at, all, false);
        put_element(to, 0x30, (struct str){(const char *)buf_data(&wrapped), wrapped.len}, false);
        buf_done(&wrapped);
        change->done = true;
    } else {
        put_element(to, *at, all, here && change->edit == DER_LONG_LENGTH);
        change->done = change->done || (here && change->edit == DER_LONG_LENGTH);
    }
    buf_done(&inner);
    return content + len;
}

static unsigned change_each_element(struct fixture *fixture, const unsigned char *at,
                                    const unsigned char *end)
{
    const struct str good = signature_of(fixture);
    const unsigned char *start = (const unsigned char *)good.data;
    unsigned count = 0;

    while (at < end) {
        const unsigned char *content = at;
        int tag, class, kind;
        long len;

        kind = ASN1_get_object(&content, &len, &tag, &class, end - at);
        assert_int_equal(kind & 0x81, 0);
        for (int edit = 0; edit < DER_EDITS; edit++) {
            struct der_change change = {.at = at, .edit = (enum der_edit)edit};
            struct str changed;
            struct error err;
            struct buf buf;

            buf_init(&buf, CMS_SIGNATURE_BYTES, 0);
            put_all(&buf, start, start + good.len, &change);
            changed = (struct str){(const char *)buf_data(&buf), buf.len};
            if (change.done && !str_equal(changed, good)) {
                count++;
                if (opens(fixture, changed, &err) == 0)
                    fail_msg("edit %d of the element at %td was taken", edit, at - start);
            }
            buf_done(&buf);
        }
        if (kind & V_ASN1_CONSTRUCTED)
            count += change_each_element(fixture, content, content + len);
        at = content + len;
    }
    return count;
}

static void test_no_element_is_changed(void **state)
{
    struct fixture *fixture = *state;
    struct der_change none = {.at = NULL};
    struct str good;
    struct buf same;
    unsigned count;

    trust(fixture, fixture->authority, RELEASE_MANUFACTURER);
    sign_with(fixture, fixture->leaf, fixture->keys[2]);
    good = signature_of(fixture);
    buf_init(&same, CMS_SIGNATURE_BYTES, 0);
    put_all(&same, (const unsigned char *)good.data, (const unsigned char *)good.data + good.len, &none);
    assert_true(str_equal((struct str){(const char *)buf_data(&same), same.len}, good));
    buf_done(&same);
    count = change_each_element(fixture, (const unsigned char *)good.data,
                                (const unsigned char *)good.data + good.len);
    assert_true(count > 400);
}

/* ---- in good faith ---- */

/* The way to the root beside it, wherever the anchor is on that way. */
static void test_with_its_chain(void **state)
{
    struct fixture *fixture = *state;

    trust(fixture, fixture->authority, RELEASE_MANUFACTURER);
    sign_by_hand(fixture, (X509 *[]){fixture->authority, fixture->root, NULL}, 0, false, false);
    must_open(fixture);
    anchors_unref(fixture->anchors);
    fixture->anchors = anchors_new();
    fixture->request.anchors = fixture->anchors;
    trust(fixture, fixture->root, RELEASE_MANUFACTURER);
    must_open(fixture);
    change_each_byte(fixture);
}

/* Version 3 of SignerInfo. The key identifier is the certificate's. */
static void test_named_by_key(void **state)
{
    struct fixture *fixture = *state;

    pki_extension(fixture->leaf, fixture->authority, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(fixture->leaf, fixture->keys[1], EVP_sha256()) > 0);
    trust(fixture, fixture->authority, RELEASE_MANUFACTURER);
    sign_by_hand(fixture, (X509 *[]){NULL}, CMS_USE_KEYID, false, false);
    must_open(fixture);
    change_each_byte(fixture);
}

static void test_two_signers(void **state)
{
    struct fixture *fixture = *state;
    struct release release;
    struct error err;

    trust(fixture, fixture->authority, RELEASE_MANUFACTURER);
    sign_with(fixture, fixture->leaf, fixture->keys[2]);
    sign_with(fixture, fixture->other, fixture->keys[3]);
    must_open(fixture); /* the other is a stranger here */
    trust(fixture, fixture->other, RELEASE_OPERATOR);
    fixture->request.signature = signature_of(fixture);
    assert_int_equal(release_open(&fixture->request, &release, &err), 0);
    assert_int_equal(release.roles, RELEASE_MANUFACTURER | RELEASE_OPERATOR);
}

static void test_what_nobody_signed(void **state)
{
    struct fixture *fixture = *state;

    trust(fixture, fixture->authority, RELEASE_MANUFACTURER);
    sign_by_hand(fixture, (X509 *[]){fixture->other, NULL}, 0, false, false);
    must_refuse(fixture, "has no part in it");
    fixture->signature.len = 0;
    sign_by_hand(fixture, (X509 *[]){NULL}, 0, true, false);
    must_refuse(fixture, "attributes that are not signed");
    fixture->signature.len = 0;
    sign_by_hand(fixture, (X509 *[]){NULL}, 0, false, true);
    must_refuse(fixture, "revocation lists");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_byte_is_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signed_by_the_anchor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_element_is_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_its_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_named_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_signers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_nobody_signed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
