/* SPDX-License-Identifier: BSD-3-Clause */
/* What one address may take of a server (addresses and time without a socket), and what those who never finish their handshake
 * take from others. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/limits.h"
#include "transports/websocket_internal.h"
#include "tests/unit/websocket_sides.h"

enum {
    PLACES = 3,
    NETWORK_PLACES = 6,
    BURST = 5,
    INTERVAL_MS = 1000,
    IDLERS = 600, /* more than there are places for handshakes */
    FILES = 2048,
    SPARE_MS = 5000,
};

struct bench {
    struct loop loop;
    struct websocket_context context;
    struct listener listener;
};

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage to = {0};

    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&to)->sin_addr) == 1) {
        to.ss_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&to)->sin6_addr), 1);
        to.ss_family = AF_INET6;
    }
    return to;
}

static bool enter(struct bench *b, const char *text, struct listener_peer **ret_peer)
{
    struct sockaddr_storage address = address_of(text);

    return listener_peer_enter(&b->listener, &address, ret_peer);
}

static void pass(struct bench *b, uint64_t ms)
{
    clock_fake_advance(&b->loop.clock, ms);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_int_equal(loop_init(&b->loop, NULL), 0);
    clock_fake(&b->loop.clock, 1000000);
    b->context.loop = &b->loop;
    map_init(&b->context.peers);
    b->listener = (struct listener){
        .context = &b->context,
        .port = 7680,
        .per_peer = {.connections = PLACES, .burst = BURST, .interval_ms = INTERVAL_MS},
        .network_places = NETWORK_PLACES,
    };
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    listener_peers_done(&b->context);
    loop_done(&b->loop);
    free(b);
    return 0;
}

static void test_places_of_one_address(void **state)
{
    struct listener_peer *peers[PLACES], *other;
    struct bench *b = *state;

    for (int i = 0; i < PLACES; i++) {
        assert_true(enter(b, "192.168.1.7", &peers[i]));
        assert_non_null(peers[i]);
    }
    assert_false(enter(b, "192.168.1.7", &other));
    assert_null(other);
    assert_false(enter(b, "::ffff:192.168.1.7", &other)); /* the same, as an IPv6 socket has it */
    assert_true(enter(b, "192.168.1.8", &other));
    assert_true(enter(b, "fe80::7", &other));
    b->listener.port = 7681; /* another server */
    assert_true(enter(b, "192.168.1.7", &other));
    b->listener.port = 7680;
    listener_peer_leave(&b->context, peers[0]);
    assert_true(enter(b, "192.168.1.7", &peers[0]));
}

static void test_new_ones_in_a_time(void **state)
{
    struct listener_peer *peer;
    struct bench *b = *state;

    for (int i = 0; i < BURST; i++) {
        assert_true(enter(b, "192.168.1.7", &peer));
        listener_peer_leave(&b->context, peer);
    }
    assert_false(enter(b, "192.168.1.7", &peer));
    pass(b, INTERVAL_MS - 1);
    assert_false(enter(b, "192.168.1.7", &peer));
    pass(b, 1);
    assert_true(enter(b, "192.168.1.7", &peer));
    listener_peer_leave(&b->context, peer);
    assert_false(enter(b, "192.168.1.7", &peer));
}

static void test_this_machine_is_not_limited(void **state)
{
    static const char *const own[] = {"127.0.0.1", "127.200.3.4", "::1", "::ffff:127.0.0.1"};
    struct listener_peer *peer;
    struct bench *b = *state;

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        for (int k = 0; k < 100; k++) {
            assert_true(enter(b, own[i], &peer));
            assert_null(peer);
        }
    }
    listener_peer_leave(&b->context, NULL);
    b->listener.per_peer = (struct peer_limits){0};
    for (int k = 0; k < 100; k++)
        assert_true(enter(b, "192.168.1.7", &peer));
    assert_int_equal(b->context.peers.count, 0);
}

/* A host makes up addresses of its /64: they have places together, too, and others theirs. */
static void test_places_of_one_network(void **state)
{
    struct listener_peer *peers[NETWORK_PLACES], *other;
    struct bench *b = *state;
    char text[64];

    for (int i = 0; i < NETWORK_PLACES; i++) {
        snprintf(text, sizeof(text), "fd00::%x", i + 1);
        assert_true(enter(b, text, &peers[i]));
    }
    assert_false(enter(b, "fd00::ffff", &other));
    assert_false(enter(b, "fd00::1", &other));
    assert_true(enter(b, "192.168.1.7", &other));
    assert_true(enter(b, "fd00:0:0:1::1", &other));
    assert_true(enter(b, "fe80::1", &other));
    listener_peer_leave(&b->context, peers[2]);
    assert_true(enter(b, "fd00::ffff", &peers[2]));
    assert_false(enter(b, "fd00::fffe", &other));
    for (int i = 0; i < NETWORK_PLACES; i++)
        listener_peer_leave(&b->context, peers[i]);
    assert_true(enter(b, "fd00::fffd", &other));
}

/* The same link-local address on two links is two hosts, on two networks. */
static void test_links(void **state)
{
    struct sockaddr_storage address = address_of("fe80::1");
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    struct listener_peer *peer;
    struct bench *b = *state;

    b->listener.network_places = PLACES;
    for (uint32_t link = 2; link < 4; link++) {
        v6->sin6_scope_id = link;
        for (int i = 0; i < PLACES; i++)
            assert_true(listener_peer_enter(&b->listener, &address, &peer));
        assert_false(listener_peer_enter(&b->listener, &address, &peer));
        v6->sin6_addr.s6_addr[15] = 2;
        assert_false(listener_peer_enter(&b->listener, &address, &peer));
        v6->sin6_addr.s6_addr[15] = 1;
    }
}

/* Nor do they open more, or leave more behind, than some hosts would. */
static void test_new_ones_of_one_network(void **state)
{
    unsigned opened = 0, n;
    struct listener_peer *peer;
    struct bench *b = *state;
    char text[64];

    for (n = 0; n < 1000; n++) {
        snprintf(text, sizeof(text), "fd00::%x", n + 1);
        if (!enter(b, text, &peer))
            continue;
        opened++;
        listener_peer_leave(&b->context, peer);
    }
    assert_int_equal(opened, BURST * 16);
    assert_in_range(b->context.peers.count, 1, BURST * 16 + 1);
    assert_true(enter(b, "fd00:0:0:1::1", &peer));
}

/* Addresses cost memory until they are idle, and never more than the table has. */
static void test_addresses_without_end(void **state)
{
    struct listener_peer *peer;
    struct bench *b = *state;
    char text[64];

    for (unsigned n = 0; n < LIMIT_LAN_ADDRESSES; n++) {
        snprintf(text, sizeof(text), "10.0.%u.%u", n >> 8, n & 0xff);
        assert_true(enter(b, text, &peer));
        listener_peer_leave(&b->context, peer);
    }
    assert_int_equal(b->context.peers.count, LIMIT_LAN_ADDRESSES);
    assert_false(enter(b, "10.1.0.0", &peer));
    pass(b, INTERVAL_MS);
    assert_true(enter(b, "10.1.0.0", &peer));
    assert_int_equal(b->context.peers.count, 1);
}

static bool is_open(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

/* Who asks for nothing gives way to who does: after a while, and only when all places are taken. */
static void test_handshakes_that_never_end(void **state)
{
    struct ws_fixture *f = *state;
    int fds[IDLERS], open = 0;
    struct rlimit files;
    char text[1000];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < FILES)
        skip();
    clock_fake(&f->loop.clock, 1700000000);
    f->server_settings.max_connections = FILES;
    ws_serve(f);
    for (int i = 0; i < IDLERS; i++) {
        ws_connect_raw(f);
        fds[i] = f->fd;
        wait_turn(&f->loop);
    }
    assert_true(is_open(fds[0]));
    clock_fake_advance(&f->loop.clock, SPARE_MS);
    timers_run(&f->loop.timers);
    assert_int_equal(ws_handshake(f, "/usp", "Sec-WebSocket-Protocol: v1.usp\r\n", text, sizeof(text)), 101);
    assert_false(is_open(fds[0]));
    for (int i = 0; i < IDLERS; i++) {
        open += is_open(fds[i]);
        close(fds[i]);
    }
    assert_in_range(open, IDLERS / 2, IDLERS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places_of_one_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_places_of_one_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_ones_of_one_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_ones_in_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_this_machine_is_not_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_addresses_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_handshakes_that_never_end, ws_setup, ws_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
