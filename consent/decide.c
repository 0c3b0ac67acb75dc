/* SPDX-License-Identifier: BSD-3-Clause */
/* What people decide, and what the operator tells them. */
#include <string.h>

#include "consent/internal.h"

/* Until the last window of its command closes, s; UINT64_MAX: there is no command. */
static uint64_t time_left(const struct consent_question *question)
{
    const struct firmware_job *job = question_job(question);
    struct firmware_job_info info;

    if (!job)
        return UINT64_MAX;
    firmware_job_info(job, &info);
    return info.closes > info.elapsed ? info.closes - info.elapsed : 0;
}

static enum consent_why why_not_tonight(const struct consent_question *question)
{
    struct consent *consent = question->consent;
    uint64_t elapsed = question_elapsed(question);
    uint64_t floor = question_floor_at(question);
    uint64_t wait;
    int64_t next;

    if (consent_is_quiet(consent, &next))
        return WHY_NOT_NEEDED;
    if (!next)
        return WHY_NO_QUIET;
    wait = (uint64_t)(next - clock_wall(&consent->loop->clock));
    if (wait >= time_left(question))
        return WHY_TOO_SHORT;
    return floor != UINT64_MAX && elapsed + wait > floor ? WHY_FLOOR : WHY_NOT_NEEDED;
}

/* On the question's clock. */
static uint64_t put_off_until(const struct consent_question *question)
{
    uint64_t until = question_elapsed(question) + question->consent->home.deferral_s;
    uint64_t floor = question_floor_at(question);

    return until < floor ? until : floor;
}

static enum consent_why why_not_later(const struct consent_question *question)
{
    uint64_t elapsed = question_elapsed(question);
    uint64_t until = put_off_until(question);

    if (question->now.deferrals >= question->consent->home.max_deferrals)
        return WHY_USED_UP;
    if (until <= elapsed)
        return WHY_FLOOR;
    return until - elapsed >= time_left(question) ? WHY_TOO_SHORT : WHY_NOT_NEEDED;
}

enum consent_why question_why(const struct consent_question *question, enum consent_choice choice)
{
    static const enum consent_state same[] = {
        [CHOICE_NOW] = QUESTION_AGREED,
        [CHOICE_TONIGHT] = QUESTION_TONIGHT,
        [CHOICE_LATER] = QUESTION_LATER,
        [CHOICE_NEVER] = QUESTION_REFUSED,
    };
    enum consent_state state = question->now.state;
    bool decided = question->now.who != WHO_POLICY;

    if (question_is_under_way(question))
        return WHY_TOO_LATE;
    if (choice == CHOICE_WITHDRAW)
        return decided ? WHY_NOT_NEEDED : WHY_NOTHING;
    if (!question_job(question) && !question->notice_only)
        return WHY_ENDED;
    if (state == same[choice])
        return WHY_THE_SAME;
    switch (choice) {
    case CHOICE_TONIGHT:
        return why_not_tonight(question);
    case CHOICE_LATER:
        return why_not_later(question);
    case CHOICE_NEVER:
        return question_floor_at(question) == UINT64_MAX ? WHY_NOT_NEEDED : WHY_FLOOR;
    default:
        return WHY_NOT_NEEDED;
    }
}

/* Open again, as it was; nobody waits any more for the answer to one whose command has ended. */
static enum consent_state reopened(const struct consent_question *question)
{
    if (!question_job(question) && !question->notice_only)
        return QUESTION_IDLE;
    return question->notice ? QUESTION_NOTICE : QUESTION_ASKED;
}

static void take(struct consent_question *question, const struct consent_answer *answer)
{
    struct consent_standing *now = &question->now;

    now->who = answer->by.who;
    now->until = 0;
    switch (answer->choice) {
    case CHOICE_NOW:
        now->state = QUESTION_AGREED;
        break;
    case CHOICE_TONIGHT:
        now->state = QUESTION_TONIGHT;
        break;
    case CHOICE_LATER:
        now->state = QUESTION_LATER;
        now->until = put_off_until(question);
        now->deferrals++;
        break;
    case CHOICE_NEVER:
        now->state = QUESTION_REFUSED;
        break;
    default:
        now->state = reopened(question);
        now->who = WHO_POLICY;
        question->reopened = true;
        break;
    }
}

struct consent_question *consent_find_question(struct consent *consent, uint32_t number)
{
    for (struct consent_question *question = consent->first; question; question = question->next)
        if (question->number == number)
            return question;
    return NULL;
}

int consent_decide(struct consent *consent, const struct consent_answer *answer, struct error *err)
{
    struct consent_question *question = consent_find_question(consent, answer->question);
    struct consent_standing before;
    enum consent_why why;

    if (!question || question->now.state == QUESTION_IDLE)
        return error_set(err, ERROR_OBJECT_DOES_NOT_EXIST, NULL,
                         "there is no such question any more; look at what waits now");
    if (answer->choice >= CONSENT_CHOICES)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "there is no such choice");
    why = question_why(question, answer->choice);
    if (why != WHY_NOT_NEEDED)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "%s is not possible: %s",
                         consent_choice_text(answer->choice), consent_why_text(why));
    before = question->now;
    take(question, answer);
    if (question_save(question, err) == 0 &&
        question_log(question, ENTRY_NOW + answer->choice, &answer->by, answer->wording, NULL, err) == 0) {
        consent_tell(consent, CONSENT_QUESTION_CHANGED, question, NULL, NULL);
        return 0;
    }
    question->now = before;
    question->reopened = false;
    question_save(question, NULL);
    return -1;
}

void consent_wait(struct consent *consent, struct store_waiter *waiter)
{
    store_wait(consent->store, waiter);
}

/* ---- the operator's notice ---- */

static int check_notice(struct consent_device *device, int slot, const struct firmware_notice *notice,
                        struct error *err)
{
    const struct consent_question *question = slot >= 0 && slot < FIRMWARE_SLOTS ? device->questions[slot]
                                                                                 : NULL;

    if (*notice->notes_url && strncmp(notice->notes_url, "https://", 8) != 0 &&
        strncmp(notice->notes_url, "http://", 7) != 0)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, device->target->path,
                         "the release notes \"%.64s\" are neither at https nor at http", notice->notes_url);
    if (!question || !question_matches(question))
        return 0;
    if (question_is_under_way(question))
        return error_set(err, ERROR_COMMAND_FAILURE, device->target->path, "the device is being updated");
    if (question->now.state == QUESTION_REFUSED)
        return error_set(err, ERROR_REQUEST_DENIED, device->target->path,
                         "the resident refused this update, and can be asked again when that is withdrawn");
    return 0;
}

int consent_notice(struct consent *consent, struct firmware_target *target, int slot,
                   const struct firmware_notice *notice, bool confirm, const struct consent_by *by,
                   uint32_t *ret_number, struct error *err)
{
    struct consent_device *device = device_get(consent, target->key);
    struct consent_question *question;

    if (!device)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "no memory for the question");
    if (check_notice(device, slot, notice, err) < 0 || firmware_slot_notice(target, slot, notice, err) < 0)
        return -1;
    question = question_of(device, slot);
    if (!question)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "no memory for the question");
    question->notice_only = !question_job(question);
    if (question->now.who == WHO_POLICY)
        question_open(question, confirm, notice->text, by);
    if (question->now.state == QUESTION_IDLE) {
        question->notice_only = false;
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "the question could not be stored");
    }
    *ret_number = question->number;
    return 0;
}
