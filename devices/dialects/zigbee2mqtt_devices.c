/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a bridge's list of devices changes: who came, who left, who has another name, and whether each is who it was. The
 * device's address on the Zigbee network (ieee_address) is its key and does not change; its friendly name is a matter of
 * taste and of topics. What the device itself says of its maker and model is its identity.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/zigbee2mqtt_peer.h"
#include "devices/identity.h"

enum {
    GONE_MS = 600000, /* not listed for this long: it left. Until then it may only be paired anew */
    CHECK_FIRST_MS = 5000,
    CHECK_KNOWN_MS = 24 * 3600 * 1000,
};

const char *z2m_ieee(const struct z2m_peer *peer)
{
    return device_id(peer->device);
}

/* ---- topics ---- */

static void availability_of(const char *topic, char *to, size_t size)
{
    snprintf(to, size, "%s/availability", topic);
}

void z2m_unname(struct z2m_peer *peer)
{
    const struct lan *lan = peer->z2m->host.lan;
    char availability[512];

    if (!peer->topic)
        return;
    availability_of(peer->topic, availability, sizeof(availability));
    map_remove(&peer->z2m->by_topic, str_of(peer->topic));
    lan->unsubscribe(lan->ctx, peer->topic, NULL);
    lan->unsubscribe(lan->ctx, availability, NULL);
    free(peer->topic);
    peer->topic = NULL;
    peer->away = false;
}

static void topic_of(const struct z2m_bridge *bridge, const struct z2m_entry *entry, char *to, size_t size)
{
    snprintf(to, size, "%s/%s", bridge->base, entry->name);
}

static void name(struct z2m_peer *peer, const struct z2m_entry *entry)
{
    struct z2m *z2m = peer->z2m;
    const struct lan *lan = z2m->host.lan;
    char topic[256], availability[512];

    topic_of(peer->bridge, entry, topic, sizeof(topic));
    if (peer->topic)
        return; /* those with other names have lost theirs before */
    if (!entry->name[0] || map_get(&z2m->by_topic, str_of(topic))) {
        z2m_reject(peer, "its friendly name is unusable or that of another device");
        return;
    }
    peer->topic = str_dup(topic, strlen(topic));
    if (!peer->topic || map_put(&z2m->by_topic, str_of(peer->topic), peer) < 0) {
        free(peer->topic);
        peer->topic = NULL; /* the next list tries again */
        return;
    }
    availability_of(topic, availability, sizeof(availability));
    lan->subscribe(lan->ctx, topic, NULL);
    lan->subscribe(lan->ctx, availability, NULL);
    device_set(peer->device, DEVICE_ADDRESS, topic);
}

/* ---- who it is ---- */

static const char *type_of(const char *what)
{
    static const struct {
        const char *part;
        const char *type;
    } types[] = {
        {"sensor", "Sensor"},         {"detector", "Sensor"}, {"bulb", "Light"},
        {"light", "Light"},           {"lamp", "Light"},      {"siren", "Siren"},
        {"thermostat", "Thermostat"},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcasestr(what, types[i].part))
            return types[i].type;
    return NULL;
}

static void describe(struct z2m_peer *peer, const struct z2m_entry *entry)
{
    struct device *device = peer->device;
    char text[256];

    snprintf(text, sizeof(text), "%s%s%s%s%s", entry->vendor, entry->vendor[0] ? " " : "", entry->product,
             entry->what[0] ? ": " : "", entry->what);
    device_set(device, DEVICE_DESCRIPTION, text);
    device_set(device, DEVICE_TYPE, type_of(entry->what));
    if (entry->name[0])
        device_set_own_name(device, entry->name);
}

/* What people call its firmware. Its version is the number that the update cluster knows, once that is known. */
static void note_build(struct z2m_peer *peer, const struct z2m_entry *entry)
{
    struct device *device = peer->device;

    if (!entry->build[0] || entry->interviewing || peer->update.state != Z2M_UPDATE_NONE)
        return;
    device_set(device, DEVICE_FIRMWARE_NAME, entry->build);
    if (!peer->has_installed && device->target.active < 0)
        device_set_fact(device, DEVICE_SOFTWARE_VERSION, entry->build, device->grade, DEVICE_SOURCE_BRIDGE);
    else if (peer->has_installed)
        firmware_target_version(&device->target, entry->build, device_text(device, DEVICE_SOFTWARE_VERSION));
}

/* False when it is not who it was. */
static bool identify(struct z2m_peer *peer, const struct z2m_entry *entry)
{
    struct device *device = peer->device;
    char serial[Z2M_IEEE_BYTES], oui[7];

    if (!entry->interviewed)
        return !device->quarantined; /* it has not said all yet */
    for (size_t i = 0; i < sizeof(serial); i++)
        serial[i] = (char)toupper(
            (unsigned char)entry->ieee[i < sizeof(serial) - 2 ? i + 2 : sizeof(serial) - 1]);
    if (identity_present(device,
                         &(struct identity){
                             .manufacturer = entry->manufacturer[0] ? entry->manufacturer : NULL,
                             .model = entry->model[0] ? entry->model : NULL,
                             .serial_number = serial,
                             .source = DEVICE_SOURCE_BRIDGE,
                             .inferred = DEVICE_BIT(DEVICE_SERIAL_NUMBER),
                             .grade = peer->z2m->host.device_credentials ? DEVICE_GRADE_B : DEVICE_GRADE_C,
                         }) != IDENTITY_ACCEPTED)
        return false;
    snprintf(oui, sizeof(oui), "%.6s", serial);
    device_set_fact(device, DEVICE_OUI, oui, DEVICE_GRADE_D, DEVICE_SOURCE_ADDRESS);
    return true;
}

/* ---- coming and going ---- */

static struct z2m_peer *add(struct z2m_bridge *bridge, const struct z2m_entry *entry)
{
    struct z2m *z2m = bridge->z2m;
    struct z2m_peer *peer = z2m_peer_new(z2m);
    struct error err = {0};
    struct device *device;

    if (!peer)
        return NULL; /* the next list tries again */
    device = registry_add(z2m->host.registry, &zigbee2mqtt_dialect, entry->ieee, &bridge->new_devices, true,
                          &err);
    if (!device) {
        registry_reject(z2m->host.registry, NULL, bridge->base, err.message);
        free(peer);
        return NULL;
    }
    z2m_peer_attach(peer, device);
    device_set_transport(device, DEVICE_MQTT);
    return peer;
}

/* No bridge speaks for it now. */
static void leave(struct z2m_peer *peer)
{
    if (peer->bridge)
        z2m_update_bridge(peer, false, true);
    z2m_forget_requests(peer);
    z2m_unname(peer);
    peer->bridge = NULL;
    peer->device->target.group = NULL;
    /* A quarantine does not end by leaving and coming back. */
    if (!peer->gone && !peer->device->quarantined)
        peer->gone = z2m_now(peer->z2m) + GONE_MS;
    z2m_presence(peer);
    z2m_schedule(peer);
}

void z2m_forget(struct z2m_peer *peer)
{
    registry_remove(peer->device);
}

static struct z2m_peer *known(const struct z2m_bridge *bridge, const struct z2m_entry *entry)
{
    char key[sizeof("zigbee2mqtt:") + Z2M_IEEE_BYTES];
    const struct device *device;

    snprintf(key, sizeof(key), "zigbee2mqtt:%s", entry->ieee);
    device = registry_find(bridge->z2m->host.registry, key);
    return device ? device->dialect_data : NULL;
}

static void plan_check(struct z2m_peer *peer)
{
    if (!peer->check)
        peer->check = z2m_now(peer->z2m) + (peer->has_installed ? CHECK_KNOWN_MS : CHECK_FIRST_MS);
}

static void note_interview(struct z2m_peer *peer, const struct z2m_entry *entry)
{
    bool ended = peer->interviewing && !entry->interviewing;

    peer->interviewing = entry->interviewing;
    if (ended && entry->interviewed)
        z2m_update_interviewed(peer);
}

static void take(struct z2m_bridge *bridge, const struct z2m_entry *entry)
{
    struct z2m_peer *peer = known(bridge, entry);
    bool came;

    if (!peer && entry->interviewed)
        peer = add(bridge, entry);
    if (!peer)
        return;
    if (peer->bridge && peer->bridge != bridge) {
        if (peer->bridge->online) {
            registry_reject(bridge->z2m->host.registry, NULL, bridge->base,
                            "it lists a device that another bridge speaks for");
            return;
        }
        leave(peer);
    }
    came = !peer->bridge;
    peer->bridge = bridge;
    peer->device->target.group = bridge->base;
    peer->gone = 0;
    peer->listed = bridge->lists_read;
    peer->disabled = entry->disabled;
    peer->sleepy = entry->sleepy;
    device_set_sleeps(peer->device, entry->sleepy);
    peer->has_ota = entry->has_ota;
    name(peer, entry);
    if (identify(peer, entry)) {
        describe(peer, entry);
        note_build(peer, entry);
        note_interview(peer, entry);
        plan_check(peer);
    } else if (peer->device->quarantined) {
        z2m_update_end(peer);
    }
    z2m_presence(peer);
    if (came && bridge->online)
        z2m_update_bridge(peer, true, true);
    z2m_schedule(peer);
}

/* Names are exchanged in one list: all that lose theirs do so before the first gets another. */
static void unname_changed(struct z2m_bridge *bridge, const struct z2m_list *list)
{
    char topic[256];

    for (size_t i = 0; i < list->count; i++) {
        struct z2m_peer *peer = known(bridge, &list->entries[i]);

        topic_of(bridge, &list->entries[i], topic, sizeof(topic));
        if (peer && peer->bridge == bridge && peer->topic && strcmp(peer->topic, topic) != 0)
            z2m_unname(peer);
    }
}

/* Of this bridge, as far as is known: also those that an earlier life of ours heard of. */
static bool is_of(const struct z2m_peer *peer, const struct z2m_bridge *bridge)
{
    const char *address = device_text(peer->device, DEVICE_ADDRESS);
    size_t len = strlen(bridge->base);

    if (peer->bridge)
        return peer->bridge == bridge;
    return !peer->gone && strncmp(address, bridge->base, len) == 0 && address[len] == '/';
}

static void leave_unlisted(struct z2m_bridge *bridge)
{
    const struct registry *registry = bridge->z2m->host.registry;

    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];
        struct z2m_peer *peer = device->dialect == &zigbee2mqtt_dialect ? device->dialect_data : NULL;

        if (peer && is_of(peer, bridge) && !(peer->bridge && peer->listed == bridge->lists_read))
            leave(peer);
    }
}

void z2m_listed(struct z2m_bridge *bridge, const struct z2m_list *list)
{
    bridge->lists_read++;
    unname_changed(bridge, list);
    for (size_t i = 0; i < list->count; i++)
        take(bridge, &list->entries[i]);
    if (list->whole)
        leave_unlisted(bridge);
}
