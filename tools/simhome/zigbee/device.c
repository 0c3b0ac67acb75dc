/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"
#include "tools/simhome/zigbee/zigbee.h"

enum {
    NOISE_MS = 20,
    GARBAGE_TURN = 3,
    WAKE_REBOOTS = 20,          /* an end device wakes, and a router asks, every so many reboot times */
    INTERVIEW_MS = 100,         /* after an update; a real one waits for seconds */
    DEFAULT_VERSION = 16777473, /* 0x01000101 */
};

struct timers *zigbee_timers(const struct zigbee *device)
{
    return &device->base.home->loop.timers;
}

bool zigbee_sleepy(const struct zigbee *device)
{
    return !device->model->router;
}

bool zigbee_hears(const struct zigbee *device)
{
    return device->on && !(device->base.faults & FAULT_MUTE);
}

static uint64_t reboot_ms(const struct zigbee *device)
{
    return device->base.home->options->reboot_ms;
}

/* ---- waking and restarting ---- */

static void plan_wake(struct zigbee *device)
{
    if (!device->asleep)
        timer_arm(zigbee_timers(device), &device->life, reboot_ms(device) * WAKE_REBOOTS);
}

void zigbee_wake(struct zigbee *device)
{
    device->wakes++;
    if (zigbee_hears(device) && bridge_up(device->bridge))
        zigbee_query(device);
    plan_wake(device);
}

static void on_news(struct timer *timer, void *ctx)
{
    struct zigbee *device = ctx;

    device->interviewing = !device->interviewing;
    bridge_devices(device->bridge);
    if (device->interviewing && zigbee_hears(device))
        timer_arm(zigbee_timers(device), timer, INTERVIEW_MS);
}

static void change_identity(struct zigbee *device)
{
    if (device->base.faults & FAULT_WRONG_MODEL)
        device->model = zigbee_model_other(device->model);
    if (device->base.faults & FAULT_NEW_IDENTITY)
        device->manufacturer = "Somebody else";
}

static void come_back(struct zigbee *device)
{
    bool flashed = device->step == ZIGBEE_RESTARTING;

    device->boots++;
    device->on = true;
    if (flashed && !(device->base.faults & FAULT_OLD_VERSION)) {
        device->version = device->next;
        device->updates_done++;
    }
    if (flashed)
        change_identity(device);
    bridge_availability(device);
    if (flashed)
        zigbee_work(&device->work, device); /* it announces itself */
    plan_wake(device);
}

static void on_life(struct timer *timer, void *ctx)
{
    struct zigbee *device = ctx;

    (void)timer;
    if (device->on)
        zigbee_wake(device);
    else
        come_back(device);
}

void zigbee_restart(struct zigbee *device)
{
    device->on = false;
    if (device->step == ZIGBEE_RESTARTING && device->base.faults & FAULT_NO_RETURN) {
        timer_cancel(zigbee_timers(device), &device->life);
        bridge_availability(device);
        return;
    }
    timer_arm(zigbee_timers(device), &device->life, reboot_ms(device));
}

static void power(struct device *base, bool on)
{
    struct zigbee *device = (struct zigbee *)base;

    if (on == device->on)
        return;
    timer_cancel(zigbee_timers(device), &device->life);
    if (on) {
        come_back(device);
        return;
    }
    device->on = false;
    zigbee_update_lost(device, "Timeout");
    bridge_availability(device);
}

static void reboot(struct device *base)
{
    struct zigbee *device = (struct zigbee *)base;

    if (device->on)
        zigbee_restart(device);
}

/* ---- noise ---- */

static void make_noise(struct zigbee *device)
{
    static const char *const pieces[] = {
        "",
        "{",
        "[]",
        "{\"update\":1}",
        "{\"update\":{}}",
        "{\"update\":{\"state\":7}}",
        "\xff\xfe\"update\"",
        "{\"update\":{\"state\":\"idle\",\"installed_version\":1e99}}",
        "{\"update\":{\"state\":\"updating\",\"progress\":-5}}",
    };

    if (device->base.faults & FAULT_GARBAGE && ++device->turn % GARBAGE_TURN == 0) {
        const char *piece = pieces[device->turn / GARBAGE_TURN % (sizeof(pieces) / sizeof(pieces[0]))];

        bridge_publish_raw(device->bridge, device->name, piece, strlen(piece), false);
    }
    if (device->base.faults & FAULT_FLOOD)
        for (uint64_t i = 0; i < device->base.home->options->flood_rate * NOISE_MS / 1000; i++)
            bridge_state(device);
}

static void on_noise(struct timer *timer, void *ctx)
{
    struct zigbee *device = ctx;

    if (!(device->base.faults & (FAULT_FLOOD | FAULT_GARBAGE)) || !device->joined)
        return;
    if (device->on)
        make_noise(device);
    timer_arm(zigbee_timers(device), timer, NOISE_MS);
}

static void faults_changed(struct device *base)
{
    struct zigbee *device = (struct zigbee *)base;

    if (base->faults & (FAULT_FLOOD | FAULT_GARBAGE) && !timer_armed(&device->noise))
        timer_arm(zigbee_timers(device), &device->noise, NOISE_MS);
}

/* ---- making ---- */

static uint32_t number(const char *text, uint32_t otherwise)
{
    uint64_t value;

    return text && str_to_u64(str_of(text), &value) == 0 && value <= UINT32_MAX ? (uint32_t)value : otherwise;
}

static struct device *create(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    struct zigbee *device = calloc(1, sizeof(*device));

    if (!device)
        return NULL;
    device->base = (struct device){
        .home = home, .family = &zigbee_family, .transport = "mqtt", .index = index};
    device->bridge = bridge_of(home);
    device->model = zigbee_model_at(nth);
    device->manufacturer = device->model->manufacturer;
    /* 02: locally administered, so that no maker's address is imitated. */
    snprintf(device->base.id, sizeof(device->base.id), "0x02%06x%08x",
             (unsigned)(home_random(seed) & 0xffffff), (unsigned)index);
    snprintf(device->name, sizeof(device->name), "room %zu/%s %zu", nth / 4,
             device->model->router ? "light" : "sensor", nth);
    device->version = device->installed = number(home->options->version, DEFAULT_VERSION);
    device->offer = number(home->options->offer, 0);
    device->joined = true;
    buf_init(&device->order.hex, ZIGBEE_IMAGE_BYTES, 0);
    buf_init(&device->image, ZIGBEE_IMAGE_BYTES, 0);
    timer_init(&device->work, zigbee_work, device);
    timer_init(&device->life, on_life, device);
    timer_init(&device->news, on_news, device);
    timer_init(&device->noise, on_noise, device);
    return &device->base;
}

static void destroy(struct device *base)
{
    struct zigbee *device = (struct zigbee *)base;
    struct timer *all[] = {&device->work, &device->life, &device->news, &device->noise};

    zigbee_update_forget(device);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        timer_cancel(zigbee_timers(device), all[i]);
    buf_done(&device->order.hex);
    buf_done(&device->image);
    free(device);
}

static void set_version(struct device *base, const char *version)
{
    struct zigbee *device = (struct zigbee *)base;

    device->version = device->installed = number(version, device->version);
    if (device->on)
        zigbee_restart(device);
    bridge_state(device);
    bridge_devices(device->bridge);
}

static void set_offer(struct device *base, const char *version, const char *url)
{
    struct zigbee *device = (struct zigbee *)base;

    device->offer = *version ? number(version, 0) : 0;
    str_copy(device->offer_url, sizeof(device->offer_url), url);
    if (device->state <= ZIGBEE_AVAILABLE) {
        device->latest = device->offer;
        device->state = device->offer > device->installed ? ZIGBEE_AVAILABLE : ZIGBEE_IDLE;
        bridge_state(device);
    }
}

/* ---- commands of this family ---- */

static const char *rename_it(struct zigbee *device, const char *name)
{
    if (!*name || strlen(name) >= ZIGBEE_NAME_BYTES)
        return "rename DEVICE NAME";
    str_copy(device->name, sizeof(device->name), name);
    bridge_devices(device->bridge);
    bridge_availability(device);
    bridge_state(device);
    return NULL;
}

static const char *join(struct zigbee *device, bool joined)
{
    device->joined = joined;
    if (!joined)
        zigbee_update_forget(device);
    bridge_devices(device->bridge);
    if (joined)
        bridge_availability(device);
    return NULL;
}

static const char *command(struct device *base, const char *name, const char *argument)
{
    struct zigbee *device = (struct zigbee *)base;

    if (!strcmp(name, "bridge"))
        return bridge_command(device->bridge, argument);
    if (!strcmp(name, "rename"))
        return rename_it(device, argument);
    if (!strcmp(name, "leave") || !strcmp(name, "join"))
        return join(device, *name == 'j');
    if (!strcmp(name, "wake")) {
        if (device->on)
            zigbee_wake(device);
        return NULL;
    }
    if (!strcmp(name, "sleep")) {
        device->asleep = true;
        if (device->on)
            timer_cancel(zigbee_timers(device), &device->life);
        return NULL;
    }
    return "no such command";
}

static cJSON *counters(const struct zigbee *device)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "requests", device->requests);
    cJSON_AddNumberToObject(json, "updates_begun", device->updates_begun);
    cJSON_AddNumberToObject(json, "updates_done", device->updates_done);
    cJSON_AddNumberToObject(json, "updates_failed", device->updates_failed);
    cJSON_AddNumberToObject(json, "over_hex", device->over_hex);
    cJSON_AddNumberToObject(json, "over_url", device->over_url);
    cJSON_AddNumberToObject(json, "wakes", device->wakes);
    cJSON_AddNumberToObject(json, "boots", device->boots);
    return json;
}

static void describe(const struct device *base, cJSON *json)
{
    static const char *const states[] = {"idle", "available", "scheduled", "updating"};
    const struct zigbee *device = (const struct zigbee *)base;
    char text[32];

    cJSON_AddStringToObject(json, "name", device->name);
    snprintf(text, sizeof(text), "%s", device->base.id + 2);
    for (char *c = text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    cJSON_AddStringToObject(json, "mac", text); /* as others have one, so that tests find its row */
    cJSON_AddStringToObject(json, "model", device->model->model_id);
    cJSON_AddBoolToObject(json, "sleepy", zigbee_sleepy(device));
    snprintf(text, sizeof(text), "%u", device->version);
    cJSON_AddStringToObject(json, "version", text);
    snprintf(text, sizeof(text), "%u", device->offer);
    cJSON_AddStringToObject(json, "offer", device->offer ? text : "");
    cJSON_AddStringToObject(json, "last_url", device->last_url);
    cJSON_AddStringToObject(json, "state", states[device->state]);
    cJSON_AddBoolToObject(json, "online", device->on && device->joined && bridge_up(device->bridge));
    cJSON_AddNumberToObject(json, "progress", device->progress);
    cJSON_AddItemToObject(json, "count", counters(device));
}

const struct family zigbee_family = {
    .name = "zigbee",
    .version = "16777473",
    .text = "Zigbee devices behind a Zigbee2MQTT, every other one asleep on a battery",
    .setup = bridge_setup,
    .cleanup = bridge_cleanup,
    .create = create,
    .free = destroy,
    .power = power,
    .reboot = reboot,
    .faults_changed = faults_changed,
    .set_version = set_version,
    .set_offer = set_offer,
    .describe = describe,
    .command = command,
    .make_image = zigbee_image_write,
};
