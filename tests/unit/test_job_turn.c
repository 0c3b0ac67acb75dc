/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose turn it is: the home's canary, hubs, batteries; and what is not installed at all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_update.h"

#define NEW "https://images.example/device-2.0.0.bin"
#define NEWER "https://images.example/device-3.0.0.bin"
#define OLDER "https://images.example/device-0.9.0.bin"

enum {
    SOAK_S = 600,
};

/* Four devices that run 1.0.0; the first three are alike and have an image for 2.0.0 in their second slot. */
static int setup(void **state)
{
    static struct bench bench;

    bench_init(&bench, 4);
    bench.settings.canary_soak_s = SOAK_S;
    bench.settings.battery_minimum = 30;
    for (unsigned i = 0; i < 3; i++)
        bench.devices[i].cohort = "Maker\nModel\n1";
    bench_restart(&bench);
    bench_run(&bench, 2);
    bench_serve(&bench, NEW, "image two", "2.0.0");
    bench_serve(&bench, NEWER, "image three", "3.0.0");
    bench_serve(&bench, OLDER, "image old", "0.9.0");
    for (unsigned i = 0; i < 4; i++)
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

static void activate(struct bench *bench, unsigned device, int slot)
{
    assert_non_null(bench_activate(bench, device, slot, MODE_IMMEDIATELY, 0, 7 * 86400));
}

static void activate_all(struct bench *bench)
{
    for (unsigned i = 0; i < 3; i++)
        activate(bench, i, 1);
}

static unsigned updated(const struct bench *bench)
{
    unsigned count = 0;

    for (unsigned i = 0; i < 3; i++)
        count += strcmp(bench->devices[i].version, "2.0.0") == 0;
    return count;
}

static const char *waits_for(struct bench *bench, unsigned device)
{
    static struct firmware_job_info info;

    assert_non_null(bench->devices[device].target.jobs);
    firmware_job_info(bench->devices[device].target.jobs, &info);
    return info.waits_for;
}

static unsigned installs(const struct bench *bench)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bench->device_count; i++)
        count += bench->devices[i].installs;
    return count;
}

/* Until the first of them has ended. */
static void run_canary(struct bench *bench)
{
    for (unsigned i = 0; !bench->ended && i < 1000; i++) {
        bench_tick(bench);
        assert_true(installs(bench) <= 1);
    }
    assert_int_equal(bench->ended, 1);
}

/* ---- canary ---- */

static void test_canary_first(void **state)
{
    struct bench *bench = *state;

    activate_all(bench);
    activate(bench, 3, 1); /* of no cohort: has nobody to wait for */
    bench_settle(bench);
    assert_int_equal(bench->firmware->installs, 2);
    assert_string_equal(waits_for(bench, 1), "canary");
    while (bench->devices[3].target.jobs)
        bench_tick(bench);
    while (bench->devices[0].target.jobs)
        bench_tick(bench);
    assert_int_equal(updated(bench), 1);
    bench_run(bench, SOAK_S - 20);
    assert_string_equal(waits_for(bench, 1), "canary");
    assert_string_equal(waits_for(bench, 2), "canary");
    assert_int_equal(installs(bench), 2);
    bench_run(bench, 25);
    assert_int_equal(bench->firmware->installs, 2);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
    assert_int_equal(bench->state, JOB_DONE);
}

/* One that runs it already, for long enough, is as good as a canary */
static void test_proven_before(void **state)
{
    struct bench *bench = *state;

    activate(bench, 0, 1);
    bench_finish(bench);
    bench_run(bench, SOAK_S);
    activate(bench, 1, 1);
    activate(bench, 2, 1);
    bench_settle(bench);
    assert_int_equal(bench->firmware->installs, 2);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

static void test_failed_canary_holds_back(void **state)
{
    static const enum bench_fault faults[] = {FAULT_OLD_VERSION, FAULT_NEVER_RETURNS, FAULT_BREAKS_AT_40};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct bench *bench = *state;

        bench->devices[0].fault = faults[i];
        activate_all(bench);
        bench_finish(bench);
        assert_int_equal(installs(bench), 1);
        assert_int_equal(bench->ended, 3);
        assert_int_equal(bench->state, JOB_FAILED);
        assert_non_null(strstr(bench->fault, "held back, because it failed on Device.ProxiedDevice.1."));
        assert_int_equal(bench->devices[1].target.slots[1].status, FIRMWARE_ACTIVATION_FAILED);
        bench_check_slots(bench, 1);
        /* Another image is another matter, and so is a command given now that this is known. */
        bench->devices[1].fault = FAULT_NONE;
        activate(bench, 1, 1);
        activate(bench, 2, 1);
        bench_run(bench, 30);
        assert_int_equal(installs(bench), 2);
        assert_string_equal(waits_for(bench, 2), "canary");
        bench_finish(bench);
        assert_int_equal(updated(bench), 2);
        teardown(state);
        setup(state);
    }
}

/* Failures that say nothing about the image make the next one the canary */
static void test_canary_that_never_began(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_REFUSES;
    activate_all(bench);
    bench_run(bench, 5);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench->devices[1].installs, 1);
    assert_string_equal(waits_for(bench, 2), "canary");
    bench_finish(bench);
    assert_int_equal(updated(bench), 2);
}

static void test_canary_retries(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_FAILS_AT_40;
    bench->devices[0].fault_times = 2;
    activate_all(bench);
    for (unsigned i = 0; strcmp(bench->devices[0].version, "2.0.0") != 0 && i < 1000; i++) {
        bench_tick(bench);
        assert_int_equal(bench->devices[1].installs + bench->devices[2].installs, 0);
    }
    assert_int_equal(bench->devices[0].installs, 3);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

static void set_online(struct bench *bench, unsigned device, bool online)
{
    bench->devices[device].keeps_offline = !online;
    bench->devices[device].online = online;
    firmware_target_online(&bench->devices[device].target, online);
}

/* It updated and then left: the others wait for it to come back, for a time */
static void test_canary_leaves(void **state)
{
    struct bench *bench = *state;

    activate_all(bench);
    run_canary(bench);
    set_online(bench, 0, false);
    bench_run(bench, 3 * SOAK_S);
    assert_int_equal(updated(bench), 1);
    assert_string_equal(waits_for(bench, 1), "canary");
    set_online(bench, 0, true);
    bench_run(bench, 2);
    assert_int_equal(bench->firmware->installs, 2);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

static void test_canary_gone_for_good(void **state)
{
    struct bench *bench = *state;

    activate_all(bench);
    run_canary(bench);
    set_online(bench, 0, false);
    bench_run(bench, 11 * SOAK_S);
    bench_run(bench, 30);
    assert_int_equal(updated(bench), 2);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

static void test_restart_while_it_soaks(void **state)
{
    struct bench *bench = *state;

    activate_all(bench);
    run_canary(bench);
    bench_crash(bench);
    bench_run(bench, SOAK_S - 20);
    assert_int_equal(updated(bench), 1);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

static void test_restart_while_it_installs(void **state)
{
    struct bench *bench = *state;

    activate_all(bench);
    while (bench->devices[0].step < 4)
        bench_tick(bench);
    bench_crash(bench);
    run_canary(bench);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

static void test_its_window_passes(void **state)
{
    struct bench *bench = *state;

    activate(bench, 0, 1);
    assert_non_null(bench_activate(bench, 1, 1, MODE_IMMEDIATELY, 0, 300));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_EXPIRED);
    assert_non_null(strstr(bench->fault, "first device of its kind"));
}

static void test_cohort_changes(void **state)
{
    struct bench *bench = *state;

    activate_all(bench);
    run_canary(bench);
    firmware_target_cohort(&bench->devices[1].target, "Maker\nModel\n2");
    firmware_target_cohort(&bench->devices[1].target, "Maker\nModel\n2");
    firmware_target_cohort(&bench->devices[2].target, NULL);
    firmware_reconsider(bench->firmware);
    bench_run(bench, 2);
    assert_int_equal(bench->firmware->installs, 2);
    bench_finish(bench);
    assert_int_equal(updated(bench), 3);
}

/* ---- hubs ---- */

static void test_hub_first_and_alone(void **state)
{
    struct bench *bench = *state;
    bool hub_done = false;

    for (unsigned i = 0; i < 3; i++) {
        firmware_target_cohort(&bench->devices[i].target, NULL);
        firmware_target_hub(&bench->devices[i].target, &bench->devices[3].target);
    }
    activate(bench, 0, 1);
    bench_run(bench, 2);
    assert_int_equal(bench->firmware->installs, 1);
    activate(bench, 3, 1);
    activate(bench, 1, 1);
    activate(bench, 2, 1);
    bench_run(bench, 1);
    assert_string_equal(waits_for(bench, 3), "hub");
    assert_string_equal(waits_for(bench, 1), "hub");
    while (bench_jobs(bench)) {
        bench_tick(bench);
        if (bench->devices[3].target.job)
            assert_int_equal(bench->firmware->installs, 1);
        hub_done = hub_done || strcmp(bench->devices[3].version, "2.0.0") == 0;
        if (bench->devices[1].installs || bench->devices[2].installs)
            assert_true(hub_done);
    }
    assert_int_equal(updated(bench), 3);
    assert_string_equal(bench->devices[3].version, "2.0.0");
}

static void test_hubs_of_each_other(void **state)
{
    struct bench *bench = *state;
    struct firmware_target *a = &bench->devices[0].target, *b = &bench->devices[1].target;

    firmware_target_hub(a, b);
    firmware_target_hub(b, a); /* would be a circle: not taken */
    assert_null(b->hub);
    assert_ptr_equal(a->hub, b);
    firmware_target_remove(b);
    assert_null(a->hub);
    activate(bench, 0, 1);
    bench_finish(bench);
    assert_string_equal(bench->devices[0].version, "2.0.0");
}

/* ---- battery, versions ---- */

static void test_battery(void **state)
{
    struct bench *bench = *state;

    firmware_target_battery(&bench->devices[3].target, 29);
    activate(bench, 3, 1);
    bench_run(bench, 100);
    assert_string_equal(waits_for(bench, 3), "battery");
    firmware_target_battery(&bench->devices[3].target, 130); /* the device exaggerates */
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[3].target.battery, 100);
}

static void test_downgrade(void **state)
{
    struct bench *bench = *state;

    bench_have(bench, 3, 2, OLDER);
    activate(bench, 3, 2);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "older than \"1.0.0\""));
    assert_int_equal(bench->devices[3].installs, 0);
    /* Going back to what it ran before is no downgrade in disguise. */
    activate(bench, 3, 1);
    bench_finish(bench);
    bench_have(bench, 3, 2, NEWER);
    activate(bench, 3, 2);
    bench_finish(bench);
    assert_string_equal(bench->devices[3].version, "3.0.0");
    activate(bench, 3, 1);
    bench_finish(bench);
    assert_string_equal(bench->devices[3].version, "2.0.0");
    bench->settings.allow_downgrade = true;
    bench_restart(bench);
    bench_have(bench, 3, 2, OLDER);
    activate(bench, 3, 2);
    bench_finish(bench);
    assert_string_equal(bench->devices[3].version, "0.9.0");
}

/* ---- withdrawn images ---- */

static void withdraw(struct bench *bench, const char *text)
{
    FILE *file = fopen(bench->settings.withdrawn_file, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_withdrawn(void **state)
{
    struct bench *bench = *state;
    char file[128], line[256], digest[65];
    struct error err;

    snprintf(file, sizeof(file), "%s/withdrawn", bench->dir);
    bench->settings.withdrawn_file = file;
    withdraw(bench, "# none yet\n");
    bench_restart(bench);
    str_copy(digest, sizeof(digest), bench->devices[0].target.slots[1].image->sha256);
    /* One job waits with it, one is on its way, others only have it. */
    set_online(bench, 0, false);
    activate(bench, 0, 1);
    bench_settle(bench);
    for (char *at = digest; *at; at++)
        *at = *at >= 'a' && *at <= 'f' ? (char)(*at - 'a' + 'A') : *at;
    snprintf(line, sizeof(line), "%s = opens the door to everybody\n", digest);
    withdraw(bench, line);
    assert_int_equal(firmware_reload(bench->firmware, &err), 0);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_string_equal(bench->fault, "this image was withdrawn: opens the door to everybody");
    assert_int_equal(installs(bench), 0);
    assert_int_equal(bench->devices[1].target.slots[1].status, FIRMWARE_VALIDATION_FAILED);
    assert_string_equal(bench->devices[1].target.slots[1].boot_failure_log, "opens the door to everybody");
    assert_null(bench->devices[1].target.slots[1].image);
    bench_check_slots(bench, 1);
    assert_non_null(bench_download(bench, 1, 1, NEW, false));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "opens the door"));
    assert_int_equal(bench->devices[1].target.slots[1].status, FIRMWARE_VALIDATION_FAILED);

    /* A list that makes no sense changes nothing. */
    withdraw(bench, "1234 = short\n");
    assert_int_equal(firmware_reload(bench->firmware, &err), -1);
    assert_non_null(strstr(err.path, "withdrawn:1"));
    withdraw(bench, "\n0000000000000000000000000000000000000000000000000000000000000000 =\n");
    assert_int_equal(firmware_reload(bench->firmware, &err), -1);
    assert_non_null(strstr(err.path, "withdrawn:2"));
    withdraw(bench, "000000000000000000000000000000000000000000000000000000000000000g = x\n");
    assert_int_equal(firmware_reload(bench->firmware, &err), -1);
    unlink(file);
    assert_int_equal(firmware_reload(bench->firmware, &err), -1);
    assert_non_null(bench_download(bench, 1, 1, NEW, false));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);

    withdraw(bench, "");
    assert_int_equal(firmware_reload(bench->firmware, &err), 0);
    bench_have(bench, 1, 1, NEW);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_canary_first),
        TEST(test_proven_before),
        TEST(test_failed_canary_holds_back),
        TEST(test_canary_that_never_began),
        TEST(test_canary_retries),
        TEST(test_canary_leaves),
        TEST(test_canary_gone_for_good),
        TEST(test_restart_while_it_soaks),
        TEST(test_restart_while_it_installs),
        TEST(test_its_window_passes),
        TEST(test_cohort_changes),
        TEST(test_hub_first_and_alone),
        TEST(test_hubs_of_each_other),
        TEST(test_battery),
        TEST(test_downgrade),
        TEST(test_withdrawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
