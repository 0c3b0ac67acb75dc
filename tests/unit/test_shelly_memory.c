/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Shelly dialect when memory runs out: a whole conversation is played again and again, each time with another
 * allocation failing. Nothing may crash or leak (the sanitizers look), a device is there as a whole or not at all, and the
 * next conversation, with memory, goes as it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/dialects/shelly.h"
#include "devices/lan_client.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_home.h"

#define ID "shellyplus1-a8032abe54dc"
#define INFO(version)                                                               \
    "{\"name\":\"Lamp\",\"id\":\"" ID                                               \
    "\",\"mac\":\"A8032ABE54DC\",\"batch\":\"2301-B\",\"model\":\"SNSW-001X16EU\"," \
    "\"gen\":2,\"fw_id\":\"20250101-1/" version "\",\"ver\":\"" version "\",\"app\":\"Plus1\"}"

enum {
    ROUNDS_MAX = 5000,
};

/* Answers whatever was asked last, if anything. */
static void answer(struct fake_home *home, const char *result)
{
    char frame[2048], topic[300];

    if (strncmp(home->frame, "{\"id\":", 6) != 0)
        return;
    snprintf(frame, sizeof(frame), "{\"id\":%lu,\"src\":\"" ID "\",\"result\":%s}",
             strtoul(home->frame + 6, NULL, 10), result);
    snprintf(topic, sizeof(topic), "homepatch/" ID "/rpc");
    home->frame[0] = '\0';
    fake_home_mqtt(home, topic, frame, false);
}

static void event(struct fake_home *home, const char *method, const char *params)
{
    char frame[2048];

    snprintf(frame, sizeof(frame), "{\"src\":\"" ID "\",\"method\":\"%s\",\"params\":%s}", method, params);
    fake_home_mqtt(home, ID "/events/rpc", frame, false);
}

static void update(struct fake_home *home, struct device *device)
{
    struct firmware_install install = {.url = "http://192.168.1.1/x", .path = "/x", .version = "1.5.0"};

    if (device->target.ops->install(&device->target, &install, NULL) < 0)
        return;
    answer(home, "null");
    event(home, "NotifyEvent",
          "{\"events\":[{\"component\":\"sys\",\"event\":\"ota_success\",\"progress_percent\":100}]}");
}

static void play(struct fake_home *home)
{
    struct device *device;

    fake_home_mqtt(home, ID "/online", "true", true);
    answer(home, INFO("1.4.4"));
    answer(home, "{\"uptime\":100,\"available_updates\":{\"stable\":{\"version\":\"1.5.0\"}}}");
    device = registry_find(home->registry, "shelly:" ID);
    if (device)
        update(home, device);
    fake_home_mqtt(home, ID "/online", "false", false);
    fake_home_mqtt(home, ID "/online", "true", false);
    answer(home, INFO("1.5.0"));
    answer(home, "{\"uptime\":1}");
}

static void over_websocket(struct fake_home *home)
{
    struct rate address = {0};
    struct lan_session session = {.address = "192.168.1.9", .path = "/shelly", .new_devices = &address};
    char frame[2048];

    if (home->dialect->opened(home->ctx, &session) < 0)
        return;
    snprintf(frame, sizeof(frame), "{\"id\":%lu,\"src\":\"" ID "\",\"result\":" INFO("1.4.4") "}",
             strncmp(home->frame, "{\"id\":", 6) == 0 ? strtoul(home->frame + 6, NULL, 10) : 0);
    home->frame[0] = '\0';
    home->dialect->message(home->ctx, &session, false, (const uint8_t *)frame, strlen(frame));
    home->dialect->closed(home->ctx, &session);
}

/* The body of an answer to whatever was asked last on the session. */
static void say(struct fake_home *home, struct lan_session *session, const char *body)
{
    char frame[2048];

    if (strncmp(home->frame, "{\"id\":", 6) != 0)
        return;
    snprintf(frame, sizeof(frame), "{\"id\":%lu,\"src\":\"" ID "\",%s}", strtoul(home->frame + 6, NULL, 10),
             body);
    home->frame[0] = '\0';
    home->dialect->message(home->ctx, session, false, (const uint8_t *)frame, strlen(frame));
}

/* We connected to it: it asks for the password, takes it, then refuses it. */
static void with_password(struct fake_home *home)
{
    static const char challenge[] =
        "\"error\":{\"code\":401,\"message\":\"{\\\"auth_type\\\":\\\"digest\\\",\\\"nonce\\\":7,\\\"realm\\\":\\\"" ID
        "\\\",\\\"algorithm\\\":\\\"SHA-256\\\"}\"}";
    struct firmware_install install = {.url = "http://192.168.1.1/x", .path = "/x", .version = "1.5.0"};
    struct rate address = {0};
    struct lan_session session = {.address = "192.168.1.9",
                                  .path = "/rpc",
                                  .outbound = true,
                                  .entry = "192.168.1.9",
                                  .password = "secret",
                                  .new_devices = &address};
    struct device *device;

    if (home->dialect->opened(home->ctx, &session) < 0)
        return;
    say(home, &session, "\"result\":" INFO("1.4.4"));
    say(home, &session, challenge);
    say(home, &session, "\"result\":{\"uptime\":100}");
    device = registry_find(home->registry, "shelly:" ID);
    if (device && device->target.ops->install(&device->target, &install, NULL) == 0) {
        say(home, &session, challenge);
        say(home, &session, challenge);
    }
    home->dialect->closed(home->ctx, &session);
}

/* Plays with each allocation failing in turn; the number of rounds. */
static unsigned long fail_each(void (*conversation)(struct fake_home *home))
{
    unsigned long n = 1;

    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct fake_home home;
        struct device *device;

        fake_home_init(&home, &shelly_dialect, NULL);
        failing_alloc_arm(n);
        conversation(&home);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        fake_home_advance(&home, 200000); /* whatever was given up is over */
        conversation(&home);
        device = registry_find(home.registry, "shelly:" ID);
        assert_int_equal(home.registry->count, 1);
        assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "A8032ABE54DC");
        fake_home_done(&home, false);
    }
    assert_true(n < ROUNDS_MAX);
    return n;
}

static void mqtt(void **state)
{
    (void)state;
    assert_true(fail_each(play) > 50);
}

static void websocket(void **state)
{
    (void)state;
    assert_true(fail_each(over_websocket) > 20);
}

static void password(void **state)
{
    (void)state;
    assert_true(fail_each(with_password) > 30);
}

/* Rows that cannot be read for want of memory are counted, or the start fails; no half row comes up. */
static void restore(void **state)
{
    bool hit = true;

    (void)state;
    for (unsigned long n = 1; hit && n < ROUNDS_MAX; n++) {
        struct store *store = store_open(":memory:", NULL, NULL);
        struct fake_home home;

        fake_home_init(&home, &shelly_dialect, store);
        play(&home);
        fake_home_done(&home, true);
        fake_home_init(&home, &shelly_dialect, store);
        failing_alloc_arm(n);
        registry_load(home.registry, dialect_find, NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true(hit || home.registry->count == 1);
        for (uint32_t i = 0; i < home.registry->count; i++)
            assert_string_equal(device_text(home.registry->devices[i], DEVICE_MODEL), "SNSW-001X16EU");
        fake_home_done(&home, false);
    }
}

/* The list of devices to connect to, and their passwords: there as a whole, or refused. */
static void list(void **state)
{
    char file[] = "/tmp/homepatch-test-XXXXXX";
    int fd = mkstemp(file);
    static const char lines[] = "192.168.1.20 = one\nname.local:81 = two\n";
    bool hit = true;

    (void)state;
    assert_int_equal(write(fd, lines, sizeof(lines) - 1), sizeof(lines) - 1);
    close(fd);
    for (unsigned long n = 1; hit && n < ROUNDS_MAX; n++) {
        struct loop loop;
        struct lan_client *lan;
        bool listed, known;

        assert_int_equal(loop_init(&loop, NULL), 0);
        failing_alloc_arm(n);
        lan = lan_client_new(&loop);
        listed = lan && lan_client_add(lan, &shelly_dialect, NULL, "192.168.1.20, name.local:81", NULL) == 0;
        known = listed && lan_client_passwords(lan, file, NULL) == 0;
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true(hit || known);
        if (listed)
            assert_int_equal(lan_client_passwords(lan, file, NULL), 0);
        lan_client_free(lan);
        loop_done(&loop);
    }
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mqtt),    cmocka_unit_test(websocket), cmocka_unit_test(password),
        cmocka_unit_test(restore), cmocka_unit_test(list),
    };

    failing_alloc_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
