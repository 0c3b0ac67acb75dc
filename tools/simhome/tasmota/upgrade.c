/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OtaUrl and Upgrade as the documentation tells it: the image, or, when there is no room for it beside the program that
 * runs, "<name>-minimal" from the same place, which fetches the image after its restart.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/fetch.h"
#include "tools/simhome/home.h"
#include "tools/simhome/tasmota/tasmota.h"

enum {
    FAULT_AT_PERCENT = 40,
    LAST_WORDS_MS = 50, /* between "Successful" and the restart, so that it leaves the socket */
    KIB = 1024,
};

static const char no_space[] = "Not Enough space";

static void fetch_url(struct tasmota *device, const char *url);

static void stop_reading(struct tasmota *device)
{
    if (device->reading)
        tasmota_reader_done(&device->reader);
    device->reading = false;
}

/* stat/.../UPGRADE, in JSON since version 8. */
static void tell_end(struct tasmota *device, const char *text)
{
    cJSON *json;

    if (device->legacy) {
        tasmota_publish(device, TASMOTA_STAT, "UPGRADE", text, false);
        return;
    }
    json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "Upgrade", text);
    tasmota_publish_json(device, TASMOTA_STAT, "UPGRADE", json, false);
}

static void failed(struct tasmota *device, const char *why)
{
    char text[320];

    stop_reading(device);
    device->count.updates_failed++;
    device->state = TASMOTA_RUNNING;
    snprintf(text, sizeof(text), "Failed %s", why);
    tell_end(device, text);
}

/*
 * In the file's name, from the last dash (or else the first dot) to the first dot: "-minimal" takes its place.
 * "http://x/tasmota-DE.bin.gz" becomes "http://x/tasmota-minimal.bin.gz".
 */
static void minimal_url(const char *url, char *to, size_t size)
{
    const char *slash = strrchr(url, '/'), *name = slash ? slash + 1 : url;
    const char *dot = strchr(name, '.'), *dash = strrchr(name, '-');
    const char *end = dash ? dash : dot ? dot : name + strlen(name);

    snprintf(to, size, "%.*s-minimal%s", (int)(end - url), url, dot ? dot : "");
}

static void succeeded(struct tasmota *device)
{
    str_copy(device->next_version, sizeof(device->next_version), device->reader.version);
    str_copy(device->next_variant, sizeof(device->next_variant), device->reader.variant);
    device->next_program_kb = (unsigned)((device->reader.bytes + KIB - 1) / KIB);
    device->propagate = device->fetching_minimal;
    if (device->fetching_minimal)
        device->count.minimal_steps++;
    device->flashed = true;
    device->progress = 100;
    stop_reading(device);
    tell_end(device, "Successful. Restarting");
    tasmota_reboot(device, LAST_WORDS_MS);
}

static int on_data(void *ctx, const void *data, size_t len, uint64_t got, uint64_t total, struct error *err)
{
    struct tasmota *device = ctx;
    int percent = total ? (int)(got * 100 / total) : 0;

    if (total > (uint64_t)(device->model->space_kb - device->program_kb) * KIB)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s", no_space);
    if (tasmota_reader_feed(&device->reader, data, len, err))
        return -1;
    if (percent >= FAULT_AT_PERCENT && device->base.faults & FAULT_POWER_CUT) {
        tasmota_reboot(device, 0);
        return error_set(err, ERROR_INTERNAL, NULL, "power cut");
    }
    if (percent >= FAULT_AT_PERCENT && device->base.faults & FAULT_FAILS)
        return error_set(err, ERROR_INTERNAL, NULL, "Update error: Flash write failed");
    device->progress = percent;
    return 0;
}

static void on_done(void *ctx, const struct error *failure)
{
    struct tasmota *device = ctx;
    struct error err = {0};
    char url[TASMOTA_URL_BYTES + 16];

    device->fetch = NULL;
    if (failure && timer_armed(&device->life))
        return; /* the power is gone, or a restart was asked for: nobody tells */
    if (!failure && tasmota_reader_end(&device->reader, &err))
        failure = &err;
    if (!failure) {
        succeeded(device);
    } else if (!strcmp(failure->message, no_space) && !device->fetching_minimal &&
               !strcmp(device->model->chip, "esp8266") && strcmp(device->variant, "minimal") != 0) {
        stop_reading(device);
        device->fetching_minimal = true;
        minimal_url(device->ota_url, url, sizeof(url));
        fetch_url(device, url);
    } else {
        failed(device, failure->message);
    }
}

static const struct fetch_ops fetch_ops = {.data = on_data, .done = on_done};

static void fetch_url(struct tasmota *device, const char *url)
{
    uint64_t rate = device->base.home->options->fetch_rate;

    if (device->base.faults & FAULT_SLOW)
        rate = rate ? (rate + 9) / 10 : 65536;
    device->progress = 0;
    str_copy(device->last_url, sizeof(device->last_url), url);
    tasmota_reader_init(&device->reader, device->model->chip);
    device->reading = true;
    device->fetch = fetch_start(device->base.home->fetcher, url, rate, &fetch_ops, device);
    if (!device->fetch)
        failed(device, "Out of memory");
}

void tasmota_upgrade(struct tasmota *device)
{
    device->state = TASMOTA_UPDATING;
    device->flashed = false;
    device->fetching_minimal = false;
    device->count.updates_begun++;
    fetch_url(device, device->ota_url);
}

void tasmota_upgrade_abort(struct tasmota *device)
{
    fetch_cancel(device->fetch);
    device->fetch = NULL;
    stop_reading(device);
}

bool tasmota_upgrade_boot(struct tasmota *device)
{
    bool first = device->flashed, propagate = device->propagate;

    device->flashed = device->propagate = false;
    device->progress = 0;
    if (!first || (device->base.faults & FAULT_OLD_VERSION && !propagate))
        return false;
    str_copy(device->version, sizeof(device->version), device->next_version);
    str_copy(device->variant, sizeof(device->variant), device->next_variant);
    device->program_kb = device->next_program_kb;
    if (!propagate)
        device->count.updates_done++;
    return propagate;
}
