/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * homepatch-device: a small USP agent with two banks of firmware, the reference for makers of devices. What its files share.
 *
 *   bank.c          the banks and the boot record: the boot loader's side
 *   image.c         what an image is
 *   device_model.c  the declarations: the few objects that a device needs
 *   firmware.c      Download() and Activate() of FirmwareImage.{i}.
 *   enrol.c         the device's certificate: got from the gateway, renewed
 *   link.c          the one way to the controller: WebSocket or MQTT
 *   device.c        the start, the trial of a new image, sleep
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include "agent/boot.h"
#include "datamodel/device/local_agent.h"
#include "datamodel/device/model.h"
#include "device/bank.h"
#include "device/device_config.h"
#include "transports/http_fetch.h"
#include "transports/mqtt.h"
#include "transports/websocket.h"
#include "usp/usp.h"

struct download; /* firmware.c */

/* A row of FirmwareImage.: values beside those of the bank. */
struct bank_row {
    char *alias;
    bool available;
    struct bank *bank;
};

struct link {
    struct usp_channel channel;
    struct websocket_context *websockets;
    struct websocket_client *client;
    struct websocket *ws;
    struct mqtt_client *mqtt;
    struct timer retry;
    uint32_t retries;
    struct timer greeting; /* MQTT: says again that the device is there, until the controller answered */
    uint32_t greetings;
    bool up;
    bool stopped; /* asleep, or the program ends */
};

/* How the device comes by its certificate (est_url). */
struct device_enrol {
    struct http_fetch *post; /* the request that is on its way, or NULL */
    EVP_PKEY *key;           /* that it is for */
    struct buf answer;
    struct timer timer; /* the next request: to try again, or to renew */
    uint32_t retries;
    bool renews;  /* the request shows the certificate that the device has */
    bool waiting; /* there is none yet: the controller would not take us */
};

struct device_agent {
    struct model model; /* first: the engine's context, which the hooks of USP's own rows know */
    struct local_agent local;
    struct device_config *config;
    struct loop loop;
    struct store *store;
    struct dm *dm;
    struct usp *usp;
    struct banks banks;
    struct bank_row rows[BANKS];
    struct image image; /* that runs */
    enum bank_start start;
    struct boot boot;
    struct device_enrol enrol;
    struct link link;
    struct http_fetcher *fetcher;
    struct download *download; /* the one that runs, or NULL */
    struct timer confirm;      /* the time that an image on trial has */
    struct timer sleep;
    struct timer grace;
    struct store_waiter restarting;
    uv_signal_t signals[2];
    bool signals_open;
    bool restart;  /* start anew after the loop ended */
    bool stopping; /* the Disconnect record is out */
    bool asleep;
    int64_t started; /* monotonic s */
};

/* ---- device.c ---- */
/* Makes everything and begins. device_agent_done() is due in any case. */
int device_agent_start(struct device_agent *device, struct device_config *config, struct error *err);
void device_agent_run(struct device_agent *device);
void device_agent_done(struct device_agent *device);
/* Once all is durable that was said: the answer still goes out, then the device starts anew. */
void device_restart(struct device_agent *device, const char *cause, const char *command_key,
                    const char *reason);
/* It has reached its controller: an image on trial has proven itself. */
void device_reached(struct device_agent *device);

/* ---- device_model.c ---- */
/* The tree that this device has; *ret_count objects. */
const struct dm_mount *device_mounts(unsigned faults, size_t *ret_count);
/* Gives the rows their values, and the controller its row. */
int device_model_bind(struct device_agent *device, struct error *err);
struct dm_row *device_bank_row(struct device_agent *device, int bank);

/* ---- firmware.c ---- */
extern const struct dm_command device_firmware_commands[], device_firmware_download_only[];
/* Commands of the last life: what became of them is known now. */
void device_firmware_resume(struct device_agent *device);
/* The trial is over, well or not (why is NULL, or the reason): its Activate() ends. */
void device_firmware_conclude(struct device_agent *device, const char *why);
void device_firmware_stop(struct device_agent *device);

/* ---- enrol.c ---- */
/* Sees to a certificate, and begins the link: at once, or when there is one. */
void enrol_start(struct device_agent *device);
/* The controller does not let us in, for the n-th time: maybe it does not know the certificate any more. */
void enrol_refused(struct device_agent *device, uint32_t retries);
void enrol_stop(struct device_agent *device);

/* ---- link.c ---- */
extern const struct usp_ops device_usp_ops;
int link_init(struct device_agent *device, struct error *err);
void link_start(struct device_agent *device);
/* With a Disconnect record (R-MTP.7). */
void link_stop(struct device_agent *device);
/* There is another one in the file. */
void link_certificate_changed(struct device_agent *device);
void link_done(struct device_agent *device);

#endif
