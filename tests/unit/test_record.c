/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records: who they are from and for, what breaks their rules, and that no bytes bring the agent down (R-MTP.5, R-ENC.*).
 * size: messages: a table of cases
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/usp_bench.h"
#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/record.h"

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

static struct str bytes(const struct buf *buf)
{
    return (struct str){(const char *)buf_data(buf), buf->len};
}

/* Fields of a record under construction, in the standard's numbers. */
struct parts {
    const char *to, *from, *version;
    unsigned security;
    struct str payload;
    unsigned
        types; /* bits: 1 no_session, 2 a second one, 4 session, 8 disconnect, 16 mqtt, 32 websocket, 64 uds, 128 stomp */
};

static void write_record(struct buf *to, const struct parts *parts)
{
    static const unsigned numbers[] = {7, 7, 8, 12, 10, 9, 13, 11};

    buf_init(to, 1 << 20, 0);
    pb_write_text(to, 1, str_of(parts->version ? parts->version : "1.4"));
    pb_write_text(to, 2, str_of(parts->to ? parts->to : "self::agent"));
    pb_write_text(to, 3, str_of(parts->from ? parts->from : "self::one"));
    pb_write_uint(to, 4, parts->security);
    for (unsigned i = 0; i < 8; i++) {
        size_t mark;

        if (!(parts->types & 1u << i))
            continue;
        mark = pb_begin(to, numbers[i]);
        if (numbers[i] == 7)
            pb_write_bytes(to, 2, parts->payload);
        else if (numbers[i] == 8)
            pb_write_uint(to, 1, 5);
        pb_end(to, mark);
    }
}

static void get_message(struct buf *message)
{
    struct str path = STR("Device.DeviceInfo.SerialNumber");

    buf_init(message, 4096, USP_HEADROOM);
    usp_client_get(message, STR("m1"), &path, 1, 0);
}

#define GOOD "GET_RESP m1 {Device.DeviceInfo.SerialNumber {Device.DeviceInfo. SerialNumber=S1}}"

/* What becomes of a record as such; from ourselves: R-ARC.1, R-ARC.2 */
static void verdicts(void **state)
{
    static const struct {
        const char *what;
        struct parts parts;
        unsigned as;
        enum usp_verdict verdict;
        const char *sent;
    } cases[] = {
        {"good", {.types = 1}, 0, USP_TAKEN, "self::one " GOOD},
        {"a later version", {.types = 1, .version = "1.9"}, 0, USP_TAKEN, "self::one " GOOD},
        {"for another", {.types = 1, .to = "self::other"}, 0, USP_IGNORED, ""},
        {"for nobody", {.types = 1, .to = ""}, 0, USP_IGNORED, ""},
        {"from nobody", {.types = 1, .from = ""}, 0, USP_IGNORED, ""},
        {"from ourselves", {.types = 1, .from = "self::agent"}, 0, USP_IGNORED, ""},
        {"spoofed", {.types = 1, .from = "self::two"}, 0, USP_IGNORED, ""},
        {"unknown", {.types = 1, .from = "self::stranger"}, 3, USP_IGNORED, "self::stranger ERROR m1 #7002"},
        {"payload security", {.types = 1, .security = 1}, 0, USP_IGNORED, ""},
        {"unknown security", {.types = 1, .security = 9}, 0, USP_IGNORED, "self::one ERROR m1 #7104"},
        {"session without its numbers", {.types = 4}, 0, USP_IGNORED, ""},
        {"session of a stranger",
         {.types = 4, .from = "self::stranger"},
         3,
         USP_IGNORED,
         "self::stranger disconnect #7106"},
        {"disconnect", {.types = 8}, 0, USP_TAKEN, ""},
        {"mqtt", {.types = 16}, 0, USP_TAKEN, ""},
        {"websocket", {.types = 32}, 0, USP_TAKEN, ""},
        {"uds", {.types = 64}, 0, USP_TAKEN, ""},
        {"stomp", {.types = 128}, 0, USP_TAKEN, ""},
        {"no type", {.types = 0}, 0, USP_UNPROCESSABLE, ""},
        {"two of a type", {.types = 3}, 0, USP_UNPROCESSABLE, ""},
        {"two types", {.types = 9}, 0, USP_UNPROCESSABLE, ""},
        {"not UTF-8", {.types = 1, .from = "self::\xff"}, 0, USP_UNPROCESSABLE, ""},
    };
    struct usp_bench *bench = *state;
    struct buf message;

    get_message(&message);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parts parts = cases[i].parts;
        struct error err;
        struct buf record;
        enum usp_verdict verdict;

        parts.payload = bytes(&message);
        write_record(&record, &parts);
        error_clear(&err);
        verdict = usp_receive(bench->usp, &bench->channels[cases[i].as].channel, NULL, bytes(&record), &err);
        print_message("%s\n", cases[i].what);
        assert_int_equal(verdict, cases[i].verdict);
        bench_expect(bench_sent(bench), cases[i].sent);
        if (verdict == USP_UNPROCESSABLE)
            assert_int_equal(err.code, ERROR_RECORD_NOT_PARSED);
        if (verdict != USP_TAKEN)
            assert_true(err.message[0]);
        buf_done(&record);
    }
    buf_done(&message);
}

/* ---- the message inside ---- */

#define HEADER "\x0a\x06\x0a\x02m1\x10\x01" /* msg_id m1, GET */

static void messages(void **state)
{
    static const struct {
        const char *what;
        struct str payload;
        const char *sent;
    } cases[] = {
        {"empty", STR(""), ""},
        {"no body", STR(HEADER), ""},
        {"no header", STR("\x12\x04\x0a\x02\x0a\x00"), ""},
        {"empty msg_id", STR("\x0a\x02\x10\x01\x12\x04\x0a\x02\x0a\x00"), ""},
        {"msg_id is not UTF-8 (R-MSG.8)", STR("\x0a\x06\x0a\x02m\xff\x10\x01\x12\x04\x0a\x02\x0a\x00"), ""},
        {"Get of nothing", STR(HEADER "\x12\x04\x0a\x02\x0a\x00"), "self::one GET_RESP m1"},
        {"msg_type is another (R-MSG.10)", STR("\x0a\x06\x0a\x02m1\x10\x04\x12\x04\x0a\x02\x0a\x00"),
         "self::one GET_RESP m1"},
        {"unknown msg_type", STR("\x0a\x07\x0a\x02m1\x10\xff\x01\x12\x04\x0a\x02\x0a\x00"),
         "self::one GET_RESP m1"},
        {"two headers (R-MSG.6)", STR(HEADER HEADER "\x12\x04\x0a\x02\x0a\x00"), "self::one ERROR m1 #7004"},
        {"two bodies (R-MSG.7)", STR(HEADER "\x12\x04\x0a\x02\x0a\x00\x12\x04\x0a\x02\x0a\x00"),
         "self::one ERROR m1 #7004"},
        {"two requests (R-ENC.5)", STR(HEADER "\x12\x08\x0a\x02\x0a\x00\x0a\x02\x0a\x00"),
         "self::one ERROR m1 #7004"},
        {"two types (R-ENC.5)", STR(HEADER "\x12\x06\x0a\x04\x0a\x00\x12\x00"), "self::one ERROR m1 #7004"},
        {"an empty request", STR(HEADER "\x12\x02\x0a\x00"), "self::one ERROR m1 #7004"},
        {"an unknown request", STR(HEADER "\x12\x05\x0a\x03\xa2\x06\x00"), "self::one ERROR m1 #7001"},
        {"Notify to the agent", STR(HEADER "\x12\x04\x0a\x02\x42\x00"), "self::one ERROR m1 #7001"},
        /* R-MSG.1: what it does not know, or is no agent's to do */
        {"Register", STR(HEADER "\x12\x04\x0a\x02\x52\x00"), "self::one ERROR m1 #7001"},
        {"malformed Get", STR(HEADER "\x12\x06\x0a\x04\x0a\x02\x0a\x05"), "self::one ERROR m1 #7004"},
        {"Get with a number for a path", STR(HEADER "\x12\x06\x0a\x04\x0a\x02\x08\x05"),
         "self::one ERROR m1 #7004"},
        {"a path that is not UTF-8", STR(HEADER "\x12\x07\x0a\x05\x0a\x03\x0a\x01\xff"),
         "self::one ERROR m1 #7004"},
        {"GetInstances with a text for a flag", STR(HEADER "\x12\x06\x0a\x04\x1a\x02\x12\x00"),
         "self::one ERROR m1 #7004"},
        {"GetSupportedDM with a number for a path", STR(HEADER "\x12\x06\x0a\x04\x12\x02\x08\x01"),
         "self::one ERROR m1 #7004"},
        {"Set with a number for an object", STR(HEADER "\x12\x06\x0a\x04\x22\x02\x10\x01"),
         "self::one ERROR m1 #7004"},
        {"Set with a text for allow_partial", STR(HEADER "\x12\x06\x0a\x04\x22\x02\x0a\x00"),
         "self::one ERROR m1 #7004"},
        {"Add with a number for an object", STR(HEADER "\x12\x06\x0a\x04\x2a\x02\x10\x01"),
         "self::one ERROR m1 #7004"},
        {"Add with a malformed setting", STR(HEADER "\x12\x0a\x0a\x08\x2a\x06\x12\x04\x12\x02\x0a\x07"),
         "self::one ERROR m1 #7004"},
        {"Delete with a number for a path", STR(HEADER "\x12\x06\x0a\x04\x32\x02\x10\x01"),
         "self::one ERROR m1 #7004"},
        {"Operate with a number for the command", STR(HEADER "\x12\x06\x0a\x04\x3a\x02\x08\x01"),
         "self::one ERROR m1 #7004"},
        {"Operate with a malformed argument", STR(HEADER "\x12\x08\x0a\x06\x3a\x04\x22\x02\x0a\x09"),
         "self::one ERROR m1 #7004"},
        {"GetSupportedProtocol with a number", STR(HEADER "\x12\x06\x0a\x04\x4a\x02\x08\x01"),
         "self::one ERROR m1 #7004"},
        {"a group", STR(HEADER "\x13\x14"), ""},
        {"a response", STR(HEADER "\x12\x04\x12\x02\x0a\x00"), ""},
        {"a Notify response to nothing", STR(HEADER "\x12\x04\x12\x02\x42\x00"), ""},
        {"an Error", STR(HEADER "\x12\x02\x1a\x00"), ""},
    };
    struct usp_bench *bench = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parts parts = {.types = 1, .payload = cases[i].payload};
        struct buf record;

        print_message("%s\n", cases[i].what);
        write_record(&record, &parts);
        usp_receive(bench->usp, &bench->channels[0].channel, NULL, bytes(&record), NULL);
        bench_turn(bench);
        bench_expect(bench_sent(bench), cases[i].sent);
        buf_done(&record);
    }
}

static void reply_topic(void **state)
{
    struct usp_bench *bench = *state;
    struct bench_channel broker = bench->channels[0];
    struct parts parts = {.types = 1};
    struct buf message, record;

    /* A channel of many peers: the answer goes to the reply topic, else where the controller's rows say. */
    broker.channel.peer = NULL;
    bench->channels[0].topic = "usp/one";
    get_message(&message);
    parts.payload = bytes(&message);
    write_record(&record, &parts);
    assert_int_equal(usp_receive(bench->usp, &broker.channel, "reply/here", bytes(&record), NULL), USP_TAKEN);
    bench_expect(bench_sent(bench), "@reply/here self::one " GOOD);
    assert_int_equal(usp_receive(bench->usp, &broker.channel, NULL, bytes(&record), NULL), USP_TAKEN);
    bench_expect(bench_sent(bench), "@usp/one self::one " GOOD);
    bench->channels[0].up = false;
    assert_int_equal(usp_receive(bench->usp, &broker.channel, NULL, bytes(&record), NULL), USP_IGNORED);
    bench_expect(bench_sent(bench), "");
    buf_done(&record);
    parts.from = "self::stranger";
    write_record(&record, &parts);
    assert_int_equal(usp_receive(bench->usp, &broker.channel, NULL, bytes(&record), NULL), USP_IGNORED);
    bench_expect(bench_sent(bench), "");
    assert_int_equal(usp_receive(bench->usp, &broker.channel, "reply/here", bytes(&record), NULL),
                     USP_IGNORED);
    bench_expect(bench_sent(bench), "@reply/here self::stranger ERROR m1 #7002");
    buf_done(&record);
    buf_done(&message);
}

/* A channel that goes while its answer waits for the store gets nothing, and nothing is sent into the void. */
static void channel_gone(void **state)
{
    struct usp_bench *bench = *state;
    struct usp_client_pair pair = {STR("Number"), STR("9"), false};
    struct usp_client_object object = {STR("Device.Box."), &pair, 1};
    struct buf message;

    buf_init(&message, 4096, USP_HEADROOM);
    usp_client_set(&message, STR("m1"), &object, 1, false);
    assert_int_equal(bench_give(bench, &message), USP_TAKEN);
    usp_channel_gone(bench->usp, &bench->channels[0].channel);
    bench_turn(bench);
    bench_expect(bench_sent(bench), "");
    bench_expect(bench_get(bench, 0, "Device.Box.Number"),
                 "self::one GET_RESP m1 {Device.Box.Number {Device.Box. Number=9}}");
}

/* The program ends while an answer waits for the store. */
static void ends_while_waiting(void **state)
{
    static struct usp_bench bench;
    struct usp_client_pair pair = {STR("Number"), STR("9"), false};
    struct usp_client_object object = {STR("Device.Box."), &pair, 1};
    struct buf message;

    (void)state;
    usp_bench_init(&bench, ":memory:");
    buf_init(&message, 4096, USP_HEADROOM);
    usp_client_set(&message, STR("m1"), &object, 1, false);
    assert_int_equal(bench_give(&bench, &message), USP_TAKEN);
    usp_stop(bench.usp);
    dm_free(bench.dm);
    usp_free(bench.usp);
    assert_int_equal(store_flush(bench.store, NULL), 0);
    assert_int_equal(bench.sent_count, 0);
    store_close(bench.store);
    loop_done(&bench.loop);
    buf_done(&bench.sent);
    buf_done(&bench.last);
}

/* ---- any bytes ---- */

static void give_bytes(struct usp_bench *bench, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1); /* of its exact size, for the sanitizer */

    if (len)
        memcpy(copy, data, len);
    usp_receive(bench->usp, &bench->channels[0].channel, NULL, (struct str){(char *)copy, len}, NULL);
    free(copy);
    buf_clear(&bench->sent, 0);
}

/* A record that has everything in it that is read. */
static void rich_record(struct buf *record)
{
    struct usp_client_pair pairs[] = {{STR("Name"), STR("new"), true}, {STR("Number"), STR("5"), false}};
    struct usp_client_object object = {STR("Device.Thing."), pairs, 2};

    buf_init(record, 4096, USP_HEADROOM);
    usp_client_add(record, STR("m1"), &object, 1, true);
    usp_record_wrap(record, STR("self::agent"), STR("self::one"));
}

static void truncated(void **state)
{
    struct usp_bench *bench = *state;
    struct buf record;

    rich_record(&record);
    for (size_t len = 0; len < record.len; len++)
        give_bytes(bench, buf_data(&record), len);
    bench_turn(bench);
    bench_expect(bench_instances(bench, true, "Device.Thing."),
                 "self::one INSTANCES_RESP m1 {Device.Thing.}");
    buf_done(&record);
}

static void mutated(void **state)
{
    struct usp_bench *bench = *state;
    uint32_t random = 12345;
    struct buf record;

    rich_record(&record);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t copy[512];
        unsigned changes = 1 + round % 4;

        memcpy(copy, buf_data(&record), record.len);
        while (changes--) {
            random = random * 1664525u + 1013904223u;
            copy[(random >> 8) % record.len] = (uint8_t)(random >> 24);
        }
        give_bytes(bench, copy, record.len);
        if (round % 64 == 0)
            bench_turn(bench);
    }
    bench_turn(bench);
    bench_sent(bench);
    bench_expect(bench_get(bench, 0, "Device.DeviceInfo.SerialNumber"), "self::one " GOOD);
    buf_done(&record);
}

/* An answer that would be longer than a record may be is an error, and a change with it is taken back. */
static void too_large(void **state)
{
    struct usp_bench *bench = *state;
    struct str paths[4097];
    struct buf message;

    for (unsigned i = 0; i < 400; i++)
        bench_add(bench, false, "Device.Thing.: Device.Thing.: Device.Thing.: Device.Thing.:");
    for (unsigned i = 0; i < 4097; i++)
        paths[i] = STR("Device.Thing.");
    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_client_get(&message, STR("m1"), paths, 40, 0);
    bench_expect(bench_ask(bench, &message), "self::one ERROR m1 #7005");
    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    for (unsigned i = 0; i < 4097; i++)
        paths[i] = STR("Device.");
    usp_client_get(&message, STR("m1"), paths, 4097, 1);
    bench_expect(bench_ask(bench, &message), "self::one ERROR m1 #7005");
    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_client_get_instances(&message, STR("m1"), paths, 4097, true);
    bench_expect(bench_ask(bench, &message), "self::one ERROR m1 #7005");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(verdicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reply_topic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(channel_gone, set_up, tear_down),
        cmocka_unit_test(ends_while_waiting),
        cmocka_unit_test_setup_teardown(truncated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mutated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_large, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
