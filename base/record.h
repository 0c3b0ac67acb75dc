/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How modules write their records into the store: a version byte, then numbers (8 bytes, little-endian) and texts
 * (4 bytes of length, then the bytes). A reader that meets anything short, long or of another version fails for good,
 * gives zeros and empty texts from there on, and its owner drops the record. Texts read are malloc'ed.
 */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    RECORD_BYTES = 64 << 10, /* ceiling of one record */
};

void record_begin(struct buf *buf, uint8_t version);
void record_put_number(struct buf *buf, uint64_t value);
/* NULL and "" are different. */
void record_put_text(struct buf *buf, const char *text);
void record_put_bytes(struct buf *buf, struct str bytes);

struct record_reader {
    struct str rest;
    bool failed;
    bool no_memory; /* and not the record's fault */
};

void record_read(struct record_reader *reader, struct str record, uint8_t version);
uint64_t record_number(struct record_reader *reader);
/* A number below `end`; anything else fails the reader. */
uint64_t record_choice(struct record_reader *reader, uint64_t end);
/* Borrowed from the record; what record_put_text() wrote is read so, too. */
struct str record_bytes(struct record_reader *reader);
char *record_text(struct record_reader *reader);
/* Into a fixed array; too long a text fails the reader. */
void record_copy(struct record_reader *reader, char *to, size_t size);
/* True when all was read and nothing failed. */
bool record_end(const struct record_reader *reader);

#endif
