/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/device_target.h"

#include <stdio.h>
#include <stdlib.h>

#include "devices/dialects/dialect.h"

void device_target_init(struct device *device)
{
    device->target.key = device->key;
    device->target.path = device->path;
    device->target.ops = device->dialect->firmware;
    device->target.ctx = device;
    device->target.active = -1;
    device->target.blocked = device->quarantined;
    device->target.blocked_reason = device->quarantined ? device_text(device, DEVICE_REASON) : NULL;
}

void device_target_kind(struct device *device)
{
    char *kind = NULL;

    if (*device_text(device, DEVICE_MODEL) &&
        asprintf(&kind, "%s\n%s\n%s", device_text(device, DEVICE_MANUFACTURER),
                 device_text(device, DEVICE_MODEL), device_text(device, DEVICE_HARDWARE_VERSION)) < 0)
        kind = NULL;
    firmware_target_cohort(&device->target, kind);
    free(kind);
}

int device_target_add(struct device *device, struct firmware *firmware, struct firmware_target *hub,
                      struct error *err)
{
    if (!firmware)
        return 0;
    if (firmware_target_add(firmware, &device->target, err) < 0)
        return -1;
    firmware_target_hub(&device->target, hub);
    device_target_kind(device);
    return 0;
}
