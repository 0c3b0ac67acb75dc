/* SPDX-License-Identifier: BSD-3-Clause */
/* A device as a target of firmware: what of its facts the job machine needs. Private to the registry. */
#ifndef DEVICES_DEVICE_TARGET_H
#define DEVICES_DEVICE_TARGET_H

#include "devices/device.h"

/* What a change of makes a device another kind: the job machine's cohort. */
#define DEVICE_KIND \
    (DEVICE_BIT(DEVICE_MANUFACTURER) | DEVICE_BIT(DEVICE_MODEL) | DEVICE_BIT(DEVICE_HARDWARE_VERSION))

/* The device has its key, path and dialect. */
void device_target_init(struct device *device);
/* Into the manager; hub: what the whole home hangs on (the gateway), or NULL. -1: memory or the store. */
int device_target_add(struct device *device, struct firmware *firmware, struct firmware_target *hub,
                      struct error *err);
/* An observer of the firmware manager: what became of a device's jobs. ctx: the registry. */
void device_target_event(void *ctx, const void *event);
/* One of DEVICE_KIND changed. Without a model it is like no other. */
void device_target_kind(struct device *device);

#endif
