/* SPDX-License-Identifier: BSD-3-Clause */
/* set, add, del. */
#include <stdio.h>
#include <string.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/text.h"

struct changing {
    struct app *app;
    cJSON *entry;
};

static void print_path(struct app *app, const char *word, struct str path)
{
    printf("%s ", word);
    text_print(stdout, app_copy(app, path));
    putchar('\n');
}

/* A row in the array `list`, or a line that begins with `word`. */
static void begin_row(struct changing *changing, const char *list, const char *maps, const char *word,
                      struct str path)
{
    struct report *report = &changing->app->report;

    if (!report->json) {
        print_path(changing->app, word, path);
        return;
    }
    changing->entry = cJSON_CreateObject();
    report_set(changing->entry, "path", path);
    cJSON_AddObjectToObject(changing->entry, maps);
    cJSON_AddItemToArray(report_array(report, list), changing->entry);
}

static void add_pair(struct changing *changing, const char *map, const struct usp_client_fact *fact)
{
    const char *name = app_copy(changing->app, fact->name);

    if (changing->app->report.json) {
        report_set(cJSON_GetObjectItem(changing->entry, map), name, fact->value);
        return;
    }
    printf("    %s = ", name);
    text_print(stdout, app_copy(changing->app, fact->value));
    putchar('\n');
}

static int on_change(void *ctx, const struct usp_client_fact *fact)
{
    struct changing *changing = ctx;

    switch (fact->kind) {
    case USP_FACT_UPDATED:
        begin_row(changing, "updated", "params", "changed", fact->path);
        break;
    case USP_FACT_VALUE:
        add_pair(changing, "params", fact);
        break;
    case USP_FACT_CREATED:
        begin_row(changing, "created", "keys", "added", fact->path);
        break;
    case USP_FACT_KEY:
        add_pair(changing, "keys", fact);
        break;
    case USP_FACT_DELETED:
        if (changing->app->report.json)
            cJSON_AddItemToArray(report_array(&changing->app->report, "deleted"),
                                 cJSON_CreateString(app_copy(changing->app, fact->path)));
        else
            print_path(changing->app, "deleted", fact->path);
        break;
    default:
        break;
    }
    return 0;
}

void command_set(struct app *app)
{
    struct changing changing = {.app = app};
    size_t count = (size_t)app->options.args_count / 2;
    struct usp_client_object *objects = arena_calloc(&app->arena, count, sizeof(*objects));
    struct usp_client_pair *params = arena_calloc(&app->arena, count, sizeof(*params));
    struct buf message;
    struct str msg_id;

    if (app->options.args_count % 2 || !objects || !params) {
        app_usage(app, "set", "takes a path and a value, once or more often");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *path = app->options.args[2 * i];
        const char *dot = strrchr(path, '.');
        const char *value = app_value(app, path, app->options.args[2 * i + 1]);

        if (!value)
            return;
        if (!dot || !dot[1]) {
            app_usage(app, path, "is not the path of a parameter");
            return;
        }
        params[i] = (struct usp_client_pair){str_of(dot + 1), str_of(value), true};
        objects[i] = (struct usp_client_object){{path, (size_t)(dot + 1 - path)}, &params[i], 1};
    }
    if (app->report.json)
        report_array(&app->report, "updated");
    msg_id = session_begin(&app->session, &message);
    usp_client_set(&message, msg_id, objects, count, app->options.partial);
    app_ask(app, &message, on_change, &changing);
}

void command_add(struct app *app)
{
    struct changing changing = {.app = app};
    size_t count = (size_t)app->options.args_count - 1;
    struct usp_client_pair *params = arena_calloc(&app->arena, count + 1, sizeof(*params));
    struct usp_client_object object = {str_of(app->options.args[0]), params, count};
    struct buf message;
    struct str msg_id;

    for (size_t i = 0; params && i < count; i++) {
        if (!app_pair(app, app->options.args[i + 1], &params[i]))
            return;
        params[i].required = !app->options.partial;
    }
    if (app->report.json)
        report_array(&app->report, "created");
    msg_id = session_begin(&app->session, &message);
    usp_client_add(&message, msg_id, &object, 1, app->options.partial);
    app_ask(app, &message, on_change, &changing);
}

void command_del(struct app *app)
{
    struct changing changing = {.app = app};
    size_t count = (size_t)app->options.args_count;
    struct str *paths = arena_calloc(&app->arena, count, sizeof(*paths));
    struct buf message;
    struct str msg_id;

    for (size_t i = 0; paths && i < count; i++)
        paths[i] = str_of(app->options.args[i]);
    if (app->report.json)
        report_array(&app->report, "deleted");
    msg_id = session_begin(&app->session, &message);
    usp_client_delete(&message, msg_id, paths, count, app->options.partial);
    app_ask(app, &message, on_change, &changing);
}
