/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firmware updates through a bridge. The bridge is told to update a device that listens, or to keep the order until a
 * device that sleeps asks for an image; it fetches the image from the gateway, or gets it inside the message. How far it is
 * shows in the device's own topic, the end in an answer (update) or again there (schedule).
 *
 * The bridge calls an update done when the image went over the air, whether or not the device was heard of again, and names
 * the version of the file. What counts here is what the device says: the bridge is made to ask it (check). A device that
 * sleeps cannot be asked, and where the bridge cannot check (no Internet), a new interview shows that the device is back:
 * there the bridge's word is taken.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "devices/dialects/zigbee2mqtt_peer.h"

enum {
    SETTLE_MS = 15000,
    CONFIRM_MS =
        600000, /* from the image over the air to a word of the device; the job does not wait longer */
    UNANSWERED_MAX = 2,
    REASON_BYTES = 256,
};

/* ---- ends ---- */

void z2m_update_end(struct z2m_peer *peer)
{
    peer->update = (struct z2m_update){.state = Z2M_UPDATE_NONE};
    z2m_schedule(peer);
}

void z2m_report_version(struct z2m_peer *peer)
{
    struct device *device = peer->device;
    char text[16];

    if (!peer->has_installed)
        return;
    peer->reading = false;
    snprintf(text, sizeof(text), "%u", peer->installed);
    device_set_fact(device, DEVICE_SOFTWARE_VERSION, text, device->grade, DEVICE_SOURCE_BRIDGE);
    registry_announce(device);
    firmware_target_version(&device->target, device->text[DEVICE_FIRMWARE_NAME], text);
}

void z2m_unschedule(struct z2m_peer *peer)
{
    peer->withdraw = z2m_call(peer, Z2M_UNSCHEDULE, NULL, NULL) < 0;
}

static void fail(struct z2m_peer *peer, bool transient, const char *reason)
{
    char cut[REASON_BYTES];
    bool scheduled = peer->update.scheduled;

    str_copy(cut, sizeof(cut), reason);
    z2m_update_end(peer);
    if (scheduled)
        z2m_unschedule(peer);
    firmware_target_failed(&peer->device->target, transient, cut);
}

/* What the device runs is known: that is the outcome. */
void z2m_conclude(struct z2m_peer *peer)
{
    const struct z2m_update update = peer->update;
    struct firmware_target *target = &peer->device->target;
    char reason[REASON_BYTES];
    bool changed = !update.has_from || peer->installed != update.from;

    z2m_update_end(peer);
    if (changed) {
        /* What people called the firmware was true of the one before; the next interview says it anew. */
        device_set(peer->device, DEVICE_FIRMWARE_NAME, NULL);
        registry_announce(peer->device);
        if (update.has_expected && peer->installed != update.expected) {
            snprintf(reason, sizeof(reason), "the device runs version %u and not %u", peer->installed,
                     update.expected);
            firmware_target_failed(target, false, reason);
        }
    }
    if (!changed || !update.was_told) {
        /* It did restart, though nobody saw it go: that counts where versions do not tell. */
        firmware_target_online(target, false);
        firmware_target_online(target, true);
    }
    z2m_report_version(peer);
}

/* The bridge is done: now the device is asked, if it can be. */
static void finish(struct z2m_peer *peer)
{
    peer->update.state = Z2M_UPDATE_CONFIRMING;
    peer->update.settle = z2m_now(peer->z2m) + CONFIRM_MS;
    firmware_target_transferred(&peer->device->target);
    z2m_schedule(peer);
    if (peer->sleepy)
        z2m_conclude(peer);
    else
        z2m_call(peer, Z2M_CHECK, NULL, NULL);
}

/* The bridge no longer works on it and has given no answer: the version shows whether it was successful. */
static void judge(struct z2m_peer *peer)
{
    const struct z2m_update *update = &peer->update;
    bool done = update->has_expected ? peer->installed == update->expected
                                     : update->has_from && peer->installed != update->from;

    if (peer->has_installed && done)
        finish(peer);
    else if (update->scheduled && update->by_url && !update->moved) {
        peer->bridge->hex = true;
        fail(peer, true,
             "the bridge gave the scheduled update up: it found no image at the gateway's URL; the next "
             "try sends it inside the message");
    } else if (update->scheduled)
        fail(peer, true,
             "the scheduled update is gone from the bridge, and the device runs what it ran before");
    else
        fail(peer, true, "the bridge ended the update and the device runs what it ran before");
}

void z2m_update_settle(struct z2m_peer *peer)
{
    peer->update.settle = 0;
    if (peer->update.state == Z2M_UPDATE_RUNNING)
        judge(peer);
    else
        z2m_update_end(peer);
}

/* ---- answers ---- */

static bool says_busy(const char *failure)
{
    return strstr(failure, "already in progress") != NULL;
}

/* What trying again does not help. The rest is the radio, the network or another update. */
static bool is_final(const char *failure)
{
    return strstr(failure, "does not exist") || strstr(failure, "does not support") ||
           strstr(failure, "INVALID_IMAGE");
}

/* The bridge says that there is no image: it got none from the URL, or the device has no need of it. */
static void no_image(struct z2m_peer *peer)
{
    if (peer->update.by_url && !peer->update.moved) {
        /* The header was looked at before: what the bridge lacks is the file. */
        peer->bridge->hex = true;
        fail(peer, true,
             "the bridge got no image from the gateway's URL; the next try sends it inside the message");
    } else {
        fail(peer, false, "Zigbee2MQTT refused the update: No image currently available");
    }
}

static void refused(struct z2m_peer *peer, const char *failure)
{
    char reason[REASON_BYTES];

    /* An earlier order may have been carried out unheard: the device knows. */
    if (strstr(failure, "No image currently available")) {
        peer->update.doubted = !peer->sleepy && z2m_call(peer, Z2M_CHECK, NULL, NULL) == 0;
        if (!peer->update.doubted)
            no_image(peer);
        return;
    }
    if (says_busy(failure))
        peer->busy = true;
    snprintf(reason, sizeof(reason), "Zigbee2MQTT %s: %s",
             peer->update.moved ? "gave up" : "refused the update", failure);
    fail(peer, !is_final(failure), reason);
}

static void settle_doubt(struct z2m_peer *peer, bool by_device)
{
    const struct z2m_update *update = &peer->update;

    if (!by_device || !update->has_expected || peer->installed != update->expected) {
        no_image(peer);
        return;
    }
    firmware_target_transferred(&peer->device->target);
    z2m_conclude(peer);
}

static void still_at_it(struct z2m_peer *peer)
{
    peer->update.unheard = false;
    if (peer->update.state != Z2M_UPDATE_NONE)
        return;
    peer->busy = true;
    if (peer->reading)
        z2m_report_version(peer);
}

static void confirmed(struct z2m_peer *peer, bool by_device)
{
    struct z2m_update *update = &peer->update;

    if (by_device || (++update->unanswered >= UNANSWERED_MAX && update->interviewed))
        z2m_conclude(peer);
}

void z2m_check_done(struct z2m_peer *peer, const char *failure)
{
    if (peer->bridge) {
        peer->bridge->awaited = false;
        z2m_plan_checks(peer->bridge);
    }
    if (failure && says_busy(failure))
        still_at_it(peer);
    else if (peer->update.doubted)
        settle_doubt(peer, !failure);
    else if (peer->update.state == Z2M_UPDATE_CONFIRMING)
        confirmed(peer, !failure);
    else if (peer->update.unheard && !failure)
        judge(peer);
    else if (peer->update.state == Z2M_UPDATE_NONE && peer->reading && failure)
        z2m_call(peer, Z2M_UNSCHEDULE, NULL,
                 NULL); /* the bridge says what it knows without asking the device */
}

static bool read_file_version(const cJSON *data, const char *side, uint32_t *ret)
{
    uint64_t version;

    if (json_number(json_object(data, side), "file_version", UINT32_MAX, &version) < 0)
        return false;
    *ret = (uint32_t)version;
    return true;
}

void z2m_update_done(struct z2m_peer *peer, const cJSON *data, const char *failure)
{
    struct z2m_update *update = &peer->update;

    if (update->state != Z2M_UPDATE_ASKED && update->state != Z2M_UPDATE_RUNNING)
        return;
    if (failure) {
        refused(peer, failure);
        return;
    }
    if (!update->has_from)
        update->has_from = read_file_version(data, "from", &update->from);
    if (read_file_version(data, "to", &peer->installed))
        peer->has_installed = true;
    finish(peer);
}

static void asleep(struct z2m_peer *peer)
{
    peer->update.state = Z2M_UPDATE_SCHEDULED;
    peer->update.settle = 0;
    firmware_target_deferred(&peer->device->target, true);
}

void z2m_schedule_done(struct z2m_peer *peer, const char *failure)
{
    if (peer->update.state != Z2M_UPDATE_ASKED)
        return;
    if (failure)
        refused(peer, failure);
    else
        asleep(peer);
}

void z2m_unschedule_done(struct z2m_peer *peer, const char *failure)
{
    if (failure && peer->update.state == Z2M_UPDATE_NONE && !says_busy(failure))
        peer->withdraw = true; /* until it was heard */
    else
        peer->withdraw = false;
}

void z2m_update_interviewed(struct z2m_peer *peer)
{
    if (peer->update.state == Z2M_UPDATE_CONFIRMING)
        peer->update.interviewed = true;
}

/* ---- what the bridge says of the device ---- */

static void note_installed(struct z2m_peer *peer, const cJSON *update)
{
    uint64_t version;

    if (json_number(update, "installed_version", UINT32_MAX, &version) < 0)
        return; /* null, or -1: it does not know */
    peer->installed = (uint32_t)version;
    peer->has_installed = true;
}

static void note_offer(struct z2m_peer *peer, const cJSON *update, const char *state)
{
    struct device *device = peer->device;
    char version[16];
    uint64_t latest;
    bool newer = json_number(update, "latest_version", UINT32_MAX, &latest) == 0 && peer->has_installed &&
                 latest > peer->installed && strcmp(state, "available") == 0;

    if (strcmp(state, "available") != 0 && strcmp(state, "idle") != 0)
        return; /* an update is under way */
    snprintf(version, sizeof(version), "%u", newer ? (unsigned)latest : 0);
    device_set(device, DEVICE_OFFERED_VERSION, newer ? version : NULL);
    registry_announce(device);
    firmware_target_offer(&device->target, "latest", newer ? version : NULL);
}

static unsigned read_progress(const cJSON *update)
{
    const cJSON *progress = json_member(update, "progress");

    if (!cJSON_IsNumber(progress) || !isfinite(progress->valuedouble) || progress->valuedouble < 0)
        return 0;
    return progress->valuedouble > 100 ? 100 : (unsigned)progress->valuedouble;
}

static void running(struct z2m_peer *peer, unsigned percent)
{
    struct z2m_update *update = &peer->update;

    if (update->state == Z2M_UPDATE_SCHEDULED)
        firmware_target_deferred(&peer->device->target, false);
    update->state = Z2M_UPDATE_RUNNING;
    update->settle = 0;
    update->unheard = false;
    update->moved = update->moved || percent > 0;
    firmware_target_progress(&peer->device->target, percent);
}

/* A scheduled update that failed stays scheduled, and is tried again when the device wakes. */
static void failed_and_scheduled(struct z2m_peer *peer)
{
    char reason[REASON_BYTES];

    if (++peer->update.failures < Z2M_SCHEDULE_FAILURES) {
        asleep(peer);
        return;
    }
    snprintf(reason, sizeof(reason), "the device woke and its update failed %d times", Z2M_SCHEDULE_FAILURES);
    fail(peer, false, reason);
}

static void over(struct z2m_peer *peer)
{
    struct z2m_update *update = &peer->update;

    if (update->scheduled || update->adopted)
        judge(peer);
    else if (!update->settle)
        update->settle = z2m_now(peer->z2m) + SETTLE_MS; /* the answer to the request comes next */
}

static void update_state(struct z2m_peer *peer, const char *state, unsigned percent)
{
    bool quiet = strcmp(state, "idle") == 0 || strcmp(state, "available") == 0;

    switch (peer->update.state) {
    case Z2M_UPDATE_NONE:
        if (peer->withdraw && strcmp(state, "scheduled") == 0)
            z2m_unschedule(peer);
        z2m_report_version(peer);
        break;
    case Z2M_UPDATE_ASKED:
        if (strcmp(state, "updating") == 0)
            running(peer, percent);
        break;
    case Z2M_UPDATE_SCHEDULED:
    case Z2M_UPDATE_RUNNING:
        if (strcmp(state, "updating") == 0)
            running(peer, percent);
        else if (quiet)
            over(peer);
        else if (peer->update.scheduled && peer->update.state == Z2M_UPDATE_RUNNING)
            failed_and_scheduled(peer);
        break;
    case Z2M_UPDATE_CONFIRMING:
        break;
    }
}

void z2m_update_in(struct z2m_peer *peer, const cJSON *update)
{
    const char *state = json_text(update, "state", Z2M_TEXT_BYTES);

    if (!state && !cJSON_IsNull(json_member(update, "state"))) {
        z2m_reject(peer, "its update has no state");
        return;
    }
    if (!state)
        return; /* it was never asked about */
    peer->busy = strcmp(state, "updating") == 0;
    note_installed(peer, update);
    note_offer(peer, update, state);
    update_state(peer, state, read_progress(update));
}

/* ---- the bridge comes and goes ---- */

static void bridge_left(struct z2m_peer *peer, bool left)
{
    struct z2m_update *update = &peer->update;

    if (left)
        peer->busy = false;
    /* Zigbee2MQTT does not go on with an update that a restart has interrupted; an order it keeps, if it had it. */
    if (update->state == Z2M_UPDATE_ASKED)
        *(left || update->scheduled ? &update->lost : &update->unheard) = true;
    else if (update->state == Z2M_UPDATE_RUNNING && !update->scheduled)
        *(left ? &update->lost : &update->unheard) = true;
}

void z2m_update_bridge(struct z2m_peer *peer, bool online, bool left)
{
    if (!online) {
        bridge_left(peer, left);
        return;
    }
    if (peer->withdraw)
        z2m_unschedule(peer);
    if (peer->update.lost)
        fail(peer, true, "Zigbee2MQTT went away while it updated the device");
    else if (peer->update.unheard)
        z2m_call(peer, Z2M_CHECK, NULL, NULL); /* is it still at it? */
}
