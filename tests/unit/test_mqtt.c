/* SPDX-License-Identifier: BSD-3-Clause */
/* The MQTT client with a real broker (mosquitto), and with a broker of bytes for what a real one does not do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/pki.h"
#include "tests/unit/process.h"
#include "tests/unit/wait.h"
#include "transports/mqtt.h"

struct side {
    struct mqtt_client *client;
    int connected, disconnected, subscribed, messages;
    int reason; /* of the last SUBACK */
    size_t bytes;
    bool session_present;
    char assigned[100], why[ERROR_MESSAGE_BYTES];
    char topic[100], text[100], response_topic[100], content_type[100];
    char properties[200];  /* "name=value " of CONNACK */
    const char *subscribe; /* when connected */
    bool answer;           /* each message to its response topic */
    bool stop;             /* in the next callback */
};

struct fixture {
    struct loop loop;
    struct side one, two;
    struct mqtt_settings settings;
    char folder[64];
    pid_t broker;
    uint16_t port, tls_port;
    struct pki pki;
    char paths[3][PKI_PATH_BYTES];
    int fd, peer; /* the broker of bytes */
};

static const char *broker_program(void)
{
    return access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : NULL;
}

static void maybe_stop(struct side *side)
{
    if (side->stop)
        mqtt_client_stop(side->client);
    side->stop = false;
}

static void on_connected(void *ctx, const struct mqtt_connack *connack)
{
    struct side *side = ctx;

    side->connected++;
    side->session_present = connack->session_present;
    snprintf(side->assigned, sizeof(side->assigned), "%s",
             connack->assigned_client_id ? connack->assigned_client_id : "");
    side->properties[0] = '\0';
    for (size_t i = 0; i < connack->properties_count; i++)
        snprintf(side->properties + strlen(side->properties),
                 sizeof(side->properties) - strlen(side->properties), "%s=%s ", connack->properties[i].name,
                 connack->properties[i].value);
    if (side->subscribe)
        assert_int_equal(mqtt_client_subscribe(side->client, side->subscribe, 1, NULL), 0);
    maybe_stop(side);
}

static void on_disconnected(void *ctx, const struct error *err)
{
    struct side *side = ctx;

    side->disconnected++;
    snprintf(side->why, sizeof(side->why), "%s", err->message);
    maybe_stop(side);
}

static void on_subscribed(void *ctx, const char *topic, int qos_or_reason)
{
    struct side *side = ctx;

    (void)topic;
    side->subscribed++;
    side->reason = qos_or_reason;
}

static void on_message(void *ctx, const struct mqtt_message *message)
{
    struct side *side = ctx;
    struct mqtt_publication answer = {
        .topic = message->response_topic, .payload = message->payload, .len = message->len};

    side->messages++;
    side->bytes += message->len;
    snprintf(side->topic, sizeof(side->topic), "%s", message->topic);
    snprintf(side->text, sizeof(side->text), "%.*s", (int)(message->len < 90 ? message->len : 90),
             (const char *)message->payload);
    snprintf(side->response_topic, sizeof(side->response_topic), "%s",
             message->response_topic ? message->response_topic : "");
    snprintf(side->content_type, sizeof(side->content_type), "%s",
             message->content_type ? message->content_type : "");
    if (side->answer && message->response_topic)
        assert_int_equal(mqtt_client_publish(side->client, &answer, NULL), 0);
    maybe_stop(side);
}

static const struct mqtt_ops ops = {.connected = on_connected,
                                    .disconnected = on_disconnected,
                                    .subscribed = on_subscribed,
                                    .message = on_message};

/* ---- the broker ---- */

static void start_broker(struct fixture *f)
{
    char config[100];
    char *argv[] = {"mosquitto", "-c", config, NULL};

    snprintf(config, sizeof(config), "%s/broker.conf", f->folder);
    f->broker = process_start(broker_program(), argv);
    process_wait_port(f->broker, f->port);
}

static void configure_broker(struct fixture *f, const char *more)
{
    char path[100];
    FILE *file;

    snprintf(path, sizeof(path), "%s/broker.conf", f->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(
        file,
        "per_listener_settings false\nallow_anonymous true\nlistener %u 127.0.0.1\nlistener %u 127.0.0.1\n"
        "cafile %s/ca.pem\ncertfile %s/server\nkeyfile %s/server\nmax_queued_messages 0\nuser root\n%s",
        f->port, f->tls_port, f->pki.folder, f->pki.folder, f->pki.folder, more);
    fclose(file);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    pki_init(&f->pki);
    pki_issue(&f->pki, "server", "DNS:localhost,IP:127.0.0.1", -1, 10);
    snprintf(f->folder, sizeof(f->folder), "%s", f->pki.folder);
    f->port = process_free_port();
    f->tls_port = process_free_port();
    f->fd = f->peer = -1;
    f->one.client = mqtt_client_new(&f->loop, &ops, &f->one);
    f->two.client = mqtt_client_new(&f->loop, &ops, &f->two);
    assert_non_null(f->one.client);
    assert_non_null(f->two.client);
    f->settings = (struct mqtt_settings){
        .version = MQTT_5_0,
        .host = "127.0.0.1",
        .port = f->port,
        .keep_alive_s = 60,
        .clean = true,
        .request_problem_info = true,
        .retry_s = 1,
        .retry_multiplier = 1000,
        .retry_max_s = 1,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    mqtt_client_free(f->one.client);
    mqtt_client_free(f->two.client);
    process_stop(f->broker);
    if (f->fd >= 0)
        close(f->fd);
    if (f->peer >= 0)
        close(f->peer);
    loop_done(&f->loop);
    pki_done(&f->pki);
    free(f);
    return 0;
}

static int setup_broker(void **state)
{
    struct fixture *f;

    setup(state);
    f = *state;
    if (broker_program()) {
        configure_broker(f, "");
        start_broker(f);
    }
    return 0;
}

#define NEED_BROKER()                                      \
    do {                                                   \
        if (!broker_program()) {                           \
            print_message("mosquitto is not installed\n"); \
            skip();                                        \
        }                                                  \
    } while (0)

static void start(struct fixture *f, struct side *side, const char *id)
{
    struct error err;

    f->settings.client_id = id;
    if (mqtt_client_start(side->client, &f->settings, &err) < 0)
        fail_msg("%s: %s", err.path, err.message);
    WAIT_FOR(&f->loop, side->connected || side->disconnected);
    if (!side->connected)
        fail_msg("%s", side->why);
}

static int publish(struct side *side, const char *topic, const char *text, int qos,
                   const char *response_topic)
{
    struct mqtt_publication publication = {.topic = topic,
                                           .payload = text,
                                           .len = strlen(text),
                                           .qos = qos,
                                           .response_topic = response_topic,
                                           .content_type = "usp.msg"};

    return mqtt_client_publish(side->client, &publication, NULL);
}

/* ---- tests ---- */

static void exchange(struct fixture *f)
{
    f->one.subscribe = "usp/agent";
    f->one.answer = true;
    f->two.subscribe = "usp/ctl";
    start(f, &f->one, "agent");
    start(f, &f->two, "controller");
    WAIT_FOR(&f->loop, f->one.subscribed && f->two.subscribed);
    assert_int_equal(f->one.reason, 1);
    assert_int_equal(publish(&f->two, "usp/agent", "hello", 1, "usp/ctl"), 0);
    WAIT_FOR(&f->loop, f->one.messages);
    assert_string_equal(f->one.text, "hello");
}

static void test_v5(void **state)
{
    struct fixture *f = *state;

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
    assert_int_equal(publish(&f->one, "x", "y", 0, NULL), -1);
}

static void test_v311(void **state)
{
    struct fixture *f = *state;

    NEED_BROKER();
    f->settings.version = MQTT_3_1_1;
    exchange(f);
    assert_string_equal(f->one.response_topic, "");
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 100000, LIMIT_RECORD_BYTES};
    struct fixture *f = *state;
    struct mqtt_publication publication = {.topic = "big"};
    char *data = calloc(1, LIMIT_RECORD_BYTES);
    size_t bytes = 0;
    int n = 0;

    NEED_BROKER();
    f->one.subscribe = "big";
    start(f, &f->one, "one");
    start(f, &f->two, "two");
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
    struct fixture *f = *state;
    const int count = 5000;
    int sent = 0;

    NEED_BROKER();
    f->one.subscribe = "many";
    start(f, &f->one, "one");
    start(f, &f->two, "two");
    WAIT_FOR(&f->loop, f->one.subscribed);
    while (sent < count) {
        for (int i = 0; i < 50; i++, sent++)
            assert_int_equal(publish(&f->two, "many", "x", i % 2, NULL), 0);
        wait_turn(&f->loop);
    }
    WAIT_FOR(&f->loop, f->one.messages == count);
}

static void test_assigned_id(void **state)
{
    struct fixture *f = *state;

    NEED_BROKER();
    start(f, &f->one, NULL);
    assert_true(strlen(f->one.assigned) > 0);
    mqtt_client_reconnect(f->one.client);
    WAIT_FOR(&f->loop, f->one.connected == 2);
    assert_int_equal(f->one.disconnected, 0);
}

static void test_session(void **state)
{
    struct fixture *f = *state;

    NEED_BROKER();
    f->settings.clean = false;
    f->settings.session_expiry_s = 1000;
    f->one.subscribe = "kept";
    start(f, &f->one, "one");
    WAIT_FOR(&f->loop, f->one.subscribed);
    assert_false(f->one.session_present);
    mqtt_client_stop(f->one.client);
    start(f, &f->two, "two");
    assert_int_equal(publish(&f->two, "kept", "while away", 1, NULL), 0);
    f->one.subscribe = NULL;
    start(f, &f->one, "one");
    WAIT_FOR(&f->loop, f->one.messages);
    assert_string_equal(f->one.text, "while away");
    assert_true(f->one.session_present);
}

static void test_will(void **state)
{
    struct fixture *f = *state;

    NEED_BROKER();
    f->two.subscribe = "last";
    start(f, &f->two, "two");
    WAIT_FOR(&f->loop, f->two.subscribed);
    f->settings.will = (struct mqtt_will){
        .topic = "last", .payload = "gone", .len = 4, .content_type = "text"};
    start(f, &f->one, "one");
    /* R-MQTT.35: DISCONNECT, so no will. */
    mqtt_client_stop(f->one.client);
    f->one.connected = 0;
    start(f, &f->one, "one");
    assert_int_equal(f->two.messages, 0);
    /* Another client under the same name makes the broker break the connection. */
    f->settings.will.topic = NULL;
    struct side thief = {.client = mqtt_client_new(&f->loop, &ops, &thief)};
    start(f, &thief, "one");
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
    struct fixture *f = *state;

    NEED_BROKER();
    start(f, &f->one, "one");
    process_stop(f->broker);
    f->broker = 0;
    WAIT_FOR(&f->loop, f->one.disconnected);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_ERROR_UNREACHABLE);
    WAIT_FOR(&f->loop, f->one.disconnected >= 2);
    if (!strstr(f->one.why, "refused"))
        fail_msg("%s", f->one.why);
    start_broker(f);
    WAIT_FOR(&f->loop, f->one.connected == 2);
}

static void test_stop_in_callbacks(void **state)
{
    struct fixture *f = *state;

    NEED_BROKER();
    f->one.stop = true;
    start(f, &f->one, "one");
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_DISABLED);
    f->one.connected = 0;
    f->one.subscribe = "stop";
    start(f, &f->one, "one");
    WAIT_FOR(&f->loop, f->one.subscribed);
    f->one.stop = true;
    publish(&f->one, "stop", "1", 0, NULL);
    publish(&f->one, "stop", "2", 0, NULL);
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
    struct fixture *f = *state;
    char path[100], more[200];
    FILE *file;

    NEED_BROKER();
    process_stop(f->broker);
    snprintf(path, sizeof(path), "%s/acl", f->folder);
    file = fopen(path, "w");
    fprintf(file, "user nobody\ntopic write none\n");
    fclose(file);
    snprintf(more, sizeof(more), "acl_file %s\n", path);
    configure_broker(f, more);
    start_broker(f);
    start(f, &f->one, "one");
    assert_int_equal(mqtt_client_subscribe(f->one.client, "secret", 1, NULL), 0);
    WAIT_FOR(&f->loop, f->one.subscribed);
    assert_true(f->one.reason == 0x87 ||
                f->one.reason <= 1); /* mosquitto refuses the messages, not the subscription */
    assert_int_equal(mqtt_client_subscribe(f->one.client, "bad/#/filter", 1, NULL), -1);
    mqtt_client_stop(f->one.client);
    process_stop(f->broker);
    configure_broker(f, "allow_anonymous false\n");
    start_broker(f);
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
    struct fixture *f = *state;
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

static void expect_tls(struct fixture *f, const char *host, const char *ca, const char *certificate,
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
    struct fixture *f = *state;
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
        assert_int_equal(publish(&f->one, "tls", "hello", i % 2, NULL), 0);
    WAIT_FOR(&f->loop, f->one.messages == 500);
    f->one.subscribe = NULL;
    expect_tls(f, "127.0.0.1", "ca.pem", NULL, NULL);
    expect_tls(f, "localhost", "other.pem", NULL, "certificate is refused: ");
    expect_tls(f, "127.0.0.2", "ca.pem", NULL, "refused"); /* nobody listens there */
    process_stop(f->broker);
    pki_issue(&f->pki, "server", "DNS:example.com", -1, 10);
    snprintf(more, sizeof(more), "require_certificate true\n");
    configure_broker(f, more);
    start_broker(f);
    expect_tls(f, "localhost", "ca.pem", "client", "hostname mismatch");
    process_stop(f->broker);
    pki_issue(&f->pki, "server", "DNS:localhost", -9, -2);
    start_broker(f);
    expect_tls(f, "localhost", "ca.pem", "client", "expired");
    process_stop(f->broker);
    pki_issue(&f->pki, "server", "DNS:localhost", -9, 2);
    start_broker(f);
    expect_tls(f, "localhost", "ca.pem", "client", NULL);
    expect_tls(f, "localhost", "ca.pem", NULL, "");
    pki_done(&other);
}

/* ---- a broker of bytes ---- */

static void listen_raw(struct fixture *f)
{
    f->fd = process_socket(f->port, bind);
    assert_true(f->fd >= 0);
    assert_int_equal(listen(f->fd, 5), 0);
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

static void accept_raw(struct fixture *f)
{
    if (f->peer >= 0)
        close(f->peer);
    f->peer = -1;
    WAIT_FOR(&f->loop, (f->peer = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0);
}

static ssize_t read_raw(struct fixture *f, void *to, size_t size)
{
    ssize_t n = -1;

    WAIT_FOR(&f->loop, (n = read(f->peer, to, size)) >= 0 || errno != EAGAIN);
    return n;
}

static void test_connack(void **state)
{
    static const uint8_t connack[] = "\x20\x40\x00\x00\x3d"
                                     "\x12\x00\x05mine1"
                                     "\x13\x00\x1e"
                                     "\x26\x00\x0fsubscribe-topic\x00\x05usp/a"
                                     "\x26\x00\x0fsubscribe-topic\x00\x05usp/b";
    struct fixture *f = *state;
    uint8_t packet[500];

    listen_raw(f);
    f->settings.connect_properties = (const struct mqtt_property[]){{"usp-endpoint-id", "os::x"}};
    f->settings.connect_properties_count = 1;
    f->settings.request_response_info = true;
    f->settings.receive_maximum = 7;
    f->settings.maximum_packet = 100000;
    mqtt_client_start(f->one.client, &f->settings, NULL);
    accept_raw(f);
    ssize_t n = read_raw(f, packet, sizeof(packet));
    assert_true(n > 20);
    assert_int_equal(packet[0], 0x10);
    assert_non_null(
        memmem(packet, (size_t)n, "\x26\x00\x0fusp-endpoint-id\x00\x05os::x", 25)); /* R-MQTT.13 */
    assert_non_null(memmem(packet, (size_t)n, "\x19\x01", 2));                      /* R-MQTT.12 */
    assert_non_null(memmem(packet, (size_t)n, "\x21\x00\x07", 3));
    assert_non_null(memmem(packet, (size_t)n, "\x27\x00\x01\x86\xa0", 5));
    assert_int_equal(write(f->peer, connack, sizeof(connack) - 1), sizeof(connack) - 1);
    WAIT_FOR(&f->loop, f->one.connected);
    assert_string_equal(f->one.assigned, "mine1");
    assert_string_equal(f->one.properties, "subscribe-topic=usp/a subscribe-topic=usp/b ");
    /* R-MQTT.35 */
    mqtt_client_stop(f->one.client);
    n = read_raw(f, packet, sizeof(packet));
    assert_true(n >= 2);
    assert_int_equal(packet[0], 0xe0);
    assert_int_equal(read_raw(f, packet, sizeof(packet)), 0);
}

static void test_silent_broker(void **state)
{
    struct fixture *f = *state;
    uint8_t packet[500];

    clock_fake(&f->loop.clock, 1700000000);
    listen_raw(f);
    mqtt_client_start(f->one.client, &f->settings, NULL);
    accept_raw(f);
    assert_true(read_raw(f, packet, sizeof(packet)) > 0);
    clock_fake_advance(&f->loop.clock, 15000);
    timers_run(&f->loop.timers);
    assert_int_equal(f->one.disconnected, 1);
    assert_non_null(strstr(f->one.why, "no answer"));
    /* R-MQTT.10: the next attempt after the back-off, here exactly one second. */
    clock_fake_advance(&f->loop.clock, 999);
    timers_run(&f->loop.timers);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_ERROR_UNREACHABLE);
    clock_fake_advance(&f->loop.clock, 1);
    timers_run(&f->loop.timers);
    assert_int_equal(mqtt_client_status(f->one.client), MQTT_STATUS_CONNECTING);
    accept_raw(f);
}

static void test_garbage(void **state)
{
    static const char *const garbage[] = {"\x20\x02\x00\x05", "HTTP/1.1 400 Bad Request\r\n\r\n",
                                          "\xff\xff\xff\xff\xff\xff", "\x30\xff\xff\xff\x7f\x00\x01x"};
    struct fixture *f = *state;
    uint8_t packet[500];

    listen_raw(f);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        f->one.disconnected = 0;
        mqtt_client_start(f->one.client, &f->settings, NULL);
        accept_raw(f);
        assert_true(read_raw(f, packet, sizeof(packet)) > 0);
        assert_true(write(f->peer, garbage[i], i == 0 ? 4 : strlen(garbage[i])) > 0);
        shutdown(f->peer, SHUT_RDWR);
        WAIT_FOR(&f->loop, f->one.disconnected);
        assert_int_equal(f->one.connected, 0);
    }
}

/* A broker that does not read: what waits is bounded, and nothing spins. */
static void test_queue_limit(void **state)
{
    struct fixture *f = *state;
    struct mqtt_publication publication = {.topic = "t", .len = 1 << 20};
    uint8_t packet[500];
    struct rusage before, after;
    int sent = 0;

    listen_raw(f);
    mqtt_client_start(f->one.client, &f->settings, NULL);
    accept_raw(f);
    read_raw(f, packet, sizeof(packet));
    assert_int_equal(write(f->peer, "\x20\x03\x00\x00\x00", 5), 5);
    WAIT_FOR(&f->loop, f->one.connected);
    publication.payload = calloc(1, publication.len);
    while (sent < 100 && mqtt_client_publish(f->one.client, &publication, NULL) == 0)
        sent++;
    free((void *)publication.payload);
    assert_in_range(sent, 31, 40); /* some are in the socket */
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 40; i++)
        wait_turn(&f->loop);
    getrusage(RUSAGE_SELF, &after);
    assert_true((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec -
                    before.ru_utime.tv_usec <
                150000);
    close(f->peer);
    f->peer = -1;
    WAIT_FOR(&f->loop, f->one.disconnected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_v5, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_v311, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_assigned_id, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_session, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_will, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_broker_restarts, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_stop_in_callbacks, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_tls, setup_broker, teardown),
        cmocka_unit_test_setup_teardown(test_unreachable, setup, teardown),
        cmocka_unit_test(test_topics),
        cmocka_unit_test_setup_teardown(test_connack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_limit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
