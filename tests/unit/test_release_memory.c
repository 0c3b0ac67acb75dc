/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Releases and jobs that download them, when memory runs out: again and again, each time with another allocation failing.
 * A release is refused then and never taken, a job has one result, and nothing leaks (the sanitizers look).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <string.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_update.h"
#include "tests/unit/release_bench.h"

#define URL "https://images.example/plus1.suit"

enum {
    ROUNDS_MAX = 5000,
};

static struct str of(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

static void test_making_and_opening(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct release_bench bench;
        struct release release = {.roles = 0};
        struct buf plain, buf;
        struct error err;
        int result;

        release_bench_init(&bench);
        buf_init(&plain, 1 << 16, 0);
        buf_init(&buf, 1 << 16, 0);
        failing_alloc_arm(n);
        result = suit_write(&bench.description, &plain, &err);
        if (result == 0)
            result = suit_sign(of(&plain), bench.maker, &buf, &err);
        if (result == 0)
            result = release_bench_open(&bench, of(&buf), &release, &err);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_true(result == 0 ? release.roles == RELEASE_MANUFACTURER : err.code != 0);
        assert_true(hit || result == 0);
        buf_done(&plain);
        buf_done(&buf);
        release_bench_done(&bench);
    }
    assert_true(n > 3 && n < ROUNDS_MAX);
}

static void make_release(struct release_bench *bench, struct buf *buf)
{
    bench->image.uri = "image.bin";
    bench->image.size = strlen("an image");
    assert_int_equal(EVP_Digest("an image", 8, bench->image.digest, NULL, EVP_sha256(), NULL), 1);
    release_bench_make(bench, buf, (EVP_PKEY *[]){bench->carrier, NULL});
}

static void play(struct bench *jobs, unsigned *ret_accepted)
{
    *ret_accepted = 0;
    if (bench_download(jobs, 0, 1, URL, false)) {
        ++*ret_accepted;
        bench_finish(jobs);
    }
    if (bench_activate(jobs, 0, 1, MODE_IMMEDIATELY, 0, 4000)) {
        ++*ret_accepted;
        bench_finish(jobs);
    }
    /* Its sequence numbers stay, or its records do. */
    firmware_target_remove(&jobs->devices[0].target);
    bench_settle(jobs);
}

static int count_one(void *ctx, struct str key, struct str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned sequences(struct bench *jobs)
{
    unsigned count = 0;

    store_each(jobs->store, "sequence", STR(""), count_one, &count, NULL);
    store_each(jobs->store, "departed", STR(""), count_one, &count, NULL);
    return count;
}

static void test_jobs(void **state)
{
    struct release_bench bench;
    unsigned long n = 1;
    unsigned updated = 0;
    struct buf buf;

    (void)state;
    release_bench_init(&bench);
    make_release(&bench, &buf);
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        const struct firmware_vendor vendor = {
            .name = "Maker", .domain = "maker.example", .required = SIGNATURES_OPERATOR};
        const struct firmware_trust trust = {
            .anchors = bench.anchors, .vendors = &vendor, .vendors_count = 1};
        struct bench jobs;
        unsigned accepted;

        bench_init(&jobs, 1);
        jobs.devices[0].cohort = "Maker\nPlus1\n2";
        jobs.devices[0].target.hardware = "AABBCCDDEEFF";
        firmware_target_cohort(&jobs.devices[0].target, jobs.devices[0].cohort);
        assert_int_equal(firmware_set_trust(jobs.firmware, &trust, NULL), 0);
        bench_serve(&jobs, URL, (const char *)buf_data(&buf), "1.4.4")->size = buf.len;
        bench_serve(&jobs, "https://images.example/image.bin", "an image", "1.4.4");
        failing_alloc_arm(n);
        play(&jobs, &accepted);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        assert_int_equal(bench_results(&jobs), accepted);
        assert_int_equal(bench_jobs(&jobs), 0);
        if (!hit)
            assert_string_equal(jobs.devices[0].version, "1.4.4");
        if (!hit)
            assert_int_equal(sequences(&jobs), 2);
        updated += strcmp(jobs.devices[0].version, "1.4.4") == 0;
        bench_done(&jobs);
    }
    assert_true(n > 10 && n < ROUNDS_MAX);
    assert_true(updated > 0);
    buf_done(&buf);
    release_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_making_and_opening),
        cmocka_unit_test(test_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
