/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/home.h"
#include "tools/simhome/mqtt.h"
#include "tools/simhome/zigbee/zigbee.h"

enum {
    TOPIC_BYTES = 256,
    MESSAGE_BYTES = 40 << 20, /* an image in hexadecimal */
};

#define BASE "zigbee2mqtt"
#define REQUESTS BASE "/bridge/request/device/ota_update/"

struct bridge {
    struct home *home;
    struct sim_mqtt *mqtt;
    bool up;
    struct timer restart;
};

static void open_link(struct bridge *bridge);

/* ---- saying ---- */

void bridge_publish_raw(struct bridge *bridge, const char *topic, const void *data, size_t len, bool retain)
{
    char full[TOPIC_BYTES];

    snprintf(full, sizeof(full), "%s/%s", BASE, topic);
    if (bridge->mqtt && bridge->up)
        sim_mqtt_publish(bridge->mqtt, full, data, len, retain ? 1 : 0, retain);
}

void bridge_publish(struct bridge *bridge, const char *topic, cJSON *json, bool retain)
{
    char *text = cJSON_PrintUnformatted(json);

    if (text)
        bridge_publish_raw(bridge, topic, text, strlen(text), retain);
    cJSON_free(text);
    cJSON_Delete(json);
}

static cJSON *definition_of(const struct zigbee *device)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "source", "native");
    cJSON_AddStringToObject(json, "model", device->model->product);
    cJSON_AddStringToObject(json, "vendor", device->model->vendor);
    cJSON_AddStringToObject(json, "description", device->model->description);
    cJSON_AddItemToObject(json, "exposes", cJSON_CreateArray());
    cJSON_AddItemToObject(json, "options", cJSON_CreateArray());
    cJSON_AddBoolToObject(json, "supports_ota", true);
    return json;
}

static cJSON *device_of(const struct zigbee *device)
{
    cJSON *json = cJSON_CreateObject();
    char build[32];

    snprintf(build, sizeof(build), "%u.%u.%u", device->version >> 24, device->version >> 16 & 0xff,
             device->version & 0xffff);
    cJSON_AddStringToObject(json, "ieee_address", device->base.id);
    cJSON_AddStringToObject(json, "type", device->model->router ? "Router" : "EndDevice");
    cJSON_AddNumberToObject(json, "network_address", (double)(1000 + device->base.index));
    cJSON_AddBoolToObject(json, "supported", true);
    cJSON_AddStringToObject(json, "friendly_name", device->name);
    cJSON_AddBoolToObject(json, "disabled", false);
    cJSON_AddItemToObject(json, "definition", definition_of(device));
    cJSON_AddStringToObject(json, "power_source", device->model->router ? "Mains (single phase)" : "Battery");
    cJSON_AddStringToObject(json, "software_build_id", build);
    cJSON_AddStringToObject(json, "date_code", "20250101");
    cJSON_AddStringToObject(json, "model_id", device->model->model_id);
    cJSON_AddBoolToObject(json, "interviewing", device->interviewing);
    cJSON_AddBoolToObject(json, "interview_completed", !device->interviewing);
    cJSON_AddStringToObject(json, "interview_state", device->interviewing ? "IN_PROGRESS" : "SUCCESSFUL");
    cJSON_AddStringToObject(json, "manufacturer", device->manufacturer);
    cJSON_AddItemToObject(json, "endpoints", cJSON_CreateObject());
    return json;
}

static cJSON *coordinator(void)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "ieee_address", "0x02124b00ffffffff");
    cJSON_AddStringToObject(json, "type", "Coordinator");
    cJSON_AddNumberToObject(json, "network_address", 0);
    cJSON_AddBoolToObject(json, "supported", true);
    cJSON_AddStringToObject(json, "friendly_name", "Coordinator");
    cJSON_AddBoolToObject(json, "disabled", false);
    cJSON_AddNullToObject(json, "definition");
    cJSON_AddStringToObject(json, "interview_state", "SUCCESSFUL");
    cJSON_AddBoolToObject(json, "interview_completed", true);
    return json;
}

static void each(struct bridge *bridge, void (*fn)(struct zigbee *device, void *ctx), void *ctx)
{
    for (size_t i = 0; i < bridge->home->device_count; i++)
        if (bridge->home->devices[i]->family == &zigbee_family)
            fn((struct zigbee *)bridge->home->devices[i], ctx);
}

static void list_one(struct zigbee *device, void *ctx)
{
    if (device->joined)
        cJSON_AddItemToArray(ctx, device_of(device));
}

void bridge_devices(struct bridge *bridge)
{
    cJSON *list = cJSON_CreateArray();

    cJSON_AddItemToArray(list, coordinator());
    each(bridge, list_one, list);
    bridge_publish(bridge, "bridge/devices", list, true);
}

void bridge_state(struct zigbee *device)
{
    static const char *const states[] = {"idle", "available", "scheduled", "updating"};
    cJSON *json = cJSON_CreateObject(), *update = cJSON_AddObjectToObject(json, "update");

    cJSON_AddNumberToObject(json, "linkquality", 80 + (int)(device->base.index % 100));
    if (!device->model->router)
        cJSON_AddNumberToObject(json, "battery", 87);
    cJSON_AddStringToObject(update, "state", states[device->state]);
    cJSON_AddNumberToObject(update, "installed_version", device->installed);
    cJSON_AddNumberToObject(update, "latest_version", device->latest ? device->latest : device->installed);
    cJSON_AddNullToObject(update, "latest_source");
    cJSON_AddNullToObject(update, "latest_release_notes");
    if (device->state == ZIGBEE_UPDATING) {
        cJSON_AddNumberToObject(update, "progress", device->progress + 0.25);
        cJSON_AddNumberToObject(update, "remaining", 100 - device->progress);
    }
    if (device->joined)
        bridge_publish(device->bridge, device->name, json, false);
    else
        cJSON_Delete(json);
}

void bridge_availability(struct zigbee *device)
{
    cJSON *json = cJSON_CreateObject();
    char topic[TOPIC_BYTES];

    snprintf(topic, sizeof(topic), "%s/availability", device->name);
    cJSON_AddStringToObject(json, "state", device->on ? "online" : "offline");
    bridge_publish(device->bridge, topic, json, true);
}

void bridge_answer(struct bridge *bridge, const char *verb, const char *transaction, cJSON *data,
                   const char *failure)
{
    cJSON *json = cJSON_CreateObject();
    char topic[TOPIC_BYTES];

    if (failure) {
        cJSON_Delete(data);
        data = NULL;
        cJSON_AddStringToObject(json, "error", failure);
    }
    cJSON_AddItemToObject(json, "data", data ? data : cJSON_CreateObject());
    cJSON_AddStringToObject(json, "status", failure ? "error" : "ok");
    if (*transaction)
        cJSON_AddStringToObject(json, "transaction", transaction);
    snprintf(topic, sizeof(topic), "bridge/response/device/ota_update/%s", verb);
    bridge_publish(bridge, topic, json, false);
}

/* ---- hearing ---- */

struct search {
    const char *id;
    struct zigbee *found;
};

static void match(struct zigbee *device, void *ctx)
{
    struct search *search = ctx;

    if (device->joined && (!strcmp(device->base.id, search->id) || !strcmp(device->name, search->id)))
        search->found = device;
}

static void request(struct bridge *bridge, const char *tail, const cJSON *message)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "id"));
    const char *transaction = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "transaction"));
    struct search search = {.id = id ? id : ""};
    const char *slash = strchr(tail, '/');
    char verb[32], failure[DEVICE_ID_BYTES + 64];

    snprintf(verb, sizeof(verb), "%.*s", slash ? (int)(slash - tail) : (int)strlen(tail), tail);
    each(bridge, match, &search);
    if (!search.found) {
        snprintf(failure, sizeof(failure), "Device '%.60s' does not exist", search.id);
        bridge_answer(bridge, verb, transaction ? transaction : "", NULL, failure);
        return;
    }
    zigbee_request(search.found, verb, slash && !strcmp(slash, "/downgrade"),
                   slash && !strcmp(slash, "/abort"), message);
}

static void on_message(void *ctx, const char *topic, const char *data, size_t len, bool retained)
{
    cJSON *message = cJSON_ParseWithLength(data, len);

    (void)retained;
    if (message && !strncmp(topic, REQUESTS, strlen(REQUESTS)))
        request(ctx, topic + strlen(REQUESTS), message);
    cJSON_Delete(message);
}

/* ---- coming and going ---- */

static void greet(struct zigbee *device, void *ctx)
{
    (void)ctx;
    if (device->joined) {
        bridge_availability(device);
        bridge_state(device);
    }
}

static void on_up(void *ctx)
{
    struct bridge *bridge = ctx;
    cJSON *state = cJSON_CreateObject();

    bridge->up = true;
    sim_mqtt_subscribe(bridge->mqtt, BASE "/bridge/request/#");
    cJSON_AddStringToObject(state, "state", "online");
    bridge_publish(bridge, "bridge/state", state, true);
    bridge_devices(bridge);
    each(bridge, greet, NULL);
}

static void on_down(void *ctx)
{
    struct bridge *bridge = ctx;

    bridge->up = false;
}

static const struct sim_mqtt_ops ops = {.up = on_up, .down = on_down, .message = on_message};

static void open_link(struct bridge *bridge)
{
    struct sim_mqtt_options options = {
        .client_id = "simulated-zigbee2mqtt",
        .will_topic = BASE "/bridge/state",
        .will = "{\"state\":\"offline\"}",
        .message_bytes = MESSAGE_BYTES,
        .ops = &ops,
        .ctx = bridge,
    };

    if (!bridge->mqtt)
        bridge->mqtt = sim_mqtt_open(bridge->home, &options);
}

static void forget_one(struct zigbee *device, void *ctx)
{
    (void)ctx;
    zigbee_update_forget(device);
}

static void close_link(struct bridge *bridge)
{
    sim_mqtt_close(bridge->mqtt);
    bridge->mqtt = NULL;
    bridge->up = false;
    each(bridge, forget_one, NULL);
}

static void on_restart(struct timer *timer, void *ctx)
{
    (void)timer;
    open_link(ctx);
}

bool bridge_up(const struct bridge *bridge)
{
    return bridge->up;
}

const char *bridge_command(struct bridge *bridge, const char *what)
{
    timer_cancel(&bridge->home->loop.timers, &bridge->restart);
    if (!strcmp(what, "on")) {
        open_link(bridge);
        return NULL;
    }
    if (strcmp(what, "off") != 0 && strcmp(what, "restart") != 0)
        return "bridge DEVICE on, off or restart";
    close_link(bridge);
    if (!strcmp(what, "restart"))
        timer_arm(&bridge->home->loop.timers, &bridge->restart, bridge->home->options->reboot_ms);
    return NULL;
}

/* ---- the family's part of the home ---- */

static struct bridge **place(struct home *home)
{
    for (size_t i = 0; i < home->options->family_count; i++)
        if (home->options->families[i].family == &zigbee_family)
            return (struct bridge **)&home->families[i];
    return NULL;
}

struct bridge *bridge_of(struct home *home)
{
    return *place(home);
}

int bridge_setup(struct home *home, struct error *err)
{
    struct bridge *bridge;

    if (!home->options->mqtt_port)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "zigbee devices need --mqtt");
    bridge = calloc(1, sizeof(*bridge));
    if (!bridge)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    bridge->home = home;
    timer_init(&bridge->restart, on_restart, bridge);
    *place(home) = bridge;
    open_link(bridge);
    return 0;
}

void bridge_cleanup(struct home *home)
{
    struct bridge *bridge = bridge_of(home);

    if (!bridge)
        return;
    timer_cancel(&home->loop.timers, &bridge->restart);
    sim_mqtt_close(bridge->mqtt);
    free(bridge);
}
