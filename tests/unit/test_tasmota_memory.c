/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Tasmota dialect when memory runs out: a whole conversation is played again and again, each time with another
 * allocation failing. Nothing may crash or leak (the sanitizers look), a device is there as a whole or not at all, and
 * the next conversation, with memory, goes as it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/dialects/tasmota.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_home.h"

#define KEY "tasmota:A4CF121A2B3C"
#define OTA "http://192.168.1.1/image/0123/tasmota.bin"

enum {
    ROUNDS_MAX = 5000,
};

static void hear(struct fake_home *home, const char *topic, const char *payload)
{
    fake_home_mqtt(home, topic, payload, false);
}

static void answer(struct fake_home *home, const char *version)
{
    char text[200];

    hear(home, "stat/lamp/STATUS", "{\"Status\":{\"DeviceName\":\"Lamp\"}}");
    hear(home, "stat/lamp/STATUS1",
         "{\"StatusPRM\":{\"GroupTopic\":\"tasmotas\",\"OtaUrl\":\"http://x/y\",\"Uptime\":\"0T00:00:01\"}}");
    snprintf(text, sizeof(text), "{\"StatusFWR\":{\"Version\":\"%s\",\"Hardware\":\"ESP8266EX\"}}", version);
    hear(home, "stat/lamp/STATUS2", text);
    hear(home, "stat/lamp/STATUS5", "{\"StatusNET\":{\"Mac\":\"A4:CF:12:1A:2B:3C\"}}");
}

static void update(struct fake_home *home)
{
    struct firmware_install install = {.url = "http://192.168.1.1/image/0123/x",
                                       .path = "/x",
                                       .name = "t.bin",
                                       .version = "14.2.0",
                                       .size = 100000};
    struct device *device = registry_find(home->registry, KEY);

    if (!device || device->target.ops->install(&device->target, &install, NULL) < 0)
        return;
    hear(home, "stat/lamp/STATUS4", "{\"StatusMEM\":{\"ProgramSize\":600,\"Free\":400}}");
    hear(home, "stat/lamp/RESULT", "{\"OtaUrl\":\"" OTA "\"}");
    hear(home, "stat/lamp/RESULT", "{\"Upgrade\":\"Version 13.4.0(tasmota) from " OTA "\"}");
    hear(home, "stat/lamp/UPGRADE", "{\"Upgrade\":\"Successful. Restarting\"}");
}

static void announced(struct fake_home *home)
{
    hear(
        home, "tasmota/discovery/A4CF121A2B3C/config",
        "{\"mac\":\"A4CF121A2B3C\",\"dn\":\"Lamp\",\"md\":\"Basic\",\"t\":\"lamp\",\"ft\":\"%prefix%/%topic%/\","
        "\"tp\":[\"cmnd\",\"stat\",\"tele\"],\"onln\":\"Online\",\"ofln\":\"Offline\"}");
    answer(home, "13.4.0(tasmota)");
    update(home);
    hear(home, "tele/lamp/LWT", "Offline");
    hear(home, "tele/lamp/LWT", "Online");
    hear(home, "tele/lamp/INFO1", "{\"Info1\":{\"Module\":\"Basic\",\"Version\":\"14.2.0(tasmota)\"}}");
    answer(home, "14.2.0(tasmota)");
}

static void not_announced(struct fake_home *home)
{
    hear(home, "tele/lamp/LWT", "Online");
    answer(home, "13.4.0(tasmota)");
    hear(home, "tele/lamp/LWT", "Offline");
}

/* Announced under other topics while it is away, and known by its address. */
static void joins(struct fake_home *home)
{
    not_announced(home);
    hear(home, "lamp/tele/LWT", "Online");
    hear(home, "lamp/stat/STATUS2",
         "{\"StatusFWR\":{\"Version\":\"13.4.0(tasmota)\",\"Hardware\":\"ESP8266EX\"}}");
    hear(home, "lamp/stat/STATUS5", "{\"StatusNET\":{\"Mac\":\"A4:CF:12:1A:2B:3C\"}}");
    hear(home, "lamp/tele/LWT", "Offline");
}

/* Plays with each allocation failing in turn; the number of rounds. */
static unsigned long fail_each(void (*conversation)(struct fake_home *home))
{
    unsigned long n = 1;

    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct fake_home home;
        struct device *device;

        fake_home_init(&home, &tasmota_dialect, NULL);
        failing_alloc_arm(n);
        conversation(&home);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        hear(&home, "tele/lamp/LWT", "Offline");
        fake_home_advance(&home, 200000); /* whatever was given up is over */
        conversation(&home);
        device = registry_find(home.registry, KEY);
        assert_non_null(device);
        assert_int_equal(home.registry->count, 1);
        assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "A4CF121A2B3C");
        assert_string_equal(device_text(device, DEVICE_HARDWARE_VERSION), "ESP8266EX");
        fake_home_done(&home, false);
    }
    assert_true(n < ROUNDS_MAX);
    return n;
}

static void with_announcement(void **state)
{
    (void)state;
    assert_true(fail_each(announced) > 60);
}

static void without_announcement(void **state)
{
    (void)state;
    assert_true(fail_each(not_announced) > 30);
}

static void under_other_topics(void **state)
{
    (void)state;
    assert_true(fail_each(joins) > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_announcement),
        cmocka_unit_test(without_announcement),
        cmocka_unit_test(under_other_topics),
    };

    failing_alloc_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
