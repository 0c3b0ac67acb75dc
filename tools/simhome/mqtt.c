/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/mqtt.h"

#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>

#include "tools/simhome/home.h"

enum {
    KEEPALIVE_S = 60,
    UPKEEP_MS = 10000,
    RETRY_MS = 1000,
};

struct sim_mqtt {
    struct home *home;
    struct sim_mqtt_options options;
    struct mosquitto *mosq;
    uv_poll_t *poll; /* on its own, because libuv frees it later than we go */
    struct timer retry;
    struct timer upkeep;
    bool up;
};

static void connect_broker(struct sim_mqtt *mqtt);

static struct timers *timers_of(const struct sim_mqtt *mqtt)
{
    return &mqtt->home->loop.timers;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Ends the connection without DISCONNECT: the broker then publishes the will. */
static void drop(struct sim_mqtt *mqtt)
{
    if (mqtt->poll) {
        uv_poll_stop(mqtt->poll);
        uv_close((uv_handle_t *)mqtt->poll, on_poll_closed);
        mqtt->poll = NULL;
    }
    timer_cancel(timers_of(mqtt), &mqtt->upkeep);
    mosquitto_destroy(mqtt->mosq);
    mqtt->mosq = NULL;
}

static void lost(struct sim_mqtt *mqtt)
{
    bool was_up = mqtt->up;

    drop(mqtt);
    mqtt->up = false;
    timer_arm(timers_of(mqtt), &mqtt->retry, RETRY_MS);
    if (was_up)
        mqtt->options.ops->down(mqtt->options.ctx);
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* After every call that may have queued output. */
static void watch(struct sim_mqtt *mqtt)
{
    if (mqtt->poll)
        uv_poll_start(mqtt->poll, UV_READABLE | (mosquitto_want_write(mqtt->mosq) ? UV_WRITABLE : 0),
                      on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sim_mqtt *mqtt = poll->data;
    int rc = status < 0 ? MOSQ_ERR_CONN_LOST : MOSQ_ERR_SUCCESS;

    if (rc == MOSQ_ERR_SUCCESS && events & UV_WRITABLE)
        rc = mosquitto_loop_write(mqtt->mosq, 1);
    if (rc == MOSQ_ERR_SUCCESS && events & UV_READABLE)
        rc = mosquitto_loop_read(mqtt->mosq, 1);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(mqtt);
    else
        watch(mqtt);
}

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    connect_broker(ctx);
}

static void on_upkeep(struct timer *timer, void *ctx)
{
    struct sim_mqtt *mqtt = ctx;

    if (mosquitto_loop_misc(mqtt->mosq) != MOSQ_ERR_SUCCESS) {
        lost(mqtt);
        return;
    }
    timer_arm(timers_of(mqtt), timer, UPKEEP_MS);
    watch(mqtt);
}

static void on_connect(struct mosquitto *mosq, void *ctx, int rc)
{
    struct sim_mqtt *mqtt = ctx;

    (void)mosq;
    if (rc != 0)
        return; /* the broker closes the connection next */
    mqtt->up = true;
    mqtt->options.ops->up(mqtt->options.ctx);
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
    struct sim_mqtt *mqtt = ctx;
    size_t max = mqtt->options.message_bytes ? mqtt->options.message_bytes : SIM_MQTT_MESSAGE_BYTES;

    (void)mosq;
    if ((size_t)message->payloadlen <= max)
        mqtt->options.ops->message(mqtt->options.ctx, message->topic,
                                   message->payload ? message->payload : "", (size_t)message->payloadlen,
                                   message->retain);
}

static int prepare(struct sim_mqtt *mqtt)
{
    const struct options *options = mqtt->home->options;

    mqtt->mosq = mosquitto_new(mqtt->options.client_id, true, mqtt);
    if (!mqtt->mosq)
        return -1;
    if (mqtt->options.will_topic)
        mosquitto_will_set(mqtt->mosq, mqtt->options.will_topic, (int)strlen(mqtt->options.will),
                           mqtt->options.will, 1, true);
    if (options->mqtt_username)
        mosquitto_username_pw_set(mqtt->mosq, options->mqtt_username, options->mqtt_password);
    mosquitto_connect_callback_set(mqtt->mosq, on_connect);
    mosquitto_message_callback_set(mqtt->mosq, on_message);
    mosquitto_int_option(mqtt->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    return mosquitto_connect_async(mqtt->mosq, options->mqtt_host, options->mqtt_port, KEEPALIVE_S);
}

static void connect_broker(struct sim_mqtt *mqtt)
{
    if (prepare(mqtt) != MOSQ_ERR_SUCCESS || mosquitto_socket(mqtt->mosq) < 0 ||
        !(mqtt->poll = calloc(1, sizeof(*mqtt->poll)))) {
        lost(mqtt);
        return;
    }
    uv_poll_init(&mqtt->home->loop.uv, mqtt->poll, mosquitto_socket(mqtt->mosq));
    mqtt->poll->data = mqtt;
    timer_arm(timers_of(mqtt), &mqtt->upkeep, UPKEEP_MS);
    uv_poll_start(mqtt->poll, UV_READABLE | UV_WRITABLE, on_poll);
}

struct sim_mqtt *sim_mqtt_open(struct home *home, const struct sim_mqtt_options *options)
{
    struct sim_mqtt *mqtt = calloc(1, sizeof(*mqtt));

    if (!mqtt)
        return NULL;
    mqtt->home = home;
    mqtt->options = *options;
    timer_init(&mqtt->retry, on_retry, mqtt);
    timer_init(&mqtt->upkeep, on_upkeep, mqtt);
    connect_broker(mqtt);
    return mqtt;
}

void sim_mqtt_close(struct sim_mqtt *mqtt)
{
    if (!mqtt)
        return;
    timer_cancel(timers_of(mqtt), &mqtt->retry);
    drop(mqtt);
    free(mqtt);
}

void sim_mqtt_subscribe(struct sim_mqtt *mqtt, const char *topic)
{
    if (!mqtt->mosq)
        return;
    mosquitto_subscribe(mqtt->mosq, NULL, topic, 1);
    watch(mqtt);
}

void sim_mqtt_publish(struct sim_mqtt *mqtt, const char *topic, const void *data, size_t len, int qos,
                      bool retain)
{
    if (!mqtt->mosq)
        return;
    mosquitto_publish(mqtt->mosq, NULL, topic, (int)len, data, qos, retain);
    watch(mqtt);
}
