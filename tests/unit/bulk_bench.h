/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk data without an agent: things to gather, a controller with what it may see, a fake clock, and deliveries that are
 * written down as text. One bench per test, from bench_bench_set_up() to bench_bench_tear_down().
 */
#ifndef TESTS_UNIT_BULK_BENCH_H
#define TESTS_UNIT_BULK_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk/profile.h"
#include "datamodel/device/model.h"
#include "tests/unit/small_model.h"

/* ---- the model: things to gather, and who gathers them ---- */

struct info {
    char *oui, *product_class, *serial, *endpoint_id;
};

static const struct dm_param info_params[] = {
    {.name = "ManufacturerOUI", .flags = DM_WRITABLE, .offset = DM_OFFSET(struct info, oui)},
    {.name = "ProductClass", .flags = DM_WRITABLE, .offset = DM_OFFSET(struct info, product_class)},
    {.name = "SerialNumber", .flags = DM_WRITABLE, .offset = DM_OFFSET(struct info, serial)},
    DM_END_PARAMS,
};
static const struct dm_object info = {.data_size = sizeof(struct info), .params = info_params};

static const struct dm_param agent_params[] = {
    {.name = "EndpointID", .flags = DM_WRITABLE, .offset = DM_OFFSET(struct info, endpoint_id)},
    DM_END_PARAMS,
};
static const struct dm_object local_agent = {.data_size = sizeof(struct info), .params = agent_params};

/* A table of rows without anything: controllers and MQTT clients. */
static const struct dm_object bare_rows = {.flags = DM_TABLE | DM_ADD | DM_DELETE, .data_size = sizeof(int)};

static const struct dm_mount mounts[] = {
    {"Device.", &small_device},
    {"Device.Box.", &small_box},
    {"Device.Thing.{i}.", &small_thing},
    {"Device.Thing.{i}.Inside.", &small_inside},
    {"Device.Thing.{i}.Part.{i}.", &small_part},
    {"Device.DeviceInfo.", &info},
    {"Device.LocalAgent.", &local_agent},
    {"Device.LocalAgent.Controller.{i}.", &bare_rows},
    {"Device.MQTT.", &small_device},
    {"Device.MQTT.Client.{i}.", &bare_rows},
    {"Device.BulkData.", &model_bulk_data},
    {"Device.BulkData.Profile.{i}.", &model_bulk_profile},
    {"Device.BulkData.Profile.{i}.Parameter.{i}.", &model_bulk_parameter},
    {"Device.BulkData.Profile.{i}.CSVEncoding.", &model_bulk_csv},
    {"Device.BulkData.Profile.{i}.JSONEncoding.", &model_bulk_json},
    {"Device.BulkData.Profile.{i}.HTTP.", &model_bulk_http},
    {"Device.BulkData.Profile.{i}.HTTP.RequestURIParameter.{i}.", &model_bulk_uri_parameter},
    {"Device.BulkData.Profile.{i}.MQTT.", &model_bulk_mqtt},
};

struct bench {
    struct loop loop;
    struct store *store;
    struct dm *dm;
    struct model model;
    struct bulk *bulk;
    struct observer observer;
    struct dm_access access;
    uint8_t bits[512];
    bool nothing; /* the controller may see nothing */
    bool refuse;  /* posts and publications do not even begin */
    char said[16384];
    const struct http_fetch_ops *ops; /* of the post that is under way */
    void *ops_ctx;
    unsigned posts, cancels;
};

static inline void say(struct bench *bench, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void say(struct bench *bench, const char *fmt, ...)
{
    size_t len = strlen(bench->said);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(bench->said + len, sizeof(bench->said) - len, fmt, ap);
    va_end(ap);
}

static inline void expect(struct bench *bench, const char *text)
{
    if (strcmp(bench->said, text) != 0)
        fail_msg("got:\n%s\nnot:\n%s", bench->said, text);
    bench->said[0] = '\0';
}

static inline bool access_of(void *ctx, struct dm_row *controller, const struct dm_access **ret)
{
    struct bench *bench = ctx;

    assert_string_equal(controller->node->path, "Device.LocalAgent.Controller.{i}.");
    *ret = &bench->access;
    return !bench->nothing;
}

static inline struct http_fetch *post(void *ctx, const struct http_post *post, struct buf *content,
                                      const struct http_fetch_ops *ops, void *post_ctx, struct error *err)
{
    struct bench *bench = ctx;

    (void)err;
    if (bench->refuse)
        return NULL;
    bench->posts++;
    say(bench, "%s %s", post->method, post->url);
    if (post->username)
        say(bench, " %s:%s", post->username, post->password);
    for (const char *const *line = post->headers; *line; line++)
        say(bench, "\n%s", *line);
    say(bench, "%s\n%.*s\n", post->date ? "\nDate" : "", (int)content->len, (const char *)buf_data(content));
    bench->ops = ops;
    bench->ops_ctx = post_ctx;
    return (struct http_fetch *)bench; /* only ever given back */
}

static inline void cancel(void *ctx, struct http_fetch *post)
{
    struct bench *bench = ctx;

    assert_ptr_equal(post, bench);
    bench->cancels++;
    bench->ops = NULL;
}

static inline int publish(void *ctx, struct dm_row *client, const struct mqtt_publication *publication,
                          struct error *err)
{
    struct bench *bench = ctx;

    (void)err;
    if (bench->refuse)
        return -1;
    say(bench, "client %u %s qos %d retain %d %s\n%.*s\n", client->instance, publication->topic,
        publication->qos, publication->retain, publication->content_type, (int)publication->len,
        (const char *)publication->payload);
    return 0;
}

static const struct bulk_ops bulk_ops = {
    .access = access_of, .post = post, .cancel = cancel, .publish = publish};

static inline void on_feed(void *ctx, const void *event)
{
    const struct dm_feed *feed = event;

    if (feed->type == DM_FEED_EVENT)
        say(ctx, "event %s %s\n", feed->args[0].name, feed->args[0].value);
}

/* ---- doing things ---- */

/* "Device.X.1.Name" in a transaction of its own; 0 or the error's code, and its path is written down. */
static inline uint32_t set(struct bench *bench, const char *path, const char *value)
{
    struct dm_row *row;
    struct error err = {0};
    char object[256];
    char *dot;
    int rc;

    snprintf(object, sizeof(object), "%s", path);
    dot = strrchr(object, '.');
    row = dm_row_find(bench->dm, (struct str){object, (size_t)(dot + 1 - object)});
    assert_non_null(row);
    dm_begin(bench->dm, NULL);
    rc = dm_set(bench->dm, row, dm_node_param(row->node, dot + 1), str_of(value), &err);
    if (rc == 0)
        rc = dm_set_done(bench->dm, row, &err);
    if (rc == 0)
        assert_int_equal(dm_commit(bench->dm, NULL), 0);
    else
        dm_rollback(bench->dm);
    loop_run_deferred(&bench->loop);
    if (rc < 0)
        say(bench, "%s\n", err.path);
    return rc == 0 ? 0 : err.code;
}

static inline void put(struct bench *bench, const char *path, const char *value)
{
    if (set(bench, path, value) != 0)
        fail_msg("%s = %s", path, value);
}

static inline struct dm_row *add(struct bench *bench, const char *parent, const char *table)
{
    struct dm_row *owner = dm_row_find(bench->dm, STR("Device.LocalAgent.Controller.1."));
    struct dm_requester requester = {.controller = owner};
    struct dm_row *above = dm_row_find(bench->dm, str_of(parent));
    struct dm_row *row;

    dm_begin(bench->dm, &requester);
    row = dm_add(bench->dm, above, dm_node_child(above->node, str_of(table)), 0, NULL);
    assert_non_null(row);
    assert_int_equal(dm_add_done(bench->dm, row, NULL), 0);
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    loop_run_deferred(&bench->loop);
    return row;
}

static inline void parameter(struct bench *bench, const char *name, const char *reference)
{
    char path[DM_PATH_BYTES + 16];
    struct dm_row *row = add(bench, "Device.BulkData.Profile.1.", "Parameter");
    size_t len = dm_row_path(row, path);

    snprintf(path + len, 16, "Name");
    put(bench, path, name);
    snprintf(path + len, 16, "Reference");
    put(bench, path, reference);
}

static inline void clear_parameters(struct bench *bench)
{
    struct dm_row *profile = dm_row_find(bench->dm, STR("Device.BulkData.Profile.1."));
    struct dm_row *const *rows;

    dm_begin(bench->dm, NULL);
    while (dm_rows(profile, dm_node_child(profile->node, STR("Parameter")), &rows))
        assert_int_equal(dm_delete(bench->dm, rows[0], NULL), 0);
    dm_commit(bench->dm, NULL);
    loop_run_deferred(&bench->loop);
}

static inline void pass(struct bench *bench, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 10; i++) {
        clock_fake_advance(&bench->loop.clock, 100);
        timers_run(&bench->loop.timers);
        loop_run_deferred(&bench->loop);
    }
}

static inline void answer(struct bench *bench, enum http_outcome outcome)
{
    const struct http_fetch_ops *ops = bench->ops;

    assert_non_null(ops);
    bench->ops = NULL;
    ops->done(bench->ops_ctx, outcome, NULL);
}

static inline void force(struct bench *bench)
{
    struct dm_row *row = dm_row_find(bench->dm, STR("Device.BulkData.Profile.1."));

    assert_int_equal(bulk_force(bench->bulk, row, NULL), 0);
    loop_run_deferred(&bench->loop);
}

#define PROFILE "Device.BulkData.Profile.1."

static inline int bench_set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_int_equal(loop_init(&bench->loop, NULL), 0);
    clock_fake(&bench->loop.clock, SMALL_TIME);
    bench->store = store_open(":memory:", &bench->loop, NULL);
    bench->dm = dm_new(mounts, sizeof(mounts) / sizeof(mounts[0]), &bench->loop, bench->store, NULL);
    assert_non_null(bench->dm);
    bench->model = (struct model){.dm = bench->dm};
    dm_set_ctx(bench->dm, &bench->model);
    bench->observer = (struct observer){.fn = on_feed, .ctx = bench};
    observer_add(dm_observers(bench->dm), &bench->observer);
    assert_true(dm_access_ids(bench->dm) <= sizeof(bench->bits));
    memset(bench->bits, DM_MAY_READ, sizeof(bench->bits));
    bench->access.bits = bench->bits;
    bench->bulk = bulk_new(bench->dm, &bulk_ops, bench, &(struct tls_settings){0}, NULL);
    bench->model.bulk = bench->bulk;
    bulk_start(bench->bulk);
    add(bench, "Device.LocalAgent.", "Controller");
    add(bench, "Device.", "Thing");
    add(bench, "Device.", "Thing");
    put(bench, "Device.Thing.1.Name", "a");
    put(bench, "Device.Thing.2.Name", "b");
    put(bench, "Device.Thing.2.Number", "8");
    put(bench, "Device.DeviceInfo.ManufacturerOUI", "012345");
    put(bench, "Device.DeviceInfo.ProductClass", "Home & Co");
    put(bench, "Device.DeviceInfo.SerialNumber", "S1");
    put(bench, "Device.LocalAgent.EndpointID", "os::1");
    add(bench, "Device.BulkData.", "Profile");
    put(bench, PROFILE "HTTP.URL", "http://c/x");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "None");
    put(bench, PROFILE "JSONEncoding.ReportFormat", "NameValuePair");
    put(bench, PROFILE "ReportingInterval", "10");
    put(bench, "Device.BulkData.Enable", "true");
    *state = bench;
    return 0;
}

static inline int bench_tear_down(void **state)
{
    struct bench *bench = *state;

    dm_flush(bench->dm, NULL);
    bulk_free(bench->bulk);
    dm_free(bench->dm);
    store_close(bench->store);
    loop_done(&bench->loop);
    free(bench);
    return 0;
}

/* As an event the report is all there is: what it says is read here. */
static inline void use_event(struct bench *bench)
{
    put(bench, PROFILE "Protocol", "USPEventNotif");
    put(bench, PROFILE "Enable", "true");
}

#endif
