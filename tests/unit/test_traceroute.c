/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes to this machine itself; longer ones are in tests/e2e. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/wait.h"
#include "transports/traceroute.h"

enum {
    FIRST_PORT = 33434,
};

struct fixture {
    struct loop loop;
    struct traceroute *trace;
    struct traceroute_settings settings;
    int fd; /* who listens, or -1 */
    int done;
    struct traceroute_result result;
    struct traceroute_hop hops[TRACEROUTE_HOPS_MAX];
    struct error err;
    char source[INET6_ADDRSTRLEN];
};

static void on_done(void *ctx, const struct traceroute_result *result)
{
    struct fixture *f = ctx;

    f->done++;
    f->trace = NULL;
    f->result = *result;
    memcpy(f->hops, result->hops, result->hops_count * sizeof(f->hops[0]));
    memcpy(f->source, result->source, sizeof(f->source));
    if (result->err)
        f->err = *result->err;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->fd = -1;
    f->settings = (struct traceroute_settings){
        .host = "127.0.0.1", .tries = 3, .timeout_ms = 5000, .size = 38, .max_hops = 30};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    traceroute_cancel(f->trace);
    loop_done(&f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    struct error err;

    f->done = 0;
    f->trace = traceroute_start(&f->loop, &f->settings, on_done, f, &err);
    if (!f->trace)
        fail_msg("%s", err.message);
    assert_int_equal(f->done, 0);
}

/* An address of the loopback that takes probes at the first port. */
static void listen_at(struct fixture *f, const char *address)
{
    struct sockaddr_in name;
    int one = 1;

    assert_int_equal(uv_ip4_addr(address, FIRST_PORT, &name), 0);
    f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setsockopt(f->fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof(one));
    assert_int_equal(bind(f->fd, (struct sockaddr *)&name, sizeof(name)), 0);
    f->settings.host = address;
}

static void test_this_machine(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    static const enum traceroute_family families[] = {TRACEROUTE_IPV4, TRACEROUTE_IPV6};
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        f->settings.host = hosts[i];
        f->settings.family = families[i];
        start(f);
        WAIT_FOR(&f->loop, f->done);
        if (i && f->result.status == TRACEROUTE_NO_ROUTE)
            continue; /* no IPv6 here */
        assert_int_equal(f->result.status, TRACEROUTE_COMPLETE);
        assert_int_equal(f->result.hops_count, 1);
        assert_string_equal(f->hops[0].address, hosts[i]);
        assert_string_equal(f->source, hosts[i]);
        assert_int_equal(f->hops[0].code, i ? 4 : 3); /* port unreachable */
        for (int k = 0; k < 3; k++)
            assert_in_range(f->hops[0].times_ms[k], 1, 1000);
        assert_in_range(f->result.response_ms, 1, 1000);
        assert_null(f->result.err);
    }
}

/* Tries are as far apart as they wait, and each hop has as many. */
static void test_no_answer(void **state)
{
    struct fixture *f = *state;
    char data[100];
    char control[100];
    struct iovec part = {data, sizeof(data)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    struct cmsghdr *cmsg;

    clock_fake(&f->loop.clock, 1700000000);
    listen_at(f, "127.9.8.7");
    f->settings.tries = 1;
    f->settings.max_hops = 1;
    f->settings.size = 50;
    f->settings.dscp = 46;
    start(f);
    message.msg_controllen = sizeof(control);
    WAIT_FOR(&f->loop, recvmsg(f->fd, &message, 0) == 50);
    cmsg = CMSG_FIRSTHDR(&message);
    assert_non_null(cmsg);
    assert_int_equal(*(uint8_t *)CMSG_DATA(cmsg), 46 << 2);
    clock_fake_advance(&f->loop.clock, 4999);
    timers_run(&f->loop.timers);
    assert_int_equal(f->done, 0);
    clock_fake_advance(&f->loop.clock, 1);
    timers_run(&f->loop.timers);
    WAIT_FOR(&f->loop, f->done);
    assert_int_equal(f->result.status, TRACEROUTE_TOO_FAR);
    assert_int_equal(f->result.hops_count, 1);
    assert_string_equal(f->hops[0].address, "");
    assert_int_equal(f->hops[0].times_ms[0], 0);
    assert_int_equal(f->result.response_ms, 0);
    assert_non_null(strstr(f->err.message, "more than 1 hops"));
}

/* Somebody who listens and answers has been reached, too. */
static void test_answer_by_data(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char data[100];

    listen_at(f, "127.9.8.6");
    f->settings.tries = 1;
    start(f);
    WAIT_FOR(&f->loop, recvfrom(f->fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len) == 38);
    assert_int_equal(sendto(f->fd, data, 1, 0, (struct sockaddr *)&from, len), 1);
    WAIT_FOR(&f->loop, f->done);
    assert_int_equal(f->result.status, TRACEROUTE_COMPLETE);
    assert_string_equal(f->hops[0].address, "127.9.8.6");
}

static void test_failures(void **state)
{
    struct fixture *f = *state;

    f->settings.host = "no-such-host.invalid";
    start(f);
    WAIT_FOR(&f->loop, f->done);
    assert_int_equal(f->result.status, TRACEROUTE_CANNOT_RESOLVE);
    assert_int_equal(f->result.hops_count, 0);
    f->settings.host = "127.0.0.1";
    f->settings.size = 65535; /* no datagram takes so much */
    start(f);
    WAIT_FOR(&f->loop, f->done);
    assert_int_equal(f->result.status, TRACEROUTE_FAILED);
    assert_int_equal(f->result.hops_count, 0);
    assert_non_null(f->result.err);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    char data[100];

    start(f); /* while the name is resolved */
    traceroute_cancel(f->trace);
    listen_at(f, "127.9.8.5");
    start(f); /* while it waits for an answer */
    WAIT_FOR(&f->loop, recv(f->fd, data, sizeof(data), 0) == 38);
    traceroute_cancel(f->trace);
    f->trace = NULL;
    for (int i = 0; i < 10; i++)
        wait_turn(&f->loop);
    assert_int_equal(f->done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_this_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_by_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
