/* SPDX-License-Identifier: BSD-3-Clause */
#include "transports/output.h"

#include <stdlib.h>
#include <string.h>

void output_init(struct output *output, struct output_chunk **spare)
{
    *output = (struct output){.spare = spare};
}

void output_chunk_free(struct output_chunk *chunk)
{
    if (!chunk)
        return;
    buf_done(&chunk->data);
    free(chunk);
}

void output_done(struct output *output)
{
    while (output->first) {
        struct output_chunk *chunk = output->first;

        output->first = chunk->next;
        output_chunk_free(chunk);
    }
    output->bytes = 0;
}

static void append(struct output *output, struct output_chunk *chunk)
{
    chunk->next = NULL;
    if (output->first)
        output->last->next = chunk;
    else
        output->first = chunk;
    output->last = chunk;
}

/* A chunk with room for len bytes at the end of the list. */
static struct output_chunk *chunk_for(struct output *output, size_t len)
{
    struct output_chunk *chunk = output->first ? output->last : NULL;

    if (chunk && !chunk->sealed && chunk->data.len + len <= OUTPUT_CHUNK_BYTES) {
        if (buf_room(&chunk->data, len))
            return chunk;
        chunk->data.failed = false; /* what it holds is still to be written */
        return NULL;
    }
    chunk = *output->spare;
    *output->spare = NULL;
    if (!chunk) {
        chunk = calloc(1, sizeof(*chunk));
        if (!chunk)
            return NULL;
        buf_init(&chunk->data, SIZE_MAX, 0);
    }
    if (!buf_room(&chunk->data, len)) {
        output_chunk_free(chunk);
        return NULL;
    }
    append(output, chunk);
    return chunk;
}

int output_copy(struct output *output, const void *header, size_t header_len, const void *data, size_t len)
{
    struct output_chunk *chunk = chunk_for(output, header_len + len);

    if (!chunk)
        return -1;
    buf_append(&chunk->data, header, header_len);
    buf_append(&chunk->data, data, len);
    output->bytes += header_len + len;
    return 0;
}

int output_move(struct output *output, const void *header, size_t header_len, struct buf *data)
{
    struct output_chunk *chunk = calloc(1, sizeof(*chunk));

    if (!chunk)
        return -1;
    if (buf_prepend(data, header, header_len) < 0) {
        free(chunk);
        return -1;
    }
    buf_move(&chunk->data, data);
    chunk->sealed = true;
    output->bytes += chunk->data.len;
    append(output, chunk);
    return 0;
}

void output_pop(struct output *output)
{
    struct output_chunk *chunk = output->first;

    output->first = chunk->next;
    output->bytes -= chunk->data.len;
    if (*output->spare || chunk->data.cap > OUTPUT_CHUNK_BYTES || chunk->data.max != SIZE_MAX) {
        output_chunk_free(chunk);
        return;
    }
    buf_clear(&chunk->data, 0);
    chunk->sealed = false;
    *output->spare = chunk;
}

void output_consume(struct output *output, size_t bytes)
{
    while (output->first && bytes >= output->first->data.len) {
        bytes -= output->first->data.len;
        output_pop(output);
    }
    if (bytes) {
        buf_consume(&output->first->data, bytes);
        output->bytes -= bytes;
    }
}

void output_seal(struct output *output)
{
    for (struct output_chunk *chunk = output->first; chunk; chunk = chunk->next)
        chunk->sealed = true;
}
