/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device.DeviceInfo.BootFirmwareImage: which image the gateway is to run after its next restart. When that is not the
 * active one, a restart becomes an activation of it, whose end is the restart; when the activation fails, the gateway
 * restarts with what it has. Loop's thread only.
 */
#ifndef AGENT_BOOT_IMAGE_H
#define AGENT_BOOT_IMAGE_H

#include "base/observer.h"
#include "datamodel/dm.h"
#include "firmware/firmware.h"
#include "firmware/gateway.h"

struct boot_image {
    struct firmware *firmware;
    struct firmware_target *target; /* the gateway's */
    struct firmware_job *job;
    struct observer observer;
    void (*failed)(void *ctx); /* the activation failed: restart all the same */
    void *ctx;
};

/* True: the image is being activated, and the restart follows from that (or from `failed`). */
bool boot_image_activate(struct boot_image *boot, struct dm *dm, struct firmware *firmware,
                         struct firmware_gateway *gateway, void (*failed)(void *ctx), void *ctx);
/* The program ends. */
void boot_image_done(struct boot_image *boot);

#endif
