/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One simulated device: who it is, what it runs, and its way through an update. The home owns it; it owns its link
 * and its running fetch. Written from the makers' public RPC documentation, not from our adapter.
 */
#ifndef TOOLS_SIMHOME_DEVICE_H
#define TOOLS_SIMHOME_DEVICE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timer.h"
#include "tools/simhome/image.h"
#include "tools/simhome/link.h"
#include "tools/simhome/models.h"

struct fetch;
struct home;

enum {
    DEVICE_ID_BYTES = 48,
    DEVICE_URL_BYTES = 1024,
};

enum device_state {
    DEVICE_OFF,      /* taken away, or never came back */
    DEVICE_RUNNING,  /* running its firmware; the link may still be connecting */
    DEVICE_UPDATING, /* running, and writing another one */
    DEVICE_REBOOTING,
};

struct device_offer {
    char version[IMAGE_VERSION_BYTES]; /* "": none */
    char url[DEVICE_URL_BYTES];        /* "": the transfer is only played */
};

struct device_counters {
    unsigned connects, boots, requests, unknown_methods;
    unsigned update_requests, updates_begun, updates_done, updates_failed;
};

struct device {
    struct home *home;
    size_t index;
    const struct model *model;
    char id[DEVICE_ID_BYTES];
    char mac[13];
    char key[33];
    char version[IMAGE_VERSION_BYTES];
    char fw_id[IMAGE_FW_ID_BYTES];
    const struct link_ops *ops;
    struct link *link; /* NULL while off or rebooting */
    bool linked;       /* the transport is up */
    enum device_state state;
    unsigned faults;
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
    struct device_offer offer;
    struct device_counters count;
};

struct device *device_new(struct home *home, size_t index, const struct link_ops *ops, uint64_t *seed);
void device_free(struct device *device);

/* Off: the link breaks without a goodbye. On: boots. */
void device_power(struct device *device, bool on);
void device_reboot(struct device *device, uint64_t delay_ms);
void device_set_faults(struct device *device, unsigned faults);

/* In update.c: firmware, and what is offered. */

/* Somebody else updates the device: it restarts with that version (a device that is off has it at its next boot). */
void device_set_version(struct device *device, const char *version);
/* version "" withdraws the offer. The device tells its peers. */
void device_set_offer(struct device *device, const char *version, const char *url);
/* Begins an update from url, or from the offer when url is NULL. The caller has checked that it may. */
void device_update(struct device *device, const char *url);

/* From the link. */
void device_link_up(struct device *device);
void device_link_down(struct device *device);
void device_receive(struct device *device, const char *data, size_t len);

/* Sends a notification: `params` is consumed. */
void device_notify(struct device *device, const char *method, cJSON *params);
/* For tests and people: everything about it as JSON. */
cJSON *device_json(const struct device *device);

#endif
