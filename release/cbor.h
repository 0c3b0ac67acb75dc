/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBOR (RFC 8949), strictly: only the deterministic encoding of section 4.2.1 (shortest heads, definite lengths, map keys in
 * bytewise order and so each once), UTF-8 text, no floating point, nothing behind the item; depth and number of items are
 * limited. What a signature covers has one meaning then, and two readers cannot differ on it.
 *
 * cbor_open() walks the whole item once; the functions after it read on and fail on another type than asked for. A
 * failure is kept: a caller may check once at the end. Borrows the bytes, allocates nothing. The writer makes the same
 * encoding into a struct buf; keys are written in order by the caller.
 */
#ifndef RELEASE_CBOR_H
#define RELEASE_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum cbor_type {
    CBOR_UINT,
    CBOR_NINT,
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE, /* false, true, null */
    CBOR_NONE,   /* nothing is left, or it failed */
};

enum {
    CBOR_DEPTH = 12,
    CBOR_ITEMS = 4096,
};

struct cbor {
    const uint8_t *at;
    const uint8_t *end;
    const char *why; /* NULL: has not failed */
};

/* One item and nothing else. -1: it is not that; *ret has failed, and why says what is wrong. */
int cbor_open(struct cbor *ret, struct str bytes);
enum cbor_type cbor_peek(const struct cbor *cbor);
uint64_t cbor_uint(struct cbor *cbor);
int64_t cbor_int(struct cbor *cbor); /* what does not fit fails */
bool cbor_bool(struct cbor *cbor);
void cbor_null(struct cbor *cbor);
struct str cbor_bytes(struct cbor *cbor);
struct str cbor_text(struct cbor *cbor);
size_t cbor_array(struct cbor *cbor);
size_t cbor_map(struct cbor *cbor);
uint64_t cbor_tag(struct cbor *cbor);
/* The whole next item, as it is encoded. */
struct str cbor_raw(struct cbor *cbor);
/* Fails it with a reason of the caller's, unless it has failed already. */
void cbor_fail(struct cbor *cbor, const char *why);
/* 0 when nothing failed and nothing is left. */
int cbor_end(struct cbor *cbor);

void cbor_put_uint(struct buf *buf, uint64_t value);
void cbor_put_int(struct buf *buf, int64_t value);
void cbor_put_bytes(struct buf *buf, struct str bytes);
void cbor_put_text(struct buf *buf, struct str text);
void cbor_put_array(struct buf *buf, size_t count);
void cbor_put_map(struct buf *buf, size_t pairs);
void cbor_put_tag(struct buf *buf, uint64_t tag);
void cbor_put_bool(struct buf *buf, bool value);
void cbor_put_null(struct buf *buf);

#endif
