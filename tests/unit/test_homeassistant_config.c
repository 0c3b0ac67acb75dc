/* SPDX-License-Identifier: BSD-3-Clause */
/* Discovery messages and templates by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices/dialects/homeassistant_config.h"

/* ---- templates ---- */

static void kinds(void **state)
{
    static const struct {
        const char *text;
        enum ha_template_kind kind;
        unsigned count;
    } templates[] = {
        {NULL, HA_TEMPLATE_NONE, 0},
        {"", HA_TEMPLATE_NONE, 0},
        {"{{ value }}", HA_TEMPLATE_NONE, 0},
        {"{{value}}", HA_TEMPLATE_NONE, 0},
        {"{{ value_json.a }}", HA_TEMPLATE_PATH, 1},
        {" {{value_json.a.b_2}} ", HA_TEMPLATE_PATH, 2},
        {"{{ value_json['a']['b'] }}", HA_TEMPLATE_PATH, 2},
        {"{{ value_json[ \"a b\" ].c['d'] }}", HA_TEMPLATE_PATH, 3},
        {"{{ value_json.a.b.c.d.e.f.g.h }}", HA_TEMPLATE_PATH, 8},
        {"{{ value_json.a.b.c.d.e.f.g.h.i }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json. }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json.0 }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json[0] }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json['a }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json['a' }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json['a\\'b'] }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json[''] }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json.a | int }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json.a }} {{ value_json.b }}", HA_TEMPLATE_OTHER, 0},
        {"v{{ value_json.a }}", HA_TEMPLATE_OTHER, 0},
        {"{{ value_json.a }", HA_TEMPLATE_OTHER, 0},
        {"1.0", HA_TEMPLATE_OTHER, 0},
        {"{\"latest_version\":\"{{ value_json['update']['latest_version'] }}\",\"installed_version\":\"{{ "
         "value_json['update']['installed_version'] }}\",\"update_percentage\":{{ value_json['update'].get('progress', "
         "'null') }},\"in_progress\":{{ (value_json['update']['state'] == 'updating')|lower }}}",
         HA_TEMPLATE_ZIGBEE2MQTT, 0},
        {"{\"latest_version\":\"{{ value_json['update']['latest_version'] }}\",\"installed_version\":\"{{ "
         "value_json['update']['installed_version'] }}\",\"update_percentage\":{{ value_json['update'].get('progress', "
         "'null') }}}",
         HA_TEMPLATE_ZIGBEE2MQTT, 0},
        {"{\"latest_version\":\"{{ value_json['update']['latest_version'] }}\"}", HA_TEMPLATE_OTHER, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
        struct ha_template template;

        assert_int_equal(ha_template_parse(templates[i].text, &template), 0);
        if (template.kind != templates[i].kind)
            fail_msg("\"%s\" is of kind %d", templates[i].text, template.kind);
        assert_int_equal(template.count, templates[i].count);
        ha_template_done(&template);
    }
}

static void too_long(void **state)
{
    char text[2000];
    struct ha_template template;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "{{ value_json.", 14);
    memcpy(text + sizeof(text) - 4, " }}", 4);
    assert_int_equal(ha_template_parse(text, &template), 0);
    assert_int_equal(template.kind, HA_TEMPLATE_OTHER);
}

static void follow(void **state)
{
    cJSON *json = cJSON_Parse("{\"a\":{\"b c\":\"x\",\"d\":[1]},\"e\":5}");
    struct ha_template template;

    (void)state;
    ha_template_parse("{{ value_json.a['b c'] }}", &template);
    assert_string_equal(cJSON_GetStringValue(ha_template_follow(&template, json)), "x");
    assert_null(ha_template_follow(&template, NULL));
    ha_template_done(&template);
    ha_template_parse("{{ value_json.e.f }}", &template);
    assert_null(ha_template_follow(&template, json));
    ha_template_done(&template);
    cJSON_Delete(json);
}

/* ---- messages ---- */

static int read(const char *text, const char *component, struct ha_config *ret, struct error *err)
{
    return ha_config_read((const uint8_t *)text, strlen(text), str_of(component), ret, err);
}

static bool has(const struct ha_config *config, const char *token)
{
    for (unsigned i = 0; i < config->token_count; i++)
        if (strcmp(config->tokens[i], token) == 0)
            return true;
    return false;
}

static void long_names(void **state)
{
    struct ha_config config;

    (void)state;
    assert_int_equal(
        read(
            "{\"device\":{\"identifiers\":[\"one\",\"two\"],\"connections\":[[\"mac\",\"02:5B:26:a8:dc:12\"],"
            "[\"zigbee\",\"0x00158d0001a2b3c4\"]],\"manufacturer\":\"M\",\"model\":\"D\",\"name\":\"N\","
            "\"hw_version\":\"H\",\"sw_version\":\"S\",\"serial_number\":\"Z\"},\"origin\":{\"name\":\"O\","
            "\"sw_version\":\"V\"},\"state_topic\":\"s\",\"command_topic\":\"c\",\"payload_install\":\"p\","
            "\"latest_version_topic\":\"l\",\"availability_topic\":\"a\",\"payload_available\":\"1\","
            "\"payload_not_available\":\"0\",\"availability_mode\":\"any\",\"device_class\":\"firmware\","
            "\"value_template\":\"{{ value_json.v }}\",\"latest_version_template\":\"{{ value }}\","
            "\"qos\":1,\"retain\":true,\"unknown\":{\"x\":[]}}",
            "update", &config, NULL),
        0);
    assert_true(has(&config, "i=one") && has(&config, "i=two") && has(&config, "c=mac=025B26A8DC12"));
    assert_true(has(&config, "c=zigbee=0x00158d0001a2b3c4"));
    assert_true(has(&config, "a=025B26A8DC12") && has(&config, "a=00158D0001A2B3C4"));
    assert_string_equal(config.facts.mac, "025B26A8DC12");
    assert_string_equal(config.facts.manufacturer, "M");
    assert_string_equal(config.facts.model, "D");
    assert_string_equal(config.facts.hardware, "H");
    assert_string_equal(config.facts.software, "S");
    assert_string_equal(config.facts.serial, "Z");
    assert_string_equal(config.facts.origin, "O");
    assert_string_equal(config.facts.origin_version, "V");
    assert_non_null(config.entity);
    assert_true(config.entity->update && config.entity->firmware && config.entity->retain);
    assert_null(config.entity->unsupported);
    assert_int_equal(config.entity->qos, 1);
    assert_int_equal(config.entity->mode, HA_MODE_ANY);
    assert_string_equal(config.entity->latest_topic, "l");
    assert_string_equal(config.entity->availability[0].available, "1");
    ha_config_done(&config);
}

static void base_topic(void **state)
{
    struct ha_config config;

    (void)state;
    assert_int_equal(
        read(
            "{\"~\":\"home/x\",\"stat_t\":\"~/s\",\"cmd_t\":\"c/~\",\"l_ver_t\":\"l~l\",\"avty\":[{\"t\":\"~\"},"
            "{\"topic\":\"~/a\"}],\"pl_inst\":\"~\",\"dev\":{\"ids\":\"x\"}}",
            "update", &config, NULL),
        0);
    assert_string_equal(config.entity->state_topic, "home/x/s");
    assert_string_equal(config.entity->command_topic, "c/home/x");
    assert_string_equal(config.entity->latest_topic, "l~l");
    assert_string_equal(config.entity->payload_install, "~"); /* no topic */
    assert_string_equal(config.entity->availability[0].topic, "home/x");
    assert_string_equal(config.entity->availability[1].topic, "home/x/a");
    ha_config_done(&config);
}

/* A component's own options come before those of the device. */
static void shared_options(void **state)
{
    struct ha_config config;

    (void)state;
    assert_int_equal(
        read(
            "{\"dev\":{\"ids\":\"x\"},\"o\":{\"name\":\"o\"},\"~\":\"dev\",\"avty_t\":\"~/a\",\"cmd_t\":\"~/c\","
            "\"stat_t\":\"~/s\",\"qos\":2,\"cmps\":{\"u\":{\"p\":\"update\",\"~\":\"own\",\"stat_t\":\"~/s\","
            "\"pl_inst\":\"x\"}}}",
            "device", &config, NULL),
        0);
    assert_string_equal(config.entity->state_topic, "own/s");
    assert_string_equal(config.entity->command_topic, "own/c");
    assert_int_equal(config.entity->qos, 2);
    ha_config_done(&config);
}

static void addresses(void **state)
{
    static const struct {
        const char *identifier, *token;
    } pairs[] = {
        {"a8032abe54dc", "a=A8032ABE54DC"},
        {"A8:03:2A:BE:54:DC", "a=A8032ABE54DC"},
        {"zigbee2mqtt_0x00158d0001a2b3c4", "a=00158D0001A2B3C4"},
        {"shellyplus1-a8032abe54dc", "a=A8032ABE54DC"},
    };
    char text[256];
    struct ha_config config;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        snprintf(text, sizeof(text), "{\"dev\":{\"ids\":\"%s\"}}", pairs[i].identifier);
        assert_int_equal(read(text, "sensor", &config, NULL), 0);
        assert_true(has(&config, pairs[i].token));
        ha_config_done(&config);
    }
    assert_int_equal(read("{\"dev\":{\"ids\":\"a8032abe54dc_channel_1\"}}", "sensor", &config, NULL), 0);
    assert_int_equal(config.token_count, 1); /* a part of that device, not the device */
}

static void cut_to_what_fits(void **state)
{
    struct ha_config config;

    (void)state;
    assert_int_equal(
        read(
            "{\"dev\":{\"ids\":\"x\",\"mdl\":\"123456789012345678901234567890123456789012345678901234567890123\xc3\xa4z\"}}",
            "sensor", &config, NULL),
        0);
    assert_int_equal(strlen(config.facts.model), 63); /* no half character */
}

static void hand_over(void **state)
{
    struct ha_config config;

    (void)state;
    assert_int_equal(read("{\"migrate_discovery\":true}", "update", &config, NULL), 0);
    assert_true(config.hand_over);
    assert_int_equal(read("{\"migrate_discovery\":false,\"dev\":{\"ids\":\"x\"}}", "update", &config, NULL),
                     0);
    assert_false(config.hand_over);
    ha_config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),      cmocka_unit_test(too_long),         cmocka_unit_test(follow),
        cmocka_unit_test(long_names), cmocka_unit_test(base_topic),       cmocka_unit_test(shared_options),
        cmocka_unit_test(addresses),  cmocka_unit_test(cut_to_what_fits), cmocka_unit_test(hand_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
