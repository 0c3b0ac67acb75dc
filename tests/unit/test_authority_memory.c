/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device authority when memory runs out, OpenSSL's included: a start, an enrolment and a revocation, each time with
 * another allocation failing. Nothing crashes or leaks, whoever is told that he has a certificate is in the register, and
 * what was revoked stays so.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "tests/unit/authority_bench.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/pki.h"

enum {
    ROUNDS_MAX = 20000,
};

/* Each of the first, then fewer: OpenSSL allocates thousands of times, and each round syncs files. */
static unsigned long next(unsigned long n)
{
    return n + 1 + n / 30;
}

static void fail_enrolment(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *body = authority_bench_csr(key, "os::0A0B0C-S1", NULL, NULL);
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n = next(n)) {
        struct authority_request request = {.peer = "192.168.1.2", .body = str_of(body)};
        struct authority_bench bench;
        enum authority_verdict verdict;
        char code[CODE_BYTES];
        X509 *certificate = NULL;

        authority_bench_init(&bench);
        assert_int_equal(authority_bench_open(&bench, NULL), 0);
        authority_bench_code(&bench, "os::0A0B0C-S1", code);
        request.code = str_of(code);
        failing_alloc_arm(n);
        verdict = authority_enrol(bench.authority, &request, &certificate, NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true((verdict == AUTHORITY_GRANTED) == (certificate != NULL));
        assert_true(hit || verdict == AUTHORITY_GRANTED);
        if (certificate)
            assert_non_null(authority_find(bench.authority, certificate));
        else
            assert_int_equal(authority_codes(bench.authority), 1); /* it may try again */
        X509_free(certificate);
        authority_bench_done(&bench);
    }
    assert_true(n > 20);
    free(body);
    EVP_PKEY_free(key);
}

static void fail_start(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n = next(n)) {
        struct authority_bench bench;
        char code[CODE_BYTES];

        authority_bench_init(&bench);
        failing_alloc_arm(n);
        if (authority_bench_open(&bench, NULL) == 0)
            authority_ready(bench.authority, NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        if (bench.authority) {
            authority_bench_restart(&bench);
            authority_bench_code(&bench, "", code);
        }
        authority_bench_done(&bench);
    }
    assert_true(n > 10);
}

static void fail_revocation(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n = next(n)) {
        struct authority_bench bench;
        struct authority_bench_ask ask = {.name = "os::0A0B0C-S1"};
        char code[CODE_BYTES];
        X509 *certificate;
        bool refused;

        authority_bench_init(&bench);
        assert_int_equal(authority_bench_open(&bench, NULL), 0);
        authority_bench_code(&bench, "", code);
        ask.code = code;
        assert_int_equal(authority_bench_ask(&bench, &ask, &certificate), AUTHORITY_GRANTED);
        failing_alloc_arm(n);
        authority_revoke(authority_at(bench.authority, 0), NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        refused = authority_refuses(bench.authority, certificate);
        assert_true(hit || refused);
        authority_bench_restart(&bench);
        assert_true(authority_refuses(bench.authority, certificate) == refused);
        X509_free(certificate);
        authority_bench_done(&bench);
    }
    assert_true(n > 2);
}

static void fail_reload(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *root = pki_certificate(key, "Example root", NULL, NULL, NULL, -1, 30);
    char path[BENCH_PATH_BYTES], file[BENCH_PATH_BYTES];
    struct authority_bench bench;
    unsigned long n = 1;
    FILE *to;

    (void)state;
    authority_bench_init(&bench);
    to = fopen(authority_bench_path(&bench, "root.pem", path), "w");
    assert_non_null(to);
    PEM_write_X509(to, root);
    fclose(to);
    to = fopen(authority_bench_path(&bench, "manufacturers", file), "w");
    assert_non_null(to);
    fprintf(to, "manufacturer = Example\nroot = %s\n", path);
    fclose(to);
    authority_bench_path(&bench, "manufacturers", bench.manufacturers);
    assert_int_equal(authority_bench_open(&bench, NULL), 0);
    for (bool hit = true; hit && n < ROUNDS_MAX; n = next(n)) {
        int rc;

        failing_alloc_arm(n);
        rc = authority_reload(bench.authority, NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true(hit || rc == 0);
    }
    assert_true(n > 10);
    authority_bench_done(&bench);
    X509_free(root);
    EVP_PKEY_free(key);
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *crypto_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(block, size);
}

static void crypto_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_enrolment),
        cmocka_unit_test(fail_start),
        cmocka_unit_test(fail_reload),
        cmocka_unit_test(fail_revocation),
    };

    assert_int_equal(CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free), 1);
    failing_alloc_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
