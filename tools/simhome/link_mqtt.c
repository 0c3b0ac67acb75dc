/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device on the LAN's MQTT broker: one connection per device, topics below its own id. Requests come on ID/rpc,
 * answers go to PEER/rpc, notifications to ID/events/rpc, and ID/online (retained) is its last will.
 */
#include "tools/simhome/link.h"

#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/simhome/device.h"
#include "tools/simhome/home.h"

enum {
    KEEPALIVE_S = 60,
    UPKEEP_MS = 10000,
    TOPIC_BYTES = 512,
};

struct link {
    struct device *device;
    struct mosquitto *mosq;
    uv_poll_t *poll; /* on its own, because libuv frees it later than we go */
    struct timer retry;
    struct timer upkeep;
};

static void connect_broker(struct link *link);

static struct timers *timers_of(const struct link *link)
{
    return &link->device->home->loop.timers;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Ends the connection without DISCONNECT: the broker then publishes the will. */
static void drop(struct link *link)
{
    if (link->poll) {
        uv_poll_stop(link->poll);
        uv_close((uv_handle_t *)link->poll, on_poll_closed);
        link->poll = NULL;
    }
    timer_cancel(timers_of(link), &link->upkeep);
    mosquitto_destroy(link->mosq);
    link->mosq = NULL;
}

static void lost(struct link *link)
{
    drop(link);
    timer_arm(timers_of(link), &link->retry, LINK_RETRY_MS);
    if (link->device->linked)
        device_link_down(link->device);
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* After every call that may have queued output. */
static void watch(struct link *link)
{
    if (link->poll)
        uv_poll_start(link->poll, UV_READABLE | (mosquitto_want_write(link->mosq) ? UV_WRITABLE : 0),
                      on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;
    int rc = status < 0 ? MOSQ_ERR_CONN_LOST : MOSQ_ERR_SUCCESS;

    if (rc == MOSQ_ERR_SUCCESS && events & UV_WRITABLE)
        rc = mosquitto_loop_write(link->mosq, 1);
    if (rc == MOSQ_ERR_SUCCESS && events & UV_READABLE)
        rc = mosquitto_loop_read(link->mosq, 1);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(link);
    else
        watch(link);
}

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    connect_broker(ctx);
}

static void on_upkeep(struct timer *timer, void *ctx)
{
    struct link *link = ctx;

    if (mosquitto_loop_misc(link->mosq) != MOSQ_ERR_SUCCESS) {
        lost(link);
        return;
    }
    timer_arm(timers_of(link), timer, UPKEEP_MS);
    watch(link);
}

static void on_connect(struct mosquitto *mosq, void *ctx, int rc)
{
    struct link *link = ctx;
    char topic[TOPIC_BYTES];

    if (rc != 0)
        return; /* the broker closes the connection next */
    snprintf(topic, sizeof(topic), "%s/rpc", link->device->id);
    mosquitto_subscribe(mosq, NULL, topic, 1);
    snprintf(topic, sizeof(topic), "%s/online", link->device->id);
    mosquitto_publish(mosq, NULL, topic, 4, "true", 1, true);
    device_link_up(link->device);
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
    struct link *link = ctx;

    (void)mosq;
    if (message->payloadlen > 0 && message->payloadlen <= LINK_FRAME_BYTES)
        device_receive(link->device, message->payload, (size_t)message->payloadlen);
}

static int prepare(struct link *link)
{
    const struct options *options = link->device->home->options;
    char topic[TOPIC_BYTES];

    link->mosq = mosquitto_new(link->device->id, true, link);
    if (!link->mosq)
        return -1;
    snprintf(topic, sizeof(topic), "%s/online", link->device->id);
    mosquitto_will_set(link->mosq, topic, 5, "false", 1, true);
    if (options->mqtt_username)
        mosquitto_username_pw_set(link->mosq, options->mqtt_username, options->mqtt_password);
    mosquitto_connect_callback_set(link->mosq, on_connect);
    mosquitto_message_callback_set(link->mosq, on_message);
    mosquitto_int_option(link->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    return mosquitto_connect_async(link->mosq, options->mqtt_host, options->mqtt_port, KEEPALIVE_S);
}

static void connect_broker(struct link *link)
{
    uv_loop_t *loop = &link->device->home->loop.uv;

    if (prepare(link) != MOSQ_ERR_SUCCESS || mosquitto_socket(link->mosq) < 0 ||
        !(link->poll = calloc(1, sizeof(*link->poll)))) {
        lost(link);
        return;
    }
    uv_poll_init(loop, link->poll, mosquitto_socket(link->mosq));
    link->poll->data = link;
    timer_arm(timers_of(link), &link->upkeep, UPKEEP_MS);
    uv_poll_start(link->poll, UV_READABLE | UV_WRITABLE, on_poll);
}

static struct link *mqtt_open(struct device *device)
{
    struct link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->device = device;
    timer_init(&link->retry, on_retry, link);
    timer_init(&link->upkeep, on_upkeep, link);
    connect_broker(link);
    return link;
}

static void mqtt_close(struct link *link)
{
    timer_cancel(timers_of(link), &link->retry);
    drop(link);
    free(link);
}

static void mqtt_send(struct link *link, const char *peer, const char *frame, size_t len, bool firm)
{
    char topic[TOPIC_BYTES];

    if (!link->mosq)
        return;
    if (peer)
        snprintf(topic, sizeof(topic), "%.500s/rpc", peer);
    else
        snprintf(topic, sizeof(topic), "%s/events/rpc", link->device->id);
    mosquitto_publish(link->mosq, NULL, topic, (int)len, frame, firm ? 1 : 0, false);
    watch(link);
}

const struct link_ops link_mqtt = {.name = "mqtt", .open = mqtt_open, .close = mqtt_close, .send = mqtt_send};
