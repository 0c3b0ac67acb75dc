/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers on the status prefix, and from them who a peer is. Other controllers in the home ask, too: what nobody here
 * asked for is not read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/tasmota_peer.h"
#include "devices/identity.h"

enum {
    RESULT_BYTES_MAX = 200,
    ANSWER_INTERVAL_MS = 50,
    ANSWER_BURST = 200,
    /* Messages of a candidate, which has nothing to say but who it is. */
    CANDIDATE_INTERVAL_MS = 250,
    CANDIDATE_BURST = 60,
};

/* ---- who it is ---- */

static enum device_grade grade_of(const struct tasmota_peer *peer)
{
    return peer->tasmota->host.device_credentials ? DEVICE_GRADE_B : DEVICE_GRADE_C;
}

/* The topics of a candidate that turned out to be a known device become that device's; the candidate goes. */
static struct tasmota_peer *join(struct tasmota_peer *candidate, struct tasmota_peer *known)
{
    struct tasmota_topics topics = candidate->topics;
    struct tasmota *tasmota = candidate->tasmota;

    map_remove(&tasmota->by_status, str_of(topics.status));
    map_remove(&tasmota->by_telemetry, str_of(topics.telemetry));
    candidate->topics = (struct tasmota_topics){.status = NULL};
    memcpy(known->version, candidate->version, sizeof(known->version));
    memcpy(known->hardware, candidate->hardware, sizeof(known->hardware));
    memcpy(known->says_mac, candidate->says_mac, sizeof(known->says_mac));
    known->uptime_s = candidate->uptime_s;
    tasmota_candidate_free(candidate);
    return tasmota_topics_set(known, &topics, NULL) == 0 ? known : NULL;
}

static struct tasmota_peer *add(struct tasmota_peer *candidate)
{
    struct tasmota *tasmota = candidate->tasmota;
    struct error err = {0};
    struct device *device;

    if (tasmota_mac_set(candidate, candidate->says_mac) < 0) {
        tasmota_drop_candidate(candidate, "out of memory");
        return NULL;
    }
    device = registry_add(tasmota->host.registry, &tasmota_dialect, candidate->mac, &tasmota->broker_new,
                          true, &err);
    if (!device) {
        tasmota_drop_candidate(candidate, err.message);
        return NULL;
    }
    candidate->device = device;
    device->dialect_data = candidate;
    tasmota->candidates--;
    return candidate;
}

/* The peer of the device that a candidate says it is; NULL: not believed, or out of memory. */
static struct tasmota_peer *settle(struct tasmota_peer *candidate)
{
    struct tasmota_peer *known = map_get(&candidate->tasmota->by_mac, str_of(candidate->says_mac));

    if (candidate->mac[0] && strcmp(candidate->mac, candidate->says_mac) != 0) {
        tasmota_drop_candidate(candidate, "it was announced with another MAC address");
        return NULL;
    }
    if (known && known->device && known->device->online) {
        tasmota_drop_candidate(candidate, "it claims the MAC address of a device that is online elsewhere");
        return NULL;
    }
    if (known && known->device)
        return join(candidate, known);
    if (known && known != candidate)
        tasmota_candidate_free(known); /* announced for elsewhere, and never answered there */
    return add(candidate);
}

static void describe(struct tasmota_peer *peer)
{
    struct device *device = peer->device;
    char text[256];

    snprintf(text, sizeof(text), "Tasmota%s%s%s%s", peer->model ? " on " : "", peer->model ? peer->model : "",
             peer->battery ? ", on battery" : "", peer->sleepy ? ", sleeps" : "");
    device_set(device, DEVICE_DESCRIPTION, text);
    if (peer->light)
        device_set(device, DEVICE_TYPE, "Light");
    if (peer->name)
        device_set_own_name(device, peer->name);
    else if (!device->text[DEVICE_OWN_NAME])
        device_set_own_name(device, device_id(device));
}

/* What it runs, in two forms: the number that images are known by, and all that it says. */
static int note_version(struct tasmota_peer *peer)
{
    struct tasmota_version version;
    char base[TASMOTA_TEXT_MAX + 1];

    if (tasmota_version_parse(peer->version, &version) < 0)
        return -1;
    snprintf(base, sizeof(base), "%.*s", (int)version.base.len, version.base.data);
    /* What only waits for the rest is not that version. */
    device_set_fact(peer->device, DEVICE_SOFTWARE_VERSION,
                    tasmota_version_is_interim(&version) ? peer->version : base, peer->device->grade,
                    DEVICE_SOURCE_DEVICE);
    device_set(peer->device, DEVICE_FIRMWARE_NAME, peer->version);
    return 0;
}

static void identified(struct tasmota_peer *peer)
{
    struct device *device;
    struct tasmota_version version;

    if (tasmota_version_parse(peer->version, &version) < 0) {
        peer->device ? tasmota_reject(peer, "it says no version")
                     : tasmota_drop_candidate(peer, "it says no version");
        return;
    }
    if (!peer->device)
        peer = settle(peer);
    if (!peer)
        return;
    device = peer->device;
    device->last_contacted = clock_wall(peer->tasmota->host.clock);
    device_set_transport(device, DEVICE_MQTT);
    device_set(device, DEVICE_ADDRESS, peer->topics.command);
    if (identity_present(
            device, &(struct identity){.mac = peer->says_mac,
                                       .serial_number = peer->says_mac,
                                       .model = peer->model,
                                       .app = "Tasmota",
                                       .hardware_version = peer->hardware[0] ? peer->hardware : NULL,
                                       .inferred = DEVICE_BIT(DEVICE_APP) | DEVICE_BIT(DEVICE_SERIAL_NUMBER),
                                       .grade = grade_of(peer)}) == IDENTITY_CHANGED) {
        tasmota_update_drop(peer);
        device_set_online(device, true);
        registry_announce(device);
        return;
    }
    describe(peer);
    note_version(peer);
    device_set_online(device, true);
    registry_announce(device);
    tasmota_update_version(peer);
    tasmota_schedule(peer);
}

/* ---- STATUSn ---- */

/* "1T02:33:26", "0 00:01:05" or "12T00:00:00": days, then hours, minutes and seconds. */
static uint64_t uptime_of(const char *text)
{
    static const unsigned weight[] = {86400, 3600, 60, 1};
    uint64_t total = 0, value;
    struct str rest = str_of(text ? text : ""), part;

    for (unsigned i = 0; i < 4; i++) {
        char separator = i > 0 ? ':' : text && strchr(text, 'T') ? 'T' : ' ';

        if (!str_next(&rest, separator, &part) || str_to_u64(part, &value) < 0 || value > 1000000)
            return UINT64_MAX;
        total += value * weight[i];
    }
    return total;
}

static void status_in(struct tasmota_peer *peer, const cJSON *json)
{
    const char *name = json_text(json_object(json, "Status"), "DeviceName", TASMOTA_TEXT_MAX);

    if (name)
        str_replace(&peer->name, name);
}

static void parameters_in(struct tasmota_peer *peer, const cJSON *json)
{
    const cJSON *said = json_object(json, "StatusPRM");
    const char *url = json_text(said, "OtaUrl", TASMOTA_URL_MAX);

    peer->uptime_s = uptime_of(json_text(said, "Uptime", TASMOTA_TEXT_MAX));
    str_replace(&peer->group, json_text(said, "GroupTopic", TASMOTA_TEXT_MAX));
    /* While an update runs it is ours. */
    if (url && peer->update.state == TASMOTA_UPDATE_NONE)
        str_replace(&peer->ota_url, url);
}

/* Both parts of an identity are there: what was asked is answered. */
static void consider(struct tasmota_peer *peer)
{
    if (!tasmota_asked(peer, TASMOTA_ALL) || !peer->has_version || !peer->has_mac)
        return;
    tasmota_answered(peer, TASMOTA_ALL);
    tasmota_answered(peer, TASMOTA_VERSION);
    identified(peer);
}

static void firmware_in(struct tasmota_peer *peer, const cJSON *json)
{
    const cJSON *said = json_object(json, "StatusFWR");
    const char *version = json_text(said, "Version", TASMOTA_TEXT_MAX);
    const char *hardware = json_text(said, "Hardware", TASMOTA_TEXT_MAX);

    if (!version) {
        tasmota_reject(peer, "STATUS2 without a version");
        return;
    }
    str_copy(peer->version, sizeof(peer->version), version);
    str_copy(peer->hardware, sizeof(peer->hardware), hardware ? hardware : "");
    peer->has_version = true;
    if (tasmota_asked(peer, TASMOTA_ALL)) {
        consider(peer);
    } else {
        tasmota_answered(peer, TASMOTA_VERSION);
        if (peer->device && peer->says_mac[0])
            identified(peer);
        else if (peer->device)
            tasmota_ask(peer, TASMOTA_ALL, NULL);
    }
}

static void memory_in(struct tasmota_peer *peer, const cJSON *json)
{
    if (!tasmota_asked(peer, TASMOTA_SPACE))
        return;
    tasmota_answered(peer, TASMOTA_SPACE);
    tasmota_update_space(peer, json_object(json, "StatusMEM"));
}

/* A device with two interfaces is known by the one that it was announced with. */
static void network_in(struct tasmota_peer *peer, const cJSON *json)
{
    const cJSON *said = json_object(json, "StatusNET");
    const char *mac = json_text(said, "Mac", TASMOTA_TEXT_MAX);
    const char *wired = json_text(json_object(said, "Ethernet"), "Mac", TASMOTA_TEXT_MAX);
    char first[13], second[13];

    if (wired && peer->mac[0] && identity_mac(wired, second) == 0 && strcmp(second, peer->mac) == 0)
        mac = wired;
    if (!mac || identity_mac(mac, first) < 0) {
        tasmota_reject(peer, "STATUS5 without a MAC address");
        return;
    }
    str_copy(peer->says_mac, sizeof(peer->says_mac), first);
    peer->has_mac = true;
    consider(peer);
}

/* ---- RESULT and the like ---- */

static void result_in(struct tasmota_peer *peer, const cJSON *json)
{
    const char *url = json_text(json, "OtaUrl", RESULT_BYTES_MAX);
    const char *upgrade = json_text(json, "Upgrade", RESULT_BYTES_MAX);
    const char *refused = json_text(json, "Command", RESULT_BYTES_MAX);

    if (url && tasmota_asked(peer, TASMOTA_URL)) {
        tasmota_answered(peer, TASMOTA_URL);
        tasmota_update_url(peer, url);
    } else if (upgrade && (strncmp(upgrade, "Successful", 10) == 0 || strncmp(upgrade, "Failed", 6) == 0)) {
        tasmota_answered(peer, TASMOTA_UPGRADE);
        tasmota_update_result(peer, upgrade);
    } else if ((upgrade || refused) && tasmota_asked(peer, TASMOTA_UPGRADE)) {
        tasmota_answered(peer, TASMOTA_UPGRADE);
        tasmota_update_answered(peer, upgrade ? upgrade : refused);
    }
}

/* Before version 8 the end of an upgrade was plain text. */
static void upgrade_text(struct tasmota_peer *peer, const struct mqtt_message *message)
{
    char text[RESULT_BYTES_MAX + 1];
    size_t len = message->len < RESULT_BYTES_MAX ? message->len : RESULT_BYTES_MAX;

    memcpy(text, message->payload, len);
    text[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
            text[i] = '?';
    if (strncmp(text, "Successful", 10) == 0 || strncmp(text, "Failed", 6) == 0) {
        tasmota_answered(peer, TASMOTA_UPGRADE);
        tasmota_update_result(peer, text);
    } else {
        tasmota_reject(peer, "an UPGRADE that says neither success nor failure");
    }
}

static const struct answer {
    const char *command;
    enum tasmota_question first,
        second; /* read only while one of these waits; TASMOTA_NOTHING: in any case */
    void (*fn)(struct tasmota_peer *peer, const cJSON *json);
} answers[] = {
    {"STATUS", TASMOTA_ALL, TASMOTA_ALL, status_in},
    {"STATUS1", TASMOTA_ALL, TASMOTA_ALL, parameters_in},
    {"STATUS2", TASMOTA_ALL, TASMOTA_VERSION, firmware_in},
    {"STATUS4", TASMOTA_SPACE, TASMOTA_SPACE, memory_in},
    {"STATUS5", TASMOTA_ALL, TASMOTA_ALL, network_in},
    {"RESULT", TASMOTA_NOTHING, TASMOTA_NOTHING, result_in},
    /* With SetOption4 answers come on a topic named after the command. */
    {"OTAURL", TASMOTA_NOTHING, TASMOTA_NOTHING, result_in},
    {"UPGRADE", TASMOTA_NOTHING, TASMOTA_NOTHING, result_in},
};

static const struct answer *answer_find(struct str command)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (str_is(command, answers[i].command))
            return &answers[i];
    return NULL;
}

/*
 * What was asked for has an allowance of its own, so that a device whose other messages are too many can still be asked;
 * RESULT has the device's, for anything that anybody asks it is answered there.
 */
static bool may_speak(struct tasmota_peer *peer, const struct answer *answer)
{
    uint64_t now = clock_monotonic(peer->tasmota->host.clock);

    if (!peer->device) {
        if (rate_take(&peer->messages, now, CANDIDATE_INTERVAL_MS, CANDIDATE_BURST))
            return true;
        tasmota_reject(peer, "too many messages before it said who it is");
        return false;
    }
    if (answer->first == TASMOTA_NOTHING)
        return device_contacted(peer->device);
    if (rate_take(&peer->answers, now, ANSWER_INTERVAL_MS, ANSWER_BURST))
        return true;
    tasmota_reject(peer, "too many answers");
    return false;
}

bool tasmota_status_in(struct tasmota_peer *peer, struct str command, const struct mqtt_message *message)
{
    const struct answer *answer = answer_find(command);
    struct error err = {0};
    cJSON *json;

    if (!answer)
        return false;
    /* The answer to a question of another day. */
    if (message->retain || peer->ignore)
        return true;
    if (answer->first != TASMOTA_NOTHING && !tasmota_asked(peer, answer->first) &&
        !tasmota_asked(peer, answer->second))
        return true;
    if (!may_speak(peer, answer))
        return true;
    if (str_is(command, "UPGRADE") && message->len && message->payload[0] != '{') {
        upgrade_text(peer, message);
        return true;
    }
    json = json_parse(message->payload, message->len, &err);
    if (json)
        answer->fn(peer, json);
    else
        tasmota_reject(peer, err.message);
    cJSON_Delete(json);
    return true;
}

void tasmota_started(struct tasmota_peer *peer, const cJSON *info)
{
    const cJSON *said = json_object(info, "Info1");
    const char *model, *version;

    if (!said)
        said = info; /* before version 10 it was not wrapped */
    model = json_text(said, "Module", TASMOTA_TEXT_MAX);
    version = json_text(said, "Version", TASMOTA_TEXT_MAX);
    if (!version) {
        tasmota_reject(peer, "INFO1 without a version");
        return;
    }
    if (model)
        str_replace(&peer->model, model);
    if (peer->update.state >= TASMOTA_UPDATE_ASKED)
        peer->update.booted = true;
    tasmota_ask(peer, TASMOTA_ALL, NULL);
}
