/* SPDX-License-Identifier: BSD-3-Clause */
/* Payload security in session contexts, and the integrity of records, with the toy's handshake; and retries of a session that
 * cannot be had. */
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

struct world {
    struct usp_bench bench;
    struct toy toy;
};

static int set_up(void **state)
{
    static struct world world;

    usp_bench_init(&world.bench, ":memory:");
    world.toy = (struct toy){0};
    usp_set_security(world.bench.usp, &toy_ops, &world.toy);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    usp_bench_done(&world->bench);
    assert_int_equal(world->toy.open, 0);
    return 0;
}

/* A session that the controller begins, up. */
static void come_up(struct usp_bench *bench, uint64_t id)
{
    bench_expect(session_shake(bench, "hello", AT(id, 1, 1, .protection = SIGNED)),
                 id == 5 ? "self::one signed session 5 1/2 [12]" : "self::one signed session 6 1/2 [12]");
    assert_true(strncmp(session_state(bench), "Negotiating", 11) == 0);
    bench_expect(session_shake(bench, "done", AT(id, 2, 2, .protection = SIGNED)), "");
    assert_true(strncmp(session_state(bench), "Up", 2) == 0);
}

static const char *ask(struct usp_bench *bench, uint64_t id, uint64_t sequence, enum protection protection)
{
    return session_ask(bench, BOX, AT(id, sequence, 2, .tls = true, .protection = protection));
}

/* R-E2E.23, R-E2E.30, R-E2E.33: each record has its MAC; one that does not fit ends the session, unanswered. */
static void server(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;

    come_up(bench, 5);
    bench_expect(ask(bench, 5, 3, MAC_CLIENT), "self::one mac session 5 2/4 [68]");
    bench_expect(ask(bench, 5, 4, MAC_WRONG), "self::one signed session new 1/1 [10]");
    bench_expect(session_state(bench), "Negotiating 0");
    come_up(bench, 6);
    bench_expect(ask(bench, 6, 3, SIGNED), "self::one mac session 6 2/4 [68]"); /* its side ended later */
    bench_expect(ask(bench, 6, 4, MAC_CLIENT), "self::one mac session 6 3/5 [68]");
    bench_expect(ask(bench, 6, 5, SIGNED), "self::one signed session new 1/1 [10]");
}

static void unprotected(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;

    bench_expect(session_shake(bench, "hello", AT(5, 1, 1)), "");
    bench_expect(session_shake(bench, "hello", AT(5, 1, 1, .protection = MAC_CLIENT)), "");
    bench_expect(session_state(bench), "Down 0");
    /* Of a session that is not known any more: its sender has to learn that. */
    bench_expect(ask(bench, 5, 9, MAC_CLIENT), "self::one disconnect #7105");
    come_up(bench, 5);
    bench_expect(ask(bench, 5, 3, UNSIGNED), "self::one signed session new 1/1 [10]");
    /* A stranger's signature does not end the session that is there. */
    come_up(bench, 6);
    bench_expect(session_shake(bench, "hello", AT(7, 1, 1, .protection = MAC_WRONG)), "");
    bench_expect(ask(bench, 6, 3, MAC_CLIENT), "self::one mac session 6 2/4 [68]");
}

/* R-E2E.28: where the transport's certificate is the controller's, nothing else has to be. */
static void protected_by_transport(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;

    bench->channels[0].channel.certificates = "";
    bench->channels[0].channel.named = true;
    bench_expect(session_shake(bench, "hello", AT(5, 1, 1)), "self::one signed session 5 1/2 [12]");
    session_shake(bench, "done", AT(5, 2, 2));
    bench_expect(ask(bench, 5, 3, UNSIGNED), "self::one mac session 5 2/4 [68]");
    bench_expect(ask(bench, 5, 4, MAC_WRONG), "self::one signed session new 1/1 [10]");
}

/* R-E2E.18, R-E2E.19: TP-469 3.13. */
static void security_changes(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;

    come_up(bench, 5);
    bench_expect(session_ask(bench, BOX, AT(5, 3, 2, .protection = SIGNED)),
                 "self::one signed session new 1/1 [10]");
    /* The other way round. */
    bench_expect(session_ask(bench, BOX, AT(6, 1, 1)), "self::one session 6 1/2 " ANSWER);
    bench_expect(ask(bench, 6, 2, SIGNED), "self::one session new 1/1");
}

/* A peer that signs without TLS gets signatures in turn (R-E2E.29). */
static void signatures(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;

    bench_expect(session_ask(bench, BOX, AT(5, 1, 1, .protection = SIGNED)),
                 "self::one signed session 5 1/2 " ANSWER);
    bench_expect(session_ask(bench, BOX, AT(5, 2, 1, .protection = MAC_CLIENT)), "self::one session new 1/1");
}

/* Segments of TLS: records whole in records of their own, and cut where they do not fit (R-TR369 cases 5 to 7). */
static void segments(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;
    struct buf message = session_get(BOX);
    struct buf sealed;
    const char *bytes;

    come_up(bench, 5);
    toy_flip(&message);
    buf_init(&sealed, 4096, 0);
    toy_record(&sealed, TOY_DATA, (struct str){(char *)buf_data(&message), 7});
    toy_record(&sealed, TOY_DATA, (struct str){(char *)buf_data(&message) + 7, message.len - 7});
    bytes = (char *)buf_data(&sealed);
    session_give(bench, AT(5, 3, 2, .sar = 1, .tls = true, .protection = MAC_CLIENT, .entry = {bytes, 12}));
    session_give(bench, AT(5, 4, 2, .sar = 2, .recsar = 1, .tls = true, .protection = MAC_CLIENT,
                           .entry = {bytes + 12, 9}));
    bench_expect(bench_sent(bench), "");
    session_give(bench, AT(5, 5, 2, .sar = 3, .recsar = 3, .tls = true, .protection = MAC_CLIENT,
                           .entry = {bytes + 21, sealed.len - 21}));
    bench_expect(bench_sent(bench), "self::one mac session 5 2/6 [68]");
    buf_done(&sealed);
    buf_done(&message);
    for (unsigned i = 0; i < 3; i++)
        bench_add(bench, false, "Device.Thing.:");
    bench_sent(bench);
    /* All TLS records in one record, then one in each. */
    session_ask(bench, "Device.Thing.", AT(5, 6, 3, .tls = true, .protection = MAC_CLIENT));
    assert_null(strstr(bench_sent(bench), "sar"));
    session_set(bench, "MaxUSPRecordSize", "512");
    bytes = session_ask(bench, "Device.Thing.", AT(5, 7, 4, .tls = true, .protection = MAC_CLIENT));
    assert_non_null(strstr(bytes, "sar=1/0 [205]"));
    assert_non_null(strstr(bytes, "sar=2/0 [205]"));
    assert_non_null(strstr(bytes, "sar=3/0 ["));
}

/* ---- the agent begins ---- */

static void client(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;
    uint64_t id;

    bench_subscribe(bench, "ID=s NotifType=ValueChange ReferenceList=Device.Box.Number");
    session_set(bench, "SessionMode", "Require");
    bench_expect(bench_sent(bench), "self::one signed session new 1/1 [10]");
    id = session_last_id(bench);
    /* What there is to tell waits until the session is up. */
    bench->as = 1;
    bench_expect(bench_set(bench, false, "Device.Box.: Number=4"),
                 "self::two SET_RESP m1 {Device.Box. ok{{Device.Box. Number=4}}}");
    bench_expect(session_shake(bench, "welcome", AT(id, 1, 2, .protection = SIGNED)),
                 "self::one signed session new 2/2 [9]\nself::one mac session new 3/2 [62]");
    bench_expect(session_state(bench), "Up 0");
    bench_expect(ask(bench, id, 2, MAC_SERVER), "self::one mac session new 4/3 [68]");
    bench->as = 0;
    bench_expect(bench_get(bench, 0, BOX), "self::one ERROR m1 #7101");
    /* The controller may begin one as well; but not without TLS. */
    bench_expect(session_ask(bench, BOX, AT(9, 1, 1, .protection = SIGNED)), "self::one disconnect #7101");
    come_up(bench, 5);
}

/* R-E2E.10 to R-E2E.12 by a clock of ours: m is 5 s, k 2. */
static void retries(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;
    uint64_t least = 5000;

    session_set(bench, "SessionMode", "Require");
    for (unsigned i = 1; i <= 4; i++) {
        char state_text[32];

        bench_sent(bench);
        bench_expect(session_shake(bench, "alert", AT(session_last_id(bench), 1, 2, .protection = SIGNED)),
                     "");
        snprintf(state_text, sizeof(state_text), "Down %u", i);
        bench_expect(session_state(bench), state_text);
        usp_reachable(bench->usp); /* does not hurry it */
        bench_advance(bench, least - 100);
        assert_int_equal(bench->sent_count, 0);
        for (uint64_t ms = 0; ms <= least + 200 && !bench->sent_count; ms += 100)
            bench_advance(bench, 100);
        bench_expect(bench_sent(bench), "self::one signed session new 1/1 [10]");
        least *= 2;
    }
    session_shake(bench, "welcome", AT(session_last_id(bench), 1, 2, .protection = SIGNED));
    bench_expect(session_state(bench), "Up 4");
    ask(bench, session_last_id(bench), 2, MAC_SERVER);
    bench_expect(session_state(bench), "Up 0");
}

/* R-E2E.11: only as long as SessionExpiration; then, when there is something to say again. */
static void gives_up(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;
    unsigned alerts = 0;
    unsigned seconds = 0;

    session_set(bench, "SessionExpiration", "20");
    session_set(bench, "SessionMode", "Require");
    while (alerts < 6 && seconds < 300) {
        if (bench_sent(bench)[0]) {
            session_shake(bench, "alert", AT(session_last_id(bench), 1, 2, .protection = SIGNED));
            alerts++;
            seconds = 0;
        }
        bench_advance(bench, 1000);
        seconds++;
    }
    assert_in_range(alerts, 2, 4); /* 5 to 10 s, 10 to 20 s and perhaps 20 to 40 s apart */
    bench_expect(session_state(bench), "Down 0");
    usp_reachable(bench->usp);
    bench_expect(bench_sent(bench), "self::one signed session new 1/1 [10]");
}

/* A peer that does not answer the handshake. */
static void silence(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;

    session_set(bench, "SessionMode", "Require");
    bench_sent(bench);
    bench_advance(bench, 29000);
    bench_expect(session_state(bench), "Negotiating 0");
    bench_advance(bench, 2000);
    bench_expect(session_state(bench), "Down 1");
    bench_advance(bench, 11000);
    bench_expect(bench_sent(bench), "self::one signed session new 1/1 [10]");
}

/* ---- refused ---- */

static void refused(void **state)
{
    struct world *world = *state;
    struct usp_bench *bench = &world->bench;

    world->toy.refuses = true;
    session_shake(bench, "hello", AT(5, 1, 1, .protection = SIGNED));
    /* With Allow nothing was there that could be gone on with: it ends with the alert. */
    bench_expect(session_shake(bench, "done", AT(5, 2, 2, .protection = SIGNED)),
                 "self::one signed session 5 2/3 [7]\nself::one disconnect #7105");
    bench_expect(session_state(bench), "Down 0");
    assert_int_equal(world->toy.open, 0);
    world->toy.absent = true;
    bench_expect(session_shake(bench, "hello", AT(6, 1, 1, .protection = SIGNED)),
                 "self::one disconnect #7102");
    session_set(bench, "SessionMode", "Require");
    bench_expect(bench_sent(bench), "");
    bench_expect(session_state(bench), "Down 0");
}

/* A hostile peer that begins handshakes without an end. */
static void endless_handshakes(void **state)
{
    struct world *world = *state;
    struct usp_bench *bench = &world->bench;

    for (uint64_t i = 2; i < 500; i++) {
        session_shake(bench, "hello", AT(i, 1, 1, .protection = SIGNED));
        assert_int_equal(world->toy.open, 1);
    }
    bench_advance(bench, 31000);
    bench_expect(session_state(bench), "Down 0");
    assert_int_equal(world->toy.open, 0);
    assert_int_equal(bench->usp->session_bytes, 0);
}

/* A session with TLS is not ended by an unsigned Disconnect record, where anybody could send one. */
static void forged_disconnect(void **state)
{
    struct usp_bench *bench = &((struct world *)*state)->bench;
    struct usp_channel *channel = &bench->channels[0].channel;

    come_up(bench, 5);
    for (unsigned named = 0; named < 2; named++) {
        struct buf record;

        buf_init(&record, 4096, USP_HEADROOM);
        usp_record_disconnect(&record, STR("self::agent"), STR("self::one"), 7105, STR("over"));
        channel->certificates = named ? "" : NULL;
        channel->named = named;
        usp_receive(bench->usp, channel, NULL, (struct str){(char *)buf_data(&record), record.len}, NULL);
        buf_done(&record);
        bench_turn(bench);
        bench_expect(session_state(bench), named ? "Down 0" : "Up 0");
    }
}

/* Settings that allow the session no more end it, also when no other can be had. */
static void settings_change(void **state)
{
    struct world *world = *state;
    struct usp_bench *bench = &world->bench;

    session_ask(bench, BOX, AT(5, 1, 1));
    bench->channels[0].up = false;
    session_set(bench, "SessionMode", "Require");
    bench_expect(session_state(bench), "Down 0");
    bench->channels[0].up = true;
    usp_reachable(bench->usp);
    bench_expect(bench_sent(bench), "self::one signed session new 1/1 [10]");
}

/* ---- who it is ---- */

/* InheritedRole is of the chain that TLS in the payload showed, as of one that TLS below showed (R-SEC.25). */
static void roles(void **state)
{
    struct world *world = *state;
    struct usp_bench *bench = &world->bench;

    world->toy.certificates = "Device.LocalAgent.Certificate.1.";
    come_up(bench, 5);
    bench_expect(usp_controller_find(bench->usp, STR("self::one"))->certificates, world->toy.certificates);
    bench_get(bench, 0, BOX);
    assert_null(usp_controller_find(bench->usp, STR("self::one"))->certificates);
    ask(bench, 5, 3, MAC_CLIENT);
    bench_expect(usp_controller_find(bench->usp, STR("self::one"))->certificates, world->toy.certificates);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(server),
        TEST(unprotected),
        TEST(protected_by_transport),
        TEST(security_changes),
        TEST(signatures),
        TEST(segments),
        TEST(client),
        TEST(retries),
        TEST(gives_up),
        TEST(silence),
        TEST(refused),
        TEST(endless_handshakes),
        TEST(roles),
        TEST(forged_disconnect),
        TEST(settings_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
