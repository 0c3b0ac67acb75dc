/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/sequence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/record.h"

enum {
    VERSION = 1,
    SPARE = LIMIT_DEPARTED / 8, /* so that not each that leaves looks through all */
};

static const char PRESENT[] = "sequence";
static const char DEPARTED[] = "departed";

struct number {
    uint64_t sequence;
    uint64_t left; /* s since 1970; 0: it is there */
};

/* ---- one record ---- */

static bool read_number(struct str record, bool departed, struct number *ret)
{
    struct record_reader reader;

    record_read(&reader, record, VERSION);
    ret->sequence = record_number(&reader);
    ret->left = departed ? record_number(&reader) : 0;
    return record_end(&reader);
}

/* The key of a record: malloc'ed, NULL when memory is out. */
static char *key_of(const char *name, const char *component)
{
    char *key;

    return asprintf(&key, "%s\n%s", name, component) < 0 ? NULL : key;
}

/* *highest is raised. 1: there is one; 0; -1 and err. */
static int look(const struct firmware_target *target, const char *kind, const char *name,
                const char *component, uint64_t *highest, struct error *err)
{
    char *key = key_of(name, component);
    struct number number;
    struct buf buf;
    int result;

    if (!key)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "out of memory");
    buf_init(&buf, RECORD_BYTES, 0);
    result = store_get(target->firmware->store, kind, str_of(key), &buf, err);
    if (result == 1 &&
        !read_number((struct str){(const char *)buf_data(&buf), buf.len}, kind == DEPARTED, &number))
        result = error_set(err, ERROR_INTERNAL, target->path, "the device's sequence number cannot be read");
    if (result == 1 && number.sequence > *highest)
        *highest = number.sequence;
    buf_done(&buf);
    free(key);
    return result;
}

static int put(struct store *store, const char *kind, const char *name, const char *component,
               const struct number *number)
{
    char *key = key_of(name, component);
    struct buf buf;
    int result;

    record_begin(&buf, VERSION);
    record_put_number(&buf, number->sequence);
    if (number->left)
        record_put_number(&buf, number->left);
    result = !key || buf.failed ? -1 : store_put(store, kind, str_of(key), buf_data(&buf), buf.len, NULL);
    buf_done(&buf);
    free(key);
    return result;
}

/* ---- of one that is there ---- */

int sequence_last(const struct firmware_target *target, const char *component, uint64_t *ret,
                  struct error *err)
{
    uint64_t highest = 0;
    int present = look(target, PRESENT, target->key, component, &highest, err);
    int known = present < 0 ? -1 : look(target, DEPARTED, target->key, component, &highest, err);
    int alike = 0;

    if (known >= 0 && target->hardware && *target->hardware)
        alike = look(target, DEPARTED, target->hardware, component, &highest, err);
    if (present < 0 || known < 0 || alike < 0)
        return -1;
    *ret = highest;
    return present || known || alike;
}

int sequence_keep(struct firmware_target *target, const char *component, uint64_t sequence)
{
    struct number number = {.sequence = sequence};
    uint64_t last = 0;

    if (look(target, PRESENT, target->key, component, &last, NULL) == 1 && last >= sequence)
        return 0;
    return put(target->firmware->store, PRESENT, target->key, component, &number);
}

/* ---- of those that left ---- */

struct entry {
    struct entry *next;
    uint64_t left;
    struct str key;
};

struct gathering {
    struct arena arena;
    struct entry *first;
    uint32_t count;
};

static int gather(void *ctx, struct str key, struct str value)
{
    struct gathering *all = ctx;
    struct entry *entry = arena_alloc(&all->arena, sizeof(*entry));
    struct number number;

    /* What cannot be read protects nobody: it goes first. */
    if (!entry || !(entry->key.data = arena_strndup(&all->arena, key.data, key.len)))
        return -1;
    entry->key.len = key.len;
    entry->left = read_number(value, true, &number) ? number.left : 0;
    entry->next = all->first;
    all->first = entry;
    all->count++;
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct entry *const *first = a, *const *second = b;

    return ((*first)->left > (*second)->left) - ((*first)->left < (*second)->left);
}

static int drop_first(struct store *store, const struct gathering *all, uint32_t excess)
{
    struct entry **sorted = malloc(all->count * sizeof(struct entry *));
    uint32_t count = 0;
    int result = sorted ? 0 : -1;

    for (struct entry *entry = all->first; sorted && entry; entry = entry->next)
        sorted[count++] = entry;
    if (sorted)
        qsort(sorted, count, sizeof(struct entry *), by_time);
    for (uint32_t i = 0; i < excess && result == 0; i++)
        result = store_delete(store, DEPARTED, sorted[i]->key, NULL);
    free(sorted);
    return result;
}

/* The count may be too high (a name that was there already, a batch that was lost): it is counted anew before any goes. */
static int make_room(struct firmware *firmware)
{
    struct gathering all = {.count = 0};
    int result;

    if (firmware->departed_counted && firmware->departed <= LIMIT_DEPARTED)
        return 0;
    arena_init(&all.arena, 0);
    result = store_each(firmware->store, DEPARTED, STR(""), gather, &all, NULL);
    if (result == 0 && all.count > LIMIT_DEPARTED) {
        result = drop_first(firmware->store, &all, all.count - LIMIT_DEPARTED + SPARE);
        all.count = LIMIT_DEPARTED - SPARE;
    }
    firmware->departed = all.count;
    firmware->departed_counted = result == 0;
    arena_done(&all.arena);
    return result;
}

struct departure {
    struct gathering all;
    size_t prefix;
};

/* Of what the target has: `left` is its number here. */
static int take(void *ctx, struct str key, struct str value)
{
    struct departure *departure = ctx;
    struct number number;

    if (gather(&departure->all, (struct str){key.data + departure->prefix, key.len - departure->prefix},
               value) < 0)
        return -1;
    departure->all.first->left = read_number(value, false, &number) ? number.sequence : 0;
    return 0;
}

static int depart_as(struct firmware_target *target, const char *name, const struct entry *component)
{
    struct firmware *firmware = target->firmware;
    int64_t now = clock_wall(&firmware->loop->clock);
    struct number number = {.sequence = component->left, .left = now > 0 ? (uint64_t)now : 1};
    int known = look(target, DEPARTED, name, component->key.data, &number.sequence, NULL);

    firmware->departed += known == 0;
    return put(firmware->store, DEPARTED, name, component->key.data, &number);
}

int sequence_depart(struct firmware_target *target)
{
    struct departure departure = {.prefix = 0};
    char *prefix = key_of(target->key, "");
    int result = -1;

    arena_init(&departure.all.arena, 0);
    if (prefix) {
        departure.prefix = strlen(prefix);
        result = store_each(target->firmware->store, PRESENT, str_of(prefix), take, &departure, NULL);
    }
    for (const struct entry *at = departure.all.first; at && result == 0; at = at->next) {
        result = depart_as(target, target->key, at);
        if (result == 0 && target->hardware && *target->hardware)
            result = depart_as(target, target->hardware, at);
    }
    /* Whoever could not be written down stays as it is: it costs room, and protects. */
    if (result == 0)
        result = store_delete_prefix(target->firmware->store, PRESENT, str_of(prefix), NULL);
    if (result == 0 && departure.all.first)
        result = make_room(target->firmware);
    arena_done(&departure.all.arena);
    free(prefix);
    return result;
}
