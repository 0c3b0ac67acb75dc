/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "datamodel/device/proxied_device.h"

#include <stdio.h>
#include <stdlib.h>

#include "consent/consent.h"
#include "datamodel/device/firmware_image.h"
#include "devices/dialects/dialect.h"
#include "devices/home.h"
#include "devices/quarantine.h"

/* ---- Device.ProxiedDevice.{i}. ---- */

#define TEXT(field) DM_OFFSET(struct device, text[field])

static void get_protocol(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct device *device = row->data;
    const char *name = device->transport == DEVICE_WEBSOCKET ? device->dialect->websocket_protocol
                                                             : device->dialect->mqtt_protocol;
    int len = snprintf(scratch, DM_SCRATCH_BYTES, "%s%s", VENDOR_PREFIX, name ? name : device->dialect->name);

    ret->text = (struct str){scratch, len < DM_SCRATCH_BYTES ? (size_t)len : DM_SCRATCH_BYTES - 1};
}

static int save_device(struct dm *dm, struct dm_row *row, struct error *err)
{
    (void)dm;
    return registry_save(row->data, err);
}

static const struct dm_param device_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED | DM_ALIAS,
     .max = 64,
     .offset = TEXT(DEVICE_ALIAS)},
    {.name = "Type", .type = DM_STRING, .offset = TEXT(DEVICE_TYPE)},
    {.name = "Description", .type = DM_STRING, .max = 256, .offset = TEXT(DEVICE_DESCRIPTION)},
    {.name = "Name", .type = DM_STRING, .flags = DM_WRITABLE, .max = 64, .offset = TEXT(DEVICE_NAME)},
    {.name = "Online", .type = DM_BOOLEAN, .offset = DM_OFFSET(struct device, online)},
    {.name = "LastTimeContacted", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct device, last_contacted)},
    {.name = "ProxyProtocol", .type = DM_STRING, .get = get_protocol},
    DM_END_PARAMS,
};

static const struct dm_key device_keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_proxied_device = {
    .flags = DM_TABLE,
    .params = device_params,
    .keys = device_keys,
    .save = save_device,
};

/* ---- DeviceInfo. ---- */

static void get_active_image(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct device *device = row->data;
    int len = 0;

    if (device->target.active >= 0)
        len = snprintf(scratch, DM_SCRATCH_BYTES, "Device.ProxiedDevice.%u.DeviceInfo.FirmwareImage.%d",
                       device->instance, device->target.active + 1);
    ret->text = (struct str){scratch, (size_t)len};
}

static const struct dm_param info_params[] = {
    {.name = "Manufacturer", .type = DM_STRING, .max = 64, .offset = TEXT(DEVICE_MANUFACTURER)},
    {.name = "ManufacturerOUI", .type = DM_STRING, .max = 6, .offset = TEXT(DEVICE_OUI)},
    {.name = "ModelName", .type = DM_STRING, .max = 64, .offset = TEXT(DEVICE_MODEL)},
    {.name = "HardwareVersion", .type = DM_STRING, .max = 64, .offset = TEXT(DEVICE_HARDWARE_VERSION)},
    {.name = "SoftwareVersion", .type = DM_STRING, .max = 64, .offset = TEXT(DEVICE_SOFTWARE_VERSION)},
    {.name = "SerialNumber", .type = DM_STRING, .max = 64, .offset = TEXT(DEVICE_SERIAL_NUMBER)},
    {.name = "ActiveFirmwareImage", .type = DM_STRING, .get = get_active_image},
    {.name = "FirmwareImageNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "FirmwareImage"},
    DM_END_PARAMS,
};

const struct dm_object model_proxied_device_info = {.params = info_params};

/* ---- <vendor prefix>Update. ---- */

/* By struct device.job_state: none, then enum firmware_job_state. */
static const char *const job_states[] = {
    "None",       "Requested", "Fetching", "Verifying",  "Waiting",   "Transferring", "Rebooting",
    "Confirming", "Done",      "Failed",   "RolledBack", "Cancelled", "Expired",      NULL,
};

static void get_waits_for(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct device *device = row->data;

    (void)scratch;
    ret->text = str_of(device->waits_for ? device->waits_for : "");
}

/* Percent; -1: it runs on mains, or does not tell. */
static void get_battery(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct device *device = row->data;

    (void)scratch;
    ret->integer = device->target.on_battery ? device->target.battery : -1;
}

static const struct dm_param update_params[] = {
    {.name = "JobState",
     .type = DM_ENUM,
     .values = job_states,
     .offset = DM_OFFSET(struct device, job_state)},
    {.name = "Progress", .type = DM_UNSIGNED_INT, .max = 100, .offset = DM_OFFSET(struct device, progress)},
    {.name = "LastResult", .type = DM_STRING, .offset = TEXT(DEVICE_LAST_RESULT)},
    {.name = "WaitsFor", .type = DM_STRING, .get = get_waits_for},
    {.name = "BatteryLevel", .type = DM_INT, .get = get_battery},
    {.name = "Sleeps", .type = DM_BOOLEAN, .offset = DM_OFFSET(struct device, sleeps)},
    {.name = "RivalUpdater", .type = DM_STRING, .offset = TEXT(DEVICE_RIVAL)},
    {.name = "OfferedVersion", .type = DM_STRING, .max = 64, .offset = TEXT(DEVICE_OFFERED_VERSION)},
    DM_END_PARAMS,
};

const struct dm_object model_proxied_update = {.params = update_params};

/* ---- <vendor prefix>Identity. ---- */

static const char *const grades[] = {"A", "B", "C", "D", NULL};

/* By way of the engine of consent, whose ledger has who said so; act: where there is none (tests). */
static int identify(struct dm_call *call, enum consent_what what, void (*act)(struct device *device),
                    struct error *err)
{
    const struct model *model = model_of(call->dm);
    struct device *device = call->row->data;

    if (what == ENTRY_FORGOTTEN)
        call->row = NULL; /* goes with the device */
    if (model && model->identify)
        return model->identify(call, device->key, what, err);
    act(device);
    return 0;
}

static int release(struct dm_call *call, struct error *err)
{
    struct device *device = call->row->data;

    if (!device->quarantined)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "the device is not quarantined");
    return identify(call, ENTRY_RELEASED, quarantine_release, err);
}

static int reject(struct dm_call *call, struct error *err)
{
    struct device *device = call->row->data;

    if (!device->quarantined)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "the device is not quarantined");
    return identify(call, ENTRY_REJECTED, quarantine_reject, err);
}

static int forget(struct dm_call *call, struct error *err)
{
    struct device *device = call->row->data;

    if (device->online && !device->quarantined)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path,
                         "the device is there: it would be found again at once");
    return identify(call, ENTRY_FORGOTTEN, registry_remove, err);
}

static void get_reason_code(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(quarantine_notice(row->data).code);
}

static void get_known(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(quarantine_notice(row->data).before);
}

static void get_claimed(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(quarantine_notice(row->data).now);
}

/* By enum device_source. */
static const char *const sources[DEVICE_SOURCES] = {
    "", "Certificate", "Device", "Bridge", "Announcement", "Family", "Address",
};

/* "B,Device": a grade and a source; "" when there is no such fact. */
static void get_proof(const struct dm_row *row, enum device_field fact, struct dm_value *ret, char *scratch)
{
    const struct device_proof *proof = device_proof(row->data, fact);
    int len = proof->source
                  ? snprintf(scratch, DM_SCRATCH_BYTES, "%s,%s", grades[proof->grade], sources[proof->source])
                  : 0;

    ret->text = (struct str){scratch, (size_t)len};
}

#define PROOF(name, fact)                                                                         \
    static void get_##name##_proof(const struct dm_row *row, struct dm_value *ret, char *scratch) \
    {                                                                                             \
        get_proof(row, fact, ret, scratch);                                                       \
    }

PROOF(manufacturer, DEVICE_MANUFACTURER)
PROOF(oui, DEVICE_OUI)
PROOF(model, DEVICE_MODEL)
PROOF(hardware, DEVICE_HARDWARE_VERSION)
PROOF(software, DEVICE_SOFTWARE_VERSION)
PROOF(serial, DEVICE_SERIAL_NUMBER)
PROOF(mac, DEVICE_MAC)

#define PROOF_PARAM .type = DM_STRING, .flags = DM_LIST | DM_NO_NOTIFY

static const struct dm_param identity_params[] = {
    {.name = "Grade", .type = DM_ENUM, .values = grades, .offset = DM_OFFSET(struct device, grade)},
    {.name = "Quarantined", .type = DM_BOOLEAN, .offset = DM_OFFSET(struct device, quarantined)},
    {.name = "Reason", .type = DM_STRING, .offset = TEXT(DEVICE_REASON)},
    {.name = "ReasonCode", .type = DM_ENUM, .values = quarantine_code_names, .get = get_reason_code},
    {.name = "KnownValue", .type = DM_STRING, .get = get_known},
    {.name = "ClaimedValue", .type = DM_STRING, .get = get_claimed},
    {.name = "MACAddress", .type = DM_STRING, .offset = TEXT(DEVICE_MAC)},
    /* Who vouches for what DeviceInfo. says: in the same row, so that 1,000 devices pay eight bytes each. */
    {.name = "ManufacturerProof", PROOF_PARAM, .get = get_manufacturer_proof},
    {.name = "ManufacturerOUIProof", PROOF_PARAM, .get = get_oui_proof},
    {.name = "ModelNameProof", PROOF_PARAM, .get = get_model_proof},
    {.name = "HardwareVersionProof", PROOF_PARAM, .get = get_hardware_proof},
    {.name = "SoftwareVersionProof", PROOF_PARAM, .get = get_software_proof},
    {.name = "SerialNumberProof", PROOF_PARAM, .get = get_serial_proof},
    {.name = "MACAddressProof", PROOF_PARAM, .get = get_mac_proof},
    {.name = "RejectedMessages", .type = DM_UNSIGNED_INT, .offset = DM_OFFSET(struct device, rejected)},
    {.name = "PasswordProblem", .type = DM_STRING, .offset = TEXT(DEVICE_LOCKED)},
    DM_END_PARAMS,
};

static const struct dm_command identity_commands[] = {
    {.name = "Release()",
     .run = release}, /* the operator has looked: what the device says next is its identity */
    {.name = "Reject()", .run = reject}, /* ... what was known is its identity */
    {.name = "Forget()", .run = forget}, /* ... and it is not there any more */
    {.name = NULL},
};

static const struct dm_arg quarantined_args[] = {
    {.name = "Reason", .type = DM_STRING},
    {.name = "ReasonCode", .type = DM_STRING},
    {.name = "KnownValue", .type = DM_STRING},
    {.name = "ClaimedValue", .type = DM_STRING},
    {.name = NULL},
};

static const struct dm_event_type identity_events[] = {
    {.name = "Quarantined!", .args = quarantined_args},
    {.name = NULL},
};

const struct dm_object model_proxied_identity = {
    .params = identity_params,
    .commands = identity_commands,
    .events = identity_events,
};

/* ---- the registry's news ---- */

/* Which parameter shows which field. */
static const struct shown {
    enum device_field field;
    const struct dm_object *object;
    const char *param;
} shown[] = {
    {DEVICE_NAME, &model_proxied_device, "Name"},
    {DEVICE_TYPE, &model_proxied_device, "Type"},
    {DEVICE_DESCRIPTION, &model_proxied_device, "Description"},
    {DEVICE_ONLINE, &model_proxied_device, "Online"},
    {DEVICE_LAST_CONTACTED, &model_proxied_device, "LastTimeContacted"},
    {DEVICE_TRANSPORT, &model_proxied_device, "ProxyProtocol"},
    {DEVICE_MANUFACTURER, &model_proxied_device_info, "Manufacturer"},
    {DEVICE_OUI, &model_proxied_device_info, "ManufacturerOUI"},
    {DEVICE_MODEL, &model_proxied_device_info, "ModelName"},
    {DEVICE_HARDWARE_VERSION, &model_proxied_device_info, "HardwareVersion"},
    {DEVICE_SOFTWARE_VERSION, &model_proxied_device_info, "SoftwareVersion"},
    {DEVICE_SERIAL_NUMBER, &model_proxied_device_info, "SerialNumber"},
    {DEVICE_ACTIVE_IMAGE, &model_proxied_device_info, "ActiveFirmwareImage"},
    {DEVICE_JOB_STATE, &model_proxied_update, "JobState"},
    {DEVICE_PROGRESS, &model_proxied_update, "Progress"},
    {DEVICE_WAITS_FOR, &model_proxied_update, "WaitsFor"},
    {DEVICE_BATTERY, &model_proxied_update, "BatteryLevel"},
    {DEVICE_RIVAL, &model_proxied_update, "RivalUpdater"},
    {DEVICE_LAST_RESULT, &model_proxied_update, "LastResult"},
    {DEVICE_OFFERED_VERSION, &model_proxied_update, "OfferedVersion"},
    {DEVICE_GRADE, &model_proxied_identity, "Grade"},
    {DEVICE_QUARANTINED, &model_proxied_identity, "Quarantined"},
    {DEVICE_REASON, &model_proxied_identity, "Reason"},
    {DEVICE_REASON, &model_proxied_identity, "ReasonCode"},
    {DEVICE_REASON, &model_proxied_identity, "KnownValue"},
    {DEVICE_CLAIMED, &model_proxied_identity, "ClaimedValue"},
    {DEVICE_MAC, &model_proxied_identity, "MACAddress"},
    {DEVICE_REJECTED, &model_proxied_identity, "RejectedMessages"},
    {DEVICE_LOCKED, &model_proxied_identity, "PasswordProblem"},
    {DEVICE_SLEEPING, &model_proxied_update, "Sleeps"},
};

enum {
    SHOWN = sizeof(shown) / sizeof(shown[0]),
};

/* Found again through the registry's observers. */
struct proxied {
    struct model *model;
    struct dm *dm;
    struct observer observer;
    struct dm_node *table;
    struct dm_node *info;
    struct dm_node *identity;
    struct {
        struct dm_node *node;
        int param;
    } places[SHOWN]; /* where shown[i] is */
};

static struct dm_row *row_of(const struct device *device, const struct dm_node *node)
{
    struct dm_row *row = device->row;

    return row->node == node ? row : dm_row_child(row, node);
}

static void add_row(struct proxied *proxied, struct device *device)
{
    struct dm_row *row;

    if (device->row)
        return;
    row = dm_attach(proxied->dm, dm_root(proxied->dm), proxied->table, device->instance, device);
    device->row = row;
    if (row)
        model_firmware_attach(proxied->model, dm_row_child(row, proxied->info), &device->target);
}

static void remove_row(struct proxied *proxied, struct device *device)
{
    dm_detach(proxied->dm, device->row);
    device->row = NULL;
}

static void tell_changes(struct proxied *proxied, const struct device *device, uint64_t fields)
{
    for (size_t i = 0; i < SHOWN; i++)
        if (fields & DEVICE_BIT(shown[i].field))
            dm_changed(proxied->dm, row_of(device, proxied->places[i].node), proxied->places[i].param);
}

static void tell_quarantine(struct proxied *proxied, const struct device *device)
{
    struct quarantine_notice notice = quarantine_notice(device);
    struct dm_pair args[] = {
        {"Reason", device_text(device, DEVICE_REASON)},
        {"ReasonCode", notice.code},
        {"KnownValue", notice.before},
        {"ClaimedValue", notice.now},
    };

    dm_raise(proxied->dm, row_of(device, proxied->identity), "Quarantined!", args,
             sizeof(args) / sizeof(args[0]));
}

static void on_device(void *ctx, const void *event)
{
    const struct device_event *news = event;
    struct proxied *proxied = ctx;

    if (news->type == DEVICE_ADDED) {
        add_row(proxied, news->device);
        return;
    }
    if (!news->device->row)
        return; /* there was no memory for its row */
    switch (news->type) {
    case DEVICE_ADDED:
        break;
    case DEVICE_REMOVED:
        remove_row(proxied, news->device);
        break;
    case DEVICE_CHANGED:
        tell_changes(proxied, news->device, news->fields);
        break;
    case DEVICE_QUARANTINE:
        tell_quarantine(proxied, news->device);
        break;
    }
}

/* The child of the table that has this declaration. */
static struct dm_node *node_with(struct dm_node *table, const struct dm_object *object)
{
    if (table->object == object)
        return table;
    for (uint16_t i = 0; i < table->children_count; i++)
        if (table->children[i]->object == object)
            return table->children[i];
    return NULL;
}

static int find_places(struct proxied *proxied)
{
    proxied->table = dm_node_find(proxied->dm, "Device.ProxiedDevice.{i}.");
    if (!proxied->table)
        return -1;
    proxied->info = node_with(proxied->table, &model_proxied_device_info);
    proxied->identity = node_with(proxied->table, &model_proxied_identity);
    for (size_t i = 0; i < SHOWN; i++) {
        struct dm_node *node = node_with(proxied->table, shown[i].object);

        proxied->places[i].node = node;
        proxied->places[i].param = node ? dm_node_param(node, shown[i].param) : -1;
        if (proxied->places[i].param < 0)
            return -1;
    }
    return 0;
}

int model_proxied_start(struct model *model, struct error *err)
{
    struct proxied *proxied = calloc(1, sizeof(*proxied));
    struct registry *registry = home_registry(model->home);

    if (!proxied)
        return error_set(err, ERROR_INTERNAL, NULL, "out of memory");
    proxied->model = model;
    proxied->dm = model->dm;
    proxied->observer = (struct observer){.fn = on_device, .ctx = proxied};
    if (find_places(proxied) < 0) {
        free(proxied);
        return error_set(err, ERROR_INTERNAL, "Device.ProxiedDevice.{i}.", "an object of it is not mounted");
    }
    observer_add(registry_observers(registry), &proxied->observer);
    for (uint32_t i = 0; i < registry->count; i++)
        add_row(proxied, registry->devices[i]);
    return 0;
}

void model_proxied_stop(struct model *model)
{
    struct observers *observers = registry_observers(home_registry(model->home));

    for (struct observer *at = observers->first; at; at = at->next) {
        struct proxied *proxied = at->ctx;

        if (at->fn != on_device)
            continue;
        observer_remove(observers, at);
        free(proxied);
        return;
    }
}
