/* SPDX-License-Identifier: BSD-3-Clause */
/* Async commands: rows of Device.LocalAgent.Request., their ends, and restarts. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/usp_bench.h"
#include "usp/request.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* A Request for each matched object, gone with its end (R-OPR.0, R-OPR.2) */
static void one_row_each(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(bench, "ID=o NotifType=OperationComplete ReferenceList=Device.");
    bench_expect(bench_operate(bench, "Device.Slow()", "one", "", true),
                 "self::one OPERATE_RESP m1 {Device.Slow() request:Device.LocalAgent.Request.1.}");
    struct dm_call *first = bench->slow;
    bench_expect(bench_operate(bench, "Device.Slow()", "two", "", true),
                 "self::one OPERATE_RESP m1 {Device.Slow() request:Device.LocalAgent.Request.2.}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request. {Device.LocalAgent.Request.1. "
                 "Alias=cpe-1 Originator=self::one Command=Device.Slow() CommandKey=one "
                 "Status=Active} {Device.LocalAgent.Request.2. Alias=cpe-2 Originator=self::one "
                 "Command=Device.Slow() CommandKey=two Status=Active}}");
    dm_call_output(bench->slow, "A", "b");
    dm_call_complete(bench->slow, NULL);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY o complete{Device. Slow() key:two out{A=b}}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request.*.CommandKey"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.*.CommandKey "
                 "{Device.LocalAgent.Request.1. CommandKey=one}}");
    dm_call_complete(first, NULL);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY o complete{Device. Slow() key:one out{}}");
    bench_expect(bench_get(bench, 0,
                           "Device.LocalAgent.Request.*.CommandKey Device.LocalAgent.RequestNumberOfEntries"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.*.CommandKey} "
                 "{Device.LocalAgent.RequestNumberOfEntries {Device.LocalAgent. "
                 "RequestNumberOfEntries=0}}");
}

/* R-OPR.1, R-OPR.5 to R-OPR.7 */
static void arguments(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(bench_operate(bench, "Device.Echo()", "k", "Text=a", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() out{Text=a Number=42 Key=k}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "k",
                               "Text=a Number=7 Nope=1 Window.1.Start=4 Window.0.Start=x", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() out{Text=a Number=7 Key=k}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "k", "", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() fail{#7027}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "k", "Text=a Number=x", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() fail{#7027}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "k", "Text=toolongtext", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() fail{#7027}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "k", "Text=a Window.12.Start=x", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() fail{#7027}}");
    bench_expect(bench_operate(bench, "Device.Echo()", "k", "Text=a Fail=1", true),
                 "self::one OPERATE_RESP m1 {Device.Echo() fail{#7022}}");
    bench_expect(bench_operate(bench, "Device.Nope()", "k", "", true), "self::one ERROR m1 #7026");
    bench_expect(bench_operate(bench, "Device.Thing.9.Nope()", "k", "", true), "self::one ERROR m1 #7016");
    bench_expect(bench_operate(bench, "Device.LocalAgent.Request.9.Cancel()", "k", "", true),
                 "self::one ERROR m1 #7016");
    bench_expect(bench_operate(bench, "Device.LocalAgent.Request.*.Cancel()", "k", "", true),
                 "self::one OPERATE_RESP m1");
    bench_expect(bench_operate(bench, "Device.Box.Name", "k", "", true), "self::one ERROR m1 #7026");
    bench_expect(bench_operate(bench, "Device.", "k", "", true), "self::one ERROR m1 #7026");
    bench_expect(bench_operate(bench, "Device..", "k", "", true), "self::one ERROR m1 #7008");
}

/* send_resp false: nothing is sent but failures (R-OPR.4) */
static void silent(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(bench_operate(bench, "Device.Echo()", "k", "Text=a", false), "");
    bench_expect(bench_operate(bench, "Device.Slow()", "k", "", false), "");
    bench_expect(bench_operate(bench, "Device.Echo()", "k", "", false),
                 "self::one OPERATE_RESP m1 {Device.Echo() fail{#7027}}");
    bench_expect(bench_operate(bench, "Device.Refuse()", "k", "", false),
                 "self::one OPERATE_RESP m1 {Device.Refuse() fail{#7022}}");
    assert_int_equal(bench->slow_running, 1);
}

/* Refused, or done before the answer: no Request stays */
static void at_once(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(bench, "ID=o NotifType=OperationComplete ReferenceList=Device.");
    bench_expect(bench_operate(bench, "Device.Refuse()", "k", "", true),
                 "self::one OPERATE_RESP m1 {Device.Refuse() fail{#7022}}");
    bench_expect(bench_operate(bench, "Device.Quick()", "k", "", true),
                 "self::one OPERATE_RESP m1 {Device.Quick() request:Device.LocalAgent.Request.2.}\n"
                 "self::one NOTIFY o complete{Device. Quick() key:k out{Done=yes}}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.}");
}

/* The end is lost with its batch: nobody is told until it holds, and then once */
static void lost_end(void **state)
{
    struct usp_bench *bench = *state;
    struct rlimit limit;

    bench_subscribe(bench, "ID=o NotifType=OperationComplete ReferenceList=Device. NotifRetry=1");
    bench_operate(bench, "Device.Slow()", "k", "", false);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    dm_call_complete(bench->slow, NULL);
    bench_turn(bench);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bench_advance(bench, 100000);
    bench_expect(bench_sent(bench), "");
    dm_call_complete(usp_request_resume(bench->usp, 1), NULL);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY o resp:1 complete{Device. Slow() key:k out{}}");
    bench_acknowledge(bench);
    bench_advance(bench, 100000);
    bench_expect(bench_sent(bench), "");
}

/* Request.{i}.Cancel(), for one, for all, and when it is too late */
static void cancel(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(bench, "ID=o NotifType=OperationComplete ReferenceList=Device.");
    for (unsigned i = 0; i < 5; i++)
        bench_operate(bench, "Device.Slow()", "k", "", false);
    bench_expect(bench_operate(bench, "Device.LocalAgent.Request.2.Cancel()", "", "", true),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.Request.2.Cancel() out{}}\n"
                 "self::one NOTIFY o complete{Device. Slow() key:k fail{#7023}}");
    bench_expect(bench_operate(bench, "Device.LocalAgent.Request.*.Cancel()", "", "", true),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.Request.1.Cancel() out{}} "
                 "{Device.LocalAgent.Request.3.Cancel() out{}} {Device.LocalAgent.Request.4.Cancel() "
                 "out{}} {Device.LocalAgent.Request.5.Cancel() out{}}\n"
                 "self::one NOTIFY o complete{Device. Slow() key:k fail{#7023}}\n"
                 "self::one NOTIFY o complete{Device. Slow() key:k fail{#7023}}\n"
                 "self::one NOTIFY o complete{Device. Slow() key:k fail{#7023}}\n"
                 "self::one NOTIFY o complete{Device. Slow() key:k fail{#7023}}");
    assert_int_equal(bench->slow_running, 0);
    bench_operate(bench, "Device.Slow()", "k", "", false);
    bench->refuse_cancel = true;
    bench_expect(bench_operate(bench, "Device.LocalAgent.Request.6.Cancel()", "", "", true),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.Request.6.Cancel() fail{#7022}}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request.*.Status"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.*.Status "
                 "{Device.LocalAgent.Request.6. Status=Active}}");
    bench_expect(bench_delete(bench, false, "Device.LocalAgent.Request.6."),
                 "self::one ERROR m1 #7024 perr{Device.LocalAgent.Request.6. #7024}");
}

/* What nobody goes on with after a restart has failed, and that is told */
static void abandoned(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(bench,
                    "ID=o NotifType=OperationComplete ReferenceList=Device. NotifRetry=true Persistent=true");
    bench_operate(bench, "Device.Slow()", "one", "", false);
    bench_operate(bench, "Device.Slow()", "two", "", false);
    bench_restart(bench, 5, false);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request. {Device.LocalAgent.Request.1. "
                 "Alias=cpe-1 Originator=self::one Command=Device.Slow() CommandKey=one "
                 "Status=Active} {Device.LocalAgent.Request.2. Alias=cpe-2 Originator=self::one "
                 "Command=Device.Slow() CommandKey=two Status=Active}}");
    usp_requests_abandon(bench->usp, true);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY o resp:1 complete{Device. Slow() key:two fail{#7022}}\n"
                                    "self::one NOTIFY o resp:1 complete{Device. Slow() key:one fail{#7022}}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.}");
    bench_restart(bench, 5, true);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.}");
}

/* A module goes on with its command after a restart: it has one end, as before */
static void resumed(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(
        bench,
        "ID=o NotifType=OperationComplete ReferenceList=Device.Slow() NotifRetry=true Persistent=true");
    bench_operate(bench, "Device.Slow()", "one", "", false);
    bench_operate(bench, "Device.Slow()", "two", "", false);
    bench_restart(bench, 5, false);
    struct dm_call *call = usp_request_resume(bench->usp, 1);
    assert_non_null(call);
    assert_null(usp_request_resume(bench->usp, 1)); /* only once */
    assert_null(usp_request_resume(bench->usp, 9));
    assert_string_equal(call->command->name, "Slow()");
    assert_string_equal(call->command_key, "one");
    assert_string_equal(call->originator, "self::one");
    assert_string_equal(call->path, "Device.Slow()");
    assert_int_equal(call->inputs_count, 0);
    bench->slow_running++;
    usp_requests_abandon(bench->usp, true);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY o resp:1 complete{Device. Slow() key:two fail{#7022}}");
    usp_request_set_status(bench->usp, 1, REQUEST_CANCELING);
    usp_request_set_status(bench->usp, 9, REQUEST_CANCELING);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request.*.Status"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.*.Status "
                 "{Device.LocalAgent.Request.1. Status=Canceling}}");
    dm_call_complete(call, NULL);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "self::one NOTIFY o resp:1 complete{Device. Slow() key:one out{}}");
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Request."),
                 "self::one GET_RESP m1 {Device.LocalAgent.Request.}");
}

/* As many Requests as the table holds, and then a refusal */
static void table_full(void **state)
{
    struct usp_bench *bench = *state;

    const char *sent = "";
    unsigned started = 0;
    struct usp_client_command command = {.path = STR("Device.Slow()"), .send_resp = true};
    do {
        struct buf message;

        buf_init(&message, 4096, 384);
        usp_client_operate(&message, STR("m1"), &command);
        sent = bench_ask(bench, &message);
    } while (strstr(sent, "request:") && ++started < 5000);
    assert_int_equal(started, 4096);
    bench_expect(sent, "self::one OPERATE_RESP m1 {Device.Slow() fail{#7005}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_row_each, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(arguments, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(silent, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(at_once, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(lost_end, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(cancel, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(abandoned, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(resumed, usp_bench_set_up, usp_bench_tear_down),
        cmocka_unit_test_setup_teardown(table_full, usp_bench_set_up, usp_bench_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
