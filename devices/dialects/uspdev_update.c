/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Updates of USP devices: Download() into a bank of the device's own, from the gateway's verified copy, then Activate().
 * Notifications and the bank's Status say how far it is; what counts in the end is the version read after the device has
 * started anew. A version read before that proves nothing and is not passed on while an update runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "devices/dialects/uspdev_peer.h"

enum {
    TRANSFER_STALL_S = 300, /* a device that has all bytes may check them for long */
    REBOOT_S = 300,
    PATH_BYTES = 80,
    KEY_BYTES = 24,
    REASON_BYTES = 256,
};

static struct uspdev_peer *peer_of(const struct firmware_target *target)
{
    const struct device *device = target->ctx;

    return device->dialect_data;
}

static struct firmware_target *target_of(struct uspdev_peer *peer)
{
    return &peer->device->target;
}

static void update_end(struct uspdev_peer *peer)
{
    peer->update = (struct uspdev_update){.state = USPDEV_UPDATE_NONE};
}

static void heard(struct uspdev_peer *peer)
{
    peer->update.poll = uspdev_now(peer) + USPDEV_POLL_MS;
    uspdev_schedule(peer);
}

static void failed(struct uspdev_peer *peer, bool transient, const char *step, const char *why)
{
    char reason[REASON_BYTES + 64];

    snprintf(reason, sizeof(reason), "%s: %s", step, why);
    update_end(peer);
    firmware_target_failed(target_of(peer), transient, reason);
}

/* ---- commands ---- */

static struct str key_of(uint64_t key, char to[KEY_BYTES])
{
    int len = snprintf(to, KEY_BYTES, "homepatch-%" PRIx64, key & 0xffffffffff);

    return (struct str){to, (size_t)len};
}

struct download {
    const struct firmware_install *how;
    bool auto_activate;
};

static void write_download(struct uspdev_peer *peer, struct buf *buf, struct str msg_id, void *ctx)
{
    const struct download *download = ctx;
    const struct firmware_install *how = download->how;
    char path[PATH_BYTES], key[KEY_BYTES], size[24];
    struct usp_client_pair args[] = {
        {STR("URL"), str_of(how->url), true},
        {STR("AutoActivate"), download->auto_activate ? STR("true") : STR("false"), true},
        {STR("FileSize"),
         {size, (size_t)snprintf(size, sizeof(size), "%llu", (unsigned long long)how->size)},
         true},
        {STR("CheckSumAlgorithm"), STR("SHA-256"), true},
        {STR("CheckSum"), str_of(how->sha256 ? how->sha256 : ""), true},
    };
    struct usp_client_command command = {
        .args = args,
        .count = sizeof(args) / sizeof(args[0]) - (how->sha256 ? 0 : 2),
        .send_resp = true,
        .key = key_of(peer->update.key, key),
    };

    snprintf(path, sizeof(path), "Device.DeviceInfo.FirmwareImage.%u.Download()", peer->update.bank);
    command.path = str_of(path);
    usp_client_operate(buf, msg_id, &command);
}

/* Without a TimeWindow: immediately. When is the gateway's to decide, and it has. */
static void write_activate(struct uspdev_peer *peer, struct buf *buf, struct str msg_id, void *ctx)
{
    char path[PATH_BYTES], key[KEY_BYTES];
    struct usp_client_command command = {.send_resp = true, .key = key_of(peer->update.key, key)};

    (void)ctx;
    snprintf(path, sizeof(path), "Device.DeviceInfo.FirmwareImage.%u.Activate()", peer->update.bank);
    command.path = str_of(path);
    usp_client_operate(buf, msg_id, &command);
}

static void write_cancel(struct uspdev_peer *peer, struct buf *buf, struct str msg_id, void *ctx)
{
    char path[PATH_BYTES];
    struct usp_client_command command = {.send_resp = true, .key = STR("")};

    (void)ctx;
    snprintf(path, sizeof(path), "Device.LocalAgent.Request.%u.Cancel()", peer->update.request);
    command.path = str_of(path);
    usp_client_operate(buf, msg_id, &command);
}

/* ---- what the firmware manager wants ---- */

/* The bank to download into: not the one that runs, unless there is no other. NULL and err when there is none. */
static const struct uspdev_bank *pick_bank(const struct uspdev_peer *peer, bool *ret_only, struct error *err)
{
    const struct uspdev_bank *best = NULL;
    bool is_busy = false;
    size_t count = 0;

    for (size_t i = 0; i < USPDEV_BANKS && peer->banks[i].instance; i++) {
        const struct uspdev_bank *bank = &peer->banks[i];

        count++;
        if (bank->instance == peer->active || bank->status == USPDEV_ACTIVE)
            continue;
        if (bank->status == USPDEV_BUSY)
            is_busy = true;
        else if (!best || (best->status != USPDEV_OTHER && bank->status == USPDEV_OTHER))
            best = bank;
    }
    *ret_only = count == 1;
    if (*ret_only && !is_busy)
        best = &peer->banks[0];
    if (!best)
        error_set(err, is_busy ? ERROR_RESOURCES_EXCEEDED : ERROR_COMMAND_FAILURE, peer->device->key,
                  is_busy ? "the device is busy with another download"
                          : "the device has no bank that it does not run from");
    return best;
}

static int refuse(const struct uspdev_peer *peer, const struct firmware_install *how, struct error *err)
{
    const struct device *device = peer->device;

    if (device->quarantined)
        return error_set(err, ERROR_REQUEST_DENIED, device->key, "the device is quarantined: %s",
                         device_text(device, DEVICE_REASON));
    if (!device->online)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key, "the device is offline");
    if (!how->url)
        return error_set(err, ERROR_COMMAND_FAILURE, device->key, "a USP device offers no update by itself");
    if (peer->lacks_download || !peer->banks[0].instance)
        return error_set(err, ERROR_COMMAND_FAILURE, device->key,
                         "the device has no Device.DeviceInfo.FirmwareImage.{i}.Download() for the gateway");
    return 0;
}

static int install(struct firmware_target *target, const struct firmware_install *how, struct error *err)
{
    struct uspdev_peer *peer = peer_of(target);
    struct download download = {.how = how};
    const struct uspdev_bank *bank;
    bool only;

    if (refuse(peer, how, err) < 0)
        return -1;
    bank = pick_bank(peer, &only, err);
    if (!bank)
        return -1;
    /* Without Activate(), and where the only bank is overwritten, the device has to do it of its own. */
    download.auto_activate = peer->lacks_activate || only;
    peer->update = (struct uspdev_update){.state = USPDEV_ASKED_DOWNLOAD,
                                          .bank = bank->instance,
                                          .key = uspdev_random(peer->uspdev),
                                          .before = bank->status};
    if (uspdev_call_with(peer, USPDEV_DOWNLOAD, write_download, &download, err) < 0) {
        update_end(peer);
        return -1;
    }
    heard(peer);
    return 0;
}

static void abort_update(struct firmware_target *target)
{
    struct uspdev_peer *peer = peer_of(target);

    /* An activation cannot be taken back, and what the device still says of this one is not passed on. */
    if (peer->update.state == USPDEV_DOWNLOADING && peer->update.request)
        uspdev_call_with(peer, USPDEV_CANCEL, write_cancel, NULL, NULL);
    update_end(peer);
}

static int read_version(struct firmware_target *target, struct error *err)
{
    return uspdev_call(peer_of(target), USPDEV_INFO, err);
}

static void activate(struct uspdev_peer *peer)
{
    struct error err = {0};

    peer->update.state = USPDEV_ASKED_ACTIVATE;
    peer->update.request = 0;
    peer->update.away = peer->update.booted = false;
    peer->update.activated = uspdev_now(peer);
    heard(peer);
    if (uspdev_call_with(peer, USPDEV_ACTIVATE, write_activate, NULL, &err) < 0)
        failed(peer, true, "Activate() cannot be sent", err.message);
}

/* The gateway was away. A bank that still holds an image was not tried; one that failed was, and the device said why. */
static bool restart(struct firmware_target *target)
{
    struct uspdev_peer *peer = peer_of(target);

    if (peer->failure || peer->lacks_activate)
        return false;
    for (size_t i = 0; i < USPDEV_BANKS && peer->banks[i].instance; i++) {
        if (peer->banks[i].status != USPDEV_AVAILABLE || peer->banks[i].instance == peer->active)
            continue;
        peer->update = (struct uspdev_update){.bank = peer->banks[i].instance,
                                              .key = uspdev_random(peer->uspdev)};
        activate(peer);
        peer->update.again = true;
        return peer->update.state == USPDEV_ASKED_ACTIVATE;
    }
    return false;
}

const struct firmware_target_ops uspdev_firmware_ops = {
    .install = install,
    .abort = abort_update,
    .read_version = read_version,
    .restart = restart,
    .transfer_stall_s = TRANSFER_STALL_S,
    .reboot_s = REBOOT_S,
};

/* ---- what the device says ---- */

static void activating(struct uspdev_peer *peer)
{
    peer->update.state = USPDEV_ACTIVATING;
    heard(peer);
    firmware_target_transferred(target_of(peer));
}

/* The image is in the bank. */
static void downloaded(struct uspdev_peer *peer)
{
    struct uspdev_bank *bank = NULL;

    for (size_t i = 0; i < USPDEV_BANKS; i++)
        if (peer->banks[i].instance == peer->update.bank)
            bank = &peer->banks[i];
    if (peer->lacks_activate || !bank || bank->instance == peer->active) {
        peer->update.activated = uspdev_now(peer);
        activating(peer);
        return;
    }
    activate(peer);
}

void uspdev_update_answered(struct uspdev_peer *peer, enum uspdev_method method, uint32_t request)
{
    if (method == USPDEV_DOWNLOAD && peer->update.state == USPDEV_ASKED_DOWNLOAD) {
        peer->update.state = USPDEV_DOWNLOADING;
        peer->update.request = request;
        heard(peer);
    } else if (method == USPDEV_ACTIVATE && peer->update.state == USPDEV_ASKED_ACTIVATE) {
        activating(peer);
    }
}

/* Codes that say "not now"; the others say "never". */
static bool worth_another_try(uint32_t code)
{
    return code == 0 || code == ERROR_INTERNAL || code == ERROR_RESOURCES_EXCEEDED;
}

void uspdev_update_refused(struct uspdev_peer *peer, enum uspdev_method method, uint32_t code,
                           const char *message)
{
    enum uspdev_state asked = method == USPDEV_DOWNLOAD ? USPDEV_ASKED_DOWNLOAD : USPDEV_ASKED_ACTIVATE;
    char why[REASON_BYTES];

    if (peer->update.state != asked)
        return;
    if (peer->update.again) { /* it is at the first one, which the gateway did not see the end of */
        activating(peer);
        return;
    }
    if (code)
        snprintf(why, sizeof(why), "%s (%u)", message, code);
    failed(peer, worth_another_try(code),
           method == USPDEV_DOWNLOAD ? "the device refused Download()" : "the device refused Activate()",
           code ? why : message);
}

static bool is_our_key(const struct uspdev_peer *peer, struct str key)
{
    char ours[KEY_BYTES];

    return peer->update.state != USPDEV_UPDATE_NONE && str_equal(key, key_of(peer->update.key, ours));
}

void uspdev_update_completed(struct uspdev_peer *peer, bool download, struct str key, uint32_t code,
                             struct str text)
{
    struct uspdev_update *update = &peer->update;
    bool loading = update->state == USPDEV_ASKED_DOWNLOAD || update->state == USPDEV_DOWNLOADING;
    char why[REASON_BYTES];

    if (!is_our_key(peer, key) || download != loading)
        return; /* of an update that is over, or told twice (OperationComplete and TransferComplete!) */
    heard(peer);
    snprintf(why, sizeof(why), "%.*s (%u)", (int)(text.len > 180 ? 180 : text.len),
             text.data ? text.data : "", code);
    if (download && code)
        failed(peer, true, "the device's download failed", why);
    else if (download)
        downloaded(peer);
    else if (code && !update->away && !update->booted)
        failed(peer, false, "the device's activation failed", why);
    else /* it was started: the version says what came of it */
        uspdev_call(peer, USPDEV_INFO, NULL);
}

void uspdev_update_lost(struct uspdev_peer *peer)
{
    struct uspdev_update *update = &peer->update;

    if (update->state == USPDEV_UPDATE_NONE)
        return;
    update->away = true;
    /* The answer may be what got lost. */
    if (update->state == USPDEV_ASKED_DOWNLOAD)
        update->state = USPDEV_DOWNLOADING;
    else if (update->state == USPDEV_ASKED_ACTIVATE)
        activating(peer);
}

void uspdev_update_booted(struct uspdev_peer *peer)
{
    peer->update.booted = peer->update.state != USPDEV_UPDATE_NONE;
}

/*
 * The device has started anew: what it runs now is the outcome. An old version counts only after the device was away, and
 * the job may not have seen that: a quick restart hides behind a broker.
 */
static void conclude(struct uspdev_peer *peer, const struct uspdev_info *info, bool changed)
{
    struct firmware_target *target = target_of(peer);

    if (peer->update.state != USPDEV_ACTIVATING)
        firmware_target_transferred(target);
    update_end(peer);
    if (!changed) {
        firmware_target_boot_failure(target, peer->failure);
        firmware_target_online(target, false);
        firmware_target_online(target, true);
    }
    firmware_target_version(target, peer->device->text[DEVICE_FIRMWARE_NAME], info->software_version);
}

/* Has it started anew since Activate()? Whole seconds are rounded down: what may be older than that is no proof. Without
 * UpTime, having been away is all that can be known. */
static bool has_restarted(const struct uspdev_peer *peer, const struct uspdev_info *info)
{
    uint64_t elapsed = uspdev_now(peer) - peer->update.activated;

    if (peer->update.booted)
        return true;
    return info->up_time == UINT64_MAX ? peer->update.away : info->up_time < elapsed / 1000;
}

/* While it downloads: the bank's Status counts once it is known to be of this download. */
static void look_at_bank(struct uspdev_peer *peer, const struct uspdev_info *info)
{
    struct uspdev_update *update = &peer->update;
    uint8_t status = USPDEV_OTHER;

    for (size_t i = 0; i < USPDEV_BANKS; i++)
        if (info->banks[i].instance == update->bank)
            status = info->banks[i].status;
    if (status == USPDEV_BUSY || status != update->before)
        update->busy_seen = true;
    if (update->booted && status != USPDEV_AVAILABLE)
        failed(peer, true, "the device's download failed", "it restarted in the middle of it");
    else if (!update->busy_seen || status == USPDEV_BUSY)
        return;
    else if (status == USPDEV_AVAILABLE)
        downloaded(peer);
    else if (status == USPDEV_LOAD_FAILED)
        failed(peer, true, "the device's download failed", "its FirmwareImage row says so, and not why");
}

void uspdev_update_info(struct uspdev_peer *peer, const struct uspdev_info *info, bool changed)
{
    const struct uspdev_update *update = &peer->update;
    struct firmware_target *target = target_of(peer);

    switch (update->state) {
    case USPDEV_UPDATE_NONE:
        firmware_target_boot_failure(target, peer->failure);
        firmware_target_version(target, peer->device->text[DEVICE_FIRMWARE_NAME], info->software_version);
        break;
    case USPDEV_ASKED_DOWNLOAD:
    case USPDEV_DOWNLOADING:
        if (changed)
            conclude(peer, info, true);
        else
            look_at_bank(peer, info);
        break;
    case USPDEV_ASKED_ACTIVATE:
    case USPDEV_ACTIVATING:
        if (changed || has_restarted(peer, info))
            conclude(peer, info, changed);
        break;
    }
}
