/* SPDX-License-Identifier: BSD-3-Clause */
/* watch: all updates, whoever started them. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/inventory.h"
#include "tools/homepatch/progress.h"

enum {
    /* The changing part is also read this often: a notification that nobody has to acknowledge can be lost. */
    LOOK_MS = 3000,
};

static const char CHANGES[] = "Device.ProxiedDevice.*." VENDOR_PREFIX "Update.,"
                              "Device.ProxiedDevice.*.Online,"
                              "Device.ProxiedDevice.*.DeviceInfo.SoftwareVersion";

struct watching {
    struct app *app;
    struct inventory inventory;
    struct progress progress;
};

static void on_notice(void *ctx, const struct session_notice *notice)
{
    struct watching *watching = ctx;

    if (notice->notify.kind == USP_CLIENT_VALUE_CHANGE)
        inventory_apply(&watching->inventory, notice->notify.path, notice->notify.value);
}

static bool is_wanted(struct watching *watching, const struct device *device)
{
    struct app *app = watching->app;

    for (int i = 0; i < app->options.args_count; i++)
        if (inventory_find(&watching->inventory, app->options.args[i]) == device)
            return true;
    return app->options.args_count == 0;
}

/* One line per device whenever something of it is another than before. */
static void show_json(struct watching *watching, struct device *const *devices, size_t count)
{
    struct app *app = watching->app;

    for (size_t i = 0; i < count; i++) {
        cJSON *object = device_json(devices[i]);
        char *text;

        /* Being heard of is no news. */
        cJSON_DeleteItemFromObject(object, "lastContact");
        report_set(object, "label", str_of(device_label(app, devices[i])));
        text = cJSON_PrintUnformatted(object);
        if (text && (!devices[i]->shown || strcmp(devices[i]->shown, text) != 0)) {
            devices[i]->shown = app_copy(app, str_of(text));
            puts(text);
        }
        free(text);
        cJSON_Delete(object);
    }
    fflush(stdout);
}

/* It stands otherwise than when the watch began: an update may begin and end between two looks. */
static bool has_moved(struct app *app, struct device *device)
{
    char now[256];

    snprintf(now, sizeof(now), "%s %s", device->values[DEVICE_STATE], device->values[DEVICE_VERSION]);
    if (!device->before)
        device->before = app_copy(app, str_of(now));
    return strcmp(device->before, now) != 0;
}

static bool any_changed(struct watching *watching)
{
    bool any = false;

    for (struct device *device = watching->inventory.first; device; device = device->next) {
        any |= device->changed;
        device->changed = false;
    }
    return any;
}

/* Named devices always; else those that are busy, or were since the watch began. */
static void show(struct watching *watching)
{
    struct app *app = watching->app;
    size_t count = 0;
    struct device **devices = calloc(watching->inventory.count + 1, sizeof(struct device *));

    for (struct device *device = watching->inventory.first; devices && device; device = device->next) {
        bool told = app->options.args_count || device->shown || device_is_busy(device);

        told |= !told && has_moved(app, device);
        if (!told || !is_wanted(watching, device))
            continue;
        if (!device->shown)
            device->shown = "";
        devices[count++] = device;
    }
    if (app->report.json)
        show_json(watching, devices, count);
    else
        progress_show(&watching->progress, devices, count);
    free(devices);
}

static enum outcome follow(struct watching *watching, struct error *err)
{
    struct app *app = watching->app;
    uint64_t start = clock_monotonic(&app->session.loop.clock);
    uint64_t looked = start;
    enum outcome outcome = OUTCOME_DONE;
    uint64_t left;

    while (outcome == OUTCOME_DONE && app_time_left(app, start, &left)) {
        uint64_t now;

        if (any_changed(watching))
            show(watching);
        outcome = session_wait(&app->session, left < LOOK_MS ? left : LOOK_MS, err);
        now = clock_monotonic(&app->session.loop.clock);
        if (outcome != OUTCOME_DONE || !app->session.uds || now - looked < LOOK_MS)
            continue;
        looked = now;
        inventory_look(&watching->inventory);
    }
    return outcome;
}

void command_watch(struct app *app)
{
    struct watching watching = {.app = app};
    enum outcome outcome;
    struct error err;

    app->report.stream = true;
    if (!inventory_read(&watching.inventory, app))
        return;
    for (int i = 0; i < app->options.args_count; i++)
        if (!inventory_find(&watching.inventory, app->options.args[i]))
            return;
    progress_init(&watching.progress, app);
    /* How they stand before the agent tells of changes, and once more afterwards: nothing falls between. */
    for (struct device *device = watching.inventory.first; device; device = device->next)
        has_moved(app, device);
    app->session.on_notice = on_notice;
    app->session.on_notice_ctx = &watching;
    outcome = session_subscribe(&app->session, "ValueChange", CHANGES, false, &err);
    if (outcome != OUTCOME_DONE) {
        report_error(&app->report, outcome, &err);
        return;
    }
    inventory_look(&watching.inventory);
    if (watching.progress.live)
        puts("Updates as they go; Ctrl-C ends the watching, not the updates.");
    outcome = follow(&watching, &err);
    progress_done(&watching.progress);
    app->session.on_notice = NULL;
    if (outcome != OUTCOME_DONE && outcome != OUTCOME_INTERRUPTED)
        report_error(&app->report, outcome, &err);
}
