/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/lan_mqtt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"

enum {
    KEEP_ALIVE_S = 30,
    RETRY_S = 2,
    RETRY_MULTIPLIER = 2000,
    RETRY_MAX_S = 30,
    SUBSCRIBE_BATCH = 256, /* filters in one packet */
    HICCUP_MS = 15000,     /* a broker that is back by then was never away, as far as devices are concerned */
};

struct lan_mqtt {
    struct loop *loop;
    const struct lan_mqtt_ops *ops;
    void *ctx;
    struct mqtt_client *client;
    struct map topics; /* filter -> itself, malloc'ed */
    struct timer away;
    bool connected;
    bool told; /* what the dialects were last told */
    bool complained;
    char client_id[32];
};

static void subscribe_all(struct lan_mqtt *lan)
{
    struct mqtt_filter filters[SUBSCRIBE_BATCH];
    struct error err = {0};
    const char *topic;
    size_t at = 0;

    do {
        size_t count = 0;

        while (count < SUBSCRIBE_BATCH && (topic = map_next(&lan->topics, &at)))
            filters[count++] = (struct mqtt_filter){.topic = topic, .qos = 1};
        if (count && mqtt_client_subscribe_all(lan->client, filters, count, &err) < 0) {
            log_failure(LOG_LEVEL_ERROR, "not all devices at the LAN's broker will be heard", &err);
            return;
        }
    } while (topic);
}

static void connected(void *ctx, const struct mqtt_connack *connack)
{
    struct lan_mqtt *lan = ctx;

    (void)connack;
    lan->connected = true;
    lan->complained = false;
    timer_cancel(&lan->loop->timers, &lan->away);
    log_info("connected to the LAN's broker");
    subscribe_all(lan);
    lan->told = true;
    lan->ops->broker(lan->ctx, true);
}

static void disconnected(void *ctx, const struct error *err)
{
    struct lan_mqtt *lan = ctx;

    if (!lan->complained)
        log_failure(LOG_LEVEL_WARNING, "the LAN's broker", err);
    lan->complained = true;
    lan->connected = false;
    if (lan->told && !timer_armed(&lan->away))
        timer_arm(&lan->loop->timers, &lan->away, HICCUP_MS);
}

static void on_away(struct timer *timer, void *ctx)
{
    struct lan_mqtt *lan = ctx;

    (void)timer;
    lan->told = false;
    lan->ops->broker(lan->ctx, false);
}

static void subscribed(void *ctx, const char *topic, int qos_or_reason)
{
    (void)ctx;
    if (qos_or_reason >= 0x80)
        log_warning(
            "the LAN's broker refuses the subscription \"%s\": reason 0x%02x; see its access control list",
            topic, (unsigned)qos_or_reason);
}

static void message(void *ctx, const struct mqtt_message *in)
{
    struct lan_mqtt *lan = ctx;

    lan->ops->message(lan->ctx, in);
}

static const struct mqtt_ops mqtt_ops = {
    .connected = connected,
    .disconnected = disconnected,
    .subscribed = subscribed,
    .message = message,
};

struct lan_mqtt *lan_mqtt_new(struct loop *loop, const struct lan_mqtt_ops *ops, void *ctx)
{
    struct lan_mqtt *lan = calloc(1, sizeof(*lan));
    uint32_t random = 0;

    if (!lan)
        return NULL;
    lan->loop = loop;
    lan->ops = ops;
    lan->ctx = ctx;
    map_init(&lan->topics);
    timer_init(&lan->away, on_away, lan);
    /* A name of its own for each process: a broker ends the older of two connections of one name. */
    if (getrandom(&random, sizeof(random), 0) < 0)
        random = (uint32_t)(uintptr_t)lan;
    snprintf(lan->client_id, sizeof(lan->client_id), "homepatch-%08x", random);
    lan->client = mqtt_client_new(loop, &mqtt_ops, lan);
    if (!lan->client) {
        lan_mqtt_free(lan);
        return NULL;
    }
    return lan;
}

void lan_mqtt_free(struct lan_mqtt *lan)
{
    char *topic;
    size_t at = 0;

    if (!lan)
        return;
    mqtt_client_free(lan->client);
    timer_cancel(&lan->loop->timers, &lan->away);
    while ((topic = map_next(&lan->topics, &at)))
        free(topic);
    map_done(&lan->topics);
    free(lan);
}

int lan_mqtt_start(struct lan_mqtt *lan, const struct lan_mqtt_settings *settings, struct error *err)
{
    struct mqtt_settings mqtt = {
        .version = MQTT_3_1_1, /* what every broker in a home speaks */
        .host = settings->host,
        .port = settings->port,
        .client_id = lan->client_id,
        .username = settings->username,
        .password = settings->password,
        .keep_alive_s = KEEP_ALIVE_S,
        .clean = true,
        .retry_s = RETRY_S,
        .retry_multiplier = RETRY_MULTIPLIER,
        .retry_max_s = RETRY_MAX_S,
        .tls = settings->tls,
        .tls_settings = settings->tls_settings,
    };

    return mqtt_client_start(lan->client, &mqtt, err);
}

int lan_mqtt_subscribe(struct lan_mqtt *lan, const char *topic, struct error *err)
{
    char *copy;

    if (map_get(&lan->topics, str_of(topic)))
        return 0;
    if (lan->topics.count >= LIMIT_LAN_TOPICS)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, topic, "%u topics are subscribed already",
                         LIMIT_LAN_TOPICS);
    copy = str_dup(topic, strlen(topic));
    if (!copy || map_put(&lan->topics, str_of(copy), copy) < 0) {
        free(copy);
        return error_set(err, ERROR_INTERNAL, topic, "out of memory");
    }
    return lan->connected ? mqtt_client_subscribe(lan->client, topic, 1, err) : 0;
}

int lan_mqtt_unsubscribe(struct lan_mqtt *lan, const char *topic, struct error *err)
{
    char *copy = map_remove(&lan->topics, str_of(topic));
    int rc = 0;

    if (copy && lan->connected)
        rc = mqtt_client_unsubscribe(lan->client, topic, err);
    free(copy);
    return rc;
}

int lan_mqtt_publish(struct lan_mqtt *lan, const struct mqtt_publication *publication, struct error *err)
{
    if (!lan->connected)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the LAN's broker is not connected");
    return mqtt_client_publish(lan->client, publication, err);
}

bool lan_mqtt_connected(const struct lan_mqtt *lan)
{
    return lan->connected;
}
