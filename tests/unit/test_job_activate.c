/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void check_failed(struct bench *bench, enum firmware_job_state state, const char *words)
{
    bench_finish(bench);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, state);
    assert_int_equal(bench->fault_code, ERROR_COMMAND_FAILURE);
    assert_non_null(strstr(bench->fault, words));
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_ACTIVATION_FAILED);
    assert_non_null(strstr(slot_of(bench, 0, 1)->boot_failure_log, words));
    assert_non_null(slot_of(bench, 0, 1)->image);
    bench_check_slots(bench, 0);
}

/* ---- what works ---- */

static void test_activate(void **state)
{
    struct bench *bench = *state;

    activate_now(bench, 0, 1);
    bench_settle(bench);
    assert_int_equal(bench->devices[0].installs, 1);
    bench_run(bench, 5);
    assert_int_equal(bench->progress, 60);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->devices[0].target.active, 1);
    assert_string_equal(slot_of(bench, 0, 1)->version, "2.0.0");
    assert_true(slot_of(bench, 0, 1)->proven);
    assert_int_equal(slot_of(bench, 0, 0)->status, FIRMWARE_NO_IMAGE); /* the gateway never had 1.0.0 */
    assert_null(slot_of(bench, 0, 0)->version);
    bench_check_slots(bench, 0);
}

static void test_rollback_is_an_activation(void **state)
{
    struct bench *bench = *state;

    activate_now(bench, 0, 1);
    bench_finish(bench);
    bench_have(bench, 0, 2, NEWER);
    activate_now(bench, 0, 2);
    bench_finish(bench);
    assert_int_equal(bench->devices[0].target.active, 2);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_AVAILABLE);
    assert_string_equal(slot_of(bench, 0, 1)->version, "2.0.0");
    activate_now(bench, 0, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_string_equal(bench->devices[0].version, "2.0.0");
    assert_int_equal(slot_of(bench, 0, 2)->status, FIRMWARE_AVAILABLE);
    bench_check_slots(bench, 0);
}

static void test_auto_activate(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_download(bench, 1, 2, NEW, true));
    bench_finish(bench);
    assert_int_equal(bench->ended, 1); /* one command, one result */
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[1].target.active, 2);
    bench->devices[2].fault = FAULT_OLD_VERSION;
    assert_non_null(bench_download(bench, 2, 2, NEW, true));
    bench_finish(bench);
    assert_int_equal(bench->ended, 2);
    assert_int_equal(bench->state, JOB_ROLLED_BACK);
    assert_int_equal(slot_of(bench, 2, 2)->status, FIRMWARE_ACTIVATION_FAILED);
}

static void test_offer(void **state)
{
    struct bench *bench = *state;
    struct firmware_target *target = &bench->devices[1].target;

    firmware_target_offer(target, "stable", "1.0.0"); /* what it runs is no offer */
    assert_int_equal(slot_of(bench, 1, 1)->status, FIRMWARE_NO_IMAGE);
    firmware_target_offer(target, "stable", "1.1.0");
    firmware_target_offer(target, "beta", "1.2.0");
    firmware_target_offer(target, "stable", "1.1.1");
    assert_string_equal(slot_of(bench, 1, 1)->version, "1.1.1");
    assert_string_equal(slot_of(bench, 1, 2)->offer, "beta");
    assert_int_equal(slot_of(bench, 1, 1)->status, FIRMWARE_AVAILABLE);
    assert_true(slot_of(bench, 1, 1)->available);
    firmware_target_offer(target, "beta", NULL);
    assert_int_equal(slot_of(bench, 1, 2)->status, FIRMWARE_NO_IMAGE);
    bench_restart(bench);
    bench_run(bench, 2);
    activate_now(bench, 1, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(target->active, 1);
    assert_null(slot_of(bench, 1, 1)->offer);
    bench_check_slots(bench, 1);
    firmware_target_offer(target, "stable", "1.1.2");
    assert_string_equal(slot_of(bench, 1, 0)->version, "1.1.2");
    firmware_target_offer(target, NULL, NULL);
    assert_int_equal(slot_of(bench, 1, 0)->status, FIRMWARE_NO_IMAGE);
}

static void test_device_updates_by_itself(void **state)
{
    struct bench *bench = *state;
    struct firmware_target *target = &bench->devices[0].target;
    unsigned updated = bench->updated;

    firmware_target_version(target, "Name", "1.0.0");
    assert_int_equal(bench->updated, updated);
    assert_string_equal(slot_of(bench, 0, 0)->name, "Name");
    firmware_target_version(target, NULL, "1.0.5"); /* unknown here */
    assert_int_equal(bench->updated, updated + 1);
    assert_int_equal(target->active, 0);
    assert_string_equal(slot_of(bench, 0, 0)->version, "1.0.5");
    firmware_target_version(target, NULL, "2.0.0"); /* the one we keep for it */
    assert_int_equal(target->active, 1);
    assert_int_equal(slot_of(bench, 0, 0)->status, FIRMWARE_NO_IMAGE);
}

static void test_waiting_job_whose_version_came_by_itself(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 100, 200));
    bench_settle(bench);
    strcpy(bench->devices[0].version, "2.0.0");
    firmware_target_version(&bench->devices[0].target, NULL, "2.0.0");
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[0].installs, 0);
}

/* ---- what fails ---- */

/* Words are no proof: the image has to have left the gateway. */
static void test_claims_what_it_never_fetched(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_CLAIMS;
    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 3600));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench->ended, 1);
    assert_non_null(strstr(bench->fault, "has not fetched this image"));
}

static void test_refused(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_REFUSES;
    activate_now(bench, 0, 1);
    check_failed(bench, JOB_FAILED, "wrong hardware");
    assert_int_equal(bench->devices[0].installs, 1);
    bench->devices[0].fault = FAULT_NONE;
    activate_now(bench, 0, 1); /* the image is still there */
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_null(slot_of(bench, 0, 1)->boot_failure_log);
}

static void test_transient_refusal_is_repeated(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_BUSY;
    bench->devices[0].fault_times = 2;
    activate_now(bench, 0, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->devices[0].installs, 3);
}

static void test_transient_failures_are_bounded(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_FAILS_AT_40;
    activate_now(bench, 0, 1);
    check_failed(bench, JOB_FAILED, "flash write failed");
    assert_int_equal(bench->devices[0].installs, 4);
}

static void test_max_retries_of_the_command(void **state)
{
    struct bench *bench = *state;
    struct firmware_window windows[2] = {
        {.start_s = 0, .end_s = 3600, .mode = MODE_ANY_TIME, .max_retries = 0},
        {.start_s = 7200, .end_s = 9000, .mode = MODE_ANY_TIME, .max_retries = 1},
    };
    struct firmware_origin origin = {.command = "c"};

    bench->devices[0].fault = FAULT_FAILS_AT_40;
    assert_non_null(firmware_activate(&bench->devices[0].target, 1, windows, 2, &origin, NULL));
    bench_run(bench, 3600);
    assert_int_equal(bench->devices[0].installs, 1);
    assert_string_equal(bench->waits_for, "window");
    check_failed(bench, JOB_FAILED, "flash write failed");
    assert_int_equal(bench->devices[0].installs, 3);
}

static void test_permanent_failure(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_BREAKS_AT_40;
    activate_now(bench, 0, 1);
    check_failed(bench, JOB_FAILED, "flash write failed");
    assert_int_equal(bench->devices[0].installs, 1);
}

static void test_stall(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_STALLS;
    activate_now(bench, 0, 1);
    check_failed(bench, JOB_FAILED, "no progress for 60 s");
    assert_int_equal(bench->devices[0].installs, 4);
    assert_int_equal(bench->devices[0].aborts, 4);
}

static void test_never_returns(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_NEVER_RETURNS;
    activate_now(bench, 0, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "did not come back within 120 s"));
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_ACTIVATION_FAILED);
    bench_check_slots(bench, 0);
}

static void test_old_version(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_OLD_VERSION;
    activate_now(bench, 0, 1);
    check_failed(bench, JOB_ROLLED_BACK, "came back with the version it had before, \"1.0.0\"");
}

/* A bare image: any version but the old one counts. Once it was read, it is what is expected. */
static void test_other_version(void **state)
{
    struct bench *bench = *state;

    bench->devices[0].fault = FAULT_OTHER_VERSION;
    activate_now(bench, 0, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_string_equal(slot_of(bench, 0, 1)->version, "6.6.6");
    firmware_target_offer(&bench->devices[1].target, "stable", "1.1.0");
    bench->devices[1].fault = FAULT_OTHER_VERSION;
    activate_now(bench, 1, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "runs version \"6.6.6\" and not \"1.1.0\""));
    assert_int_equal(slot_of(bench, 1, 1)->status, FIRMWARE_ACTIVATION_FAILED);
    assert_string_equal(slot_of(bench, 1, 0)->version, "6.6.6");
    bench_check_slots(bench, 1);
}

static void test_quarantine_ends_what_runs(void **state)
{
    struct bench *bench = *state;

    activate_now(bench, 0, 1);
    bench_run(bench, 3);
    firmware_target_block(&bench->devices[0].target, "another key");
    assert_int_equal(bench->devices[0].aborts, 1);
    check_failed(bench, JOB_FAILED, "another key");
    assert_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 10));
}

static void test_damaged_image_is_not_handed_out(void **state)
{
    struct bench *bench = *state;
    char *path = cache_path(bench->firmware->cache, slot_of(bench, 0, 1)->image->sha256);
    FILE *file = fopen(path, "r+");

    free(path);
    fputc('X', file);
    fclose(file);
    activate_now(bench, 0, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "damaged"));
    assert_int_equal(bench->devices[0].installs, 0);
    assert_int_equal(bench_files(bench, ""), 0);
    assert_null(slot_of(bench, 0, 1)->image);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_ACTIVATION_FAILED);
    assert_non_null(strstr(slot_of(bench, 0, 1)->boot_failure_log, "damaged"));
    assert_false(slot_of(bench, 0, 1)->available);
    bench_check_slots(bench, 0);
    bench_have(bench, 0, 1, NEW);
}

static void test_without_image_server(void **state)
{
    struct bench *bench = *state;

    firmware_serve_at(bench->firmware, "");
    activate_now(bench, 0, 1);
    check_failed(bench, JOB_FAILED, "lan_http_listen");
    assert_int_equal(bench->devices[0].installs, 0);
}

/* ---- cancel, refusals ---- */

static void test_cancel(void **state)
{
    struct bench *bench = *state;
    struct firmware_job *job = bench_activate(bench, 0, 1, MODE_ANY_TIME, 100, 200);
    struct error err;

    bench_run(bench, 5);
    assert_int_equal(firmware_job_cancel(job, NULL), 0);
    assert_int_equal(bench->state, JOB_CANCELLED);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_AVAILABLE);
    job = bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 200);
    bench_run(bench, 5);
    assert_int_equal(firmware_job_cancel(job, NULL), 0); /* in the transfer */
    assert_int_equal(bench->devices[0].aborts, 1);
    bench_settle(bench);
    job = bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 200);
    bench_run(bench, 12);
    assert_int_equal(firmware_job_cancel(job, &err), -1); /* the device has it */
    assert_non_null(strstr(err.message, "too late"));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->ended, 3);
}

static void check_refused(struct bench *bench, struct firmware_job *job, uint32_t code, const char *words)
{
    assert_null(job);
    assert_int_equal(bench->fault_code, code);
    assert_non_null(strstr(bench->fault, words));
}

static void test_what_is_not_accepted(void **state)
{
    struct bench *bench = *state;

    check_refused(bench, bench_activate(bench, 0, 0, MODE_ANY_TIME, 0, 1), ERROR_COMMAND_FAILURE,
                  "Active already");
    check_refused(bench, bench_activate(bench, 0, 2, MODE_ANY_TIME, 0, 1), ERROR_COMMAND_FAILURE, "NoImage");
    check_refused(bench, bench_activate(bench, 0, 1, MODE_ANY_TIME, 5, 5), ERROR_INVALID_COMMAND_ARGUMENTS,
                  "not after");
    bench_have(bench, 0, 2, NEWER);
    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 50, 100));
    check_refused(bench, bench_activate(bench, 0, 2, MODE_ANY_TIME, 0, 1), ERROR_COMMAND_FAILURE,
                  "has not ended");
    bench_finish(bench);
}

static void test_lost_acceptance(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_activate(bench, 0, 1, MODE_IMMEDIATELY, 0, 100));
    bench_disk_full(true);
    bench_settle(bench);
    bench_disk_full(false);
    assert_int_equal(bench->dropped, 1);
    assert_int_equal(bench->ended, 0);
    assert_int_equal(bench_jobs(bench), 0);
    assert_int_equal(bench->devices[0].installs, 0);
    activate_now(bench, 0, 1);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
}

/* Nothing is handed to a device before the store knows; what was lost is written again. */
static void test_full_disk_in_between(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 10, 3600));
    bench_run(bench, 8);
    bench_disk_full(true);
    bench_run(bench, 20);
    assert_int_equal(bench->devices[0].installs, 0);
    assert_int_equal(bench->devices[0].target.job != NULL, 1);
    bench_disk_full(false);
    bench_run(bench, 15);
    assert_int_equal(bench->devices[0].installs, 1);
    bench_disk_full(true); /* the end is lost, and what the observer wrote: it is told until it holds */
    bench_run(bench, 30);
    assert_true(bench->ended > 1);
    bench_disk_full(false);
    assert_int_equal(bench->firmware->ended != NULL, 1);
    bench_run(bench, 10);
    assert_null(bench->firmware->ended);
    assert_int_equal(bench_jobs(bench), 0);
    assert_int_equal(bench_results(bench), 2); /* of the download before, and of this one */
    bench_restart(bench);
    bench_run(bench, 5);
    assert_int_equal(bench_results(bench), 2);
    bench_check_slots(bench, 0);
}

static void test_images_are_served_to_their_device_only(void **state)
{
    struct bench *bench = *state;
    const struct http_server_ops *ops = firmware_server_ops();
    struct http_answer answer_file;
    struct firmware_job *job;
    char path[256];
    char wrong[256];

    bench->devices[0].target.address = "192.168.1.7";
    bench->devices[0].fault = FAULT_STALLS;
    job = bench_activate(bench, 0, 1, MODE_IMMEDIATELY, 0, 3600);
    bench_run(bench, 6);
    strcpy(path, strstr(job->grant.url, "/image/"));
    assert_string_equal(path + strlen(path) - strlen("new-2.0.0.bin"), "new-2.0.0.bin");
    assert_int_equal(ops->request(bench->firmware, path, "192.168.1.8", &answer_file), 404);
    strcpy(wrong, path);
    wrong[10] = wrong[10] == 'a' ? 'b' : 'a';
    assert_int_equal(ops->request(bench->firmware, wrong, "192.168.1.7", &answer_file), 404);
    assert_int_equal(ops->request(bench->firmware, "/image/", "192.168.1.7", &answer_file), 404);
    assert_int_equal(ops->request(bench->firmware, "/", "192.168.1.7", &answer_file), 404);
    assert_int_equal(ops->request(bench->firmware, path, "::ffff:192.168.1.7", &answer_file), 200);
    assert_int_equal(answer_file.size, strlen("image two"));
    bench_run(bench, 50); /* the transfer is not stalled as long as bytes go out */
    ops->progress(bench->firmware, answer_file.request_ctx, 8);
    assert_int_equal(bench->progress, 40); /* the device's own figure, not what it was sent */
    bench_run(bench, 50);
    assert_ptr_equal(bench->devices[0].target.job, job);
    assert_int_equal(firmware_job_cancel(job, NULL), 0);
    assert_int_equal(ops->request(bench->firmware, path, "192.168.1.7", &answer_file), 404);
    ops->progress(bench->firmware, answer_file.request_ctx, 9); /* after the job has gone */
    ops->end(bench->firmware, answer_file.request_ctx, true);
    close(answer_file.fd);
    bench_settle(bench);
}

static void test_a_target_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct firmware_target) <= 424);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_activate),
        TEST(test_rollback_is_an_activation),
        TEST(test_auto_activate),
        TEST(test_offer),
        TEST(test_device_updates_by_itself),
        TEST(test_waiting_job_whose_version_came_by_itself),
        TEST(test_refused),
        TEST(test_transient_refusal_is_repeated),
        TEST(test_transient_failures_are_bounded),
        TEST(test_max_retries_of_the_command),
        TEST(test_permanent_failure),
        TEST(test_stall),
        TEST(test_never_returns),
        TEST(test_old_version),
        TEST(test_other_version),
        TEST(test_claims_what_it_never_fetched),
        TEST(test_quarantine_ends_what_runs),
        TEST(test_damaged_image_is_not_handed_out),
        TEST(test_without_image_server),
        TEST(test_cancel),
        TEST(test_what_is_not_accepted),
        TEST(test_lost_acceptance),
        TEST(test_full_disk_in_between),
        TEST(test_images_are_served_to_their_device_only),
        cmocka_unit_test(test_a_target_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
