/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions and decisions over crashes, lost batches, clocks that are moved; and what nobody commanded. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/limits.h"
#include "tests/unit/consent_bench.h"

static void is_installed_once(struct bench *bench)
{
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[0].installs, 1);
    /* The download before it, and this. */
    assert_int_equal(bench_results(bench), 2);
}

/* ---- crashes ---- */

static void test_crash_while_asked(void **state)
{
    struct bench *bench = *state;
    uint32_t number;

    consent_ask(bench, 3000);
    number = consent_info(bench).number;
    consent_restart(bench, true);
    assert_int_equal(consent_info(bench).number, number);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    assert_string_equal(consent_info(bench).wording, WORDS);
    consent_has_lines(bench, "Asked Controller self::ctl; "); /* once */
    consent_chosen(bench, CHOICE_NOW);
    is_installed_once(bench);
}

static void test_crash_while_put_off(void **state)
{
    struct bench *bench = *state;

    consent_ask(bench, 3000);
    consent_chosen(bench, CHOICE_LATER);
    consent_restart(bench, true);
    assert_int_equal(consent_info(bench).state, QUESTION_LATER);
    assert_int_equal(consent_info(bench).deferrals_left, DEFERRALS - 1);
    consent_pass(bench, DEFERRAL_S);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    consent_chosen(bench, CHOICE_NOW);
    is_installed_once(bench);
}

/* Durable, and nothing came of it yet. */
static void test_crash_right_after_a_decision(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].keeps_offline = true;
    bench_run(bench, 2);
    consent_ask(bench, 3000);
    assert_int_equal(consent_choose(bench, CHOICE_NOW, NULL), 0);
    store_flush(bench->store, NULL);
    consent_restart(bench, true);
    assert_int_equal(consent_info(bench).state, QUESTION_AGREED);
    bench->devices[0].keeps_offline = false;
    is_installed_once(bench);
    consent_has_lines(bench, "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; ");
}

static void test_crash_right_after_never(void **state)
{
    struct bench *bench = *state;

    consent_ask(bench, 3000);
    assert_int_equal(consent_choose(bench, CHOICE_NEVER, NULL), 0);
    store_flush(bench->store, NULL);
    consent_restart(bench, true);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench->devices[0].installs, 0);
    assert_int_equal(bench_results(bench), 2);
    assert_int_equal(consent_info(bench).state, QUESTION_REFUSED);
    consent_has_lines(bench, "Asked Controller self::ctl; Never Resident page; ");
}

/* Not durable: it never was, and did nothing. */
static void test_crash_before_a_decision_is_durable(void **state)
{
    struct bench *bench = *state;
    struct firmware_job_info job;

    consent_ask(bench, 3000);
    assert_int_equal(consent_choose(bench, CHOICE_NOW, NULL), 0);
    firmware_reconsider(bench->firmware);
    loop_run_deferred(&bench->loop);
    firmware_job_info(firmware_slot_job(&bench->devices[0].target, 1), &job);
    assert_int_equal(job.state, JOB_WAITING);
    consent_restart(bench, true);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    consent_has_lines(bench, "Asked Controller self::ctl; ");
    consent_chosen(bench, CHOICE_NOW);
    is_installed_once(bench);
}

static void test_decision_lost_with_its_batch(void **state)
{
    struct bench *bench = *state;

    consent_ask(bench, 3000);
    bench_disk_full(true);
    assert_int_equal(consent_choose(bench, CHOICE_NOW, NULL), 0);
    bench_run(bench, 20);
    bench_disk_full(false);
    assert_int_equal(bench->devices[0].installs, 0);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    consent_has_lines(bench, "Asked Controller self::ctl; ");
    bench_run(bench, 20);
    consent_chosen(bench, CHOICE_NOW);
    is_installed_once(bench);
    consent_restart(bench, true);
    consent_has_lines(bench, "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; ");
}

static void test_policy_lost_with_its_batch(void **state)
{
    struct bench *bench = *state;
    struct consent_home home = *consent_home(consent_of(bench));

    home.policy = POLICY_NEVER;
    bench_disk_full(true);
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    bench_run(bench, 20);
    bench_disk_full(false);
    bench_run(bench, 20);
    assert_int_equal(consent_home(consent_of(bench))->policy, POLICY_ASK);
    consent_restart(bench, true);
    assert_int_equal(consent_home(consent_of(bench))->policy, POLICY_ASK);
}

/* At each commit of the whole, with what it holds lost or kept: one result, at most one installation, one line. */
static void test_crash_at_each_commit(void **state)
{
    bool stopped = true;

    (void)state;
    for (unsigned at = 1; stopped; at++) {
        for (int before = 0; before < 2; before++) {
            struct bench bench;
            struct consent_lines lines = {.text = ""};

            consent_bench_init(&bench, POLICY_ASK);
            bench.stop_at = bench.commits + at;
            bench.stop_before = before;
            consent_activate(&bench,
                             &(struct firmware_window){.end_s = 100000, .mode = MODE_CONFIRMATION_NEEDED}, 1);
            bench_run(&bench, 2);
            if (!bench.stopped && consent_question(&bench))
                consent_choose(&bench, CHOICE_NOW, NULL);
            bench_run(&bench, 60);
            stopped = bench.stopped;
            consent_restart(&bench, true);
            if (bench_jobs(&bench) && consent_info(&bench).state == QUESTION_ASKED)
                consent_chosen(&bench, CHOICE_NOW);
            bench_finish(&bench);
            assert_true(bench.devices[0].installs <= 1);
            assert_int_equal(bench_results(&bench), 1 + bench.devices[0].installs);
            consent_each_entry(consent_of(&bench), consent_line, &lines);
            assert_string_equal(
                lines.text, bench.devices[0].installs
                                ? "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; "
                                : "");
            bench_done(&bench);
        }
    }
}

/* ---- clocks ---- */

static void test_clock_is_moved(void **state)
{
    struct bench *bench = *state;

    consent_ask(bench, 10 * DAY_S);
    consent_chosen(bench, CHOICE_LATER);
    bench->loop.clock.fake_wall += 10 * 3600 * 1000ll;
    bench_run(bench, 3);
    assert_int_equal(consent_info(bench).state, QUESTION_LATER);
    bench->loop.clock.fake_wall -= 20 * 3600 * 1000ll;
    bench_run(bench, 3);
    assert_int_equal(consent_info(bench).state, QUESTION_LATER);
    consent_pass(bench, DEFERRAL_S);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    /* Moved into the quiet hours: seen within a minute. */
    consent_pass_to(bench, 12, 0);
    consent_chosen(bench, CHOICE_TONIGHT);
    bench->loop.clock.fake_wall += 15 * 3600 * 1000ll;
    bench_run(bench, 61);
    is_installed_once(bench);
}

/* ---- the partially aggregated flow ---- */

static uint32_t tell(struct bench *bench, bool confirm)
{
    const struct firmware_notice notice = {.severity = SEVERITY_HIGH, .security = true, .text = WORDS};
    const struct consent_by operator= {WHO_CONTROLLER, "self::ctl"};
    struct firmware_target *target = &bench->devices[0].target;
    uint32_t number = 0;

    firmware_slot_clear(target, 1, NULL);
    firmware_target_offer(target, "stable", "1.1.0");
    assert_int_equal(
        consent_notice(consent_of(bench), target, 1, &notice, confirm, &operator, & number, NULL), 0);
    bench_settle(bench);
    return number;
}

static void test_offer_is_launched_when_agreed(void **state)
{
    struct bench *bench = *state;

    uint32_t number = tell(bench, true);

    assert_int_equal(number, consent_info(bench).number);
    bench_run(bench, 100);
    assert_int_equal(bench_jobs(bench), 0);
    assert_true(consent_info(bench).notice_only);
    assert_string_equal(consent_info(bench).wording, WORDS);
    consent_chosen(bench, CHOICE_NOW);
    assert_int_equal(bench_jobs(bench), 1);
    is_installed_once(bench);
    assert_string_equal(bench->devices[0].version, "1.1.0");
    consent_has_lines(bench, "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; ");
    assert_null(consent_question(bench));
}

static void test_offer_is_launched_after_a_crash(void **state)
{
    struct bench *bench = *state;

    tell(bench, true);
    consent_restart(bench, true);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    assert_int_equal(consent_choose(bench, CHOICE_NOW, NULL), 0);
    store_flush(bench->store, NULL); /* launched in the next batch, which is lost */
    consent_restart(bench, true);
    is_installed_once(bench);
}

static void test_offer_as_the_policy_says(void **state)
{
    struct bench *bench = *state;

    consent_set(bench, POLICY_SECURITY_AUTOMATIC);
    tell(bench, false);
    assert_int_equal(consent_info(bench).state, QUESTION_NOTICE);
    consent_pass(bench, NOTICE_S);
    is_installed_once(bench);
}

static void test_offer_is_refused(void **state)
{
    const struct firmware_notice notice = {.text = WORDS};
    struct bench *bench = *state;
    uint32_t number;
    struct error err;

    tell(bench, true);
    consent_chosen(bench, CHOICE_NEVER);
    consent_pass(bench, 100);
    assert_int_equal(bench_jobs(bench), 0);
    assert_int_equal(consent_notice(consent_of(bench), &bench->devices[0].target, 1, &notice, true, &resident,
                                    &number, &err),
                     -1);
    assert_int_equal(err.code, ERROR_REQUEST_DENIED);
    /* Another version is another question. */
    firmware_target_offer(&bench->devices[0].target, "stable", "1.2.0");
    assert_null(consent_question(bench));
}

static void test_offer_goes_away(void **state)
{
    struct bench *bench = *state;

    tell(bench, true);
    firmware_target_offer(&bench->devices[0].target, "stable", NULL);
    bench_settle(bench);
    assert_null(consent_question(bench));
    consent_has_lines(bench, "Asked Controller self::ctl; Dropped Policy gateway; ");
    consent_restart(bench, true);
    assert_null(consent_question(bench));
}

static void test_notice_without_an_update(void **state)
{
    const struct firmware_notice notice = {.text = WORDS};
    struct bench *bench = *state;
    uint32_t number;

    assert_int_equal(consent_notice(consent_of(bench), &bench->devices[1].target, 1, &notice, true, &resident,
                                    &number, NULL),
                     -1);
    assert_int_equal(consent_notice(consent_of(bench), &bench->devices[0].target, 0, &notice, true, &resident,
                                    &number, NULL),
                     -1);
}

static void test_device_is_removed(void **state)
{
    struct bench *bench = *state;
    struct consent_device *device = consent_find_device(consent_of(bench), "device-0");

    assert_int_equal(consent_set_policy(consent_of(bench), device, POLICY_NEVER, &resident, NULL), 0);
    tell(bench, true);
    firmware_target_remove(&bench->devices[0].target);
    bench_settle(bench);
    assert_null(consent_question(bench));
    assert_null(consent_find_device(consent_of(bench), "device-0"));
    consent_restart(bench, false);
    assert_int_equal(consent_find_device(consent_of(bench), "device-0")->policy, POLICY_HOME);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, consent_setup, consent_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crash_while_asked),
        TEST(test_crash_while_put_off),
        TEST(test_crash_right_after_a_decision),
        TEST(test_crash_right_after_never),
        TEST(test_crash_before_a_decision_is_durable),
        TEST(test_decision_lost_with_its_batch),
        TEST(test_policy_lost_with_its_batch),
        cmocka_unit_test(test_crash_at_each_commit),
        TEST(test_clock_is_moved),
        TEST(test_offer_is_launched_when_agreed),
        TEST(test_offer_is_launched_after_a_crash),
        TEST(test_offer_as_the_policy_says),
        TEST(test_offer_is_refused),
        TEST(test_offer_goes_away),
        TEST(test_notice_without_an_update),
        TEST(test_device_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
