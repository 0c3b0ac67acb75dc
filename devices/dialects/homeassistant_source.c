/* SPDX-License-Identifier: BSD-3-Clause */
/* Discovery messages: read, compared with what was said before, handed to the node that they speak of. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/homeassistant_node.h"

enum {
    /* Messages on one discovery topic that say something new. */
    CHANGE_INTERVAL_MS = 2000,
    CHANGE_BURST = 20,
    /* Discovery topics that were not there before: all of a home at once, then few. */
    NEW_INTERVAL_MS = 50,
    NEW_BURST = LIMIT_HA_SOURCES,
};

void ha_source_free(struct ha_source *source)
{
    if (!source)
        return;
    map_remove(&source->node->ha->sources, str_of(source->topic));
    ha_entity_free(source->entity);
    free(source->topic);
    free(source);
}

static struct ha_source *source_new(struct ha_node *node, const char *topic)
{
    struct ha *ha = node->ha;
    struct ha_source *source;

    if (ha->sources.count >= LIMIT_HA_SOURCES || node->source_count >= LIMIT_HA_NODE_SOURCES)
        return NULL;
    source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    source->node = node;
    source->topic = str_dup(topic, strlen(topic));
    if (!source->topic || map_put(&ha->sources, str_of(source->topic), source) < 0) {
        free(source->topic);
        free(source);
        return NULL;
    }
    source->next = node->sources;
    node->sources = source;
    node->source_count++;
    return source;
}

static void reject(struct ha *ha, const struct ha_source *source, const char *why)
{
    registry_reject(ha->host.registry, source ? source->node->device : NULL, "the broker", why);
}

/*
 * Where the broker holds each announcer to its topics, a device belongs to who announced it under a name of its own; others
 * may name it in their messages and are not heard. Elsewhere nobody could tell them apart.
 */
static bool may_announce(const struct ha *ha, const struct ha_node *node, struct str publisher)
{
    return !ha->host.device_credentials || !node->publisher[0] || str_is(publisher, node->publisher);
}

/* Who has a topic of its own takes the device from those who have none, with all that they said. */
static void settle(struct ha_source *source, struct str publisher)
{
    struct ha_node *node = source->node;
    struct ha_source *at, *next;

    source->loose = !publisher.len;
    if (source->loose || node->publisher[0])
        return;
    memcpy(node->publisher, publisher.data, publisher.len);
    node->publisher[publisher.len] = '\0';
    for (at = node->ha->host.device_credentials ? node->sources : NULL; at; at = next) {
        next = at->next;
        if (at->loose)
            ha_node_drop_source(at, false);
    }
    if (node->ha->host.device_credentials)
        node->facts = (struct ha_facts){.name = ""};
}

/* The source of that topic for that node, which is made if need be. */
static struct ha_source *source_for(struct ha *ha, const char *topic, struct ha_source *source,
                                    const struct ha_config *config)
{
    struct ha_node *node = ha_node_find(ha, config);

    if (source && source->node == node)
        return source;
    if (source) { /* the entity moved to another device */
        ha_node_drop_source(source, true);
        node = ha_node_find(ha, config);
    }
    if (!rate_take(&ha->new_sources, ha_now(ha), NEW_INTERVAL_MS, NEW_BURST))
        return NULL;
    if (!node)
        node = ha_node_new(ha, config);
    source = node ? source_new(node, topic) : NULL;
    if (node && !node->sources && !node->device)
        ha_node_free(node);
    return source;
}

/* The entity is handed over from the config; the old one goes once nobody follows it. */
static void take(struct ha *ha, const char *topic, struct str publisher, struct ha_source *source,
                 struct ha_config *config, uint64_t hash)
{
    struct ha_entity *old;

    source = source_for(ha, topic, source, config);
    if (!source) {
        reject(ha, NULL, "too many devices or entities are announced, or memory is out");
        return;
    }
    settle(source, publisher);
    old = source->entity;
    source->entity = config->entity;
    config->entity = NULL;
    source->hash = hash;
    ha_node_update(source->node, config);
    ha_entity_free(old);
}

static void read_source(struct ha *ha, struct str component, struct str publisher,
                        const struct mqtt_message *message, struct ha_source *source, uint64_t hash)
{
    const struct ha_node *node;
    struct ha_config config;
    struct error err = {0};

    if (ha_config_read(message->payload, message->len, component, &config, &err) < 0) {
        reject(ha, source, err.message);
        return;
    }
    node = config.token_count ? ha_node_find(ha, &config) : NULL;
    if (node && !may_announce(ha, node, publisher)) {
        registry_reject(ha->host.registry, node->device, message->topic, "another announces this device");
    } else if (config.hand_over || !config.token_count) {
        if (source)
            ha_node_drop_source(source, config.hand_over);
    } else {
        take(ha, message->topic, publisher, source, &config, hash);
    }
    ha_config_done(&config);
}

void ha_source_in(struct ha *ha, struct str component, struct str publisher,
                  const struct mqtt_message *message)
{
    struct ha_source *source = map_get(&ha->sources, str_of(message->topic));
    uint64_t hash;

    if (source && source->node->device && !message->retain && !device_contacted(source->node->device))
        return;
    if (message->len == 0) {
        if (source)
            ha_node_drop_source(source, false);
        return;
    }
    hash = map_hash(ha->seed, message->payload, message->len);
    if (source && source->hash == hash) {
        ha_node_announced(source->node);
        return;
    }
    if (source && !rate_take(&source->changes, ha_now(ha), CHANGE_INTERVAL_MS, CHANGE_BURST)) {
        reject(ha, source, "it announces itself too often in different ways");
        return;
    }
    read_source(ha, component, publisher, message, source, hash);
}
