/* SPDX-License-Identifier: BSD-3-Clause */
/* Subscriptions: which change is told to which controller. */
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

static void subscribe(struct usp_bench *bench, const char *id, const char *type, const char *list)
{
    char text[512];

    snprintf(text, sizeof(text),
             "Device.LocalAgent.Subscription.: Enable=true ID=%s NotifType=%s ReferenceList=%s", id, type,
             list);
    assert_non_null(strstr(bench_add(bench, false, text), "ok{"));
}

/* What is told after the change, without the change's own answer. */
static const char *told(const char *sent)
{
    const char *end = strchr(sent, '\n');

    return end ? end + 1 : "";
}

static void things(struct usp_bench *bench)
{
    bench_add(
        bench, false,
        "Device.Thing.: Name=a Device.Thing.: Name=b Device.Thing.1.Part.: Color=red Device.Thing.2.Part.: Color=red");
}

/* ValueChange: by parameter, object, instance, wildcard, expression, all below */
static void values(void **state)
{
    struct usp_bench *bench = *state;

    things(bench);
    subscribe(bench, "param", "ValueChange", "Device.Thing.1.Number");
    bench_expect(told(bench_set(bench, false, "Device.Thing.*.: Number=1 Device.Thing.1.: Enable=1")),
                 "self::one NOTIFY param value{Device.Thing.1.Number =1}");
    subscribe(bench, "wild", "ValueChange", "Device.Thing.*.Number");
    bench_expect(told(bench_set(bench, false, "Device.Thing.*.: Number=2")),
                 "self::one NOTIFY wild value{Device.Thing.1.Number =2}\n"
                 "self::one NOTIFY param value{Device.Thing.1.Number =2}\n"
                 "self::one NOTIFY wild value{Device.Thing.2.Number =2}");
    subscribe(bench, "expr", "ValueChange",
              "Device.Thing.[Name==\"b\"].Number,Device.Thing.[Number>100].Number");
    bench_expect(told(bench_set(bench, false, "Device.Thing.*.: Number=3")),
                 "self::one NOTIFY wild value{Device.Thing.1.Number =3}\n"
                 "self::one NOTIFY param value{Device.Thing.1.Number =3}\n"
                 "self::one NOTIFY expr value{Device.Thing.2.Number =3}\n"
                 "self::one NOTIFY wild value{Device.Thing.2.Number =3}");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=101")),
                 "self::one NOTIFY expr value{Device.Thing.1.Number =101}\n"
                 "self::one NOTIFY wild value{Device.Thing.1.Number =101}\n"
                 "self::one NOTIFY param value{Device.Thing.1.Number =101}");
    bench_delete(bench, false, "Device.LocalAgent.Subscription.*.");
    subscribe(bench, "row", "ValueChange", "Device.Thing.2.");
    subscribe(bench, "table", "ValueChange", "Device.Thing.");
    subscribe(bench, "below", "ValueChange", "Device.Thing.*.Inside.,Device.Thing.*.Part.*.");
    bench_expect(told(bench_set(bench, false, "Device.Thing.*.: Number=4")),
                 "self::one NOTIFY table value{Device.Thing.1.Number =4}\n"
                 "self::one NOTIFY table value{Device.Thing.2.Number =4}\n"
                 "self::one NOTIFY row value{Device.Thing.2.Number =4}");
    bench_expect(
        told(bench_set(bench, false, "Device.Thing.2.Inside.: Title=x Device.Thing.1.Part.1.: Color=blue")),
        "self::one NOTIFY below value{Device.Thing.2.Inside.Title =x}\n"
        "self::one NOTIFY table value{Device.Thing.2.Inside.Title =x}\n"
        "self::one NOTIFY row value{Device.Thing.2.Inside.Title =x}\n"
        "self::one NOTIFY below value{Device.Thing.1.Part.1.Color =blue}\n"
        "self::one NOTIFY table value{Device.Thing.1.Part.1.Color =blue}");
    bench_delete(bench, false, "Device.LocalAgent.Subscription.*.");
    subscribe(bench, "all", "ValueChange", "Device.");
    bench_expect(
        told(bench_set(bench, false, "Device.Thing.2.Inside.: Title=y Device.Box.: Number=8 Secret=s")),
        "self::one NOTIFY all value{Device.Thing.2.Inside.Title =y}\n"
        "self::one NOTIFY all value{Device.Box.Number =8}\n"
        "self::one NOTIFY all value{Device.Box.Secret}");
    bench_expect(told(bench_set(bench, false, "Device.Box.: Number=8 Device.Thing.1.: Number!=4")), "");
}

/* A change is one notification, however many items of the list name it */
static void told_once(void **state)
{
    struct usp_bench *bench = *state;

    things(bench);
    subscribe(bench, "s", "ValueChange", "Device.Thing.1.Number,Device.Thing.*.Number,Device.Thing.,Device.");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=1")),
                 "self::one NOTIFY s value{Device.Thing.1.Number =1}");
}

/* Nothing changed, it failed, it is another type, or the subscription is off */
static void not_told(void **state)
{
    struct usp_bench *bench = *state;

    things(bench);
    subscribe(bench, "s", "ValueChange", "Device.Thing.1.Number");
    subscribe(bench, "c", "ObjectCreation", "Device.Thing.");
    bench_set(bench, false, "Device.Thing.1.: Number=5");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=5")), "");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=6 Device.Thing.1.: Enable!=x")), "");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=x")), "");
    bench_expect(told(bench_set(bench, false, "Device.LocalAgent.Subscription.*.: Enable=0")), "");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=7")), "");
    bench_expect(told(bench_set(bench, false, "Device.LocalAgent.Subscription.*.: Enable=1")), "");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=8")),
                 "self::one NOTIFY s value{Device.Thing.1.Number =8}");
    bench_expect(told(bench_set(bench, false,
                                "Device.LocalAgent.Subscription.1.: ReferenceList=Device.Thing.2.Number")),
                 "");
    bench_expect(told(bench_set(bench, false, "Device.Thing.*.: Number=9")),
                 "self::one NOTIFY s value{Device.Thing.2.Number =9}");
    bench_expect(
        told(bench_set(
            bench, false,
            "Device.LocalAgent.Subscription.1.: NotifType=ObjectDeletion ReferenceList=Device.Thing.")),
        "");
    bench_expect(told(bench_delete(bench, false, "Device.Thing.1.")),
                 "self::one NOTIFY s deleted{Device.Thing.1.}");
    bench_expect(told(bench_delete(bench, false, "Device.LocalAgent.Subscription.*.")), "");
    bench_expect(told(bench_delete(bench, false, "Device.Thing.2.")), "");
}

/* ObjectCreation and ObjectDeletion are of the table that is named, rows below included when they are */
static void objects(void **state)
{
    struct usp_bench *bench = *state;

    subscribe(bench, "made", "ObjectCreation", "Device.Thing.");
    subscribe(bench, "gone", "ObjectDeletion", "Device.Thing.*.,Device.Thing.*.Part.");
    subscribe(bench, "part", "ObjectCreation", "Device.Thing.2.Part.");
    bench_expect(told(bench_add(bench, false, "Device.Thing.: Name=a Device.Thing.: Name=b")),
                 "self::one NOTIFY made created{Device.Thing.1. Alias=cpe-1 Name=a}\n"
                 "self::one NOTIFY made created{Device.Thing.2. Alias=cpe-2 Name=b}");
    bench_expect(told(bench_add(bench, false, "Device.Thing.*.Part.: Color=red")),
                 "self::one NOTIFY part created{Device.Thing.2.Part.1. Alias=cpe-1 Color=red Order=1}");
    bench_expect(told(bench_delete(bench, false, "Device.Thing.1.")),
                 "self::one NOTIFY gone deleted{Device.Thing.1.Part.1.}\n"
                 "self::one NOTIFY gone deleted{Device.Thing.1.}");
    bench_expect(told(bench_delete(bench, false, "Device.Thing.*.Part.*.")),
                 "self::one NOTIFY gone deleted{Device.Thing.2.Part.1.}");
}

/* OperationComplete, and Event */
static void operations(void **state)
{
    struct usp_bench *bench = *state;

    subscribe(bench, "slow", "OperationComplete", "Device.Slow()");
    subscribe(bench, "any", "OperationComplete", "Device.");
    subscribe(bench, "event", "Event", "Device.Box.Happened!");
    subscribe(bench, "box", "Event", "Device.Box.");
    bench_operate(bench, "Device.Slow()", "key1", "", true);
    dm_call_output(bench->slow, "Text", "t");
    dm_call_complete(bench->slow, NULL);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY any complete{Device. Slow() key:key1 out{Text=t}}\n"
                                    "self::one NOTIFY slow complete{Device. Slow() key:key1 out{Text=t}}");
    bench_operate(bench, "Device.Slow()", "key2", "", true);
    struct error err;
    error_set(&err, ERROR_COMMAND_FAILURE, NULL, "broken");
    dm_call_complete(bench->slow, &err);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY any complete{Device. Slow() key:key2 fail{#7022}}\n"
                                    "self::one NOTIFY slow complete{Device. Slow() key:key2 fail{#7022}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "", "Text=a", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() out{Text=a Number=42 Key=}}");
    struct dm_pair args[] = {{"What", "this"}, {"Empty", ""}};
    dm_raise(bench->dm, dm_row_find(bench->dm, STR("Device.Box.")), "Happened!", args, 2);
    bench_expect(bench_sent(bench), "self::one NOTIFY box event{Device.Box. Happened! What=this Empty=}\n"
                                    "self::one NOTIFY event event{Device.Box. Happened! What=this Empty=}");
}

/* Each subscription is its controller's own */
static void recipients(void **state)
{
    struct usp_bench *bench = *state;

    things(bench);
    subscribe(bench, "one", "ValueChange", "Device.Thing.1.Number");
    bench->as = 1;
    subscribe(bench, "one", "ValueChange", "Device.Thing.1.Number");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=1")),
                 "self::two NOTIFY one value{Device.Thing.1.Number =1}\n"
                 "self::one NOTIFY one value{Device.Thing.1.Number =1}");
    bench_expect(
        bench_get(
            bench, 0,
            "Device.LocalAgent.Subscription.*.Recipient Device.LocalAgent.Subscription.[ID==\"one\"].CreationDate"),
        "self::two GET_RESP m1 {Device.LocalAgent.Subscription.*.Recipient "
        "{Device.LocalAgent.Subscription.1. Recipient=Device.LocalAgent.Controller.1} "
        "{Device.LocalAgent.Subscription.2. Recipient=Device.LocalAgent.Controller.2}} "
        "{Device.LocalAgent.Subscription.[ID==\"one\"].CreationDate "
        "{Device.LocalAgent.Subscription.1. CreationDate=2023-11-14T22:13:20Z} "
        "{Device.LocalAgent.Subscription.2. CreationDate=2023-11-14T22:13:20Z}}");
    bench_expect(bench_add(bench, false, "Device.LocalAgent.Subscription.: ID=one"),
                 "self::two ERROR m1 #7025 perr{Device.LocalAgent.Subscription.3.Recipient #7025}");
    bench_expect(bench_set(bench, false,
                           "Device.LocalAgent.Subscription.1.: Recipient=Device.LocalAgent.Controller.2"),
                 "self::two ERROR m1 #7013 perr{Device.LocalAgent.Subscription.1.Recipient #7013}");
    bench_expect(bench_set(bench, false, "Device.LocalAgent.Subscription.1.: ID=x"),
                 "self::two ERROR m1 #7013 perr{Device.LocalAgent.Subscription.1.ID #7013}");
    bench_set(bench, false, "Device.LocalAgent.Controller.1.: Enable=0");
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=2")),
                 "self::two NOTIFY one value{Device.Thing.1.Number =2}");
}

/* The subscription goes when its time is over */
static void time_to_live(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(
        bench_add(
            bench, false,
            "Device.LocalAgent.Subscription.: ID=s TimeToLive=10 Enable=1 NotifType=ValueChange ReferenceList=Device.Box.Number"),
        "self::one ADD_RESP m1 {Device.LocalAgent.Subscription. "
        "ok{Device.LocalAgent.Subscription.1. Alias=cpe-1 "
        "Recipient=Device.LocalAgent.Controller.1 ID=s}}");
    bench_advance(bench, 9000);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Subscription.*.ID "
                 "{Device.LocalAgent.Subscription.1. ID=s}}");
    bench_advance(bench, 2000);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Subscription.*.ID}");
    bench_add(bench, false, "Device.LocalAgent.Subscription.: ID=t TimeToLive=10");
    bench_advance(bench, 5000);
    bench_set(bench, false, "Device.LocalAgent.Subscription.*.: TimeToLive=20");
    bench_advance(bench, 14000);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Subscription.*.ID "
                 "{Device.LocalAgent.Subscription.2. ID=t}}");
    bench_set(bench, false, "Device.LocalAgent.Subscription.*.: TimeToLive=3");
    bench_advance(bench, 1);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Subscription.*.ID"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Subscription.*.ID}");
}

/* A ReferenceList must be paths; what this agent does not have is told nothing of */
static void bad_lists(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(bench_add(bench, false, "Device.LocalAgent.Subscription.: ID=a ReferenceList!=Device.."),
                 "self::one ERROR m1 #7012 perr{Device.LocalAgent.Subscription.1.ReferenceList #7012}");
    bench_expect(
        bench_add(bench, false, "Device.LocalAgent.Subscription.: ID=b ReferenceList!=Device.Box.,["),
        "self::one ERROR m1 #7012 perr{Device.LocalAgent.Subscription.2.ReferenceList #7012}");
    bench_expect(bench_add(bench, false, "Device.LocalAgent.Subscription.: ID=c NotifType!=Nothing"),
                 "self::one ERROR m1 #7012 perr{Device.LocalAgent.Subscription.3.NotifType #7012}");
    bench_expect(
        bench_add(
            bench, false,
            "Device.LocalAgent.Subscription.: ID=d ReferenceList=Device.Nope.,Device.Box.Number,Device.Thing.1.Ref+.Name Enable=1"),
        "self::one ADD_RESP m1 {Device.LocalAgent.Subscription. "
        "ok{Device.LocalAgent.Subscription.4. Alias=cpe-4 "
        "Recipient=Device.LocalAgent.Controller.1 ID=d}}");
    bench_expect(told(bench_set(bench, false, "Device.Box.: Number=77")),
                 "self::one NOTIFY d value{Device.Box.Number =77}");
    bench_expect(bench_add(bench, false, "Device.LocalAgent.Subscription.: ID="),
                 "self::one ERROR m1 #7012 perr{Device.LocalAgent.Subscription.5.ID #7012}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(operations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(recipients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_to_live, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_lists, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
