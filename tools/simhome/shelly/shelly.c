/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/shelly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"
#include "tools/simhome/shelly/garbage.h"
#include "tools/simhome/shelly/rpc.h"
#include "tools/simhome/shelly/update.h"

enum {
    NOISE_MS = 20,    /* how often the flood is topped up */
    GARBAGE_TURN = 3, /* every so many noise ticks one piece of garbage */
    AWAKE_MS = 1500,  /* after it woke, or was last asked something */
};

static struct timers *timers_of(const struct shelly *device)
{
    return &device->base.home->loop.timers;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

static void on_life(struct timer *timer, void *ctx);
static void on_noise(struct timer *timer, void *ctx);
static void on_nap(struct timer *timer, void *ctx);

static void set_mac(struct shelly *device, uint64_t number)
{
    /* 02: locally administered, so that no maker's address is imitated. The index keeps them apart. */
    snprintf(device->mac, sizeof(device->mac), "02%06X%04X", (unsigned)(number >> 8 & 0xffffff),
             (unsigned)(device->base.index & 0xffff));
}

static void set_key(struct shelly *device, uint64_t *seed)
{
    snprintf(device->key, sizeof(device->key), "%016llx%016llx", (unsigned long long)home_random(seed),
             (unsigned long long)home_random(seed));
}

static void set_id(struct shelly *device)
{
    size_t len = (size_t)snprintf(device->base.id, sizeof(device->base.id), "%s-", device->model->id_prefix);

    for (const char *c = device->mac; *c && len + 1 < sizeof(device->base.id); c++)
        device->base.id[len++] = *c >= 'A' && *c <= 'F' ? (char)(*c + 32) : *c;
    device->base.id[len] = '\0';
}

/* The n-th device of a mixed home: both transports in turn while both have devices left. */
static const struct shelly_link_ops *transport_of(size_t nth, size_t mqtt, size_t websocket)
{
    size_t both = mqtt < websocket ? mqtt : websocket;

    if (nth < 2 * both)
        return nth % 2 ? &link_websocket : &link_mqtt;
    return mqtt > websocket ? &link_mqtt : &link_websocket;
}

static struct shelly *make(struct home *home, size_t index, const struct family *family,
                           const struct shelly_link_ops *ops, const struct model *model, uint64_t *seed)
{
    const struct options *options = home->options;
    const char *version = options->version ? options->version : family->version;
    struct shelly *device = calloc(1, sizeof(*device));

    if (!device)
        return NULL;
    device->ops = ops;
    device->base = (struct device){
        .home = home, .family = family, .transport = device->ops->name, .index = index};
    device->model = model;
    set_mac(device, home_random(seed));
    set_key(device, seed);
    set_id(device);
    str_copy(device->version, sizeof(device->version), version);
    snprintf(device->fw_id, sizeof(device->fw_id), "20250101-000000/%.60s-g%07x", version, 0x1234567u);
    if (options->offer)
        str_copy(device->offer.version, sizeof(device->offer.version), options->offer);
    timer_init(&device->life, on_life, device);
    timer_init(&device->noise, on_noise, device);
    timer_init(&device->nap, on_nap, device);
    return device;
}

static const struct model *model_of(const struct options *options, size_t nth)
{
    return options->model_count ? options->models[nth % options->model_count] : model_at(nth);
}

static struct device *create(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    const struct options *options = home->options;
    struct shelly *device = make(home, index, &shelly_family,
                                 transport_of(nth, options->mqtt_devices, options->ws_devices),
                                 model_of(options, nth), seed);

    return device ? &device->base : NULL;
}

static struct device *create_server(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    struct error err = {0};
    struct shelly *device = make(home, index, &shelly_server_family, &link_server,
                                 model_of(home->options, nth), seed);

    if (device &&
        link_server_listen(device, home->options->listen_port ? home->options->listen_port + (int)nth : 0,
                           &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        free(device);
        return NULL;
    }
    return device ? &device->base : NULL;
}

static struct device *create_sleepy(struct home *home, size_t index, size_t nth, uint64_t *seed)
{
    struct shelly *device = make(home, index, &shelly_sleepy_family, &link_websocket, model_sleepy_at(nth),
                                 seed);

    return device ? &device->base : NULL;
}

/* ---- power ------------------------------------------------------------------------------------------------ */

static void disconnect(struct shelly *device)
{
    timer_cancel(timers_of(device), &device->noise);
    if (device->link)
        device->ops->close(device->link);
    device->link = NULL;
    device->linked = false;
}

static void stay_awake(struct shelly *device)
{
    if (device->model->battery)
        timer_arm(timers_of(device), &device->nap, AWAKE_MS);
}

static void boot(struct shelly *device)
{
    device->count.boots++;
    device->booted_at = clock_monotonic(&device->base.home->loop.clock);
    update_boot(device);
    device->state = SHELLY_RUNNING;
    device->link = device->ops->open(device);
    device->linked = device->link && device->ops->listens;
    stay_awake(device);
}

static void power(struct device *base, bool on)
{
    struct shelly *device = (struct shelly *)base;

    if (on && device->state == SHELLY_OFF && !device->asleep) {
        boot(device);
    } else if (!on && device->state != SHELLY_OFF) {
        timer_cancel(timers_of(device), &device->life);
        timer_cancel(timers_of(device), &device->nap);
        update_abort(device);
        disconnect(device);
        device->flashed = false;
        device->state = SHELLY_OFF;
    }
}

static void wake(struct shelly *device)
{
    device->asleep = false;
    power(&device->base, true);
}

/* Asleep it is as good as off, but for the clock that wakes it. */
static void on_nap(struct timer *timer, void *ctx)
{
    struct shelly *device = ctx;

    (void)timer;
    if (device->asleep) {
        wake(device);
    } else if (device->state == SHELLY_RUNNING && !timer_armed(&device->life)) {
        power(&device->base, false);
        device->asleep = true;
        timer_arm(timers_of(device), &device->nap, SHELLY_WAKEUP_S * 1000ull);
    } else {
        stay_awake(device);
    }
}

static const char *command(struct device *base, const char *name, const char *argument)
{
    struct shelly *device = (struct shelly *)base;

    (void)argument;
    if (!device->model->battery || strcmp(name, "wake") != 0)
        return "no such command";
    wake(device);
    stay_awake(device);
    return NULL;
}

static int set(struct device *base, const char *name, const char *value)
{
    return auth_set(&((struct shelly *)base)->auth, name, value);
}

static void destroy(struct device *base)
{
    timer_cancel(timers_of((struct shelly *)base), &((struct shelly *)base)->nap);
    power(base, false);
    free(base);
}

void shelly_reboot(struct shelly *device, uint64_t delay_ms)
{
    timer_arm(timers_of(device), &device->life, delay_ms);
}

/* A running device goes down now; one that is down comes up. */
static void on_life(struct timer *timer, void *ctx)
{
    struct shelly *device = ctx;

    (void)timer;
    if (device->state == SHELLY_UPDATING && update_step(device))
        return;
    if (device->state != SHELLY_REBOOTING) {
        update_abort(device);
        disconnect(device);
        device->state = SHELLY_REBOOTING;
        timer_arm(timers_of(device), &device->life, device->base.home->options->reboot_ms);
    } else if (device->flashed && device->base.faults & FAULT_NO_RETURN) {
        power(&device->base, false);
    } else {
        boot(device);
    }
}

static void reboot(struct device *base)
{
    struct shelly *device = (struct shelly *)base;

    if (device->state == SHELLY_RUNNING)
        shelly_reboot(device, 0);
}

static void faults_changed(struct device *base)
{
    struct shelly *device = (struct shelly *)base;
    cJSON *params;

    if (device->linked && (base->faults ^ device->told_faults) & FAULT_LOW_BATTERY) {
        params = cJSON_CreateObject();
        cJSON_AddItemToObject(params, "devicepower:0", rpc_power_status(device));
        shelly_notify(device, "NotifyStatus", params);
        device->told_faults = base->faults;
    }
    if (device->linked && base->faults & (FAULT_FLOOD | FAULT_GARBAGE) && !timer_armed(&device->noise))
        timer_arm(timers_of(device), &device->noise, NOISE_MS);
}

/* ---- noise ------------------------------------------------------------------------------------------------ */

static void flood(struct shelly *device)
{
    char frame[256];

    device->noise_due += device->base.home->options->flood_rate * NOISE_MS;
    for (; device->noise_due >= 1000; device->noise_due -= 1000) {
        unsigned turn = ++device->noise_turn;
        int len = snprintf(
            frame, sizeof(frame),
            "{\"src\":\"%s\",\"dst\":\"%s/events\",\"method\":\"NotifyStatus\",\"params\":{\"ts\":%u.5,"
            "\"switch:0\":{\"id\":0,\"output\":%s}}}",
            device->base.id, device->base.id, turn, turn & 1 ? "true" : "false");

        device->ops->send(device->link, NULL, frame, (size_t)len, false);
    }
}

static void garbage(struct shelly *device)
{
    struct buf frame;

    buf_init(&frame, 4u << 20, 0);
    shelly_garbage(&frame, device->noise_turn / GARBAGE_TURN, device->base.id);
    if (!frame.failed)
        device->ops->send(device->link, NULL, frame.len ? (const char *)buf_data(&frame) : "", frame.len,
                          false);
    buf_done(&frame);
}

static void on_noise(struct timer *timer, void *ctx)
{
    struct shelly *device = ctx;

    if (!device->linked || !(device->base.faults & (FAULT_FLOOD | FAULT_GARBAGE)))
        return;
    timer_arm(timers_of(device), timer, NOISE_MS);
    if (device->base.faults & FAULT_GARBAGE && ++device->noise_turn % GARBAGE_TURN == 0)
        garbage(device);
    if (device->base.faults & FAULT_FLOOD)
        flood(device);
}

/* ---- frames ----------------------------------------------------------------------------------------------- */

static void send_json(struct shelly *device, const char *peer, cJSON *frame)
{
    char *text = cJSON_PrintUnformatted(frame);

    if (text && device->linked)
        device->ops->send(device->link, peer, text, strlen(text), true);
    cJSON_free(text);
    cJSON_Delete(frame);
}

void shelly_notify(struct shelly *device, const char *method, cJSON *params)
{
    cJSON *frame = cJSON_CreateObject();
    char peer[DEVICE_ID_BYTES + 8];

    snprintf(peer, sizeof(peer), device->ops == &link_mqtt ? "%s/events" : "ws", device->base.id);
    cJSON_AddStringToObject(frame, "src", device->base.id);
    cJSON_AddStringToObject(frame, "dst", peer);
    cJSON_AddStringToObject(frame, "method", method);
    cJSON_AddNumberToObject(params, "ts", (double)clock_wall_ms(&device->base.home->loop.clock) / 1000);
    cJSON_AddItemToObject(frame, "params", params);
    send_json(device, NULL, frame);
}

void shelly_link_up(struct shelly *device)
{
    cJSON *params;

    device->linked = true;
    device->count.connects++;
    if (device->ops == &link_websocket) {
        shelly_notify(device, "NotifyFullStatus", rpc_status(device));
    } else {
        params = cJSON_CreateObject();
        cJSON_AddBoolToObject(cJSON_AddObjectToObject(params, "mqtt"), "connected", true);
        shelly_notify(device, "NotifyStatus", params);
    }
    faults_changed(&device->base);
}

void shelly_link_down(struct shelly *device)
{
    device->linked = false;
    timer_cancel(timers_of(device), &device->noise);
}

static void answer(struct shelly *device, const cJSON *request, const char *method, const cJSON *id,
                   const char *peer)
{
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(request, "params");
    struct rpc_error error = {0};
    cJSON *result = NULL, *frame = cJSON_CreateObject();

    /* The password guards the device's own server only. */
    if (!device->ops->listens || auth_admits(device, request, method, &error)) {
        if (device->ops->admitted && (!*device->auth.password || strcasecmp(method, "Shelly.GetDeviceInfo")))
            device->ops->admitted(device->link);
        result = rpc_call(device, method, params, &error);
    }
    stay_awake(device);

    cJSON_AddItemToObject(frame, "id", cJSON_Duplicate(id, false));
    cJSON_AddStringToObject(frame, "src", device->base.id);
    cJSON_AddStringToObject(frame, "dst", peer);
    if (error.code) {
        cJSON *object = cJSON_AddObjectToObject(frame, "error");

        cJSON_AddNumberToObject(object, "code", error.code);
        cJSON_AddStringToObject(object, "message", error.message);
    } else {
        cJSON_AddItemToObject(frame, "result", result);
    }
    send_json(device, peer, frame);
}

void shelly_receive(struct shelly *device, const char *data, size_t len)
{
    cJSON *request = cJSON_ParseWithLength(data, len);
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "method"));
    const char *peer = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "src"));
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request, "id");

    /* A request without an id or a sender cannot be answered, and a real device does not run it either. */
    if (method && peer && (cJSON_IsNumber(id) || cJSON_IsString(id)) && !(device->base.faults & FAULT_MUTE))
        answer(device, request, method, id, peer);
    cJSON_Delete(request);
}

/* ---- telling ---------------------------------------------------------------------------------------------- */

static cJSON *counters_json(const struct shelly_counters *count)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "connects", count->connects);
    cJSON_AddNumberToObject(json, "boots", count->boots);
    cJSON_AddNumberToObject(json, "requests", count->requests);
    cJSON_AddNumberToObject(json, "unknown_methods", count->unknown_methods);
    cJSON_AddNumberToObject(json, "update_requests", count->update_requests);
    cJSON_AddNumberToObject(json, "updates_begun", count->updates_begun);
    cJSON_AddNumberToObject(json, "updates_done", count->updates_done);
    cJSON_AddNumberToObject(json, "updates_failed", count->updates_failed);
    cJSON_AddNumberToObject(json, "images_damaged", count->images_damaged);
    return json;
}

static void describe(const struct device *base, cJSON *json)
{
    static const char *const states[] = {"off", "running", "updating", "rebooting"};
    const struct shelly *device = (const struct shelly *)base;

    cJSON_AddStringToObject(json, "mac", device->mac);
    cJSON_AddStringToObject(json, "model", device->model->code);
    cJSON_AddStringToObject(json, "app", device->model->app);
    cJSON_AddStringToObject(json, "version", device->version);
    cJSON_AddStringToObject(json, "fw_id", device->fw_id);
    cJSON_AddStringToObject(json, "offer", device->offer.version);
    cJSON_AddStringToObject(json, "last_url", device->last_url);
    cJSON_AddStringToObject(json, "state", device->asleep ? "asleep" : states[device->state]);
    cJSON_AddBoolToObject(json, "online", device->linked);
    cJSON_AddNumberToObject(json, "progress", device->progress);
    if (device->port)
        cJSON_AddNumberToObject(json, "port", device->port);
    auth_describe(&device->auth, json);
    cJSON_AddItemToObject(json, "count", counters_json(&device->count));
}

const struct family shelly_family = {
    .name = "shelly",
    .version = "1.4.4",
    .text = "Shelly Gen2+, at the broker and with outbound WebSockets in turn",
    .setup = link_websocket_setup,
    .cleanup = link_websocket_cleanup,
    .create = create,
    .free = destroy,
    .power = power,
    .reboot = reboot,
    .faults_changed = faults_changed,
    .set_version = shelly_set_version,
    .set_offer = shelly_set_offer,
    .describe = describe,
    .make_image = image_write,
};

const struct family shelly_server_family = {
    .name = "shelly-server",
    .version = "1.4.4",
    .text = "Shelly Gen2+ to whose own WebSocket the gateway connects (see --listen)",
    .setup = link_websocket_context,
    .cleanup = link_websocket_cleanup,
    .create = create_server,
    .free = destroy,
    .power = power,
    .reboot = reboot,
    .faults_changed = faults_changed,
    .set_version = shelly_set_version,
    .set_offer = shelly_set_offer,
    .set = set,
    .describe = describe,
    .make_image = image_write,
};

const struct family shelly_sleepy_family = {
    .name = "shelly-sleepy",
    .version = "1.4.4",
    .text = "Shelly Gen2+ on batteries, which connect with outbound WebSockets when they wake",
    .setup = link_websocket_context,
    .cleanup = link_websocket_cleanup,
    .create = create_sleepy,
    .free = destroy,
    .power = power,
    .reboot = reboot,
    .faults_changed = faults_changed,
    .set_version = shelly_set_version,
    .set_offer = shelly_set_offer,
    .describe = describe,
    .command = command,
    .make_image = image_write,
};
