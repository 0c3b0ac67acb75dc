/* SPDX-License-Identifier: BSD-3-Clause */
/* From a peer that speaks to a device that is known: who it says it is, and whether that may be believed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/shelly_peer.h"
#include "devices/identity.h"

enum {
    CHECK_FIRST_MIN_MS =
        5000, /* the first question for updates after a device appeared, spread over a minute */
    CHECK_FIRST_SPREAD_MS = 60000,
};

/* The parts of Shelly.GetDeviceInfo's answer that we use. Borrowed from the answer. */
struct info {
    const char *id, *mac, *model, *firmware, *version, *app, *batch, *name;
    bool open; /* it says that it has no password */
    uint64_t generation;
};

static int read_info(const cJSON *result, const char *src, struct info *ret)
{
    *ret = (struct info){
        .id = json_text(result, "id", SHELLY_TEXT_MAX),
        .mac = json_text(result, "mac", SHELLY_TEXT_MAX),
        .model = json_text(result, "model", SHELLY_TEXT_MAX),
        .firmware = json_text(result, "fw_id", SHELLY_TEXT_MAX),
        .version = json_text(result, "ver", SHELLY_TEXT_MAX),
        .app = json_text(result, "app", SHELLY_TEXT_MAX),
        .batch = json_text(result, "batch", SHELLY_TEXT_MAX),
        .name = json_text(result, "name", SHELLY_TEXT_MAX),
        .open = cJSON_IsFalse(json_member(result, "auth_en")),
    };
    if (json_number(result, "gen", 99, &ret->generation) < 0)
        ret->generation = 2;
    return ret->id && ret->mac && ret->model && ret->version && strcmp(ret->id, src) == 0 ? 0 : -1;
}

/* IoTDeviceType by what the firmware family is called; most are switches, for which TR-181 has no word. */
static const char *type_of(const char *app)
{
    static const struct {
        const char *part;
        const char *type;
    } types[] = {
        {"PowerStrip", "PowerStrip"},
        {"Smoke", "Alarm"},
        {"Gas", "Alarm"},
        {"Siren", "Siren"},
        {"Dimmer", "Light"},
        {"RGB", "Light"},
        {"Bulb", "Light"},
        {"Light", "Light"},
        {"Dali", "Light"},
        {"EM", "Meter"},
        {"HT", "Sensor"},
        {"Flood", "Sensor"},
        {"Sensor", "Sensor"},
        {"Motion", "Sensor"},
        {"DoorWindow", "Sensor"},
        {"Thermostat", "Thermostat"},
    };

    for (size_t i = 0; app && i < sizeof(types) / sizeof(types[0]); i++)
        if (strstr(app, types[i].part))
            return types[i].type;
    return NULL;
}

static enum device_grade grade_of(const struct shelly_peer *peer)
{
    if (peer->session)
        return peer->session->certified ? DEVICE_GRADE_A : DEVICE_GRADE_C;
    return peer->shelly->host.device_credentials ? DEVICE_GRADE_B : DEVICE_GRADE_C;
}

/* Two sessions are one device that lost its first connection when they come from the same address. */
static bool same_place(const struct shelly_peer *a, const struct shelly_peer *b)
{
    return a->session && b->session && strcmp(a->session->address, b->session->address) == 0;
}

/* The channel of a candidate that turned out to be a known device becomes that device's; the candidate goes. */
static struct shelly_peer *join(struct shelly_peer *candidate, struct device *device)
{
    struct shelly *shelly = candidate->shelly;
    struct shelly_peer *peer = device->dialect_data;

    shelly_forget_requests(peer);
    if (peer->session) {
        peer->session->peer = NULL;
        shelly->host.lan->close(shelly->host.lan->ctx, peer->session,
                                "the device came back on another connection");
    }
    peer->session = candidate->session;
    peer->first = candidate->first;
    shelly_auth_begin(peer);
    candidate->session = NULL;
    if (peer->session)
        peer->session->peer = peer;
    if (candidate->prefix) {
        if (peer->prefix)
            map_remove(&shelly->by_prefix, str_of(peer->prefix));
        free(peer->prefix);
        map_remove(&shelly->by_prefix, str_of(candidate->prefix));
        peer->prefix = candidate->prefix;
        candidate->prefix = NULL;
        shelly->candidates--;
        if (map_put(&shelly->by_prefix, str_of(peer->prefix), peer) < 0) {
            free(peer->prefix);
            peer->prefix = NULL;
        }
    }
    timer_cancel(shelly->host.timers, &candidate->timer);
    shelly_forget_requests(candidate);
    free(candidate);
    return peer;
}

/* The peer of the known device that a candidate says it is; NULL: not believed, and the candidate is gone. */
static struct shelly_peer *claim(struct shelly_peer *candidate, struct device *device)
{
    struct shelly_peer *peer = device->dialect_data;

    if (device->online && !same_place(peer, candidate)) {
        shelly_drop_candidate(candidate, "it claims the id of a device that is online elsewhere");
        return NULL;
    }
    if (grade_of(candidate) > device->grade && !device->accept_identity) {
        shelly_drop_candidate(candidate, "it claims the id of a device that is known by better proof");
        return NULL;
    }
    return join(candidate, device);
}

static struct shelly_peer *add(struct shelly_peer *candidate, const char *id)
{
    struct shelly *shelly = candidate->shelly;
    struct lan_session *session = candidate->session;
    struct error err = {0};
    struct device *device = registry_add(shelly->host.registry, &shelly_dialect, id,
                                         session ? session->new_devices : &shelly->broker_new,
                                         session ? session->local : true, &err);

    if (!device) {
        shelly_drop_candidate(candidate, err.message);
        return NULL;
    }
    candidate->device = device;
    device->dialect_data = candidate;
    if (candidate->prefix)
        shelly->candidates--;
    return candidate;
}

static void describe(struct device *device, const struct info *info)
{
    char text[256];

    snprintf(text, sizeof(text), "Shelly%s%s, generation %u", info->app ? " " : "",
             info->app ? info->app : "", (unsigned)info->generation);
    device_set(device, DEVICE_DESCRIPTION, text);
    device_set(device, DEVICE_TYPE, type_of(info->app));
    device_set_own_name(device, info->name ? info->name : info->id);
}

static void plan_check(struct shelly_peer *peer)
{
    uint64_t now = clock_monotonic(peer->shelly->host.clock);

    if (!peer->check)
        peer->check = now +
                      (peer->device->sleeps /* and will soon be gone again */
                           ? 0
                           : CHECK_FIRST_MIN_MS + peer->device->instance * 997u % CHECK_FIRST_SPREAD_MS);
}

/* The device is who it was: what it runs, and that it is here. */
static void welcome(struct shelly_peer *peer, const struct info *info)
{
    struct device *device = peer->device;
    bool changed = strcmp(device_text(device, DEVICE_SOFTWARE_VERSION), info->version) != 0;
    bool came = !device->online;

    if (info->open || !peer->session || !peer->session->outbound) {
        shelly_auth_begin(peer);
        shelly_auth_clear(peer);
    }
    describe(device, info);
    device_set_fact(device, DEVICE_SOFTWARE_VERSION, info->version, device->grade, DEVICE_SOURCE_DEVICE);
    device_set(device, DEVICE_FIRMWARE_NAME, info->firmware);
    if (strcmp(info->version, device_text(device, DEVICE_OFFERED_VERSION)) == 0)
        device_set(device, DEVICE_OFFERED_VERSION, NULL);
    shelly_power(peer, &peer->first); /* before it is online: a job that waits may begin then */
    peer->first = (struct shelly_first){.battery = -2};
    device_set_online(device, true);
    registry_announce(device);
    shelly_update_version(peer, info->firmware, info->version, changed);
    if (came || changed)
        shelly_call(peer, SHELLY_GET_SYS_STATUS, NULL, NULL); /* what it is offered */
    plan_check(peer);
    shelly_schedule(peer);
}

void shelly_identified(struct shelly_peer *peer, const char *src, const cJSON *result)
{
    char key[8 + SHELLY_TEXT_MAX];
    struct device *device;
    struct info info;

    if (read_info(result, src, &info) < 0) {
        if (peer->device)
            shelly_reject(peer, "Shelly.GetDeviceInfo answered with something else");
        else
            shelly_drop_candidate(peer, "it does not say what it is");
        return;
    }
    snprintf(key, sizeof(key), "shelly:%s", info.id);
    device = registry_find(peer->shelly->host.registry, key);
    if (!peer->device)
        peer = device ? claim(peer, device) : add(peer, info.id);
    if (!peer)
        return;
    device = peer->device;
    device->last_contacted = clock_wall(peer->shelly->host.clock);
    device_set_transport(device, peer->session ? DEVICE_WEBSOCKET : DEVICE_MQTT);
    device_set(device, DEVICE_ADDRESS, peer->session ? NULL : peer->prefix);
    device_set(device, DEVICE_IP, peer->session ? peer->session->address : NULL);
    /* Behind a proxy on this machine the address says nothing about who fetches. */
    device->target.address = peer->session && !peer->session->local ? device->text[DEVICE_IP] : NULL;
    if (identity_present(device, &(struct identity){.manufacturer = "Shelly",
                                                    .mac = info.mac,
                                                    .serial_number = info.mac,
                                                    .model = info.model,
                                                    .app = info.app,
                                                    .hardware_version = info.batch,
                                                    .inferred = DEVICE_BIT(DEVICE_MANUFACTURER) |
                                                                DEVICE_BIT(DEVICE_SERIAL_NUMBER),
                                                    .grade = grade_of(peer)}) == IDENTITY_ACCEPTED) {
        welcome(peer, &info);
        return;
    }
    peer->update = (struct shelly_update){.state = SHELLY_UPDATE_NONE};
    device_set_online(device, true);
    registry_announce(device);
}
