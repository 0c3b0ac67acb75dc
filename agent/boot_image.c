/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/boot_image.h"

#include <string.h>

#include "base/log.h"
#include "datamodel/path.h"

static void on_firmware(void *ctx, const void *event)
{
    struct boot_image *boot = ctx;
    const struct firmware_event *what = event;
    struct firmware_job_info info;

    if (!boot->job || what->job != boot->job)
        return;
    firmware_job_info(what->job, &info);
    if (what->type == FIRMWARE_JOB_ENDED)
        log_error("BootFirmwareImage could not be activated: %s", info.fault);
    else if (!strcmp(info.waits_for, "consent") || !strcmp(info.waits_for, "quiet"))
        log_info("restart without BootFirmwareImage, which waits for consent; it goes on afterwards");
    else
        return;
    boot_image_done(boot);
    boot->failed(boot->ctx);
}

/* The slot that BootFirmwareImage names, or -1: it is empty, dangles, or is what runs. */
static int wanted_slot(struct dm *dm, const struct firmware_target *target)
{
    struct dm_row *info = dm_row_find(dm, STR("Device.DeviceInfo."));
    char scratch[DM_SCRATCH_BYTES];
    struct dm_row *image = dm_row_find(
        dm, dm_get_text(info, dm_node_param(info->node, "BootFirmwareImage"), scratch));
    int slot = image ? (int)image->instance - 1 : -1;

    return slot >= 0 && slot < FIRMWARE_SLOTS && slot != target->active ? slot : -1;
}

bool boot_image_activate(struct boot_image *boot, struct dm *dm, struct firmware *firmware,
                         struct firmware_gateway *gateway, void (*failed)(void *ctx), void *ctx)
{
    struct firmware_window now = {.end_s = 3600, .mode = MODE_IMMEDIATELY, .max_retries = 0};
    struct firmware_origin nobody = {.originator = "", .command = "", .command_key = ""};
    struct error err;
    int slot;

    if (!gateway || boot->job)
        return boot->job != NULL;
    boot->target = firmware_gateway_target(gateway);
    slot = wanted_slot(dm, boot->target);
    if (slot < 0)
        return false;
    boot->firmware = firmware;
    boot->failed = failed;
    boot->ctx = ctx;
    boot->job = firmware_activate(boot->target, slot, &now, 1, &nobody, &err);
    if (!boot->job) {
        log_failure(LOG_LEVEL_ERROR, "BootFirmwareImage", &err);
        return false;
    }
    boot->observer = (struct observer){.fn = on_firmware, .ctx = boot};
    observer_add(firmware_observers(firmware), &boot->observer);
    return true;
}

void boot_image_done(struct boot_image *boot)
{
    if (!boot->job)
        return;
    observer_remove(firmware_observers(boot->firmware), &boot->observer);
    boot->job = NULL;
}
