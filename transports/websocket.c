/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One WebSocket connection, of a server or a client, once its handshake is done. lws parses what comes in. What goes out
 * is framed here, collected, and handed to lws as raw bytes at the end of the loop's iteration: whole frames, many in one
 * system call. (lws writes one frame per call, each after its own poll.)
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "transports/websocket_internal.h"

const bool websocket_available = true;

enum {
    FRAME_HEADER_MAX = 14,
    MASK_BYTES = 4,
    LINGER_MS = 5000,    /* for a close to be sent and answered */
    CONTROL_BYTES = 125, /* payload of a control frame, RFC 6455 5.5 */
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    PINGS_PER_INTERVAL = 16, /* moments at which pings go out: see arm_ping() */
    FRAME_FINAL = 0x80,
    FRAME_MASKED = 0x80,
};

_Static_assert((int)FRAME_HEADER_MAX <= (int)WEBSOCKET_HEADROOM, "websocket.h states the headroom");

static void flush(struct websocket *ws);

/* ---- the end ---- */

void websocket_connection_drop(struct websocket *ws)
{
    struct websocket_end *end = ws->end;

    if (!end)
        return;
    ws->end = NULL;
    ws->open = false;
    ws->closing = true;
    timer_cancel(&end->context->loop->timers, &ws->timer);
    if (!ws->leaving)
        output_done(&ws->out);
    buf_done(&ws->in);
    free(ws->reason);
    ws->reason = NULL;
    if (end->ended)
        end->ended(end, ws);
    /* From now on only the deferred item is of use: it closes what lws still has. */
    loop_defer(end->context->loop, &ws->flush);
}

void websocket_connection_end(struct websocket *ws, int code, const struct error *err)
{
    struct websocket_end *end = ws->end;

    if (!end)
        return;
    websocket_connection_drop(ws);
    if (ws->opened)
        end->ops->closed(ws->ctx, ws, code, err);
}

static void end_text(struct websocket *ws, int code, const char *text)
{
    struct error err;

    error_set(&err, ERROR_INTERNAL, NULL, "%s", text);
    websocket_connection_end(ws, code, &err);
}

/* ---- output ---- */

/* Returns the length of the header. The mask of a client's frame is its last four bytes. */
static size_t frame_header(uint8_t to[FRAME_HEADER_MAX], int opcode, size_t len, bool masked)
{
    uint8_t mask_bit = masked ? FRAME_MASKED : 0;
    size_t at = 2;

    to[0] = (uint8_t)(FRAME_FINAL | opcode); /* R-WS.14a: never in parts */
    if (len < 126) {
        to[1] = (uint8_t)(mask_bit | len);
    } else if (len < 65536) {
        to[1] = mask_bit | 126;
        to[at++] = (uint8_t)(len >> 8);
        to[at++] = (uint8_t)len;
    } else {
        to[1] = mask_bit | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            to[at++] = (uint8_t)((uint64_t)len >> shift);
    }
    if (masked) {
        if (getrandom(to + at, MASK_BYTES, GRND_NONBLOCK) != MASK_BYTES)
            memset(to + at, 0x5a, MASK_BYTES); /* only before the kernel's pool is filled at boot */
        at += MASK_BYTES;
    }
    return at;
}

static void mask(uint8_t *data, size_t len, const uint8_t key[MASK_BYTES])
{
    uint64_t wide;
    size_t i = 0;

    memcpy(&wide, key, MASK_BYTES);
    memcpy((uint8_t *)&wide + MASK_BYTES, key, MASK_BYTES);
    for (; i + sizeof(wide) <= len; i += sizeof(wide)) {
        uint64_t chunk;

        memcpy(&chunk, data + i, sizeof(chunk));
        chunk ^= wide;
        memcpy(data + i, &chunk, sizeof(chunk));
    }
    for (; i < len; i++)
        data[i] ^= key[i % MASK_BYTES];
}

/* Gives whole frames to lws until it holds some back; it asks for more with a WRITEABLE callback. */
static void flush(struct websocket *ws)
{
    struct lws *wsi = ws->link.wsi;

    while (ws->out.first && !lws_partial_buffered(wsi)) {
        struct buf *data = &ws->out.first->data;

        if (lws_write(wsi, buf_data(data), data->len, LWS_WRITE_RAW) < 0) {
            end_text(ws, LWS_CLOSE_STATUS_ABNORMAL_CLOSE, "cannot write to the peer");
            return;
        }
        output_pop(&ws->out);
    }
}

/* What a connection that is dropped in order still has to say, as far as it can be written now. */
static void flush_last(struct websocket *ws)
{
    struct lws *wsi = ws->link.wsi;

    while (ws->out.first && wsi && !lws_partial_buffered(wsi)) {
        struct buf *data = &ws->out.first->data;

        if (lws_write(wsi, buf_data(data), data->len, LWS_WRITE_RAW) < 0)
            break;
        output_pop(&ws->out);
    }
    output_done(&ws->out);
}

static void on_flush(void *ctx)
{
    struct websocket *ws = ctx;

    if (!ws->end) {
        flush_last(ws);
        link_kill(&ws->link);
    } else if (ws->open) {
        flush(ws);
    }
}

int websocket_send(struct websocket *ws, bool binary, struct buf *message)
{
    size_t most = ws->context->loop->limits->queue_bytes;
    uint8_t header[FRAME_HEADER_MAX];
    size_t header_len;
    bool masked;
    int rc;

    if (!ws->open || ws->closing || message->failed || message->len > most ||
        ws->out.bytes > most - message->len)
        return -1;
    masked = ws->end->is_client;
    header_len = frame_header(header, binary ? OPCODE_BINARY : OPCODE_TEXT, message->len, masked);
    if (masked)
        mask(buf_data(message), message->len, header + header_len - MASK_BYTES);
    if (message->len <= OUTPUT_COPY_BYTES) {
        rc = output_copy(&ws->out, header, header_len, buf_data(message), message->len);
        if (rc == 0)
            buf_clear(message, WEBSOCKET_HEADROOM);
    } else {
        rc = output_move(&ws->out, header, header_len, message);
    }
    if (rc == 0)
        loop_defer(ws->context->loop, &ws->flush);
    else if (masked)
        mask(buf_data(message), message->len, header + header_len - MASK_BYTES); /* as it was */
    return rc;
}

/* A control frame: at most CONTROL_BYTES, which are copied. */
static void queue_control(struct websocket *ws, int opcode, const void *data, size_t len)
{
    uint8_t header[FRAME_HEADER_MAX];
    uint8_t payload[CONTROL_BYTES];
    size_t header_len = frame_header(header, opcode, len, ws->end->is_client);

    memcpy(payload, data, len);
    if (ws->end->is_client)
        mask(payload, len, header + header_len - MASK_BYTES);
    output_copy(&ws->out, header, header_len, payload, len);
    loop_defer(ws->context->loop, &ws->flush);
}

/* Ours and not lws_close_reason(): Debian builds lws so that with libuv it closes before it has sent the frame. */
static void queue_close(struct websocket *ws, int code, const char *reason)
{
    uint8_t payload[CONTROL_BYTES] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = 2;

    if (reason)
        len += str_copy((char *)payload + len, sizeof(payload) - len, reason);
    queue_control(ws, OPCODE_CLOSE, payload, len);
    ws->closing = true;
    ws->close_sent = true;
}

void websocket_connection_leave(struct websocket *ws)
{
    if (!ws->open)
        return;
    if (!ws->closing)
        queue_close(ws, LWS_CLOSE_STATUS_GOINGAWAY, NULL);
    ws->leaving = true;
}

void websocket_close(struct websocket *ws, int code, const char *reason)
{
    if (!ws->open || ws->closing)
        return;
    queue_close(ws, code, reason);
    ws->code = code;
    ws->reason = reason ? str_dup(reason, strlen(reason)) : NULL;
    timer_arm(&ws->context->loop->timers, &ws->timer, LINGER_MS);
}

/* ---- keep-alive ---- */

/* A little before the interval is over: at a moment that is the same for many, so that ten thousand connections wake the
 * program sixteen times in an interval. */
static void arm_ping(struct websocket *ws)
{
    struct timers *timers = &ws->context->loop->timers;
    uint64_t interval = (uint64_t)ws->end->ping_s * 1000, now = clock_monotonic(timers->clock);

    if (interval && !ws->closing)
        timer_arm(timers, &ws->timer, interval - (now + interval) % (interval / PINGS_PER_INTERVAL));
}

void websocket_connection_keep_alive(struct websocket *ws)
{
    if (!ws->open || ws->closing)
        return;
    timer_cancel(&ws->context->loop->timers, &ws->timer);
    ws->awaiting_pong = false;
    arm_ping(ws);
}

static void on_timer(struct timer *timer, void *ctx)
{
    static const char payload[] = "ping"; /* lws says nothing of an empty pong */
    struct websocket *ws = ctx;

    (void)timer;
    if (ws->closing) {
        end_text(ws, LWS_CLOSE_STATUS_ABNORMAL_CLOSE, ws->reason ? ws->reason : "closed by this side");
        return;
    }
    if (ws->awaiting_pong) {
        end_text(ws, LWS_CLOSE_STATUS_ABNORMAL_CLOSE, "the peer does not answer pings");
        return;
    }
    ws->awaiting_pong = true;
    queue_control(ws, OPCODE_PING, payload, sizeof(payload) - 1);
    arm_ping(ws);
}

/* ---- input ---- */

/* The owner may have let go of it in any callback. */
static bool is_gone(const struct websocket *ws)
{
    return ws->end == NULL;
}

/* A piece of a message: as much of a frame as lws read. R-WS.14b: frames are put together. */
static int take(struct websocket *ws, const uint8_t *data, size_t len)
{
    struct lws *wsi = ws->link.wsi;
    size_t rest = lws_remaining_packet_payload(wsi);
    bool last = !rest && lws_is_final_fragment(wsi);

    ws->awaiting_pong = false;
    if (ws->closing)
        return 0;
    if (lws_is_first_fragment(wsi)) {
        buf_clear(&ws->in, 0);
        ws->binary = lws_frame_is_binary(wsi);
        if (last && len <= ws->end->max_message) {
            ws->end->ops->message(ws->ctx, ws, ws->binary, data, len);
            return is_gone(ws) ? -1 : 0;
        }
    }
    if (len + rest > ws->end->max_message - ws->in.len) {
        websocket_close(ws, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too long");
        return 0;
    }
    if (buf_append(&ws->in, data, len) < 0)
        return -1;
    if (last) {
        ws->end->ops->message(ws->ctx, ws, ws->binary, buf_data(&ws->in), ws->in.len);
        if (is_gone(ws))
            return -1;
        buf_done(&ws->in); /* memory of idle connections adds up */
    }
    return 0;
}

/* The peer closes: lws answers it with the same, unless it is an answer itself. */
static int take_close(struct websocket *ws, const uint8_t *data, size_t len)
{
    if (ws->close_sent)
        return -1;
    ws->closing = true;
    ws->code = len >= 2 ? data[0] << 8 | data[1] : LWS_CLOSE_STATUS_NO_STATUS;
    if (len > 2)
        ws->reason = str_dup((const char *)data + 2, len - 2);
    return 0;
}

/* lws says so when it closes, or does not (after a close of ours was answered), but always before it is through. */
static void closed(struct websocket *ws)
{
    struct error err;

    if (!ws->end)
        return;
    if (!ws->closing)
        error_set(&err, ERROR_INTERNAL, NULL, "the connection was lost");
    else
        error_set(&err, ERROR_INTERNAL, NULL, "closed with %d%s%s", ws->code, ws->reason ? ": " : "",
                  ws->reason ? ws->reason : "");
    websocket_connection_end(ws, ws->closing ? ws->code : LWS_CLOSE_STATUS_ABNORMAL_CLOSE, &err);
}

static void on_destroyed(struct link *link)
{
    struct websocket *ws = (struct websocket *)link;

    closed(ws);
    loop_undefer(ws->context->loop, &ws->flush);
    free(ws);
}

int websocket_connection_handle(struct websocket *ws, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return ws->end ? take(ws, in, len) : -1;
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        ws->awaiting_pong = false;
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (ws->end)
            flush(ws);
        return ws->end ? 0 : -1;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return take_close(ws, in, len);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
        closed(ws);
        return 0;
    default:
        return 0;
    }
}

/* ---- the begin ---- */

struct websocket *websocket_connection_new(struct websocket_end *end, void *ctx)
{
    struct websocket *ws = calloc(1, sizeof(*ws));

    if (!ws)
        return NULL;
    ws->link.destroyed = on_destroyed;
    ws->context = end->context;
    ws->end = end;
    ws->ctx = ctx;
    output_init(&ws->out, &end->context->spare);
    buf_init(&ws->in, end->max_message, 0);
    ws->flush = (struct deferred){.fn = on_flush, .ctx = ws};
    timer_init(&ws->timer, on_timer, ws);
    return ws;
}

void websocket_connection_open(struct websocket *ws)
{
    SSL *ssl = lws_get_ssl(ws->link.wsi);

    ws->open = true;
    ws->opened = true;
    arm_ping(ws);
    ws->end->ops->opened(ws->ctx, ws, ssl ? SSL_get0_peer_certificate(ssl) : NULL);
}

STACK_OF(X509) * websocket_peer_chain(const struct websocket *ws)
{
    return tls_peer_chain(ws->link.wsi ? lws_get_ssl(ws->link.wsi) : NULL);
}

void websocket_set_ctx(struct websocket *ws, void *ctx)
{
    ws->ctx = ctx;
}

size_t websocket_queued_bytes(const struct websocket *ws)
{
    return ws->out.bytes;
}

void websocket_peer_address(const struct websocket *ws, char *to, size_t size)
{
    link_peer_name(&ws->link, to, size);
}
