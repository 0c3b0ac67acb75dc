/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the job machine asks of a Zigbee device: to install, to stop, to tell its version. Becomes requests to its bridge;
 * what follows from them is in zigbee2mqtt_update.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/zigbee2mqtt_peer.h"

enum {
    TRANSFER_STALL_S = 600,
    REBOOT_S = 600,
    URL_BYTES = 2048,
};

static struct z2m_peer *peer_of(const struct firmware_target *target)
{
    const struct device *device = target->ctx;

    return device->dialect_data;
}

static int may_install(struct z2m_peer *peer, struct error *err)
{
    struct device *device = peer->device;

    if (device->quarantined)
        return error_set(err, ERROR_REQUEST_DENIED, device->key, "the device is quarantined: %s",
                         device_text(device, DEVICE_REASON));
    if (!z2m_reachable(peer))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, device->key,
                         "the device or its Zigbee2MQTT is offline");
    return 0;
}

/* The image inside the message: {"hex":{"data":"..."}}. */
static int put_hex(struct buf *more, const char *path, struct error *err)
{
    buf_append_str(more, ",\"hex\":{\"data\":\"");
    if (z2m_image_hex(path, more, err) < 0)
        return -1;
    buf_append_str(more, "\"}");
    return 0;
}

static int put_source(struct z2m_peer *peer, const struct firmware_install *how, struct buf *more,
                      struct error *err)
{
    bool by_url = how->url && !peer->bridge->hex;

    if (how->offer)
        return 0; /* the bridge knows where */
    if (!by_url)
        return put_hex(more, how->path, err);
    peer->update.by_url = true;
    buf_append_str(more, ",\"url\":");
    json_quote(more, how->url);
    return 0;
}

static int send_order(struct z2m_peer *peer, const struct firmware_install *how, bool down, struct error *err)
{
    static const enum z2m_verb verb[2][2] = {{Z2M_UPDATE, Z2M_UPDATE_DOWN},
                                             {Z2M_SCHEDULE, Z2M_SCHEDULE_DOWN}};
    struct buf more;
    int rc;

    buf_init(&more, 2 * LIMIT_BRIDGE_IMAGE_BYTES + URL_BYTES, 0);
    rc = put_source(peer, how, &more, err);
    if (rc == 0 && !buf_cstr(&more))
        rc = error_set(err, ERROR_INVALID_ARGUMENTS, peer->device->key,
                       "the URL is too long, or memory is out");
    if (rc == 0)
        rc = z2m_call(peer, verb[peer->sleepy][down], (const char *)buf_data(&more), err);
    buf_done(&more);
    return rc;
}

/* *ret_down: the image is older than what the device runs, which the bridge wants to be told. */
static int look_into(struct z2m_peer *peer, const struct firmware_install *how, bool *ret_down,
                     struct error *err)
{
    struct z2m_image image;

    *ret_down = false;
    if (how->offer)
        return 0;
    if (z2m_image_read(how->path, &image, err) < 0)
        return -1;
    if (peer->has_installed && image.version == peer->installed)
        return error_set(err, ERROR_INVALID_ARGUMENTS, peer->device->key,
                         "the device runs version %u already", image.version);
    peer->update.expected = image.version;
    peer->update.has_expected = true;
    *ret_down = peer->has_installed && image.version < peer->installed;
    return 0;
}

static int begin(struct z2m_peer *peer, const struct firmware_install *how, struct error *err)
{
    bool down;

    if (look_into(peer, how, &down, err) < 0)
        return -1;
    /* A life of ours before this one, or somebody else, began what is under way: the end will show what it was. */
    peer->update.adopted = peer->busy;
    if (!peer->busy && send_order(peer, how, down, err) < 0)
        return -1;
    peer->update.scheduled = peer->sleepy && !peer->busy;
    peer->update.state = peer->busy ? Z2M_UPDATE_RUNNING : Z2M_UPDATE_ASKED;
    return 0;
}

static int install(struct firmware_target *target, const struct firmware_install *how, struct error *err)
{
    struct z2m_peer *peer = peer_of(target);

    if (may_install(peer, err) < 0)
        return -1;
    z2m_update_end(peer);
    peer->withdraw = false; /* a new order takes the place of the old one */
    peer->update.has_from = peer->update.was_told = peer->has_installed;
    peer->update.from = peer->installed;
    if (begin(peer, how, err) < 0) {
        z2m_update_end(peer);
        return -1;
    }
    firmware_target_progress(target, 0); /* what the bridge fetches is not what the device has */
    return 0;
}

static void abort_update(struct firmware_target *target)
{
    struct z2m_peer *peer = peer_of(target);
    const struct z2m_update update = peer->update;

    if (update.state == Z2M_UPDATE_NONE || update.adopted)
        return;
    z2m_update_end(peer);
    if (!update.scheduled || update.state == Z2M_UPDATE_RUNNING)
        z2m_call(peer, Z2M_ABORT, NULL, NULL);
    if (update.scheduled)
        z2m_unschedule(peer);
}

/* ---- the version ---- */

static int read_version(struct firmware_target *target, struct error *err)
{
    struct z2m_peer *peer = peer_of(target);

    if (!z2m_reachable(peer))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, peer->device->key, "the device is offline");
    if (peer->update.state == Z2M_UPDATE_CONFIRMING && peer->sleepy) {
        z2m_conclude(peer);
        return 0;
    }
    if (peer->busy && peer->update.state == Z2M_UPDATE_NONE) {
        z2m_report_version(peer); /* as long as the bridge works on it, it runs what it did */
        return 0;
    }
    peer->reading = true;
    /* A device that sleeps is not asked. The order of an earlier life of ours leads nowhere now; taking it back makes
     * the bridge say what it knows. */
    return z2m_call(peer, peer->sleepy ? Z2M_UNSCHEDULE : Z2M_CHECK, NULL, err);
}

/* A device whose image was taken has restarted by the time the bridge says so. */
static bool restart(struct firmware_target *target)
{
    (void)target;
    return false;
}

/* File versions are 32-bit numbers, and their order is that of the update cluster. */
static int compare(const char *a, const char *b, int *ret)
{
    uint64_t x, y;

    if (str_to_u64(str_of(a), &x) < 0 || str_to_u64(str_of(b), &y) < 0)
        return -1;
    *ret = (x > y) - (x < y);
    return 0;
}

static int inspect(const char *path, struct firmware_release *release, struct error *err)
{
    struct z2m_image image;

    if (z2m_image_read(path, &image, err) < 0)
        return -1;
    snprintf(release->version, sizeof(release->version), "%u", image.version);
    return 0;
}

const struct firmware_target_ops z2m_firmware_ops = {
    .install = install,
    .abort = abort_update,
    .read_version = read_version,
    .restart = restart,
    .takes_either = true,
    .inspect = inspect,
    .compare = compare,
    .transfer_stall_s = TRANSFER_STALL_S,
    .reboot_s = REBOOT_S,
};
