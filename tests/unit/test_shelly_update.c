/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/quarantine.h"
#include "tests/unit/test_shelly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/shelly_bench.h"

#define URL "http://192.168.1.1:7681/i/0123456789abcdef/fw.zip"

static int start_with(struct device *device, const char *url, const char *offer, struct error *err)
{
    struct firmware_install install = {
        .url = url, .path = url ? "/x" : NULL, .offer = offer, .version = "1.5.0"};

    return device->target.ops->install(&device->target, &install, err);
}

/* The plug has taken the update and transfers. */
static void start(struct shelly_bench *bench, struct device *device)
{
    assert_int_equal(start_with(device, URL, NULL, NULL), 0);
    assert_non_null(strstr(bench->home.frame, "\"params\":{\"url\":\"" URL "\"}"));
    assert_true(asked(bench, "Shelly.Update"));
    answer(bench, PLUG, "null");
    assert_string_equal(bench->home.firmware_log, "progress 0; ");
    fake_home_forget_logs(&bench->home);
}

static void goes(struct shelly_bench *bench)
{
    fake_home_mqtt(&bench->home, PLUG "/online", "false", false);
}

/* It connects again and says which version it runs. */
static void returns(struct shelly_bench *bench, const char *version, const char *model)
{
    char info[1024];

    fake_home_mqtt(&bench->home, PLUG "/online", "true", false);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info(version, model, info));
}

static void from_the_gateway(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    ota(bench, PLUG, "ota_begin", 0);
    ota(bench, PLUG, "ota_progress", 40);
    ota(bench, PLUG, "ota_progress", 99);
    ota(bench, PLUG, "ota_success", 100);
    assert_string_equal(bench->home.firmware_log, "progress 0; progress 40; progress 99; transferred; ");
    fake_home_forget_logs(&bench->home);
    goes(bench);
    returns(bench, "1.5.0", "SNPL-00112EU");
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; version 20250101-101010/1.5.0-g1234567 1.5.0; ");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.5.0");
}

static void over_websocket(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = plug_on_websocket(bench, &session);
    char info[1024];

    assert_int_equal(start_with(device, URL, NULL, NULL), 0);
    answer(bench, PLUG, "null");
    session_event(bench, &session, PLUG, "NotifyEvent",
                  "{\"events\":[{\"component\":\"sys\",\"event\":\"ota_success\",\"msg\":\"\"}]}");
    session_close(bench, &session);
    session_open(bench, &session, "192.168.1.20");
    answer(bench, PLUG, plug_info("1.5.0", "SNPL-00112EU", info));
    assert_string_equal(bench->home.firmware_log, "progress 0; transferred; online false; online true; "
                                                  "version 20250101-101010/1.5.0-g1234567 1.5.0; ");
    session_close(bench, &session);
}

static void from_the_manufacturer(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    event_mqtt(bench, PLUG, PLUG, "NotifyStatus",
               "{\"sys\":{\"available_updates\":{\"stable\":{\"version\":\"1.5.0\"}}}}");
    assert_int_equal(start_with(device, NULL, "stable", NULL), 0);
    assert_non_null(strstr(bench->home.frame, "\"params\":{\"stage\":\"stable\"}"));
    answer(bench, PLUG, "null");
    ota(bench, PLUG, "ota_success", 100);
    goes(bench);
    returns(bench, "1.5.0", "SNPL-00112EU");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), ""); /* it was taken */
}

static void refused(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    assert_int_equal(start_with(device, URL, NULL, NULL), 0);
    answer_error(bench, PLUG, -103, "Invalid argument 'url'!");
    assert_string_equal(bench->home.firmware_log,
                        "failed for good the device refused the update: Invalid argument 'url'! (-103); ");
    fake_home_forget_logs(&bench->home);
    assert_int_equal(start_with(device, URL, NULL, NULL), 0);
    answer_error(bench, PLUG, -114, "Update in progress");
    assert_string_equal(bench->home.firmware_log,
                        "failed for now the device refused the update: Update in progress (-114); ");
}

static void no_answer(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    fake_home_advance(&bench->home, 70000);
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    answer(bench, PLUG, "{}");
    assert_true(asked(bench, "Schedule.List"));
    answer(bench, PLUG, "{\"jobs\":[]}");
    fake_home_forget_logs(&bench->home);
    assert_int_equal(start_with(device, URL, NULL, NULL), 0);
    bench->home.sent = 0;
    fake_home_advance(&bench->home, 19000);
    assert_int_equal(bench->home.sent, 0); /* an update is not asked for twice */
    fake_home_advance(&bench->home, 11000);
    assert_string_equal(bench->home.firmware_log, "failed for now the device does not answer; ");
}

static void not_to_be_started(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    struct error err = {0};
    char url[4000];

    memset(url, 'x', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    assert_int_equal(start_with(device, url, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    bench->home.lan_down = true;
    assert_int_equal(start_with(device, URL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    bench->home.lan_down = false;
    goes(bench);
    assert_int_equal(start_with(device, URL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    assert_int_equal(device->target.ops->read_version(&device->target, &err),
                     0); /* a question harms nobody */
    quarantine_put(device, QUARANTINE_MODEL, "X");
    assert_int_equal(start_with(device, URL, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
}

static void fails_on_the_way(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    ota(bench, PLUG, "ota_progress", 40);
    ota(bench, PLUG, "ota_error", 0);
    assert_string_equal(bench->home.firmware_log,
                        "progress 40; failed for now the device gave up: Flash write failed; ");
    fake_home_forget_logs(&bench->home);
    ota(bench, PLUG, "ota_progress", 41); /* too late */
    ota(bench, PLUG, "ota_success", 100);
    assert_string_equal(bench->home.firmware_log, "");
}

static void aborted(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    device->target.ops->abort(&device->target);
    ota(bench, PLUG, "ota_progress", 41);
    ota(bench, PLUG, "ota_error", 0);
    assert_string_equal(bench->home.firmware_log, "");
}

static void never_returns(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    ota(bench, PLUG, "ota_success", 100);
    goes(bench);
    fake_home_forget_logs(&bench->home);
    for (int i = 0; i < 60; i++)
        fake_home_advance(&bench->home, 10000);
    assert_string_equal(bench->home.firmware_log, ""); /* the job's own limit ends it */
    assert_int_equal(bench->home.sent, 0);
    assert_false(device->online);
}

static void returns_with_the_old_version(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    ota(bench, PLUG, "ota_success", 100);
    goes(bench);
    fake_home_forget_logs(&bench->home);
    returns(bench, "1.4.4", "SNPL-00112EU");
    assert_string_equal(
        bench->home.firmware_log,
        "online true; online false; online true; version 20250101-101010/1.4.4-g1234567 1.4.4; ");
}

static void returns_as_another_model(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    ota(bench, PLUG, "ota_success", 100);
    goes(bench);
    fake_home_forget_logs(&bench->home);
    returns(bench, "1.5.0", "SNPL-00110IT");
    assert_string_equal(bench->home.firmware_log, "block; online true; "); /* and no version */
    assert_true(device->quarantined);
}

/* Read before the reboot, a version proves nothing. */
static void asked_too_early(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char info[1024];

    start(bench, device);
    ota(bench, PLUG, "ota_success", 100);
    fake_home_forget_logs(&bench->home);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, "{\"uptime\":86400}");
    assert_string_equal(bench->home.firmware_log, "");
    goes(bench);
    returns(bench, "1.5.0", "SNPL-00112EU");
    assert_non_null(strstr(bench->home.firmware_log, "1.5.0; "));
}

/* It says nothing about its update: going and coming back after a reboot is all there is to see. */
static void without_events(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    goes(bench);
    returns(bench, "1.5.0", "SNPL-00112EU");
    assert_string_equal(bench->home.firmware_log, "online false; online true; transferred; "
                                                  "version 20250101-101010/1.5.0-g1234567 1.5.0; ");
}

static void without_events_old_version(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    fake_home_advance(&bench->home, 15000);
    goes(bench);
    returns(bench, "1.4.4", "SNPL-00112EU");
    fake_home_forget_logs(&bench->home);
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, "{\"uptime\":3}");
    assert_string_equal(
        bench->home.firmware_log,
        "transferred; online false; online true; version 20250101-101010/1.4.4-g1234567 1.4.4; ");
}

static void without_events_only_out_of_reach(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char info[1024];

    start(bench, device);
    fake_home_advance(&bench->home, 15000);
    goes(bench);
    returns(bench, "1.4.4", "SNPL-00112EU");
    fake_home_forget_logs(&bench->home);
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, "{\"uptime\":86415}");
    assert_string_equal(bench->home.firmware_log, ""); /* it still works on it */
    fake_home_advance(&bench->home, 20000);
    assert_true(asked(bench, "Shelly.GetDeviceInfo")); /* looked at again and again */
    answer(bench, PLUG, plug_info("1.5.0", "SNPL-00112EU", info));
    assert_string_equal(bench->home.firmware_log,
                        "transferred; version 20250101-101010/1.5.0-g1234567 1.5.0; ");
}

static void without_uptime(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    goes(bench);
    returns(bench, "1.4.4", "SNPL-00112EU");
    fake_home_forget_logs(&bench->home);
    answer_error(bench, PLUG, 404, "No handler for Sys.GetStatus");
    assert_string_equal(
        bench->home.firmware_log,
        "transferred; online false; online true; version 20250101-101010/1.4.4-g1234567 1.4.4; ");
}

/* The agent was restarted in the middle: what the device runs is told as it is; restarting it settles the rest. */
static void agent_restarted(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    start(bench, device);
    ota(bench, PLUG, "ota_success", 100);
    shelly_bench_restart(bench);
    device = plug_on_mqtt(bench);
    assert_true(device->target.ops->restart(&device->target));
    assert_true(asked(bench, "Shelly.Reboot"));
    answer(bench, PLUG, "null");
    goes(bench);
    returns(bench, "1.5.0", "SNPL-00112EU");
    assert_non_null(strstr(bench->home.firmware_log, "version 20250101-101010/1.5.0-g1234567 1.5.0; "));
}

/* Somebody else updates the device. */
static void not_our_update(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    ota(bench, PLUG, "ota_begin", 0);
    ota(bench, PLUG, "ota_progress", 50);
    ota(bench, PLUG, "ota_success", 100);
    assert_string_equal(bench->home.firmware_log, "");
    goes(bench);
    returns(bench, "1.6.0", "SNPL-00112EU");
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; version 20250101-101010/1.6.0-g1234567 1.6.0; ");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.6.0");
}

static void the_answer_is_lost_in_the_reboot(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    assert_int_equal(start_with(device, URL, NULL, NULL), 0);
    goes(bench);
    fake_home_advance(&bench->home, 60000);
    returns(bench, "1.5.0", "SNPL-00112EU");
    assert_string_equal(bench->home.firmware_log, "online false; online true; transferred; "
                                                  "version 20250101-101010/1.5.0-g1234567 1.5.0; ");
}

int test_shelly_update(void)
{
    const struct CMUnitTest tests[] = {
        SHELLY_TEST(from_the_gateway),
        SHELLY_TEST(over_websocket),
        SHELLY_TEST(from_the_manufacturer),
        SHELLY_TEST(refused),
        SHELLY_TEST(no_answer),
        SHELLY_TEST(not_to_be_started),
        SHELLY_TEST(fails_on_the_way),
        SHELLY_TEST(aborted),
        SHELLY_TEST(never_returns),
        SHELLY_TEST(returns_with_the_old_version),
        SHELLY_TEST(returns_as_another_model),
        SHELLY_TEST(asked_too_early),
        SHELLY_TEST(without_events),
        SHELLY_TEST(without_events_old_version),
        SHELLY_TEST(without_events_only_out_of_reach),
        SHELLY_TEST(without_uptime),
        SHELLY_TEST(agent_restarted),
        SHELLY_TEST(not_our_update),
        SHELLY_TEST(the_answer_is_lost_in_the_reboot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
