/* SPDX-License-Identifier: BSD-3-Clause */
/* The Home Assistant dialect and those who mean ill: garbage, floods, other devices' names and topics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "devices/identity.h"
#include "tests/unit/homeassistant_bench.h"
#include "tests/unit/test_homeassistant.h"

#define ROGUE "homeassistant/update/rogue/config"

static void garbage(void **state)
{
    static const char *const configs[] = {
        "{",
        "[]",
        "null",
        "5",
        "\"x\"",
        "\xff\xfe",
        "{\"dev\":{\"ids\":\"\\u0000\"}}",
        "{\"o\":{},\"dev\":{\"ids\":\"x\"}}",
    };
    static const char *const devices[] = {
        "{}",
        "{\"dev\":{\"ids\":\"x\"}}",
        "{\"dev\":{},\"cmps\":{}}",
        "{\"dev\":{\"ids\":[5,null,{}]},\"cmps\":{}}",
        "{\"dev\":{\"ids\":\"x\"},\"cmps\":[]}",
        "{\"dev\":{\"ids\":\"x\"},\"cmps\":{\"a\":5}}",
        "{\"dev\":{\"ids\":\"x\"},\"cmps\":{\"a\":{\"p\":7}}}",
    };
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        live(bench, KITCHEN_CONFIG, configs[i]); /* of a known topic: that device's fault */
        assert_int_equal(device->rejected, i + 1);
        live(bench, ROGUE, configs[i]);
    }
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        live(bench, "homeassistant/device/rogue/config", devices[i]);
    assert_int_equal(registry_of(bench)->stats.rejected, 2 * 8 + 7);
    passes(bench, 60000);
    assert_int_equal(registry_of(bench)->count, 1);
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
}

static void wrong_types(void **state)
{
    static const char *const configs[] = {
        "{\"dev\":{\"ids\":\"x\",\"cns\":5,\"name\":[],\"mf\":{},\"mdl\":true,\"hw\":1e400,\"sn\":null}}",
        "{\"dev\":{\"ids\":\"x\",\"cns\":[5,[],[1,2],[\"mac\"],[\"mac\",\"no\"],[\"mac\",[]],{\"a\":1}]}}",
        "{\"dev\":{\"ids\":\"x\"},\"stat_t\":5,\"cmd_t\":{},\"pl_inst\":[],\"val_tpl\":7,\"qos\":\"2\",\"ret\":1}",
        "{\"dev\":{\"ids\":\"x\"},\"avty\":5}",
        "{\"dev\":{\"ids\":\"x\"},\"avty\":[5,[],{},{\"t\":5},{\"t\":\"#\"},{\"t\":\"$SYS/x\"}]}",
        "{\"dev\":{\"ids\":\"x\"},\"~\":5,\"stat_t\":\"~/x\",\"avty_t\":\"~\"}",
        "{\"dev\":{\"ids\":\"x\"},\"~\":\"#\",\"stat_t\":\"~\",\"avty_t\":\"x/~\",\"qos\":1e99}",
        "{\"dev\":{\"ids\":\"x\"},\"~\":\"\",\"stat_t\":\"~\"}",
    };
    struct ha_bench *bench = *state;
    struct device *device;

    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        retained(bench, ROGUE, configs[i]);
        passes(bench, 5000);
        assert_int_equal(registry_of(bench)->count, 1);
    }
    device = the(bench, "homeassistant:x");
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "");
    assert_string_equal(device_text(device, DEVICE_MAC), "");
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++)
        assert_true(!bench->topics[i] || !strpbrk(bench->topics[i], "+#$"));
}

static void hostile_states(void **state)
{
    static const char *const states[] = {
        "{\"installed_version\":5e300,\"latest_version\":[]}",
        "{\"installed_version\":{\"a\":1},\"update_percentage\":1e9,\"in_progress\":\"yes\"}",
        "{\"installed_version\":\"\",\"latest_version\":\"a\\nb\",\"title\":7}",
        "{\"installed_version\":"
        "\"12345678901234567890123456789012345678901234567890123456789012345\"}",
        "[[[[",
        "12345678901234567890123456789012345678901234567890123456789012345",
        "\x01\x02",
    };
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        live(bench, KITCHEN_STATE, states[i]);
    assert_int_equal(device->rejected, 2); /* those that are neither JSON nor text */
    assert_true(strlen(device_text(device, DEVICE_SOFTWARE_VERSION)) < 65);
    assert_true(device->online);
}

static void too_much(void **state)
{
    struct ha_bench *bench = *state;
    size_t len = 200 << 10;
    char *text = malloc(len + 1);
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    memset(text, ' ', len);
    text[len] = '\0';
    live(bench, KITCHEN_CONFIG, text);
    live(bench, KITCHEN_STATE, text);
    live(bench, "kitchen/status", text);
    assert_int_equal(device->rejected, 3);
    assert_true(device->online);
    free(text);
}

static void flood(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;
    char payload[256];

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    for (int i = 0; i < 10000; i++) {
        snprintf(payload, sizeof(payload), "{\"installed_version\":\"%d\"}", i);
        fake_home_mqtt(&bench->home, KITCHEN_STATE, payload, false);
    }
    assert_true(device->rejected > 9000);
    fake_home_forget_logs(&bench->home);
    passes(bench, 60000);
    for (int i = 0; i < 1000; i++) {
        snprintf(payload, sizeof(payload),
                 "{\"stat_t\":\"s\",\"dev\":{\"ids\":\"a8032abe54dc\",\"sw\":\"%d\"}}", i);
        fake_home_mqtt(&bench->home, KITCHEN_CONFIG, payload, true);
    }
    assert_true(bench->subscribed < 60);
}

/* A topic that all share belongs to none: nobody pays for what is said too often on it. */
static void flood_of_a_shared_topic(void **state)
{
    struct ha_bench *bench = *state;

    retained(bench, "homeassistant/sensor/one/config", "{\"dev\":{\"ids\":\"one\"},\"avty_t\":\"bridge\"}");
    retained(bench, "homeassistant/sensor/two/config", "{\"dev\":{\"ids\":\"two\"},\"avty_t\":\"bridge\"}");
    passes(bench, 4000);
    for (int i = 0; i < 1000; i++)
        live(bench, "bridge", i % 2 ? "online" : "offline");
    assert_true(registry_of(bench)->stats.rejected > 800);
    for (size_t i = 0; i < 2; i++)
        assert_true(registry_of(bench)->devices[i]->rejected < 100); /* coming and going, at most */
}

static void many_entities(void **state)
{
    struct ha_bench *bench = *state;
    char topic[128], payload[128];

    for (int i = 0; i < 1000; i++) {
        snprintf(topic, sizeof(topic), "homeassistant/sensor/one/s%d/config", i);
        fake_home_mqtt(&bench->home, topic, "{\"dev\":{\"ids\":\"one\"}}", true);
    }
    assert_int_equal(registry_of(bench)->stats.rejected, 1000 - 512);
    for (int i = 0; i < 5000; i++) {
        snprintf(topic, sizeof(topic), "homeassistant/sensor/d%d/config", i);
        snprintf(payload, sizeof(payload), "{\"dev\":{\"ids\":\"d%d\"}}", i);
        fake_home_mqtt(&bench->home, topic, payload, true);
    }
    passes(bench, 4000);
    assert_true(registry_of(bench)->count <= 4096);
}

static void identity_changes(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    live(bench, "homeassistant/sensor/rogue/config",
         "{\"dev\":{\"ids\":\"a8032abe54dc\",\"mf\":\"Evil\",\"mdl\":\"esp32dev\"}}");
    assert_true(device->quarantined);
    assert_string_equal(device_text(device, DEVICE_REASON),
                        "manufacturer changed from \"Espressif\" to \"Evil\"");
    live(bench, KITCHEN_STATE, KITCHEN_SAYS("9.9.9", "10.0.0"));
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.0");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    quarantine_release(device);
    assert_false(device->quarantined);
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Evil");
}

/* Where the broker holds each to its topics, a device belongs to who announced it under a name of its own. */
static void another_announces_it(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    bench->credentials = true;
    ha_bench_restart(bench);
    /* Who has no name of its own in the topic was first, and is put right by who has. */
    retained(bench, ROGUE, "{\"dev\":{\"ids\":\"k\",\"mf\":\"Evil\"},\"stat_t\":\"s\"}");
    passes(bench, 1000);
    retained(bench, "homeassistant/update/kitchen/firmware/config",
             "{\"dev\":{\"ids\":\"k\",\"mf\":\"Espressif\",\"sn\":\"1\"},\"stat_t\":\"kitchen/s\"}");
    passes(bench, 4000);
    device = the(bench, "homeassistant:k");
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Espressif");
    assert_int_equal(device->grade, DEVICE_GRADE_B);
    live(bench, ROGUE, "{\"dev\":{\"ids\":\"k\",\"mf\":\"Evil\"},\"stat_t\":\"s2\"}");
    live(bench, "homeassistant/update/rogue/firmware/config",
         "{\"dev\":{\"ids\":[\"rogue\",\"k\"],\"mf\":\"Evil\"},\"stat_t\":\"s\"}");
    live(
        bench, "homeassistant/device/rogue/config",
        "{\"dev\":{\"ids\":\"k\",\"mf\":\"Evil\"},\"o\":{\"name\":\"x\"},\"cmps\":{\"a\":{\"p\":\"update\",\"stat_t\":\"s\"}}}");
    assert_false(device->quarantined);
    assert_int_equal(device->rejected, 3);
    /* After a restart it is still who it was, whoever speaks first. */
    ha_bench_restart(bench);
    device = the(bench, "homeassistant:k");
    live(bench, "homeassistant/update/rogue/firmware/config",
         "{\"dev\":{\"ids\":\"k\",\"mf\":\"Evil\"},\"stat_t\":\"s\"}");
    passes(bench, 60000);
    assert_false(device->quarantined);
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Espressif");
}

/* It was not the device: what it is is learnt anew, from who speaks from now on. */
static void rejected(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    live(bench, "homeassistant/sensor/rogue/config",
         "{\"dev\":{\"ids\":\"a8032abe54dc\",\"mf\":\"Evil\",\"mdl\":\"esp32dev\"}}");
    assert_true(device->quarantined);
    quarantine_reject(device);
    assert_false(device->quarantined);
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Espressif");
    fixture(bench, "esphome");
    assert_false(device->quarantined);
    live(bench, "homeassistant/sensor/rogue/config",
         "{\"dev\":{\"ids\":\"a8032abe54dc\",\"mf\":\"Evil\",\"mdl\":\"esp32dev\"}}");
    assert_true(device->quarantined);
}

/* Who comes later under a device's name does not get its update. */
static void entity_of_another(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    retained(
        bench, ROGUE,
        "{\"dev\":{\"ids\":\"a8032abe54dc\"},\"dev_cla\":\"firmware\",\"stat_t\":\"rogue/s\",\"cmd_t\":\"rogue/c\","
        "\"pl_inst\":\"x\"}");
    assert_string_equal(device_text(device, DEVICE_ADDRESS), "kitchen/update/firmware/command");
    assert_false(listens(bench, "rogue/s"));
}

/* A device that announces itself does not speak through us to others. */
static void command_for_another(void **state)
{
    static const char *const topics[] = {"shellyplus1-a8032abe54dd/rpc", "cmnd/shellyplus1-a8032abe54dd",
                                         "homeassistant/switch/x/config", "homepatch/x"};
    static const struct dialect own = {.name = "own"};
    struct ha_bench *bench = *state;
    struct firmware_install install = {.offer = "latest", .version = "2"};
    struct rate rate = {0};
    struct device *other = registry_add(registry_of(bench), &own, "other", &rate, true, NULL), *device;
    struct error err = {0};
    char payload[512];

    device_set(other, DEVICE_ADDRESS, "shellyplus1-a8032abe54dd");
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        snprintf(payload, sizeof(payload),
                 "{\"dev\":{\"ids\":\"x\"},\"stat_t\":\"x/s\",\"cmd_t\":\"%s\",\"pl_inst\":\"{}\"}",
                 topics[i]);
        retained(bench, ROGUE, payload);
        passes(bench, 4000);
        device = the(bench, "homeassistant:x");
        live(bench, "x/s", "{\"installed_version\":\"1\",\"latest_version\":\"2\"}");
        assert_int_equal(device->target.ops->install(&device->target, &install, &err), -1);
        assert_int_equal(err.code, ERROR_REQUEST_DENIED);
        assert_non_null(strstr(err.message, topics[i]));
    }
    assert_int_equal(bench->home.sent, 0);
    registry_remove(other);
}

int test_homeassistant_hostile(void)
{
    const struct CMUnitTest tests[] = {
        HA_TEST(garbage),
        HA_TEST(wrong_types),
        HA_TEST(hostile_states),
        HA_TEST(too_much),
        HA_TEST(flood),
        HA_TEST(flood_of_a_shared_topic),
        HA_TEST(many_entities),
        HA_TEST(identity_changes),
        HA_TEST(another_announces_it),
        HA_TEST(rejected),
        HA_TEST(entity_of_another),
        HA_TEST(command_for_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
