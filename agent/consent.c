/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/consent.h"

#include <stdio.h>
#include <stdlib.h>
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
        .proven = device->quarantine == QUARANTINE_NO_CERTIFICATE || device->quarantine == QUARANTINE_REVOKED,
    };
    snprintf(ret->path, sizeof(ret->path), "Device.ProxiedDevice.%u.", device->instance);
}

/* ---- quarantine ---- */

/* Until the batch ends: when it is lost, the device is in quarantine as it was. */
struct undo {
    struct store_waiter waiter;
    struct model *model;
    enum quarantine_code code;
    char *key;
    char *claimed;
};

static void undo_free(struct undo *undo)
{
    free(undo->key);
    free(undo->claimed);
    free(undo);
}

static void on_batch(void *ctx, bool durable)
{
    struct undo *undo = ctx;
    struct device *device = !durable && undo->model->home
                                ? registry_find(home_registry(undo->model->home), undo->key)
                                : NULL;

    if (device && !device->quarantined)
        quarantine_put(device, undo->code, *undo->claimed ? undo->claimed : NULL);
    undo_free(undo);
}

static struct undo *undo_new(struct model *model, const struct device *device)
{
    struct undo *undo = calloc(1, sizeof(*undo));

    if (!undo)
        return NULL;
    *undo = (struct undo){.waiter = {.fn = on_batch, .ctx = undo},
                          .model = model,
                          .code = device->quarantine,
                          .key = strdup(device->key),
                          .claimed = strdup(device_text(device, DEVICE_CLAIMED))};
    if (undo->key && undo->claimed)
        return undo;
    undo_free(undo);
    return NULL;
}

static int identify(void *ctx, struct firmware_target *target, enum consent_what what, struct error *err)
{
    struct model *model = ctx;
    struct device *device = model->home ? registry_find(home_registry(model->home), target->key) : NULL;
    struct undo *undo;

    if (!device)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path, "the device is not there");
    if (what == ENTRY_FORGOTTEN) {
        registry_remove(device);
        return 0;
    }
    undo = undo_new(model, device); /* without memory it is said, and cannot be taken back before a restart */
    if (what == ENTRY_RELEASED)
        quarantine_release(device);
    else
        quarantine_reject(device);
    if (undo)
        consent_wait(model->consent, &undo->waiter);
    return 0;
}

void agent_consent_start(struct consent *consent, struct model *model, struct firmware *firmware)
{
    const struct consent_ops ops = {.about = about, .identify = identify, .ctx = model};

    consent_start(consent, firmware, &ops);
}
