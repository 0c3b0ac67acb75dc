/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The job machine when memory runs out: a Download() and an Activate() run again and again, each time with another
 * allocation failing. What was accepted has one result each time, nothing hangs, and nothing leaks (the sanitizers look).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_update.h"

#define URL "https://images.example/new.bin"

enum {
    ROUNDS_MAX = 5000,
};

/* How many commands were accepted. */
static unsigned play(struct bench *bench)
{
    unsigned accepted = 0;

    if (bench_download(bench, 0, 1, URL, false)) {
        accepted++;
        bench_finish(bench);
    }
    if (bench_activate(bench, 0, 1, MODE_WHEN_IDLE, 2, 4000)) {
        accepted++;
        bench_finish(bench);
    }
    return accepted;
}

static void test_each_allocation(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct bench bench;
        unsigned accepted;

        bench_init(&bench, 1);
        bench_serve(&bench, URL, "an image", "2.0.0");
        failing_alloc_arm(n);
        accepted = play(&bench);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        bench_run(&bench, 10); /* what was refused is repaired */
        bench_finish(&bench);
        assert_int_equal(bench.ended + bench.dropped, accepted);
        assert_int_equal(bench_files(&bench, "part-"), 0);
        bench_restart(&bench);
        bench_run(&bench, 5);
        bench_check_slots(&bench, 0);
        if (!bench.devices[0].installs)
            bench_have(&bench, 0, 1, URL);
        if (bench.devices[0].target.slots[1].status != FIRMWARE_ACTIVE)
            assert_non_null(bench_activate(&bench, 0, 1, MODE_ANY_TIME, 0, 4000));
        bench_finish(&bench);
        assert_string_equal(bench.devices[0].version, "2.0.0");
        bench_done(&bench);
    }
    assert_true(n > 50);
    assert_true(n < ROUNDS_MAX);
}

/* Two of a kind: the image fails on one, and what that teaches is to be kept. */
static void test_what_a_failure_teaches(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct bench bench;
        unsigned accepted = 0;

        bench_init(&bench, 2);
        bench.settings.canary_soak_s = 60;
        bench.devices[0].cohort = bench.devices[1].cohort = "Maker\nModel\n1";
        bench_restart(&bench);
        bench_run(&bench, 2);
        bench_serve(&bench, URL, "an image", "2.0.0");
        for (unsigned i = 0; i < 2; i++)
            bench_have(&bench, i, 1, URL);
        bench.devices[0].fault = FAULT_OLD_VERSION;
        bench.ended = 0;
        failing_alloc_arm(n);
        accepted += bench_activate(&bench, 0, 1, MODE_ANY_TIME, 0, 4000) != NULL;
        accepted += bench_activate(&bench, 1, 1, MODE_ANY_TIME, 1000, 4000) != NULL;
        bench_run(&bench, 500); /* the second waits for its window meanwhile */
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        bench_finish(&bench);
        assert_int_equal(bench.ended + bench.dropped, accepted);
        assert_true(hit || bench.devices[1].installs == 0);
        bench_restart(&bench);
        bench_done(&bench);
    }
    assert_true(n > 30);
    assert_true(n < ROUNDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_what_a_failure_teaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
