/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk data collection (TR-369, Annex A; TR-181 Device.BulkData.): profiles that gather parameters at their interval and
 * deliver them over HTTP, over MQTT or as a Push! event. A profile sees what its Controller may read and nothing else.
 *
 * Rows and the members that parameters declare belong to the engine; what is needed to run a profile stands behind them
 * in the same struct and is freed by bulk_profile_done(). A profile that is not due costs nothing: each has one timer.
 * Owned and freed by the wiring; loop's thread only.
 */
#ifndef BULK_PROFILE_H
#define BULK_PROFILE_H

#include "base/buf.h"
#include "base/loop.h"
#include "bulk/report.h"
#include "datamodel/access.h"
#include "datamodel/dm.h"
#include "transports/http_post.h"
#include "transports/mqtt.h"

struct bulk;

/* Indices into the enumerations of Protocol and EncodingType. */
enum bulk_protocol {
    BULK_HTTP,
    BULK_MQTT,
    BULK_EVENT, /* USPEventNotif */
};

enum bulk_encoding {
    BULK_JSON,
    BULK_CSV,
};

/* One report that was not delivered yet. */
struct bulk_report {
    struct bulk_report *next;
    struct buf header; /* CSV: the line above the rows */
    struct buf body;   /* one Report instance, or the rows */
};

/* Device.BulkData.Profile.{i}. and its single-instance objects. */
struct bulk_profile {
    bool enable;
    char *alias;
    char *name;
    int32_t retained; /* NumberOfRetainedFailedReports; -1: as many as fit */
    uint32_t protocol;
    uint32_t encoding;
    uint32_t interval;      /* s */
    int64_t time_reference; /* s since 1970; 0: no phase */
    char *controller;       /* row of Device.LocalAgent.Controller.; empty: nobody, who may see nothing */
    struct bulk_csv csv;
    struct bulk_json json;
    char *url;
    char *username;
    char *password;
    char *compression;
    uint32_t method;
    bool use_date_header;
    bool retry;
    uint32_t retry_minimum; /* s */
    uint32_t retry_multiplier;
    char *mqtt_reference; /* row of Device.MQTT.Client. */
    char *mqtt_topic;
    uint32_t mqtt_qos;
    bool mqtt_retain;

    /* While it runs. */
    struct bulk *bulk; /* NULL until it ran once */
    struct dm_row *row;
    bool scheduled;
    uint32_t reports_encoding; /* of the reports that wait */
    struct timer due;
    struct timer again; /* a retry */
    struct bulk_report *reports;
    uint32_t reports_count;
    uint32_t sending; /* of the oldest: are under way */
    uint32_t retries; /* in a row; a restart begins at none (R-BULK.5) */
    struct http_fetch *post;
};

/* Device.BulkData. */
struct bulk_data {
    bool enable;
};

/* Device.BulkData.Profile.{i}.Parameter.{i}. */
struct bulk_parameter {
    char *name;
    char *reference;
    bool exclude;
};

/* Device.BulkData.Profile.{i}.HTTP.RequestURIParameter.{i}. */
struct bulk_uri_parameter {
    char *name;
    char *reference;
};

/* How reports get out. */
struct bulk_ops {
    /* What the controller of that row may read; false: nothing. NULL in *ret: everything. */
    bool (*access)(void *ctx, struct dm_row *controller, const struct dm_access **ret);
    /* Begins to deliver content over HTTP, as http_post_start() does. */
    struct http_fetch *(*post)(void *ctx, const struct http_post *post, struct buf *content,
                               const struct http_fetch_ops *ops, void *post_ctx, struct error *err);
    void (*cancel)(void *ctx, struct http_fetch *post);
    /* Publishes with the client of this row of Device.MQTT.Client. */
    int (*publish)(void *ctx, struct dm_row *client, const struct mqtt_publication *publication,
                   struct error *err);
};

/* tls: for https; its strings are borrowed. */
struct bulk *bulk_new(struct dm *dm, const struct bulk_ops *ops, void *ctx, const struct tls_settings *tls,
                      struct error *err);
/* Profiles that are enabled begin to run. Before this, changes of rows are only kept. */
void bulk_start(struct bulk *bulk);
/* Before dm_free(). */
void bulk_free(struct bulk *bulk);

/* Hooks for the declaration in datamodel/device/. bulk may be NULL. reschedule: the interval or its phase changed. */
void bulk_enabled(struct bulk *bulk);
void bulk_profile_changed(struct bulk *bulk, struct dm_row *row, enum dm_change_kind kind, bool reschedule);
void bulk_profile_done(struct dm_row *row);
/* Device.BulkData.Profile.{i}.ForceCollection() */
int bulk_force(struct bulk *bulk, struct dm_row *row, struct error *err);
/* A Reference of this row: it names a place of the supported data model that has values, and follows no reference. */
int bulk_reference_check(const struct dm *dm, const struct dm_row *row, const char *reference,
                         struct error *err);

/* ---- private to bulk/ ---- */
struct bulk {
    struct dm *dm;
    struct loop *loop;
    const struct bulk_ops *ops;
    void *ctx;
    struct tls_settings tls;
    struct dm_row *root; /* Device.BulkData. */
    struct dm_node *profiles;
    size_t retained_bytes; /* of all profiles */
    bool started;
};

/* Delivers what waits; deliver.c. */
void bulk_deliver(struct bulk_profile *profile);
void bulk_cancel(struct bulk_profile *profile);
/* What the owner of the profile may see (TR-369, A.1); false: nothing, as when there is no owner. profile.c. */
bool bulk_may_see(struct bulk_profile *profile, const struct dm_access **ret);
/* The oldest reports are delivered or given up; profile.c. */
void bulk_drop(struct bulk_profile *profile, uint32_t count);
/* Of the reports that are not under way, keeps NumberOfRetainedFailedReports and `current` more: the oldest go. */
void bulk_keep(struct bulk_profile *profile, uint32_t current);
/* Nothing is under way: what cannot go into one message with the newest report gives way to it. */
void bulk_fit(struct bulk_profile *profile);

#endif
