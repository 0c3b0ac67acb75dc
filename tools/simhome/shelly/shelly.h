/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One simulated Shelly Gen2+ device: who it is, what it runs, and its way through an update. The home owns it; it owns its link
 * and its running fetch. Written from the makers' public RPC documentation, not from our adapter.
 */
#ifndef TOOLS_SIMHOME_SHELLY_SHELLY_H
#define TOOLS_SIMHOME_SHELLY_SHELLY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timer.h"
#include "tools/simhome/device.h"
#include "tools/simhome/shelly/auth.h"
#include "tools/simhome/shelly/image.h"
#include "tools/simhome/shelly/link.h"
#include "tools/simhome/shelly/models.h"

struct fetch;

enum {
    SHELLY_WAKEUP_S = 7200, /* a device on a battery wakes so often */
};

enum shelly_state {
    SHELLY_OFF,      /* taken away, or never came back */
    SHELLY_RUNNING,  /* running its firmware; the link may still be connecting */
    SHELLY_UPDATING, /* running, and writing another one */
    SHELLY_REBOOTING,
};

struct shelly_offer {
    char version[IMAGE_VERSION_BYTES]; /* "": none */
    char url[DEVICE_URL_BYTES];        /* "": the transfer is only played */
};

struct shelly_counters {
    unsigned connects, boots, requests, unknown_methods;
    unsigned update_requests, updates_begun, updates_done, updates_failed;
    unsigned images_damaged; /* came whole, and were not right */
};

struct shelly {
    struct device base;
    const struct model *model;
    char mac[13];
    char key[33];
    char version[IMAGE_VERSION_BYTES];
    char fw_id[IMAGE_FW_ID_BYTES];
    const struct shelly_link_ops *ops;
    struct shelly_link *link; /* NULL while off or rebooting */
    unsigned told_faults;     /* of the battery, in a NotifyStatus */
    struct shelly_auth auth;
    struct timer nap; /* of a device that sleeps: until it falls asleep, or wakes */
    bool asleep;
    int port;    /* of its own server; 0: it has none */
    bool linked; /* the transport is up */
    enum shelly_state state;
    struct timer life;  /* the next step of an update or reboot */
    struct timer noise; /* flood and garbage */
    uint64_t noise_due; /* events of the flood that time has earned, in thousandths */
    unsigned noise_turn;
    uint64_t booted_at; /* monotonic ms */
    struct fetch *fetch;
    struct image_reader reader;
    bool reading; /* `reader` is in use */
    int progress; /* percent last told */
    bool flashed; /* the next boot runs next_version */
    char next_version[IMAGE_VERSION_BYTES];
    char next_fw_id[IMAGE_FW_ID_BYTES];
    char last_url[DEVICE_URL_BYTES];
    struct shelly_offer offer;
    struct shelly_counters count;
};

extern const struct family shelly_family, shelly_server_family, shelly_sleepy_family;

/* After that long: down, and up again. */
void shelly_reboot(struct shelly *device, uint64_t delay_ms);

/* In update.c: firmware, and what is offered. */
void shelly_set_version(struct device *base, const char *version);
void shelly_set_offer(struct device *base, const char *version, const char *url);
/* Begins an update from url, or from the offer when url is NULL. The caller has checked that it may. */
void shelly_update(struct shelly *device, const char *url);

/* From the link. */
void shelly_link_up(struct shelly *device);
void shelly_link_down(struct shelly *device);
void shelly_receive(struct shelly *device, const char *data, size_t len);

/* Sends a notification: `params` is consumed. */
void shelly_notify(struct shelly *device, const char *method, cJSON *params);

#endif
