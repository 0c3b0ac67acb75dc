/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_update.h"

#define NEW "https://images.example/new-2.0.0.bin"
#define NEWER "https://images.example/newer.bin"

static struct firmware_slot *slot_of(struct bench *bench, unsigned device, int slot)
{
    return &bench->devices[device].target.slots[slot];
}

/* Three devices that run 1.0.0; the first has an image for 2.0.0 in its second slot. */
static int setup(void **state)
{
    static struct bench bench;

    bench_init(&bench, 3);
    bench_serve(&bench, NEW, "image two", "2.0.0");
    bench_serve(&bench, NEWER, "image three", "3.0.0");
    bench_have(&bench, 0, 1, NEW);
    bench.ended = 0;
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    bench_done(*state);
    return 0;
}

static void activate_now(struct bench *bench, unsigned device, int slot)
{
    assert_non_null(bench_activate(bench, device, slot, MODE_IMMEDIATELY, 0, 3600));
}

/* ---- windows ---- */

static void test_window_opens_later(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 1000, 2000));
    bench_run(bench, 998);
    assert_int_equal(bench->devices[0].installs, 0);
    assert_string_equal(bench->waits_for, "window");
    assert_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 10));
    assert_non_null(strstr(bench->fault, "busy"));
    bench_run(bench, 3);
    assert_int_equal(bench->devices[0].installs, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
}

static void test_offline_until_the_window_passed(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].keeps_offline = true;
    bench_run(bench, 1);
    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 1000));
    bench_run(bench, 500);
    assert_string_equal(bench->waits_for, "device");
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_non_null(strstr(bench->fault, "not online"));
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_AVAILABLE);
}

static void test_comes_online_in_the_window(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].keeps_offline = true;
    bench_run(bench, 1);
    activate_now(bench, 0, 1);
    bench_run(bench, 500);
    bench->devices[0].keeps_offline = false;
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
}

static void test_when_idle(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].busy = true;
    assert_non_null(bench_activate(bench, 0, 1, MODE_WHEN_IDLE, 0, 1000));
    bench_run(bench, 500);
    assert_int_equal(bench->devices[0].installs, 0);
    assert_string_equal(bench->waits_for, "idle");
    bench->devices[0].busy = false;
    bench_run(bench, 11);
    assert_int_equal(bench->devices[0].installs, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
}

static void test_never_idle(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].busy = true;
    assert_non_null(bench_activate(bench, 0, 1, MODE_WHEN_IDLE, 0, 100));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_non_null(strstr(bench->fault, "idle"));
}

static void test_several_windows(void **state)
{
    struct bench *bench = *state;
    struct firmware_window windows[3] = {
        {.start_s = 0,
         .end_s = 100,
         .mode = MODE_CONFIRMATION_NEEDED,
         .user_message = "may I?",
         .max_retries = -1},
        {.start_s = 100, .end_s = 200, .mode = MODE_WHEN_IDLE, .max_retries = -1},
        {.start_s = 500, .end_s = 600, .mode = MODE_IMMEDIATELY, .max_retries = -1},
    };
    struct firmware_origin origin = {.command = "c"};

    bench->devices[0].busy = true;
    assert_non_null(firmware_activate(&bench->devices[0].target, 1, windows, 3, &origin, NULL));
    bench_run(bench, 499);
    assert_int_equal(bench->devices[0].installs, 0);
    bench_run(bench, 3);
    assert_int_equal(bench->devices[0].installs, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
}

static void test_confirmation_is_not_assumed(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_activate(bench, 0, 1, MODE_CONFIRMATION_NEEDED, 0, 1000));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_non_null(strstr(bench->fault, "confirm"));
    assert_int_equal(bench->devices[0].installs, 0);
}

static enum firmware_consent answer(void *ctx, struct firmware_job *job, const struct firmware_window *window,
                                    const char **ret_reason)
{
    (void)ret_reason;
    (void)job;
    assert_non_null(window);
    return *(enum firmware_consent *)ctx;
}

static void test_consent(void **state)
{
    struct bench *bench = *state;
    enum firmware_consent consent = CONSENT_PENDING;
    struct firmware_policy policy = bench->firmware->policy;

    policy.consent = answer;
    policy.consent_ctx = &consent;
    firmware_set_policy(bench->firmware, &policy);
    assert_non_null(bench_activate(bench, 0, 1, MODE_CONFIRMATION_NEEDED, 0, 1000));
    bench_run(bench, 100);
    assert_string_equal(bench->waits_for, "consent");
    consent = CONSENT_GRANTED;
    firmware_reconsider(bench->firmware);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    consent = CONSENT_REFUSED;
    bench_have(bench, 1, 1, NEWER);
    activate_now(bench, 1, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench->fault_code, ERROR_REQUEST_DENIED);
    assert_int_equal(slot_of(bench, 1, 1)->status, FIRMWARE_AVAILABLE);
}

/* ---- limits ---- */

static void test_parallel_installs_and_groups(void **state)
{
    struct bench *bench = *state;
    unsigned most = 0;

    bench_have(bench, 1, 1, NEW);
    bench_have(bench, 2, 1, NEW);
    for (unsigned i = 0; i < 3; i++)
        activate_now(bench, i, 1);
    while (bench_jobs(bench)) {
        bench_tick(bench);
        if (bench->firmware->installs > most)
            most = bench->firmware->installs;
    }
    assert_int_equal(most, 2);
    for (unsigned i = 0; i < 3; i++) {
        bench_check_slots(bench, i);
        bench->devices[i].target.group = "radio";
        bench_have(bench, i, 2, NEWER);
        activate_now(bench, i, 2);
    }
    most = 0;
    while (bench_jobs(bench)) {
        bench_tick(bench);
        if (bench->firmware->installs > most)
            most = bench->firmware->installs;
    }
    assert_int_equal(most, 1);
    assert_int_equal(bench->state, JOB_DONE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_window_opens_later),
        TEST(test_offline_until_the_window_passed),
        TEST(test_comes_online_in_the_window),
        TEST(test_when_idle),
        TEST(test_never_idle),
        TEST(test_several_windows),
        TEST(test_confirmation_is_not_assumed),
        TEST(test_consent),
        TEST(test_parallel_installs_and_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
