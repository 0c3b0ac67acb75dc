/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What waits to be written to one peer: a list of chunks. Small messages share a chunk, so that one system call takes many;
 * a large one keeps its own memory. An emptied chunk is kept as the spare of whoever owns many outputs.
 */
#ifndef TRANSPORTS_OUTPUT_H
#define TRANSPORTS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
    OUTPUT_COPY_BYTES = 8 << 10, /* messages up to here are better copied */
    OUTPUT_CHUNK_BYTES = 64 << 10,
};

struct output_chunk {
    struct output_chunk *next;
    struct buf data;
    bool sealed; /* takes no more bytes: it is being written, or is the memory of one large message */
};

struct output {
    struct output_chunk *first;
    struct output_chunk *last;   /* only when there is a first */
    struct output_chunk **spare; /* the owner's, shared by its outputs */
    size_t bytes;
};

void output_init(struct output *output, struct output_chunk **spare);
void output_done(struct output *output);
void output_chunk_free(struct output_chunk *chunk);

/* Appends a copy of header and data. -1 when memory is out. */
int output_copy(struct output *output, const void *header, size_t header_len, const void *data, size_t len);
/* Appends header and the bytes of *data, which it takes over (header goes into its headroom). -1: *data is unchanged. */
int output_move(struct output *output, const void *header, size_t header_len, struct buf *data);
/* Drops the first chunk. */
void output_pop(struct output *output);
/* Drops so many bytes from the front. */
void output_consume(struct output *output, size_t bytes);
/* No chunk that is there now takes more bytes. */
void output_seal(struct output *output);

#endif
