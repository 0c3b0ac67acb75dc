/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasmota's own discovery: a retained message per device that says what it is called and where it listens. It makes no
 * row: what was retained may be years old. It says whom to ask.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/tasmota_peer.h"
#include "devices/identity.h"

enum {
    ANNOUNCEMENT_INTERVAL_MS = 50,
    ANNOUNCEMENT_BURST = 4096,
    FULL_TOPIC_MAX = 100,
};

/* What we use of it. Borrowed from the message. */
struct announcement {
    const char *name, *model, *online, *offline;
    struct tasmota_naming naming;
    uint64_t battery, sleepy, light;
    char mac[13];
};

static int read_announcement(const cJSON *json, struct announcement *ret)
{
    const cJSON *prefixes = json_array(json, "tp");
    const char *mac = json_text(json, "mac", TASMOTA_TEXT_MAX);
    uint64_t relay = 0;

    *ret = (struct announcement){
        .name = json_text(json, "dn", TASMOTA_TEXT_MAX),
        .model = json_text(json, "md", TASMOTA_TEXT_MAX),
        .online = json_text(json, "onln", TASMOTA_TEXT_MAX),
        .offline = json_text(json, "ofln", TASMOTA_TEXT_MAX),
        .naming = {.full_topic = json_text(json, "ft", FULL_TOPIC_MAX),
                   .topic = json_text(json, "t", TASMOTA_TEXT_MAX),
                   .host_name = json_text(json, "hn", TASMOTA_TEXT_MAX)},
    };
    for (int i = 0; i < 3; i++)
        ret->naming.prefix[i] = json_text_of(cJSON_GetArrayItem(prefixes, i), TASMOTA_TEXT_MAX);
    json_number(json, "bat", 1, &ret->battery);
    json_number(json, "dslp", 1, &ret->sleepy);
    if (cJSON_IsNumber(cJSON_GetArrayItem(json_array(json, "rl"), 0)))
        relay = cJSON_GetArrayItem(json_array(json, "rl"), 0)->valuedouble == 2;
    ret->light = relay;
    ret->naming.id = mac;
    return mac && identity_mac(mac, ret->mac) == 0 && ret->naming.full_topic && ret->naming.topic &&
                   ret->naming.prefix[0] && ret->naming.prefix[1] && ret->naming.prefix[2]
               ? 0
               : -1;
}

static bool same_topics(const struct tasmota_topics *a, const struct tasmota_topics *b)
{
    return a->status && strcmp(a->status, b->status) == 0 && strcmp(a->command, b->command) == 0 &&
           strcmp(a->telemetry, b->telemetry) == 0;
}

/* The peer that an announcement is about, with these topics (taken over). NULL: refused. */
static struct tasmota_peer *peer_for(struct tasmota *tasmota, const char *mac, struct tasmota_topics *topics,
                                     struct error *err)
{
    struct tasmota_peer *peer = map_get(&tasmota->by_mac, str_of(mac));

    if (!peer) {
        peer = map_get(&tasmota->by_status, str_of(topics->status));
        if (!peer || peer->device || peer->mac[0]) {
            /* A second owner of these topics is found out here. */
            peer = tasmota_introduce(tasmota, topics);
            if (!peer)
                error_set(err, ERROR_INVALID_VALUE, NULL,
                          "too many unknown devices, or its topics are another's");
        }
    }
    if (!peer || !topics->status || same_topics(&peer->topics, topics)) {
        tasmota_topics_done(topics);
        return peer;
    }
    if (peer->device && peer->device->online) {
        tasmota_topics_done(topics);
        error_set(err, ERROR_INVALID_VALUE, NULL, "it announces other topics than those where it is online");
        return NULL;
    }
    if (tasmota_topics_set(peer, topics, err) == 0)
        return peer;
    if (!peer->device)
        tasmota_candidate_free(peer); /* without topics it could never say who it is */
    return NULL;
}

static void note(struct tasmota_peer *peer, const struct announcement *said)
{
    str_replace(&peer->name, said->name);
    str_replace(&peer->online, said->online);
    str_replace(&peer->offline, said->offline);
    if (said->model)
        str_replace(&peer->model, said->model);
    peer->battery = said->battery;
    peer->sleepy = said->sleepy;
    peer->light = said->light;
}

static void announcement_in(struct tasmota *tasmota, const struct announcement *said, bool retained)
{
    struct registry *registry = tasmota->host.registry;
    struct tasmota_peer *peer = map_get(&tasmota->by_mac, str_of(said->mac));
    struct tasmota_topics topics;
    struct error err = {0};

    if (tasmota_topics_make(&said->naming, &topics, &err) < 0) {
        registry_reject(registry, peer ? peer->device : NULL, "the broker", err.message);
        return;
    }
    peer = peer_for(tasmota, said->mac, &topics, &err);
    if (!peer || tasmota_mac_set(peer, said->mac) < 0) {
        registry_reject(registry, NULL, "the broker", err.message[0] ? err.message : "out of memory");
        return;
    }
    note(peer, said);
    /* A retained one says nothing about now: its last will does. */
    if (!retained && !peer->ignore)
        tasmota_ask(peer, TASMOTA_ALL, NULL);
    tasmota_schedule(peer);
}

/* Its owner cleaned up, or switched the announcement off. What still answers stays, as does what waits for an update. */
static void withdrawn(struct tasmota *tasmota, const char *mac)
{
    struct tasmota_peer *peer = map_get(&tasmota->by_mac, str_of(mac));

    if (!peer)
        return;
    if (!peer->device) {
        tasmota_candidate_free(peer);
    } else if (!peer->device->online && !peer->device->target.jobs) {
        registry_remove(peer->device);
    }
}

void tasmota_announced(struct tasmota *tasmota, struct str mac, const struct mqtt_message *message)
{
    struct registry *registry = tasmota->host.registry;
    uint64_t now = clock_monotonic(tasmota->host.clock);
    struct announcement said;
    char text[32], normal[13];
    struct error err = {0};
    cJSON *json;

    if (mac.len < sizeof(text)) {
        memcpy(text, mac.data, mac.len);
        text[mac.len] = '\0';
    }
    if (mac.len >= sizeof(text) || identity_mac(text, normal) < 0 ||
        !rate_take(&tasmota->announcements, now, ANNOUNCEMENT_INTERVAL_MS, ANNOUNCEMENT_BURST)) {
        registry_reject(registry, NULL, "the broker",
                        "an announcement of no MAC address, or too many of them");
        return;
    }
    if (message->len == 0) {
        withdrawn(tasmota, normal);
        return;
    }
    json = json_parse(message->payload, message->len, &err);
    if (!json || read_announcement(json, &said) < 0)
        registry_reject(registry, NULL, "the broker",
                        json ? "an announcement lacks what it must say" : err.message);
    else if (strcmp(said.mac, normal) != 0)
        registry_reject(registry, NULL, "the broker", "an announcement in the name of another device");
    else
        announcement_in(tasmota, &said, message->retain);
    cJSON_Delete(json);
}
