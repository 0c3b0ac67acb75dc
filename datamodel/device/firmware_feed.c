/* SPDX-License-Identifier: BSD-3-Clause */
/* What the firmware manager tells, on the change feed: values of slots, results of commands, TransferComplete!. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datamodel/device/firmware_image.h"
#include "usp/request.h"

/* By enum firmware_slot_field. */
static const char *const slot_params[] = {
    [SLOT_STATUS] = "Status",
    [SLOT_AVAILABLE] = "Available",
    [SLOT_NAME] = "Name",
    [SLOT_VERSION] = "Version",
    [SLOT_BOOT_FAILURE_LOG] = "BootFailureLog",
};

enum {
    SLOT_PARAMS = sizeof(slot_params) / sizeof(slot_params[0]),
};

static const char gateway_path[] = "Device.DeviceInfo.";

struct firmware_feed {
    struct observer observer;
    struct model *model;
};

/* ---- rows ---- */

static struct dm_node *image_table(const struct dm_row *device_info)
{
    const struct dm_node *node = device_info->node;

    for (uint16_t i = 0; i < node->children_count; i++)
        if (node->children[i]->object == &model_firmware_image)
            return node->children[i];
    return NULL;
}

static struct dm_call *call_of(struct model *model, struct firmware_job *job)
{
    struct dm_call *call = firmware_job_ctx(job);
    struct firmware_job_info info;

    if (call || !model->usp)
        return call;
    firmware_job_info(job, &info);
    return info.origin.request ? usp_request_resume(model->usp, info.origin.request) : NULL;
}

/* After a restart: the Request is the job's again, so that it can be cancelled. Its object must be there. */
static void take_over(struct model *model, struct firmware_job *job)
{
    struct dm_call *call = call_of(model, job);

    if (!call)
        return;
    call->state = job;
    firmware_job_set_ctx(job, call);
}

/* A target that was added before it had rows has announced its jobs in vain. */
int model_firmware_attach(struct model *model, struct dm_row *device_info, struct firmware_target *target)
{
    struct dm_node *table = image_table(device_info);

    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        struct firmware_job *job;

        if (!table || !dm_attach(model->dm, device_info, table, (uint32_t)i + 1, &target->slots[i]))
            return -1;
        job = firmware_slot_job(target, i);
        if (job)
            take_over(model, job);
    }
    return 0;
}

void model_gateway_active_image(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    struct dm_node *table = image_table(row);
    struct dm_row *const *rows;
    uint32_t count = table ? dm_rows(row, table, &rows) : 0;
    int len = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct firmware_slot *slot = rows[i]->data;

        if (slot->status == FIRMWARE_ACTIVE)
            len = snprintf(scratch, DM_SCRATCH_BYTES, "%sFirmwareImage.%u", gateway_path, rows[i]->instance);
    }
    ret->text = (struct str){scratch, (size_t)len};
}

void model_activate_windows(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->number = FIRMWARE_WINDOWS;
}

static struct dm_row *slot_row(const struct firmware_feed *feed, const struct firmware_event *event)
{
    struct dm_row *info = dm_row_find(feed->model->dm, str_of(event->target->path));
    struct dm_node *table = info ? image_table(info) : NULL;

    return table ? dm_row_instance(info, table, (uint32_t)event->slot + 1) : NULL;
}

static void tell_slot(struct firmware_feed *feed, const struct firmware_event *event)
{
    struct dm_row *row = slot_row(feed, event);

    for (unsigned i = 0; row && i < SLOT_PARAMS; i++)
        if (event->fields & 1u << i)
            dm_changed(feed->model->dm, row, dm_node_param(row->node, slot_params[i]));
}

/* ---- the gateway runs something else: proxied devices are told of by their registry ---- */

static void set_software_version(struct dm *dm, struct dm_row *info, const char *version)
{
    const struct dm_requester factory = {.factory = true};
    int param = dm_node_param(info->node, "SoftwareVersion");
    char scratch[DM_SCRATCH_BYTES];

    if (param < 0 || !version || str_is(dm_get_text(info, param, scratch), version))
        return;
    dm_begin(dm, &factory);
    if (dm_set(dm, info, param, str_of(version), NULL) == 0 && dm_set_done(dm, info, NULL) == 0)
        dm_commit(dm, NULL);
    else
        dm_rollback(dm);
}

static void tell_gateway(struct firmware_feed *feed, const struct firmware_event *event)
{
    struct dm *dm = feed->model->dm;
    struct dm_row *info;
    int param;

    if (strcmp(event->target->path, gateway_path) != 0)
        return;
    info = dm_row_find(dm, str_of(gateway_path));
    param = info ? dm_node_param(info->node, "ActiveFirmwareImage") : -1;
    if (param < 0)
        return;
    set_software_version(dm, info, event->target->slots[event->slot].version);
    dm_changed(dm, info, param);
}

/* ---- results ---- */

static void raise_transfer_complete(struct firmware_feed *feed, const struct firmware_job_info *info)
{
    struct dm_row *agent = dm_row_find(feed->model->dm, STR("Device.LocalAgent."));
    char affected[DM_PATH_BYTES];
    char started[STR_TIME_BYTES];
    char ended[STR_TIME_BYTES];
    char code[16];
    struct dm_pair args[] = {
        {"Command", info->origin.command},
        {"CommandKey", info->origin.command_key},
        {"Requestor", info->origin.originator},
        {"TransferType", "Download"},
        {"Affected", affected},
        {"TransferURL", info->url},
        {"StartTime", started},
        {"CompleteTime", ended},
        {"FaultCode", code},
        {"FaultString", info->fault},
        {"CheckSumAlgorithm", info->checksum_algorithm},
        {"CheckSum", info->checksum},
    };
    size_t count = sizeof(args) / sizeof(args[0]);

    if (!agent)
        return;
    snprintf(affected, sizeof(affected), "%sFirmwareImage.%d.", info->target->path, info->slot + 1);
    snprintf(code, sizeof(code), "%u", info->fault_code);
    str_from_time(started, info->started);
    str_from_time(ended, info->ended);
    /* A transfer that brought nothing has no checksum. */
    dm_raise(feed->model->dm, agent, "TransferComplete!", args, *info->checksum ? count : count - 2);
}

/* All that is written here is in the batch that deletes the job (firmware.h). */
static void end(struct firmware_feed *feed, struct firmware_job *job)
{
    struct dm_call *call = call_of(feed->model, job);
    struct firmware_job_info info;
    struct error err;

    firmware_job_info(job, &info);
    firmware_job_set_ctx(job, NULL);
    if (info.command == FIRMWARE_DOWNLOAD)
        raise_transfer_complete(feed, &info);
    if (!call)
        return;
    call->state = NULL;
    if (info.fault_code)
        error_set(&err, info.fault_code, info.origin.command, "%s", info.fault);
    dm_call_complete(call, info.fault_code ? &err : NULL);
}

/* The acceptance was lost with its batch: the engine takes the Request back, and the call with it. */
static void drop(struct firmware_job *job)
{
    struct dm_call *call = firmware_job_ctx(job);

    if (call)
        call->state = NULL;
    firmware_job_set_ctx(job, NULL);
}

static void on_event(void *ctx, const void *data)
{
    const struct firmware_event *event = data;
    struct firmware_feed *feed = ctx;

    switch (event->type) {
    case FIRMWARE_SLOT_CHANGED:
        tell_slot(feed, event);
        break;
    case FIRMWARE_TARGET_UPDATED:
        tell_gateway(feed, event);
        break;
    case FIRMWARE_JOB_RESUMED:
        take_over(feed->model, event->job);
        break;
    case FIRMWARE_JOB_ENDED:
        end(feed, event->job);
        break;
    case FIRMWARE_JOB_DROPPED:
        drop(event->job);
        break;
    case FIRMWARE_TARGET_ADDED:
    case FIRMWARE_TARGET_REMOVED:
    case FIRMWARE_JOB_CHANGED:
        break; /* the registry shows state and progress */
    }
}

/* ---- start, stop ---- */

int model_firmware_start(struct model *model, struct error *err)
{
    struct firmware_feed *feed = calloc(1, sizeof(*feed));

    if (!feed)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    feed->model = model;
    feed->observer = (struct observer){.fn = on_event, .ctx = feed};
    observer_add(firmware_observers(model->firmware), &feed->observer);
    return 0;
}

void model_firmware_stop(struct model *model)
{
    struct observers *observers = model->firmware ? firmware_observers(model->firmware) : NULL;
    struct observer *at = observers ? observers->first : NULL;

    for (; at; at = at->next) {
        struct firmware_feed *feed = at->ctx;

        if (at->fn != on_event || feed->model != model)
            continue;
        observer_remove(observers, at);
        free(feed);
        return;
    }
}
