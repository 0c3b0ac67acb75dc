/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "firmware/job_release.h"
#include "firmware/turn.h"

enum {
    FAULT_BYTES = 256, /* TransferComplete! FaultString: string(:256) */
};

/* ---- life ---- */

static void on_durable(void *ctx, bool durable);

struct firmware_job *job_new(struct firmware_target *target, enum firmware_command command, int slot)
{
    struct firmware_job *job = calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    job->firmware = target->firmware;
    job->target = target;
    job->command = command;
    job->slot = slot;
    job->window = -1;
    job->checksum.algorithm = job->fetched.algorithm = VERIFY_ALGORITHMS;
    job->waiter = (struct store_waiter){.fn = on_durable, .ctx = job};
    timer_init(&job->timer, NULL, job);
    timer_init(&job->deadline, NULL, job);
    return job;
}

void job_free(struct firmware_job *job)
{
    if (!job)
        return;
    free(job->key);
    free(job->originator);
    free(job->boot_failure);
    free(job->command_path);
    free(job->command_key);
    free(job->url);
    free(job->username);
    if (job->password)
        explicit_bzero(job->password, strlen(job->password));
    free(job->password);
    for (unsigned i = 0; i < FIRMWARE_WINDOWS; i++)
        free((char *)job->windows[i].user_message);
    free(job->old_version);
    free(job->fault);
    free(job->result_version);
    free(job);
}

void job_link(struct firmware_job *job)
{
    struct firmware *firmware = job->firmware;
    struct firmware_job *after = firmware->last_job;

    while (after && after->id > job->id)
        after = after->previous;
    job->previous = after;
    job->next = after ? after->next : firmware->jobs;
    *(after ? &after->next : &firmware->jobs) = job;
    *(job->next ? &job->next->previous : &firmware->last_job) = job;
    job->target_next = job->target->jobs;
    job->target->jobs = job;
    firmware->job_count++;
}

static void unlink_job(struct firmware_job *job)
{
    struct firmware *firmware = job->firmware;

    if (firmware->walk == job)
        firmware->walk = job->next;
    *(job->previous ? &job->previous->next : &firmware->jobs) = job->next;
    *(job->next ? &job->next->previous : &firmware->last_job) = job->previous;
    job->next = job->previous = NULL;
    for (struct firmware_job **at = &job->target->jobs; *at; at = &(*at)->target_next) {
        if (*at == job) {
            *at = job->target_next;
            break;
        }
    }
    firmware->job_count--;
}

void job_stop_timers(struct firmware_job *job)
{
    struct timers *timers = &job->firmware->loop->timers;

    timer_cancel(timers, &job->timer);
    timer_cancel(timers, &job->deadline);
    job->unarmed_ms = 0;
    job->unarmed_deadline = false;
}

/* Out of all steps: no timer, fetch, grant or place is left. */
static void leave_steps(struct firmware_job *job)
{
    job_stop_timers(job);
    fetch_cancel(job->firmware->fetches, &job->want);
    release_leave(job);
    install_leave(job);
    job->then = NULL;
}

/* The store still has a waiter of it, or its deletion is not durable yet: freed later. */
static void let_go(struct firmware_job *job)
{
    job->gone = true;
    if (!job->waiter_armed)
        job_free(job);
}

void job_let_go(struct firmware_job *job)
{
    leave_steps(job);
    unlink_job(job);
    let_go(job);
}

/* ---- durability ---- */

static void wait_for_store(struct firmware_job *job)
{
    if (job->waiter_armed) {
        job->wait_again = true;
        return;
    }
    job->waiter_armed = true;
    store_wait(job->firmware->store, &job->waiter);
}

/* The command was answered with an error, and the store knows nothing: it never was. */
static void drop(struct firmware_job *job)
{
    leave_steps(job);
    firmware_tell(job->firmware, FIRMWARE_JOB_DROPPED, job->target, job->slot, job);
    unlink_job(job);
    let_go(job);
}

static void unlist_ended(struct firmware_job *job)
{
    for (struct firmware_job **at = &job->firmware->ended; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            return;
        }
    }
}

static void on_durable(void *ctx, bool durable)
{
    struct firmware_job *job = ctx;
    void (*then)(struct firmware_job * job) = job->then;

    job->waiter_armed = false;
    if (job->gone) {
        job_free(job);
    } else if (!durable || job->unsaved) {
        /* What had been stored before stays true; firmware.c writes the rest again, see job_rewrite(). */
        job->wait_again = false;
        if (!job->accepted && !job->ended)
            drop(job);
    } else if (job->wait_again) {
        job->accepted = true;
        job->wait_again = false;
        wait_for_store(job);
    } else if (job->ended) {
        unlist_ended(job);
        job_free(job);
    } else {
        job->accepted = true;
        job->then = NULL;
        if (then)
            then(job);
    }
}

void job_then(struct firmware_job *job, void (*fn)(struct firmware_job *job))
{
    job->then = fn;
    wait_for_store(job);
}

void job_rewrite(struct firmware_job *job)
{
    if (job->ended) {
        job_delete(job, NULL);
        /* The result was lost with the batch. Without a target there is nobody left to tell. */
        if (job->target)
            firmware_tell(job->firmware, FIRMWARE_JOB_ENDED, job->target, job->slot, job);
    } else {
        job_save(job, NULL);
    }
    if (job->ended || job->then)
        wait_for_store(job);
}

/* ---- acceptance ---- */

struct firmware_job *firmware_slot_job(const struct firmware_target *target, int slot)
{
    for (struct firmware_job *job = target->jobs; job; job = job->target_next)
        if (job->slot == slot)
            return job;
    return NULL;
}

int job_admit(struct firmware_target *target, int slot, struct error *err)
{
    struct firmware_job *job;

    if (!target->firmware || slot < 0 || slot >= FIRMWARE_SLOTS)
        return error_set(err, ERROR_OBJECT_DOES_NOT_EXIST, target->path, "there is no such FirmwareImage");
    if (target->blocked)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path, "the device is not updated: %s",
                         target->blocked_reason ? target->blocked_reason : "it is quarantined");
    job = firmware_slot_job(target, slot);
    if (job)
        return error_set(
            err, ERROR_COMMAND_FAILURE, target->path,
            "FirmwareImage.%d is busy: %s is %s; wait for it or cancel Device.LocalAgent.Request.%u.",
            slot + 1, job->command == FIRMWARE_DOWNLOAD ? "Download()" : "Activate()",
            firmware_job_state_text(job->state), job->request);
    if (target->firmware->job_count >= target->firmware->loop->limits->jobs)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path,
                         "too many firmware jobs have not ended yet (%s is %u)",
                         LIMIT_SAYS(target->firmware->loop->limits, jobs));
    return 0;
}

static int store_new(struct firmware_job *job, struct error *err)
{
    struct firmware *firmware = job->firmware;
    char number[24];
    size_t len = str_from_u64(number, firmware->next_id);

    if (store_put(firmware->store, "firmware", STR("next_job"), number, len, err) < 0)
        return -1;
    return job_save(job, err);
}

struct firmware_job *job_accept(struct firmware_job *job, const struct firmware_origin *origin,
                                void (*then)(struct firmware_job *job), struct error *err)
{
    struct firmware *firmware = job->firmware;

    job->request = origin->request;
    job->accepted_at = clock_wall(&firmware->loop->clock);
    job->elapsed_from = clock_monotonic(&firmware->loop->clock);
    if (job_name(job, firmware->next_id++) < 0 || str_replace(&job->originator, origin->originator) < 0 ||
        str_replace(&job->command_path, origin->command) < 0 ||
        str_replace(&job->command_key, origin->command_key) < 0) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, job->target->path, "no memory for the job");
        job_free(job);
        return NULL;
    }
    if (store_new(job, err) < 0) {
        job_free(job);
        return NULL;
    }
    job_link(job);
    job_then(job, then);
    return job;
}

/* ---- states ---- */

uint64_t job_elapsed(const struct firmware_job *job)
{
    uint64_t now = clock_monotonic(&job->firmware->loop->clock);

    return job->elapsed_base_s + (now - job->elapsed_from) / 1000;
}

void job_set_state(struct firmware_job *job, enum firmware_job_state state)
{
    if (job->state == state)
        return;
    job->state = state;
    job->progress = 0;
    if (state != JOB_WAITING)
        job->waits_for = WAITS_NOT;
    job_save(job, NULL);
    firmware_tell(job->firmware, FIRMWARE_JOB_CHANGED, job->target, job->slot, job);
}

void job_set_progress(struct firmware_job *job, unsigned percent)
{
    if (percent > 100)
        percent = 100;
    if (percent <= job->progress)
        return;
    job->progress = percent;
    firmware_tell(job->firmware, FIRMWARE_JOB_CHANGED, job->target, job->slot, job);
}

void job_wait_ms(struct firmware_job *job, uint64_t ms, timer_fn *fn)
{
    job->timer.fn = fn;
    job->unarmed_ms = 0;
    if (timer_arm(&job->firmware->loop->timers, &job->timer, ms) == 0)
        return;
    job->unarmed_ms = ms ? ms : 1;
    firmware_repair(job->firmware);
}

void job_rearm(struct firmware_job *job)
{
    if (job->unarmed_ms)
        job_wait_ms(job, job->unarmed_ms, job->timer.fn);
    if (job->unarmed_deadline)
        install_watch_return(job);
}

/*
 * One batch holds the end: what the slot became (written by the caller in this iteration), the deletion of the job's
 * record, and what observers write about the result.
 */
void job_end(struct firmware_job *job, enum firmware_job_state state, uint32_t code, const char *fmt, ...)
{
    struct firmware *firmware = job->firmware;
    char fault[FAULT_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fault, sizeof(fault), fmt, ap);
    va_end(ap);
    leave_steps(job);
    job->state = state;
    job->ended_at = clock_wall(&firmware->loop->clock);
    job->fault_code = code;
    job->fault = *fault ? strdup(fault) : NULL;
    if (job->target->active >= 0)
        str_replace(&job->result_version, slot_version(job->target, job->target->active));
    job_delete(job, NULL);
    firmware_tell(firmware, FIRMWARE_JOB_ENDED, job->target, job->slot, job);
    unlink_job(job);
    turn_ended(firmware, job->target->cohort);
    job->ended = true;
    job->next = firmware->ended;
    firmware->ended = job;
    wait_for_store(job);
    firmware_reconsider(firmware);
}

int firmware_job_cancel(struct firmware_job *job, struct error *err)
{
    if (job->ended)
        return error_set(err, ERROR_COMMAND_FAILURE, job->target->path, "it has ended already");
    switch (job->state) {
    case JOB_REBOOTING:
    case JOB_CONFIRMING:
        return error_set(err, ERROR_COMMAND_FAILURE, job->target->path,
                         "it is too late to cancel: the device has the image and restarts");
    case JOB_TRANSFERRING:
        if (job->target->ops->abort)
            job->target->ops->abort(job->target);
        break;
    case JOB_REQUESTED:
    case JOB_FETCHING:
    case JOB_VERIFYING:
        if (job->command == FIRMWARE_DOWNLOAD)
            download_cancel(job);
        break;
    default:
        break;
    }
    job_end(job, JOB_CANCELLED, ERROR_COMMAND_CANCELLED, "cancelled on request");
    return 0;
}

/* ---- what others see ---- */

void firmware_job_info(const struct firmware_job *job, struct firmware_job_info *ret)
{
    static const char *const waits[] = {
        [WAITS_NOT] = "",        [WAITS_WINDOW] = "window", [WAITS_CONSENT] = "consent",
        [WAITS_QUIET] = "quiet", [WAITS_RETRY] = "retry",   [WAITS_DEVICE] = "device",
        [WAITS_IDLE] = "idle",   [WAITS_TURN] = "turn",     [WAITS_BATTERY] = "battery",
        [WAITS_HUB] = "hub",     [WAITS_CANARY] = "canary", [WAITS_RELEASE] = "release",
    };
    uint64_t closes = 0;

    for (unsigned i = 0; i < job->window_count; i++)
        if (job->windows[i].end_s > closes)
            closes = job->windows[i].end_s;
    *ret = (struct firmware_job_info){
        .id = job->id,
        .command = job->command,
        .state = job->state,
        .target = job->target,
        .slot = job->slot,
        .progress = job->progress,
        .tries = job->tries,
        .origin = {.originator = job->originator ? job->originator : "",
                   .command = job->command_path ? job->command_path : "",
                   .command_key = job->command_key ? job->command_key : "",
                   .request = job->request},
        .waits_for = waits[job->waits_for],
        .url = job->url ? job->url : "",
        .checksum_algorithm = verify_algorithm_text(job->fetched.algorithm),
        .checksum = job->fetched.hex,
        .version = job->result_version ? job->result_version : "",
        .started = job->accepted_at,
        .ended = job->ended_at,
        .elapsed = job_elapsed(job),
        .closes = closes,
        .fault_code = job->fault_code,
        .fault = job->fault        ? job->fault
                 : job->fault_code ? error_text(job->fault_code)
                                   : "",
    };
}

void firmware_job_set_ctx(struct firmware_job *job, void *ctx)
{
    job->ctx = ctx;
}

void *firmware_job_ctx(const struct firmware_job *job)
{
    return job->ctx;
}

void firmware_each_job(struct firmware *firmware, void (*fn)(void *ctx, struct firmware_job *job), void *ctx)
{
    for (struct firmware_job *job = firmware->jobs, *next; job; job = next) {
        next = job->next;
        fn(ctx, job);
    }
}

const char *firmware_job_state_text(enum firmware_job_state state)
{
    static const char *const texts[] = {
        [JOB_REQUESTED] = "Requested",
        [JOB_FETCHING] = "Fetching",
        [JOB_VERIFYING] = "Verifying",
        [JOB_WAITING] = "Waiting",
        [JOB_TRANSFERRING] = "Transferring",
        [JOB_REBOOTING] = "Rebooting",
        [JOB_CONFIRMING] = "Confirming",
        [JOB_DONE] = "Done",
        [JOB_FAILED] = "Failed",
        [JOB_ROLLED_BACK] = "RolledBack",
        [JOB_CANCELLED] = "Cancelled",
        [JOB_EXPIRED] = "Expired",
    };

    return texts[state];
}

void job_resume(struct firmware_job *job)
{
    switch (job->state) {
    case JOB_REQUESTED:
    case JOB_FETCHING:
    case JOB_VERIFYING:
        job_set_state(job, JOB_REQUESTED);
        if (job->command == FIRMWARE_DOWNLOAD)
            download_begin(job);
        else
            activate_begin(job);
        break;
    case JOB_WAITING:
        activate_consider(job);
        break;
    default:
        install_resume(job);
        break;
    }
}
