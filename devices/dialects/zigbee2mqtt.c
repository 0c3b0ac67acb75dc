/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Zigbee2MQTT dialect's way in: topics, bridges that come and go, and the life of a peer. Facts: Zigbee2MQTT's public
 * documentation of its MQTT topics.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "devices/dialects/zigbee2mqtt_peer.h"
#include "devices/dialects/topics.h"

enum {
    CHECK_STEP_MS = 5000,   /* between questions for updates at one bridge */
    CHECK_IDLE_MS = 600000, /* when no device may be asked now */
    CHECK_MS = 24 * 3600 * 1000,
    /* A bridge publishes its list when a device joins, leaves, is interviewed or renamed. */
    LIST_INTERVAL_MS = 5000,
    LIST_BURST = 60,
    RESPONSE_INTERVAL_MS = 100,
    RESPONSE_BURST = 100,
    STATE_BYTES = 64, /* of {"state":"online"} */
};

static const char response_head[] = Z2M_RESPONSE;

/* ---- the life of a peer ---- */

static void on_timer(struct timer *timer, void *ctx);

struct z2m_peer *z2m_peer_new(struct z2m *z2m)
{
    struct z2m_peer *peer = calloc(1, sizeof(*peer));

    if (!peer)
        return NULL;
    peer->z2m = z2m;
    timer_init(&peer->timer, on_timer, peer);
    return peer;
}

void z2m_peer_attach(struct z2m_peer *peer, struct device *device)
{
    peer->device = device;
    device->dialect_data = peer;
}

void z2m_reject(struct z2m_peer *peer, const char *why)
{
    registry_reject(peer->z2m->host.registry, peer->device, NULL, why);
}

bool z2m_reachable(const struct z2m_peer *peer)
{
    return peer->bridge && peer->bridge->online && peer->topic && !peer->disabled && !peer->away;
}

void z2m_presence(struct z2m_peer *peer)
{
    bool online = z2m_reachable(peer);

    device_set_online(peer->device, online);
    registry_announce(peer->device);
    if (online && peer->bridge)
        z2m_plan_checks(peer->bridge);
}

void z2m_schedule(struct z2m_peer *peer)
{
    struct timers *timers = peer->z2m->host.timers;
    uint64_t now = z2m_now(peer->z2m), due = z2m_next_due(peer);

    if (peer->update.settle && peer->update.settle < due)
        due = peer->update.settle;
    if (peer->gone && peer->gone < due)
        due = peer->gone;
    if (due == UINT64_MAX)
        timer_cancel(timers, &peer->timer);
    else
        timer_arm(timers, &peer->timer, due > now ? due - now : 0);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct z2m_peer *peer = ctx;
    uint64_t now = z2m_now(peer->z2m);

    (void)timer;
    if (peer->gone && peer->gone <= now) {
        z2m_forget(peer);
        return;
    }
    z2m_expire(peer, now);
    if (peer->update.settle && peer->update.settle <= now)
        z2m_update_settle(peer);
    z2m_schedule(peer);
}

/* fn for each peer that this bridge speaks for. */
static void each_peer(struct z2m_bridge *bridge, void (*fn)(struct z2m_peer *peer, void *ctx), void *ctx)
{
    const struct registry *registry = bridge->z2m->host.registry;

    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];
        struct z2m_peer *peer = device->dialect == &zigbee2mqtt_dialect ? device->dialect_data : NULL;

        if (peer && peer->bridge == bridge)
            fn(peer, ctx);
    }
}

/* ---- questions for updates ---- */

/* Not while a job has to do with the device: the bridge does one thing with it at a time. */
static bool may_check(const struct z2m_peer *peer)
{
    return peer->check && peer->has_ota && !peer->sleepy && !peer->busy && peer->device->online &&
           !peer->device->quarantined && !peer->device->target.jobs && peer->update.state == Z2M_UPDATE_NONE;
}

static void find_next(struct z2m_peer *peer, void *ctx)
{
    struct z2m_peer **next = ctx;

    if (may_check(peer) && (!*next || peer->check < (*next)->check))
        *next = peer;
}

void z2m_plan_checks(struct z2m_bridge *bridge)
{
    uint64_t soon = z2m_now(bridge->z2m) + CHECK_STEP_MS;

    if (!bridge->awaited && (!timer_armed(&bridge->timer) || bridge->timer.due > soon))
        timer_arm(bridge->z2m->host.timers, &bridge->timer, CHECK_STEP_MS);
}

static void on_check(struct timer *timer, void *ctx)
{
    struct z2m_bridge *bridge = ctx;
    struct z2m_peer *next = NULL;
    uint64_t now = z2m_now(bridge->z2m);

    if (!bridge->online || bridge->awaited)
        return;
    each_peer(bridge, find_next, &next);
    if (!next || next->check > now) {
        timer_arm(bridge->z2m->host.timers, timer, next ? next->check - now : CHECK_IDLE_MS);
        return;
    }
    next->check = now + CHECK_MS;
    bridge->awaited = z2m_call(next, Z2M_CHECK, NULL, NULL) == 0;
    z2m_plan_checks(bridge);
}

/* ---- bridges ---- */

static void bridge_to_peer(struct z2m_peer *peer, void *ctx)
{
    const bool *left = ctx;
    bool online = peer->bridge->online;

    if (!online)
        z2m_forget_requests(peer);
    z2m_presence(peer);
    z2m_update_bridge(peer, online, *left);
    z2m_schedule(peer);
}

/* left: the bridge itself went; it is not us who lost the broker. */
static void set_bridge(struct z2m_bridge *bridge, bool online, bool left)
{
    if (bridge->online == online)
        return;
    bridge->online = online;
    bridge->awaited = false;
    timer_cancel(bridge->z2m->host.timers, &bridge->timer);
    each_peer(bridge, bridge_to_peer, &left);
}

/* "online" or {"state":"online"}; -1: neither. */
static int read_presence(const struct mqtt_message *message, bool *ret)
{
    struct str text = {(const char *)message->payload, message->len};
    cJSON *json = NULL;
    int rc = -1;

    if (text.len > STATE_BYTES)
        return -1;
    if (text.len && text.data[0] == '{') {
        const char *state;

        json = json_parse(message->payload, message->len, NULL);
        state = json_text(json, "state", STATE_BYTES);
        text = state ? str_of(state) : STR("");
    }
    if (str_is(text, "online") || str_is(text, "offline")) {
        *ret = str_is(text, "online");
        rc = 0;
    }
    cJSON_Delete(json);
    return rc;
}

/* The bridge has lost the broker too, and is back: what it was asked before it may not have heard. */
static void heard_again(struct z2m_peer *peer, void *ctx)
{
    (void)ctx;
    if (peer->update.unheard) {
        z2m_forget_question(peer, Z2M_CHECK);
        z2m_update_bridge(peer, true, false);
    }
}

static void state_in(struct z2m_bridge *bridge, const struct mqtt_message *message)
{
    bool online = false;

    if (message->len && read_presence(message, &online) < 0) {
        registry_reject(bridge->z2m->host.registry, NULL, bridge->base, "bridge/state is online or offline");
        return;
    }
    if (online && bridge->online)
        each_peer(bridge, heard_again, NULL);
    set_bridge(bridge, online, true);
}

static void devices_in(struct z2m_bridge *bridge, const struct mqtt_message *message)
{
    struct registry *registry = bridge->z2m->host.registry;
    struct z2m_list list;
    struct error err = {0};

    if (!rate_take(&bridge->lists, z2m_now(bridge->z2m), LIST_INTERVAL_MS, LIST_BURST)) {
        registry_reject(registry, NULL, bridge->base, "too many lists of devices");
        return;
    }
    if (z2m_list_read(&list, message->payload, message->len, &err) < 0) {
        registry_reject(registry, NULL, bridge->base, err.message);
    } else {
        if (!list.whole)
            registry_reject(registry, NULL, bridge->base, "the list of devices has items that are none");
        z2m_listed(bridge, &list);
        z2m_plan_checks(bridge);
    }
    z2m_list_done(&list);
}

static void response_in(struct z2m_bridge *bridge, const struct mqtt_message *message)
{
    struct registry *registry = bridge->z2m->host.registry;
    struct error err = {0};
    cJSON *json;

    if (!rate_take(&bridge->responses, z2m_now(bridge->z2m), RESPONSE_INTERVAL_MS, RESPONSE_BURST)) {
        registry_reject(registry, NULL, bridge->base, "too many responses");
        return;
    }
    json = json_parse(message->payload, message->len, &err);
    if (json)
        z2m_answer(bridge, json);
    else
        registry_reject(registry, NULL, bridge->base, err.message);
    cJSON_Delete(json);
}

/* ---- devices ---- */

static void availability_in(struct z2m_peer *peer, const struct mqtt_message *message)
{
    bool online = true; /* an empty message: it is no longer watched */

    if (!device_contacted(peer->device))
        return;
    if (message->len && read_presence(message, &online) < 0) {
        z2m_reject(peer, "availability is online or offline");
        return;
    }
    peer->away = !online;
    z2m_presence(peer);
}

/* Of a device that runs on one. */
static void battery_in(struct z2m_peer *peer, const cJSON *report)
{
    const cJSON *battery = json_member(report, "battery");

    if (!peer->sleepy || !cJSON_IsNumber(battery) ||
        !(battery->valuedouble >= 0 && battery->valuedouble <= 100))
        return;
    device_set_battery(peer->device, (int)battery->valuedouble);
    registry_announce(peer->device);
}

static bool mentions(const struct mqtt_message *message, const char *name)
{
    return memmem(message->payload, message->len, name, strlen(name));
}

/* What a device says comes here too, many times an hour: only what tells of firmware or battery is read. */
static void report_in(struct z2m_peer *peer, const struct mqtt_message *message)
{
    struct error err = {0};
    cJSON *json;

    if (!device_contacted(peer->device) ||
        (!mentions(message, "\"update\"") && !mentions(message, "\"battery\"")))
        return;
    json = json_parse(message->payload, message->len, &err);
    if (!json)
        z2m_reject(peer, err.message);
    else
        battery_in(peer, json);
    if (json_object(json, "update") && !peer->device->quarantined)
        z2m_update_in(peer, json_object(json, "update"));
    cJSON_Delete(json);
    z2m_schedule(peer);
}

static void device_in(struct z2m *z2m, const struct mqtt_message *message)
{
    static const struct str suffix = {"/availability", sizeof("/availability") - 1};
    struct str topic = str_of(message->topic), head = topic;
    struct z2m_peer *peer = map_get(&z2m->by_topic, topic);

    if (peer) {
        report_in(peer, message);
        return;
    }
    if (topic.len <= suffix.len)
        return;
    head.len -= suffix.len;
    peer = str_equal((struct str){topic.data + head.len, suffix.len}, suffix) ? map_get(&z2m->by_topic, head)
                                                                              : NULL;
    if (peer)
        availability_in(peer, message);
}

/* ---- topics ---- */

static void subscriptions(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx)
{
    static const char *const tails[] = {Z2M_HEARD};
    struct z2m *z2m = ctx;
    char topic[256];

    for (size_t i = 0; i < z2m->bridge_count; i++) {
        for (size_t k = 0; k < sizeof(tails) / sizeof(tails[0]); k++) {
            snprintf(topic, sizeof(topic), "%s/%s", z2m->bridges[i].base, tails[k]);
            add(add_ctx, topic);
        }
    }
}

/* The bridge with the longest base topic in front of this one, or NULL. */
static struct z2m_bridge *bridge_of(const struct z2m *z2m, const char *topic, const char **ret_rest)
{
    struct z2m_bridge *found = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < z2m->bridge_count; i++) {
        size_t len = strlen(z2m->bridges[i].base);

        if (len > longest && strncmp(topic, z2m->bridges[i].base, len) == 0 && topic[len] == '/') {
            found = &z2m->bridges[i];
            longest = len;
        }
    }
    *ret_rest = found ? topic + longest + 1 : NULL;
    return found;
}

static bool mqtt_message(void *ctx, const struct mqtt_message *message)
{
    struct z2m *z2m = ctx;
    const char *rest;
    struct z2m_bridge *bridge = bridge_of(z2m, message->topic, &rest);

    if (!bridge)
        return false;
    if (strcmp(rest, "bridge/state") == 0)
        state_in(bridge, message);
    else if (strcmp(rest, "bridge/devices") == 0)
        devices_in(bridge, message);
    else if (strncmp(rest, response_head, sizeof(response_head) - 1) == 0)
        response_in(bridge, message);
    else
        device_in(z2m, message);
    return true;
}

static void missed(struct z2m_peer *peer, void *ctx)
{
    (void)ctx;
    z2m_update_bridge(peer, false, false);
    z2m_update_bridge(peer, true, false);
}

static void broker(void *ctx, bool connected)
{
    struct z2m *z2m = ctx;

    for (size_t i = 0; i < z2m->bridge_count; i++) {
        struct z2m_bridge *bridge = &z2m->bridges[i];

        /* Retained messages bring bridges back; what was not retained meanwhile was missed. */
        if (!connected)
            set_bridge(bridge, false, false);
        else if (bridge->online)
            each_peer(bridge, missed, NULL);
    }
}

/* ---- the context ---- */

static void destroy(void *ctx)
{
    struct z2m *z2m = ctx;

    if (!z2m)
        return;
    for (size_t i = 0; i < z2m->bridge_count; i++) {
        timer_cancel(z2m->host.timers, &z2m->bridges[i].timer);
        free(z2m->bridges[i].base);
    }
    free(z2m->bridges);
    map_done(&z2m->by_topic);
    free(z2m);
}

static bool in_list(const char *list, struct str topic)
{
    struct str rest = str_of(list ? list : ""), part;

    while (str_next(&rest, ',', &part))
        if (str_equal(str_trim(part), topic) || str_is(str_trim(part), "*"))
            return true;
    return false;
}

static int add_bridge(struct z2m *z2m, struct str base)
{
    struct z2m_bridge *bridge = &z2m->bridges[z2m->bridge_count];

    *bridge = (struct z2m_bridge){
        .z2m = z2m,
        .base = str_dup(base.data, base.len),
        .hex = in_list(z2m->host.zigbee2mqtt_hex_topics, base),
    };
    if (!bridge->base)
        return -1;
    timer_init(&bridge->timer, on_check, bridge);
    z2m->bridge_count++;
    return 0;
}

static int add_bridges(struct z2m *z2m)
{
    struct str rest = str_of(z2m->host.zigbee2mqtt_topics ? z2m->host.zigbee2mqtt_topics : ""), base;

    z2m->bridges = calloc(LIMIT_LAN_BRIDGES, sizeof(*z2m->bridges));
    if (!z2m->bridges)
        return -1;
    while (z2m->bridge_count < LIMIT_LAN_BRIDGES && str_next(&rest, ',', &base)) {
        base = str_trim(base);
        if (base.len && add_bridge(z2m, base) < 0)
            return -1;
    }
    return 0;
}

static void *create(const struct dialect_host *host)
{
    struct z2m *z2m = calloc(1, sizeof(*z2m));

    if (!z2m)
        return NULL;
    z2m->host = *host;
    map_init(&z2m->by_topic);
    if (getrandom(z2m->seed, sizeof(z2m->seed), 0) != (ssize_t)sizeof(z2m->seed) || add_bridges(z2m) < 0) {
        destroy(z2m);
        return NULL;
    }
    return z2m;
}

/* Whether it is still there, and under which name, its bridge will say. */
static int restore(void *ctx, struct device *device)
{
    struct z2m_peer *peer = z2m_peer_new(ctx);

    if (!peer)
        return -1;
    z2m_peer_attach(peer, device);
    return 0;
}

static void forget(struct device *device)
{
    struct z2m_peer *peer = device->dialect_data;

    device->dialect_data = NULL;
    timer_cancel(peer->z2m->host.timers, &peer->timer);
    z2m_unname(peer);
    free(peer);
}

static void identify(struct device *device)
{
    struct z2m_peer *peer = device->dialect_data;

    /* Who it is stands in the list of devices, which the broker keeps: subscribing anew brings it again. */
    if (peer->bridge) {
        const struct lan *lan = peer->z2m->host.lan;
        char topic[256];

        snprintf(topic, sizeof(topic), "%s/bridge/devices", peer->bridge->base);
        lan->unsubscribe(lan->ctx, topic, NULL);
        lan->subscribe(lan->ctx, topic, NULL);
    }
}

const struct dialect zigbee2mqtt_dialect = {
    .name = "zigbee2mqtt",
    .mqtt_protocol = "Zigbee2MQTT",
    .firmware = &z2m_firmware_ops,
    .create = create,
    .destroy = destroy,
    .restore = restore,
    .forget = forget,
    .identify = identify,
    .subscriptions = subscriptions,
    .broker = broker,
    .mqtt_message = mqtt_message,
};
