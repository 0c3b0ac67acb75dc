/* SPDX-License-Identifier: BSD-3-Clause */
/* Data of the rows that say how records travel. The engine owns them; who carries the records keeps state beside. */
#ifndef DATAMODEL_DEVICE_MTP_H
#define DATAMODEL_DEVICE_MTP_H

#include <stdbool.h>
#include <stdint.h>

#include "datamodel/dm.h"
#include "transports/mqtt.h"

/* What both kinds of MTP row begin with. */
struct mtp_row {
    bool enable;
    char *alias;
    char *protocol; /* "MQTT", "WebSocket", "UDS" or NULL */
};

/* The values of Protocol, and whether an object per protocol is there: only for its own (TR-181). */
extern const char *const model_mtp_protocols[];
bool model_is_mqtt(const struct dm_row *row);
bool model_is_websocket(const struct dm_row *row);
bool model_is_uds(const struct dm_row *row);

enum local_mtp_status {
    LOCAL_MTP_UP,
    LOCAL_MTP_DOWN,
    LOCAL_MTP_ERROR,
};

/* Device.LocalAgent.MTP.{i}. */
struct local_mtp {
    struct mtp_row row;
    uint32_t status;
    bool enable_mdns;
    char *mqtt_reference; /* row of Device.MQTT.Client. */
    uint32_t mqtt_publish_qos;
    char *mqtt_response_topic;   /* configured */
    char *mqtt_discovered_topic; /* from the broker */
    uint32_t websocket_port;
    char *websocket_path;
    bool websocket_encryption;
    uint32_t websocket_keep_alive; /* s */
    char *uds_reference;           /* row of Device.UnixDomainSockets.UnixDomainSocket. */
    void *websocket_carrier;       /* of who carries the records */
    void *uds_carrier;
};

/* Device.LocalAgent.Controller.{i}.MTP.{i}. */
struct controller_mtp {
    struct mtp_row row;
    uint32_t order;
    char *mqtt_agent_mtp; /* row of Device.LocalAgent.MTP. */
    char *mqtt_topic;
    bool mqtt_retain_response;
    bool mqtt_retain_notify;
    bool mqtt_mismatch; /* of versions (R-MQTT.26a); not a parameter */
    char *websocket_host;
    uint32_t websocket_port;
    char *websocket_path;
    bool websocket_encryption;
    uint32_t websocket_keep_alive;    /* s */
    uint32_t websocket_retry_minimum; /* s */
    uint32_t websocket_retry_multiplier;
    uint32_t websocket_retries;
    char *uds_reference;
    void *carrier;
};

/* Device.MQTT.Client.{i}. */
struct mqtt_row {
    bool enable;
    char *alias;
    char *name;
    char *protocol_version;
    char *broker_address;
    uint32_t broker_port;
    char *transport_protocol;
    bool clean_session;
    bool clean_start;
    uint32_t keep_alive;
    uint32_t session_expiry;
    uint32_t receive_maximum;
    uint32_t maximum_packet;
    uint32_t topic_alias_maximum;
    bool request_response_info;
    bool request_problem_info;
    char *response_information;
    char *client_id;
    char *username;
    char *password;
    uint32_t retry_time;
    uint32_t retry_multiplier;
    uint32_t retry_maximum;
    uint32_t message_retry;
    uint32_t publish_expiry; /* s; 0: none */
    char *alpn;
    bool will_enable;
    char *will_topic;
    char *will_value;
    uint32_t will_qos;
    bool will_retain;
    uint32_t will_delay;  /* s */
    uint32_t will_expiry; /* s; 0: none */
    char *will_content_type;
    char *will_response_topic;
    struct mqtt_client *client; /* NULL until it was enabled once */
    void *carrier;
};

enum mqtt_subscription_status {
    MQTT_UNSUBSCRIBED,
    MQTT_SUBSCRIBED,
    MQTT_SUBSCRIBING,
    MQTT_UNSUBSCRIBING,
    MQTT_SUBSCRIPTION_ERROR,
};

/* Device.MQTT.Client.{i}.Subscription.{i}. */
struct mqtt_subscription_row {
    bool enable;
    char *alias;
    uint32_t status;
    char *topic;
    uint32_t qos;
    char *subscribed; /* the topic that the broker was asked for, and the QoS */
    uint32_t asked_qos;
};

/* Device.MQTT.Client.{i}.UserProperty.{i}. */
struct mqtt_user_property_row {
    bool enable;
    char *alias;
    char *name;
    char *value;
    char *packet_type; /* list */
};

/* The packets in a value of PacketType: enum mqtt_packets. */
unsigned model_mqtt_packets(const char *packet_type);

/* Device.UnixDomainSockets.UnixDomainSocket.{i}. */
struct unix_socket_row {
    char *alias;
    uint32_t mode; /* 0 Listen, 1 Connect */
    char *path;
};

#endif
