/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shelly firmware updates. The device is told a URL (or to take its manufacturer's offer), fetches, says how far it is
 * with sys events, reboots, comes back. Some say nothing: then the version is looked at. What counts in the end is the
 * version read after a reboot; a version read before it proves nothing and is not passed on while an update runs.
 */
#include <stdio.h>
#include <string.h>

#include "devices/dialects/shelly_peer.h"

enum {
    TRANSFER_STALL_S = 120,
    REBOOT_S = 180,
    URL_BYTES = 2048,
    SURE_S = 10, /* after that, a device that restarted has an uptime that says so */
};

static struct shelly_peer *peer_of(const struct firmware_target *target)
{
    const struct device *device = target->ctx;

    return device->dialect_data;
}

static void update_start(struct shelly_peer *peer)
{
    uint64_t now = clock_monotonic(peer->shelly->host.clock);

    peer->update = (struct shelly_update){SHELLY_UPDATE_ASKED, false, now, now + SHELLY_POLL_MS};
    shelly_schedule(peer);
}

static void update_end(struct shelly_peer *peer)
{
    peer->update = (struct shelly_update){.state = SHELLY_UPDATE_NONE};
}

static int install(struct firmware_target *target, const struct firmware_install *how, struct error *err)
{
    struct shelly_peer *peer = peer_of(target);
    struct device *device = target->ctx;
    struct buf params;
    int rc;

    if (device->quarantined)
        return error_set(err, ERROR_REQUEST_DENIED, device->key, "the device is quarantined: %s",
                         device_text(device, DEVICE_REASON));
    if (!device->online)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key, "the device is offline");
    buf_init(&params, URL_BYTES, 0);
    buf_append_str(&params, how->url ? "{\"url\":" : "{\"stage\":");
    json_quote(&params, how->url ? how->url : how->offer);
    buf_append_str(&params, "}");
    if (!buf_cstr(&params))
        rc = error_set(err, ERROR_INVALID_ARGUMENTS, device->key, "the URL is too long");
    else
        rc = shelly_call(peer, SHELLY_UPDATE, (const char *)buf_data(&params), err);
    buf_done(&params);
    if (rc == 0)
        update_start(peer);
    return rc;
}

/* There is no way to stop a Shelly that updates: what it still says about it is not passed on. */
static void abort_update(struct firmware_target *target)
{
    update_end(peer_of(target));
}

static int read_version(struct firmware_target *target, struct error *err)
{
    return shelly_call(peer_of(target), SHELLY_GET_DEVICE_INFO, NULL, err);
}

/* What happened while the agent was away is not known. Restarting (again) settles what the device runs. */
static bool restart(struct firmware_target *target)
{
    struct shelly_peer *peer = peer_of(target);

    if (shelly_call(peer, SHELLY_REBOOT, NULL, NULL) < 0)
        return false;
    update_start(peer);
    peer->update.state = SHELLY_UPDATE_REBOOTING;
    return true;
}

const struct firmware_target_ops shelly_firmware_ops = {
    .install = install,
    .abort = abort_update,
    .read_version = read_version,
    .restart = restart,
    .transfer_stall_s = TRANSFER_STALL_S,
    .reboot_s = REBOOT_S,
};

static void heard(struct shelly_peer *peer)
{
    peer->update.poll = clock_monotonic(peer->shelly->host.clock) + SHELLY_POLL_MS;
    shelly_schedule(peer);
}

void shelly_update_answered(struct shelly_peer *peer)
{
    if (peer->update.state != SHELLY_UPDATE_ASKED)
        return;
    peer->update.state = SHELLY_UPDATE_TRANSFERRING;
    heard(peer);
    firmware_target_progress(&peer->device->target, 0);
}

/* Codes of Shelly's RPC that say "not now"; the others say "never". -1: it did not answer. */
static bool worth_another_try(int code)
{
    return code == -1 || code == -104 || code == -108 || code == -114 || code == 429 || code == 503;
}

void shelly_update_refused(struct shelly_peer *peer, int code, const char *message)
{
    char reason[300];

    if (peer->update.state != SHELLY_UPDATE_ASKED)
        return;
    if (code == -1)
        snprintf(reason, sizeof(reason), "%s", message);
    else
        snprintf(reason, sizeof(reason), "the device refused the update: %s (%d)", message, code);
    update_end(peer);
    firmware_target_failed(&peer->device->target, worth_another_try(code), reason);
}

static void transferred(struct shelly_peer *peer)
{
    peer->update.state = SHELLY_UPDATE_REBOOTING;
    firmware_target_transferred(&peer->device->target);
}

static void event_progress(struct shelly_peer *peer, const cJSON *details)
{
    uint64_t percent = 0;

    json_number(details, "progress_percent", 100, &percent);
    if (peer->update.state == SHELLY_UPDATE_ASKED)
        peer->update.state = SHELLY_UPDATE_TRANSFERRING;
    if (peer->update.state == SHELLY_UPDATE_TRANSFERRING)
        firmware_target_progress(&peer->device->target, (unsigned)percent);
}

static void event_success(struct shelly_peer *peer, const cJSON *details)
{
    (void)details;
    if (peer->update.state != SHELLY_UPDATE_REBOOTING)
        transferred(peer);
}

static void event_error(struct shelly_peer *peer, const cJSON *details)
{
    const char *message = json_text(details, "msg", 200);
    char reason[300];

    snprintf(reason, sizeof(reason), "the device gave up: %s", message ? message : "no reason given");
    update_end(peer);
    firmware_target_failed(&peer->device->target, true, reason);
}

void shelly_update_event(struct shelly_peer *peer, const char *event, const cJSON *details)
{
    static const struct {
        const char *name;
        void (*fn)(struct shelly_peer *peer, const cJSON *details);
    } events[] = {
        {"ota_begin", event_progress},
        {"ota_progress", event_progress},
        {"ota_success", event_success},
        {"ota_error", event_error},
    };

    /* An update that nobody here asked for shows when the device comes back with another version. */
    if (peer->update.state == SHELLY_UPDATE_NONE)
        return;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(event, events[i].name) == 0) {
            heard(peer);
            events[i].fn(peer, details);
            return;
        }
    }
}

/*
 * The device has rebooted: what it runs now is the outcome. An old version counts only after the device was away, and
 * the job may not have seen that: a quick reboot hides from the broker, and one without events came before "transferred".
 */
static void conclude(struct shelly_peer *peer, bool changed)
{
    struct device *device = peer->device;

    if (peer->update.state != SHELLY_UPDATE_REBOOTING)
        transferred(peer);
    update_end(peer);
    if (!changed) {
        firmware_target_online(&device->target, false);
        firmware_target_online(&device->target, true);
    }
    firmware_target_version(&device->target, device->text[DEVICE_FIRMWARE_NAME],
                            device_text(device, DEVICE_SOFTWARE_VERSION));
}

void shelly_update_version(struct shelly_peer *peer, const char *name, const char *version, bool changed)
{
    struct shelly_update *update = &peer->update;

    if (update->state == SHELLY_UPDATE_NONE)
        firmware_target_version(&peer->device->target, name, version);
    else if (changed || (update->state == SHELLY_UPDATE_REBOOTING && update->away))
        conclude(peer, changed);
    else
        shelly_call(peer, SHELLY_GET_SYS_STATUS, NULL, NULL); /* the same: before or after the reboot? */
}

void shelly_update_uptime(struct shelly_peer *peer, uint64_t uptime_s)
{
    struct shelly_update *update = &peer->update;
    uint64_t elapsed_s = (clock_monotonic(peer->shelly->host.clock) - update->started) / 1000;

    if (update->state != SHELLY_UPDATE_TRANSFERRING && update->state != SHELLY_UPDATE_REBOOTING)
        return;
    /* Whole seconds are rounded down: what may be older than the update is no proof of a restart. */
    if (uptime_s == UINT64_MAX ? update->away : uptime_s < elapsed_s) {
        conclude(peer, false);
    } else if (uptime_s == elapsed_s && update->away && elapsed_s < SURE_S) {
        update->poll = update->started + (elapsed_s + 1) * 1000; /* the moment that tells the two apart */
        shelly_schedule(peer);
    } else {
        update->away = false; /* it was only out of reach for a while */
    }
}
