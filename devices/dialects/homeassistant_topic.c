/* SPDX-License-Identifier: BSD-3-Clause */
/* Topics that nodes listen to. Each is subscribed once; who comes later to a shared one is told what was heard last. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/homeassistant_node.h"

enum {
    /* Messages on one topic: what many nodes share is no message of any of them. */
    MESSAGE_INTERVAL_MS = 100,
    MESSAGE_BURST = 100,
};

/* ---- topics ---- */

static struct ha_topic *topic_new(struct ha *ha, const char *name)
{
    const struct lan *lan = ha->host.lan;
    struct ha_topic *topic = calloc(1, sizeof(*topic));

    if (!topic)
        return NULL;
    topic->name = str_dup(name, strlen(name));
    if (!topic->name || map_put(&ha->topics, str_of(topic->name), topic) < 0) {
        free(topic->name);
        free(topic);
        return NULL;
    }
    if (lan->subscribe(lan->ctx, name, NULL) < 0) {
        map_remove(&ha->topics, str_of(topic->name));
        free(topic->name);
        free(topic);
        return NULL;
    }
    return topic;
}

static void topic_free(struct ha *ha, struct ha_topic *topic)
{
    const struct lan *lan = ha->host.lan;

    lan->unsubscribe(lan->ctx, topic->name, NULL);
    map_remove(&ha->topics, str_of(topic->name));
    free(topic->name);
    free(topic->last);
    free(topic);
}

static void keep_last(struct ha_topic *topic, const uint8_t *data, size_t len)
{
    free(topic->last);
    topic->last = len <= HA_LAST_BYTES ? str_dup((const char *)data, len) : NULL;
    topic->last_len = len;
}

/* Subscribed anew, a topic gives what the broker keeps of it. */
static void ask_again(const struct ha *ha, const struct ha_topic *topic)
{
    const struct lan *lan = ha->host.lan;

    lan->unsubscribe(lan->ctx, topic->name, NULL);
    lan->subscribe(lan->ctx, topic->name, NULL);
}

/* ---- uses ---- */

static void use_free(struct ha *ha, struct ha_use *use)
{
    struct ha_topic *topic = use->topic;
    struct ha_use **at = &topic->uses;

    while (*at != use)
        at = &(*at)->next_of_topic;
    *at = use->next_of_topic;
    free(use);
    if (!topic->uses)
        topic_free(ha, topic);
}

static void free_uses(struct ha *ha, struct ha_use *uses)
{
    while (uses) {
        struct ha_use *next = uses->next_of_node;

        use_free(ha, uses);
        uses = next;
    }
}

/* -1: memory is out, or there are too many topics. */
static int use_new(struct ha_node *node, const char *name, enum ha_role role, unsigned index)
{
    struct ha *ha = node->ha;
    struct ha_topic *topic = map_get(&ha->topics, str_of(name));
    struct ha_use *use = calloc(1, sizeof(*use));

    if (use && !topic)
        topic = topic_new(ha, name);
    if (!use || !topic) {
        free(use);
        return -1;
    }
    *use = (struct ha_use){topic, node, role, index, topic->uses, node->uses};
    topic->uses = use;
    node->uses = use;
    return 0;
}

static void hear(const struct ha_use *use, const uint8_t *data, size_t len, bool retained)
{
    switch (use->role) {
    case HA_STATE:
        ha_state_in(use->node, data, len, retained);
        break;
    case HA_LATEST:
        ha_latest_in(use->node, data, len);
        break;
    case HA_AVAILABLE:
        ha_availability_in(use->node, use->index, data, len, retained);
        break;
    }
}

/* What was said on topics that others listen to already. Availability comes first in the list. */
static void catch_up(struct ha_node *node)
{
    for (const struct ha_use *use = node->uses; use; use = use->next_of_node) {
        struct ha_topic *topic = use->topic;

        if (topic->last)
            hear(use, (const uint8_t *)topic->last, topic->last_len, true);
        else if (topic->last_len)
            ask_again(node->ha, topic);
    }
}

static int use_all(struct ha_node *node, const struct ha_entity *entity)
{
    bool update = entity->update && !entity->unsupported;
    int rc = update ? use_new(node, entity->state_topic, HA_STATE, 0) : 0;

    if (update && entity->latest_topic)
        rc |= use_new(node, entity->latest_topic, HA_LATEST, 0);
    for (unsigned i = 0; i < entity->availability_count; i++)
        if (entity->availability[i].template.kind <= HA_TEMPLATE_PATH)
            rc |= use_new(node, entity->availability[i].topic, HA_AVAILABLE, i);
    return rc;
}

void ha_topic_follow(struct ha_node *node)
{
    const struct ha_entity *entity = ha_entity_of(node);
    struct ha_use *old = node->uses;

    if (entity == node->listening)
        return;
    node->listening = entity;
    node->uses = NULL;
    memset(node->heard, 0, sizeof(node->heard));
    if (entity && use_all(node, entity) < 0)
        ha_node_reject(node,
                       "not all of its topics can be listened to: there are too many, or memory is out");
    free_uses(node->ha, old); /* last, so that a topic of both is not unsubscribed in between */
    catch_up(node);
}

void ha_topic_leave(struct ha_node *node)
{
    free_uses(node->ha, node->uses);
    node->uses = NULL;
    node->listening = NULL;
}

bool ha_topic_ask(struct ha_node *node, enum ha_role role)
{
    for (const struct ha_use *use = node->uses; use; use = use->next_of_node) {
        if (use->role == role) {
            ask_again(node->ha, use->topic);
            return true;
        }
    }
    return false;
}

/* ---- messages ---- */

/* Whom to tell that there are too many of them: the one node that listens, or nobody in particular. */
static struct ha_node *only_node(const struct ha_topic *topic)
{
    struct ha_node *node = topic->uses->node;

    for (const struct ha_use *use = topic->uses; use; use = use->next_of_topic)
        if (use->node != node)
            return NULL;
    return node;
}

static bool may_pass(struct ha *ha, struct ha_topic *topic, const struct mqtt_message *message)
{
    struct ha_node *node = only_node(topic);
    struct device *device = node ? node->device : NULL;

    if (message->len > LIMIT_HA_STATE_BYTES) {
        registry_reject(ha->host.registry, device, "the broker", "a state or availability of too many bytes");
        return false;
    }
    if (device)
        return message->retain || device_contacted(device);
    if (rate_take(&topic->messages, ha_now(ha), MESSAGE_INTERVAL_MS, MESSAGE_BURST))
        return true;
    registry_reject(ha->host.registry, NULL, topic->name,
                    "too many messages on a topic that several devices share");
    return false;
}

bool ha_topic_in(struct ha *ha, const struct mqtt_message *message)
{
    struct ha_topic *topic = map_get(&ha->topics, str_of(message->topic));
    struct ha_use *use, *next;

    if (!topic || !may_pass(ha, topic, message))
        return topic != NULL;
    keep_last(topic, message->payload, message->len);
    for (use = topic->uses; use; use = next) {
        next = use->next_of_topic;
        hear(use, message->payload, message->len, message->retain);
    }
    return true;
}
