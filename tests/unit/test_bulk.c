/* SPDX-License-Identifier: BSD-3-Clause */
/* Bulk data: when a profile is due, what is in its report, what becomes of reports that cannot be delivered. */
#include "config.h"

#include "bulk/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void say(struct bench *bench, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct bench *bench, const char *fmt, ...)
{
    size_t len = strlen(bench->said);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(bench->said + len, sizeof(bench->said) - len, fmt, ap);
    va_end(ap);
}

static void expect(struct bench *bench, const char *text)
{
    if (strcmp(bench->said, text) != 0)
        fail_msg("got:\n%s\nnot:\n%s", bench->said, text);
    bench->said[0] = '\0';
}

static bool access_of(void *ctx, struct dm_row *controller, const struct dm_access **ret)
{
    struct bench *bench = ctx;

    assert_string_equal(controller->node->path, "Device.LocalAgent.Controller.{i}.");
    *ret = &bench->access;
    return !bench->nothing;
}

static struct http_fetch *post(void *ctx, const struct http_post *post, struct buf *content,
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

static void cancel(void *ctx, struct http_fetch *post)
{
    struct bench *bench = ctx;

    assert_ptr_equal(post, bench);
    bench->cancels++;
    bench->ops = NULL;
}

static int publish(void *ctx, struct dm_row *client, const struct mqtt_publication *publication,
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

static void on_feed(void *ctx, const void *event)
{
    const struct dm_feed *feed = event;

    if (feed->type == DM_FEED_EVENT)
        say(ctx, "event %s %s\n", feed->args[0].name, feed->args[0].value);
}

/* ---- doing things ---- */

/* "Device.X.1.Name" in a transaction of its own; 0 or the error's code, and its path is written down. */
static uint32_t set(struct bench *bench, const char *path, const char *value)
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

static void put(struct bench *bench, const char *path, const char *value)
{
    if (set(bench, path, value) != 0)
        fail_msg("%s = %s", path, value);
}

static struct dm_row *add(struct bench *bench, const char *parent, const char *table)
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

static void parameter(struct bench *bench, const char *name, const char *reference)
{
    char path[DM_PATH_BYTES + 16];
    struct dm_row *row = add(bench, "Device.BulkData.Profile.1.", "Parameter");
    size_t len = dm_row_path(row, path);

    snprintf(path + len, 16, "Name");
    put(bench, path, name);
    snprintf(path + len, 16, "Reference");
    put(bench, path, reference);
}

static void clear_parameters(struct bench *bench)
{
    struct dm_row *profile = dm_row_find(bench->dm, STR("Device.BulkData.Profile.1."));
    struct dm_row *const *rows;

    dm_begin(bench->dm, NULL);
    while (dm_rows(profile, dm_node_child(profile->node, STR("Parameter")), &rows))
        assert_int_equal(dm_delete(bench->dm, rows[0], NULL), 0);
    dm_commit(bench->dm, NULL);
    loop_run_deferred(&bench->loop);
}

static void pass(struct bench *bench, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 10; i++) {
        clock_fake_advance(&bench->loop.clock, 100);
        timers_run(&bench->loop.timers);
        loop_run_deferred(&bench->loop);
    }
}

static void answer(struct bench *bench, enum http_outcome outcome)
{
    const struct http_fetch_ops *ops = bench->ops;

    assert_non_null(ops);
    bench->ops = NULL;
    ops->done(bench->ops_ctx, outcome, NULL);
}

static void force(struct bench *bench)
{
    struct dm_row *row = dm_row_find(bench->dm, STR("Device.BulkData.Profile.1."));

    assert_int_equal(bulk_force(bench->bulk, row, NULL), 0);
    loop_run_deferred(&bench->loop);
}

#define PROFILE "Device.BulkData.Profile.1."

static int set_up(void **state)
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

static int tear_down(void **state)
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
static void use_event(struct bench *bench)
{
    put(bench, PROFILE "Protocol", "USPEventNotif");
    put(bench, PROFILE "Enable", "true");
}

/* ---- tests ---- */

/* R-BULK.9, R-BULK.10: the names that references give */
static void names(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    add(bench, "Device.Thing.2.", "Part");
    add(bench, "Device.Thing.2.", "Part");
    parameter(bench, "", "Device.Thing.1.Number");
    parameter(bench, "N", "Device.Thing.1.Number");
    parameter(bench, "W", "Device.Thing.*.Number");
    parameter(bench, "P", "Device.Thing.*.Part.*.Order");
    parameter(bench, "S", "Device.Thing.[Name==\"b\"].Number");
    parameter(bench, "", "Device.Thing.*.Name");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"Device.Thing.1.Number\":7,\"N\":7,\"W.1\":7,\"W.2\":8,"
                  "\"P.2.1\":1,\"P.2.2\":2,\"S.2\":8,\"Device.Thing.1.Name\":\"a\","
                  "\"Device.Thing.2.Name\":\"b\"}]}\n");
    clear_parameters(bench);
    parameter(bench, "I", "Device.Thing.1.Inside.");
    parameter(bench, "J", "Device.Thing.*.Inside.");
    parameter(bench, "", "Device.Thing.2.Inside.");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"I.Title\":\"none\",\"I.Size\":0,\"J.1.Title\":\"none\","
                  "\"J.1.Size\":0,\"J.2.Title\":\"none\",\"J.2.Size\":0,"
                  "\"Device.Thing.2.Inside.Title\":\"none\",\"Device.Thing.2.Inside.Size\":0}]}\n");
    clear_parameters(bench);
    parameter(bench, "T", "Device.Thing.2.Part.");
    put(bench, PROFILE "JSONEncoding.ReportFormat", "ObjectHierarchy");
    force(bench);
    expect(
        bench,
        "event Data {\"Report\":[{\"T\":{\"1\":{\"Alias\":\"cpe-1\",\"Color\":\"cpe-1\",\"Order\":1,"
        "\"Owner\":\"\"},\"2\":{\"Alias\":\"cpe-2\",\"Color\":\"cpe-2\",\"Order\":2,\"Owner\":\"\"}}}]}\n");
}

/* R-BULK.10a, and references that name nothing now */
static void left_out(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    parameter(bench, "I", "Device.Thing.");
    parameter(bench, "", "Device.Thing.*.Inside.Size");
    put(bench, PROFILE "Parameter.2.Exclude", "true");
    parameter(bench, "", "Device.Thing.2.");
    put(bench, PROFILE "Parameter.3.Exclude", "true");
    parameter(bench, "G", "Device.Thing.99.Name");
    parameter(bench, "", "");
    memset(bench->bits, 0, sizeof(bench->bits));
    bench->bits[dm_id_param(dm_node_find(bench->dm, "Device.Thing."), 1)] = DM_MAY_READ; /* Name */
    for (int i = 0; i < 2; i++)
        bench->bits[dm_id_param(dm_node_find(bench->dm, "Device.Thing.{i}.Inside."), i)] = DM_MAY_READ;
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"I.1.Name\":\"a\",\"I.1.Inside.Title\":\"none\"}]}\n");
    bench->nothing = true;
    force(bench);
    expect(bench, "event Data {\"Report\":[{}]}\n");
}

/* A profile whose controller is gone sees nothing, a secret is never seen */
static void nobody(void **state)
{
    struct bench *bench = *state;
    struct dm_row *owner = dm_row_find(bench->dm, STR("Device.LocalAgent.Controller.1."));

    use_event(bench);
    put(bench, "Device.Thing.1.Secret", "hidden");
    parameter(bench, "S", "Device.Thing.1.Secret");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"S\":\"\"}]}\n");
    dm_begin(bench->dm, NULL);
    assert_int_equal(dm_delete(bench->dm, owner, NULL), 0);
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    force(bench);
    expect(bench, "event Data {\"Report\":[{}]}\n");
}

/* JSON: types, escapes, times, nesting, one member per name */
static void json(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    put(bench, "Device.Thing.1.Name", "a\"\\\n\x01");
    put(bench, "Device.Thing.1.Tags", "red,blue");
    put(bench, "Device.Thing.1.When", "2026-01-02T03:04:05Z");
    put(bench, "Device.Thing.1.Integer", "-5");
    put(bench, "Device.Thing.1.Enable", "true");
    parameter(bench, "A.B", "Device.Thing.1.Name");
    parameter(bench, "A.C", "Device.Thing.1.Tags");
    parameter(bench, "A.B", "Device.Thing.1.When");
    parameter(bench, "A.B.D", "Device.Thing.1.Integer");
    parameter(bench, "E", "Device.Thing.1.Enable");
    parameter(bench, "A.Kind", "Device.Thing.1.Kind");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "Unix-Epoch");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"CollectionTime\":1700000000,\"A.C\":\"red,blue\","
                  "\"A.B\":\"2026-01-02T03:04:05Z\",\"A.B.D\":-5,\"E\":true,\"A.Kind\":\"Round\"}]}\n");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "ISO-8601");
    put(bench, PROFILE "JSONEncoding.ReportFormat", "ObjectHierarchy");
    force(bench);
    expect(bench,
           "event Data {\"Report\":[{\"CollectionTime\":\"2023-11-14T22:13:20Z\",\"A\":{\"B\":{\"D\":-5},"
           "\"C\":\"red,blue\",\"Kind\":\"Round\"},\"E\":true}]}\n");
    clear_parameters(bench);
    parameter(bench, "A", "Device.Thing.1.Name");
    put(bench, PROFILE "JSONEncoding.ReportTimestamp", "None");
    force(bench);
    expect(bench, "event Data {\"Report\":[{\"A\":\"a\\\"\\\\\\u000a\\u0001\"}]}\n");
}

/* CSV: R-BULK.11 to R-BULK.13 */
static void csv(void **state)
{
    struct bench *bench = *state;

    use_event(bench);
    put(bench, PROFILE "EncodingType", "CSV");
    put(bench, "Device.Thing.1.Name", "x,\"y\"");
    parameter(bench, "A", "Device.Thing.1.Name");
    parameter(bench, "N", "Device.Thing.*.Number");
    force(bench);
    expect(bench, "event Data ReportTimestamp,A,N.1,N.2\r\n1700000000,\"x,\"\"y\"\"\",7,8\r\n\n");
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "None");
    put(bench, PROFILE "CSVEncoding.RowSeparator", "&#10;");
    put(bench, PROFILE "CSVEncoding.FieldSeparator", ";");
    put(bench, PROFILE "CSVEncoding.EscapeCharacter", "'");
    force(bench);
    expect(bench, "event Data A;N.1;N.2\nx,\"y\";7;8\n\n");
    put(bench, PROFILE "CSVEncoding.ReportFormat", "ParameterPerRow");
    parameter(bench, "T", "Device.Thing.1.Tags");
    parameter(bench, "W", "Device.Thing.1.When");
    force(bench);
    expect(bench, "event Data ParameterName;ParameterValue;ParameterType\nA;x,\"y\";string\n"
                  "N.1;7;unsignedInt\nN.2;8;unsignedInt\nT;;string\nW;0001-01-01T00:00:00Z;dateTime\n\n");
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "ISO-8601");
    put(bench, PROFILE "Parameter.2.Exclude", "true");
    put(bench, PROFILE "Parameter.3.Exclude", "true");
    put(bench, PROFILE "Parameter.4.Exclude", "true");
    force(bench);
    expect(bench, "event Data ReportTimestamp;ParameterName;ParameterValue;ParameterType\n"
                  "2023-11-14T22:13:20Z;A;x,\"y\";string\n\n");
    assert_int_equal(set(bench, PROFILE "CSVEncoding.RowSeparator", "x"), ERROR_INVALID_VALUE);
    expect(bench, PROFILE "CSVEncoding.RowSeparator\n");
}

/* In phase with TimeReference; nothing when it is off; a change of the interval counts from then */
static void schedule(void **state)
{
    struct bench *bench = *state;

    parameter(bench, "A", "Device.Thing.1.Number");
    use_event(bench);
    pass(bench, 9);
    expect(bench, "");
    pass(bench, 2);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    pass(bench, 10);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    put(bench, PROFILE "TimeReference", "2023-11-14T22:00:05Z"); /* now it is 22:13:41 */
    pass(bench, 3);
    expect(bench, "");
    pass(bench, 1);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    put(bench, PROFILE "TimeReference", "2040-01-01T00:00:07Z");
    pass(bench, 3);
    expect(bench, "event Data {\"Report\":[{\"A\":7}]}\n");
    put(bench, "Device.BulkData.Enable", "false");
    assert_int_equal(timers_next(&bench->loop.timers), UINT64_MAX);
    pass(bench, 30);
    expect(bench, "");
    put(bench, "Device.BulkData.Enable", "true");
    put(bench, PROFILE "Enable", "false");
    pass(bench, 30);
    expect(bench, "");
    assert_int_equal(bulk_force(bench->bulk, dm_row_find(bench->dm, STR(PROFILE)), NULL), -1);
}

#define HEADERS "Content-Type: application/json; charset=UTF-8\nBBF-Report-Format: \"NameValuePair\"\nDate\n"
#define QUERY "oui=012345&pc=Home%20%26%20Co&sn=S1"
#define POSTED(url) "POST " url "\n" HEADERS

static void use_http(struct bench *bench)
{
    parameter(bench, "A", "Device.Thing.1.Number");
    put(bench, PROFILE "Enable", "true");
}

/* R-BULK.1, R-BULK.7, R-BULK.8; URI parameters, method, credentials */
static void http(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    pass(bench, 10);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":7}]}\n");
    answer(bench, HTTP_DONE);
    add(bench, PROFILE "HTTP.", "RequestURIParameter");
    put(bench, PROFILE "HTTP.RequestURIParameter.1.Name", "n");
    put(bench, PROFILE "HTTP.RequestURIParameter.1.Reference", "Device.Thing.1.Name");
    put(bench, PROFILE "HTTP.URL", "https://c/x?k=1#f");
    put(bench, PROFILE "HTTP.Method", "PUT");
    put(bench, PROFILE "HTTP.Username", "me");
    put(bench, PROFILE "HTTP.Password", "pw");
    put(bench, PROFILE "HTTP.UseDateHeader", "false");
    put(bench, PROFILE "EncodingType", "CSV");
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "None");
    put(bench, "Device.DeviceInfo.SerialNumber", "");
    pass(bench, 10);
    expect(bench, "PUT https://c/x?k=1&eid=os%3A%3A1&n=a me:pw\nContent-Type: text/csv; charset=UTF-8; "
                  "header=present\nBBF-Report-Format: \"ParameterPerColumn\"\nA\r\n7\r\n\n");
    put(bench, PROFILE "Enable", "false");
    assert_int_equal(bench->cancels, 1);
}

/* R-BULK.2 to R-BULK.4: waits within their ranges, at the next interval at the latest, from the start after success */
static void retries(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    put(bench, PROFILE "HTTP.RetryEnable", "true");
    put(bench, PROFILE "ReportingInterval", "100");
    pass(bench, 100);
    assert_int_equal(bench->posts, 1);
    for (unsigned i = 0; i < 3; i++) {
        unsigned posts = bench->posts;

        answer(bench, HTTP_TRANSIENT);
        pass(bench, (5u << i) - 1);
        assert_int_equal(bench->posts, posts);
        pass(bench, (5u << i) + 2);
        assert_int_equal(bench->posts, posts + 1);
    }
    answer(bench, HTTP_PERMANENT); /* the next wait would be 40 to 80 s: the interval comes first, at 100 s */
    bench->said[0] = '\0';
    pass(bench, 62);
    assert_non_null(strstr(bench->said, "\n{\"Report\":[{\"A\":7}]}\n")); /* the failed one is not kept */
    answer(bench, HTTP_DONE);
    bench->said[0] = '\0';
    assert_int_equal(((struct bulk_profile *)dm_row_find(bench->dm, STR(PROFILE))->data)->retries, 0);
}

/* NumberOfRetainedFailedReports */
static void retained(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    put(bench, PROFILE "NumberOfRetainedFailedReports", "2");
    for (int i = 0; i < 4; i++) {
        char number[2] = {(char)('1' + i), '\0'};

        put(bench, "Device.Thing.1.Number", number);
        bench->said[0] = '\0';
        pass(bench, 10);
        answer(bench, HTTP_TRANSIENT);
    }
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":2},{\"A\":3},{\"A\":4}]}\n");
    pass(bench, 10); /* under way: what is gathered meanwhile follows it */
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":3},{\"A\":4},{\"A\":4}]}\n");
    put(bench, "Device.Thing.1.Number", "5");
    pass(bench, 10);
    expect(bench, "");
    answer(bench, HTTP_DONE);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":5}]}\n");
    pass(
        bench,
        10); /* the answer takes longer than an interval, and is no: what was gathered meanwhile goes at once */
    answer(bench, HTTP_TRANSIENT);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":5},{\"A\":5}]}\n");
    put(bench, PROFILE "NumberOfRetainedFailedReports", "0");
    pass(bench, 10);
    answer(bench, HTTP_TRANSIENT);
    expect(bench, POSTED("http://c/x?" QUERY) "{\"Report\":[{\"A\":5}]}\n");
    answer(bench, HTTP_TRANSIENT);
    put(bench, PROFILE "EncodingType", "CSV"); /* reports of the other encoding are gone */
    put(bench, PROFILE "CSVEncoding.RowTimestamp", "None");
    put(bench, PROFILE "NumberOfRetainedFailedReports", "-1");
    bench->refuse = true;
    pass(bench, 20);
    bench->refuse = false;
    pass(bench, 10);
    assert_non_null(strstr(bench->said, "\nA\r\n5\r\n5\r\n5\r\n\n"));
    answer(bench, HTTP_TRANSIENT);
    bench->said[0] = '\0';
    parameter(bench, "B", "Device.Thing.2.Number"); /* other columns: rows of the old ones would be misread */
    pass(bench, 10);
    assert_non_null(strstr(bench->said, "\nA,B\r\n5,8\r\n\n"));
    answer(bench, HTTP_DONE);
    assert_int_equal(bench->bulk->retained_bytes, 0);
}

/* Over MQTT: R-BULK.8a; a client that is not there costs the report, and that is kept like any other */
static void mqtt(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    put(bench, PROFILE "Protocol", "MQTT");
    put(bench, PROFILE "NumberOfRetainedFailedReports", "1");
    pass(bench, 20);
    expect(bench, "");
    add(bench, "Device.MQTT.", "Client");
    put(bench, PROFILE "MQTT.Reference", "Device.MQTT.Client.1");
    put(bench, PROFILE "MQTT.PublishTopic", "t/1");
    put(bench, PROFILE "MQTT.PublishQoS", "1");
    put(bench, PROFILE "MQTT.PublishRetain", "true");
    bench->refuse = true;
    pass(bench, 10);
    bench->refuse = false;
    pass(bench, 10);
    expect(bench, "client 1 t/1 qos 1 retain 1 application/json; charset=UTF-8\n"
                  "{\"Report\":[{\"A\":7},{\"A\":7}]}\n");
    pass(bench, 10);
    expect(bench, "client 1 t/1 qos 1 retain 1 application/json; charset=UTF-8\n{\"Report\":[{\"A\":7}]}\n");
}

/* Errors name the parameter */
static void bad_values(void **state)
{
    struct bench *bench = *state;

    parameter(bench, "", "");
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.No.Thing"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.["), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.Box.Do()"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Parameter.1.Reference", "Device.Thing.1.Ref+.Name"),
                     ERROR_INVALID_VALUE);
    expect(bench, PROFILE "Parameter.1.Reference\n" PROFILE "Parameter.1.Reference\n" PROFILE
                          "Parameter.1.Reference\n" PROFILE "Parameter.1.Reference\n");
    assert_int_equal(set(bench, PROFILE "HTTP.URL", "ftp://c/"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "HTTP.URL", "http://c/ x"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "ReportingInterval", "0"), ERROR_INVALID_VALUE);
    assert_int_equal(set(bench, PROFILE "Controller", "Device.LocalAgent.Controller.1"),
                     ERROR_PARAMETER_READ_ONLY);
    expect(bench,
           PROFILE "HTTP.URL\n" PROFILE "HTTP.URL\n" PROFILE "ReportingInterval\n" PROFILE "Controller\n");
}

/* A report has a ceiling, and so has what one message carries: the oldest reports give way */
static void large(void **state)
{
    struct bench *bench = *state;
    struct dm_row *row = dm_row_find(bench->dm, STR(PROFILE));
    char *text = malloc(65001);
    struct error err;

    memset(text, 'x', 65000);
    text[65000] = '\0';
    put(bench, "Device.Thing.1.Inside.Title", text);
    put(bench, PROFILE "NumberOfRetainedFailedReports", "-1");
    use_http(bench);
    for (int i = 0; i < 100; i++) {
        char name[4];

        snprintf(name, sizeof(name), "%d", i);
        parameter(bench, name, "Device.Thing.1.Inside.Title");
    }
    for (int i = 0; i < 3; i++) {
        pass(bench, 10);
        assert_non_null(bench->ops);
        answer(bench, HTTP_TRANSIENT);
    }
    assert_int_equal(bench->bulk->retained_bytes / 6500000, 1);
    for (int i = 100; i < 150; i++) {
        char name[4];

        snprintf(name, sizeof(name), "%d", i);
        parameter(bench, name, "Device.Thing.1.Inside.Title");
    }
    assert_int_equal(bulk_force(bench->bulk, row, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    free(text);
}

/* A profile that goes takes its timers and its post along */
static void deleted(void **state)
{
    struct bench *bench = *state;

    use_http(bench);
    pass(bench, 10);
    dm_begin(bench->dm, NULL);
    assert_int_equal(dm_delete(bench->dm, dm_row_find(bench->dm, STR(PROFILE)), NULL), 0);
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    loop_run_deferred(&bench->loop);
    assert_int_equal(bench->cancels, 1);
    assert_int_equal(bench->bulk->retained_bytes, 0);
    assert_int_equal(timers_next(&bench->loop.timers), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(csv, set_up, tear_down),
        cmocka_unit_test_setup_teardown(schedule, set_up, tear_down),
        cmocka_unit_test_setup_teardown(http, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mqtt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deleted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
