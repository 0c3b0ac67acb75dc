/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON (RFC 8259): each object of the data model as an object, or one object of names and values. */
#include "bulk/report.h"

static void write_text(struct buf *out, struct str text)
{
    size_t from = 0;

    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_append(out, text.data + from, i - from);
        from = i + 1;
        if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_printf(out, "\\%c", c);
    }
    buf_append(out, text.data + from, text.len - from);
    buf_append_byte(out, '"');
}

static void write_value(struct buf *out, const struct bulk_item *item)
{
    bool plain = !item->list && item->value.len;

    switch (plain ? item->type : DM_STRING) {
    case DM_BOOLEAN:
        buf_append_str(out, str_is(item->value, "true") || str_is(item->value, "1") ? "true" : "false");
        break;
    case DM_INT:
    case DM_UNSIGNED_INT:
    case DM_LONG:
    case DM_UNSIGNED_LONG:
        buf_append(out, item->value.data, item->value.len);
        break;
    case DM_STRING:
    case DM_DATE_TIME:
    case DM_BASE64:
    case DM_HEX_BINARY:
    case DM_ENUM:
        write_text(out, item->value);
        break;
    }
}

static void write_time(struct buf *out, uint32_t timestamp, int64_t now)
{
    char time[STR_TIME_BYTES];

    if (timestamp == BULK_UNIX_EPOCH)
        buf_printf(out, "\"CollectionTime\":%lld", (long long)now);
    if (timestamp == BULK_ISO_8601) {
        str_from_time(time, now);
        buf_printf(out, "\"CollectionTime\":\"%s\"", time);
    }
}

static void comma(struct buf *out)
{
    if (out->len && buf_data(out)[out->len - 1] != '{')
        buf_append_byte(out, ',');
}

/* How many whole parts of the two names are the same, the last of either not counted. */
static unsigned shared_parts(struct str a, struct str b, size_t *ret_len)
{
    size_t end = a.len < b.len ? a.len : b.len;
    unsigned parts = 0;

    *ret_len = 0;
    for (size_t i = 0; i < end && a.data[i] == b.data[i]; i++) {
        if (a.data[i] == '.') {
            parts++;
            *ret_len = i + 1;
        }
    }
    return parts;
}

static unsigned dots(struct str name)
{
    unsigned count = 0;

    for (size_t i = 0; i < name.len; i++)
        count += name.data[i] == '.';
    return count;
}

/* The items are sorted, so an object is opened once: when its first item comes. */
static void write_tree(struct buf *out, const struct bulk_items *items)
{
    struct str last = STR("");
    unsigned open = 0;

    for (uint32_t i = 0; i < items->count; i++) {
        const struct bulk_item *item = &items->items[items->sorted[i]];
        struct str rest;
        size_t skip;
        unsigned keep;

        if (item->hidden)
            continue;
        keep = shared_parts(last, item->name, &skip);
        for (; open > keep; open--)
            buf_append_byte(out, '}');
        rest = (struct str){item->name.data + skip, item->name.len - skip};
        comma(out);
        for (unsigned levels = dots(rest); levels; levels--, open++) {
            struct str part;

            str_next(&rest, '.', &part);
            write_text(out, part);
            buf_append_str(out, ":{");
        }
        write_text(out, rest);
        buf_append_byte(out, ':');
        write_value(out, item);
        last = item->name;
    }
    for (; open; open--)
        buf_append_byte(out, '}');
}

static void write_pairs(struct buf *out, const struct bulk_items *items)
{
    for (uint32_t i = 0; i < items->count; i++) {
        if (items->items[i].hidden)
            continue;
        comma(out);
        write_text(out, items->items[i].name);
        buf_append_byte(out, ':');
        write_value(out, &items->items[i]);
    }
}

void bulk_write_json(struct buf *out, const struct bulk_items *items, const struct bulk_json *json,
                     int64_t now)
{
    buf_append_byte(out, '{');
    write_time(out, json->timestamp, now);
    if (json->format == BULK_OBJECT_HIERARCHY)
        write_tree(out, items);
    else
        write_pairs(out, items);
    buf_append_byte(out, '}');
}
