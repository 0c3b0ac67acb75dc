/* SPDX-License-Identifier: BSD-3-Clause */
/* TriggerAction: a change applies the settings of a subscription. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/usp_bench.h"

static int set_up(void **state)
{
    static struct usp_bench bench;

    usp_bench_init(&bench, ":memory:");
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    usp_bench_done(*state);
    return 0;
}

static const char *told(const char *sent)
{
    const char *end = strchr(sent, '\n');

    return end ? end + 1 : "";
}

static void subscribe(struct usp_bench *bench, const char *action, const char *settings)
{
    char text[512];

    snprintf(text, sizeof(text),
             "Device.LocalAgent.Subscription.: Enable=1 ID=%s NotifType=ValueChange "
             "ReferenceList=Device.Box.Number TriggerAction=%s TriggerConfigSettings=%s",
             action, action, settings);
    assert_non_null(strstr(bench_add(bench, false, text), "ok{"));
}

/* Config sets and does not tell; NotifyAndConfig does both */
static void config(void **state)
{
    struct usp_bench *bench = *state;

    bench_add(bench, false, "Device.Thing.: Name=a Device.Thing.: Name=b");
    subscribe(bench, "Config", "Device.Thing.1.Number=70,Device.Thing.[Name==\"b\"].Enable=true");
    bench_expect(told(bench_set(bench, false, "Device.Box.: Number=1")), "");
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Number Device.Thing.*.Enable"),
                 "self::one GET_RESP m1 {Device.Thing.*.Number {Device.Thing.1. Number=70} "
                 "{Device.Thing.2. Number=7}} {Device.Thing.*.Enable {Device.Thing.1. Enable=false} "
                 "{Device.Thing.2. Enable=true}}");
    bench_delete(bench, false, "Device.LocalAgent.Subscription.*.");
    subscribe(bench, "NotifyAndConfig", "Device.Thing.1.Number=71");
    bench_expect(told(bench_set(bench, false, "Device.Box.: Number=2")),
                 "self::one NOTIFY NotifyAndConfig value{Device.Box.Number =2}");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Number"),
                 "self::one GET_RESP m1 {Device.Thing.1.Number {Device.Thing.1. Number=71}}");
}

/* One bad setting, and none is applied */
static void all_or_nothing(void **state)
{
    struct usp_bench *bench = *state;

    bench_add(bench, false, "Device.Thing.: Name=a");
    subscribe(bench, "Config", "Device.Thing.1.Number=70,Device.Thing.1.Enable=nonsense");
    bench_set(bench, false, "Device.Box.: Number=1");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Number"),
                 "self::one GET_RESP m1 {Device.Thing.1.Number {Device.Thing.1. Number=7}}");
    bench_set(
        bench, false,
        "Device.LocalAgent.Subscription.1.: TriggerConfigSettings=Device.Thing.1.Number=70,Device.Thing.1.");
    bench_set(bench, false, "Device.Box.: Number=2");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Number"),
                 "self::one GET_RESP m1 {Device.Thing.1.Number {Device.Thing.1. Number=7}}");
    bench_set(
        bench, false,
        "Device.LocalAgent.Subscription.1.: TriggerConfigSettings=Device.Thing.1.Number=70,Device.Nope.A=1");
    bench_set(bench, false, "Device.Box.: Number=3");
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Number"),
                 "self::one GET_RESP m1 {Device.Thing.1.Number {Device.Thing.1. Number=7}}");
}

/* Two that undo each other end */
static void no_circle(void **state)
{
    struct usp_bench *bench = *state;

    bench_add(bench, false, "Device.Thing.: Name=a");
    subscribe(bench, "Config", "Device.Box.Rank=3");
    bench_expect(
        bench_add(
            bench, false,
            "Device.LocalAgent.Subscription.: Enable=1 ID=x NotifType=ValueChange "
            "ReferenceList=Device.Box.Rank TriggerAction=Config TriggerConfigSettings=Device.Box.Rank=4,Device.Box.Rank=5"),
        "self::one ADD_RESP m1 {Device.LocalAgent.Subscription. "
        "ok{Device.LocalAgent.Subscription.2. Alias=cpe-2 "
        "Recipient=Device.LocalAgent.Controller.1 ID=x}}");
    bench_set(bench, false, "Device.Box.: Number=1");
    bench_expect(bench_get(bench, 0, "Device.Box.Number"),
                 "self::one GET_RESP m1 {Device.Box.Number {Device.Box. Number=1}}");
}

/* The recipient's role decides */
static void permissions(void **state)
{
    struct usp_bench *bench = *state;

    bench->as = 0;
    bench_add(bench, false,
              "Device.LocalAgent.ControllerTrust.Role.2.Permission.: Enable=1 Order=9 "
              "Targets=Device.LocalAgent.Subscription. Param=rw-- Obj=rw-- InstantiatedObj=rw--");
    bench_add(bench, false,
              "Device.LocalAgent.ControllerTrust.Role.2.Permission.: Enable=1 Order=10 "
              "Targets=Device.Box. Param=r--n Obj=r--- InstantiatedObj=r---");
    bench->as = 2;
    subscribe(bench, "Config", "Device.Box.Rank=7");
    bench->as = 0;
    bench_set(bench, false, "Device.Box.: Number=1");
    bench_expect(bench_get(bench, 0, "Device.Box.Rank"),
                 "self::one GET_RESP m1 {Device.Box.Rank {Device.Box. Rank=2}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_circle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(permissions, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
