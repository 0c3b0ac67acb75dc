/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway itself as a target: Device.DeviceInfo.FirmwareImage. What a bank is and how one is written is the
 * platform's business; a hook program does it (docs/firmware-hook.md):
 *
 *   HOOK version              prints {"version": "...", "name": "..."}: what runs now
 *   HOOK install PATH SLOT    writes the image; lines with a number are percent
 *   HOOK activate SLOT        makes it what runs after the next start
 *
 * After `activate` the machine (or, without a hook for that, this program) is started anew; the job goes on in the next
 * life with `HOOK version`. Owned and freed by the wiring; loop's thread only.
 */
#ifndef FIRMWARE_GATEWAY_H
#define FIRMWARE_GATEWAY_H

#include "firmware/firmware.h"

struct firmware_gateway;
struct hook_runner;

struct firmware_gateway_settings {
    struct hook_runner
        *hooks;            /* borrowed; without hook_firmware, or NULL: the gateway cannot update itself */
    const char *path;      /* "Device.DeviceInfo." */
    const char *version;   /* what runs when the hook does not say (factory configuration), or NULL */
    bool restarts_machine; /* restart() starts the machine, and not just this program */
    /* Start anew: everything is durable. Called once per activation, and again when that did not happen. */
    void (*restart)(void *ctx);
    void *ctx;
};

/* Strings are copied. */
struct firmware_gateway *firmware_gateway_new(struct loop *loop, struct store *store,
                                              const struct firmware_gateway_settings *settings,
                                              struct error *err);
/* Detaches the target if it is still there. Before firmware_free() or after. */
void firmware_gateway_free(struct firmware_gateway *gateway);
/*
 * Asks the hook what runs now, before anything else happens: known() is called once, later, with the version ("" when
 * the hook does not say). -1: the hook cannot be run.
 */
int firmware_gateway_ask(struct firmware_gateway *gateway, void (*known)(void *ctx, const char *version),
                         void *ctx, struct error *err);
/* Adds the target to the manager, and asks for the version. */
int firmware_gateway_start(struct firmware_gateway *gateway, struct firmware *firmware, struct error *err);
/* After firmware_gateway_start(): an activation of the gateway is being confirmed, so this start came from it. */
bool firmware_gateway_updating(const struct firmware_gateway *gateway);
struct firmware_target *firmware_gateway_target(struct firmware_gateway *gateway);

#endif
