/* SPDX-License-Identifier: BSD-3-Clause */
/* The MQTT client with a real broker. */
#include "base/limits.h"
#include "tests/unit/mqtt_sides.h"

/* ---- tests ---- */

static void exchange(struct mq_fixture *f)
{
    f->one.subscribe = "usp/agent";
    f->one.answer = true;
    f->two.subscribe = "usp/ctl";
    mq_start(f, &f->one, "agent");
    mq_start(f, &f->two, "controller");
    WAIT_FOR(&f->loop, f->one.subscribed && f->two.subscribed);
    assert_int_equal(f->one.reason, 1);
    assert_int_equal(mq_publish(&f->two, "usp/agent", "hello", 1, "usp/ctl"), 0);
    WAIT_FOR(&f->loop, f->one.messages);
    assert_string_equal(f->one.text, "hello");
}

static void test_v5(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    exchange(f);
    WAIT_FOR(&f->loop, f->two.messages);
    assert_string_equal(f->two.text, "hello");
    assert_string_equal(f->one.response_topic, "usp/ctl");
    assert_string_equal(f->one.content_type, "usp.msg");
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_CONNECTED);
    assert_int_equal(mqtt_client_stats(f->one.client)->publish_received, 1);
    assert_int_equal(mqtt_client_stats(f->one.client)->publish_sent, 1);
    assert_int_equal(mqtt_client_unsubscribe(f->one.client, "usp/agent", NULL), 0);
    mqtt_client_stop(f->one.client);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_DISABLED);
    assert_int_equal(mq_publish(&f->one, "x", "y", 0, NULL), -1);
}

static void test_v311(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    f->settings.version = MQTT_3_1_1;
    exchange(f);
    assert_string_equal(f->one.response_topic, "");
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 100000, LIMIT_RECORD_BYTES};
    struct mq_fixture *f = *state;
    struct mqtt_publication publication = {.topic = "big"};
    char *data = calloc(1, LIMIT_RECORD_BYTES);
    size_t bytes = 0;
    int n = 0;

    NEED_BROKER();
    f->one.subscribe = "big";
    mq_start(f, &f->one, "one");
    mq_start(f, &f->two, "two");
    WAIT_FOR(&f->loop, f->one.subscribed);
    publication.payload = data;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int qos = 0; qos < 2; qos++) {
            publication.len = sizes[i];
            publication.qos = qos;
            assert_int_equal(mqtt_client_publish(f->two.client, &publication, NULL), 0);
            bytes += sizes[i];
            n++;
        }
        WAIT_FOR(&f->loop, f->one.messages == n);
        assert_int_equal(f->one.bytes, bytes);
    }
    free(data);
}

static void test_many(void **state)
{
    struct mq_fixture *f = *state;
    const int count = 5000;
    int sent = 0;

    NEED_BROKER();
    f->one.subscribe = "many";
    mq_start(f, &f->one, "one");
    mq_start(f, &f->two, "two");
    WAIT_FOR(&f->loop, f->one.subscribed);
    while (sent < count) {
        for (int i = 0; i < 50; i++, sent++)
            assert_int_equal(mq_publish(&f->two, "many", "x", i % 2, NULL), 0);
        wait_turn(&f->loop);
    }
    WAIT_FOR(&f->loop, f->one.messages == count);
}

static void test_assigned_id(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    mq_start(f, &f->one, NULL);
    assert_true(strlen(f->one.assigned) > 0);
    mqtt_client_reconnect(f->one.client);
    WAIT_FOR(&f->loop, f->one.connected == 2);
    assert_int_equal(f->one.disconnected, 0);
}

static void test_session(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    f->settings.clean = false;
    f->settings.session_expiry_s = 1000;
    f->one.subscribe = "kept";
    mq_start(f, &f->one, "one");
    WAIT_FOR(&f->loop, f->one.subscribed);
    assert_false(f->one.session_present);
    mqtt_client_stop(f->one.client);
    mq_start(f, &f->two, "two");
    assert_int_equal(mq_publish(&f->two, "kept", "while away", 1, NULL), 0);
    f->one.subscribe = NULL;
    mq_start(f, &f->one, "one");
    WAIT_FOR(&f->loop, f->one.messages);
    assert_string_equal(f->one.text, "while away");
    assert_true(f->one.session_present);
}

static void test_will(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    f->two.subscribe = "last";
    mq_start(f, &f->two, "two");
    WAIT_FOR(&f->loop, f->two.subscribed);
    f->settings.will = (struct mqtt_will){
        .topic = "last", .payload = "gone", .len = 4, .content_type = "text"};
    mq_start(f, &f->one, "one");
    /* R-MQTT.35: DISCONNECT, so no will. */
    mqtt_client_stop(f->one.client);
    f->one.connected = 0;
    mq_start(f, &f->one, "one");
    assert_int_equal(f->two.messages, 0);
    /* Another client under the same name makes the broker break the connection. */
    f->settings.will.topic = NULL;
    struct mq_side thief = {.client = mqtt_client_new(&f->loop, &mq_ops, &thief)};
    mq_start(f, &thief, "one");
    WAIT_FOR(&f->loop, f->two.messages == 1);
    assert_string_equal(f->two.text, "gone");
    assert_string_equal(f->two.content_type, "text");
    WAIT_FOR(&f->loop, f->one.disconnected);
    if (!strstr(f->one.why, "aken over") && !strstr(f->one.why, "lost"))
        fail_msg("%s", f->one.why);
    mqtt_client_stop(f->one.client);
    mqtt_client_free(thief.client);
}

static void test_broker_restarts(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    mq_start(f, &f->one, "one");
    process_stop(f->broker);
    f->broker = 0;
    WAIT_FOR(&f->loop, f->one.disconnected);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_ERROR_UNREACHABLE);
    WAIT_FOR(&f->loop, f->one.disconnected >= 2);
    if (!strstr(f->one.why, "refused"))
        fail_msg("%s", f->one.why);
    mq_start_broker(f);
    WAIT_FOR(&f->loop, f->one.connected == 2);
}

static void test_stop_in_callbacks(void **state)
{
    struct mq_fixture *f = *state;

    NEED_BROKER();
    f->one.stop = true;
    mq_start(f, &f->one, "one");
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_DISABLED);
    f->one.connected = 0;
    f->one.subscribe = "stop";
    mq_start(f, &f->one, "one");
    WAIT_FOR(&f->loop, f->one.subscribed);
    f->one.stop = true;
    mq_publish(&f->one, "stop", "1", 0, NULL);
    mq_publish(&f->one, "stop", "2", 0, NULL);
    WAIT_FOR(&f->loop, f->one.messages);
    for (int i = 0; i < 5; i++)
        wait_turn(&f->loop);
    assert_int_equal(f->one.messages, 1);
    process_stop(f->broker);
    f->broker = 0;
    f->one.stop = true;
    f->settings.client_id = "one";
    mqtt_client_start(f->one.client, &f->settings, NULL);
    WAIT_FOR(&f->loop, f->one.disconnected);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_DISABLED);
}

static void test_refused(void **state)
{
    struct mq_fixture *f = *state;
    char path[100], more[200];
    FILE *file;

    NEED_BROKER();
    process_stop(f->broker);
    snprintf(path, sizeof(path), "%s/acl", f->folder);
    file = fopen(path, "w");
    fprintf(file, "user nobody\ntopic write none\n");
    fclose(file);
    snprintf(more, sizeof(more), "acl_file %s\n", path);
    mq_configure_broker(f, more);
    mq_start_broker(f);
    mq_start(f, &f->one, "one");
    assert_int_equal(mqtt_client_subscribe(f->one.client, "secret", 1, NULL), 0);
    WAIT_FOR(&f->loop, f->one.subscribed);
    assert_true(f->one.reason == 0x87 ||
                f->one.reason <= 1); /* mosquitto refuses the messages, not the subscription */
    assert_int_equal(mqtt_client_subscribe(f->one.client, "bad/#/filter", 1, NULL), -1);
    mqtt_client_stop(f->one.client);
    process_stop(f->broker);
    mq_configure_broker(f, "allow_anonymous false\n");
    mq_start_broker(f);
    f->one.disconnected = 0;
    mqtt_client_start(f->one.client, &f->settings, NULL);
    WAIT_FOR(&f->loop, f->one.disconnected);
    if (!strstr(f->one.why, "ot authori"))
        fail_msg("%s", f->one.why);
    f->settings.version = MQTT_3_1_1;
    f->one.disconnected = 0;
    mqtt_client_start(f->one.client, &f->settings, NULL);
    WAIT_FOR(&f->loop, f->one.disconnected);
    if (!strstr(f->one.why, "ot authori"))
        fail_msg("%s", f->one.why);
}

static void test_unreachable(void **state)
{
    struct mq_fixture *f = *state;
    struct error err;

    f->settings.host = "name.invalid";
    mqtt_client_start(f->one.client, &f->settings, NULL);
    WAIT_FOR(&f->loop, f->one.disconnected);
    assert_non_null(strstr(f->one.why, "resolve"));
    mqtt_client_start(f->one.client, &f->settings, NULL); /* and gone while the name is being resolved */
    mqtt_client_stop(f->one.client);
    f->settings.host = "";
    assert_int_equal(mqtt_client_start(f->one.client, &f->settings, &err), -1);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_ERROR_MISCONFIGURED);
    f->settings.host = "localhost";
    f->settings.tls = true;
    f->settings.tls_settings.ca_file = "/nonexistent";
    assert_int_equal(mqtt_client_start(f->one.client, &f->settings, &err), -1);
    assert_non_null(strstr(err.message, "o such file"));
}

static void test_topics(void **state)
{
    (void)state;
    assert_true(mqtt_topic_matches("a/+/c", "a/b/c"));
    assert_true(mqtt_topic_matches("a/#", "a/b/c"));
    assert_false(mqtt_topic_matches("a/+", "a/b/c"));
    assert_true(mqtt_topic_matches("a", "a"));
    assert_false(mqtt_topic_matches("#", "$SYS/x"));
}

/* ---- TLS ---- */

static void expect_tls(struct mq_fixture *f, const char *host, const char *ca, const char *certificate,
                       const char *why)
{
    f->one.connected = f->one.disconnected = 0;
    f->settings.host = host;
    f->settings.tls = true;
    f->settings.tls_settings.ca_file = pki_path(&f->pki, ca, f->paths[0]);
    f->settings.tls_settings.certificate_file = certificate ? pki_path(&f->pki, certificate, f->paths[1])
                                                            : NULL;
    mqtt_client_start(f->one.client, &f->settings, NULL);
    WAIT_FOR(&f->loop, f->one.connected || f->one.disconnected);
    if (!why && !f->one.connected)
        fail_msg("%s", f->one.why);
    if (why && (f->one.connected || !strstr(f->one.why, why)))
        fail_msg("%s %s %s: connected %d: %s", host, ca, why, f->one.connected, f->one.why);
    if (why)
        mqtt_client_stop(f->one.client);
}

static void test_tls(void **state)
{
    struct mq_fixture *f = *state;
    char more[200];
    struct pki other;

    NEED_BROKER();
    pki_init(&other);
    pki_save(&f->pki, "other.pem", other.certificate, NULL);
    pki_issue(&f->pki, "client", "URI:urn:bbf:usp:id:self::client", -1, 10);
    f->settings.port = f->tls_port;
    f->one.subscribe = "tls";
    expect_tls(f, "localhost", "ca.pem", NULL, NULL);
    WAIT_FOR(&f->loop, f->one.subscribed);
    for (int i = 0; i < 500; i++)
        assert_int_equal(mq_publish(&f->one, "tls", "hello", i % 2, NULL), 0);
    WAIT_FOR(&f->loop, f->one.messages == 500);
    f->one.subscribe = NULL;
    expect_tls(f, "127.0.0.1", "ca.pem", NULL, NULL);
    expect_tls(f, "localhost", "other.pem", NULL, "certificate is refused: ");
    expect_tls(f, "127.0.0.2", "ca.pem", NULL, "refused"); /* nobody listens there */
    process_stop(f->broker);
    pki_issue(&f->pki, "server", "DNS:example.com", -1, 10);
    snprintf(more, sizeof(more), "require_certificate true\n");
    mq_configure_broker(f, more);
    mq_start_broker(f);
    expect_tls(f, "localhost", "ca.pem", "client", "hostname mismatch");
    process_stop(f->broker);
    pki_issue(&f->pki, "server", "DNS:localhost", -9, -2);
    mq_start_broker(f);
    expect_tls(f, "localhost", "ca.pem", "client", "expired");
    process_stop(f->broker);
    pki_issue(&f->pki, "server", "DNS:localhost", -9, 2);
    mq_start_broker(f);
    expect_tls(f, "localhost", "ca.pem", "client", NULL);
    expect_tls(f, "localhost", "ca.pem", NULL, "");
    pki_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_v5, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_v311, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_sizes, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_many, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_assigned_id, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_session, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_will, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_broker_restarts, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_stop_in_callbacks, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_refused, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_tls, mq_setup_broker, mq_teardown),
        cmocka_unit_test_setup_teardown(test_unreachable, mq_setup, mq_teardown),
        cmocka_unit_test(test_topics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
