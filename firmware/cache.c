/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/cache.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/record.h"

enum {
    IMAGE_VERSION = 1,
    PART_VERSION = 1,
    SPARE_BYTES = 4 << 20, /* left free on the file system for the database and everybody else */
};

static const char part_prefix[] = "part-";

struct cache {
    struct store *store;
    const struct clock *clock;
    const struct cache_ops *ops;
    void *ctx;
    char *dir;
    uint64_t max_bytes;
    uint64_t reserved;
    struct firmware_image *images;
    struct cache_part *parts;
};

static char *join(const struct cache *cache, const char *prefix, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s%s", cache->dir, prefix, name) < 0 ? NULL : path;
}

char *cache_path(const struct cache *cache, const char *sha256)
{
    return join(cache, "", sha256);
}

char *cache_part_path(const struct cache *cache, const char *key)
{
    return join(cache, part_prefix, key);
}

const char *cache_dir(const struct cache *cache)
{
    return cache->dir;
}

static void unlink_in(const struct cache *cache, const char *prefix, const char *name)
{
    char *path = join(cache, prefix, name);

    if (path)
        unlink(path);
    free(path);
}

/* The size of a file, or -1. */
static int64_t size_of(const struct cache *cache, const char *prefix, const char *name)
{
    char *path = join(cache, prefix, name);
    struct stat st;
    int64_t size = path && stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;

    free(path);
    return size;
}

/* ---- images ---- */

static void image_free(struct firmware_image *image)
{
    if (!image)
        return;
    free(image->url);
    free(image->validator);
    free(image);
}

static int image_save(struct cache *cache, const struct firmware_image *image, struct error *err)
{
    struct buf buf;
    int result;

    record_begin(&buf, IMAGE_VERSION);
    record_put_number(&buf, image->size);
    record_put_number(&buf, (uint64_t)image->used);
    record_put_text(&buf, image->url);
    record_put_text(&buf, image->validator);
    record_put_number(&buf, image->checksum.algorithm);
    record_put_text(&buf, image->checksum.hex);
    result = buf.failed
                 ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to record an image")
                 : store_put(cache->store, "image", str_of(image->sha256), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    return result;
}

/* Takes the record only when its file is there, whole by size. */
static int on_image_record(void *ctx, struct str key, struct str value)
{
    struct cache *cache = ctx;
    struct firmware_image *image = calloc(1, sizeof(*image));
    struct record_reader reader;

    if (!image)
        return -1;
    record_read(&reader, value, IMAGE_VERSION);
    image->size = record_number(&reader);
    image->used = (int64_t)record_number(&reader);
    image->url = record_text(&reader);
    image->validator = record_text(&reader);
    image->checksum.algorithm = (enum verify_algorithm)record_choice(&reader, VERIFY_ALGORITHMS + 1);
    record_copy(&reader, image->checksum.hex, sizeof(image->checksum.hex));
    if (record_end(&reader) && key.len == sizeof(image->sha256) - 1) {
        memcpy(image->sha256, key.data, key.len);
        if (size_of(cache, "", image->sha256) == (int64_t)image->size) {
            image->next = cache->images;
            cache->images = image;
            return 0;
        }
    }
    image_free(image);
    return 0;
}

struct firmware_image *cache_find(struct cache *cache, const char *sha256)
{
    for (struct firmware_image *image = cache->images; image; image = image->next)
        if (strcmp(image->sha256, sha256) == 0)
            return image;
    return NULL;
}

struct firmware_image *cache_find_checksum(struct cache *cache, const struct verify_checksum *checksum)
{
    if (checksum->algorithm == VERIFY_ALGORITHMS)
        return NULL;
    if (checksum->algorithm == VERIFY_SHA256)
        return cache_find(cache, checksum->hex);
    for (struct firmware_image *image = cache->images; image; image = image->next)
        if (image->checksum.algorithm == checksum->algorithm &&
            strcmp(image->checksum.hex, checksum->hex) == 0)
            return image;
    return NULL;
}

struct firmware_image *cache_find_url(struct cache *cache, const char *url)
{
    for (struct firmware_image *image = cache->images; image; image = image->next)
        if (image->validator && image->url && strcmp(image->url, url) == 0)
            return image;
    return NULL;
}

/* The server has another image there now. */
static void forget_url(struct cache *cache, const char *url, const struct firmware_image *but)
{
    for (struct firmware_image *image = cache->images; image; image = image->next) {
        if (image == but || !image->validator || !image->url || strcmp(image->url, url) != 0)
            continue;
        free(image->validator);
        image->validator = NULL;
        image_save(cache, image, NULL);
    }
}

struct firmware_image *cache_add(struct cache *cache, const char *sha256, uint64_t size, const char *url,
                                 const char *validator, const struct verify_checksum *checksum,
                                 struct error *err)
{
    struct firmware_image *image = cache_find(cache, sha256);
    struct firmware_image *added = NULL;

    if (!image) {
        image = added = calloc(1, sizeof(*image));
        if (!image)
            goto no_memory;
        str_copy(image->sha256, sizeof(image->sha256), sha256);
        image->checksum.algorithm = VERIFY_ALGORITHMS;
    }
    image->size = size;
    image->used = clock_wall(cache->clock);
    if (str_replace(&image->url, url) < 0 || str_replace(&image->validator, validator) < 0)
        goto no_memory;
    if (checksum && checksum->algorithm != VERIFY_SHA256 && checksum->algorithm != VERIFY_ALGORITHMS)
        image->checksum = *checksum;
    if (image_save(cache, image, err) < 0) {
        image_free(added);
        return NULL;
    }
    if (added) {
        added->next = cache->images;
        cache->images = added;
    }
    if (url)
        forget_url(cache, url, image);
    return image;
no_memory:
    image_free(added);
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to record an image");
    return NULL;
}

void cache_touch(struct cache *cache, struct firmware_image *image)
{
    image->used = clock_wall(cache->clock);
    image_save(cache, image, NULL);
}

void cache_drop(struct cache *cache, struct firmware_image *image)
{
    if (cache->ops)
        cache->ops->evicted(cache->ctx, image);
    for (struct firmware_image **at = &cache->images; *at; at = &(*at)->next) {
        if (*at == image) {
            *at = image->next;
            break;
        }
    }
    store_delete(cache->store, "image", str_of(image->sha256), NULL);
    unlink_in(cache, "", image->sha256);
    image_free(image);
}

void cache_rewrite(struct cache *cache)
{
    for (struct firmware_image *image = cache->images; image; image = image->next)
        image_save(cache, image, NULL);
}

/* ---- parts ---- */

static struct cache_part *part_find(struct cache *cache, const char *key)
{
    for (struct cache_part *part = cache->parts; part; part = part->next)
        if (strcmp(part->key, key) == 0)
            return part;
    return NULL;
}

static struct cache_part *part_add(struct cache *cache, struct str key)
{
    struct cache_part *part = calloc(1, sizeof(*part));

    if (!part)
        return NULL;
    memcpy(part->key, key.data, key.len);
    part->next = cache->parts;
    cache->parts = part;
    return part;
}

static int on_part_record(void *ctx, struct str key, struct str value)
{
    struct cache *cache = ctx;
    struct record_reader reader;
    struct cache_part *part;
    char *validator;

    record_read(&reader, value, PART_VERSION);
    validator = record_text(&reader);
    if (!record_end(&reader) || !validator || key.len != CACHE_PART_KEY_BYTES - 1) {
        free(validator);
        return 0;
    }
    part = part_add(cache, key);
    if (!part) {
        free(validator);
        return -1;
    }
    part->validator = validator;
    return 0;
}

struct cache_part *cache_part_take(struct cache *cache, const char *key)
{
    struct cache_part *part = part_find(cache, key);

    if (!part)
        part = part_add(cache, str_of(key));
    if (part)
        part->busy = true;
    return part;
}

int cache_part_save(struct cache *cache, struct cache_part *part, const char *validator, struct error *err)
{
    struct buf buf;
    int result;

    if (str_replace(&part->validator, validator) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to record a fetch");
    if (!validator)
        return store_delete(cache->store, "fetch", str_of(part->key), err);
    record_begin(&buf, PART_VERSION);
    record_put_text(&buf, validator);
    result = buf.failed ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to record a fetch")
                        : store_put(cache->store, "fetch", str_of(part->key), buf_data(&buf), buf.len, err);
    buf_done(&buf);
    return result;
}

void cache_part_leave(struct cache_part *part)
{
    if (part)
        part->busy = false;
}

void cache_part_drop(struct cache *cache, struct cache_part *part)
{
    if (!part)
        return;
    for (struct cache_part **at = &cache->parts; *at; at = &(*at)->next) {
        if (*at == part) {
            *at = part->next;
            break;
        }
    }
    store_delete(cache->store, "fetch", str_of(part->key), NULL);
    unlink_in(cache, part_prefix, part->key);
    free(part->validator);
    free(part);
}

void cache_part_forget(struct cache *cache, const char *key)
{
    struct cache_part *part = part_find(cache, key);

    if (part && !part->busy)
        cache_part_drop(cache, part);
}

/* ---- room ---- */

uint64_t cache_used(const struct cache *cache)
{
    uint64_t used = cache->reserved;

    for (const struct firmware_image *image = cache->images; image; image = image->next)
        used += image->size;
    for (const struct cache_part *part = cache->parts; part; part = part->next)
        used += part->size;
    return used;
}

static bool fits(const struct cache *cache, uint64_t bytes, struct error *err)
{
    struct statvfs vfs;
    uint64_t used = cache_used(cache);
    uint64_t space;

    if (used > cache->max_bytes || bytes > cache->max_bytes - used) {
        error_set(
            err, ERROR_RESOURCES_EXCEEDED, cache->dir,
            "an image of %llu bytes does not fit: %llu of the %llu bytes allowed are in use and cannot be given up; "
            "raise cache_size or drop images",
            (unsigned long long)bytes, (unsigned long long)used, (unsigned long long)cache->max_bytes);
        return false;
    }
    if (statvfs(cache->dir, &vfs) < 0) {
        error_set_errno(err, ERROR_RESOURCES_EXCEEDED, cache->dir, errno,
                        "cannot see how much space is free");
        return false;
    }
    space = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    if (space < SPARE_BYTES || bytes + cache->reserved > space - SPARE_BYTES) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, cache->dir,
                  "an image of %llu bytes does not fit: the file system has %llu bytes free; make room there",
                  (unsigned long long)bytes, (unsigned long long)space);
        return false;
    }
    return true;
}

/* What can best be done without; NULL when all is held. */
static struct firmware_image *victim(const struct cache *cache)
{
    struct firmware_image *best = NULL;

    for (struct firmware_image *image = cache->images; image; image = image->next) {
        if (image->pins || image->hold == CACHE_HELD)
            continue;
        if (!best || image->hold < best->hold || (image->hold == best->hold && image->used < best->used))
            best = image;
    }
    return best;
}

static bool drop_idle_part(struct cache *cache)
{
    for (struct cache_part *part = cache->parts; part; part = part->next) {
        if (part->busy)
            continue;
        cache_part_drop(cache, part);
        return true;
    }
    return false;
}

int cache_reserve(struct cache *cache, uint64_t bytes, struct error *err)
{
    bool surveyed = false;

    /* What can never fit costs nobody its image. */
    if (bytes > cache->max_bytes)
        return fits(cache, bytes, err) ? 0 : -1;
    while (!fits(cache, bytes, err)) {
        struct firmware_image *image;

        if (drop_idle_part(cache))
            continue;
        if (!surveyed && cache->ops)
            cache->ops->survey(cache->ctx, cache->images);
        surveyed = true;
        image = victim(cache);
        if (!image)
            return -1;
        cache_drop(cache, image);
    }
    cache->reserved += bytes;
    return 0;
}

void cache_release(struct cache *cache, uint64_t bytes)
{
    cache->reserved -= bytes < cache->reserved ? bytes : cache->reserved;
}

/* ---- start and end ---- */

/* True for names that only this module gives: other files in the directory are not its business. */
static bool is_ours(const char *name)
{
    uint8_t bytes[VERIFY_BYTES];

    if (strncmp(name, part_prefix, sizeof(part_prefix) - 1) == 0)
        return strlen(name) == sizeof(part_prefix) - 1 + CACHE_PART_KEY_BYTES - 1;
    return strlen(name) == VERIFY_SHA256_HEX_BYTES - 1 &&
           str_from_hex(str_of(name), bytes, sizeof(bytes)) == 32;
}

static void sweep(struct cache *cache)
{
    DIR *dir = opendir(cache->dir);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        bool part = strncmp(name, part_prefix, sizeof(part_prefix) - 1) == 0;

        if (!is_ours(name))
            continue;
        if (part ? !part_find(cache, name + sizeof(part_prefix) - 1) : !cache_find(cache, name))
            unlink_in(cache, "", name);
    }
    closedir(dir);
}

struct stale {
    struct cache *cache;
    struct buf keys; /* each terminated */
};

static int on_stale_image(void *ctx, struct str key, struct str value)
{
    struct stale *stale = ctx;
    char sha256[VERIFY_SHA256_HEX_BYTES] = "";

    (void)value;
    if (key.len == sizeof(sha256) - 1)
        memcpy(sha256, key.data, key.len);
    if (!cache_find(stale->cache, sha256) && key.len && !memchr(key.data, '\0', key.len))
        return buf_append(&stale->keys, key.data, key.len) < 0 || buf_append_byte(&stale->keys, 0) < 0;
    return 0;
}

/* Records that name no usable file are deleted. */
static void delete_stale(struct cache *cache)
{
    struct stale stale = {.cache = cache};
    const char *key;
    size_t at = 0;

    buf_init(&stale.keys, 1 << 20, 0);
    store_each(cache->store, "image", STR(""), on_stale_image, &stale, NULL);
    for (; at < stale.keys.len; at += strlen(key) + 1) {
        key = (const char *)buf_data(&stale.keys) + at;
        store_delete(cache->store, "image", str_of(key), NULL);
    }
    buf_done(&stale.keys);
}

static int load(struct cache *cache, struct error *err)
{
    if (store_each(cache->store, "image", STR(""), on_image_record, cache, err) != 0 ||
        store_each(cache->store, "fetch", STR(""), on_part_record, cache, err) != 0)
        return error_set(err, ERROR_INTERNAL, cache->dir, "cannot read what the cache holds");
    for (struct cache_part *part = cache->parts, *next; part; part = next) {
        int64_t size = size_of(cache, part_prefix, part->key);

        next = part->next;
        if (size > 0)
            part->size = (uint64_t)size;
        else
            cache_part_drop(cache, part);
    }
    sweep(cache);
    delete_stale(cache);
    return 0;
}

struct cache *cache_new(struct store *store, const struct clock *clock, const char *dir, uint64_t max_bytes,
                        const struct cache_ops *ops, void *ctx, struct error *err)
{
    struct cache *cache = calloc(1, sizeof(*cache));

    if (!cache || !(cache->dir = strdup(dir))) {
        free(cache);
        error_set(err, ERROR_RESOURCES_EXCEEDED, dir, "out of memory");
        return NULL;
    }
    cache->store = store;
    cache->clock = clock;
    cache->max_bytes = max_bytes;
    cache->ops = ops;
    cache->ctx = ctx;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        error_set_errno(err, ERROR_INTERNAL, dir, errno,
                        "cannot create the directory for images (cache_dir)");
        cache_free(cache);
        return NULL;
    }
    if (access(dir, R_OK | W_OK | X_OK) < 0) {
        error_set_errno(err, ERROR_INTERNAL, dir, errno,
                        "cannot write to the directory for images (cache_dir)");
        cache_free(cache);
        return NULL;
    }
    if (load(cache, err) < 0) {
        cache_free(cache);
        return NULL;
    }
    return cache;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    while (cache->images) {
        struct firmware_image *image = cache->images;

        cache->images = image->next;
        image_free(image);
    }
    while (cache->parts) {
        struct cache_part *part = cache->parts;

        cache->parts = part->next;
        free(part->validator);
        free(part);
    }
    free(cache->dir);
    free(cache);
}
