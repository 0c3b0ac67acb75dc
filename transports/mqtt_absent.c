/* SPDX-License-Identifier: BSD-3-Clause */
/* MQTT in a build without it (configure --without-mqtt): a client that can be made and never connects. */
#include "transports/mqtt.h"

#include <stdlib.h>

const bool mqtt_available = false;

struct mqtt_client {
    struct mqtt_stats stats;
    enum mqtt_status status;
};

static int absent(struct error *err)
{
    return error_set(err, ERROR_MESSAGE_NOT_SUPPORTED, NULL, "this program was built without MQTT");
}

struct mqtt_client *mqtt_client_new(struct loop *loop, const struct mqtt_ops *ops, void *ctx)
{
    (void)loop;
    (void)ops;
    (void)ctx;
    return calloc(1, sizeof(struct mqtt_client));
}

void mqtt_client_free(struct mqtt_client *client)
{
    free(client);
}

int mqtt_client_start(struct mqtt_client *client, const struct mqtt_settings *settings, struct error *err)
{
    (void)settings;
    client->status = MQTT_STATUS_ERROR;
    return absent(err);
}

int mqtt_client_configure(struct mqtt_client *client, const struct mqtt_settings *settings, struct error *err)
{
    (void)client;
    (void)settings;
    return absent(err);
}

void mqtt_client_stop(struct mqtt_client *client)
{
    client->status = MQTT_STATUS_DISABLED;
}

void mqtt_client_reconnect(struct mqtt_client *client)
{
    (void)client;
}

enum mqtt_status mqtt_client_status(const struct mqtt_client *client)
{
    return client->status;
}

const struct mqtt_stats *mqtt_client_stats(const struct mqtt_client *client)
{
    return &client->stats;
}

void mqtt_client_reset_stats(struct mqtt_client *client)
{
    (void)client;
}

int mqtt_client_publish(struct mqtt_client *client, const struct mqtt_publication *publication,
                        struct error *err)
{
    (void)client;
    (void)publication;
    return absent(err);
}

int mqtt_client_subscribe(struct mqtt_client *client, const char *topic, int qos, struct error *err)
{
    (void)client;
    (void)topic;
    (void)qos;
    return absent(err);
}

int mqtt_client_subscribe_all(struct mqtt_client *client, const struct mqtt_filter *filters, size_t count,
                              struct error *err)
{
    (void)client;
    (void)filters;
    (void)count;
    return absent(err);
}

int mqtt_client_unsubscribe(struct mqtt_client *client, const char *topic, struct error *err)
{
    (void)client;
    (void)topic;
    return absent(err);
}

bool mqtt_topic_matches(const char *filter, const char *topic)
{
    (void)filter;
    (void)topic;
    return false;
}
