/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS over bytes: two engines that speak with each other, what they derive, and whom they refuse. */
#include "config.h"

#include "tests/unit/pki.h"
#include "transports/tls_engine.h"

struct world {
    struct pki pki;
    struct tls_identity *agent, *controller, *expired;
    struct tls_trust *trust;
    bool dated;
    bool refuses;
    unsigned asked;
};

static bool is_dated(void *ctx)
{
    return ((struct world *)ctx)->dated;
}

static bool take_peer(void *ctx, X509 *certificate, const STACK_OF(X509) * chain)
{
    struct world *world = ctx;

    assert_non_null(certificate);
    assert_true(sk_X509_num(chain) == 2);
    world->asked++;
    return !world->refuses;
}

static struct tls_identity *identity(struct world *world, const char *name, int from, int to)
{
    char ca[PKI_PATH_BYTES], own[PKI_PATH_BYTES];
    struct tls_settings settings = {.ca_file = pki_path(&world->pki, "ca.pem", ca),
                                    .certificate_file = pki_path(&world->pki, name, own),
                                    .key_file = own,
                                    .trust = world->trust};
    struct tls_identity *made;
    struct error err;

    pki_issue(&world->pki, name, "URI:urn:bbf:usp:id:self::one", from, to);
    made = tls_identity_new(&settings, &err);
    if (!made)
        fail_msg("%s", err.message);
    return made;
}

static int set_up(void **state)
{
    static struct world world;

    world = (struct world){.dated = true};
    pki_init(&world.pki);
    world.trust = tls_trust_new();
    tls_trust_set_dated(world.trust, is_dated, &world);
    world.agent = identity(&world, "agent.pem", -1, 1);
    world.controller = identity(&world, "controller.pem", -1, 1);
    world.expired = identity(&world, "expired.pem", -9, -2);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    tls_identity_free(world->agent);
    tls_identity_free(world->controller);
    tls_identity_free(world->expired);
    tls_trust_free(world->trust);
    pki_done(&world->pki);
    return 0;
}

struct pair {
    struct tls_engine *client, *server;
    struct buf to_client, to_server, client_plain, server_plain;
    int client_rc, server_rc;
};

static void pair_open(struct world *world, struct tls_identity *client, struct tls_identity *server,
                      struct pair *pair)
{
    *pair = (struct pair){0};
    pair->client = tls_engine_new(client, TLS_CLIENT, take_peer, world, NULL);
    pair->server = tls_engine_new(server, TLS_SERVER, take_peer, world, NULL);
    assert_non_null(pair->client);
    assert_non_null(pair->server);
    buf_init(&pair->to_client, 1 << 20, 0);
    buf_init(&pair->to_server, 1 << 20, 0);
    buf_init(&pair->client_plain, 1 << 20, 0);
    buf_init(&pair->server_plain, 1 << 20, 0);
}

static void pair_close(struct pair *pair)
{
    tls_engine_free(pair->client);
    tls_engine_free(pair->server);
    buf_done(&pair->to_client);
    buf_done(&pair->to_server);
    buf_done(&pair->client_plain);
    buf_done(&pair->server_plain);
}

/* All that one side has for the other, byte by byte if `single`. */
static int carry(struct tls_engine *to, struct buf *bytes, struct buf *plain, struct buf *out, bool single)
{
    int rc = 0;

    while (rc == 0 && bytes->len) {
        size_t n = single ? 1 : bytes->len;

        rc = tls_engine_take(to, (struct str){(char *)buf_data(bytes), n}, plain, out, NULL);
        buf_consume(bytes, n);
    }
    buf_clear(bytes, 0);
    return rc;
}

static void shake(struct pair *pair, bool single)
{
    pair->client_rc = tls_engine_take(pair->client, STR(""), &pair->client_plain, &pair->to_server, NULL);
    while (pair->to_server.len || pair->to_client.len) {
        pair->server_rc |= carry(pair->server, &pair->to_server, &pair->server_plain, &pair->to_client,
                                 single);
        pair->client_rc |= carry(pair->client, &pair->to_client, &pair->client_plain, &pair->to_server,
                                 single);
    }
}

static void same_macs(struct pair *pair)
{
    uint8_t one[TLS_MAC_BYTES], other[TLS_MAC_BYTES];

    assert_int_equal(tls_engine_mac(pair->client, true, STR("fields"), one), 0);
    assert_int_equal(tls_engine_mac(pair->server, false, STR("fields"), other), 0);
    assert_memory_equal(one, other, sizeof(one));
    assert_int_equal(tls_engine_mac(pair->server, true, STR("fields"), other), 0);
    assert_memory_not_equal(one, other, sizeof(one));
    assert_int_equal(tls_engine_mac(pair->client, false, STR("fields"), one), 0);
    assert_memory_equal(one, other, sizeof(one));
    assert_int_equal(tls_engine_mac(pair->client, false, STR("field"), one), 0);
    assert_memory_not_equal(one, other, sizeof(one));
}

static void speaks(void **state)
{
    struct world *world = *state;
    static char much[70000];
    uint8_t mac[TLS_MAC_BYTES];
    struct pair pair;

    for (unsigned single = 0; single < 2; single++) {
        pair_open(world, world->controller, world->agent, &pair);
        assert_int_equal(tls_engine_mac(pair.client, true, STR("x"), mac), -1);
        assert_int_equal(tls_engine_seal(pair.client, STR("x"), &pair.to_server, NULL), -1);
        shake(&pair, single);
        assert_true(tls_engine_up(pair.client) && tls_engine_up(pair.server));
        same_macs(&pair);
        memset(much, 'x', sizeof(much));
        assert_int_equal(
            tls_engine_seal(pair.client, (struct str){much, sizeof(much)}, &pair.to_server, NULL), 0);
        assert_true(pair.to_server.len > sizeof(much));
        assert_int_equal(carry(pair.server, &pair.to_server, &pair.server_plain, &pair.to_client, single), 0);
        assert_int_equal(pair.server_plain.len, sizeof(much));
        assert_memory_equal(buf_data(&pair.server_plain), much, sizeof(much));
        /* Bytes that are none of TLS end it with an alert. */
        buf_append_str(&pair.to_server, "nonsense of some length");
        assert_int_equal(carry(pair.server, &pair.to_server, &pair.server_plain, &pair.to_client, single),
                         -1);
        pair_close(&pair);
    }
    assert_int_equal(world->asked, 4);
}

static void refuses(void **state)
{
    struct world *world = *state;
    struct pair pair;
    struct error err;

    world->refuses = true;
    pair_open(world, world->controller, world->agent, &pair);
    shake(&pair, false);
    assert_true(pair.client_rc < 0);
    assert_false(tls_engine_up(pair.server));
    assert_int_equal(tls_engine_take(pair.client, STR("\x15\x03\x03\x00\x02\x02\x28"), &pair.client_plain,
                                     &pair.to_server, &err),
                     -1);
    assert_true(err.message[0]);
    pair_close(&pair);
}

/* R-SEC.19, R-SEC.20. */
static void dates(void **state)
{
    struct world *world = *state;
    struct pair pair;

    for (unsigned dated = 0; dated < 2; dated++) {
        world->dated = dated;
        pair_open(world, world->expired, world->agent, &pair);
        shake(&pair, false);
        assert_int_equal(tls_engine_up(pair.server), !dated);
        pair_close(&pair);
    }
}

/* R-E2E.31. */
static void signs(void **state)
{
    struct world *world = *state;
    struct str certificate = tls_identity_certificate(world->controller);
    struct buf signature;
    struct str made;
    struct error err;

    buf_init(&signature, 1024, 0);
    assert_int_equal(tls_identity_sign(world->controller, STR("fields"), &signature, NULL), 0);
    made = (struct str){(char *)buf_data(&signature), signature.len};
    assert_in_range(made.len, 60, 80);
    assert_int_equal(
        tls_identity_verify(world->agent, STR("fields"), made, certificate, take_peer, world, NULL), 0);
    assert_int_equal(world->asked, 1);
    assert_int_equal(
        tls_identity_verify(world->agent, STR("field"), made, certificate, take_peer, world, &err), -1);
    assert_string_equal(err.message, "the signature is not of its certificate");
    assert_int_equal(tls_identity_verify(world->agent, STR("fields"), made,
                                         tls_identity_certificate(world->agent), take_peer, world, NULL),
                     -1);
    assert_int_equal(tls_identity_verify(world->agent, STR("fields"), made, STR(""), take_peer, world, NULL),
                     -1);
    assert_int_equal(
        tls_identity_verify(world->agent, STR("fields"), STR(""), certificate, take_peer, world, NULL), -1);
    world->refuses = true;
    assert_int_equal(
        tls_identity_verify(world->agent, STR("fields"), made, certificate, take_peer, world, NULL), -1);
    world->refuses = false;
    buf_clear(&signature, 0);
    assert_int_equal(tls_identity_sign(world->expired, STR("fields"), &signature, NULL), 0);
    made = (struct str){(char *)buf_data(&signature), signature.len};
    certificate = tls_identity_certificate(world->expired);
    assert_int_equal(
        tls_identity_verify(world->agent, STR("fields"), made, certificate, take_peer, world, NULL), -1);
    world->dated = false;
    assert_int_equal(
        tls_identity_verify(world->agent, STR("fields"), made, certificate, take_peer, world, NULL), 0);
    buf_done(&signature);
}

/* R-E2E.40b: a key of another kind cannot be used, and that is said at once. */
static void other_keys(void **state)
{
    struct world *world = *state;
    char ca[PKI_PATH_BYTES], own[PKI_PATH_BYTES];
    struct tls_settings settings = {.ca_file = pki_path(&world->pki, "ca.pem", ca),
                                    .certificate_file = pki_path(&world->pki, "rsa.pem", own),
                                    .key_file = own};
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = pki_certificate(key, "rsa", "DNS:x", world->pki.certificate, world->pki.key, -1, 1);
    struct error err;

    pki_save(&world->pki, "rsa.pem", certificate, key);
    assert_null(tls_identity_new(&settings, &err));
    assert_int_equal(err.code, ERROR_SECURE_SESSION_NOT_SUPPORTED);
    assert_string_equal(err.path, own);
    settings.ca_file = NULL;
    assert_null(tls_identity_new(&settings, &err));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(speaks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_keys, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
