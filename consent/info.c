/* SPDX-License-Identifier: BSD-3-Clause */
/* What others see. */
#include "consent/internal.h"

static const char *text_of(const char *text)
{
    return text ? text : "";
}

/* Of a moment on the question's clock, as the wall clock shows it now. */
static int64_t wall_of(const struct consent_question *question, uint64_t at)
{
    return at == UINT64_MAX ? 0
                            : clock_wall(&question->consent->loop->clock) + (int64_t)at -
                                  (int64_t)question_elapsed(question);
}

static int64_t answer_by(const struct consent_question *question)
{
    const struct firmware_job *job = question_job(question);
    struct firmware_job_info info;

    if (!job)
        return 0;
    firmware_job_info(job, &info);
    return clock_wall(&question->consent->loop->clock) + (int64_t)info.closes - (int64_t)info.elapsed;
}

static int64_t until(const struct consent_question *question)
{
    int64_t next;

    switch (question->now.state) {
    case QUESTION_LATER:
        return wall_of(question, question->now.until);
    case QUESTION_TONIGHT:
        return consent_is_quiet(question->consent, &next) ? clock_wall(&question->consent->loop->clock)
                                                          : next;
    default:
        return 0;
    }
}

static bool is_open(enum consent_state state)
{
    return state == QUESTION_ASKED || state == QUESTION_NOTICE || state == QUESTION_LATER;
}

void consent_question_info(const struct consent_question *question, struct consent_question_info *ret)
{
    uint32_t most = question->consent->home.max_deferrals;

    *ret = (struct consent_question_info){
        .number = question->number,
        .device = question->device,
        .slot = question->slot,
        .state = question->now.state,
        .severity = question->severity,
        .security = question->security,
        .confirm = question->confirm,
        .notice_only = question->notice_only,
        .version = text_of(question->version),
        .from = text_of(question->from),
        .wording = text_of(question->wording),
        .notes_url = text_of(question->notes_url),
        .deferrals = question->now.deferrals,
        .deferrals_left = most > question->now.deferrals ? most - question->now.deferrals : 0,
        .asked = question->asked,
        .acts_at = is_open(question->now.state) ? wall_of(question, question_acts_at(question)) : 0,
        .until = until(question),
        .answer_by = answer_by(question),
    };
    for (enum consent_choice choice = 0; choice < CONSENT_CHOICES; choice++)
        ret->why[choice] = question_why(question, choice);
}

bool consent_question_shown(const struct consent_question *question)
{
    bool by_policy = question->now.who == WHO_POLICY;

    switch (question->now.state) {
    case QUESTION_AGREED:
    case QUESTION_REFUSED:
        return !by_policy;
    case QUESTION_IDLE:
        return false;
    default:
        return true;
    }
}

void consent_each_question(struct consent *consent, void (*fn)(void *ctx, struct consent_question *question),
                           void *ctx)
{
    for (struct consent_question *question = consent->first, *next; question; question = next) {
        next = question->next;
        if (consent_question_shown(question))
            fn(ctx, question);
    }
}

/* ---- devices ---- */

struct consent_device *consent_find_device(struct consent *consent, const char *key)
{
    struct consent_device *device = map_get(&consent->devices, str_of(key));

    return device && device->target ? device : NULL;
}

void consent_each_device(struct consent *consent, void (*fn)(void *ctx, struct consent_device *device),
                         void *ctx)
{
    struct consent_device *device;
    size_t at = 0;

    while ((device = map_next(&consent->devices, &at)))
        if (device->target)
            fn(ctx, device);
}

/* The one that installs, before one that only fetches. */
static const struct firmware_job *busy_with(const struct firmware_target *target,
                                            struct firmware_job_info *ret)
{
    const struct firmware_job *found = NULL;

    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        const struct firmware_job *job = firmware_slot_job(target, i);
        struct firmware_job_info info;

        if (!job)
            continue;
        firmware_job_info(job, &info);
        if (found && info.state < JOB_WAITING)
            continue;
        found = job;
        *ret = info;
    }
    return found;
}

void consent_device_info(const struct consent_device *device, struct consent_device_info *ret)
{
    const struct firmware_target *target = device->target;
    const struct consent *consent = device->consent;
    struct firmware_job_info info = {.command = FIRMWARE_DOWNLOAD};

    *ret = (struct consent_device_info){
        .key = device->key,
        .version = "",
        .reason = "",
        .battery = -1,
        .policy = own_policy(device),
        .effective = policy_of(device),
        .waits_for = "",
    };
    if (target) {
        if (consent->ops.about)
            consent->ops.about(consent->ops.ctx, target, &ret->about);
        ret->version = target->active >= 0 ? text_of(target->slots[target->active].version) : "";
        ret->online = target->online;
        ret->quarantined = target->blocked;
        ret->reason = target->blocked ? text_of(target->blocked_reason) : "";
        ret->battery = target->on_battery ? target->battery : -1;
        ret->busy = busy_with(target, &info) != NULL;
    }
    ret->about.name = text_of(ret->about.name);
    ret->about.manufacturer = text_of(ret->about.manufacturer);
    ret->about.model = text_of(ret->about.model);
    ret->about.type = text_of(ret->about.type);
    ret->about.last_result = text_of(ret->about.last_result);
    ret->about.changed = text_of(ret->about.changed);
    ret->about.was = text_of(ret->about.was);
    ret->about.is = text_of(ret->about.is);
    if (!ret->busy)
        return;
    ret->command = info.command;
    ret->state = info.state;
    ret->progress = info.progress;
    ret->waits_for = info.waits_for;
}
