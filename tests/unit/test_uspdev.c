/* SPDX-License-Identifier: BSD-3-Clause */
/* USP devices: found, identified, subscribed to; and what those may not do who only say that they are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "tests/unit/pki.h"
#include "tests/unit/uspdev_bench.h"
#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/record.h"

static const char *text(struct uspdev_bench *bench, enum device_field field)
{
    return device_text(uspdev_device(bench), field);
}

/* ---- found ---- */

static void found_by_websocket(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device;

    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_connects(bench);
    uspdev_run(bench);
    device = uspdev_device(bench);
    assert_non_null(device);
    assert_true(device->online);
    assert_int_equal(device->grade, DEVICE_GRADE_C);
    assert_int_equal(device->transport, DEVICE_WEBSOCKET);
    assert_string_equal(text(bench, DEVICE_MANUFACTURER), "Example");
    assert_string_equal(text(bench, DEVICE_OUI), "0A0B0C");
    assert_string_equal(text(bench, DEVICE_MODEL), "Lamp");
    assert_string_equal(text(bench, DEVICE_SERIAL_NUMBER), "LAMP1");
    assert_string_equal(text(bench, DEVICE_HARDWARE_VERSION), "B");
    assert_string_equal(text(bench, DEVICE_SOFTWARE_VERSION), "1.0.0");
    assert_string_equal(text(bench, DEVICE_FIRMWARE_NAME), "lamp");
    assert_string_equal(device->target.address, "192.168.1.20");
    assert_memory_equal(bench->asked, "connect protocol info supported subscriptions add:", 50);
    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = {"-version ", "-download ", "-activate ", "-transfer ", "-boot "};

        assert_true(uspdev_asked(bench, names[i]));
    }
    assert_true(strstr(bench->home.firmware_log, "version lamp 1.0.0") != NULL);
}

/* A session whose handshake says nothing is known by its first record. */
static void named_by_its_first_record(void **state)
{
    struct uspdev_bench *bench = *state;

    uspdev_opens(bench, &bench->session, "192.168.1.20", NULL, NULL);
    uspdev_run(bench);
    assert_string_equal(bench->asked, "");
    uspdev_connects(bench);
    uspdev_run(bench);
    assert_non_null(uspdev_device(bench));
}

static void nameless_session_is_closed(void **state)
{
    struct uspdev_bench *bench = *state;

    uspdev_opens(bench, &bench->session, "192.168.1.20", NULL, NULL);
    fake_home_advance(&bench->home, 31000);
    assert_int_equal(bench->home.closes, 1);
    assert_null(bench->session.peer);
}

static void without_firmware_images(void **state)
{
    struct uspdev_bench *bench = *state;
    struct error err;

    bench->banks[0].status = bench->banks[1].status = NULL;
    bench->active = NULL;
    uspdev_lamp(bench, false);
    assert_string_equal(text(bench, DEVICE_SOFTWARE_VERSION), "1.0.0");
    assert_int_equal(uspdev_install(bench, &err), -1);
    assert_non_null(strstr(err.message, "no Device.DeviceInfo.FirmwareImage"));
    assert_int_not_equal(err.code, ERROR_RESOURCES_EXCEEDED);
}

static void a_device_that_may_not_be_read(void **state)
{
    struct uspdev_bench *bench = *state;

    bench->refuses_info = true;
    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_run(bench);
    assert_null(uspdev_device(bench));
    assert_non_null(strstr(bench->home.close_reason, "its role there may not"));
}

/* ---- subscriptions ---- */

static char ids[5][32];

/* What was added is what the device has from now on. */
static void keep_subscriptions(struct uspdev_bench *bench)
{
    static const char *const types[][2] = {
        {"ValueChange", "Device.DeviceInfo.SoftwareVersion"},
        {"OperationComplete", "Device.DeviceInfo.FirmwareImage.*.Download()"},
        {"OperationComplete", "Device.DeviceInfo.FirmwareImage.*.Activate()"},
        {"Event", "Device.LocalAgent.TransferComplete!"},
        {"Event", "Device.Boot!"},
    };
    const char *at = bench->asked;

    for (int i = 0; i < 5; i++) {
        at = strstr(at, "add:");
        assert_non_null(at);
        at += 4;
        snprintf(ids[i], sizeof(ids[i]), "%.*s", (int)strcspn(at, " "), at);
        bench->subscriptions[i][0] = ids[i];
        bench->subscriptions[i][1] = types[i][0];
        bench->subscriptions[i][2] = types[i][1];
        bench->subscriptions[i][3] = "true";
    }
}

static void subscriptions_are_found_again(void **state)
{
    struct uspdev_bench *bench = *state;

    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_run(bench);
    keep_subscriptions(bench);
    uspdev_forget(bench);
    uspdev_bench_restart(bench);
    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "subscriptions"));
    assert_false(uspdev_asked(bench, "add:"));
    assert_false(uspdev_asked(bench, "delete:"));
    /* One is off, one is there twice, another gateway's is none of ours. */
    uspdev_closes(bench, &bench->session);
    bench->subscriptions[1][3] = "false";
    memcpy(bench->subscriptions[5], bench->subscriptions[0], sizeof(bench->subscriptions[0]));
    memcpy(bench->subscriptions[6], bench->subscriptions[0], sizeof(bench->subscriptions[0]));
    bench->subscriptions[6][0] = "hp00000000-version";
    uspdev_forget(bench);
    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "delete:Device.LocalAgent.Subscription.2. "));
    assert_true(uspdev_asked(bench, "-download "));
    assert_false(uspdev_asked(bench, "-version "));
}

/* ---- being there ---- */

static void comes_and_goes(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);

    uspdev_closes(bench, &bench->session);
    assert_false(device->online);
    assert_string_equal(bench->home.firmware_log, "online false; ");
    bench->version = "1.1.0";
    uspdev_opens(bench, &bench->session, "192.168.1.21", LAMP, NULL);
    uspdev_run(bench);
    assert_true(device->online);
    assert_string_equal(text(bench, DEVICE_SOFTWARE_VERSION), "1.1.0");
    assert_string_equal(device->target.address, "192.168.1.21");
}

static void a_quiet_device_is_asked(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, true);

    fake_home_advance(&bench->home, 16 * 60 * 1000);
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "info"));
    assert_true(device->online);
    fake_home_advance(&bench->home, 16 * 60 * 1000);
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 16000);
    assert_false(device->online);
}

static void a_value_change_is_looked_at(void **state)
{
    struct uspdev_bench *bench = *state;

    uspdev_lamp(bench, false);
    bench->version = "1.2.0";
    uspdev_value_change(bench, "9.9.9");
    uspdev_run(bench);
    assert_true(uspdev_asked(bench, "ack"));
    assert_string_equal(text(bench, DEVICE_SOFTWARE_VERSION), "1.2.0");
}

static void survives_a_restart(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device;

    uspdev_lamp(bench, true);
    uspdev_bench_restart(bench);
    device = uspdev_device(bench);
    assert_non_null(device);
    assert_false(device->online);
    bench->home.lan_down = true;
    uspdev_dialect.identify(device); /* as a job that goes on */
    bench->home.lan_down = false;
    bench->home.topic[0] = '\0';
    uspdev_dialect.broker(bench->home.ctx, true);
    assert_string_equal(bench->home.topic, LAMP_TOPIC);
    uspdev_run(bench);
    assert_true(device->online);
    uspdev_dialect.broker(bench->home.ctx, false);
    assert_false(device->online);
}

/* ---- who it is not ---- */

static void second_session(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);
    struct lan_session other, again;

    uspdev_opens(bench, &other, "192.168.1.66", LAMP, NULL);
    assert_null(other.peer);
    assert_ptr_equal(bench->home.closed, &other);
    assert_non_null(strstr(bench->home.close_reason, "online elsewhere"));
    assert_true(device->online);
    /* From the same place: the first one is dead, and nobody has noticed. */
    uspdev_opens(bench, &again, "192.168.1.20", LAMP, NULL);
    assert_ptr_equal(bench->home.closed, &bench->session);
    assert_null(bench->session.peer);
    uspdev_closes(bench, &bench->session);
    assert_true(device->online);
    uspdev_closes(bench, &again);
    assert_false(device->online);
}

static X509 *certificate_for(const char *eid, EVP_PKEY **ret_key)
{
    char name[128];

    *ret_key = EVP_EC_gen("P-256");
    snprintf(name, sizeof(name), "URI:urn:bbf:usp:id:%s", eid);
    return pki_certificate(*ret_key, "device", name, NULL, NULL, -1, 1);
}

static void certificates(void **state)
{
    struct uspdev_bench *bench = *state;
    EVP_PKEY *keys[2];
    X509 *own = certificate_for(LAMP, &keys[0]), *another = certificate_for("os::0A0B0C-OTHER", &keys[1]);
    struct lan_session session;
    struct device *device;

    uspdev_opens(bench, &session, "192.168.1.66", LAMP, another);
    assert_null(session.peer);
    assert_non_null(strstr(bench->home.close_reason, "another endpoint's"));
    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, own);
    uspdev_run(bench);
    device = uspdev_device(bench);
    assert_int_equal(device->grade, DEVICE_GRADE_A);
    /* The proof is missed, also when the device is away. */
    uspdev_closes(bench, &bench->session);
    uspdev_opens(bench, &session, "192.168.1.20", LAMP, NULL);
    assert_null(session.peer);
    assert_non_null(strstr(bench->home.close_reason, "better proof"));
    /* And it is enough to come from elsewhere while it seems to be here. */
    uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, own);
    uspdev_run(bench);
    uspdev_opens(bench, &session, "192.168.1.99", LAMP, own);
    assert_non_null(session.peer);
    assert_null(bench->session.peer);
    uspdev_closes(bench, &session);
    assert_false(device->quarantined);
    X509_free(own);
    X509_free(another);
    EVP_PKEY_free(keys[0]);
    EVP_PKEY_free(keys[1]);
}

static void another_model_is_quarantined(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);
    struct error err;

    bench->model = "Toaster";
    uspdev_value_change(bench, "1.0.0");
    uspdev_run(bench);
    assert_true(device->quarantined);
    assert_non_null(strstr(text(bench, DEVICE_REASON), "model changed"));
    assert_int_equal(uspdev_install(bench, &err), -1);
    assert_string_equal(text(bench, DEVICE_MODEL), "Lamp");
    quarantine_release(device);
    uspdev_run(bench);
    assert_false(device->quarantined);
    assert_string_equal(text(bench, DEVICE_MODEL), "Toaster");
}

/* ---- bad records ---- */

static void say_record(struct uspdev_bench *bench, const char *to, const char *from)
{
    struct buf record;

    buf_init(&record, 4096, 128);
    usp_record_websocket_connect(&record, str_of(to), str_of(from));
    uspdev_says(bench, buf_data(&record), record.len);
    buf_done(&record);
}

static void names_that_are_wrong(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);
    static const char *const wrong[] = {"os::0A0B0C-OTHER", GATEWAY, "no-scheme", ":x", "os::a b", "os::a/b"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        say_record(bench, GATEWAY, wrong[i]);
        assert_int_equal(device->rejected, i + 1);
    }
    say_record(bench, "os::another", LAMP);
    uspdev_says(bench, "rubbish", 7);
    uspdev_dialect.message(bench->home.ctx, &bench->session, false, (const uint8_t *)"text", 4);
    assert_int_equal(device->rejected, 9);
    assert_true(device->online);
    assert_int_equal(bench->home.registry->count, 1);
}

static void a_candidate_that_errs_goes(void **state)
{
    static const char *const names[] = {GATEWAY, "no-scheme", "os::a/b", ""};
    struct uspdev_bench *bench = *state;
    struct lan_session session;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uspdev_opens(bench, &session, "192.168.1.66", names[i], NULL);
        assert_null(session.peer);
        assert_int_equal(bench->home.closes, i + 1);
    }
    assert_int_equal(bench->home.registry->count, 0);
}

/* Each shortened answer and each with a bit turned: nothing crashes, and no fact is made up of it. */
static void mutilated_answers(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);

    for (int i = 0; i < 400; i++) {
        uint8_t bytes[64];

        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)(i * 31 + (int)k * 7 + i % 3);
        uspdev_says(bench, bytes, sizeof(bytes));
    }
    assert_true(device->rejected >= 400);
    assert_string_equal(text(bench, DEVICE_SOFTWARE_VERSION), "1.0.0");
}

static void values_that_are_wrong(void **state)
{
    static char long_text[300];
    struct uspdev_bench *bench = *state;

    memset(long_text, 'x', sizeof(long_text) - 1);
    bench->manufacturer = long_text;
    bench->model = "La\x01mp";
    bench->banks[0].status = "Splendid";
    uspdev_lamp(bench, false);
    assert_string_equal(text(bench, DEVICE_MANUFACTURER), "");
    assert_string_equal(text(bench, DEVICE_MODEL), "");
    bench->version = long_text;
    uspdev_value_change(bench, "2");
    uspdev_run(bench);
    assert_string_equal(text(bench, DEVICE_SOFTWARE_VERSION), "1.0.0");
    assert_int_equal(uspdev_device(bench)->rejected, 1);
}

static void a_flood_is_dropped(void **state)
{
    struct uspdev_bench *bench = *state;
    struct device *device = uspdev_lamp(bench, false);

    for (int i = 0; i < 6000; i++)
        uspdev_value_change(bench, "1");
    assert_true(device->rejected > 5000);
    assert_int_equal(bench->home.closes, 1);
    assert_non_null(strstr(bench->home.close_reason, "too many"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, uspdev_bench_up, uspdev_bench_down)
        TEST(found_by_websocket),
        TEST(named_by_its_first_record),
        TEST(nameless_session_is_closed),
        TEST(without_firmware_images),
        TEST(a_device_that_may_not_be_read),
        TEST(subscriptions_are_found_again),
        TEST(comes_and_goes),
        TEST(a_quiet_device_is_asked),
        TEST(a_value_change_is_looked_at),
        TEST(survives_a_restart),
        TEST(second_session),
        TEST(certificates),
        TEST(another_model_is_quarantined),
        TEST(names_that_are_wrong),
        TEST(a_candidate_that_errs_goes),
        TEST(mutilated_answers),
        TEST(values_that_are_wrong),
        TEST(a_flood_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
