/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An arena: memory that lives as long as one request and is given back at once. Allocation never returns memory that
 * was used before the last reset; nothing is freed singly. Not thread-safe: one arena, one thread at a time.
 *
 * All functions that allocate return NULL when memory is out or the arena's ceiling is reached.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out since the last reset */
    size_t max;                 /* ceiling for `used`; 0 for none */
};

/* max: ceiling in bytes, 0 for none. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t max);
void arena_done(struct arena *arena);

/* Forgets all allocations; keeps one block for the next request. */
void arena_reset(struct arena *arena);

/* Aligned for any type; not cleared. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);
/* Cleared; NULL as well when count * size overflows. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);
/* A terminated copy of len bytes. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
