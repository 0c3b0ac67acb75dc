/* SPDX-License-Identifier: BSD-3-Clause */
/* What the three kinds of announcers say. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/simhome/homeassistant/homeassistant.h"

/* What is offered: nothing but what it runs when there is no offer. */
static const char *latest(const struct announcer *device)
{
    return device->offer[0] ? device->offer : device->version;
}

static const char *model(const struct announcer *device)
{
    return device->kind->models[device->model];
}

/* ---- ESPHome: single form, short names, the node's name before all topics ---- */

static void esphome_announce(struct announcer *device)
{
    char topic[ANNOUNCER_TOPIC_BYTES], payload[ANNOUNCER_PAYLOAD_BYTES], block[512], mac[13] = "";
    const char *id = device->base.id;

    for (size_t i = 0; device->mac[i]; i++)
        mac[i] = (char)tolower((unsigned char)device->mac[i]);
    snprintf(
        block, sizeof(block),
        "\"dev\":{\"ids\":\"%s\",\"name\":\"%s\",\"sw\":\"2025.6.0\",\"mdl\":\"%s\",\"mf\":\"Espressif\","
        "\"cns\":[[\"mac\",\"%s\"]]}",
        id, id, model(device), mac);
    snprintf(topic, sizeof(topic), "homeassistant/sensor/%s/uptime/config", id);
    snprintf(payload, sizeof(payload),
             "{\"name\":\"Uptime\",\"stat_t\":\"%s/sensor/uptime/state\",\"avty_t\":\"%s/status\","
             "\"uniq_id\":\"ESPsensoruptime\",%s}",
             id, id, block);
    announcer_publish(device, topic, payload, true);
    snprintf(topic, sizeof(topic), "homeassistant/update/%s/firmware/config", id);
    snprintf(
        payload, sizeof(payload),
        "{\"dev_cla\":\"firmware\",\"name\":\"Firmware\",\"schema\":\"json\",\"pl_inst\":\"%s\",\"stat_t\":\"%s\","
        "\"cmd_t\":\"%s\",\"avty_t\":\"%s/status\",\"uniq_id\":\"ESPupdatefirmware\",%s}",
        device->kind->install, device->state_topic, device->command, id, block);
    announcer_publish(device, topic, payload, true);
}

static void esphome_state(const struct announcer *device, char to[ANNOUNCER_PAYLOAD_BYTES])
{
    snprintf(
        to, ANNOUNCER_PAYLOAD_BYTES,
        "{\"installed_version\":\"%s\",\"latest_version\":\"%s\",\"title\":\"%s\",\"release_summary\":\"Better\"}",
        device->version, latest(device), device->base.id);
}

const struct announcer_kind esphome_kind = {
    .family = &esphome_family,
    .models = {"esp32dev", "esp32-c3-devkitm-1"},
    .install = "INSTALL",
    .presence = "status",
    .state_topic = "update/firmware/state",
    .command = "update/firmware/command",
    .retained = true,
    .announce = esphome_announce,
    .state = esphome_state,
};

/* ---- OpenMQTTGateway: single form, everything below home/<gateway>; the command is JSON ---- */

static void openmqttgateway_announce(struct announcer *device)
{
    char topic[ANNOUNCER_TOPIC_BYTES], payload[ANNOUNCER_PAYLOAD_BYTES];

    snprintf(topic, sizeof(topic), "homeassistant/update/%s-update/config", device->mac);
    snprintf(
        payload, sizeof(payload),
        "{\"stat_t\":\"%s\",\"avty_t\":\"%s\",\"name\":\"SYS: Firmware Update\",\"uniq_id\":\"%s-update\","
        "\"dev_cla\":\"firmware\",\"cmd_t\":\"%s\",\"pl_inst\":\"{\\\"version\\\":\\\"latest\\\"}\","
        "\"pl_avail\":\"online\",\"pl_not_avail\":\"offline\",\"device\":{\"name\":\"%s\",\"mdl\":\"%s\","
        "\"mf\":\"OMG_community\",\"sw\":\"%s\",\"cns\":[[\"mac\",\"%s\"]],\"ids\":[\"%s\"]}}",
        device->state_topic, device->presence, device->mac, device->command, device->base.id, model(device),
        device->version, device->mac, device->base.id);
    announcer_publish(device, topic, payload, true);
}

static void openmqttgateway_state(const struct announcer *device, char to[ANNOUNCER_PAYLOAD_BYTES])
{
    snprintf(
        to, ANNOUNCER_PAYLOAD_BYTES,
        "{\"latest_version\":\"%s\",\"title\":\"OpenMQTTGateway\",\"release_summary\":\"\",\"installed_version\":"
        "\"%s\",\"origin\":\"/RLStoMQTT\"}",
        latest(device), device->version);
}

const struct announcer_kind openmqttgateway_kind = {
    .family = &openmqttgateway_family,
    .models = {"esp32dev-ble", "theengs-bridge"},
    .install = "{\"version\":\"latest\"}",
    .presence = "LWT",
    .state_topic = "RLStoMQTT",
    .command = "commands/MQTTtoSYS/firmware_update",
    .retained = true,
    .announce = openmqttgateway_announce,
    .state = openmqttgateway_state,
};

/* ---- a device of the device form: nothing kept but its presence, so it waits for the birth message ---- */

static void homeassistant_announce(struct announcer *device)
{
    char topic[ANNOUNCER_TOPIC_BYTES], payload[ANNOUNCER_PAYLOAD_BYTES];
    const char *id = device->base.id;

    snprintf(topic, sizeof(topic), "homeassistant/device/%s/config", id);
    snprintf(
        payload, sizeof(payload),
        "{\"~\":\"things/%s\",\"device\":{\"identifiers\":[\"%s\"],\"connections\":[[\"mac\",\"%s\"]],"
        "\"name\":\"%s\",\"manufacturer\":\"Bla electronics\",\"model\":\"%s\",\"hw_version\":\"1.0rev2\","
        "\"serial_number\":\"%s\"},\"origin\":{\"name\":\"bla2mqtt\",\"sw\":\"2.1\"},"
        "\"availability\":[{\"topic\":\"~/here\",\"value_template\":\"{{ value_json.state }}\"}],\"components\":{"
        "\"t\":{\"platform\":\"sensor\",\"unique_id\":\"%s_t\",\"state_topic\":\"~/data\",\"value_template\":"
        "\"{{ value_json.t | round(1) }}\"},\"fw\":{\"platform\":\"update\",\"unique_id\":\"%s_fw\","
        "\"device_class\":\"firmware\",\"state_topic\":\"~/fw\",\"command_topic\":\"~/cmd\",\"payload_install\":\"%s\","
        "\"qos\":1}}}",
        id, id, device->mac, id, model(device), device->mac, id, id, device->kind->install);
    announcer_publish(device, topic, payload, false);
}

static void homeassistant_state(const struct announcer *device, char to[ANNOUNCER_PAYLOAD_BYTES])
{
    bool updating = device->state == ANNOUNCER_UPDATING;
    char percent[16] = "null";

    if (updating)
        snprintf(percent, sizeof(percent), "%d", device->progress);
    snprintf(to, ANNOUNCER_PAYLOAD_BYTES,
             "{\"installed_version\":\"%s\",\"latest_version\":\"%s\",\"title\":\"Bla\",\"in_progress\":%s,"
             "\"update_percentage\":%s}",
             device->version, latest(device), updating ? "true" : "false", percent);
}

const struct announcer_kind homeassistant_kind = {
    .family = &homeassistant_family,
    .models = {"xya", "xyb"},
    .install = "install",
    .presence = "here",
    .state_topic = "fw",
    .command = "cmd",
    .tells_progress = true,
    .announce = homeassistant_announce,
    .state = homeassistant_state,
};
