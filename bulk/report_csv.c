/* SPDX-License-Identifier: BSD-3-Clause */
/* CSV (RFC 4180 unless the profile says otherwise; R-BULK.11): a row or a column for each parameter. */
#include <string.h>

#include "bulk/report.h"

const char *bulk_type_name(const struct bulk_item *item)
{
    static const char *const names[] = {
        [DM_STRING] = "string",
        [DM_BOOLEAN] = "boolean",
        [DM_INT] = "int",
        [DM_UNSIGNED_INT] = "unsignedInt",
        [DM_LONG] = "long",
        [DM_UNSIGNED_LONG] = "unsignedLong",
        [DM_DATE_TIME] = "dateTime",
        [DM_BASE64] = "base64",
        [DM_HEX_BINARY] = "hexBinary",
        [DM_ENUM] = "string",
    };

    return item->list ? "string" : names[item->type];
}

static bool contains(struct str text, const char *what)
{
    return what && what[0] && memmem(text.data, text.len, what, strlen(what)) != NULL;
}

static const char *row_end(const struct bulk_csv *csv)
{
    if (!csv->row_separator || strcmp(csv->row_separator, "&#13;&#10;") == 0)
        return "\r\n";
    return strcmp(csv->row_separator, "&#10;") == 0 ? "\n" : csv->row_separator;
}

/* A field that has a separator in it stands between escape characters, and those inside it are doubled. */
static void write_field(struct buf *out, const struct bulk_csv *csv, struct str text, bool first)
{
    const char *escape = csv->escape ? csv->escape : "";
    size_t len = strlen(escape);

    if (!first && csv->field_separator)
        buf_append_str(out, csv->field_separator);
    if (!len || (!contains(text, csv->field_separator) && !contains(text, escape) && !contains(text, "\n") &&
                 !contains(text, "\r"))) {
        buf_append(out, text.data, text.len);
        return;
    }
    buf_append(out, escape, len);
    while (text.len) {
        const char *at = memmem(text.data, text.len, escape, len);
        size_t part = at ? (size_t)(at - text.data) + len : text.len;

        buf_append(out, text.data, part);
        if (at)
            buf_append(out, escape, len);
        text = (struct str){text.data + part, text.len - part};
    }
    buf_append(out, escape, len);
}

/* The first field of a row; false when rows have no time. */
static bool write_time(struct buf *out, const struct bulk_csv *csv, int64_t now)
{
    char time[STR_TIME_BYTES];

    if (csv->timestamp == BULK_NO_TIME)
        return false;
    if (csv->timestamp == BULK_ISO_8601)
        write_field(out, csv, (struct str){time, str_from_time(time, now)}, true);
    else
        buf_printf(out, "%lld", (long long)now);
    return true;
}

void bulk_write_csv_header(struct buf *out, const struct bulk_items *items, const struct bulk_csv *csv)
{
    bool first = csv->timestamp == BULK_NO_TIME;

    if (!first)
        write_field(out, csv, STR("ReportTimestamp"), true);
    if (csv->format == BULK_PER_ROW) { /* R-BULK.12 */
        write_field(out, csv, STR("ParameterName"), first);
        write_field(out, csv, STR("ParameterValue"), false);
        write_field(out, csv, STR("ParameterType"), false);
    } else {
        for (uint32_t i = 0; i < items->count; i++) {
            if (items->items[i].hidden)
                continue;
            write_field(out, csv, items->items[i].name, first);
            first = false;
        }
    }
    buf_append_str(out, row_end(csv));
}

void bulk_write_csv_rows(struct buf *out, const struct bulk_items *items, const struct bulk_csv *csv,
                         int64_t now)
{
    bool per_row = csv->format == BULK_PER_ROW;
    bool first = per_row || !write_time(out, csv, now);

    for (uint32_t i = 0; i < items->count; i++) {
        const struct bulk_item *item = &items->items[i];

        if (item->hidden)
            continue;
        if (!per_row) {
            write_field(out, csv, item->value, first);
            first = false;
            continue;
        }
        write_field(out, csv, item->name, !write_time(out, csv, now));
        write_field(out, csv, item->value, false);
        write_field(out, csv, str_of(bulk_type_name(item)), false);
        buf_append_str(out, row_end(csv));
    }
    if (!per_row)
        buf_append_str(out, row_end(csv));
}
