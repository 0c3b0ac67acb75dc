/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consent when memory runs out: asked, agreed and installed again and again, each time with another allocation failing.
 * Nothing is installed that was not agreed to, what was accepted has one result, and the ledger has the decision.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/consent_bench.h"
#include "tests/unit/failing_alloc.h"

enum {
    ROUNDS_MAX = 5000,
};

/* Asks, and decides once there is something to decide. False: the command was refused. */
static bool play(struct bench *bench, bool *ret_agreed)
{
    const struct firmware_window window = {
        .end_s = 100000, .mode = MODE_CONFIRMATION_NEEDED, .user_message = WORDS, .max_retries = -1};

    *ret_agreed = false;
    if (!consent_activate(bench, &window, 1))
        return false;
    for (int i = 0; i < 30 && bench_jobs(bench) && !*ret_agreed; i++) {
        bench_run(bench, 1);
        assert_int_equal(bench->devices[0].installs, 0);
        if (consent_question(bench) && consent_info(bench).state == QUESTION_ASKED)
            *ret_agreed = consent_choose(bench, CHOICE_NOW, NULL) == 0;
    }
    return true;
}

static bool has_decision(struct bench *bench, enum consent_who who)
{
    for (const struct consent_entry *entry = consent_of(bench)->newest; entry; entry = entry->next)
        if (entry->what == ENTRY_NOW && entry->who == who)
            return true;
    return false;
}

static void test_each_allocation(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct bench bench;
        bool accepted, agreed;

        consent_bench_init(&bench, POLICY_ASK);
        failing_alloc_arm(n);
        accepted = play(&bench, &agreed);
        bench_run(&bench, 30);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        if (accepted && !agreed && bench_jobs(&bench)) {
            bench_run(&bench, 10);
            consent_chosen(&bench, CHOICE_NOW);
        }
        bench_run(&bench, 20);
        bench_finish(&bench);
        assert_int_equal(bench.ended + bench.dropped, accepted);
        if (bench.devices[0].installs)
            assert_true(has_decision(&bench, WHO_RESIDENT));
        consent_restart(&bench, false);
        assert_true(!bench.devices[0].installs || has_decision(&bench, WHO_RESIDENT));
        bench_done(&bench);
    }
    assert_true(n > 40);
    assert_true(n < ROUNDS_MAX);
}

/* What a policy agrees to has its line, too. */
static void test_each_allocation_of_a_policy(void **state)
{
    unsigned long n = 1;

    (void)state;
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct bench bench;

        consent_bench_init(&bench, POLICY_AUTOMATIC);
        failing_alloc_arm(n);
        bench_activate(&bench, 0, 1, MODE_IMMEDIATELY, 0, 100000);
        bench_run(&bench, 30);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        bench_run(&bench, 20);
        bench_finish(&bench);
        assert_true(!bench.devices[0].installs || has_decision(&bench, WHO_POLICY));
        consent_restart(&bench, false);
        assert_true(!bench.devices[0].installs || has_decision(&bench, WHO_POLICY));
        bench_done(&bench);
    }
    assert_true(n > 20);
    assert_true(n < ROUNDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_each_allocation_of_a_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
