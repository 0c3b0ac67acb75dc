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

static size_t level_of(const char *topic)
{
    return strcspn(topic, "/");
}

/* Whether all that one filter (or topic) matches is matched by another. */
static bool covers(const char *wide, const char *narrow)
{
    if (narrow[0] == '$' && (wide[0] == '#' || wide[0] == '+'))
        return false; /* MQTT 5.0, 4.7.2 */
    for (;;) {
        size_t wide_len = level_of(wide);
        size_t narrow_len = level_of(narrow);

        if (strcmp(wide, "#") == 0)
            return true;
        if (strncmp(wide, "+", wide_len) == 0 && wide_len == 1) {
            if (narrow[0] == '#')
                return false;
        } else if (wide_len != narrow_len || memcmp(wide, narrow, wide_len) != 0) {
            return false;
        }
        wide += wide_len;
        narrow += narrow_len;
        if (!*narrow)
            return !*wide || strcmp(wide, "/#") == 0;
        if (!*wide)
            return false;
        wide++;
        narrow++;
    }
}

static bool covered(const struct mqtt_carrier *carrier, const char *topic)
{
    for (size_t i = 0; i < carrier->topics_count; i++)
        if (covers(carrier->topics[i].name, topic))
            return true;
    return false;
}

static bool listed(const struct mqtt_carrier *carrier, const char *topic)
{
    for (size_t i = 0; i < carrier->topics_count; i++)
        if (strcmp(carrier->topics[i].name, topic) == 0)
            return true;
    return false;
}

static void add_topic(struct mqtt_carrier *carrier, const char *name, int qos)
{
    struct mqtt_topic *topic = &carrier->topics[carrier->topics_count];

    if (!name || !name[0] || carrier->topics_count == MQTT_MAX_TOPICS || listed(carrier, name))
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

static void add_uncovered(struct mqtt_carrier *carrier, const char *name, int qos)
{
    if (name && !covered(carrier, name))
        add_topic(carrier, name, qos);
}

/* R-MQTT.15: configured topics, what the broker names, and the own response topic (3.1.1: what is below it, too), unless
 * the broker gave another or a filter has it already. */
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
    add_uncovered(carrier, connack->response_information, qos);
    if (connack->response_information || !local_mtp || !local_mtp->mqtt_response_topic ||
        !local_mtp->mqtt_response_topic[0])
        return;
    if (carrier->version_5) {
        add_uncovered(carrier, local_mtp->mqtt_response_topic, qos);
    } else {
        char *below = malloc(strlen(local_mtp->mqtt_response_topic) + 3);

        if (!below)
            return;
        sprintf(below, "%s/#", local_mtp->mqtt_response_topic);
        add_uncovered(carrier, below, qos);
        free(below);
    }
}

/* A topic that reaches us through what we listen on, malloc'ed: one without wildcards, or what "topic/#" begins with. */
static char *own_topic(const struct mqtt_carrier *carrier)
{
    for (size_t i = 0; i < carrier->topics_count; i++) {
        const char *name = carrier->topics[i].name;
        size_t len = strcspn(name, "+#");

        if (!name[len])
            return str_dup(name, len);
        if (len >= 2 && strcmp(name + len - 1, "/#") == 0)
            return str_dup(name, len - 1);
    }
    return NULL;
}

/* R-MQTT.21: Response Information is the reply topic; else what is configured; else where we listen. */
void mqtt_choose_reply_topic(struct mqtt_carrier *carrier, const struct mqtt_connack *connack)
{
    struct local_mtp *local = carrier->local ? carrier->local->data : NULL;
    const char *reply = connack->response_information;

    if (!reply && local && local->mqtt_response_topic && local->mqtt_response_topic[0])
        reply = local->mqtt_response_topic;
    if (reply) {
        str_replace(&carrier->reply_topic, reply);
    } else {
        free(carrier->reply_topic);
        carrier->reply_topic = own_topic(carrier);
    }
    if (local)
        mtp_set_text(carrier->mtp,
                     dm_row_child(carrier->local, dm_node_child(carrier->local->node, STR("MQTT"))),
                     "ResponseTopicDiscovered", &local->mqtt_discovered_topic, connack->response_information);
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
        if (status == MQTT_SUBSCRIBING) {
            str_replace(&row->subscribed, topic);
            row->asked_qos = row->qos;
        }
        dm_changed(carrier->mtp->dm, rows[i], dm_node_param(rows[i]->node, "Status"));
    }
}
