/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Zigbee2MQTT dialect when memory runs out: a whole conversation is played again and again, each time with another
 * allocation failing. Nothing may crash or leak (the sanitizers look), a device is there as a whole or not at all, and the
 * next conversation, with memory, goes as it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/dialects/zigbee2mqtt.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_home.h"

#define ID "0x020d6ffffe010203"
#define ITEM(type)                                                                            \
    "[{\"type\":\"Coordinator\"},{\"type\":\"" type "\",\"ieee_address\":\"" ID               \
    "\",\"friendly_name\":\"lamp\",\"manufacturer\":\"Lumenary\",\"model_id\":\"LMN-E27-W\"," \
    "\"software_build_id\":\"2.3.87\",\"interview_state\":\"SUCCESSFUL\",\"definition\":{\"supports_ota\":true}}]"

enum {
    ROUNDS_MAX = 5000,
    TRANSACTION_BYTES = 44, /* "transaction":"homepatch-1-0123456789abcdef" */
};

/* Answers whatever was asked last, if anything. */
static void answer(struct fake_home *home, const char *verb, const char *status)
{
    const char *transaction = strstr(home->frame, "\"transaction\":");
    char text[1024], topic[128];

    if (!transaction)
        return;
    snprintf(topic, sizeof(topic), "zigbee2mqtt/bridge/response/device/ota_update/%s", verb);
    snprintf(text, sizeof(text), "{\"status\":\"%s\",\"data\":{\"to\":{\"file_version\":2}},%.*s}", status,
             TRANSACTION_BYTES, transaction);
    home->frame[0] = '\0';
    fake_home_mqtt(home, topic, text, false);
}

static void play_with(struct fake_home *home, const char *list)
{
    struct firmware_install install = {
        .url = "http://192.168.1.1/x", .path = "", .version = "", .offer = "latest"};
    struct device *device;

    fake_home_mqtt(home, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}", true);
    fake_home_mqtt(home, "zigbee2mqtt/bridge/devices", list, true);
    fake_home_mqtt(home, "zigbee2mqtt/lamp",
                   "{\"update\":{\"state\":\"available\",\"installed_version\":1,\"latest_version\":2}}",
                   false);
    device = registry_find(home->registry, "zigbee2mqtt:" ID);
    if (device && device->target.ops->install(&device->target, &install, NULL) == 0) {
        if (strstr(home->topic, "schedule"))
            answer(home, "schedule", "ok");
        fake_home_mqtt(home, "zigbee2mqtt/lamp",
                       "{\"update\":{\"state\":\"updating\",\"installed_version\":1,\"progress\":20}}",
                       false);
        fake_home_mqtt(home, "zigbee2mqtt/lamp", "{\"update\":{\"state\":\"idle\",\"installed_version\":2}}",
                       false);
        answer(home, "update", "ok");
        fake_home_mqtt(home, "zigbee2mqtt/lamp", "{\"update\":{\"state\":\"idle\",\"installed_version\":2}}",
                       false);
        answer(home, "check", "ok");
    }
    fake_home_mqtt(home, "zigbee2mqtt/lamp", "{\"update\":{\"state\":\"idle\",\"installed_version\":2}}",
                   false);
    fake_home_mqtt(home, "zigbee2mqtt/bridge/state", "offline", true);
}

static void play(struct fake_home *home)
{
    play_with(home, ITEM("Router"));
}

static void play_sleepy(struct fake_home *home)
{
    play_with(home, ITEM("EndDevice"));
}

/* Plays with each allocation failing in turn; the number of rounds. */
static unsigned long fail_each(void (*conversation)(struct fake_home *home))
{
    unsigned long n = 1;

    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct fake_home home;
        struct device *device;

        fake_home_init(&home, &zigbee2mqtt_dialect, NULL);
        failing_alloc_arm(n);
        conversation(&home);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        fake_home_advance(&home, 200000); /* whatever was given up is over */
        conversation(&home);
        device = registry_find(home.registry, "zigbee2mqtt:" ID);
        assert_int_equal(home.registry->count, 1);
        assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "020D6FFFFE010203");
        assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "2");
        fake_home_done(&home, false);
    }
    assert_true(n < ROUNDS_MAX);
    return n;
}

static void listens(void **state)
{
    (void)state;
    assert_true(fail_each(play) > 50);
}

static void sleeps(void **state)
{
    (void)state;
    assert_true(fail_each(play_sleepy) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens),
        cmocka_unit_test(sleeps),
    };

    failing_alloc_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
