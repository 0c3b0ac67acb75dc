/* SPDX-License-Identifier: BSD-3-Clause */
/* Profiles: when they are due, what their report is, what of it is kept. */
#include "bulk/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum {
    MS = 1000,
    FRAME_BYTES = 64, /* what stands around reports in a message */
};

/* ---- reports that wait ---- */

static size_t report_bytes(const struct bulk_report *report)
{
    return report->header.len + report->body.len;
}

static void report_free(struct bulk_report *report)
{
    if (!report)
        return;
    buf_done(&report->header);
    buf_done(&report->body);
    free(report);
}

/* After the first `skip` reports, those that follow. */
static void drop_after(struct bulk_profile *profile, uint32_t skip, uint32_t count)
{
    struct bulk_report **at = &profile->reports;

    while (skip-- && *at)
        at = &(*at)->next;
    for (; count && *at; count--) {
        struct bulk_report *report = *at;

        *at = report->next;
        profile->reports_count--;
        profile->bulk->retained_bytes -= report_bytes(report);
        report_free(report);
    }
}

void bulk_drop(struct bulk_profile *profile, uint32_t count)
{
    drop_after(profile, 0, count);
}

void bulk_keep(struct bulk_profile *profile, uint32_t current)
{
    uint32_t idle = profile->reports_count - profile->sending;
    uint32_t most = LIMIT_BULK_REPORTS - 1;

    if (profile->protocol == BULK_EVENT)
        most = 0; /* each is a notification of its own, with its own retries (TR-369, A.4) */
    else if (profile->retained >= 0 && (uint32_t)profile->retained < most)
        most = (uint32_t)profile->retained;
    most += current;
    if (idle > most)
        drop_after(profile, profile->sending, idle - most);
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (!a->len || memcmp(buf_data(a), buf_data(b), a->len) == 0);
}

void bulk_fit(struct bulk_profile *profile)
{
    const struct bulk_report *newest = profile->reports;
    size_t bytes = FRAME_BYTES;
    uint32_t fit = 0;

    while (newest->next)
        newest = newest->next;
    bytes += newest->header.len;
    for (const struct bulk_report *report = profile->reports; report; report = report->next) {
        /* CSV: rows under another header would be read as something else. */
        if (!same_bytes(&report->header, &newest->header)) {
            fit = 0;
            bytes = FRAME_BYTES + newest->header.len;
            continue;
        }
        bytes += report->body.len + 1;
        fit++;
    }
    drop_after(profile, 0, profile->reports_count - fit);
    while (fit > 1 && bytes > LIMIT_BULK_REPORT_BYTES) {
        bytes -= profile->reports->body.len + 1;
        drop_after(profile, 0, 1);
        fit--;
    }
}

/* Where memory for reports ends, the oldest give way. */
static int append_report(struct bulk_profile *profile, struct bulk_report *report, struct error *err)
{
    struct bulk *bulk = profile->bulk;
    struct bulk_report **at;

    while (bulk->retained_bytes + report_bytes(report) > bulk->loop->limits->bulk_retained_bytes) {
        if (profile->reports_count == profile->sending)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                             "too many reports wait for delivery (%s is %u)",
                             LIMIT_SAYS(bulk->loop->limits, bulk_retained_bytes));
        drop_after(profile, profile->sending, 1);
    }
    for (at = &profile->reports; *at;)
        at = &(*at)->next;
    *at = report;
    profile->reports_count++;
    bulk->retained_bytes += report_bytes(report);
    return 0;
}

/* ---- one report ---- */

static uint32_t rows_below(const struct dm_row *row, const char *table, struct dm_row *const **ret)
{
    return dm_rows(row, dm_node_child(row->node, str_of(table)), ret);
}

static struct str text_of(const char *text)
{
    return str_of(text ? text : "");
}

bool bulk_may_see(struct bulk_profile *profile, const struct dm_access **ret)
{
    struct bulk *bulk = profile->bulk;
    bool owned = profile->controller && profile->controller[0];
    struct dm_row *controller = owned ? dm_row_find(bulk->dm, str_of(profile->controller)) : NULL;

    return controller && bulk->ops->access(bulk->ctx, controller, ret);
}

static int gather(struct bulk_profile *profile, struct bulk_items *items, struct error *err)
{
    struct bulk_gather gather = {.dm = profile->bulk->dm, .items = items};
    struct dm_row *const *rows;
    uint32_t count = rows_below(profile->row, "Parameter", &rows);
    struct str *excluded = arena_calloc(items->arena, count + 1, sizeof(*excluded));

    if (!bulk_may_see(profile, &gather.access))
        return 0;
    if (!excluded)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    gather.excluded = excluded;
    for (uint32_t i = 0; i < count; i++) { /* R-BULK.10a */
        const struct bulk_parameter *parameter = rows[i]->data;

        if (parameter->exclude)
            excluded[gather.excluded_count++] = text_of(parameter->reference);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct bulk_parameter *parameter = rows[i]->data;

        if (!parameter->exclude &&
            bulk_gather(&gather, text_of(parameter->name), text_of(parameter->reference), err) < 0)
            return -1;
    }
    return 0;
}

static int write_report(struct bulk_profile *profile, struct bulk_report *report, struct error *err)
{
    struct arena arena;
    struct bulk_items items = {.arena = &arena};
    int64_t now = clock_wall(&profile->bulk->loop->clock);
    bool tree = profile->encoding == BULK_JSON && profile->json.format == BULK_OBJECT_HIERARCHY;
    int rc;

    arena_init(&arena, LIMIT_BULK_GATHER_BYTES);
    buf_init(&report->header, LIMIT_BULK_REPORT_BYTES, 0);
    buf_init(&report->body, LIMIT_BULK_REPORT_BYTES, 0);
    rc = gather(profile, &items, err);
    if (rc == 0)
        rc = bulk_items_sort(&items, tree, err);
    if (rc == 0 && profile->encoding == BULK_JSON) {
        bulk_write_json(&report->body, &items, &profile->json, now);
    } else if (rc == 0) {
        bulk_write_csv_header(&report->header, &items, &profile->csv);
        bulk_write_csv_rows(&report->body, &items, &profile->csv, now);
    }
    arena_done(&arena);
    if (report->header.failed || report->body.failed ||
        report_bytes(report) + FRAME_BYTES > LIMIT_BULK_REPORT_BYTES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the report is too large");
    return rc;
}

static int collect(struct bulk_profile *profile, struct error *err)
{
    struct bulk_report *report = calloc(1, sizeof(*report));

    if (!report)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    bulk_keep(profile, 0);
    if (write_report(profile, report, err) < 0 || append_report(profile, report, err) < 0) {
        report_free(report);
        return -1;
    }
    profile->reports_encoding = profile->encoding;
    timer_cancel(&profile->bulk->loop->timers, &profile->again);
    bulk_deliver(profile);
    return 0;
}

/* ---- when ---- */

/* In phase with TimeReference; without one, an interval from now. */
static void schedule(struct bulk_profile *profile)
{
    struct loop *loop = profile->bulk->loop;
    int64_t interval = (int64_t)profile->interval * MS;
    int64_t wait = interval;

    if (profile->time_reference > 0) {
        int64_t since = (clock_wall_ms(&loop->clock) - profile->time_reference * MS) % interval;

        wait = since < 0 ? -since : interval - since;
    }
    timer_arm(&loop->timers, &profile->due, (uint64_t)wait);
}

static void on_due(struct timer *timer, void *ctx)
{
    struct bulk_profile *profile = ctx;

    (void)timer;
    schedule(profile);
    collect(profile, NULL); /* one that cannot be made is the next interval's business */
}

static void on_again(struct timer *timer, void *ctx)
{
    (void)timer;
    bulk_deliver(ctx);
}

static void prepare(struct bulk *bulk, struct dm_row *row)
{
    struct bulk_profile *profile = row->data;

    if (profile->bulk)
        return;
    profile->bulk = bulk;
    profile->row = row;
    timer_init(&profile->due, on_due, profile);
    timer_init(&profile->again, on_again, profile);
}

static void stop(struct bulk_profile *profile)
{
    if (!profile->bulk)
        return;
    bulk_cancel(profile);
    timer_cancel(&profile->bulk->loop->timers, &profile->due);
    timer_cancel(&profile->bulk->loop->timers, &profile->again);
    bulk_drop(profile, profile->reports_count);
    profile->retries = 0;
    profile->scheduled = false;
}

static bool wanted(const struct bulk *bulk, const struct bulk_profile *profile)
{
    const struct bulk_data *data = bulk->root->data;

    return bulk->started && data->enable && profile->enable;
}

/* Whatever changed: the schedule follows, and reports of another encoding are gone (TR-369, A.2). */
static void refresh(struct bulk *bulk, struct dm_row *row)
{
    struct bulk_profile *profile = row->data;

    if (!wanted(bulk, profile)) {
        stop(profile);
        return;
    }
    prepare(bulk, row);
    if (profile->reports && profile->reports_encoding != profile->encoding) {
        bulk_cancel(profile);
        bulk_drop(profile, profile->reports_count);
    }
    if (!profile->scheduled) {
        profile->scheduled = true;
        schedule(profile);
    }
}

/* ---- what the rows tell ---- */

void bulk_enabled(struct bulk *bulk)
{
    struct dm_row *const *rows;
    uint32_t count;

    if (!bulk || !bulk->started)
        return;
    count = dm_rows(bulk->root, bulk->profiles, &rows);
    for (uint32_t i = 0; i < count; i++)
        refresh(bulk, rows[i]);
}

void bulk_profile_changed(struct bulk *bulk, struct dm_row *row, enum dm_change_kind kind, bool reschedule)
{
    struct bulk_profile *profile = row->data;

    if (!bulk || !bulk->started)
        return;
    if (kind == DM_ROW_DELETED) {
        stop(profile);
        profile->bulk = NULL;
        return;
    }
    if (reschedule)
        profile->scheduled = false;
    refresh(bulk, row);
}

void bulk_profile_done(struct dm_row *row)
{
    struct bulk_profile *profile = row->data;

    if (profile && profile->bulk)
        stop(profile);
}

int bulk_force(struct bulk *bulk, struct dm_row *row, struct error *err)
{
    struct bulk_profile *profile = row->data;

    if (!bulk || !wanted(bulk, profile))
        return error_set(err, ERROR_COMMAND_FAILURE, NULL,
                         "bulk data collection or this profile is not enabled");
    return collect(profile, err);
}

/* ---- all of it ---- */

struct bulk *bulk_new(struct dm *dm, const struct bulk_ops *ops, void *ctx, const struct tls_settings *tls,
                      struct error *err)
{
    struct bulk *bulk = calloc(1, sizeof(*bulk));

    if (!bulk) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    bulk->dm = dm;
    bulk->loop = dm_loop(dm);
    bulk->ops = ops;
    bulk->ctx = ctx;
    bulk->tls = *tls;
    bulk->root = dm_row_find(dm, STR("Device.BulkData."));
    bulk->profiles = dm_node_child(bulk->root->node, STR("Profile"));
    return bulk;
}

void bulk_start(struct bulk *bulk)
{
    bulk->started = true;
    bulk_enabled(bulk);
}

void bulk_free(struct bulk *bulk)
{
    struct dm_row *const *rows;
    uint32_t count;

    if (!bulk)
        return;
    count = dm_rows(bulk->root, bulk->profiles, &rows);
    for (uint32_t i = 0; i < count; i++) {
        struct bulk_profile *profile = rows[i]->data;

        stop(profile);
        profile->bulk = NULL;
    }
    free(bulk);
}
