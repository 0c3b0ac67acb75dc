/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Tasmota dialect's way in: topics, last wills, and the life of a peer. Topics and who has them are in
 * tasmota_topics.c, announcements in tasmota_discovery.c, questions in tasmota_ask.c, answers and identity in
 * tasmota_status.c, updates in tasmota_update.c. Facts: the maker's public documentation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/tasmota_peer.h"
#include "devices/dialects/topics.h"
#include "devices/identity.h"

enum {
    QUIET_MS = 15 * 60 * 1000, /* a device is asked whether it is there */
    LAST_WILL_MAX = TASMOTA_TEXT_MAX,
    PRESENCE_INTERVAL_MS = 2000,
    PRESENCE_BURST = 20,
};

static uint64_t now_ms(const struct tasmota *tasmota)
{
    return clock_monotonic(tasmota->host.clock);
}

/* ---- the life of a peer ---- */

static void on_timer(struct timer *timer, void *ctx);

static struct tasmota_peer *peer_new(struct tasmota *tasmota)
{
    struct tasmota_peer *peer = calloc(1, sizeof(*peer));

    if (!peer)
        return NULL;
    peer->tasmota = tasmota;
    peer->uptime_s = UINT64_MAX;
    timer_init(&peer->timer, on_timer, peer);
    return peer;
}

void tasmota_peer_free(struct tasmota_peer *peer)
{
    if (!peer)
        return;
    timer_cancel(peer->tasmota->host.timers, &peer->timer);
    tasmota_topics_drop(peer);
    if (peer->mac[0])
        map_remove(&peer->tasmota->by_mac, str_of(peer->mac));
    free(peer->online);
    free(peer->offline);
    free(peer->name);
    free(peer->model);
    free(peer->group);
    free(peer->ota_url);
    free(peer);
}

void tasmota_candidate_free(struct tasmota_peer *peer)
{
    peer->tasmota->candidates--;
    tasmota_peer_free(peer);
}

struct tasmota_peer *tasmota_introduce(struct tasmota *tasmota, struct tasmota_topics *topics)
{
    struct tasmota_peer *peer = tasmota->candidates < tasmota->host.registry->limits->lan_candidates
                                    ? peer_new(tasmota)
                                    : NULL;

    if (!peer) {
        tasmota_topics_done(topics);
        return NULL;
    }
    if (tasmota_topics_set(peer, topics, NULL) < 0) {
        tasmota_peer_free(peer);
        return NULL;
    }
    tasmota->candidates++;
    return peer;
}

void tasmota_reject(struct tasmota_peer *peer, const char *why)
{
    registry_reject(peer->tasmota->host.registry, peer->device, peer->topics.status, why);
}

void tasmota_drop_candidate(struct tasmota_peer *peer, const char *why)
{
    tasmota_reject(peer, why);
    memset(peer->pending, 0, sizeof(peer->pending));
    peer->ignore = now_ms(peer->tasmota) + TASMOTA_IGNORE_MS;
    tasmota_schedule(peer);
}

void tasmota_schedule(struct tasmota_peer *peer)
{
    uint64_t now = now_ms(peer->tasmota), due = tasmota_next_due(peer);

    if (peer->ignore && peer->ignore < due)
        due = peer->ignore;
    if (peer->device && peer->device->online) {
        if (peer->quiet < due)
            due = peer->quiet;
        if (peer->update.state >= TASMOTA_UPDATE_TRANSFERRING && peer->update.poll < due)
            due = peer->update.poll;
    }
    if (due == UINT64_MAX)
        timer_cancel(peer->tasmota->host.timers, &peer->timer);
    else
        timer_arm(peer->tasmota->host.timers, &peer->timer, due > now ? due - now : 0);
}

/* Its time is over: one that announced itself is listened to again, another one has to introduce itself. */
static void forgive(struct tasmota_peer *peer)
{
    peer->ignore = 0;
    if (!peer->mac[0])
        tasmota_candidate_free(peer);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct tasmota_peer *peer = ctx;
    uint64_t now = now_ms(peer->tasmota);

    (void)timer;
    if (peer->ignore) {
        if (peer->ignore <= now)
            forgive(peer);
        else
            tasmota_schedule(peer);
        return;
    }
    tasmota_expire(peer, now);
    if (peer->device && peer->device->online) {
        if (peer->quiet <= now) {
            peer->quiet = now + QUIET_MS;
            tasmota_ask(peer, TASMOTA_VERSION, NULL);
        }
        if (peer->update.state >= TASMOTA_UPDATE_TRANSFERRING && peer->update.poll <= now) {
            peer->update.poll = now + TASMOTA_POLL_MS;
            tasmota_ask(peer, TASMOTA_ALL, NULL);
        }
    }
    tasmota_schedule(peer);
}

void tasmota_offline(struct tasmota_peer *peer)
{
    memset(peer->pending, 0, sizeof(peer->pending));
    device_set_online(peer->device, false);
    registry_announce(peer->device);
    tasmota_update_left(peer);
    tasmota_schedule(peer);
}

/* ---- last wills ---- */

static void presence_in(struct tasmota_peer *peer, const struct mqtt_message *message)
{
    struct str said = {(const char *)message->payload, message->len};
    bool online = str_is(said, peer->online ? peer->online : "Online");

    if (!online && !str_is(said, peer->offline ? peer->offline : "Offline")) {
        tasmota_reject(peer, "its last will says something else than it announced");
        return;
    }
    if (peer->ignore)
        return;
    if (!rate_take(&peer->presence, now_ms(peer->tasmota), PRESENCE_INTERVAL_MS, PRESENCE_BURST)) {
        tasmota_reject(peer, "it comes and goes too often");
        return;
    }
    if (online) {
        peer->quiet = now_ms(peer->tasmota) + QUIET_MS;
        tasmota_ask(peer, TASMOTA_ALL, NULL);
    } else if (peer->device && peer->device->online) {
        tasmota_offline(peer);
    }
}

/*
 * Nobody announced these topics: a device older than announcements, or with them switched off, in one of the two usual
 * orders, tele/<topic>/ or <topic>/tele/. -1: neither.
 */
static int guess_topics(struct str prefix, struct tasmota_topics *ret)
{
    static const char *const orders[] = {"%prefix%/%topic%/", "%topic%/%prefix%/"};
    struct tasmota_naming naming = {.prefix = {TASMOTA_COMMAND, TASMOTA_STATUS, TASMOTA_TELEMETRY}};
    struct str rest = prefix, first, second;
    char topic[TASMOTA_TEXT_MAX + 1];

    if (!str_next(&rest, '/', &first) || !str_next(&rest, '/', &second) || rest.len > 0)
        return -1;
    if (!str_is(first, "tele") && !str_is(second, "tele"))
        return -1;
    naming.full_topic = orders[!str_is(first, "tele")];
    if (str_is(first, "tele"))
        first = second;
    if (first.len == 0 || first.len > TASMOTA_TEXT_MAX)
        return -1;
    memcpy(topic, first.data, first.len);
    topic[first.len] = '\0';
    naming.topic = topic;
    return tasmota_topics_make(&naming, ret, NULL);
}

static void stranger_in(struct tasmota *tasmota, struct str prefix, const struct mqtt_message *message)
{
    struct str said = {(const char *)message->payload, message->len};
    struct tasmota_topics topics;
    struct tasmota_peer *peer;

    if (!str_is(said, "Online") || guess_topics(prefix, &topics) < 0)
        return;
    peer = tasmota_introduce(tasmota, &topics);
    if (peer)
        tasmota_ask(peer, TASMOTA_ALL, NULL);
    else
        registry_reject(tasmota->host.registry, NULL, "the broker", "too many unknown topics");
}

/* ---- MQTT ---- */

static void subscriptions(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx)
{
    static const char *const heard[] = {TASMOTA_HEARD};

    (void)ctx;
    for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
        add(add_ctx, heard[i]);
}

static void info_in(struct tasmota_peer *peer, const struct mqtt_message *message)
{
    struct error err = {0};
    cJSON *json;

    /* With InfoRetain an old one comes with the subscription. */
    if (message->retain || peer->ignore)
        return;
    if (!rate_take(&peer->presence, now_ms(peer->tasmota), PRESENCE_INTERVAL_MS, PRESENCE_BURST)) {
        tasmota_reject(peer, "it starts too often");
        return;
    }
    json = json_parse(message->payload, message->len, &err);
    if (json)
        tasmota_started(peer, json);
    else
        tasmota_reject(peer, err.message);
    cJSON_Delete(json);
}

/* "tasmota/discovery/<mac>/config": true, and the part in the middle. */
static bool is_announcement(struct str topic, struct str *ret_mac)
{
    struct str rest = topic, part;

    if (!str_next(&rest, '/', &part) || !str_is(part, "tasmota") || !str_next(&rest, '/', &part) ||
        !str_is(part, "discovery") || !str_next(&rest, '/', ret_mac))
        return false;
    return str_is(rest, "config");
}

/* Only commands that are ours to read are taken, so that no device can announce away the topics of another dialect. */
static bool mqtt_message(void *ctx, const struct mqtt_message *message)
{
    struct tasmota *tasmota = ctx;
    struct str topic = str_of(message->topic), mac, prefix, command;
    const char *slash = strrchr(message->topic, '/');
    struct tasmota_peer *peer;

    if (is_announcement(topic, &mac)) {
        tasmota_announced(tasmota, mac, message);
        return true;
    }
    if (!slash)
        return false;
    prefix = (struct str){topic.data, (size_t)(slash + 1 - topic.data)};
    command = str_of(slash + 1);
    if (str_is(command, "LWT") || str_is(command, "INFO1")) {
        peer = map_get(&tasmota->by_telemetry, prefix);
        if (peer && str_is(command, "LWT"))
            presence_in(peer, message);
        else if (peer)
            info_in(peer, message);
        else if (str_is(command, "LWT"))
            stranger_in(tasmota, prefix, message);
        return peer != NULL;
    }
    peer = map_get(&tasmota->by_status, prefix);
    return peer && tasmota_status_in(peer, command, message);
}

static void broker(void *ctx, bool connected)
{
    struct tasmota *tasmota = ctx;
    struct registry *registry = tasmota->host.registry;

    if (connected) { /* retained messages will bring them back */
        tasmota_ask_anew(tasmota);
        return;
    }
    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];

        if (device->dialect == &tasmota_dialect && device->online && device->dialect_data)
            tasmota_offline(device->dialect_data);
    }
}

/* ---- the context ---- */

static void *create(const struct dialect_host *host)
{
    struct tasmota *tasmota = calloc(1, sizeof(*tasmota));

    if (!tasmota)
        return NULL;
    tasmota->host = *host;
    map_init(&tasmota->by_status);
    map_init(&tasmota->by_telemetry);
    map_init(&tasmota->by_mac);
    return tasmota;
}

static void destroy(void *ctx)
{
    struct tasmota *tasmota = ctx;
    struct tasmota_peer *peer;
    size_t at = 0;

    if (!tasmota)
        return;
    while ((peer = map_next(&tasmota->by_status, &at)))
        tasmota_peer_free(peer);
    map_done(&tasmota->by_status);
    map_done(&tasmota->by_telemetry);
    map_done(&tasmota->by_mac);
    free(tasmota);
}

/* Where it listens is not stored: it announces that anew, or its last will shows it. */
static int restore(void *ctx, struct device *device)
{
    struct tasmota_peer *peer = peer_new(ctx);
    char mac[13];

    if (!peer)
        return -1;
    /* Two rows of one address cannot be, unless the store was made by hand: the second one is never heard. */
    if (identity_mac(device_id(device), mac) == 0)
        tasmota_mac_set(peer, mac);
    peer->device = device;
    device->dialect_data = peer;
    return 0;
}

static void forget(struct device *device)
{
    struct tasmota_peer *peer = device->dialect_data;

    device->dialect_data = NULL;
    tasmota_peer_free(peer);
}

static void identify(struct device *device)
{
    if (device->dialect_data)
        tasmota_ask(device->dialect_data, TASMOTA_ALL, NULL);
}

const struct dialect tasmota_dialect = {
    .name = "tasmota",
    .mqtt_protocol = "Tasmota-MQTT",
    .firmware = &tasmota_firmware_ops,
    .create = create,
    .destroy = destroy,
    .restore = restore,
    .forget = forget,
    .identify = identify,
    .subscriptions = subscriptions,
    .broker = broker,
    .mqtt_message = mqtt_message,
};
