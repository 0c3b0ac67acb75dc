/* SPDX-License-Identifier: BSD-3-Clause */
/* The Shelly dialect: coming, going, offers, identity. What it refuses and how updates go are in files of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/quarantine.h"
#include "tests/unit/shelly_bench.h"
#include "tests/unit/test_shelly.h"

/* ---- coming and going ---- */

static void retained_online_introduces(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device;
    char info[1024];

    fake_home_mqtt(&bench->home, PLUG "/online", "true", true);
    assert_int_equal(registry_of(bench)->count, 0); /* a topic is no device yet */
    assert_string_equal(bench->home.topic, PLUG "/rpc");
    assert_non_null(strstr(bench->home.frame, "\"src\":\"homepatch/" PLUG "\""));
    assert_non_null(strstr(bench->home.frame, "\"params\":{\"ident\":true}"));
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));

    device = registry_find(registry_of(bench), "shelly:" PLUG);
    assert_non_null(device);
    assert_string_equal(bench->home.events, "added 1; ");
    assert_string_equal(bench->home.firmware_log,
                        "online true; version 20250101-101010/1.4.4-g1234567 1.4.4; ");
    assert_string_equal(device_text(device, DEVICE_NAME), "Kitchen plug");
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Shelly");
    assert_string_equal(device_text(device, DEVICE_OUI), "A8032A");
    assert_string_equal(device_text(device, DEVICE_MODEL), "SNPL-00112EU");
    assert_string_equal(device_text(device, DEVICE_HARDWARE_VERSION), "2243-Broadwell");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.4");
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "A8032ABE54DC");
    assert_string_equal(device_text(device, DEVICE_DESCRIPTION), "Shelly PlusPlugS, generation 2");
    assert_int_equal(device->grade, DEVICE_GRADE_C);
    assert_int_equal(device->transport, DEVICE_MQTT);
    assert_int_equal(device->last_contacted, 1800000000);
}

static void an_event_introduces(void **state)
{
    struct shelly_bench *bench = *state;
    char info[1024];

    event_mqtt(bench, "attic/plug", PLUG, "NotifyStatus", "{\"ts\":1,\"switch:0\":{\"output\":true}}");
    assert_string_equal(bench->home.topic, "attic/plug/rpc"); /* a topic prefix of its own, in two levels */
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_int_equal(registry_of(bench)->count, 1);
    assert_string_equal(device_text(registry_instance(registry_of(bench), 1), DEVICE_ADDRESS), "attic/plug");
}

static void last_will(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    fake_home_mqtt(&bench->home, PLUG "/online", "false", false);
    assert_false(device->online);
    assert_string_equal(bench->home.events, "changed 1 online contacted; ");
    assert_string_equal(bench->home.firmware_log, "online false; ");
    fake_home_mqtt(&bench->home, PLUG "/online", "false", false);
    fake_home_mqtt(&bench->home, RELAY "/online", "false", true);
    assert_string_equal(bench->home.firmware_log, "online false; ");
    assert_int_equal(registry_of(bench)->count, 1);
    plug_on_mqtt(bench);
    assert_true(device->online);
}

static void broker_away(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    shelly_dialect.broker(bench->home.ctx, false);
    assert_false(device->online);
    shelly_dialect.broker(bench->home.ctx, true);
    plug_on_mqtt(bench);
    assert_true(device->online);
}

/* A job that goes on asks before the broker is there: the question goes out with the connection, not when its time is over. */
static void asked_before_the_broker(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device;

    plug_on_mqtt(bench);
    shelly_bench_restart(bench);
    device = registry_instance(registry_of(bench), 1);
    bench->home.lan_down = true;
    shelly_dialect.identify(device);
    assert_false(asked(bench, "Shelly.GetDeviceInfo"));
    bench->home.lan_down = false;
    fake_home_advance(&bench->home, 9000);
    shelly_dialect.broker(bench->home.ctx, true);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    fake_home_mqtt(&bench->home, PLUG "/online", "true", true);
    fake_home_advance(&bench->home, 9000);
    assert_false(asked(bench, "Shelly.GetDeviceInfo")); /* once is enough */
    fake_home_advance(&bench->home, 1000);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
}

/* Nothing but that: an order that may have been heard is not given twice. */
static void orders_are_not_repeated(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    assert_int_equal(device->target.ops->install(
                         &device->target, &(struct firmware_install){.url = "http://192.0.2.1/x"}, NULL),
                     0);
    assert_true(asked(bench, "Shelly.Update"));
    shelly_dialect.broker(bench->home.ctx, true);
    assert_false(asked(bench, "Shelly.Update"));
}

static void restored_device_returns(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device;

    plug_on_mqtt(bench);
    shelly_bench_restart(bench);
    device = registry_instance(registry_of(bench), 1);
    assert_non_null(device);
    assert_false(device->online);
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.4");
    /* Its events come before the retained message: it is asked, and then it is there. */
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    assert_false(device->online);
    bench->home.sent = 1;
    plug_on_mqtt(bench);
    assert_int_equal(registry_of(bench)->count, 1);
    assert_true(device->online);
}

static void quiet_device_is_asked(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char info[1024];

    fake_home_advance(&bench->home, 70000);
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    answer(bench, PLUG, "{}");
    fake_home_advance(&bench->home, 15 * 60000);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_true(device->online);
    fake_home_advance(&bench->home, 15 * 60000);
    for (int i = 0; i < 3; i++) {
        assert_true(device->online);
        assert_true(asked(bench, "Shelly.GetDeviceInfo")); /* three tries */
        fake_home_advance(&bench->home, 10000);
    }
    assert_false(device->online);
    assert_int_equal(bench->home.sent, 0);
    fake_home_advance(&bench->home, 3600000);
    assert_int_equal(bench->home.sent, 0); /* an offline device is not called */
}

static void websocket_session(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = plug_on_websocket(bench, &session);

    assert_int_equal(device->transport, DEVICE_WEBSOCKET);
    assert_string_equal(device_text(device, DEVICE_IP), "192.168.1.20");
    assert_string_equal(device->target.address, "192.168.1.20");
    session_event(bench, &session, PLUG, "NotifyFullStatus",
                  "{\"ts\":1,\"sys\":{\"available_updates\":{\"stable\":{\"version\":\"1.5.0\"}}}}");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    session_close(bench, &session);
    assert_false(device->online);
    plug_on_websocket(bench, &session);
    assert_true(device->online);
    assert_int_equal(registry_of(bench)->count, 1);
    session_close(bench, &session);
}

static void session_of_a_mute_is_closed(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;

    session_open(bench, &session, "192.168.1.20");
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 10000);
    assert_ptr_equal(bench->home.closed, &session);
    assert_string_equal(bench->home.close_reason, "it does not answer");
    session_says(bench, &session, "{}"); /* what is still in flight */
    session_close(bench, &session);
    assert_int_equal(registry_of(bench)->count, 0);
}

static void new_connection_replaces_the_dead_one(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session old, new, elsewhere;
    struct device *device = plug_on_websocket(bench, &old);
    char info[1024];

    session_open(bench, &elsewhere, "192.168.1.66");
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_ptr_equal(bench->home.closed, &elsewhere);
    assert_null(elsewhere.peer);
    assert_non_null(old.peer);

    session_open(bench, &new, "192.168.1.20");
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_ptr_equal(bench->home.closed, &old);
    assert_null(old.peer);
    assert_true(device->online);
    session_close(bench, &old);
    assert_true(device->online);
    session_close(bench, &new);
    assert_false(device->online);
}

/* A device that has both ways configured is one device, and the second way is left alone for a while. */
static void both_ways(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = plug_on_websocket(bench, &session);
    char info[1024];

    fake_home_mqtt(&bench->home, PLUG "/online", "true", true);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_int_equal(registry_of(bench)->count, 1);
    assert_int_equal(device->transport, DEVICE_WEBSOCKET);
    assert_int_equal(device->rejected, 0);
    for (int i = 0; i < 50; i++)
        event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    assert_int_equal(bench->home.sent, 0);
    session_close(bench, &session);
    fake_home_advance(&bench->home, 121000);
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    assert_true(device->online);
    assert_int_equal(device->transport, DEVICE_MQTT);
    assert_string_equal(device_text(device, DEVICE_ADDRESS), PLUG);
    assert_null(device->target.address);
}

/* ---- who else updates it, and its battery ---- */

#define JOB(enable, method) \
    "{\"id\":1,\"enable\":" enable ",\"timespec\":\"0 0 3 * * *\",\"calls\":[{\"method\":\"" method "\"}]}"

static const char *rival_after(struct shelly_bench *bench, const char *schedules)
{
    struct device *device = registry_of(bench)->devices[0];

    for (int i = 0; i < 24 * 6 && !asked(bench, "Shelly.CheckForUpdate"); i++) {
        fake_home_advance(&bench->home, 10 * 60000);
        event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    }
    answer(bench, PLUG, "{}");
    assert_true(asked(bench, "Schedule.List"));
    answer(bench, PLUG, schedules);
    return device_text(device, DEVICE_RIVAL);
}

static void rival_updater(void **state)
{
    struct shelly_bench *bench = *state;

    plug_on_mqtt(bench);
    assert_string_equal(rival_after(bench, "{\"jobs\":[],\"rev\":1}"), "");
    assert_non_null(strstr(
        rival_after(bench, "{\"jobs\":[" JOB("true", "Switch.Set") "," JOB("true", "shelly.update") "]}"),
        "Shelly.Update"));
    assert_string_equal(rival_after(bench, "{\"jobs\":[" JOB("false", "Shelly.Update") "]}"), "");
    assert_string_equal(rival_after(bench, "{\"jobs\":[1,{\"enable\":true,\"calls\":7}]}"), "");
}

static void battery(void **state)
{
    struct shelly_bench *bench = *state;
    const struct firmware_target *target = &plug_on_mqtt(bench)->target;

    event_mqtt(
        bench, PLUG, PLUG, "NotifyStatus",
        "{\"devicepower:0\":{\"battery\":{\"V\":5.1,\"percent\":61},\"external\":{\"present\":false}}}");
    assert_true(target->on_battery);
    assert_int_equal(target->battery, 61);
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"devicepower:0\":{\"battery\":{\"percent\":-4}}}");
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"devicepower:0\":{\"battery\":{\"percent\":\"7\"}}}");
    assert_int_equal(target->battery, 61);
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"devicepower:0\":{\"external\":{\"present\":true}}}");
    assert_false(target->on_battery);
}

/* ---- offers ---- */

static void offers(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    fake_home_advance(&bench->home, 70000);
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    answer(bench, PLUG,
           "{\"stable\":{\"version\":\"1.5.0\",\"build_id\":\"20250501-1/1.5.0\"},\"beta\":{\"version\":"
           "\"1.6.0-beta1\",\"build_id\":\"x\"}}");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    assert_string_equal(bench->home.firmware_log, "offer stable 1.5.0; ");
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1,\"sys\":{\"uptime\":5}}");
    assert_string_equal(bench->home.firmware_log, "offer stable 1.5.0; ");
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1,\"sys\":{\"available_updates\":{}}}");
    assert_string_equal(bench->home.firmware_log, "offer stable 1.5.0; offer stable -; ");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    /* What it runs already is no offer. */
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus",
               "{\"ts\":1,\"sys\":{\"available_updates\":{\"stable\":{\"version\":\"1.4.4\"}}}}");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    bench->home.sent = 0;
    for (int i = 0; i < 24 * 6; i++) {
        fake_home_advance(&bench->home, 10 * 60000);
        event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    }
    assert_true(asked(bench, "Shelly.CheckForUpdate")); /* once a day */
    answer_error(bench, PLUG, -114, "Unavailable"); /* the manufacturer cannot be reached: nothing changes */
    assert_true(device->online);
}

/* ---- identity ---- */

static void another_model_under_the_same_name(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char info[1024];

    fake_home_mqtt(&bench->home, PLUG "/online", "true", false);
    answer(bench, PLUG, plug_info("1.5.0", "SNPL-00110IT", info));
    assert_true(device->quarantined);
    assert_true(device->online);
    assert_string_equal(device_text(device, DEVICE_REASON),
                        "model changed from \"SNPL-00112EU\" to \"SNPL-00110IT\"");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.4");
    assert_non_null(strstr(bench->home.events, "quarantine 1; "));
    /* What it offers is not believed either. */
    event_mqtt(bench, PLUG, PLUG, "NotifyStatus",
               "{\"sys\":{\"available_updates\":{\"stable\":{\"version\":\"9.9.9\"}}}}");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");

    shelly_bench_restart(bench);
    device = registry_instance(registry_of(bench), 1);
    assert_true(device->quarantined);
    quarantine_release(device);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.5.0", "SNPL-00110IT", info));
    assert_false(device->quarantined);
    assert_string_equal(device_text(device, DEVICE_MODEL), "SNPL-00110IT");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.5.0");
}

static void own_credential(void **state)
{
    struct shelly_bench *bench = *state;

    bench->home.host.device_credentials = true;
    shelly_dialect.destroy(bench->home.ctx);
    bench->home.ctx = shelly_dialect.create(&bench->home.host);
    assert_int_equal(plug_on_mqtt(bench)->grade, DEVICE_GRADE_B);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHELLY_TEST(retained_online_introduces),
        SHELLY_TEST(an_event_introduces),
        SHELLY_TEST(last_will),
        SHELLY_TEST(broker_away),
        SHELLY_TEST(asked_before_the_broker),
        SHELLY_TEST(orders_are_not_repeated),
        SHELLY_TEST(restored_device_returns),
        SHELLY_TEST(quiet_device_is_asked),
        SHELLY_TEST(websocket_session),
        SHELLY_TEST(session_of_a_mute_is_closed),
        SHELLY_TEST(new_connection_replaces_the_dead_one),
        SHELLY_TEST(both_ways),
        SHELLY_TEST(rival_updater),
        SHELLY_TEST(battery),
        SHELLY_TEST(offers),
        SHELLY_TEST(another_model_under_the_same_name),
        SHELLY_TEST(own_credential),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return failed + test_shelly_hostile() + test_shelly_update() + test_shelly_auth() + test_shelly_sleep();
}
