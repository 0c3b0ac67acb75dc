/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/timer.h"

struct bench {
    struct clock clock;
    struct timers timers;
    char fired[256];
    unsigned changes;
};

struct named {
    struct timer timer;
    struct bench *bench;
    char name;
    int again; /* arm again for this many ms; -1: not */
    struct named *cancels;
};

static void on_timer(struct timer *timer, void *ctx)
{
    struct named *named = ctx;
    size_t len = strlen(named->bench->fired);

    assert_ptr_equal(timer, &named->timer);
    assert_false(timer_armed(timer));
    named->bench->fired[len] = named->name;
    if (named->again >= 0)
        timer_arm(&named->bench->timers, timer, (uint64_t)named->again);
    if (named->cancels)
        timer_cancel(&named->bench->timers, &named->cancels->timer);
}

static void on_changed(void *ctx)
{
    struct bench *bench = ctx;

    bench->changes++;
}

static void start(struct bench *bench, struct named *named, size_t count)
{
    *bench = (struct bench){0};
    clock_fake(&bench->clock, 1000);
    timers_init(&bench->timers, &bench->clock);
    for (size_t i = 0; i < count; i++) {
        named[i] = (struct named){.bench = bench, .name = (char)('a' + i), .again = -1};
        timer_init(&named[i].timer, on_timer, &named[i]);
    }
}

static void advance(struct bench *bench, uint64_t ms)
{
    clock_fake_advance(&bench->clock, ms);
    timers_run(&bench->timers);
}

static void in_order(void **state)
{
    static const uint64_t delays[] = {50, 10, 90, 30, 70};
    struct named named[5];
    struct bench bench;

    (void)state;
    start(&bench, named, 5);
    bench.timers.changed = on_changed;
    bench.timers.changed_ctx = &bench;
    assert_true(timers_next(&bench.timers) == UINT64_MAX);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(timer_arm(&bench.timers, &named[i].timer, delays[i]), 0);
    assert_int_equal(bench.changes, 5);
    assert_true(timers_next(&bench.timers) == 10);
    advance(&bench, 9);
    assert_string_equal(bench.fired, "");
    assert_true(timers_next(&bench.timers) == 1);
    advance(&bench, 1);
    assert_string_equal(bench.fired, "b");
    advance(&bench, 60);
    assert_string_equal(bench.fired, "bdae");
    advance(&bench, 5);
    timer_cancel(&bench.timers, &named[2].timer);
    timer_cancel(&bench.timers, &named[2].timer);
    advance(&bench, 1000);
    assert_string_equal(bench.fired, "bdae");
    timers_done(&bench.timers);
    timers_done(NULL);
}

static void moved_and_cancelled(void **state)
{
    struct named named[4];
    struct bench bench;

    (void)state;
    start(&bench, named, 4);
    for (size_t i = 0; i < 4; i++)
        timer_arm(&bench.timers, &named[i].timer, 10 * (i + 1));
    timer_arm(&bench.timers, &named[0].timer, 100); /* later */
    timer_arm(&bench.timers, &named[3].timer, 5);   /* sooner */
    named[1].cancels = &named[2];
    advance(&bench, 50);
    assert_string_equal(bench.fired, "db");
    assert_true(timer_armed(&named[0].timer));
    timers_done(&bench.timers);
    assert_false(timer_armed(&named[0].timer)); /* may be freed now */
}

/* A timer that arms itself for now lets the others run, and waits for the next round. */
static void for_now(void **state)
{
    struct named named[2];
    struct bench bench;

    (void)state;
    start(&bench, named, 2);
    named[0].again = 0;
    timer_arm(&bench.timers, &named[0].timer, 0);
    timer_arm(&bench.timers, &named[1].timer, 0);
    assert_true(timers_next(&bench.timers) == 0);
    timers_run(&bench.timers);
    assert_int_equal(strlen(bench.fired), 2);
    advance(&bench, 1);
    assert_int_equal(strlen(bench.fired), 3);
    timers_done(&bench.timers);
}

static void far_away(void **state)
{
    struct named named[1];
    struct bench bench;

    (void)state;
    start(&bench, named, 1);
    assert_int_equal(timer_arm(&bench.timers, &named[0].timer, UINT64_MAX), 0);
    advance(&bench, 1ull << 60);
    assert_string_equal(bench.fired, "");
    timers_done(&bench.timers);
}

/* Many timers in a random order fire in theirs. */
static void heap(void **state)
{
    struct named *named = calloc(2000, sizeof(*named));
    struct bench bench;
    uint32_t random = 1;
    uint64_t last = 0;

    (void)state;
    start(&bench, named, 2000);
    for (unsigned round = 0; round < 10000; round++) {
        random = random * 1664525u + 1013904223u;
        if (random >> 30)
            timer_arm(&bench.timers, &named[round % 2000].timer, random >> 12);
        else
            timer_cancel(&bench.timers, &named[(random >> 8) % 2000].timer);
    }
    while (bench.timers.count) {
        struct timer *first = bench.timers.heap[0];

        assert_true(first->due >= last);
        last = first->due;
        for (size_t i = 0; i < bench.timers.count; i++)
            assert_int_equal(bench.timers.heap[i]->place, i + 1);
        timer_cancel(&bench.timers, first);
    }
    timers_done(&bench.timers);
    free(named);
}

static void back_off(void **state)
{
    (void)state;
    for (uint32_t retry = 0; retry <= 12; retry++) {
        double low = 5000, high = 10000;

        for (uint32_t i = 1; i < (retry > 10 ? 10 : retry); i++) {
            low *= 2;
            high *= 2;
        }
        for (unsigned i = 0; i < 100; i++) {
            double wait = (double)timer_backoff(5, 2000, retry, 0);

            assert_true(wait >= low && wait <= high);
            assert_true(timer_backoff(5, 2000, retry, 7) <= 7000);
        }
    }
    assert_int_equal(timer_backoff(3, 1000, 7, 0), 3000);
    assert_int_equal(timer_backoff(0, 2000, 7, 0), 0);
    /* The largest settings: still a time that a clock can reach, and not one in the past. */
    assert_true(timer_backoff(65535, 65535, 10, 0) <= 100ull * 365 * 24 * 3600 * 1000);
    assert_true(timer_backoff(65535, 65535, 10, 0) > 1000000);
}

static void clocks(void **state)
{
    struct clock clock = {0};
    uint64_t then = clock_monotonic(&clock);

    (void)state;
    assert_true(clock_monotonic(&clock) >= then);
    assert_true(clock_wall(&clock) > 1600000000);
    clock_fake(&clock, 1700000000);
    then = clock_monotonic(&clock);
    clock_fake_advance(&clock, 1500);
    assert_true(clock_monotonic(&clock) == then + 1500);
    assert_true(clock_wall(&clock) == 1700000001);
    assert_true(clock_wall_ms(&clock) == 1700000001500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order), cmocka_unit_test(moved_and_cancelled),
        cmocka_unit_test(for_now),  cmocka_unit_test(far_away),
        cmocka_unit_test(heap),     cmocka_unit_test(back_off),
        cmocka_unit_test(clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
