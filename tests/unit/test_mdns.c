/* SPDX-License-Identifier: BSD-3-Clause */
/* Multicast DNS against a daemon that comes, goes and refuses as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/str.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_avahi.h"
#include "tests/unit/test_mdns.h"
#include "tests/unit/wait.h"

static void on_state(void *ctx, bool present, const char *why)
{
    struct bench *bench = ctx;

    ++*(present ? &bench->came : &bench->went);
    if (!present)
        str_copy(bench->why, sizeof(bench->why), why);
}

static void on_refused(void *ctx, const struct error *err)
{
    struct bench *bench = ctx;

    bench->refused++;
    str_copy(bench->why, sizeof(bench->why), err->message);
}

static const struct mdns_ops ops = {.state = on_state, .refused = on_refused, .instance = test_mdns_instance};

int test_mdns_set_up(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    fake_avahi_reset();
    if (loop_init(&bench.loop, NULL) < 0)
        return -1;
    *state = &bench;
    return 0;
}

int test_mdns_tear_down(void **state)
{
    struct bench *bench = *state;

    mdns_free(bench->mdns);
    loop_done(&bench->loop);
    return 0;
}

void test_mdns_begin(struct bench *bench, bool bus, bool daemon)
{
    fake_avahi_set(bus, daemon);
    bench->mdns = mdns_new(&bench->loop, &ops, bench, NULL);
    assert_non_null(bench->mdns);
}

static const char *const txt[] = {"path=/usp", "name=x", NULL};
static const struct mdns_service websocket = {
    .instance = "self::agent", .type = "_usp-agt-ws._tcp", .subtype = "_gateway", .port = 5684, .txt = txt};

#define SERVICE "service self::agent _usp-agt-ws._tcp -:5684 \"path=/usp\" \"name=x\"\n"

static void advertises(void **state)
{
    struct bench *bench = *state;
    struct mdns_service services[2] = {websocket,
                                       {.instance = "self::agent",
                                        .type = "_usp-agt-mqtt._tcp",
                                        .address = "192.0.2.9",
                                        .host_label = "mqtt",
                                        .port = 8883,
                                        .txt = txt + 2}};

    test_mdns_begin(bench, true, true);
    WAIT_FOR(&bench->loop, bench->came == 1);
    assert_int_equal(mdns_advertise(bench->mdns, services, 2, NULL), 0);
    WAIT_FOR(&bench->loop,
             fake_avahi_saw(SERVICE "subtype _gateway._sub._usp-agt-ws._tcp\n"
                                    "address gateway-mqtt.local 192.0.2.9\n"
                                    "service self::agent _usp-agt-mqtt._tcp gateway-mqtt.local:8883 \n"
                                    "commit 3\n"));
    /* A named server stays as it is named. What is not said any more is gone. */
    services[1].address = NULL;
    services[1].host = "broker.example.net";
    assert_int_equal(mdns_advertise(bench->mdns, services + 1, 1, NULL), 0);
    WAIT_FOR(&bench->loop,
             fake_avahi_saw("reset\nservice self::agent _usp-agt-mqtt._tcp broker.example.net:8883 \n"
                            "commit 1\n"));
    assert_int_equal(mdns_advertise(bench->mdns, NULL, 0, NULL), 0);
    WAIT_FOR(&bench->loop, fake_avahi_saw("reset\n"));
    mdns_free(bench->mdns);
    bench->mdns = NULL;
    assert_true(fake_avahi_saw("client freed\n"));
    assert_false(fake_avahi_saw("commit"));
}

static void daemon_comes_and_goes(void **state)
{
    struct bench *bench = *state;

    test_mdns_begin(bench, true, false);
    assert_int_equal(mdns_advertise(bench->mdns, &websocket, 1, NULL), 0);
    WAIT_FOR(&bench->loop, bench->went == 1);
    assert_string_equal(bench->why, "no Avahi daemon runs");
    fake_avahi_set(true, true);
    WAIT_FOR(&bench->loop, fake_avahi_saw(SERVICE));
    WAIT_FOR(&bench->loop, bench->came == 1);
    fake_avahi_set(true, false);
    WAIT_FOR(&bench->loop, bench->went == 2);
    assert_true(fake_avahi_saw("client freed\n"));
    fake_avahi_set(true, true);
    WAIT_FOR(&bench->loop, bench->came == 2 && fake_avahi_saw(SERVICE));
}

/* Said once, and tried again. */
static void bus_comes(void **state)
{
    struct bench *bench = *state;

    test_mdns_begin(bench, false, false);
    assert_int_equal(mdns_advertise(bench->mdns, &websocket, 1, NULL), 0);
    WAIT_FOR(&bench->loop, bench->went == 1);
    fake_avahi_set(true, true);
    WAIT_FOR(&bench->loop, bench->came == 1 && fake_avahi_saw(SERVICE));
    assert_int_equal(bench->went, 1);
}

static void refusals(void **state)
{
    struct bench *bench = *state;
    struct mdns_service services[2] = {{.instance = "self::agent", .type = "_bad._tcp", .txt = txt},
                                       websocket};

    test_mdns_begin(bench, true, true);
    assert_int_equal(mdns_advertise(bench->mdns, services, 2, NULL), 0);
    WAIT_FOR(&bench->loop, bench->refused == 1);
    assert_non_null(strstr(bench->why, "_bad._tcp"));
    assert_true(fake_avahi_saw(SERVICE)); /* the other one is not lost */
    fake_avahi_collide();
    assert_int_equal(mdns_advertise(bench->mdns, &websocket, 1, NULL), 0);
    WAIT_FOR(&bench->loop, bench->refused == 2);
    assert_non_null(strstr(bench->why, "another host"));
}

struct answer {
    unsigned count;
    char text[200];
};

static void on_name(void *ctx, const char *address, const struct error *err)
{
    struct answer *answer = ctx;

    answer->count++;
    str_copy(answer->text, sizeof(answer->text), address ? address : err->message);
}

static void resolves(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {.count = 0};

    fake_avahi_name("ctl.local", "192.0.2.7", 4);
    test_mdns_begin(bench, true, true);
    /* Asked before it is known whether a daemon is there. */
    assert_non_null(mdns_resolve(bench->mdns, "ctl.local.", on_name, &answer, NULL));
    WAIT_FOR(&bench->loop, answer.count == 1);
    assert_string_equal(answer.text, "192.0.2.7");
    fake_avahi_name("ctl.local", "2001:db8::7", 6);
    assert_non_null(mdns_resolve(bench->mdns, "ctl.local", on_name, &answer, NULL));
    WAIT_FOR(&bench->loop, answer.count == 2);
    assert_string_equal(answer.text, "2001:db8::7");
    fake_avahi_name("ctl.local", "fe80::7", 6);
    assert_non_null(mdns_resolve(bench->mdns, "ctl.local", on_name, &answer, NULL));
    WAIT_FOR(&bench->loop, answer.count == 3);
    assert_string_equal(answer.text, "fe80::7%3");
    assert_non_null(mdns_resolve(bench->mdns, "other.local", on_name, &answer, NULL));
    WAIT_FOR(&bench->loop, answer.count == 4);
    assert_non_null(strstr(answer.text, "nobody on the LAN"));
}

static void does_not_resolve_without_a_daemon(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {.count = 0};

    test_mdns_begin(bench, true, true);
    assert_non_null(mdns_resolve(bench->mdns, "silent.local", on_name, &answer, NULL));
    WAIT_FOR(&bench->loop, fake_avahi_saw("resolve silent.local 4"));
    fake_avahi_set(true, false); /* the answer that was awaited will not come */
    WAIT_FOR(&bench->loop, answer.count == 1);
    assert_non_null(strstr(answer.text, "no Avahi daemon"));
    assert_non_null(mdns_resolve(bench->mdns, "silent.local", on_name, &answer, NULL));
    WAIT_FOR(&bench->loop, answer.count == 2);
}

static void cancels(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {.count = 0};
    struct mdns_lookup *lookup;

    test_mdns_begin(bench, true, true);
    lookup = mdns_resolve(bench->mdns, "silent.local", on_name, &answer, NULL);
    WAIT_FOR(&bench->loop, fake_avahi_saw("resolve silent.local 4"));
    mdns_resolve_cancel(bench->mdns, lookup);
    WAIT_FOR(&bench->loop, fake_avahi_saw("resolver freed"));
    assert_non_null(
        mdns_resolve(bench->mdns, "silent.local", on_name, &answer, NULL)); /* ends with mdns_free() */
    assert_int_equal(answer.count, 0);
}

static void limits(void **state)
{
    struct mdns_service services[LIMIT_MDNS_SERVICES + 1];
    struct bench *bench = *state;
    struct answer answer = {.count = 0};
    struct error err;

    test_mdns_begin(bench, true, true);
    for (size_t i = 0; i < LIMIT_MDNS_SERVICES + 1; i++)
        services[i] = websocket;
    assert_int_equal(mdns_advertise(bench->mdns, services, LIMIT_MDNS_SERVICES + 1, &err), -1);
    for (size_t i = 0; i < LIMIT_MDNS_LOOKUPS; i++)
        assert_non_null(mdns_resolve(bench->mdns, "silent.local", on_name, &answer, NULL));
    assert_null(mdns_resolve(bench->mdns, "silent.local", on_name, &answer, &err));
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
}

/* Allocations of the loop's side; the thread has nothing to do meanwhile. */
static void out_of_memory(void **state)
{
    struct bench *bench = *state;
    struct answer answer = {.count = 0};
    struct error err;
    unsigned long n;

    fake_avahi_set(true, true);
    for (n = 1;; n++) {
        failing_alloc_arm(n);
        bench->mdns = mdns_new(&bench->loop, &ops, bench, &err);
        failing_alloc_arm(0);
        if (bench->mdns)
            break;
        assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    }
    assert_true(n > 2);
    WAIT_FOR(&bench->loop, bench->came == 1);
    for (n = 1;; n++) {
        failing_alloc_arm(n);
        if (mdns_advertise(bench->mdns, &websocket, 1, &err) == 0)
            break;
        failing_alloc_arm(0);
        assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    }
    failing_alloc_arm(0);
    WAIT_FOR(&bench->loop, fake_avahi_saw("commit"));
    for (n = 1; n <= 2; n++) {
        failing_alloc_arm(n);
        assert_null(mdns_resolve(bench->mdns, "ctl.local", on_name, &answer, &err));
        failing_alloc_arm(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(advertises, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(daemon_comes_and_goes, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(bus_comes, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(refusals, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(resolves, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(does_not_resolve_without_a_daemon, test_mdns_set_up,
                                        test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(cancels, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(limits, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, test_mdns_set_up, test_mdns_tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return failed + test_mdns_browse();
}
