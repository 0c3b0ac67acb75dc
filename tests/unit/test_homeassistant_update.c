/* SPDX-License-Identifier: BSD-3-Clause */
/* Updates through an update entity: asked for, and judged by the version that the device says afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "tests/unit/homeassistant_bench.h"
#include "tests/unit/test_homeassistant.h"

#define PROGRESS(percent)                                                                                               \
    "{\"installed_version\":\"1.4.0\",\"latest_version\":\"1.5.0\",\"in_progress\":true,\"update_percentage\":" percent \
    "}"
#define IDLE \
    "{\"installed_version\":\"1.4.0\",\"latest_version\":\"1.5.0\",\"in_progress\":false,\"update_percentage\":null}"
#define DONE "{\"installed_version\":\"1.5.0\",\"latest_version\":\"1.5.0\",\"in_progress\":false}"

static int start_with(struct device *device, const char *url, const char *offer, const char *version,
                      struct error *err)
{
    struct firmware_install install = {
        .url = url, .path = url ? "/x" : NULL, .offer = offer, .version = version};

    return device->target.ops->install(&device->target, &install, err);
}

/* The kitchen light, which was told to install. */
static struct device *started(struct ha_bench *bench)
{
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    assert_int_equal(start_with(device, NULL, "latest", "1.5.0", NULL), 0);
    assert_string_equal(bench->home.topic, "kitchen/update/firmware/command");
    assert_string_equal(bench->home.frame, "INSTALL");
    assert_int_equal(bench->qos, 0);
    assert_false(bench->retain);
    fake_home_forget_logs(&bench->home);
    return device;
}

static void says(struct ha_bench *bench, const char *state)
{
    publishes(bench, KITCHEN_STATE, state);
}

static void goes(struct ha_bench *bench)
{
    publishes(bench, "kitchen/status", "offline");
}

static void returns(struct ha_bench *bench)
{
    publishes(bench, "kitchen/status", "online");
}

static bool told(struct ha_bench *bench, const char *what)
{
    return strstr(bench->home.firmware_log, what) != NULL;
}

/* As ESPHome does it: not a word until it is back. */
static void silent(void **state)
{
    struct ha_bench *bench = *state;

    started(bench);
    goes(bench);
    assert_string_equal(bench->home.firmware_log, "transferred; online false; ");
    returns(bench);
    says(bench, KITCHEN_SAYS("1.5.0", "1.5.0"));
    assert_string_equal(bench->home.firmware_log, "transferred; online false; online true; "
                                                  "version Kitchen light 1.5.0; offer latest -; ");
    assert_string_equal(device_text(the(bench, KITCHEN), DEVICE_SOFTWARE_VERSION), "1.5.0");
}

static void with_progress(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device = started(bench);

    says(bench, PROGRESS("0"));
    says(bench, PROGRESS("40"));
    says(bench, PROGRESS("null"));
    assert_string_equal(bench->home.firmware_log,
                        "progress 0; offer latest 1.5.0; progress 40; offer latest 1.5.0; "
                        "progress 40; offer latest 1.5.0; ");
    assert_false(device->target.ops->idle(&device->target));
    fake_home_forget_logs(&bench->home);
    says(bench, PROGRESS("100"));
    goes(bench);
    assert_true(told(bench, "transferred; online false; "));
    returns(bench);
    says(bench, DONE);
    assert_true(told(bench, "version - 1.5.0; "));
    assert_true(device->target.ops->idle(&device->target));
}

/* Neither availability nor progress: only the version tells. */
static void nothing_but_the_version(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    retained(
        bench, "homeassistant/update/x/config",
        "{\"dev\":{\"ids\":\"x\"},\"stat_t\":\"x/s\",\"l_ver_t\":\"x/l\",\"cmd_t\":\"x/c\",\"pl_inst\":\"go\"}");
    passes(bench, 4000);
    device = the(bench, "homeassistant:x");
    live(bench, "x/s", "1");
    live(bench, "x/l", "2");
    assert_int_equal(start_with(device, NULL, "latest", "2", NULL), 0);
    fake_home_forget_logs(&bench->home);
    live(bench, "x/s", "1");
    passes(bench, 3600000);
    assert_false(told(bench, "failed")); /* when that took too long, the job says so */
    live(bench, "x/s", "2");
    assert_true(told(bench, "version - 2; "));
}

/* New already in the middle of it: not before it is done. */
static void too_early(void **state)
{
    struct ha_bench *bench = *state;

    started(bench);
    says(bench, "{\"installed_version\":\"1.5.0\",\"in_progress\":true,\"update_percentage\":10}");
    assert_false(told(bench, "version"));
    says(bench, DONE);
    assert_true(told(bench, "version - 1.5.0; "));
}

static void returns_with_the_old_version(void **state)
{
    struct ha_bench *bench = *state;

    started(bench);
    goes(bench);
    returns(bench);
    says(bench, IDLE);
    fake_home_forget_logs(&bench->home);
    assert_string_equal(bench->home.firmware_log, "");
    passes(bench, 29000);
    assert_string_equal(bench->home.firmware_log, ""); /* it may only have been out of reach */
    passes(bench, 2000);
    assert_string_equal(bench->home.firmware_log, "version - 1.4.0; ");
}

static void only_out_of_reach(void **state)
{
    struct ha_bench *bench = *state;

    started(bench);
    goes(bench);
    returns(bench);
    says(bench, IDLE);
    passes(bench, 20000);
    goes(bench); /* now it restarts */
    passes(bench, 20000);
    returns(bench);
    says(bench, DONE);
    assert_true(told(bench, "version - 1.5.0; "));
    assert_false(told(bench, "version - 1.4.0; "));
    assert_false(told(bench, "failed"));
}

static void power_cut(void **state)
{
    struct ha_bench *bench = *state;

    started(bench);
    says(bench, PROGRESS("40"));
    goes(bench);
    assert_false(told(bench, "transferred"));
    returns(bench);
    says(bench, IDLE);
    passes(bench, 31000);
    assert_true(told(bench,
                     "failed for now the device left at 40 % of its update, came back and still runs version "
                     "\"1.4.0\"; it tells no reason; "));
}

static void gives_up(void **state)
{
    struct ha_bench *bench = *state;

    started(bench);
    says(bench, PROGRESS("40"));
    says(bench, IDLE);
    passes(bench, 31000);
    assert_true(told(
        bench,
        "failed for now the device ended its update and still runs version \"1.4.0\"; it tells no reason; "));
    fake_home_forget_logs(&bench->home);
    says(bench, DONE); /* late, but true */
    assert_true(told(bench, "version - 1.5.0; "));
}

/* What the broker kept from before proves nothing. */
static void kept_state_is_no_proof(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device = started(bench);

    goes(bench);
    returns(bench);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    passes(bench, 60000);
    assert_false(told(bench, "version"));
    assert_false(told(bench, "failed"));
    /* Another version is news, wherever it comes from. */
    retained(bench, KITCHEN_STATE, DONE);
    assert_true(told(bench, "version - 1.5.0; "));
}

static void read_version(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;
    unsigned subscribed;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    subscribed = bench->subscribed;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
        passes(bench, 5000);
    }
    assert_int_equal(bench->subscribed - subscribed, 4); /* the broker is not asked every time */
    retained(bench, KITCHEN_CONFIG, "");
    passes(bench, 60000);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), -1);
}

static void aborted(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device = started(bench);

    device->target.ops->abort(&device->target);
    says(bench, PROGRESS("40"));
    goes(bench);
    assert_false(told(bench, "progress"));
    assert_false(told(bench, "transferred"));
}

static void not_to_be_started(void **state)
{
    struct ha_bench *bench = *state;
    struct error err = {0};
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    assert_int_equal(start_with(device, "http://192.168.1.1/x", NULL, "1.5.0", &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
    assert_non_null(strstr(err.message, "only what its maker offers"));
    assert_non_null(device->target.ops->no_download);
    assert_int_equal(start_with(device, NULL, "latest", "1.4.5", &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
    assert_non_null(strstr(err.message, "no longer offers version \"1.4.5\" but \"1.5.0\""));
    says(bench, PROGRESS("1"));
    assert_int_equal(start_with(device, NULL, "latest", "1.5.0", &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    says(bench, IDLE);
    bench->home.lan_down = true;
    assert_int_equal(start_with(device, NULL, "latest", "1.5.0", &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    bench->home.lan_down = false;
    goes(bench);
    assert_int_equal(start_with(device, NULL, "latest", "1.5.0", &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    returns(bench);
    retained(bench, KITCHEN_CONFIG, "");
    assert_int_equal(start_with(device, NULL, "latest", "1.5.0", &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
    quarantine_put(device, QUARANTINE_MODEL, "X");
    assert_int_equal(start_with(device, NULL, "latest", "1.5.0", &err), -1);
    assert_non_null(strstr(err.message, "quarantined: model changed"));
    assert_int_equal(bench->home.sent, 0);
}

/* A command that the broker keeps is taken back, or the device would obey it at each start. */
static void retained_command(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "device-form");
    device = the(bench, "homeassistant:ea334450945afc");
    assert_int_equal(start_with(device, NULL, "latest", "1.1", NULL), 0);
    assert_string_equal(bench->home.topic, "bla/0AFFD2/cmd");
    assert_string_equal(bench->home.frame, "go");
    assert_int_equal(bench->qos, 2);
    assert_true(bench->retain);
    publishes(bench, "bla/0AFFD2/fw", "{\"installed\":\"1.1\"}");
    assert_true(told(bench, "version - 1.1; "));
    assert_string_equal(bench->home.topic, "bla/0AFFD2/cmd");
    assert_string_equal(bench->home.frame, "");
    assert_true(bench->retain);
    assert_int_equal(bench->home.sent, 2);
}

static void payload_of_json(void **state)
{
    struct ha_bench *bench = *state;

    fixture(bench, "openmqttgateway");
    assert_int_equal(start_with(the(bench, "homeassistant:246F28AABBCC"), NULL, "latest", "v1.8.0", NULL), 0);
    assert_string_equal(bench->home.frame, "{\"version\":\"latest\"}");
}

/* The agent was restarted in the middle. The old version that the broker kept is believed only after a while. */
static void agent_restarted(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    started(bench);
    ha_bench_restart(bench);
    device = the(bench, KITCHEN);
    fake_home_job(&bench->home, &device->target, FIRMWARE_JOB_RESUMED, JOB_CONFIRMING, 0, NULL);
    fake_home_forget_logs(&bench->home);
    retained(bench, KITCHEN_STATE, IDLE);
    assert_false(told(bench, "version"));
    passes(bench, 31000);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    passes(bench, 0);
    assert_true(told(bench, "version - 1.4.0; "));
    fake_home_forget_logs(&bench->home);
    says(bench, PROGRESS("50")); /* at work: what it runs is not the last word */
    assert_false(told(bench, "version"));
    says(bench, DONE);
    assert_true(told(bench, "version - 1.5.0; "));
}

static void entity_goes_in_the_middle(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device = started(bench);

    retained(bench, KITCHEN_CONFIG, "");
    retained(bench, "homeassistant/sensor/kitchen/uptime/config", "");
    assert_true(told(bench, "offer latest -; "));
    assert_false(device->online);
    passes(bench, 61000);
    assert_true(told(bench, "remove; ")); /* which ends the job */
}

static void compare(void **state)
{
    static const struct {
        const char *a, *b;
        int order;
    } pairs[] = {
        {"1.2.3", "1.2.3", 0}, {"1.2.3", "1.2.10", -1},      {"v1.8.0", "1.7.9", 1},
        {"1.2", "1.2.1", -1},  {"2025.6.0", "2024.12.3", 1}, {"587756080", "587764248", -1},
    };
    static const char *const strange[] = {"", "v", "a.b", "1.2b1", "1..2", "1.2-rc1", "99999999999999999999"};
    int order = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(homeassistant_dialect.firmware->compare(pairs[i].a, pairs[i].b, &order), 0);
        assert_int_equal(order, pairs[i].order);
    }
    order = 7;
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        assert_int_equal(homeassistant_dialect.firmware->compare(strange[i], "1.2", &order), -1);
    assert_int_equal(order, 7);
}

int test_homeassistant_update(void)
{
    const struct CMUnitTest tests[] = {
        HA_TEST(silent),
        HA_TEST(with_progress),
        HA_TEST(nothing_but_the_version),
        HA_TEST(too_early),
        HA_TEST(returns_with_the_old_version),
        HA_TEST(only_out_of_reach),
        HA_TEST(power_cut),
        HA_TEST(gives_up),
        HA_TEST(kept_state_is_no_proof),
        HA_TEST(read_version),
        HA_TEST(aborted),
        HA_TEST(not_to_be_started),
        HA_TEST(retained_command),
        HA_TEST(payload_of_json),
        HA_TEST(agent_restarted),
        HA_TEST(entity_goes_in_the_middle),
        cmocka_unit_test(compare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
