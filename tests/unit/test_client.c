/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller's side: an agent's answers and notifications read as facts; and what is no message. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/usp_bench.h"
#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/record.h"

static int set_up(void **state)
{
    static struct usp_bench bench;

    usp_bench_init(&bench, ":memory:");
    bench_add(&bench, false, "Device.Thing.: Name=a Device.Thing.: Name=b Device.Thing.1.Part.: Color=red");
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    usp_bench_done(*state);
    return 0;
}

static int write_fact(void *ctx, const struct usp_client_fact *fact)
{
    static const char *const kinds[] = {
        "FAILURE",  "VALUE",  "INSTANCE", "CREATED", "UPDATED",  "DELETED",      "KEY",
        "EXECUTED", "OUTPUT", "STARTED",  "OBJECT",  "PARAM",    "COMMAND",      "INPUT",
        "RESULT",   "EVENT",  "ARGUMENT", "UNIQUE",  "VERSIONS", "ACKNOWLEDGED", "EVENT_PARAM"};
    const struct str texts[] = {fact->path, fact->name, fact->value};
    struct buf *to = ctx;

    buf_printf(to, "%s", kinds[fact->kind]);
    for (size_t i = 0; i < 3; i++)
        if (texts[i].len)
            buf_printf(to, " %.*s", (int)texts[i].len, texts[i].data);
    if (fact->code) {
        assert_true(fact->text.len > 0);
        buf_printf(to, " #%u", fact->code);
    }
    if (fact->table)
        buf_append_str(to, " table");
    buf_append_str(to, "; ");
    return 0;
}

/* The newest record as facts. */
static const char *facts(struct usp_bench *bench)
{
    static char text[1 << 16];
    struct usp_client_message message;
    struct usp_client_notify notify;
    struct usp_record record;
    struct error err;
    struct buf buf;

    buf_init(&buf, sizeof(text), 0);
    assert_int_equal(
        usp_record_parse((struct str){(char *)buf_data(&bench->last), bench->last.len}, &record, NULL), 0);
    assert_int_equal(usp_client_parse(record.payload, &message, &err), 0);
    if (message.type == USP_HEADER_MSG_TYPE_NOTIFY) {
        assert_int_equal(usp_client_read_notify(&message, &notify, write_fact, &buf, &err), 0);
        buf_printf(&buf, "%.*s kind %d %.*s %.*s %.*s %.*s #%u", (int)notify.subscription_id.len,
                   notify.subscription_id.data, notify.kind, (int)notify.path.len, notify.path.data,
                   (int)notify.name.len, notify.name.data, (int)notify.key.len, notify.key.data,
                   (int)notify.value.len, notify.value.data, notify.code);
    } else {
        assert_true(str_is(message.msg_id, "m1"));
        assert_int_equal(usp_client_read(&message, write_fact, &buf, &err), 0);
    }
    str_copy(text, sizeof(text), buf_cstr(&buf));
    buf_done(&buf);
    return text;
}

/* A message of these bytes as payload: read, whatever comes of it. 0, or the error's code. */
static uint32_t read_bytes(const uint8_t *data, size_t len)
{
    struct str payload = {(const char *)data, len};
    struct usp_client_message message;
    struct usp_client_notify notify;
    struct error err;

    error_clear(&err);
    if (usp_client_parse(payload, &message, &err) < 0)
        return err.code;
    if (message.type == USP_HEADER_MSG_TYPE_NOTIFY)
        return usp_client_read_notify(&message, &notify, NULL, NULL, &err) < 0 ? err.code : 0;
    return usp_client_read(&message, NULL, NULL, &err) < 0 ? err.code : 0;
}

static int stop_at_second(void *ctx, const struct usp_client_fact *fact)
{
    (void)fact;
    return ++*(int *)ctx == 2 ? 9 : 0;
}

/* Each kind of response */
static void answers(void **state)
{
    struct usp_bench *bench = *state;

    bench_get(bench, 0, "Device.Thing.*.Name Device.Nope.");
    bench_expect(facts(bench), "VALUE Device.Thing.1. Name a; VALUE Device.Thing.2. Name b; FAILURE #7026; ");
    bench_instances(bench, true, "Device.Thing.1.Part. Device.Nope.");
    bench_expect(facts(bench),
                 "INSTANCE Device.Thing.1.Part.1.; KEY Device.Thing.1.Part.1. Alias cpe-1; KEY "
                 "Device.Thing.1.Part.1. Color red; KEY Device.Thing.1.Part.1. Order 1; FAILURE "
                 "#7026; ");
    bench_add(bench, true, "Device.Thing.: Name=c Nope=1 Device.Box.: A=b");
    bench_expect(facts(bench),
                 "CREATED Device.Thing.3.; KEY Device.Thing.3. Alias cpe-3; KEY Device.Thing.3. Name "
                 "c; FAILURE Device.Thing.3. Nope #7010; FAILURE #7018; ");
    bench_set(bench, true,
              "Device.Thing.1.: Number=5 Nope=1 Device.Thing.2.: Number!=x Device.Thing.9.: Number=1");
    bench_expect(facts(bench),
                 "UPDATED Device.Thing.1.; VALUE Device.Thing.1. Number 5; FAILURE Device.Thing.1. "
                 "Nope #7010; FAILURE #7011; FAILURE Device.Thing.2. Number #7011; FAILURE #7016; ");
    bench_delete(bench, true, "Device.Thing.2. Device.Box.");
    bench_expect(facts(bench), "DELETED Device.Thing.2.; FAILURE #7024; ");
    bench_add(bench, true, "Device.Thing.: Name=keep");
    bench_delete(bench, true, "Device.Thing.*.");
    bench_expect(facts(bench),
                 "DELETED Device.Thing.1.; DELETED Device.Thing.3.; FAILURE Device.Thing.4. #7024; ");
    bench_operate(bench, "Device.Echo()", "k", "Text=a", true);
    bench_expect(facts(bench),
                 "EXECUTED Device.Echo(); OUTPUT Device.Echo() Text a; OUTPUT Device.Echo() Number "
                 "42; OUTPUT Device.Echo() Key k; ");
    bench_operate(bench, "Device.Slow()", "k", "", true);
    bench_expect(facts(bench), "STARTED Device.Slow() Device.LocalAgent.Request.1.; ");
    bench_operate(bench, "Device.Refuse()", "k", "", true);
    bench_expect(facts(bench), "FAILURE Device.Refuse() #7022; ");
    bench_supported(bench, USP_CLIENT_COMMANDS | USP_CLIENT_EVENTS | USP_CLIENT_FIRST_LEVEL,
                    "Device. Device.Nope.");
    bench_expect(facts(bench),
                 "OBJECT Device.; COMMAND Device. Echo(); INPUT Device. Echo() Text; INPUT Device. "
                 "Echo() Number; INPUT Device. Echo() Fail; INPUT Device. Echo() Window.{i}.Start; "
                 "RESULT Device. Echo() Text; RESULT Device. Echo() Number; RESULT Device. Echo() "
                 "Key; COMMAND Device. Slow(); COMMAND Device. Quick(); COMMAND Device. Refuse(); "
                 "EVENT Device. Boot!; ARGUMENT Device. Boot! CommandKey; ARGUMENT Device. Boot! "
                 "Cause; OBJECT Device.DeviceInfo.; OBJECT Device.LocalAgent.; OBJECT Device.Box.; "
                 "OBJECT Device.Thing.{i}. table; FAILURE #7026; ");
    bench_supported(bench, USP_CLIENT_PARAMS | USP_CLIENT_UNIQUE_KEYS, "Device.Thing.{i}.Part.{i}.");
    bench_expect(facts(bench),
                 "OBJECT Device.Thing.{i}.Part.{i}. table; PARAM Device.Thing.{i}.Part.{i}. Alias "
                 "table; PARAM Device.Thing.{i}.Part.{i}. Order table; PARAM "
                 "Device.Thing.{i}.Part.{i}. Color table; PARAM Device.Thing.{i}.Part.{i}. Owner "
                 "table; UNIQUE Device.Thing.{i}.Part.{i}. Alias table; UNIQUE "
                 "Device.Thing.{i}.Part.{i}. Color table; UNIQUE Device.Thing.{i}.Part.{i}. Order "
                 "table; ");
    bench_set(bench, false, "Device.Thing.1.: Number!=x");
    bench_expect(facts(bench), "FAILURE #7016; FAILURE Device.Thing.1. #7016; ");
    struct buf message;
    buf_init(&message, 4096, USP_HEADROOM);
    usp_client_get_supported_protocol(&message, STR("m1"), STR("1.3"));
    bench_ask(bench, &message);
    bench_expect(facts(bench), "VERSIONS 1.3,1.4; ");
}

/* Each kind of Notify */
static void notifications(void **state)
{
    struct usp_bench *bench = *state;

    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=v Enable=1 NotifType=ValueChange ReferenceList=Device.Box.");
    bench_set(bench, false, "Device.Box.: Number=77");
    bench_expect(facts(bench), "v kind 4 Device.Box.Number   77 #0");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=c Enable=1 NotifType=ObjectCreation ReferenceList=Device.Thing.");
    bench_add(bench, false, "Device.Thing.: Name=new");
    bench_expect(facts(bench),
                 "EVENT_PARAM Device.Thing.3. Alias cpe-3; EVENT_PARAM Device.Thing.3. Name new; c "
                 "kind 5 Device.Thing.3.    #0");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=d Enable=1 NotifType=ObjectDeletion ReferenceList=Device.Thing.");
    bench_delete(bench, false, "Device.Thing.3.");
    bench_expect(facts(bench), "d kind 6 Device.Thing.3.    #0");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=o Enable=1 NotifType=OperationComplete ReferenceList=Device.");
    bench_operate(bench, "Device.Slow()", "key", "", false);
    dm_call_output(bench->slow, "A", "b");
    dm_call_complete(bench->slow, NULL);
    bench_turn(bench);
    bench_expect(facts(bench), "EVENT_PARAM Device. A b; o kind 7 Device. Slow() key  #0");
    bench_operate(bench, "Device.Slow()", "key", "", false);
    bench_operate(bench, "Device.LocalAgent.Request.*.Cancel()", "", "", false);
    bench_expect(facts(bench), "o kind 7 Device. Slow() key  #7023");
    bench_add(bench, false,
              "Device.LocalAgent.Subscription.: ID=e Enable=1 NotifType=Event ReferenceList=Device.Box.");
    dm_raise(bench->dm, dm_row_find(bench->dm, STR("Device.Box.")), "Happened!",
             (struct dm_pair[]){{"A", "b"}}, 1);
    bench_expect(facts(bench), "EVENT_PARAM Device.Box. A b; e kind 3 Device.Box. Happened!   #0");
    bench_operate(bench, "Device.LocalAgent.Controller.1.SendOnBoardRequest()", "", "", false);
    bench_expect(facts(bench), " kind 8    S1 #0");
}

/* The reader may stop, and is told what it returned */
static void stopped(void **state)
{
    struct usp_bench *bench = *state;

    struct usp_client_message message;
    struct usp_record record;
    int calls = 0;

    bench_get(bench, 0, "Device.Thing.1.");
    assert_int_equal(
        usp_record_parse((struct str){(char *)buf_data(&bench->last), bench->last.len}, &record, NULL), 0);
    assert_int_equal(usp_client_parse(record.payload, &message, NULL), 0);
    assert_int_equal(usp_client_read(&message, stop_at_second, &calls, NULL), 9);
    assert_int_equal(calls, 2);
}

/* Cut off anywhere and changed anywhere, an answer is an error or is read */
static void broken(void **state)
{
    struct usp_bench *bench = *state;

    static const char *const asks[] = {"Device.Thing.", "Device.Nope."};

    for (unsigned kind = 0; kind < 6; kind++) {
        struct usp_record record;
        uint32_t random = 7;
        uint8_t *copy;

        if (kind == 0)
            bench_get(bench, 0, asks[0]);
        else if (kind == 1)
            bench_instances(bench, false, asks[0]);
        else if (kind == 2)
            bench_supported(bench, 31, asks[0]);
        else if (kind == 3)
            bench_set(bench, true, "Device.Thing.1.: Number=5 Nope=1 Device.Thing.2.: Number!=x");
        else if (kind == 4)
            bench_add(bench, true, "Device.Thing.: Nope=1 Device.Box.: A=b");
        else
            bench_delete(bench, false, "Device.Box.");
        assert_int_equal(
            usp_record_parse((struct str){(char *)buf_data(&bench->last), bench->last.len}, &record, NULL),
            0);
        for (size_t len = 0; len < record.payload.len; len++) {
            copy = malloc(len + 1);
            memcpy(copy, record.payload.data, len);
            assert_int_equal(read_bytes(copy, len), ERROR_INVALID_ARGUMENTS);
            free(copy);
        }
        copy = malloc(record.payload.len);
        for (unsigned round = 0; round < 3000; round++) {
            memcpy(copy, record.payload.data, record.payload.len);
            random = random * 1664525u + 1013904223u;
            copy[(random >> 8) % record.payload.len] = (uint8_t)(random >> 24);
            read_bytes(copy, record.payload.len);
        }
        free(copy);
    }
}

/* The records that open and close a channel */
static void connect_records(void **state)
{
    struct usp_record parsed;
    struct buf record;

    (void)state;

    for (unsigned i = 0; i < 5; i++) {
        static const enum usp_record_type types[] = {USP_RECORD_MQTT_CONNECT, USP_RECORD_MQTT_CONNECT,
                                                     USP_RECORD_WEBSOCKET_CONNECT, USP_RECORD_UDS_CONNECT,
                                                     USP_RECORD_DISCONNECT};

        buf_init(&record, 4096, 0);
        if (i < 2)
            usp_record_mqtt_connect(&record, STR("self::to"), STR("self::from"), i == 1, STR("a/topic"));
        else if (i == 2)
            usp_record_websocket_connect(&record, STR("self::to"), STR("self::from"));
        else if (i == 3)
            usp_record_uds_connect(&record, STR("self::to"), STR("self::from"));
        else
            usp_record_disconnect(&record, STR("self::to"), STR("self::from"), 7105, STR("bye"));
        assert_int_equal(usp_record_parse((struct str){(char *)buf_data(&record), record.len}, &parsed, NULL),
                         0);
        assert_int_equal(parsed.type, types[i]);
        assert_true(str_is(parsed.to_id, "self::to") && str_is(parsed.from_id, "self::from") &&
                    str_is(parsed.version, "1.4"));
        if (i < 2) /* field 10 with version (0 left out) and topic */
            assert_memory_equal(buf_data(&record) + record.len - 9 - 2 * i - 2,
                                i ? "\x52\x0b\x08\x01\x12\x07"
                                    "a/topic"
                                  : "\x52\x09\x12\x07"
                                    "a/topic",
                                11 + 2 * i);
        if (i == 4)
            assert_true(parsed.reason_code == 7105 && str_is(parsed.reason, "bye"));
        buf_done(&record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notifications, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connect_records, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
