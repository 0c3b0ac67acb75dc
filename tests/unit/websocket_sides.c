/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/websocket_sides.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/limits.h"

static int on_accept(void *ctx, const struct websocket_request *request, void **ret_ctx)
{
    struct ws_side *side = ctx;

    side->accepted++;
    snprintf(side->path, sizeof(side->path), "%s", request->path);
    snprintf(side->query, sizeof(side->query), "%s", request->query);
    snprintf(side->subprotocols, sizeof(side->subprotocols), "%s", request->subprotocols);
    snprintf(side->extensions, sizeof(side->extensions), "%s", request->extensions);
    snprintf(side->peer, sizeof(side->peer), "%s", request->peer);
    *ret_ctx = side;
    return side->refuse;
}

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct ws_side *side = ctx;

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
    struct ws_side *side = ctx;

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
    struct ws_side *side = ctx;

    if (ws)
        assert_ptr_equal(ws, side->ws);
    side->ws = NULL;
    side->closed++;
    side->code = code;
    snprintf(side->why, sizeof(side->why), "%s", err->message);
}

const struct websocket_ops ws_ops = {
    .accept = on_accept, .opened = on_opened, .message = on_message, .closed = on_closed};

int ws_setup(void **state)
{
    struct ws_fixture *f = calloc(1, sizeof(*f));
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

int ws_teardown(void **state)
{
    struct ws_fixture *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    websocket_client_free(f->client);
    websocket_server_free(f->server);
    websocket_context_free(f->context);
    loop_done(&f->loop);
    free(f);
    return 0;
}

void ws_serve(struct ws_fixture *f)
{
    struct error err;

    f->server = websocket_server_new(f->context, &f->server_settings, &ws_ops, &f->server_side, &err);
    if (!f->server)
        fail_msg("%s: %s", err.path, err.message);
    f->client_settings.port = websocket_server_port(f->server);
    assert_int_not_equal(f->client_settings.port, 0);
}

void ws_start_client(struct ws_fixture *f)
{
    struct error err;

    f->client = websocket_client_new(f->context, &f->client_settings, &ws_ops, &f->client_side, &err);
    if (!f->client)
        fail_msg("%s: %s", err.path, err.message);
}

void ws_connect_both(struct ws_fixture *f)
{
    ws_serve(f);
    ws_start_client(f);
    WAIT_FOR(&f->loop, f->client_side.opened + f->client_side.closed);
    if (!f->client_side.opened)
        fail_msg("%s", f->client_side.why);
    WAIT_FOR(&f->loop, f->server_side.opened);
}

void ws_send_bytes(struct websocket *ws, size_t len, uint8_t seed, bool binary)
{
    struct buf message;
    uint8_t *room;

    buf_init(&message, limits_default.queue_bytes * 2, WEBSOCKET_HEADROOM);
    room = buf_room(&message, len);
    for (size_t i = 0; i < len; i++)
        room[i] = binary ? (uint8_t)(i * 7 + seed) : (uint8_t)('a' + i % 26);
    message.len = len;
    assert_int_equal(websocket_send(ws, binary, &message), 0);
    assert_int_equal(message.len, 0);
    buf_done(&message);
}

/* ---- a client of raw bytes ---- */

void ws_connect_raw(struct ws_fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(websocket_server_port(f->server))};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(f->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

void ws_say(struct ws_fixture *f, const void *data, size_t len)
{
    assert_int_equal(write(f->fd, data, len), len);
    for (int i = 0; i < 3; i++)
        wait_turn(&f->loop);
}

/* Reads n bytes; false at the end of the stream. */
bool ws_hear(struct ws_fixture *f, void *to, size_t n)
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
int ws_hear_answer(struct ws_fixture *f, char *to, size_t size)
{
    size_t have = 0;

    to[0] = '\0';
    while (have + 1 < size && !strstr(to, "\r\n\r\n")) {
        if (!ws_hear(f, to + have, 1))
            return 0;
        to[++have] = '\0';
    }
    return atoi(to + 9);
}

int ws_handshake(struct ws_fixture *f, const char *path, const char *more, char *answer, size_t size)
{
    char request[1000];

    ws_connect_raw(f);
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
             path, more);
    ws_say(f, request, strlen(request));
    return ws_hear_answer(f, answer, size);
}

void ws_say_frame(struct ws_fixture *f, int first, const void *data, size_t len)
{
    uint8_t frame[1000] = {(uint8_t)first, (uint8_t)(0x80 | len), 1, 2, 3, 4};

    for (size_t i = 0; i < len; i++)
        frame[6 + i] = (uint8_t)(((const uint8_t *)data)[i] ^ (uint8_t)(1 + i % 4));
    ws_say(f, frame, 6 + len);
}

/* The next short frame; returns its first byte. */
int ws_hear_frame(struct ws_fixture *f, char *to)
{
    uint8_t header[2];

    if (!ws_hear(f, header, 2))
        return 0;
    assert_true(header[1] < 126);
    assert_true(ws_hear(f, to, header[1]));
    to[header[1]] = '\0';
    return header[0];
}
