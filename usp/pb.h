/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protocol buffers, the wire format, as far as USP needs it: a cursor over the fields of a message, and functions that
 * append fields to a buffer. Nothing is copied on reading and no tree is built on writing: a table of a thousand rows
 * goes from the rows to the wire. What the fields mean is in fields.h, which is generated from the .proto files.
 *
 * Strict where a library would be lenient: a field of the wrong wire type, a length beyond the end, a group or a number
 * 0 is malformed, and members of a oneof can be counted (R-ENC.3).
 */
#ifndef USP_PB_H
#define USP_PB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

enum pb_wire {
    PB_VARINT = 0,
    PB_FIXED64 = 1,
    PB_BYTES = 2,
    PB_FIXED32 = 5,
};

struct pb_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct pb_field {
    uint32_t number;
    enum pb_wire wire;
    uint64_t value;   /* PB_VARINT, PB_FIXED32, PB_FIXED64 */
    struct str bytes; /* PB_BYTES: borrowed */
};

static inline struct pb_reader pb_reader(struct str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.data;

    return (struct pb_reader){at, at ? at + bytes.len : at};
}

/* 1 and the next field, 0 at the end, -1 when malformed. */
int pb_next(struct pb_reader *reader, struct pb_field *ret);

/* The field's content if it has this type; false when it does not (malformed), or, for text, is not UTF-8. */
bool pb_text(const struct pb_field *field, struct str *ret);
bool pb_bytes(const struct pb_field *field, struct str *ret);
bool pb_number(const struct pb_field *field, uint64_t *ret); /* varint or fixed32 */
bool pb_bool(const struct pb_field *field, bool *ret);
/* A map entry: key and value as text; either may be absent ("" then). */
bool pb_entry(const struct pb_field *field, struct str *ret_key, struct str *ret_value);

/* ---- writing; errors stay in buf->failed ---- */

/* Writes a varint to `to` (10 bytes at most) and returns the bytes written. */
static inline size_t pb_put_varint(uint8_t *to, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        to[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[n++] = (uint8_t)value;
    return n;
}

static inline size_t pb_varint_size(uint64_t value)
{
    size_t n = 1;

    while (value >= 0x80) {
        value >>= 7;
        n++;
    }
    return n;
}

/* Field numbers up to 15 have a tag of one byte; USP has no higher one in use. */
#define PB_TAG(number, wire) ((uint8_t)((number) << 3 | (wire)))

void pb_write_bytes(struct buf *buf, unsigned number, struct str bytes);
/* Not written when it is the default (0, false, ""), as proto3 has it. */
void pb_write_text(struct buf *buf, unsigned number, struct str text);
void pb_write_uint(struct buf *buf, unsigned number, uint64_t value);
void pb_write_fixed32(struct buf *buf, unsigned number, uint32_t value);
void pb_write_entry(struct buf *buf, unsigned number, struct str key, struct str value);

/*
 * A nested message: what is appended between begin and end is its content. The length is put in place at the end, so
 * nesting costs a move of the content only when its length needs another number of bytes than foreseen.
 */
size_t pb_begin(struct buf *buf, unsigned number);
void pb_end(struct buf *buf, size_t mark);
/* Takes back all since begin: as if it had not been. */
void pb_cancel(struct buf *buf, size_t mark);

/* Puts tag and length of a nested message in front of the whole buffer. */
void pb_wrap(struct buf *buf, unsigned number);

#endif
