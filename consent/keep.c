/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records: kind "consent", key "home" (the policy) and "next" (the number of the next question); kind "consent-device",
 * key: the device's (its own policy, when it has one); kind "consent-question", key "<device>\n<slot>".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/record.h"
#include "consent/internal.h"

#define KIND "consent"
#define KIND_DEVICE "consent-device"
#define KIND_QUESTION "consent-question"

enum {
    RECORD_VERSION = 1,
    LOST_MS = 5 * 1000,
    PLAUSIBLE_TIME = 1735689600, /* 2025: a clock that shows less was never set */
};

/* ---- batches ---- */

void keep_wrote(struct consent *consent, int result)
{
    if (result < 0) {
        consent->lost = true;
        consent_soon(consent, LOST_MS);
    }
    if (consent->waiter_armed)
        return;
    consent->waiter_armed = true;
    store_wait(consent->store, &consent->waiter);
}

static void settle_unsaved(struct consent *consent, bool durable)
{
    struct consent_question *question;

    while ((question = consent->unsaved)) {
        consent->unsaved = question->unsaved_next;
        question->unsaved = false;
        if (!durable)
            question->now = question->durable;
        question_durable(question);
    }
}

void keep_on_batch(void *ctx, bool durable)
{
    struct consent *consent = ctx;

    consent->waiter_armed = false;
    if (!durable) {
        ledger_lost(consent);
        settle_unsaved(consent, false);
        consent->lost = true;
        consent_soon(consent, LOST_MS);
        return;
    }
    /* Others who waited have begun the next batch, which may have news of ours. */
    if (store_pending(consent->store)) {
        keep_wrote(consent, 0);
        return;
    }
    ledger_durable(consent);
    settle_unsaved(consent, true);
    if (!consent->policies_changed)
        return;
    consent->policies_changed = false;
    home_applied(consent);
}

void keep_rewrite(struct consent *consent)
{
    consent->lost = false;
    if (policies_load(consent, NULL) < 0 ||
        store_delete_prefix(consent->store, KIND_QUESTION, STR(""), NULL) < 0) {
        keep_wrote(consent, -1);
        return;
    }
    for (struct consent_question *question = consent->first; question; question = question->next)
        question_save(question, NULL);
}

/* ---- policies ---- */

int home_save(struct consent *consent, struct error *err)
{
    const struct consent_home *home = &consent->home;
    struct buf buf;
    int result = -1;

    record_begin(&buf, RECORD_VERSION);
    record_put_number(&buf, home->policy);
    record_put_number(&buf, home->gateway_policy);
    record_put_text(&buf, home->quiet_start);
    record_put_text(&buf, home->quiet_end);
    record_put_number(&buf, home->quiet_only);
    record_put_number(&buf, home->notice_s);
    record_put_number(&buf, home->deferral_s);
    record_put_number(&buf, home->max_deferrals);
    record_put_number(&buf, home->floor_severity);
    record_put_number(&buf, home->floor_days);
    record_put_number(&buf, home->resident_identity);
    if (buf.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to store the policy");
    else
        result = store_put(consent->store, KIND, STR("home"), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    consent->policies_changed = true;
    keep_wrote(consent, result);
    return result;
}

/* 1: read. 0: it makes no sense. -1: out of memory. */
static int home_decode(struct consent *consent, struct str record)
{
    struct consent_home home = {.policy = POLICY_AUTOMATIC};
    struct record_reader reader;

    record_read(&reader, record, RECORD_VERSION);
    home.policy = (uint32_t)record_choice(&reader, POLICY_HOME);
    home.gateway_policy = (uint32_t)record_choice(&reader, CONSENT_POLICIES);
    home.quiet_start = record_text(&reader);
    home.quiet_end = record_text(&reader);
    home.quiet_only = record_choice(&reader, 2);
    home.notice_s = (uint32_t)record_number(&reader);
    home.deferral_s = (uint32_t)record_number(&reader);
    home.max_deferrals = (uint32_t)record_number(&reader);
    home.floor_severity = (uint32_t)record_choice(&reader, FIRMWARE_SEVERITIES);
    home.floor_days = (uint32_t)record_number(&reader);
    /* Not in the records of earlier versions. */
    home.resident_identity = reader.rest.len ? record_choice(&reader, 2) : true;
    if (!record_end(&reader) || consent_home_check(&home, NULL) < 0) {
        free(home.quiet_start);
        free(home.quiet_end);
        return reader.no_memory ? -1 : 0;
    }
    home_done(consent);
    consent->home = home;
    return 1;
}

int device_save(struct consent_device *device, struct error *err)
{
    struct consent *consent = device->consent;
    struct buf buf;
    int result = -1;

    record_begin(&buf, RECORD_VERSION);
    record_put_number(&buf, device->policy);
    if (buf.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to store the policy");
    else if (device->policy == POLICY_HOME)
        result = store_delete(consent->store, KIND_DEVICE, str_of(device->key), err);
    else
        result = store_put(consent->store, KIND_DEVICE, str_of(device->key), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    consent->policies_changed = true;
    keep_wrote(consent, result);
    return result;
}

static struct consent_device *device_of(struct consent *consent, struct str key)
{
    char *text = str_dup(key.data, key.len);
    struct consent_device *device = text ? device_get(consent, text) : NULL;

    free(text);
    return device;
}

static int on_device(void *ctx, struct str key, struct str value)
{
    struct consent *consent = ctx;
    struct consent_device *device = device_of(consent, key);
    struct record_reader reader;
    uint64_t policy;

    if (!device)
        return -1;
    record_read(&reader, value, RECORD_VERSION);
    policy = record_choice(&reader, CONSENT_POLICIES);
    if (record_end(&reader))
        device->policy = (uint32_t)policy;
    return 0;
}

int policies_load(struct consent *consent, struct error *err)
{
    struct consent_device *device;
    struct buf buf;
    size_t at = 0;
    int result;

    while ((device = map_next(&consent->devices, &at)))
        device->policy = POLICY_HOME;
    buf_init(&buf, RECORD_BYTES, 0);
    result = store_get(consent->store, KIND, STR("home"), &buf, err);
    if (result == 1)
        result = home_decode(consent, (struct str){(const char *)buf_data(&buf), buf.len});
    buf_done(&buf);
    if (result < 0 || store_each(consent->store, KIND_DEVICE, STR(""), on_device, consent, err) != 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the policies of consent cannot be read");
    return 0;
}

/* ---- questions ---- */

static int key_of(const struct consent_question *question, struct buf *to)
{
    buf_init(to, RECORD_BYTES, 0);
    return buf_printf(to, "%s\n%d", question->device->key, question->slot);
}

static void encode(const struct consent_question *question, struct buf *buf)
{
    record_begin(buf, RECORD_VERSION);
    record_put_number(buf, question->number);
    record_put_text(buf, question->identity);
    record_put_text(buf, question->version);
    record_put_text(buf, question->from);
    record_put_text(buf, question->wording);
    record_put_text(buf, question->notes_url);
    record_put_number(buf, question->severity);
    record_put_number(buf, question->security);
    record_put_number(buf, question->confirm);
    record_put_number(buf, question->notice);
    record_put_number(buf, question->notice_only);
    record_put_number(buf, question->now.state);
    record_put_number(buf, question->now.who);
    record_put_number(buf, question->now.deferrals);
    record_put_number(buf, question->now.until);
    record_put_number(buf, (uint64_t)question->asked);
    record_put_number(buf, question_elapsed(question));
    record_put_number(buf, question->opened);
}

static int put_next(struct consent *consent, struct error *err)
{
    char number[24];
    size_t len = str_from_u64(number, consent->next_question);

    return store_put(consent->store, KIND, STR("next"), number, len, err);
}

int question_save(struct consent_question *question, struct error *err)
{
    struct consent *consent = question->consent;
    struct buf key, value;
    int result = -1;

    encode(question, &value);
    if (key_of(question, &key) < 0 || value.failed)
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to store the question");
    else if (put_next(consent, err) == 0)
        result = store_put(consent->store, KIND_QUESTION, (struct str){(const char *)buf_data(&key), key.len},
                           buf_data(&value), value.len, err);
    buf_done(&key);
    buf_done(&value);
    if (result == 0 && !question->unsaved) {
        question->unsaved = true;
        question->unsaved_next = consent->unsaved;
        consent->unsaved = question;
    }
    keep_wrote(consent, result);
    return result;
}

void question_forget(struct consent_question *question)
{
    struct consent *consent = question->consent;
    struct buf key;
    int result = -1;

    if (key_of(question, &key) == 0)
        result = store_delete(consent->store, KIND_QUESTION,
                              (struct str){(const char *)buf_data(&key), key.len}, NULL);
    buf_done(&key);
    keep_wrote(consent, result);
}

static void decode(struct consent_question *question, struct record_reader *reader)
{
    question->number = (uint32_t)record_number(reader);
    question->identity = record_text(reader);
    question->version = record_text(reader);
    question->from = record_text(reader);
    question->wording = record_text(reader);
    question->notes_url = record_text(reader);
    question->severity = (enum firmware_severity)record_choice(reader, FIRMWARE_SEVERITIES);
    question->security = record_choice(reader, 2);
    question->confirm = record_choice(reader, 2);
    question->notice = record_choice(reader, 2);
    question->notice_only = record_choice(reader, 2);
    question->now.state = (enum consent_state)record_choice(reader, CONSENT_STATES);
    question->now.who = (enum consent_who)record_choice(reader, WHO_POLICY + 1);
    question->now.deferrals = (uint32_t)record_number(reader);
    question->now.until = record_number(reader);
    question->asked = (int64_t)record_number(reader);
    question->elapsed_base = record_number(reader);
    question->opened = record_number(reader);
    question->durable = question->now;
}

/* Time went on while we were away. A wall clock that went back, or was not set yet, takes nothing off. */
static void resume_clock(struct consent_question *question)
{
    const struct clock *clock = &question->consent->loop->clock;
    int64_t passed = clock_wall(clock) - question->asked;

    if (question->asked >= PLAUSIBLE_TIME && passed > 0 && (uint64_t)passed > question->elapsed_base)
        question->elapsed_base = (uint64_t)passed;
    question->elapsed_from = clock_monotonic(clock);
}

static int on_question(void *ctx, struct str key, struct str value)
{
    struct consent *consent = ctx;
    struct consent_question *question;
    struct consent_device *device;
    struct record_reader reader;

    if (key.len < 3 || key.data[key.len - 2] != '\n' || key.data[key.len - 1] < '0' ||
        key.data[key.len - 1] >= '0' + FIRMWARE_SLOTS)
        return 0;
    device = device_of(consent, (struct str){key.data, key.len - 2});
    question = device ? question_new(device, key.data[key.len - 1] - '0') : NULL;
    if (!question)
        return -1;
    record_read(&reader, value, RECORD_VERSION);
    decode(question, &reader);
    question_link(question);
    if (record_end(&reader) && question->identity && question->wording) {
        resume_clock(question);
        /* The record of the next number may be lost with a damaged store. */
        if (question->number >= consent->next_question)
            consent->next_question = question->number + 1;
        return 0;
    }
    question_unlink(question);
    return reader.no_memory ? -1 : 0;
}

static int read_next(struct consent *consent, struct error *err)
{
    uint64_t next = 0;
    struct buf buf;
    int result;

    buf_init(&buf, 64, 0);
    result = store_get(consent->store, KIND, STR("next"), &buf, err);
    if (result == 1)
        str_to_u64((struct str){(const char *)buf_data(&buf), buf.len}, &next);
    buf_done(&buf);
    consent->next_question = next ? (uint32_t)next : 1;
    return result < 0 ? -1 : 0;
}

int keep_load(struct consent *consent, struct error *err)
{
    if (read_next(consent, err) < 0 || policies_load(consent, err) < 0)
        return -1;
    if (store_each(consent->store, KIND_QUESTION, STR(""), on_question, consent, err) != 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the questions of consent cannot be read");
    return ledger_load(consent, err);
}
