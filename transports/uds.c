/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection of the UNIX socket binding. Input is parsed where it was read, in the endpoint's buffer; only the begin
 * of an unfinished frame is copied. Output of one iteration of the loop is collected in chunks and written at its end:
 * small records are copied into a shared chunk, large ones keep their own memory.
 */
#include "transports/uds.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "transports/output.h"
#include "transports/uds_frame.h"
#include "transports/uds_internal.h"

const bool uds_available = true;

_Static_assert((int)UDS_HEADROOM == (int)UDS_FRAME_HEADER + (int)UDS_ITEM_HEADER,
               "uds.h states the headroom");

enum {
    READ_BYTES = 64 << 10,
    WRITE_CHUNKS = 16,       /* chunks per system call */
    EARLY_BYTES = 256 << 10, /* collected output that is written before the end of the iteration */
    /* A peer that asks faster than it reads the answers is not read from until it has caught up. Far above what two
     * peers that both wait for each other could have on the way. */
    PAUSE_SHARE = 2,      /* of the queue's limit */
    RESUME_SHARE = 32,    /* likewise: it has caught up */
    HANDSHAKE_MS = 30000, /* R-UDS.18 */
    LINGER_MS = 5000,     /* for the last bytes to leave when closing */
    NAME_BYTES = 1024,
};

enum state {
    STATE_CONNECTING,
    STATE_HANDSHAKE,
    STATE_OPENING, /* inside `opened`: output waits */
    STATE_OPEN,
};

struct uds {
    uv_pipe_t pipe;
    union {
        uv_connect_t connect;
        uv_write_t write;
    } request;
    struct uds_endpoint *endpoint;
    void *ctx;
    struct uds *next;
    struct uds **self; /* the pointer to this one in the endpoint's list */
    struct buf in;     /* the begin of a frame, or what was not looked at when paused */
    struct output out;
    size_t writing; /* chunks in flight */
    struct deferred flush;
    struct timer timer;
    char *reason; /* why this side closes, or NULL */
    enum state state;
    bool told;    /* `opened` accepted it, so `closed` is due */
    bool closing; /* goes when the output is written */
    bool paused;
    bool ended;
};

static void flush(struct uds *uds);
static void read_more(struct uds *uds);

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct uds *uds = handle->data;
    struct uds_endpoint *endpoint = uds->endpoint;

    output_done(&uds->out);
    buf_done(&uds->in);
    free(uds->reason);
    free(uds);
    uds_endpoint_unref(endpoint);
}

void uds_connection_drop(struct uds *uds)
{
    if (uds->ended)
        return;
    uds->ended = true;
    uds->closing = true;
    timer_cancel(&uds->endpoint->loop->timers, &uds->timer);
    loop_undefer(uds->endpoint->loop, &uds->flush);
    *uds->self = uds->next;
    if (uds->next)
        uds->next->self = uds->self;
    uds->endpoint->count--;
    uv_close((uv_handle_t *)&uds->pipe, on_closed);
}

void uds_connection_end(struct uds *uds, const struct error *err)
{
    struct uds_endpoint *endpoint = uds->endpoint;

    if (uds->ended)
        return;
    uds_connection_drop(uds);
    if (uds->told)
        endpoint->ops->closed(uds->ctx, uds, err);
    else if (!endpoint->is_server)
        endpoint->ops->closed(uds->ctx, NULL, err);
    if (endpoint->ended)
        endpoint->ended(endpoint, uds);
}

static void end_uv(struct uds *uds, const char *what, int rc)
{
    struct error err;

    error_set(&err, ERROR_INTERNAL, uds->endpoint->path, "%s: %s", what, uv_strerror(rc));
    uds_connection_end(uds, &err);
}

static void end_text(struct uds *uds, const char *text)
{
    struct error err;

    error_set(&err, ERROR_INTERNAL, uds->endpoint->path, "%s", text);
    uds_connection_end(uds, &err);
}

static void end_closing(struct uds *uds)
{
    end_text(uds, uds->reason ? uds->reason : "closed by this side");
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct uds *uds = ctx;

    (void)timer;
    if (uds->closing)
        end_closing(uds);
    else
        end_text(uds, "no handshake within 30 s");
}

/* ---- output ---- */

static size_t queue_limit(const struct uds *uds)
{
    return uds->endpoint->loop->limits->queue_bytes;
}

static uint32_t record_limit(const struct uds *uds)
{
    return uds->endpoint->loop->limits->record_bytes;
}

static int queue_copy(struct uds *uds, enum uds_item_type type, const void *data, size_t len)
{
    uint8_t header[UDS_HEADROOM];

    uds_frame_header(header, type, len);
    return output_copy(&uds->out, header, sizeof(header), data, len);
}

static int queue_move(struct uds *uds, struct buf *record)
{
    uint8_t header[UDS_HEADROOM];

    uds_frame_header(header, UDS_ITEM_RECORD, record->len);
    return output_move(&uds->out, header, sizeof(header), record);
}

static void on_written(uv_write_t *request, int status)
{
    struct uds *uds = request->data;

    if (uds->ended)
        return;
    while (uds->writing) {
        uds->writing--;
        output_pop(&uds->out);
    }
    if (status < 0) {
        end_uv(uds, "cannot write", status);
        return;
    }
    flush(uds);
    if (uds->paused && !uds->ended && uds->out.bytes < queue_limit(uds) / RESUME_SHARE)
        read_more(uds);
}

static size_t gather(struct uds *uds, uv_buf_t bufs[WRITE_CHUNKS], size_t *ret_bytes)
{
    size_t n = 0;

    *ret_bytes = 0;
    for (struct output_chunk *chunk = uds->out.first; chunk && n < WRITE_CHUNKS; chunk = chunk->next) {
        bufs[n++] = uv_buf_init((char *)buf_data(&chunk->data), (unsigned)chunk->data.len);
        *ret_bytes += chunk->data.len;
    }
    return n;
}

static void write_rest(struct uds *uds)
{
    uv_buf_t bufs[WRITE_CHUNKS];
    size_t bytes;
    size_t n = gather(uds, bufs, &bytes);
    int rc;

    output_seal(&uds->out);
    uds->writing = n;
    uds->request.write.data = uds;
    rc = uv_write(&uds->request.write, (uv_stream_t *)&uds->pipe, bufs, (unsigned)n, on_written);
    if (rc < 0) {
        uds->writing = 0;
        end_uv(uds, "cannot write", rc);
    }
}

/* Writes what the socket takes now; libuv writes the rest. */
static void flush(struct uds *uds)
{
    if (uds->writing || uds->ended || uds->state == STATE_CONNECTING || uds->state == STATE_OPENING)
        return;
    while (uds->out.first) {
        uv_buf_t bufs[WRITE_CHUNKS];
        size_t bytes;
        size_t n = gather(uds, bufs, &bytes);
        int rc = uv_try_write((uv_stream_t *)&uds->pipe, bufs, (unsigned)n);

        if (rc < 0 && rc != UV_EAGAIN) {
            end_uv(uds, "cannot write", rc);
            return;
        }
        if (rc > 0)
            output_consume(&uds->out, (size_t)rc);
        if (rc < 0 || (size_t)rc < bytes) {
            write_rest(uds);
            return;
        }
    }
    if (uds->closing)
        end_closing(uds);
}

static void on_flush(void *ctx)
{
    flush(ctx);
}

int uds_send(struct uds *uds, struct buf *record)
{
    int rc;

    if (uds->closing || record->failed || record->len > record_limit(uds) ||
        uds->out.bytes >= queue_limit(uds))
        return -1;
    if (record->len <= OUTPUT_COPY_BYTES) {
        rc = queue_copy(uds, UDS_ITEM_RECORD, buf_data(record), record->len);
        if (rc == 0)
            buf_clear(record, UDS_HEADROOM);
    } else {
        rc = queue_move(uds, record);
    }
    if (rc == 0)
        loop_defer(uds->endpoint->loop, &uds->flush);
    return rc;
}

void uds_close(struct uds *uds, const char *text)
{
    if (uds->closing)
        return;
    if (text) {
        uds->reason = str_dup(text, strlen(text));
        queue_copy(uds, UDS_ITEM_ERROR, text, strlen(text));
    }
    uds->closing = true;
    uv_read_stop((uv_stream_t *)&uds->pipe);
    timer_arm(&uds->endpoint->loop->timers, &uds->timer, LINGER_MS);
    loop_defer(uds->endpoint->loop, &uds->flush);
}

/* ---- input ---- */

/* The handshake of this side goes before what `opened` queued. */
static int answer_handshake(struct uds *uds)
{
    struct output rest = uds->out;
    const char *name = uds->endpoint->name;

    output_init(&uds->out, &uds->endpoint->spare);
    if (queue_copy(uds, UDS_ITEM_HANDSHAKE, name, strlen(name)) < 0) {
        uds->out = rest;
        return -1;
    }
    if (rest.first) {
        output_seal(&uds->out);
        uds->out.last->next = rest.first;
        uds->out.last = rest.last;
        uds->out.bytes += rest.bytes;
    }
    return 0;
}

static void take_handshake(struct uds *uds, const struct uds_item *item)
{
    struct str peer = {(const char *)item->data, item->len};
    struct uds_endpoint *endpoint = uds->endpoint;

    if (uds->state != STATE_HANDSHAKE)
        return; /* R-UDS.19 */
    if (!peer.len || peer.len > NAME_BYTES || !str_is_utf8(peer)) {
        uds_close(uds, "the handshake does not hold a valid Endpoint ID"); /* R-UDS.21 */
        return;
    }
    uds->state = STATE_OPENING;
    uds->told = true;
    if (endpoint->ops->opened(uds->ctx, uds, peer) != 0) {
        uds->told = false;
        uds->state = STATE_HANDSHAKE;
        while (uds->out.first)
            output_pop(&uds->out);
        uds_close(uds, "this Endpoint ID is not accepted");
        return;
    }
    if (uds->ended)
        return;
    if (endpoint->is_server && answer_handshake(uds) < 0) {
        end_text(uds, "out of memory");
        return;
    }
    uds->state = STATE_OPEN;
    if (!uds->closing)
        timer_cancel(&endpoint->loop->timers, &uds->timer);
    loop_defer(endpoint->loop, &uds->flush);
}

static void take_error(struct uds *uds, const struct uds_item *item)
{
    struct error err;
    int len = item->len < sizeof(err.message) ? (int)item->len : (int)sizeof(err.message);

    error_set(&err, ERROR_INTERNAL, uds->endpoint->path, "the peer closes: %.*s", len,
              (const char *)item->data);
    uds_connection_end(uds, &err);
}

static void take_frame(struct uds *uds, const uint8_t *frame, size_t size)
{
    struct uds_item item;
    size_t at = 0;

    while (!uds->closing && uds_frame_next(frame, size, &at, &item)) {
        switch (item.type) {
        case UDS_ITEM_HANDSHAKE:
            take_handshake(uds, &item);
            break;
        case UDS_ITEM_ERROR:
            take_error(uds, &item);
            break;
        case UDS_ITEM_RECORD:
            if (uds->state == STATE_OPEN) /* else R-UDS.20 */
                uds->endpoint->ops->record(uds->ctx, uds, item.data, item.len);
            break;
        default:
            break; /* R-UDS.15 */
        }
    }
}

/* Takes the whole frames of data; returns the bytes used up. */
static size_t take(struct uds *uds, const uint8_t *data, size_t len)
{
    size_t at = 0;

    while (at < len && !uds->closing && !uds->paused) {
        struct error err;
        size_t size;
        int rc = uds_frame_check(data + at, len - at, record_limit(uds), &size, &err);

        if (rc == 0)
            break;
        if (rc < 0) {
            uds_close(uds, err.message); /* R-UDS.24 */
            break;
        }
        take_frame(uds, data + at, size);
        at += size;
        if (uds->out.bytes > EARLY_BYTES)
            flush(uds);
        if (uds->out.bytes > queue_limit(uds) / PAUSE_SHARE && !uds->closing) {
            uds->paused = true;
            uv_read_stop((uv_stream_t *)&uds->pipe);
        }
    }
    return at;
}

static void take_kept(struct uds *uds)
{
    buf_consume(&uds->in, take(uds, buf_data(&uds->in), uds->in.len));
    if (!uds->in.len)
        buf_done(&uds->in);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct uds *uds = handle->data;
    struct uds_endpoint *endpoint = uds->endpoint;
    size_t want = READ_BYTES;
    size_t size;

    (void)suggested;
    if (uds->in.len) {
        /* The rest of the frame, at most as much as there is already: memory follows what was really sent. */
        uds_frame_check(buf_data(&uds->in), uds->in.len, record_limit(uds), &size, NULL);
        if (size > uds->in.len && size - uds->in.len < want)
            want = size - uds->in.len;
        else if (size > uds->in.len && uds->in.len > want)
            want = size - uds->in.len < uds->in.len ? size - uds->in.len : uds->in.len;
        *ret = uv_buf_init((char *)buf_room(&uds->in, want), (unsigned)want);
    } else {
        if (!endpoint->input)
            endpoint->input = malloc(READ_BYTES);
        *ret = uv_buf_init((char *)endpoint->input, READ_BYTES);
    }
    if (!ret->base)
        ret->len = 0; /* on_read() is told UV_ENOBUFS */
}

/* The peer said its last; it may still read (shutdown(2) of one direction). */
static void hang_up(struct uds *uds)
{
    const char *text = "the peer closed the connection";

    if (!uds->out.first) {
        end_text(uds, text);
        return;
    }
    uds_close(uds, NULL);
    uds->reason = str_dup(text, strlen(text));
    flush(uds);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct uds *uds = stream->data;
    size_t used;

    if (n == UV_EOF) {
        hang_up(uds);
        return;
    }
    if (n < 0) {
        end_uv(uds, "cannot read", (int)n);
        return;
    }
    if (uds->in.len) {
        uds->in.len += (size_t)n;
        take_kept(uds);
        return;
    }
    used = take(uds, (const uint8_t *)buf->base, (size_t)n);
    if (used < (size_t)n && !uds->closing && buf_append(&uds->in, buf->base + used, (size_t)n - used) < 0)
        end_text(uds, "out of memory");
}

/* The peer caught up with its answers. */
static void read_more(struct uds *uds)
{
    int rc;

    uds->paused = false;
    if (uds->in.len)
        take_kept(uds);
    if (uds->paused || uds->closing)
        return;
    rc = uv_read_start((uv_stream_t *)&uds->pipe, on_alloc, on_read);
    if (rc < 0)
        end_uv(uds, "cannot read", rc);
}

/* ---- the begin ---- */

struct uds *uds_connection_new(struct uds_endpoint *endpoint)
{
    struct uds *uds = calloc(1, sizeof(*uds));

    if (!uds)
        return NULL;
    if (uv_pipe_init(&endpoint->loop->uv, &uds->pipe, 0) < 0) {
        free(uds);
        return NULL;
    }
    uds->pipe.data = uds;
    uds->endpoint = endpoint;
    uds->ctx = endpoint->ctx;
    output_init(&uds->out, &endpoint->spare);
    buf_init(&uds->in, UDS_HEADROOM + (size_t)record_limit(uds) + 2 * READ_BYTES, 0);
    uds->flush = (struct deferred){.fn = on_flush, .ctx = uds};
    timer_init(&uds->timer, on_timer, uds);
    uds->next = endpoint->first;
    if (uds->next)
        uds->next->self = &uds->next;
    uds->self = &endpoint->first;
    endpoint->first = uds;
    endpoint->count++;
    endpoint->refs++;
    return uds;
}

static void start(struct uds *uds)
{
    int rc = uv_read_start((uv_stream_t *)&uds->pipe, on_alloc, on_read);

    uds->state = STATE_HANDSHAKE;
    if (rc < 0)
        end_uv(uds, "cannot read", rc);
    else if (timer_arm(&uds->endpoint->loop->timers, &uds->timer, HANDSHAKE_MS) < 0)
        end_text(uds, "out of memory");
}

void uds_connection_accept(struct uds *uds, uv_stream_t *listener)
{
    int rc = uv_accept(listener, (uv_stream_t *)&uds->pipe);

    if (rc < 0)
        end_uv(uds, "cannot accept", rc);
    else
        start(uds);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct uds *uds = request->data;
    const char *name = uds->endpoint->name;

    if (uds->ended)
        return;
    if (status < 0) {
        end_uv(uds, "cannot connect", status);
        return;
    }
    start(uds);
    if (uds->ended)
        return;
    if (queue_copy(uds, UDS_ITEM_HANDSHAKE, name, strlen(name)) < 0) /* R-UDS.16 */
        end_text(uds, "out of memory");
    else
        loop_defer(uds->endpoint->loop, &uds->flush);
}

void uds_connection_connect(struct uds *uds)
{
    uds->request.connect.data = uds;
    uv_pipe_connect(&uds->request.connect, &uds->pipe, uds->endpoint->path, on_connected);
}

void uds_set_ctx(struct uds *uds, void *ctx)
{
    uds->ctx = ctx;
}

uid_t uds_peer_uid(const struct uds *uds)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&uds->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return (uid_t)-1;
    return peer.uid;
}
