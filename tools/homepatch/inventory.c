/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "tools/homepatch/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TABLE[] = "Device.ProxiedDevice.";
static const char SLOTS[] = "DeviceInfo.FirmwareImage.";

enum {
    PATH_BYTES = 1024,
};

#define UPDATE VENDOR_PREFIX "Update."
#define IDENTITY VENDOR_PREFIX "Identity."

const char *const inventory_params[DEVICE_VALUES] = {
    [DEVICE_NAME] = "Name",
    [DEVICE_ALIAS] = "Alias",
    [DEVICE_TYPE] = "Type",
    [DEVICE_ONLINE] = "Online",
    [DEVICE_LAST_CONTACT] = "LastTimeContacted",
    [DEVICE_PROTOCOL] = "ProxyProtocol",
    [DEVICE_MANUFACTURER] = "DeviceInfo.Manufacturer",
    [DEVICE_MODEL] = "DeviceInfo.ModelName",
    [DEVICE_HARDWARE] = "DeviceInfo.HardwareVersion",
    [DEVICE_VERSION] = "DeviceInfo.SoftwareVersion",
    [DEVICE_SERIAL] = "DeviceInfo.SerialNumber",
    [DEVICE_STATE] = UPDATE "JobState",
    [DEVICE_PROGRESS] = UPDATE "Progress",
    [DEVICE_RESULT] = UPDATE "LastResult",
    [DEVICE_OFFERED] = UPDATE "OfferedVersion",
    [DEVICE_GRADE] = IDENTITY "Grade",
    [DEVICE_QUARANTINED] = IDENTITY "Quarantined",
    [DEVICE_REASON] = IDENTITY "Reason",
    [DEVICE_REJECTED] = IDENTITY "RejectedMessages",
    [DEVICE_REASON_CODE] = IDENTITY "ReasonCode",
    [DEVICE_KNOWN] = IDENTITY "KnownValue",
    [DEVICE_CLAIMED] = IDENTITY "ClaimedValue",
    [DEVICE_MAC] = IDENTITY "MACAddress",
    [DEVICE_MANUFACTURER_PROOF] = IDENTITY "ManufacturerProof",
    [DEVICE_MODEL_PROOF] = IDENTITY "ModelNameProof",
    [DEVICE_HARDWARE_PROOF] = IDENTITY "HardwareVersionProof",
    [DEVICE_VERSION_PROOF] = IDENTITY "SoftwareVersionProof",
    [DEVICE_SERIAL_PROOF] = IDENTITY "SerialNumberProof",
    [DEVICE_MAC_PROOF] = IDENTITY "MACAddressProof",
};

static const char *const slot_params[SLOT_VALUES] = {
    [SLOT_ALIAS] = "Alias",         [SLOT_NAME] = "Name",     [SLOT_VERSION] = "Version",
    [SLOT_AVAILABLE] = "Available", [SLOT_STATUS] = "Status", [SLOT_LOG] = "BootFailureLog",
};

/* The names in JSON, and whether the value is a number or a boolean there. */
static const struct {
    const char *name;
    char type; /* 's', 'n', 'b' */
} json_names[DEVICE_VALUES] = {
    [DEVICE_NAME] = {"name", 's'},
    [DEVICE_ALIAS] = {"alias", 's'},
    [DEVICE_TYPE] = {"type", 's'},
    [DEVICE_ONLINE] = {"online", 'b'},
    [DEVICE_LAST_CONTACT] = {"lastContact", 's'},
    [DEVICE_PROTOCOL] = {"protocol", 's'},
    [DEVICE_MANUFACTURER] = {"manufacturer", 's'},
    [DEVICE_MODEL] = {"model", 's'},
    [DEVICE_HARDWARE] = {"hardware", 's'},
    [DEVICE_VERSION] = {"version", 's'},
    [DEVICE_SERIAL] = {"serial", 's'},
    [DEVICE_STATE] = {"state", 's'},
    [DEVICE_PROGRESS] = {"progress", 'n'},
    [DEVICE_RESULT] = {"lastResult", 's'},
    [DEVICE_OFFERED] = {"offered", 's'},
    [DEVICE_GRADE] = {"grade", 's'},
    [DEVICE_QUARANTINED] = {"quarantined", 'b'},
    [DEVICE_REASON] = {"reason", 's'},
    [DEVICE_REJECTED] = {"rejected", 'n'},
    [DEVICE_REASON_CODE] = {"reasonCode", 's'},
    [DEVICE_KNOWN] = {"known", 's'},
    [DEVICE_CLAIMED] = {"claimed", 's'},
    [DEVICE_MAC] = {"mac", 's'},
    [DEVICE_MANUFACTURER_PROOF] = {"manufacturerProof", 's'},
    [DEVICE_MODEL_PROOF] = {"modelProof", 's'},
    [DEVICE_HARDWARE_PROOF] = {"hardwareProof", 's'},
    [DEVICE_VERSION_PROOF] = {"versionProof", 's'},
    [DEVICE_SERIAL_PROOF] = {"serialProof", 's'},
    [DEVICE_MAC_PROOF] = {"macProof", 's'},
};

/* ---- reading ---- */

unsigned inventory_instance(struct str path, struct str table, struct str *ret_rest)
{
    struct str rest;
    struct str number;
    uint64_t value;

    if (!str_starts(path, table))
        return 0;
    rest = (struct str){path.data + table.len, path.len - table.len};
    if (!str_next(&rest, '.', &number) || str_to_u64(number, &value) < 0 || value > UINT32_MAX)
        return 0;
    *ret_rest = rest;
    return (unsigned)value;
}

static struct device *device_new(struct app *app, unsigned number)
{
    struct device *device = arena_calloc(&app->arena, 1, sizeof(*device));

    if (!device) {
        fputs("homepatch: out of memory\n", stderr);
        exit(OUTCOME_REFUSED);
    }
    device->number = number;
    for (size_t i = 0; i < DEVICE_VALUES; i++)
        device->values[i] = "";
    return device;
}

static struct slot *slot_of(struct device *device, unsigned number)
{
    struct slot *slot;

    for (size_t i = 0; i < device->slots_count; i++)
        if (device->slots[i].number == number)
            return &device->slots[i];
    if (device->slots_count == INVENTORY_SLOTS)
        return NULL;
    slot = &device->slots[device->slots_count++];
    slot->number = number;
    for (size_t i = 0; i < SLOT_VALUES; i++)
        slot->values[i] = "";
    return slot;
}

/* What was, when it is the same: the arena of a program that watches for days does not grow by it. */
static void replace(struct app *app, struct device *device, const char **slot, struct str value)
{
    if (str_is(value, *slot))
        return;
    *slot = app_copy(app, value);
    device->changed = true;
}

/* Keeps one value; rest: the path below the device's row, ending with the object that has the parameter. */
static void keep(struct app *app, struct device *device, struct str rest, struct str name, struct str value)
{
    char path[PATH_BYTES];
    struct str below;
    unsigned number = inventory_instance(rest, STR(SLOTS), &below);
    struct slot *slot = number && !below.len ? slot_of(device, number) : NULL;

    if (slot) {
        for (size_t i = 0; i < SLOT_VALUES; i++)
            if (str_is(name, slot_params[i]))
                replace(app, device, &slot->values[i], value);
        return;
    }
    snprintf(path, sizeof(path), "%.*s%.*s", (int)rest.len, rest.data, (int)name.len, name.data);
    for (size_t i = 0; i < DEVICE_VALUES; i++)
        if (strcmp(path, inventory_params[i]) == 0)
            replace(app, device, &device->values[i], value);
}

static struct device *device_at(struct inventory *inventory, unsigned number)
{
    if (!inventory->current || inventory->current->number != number)
        inventory->current = inventory_by_number(inventory, number);
    if (!inventory->current) {
        inventory->current = device_new(inventory->app, number);
        *inventory->last = inventory->current;
        inventory->last = &inventory->current->next;
        inventory->count++;
    }
    return inventory->current;
}

static int on_value(void *ctx, const struct usp_client_fact *fact)
{
    struct inventory *inventory = ctx;
    struct str rest;
    unsigned number;

    if (fact->kind != USP_FACT_VALUE)
        return 0;
    number = inventory_instance(fact->path, STR(TABLE), &rest);
    if (number)
        keep(inventory->app, device_at(inventory, number), rest, fact->name, fact->value);
    return 0;
}

struct device *inventory_apply(struct inventory *inventory, struct str param_path, struct str value)
{
    const char *dot = memrchr(param_path.data, '.', param_path.len);
    struct device *device;
    struct str object;
    struct str rest;
    unsigned number;

    if (!dot)
        return NULL;
    object = (struct str){param_path.data, (size_t)(dot + 1 - param_path.data)};
    number = inventory_instance(object, STR(TABLE), &rest);
    if (!number)
        return NULL;
    device = device_at(inventory, number);
    keep(inventory->app, device, rest, (struct str){dot + 1, param_path.len - object.len}, value);
    return device;
}

bool inventory_read(struct inventory *inventory, struct app *app)
{
    struct str path = STR(TABLE);
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);

    *inventory = (struct inventory){.app = app};
    inventory->last = &inventory->first;
    usp_client_get(&message, msg_id, &path, 1, 0);
    return app_ask(app, &message, on_value, inventory);
}

bool inventory_look(struct inventory *inventory)
{
    static const char *const paths[] = {"Device.ProxiedDevice.*." UPDATE, "Device.ProxiedDevice.*.Online",
                                        "Device.ProxiedDevice.*.DeviceInfo.SoftwareVersion"};
    struct str list[] = {str_of(paths[0]), str_of(paths[1]), str_of(paths[2])};
    struct session *session = &inventory->app->session;
    struct buf message;
    struct str msg_id = session_begin(session, &message);

    usp_client_get(&message, msg_id, list, sizeof(list) / sizeof(list[0]), 0);
    return session_ask(session, &message, on_value, inventory, NULL) == OUTCOME_DONE;
}

struct refreshing {
    struct app *app;
    struct device *device;
};

static int on_refresh(void *ctx, const struct usp_client_fact *fact)
{
    struct refreshing *refreshing = ctx;
    struct str rest;

    if (fact->kind == USP_FACT_VALUE &&
        inventory_instance(fact->path, STR(TABLE), &rest) == refreshing->device->number)
        keep(refreshing->app, refreshing->device, rest, fact->name, fact->value);
    return 0;
}

bool inventory_refresh(struct app *app, struct device *device)
{
    struct refreshing refreshing = {app, device};
    struct buf message;
    struct str msg_id = session_begin(&app->session, &message);
    char text[64];
    struct str path = {text, (size_t)snprintf(text, sizeof(text), "%s%u.", TABLE, device->number)};

    usp_client_get(&message, msg_id, &path, 1, 0);
    return session_ask(&app->session, &message, on_refresh, &refreshing, NULL) == OUTCOME_DONE;
}

/* ---- finding ---- */

struct device *inventory_by_number(const struct inventory *inventory, unsigned number)
{
    struct device *device = inventory->first;

    while (device && device->number != number)
        device = device->next;
    return device;
}

struct device *inventory_find(struct inventory *inventory, const char *name)
{
    static const enum device_value by[] = {DEVICE_ALIAS, DEVICE_NAME, DEVICE_SERIAL};
    struct device *found = NULL;
    struct str rest;
    uint64_t number;

    if (str_to_u64(str_of(name), &number) < 0)
        number = inventory_instance(str_of(name), STR(TABLE), &rest);
    if (number && number <= UINT32_MAX)
        found = inventory_by_number(inventory, (unsigned)number);
    for (size_t i = 0; !found && i < sizeof(by) / sizeof(by[0]); i++) {
        for (struct device *device = inventory->first; device; device = device->next) {
            if (!device_is(device, by[i], name))
                continue;
            if (found) {
                app_usage(inventory->app, name, "more than one device has this name; say its number");
                return NULL;
            }
            found = device;
        }
    }
    if (!found)
        report_failure(&inventory->app->report, OUTCOME_REFUSED, 0, name,
                       "there is no such device (homepatch devices lists them; homepatch doctor device looks "
                       "for the reason)");
    return found;
}

bool device_is(const struct device *device, enum device_value value, const char *text)
{
    return strcmp(device->values[value], text) == 0;
}

bool device_is_busy(const struct device *device)
{
    static const char *const running[] = {"Requested",    "Fetching",  "Verifying", "Waiting",
                                          "Transferring", "Rebooting", "Confirming"};

    for (size_t i = 0; i < sizeof(running) / sizeof(running[0]); i++)
        if (device_is(device, DEVICE_STATE, running[i]))
            return true;
    return false;
}

bool device_has_failed(const struct device *device)
{
    return device_is(device, DEVICE_STATE, "Failed") || device_is(device, DEVICE_STATE, "RolledBack") ||
           device_is(device, DEVICE_STATE, "Expired");
}

bool slot_is(const struct slot *slot, enum slot_value value, const char *text)
{
    return strcmp(slot->values[value], text) == 0;
}

const struct slot *device_slot(const struct device *device, unsigned number)
{
    for (size_t i = 0; i < device->slots_count; i++)
        if (device->slots[i].number == number)
            return &device->slots[i];
    return NULL;
}

const char *device_label(struct app *app, const struct device *device)
{
    const char *text = device->values[DEVICE_NAME];

    if (!text[0])
        text = device->values[DEVICE_ALIAS];
    if (!text[0])
        text = arena_printf(&app->arena, "%s %u", device->values[DEVICE_MODEL], device->number);
    return text ? text : "";
}

const char *device_available(const struct device *device)
{
    for (size_t i = 0; i < device->slots_count; i++) {
        const struct slot *slot = &device->slots[i];

        if (slot_is(slot, SLOT_STATUS, "Available") && slot->values[SLOT_VERSION][0] &&
            !device_is(device, DEVICE_VERSION, slot->values[SLOT_VERSION]))
            return slot->values[SLOT_VERSION];
    }
    return device->values[DEVICE_OFFERED];
}

/* ---- JSON ---- */

cJSON *device_json(const struct device *device)
{
    cJSON *object = cJSON_CreateObject();
    char path[64];

    snprintf(path, sizeof(path), "%s%u.", TABLE, device->number);
    cJSON_AddNumberToObject(object, "number", device->number);
    cJSON_AddStringToObject(object, "path", path);
    for (size_t i = 0; i < DEVICE_VALUES; i++) {
        const char *value = device->values[i];

        if (json_names[i].type == 'b')
            cJSON_AddBoolToObject(object, json_names[i].name, strcmp(value, "true") == 0);
        else if (json_names[i].type == 'n')
            cJSON_AddNumberToObject(object, json_names[i].name, strtod(value, NULL));
        else
            cJSON_AddStringToObject(object, json_names[i].name, value);
    }
    cJSON_AddStringToObject(object, "available", device_available(device));
    return object;
}

cJSON *device_json_all(const struct device *device)
{
    cJSON *object = device_json(device);
    cJSON *slots = cJSON_AddArrayToObject(object, "slots");

    for (size_t i = 0; i < device->slots_count; i++) {
        const struct slot *slot = &device->slots[i];
        cJSON *entry = cJSON_CreateObject();

        cJSON_AddNumberToObject(entry, "number", slot->number);
        cJSON_AddStringToObject(entry, "alias", slot->values[SLOT_ALIAS]);
        cJSON_AddStringToObject(entry, "name", slot->values[SLOT_NAME]);
        cJSON_AddStringToObject(entry, "version", slot->values[SLOT_VERSION]);
        cJSON_AddBoolToObject(entry, "available", slot_is(slot, SLOT_AVAILABLE, "true"));
        cJSON_AddStringToObject(entry, "status", slot->values[SLOT_STATUS]);
        cJSON_AddStringToObject(entry, "failure", slot->values[SLOT_LOG]);
        cJSON_AddItemToArray(slots, entry);
    }
    return object;
}
