/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose turn it is. A job that could begin otherwise waits here for room (parallel_installs, one per radio or bridge), for
 * a hub that the device hangs on, for its battery, and for the home's canary: of the devices of one kind (cohort) one
 * installs an image first, and the others follow when it has run the new version for a while.
 *
 * Who is the canary is not kept: it follows from what the targets of a cohort run and what their jobs do. Only an image
 * that failed on one of them is remembered, so that the jobs that were accepted before are not tried on the next device;
 * a command given after that failure is another try on purpose.
 */
#include "firmware/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HUB_DEPTH = 4,      /* a device behind a bridge behind a gateway, and one more */
    ABSENCE_SOAKS = 10, /* a canary that left after its update is waited for so many soaks */
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
    enum waits_for answer;
    uint64_t ms;
};

/* ---- cohorts ---- */

static void forget_failure(struct firmware_cohort *cohort)
{
    free(cohort->failed);
    free(cohort->reason);
    cohort->failed = cohort->reason = NULL;
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
    if (cohort->name && map_put(&firmware->cohorts, str_of(cohort->name), cohort) == 0)
        return cohort;
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

/* Is it under way there, or about to be tried again? */
static bool is_trying(const struct firmware_target *target, const struct firmware_slot *slot)
{
    for (const struct firmware_job *job = target->jobs; job; job = job->target_next)
        if ((job->installing || (job->state == JOB_WAITING && job->waits_for == WAITS_RETRY)) &&
            is_same(&target->slots[job->slot], slot))
            return true;
    return false;
}

/* ms until a device that runs the image has run it for long enough: 0 when it has, UINT64_MAX when it says nothing. */
static uint64_t soak_left(const struct firmware_target *target, uint64_t now)
{
    uint64_t soak = target->firmware->canary_soak_s * 1000ull;

    if (!target->online || target->blocked)
        return now - target->since < soak * ABSENCE_SOAKS ? soak : UINT64_MAX;
    return now - target->since < soak ? target->since + soak - now : 0;
}

/* Walks the targets of the home once for each image and moment. */
static enum waits_for ask_cohort(const struct firmware_job *job, uint64_t now, uint64_t *ret_ms)
{
    const struct firmware_slot *slot = &job->target->slots[job->slot];
    uint64_t soonest = UINT64_MAX;
    bool trying = false;

    *ret_ms = UINT64_MAX;
    for (const struct firmware_target *at = job->firmware->targets; at; at = at->next) {
        uint64_t left = UINT64_MAX;

        if (at->cohort != job->target->cohort)
            continue;
        if (at->active >= 0 && is_same(&at->slots[at->active], slot))
            left = soak_left(at, now);
        if (left == 0)
            return WAITS_NOT;
        if (left < soonest)
            soonest = left;
        trying = trying || is_trying(at, slot);
    }
    *ret_ms = soonest;
    return trying || soonest != UINT64_MAX ? WAITS_CANARY : WAITS_NOT;
}

static enum waits_for canary(const struct firmware_job *job, uint64_t *ret_ms)
{
    const struct firmware_slot *slot = &job->target->slots[job->slot];
    struct firmware_cohort *cohort = job->target->cohort;
    uint64_t now = clock_monotonic(&job->firmware->loop->clock);

    if (!cohort || cohort->members < 2 || !job->firmware->canary_soak_s)
        return WAITS_NOT;
    if (job->waits_for == WAITS_RETRY)
        return WAITS_NOT; /* it is the canary, and the others wait for it */
    if (cohort->at != now + 1 || cohort->image != slot->image ||
        strcmp(cohort->version, slot->version ? slot->version : "") != 0) {
        cohort->answer = ask_cohort(job, now, &cohort->ms);
        cohort->at = now + 1;
        cohort->image = slot->image;
        str_copy(cohort->version, sizeof(cohort->version), slot->version ? slot->version : "");
    }
    *ret_ms = cohort->ms;
    return cohort->answer;
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
