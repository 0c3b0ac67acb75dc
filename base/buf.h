/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bounded byte buffer with headroom. Bytes are appended at the end and may be put in front into the headroom without
 * moving what is there: a message is written once, and each layer below puts its own header before it.
 *
 * The buffer owns its memory. A failed append (no memory, ceiling reached) changes nothing, sets `failed`, and every
 * later append fails too: a writer may check once at the end. Not thread-safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *base; /* start of the allocation */
    size_t head;   /* offset of the first byte */
    size_t len;    /* bytes held */
    size_t cap;    /* bytes allocated */
    size_t max;    /* ceiling for head + len */
    bool failed;
};

/* max: ceiling in bytes, headroom included. headroom: bytes kept free in front. Allocates nothing yet. */
void buf_init(struct buf *buf, size_t max, size_t headroom);
void buf_done(struct buf *buf);
/* Empties the buffer for reuse with this headroom; keeps the memory unless it is large. */
void buf_clear(struct buf *buf, size_t headroom);
/* Takes over the bytes of *from, which is left empty and usable. */
void buf_move(struct buf *to, struct buf *from);

static inline uint8_t *buf_data(const struct buf *buf)
{
    return buf->base ? buf->base + buf->head : NULL;
}

/* Makes room for n more bytes at the end and returns where they go (buf->len is not changed), or NULL. */
uint8_t *buf_room(struct buf *buf, size_t n);
/* 0, or -1 and `failed`. */
int buf_append(struct buf *buf, const void *data, size_t n);
int buf_append_str(struct buf *buf, const char *text);
int buf_append_byte(struct buf *buf, uint8_t byte);
int buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts n bytes in front: into the headroom, or by moving when that is too small. */
int buf_prepend(struct buf *buf, const void *data, size_t n);
/* Drops n bytes (at most all) from the front; they become headroom. */
void buf_consume(struct buf *buf, size_t n);
/* Appends a NUL that does not count, so that buf_data() is a C string; NULL on failure. */
const char *buf_cstr(struct buf *buf);

#endif
