/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes: which discovery messages speak of one device, whether it is ours to list, and who it says it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "devices/claim.h"
#include "devices/dialects/homeassistant_node.h"
#include "devices/identity.h"

enum {
    PATIENCE_MS = 3000, /* for the other entities of a device, and for a dialect that knows it better */
    PATIENCE_KNOWN_MS = 30000, /* when it was announced by a program for which there is a dialect */
    FORGET_MS = 60000,         /* after its last entity was removed */
    HANDED_OVER_MS = 600000,   /* the same, when another message was promised */
};

static void on_timer(struct timer *timer, void *ctx);

/* ---- tokens ---- */

struct ha_node *ha_node_find(const struct ha *ha, const struct ha_config *config)
{
    for (unsigned i = 0; i < config->token_count; i++) {
        struct ha_node *node = config->tokens[i][0] == 'a' ? NULL
                                                           : map_get(&ha->nodes, str_of(config->tokens[i]));

        if (node)
            return node;
    }
    return NULL;
}

static bool has_token(const struct ha_node *node, const char *token)
{
    for (unsigned i = 0; i < node->token_count; i++)
        if (strcmp(node->tokens[i], token) == 0)
            return true;
    return false;
}

/* -1: memory is out. A token of another node stays that one's. */
static int add_token(struct ha_node *node, const char *token)
{
    char *copy;

    if (node->token_count == HA_TOKENS || has_token(node, token))
        return 0;
    copy = str_dup(token, strlen(token));
    if (!copy)
        return -1;
    if (!map_get(&node->ha->nodes, str_of(copy)) && map_put(&node->ha->nodes, str_of(copy), node) < 0) {
        free(copy);
        return -1;
    }
    node->tokens[node->token_count++] = copy;
    return 0;
}

/* ---- life ---- */

static struct ha_node *node_new(struct ha *ha)
{
    struct ha_node *node = ha->node_count < LIMIT_HA_NODES ? calloc(1, sizeof(*node)) : NULL;

    if (!node)
        return NULL;
    node->ha = ha;
    ha->node_count++;
    timer_init(&node->timer, on_timer, node);
    return node;
}

void ha_node_free(struct ha_node *node)
{
    struct ha_source *source, *next;

    ha_topic_leave(node);
    timer_cancel(node->ha->host.timers, &node->timer);
    for (source = node->sources; source; source = next) {
        next = source->next;
        ha_source_free(source);
    }
    for (unsigned i = 0; i < node->token_count; i++) {
        if (map_get(&node->ha->nodes, str_of(node->tokens[i])) == node)
            map_remove(&node->ha->nodes, str_of(node->tokens[i]));
        free(node->tokens[i]);
    }
    node->ha->node_count--;
    free(node);
}

static int add_tokens(struct ha_node *node, const struct ha_config *config)
{
    for (unsigned i = 0; i < config->token_count; i++)
        if (add_token(node, config->tokens[i]) < 0)
            return -1;
    return 0;
}

struct ha_node *ha_node_new(struct ha *ha, const struct ha_config *config)
{
    struct ha_node *node = node_new(ha);

    if (node && add_tokens(node, config) < 0) {
        ha_node_free(node);
        return NULL;
    }
    return node;
}

void ha_node_reject(struct ha_node *node, const char *why)
{
    registry_reject(node->ha->host.registry, node->device, "the broker", why);
}

/* ---- time ---- */

static void sooner(uint64_t *due, uint64_t other)
{
    if (other && other < *due)
        *due = other;
}

void ha_node_schedule(struct ha_node *node)
{
    struct timers *timers = node->ha->host.timers;
    uint64_t now = ha_now(node->ha), due = UINT64_MAX;

    sooner(&due, node->review);
    sooner(&due, node->forget);
    sooner(&due, node->run.grace);
    if (due == UINT64_MAX)
        timer_cancel(timers, &node->timer);
    else
        timer_arm(timers, &node->timer, due > now ? due - now : 0);
}

/* ---- who owns the device ---- */

static struct device *owner_of(const struct ha_node *node)
{
    for (unsigned i = 0; i < node->token_count; i++) {
        const char *token = node->tokens[i];
        struct device *owner = token[0] == 'a' ? claim_owner(node->ha->host.registry, token + 2) : NULL;

        if (owner)
            return owner;
    }
    return NULL;
}

/* How long to wait before it is listed: who announced it may have a dialect of its own here. */
static uint64_t patience(const struct ha_node *node)
{
    const struct dialect *dialect;

    for (size_t i = 0; (dialect = dialect_at(i)); i++)
        if (!dialect->generic && strcasecmp(dialect->name, node->facts.origin) == 0)
            return PATIENCE_KNOWN_MS;
    return PATIENCE_MS;
}

void ha_registry_event(void *ctx, const void *event)
{
    const struct device_event *device_event = event;
    const struct device *device = device_event->device;
    const uint64_t fields = DEVICE_BIT(DEVICE_MAC) | DEVICE_BIT(DEVICE_SERIAL_NUMBER) |
                            DEVICE_BIT(DEVICE_GRADE);
    char token[2 + IDENTITY_ADDRESS_BYTES];
    struct ha *ha = ctx;
    struct ha_node *node;

    if (!device->claim[0] || (device_event->type == DEVICE_CHANGED && !(device_event->fields & fields)))
        return;
    snprintf(token, sizeof(token), "a=%s", device->claim);
    node = map_get(&ha->nodes, str_of(token));
    if (!node)
        return;
    /* Not from within somebody else's news, and not before a device that goes is gone. */
    node->review = ha_now(ha) + (device_event->type == DEVICE_REMOVED ? PATIENCE_MS : 1);
    ha_node_schedule(node);
}

/* ---- facts ---- */

static const char *said(const char *fact)
{
    return *fact ? fact : NULL;
}

static void merge(char *known, const char *news, size_t size)
{
    if (*news)
        str_copy(known, size, news);
}

static void merge_facts(struct ha_facts *known, const struct ha_facts *news)
{
    merge(known->name, news->name, sizeof(known->name));
    merge(known->manufacturer, news->manufacturer, sizeof(known->manufacturer));
    merge(known->model, news->model, sizeof(known->model));
    merge(known->hardware, news->hardware, sizeof(known->hardware));
    merge(known->software, news->software, sizeof(known->software));
    merge(known->serial, news->serial, sizeof(known->serial));
    merge(known->mac, news->mac, sizeof(known->mac));
    merge(known->origin, news->origin, sizeof(known->origin));
    merge(known->origin_version, news->origin_version, sizeof(known->origin_version));
}

static const char *what_update(const struct ha_entity *entity)
{
    if (!entity || !entity->update)
        return "it has no update entity";
    if (entity->unsupported)
        return "its update entity is not supported: ";
    return ha_can_install(entity) ? "its maker's updates can be installed"
                                  : "its update entity shows versions only";
}

void ha_node_describe(struct ha_node *node)
{
    const struct ha_facts *facts = &node->facts;
    const struct ha_entity *entity = ha_entity_of(node);
    bool update = entity && entity->update;
    char text[400];

    device_set_own_name(node->device, facts->name[0] ? facts->name : device_id(node->device));
    if (!update && !ha_settled(node))
        return; /* its update may be in the next message */
    snprintf(text, sizeof(text), "Announced for Home Assistant%s%s%s%s; %s%s", facts->origin[0] ? " by " : "",
             facts->origin, facts->origin_version[0] ? " " : "", facts->origin_version, what_update(entity),
             update && entity->unsupported ? entity->unsupported : "");
    device_set(node->device, DEVICE_DESCRIPTION, text);
    device_set(node->device, DEVICE_ADDRESS,
               !update                 ? NULL
               : entity->command_topic ? entity->command_topic
                                       : entity->state_topic);
    /* What the update entity says of the version counts for more. */
    if (facts->software[0] && (!update || entity->unsupported) && !ha_is_installing(node->device)) {
        device_set_fact(node->device, DEVICE_SOFTWARE_VERSION, facts->software, node->device->grade,
                        DEVICE_SOURCE_ANNOUNCEMENT);
        firmware_target_version(&node->device->target, NULL, facts->software);
    }
}

enum device_grade ha_grade(const struct ha_node *node)
{
    return node->ha->host.device_credentials && node->publisher[0] ? DEVICE_GRADE_B : DEVICE_GRADE_C;
}

bool ha_node_identify(struct ha_node *node)
{
    const struct ha_facts *facts = &node->facts;
    struct device *device = node->device;
    struct identity identity = {
        .manufacturer = said(facts->manufacturer),
        .mac = said(facts->mac),
        .serial_number = said(facts->serial),
        .model = said(facts->model),
        .hardware_version = said(facts->hardware),
        .source = DEVICE_SOURCE_ANNOUNCEMENT,
        .grade = ha_grade(node),
    };

    if (identity_present(device, &identity) != IDENTITY_ACCEPTED)
        return false;
    /* The address stands for a serial number until one is told. */
    if (facts->mac[0] && !*device_text(device, DEVICE_SERIAL_NUMBER))
        device_set_fact(device, DEVICE_SERIAL_NUMBER, facts->mac, DEVICE_GRADE_D, DEVICE_SOURCE_ADDRESS);
    return true;
}

void ha_node_unlearn(struct ha_node *node)
{
    node->facts = (struct ha_facts){.name = ""};
    for (struct ha_source *source = node->sources; source; source = source->next)
        source->hash = 0;
}

/* ---- listing ---- */

/* Of equals the one that came first: who comes later under the same name does not take the device over. */
static struct ha_source *best_source(const struct ha_node *node)
{
    struct ha_source *best = NULL;
    int best_rank = 0;

    for (struct ha_source *source = node->sources; source; source = source->next) {
        int rank = ha_entity_rank(source->entity);

        if (rank > 0 && rank >= best_rank) {
            best = source;
            best_rank = rank;
        }
    }
    return best;
}

/* Identity, description and topics, after something of it changed. */
static void refresh(struct ha_node *node)
{
    node->followed = best_source(node);
    device_set(node->device, DEVICE_PUBLISHER, node->publisher);
    if (ha_node_identify(node))
        ha_node_describe(node);
    ha_topic_follow(node);
    ha_offer(node);
    if (node->sources)
        ha_node_announced(node);
    else if (node->device->online)
        ha_offline(node, false);
    registry_announce(node->device);
}

void ha_node_announced(struct ha_node *node)
{
    const struct ha_entity *entity = ha_entity_of(node);

    if (node->device && (!entity || !entity->availability_count))
        ha_online(node);
}

static void list(struct ha_node *node)
{
    struct ha *ha = node->ha;
    struct error err = {0};
    const char *id = NULL;

    for (unsigned i = 0; i < node->token_count && !id; i++)
        id = node->tokens[i][0] != 'a' ? node->tokens[i] + 2 : NULL;
    node->device = registry_add(ha->host.registry, &homeassistant_dialect, id, &ha->broker_new, true, &err);
    if (!node->device) {
        ha_node_reject(node, err.message);
        return;
    }
    node->device->dialect_data = node;
    device_set_transport(node->device, DEVICE_MQTT);
    refresh(node);
}

/* Its row goes, what was announced stays: the other dialect may lose it again. */
static void unlist(struct ha_node *node)
{
    struct device *device = node->device;

    ha_topic_leave(node);
    node->followed = NULL;
    node->run = (struct ha_run){.state = HA_RUN_NONE};
    node->device = NULL;
    device->dialect_data = NULL;
    registry_remove(device);
}

static void review(struct ha_node *node)
{
    const struct device *owner = owner_of(node);

    if (owner && node->device && claim_outranks(owner, node->device))
        unlist(node);
    else if (!node->device && node->sources && (!owner || owner->grade > ha_grade(node)))
        list(node);
    else if (node->device && node->sources)
        refresh(node);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct ha_node *node = ctx;
    uint64_t now = ha_now(node->ha);

    (void)timer;
    if (node->run.grace && node->run.grace <= now) {
        node->run.grace = 0;
        ha_update_conclude(node);
    }
    if (node->review && node->review <= now) {
        node->review = 0;
        review(node);
    }
    if (node->forget && node->forget <= now) {
        if (node->device)
            unlist(node);
        ha_node_free(node);
        return;
    }
    ha_node_schedule(node);
}

/* ---- discovery messages ---- */

void ha_node_update(struct ha_node *node, const struct ha_config *config)
{
    add_tokens(node, config); /* what memory has no room for comes with the next message */
    merge_facts(&node->facts, &config->facts);
    node->forget = 0;
    if (node->device) {
        node->device->last_contacted = clock_wall(node->ha->host.clock);
        refresh(node);
        if (owner_of(node))
            node->review = ha_now(node->ha);
    } else if (!node->review) {
        node->review = ha_now(node->ha) + patience(node);
    }
    ha_node_schedule(node);
}

void ha_node_drop_source(struct ha_source *source, bool handed_over)
{
    struct ha_node *node = source->node;
    struct ha_source **at = &node->sources;

    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
    node->source_count--;
    if (node->followed == source && node->device) {
        refresh(node);
    } else if (node->followed == source) {
        node->followed = NULL;
    }
    ha_source_free(source);
    if (node->sources)
        return;
    if (!node->device && !handed_over) {
        ha_node_free(node);
        return;
    }
    node->forget = ha_now(node->ha) + (handed_over ? HANDED_OVER_MS : FORGET_MS);
    ha_node_schedule(node);
}

/* ---- the store ---- */

int ha_node_restore(struct ha *ha, struct device *device)
{
    struct ha_node *node = node_new(ha);
    char token[2 + 256];
    static const char *const kinds[] = {"i=", "c="};
    int rc = node ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(token, sizeof(token), "%s%s", kinds[i], device_id(device));
        rc = add_token(node, token);
    }
    if (rc == 0 && device->text[DEVICE_MAC]) {
        snprintf(token, sizeof(token), "a=%s", device_text(device, DEVICE_MAC));
        rc = add_token(node, token);
    }
    if (rc < 0) {
        if (node)
            ha_node_free(node);
        return -1;
    }
    str_copy(node->publisher, sizeof(node->publisher), device_text(device, DEVICE_PUBLISHER));
    node->device = device;
    device->dialect_data = node;
    node->review = ha_now(ha) + PATIENCE_KNOWN_MS; /* by then all that the broker keeps of it is here */
    ha_node_schedule(node);
    return 0;
}
