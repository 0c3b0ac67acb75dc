/* SPDX-License-Identifier: BSD-3-Clause */
#include "discovery/dns_message.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    HEADER_BYTES = 12,
    FLAG_RESPONSE = 0x80, /* in the third byte */
    MASK_RCODE = 0x0f,    /* in the fourth */
    QUESTION_TAIL = 4,
    RECORD_TAIL = 10,
    SRV_HEAD = 6,
    CLASS_IN = 1,
    CLASS_MASK = 0x7fff, /* multicast DNS has a flag above */
    POINTER = 0xc0,
    MAX_POINTERS = 32,
};

static int malformed(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID_VALUE, NULL, "malformed DNS answer: %s", what);
}

static const uint8_t *bytes(const struct dns_reader *reader)
{
    return (const uint8_t *)reader->message.data;
}

static uint16_t u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static bool has(const struct dns_reader *reader, size_t at, size_t n)
{
    return at <= reader->message.len && n <= reader->message.len - at;
}

/* Reads the name at *at and moves *at behind it. A pointer may only go back: that ends. */
static int read_name(const struct dns_reader *reader, size_t *at, struct dns_name *ret, struct error *err)
{
    size_t from = *at;
    bool jumped = false;
    unsigned pointers = 0;

    ret->len = 0;
    for (;;) {
        size_t len;

        if (!has(reader, from, 1))
            return malformed(err, "a name is cut off");
        len = bytes(reader)[from];
        if ((len & POINTER) == POINTER) {
            size_t to;

            if (!has(reader, from, 2))
                return malformed(err, "a name is cut off");
            to = u16(bytes(reader) + from) & 0x3fff;
            if (!jumped)
                *at = from + 2;
            jumped = true;
            if (to >= from || ++pointers > MAX_POINTERS)
                return malformed(err, "a name refers to what is not before it");
            from = to;
            continue;
        }
        if (len & POINTER)
            return malformed(err, "a label of unknown type");
        if (!has(reader, from, len + 1))
            return malformed(err, "a label is cut off");
        if (ret->len + len + 1 > DNS_NAME_BYTES)
            return malformed(err, "a name is too long");
        memcpy(ret->wire + ret->len, bytes(reader) + from, len + 1);
        ret->len = (uint8_t)(ret->len + len + 1);
        from += len + 1;
        if (!len)
            break;
    }
    if (!jumped)
        *at = from;
    return 0;
}

int dns_open(struct str message, struct dns_reader *ret, struct error *err)
{
    struct dns_reader reader = {.message = message, .at = HEADER_BYTES};
    struct dns_name name;
    unsigned questions;

    if (message.len < HEADER_BYTES)
        return malformed(err, "the header is cut off");
    if (!(bytes(&reader)[2] & FLAG_RESPONSE))
        return malformed(err, "it is a question");
    if (bytes(&reader)[3] & MASK_RCODE)
        return error_set(err, ERROR_INTERNAL, NULL, "the DNS server answers with error %u",
                         bytes(&reader)[3] & MASK_RCODE);
    questions = u16(bytes(&reader) + 4);
    reader.left = u16(bytes(&reader) + 6);
    for (; questions; questions--) {
        if (read_name(&reader, &reader.at, &name, err) < 0)
            return -1;
        if (!has(&reader, reader.at, QUESTION_TAIL))
            return malformed(err, "a question is cut off");
        reader.at += QUESTION_TAIL;
    }
    *ret = reader;
    return 0;
}

/* Strings with a length each, to the byte. */
static bool txt_is_whole(struct str txt)
{
    while (txt.len) {
        size_t len = (uint8_t)txt.data[0];

        if (len + 1 > txt.len)
            return false;
        txt.data += len + 1;
        txt.len -= len + 1;
    }
    return true;
}

static int read_data(const struct dns_reader *reader, size_t at, size_t len, struct dns_record *record,
                     struct error *err)
{
    const uint8_t *data = bytes(reader) + at;
    size_t end = at + len;

    if (record->type == DNS_TXT) {
        record->txt = (struct str){(const char *)data, len};
        return txt_is_whole(record->txt) ? 0 : malformed(err, "a string of TXT is cut off");
    }
    if (record->type == DNS_SRV) {
        if (len < SRV_HEAD)
            return malformed(err, "SRV is cut off");
        record->priority = u16(data);
        record->weight = u16(data + 2);
        record->port = u16(data + 4);
        at += SRV_HEAD;
    } else if (record->type != DNS_PTR) {
        return 0;
    }
    if (read_name(reader, &at, &record->name, err) < 0)
        return -1;
    return at == end ? 0 : malformed(err, "a name does not end where its record does");
}

int dns_next(struct dns_reader *reader, struct dns_record *ret, struct error *err)
{
    while (reader->left) {
        const uint8_t *head;
        uint16_t class;
        size_t len;

        *ret = (struct dns_record){0};
        if (read_name(reader, &reader->at, &ret->owner, err) < 0)
            return -1;
        if (!has(reader, reader->at, RECORD_TAIL))
            return malformed(err, "a record is cut off");
        head = bytes(reader) + reader->at;
        ret->type = u16(head);
        class = u16(head + 2) & CLASS_MASK;
        ret->ttl = (uint32_t)u16(head + 4) << 16 | u16(head + 6);
        len = u16(head + 8);
        reader->at += RECORD_TAIL;
        if (!has(reader, reader->at, len))
            return malformed(err, "a record is cut off");
        reader->left--;
        reader->at += len;
        if (class != CLASS_IN)
            continue;
        return read_data(reader, reader->at - len, len, ret, err) < 0 ? -1 : 1;
    }
    return 0;
}

/* ---- names ---- */

struct str dns_label(const struct dns_name *name, unsigned n)
{
    size_t at = 0;

    while (at < name->len && name->wire[at]) {
        if (!n--)
            return (struct str){(const char *)name->wire + at + 1, name->wire[at]};
        at += name->wire[at] + 1u;
    }
    return (struct str){"", 0};
}

void dns_name_text(const struct dns_name *name, char to[DNS_TEXT_BYTES])
{
    char *out = to;
    struct str label;

    for (unsigned n = 0; (label = dns_label(name, n)).len; n++) {
        for (size_t i = 0; i < label.len; i++) {
            unsigned char c = (unsigned char)label.data[i];

            if (c <= ' ' || c > '~')
                out += sprintf(out, "\\%03u", c);
            else if (strchr(".\\\"();@$", c))
                out += sprintf(out, "\\%c", c);
            else
                *out++ = (char)c;
        }
        *out++ = '.';
    }
    *out = '\0';
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
    struct str one, two;

    for (unsigned n = 0; (one = dns_label(a, n)).len; n++) {
        two = dns_label(b, n);
        if (one.len != two.len || strncasecmp(one.data, two.data, one.len) != 0)
            return false;
    }
    return a->len == b->len;
}

bool dns_attribute(struct str txt, const char *key, struct str *ret)
{
    size_t size = strlen(key);

    while (txt.len) {
        size_t len = (uint8_t)txt.data[0];
        const char *text = txt.data + 1;

        if (len >= size && strncasecmp(text, key, size) == 0 && (len == size || text[size] == '=')) {
            size_t skip = len == size ? size : size + 1;

            *ret = (struct str){text + skip, len - skip};
            return true;
        }
        txt.data += len + 1;
        txt.len -= len + 1;
    }
    return false;
}
