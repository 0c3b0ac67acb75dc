/* SPDX-License-Identifier: BSD-3-Clause */
/* hosts: the LAN as the gateway sees it, and which of it are devices of the home. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "tools/homepatch/app.h"
#include "tools/homepatch/inventory.h"
#include "tools/homepatch/text.h"

static const char HOSTS[] = "Device.Hosts.Host.";
static const char FACTS[] = VENDOR_PREFIX "Fact.";
static const char COLLECTION[] = "Device.CollectionDevice.";

enum host_value {
    HOST_NAME,
    HOST_MAC,
    HOST_IP,
    HOST_ACTIVE,
    HOST_CHANGED,
    HOST_LINK,
    HOST_MANUFACTURER,
    HOST_MODEL,
    HOST_FRIENDLY_NAME,
    HOST_MUD_URL,
    HOST_DEVICE, /* path of its row in Device.ProxiedDevice. */
    HOST_VALUES,
};

/* From a parameter of the row, or from a fact; the name in JSON. */
static const struct {
    const char *param, *fact, *json;
} values[HOST_VALUES] = {
    [HOST_NAME] = {"HostName", NULL, "name"},
    [HOST_MAC] = {"PhysAddress", NULL, "mac"},
    [HOST_IP] = {"IPAddress", NULL, "address"},
    [HOST_ACTIVE] = {"Active", NULL, "active"},
    [HOST_CHANGED] = {"ActiveLastChange", NULL, "since"},
    [HOST_LINK] = {"InterfaceType", NULL, "link"},
    [HOST_MANUFACTURER] = {NULL, "Manufacturer", "manufacturer"},
    [HOST_MODEL] = {NULL, "ModelName", "model"},
    [HOST_FRIENDLY_NAME] = {NULL, "FriendlyName", "friendlyName"},
    [HOST_MUD_URL] = {NULL, "MUDURL", "mudUrl"},
    [HOST_DEVICE] = {NULL, NULL, "device"},
};

struct host {
    struct host *next;
    unsigned number;
    const char *values[HOST_VALUES];
    bool inferred[HOST_VALUES]; /* grade D: anything that was observed takes its place */
};

struct listing {
    struct app *app;
    struct host *first, **last, *current;
    /* The rows that are being read, of a host's facts and of the collection, and what came of them so far. */
    const struct host *fact_host;
    unsigned fact_row, collected_row;
    const char *name, *value, *host_ref, *device_ref;
};

static struct host *host_at(struct listing *listing, unsigned number)
{
    struct host *host = listing->current;

    if (!host || host->number != number)
        for (host = listing->first; host && host->number != number; host = host->next)
            ;
    if (!host) {
        host = arena_calloc(&listing->app->arena, 1, sizeof(*host));
        if (!host) {
            fputs("homepatch: out of memory\n", stderr);
            exit(OUTCOME_REFUSED);
        }
        host->number = number;
        for (size_t i = 0; i < HOST_VALUES; i++)
            host->values[i] = "";
        *listing->last = host;
        listing->last = &host->next;
    }
    listing->current = host;
    return host;
}

/* Name, Value and Grade of one row come one after the other. */
static void keep_fact(struct listing *listing, struct host *host, unsigned row, struct str name,
                      struct str value)
{
    bool inferred = str_is(value, "D");

    if (listing->fact_host != host || listing->fact_row != row)
        listing->name = listing->value = NULL;
    listing->fact_host = host;
    listing->fact_row = row;
    if (str_is(name, "Name"))
        listing->name = app_copy(listing->app, value);
    else if (str_is(name, "Value"))
        listing->value = app_copy(listing->app, value);
    if (!str_is(name, "Grade") || !listing->name || !listing->value)
        return;
    for (size_t i = 0; i < HOST_VALUES; i++)
        if (values[i].fact && strcmp(values[i].fact, listing->name) == 0 &&
            (!host->values[i][0] || (host->inferred[i] && !inferred))) {
            host->values[i] = listing->value;
            host->inferred[i] = inferred;
        }
}

/* HostDeviceRef and ProxiedDeviceRef of one row; a host that has none is no device. */
static void keep_device(struct listing *listing, unsigned row, struct str name, struct str value)
{
    char path[64];
    struct str rest;
    unsigned number;

    if (listing->collected_row != row)
        listing->host_ref = listing->device_ref = NULL;
    listing->collected_row = row;
    if (str_is(name, "HostDeviceRef"))
        listing->host_ref = app_copy(listing->app, value);
    else if (str_is(name, "ProxiedDeviceRef"))
        listing->device_ref = app_copy(listing->app, value);
    if (!listing->host_ref || !listing->device_ref || !listing->device_ref[0])
        return;
    snprintf(path, sizeof(path), "%s.", listing->host_ref);
    number = inventory_instance(str_of(path), str_of(HOSTS), &rest);
    if (number)
        host_at(listing, number)->values[HOST_DEVICE] = listing->device_ref;
}

static int on_value(void *ctx, const struct usp_client_fact *fact)
{
    struct listing *listing = ctx;
    struct str rest, below;
    unsigned number, row;

    if (fact->kind != USP_FACT_VALUE)
        return 0;
    number = inventory_instance(fact->path, str_of(HOSTS), &rest);
    if (!number) {
        row = inventory_instance(fact->path, str_of(COLLECTION), &rest);
        if (row)
            keep_device(listing, row, fact->name, fact->value);
        return 0;
    }
    row = inventory_instance(rest, str_of(FACTS), &below);
    if (row)
        keep_fact(listing, host_at(listing, number), row, fact->name, fact->value);
    for (size_t i = 0; !rest.len && i < HOST_VALUES; i++)
        if (values[i].param && str_is(fact->name, values[i].param))
            host_at(listing, number)->values[i] = app_copy(listing->app, fact->value);
    return 0;
}

static bool read_hosts(struct listing *listing, struct app *app)
{
    struct str paths[] = {str_of(HOSTS), str_of(COLLECTION)};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);

    *listing = (struct listing){.app = app};
    listing->last = &listing->first;
    usp_client_get(&message, msg_id, paths, sizeof(paths) / sizeof(paths[0]), 0);
    return app_ask(app, &message, on_value, listing);
}

static cJSON *host_json(const struct host *host)
{
    cJSON *object = cJSON_CreateObject();
    char path[64];

    snprintf(path, sizeof(path), "%s%u.", HOSTS, host->number);
    cJSON_AddNumberToObject(object, "number", host->number);
    cJSON_AddStringToObject(object, "path", path);
    for (size_t i = 0; i < HOST_VALUES; i++)
        if (i == HOST_ACTIVE)
            cJSON_AddBoolToObject(object, values[i].json, strcmp(host->values[i], "true") == 0);
        else
            cJSON_AddStringToObject(object, values[i].json, host->values[i]);
    return object;
}

static void print_hosts(struct app *app, const struct listing *listing)
{
    static const char *const heads[] = {"#",    "NAME",         "ADDRESS", "MAC",    "ACTIVE", "SINCE",
                                        "LINK", "MANUFACTURER", "MODEL",   "DEVICE", NULL};
    struct table table;

    table_init(&table, &app->arena, heads);
    for (const struct host *host = listing->first; host; host = host->next) {
        struct table_row *row = table_add(&table);
        bool active = strcmp(host->values[HOST_ACTIVE], "true") == 0;
        const char *device = strrchr(host->values[HOST_DEVICE], '.');

        if (!row)
            return;
        row->colour = active ? TEXT_PLAIN : TEXT_DIM;
        row->cells[0] = arena_printf(&app->arena, "%u", host->number);
        row->cells[1] = host->values[host->values[HOST_NAME][0] ? HOST_NAME : HOST_FRIENDLY_NAME];
        row->cells[2] = host->values[HOST_IP];
        row->cells[3] = host->values[HOST_MAC];
        row->cells[4] = active ? "yes" : "no";
        row->cells[5] = text_age(&app->arena, clock_wall(&app->session.loop.clock),
                                 host->values[HOST_CHANGED]);
        row->cells[6] = host->values[HOST_LINK];
        row->cells[7] = host->values[HOST_MANUFACTURER];
        row->cells[8] = host->values[HOST_MODEL];
        row->cells[9] = device ? device + 1 : "";
    }
    table_print(&table, stdout);
}

void command_hosts(struct app *app)
{
    struct listing listing;

    if (app->report.json)
        report_array(&app->report, "hosts");
    if (!read_hosts(&listing, app))
        return;
    if (app->report.json)
        for (const struct host *host = listing.first; host; host = host->next)
            cJSON_AddItemToArray(report_array(&app->report, "hosts"), host_json(host));
    else if (listing.first)
        print_hosts(app, &listing);
    else
        puts("No host was seen yet (homepatch doctor says whether the LAN is looked at).");
}
