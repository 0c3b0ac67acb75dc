/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine of consent tells, on the change feed: rows of questions and of the ledger, and an event per decision. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datamodel/device/consent.h"
#include "devices/dialects/dialect.h"
#include "devices/home.h"

static const char consent_path[] = "Device." VENDOR_PREFIX "Consent.";

struct consent_feed {
    struct observer observer;
    struct observer registry_observer;
    struct model *model;
    struct dm_row *row; /* of the home's policy */
    struct dm_node *requests;
    struct dm_node *ledger;
    struct dm_node *device; /* of ProxiedDevice.{i}.<vendor prefix>Consent. */
};

static struct dm_row *request_row(const struct consent_feed *feed, struct consent_question *question)
{
    struct consent_question_info info;

    consent_question_info(question, &info);
    return dm_row_instance(feed->row, feed->requests, info.number);
}

static void hide_question(struct consent_feed *feed, struct consent_question *question)
{
    struct dm_row *row = request_row(feed, question);

    if (row)
        dm_detach(feed->model->dm, row);
}

static void show_question(struct consent_feed *feed, struct consent_question *question)
{
    static const char *const changing[] = {"State",       "Choices",  "DeferralsLeft",
                                           "UserMessage", "Severity", "Security"};
    struct dm_row *row = request_row(feed, question);
    struct consent_question_info info;

    if (!consent_question_shown(question)) {
        hide_question(feed, question);
        return;
    }
    consent_question_info(question, &info);
    if (!row) {
        dm_attach(feed->model->dm, feed->row, feed->requests, info.number, question);
        return;
    }
    for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++)
        dm_changed(feed->model->dm, row, dm_node_param(row->node, changing[i]));
}

static void on_each_question(void *ctx, struct consent_question *question)
{
    show_question(ctx, question);
}

/* ---- the ledger ---- */

/* In the batch that the line is in. */
static void raise_entry(struct consent_feed *feed, const struct consent_entry *entry)
{
    char number[16];
    char time[STR_TIME_BYTES];
    char request[DM_PATH_BYTES] = "";
    const struct dm_pair asked[] = {
        {"Request", request},
        {"Device", entry->path},
        {"Version", entry->version},
        {"UserMessage", entry->wording},
    };
    const struct dm_pair decided[] = {
        {"Number", number},
        {"Time", time},
        {"Decision", consent_what_text(entry->what)},
        {"Who", consent_who_text(entry->who)},
        {"Means", entry->means},
        {"Request", request},
        {"Device", entry->path},
        {"Version", entry->version},
        {"UserMessage", entry->wording},
        {"Text", entry->text},
    };

    snprintf(number, sizeof(number), "%u", entry->number);
    str_from_time(time, entry->time);
    if (entry->question)
        snprintf(request, sizeof(request), "%sRequest.%u.", consent_path, entry->question);
    if (entry->what <= ENTRY_NOTIFIED)
        dm_raise(feed->model->dm, feed->row, "Asked!", asked, sizeof(asked) / sizeof(asked[0]));
    else if (consent_what_is_decision(entry->what))
        dm_raise(feed->model->dm, feed->row, "Decided!", decided, sizeof(decided) / sizeof(decided[0]));
}

static int show_entry(void *ctx, struct consent_entry *entry)
{
    struct consent_feed *feed = ctx;

    entry->row = dm_attach(feed->model->dm, feed->row, feed->ledger, entry->number, entry);
    return 0;
}

static void hide_entry(struct consent_feed *feed, struct consent_entry *entry)
{
    if (entry->row)
        dm_detach(feed->model->dm, entry->row);
    entry->row = NULL;
}

/* ---- policies ---- */

static void tell_home(struct consent_feed *feed)
{
    const struct dm_param *params = feed->row->node->object->params;

    for (int i = 0; params[i].name; i++)
        if (params[i].flags & DM_WRITABLE)
            dm_changed(feed->model->dm, feed->row, i);
}

static void tell_device(struct consent_feed *feed, struct consent_device *device)
{
    struct consent_device_info info;
    char path[DM_PATH_BYTES];
    struct dm_row *row;

    consent_device_info(device, &info);
    snprintf(path, sizeof(path), "%s" VENDOR_PREFIX "Consent.", info.about.path);
    row = *info.about.path ? dm_row_find(feed->model->dm, str_of(path)) : NULL;
    if (row)
        dm_changed(feed->model->dm, row, 0);
}

static void on_consent(void *ctx, const void *data)
{
    const struct consent_event *event = data;
    struct consent_feed *feed = ctx;

    switch (event->type) {
    case CONSENT_QUESTION_ADDED:
    case CONSENT_QUESTION_CHANGED:
        show_question(feed, event->question);
        break;
    case CONSENT_QUESTION_REMOVED:
        hide_question(feed, event->question);
        break;
    case CONSENT_ENTRY_ADDED:
        show_entry(feed, event->entry);
        raise_entry(feed, event->entry);
        break;
    case CONSENT_ENTRY_REMOVED:
        hide_entry(feed, event->entry);
        break;
    case CONSENT_HOME_CHANGED:
        tell_home(feed);
        break;
    case CONSENT_DEVICE_CHANGED:
        tell_device(feed, event->device);
        break;
    case CONSENT_DEVICE_NEWS: /* the registry's observers have it in rows */
        break;
    }
}

/* ---- rows of devices: bound after they are there, let go of after they are gone ---- */

static void bind_device(struct consent_feed *feed, struct device *device)
{
    struct dm_row *row = device->row ? dm_row_child(device->row, feed->device) : NULL;
    struct consent_device *shown = row ? consent_show_device(feed->model->consent, device->key) : NULL;

    if (shown)
        dm_bind(row, shown);
}

static void on_registry(void *ctx, const void *data)
{
    /* What changes all the time, and nobody is shown. */
    const uint64_t unseen = DEVICE_BIT(DEVICE_LAST_CONTACTED) | DEVICE_BIT(DEVICE_REJECTED);
    const struct device_event *event = data;
    struct consent_feed *feed = ctx;

    if (event->type == DEVICE_ADDED)
        bind_device(feed, event->device);
    else if (event->type == DEVICE_REMOVED)
        consent_hide_device(feed->model->consent, event->device->key);
    else if (event->type == DEVICE_QUARANTINE || (event->fields & ~unseen))
        consent_device_news(feed->model->consent, event->device->key);
}

/* ---- start, stop ---- */

void model_consent_bind(struct model *model)
{
    struct dm_row *row = dm_row_child(dm_root(model->dm), dm_node_find(model->dm, consent_path));

    dm_bind(row, consent_home_row(model->consent));
}

int model_consent_start(struct model *model, struct error *err)
{
    struct consent_feed *feed = calloc(1, sizeof(*feed));

    if (!feed)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    feed->model = model;
    feed->row = dm_row_child(dm_root(model->dm), dm_node_find(model->dm, consent_path));
    feed->requests = dm_node_child(feed->row->node, STR("Request"));
    feed->ledger = dm_node_child(feed->row->node, STR("Ledger"));
    feed->observer = (struct observer){.fn = on_consent, .ctx = feed};
    feed->device = dm_node_find(model->dm, "Device.ProxiedDevice.{i}." VENDOR_PREFIX "Consent.");
    feed->registry_observer = (struct observer){.fn = on_registry, .ctx = feed};
    model->notice = model_consent_notice;
    model->identify = model_consent_identify;
    observer_add(consent_observers(model->consent), &feed->observer);
    observer_add(registry_observers(home_registry(model->home)), &feed->registry_observer);
    consent_each_question(model->consent, on_each_question, feed);
    consent_each_entry(model->consent, show_entry, feed);
    return 0;
}

void model_consent_stop(struct model *model)
{
    struct observers *observers = consent_observers(model->consent);

    for (struct observer *at = observers->first; at; at = at->next) {
        struct consent_feed *feed = at->ctx;

        if (at->fn != on_consent)
            continue;
        observer_remove(observers, at);
        observer_remove(registry_observers(home_registry(model->home)), &feed->registry_observer);
        free(feed);
        return;
    }
}
