/* SPDX-License-Identifier: BSD-3-Clause */
/* Access control: each letter of each permission for each message (TR-181 ControllerTrust). */
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

/* self::none gets a role with these permissions, one row each: "Targets Param Obj InstantiatedObj CommandEvent". */
static void grant(struct usp_bench *bench, const char *role, const char *const *rows)
{
    char text[512];

    bench->as = 0;
    snprintf(text, sizeof(text), "Device.LocalAgent.ControllerTrust.Role.: Enable=1 Name=%s", role);
    bench_add(bench, false, text);
    for (unsigned i = 0; rows[i]; i++) {
        char targets[256], letters[4][8];

        assert_int_equal(
            sscanf(rows[i], "%255s %7s %7s %7s %7s", targets, letters[0], letters[1], letters[2], letters[3]),
            5);
        snprintf(text, sizeof(text),
                 "Device.LocalAgent.ControllerTrust.Role.[Name==\"%s\"].Permission.: Enable=1 Order=%u "
                 "Targets=%s Param=%s Obj=%s InstantiatedObj=%s CommandEvent=%s",
                 role, 10 + i, targets, letters[0], letters[1], letters[2], letters[3]);
        assert_non_null(strstr(bench_add(bench, false, text), "ok{"));
    }
}

static void assign(struct usp_bench *bench, const char *roles)
{
    char text[256];

    bench->as = 0;
    snprintf(text, sizeof(text), "Device.LocalAgent.Controller.3.: AssignedRole=%s", roles);
    assert_non_null(strstr(bench_set(bench, false, text), "ok{"));
    bench->as = 2;
}

#define ROLE(n) "Device.LocalAgent.ControllerTrust.Role." #n

static void limited(struct usp_bench *bench, const char *const *rows)
{
    bench_add(bench, false, "Device.Thing.: Name=a Device.Thing.: Name=b Device.Thing.1.Part.: Color=red");
    grant(bench, "Limited", rows);
    assign(bench, ROLE(3));
}

static const char *told(const char *sent)
{
    const char *end = strchr(sent, '\n');

    return end ? end + 1 : "";
}

/* Nobody assigned a role: the untrusted one */
static void untrusted(void **state)
{
    struct usp_bench *bench = *state;

    bench->as = 2;
    bench_expect(
        bench_get(
            bench, 0,
            "Device.DeviceInfo.SerialNumber Device.Box.Name Device.Box. Device.LocalAgent.Controller.*.EndpointID"),
        "self::none GET_RESP m1 {Device.DeviceInfo.SerialNumber {Device.DeviceInfo. "
        "SerialNumber=S1}} {Device.Box.Name #7006} {Device.Box.} "
        "{Device.LocalAgent.Controller.*.EndpointID #7006}");
    bench_expect(bench_set(bench, true, "Device.Box.: Number=1 Device.DeviceInfo.: SerialNumber=x"),
                 "self::none SET_RESP m1 {Device.Box. ok{{Device.Box. perr{Number #7006}}}} "
                 "{Device.DeviceInfo. ok{{Device.DeviceInfo. perr{SerialNumber #7006}}}}");
    bench_expect(bench_add(bench, true, "Device.Thing.: Name=x"),
                 "self::none ADD_RESP m1 {Device.Thing. fail{#7006}}");
    bench_expect(bench_delete(bench, true, "Device.LocalAgent.Controller.1."),
                 "self::none DELETE_RESP m1 {Device.LocalAgent.Controller.1. fail{#7006}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "", "Text=a", true),
                 "self::none OPERATE_RESP m1 {Device.Echo() fail{#7006}}");
    bench_expect(bench_instances(bench, false, "Device."), "self::none INSTANCES_RESP m1 {Device.}");
    bench_expect(bench_supported(bench, 0, "Device."),
                 "self::none GSDM_RESP m1 {Device. {Device.DeviceInfo.}}");
}

/* Param r: Get, searches, keys, GetSupportedDM */
static void read_parameters(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device.Thing. ---- r--- r--- ----",
                                       "Device.Thing.*.Number r--- ---- ---- ----", NULL};

    limited(bench, rows);
    bench_expect(
        bench_get(
            bench, 0,
            "Device.Thing.1.Number Device.Thing.1.Name Device.Thing.*.Enable Device.Thing.1. Device.Box.Name"),
        "self::none GET_RESP m1 {Device.Thing.1.Number {Device.Thing.1. Number=7}} "
        "{Device.Thing.1.Name #7006} {Device.Thing.*.Enable #7006} {Device.Thing.1. "
        "{Device.Thing.1. Number=7}} {Device.Box.Name #7006}");
    bench_expect(
        bench_get(
            bench, 0,
            "Device.Thing.[Number==7].Number Device.Thing.[Name==\"a\"].Number Device.Thing.[Name!=\"a\"].Number"),
        "self::none GET_RESP m1 {Device.Thing.[Number==7].Number {Device.Thing.1. Number=7} "
        "{Device.Thing.2. Number=7}} {Device.Thing.[Name==\"a\"].Number} "
        "{Device.Thing.[Name!=\"a\"].Number}");
    bench_expect(bench_instances(bench, false, "Device.Thing."),
                 "self::none INSTANCES_RESP m1 {Device.Thing. {Device.Thing.1.} "
                 "{Device.Thing.1.Part.1.} {Device.Thing.2.}}");
    bench_expect(bench_supported(bench, USP_CLIENT_PARAMS, "Device.Thing."),
                 "self::none GSDM_RESP m1 {Device.Thing. {Device.Thing.{i}. access:1 table:1 "
                 "param{Number rw1 type:9 notify:1}} {Device.Thing.{i}.Inside.} "
                 "{Device.Thing.{i}.Part.{i}. access:1 table:1}}");
    bench_expect(bench_set(bench, true, "Device.Thing.1.: Number=1"),
                 "self::none SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. perr{Number #7006}}}}");
}

/* Param w: Set; what may not be read is left out of the answer */
static void write_parameters(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device.Thing. ---- r--- r--- ----",
                                       "Device.Thing.*.Number rw-- ---- ---- ----",
                                       "Device.Thing.*.Name -w-- ---- ---- ----", NULL};

    limited(bench, rows);
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Number=1 Name=new Enable=1"),
                 "self::none SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. perr{Enable #7006} "
                 "Number=1}}}");
    bench_expect(bench_set(bench, false, "Device.Thing.1.: Enable!=1"),
                 "self::none ERROR m1 #7006 perr{Device.Thing.1.Enable #7006}");
    bench_expect(bench_set(bench, false, "Device.Box.: Number!=1"),
                 "self::none ERROR m1 #7006 perr{Device.Box.Number #7006}");
    bench->as = 0;
    bench_expect(bench_get(bench, 0, "Device.Thing.1.Name Device.Thing.1.Enable"),
                 "self::one GET_RESP m1 {Device.Thing.1.Name {Device.Thing.1. Name=new}} "
                 "{Device.Thing.1.Enable {Device.Thing.1. Enable=false}}");
}

/* Obj w adds, InstantiatedObj w deletes, InstantiatedObj r lists */
static void objects(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device.Thing. rw-- -w-- ---- ----",
                                       "Device.Thing.*.Part. r--- r--- rw-- ----", NULL};

    limited(bench, rows);
    bench_expect(bench_add(bench, true, "Device.Thing.: Name=c Device.Thing.1.Part.: Color=red"),
                 "self::none ADD_RESP m1 {Device.Thing. ok{Device.Thing.3. Alias=cpe-3 Name=c}} "
                 "{Device.Thing.1.Part. fail{#7006}}");
    bench_expect(bench_delete(bench, true, "Device.Thing.2. Device.Thing.1.Part.1."),
                 "self::none DELETE_RESP m1 {Device.Thing.2. fail{#7006}} {Device.Thing.1.Part.1. "
                 "ok{Device.Thing.1.Part.1.}}");
    bench_expect(bench_delete(bench, false, "Device.Thing.2."),
                 "self::none ERROR m1 #7006 perr{Device.Thing.2. #7006}");
    bench_expect(bench_add(bench, false, "Device.Thing.1.Part.: Color=red"),
                 "self::none ERROR m1 #7006 perr{Device.Thing.1.Part. #7006}");
    bench_expect(bench_instances(bench, false, "Device.Thing. Device.Thing.1.Part."),
                 "self::none INSTANCES_RESP m1 {Device.Thing.} {Device.Thing.1.Part.}");
}

/* R-DEL.2, R-DEL.4: what may not be read is not named */
static void hidden_deletions(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device.Thing. ---- ---- -w-- ----", NULL};

    limited(bench, rows);
    bench_expect(bench_delete(bench, false, "Device.Thing.*."),
                 "self::none DELETE_RESP m1 {Device.Thing.*. ok{}}");
}

/* CommandEvent x */
static void commands(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device.Echo() ---- ---- ---- --x-", "Device.Box. ---- ---- ---- r-x-",
                                       "Device.Box.Do() ---- ---- ---- r---", NULL};

    limited(bench, rows);
    bench_expect(bench_operate(bench, "Device.Echo()", "", "Text=a", true),
                 "self::none OPERATE_RESP m1 {Device.Echo() out{Text=a Number=42 Key=}}");
    bench_expect(bench_operate(bench, "Device.Slow()", "", "", true),
                 "self::none OPERATE_RESP m1 {Device.Slow() fail{#7006}}");
    bench_expect(bench_operate(bench, "Device.Box.Do()", "", "", true),
                 "self::none OPERATE_RESP m1 {Device.Box.Do() fail{#7006}}");
    bench_expect(bench_supported(bench, USP_CLIENT_COMMANDS | USP_CLIENT_EVENTS, "Device.Box."),
                 "self::none GSDM_RESP m1 {Device.Box. {Device.Box. command{Do() type:1} "
                 "event{Happened!}}}");
    assert_int_equal(bench->slow_running, 0);
}

/* n of the letter that the change is about */
static void notifications(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const subscribe[] = {"Device.LocalAgent.Subscription. rw-- rw-- rw-- ----",
                                            "Device.Thing. r--n r--n r--- ----",
                                            "Device.Thing.*.Enable r--- ---- ---- ----",
                                            "Device.Thing.*.Part. ---- ---- ---n ----",
                                            "Device.Slow() ---- ---- ---- ---n",
                                            "Device.Quick() ---- ---- ---- --x-",
                                            NULL};

    limited(bench, subscribe);
    bench_expect(
        bench_add(
            bench, false,
            "Device.LocalAgent.Subscription.: ID=v Enable=1 NotifType=ValueChange ReferenceList=Device."),
        "self::none ADD_RESP m1 {Device.LocalAgent.Subscription. "
        "ok{Device.LocalAgent.Subscription.1. Alias=cpe-1 "
        "Recipient=Device.LocalAgent.Controller.3 ID=v}}");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=c Enable=1 NotifType=ObjectCreation ReferenceList=Device.Thing.,Device.Thing.*.Part.");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=d Enable=1 NotifType=ObjectDeletion ReferenceList=Device.Thing.,Device.Thing.*.Part.");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=o Enable=1 NotifType=OperationComplete ReferenceList=Device.");
    bench->as = 0;
    bench_expect(told(bench_set(bench, false, "Device.Thing.1.: Number=1 Enable=1 Device.Box.: Number=1")),
                 "self::none NOTIFY v value{Device.Thing.1.Number =1}");
    bench_expect(told(bench_add(bench, false, "Device.Thing.: Name=c Device.Thing.1.Part.: Color=blue")),
                 "self::none NOTIFY c created{Device.Thing.3. Alias=cpe-3 Name=c}");
    bench_expect(told(bench_delete(bench, false, "Device.Thing.3. Device.Thing.1.Part.1.")),
                 "self::none NOTIFY d deleted{Device.Thing.1.Part.1.}");
    bench_operate(bench, "Device.Slow()", "k", "", true);
    dm_call_complete(bench->slow, NULL);
    bench_expect(bench_sent(bench), "self::none NOTIFY o complete{Device. Slow() key:k out{}}");
    bench_expect(bench_operate(bench, "Device.Quick()", "k", "", true),
                 "self::one OPERATE_RESP m1 {Device.Quick() request:Device.LocalAgent.Request.2.}");
}

/* Targets that name instances, by number and by expression */
static void instances(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device.Thing. r--- r--- r--- ----",
                                       "Device.Thing.1. rw-- r--- rw-- ----",
                                       "Device.Thing.[Name==\"b\"].Number -w-- ---- ---- ----", NULL};

    limited(bench, rows);
    bench_expect(bench_set(bench, true,
                           "Device.Thing.1.: Number=1 Device.Thing.2.: Number=1 Device.Thing.2.: Enable!=1"),
                 "self::none SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=1}}} "
                 "{Device.Thing.2. ok{{Device.Thing.2.}}} {Device.Thing.2. fail{#7006 "
                 "{Device.Thing.2. perr{Enable #7006}}}}");
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Number"),
                 "self::none GET_RESP m1 {Device.Thing.*.Number {Device.Thing.1. Number=1}}");
    bench_expect(bench_delete(bench, true, "Device.Thing.1.Part.1. Device.Thing.2. Device.Thing.1."),
                 "self::none DELETE_RESP m1 {Device.Thing.1.Part.1. ok{Device.Thing.1.Part.1.}} "
                 "{Device.Thing.2. fail{#7006}} {Device.Thing.1. ok{Device.Thing.1.}}");
    bench->as = 0;
    bench_set(bench, false, "Device.Thing.2.: Name=z");
    bench->as = 2;
    bench_expect(bench_set(bench, true, "Device.Thing.2.: Number!=2"),
                 "self::none SET_RESP m1 {Device.Thing.2. fail{#7006 {Device.Thing.2. perr{Number "
                 "#7006}}}}");
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Number"),
                 "self::none GET_RESP m1 {Device.Thing.*.Number {Device.Thing.2. Number=1}}");
}

/* More targets than are remembered for a row; what is remembered ends with each change, in one message too */
static void many_instances(void **state)
{
    struct usp_bench *bench = *state;
    char targets[8192] = "Device.Thing.1.Number";
    char text[9000];

    static const char *const none[] = {NULL};

    limited(bench, none);
    bench->as = 0;
    for (unsigned i = 0; i < 80; i++) {
        char one[64];

        snprintf(one, sizeof(one), ",Device.Thing.[Name~=\"x%u\"].", i);
        strcat(targets, one);
    }
    snprintf(
        text, sizeof(text),
        "Device.LocalAgent.ControllerTrust.Role.3.Permission.: Enable=1 Order=1 Targets=%s Param=rw-- Obj=r---",
        targets);
    assert_non_null(strstr(bench_add(bench, false, text), "ok{"));
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Thing."),
                 "self::none GET_RESP m1 {Device.Thing. {Device.Thing.1. Number=7}}");
    bench->as = 0;
    bench_set(bench, false, "Device.Thing.2.: Name=x79");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Name"),
                 "self::none GET_RESP m1 {Device.Thing.*.Name {Device.Thing.2. Name=x79}}");
    bench->as = 0;
    bench_set(bench, false, "Device.Thing.2.: Name=x5");
    bench->as = 2;
    /* The first object's change takes the right to the second away. */
    bench_expect(bench_set(bench, true, "Device.Thing.2.: Name=y Device.Thing.2.: Number!=1"),
                 "self::none SET_RESP m1 {Device.Thing.2. ok{{Device.Thing.2.}}} {Device.Thing.2. fail{#7006 "
                 "{Device.Thing.2. perr{Number #7006}}}}");
}

/* A later Order overrides an earlier one; a disabled permission or role grants nothing */
static void order(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const rows[] = {"Device. rw-n rw-n rw-n r-xn", "Device.Box. r--- r--- ---- ----",
                                       "Device.Box.Number ---- ---- ---- ----", NULL};

    limited(bench, rows);
    bench_expect(bench_get(bench, 0, "Device.Box.Number Device.Box.Rank Device.Thing.1.Number"),
                 "self::none GET_RESP m1 {Device.Box.Number #7006} {Device.Box.Rank {Device.Box. "
                 "Rank=2}} {Device.Thing.1.Number {Device.Thing.1. Number=7}}");
    bench_expect(bench_set(bench, true, "Device.Box.: Rank!=3 Device.Thing.1.: Rank!=3"),
                 "self::none SET_RESP m1 {Device.Box. fail{#7006 {Device.Box. perr{Rank #7006}}}} "
                 "{Device.Thing.1. ok{{Device.Thing.1. Rank=3}}}");
    bench->as = 0;
    bench_set(bench, false, "Device.LocalAgent.ControllerTrust.Role.3.Permission.3.: Order=1");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Box.Number"),
                 "self::none GET_RESP m1 {Device.Box.Number {Device.Box. Number=7}}");
    bench->as = 0;
    bench_set(bench, false, "Device.LocalAgent.ControllerTrust.Role.3.Permission.2.: Enable=0");
    bench->as = 2;
    bench_expect(bench_set(bench, true, "Device.Box.: Rank!=3"),
                 "self::none SET_RESP m1 {Device.Box. ok{{Device.Box. Rank=3}}}");
    bench->as = 0;
    bench_set(bench, false, "Device.LocalAgent.ControllerTrust.Role.3.: Enable=0");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.Box.Number Device.DeviceInfo.SerialNumber"),
                 "self::none GET_RESP m1 {Device.Box.Number #7006} {Device.DeviceInfo.SerialNumber "
                 "#7006}");
}

/* What any of them grants */
static void several_roles(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const read[] = {"Device.Thing. r--- r--- r--- ----", NULL};
    static const char *const write[] = {"Device.Thing.1. -w-- ---- ---- ----", NULL};

    limited(bench, read);
    grant(bench, "Write", write);
    assign(bench, ROLE(3) "," ROLE(4));
    bench_expect(bench_set(bench, true, "Device.Thing.1.: Number!=1 Device.Thing.2.: Number!=1"),
                 "self::none SET_RESP m1 {Device.Thing.1. ok{{Device.Thing.1. Number=1}}} "
                 "{Device.Thing.2. fail{#7006 {Device.Thing.2. perr{Number #7006}}}}");
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Number"),
                 "self::none GET_RESP m1 {Device.Thing.*.Number {Device.Thing.1. Number=1} "
                 "{Device.Thing.2. Number=7}}");
    assign(bench, ROLE(4));
    bench_expect(bench_get(bench, 0, "Device.Thing.*.Number Device.DeviceInfo.SerialNumber"),
                 "self::none GET_RESP m1 {Device.Thing.*.Number #7006} "
                 "{Device.DeviceInfo.SerialNumber #7006}");
    bench->as = 0;
    bench_expect(bench_delete(bench, false, ROLE(4) "."),
                 "self::one DELETE_RESP m1 {Device.LocalAgent.ControllerTrust.Role.4. "
                 "ok{Device.LocalAgent.ControllerTrust.Role.4.}}");
    bench->as = 2;
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"),
                 "self::none GET_RESP m1 {Device.DeviceInfo.SerialNumber {Device.DeviceInfo. "
                 "SerialNumber=S1}}");
}

/* Four letters, each in its place */
static void permission_syntax(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(
        bench_add(
            bench, true,
            ROLE(2) ".Permission.: Order=50 Param!=rwxn " ROLE(2) ".Permission.: Order=51 Param!=wr-- " ROLE(
                2) ".Permission.: Order=52 Obj!=rw- " ROLE(2) ".Permission.: Order=53 Obj!=r----"),
        "self::one ADD_RESP m1 {Device.LocalAgent.ControllerTrust.Role.2.Permission. "
        "ok{Device.LocalAgent.ControllerTrust.Role.2.Permission.3. Order=50 Alias=cpe-3}} "
        "{Device.LocalAgent.ControllerTrust.Role.2.Permission. fail{#7012}} "
        "{Device.LocalAgent.ControllerTrust.Role.2.Permission. fail{#7012}} "
        "{Device.LocalAgent.ControllerTrust.Role.2.Permission. fail{#7012}}");
    bench_expect(bench_add(bench, true,
                           ROLE(2) ".Permission.: Order=50 " ROLE(
                               2) ".Permission.: Targets=Device.Nope.,Device..,Device.Box. Param=r---"),
                 "self::one ADD_RESP m1 {Device.LocalAgent.ControllerTrust.Role.2.Permission. "
                 "fail{#7025}} {Device.LocalAgent.ControllerTrust.Role.2.Permission. "
                 "ok{Device.LocalAgent.ControllerTrust.Role.2.Permission.8. Order=51 Alias=cpe-8}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(untrusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(write_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hidden_deletions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notifications, set_up, tear_down),
        cmocka_unit_test_setup_teardown(instances, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_instances, set_up, tear_down),
        cmocka_unit_test_setup_teardown(order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_roles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(permission_syntax, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
