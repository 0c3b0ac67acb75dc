/* SPDX-License-Identifier: BSD-3-Clause */
/* The MQTT client with a broker of bytes, for what a real one does not do. */
#include <errno.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "tests/unit/mqtt_sides.h"

static void listen_raw(struct mq_fixture *f)
{
    f->fd = process_socket(f->port, bind);
    assert_true(f->fd >= 0);
    assert_int_equal(listen(f->fd, 5), 0);
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

static void accept_raw(struct mq_fixture *f)
{
    if (f->peer >= 0)
        close(f->peer);
    f->peer = -1;
    WAIT_FOR(&f->loop, (f->peer = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0);
}

static ssize_t read_raw(struct mq_fixture *f, void *to, size_t size)
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
    struct mq_fixture *f = *state;
    uint8_t packet[500];

    listen_raw(f);
    f->settings.user_properties = (const struct mqtt_user_property[]){
        {"usp-endpoint-id", "os::x", MQTT_IN_CONNECT}, {"farewell", "yes", MQTT_IN_DISCONNECT}};
    f->settings.user_properties_count = 2;
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
    assert_non_null(memmem(packet, (size_t)n,
                           "\x26\x00\x08"
                           "farewell\x00\x03yes",
                           16));
    assert_int_equal(read_raw(f, packet, sizeof(packet)), 0);
}

static void test_silent_broker(void **state)
{
    struct mq_fixture *f = *state;
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
    struct mq_fixture *f = *state;
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
    struct mq_fixture *f = *state;
    struct mqtt_publication publication = {.topic = "t", .len = 1 << 20};
    struct limits limits = limits_default;
    struct error err;
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
    limits.queue_bytes = 100 << 20;
    limits.queue_messages = 16; /* fewer wait already */
    f->loop.limits = &limits;
    publication.len = 0;
    assert_int_equal(mqtt_client_publish(f->one.client, &publication, &err), -1);
    assert_non_null(strstr(err.message, "limit_queue_messages is 16"));
    limits.queue_messages = 1000;
    assert_int_equal(mqtt_client_publish(f->one.client, &publication, NULL), 0);
    f->loop.limits = &limits_default;
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

/* New settings wait for the next connection; what packets carry from now on does not. The broker's Maximum QoS counts. */
static void test_configured_later(void **state)
{
    static const uint8_t connack[] = "\x20\x05\x00\x00\x02\x24\x00"; /* Maximum QoS 0 */
    struct mq_fixture *f = *state;
    struct mqtt_publication publication = {.topic = "t", .payload = "x", .len = 1, .qos = 1};
    struct mqtt_filter filters[] = {{"a", 1}, {"b", 0}, {"c", 1}};
    uint8_t packet[500];
    ssize_t n;

    clock_fake(&f->loop.clock, 1700000000);
    listen_raw(f);
    assert_int_equal(mqtt_client_configure(f->one.client, &f->settings, NULL), -1); /* not started */
    mqtt_client_start(f->one.client, &f->settings, NULL);
    accept_raw(f);
    assert_true(read_raw(f, packet, sizeof(packet)) > 0);
    assert_int_equal(write(f->peer, connack, sizeof(connack) - 1), sizeof(connack) - 1);
    WAIT_FOR(&f->loop, f->one.connected);
    f->settings.user_properties = (const struct mqtt_user_property[]){{"k", "v", MQTT_IN_PUBLISH}};
    f->settings.user_properties_count = 1;
    f->settings.keep_alive_s = 99;
    assert_int_equal(mqtt_client_configure(f->one.client, &f->settings, NULL), 0);
    assert_int_equal(mqtt_client_publish(f->one.client, &publication, NULL), 0);
    n = read_raw(f, packet, sizeof(packet));
    assert_int_equal(packet[0], 0x30);
    assert_non_null(memmem(packet, (size_t)n, "\x26\x00\x01k\x00\x01v", 7));
    assert_int_equal(mqtt_client_subscribe_all(f->one.client, filters, 3, NULL), 0);
    n = read_raw(f, packet, sizeof(packet));
    /* Two packets: "b" with QoS 0, "a" and "c" with QoS 1. */
    assert_non_null(memmem(packet, (size_t)n,
                           "\x00\x01"
                           "b\x00",
                           4));
    assert_non_null(memmem(packet, (size_t)n,
                           "\x00\x01"
                           "a\x01\x00\x01"
                           "c\x01",
                           8));
    assert_int_equal(mqtt_client_stats(f->one.client)->subscribe_sent, 2);
    assert_int_equal(write(f->peer, "\x90\x05\x00\x03\x00\x01\x87", 7), 7); /* the packet of "a" and "c" */
    f->one.reason = -1;
    WAIT_FOR(&f->loop, f->one.subscribed == 2);
    assert_int_equal(f->one.reason, 0x87);
    /* Settings that cannot be used change nothing. */
    f->settings.will = (struct mqtt_will){.topic = "w"};
    assert_int_equal(mqtt_client_configure(f->one.client, &f->settings, NULL), -1);
    shutdown(f->peer, SHUT_RDWR);
    WAIT_FOR(&f->loop, f->one.disconnected);
    clock_fake_advance(&f->loop.clock, 1000);
    timers_run(&f->loop.timers);
    accept_raw(f);
    n = read_raw(f, packet, sizeof(packet));
    assert_non_null(memmem(packet, (size_t)n, "MQTT\x05\x02\x00\x63", 8)); /* clean start, 99 s */
    mqtt_client_reset_stats(f->one.client);
    assert_int_equal(mqtt_client_stats(f->one.client)->subscribe_sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connack, mq_setup, mq_teardown),
        cmocka_unit_test_setup_teardown(test_silent_broker, mq_setup, mq_teardown),
        cmocka_unit_test_setup_teardown(test_garbage, mq_setup, mq_teardown),
        cmocka_unit_test_setup_teardown(test_queue_limit, mq_setup, mq_teardown),
        cmocka_unit_test_setup_teardown(test_configured_later, mq_setup, mq_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
