/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "tests/unit/zigbee2mqtt_bench.h"

static void found(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device;

    bridge_comes(bench);
    assert_int_equal(bench->home.registry->count,
                     3); /* neither the coordinator nor who has not said all yet */
    device = device_called(bench, LAMP_ID);
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Lumenary");
    assert_string_equal(device_text(device, DEVICE_MODEL), "LMN-E27-W");
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "020D6FFFFE010203");
    assert_string_equal(device_text(device, DEVICE_OUI), "020D6F");
    assert_string_equal(device_text(device, DEVICE_NAME), "living room/lamp");
    assert_string_equal(device_text(device, DEVICE_DESCRIPTION), "Lumenary E27 white: Dimmable light bulb");
    assert_string_equal(device_text(device, DEVICE_TYPE), "Light");
    assert_string_equal(device_text(device, DEVICE_FIRMWARE_NAME), "2.3.87");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION),
                        "2.3.87"); /* until its number is known */
    assert_string_equal(device->target.group, "zigbee2mqtt");
    assert_int_equal(device->grade, DEVICE_GRADE_C);
    assert_true(device->online);
}

static void list_before_state(void **state)
{
    struct z2m_bench *bench = *state;

    fixture(bench, "zigbee2mqtt/bridge/devices", "devices.json");
    assert_false(device_called(bench, LAMP_ID)->online);
    says(bench, "zigbee2mqtt/bridge/state", "online"); /* as older ones say it */
    assert_true(device_called(bench, LAMP_ID)->online);
}

static void version_and_offer(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device;

    bridge_comes(bench);
    device = device_called(bench, LAMP_ID);
    fake_home_forget_logs(&bench->home);
    fixture(bench, LAMP, "state-never.json");
    assert_string_equal(bench->home.firmware_log, "");
    fixture(bench, LAMP, "state-idle.json");
    assert_string_equal(bench->home.firmware_log, "offer latest -; version 2.3.87 587765297; ");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "587765297");
    fake_home_forget_logs(&bench->home);
    fixture(bench, LAMP, "state-available.json");
    assert_string_equal(bench->home.firmware_log, "offer latest 587806257; version 2.3.87 587765297; ");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "587806257");
    update_says(bench, LAMP, "available", NEW_VERSION,
                ",\"latest_version\":587765297"); /* older is no offer */
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
}

static void asked_for_updates(void **state)
{
    struct z2m_bench *bench = *state;
    unsigned checks = 0;

    bridge_comes(bench);
    for (int i = 0; i < 12; i++) {
        fake_home_advance(&bench->home, 5000);
        checks += asked(bench, "check");
    }
    assert_int_equal(checks, 1); /* not the sensor that sleeps, not the plug that cannot; and one at a time */
    assert_non_null(strstr(bench->home.frame, LAMP_ID));
    fixture(bench, LAMP, "state-available.json");
    answer(bench, "check", "{\"id\":\"" LAMP_ID "\",\"update_available\":true}", NULL);
    fake_home_advance(&bench->home, 23 * 3600 * 1000);
    assert_false(asked(bench, "check"));
    fake_home_advance(&bench->home, 3600 * 1000);
    assert_true(asked(bench, "check"));
    fake_home_advance(&bench->home, 130000); /* no answer: it is not waited for for ever */
    fake_home_advance(&bench->home, 24 * 3600 * 1000);
    assert_true(asked(bench, "check"));
}

/* A device that joins later does not wait for the next day's round; one that has a job is left alone. */
static void asked_soon(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    struct firmware_job *job = (struct firmware_job *)bench;
    char list[512];

    fake_home_advance(&bench->home, 10000);
    assert_true(asked(bench, "check"));
    answer(bench, "check", "{}", NULL);
    fake_home_advance(&bench->home, 60000); /* the lamp's turn is tomorrow */
    assert_false(asked(bench, "check"));
    snprintf(
        list, sizeof(list),
        "[{\"type\":\"Coordinator\"},{\"type\":\"Router\",\"ieee_address\":\"0x02ff000000000001\","
        "\"friendly_name\":\"new\",\"interview_completed\":true,\"definition\":{\"supports_ota\":true}}]");
    says(bench, "zigbee2mqtt/bridge/devices", list);
    device = device_called(bench, "0x02ff000000000001");
    device->target.jobs = job;
    fake_home_advance(&bench->home, 10000);
    assert_false(asked(bench, "check"));
    device->target.jobs = NULL;
    fake_home_advance(&bench->home, 600000);
    assert_true(asked(bench, "check"));
}

static void renamed(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *one, *other;

    one = lamp(bench);
    other = device_called(bench, DOOR_ID);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-renamed.json");
    assert_string_equal(device_text(one, DEVICE_NAME), "front door");
    assert_string_equal(device_text(one, DEVICE_ADDRESS), DOOR);
    assert_string_equal(device_text(other, DEVICE_ADDRESS), LAMP);
    assert_false(one->quarantined || other->quarantined);
    assert_int_equal(one->rejected + other->rejected, 0);
    update_says(bench, DOOR, "idle", NEW_VERSION, "");
    assert_string_equal(device_text(one, DEVICE_SOFTWARE_VERSION), "587806257");
    update_says(bench, LAMP, "idle", 5, "");
    assert_string_equal(device_text(other, DEVICE_SOFTWARE_VERSION), "5");
}

static void leaves(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device;

    bridge_comes(bench);
    device = device_called(bench, PLUG_ID);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-renamed.json");
    assert_false(device->online);
    fake_home_advance(&bench->home, 300000); /* paired anew: it is the same row */
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices.json");
    assert_true(device->online);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-renamed.json");
    fake_home_advance(&bench->home, 599999);
    assert_non_null(device_called(bench, PLUG_ID));
    fake_home_advance(&bench->home, 1);
    assert_null(device_called(bench, PLUG_ID));
    assert_non_null(strstr(bench->home.events, "removed"));
}

static void left_while_we_were_away(void **state)
{
    struct z2m_bench *bench = *state;

    bridge_comes(bench);
    z2m_bench_restart(bench);
    assert_false(device_called(bench, PLUG_ID)->online);
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-renamed.json");
    assert_true(device_called(bench, LAMP_ID)->online);
    fake_home_advance(&bench->home, 600000);
    assert_null(device_called(bench, PLUG_ID));
}

static void another_model(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-model.json");
    assert_true(device->quarantined);
    assert_non_null(strstr(device_text(device, DEVICE_REASON), "LMN-GU10"));
    assert_string_equal(device_text(device, DEVICE_MODEL), "LMN-E27-W");
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION),
                        "587765297"); /* what it says counts no more */
    quarantine_release(device);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-model.json");
    assert_false(device->quarantined);
    assert_string_equal(device_text(device, DEVICE_MODEL), "LMN-GU10");
}

static void another_model_after_an_update(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    assert_int_equal(install_on(bench, device, "http://192.168.1.1/x", NULL), 0);
    answer(bench, "update", "{\"to\":{\"file_version\":587806257}}", NULL);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-model.json");
    assert_true(device->quarantined);
    quarantine_release(device);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-model.json");
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "587806257");
}

static void quarantined_does_not_leave(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device;

    bridge_comes(bench);
    device = device_called(bench, PLUG_ID);
    quarantine_put(device, QUARANTINE_MODEL, "X");
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices-renamed.json");
    fake_home_advance(&bench->home, 3600000);
    assert_ptr_equal(device_called(bench, PLUG_ID), device);
}

static void bridge_goes(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"offline\"}");
    assert_false(device->online);
    assert_false(device_called(bench, DOOR_ID)->online);
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    assert_true(device->online);
    zigbee2mqtt_dialect.broker(bench->home.ctx, false);
    assert_false(device->online);
}

static void availability(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    says(bench, LAMP "/availability", "{\"state\":\"offline\"}");
    assert_false(device->online);
    says(bench, LAMP "/availability", "online");
    assert_true(device->online);
    says(bench, LAMP "/availability", "{\"state\":\"offline\"}");
    says(bench, LAMP "/availability", ""); /* it is no longer watched */
    assert_true(device->online);
    says(bench, LAMP "/availability", "perhaps");
    assert_int_equal(device->rejected, 1);
}

static void two_bridges(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    says(bench, "attic/z2m/bridge/state", "{\"state\":\"online\"}");
    fixture(bench, "attic/z2m/bridge/devices", "devices.json"); /* another one that claims the same devices */
    assert_string_equal(device->target.group, "zigbee2mqtt");
    assert_string_equal(device_text(device, DEVICE_ADDRESS), LAMP);
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"offline\"}");
    fixture(bench, "attic/z2m/bridge/devices", "devices.json"); /* the home has moved to another stick */
    assert_string_equal(device->target.group, "attic/z2m");
    assert_true(device->online);
    assert_int_equal(bench->home.registry->count, 3);
}

static void not_ours(void **state)
{
    struct z2m_bench *bench = *state;
    struct mqtt_message message = {
        .topic = "zigbee2mqttx/bridge/state", .payload = (const uint8_t *)"x", .len = 1};

    assert_false(zigbee2mqtt_dialect.mqtt_message(bench->home.ctx, &message));
    message.topic = "shellyplus1/online";
    assert_false(zigbee2mqtt_dialect.mqtt_message(bench->home.ctx, &message));
    message.topic = "zigbee2mqtt/some/online"; /* whoever is called so is ours */
    assert_true(zigbee2mqtt_dialect.mqtt_message(bench->home.ctx, &message));
}

static void order_of_versions(void **state)
{
    int order = 7;

    (void)state;
    assert_int_equal(zigbee2mqtt_dialect.firmware->compare("999", "1000", &order), 0);
    assert_true(order < 0);
    assert_int_equal(zigbee2mqtt_dialect.firmware->compare("4294967295", "1", &order), 0);
    assert_true(order > 0);
    assert_int_equal(zigbee2mqtt_dialect.firmware->compare("2.3.87", "587765297", &order), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        Z2M_TEST(found),
        Z2M_TEST(list_before_state),
        Z2M_TEST(version_and_offer),
        Z2M_TEST(asked_for_updates),
        Z2M_TEST(asked_soon),
        Z2M_TEST(renamed),
        Z2M_TEST(leaves),
        Z2M_TEST(left_while_we_were_away),
        Z2M_TEST(another_model),
        Z2M_TEST(another_model_after_an_update),
        Z2M_TEST(quarantined_does_not_leave),
        Z2M_TEST(bridge_goes),
        Z2M_TEST(availability),
        Z2M_TEST(two_bridges),
        Z2M_TEST(not_ours),
        cmocka_unit_test(order_of_versions),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return failed + test_zigbee2mqtt_update() + test_zigbee2mqtt_sleepy() + test_zigbee2mqtt_hostile();
}
