/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dialect's way in: topics, and the birth message that makes devices announce themselves again. Facts: Home
 * Assistant's public description of MQTT discovery and of the MQTT update entity.
 */
#include "devices/dialects/homeassistant.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "devices/dialects/homeassistant_node.h"
#include "devices/dialects/topics.h"

enum {
    BIRTH_MS = 5000,            /* after the broker is there: time to hear of a real Home Assistant */
    BIRTH_INTERVAL_MS = 300000, /* between two birth messages of ours */
};

static const char online[] = "online";

/* ---- birth ---- */

static void publish_birth(struct ha *ha)
{
    const struct lan *lan = ha->host.lan;
    char topic[HA_TOPIC_BYTES];
    /* Not retained, and never "offline": who comes later must not take us for a Home Assistant that is there. */
    struct mqtt_publication publication = {.topic = topic, .payload = online, .len = sizeof(online) - 1};

    snprintf(topic, sizeof(topic), "%s/status", ha->prefix);
    if (lan->publish(lan->ctx, &publication, NULL) < 0)
        return;
    ha->born = ha_now(ha);
    ha->echo = true;
}

static void on_birth(struct timer *timer, void *ctx)
{
    struct ha *ha = ctx;

    (void)timer;
    if (ha->host.homeassistant_birth == HOMEASSISTANT_BIRTH_ALWAYS || !ha->home_assistant)
        publish_birth(ha);
}

static void plan_birth(struct ha *ha)
{
    uint64_t now = ha_now(ha), wait = BIRTH_MS;

    if (ha->host.homeassistant_birth == HOMEASSISTANT_BIRTH_NEVER)
        return;
    if (ha->born && ha->born + BIRTH_INTERVAL_MS > now + wait)
        wait = ha->born + BIRTH_INTERVAL_MS - now;
    timer_arm(ha->host.timers, &ha->birth, wait);
}

/* Somebody's birth message or last will: ours comes back to us, any other is the real one's. */
static void status_in(struct ha *ha, const struct mqtt_message *message)
{
    bool is_online = str_is((struct str){(const char *)message->payload, message->len}, online);

    if (is_online && !message->retain && ha->echo) {
        ha->echo = false;
        return;
    }
    ha->home_assistant = is_online;
}

/* ---- MQTT ---- */

static void subscriptions(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx)
{
    static const char *const below[] = {HA_HEARD};
    const struct ha *ha = ctx;
    char topic[HA_TOPIC_BYTES];

    for (size_t i = 0; ha->prefix && i < sizeof(below) / sizeof(below[0]); i++) {
        snprintf(topic, sizeof(topic), "%s%s", ha->prefix, below[i]);
        add(add_ctx, topic);
    }
}

static bool is_name(struct str part)
{
    for (size_t i = 0; i < part.len; i++)
        if (!isalnum((unsigned char)part.data[i]) && part.data[i] != '_' && part.data[i] != '-')
            return false;
    return part.len > 0;
}

/*
 * "<component>/[<node>/]<object>/config" behind the prefix: the component, or an empty one when it is something else. The
 * level that all topics of one announcer share is its node, and in the form for whole devices its object; an access list
 * can hold it to that. Topics of the third form have none.
 */
static struct str component_of(struct str rest, struct str *ret_publisher)
{
    struct str part, component = {NULL, 0}, second = {NULL, 0}, last = {NULL, 0};
    unsigned parts = 0;

    while (str_next(&rest, '/', &part)) {
        if (!is_name(part) || ++parts > 4)
            return (struct str){NULL, 0};
        if (parts == 1)
            component = part;
        if (parts == 2)
            second = part;
        last = part;
    }
    if (parts == 3 && !str_is(component, "device"))
        second = (struct str){NULL, 0};
    *ret_publisher = second.len < HA_PUBLISHER_BYTES ? second : (struct str){NULL, 0};
    return parts >= 3 && str_is(last, "config") ? component : (struct str){NULL, 0};
}

static bool mqtt_message(void *ctx, const struct mqtt_message *message)
{
    struct ha *ha = ctx;
    struct str topic = str_of(message->topic), prefix, rest, component, publisher;

    if (!ha->prefix)
        return false;
    prefix = str_of(ha->prefix);
    if (!str_starts(topic, prefix) || topic.data[prefix.len] != '/') {
        /* Topics of devices are not ours alone: a bridge's state is for its own dialect, too. */
        ha_topic_in(ha, message);
        return false;
    }
    rest = (struct str){topic.data + prefix.len + 1, topic.len - prefix.len - 1};
    component = component_of(rest, &publisher);
    if (component.len > 0) {
        ha_source_in(ha, component, publisher, message);
        return true;
    }
    if (str_is(rest, "status")) {
        status_in(ha, message);
        return true;
    }
    return ha_topic_in(ha, message);
}

static void broker(void *ctx, bool connected)
{
    struct ha *ha = ctx;
    struct registry *registry = ha->host.registry;

    if (connected) {
        if (ha->prefix)
            plan_birth(ha);
        return;
    }
    timer_cancel(ha->host.timers, &ha->birth);
    ha->home_assistant = false;
    ha->echo = false;
    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];
        struct ha_node *node = device->dialect_data;

        if (device->dialect != &homeassistant_dialect || !node)
            continue;
        memset(node->heard, 0, sizeof(node->heard));
        if (device->online)
            ha_offline(node, false);
    }
}

/* ---- the context ---- */

static void *create(const struct dialect_host *host)
{
    const char *prefix = host->homeassistant_prefix;
    struct ha *ha = calloc(1, sizeof(*ha));

    if (!ha)
        return NULL;
    ha->host = *host;
    ha->prefix = prefix ? str_dup(prefix, strlen(prefix)) : NULL;
    if ((prefix && !ha->prefix) || getrandom(ha->seed, sizeof(ha->seed), 0) != (ssize_t)sizeof(ha->seed)) {
        free(ha->prefix);
        free(ha);
        return NULL;
    }
    map_init(&ha->nodes);
    map_init(&ha->sources);
    map_init(&ha->topics);
    timer_init(&ha->birth, on_birth, ha);
    ha->observer = (struct observer){.fn = ha_registry_event, .ctx = ha};
    observer_add(registry_observers(host->registry), &ha->observer);
    return ha;
}

/* The registry, and with it the list that the observer is in, is gone by now. */
static void destroy(void *ctx)
{
    struct ha *ha = ctx;
    struct ha_node *node;
    size_t at = 0;

    if (!ha)
        return;
    timer_cancel(ha->host.timers, &ha->birth);
    while ((node = map_next(&ha->nodes, &at)))
        ha_node_free(node);
    map_done(&ha->nodes);
    map_done(&ha->sources);
    map_done(&ha->topics);
    free(ha->prefix);
    free(ha);
}

static int restore(void *ctx, struct device *device)
{
    return ha_node_restore(ctx, device);
}

static void forget(struct device *device)
{
    struct ha_node *node = device->dialect_data;

    device->dialect_data = NULL;
    node->device = NULL;
    ha_node_free(node);
}

static void identify(struct device *device)
{
    struct ha_node *node = device->dialect_data;

    /* It cannot be asked: what it announced is what it says. */
    if (!node || !node->sources)
        return;
    if (!device->accept_identity)
        ha_node_unlearn(node);
    if (ha_node_identify(node))
        ha_node_describe(node);
    ha_offer(node);
    ha_topic_ask(node, HA_STATE);
}

const struct dialect homeassistant_dialect = {
    .name = "homeassistant",
    .mqtt_protocol = "HomeAssistant-MQTT",
    .generic = true,
    .firmware = &ha_firmware_ops,
    .create = create,
    .destroy = destroy,
    .restore = restore,
    .forget = forget,
    .identify = identify,
    .subscriptions = subscriptions,
    .broker = broker,
    .mqtt_message = mqtt_message,
};
