/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 8192 - 64, /* leaves room for malloc's own header in two pages */
};

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *arena, size_t max)
{
    *arena = (struct arena){.max = max};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;

        free(block);
        block = next;
    }
}

void arena_done(struct arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->used = 0;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = NULL;

    /* A large block was one request's need; only an ordinary one is kept for the next. */
    for (struct arena_block *block = arena->blocks; block;) {
        struct arena_block *next = block->next;

        if (!keep && block->size == BLOCK_BYTES)
            keep = block;
        else
            free(block);
        block = next;
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    arena->blocks = keep;
    arena->used = 0;
}

static struct arena_block *block_new(struct arena *arena, size_t need)
{
    size_t size = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    struct arena_block *block;

    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    block->used = 0;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    struct arena_block *block = arena->blocks;
    void *result;

    if (size > SIZE_MAX - align)
        return NULL;
    size = (size + align - 1) & ~(align - 1);
    if (arena->max && size > arena->max - arena->used)
        return NULL;
    if (!block || size > block->size - block->used) {
        block = block_new(arena, size);
        if (!block)
            return NULL;
    }
    result = block->data + block->used;
    block->used += size;
    arena->used += size;
    return result;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    void *result;

    if (size && count > SIZE_MAX / size)
        return NULL;
    result = arena_alloc(arena, count * size);
    if (result)
        memset(result, 0, count * size);
    return result;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_alloc(arena, len + 1) : NULL;

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    char *result = NULL;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    if (len >= 0)
        result = arena_alloc(arena, (size_t)len + 1);
    if (result)
        vsnprintf(result, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return result;
}
