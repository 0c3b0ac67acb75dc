/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "tests/unit/zigbee2mqtt_bench.h"

#define URL "http://192.168.1.1:7681/image/0123456789abcdef/lamp.ota"
#define OK_DATA \
    "{\"id\":\"" LAMP_ID "\",\"from\":{\"file_version\":587765297},\"to\":{\"file_version\":587806257}}"
#define OLD "587765297"
#define NEW "587806257"

/* The lamp's update was ordered, and has begun. Later answers need the request's transaction: it is kept in the frame. */
static struct device *begun(struct z2m_bench *bench)
{
    struct device *device = lamp(bench);

    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_true(asked(bench, "update"));
    assert_non_null(strstr(bench->home.frame, "\"id\":\"" LAMP_ID "\""));
    assert_non_null(strstr(bench->home.frame, "\"url\":\"" URL "\""));
    update_says(bench, LAMP, "updating", OLD_VERSION, ",\"progress\":12.9,\"remaining\":60");
    assert_string_equal(bench->home.firmware_log, "progress 0; progress 12; ");
    fake_home_forget_logs(&bench->home);
    return device;
}

/* The bridge says that it is done, and names the version of the file. */
static void bridge_done(struct z2m_bench *bench)
{
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    answer(bench, "update", OK_DATA, NULL);
    assert_true(asked(bench, "check"));
}

static void from_the_gateway(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = begun(bench);

    bridge_done(bench);
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION),
                        OLD); /* the device has not said so yet */
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_string_equal(bench->home.firmware_log,
                        "offer latest -; transferred; offer latest -; version - " NEW "; ");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), NEW);
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices.json");
    assert_string_equal(device_text(device, DEVICE_FIRMWARE_NAME), "2.3.87");
}

static void came_back_old(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = begun(bench);

    bridge_done(bench);
    fake_home_forget_logs(&bench->home);
    update_says(bench, LAMP, "idle", OLD_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log, "online false; online true; version 2.3.87 " OLD));
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), OLD);
}

/* What it ran before was never told: that it restarted is what makes the version its outcome. */
static void version_was_not_known(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device;

    bridge_comes(bench);
    device = device_called(bench, LAMP_ID);
    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_true(asked(bench, "update"));
    answer(bench, "update", OK_DATA, NULL);
    assert_true(asked(bench, "check"));
    fake_home_forget_logs(&bench->home);
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_string_equal(bench->home.firmware_log,
                        "offer latest -; online false; online true; version - " NEW "; ");
}

static void came_back_other(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    bridge_done(bench);
    fake_home_forget_logs(&bench->home);
    update_says(bench, LAMP, "idle", 7, "");
    answer(bench, "check", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log,
                           "failed for good the device runs version 7 and not " NEW "; version - 7; "));
}

/* The bridge cannot check without its index; that the device was interviewed anew shows that it is back. */
static void confirmed_by_interview(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = begun(bench);
    char list[4096];

    bridge_done(bench);
    answer(bench, "check", NULL, "Failed to check if OTA update available (fetch failed)");
    for (int interviewing = 1; interviewing >= 0; interviewing--) {
        snprintf(
            list, sizeof(list),
            "[{\"type\":\"Coordinator\"},{\"ieee_address\":\"" LAMP_ID
            "\",\"type\":\"Router\",\"friendly_name\":\"living room/lamp\",\"manufacturer\":\"Lumenary\",\"model_id\":"
            "\"LMN-E27-W\",\"interviewing\":%s,\"interview_state\":\"%s\"}]",
            interviewing ? "true" : "false", interviewing ? "IN_PROGRESS" : "SUCCESSFUL");
        says(bench, "zigbee2mqtt/bridge/devices", list);
    }
    fake_home_forget_logs(&bench->home);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    assert_true(asked(bench, "check"));
    answer(bench, "check", NULL, "Failed to check if OTA update available (fetch failed)");
    assert_string_equal(bench->home.firmware_log, "version - " NEW "; ");
}

/* It is not back: the bridge's word is not taken, however often it cannot be asked. */
static void never_confirmed(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = begun(bench);

    bridge_done(bench);
    for (int i = 0; i < 5; i++) {
        answer(bench, "check", NULL,
               "Failed to check if OTA update available (Device didn't respond to OTA request)");
        device->target.ops->read_version(&device->target, NULL);
        assert_true(asked(bench, "check"));
    }
    assert_null(strstr(bench->home.firmware_log, "version"));
}

static void by_hex(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    assert_int_equal(install_on(bench, device, NULL, NULL), 0); /* the gateway serves no images */
    assert_true(asked(bench, "update"));
    assert_non_null(strstr(bench->home.frame, ",\"hex\":{\"data\":\"1ef1ee0b0001380000"));
    assert_null(strstr(bench->home.frame, "file_name")); /* a name is the bridge's to choose */
}

/* The bridge says only that there is no image: after a look at the header that means that it got none. */
static void no_route(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    answer(bench, "update", NULL, "Update of 'lamp' failed (No image currently available)");
    assert_true(asked(bench, "check")); /* unless the device runs it already */
    update_says(bench, LAMP, "idle", OLD_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log, "failed for now the bridge got no image"));
    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_true(asked(bench, "update"));
    assert_non_null(strstr(bench->home.frame, ",\"hex\":"));
    fake_home_forget_logs(&bench->home);
    answer(bench, "update", NULL, "Update of 'lamp' failed (No image currently available)");
    answer(bench, "check", NULL, "Failed to check (fetch failed)");
    assert_non_null(strstr(bench->home.firmware_log, "failed for good"));
}

/* The order before this one was carried out, and nobody heard of it. */
static void done_already(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    answer(bench, "update", NULL, "Update of 'lamp' failed (No image currently available)");
    assert_true(asked(bench, "check"));
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log, "transferred; version - " NEW "; "));
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), NEW);
}

static void offer(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    struct firmware_install install = {.offer = "latest", .version = NEW};

    fixture(bench, LAMP, "state-available.json");
    assert_int_equal(device->target.ops->install(&device->target, &install, NULL), 0);
    assert_true(asked(bench, "update"));
    assert_null(strstr(bench->home.frame, "url"));
    assert_null(strstr(bench->home.frame, "hex"));
}

static void older(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    update_says(bench, LAMP, "idle", NEW_VERSION + 1, "");
    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_true(asked(bench, "update/downgrade"));
}

static void refused_at_once(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);
    struct firmware_install wrong = {.url = URL, .path = "/dev/null"};
    struct error err = {0};

    assert_int_equal(device->target.ops->install(&device->target, &wrong, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    assert_non_null(strstr(err.message, "Zigbee OTA"));
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    assert_int_equal(install_on(bench, device, URL, &err), -1); /* it runs that already */
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    update_says(bench, LAMP, "idle", OLD_VERSION, "");
    bench->home.lan_down = true;
    assert_int_equal(install_on(bench, device, URL, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    bench->home.lan_down = false;
    says(bench, "zigbee2mqtt/bridge/state", "offline");
    assert_int_equal(install_on(bench, device, URL, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    says(bench, "zigbee2mqtt/bridge/state", "online");
    quarantine_put(device, QUARANTINE_MODEL, "X");
    assert_int_equal(install_on(bench, device, URL, &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
}

static void failures(void **state)
{
    static const struct {
        const char *said;
        bool final;
    } words[] = {
        {"OTA update or check for update already in progress for 'lamp'", false},
        {"OTA update of 'lamp' failed (Timeout - 150000ms)", false},
        {"Device 'lamp' does not exist", true},
        {"Device 'lamp' does not support OTA updates", true},
        {"OTA update of 'lamp' failed (failed with reason: INVALID_IMAGE)", true},
    };
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        update_says(bench, LAMP, "idle", OLD_VERSION, "");
        fake_home_forget_logs(&bench->home);
        assert_int_equal(install_on(bench, device, URL, NULL), 0);
        answer(bench, "update", NULL, words[i].said);
        assert_non_null(
            strstr(bench->home.firmware_log, words[i].final ? "failed for good" : "failed for now"));
        assert_non_null(strstr(bench->home.firmware_log, words[i].said));
    }
}

/* Half way; and what the bridge says of the same update later is old news. */
static void gives_up(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    update_says(bench, LAMP, "available", OLD_VERSION, "");
    answer(bench, "update", NULL, "OTA update of 'lamp' failed (Timeout)");
    assert_non_null(strstr(bench->home.firmware_log, "failed for now Zigbee2MQTT gave up: "));
    fake_home_forget_logs(&bench->home);
    answer(bench, "update", OK_DATA, NULL);
    assert_string_equal(bench->home.firmware_log, "");
}

/* The answer got lost: after a while the version decides. */
static void answer_lost(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    fake_home_advance(&bench->home, 14999);
    assert_null(strstr(bench->home.firmware_log, "transferred"));
    fake_home_advance(&bench->home, 1);
    assert_non_null(strstr(bench->home.firmware_log, "transferred"));
}

static void bridge_restarts(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"offline\"}");
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    assert_non_null(strstr(bench->home.firmware_log, "failed for now Zigbee2MQTT went away"));
}

/* We were away, not the bridge: it is asked whether it is still at it. */
static void broker_restarts(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    zigbee2mqtt_dialect.broker(bench->home.ctx, false);
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    assert_true(asked(bench, "check"));
    answer(bench, "check", NULL, "OTA update or check for update already in progress for 'lamp'");
    update_says(bench, LAMP, "updating", OLD_VERSION, ",\"progress\":50");
    assert_non_null(strstr(bench->home.firmware_log, "progress 50; "));
    zigbee2mqtt_dialect.broker(bench->home.ctx, false);
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    assert_true(asked(bench, "check"));
    fake_home_forget_logs(&bench->home);
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log, "transferred"));
}

/* A hiccup, of which nobody was told; and the bridge comes back to the broker after us. */
static void hiccup(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    zigbee2mqtt_dialect.broker(bench->home.ctx, true);
    assert_true(asked(bench, "check"));
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    assert_true(asked(bench, "check"));
    fake_home_forget_logs(&bench->home);
    update_says(bench, LAMP, "idle", OLD_VERSION, "");
    answer(bench, "check", "{}", NULL);
    assert_non_null(strstr(bench->home.firmware_log, "failed for now the bridge ended the update"));
}

/* The job has given it up long ago: what the device says then is news again. */
static void confirmed_too_late(void **state)
{
    struct z2m_bench *bench = *state;

    begun(bench);
    bridge_done(bench);
    update_says(bench, LAMP, "idle", OLD_VERSION, "");
    assert_null(strstr(bench->home.firmware_log, "version"));
    fake_home_advance(&bench->home, 600000);
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    assert_non_null(strstr(bench->home.firmware_log, "version 2.3.87 " NEW "; "));
}

/* An earlier life of ours began it; the bridge cannot be asked twice, and need not be. */
static void adopted(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = lamp(bench);

    update_says(bench, LAMP, "updating", OLD_VERSION, ",\"progress\":30");
    fake_home_forget_logs(&bench->home);
    asked(bench, "");
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    assert_string_equal(bench->home.firmware_log, "version 2.3.87 " OLD "; ");
    assert_int_equal(install_on(bench, device, URL, NULL), 0);
    assert_false(asked(bench, "update"));
    update_says(bench, LAMP, "updating", OLD_VERSION, ",\"progress\":60");
    update_says(bench, LAMP, "idle", NEW_VERSION, "");
    assert_non_null(strstr(bench->home.firmware_log, "progress 60; "));
    assert_non_null(strstr(bench->home.firmware_log, "transferred; "));
    assert_true(asked(bench, "check"));
}

static void aborted(void **state)
{
    struct z2m_bench *bench = *state;
    struct device *device = begun(bench);

    device->target.ops->abort(&device->target);
    assert_true(asked(bench, "update/abort"));
    update_says(bench, LAMP, "updating", OLD_VERSION, ",\"progress\":40");
    assert_null(strstr(bench->home.firmware_log, "progress"));
}

int test_zigbee2mqtt_update(void)
{
    const struct CMUnitTest tests[] = {
        Z2M_TEST(from_the_gateway),
        Z2M_TEST(came_back_old),
        Z2M_TEST(version_was_not_known),
        Z2M_TEST(came_back_other),
        Z2M_TEST(confirmed_by_interview),
        Z2M_TEST(never_confirmed),
        Z2M_TEST(by_hex),
        Z2M_TEST(no_route),
        Z2M_TEST(offer),
        Z2M_TEST(older),
        Z2M_TEST(refused_at_once),
        Z2M_TEST(failures),
        Z2M_TEST(gives_up),
        Z2M_TEST(answer_lost),
        Z2M_TEST(bridge_restarts),
        Z2M_TEST(broker_restarts),
        Z2M_TEST(adopted),
        Z2M_TEST(aborted),
        Z2M_TEST(hiccup),
        Z2M_TEST(done_already),
        Z2M_TEST(confirmed_too_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
