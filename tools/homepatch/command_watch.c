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
    LOOK_MS = 10000, /* the whole table is read again this often: notifications can be lost */
};

static const char CHANGES[] = "Device.ProxiedDevice.*." VENDOR_PREFIX "Update.,"
                              "Device.ProxiedDevice.*.Online,"
                              "Device.ProxiedDevice.*.DeviceInfo.SoftwareVersion";

struct watching {
    struct app *app;
    struct inventory inventory;
    struct progress progress;
    bool changed;
};

static void print_json(struct app *app, const struct device *device)
{
    cJSON *object = device_json(device);
    char *text;

    report_set(object, "label", str_of(device_label(app, device)));
    text = cJSON_PrintUnformatted(object);
    if (text)
        puts(text);
    fflush(stdout);
    free(text);
    cJSON_Delete(object);
}

static bool is_wanted(const struct watching *watching, const struct device *device)
{
    struct app *app = watching->app;

    for (int i = 0; i < app->options.args_count; i++)
        if (inventory_find((struct inventory *)&watching->inventory, app->options.args[i]) == device)
            return true;
    return app->options.args_count == 0;
}

static void on_notice(void *ctx, const struct session_notice *notice)
{
    struct watching *watching = ctx;
    struct device *device = notice->notify.kind == USP_CLIENT_VALUE_CHANGE
                                ? inventory_apply(&watching->inventory, notice->notify.path,
                                                  notice->notify.value)
                                : NULL;

    watching->changed |= device != NULL;
    if (device && watching->app->report.json && is_wanted(watching, device))
        print_json(watching->app, device);
}

/* Named devices always; else those that have something to tell. */
static void show(struct watching *watching)
{
    struct app *app = watching->app;
    size_t count = 0;
    struct device **devices = arena_calloc(&app->arena, watching->inventory.count + 1,
                                           sizeof(struct device *));

    for (struct device *device = watching->inventory.first; devices && device; device = device->next) {
        bool told = device_is_busy(device) || device->shown;

        if (is_wanted(watching, device) && (told || app->options.args_count))
            devices[count++] = device;
        /* One that ended since the watch began is shown with its end. */
        if (device_is_busy(device) && !device->shown)
            device->shown = "";
    }
    progress_show(&watching->progress, devices, count);
}

void command_watch(struct app *app)
{
    struct watching watching = {.app = app};
    uint64_t start = clock_monotonic(&app->session.loop.clock);
    enum outcome outcome;
    struct error err;
    uint64_t left;

    app->report.stream = true;
    outcome = session_subscribe(&app->session, "ValueChange", CHANGES, false, &err);
    if (outcome != OUTCOME_DONE) {
        report_error(&app->report, outcome, &err);
        return;
    }
    if (!inventory_read(&watching.inventory, app))
        return;
    for (int i = 0; i < app->options.args_count; i++)
        if (!inventory_find(&watching.inventory, app->options.args[i]))
            return;
    progress_init(&watching.progress, app);
    app->session.on_notice = on_notice;
    app->session.on_notice_ctx = &watching;
    watching.changed = true;
    if (watching.progress.live)
        puts("Updates as they go; Ctrl-C ends the watching, not the updates.");
    while (outcome == OUTCOME_DONE && app_time_left(app, start, &left)) {
        if (watching.changed)
            show(&watching);
        watching.changed = false;
        outcome = session_wait(&app->session, left < LOOK_MS ? left : LOOK_MS, &err);
    }
    progress_done(&watching.progress);
    app->session.on_notice = NULL;
    if (outcome != OUTCOME_DONE && outcome != OUTCOME_INTERRUPTED)
        report_error(&app->report, outcome, &err);
}
