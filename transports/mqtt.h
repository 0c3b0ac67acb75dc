/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An MQTT client (5.0 and 3.1.1) on the event loop: connects, keeps connected with the standard's back-off, publishes,
 * subscribes. It knows topics and bytes, not USP. libmosquitto runs inside the loop (its socket is polled), no thread.
 *
 * Owned and freed by the caller, loop's thread only. Callbacks may call any function on the client except
 * mqtt_client_free(). Strings in settings are copied.
 */
#ifndef TRANSPORTS_MQTT_H
#define TRANSPORTS_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "transports/tls.h"

enum mqtt_version {
    MQTT_3_1_1 = 4,
    MQTT_5_0 = 5,
};

struct mqtt_property {
    const char *name;
    const char *value;
};

/* Packets of MQTT 5.0 that user properties can be added to: a set. The library makes all others by itself. */
enum mqtt_packets {
    MQTT_IN_CONNECT = 1 << 0,
    MQTT_IN_WILL = 1 << 1,
    MQTT_IN_DISCONNECT = 1 << 2,
    MQTT_IN_PUBLISH = 1 << 3,
    MQTT_IN_SUBSCRIBE = 1 << 4,
    MQTT_IN_UNSUBSCRIBE = 1 << 5,
};

struct mqtt_user_property {
    const char *name;
    const char *value;
    unsigned packets; /* enum mqtt_packets */
};

struct mqtt_will {
    const char *topic; /* NULL: no will */
    const void *payload;
    size_t len;
    int qos;
    bool retain;
    uint32_t delay_s;  /* MQTT 5, also those that follow */
    uint32_t expiry_s; /* 0 not sent */
    const char *content_type;
    const char *response_topic;
};

struct mqtt_settings {
    enum mqtt_version version;
    const char *host;
    uint16_t port;
    const char *client_id; /* "" or NULL: the broker assigns one (5.0) */
    const char *username;  /* NULL: none */
    const char *password;
    uint16_t keep_alive_s;
    bool clean;                   /* CleanStart (5.0), CleanSession (3.1.1) */
    uint32_t session_expiry_s;    /* 5.0; 0 not sent */
    uint16_t receive_maximum;     /* 5.0; 0 not sent */
    uint32_t maximum_packet;      /* 5.0; 0 not sent */
    uint16_t topic_alias_maximum; /* 5.0; 0 not sent */
    bool request_response_info;   /* 5.0, R-MQTT.12 */
    bool request_problem_info;
    const struct mqtt_user_property *user_properties; /* 5.0, R-MQTT.13 among them */
    size_t user_properties_count;
    struct mqtt_will will;
    uint32_t retry_s;          /* ConnectRetryTime */
    uint32_t retry_multiplier; /* ConnectRetryIntervalMultiplier, thousandths */
    uint32_t retry_max_s;      /* ConnectRetryMaxInterval */
    bool tls;
    struct tls_settings tls_settings;
    const char *alpn; /* protocols to offer in the TLS handshake, comma-separated; NULL or "": none */
};

enum mqtt_status {
    MQTT_STATUS_DISABLED,
    MQTT_STATUS_CONNECTING, /* or waiting to try again */
    MQTT_STATUS_CONNECTED,
    MQTT_STATUS_ERROR_MISCONFIGURED,
    MQTT_STATUS_ERROR_UNREACHABLE, /* the last attempt failed; retrying */
    MQTT_STATUS_ERROR,
};

/* What the broker said in CONNACK. Lives during the callback. */
struct mqtt_connack {
    const char *assigned_client_id;   /* NULL: none */
    const char *response_information; /* NULL: none */
    const struct mqtt_property *properties;
    size_t properties_count;
    bool session_present;
    const STACK_OF(X509) * peer_chain; /* the broker's, verified; NULL without TLS */
};

struct mqtt_message {
    const char *topic;
    const uint8_t *payload;
    size_t len;
    int qos;
    bool retain;
    const char *response_topic; /* NULL: none */
    const char *content_type;   /* NULL: none */
};

struct mqtt_publication {
    const char *topic;
    const void *payload;
    size_t len;
    int qos;
    bool retain;
    const char *response_topic; /* 5.0 only; NULL: none */
    const char *content_type;   /* 5.0 only */
    uint32_t expiry_s;          /* 5.0 only; 0: none */
};

struct mqtt_filter {
    const char *topic;
    int qos;
};

struct mqtt_ops {
    void (*connected)(void *ctx, const struct mqtt_connack *connack);
    /* The connection is gone or an attempt failed; the client tries again by itself unless stopped. err says why
     * (name, address, TLS reason, MQTT reason code), for people. */
    void (*disconnected)(void *ctx, const struct error *err);
    /* SUBACK for a topic: granted QoS, or the reason code >= 0x80 that refused it. */
    void (*subscribed)(void *ctx, const char *topic, int qos_or_reason);
    void (*message)(void *ctx, const struct mqtt_message *message);
};

struct mqtt_stats {
    uint64_t messages_sent, messages_received, publish_sent, publish_received, subscribe_sent,
        unsubscribe_sent;
    uint32_t connection_errors, publish_errors;
    int64_t established, last_sent, last_received; /* s since 1970; 0 never */
};

struct mqtt_client;

struct mqtt_client *mqtt_client_new(struct loop *loop, const struct mqtt_ops *ops, void *ctx);
void mqtt_client_free(struct mqtt_client *client);

/* Takes new settings and connects with them (an existing connection is ended first). -1: settings unusable. */
int mqtt_client_start(struct mqtt_client *client, const struct mqtt_settings *settings, struct error *err);
/*
 * New settings without ending anything: the next connection is made with them; the times of retries, and user properties of
 * packets other than CONNECT and the will, are new at once. For a client that was started; what waits for an acknowledgement
 * when the new settings are first used is given up.
 */
int mqtt_client_configure(struct mqtt_client *client, const struct mqtt_settings *settings,
                          struct error *err);
/* DISCONNECT (R-MQTT.35) and no retry. */
void mqtt_client_stop(struct mqtt_client *client);
/* Ends the connection and connects anew at once with the settings it has. */
void mqtt_client_reconnect(struct mqtt_client *client);

enum mqtt_status mqtt_client_status(const struct mqtt_client *client);
const struct mqtt_stats *mqtt_client_stats(const struct mqtt_client *client);
/* All counters begin anew. */
void mqtt_client_reset_stats(struct mqtt_client *client);

/* 0: handed over (bounded queue); -1: not connected, queue full or too large. What the broker does not do in its CONNACK
 * is left out: a QoS above its maximum, and RETAIN. */
int mqtt_client_publish(struct mqtt_client *client, const struct mqtt_publication *publication,
                        struct error *err);
int mqtt_client_subscribe(struct mqtt_client *client, const char *topic, int qos, struct error *err);
/* Many at once: one SUBSCRIBE for all of the same QoS. */
int mqtt_client_subscribe_all(struct mqtt_client *client, const struct mqtt_filter *filters, size_t count,
                              struct error *err);
int mqtt_client_unsubscribe(struct mqtt_client *client, const char *topic, struct error *err);

/* True when topic is matched by an MQTT topic filter with + and #. */
bool mqtt_topic_matches(const char *filter, const char *topic);

/* Whether this build has the transport; without it nothing of it can be made. */
extern const bool mqtt_available;

#endif
