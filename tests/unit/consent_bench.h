/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bench of fake_update.h with the engine of consent in it: three devices that run 1.0.0, the first with an image for
 * 2.0.0 in its second slot. Local time is UTC; the home's periods are short.
 */
#ifndef TESTS_UNIT_CONSENT_BENCH_H
#define TESTS_UNIT_CONSENT_BENCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consent/internal.h"
#include "tests/unit/fake_update.h"

#define NEW "https://images.example/new-2.0.0.bin"
#define WORDS "It closes a hole. The light is off for a minute."

enum {
    NOTICE_S = 600,
    DEFERRAL_S = 300,
    DEFERRALS = 2,
};

static const struct consent_by resident = {WHO_RESIDENT, "page"};

static inline struct consent *consent_of(struct bench *bench)
{
    return bench->ctx;
}

static inline void consent_about(void *ctx, const struct firmware_target *target, struct consent_about *ret)
{
    (void)ctx;
    *ret = (struct consent_about){.name = "Lamp", .gateway = false};
    str_copy(ret->path, sizeof(ret->path), target->path);
    if (target->blocked) {
        ret->changed = target->blocked_reason;
        ret->was = "Plug";
        ret->is = "Lamp";
        ret->proven = strcmp(target->blocked_reason, "CertificateMissing") == 0;
    }
}

/* By hand what devices/quarantine.h does. */
static inline int consent_identified(void *ctx, struct firmware_target *target, enum consent_what what,
                                     struct error *err)
{
    (void)ctx;
    (void)what;
    (void)err;
    firmware_target_block(target, NULL);
    return 0;
}

static inline void consent_began(struct bench *bench)
{
    const struct consent_ops ops = {.about = consent_about, .identify = consent_identified};

    bench->ctx = consent_new(&bench->loop, bench->store, NULL);
    assert_non_null(bench->ctx);
    consent_start(bench->ctx, bench->firmware, &ops);
}

static inline void consent_ends(struct bench *bench, bool targets)
{
    if (targets) {
        consent_stop(bench->ctx);
        return;
    }
    consent_free(bench->ctx);
    bench->ctx = NULL;
}

static inline void consent_set(struct bench *bench, enum consent_policy policy)
{
    struct consent_home home = *consent_home(consent_of(bench));

    home.policy = policy;
    home.notice_s = NOTICE_S;
    home.deferral_s = DEFERRAL_S;
    home.max_deferrals = DEFERRALS;
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    bench_settle(bench);
}

static inline void consent_bench_init(struct bench *bench, enum consent_policy policy)
{
    setenv("TZ", "UTC0", 1);
    bench_init(bench, 3);
    bench->began = consent_began;
    bench_restart(bench); /* the life that had no consent ends here */
    bench->ends = consent_ends;
    consent_ready(bench->ctx);
    bench_run(bench, 2);
    bench_serve(bench, NEW, "image two", "2.0.0");
    bench_have(bench, 0, 1, NEW);
    consent_set(bench, policy);
    bench->ended = 0;
}

static inline void consent_restart(struct bench *bench, bool crash)
{
    if (crash)
        bench_crash(bench);
    else
        bench_restart(bench);
    consent_ready(bench->ctx);
    bench_run(bench, 2);
}

/* Time that nobody looks at. */
static inline void consent_pass(struct bench *bench, uint64_t seconds)
{
    clock_fake_advance(&bench->loop.clock, seconds * 1000);
    bench_run(bench, 3);
}

/* To this time of the day. */
static inline void consent_pass_to(struct bench *bench, unsigned hour, unsigned minute)
{
    uint64_t now = (uint64_t)clock_wall(&bench->loop.clock) % DAY_S;
    uint64_t then = hour * 3600 + minute * 60;

    consent_pass(bench, (then + DAY_S - now) % DAY_S);
}

static inline struct firmware_job *consent_activate(struct bench *bench,
                                                    const struct firmware_window *windows, size_t count)
{
    const struct firmware_origin origin = {
        .originator = "self::ctl", .command = "Device.X.Activate()", .command_key = "k", .request = 1};

    return firmware_activate(&bench->devices[0].target, 1, windows, count, &origin, NULL);
}

/* In mode ConfirmationNeeded, with words, for so long. */
static inline void consent_ask(struct bench *bench, uint32_t seconds)
{
    const struct firmware_window window = {
        .end_s = seconds, .mode = MODE_CONFIRMATION_NEEDED, .user_message = WORDS, .max_retries = -1};

    assert_non_null(consent_activate(bench, &window, 1));
    bench_run(bench, 2);
}

static inline struct consent_question *consent_question(struct bench *bench)
{
    return consent_of(bench)->first;
}

static inline struct consent_question_info consent_info(struct bench *bench)
{
    struct consent_question_info info = {.number = 0};

    assert_non_null(consent_question(bench));
    consent_question_info(consent_question(bench), &info);
    return info;
}

/* Into the open batch; bench_settle() makes it durable. */
static inline int consent_choose(struct bench *bench, enum consent_choice choice, struct error *err)
{
    const struct consent_answer answer = {
        .question = consent_info(bench).number, .choice = choice, .by = resident};

    return consent_decide(consent_of(bench), &answer, err);
}

static inline void consent_chosen(struct bench *bench, enum consent_choice choice)
{
    assert_int_equal(consent_choose(bench, choice, NULL), 0);
    bench_settle(bench);
}

struct consent_lines {
    char text[3072];
};

static inline int consent_line(void *ctx, struct consent_entry *entry)
{
    struct consent_lines *lines = ctx;
    char all[sizeof(lines->text) + 256];

    if (entry->what == ENTRY_POLICY)
        return 0;
    snprintf(all, sizeof(all), "%s %s %s; %s", consent_what_text(entry->what), consent_who_text(entry->who),
             entry->means, lines->text);
    str_copy(lines->text, sizeof(lines->text), all);
    return 0;
}

/* "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; ", without changes of the policy. */
static inline void consent_has_lines(struct bench *bench, const char *expected)
{
    struct consent_lines lines = {.text = ""};

    consent_each_entry(consent_of(bench), consent_line, &lines);
    assert_string_equal(lines.text, expected);
}

/* A bench of its own for each test, with a policy that asks. */
static inline int consent_setup(void **state)
{
    static struct bench bench;

    consent_bench_init(&bench, POLICY_ASK);
    *state = &bench;
    return 0;
}

static inline int consent_teardown(void **state)
{
    bench_done(*state);
    return 0;
}

#endif
