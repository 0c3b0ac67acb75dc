/* SPDX-License-Identifier: BSD-3-Clause */
/* Session contexts without sockets and cryptography: order, segments, retransmission, expiration, modes and retries. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/session_bench.h"
#include "usp/session_internal.h"

#define BOX "Device.Box.Number"
#define ANSWER "GET_RESP m1 {Device.Box.Number {Device.Box. Number=7}}"

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

static struct usp_session *session_of_one(struct usp_bench *bench)
{
    return usp_controller_find(bench->usp, STR("self::one"))->session;
}

/* ---- order (R-E2E.4 to R-E2E.6, R-E2E.14 to R-E2E.17, R-E2E.20, R-E2E.25) ---- */

static void numbers(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(session_state(bench), "Down 0");
    bench_expect(session_ask(bench, BOX, AT(5, 1, 1)), "self::one session 5 1/2 " ANSWER);
    bench_expect(session_state(bench), "Up 0");
    bench_expect(session_ask(bench, BOX, AT(5, 2, 2)), "self::one session 5 2/3 " ANSWER);
    /* Again, and one from before: ignored. */
    bench_expect(session_ask(bench, BOX, AT(5, 2, 2)), "");
    bench_expect(session_ask(bench, BOX, AT(5, 1, 1)), "");
    bench_expect(session_ask(bench, BOX, AT(5, 3, 3)), "self::one session 5 3/4 " ANSWER);
    /* Another id is another session; what is late of the old one does not bring it back. */
    bench_expect(session_ask(bench, BOX, AT(6, 1, 1)), "self::one session 6 1/2 " ANSWER);
    bench_expect(session_ask(bench, BOX, AT(5, 4, 4)), "");
    bench_expect(session_ask(bench, BOX, AT(5, 1, 1)), "");
    bench_expect(session_ask(bench, BOX, AT(6, 2, 2)), "self::one session 6 2/3 " ANSWER);
    /* An empty record is counted, and answers nothing. */
    assert_int_equal(session_give(bench, AT(6, 3, 3)), USP_TAKEN);
    bench_expect(session_ask(bench, BOX, AT(6, 4, 3)), "self::one session 6 3/5 " ANSWER);
    /* Without a session, as ever. */
    bench_expect(bench_get(bench, 0, BOX), "self::one " ANSWER);
}

static void out_of_order(void **state)
{
    struct usp_bench *bench = *state;

    bench_expect(session_ask(bench, BOX, AT(5, 1, 1)), "self::one session 5 1/2 " ANSWER);
    bench_expect(session_ask(bench, "Device.Box.Name", AT(5, 4, 4)), "");
    bench_expect(session_ask(bench, "Device.Box.Flag", AT(5, 3, 3)), "");
    bench_expect(session_ask(bench, "Device.Box.Flag", AT(5, 3, 3)), "");
    bench_expect(session_ask(bench, BOX, AT(5, 2, 2)),
                 "self::one session 5 2/3 " ANSWER "\n"
                 "self::one session 5 3/4 GET_RESP m1 {Device.Box.Flag {Device.Box. Flag=false}}\n"
                 "self::one session 5 4/5 GET_RESP m1 {Device.Box.Name {Device.Box. Name=}}");
    assert_int_equal(session_of_one(bench)->early_count, 0);
}

/* A record that does not come is asked for; when it still does not come, the session begins anew. */
static void missing(void **state)
{
    struct usp_bench *bench = *state;

    session_ask(bench, BOX, AT(5, 1, 1));
    bench_expect(session_ask(bench, BOX, AT(5, 3, 2)), "");
    bench_advance(bench, 9000);
    bench_expect(bench_sent(bench), "");
    bench_advance(bench, 2000);
    bench_expect(bench_sent(bench), "self::one session 5 2/2 again=2");
    bench_expect(session_ask(bench, BOX, AT(5, 2, 3)),
                 "self::one session 5 3/3 " ANSWER "\nself::one session 5 4/4 " ANSWER);
    bench_advance(bench, 60000);
    bench_expect(bench_sent(bench), "");
    session_ask(bench, BOX, AT(5, 7, 2));
    bench_advance(bench, 31000);
    bench_expect(bench_sent(bench), "self::one session 5 5/4 again=4\nself::one session 5 6/4 again=4\n"
                                    "self::one session 5 7/4 again=4");
    bench_advance(bench, 10000);
    bench_expect(bench_sent(bench), "self::one session new 1/1");
    bench_expect(session_state(bench), "Negotiating 0");
    session_give(bench, AT(session_last_id(bench), 1, 2));
    bench_expect(session_state(bench), "Up 0");
}

/* Records with values that none can have: no session from nothing, and the end of one that is there (R-E2E.24). */
static void invalid(void **state)
{
    static const struct session_record records[] = {
        AT_ROW(0, 1, 1),          AT_ROW(5, 0, 1), AT_ROW(5, 2, 1, .sar = 4), AT_ROW(5, 2, 1, .recsar = 9),
        AT_ROW(5, UINT64_MAX, 1),
    };
    struct usp_bench *bench = *state;

    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        bench_sent(bench);
        if (i < 4) {
            assert_int_equal(session_give(bench, records[i]), USP_IGNORED);
            bench_expect(bench_sent(bench), "");
            bench_expect(session_state(bench), "Down 0");
        }
        session_ask(bench, BOX, AT(5, 1, 1));
        bench_expect(session_state(bench), "Up 0");
        assert_int_equal(session_give(bench, records[i]), USP_IGNORED);
        bench_expect(bench_sent(bench), "self::one session new 1/1");
        usp_session_end(session_of_one(bench));
    }
}

/* ---- ceilings: a hostile peer ---- */

static void gap(void **state)
{
    struct usp_bench *bench = *state;

    session_ask(bench, BOX, AT(5, 1, 1));
    for (uint64_t i = 0; i < 255; i++)
        session_ask(bench, BOX, AT(5, 258 - i, 1));
    assert_int_equal(session_of_one(bench)->early_count, 255);
    assert_true(session_of_one(bench)->bytes > 0);
    bench_expect(bench_sent(bench), "");
    bench_expect(session_ask(bench, BOX, AT(5, 259, 1)), "self::one session new 1/1");
    assert_int_equal(session_of_one(bench)->early_count, 0);
    assert_true(session_of_one(bench)->bytes < 1000); /* the record that was sent */
    /* In a session that never worked: it ends, and the controller hears so. */
    bench_expect(
        bench_delete(bench, false, "Device.LocalAgent.Controller.2."),
        "self::one DELETE_RESP m1 {Device.LocalAgent.Controller.2. ok{Device.LocalAgent.Controller.2.}}");
}

static void many_bytes(void **state)
{
    static char much[3 << 20];
    struct usp_bench *bench = *state;

    session_ask(bench, BOX, AT(5, 1, 1));
    for (uint64_t i = 2; i < 6; i++)
        assert_int_equal(session_give(bench, AT(5, i + 2, 1, .entry = {much, sizeof(much) - 4096})),
                         USP_TAKEN);
    assert_true(session_of_one(bench)->bytes <= limits_default.session_bytes);
    assert_int_equal(session_give(bench, AT(5, 9, 1, .entry = {much, sizeof(much) - 4096})), USP_IGNORED);
    assert_true(bench->usp->session_bytes < 1000);
    bench_expect(session_state(bench), "Negotiating 0");
}

/* What is configured counts, of one session and of all. */
static void few_bytes(void **state)
{
    static char much[40 << 10];
    struct usp_bench *bench = *state;

    bench->limits.session_bytes = 100 << 10;
    session_ask(bench, BOX, AT(5, 1, 1));
    assert_int_equal(session_give(bench, AT(5, 4, 1, .entry = {much, sizeof(much)})), USP_TAKEN);
    assert_int_equal(session_give(bench, AT(5, 5, 1, .entry = {much, sizeof(much)})), USP_TAKEN);
    assert_int_equal(session_give(bench, AT(5, 6, 1, .entry = {much, sizeof(much)})), USP_IGNORED);
    bench->limits.session_bytes = limits_default.session_bytes;
    bench->limits.sessions_bytes = 60 << 10;
    session_ask(bench, BOX, AT(6, 1, 1));
    assert_int_equal(session_give(bench, AT(6, 4, 1, .entry = {much, sizeof(much)})), USP_TAKEN);
    assert_int_equal(session_give(bench, AT(6, 5, 1, .entry = {much, sizeof(much)})), USP_IGNORED);
}

/* Segments without an end: the message is given up at its ceiling. */
static void endless(void **state)
{
    static char much[1 << 20];
    struct usp_bench *bench = *state;
    unsigned taken = 0;

    session_ask(bench, BOX, AT(5, 1, 1));
    for (uint64_t i = 2; i < 40; i++) {
        struct session_record record = AT_ROW(5, i, 1, .sar = i == 2 ? 1 : 2, .recsar = i == 2 ? 1 : 2,
                                              .entry = {much, sizeof(much)});

        if (session_give(bench, record) != USP_TAKEN)
            break;
        taken++;
        assert_true(bench->usp->session_bytes <= limits_default.session_bytes);
    }
    assert_in_range(taken, 5, 8);
    assert_true(bench->usp->session_bytes < 1000);
}

/* A session for each record: there is one at a time, and nothing is left of the others. */
static void endless_sessions(void **state)
{
    struct usp_bench *bench = *state;
    size_t bytes = 0;

    for (uint64_t i = 2; i < 3000; i++) {
        session_ask(bench, BOX, AT(i, 1 + i % 3, 1));
        if (i == 100)
            bytes = bench->usp->session_bytes;
        assert_true(!bytes || bench->usp->session_bytes < bytes + 1000);
    }
}

/* Never acknowledged: the oldest gives way. */
static void never_acknowledged(void **state)
{
    struct usp_bench *bench = *state;

    session_set(bench, "MaxRetransmitTries", "-1");
    for (uint64_t i = 1; i < 1200; i++)
        session_ask(bench, BOX, AT(5, i, 1));
    assert_int_equal(session_of_one(bench)->sent_count, LIMIT_SESSION_SENT);
    assert_int_equal(session_give(bench, AT(5, 1200, 1, .again = 1199)), USP_TAKEN);
    bench_expect(bench_sent(bench), "self::one session 5 1199/1200 " ANSWER);
    assert_int_equal(session_give(bench, AT(5, 1201, 1, .again = 1)), USP_IGNORED);
    bench_expect(bench_sent(bench), "self::one session new 1/1");
}

/* ---- sequence ids near their end (R-E2E.8, R-E2E.9) ---- */

static void used_up(void **state)
{
    struct usp_bench *bench = *state;

    session_ask(bench, BOX, AT(5, 1, 1));
    session_of_one(bench)->expected = SEQUENCE_LAST;
    bench_expect(session_ask(bench, BOX, AT(5, SEQUENCE_LAST, 1)),
                 "self::one session 5 2/18446744073709541616 " ANSWER);
    bench_expect(session_ask(bench, BOX, AT(5, SEQUENCE_LAST + 1, 1)), "self::one session new 1/1");
    session_ask(bench, BOX, AT(7, 1, 1));
    session_of_one(bench)->next = SEQUENCE_LAST + 1;
    bench_expect(session_ask(bench, BOX, AT(7, 2, 1)), "self::one session new 1/1");
    /* The agent's own next contact. */
    session_ask(bench, BOX, AT(8, 1, 1));
    bench_subscribe(bench, "ID=s NotifType=ValueChange ReferenceList=Device.Box.Number");
    session_ask(bench, BOX, AT(9, 1, 1));
    session_of_one(bench)->next = SEQUENCE_LAST + 1;
    bench->as = 1;
    assert_non_null(strstr(bench_set(bench, false, "Device.Box.: Number=4"),
                           "self::one session new 2/1 NOTIFY s value{Device.Box.Number =4}"));
}

/* ---- segments ---- */

static void segments_in(void **state)
{
    struct usp_bench *bench = *state;
    struct buf message = session_get(BOX);
    const char *bytes = (char *)buf_data(&message);
    size_t third = message.len / 3;

    session_give(bench, AT(5, 1, 1, .sar = 1, .recsar = 1, .entry = {bytes, third}));
    session_give(bench,
                 AT(5, 3, 1, .sar = 3, .recsar = 3, .entry = {bytes + 2 * third, message.len - 2 * third}));
    bench_expect(bench_sent(bench), "");
    /* An empty record between them (it asks for nothing) does not disturb, nor one that is late. */
    session_give(bench, AT(5, 2, 1, .sar = 2, .recsar = 2, .entry = {bytes + third, third}));
    bench_expect(bench_sent(bench), "self::one session 5 1/4 " ANSWER);
    /* A whole message in entries of their own. */
    session_give(bench, AT(5, 4, 1, .sar = 1, .entry = {bytes, third}));
    session_give(bench, AT(5, 5, 1));
    session_give(bench, AT(5, 6, 1, .sar = 3, .entry = {bytes + third, message.len - third}));
    bench_expect(bench_sent(bench), "self::one session 5 2/7 " ANSWER);
    buf_done(&message);
}

static void segments_wrong(void **state)
{
    static const struct {
        unsigned sar, recsar, then, then_rec;
    } wrong[] = {{2, 2, 0, 0}, {3, 3, 0, 0}, {0, 1, 0, 0}, {0, 3, 0, 0}, {1, 2, 0, 0},
                 {1, 1, 1, 1}, {1, 1, 0, 0}, {1, 1, 3, 2}, {1, 1, 2, 1}, {1, 0, 3, 3}};
    struct usp_bench *bench = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        session_ask(bench, BOX, AT(5 + i, 1, 1));
        print_message("%zu\n", i);
        session_give(bench,
                     AT(5 + i, 2, 1, .sar = wrong[i].sar, .recsar = wrong[i].recsar, .entry = STR("x")));
        if (i >= 5)
            session_give(
                bench, AT(5 + i, 3, 1, .sar = wrong[i].then, .recsar = wrong[i].then_rec, .entry = STR("x")));
        bench_expect(bench_sent(bench), "self::one session new 1/1");
    }
}

/* Every record is short enough, and together they are the message. */
static void segments_out(void **state)
{
    struct usp_bench *bench = *state;
    const char *sent;
    unsigned records;

    session_set(bench, "MaxUSPRecordSize", "512");
    for (unsigned i = 0; i < 30; i++) {
        char thing[64];

        snprintf(thing, sizeof(thing), "Device.Thing.: Name=a-thing-%u", i);
        bench_add(bench, false, thing);
    }
    bench_sent(bench);
    session_ask(bench, BOX, AT(5, 1, 1));
    session_ask(bench, "Device.Thing.1.Enable", AT(5, 2, 1));
    session_give(bench, AT(5, 3, 1));
    sent = session_ask(bench, "Device.Thing.", AT(5, 4, 1));
    records = session_of_one(bench)->sent_count;
    assert_true(strncmp(sent, "self::one session 5 3/5 sar=1/1 [", 33) == 0);
    assert_non_null(strstr(sent, "self::one session 5 4/5 sar=2/2 ["));
    assert_true(records > 10);
    for (const struct kept_record *kept = session_of_one(bench)->sent; kept; kept = kept->next)
        assert_true(kept->len <= 512);
    snprintf(bench->log, sizeof(bench->log), "self::one session 5 %u/5 sar=3/3 [", records);
    assert_non_null(strstr(sent, bench->log));
}

/* ---- sent again (R-E2E.16, TR-181 MaxRetransmitTries) ---- */

static void resent(void **state)
{
    struct usp_bench *bench = *state;

    session_set(bench, "MaxRetransmitTries", "2");
    session_ask(bench, BOX, AT(5, 1, 1));
    session_ask(bench, BOX, AT(5, 2, 1));
    for (unsigned i = 0; i < 2; i++) {
        session_give(bench, AT(5, 3 + i, 3, .again = 1)); /* it acknowledges as well */
        bench_expect(bench_sent(bench), "self::one session 5 1/2 " ANSWER);
    }
    session_give(bench, AT(5, 5, 3, .again = 1));
    bench_expect(bench_sent(bench), "self::one session new 1/1");
    /* What was acknowledged and never asked for is gone. */
    session_ask(bench, BOX, AT(6, 1, 1));
    session_ask(bench, BOX, AT(6, 2, 2));
    assert_int_equal(session_of_one(bench)->sent_count, 1);
    session_give(bench, AT(6, 3, 2, .again = 1));
    bench_expect(bench_sent(bench), "self::one session new 1/1");
    session_set(bench, "MaxRetransmitTries", "0");
    session_ask(bench, BOX, AT(7, 1, 1));
    session_give(bench, AT(7, 2, 1, .again = 1));
    bench_expect(bench_sent(bench), "self::one session new 1/1");
}

/* ---- expiration (R-E2E.7) ---- */

static void expiration(void **state)
{
    struct usp_bench *bench = *state;
    uint64_t first;

    session_set(bench, "SessionExpiration", "10");
    bench_subscribe(bench, "ID=s NotifType=ValueChange ReferenceList=Device.Box.Number");
    session_ask(bench, BOX, AT(5, 1, 1));
    bench_advance(bench, 9000);
    session_ask(bench, BOX, AT(5, 2, 1));
    bench_advance(bench, 9000);
    bench_expect(session_state(bench), "Up 0");
    bench_advance(bench, 2000);
    bench_expect(session_state(bench), "Down 0");
    bench_expect(bench_sent(bench), "");
    assert_int_equal(bench->usp->session_bytes, 0);
    /* A notification needs another one, and begins it. */
    bench->as = 1;
    bench_expect(bench_set(bench, false, "Device.Box.: Number=4"),
                 "self::one session new 1/1\nself::two SET_RESP m1 {Device.Box. ok{{Device.Box. Number=4}}}\n"
                 "self::one session new 2/1 NOTIFY s value{Device.Box.Number =4}");
    first = session_last_id(bench);
    bench_expect(session_state(bench), "Negotiating 0");
    bench_advance(bench, 11000);
    bench_set(bench, false, "Device.Box.: Number=5");
    assert_true(session_last_id(bench) != first);
    /* What the peer still sends of the old one begins another, if it is not its first. */
    bench_advance(bench, 11000);
    first = session_last_id(bench);
    bench_expect(session_ask(bench, BOX, AT(first, 4, 3)), "self::one session new 1/1");
    assert_true(session_last_id(bench) != first);
}

/* ---- SessionMode ---- */

static void forbid(void **state)
{
    struct usp_bench *bench = *state;

    session_ask(bench, BOX, AT(5, 1, 1));
    session_set(bench, "SessionMode", "Forbid");
    bench_expect(bench_sent(bench), "self::one disconnect #7105");
    bench_expect(session_state(bench), "Down 0");
    bench_expect(session_ask(bench, BOX, AT(5, 2, 1)), "self::one disconnect #7106");
    bench_expect(session_ask(bench, BOX, AT(6, 1, 1)), "self::one disconnect #7106");
    bench_expect(bench_get(bench, 0, BOX), "self::one " ANSWER);
    bench_expect(bench_operate(bench, "Device.LocalAgent.Controller.1.E2ESession.Reset()", "", "", true),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.Controller.1.E2ESession.Reset() out{}}");
}

static void require(void **state)
{
    struct usp_bench *bench = *state;

    session_set(bench, "PayloadSecurity", "Plaintext");
    bench_subscribe(bench, "ID=s NotifType=ValueChange ReferenceList=Device.Box.Number");
    bench->channels[0].up = false;
    session_set(bench, "SessionMode", "Require");
    bench_expect(bench_sent(bench), "");
    bench->channels[0].up = true;
    usp_reachable(bench->usp);
    bench_expect(bench_sent(bench), "self::one session new 1/1");
    usp_reachable(bench->usp); /* once is enough */
    bench_expect(bench_sent(bench), "");
    bench_expect(bench_get(bench, 0, BOX), "self::one ERROR m1 #7104");
    session_give(bench, AT(77, 1, 1));
    bench_expect(session_state(bench), "Up 0");
    bench->as = 1;
    bench_expect(bench_set(bench, false, "Device.Box.: Number=4"),
                 "self::two SET_RESP m1 {Device.Box. ok{{Device.Box. Number=4}}}\n"
                 "self::one session 77 1/2 NOTIFY s value{Device.Box.Number =4}");
    session_set(bench, "PayloadSecurity", "TLS"); /* nobody does TLS here */
    bench_sent(bench);
    bench->as = 0;
    bench_expect(bench_get(bench, 0, BOX), "self::one ERROR m1 #7101");
}

/* Reset() asks for another session, also with Allow; the answer to it goes into the old one. */
static void reset(void **state)
{
    struct usp_bench *bench = *state;

    session_set(bench, "PayloadSecurity", "Plaintext");
    bench_expect(bench_operate(bench, "Device.LocalAgent.Controller.1.E2ESession.Reset()", "", "", true),
                 "self::one OPERATE_RESP m1 {Device.LocalAgent.Controller.1.E2ESession.Reset() out{}}\n"
                 "self::one session new 1/1");
    bench_expect(session_state(bench), "Negotiating 0");
}

/* With Allow, notifications go where the controller's own records went last. */
static void allow(void **state)
{
    struct usp_bench *bench = *state;

    bench_subscribe(bench, "ID=s NotifType=ValueChange ReferenceList=Device.Box.Number");
    bench->as = 1;
    bench_expect(bench_set(bench, false, "Device.Box.: Number=4"),
                 "self::two SET_RESP m1 {Device.Box. ok{{Device.Box. Number=4}}}\n"
                 "self::one NOTIFY s value{Device.Box.Number =4}");
    session_ask(bench, BOX, AT(5, 1, 1));
    bench_expect(bench_set(bench, false, "Device.Box.: Number=5"),
                 "self::two SET_RESP m1 {Device.Box. ok{{Device.Box. Number=5}}}\n"
                 "self::one session 5 2/2 NOTIFY s value{Device.Box.Number =5}");
    bench->as = 0;
    bench_get(bench, 0, BOX);
    bench->as = 1;
    bench_expect(bench_set(bench, false, "Device.Box.: Number=6"),
                 "self::two SET_RESP m1 {Device.Box. ok{{Device.Box. Number=6}}}\n"
                 "self::one NOTIFY s value{Device.Box.Number =6}");
}

/* The controller leaves (R-MTP.7): the session is over, and nothing of it is kept. */
static void left(void **state)
{
    struct usp_bench *bench = *state;
    struct buf record;

    session_ask(bench, BOX, AT(5, 1, 1));
    buf_init(&record, 4096, USP_HEADROOM);
    usp_record_disconnect(&record, STR("self::agent"), STR("self::one"), 7105, STR("over"));
    assert_int_equal(usp_receive(bench->usp, &bench->channels[0].channel, NULL,
                                 (struct str){(char *)buf_data(&record), record.len}, NULL),
                     USP_TAKEN);
    buf_done(&record);
    bench_turn(bench);
    bench_expect(session_state(bench), "Down 0");
    assert_int_equal(bench->usp->session_bytes, 0);
    bench_expect(bench_sent(bench), "");
}

/* Its own row goes while a session is there; the answer has no session any more. */
static void deleted(void **state)
{
    struct usp_bench *bench = *state;

    session_ask(bench, BOX, AT(5, 1, 1));
    bench->as = 1;
    bench_delete(bench, false, "Device.LocalAgent.Controller.1.");
    assert_int_equal(bench->usp->session_bytes, 0);
    assert_int_equal(session_give(bench, AT(5, 2, 1)), USP_IGNORED);
    bench_expect(bench_sent(bench), "self::one disconnect #7106");
}

/* The same by a message of the session itself: its answer would be a record without a session. */
static void deletes_itself(void **state)
{
    struct usp_bench *bench = *state;
    struct str own = STR("Device.LocalAgent.Controller.1.");
    struct buf message;

    session_ask(bench, BOX, AT(5, 1, 1));
    buf_init(&message, 4096, USP_HEADROOM);
    usp_client_delete(&message, STR("m1"), &own, 1, false);
    session_give(bench, AT(5, 2, 1, .entry = {(char *)buf_data(&message), message.len}));
    buf_done(&message);
    bench_expect(bench_sent(bench), "");
    assert_null(usp_controller_find(bench->usp, STR("self::one")));
    assert_int_equal(bench->usp->session_bytes, 0);
}

static void told(void **state)
{
    struct usp_bench *bench = *state;

    bench->as = 1;
    bench_subscribe(
        bench, "ID=s NotifType=ValueChange ReferenceList=Device.LocalAgent.Controller.1.E2ESession.Status");
    bench_expect(session_ask(bench, BOX, AT(5, 1, 1)),
                 "self::one session 5 1/2 " ANSWER "\n"
                 "self::two NOTIFY s value{Device.LocalAgent.Controller.1.E2ESession.Status =Up}");
}

/* R-SEC.21, R-E2E.13: a restart knows no session, and its settings. */
static void restarts(void **state)
{
    struct usp_bench *bench = *state;

    session_set(bench, "SessionExpiration", "77");
    session_ask(bench, BOX, AT(5, 1, 1));
    bench_restart(bench, 5, false);
    bench_sent(bench);
    bench_expect(session_state(bench), "Down 0");
    bench_expect(session_ask(bench, BOX, AT(5, 1, 1)), "self::one session 5 1/2 " ANSWER);
    bench_expect(bench_get(bench, 0, "Device.LocalAgent.Controller.1.E2ESession.SessionExpiration"),
                 "self::one GET_RESP m1 {Device.LocalAgent.Controller.1.E2ESession.SessionExpiration "
                 "{Device.LocalAgent.Controller.1.E2ESession. SessionExpiration=77}}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(numbers),
        TEST(out_of_order),
        TEST(missing),
        TEST(invalid),
        TEST(gap),
        TEST(many_bytes),
        TEST(few_bytes),
        TEST(endless),
        TEST(endless_sessions),
        TEST(used_up),
        TEST(segments_in),
        TEST(segments_wrong),
        TEST(segments_out),
        TEST(resent),
        TEST(expiration),
        TEST(forbid),
        TEST(require),
        TEST(reset),
        TEST(allow),
        TEST(left),
        TEST(deleted),
        TEST(deletes_itself),
        TEST(told),
        TEST(never_acknowledged),
        cmocka_unit_test_setup_teardown(restarts, usp_bench_set_up, usp_bench_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
