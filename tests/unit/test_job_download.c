/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "tests/unit/fake_update.h"

#define URL "https://images.example/fw/plus1-1.4.4.bin?x=1"
#define OTHER "http://images.example/plus1-1.5.0-beta1.bin"
#define CONTENT "0123456789abcdefghijklmnopqrstuvwxyz firmware 1.4.4 0123456789abcdefghijklmnopqrstuvwxyz"
/* printf %s CONTENT | sha256sum */
static char content_sha256[VERIFY_SHA256_HEX_BYTES];

static struct firmware_slot *slot_of(struct bench *bench, unsigned device, int slot)
{
    return &bench->devices[device].target.slots[slot];
}

static int setup(void **state)
{
    static struct bench bench;

    bench_init(&bench, 3);
    bench_serve(&bench, URL, CONTENT, "1.4.4");
    verify_bytes(CONTENT, strlen(CONTENT), content_sha256);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    bench_done(*state);
    return 0;
}

static void check_failed(struct bench *bench, int slot, enum firmware_status status, uint32_t code,
                         const char *words)
{
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench->fault_code, code);
    assert_non_null(strstr(bench->fault, words));
    assert_int_equal(slot_of(bench, 0, slot)->status, status);
    assert_false(slot_of(bench, 0, slot)->available);
    assert_int_equal(bench_files(bench, "part-"), 0);
    assert_int_equal(bench_results(bench), 1);
}

static void test_a_new_device_has_one_active_slot(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->devices[0].target.active, 0);
    assert_string_equal(slot_of(bench, 0, 0)->version, "1.0.0");
    assert_int_equal(slot_of(bench, 0, 0)->status, FIRMWARE_ACTIVE);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_NO_IMAGE);
    bench_check_slots(bench, 0);
}

/* A device that only takes its maker's offers says so before anything is fetched. */
static void test_no_download(void **state)
{
    struct bench *bench = *state;
    const struct firmware_download args = {.url = URL};
    const struct firmware_origin origin = {.originator = "self::ctl", .command = "x", .command_key = "k"};
    struct firmware_target *target = &bench->devices[0].target;
    struct firmware_target_ops ops = *target->ops;
    struct error err = {0};

    ops.no_download = "its maker alone";
    target->ops = &ops;
    assert_null(firmware_download(target, 1, &args, &origin, &err));
    assert_int_equal(err.code, ERROR_COMMAND_FAILURE);
    assert_string_equal(err.message, "its maker alone");
    assert_int_equal(bench_jobs(bench), 0);
    target->ops = &bench_device_ops;
    assert_non_null(firmware_download(target, 1, &args, &origin, &err));
    bench_settle(bench);
}

static void test_download(void **state)
{
    struct bench *bench = *state;
    struct firmware_job *job = bench_download(bench, 0, 1, URL, false);

    assert_non_null(job);
    assert_int_equal(bench_jobs(bench), 1); /* stored before the caller can answer */
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_NO_IMAGE);
    bench_settle(bench);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_DOWNLOADING);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->ended, 1);
    assert_string_equal(bench->checksum, content_sha256);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_AVAILABLE);
    assert_true(slot_of(bench, 0, 1)->available);
    assert_string_equal(slot_of(bench, 0, 1)->name, "plus1-1.4.4.bin");
    assert_string_equal(slot_of(bench, 0, 1)->version, "1.4.4");
    assert_false(slot_of(bench, 0, 1)->proven);
    assert_int_equal(bench_files(bench, content_sha256), 1);
    assert_int_equal(bench_files(bench, ""), 1);
}

/* One job more than may be: refused, and nothing of it is left; the others end as they would have. */
static void test_limits(void **state)
{
    struct limits limits = limits_default;
    struct bench *bench = *state;

    limits.jobs = 1;
    limits.image_bytes = (uint32_t)strlen(CONTENT) - 1;
    bench->loop.limits = &limits;
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    assert_null(bench_download(bench, 1, 1, URL, false));
    assert_int_equal(bench_jobs(bench), 1);
    bench_finish(bench);
    check_failed(bench, 1, FIRMWARE_DOWNLOAD_FAILED, ERROR_RESOURCES_EXCEEDED, "limit_image_bytes is");
    limits.image_bytes++;
    assert_non_null(bench_download(bench, 1, 1, URL, false));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    bench->loop.limits = &limits_default;
}

static void test_one_fetch_for_all(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_download(bench, 0, 1, URL, false));
    assert_non_null(bench_download(bench, 1, 1, URL, false));
    bench_run(bench, 2);
    assert_non_null(bench_download(bench, 2, 1, URL, false)); /* joins one that is under way */
    bench_finish(bench);
    assert_int_equal(bench->requests, 1);
    assert_int_equal(bench->ended, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(slot_of(bench, i, 1)->image, slot_of(bench, 0, 1)->image);
}

static void test_cache_asks_whether_it_changed(void **state)
{
    struct bench *bench = *state;

    bench_have(bench, 0, 1, URL);
    bench_have(bench, 1, 1, URL);
    assert_int_equal(bench->requests, 2);
    assert_int_equal(bench->conditional, 1);
    assert_ptr_equal(slot_of(bench, 0, 1)->image, slot_of(bench, 1, 1)->image);
    bench_serve(bench, URL, "another image there now", "1.4.5")->validator = "\"v2\"";
    bench_have(bench, 2, 1, URL);
    assert_ptr_not_equal(slot_of(bench, 2, 1)->image, slot_of(bench, 1, 1)->image);
    bench_have(bench, 2, 2, URL);
    assert_int_equal(bench->requests, 4);
    assert_int_equal(bench->conditional, 3);
    assert_ptr_equal(slot_of(bench, 2, 1)->image, slot_of(bench, 2, 2)->image);
    assert_int_equal(bench_files(bench, ""), 2);
}

static void test_checksum_hits_cost_no_request(void **state)
{
    struct bench *bench = *state;

    bench_have(bench, 0, 1, URL);
    assert_non_null(
        bench_download_sum(bench, 1, 1, "https://elsewhere.example/x.bin", "SHA-256", content_sha256));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->requests, 1);
    assert_string_equal(slot_of(bench, 1, 1)->name, "x.bin");
}

static void test_each_algorithm(void **state)
{
    struct bench *bench = *state;
    struct verify_result result;
    FILE *file = tmpfile();

    fputs(CONTENT, file);
    fflush(file);
    for (int i = 0; i < VERIFY_ALGORITHMS; i++) {
        const char *name = verify_algorithm_text((enum verify_algorithm)i);

        assert_int_equal(verify_file(fileno(file), (enum verify_algorithm)i, &result, NULL), 0);
        assert_non_null(bench_download_sum(bench, 0, 1, URL, name, result.other));
        bench_finish(bench);
        assert_int_equal(bench->state, JOB_DONE);
        assert_string_equal(bench->checksum, result.other);
        result.other[0] = result.other[0] == '0' ? '1' : '0';
        assert_non_null(bench_download_sum(bench, 0, 2, URL, name, result.other));
        bench_finish(bench);
        assert_int_equal(bench->state, JOB_FAILED);
        assert_int_equal(slot_of(bench, 0, 2)->status, FIRMWARE_VALIDATION_FAILED);
        assert_non_null(strstr(bench->fault, name));
        assert_non_null(strstr(bench->fault, URL));
    }
    fclose(file);
    assert_int_equal(bench_files(bench, "part-"), 0);
}

static void test_wrong_size_alone_is_no_failure(void **state)
{
    struct bench *bench = *state;
    struct firmware_download args = {.url = URL, .file_size = 7};
    struct firmware_origin origin = {.command = "c"};

    assert_non_null(firmware_download(&bench->devices[0].target, 1, &args, &origin, NULL));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
}

static void test_cut_is_resumed(void **state)
{
    struct bench *bench = *state;

    bench->images[0].cuts = 1;
    bench_have(bench, 0, 1, URL);
    assert_int_equal(bench->requests, 2);
    assert_int_equal(bench->conditional, 1);
    assert_int_equal(bench_files(bench, content_sha256), 1);
}

static void test_cut_without_validator_starts_again(void **state)
{
    struct bench *bench = *state;

    bench->images[0].cuts = 1;
    bench->images[0].validator = NULL;
    bench->images[0].hides_length = true;
    bench_have(bench, 0, 1, URL);
    assert_int_equal(bench->requests, 2);
    assert_int_equal(bench->conditional, 0);
    assert_int_equal(bench_files(bench, content_sha256), 1);
}

static void test_resumed_piece_of_another_image_starts_again(void **state)
{
    struct bench *bench = *state;
    char command[512];

    bench->images[0].cuts = 1;
    assert_non_null(bench_download_sum(bench, 0, 1, URL, "SHA-256", content_sha256));
    while (bench->images[0].cuts)
        bench_tick(bench);
    assert_int_equal(bench_files(bench, "part-"), 1);
    /* Somebody damages what was kept; the validator cannot tell. */
    snprintf(command, sizeof(command),
             "for f in %s/part-*; do printf X | dd of=$f conv=notrunc 2>/dev/null; done", bench->cache);
    assert_int_equal(system(command), 0);
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->requests, 3);
}

static void test_transient_failures_are_bounded(void **state)
{
    struct bench *bench = *state;

    bench->images[0].failures = 3;
    bench_have(bench, 0, 1, URL);
    assert_int_equal(bench->requests, 4);
    bench->images[0].failures = 100;
    bench->requests = 0;
    assert_non_null(bench_download(bench, 0, 2, URL, false));
    bench_finish(bench);
    assert_int_equal(bench->requests, 4);
    assert_int_equal(bench_results(bench), 2);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_non_null(strstr(bench->fault, "503"));
    assert_int_equal(slot_of(bench, 0, 2)->status, FIRMWARE_DOWNLOAD_FAILED);
}

static void test_permanent_failure(void **state)
{
    struct bench *bench = *state;

    bench->images[0].missing = true;
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    bench_finish(bench);
    assert_int_equal(bench->requests, 1);
    check_failed(bench, 1, FIRMWARE_DOWNLOAD_FAILED, ERROR_COMMAND_FAILURE, URL);
}

static void test_empty_image(void **state)
{
    struct bench *bench = *state;

    bench->images[0].content = "";
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    bench_finish(bench);
    check_failed(bench, 1, FIRMWARE_VALIDATION_FAILED, ERROR_COMMAND_FAILURE, "empty");
}

static void test_too_large_for_the_cache(void **state)
{
    struct bench *bench = *state;

    bench->settings.cache_bytes = 50;
    bench_restart(bench);
    bench_run(bench, 1);
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    bench_finish(bench);
    check_failed(bench, 1, FIRMWARE_DOWNLOAD_FAILED, ERROR_RESOURCES_EXCEEDED, "cache_size");
}

static void test_eviction_takes_what_nobody_needs(void **state)
{
    struct bench *bench = *state;

    bench->settings.cache_bytes = 200; /* two images of 88 bytes */
    bench_restart(bench);
    bench_run(bench, 1);
    bench_have(bench, 0, 1, URL);
    bench_serve(bench, OTHER, "another " CONTENT, "1.5.0");
    bench_have(bench, 0, 2, OTHER);
    bench_serve(bench, URL, "third " CONTENT, "1.6.0")->validator = "\"v3\"";
    assert_non_null(bench_download(bench, 1, 1, URL, false));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_FAILED); /* both are Available in a slot */
    assert_int_equal(bench->fault_code, ERROR_RESOURCES_EXCEEDED);
    assert_int_equal(firmware_slot_clear(&bench->devices[0].target, 1, NULL), 0);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_NO_IMAGE);
    bench_have(bench, 1, 1, URL);
    assert_int_equal(bench_files(bench, ""), 2);
    assert_int_equal(bench_files(bench, content_sha256), 0);
    assert_non_null(slot_of(bench, 0, 2)->image);
}

static void test_damaged_cache_file_is_fetched_again(void **state)
{
    struct bench *bench = *state;
    char *path;
    FILE *file;

    bench_have(bench, 0, 1, URL);
    path = cache_path(bench->firmware->cache, content_sha256);
    file = fopen(path, "r+");
    fputc('X', file);
    fclose(file);
    free(path);
    assert_non_null(bench_download_sum(bench, 1, 1, URL, "SHA-256", content_sha256));
    bench_finish(bench);
    assert_int_equal(bench->state, JOB_DONE);
    assert_int_equal(bench->requests, 2);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_NO_IMAGE); /* it held the damaged one */
}

static void test_parallel_fetches(void **state)
{
    struct bench *bench = *state;

    bench_serve(bench, OTHER, "b", "2");
    bench_serve(bench, "http://a/c", "c", "3");
    bench_serve(bench, "http://a/d", "d", "4");
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    assert_non_null(bench_download(bench, 0, 2, OTHER, false));
    assert_non_null(bench_download(bench, 1, 1, "http://a/c", false));
    assert_non_null(bench_download(bench, 1, 2, "http://a/d", false));
    bench_finish(bench);
    assert_int_equal(bench->most_parallel, 2);
    assert_int_equal(bench->ended, 4);
    assert_int_equal(slot_of(bench, 1, 2)->status, FIRMWARE_AVAILABLE);
}

static void test_cancel(void **state)
{
    struct bench *bench = *state;
    struct firmware_job *job = bench_download(bench, 0, 1, URL, false);
    struct firmware_job *other;

    bench_run(bench, 3);
    other = bench_download(bench, 1, 1, URL, false);
    bench_settle(bench);
    assert_int_equal(firmware_job_cancel(job, NULL), 0);
    assert_int_equal(bench->state, JOB_CANCELLED);
    assert_int_equal(bench->fault_code, ERROR_COMMAND_CANCELLED);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_NO_IMAGE);
    assert_non_null(other);
    bench_finish(bench); /* the other one gets it */
    assert_int_equal(slot_of(bench, 1, 1)->status, FIRMWARE_AVAILABLE);
    bench_serve(bench, OTHER, CONTENT "b", "2");
    job = bench_download(bench, 0, 1, OTHER, false);
    bench_run(bench, 3);
    assert_int_equal(bench_files(bench, "part-"), 1);
    assert_int_equal(firmware_job_cancel(job, NULL), 0);
    bench_settle(bench);
    assert_int_equal(bench_files(bench, "part-"), 0);
    assert_int_equal(bench_results(bench), 3);
}

static void test_cancel_before_it_is_stored(void **state)
{
    struct bench *bench = *state;
    struct firmware_job *job;

    bench_have(bench, 0, 1, URL);
    job = bench_download(bench, 0, 1, URL, false);
    assert_int_equal(firmware_job_cancel(job, NULL), 0);
    bench_settle(bench);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_AVAILABLE);
    assert_int_equal(bench_jobs(bench), 0);
}

static void check_refused(struct bench *bench, struct firmware_job *job, uint32_t code, const char *words)
{
    assert_null(job);
    assert_int_equal(bench->fault_code, code);
    assert_non_null(strstr(bench->fault, words));
    assert_int_equal(bench_jobs(bench), 0);
}

static void test_what_is_not_accepted(void **state)
{
    struct bench *bench = *state;
    struct firmware_target *target = &bench->devices[0].target;

    check_refused(bench, bench_download(bench, 0, 0, URL, false), ERROR_COMMAND_FAILURE, "not Active");
    check_refused(bench, bench_download(bench, 0, 3, URL, false), ERROR_OBJECT_DOES_NOT_EXIST, "no such");
    check_refused(bench, bench_download(bench, 0, 1, "", false), ERROR_INVALID_COMMAND_ARGUMENTS, "URL");
    check_refused(bench, bench_download(bench, 0, 1, "ftp://a/b", false), ERROR_INVALID_COMMAND_ARGUMENTS,
                  "https");
    check_refused(bench, bench_download(bench, 0, 1, "http://a/b c", false), ERROR_INVALID_COMMAND_ARGUMENTS,
                  "blanks");
    check_refused(bench, bench_download_sum(bench, 0, 1, URL, "MD5", "00"), ERROR_INVALID_COMMAND_ARGUMENTS,
                  "MD5");
    firmware_target_block(target, "its key changed");
    check_refused(bench, bench_download(bench, 0, 1, URL, false), ERROR_COMMAND_FAILURE, "its key changed");
    firmware_target_block(target, NULL);
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    bench_settle(bench);
    assert_null(bench_download(bench, 0, 1, OTHER, false));
    assert_int_equal(bench->fault_code, ERROR_COMMAND_FAILURE);
    assert_non_null(strstr(bench->fault, "busy"));
    assert_non_null(strstr(bench->fault, "Device.LocalAgent.Request.1."));
    assert_int_equal(firmware_slot_clear(target, 1, NULL), -1);
    assert_int_equal(firmware_slot_clear(target, 0, NULL), -1);
    firmware_target_block(target, "its key changed"); /* while it runs */
    assert_int_equal(bench->state, JOB_FAILED);
    bench_settle(bench);
    assert_int_equal(bench_results(bench), 1);
}

static int refuse(void *ctx, struct firmware_target *target, const struct firmware_candidate *candidate,
                  struct firmware_release *release, struct error *err)
{
    (void)target;
    (void)release;
    assert_string_equal(candidate->sha256, content_sha256);
    assert_int_equal(candidate->size, strlen(CONTENT));
    assert_int_equal(access(candidate->path, R_OK), 0);
    ++*(int *)ctx;
    return error_set(err, ERROR_COMMAND_FAILURE, NULL, "it is not signed");
}

static void test_policy_may_refuse_an_image(void **state)
{
    struct bench *bench = *state;
    int asked = 0;
    struct firmware_policy policy = bench->firmware->policy;

    policy.verify_release = refuse;
    policy.ctx = &asked;
    firmware_set_policy(bench->firmware, &policy);
    assert_non_null(bench_download(bench, 0, 1, URL, false));
    bench_finish(bench);
    assert_int_equal(asked, 1);
    check_failed(bench, 1, FIRMWARE_VALIDATION_FAILED, ERROR_COMMAND_FAILURE, "not signed");
}

static void test_removed_device(void **state)
{
    struct bench *bench = *state;

    assert_non_null(bench_download(bench, 0, 1, URL, false));
    bench_run(bench, 2);
    firmware_target_remove(&bench->devices[0].target);
    bench_settle(bench);
    assert_int_equal(bench->ended, 1);
    assert_int_equal(bench->state, JOB_FAILED);
    assert_int_equal(bench_jobs(bench), 0);
    assert_int_equal(bench_results(bench), 1);
}

static void test_leftovers_are_removed_at_start(void **state)
{
    struct bench *bench = *state;
    char command[512];

    bench_have(bench, 0, 1, URL);
    snprintf(command, sizeof(command),
             "cd %s && touch part-00112233445566778899aabbccddeeff README && cp %s "
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
             bench->cache, content_sha256);
    assert_int_equal(system(command), 0);
    assert_int_equal(bench_files(bench, ""), 4);
    bench_restart(bench);
    assert_int_equal(bench_files(bench, ""), 2);
    assert_int_equal(bench_files(bench, "README"), 1); /* not ours */
    assert_non_null(slot_of(bench, 0, 1)->image);
    snprintf(command, sizeof(command), "rm %s/%s", bench->cache, content_sha256);
    assert_int_equal(system(command), 0);
    bench_restart(bench);
    assert_int_equal(slot_of(bench, 0, 1)->status, FIRMWARE_NO_IMAGE);
    bench_run(bench, 1);
    bench_check_slots(bench, 0);
}

static void test_guesses(void **state)
{
    struct firmware_release release;

    (void)state;
    slot_guess("https://a/b/shelly-plus1-1.14.0-beta2.zip#f", &release);
    assert_string_equal(release.name, "shelly-plus1-1.14.0-beta2.zip");
    assert_string_equal(release.version, "1.14.0");
    slot_guess("https://a/", &release);
    assert_string_equal(release.name, "");
    assert_string_equal(release.version, "");
    slot_guess("https://a/latest", &release);
    assert_string_equal(release.version, "");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_device_has_one_active_slot),
        TEST(test_no_download),
        TEST(test_download),
        TEST(test_limits),
        TEST(test_one_fetch_for_all),
        TEST(test_cache_asks_whether_it_changed),
        TEST(test_checksum_hits_cost_no_request),
        TEST(test_each_algorithm),
        TEST(test_wrong_size_alone_is_no_failure),
        TEST(test_cut_is_resumed),
        TEST(test_cut_without_validator_starts_again),
        TEST(test_resumed_piece_of_another_image_starts_again),
        TEST(test_transient_failures_are_bounded),
        TEST(test_permanent_failure),
        TEST(test_empty_image),
        TEST(test_too_large_for_the_cache),
        TEST(test_eviction_takes_what_nobody_needs),
        TEST(test_damaged_cache_file_is_fetched_again),
        TEST(test_parallel_fetches),
        TEST(test_cancel),
        TEST(test_cancel_before_it_is_stored),
        TEST(test_what_is_not_accepted),
        TEST(test_policy_may_refuse_an_image),
        TEST(test_removed_device),
        TEST(test_leftovers_are_removed_at_start),
        cmocka_unit_test(test_guesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
