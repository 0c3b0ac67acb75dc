/* SPDX-License-Identifier: BSD-3-Clause */
/* Updates of USP devices: each way that they go, and each way that they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/uspdev_bench.h"

static bool told(const struct uspdev_bench *bench, const char *what)
{
    return strstr(bench->home.firmware_log, what) != NULL;
}

static void start(struct uspdev_bench *bench, bool over_mqtt)
{
    uspdev_lamp(bench, over_mqtt);
    fake_home_advance(&bench->home, 5000);
    assert_int_equal(uspdev_install(bench, NULL), 0);
    uspdev_run(bench);
}

/* Download() has gone well, Activate() was taken. */
static void activate(struct uspdev_bench *bench)
{
    char key[64];

    snprintf(key, sizeof(key), "%s", bench->command_key);
    bench->banks[1].status = "Available";
    uspdev_complete(bench, "Download()", key, 0);
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "Device.DeviceInfo.FirmwareImage.2.Activate() "));
    assert_true(told(bench, "transferred; "));
}

static void come_back(struct uspdev_bench *bench)
{
    if (bench->over_mqtt) {
        uspdev_connects(bench);
    } else {
        uspdev_closes(bench, &bench->session);
        uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    }
    uspdev_run(bench);
}

static void new_version(struct uspdev_bench *bench)
{
    bench->version = "2.0.0";
    bench->active = "Device.DeviceInfo.FirmwareImage.2";
    bench->banks[0].status = "Available";
    bench->banks[1].status = "Active";
    bench->up_time = "1";
}

static void goes_well(struct uspdev_bench *bench, bool over_mqtt)
{
    start(bench, over_mqtt);
    assert_true(uspdev_asked(bench, "Device.DeviceInfo.FirmwareImage.2.Download() "));
    assert_string_equal(bench->last_args, "URL=http://192.168.1.1:7681/f/secret/lamp.img;AutoActivate=false;"
                                          "FileSize=1000;CheckSumAlgorithm=SHA-256;CheckSum=abcd;");
    activate(bench);
    assert_string_equal(bench->last_args, "");
    assert_false(told(bench, "version"));
    new_version(bench);
    fake_home_advance(&bench->home, 8000);
    come_back(bench);
    assert_true(told(bench, "version lamp 2.0.0; "));
    assert_false(told(bench, "failed"));
}

static void over_websocket(void **state)
{
    goes_well(*state, false);
}

static void over_mqtt(void **state)
{
    goes_well(*state, true);
}

static void transfer_complete_will_do(void **state)
{
    static const char *args[] = {
        "Command", "Device.DeviceInfo.FirmwareImage.2.Download()", "CommandKey", NULL, "FaultCode", "0",
        NULL};
    struct uspdev_bench *bench = *state;
    char key[64];

    start(bench, false);
    snprintf(key, sizeof(key), "%s", bench->command_key);
    args[3] = key;
    bench->banks[1].status = "Available";
    uspdev_event(bench, "Device.LocalAgent.", "TransferComplete!", args);
    uspdev_complete(bench, "Download()", key, 0); /* told twice */
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "Activate() "));
    assert_null(strstr(strstr(bench->asked, "Activate() ") + 1, "Activate() "));
}

static void transfer_complete_with_a_fault(void **state)
{
    static const char *args[] = {"Command",     "Device.DeviceInfo.FirmwareImage.2.Download()",
                                 "CommandKey",  NULL,
                                 "FaultCode",   "7022",
                                 "FaultString", "no route",
                                 NULL};
    struct uspdev_bench *bench = *state;

    start(bench, false);
    args[3] = bench->command_key;
    uspdev_event(bench, "Device.LocalAgent.", "TransferComplete!", args);
    assert_true(told(bench, "failed for now the device's download failed: no route (7022); "));
}

/* Nothing is told: the bank's Status is looked at, and only once it is this download's. */
static void status_will_do(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->banks[1].status = "Available"; /* of an older image */
    start(bench, false);
    fake_home_advance(&bench->home, 21000);
    uspdev_run(bench);
    assert_false(uspdev_asked(bench, "Activate() "));
    bench->banks[1].status = "Downloading";
    fake_home_advance(&bench->home, 21000);
    uspdev_run(bench);
    assert_false(uspdev_asked(bench, "Activate() "));
    bench->banks[1].status = "Available";
    fake_home_advance(&bench->home, 21000);
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "Activate() "));
}

static void status_says_failed(void **state)
{
    struct uspdev_bench *bench = *state;

    start(bench, false);
    bench->banks[1].status = "ValidationFailed";
    fake_home_advance(&bench->home, 21000);
    uspdev_run(bench);
    assert_true(told(bench, "failed for now the device's download failed"));
}

static void refusals(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->operate_code = ERROR_REQUEST_DENIED;
    start(bench, false);
    assert_true(told(bench, "failed for good the device refused Download(): no (7002); "));
    fake_home_forget_logs(&bench->home);
    bench->operate_code = ERROR_RESOURCES_EXCEEDED;
    assert_int_equal(uspdev_install(bench, NULL), 0);
    uspdev_run(bench);
    assert_true(told(bench, "failed for now the device refused Download(): no (7005); "));
    fake_home_forget_logs(&bench->home);
    bench->operate_code = 0;
    assert_int_equal(uspdev_install(bench, NULL), 0);
    uspdev_run(bench);
    bench->operate_code = ERROR_COMMAND_FAILURE;
    bench->banks[1].status = "Available";
    uspdev_complete(bench, "Download()", bench->command_key, 0);
    uspdev_run(bench);
    assert_true(told(bench, "failed for good the device refused Activate(): no (7022); "));
}

static void no_answer(void **state)
{
    struct uspdev_bench *bench = *state;

    uspdev_lamp(bench, false);
    assert_int_equal(uspdev_install(bench, NULL), 0);
    bench->queued = 0;
    fake_home_advance(&bench->home, 31000);
    assert_true(told(bench, "failed for now the device refused Download(): the device does not answer; "));
}

static void activation_fails_at_once(void **state)
{
    struct uspdev_bench *bench = *state;

    start(bench, false);
    activate(bench);
    uspdev_complete(bench, "Activate()", bench->command_key, ERROR_COMMAND_FAILURE);
    assert_true(told(bench, "failed for good the device's activation failed: it broke (7022); "));
}

/* What came back is what it was: told as such, with the device's reason, and never before it restarted. */
static void rolled_back(struct uspdev_bench *bench, bool over_mqtt)
{
    start(bench, over_mqtt);
    activate(bench);
    fake_home_advance(&bench->home, 8000);
    uspdev_value_change(bench, "1.0.0"); /* not yet */
    uspdev_run(bench);
    assert_false(told(bench, "version"));
    bench->banks[1] = (struct bench_bank){"ActivationFailed", "watchdog\nafter 3 s"};
    bench->up_time = "2";
    come_back(bench);
    assert_true(told(bench, "boot failure watchdog after 3 s; "));
    assert_true(told(bench, "version lamp 1.0.0; "));
}

static void rolled_back_over_websocket(void **state)
{
    rolled_back(*state, false);
}

static void rolled_back_over_mqtt(void **state)
{
    rolled_back(*state, true);
}

/* A connection that breaks is no restart: UpTime tells, where there is one. */
static void only_the_connection_broke(void **state)
{
    struct uspdev_bench *bench = *state;

    start(bench, false);
    activate(bench);
    fake_home_advance(&bench->home, 8000);
    come_back(bench);
    assert_false(told(bench, "version"));
    uspdev_event(bench, "Device.", "Boot!", NULL);
    uspdev_run(bench);
    assert_true(told(bench, "version lamp 1.0.0; "));
}

static void without_up_time(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->up_time = NULL;
    start(bench, false);
    activate(bench);
    fake_home_advance(&bench->home, 8000);
    come_back(bench);
    assert_true(told(bench, "version lamp 1.0.0; "));
}

static void restarts_while_it_downloads(void **state)
{
    struct uspdev_bench *bench = *state;

    start(bench, false);
    bench->banks[1].status = "DownloadFailed";
    come_back(bench);
    uspdev_event(bench, "Device.", "Boot!", NULL);
    uspdev_run(bench);
    assert_true(told(bench, "failed for now the device's download failed"));
}

/* The answer to Activate() is lost with the restart that it brings. */
static void gone_before_it_answers(void **state)
{
    struct uspdev_bench *bench = *state;

    start(bench, false);
    bench->banks[1].status = "Available";
    uspdev_complete(bench, "Download()", bench->command_key, 0);
    bench->queued = 0;
    new_version(bench);
    fake_home_advance(&bench->home, 3000);
    come_back(bench);
    assert_true(told(bench, "transferred; "));
    assert_true(told(bench, "version lamp 2.0.0; "));
}

static void without_activate(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->lacks_activate = true;
    start(bench, false);
    assert_non_null(strstr(bench->last_args, "AutoActivate=true;"));
    bench->banks[1].status = "Available";
    uspdev_complete(bench, "Download()", bench->command_key, 0);
    uspdev_run(bench);
    assert_false(uspdev_asked(bench, "Activate() "));
    assert_true(told(bench, "transferred; "));
    new_version(bench);
    fake_home_advance(&bench->home, 3000);
    come_back(bench);
    assert_true(told(bench, "version lamp 2.0.0; "));
}

static void one_bank(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->banks[1].status = NULL;
    start(bench, false);
    assert_true(uspdev_asked(bench, "FirmwareImage.1.Download() "));
    assert_non_null(strstr(bench->last_args, "AutoActivate=true;"));
}

static void busy_bank(void **state)
{
    struct uspdev_bench *bench = *state;
    struct error err;

    bench->banks[1].status = "Downloading";
    uspdev_lamp(bench, false);
    assert_int_equal(uspdev_install(bench, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
}

static void abort_cancels(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device;

    start(bench, false);
    device = uspdev_device(bench);
    device->target.ops->abort(&device->target);
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "Device.LocalAgent.Request.7.Cancel() "));
    uspdev_complete(bench, "Download()", bench->command_key, ERROR_COMMAND_CANCELLED);
    assert_false(told(bench, "failed"));
}

/* Another's command key, or one that is over, moves nothing. */
static void others_commands(void **state)
{
    struct uspdev_bench *bench = *state;

    start(bench, false);
    uspdev_complete(bench, "Download()", "homepatch-1", 0);
    uspdev_complete(bench, "Activate()", bench->command_key, 0);
    uspdev_complete(bench, "Download()", "", ERROR_COMMAND_FAILURE);
    uspdev_run(bench);
    assert_false(uspdev_asked(bench, "Activate() "));
    assert_false(told(bench, "failed"));
}

/* The gateway was away while the device activated. */
static void resumed(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device;

    bench->banks[1].status = "Available";
    device = uspdev_lamp(bench, false);
    assert_true(device->target.ops->restart(&device->target));
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "FirmwareImage.2.Activate() "));
    device->target.ops->abort(&device->target);
    bench->banks[1] = (struct bench_bank){"ActivationFailed", "no boot"};
    device->target.ops->read_version(&device->target, NULL);
    uspdev_run(bench);
    assert_true(told(bench, "boot failure no boot; "));
    assert_false(device->target.ops->restart(&device->target));
}

/* The device is about to restart when the gateway is back: it refuses a second Activate(), which is no failure, and its old
 * version is no outcome, however young it is. */
static void resumed_in_between(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device;

    bench->banks[1].status = "Available";
    bench->up_time = "0";
    device = uspdev_lamp(bench, true);
    bench->operate_code = ERROR_RESOURCES_EXCEEDED;
    assert_true(device->target.ops->restart(&device->target));
    uspdev_run(bench);
    assert_false(told(bench, "failed"));
    fake_home_advance(&bench->home, 500);
    uspdev_value_change(bench, "1.0.0");
    uspdev_run(bench);
    assert_false(told(bench, "version"));
    new_version(bench);
    bench->up_time = "0";
    come_back(bench);
    assert_true(told(bench, "version lamp 2.0.0; "));
}

static void cannot_begin(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);
    struct firmware_install offer = {.offer = "x"};
    struct error err;

    assert_int_equal(device->target.ops->install(&device->target, &offer, &err), -1);
    bench->home.lan_down = true;
    assert_int_equal(uspdev_install(bench, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    bench->home.lan_down = false;
    uspdev_closes(bench, &bench->session);
    assert_int_equal(uspdev_install(bench, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, uspdev_bench_up, uspdev_bench_down)
        TEST(over_websocket),
        TEST(over_mqtt),
        TEST(transfer_complete_will_do),
        TEST(transfer_complete_with_a_fault),
        TEST(status_will_do),
        TEST(status_says_failed),
        TEST(refusals),
        TEST(no_answer),
        TEST(activation_fails_at_once),
        TEST(rolled_back_over_websocket),
        TEST(rolled_back_over_mqtt),
        TEST(only_the_connection_broke),
        TEST(without_up_time),
        TEST(restarts_while_it_downloads),
        TEST(gone_before_it_answers),
        TEST(without_activate),
        TEST(one_bank),
        TEST(busy_bank),
        TEST(abort_cancels),
        TEST(others_commands),
        TEST(resumed),
        TEST(resumed_in_between),
        TEST(cannot_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
