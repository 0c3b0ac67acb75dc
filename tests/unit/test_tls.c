/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/pki.h"
#include "transports/tls.h"

struct fixture {
    struct pki pki;
    char path[3][PKI_PATH_BYTES];
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    pki_init(&f->pki);
    pki_issue(&f->pki, "one", "DNS:localhost", -1, 10);
    pki_issue(&f->pki, "two", "DNS:localhost", -1, 10);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pki_done(&f->pki);
    free(f);
    return 0;
}

static void expect(struct fixture *f, enum tls_side side, const char *ca, const char *certificate,
                   const char *key, bool require_peer, const char *why)
{
    struct tls_settings settings = {
        .ca_file = ca ? pki_path(&f->pki, ca, f->path[0]) : NULL,
        .certificate_file = certificate ? pki_path(&f->pki, certificate, f->path[1]) : NULL,
        .key_file = key ? pki_path(&f->pki, key, f->path[2]) : NULL,
        .require_peer = require_peer,
    };
    SSL_CTX *ctx = tls_context_new(&settings, side, side == TLS_CLIENT ? "localhost" : NULL, &f->err);

    if (!why) {
        if (!ctx)
            fail_msg("%s", f->err.message);
        assert_int_equal(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
        assert_int_equal(!!(SSL_CTX_get_verify_mode(ctx) & SSL_VERIFY_PEER), side == TLS_CLIENT || ca);
        SSL_CTX_free(ctx);
        return;
    }
    assert_null(ctx);
    if (!strstr(f->err.message, why))
        fail_msg("%s", f->err.message);
}

static void test_contexts(void **state)
{
    struct fixture *f = *state;

    expect(f, TLS_CLIENT, NULL, NULL, NULL, false, NULL);
    expect(f, TLS_CLIENT, "ca.pem", "one", NULL, false, NULL);
    expect(f, TLS_SERVER, NULL, "one", "one", false, NULL);
    expect(f, TLS_SERVER, "ca.pem", "one", "one", true, NULL);
    expect(f, TLS_SERVER, NULL, NULL, NULL, false, "needs a certificate");
    expect(f, TLS_SERVER, NULL, "one", NULL, true, "no file of trusted authorities");
    expect(f, TLS_CLIENT, "absent", NULL, NULL, false, "o such file");
    expect(f, TLS_CLIENT, "ca.pem", "absent", NULL, false, "o such file");
    expect(f, TLS_CLIENT, "ca.pem", "one", "two", false, "key");
    expect(f, TLS_CLIENT, "ca.pem", "one", "ca.pem", false, "cannot load the key");
}

static bool names(struct fixture *f, const char *alternative, const char *endpoint_id)
{
    X509 *certificate = pki_certificate(f->pki.key, "x", alternative, f->pki.certificate, f->pki.key, -1, 1);
    bool found = tls_certificate_names(certificate, endpoint_id);

    X509_free(certificate);
    return found;
}

static bool claims(struct fixture *f, const char *alternative, const char *endpoint_id)
{
    X509 *certificate = pki_certificate(f->pki.key, "x", alternative, f->pki.certificate, f->pki.key, -1, 1);
    bool found = tls_certificate_claims(certificate, endpoint_id);

    X509_free(certificate);
    return found;
}

/* Who names nobody is nobody else either */
static void test_claims(void **state)
{
    struct fixture *f = *state;

    assert_true(claims(f, "URI:urn:bbf:usp:id:self::one", "self::two"));
    assert_true(claims(f, "DNS:one.example", "fqdn::two.example"));
    assert_false(claims(f, "DNS:one.example", "self::two"));
    assert_false(claims(f, "URI:http://self::one", "self::two"));
    assert_false(tls_certificate_claims(f->pki.certificate, "fqdn::two.example"));
}

/* R-SEC.0a */
static void test_identity(void **state)
{
    struct fixture *f = *state;

    assert_true(names(f, "URI:urn:bbf:usp:id:os::012345-X", "os::012345-X"));
    assert_true(names(f, "DNS:a.example,URI:urn:bbf:usp:id:self::ctl", "self::ctl"));
    assert_true(names(f, "DNS:ctl.example", "fqdn::ctl.example"));
    assert_true(names(f, "DNS:CTL.example", "fqdn::ctl.example"));
    assert_false(names(f, "DNS:ctl.example", "self::ctl.example"));
    assert_false(names(f, "URI:urn:bbf:usp:id:self::ctl", "self::ctl2"));
    assert_false(names(f, "URI:urn:bbf:usp:id:self::ctl2", "self::ctl"));
    assert_false(names(f, "URI:urn:bbf:usp:id:self::CTL", "self::ctl"));
    assert_false(names(f, "URI:http://self::ctl", "self::ctl"));
    assert_false(names(f, "email:a@b.example", "self::ctl"));
    assert_false(tls_certificate_names(f->pki.certificate, "self::ctl")); /* no names at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contexts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claims, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
