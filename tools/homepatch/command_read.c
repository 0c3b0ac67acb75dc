/* SPDX-License-Identifier: BSD-3-Clause */
/* get, instances, supported. */
#include <stdio.h>
#include <string.h>

#include "tools/homepatch/app.h"
#include "tools/homepatch/text.h"
#include "usp/fields.h"

/* The command's paths; `standard` when there are none. */
static struct str *paths(struct app *app, const char *standard, size_t *ret_count)
{
    size_t count = (size_t)app->options.args_count;
    struct str *list = arena_calloc(&app->arena, count ? count : 1, sizeof(*list));

    if (!list)
        return NULL;
    for (size_t i = 0; i < count; i++)
        list[i] = str_of(app->options.args[i]);
    if (!count)
        list[count++] = str_of(standard);
    *ret_count = count;
    return list;
}

static const char *joined(struct app *app, struct str a, struct str b)
{
    const char *text = arena_printf(&app->arena, "%.*s%.*s", (int)a.len, a.data, (int)b.len,
                                    b.data ? b.data : "");

    return text ? text : "";
}

/* ---- get ---- */

static int on_value(void *ctx, const struct usp_client_fact *fact)
{
    struct app *app = ctx;
    const char *path;

    if (fact->kind != USP_FACT_VALUE)
        return 0;
    path = joined(app, fact->path, fact->name);
    if (app->report.json) {
        report_set(report_object(&app->report, "values"), path, fact->value);
        return 0;
    }
    text_print(stdout, path);
    fputs(" = ", stdout);
    text_print(stdout, app_copy(app, fact->value));
    putchar('\n');
    return 0;
}

void command_get(struct app *app)
{
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);
    size_t count = 0;
    struct str *list = paths(app, "Device.", &count);

    if (app->report.json)
        report_object(&app->report, "values");
    usp_client_get(&message, msg_id, list, count, (uint32_t)app->options.depth);
    app_ask(app, &message, on_value, app);
}

/* ---- instances ---- */

struct listing {
    struct app *app;
    cJSON *entry;  /* of the row, or of the object */
    cJSON *member; /* of its command or event */
    bool first;    /* nothing was printed of the row yet but its path */
};

static int on_instance(void *ctx, const struct usp_client_fact *fact)
{
    struct listing *listing = ctx;
    struct report *report = &listing->app->report;

    if (fact->kind == USP_FACT_INSTANCE && report->json) {
        listing->entry = cJSON_CreateObject();
        report_set(listing->entry, "path", fact->path);
        cJSON_AddObjectToObject(listing->entry, "keys");
        cJSON_AddItemToArray(report_array(report, "instances"), listing->entry);
    } else if (fact->kind == USP_FACT_INSTANCE) {
        printf("%s%s", listing->first ? "" : "\n", joined(listing->app, fact->path, STR("")));
        listing->first = false;
    } else if (fact->kind == USP_FACT_KEY && report->json) {
        report_set(cJSON_GetObjectItem(listing->entry, "keys"), joined(listing->app, fact->name, STR("")),
                   fact->value);
    } else if (fact->kind == USP_FACT_KEY) {
        printf("  %s=", joined(listing->app, fact->name, STR("")));
        text_print(stdout, app_copy(listing->app, fact->value));
    }
    return 0;
}

void command_instances(struct app *app)
{
    struct listing listing = {.app = app, .first = true};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);
    size_t count = 0;
    struct str *list = paths(app, "Device.", &count);

    if (app->report.json)
        report_array(&app->report, "instances");
    usp_client_get_instances(&message, msg_id, list, count, app->options.first_level);
    app_ask(app, &message, on_instance, &listing);
    if (!app->report.json && !listing.first)
        putchar('\n');
}

/* ---- supported ---- */

static const char *name_of(const char *const *names, size_t count, uint32_t number)
{
    return number < count ? names[number] : "unknown";
}

#define NAME_OF(names, number) name_of(names, sizeof(names) / sizeof((names)[0]), number)

static const char *const object_access[] = {"readOnly", "addDelete", "addOnly", "deleteOnly"};
static const char *const param_access[] = {"readOnly", "readWrite", "writeOnly"};
static const char *const param_types[] = {"unknown", "base64",      "boolean",     "dateTime",
                                          "decimal", "hexBinary",   "int",         "long",
                                          "string",  "unsignedInt", "unsignedLong"};
static const char *const command_types[] = {"unknown", "sync", "async"};

static void supported_member(struct listing *listing, const struct usp_client_fact *fact, const char *list,
                             const char *kind)
{
    cJSON *array = cJSON_GetObjectItem(listing->entry, list);

    listing->member = cJSON_CreateObject();
    report_set(listing->member, "name", fact->name);
    if (kind)
        cJSON_AddStringToObject(listing->member, "type", kind);
    cJSON_AddItemToArray(array ? array : cJSON_AddArrayToObject(listing->entry, list), listing->member);
}

static void supported_arg(struct listing *listing, const struct usp_client_fact *fact, const char *list)
{
    cJSON *array = cJSON_GetObjectItem(listing->member, list);

    if (!array)
        array = cJSON_AddArrayToObject(listing->member, list);
    cJSON_AddItemToArray(array, cJSON_CreateString(app_copy(listing->app, fact->value)));
}

static int supported_json(void *ctx, const struct usp_client_fact *fact)
{
    struct listing *listing = ctx;

    switch (fact->kind) {
    case USP_FACT_OBJECT:
        listing->entry = cJSON_CreateObject();
        report_set(listing->entry, "path", fact->path);
        cJSON_AddStringToObject(listing->entry, "access", NAME_OF(object_access, fact->number));
        cJSON_AddBoolToObject(listing->entry, "table", fact->table);
        cJSON_AddItemToArray(report_array(&listing->app->report, "objects"), listing->entry);
        break;
    case USP_FACT_PARAM:
        supported_member(listing, fact, "parameters", NAME_OF(param_types, fact->type));
        cJSON_AddStringToObject(listing->member, "access", NAME_OF(param_access, fact->number));
        break;
    case USP_FACT_COMMAND:
        supported_member(listing, fact, "commands", NAME_OF(command_types, fact->number));
        break;
    case USP_FACT_EVENT:
        supported_member(listing, fact, "events", NULL);
        break;
    case USP_FACT_INPUT:
        supported_arg(listing, fact, "inputs");
        break;
    case USP_FACT_RESULT:
        supported_arg(listing, fact, "outputs");
        break;
    case USP_FACT_ARGUMENT:
        supported_arg(listing, fact, "arguments");
        break;
    default:
        break;
    }
    return 0;
}

static int supported_text(void *ctx, const struct usp_client_fact *fact)
{
    struct listing *listing = ctx;
    const char *name = app_copy(listing->app, fact->name);

    switch (fact->kind) {
    case USP_FACT_OBJECT:
        printf("%s%s%s%s\n", text_colour(stdout, TEXT_BOLD), joined(listing->app, fact->path, STR("")),
               text_normal(stdout), fact->number ? " (rows can be added or deleted)" : "");
        break;
    case USP_FACT_PARAM:
        printf("    %-34s %s%s\n", name, NAME_OF(param_types, fact->type), fact->number ? ", writable" : "");
        break;
    case USP_FACT_COMMAND:
        printf("    %-34s %s\n", name, NAME_OF(command_types, fact->number));
        break;
    case USP_FACT_EVENT:
        printf("    %-34s event\n", name);
        break;
    case USP_FACT_INPUT:
        printf("        %s (input)\n", app_copy(listing->app, fact->value));
        break;
    case USP_FACT_RESULT:
        printf("        %s (output)\n", app_copy(listing->app, fact->value));
        break;
    case USP_FACT_ARGUMENT:
        printf("        %s\n", app_copy(listing->app, fact->value));
        break;
    default:
        break;
    }
    return 0;
}

void command_supported(struct app *app)
{
    struct listing listing = {.app = app};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);
    size_t count = 0;
    struct str *list = paths(app, "Device.", &count);
    unsigned flags = USP_CLIENT_PARAMS | USP_CLIENT_COMMANDS | USP_CLIENT_EVENTS;

    if (app->report.json)
        report_array(&app->report, "objects");
    if (app->options.first_level)
        flags |= USP_CLIENT_FIRST_LEVEL;
    usp_client_get_supported_dm(&message, msg_id, list, count, flags);
    app_ask(app, &message, app->report.json ? supported_json : supported_text, &listing);
}
