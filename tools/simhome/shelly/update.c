/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/update.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/shelly/shelly.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/fetch.h"
#include "tools/simhome/home.h"
#include "tools/simhome/shelly/rpc.h"

enum {
    PROGRESS_STEP = 5, /* percent between two ota_progress events */
    FAULT_AT_PERCENT = 40,
    PLAYED_STEP_MS = 20, /* a transfer without a URL takes 20 of these */
    LAST_WORDS_MS = 50,  /* between ota_success and the reboot, so that it leaves the socket */
};

static void tell(struct shelly *device, const char *event, const char *text)
{
    cJSON *params = cJSON_CreateObject();
    cJSON *item = cJSON_CreateObject();

    cJSON_AddStringToObject(item, "component", "sys");
    cJSON_AddStringToObject(item, "event", event);
    cJSON_AddStringToObject(item, "msg", text);
    if (strcmp(event, "ota_error") != 0)
        cJSON_AddNumberToObject(item, "progress_percent", device->progress);
    cJSON_AddNumberToObject(item, "ts", (double)clock_wall_ms(&device->base.home->loop.clock) / 1000);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "events"), item);
    shelly_notify(device, "NotifyEvent", params);
}

static void stop_reading(struct shelly *device)
{
    if (device->reading)
        image_reader_done(&device->reader);
    device->reading = false;
}

static void failed(struct shelly *device, const char *why)
{
    stop_reading(device);
    device->count.updates_failed++;
    device->state = SHELLY_RUNNING;
    tell(device, "ota_error", why);
}

static void succeeded(struct shelly *device, const char *version, const char *fw_id)
{
    str_copy(device->next_version, sizeof(device->next_version), version);
    str_copy(device->next_fw_id, sizeof(device->next_fw_id), fw_id);
    device->flashed = true;
    device->progress = 100;
    tell(device, "ota_success", "Success");
    shelly_reboot(device, LAST_WORDS_MS);
}

/* 0, or -1 when a fault strikes at this percentage. */
static int advance(struct shelly *device, int percent, struct error *err)
{
    if (percent >= FAULT_AT_PERCENT && device->base.faults & FAULT_POWER_CUT) {
        shelly_reboot(device, 0);
        return error_set(err, ERROR_INTERNAL, NULL, "power cut");
    }
    if (percent >= FAULT_AT_PERCENT && device->base.faults & FAULT_FAILS)
        return error_set(err, ERROR_INTERNAL, NULL, "Flash write failed");
    if (percent < device->progress + PROGRESS_STEP || percent >= 100)
        return 0;
    device->progress = percent - percent % PROGRESS_STEP;
    tell(device, "ota_progress", "In progress");
    return 0;
}

/* ---- the real transfer ------------------------------------------------------------------------------------ */

static int on_data(void *ctx, const void *data, size_t len, uint64_t got, uint64_t total, struct error *err)
{
    struct shelly *device = ctx;

    if (image_reader_feed(&device->reader, data, len, err)) {
        device->count.images_damaged++;
        return -1;
    }
    return total ? advance(device, (int)(got * 100 / total), err) : 0;
}

static void on_done(void *ctx, const struct error *failure)
{
    struct shelly *device = ctx;
    struct error err = {0};

    device->fetch = NULL;
    if (failure && timer_armed(&device->life))
        return; /* the power is gone, or a reboot was asked for: nobody tells */
    if (!failure && image_reader_end(&device->reader, &err)) {
        device->count.images_damaged++;
        failure = &err;
    }
    if (failure) {
        failed(device, failure->message);
        return;
    }
    succeeded(device, device->reader.version, device->reader.fw_id);
    stop_reading(device);
}

static const struct fetch_ops fetch_ops = {.data = on_data, .done = on_done};

void shelly_update(struct shelly *device, const char *url)
{
    uint64_t rate = device->base.home->options->fetch_rate;

    if (!url && device->offer.url[0])
        url = device->offer.url;
    if (device->base.faults & FAULT_SLOW)
        rate = rate ? (rate + 9) / 10 : 65536;
    device->state = SHELLY_UPDATING;
    device->progress = 0;
    device->flashed = false;
    device->count.updates_begun++;
    str_copy(device->last_url, sizeof(device->last_url), url ? url : "");
    tell(device, "ota_begin", "Waiting");
    if (!url) {
        shelly_reboot(device, PLAYED_STEP_MS);
        return;
    }
    image_reader_init(&device->reader, device->model);
    device->reading = true;
    device->fetch = fetch_start(device->base.home->fetcher, url, rate, &fetch_ops, device);
    if (!device->fetch)
        failed(device, "Out of memory");
}

/* ---- the played transfer, and the reboot ------------------------------------------------------------------ */

bool update_step(struct shelly *device)
{
    struct error err = {0};
    char fw_id[IMAGE_FW_ID_BYTES];
    int percent = device->progress + PROGRESS_STEP;

    if (device->last_url[0] || device->flashed)
        return false;
    if (percent >= 100) {
        snprintf(fw_id, sizeof(fw_id), "20260101-000000/%.60s", device->offer.version);
        succeeded(device, device->offer.version, fw_id);
    } else if (advance(device, percent, &err)) {
        if (device->base.faults & FAULT_POWER_CUT)
            return false;
        failed(device, err.message);
    } else {
        shelly_reboot(device, PLAYED_STEP_MS);
    }
    return true;
}

void update_abort(struct shelly *device)
{
    fetch_cancel(device->fetch);
    device->fetch = NULL;
    stop_reading(device);
}

static void change_identity(struct shelly *device)
{
    for (size_t i = 0; device->key[i]; i++)
        device->key[i] = device->key[i] == 'f'   ? '0'
                         : device->key[i] == '9' ? 'a'
                                                 : (char)(device->key[i] + 1);
    device->mac[2] = device->mac[2] == 'F' ? '0' : 'F';
}

void update_boot(struct shelly *device)
{
    bool first = device->flashed;

    device->flashed = false;
    device->progress = 0;
    if (!first)
        return;
    if (!(device->base.faults & FAULT_OLD_VERSION)) {
        str_copy(device->version, sizeof(device->version), device->next_version);
        str_copy(device->fw_id, sizeof(device->fw_id), device->next_fw_id);
        device->count.updates_done++;
        if (!strcmp(device->offer.version, device->version))
            device->offer = (struct shelly_offer){0};
    }
    if (device->base.faults & FAULT_WRONG_MODEL)
        device->model = model_other(device->model);
    if (device->base.faults & FAULT_NEW_IDENTITY)
        change_identity(device);
}

void shelly_set_version(struct device *base, const char *version)
{
    struct shelly *device = (struct shelly *)base;

    str_copy(device->next_version, sizeof(device->next_version), version);
    snprintf(device->next_fw_id, sizeof(device->next_fw_id), "20260101-000000/%.60s", version);
    device->flashed = true;
    if (device->state != SHELLY_OFF)
        shelly_reboot(device, 0);
}

void shelly_set_offer(struct device *base, const char *version, const char *url)
{
    struct shelly *device = (struct shelly *)base;
    cJSON *params = cJSON_CreateObject();
    cJSON *status;

    str_copy(device->offer.version, sizeof(device->offer.version), version);
    str_copy(device->offer.url, sizeof(device->offer.url), url);
    status = rpc_sys_status(device);
    cJSON_AddItemToObject(cJSON_AddObjectToObject(params, "sys"), "available_updates",
                          cJSON_DetachItemFromObject(status, "available_updates"));
    cJSON_Delete(status);
    shelly_notify(device, "NotifyStatus", params);
}
