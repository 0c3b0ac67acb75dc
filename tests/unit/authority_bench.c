/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/authority_bench.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/pki.h"

enum {
    NOW = 1800000000, /* January 2027 */
};

char *authority_bench_path(const struct authority_bench *bench, const char *name, char to[BENCH_PATH_BYTES])
{
    snprintf(to, BENCH_PATH_BYTES, "%.60s/%s", bench->folder, name);
    return to;
}

static bool is_dated(void *ctx)
{
    const struct authority_bench *bench = ctx;

    return !bench->undated;
}

static const char *reserved(void *ctx, const char *name, bool unnamed_code)
{
    (void)ctx;
    if (strcmp(name, "homepatch") == 0)
        return "reserved";
    return unnamed_code && strcmp(name, "os::0A0B0C-KNOWN") == 0 ? "known" : NULL;
}

static void on_event(void *ctx, const void *data)
{
    const struct authority_event *event = data;
    struct authority_bench *bench = ctx;

    bench->events[event->type]++;
}

void authority_bench_init(struct authority_bench *bench)
{
    *bench = (struct authority_bench){.days = 100};
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/homepatch-authority-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    clock_fake(&bench->clock, NOW);
    timers_init(&bench->timers, &bench->clock);
    bench->store = store_open(":memory:", NULL, NULL);
    assert_non_null(bench->store);
}

int authority_bench_open(struct authority_bench *bench, struct error *err)
{
    char folder[BENCH_PATH_BYTES];
    struct authority_settings settings = {
        .folder = authority_bench_path(bench, "key", folder),
        .public_folder = bench->folder,
        .owner = "os::012345-GW1",
        .manufacturers_file = bench->manufacturers[0] ? bench->manufacturers : NULL,
        .certificate_days = bench->days,
        .authority_days = 1000,
    };
    struct authority_ops ops = {.dated = is_dated, .dated_ctx = bench, .reserved = reserved};

    bench->authority = authority_new(&bench->clock, &bench->timers, bench->store, &settings, &ops, err);
    if (!bench->authority)
        return -1;
    bench->observer = (struct observer){.fn = on_event, .ctx = bench};
    observer_add(authority_observers(bench->authority), &bench->observer);
    return 0;
}

void authority_bench_restart(struct authority_bench *bench)
{
    struct error err;

    authority_free(bench->authority);
    if (authority_bench_open(bench, &err) < 0)
        fail_msg("%s: %s", err.path, err.message);
}

void authority_bench_advance(struct authority_bench *bench, uint64_t seconds)
{
    clock_fake_advance(&bench->clock, seconds * 1000);
    timers_run(&bench->timers);
}

void authority_bench_done(struct authority_bench *bench)
{
    static const char *const files[] = {"key/authority.pem", "key",           "ca.pem",
                                        "crl.pem",           "manufacturers", "root.pem"};
    char path[BENCH_PATH_BYTES];

    authority_free(bench->authority);
    timers_done(&bench->timers);
    store_close(bench->store);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        remove(authority_bench_path(bench, files[i], path));
    assert_int_equal(rmdir(bench->folder), 0); /* nothing else was left behind */
}

char *authority_bench_csr(EVP_PKEY *key, const char *name, const char *uri, const EVP_MD *digest)
{
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    X509_REQ *csr = X509_REQ_new();
    unsigned char *der = NULL;
    char value[200];
    char *text;
    int len;

    X509_REQ_set_pubkey(csr, key);
    if (name)
        X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(csr), NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0);
    if (uri) {
        extensions = sk_X509_EXTENSION_new_null();
        snprintf(value, sizeof(value), "%s", uri);
        sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value));
        X509_REQ_add_extensions(csr, extensions);
    }
    assert_true(X509_REQ_sign(csr, key, digest ? digest : EVP_sha256()) > 0);
    len = i2d_X509_REQ(csr, &der);
    assert_true(len > 0);
    text = malloc((size_t)len / 3 * 4 + 5);
    EVP_EncodeBlock((unsigned char *)text, der, len);
    OPENSSL_free(der);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(csr);
    return text;
}

X509 *authority_bench_idevid(EVP_PKEY *key, X509 *root, EVP_PKEY *root_key, const char *serial)
{
    X509 *certificate = pki_certificate(key, "device", "DNS:device", root, root_key, -1, 30);

    if (serial)
        X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_serialNumber, MBSTRING_UTF8,
                                   (const unsigned char *)serial, -1, -1, 0);
    assert_true(X509_sign(certificate, root_key, EVP_sha256()) > 0);
    return certificate;
}

enum authority_verdict authority_bench_ask(struct authority_bench *bench,
                                           const struct authority_bench_ask *ask, X509 **ret)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *body = authority_bench_csr(key, ask->name, NULL, NULL);
    STACK_OF(X509) *chain = ask->certificate ? sk_X509_new_null() : NULL;
    struct authority_request request = {.peer = ask->peer ? ask->peer : "192.168.1.2",
                                        .chain = chain,
                                        .code = ask->code ? str_of(ask->code) : STR(""),
                                        .body = str_of(body),
                                        .renews = ask->renews};
    enum authority_verdict verdict;
    X509 *certificate = NULL;

    if (chain) {
        sk_X509_push(chain, ask->certificate);
        sk_X509_push(chain, ask->root ? ask->root : authority_certificate(bench->authority));
    }
    verdict = authority_enrol(bench->authority, &request, &certificate, &bench->err);
    assert_true((certificate != NULL) == (verdict == AUTHORITY_GRANTED));
    if (certificate)
        assert_int_equal(X509_check_private_key(certificate, key), 1);
    if (ret)
        *ret = certificate;
    else
        X509_free(certificate);
    sk_X509_free(chain);
    free(body);
    EVP_PKEY_free(key);
    return verdict;
}

void authority_bench_code(struct authority_bench *bench, const char *name, char code[CODE_BYTES])
{
    struct error err;

    if (authority_add_code(bench->authority, name, 600, code, &err) < 0)
        fail_msg("%s", err.message);
}
