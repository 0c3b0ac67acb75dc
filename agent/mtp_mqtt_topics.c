/* SPDX-License-Identifier: BSD-3-Clause */
/* Which topics the agent listens on, and where answers to its records are to go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mtp_mqtt.h"

/* ---- who refers to this client ---- */

/* The enabled LocalAgent.MTP row for this client, or NULL. */
struct dm_row *mqtt_local_of(const struct mqtt_carrier *carrier)
{
    struct mtp *mtp = carrier->mtp;
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.LocalAgent.")), mtp->local_mtp, &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct local_mtp *local = rows[i]->data;

        if (local->row.enable && local->row.protocol && strcmp(local->row.protocol, "MQTT") == 0 &&
            mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client) == carrier->row)
            return rows[i];
    }
    return NULL;
}

uint32_t mqtt_publish_qos(const struct mqtt_carrier *carrier)
{
    const struct dm_row *local = mqtt_local_of(carrier);

    return local ? ((const struct local_mtp *)local->data)->mqtt_publish_qos : 0;
}

/* ---- topics ---- */

void mqtt_forget_topics(struct mqtt_carrier *carrier)
{
    for (size_t i = 0; i < carrier->topics_count; i++)
        free(carrier->topics[i].name);
    carrier->topics_count = 0;
}

static bool covered(const struct mqtt_carrier *carrier, const char *topic)
{
    for (size_t i = 0; i < carrier->topics_count; i++)
        if (mqtt_topic_matches(carrier->topics[i].name, topic))
            return true;
    return false;
}

static void add_topic(struct mqtt_carrier *carrier, const char *name, int qos)
{
    struct mqtt_topic *topic = &carrier->topics[carrier->topics_count];

    if (!name || !name[0] || carrier->topics_count == MQTT_MAX_TOPICS || covered(carrier, name))
        return;
    *topic = (struct mqtt_topic){.name = str_dup(name, strlen(name)), .qos = qos};
    if (topic->name)
        carrier->topics_count++;
}

static void add_rows(struct mqtt_carrier *carrier)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(carrier->row, carrier->mtp->mqtt_subscription, &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct mqtt_subscription_row *row = rows[i]->data;

        if (row->enable)
            add_topic(carrier, row->topic, (int)row->qos);
    }
}

/* R-MQTT.15: configured topics, what the broker names, and the own response topic (3.1.1: what is below it, too). */
void mqtt_gather_topics(struct mqtt_carrier *carrier, const struct mqtt_connack *connack)
{
    const struct dm_row *local = mqtt_local_of(carrier);
    const struct local_mtp *local_mtp = local ? local->data : NULL;
    int qos = (int)mqtt_publish_qos(carrier);

    mqtt_forget_topics(carrier);
    add_rows(carrier);
    for (size_t i = 0; i < connack->properties_count; i++)
        if (strcmp(connack->properties[i].name, "subscribe-topic") == 0)
            add_topic(carrier, connack->properties[i].value, qos);
    add_topic(carrier, connack->response_information, qos);
    if (!local_mtp || !local_mtp->mqtt_response_topic || !local_mtp->mqtt_response_topic[0])
        return;
    if (carrier->version_5) {
        add_topic(carrier, local_mtp->mqtt_response_topic, qos);
    } else {
        char *below = malloc(strlen(local_mtp->mqtt_response_topic) + 3);

        if (!below)
            return;
        sprintf(below, "%s/#", local_mtp->mqtt_response_topic);
        add_topic(carrier, below, qos);
        free(below);
    }
}

static const char *first_subscribe_topic(const struct mqtt_connack *connack)
{
    for (size_t i = 0; i < connack->properties_count; i++)
        if (strcmp(connack->properties[i].name, "subscribe-topic") == 0)
            return connack->properties[i].value;
    return NULL;
}

/* R-MQTT.21: Response Information is the reply topic; else what is configured; else where we listen. */
void mqtt_choose_reply_topic(struct mqtt_carrier *carrier, const struct mqtt_connack *connack)
{
    struct dm_row *local = mqtt_local_of(carrier);
    struct local_mtp *local_mtp = local ? local->data : NULL;
    const char *discovered = connack->response_information ? connack->response_information
                                                           : first_subscribe_topic(connack);
    const char *reply = discovered;

    if (!reply && local_mtp && local_mtp->mqtt_response_topic && local_mtp->mqtt_response_topic[0])
        reply = local_mtp->mqtt_response_topic;
    if (!reply && carrier->topics_count)
        reply = carrier->topics[0].name;
    str_replace(&carrier->reply_topic, reply);
    if (local)
        mtp_set_text(carrier->mtp, dm_row_child(local, dm_node_child(local->node, STR("MQTT"))),
                     "ResponseTopicDiscovered", &local_mtp->mqtt_discovered_topic, discovered);
}

/* Shows in the Subscription row what the broker said of its topic. */
void mqtt_show_topic(struct mqtt_carrier *carrier, const char *topic, enum mqtt_subscription_status status)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(carrier->row, carrier->mtp->mqtt_subscription, &rows);

    for (uint32_t i = 0; i < count; i++) {
        struct mqtt_subscription_row *row = rows[i]->data;

        if (!row->topic || strcmp(row->topic, topic) != 0 || row->status == status)
            continue;
        row->status = status;
        if (status == MQTT_SUBSCRIBING)
            str_replace(&row->subscribed, topic);
        dm_changed(carrier->mtp->dm, rows[i], dm_node_param(rows[i]->node, "Status"));
    }
}
