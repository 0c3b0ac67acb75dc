/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/websocket_sides.h"

#include "tests/unit/pki.h"

struct tls_case {
    const char *name;
    const char *ca, *certificate; /* of the server's */
    const char *client_ca, *client_certificate;
    const char *host;
    bool require_peer;
    const char *why; /* NULL: connects */
};

static const struct tls_case tls_cases[] = {
    {"good", NULL, "server", "ca.pem", NULL, "localhost", false, NULL},
    {"good address", NULL, "server", "ca.pem", NULL, "127.0.0.1", false, NULL},
    {"unknown authority", NULL, "server", "other.pem", NULL, "localhost", false,
     "unable to get local issuer"},
    {"wrong name", NULL, "stranger", "ca.pem", NULL, "localhost", false, "hostname mismatch"},
    {"wrong address", NULL, "stranger", "ca.pem", NULL, "127.0.0.1", false, "IP address mismatch"},
    /* R-MTP.3, R-SEC.20 */
    {"expired", NULL, "expired", "ca.pem", NULL, "localhost", false, "expired"},
    {"not yet valid", NULL, "future", "ca.pem", NULL, "localhost", false, "not yet valid"},
    {"client certificate", "ca.pem", "server", "ca.pem", "client", "localhost", true, NULL},
    {"optional client certificate", "ca.pem", "server", "ca.pem", NULL, "localhost", false, NULL},
    {"no client certificate", "ca.pem", "server", "ca.pem", NULL, "localhost", true, ""},
    {"expired client certificate", "ca.pem", "server", "ca.pem", "expired", "localhost", true, ""},
    {"client certificate of another authority", "other.pem", "server", "ca.pem", "client", "localhost", false,
     ""},
};

static const char *file_of(const struct pki *pki, const char *name, char to[PKI_PATH_BYTES])
{
    return name ? pki_path(pki, name, to) : NULL;
}

static void run_tls_case(struct ws_fixture *f, const struct pki *pki, const struct tls_case *c)
{
    char paths[4][PKI_PATH_BYTES];

    print_message("             %s\n", c->name);
    memset(&f->server_side, 0, sizeof(f->server_side));
    memset(&f->client_side, 0, sizeof(f->client_side));
    f->server_side.echo = true;
    f->server_settings.tls = f->client_settings.tls = true;
    f->server_settings.tls_settings = (struct tls_settings){
        .ca_file = file_of(pki, c->ca, paths[0]),
        .certificate_file = file_of(pki, c->certificate, paths[1]),
        .require_peer = c->require_peer};
    f->client_settings.tls_settings = (struct tls_settings){
        .ca_file = file_of(pki, c->client_ca, paths[2]),
        .certificate_file = file_of(pki, c->client_certificate, paths[3])};
    f->client_settings.host = c->host;
    f->server_settings.address = "127.0.0.1";
    ws_serve(f);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened + f->client_side.closed);
    if (c->why) {
        assert_int_equal(f->client_side.opened, 0);
        assert_int_equal(f->server_side.opened, 0);
        if (!strstr(f->client_side.why, c->why))
            fail_msg("%s", f->client_side.why);
    } else {
        if (!f->client_side.opened)
            fail_msg("%s", f->client_side.why);
        assert_true(f->client_side.has_certificate);
        WAIT_FOR(&f->loop, f->server_side.opened);
        assert_int_equal(f->server_side.has_certificate, c->client_certificate != NULL);
        ws_send_bytes(f->client_side.ws, 1000000, 5, true);
        WAIT_FOR(&f->loop, f->client_side.messages == 1);
        assert_int_equal(f->client_side.sum, f->server_side.sum);
    }
    websocket_client_free(f->client);
    websocket_server_free(f->server);
    f->client = NULL;
    f->server = NULL;
}

static void test_tls(void **state)
{
    struct ws_fixture *f = *state;
    char path[PKI_PATH_BYTES];
    struct error err;
    struct pki other;
    struct pki pki;

    pki_init(&pki);
    pki_init(&other);
    pki_save(&pki, "other.pem", other.certificate, NULL);
    pki_issue(&pki, "server", "DNS:localhost,IP:127.0.0.1", -1, 10);
    pki_issue(&pki, "stranger", "DNS:example.com,IP:192.0.2.1", -1, 10);
    pki_issue(&pki, "expired", "DNS:localhost,IP:127.0.0.1", -9, -2);
    pki_issue(&pki, "future", "DNS:localhost,IP:127.0.0.1", 2, 9);
    pki_issue(&pki, "client", "URI:urn:bbf:usp:id:self::client", -1, 10);
    for (size_t i = 0; i < sizeof(tls_cases) / sizeof(tls_cases[0]); i++)
        run_tls_case(f, &pki, &tls_cases[i]);
    f->server_settings.tls_settings = (struct tls_settings){
        .certificate_file = pki_path(&pki, "absent", path)};
    assert_null(websocket_server_new(f->context, &f->server_settings, &ws_ops, NULL, &err));
    if (!strstr(err.message, "o such file"))
        fail_msg("%s", err.message);
    pki_done(&pki);
    pki_done(&other);
}

/* Two servers, one with TLS, one without: a Host header or a server name moves nobody between them. */
static void test_servers_apart(void **state)
{
    struct ws_fixture *f = *state;
    struct websocket_server *plain;
    struct ws_side plain_side = {.echo = true};
    char path[PKI_PATH_BYTES], ca[PKI_PATH_BYTES];
    struct pki pki;

    pki_init(&pki);
    pki_issue(&pki, "server", "DNS:localhost", -1, 10);
    plain = websocket_server_new(f->context, &f->server_settings, &ws_ops, &plain_side, NULL);
    assert_non_null(plain);
    f->server_settings.tls = f->client_settings.tls = true;
    f->server_settings.tls_settings = (struct tls_settings){
        .certificate_file = pki_path(&pki, "server", path)};
    f->client_settings.tls_settings = (struct tls_settings){.ca_file = pki_path(&pki, "ca.pem", ca)};
    f->client_settings.host = "localhost";
    ws_connect_both(f);
    assert_int_equal(plain_side.accepted, 0);
    websocket_client_free(f->client);
    f->client_settings.tls = false;
    f->client_settings.port = websocket_server_port(plain);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened == 2);
    assert_int_equal(plain_side.opened, 1);
    ws_send_bytes(f->client_side.ws, 10, 5, true);
    WAIT_FOR(&f->loop, f->client_side.messages == 1);
    websocket_server_free(plain);
    pki_done(&pki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tls, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_servers_apart, ws_setup, ws_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
