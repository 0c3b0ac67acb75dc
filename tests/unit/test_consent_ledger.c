/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger, what is said of a device in quarantine, and sign-in codes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/limits.h"
#include "tests/unit/consent_bench.h"

/* ---- the ledger ---- */

static void add_line(struct bench *bench, const char *key, enum consent_what what, enum consent_who who)
{
    const struct ledger_line line = {
        .what = what, .by = {who, "x"}, .device = consent_find_device(consent_of(bench), key)};

    assert_int_equal(ledger_add(consent_of(bench), &line, NULL), 0);
}

struct counted {
    const char *key;
    unsigned lines, people;
};

static int count_line(void *ctx, struct consent_entry *entry)
{
    struct counted *counted = ctx;

    if (strcmp(entry->key, counted->key) == 0) {
        counted->lines++;
        counted->people += entry->who == WHO_RESIDENT;
    }
    return 0;
}

/* An offer that changes and changes: it takes lines of its own device, and no decision. */
static void test_ledger_is_shared(void **state)
{
    struct bench *bench = *state;
    struct counted honest = {.key = "device-1"}, loud = {.key = "device-0"};

    for (int i = 0; i < 40; i++)
        add_line(bench, "device-1", ENTRY_ASKED, WHO_CONTROLLER);
    add_line(bench, "device-0", ENTRY_NEVER, WHO_RESIDENT);
    for (unsigned i = 0; i < 3 * limits_default.consent_ledger; i++) {
        add_line(bench, "device-0", i % 2 ? ENTRY_ASKED : ENTRY_DROPPED, WHO_POLICY);
        if (i % 100 == 0)
            bench_settle(bench);
    }
    bench_settle(bench);
    for (int life = 0; life < 2; life++) {
        honest.lines = loud.people = 0;
        consent_each_entry(consent_of(bench), count_line, &honest);
        consent_each_entry(consent_of(bench), count_line, &loud);
        assert_int_equal(honest.lines, 40);
        assert_int_equal(loud.people, 1);
        assert_int_equal(consent_of(bench)->entries, limits_default.consent_ledger);
        consent_restart(bench, true);
    }
}

static void test_ledger_is_bounded(void **state)
{
    struct bench *bench = *state;
    struct consent_device *device = consent_find_device(consent_of(bench), "device-0");
    struct limits limits = limits_default;
    uint32_t number;

    for (unsigned i = 0; i < limits_default.consent_ledger + 50; i++)
        assert_int_equal(
            consent_set_policy(consent_of(bench), device, i % 2 ? POLICY_ASK : POLICY_NEVER, &resident, NULL),
            0);
    bench_settle(bench);
    assert_int_equal(consent_of(bench)->entries, limits_default.consent_ledger);
    number = consent_of(bench)->newest->number;
    assert_int_equal(consent_of(bench)->oldest->number, 1); /* about the home: another's */
    assert_int_equal(consent_of(bench)->oldest->previous->number, number + 2 - limits_default.consent_ledger);
    consent_restart(bench, true);
    assert_int_equal(consent_of(bench)->entries, limits_default.consent_ledger);
    assert_int_equal(consent_of(bench)->newest->number, number);
    assert_string_equal(consent_of(bench)->newest->text, "Ask");
    assert_string_equal(consent_of(bench)->newest->means, "page");
    /* Lowered: the oldest give way with the next line. */
    limits.consent_ledger = 100;
    bench->loop.limits = &limits;
    assert_int_equal(consent_set_policy(consent_of(bench), consent_find_device(consent_of(bench), "device-0"),
                                        POLICY_NEVER, &resident, NULL),
                     0);
    bench_settle(bench);
    assert_int_equal(consent_of(bench)->entries, 100);
    assert_int_equal(consent_of(bench)->newest->number, number + 1);
    bench->loop.limits = &limits_default;
}

static void test_long_words_are_cut(void **state)
{
    struct bench *bench = *state;
    struct firmware_window window = {.end_s = 1000, .mode = MODE_CONFIRMATION_NEEDED, .max_retries = -1};
    char *words = calloc(1, 3 * CONSENT_WORDING_BYTES);

    for (int i = 0; i < CONSENT_WORDING_BYTES; i++)
        strcat(words, "\303\251"); /* two bytes: the cut would fall into one */
    window.user_message = words;
    assert_non_null(consent_activate(bench, &window, 1));
    free(words);
    bench_run(bench, 2);
    assert_true(str_is_utf8(str_of(consent_info(bench).wording)));
    assert_int_equal(strlen(consent_info(bench).wording), CONSENT_WORDING_BYTES - 1);
}

/* ---- quarantine ---- */

static int identify(struct bench *bench, const struct consent_identification *said, struct error *err)
{
    return consent_identify(consent_of(bench), consent_find_device(consent_of(bench), "device-0"), said, err);
}

static void test_quarantine(void **state)
{
    const struct consent_identification mine = {
        .what = ENTRY_RELEASED, .changed = "ModelChanged", .was = "Plug", .is = "Lamp", .by = resident};
    const struct consent_identification other = {
        .what = ENTRY_RELEASED, .changed = "ModelChanged", .was = "Plug", .is = "Oven", .by = resident};
    const struct consent_identification operators = {.what = ENTRY_REJECTED,
                                                     .by = {WHO_CONTROLLER, "self::ctl"}};
    struct bench *bench = *state;
    struct firmware_target *target = &bench->devices[0].target;
    struct consent_home home = *consent_home(consent_of(bench));
    struct error err;

    assert_int_equal(identify(bench, &mine, &err), -1); /* there is nothing to say */
    firmware_target_block(target, "ModelChanged");
    assert_int_equal(identify(bench, &other, &err), -1); /* that is not what was shown */
    assert_int_equal(err.code, ERROR_COMMAND_FAILURE);
    assert_true(target->blocked);
    assert_int_equal(identify(bench, &mine, &err), 0);
    assert_false(target->blocked);
    bench_settle(bench);
    assert_string_equal(consent_of(bench)->newest->text, "\"Plug\" > \"Lamp\"");
    assert_string_equal(consent_of(bench)->newest->wording, "ModelChanged");
    /* What a certificate said is for who issued it; the operator may. */
    firmware_target_block(target, "CertificateMissing");
    assert_int_equal(consent_identity_why(consent_find_device(consent_of(bench), "device-0")), WHY_PROOF);
    assert_int_equal(identify(bench, &mine, &err), -1);
    assert_int_equal(identify(bench, &operators, &err), 0);
    /* And nothing is the resident's, where the operator says so; over a restart. */
    home.resident_identity = false;
    assert_int_equal(consent_set_home(consent_of(bench), &home, &resident, NULL), 0);
    bench_settle(bench);
    consent_restart(bench, true);
    target = &bench->devices[0].target;
    firmware_target_block(target, "ModelChanged");
    assert_int_equal(consent_identity_why(consent_find_device(consent_of(bench), "device-0")), WHY_OPERATOR);
    assert_int_equal(identify(bench, &mine, &err), -1);
    assert_true(target->blocked);
    consent_has_lines(bench, "Released Resident page; Rejected Controller self::ctl; ");
}

/* ---- the sign-in code ---- */

static enum consent_code_outcome try(struct bench *bench, const char *text)
{
    uint32_t wait;

    clock_fake_advance(&bench->loop.clock, 5000); /* no limit of time */
    return consent_code_check(consent_of(bench), text, &wait);
}

static void test_code(void **state)
{
    struct bench *bench = *state;
    char code[CONSENT_CODE_BYTES];
    char plain[CONSENT_CODE_BYTES + 1];
    char other[CONSENT_CODE_BYTES];

    assert_int_equal(try(bench, "0000-0000-0000"), CONSENT_CODE_WRONG);
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    assert_int_equal(strlen(code), 14);
    assert_int_equal(try(bench, ""), CONSENT_CODE_WRONG);
    snprintf(plain, sizeof(plain), "%.4s %.4s%.4s ", code, code + 5, code + 10);
    assert_int_equal(try(bench, plain), CONSENT_CODE_RIGHT);
    assert_int_equal(try(bench, code), CONSENT_CODE_WRONG); /* once */
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    assert_int_equal(consent_code_make(consent_of(bench), other, NULL), 0);
    assert_string_not_equal(code, other);
    assert_int_equal(try(bench, code), CONSENT_CODE_WRONG); /* the newest only */
    assert_int_equal(try(bench, other), CONSENT_CODE_RIGHT);
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    clock_fake_advance(&bench->loop.clock, CONSENT_CODE_S * 1000);
    assert_int_equal(try(bench, code), CONSENT_CODE_WRONG);
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(try(bench, "0000-0000-0000"), CONSENT_CODE_WRONG);
    assert_int_equal(try(bench, code), CONSENT_CODE_RIGHT); /* nobody takes it from the resident */
}

/* Whoever guesses, from however many addresses: so many tries in a code's life and no more, and the code is still good. */
static void test_code_is_not_guessed(void **state)
{
    struct bench *bench = *state;
    char code[CONSENT_CODE_BYTES];
    unsigned looked_at = 0;
    uint32_t wait;

    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    for (unsigned ms = 1; ms < CONSENT_CODE_S * 1000; ms++) {
        clock_fake_advance(&bench->loop.clock, 1);
        looked_at += consent_code_check(consent_of(bench), "0000-0000-0000", &wait) == CONSENT_CODE_WRONG;
    }
    assert_in_range(looked_at, 120000, 120300); /* of 10^12: docs/security.md */
    assert_int_equal(consent_code_check(consent_of(bench), code, &wait), CONSENT_CODE_LIMITED);
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    clock_fake_advance(&bench->loop.clock, 5);
    assert_int_equal(consent_code_check(consent_of(bench), code, &wait), CONSENT_CODE_RIGHT);
}

static void test_codes_are_limited(void **state)
{
    struct bench *bench = *state;
    char code[CONSENT_CODE_BYTES], last[CONSENT_CODE_BYTES];
    struct error err;

    for (int i = 0; i < 10; i++)
        assert_int_equal(consent_code_make(consent_of(bench), last, NULL), 0);
    assert_int_equal(consent_code_make(consent_of(bench), code, &err), -1);
    assert_int_equal(err.code, ERROR_COMMAND_FAILURE);
    assert_non_null(strstr(err.message, "in 30 s"));
    assert_int_equal(try(bench, last), CONSENT_CODE_RIGHT); /* what was not made makes nothing void */
    clock_fake_advance(&bench->loop.clock, 30 * 1000);
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
}

static void test_code_is_rate_limited(void **state)
{
    struct bench *bench = *state;
    char code[CONSENT_CODE_BYTES];
    uint32_t wait;

    for (int i = 0; i < 200; i++)
        assert_int_equal(consent_code_check(consent_of(bench), "x", &wait), CONSENT_CODE_WRONG);
    assert_int_equal(consent_code_make(consent_of(bench), code, NULL), 0);
    assert_int_equal(consent_code_check(consent_of(bench), code, &wait), CONSENT_CODE_LIMITED);
    assert_int_equal(wait, 1);
    clock_fake_advance(&bench->loop.clock, wait * 1000ull);
    assert_int_equal(consent_code_check(consent_of(bench), code, &wait), CONSENT_CODE_RIGHT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, consent_setup, consent_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ledger_is_bounded),
        TEST(test_ledger_is_shared),
        TEST(test_long_words_are_cut),
        TEST(test_quarantine),
        TEST(test_code),
        TEST(test_code_is_rate_limited),
        TEST(test_code_is_not_guessed),
        TEST(test_codes_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
