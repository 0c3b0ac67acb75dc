/* SPDX-License-Identifier: BSD-3-Clause */
#include "consent/consent.h"

#include <stdlib.h>
#include <string.h>

#include "consent/internal.h"

enum {
    LOOK_MS = 60 * 1000, /* at most so late after the wall clock came to the quiet hours, or jumped there */
    AGAIN_MS = 5 * 1000,
};

void consent_tell(struct consent *consent, enum consent_event_type type, struct consent_question *question,
                  struct consent_entry *entry, struct consent_device *device)
{
    struct consent_event event = {.type = type, .question = question, .entry = entry, .device = device};

    observers_notify(&consent->observers, &event);
}

struct observers *consent_observers(struct consent *consent)
{
    return &consent->observers;
}

/* ---- the clock ---- */

void consent_soon(struct consent *consent, uint64_t ms)
{
    uint64_t due = clock_monotonic(&consent->loop->clock) + ms;

    if (consent->timer.due > due)
        timer_arm(&consent->loop->timers, &consent->timer, ms);
}

/* ms until something of it is due by itself. */
static uint64_t next_of(const struct consent_question *question)
{
    uint64_t elapsed = question_elapsed(question);
    uint64_t at = UINT64_MAX;

    switch (question->now.state) {
    case QUESTION_TONIGHT:
        return LOOK_MS;
    case QUESTION_AGREED:
        return question->notice_only && !question_job(question) ? LOOK_MS : UINT64_MAX;
    case QUESTION_LATER:
        at = question->now.until;
        __attribute__((fallthrough));
    case QUESTION_ASKED:
    case QUESTION_NOTICE:
        if (question_acts_at(question) < at)
            at = question_acts_at(question);
        if (at == UINT64_MAX)
            return UINT64_MAX;
        /* The clock of a question counts whole seconds. */
        return at > elapsed ? (at - elapsed) * 1000 : 1000;
    default:
        return UINT64_MAX;
    }
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct consent *consent = ctx;
    bool wake = consent->again;
    uint64_t next = UINT64_MAX;
    int64_t when;
    bool quiet;

    /* Its place in the heap is free until something else is armed. */
    timer_arm(&consent->loop->timers, timer, UINT64_MAX);
    consent->again = false;
    if (consent->lost)
        keep_rewrite(consent);
    for (struct consent_question *question = consent->first; question; question = consent->walk) {
        consent->walk = question->next;
        wake = question_settle(question) || wake;
        question_launch(question);
        if (next_of(question) < next)
            next = next_of(question);
    }
    consent->walk = NULL;
    quiet = consent_is_quiet(consent, &when);
    if ((wake || quiet != consent->was_quiet) && consent->firmware)
        firmware_reconsider(consent->firmware);
    consent->was_quiet = quiet;
    if (next != UINT64_MAX)
        consent_soon(consent, next);
}

/* ---- devices ---- */

struct consent_device *device_get(struct consent *consent, const char *key)
{
    struct consent_device *device = map_get(&consent->devices, str_of(key));

    if (device)
        return device;
    device = calloc(1, sizeof(*device));
    if (!device)
        return NULL;
    device->consent = consent;
    device->policy = POLICY_HOME;
    device->key = strdup(key);
    if (device->key && map_put(&consent->devices, str_of(device->key), device) == 0)
        return device;
    free(device->key);
    free(device);
    return NULL;
}

static void device_free(struct consent_device *device)
{
    map_remove(&device->consent->devices, str_of(device->key));
    free(device->key);
    free(device);
}

struct consent_device *consent_show_device(struct consent *consent, const char *key)
{
    struct consent_device *device = device_get(consent, key);

    if (device)
        device->shown = true;
    return device;
}

void consent_hide_device(struct consent *consent, const char *key)
{
    struct consent_device *device = map_get(&consent->devices, str_of(key));

    if (!device)
        return;
    device->shown = false;
    if (!device->target && consent->firmware)
        device_free(device);
}

static void add_target(struct consent_device *device, struct firmware_target *target)
{
    struct consent *consent = device->consent;
    struct consent_about about = {.gateway = false};

    if (device->target == target)
        return;
    device->target = target;
    if (consent->ops.about)
        consent->ops.about(consent->ops.ctx, target, &about);
    device->gateway = about.gateway;
}

static void remove_target(struct consent_device *device)
{
    for (int i = 0; i < FIRMWARE_SLOTS; i++)
        if (device->questions[i])
            question_drop(device->questions[i]);
    device->policy = POLICY_HOME;
    device_save(device, NULL);
    device->target = NULL;
    if (!device->shown)
        device_free(device);
}

/* ---- what the firmware manager tells ---- */

static void on_slot(struct consent_question *question)
{
    const struct consent_by by = {WHO_POLICY, "gateway"};

    if (question_job(question) || question_matches(question))
        return;
    if (question->now.state != QUESTION_IDLE && question->now.state != QUESTION_REFUSED)
        question_log(question, ENTRY_DROPPED, &by, NULL, "the update is no longer there", NULL);
    question_drop(question);
}

static void on_job(struct consent_question *question, const struct firmware_event *event)
{
    struct firmware_job_info info;

    firmware_job_info(event->job, &info);
    if (event->type == FIRMWARE_JOB_RESUMED)
        question->job_id = info.id;
    if (question->job_id != info.id)
        return;
    if (event->type == FIRMWARE_JOB_ENDED) {
        question_ended(question, &info);
        return;
    }
    if (event->type == FIRMWARE_JOB_DROPPED) {
        question->job_id = 0;
        if (question->notice_only)
            consent_soon(question->consent, AGAIN_MS);
        else
            question_rest(question);
        return;
    }
    if (question->job_state != info.state)
        consent_tell(question->consent, CONSENT_QUESTION_CHANGED, question, NULL, NULL);
    question->job_state = info.state;
}

void consent_device_news(struct consent *consent, const char *key)
{
    struct consent_device *device = consent_find_device(consent, key);

    if (device)
        consent_tell(consent, CONSENT_DEVICE_NEWS, NULL, NULL, device);
}

static void on_firmware(void *ctx, const void *data)
{
    const struct firmware_event *event = data;
    struct consent *consent = ctx;
    struct consent_device *device = event->target ? map_get(&consent->devices, str_of(event->target->key))
                                                  : NULL;
    struct consent_question *question = device ? device->questions[event->slot] : NULL;

    if (event->type == FIRMWARE_TARGET_REMOVED && device)
        consent_tell(consent, CONSENT_DEVICE_NEWS, NULL, NULL, device);

    switch (event->type) {
    case FIRMWARE_TARGET_ADDED:
        device = device_get(consent, event->target->key);
        if (device)
            add_target(device, event->target);
        break;
    case FIRMWARE_TARGET_REMOVED:
        if (device)
            remove_target(device);
        return; /* it may be freed */
    case FIRMWARE_TARGET_UPDATED:
        break;
    case FIRMWARE_SLOT_CHANGED:
        if (question)
            on_slot(question);
        break;
    case FIRMWARE_JOB_RESUMED:
    case FIRMWARE_JOB_CHANGED:
    case FIRMWARE_JOB_ENDED:
    case FIRMWARE_JOB_DROPPED:
        if (question)
            on_job(question, event);
        break;
    }
    if (event->target)
        consent_device_news(consent, event->target->key);
}

/* ---- what it asks ---- */

static enum firmware_consent not_now(struct consent *consent)
{
    consent->again = true;
    consent_soon(consent, AGAIN_MS);
    return CONSENT_PENDING;
}

static enum firmware_consent on_consent(void *ctx, struct firmware_job *job,
                                        const struct firmware_window *window, const char **ret_reason)
{
    bool by_window = window && window->mode == MODE_CONFIRMATION_NEEDED;
    const char *wording = by_window ? window->user_message : NULL;
    struct consent *consent = ctx;
    const struct firmware_notice *notice;
    bool confirm;
    struct consent_question *question;
    struct consent_device *device;
    struct firmware_job_info info;
    struct consent_by by;

    firmware_job_info(job, &info);
    device = consent->firmware ? device_get(consent, info.target->key) : NULL;
    if (!device)
        return not_now(consent);
    add_target(device, info.target);
    question = question_of(device, info.slot);
    if (!question)
        return not_now(consent);
    by = (struct consent_by){WHO_CONTROLLER, info.origin.originator};
    question->job_id = info.id;
    question->job_state = info.state;
    notice = info.target->slots[info.slot].notice;
    confirm = by_window || (notice && notice->ask);
    if (question->now.state == QUESTION_IDLE)
        question_open(question, confirm, wording, &by);
    else
        question_adjust(question, confirm, wording, &by);
    return question_answer(question, ret_reason);
}

/* ---- life ---- */

struct consent *consent_new(struct loop *loop, struct store *store, struct error *err)
{
    struct consent *consent = calloc(1, sizeof(*consent));

    if (!consent) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    consent->loop = loop;
    consent->store = store;
    consent->next_entry = 1;
    consent->waiter = (struct store_waiter){.fn = keep_on_batch, .ctx = consent};
    timer_init(&consent->timer, on_timer, consent);
    map_init(&consent->devices);
    map_init(&consent->shares);
    if (home_init(consent) < 0 || timer_arm(&loop->timers, &consent->timer, UINT64_MAX) < 0) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        consent_free(consent);
        return NULL;
    }
    if (keep_load(consent, err) < 0) {
        consent_free(consent);
        return NULL;
    }
    return consent;
}

void consent_start(struct consent *consent, struct firmware *firmware, const struct consent_ops *ops)
{
    const struct firmware_policy policy = {.consent = on_consent, .consent_ctx = consent};

    consent->firmware = firmware;
    consent->ops = *ops;
    firmware_set_policy(firmware, &policy);
    consent->firmware_observer = (struct observer){.fn = on_firmware, .ctx = consent};
    observer_add(firmware_observers(firmware), &consent->firmware_observer);
}

void consent_ready(struct consent *consent)
{
    consent->ready = true;
    for (struct consent_question *question = consent->first; question; question = consent->walk) {
        consent->walk = question->next;
        if (!question->device->target)
            continue; /* of a dialect that is not there: its device keeps what was said */
        if (question_job(question) || question->notice_only || question->now.state == QUESTION_REFUSED ||
            question->now.state == QUESTION_IDLE)
            continue;
        question_rest(question);
    }
    consent->walk = NULL;
    consent_soon(consent, 0);
}

void consent_stop(struct consent *consent)
{
    struct consent_device *device;
    size_t at = 0;

    if (!consent || !consent->firmware)
        return;
    observer_remove(firmware_observers(consent->firmware), &consent->firmware_observer);
    consent->firmware = NULL;
    while ((device = map_next(&consent->devices, &at)))
        device->target = NULL;
}

void consent_free(struct consent *consent)
{
    struct consent_device *device;
    size_t at = 0;

    if (!consent)
        return;
    consent_stop(consent);
    if (consent->waiter_armed)
        store_unwait(consent->store, &consent->waiter);
    timer_cancel(&consent->loop->timers, &consent->timer);
    while (consent->first)
        question_unlink(consent->first);
    while ((device = map_next(&consent->devices, &at)))
        device_free(device);
    map_done(&consent->devices);
    ledger_free(consent);
    home_done(consent);
    explicit_bzero(&consent->code, sizeof(consent->code));
    free(consent);
}
