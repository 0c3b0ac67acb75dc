/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/cbor.h"

#include <string.h>

enum {
    MAJOR_SHIFT = 5,
    INFO_MASK = 31,
    INFO_8 = 24, /* the argument follows in 1, 2, 4, 8 bytes */
    INFO_64 = 27,
    SIMPLE_FALSE = 20,
    SIMPLE_TRUE = 21,
    SIMPLE_NULL = 22,
};

static const char SHORT[] = "it ends in the middle";

static uint64_t fail(struct cbor *cbor, const char *why)
{
    if (!cbor->why)
        cbor->why = why;
    cbor->at = cbor->end;
    return 0;
}

void cbor_fail(struct cbor *cbor, const char *why)
{
    fail(cbor, why);
}

/* The head of an item: its type and argument, in the shortest form. */
static enum cbor_type head(struct cbor *cbor, uint64_t *ret)
{
    unsigned info, bytes;
    uint64_t value = 0;
    enum cbor_type type;

    *ret = 0;
    if (cbor->at == cbor->end) {
        fail(cbor, SHORT);
        return CBOR_NONE;
    }
    type = (enum cbor_type)(*cbor->at >> MAJOR_SHIFT);
    info = *cbor->at++ & INFO_MASK;
    if (info < INFO_8) {
        *ret = info;
        return type;
    }
    if (info > INFO_64 || type == CBOR_SIMPLE) {
        fail(cbor,
             "it has an item of no definite length, a floating point number or a simple value of no use");
        return CBOR_NONE;
    }
    bytes = 1u << (info - INFO_8);
    if ((size_t)(cbor->end - cbor->at) < bytes) {
        fail(cbor, SHORT);
        return CBOR_NONE;
    }
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | *cbor->at++;
    if (bytes == 1 ? value < INFO_8 : value >> (4 * bytes) == 0) {
        fail(cbor, "a number or length is not in its shortest form");
        return CBOR_NONE;
    }
    *ret = value;
    return type;
}

static struct str content(struct cbor *cbor, uint64_t len)
{
    struct str text = {(const char *)cbor->at, (size_t)len};

    if (len > (uint64_t)(cbor->end - cbor->at)) {
        fail(cbor, SHORT);
        return (struct str){"", 0};
    }
    cbor->at += len;
    return text;
}

/* ---- the walk over everything ---- */

static void walk(struct cbor *cbor, unsigned depth, unsigned *items);

static bool comes_after(struct str a, struct str before)
{
    size_t len = a.len < before.len ? a.len : before.len;
    int order = memcmp(a.data, before.data, len);

    return order > 0 || (order == 0 && a.len > before.len);
}

static void walk_map(struct cbor *cbor, uint64_t pairs, unsigned depth, unsigned *items)
{
    struct str last = {NULL, 0};

    for (; pairs && !cbor->why; pairs--) {
        struct str key = {(const char *)cbor->at, 0};

        walk(cbor, depth, items);
        if (cbor->why)
            return;
        key.len = (size_t)((const char *)cbor->at - key.data);
        if (last.data && !comes_after(key, last)) {
            fail(cbor, "the keys of a map are not in order, or one is there twice");
            return;
        }
        last = key;
        walk(cbor, depth, items);
    }
}

static void walk(struct cbor *cbor, unsigned depth, unsigned *items)
{
    uint64_t value;
    enum cbor_type type = head(cbor, &value);

    if (++*items > CBOR_ITEMS || depth >= CBOR_DEPTH) {
        fail(cbor, "it is nested too deep or has too many items");
        return;
    }
    switch (type) {
    case CBOR_BYTES:
        content(cbor, value);
        break;
    case CBOR_TEXT:
        if (!str_is_utf8(content(cbor, value)))
            fail(cbor, "a text is not UTF-8");
        break;
    case CBOR_ARRAY:
        for (; value && !cbor->why; value--)
            walk(cbor, depth + 1, items);
        break;
    case CBOR_MAP:
        walk_map(cbor, value, depth + 1, items);
        break;
    case CBOR_TAG:
        walk(cbor, depth + 1, items);
        break;
    case CBOR_SIMPLE:
        if (value < SIMPLE_FALSE || value > SIMPLE_NULL)
            fail(cbor, "it has a simple value of no use");
        break;
    case CBOR_UINT:
    case CBOR_NINT:
    case CBOR_NONE:
        break;
    }
}

int cbor_open(struct cbor *ret, struct str bytes)
{
    struct cbor all;
    unsigned items = 0;

    *ret = (struct cbor){.at = (const uint8_t *)bytes.data, .end = (const uint8_t *)bytes.data + bytes.len};
    all = *ret;
    walk(&all, 0, &items);
    if (!all.why && all.at != all.end)
        all.why = "something follows it";
    if (all.why)
        fail(ret, all.why);
    return all.why ? -1 : 0;
}

/* ---- reading ---- */

enum cbor_type cbor_peek(const struct cbor *cbor)
{
    return cbor->at == cbor->end ? CBOR_NONE : (enum cbor_type)(*cbor->at >> MAJOR_SHIFT);
}

static uint64_t expect(struct cbor *cbor, enum cbor_type type, const char *why)
{
    uint64_t value;

    if (cbor_peek(cbor) != type)
        return fail(cbor, why);
    head(cbor, &value);
    return value;
}

uint64_t cbor_uint(struct cbor *cbor)
{
    return expect(cbor, CBOR_UINT, "an unsigned number is missing");
}

int64_t cbor_int(struct cbor *cbor)
{
    bool negative = cbor_peek(cbor) == CBOR_NINT;
    uint64_t value = negative ? expect(cbor, CBOR_NINT, "") : expect(cbor, CBOR_UINT, "a number is missing");

    if (value > INT64_MAX)
        return (int64_t)fail(cbor, "a number is too large");
    return negative ? -1 - (int64_t)value : (int64_t)value;
}

bool cbor_bool(struct cbor *cbor)
{
    uint64_t value = expect(cbor, CBOR_SIMPLE, "true or false is missing");

    if (value != SIMPLE_FALSE && value != SIMPLE_TRUE)
        fail(cbor, "true or false is missing");
    return value == SIMPLE_TRUE;
}

void cbor_null(struct cbor *cbor)
{
    if (expect(cbor, CBOR_SIMPLE, "null is missing") != SIMPLE_NULL)
        fail(cbor, "null is missing");
}

struct str cbor_bytes(struct cbor *cbor)
{
    return content(cbor, expect(cbor, CBOR_BYTES, "a byte string is missing"));
}

struct str cbor_text(struct cbor *cbor)
{
    return content(cbor, expect(cbor, CBOR_TEXT, "a text is missing"));
}

size_t cbor_array(struct cbor *cbor)
{
    return (size_t)expect(cbor, CBOR_ARRAY, "an array is missing");
}

size_t cbor_map(struct cbor *cbor)
{
    return (size_t)expect(cbor, CBOR_MAP, "a map is missing");
}

uint64_t cbor_tag(struct cbor *cbor)
{
    return expect(cbor, CBOR_TAG, "a tag is missing");
}

struct str cbor_raw(struct cbor *cbor)
{
    struct str raw = {(const char *)cbor->at, 0};
    unsigned items = 0;

    walk(cbor, 0, &items);
    if (cbor->why)
        return (struct str){"", 0};
    raw.len = (size_t)((const char *)cbor->at - raw.data);
    return raw;
}

int cbor_end(struct cbor *cbor)
{
    if (!cbor->why && cbor->at != cbor->end)
        fail(cbor, "it has more in it than it should");
    return cbor->why ? -1 : 0;
}

/* ---- writing ---- */

static void put_head(struct buf *buf, enum cbor_type type, uint64_t value)
{
    uint8_t bytes[9];
    unsigned log = value < INFO_8       ? 0
                   : value < 1u << 8    ? 1
                   : value < 1u << 16   ? 2
                   : value < 1ull << 32 ? 3
                                        : 4;
    unsigned count = log ? 1u << (log - 1) : 0;

    bytes[0] = (uint8_t)((unsigned)type << MAJOR_SHIFT | (log ? INFO_8 + log - 1 : (unsigned)value));
    for (unsigned i = 0; i < count; i++)
        bytes[1 + i] = (uint8_t)(value >> (8 * (count - 1 - i)));
    buf_append(buf, bytes, 1 + count);
}

void cbor_put_uint(struct buf *buf, uint64_t value)
{
    put_head(buf, CBOR_UINT, value);
}

void cbor_put_int(struct buf *buf, int64_t value)
{
    if (value < 0)
        put_head(buf, CBOR_NINT, (uint64_t)(-1 - value));
    else
        put_head(buf, CBOR_UINT, (uint64_t)value);
}

void cbor_put_bytes(struct buf *buf, struct str bytes)
{
    put_head(buf, CBOR_BYTES, bytes.len);
    buf_append(buf, bytes.data, bytes.len);
}

void cbor_put_text(struct buf *buf, struct str text)
{
    put_head(buf, CBOR_TEXT, text.len);
    buf_append(buf, text.data, text.len);
}

void cbor_put_array(struct buf *buf, size_t count)
{
    put_head(buf, CBOR_ARRAY, count);
}

void cbor_put_map(struct buf *buf, size_t pairs)
{
    put_head(buf, CBOR_MAP, pairs);
}

void cbor_put_tag(struct buf *buf, uint64_t tag)
{
    put_head(buf, CBOR_TAG, tag);
}

void cbor_put_bool(struct buf *buf, bool value)
{
    put_head(buf, CBOR_SIMPLE, value ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void cbor_put_null(struct buf *buf)
{
    put_head(buf, CBOR_SIMPLE, SIMPLE_NULL);
}
