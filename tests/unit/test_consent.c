/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/limits.h"
#include "tests/unit/consent_bench.h"

static void activate(struct bench *bench)
{
    assert_non_null(bench_activate(bench, 0, 1, MODE_IMMEDIATELY, 0, 5 * DAY_S));
    bench_run(bench, 2);
}

static void notice(struct bench *bench, enum firmware_severity severity, bool security)
{
    struct firmware_notice notice = {.severity = severity, .security = security, .text = "A fix."};

    assert_int_equal(firmware_slot_notice(&bench->devices[0].target, 1, &notice, NULL), 0);
}

static void is_installed(struct bench *bench)
{
    bench_finish(bench);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[0].installs, 1);
}

static void is_not_installed(struct bench *bench)
{
    assert_int_equal(bench->devices[0].installs, 0);
    assert_int_equal(bench_jobs(bench), 1);
}

/* ---- policies ---- */

static void test_automatic_is_the_default(void **state)
{
    struct bench *bench = *state;

    home_done(consent_of(bench));
    assert_int_equal(home_init(consent_of(bench)), 0);
    assert_int_equal(consent_home(consent_of(bench))->policy, POLICY_AUTOMATIC);
    activate(bench);
    is_installed(bench);
    consent_has_lines(bench, "Now Policy Automatic; Installed Policy gateway; ");
    assert_null(consent_question(bench));
}

static void test_ask_and_now(void **state)
{
    struct bench *bench = *state;
    struct consent_question_info info;

    notice(bench, SEVERITY_HIGH, true);
    activate(bench);
    is_not_installed(bench);
    assert_string_equal(bench->waits_for, "consent");
    info = consent_info(bench);
    assert_int_equal(info.state, QUESTION_ASKED);
    assert_string_equal(info.wording, "A fix.");
    assert_string_equal(info.version, "2.0.0");
    assert_string_equal(info.from, "1.0.0");
    assert_int_equal(info.severity, SEVERITY_HIGH);
    assert_int_equal(info.why[CHOICE_NOW], WHY_NOT_NEEDED);
    assert_int_equal(info.why[CHOICE_WITHDRAW], WHY_NOTHING);
    consent_chosen(bench, CHOICE_NOW);
    is_installed(bench);
    consent_has_lines(bench, "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; ");
    assert_string_equal(consent_of(bench)->newest->next->wording, "A fix.");
    assert_string_equal(consent_of(bench)->newest->name, "Lamp");
}

static void test_never_stays(void **state)
{
    struct bench *bench = *state;

    activate(bench);
    consent_chosen(bench, CHOICE_NEVER);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench->fault_code, ERROR_REQUEST_DENIED);
    assert_non_null(strstr(bench->fault, "the resident refused"));
    consent_restart(bench, false);
    activate(bench);
    bench_finish(bench);
    assert_int_equal(bench->fault_code, ERROR_REQUEST_DENIED);
    assert_int_equal(consent_info(bench).why[CHOICE_NOW], WHY_ENDED);
    consent_chosen(bench, CHOICE_WITHDRAW);
    consent_has_lines(bench, "Asked Controller self::ctl; Never Resident page; Withdrawn Resident page; ");
    bench->ended = 0;
    activate(bench);
    is_not_installed(bench);
    consent_chosen(bench, CHOICE_NOW);
    is_installed(bench);
}

static void test_policy_never(void **state)
{
    struct bench *bench = *state;

    consent_set(bench, POLICY_NEVER);
    activate(bench);
    bench_finish(bench);
    assert_int_equal(bench->fault_code, ERROR_REQUEST_DENIED);
    assert_non_null(strstr(bench->fault, "policy"));
    consent_has_lines(bench, "Never Policy Never; ");
    /* The policy is no refusal of this update. */
    consent_set(bench, POLICY_AUTOMATIC);
    bench->ended = 0;
    activate(bench);
    is_installed(bench);
}

static void test_of_a_device(void **state)
{
    struct bench *bench = *state;
    struct consent_device *device = consent_find_device(consent_of(bench), "device-0");
    struct consent_device_info info;

    assert_int_equal(consent_set_policy(consent_of(bench), device, POLICY_AUTOMATIC, &resident, NULL), 0);
    consent_restart(bench, false);
    device = consent_find_device(consent_of(bench), "device-0");
    consent_device_info(device, &info);
    assert_int_equal(info.policy, POLICY_AUTOMATIC);
    assert_int_equal(info.effective, POLICY_AUTOMATIC);
    consent_device_info(consent_find_device(consent_of(bench), "device-1"), &info);
    assert_int_equal(info.policy, POLICY_HOME);
    assert_int_equal(info.effective, POLICY_ASK);
    activate(bench);
    is_installed(bench);
}

static void test_policy_changes_meanwhile(void **state)
{
    struct bench *bench = *state;

    activate(bench);
    is_not_installed(bench);
    consent_set(bench, POLICY_AUTOMATIC);
    is_installed(bench);
}

/* ---- security automatic ---- */

static void test_notice_goes_ahead(void **state)
{
    struct bench *bench = *state;

    consent_set(bench, POLICY_SECURITY_AUTOMATIC);
    notice(bench, SEVERITY_HIGH, true);
    activate(bench);
    assert_int_equal(consent_info(bench).state, QUESTION_NOTICE);
    assert_in_range(consent_info(bench).acts_at - clock_wall(&bench->loop.clock), NOTICE_S - 4, NOTICE_S);
    consent_pass(bench, NOTICE_S - 20);
    is_not_installed(bench);
    consent_pass(bench, 20);
    is_installed(bench);
    consent_has_lines(bench, "Notified Controller self::ctl; Now Policy SecurityAutomatic; "
                             "Installed Policy gateway; ");
}

static void test_notice_is_put_off(void **state)
{
    struct bench *bench = *state;

    consent_set(bench, POLICY_SECURITY_AUTOMATIC);
    notice(bench, SEVERITY_HIGH, true);
    activate(bench);
    consent_chosen(bench, CHOICE_LATER);
    consent_pass(bench, DEFERRAL_S - 20);
    is_not_installed(bench);
    assert_int_equal(consent_choose(bench, CHOICE_LATER, NULL), -1);
    consent_chosen(bench, CHOICE_WITHDRAW);
    consent_chosen(bench, CHOICE_LATER);
    assert_int_equal(consent_info(bench).deferrals_left, 0);
    consent_chosen(bench, CHOICE_WITHDRAW);
    assert_int_equal(consent_info(bench).why[CHOICE_LATER], WHY_USED_UP);
    /* The notice runs since it was put, whatever was decided in between. */
    assert_in_range(consent_info(bench).acts_at - clock_wall(&bench->loop.clock), 1,
                    NOTICE_S - DEFERRAL_S + 20);
    consent_pass(bench, NOTICE_S - DEFERRAL_S + 20);
    is_installed(bench);
}

static void test_other_updates_are_asked_for(void **state)
{
    struct bench *bench = *state;

    consent_set(bench, POLICY_SECURITY_AUTOMATIC);
    notice(bench, SEVERITY_LOW, false);
    activate(bench);
    consent_pass(bench, 10 * NOTICE_S);
    is_not_installed(bench);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    consent_chosen(bench, CHOICE_LATER);
    consent_pass(bench, DEFERRAL_S);
    is_not_installed(bench);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    consent_has_lines(bench,
                      "Asked Controller self::ctl; Later Resident page; Asked Policy SecurityAutomatic; ");
}

/* ---- quiet hours ---- */

static void tonight(struct bench *bench, bool crash)
{
    activate(bench);
    consent_chosen(bench, CHOICE_TONIGHT);
    consent_pass_to(bench, 1, 30);
    is_not_installed(bench);
    assert_string_equal(bench->waits_for, "quiet");
    consent_restart(bench, crash);
    assert_int_equal(consent_info(bench).state, QUESTION_TONIGHT);
    assert_int_equal(consent_info(bench).until % DAY_S, 2 * 3600);
    consent_pass_to(bench, 2, 0);
    is_installed(bench);
}

static void test_tonight(void **state)
{
    tonight(*state, false);
}

/* In the home's time zone: what is agreed for tonight begins at its two o'clock, also in the night in which that comes after
 * one o'clock at once, or twice. */
static void test_tonight_when_the_clocks_change(void **state)
{
    static const struct {
        const char *evening, *begins;
    } nights[] = {
        {"2027-03-27T20:00:00Z", "2027-03-28T00:30:00Z"}, /* 01:30 winter time; at 02:00 it is 03:00 */
        {"2027-06-10T20:00:00Z", "2027-06-10T23:30:00Z"},
        {"2027-10-30T20:00:00Z", "2027-10-30T23:30:00Z"}, /* 01:30 summer time */
        {"2027-12-10T20:00:00Z", "2027-12-11T00:30:00Z"},
    };
    struct bench *bench = *state;
    struct consent_home home = *consent_home(consent_of(bench));
    struct local_zone zone;

    assert_int_equal(local_zone_parse(&zone, "CET-1CEST,M3.5.0,M10.5.0/3", NULL), 0);
    consent_set_zone(consent_of(bench), &zone);
    home.quiet_start = (char[]){"01:30"};
    home.quiet_end = (char[]){"02:30"};
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    bench_settle(bench);
    for (size_t i = 0; i < sizeof(nights) / sizeof(nights[0]); i++) {
        struct clock *clock = &bench->loop.clock;
        int64_t evening, begins, next;

        assert_int_equal(str_to_time(str_of(nights[i].evening), &evening), 0);
        assert_int_equal(str_to_time(str_of(nights[i].begins), &begins), 0);
        clock_fake_advance(clock, (uint64_t)(evening - clock_wall(clock)) * 1000);
        assert_false(consent_is_quiet(consent_of(bench), &next));
        assert_int_equal(next, begins);
    }
    /* And it is done then, not before. */
    consent_pass(bench, 20 * 3600);
    consent_ask(bench, 2 * DAY_S);
    consent_chosen(bench, CHOICE_TONIGHT);
    assert_int_equal(consent_info(bench).until % DAY_S, 30 * 60);
    consent_pass(bench, (uint64_t)(consent_info(bench).until - clock_wall(&bench->loop.clock)) - 120);
    assert_int_equal(bench->devices[0].installs, 0);
    consent_pass(bench, 180);
    bench_run(bench, 5);
    assert_int_equal(bench->devices[0].installs, 1);
}

static void test_tonight_after_a_crash(void **state)
{
    tonight(*state, true);
}

/* What the device missed in one night is for the next. */
static void test_every_night(void **state)
{
    struct bench *bench = *state;

    activate(bench);
    consent_chosen(bench, CHOICE_TONIGHT);
    bench->devices[0].keeps_offline = true;
    consent_pass_to(bench, 3, 0);
    is_not_installed(bench);
    consent_pass_to(bench, 5, 1);
    bench->devices[0].keeps_offline = false;
    consent_pass_to(bench, 20, 0);
    is_not_installed(bench);
    consent_pass_to(bench, 2, 30);
    is_installed(bench);
}

static void test_automatic_in_quiet_hours_only(void **state)
{
    struct bench *bench = *state;
    struct consent_home home = *consent_home(consent_of(bench));

    home.policy = POLICY_AUTOMATIC;
    home.quiet_only = true;
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    consent_pass_to(bench, 12, 0);
    activate(bench);
    is_not_installed(bench);
    assert_int_equal(consent_info(bench).state, QUESTION_TONIGHT);
    consent_pass_to(bench, 2, 1);
    is_installed(bench);
    consent_has_lines(bench, "Tonight Policy Automatic; Installed Policy gateway; ");
}

static void test_critical_does_not_wait_for_the_night(void **state)
{
    struct bench *bench = *state;
    struct consent_home home = *consent_home(consent_of(bench));

    home.policy = POLICY_AUTOMATIC;
    home.quiet_only = true;
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    consent_pass_to(bench, 12, 0);
    notice(bench, SEVERITY_CRITICAL, true);
    activate(bench);
    is_installed(bench);
}

static void test_no_night_in_the_window(void **state)
{
    struct bench *bench = *state;
    struct error err;

    consent_pass_to(bench, 12, 0);
    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 3600));
    bench_run(bench, 2);
    assert_int_equal(consent_info(bench).why[CHOICE_TONIGHT], WHY_TOO_SHORT);
    assert_int_equal(consent_info(bench).answer_by - clock_wall(&bench->loop.clock), 3598);
    assert_int_equal(consent_choose(bench, CHOICE_TONIGHT, &err), -1);
    assert_non_null(strstr(err.message, "window ends"));
    consent_has_lines(bench, "Asked Controller self::ctl; ");
}

/* ---- the operator's floor ---- */

static void set_floor(struct bench *bench, enum consent_policy policy, uint32_t days)
{
    struct consent_home home = *consent_home(consent_of(bench));

    home.policy = policy;
    home.floor_severity = SEVERITY_HIGH;
    home.floor_days = days;
    home.deferral_s = DAY_S;
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    bench_settle(bench);
}

static void test_floor(void **state)
{
    struct bench *bench = *state;

    set_floor(bench, POLICY_NEVER, 2);
    notice(bench, SEVERITY_CRITICAL, true);
    activate(bench);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    assert_int_equal(consent_info(bench).why[CHOICE_NEVER], WHY_FLOOR);
    assert_in_range(consent_info(bench).acts_at - clock_wall(&bench->loop.clock), 2 * DAY_S - 4, 2 * DAY_S);
    consent_chosen(bench, CHOICE_LATER);
    consent_pass(bench, DAY_S);
    consent_chosen(bench, CHOICE_LATER); /* until the floor, and no longer */
    assert_in_range(consent_info(bench).until - clock_wall(&bench->loop.clock), DAY_S - 20, DAY_S - 2);
    is_not_installed(bench);
    consent_pass(bench, DAY_S);
    is_installed(bench);
    consent_has_lines(
        bench, "Asked Controller self::ctl; Later Resident page; Asked Policy Never; Later Resident page; "
               "Now Policy Floor; Installed Policy gateway; ");
}

static void test_below_the_floor(void **state)
{
    struct bench *bench = *state;

    set_floor(bench, POLICY_ASK, 1);
    notice(bench, SEVERITY_MEDIUM, true);
    activate(bench);
    consent_pass(bench, 2 * DAY_S);
    is_not_installed(bench);
    consent_chosen(bench, CHOICE_NEVER);
    bench_finish(bench);
    assert_int_equal(bench->fault_code, ERROR_REQUEST_DENIED);
}

/* Another command for the same update does not begin the days anew. */
static void test_floor_counts_from_the_first_time(void **state)
{
    struct bench *bench = *state;

    set_floor(bench, POLICY_ASK, 2);
    notice(bench, SEVERITY_CRITICAL, true);
    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, DAY_S));
    bench_run(bench, 2);
    consent_pass(bench, DAY_S);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    consent_restart(bench, true);
    bench->ended = 0;
    activate(bench);
    is_not_installed(bench);
    consent_pass(bench, DAY_S);
    is_installed(bench);
}

/* What the operator wants confirmed is not installed without. */
static void test_floor_does_not_confirm(void **state)
{
    struct bench *bench = *state;

    set_floor(bench, POLICY_AUTOMATIC, 0);
    notice(bench, SEVERITY_CRITICAL, true);
    consent_ask(bench, DAY_S);
    consent_pass(bench, 3600);
    is_not_installed(bench);
    assert_int_equal(consent_info(bench).why[CHOICE_NEVER], WHY_NOT_NEEDED);
}

/* ---- windows ---- */

static void test_confirmation_needed(void **state)
{
    struct bench *bench = *state;

    consent_set(bench, POLICY_AUTOMATIC);
    consent_ask(bench, 1000);
    is_not_installed(bench);
    assert_string_equal(consent_info(bench).wording, WORDS);
    assert_true(consent_info(bench).confirm);
    consent_chosen(bench, CHOICE_NOW);
    is_installed(bench);
    assert_string_equal(consent_of(bench)->newest->next->wording, WORDS);
}

static void test_nobody_answers(void **state)
{
    struct bench *bench = *state;

    consent_ask(bench, 1000);
    consent_pass(bench, 1000);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_non_null(strstr(bench->fault, "nobody confirmed"));
    consent_has_lines(bench, "Asked Controller self::ctl; Expired Policy gateway; ");
    assert_int_equal(consent_info(bench).state, QUESTION_IDLE);
}

/* Agreed, but the device was away: that is not said of the resident. */
static void test_expires_for_another_reason(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].keeps_offline = true;
    bench_run(bench, 2);
    consent_ask(bench, 1000);
    consent_chosen(bench, CHOICE_NOW);
    consent_pass(bench, 1000);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_non_null(strstr(bench->fault, "not online"));
}

static void test_confirmation_then_any_time(void **state)
{
    struct bench *bench = *state;
    const struct firmware_window windows[] = {
        {.end_s = 500, .mode = MODE_CONFIRMATION_NEEDED, .user_message = WORDS, .max_retries = -1},
        {.start_s = 500, .end_s = 1000, .mode = MODE_ANY_TIME, .max_retries = -1},
    };

    consent_set(bench, POLICY_AUTOMATIC);
    assert_non_null(consent_activate(bench, windows, 2));
    bench_run(bench, 2);
    is_not_installed(bench);
    consent_pass(bench, 500);
    is_installed(bench);
    consent_has_lines(bench, "Asked Controller self::ctl; Now Policy Automatic; Installed Policy gateway; ");
}

static void test_auto_activate(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_download(bench, 1, 1, NEW, true));
    bench_run(bench, 20);
    assert_int_equal(bench->devices[1].installs, 0);
    assert_int_equal(consent_info(bench).state, QUESTION_ASKED);
    consent_chosen(bench, CHOICE_NOW);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[1].installs, 1);
}

/* A retry needs no second answer. */
static void test_retry(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_FAILS_AT_40;
    bench->devices[0].fault_times = 1;
    activate(bench);
    consent_chosen(bench, CHOICE_NOW);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[0].installs, 2);
    consent_has_lines(bench, "Asked Controller self::ctl; Now Resident page; Installed Policy gateway; ");
}

static void test_too_late(void **state)
{
    struct bench *bench = *state;

    activate(bench);
    consent_chosen(bench, CHOICE_NOW);
    bench_run(bench, 2);
    assert_int_equal(bench->devices[0].installs, 1);
    assert_int_equal(consent_info(bench).why[CHOICE_WITHDRAW], WHY_TOO_LATE);
    assert_int_equal(consent_choose(bench, CHOICE_NEVER, NULL), -1);
    is_installed(bench);
}

static void test_cancelled(void **state)
{
    struct bench *bench = *state;

    activate(bench);
    assert_int_equal(firmware_job_cancel(firmware_slot_job(&bench->devices[0].target, 1), NULL), 0);
    bench_finish(bench);
    consent_has_lines(bench, "Asked Controller self::ctl; Dropped Policy gateway; ");
    assert_int_equal(consent_info(bench).state, QUESTION_IDLE);
    assert_int_equal(firmware_slot_clear(&bench->devices[0].target, 1, NULL), 0);
    assert_null(consent_question(bench));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, consent_setup, consent_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_automatic_is_the_default),
        TEST(test_ask_and_now),
        TEST(test_never_stays),
        TEST(test_policy_never),
        TEST(test_of_a_device),
        TEST(test_policy_changes_meanwhile),
        TEST(test_notice_goes_ahead),
        TEST(test_notice_is_put_off),
        TEST(test_other_updates_are_asked_for),
        TEST(test_tonight),
        TEST(test_tonight_after_a_crash),
        TEST(test_tonight_when_the_clocks_change),
        TEST(test_every_night),
        TEST(test_automatic_in_quiet_hours_only),
        TEST(test_critical_does_not_wait_for_the_night),
        TEST(test_no_night_in_the_window),
        TEST(test_floor),
        TEST(test_below_the_floor),
        TEST(test_floor_counts_from_the_first_time),
        TEST(test_floor_does_not_confirm),
        TEST(test_confirmation_needed),
        TEST(test_nobody_answers),
        TEST(test_expires_for_another_reason),
        TEST(test_confirmation_then_any_time),
        TEST(test_auto_activate),
        TEST(test_retry),
        TEST(test_too_late),
        TEST(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
