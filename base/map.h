/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash map from byte strings to pointers. The map does not own keys or values: a key must stay where it is until its
 * entry is removed (usually it is a member of the value). Keys come from peers, so the hash is SipHash-1-3 under a
 * random seed. Not thread-safe.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct map_entry;

struct map {
    struct map_entry *entries;
    size_t mask;  /* slots - 1, or 0 when there are none */
    size_t count; /* entries in use */
    size_t graves;
    uint64_t seed[2];
};

/* Draws the seed; allocates nothing yet. */
void map_init(struct map *map);
void map_done(struct map *map);

void *map_get(const struct map *map, struct str key);
/* Adds or replaces. -1 when memory is out (nothing changed). value must not be NULL. */
int map_put(struct map *map, struct str key, void *value);
/* The value that was there, or NULL. */
void *map_remove(struct map *map, struct str key);
/* Walks in no order: start with *at = 0; NULL at the end. The entry just returned may be removed on the way. */
void *map_next(const struct map *map, size_t *at);

/* SipHash-1-3. */
uint64_t map_hash(const uint64_t seed[2], const void *data, size_t len);

#endif
