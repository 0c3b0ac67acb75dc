/* SPDX-License-Identifier: BSD-3-Clause */
/* Delivery: reports become one message, and that goes out by HTTP, by MQTT or as an event. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "bulk/profile.h"

enum {
    URL_BYTES = 16 << 10,
    HEADER_BYTES = 64,
};

static const char *content_type(const struct bulk_profile *profile)
{
    /* R-BULK.7, R-BULK.8a, R-BULK.11 */
    return profile->encoding == BULK_JSON ? "application/json; charset=UTF-8"
                                          : "text/csv; charset=UTF-8; header=present";
}

static const char *report_format(const struct bulk_profile *profile)
{
    if (profile->encoding == BULK_JSON)
        return profile->json.format == BULK_OBJECT_HIERARCHY ? "ObjectHierarchy" : "NameValuePair";
    return profile->csv.format == BULK_PER_ROW ? "ParameterPerRow" : "ParameterPerColumn";
}

/* All reports that wait, oldest first, in one message. */
static int assemble(const struct bulk_profile *profile, struct buf *out)
{
    buf_init(out, LIMIT_BULK_REPORT_BYTES, 0);
    if (profile->encoding == BULK_JSON)
        buf_append_str(out, "{\"Report\":[");
    else
        buf_append(out, buf_data(&profile->reports->header), profile->reports->header.len);
    for (const struct bulk_report *report = profile->reports; report; report = report->next) {
        if (profile->encoding == BULK_JSON && report != profile->reports)
            buf_append_byte(out, ',');
        buf_append(out, buf_data(&report->body), report->body.len);
    }
    if (profile->encoding == BULK_JSON)
        buf_append_str(out, "]}");
    return out->failed ? -1 : 0;
}

/* ---- HTTP ---- */

static void write_escaped(struct buf *url, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c))
            buf_append_byte(url, c);
        else
            buf_printf(url, "%%%02X", c);
    }
}

static void write_pair(struct buf *url, struct str name, struct str value)
{
    const char *text = buf_cstr(url);

    buf_append_byte(url, text && strchr(text, '?') ? '&' : '?');
    write_escaped(url, name);
    buf_append_byte(url, '=');
    write_escaped(url, value);
}

static struct str read_param(const struct bulk *bulk, const char *object, const char *name,
                             char scratch[DM_SCRATCH_BYTES])
{
    struct dm_row *row = dm_row_find(bulk->dm, str_of(object));
    int param = row ? dm_node_param(row->node, name) : -1;

    return param < 0 ? STR("") : dm_get_text(row, param, scratch);
}

/* R-BULK.1: who the gateway is; by its Endpoint ID where the parts of its name are not all known. */
static void write_identity(const struct bulk *bulk, struct buf *url)
{
    char scratch[3][DM_SCRATCH_BYTES];
    struct str oui = read_param(bulk, "Device.DeviceInfo.", "ManufacturerOUI", scratch[0]);
    struct str product_class = read_param(bulk, "Device.DeviceInfo.", "ProductClass", scratch[1]);
    struct str serial = read_param(bulk, "Device.DeviceInfo.", "SerialNumber", scratch[2]);

    if (oui.len && product_class.len && serial.len) {
        write_pair(url, STR("oui"), oui);
        write_pair(url, STR("pc"), product_class);
        write_pair(url, STR("sn"), serial);
    } else {
        write_pair(url, STR("eid"), read_param(bulk, "Device.LocalAgent.", "EndpointID", scratch[0]));
    }
}

static void write_uri_parameters(struct bulk_profile *profile, struct buf *url)
{
    struct arena arena;
    struct bulk_items items = {.arena = &arena};
    struct bulk_gather gather = {.dm = profile->bulk->dm, .items = &items};
    struct dm_row *http = dm_row_child(profile->row, dm_node_child(profile->row->node, STR("HTTP")));
    struct dm_row *const *rows;
    uint32_t count = dm_rows(http, dm_node_child(http->node, STR("RequestURIParameter")), &rows);

    if (!bulk_may_see(profile, &gather.access))
        return;
    arena_init(&arena, LIMIT_BULK_GATHER_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        const struct bulk_uri_parameter *parameter = rows[i]->data;

        if (parameter->reference && bulk_gather(&gather, str_of(parameter->name ? parameter->name : ""),
                                                str_of(parameter->reference), NULL) < 0)
            break;
    }
    for (uint32_t i = 0; i < items.count; i++)
        write_pair(url, items.items[i].name, items.items[i].value);
    arena_done(&arena);
}

static const char *make_url(struct bulk_profile *profile, struct buf *url)
{
    const char *base = profile->url ? profile->url : "";

    buf_init(url, URL_BYTES, 0);
    buf_append(url, base, strcspn(base, "#"));
    write_identity(profile->bulk, url);
    write_uri_parameters(profile, url);
    return buf_cstr(url);
}

/* R-BULK.2, R-BULK.3: until it succeeds, or until the next interval begins (which stops the timer). */
static void on_failed(struct bulk_profile *profile)
{
    struct loop *loop = profile->bulk->loop;
    bool newer = profile->reports_count > profile->sending;

    profile->sending = 0;
    if (newer) { /* the next interval began meanwhile */
        bulk_keep(profile, 1);
        bulk_deliver(profile);
        return;
    }
    if (!profile->retry)
        return;
    profile->retries++;
    timer_arm(&loop->timers, &profile->again,
              timer_backoff(profile->retry_minimum, profile->retry_multiplier, profile->retries, 0));
}

static void on_posted(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct bulk_profile *profile = ctx;

    (void)err;
    profile->post = NULL;
    if (outcome != HTTP_DONE) {
        on_failed(profile);
        return;
    }
    profile->retries = 0; /* R-BULK.4 */
    bulk_drop(profile, profile->sending);
    profile->sending = 0;
    bulk_deliver(profile); /* what was gathered meanwhile */
}

static const struct http_fetch_ops post_ops = {.body = http_post_ignore, .done = on_posted};

static void post(struct bulk_profile *profile, struct buf *content)
{
    struct bulk *bulk = profile->bulk;
    char type[HEADER_BYTES];
    char format[HEADER_BYTES];
    const char *headers[] = {type, format, NULL};
    struct buf url;
    struct http_post settings = {
        .url = make_url(profile, &url),
        .username = profile->username && profile->username[0] ? profile->username : NULL,
        .password = profile->password,
        .method = profile->method ? "PUT" : "POST",
        .headers = headers,
        .date = profile->use_date_header ? clock_wall(&bulk->loop->clock) : 0,
        .tls = bulk->tls,
    };

    snprintf(type, sizeof(type), "Content-Type: %s", content_type(profile));
    snprintf(format, sizeof(format), "BBF-Report-Format: \"%s\"", report_format(profile)); /* R-BULK.8 */
    profile->sending = profile->reports_count;
    if (settings.url)
        profile->post = bulk->ops->post(bulk->ctx, &settings, content, &post_ops, profile, NULL);
    if (!profile->post)
        on_failed(profile);
    buf_done(&url);
}

/* ---- MQTT, USPEventNotif ---- */

static void publish(struct bulk_profile *profile, const struct buf *content)
{
    struct bulk *bulk = profile->bulk;
    struct dm_row *client = profile->mqtt_reference && profile->mqtt_reference[0]
                                ? dm_row_find(bulk->dm, str_of(profile->mqtt_reference))
                                : NULL;
    struct mqtt_publication publication = {
        .topic = profile->mqtt_topic,
        .payload = buf_data(content),
        .len = content->len,
        .qos = (int)profile->mqtt_qos,
        .retain = profile->mqtt_retain,
        .content_type = content_type(profile),
    };

    if (!client || !profile->mqtt_topic || !profile->mqtt_topic[0])
        return;
    /* From here on it is the client's: QoS and session decide what becomes of it (TR-369, A.3). */
    if (bulk->ops->publish(bulk->ctx, client, &publication, NULL) == 0)
        bulk_drop(profile, profile->reports_count);
}

static void push(struct bulk_profile *profile, struct buf *content)
{
    struct dm_pair args[] = {{"Data", buf_cstr(content)}};

    if (args[0].value)
        dm_raise(profile->bulk->dm, profile->row, "Push!", args, 1);
    bulk_drop(profile, profile->reports_count);
}

void bulk_deliver(struct bulk_profile *profile)
{
    struct buf content;

    if (!profile->reports || profile->post)
        return;
    bulk_fit(profile);
    if (assemble(profile, &content) < 0) {
        bulk_drop(profile, profile->reports_count); /* they fit, so this is memory */
        buf_done(&content);
        return;
    }
    switch (profile->protocol) {
    case BULK_HTTP:
        post(profile, &content);
        break;
    case BULK_MQTT:
        publish(profile, &content);
        break;
    case BULK_EVENT:
        push(profile, &content);
        break;
    }
    buf_done(&content);
}

void bulk_cancel(struct bulk_profile *profile)
{
    if (profile->post)
        profile->bulk->ops->cancel(profile->bulk->ctx, profile->post);
    profile->post = NULL;
    profile->sending = 0;
}
