/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BYTES = 512,
    KEEP_BYTES = 64 << 10, /* memory that buf_clear() keeps for the next message */
};

void buf_init(struct buf *buf, size_t max, size_t headroom)
{
    *buf = (struct buf){.max = max, .head = headroom};
}

void buf_done(struct buf *buf)
{
    if (!buf)
        return;
    free(buf->base);
    *buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf, size_t headroom)
{
    if (buf->cap > KEEP_BYTES || headroom > buf->cap) {
        free(buf->base);
        buf->base = NULL;
        buf->cap = 0;
    }
    buf->head = headroom;
    buf->len = 0;
    buf->failed = false;
}

void buf_move(struct buf *to, struct buf *from)
{
    free(to->base);
    *to = *from;
    *from = (struct buf){.max = to->max};
}

static int fail(struct buf *buf)
{
    buf->failed = true;
    return -1;
}

static int grow(struct buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    uint8_t *base;

    if (need > buf->max)
        return fail(buf);
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    if (cap > buf->max)
        cap = buf->max; /* or the first bytes would be more than are allowed */
    base = realloc(buf->base, cap);
    if (!base)
        return fail(buf);
    buf->base = base;
    buf->cap = cap;
    return 0;
}

uint8_t *buf_room(struct buf *buf, size_t n)
{
    size_t end = buf->head + buf->len;

    if (buf->failed)
        return NULL;
    if (n > SIZE_MAX - end) {
        fail(buf);
        return NULL;
    }
    /* An empty buffer is given memory even for n = 0, so that its data is never NULL. */
    if ((n > buf->cap - end || end > buf->cap || !buf->base) && grow(buf, end + n) < 0)
        return NULL;
    return buf->base + end;
}

int buf_append(struct buf *buf, const void *data, size_t n)
{
    uint8_t *room = buf_room(buf, n);

    if (!room)
        return -1;
    if (n)
        memcpy(room, data, n);
    buf->len += n;
    return 0;
}

int buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_append_byte(struct buf *buf, uint8_t byte)
{
    return buf_append(buf, &byte, 1);
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    uint8_t *room;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    room = len >= 0 ? buf_room(buf, (size_t)len + 1) : NULL;
    if (room) {
        vsnprintf((char *)room, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    va_end(ap);
    return room ? 0 : -1;
}

int buf_prepend(struct buf *buf, const void *data, size_t n)
{
    if (n > buf->head || !buf->base) {
        if (!buf_room(buf, n))
            return -1;
        memmove(buf->base + buf->head + n, buf->base + buf->head, buf->len);
        buf->head += n;
    }
    buf->head -= n;
    memcpy(buf->base + buf->head, data, n);
    buf->len += n;
    return 0;
}

void buf_consume(struct buf *buf, size_t n)
{
    if (n > buf->len)
        n = buf->len;
    buf->head += n;
    buf->len -= n;
    if (!buf->len)
        buf->head = 0;
}

const char *buf_cstr(struct buf *buf)
{
    uint8_t *room = buf_room(buf, 1);

    if (!room)
        return NULL;
    *room = '\0';
    return (const char *)buf_data(buf);
}
