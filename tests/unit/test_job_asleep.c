/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that sleep and the home's canary; what a failure teaches, over restarts; and that no job waits for ever.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_update.h"

#define NEW "https://images.example/device-2.0.0.bin"
#define KIND "Maker\nModel\n1"

enum {
    SOAK_S = 600,
    DAY_S = 86400,
    PATIENCE_S = 30 * DAY_S, /* of a command without a time window */
};

/* Three devices of one kind, with an image for 2.0.0 in their second slot. */
static int setup(void **state)
{
    static struct bench bench;

    bench_init(&bench, 3);
    bench.settings.canary_soak_s = SOAK_S;
    bench.settings.battery_minimum = 30;
    for (unsigned i = 0; i < 3; i++)
        bench.devices[i].cohort = KIND;
    bench_restart(&bench);
    bench_run(&bench, 2);
    bench_serve(&bench, NEW, "image two", "2.0.0");
    for (unsigned i = 0; i < 3; i++)
        bench_have(&bench, i, 1, NEW);
    bench.ended = 0;
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    bench_done(*state);
    return 0;
}

static struct firmware_target *target_of(struct bench *bench, unsigned device)
{
    return &bench->devices[device].target;
}

static void activate(struct bench *bench, unsigned device)
{
    assert_non_null(bench_activate(bench, device, 1, MODE_ANY_TIME, 0, 7 * DAY_S));
}

static const char *waits_for(struct bench *bench, unsigned device)
{
    static struct firmware_job_info info;

    assert_non_null(target_of(bench, device)->jobs);
    firmware_job_info(target_of(bench, device)->jobs, &info);
    return info.waits_for;
}

static void run_until_installed(struct bench *bench, unsigned device)
{
    for (int i = 0; i < 100 && bench->devices[device].installs == 0; i++)
        bench_tick(bench);
    assert_int_equal(bench->devices[device].installs, 1);
}

/* Its order lies with whoever speaks for it, and it sleeps. */
static void defer(struct bench *bench, unsigned device)
{
    bench->devices[device].fault = FAULT_STALLS;
    firmware_target_sleeps(target_of(bench, device), true);
    activate(bench, device);
    run_until_installed(bench, device);
    firmware_target_deferred(target_of(bench, device), true);
    bench_settle(bench);
}

/* ---- asleep and awake ---- */

static void the_one_awake_goes_first(void **state)
{
    struct bench *bench = *state;

    firmware_target_sleeps(target_of(bench, 0), true);
    activate(bench, 0); /* accepted first */
    activate(bench, 1);
    bench_settle(bench);
    assert_int_equal(bench->devices[0].installs, 0);
    run_until_installed(bench, 1);
    assert_string_equal(waits_for(bench, 0), "canary");
    bench_finish(bench);
    assert_string_equal(bench->devices[0].version, "2.0.0");
}

static void nobody_waits_for_a_sleeper(void **state)
{
    struct bench *bench = *state;

    defer(bench, 0);
    activate(bench, 1);
    run_until_installed(bench, 1);
    assert_int_equal(bench->ended, 0);
    while (target_of(bench, 1)->jobs)
        bench_tick(bench);
    assert_string_equal(bench->devices[1].version, "2.0.0");
}

static void sleepers_wait_for_each_other(void **state)
{
    struct bench *bench = *state;

    defer(bench, 0);
    firmware_target_sleeps(target_of(bench, 1), true);
    activate(bench, 1);
    bench_run(bench, 600);
    assert_int_equal(bench->devices[1].installs, 0);
    assert_string_equal(waits_for(bench, 1), "canary");
}

/* One that is awake, and will not begin soon, is not waited for. */
static void one_awake_that_cannot_begin(void **state)
{
    struct bench *bench = *state;

    firmware_target_sleeps(target_of(bench, 0), true);
    assert_non_null(bench_activate(bench, 1, 1, MODE_ANY_TIME, DAY_S, 2 * DAY_S));
    firmware_target_battery(target_of(bench, 2), 10);
    activate(bench, 2);
    bench_run(bench, 70);
    activate(bench, 0);
    bench_run(bench, 70);
    assert_int_equal(bench->devices[0].installs, 1);
}

/* Nor is one whose window opens later: that is known as soon as both are accepted. */
static void one_awake_whose_window_is_later(void **state)
{
    struct bench *bench = *state;

    firmware_target_sleeps(target_of(bench, 0), true);
    activate(bench, 0);
    assert_non_null(bench_activate(bench, 1, 1, MODE_ANY_TIME, DAY_S, 2 * DAY_S));
    bench_run(bench, 20); /* not only after it has looked again */
    assert_int_equal(bench->devices[0].installs, 1);
}

/* That it sleeps again does not make its soak longer: it came back with the new version, and that is what counts. */
static void a_sleeper_is_a_good_canary(void **state)
{
    struct bench *bench = *state;

    firmware_target_sleeps(target_of(bench, 0), true);
    activate(bench, 0);
    while (target_of(bench, 0)->jobs)
        bench_tick(bench);
    bench->devices[0].keeps_offline = true;
    bench->devices[0].online = false;
    firmware_target_online(target_of(bench, 0), false);
    activate(bench, 1);
    bench_run(bench, SOAK_S - 30);
    assert_int_equal(bench->devices[1].installs, 0);
    bench_run(bench, 60);
    assert_int_equal(bench->devices[1].installs, 1);
}

/* ---- what a failure teaches ---- */

/* The first device fails while the image is still on its way to the second. */
static void fail_first(struct bench *bench)
{
    struct bench_image *image = &bench->images[0];

    image->failures = 1000;
    assert_non_null(bench_download(bench, 1, 2, NEW, true));
    bench->devices[0].fault = FAULT_OLD_VERSION;
    activate(bench, 0);
    while (target_of(bench, 0)->jobs)
        bench_tick(bench);
    assert_int_equal(bench->state, JOB_ROLLED_BACK);
    assert_non_null(target_of(bench, 1)->jobs);
    bench->ended = 0;
    image->failures = 0;
}

static void held_back(struct bench *bench)
{
    bench_finish(bench);
    assert_int_equal(bench->devices[1].installs, 0);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "held back, because it failed on Device.ProxiedDevice.1."));
    /* A command of later is another try on purpose, and nothing is left in the store. */
    activate(bench, 1);
    bench_finish(bench);
    assert_string_equal(bench->devices[1].version, "2.0.0");
}

static int count_record(void *ctx, struct str key, struct str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned records(struct bench *bench)
{
    unsigned count = 0;

    store_each(bench->store, "cohort", STR(""), count_record, &count, NULL);
    return count;
}

static void a_failure_outlives_a_restart(void **state)
{
    struct bench *bench = *state;

    fail_first(bench);
    assert_int_equal(records(bench), 1);
    bench_restart(bench);
    held_back(bench);
    assert_int_equal(records(bench), 0);
}

static void a_failure_outlives_a_crash(void **state)
{
    struct bench *bench = *state;

    fail_first(bench);
    bench_crash(bench);
    held_back(bench);
    assert_int_equal(records(bench), 0);
}

static void a_failure_with_nobody_to_hold_back_is_forgotten(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_OLD_VERSION;
    activate(bench, 0);
    bench_finish(bench);
    assert_int_equal(records(bench), 0);
}

static void a_record_that_cannot_be_read_is_none(void **state)
{
    struct bench *bench = *state;

    fail_first(bench);
    assert_int_equal(store_put(bench->store, "cohort", STR(KIND), "\1\2", 2, NULL), 0);
    bench_restart(bench);
    bench_finish(bench);
    assert_string_equal(bench->devices[1].version, "2.0.0");
}

/* ---- no job waits for ever ---- */

static void pass(struct bench *bench, uint64_t seconds)
{
    clock_fake_advance(&bench->loop.clock, seconds * 1000);
    bench_tick(bench);
    bench_settle(bench);
}

static void offline_without_a_window(void **state)
{
    struct bench *bench = *state;
    struct firmware_origin origin = {.originator = "self::ctl", .command = "c", .command_key = "k"};

    bench->devices[0].keeps_offline = true;
    bench->devices[0].online = false;
    firmware_target_online(target_of(bench, 0), false);
    assert_non_null(firmware_activate(target_of(bench, 0), 1, NULL, 0, &origin, NULL));
    bench_settle(bench);
    assert_string_equal(waits_for(bench, 0), "device");
    pass(bench, PATIENCE_S - 60);
    assert_int_equal(bench->ended, 0);
    bench_restart(bench); /* the month goes on */
    pass(bench, 120);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_string_equal(bench->fault, "30 days have passed: the device was not online");
}

static void low_battery_without_a_window(void **state)
{
    struct bench *bench = *state;
    struct firmware_origin origin = {.originator = "self::ctl", .command = "c", .command_key = "k"};

    firmware_target_battery(target_of(bench, 0), 5);
    assert_non_null(firmware_activate(target_of(bench, 0), 1, NULL, 0, &origin, NULL));
    bench_settle(bench);
    pass(bench, PATIENCE_S + 60);
    assert_int_equal(bench->ended, 1);
    assert_string_equal(bench->fault, "30 days have passed: the device's battery stayed too low");
}

/* Online, takes everything, says nothing: each try stalls, and there are so many. */
static void a_mute_device(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_STALLS;
    activate(bench, 0);
    bench_finish(bench);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "stalled"));
    assert_int_equal(bench->devices[0].installs, 1 + bench->settings.retries);
}

/* An order that nobody ever takes: it ends after a week, though the window is open for longer. */
static void a_sleeper_that_never_wakes(void **state)
{
    struct bench *bench = *state;

    bench->settings.retries = 1;
    bench_restart(bench);
    bench_run(bench, 2);
    bench->devices[0].fault = FAULT_STALLS;
    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 100 * DAY_S));
    for (unsigned tries = 1; tries <= 2; tries++) {
        for (int i = 0; i < 100 && bench->devices[0].installs < tries; i++)
            bench_tick(bench);
        firmware_target_deferred(target_of(bench, 0), true);
        pass(bench, 7 * DAY_S - 60);
        assert_int_equal(bench->ended, 0);
        pass(bench, 120);
    }
    bench_run(bench, 60);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "did not wake"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_one_awake_goes_first),
        TEST(nobody_waits_for_a_sleeper),
        TEST(sleepers_wait_for_each_other),
        TEST(one_awake_that_cannot_begin),
        TEST(one_awake_whose_window_is_later),
        TEST(a_sleeper_is_a_good_canary),
        TEST(a_failure_outlives_a_restart),
        TEST(a_failure_outlives_a_crash),
        TEST(a_failure_with_nobody_to_hold_back_is_forgotten),
        TEST(a_record_that_cannot_be_read_is_none),
        TEST(offline_without_a_window),
        TEST(low_battery_without_a_window),
        TEST(a_mute_device),
        TEST(a_sleeper_that_never_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
