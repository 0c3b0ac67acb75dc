/* SPDX-License-Identifier: BSD-3-Clause */
/* operate: runs a command, on as many rows as its path matches, and waits until each has ended. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/text.h"

enum {
    LOOK_MS = 3000,  /* how often Request rows are looked at, should a notification not have come */
    LOST_MS = 20000, /* before that, a notification that went astray has come again */
};

struct run {
    struct run *next;
    const char *command;
    const char *request; /* NULL: ended before it began */
    cJSON *entry;
    bool ended;
    uint64_t missing; /* since when its Request row is gone, monotonic ms; 0: it is there */
};

struct operating {
    struct app *app;
    const char *key;
    struct run *first;
    struct run *current;
};

static struct run *run_of(struct operating *operating, struct str command)
{
    struct app *app = operating->app;
    struct run *run = operating->first;

    while (run && !str_is(command, run->command))
        run = run->next;
    if (run)
        return run;
    run = arena_calloc(&app->arena, 1, sizeof(*run));
    if (!run)
        return NULL;
    run->command = app_copy(app, command);
    run->next = operating->first;
    operating->first = run;
    if (app->report.json) {
        run->entry = cJSON_CreateObject();
        cJSON_AddStringToObject(run->entry, "command", run->command);
        cJSON_AddStringToObject(run->entry, "status", "running");
        cJSON_AddObjectToObject(run->entry, "outputs");
        cJSON_AddItemToArray(report_array(&app->report, "results"), run->entry);
    }
    return run;
}

static void set_status(struct run *run, const char *status)
{
    if (run->entry)
        cJSON_ReplaceItemInObject(run->entry, "status", cJSON_CreateString(status));
}

static void output(struct operating *operating, struct run *run, struct str name, struct str value)
{
    const char *text = app_copy(operating->app, name);

    if (run->entry) {
        report_set(cJSON_GetObjectItem(run->entry, "outputs"), text, value);
        return;
    }
    printf("    %s = ", text);
    text_print(stdout, app_copy(operating->app, value));
    putchar('\n');
}

static void say(const struct operating *operating, const struct run *run, const char *what)
{
    if (operating->app->report.json)
        return;
    text_print(stdout, run->command);
    printf(" %s\n", what ? what : "");
    fflush(stdout);
}

static int on_result(void *ctx, const struct usp_client_fact *fact)
{
    struct operating *operating = ctx;
    struct run *run = run_of(operating, fact->path);

    if (!run)
        return 0;
    if (fact->kind == USP_FACT_EXECUTED) {
        run->ended = true;
        set_status(run, "done");
        say(operating, run, "done");
    } else if (fact->kind == USP_FACT_OUTPUT) {
        output(operating, run, fact->name, fact->value);
    } else if (fact->kind == USP_FACT_STARTED) {
        run->request = app_copy(operating->app, fact->value);
        if (run->entry)
            cJSON_AddStringToObject(run->entry, "request", run->request);
        else
            say(operating, run, arena_printf(&operating->app->arena, "runs as %s", run->request));
    }
    return 0;
}

static void on_notice(void *ctx, const struct session_notice *notice)
{
    const struct usp_client_notify *notify = &notice->notify;
    struct operating *operating = ctx;
    char command[ERROR_PATH_BYTES];
    char text[ERROR_MESSAGE_BYTES];
    struct run *run;

    snprintf(command, sizeof(command), "%.*s%.*s", (int)notify->path.len, notify->path.data,
             (int)notify->name.len, notify->name.data);
    if (notify->kind != USP_CLIENT_COMPLETE || !str_is(notify->key, operating->key))
        return;
    run = run_of(operating, str_of(command));
    if (!run || run->ended)
        return;
    run->ended = true;
    if (notify->code) {
        snprintf(text, sizeof(text), "%.*s", (int)notify->text.len, notify->text.data);
        set_status(run, "failed");
        report_failure(&operating->app->report, OUTCOME_REFUSED, notify->code, command, text);
        return;
    }
    set_status(run, "done");
    say(operating, run, "done");
    for (size_t i = 0; i < notice->count; i++)
        output(operating, run, notice->args[i].name, notice->args[i].value);
}

static struct run *running(const struct operating *operating)
{
    for (struct run *run = operating->first; run; run = run->next)
        if (run->request && !run->ended)
            return run;
    return NULL;
}

static int on_request_row(void *ctx, const struct usp_client_fact *fact)
{
    bool *found = ctx;

    *found |= fact->kind == USP_FACT_VALUE;
    return 0;
}

/* A row of Device.LocalAgent.Request. that is gone, and no notification: it ended, and nobody told us how. */
static void look(struct operating *operating)
{
    struct app *app = operating->app;
    uint64_t now = clock_monotonic(&app->session.loop.clock);

    for (struct run *run = operating->first; run; run = run->next) {
        bool found = false;
        struct buf message;
        struct str msg_id;
        struct str path;

        if (!run->request || run->ended)
            continue;
        path = str_of(run->request);
        msg_id = session_begin(&app->session, &message);
        usp_client_get(&message, msg_id, &path, 1, 1);
        if (session_ask(&app->session, &message, on_request_row, &found, NULL) != OUTCOME_DONE || found)
            continue;
        if (!run->missing) {
            run->missing = now;
            session_reopen(&app->session);
        } else if (!run->ended && now - run->missing >= (app->session.restored ? LOOK_MS : LOST_MS)) {
            run->ended = true;
            set_status(run, "ended");
            report_failure(&app->report, OUTCOME_REFUSED, 0, run->command,
                           "has ended, but its result did not reach us");
        }
    }
}

static void wait_for_all(struct operating *operating)
{
    struct app *app = operating->app;
    uint64_t start = clock_monotonic(&app->session.loop.clock);
    const struct run *run;
    struct error err;

    while ((run = running(operating)) != NULL) {
        enum outcome outcome = OUTCOME_TIMEOUT;
        char text[ERROR_MESSAGE_BYTES];
        uint64_t left;

        if (app_time_left(app, start, &left))
            outcome = session_wait(&app->session, left < LOOK_MS ? left : LOOK_MS, &err);
        if (outcome == OUTCOME_DONE) {
            if (app->session.uds && running(operating))
                look(operating);
            continue;
        }
        snprintf(text, sizeof(text),
                 "%s; the command goes on. See it with: homepatch get %s; stop it with: homepatch operate "
                 "'%sCancel()'",
                 outcome == OUTCOME_TIMEOUT ? "timed out" : "interrupted", run->request, run->request);
        report_failure(&app->report, outcome, 0, run->command, text);
        return;
    }
}

void command_operate(struct app *app)
{
    size_t count = (size_t)app->options.args_count - 1;
    struct usp_client_pair *args = arena_calloc(&app->arena, count + 1, sizeof(*args));
    struct operating operating = {.app = app, .key = app->options.key};
    struct usp_client_command command = {str_of(app->options.args[0]), STR(""), args, count, true};
    enum outcome subscribed = OUTCOME_DONE;
    struct error err;
    struct buf message;
    struct str msg_id;

    for (size_t i = 0; args && i < count; i++)
        if (!app_pair(app, app->options.args[i + 1], &args[i]))
            return;
    if (!operating.key)
        operating.key = arena_printf(&app->arena, "homepatch-%d-%llx", (int)getpid(),
                                     (unsigned long long)clock_wall_ms(&app->session.loop.clock));
    command.key = str_of(operating.key ? operating.key : "");
    app->session.on_notice = on_notice;
    app->session.on_notice_ctx = &operating;
    error_clear(&err);
    /* Before it runs, or its end may be missed. A command that ends at once needs none of this. */
    if (!app->options.no_wait)
        subscribed = session_subscribe(&app->session, "OperationComplete", app->options.args[0], true, &err);
    if (app->report.json)
        report_array(&app->report, "results");
    msg_id = session_begin(&app->session, &message);
    usp_client_operate(&message, msg_id, &command);
    app_ask(app, &message, on_result, &operating);
    if (app->options.no_wait || !running(&operating))
        return;
    if (subscribed == OUTCOME_DONE)
        wait_for_all(&operating);
    else
        report_error(&app->report, subscribed, &err);
}
