/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of USP over MQTT share: one carrier per row of Device.MQTT.Client., and what it subscribes to.
 * Topics come from the client's Subscription rows, from the broker, and from the LocalAgent.MTP row that refers to it.
 */
#ifndef AGENT_MTP_MQTT_H
#define AGENT_MTP_MQTT_H

#include "agent/mtp.h"

enum {
    MQTT_MAX_TOPICS = 128,
};

/* A topic that the agent wants for itself. */
struct mqtt_topic {
    char *name;
    int qos;
    bool granted;
    bool answered;
};

struct mqtt_carrier {
    struct usp_channel channel;
    struct mtp *mtp;
    struct dm_row *row;   /* Device.MQTT.Client. */
    struct dm_row *local; /* the LocalAgent.MTP row that it works for; NULL: it carries no records */
    struct mqtt_client *client;
    struct mqtt_topic topics[MQTT_MAX_TOPICS];
    size_t topics_count;
    char *reply_topic; /* where answers to our records are to go */
    bool version_5;
    struct timer restart;
    bool ready;         /* connected, and a topic is subscribed */
    bool parted;        /* controllers were told that this is the end */
    bool misconfigured; /* the settings for the next connection cannot be used */
    char *broker;       /* that the counters are of */
    char *
        assigned_id; /* client identifier given by the broker: its arrival in the row is no change of settings */
    char *certificates; /* of the channel */
};

static inline struct mqtt_row *mqtt_row_of(const struct mqtt_carrier *carrier)
{
    return carrier->row->data;
}

/* The enabled LocalAgent.MTP row for this client, or NULL. */
struct dm_row *mqtt_local_of(const struct mqtt_carrier *carrier);
uint32_t mqtt_publish_qos(const struct mqtt_carrier *carrier);

/* ---- the connection: mtp_mqtt.c ---- */
extern const struct usp_channel_ops mqtt_channel_ops;
extern const struct mqtt_ops mqtt_carrier_ops;
void mqtt_set_status(struct mqtt_carrier *carrier, enum local_mtp_status status);
/* The Connect record to one controller; ctx is the carrier. */
void mqtt_greet(void *ctx, struct controller *controller, struct dm_row *row);
/* Disconnect records to those who can be reached (R-MTP.7), once. */
void mqtt_say_goodbye(struct mqtt_carrier *carrier);

/* ---- rows: mtp_mqtt_rows.c ---- */
/* The connection is gone: the client tries again, unless its settings are bad by now. */
void mqtt_client_is_lost(struct mqtt_carrier *carrier);

/* ---- records: mtp_mqtt_records.c ---- */
/* PublishRetainResponse and PublishRetainNotify of the MTP of the record's receiver. */
bool mqtt_retains(const struct mqtt_carrier *carrier, struct str record);
/* R-MQTT.26a: false when the sender cannot use our version of MQTT; it is sent nothing until that has changed. */
bool mqtt_versions_match(const struct mqtt_carrier *carrier, struct str record, bool has_reply_topic);

/* R-MTP.8: after a Disconnect record, while the connection stays. */
void mqtt_greet_again(struct mqtt_carrier *carrier, struct str record);

/* ---- topics: mtp_mqtt_topics.c ---- */
/* R-MQTT.15: configured topics, what the broker names, and the own response topic. */
void mqtt_gather_topics(struct mqtt_carrier *carrier, const struct mqtt_connack *connack);
void mqtt_forget_topics(struct mqtt_carrier *carrier);
/* R-MQTT.21 */
void mqtt_choose_reply_topic(struct mqtt_carrier *carrier, const struct mqtt_connack *connack);
/* Shows in the Subscription row what the broker said of its topic. */
void mqtt_show_topic(struct mqtt_carrier *carrier, const char *topic, enum mqtt_subscription_status status);

#endif
