/* SPDX-License-Identifier: BSD-3-Clause */
/* The Home Assistant dialect: discovery in both forms, joining, removal, availability, offers, the birth message. */
#include "tests/unit/test_homeassistant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/homeassistant_bench.h"

/* ---- what the makers' documentation shows ---- */

static void esphome(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    assert_int_equal(registry_of(bench)->count, 1); /* two messages, one device */
    device = the(bench, KITCHEN);
    assert_string_equal(device_text(device, DEVICE_NAME), "Kitchen");
    assert_string_equal(device_text(device, DEVICE_MANUFACTURER), "Espressif");
    assert_string_equal(device_text(device, DEVICE_MODEL), "esp32dev");
    assert_string_equal(device_text(device, DEVICE_MAC), "A8032ABE54DC");
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "A8032ABE54DC");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.0");
    assert_string_equal(device_text(device, DEVICE_FIRMWARE_NAME), "Kitchen light");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    assert_string_equal(device_text(device, DEVICE_DESCRIPTION),
                        "Announced for Home Assistant; its maker's updates can be installed");
    assert_true(device->online);
    assert_int_equal(device->grade, DEVICE_GRADE_C);
    assert_non_null(strstr(bench->home.firmware_log, "version Kitchen light 1.4.0; offer latest 1.5.0; "));
    assert_int_equal(topics(bench), 2);
    live(bench, "kitchen/status", "offline");
    assert_false(device->online);
}

static void openmqttgateway(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "openmqttgateway");
    device = the(bench, "homeassistant:246F28AABBCC");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "v1.7.0");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "v1.8.0");
    assert_true(device->online);
}

static void zigbee2mqtt(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "zigbee2mqtt");
    device = the(bench, "homeassistant:zigbee2mqtt_0x00158d0001a2b3c4");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "587756080");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "587764248");
    assert_string_equal(device_text(device, DEVICE_HARDWARE_VERSION), "1");
    assert_string_equal(
        device_text(device, DEVICE_DESCRIPTION),
        "Announced for Home Assistant by Zigbee2MQTT 2.1.0; its maker's updates can be installed");
    assert_true(device->online);
    live(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"offline\"}"); /* all of them */
    assert_false(device->online);
}

static void device_form(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "device-form");
    device = the(bench, "homeassistant:ea334450945afc");
    assert_string_equal(device_text(device, DEVICE_SERIAL_NUMBER), "ea334450945afc");
    assert_string_equal(device_text(device, DEVICE_HARDWARE_VERSION), "1.0rev2");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.0");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.1");
    assert_string_equal(device_text(device, DEVICE_ADDRESS), "bla/0AFFD2/cmd");
    assert_true(listens(bench, "releases/bla/0AFFD2"));
    assert_true(device->online);
}

static void metadata_only(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "metadata-only");
    device = the(bench, "homeassistant:mac=246F28112233");
    assert_int_equal(registry_of(bench)->count, 1);
    assert_string_equal(device_text(device, DEVICE_HARDWARE_VERSION), "B"); /* the other message says that */
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "3.1");
    assert_string_equal(device_text(device, DEVICE_DESCRIPTION),
                        "Announced for Home Assistant; it has no update entity");
    assert_non_null(strstr(bench->home.firmware_log, "version - 3.1; "));
    assert_true(device->online);
    assert_int_equal(topics(bench), 1);
    live(bench, "weather/lwt", "offline");
    assert_false(device->online);
}

/* ---- both forms, and what is no form ---- */

static void no_device_no_row(void **state)
{
    struct ha_bench *bench = *state;

    retained(bench, "homeassistant/update/lonely/config",
             "{\"stat_t\":\"a\",\"cmd_t\":\"b\",\"pl_inst\":\"c\"}");
    passes(bench, 60000);
    assert_int_equal(registry_of(bench)->count, 0);
    assert_int_equal(registry_of(bench)->stats.rejected,
                     0); /* it is allowed, there is only nothing to list */
}

static void removed(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    retained(bench, KITCHEN_CONFIG, "");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    assert_non_null(strstr(bench->home.firmware_log, "offer latest -; "));
    assert_false(listens(bench, KITCHEN_STATE));
    assert_true(listens(bench, "kitchen/status")); /* the sensor's is the same */
    passes(bench, 120000);
    assert_int_equal(registry_of(bench)->count, 1); /* it still has a sensor */
    retained(bench, "homeassistant/sensor/kitchen/uptime/config", "");
    assert_false(device->online);
    assert_int_equal(topics(bench), 0);
    assert_int_equal(registry_of(bench)->count, 1);
    passes(bench, 61000);
    assert_int_equal(registry_of(bench)->count, 0);
    assert_non_null(strstr(bench->home.events, "removed 1; "));
}

static void component_removed(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "device-form");
    device = the(bench, "homeassistant:ea334450945afc");
    publishes(bench, "homeassistant/device/0AFFD2/config",
              "{\"dev\":{\"ids\":[\"ea334450945afc\"]},\"o\":{\"name\":\"bla2mqtt\"},\"cmps\":{"
              "\"firmware\":{\"p\":\"update\"},\"t\":{\"p\":\"sensor\",\"unique_id\":\"t\"}}}");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    assert_false(listens(bench, "bla/0AFFD2/fw"));
    assert_int_equal(registry_of(bench)->count, 1);
}

/* From single messages to one for the device, as the integration's documentation tells to do it. */
static void migrated(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    publishes(bench, KITCHEN_CONFIG, "{\"migrate_discovery\":true}");
    publishes(bench, "homeassistant/sensor/kitchen/uptime/config", "{\"migr_discvry\":true}");
    assert_int_equal(registry_of(bench)->stats.rejected, 0);
    passes(bench, 300000);
    assert_int_equal(registry_of(bench)->count, 1);
    publishes(
        bench, "homeassistant/device/kitchen/config",
        "{\"dev\":{\"ids\":\"a8032abe54dc\"},\"o\":{\"name\":\"ESPHome\"},\"avty_t\":\"kitchen/status\",\"cmps\":{"
        "\"f\":{\"p\":\"update\",\"stat_t\":\"" KITCHEN_STATE
        "\",\"cmd_t\":\"kitchen/cmd\",\"pl_inst\":\"x\"}}}");
    publishes(bench, KITCHEN_CONFIG, "");
    publishes(bench, "homeassistant/sensor/kitchen/uptime/config", "");
    passes(bench, 1200000);
    assert_ptr_equal(the(bench, KITCHEN), device);
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    assert_true(device->online);
}

static void promised_and_not_come(void **state)
{
    struct ha_bench *bench = *state;

    fixture(bench, "openmqttgateway");
    publishes(bench, "homeassistant/update/246F28AABBCC-update/config", "{\"migrate_discovery\":true}");
    passes(bench, 601000);
    assert_int_equal(registry_of(bench)->count, 0);
}

/* An entity of a device goes on as another one's. */
static void moved(void **state)
{
    struct ha_bench *bench = *state;

    fixture(bench, "openmqttgateway");
    publishes(bench, "homeassistant/update/246F28AABBCC-update/config",
              "{\"stat_t\":\"home/OpenMQTTGateway/RLStoMQTT\",\"device\":{\"ids\":[\"other\"]}}");
    passes(bench, 4000);
    assert_string_equal(device_text(the(bench, "homeassistant:other"), DEVICE_SOFTWARE_VERSION), "v1.7.0");
    passes(bench, 600000);
    assert_int_equal(registry_of(bench)->count, 1);
}

static void the_same_again_is_no_news(void **state)
{
    struct ha_bench *bench = *state;
    unsigned subscribed;

    fixture(bench, "esphome");
    subscribed = bench->subscribed;
    fake_home_forget_logs(&bench->home);
    for (int i = 0; i < 100; i++)
        fake_home_mqtt(&bench->home, KITCHEN_CONFIG, bench->kept[1][1], false);
    assert_int_equal(bench->subscribed, subscribed);
    assert_string_equal(bench->home.events, "");
}

/* ---- what is not supported ---- */

static void list_update(struct ha_bench *bench, const char *members)
{
    char payload[1024];

    snprintf(payload, sizeof(payload), "{\"dev\":{\"ids\":\"x\",\"sw\":\"7\"},%s}", members);
    retained(bench, "homeassistant/update/x/config", payload);
    passes(bench, 4000);
}

static void foreign_templates(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    list_update(bench, "\"stat_t\":\"x/s\",\"cmd_t\":\"x/c\",\"pl_inst\":\"go\","
                       "\"val_tpl\":\"{{ value_json.version | default('') }}\"");
    device = the(bench, "homeassistant:x");
    assert_string_equal(
        device_text(device, DEVICE_DESCRIPTION),
        "Announced for Home Assistant; its update entity is not supported: its value_template is "
        "none of those that are understood");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "7"); /* the device block says so */
    assert_int_equal(topics(bench), 0);
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    list_update(bench, "\"stat_t\":\"x/+\",\"cmd_t\":\"x/c\",\"pl_inst\":\"go\"");
    assert_non_null(
        strstr(device_text(device, DEVICE_DESCRIPTION), "its state_topic is missing or has wildcards"));
    list_update(bench, "\"stat_t\":\"x/s\",\"l_ver_t\":\"x/l\",\"l_ver_tpl\":\"{% if x %}\"");
    assert_non_null(strstr(device_text(device, DEVICE_DESCRIPTION), "its latest_version_template"));
    list_update(bench, "\"stat_t\":\"x/s\",\"avty_t\":\"x/a\",\"avty_tpl\":\"{{ 1 }}\"");
    assert_non_null(strstr(device_text(device, DEVICE_DESCRIPTION), "its availability_template"));
    assert_int_equal(topics(bench), 0);
}

static void versions_only(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    list_update(bench, "\"stat_t\":\"x/s\"");
    device = the(bench, "homeassistant:x");
    live(bench, "x/s", "{\"installed_version\":\"1\",\"latest_version\":\"2\"}");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION),
                        ""); /* nothing that could be activated */
    assert_non_null(strstr(device_text(device, DEVICE_DESCRIPTION), "shows versions only"));
}

static void firmware_is_chosen(void **state)
{
    struct ha_bench *bench = *state;

    retained(
        bench, "homeassistant/device/y/config",
        "{\"dev\":{\"ids\":\"y\"},\"o\":{\"name\":\"o\"},\"cmps\":{"
        "\"addon\":{\"p\":\"update\",\"stat_t\":\"y/addon\",\"cmd_t\":\"y/c\",\"pl_inst\":\"a\"},"
        "\"fw\":{\"p\":\"update\",\"dev_cla\":\"firmware\",\"stat_t\":\"y/fw\",\"cmd_t\":\"y/c\",\"pl_inst\":\"b\"},"
        "\"last\":{\"p\":\"update\",\"stat_t\":\"y/last\",\"cmd_t\":\"y/c\",\"pl_inst\":\"c\"}}}");
    passes(bench, 4000);
    assert_true(listens(bench, "y/fw"));
    assert_int_equal(topics(bench), 1);
}

/* ---- state ---- */

static void plain_state(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    list_update(bench, "\"stat_t\":\"x/s\",\"l_ver_t\":\"x/l\",\"cmd_t\":\"x/c\",\"pl_inst\":\"go\"");
    device = the(bench, "homeassistant:x");
    live(bench, "x/s", "2024.3\n");
    live(bench, "x/l", "2024.4");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "2024.3");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "2024.4");
    assert_true(device->online); /* nothing is said of when it is there */
    live(bench, "x/s", "");
    live(bench, "x/s", "{}");
    live(bench, "x/l", "");
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "2024.3");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "2024.4");
    assert_int_equal(device->rejected, 0);
    live(bench, "x/s", "{\"installed_version\":");
    assert_int_equal(device->rejected, 1);
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "2024.3");
}

static void offers(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    publishes(bench, KITCHEN_STATE, KITCHEN_SAYS("1.4.0", "1.4.0"));
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    publishes(bench, KITCHEN_STATE, KITCHEN_SAYS("1.4.0", "1.3.9"));
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), ""); /* older is no offer */
    publishes(bench, KITCHEN_STATE, KITCHEN_SAYS("1.4.0", "1.4.1-beta"));
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.4.1-beta");
    /* Somebody else installs it. */
    publishes(bench, KITCHEN_STATE, KITCHEN_SAYS("1.4.1-beta", "1.4.1-beta"));
    assert_string_equal(device_text(device, DEVICE_SOFTWARE_VERSION), "1.4.1-beta");
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "");
    assert_non_null(strstr(bench->home.firmware_log, "version Kitchen light 1.4.1-beta; offer latest -; "));
}

/* ---- availability ---- */

static void with_availability(struct ha_bench *bench, const char *mode)
{
    char members[512];

    snprintf(
        members, sizeof(members),
        "\"stat_t\":\"x/s\",\"avty_mode\":\"%s\",\"avty\":[{\"t\":\"x/1\"},"
        "{\"topic\":\"x/2\",\"pl_avail\":\"1\",\"pl_not_avail\":\"0\"},"
        "{\"t\":\"x/3\",\"val_tpl\":\"{{ value_json.up }}\",\"pl_avail\":\"True\",\"pl_not_avail\":\"False\"}]",
        mode);
    list_update(bench, members);
}

static void availability_latest(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    with_availability(bench, "latest");
    device = the(bench, "homeassistant:x");
    live(bench, "x/s", "1");
    assert_false(device->online);
    live(bench, "x/2", "1");
    assert_true(device->online);
    live(bench, "x/3", "{\"up\":false}");
    assert_false(device->online);
    live(bench, "x/1", "online");
    assert_true(device->online);
    live(bench, "x/1", "elsewhere"); /* neither of both */
    live(bench, "x/2", "offline");
    live(bench, "x/3", "False");
    assert_true(device->online);
}

static void availability_all(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    with_availability(bench, "all");
    device = the(bench, "homeassistant:x");
    live(bench, "x/1", "online");
    live(bench, "x/2", "1");
    assert_false(device->online);
    live(bench, "x/3", "{\"up\":true}");
    assert_true(device->online);
    live(bench, "x/2", "0");
    assert_false(device->online);
}

static void availability_any(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    with_availability(bench, "any");
    device = the(bench, "homeassistant:x");
    live(bench, "x/1", "offline");
    assert_false(device->online);
    live(bench, "x/2", "1");
    assert_true(device->online);
    live(bench, "x/3", "{\"up\":true}");
    live(bench, "x/2", "0");
    assert_true(device->online);
    live(bench, "x/3", "{\"up\":false}");
    assert_false(device->online);
}

/* The state of a bridge, subscribed once; who comes later is told what was said before. */
static void shared_topic(void **state)
{
    struct ha_bench *bench = *state;

    retained(bench, "homeassistant/sensor/one/config",
             "{\"dev\":{\"ids\":\"one\"},\"avty_t\":\"bridge/state\",\"stat_t\":\"s\"}");
    passes(bench, 4000);
    live(bench, "bridge/state", "online");
    retained(bench, "homeassistant/sensor/two/config",
             "{\"dev\":{\"ids\":\"two\"},\"avty_t\":\"bridge/state\",\"stat_t\":\"s\"}");
    passes(bench, 4000);
    assert_int_equal(bench->subscribed, 1);
    assert_true(the(bench, "homeassistant:two")->online);
    live(bench, "bridge/state", "offline");
    assert_false(the(bench, "homeassistant:one")->online);
    assert_false(the(bench, "homeassistant:two")->online);
    retained(bench, "homeassistant/sensor/one/config", "");
    assert_true(listens(bench, "bridge/state"));
    retained(bench, "homeassistant/sensor/two/config", "");
    assert_int_equal(topics(bench), 0);
}

static void broker_away(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    device = the(bench, KITCHEN);
    homeassistant_dialect.broker(bench->home.ctx, false);
    assert_false(device->online);
    homeassistant_dialect.broker(bench->home.ctx, true);
    retained(bench, "kitchen/status", "online");
    assert_true(device->online);
}

/* ---- the store, the birth message ---- */

static void restored(void **state)
{
    struct ha_bench *bench = *state;
    struct device *device;

    fixture(bench, "esphome");
    fixture(bench, "metadata-only");
    ha_bench_restart(bench);
    device = the(bench, KITCHEN);
    assert_int_equal(device->instance, 1);
    assert_true(device->online);
    assert_string_equal(device_text(device, DEVICE_OFFERED_VERSION), "1.5.0");
    assert_true(the(bench, "homeassistant:mac=246F28112233")->online);
    passes(bench, 60000);
    assert_int_equal(registry_of(bench)->count, 2);
}

static void birth(void **state)
{
    struct ha_bench *bench = *state;

    homeassistant_dialect.broker(bench->home.ctx, true);
    assert_int_equal(bench->home.sent, 0);
    passes(bench, 6000);
    assert_int_equal(bench->home.sent, 1);
    assert_string_equal(bench->home.topic, "homeassistant/status");
    assert_string_equal(bench->home.frame, "online");
    assert_false(bench->retain);
    live(bench, "homeassistant/status", "online"); /* our own comes back, and is no Home Assistant */
    homeassistant_dialect.broker(bench->home.ctx, true);
    passes(bench, 60000);
    assert_int_equal(bench->home.sent, 1); /* devices are not asked all the time */
    passes(bench, 300000);
    assert_int_equal(bench->home.sent, 2);
}

static void birth_beside_the_real_one(void **state)
{
    struct ha_bench *bench = *state;

    homeassistant_dialect.broker(bench->home.ctx, true);
    retained(bench, "homeassistant/status", "online");
    passes(bench, 600000);
    assert_int_equal(bench->home.sent, 0);
    homeassistant_dialect.broker(bench->home.ctx, false);
    homeassistant_dialect.broker(bench->home.ctx, true);
    live(bench, "homeassistant/status", "offline"); /* it went: nobody asks devices any more */
    passes(bench, 6000);
    assert_int_equal(bench->home.sent, 1);
}

static void birth_as_configured(void **state)
{
    struct ha_bench *bench = *state;

    homeassistant_dialect.destroy(bench->home.ctx);
    bench->home.registry->observers = (struct observers){NULL};
    bench->home.host.homeassistant_birth = HOMEASSISTANT_BIRTH_ALWAYS;
    bench->home.ctx = homeassistant_dialect.create(&bench->home.host);
    homeassistant_dialect.broker(bench->home.ctx, true);
    retained(bench, "homeassistant/status", "online");
    passes(bench, 6000);
    assert_int_equal(bench->home.sent, 1);
    homeassistant_dialect.destroy(bench->home.ctx);
    bench->home.registry->observers = (struct observers){NULL};
    bench->home.host.homeassistant_birth = HOMEASSISTANT_BIRTH_NEVER;
    bench->home.ctx = homeassistant_dialect.create(&bench->home.host);
    homeassistant_dialect.broker(bench->home.ctx, true);
    passes(bench, 600000);
    assert_int_equal(bench->home.sent, 1);
}

static void add_topic(void *ctx, const char *topic)
{
    strcat(ctx, topic);
    strcat(ctx, " ");
}

static void prefix(void **state)
{
    struct ha_bench *bench = *state;
    char filters[512] = "";
    struct mqtt_message message = {.topic = KITCHEN_CONFIG, .payload = (const uint8_t *)"", .len = 0};

    homeassistant_dialect.destroy(bench->home.ctx);
    bench->home.registry->observers = (struct observers){NULL};
    bench->home.host.homeassistant_prefix = "ha/announce";
    bench->home.ctx = homeassistant_dialect.create(&bench->home.host);
    homeassistant_dialect.subscriptions(bench->home.ctx, add_topic, filters);
    assert_string_equal(filters, "ha/announce/+/+/config ha/announce/+/+/+/config ha/announce/status ");
    assert_false(homeassistant_dialect.mqtt_message(bench->home.ctx, &message));
    message.topic = "ha/announce/update/x/config";
    assert_true(homeassistant_dialect.mqtt_message(bench->home.ctx, &message));
    message.topic = "ha/announce/update/x y/config";
    assert_false(homeassistant_dialect.mqtt_message(bench->home.ctx, &message));
    homeassistant_dialect.destroy(bench->home.ctx);
    bench->home.registry->observers = (struct observers){NULL};
    bench->home.host.homeassistant_prefix = NULL;
    bench->home.ctx = homeassistant_dialect.create(&bench->home.host);
    filters[0] = '\0';
    homeassistant_dialect.subscriptions(bench->home.ctx, add_topic, filters);
    assert_string_equal(filters, "");
    assert_false(homeassistant_dialect.mqtt_message(bench->home.ctx, &message));
}

/* What devices say on their own topics may be meant for another dialect as well. */
static void topics_of_devices_are_shared(void **state)
{
    struct ha_bench *bench = *state;
    struct mqtt_message message = {
        .topic = "kitchen/status", .payload = (const uint8_t *)"offline", .len = 7};

    fixture(bench, "esphome");
    assert_false(homeassistant_dialect.mqtt_message(bench->home.ctx, &message));
    assert_false(the(bench, KITCHEN)->online);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HA_TEST(esphome),
        HA_TEST(openmqttgateway),
        HA_TEST(zigbee2mqtt),
        HA_TEST(device_form),
        HA_TEST(metadata_only),
        HA_TEST(no_device_no_row),
        HA_TEST(removed),
        HA_TEST(component_removed),
        HA_TEST(migrated),
        HA_TEST(promised_and_not_come),
        HA_TEST(moved),
        HA_TEST(the_same_again_is_no_news),
        HA_TEST(foreign_templates),
        HA_TEST(versions_only),
        HA_TEST(firmware_is_chosen),
        HA_TEST(plain_state),
        HA_TEST(offers),
        HA_TEST(availability_latest),
        HA_TEST(availability_all),
        HA_TEST(availability_any),
        HA_TEST(shared_topic),
        HA_TEST(broker_away),
        HA_TEST(restored),
        HA_TEST(birth),
        HA_TEST(birth_beside_the_real_one),
        HA_TEST(birth_as_configured),
        HA_TEST(prefix),
        HA_TEST(topics_of_devices_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) + test_homeassistant_update() +
           test_homeassistant_hostile();
}
