/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/json.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"

/* What the scan of the raw text knows. */
struct scan {
    unsigned depth;
    unsigned values;
    bool in_string;
    bool escaped;
};

static const char *scan_outside(struct scan *scan, uint8_t c)
{
    switch (c) {
    case '"':
        scan->in_string = true;
        break;
    case '{':
    case '[':
        if (++scan->depth > LIMIT_JSON_DEPTH)
            return "nested too deeply";
        scan->values++;
        break;
    case '}':
    case ']':
        if (scan->depth == 0)
            return "closes what was not opened";
        scan->depth--;
        break;
    case ',':
        scan->values++;
        break;
    default:
        break;
    }
    return scan->values > LIMIT_JSON_VALUES ? "has too many values" : NULL;
}

/* Depth and number of values are counted on the text, so that cJSON never recurses or allocates beyond them. */
static const char *scan_text(const uint8_t *data, size_t len)
{
    struct scan scan = {0};
    const char *wrong = NULL;

    for (size_t i = 0; i < len && !wrong; i++) {
        uint8_t c = data[i];

        if (!scan.in_string) {
            wrong = scan_outside(&scan, c);
        } else if (scan.escaped) {
            scan.escaped = false;
            if (c == 'u' && len - i > 4 && memcmp(data + i + 1, "0000", 4) == 0)
                wrong = "holds a NUL";
        } else if (c == '\\') {
            scan.escaped = true;
        } else if (c == '"') {
            scan.in_string = false;
        }
    }
    return wrong;
}

cJSON *json_parse(const uint8_t *data, size_t len, struct error *err)
{
    const char *text = (const char *)data, *wrong, *end = NULL;
    cJSON *json;

    if (len == 0 || len > LIMIT_LAN_FRAME_BYTES) {
        error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON of %zu bytes: the limit is %u", len,
                  LIMIT_LAN_FRAME_BYTES);
        return NULL;
    }
    if (!str_is_utf8((struct str){text, len})) {
        error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON is not valid UTF-8");
        return NULL;
    }
    wrong = scan_text(data, len);
    if (wrong) {
        error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON %s", wrong);
        return NULL;
    }
    json = cJSON_ParseWithLengthOpts(text, len, &end, false);
    if (!json) {
        error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON is malformed at byte %zu",
                  end ? (size_t)(end - text) : (size_t)0);
        return NULL;
    }
    if (str_trim((struct str){end, len - (size_t)(end - text)}).len > 0) {
        error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "more follows the JSON value");
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

int json_items_begin(struct json_items *items, const uint8_t *data, size_t len, size_t max_bytes,
                     struct error *err)
{
    struct str text;

    if (len > max_bytes)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON of %zu bytes: the limit is %zu", len,
                         max_bytes);
    text = str_trim((struct str){(const char *)data, len});
    if (text.len < 2 || text.data[0] != '[' || text.data[text.len - 1] != ']')
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON is no array");
    *items = (struct json_items){(const uint8_t *)text.data, text.len - 1, 1};
    return 0;
}

/* Where the value that begins at items->at ends: at a comma of the array itself, or at its end. */
static size_t item_end(const struct json_items *items)
{
    bool in_string = false;
    unsigned depth = 0;
    size_t at;

    for (at = items->at; at < items->len; at++) {
        uint8_t c = items->data[at];

        if (in_string && c == '\\')
            at++;
        else if (c == '"')
            in_string = !in_string;
        else if (in_string)
            continue;
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth-- == 0)
            return SIZE_MAX;
        else if (c == ',' && depth == 0)
            break;
    }
    return in_string || depth ? SIZE_MAX : at;
}

int json_items_next(struct json_items *items, struct str *ret_item, struct error *err)
{
    const char *text = (const char *)items->data;
    bool first = items->at == 1;
    size_t end;

    if (items->at > items->len)
        return 0;
    end = item_end(items);
    if (end != SIZE_MAX)
        *ret_item = str_trim((struct str){text + items->at, end - items->at});
    if (end == SIZE_MAX || (ret_item->len == 0 && !(first && end == items->len)))
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "JSON array is malformed after byte %zu",
                         items->at);
    items->at = end + 1;
    return ret_item->len > 0;
}

const cJSON *json_member(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const cJSON *json_object(const cJSON *object, const char *name)
{
    const cJSON *member = json_member(object, name);

    return cJSON_IsObject(member) ? member : NULL;
}

const cJSON *json_array(const cJSON *object, const char *name)
{
    const cJSON *member = json_member(object, name);

    return cJSON_IsArray(member) ? member : NULL;
}

const char *json_text_of(const cJSON *value, size_t max)
{
    size_t len;

    if (!cJSON_IsString(value) || !value->valuestring)
        return NULL;
    len = strlen(value->valuestring);
    if (len == 0 || len > max)
        return NULL;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value->valuestring[i] < 0x20 || value->valuestring[i] == 0x7f)
            return NULL;
    return value->valuestring;
}

const char *json_text(const cJSON *object, const char *name, size_t max)
{
    return json_text_of(json_member(object, name), max);
}

int json_number(const cJSON *object, const char *name, uint64_t max, uint64_t *ret)
{
    const cJSON *member = json_member(object, name);
    double value;

    if (!cJSON_IsNumber(member))
        return -1;
    value = member->valuedouble;
    /* Beyond 2^53 a double is not exact; nothing on the LAN counts that far. */
    if (!isfinite(value) || value < 0 || value > 9007199254740992.0 || value > (double)max ||
        value != (double)(uint64_t)value)
        return -1;
    *ret = (uint64_t)value;
    return 0;
}

int json_quote(struct buf *buf, const char *text)
{
    buf_append_byte(buf, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            buf_append_byte(buf, '\\');
            buf_append_byte(buf, c);
        } else if (c < 0x20) {
            buf_printf(buf, "\\u%04x", c);
        } else {
            buf_append_byte(buf, c);
        }
    }
    return buf_append_byte(buf, '"');
}
