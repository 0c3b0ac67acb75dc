/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/limits.h"
#include "tests/unit/websocket_sides.h"

/* ---- tests ---- */

static void test_both_ways(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 8192, 8193, 65535, 65536, 300000, MAX_MESSAGE};
    struct ws_fixture *f = *state;
    int n = 0;

    f->server_side.echo = true;
    ws_connect_both(f);
    assert_string_equal(f->server_side.path, "/usp");
    assert_string_equal(f->server_side.query, "eid=self::client");
    assert_string_equal(f->server_side.subprotocols, "v1.usp");
    assert_string_equal(f->server_side.peer, "127.0.0.1");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ws_send_bytes(f->client_side.ws, sizes[i], (uint8_t)i, i % 2);
        n++;
        WAIT_FOR(&f->loop, f->client_side.messages == n);
        assert_int_equal(f->client_side.binary, i % 2);
        assert_int_equal(f->client_side.sum, f->server_side.sum);
    }
    for (int i = 0; i < 3000; i++)
        ws_send_bytes(f->client_side.ws, 300, 1, true);
    WAIT_FOR(&f->loop, f->client_side.messages == n + 3000);
    assert_int_equal(f->client_side.bytes, f->server_side.bytes);
}

static void test_close_from_client(void **state)
{
    struct ws_fixture *f = *state;

    ws_connect_both(f);
    ws_send_bytes(f->client_side.ws, 100000, 0, true);
    websocket_close(f->client_side.ws, 1001, "going");
    WAIT_FOR(&f->loop, f->client_side.closed && f->server_side.closed);
    assert_int_equal(f->server_side.bytes, 100000); /* what was queued before is sent first */
    assert_int_equal(f->server_side.code, 1001);
    assert_non_null(strstr(f->server_side.why, "going"));
    assert_int_equal(f->client_side.code, 1001);
    assert_string_equal(f->client_side.why, "closed with 1001: going");
}

static void test_close_from_server(void **state)
{
    struct ws_fixture *f = *state;

    ws_connect_both(f);
    websocket_close(f->server_side.ws, 1003, "not a record"); /* R-WS.16 */
    WAIT_FOR(&f->loop, f->client_side.closed && f->server_side.closed);
    assert_int_equal(f->client_side.code, 1003);
    assert_non_null(strstr(f->client_side.why, "not a record"));
}

static void test_server_goes(void **state)
{
    struct ws_fixture *f = *state;
    uint16_t port;

    ws_connect_both(f);
    port = websocket_server_port(f->server);
    websocket_server_free(f->server);
    assert_int_equal(f->server_side.closed, 1);
    /* The port is free at once. */
    f->server_settings.port = port;
    ws_serve(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->client_side.code, 1001); /* going away */
    websocket_client_free(f->client);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened == 2);
}

static void test_freed_in_callbacks(void **state)
{
    struct ws_fixture *f = *state;

    f->server_side.echo = true;
    ws_connect_both(f);
    f->client_side.free_client = f->client;
    f->client = NULL;
    ws_send_bytes(f->client_side.ws, 10, 0, true);
    ws_send_bytes(f->client_side.ws, 10, 0, true);
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(f->client_side.closed, 0);
    assert_int_equal(f->client_side.messages, 1);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->server_side.opened == 2 && f->client_side.opened == 2);
    f->server_side.free_server = f->server;
    f->server = NULL;
    ws_send_bytes(f->client_side.ws, 10, 0, true);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->server_side.closed, 2);
}

static void test_refusals(void **state)
{
    struct ws_fixture *f = *state;
    char answer[1000];

    ws_serve(f);
    /* R-WS.12a */
    assert_int_equal(ws_handshake(f, "/usp", "", answer, sizeof(answer)), 400);
    close(f->fd);
    assert_int_equal(ws_handshake(f, "/usp", "Sec-WebSocket-Protocol: other\r\n", answer, sizeof(answer)),
                     400);
    close(f->fd);
    assert_int_equal(f->server_side.accepted, 0);
    f->server_side.refuse = 403;
    assert_int_equal(ws_handshake(f, "/usp", USP, answer, sizeof(answer)), 403);
    close(f->fd);
    assert_int_equal(f->server_side.accepted, 1);
    /* No upgrade. */
    ws_connect_raw(f);
    ws_say(f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    assert_int_equal(ws_hear_answer(f, answer, sizeof(answer)), 404);
    close(f->fd);
    ws_connect_raw(f);
    ws_say(f, "\x16\x03\x01garbage\r\n\r\n", 14);
    assert_int_not_equal(ws_hear_answer(f, answer, sizeof(answer)), 101);
    assert_int_equal(f->server_side.opened, 0);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_non_null(strstr(f->client_side.why, "403"));
    assert_null(f->client_side.ws);
}

static void test_subprotocols(void **state)
{
    struct ws_fixture *f = *state;
    char answer[1000];

    f->server_settings.require_subprotocol = false;
    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/a", "Sec-WebSocket-Protocol: x, v1.usp\r\n", answer, sizeof(answer)),
                     101);
    assert_non_null(strstr(answer, "Protocol: v1.usp\r\n")); /* R-WS.11 */
    close(f->fd);
    assert_int_equal(ws_handshake(f, "/b?x=1&y=%252f;z", "", answer, sizeof(answer)), 101);
    assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    assert_string_equal(f->server_side.path, "/b");
    assert_string_equal(f->server_side.query,
                        "x=1&y=%252f&z"); /* R-WS.10c: decoded once by its reader, it is %2f */
    close(f->fd);
    /* R-WS.12 */
    f->client_settings.subprotocol = "v2.usp";
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->client_side.opened, 0);
}

/* A client of a server that answers without a subprotocol. */
static void test_silent_about_subprotocol(void **state)
{
    struct ws_fixture *f = *state;
    struct websocket_server *other;

    ws_serve(f);
    /* Another server knows v9, so that lws does; this one must not let it pass. */
    f->server_settings.subprotocol = "v9";
    other = websocket_server_new(f->context, &f->server_settings, &ws_ops, &f->server_side, NULL);
    assert_non_null(other);
    f->client_settings.subprotocol = "v9";
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_non_null(strstr(f->client_side.why, "400"));
    websocket_client_free(f->client);
    f->client_settings.port = websocket_server_port(other);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened);
    websocket_server_free(other);
}

static void test_fragments(void **state)
{
    struct ws_fixture *f = *state;
    char text[200];

    ws_serve(f);
    f->server_side.echo = true;
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    ws_say_frame(f, 0x02, "one ", 4); /* R-WS.14b, with a ping between the parts */
    ws_say_frame(f, 0x89, "hello", 5);
    ws_say_frame(f, 0x00, "two ", 4);
    ws_say_frame(f, 0x80, "three", 5);
    for (int i = 0; i < 2; i++) { /* the pong may come after what follows it */
        int type = ws_hear_frame(f, text);

        assert_true(type == 0x8a || type == 0x82);
        assert_string_equal(text, type == 0x8a ? "hello" : "one two three");
    }
    assert_int_equal(f->server_side.messages, 1);
    ws_say_frame(f, 0x88, "\x03\xe8", 2);
    assert_int_equal(ws_hear_frame(f, text), 0x88); /* R-WS.8 */
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(f->server_side.code, 1000);
}

static void test_too_long(void **state)
{
    struct ws_fixture *f = *state;
    char text[1000];

    f->server_settings.max_message = 500;
    ws_connect_both(f);
    ws_send_bytes(f->client_side.ws, 500, 0, true);
    WAIT_FOR(&f->loop, f->server_side.messages == 1);
    ws_send_bytes(f->client_side.ws, 501, 0, true);
    WAIT_FOR(&f->loop, f->client_side.closed && f->server_side.closed);
    assert_int_equal(f->client_side.code, 1009);
    assert_int_equal(f->server_side.messages, 1);
    /* In parts it is no shorter, and a length that is only claimed counts. */
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 5; i++)
        ws_say_frame(f, i ? 0x00 : 0x02, text, 120);
    assert_int_equal(ws_hear_frame(f, text), 0x88);
    assert_memory_equal(text, "\x03\xf1", 2);
    close(f->fd);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    ws_say(f, "\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\x01\x02\x03\x04zz", 16);
    assert_int_equal(ws_hear_frame(f, text), 0x88);
    /* What does not fit in a size_t of 32 bits is an error of the protocol to the library. */
    assert_memory_equal(text, sizeof(size_t) < 8 ? "\x03\xea" : "\x03\xf1", 2);
}

static void test_bad_frames(void **state)
{
    struct ws_fixture *f = *state;
    char text[1000];

    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    ws_say_frame(f, 0x83, "xyz", 3); /* unknown opcode */
    while (ws_hear(f, text, 1))
        ;
    WAIT_FOR(&f->loop, f->server_side.closed == 1);
    close(f->fd);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    ws_say_frame(f, 0x81, "\xff\xfe", 2); /* not UTF-8 */
    assert_int_equal(ws_hear_frame(f, text), 0x88);
    assert_memory_equal(text, "\x03\xef", 2);
    close(f->fd);
    WAIT_FOR(&f->loop, f->server_side.closed == 2);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    ws_say_frame(f, 0xf2, "xyz", 3); /* reserved bits */
    while (ws_hear(f, text, 1))
        ;
    WAIT_FOR(&f->loop, f->server_side.closed == 3);
    assert_int_equal(f->server_side.messages, 0);
}

static void test_ping(void **state)
{
    struct ws_fixture *f = *state;
    char text[1000];

    clock_fake(&f->loop.clock, 1700000000);
    f->server_settings.ping_s = 30;
    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    WAIT_FOR(&f->loop, f->server_side.opened);
    clock_fake_advance(&f->loop.clock, 30000);
    timers_run(&f->loop.timers);
    assert_int_equal(ws_hear_frame(f, text), 0x89);
    ws_say_frame(f, 0x8a, text, strlen(text));
    clock_fake_advance(&f->loop.clock, 30000);
    timers_run(&f->loop.timers);
    assert_int_equal(ws_hear_frame(f, text), 0x89);
    clock_fake_advance(&f->loop.clock, 30000); /* no pong this time */
    timers_run(&f->loop.timers);
    assert_int_equal(f->server_side.closed, 1);
    assert_non_null(strstr(f->server_side.why, "ping"));
    assert_false(ws_hear(f, text, 1));
}

/* A client pings, too, and is answered. */
static void test_client_ping(void **state)
{
    struct ws_fixture *f = *state;

    clock_fake(&f->loop.clock, 1700000000);
    f->client_settings.ping_s = 30;
    ws_connect_both(f);
    for (int i = 0; i < 4; i++) {
        clock_fake_advance(&f->loop.clock, 30000);
        timers_run(&f->loop.timers);
        for (int k = 0; k < 5; k++)
            wait_turn(&f->loop);
    }
    assert_int_equal(f->client_side.closed, 0);
    ws_send_bytes(f->client_side.ws, 10, 0, true);
    WAIT_FOR(&f->loop, f->server_side.messages == 1);
}

/* The raw client goes, and the server has seen it. */
static void hang_up(struct ws_fixture *f, int times)
{
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, f->server_side.opened == times && f->server_side.closed == times);
}

/* R-WS.18: another interval takes effect on the connections that are open. */
static void test_keep_alive_changes(void **state)
{
    struct ws_fixture *f = *state;
    char text[1000];

    clock_fake(&f->loop.clock, 1700000000);
    f->server_settings.ping_s = 3000;
    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    WAIT_FOR(&f->loop, f->server_side.opened);
    websocket_server_keep_alive(f->server, 10);
    clock_fake_advance(&f->loop.clock, 10000);
    timers_run(&f->loop.timers);
    assert_int_equal(ws_hear_frame(f, text), 0x89);
    hang_up(f, 1);
    f->client_settings.ping_s = 3000;
    ws_start_client(f);
    websocket_client_keep_alive(f->client, 20); /* before it is open */
    WAIT_FOR(&f->loop, f->client_side.opened);
    websocket_client_keep_alive(f->client, 10);
    websocket_server_keep_alive(f->server, 0);
    clock_fake_advance(&f->loop.clock, 10000);
    timers_run(&f->loop.timers);
    for (int k = 0; k < 5; k++)
        wait_turn(&f->loop);
    clock_fake_advance(&f->loop.clock, 10000);
    timers_run(&f->loop.timers);
    assert_int_equal(f->client_side.closed, 0); /* its ping was answered */
}

/* What is queued when an owner lets go is sent, and then a Close frame (RFC 6455 7.1.1). */
static void test_freed_in_order(void **state)
{
    struct ws_fixture *f = *state;

    ws_connect_both(f);
    ws_send_bytes(f->client_side.ws, 100, 0, true);
    websocket_client_free(f->client);
    f->client = NULL;
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(f->server_side.messages, 1);
    assert_int_equal(f->server_side.code, 1001);
    assert_int_equal(f->client_side.closed, 0);
}

/* R-WS.11a to R-WS.11c. */
static void test_extension(void **state)
{
    static const char extension[] = "one-word; eid=\"os::server\"";
    struct ws_fixture *f = *state;
    char answer[1000];

    f->server_settings.extension = extension;
    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/usp", USP, answer, sizeof(answer)), 101);
    assert_null(strcasestr(answer, "extensions"));
    hang_up(f, 1);
    assert_int_equal(
        ws_handshake(f, "/usp", USP "Sec-WebSocket-Extensions: one-words, two\r\n", answer, sizeof(answer)),
        101);
    assert_null(strcasestr(answer, "extensions"));
    hang_up(f, 2);
    assert_int_equal(ws_handshake(f, "/usp", USP "Sec-WebSocket-Extensions: two, one-word; eid=\"x\"\r\n",
                                  answer, sizeof(answer)),
                     101);
    assert_non_null(strcasestr(answer, "Sec-WebSocket-Extensions: one-word; eid=\"os::server\"\r\n"));
    hang_up(f, 3);
    /* A client that offers it takes it, and frames are as ever. */
    f->server_side.echo = true;
    f->client_settings.extension = "one-word; eid=\"os::client\"";
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened + f->client_side.closed);
    assert_int_equal(f->client_side.opened, 1);
    ws_send_bytes(f->client_side.ws, 70000, 3, true);
    WAIT_FOR(&f->loop, f->client_side.messages == 1);
    assert_int_equal(f->client_side.sum, f->server_side.sum);
    assert_string_equal(f->server_side.extensions, "one-word; eid=\"os::client\"");
}

static void test_queue_limit(void **state)
{
    struct limits limits = limits_default;
    struct ws_fixture *f = *state;
    struct buf message;
    char text[1000];
    int sent = 0;

    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101); /* and reads nothing more */
    WAIT_FOR(&f->loop, f->server_side.opened);
    for (;; sent++) {
        buf_init(&message, limits_default.queue_bytes, WEBSOCKET_HEADROOM);
        buf_room(&message, 1 << 20);
        memset(buf_data(&message), 0, 1 << 20);
        message.len = 1 << 20;
        if (websocket_send(f->server_side.ws, true, &message) < 0)
            break;
    }
    buf_done(&message);
    assert_in_range(sent, 30, 32);
    assert_true(websocket_queued_bytes(f->server_side.ws) <= limits_default.queue_bytes + 1000);
    /* Another limit counts at once. */
    limits.queue_bytes = 1 << 20;
    f->loop.limits = &limits;
    buf_init(&message, limits.queue_bytes, WEBSOCKET_HEADROOM);
    buf_append(&message, text, 1);
    assert_int_equal(websocket_send(f->server_side.ws, true, &message), -1);
    limits.queue_bytes = 100 << 20;
    assert_int_equal(websocket_send(f->server_side.ws, true, &message), 0);
    buf_done(&message);
    f->loop.limits = &limits_default;
    for (int i = 0; i < 10; i++)
        wait_turn(&f->loop);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, f->server_side.closed);
}

static void test_connection_limit(void **state)
{
    struct ws_fixture *f = *state;
    char text[1000];
    int first;

    f->server_settings.max_connections = 1;
    ws_serve(f);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
    first = f->fd;
    ws_connect_raw(f);
    assert_false(ws_hear(f, text, 1));
    close(first);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(ws_handshake(f, "/usp", USP, text, sizeof(text)), 101);
}

static void test_nobody_there(void **state)
{
    struct ws_fixture *f = *state;

    ws_serve(f);
    websocket_server_free(f->server);
    f->server = NULL;
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_null(f->client_side.ws);
    assert_true(strlen(f->client_side.why) > 10);
    websocket_client_free(f->client);
    f->client_settings.host = "name.invalid";
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed == 2);
    assert_non_null(strstr(f->client_side.why, "resolve"));
    websocket_client_free(f->client); /* while the name is being resolved */
    ws_start_client(f);
}

static void test_port_in_use(void **state)
{
    struct ws_fixture *f = *state;
    struct error err;

    ws_serve(f);
    f->server_settings.port = websocket_server_port(f->server);
    assert_null(websocket_server_new(f->context, &f->server_settings, &ws_ops, NULL, &err));
    assert_non_null(strstr(err.message, "in use"));
    f->server_settings.address = "no address";
    assert_null(websocket_server_new(f->context, &f->server_settings, &ws_ops, NULL, &err));
    f->server_settings.address = "";
    f->server_settings.port = 0;
    websocket_server_free(f->server);
    ws_connect_both(f);
    assert_string_equal(f->server_side.peer, "127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_close_from_client, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_close_from_server, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_server_goes, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_freed_in_callbacks, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_subprotocols, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_silent_about_subprotocol, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_fragments, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_too_long, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_bad_frames, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_ping, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_client_ping, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_keep_alive_changes, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_freed_in_order, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_extension, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_queue_limit, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_connection_limit, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, ws_setup, ws_teardown),
        cmocka_unit_test_setup_teardown(test_port_in_use, ws_setup, ws_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
