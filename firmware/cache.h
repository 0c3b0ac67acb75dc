/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Images on disk: whole ones under their SHA-256, parts of those being fetched under the name of their fetch. What is
 * there is known from records in the store (kinds "image" and "fetch"); files that no record names are removed at start,
 * records whose file is gone are deleted. The sum of sizes stays under a limit: when room is needed, parts that nobody
 * fetches go first, then images by last use, those that a slot could still activate never.
 *
 * The cache owns its images and parts. Loop's thread only; hashing, syncing and renaming are its users' workers' task.
 */
#ifndef FIRMWARE_CACHE_H
#define FIRMWARE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/store.h"
#include "firmware/verify.h"

enum {
    CACHE_PART_KEY_BYTES = 33, /* 32 hexadecimal digits */
};

enum cache_hold {
    CACHE_FREE,
    CACHE_WANTED, /* what a device runs, or failed to run: kept for a rollback while there is room */
    CACHE_HELD,   /* a slot is Available by it, or a job needs it */
};

struct firmware_image {
    struct firmware_image *next;
    uint64_t size;
    int64_t used;         /* last use, s since 1970 */
    enum cache_hold hold; /* as of the last survey */
    unsigned pins;        /* used right now: not evicted */
    char *url;            /* where it came from last, and the server's validator for it, or NULL */
    char *validator;
    struct verify_checksum checksum; /* by another algorithm than SHA-256, as a command named it; or none */
    char sha256[VERIFY_SHA256_HEX_BYTES];
};

struct cache_part {
    struct cache_part *next;
    char key[CACHE_PART_KEY_BYTES];
    char *validator;
    uint64_t size; /* on disk; whoever writes it counts it up and releases as much of what was reserved */
    bool busy;     /* a fetch is writing it */
};

struct cache_ops {
    /* Sets `hold` of all images from what the slots say. */
    void (*survey)(void *ctx, struct firmware_image *images);
    /* The image goes now: forget it. */
    void (*evicted)(void *ctx, struct firmware_image *image);
};

struct cache;

/* Creates dir when it is missing. ops may be NULL. */
struct cache *cache_new(struct store *store, const struct clock *clock, const char *dir, uint64_t max_bytes,
                        const struct cache_ops *ops, void *ctx, struct error *err);
void cache_free(struct cache *cache);

struct firmware_image *cache_find(struct cache *cache, const char *sha256);
/* By a checksum of any algorithm under which the image was verified before. */
struct firmware_image *cache_find_checksum(struct cache *cache, const struct verify_checksum *checksum);
/* The image that came from there last and has a validator. */
struct firmware_image *cache_find_url(struct cache *cache, const char *url);

/* Where the image is, or where it would be: malloc'ed, NULL when memory is out. */
char *cache_path(const struct cache *cache, const char *sha256);
const char *cache_dir(const struct cache *cache);

/* The file is in place under its name: makes or renews its record. url NULL: it came inside a release. NULL when memory or the
 * store fails. */
struct firmware_image *cache_add(struct cache *cache, const char *sha256, uint64_t size, const char *url,
                                 const char *validator, const struct verify_checksum *checksum,
                                 struct error *err);
void cache_touch(struct cache *cache, struct firmware_image *image);
/* Removes file and record; ops->evicted is called first. */
void cache_drop(struct cache *cache, struct firmware_image *image);

/*
 * Before bytes are written: makes room under the limit and on the file system, and counts them as taken until
 * cache_release(). -1 and err (7005) when they do not fit.
 */
int cache_reserve(struct cache *cache, uint64_t bytes, struct error *err);
void cache_release(struct cache *cache, uint64_t bytes);

/* The part under this key, made when there is none; NULL when memory is out. Marks it busy. */
struct cache_part *cache_part_take(struct cache *cache, const char *key);
char *cache_part_path(const struct cache *cache, const char *key);
/* Remembers what resuming needs. validator NULL: cannot be resumed. */
int cache_part_save(struct cache *cache, struct cache_part *part, const char *validator, struct error *err);
/* No longer busy; the file and its record stay. */
void cache_part_leave(struct cache_part *part);
/* Forgets it and removes the file if it is there. */
void cache_part_drop(struct cache *cache, struct cache_part *part);
/* The same by key, when nobody writes it. */
void cache_part_forget(struct cache *cache, const char *key);

/* After a batch of the store was lost: writes all records of images again. */
void cache_rewrite(struct cache *cache);
/* Bytes on disk and reserved. */
uint64_t cache_used(const struct cache *cache);

#endif
