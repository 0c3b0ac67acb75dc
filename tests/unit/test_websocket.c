/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/pki.h"
#include "tests/unit/wait.h"
#include "transports/websocket.h"

enum {
    MAX_MESSAGE = 4 << 20,
};

struct side {
    int accepted, opened, closed, messages;
    int refuse;
    int code;
    bool echo, binary, has_certificate;
    size_t bytes;
    uint32_t sum;
    char path[100], query[200], subprotocols[100], peer[64];
    char why[ERROR_MESSAGE_BYTES];
    char last[64];
    struct websocket *ws;
    struct websocket_server *free_server; /* on the first message */
    struct websocket_client *free_client;
};

struct fixture {
    struct loop loop;
    struct websocket_context *context;
    struct websocket_server *server;
    struct websocket_client *client;
    struct side server_side, client_side;
    struct websocket_server_settings server_settings;
    struct websocket_client_settings client_settings;
    int fd;
};

static int on_accept(void *ctx, const struct websocket_request *request, void **ret_ctx)
{
    struct side *side = ctx;

    side->accepted++;
    snprintf(side->path, sizeof(side->path), "%s", request->path);
    snprintf(side->query, sizeof(side->query), "%s", request->query);
    snprintf(side->subprotocols, sizeof(side->subprotocols), "%s", request->subprotocols);
    snprintf(side->peer, sizeof(side->peer), "%s", request->peer);
    *ret_ctx = side;
    return side->refuse;
}

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct side *side = ctx;

    side->opened++;
    side->ws = ws;
    side->has_certificate = peer_certificate != NULL;
}

static uint32_t sum_of(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + data[i];
    return sum;
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct side *side = ctx;

    side->messages++;
    side->bytes += len;
    side->binary = binary;
    side->sum = sum_of(data, len);
    snprintf(side->last, sizeof(side->last), "%.*s", len < 60 ? (int)len : 60, (const char *)data);
    if (side->echo) {
        struct buf copy;

        buf_init(&copy, MAX_MESSAGE + WEBSOCKET_HEADROOM, WEBSOCKET_HEADROOM);
        buf_append(&copy, data, len);
        if (websocket_send(ws, binary, &copy) < 0)
            websocket_close(ws, 1013, "queue full");
        buf_done(&copy);
    }
    websocket_server_free(side->free_server);
    side->free_server = NULL;
    websocket_client_free(side->free_client);
    side->free_client = NULL;
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct side *side = ctx;

    if (ws)
        assert_ptr_equal(ws, side->ws);
    side->ws = NULL;
    side->closed++;
    side->code = code;
    snprintf(side->why, sizeof(side->why), "%s", err->message);
}

static const struct websocket_ops ops = {
    .accept = on_accept, .opened = on_opened, .message = on_message, .closed = on_closed};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err;

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->context = websocket_context_new(&f->loop, &err);
    if (!f->context)
        fail_msg("%s", err.message);
    f->fd = -1;
    f->server_settings = (struct websocket_server_settings){
        .address = "127.0.0.1",
        .subprotocol = "v1.usp",
        .require_subprotocol = true,
        .max_message = MAX_MESSAGE,
        .max_connections = 100,
    };
    f->client_settings = (struct websocket_client_settings){
        .host = "127.0.0.1",
        .path = "/usp?eid=self::client",
        .subprotocol = "v1.usp",
        .max_message = MAX_MESSAGE,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    websocket_client_free(f->client);
    websocket_server_free(f->server);
    websocket_context_free(f->context);
    loop_done(&f->loop);
    free(f);
    return 0;
}

static void serve(struct fixture *f)
{
    struct error err;

    f->server = websocket_server_new(f->context, &f->server_settings, &ops, &f->server_side, &err);
    if (!f->server)
        fail_msg("%s: %s", err.path, err.message);
    f->client_settings.port = websocket_server_port(f->server);
    assert_int_not_equal(f->client_settings.port, 0);
}

static void start_client(struct fixture *f)
{
    struct error err;

    f->client = websocket_client_new(f->context, &f->client_settings, &ops, &f->client_side, &err);
    if (!f->client)
        fail_msg("%s: %s", err.path, err.message);
}

static void connect_both(struct fixture *f)
{
    serve(f);
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened + f->client_side.closed);
    if (!f->client_side.opened)
        fail_msg("%s", f->client_side.why);
    WAIT_FOR(&f->loop, f->server_side.opened);
}

static void send_bytes(struct websocket *ws, size_t len, uint8_t seed, bool binary)
{
    struct buf message;
    uint8_t *room;

    buf_init(&message, LIMIT_QUEUE_BYTES * 2, WEBSOCKET_HEADROOM);
    room = buf_room(&message, len);
    for (size_t i = 0; i < len; i++)
        room[i] = binary ? (uint8_t)(i * 7 + seed) : (uint8_t)('a' + i % 26);
    message.len = len;
    assert_int_equal(websocket_send(ws, binary, &message), 0);
    assert_int_equal(message.len, 0);
    buf_done(&message);
}

/* ---- a client of raw bytes ---- */

static void connect_raw(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(websocket_server_port(f->server))};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(f->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

static void say(struct fixture *f, const void *data, size_t len)
{
    assert_int_equal(write(f->fd, data, len), len);
    for (int i = 0; i < 3; i++)
        wait_turn(&f->loop);
}

/* Reads n bytes; false at the end of the stream. */
static bool hear(struct fixture *f, void *to, size_t n)
{
    uint64_t end = uv_hrtime() + 20000000000ull;
    size_t have = 0;

    while (have < n) {
        ssize_t got = read(f->fd, (char *)to + have, n - have);

        if (got == 0 || (got < 0 && errno != EAGAIN))
            return false;
        if (got > 0)
            have += (size_t)got;
        else
            wait_turn(&f->loop);
        assert_true(uv_hrtime() < end);
    }
    return true;
}

/* Reads an answer up to the blank line; returns its status, 0 when there is none. */
static int hear_answer(struct fixture *f, char *to, size_t size)
{
    size_t have = 0;

    to[0] = '\0';
    while (have + 1 < size && !strstr(to, "\r\n\r\n")) {
        if (!hear(f, to + have, 1))
            return 0;
        to[++have] = '\0';
    }
    return atoi(to + 9);
}

static int handshake(struct fixture *f, const char *path, const char *more, char *answer, size_t size)
{
    char request[1000];

    connect_raw(f);
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
             path, more);
    say(f, request, strlen(request));
    return hear_answer(f, answer, size);
}

static void say_frame(struct fixture *f, int first, const void *data, size_t len)
{
    uint8_t frame[1000] = {(uint8_t)first, (uint8_t)(0x80 | len), 1, 2, 3, 4};

    for (size_t i = 0; i < len; i++)
        frame[6 + i] = (uint8_t)(((const uint8_t *)data)[i] ^ (uint8_t)(1 + i % 4));
    say(f, frame, 6 + len);
}

/* The next short frame; returns its first byte. */
static int hear_frame(struct fixture *f, char *to)
{
    uint8_t header[2];

    if (!hear(f, header, 2))
        return 0;
    assert_true(header[1] < 126);
    assert_true(hear(f, to, header[1]));
    to[header[1]] = '\0';
    return header[0];
}

#define USP "Sec-WebSocket-Protocol: v1.usp\r\n"

/* ---- tests ---- */

static void test_both_ways(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 8192, 8193, 65535, 65536, 300000, MAX_MESSAGE};
    struct fixture *f = *state;
    int n = 0;

    f->server_side.echo = true;
    connect_both(f);
    assert_string_equal(f->server_side.path, "/usp");
    assert_string_equal(f->server_side.query, "eid=self::client");
    assert_string_equal(f->server_side.subprotocols, "v1.usp");
    assert_string_equal(f->server_side.peer, "127.0.0.1");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        send_bytes(f->client_side.ws, sizes[i], (uint8_t)i, i % 2);
        n++;
        WAIT_FOR(&f->loop, f->client_side.messages == n);
        assert_int_equal(f->client_side.binary, i % 2);
        assert_int_equal(f->client_side.sum, f->server_side.sum);
    }
    for (int i = 0; i < 3000; i++)
        send_bytes(f->client_side.ws, 300, 1, true);
    WAIT_FOR(&f->loop, f->client_side.messages == n + 3000);
    assert_int_equal(f->client_side.bytes, f->server_side.bytes);
}

static void test_close_from_client(void **state)
{
    struct fixture *f = *state;

    connect_both(f);
    send_bytes(f->client_side.ws, 100000, 0, true);
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
    struct fixture *f = *state;

    connect_both(f);
    websocket_close(f->server_side.ws, 1003, "not a record"); /* R-WS.16 */
    WAIT_FOR(&f->loop, f->client_side.closed && f->server_side.closed);
    assert_int_equal(f->client_side.code, 1003);
    assert_non_null(strstr(f->client_side.why, "not a record"));
}

static void test_server_goes(void **state)
{
    struct fixture *f = *state;
    uint16_t port;

    connect_both(f);
    port = websocket_server_port(f->server);
    websocket_server_free(f->server);
    assert_int_equal(f->server_side.closed, 1);
    /* The port is free at once. */
    f->server_settings.port = port;
    serve(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->client_side.code, 1006);
    websocket_client_free(f->client);
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened == 2);
}

static void test_freed_in_callbacks(void **state)
{
    struct fixture *f = *state;

    f->server_side.echo = true;
    connect_both(f);
    f->client_side.free_client = f->client;
    f->client = NULL;
    send_bytes(f->client_side.ws, 10, 0, true);
    send_bytes(f->client_side.ws, 10, 0, true);
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(f->client_side.closed, 0);
    assert_int_equal(f->client_side.messages, 1);
    start_client(f);
    WAIT_FOR(&f->loop, f->server_side.opened == 2 && f->client_side.opened == 2);
    f->server_side.free_server = f->server;
    f->server = NULL;
    send_bytes(f->client_side.ws, 10, 0, true);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->server_side.closed, 2);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    char answer[1000];

    serve(f);
    /* R-WS.12a */
    assert_int_equal(handshake(f, "/usp", "", answer, sizeof(answer)), 400);
    close(f->fd);
    assert_int_equal(handshake(f, "/usp", "Sec-WebSocket-Protocol: other\r\n", answer, sizeof(answer)), 400);
    close(f->fd);
    assert_int_equal(f->server_side.accepted, 0);
    f->server_side.refuse = 403;
    assert_int_equal(handshake(f, "/usp", USP, answer, sizeof(answer)), 403);
    close(f->fd);
    assert_int_equal(f->server_side.accepted, 1);
    /* No upgrade. */
    connect_raw(f);
    say(f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    assert_int_equal(hear_answer(f, answer, sizeof(answer)), 404);
    close(f->fd);
    connect_raw(f);
    say(f, "\x16\x03\x01garbage\r\n\r\n", 14);
    assert_int_not_equal(hear_answer(f, answer, sizeof(answer)), 101);
    assert_int_equal(f->server_side.opened, 0);
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_non_null(strstr(f->client_side.why, "403"));
    assert_null(f->client_side.ws);
}

static void test_subprotocols(void **state)
{
    struct fixture *f = *state;
    char answer[1000];

    f->server_settings.require_subprotocol = false;
    serve(f);
    assert_int_equal(handshake(f, "/a", "Sec-WebSocket-Protocol: x, v1.usp\r\n", answer, sizeof(answer)),
                     101);
    assert_non_null(strstr(answer, "Protocol: v1.usp\r\n")); /* R-WS.11 */
    close(f->fd);
    assert_int_equal(handshake(f, "/b?x=1&y=%252f;z", "", answer, sizeof(answer)), 101);
    assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    assert_string_equal(f->server_side.path, "/b");
    assert_string_equal(f->server_side.query,
                        "x=1&y=%252f&z"); /* R-WS.10c: decoded once by its reader, it is %2f */
    close(f->fd);
    /* R-WS.12 */
    f->client_settings.subprotocol = "v2.usp";
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_int_equal(f->client_side.opened, 0);
}

/* A client of a server that answers without a subprotocol. */
static void test_silent_about_subprotocol(void **state)
{
    struct fixture *f = *state;
    struct websocket_server *other;

    serve(f);
    /* Another server knows v9, so that lws does; this one must not let it pass. */
    f->server_settings.subprotocol = "v9";
    other = websocket_server_new(f->context, &f->server_settings, &ops, &f->server_side, NULL);
    assert_non_null(other);
    f->client_settings.subprotocol = "v9";
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_non_null(strstr(f->client_side.why, "400"));
    websocket_client_free(f->client);
    f->client_settings.port = websocket_server_port(other);
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened);
    websocket_server_free(other);
}

static void test_fragments(void **state)
{
    struct fixture *f = *state;
    char text[200];

    serve(f);
    f->server_side.echo = true;
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    say_frame(f, 0x02, "one ", 4); /* R-WS.14b, with a ping between the parts */
    say_frame(f, 0x89, "hello", 5);
    say_frame(f, 0x00, "two ", 4);
    say_frame(f, 0x80, "three", 5);
    for (int i = 0; i < 2; i++) { /* the pong may come after what follows it */
        int type = hear_frame(f, text);

        assert_true(type == 0x8a || type == 0x82);
        assert_string_equal(text, type == 0x8a ? "hello" : "one two three");
    }
    assert_int_equal(f->server_side.messages, 1);
    say_frame(f, 0x88, "\x03\xe8", 2);
    assert_int_equal(hear_frame(f, text), 0x88); /* R-WS.8 */
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(f->server_side.code, 1000);
}

static void test_too_long(void **state)
{
    struct fixture *f = *state;
    char text[1000];

    f->server_settings.max_message = 500;
    connect_both(f);
    send_bytes(f->client_side.ws, 500, 0, true);
    WAIT_FOR(&f->loop, f->server_side.messages == 1);
    send_bytes(f->client_side.ws, 501, 0, true);
    WAIT_FOR(&f->loop, f->client_side.closed && f->server_side.closed);
    assert_int_equal(f->client_side.code, 1009);
    assert_int_equal(f->server_side.messages, 1);
    /* In parts it is no shorter, and a length that is only claimed counts. */
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 5; i++)
        say_frame(f, i ? 0x00 : 0x02, text, 120);
    assert_int_equal(hear_frame(f, text), 0x88);
    assert_memory_equal(text, "\x03\xf1", 2);
    close(f->fd);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    say(f, "\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\x01\x02\x03\x04zz", 16);
    assert_int_equal(hear_frame(f, text), 0x88);
    assert_memory_equal(text, "\x03\xf1", 2);
}

static void test_bad_frames(void **state)
{
    struct fixture *f = *state;
    char text[1000];

    serve(f);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    say_frame(f, 0x83, "xyz", 3); /* unknown opcode */
    while (hear(f, text, 1))
        ;
    WAIT_FOR(&f->loop, f->server_side.closed == 1);
    close(f->fd);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    say_frame(f, 0x81, "\xff\xfe", 2); /* not UTF-8 */
    assert_int_equal(hear_frame(f, text), 0x88);
    assert_memory_equal(text, "\x03\xef", 2);
    close(f->fd);
    WAIT_FOR(&f->loop, f->server_side.closed == 2);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    say_frame(f, 0xf2, "xyz", 3); /* reserved bits */
    while (hear(f, text, 1))
        ;
    WAIT_FOR(&f->loop, f->server_side.closed == 3);
    assert_int_equal(f->server_side.messages, 0);
}

static void test_ping(void **state)
{
    struct fixture *f = *state;
    char text[1000];

    clock_fake(&f->loop.clock, 1700000000);
    f->server_settings.ping_s = 30;
    serve(f);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    WAIT_FOR(&f->loop, f->server_side.opened);
    clock_fake_advance(&f->loop.clock, 30000);
    timers_run(&f->loop.timers);
    assert_int_equal(hear_frame(f, text), 0x89);
    say_frame(f, 0x8a, text, strlen(text));
    clock_fake_advance(&f->loop.clock, 30000);
    timers_run(&f->loop.timers);
    assert_int_equal(hear_frame(f, text), 0x89);
    clock_fake_advance(&f->loop.clock, 30000); /* no pong this time */
    timers_run(&f->loop.timers);
    assert_int_equal(f->server_side.closed, 1);
    assert_non_null(strstr(f->server_side.why, "ping"));
    assert_false(hear(f, text, 1));
}

static void test_queue_limit(void **state)
{
    struct fixture *f = *state;
    struct buf message;
    char text[1000];
    int sent = 0;

    serve(f);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101); /* and reads nothing more */
    WAIT_FOR(&f->loop, f->server_side.opened);
    for (;; sent++) {
        buf_init(&message, LIMIT_QUEUE_BYTES, WEBSOCKET_HEADROOM);
        buf_room(&message, 1 << 20);
        memset(buf_data(&message), 0, 1 << 20);
        message.len = 1 << 20;
        if (websocket_send(f->server_side.ws, true, &message) < 0)
            break;
    }
    buf_done(&message);
    assert_in_range(sent, 30, 32);
    assert_true(websocket_queued_bytes(f->server_side.ws) <= LIMIT_QUEUE_BYTES + 1000);
    for (int i = 0; i < 10; i++)
        wait_turn(&f->loop);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, f->server_side.closed);
}

static void test_connection_limit(void **state)
{
    struct fixture *f = *state;
    char text[1000];
    int first;

    f->server_settings.max_connections = 1;
    serve(f);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
    first = f->fd;
    connect_raw(f);
    assert_false(hear(f, text, 1));
    close(first);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, f->server_side.closed);
    assert_int_equal(handshake(f, "/usp", USP, text, sizeof(text)), 101);
}

static void test_nobody_there(void **state)
{
    struct fixture *f = *state;

    serve(f);
    websocket_server_free(f->server);
    f->server = NULL;
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed);
    assert_null(f->client_side.ws);
    assert_true(strlen(f->client_side.why) > 10);
    websocket_client_free(f->client);
    f->client_settings.host = "name.invalid";
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.closed == 2);
    assert_non_null(strstr(f->client_side.why, "resolve"));
    websocket_client_free(f->client); /* while the name is being resolved */
    start_client(f);
}

static void test_port_in_use(void **state)
{
    struct fixture *f = *state;
    struct error err;

    serve(f);
    f->server_settings.port = websocket_server_port(f->server);
    assert_null(websocket_server_new(f->context, &f->server_settings, &ops, NULL, &err));
    assert_non_null(strstr(err.message, "in use"));
    f->server_settings.address = "no address";
    assert_null(websocket_server_new(f->context, &f->server_settings, &ops, NULL, &err));
    f->server_settings.address = "";
    f->server_settings.port = 0;
    websocket_server_free(f->server);
    connect_both(f);
    assert_string_equal(f->server_side.peer, "127.0.0.1");
}

/* ---- TLS ---- */

struct tls_case {
    const char *name;
    const char *ca, *certificate; /* of the server's */
    const char *client_ca, *client_certificate;
    const char *host;
    bool require_peer;
    const char *why; /* NULL: connects */
};

static const struct tls_case tls_cases[] = {
    {"good", NULL, "server", "ca.pem", NULL, "localhost", false, NULL},
    {"good address", NULL, "server", "ca.pem", NULL, "127.0.0.1", false, NULL},
    {"unknown authority", NULL, "server", "other.pem", NULL, "localhost", false,
     "unable to get local issuer"},
    {"wrong name", NULL, "stranger", "ca.pem", NULL, "localhost", false, "hostname mismatch"},
    {"wrong address", NULL, "stranger", "ca.pem", NULL, "127.0.0.1", false, "IP address mismatch"},
    {"expired", NULL, "expired", "ca.pem", NULL, "localhost", false, "expired"},
    {"not yet valid", NULL, "future", "ca.pem", NULL, "localhost", false, "not yet valid"},
    {"client certificate", "ca.pem", "server", "ca.pem", "client", "localhost", true, NULL},
    {"optional client certificate", "ca.pem", "server", "ca.pem", NULL, "localhost", false, NULL},
    {"no client certificate", "ca.pem", "server", "ca.pem", NULL, "localhost", true, ""},
    {"expired client certificate", "ca.pem", "server", "ca.pem", "expired", "localhost", true, ""},
    {"client certificate of another authority", "other.pem", "server", "ca.pem", "client", "localhost", false,
     ""},
};

static const char *file_of(const struct pki *pki, const char *name, char to[PKI_PATH_BYTES])
{
    return name ? pki_path(pki, name, to) : NULL;
}

static void run_tls_case(struct fixture *f, const struct pki *pki, const struct tls_case *c)
{
    char paths[4][PKI_PATH_BYTES];

    print_message("             %s\n", c->name);
    memset(&f->server_side, 0, sizeof(f->server_side));
    memset(&f->client_side, 0, sizeof(f->client_side));
    f->server_side.echo = true;
    f->server_settings.tls = f->client_settings.tls = true;
    f->server_settings.tls_settings = (struct tls_settings){
        file_of(pki, c->ca, paths[0]), file_of(pki, c->certificate, paths[1]), NULL, c->require_peer};
    f->client_settings.tls_settings = (struct tls_settings){
        file_of(pki, c->client_ca, paths[2]), file_of(pki, c->client_certificate, paths[3]), NULL, false};
    f->client_settings.host = c->host;
    f->server_settings.address = "127.0.0.1";
    serve(f);
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened + f->client_side.closed);
    if (c->why) {
        assert_int_equal(f->client_side.opened, 0);
        assert_int_equal(f->server_side.opened, 0);
        if (!strstr(f->client_side.why, c->why))
            fail_msg("%s", f->client_side.why);
    } else {
        if (!f->client_side.opened)
            fail_msg("%s", f->client_side.why);
        assert_true(f->client_side.has_certificate);
        WAIT_FOR(&f->loop, f->server_side.opened);
        assert_int_equal(f->server_side.has_certificate, c->client_certificate != NULL);
        send_bytes(f->client_side.ws, 1000000, 5, true);
        WAIT_FOR(&f->loop, f->client_side.messages == 1);
        assert_int_equal(f->client_side.sum, f->server_side.sum);
    }
    websocket_client_free(f->client);
    websocket_server_free(f->server);
    f->client = NULL;
    f->server = NULL;
}

static void test_tls(void **state)
{
    struct fixture *f = *state;
    char path[PKI_PATH_BYTES];
    struct error err;
    struct pki other;
    struct pki pki;

    pki_init(&pki);
    pki_init(&other);
    pki_save(&pki, "other.pem", other.certificate, NULL);
    pki_issue(&pki, "server", "DNS:localhost,IP:127.0.0.1", -1, 10);
    pki_issue(&pki, "stranger", "DNS:example.com,IP:192.0.2.1", -1, 10);
    pki_issue(&pki, "expired", "DNS:localhost,IP:127.0.0.1", -9, -2);
    pki_issue(&pki, "future", "DNS:localhost,IP:127.0.0.1", 2, 9);
    pki_issue(&pki, "client", "URI:urn:bbf:usp:id:self::client", -1, 10);
    for (size_t i = 0; i < sizeof(tls_cases) / sizeof(tls_cases[0]); i++)
        run_tls_case(f, &pki, &tls_cases[i]);
    f->server_settings.tls_settings = (struct tls_settings){
        .certificate_file = pki_path(&pki, "absent", path)};
    assert_null(websocket_server_new(f->context, &f->server_settings, &ops, NULL, &err));
    if (!strstr(err.message, "o such file"))
        fail_msg("%s", err.message);
    pki_done(&pki);
    pki_done(&other);
}

/* Two servers, one with TLS, one without: a Host header or a server name moves nobody between them. */
static void test_servers_apart(void **state)
{
    struct fixture *f = *state;
    struct websocket_server *plain;
    struct side plain_side = {.echo = true};
    char path[PKI_PATH_BYTES], ca[PKI_PATH_BYTES];
    struct pki pki;

    pki_init(&pki);
    pki_issue(&pki, "server", "DNS:localhost", -1, 10);
    plain = websocket_server_new(f->context, &f->server_settings, &ops, &plain_side, NULL);
    assert_non_null(plain);
    f->server_settings.tls = f->client_settings.tls = true;
    f->server_settings.tls_settings = (struct tls_settings){
        .certificate_file = pki_path(&pki, "server", path)};
    f->client_settings.tls_settings = (struct tls_settings){.ca_file = pki_path(&pki, "ca.pem", ca)};
    f->client_settings.host = "localhost";
    connect_both(f);
    assert_int_equal(plain_side.accepted, 0);
    websocket_client_free(f->client);
    f->client_settings.tls = false;
    f->client_settings.port = websocket_server_port(plain);
    start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened == 2);
    assert_int_equal(plain_side.opened, 1);
    send_bytes(f->client_side.ws, 10, 5, true);
    WAIT_FOR(&f->loop, f->client_side.messages == 1);
    websocket_server_free(plain);
    pki_done(&pki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_from_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_from_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_in_callbacks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_subprotocols, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_about_subprotocol, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connection_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_port_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_servers_apart, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
