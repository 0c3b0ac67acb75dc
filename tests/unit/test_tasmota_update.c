/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/quarantine.h"
#include "tests/unit/test_tasmota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tasmota_bench.h"

#define IMAGE "tasmota-14.2.0.bin"
#define SUCCESS "{\"Upgrade\":\"Successful. Restarting\"}"
#define TAKEN "{\"Upgrade\":\"Version 13.4.0(release-tasmota) from " LAMP_OTA "\"}"

/* Up to the device's word that it fetches. */
static void start(struct tasmota_bench *bench, struct device *device, uint64_t size, uint64_t companion)
{
    assert_int_equal(lamp_install(device, IMAGE, size, companion, NULL), 0);
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/STATUS=4"));
    hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/OtaUrl=" LAMP_OTA " "));
    hear(bench, LAMP_STAT "RESULT", "{\"OtaUrl\":\"" LAMP_OTA "\"}");
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/Upgrade=1 "));
    hear(bench, LAMP_STAT "RESULT", TAKEN);
    assert_string_equal(bench->home.firmware_log, "");
}

static void restarts(struct tasmota_bench *bench, const char *version)
{
    char text[200];

    hear(bench, LAMP_TELE "LWT", "Offline");
    hear(bench, LAMP_TELE "LWT", "Online");
    snprintf(text, sizeof(text), "{\"Info1\":{\"Module\":\"Sonoff Basic\",\"Version\":\"%s\"}}", version);
    hear(bench, LAMP_TELE "INFO1", text);
    lamp_says(bench, version);
}

static void from_the_gateway(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    assert_string_equal(bench->home.firmware_log, "transferred; ");
    bench->sent[0] = '\0';
    restarts(bench, "14.2.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log,
                        "transferred; online false; online true; version 14.2.0(release-tasmota) 14.2.0; ");
    assert_true(sent(bench, "OtaUrl=http://ota.example/tasmota.bin.gz ")); /* its own is back */
}

/* SetOption4: answers on topics named after the commands. */
static void answers_by_command(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
    hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
    hear(bench, LAMP_STAT "OTAURL", "{\"OtaUrl\":\"" LAMP_OTA "\"}");
    assert_true(sent(bench, "Upgrade=1"));
    hear(bench, LAMP_STAT "UPGRADE", TAKEN);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    assert_string_equal(bench->home.firmware_log, "transferred; ");
}

static void plain_text_results(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", "Successful. Restarting");
    assert_string_equal(bench->home.firmware_log, "transferred; ");
    restarts(bench, "14.2.0(release-tasmota)");
    fake_home_forget_logs(&bench->home);
    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", "Failed Wrong HTTP Code");
    assert_string_equal(bench->home.firmware_log,
                        "failed for now the device gave up: Failed Wrong HTTP Code; ");
}

static void minimal_first(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 600u << 10, 350u << 10); /* 360 KiB are free */
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    assert_string_equal(bench->home.firmware_log, ""); /* half of the way */
    restarts(bench, "14.2.0(release-minimal)");
    assert_string_equal(bench->home.firmware_log, "online false; online true; ");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "14.2.0(release-minimal)");
    fake_home_forget_logs(&bench->home);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    restarts(bench, "14.2.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log,
                        "transferred; online false; online true; version 14.2.0(release-tasmota) 14.2.0; ");
}

/* It goes through its safeboot firmware, and says nothing before. */
static void safeboot_first(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    restarts(bench, "14.2.0(release-safeboot)");
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    restarts(bench, "14.2.0(release-tasmota32)");
    assert_non_null(strstr(bench->home.firmware_log, "transferred; "));
    assert_non_null(strstr(bench->home.firmware_log, "version 14.2.0(release-tasmota32) 14.2.0; "));
    assert_null(strstr(bench->home.firmware_log, "interim"));
}

static void left_on_the_minimal_firmware(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    fake_home_forget_logs(&bench->home);
    restarts(bench, "14.2.0(minimal)"); /* it found less room than it said */
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; interim 14.2.0(minimal) 14.2.0(minimal); ");
    /* From there it takes the image, whatever it ran before. */
    fake_home_forget_logs(&bench->home);
    assert_int_equal(lamp_install(device, "firmware.bin", 0, 0, NULL), 0);
}

static void too_large(void **state)
{
    static const struct {
        uint64_t size, companion;
        const char *why;
    } cases[] = {
        {600, 0, "no row of the device holds a"},
        {600, 361, "the minimal firmware does not fit either"},
        {700, 350, "would not fit beside the minimal firmware"},
    };
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_home_forget_logs(&bench->home);
        assert_int_equal(lamp_install(device, IMAGE, cases[i].size << 10, cases[i].companion << 10, NULL), 0);
        bench->sent[0] = '\0';
        hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
        assert_non_null(strstr(bench->home.firmware_log, "failed for good the image has "));
        assert_non_null(strstr(bench->home.firmware_log, cases[i].why));
        assert_true(sent(bench, "")); /* the device was not touched */
    }
    assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
    fake_home_forget_logs(&bench->home);
    hear(bench, LAMP_STAT "STATUS4", "{\"StatusMEM\":{}}");
    assert_string_equal(bench->home.firmware_log,
                        "failed for good the device does not say how much space it has; ");
}

static void not_to_be_started(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);
    struct firmware_install offer = {.offer = "stable", .name = "", .version = ""};
    struct error err = {0};

    assert_int_equal(lamp_install(device, "tasmota-minimal-14.2.0.bin", 0, 0, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    assert_int_equal(lamp_install(device, "tasmota32-safeboot.bin", 0, 0, &err), -1);
    assert_int_equal(device->target.ops->install(&device->target, &offer, &err), -1);
    assert_true(sent(bench, ""));
    hear(bench, LAMP_TELE "LWT", "Offline");
    assert_int_equal(lamp_install(device, IMAGE, 0, 0, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    lamp_up(bench);
    quarantine_put(device, QUARANTINE_MODEL, "X");
    assert_int_equal(lamp_install(device, IMAGE, 0, 0, &err), -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
}

static int install_from(struct device *device, const char *url, struct error *err)
{
    struct firmware_install install = {
        .url = url, .path = "/x", .name = "tasmota.bin.gz", .version = "14.2.0", .size = 1000};

    return device->target.ops->install(&device->target, &install, err);
}

#define TOKEN "/image/0123456789abcdef0123456789abcdef/x"

static void length_of_the_url(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);
    struct error err = {0};
    char url[200];

    /* http:// 7, the name, /image/ and the token 40, tasmota.bin.gz 14: 100 with a name of 39. */
    snprintf(url, sizeof(url), "http://%.*s" TOKEN, 39, "gateway-with-a-name-of-forty-characters.");
    assert_int_equal(install_from(device, url, &err), 0);
    device->target.ops->abort(&device->target);
    snprintf(url, sizeof(url), "http://%.*s" TOKEN, 40, "gateway-with-a-name-of-forty-characters.");
    assert_int_equal(install_from(device, url, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    assert_non_null(strstr(err.message, "101 characters and OtaUrl takes 100"));
    assert_int_equal(install_from(device, "https://gw" TOKEN, &err), -1);
    assert_non_null(strstr(err.message, "plain http"));
}

static void steps_and_compression(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);
    struct error err = {0};

    hear(bench, LAMP_TELE "LWT", "Online");
    lamp_says(bench, "8.1.0(tasmota)");
    assert_int_equal(lamp_install(device, IMAGE, 0, 0, &err), -1);
    assert_non_null(strstr(err.message, "8.5.1 first"));
    assert_int_equal(lamp_install(device, "firmware.bin", 0, 0, &err), -1);
    assert_non_null(strstr(err.message, "not known"));
    assert_int_equal(install_from(device, "http://gw" TOKEN, &err), -1);
    assert_non_null(strstr(err.message, "since 8.2.0"));
}

/* Another device obeys this one's topic as that of its group. */
static void topic_that_is_a_group(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);
    struct error err = {0};

    hear(bench, "tele/plug/LWT", "Online");
    hear(bench, "stat/plug/STATUS1", "{\"StatusPRM\":{\"GroupTopic\":\"tasmota_1A2B3C\"}}");
    hear(bench, "stat/plug/STATUS2", fixture("status2"));
    hear(bench, "stat/plug/STATUS5", "{\"StatusNET\":{\"Mac\":\"A4:CF:12:00:00:02\"}}");
    assert_int_equal(bench->home.registry->count, 2);
    bench->sent[0] = '\0';
    assert_int_equal(lamp_install(device, IMAGE, 0, 0, &err), -1);
    assert_non_null(strstr(err.message, "GroupTopic"));
    assert_true(sent(bench, ""));
}

static void refused(void **state)
{
    static const char *const answers[] = {"{\"Upgrade\":\"1 or >13.4.0 to upgrade\"}",
                                          "{\"Command\":\"Unknown\"}"};
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    for (int i = 0; i < 2; i++) {
        assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
        hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
        hear(bench, LAMP_STAT "RESULT", "{\"OtaUrl\":\"" LAMP_OTA "\"}");
        fake_home_forget_logs(&bench->home);
        hear(bench, LAMP_STAT "RESULT", answers[i]);
        assert_non_null(strstr(bench->home.firmware_log, "failed for good the device refused the update: "));
    }
}

static void another_url(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
    hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
    bench->sent[0] = '\0';
    hear(bench, LAMP_STAT "RESULT", "{\"OtaUrl\":\"http://192.168.1.1:7681/image/0123\"}");
    assert_string_equal(bench->home.firmware_log,
                        "failed for good the device took another OtaUrl than it was given; ");
    assert_false(sent(bench, "Upgrade"));
}

static void no_answer(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 10000);
    assert_string_equal(bench->home.firmware_log, "failed for now the device does not answer; ");
    fake_home_forget_logs(&bench->home);
    assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
    hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
    hear(bench, LAMP_STAT "RESULT", "{\"OtaUrl\":\"" LAMP_OTA "\"}");
    bench->sent[0] = '\0';
    fake_home_advance(&bench->home, 29000);
    assert_true(sent(bench, "")); /* an upgrade is not asked for twice */
    fake_home_advance(&bench->home, 1000);
    assert_string_equal(bench->home.firmware_log, "failed for now the device does not answer; ");
}

static void fails(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", "{\"Upgrade\":\"Failed HTTP error: connection lost\"}");
    assert_string_equal(bench->home.firmware_log,
                        "failed for now the device gave up: Failed HTTP error: connection lost; ");
    fake_home_forget_logs(&bench->home);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS); /* too late */
    assert_string_equal(bench->home.firmware_log, "");
    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", "{\"Upgrade\":\"Failed Verify Bin Header Failed\"}");
    assert_non_null(strstr(bench->home.firmware_log, "failed for good "));
}

/* A sleepy device wakes, is given an update, and is off again before it took it. */
static void falls_asleep(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    assert_int_equal(lamp_install(device, IMAGE, 0, 0, NULL), 0);
    hear(bench, LAMP_TELE "LWT", "Offline");
    assert_string_equal(
        bench->home.firmware_log,
        "online false; failed for now the device left before the update began; does it sleep?; ");
}

static void power_cut(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    restarts(bench, "13.4.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; "
                        "failed for now the device restarted before it had the whole image; ");
}

/* The broker lost it for a while: uptime tells that it did not restart. */
static void only_out_of_reach(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_TELE "LWT", "Offline");
    hear(bench, LAMP_TELE "LWT", "Online");
    lamp_says(bench, "13.4.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log, "online false; online true; ");
    bench->sent[0] = '\0';
    fake_home_advance(&bench->home, 20000);
    assert_true(sent(bench, "STATUS=0")); /* looked at again and again */
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    restarts(bench, "14.2.0(release-tasmota)");
    assert_non_null(strstr(bench->home.firmware_log, "14.2.0; "));
}

static void success_that_was_not_heard(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    restarts(bench, "14.2.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; transferred; version 14.2.0(release-tasmota) 14.2.0; ");
}

static void returns_with_the_old_version(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    fake_home_forget_logs(&bench->home);
    restarts(bench, "13.4.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log, "online false; online true; online false; online true; "
                                                  "version 13.4.0(release-tasmota) 13.4.0; ");
}

static void asked_too_early(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    fake_home_forget_logs(&bench->home);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    lamp_says(bench, "13.4.0(release-tasmota)"); /* up for a day */
    assert_string_equal(bench->home.firmware_log, "");
}

static void never_returns(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    hear(bench, LAMP_TELE "LWT", "Offline");
    fake_home_forget_logs(&bench->home);
    bench->sent[0] = '\0';
    for (int i = 0; i < 60; i++)
        fake_home_advance(&bench->home, 10000);
    assert_string_equal(bench->home.firmware_log, ""); /* the job's own limit ends it */
    assert_true(sent(bench, ""));
}

static void returns_as_another(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    hear(bench, LAMP_TELE "LWT", "Offline");
    fake_home_forget_logs(&bench->home);
    hear(bench, LAMP_TELE "LWT", "Online");
    hear(bench, LAMP_STAT "STATUS2",
         "{\"StatusFWR\":{\"Version\":\"14.2.0(tasmota)\",\"Hardware\":\"ESP32-C3\"}}");
    hear(bench, LAMP_STAT "STATUS5", fixture("status5"));
    assert_string_equal(bench->home.firmware_log, "block; online true; ");
}

static void agent_restarted(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", SUCCESS);
    tasmota_bench_restart(bench);
    device = lamp_up(bench);
    bench->sent[0] = '\0';
    assert_true(device->target.ops->restart(&device->target));
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/Restart=1"));
    restarts(bench, "14.2.0(release-tasmota)");
    assert_non_null(strstr(bench->home.firmware_log, "version 14.2.0(release-tasmota) 14.2.0; "));
}

/* The last life's URL in the device is not what it had before us. */
static void url_of_an_earlier_life(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, LAMP_TELE "LWT", "Online");
    hear(
        bench, LAMP_STAT "STATUS1",
        "{\"StatusPRM\":{\"OtaUrl\":\"http://192.168.1.1:7681/image/ffff/tasmota.bin\",\"Uptime\":\"1T00:00:00\"}}");
    hear(bench, LAMP_STAT "STATUS2", fixture("status2"));
    hear(bench, LAMP_STAT "STATUS5", fixture("status5"));
    fake_home_forget_logs(&bench->home);
    start(bench, device, 0, 0);
    hear(bench, LAMP_STAT "UPGRADE", "Failed HTTP error");
    assert_true(sent(bench, "OtaUrl=1 "));
}

/* While an update runs, the OtaUrl that it tells is ours. */
static void its_own_url_is_kept(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    start(bench, device, 0, 0);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), 0);
    hear(bench, LAMP_STAT "STATUS1", "{\"StatusPRM\":{\"OtaUrl\":\"" LAMP_OTA "\"}}");
    bench->sent[0] = '\0';
    hear(bench, LAMP_STAT "UPGRADE", "Failed HTTP error");
    assert_true(sent(bench, "OtaUrl=http://ota.example/tasmota.bin.gz "));
}

int test_tasmota_update(void)
{
    const struct CMUnitTest tests[] = {
        TASMOTA_TEST(from_the_gateway),
        TASMOTA_TEST(answers_by_command),
        TASMOTA_TEST(plain_text_results),
        TASMOTA_TEST(minimal_first),
        TASMOTA_TEST(safeboot_first),
        TASMOTA_TEST(left_on_the_minimal_firmware),
        TASMOTA_TEST(too_large),
        TASMOTA_TEST(not_to_be_started),
        TASMOTA_TEST(length_of_the_url),
        TASMOTA_TEST(steps_and_compression),
        TASMOTA_TEST(topic_that_is_a_group),
        TASMOTA_TEST(refused),
        TASMOTA_TEST(another_url),
        TASMOTA_TEST(no_answer),
        TASMOTA_TEST(fails),
        TASMOTA_TEST(falls_asleep),
        TASMOTA_TEST(power_cut),
        TASMOTA_TEST(only_out_of_reach),
        TASMOTA_TEST(success_that_was_not_heard),
        TASMOTA_TEST(returns_with_the_old_version),
        TASMOTA_TEST(asked_too_early),
        TASMOTA_TEST(never_returns),
        TASMOTA_TEST(returns_as_another),
        TASMOTA_TEST(agent_restarted),
        TASMOTA_TEST(url_of_an_earlier_life),
        TASMOTA_TEST(its_own_url_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
