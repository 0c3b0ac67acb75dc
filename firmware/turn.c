/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose turn it is. A job that could begin otherwise waits here for room (parallel_installs, one per radio or bridge), for
 * a hub that the device hangs on, for its battery, and for the home's canary: of the devices of one kind (cohort) one
 * installs an image first, and the others follow when it has run the new version for a while.
 *
 * Who is the canary is not kept: it follows from what the targets of a cohort run and what their jobs do. One that is awake
 * goes before those that sleep, and does not wait for an order that a sleeping one has taken with it. Only an image that
 * failed on one of them is remembered, in the store too (kind "cohort"), so that the jobs that were accepted before are not
 * tried on the next device; a command given after that failure is another try on purpose. It is forgotten with the last
 * such job, in the same batch.
 */
#include "firmware/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/record.h"

enum {
    FAILURE_VERSION = 1,     /* of the record */
    HUB_DEPTH = 4,           /* a device behind a bridge behind a gateway, and one more */
    DUE_POLL_MS = 60 * 1000, /* a device that sleeps looks whether one that is awake still goes first */
    ABSENCE_SOAKS = 10,      /* a canary that left after its update is waited for so many soaks */
};

/* What the cohort says about one image. */
struct cohort_answer {
    bool proven;      /* one has run it for long enough */
    bool trying;      /* one installs it, or is about to again */
    bool asleep;      /* ... once it wakes */
    bool due;         /* one that does not sleep could begin */
    uint64_t soak_ms; /* until one that runs it has done so for long enough; UINT64_MAX: none runs it */
};

/* Devices that are alike: manufacturer, model, hardware. Lives as long as it has members. */
struct firmware_cohort {
    char *name;
    uint32_t members;
    /* The image that failed last. */
    char *failed;         /* digest or version; NULL: none */
    char *reason;         /* for people */
    uint64_t failed_jobs; /* ids below this one were accepted before */
    /* The last answer about one image, good for this moment: jobs of a cohort ask one after the other. */
    const struct firmware_image *image;
    char version[FIRMWARE_TEXT_BYTES];
    uint64_t at; /* monotonic ms + 1; 0: none */
    struct cohort_answer answer;
};

/* ---- cohorts ---- */

static void forget_failure(struct firmware_cohort *cohort)
{
    free(cohort->failed);
    free(cohort->reason);
    cohort->failed = cohort->reason = NULL;
}

/* The record says what the struct says. What cannot be stored is as good as before the program ended. */
static void save_failure(struct firmware *firmware, const struct firmware_cohort *cohort)
{
    struct str key = str_of(cohort->name);
    struct buf buf;
    int result = -1;

    if (!cohort->failed) {
        firmware_wrote(firmware, store_delete(firmware->store, "cohort", key, NULL));
        return;
    }
    buf_init(&buf, RECORD_BYTES, 0);
    record_begin(&buf, FAILURE_VERSION);
    record_put_text(&buf, cohort->failed);
    record_put_text(&buf, cohort->reason);
    record_put_number(&buf, cohort->failed_jobs);
    if (!buf.failed)
        result = store_put(firmware->store, "cohort", key, buf_data(&buf), buf.len, NULL);
    buf_done(&buf);
    firmware_wrote(firmware, result);
}

static void load_failure(struct firmware *firmware, struct firmware_cohort *cohort)
{
    struct record_reader reader;
    struct buf buf;

    buf_init(&buf, RECORD_BYTES, 0);
    if (store_get(firmware->store, "cohort", str_of(cohort->name), &buf, NULL) == 1) {
        record_read(&reader, (struct str){(const char *)buf_data(&buf), buf.len}, FAILURE_VERSION);
        cohort->failed = record_text(&reader);
        cohort->reason = record_text(&reader);
        cohort->failed_jobs = record_number(&reader);
        if (!record_end(&reader) || !cohort->failed || !cohort->reason)
            forget_failure(cohort);
    }
    buf_done(&buf);
}

/* Jobs that the failure holds back. Those of targets that are not there yet have ids below it, too. */
static bool holds_back(const struct firmware *firmware, const struct firmware_cohort *cohort)
{
    for (const struct firmware_job *job = firmware->jobs; job; job = job->next)
        if (job->target->cohort == cohort && job->id < cohort->failed_jobs)
            return true;
    return false;
}

void turn_ended(struct firmware *firmware, struct firmware_cohort *cohort)
{
    if (!cohort || !cohort->failed || holds_back(firmware, cohort))
        return;
    forget_failure(cohort);
    save_failure(firmware, cohort);
}

void turn_rewrite(struct firmware *firmware)
{
    struct firmware_cohort *cohort;
    size_t at = 0;

    while ((cohort = map_next(&firmware->cohorts, &at)))
        save_failure(firmware, cohort);
}

void turn_leave_cohort(struct firmware_target *target)
{
    struct firmware_cohort *cohort = target->cohort;

    target->cohort = NULL;
    if (!cohort)
        return;
    cohort->at = 0;
    if (--cohort->members)
        return;
    map_remove(&target->firmware->cohorts, str_of(cohort->name));
    forget_failure(cohort);
    free(cohort->name);
    free(cohort);
}

static struct firmware_cohort *cohort_new(struct firmware *firmware, const char *name)
{
    struct firmware_cohort *cohort = calloc(1, sizeof(*cohort));

    if (!cohort)
        return NULL;
    cohort->name = strdup(name);
    if (cohort->name && map_put(&firmware->cohorts, str_of(cohort->name), cohort) == 0) {
        load_failure(firmware, cohort);
        return cohort;
    }
    free(cohort->name);
    free(cohort);
    return NULL;
}

void firmware_target_cohort(struct firmware_target *target, const char *name)
{
    struct firmware *firmware = target->firmware;
    struct firmware_cohort *cohort;

    if (!firmware || (target->cohort && name && strcmp(target->cohort->name, name) == 0))
        return;
    turn_leave_cohort(target);
    if (!name || !*name)
        return;
    cohort = map_get(&firmware->cohorts, str_of(name));
    if (!cohort)
        cohort = cohort_new(firmware, name);
    if (!cohort)
        return; /* no memory: it has no canary, which is as without a cohort */
    cohort->members++;
    cohort->at = 0;
    target->cohort = cohort;
}

const char *turn_cohort_name(const struct firmware_target *target)
{
    return target->cohort ? target->cohort->name : NULL;
}

/* What tells one image from another: its digest, or the version that a manufacturer offers. */
static const char *image_name(const struct firmware_slot *slot)
{
    return slot->image ? slot->image->sha256 : slot->version ? slot->version : "";
}

void turn_failed(struct firmware_job *job, const char *reason)
{
    struct firmware_target *target = job->target;
    struct firmware_cohort *cohort = target->cohort;

    if (!cohort || !job->firmware->canary_soak_s)
        return;
    forget_failure(cohort);
    cohort->failed = strdup(image_name(&target->slots[job->slot]));
    cohort->failed_jobs = job->firmware->next_id;
    cohort->at = 0;
    /* Without memory the next device becomes a canary: slower, and as safe for each but that one. */
    if (asprintf(&cohort->reason, "held back, because it failed on %s: %s", target->path, reason) < 0) {
        cohort->reason = NULL;
        forget_failure(cohort);
    }
    save_failure(job->firmware, cohort);
    firmware_reconsider(job->firmware);
}

const char *turn_held_back(const struct firmware_job *job)
{
    const struct firmware_cohort *cohort = job->target->cohort;

    if (!cohort || !cohort->failed || job->id >= cohort->failed_jobs ||
        strcmp(cohort->failed, image_name(&job->target->slots[job->slot])) != 0)
        return NULL;
    return cohort->reason;
}

/* ---- the canary ---- */

static bool is_same(const struct firmware_slot *a, const struct firmware_slot *b)
{
    if (a->image && a->image == b->image)
        return true;
    return a->proven && b->proven && a->version && b->version && strcmp(a->version, b->version) == 0;
}

/* Could it begin, if nobody else were there? */
static bool is_due(const struct firmware_job *job)
{
    const struct firmware_target *target = job->target;
    struct window_now now;

    if (job->command != FIRMWARE_ACTIVATE || target->sleeps || !target->online || target->blocked)
        return false;
    if (job->state == JOB_WAITING && job->waits_for != WAITS_NOT && job->waits_for != WAITS_TURN &&
        job->waits_for != WAITS_HUB && job->waits_for != WAITS_CANARY)
        return false;
    if (job->state != JOB_WAITING && job->state != JOB_REQUESTED)
        return false;
    window_at(job->windows, job->window_count, job->used_windows, job_elapsed(job), &now);
    return now.open >= 0;
}

/* What the jobs of one target do about the image: under way, about to be tried again, or about to begin. */
static void ask_jobs(const struct firmware_target *target, const struct firmware_slot *slot,
                     struct cohort_answer *answer)
{
    for (const struct firmware_job *job = target->jobs; job; job = job->target_next) {
        if (!is_same(&target->slots[job->slot], slot))
            continue;
        if (job->installing && job->deferred)
            answer->asleep = true;
        else if (job->installing || (job->state == JOB_WAITING && job->waits_for == WAITS_RETRY))
            answer->trying = true;
        else
            answer->due = answer->due || is_due(job);
    }
}

/* ms until a device that runs the image has run it for long enough: 0 when it has, UINT64_MAX when it says nothing. */
static uint64_t soak_left(const struct firmware_target *target, uint64_t now)
{
    uint64_t soak = target->firmware->canary_soak_s * 1000ull;

    if ((!target->online && !target->sleeps) || target->blocked)
        return now - target->since < soak * ABSENCE_SOAKS ? soak : UINT64_MAX;
    return now - target->since < soak ? target->since + soak - now : 0;
}

/* Walks the targets of the home once for each image and moment. */
static void ask_cohort(const struct firmware_job *job, uint64_t now, struct cohort_answer *answer)
{
    const struct firmware_slot *slot = &job->target->slots[job->slot];

    *answer = (struct cohort_answer){.soak_ms = UINT64_MAX};
    for (const struct firmware_target *at = job->firmware->targets; at; at = at->next) {
        uint64_t left = UINT64_MAX;

        if (at->cohort != job->target->cohort)
            continue;
        if (at->active >= 0 && is_same(&at->slots[at->active], slot))
            left = soak_left(at, now);
        if (left == 0) {
            answer->proven = true;
            return;
        }
        if (left < answer->soak_ms)
            answer->soak_ms = left;
        ask_jobs(at, slot, answer);
    }
}

static enum waits_for canary(const struct firmware_job *job, uint64_t *ret_ms)
{
    const struct firmware_slot *slot = &job->target->slots[job->slot];
    struct firmware_cohort *cohort = job->target->cohort;
    const struct cohort_answer *answer;
    uint64_t now = clock_monotonic(&job->firmware->loop->clock);

    if (!cohort || cohort->members < 2 || !job->firmware->canary_soak_s)
        return WAITS_NOT;
    if (job->waits_for == WAITS_RETRY)
        return WAITS_NOT; /* it is the canary, and the others wait for it */
    if (cohort->at != now + 1 || cohort->image != slot->image ||
        strcmp(cohort->version, slot->version ? slot->version : "") != 0) {
        ask_cohort(job, now, &cohort->answer);
        cohort->at = now + 1;
        cohort->image = slot->image;
        str_copy(cohort->version, sizeof(cohort->version), slot->version ? slot->version : "");
    }
    answer = &cohort->answer;
    *ret_ms = answer->soak_ms;
    if (answer->proven)
        return WAITS_NOT;
    if (answer->trying || answer->soak_ms != UINT64_MAX)
        return WAITS_CANARY;
    if (!job->target->sleeps || (!answer->asleep && !answer->due))
        return WAITS_NOT;
    *ret_ms = DUE_POLL_MS;
    return WAITS_CANARY;
}

void firmware_target_sleeps(struct firmware_target *target, bool sleeps)
{
    if (target->sleeps == sleeps)
        return;
    target->sleeps = sleeps;
    turn_changed(target);
    if (target->firmware && target->jobs)
        firmware_reconsider(target->firmware);
}

void turn_changed(struct firmware_target *target)
{
    if (target->cohort)
        target->cohort->at = 0;
}

/* ---- hubs ---- */

void firmware_target_hub(struct firmware_target *target, struct firmware_target *hub)
{
    const struct firmware_target *at = hub;

    /* Two that hang on each other would wait for each other. */
    for (unsigned depth = 0; at && depth < HUB_DEPTH; depth++, at = at->hub)
        if (at == target)
            hub = NULL;
    if (target->hub)
        target->hub->dependents--;
    target->hub = hub;
    if (hub)
        hub->dependents++;
}

void turn_leave_hub(struct firmware_target *target)
{
    firmware_target_hub(target, NULL);
    if (!target->dependents)
        return;
    for (struct firmware_target *at = target->firmware->targets; at; at = at->next)
        if (at->hub == target)
            firmware_target_hub(at, NULL);
}

/* It is being updated, or is ready to be: it goes first. */
static bool hub_is_due(const struct firmware_target *hub)
{
    for (const struct firmware_job *job = hub->jobs; job; job = job->target_next)
        if (job->installing ||
            (job->state == JOB_WAITING &&
             (job->waits_for == WAITS_HUB || job->waits_for == WAITS_TURN || job->waits_for == WAITS_RETRY)))
            return true;
    return false;
}

static bool hangs_on(const struct firmware_target *target, const struct firmware_target *hub)
{
    for (unsigned depth = 0; target && depth < HUB_DEPTH; depth++, target = target->hub)
        if (target->hub == hub)
            return true;
    return false;
}

static bool waits_for_hub(const struct firmware_job *job)
{
    const struct firmware_target *target = job->target;

    for (unsigned depth = 0; target->hub && depth < HUB_DEPTH; depth++, target = target->hub)
        if (hub_is_due(target->hub))
            return true;
    if (!job->target->dependents || !job->firmware->installs)
        return false;
    for (const struct firmware_job *other = job->firmware->jobs; other; other = other->next)
        if (other->installing && !other->deferred && hangs_on(other->target, job->target))
            return true;
    return false;
}

/* ---- all of it ---- */

static bool has_room(const struct firmware_job *job)
{
    const struct firmware *firmware = job->firmware;
    const char *group = job->target->group;

    if (job->target->job || firmware->installs >= firmware->parallel_installs)
        return false;
    if (!group)
        return true;
    for (const struct firmware_job *other = firmware->jobs; other; other = other->next)
        if (other->installing && !other->deferred && other->target->group &&
            strcmp(other->target->group, group) == 0)
            return false;
    return true;
}

void firmware_target_battery(struct firmware_target *target, int percent)
{
    target->on_battery = percent >= 0;
    target->battery = (uint8_t)(percent > 100 ? 100 : percent < 0 ? 0 : percent);
    if (target->firmware && target->jobs)
        firmware_reconsider(target->firmware);
}

enum waits_for turn_of(const struct firmware_job *job, uint64_t *ret_ms)
{
    const struct firmware_target *target = job->target;

    *ret_ms = UINT64_MAX;
    if (target->on_battery && target->battery < job->firmware->battery_minimum)
        return WAITS_BATTERY;
    if (waits_for_hub(job))
        return WAITS_HUB;
    if (!has_room(job))
        return WAITS_TURN;
    return canary(job, ret_ms);
}
