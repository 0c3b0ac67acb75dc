/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications on their way: retry, expiry, restarts, and what is durable before it is told. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/usp_bench.h"

#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

static void things(struct usp_bench *bench, const char *more)
{
    bench_add(bench, false, "Device.Thing.: Name=a Device.Thing.: Name=b");
    bench_subscribe(bench, more);
}

static void reachable(struct usp_bench *bench)
{
    usp_reachable(bench->usp);
    bench_turn(bench);
}

#define WATCH "ID=s NotifType=ValueChange ReferenceList=Device.Thing.*.Number "

/* How many ms until something is sent, up to max. */
static uint64_t wait_for_sent(struct usp_bench *bench, uint64_t max)
{
    uint64_t waited = 0;

    bench_sent(bench);
    while (waited < max && !bench->sent_count) {
        uint64_t next = timers_next(&bench->loop.timers);
        uint64_t step = next < max - waited ? next : max - waited;

        bench_advance(bench, step ? step : 1);
        waited += step ? step : 1;
    }
    return waited;
}

/* Without NotifRetry it is sent once, when the controller can be reached */
static void once(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH);
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=1"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=1}}}\n"
                 "self::one NOTIFY s value{Device.Thing.1.Number =1}");
    bench_advance(bench, 3600 * 1000);
    bench_expect(bench_sent(bench), "");
    bench->channels[0].up = false;
    bench->as = 1;
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=2"),
                 "self::two SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=2}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.2.: Number=3"),
                 "self::two SET_RESP m1 {Device.Thing.2. ok{{Device.Thing.2. Number=3}}}");
    bench->channels[0].up = true;
    reachable(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY s value{Device.Thing.1.Number =2}\n"
                                    "self::one NOTIFY s value{Device.Thing.2.Number =3}");
    reachable(bench);
    bench_expect(bench_sent(bench), "");
}

/* R-NOT.1, R-NOT.2: retry n waits m*(k/1000)^(n-1) to m*(k/1000)^n s, and from the tenth on as the tenth */
static void back_off(void **state)
{
    struct usp_bench *bench = *state;

    double low = 5000, high = 10000;

    things(bench, WATCH "NotifRetry=true");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=1"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=1}}}\n"
                 "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}");
    for (unsigned retry = 1; retry <= 14; retry++) {
        uint64_t waited = wait_for_sent(bench, 10000000);

        if (waited + 1 < low || waited > high + 1)
            fail_msg("retry %u after %llu ms; it is due after %.0f to %.0f", retry,
                     (unsigned long long)waited, low, high);
        low *= retry < 10 ? 2 : 1;
        high *= retry < 10 ? 2 : 1;
    }
    bench_acknowledge(bench);
    bench_advance(bench, 100000000);
    bench_expect(bench_sent(bench), "");
}

/* The controller's own minimum and multiplier */
static void back_off_settings(void **state)
{
    struct usp_bench *bench = *state;

    bench_set(
        bench, false,
        "Device.LocalAgent.Controller.1.: USPNotifRetryMinimumWaitInterval=2 USPNotifRetryIntervalMultiplier=1000");
    things(bench, WATCH "NotifRetry=true");
    bench_set(bench, false, "Device.Thing.1.: Number=1");
    for (unsigned retry = 1; retry <= 4; retry++)
        assert_int_equal(wait_for_sent(bench, 100000), 2000);
}

/* NotifExpiration: after it nothing is sent any more */
static void expires(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH "NotifRetry=true NotifExpiration=12");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=1"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=1}}}\n"
                 "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}");
    assert_true(wait_for_sent(bench, 11000) <= 10000);
    bench_sent(bench);
    bench_advance(bench, 3600 * 1000);
    bench_expect(bench_sent(bench), "");
    bench->channels[0].up = false;
    bench->as = 1;
    bench_set(bench, false, "Device.Thing.1.: Number=2");
    bench_sent(bench);
    bench_advance(bench, 13 * 1000);
    bench->channels[0].up = true;
    reachable(bench);
    bench_expect(bench_sent(bench), "");
}

/* What was not acknowledged is sent again when the controller comes back */
static void comes_back(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH "NotifRetry=true");
    bench_set(bench, false, "Device.Thing.*.: Number=1");
    bench_sent(bench);
    usp_controller_reachable(bench->usp, usp_controller_find(bench->usp, STR("self::one")));
    bench_expect(bench_sent(bench), "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}\n"
                                    "self::one NOTIFY s resp:1 value{Device.Thing.2.Number =1}");
    bench_acknowledge(bench);
    usp_controller_reachable(bench->usp, usp_controller_find(bench->usp, STR("self::one")));
    bench_expect(bench_sent(bench), "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}");
    bench_acknowledge(bench);
    bench_acknowledge(bench);
    usp_controller_reachable(bench->usp, usp_controller_find(bench->usp, STR("self::one")));
    bench_expect(bench_sent(bench), "");
}

/* R-NOT.4; the queue keeps its order, and its expiry */
static void survives_restart(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH "NotifRetry=true Persistent=true");
    bench_subscribe(
        bench,
        "ID=e NotifType=ValueChange ReferenceList=Device.Thing.1. NotifRetry=true NotifExpiration=100 Persistent=true");
    bench_subscribe(bench, "ID=o NotifType=ValueChange ReferenceList=Device.Thing.1. Persistent=true");
    bench->channels[0].up = false;
    bench->as = 1;
    bench_set(bench, false, "Device.Thing.1.: Number=1");
    bench_set(bench, false, "Device.Thing.2.: Number=2");
    bench_restart(bench, 10, true);
    bench_expect(bench_sent(bench), "");
    bench->channels[0].up = true;
    reachable(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY e resp:1 value{Device.Thing.1.Number =1}\n"
                                    "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}\n"
                                    "self::one NOTIFY s resp:1 value{Device.Thing.2.Number =2}");
    bench_restart(bench, 200, false);
    reachable(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}\n"
                                    "self::one NOTIFY s resp:1 value{Device.Thing.2.Number =2}");
    bench_acknowledge(bench);
    bench_restart(bench, 1, false);
    reachable(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Subscription.*.ID "
                 "{Device.LocalAgent.Subscription.1. ID=s} {Device.LocalAgent.Subscription.2. ID=e} "
                 "{Device.LocalAgent.Subscription.3. ID=o}}");
}

/* Boot! goes before what waits already, and to subscriptions of the last life */
static void boot_first(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH "NotifRetry=true Persistent=true");
    bench_subscribe(bench, "ID=boot NotifType=Event ReferenceList=Device.Boot! Persistent=true");
    bench_subscribe(bench, "ID=short NotifType=Event ReferenceList=Device.Boot!");
    bench_add(bench, false,
              "Device.LocalAgent.Controller.1.BootParameter.: Enable=1 ParameterName=Device.Thing.*.Name "
              "Device.LocalAgent.Controller.1.BootParameter.: ParameterName=Device.Box.Name");
    bench->channels[0].up = false;
    bench->as = 1;
    bench_set(bench, false, "Device.Thing.1.: Number=1");
    bench_restart(bench, 1, true);
    bench->channels[0].up = true;
    reachable(bench);
    bench_expect(bench_sent(bench),
                 "self::one NOTIFY boot event{Device. Boot! CommandKey= Cause=LocalReboot Reason=test "
                 "FirmwareUpdated=false "
                 "ParameterMap={\"Device.Thing.1.Name\":\"a\",\"Device.Thing.2.Name\":\"b\"}}\n"
                 "self::one NOTIFY short event{Device. Boot! CommandKey= Cause=LocalReboot "
                 "Reason=test FirmwareUpdated=false "
                 "ParameterMap={\"Device.Thing.1.Name\":\"a\",\"Device.Thing.2.Name\":\"b\"}}\n"
                 "self::one NOTIFY s resp:1 value{Device.Thing.1.Number =1}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Subscription.*.ID "
                 "{Device.LocalAgent.Subscription.1. ID=s} {Device.LocalAgent.Subscription.2. "
                 "ID=boot}}");
}

/* Nothing is told before its batch is durable */
static void durable_before_told(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH);
    struct buf message;
    struct usp_client_pair pair = {STR("Number"), STR("9"), false};
    struct usp_client_object object = {STR("Device.Thing.1."), &pair, 1};

    buf_init(&message, 4096, 384);
    usp_client_set(&message, STR("m1"), &object, 1, false);
    bench_give(bench, &message);
    assert_int_equal(bench->sent_count, 0);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=9}}}\n"
                                    "self::one NOTIFY s value{Device.Thing.1.Number =9}");
}

/* A full disk: the answer is an error, nothing has changed, nobody is notified */
static void lost_batch(void **state)
{
    struct usp_bench *bench = *state;

    struct rlimit old, none;

    things(bench, WATCH);
    bench_sent(bench);
    char *before = small_dump(bench->dm);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    none = (struct rlimit){1024, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    const char *sent = bench_set(bench, false, "Device.Thing.*.: Number=9");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    bench_expect(sent, "self::one ERROR m1 #7003");
    sent = bench_add(bench, false, "Device.Thing.: Name=c");
    char *after = small_dump(bench->dm);
    bench_delete(bench, false, "Device.Thing.[Name==\"c\"].");
    free(after);
    after = small_dump(bench->dm);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* Several sessions of one endpoint: the one that subscribed is told, while it is open. */
static void own_session(void **state)
{
    struct usp_bench *bench = *state;
    struct bench_channel *first = &bench->channels[0], *second = &bench->channels[3];

    bench_add(bench, false, "Device.Thing.: Name=a");
    str_copy(second->peer, sizeof(second->peer), "self::one");
    first->channel.number = 1;
    second->channel.number = 2;
    bench->as = 3;
    bench_add(bench, false, "Device.LocalAgent.Subscription.: Enable=1 " WATCH);
    bench->as = 0;
    bench_sent(bench);
    first->fails = true; /* it is the one that is found when no other is asked for */
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=5"),
                 "self::one NOTIFY s value{Device.Thing.1.Number =5}");
    first->fails = false;
    second->fails = true;
    second->channel.number = 0;
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=6"),
                 "self::one SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=6}}}\n"
                 "self::one NOTIFY s value{Device.Thing.1.Number =6}");
}

/* R-NOT.5 to R-NOT.7: repeated until it is answered, over restarts too */
static void onboard(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(bench_operate(bench, "Device.LocalAgent.Controller.1.SendOnBoardRequest()", "", "", true),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.Controller.1.SendOnBoardRequest() "
                 "out{}}\n"
                 "self::one NOTIFY resp:1 onboard{012345 Gateway S1 1.3,1.4}");
    assert_true(wait_for_sent(bench, 100000) >= 5000);
    bench_expect(bench_sent(bench), "self::one NOTIFY resp:1 onboard{012345 Gateway S1 1.3,1.4}");
    bench_restart(bench, 1, false);
    reachable(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY resp:1 onboard{012345 Gateway S1 1.3,1.4}");
    bench_acknowledge(bench);
    bench_advance(bench, 100000000);
    bench_expect(bench_sent(bench), "");
    bench_set(bench, false, "Device.LocalAgent.Controller.1.: OnBoardingRestartTime=600");
    bench_operate(bench, "Device.LocalAgent.Controller.1.SendOnBoardRequest()", "", "", false);
    bench_acknowledge(bench);
    bench_advance(bench, 599 * 1000);
    bench_expect(bench_sent(bench), "");
    bench_advance(bench, 2 * 1000);
    bench_expect(bench_sent(bench), "self::one NOTIFY resp:1 onboard{012345 Gateway S1 1.3,1.4}");
    bench_acknowledge(bench);
    bench_set(bench, false, "Device.LocalAgent.Controller.1.: OnBoardingComplete=true");
    bench_advance(bench, 3600 * 1000);
    bench_expect(bench_sent(bench), "");
}

/* PeriodicNotifTime is the phase of PeriodicNotifInterval */
static void periodic(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(bench, "ID=p NotifType=Event ReferenceList=Device.LocalAgent.Periodic!");
    bench->as = 1;
    bench_subscribe(bench, "ID=q NotifType=Event ReferenceList=Device.LocalAgent.Periodic!");
    bench->as = 0;
    /* 1700000000 is 2023-11-14T22:13:20Z: the next hour's 10th minute is 56 min 40 s away. */
    bench_set(
        bench, false,
        "Device.LocalAgent.Controller.1.: PeriodicNotifInterval=3600 PeriodicNotifTime=2020-01-01T00:10:00Z");
    bench_advance(bench, (56 * 60 + 39) * 1000);
    bench_expect(bench_sent(bench), "");
    bench_advance(bench, 2 * 1000);
    bench_expect(bench_sent(bench), "self::one NOTIFY p event{Device.LocalAgent. Periodic!}");
    bench_advance(bench, 3598 * 1000);
    bench_expect(bench_sent(bench), "self::two NOTIFY q event{Device.LocalAgent. Periodic!}");
    bench_advance(bench, 1000);
    bench_expect(bench_sent(bench), "self::one NOTIFY p event{Device.LocalAgent. Periodic!}");
    bench_set(bench, false, "Device.LocalAgent.Controller.1.: PeriodicNotifTime=2090-01-01T00:20:00Z");
    bench_advance(bench, 600 * 1000);
    bench_expect(bench_sent(bench), "self::one NOTIFY p event{Device.LocalAgent. Periodic!}");
    bench_set(bench, false, "Device.LocalAgent.Controller.1.: Enable=false");
    bench_advance(bench, 7200 * 1000);
    bench_expect(bench_sent(bench), "");
}

/* What waits for a controller or a subscription that is gone is not sent */
static void forgotten(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH "NotifRetry=true");
    bench_set(bench, false, "Device.Thing.1.: Number=1");
    bench_sent(bench);
    bench_delete(bench, false, "Device.LocalAgent.Subscription.1.");
    bench_advance(bench, 100000);
    bench_expect(bench_sent(bench), "");
    bench_subscribe(bench, WATCH "NotifRetry=true");
    bench->channels[0].up = false;
    bench->as = 1;
    bench_set(bench, false, "Device.Thing.1.: Number=2");
    bench_delete(bench, false, "Device.LocalAgent.Controller.1.");
    bench->channels[0].up = true;
    reachable(bench);
    bench_expect(bench_sent(bench), "");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::two GET_RESP m1 {Device.LocalAgent.Subscription.*.ID}");
    bench_restart(bench, 1, false);
    reachable(bench);
    bench_expect(bench_sent(bench), "");
}

/* The oldest of those that nobody is promised make room */
static void full_queue(void **state)
{
    struct usp_bench *bench = *state;

    things(bench, WATCH);
    bench->channels[0].up = false;
    struct dm_row *row = dm_row_find(bench->dm, STR("Device.Thing.1"));
    for (unsigned i = 0; i < 16384 + 10; i++)
        dm_changed(bench->dm, row, dm_node_param(row->node, "Number"));
    assert_int_equal(usp_stats(bench->usp)->notifications_dropped, 10);
    bench->channels[0].up = true;
    reachable(bench);
    assert_int_equal(bench->sent_count, 16384);
    bench_sent(bench);
    bench->limits.notifications = 16;
    bench->channels[0].up = false;
    for (unsigned i = 0; i < 20; i++)
        dm_changed(bench->dm, row, dm_node_param(row->node, "Number"));
    assert_int_equal(usp_stats(bench->usp)->notifications_dropped, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(once, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(back_off, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(back_off_settings, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(expires, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(comes_back, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(survives_restart, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(boot_first, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(durable_before_told, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(lost_batch, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(own_session, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(onboard, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(periodic, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(forgotten, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(full_queue, usp_bench_set_up, usp_bench_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
