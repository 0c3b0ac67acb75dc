/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one client to the LAN's broker, shared by all dialects: keeps their subscriptions over reconnects and hands each
 * message on. Owned by the home; loop's thread only.
 */
#ifndef DEVICES_LAN_MQTT_H
#define DEVICES_LAN_MQTT_H

#include "transports/mqtt.h"

struct lan_mqtt;

struct lan_mqtt_ops {
    void (*message)(void *ctx, const struct mqtt_message *message);
    /* The broker is there; or it has been away for longer than a hiccup. */
    void (*broker)(void *ctx, bool connected);
};

struct lan_mqtt_settings {
    const char *host;
    uint16_t port;
    const char *username; /* NULL: none */
    const char *password;
    bool tls;
    struct tls_settings tls_settings;
};

struct lan_mqtt *lan_mqtt_new(struct loop *loop, const struct lan_mqtt_ops *ops, void *ctx);
void lan_mqtt_free(struct lan_mqtt *lan);
int lan_mqtt_start(struct lan_mqtt *lan, const struct lan_mqtt_settings *settings, struct error *err);

/* Kept until unsubscribed; asked for when the broker is there. -1: LIMIT_LAN_TOPICS, or memory is out. */
int lan_mqtt_subscribe(struct lan_mqtt *lan, const char *topic, struct error *err);
int lan_mqtt_unsubscribe(struct lan_mqtt *lan, const char *topic, struct error *err);
int lan_mqtt_publish(struct lan_mqtt *lan, const struct mqtt_publication *publication, struct error *err);
bool lan_mqtt_connected(const struct lan_mqtt *lan);

#endif
