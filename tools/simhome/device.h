/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all simulated devices have in common, and the families that they come in. A family is one folder or file here and
 * one row in families.c; its devices embed `struct device` first. Each is written from its maker's public documentation,
 * not from our dialect. The home owns devices; all on the loop's thread.
 */
#ifndef TOOLS_SIMHOME_DEVICE_H
#define TOOLS_SIMHOME_DEVICE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct family;
struct home;

enum {
    DEVICE_ID_BYTES = 64,
    DEVICE_VERSION_BYTES = 64,
    DEVICE_URL_BYTES = 1024,
};

struct device {
    struct home *home;
    const struct family *family;
    const char *transport; /* "mqtt", "websocket" */
    size_t index;          /* in the home */
    char id[DEVICE_ID_BYTES];
    unsigned faults;
};

struct family {
    const char *name;    /* in --with NAME=COUNT, on the control socket */
    const char *version; /* that its devices start with, unless --version says otherwise */
    const char *text;    /* for --help */

    /* Once before the first device, when there is one, and after the last. May be NULL. */
    int (*setup)(struct home *home, struct error *err);
    void (*cleanup)(struct home *home);
    /* The nth device of the family, as the device number `index` of the home. *seed: see home_random(). NULL: memory. */
    struct device *(*create)(struct home *home, size_t index, size_t nth, uint64_t *seed);
    void (*free)(struct device *device);

    /* Off: it is gone without a goodbye. On: it boots. Doing what is done already does nothing. */
    void (*power)(struct device *device, bool on);
    /* Nothing while it is off. */
    void (*reboot)(struct device *device);
    /* device->faults has changed. FAULT_OFFLINE is seen to by device_set_faults(). */
    void (*faults_changed)(struct device *device);
    /* Somebody else updates it: it restarts with that version (a device that is off has it at its next boot). */
    void (*set_version)(struct device *device, const char *version);
    /* What its maker has for it; version "" withdraws it, url "": the transfer is only played. */
    void (*set_offer)(struct device *device, const char *version, const char *url);
    /* What its owner may have changed about it, as "set DEVICE NAME VALUE" says. -1: no such thing. NULL: nothing. */
    int (*set)(struct device *device, const char *name, const char *value);
    /* Adds to the JSON what the family knows: "version", "state", "online", "offer", "last_url", "progress", "count"... */
    void (*describe)(const struct device *device, cJSON *json);
    /* A command that only this family knows ("wake"). NULL: done; else what is wrong with it. May be NULL. */
    const char *(*command)(struct device *device, const char *name, const char *argument);
    /* An image for its devices of that model, of about so many bytes of firmware. NULL: it has no images of its own. */
    int (*make_image)(const char *path, const char *model, const char *version, size_t bytes,
                      struct error *err);
};

/* By index from 0, NULL past the last; and by name, NULL when there is none. */
const struct family *family_at(size_t index);
const struct family *family_find(const char *name);

void device_free(struct device *device);
void device_power(struct device *device, bool on);
/* Without FAULT_OFFLINE, a device that is off comes back. */
void device_set_faults(struct device *device, unsigned faults);
/* For tests and people: everything about it as JSON. */
cJSON *device_json(const struct device *device);

#endif
