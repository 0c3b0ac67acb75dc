/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasmota updates: STATUS 4 (does it fit?), OtaUrl, Upgrade 1; the device fetches, says "Successful. Restarting" and
 * restarts. One that is short of space takes "<name>-minimal" from beside the image first, restarts with that, and
 * fetches the image then: its first success is half of the way. What counts in the end is the version it says after it
 * started; a version read before that proves nothing and is not passed on while an update runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/dialects/tasmota_peer.h"

enum {
    TRANSFER_STALL_S = 180,
    REBOOT_S = 180,
    KIB = 1024,
    TOKEN_PART_MAX = TASMOTA_URL_MAX,
};

/* Beside the image at the gateway, when a slot of the device holds one: what an ESP8266 appends to the name. */
#define MINIMAL "-minimal"

static struct tasmota_peer *peer_of(const struct firmware_target *target)
{
    const struct device *device = target->ctx;

    return device->dialect_data;
}

static uint64_t now_ms(const struct tasmota_peer *peer)
{
    return clock_monotonic(peer->tasmota->host.clock);
}

static void heard(struct tasmota_peer *peer)
{
    peer->update.poll = now_ms(peer) + TASMOTA_POLL_MS;
    tasmota_schedule(peer);
}

void tasmota_update_drop(struct tasmota_peer *peer)
{
    peer->update = (struct tasmota_update){.state = TASMOTA_UPDATE_NONE};
    tasmota_answered(peer, TASMOTA_SPACE);
    tasmota_answered(peer, TASMOTA_URL);
    tasmota_answered(peer, TASMOTA_UPGRADE);
}

/* Its own OtaUrl is put back. One that an earlier life of ours left there is as good as none: the default. */
static void restore_url(struct tasmota_peer *peer, const char *ours)
{
    const char *part = strstr(ours, "/image/");
    const char *own = peer->ota_url;

    if (own && part && strncmp(own, ours, (size_t)(part - ours) + strlen("/image/")) == 0)
        own = "1";
    if (own)
        tasmota_tell(peer, "OtaUrl", own, NULL);
}

static void update_end(struct tasmota_peer *peer)
{
    struct tasmota_update was = peer->update;

    tasmota_update_drop(peer);
    if (was.state >= TASMOTA_UPDATE_URL && peer->device->online)
        restore_url(peer, was.url);
}

static void failed(struct tasmota_peer *peer, bool transient, const char *reason)
{
    update_end(peer);
    firmware_target_failed(&peer->device->target, transient, reason);
}

/* ---- before it is asked ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);

    return len >= n && strcmp(text + len - n, end) == 0;
}

static bool is_esp32(const struct tasmota_peer *peer)
{
    return strncmp(peer->hardware, "ESP32", 5) == 0 || strstr(peer->version, "tasmota32") != NULL;
}

/*
 * The gateway takes any name after the token. The device makes "-minimal" out of it by cutting at the last dash and the
 * first dot, so it is given a name that has neither.
 */
static int make_url(struct tasmota_peer *peer, const struct firmware_install *how, struct error *err)
{
    const char *slash = strrchr(how->url, '/');
    int len = slash ? (int)(slash + 1 - how->url) : 0;

    if (len == 0 || len > TOKEN_PART_MAX || strncmp(how->url, "http://", 7) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENTS, peer->device->key,
                         "the device fetches over plain http from a short address: set lan_http_url so");
    len = snprintf(peer->update.url, sizeof(peer->update.url), "%.*s%s%s", len, how->url,
                   is_esp32(peer) ? "tasmota32.bin" : "tasmota.bin",
                   ends_with(how->name, ".gz") ? ".gz" : "");
    if (len > TASMOTA_URL_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENTS, peer->device->key,
                         "the image's URL has %d characters and OtaUrl takes %d: use a shorter lan_http_url",
                         len, TASMOTA_URL_MAX);
    return 0;
}

/* Obeyed by several: a command to it would update them all. */
static bool is_shared(const struct tasmota_peer *peer)
{
    struct registry *registry = peer->tasmota->host.registry;

    for (uint32_t i = 0; i < registry->count; i++) {
        const struct device *device = registry->devices[i];
        const struct tasmota_peer *other = device->dialect_data;
        const char *at;

        if (device->dialect != &tasmota_dialect || !other || !other->group)
            continue;
        at = strstr(peer->topics.command, other->group);
        if (at && (at == peer->topics.command || at[-1] == '/') && at[strlen(other->group)] == '/')
            return true;
    }
    return false;
}

static int check_image(const struct tasmota_peer *peer, const struct firmware_install *how, struct error *err)
{
    const struct firmware_slot *slot = &peer->device->target.slots[how->slot];
    /* What the release says, else what the file's name says. */
    const char *said = how->version[0] ? how->version : slot->version ? slot->version : "";
    struct tasmota_version running, image;
    bool known = tasmota_version_parse(said, &image) == 0;

    if (strstr(how->name, MINIMAL) || strstr(how->name, "-safeboot"))
        return error_set(
            err, ERROR_INVALID_ARGUMENTS, peer->device->key,
            "\"%s\" only serves to take another image: activate that one, and leave this in its row",
            how->name);
    if (tasmota_version_parse(peer->version, &running) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, peer->device->key, "it has not said what it runs");
    /* One that is half way has no settings to lose. */
    if (tasmota_version_is_interim(&running))
        return 0;
    if (ends_with(how->name, ".gz") && tasmota_version_check_gzip(&running, err) < 0)
        return -1;
    return tasmota_version_check(&running, known ? &image : NULL, err);
}

static int install(struct firmware_target *target, const struct firmware_install *how, struct error *err)
{
    struct tasmota_peer *peer = peer_of(target);
    struct device *device = target->ctx;

    if (device->quarantined)
        return error_set(err, ERROR_REQUEST_DENIED, device->key, "the device is quarantined: %s",
                         device_text(device, DEVICE_REASON));
    if (!device->online || !peer->topics.command)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key, "the device is offline");
    if (!how->url)
        return error_set(err, ERROR_INVALID_ARGUMENTS, device->key, "the device has no offers of its own");
    if (is_shared(peer))
        return error_set(err, ERROR_INVALID_ARGUMENTS, device->key,
                         "its topic is the GroupTopic of another device, which would be updated with it");
    tasmota_update_drop(peer);
    if (check_image(peer, how, err) < 0 || make_url(peer, how, err) < 0)
        return -1;
    peer->update.size = how->size;
    peer->update.companion_size = how->companion_size;
    peer->update.started = now_ms(peer);
    str_copy(peer->update.from, sizeof(peer->update.from), device_text(device, DEVICE_SOFTWARE_VERSION));
    peer->update.state = TASMOTA_UPDATE_SPACE;
    if (tasmota_ask(peer, TASMOTA_SPACE, err) == 0)
        return 0;
    tasmota_update_drop(peer);
    return -1;
}

/* ---- does it fit? ---- */

/* An ESP8266 keeps the image beside the program that runs. NULL: it fits, in the steps that *ret says. */
static const char *fit_beside(const struct tasmota_update *update, uint64_t free_bytes, uint64_t all_bytes,
                              bool *ret_two_steps)
{
    *ret_two_steps = false;
    if (update->size <= free_bytes)
        return NULL;
    if (!update->companion_size)
        return "it would have to take its minimal firmware first, and no row of the device holds a "
               "\"...-minimal.bin\": Download() one, or use a smaller image (.bin.gz)";
    if (update->companion_size > free_bytes)
        return "and the minimal firmware does not fit either";
    if (update->companion_size >= all_bytes || update->size > all_bytes - update->companion_size)
        return "and it would not fit beside the minimal firmware either";
    *ret_two_steps = true;
    return NULL;
}

void tasmota_update_space(struct tasmota_peer *peer, const cJSON *memory)
{
    struct tasmota_update *update = &peer->update;
    uint64_t program, room, flash = UINT32_MAX;
    const char *wrong = NULL;
    char reason[256];

    if (update->state != TASMOTA_UPDATE_SPACE)
        return;
    json_number(memory, "FlashSize", UINT32_MAX, &flash);
    if (json_number(memory, "ProgramSize", UINT32_MAX, &program) < 0 ||
        json_number(memory, "Free", UINT32_MAX, &room) < 0) {
        failed(peer, false, "the device does not say how much space it has");
        return;
    }
    if (is_esp32(peer)) {
        /* It has a partition for this, or restarts into its safeboot firmware by itself. */
        room = flash;
        wrong = update->size > flash * KIB ? "more than its flash" : NULL;
    } else {
        wrong = fit_beside(update, room * KIB, (program + room) * KIB, &update->two_steps);
    }
    if (wrong) {
        snprintf(reason, sizeof(reason), "the image has %llu KiB and the device has room for %llu KiB: %s",
                 (unsigned long long)((update->size + KIB - 1) / KIB), (unsigned long long)room, wrong);
        failed(peer, false, reason);
        return;
    }
    update->state = TASMOTA_UPDATE_URL;
    tasmota_ask(peer, TASMOTA_URL, NULL);
}

/* ---- the device's answers ---- */

void tasmota_update_url(struct tasmota_peer *peer, const char *url)
{
    struct error err = {0};

    if (peer->update.state != TASMOTA_UPDATE_URL)
        return;
    if (strcmp(url, peer->update.url) != 0) {
        failed(peer, false, "the device took another OtaUrl than it was given");
        return;
    }
    peer->update.state = TASMOTA_UPDATE_ASKED;
    peer->update.started = now_ms(peer);
    peer->update.booted = false;
    if (tasmota_ask(peer, TASMOTA_UPGRADE, &err) < 0)
        failed(peer, true, err.message);
}

/* "Version 12.5.0(tasmota) from http://..."; "1 or >12.5.0 to upgrade", "Unknown", "Error" when it does not want to. */
void tasmota_update_answered(struct tasmota_peer *peer, const char *text)
{
    char reason[300];

    if (peer->update.state != TASMOTA_UPDATE_ASKED)
        return;
    if (strncmp(text, "Version ", 8) == 0) {
        peer->update.state = TASMOTA_UPDATE_TRANSFERRING;
        heard(peer);
        return;
    }
    snprintf(reason, sizeof(reason), "the device refused the update: %s", text);
    failed(peer, false, reason);
}

/* Another try would end the same. The texts are those of the device's updater. */
static bool is_final(const char *reason)
{
    static const char *const texts[] = {"Not Enough", "Verify Bin", "Does Not Fit", "Magic",
                                        "Wrong firmware"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcasestr(reason, texts[i]))
            return true;
    return false;
}

void tasmota_update_result(struct tasmota_peer *peer, const char *text)
{
    struct tasmota_update *update = &peer->update;
    char reason[300];

    if (update->state != TASMOTA_UPDATE_ASKED && update->state != TASMOTA_UPDATE_TRANSFERRING)
        return; /* an update that nobody here asked for shows when the device comes back with another version */
    heard(peer);
    if (strncmp(text, "Successful", 10) != 0) {
        snprintf(reason, sizeof(reason), "the device gave up: %s", text);
        failed(peer, !is_final(text), reason);
        return;
    }
    update->started = now_ms(peer);
    update->booted = false;
    update->state = TASMOTA_UPDATE_TRANSFERRING;
    if (update->two_steps) {
        update->two_steps = false; /* that was the minimal image: it goes on by itself after its restart */
        return;
    }
    update->state = TASMOTA_UPDATE_REBOOTING;
    firmware_target_transferred(&peer->device->target);
}

void tasmota_update_unanswered(struct tasmota_peer *peer)
{
    if (peer->update.state != TASMOTA_UPDATE_NONE && peer->update.state <= TASMOTA_UPDATE_ASKED)
        failed(peer, true, "the device does not answer");
}

/* The device cannot be reached: it restarts, or sleeps, or it is us who lost the broker. */
void tasmota_update_left(struct tasmota_peer *peer)
{
    if (peer->update.state == TASMOTA_UPDATE_ASKED)
        peer->update.state = TASMOTA_UPDATE_TRANSFERRING; /* its answer may be what got lost */
    else if (peer->update.state == TASMOTA_UPDATE_SPACE || peer->update.state == TASMOTA_UPDATE_URL)
        failed(peer, true, "the device left before the update began; does it sleep?");
}

/* ---- what the job machine asks ---- */

/* There is no way to stop an upgrade: what the device still says about it is not passed on. */
static void abort_update(struct firmware_target *target)
{
    tasmota_update_drop(peer_of(target));
}

static int read_version(struct firmware_target *target, struct error *err)
{
    return tasmota_ask(peer_of(target), TASMOTA_ALL, err);
}

/* What happened while the agent was away is not known. Restarting (again) settles what the device runs. */
static bool restart(struct firmware_target *target)
{
    struct tasmota_peer *peer = peer_of(target);

    if (tasmota_ask(peer, TASMOTA_RESTART, NULL) < 0)
        return false;
    tasmota_update_drop(peer);
    peer->update.state = TASMOTA_UPDATE_REBOOTING;
    peer->update.started = now_ms(peer);
    str_copy(peer->update.from, sizeof(peer->update.from),
             device_text(peer->device, DEVICE_SOFTWARE_VERSION));
    heard(peer);
    return true;
}

const struct firmware_target_ops tasmota_firmware_ops = {
    .install = install,
    .abort = abort_update,
    .read_version = read_version,
    .restart = restart,
    .companion = MINIMAL,
    .compare = tasmota_version_compare,
    .transfer_stall_s = TRANSFER_STALL_S,
    .reboot_s = REBOOT_S,
};

/* ---- the version decides ---- */

static void pass_on(struct tasmota_peer *peer, bool interim)
{
    struct device *device = peer->device;

    (interim ? firmware_target_interim
             : firmware_target_version)(&device->target, device_text(device, DEVICE_FIRMWARE_NAME),
                                        device_text(device, DEVICE_SOFTWARE_VERSION));
}

/*
 * The device has restarted: what it runs now is the outcome. An old version counts only after the device was away, and
 * the job may not have seen that: a quick restart hides from the broker.
 */
static void conclude(struct tasmota_peer *peer, bool changed)
{
    struct device *device = peer->device;

    if (peer->update.state != TASMOTA_UPDATE_REBOOTING)
        firmware_target_transferred(&device->target);
    update_end(peer);
    if (!changed) {
        firmware_target_online(&device->target, false);
        firmware_target_online(&device->target, true);
    }
    pass_on(peer, false);
}

/* It started since the last step began. */
static bool has_restarted(const struct tasmota_peer *peer)
{
    return peer->update.booted ||
           (peer->uptime_s != UINT64_MAX && peer->uptime_s * 1000 <= now_ms(peer) - peer->update.started);
}

static void interim_in(struct tasmota_peer *peer)
{
    struct tasmota_update *update = &peer->update;

    if (update->state == TASMOTA_UPDATE_TRANSFERRING || update->state == TASMOTA_UPDATE_ASKED) {
        update->state = TASMOTA_UPDATE_TRANSFERRING;
        update->two_steps = false;
        update->booted = false;
        update->started = now_ms(peer);
        heard(peer);
    } else if (update->state == TASMOTA_UPDATE_NONE || update->state == TASMOTA_UPDATE_REBOOTING) {
        if (update->state == TASMOTA_UPDATE_REBOOTING)
            update_end(peer);
        pass_on(peer, true);
    }
}

void tasmota_update_version(struct tasmota_peer *peer)
{
    struct tasmota_update *update = &peer->update;
    const char *runs = device_text(peer->device, DEVICE_SOFTWARE_VERSION);
    struct tasmota_version version;
    bool changed = strcmp(runs, update->from) != 0;

    if (tasmota_version_parse(peer->version, &version) == 0 && tasmota_version_is_interim(&version))
        interim_in(peer);
    else if (update->state == TASMOTA_UPDATE_NONE)
        pass_on(peer, false);
    else if (update->state < TASMOTA_UPDATE_ASKED)
        return;
    else if (changed)
        conclude(peer, true);
    else if (has_restarted(peer) && update->state == TASMOTA_UPDATE_REBOOTING)
        conclude(peer, false);
    else if (has_restarted(peer))
        failed(peer, true, "the device restarted before it had the whole image");
}
