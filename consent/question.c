/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A question, from being put to the end of its update. Changes of its standing by a policy act at once: they are in the
 * batch that the job's next step waits for. Those by people act when question_durable() says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consent/internal.h"

enum {
    AGAIN_MS = 5 * 1000,
};

/* ---- life ---- */

struct consent_question *question_new(struct consent_device *device, int slot)
{
    struct consent_question *question = calloc(1, sizeof(*question));

    if (!question)
        return NULL;
    question->consent = device->consent;
    question->device = device;
    question->slot = slot;
    question->now.state = question->durable.state = QUESTION_IDLE;
    question->now.who = question->durable.who = WHO_POLICY;
    return question;
}

static void question_free(struct consent_question *question)
{
    if (!question)
        return;
    free(question->identity);
    free(question->version);
    free(question->from);
    free(question->wording);
    free(question->notes_url);
    free(question);
}

void question_link(struct consent_question *question)
{
    struct consent *consent = question->consent;
    struct consent_question *after = consent->last;

    while (after && after->number > question->number)
        after = after->previous;
    question->previous = after;
    question->next = after ? after->next : consent->first;
    *(after ? &after->next : &consent->first) = question;
    *(question->next ? &question->next->previous : &consent->last) = question;
    question->device->questions[question->slot] = question;
}

void question_unlink(struct consent_question *question)
{
    struct consent *consent = question->consent;

    if (consent->walk == question)
        consent->walk = question->next;
    *(question->previous ? &question->previous->next : &consent->first) = question->next;
    *(question->next ? &question->next->previous : &consent->last) = question->previous;
    for (struct consent_question **at = &consent->unsaved; *at; at = &(*at)->unsaved_next) {
        if (*at == question) {
            *at = question->unsaved_next;
            break;
        }
    }
    question->device->questions[question->slot] = NULL;
    question_free(question);
}

void question_drop(struct consent_question *question)
{
    question_forget(question);
    consent_tell(question->consent, CONSENT_QUESTION_REMOVED, question, NULL, NULL);
    question_unlink(question);
}

/* ---- what it is about ---- */

static const struct firmware_slot *slot_of(const struct consent_device *device, int slot)
{
    return device->target ? &device->target->slots[slot] : NULL;
}

/* -1: out of memory. *ret NULL: the slot holds nothing that could be installed. */
static int identity_of(const struct firmware_slot *slot, char **ret)
{
    *ret = NULL;
    if (!slot || slot->status == FIRMWARE_ACTIVE)
        return 0;
    if (slot->image)
        *ret = strdup(firmware_slot_sha256(slot));
    else if (slot->offer && asprintf(ret, "%s\n%s", slot->offer, slot->version ? slot->version : "") < 0)
        *ret = NULL;
    return (slot->image || slot->offer) && !*ret ? -1 : 0;
}

bool question_matches(const struct consent_question *question)
{
    char *identity;
    bool matches;

    if (identity_of(slot_of(question->device, question->slot), &identity) < 0)
        return true; /* not known now: looked at again */
    matches = identity && strcmp(identity, question->identity) == 0;
    free(identity);
    return matches;
}

static const char *runs(const struct consent_device *device)
{
    const struct firmware_target *target = device->target;
    const char *version = target && target->active >= 0 ? target->slots[target->active].version : NULL;

    return version ? version : "";
}

int question_word(struct consent_question *question, const char *wording)
{
    char cut[CONSENT_WORDING_BYTES];

    str_copy(cut, sizeof(cut), wording ? wording : "");
    cut[str_whole(str_of(cut))] = '\0';
    return str_replace(&question->wording, cut);
}

/* What the slot says now; a question that was put already keeps its words until it is put again. */
static int describe(struct consent_question *question, const struct firmware_slot *slot)
{
    const struct firmware_notice *notice = slot->notice;

    question->severity = notice ? notice->severity : SEVERITY_UNKNOWN;
    question->security = notice && notice->security;
    if (str_replace(&question->version, slot->version ? slot->version : "") < 0 ||
        str_replace(&question->from, runs(question->device)) < 0 ||
        str_replace(&question->notes_url, notice ? notice->notes_url : "") < 0)
        return -1;
    return 0;
}

struct consent_question *question_of(struct consent_device *device, int index)
{
    const struct firmware_slot *slot = slot_of(device, index);
    struct consent_question *question = device->questions[index];
    struct consent *consent = device->consent;

    if (question && question_matches(question))
        return question;
    if (question)
        question_drop(question);
    question = question_new(device, index);
    if (!question || identity_of(slot, &question->identity) < 0 || !question->identity ||
        describe(question, slot) < 0 || question_word(question, "") < 0) {
        question_free(question);
        return NULL;
    }
    question->number = consent->next_question++;
    question->asked = clock_wall(&consent->loop->clock);
    question->elapsed_from = clock_monotonic(&consent->loop->clock);
    question_link(question);
    consent_tell(consent, CONSENT_QUESTION_ADDED, question, NULL, NULL);
    return question;
}

struct firmware_job *question_job(const struct consent_question *question)
{
    const struct firmware_target *target = question->device->target;
    struct firmware_job *job = target ? firmware_slot_job(target, question->slot) : NULL;
    struct firmware_job_info info;

    if (!job || !question->job_id)
        return NULL;
    firmware_job_info(job, &info);
    return info.id == question->job_id ? job : NULL;
}

bool question_is_under_way(const struct consent_question *question)
{
    const struct firmware_job *job = question_job(question);
    struct firmware_job_info info;

    if (!job)
        return false;
    firmware_job_info(job, &info);
    return info.state > JOB_WAITING;
}

/* ---- its clock ---- */

uint64_t question_elapsed(const struct consent_question *question)
{
    uint64_t now = clock_monotonic(&question->consent->loop->clock);

    return question->elapsed_base + (now - question->elapsed_from) / 1000;
}

uint64_t question_floor_at(const struct consent_question *question)
{
    const struct consent_home *home = &question->consent->home;

    if (question->confirm || home->floor_severity == SEVERITY_UNKNOWN ||
        question->severity < home->floor_severity)
        return UINT64_MAX;
    return (uint64_t)home->floor_days * DAY_S;
}

uint64_t question_acts_at(const struct consent_question *question)
{
    uint64_t floor = question_floor_at(question);
    uint64_t notice = UINT64_MAX;

    if (question->notice && question->now.state == QUESTION_NOTICE)
        notice = question->opened + question->consent->home.notice_s;
    else if (question->notice && question->now.state == QUESTION_LATER)
        notice = question->now.until;
    return notice < floor ? notice : floor;
}

/* ---- standing ---- */

int question_log(struct consent_question *question, enum consent_what what, const struct consent_by *by,
                 const char *wording, const char *text, struct error *err)
{
    const struct ledger_line line = {
        .what = what,
        .by = *by,
        .device = question->device,
        .question = question->number,
        .version = question->version,
        .wording = wording ? wording : question->wording,
        .text = text,
    };

    return ledger_add(question->consent, &line, err);
}

/* Without its line in the ledger nothing happens: false, and it is tried again. */
static bool logged(struct consent_question *question, enum consent_what what, const struct consent_by *by)
{
    if (question_log(question, what, by, NULL, NULL, NULL) == 0)
        return true;
    question->consent->again = true;
    consent_soon(question->consent, AGAIN_MS);
    return false;
}

static void changed(struct consent_question *question)
{
    consent_tell(question->consent, CONSENT_QUESTION_CHANGED, question, NULL, NULL);
}

/* By a policy: acts at once. */
static void stand(struct consent_question *question, enum consent_state state)
{
    question->now.state = state;
    question->now.who = WHO_POLICY;
    question->now.until = 0;
    question->durable = question->now;
    question_save(question, NULL);
    changed(question);
}

static bool has_quiet_hours(const struct consent *consent)
{
    return quiet_minute(str_of(consent->home.quiet_start)) != quiet_minute(str_of(consent->home.quiet_end));
}

static void agree(struct consent_question *question, const char *means)
{
    const struct consent_by by = {WHO_POLICY, means};
    struct consent *consent = question->consent;
    bool tonight = consent->home.quiet_only && question->severity < SEVERITY_CRITICAL &&
                   has_quiet_hours(consent);

    if (!logged(question, tonight ? ENTRY_TONIGHT : ENTRY_NOW, &by))
        return;
    stand(question, tonight ? QUESTION_TONIGHT : QUESTION_AGREED);
    if (tonight)
        consent_soon(consent, 0);
}

static void put(struct consent_question *question, bool notice, const struct consent_by *by)
{
    if (!logged(question, notice ? ENTRY_NOTIFIED : ENTRY_ASKED, by))
        return;
    question->notice = notice;
    question->opened = question_elapsed(question);
    stand(question, notice ? QUESTION_NOTICE : QUESTION_ASKED);
    consent_soon(question->consent, 0);
}

/* Never stands below the floor: there the resident is asked, and told until when it can wait. */
static void apply_policy(struct consent_question *question, const struct consent_by *by)
{
    enum consent_policy policy = policy_of(question->device);
    const struct consent_by never = {WHO_POLICY, consent_policy_text(POLICY_NEVER)};
    bool floor = question_floor_at(question) != UINT64_MAX;

    if (policy == POLICY_NEVER && !floor) {
        if (logged(question, ENTRY_NEVER, &never))
            stand(question, QUESTION_REFUSED);
    } else if (policy == POLICY_AUTOMATIC && !question->confirm) {
        agree(question, consent_policy_text(policy));
    } else {
        put(question, policy == POLICY_SECURITY_AUTOMATIC && question->security && !question->confirm, by);
    }
}

void question_open(struct consent_question *question, bool confirm, const char *wording,
                   const struct consent_by *by)
{
    const struct firmware_slot *slot = slot_of(question->device, question->slot);
    const char *text = wording && *wording ? wording : slot && slot->notice ? slot->notice->text : "";

    question->confirm = confirm;
    if (slot)
        describe(question, slot); /* without memory it says what it said */
    question_word(question, text);
    apply_policy(question, by);
}

void question_adjust(struct consent_question *question, bool confirm, const char *wording,
                     const struct consent_by *by)
{
    bool other_words = confirm && wording && *wording && strcmp(wording, question->wording) != 0;

    /* What somebody decided holds in all windows of the command, and so does a notice that is out. */
    if (question->now.who != WHO_POLICY || question->now.state == QUESTION_REFUSED)
        return;
    if (question->confirm != confirm || (other_words && question->now.state == QUESTION_ASKED))
        question_open(question, confirm, wording, by);
}

void question_review(struct consent_question *question)
{
    const struct consent_by by = {WHO_POLICY, consent_policy_text(policy_of(question->device))};
    enum consent_policy policy = policy_of(question->device);
    bool agreed = question->now.state == QUESTION_AGREED || question->now.state == QUESTION_TONIGHT;
    bool is_notice = policy == POLICY_SECURITY_AUTOMATIC && question->security;
    bool is_refused = policy == POLICY_NEVER && question_floor_at(question) == UINT64_MAX;

    if (question->confirm || question->now.who != WHO_POLICY || question->now.state == QUESTION_IDLE ||
        question->now.state == QUESTION_REFUSED || question_is_under_way(question))
        return;
    /* Unless it stands as it would be put now. */
    if (is_refused || (policy == POLICY_AUTOMATIC ? !agreed : agreed || is_notice != question->notice))
        apply_policy(question, &by);
}

bool question_settle(struct consent_question *question)
{
    const char *policy = consent_policy_text(policy_of(question->device));
    const struct consent_by by = {WHO_POLICY, policy};
    const struct consent_standing *standing = &question->durable;
    enum consent_state before = standing->state;
    uint64_t now = question_elapsed(question);

    if (question->unsaved && question->now.state != standing->state)
        return false; /* somebody has decided */
    switch (before) {
    case QUESTION_ASKED:
    case QUESTION_NOTICE:
        if (now >= question_acts_at(question))
            agree(question, now >= question_floor_at(question) ? "Floor" : policy);
        break;
    case QUESTION_LATER:
        if (now >= question_acts_at(question))
            agree(question, now >= question_floor_at(question) ? "Floor" : policy);
        else if (now >= standing->until)
            put(question, false, &by);
        break;
    case QUESTION_TONIGHT:
        /* The quiet hours it was agreed for are no more. */
        if (!has_quiet_hours(question->consent))
            apply_policy(question, &by);
        break;
    default:
        break;
    }
    return question->durable.state != before;
}

enum firmware_consent question_answer(struct consent_question *question, const char **ret_reason)
{
    struct consent *consent = question->consent;
    int64_t next;

    question_settle(question);
    switch (question->durable.state) {
    case QUESTION_AGREED:
        return CONSENT_GRANTED;
    case QUESTION_TONIGHT:
        return consent_is_quiet(consent, &next) ? CONSENT_GRANTED : CONSENT_QUIET;
    case QUESTION_REFUSED:
        snprintf(consent->reason, sizeof(consent->reason), "%s",
                 question->durable.who == WHO_POLICY
                     ? "the home's policy for this device is Never"
                     : "the resident refused this update; it can be asked for again when that is withdrawn");
        *ret_reason = consent->reason;
        return CONSENT_REFUSED;
    default:
        return CONSENT_PENDING;
    }
}

/* ---- the end ---- */

void question_rest(struct consent_question *question)
{
    if (question->now.state == QUESTION_REFUSED && question->now.who != WHO_POLICY) {
        question->notice_only = false;
        question_save(question, NULL);
        changed(question);
        return;
    }
    question->notice_only = false;
    stand(question, QUESTION_IDLE);
}

void question_ended(struct consent_question *question, const struct firmware_job_info *job)
{
    const struct consent_by by = {WHO_POLICY, "gateway"};
    bool refused = question->durable.state == QUESTION_REFUSED;

    question->job_id = 0;
    if (!refused)
        question_log(question,
                     job->state == JOB_DONE        ? ENTRY_INSTALLED
                     : job->state == JOB_EXPIRED   ? ENTRY_EXPIRED
                     : job->state == JOB_CANCELLED ? ENTRY_DROPPED
                                                   : ENTRY_FAILED,
                     &by, NULL, job->fault, NULL);
    if (job->state == JOB_DONE || !question_matches(question))
        question_drop(question);
    else
        question_rest(question);
}

/* ---- what nobody commanded ---- */

void question_launch(struct consent_question *question)
{
    struct firmware_target *target = question->device->target;
    struct firmware_origin origin = {.originator = "", .command_key = ""};
    struct firmware_job_info info;
    struct firmware_job *job;
    char command[512];

    if (!question->notice_only || !target || !question->consent->ready || question_job(question) ||
        (question->durable.state != QUESTION_AGREED && question->durable.state != QUESTION_TONIGHT))
        return;
    snprintf(command, sizeof(command), "%sFirmwareImage.%d.Activate()", target->path, question->slot + 1);
    origin.command = command;
    job = firmware_activate(target, question->slot, NULL, 0, &origin, NULL);
    if (!job)
        return; /* quarantined, or busy with another: the timer tries again */
    firmware_job_info(job, &info);
    question->job_id = info.id;
}

static bool differs(const struct consent_standing *a, const struct consent_standing *b)
{
    return a->state != b->state || a->who != b->who || a->deferrals != b->deferrals || a->until != b->until;
}

void question_durable(struct consent_question *question)
{
    struct consent *consent = question->consent;

    if (differs(&question->durable, &question->now)) {
        question->durable = question->now;
        if (question->reopened)
            question_review(question);
        if (consent->firmware)
            firmware_reconsider(consent->firmware);
        consent_soon(consent, 0);
    }
    question->reopened = false;
    question_launch(question);
    changed(question);
}
