/* SPDX-License-Identifier: BSD-3-Clause */
/* Shelly devices that sleep, and how a restart is told from a moment out of reach. */
#include "tests/unit/test_shelly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/shelly_bench.h"

#define URL "http://192.168.1.1:7681/i/0123456789abcdef/fw.zip"
#define STATUS "{\"mac\":\"A8032ABE54DC\",\"uptime\":86400,\"available_updates\":{}}"

static int start(struct device *device, struct error *err)
{
    struct firmware_install install = {.url = URL, .path = "/x", .version = "1.5.0"};

    return device->target.ops->install(&device->target, &install, err);
}

/* ---- uptime ---- */

/* It has just started when the update begins, and then is only out of reach for a moment. */
static void started_just_before(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = plug_on_websocket(bench, &session);
    char info[1024];

    assert_int_equal(start(device, NULL), 0);
    answer(bench, PLUG, "null");
    fake_home_advance(&bench->home, 3000);
    session_close(bench, &session);
    fake_home_advance(&bench->home, 500);
    session_open(bench, &session, "192.168.1.20");
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    fake_home_forget_logs(&bench->home);
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, "{\"uptime\":3}"); /* 3.5 s have passed: it may be the one of before */
    assert_string_equal(bench->home.firmware_log, "");
    fake_home_advance(&bench->home, 500); /* asked again when the answer tells one from the other */
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, "{\"uptime\":4}"); /* of 4.0 s: still the same life */
    assert_null(strstr(bench->home.firmware_log, "version"));
    fake_home_advance(&bench->home, 1000);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    answer(bench, PLUG, "{\"uptime\":4}"); /* of 5.0 s: it did restart */
    assert_non_null(strstr(bench->home.firmware_log, "transferred; "));
    assert_non_null(strstr(bench->home.firmware_log, "1.4.4; "));
    session_close(bench, &session);
}

/* ---- devices that sleep ---- */

static void wakes(struct shelly_bench *bench, struct lan_session *session, unsigned percent)
{
    char params[300], info[1024];

    session_open(bench, session, "192.168.1.20");
    snprintf(
        params, sizeof(params),
        "{\"ts\":1.0,\"devicepower:0\":{\"id\":0,\"battery\":{\"V\":5.5,\"percent\":%u},\"external\":{\"present\":"
        "false}},\"sys\":{\"wakeup_reason\":{\"boot\":\"deepsleep_wake\",\"cause\":\"periodic\"},"
        "\"wakeup_period\":7200}}",
        percent);
    session_event(bench, session, PLUG, "NotifyFullStatus", params);
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
}

static void sleeps(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device;

    wakes(bench, &session, 44);
    device = registry_find(bench->home.registry, "shelly:" PLUG);
    assert_true(device->sleeps && device->online && device->target.sleeps);
    assert_int_equal(device->target.battery, 44);
    assert_true(device->target.on_battery);
    /* What its maker offers is asked at once: there is no later. */
    answer(bench, PLUG, STATUS);
    fake_home_advance(&bench->home, 1);
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    session_close(bench, &session);
    assert_false(device->online);
    assert_true(device->sleeps);

    shelly_bench_restart(bench);
    device = registry_instance(registry_of(bench), 1);
    assert_true(device->sleeps && device->target.sleeps && !device->online);
    fake_home_forget_logs(&bench->home);
    wakes(bench, &session, 20);
    assert_int_equal(device->target.battery, 20);
    assert_non_null(strstr(bench->home.firmware_log, "online true; "));
    /* On a plug it stays awake. */
    session_event(bench, &session, PLUG, "NotifyFullStatus",
                  "{\"devicepower:0\":{\"external\":{\"present\":true}},\"sys\":{\"wakeup_period\":0}}");
    assert_false(device->sleeps || device->target.sleeps || device->target.on_battery);
    session_close(bench, &session);
}

/* It is told in the moment that it is awake. */
static void updated_when_it_wakes(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device;
    char info[1024];

    wakes(bench, &session, 90);
    device = registry_find(bench->home.registry, "shelly:" PLUG);
    session_close(bench, &session);
    assert_int_equal(start(device, NULL), -1);
    wakes(bench, &session, 90);
    assert_int_equal(start(device, NULL), 0);
    answer(bench, PLUG, "null");
    session_event(bench, &session, PLUG, "NotifyEvent",
                  "{\"events\":[{\"component\":\"sys\",\"event\":\"ota_success\"}]}");
    session_close(bench, &session);
    fake_home_forget_logs(&bench->home);
    session_open(bench, &session, "192.168.1.20");
    answer(bench, PLUG, plug_info("1.5.0", "SNPL-00112EU", info));
    assert_non_null(strstr(bench->home.firmware_log, "version 20250101-101010/1.5.0-g1234567 1.5.0; "));
    session_close(bench, &session);
}

int test_shelly_sleep(void)
{
    const struct CMUnitTest tests[] = {
        SHELLY_TEST(started_just_before),
        SHELLY_TEST(sleeps),
        SHELLY_TEST(updated_when_it_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
