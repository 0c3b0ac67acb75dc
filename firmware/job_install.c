/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An installation has the device: Transferring, Rebooting, Confirming. What it is told is true only when the device says
 * so itself: only the version that it reports decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/fetch_check.h"
#include "firmware/job_release.h"
#include "firmware/turn.h"

enum {
    STALL_S = 180,
    REBOOT_S = 300,
    ASK_MS = 5 * 1000,
    DEFER_S = 7 * 24 * 3600,
};

static uint32_t reboot_s(const struct firmware_target *target)
{
    if (target->firmware->reboot_s)
        return target->firmware->reboot_s;
    return target->ops->reboot_s ? target->ops->reboot_s : REBOOT_S;
}

static uint32_t stall_s(const struct firmware_target *target)
{
    if (target->firmware->transfer_stall_s)
        return target->firmware->transfer_stall_s;
    return target->ops->transfer_stall_s ? target->ops->transfer_stall_s : STALL_S;
}

static void end_check(struct firmware_job *job)
{
    fetch_check_drop(job->check);
    job->check = NULL;
    if (job->checked)
        job->checked->pins--;
    job->checked = NULL;
}

void install_leave(struct firmware_job *job)
{
    serve_revoke(&job->grant);
    end_check(job);
    if (!job->installing)
        return;
    job->installing = false;
    if (!job->deferred)
        job->firmware->installs--;
    job->deferred = false;
    turn_changed(job->target);
    if (job->target->job == job)
        job->target->job = NULL;
}

static void take(struct firmware_job *job)
{
    job->installing = true;
    job->firmware->installs++;
    turn_changed(job->target);
    job->target->job = job;
}

/* ---- Transferring ---- */

static void on_stall(struct timer *timer, void *ctx)
{
    struct firmware_job *job = ctx;
    struct firmware_target *target = job->target;
    char reason[160];

    (void)timer;
    snprintf(reason, sizeof(reason),
             "the transfer stalled at %u %%: no progress for %u s; is the device in reach, and %s?",
             job->progress, stall_s(target),
             job->grant.serve ? "can it open the gateway's lan_http_url" : "can it reach its manufacturer");
    if (target->ops->abort)
        target->ops->abort(target);
    activate_failed(job, true, reason);
}

static void watch_stall(struct firmware_job *job)
{
    job_wait_ms(job, stall_s(job->target) * 1000ull, on_stall);
}

static void on_served(void *ctx, uint64_t position)
{
    struct firmware_job *job = ctx;

    if (!job->deferred)
        watch_stall(job);
    /* The device's own figure counts once it has given one: what it was sent may still lie in buffers. */
    if (job->grant.size && job->device_percent < 0)
        job_set_progress(job, (unsigned)(position * 100 / job->grant.size));
}

/* The slot whose image the device may want beside the one that it is given, or NULL. */
static const struct firmware_slot *companion_of(const struct firmware_target *target, int slot)
{
    const char *part = target->ops->companion;

    for (int i = 0; part && i < FIRMWARE_SLOTS; i++)
        if (i != slot && i != target->active && target->slots[i].image && target->slots[i].name &&
            strstr(target->slots[i].name, part))
            return &target->slots[i];
    return NULL;
}

static int grant_companion(struct firmware_job *job, const struct firmware_slot *slot, struct error *err)
{
    char *path;
    int result;

    if (!job->target->ops->companion)
        return 0;
    path = slot ? cache_path(job->firmware->cache, slot->image->sha256) : NULL;
    if (slot && !path)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    result = serve_grant_companion(&job->grant, job->target->ops->companion, path,
                                   slot ? slot->image->size : 0, err);
    free(path);
    return result;
}

static int grant_image(struct firmware_job *job, const struct firmware_slot *slot, char **ret_path,
                       struct error *err)
{
    struct firmware *firmware = job->firmware;
    char *path = cache_path(firmware->cache, slot->image->sha256);

    if (!path)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    *ret_path = path;
    if (job->target->ops->takes_file)
        return 0;
    if (!firmware->serve_url || !*firmware->serve_url)
        return job->target->ops->takes_either
                   ? 0
                   : error_set(err, ERROR_COMMAND_FAILURE, NULL,
                               "the gateway serves no images to devices: lan_http_listen is not configured");
    job->grant.progress = on_served;
    job->grant.ctx = job;
    return serve_grant(&firmware->serve, &job->grant, firmware->serve_url, slot->name, path,
                       slot->image->size, job->target->address, err);
}

static int start_install(struct firmware_job *job, struct error *err)
{
    struct firmware_target *target = job->target;
    struct firmware_slot *slot = &target->slots[job->slot];
    const struct firmware_slot *companion = companion_of(target, job->slot);
    struct firmware_install install = {
        .slot = job->slot,
        .name = slot->name ? slot->name : "",
        .version = slot->proven && slot->version ? slot->version : "",
    };
    char *path = NULL;
    int result;

    job->device_percent = -1;
    if (slot->image) {
        if (grant_image(job, slot, &path, err) < 0 || grant_companion(job, companion, err) < 0) {
            free(path);
            return -1;
        }
        cache_touch(job->firmware->cache, slot->image);
        if (companion)
            cache_touch(job->firmware->cache, companion->image);
        install.companion_size = companion ? companion->image->size : 0;
        install.url = job->grant.url;
        install.sha256 = slot->image->sha256;
        install.path = path;
        install.size = slot->image->size;
    } else {
        install.offer = slot->offer;
    }
    watch_stall(job);
    result = target->ops->install(target, &install, err);
    free(path);
    return result;
}

static void hand_over(struct firmware_job *job)
{
    struct firmware_target *target = job->target;
    struct error err;

    error_clear(&err);
    if (start_install(job, &err) == 0)
        return;
    /* It may have told of the failure itself before it returned. */
    if (target->job != job || job->state != JOB_TRANSFERRING)
        return;
    job->unsure = false;
    activate_failed(job, err.code == ERROR_RESOURCES_EXCEEDED, err.message);
}

static int check_image(struct firmware_job *job, struct firmware_image *image);

static void on_checked(void *ctx, struct fetch_check *check)
{
    struct firmware_job *job = ctx;
    struct firmware_image *image = job->checked;
    const struct firmware_slot *companion = companion_of(job->target, job->slot);
    bool right = check->outcome == CHECK_RIGHT;

    job->check = NULL;
    end_check(job);
    if (right && companion && image != companion->image) {
        if (check_image(job, companion->image) == 0)
            return;
        job->unsure = false;
        activate_failed(job, true, "no memory to check the image");
        return;
    }
    if (right) {
        hand_over(job);
        return;
    }
    job->unsure = false;
    activate_failed(job, false, "the image in the cache is damaged; download it again");
    if (!image->pins)
        cache_drop(job->firmware->cache, image);
}

/* What lay in the cache for long is looked at once more before a device gets it. */
static int check_image(struct firmware_job *job, struct firmware_image *image)
{
    struct verify_checksum expected = {.algorithm = VERIFY_SHA256};
    char *path = cache_path(job->firmware->cache, image->sha256);

    str_copy(expected.hex, sizeof(expected.hex), image->sha256);
    if (path)
        job->check = fetch_check_start(job->firmware->loop, path, NULL, &expected, on_checked, job);
    free(path);
    if (!job->check)
        return -1;
    job->checked = image;
    image->pins++;
    return 0;
}

/* Transferring is durable: a crash from here on finds a job that asks the device before it does anything again. */
static void transfer(struct firmware_job *job)
{
    const struct firmware_slot *slot = &job->target->slots[job->slot];

    if (job->state != JOB_TRANSFERRING)
        return;
    if (slot->image) {
        if (check_image(job, slot->image) == 0)
            return;
        job->unsure = false;
        activate_failed(job, true, "no memory to check the image");
    } else if (slot->offer) {
        hand_over(job);
    } else {
        activate_failed(job, false, "the image is gone from the cache; download it again");
    }
}

void install_begin(struct firmware_job *job)
{
    struct firmware_target *target = job->target;
    const char *runs = slot_version(target, target->active);

    take(job);
    job->handed = job->was_offline = job->resumed = false;
    job->unsure = true;
    job_stop_timers(job);
    /* Without knowing what it runs now, the only proof is another version after it came back. */
    if (str_replace(&job->old_version, *runs ? runs : NULL) < 0) {
        job->unsure = false;
        activate_failed(job, true, "no memory to begin the transfer");
        return;
    }
    job_set_state(job, JOB_TRANSFERRING);
    job_then(job, transfer);
}

/*
 * What was begun to be sent may be installed whatever we say, so only the device tells how that ends; it gets nothing more,
 * and when it tries again, the release refuses.
 */
void install_reconsider(struct firmware_job *job)
{
    struct firmware_target *target = job->target;
    struct error err;

    if (job->handed || release_is_seen(job) || release_recheck(job, &err) == 0)
        return;
    if (job->grant.requests || job->grant.position) {
        serve_revoke(&job->grant);
        return;
    }
    if (target->ops->abort)
        target->ops->abort(target);
    activate_refused(job, &err);
}

void install_progress(struct firmware_job *job, unsigned percent)
{
    if (job->state != JOB_TRANSFERRING || (int)percent <= job->device_percent || job->deferred)
        return;
    if (job->device_percent < 0)
        job->progress = 0; /* what was served so far is no figure any more */
    job->device_percent = (int)percent;
    watch_stall(job);
    job_set_progress(job, percent);
}

static void on_overslept(struct timer *timer, void *ctx)
{
    struct firmware_job *job = ctx;
    struct firmware_target *target = job->target;

    (void)timer;
    if (target->ops->abort)
        target->ops->abort(target);
    activate_failed(job, true,
                    "the device did not wake in time to take the image; wake it, or give more time");
}

/* Not before it wakes, not after its window: what the operator allowed holds for the device that sleeps, too. */
static void watch_sleep(struct firmware_job *job)
{
    uint64_t patience_s = DEFER_S;
    struct window_now now;

    window_at(job->windows, job->window_count, job->used_windows, job_elapsed(job), &now);
    if (now.next_s < patience_s)
        patience_s = now.next_s;
    job_wait_ms(job, patience_s * 1000, on_overslept);
}

void install_defer(struct firmware_job *job, bool deferred)
{
    if (job->state != JOB_TRANSFERRING || job->deferred == deferred)
        return;
    job->deferred = deferred;
    job->waits_for = deferred ? WAITS_DEVICE : WAITS_NOT;
    firmware_tell(job->firmware, FIRMWARE_JOB_CHANGED, job->target, job->slot, job);
    if (!deferred) {
        job->firmware->installs++; /* its turn is when it wakes, whoever else has one */
        watch_stall(job);
        return;
    }
    job->firmware->installs--;
    watch_sleep(job);
    firmware_reconsider(job->firmware);
}

/* ---- Rebooting, Confirming ---- */

static void give_up(struct firmware_job *job)
{
    struct firmware_target *target = job->target;
    char reason[160];

    if (target->online)
        snprintf(reason, sizeof(reason),
                 "%u s after it took the image the device has not confirmed another version than \"%s\"",
                 reboot_s(target), job->old_version ? job->old_version : "");
    else
        snprintf(reason, sizeof(reason), "the device did not come back within %u s %s", reboot_s(target),
                 job->handed ? "after it took the image"
                             : "after the gateway restarted in the middle of the transfer");
    if (job->handed)
        turn_failed(job, reason);
    activate_failed(job, false, reason);
}

static void on_deadline(struct timer *timer, void *ctx)
{
    (void)timer;
    give_up(ctx);
}

void install_watch_return(struct firmware_job *job)
{
    job->deadline.fn = on_deadline;
    job->unarmed_deadline = timer_arm(&job->firmware->loop->timers, &job->deadline,
                                      reboot_s(job->target) * 1000ull) < 0;
    if (job->unarmed_deadline)
        firmware_repair(job->firmware);
}

static void on_ask(struct timer *timer, void *ctx);

/* Asks again until an answer comes or the deadline ends it: a question to a device that just starts may be lost. */
static void ask(struct firmware_job *job)
{
    struct firmware_target *target = job->target;

    job_wait_ms(job, ASK_MS, on_ask);
    if (target->online)
        target->ops->read_version(target, NULL);
}

static void on_ask(struct timer *timer, void *ctx)
{
    (void)timer;
    ask(ctx);
}

void install_transferred(struct firmware_job *job)
{
    if (job->state != JOB_TRANSFERRING)
        return;
    job->handed = true;
    job->was_offline = !job->target->online;
    serve_revoke(&job->grant);
    job_set_state(job, JOB_REBOOTING);
    install_watch_return(job);
    job_wait_ms(job, ASK_MS, on_ask);
}

void install_online(struct firmware_job *job, bool online)
{
    if (!online) {
        if (job->handed && !job->was_offline) {
            job->was_offline = true;
            job_save(job, NULL);
        }
        return;
    }
    if (job->state == JOB_REBOOTING && job->was_offline)
        job_set_state(job, JOB_CONFIRMING);
    if (job->state == JOB_CONFIRMING)
        ask(job);
}

/*
 * Found in the store beyond Waiting: whatever happened meanwhile, the device knows. One that has the image and was not
 * seen to go may still be about to restart: its old version says nothing then. The gateway itself has restarted.
 */
void install_resume(struct firmware_job *job)
{
    take(job);
    job->resumed = true;
    if (job->target->ops->restart)
        job->was_offline = true;
    job_set_state(job, job->handed && !job->was_offline ? JOB_REBOOTING : JOB_CONFIRMING);
    install_watch_return(job);
    ask(job);
}

/* ---- the version decides ---- */

static void done(struct firmware_job *job, const char *name, const char *version)
{
    install_leave(job);
    slot_activate(job->target, job->slot, name, version);
    job_end(job, JOB_DONE, ERROR_NONE, "%s", "");
}

static void came_back_old(struct firmware_job *job)
{
    struct firmware_target *target = job->target;
    const char *why = job->boot_failure;
    char reason[ERROR_MESSAGE_BYTES];

    if (!job->handed) {
        activate_failed(job, true, "the gateway restarted in the middle of the transfer");
        return;
    }
    if (job->resumed && target->ops->restart && target->ops->restart(target)) {
        job->resumed = job->was_offline = false;
        job_set_state(job, JOB_REBOOTING);
        install_watch_return(job);
        return;
    }
    snprintf(reason, sizeof(reason),
             "the device took the image but came back with the version it had before, \"%s\"%s%s",
             job->old_version ? job->old_version : "", why ? ": " : "", why ? why : "");
    turn_failed(job, reason);
    install_leave(job);
    slot_set_status(target, job->slot, FIRMWARE_ACTIVATION_FAILED, reason);
    job_end(job, JOB_ROLLED_BACK, ERROR_COMMAND_FAILURE, "%s", reason);
}

static void came_back_other(struct firmware_job *job, const char *name, const char *version)
{
    char reason[256];

    snprintf(reason, sizeof(reason), "the device runs version \"%s\" and not \"%s\"", version,
             slot_version(job->target, job->slot));
    turn_failed(job, reason);
    slot_running(job->target, name, version);
    activate_failed(job, false, reason);
}

void install_interim(struct firmware_job *job, const char *version)
{
    char reason[200];

    if (job->state != JOB_REBOOTING && job->state != JOB_CONFIRMING)
        return;
    snprintf(reason, sizeof(reason), "the installation stopped half way, at \"%s\"", version);
    job->unsure = false;
    activate_failed(job, true, reason);
}

/*
 * Whether the version may be this job's doing. Where a claim can come from anybody on the LAN, it takes more than words:
 * what the gateway alone serves must have left it. A restart of the gateway has forgotten how much did, and an image that
 * goes another way, or from the manufacturer, is not seen.
 */
static bool may_have_image(const struct firmware_job *job)
{
    const struct firmware_target_ops *ops = job->target->ops;

    return job->resumed || !job->grant.size || ops->takes_file || ops->takes_either ||
           job->grant.position >= job->grant.size;
}

static void came_by_another_way(struct firmware_job *job, const char *name, const char *version)
{
    char reason[256];

    snprintf(
        reason, sizeof(reason),
        "the device says that it runs \"%s\" and has not fetched this image: somebody else updated it, or "
        "speaks in its name",
        version);
    slot_running(job->target, name, version);
    activate_failed(job, false, reason);
}

/* Also for a job that waits to try again and is unsure: what it started may have come to an end without it. */
void install_version(struct firmware_job *job, const char *name, const char *version)
{
    const struct firmware_slot *slot = &job->target->slots[job->slot];
    const char *expected = slot->proven && slot->version ? slot->version : NULL;
    bool is_old = job->old_version && strcmp(job->old_version, version) == 0;
    bool is_back = job->state == JOB_CONFIRMING;

    if (!is_old && !may_have_image(job))
        came_by_another_way(job, name, version);
    else if (expected && strcmp(expected, version) == 0 && (!is_old || (is_back && job->handed)))
        done(job, name, version);
    else if (is_old && !is_back)
        return; /* it has not restarted yet */
    else if (is_old)
        came_back_old(job);
    else if (expected)
        came_back_other(job, name, version);
    else if (job->old_version || is_back)
        done(job, name, version);
}
