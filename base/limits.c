/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/limits.h"

#include <stdio.h>

/* A record that the queue or a session could never take would be lost without end. */
#define FITS(small, large)                         \
    {                                              \
        LIMITS_OFFSET(small), LIMITS_OFFSET(large) \
    }

#define LIMITS_ROW(name, kind, normal, least, most, counts, text) \
    {                                                             \
        .key = "limit_" #name,                                    \
        .offset = LIMITS_OFFSET(name),                            \
        .unit = LIMIT_##kind,                                     \
        .standard = (normal),                                     \
        .lowest = (least),                                        \
        .highest = (most),                                        \
        .when = LIMIT_##counts,                                   \
        .meaning = (text),                                        \
    },
const struct limit limits_table[] = {LIMITS(LIMITS_ROW)};
#undef LIMITS_ROW

const size_t limits_count = sizeof(limits_table) / sizeof(limits_table[0]);

#define LIMITS_DEFAULT(name, kind, normal, ...) .name = (normal),
const struct limits limits_default = {LIMITS(LIMITS_DEFAULT)};
#undef LIMITS_DEFAULT

_Static_assert(LIMITS_OFFSET(table_rows) == 0, "an object that names no limit has this one");

static uint32_t *member(struct limits *limits, const struct limit *limit)
{
    return (uint32_t *)(void *)((char *)limits + limit->offset);
}

uint32_t limits_value(const struct limits *limits, size_t offset)
{
    return *(const uint32_t *)(const void *)((const char *)limits + offset);
}

const char *limits_key(size_t offset)
{
    return limits_table[offset / sizeof(uint32_t)].key;
}

const struct limit *limits_find(struct str key)
{
    for (size_t i = 0; i < limits_count; i++)
        if (str_is(key, limits_table[i].key))
            return &limits_table[i];
    return NULL;
}

int limits_set(struct limits *limits, const struct limit *limit, struct str value)
{
    uint64_t number;

    if ((limit->unit == LIMIT_BYTES ? str_to_size(value, &number) : str_to_u64(value, &number)) < 0 ||
        number < limit->lowest || number > limit->highest)
        return -1;
    *member(limits, limit) = (uint32_t)number;
    return 0;
}

void limits_text(const struct limit *limit, uint32_t value, char text[LIMIT_TEXT_BYTES])
{
    static const struct {
        unsigned shift;
        const char *suffix;
    } suffixes[] = {{30, "G"}, {20, "M"}, {10, "K"}, {0, ""}};
    size_t i = 0;

    while (suffixes[i].shift &&
           (limit->unit != LIMIT_BYTES || !value || value & ((1u << suffixes[i].shift) - 1)))
        i++;
    snprintf(text, LIMIT_TEXT_BYTES, "%u%s", value >> suffixes[i].shift, suffixes[i].suffix);
}

void limits_expected(const struct limit *limit, char text[LIMIT_TEXT_BYTES])
{
    char lowest[LIMIT_TEXT_BYTES], highest[LIMIT_TEXT_BYTES];

    limits_text(limit, limit->lowest, lowest);
    limits_text(limit, limit->highest, highest);
    snprintf(text, LIMIT_TEXT_BYTES, "a %s from %.20s to %.20s",
             limit->unit == LIMIT_BYTES ? "size" : "number", lowest, highest);
}

int limits_check(const struct limits *limits, const char *file, struct error *err)
{
    static const struct {
        size_t small;
        size_t large;
    } pairs[] = {
        FITS(record_bytes, queue_bytes),
        FITS(record_bytes, session_bytes),
        FITS(session_bytes, sessions_bytes),
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *small = limits_key(pairs[i].small), *large = limits_key(pairs[i].large);

        if (limits_value(limits, pairs[i].small) > limits_value(limits, pairs[i].large))
            return error_set(err, ERROR_INVALID_CONFIGURATION, file,
                             "%s is less than %s: raise it, or lower %s", large, small, small);
    }
    return 0;
}

void limits_follow(struct limits *limits, const struct limits *next,
                   void (*fn)(void *ctx, const struct limit *limit, uint32_t value), void *ctx)
{
    for (const struct limit *limit = limits_table; limit < limits_table + limits_count; limit++) {
        uint32_t value = limits_value(next, limit->offset);

        if (value == *member(limits, limit))
            continue;
        if (limit->when == LIMIT_AT_ONCE)
            *member(limits, limit) = value;
        if (fn)
            fn(ctx, limit, value);
    }
}
