/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "tools/homepatch/update.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/homepatch/text.h"

enum {
    LOOK_MS = 3000,  /* how often what runs is looked at, should a notification not have come */
    LOST_MS = 20000, /* before that, a notification that went astray has come again */
};

static const char IMAGES[] = "Device.ProxiedDevice.*.DeviceInfo.FirmwareImage.*.";
static const char PROGRESS[] = "Device.ProxiedDevice.*." VENDOR_PREFIX "Update.JobState,"
                               "Device.ProxiedDevice.*." VENDOR_PREFIX "Update.Progress,"
                               "Device.ProxiedDevice.*." VENDOR_PREFIX "Update.LastResult,"
                               "Device.ProxiedDevice.*.Online,"
                               "Device.ProxiedDevice.*.DeviceInfo.SoftwareVersion";

/* ---- which devices ---- */

/* All that the command is possible on. */
static bool select_all(struct updates *updates, update_slot_fn *pick)
{
    struct app *app = updates->app;
    const char *why = "there is no such device";

    for (struct device *device = updates->inventory->first; device; device = device->next)
        if ((!app->options.model || device_is(device, DEVICE_MODEL, app->options.model)) &&
            pick(device, &why))
            updates->list[updates->count++].device = device;
    if (!updates->count)
        report_failure(&app->report, OUTCOME_REFUSED, 0, app->options.model, why);
    return updates->count > 0;
}

static bool select_named(struct updates *updates, int names)
{
    struct app *app = updates->app;

    for (int i = 0; i < names; i++) {
        struct device *device = inventory_find(updates->inventory, app->options.args[i]);

        if (!device)
            return false;
        if (app->options.model && !device_is(device, DEVICE_MODEL, app->options.model)) {
            app_usage(app, app->options.args[i], "is not of the model that --model names");
            return false;
        }
        updates->list[updates->count++].device = device;
    }
    return true;
}

static bool select_devices(struct updates *updates, int names, update_slot_fn *pick)
{
    struct app *app = updates->app;
    size_t most = updates->inventory->count + (size_t)names + 1;

    updates->list = arena_calloc(&app->arena, most, sizeof(*updates->list));
    updates->devices = arena_calloc(&app->arena, most, sizeof(*updates->devices));
    if (!updates->list || !updates->devices)
        return false;
    if (app->options.all ? names > 0 : names < 1) {
        app_usage(app, app->options.command, "takes the names of devices, or --all");
        return false;
    }
    return app->options.all ? select_all(updates, pick) : select_named(updates, names);
}

/* ---- what comes of each ---- */

static void end(struct updates *updates, struct update *update, uint32_t code, const char *fault)
{
    update->ended = true;
    update->succeeded = !fault;
    update->code = code;
    update->fault = fault;
    updates->changed = true;
}

static void on_complete(struct updates *updates, const struct usp_client_notify *notify)
{
    for (size_t i = 0; i < updates->count; i++) {
        struct update *update = &updates->list[i];

        if (update->ended || !str_is(notify->key, update->key))
            continue;
        end(updates, update, notify->code, notify->code ? app_copy(updates->app, notify->text) : NULL);
    }
}

static void on_notice(void *ctx, const struct session_notice *notice)
{
    struct updates *updates = ctx;

    if (notice->notify.kind == USP_CLIENT_COMPLETE)
        on_complete(updates, &notice->notify);
    else if (notice->notify.kind == USP_CLIENT_VALUE_CHANGE &&
             inventory_apply(updates->inventory, notice->notify.path, notice->notify.value))
        updates->changed = true;
}

struct starting {
    struct updates *updates;
    struct update *update;
};

static int on_started(void *ctx, const struct usp_client_fact *fact)
{
    struct starting *starting = ctx;
    struct update *update = starting->update;

    if (fact->kind == USP_FACT_STARTED)
        snprintf(update->request, sizeof(update->request), "%.*s", (int)fact->value.len, fact->value.data);
    else if (fact->kind == USP_FACT_FAILURE)
        end(starting->updates, update, fact->code, app_copy(starting->updates->app, fact->text));
    return 0;
}

static bool start(struct updates *updates, struct update *update, const struct usp_client_pair *args,
                  size_t count)
{
    struct app *app = updates->app;
    struct starting starting = {updates, update};
    struct usp_client_command command = {str_of(update->command), str_of(update->key), args, count, true};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);
    enum outcome outcome;
    struct error err;

    usp_client_operate(&message, msg_id, &command);
    outcome = session_ask(&app->session, &message, on_started, &starting, &err);
    if (outcome == OUTCOME_DONE && (update->request[0] || update->ended))
        return true;
    if (outcome == OUTCOME_DONE)
        error_set(&err, ERROR_INTERNAL, update->command, "the agent's answer says nothing of the command");
    report_error(&app->report, outcome == OUTCOME_DONE ? OUTCOME_REFUSED : outcome, &err);
    return false;
}

static bool start_all(struct updates *updates, update_slot_fn *pick, const struct usp_client_pair *args,
                      size_t count)
{
    struct app *app = updates->app;

    for (size_t i = 0; i < updates->count; i++) {
        struct update *update = &updates->list[i];
        const char *why = NULL;

        updates->devices[i] = update->device;
        update->slot = app->options.slot ? (unsigned)app->options.slot : pick(update->device, &why);
        if (!update->slot) {
            end(updates, update, 0, why);
            continue;
        }
        snprintf(update->key, sizeof(update->key), "homepatch-%d-%zu-%llx", (int)getpid(), i,
                 (unsigned long long)clock_wall_ms(&app->session.loop.clock));
        snprintf(update->command, sizeof(update->command),
                 "Device.ProxiedDevice.%u.DeviceInfo.FirmwareImage.%u.%s", update->device->number,
                 update->slot, updates->name);
        if (!start(updates, update, args, count))
            return false;
    }
    return true;
}

/* ---- until the end ---- */

static struct update *running(const struct updates *updates)
{
    for (size_t i = 0; i < updates->count; i++)
        if (!updates->list[i].ended)
            return &updates->list[i];
    return NULL;
}

static int on_request_row(void *ctx, const struct usp_client_fact *fact)
{
    bool *found = ctx;

    *found |= fact->kind == USP_FACT_VALUE;
    return 0;
}

/* What the slot says now that nobody told us the result. */
static void conclude(struct updates *updates, struct update *update)
{
    const struct slot *slot = device_slot(update->device, update->slot);
    const char *wanted = strcmp(updates->name, "Activate()") == 0 || updates->app->options.activate
                             ? "Active"
                             : "Available";

    if (slot && slot_is(slot, SLOT_STATUS, wanted))
        end(updates, update, 0, NULL);
    else
        end(updates, update, 0,
            slot && slot->values[SLOT_LOG][0]          ? slot->values[SLOT_LOG]
            : update->device->values[DEVICE_RESULT][0] ? update->device->values[DEVICE_RESULT]
                                                       : "it ended, but its result did not reach us");
}

/* Notifications carry all of this; but one can be lost. */
static void look(struct updates *updates)
{
    struct app *app = updates->app;
    uint64_t now = clock_monotonic(&app->session.loop.clock);
    bool astray = false;

    for (size_t i = 0; i < updates->count; i++) {
        struct update *update = &updates->list[i];
        bool found = false;
        struct buf message;
        struct str msg_id;
        struct str path = str_of(update->request);

        if (update->ended || !inventory_refresh(app, update->device))
            continue;
        updates->changed = true;
        msg_id = session_begin(&app->session, &message);
        usp_client_get(&message, msg_id, &path, 1, 1);
        if (session_ask(&app->session, &message, on_request_row, &found, NULL) != OUTCOME_DONE)
            return;
        if (found) {
            update->missing = 0;
        } else if (!update->missing) {
            update->missing = now;
            astray = true;
        } else if (!update->ended && now - update->missing >= (app->session.restored ? LOOK_MS : LOST_MS)) {
            conclude(updates, update);
        }
    }
    if (astray)
        session_reopen(&app->session);
}

static void leave(struct updates *updates, enum outcome outcome, const struct error *err)
{
    struct app *app = updates->app;
    const struct update *update = running(updates);
    char text[ERROR_MESSAGE_BYTES];

    progress_done(&updates->progress);
    if (outcome != OUTCOME_INTERRUPTED && outcome != OUTCOME_TIMEOUT) {
        report_error(&app->report, outcome, err);
        return;
    }
    snprintf(text, sizeof(text),
             "%s; what runs goes on. Follow it with: homepatch watch; stop it with: homepatch operate "
             "'%sCancel()'",
             outcome == OUTCOME_TIMEOUT ? "timed out" : "interrupted", update->request);
    report_failure(&app->report, outcome, 0, NULL, text);
}

static void wait_for_all(struct updates *updates)
{
    struct app *app = updates->app;
    uint64_t begin = clock_monotonic(&app->session.loop.clock);
    uint64_t looked = begin;
    struct error err;

    updates->changed = true;
    while (running(updates)) {
        enum outcome outcome = OUTCOME_TIMEOUT;
        uint64_t left;

        if (updates->changed)
            progress_show(&updates->progress, updates->devices, updates->count);
        updates->changed = false;
        error_clear(&err);
        if (app_time_left(app, begin, &left))
            outcome = session_wait(&app->session, left < LOOK_MS ? left : LOOK_MS, &err);
        if (outcome != OUTCOME_DONE) {
            leave(updates, outcome, &err);
            return;
        }
        if (app->session.uds && clock_monotonic(&app->session.loop.clock) - looked >= LOOK_MS) {
            looked = clock_monotonic(&app->session.loop.clock);
            look(updates);
        }
    }
}

/* ---- the report ---- */

static void report_json(struct updates *updates, const struct update *update)
{
    cJSON *entry = cJSON_CreateObject();
    const struct slot *slot = device_slot(update->device, update->slot);

    cJSON_AddNumberToObject(entry, "number", update->device->number);
    cJSON_AddStringToObject(entry, "name", device_label(updates->app, update->device));
    cJSON_AddStringToObject(entry, "model", update->device->values[DEVICE_MODEL]);
    cJSON_AddNumberToObject(entry, "slot", update->slot);
    cJSON_AddStringToObject(entry, "status",
                            !update->ended      ? "running"
                            : update->succeeded ? "done"
                                                : "failed");
    cJSON_AddStringToObject(entry, "slotStatus", slot ? slot->values[SLOT_STATUS] : "");
    cJSON_AddStringToObject(entry, "slotVersion", slot ? slot->values[SLOT_VERSION] : "");
    cJSON_AddStringToObject(entry, "version", update->device->values[DEVICE_VERSION]);
    cJSON_AddStringToObject(entry, "request", update->request);
    cJSON_AddNumberToObject(entry, "code", update->code);
    cJSON_AddStringToObject(entry, "fault", update->fault ? update->fault : "");
    cJSON_AddItemToArray(report_array(&updates->app->report, "updates"), entry);
}

static void report_text(struct updates *updates, const struct update *update)
{
    const struct slot *slot = device_slot(update->device, update->slot);
    const char *version = slot ? slot->values[SLOT_VERSION] : "";
    bool active = slot && slot_is(slot, SLOT_STATUS, "Active");

    text_print(stdout, device_label(updates->app, update->device));
    if (!update->ended)
        printf(": started, %s\n", update->request);
    else if (update->succeeded)
        printf(": %s%s%s%s in slot %u%s\n", text_colour(stdout, TEXT_GREEN), active ? "runs " : "has ",
               text_safe(&updates->app->arena, version[0] ? version : "the image", 0), text_normal(stdout),
               update->slot, active ? "" : " (install it with: homepatch activate)");
    else
        printf(": %sfailed%s\n", text_colour(stdout, TEXT_RED), text_normal(stdout));
}

static void report_all(struct updates *updates)
{
    struct app *app = updates->app;

    if (!app->session.interrupted && app->session.uds)
        for (size_t i = 0; i < updates->count; i++)
            if (updates->list[i].ended && updates->list[i].request[0])
                inventory_refresh(app, updates->devices[i]);
    if (updates->progress.drawn)
        progress_show(&updates->progress, updates->devices, updates->count);
    progress_done(&updates->progress);
    for (size_t i = 0; i < updates->count; i++) {
        const struct update *update = &updates->list[i];

        if (app->report.json)
            report_json(updates, update);
        else
            report_text(updates, update);
        if (update->ended && !update->succeeded)
            report_failure(&app->report, OUTCOME_UPDATE_FAILED, update->code,
                           device_label(app, update->device), update->fault);
    }
}

void updates_run(struct app *app, const char *name, int names, update_slot_fn *pick,
                 const struct usp_client_pair *args, size_t args_count)
{
    struct inventory inventory;
    struct updates updates = {.app = app, .inventory = &inventory, .name = name};
    enum outcome outcome = OUTCOME_DONE;
    const char *complete = arena_printf(&app->arena, "%s%s", IMAGES, name);
    struct error err;

    if (app->report.json)
        report_array(&app->report, "updates");
    if (!complete || !inventory_read(&inventory, app) || !select_devices(&updates, names, pick))
        return;
    progress_init(&updates.progress, app);
    app->session.on_notice = on_notice;
    app->session.on_notice_ctx = &updates;
    if (!app->options.no_wait) {
        outcome = session_subscribe(&app->session, "OperationComplete", complete, true, &err);
        if (outcome == OUTCOME_DONE)
            outcome = session_subscribe(&app->session, "ValueChange", PROGRESS, false, &err);
    }
    if (outcome != OUTCOME_DONE) {
        report_error(&app->report, outcome, &err);
        return;
    }
    if (start_all(&updates, pick, args, args_count) && !app->options.no_wait)
        wait_for_all(&updates);
    report_all(&updates);
    app->session.on_notice = NULL;
}
