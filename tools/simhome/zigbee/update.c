/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Updates as the bridge runs them: the source is fetched whole, looked at, and sent over the air block by block; then the
 * device restarts, and the bridge waits for it for a while and no longer. An update that was asked for is answered at its
 * end, a scheduled one shows only in the device's state and stays scheduled when it fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/fetch.h"
#include "tools/simhome/home.h"
#include "tools/simhome/zigbee/zigbee.h"

enum {
    BLOCKS = 20, /* steps in which an image goes over the air */
    BLOCK_MS = 20,
    SLOW_TIMES = 10,
    FAULT_AT_PERCENT = 40,
    NO_ANSWER_MS = 200,   /* until the bridge gives up a device that does not answer */
    ANNOUNCE_REBOOTS = 4, /* ... and one that does not come back after an update */
    INTERVIEW_MS = 100,
    TEXT_BYTES = 300,
};

static void set_state(struct zigbee *device, enum zigbee_state state)
{
    device->state = state;
    bridge_state(device);
}

static void drop_order(struct zigbee *device)
{
    device->order.kept = false;
    device->order.url[0] = '\0';
    buf_clear(&device->order.hex, 0);
}

static void end_step(struct zigbee *device)
{
    fetch_cancel(device->fetch);
    device->fetch = NULL;
    timer_cancel(zigbee_timers(device), &device->work);
    buf_clear(&device->image, 0);
    device->step = ZIGBEE_QUIET;
    device->progress = 0;
}

/* state: what the device's state is after it. */
static void failed(struct zigbee *device, const char *why, enum zigbee_state state)
{
    bool answered = device->answered;

    end_step(device);
    device->answered = false;
    device->updates_failed++;
    set_state(device, device->order.kept ? ZIGBEE_SCHEDULED : state);
    if (answered)
        bridge_answer(device->bridge, "update", device->transaction, NULL, why);
}

static void failed_because(struct zigbee *device, const char *why)
{
    char text[TEXT_BYTES];

    snprintf(text, sizeof(text), "OTA update of '%.60s' failed (%.200s)", device->name, why);
    failed(device, text, ZIGBEE_AVAILABLE);
}

static void no_image(struct zigbee *device)
{
    char text[TEXT_BYTES];

    snprintf(text, sizeof(text), "Update of '%.60s' failed (No image currently available)", device->name);
    device->order.kept = false; /* its state says so, whatever the bridge still has in mind */
    failed(device, text, ZIGBEE_IDLE);
}

void zigbee_update_forget(struct zigbee *device)
{
    bool working = device->step != ZIGBEE_QUIET;

    end_step(device);
    device->answered = false;
    if (working)
        device->state = ZIGBEE_IDLE;
}

void zigbee_update_lost(struct zigbee *device, const char *why)
{
    if (device->step == ZIGBEE_FETCHING || device->step == ZIGBEE_SENDING)
        failed_because(device, why);
}

/* ---- over the air ---- */

static cJSON *firmware_json(uint32_t version)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "file_version", version);
    cJSON_AddStringToObject(json, "date_code", "20250101");
    return json;
}

/* The bridge calls it done, whatever became of the device. */
static void finished(struct zigbee *device)
{
    cJSON *data = cJSON_CreateObject();
    bool answered = device->answered;

    cJSON_AddStringToObject(data, "id", device->base.id);
    cJSON_AddItemToObject(data, "from", firmware_json(device->installed));
    cJSON_AddItemToObject(data, "to", firmware_json(device->next));
    end_step(device);
    device->answered = false;
    drop_order(device);
    device->installed = device->next;
    device->latest = device->next;
    set_state(device, ZIGBEE_IDLE);
    if (answered)
        bridge_answer(device->bridge, "update", device->transaction, data, NULL);
    else
        cJSON_Delete(data);
    timer_arm(zigbee_timers(device), &device->news, INTERVIEW_MS);
}

static void restart(struct zigbee *device)
{
    device->step = ZIGBEE_RESTARTING;
    device->progress = 100;
    set_state(device, ZIGBEE_UPDATING);
    timer_arm(zigbee_timers(device), &device->work, device->base.home->options->reboot_ms * ANNOUNCE_REBOOTS);
    zigbee_restart(device);
}

static uint64_t block_ms(const struct zigbee *device)
{
    uint64_t rate = device->base.home->options->fetch_rate;
    uint64_t ms = rate ? device->image.len * 1000 / rate / BLOCKS + 1 : BLOCK_MS;

    return device->base.faults & FAULT_SLOW ? ms * SLOW_TIMES : ms;
}

static void send_block(struct zigbee *device)
{
    device->sent++;
    device->progress = (int)(device->sent * 100 / BLOCKS);
    if (device->progress >= FAULT_AT_PERCENT && device->base.faults & FAULT_FAILS) {
        failed_because(device, "Flash write failed: device sent ABORT");
    } else if (device->progress >= FAULT_AT_PERCENT && device->base.faults & FAULT_POWER_CUT) {
        failed_because(device, "Timeout: device did not ask for the next block");
        zigbee_restart(device);
    } else if (device->sent >= BLOCKS) {
        restart(device);
    } else {
        timer_arm(zigbee_timers(device), &device->work, block_ms(device));
        set_state(device, ZIGBEE_UPDATING);
    }
}

static void begin_sending(struct zigbee *device)
{
    struct error err = {0};
    bool newer;

    if (zigbee_image_check(&device->image, device->model, &device->next, &err) < 0) {
        if (err.code == ERROR_REQUEST_DENIED)
            failed_because(device, "failed with reason: INVALID_IMAGE");
        else
            no_image(device);
        return;
    }
    newer = device->next > device->version;
    if (device->next == device->version || newer == device->order.downgrade) {
        no_image(device);
        return;
    }
    device->step = ZIGBEE_SENDING;
    device->sent = 0;
    set_state(device, ZIGBEE_UPDATING);
    timer_arm(zigbee_timers(device), &device->work, block_ms(device));
}

/* The maker's image of an offer without a URL is only played. */
static void play_offer(struct zigbee *device)
{
    if (!device->offer || device->offer == device->version) {
        no_image(device);
        return;
    }
    device->next = device->offer;
    device->step = ZIGBEE_SENDING;
    device->sent = 0;
    set_state(device, ZIGBEE_UPDATING);
    timer_arm(zigbee_timers(device), &device->work, block_ms(device));
}

/* ---- the source ---- */

static int on_data(void *ctx, const void *data, size_t len, uint64_t got, uint64_t total, struct error *err)
{
    struct zigbee *device = ctx;

    (void)got;
    (void)total;
    return buf_append(&device->image, data, len) < 0 ? error_set(err, ERROR_INTERNAL, NULL, "too large") : 0;
}

static void on_done(void *ctx, const struct error *failure)
{
    struct zigbee *device = ctx;

    device->fetch = NULL;
    if (failure)
        no_image(device); /* it stands in the bridge's log, not in its answer */
    else
        begin_sending(device);
}

static const struct fetch_ops fetch_ops = {.data = on_data, .done = on_done};

static void begin(struct zigbee *device)
{
    const char *url = device->order.url[0] ? device->order.url : device->offer_url;

    device->updates_begun++;
    buf_clear(&device->image, 0);
    if (device->order.hex.len) {
        device->over_hex++;
        buf_append(&device->image, buf_data(&device->order.hex), device->order.hex.len);
        begin_sending(device);
        return;
    }
    if (!*url) {
        play_offer(device);
        return;
    }
    device->over_url++;
    str_copy(device->last_url, sizeof(device->last_url), url);
    device->step = ZIGBEE_FETCHING;
    device->fetch = fetch_start(device->base.home->fetcher, url, 0, &fetch_ops, device);
    if (!device->fetch)
        no_image(device);
}

/* ---- what the device asks ---- */

void zigbee_query(struct zigbee *device)
{
    if (device->step != ZIGBEE_QUIET)
        return;
    if (device->order.kept) {
        device->answered = false;
        begin(device);
        return;
    }
    device->installed = device->version;
    device->latest = device->offer;
    set_state(device, device->offer > device->version ? ZIGBEE_AVAILABLE : ZIGBEE_IDLE);
}

/* ---- what the bridge is asked ---- */

static void answer(struct zigbee *device, const char *verb, cJSON *more)
{
    cJSON *data = more ? more : cJSON_CreateObject();

    cJSON_AddStringToObject(data, "id", device->base.id);
    bridge_answer(device->bridge, verb, device->transaction, data, NULL);
}

static void check(struct zigbee *device)
{
    cJSON *data = cJSON_CreateObject();

    device->installed = device->version;
    device->latest = device->offer;
    /* A schedule shows until it is over. */
    set_state(device, device->order.kept                ? ZIGBEE_SCHEDULED
                      : device->offer > device->version ? ZIGBEE_AVAILABLE
                                                        : ZIGBEE_IDLE);
    cJSON_AddBoolToObject(data, "update_available", device->offer > device->version);
    answer(device, "check", data);
}

static int from_hex(struct buf *to, const char *hex)
{
    uint8_t byte;

    for (; hex[0] && hex[1]; hex += 2)
        if (str_from_hex((struct str){hex, 2}, &byte, 1) != 1 || buf_append_byte(to, byte) < 0)
            return -1;
    return 0;
}

static void take_order(struct zigbee *device, bool kept, bool downgrade, const cJSON *message)
{
    const char *url = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "url"));
    const cJSON *hex = cJSON_GetObjectItemCaseSensitive(message, "hex");
    const char *data = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(hex, "data"));

    drop_order(device);
    device->order.kept = kept;
    device->order.downgrade = downgrade;
    str_copy(device->order.url, sizeof(device->order.url), url ? url : "");
    if (data)
        from_hex(&device->order.hex, data);
}

/* The device does not answer: the bridge says so after a while. */
static void wait_in_vain(struct zigbee *device, bool update)
{
    device->answered = update;
    device->step = ZIGBEE_REPORTING;
    timer_arm(zigbee_timers(device), &device->work, NO_ANSWER_MS);
}

static void give_up(struct zigbee *device)
{
    char text[TEXT_BYTES];

    if (device->answered) {
        failed_because(device, device->base.faults & FAULT_REFUSES ? "Device refused the image"
                                                                   : "Device didn't respond to OTA request");
        return;
    }
    end_step(device);
    snprintf(text, sizeof(text),
             "Failed to check if OTA update available for '%.60s' (Device didn't respond to OTA request)",
             device->name);
    bridge_answer(device->bridge, "check", device->transaction, NULL, text);
}

static void update(struct zigbee *device, bool downgrade, const cJSON *message)
{
    take_order(device, false, downgrade, message);
    if (!zigbee_hears(device) || zigbee_sleepy(device) || device->base.faults & FAULT_REFUSES) {
        wait_in_vain(device, true);
        return;
    }
    device->answered = true;
    begin(device);
}

static void schedule(struct zigbee *device, bool downgrade, const cJSON *message)
{
    char text[TEXT_BYTES];

    if (device->base.faults & FAULT_REFUSES) {
        snprintf(text, sizeof(text), "No endpoint found with OTA cluster support for %s", device->base.id);
        bridge_answer(device->bridge, "schedule", device->transaction, NULL, text);
        return;
    }
    take_order(device, true, downgrade, message);
    set_state(device, ZIGBEE_SCHEDULED);
    answer(device, "schedule", NULL);
}

static void abort_update(struct zigbee *device)
{
    failed_because(device, "aborted");
    answer(device, "update/abort", NULL);
}

static void while_busy(struct zigbee *device, const char *verb, bool abort, const char *transaction)
{
    char text[TEXT_BYTES];

    if (abort) {
        abort_update(device);
        return;
    }
    snprintf(text, sizeof(text), "OTA update or check for update already in progress for '%.60s'",
             device->name);
    bridge_answer(device->bridge, verb, transaction, NULL, text);
}

void zigbee_request(struct zigbee *device, const char *verb, bool downgrade, bool abort, const cJSON *message)
{
    const char *transaction = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "transaction"));

    device->requests++;
    if (device->step != ZIGBEE_QUIET) {
        while_busy(device, verb, abort, transaction ? transaction : "");
        return;
    }
    str_copy(device->transaction, sizeof(device->transaction), transaction ? transaction : "");
    if (abort) {
        bridge_answer(device->bridge, "update", device->transaction, NULL,
                      "No OTA in progress to abort for device");
    } else if (!strcmp(verb, "check")) {
        if (zigbee_hears(device) && !zigbee_sleepy(device))
            check(device);
        else
            wait_in_vain(device, false);
    } else if (!strcmp(verb, "update")) {
        update(device, downgrade, message);
    } else if (!strcmp(verb, "schedule")) {
        schedule(device, downgrade, message);
    } else if (!strcmp(verb, "unschedule")) {
        drop_order(device);
        set_state(device, ZIGBEE_IDLE);
        answer(device, "unschedule", NULL);
    }
}

void zigbee_work(struct timer *timer, void *ctx)
{
    struct zigbee *device = ctx;

    (void)timer;
    switch (device->step) {
    case ZIGBEE_SENDING:
        send_block(device);
        break;
    case ZIGBEE_RESTARTING:
        finished(device); /* it announced itself, or was waited for long enough */
        break;
    case ZIGBEE_REPORTING:
        give_up(device);
        break;
    case ZIGBEE_QUIET:
    case ZIGBEE_FETCHING:
        break;
    }
}
