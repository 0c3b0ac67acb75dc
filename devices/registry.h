/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry of proxied devices: which there are, under which instance number, and what is known of each. Kept in the
 * store (kind "device"), restored at start with every device offline until it speaks. Bounded: limit_proxied_devices
 * rows, new ones at a limited rate per peer; what a device sends is counted and limited.
 *
 * Owned by the caller; loop's thread only. Devices are owned by the registry.
 */
#ifndef DEVICES_REGISTRY_H
#define DEVICES_REGISTRY_H

#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/observer.h"
#include "base/store.h"
#include "devices/device.h"

enum device_event_type {
    DEVICE_ADDED,
    DEVICE_REMOVED,    /* still readable */
    DEVICE_CHANGED,    /* fields says what: DEVICE_BIT(DEVICE_ONLINE), ... */
    DEVICE_QUARANTINE, /* its identity changed: text[DEVICE_REASON] says how */
};

struct device_event {
    enum device_event_type type;
    struct device *device;
    uint64_t fields;
};

/* Counted since start, for people and tests. */
struct registry_stats {
    uint64_t messages; /* from known devices */
    uint64_t rejected; /* malformed, not permitted, too many */
    uint64_t refused;  /* devices that were not added: table full or too many at once */
    uint32_t skipped;  /* stored rows that could not be read */
};

struct registry {
    struct store *store; /* NULL: nothing is kept (tests) */
    const struct clock *clock;
    const struct limits *limits;
    struct firmware *firmware; /* NULL: no targets (tests) */
    struct firmware_target
        *hub; /* what all devices hang on: the gateway itself. Set before registry_resume() */
    struct map by_key;
    struct map by_address;   /* hardware address -> the device that claims it; see devices/claim.h */
    struct device **devices; /* in order of instance */
    uint32_t count, cap;
    uint32_t next_instance;
    struct observers observers;
    struct observer firmware_observer;
    struct registry_stats stats;
};

/* store and firmware may be NULL; all outlive the registry. */
struct registry *registry_new(struct store *store, const struct clock *clock, struct firmware *firmware,
                              const struct limits *limits);
/* The program stops: from now on nothing is announced, and the firmware manager no longer knows our targets. */
void registry_detach(struct registry *registry);
/* Nothing is announced, nothing is forgotten. */
void registry_free(struct registry *registry);
/*
 * Reads the stored devices; find gives the dialect of a name, or NULL: such a row stays in the store, untouched.
 * Announces each. -1: the store cannot be read.
 */
int registry_load(struct registry *registry, const struct dialect *(*find)(const char *name),
                  struct error *err);
/* Once those are shown: the firmware manager takes their targets, and jobs of the last life go on. */
int registry_resume(struct registry *registry, struct error *err);

struct device *registry_find(const struct registry *registry, const char *key);
struct device *registry_instance(const struct registry *registry, uint32_t instance);
/* Of type struct device_event. */
struct observers *registry_observers(struct registry *registry);

/*
 * A new device `<dialect>:<id>`, announced by the first registry_announce(). peer: who brought it, for the rate limit;
 * many: the peer speaks for a whole home (a broker, this machine). NULL and err when it is not let in.
 */
struct device *registry_add(struct registry *registry, const struct dialect *dialect, const char *id,
                            struct rate *peer, bool many, struct error *err);
/* The broker no longer holds devices to their names: what was grade B is grade C. Before they are announced anew. */
void registry_drop_credentials(struct registry *registry);
/* An event without fields, for devices/quarantine.h. */
void registry_tell(struct device *device, enum device_event_type type);
/* Forgets the device: its jobs end, its row goes. */
void registry_remove(struct device *device);

/* Each of these notes the change; registry_announce() stores it and tells the observers, once for all. */
void device_set(struct device *device, enum device_field field, const char *text);
/* The same for a fact, with who vouches for it; what it may replace is decided in devices/identity.h. */
void device_set_fact(struct device *device, enum device_field fact, const char *text, enum device_grade grade,
                     enum device_source source);
/* What the device calls itself; its name, too, unless a controller gave it another. */
void device_set_own_name(struct device *device, const char *name);
void device_set_online(struct device *device, bool online);
void device_set_grade(struct device *device, enum device_grade grade);
/* Percent; below 0: it runs on mains. */
void device_set_battery(struct device *device, int percent);
/* It is awake only for moments, or always. */
void device_set_sleeps(struct device *device, bool sleeps);
void device_set_transport(struct device *device, enum device_transport transport);
void registry_announce(struct device *device);
/* Writes the device into the store's open batch. For values that the layer above has set in the struct itself. */
int registry_save(struct device *device, struct error *err);

/* The device spoke: false when it speaks too often and this message is to be dropped (counted). */
bool device_contacted(struct device *device);
/* A message was refused: counted, and logged the first, tenth, hundredth, ... time. device may be NULL. */
void registry_reject(struct registry *registry, struct device *device, const char *peer, const char *why);

#endif
