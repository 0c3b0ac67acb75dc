/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/homeassistant/homeassistant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"
#include "tools/simhome/mqtt.h"

enum {
    STEP_MS = 20, /* a transfer, which is only played, takes 20 of these */
    STEP_PERCENT = 5,
    SLOWER = 10,
    FAULT_AT_PERCENT = 40,
    NOISE_MS = 20,
    REPORT_MS = 2000,
};

static struct timers *timers_of(const struct announcer *device)
{
    return &device->base.home->loop.timers;
}

/* JSON where the availability is read from a member, else the word. */
static const char *presence_word(const struct announcer *device, bool online)
{
    if (device->kind == &homeassistant_kind)
        return online ? "{\"state\":\"online\"}" : "{\"state\":\"offline\"}";
    return online ? "online" : "offline";
}

void announcer_publish(struct announcer *device, const char *topic, const char *payload, bool retain)
{
    if (device->linked && !(device->base.faults & FAULT_MUTE))
        sim_mqtt_publish(device->mqtt, topic, payload, strlen(payload), 1, retain);
}

static void tell_state(struct announcer *device)
{
    char payload[ANNOUNCER_PAYLOAD_BYTES];

    device->kind->state(device, payload);
    announcer_publish(device, device->state_topic, payload, device->kind->retained);
}

static void announce(struct announcer *device)
{
    device->count.announcements++;
    device->kind->announce(device);
    announcer_publish(device, device->presence, presence_word(device, true), true);
    tell_state(device);
}

static void on_report(struct timer *timer, void *ctx)
{
    struct announcer *device = ctx;

    tell_state(device);
    timer_arm(timers_of(device), timer, REPORT_MS);
}

/* ---- the update ---- */

static void begin_update(struct announcer *device)
{
    device->count.update_requests++;
    if (device->base.faults & (FAULT_REFUSES | FAULT_MUTE) || device->state != ANNOUNCER_RUNNING ||
        !device->offer[0])
        return; /* there is no word for "no" */
    device->count.updates_begun++;
    device->state = ANNOUNCER_UPDATING;
    device->progress = 0;
    if (device->kind->tells_progress)
        tell_state(device);
    timer_arm(timers_of(device), &device->life, STEP_MS);
}

static void disconnect(struct announcer *device)
{
    timer_cancel(timers_of(device), &device->noise);
    timer_cancel(timers_of(device), &device->report);
    sim_mqtt_close(device->mqtt);
    device->mqtt = NULL;
    device->linked = false;
}

static void go_down(struct announcer *device)
{
    disconnect(device);
    device->state = ANNOUNCER_REBOOTING;
    timer_arm(timers_of(device), &device->life, device->base.home->options->reboot_ms);
}

static void step(struct announcer *device)
{
    unsigned faults = device->base.faults;

    if (device->progress >= FAULT_AT_PERCENT && faults & FAULT_POWER_CUT) {
        go_down(device);
        return;
    }
    if (device->progress >= FAULT_AT_PERCENT && faults & FAULT_FAILS) {
        device->count.updates_failed++;
        device->state = ANNOUNCER_RUNNING;
        tell_state(device);
        return;
    }
    device->progress += STEP_PERCENT;
    if (device->kind->tells_progress)
        tell_state(device);
    if (device->progress >= 100) {
        str_copy(device->next_version, sizeof(device->next_version), device->offer);
        device->flashed = true;
        go_down(device);
        return;
    }
    timer_arm(timers_of(device), &device->life, STEP_MS * (faults & FAULT_SLOW ? SLOWER : 1));
}

/* ---- the link ---- */

static void on_up(void *ctx)
{
    struct announcer *device = ctx;

    device->linked = true;
    device->count.connects++;
    sim_mqtt_subscribe(device->mqtt, device->command);
    if (!device->kind->retained) {
        sim_mqtt_subscribe(device->mqtt, "homeassistant/status");
        timer_arm(timers_of(device), &device->report, REPORT_MS);
    }
    announce(device);
    device->base.family->faults_changed(&device->base);
}

static void on_down(void *ctx)
{
    struct announcer *device = ctx;

    device->linked = false;
    timer_cancel(timers_of(device), &device->noise);
    timer_cancel(timers_of(device), &device->report);
}

static void on_message(void *ctx, const char *topic, const char *data, size_t len, bool retained)
{
    struct announcer *device = ctx;
    struct str said = {data, len};

    (void)retained;
    if (strcmp(topic, device->command) == 0) {
        device->count.commands++;
        if (str_is(said, device->kind->install))
            begin_update(device);
    } else if (str_is(said, "online")) {
        announce(device);
    }
}

static const struct sim_mqtt_ops mqtt_ops = {.up = on_up, .down = on_down, .message = on_message};

/* ---- life ---- */

static void change_identity(struct announcer *device)
{
    device->mac[2] = device->mac[2] == 'F' ? '0' : 'F';
}

static void boot(struct announcer *device)
{
    struct sim_mqtt_options options = {.client_id = device->base.id,
                                       .will_topic = device->presence,
                                       .will = presence_word(device, false),
                                       .ops = &mqtt_ops,
                                       .ctx = device};
    unsigned faults = device->flashed ? device->base.faults : 0;

    device->count.boots++;
    if (device->flashed && !(faults & FAULT_OLD_VERSION)) {
        str_copy(device->version, sizeof(device->version), device->next_version);
        device->count.updates_done++;
        if (strcmp(device->offer, device->version) == 0)
            device->offer[0] = '\0';
    }
    if (faults & FAULT_WRONG_MODEL)
        device->model ^= 1;
    if (faults & FAULT_NEW_IDENTITY)
        change_identity(device);
    device->flashed = false;
    device->progress = 0;
    device->state = ANNOUNCER_RUNNING;
    device->mqtt = sim_mqtt_open(device->base.home, &options);
}

static void power(struct device *base, bool on)
{
    struct announcer *device = (struct announcer *)base;

    if (on && device->state == ANNOUNCER_OFF) {
        boot(device);
    } else if (!on && device->state != ANNOUNCER_OFF) {
        timer_cancel(timers_of(device), &device->life);
        disconnect(device);
        device->flashed = false;
        device->state = ANNOUNCER_OFF;
    }
}

static void on_life(struct timer *timer, void *ctx)
{
    struct announcer *device = ctx;

    (void)timer;
    if (device->state == ANNOUNCER_UPDATING)
        step(device);
    else if (device->state == ANNOUNCER_RUNNING)
        go_down(device);
    else if (device->flashed && device->base.faults & FAULT_NO_RETURN)
        power(&device->base, false);
    else
        boot(device);
}

static void reboot(struct device *base)
{
    struct announcer *device = (struct announcer *)base;

    if (device->state == ANNOUNCER_RUNNING)
        timer_arm(timers_of(device), &device->life, 0);
}

static void set_version(struct device *base, const char *version)
{
    struct announcer *device = (struct announcer *)base;

    str_copy(device->next_version, sizeof(device->next_version), version);
    device->flashed = true;
    if (device->state == ANNOUNCER_OFF)
        return;
    device->state = ANNOUNCER_RUNNING;
    timer_arm(timers_of(device), &device->life, 0);
}

static void set_offer(struct device *base, const char *version, const char *url)
{
    struct announcer *device = (struct announcer *)base;

    (void)url; /* it fetches from its maker, and that is only played */
    str_copy(device->offer, sizeof(device->offer), version);
    tell_state(device);
}

/* ---- noise ---- */

static void garbage(struct announcer *device)
{
    static const char *const kinds[] = {
        "{\"installed_version\":",
        "{\"installed_version\":{},\"latest_version\":[],\"in_progress\":7e999}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "\xff\xfe\x01",
        "{\"update_percentage\":-7,\"title\":5}",
        ""};
    const char *payload = kinds[++device->noise_turn % (sizeof(kinds) / sizeof(kinds[0]))];
    char topic[ANNOUNCER_TOPIC_BYTES];

    announcer_publish(device, device->state_topic, payload, false);
    snprintf(topic, sizeof(topic), "homeassistant/update/%s/garbage/config", device->base.id);
    announcer_publish(device, topic, payload, false);
}

static void on_noise(struct timer *timer, void *ctx)
{
    struct announcer *device = ctx;

    if (!device->linked || !(device->base.faults & (FAULT_FLOOD | FAULT_GARBAGE)))
        return;
    timer_arm(timers_of(device), timer, NOISE_MS);
    if (device->base.faults & FAULT_GARBAGE)
        garbage(device);
    if (!(device->base.faults & FAULT_FLOOD))
        return;
    for (device->noise_due += device->base.home->options->flood_rate * NOISE_MS; device->noise_due >= 1000;
         device->noise_due -= 1000)
        tell_state(device);
}

static void faults_changed(struct device *base)
{
    struct announcer *device = (struct announcer *)base;

    if (device->linked && base->faults & (FAULT_FLOOD | FAULT_GARBAGE) && !timer_armed(&device->noise))
        timer_arm(timers_of(device), &device->noise, NOISE_MS);
}

/* ---- making, telling ---- */

static struct device *create(const struct announcer_kind *kind, struct home *home, size_t index,
                             uint64_t *seed)
{
    const struct options *options = home->options;
    struct announcer *device = calloc(1, sizeof(*device));
    const char *below = kind == &openmqttgateway_kind ? "home/"
                        : kind == &homeassistant_kind ? "things/"
                                                      : "";

    if (!device)
        return NULL;
    device->kind = kind;
    device->base = (struct device){.home = home, .family = kind->family, .transport = "mqtt", .index = index};
    /* 02: locally administered, so that no maker's address is imitated. The index keeps them apart. */
    snprintf(device->mac, sizeof(device->mac), "02%06X%04X", (unsigned)(home_random(seed) >> 8 & 0xffffff),
             (unsigned)(index & 0xffff));
    snprintf(device->base.id, sizeof(device->base.id), "%s-%zu", kind->family->name, index);
    snprintf(device->presence, sizeof(device->presence), "%s%s/%s", below, device->base.id, kind->presence);
    snprintf(device->state_topic, sizeof(device->state_topic), "%s%s/%s", below, device->base.id,
             kind->state_topic);
    snprintf(device->command, sizeof(device->command), "%s%s/%s", below, device->base.id, kind->command);
    str_copy(device->version, sizeof(device->version),
             options->version ? options->version : kind->family->version);
    str_copy(device->offer, sizeof(device->offer), options->offer ? options->offer : "");
    timer_init(&device->life, on_life, device);
    timer_init(&device->noise, on_noise, device);
    timer_init(&device->report, on_report, device);
    return &device->base;
}

static void destroy(struct device *base)
{
    power(base, false);
    free(base);
}

static void describe(const struct device *base, cJSON *json)
{
    static const char *const states[] = {"off", "running", "updating", "rebooting"};
    const struct announcer *device = (const struct announcer *)base;
    cJSON *count;

    cJSON_AddStringToObject(json, "mac", device->mac);
    cJSON_AddStringToObject(json, "model", device->kind->models[device->model]);
    cJSON_AddStringToObject(json, "version", device->version);
    cJSON_AddStringToObject(json, "offer", device->offer);
    cJSON_AddStringToObject(json, "last_url", "");
    cJSON_AddStringToObject(json, "state", states[device->state]);
    cJSON_AddBoolToObject(json, "online", device->linked);
    cJSON_AddNumberToObject(json, "progress", device->progress);
    count = cJSON_AddObjectToObject(json, "count");
    cJSON_AddNumberToObject(count, "connects", device->count.connects);
    cJSON_AddNumberToObject(count, "boots", device->count.boots);
    cJSON_AddNumberToObject(count, "commands", device->count.commands);
    cJSON_AddNumberToObject(count, "announcements", device->count.announcements);
    cJSON_AddNumberToObject(count, "update_requests", device->count.update_requests);
    cJSON_AddNumberToObject(count, "updates_begun", device->count.updates_begun);
    cJSON_AddNumberToObject(count, "updates_done", device->count.updates_done);
    cJSON_AddNumberToObject(count, "updates_failed", device->count.updates_failed);
}

static struct device *create_esphome(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    (void)nth;
    return create(&esphome_kind, home, index, seed);
}

static struct device *create_openmqttgateway(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    (void)nth;
    return create(&openmqttgateway_kind, home, index, seed);
}

static struct device *create_homeassistant(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    (void)nth;
    return create(&homeassistant_kind, home, index, seed);
}

#define FAMILY_OF_ANNOUNCERS                                                             \
    .free = destroy, .power = power, .reboot = reboot, .faults_changed = faults_changed, \
    .set_version = set_version, .set_offer = set_offer, .describe = describe

const struct family esphome_family = {.name = "esphome",
                                      .version = "1.4.0",
                                      .text = "Home Assistant discovery as ESPHome does it",
                                      .create = create_esphome,
                                      FAMILY_OF_ANNOUNCERS};
const struct family openmqttgateway_family = {.name = "openmqttgateway",
                                              .version = "v1.7.0",
                                              .text = "Home Assistant discovery as OpenMQTTGateway does it",
                                              .create = create_openmqttgateway,
                                              FAMILY_OF_ANNOUNCERS};
const struct family homeassistant_family = {
    .name = "homeassistant",
    .version = "1.0.0",
    .text = "Home Assistant discovery in the device form, not retained",
    .create = create_homeassistant,
    FAMILY_OF_ANNOUNCERS};
