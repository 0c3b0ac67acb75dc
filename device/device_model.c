/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device declares: who it is, its two banks, and what USP itself needs (controllers, subscriptions, requests, roles).
 * The objects of USP are the gateway's own declarations; the rest is here, and no longer than it must be.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "device/device.h"
#include "usp/controller.h"

static struct device_agent *device_of(const struct dm_row *row)
{
    /* Values below DeviceInfo. have the device as their data, rows of FirmwareImage. lead there by their parent. */
    return row->data;
}

/* ---- Device. ---- */

static const struct dm_arg boot_args[] = {
    {.name = "CommandKey"},   {.name = "Cause"},
    {.name = "Reason"},       {.name = "FirmwareUpdated", .type = DM_BOOLEAN},
    {.name = "ParameterMap"}, {.name = NULL},
};

static const struct dm_event_type device_events[] = {{.name = "Boot!", .args = boot_args}, {.name = NULL}};

static int run_reboot(struct dm_call *call, struct error *err)
{
    struct device_agent *device = (struct device_agent *)model_of(call->dm);

    (void)err;
    device_restart(device, "RemoteReboot", call->command_key, "");
    return 0;
}

static const struct dm_command device_commands[] = {{.name = "Reboot()", .run = run_reboot}, {.name = NULL}};
static const struct dm_object object_device = {.commands = device_commands, .events = device_events};

/* ---- Device.DeviceInfo. ---- */

static void text(struct dm_value *ret, const char *value)
{
    ret->text = str_of(value);
}

static void get_manufacturer(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->config->manufacturer);
}

static void get_oui(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->config->manufacturer_oui);
}

static void get_model(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->config->model);
}

static void get_serial_number(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->config->serial_number);
}

static void get_hardware_version(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->config->hardware_version);
}

static void get_software_version(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->image.version);
}

static void get_name(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, device_of(row)->config->name);
}

/* Since this start: it tells a controller whether the device has started anew. */
static void get_up_time(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    struct timespec now;

    (void)scratch;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ret->number = (uint64_t)(now.tv_sec - device_of(row)->started);
}

static void bank_path(struct dm_value *ret, char *scratch, int bank)
{
    int len = snprintf(scratch, DM_SCRATCH_BYTES, "Device.DeviceInfo.FirmwareImage.%d", bank + 1);

    ret->text = (struct str){scratch, (size_t)len};
}

static void get_active(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    bank_path(ret, scratch, device_of(row)->banks.running);
}

static void get_boot(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct banks *banks = &device_of(row)->banks;

    bank_path(ret, scratch, banks->trial >= 0 && banks->starts > 0 ? banks->trial : banks->confirmed);
}

#define TEXT(parameter, getter, longest)                                          \
    {                                                                             \
        .name = (parameter), .type = DM_STRING, .max = (longest), .get = (getter) \
    }

static const struct dm_param info_params[] = {
    TEXT("Manufacturer", get_manufacturer, 64),
    TEXT("ManufacturerOUI", get_oui, 6),
    TEXT("ModelName", get_model, 64),
    TEXT("SerialNumber", get_serial_number, 64),
    TEXT("HardwareVersion", get_hardware_version, 64),
    TEXT("SoftwareVersion", get_software_version, 64),
    TEXT("FriendlyName", get_name, 32),
    {.name = "UpTime", .type = DM_UNSIGNED_INT, .flags = DM_NO_NOTIFY, .get = get_up_time},
    TEXT("ActiveFirmwareImage", get_active, 0),
    TEXT("BootFirmwareImage", get_boot, 0),
    {.name = "FirmwareImageNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "FirmwareImage"},
    DM_END_PARAMS,
};

static const struct dm_object object_device_info = {.params = info_params};

/* ---- Device.DeviceInfo.FirmwareImage.{i}. ---- */

static struct bank *bank_of(const struct dm_row *row)
{
    return ((const struct bank_row *)row->data)->bank;
}

static void get_version(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, bank_of(row)->version);
}

static void get_available(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    enum bank_status status = bank_of(row)->status;

    (void)scratch;
    ret->boolean = status == BANK_ACTIVE || status == BANK_AVAILABLE || status == BANK_ACTIVATION_FAILED;
}

static void get_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct device_agent *device = row->parent->data;
    int bank = (int)row->instance - 1;
    bool is_running = bank == device->banks.running;

    (void)scratch;
    /* A trial that runs is the active image; what ran before waits. */
    if (is_running)
        text(ret, bank_statuses[BANK_ACTIVE]);
    else if (bank_of(row)->status == BANK_ACTIVE)
        text(ret, bank_statuses[BANK_AVAILABLE]);
    else
        text(ret, bank_statuses[bank_of(row)->status]);
}

static void get_log(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    text(ret, bank_of(row)->log);
}

static const struct dm_param bank_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct bank_row, alias)},
    TEXT("Name", get_version, 64), /* its images have no other name */
    TEXT("Version", get_version, 64),
    {.name = "Available", .type = DM_BOOLEAN, .get = get_available},
    {.name = "Status", .type = DM_STRING, .values = bank_statuses, .get = get_status},
    TEXT("BootFailureLog", get_log, 0),
    DM_END_PARAMS,
};

static const struct dm_key bank_keys[] = {{{"Alias"}}, {{NULL}}};

static const struct dm_object object_bank = {.flags = DM_TABLE,
                                             .params = bank_params,
                                             .commands = device_firmware_commands,
                                             .keys = bank_keys,
                                             .max_rows = BANKS};
static const struct dm_object object_bank_no_activate = {.flags = DM_TABLE,
                                                         .params = bank_params,
                                                         .commands = device_firmware_download_only,
                                                         .keys = bank_keys,
                                                         .max_rows = BANKS};

/* ---- Device.LocalAgent. ---- */

static const struct dm_param agent_params[] = {
    {.name = "EndpointID",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .offset = DM_OFFSET(struct local_agent, endpoint_id)},
    {.name = "ControllerNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Controller"},
    {.name = "SubscriptionNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Subscription"},
    {.name = "RequestNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Request"},
    DM_END_PARAMS,
};

static const struct dm_arg transfer_args[] = {
    {.name = "Command"},
    {.name = "CommandKey"},
    {.name = "Requestor"},
    {.name = "TransferType"},
    {.name = "Affected"},
    {.name = "TransferURL"},
    {.name = "StartTime", .type = DM_DATE_TIME},
    {.name = "CompleteTime", .type = DM_DATE_TIME},
    {.name = "FaultCode", .type = DM_UNSIGNED_INT},
    {.name = "FaultString"},
    {.name = "CheckSumAlgorithm"},
    {.name = "CheckSum", .type = DM_HEX_BINARY},
    {.name = NULL},
};

static const struct dm_event_type agent_events[] = {
    {.name = "Periodic!"},
    {.name = "TransferComplete!", .args = transfer_args},
    {.name = NULL},
};
static const struct dm_event_type agent_events_few[] = {{.name = "Periodic!"}, {.name = NULL}};

static const struct dm_object object_agent = {
    .data_size = sizeof(struct local_agent), .params = agent_params, .events = agent_events};
static const struct dm_object object_agent_few = {
    .data_size = sizeof(struct local_agent), .params = agent_params, .events = agent_events_few};

/* ---- the tree ---- */

#define USP_OBJECTS                                                                     \
    {"Device.LocalAgent.Controller.{i}.", &model_controller},                           \
        {"Device.LocalAgent.Subscription.{i}.", &model_subscription},                   \
        {"Device.LocalAgent.Request.{i}.", &model_request},                             \
        {"Device.LocalAgent.ControllerTrust.", &model_controller_trust},                \
        {"Device.LocalAgent.ControllerTrust.Role.{i}.", &model_role},                   \
    {                                                                                   \
        "Device.LocalAgent.ControllerTrust.Role.{i}.Permission.{i}.", &model_permission \
    }

static const struct dm_mount whole[] = {
    {"Device.", &object_device},
    {"Device.DeviceInfo.", &object_device_info},
    {"Device.DeviceInfo.FirmwareImage.{i}.", &object_bank},
    {"Device.LocalAgent.", &object_agent},
    USP_OBJECTS,
};

static const struct dm_mount no_activate[] = {
    {"Device.", &object_device},
    {"Device.DeviceInfo.", &object_device_info},
    {"Device.DeviceInfo.FirmwareImage.{i}.", &object_bank_no_activate},
    {"Device.LocalAgent.", &object_agent},
    USP_OBJECTS,
};

static const struct dm_mount no_transfer[] = {
    {"Device.", &object_device},
    {"Device.DeviceInfo.", &object_device_info},
    {"Device.DeviceInfo.FirmwareImage.{i}.", &object_bank},
    {"Device.LocalAgent.", &object_agent_few},
    USP_OBJECTS,
};

static const struct dm_mount no_images[] = {
    {"Device.", &object_device},
    {"Device.DeviceInfo.", &object_device_info},
    {"Device.LocalAgent.", &object_agent_few},
    USP_OBJECTS,
};

const struct dm_mount *device_mounts(unsigned faults, size_t *ret_count)
{
    *ret_count = sizeof(whole) / sizeof(whole[0]);
    if (faults & FAULT_NO_IMAGES) {
        *ret_count = sizeof(no_images) / sizeof(no_images[0]);
        return no_images;
    }
    if (faults & FAULT_NO_ACTIVATE)
        return no_activate;
    return faults & FAULT_NO_TRANSFER_COMPLETE ? no_transfer : whole;
}

/* ---- rows ---- */

struct dm_row *device_bank_row(struct device_agent *device, int bank)
{
    struct dm_row *info = dm_row_find(device->dm, STR("Device.DeviceInfo."));
    struct dm_node *table = dm_node_child(info->node, STR("FirmwareImage"));

    return table ? dm_row_instance(info, table, (uint32_t)bank + 1) : NULL;
}

static int set(struct dm *dm, struct dm_row *row, const char *name, const char *value, struct error *err)
{
    return dm_set(dm, row, dm_node_param(row->node, name), str_of(value), err);
}

/* The one controller, with all rights: made once, and then a row like any. */
static int add_controller(struct device_agent *device, struct error *err)
{
    struct dm_row *agent = dm_row_find(device->dm, STR("Device.LocalAgent."));
    struct dm_node *table = dm_node_child(agent->node, STR("Controller"));
    struct dm_row *row;

    dm_begin(device->dm, NULL);
    row = dm_add(device->dm, agent, table, 0, err);
    if (row && set(device->dm, row, "EndpointID", device->config->controller, err) == 0 &&
        set(device->dm, row, "Enable", "true", err) == 0 &&
        set(device->dm, row, "AssignedRole", "Device.LocalAgent.ControllerTrust.Role.1", err) == 0 &&
        dm_add_done(device->dm, row, err) == 0)
        return dm_commit(device->dm, err);
    dm_rollback(device->dm);
    return -1;
}

/* The device has no E2ESession. object: what it says goes without a session, over TLS. */
static int know_controller(struct device_agent *device, struct error *err)
{
    struct str eid = str_of(device->config->controller);
    struct controller *controller = usp_controller_find(device->usp, eid);

    if (!controller && (add_controller(device, err) < 0 || dm_flush(device->dm, err) < 0))
        return -1;
    controller = usp_controller_find(device->usp, eid);
    if (!controller)
        return error_set(err, ERROR_INTERNAL, device->config->controller, "the controller has no row");
    controller->e2e.mode = SESSION_FORBID;
    return 0;
}

int device_model_bind(struct device_agent *device, struct error *err)
{
    struct dm_row *info = dm_row_find(device->dm, STR("Device.DeviceInfo."));
    struct dm_node *table = dm_node_child(info->node, STR("FirmwareImage"));
    struct dm_row *agent = dm_row_find(device->dm, STR("Device.LocalAgent."));
    struct local_agent *local = agent->data;

    dm_bind(info, device);
    for (int i = 0; table && i < BANKS; i++) {
        device->rows[i].bank = &device->banks.bank[i];
        if (!dm_attach(device->dm, info, table, (uint32_t)i + 1, &device->rows[i]))
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    if (str_replace(&local->endpoint_id, device->config->endpoint_id) < 0 ||
        usp_set_endpoint_id(device->usp, device->config->endpoint_id) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return model_default_roles(&device->model, err) < 0 ? -1 : know_controller(device, err);
}
