/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each scenario runs once per commit that it makes, and dies there: once with the commit, once without. However it dies,
 * every accepted command has one result in the store at the end, and the result is true.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_update.h"

#define NEW "https://images.example/new.bin" /* its version cannot be guessed */

struct scenario {
    const char *name;
    enum bench_fault fault;
    unsigned fault_times;
    bool download; /* else Activate of what is there */
    bool auto_activate;
    bool offer;
    unsigned cuts;
    const char *result;    /* expected whenever it dies */
    const char *or_result; /* ... or this, where a crash may turn it; NULL: no */
    const char *version;   /* what the device runs at the end */
};

static const struct scenario scenarios[] = {
    {.name = "download", .download = true, .result = "Done", .version = "1.0.0"},
    {.name = "download cut", .download = true, .cuts = 2, .result = "Done", .version = "1.0.0"},
    {.name = "download and activate",
     .download = true,
     .auto_activate = true,
     .result = "Done",
     .version = "2.0.0"},
    {.name = "activate", .result = "Done", .version = "2.0.0"},
    {.name = "activate an offer", .offer = true, .result = "Done", .version = "1.1.0"},
    {.name = "busy twice", .fault = FAULT_BUSY, .fault_times = 2, .result = "Done", .version = "2.0.0"},
    {.name = "fails once",
     .fault = FAULT_FAILS_AT_40,
     .fault_times = 1,
     .result = "Done",
     .version = "2.0.0"},
    {.name = "stalls once", .fault = FAULT_STALLS, .fault_times = 1, .result = "Done", .version = "2.0.0"},
    {.name = "refuses", .fault = FAULT_REFUSES, .result = "Failed", .version = "1.0.0"},
    {.name = "old version",
     .fault = FAULT_OLD_VERSION,
     .result = "RolledBack",
     .or_result = "Failed",
     .version = "1.0.0"},
    {.name = "other version",
     .fault = FAULT_OTHER_VERSION,
     .offer = true,
     .result = "Failed",
     .version = "6.6.6"},
    {.name = "never returns",
     .fault = FAULT_NEVER_RETURNS,
     .result = "Failed",
     .or_result = "Expired",
     .version = "1.0.0"},
};

static void begin(struct bench *bench, const struct scenario *scenario)
{
    struct bench_device *device = &bench->devices[0];

    bench_init(bench, 1);
    bench_serve(bench, NEW, "image number two", "2.0.0");
    if (scenario->offer)
        firmware_target_offer(&device->target, "stable", "1.1.0");
    else if (!scenario->download)
        bench_have(bench, 0, 1, NEW);
    bench_settle(bench);
    store_delete_prefix(bench->store, "result", STR(""), NULL);
    store_flush(bench->store, NULL);
    device->fault = scenario->fault;
    device->fault_times = scenario->fault_times;
    bench->images[0].cuts = scenario->cuts;
    bench->commits = 0;
}

static void command(struct bench *bench, const struct scenario *scenario)
{
    if (scenario->download)
        assert_non_null(bench_download(bench, 0, 1, NEW, scenario->auto_activate));
    else
        assert_non_null(bench_activate(bench, 0, 1, MODE_ANY_TIME, 0, 5000));
}

static int check_result(void *ctx, struct str key, struct str value)
{
    const struct scenario *scenario = ctx;

    (void)key;
    if (!str_is(value, scenario->result) && !(scenario->or_result && str_is(value, scenario->or_result)))
        fail_msg("%s: the result is %.*s", scenario->name, (int)value.len, value.data);
    return 0;
}

/* accepted: whether the first life got as far as that. */
static void check_end(struct bench *bench, const struct scenario *scenario, bool accepted)
{
    struct bench_device *device = &bench->devices[0];

    bench_finish(bench);
    bench_run(bench, 200);
    assert_int_equal(bench_results(bench), accepted ? 1 : 0);
    assert_int_equal(bench_files(bench, "part-"), 0);
    store_each(bench->store, "result", STR(""), check_result, (void *)scenario, NULL);
    if (accepted)
        assert_string_equal(device->version, scenario->version);
    if (device->online)
        bench_check_slots(bench, 0);
    if (accepted && strcmp(scenario->result, "Done") == 0 && !scenario->download)
        assert_int_equal(device->target.active, 1);
    if (accepted && strcmp(scenario->result, "Failed") == 0 && !scenario->or_result)
        assert_int_equal(device->target.slots[1].status, FIRMWARE_ACTIVATION_FAILED);
}

/* False when the scenario ended before that commit. */
static bool die_at(const struct scenario *scenario, unsigned commit, bool before, bool twice)
{
    struct bench bench;
    bool died;

    begin(&bench, scenario);
    bench.stop_at = commit;
    bench.stop_before = before;
    command(&bench, scenario);
    bench_finish(&bench);
    died = bench.stopped;
    if (died) {
        bench_crash(&bench);
        if (twice) {
            bench.stop_at = bench.commits + 1;
            bench_finish(&bench);
            if (bench.stopped)
                bench_crash(&bench);
        }
    }
    check_end(&bench, scenario, !(before && commit == 1));
    bench_done(&bench);
    return died;
}

static void test_scenario(void **state)
{
    const struct scenario *scenario = *state;
    unsigned commit = 1;

    while (die_at(scenario, commit, false, false) && die_at(scenario, commit, true, false) &&
           die_at(scenario, commit, false, true))
        commit++;
    assert_true(commit > 3);
}

/* The program may be away for longer than the window. */
static void test_window_passes_while_we_are_away(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, &scenarios[3]);
    assert_non_null(bench_activate(&bench, 0, 1, MODE_ANY_TIME, 1000, 2000));
    bench_run(&bench, 10);
    bench.loop.clock.fake_wall += 5000 * 1000;
    bench_restart(&bench);
    bench_finish(&bench);
    assert_int_equal(bench.state, JOB_EXPIRED);
    assert_int_equal(bench_results(&bench), 1);
    bench_done(&bench);
}

/* A wall clock that goes back (no battery, no time server yet) does not open or close a window. */
static void test_wall_clock_goes_back(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, &scenarios[3]);
    assert_non_null(bench_activate(&bench, 0, 1, MODE_ANY_TIME, 1000, 2000));
    bench_run(&bench, 900);
    bench.loop.clock.fake_wall = 1000;
    bench_run(&bench, 50);
    firmware_serve_at(bench.firmware, "http://gw:1");
    bench_restart(&bench);
    bench_run(&bench, 900);
    assert_int_equal(bench.devices[0].installs, 0);
    bench_finish(&bench);
    assert_int_equal(bench.state, JOB_DONE);
    bench_done(&bench);
}

/* No clock at the first start: 1970. Then the time server answers, and the agent restarts. */
static void test_wall_clock_is_set_late(void **state)
{
    struct bench bench;

    (void)state;
    begin(&bench, &scenarios[3]);
    bench.loop.clock.fake_wall = 5000;
    assert_non_null(bench_activate(&bench, 0, 1, MODE_ANY_TIME, 1000, 2000));
    bench_run(&bench, 900);
    bench_restart(&bench); /* an orderly stop stores nothing new: 900 s may be lost, no more */
    bench.loop.clock.fake_wall = BENCH_START * 1000ll;
    bench_restart(&bench);
    bench_run(&bench, 90);
    assert_int_equal(bench.devices[0].installs, 0);
    bench_finish(&bench);
    assert_int_equal(bench.state, JOB_DONE);
    bench_done(&bench);
}

int main(void)
{
    enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };
    struct CMUnitTest tests[SCENARIOS + 3];

    for (size_t i = 0; i < SCENARIOS; i++)
        tests[i] = (struct CMUnitTest){
            .name = scenarios[i].name, .test_func = test_scenario, .initial_state = (void *)&scenarios[i]};
    tests[SCENARIOS] = (struct CMUnitTest)cmocka_unit_test(test_window_passes_while_we_are_away);
    tests[SCENARIOS + 1] = (struct CMUnitTest)cmocka_unit_test(test_wall_clock_goes_back);
    tests[SCENARIOS + 2] = (struct CMUnitTest)cmocka_unit_test(test_wall_clock_is_set_late);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
