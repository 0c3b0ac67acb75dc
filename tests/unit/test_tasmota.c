/* SPDX-License-Identifier: BSD-3-Clause */
/* The Tasmota dialect: announcements, topics, coming and going, identity, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "devices/quarantine.h"
#include "tests/unit/tasmota_bench.h"
#include "tests/unit/test_tasmota.h"

#define CONFIG "tasmota/discovery/" LAMP_MAC "/config"

static struct registry *registry_of(struct tasmota_bench *bench)
{
    return bench->home.registry;
}

/* ---- coming and going ---- */

static void announced_and_online(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device;

    hear_retained(bench, CONFIG, fixture("discovery"));
    assert_string_equal(bench->topics, "+" LAMP_STAT "+ +" LAMP_TELE "LWT +" LAMP_TELE "INFO1 ");
    assert_true(sent(bench, "")); /* what was retained may be years old */
    hear_retained(bench, LAMP_TELE "LWT", "Online");
    assert_string_equal(bench->sent, "cmnd/tasmota_1A2B3C/STATUS=0 ");
    assert_int_equal(registry_of(bench)->count, 0); /* a topic is no device yet */
    hear(bench, LAMP_STAT "STATUS", fixture("status"));
    hear(bench, LAMP_STAT "STATUS1", fixture("status1"));
    hear(bench, LAMP_STAT "STATUS2", fixture("status2"));
    hear(bench, LAMP_STAT "STATUS4", fixture("status4"));
    hear(bench, LAMP_STAT "STATUS5", fixture("status5"));

    device = registry_find(registry_of(bench), LAMP);
    assert_non_null(device);
    assert_string_equal(bench->home.events, "added 1; ");
    assert_string_equal(bench->home.firmware_log, "online true; version 13.4.0(release-tasmota) 13.4.0; ");
    assert_string_equal(device_text(device, DEVICE_NAME), "Hall lamp");
    assert_string_equal(device_text(device, DEVICE_MODEL), "Sonoff Basic");
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), ""); /* it does not say */
    assert_string_equal(device_text(device, DEVICE_HARDWARE_VERSION), "ESP8266EX");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "13.4.0");
    assert_string_equal(device_text(device, DEVICE_FIRMWARE_NAME), "13.4.0(release-tasmota)");
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), LAMP_MAC);
    assert_string_equal(device_text(device, DEVICE_OUI), "A4CF12");
    assert_string_equal(device_text(device, DEVICE_DESCRIPTION), "Tasmota on Sonoff Basic");
    assert_string_equal(device_text(device, DEVICE_ADDRESS), "cmnd/tasmota_1A2B3C/");
    assert_int_equal(device->grade, DEVICE_GRADE_C);
    assert_int_equal(registry_of(bench)->stats.rejected, 0);
}

static void topics_of_its_own(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device;

    hear(bench, "tasmota/discovery/A4CF12000002/config", fixture("discovery-custom"));
    assert_string_equal(bench->sent, "home/garden/do/A4CF12000002/STATUS=0 "); /* it is here now */
    hear(bench, "home/garden/said/A4CF12000002/STATUS2", fixture("status2"));
    hear(bench, "home/garden/said/A4CF12000002/STATUS5", "{\"StatusNET\":{\"Mac\":\"A4:CF:12:00:00:02\"}}");
    device = registry_find(registry_of(bench), "tasmota:A4CF12000002");
    assert_non_null(device);
    assert_string_equal(device_text(device, DEVICE_DESCRIPTION), "Tasmota on Moisture, on battery, sleeps");
    assert_string_equal(device_text(device, DEVICE_TYPE), "Light");
    hear(bench, "home/garden/tells/A4CF12000002/LWT", "Gone");
    assert_false(device->online);
    hear(bench, "home/garden/tells/A4CF12000002/LWT", "Online"); /* not what it announced */
    assert_int_equal(device->rejected, 1);
}

static void last_will_introduces(void **state)
{
    static const char *const orders[][3] = {{"tele/plug/LWT", "cmnd/plug/STATUS=0 ", "stat/plug/"},
                                            {"plug/tele/LWT", "plug/cmnd/STATUS=0 ", "plug/stat/"}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tasmota_bench bench;
        char topic[64];

        tasmota_bench_init(&bench, NULL);
        hear_retained(&bench, orders[i][0], "Online");
        assert_string_equal(bench.sent, orders[i][1]);
        snprintf(topic, sizeof(topic), "%sSTATUS2", orders[i][2]);
        hear(&bench, topic, "{\"StatusFWR\":{\"Version\":\"6.7.1(release-sonoff)\"}}");
        snprintf(topic, sizeof(topic), "%sSTATUS5", orders[i][2]);
        hear(&bench, topic, "{\"StatusNET\":{\"Mac\":\"A4:CF:12:00:00:09\"}}");
        assert_string_equal(bench.home.firmware_log, "online true; version 6.7.1(release-sonoff) 6.7.1; ");
        fake_home_done(&bench.home, false);
    }
}

static void last_will_of_nobody(void **state)
{
    struct tasmota_bench *bench = *state;

    hear_retained(bench, "tele/plug/LWT", "Offline");
    hear_retained(bench, "tele/plug/LWT", "online");
    hear_retained(bench, "tele/a/b/LWT", "Online");
    hear_retained(bench, "tele//LWT", "Online");
    hear_retained(bench, "a/b/LWT", "Online");
    hear_retained(bench, "tele/tasmotas/LWT", "Online"); /* all of a home would answer */
    hear_retained(bench, "tele/+/LWT", "Online");
    assert_true(sent(bench, ""));
    assert_string_equal(bench->topics, "");
}

static void goes_and_comes(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, LAMP_TELE "LWT", "Offline");
    assert_false(device->online);
    assert_string_equal(bench->home.firmware_log, "online false; ");
    hear(bench, LAMP_TELE "LWT", "Offline");
    hear(bench, LAMP_TELE "LWT", "Online");
    assert_false(device->online); /* a word from the broker; it is asked itself */
    lamp_says(bench, "13.4.0(release-tasmota)");
    assert_true(device->online);
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; version 13.4.0(release-tasmota) 13.4.0; ");
}

static void does_not_answer(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    fake_home_advance(&bench->home, 15 * 60 * 1000);
    assert_string_equal(bench->sent, "cmnd/tasmota_1A2B3C/STATUS=2 "); /* nothing heard for long */
    hear(bench, LAMP_STAT "STATUS2", fixture("status2"));
    fake_home_advance(&bench->home, 15 * 60 * 1000);
    bench->sent[0] = '\0';
    fake_home_advance(&bench->home, 10000);
    fake_home_advance(&bench->home, 10000);
    assert_true(device->online);
    assert_string_equal(bench->sent, "cmnd/tasmota_1A2B3C/STATUS=2 cmnd/tasmota_1A2B3C/STATUS=2 ");
    fake_home_advance(&bench->home, 10000);
    assert_false(device->online);
}

static void broker_away(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    tasmota_dialect.broker(bench->home.ctx, false);
    assert_false(device->online);
    tasmota_dialect.broker(bench->home.ctx, true);
    lamp_up(bench);
    assert_true(device->online);
}

/* A question that fell into a moment without the broker goes out with the connection, not when its time is over. */
static void asked_without_the_broker(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    bench->home.lan_down = true;
    tasmota_dialect.identify(device);
    bench->home.lan_down = false;
    bench->sent[0] = '\0';
    tasmota_dialect.broker(bench->home.ctx, true);
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/STATUS=0"));
    fake_home_advance(&bench->home, 9999);
    assert_true(sent(bench, "")); /* once is enough */
}

static void candidate_that_is_silent(void **state)
{
    struct tasmota_bench *bench = *state;

    hear_retained(bench, "tele/plug/LWT", "Online");
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 10000);
    assert_int_equal(registry_of(bench)->stats.rejected, 1);
    bench->sent[0] = '\0';
    hear(bench, "tele/plug/LWT", "Online");
    assert_true(sent(bench, "")); /* left alone for a while */
    fake_home_advance(&bench->home, 120000);
    assert_non_null(strstr(bench->topics, "-stat/plug/+"));
    hear(bench, "tele/plug/LWT", "Online");
    assert_true(sent(bench, "cmnd/plug/STATUS=0"));
}

/* One that announced itself stays known: the broker will not repeat it. */
static void announced_but_away(void **state)
{
    struct tasmota_bench *bench = *state;

    hear_retained(bench, CONFIG, fixture("discovery"));
    hear_retained(bench, LAMP_TELE "LWT", "Online");
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 10000);
    fake_home_advance(&bench->home, 120000);
    hear(bench, LAMP_TELE "LWT", "Online");
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/STATUS=0"));
    lamp_says(bench, "13.4.0(release-tasmota)");
    /* What only the announcement said. */
    assert_string_equal(device_text(registry_find(registry_of(bench), LAMP), DEVICE_MODEL), "Sonoff Basic");
}

static void answers_as_another_than_announced(void **state)
{
    struct tasmota_bench *bench = *state;

    hear_retained(bench, CONFIG, fixture("discovery"));
    hear_retained(bench, LAMP_TELE "LWT", "Online");
    hear(bench, LAMP_STAT "STATUS2", fixture("status2"));
    hear(bench, LAMP_STAT "STATUS5", "{\"StatusNET\":{\"Mac\":\"A4:CF:12:00:00:99\"}}");
    assert_int_equal(registry_of(bench)->count, 0);
    assert_int_equal(registry_of(bench)->stats.rejected, 1);
}

static void restored(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device;

    lamp_up(bench);
    tasmota_bench_restart(bench);
    device = registry_find(registry_of(bench), LAMP);
    assert_non_null(device);
    assert_false(device->online);
    assert_int_equal(device->target.ops->read_version(&device->target, NULL), -1); /* no topics yet */
    assert_ptr_equal(lamp_up(bench), device);
    assert_int_equal(registry_of(bench)->count, 1);
    /* The same without an announcement: who answers under that address takes its row. */
    tasmota_bench_restart(bench);
    hear_retained(bench, LAMP_TELE "LWT", "Online");
    lamp_says(bench, "13.4.0(release-tasmota)");
    assert_int_equal(registry_of(bench)->count, 1);
    assert_true(registry_find(registry_of(bench), LAMP)->online);
}

static void moved(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);
    char text[2048], *at;

    snprintf(text, sizeof(text), "%s", fixture("discovery"));
    at = strstr(text, "\"t\":\"tasmota_1A2B3C\"");
    memcpy(at, "\"t\":\"hall_lamp_______", 19);
    hear(bench, CONFIG, text); /* while it is online, that is somebody else's word */
    assert_int_equal(registry_of(bench)->stats.rejected, 1);
    hear(bench, LAMP_TELE "LWT", "Offline");
    bench->sent[0] = bench->topics[0] = '\0';
    hear(bench, CONFIG, text);
    assert_non_null(strstr(bench->topics, "-" LAMP_STAT "+"));
    assert_true(sent(bench, "cmnd/hall_lamp_____/STATUS=0"));
    hear(bench, "stat/hall_lamp_____/STATUS2", fixture("status2"));
    hear(bench, "stat/hall_lamp_____/STATUS5", fixture("status5"));
    assert_true(device->online);
    assert_string_equal(device_text(device, DEVICE_ADDRESS), "cmnd/hall_lamp_____/");
}

static void withdrawn(void **state)
{
    struct tasmota_bench *bench = *state;

    lamp_up(bench);
    hear(bench, CONFIG, "");
    assert_int_equal(registry_of(bench)->count, 1); /* it still answers */
    hear(bench, LAMP_TELE "LWT", "Offline");
    hear(bench, CONFIG, "");
    assert_int_equal(registry_of(bench)->count, 0);
    assert_non_null(strstr(bench->topics, "-" LAMP_STAT "+"));
    hear_retained(bench, CONFIG, fixture("discovery"));
    hear_retained(bench, CONFIG, "");
    hear_retained(bench, CONFIG, "");
    hear(bench, LAMP_STAT "STATUS2", fixture("status2"));
    assert_int_equal(registry_of(bench)->count, 0);
}

static void updated_by_somebody_else(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, LAMP_STAT "UPGRADE", "{\"Upgrade\":\"Successful. Restarting\"}");
    hear(bench, LAMP_TELE "LWT", "Offline");
    hear(bench, LAMP_TELE "LWT", "Online");
    hear(bench, LAMP_TELE "INFO1", fixture("info1"));
    lamp_says(bench, "14.2.0(release-tasmota)");
    assert_string_equal(bench->home.firmware_log,
                        "online false; online true; version 14.2.0(release-tasmota) 14.2.0; ");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "14.2.0");
}

/* ---- identity, and what is refused ---- */

static void another_address_under_its_topics(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, LAMP_TELE "LWT", "Online");
    hear(bench, LAMP_STAT "STATUS2", fixture("status2"));
    hear(bench, LAMP_STAT "STATUS5", "{\"StatusNET\":{\"Mac\":\"A4:CF:12:00:00:99\"}}");
    assert_true(device->quarantined);
    assert_non_null(strstr(device_text(device, DEVICE_REASON), "MAC address changed"));
    assert_non_null(strstr(bench->home.firmware_log, "block; "));
    assert_null(strstr(bench->home.firmware_log, "version"));
    bench->sent[0] = '\0';
    quarantine_release(device);
    assert_true(sent(bench, "STATUS=0"));
}

static void another_model_under_its_topics(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, LAMP_TELE "LWT", "Online");
    hear(bench, LAMP_TELE "INFO1", "{\"Info1\":{\"Module\":\"Tuya MCU\",\"Version\":\"14.2.0(tasmota)\"}}");
    lamp_says(bench, "14.2.0(tasmota)");
    assert_true(device->quarantined);
}

static void known_address_elsewhere(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, "tele/spoof/LWT", "Online");
    hear(bench, "stat/spoof/STATUS2", "{\"StatusFWR\":{\"Version\":\"99.0.0(tasmota)\"}}");
    hear(bench, "stat/spoof/STATUS5", fixture("status5"));
    assert_int_equal(registry_of(bench)->stats.rejected, 1);
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "13.4.0");
    assert_false(device->quarantined);
    assert_int_equal(device->rejected, 0);
}

static void unasked_answers(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    hear(bench, LAMP_STAT "STATUS2", "{\"StatusFWR\":{\"Version\":\"99.0.0(tasmota)\"}}");
    hear_retained(bench, LAMP_STAT "STATUS2", "{\"StatusFWR\":{\"Version\":\"99.0.0(tasmota)\"}}");
    hear_retained(bench, LAMP_TELE "INFO1", fixture("info1"));
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "13.4.0");
    assert_string_equal(bench->home.firmware_log, "");
    assert_true(sent(bench, ""));
    /* Asked for, but of another day (StatusRetain). */
    hear(bench, LAMP_TELE "LWT", "Online");
    hear_retained(bench, LAMP_STAT "STATUS2", "{\"StatusFWR\":{\"Version\":\"99.0.0(tasmota)\"}}");
    hear_retained(bench, LAMP_STAT "STATUS5", fixture("status5"));
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "13.4.0");
}

static const char *const bad_announcements[] = {
    "{}",
    "[]",
    "not JSON",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"x\",\"ft\":\"%prefix%/%topic%/\"}",
    "{\"mac\":\"A4CF121A2B3D\",\"t\":\"x\",\"ft\":\"%prefix%/%topic%/\",\"tp\":[\"cmnd\",\"stat\",\"tele\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"+\",\"ft\":\"%prefix%/%topic%/\",\"tp\":[\"cmnd\",\"stat\",\"tele\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"x\",\"ft\":\"%prefix%/#\",\"tp\":[\"cmnd\",\"stat\",\"tele\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"x\",\"ft\":\"$SYS/%prefix%/%topic%/\",\"tp\":[\"a\",\"b\",\"c\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"x\",\"ft\":\"%topic%/\",\"tp\":[\"cmnd\",\"stat\",\"tele\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"x\",\"ft\":\"%prefix%/%topic%/\",\"tp\":[\"a\",\"a\",\"tele\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"tasmotas\",\"ft\":\"%prefix%/%topic%/\",\"tp\":[\"cmnd\",\"stat\",\"tele\"]}",
    "{\"mac\":\"A4CF121A2B3C\",\"t\":\"x\",\"ft\":\"%prefix%%prefix%%prefix%%prefix%%prefix%%prefix%%prefix%%prefix%\","
    "\"tp\":[\"ccccccccccccccccccccccccccccccccccccccccccccccccccc\",\"s\",\"t\"]}",
};

static void announcements_refused(void **state)
{
    struct tasmota_bench *bench = *state;
    size_t count = sizeof(bad_announcements) / sizeof(bad_announcements[0]);

    for (size_t i = 0; i < count; i++)
        hear(bench, CONFIG, bad_announcements[i]);
    hear(bench, "tasmota/discovery/nobody/config", fixture("discovery"));
    assert_int_equal(registry_of(bench)->stats.rejected, count + 1);
    assert_true(sent(bench, ""));
    assert_string_equal(bench->topics, "");
}

/* Topics of another device, or of another dialect, cannot be had by announcing them. */
static void topics_of_others(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);
    struct mqtt_message message = {
        .topic = "zigbee2mqtt/bridge/devices", .payload = (const uint8_t *)"[]", .len = 2};

    hear(bench, "tasmota/discovery/A4CF12000003/config",
         "{\"mac\":\"A4CF12000003\",\"t\":\"tasmota_1A2B3C\",\"ft\":\"%prefix%/%topic%/\","
         "\"tp\":[\"x\",\"stat\",\"y\"]}");
    assert_int_equal(registry_of(bench)->stats.rejected, 1);
    hear(bench, "tasmota/discovery/A4CF12000004/config",
         "{\"mac\":\"A4CF12000004\",\"t\":\"bridge\",\"ft\":\"%prefix%/%topic%/\","
         "\"tp\":[\"x\",\"zigbee2mqtt\",\"y\"]}");
    assert_false(tasmota_dialect.mqtt_message(bench->home.ctx, &message));
    message.topic = "shellyplus1-a8032abe54dc/online";
    assert_false(tasmota_dialect.mqtt_message(bench->home.ctx, &message));
    assert_int_equal(device->rejected, 0);
}

static void malformed_answers(void **state)
{
    static const char *const texts[] = {"", "{", "[1]", "{\"StatusFWR\":7}",
                                        "{\"StatusFWR\":{\"Version\":\"new\"}}"};
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        hear(bench, LAMP_TELE "LWT", "Online");
        hear(bench, LAMP_STAT "STATUS2", texts[i]);
        hear(bench, LAMP_STAT "STATUS5", fixture("status5"));
    }
    assert_int_equal(device->rejected, 5);
    hear(bench, LAMP_STAT "STATUS5", "{\"StatusNET\":{\"Mac\":\"nobody's\"}}");
    hear(bench, LAMP_TELE "INFO1", "{\"Info1\":{}}");
    hear(bench, LAMP_TELE "INFO1", "{");
    hear(bench, LAMP_STAT "UPGRADE", "Perhaps");
    assert_true(device->rejected >= 8);
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "13.4.0");
}

/* A home with many that do not announce themselves: all are asked at once, and so many that nobody has are not. */
static void candidates_are_bounded(void **state)
{
    struct tasmota_bench *bench = *state;
    char topic[64];

    for (unsigned i = 0; i < 6000; i++) {
        snprintf(topic, sizeof(topic), "tele/x%u/LWT", i);
        hear_retained(bench, topic, "Online");
    }
    assert_int_equal(bench->home.sent, limits_default.lan_candidates);
    assert_int_equal(bench->home.registry->stats.rejected, 6000 - limits_default.lan_candidates);
    /* Every device that may be listed, and all these, have room for what is subscribed of them. */
    assert_true(3 * (limits_default.proxied_devices + limits_default.lan_candidates) < LIMIT_LAN_TOPICS);
    for (int i = 0; i < 3; i++)
        fake_home_advance(&bench->home, 10000); /* none answers */
    fake_home_advance(&bench->home, 121000);
    bench->sent[0] = bench->topics[0] = '\0';
    lamp_up(bench);
}

static void flood(void **state)
{
    struct tasmota_bench *bench = *state;
    struct device *device = lamp_up(bench);

    for (int i = 0; i < 2000; i++)
        hear(bench, LAMP_STAT "RESULT", "{\"POWER\":\"ON\"}");
    assert_true(device->rejected > 1000);
    hear(bench, LAMP_TELE "LWT", "Online"); /* it can still be asked */
    lamp_says(bench, "14.2.0(release-tasmota)");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "14.2.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TASMOTA_TEST(announced_and_online),
        TASMOTA_TEST(topics_of_its_own),
        cmocka_unit_test(last_will_introduces),
        TASMOTA_TEST(last_will_of_nobody),
        TASMOTA_TEST(goes_and_comes),
        TASMOTA_TEST(does_not_answer),
        TASMOTA_TEST(broker_away),
        TASMOTA_TEST(asked_without_the_broker),
        TASMOTA_TEST(candidate_that_is_silent),
        TASMOTA_TEST(announced_but_away),
        TASMOTA_TEST(answers_as_another_than_announced),
        TASMOTA_TEST(restored),
        TASMOTA_TEST(moved),
        TASMOTA_TEST(withdrawn),
        TASMOTA_TEST(updated_by_somebody_else),
        TASMOTA_TEST(another_address_under_its_topics),
        TASMOTA_TEST(another_model_under_its_topics),
        TASMOTA_TEST(known_address_elsewhere),
        TASMOTA_TEST(unasked_answers),
        TASMOTA_TEST(announcements_refused),
        TASMOTA_TEST(topics_of_others),
        TASMOTA_TEST(malformed_answers),
        TASMOTA_TEST(candidates_are_bounded),
        TASMOTA_TEST(flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) + test_tasmota_update() + test_tasmota_version();
}
