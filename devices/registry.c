/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "devices/claim.h"
#include "devices/dialects/dialect.h"
#include "devices/device_record.h"
#include "devices/device_target.h"

enum {
    /* New devices: from one address of the LAN, and from a peer that speaks for many (a broker, this machine). */
    NEW_INTERVAL_MS = 60000,
    NEW_BURST = 16,
    NEW_MANY_INTERVAL_MS = 500,
    NEW_MANY_BURST = 4096,
    /* Messages of one device. A metering device with all notifications on stays below 10 a second. */
    MESSAGE_INTERVAL_MS = 40,
    MESSAGE_BURST = 250,
    /* LastTimeContacted is live when read; told to observers no more often than this. */
    CONTACT_ANNOUNCE_S = 300,
    /* ... and a device that comes and goes costs the flash no more than one write in this time. */
    CONTACT_STORE_S = 600,
};

#define KIND "device"
#define KIND_STATE "device-registry"

/* Fields that a restart must not lose. */
static const uint64_t stored_fields = (DEVICE_BIT(DEVICE_TEXTS) - 1) | DEVICE_BIT(DEVICE_TRANSPORT) |
                                      DEVICE_BIT(DEVICE_GRADE) | DEVICE_BIT(DEVICE_QUARANTINED) |
                                      DEVICE_BIT(DEVICE_SLEEPING) | DEVICE_BIT(DEVICE_PROOF);

const char *device_id(const struct device *device)
{
    const char *colon = strchr(device->key, ':');

    return colon ? colon + 1 : device->key;
}

/* ---- the table ---- */

struct registry *registry_new(struct store *store, const struct clock *clock, struct firmware *firmware,
                              const struct limits *limits)
{
    struct registry *registry = calloc(1, sizeof(*registry));

    if (!registry)
        return NULL;
    registry->store = store;
    registry->clock = clock;
    registry->firmware = firmware;
    registry->limits = limits;
    registry->next_instance = 1;
    map_init(&registry->by_key);
    map_init(&registry->by_address);
    if (firmware) {
        registry->firmware_observer = (struct observer){.fn = device_target_event, .ctx = registry};
        observer_add(firmware_observers(firmware), &registry->firmware_observer);
    }
    return registry;
}

static void device_free(struct device *device)
{
    if (device->dialect_data)
        device->dialect->forget(device);
    for (size_t i = 0; i < DEVICE_TEXTS; i++)
        free(device->text[i]);
    free(device->key);
    free(device->path);
    free(device);
}

void registry_detach(struct registry *registry)
{
    registry->observers = (struct observers){NULL};
    if (!registry->firmware)
        return;
    observer_remove(firmware_observers(registry->firmware), &registry->firmware_observer);
    for (uint32_t i = 0; i < registry->count; i++)
        firmware_target_detach(&registry->devices[i]->target);
    registry->firmware = NULL;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    registry_detach(registry);
    for (uint32_t i = 0; i < registry->count; i++)
        device_free(registry->devices[i]);
    free(registry->devices);
    map_done(&registry->by_key);
    map_done(&registry->by_address);
    free(registry);
}

struct device *registry_find(const struct registry *registry, const char *key)
{
    return map_get(&registry->by_key, str_of(key));
}

/* Where the instance is in the table, or where it would be. */
static uint32_t place_of(const struct registry *registry, uint32_t instance)
{
    uint32_t low = 0, high = registry->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (registry->devices[middle]->instance < instance)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct device *registry_instance(const struct registry *registry, uint32_t instance)
{
    uint32_t place = place_of(registry, instance);

    return place < registry->count && registry->devices[place]->instance == instance
               ? registry->devices[place]
               : NULL;
}

struct observers *registry_observers(struct registry *registry)
{
    return &registry->observers;
}

static void notify(struct device *device, enum device_event_type type, uint64_t fields)
{
    struct device_event event = {type, device, fields};

    observers_notify(&device->registry->observers, &event);
}

void registry_tell(struct device *device, enum device_event_type type)
{
    notify(device, type, 0);
}

static int make_room(struct registry *registry)
{
    uint32_t cap = registry->cap ? registry->cap * 2 : 16;
    struct device **devices;

    if (registry->count < registry->cap)
        return 0;
    devices = realloc(registry->devices, cap * sizeof(*devices));
    if (!devices)
        return -1;
    registry->devices = devices;
    registry->cap = cap;
    return 0;
}

/* Puts a device that has key, dialect and instance into the table. */
static int enter(struct registry *registry, struct device *device, struct error *err)
{
    uint32_t place = place_of(registry, device->instance);

    if (asprintf(&device->path, "Device.ProxiedDevice.%u.DeviceInfo.", device->instance) < 0)
        device->path = NULL;
    if (!device->path || make_room(registry) < 0)
        return error_set(err, ERROR_INTERNAL, device->key, "out of memory");
    device->registry = registry;
    device_target_init(device);
    if (map_put(&registry->by_key, str_of(device->key), device) < 0)
        return error_set(err, ERROR_INTERNAL, device->key, "out of memory");
    memmove(registry->devices + place + 1, registry->devices + place,
            (registry->count - place) * sizeof(*registry->devices));
    registry->devices[place] = device;
    registry->count++;
    claim_update(device);
    return 0;
}

/* Takes it out of the table again. */
static void leave(struct device *device)
{
    struct registry *registry = device->registry;
    uint32_t place = place_of(registry, device->instance);

    claim_drop(device);
    map_remove(&registry->by_key, str_of(device->key));
    memmove(registry->devices + place, registry->devices + place + 1,
            (registry->count - place - 1) * sizeof(*registry->devices));
    registry->count--;
}

/* ---- the store ---- */

int registry_save(struct device *device, struct error *err)
{
    struct registry *registry = device->registry;
    struct buf record;
    int rc;

    if (!registry->store)
        return 0;
    buf_init(&record, LIMIT_LAN_FRAME_BYTES, 0);
    device_record_write(device, &record);
    device->stored_contacted = device->last_contacted;
    rc = record.failed
             ? error_set(err, ERROR_INTERNAL, device->key, "out of memory")
             : store_put(registry->store, KIND, str_of(device->key), buf_data(&record), record.len, err);
    buf_done(&record);
    return rc;
}

static void save_next_instance(struct registry *registry)
{
    char digits[20];
    struct error err = {0};

    if (!registry->store)
        return;
    if (store_put(registry->store, KIND_STATE, STR("next-instance"), digits,
                  str_from_u64(digits, registry->next_instance), &err) < 0)
        log_failure(LOG_LEVEL_WARNING, "cannot store the next instance number of a device", &err);
}

static void load_next_instance(struct registry *registry)
{
    struct buf text;
    uint64_t next;

    buf_init(&text, 64, 0);
    if (store_get(registry->store, KIND_STATE, STR("next-instance"), &text, NULL) == 1 &&
        str_to_u64((struct str){(const char *)buf_data(&text), text.len}, &next) == 0 && next > 0 &&
        next < UINT32_MAX)
        registry->next_instance = (uint32_t)next;
    buf_done(&text);
}

/* Rows are collected first: entering one may write, which a walk through the store does not allow. */
struct loading {
    const struct dialect *(*find)(const char *name);
    struct device **devices;
    uint32_t count, cap, skipped;
    bool failed;
};

static int load_row(void *ctx, struct str key, struct str value)
{
    struct loading *loading = ctx;
    struct device *device;

    if (loading->count == loading->cap) {
        uint32_t cap = loading->cap ? loading->cap * 2 : 64;
        struct device **devices = realloc(loading->devices, cap * sizeof(*devices));

        if (!devices) {
            loading->failed = true;
            return 1;
        }
        loading->devices = devices;
        loading->cap = cap;
    }
    device = device_record_read(key, value, loading->find);
    if (device)
        loading->devices[loading->count++] = device;
    else
        loading->skipped++;
    return 0;
}

static void enter_loaded(struct registry *registry, const struct loading *loading)
{
    registry->stats.skipped += loading->skipped;
    for (uint32_t i = 0; i < loading->count; i++) {
        struct device *device = loading->devices[i];

        if (device->instance >= registry->next_instance)
            registry->next_instance = device->instance + 1;
        if (!device->dialect || registry_instance(registry, device->instance) ||
            enter(registry, device, NULL) < 0) {
            registry->stats.skipped++;
            device_free(device);
        }
    }
}

int registry_load(struct registry *registry, const struct dialect *(*find)(const char *name),
                  struct error *err)
{
    struct loading loading = {.find = find};
    int rc;

    if (!registry->store)
        return 0;
    load_next_instance(registry);
    rc = store_each(registry->store, KIND, STR(""), load_row, &loading, err);
    enter_loaded(registry, &loading);
    free(loading.devices);
    if (loading.failed)
        return error_set(err, ERROR_INTERNAL, NULL, "out of memory");
    if (rc < 0)
        return -1;
    for (uint32_t i = 0; i < registry->count; i++)
        notify(registry->devices[i], DEVICE_ADDED, 0);
    return 0;
}

/* What a certificate proved stays proven. */
void registry_drop_credentials(struct registry *registry)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];

        if (device->grade == DEVICE_GRADE_B)
            device->grade = DEVICE_GRADE_C;
        for (size_t k = 0; k < DEVICE_FACTS; k++)
            if (device->proof[k].source && device->proof[k].grade == DEVICE_GRADE_B)
                device->proof[k].grade = DEVICE_GRADE_C;
    }
}

int registry_resume(struct registry *registry, struct error *err)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (device_target_add(registry->devices[i], registry->firmware, registry->hub, err) < 0)
            return -1;
    return 0;
}

/* ---- coming and going ---- */

static int may_add(struct registry *registry, struct rate *peer, bool many, struct error *err)
{
    uint64_t now = clock_monotonic(registry->clock);

    if (registry->count >= registry->limits->proxied_devices)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "there are too many devices already (%s is %u)",
                         LIMIT_SAYS(registry->limits, proxied_devices));
    if (!rate_take(peer, now, many ? NEW_MANY_INTERVAL_MS : NEW_INTERVAL_MS,
                   many ? NEW_MANY_BURST : NEW_BURST))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "too many new devices at once from one peer");
    return 0;
}

struct device *registry_add(struct registry *registry, const struct dialect *dialect, const char *id,
                            struct rate *peer, bool many, struct error *err)
{
    struct device *device;

    if (may_add(registry, peer, many, err) < 0) {
        registry->stats.refused++;
        return NULL;
    }
    device = calloc(1, sizeof(*device));
    if (!device || asprintf(&device->key, "%s:%s", dialect->name, id) < 0) {
        free(device);
        error_set(err, ERROR_INTERNAL, id, "out of memory");
        return NULL;
    }
    device->dialect = dialect;
    device->instance = registry->next_instance;
    device->grade = DEVICE_GRADE_D;
    if (enter(registry, device, err) < 0) {
        device_free(device);
        return NULL;
    }
    if (device_target_add(device, registry->firmware, registry->hub, err) < 0) {
        leave(device);
        device_free(device);
        return NULL;
    }
    registry->next_instance++;
    save_next_instance(registry);
    device->changed = DEVICE_BIT(DEVICE_FIELDS); /* added, not told yet */
    return device;
}

void registry_remove(struct device *device)
{
    struct registry *registry = device->registry;

    /* Its jobs end first: their results are told of a row that is still there. */
    if (registry->firmware)
        firmware_target_remove(&device->target);
    notify(device, DEVICE_REMOVED, 0);
    if (registry->store)
        store_delete(registry->store, KIND, str_of(device->key), NULL);
    leave(device);
    device_free(device);
}

/* ---- changes ---- */

void device_set(struct device *device, enum device_field field, const char *text)
{
    if (text && !*text)
        text = NULL;
    if (strcmp(device_text(device, field), text ? text : "") == 0)
        return;
    if (str_replace(&device->text[field], text) == 0)
        device->changed |= DEVICE_BIT(field);
}

void device_set_fact(struct device *device, enum device_field fact, const char *text, enum device_grade grade,
                     enum device_source source)
{
    struct device_proof *proof = &device->proof[fact - DEVICE_FACT_FIRST];
    struct device_proof now = {text && *text ? grade : 0, text && *text ? source : DEVICE_SOURCE_NONE};

    device_set(device, fact, text);
    if (proof->grade == now.grade && proof->source == now.source)
        return;
    *proof = now;
    device->changed |= DEVICE_BIT(DEVICE_PROOF);
}

void device_set_own_name(struct device *device, const char *name)
{
    const char *shown = device_text(device, DEVICE_NAME);

    if (!*shown || strcmp(shown, device_text(device, DEVICE_OWN_NAME)) == 0)
        device_set(device, DEVICE_NAME, name);
    device_set(device, DEVICE_OWN_NAME, name);
}

void device_set_online(struct device *device, bool online)
{
    if (device->online == online)
        return;
    device->online = online;
    device->changed |= DEVICE_BIT(DEVICE_ONLINE);
    if (device->registry->firmware)
        firmware_target_online(&device->target, online);
}

void device_set_grade(struct device *device, enum device_grade grade)
{
    if (device->grade == grade)
        return;
    device->grade = grade;
    device->changed |= DEVICE_BIT(DEVICE_GRADE);
}

void device_set_battery(struct device *device, int percent)
{
    bool was = device->target.on_battery;
    uint8_t had = device->target.battery;

    firmware_target_battery(&device->target, percent);
    if (was != device->target.on_battery || had != device->target.battery)
        device->changed |= DEVICE_BIT(DEVICE_BATTERY);
}

void device_set_sleeps(struct device *device, bool sleeps)
{
    firmware_target_sleeps(&device->target, sleeps);
    if (device->sleeps == sleeps)
        return;
    device->sleeps = sleeps;
    device->changed |= DEVICE_BIT(DEVICE_SLEEPING);
}

void device_set_transport(struct device *device, enum device_transport transport)
{
    if (device->transport == transport)
        return;
    device->transport = transport;
    device->changed |= DEVICE_BIT(DEVICE_TRANSPORT);
}

void registry_announce(struct device *device)
{
    uint64_t changed = device->changed;
    bool added = changed & DEVICE_BIT(DEVICE_FIELDS);
    bool left = (changed & DEVICE_BIT(DEVICE_ONLINE)) && !device->online &&
                device->last_contacted - device->stored_contacted >= CONTACT_STORE_S;
    struct error err = {0};

    device->changed = 0;
    if (changed & (DEVICE_BIT(DEVICE_MAC) | DEVICE_BIT(DEVICE_SERIAL_NUMBER) | DEVICE_BIT(DEVICE_GRADE)))
        claim_update(device);
    if ((changed & DEVICE_BIT(DEVICE_ONLINE)) ||
        device->last_contacted - device->announced_contacted >= CONTACT_ANNOUNCE_S) {
        device->announced_contacted = device->last_contacted;
        changed |= DEVICE_BIT(DEVICE_LAST_CONTACTED);
    }
    if ((added || left || (changed & stored_fields)) && registry_save(device, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "cannot store a device", &err);
    if (changed & DEVICE_KIND)
        device_target_kind(device);
    if (added)
        notify(device, DEVICE_ADDED, 0);
    else if (changed)
        notify(device, DEVICE_CHANGED, changed);
}

/* ---- what devices send ---- */

bool device_contacted(struct device *device)
{
    struct registry *registry = device->registry;

    registry->stats.messages++;
    if (!rate_take(&device->messages, clock_monotonic(registry->clock), MESSAGE_INTERVAL_MS, MESSAGE_BURST)) {
        registry_reject(registry, device, NULL, "too many messages");
        return false;
    }
    device->last_contacted = clock_wall(registry->clock);
    return true;
}

/* 1, 10, 100, ...: how often something that repeats is worth a word. */
static bool worth_a_word(uint64_t count)
{
    while (count >= 10 && count % 10 == 0)
        count /= 10;
    return count == 1;
}

void registry_reject(struct registry *registry, struct device *device, const char *peer, const char *why)
{
    uint64_t count = ++registry->stats.rejected;

    if (device) {
        count = ++device->rejected;
        if (worth_a_word(count)) {
            device->changed |= DEVICE_BIT(DEVICE_REJECTED);
            registry_announce(device);
        }
    }
    if (worth_a_word(count))
        log_warning("message from %s refused: %s (%llu so far)",
                    device ? device->key
                    : peer ? peer
                           : "the LAN",
                    why, (unsigned long long)count);
}
