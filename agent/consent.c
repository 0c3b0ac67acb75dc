/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/consent.h"

#include <stdio.h>
#include <string.h>

#include "devices/dialects/dialect.h"
#include "devices/home.h"
#include "devices/quarantine.h"

static const char gateway_path[] = "Device.DeviceInfo.";

static const char *gateway_text(const struct model *model, const char *name)
{
    const struct dm_row *row = dm_row_find(model->dm, str_of(gateway_path));
    char scratch[DM_SCRATCH_BYTES];

    /* A text of the row, which is not put into the scratch. */
    return row ? dm_get_text(row, dm_node_param(row->node, name), scratch).data : NULL;
}

static void about(void *ctx, const struct firmware_target *target, struct consent_about *ret)
{
    const struct model *model = ctx;
    struct quarantine_notice notice;
    const struct device *device;

    if (strcmp(target->path, gateway_path) == 0) {
        *ret = (struct consent_about){
            .name = gateway_text(model, "FriendlyName"),
            .manufacturer = gateway_text(model, "Manufacturer"),
            .model = gateway_text(model, "ModelName"),
            .gateway = true,
        };
        str_copy(ret->path, sizeof(ret->path), gateway_path);
        return;
    }
    device = model->home ? registry_find(home_registry(model->home), target->key) : NULL;
    if (!device)
        return;
    notice = quarantine_notice(device);
    *ret = (struct consent_about){
        .name = device->text[DEVICE_NAME],
        .manufacturer = device->text[DEVICE_MANUFACTURER],
        .model = device->text[DEVICE_MODEL],
        .type = device->text[DEVICE_TYPE],
        .last_result = device->text[DEVICE_LAST_RESULT],
        .changed = notice.code,
        .was = notice.before,
        .is = notice.now,
    };
    snprintf(ret->path, sizeof(ret->path), "Device.ProxiedDevice.%u.", device->instance);
}

void agent_consent_start(struct consent *consent, struct model *model, struct firmware *firmware)
{
    const struct consent_ops ops = {.about = about, .ctx = model};

    consent_start(consent, firmware, &ops);
}
