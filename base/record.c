/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/record.h"

#include <stdlib.h>
#include <string.h>

#define NO_TEXT UINT32_MAX

static void put_bytes(struct buf *buf, uint64_t value, unsigned count)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    buf_append(buf, bytes, count);
}

void record_begin(struct buf *buf, uint8_t version)
{
    buf_init(buf, RECORD_BYTES, 0);
    buf_append_byte(buf, version);
}

void record_put_number(struct buf *buf, uint64_t value)
{
    put_bytes(buf, value, 8);
}

void record_put_text(struct buf *buf, const char *text)
{
    put_bytes(buf, text ? strlen(text) : NO_TEXT, 4);
    if (text)
        buf_append_str(buf, text);
}

void record_put_bytes(struct buf *buf, struct str bytes)
{
    put_bytes(buf, bytes.len, 4);
    buf_append(buf, bytes.data, bytes.len);
}

static uint64_t take(struct record_reader *reader, unsigned count)
{
    uint64_t value = 0;

    if (reader->failed || reader->rest.len < count) {
        reader->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < count; i++)
        value |= (uint64_t)(uint8_t)reader->rest.data[i] << (8 * i);
    reader->rest.data += count;
    reader->rest.len -= count;
    return value;
}

void record_read(struct record_reader *reader, struct str record, uint8_t version)
{
    *reader = (struct record_reader){.rest = record};
    if (take(reader, 1) != version)
        reader->failed = true;
}

uint64_t record_number(struct record_reader *reader)
{
    return take(reader, 8);
}

uint64_t record_choice(struct record_reader *reader, uint64_t end)
{
    uint64_t value = take(reader, 8);

    if (value < end)
        return value;
    reader->failed = true;
    return 0;
}

/* False for NULL and on failure. */
static bool take_text(struct record_reader *reader, struct str *ret)
{
    uint64_t len = take(reader, 4);

    if (reader->failed || len == NO_TEXT)
        return false;
    if (len > reader->rest.len) {
        reader->failed = true;
        return false;
    }
    *ret = (struct str){reader->rest.data, (size_t)len};
    reader->rest.data += len;
    reader->rest.len -= (size_t)len;
    return true;
}

struct str record_bytes(struct record_reader *reader)
{
    struct str bytes = {"", 0};

    take_text(reader, &bytes);
    return bytes;
}

char *record_text(struct record_reader *reader)
{
    struct str text;
    char *copy;

    if (!take_text(reader, &text))
        return NULL;
    copy = str_dup(text.data, text.len);
    if (!copy)
        reader->failed = reader->no_memory = true;
    return copy;
}

void record_copy(struct record_reader *reader, char *to, size_t size)
{
    struct str text;

    to[0] = '\0';
    if (!take_text(reader, &text))
        return;
    if (text.len >= size) {
        reader->failed = true;
        return;
    }
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
}

bool record_end(const struct record_reader *reader)
{
    return !reader->failed && reader->rest.len == 0;
}
