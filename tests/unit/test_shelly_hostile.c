/* SPDX-License-Identifier: BSD-3-Clause */
/* The Shelly dialect and those who mean ill: garbage, floods, other devices' names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/shelly_bench.h"
#include "tests/unit/test_shelly.h"

/* ---- garbage and floods ---- */

static void garbage(void **state)
{
    static const char *const frames[] = {
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{}",
        "{\"src\":5}",
        "{\"src\":\"" PLUG "\"}",
        "{\"src\":\"" PLUG "\",\"method\":5}",
        "{\"src\":\"" PLUG "\",\"id\":\"seven\"}",
        "{\"src\":\"" PLUG "\",\"id\":-1,\"result\":{}}",
        "\xff\xfe",
        "{\"src\":\"\\u0000\"}",
    };
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
        fake_home_mqtt(&bench->home, PLUG "/events/rpc", frames[i], false);
    assert_int_equal(device->rejected, sizeof(frames) / sizeof(frames[0]));
    fake_home_mqtt(&bench->home, PLUG "/online", "yes", false);
    fake_home_mqtt(&bench->home, PLUG "/online", "", false);
    assert_int_equal(device->rejected, sizeof(frames) / sizeof(frames[0]) + 2);
    assert_true(device->online);
    assert_int_equal(bench->home.sent, 0);
}

static void wrong_types(void **state)
{
    static const char *const params[] = {
        "5",
        "[]",
        "{\"sys\":5}",
        "{\"sys\":{\"available_updates\":5}}",
        "{\"sys\":{\"available_updates\":{\"stable\":5}}}",
        "{\"sys\":{\"available_updates\":{\"stable\":{\"version\":5}}}}",
        "{\"sys\":{\"available_updates\":{\"stable\":{\"version\":\"a\\nb\"}}}}",
        "{\"events\":5}",
        "{\"events\":[5,null,[],{}]}",
        "{\"events\":[{\"component\":5,\"event\":\"ota_progress\"},{\"component\":\"sys\",\"event\":[]}]}",
    };
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);

    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        event_mqtt(bench, PLUG, PLUG, "NotifyStatus", params[i]);
        event_mqtt(bench, PLUG, PLUG, "NotifyFullStatus", params[i]);
        event_mqtt(bench, PLUG, PLUG, "NotifyEvent", params[i]);
        event_mqtt(bench, PLUG, PLUG, "NotifyNothing", params[i]);
    }
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    assert_null(strstr(bench->home.firmware_log, "progress"));
}

static void bad_device_info(void **state)
{
    static const char *const results[] = {
        "null",
        "5",
        "{}",
        "{\"id\":\"" PLUG "\"}",
        "{\"id\":\"other\",\"mac\":\"A8032ABE54DC\",\"model\":\"X\",\"ver\":\"1\"}",
        "{\"id\":\"" PLUG "\",\"mac\":[],\"model\":\"X\",\"ver\":\"1\"}",
        "{\"id\":\"" PLUG "\",\"mac\":\"A8032ABE54DC\",\"model\":\"X\",\"ver\":\"\"}",
        "{\"id\":\"" PLUG "\",\"mac\":\"A8032ABE54DC\",\"model\":\"X\",\"ver\":"
        "\"12345678901234567890123456789012345678901234567890123456789012345\"}",
    };
    struct shelly_bench *bench = *state;

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        fake_home_mqtt(&bench->home, PLUG "/online", "true", true);
        assert_true(asked(bench, "Shelly.GetDeviceInfo"));
        answer(bench, PLUG, results[i]);
        assert_int_equal(registry_of(bench)->count, 0);
        fake_home_mqtt(&bench->home, PLUG "/online", "true", true);
        assert_int_equal(bench->home.sent, 0); /* not listened to for a while */
        fake_home_advance(&bench->home, 121000);
    }
    assert_int_equal(registry_of(bench)->stats.rejected, sizeof(results) / sizeof(results[0]));
    /* And a device that is known does not lose what is known of it. */
    plug_on_mqtt(bench);
    fake_home_mqtt(&bench->home, PLUG "/online", "true", false);
    answer(bench, PLUG, "{\"id\":\"" PLUG "\"}");
    assert_string_equal(device_text(registry_instance(registry_of(bench), 1), DEVICE_SOFTWARE_VERSION),
                        "1.4.4");
}

static void too_much(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    size_t len = LIMIT_LAN_FRAME_BYTES + 1;
    char *text = malloc(len + 1);

    memset(text, '[', len);
    text[len] = '\0';
    fake_home_mqtt(&bench->home, PLUG "/events/rpc", text, false);
    text[1000] = '\0';
    fake_home_mqtt(&bench->home, PLUG "/events/rpc", text, false);
    free(text);
    assert_int_equal(device->rejected, 2);
    for (int i = 0; i < 100000; i++)
        event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    assert_true(device->rejected > 99000);
    assert_true(device->online);
    assert_null(strstr(bench->home.events, "added"));
}

static void a_flooding_device_can_be_asked(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device;
    char info[1024];

    for (int i = 0; i < 1000; i++)
        event_mqtt(bench, PLUG, PLUG, "NotifyStatus", "{\"ts\":1}");
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    device = registry_instance(registry_of(bench), 1);
    assert_non_null(device);
    for (int i = 0; i < 1000; i++)
        fake_home_mqtt(&bench->home, "homepatch/" PLUG "/rpc", "{\"src\":\"" PLUG "\",\"id\":1}", false);
    assert_int_equal(device->rejected, 961); /* but not for ever */
}

static void coming_and_going_is_limited(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char info[1024];

    for (int i = 0; i < 1000; i++) {
        fake_home_mqtt(&bench->home, PLUG "/online", i % 2 ? "true" : "false", false);
        if (asked(bench, "Shelly.GetDeviceInfo"))
            answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
        bench->home.sent = 0;
    }
    assert_int_equal(device->rejected, 980);
    fake_home_advance(&bench->home, 2000);
    fake_home_mqtt(&bench->home, PLUG "/online", "false", false);
    assert_false(device->online);
}

static void candidates_are_bounded(void **state)
{
    struct shelly_bench *bench = *state;
    char topic[64];

    for (int i = 0; i < 6000; i++) {
        snprintf(topic, sizeof(topic), "x%d/online", i);
        fake_home_mqtt(&bench->home, topic, "true", false);
    }
    assert_int_equal(bench->home.sent, limits_default.lan_candidates);
    assert_int_equal(registry_of(bench)->count, 0);
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 10000); /* none answers */
    fake_home_advance(&bench->home, 121000);
    plug_on_mqtt(bench);
    assert_int_equal(registry_of(bench)->count, 1);
}

static void candidates_are_few(void **state)
{
    struct shelly_bench *bench = *state;
    char topic[64];

    bench->home.limits.lan_candidates = 5;
    for (int i = 0; i < 20; i++) {
        snprintf(topic, sizeof(topic), "x%d/online", i);
        fake_home_mqtt(&bench->home, topic, "true", false);
    }
    assert_int_equal(bench->home.sent, 5);
}

static void a_flooding_session_is_closed(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session session;
    struct device *device = plug_on_websocket(bench, &session);

    for (int i = 0; i < 5240; i++)
        session_event(bench, &session, PLUG, "NotifyStatus", "{\"ts\":1}");
    assert_int_equal(bench->home.closes, 0);
    for (int i = 0; i < 20; i++)
        session_event(bench, &session, PLUG, "NotifyStatus", "{\"ts\":1}");
    assert_int_equal(bench->home.closes, 1);
    assert_ptr_equal(bench->home.closed, &session);
    assert_true(device->online);
    session_close(bench, &session);
}

/* ---- in the name of others ---- */

static struct device *relay_on_websocket(struct shelly_bench *bench, struct lan_session *session)
{
    session_open(bench, session, "192.168.1.21");
    answer(bench, RELAY,
           "{\"id\":\"" RELAY "\",\"mac\":\"84FCE63A1B2C\",\"model\":\"S3SW-001X8EU\",\"gen\":3,"
           "\"fw_id\":\"f\",\"ver\":\"1.4.4\",\"app\":\"Mini1G3\",\"name\":null}");
    bench->home.sent = 0;
    fake_home_forget_logs(&bench->home);
    return registry_find(bench->home.registry, "shelly:" RELAY);
}

static void another_name_on_a_session(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session mine, others;
    struct device *plug = plug_on_websocket(bench, &mine), *relay = relay_on_websocket(bench, &others);

    assert_string_equal(device_text(relay, DEVICE_NAME), RELAY);
    session_event(bench, &others, PLUG, "NotifyStatus",
                  "{\"sys\":{\"available_updates\":{\"stable\":{\"version\":\"9.9.9\"}}}}");
    assert_int_equal(relay->rejected, 1);
    assert_int_equal(plug->rejected, 0);
    assert_string_equal(device_text(plug, DEVICE_OFFERED_VERSION), "");
    assert_string_equal(device_text(relay, DEVICE_OFFERED_VERSION), "");
    session_close(bench, &mine);
    session_close(bench, &others);
}

static void another_name_on_a_topic(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *plug = plug_on_mqtt(bench);
    char info[1024];

    event_mqtt(bench, PLUG, RELAY, "NotifyStatus", "{\"ts\":1}");
    assert_int_equal(plug->rejected, 1);
    /* Somebody else's topics say that they are the plug. */
    fake_home_mqtt(&bench->home, "evil/online", "true", false);
    assert_string_equal(bench->home.topic, "evil/rpc");
    answer(bench, PLUG, plug_info("9.9.9", "SNPL-00112EU", info));
    assert_int_equal(registry_of(bench)->count, 1);
    assert_int_equal(plug->rejected, 1);
    assert_string_equal(device_text(plug, DEVICE_SOFTWARE_VERSION), "1.4.4");
    assert_string_equal(device_text(plug, DEVICE_ADDRESS), PLUG);
    assert_string_equal(bench->home.firmware_log, "");
}

static void a_better_proof_is_not_given_up(void **state)
{
    struct shelly_bench *bench = *state;
    struct lan_session certified, plain;
    struct device *device;
    char info[1024];

    certified = (struct lan_session){
        .address = "192.168.1.20", .path = "/shelly", .certified = true, .new_devices = &bench->address};
    shelly_dialect.opened(bench->home.ctx, &certified);
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    device = registry_instance(registry_of(bench), 1);
    assert_int_equal(device->grade, DEVICE_GRADE_A);
    session_close(bench, &certified);
    session_open(bench, &plain, "192.168.1.20");
    answer(bench, PLUG, plug_info("9.9.9", "SNPL-00112EU", info));
    assert_false(device->online);
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.4");
    assert_ptr_equal(bench->home.closed, &plain);
    session_close(bench, &plain);
}

static void unasked_answers(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char info[1024], late[4096];
    uint64_t rejected = registry_of(bench)->stats.rejected;

    snprintf(late, sizeof(late), "{\"id\":7,\"src\":\"" PLUG "\",\"dst\":\"homepatch\",\"result\":%s}",
             plug_info("9.9.9", "SNPL-00112EU", info));
    fake_home_mqtt(&bench->home, "homepatch/" PLUG "/rpc", late, false);
    answer(bench, PLUG, info); /* the request was answered before */
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.4");
    assert_int_equal(registry_of(bench)->stats.rejected, rejected);
    fake_home_mqtt(&bench->home, "homepatch/nobody/rpc", late, false);
    assert_int_equal(registry_of(bench)->stats.rejected, rejected + 1);
    assert_int_equal(device->rejected, 0);
    /* Topics that are not ours are left to other dialects. */
    assert_false(
        shelly_dialect.mqtt_message(bench->home.ctx, &(struct mqtt_message){.topic = "homepatch/rpc"}));
    assert_false(shelly_dialect.mqtt_message(bench->home.ctx, &(struct mqtt_message){.topic = "a/rpc"}));
    assert_false(shelly_dialect.mqtt_message(bench->home.ctx, &(struct mqtt_message){.topic = "tele/x/LWT"}));
}

static void out_of_order(void **state)
{
    struct shelly_bench *bench = *state;
    struct device *device = plug_on_mqtt(bench);
    char first[FAKE_FRAME_BYTES], info[1024];

    fake_home_advance(&bench->home, 70000);
    assert_true(asked(bench, "Shelly.CheckForUpdate"));
    memcpy(first, bench->home.frame, sizeof(first));
    fake_home_mqtt(&bench->home, PLUG "/online", "true", false);
    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info)); /* the second question first */
    memcpy(bench->home.frame, first, sizeof(first));
    answer(bench, PLUG, "{\"stable\":{\"version\":\"1.5.0\"}}");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    assert_int_equal(device->rejected, 0);
}

int test_shelly_hostile(void)
{
    const struct CMUnitTest tests[] = {
        SHELLY_TEST(garbage),
        SHELLY_TEST(wrong_types),
        SHELLY_TEST(bad_device_info),
        SHELLY_TEST(too_much),
        SHELLY_TEST(a_flooding_device_can_be_asked),
        SHELLY_TEST(coming_and_going_is_limited),
        SHELLY_TEST(candidates_are_bounded),
        SHELLY_TEST(candidates_are_few),
        SHELLY_TEST(a_flooding_session_is_closed),
        SHELLY_TEST(another_name_on_a_session),
        SHELLY_TEST(another_name_on_a_topic),
        SHELLY_TEST(a_better_proof_is_not_given_up),
        SHELLY_TEST(unasked_answers),
        SHELLY_TEST(out_of_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
