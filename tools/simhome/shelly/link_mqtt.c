/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Shelly device on the LAN's MQTT broker: one connection per device, topics below its own id. Requests come on ID/rpc,
 * answers go to PEER/rpc, notifications to ID/events/rpc, and ID/online (retained) is its last will.
 */
#include "tools/simhome/shelly/link.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/simhome/mqtt.h"
#include "tools/simhome/shelly/shelly.h"

enum {
    TOPIC_BYTES = 512,
};

struct shelly_link {
    struct shelly *device;
    struct sim_mqtt *mqtt;
    char online[TOPIC_BYTES];
};

static void on_up(void *ctx)
{
    struct shelly_link *link = ctx;
    char topic[TOPIC_BYTES];

    snprintf(topic, sizeof(topic), "%s/rpc", link->device->base.id);
    sim_mqtt_subscribe(link->mqtt, topic);
    sim_mqtt_publish(link->mqtt, link->online, "true", 4, 1, true);
    shelly_link_up(link->device);
}

static void on_down(void *ctx)
{
    struct shelly_link *link = ctx;

    shelly_link_down(link->device);
}

static void on_message(void *ctx, const char *topic, const char *data, size_t len, bool retained)
{
    struct shelly_link *link = ctx;

    (void)topic;
    (void)retained;
    if (len)
        shelly_receive(link->device, data, len);
}

static const struct sim_mqtt_ops ops = {.up = on_up, .down = on_down, .message = on_message};

static struct shelly_link *mqtt_open(struct shelly *device)
{
    struct shelly_link *link = calloc(1, sizeof(*link));
    struct sim_mqtt_options options = {
        .client_id = device->base.id, .will = "false", .message_bytes = LINK_FRAME_BYTES, .ops = &ops};

    if (!link)
        return NULL;
    link->device = device;
    snprintf(link->online, sizeof(link->online), "%s/online", device->base.id);
    options.will_topic = link->online;
    options.ctx = link;
    link->mqtt = sim_mqtt_open(device->base.home, &options);
    if (link->mqtt)
        return link;
    free(link);
    return NULL;
}

static void mqtt_close(struct shelly_link *link)
{
    sim_mqtt_close(link->mqtt);
    free(link);
}

static void mqtt_send(struct shelly_link *link, const char *peer, const char *frame, size_t len, bool firm)
{
    char topic[TOPIC_BYTES];

    if (peer)
        snprintf(topic, sizeof(topic), "%.500s/rpc", peer);
    else
        snprintf(topic, sizeof(topic), "%s/events/rpc", link->device->base.id);
    sim_mqtt_publish(link->mqtt, topic, frame, len, firm ? 1 : 0, false);
}

const struct shelly_link_ops link_mqtt = {
    .name = "mqtt", .open = mqtt_open, .close = mqtt_close, .send = mqtt_send};
