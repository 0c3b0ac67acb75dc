/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices that take an image when they wake; dialects that look into images, and that do without a URL. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_update.h"

#define NEW "https://images.example/device-2.0.0.bin"

enum {
    DAY_S = 86400,
    STALL_S = 60, /* of the bench's devices */
};

/* Two devices on one radio, each with an image in its second slot; the first says nothing once it was told to install. */
static int setup(void **state)
{
    static struct bench bench;

    bench_init(&bench, 2);
    bench.settings.parallel_installs = 1;
    bench_restart(&bench);
    bench_run(&bench, 2);
    bench_serve(&bench, NEW, "image two", "2.0.0");
    for (unsigned i = 0; i < 2; i++) {
        bench.devices[i].target.group = "radio";
        bench_have(&bench, i, 1, NEW);
    }
    bench.devices[0].fault = FAULT_STALLS;
    bench.ended = 0;
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    bench_done(*state);
    return 0;
}

static enum firmware_job_state state_of(struct bench *bench)
{
    struct firmware_job_info info;

    assert_non_null(bench->devices[0].target.jobs);
    firmware_job_info(bench->devices[0].target.jobs, &info);
    return info.state;
}

/* The first device has its order, and sleeps. */
static struct firmware_target *deferred(struct bench *bench, uint32_t end_s)
{
    struct firmware_target *target = &bench->devices[0].target;

    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, end_s));
    for (int i = 0; i < 10 && bench->devices[0].installs == 0; i++)
        bench_tick(bench);
    assert_int_equal(bench->devices[0].installs, 1);
    firmware_target_deferred(target, true);
    bench_settle(bench);
    return target;
}

static void others_have_the_turn(void **state)
{
    struct bench *bench = *state;
    struct firmware_target *target = deferred(bench, 3 * DAY_S);

    assert_non_null(bench_activate(bench, 1, 1, MODE_ANY_TIME, 0, DAY_S));
    bench_run(bench, 600);
    assert_string_equal(bench->devices[1].version, "2.0.0");
    bench_run(bench, 3600); /* longer than any stall */
    assert_int_equal(state_of(bench), JOB_TRANSFERRING);
    firmware_target_deferred(target, false);
    firmware_target_progress(target, 50);
    bench_fetched(target);
    firmware_target_transferred(target);
    strcpy(bench->devices[0].version, "2.0.0");
    firmware_target_version(target, NULL, "2.0.0");
    bench_settle(bench);
    assert_int_equal(bench->ended, 2);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->firmware->installs, 0);
}

/* It has begun: from now on it is in the way of others, and may stall like any. */
static void begins(void **state)
{
    struct bench *bench = *state;
    struct firmware_target *target = deferred(bench, 3 * DAY_S);

    firmware_target_deferred(target, false);
    assert_non_null(bench_activate(bench, 1, 1, MODE_ANY_TIME, 0, DAY_S));
    bench_run(bench, STALL_S - 10);
    assert_int_equal(bench->devices[1].installs, 0);
    bench_run(bench, 20);
    assert_int_equal(bench->devices[0].aborts, 1);
    assert_true(bench->devices[1].installs > 0);
}

static void ends_with_its_window(void **state)
{
    struct bench *bench = *state;

    deferred(bench, 1000);
    bench_run(bench, 900);
    assert_int_equal(bench->ended, 0);
    bench_run(bench, 200);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "did not wake"));
    assert_int_equal(bench->devices[0].aborts, 1);
    assert_int_equal(bench->firmware->installs, 0);
}

static void cancelled(void **state)
{
    struct bench *bench = *state;

    deferred(bench, DAY_S);
    assert_int_equal(firmware_job_cancel(bench->devices[0].target.jobs, NULL), 0);
    bench_settle(bench);
    assert_int_equal(bench->devices[0].aborts, 1);
    assert_int_equal(bench->firmware->installs, 0);
}

/* What the gateway handed out was good for one life: the order is given again. */
static void crashes(void **state)
{
    struct bench *bench = *state;

    deferred(bench, DAY_S);
    bench_crash(bench);
    bench->devices[0].fault = FAULT_NONE;
    bench->devices[0].step = 0;
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_true(bench->devices[0].installs >= 2);
}

/* ---- without a URL ---- */

static int install_from_file(struct firmware_target *target, const struct firmware_install *install,
                             struct error *err)
{
    struct bench_device *device = target->ctx;

    (void)err;
    assert_null(install->url);
    assert_non_null(install->path);
    device->installs++;
    return 0;
}

static void no_url(void **state)
{
    struct bench *bench = *state;
    struct firmware_target_ops ops = bench_device_ops;

    firmware_serve_at(bench->firmware, "");
    assert_non_null(bench_activate(bench, 1, 1, MODE_ANY_TIME, 0, DAY_S));
    bench_run(bench, 100);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "lan_http_listen"));
    ops.takes_either = true;
    ops.install = install_from_file;
    bench->devices[1].target.ops = &ops;
    assert_non_null(bench_activate(bench, 1, 1, MODE_ANY_TIME, 0, DAY_S));
    bench_run(bench, 5);
    assert_int_equal(bench->devices[1].installs, 1);
    bench->devices[1].target.ops = &bench_device_ops;
}

/* ---- images that say what they are ---- */

static int says_seven(const char *path, struct firmware_release *release, struct error *err)
{
    (void)err;
    assert_non_null(path);
    strcpy(release->version, "7");
    return 0;
}

static int is_none(const char *path, struct firmware_release *release, struct error *err)
{
    (void)path;
    (void)release;
    return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "that is none");
}

static void inspected(void **state)
{
    struct bench *bench = *state;
    struct firmware_target_ops ops = bench_device_ops;
    struct firmware_target *target = &bench->devices[1].target;

    target->ops = &ops;
    ops.inspect = says_seven;
    bench_have(bench, 1, 2, NEW);
    assert_string_equal(target->slots[2].version, "7");
    assert_false(target->slots[2].proven);
    ops.inspect = is_none;
    assert_non_null(bench_download(bench, 1, 2, NEW, false));
    bench_finish(bench);
    assert_int_equal(target->slots[2].status, FIRMWARE_VALIDATION_FAILED);
    assert_non_null(strstr(bench->fault, "that is none"));
    target->ops = &bench_device_ops;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(others_have_the_turn),
        TEST(begins),
        TEST(ends_with_its_window),
        TEST(cancelled),
        TEST(crashes),
        TEST(no_url),
        TEST(inspected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
