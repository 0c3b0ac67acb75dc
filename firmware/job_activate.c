/* SPDX-License-Identifier: BSD-3-Clause */
/* An activation: accepted, and waiting for its window, consent, the device, idleness, its turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/job_release.h"
#include "firmware/turn.h"

enum {
    IDLE_POLL_MS = 10 * 1000,
    RETRY_MULTIPLIER = 2000,
    RETRY_CAP_S = 600,
    OBJECTION_BYTES = 256,
};

static void on_timer(struct timer *timer, void *ctx)
{
    (void)timer;
    activate_consider(ctx);
}

/* Looks again after at most ms, and not later than the window changes. */
static void wait_for(struct firmware_job *job, enum waits_for what, uint64_t ms, const struct window_now *now)
{
    uint64_t window_ms = now->next_s > UINT64_MAX / 1000 ? UINT64_MAX : now->next_s * 1000;

    if (window_ms < ms)
        ms = window_ms;
    if (ms != UINT64_MAX)
        job_wait_ms(job, ms, on_timer);
    else
        job_stop_timers(job);
    if (job->waits_for == what)
        return;
    job->waits_for = what;
    firmware_tell(job->firmware, FIRMWARE_JOB_CHANGED, job->target, job->slot, job);
}

static const char *what_was_missing(enum waits_for what)
{
    switch (what) {
    case WAITS_DEVICE:
        return "the device was not online";
    case WAITS_IDLE:
        return "the device was never idle";
    case WAITS_TURN:
        return "its turn did not come; raise parallel_installs or give more time";
    case WAITS_BATTERY:
        return "the device's battery stayed too low";
    case WAITS_HUB:
        return "what the device is connected through, or what is connected through it, was being updated";
    case WAITS_CANARY:
        return "the first device of its kind to be updated has not run the new version for long enough";
    case WAITS_CONSENT:
        return "nobody agreed";
    case WAITS_QUIET:
        return "the home's quiet hours, for which it was agreed, did not suffice";
    case WAITS_RELEASE:
        return "the time that its release gives did not come";
    case WAITS_RETRY:
        return "an installation failed and there was no time to try again";
    default:
        return "the gateway could not install within them";
    }
}

static void expire(struct firmware_job *job)
{
    /* A job that this life found in the store may have been agreed to before: then it is not said that nobody did. */
    bool needs_consent = job->waits_for == WAITS_CONSENT ||
                         (job->waits_for <= WAITS_WINDOW && !job->resumed && job->window_count);

    for (unsigned i = 0; i < job->window_count; i++)
        needs_consent = needs_consent && job->windows[i].mode == MODE_CONFIRMATION_NEEDED;
    if (job->window_count == 1 && job->windows[0].end_s == WINDOW_UNTIMED_S)
        job_end(job, JOB_EXPIRED, ERROR_COMMAND_FAILURE, "%u days have passed: %s", WINDOW_UNTIMED_S / 86400,
                what_was_missing(job->waits_for));
    else if (needs_consent)
        job_end(job, JOB_EXPIRED, ERROR_COMMAND_FAILURE,
                "all time windows need confirmation, and nobody confirmed; use another Mode");
    else
        job_end(job, JOB_EXPIRED, ERROR_COMMAND_FAILURE, "all time windows have passed: %s",
                what_was_missing(job->waits_for));
}

/* The image seems to be older than what the device runs. A version that somebody stands for is not judged here. */
static bool is_downgrade(const struct firmware_job *job)
{
    const struct firmware_target *target = job->target;
    const struct firmware_slot *slot = &target->slots[job->slot];
    int order;

    return slot->version && !slot->proven && !job->firmware->allow_downgrade && target->ops->compare &&
           target->ops->compare(slot->version, slot_version(target, target->active), &order) == 0 &&
           order < 0;
}

/* Why this image is not to be installed here at all; NULL: nothing speaks against it. */
static const char *objection(const struct firmware_job *job, char text[OBJECTION_BYTES])
{
    const struct firmware_target *target = job->target;
    const struct firmware_image *image = target->slots[job->slot].image;
    const char *withdrawn = image ? withdrawn_reason(&job->firmware->withdrawn, image->sha256) : NULL;
    const char *held_back = turn_held_back(job);

    if (target->blocked)
        return target->blocked_reason ? target->blocked_reason : "it is quarantined";
    if (target->slots[job->slot].status == FIRMWARE_ACTIVE)
        return NULL; /* the device got there by itself */
    if (withdrawn) {
        snprintf(text, OBJECTION_BYTES, "this image was withdrawn: %s", withdrawn);
        return text;
    }
    if (held_back)
        return held_back;
    if (!is_downgrade(job))
        return NULL;
    snprintf(
        text, OBJECTION_BYTES,
        "by its name the image is version \"%s\", older than \"%s\" that the device runs; allow_downgrade = true "
        "lets it through",
        slot_version(target, job->slot), slot_version(target, target->active));
    return text;
}

/* True when the open window may be used now. Ends the job when the answer was no. */
static bool has_consent(struct firmware_job *job, int open, const struct window_now *now)
{
    const struct firmware_policy *policy = &job->firmware->policy;
    const struct firmware_window *window = &job->windows[open];
    const char *reason = "the resident refused this update";
    enum firmware_consent consent = policy->consent(policy->consent_ctx, job,
                                                    job->auto_activate ? NULL : window, &reason);

    switch (consent) {
    case CONSENT_GRANTED:
        return true;
    case CONSENT_UNKNOWN:
        if (window->mode != MODE_CONFIRMATION_NEEDED)
            return true;
        job->used_windows |= 1u << open;
        activate_consider(job);
        return false;
    case CONSENT_PENDING:
    case CONSENT_QUIET:
        wait_for(job, consent == CONSENT_QUIET ? WAITS_QUIET : WAITS_CONSENT, UINT64_MAX, now);
        return false;
    case CONSENT_REFUSED:
        break;
    }
    job_end(job, JOB_FAILED, ERROR_REQUEST_DENIED, "%s", reason);
    return false;
}

/* True when the job ended or waits for something other than its window. */
static bool is_held_up(struct firmware_job *job, const struct window_now *now)
{
    struct firmware_target *target = job->target;
    uint64_t mono = clock_monotonic(&job->firmware->loop->clock);
    enum waits_for turn;
    struct error err;
    uint64_t ms;
    int allowed = release_allows(job, &turn, &ms, &err);

    /* Nobody is asked about what may not be installed. */
    if (allowed < 0)
        activate_refused(job, &err);
    else if (!allowed)
        wait_for(job, turn, ms, now);
    if (allowed <= 0)
        return true;
    if (!has_consent(job, now->open, now))
        return true;
    if (job->retry_at > mono) {
        wait_for(job, WAITS_RETRY, job->retry_at - mono, now);
    } else if (!target->online) {
        wait_for(job, WAITS_DEVICE, UINT64_MAX, now);
    } else if (job->windows[now->open].mode == MODE_WHEN_IDLE && target->ops->idle &&
               !target->ops->idle(target)) {
        wait_for(job, WAITS_IDLE, IDLE_POLL_MS, now);
    } else {
        turn = turn_of(job, &ms);
        if (turn == WAITS_NOT)
            return false;
        wait_for(job, turn, ms, now);
    }
    return true;
}

void activate_consider(struct firmware_job *job)
{
    struct firmware_slot *slot = &job->target->slots[job->slot];
    char text[OBJECTION_BYTES];
    struct window_now now;
    const char *why;

    if (job->state != JOB_WAITING || job->ended)
        return;
    why = objection(job, text);
    if (why) {
        activate_failed(job, false, why);
        return;
    }
    if (slot->status == FIRMWARE_ACTIVE) {
        job_end(job, JOB_DONE, ERROR_NONE, "%s", "");
        return;
    }
    if (!slot->image && !slot->offer) {
        job_end(job, JOB_FAILED, ERROR_COMMAND_FAILURE,
                "FirmwareImage.%d no longer holds an image; download it again", job->slot + 1);
        return;
    }
    window_at(job->windows, job->window_count, job->used_windows, job_elapsed(job), &now);
    if (now.passed) {
        expire(job);
    } else if (now.open < 0) {
        wait_for(job, WAITS_WINDOW, UINT64_MAX, &now);
    } else if (!is_held_up(job, &now)) {
        struct error err;

        if (release_recheck(job, &err) < 0) {
            activate_refused(job, &err);
            return;
        }
        job->window = now.open;
        install_begin(job);
    }
}

void activate_begin(struct firmware_job *job)
{
    if (job->target->slots[job->slot].status != FIRMWARE_AVAILABLE)
        slot_set_status(job->target, job->slot, FIRMWARE_AVAILABLE, NULL);
    turn_changed(job->target);
    job_set_state(job, JOB_WAITING);
    activate_consider(job);
}

/* ---- failure of an installation ---- */

static bool may_retry(struct firmware_job *job)
{
    int32_t allowed = job->window >= 0 ? job->windows[job->window].max_retries : -1;

    if (allowed < 0)
        allowed = (int32_t)job->firmware->retries;
    if (job->window < 0) /* interrupted by a restart of ours: which window it was is no longer known */
        return job->tries < job->firmware->retries;
    return job->window_tries[job->window] < allowed;
}

static bool try_again(struct firmware_job *job)
{
    struct window_now now;

    if (may_retry(job)) {
        if (job->window >= 0)
            job->window_tries[job->window]++;
        job->retry_at = clock_monotonic(&job->firmware->loop->clock) +
                        timer_backoff(job->firmware->retry_wait_s, RETRY_MULTIPLIER, job->tries + 1,
                                      RETRY_CAP_S);
    } else {
        if (job->window < 0)
            return false;
        job->used_windows |= 1u << job->window;
        job->retry_at = 0;
    }
    window_at(job->windows, job->window_count, job->used_windows, job_elapsed(job), &now);
    return !now.passed;
}

void activate_failed(struct firmware_job *job, bool transient, const char *reason)
{
    install_leave(job);
    job_stop_timers(job);
    job->then = NULL;
    if (transient && try_again(job)) {
        job->tries++;
        job->handed = false;
        job->window = -1;
        job_set_state(job, JOB_WAITING);
        firmware_reconsider(job->firmware);
        activate_consider(job);
        return;
    }
    slot_set_status(job->target, job->slot, FIRMWARE_ACTIVATION_FAILED, reason);
    job_end(job, JOB_FAILED, ERROR_COMMAND_FAILURE, "%s", reason);
}

void activate_refused(struct firmware_job *job, const struct error *err)
{
    struct error kept = *err;

    install_leave(job);
    job_stop_timers(job);
    job->then = NULL;
    slot_set_status(job->target, job->slot, FIRMWARE_ACTIVATION_FAILED, kept.message);
    job_end(job, JOB_FAILED, kept.code ? kept.code : ERROR_COMMAND_FAILURE, "%s", kept.message);
}

/* ---- acceptance ---- */

static int copy_windows(struct firmware_job *job, const struct firmware_window *windows, size_t count)
{
    if (!count) {
        job->windows[0] = (struct firmware_window){
            .end_s = WINDOW_UNTIMED_S, .mode = MODE_IMMEDIATELY, .max_retries = -1};
        job->window_count = 1;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        char *message = NULL;

        if (str_replace(&message, windows[i].user_message) < 0)
            return -1;
        job->windows[i] = windows[i];
        job->windows[i].user_message = message;
        job->window_count++;
    }
    return 0;
}

static int admit_activate(struct firmware_target *target, int slot, struct error *err)
{
    const struct firmware_slot *at;

    if (job_admit(target, slot, err) < 0)
        return -1;
    at = &target->slots[slot];
    if (slot == target->active)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path, "FirmwareImage.%d is Active already",
                         slot + 1);
    if (!at->image && !at->offer)
        return error_set(
            err, ERROR_COMMAND_FAILURE, target->path,
            "FirmwareImage.%d is %s and holds nothing to activate; Download() an image to it first", slot + 1,
            firmware_status_text(at->status));
    for (const struct firmware_job *job = target->jobs; job; job = job->target_next)
        if (job->command == FIRMWARE_ACTIVATE)
            return error_set(err, ERROR_COMMAND_FAILURE, target->path,
                             "an Activate() of FirmwareImage.%d has not ended; wait for it or cancel "
                             "Device.LocalAgent.Request.%u.",
                             job->slot + 1, job->request);
    return 0;
}

struct firmware_job *firmware_activate(struct firmware_target *target, int slot,
                                       const struct firmware_window *windows, size_t count,
                                       const struct firmware_origin *origin, struct error *err)
{
    struct firmware_job *job;

    if (window_check(windows, count, err) < 0 || admit_activate(target, slot, err) < 0)
        return NULL;
    job = job_new(target, FIRMWARE_ACTIVATE, slot);
    if (!job || copy_windows(job, windows, count) < 0) {
        job_free(job);
        error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "no memory for the job");
        return NULL;
    }
    return job_accept(job, origin, activate_begin, err);
}
