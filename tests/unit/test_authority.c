/* SPDX-License-Identifier: BSD-3-Clause */
/* The device authority: who is given a certificate, and what becomes of it. */
#include <fcntl.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "devices/authority/manufacturers.h"
#include "tests/unit/authority_bench.h"
#include "tests/unit/pki.h"

#define S1 "os::0A0B0C-S1"
#define S2 "os::0A0B0C-S2"
#define ASK(...) authority_bench_ask(bench, &(struct authority_bench_ask){__VA_ARGS__}, NULL)

static int setup(void **state)
{
    struct authority_bench *bench = malloc(sizeof(*bench));

    authority_bench_init(bench);
    *state = bench;
    return 0;
}

static int setup_open(void **state)
{
    setup(state);
    assert_int_equal(authority_bench_open(*state, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    authority_bench_done(*state);
    free(*state);
    return 0;
}

/* With a code of its own for the name. */
static X509 *enrolled(struct authority_bench *bench, const char *name)
{
    char code[CODE_BYTES];
    X509 *certificate;

    authority_bench_code(bench, name, code);
    if (authority_bench_ask(bench, &(struct authority_bench_ask){.name = name, .code = code}, &certificate) !=
        AUTHORITY_GRANTED)
        fail_msg("%s", bench->err.message);
    return certificate;
}

static bool is_refused(const struct authority_bench *bench, const X509 *certificate)
{
    return authority_refuses(bench->authority, certificate);
}

/* How many entries the file for the broker has; its signature has to be good. */
static int listed(const struct authority_bench *bench)
{
    char path[BENCH_PATH_BYTES];
    BIO *bio = BIO_new_file(authority_bench_path(bench, "crl.pem", path), "r");
    X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    EVP_PKEY *key = X509_get_pubkey(authority_certificate(bench->authority));
    int count;

    assert_non_null(list);
    assert_int_equal(X509_CRL_verify(list, key), 1);
    count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list));
    EVP_PKEY_free(key);
    X509_CRL_free(list);
    BIO_free(bio);
    return count > 0 ? count : 0;
}

/* ---- the key ---- */

static void test_key_survives(void **state)
{
    struct authority_bench *bench = *state;
    char path[BENCH_PATH_BYTES];
    struct error err;
    struct stat st;
    X509 *first;

    assert_null(authority_certificate(bench->authority));
    authority_bench_advance(bench, 0);
    assert_int_equal(bench->events[AUTHORITY_READY], 1);
    first = X509_dup(authority_certificate(bench->authority));
    assert_int_equal(stat(authority_bench_path(bench, "key/authority.pem", path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(authority_bench_path(bench, "ca.pem", path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    authority_bench_restart(bench);
    assert_int_equal(X509_cmp(first, authority_certificate(bench->authority)), 0);
    X509_free(first);
    /* A key that others can read is none to go on with; nor is half a file. */
    authority_free(bench->authority);
    chmod(authority_bench_path(bench, "key/authority.pem", path), 0640);
    assert_int_equal(authority_bench_open(bench, &err), -1);
    assert_non_null(strstr(err.message, "chmod 600"));
    assert_string_equal(err.path, path);
    chmod(path, 0600);
    assert_int_equal(truncate(path, 300), 0);
    assert_int_equal(authority_bench_open(bench, &err), -1);
    assert_string_equal(err.path, path);
}

static void test_clock(void **state)
{
    struct authority_bench *bench = *state;
    char code[CODE_BYTES];

    bench->undated = true;
    authority_bench_advance(bench, 100);
    assert_null(authority_certificate(bench->authority));
    assert_int_equal(authority_add_code(bench->authority, "", 600, code, &bench->err), -1);
    assert_non_null(strstr(bench->err.message, "clock"));
    assert_int_equal(ASK(.name = S1, .code = "0000-0000"), AUTHORITY_NOT_NOW);
    bench->undated = false;
    authority_bench_advance(bench, 30);
    assert_non_null(authority_certificate(bench->authority));
    X509_free(enrolled(bench, S1));
    bench->undated = true; /* time went backwards: no more, and nothing is forgotten */
    assert_int_equal(ASK(.name = S2, .code = "0000-0000"), AUTHORITY_NOT_NOW);
    authority_bench_advance(bench, 1000 * 86400ull);
    assert_int_equal(authority_at(bench->authority, 0)->status, ISSUED_VALID);
}

/* ---- codes ---- */

static void test_codes(void **state)
{
    struct authority_bench *bench = *state;
    char code[CODE_BYTES], more[CODE_BYTES];

    authority_bench_code(bench, "", code);
    assert_int_equal(strlen(code), CODE_BYTES - 1);
    assert_int_equal(ASK(.name = S1), AUTHORITY_UNAUTHENTICATED);
    assert_int_equal(authority_refusals(bench->authority), 0);
    assert_int_equal(ASK(.name = "sensor", .code = code), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = "homepatch", .code = code), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = "os::0A0B0C-KNOWN", .code = code), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = S1, .code = code), AUTHORITY_GRANTED);
    assert_int_equal(ASK(.name = S2, .code = code), AUTHORITY_UNAUTHENTICATED); /* it was used */
    authority_bench_code(bench, "", code);
    assert_int_equal(ASK(.name = S1, .code = code), AUTHORITY_FORBIDDEN); /* the name is another's */
    authority_bench_advance(bench, 600);
    assert_int_equal(authority_codes(bench->authority), 0);
    assert_int_equal(ASK(.name = S2, .code = code), AUTHORITY_UNAUTHENTICATED); /* too old */
    authority_bench_code(bench, S2, code);
    assert_int_equal(ASK(.name = S1, .code = code), AUTHORITY_FORBIDDEN); /* another's code */
    authority_cancel_codes(bench->authority);
    assert_int_equal(ASK(.name = S2, .code = code), AUTHORITY_UNAUTHENTICATED);
    for (unsigned i = 0; i < LIMIT_ENROLMENT_CODES; i++)
        authority_bench_code(bench, "", code);
    assert_int_equal(authority_add_code(bench->authority, "", 600, more, NULL), -1);
    assert_int_equal(authority_add_code(bench->authority, "homepatch", 600, more, NULL), -1);
    authority_bench_restart(bench); /* codes do not outlive the program */
    assert_int_equal(ASK(.name = S2, .code = code), AUTHORITY_UNAUTHENTICATED);
}

static void test_guessing(void **state)
{
    struct authority_bench *bench = *state;
    char code[CODE_BYTES], peer[32];
    int looked_at = 0;

    authority_bench_code(bench, "", code);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ASK(.name = S1, .code = "0000-0000"), AUTHORITY_UNAUTHENTICATED);
    assert_int_equal(ASK(.name = S1, .code = code), AUTHORITY_TOO_MANY); /* also when it is right */
    assert_int_equal(ASK(.name = S1, .code = code, .peer = "192.168.1.3"), AUTHORITY_GRANTED);
    authority_bench_advance(bench, 10);
    assert_int_equal(ASK(.name = S1, .code = "0000-0000"), AUTHORITY_UNAUTHENTICATED);
    assert_int_equal(ASK(.name = S1, .code = "0000-0000"), AUTHORITY_TOO_MANY);
    /* One who has many addresses gets no further. */
    authority_bench_advance(bench, 100);
    for (int i = 0; i < 1000; i++) {
        snprintf(peer, sizeof(peer), "10.0.%d.%d", i / 250, i % 250);
        looked_at += ASK(.name = S1, .code = "0000-0000", .peer = peer) == AUTHORITY_UNAUTHENTICATED;
    }
    assert_int_equal(looked_at, 20);
    assert_true(bench->events[AUTHORITY_REFUSED] <= 20); /* and nobody hears a thousand times of it */
    assert_int_equal(authority_refusals(bench->authority), 5 + 1 + 1 + 1 + 1000);
}

/* ---- the life of a certificate ---- */

static void test_renewal(void **state)
{
    struct authority_bench *bench = *state;
    X509 *first = enrolled(bench, S1), *second, *third;
    struct authority_bench_ask renew = {.name = S1, .certificate = first, .renews = true};

    assert_int_equal(ASK(.name = S1, .renews = true), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = S2, .certificate = first, .renews = true), AUTHORITY_FORBIDDEN);
    assert_int_equal(authority_bench_ask(bench, &renew, &second), AUTHORITY_GRANTED);
    assert_false(is_refused(bench, first)); /* the device may not have kept the new one */
    assert_false(is_refused(bench, second));
    assert_int_equal(authority_bench_ask(bench, &renew, &third), AUTHORITY_GRANTED);
    assert_false(is_refused(bench, first));
    assert_true(is_refused(bench, second)); /* it had not */
    assert_false(is_refused(bench, third));
    assert_int_equal(listed(bench), 1);
    authority_bench_restart(bench);
    assert_false(is_refused(bench, first));
    assert_true(is_refused(bench, second));
    assert_int_equal(authority_count(bench->authority), 3);
    assert_int_equal(authority_at(bench->authority, 2)->by, ISSUED_BY_RENEWAL);
    for (unsigned i = 3; i < LIMIT_ISSUED_PER_DEVICE; i++)
        assert_int_equal(authority_bench_ask(bench, &renew, NULL), AUTHORITY_GRANTED);
    assert_int_equal(authority_bench_ask(bench, &renew, NULL), AUTHORITY_TOO_MANY);
    X509_free(enrolled(bench, S1)); /* an operator may */
    authority_bench_advance(bench, 101 * 86400);
    assert_int_equal(authority_bench_ask(bench, &renew, NULL), AUTHORITY_FORBIDDEN); /* too late */
    X509_free(first);
    X509_free(second);
    X509_free(third);
}

static void test_revoke(void **state)
{
    struct authority_bench *bench = *state;
    X509 *first = enrolled(bench, S1), *other = enrolled(bench, S2), *second;
    struct authority_bench_ask renew = {.name = S1, .certificate = first, .renews = true};
    char code[CODE_BYTES];

    assert_int_equal(authority_bench_ask(bench, &renew, &second), AUTHORITY_GRANTED);
    assert_int_equal(listed(bench), 0);
    assert_int_equal(authority_revoke(authority_at(bench->authority, 0), NULL), 0);
    assert_true(is_refused(bench, first) && is_refused(bench, second) && !is_refused(bench, other));
    assert_int_equal(bench->events[AUTHORITY_REVOKED], 1);
    assert_int_equal(listed(bench), 2);
    assert_int_equal(authority_revoke(authority_at(bench->authority, 0), NULL), -1);
    assert_int_equal(authority_bench_ask(bench, &renew, NULL), AUTHORITY_FORBIDDEN);
    authority_bench_code(bench, "", code);
    assert_int_equal(ASK(.name = S1, .code = code), AUTHORITY_FORBIDDEN); /* any code does not do */
    authority_bench_restart(bench);
    assert_true(is_refused(bench, first) && is_refused(bench, second) && !is_refused(bench, other));
    /* Long after: out of the list, which is for certificates that could be used, and still shut out. */
    authority_bench_advance(bench, 101 * 86400);
    authority_bench_advance(bench, 31 * 86400);
    assert_int_equal(listed(bench), 0);
    assert_int_equal(authority_count(bench->authority), 2); /* S2's has expired and is forgotten */
    assert_int_equal(bench->events[AUTHORITY_FORGOTTEN], 1);
    assert_true(is_refused(bench, other));
    authority_bench_code(bench, "", code);
    assert_int_equal(ASK(.name = S1, .code = code), AUTHORITY_FORBIDDEN);
    X509_free(enrolled(bench, S1));
    authority_bench_advance(bench, 3600);
    assert_int_equal(authority_count(bench->authority), 1); /* pardoned, and then forgotten */
    X509_free(first);
    X509_free(second);
    X509_free(other);
}

static void test_expiry(void **state)
{
    struct authority_bench *bench = *state;
    X509 *certificate = enrolled(bench, S1);
    const struct issued *issued = authority_at(bench->authority, 0);

    assert_int_equal(issued->not_after - issued->not_before, 100 * 86400 + 300);
    authority_bench_advance(bench, 99 * 86400);
    assert_int_equal(issued->status, ISSUED_VALID);
    authority_bench_advance(bench, 2 * 86400);
    assert_int_equal(issued->status, ISSUED_EXPIRED);
    assert_false(is_refused(bench, certificate)); /* its dates say it */
    assert_int_equal(authority_revoke(authority_at(bench->authority, 0), NULL), -1);
    authority_bench_advance(bench, 880 * 86400ull); /* a certificate ends with its authority */
    X509_free(enrolled(bench, S2));
    assert_true(authority_at(bench->authority, 0)->not_after < 1800000000 + 1000 * 86400ll + 1);
    X509_free(certificate);
}

/* ---- manufacturers ---- */

static void write_file(const struct authority_bench *bench, const char *name, const char *text)
{
    char path[BENCH_PATH_BYTES];
    FILE *file = fopen(authority_bench_path(bench, name, path), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void trust_maker(struct authority_bench *bench, X509 *root)
{
    char path[BENCH_PATH_BYTES], text[400];
    FILE *file = fopen(authority_bench_path(bench, "root.pem", path), "w");

    PEM_write_X509(file, root);
    fclose(file);
    snprintf(text, sizeof(text), "manufacturer = Example\noui = 0a0b0c, 0D0E0F\nroot = %s\n", path);
    write_file(bench, "manufacturers", text);
    authority_bench_path(bench, "manufacturers", bench->manufacturers);
}

static void test_idevid(void **state)
{
    struct authority_bench *bench = *state;
    EVP_PKEY *root_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *root = pki_certificate(root_key, "Example root", NULL, NULL, NULL, -1, 30);
    X509 *stranger = pki_certificate(key, "Another root", NULL, NULL, NULL, -1, 30);
    X509 *idevid = authority_bench_idevid(key, root, root_key, "S1");
    X509 *nameless = authority_bench_idevid(key, root, root_key, NULL);
    X509 *factory = pki_certificate(key, "Example factory", NULL, root, root_key, -1, 30);
    X509 *certificate;
    char code[CODE_BYTES];
    const struct issued *issued;

    /* The authority of one of his factories is no device, whatever it calls itself. */
    X509_NAME_add_entry_by_NID(X509_get_subject_name(factory), NID_serialNumber, MBSTRING_UTF8,
                               (const unsigned char *)"S1", -1, -1, 0);
    assert_true(X509_sign(factory, root_key, EVP_sha256()) > 0);
    trust_maker(bench, root);
    assert_int_equal(authority_bench_open(bench, NULL), 0);
    assert_int_equal(ASK(.name = S1, .certificate = idevid, .root = stranger), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = S1, .certificate = nameless, .root = root), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = S1, .certificate = factory, .root = root), AUTHORITY_FORBIDDEN);
    assert_int_equal(ASK(.name = S2, .certificate = idevid, .root = root), AUTHORITY_UNAUTHENTICATED);
    assert_int_equal(ASK(.name = S1, .certificate = idevid, .root = root), AUTHORITY_GRANTED);
    /* The same device, which has lost what it had. */
    assert_int_equal(
        authority_bench_ask(bench,
                            &(struct authority_bench_ask){.name = S1, .certificate = idevid, .root = root},
                            &certificate),
        AUTHORITY_GRANTED);
    assert_int_equal(authority_at(bench->authority, 0)->status, ISSUED_SUPERSEDED);
    issued = authority_find(bench->authority, certificate);
    assert_string_equal(issued->manufacturer, "Example");
    assert_string_equal(issued->serial_number, "S1");
    /* A renewal keeps what was proven. */
    assert_int_equal(ASK(.name = S1, .certificate = certificate, .renews = true), AUTHORITY_GRANTED);
    assert_string_equal(authority_at(bench->authority, 2)->serial_number, "S1");
    /* The maker cannot undo what the operator did; a code for the device can. */
    assert_int_equal(authority_revoke(authority_at(bench->authority, 1), NULL), 0);
    assert_int_equal(ASK(.name = S1, .certificate = idevid, .root = root), AUTHORITY_UNAUTHENTICATED);
    assert_int_equal(ASK(.name = "Example-S1", .certificate = idevid, .root = root),
                     AUTHORITY_UNAUTHENTICATED);
    authority_bench_code(bench, S1, code);
    assert_int_equal(ASK(.name = S1, .certificate = idevid, .root = root, .code = code), AUTHORITY_GRANTED);
    assert_string_equal(authority_at(bench->authority, 3)->serial_number, "S1");
    assert_int_equal(authority_at(bench->authority, 3)->by, ISSUED_BY_CODE);
    assert_int_equal(ASK(.name = S1, .certificate = idevid, .root = root), AUTHORITY_GRANTED);
    X509_free(certificate);
    X509_free(idevid);
    X509_free(nameless);
    X509_free(factory);
    X509_free(stranger);
    X509_free(root);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
}

/* A manufacturer is added, then taken out, while the program runs; a file that cannot be used changes nothing. */
static void test_reload(void **state)
{
    struct authority_bench *bench = *state;
    EVP_PKEY *root_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *root = pki_certificate(root_key, "Example root", NULL, NULL, NULL, -1, 30);
    X509 *idevid = authority_bench_idevid(key, root, root_key, "S1");
    struct authority_bench_ask ask = {.name = S1, .certificate = idevid, .root = root};
    X509 *certificate;
    struct error err;

    write_file(bench, "manufacturers", "");
    authority_bench_path(bench, "manufacturers", bench->manufacturers);
    assert_int_equal(authority_bench_open(bench, NULL), 0);
    assert_int_equal(authority_bench_ask(bench, &ask, NULL), AUTHORITY_FORBIDDEN);
    trust_maker(bench, root);
    assert_int_equal(authority_bench_ask(bench, &ask, NULL), AUTHORITY_FORBIDDEN);
    assert_int_equal(authority_reload(bench->authority, NULL), 0);
    assert_int_equal(authority_bench_ask(bench, &ask, NULL), AUTHORITY_GRANTED);
    write_file(bench, "manufacturers", "manufacturer = Example\nroot = /nowhere\n");
    assert_int_equal(authority_reload(bench->authority, &err), -1);
    assert_string_equal(err.path, "/nowhere");
    assert_int_equal(authority_bench_ask(bench, &ask, &certificate), AUTHORITY_GRANTED);
    write_file(bench, "manufacturers", "");
    assert_int_equal(authority_reload(bench->authority, NULL), 0);
    assert_int_equal(authority_bench_ask(bench, &ask, NULL), AUTHORITY_FORBIDDEN);
    assert_false(authority_refuses(bench->authority, certificate)); /* what was given stays */
    X509_free(certificate);
    X509_free(idevid);
    X509_free(root);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
}

static void test_covers(void **state)
{
    static const struct manufacturer maker = {.name = "Example", .ouis = {"0A0B0C", "0D0E0F"}};
    static const struct {
        const char *serial, *name;
        bool covered;
    } cases[] = {
        {"S1", "os::0A0B0C-S1", true},
        {"S1", "os::0D0E0F-S1", true},
        {"S1", "os::0a0b0c-S1", false},
        {"S1", "os::0A0B0D-S1", false},
        {"S1", "os::0A0B0C-S12", false},
        {"S1", "os::0A0B0C.S1", false},
        {"S1", "os::0A0B0C-X-S1", false},
        {"S1", "ops::0A0B0C-Lamp-S1", true},
        {"S1", "ops::0A0B0C-S1", false},
        {"S1", "ops::0A0B0C-A-B-S1", false},
        {"B-S1", "ops::0A0B0C-A-B-S1", true},
        {"S 1/2", "os::0A0B0C-S%201%2F2", true},
        {"S1", "proto::S1", false},
        {"S1", "uuid::S1", false},
        {"S1", "Example-S1", true},
        {"S1", "Other-S1", false},
        {"S1", "S1", false},
        {"S1", "oui:0A0B0C:S1", false},
        {"S1", "os::cert", false},
        {"S1", "os::FFFFFF-cert", false},
        {"S1", "os::0A0B0C-cert", true},
    };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    /* What it says itself counts under the manufacturer's OUIs only. */
    X509 *idevid = pki_certificate(key, "device",
                                   "URI:urn:bbf:usp:id:os::0A0B0C-cert,URI:urn:bbf:usp:id:os::FFFFFF-cert",
                                   NULL, NULL, -1, 30);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (manufacturer_covers(&maker, idevid, cases[i].serial, cases[i].name) != cases[i].covered)
            fail_msg("%s of %s", cases[i].name, cases[i].serial);
    X509_free(idevid);
    EVP_PKEY_free(key);
}

static void test_manufacturers_file(void **state)
{
    static const char *const wrong[] = {
        "oui = 0A0B0C\n",
        "manufacturer =\n",
        "manufacturer = Example\noui = 0A0B0\n",
        "manufacturer = Example\noui = 0A0B0G\n",
        "manufacturer = Example\noui = 000000,000000,000000,000000,000000,000000,000000,000000,000000\n",
        "manufacturer = Example\nroot = /does/not/exist\n",
        "manufacturer = Example\nroot = /dev/null\n",
        "manufacturer = Example\nserial = 1\n",
    };
    struct authority_bench *bench = *state;
    struct error err;

    authority_bench_path(bench, "manufacturers", bench->manufacturers);
    assert_int_equal(authority_bench_open(bench, &err), -1); /* it is not there */
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        write_file(bench, "manufacturers", wrong[i]);
        if (authority_bench_open(bench, &err) == 0)
            fail_msg("taken: %s", wrong[i]);
        assert_true(err.path[0] && err.message[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key_survives, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_codes, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_guessing, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_renewal, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_revoke, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_expiry, setup_open, teardown),
        cmocka_unit_test_setup_teardown(test_idevid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
        cmocka_unit_test(test_covers),
        cmocka_unit_test_setup_teardown(test_manufacturers_file, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
