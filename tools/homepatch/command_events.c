/* SPDX-License-Identifier: BSD-3-Clause */
/* events: notifications as they come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/text.h"

static const struct {
    const char *type;
    const char *references; /* what is subscribed when the command line names nothing */
    const char *word;
} kinds[] = {
    [USP_CLIENT_EVENT] = {"Event", "Device.", "event"},
    [USP_CLIENT_VALUE_CHANGE] = {"ValueChange", "Device.ProxiedDevice.", "changed"},
    [USP_CLIENT_CREATION] = {"ObjectCreation", "Device.ProxiedDevice.", "added"},
    [USP_CLIENT_DELETION] = {"ObjectDeletion", "Device.ProxiedDevice.", "deleted"},
    [USP_CLIENT_COMPLETE] = {"OperationComplete", "Device.", "completed"},
    [USP_CLIENT_ONBOARD] = {"OnBoardRequest", "", "onboarding"},
};

struct listening {
    struct app *app;
    uint64_t heard;
};

static void print_json(struct app *app, const struct session_notice *notice, const char *time)
{
    const struct usp_client_notify *notify = &notice->notify;
    cJSON *object = cJSON_CreateObject();
    cJSON *params;
    char *text;

    cJSON_AddStringToObject(object, "time", time);
    cJSON_AddStringToObject(object, "type", kinds[notify->kind].type);
    report_set(object, "path", notify->path);
    report_set(object, "name", notify->name);
    report_set(object, "value", notify->value);
    report_set(object, "key", notify->key);
    cJSON_AddNumberToObject(object, "code", notify->code);
    report_set(object, "fault", notify->text);
    params = cJSON_AddObjectToObject(object, "params");
    for (size_t i = 0; i < notice->count; i++)
        report_set(params, app_copy(app, notice->args[i].name), notice->args[i].value);
    text = cJSON_PrintUnformatted(object);
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(object);
}

static void print_text(struct app *app, const struct session_notice *notice, const char *time)
{
    const struct usp_client_notify *notify = &notice->notify;

    printf("%s%s%s %-9s ", text_colour(stdout, TEXT_DIM), time, text_normal(stdout),
           kinds[notify->kind].word);
    text_print(stdout, app_copy(app, notify->path));
    text_print(stdout, app_copy(app, notify->name));
    if (notify->kind == USP_CLIENT_VALUE_CHANGE) {
        fputs(" = ", stdout);
        text_print(stdout, app_copy(app, notify->value));
    }
    for (size_t i = 0; i < notice->count; i++) {
        printf(" %s=", text_safe(&app->arena, app_copy(app, notice->args[i].name), 0));
        text_print(stdout, app_copy(app, notice->args[i].value));
    }
    if (notify->code)
        printf(" %sfailed%s: %u %s", text_colour(stdout, TEXT_RED), text_normal(stdout), notify->code,
               text_safe(&app->arena, app_copy(app, notify->text), 0));
    putchar('\n');
}

static void on_notice(void *ctx, const struct session_notice *notice)
{
    struct listening *listening = ctx;
    struct app *app = listening->app;
    char time[STR_TIME_BYTES];

    if (app->options.count && listening->heard >= app->options.count)
        return;
    listening->heard++;
    str_from_time(time, clock_wall(&app->session.loop.clock));
    if (app->report.json)
        print_json(app, notice, time);
    else
        print_text(app, notice, time);
    fflush(stdout);
}

/* The paths of the command line as one ReferenceList, or what is usual for the type. */
static const char *references(struct app *app, const char *usual)
{
    const char *list = "";

    for (int i = 0; i < app->options.args_count; i++)
        list = arena_printf(&app->arena, "%s%s%s", list, i ? "," : "", app->options.args[i]);
    return app->options.args_count ? list : usual;
}

static bool subscribe(struct app *app)
{
    bool any = false;

    for (size_t i = USP_CLIENT_EVENT; i <= USP_CLIENT_COMPLETE; i++) {
        enum outcome outcome;
        struct error err;

        if (app->options.type && strcmp(app->options.type, kinds[i].type) != 0)
            continue;
        outcome = session_subscribe(&app->session, kinds[i].type, references(app, kinds[i].references), false,
                                    &err);
        if (outcome != OUTCOME_DONE) {
            report_error(&app->report, outcome, &err);
            return false;
        }
        any = true;
    }
    if (!any)
        app_usage(app, app->options.type,
                  "is none of Event, ValueChange, ObjectCreation, ObjectDeletion, OperationComplete");
    return any;
}

void command_events(struct app *app)
{
    struct listening listening = {.app = app};
    uint64_t start = clock_monotonic(&app->session.loop.clock);
    enum outcome outcome = OUTCOME_DONE;
    struct error err;
    uint64_t left;

    app->report.stream = true;
    app->session.on_notice = on_notice;
    app->session.on_notice_ctx = &listening;
    if (!subscribe(app))
        return;
    while (outcome == OUTCOME_DONE && (!app->options.count || listening.heard < app->options.count)) {
        outcome = OUTCOME_TIMEOUT;
        if (app_time_left(app, start, &left))
            outcome = session_wait(&app->session, left, &err);
    }
    app->session.on_notice = NULL;
    /* Interrupting is how it is ended; so is --timeout, unless a number of events was waited for. */
    if (outcome == OUTCOME_TIMEOUT && app->options.count)
        report_failure(&app->report, outcome, 0, NULL, "the notifications that were waited for did not come");
    else if (outcome != OUTCOME_DONE && outcome != OUTCOME_INTERRUPTED && outcome != OUTCOME_TIMEOUT)
        report_error(&app->report, outcome, &err);
}
