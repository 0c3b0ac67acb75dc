/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a device is not listed, and why its update does not move. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/homepatch/doctor.h"

#define ROW(doctor, device) doctor_text(doctor, "Device.ProxiedDevice.%u", (device)->number)

static bool read_devices(struct doctor *doctor)
{
    if (!doctor->live)
        return false;
    if (!doctor->has_inventory)
        doctor->has_inventory = inventory_read(&doctor->inventory, doctor->app);
    return doctor->has_inventory;
}

/* Without the reports of inventory_find(): here it is a finding. */
static struct device *find(const struct doctor *doctor, const char *name)
{
    static const enum device_value by[] = {DEVICE_ALIAS, DEVICE_NAME, DEVICE_SERIAL};
    struct device *close = NULL;
    uint64_t number = 0;
    struct str rest;

    if (str_to_u64(str_of(name), &number) < 0)
        number = inventory_instance(str_of(name), STR("Device.ProxiedDevice."), &rest);
    for (struct device *device = doctor->inventory.first; device; device = device->next) {
        if (number && device->number == number)
            return device;
        for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
            if (strcmp(device->values[by[i]], name) == 0)
                return device;
            if (strcasecmp(device->values[by[i]], name) == 0)
                close = device;
        }
    }
    return close;
}

bool doctor_knows_device(struct doctor *doctor)
{
    return doctor->name && read_devices(doctor) && find(doctor, doctor->name);
}

static const char *label(struct doctor *doctor, const struct device *device)
{
    return device_label(doctor->app, device);
}

/* ---- device ---- */

static void check_quarantine(struct doctor *doctor, const struct device *device)
{
    const char *row = ROW(doctor, device);

    if (device_is(device, DEVICE_QUARANTINED, "true"))
        doctor_fail(
            doctor, doctor_text(doctor, "%s." VENDOR_PREFIX "Identity.Quarantined", row),
            doctor_text(doctor, "%s is quarantined, and is not updated: %s", label(doctor, device),
                        device->values[DEVICE_REASON][0] ? device->values[DEVICE_REASON]
                                                         : "no reason was given"),
            doctor_text(
                doctor,
                "find out whether it is the device that it was (replaced? another under its name?); if all "
                "is well: homepatch operate '%s." VENDOR_PREFIX "Identity.Release()'",
                row));
    else if (!device_is(device, DEVICE_REJECTED, "0") && device->values[DEVICE_REJECTED][0])
        doctor_warn(
            doctor, doctor_text(doctor, "%s." VENDOR_PREFIX "Identity.RejectedMessages", row),
            doctor_text(doctor, "%s messages of %s were rejected", device->values[DEVICE_REJECTED],
                        label(doctor, device)),
            "they were malformed, too many, or from another sender; the agent's log (log_level = debug) has them");
}

static void check_online(struct doctor *doctor, const struct device *device)
{
    const char *row = ROW(doctor, device);

    if (device_is(device, DEVICE_ONLINE, "true")) {
        doctor_ok(doctor, doctor_text(doctor, "%s.Online", row),
                  doctor_text(doctor, "%s (%s) is online, last heard of at %s", label(doctor, device), row,
                              device->values[DEVICE_LAST_CONTACT]));
        return;
    }
    doctor_fail(
        doctor, doctor_text(doctor, "%s.Online", row),
        doctor_text(doctor, "%s (%s) is offline, last heard of at %s over %s", label(doctor, device), row,
                    device->values[DEVICE_LAST_CONTACT], device->values[DEVICE_PROTOCOL]),
        strstr(device->values[DEVICE_PROTOCOL], "WebSocket")
            ? doctor_text(doctor,
                          "see that it has power and network, and that its outbound WebSocket goes to "
                          "ws://GATEWAY%s/shelly (lan_websocket_listen)",
                          strrchr(doctor_config(doctor, "lan_websocket_listen"), ':')
                              ? strrchr(doctor_config(doctor, "lan_websocket_listen"), ':')
                              : "")
            : doctor_text(doctor,
                          "see that it has power and network, and that its MQTT server is the LAN's broker "
                          "(lan_mqtt_broker = %s)",
                          doctor_config(doctor, "lan_mqtt_broker")));
}

static void unknown_device(struct doctor *doctor)
{
    doctor_fail(
        doctor, "Device.ProxiedDevice.",
        doctor_text(
            doctor,
            "no device is listed with the name, alias, serial number or number \"%s\" (%zu are listed)",
            doctor->name, doctor->inventory.count),
        "let the device connect to the LAN's broker (lan_mqtt_broker, on which it needs RPC over MQTT) or its "
        "outbound WebSocket to the gateway (lan_websocket_listen, path /shelly); what was found of these is above");
}

static void count_all(struct doctor *doctor)
{
    unsigned online = 0;

    for (const struct device *device = doctor->inventory.first; device; device = device->next) {
        online += device_is(device, DEVICE_ONLINE, "true");
        check_quarantine(doctor, device);
    }
    if (!doctor->inventory.count)
        doctor_warn(
            doctor, "Device.ProxiedDevice.", "no device was found yet",
            "point the devices at the LAN's broker (lan_mqtt_broker) or their outbound WebSocket at the gateway "
            "(lan_websocket_listen, path /shelly)");
    else
        doctor_ok(
            doctor, "Device.ProxiedDevice.",
            doctor_text(doctor, "%zu devices are listed, %u are online", doctor->inventory.count, online));
}

void doctor_devices(struct doctor *doctor)
{
    const struct device *device;

    if (!read_devices(doctor))
        return;
    if (!doctor->name) {
        count_all(doctor);
        return;
    }
    device = find(doctor, doctor->name);
    if (!device) {
        unknown_device(doctor);
        return;
    }
    check_online(doctor, device);
    check_quarantine(doctor, device);
}

/* ---- update ---- */

static bool installs(const struct device *device)
{
    return device_is(device, DEVICE_STATE, "Transferring") || device_is(device, DEVICE_STATE, "Rebooting") ||
           device_is(device, DEVICE_STATE, "Confirming");
}

static void explain_waiting(struct doctor *doctor, const struct device *device)
{
    const char *row = ROW(doctor, device);
    uint64_t parallel = 0;
    uint64_t running = 0;

    for (const struct device *other = doctor->inventory.first; other; other = other->next)
        running += installs(other);
    str_to_u64(str_of(doctor_config(doctor, "parallel_installs")), &parallel);
    if (!device_is(device, DEVICE_ONLINE, "true"))
        doctor_fail(doctor, doctor_text(doctor, "%s.Online", row),
                    "the update waits for the device to come online",
                    doctor_text(doctor, "bring it online: homepatch doctor device %u", device->number));
    else if (parallel && running >= parallel)
        doctor_warn(doctor, "parallel_installs",
                    doctor_text(doctor, "the update waits for its turn: %llu devices install now",
                                (unsigned long long)running),
                    "wait, or raise parallel_installs in the agent's configuration");
    else
        doctor_warn(
            doctor, doctor_text(doctor, "%s." VENDOR_PREFIX "Update.JobState", row),
            "the update waits for its time window, for the device to be idle, or for another device of its group",
            "its TimeWindow decides; to have it at once, cancel it (below) and: homepatch activate DEVICE");
}

struct requests {
    const char *prefix;
    unsigned found;
};

static void show_request(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct requests *requests = ctx;
    const char *row = doctor_text(doctor, "Device.LocalAgent.Request.%u", instance);
    const char *command = doctor_get(doctor, "%s.Command", row);

    if (strncmp(command, requests->prefix, strlen(requests->prefix)) != 0)
        return;
    requests->found++;
    doctor_ok(doctor, doctor_text(doctor, "%s.Status", row),
              doctor_text(doctor, "%s of %s is %s (%s; to stop it: homepatch operate '%s.Cancel()')", command,
                          doctor_get(doctor, "%s.Originator", row), doctor_get(doctor, "%s.Status", row), row,
                          row));
}

static void check_slots(struct doctor *doctor, const struct device *device)
{
    for (size_t i = 0; i < device->slots_count; i++) {
        const struct slot *slot = &device->slots[i];
        const char *path = doctor_text(doctor, "%s.DeviceInfo.FirmwareImage.%u.Status", ROW(doctor, device),
                                       slot->number);
        const char *text = doctor_text(doctor, "slot %u: %s %s", slot->number, slot->values[SLOT_STATUS],
                                       slot->values[SLOT_VERSION]);
        bool failed = strstr(slot->values[SLOT_STATUS], "Failed") != NULL;

        if (!failed && !slot->values[SLOT_LOG][0])
            doctor_ok(doctor, path, text);
        else if (failed)
            doctor_fail(
                doctor, path,
                doctor_text(doctor, "%s: %s", text,
                            slot->values[SLOT_LOG][0] ? slot->values[SLOT_LOG]
                                                      : device->values[DEVICE_RESULT]),
                strstr(slot->values[SLOT_STATUS], "Download")
                    ? "see that the gateway reaches the URL and may fetch it, then: homepatch download DEVICE URL"
                : strstr(slot->values[SLOT_STATUS], "Validation")
                    ? "the image is not what its checksum or release says: correct --checksum, or publish it anew"
                    : "see that the image is for this model, then: homepatch activate DEVICE");
        else
            doctor_warn(doctor, path, doctor_text(doctor, "%s: %s", text, slot->values[SLOT_LOG]), "");
    }
}

static void check_state(struct doctor *doctor, const struct device *device)
{
    const char *state = device->values[DEVICE_STATE];
    const char *path = doctor_text(doctor, "%s." VENDOR_PREFIX "Update.JobState", ROW(doctor, device));

    if (strcmp(state, "Waiting") == 0)
        explain_waiting(doctor, device);
    else if (device_has_failed(device))
        doctor_fail(doctor, path,
                    doctor_text(doctor, "the last update of %s ended as %s: %s", label(doctor, device), state,
                                device->values[DEVICE_RESULT]),
                    "mend what it says and start it again");
    else if (device_is_busy(device))
        doctor_ok(doctor, path,
                  doctor_text(doctor, "the update of %s is under way: %s, %s %%", label(doctor, device),
                              state, device->values[DEVICE_PROGRESS]));
    else
        doctor_ok(
            doctor, path,
            doctor_text(doctor, "no update of %s is under way (the last: %s)", label(doctor, device), state));
}

static void check_update(struct doctor *doctor, const struct device *device)
{
    struct requests requests = {doctor_text(doctor, "%s.", ROW(doctor, device)), 0};

    check_quarantine(doctor, device);
    check_state(doctor, device);
    doctor_rows(doctor, "Device.LocalAgent.Request.", show_request, &requests);
    check_slots(doctor, device);
}

void doctor_updates(struct doctor *doctor)
{
    const struct device *device;

    if (!read_devices(doctor))
        return;
    if (doctor->name) {
        device = find(doctor, doctor->name);
        if (device)
            check_update(doctor, device);
        else
            unknown_device(doctor);
        return;
    }
    for (device = doctor->inventory.first; device; device = device->next)
        if (device_is_busy(device) || device_has_failed(device))
            check_state(doctor, device);
}
