/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the MQTT client share. mqtt.c keeps a client connected: settings, addresses, retries. mqtt_session.c
 * is the connection by libmosquitto, mqtt_setup.c prepares it, mqtt_subscribe.c knows what waits for a SUBACK.
 * mqtt_packet.c turns settings into MQTT 5 properties and back, and counts what waits.
 *
 * A session is one struct mosquitto, made by mqtt_client_start() and kept over reconnects, until mqtt_client_configure()
 * made another. A session that is let go of in one of its own callbacks is destroyed at the end of the loop's iteration;
 * `client` is NULL from then on.
 */
#ifndef TRANSPORTS_MQTT_INTERNAL_H
#define TRANSPORTS_MQTT_INTERNAL_H

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>

#include "transports/mqtt.h"

enum {
    MQTT_CONNECT_S = 15,        /* for TCP, TLS and CONNACK */
    MQTT_REASON_REFUSED = 0x80, /* reason codes from here on are failures */
};

/* ---- what waits to be sent or acknowledged, in the order it was published ---- */

struct mqtt_waiting {
    struct mqtt_waiting_item {
        int mid;
        int qos;
        size_t bytes;
    } * items; /* a ring */
    size_t cap, first, count;
    size_t bytes;
};

int mqtt_waiting_add(struct mqtt_waiting *waiting, int mid, int qos, size_t bytes);
/* False when it is not there. */
bool mqtt_waiting_remove(struct mqtt_waiting *waiting, int mid);
/* What was only written (QoS 0) is gone with the connection. */
void mqtt_waiting_drop_unacknowledged(struct mqtt_waiting *waiting);
void mqtt_waiting_done(struct mqtt_waiting *waiting);

/* ---- properties ---- */

/* Each appends to *properties; a MOSQ_ERR_*. */
int mqtt_connect_properties(mosquitto_property **properties, const struct mqtt_settings *settings);
int mqtt_will_properties(mosquitto_property **properties, const struct mqtt_settings *settings);
/* User properties for one kind of packet. */
int mqtt_user_properties(mosquitto_property **properties, const struct mqtt_settings *settings,
                         enum mqtt_packets packet);
int mqtt_publish_properties(mosquitto_property **properties, const struct mqtt_publication *publication);

/* CONNACK for the owner; strings and the array are malloc'ed. */
int mqtt_connack_read(const mosquitto_property *properties, struct mqtt_connack *ret);
void mqtt_connack_free(struct mqtt_connack *connack);

/* ---- the session ---- */

struct subscription {
    struct subscription *next;
    int mid;
    int place; /* among the filters of its SUBSCRIBE */
    char topic[];
};

/* User properties of the packets that a client may send at any time; all NULL with 3.1.1. */
struct mqtt_extras {
    mosquitto_property *publish, *subscribe, *unsubscribe, *disconnect;
};

int mqtt_extras_make(struct mqtt_extras *ret, const struct mqtt_settings *settings, struct error *err);
void mqtt_extras_done(struct mqtt_extras *extras);

struct poller;

struct mqtt_session {
    struct mosquitto *mosq;
    struct mqtt_client *client; /* NULL: let go of */
    struct loop *loop;
    enum mqtt_version version;
    char *host; /* the name asked for: for SNI and messages */
    uint16_t port;
    uint16_t keep_alive_s;
    const struct mqtt_extras *extras; /* the client's, while it is there */
    SSL_CTX *tls;
    struct poller *poller; /* NULL: no connection */
    int events;
    unsigned heard;     /* messages so far */
    int connect_number; /* errno after libmosquitto began to connect */
    bool connecting;    /* TCP is not known to be there yet */
    bool connected;     /* CONNACK was good */
    bool ended;         /* the owner was told of the end of this connection, or there was none */
    bool publishing;    /* inside mosquitto_publish() */
    int published;      /* a message that was gone before mosquitto_publish() returned, or 0 */
    bool corked;
    bool goodbye;           /* DISCONNECT may wait to be written */
    struct deferred settle; /* end of the iteration: let go of what was written, look what is wanted next */
    struct deferred destroy;
    struct mqtt_waiting waiting;
    struct subscription *subscriptions; /* waiting for SUBACK */
    size_t subscriptions_count;
    struct error why; /* what the broker said */
    int refused; /* why the broker's certificate was (X509_V_ERR_*): libmosquitto frees its SSL before it tells */
    char log[128]; /* libmosquitto's last error, for TLS the only place that says what */
};

struct mqtt_session *mqtt_session_new(struct mqtt_client *client, struct loop *loop,
                                      const struct mqtt_settings *settings, const struct mqtt_extras *extras,
                                      struct error *err);
/* Gives the settings to session->mosq. */
int mqtt_session_set_up(struct mqtt_session *session, const struct mqtt_settings *settings,
                        struct error *err);
/* DISCONNECT if connected, then gone without a callback. */
void mqtt_session_free(struct mqtt_session *session);
/* Begins to connect; 0 or -1. */
int mqtt_session_connect(struct mqtt_session *session, const char *address, struct error *err);
/* Closes the connection without a callback. */
void mqtt_session_close(struct mqtt_session *session);
/* DISCONNECT if connected, and no callback. */
void mqtt_session_disconnect(struct mqtt_session *session);
/* A MOSQ_ERR_*. All filters have the same QoS. */
int mqtt_session_subscribe(struct mqtt_session *session, const char *const *topics, size_t count, int qos);
/* SUBACK: tells the client of each topic. */
void mqtt_session_subscribed(struct mqtt_session *session, int mid, int count, const int *granted);
void mqtt_session_drop_subscriptions(struct mqtt_session *session);
/* To be called from time to time while connected: pings. */
void mqtt_session_tick(struct mqtt_session *session);
/* Before something is given to libmosquitto. */
void mqtt_session_settle(struct mqtt_session *session);

/* ---- what the session tells its client ---- */

struct mqtt_limits {
    uint16_t keep_alive_s;
    uint8_t maximum_qos;
};

void mqtt_client_connected(struct mqtt_client *client, const struct mqtt_connack *connack,
                           const struct mqtt_limits *limits);
/* A packet came that is not told otherwise. */
void mqtt_client_heard(struct mqtt_client *client);
void mqtt_client_lost(struct mqtt_client *client, const struct error *err);
void mqtt_client_subscribed(struct mqtt_client *client, const char *topic, int qos_or_reason);
void mqtt_client_message(struct mqtt_client *client, const struct mqtt_message *message);

#endif
