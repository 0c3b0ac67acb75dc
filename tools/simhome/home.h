/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated home: all devices, and what they share (loop, image fetcher, WebSocket context). home_start() makes
 * it, home_done() frees it. Everything runs on the loop's thread.
 */
#ifndef TOOLS_SIMHOME_HOME_H
#define TOOLS_SIMHOME_HOME_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/map.h"

struct control;
struct device;
struct family;
struct fetcher;
struct lws_context;
struct model;

enum {
    HOME_DEVICES_MAX = 20000,
    HOME_FAULTS_MAX = 256, /* --fault options */
    HOME_MODELS_MAX = 64,  /* names in --models */
    HOME_FAMILIES_MAX = 16,
};

struct fault_option {
    const char *device; /* as home_each() takes it */
    unsigned faults;
};

struct family_option {
    const struct family *family;
    size_t count;
};

struct options {
    char mqtt_host[256];
    int mqtt_port;
    const char *mqtt_username, *mqtt_password;
    char listen_host[256]; /* of devices with a server of their own */
    int listen_port;       /* the first one's, the others follow; 0: any */
    char ws_host[256];
    char ws_path[256];
    int ws_port;
    size_t devices, mqtt_devices, ws_devices; /* of family shelly */
    struct family_option families[HOME_FAMILIES_MAX];
    size_t family_count;
    uint64_t seed;
    const struct model *models[HOME_MODELS_MAX]; /* of family shelly; none: all */
    size_t model_count;
    const char *version; /* NULL: what the family says */
    const char *offer;   /* version that every device knows to be available; NULL: none */
    struct fault_option faults[HOME_FAULTS_MAX];
    size_t fault_count;
    uint64_t reboot_ms;
    uint64_t fetch_rate; /* bytes per second and device, 0: no limit */
    uint64_t flood_rate; /* events per second and device */
    const char *control;
    bool print_ready;
};

struct home {
    struct loop loop;
    const struct options *options;
    struct device **devices;
    size_t device_count;
    struct map by_id;
    struct fetcher *fetcher;
    struct lws_context *websockets; /* of family shelly; NULL when no device uses it */
    void *families
        [HOME_FAMILIES_MAX]; /* what a family keeps for all its devices; in order of options->families */
    struct control *control;
};

/* Makes the devices and begins to connect them. `options` must outlive the home. */
int home_start(struct home *home, const struct options *options, struct error *err);
void home_done(struct home *home);

/* By id or by index from 0; NULL when there is none. */
struct device *home_find(const struct home *home, const char *name);
/* Calls fn for each device that `name` means: an id, an index, "all", a family or a transport. Returns how many. */
size_t home_each(struct home *home, const char *name, void (*fn)(struct device *device, void *ctx),
                 void *ctx);

/* The next number of the sequence that *state (the seed) stands for. */
uint64_t home_random(uint64_t *state);

#endif
