/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Shelly dialect's way in: topics, sessions and notifications, and the life of a peer. Requests are in shelly_rpc.c,
 * identity in shelly_identify.c, updates in shelly_update.c. Facts: Shelly's public description of generation 2 RPC.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "devices/dialects/shelly_peer.h"
#include "devices/dialects/topics.h"

enum {
    CHECK_MS = 24 * 3600 * 1000, /* between questions for updates */
    QUIET_MS = 15 * 60 * 1000,   /* a device that said nothing for so long is asked whether it is there */
    PREFIX_MAX = 128,
    /* Messages of a candidate, which has nothing to say but who it is. */
    CANDIDATE_INTERVAL_MS = 1000,
    CANDIDATE_BURST = 20,
    PRESENCE_INTERVAL_MS = 2000,
    PRESENCE_BURST = 20,
    ANSWER_INTERVAL_MS = 200,
    ANSWER_BURST = 40,
    EXCESS_MAX = 5000, /* messages beyond the limit before a session is closed */
};

/* ---- the life of a peer ---- */

static uint64_t now_ms(const struct shelly *shelly)
{
    return clock_monotonic(shelly->host.clock);
}

static void on_timer(struct timer *timer, void *ctx);

static struct shelly_peer *peer_new(struct shelly *shelly)
{
    struct shelly_peer *peer = calloc(1, sizeof(*peer));

    if (!peer)
        return NULL;
    peer->shelly = shelly;
    peer->first.battery = -2;
    timer_init(&peer->timer, on_timer, peer);
    return peer;
}

static void peer_free(struct shelly_peer *peer)
{
    if (!peer)
        return;
    timer_cancel(peer->shelly->host.timers, &peer->timer);
    if (peer->prefix && map_get(&peer->shelly->by_prefix, str_of(peer->prefix)) == peer)
        map_remove(&peer->shelly->by_prefix, str_of(peer->prefix));
    if (peer->session)
        peer->session->peer = NULL;
    shelly_forget_requests(peer);
    free(peer->prefix);
    free(peer);
}

/* A peer under a topic prefix, or NULL when memory is out. */
static struct shelly_peer *peer_at_prefix(struct shelly *shelly, struct str prefix)
{
    struct shelly_peer *peer = peer_new(shelly);

    if (!peer)
        return NULL;
    peer->prefix = str_dup(prefix.data, prefix.len);
    if (!peer->prefix || map_put(&shelly->by_prefix, str_of(peer->prefix), peer) < 0) {
        peer_free(peer);
        return NULL;
    }
    return peer;
}

void shelly_reject(struct shelly_peer *peer, const char *why)
{
    const char *name = peer->session ? peer->session->address : peer->prefix;

    registry_reject(peer->shelly->host.registry, peer->device, name, why);
}

void shelly_drop_candidate(struct shelly_peer *peer, const char *why)
{
    const struct lan *lan = peer->shelly->host.lan;

    shelly_reject(peer, why);
    if (peer->session) {
        peer->session->peer = NULL;
        lan->close(lan->ctx, peer->session, why);
        peer->session = NULL;
        peer_free(peer);
        return;
    }
    shelly_forget_requests(peer);
    peer->ignore = now_ms(peer->shelly) + SHELLY_IGNORE_MS;
    shelly_schedule(peer);
}

static void forget_candidate(struct shelly_peer *peer)
{
    peer->shelly->candidates--;
    peer_free(peer);
}

void shelly_schedule(struct shelly_peer *peer)
{
    uint64_t now = now_ms(peer->shelly), due = shelly_next_due(peer);

    if (peer->ignore && peer->ignore < due)
        due = peer->ignore;
    if (peer->device && peer->device->online) {
        if (peer->check && peer->check < due)
            due = peer->check;
        if (peer->quiet < due)
            due = peer->quiet;
        if (peer->update.state != SHELLY_UPDATE_NONE && peer->update.poll < due)
            due = peer->update.poll;
    }
    if (due == UINT64_MAX)
        timer_cancel(peer->shelly->host.timers, &peer->timer);
    else
        timer_arm(peer->shelly->host.timers, &peer->timer, due > now ? due - now : 0);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct shelly_peer *peer = ctx;
    uint64_t now = now_ms(peer->shelly);

    (void)timer;
    if (peer->ignore && peer->ignore <= now) {
        forget_candidate(peer);
        return;
    }
    if (shelly_expire(peer, now) < 0)
        return;
    if (peer->device && peer->device->online) {
        if (peer->check && peer->check <= now) {
            peer->check = now + CHECK_MS;
            shelly_call(peer, SHELLY_CHECK_FOR_UPDATE, NULL, NULL);
        }
        if (peer->quiet <= now) {
            peer->quiet = now + QUIET_MS;
            shelly_call(peer, SHELLY_GET_DEVICE_INFO, NULL, NULL);
        }
        if (peer->update.state != SHELLY_UPDATE_NONE && peer->update.poll <= now) {
            peer->update.poll = now + SHELLY_POLL_MS;
            shelly_call(peer, SHELLY_GET_DEVICE_INFO, NULL, NULL);
        }
    }
    shelly_schedule(peer);
}

void shelly_offline(struct shelly_peer *peer, bool left)
{
    shelly_forget_requests(peer);
    if (left && peer->update.state != SHELLY_UPDATE_NONE) {
        peer->update.away = true;
        if (peer->update.state == SHELLY_UPDATE_ASKED)
            peer->update.state = SHELLY_UPDATE_TRANSFERRING; /* its answer may be what got lost */
    }
    device_set_online(peer->device, false);
    registry_announce(peer->device);
    shelly_schedule(peer);
}

/* ---- notifications ---- */

void shelly_offered(struct shelly_peer *peer, const cJSON *updates)
{
    struct device *device = peer->device;
    const char *version = json_text(json_object(updates, "stable"), "version", SHELLY_TEXT_MAX);

    if (!device || device->quarantined)
        return;
    if (version && strcmp(version, device_text(device, DEVICE_SOFTWARE_VERSION)) == 0)
        version = NULL;
    device_set(device, DEVICE_OFFERED_VERSION, version);
    registry_announce(device);
    firmware_target_offer(&device->target, "stable", version);
}

/* Of a component devicepower:0: what a battery has left, unless the device is plugged in. Of sys: whether it sleeps. */
static struct shelly_first first_of(const cJSON *params)
{
    const cJSON *power = json_object(params, "devicepower:0"), *sys = json_object(params, "sys");
    struct shelly_first said = {.battery = -2};
    uint64_t number;

    said.told = cJSON_IsNumber(json_member(sys, "wakeup_period"));
    said.sleeps = json_number(sys, "wakeup_period", UINT32_MAX, &number) == 0 && number > 0;
    if (cJSON_IsTrue(json_member(json_object(power, "external"), "present")))
        said.battery = -1;
    else if (json_number(json_object(power, "battery"), "percent", 100, &number) == 0)
        said.battery = (int)number;
    return said;
}

void shelly_power(struct shelly_peer *peer, const struct shelly_first *said)
{
    if (said->battery >= -1)
        device_set_battery(peer->device, said->battery);
    if (said->told)
        device_set_sleeps(peer->device, said->sleeps);
}

static void notify_status(struct shelly_peer *peer, const cJSON *params)
{
    const cJSON *updates = json_object(json_object(params, "sys"), "available_updates");
    struct shelly_first said = first_of(params);

    if (updates)
        shelly_offered(peer, updates);
    shelly_power(peer, &said);
    registry_announce(peer->device);
}

static void notify_event(struct shelly_peer *peer, const cJSON *params)
{
    const cJSON *event;

    cJSON_ArrayForEach(event, json_array(params, "events"))
    {
        const char *component = json_text(event, "component", SHELLY_TEXT_MAX);
        const char *name = json_text(event, "event", SHELLY_TEXT_MAX);

        if (component && name && strcmp(component, "sys") == 0)
            shelly_update_event(peer, name, event);
    }
}

static void notification(struct shelly_peer *peer, const char *method, const cJSON *params)
{
    if (peer->device->quarantined)
        return;
    if (strcmp(method, "NotifyStatus") == 0 || strcmp(method, "NotifyFullStatus") == 0)
        notify_status(peer, params);
    else if (strcmp(method, "NotifyEvent") == 0)
        notify_event(peer, params);
}

/* ---- frames ---- */

/* An RPC frame on the peer's own channel. May free the peer. */
static void frame_in(struct shelly_peer *peer, const cJSON *frame)
{
    const char *src = json_text(frame, "src", SHELLY_TEXT_MAX);
    const char *method = json_text(frame, "method", SHELLY_TEXT_MAX);
    uint64_t id;

    if (!src || (!method && json_number(frame, "id", UINT32_MAX, &id) < 0)) {
        shelly_reject(peer, "not an RPC frame");
        return;
    }
    if (peer->device && strcmp(src, device_id(peer->device)) != 0) {
        shelly_reject(peer, "it speaks in the name of another device");
        return;
    }
    if (!method) {
        shelly_answer(peer, src, id, frame);
        return;
    }
    if (json_member(frame, "id"))
        return;          /* a request to us */
    if (!peer->device) { /* not known yet: what it is told once, as it connects, is kept until it is */
        if (strcmp(method, "NotifyFullStatus") == 0)
            peer->first = first_of(json_object(frame, "params"));
        return;
    }
    if (!peer->device->online)
        shelly_call(peer, SHELLY_GET_DEVICE_INFO, NULL, NULL);
    notification(peer, method, json_object(frame, "params"));
}

/* One more message: false when there are too many, which in the end costs a session its connection. */
static bool may_speak(struct shelly_peer *peer)
{
    const struct lan *lan = peer->shelly->host.lan;
    uint64_t now = now_ms(peer->shelly);

    if (peer->device ? device_contacted(peer->device)
                     : rate_take(&peer->messages, now, CANDIDATE_INTERVAL_MS, CANDIDATE_BURST)) {
        peer->quiet = now + QUIET_MS;
        return true;
    }
    if (!peer->device)
        shelly_reject(peer, "too many messages before it said who it is");
    if (peer->session && ++peer->excess == EXCESS_MAX)
        lan->close(lan->ctx, peer->session, "too many messages");
    return false;
}

static void parse_in(struct shelly_peer *peer, const uint8_t *data, size_t len)
{
    struct error err = {0};
    cJSON *frame = json_parse(data, len, &err);

    if (!frame)
        shelly_reject(peer, err.message);
    else
        frame_in(peer, frame);
    cJSON_Delete(frame);
}

static void bytes_in(struct shelly_peer *peer, const uint8_t *data, size_t len)
{
    if (!peer->ignore && may_speak(peer))
        parse_in(peer, data, len);
}

/* Answers have a topic and an allowance of their own: a device whose events are too many can still be asked. */
static void answer_in(struct shelly_peer *peer, const uint8_t *data, size_t len)
{
    uint64_t now = now_ms(peer->shelly);

    if (peer->ignore)
        return;
    if (!rate_take(&peer->answers, now, ANSWER_INTERVAL_MS, ANSWER_BURST)) {
        shelly_reject(peer, "too many answers");
        return;
    }
    peer->quiet = now + QUIET_MS;
    if (peer->device)
        peer->device->last_contacted = clock_wall(peer->shelly->host.clock);
    parse_in(peer, data, len);
}

/* ---- MQTT ---- */

static void subscriptions(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx)
{
    static const char *const heard[] = {SHELLY_HEARD}, *const answers[] = {SHELLY_ANSWERS};
    struct shelly *shelly = ctx;
    char topic[PREFIX_MAX];

    for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
        add(add_ctx, heard[i]);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        snprintf(topic, sizeof(topic), "%s%s", shelly->host.source, answers[i]);
        add(add_ctx, topic);
    }
}

/* A new candidate under this prefix, asked who it is; NULL when there are too many. */
static void introduce(struct shelly *shelly, struct str prefix)
{
    struct shelly_peer *peer = NULL;

    if (prefix.len == 0 || prefix.len > PREFIX_MAX ||
        shelly->candidates >= shelly->host.registry->limits->lan_candidates)
        registry_reject(shelly->host.registry, NULL, "the broker",
                        "too many unknown topics (limit_lan_candidates), or a topic too long");
    else
        peer = peer_at_prefix(shelly, prefix);
    if (!peer)
        return;
    shelly->candidates++;
    shelly_call(peer, SHELLY_GET_DEVICE_INFO, NULL, NULL);
}

static void online_in(struct shelly *shelly, struct str prefix, const struct mqtt_message *message)
{
    struct shelly_peer *peer = map_get(&shelly->by_prefix, prefix);
    struct str said = {(const char *)message->payload, message->len};
    bool online;

    if (said.len > 5 || str_to_bool(said, &online) < 0) {
        registry_reject(shelly->host.registry, peer ? peer->device : NULL, "the broker",
                        "online is true or false");
        return;
    }
    if (!peer) {
        if (online)
            introduce(shelly, prefix);
        return;
    }
    if (!peer->device || peer->session)
        return;
    if (!rate_take(&peer->presence, now_ms(shelly), PRESENCE_INTERVAL_MS, PRESENCE_BURST)) {
        shelly_reject(peer, "it comes and goes too often");
        return;
    }
    if (!online) {
        if (peer->device->online)
            shelly_offline(peer, true);
        return;
    }
    /* It connected to the broker anew: after a reboot, or only so. */
    if (!message->retain && peer->update.state != SHELLY_UPDATE_NONE)
        peer->update.away = true;
    shelly_call(peer, SHELLY_GET_DEVICE_INFO, NULL, NULL);
}

/* "<prefix>/online" and the like: the prefix, when the topic ends so. */
static bool topic_prefix(struct str topic, struct str suffix, struct str *ret)
{
    if (topic.len <= suffix.len ||
        !str_equal((struct str){topic.data + topic.len - suffix.len, suffix.len}, suffix))
        return false;
    *ret = (struct str){topic.data, topic.len - suffix.len};
    return true;
}

static bool mqtt_message(void *ctx, const struct mqtt_message *message)
{
    struct shelly *shelly = ctx;
    struct str topic = str_of(message->topic), source = str_of(shelly->host.source), prefix;
    struct shelly_peer *peer;

    if (topic_prefix(topic, STR("/online"), &prefix)) {
        online_in(shelly, prefix, message);
        return true;
    }
    if (topic_prefix(topic, STR("/events/rpc"), &prefix)) {
        peer = map_get(&shelly->by_prefix, prefix);
        if (!peer)
            introduce(shelly, prefix);
        else if (!peer->session && !message->retain)
            bytes_in(peer, message->payload, message->len);
        return true;
    }
    if (!topic_prefix(topic, STR("/rpc"), &prefix) || !str_starts(prefix, source) ||
        prefix.len <= source.len + 1 || prefix.data[source.len] != '/')
        return false;
    prefix = (struct str){prefix.data + source.len + 1, prefix.len - source.len - 1};
    peer = map_get(&shelly->by_prefix, prefix);
    if (peer && !peer->session)
        answer_in(peer, message->payload, message->len);
    else
        registry_reject(shelly->host.registry, NULL, "the broker", "an answer that nobody asked for");
    return true;
}

static void broker(void *ctx, bool connected)
{
    struct shelly *shelly = ctx;
    struct registry *registry = shelly->host.registry;

    if (connected) { /* retained messages and what devices say will bring them back */
        shelly_ask_anew(shelly);
        return;
    }
    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];
        struct shelly_peer *peer = device->dialect_data;

        if (device->dialect == &shelly_dialect && device->online && peer && !peer->session)
            shelly_offline(peer, false);
    }
}

/* ---- WebSocket ---- */

static int opened(void *ctx, struct lan_session *session)
{
    struct shelly_peer *peer = peer_new(ctx);

    if (!peer)
        return -1;
    peer->session = session;
    session->peer = peer; /* no notification need come first: some devices only answer */
    return shelly_call(peer, SHELLY_GET_DEVICE_INFO, NULL, NULL);
}

static void websocket_message(void *ctx, struct lan_session *session, bool binary, const uint8_t *data,
                              size_t len)
{
    (void)ctx;
    (void)binary; /* devices say text; the bytes are what counts */
    if (session->peer)
        bytes_in(session->peer, data, len);
}

static void closed(void *ctx, struct lan_session *session)
{
    struct shelly_peer *peer = session->peer;

    (void)ctx;
    if (!peer)
        return;
    session->peer = NULL;
    peer->session = NULL;
    if (peer->device)
        shelly_offline(peer, true);
    else
        peer_free(peer);
}

/* ---- the context ---- */

static void *create(const struct dialect_host *host)
{
    struct shelly *shelly = calloc(1, sizeof(*shelly));

    if (!shelly)
        return NULL;
    shelly->host = *host;
    map_init(&shelly->by_prefix);
    if (getrandom(shelly->seed, sizeof(shelly->seed), 0) != (ssize_t)sizeof(shelly->seed)) {
        free(shelly);
        return NULL;
    }
    return shelly;
}

static void destroy(void *ctx)
{
    struct shelly *shelly = ctx;
    struct shelly_peer *peer;
    size_t at = 0;

    if (!shelly)
        return;
    while ((peer = map_next(&shelly->by_prefix, &at)))
        peer_free(peer);
    map_done(&shelly->by_prefix);
    free(shelly);
}

static int restore(void *ctx, struct device *device)
{
    struct shelly *shelly = ctx;
    const char *prefix = device->text[DEVICE_ADDRESS];
    struct shelly_peer *peer;

    /* Two rows under one prefix cannot be: the later one waits until it introduces itself. */
    if (prefix && !map_get(&shelly->by_prefix, str_of(prefix)))
        peer = peer_at_prefix(shelly, str_of(prefix));
    else
        peer = peer_new(shelly);
    if (!peer)
        return -1;
    peer->device = device;
    device->dialect_data = peer;
    return 0;
}

static void forget(struct device *device)
{
    struct shelly_peer *peer = device->dialect_data;

    device->dialect_data = NULL;
    if (peer && peer->session) {
        const struct lan *lan = peer->shelly->host.lan;

        peer->session->peer = NULL;
        lan->close(lan->ctx, peer->session, "the device is forgotten");
        peer->session = NULL;
    }
    peer_free(peer);
}

static void identify(struct device *device)
{
    if (device->dialect_data)
        shelly_call(device->dialect_data, SHELLY_GET_DEVICE_INFO, NULL, NULL);
}

const struct dialect shelly_dialect = {
    .name = "shelly",
    .mqtt_protocol = "Shelly-MQTT",
    .websocket_protocol = "Shelly-WebSocket",
    .firmware = &shelly_firmware_ops,
    .create = create,
    .destroy = destroy,
    .restore = restore,
    .forget = forget,
    .identify = identify,
    .subscriptions = subscriptions,
    .broker = broker,
    .mqtt_message = mqtt_message,
    .websocket_path = "/shelly",
    .websocket_server_path = "/rpc",
    .opened = opened,
    .message = websocket_message,
    .closed = closed,
};
