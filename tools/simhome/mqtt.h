/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection of one device to the LAN's broker (--mqtt), on the home's loop. It keeps trying until it is closed. What
 * is told: up() after CONNACK, down() when it is lost, message() for each message.
 */
#ifndef TOOLS_SIMHOME_MQTT_H
#define TOOLS_SIMHOME_MQTT_H

#include <stdbool.h>
#include <stddef.h>

struct home;
struct sim_mqtt;

enum {
    SIM_MQTT_MESSAGE_BYTES = 256 * 1024, /* a longer message from the gateway is dropped */
};

struct sim_mqtt_ops {
    void (*up)(void *ctx);
    void (*down)(void *ctx);
    /* The strings are borrowed for the call; topic ends with NUL, data does not. */
    void (*message)(void *ctx, const char *topic, const char *data, size_t len, bool retained);
};

struct sim_mqtt_options {
    const char *client_id;
    const char *will_topic; /* NULL: none. Retained, QoS 1 */
    const char *will;
    size_t message_bytes; /* the longest message that is taken; 0: SIM_MQTT_MESSAGE_BYTES */
    const struct sim_mqtt_ops *ops;
    void *ctx;
};

/* Begins to connect. The options' strings must outlive it. NULL: memory. */
struct sim_mqtt *sim_mqtt_open(struct home *home, const struct sim_mqtt_options *options);
/* Breaks the connection as a power cut does: the broker publishes the will. Not from within up() or message(). */
void sim_mqtt_close(struct sim_mqtt *mqtt);

/* Nothing happens while it is not connected. */
void sim_mqtt_subscribe(struct sim_mqtt *mqtt, const char *topic);
void sim_mqtt_publish(struct sim_mqtt *mqtt, const char *topic, const void *data, size_t len, int qos,
                      bool retain);

#endif
