/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificate signing requests: what may be asked for, with which keys, and everything else refused. */
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/limits.h"
#include "devices/authority/csr.h"
#include "tests/unit/authority_bench.h"
#include "tests/unit/pki.h"

#define URI "URI:urn:bbf:usp:id:"

/* Reads a request for these names; the name that it was given, or "" when it was refused. */
static const char *name_of(EVP_PKEY *key, const char *name, const char *uri, const EVP_MD *digest,
                           char to[CA_NAME_BYTES])
{
    char *body = authority_bench_csr(key, name, uri, digest);
    struct error err;
    struct csr csr;

    to[0] = '\0';
    if (csr_read(str_of(body), &csr, &err) == 0) {
        str_copy(to, CA_NAME_BYTES, csr.name);
        assert_int_equal(EVP_PKEY_eq(csr.key, key), 1);
        csr_done(&csr);
    } else {
        assert_true(err.message[0]);
    }
    free(body);
    return to;
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *uri, *result;
    } cases[] = {
        {"os::0A0B0C-S1", NULL, "os::0A0B0C-S1"},
        {NULL, URI "os::0A0B0C-S1", "os::0A0B0C-S1"},
        {"os::0A0B0C-S1", URI "os::0A0B0C-S1", "os::0A0B0C-S1"},
        {"os::0A0B0C-S1", URI "os::0A0B0C-S2", ""},
        {"lamp", URI "os::0A0B0C-S1", ""},
        {"sensor-7_a.b", NULL, "sensor-7_a.b"},
        {NULL, NULL, ""},
        {"two words", NULL, ""},
        {"a/b", NULL, ""},
        {"+", NULL, ""},
        {"#", NULL, ""},
        {".hidden", NULL, ""},
        {"\xc3\xa4", NULL, ""},
        {"os::", NULL, ""},
        {"os::0A0B0C-S1/#", NULL, ""},
        {NULL, "DNS:example.com", ""},
        {NULL, "URI:https://example.com", ""},
        {NULL, URI, ""},
        {NULL, URI "os::0A0B0C-S1," URI "os::0A0B0C-S2", ""},
        {NULL, URI "os::0A0B0C-S1,DNS:gateway", ""},
    };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char name[CA_NAME_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(name_of(key, cases[i].name, cases[i].uri, NULL, name), cases[i].result);
    EVP_PKEY_free(key);
}

static void test_keys(void **state)
{
    static const struct {
        const char *curve;
        unsigned bits;
        bool good;
    } cases[] = {{"P-256", 0, true}, {"P-384", 0, true},  {"P-521", 0, false}, {"P-224", 0, false},
                 {NULL, 2048, true}, {NULL, 1024, false}, {NULL, 2047, false}};
    char name[CA_NAME_BYTES];
    EVP_PKEY *key;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        key = cases[i].curve ? EVP_EC_gen(cases[i].curve) : EVP_RSA_gen(cases[i].bits);
        name_of(key, "lamp", NULL, NULL, name);
        if ((name[0] != 0) != cases[i].good)
            fail_msg("%s %u", cases[i].curve ? cases[i].curve : "RSA", cases[i].bits);
        EVP_PKEY_free(key);
    }
    key = EVP_EC_gen("P-256");
    assert_string_equal(name_of(key, "lamp", NULL, EVP_sha1(), name), "");
    assert_string_equal(name_of(key, "lamp", NULL, EVP_sha384(), name), "lamp");
    EVP_PKEY_free(key);
}

/* Each byte of a good request changed, and the request cut everywhere: never taken for another, never a crash. */
static void test_damaged(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *body = authority_bench_csr(key, "os::0A0B0C-S1", URI "os::0A0B0C-S1", NULL);
    size_t len = strlen(body);
    struct csr csr;

    (void)state;
    for (size_t i = 0; i < len; i++) {
        char before = body[i];

        assert_int_equal(csr_read((struct str){body, i}, &csr, NULL), -1);
        body[i] = before == 'A' ? 'B' : 'A';
        if (csr_read((struct str){body, len}, &csr, NULL) == 0) { /* bits that base64 does not use */
            assert_true(i + 4 > len);
            csr_done(&csr);
        }
        body[i] = before;
    }
    EVP_PKEY_free(key);
    free(body);
}

static void test_bodies(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *body = authority_bench_csr(key, "lamp", NULL, NULL);
    char *wrapped = calloc(2, strlen(body) + 10), *large = malloc(LIMIT_CSR_BYTES + 1);
    size_t at = 0;
    int der_len;
    struct csr csr;

    (void)state;
    for (size_t i = 0; body[i]; i++) {
        wrapped[at++] = body[i];
        if (i % 64 == 63) {
            wrapped[at++] = '\r';
            wrapped[at++] = '\n';
        }
    }
    assert_int_equal(csr_read(str_of(wrapped), &csr, NULL), 0);
    csr_done(&csr);
    /* Something behind it. */
    at = strlen(body);
    der_len = EVP_DecodeBlock((unsigned char *)wrapped, (const unsigned char *)body, (int)at);
    der_len -= (body[at - 1] == '=') + (body[at - 2] == '=');
    EVP_EncodeBlock((unsigned char *)large, (unsigned char *)wrapped, der_len);
    assert_int_equal(csr_read(str_of(large), &csr, NULL), 0);
    csr_done(&csr);
    wrapped[der_len] = 0;
    EVP_EncodeBlock((unsigned char *)large, (unsigned char *)wrapped, der_len + 1);
    assert_int_equal(csr_read(str_of(large), &csr, NULL), -1);
    memset(large, 'A', LIMIT_CSR_BYTES + 1);
    assert_int_equal(csr_read((struct str){large, LIMIT_CSR_BYTES + 1}, &csr, NULL), -1);
    assert_int_equal(csr_read((struct str){large, LIMIT_CSR_BYTES}, &csr, NULL), -1);
    assert_int_equal(csr_read(STR(""), &csr, NULL), -1);
    assert_int_equal(csr_read(STR("===="), &csr, NULL), -1);
    assert_int_equal(csr_read(STR("\xff\xfe"), &csr, NULL), -1);
    free(large);
    free(wrapped);
    free(body);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
