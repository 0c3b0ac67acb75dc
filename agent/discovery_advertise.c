/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of the agent is seen on the LAN by multicast DNS: the MTP rows that have EnableMDNS and are Up, for only those listen
 * (R-DIS.4). The UNIX socket is of this machine alone and is not advertised.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "agent/discovery.h"
#include "agent/mtp_mqtt.h"
#include "base/log.h"

enum {
    TXT_BYTES = 256, /* one string of TXT: 255 and the end */
    TXT_COUNT = 3,   /* path, name, encrypt */
    TEXT_BYTES = 16384,
};

/* One service and the texts that it points to. */
struct advertisement {
    struct mdns_service service;
    char path[TXT_BYTES];
    char name[TXT_BYTES];
    const char *txt[TXT_COUNT + 1];
};

/* ---- one row ---- */

static const char *friendly_name(const struct mtp *mtp, char scratch[DM_SCRATCH_BYTES])
{
    struct dm_row *row = dm_row_find(mtp->dm, STR("Device.DeviceInfo."));
    struct str text = row ? dm_get_text(row, dm_node_param(row->node, "FriendlyName"), scratch) : STR("");

    return text.len ? text.data : ""; /* strings of a row are terminated */
}

/* R-DIS.9, R-DIS.10, R-DIS.11a. False: the path does not fit into a TXT string. */
static bool describe(struct advertisement *ad, const struct mtp *mtp, const char *path, bool encrypt)
{
    char scratch[DM_SCRATCH_BYTES];

    if (snprintf(ad->path, sizeof(ad->path), "path=%s", path ? path : "") >= TXT_BYTES ||
        snprintf(ad->name, sizeof(ad->name), "name=%s", friendly_name(mtp, scratch)) >= TXT_BYTES)
        return false;
    ad->txt[0] = ad->path;
    ad->txt[1] = ad->name;
    ad->txt[2] = encrypt ? "encrypt" : NULL;
    ad->txt[TXT_COUNT] = NULL;
    ad->service.txt = ad->txt;
    ad->service.instance = usp_endpoint_id(mtp->usp);
    ad->service.subtype = "_gateway";
    return true;
}

/* R-WS.3 */
static bool describe_websocket(struct advertisement *ad, const struct mtp *mtp, const struct local_mtp *local)
{
    ad->service.type = "_usp-agt-ws._tcp";
    ad->service.port = (uint16_t)local->websocket_port;
    return describe(ad, mtp, local->websocket_path, local->websocket_encryption);
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* R-MQTT.36, R-MQTT.38: the topic is the path, and the broker is the host. One that only we reach is of no use to others. */
static bool describe_mqtt(struct advertisement *ad, struct mtp *mtp, struct dm_row *row)
{
    const struct usp_channel *channel = mtp_mqtt_channel(mtp, row);
    const struct mqtt_carrier *carrier = channel ? channel->ctx : NULL;
    const struct mqtt_row *client = carrier ? mqtt_row_of(carrier) : NULL;
    uint8_t address[16];

    if (!client || !carrier->reply_topic || is_loopback(client->broker_address))
        return false;
    ad->service.type = "_usp-agt-mqtt._tcp";
    ad->service.port = (uint16_t)client->broker_port;
    if (inet_pton(AF_INET, client->broker_address, address) == 1 ||
        inet_pton(AF_INET6, client->broker_address, address) == 1)
        ad->service.address = client->broker_address;
    else
        ad->service.host = client->broker_address;
    ad->service.host_label = "mqtt";
    return describe(ad, mtp, carrier->reply_topic,
                    client->transport_protocol && strcmp(client->transport_protocol, "TLS") == 0);
}

/* ---- all of them ---- */

static bool has_type(const struct advertisement *ads, size_t count, const char *type)
{
    while (count--)
        if (strcmp(ads[count].service.type, type) == 0)
            return true;
    return false;
}

/* One of each protocol, for they have one name (TR-181, EnableMDNS). */
static size_t gather(struct mtp *mtp, struct advertisement ads[2])
{
    struct dm_row *local_agent = dm_row_find(mtp->dm, STR("Device.LocalAgent."));
    struct dm_row *const *rows;
    uint32_t count = local_agent ? dm_rows(local_agent, mtp->local_mtp, &rows) : 0;
    size_t n = 0;

    for (uint32_t i = 0; i < count && n < 2; i++) {
        const struct local_mtp *local = rows[i]->data;
        bool good = false;

        ads[n] = (struct advertisement){.txt = {NULL}};
        if (!local->row.enable || !local->enable_mdns || local->status != LOCAL_MTP_UP)
            continue;
        if (model_is_websocket(rows[i]))
            good = describe_websocket(&ads[n], mtp, local);
        else if (model_is_mqtt(rows[i]))
            good = describe_mqtt(&ads[n], mtp, rows[i]);
        if (good && !has_type(ads, n, ads[n].service.type))
            n++;
    }
    return n;
}

static void write_down(struct buf *to, const struct mdns_service *service)
{
    buf_printf(to, "%s %s %u %s %s\n", service->instance, service->type, service->port,
               service->host ? service->host : "-", service->address ? service->address : "-");
    for (size_t i = 0; service->txt[i]; i++)
        buf_printf(to, " %s\n", service->txt[i]);
}

static void on_advertise(void *ctx)
{
    struct agent_discovery *discovery = ctx;
    struct mdns_service services[2];
    struct advertisement ads[2];
    size_t count = gather(discovery->mtp, ads);
    struct error err;
    struct buf text;

    buf_init(&text, TEXT_BYTES, 0);
    for (size_t i = 0; i < count; i++) {
        services[i] = ads[i].service;
        write_down(&text, &services[i]);
    }
    if (!text.failed && text.len == discovery->advertised.len &&
        (!text.len || memcmp(buf_data(&text), buf_data(&discovery->advertised), text.len) == 0)) {
        buf_done(&text);
        return;
    }
    buf_done(&discovery->advertised);
    discovery->advertised = text;
    if (mdns_advertise(discovery->mdns, services, count, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "multicast DNS", &err);
    else
        log_debug("multicast DNS: %zu message transfer protocols to advertise", count);
}

/* Whatever an advertisement is made of may have changed: it is looked at once, at the end of the iteration. */
static void on_feed(void *ctx, const void *event)
{
    struct agent_discovery *discovery = ctx;
    const struct mtp *mtp = discovery->mtp;
    const struct dm_feed *feed = event;
    const struct dm_node *node = feed->row ? feed->row->node : NULL;

    if (!node || feed->type > DM_FEED_DELETED || mtp->stopping)
        return;
    if (node == mtp->local_mtp || node->parent == mtp->local_mtp || node == mtp->mqtt_client ||
        strcmp(node->path, "Device.DeviceInfo.") == 0)
        loop_defer(mtp->loop, &discovery->advertise);
}

/* ---- the daemon ---- */

static void on_state(void *ctx, bool present, const char *why)
{
    const struct agent_discovery *discovery = ctx;

    if (present)
        log_info("multicast DNS: the Avahi daemon is there");
    else
        log_info("multicast DNS waits for the Avahi daemon: %s", why);
    if (discovery->heard_daemon)
        discovery->heard_daemon(discovery->instance_ctx, present);
}

static void on_refused(void *ctx, const struct error *err)
{
    (void)ctx;
    log_failure(LOG_LEVEL_WARNING, "multicast DNS does not advertise", err);
}

static void on_instance(void *ctx, const struct mdns_instance *instance, bool present)
{
    struct agent_discovery *discovery = ctx;

    if (discovery->instance)
        discovery->instance(discovery->instance_ctx, instance, present);
}

static const struct mdns_ops ops = {.state = on_state, .refused = on_refused, .instance = on_instance};

static void *start_name(void *ctx, const char *host,
                        void (*done)(void *done_ctx, const char *address, const struct error *err),
                        void *done_ctx, struct error *err)
{
    struct agent_discovery *discovery = ctx;

    if (discovery->mdns)
        return mdns_resolve(discovery->mdns, host, done, done_ctx, err);
    error_set(err, ERROR_INTERNAL, host, "the agent stops");
    return NULL;
}

static void cancel_name(void *ctx, void *lookup)
{
    struct agent_discovery *discovery = ctx;

    if (discovery->mdns) /* else it ended with it */
        mdns_resolve_cancel(discovery->mdns, lookup);
}

void discovery_advertise_start(struct agent_discovery *discovery)
{
    struct loop *loop = discovery->mtp->loop;
    struct error err;

    if (!mdns_available)
        return;
    discovery->mdns = mdns_new(loop, &ops, discovery, &err);
    if (!discovery->mdns) {
        log_failure(LOG_LEVEL_ERROR, "multicast DNS", &err);
        return;
    }
    discovery->names = (struct local_names){.start = start_name, .cancel = cancel_name, .ctx = discovery};
    loop->local_names = &discovery->names;
    discovery->advertise = (struct deferred){.fn = on_advertise, .ctx = discovery};
    discovery->feed = (struct observer){.fn = on_feed, .ctx = discovery};
    observer_add(dm_observers(discovery->mtp->dm), &discovery->feed);
    loop_defer(loop, &discovery->advertise);
}

void discovery_advertise_stop(struct agent_discovery *discovery)
{
    if (!discovery->mdns)
        return;
    observer_remove(dm_observers(discovery->mtp->dm), &discovery->feed);
    loop_undefer(discovery->mtp->loop, &discovery->advertise);
    mdns_free(discovery->mdns);
    discovery->mdns = NULL;
    buf_done(&discovery->advertised);
}
