/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of homepatch-device(1): who the device is, where its controller is, and what goes wrong on purpose. */
#ifndef DEVICE_DEVICE_CONFIG_H
#define DEVICE_DEVICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    TOPIC_BYTES = 256,
    FILE_BYTES = 4096,
};

/* Faults, for tests: bits. */
enum device_fault {
    FAULT_REFUSE_DOWNLOAD = 1 << 0,
    FAULT_REFUSE_ACTIVATE = 1 << 1,
    FAULT_POWER_LOSS_DOWNLOAD = 1 << 2, /* half way through */
    FAULT_POWER_LOSS_ACTIVATE = 1 << 3, /* the boot record is written, nothing else was said */
    FAULT_DEAD = 1 << 4,                /* whatever image is tried does not come up */
    FAULT_NO_IMAGES = 1 << 5,           /* has no FirmwareImage table */
    FAULT_NO_ACTIVATE = 1 << 6,         /* Download() with AutoActivate is all there is */
    FAULT_NO_TRANSFER_COMPLETE = 1 << 7,
};

struct device_config {
    struct arena arena;
    const char *state_dir;
    const char *factory_image; /* NULL: the banks are there */
    const char *endpoint_id;
    const char *controller; /* Endpoint ID */
    const char *manufacturer;
    const char *manufacturer_oui;
    const char *model;
    const char *serial_number;
    const char *hardware_version;
    const char *name;
    const char *transport; /* "websocket" or "mqtt" */
    const char *host;
    uint64_t port;
    const char *path;             /* WebSocket */
    const char *controller_topic; /* MQTT; derived from the Endpoint ID when not set, as the next */
    const char *device_topic;
    const char *username;
    const char *password;
    bool tls;
    const char *ca_file;
    const char *certificate_file; /* with est_url: what enrol.c keeps */
    const char *key_file;
    const char *est_url;     /* where the device gets its certificate; NULL: it is given one */
    const char *enrol_code;  /* one-time */
    const char *idevid_file; /* the manufacturer's certificate with its chain, IEEE 802.1AR */
    const char *idevid_key_file;
    uint64_t renew;        /* s after a certificate was issued; 0: after two thirds of its time */
    uint64_t retry;        /* s, before the first new attempt to connect */
    uint64_t confirm_time; /* s that an image on trial has to reach the controller */
    uint64_t sleep_time;   /* s asleep; 0: never */
    uint64_t awake_time;   /* s awake in between */
    const char *log_level;
    unsigned faults;
    char topics[2][TOPIC_BYTES];
    char ldevid_file[FILE_BYTES];
};

/* -1: err->path is "file:line". device_config_done() is due in any case. */
int device_config_read(struct device_config *config, const char *file, struct error *err);
void device_config_done(struct device_config *config);

#endif
