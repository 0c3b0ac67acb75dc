/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simulated Zigbee devices behind one simulated Zigbee2MQTT: the bridge has the connection to the broker, its base topic
 * is "zigbee2mqtt", and speaks for all of them. Routers listen all the time; end devices on batteries wake now and then
 * (every so many reboot times), or when they are told to. Written from Zigbee2MQTT's public documentation and source, and
 * the ZigBee Cluster Library, not from our dialect. The home owns devices; the bridge is the family's part of the home.
 */
#ifndef TOOLS_SIMHOME_ZIGBEE_ZIGBEE_H
#define TOOLS_SIMHOME_ZIGBEE_ZIGBEE_H

#include "base/buf.h"
#include "base/timer.h"
#include "tools/simhome/device.h"

struct bridge;
struct fetch;

enum {
    ZIGBEE_NAME_BYTES = 64,
    ZIGBEE_TRANSACTION_BYTES = 128,
    ZIGBEE_IMAGE_BYTES = 16 << 20,
};

/* Invented products: nobody's firmware is imitated. */
struct zigbee_model {
    const char *manufacturer;
    const char *model_id;
    const char *vendor; /* the bridge's words: its definition of the product */
    const char *product;
    const char *description;
    bool router;
    uint16_t manufacturer_code;
    uint16_t image_type;
};

const struct zigbee_model *zigbee_model_at(size_t index); /* round and round */
const struct zigbee_model *zigbee_model_find(const char *model_id);
const struct zigbee_model *zigbee_model_other(const struct zigbee_model *model);

enum zigbee_state {
    ZIGBEE_IDLE,
    ZIGBEE_AVAILABLE,
    ZIGBEE_SCHEDULED,
    ZIGBEE_UPDATING,
};

enum zigbee_step {
    ZIGBEE_QUIET,
    ZIGBEE_FETCHING,
    ZIGBEE_SENDING,    /* blocks over the air */
    ZIGBEE_RESTARTING, /* the device runs the new image soon */
    ZIGBEE_REPORTING,
};

/* An order to update, as long as the bridge works on it or keeps it. */
struct zigbee_order {
    bool kept; /* scheduled */
    bool downgrade;
    char url[DEVICE_URL_BYTES]; /* "": the bridge looks in its index, which is the offer */
    struct buf hex;             /* the image that came inside the message; empty: none */
};

struct zigbee {
    struct device base;
    struct bridge *bridge;
    const struct zigbee_model *model;
    const char *manufacturer;
    char name[ZIGBEE_NAME_BYTES];
    bool on;     /* has power and is joined */
    bool joined; /* known to the bridge */
    bool asleep; /* does not wake by itself */
    bool interviewing;
    uint32_t version;   /* what it runs */
    uint32_t installed; /* what the bridge believes that it runs */
    uint32_t latest;    /* what the bridge knows of; 0: nothing */
    uint32_t offer;     /* its maker's; 0: none */
    char offer_url[DEVICE_URL_BYTES];
    enum zigbee_state state;
    enum zigbee_step step;
    int progress;
    struct zigbee_order order;
    char transaction[ZIGBEE_TRANSACTION_BYTES]; /* of the update that runs; "": none was given */
    bool answered;                              /* the order was an update, whose end is answered */
    struct buf image;
    uint32_t next; /* version in the image */
    uint64_t sent; /* bytes over the air */
    struct fetch *fetch;
    struct timer work;  /* the next step of an update */
    struct timer life;  /* waking, coming back */
    struct timer news;  /* the interview after an update */
    struct timer noise; /* flood and garbage */
    unsigned turn;
    unsigned requests, updates_begun, updates_done, updates_failed, wakes, boots, over_hex, over_url;
    char last_url[DEVICE_URL_BYTES];
};

extern const struct family zigbee_family;

/* ---- bridge.c ---- */
int bridge_setup(struct home *home, struct error *err);
void bridge_cleanup(struct home *home);
struct bridge *bridge_of(struct home *home);
/* <base>/<topic> */
void bridge_publish(struct bridge *bridge, const char *topic, cJSON *json, bool retain);
void bridge_publish_raw(struct bridge *bridge, const char *topic, const void *data, size_t len, bool retain);
void bridge_devices(struct bridge *bridge);
/* The device's topic, with all that is kept about it. */
void bridge_state(struct zigbee *device);
void bridge_availability(struct zigbee *device);
/* failure NULL: data (consumed) is the answer. */
void bridge_answer(struct bridge *bridge, const char *verb, const char *transaction, cJSON *data,
                   const char *failure);
bool bridge_up(const struct bridge *bridge);
/* "off", "on", "restart". NULL: done; else what is wrong. */
const char *bridge_command(struct bridge *bridge, const char *what);

/* ---- device.c ---- */
bool zigbee_sleepy(const struct zigbee *device);
/* Answers over the air now. */
bool zigbee_hears(const struct zigbee *device);
/* The restart at the end of an update: it is away, and then runs what it took. */
void zigbee_restart(struct zigbee *device);
/* It wakes, or asks for an image in its rhythm. */
void zigbee_wake(struct zigbee *device);
struct timers *zigbee_timers(const struct zigbee *device);

/* ---- update.c ---- */
/* A request to the bridge about this device: "check", "update", ... */
void zigbee_request(struct zigbee *device, const char *verb, bool downgrade, bool abort,
                    const cJSON *message);
/* The device asks for an image. */
void zigbee_query(struct zigbee *device);
void zigbee_work(struct timer *timer, void *ctx);
/* The bridge stops: nothing of what runs is known to the next. */
void zigbee_update_forget(struct zigbee *device);
/* The device is gone in the middle of it. */
void zigbee_update_lost(struct zigbee *device, const char *why);

/* ---- image.c ---- */
/* -1: no Zigbee OTA file, or for another device. */
int zigbee_image_check(const struct buf *image, const struct zigbee_model *model, uint32_t *ret_version,
                       struct error *err);
int zigbee_image_write(const char *path, const char *model_id, const char *version, size_t bytes,
                       struct error *err);

#endif
