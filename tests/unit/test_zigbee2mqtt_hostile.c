/* SPDX-License-Identifier: BSD-3-Clause */
/* What no Zigbee2MQTT says. It costs whoever is named, and nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "tests/unit/zigbee2mqtt_bench.h"

#define DEVICES "zigbee2mqtt/bridge/devices"
#define COORDINATOR "{\"type\":\"Coordinator\",\"ieee_address\":\"0x0000000000000001\"}"

static uint64_t rejected(const struct z2m_bench *bench)
{
    return bench->home.registry->stats.rejected;
}

static void lists_that_are_none(void **state)
{
    static const char *const lists[] = {
        "",
        "x",
        "{}",
        "[",
        "]",
        "[]",
        "[{}]",
        "[" COORDINATOR,
        "[" COORDINATOR ",]",
        "[,]",
        "[" COORDINATOR "}]",
        "[" COORDINATOR "]]",
        "[\"" COORDINATOR "\"]",
    };
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        uint64_t before = rejected(bench);

        says(bench, DEVICES, lists[i]);
        if (rejected(bench) == before)
            fail_msg("taken: %s", lists[i]);
        assert_true(device->online); /* nobody leaves by such a list */
    }
    assert_int_equal(device->rejected, 0);
}

/* Items that are not understood cost those that are listed nothing, and nobody is gone on such a list's word. */
static void items_that_are_none(void **state)
{
    static const char *const items[] = {
        "7",
        "null",
        "{\"type\":\"Router\"}",
        "{\"type\":\"Router\",\"ieee_address\":\"0x12\"}",
        "{\"type\":\"Router\",\"ieee_address\":\"0x020D6FFFFE010203\"}",
        "{\"type\":7,\"ieee_address\":\"" LAMP_ID "\"}",
        "{\"type\":\"Router\",\"ieee_address\":\"" LAMP_ID "\"",
    };
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    char list[512];

    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        snprintf(list, sizeof(list), "[" COORDINATOR ",%s]", items[i]);
        says(bench, DEVICES, list);
        assert_true(device->online);
    }
    assert_int_equal(bench->home.registry->count, 3);
}

/* A name that reaches into other topics would let a device speak for the bridge, or for all. */
static void names_that_are_none(void **state)
{
    static const char *const names[] = {
        "bridge/state", "bridge",           "+", "a/#", "/x", "x/", "$SYS", "x/availability",
        "x/set",        "living room/lamp", ""};
    struct z2m_bench *bench = *state;
    struct device *other = lamp(bench), *device = device_called(bench, DOOR_ID);
    char list[1024];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint32_t before = device->rejected;

        snprintf(
            list, sizeof(list),
            "[" COORDINATOR ",{\"type\":\"Router\",\"ieee_address\":\"" LAMP_ID
            "\",\"friendly_name\":\"living room/lamp\",\"interview_completed\":true},{\"type\":\"EndDevice\","
            "\"ieee_address\":\"" DOOR_ID "\",\"friendly_name\":\"%s\",\"interview_completed\":true}]",
            names[i]);
        fake_home_advance(&bench->home, 60000);
        says(bench, DEVICES, list);
        if (device->rejected == before)
            fail_msg("taken: %s", names[i]);
        assert_false(device->online);
        assert_true(other->online);
    }
    assert_int_equal(other->rejected, 0);
}

static void too_large(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    size_t len = LIMIT_BRIDGE_DEVICES_BYTES + 1;
    char *list = malloc(len + 1);
    uint64_t before = rejected(bench);

    memset(list, ' ', len);
    memcpy(list, "[" COORDINATOR, strlen(COORDINATOR) + 1);
    list[len - 1] = ']';
    list[len] = '\0';
    says(bench, DEVICES, list);
    assert_int_equal(rejected(bench), before + 1);
    assert_true(device->online);
    free(list);
}

static void put_device(struct buf *list, unsigned i)
{
    buf_printf(list, ",{\"type\":\"Router\",\"ieee_address\":\"0x02ff%012x\",\"friendly_name\":\"d%u\",", i,
               i);
    buf_append_str(list, "\"interview_state\":\"SUCCESSFUL\",\"definition\":{\"exposes\":[");
    for (int k = 0; k < 60; k++)
        buf_append_str(list, "{\"type\":\"numeric\",\"name\":\"power\",\"unit\":\"W\"},");
    buf_append_str(list, "0]}}");
}

static void large_home(void **state)
{
    struct z2m_bench *bench = *state;
    struct buf list;

    buf_init(&list, LIMIT_BRIDGE_DEVICES_BYTES, 0);
    buf_append_str(&list, "[" COORDINATOR);
    for (unsigned i = 0; i < 600; i++)
        put_device(&list, i);
    buf_append_str(&list, "]");
    says(bench, "zigbee2mqtt/bridge/state", "online");
    says(bench, DEVICES, buf_cstr(&list));
    assert_int_equal(bench->home.registry->count, 600);
    assert_true(bench->home.registry->devices[599]->online);
    buf_done(&list);
}

static void too_many_devices(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    struct buf list;

    buf_init(&list, LIMIT_BRIDGE_DEVICES_BYTES, 0);
    buf_append_str(&list, "[" COORDINATOR);
    for (unsigned i = 0; i <= LIMIT_BRIDGE_DEVICES; i++)
        buf_printf(&list, ",{\"type\":\"Router\",\"ieee_address\":\"0x02ff%012x\"}", i);
    buf_append_str(&list, "]");
    says(bench, DEVICES, buf_cstr(&list));
    assert_int_equal(bench->home.registry->count, 3);
    assert_true(device->online);
    buf_done(&list);
}

static void reports_that_are_none(void **state)
{
    static const char *const reports[] = {"{\"update\"", "{\"update\":{}}", "{\"update\":{\"state\":7}}",
                                          "\"update\":{\"state\":\"idle\"}"};
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        says(bench, LAMP, reports[i]);
        assert_int_equal(device->rejected, i + 1);
    }
    says(bench, LAMP, "{\"update\":{\"state\":\"idle\",\"installed_version\":1e300}}");
    says(bench, LAMP, "{\"update\":{\"state\":\"idle\",\"installed_version\":4294967296}}");
    says(bench, LAMP, "{\"update\":{\"state\":\"idle\",\"installed_version\":-1}}");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "587765297");
    assert_int_equal(device_called(bench, DOOR_ID)->rejected, 0);
}

static void floods(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    for (int i = 0; i < 1000; i++)
        says(bench, LAMP, "{\"power\":1}");
    assert_true(device->rejected > 500);
    says(bench, DOOR, "{\"update\":{\"state\":\"idle\",\"installed_version\":5}}");
    assert_string_equal(device_text(device_called(bench, DOOR_ID), DEVICE_SOFTWARE_VERSION), "5");
}

/* Answers that nobody waits for: another's transaction, a guess, the same one twice. */
static void answers_of_others(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    static const char *const transactions[] = {"1", "homepatch-1-0000000000000000", "homepatch-99-1",
                                               "homepatch-x", ""};
    char text[256];

    assert_int_equal(install_on(bench, device, "http://192.168.1.1/x", NULL), 0);
    fake_home_forget_logs(&bench->home);
    for (size_t i = 0; i < sizeof(transactions) / sizeof(transactions[0]); i++) {
        snprintf(text, sizeof(text),
                 "{\"status\":\"error\",\"data\":{},\"error\":\"no\",\"transaction\":\"%s\"}",
                 transactions[i]);
        says(bench, "zigbee2mqtt/bridge/response/device/ota_update/update", text);
    }
    fixture(bench, "zigbee2mqtt/bridge/response/device/ota_update/update", "update-error.json");
    assert_string_equal(bench->home.firmware_log, "");
    /* Nor does another bridge answer for this one. */
    snprintf(text, sizeof(text), "{\"status\":\"error\",%.44s}",
             strstr(bench->home.frame, "\"transaction\""));
    says(bench, "attic/z2m/bridge/response/device/ota_update/update", text);
    assert_string_equal(bench->home.firmware_log, "");
    answer(bench, "update", NULL, "OTA update of 'lamp' failed (Timeout)");
    assert_non_null(strstr(bench->home.firmware_log, "failed for now"));
    fake_home_forget_logs(&bench->home);
    answer(bench, "update", NULL, "OTA update of 'lamp' failed (Timeout)");
    assert_string_equal(bench->home.firmware_log, "");
}

int test_zigbee2mqtt_hostile(void)
{
    const struct CMUnitTest tests[] = {
        Z2M_TEST(lists_that_are_none),
        Z2M_TEST(items_that_are_none),
        Z2M_TEST(names_that_are_none),
        Z2M_TEST(too_large),
        Z2M_TEST(large_home),
        Z2M_TEST(too_many_devices),
        Z2M_TEST(floods),
        Z2M_TEST(reports_that_are_none),
        Z2M_TEST(answers_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
