/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"
#include "tools/simhome/rpc.h"
#include "tools/simhome/update.h"

enum {
    NOISE_MS = 20,    /* how often the flood is topped up */
    GARBAGE_TURN = 3, /* every so many noise ticks one piece of garbage */
};

static struct timers *timers_of(const struct device *device)
{
    return &device->home->loop.timers;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

static void on_life(struct timer *timer, void *ctx);
static void on_noise(struct timer *timer, void *ctx);

static void set_mac(struct device *device, uint64_t number)
{
    /* 02: locally administered, so that no maker's address is imitated. The index keeps them apart. */
    snprintf(device->mac, sizeof(device->mac), "02%06X%04X", (unsigned)(number >> 8 & 0xffffff),
             (unsigned)(device->index & 0xffff));
}

static void set_key(struct device *device, uint64_t *seed)
{
    snprintf(device->key, sizeof(device->key), "%016llx%016llx", (unsigned long long)home_random(seed),
             (unsigned long long)home_random(seed));
}

static void set_id(struct device *device)
{
    size_t len = (size_t)snprintf(device->id, sizeof(device->id), "%s-", device->model->id_prefix);

    for (const char *c = device->mac; *c && len + 1 < sizeof(device->id); c++)
        device->id[len++] = *c >= 'A' && *c <= 'F' ? (char)(*c + 32) : *c;
    device->id[len] = '\0';
}

struct device *device_new(struct home *home, size_t index, const struct link_ops *ops, uint64_t *seed)
{
    const struct options *options = home->options;
    struct device *device = calloc(1, sizeof(*device));

    if (!device)
        return NULL;
    device->home = home;
    device->index = index;
    device->ops = ops;
    device->model = options->models[index % options->model_count];
    set_mac(device, home_random(seed));
    set_key(device, seed);
    set_id(device);
    str_copy(device->version, sizeof(device->version), options->version);
    snprintf(device->fw_id, sizeof(device->fw_id), "20250101-000000/%.60s-g%07x", options->version,
             0x1234567u);
    if (options->offer)
        str_copy(device->offer.version, sizeof(device->offer.version), options->offer);
    timer_init(&device->life, on_life, device);
    timer_init(&device->noise, on_noise, device);
    return device;
}

void device_free(struct device *device)
{
    if (!device)
        return;
    device_power(device, false);
    free(device);
}

/* ---- power ------------------------------------------------------------------------------------------------ */

static void disconnect(struct device *device)
{
    timer_cancel(timers_of(device), &device->noise);
    if (device->link)
        device->ops->close(device->link);
    device->link = NULL;
    device->linked = false;
}

static void boot(struct device *device)
{
    device->count.boots++;
    device->booted_at = clock_monotonic(&device->home->loop.clock);
    update_boot(device);
    device->state = DEVICE_RUNNING;
    device->link = device->ops->open(device);
}

void device_power(struct device *device, bool on)
{
    if (on && device->state == DEVICE_OFF) {
        boot(device);
    } else if (!on && device->state != DEVICE_OFF) {
        timer_cancel(timers_of(device), &device->life);
        update_abort(device);
        disconnect(device);
        device->flashed = false;
        device->state = DEVICE_OFF;
    }
}

void device_reboot(struct device *device, uint64_t delay_ms)
{
    timer_arm(timers_of(device), &device->life, delay_ms);
}

/* A running device goes down now; one that is down comes up. */
static void on_life(struct timer *timer, void *ctx)
{
    struct device *device = ctx;

    (void)timer;
    if (device->state == DEVICE_UPDATING && update_step(device))
        return;
    if (device->state != DEVICE_REBOOTING) {
        update_abort(device);
        disconnect(device);
        device->state = DEVICE_REBOOTING;
        timer_arm(timers_of(device), &device->life, device->home->options->reboot_ms);
    } else if (device->flashed && device->faults & FAULT_NO_RETURN) {
        device_power(device, false);
    } else {
        boot(device);
    }
}

void device_set_faults(struct device *device, unsigned faults)
{
    device->faults = faults;
    if (faults & FAULT_OFFLINE)
        device_power(device, false);
    else if (device->state == DEVICE_OFF)
        device_power(device, true);
    if (device->linked && faults & (FAULT_FLOOD | FAULT_GARBAGE) && !timer_armed(&device->noise))
        timer_arm(timers_of(device), &device->noise, NOISE_MS);
}

/* ---- noise ------------------------------------------------------------------------------------------------ */

static void flood(struct device *device)
{
    char frame[256];

    device->noise_due += device->home->options->flood_rate * NOISE_MS;
    for (; device->noise_due >= 1000; device->noise_due -= 1000) {
        unsigned turn = ++device->noise_turn;
        int len = snprintf(
            frame, sizeof(frame),
            "{\"src\":\"%s\",\"dst\":\"%s/events\",\"method\":\"NotifyStatus\",\"params\":{\"ts\":%u.5,"
            "\"switch:0\":{\"id\":0,\"output\":%s}}}",
            device->id, device->id, turn, turn & 1 ? "true" : "false");

        device->ops->send(device->link, NULL, frame, (size_t)len, false);
    }
}

static void garbage(struct device *device)
{
    struct buf frame;

    buf_init(&frame, 4u << 20, 0);
    fault_garbage(&frame, device->noise_turn / GARBAGE_TURN, device->id);
    if (!frame.failed)
        device->ops->send(device->link, NULL, frame.len ? (const char *)buf_data(&frame) : "", frame.len,
                          false);
    buf_done(&frame);
}

static void on_noise(struct timer *timer, void *ctx)
{
    struct device *device = ctx;

    if (!device->linked || !(device->faults & (FAULT_FLOOD | FAULT_GARBAGE)))
        return;
    timer_arm(timers_of(device), timer, NOISE_MS);
    if (device->faults & FAULT_GARBAGE && ++device->noise_turn % GARBAGE_TURN == 0)
        garbage(device);
    if (device->faults & FAULT_FLOOD)
        flood(device);
}

/* ---- frames ----------------------------------------------------------------------------------------------- */

static void send_json(struct device *device, const char *peer, cJSON *frame)
{
    char *text = cJSON_PrintUnformatted(frame);

    if (text && device->linked)
        device->ops->send(device->link, peer, text, strlen(text), true);
    cJSON_free(text);
    cJSON_Delete(frame);
}

void device_notify(struct device *device, const char *method, cJSON *params)
{
    cJSON *frame = cJSON_CreateObject();
    char peer[DEVICE_ID_BYTES + 8];

    snprintf(peer, sizeof(peer), device->ops == &link_mqtt ? "%s/events" : "ws", device->id);
    cJSON_AddStringToObject(frame, "src", device->id);
    cJSON_AddStringToObject(frame, "dst", peer);
    cJSON_AddStringToObject(frame, "method", method);
    cJSON_AddNumberToObject(params, "ts", (double)clock_wall_ms(&device->home->loop.clock) / 1000);
    cJSON_AddItemToObject(frame, "params", params);
    send_json(device, NULL, frame);
}

void device_link_up(struct device *device)
{
    cJSON *params;

    device->linked = true;
    device->count.connects++;
    if (device->ops == &link_websocket) {
        device_notify(device, "NotifyFullStatus", rpc_status(device));
    } else {
        params = cJSON_CreateObject();
        cJSON_AddBoolToObject(cJSON_AddObjectToObject(params, "mqtt"), "connected", true);
        device_notify(device, "NotifyStatus", params);
    }
    device_set_faults(device, device->faults);
}

void device_link_down(struct device *device)
{
    device->linked = false;
    timer_cancel(timers_of(device), &device->noise);
}

static void answer(struct device *device, const cJSON *request, const char *method, const cJSON *id,
                   const char *peer)
{
    struct rpc_error error;
    cJSON *result = rpc_call(device, method, cJSON_GetObjectItemCaseSensitive(request, "params"), &error);
    cJSON *frame = cJSON_CreateObject();

    cJSON_AddItemToObject(frame, "id", cJSON_Duplicate(id, false));
    cJSON_AddStringToObject(frame, "src", device->id);
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

void device_receive(struct device *device, const char *data, size_t len)
{
    cJSON *request = cJSON_ParseWithLength(data, len);
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "method"));
    const char *peer = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "src"));
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request, "id");

    /* A request without an id or a sender cannot be answered, and a real device does not run it either. */
    if (method && peer && (cJSON_IsNumber(id) || cJSON_IsString(id)) && !(device->faults & FAULT_MUTE))
        answer(device, request, method, id, peer);
    cJSON_Delete(request);
}

/* ---- telling ---------------------------------------------------------------------------------------------- */

static cJSON *counters_json(const struct device_counters *count)
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
    return json;
}

cJSON *device_json(const struct device *device)
{
    static const char *const states[] = {"off", "running", "updating", "rebooting"};
    cJSON *json = cJSON_CreateObject();
    cJSON *faults;

    cJSON_AddNumberToObject(json, "index", (double)device->index);
    cJSON_AddStringToObject(json, "id", device->id);
    cJSON_AddStringToObject(json, "mac", device->mac);
    cJSON_AddStringToObject(json, "model", device->model->code);
    cJSON_AddStringToObject(json, "app", device->model->app);
    cJSON_AddStringToObject(json, "transport", device->ops->name);
    cJSON_AddStringToObject(json, "version", device->version);
    cJSON_AddStringToObject(json, "fw_id", device->fw_id);
    cJSON_AddStringToObject(json, "offer", device->offer.version);
    cJSON_AddStringToObject(json, "last_url", device->last_url);
    cJSON_AddStringToObject(json, "state", states[device->state]);
    cJSON_AddBoolToObject(json, "online", device->linked);
    cJSON_AddNumberToObject(json, "progress", device->progress);
    faults = cJSON_AddArrayToObject(json, "faults");
    for (size_t bit = 0; fault_name(bit); bit++) {
        if (device->faults & 1u << bit)
            cJSON_AddItemToArray(faults, cJSON_CreateString(fault_name(bit)));
    }
    cJSON_AddItemToObject(json, "count", counters_json(&device->count));
    return json;
}
