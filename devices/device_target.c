/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/device_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/dialect.h"
#include "devices/registry.h"

void device_target_init(struct device *device)
{
    device->target.key = device->key;
    device->target.path = device->path;
    device->target.hardware = device->claim;
    device->target.ops = device->dialect->firmware;
    device->target.ctx = device;
    device->target.active = -1;
    device->target.sleeps = device->sleeps;
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

/* ---- what the firmware says about our targets ---- */

static struct device *device_of_target(const struct registry *registry, const struct firmware_target *target)
{
    struct device *device = target ? registry_find(registry, target->key) : NULL;

    return device && &device->target == target ? device : NULL;
}

static void note_result(struct device *device, const struct firmware_job_info *info)
{
    char text[ERROR_MESSAGE_BYTES + 64];

    snprintf(text, sizeof(text), "%s %s%s%s", info->command == FIRMWARE_DOWNLOAD ? "Download" : "Activate",
             firmware_job_state_text(info->state), info->fault && info->fault[0] ? ": " : "",
             info->fault ? info->fault : "");
    device_set(device, DEVICE_LAST_RESULT, text);
}

static void note_job(struct device *device, const struct firmware_event *event)
{
    struct firmware_job_info info;
    uint32_t job_state;

    firmware_job_info(event->job, &info);
    job_state = event->type == FIRMWARE_JOB_DROPPED ? 0 : 1u + (uint32_t)info.state;
    if (device->job_state != job_state) {
        device->job_state = job_state;
        device->changed |= DEVICE_BIT(DEVICE_JOB_STATE);
    }
    if (device->progress != info.progress) {
        device->progress = info.progress;
        device->changed |= DEVICE_BIT(DEVICE_PROGRESS);
    }
    if (strcmp(device->waits_for ? device->waits_for : "", info.waits_for) != 0) {
        device->waits_for = info.waits_for;
        device->changed |= DEVICE_BIT(DEVICE_WAITS_FOR);
    }
    if (event->type == FIRMWARE_JOB_ENDED)
        note_result(device, &info);
}

void device_target_event(void *ctx, const void *event)
{
    const struct firmware_event *firmware_event = event;
    struct device *device = device_of_target(ctx, firmware_event->target);

    if (!device)
        return;
    switch (firmware_event->type) {
    case FIRMWARE_JOB_RESUMED:
    case FIRMWARE_JOB_CHANGED:
    case FIRMWARE_JOB_ENDED:
    case FIRMWARE_JOB_DROPPED:
        note_job(device, firmware_event);
        break;
    case FIRMWARE_TARGET_UPDATED:
        device->changed |= DEVICE_BIT(DEVICE_ACTIVE_IMAGE);
        break;
    case FIRMWARE_SLOT_CHANGED:
    case FIRMWARE_TARGET_ADDED:
    case FIRMWARE_TARGET_REMOVED:
        return;
    }
    registry_announce(device);
}
