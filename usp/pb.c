/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/pb.h"

enum {
    /* Bytes kept for a nested message's length: most rows are between 128 and 16383 bytes. */
    LENGTH_BYTES = 2,
};

static bool read_varint(struct pb_reader *reader, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;

        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct pb_reader *reader, size_t size, uint64_t *ret)
{
    *ret = 0;
    if ((size_t)(reader->end - reader->at) < size)
        return false;
    for (size_t i = 0; i < size; i++)
        *ret |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += size;
    return true;
}

int pb_next(struct pb_reader *reader, struct pb_field *ret)
{
    uint64_t tag;

    if (reader->at == reader->end)
        return 0;
    if (!read_varint(reader, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return -1;
    *ret = (struct pb_field){.number = (uint32_t)(tag >> 3), .wire = (enum pb_wire)(tag & 7)};
    switch (ret->wire) {
    case PB_VARINT:
        return read_varint(reader, &ret->value) ? 1 : -1;
    case PB_FIXED64:
        return read_fixed(reader, 8, &ret->value) ? 1 : -1;
    case PB_FIXED32:
        return read_fixed(reader, 4, &ret->value) ? 1 : -1;
    case PB_BYTES:
        if (!read_varint(reader, &ret->value) || ret->value > (size_t)(reader->end - reader->at))
            return -1;
        ret->bytes = (struct str){(const char *)reader->at, (size_t)ret->value};
        reader->at += ret->value;
        return 1;
    }
    return -1; /* groups, and what does not exist */
}

bool pb_bytes(const struct pb_field *field, struct str *ret)
{
    *ret = field->bytes;
    return field->wire == PB_BYTES;
}

bool pb_text(const struct pb_field *field, struct str *ret)
{
    struct str text;

    if (!pb_bytes(field, &text) || !str_is_utf8(text))
        return false;
    *ret = text;
    return true;
}

bool pb_number(const struct pb_field *field, uint64_t *ret)
{
    *ret = field->value;
    return field->wire == PB_VARINT || field->wire == PB_FIXED32;
}

bool pb_bool(const struct pb_field *field, bool *ret)
{
    *ret = field->value != 0;
    return field->wire == PB_VARINT;
}

bool pb_entry(const struct pb_field *field, struct str *ret_key, struct str *ret_value)
{
    struct pb_reader reader = pb_reader(field->bytes);
    struct pb_field part;
    int rc;

    *ret_key = STR("");
    *ret_value = STR("");
    if (field->wire != PB_BYTES)
        return false;
    while ((rc = pb_next(&reader, &part)) > 0) {
        if ((part.number == 1 && !pb_text(&part, ret_key)) ||
            (part.number == 2 && !pb_text(&part, ret_value)))
            return false;
    }
    return rc == 0;
}

/* ---- writing ---- */

void pb_write_bytes(struct buf *buf, unsigned number, struct str bytes)
{
    uint8_t *to = buf_room(buf, bytes.len + 11);
    size_t n;

    if (!to)
        return;
    to[0] = PB_TAG(number, PB_BYTES);
    n = 1 + pb_put_varint(to + 1, bytes.len);
    if (bytes.len)
        memcpy(to + n, bytes.data, bytes.len);
    buf->len += n + bytes.len;
}

void pb_write_text(struct buf *buf, unsigned number, struct str text)
{
    if (text.len)
        pb_write_bytes(buf, number, text);
}

void pb_write_uint(struct buf *buf, unsigned number, uint64_t value)
{
    uint8_t *to = value ? buf_room(buf, 11) : NULL;

    if (!to)
        return;
    to[0] = PB_TAG(number, PB_VARINT);
    buf->len += 1 + pb_put_varint(to + 1, value);
}

void pb_write_fixed32(struct buf *buf, unsigned number, uint32_t value)
{
    uint8_t *to = value ? buf_room(buf, 5) : NULL;

    if (!to)
        return;
    to[0] = PB_TAG(number, PB_FIXED32);
    for (unsigned i = 0; i < 4; i++)
        to[1 + i] = (uint8_t)(value >> (8 * i));
    buf->len += 5;
}

void pb_write_entry(struct buf *buf, unsigned number, struct str key, struct str value)
{
    size_t size = 2 + pb_varint_size(key.len) + key.len + pb_varint_size(value.len) + value.len;
    uint8_t *to = buf_room(buf, size + 11);
    size_t n;

    if (!to)
        return;
    to[0] = PB_TAG(number, PB_BYTES);
    n = 1 + pb_put_varint(to + 1, size);
    to[n++] = PB_TAG(1, PB_BYTES);
    n += pb_put_varint(to + n, key.len);
    memcpy(to + n, key.data, key.len);
    n += key.len;
    to[n++] = PB_TAG(2, PB_BYTES);
    n += pb_put_varint(to + n, value.len);
    if (value.len)
        memcpy(to + n, value.data, value.len);
    buf->len += n + value.len;
}

size_t pb_begin(struct buf *buf, unsigned number)
{
    uint8_t *to = buf_room(buf, 1 + LENGTH_BYTES);
    size_t mark = buf->len;

    if (!to)
        return mark;
    to[0] = PB_TAG(number, PB_BYTES);
    buf->len += 1 + LENGTH_BYTES;
    return mark;
}

void pb_end(struct buf *buf, size_t mark)
{
    size_t start = mark + 1 + LENGTH_BYTES;
    size_t len = buf->len - start;
    size_t need = pb_varint_size(len);
    uint8_t *content;

    if (buf->failed || !buf_room(buf, need))
        return;
    content = buf_data(buf) + start;
    if (need != LENGTH_BYTES) {
        memmove(buf_data(buf) + mark + 1 + need, content, len);
        buf->len = buf->len - LENGTH_BYTES + need;
    }
    pb_put_varint(buf_data(buf) + mark + 1, len);
}

void pb_cancel(struct buf *buf, size_t mark)
{
    if (!buf->failed)
        buf->len = mark;
}

void pb_wrap(struct buf *buf, unsigned number)
{
    uint8_t head[12];
    size_t n = 1;

    if (buf->failed)
        return;
    head[0] = PB_TAG(number, PB_BYTES);
    n += pb_put_varint(head + 1, buf->len);
    buf_prepend(buf, head, n);
}
