/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bare transport: answers every frame with a canned one in which only the tag of the request is put, on the streams
 * that the agent uses (libuv; libwebsockets on libuv). What the agent needs beyond this is its own; the ratio is the
 * figure, because it does not depend on the machine.
 *
 *     bench_bare uds PATH HANDSHAKE-FILE ANSWER-FILE      files hold whole frames
 *     bench_bare websocket PORT ANSWER-FILE               the file holds the payload
 */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
    TAG_BYTES = 16, /* "bench-" and ten digits */
    FRAME_BYTES = 1 << 16,
    IN_BYTES = 1 << 20,
    OUT_BYTES = 1 << 20,
};

struct canned {
    uint8_t bytes[FRAME_BYTES];
    size_t len;
    size_t tag; /* offset; 0: none */
};

struct bare {
    struct canned answer, handshake;
};

struct peer {
    struct bare *bare;
    uv_pipe_t pipe;
    uint8_t in[IN_BYTES], out[OUT_BYTES];
    size_t in_len;
};

static void load(struct canned *canned, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *tag;

    if (!file) {
        perror(path);
        exit(1);
    }
    canned->len = fread(canned->bytes, 1, sizeof(canned->bytes), file);
    fclose(file);
    tag = memmem(canned->bytes, canned->len, "bench-", 6);
    canned->tag = tag ? (size_t)(tag - canned->bytes) : 0;
}

/* The canned answer to one request; the bytes written, 0 when the request has no tag. */
static size_t put_answer(const struct canned *canned, const uint8_t *request, size_t len, uint8_t *to)
{
    const uint8_t *tag = memmem(request, len, "bench-", 6);

    if (!tag || (size_t)(request + len - tag) < TAG_BYTES)
        return 0;
    memcpy(to, canned->bytes, canned->len);
    memcpy(to + canned->tag, tag, TAG_BYTES);
    return canned->len;
}

/* ---- UNIX socket ------------------------------------------------------------------------------------------ */

static void write_all(uv_stream_t *stream, uint8_t *data, size_t len)
{
    while (len > 0) {
        uv_buf_t part = uv_buf_init((char *)data, (unsigned)len);
        int n = uv_try_write(stream, &part, 1);

        if (n < 0 && n != UV_EAGAIN)
            return;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct peer *peer = handle->data;

    (void)suggested;
    *ret = uv_buf_init((char *)peer->in + peer->in_len, (unsigned)(sizeof(peer->in) - peer->in_len));
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *chunk)
{
    struct peer *peer = stream->data;
    const struct bare *bare = peer->bare;
    size_t at = 0, out = 0;

    (void)chunk;
    if (got < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    peer->in_len += (size_t)got;
    while (peer->in_len - at >= 9) {
        const uint8_t *frame = peer->in + at;
        size_t len = 8 + ((size_t)frame[4] << 24 | (size_t)frame[5] << 16 | (size_t)frame[6] << 8 | frame[7]);

        if (peer->in_len - at < len)
            break;
        if (frame[8] == 1) {
            memcpy(peer->out + out, bare->handshake.bytes, bare->handshake.len);
            out += bare->handshake.len;
        } else {
            out += put_answer(&bare->answer, frame, len, peer->out + out);
        }
        at += len;
        if (out > OUT_BYTES - FRAME_BYTES) {
            write_all(stream, peer->out, out);
            out = 0;
        }
    }
    write_all(stream, peer->out, out);
    memmove(peer->in, peer->in + at, peer->in_len - at);
    peer->in_len -= at;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct peer *peer = status < 0 ? NULL : calloc(1, sizeof(*peer));

    if (!peer)
        return;
    peer->bare = server->data;
    peer->pipe.data = peer;
    uv_pipe_init(server->loop, &peer->pipe, 0);
    uv_accept(server, (uv_stream_t *)&peer->pipe);
    uv_read_start((uv_stream_t *)&peer->pipe, on_alloc, on_read);
}

static int serve_uds(struct bare *bare, uv_loop_t *loop, const char *path)
{
    uv_pipe_t server;

    unlink(path);
    uv_pipe_init(loop, &server, 0);
    server.data = bare;
    if (uv_pipe_bind(&server, path) || uv_listen((uv_stream_t *)&server, 16, on_connection))
        return 1;
    return uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- WebSocket -------------------------------------------------------------------------------------------- */

struct session {
    uint8_t in[FRAME_BYTES];
    size_t in_len;
    uint8_t *queue[4096];
    size_t first, last;
};

static void take_message(struct lws *wsi, struct session *session, const struct canned *answer)
{
    uint8_t *frame = malloc(LWS_PRE + answer->len);

    if (frame && put_answer(answer, session->in, session->in_len, frame + LWS_PRE)) {
        session->queue[session->last++ % 4096] = frame;
        lws_callback_on_writable(wsi);
    } else {
        free(frame);
    }
    session->in_len = 0;
}

static int on_websocket(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct session *session = user;
    const struct bare *bare = lws_context_user(lws_get_context(wsi));

    if (reason == LWS_CALLBACK_RECEIVE) {
        if (session->in_len + len > sizeof(session->in))
            return -1;
        memcpy(session->in + session->in_len, in, len);
        session->in_len += len;
        if (lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi))
            take_message(wsi, session, &bare->answer);
    } else if (reason == LWS_CALLBACK_SERVER_WRITEABLE) {
        while (session->first != session->last && !lws_send_pipe_choked(wsi)) {
            uint8_t *frame = session->queue[session->first++ % 4096];

            lws_write(wsi, frame + LWS_PRE, bare->answer.len, LWS_WRITE_BINARY);
            free(frame);
        }
        if (session->first != session->last)
            lws_callback_on_writable(wsi);
    }
    return 0;
}

static int serve_websocket(struct bare *bare, uv_loop_t *loop, int port)
{
    static const struct lws_protocols protocols[] = {{.name = "v1.usp",
                                                      .callback = on_websocket,
                                                      .per_session_data_size = sizeof(struct session),
                                                      .rx_buffer_size = 65536},
                                                     {.name = NULL}};
    void *loops[] = {loop};
    struct lws_context_creation_info info = {
        .port = port,
        .iface = "lo",
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .user = bare,
    };

    lws_set_log_level(LLL_ERR, NULL);
    return lws_create_context(&info) ? uv_run(loop, UV_RUN_DEFAULT) : 1;
}

int main(int argc, char **argv)
{
    struct bare *bare = calloc(1, sizeof(*bare));
    bool uds = argc == 5 && !strcmp(argv[1], "uds");

    if (!bare || (!uds && (argc != 4 || strcmp(argv[1], "websocket") != 0)))
        return 2;
    load(&bare->answer, argv[argc - 1]);
    if (uds) {
        load(&bare->handshake, argv[3]);
        return serve_uds(bare, uv_default_loop(), argv[2]);
    }
    return serve_websocket(bare, uv_default_loop(), atoi(argv[2]));
}
