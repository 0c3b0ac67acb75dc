/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct map_entry {
    const char *key;
    size_t len;
    uint64_t hash;
    void *value; /* NULL and key NULL: free; NULL and key set: a grave */
};

enum {
    FIRST_SLOTS = 16,
};

static uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t map_hash(const uint64_t seed[2], const void *data, size_t len)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575ull, seed[1] ^ 0x646f72616e646f6dull,
                     seed[0] ^ 0x6c7967656e657261ull, seed[1] ^ 0x7465646279746573ull};
    const unsigned char *p = data;
    uint64_t word;

    for (size_t left = len; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < len % 8; i++)
        word |= (uint64_t)p[i] << (8 * i);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map)
{
    *map = (struct map){0};
    if (getrandom(map->seed, sizeof(map->seed), GRND_NONBLOCK) != (ssize_t)sizeof(map->seed)) {
        /* Before the kernel has entropy, addresses are the best there is. */
        map->seed[0] = (uint64_t)(uintptr_t)map;
        map->seed[1] = (uint64_t)(uintptr_t)&map_init;
    }
}

void map_done(struct map *map)
{
    if (!map)
        return;
    free(map->entries);
    *map = (struct map){0};
}

/* The slot that holds the key, or the slot where it may be put when add is true, or NULL. */
static struct map_entry *slot(const struct map *map, struct str key, uint64_t hash, int add)
{
    struct map_entry *grave = NULL;

    if (!map->entries)
        return NULL;
    for (size_t i = hash & map->mask;; i = (i + 1) & map->mask) {
        struct map_entry *entry = &map->entries[i];

        if (!entry->key)
            return add ? (grave ? grave : entry) : NULL;
        if (!entry->value) {
            if (!grave)
                grave = entry;
        } else if (entry->hash == hash && str_equal((struct str){entry->key, entry->len}, key)) {
            return entry;
        }
    }
}

void *map_get(const struct map *map, struct str key)
{
    struct map_entry *entry = map->count ? slot(map, key, map_hash(map->seed, key.data, key.len), 0) : NULL;

    return entry ? entry->value : NULL;
}

static int resize(struct map *map, size_t slots)
{
    struct map_entry *old = map->entries;
    size_t old_slots = old ? map->mask + 1 : 0;
    struct map_entry *entries = calloc(slots, sizeof(*entries));

    if (!entries)
        return -1;
    map->entries = entries;
    map->mask = slots - 1;
    map->graves = 0;
    for (size_t i = 0; i < old_slots; i++)
        if (old[i].value)
            *slot(map, (struct str){old[i].key, old[i].len}, old[i].hash, 1) = old[i];
    free(old);
    return 0;
}

int map_put(struct map *map, struct str key, void *value)
{
    uint64_t hash = map_hash(map->seed, key.data, key.len);
    size_t slots = map->entries ? map->mask + 1 : 0;
    struct map_entry *entry;

    if ((map->count + map->graves + 1) * 4 > slots * 3) {
        size_t want = slots ? slots : FIRST_SLOTS;

        if ((map->count + 1) * 2 > slots && slots)
            want = slots * 2;
        if (resize(map, want) < 0)
            return -1;
    }
    entry = slot(map, key, hash, 1);
    if (!entry->value) {
        if (entry->key)
            map->graves--;
        map->count++;
    }
    /* An empty key still needs a pointer: NULL marks a free slot. */
    *entry = (struct map_entry){key.data ? key.data : "", key.len, hash, value};
    return 0;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_entry *entry = map->count ? slot(map, key, map_hash(map->seed, key.data, key.len), 0) : NULL;
    void *value;

    if (!entry)
        return NULL;
    value = entry->value;
    entry->value = NULL;
    entry->key = "";
    entry->len = 0;
    map->count--;
    map->graves++;
    return value;
}

void *map_next(const struct map *map, size_t *at)
{
    while (map->entries && *at <= map->mask) {
        struct map_entry *entry = &map->entries[(*at)++];

        if (entry->value)
            return entry->value;
    }
    return NULL;
}
