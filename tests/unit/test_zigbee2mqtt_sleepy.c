/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices on batteries: the bridge keeps the order until they wake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/zigbee2mqtt_bench.h"

#define URL "http://192.168.1.1:7681/image/0123456789abcdef/door.ota"
#define NEW "587806257"

static struct device *scheduled(struct z2m_bench *bench)
{
    struct device *device = door(bench);

    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_true(asked(bench, "schedule"));
    update_says(bench, DOOR, "scheduled", OLD_VERSION, "");
    answer(bench, "schedule", "{\"id\":\"" DOOR_ID "\"}", NULL);
    assert_string_equal(bench->home.firmware_log, "progress 0; deferred; ");
    fake_home_forget_logs(&bench->home);
    return device;
}

static void wakes(struct z2m_bench *bench)
{
    update_says(bench, DOOR, "updating", OLD_VERSION, ",\"progress\":3");
}

static void takes_it_when_it_wakes(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = scheduled(bench);

    fake_home_advance(&bench->home, 3 * 24 * 3600 * 1000); /* nobody hurries it */
    assert_string_equal(bench->home.firmware_log, "");
    wakes(bench);
    assert_string_equal(bench->home.firmware_log, "begun; progress 3; ");
    update_says(bench, DOOR, "idle", NEW_VERSION, "");
    assert_non_null(
        strstr(bench->home.firmware_log, "transferred; version - " NEW "; ")); /* it cannot be asked */
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), NEW);
}

static void fails_and_stays(void **state)
{
    struct z2m_bench *bench = *state;

    scheduled(bench);
    for (int i = 0; i < 4; i++) {
        wakes(bench);
        update_says(bench, DOOR, "scheduled", OLD_VERSION, "");
    }
    assert_string_equal(bench->home.firmware_log,
                        "begun; progress 3; deferred; begun; progress 3; deferred; "
                        "begun; progress 3; deferred; begun; progress 3; deferred; ");
    asked(bench, "");
    wakes(bench);
    update_says(bench, DOOR, "scheduled", OLD_VERSION, "");
    assert_non_null(strstr(bench->home.firmware_log, "failed for good the device woke"));
    assert_true(asked(bench, "unschedule"));
}

static void cancelled(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = scheduled(bench);

    device->target.ops->abort(&device->target);
    assert_true(asked(bench, "unschedule"));
    fake_home_advance(&bench->home, 30000);
    assert_true(asked(bench, "unschedule")); /* not answered: once more */
    answer(bench, "unschedule", "{}", NULL);
    fake_home_advance(&bench->home, 300000);
    assert_false(asked(bench, "unschedule"));
}

/* The bridge could not hear it: it is told when it is back. */
static void cancelled_while_the_bridge_is_away(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = scheduled(bench);

    says(bench, "zigbee2mqtt/bridge/state", "offline");
    device->target.ops->abort(&device->target);
    assert_false(asked(bench, "unschedule"));
    says(bench, "zigbee2mqtt/bridge/state", "online");
    assert_true(asked(bench, "unschedule"));
}

static void cancelled_while_it_takes_it(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = scheduled(bench);
    unsigned before;

    wakes(bench);
    before = bench->home.sent;
    device->target.ops->abort(&device->target);
    assert_int_equal(bench->home.sent, before + 2);
    assert_true(asked(bench, "unschedule"));
}

static void kept_over_a_restart_of_the_bridge(void **state)
{
    struct z2m_bench *bench = *state;

    scheduled(bench);
    says(bench, "zigbee2mqtt/bridge/state", "offline");
    says(bench, "zigbee2mqtt/bridge/state", "online");
    assert_null(strstr(bench->home.firmware_log, "failed"));
    wakes(bench);
    assert_non_null(strstr(bench->home.firmware_log, "begun; progress 3; "));
}

/* Somebody unscheduled it by hand, or the bridge found no image where it was told to look. */
static void gone_from_the_bridge(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = scheduled(bench);

    asked(bench, "");
    update_says(bench, DOOR, "idle", OLD_VERSION, "");
    assert_non_null(
        strstr(bench->home.firmware_log, "failed for now the bridge gave the scheduled update up"));
    assert_true(asked(bench, "unschedule"));
    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_true(asked(bench, "schedule"));
    assert_non_null(strstr(bench->home.frame, ",\"hex\":"));
}

static void not_heard(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = door(bench);

    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    fake_home_advance(&bench->home, 30000);
    assert_non_null(
        strstr(bench->home.firmware_log, "failed for now Zigbee2MQTT refused the update: no answer"));
}

/* After a restart of ours the order leads nowhere: it is taken back, and the bridge says what it knows. */
static void read_without_waking(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = door(bench);

    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    assert_true(asked(bench, "unschedule"));
    update_says(bench, DOOR, "idle", OLD_VERSION, "");
    answer(bench, "unschedule", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log, "version 1.0.4 587765297; "));
}

static void battery(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = door(bench), *other = device_called(bench, LAMP_ID);

    says(bench, DOOR, "{\"contact\":true,\"battery\":17}");
    assert_true(device->target.on_battery);
    assert_int_equal(device->target.battery, 17);
    says(bench, DOOR, "{\"battery\":101}");
    says(bench, DOOR, "{\"battery\":\"low\"}");
    assert_int_equal(device->target.battery, 17);
    says(bench, LAMP, "{\"battery\":17}"); /* of something else: it is on the mains */
    assert_false(other->target.on_battery);
}

int test_zigbee2mqtt_sleepy(void)
{
    const struct CMUnitTest tests[] = {
        Z2M_TEST(takes_it_when_it_wakes),
        Z2M_TEST(fails_and_stays),
        Z2M_TEST(cancelled),
        Z2M_TEST(cancelled_while_the_bridge_is_away),
        Z2M_TEST(cancelled_while_it_takes_it),
        Z2M_TEST(kept_over_a_restart_of_the_bridge),
        Z2M_TEST(gone_from_the_bridge),
        Z2M_TEST(not_heard),
        Z2M_TEST(read_without_waking),
        Z2M_TEST(battery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
