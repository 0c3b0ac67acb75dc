/* SPDX-License-Identifier: BSD-3-Clause */
/* Values: typed inside, TR-106 text at the edges. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/internal.h"
#include "datamodel/path.h"

bool dm_type_is_text(enum dm_type type)
{
    return type == DM_STRING || type == DM_BASE64 || type == DM_HEX_BINARY;
}

void *dm_field_at(const struct dm_row *row, const struct dm_param *param)
{
    return (char *)row->data + param->offset;
}

static bool has_field(const struct dm_row *row, const struct dm_param *param)
{
    return row->data && !param->get && !param->count_of;
}

/* ---- reading ---- */

static void get_count(const struct dm_row *row, const struct dm_param *param, struct dm_value *ret)
{
    const struct dm_node *table = dm_node_child(row->node, str_of(param->count_of));
    struct dm_row *const *rows;

    ret->number = table ? dm_rows(row, table, &rows) : 0;
}

static void get_field(const struct dm_row *row, const struct dm_param *param, struct dm_value *ret)
{
    const void *field = dm_field_at(row, param);

    switch (param->type) {
    case DM_BOOLEAN:
        ret->boolean = *(const bool *)field;
        break;
    case DM_INT:
        ret->integer = *(const int32_t *)field;
        break;
    case DM_UNSIGNED_INT:
        ret->number = *(const uint32_t *)field;
        break;
    case DM_LONG:
    case DM_DATE_TIME:
        ret->integer = *(const int64_t *)field;
        break;
    case DM_UNSIGNED_LONG:
        ret->number = *(const uint64_t *)field;
        break;
    case DM_ENUM:
        ret->text = str_of(param->values[*(const uint32_t *)field]);
        break;
    case DM_STRING:
    case DM_BASE64:
    case DM_HEX_BINARY:
        ret->text = str_of(*(char *const *)field ? *(char *const *)field : "");
        break;
    }
}

void dm_get(const struct dm_row *row, int index, struct dm_value *ret, char *scratch)
{
    const struct dm_param *param = &row->node->object->params[index];

    *ret = (struct dm_value){.type = param->type};
    if (dm_type_is_text(param->type) || param->type == DM_ENUM)
        ret->text = STR("");
    if (param->count_of)
        get_count(row, param, ret);
    else if (param->get)
        param->get(row, ret, scratch);
    else if (row->data)
        get_field(row, param, ret);
    if ((param->flags & DM_ALIAS) && !ret->text.len) {
        memcpy(scratch, "cpe-", 4);
        ret->text = (struct str){scratch, 4 + str_from_u64(scratch + 4, row->instance)};
    }
}

struct str dm_value_text(const struct dm_value *value, char scratch[DM_SCRATCH_BYTES])
{
    switch (value->type) {
    case DM_BOOLEAN:
        return value->boolean ? STR("true") : STR("false");
    case DM_INT:
    case DM_LONG:
        return (struct str){scratch, str_from_i64(scratch, value->integer)};
    case DM_UNSIGNED_INT:
    case DM_UNSIGNED_LONG:
        return (struct str){scratch, str_from_u64(scratch, value->number)};
    case DM_DATE_TIME:
        return (struct str){scratch, str_from_time(scratch, value->integer)};
    case DM_STRING:
    case DM_BASE64:
    case DM_HEX_BINARY:
    case DM_ENUM:
        break;
    }
    return value->text;
}

/* R-ENC.6 */
struct str dm_get_text(const struct dm_row *row, int param, char scratch[DM_SCRATCH_BYTES])
{
    struct dm_value value;

    dm_get(row, param, &value, scratch);
    return dm_value_text(&value, scratch);
}

/* ---- checking ---- */

/* What a parameter and an argument have in common. */
struct rules {
    const char *name;
    enum dm_type type;
    int64_t min;
    int64_t max;
    const char *const *values;
    bool secret;
};

static int bad_type(const struct rules *rules, struct str text, const char *want, struct error *err)
{
    if (rules->secret) /* errors go into logs */
        text = STR("***");
    return error_set(err, ERROR_INVALID_TYPE, NULL, "%s: \"%.*s\" is not %s", rules->name,
                     (int)(text.len > 40 ? 40 : text.len), text.data, want);
}

static int check_signed(const struct rules *rules, struct str text, struct error *err)
{
    int64_t low = rules->type == DM_INT ? INT32_MIN : INT64_MIN;
    int64_t high = rules->type == DM_INT ? INT32_MAX : INT64_MAX;
    int64_t value;

    if (str_to_i64(text, &value) < 0 || value < low || value > high)
        return bad_type(rules, text, rules->type == DM_INT ? "an int" : "a long", err);
    if ((rules->min || rules->max) && (value < rules->min || value > rules->max))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "%s: %" PRId64 " is outside %" PRId64 "..%" PRId64,
                         rules->name, value, rules->min, rules->max);
    return 0;
}

static int check_unsigned(const struct rules *rules, struct str text, struct error *err)
{
    uint64_t high = rules->type == DM_UNSIGNED_INT ? UINT32_MAX : UINT64_MAX;
    uint64_t value;

    if (str_to_u64(text, &value) < 0 || value > high)
        return bad_type(rules, text, rules->type == DM_UNSIGNED_INT ? "an unsignedInt" : "an unsignedLong",
                        err);
    if ((rules->min && value < (uint64_t)rules->min) || (rules->max && value > (uint64_t)rules->max))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "%s: %" PRIu64 " is outside its range", rules->name,
                         value);
    return 0;
}

static int check_enumeration(const struct rules *rules, struct str text, struct error *err)
{
    for (const char *const *value = rules->values; *value; value++)
        if (str_is(text, *value))
            return 0;
    return error_set(err, ERROR_INVALID_VALUE, NULL, "%s: \"%.*s\" is not one of its values", rules->name,
                     (int)(text.len > 40 ? 40 : text.len), text.data);
}

static bool is_base64(struct str text)
{
    size_t padding = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '=')
            padding++;
        else if (padding || !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                              c == '+' || c == '/'))
            return false;
    }
    return text.len % 4 == 0 && padding <= 2;
}

static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return text.len % 2 == 0;
}

static int check_text(const struct rules *rules, struct str text, struct error *err)
{
    if (text.len > LIMIT_VALUE_BYTES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s: longer than %u bytes", rules->name,
                         LIMIT_VALUE_BYTES);
    if (rules->type == DM_BASE64 && !is_base64(text))
        return bad_type(rules, text, "base64", err);
    if (rules->type == DM_HEX_BINARY && !is_hex(text))
        return bad_type(rules, text, "hexBinary", err);
    if (rules->values)
        return check_enumeration(rules, text, err);
    if ((rules->max && text.len > (uint64_t)rules->max) || (rules->min && text.len < (uint64_t)rules->min))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "%s: a length of %zu is not allowed", rules->name,
                         text.len);
    return 0;
}

static int check_rules(const struct rules *rules, struct str text, struct error *err)
{
    bool boolean;
    int64_t when;

    switch (rules->type) {
    case DM_BOOLEAN:
        return str_to_bool(text, &boolean) < 0 ? bad_type(rules, text, "a boolean (true, false, 1, 0)", err)
                                               : 0;
    case DM_INT:
    case DM_LONG:
        return check_signed(rules, text, err);
    case DM_UNSIGNED_INT:
    case DM_UNSIGNED_LONG:
        return check_unsigned(rules, text, err);
    case DM_DATE_TIME:
        return str_to_time(text, &when) < 0 ? bad_type(rules, text, "a dateTime", err) : 0;
    case DM_STRING:
    case DM_BASE64:
    case DM_HEX_BINARY:
    case DM_ENUM:
        break;
    }
    return check_text(rules, text, err);
}

/* TR-106: an Alias starts with a letter and has letters, digits, '-', '_' and '.' only. */
static int check_alias(struct str text, struct error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')))
            return error_set(err, ERROR_INVALID_VALUE, NULL,
                             "Alias: must start with a letter and hold no blank");
    }
    return text.len ? 0 : error_set(err, ERROR_INVALID_VALUE, NULL, "Alias: must not be empty");
}

int dm_value_check(const struct dm_param *param, struct str text, struct error *err)
{
    struct rules rules = {param->name, param->type,   param->min,
                          param->max,  param->values, param->flags & DM_SECRET};
    struct str item = {NULL, 0};

    if ((param->flags & DM_ALIAS) && check_alias(text, err) < 0)
        return -1;
    if (!(param->flags & DM_LIST))
        return check_rules(&rules, text, err);
    if (text.len > LIMIT_VALUE_BYTES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s: longer than %u bytes", param->name,
                         LIMIT_VALUE_BYTES);
    /* Empty is a list of no items; a comma at the end is an empty item. */
    while ((text.len || item.data) && str_next(&text, ',', &item))
        if (check_rules(&rules, str_trim(item), err) < 0)
            return -1;
    return 0;
}

int dm_arg_check(const struct dm_arg *arg, struct str text, struct error *err)
{
    struct rules rules = {arg->name, arg->type, arg->min, arg->max, arg->values, false};

    return check_rules(&rules, text, err);
}

int dm_reference_check(struct dm *dm, const struct dm_param *param, struct str text, struct str *ret,
                       struct error *err)
{
    struct str item;
    char *joined = NULL;

    *ret = STR("");
    while (text.len && dm_path_next(&text, &item)) {
        char path[DM_PATH_BYTES];
        struct dm_row *row;
        size_t len;

        item = str_trim(item);
        row = dm_row_find(dm, item); /* by number or by keys (R-ARC.11); it is kept by number */
        if (!row || !str_starts(str_of(row->node->path), str_of(param->refers)))
            return error_set(err, ERROR_INVALID_VALUE, NULL, "%s: \"%.*s\" is no row of %s", param->name,
                             (int)(item.len > 60 ? 60 : item.len), item.data, param->refers);
        len = dm_row_path(row, path) - 1;
        joined = joined ? arena_printf(&dm->scratch, "%s,%.*s", joined, (int)len, path)
                        : arena_strndup(&dm->scratch, path, len);
        if (!joined)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s: out of memory", param->name);
    }
    if (joined)
        *ret = str_of(joined);
    return 0;
}

/* ---- writing ---- */

static int set_text(char **field, struct str text, union dm_field *old)
{
    char *copy = NULL;

    if (text.len) {
        copy = str_dup(text.data, text.len);
        if (!copy)
            return -1;
    }
    old->text = *field;
    *field = copy;
    return 0;
}

static uint32_t enum_index(const struct dm_param *param, struct str text)
{
    uint32_t index = 0;

    while (param->values[index] && !str_is(text, param->values[index]))
        index++;
    return param->values[index] ? index : 0;
}

/* text was checked before, so the conversions cannot fail. */
static void set_number(void *field, const struct dm_param *param, struct str text, union dm_field *old)
{
    int64_t integer = 0;
    uint64_t number = 0;
    bool boolean = false;

    old->bits = 0;
    switch (param->type) {
    case DM_BOOLEAN:
        str_to_bool(text, &boolean);
        memcpy(&old->bits, field, sizeof(bool));
        *(bool *)field = boolean;
        break;
    case DM_INT:
        str_to_i64(text, &integer);
        memcpy(&old->bits, field, sizeof(int32_t));
        *(int32_t *)field = (int32_t)integer;
        break;
    case DM_UNSIGNED_INT:
        str_to_u64(text, &number);
        memcpy(&old->bits, field, sizeof(uint32_t));
        *(uint32_t *)field = (uint32_t)number;
        break;
    case DM_ENUM:
        memcpy(&old->bits, field, sizeof(uint32_t));
        *(uint32_t *)field = enum_index(param, text);
        break;
    case DM_LONG:
    case DM_DATE_TIME:
        if (param->type == DM_LONG)
            str_to_i64(text, &integer);
        else
            str_to_time(text, &integer);
        memcpy(&old->bits, field, sizeof(int64_t));
        *(int64_t *)field = integer;
        break;
    case DM_UNSIGNED_LONG:
        str_to_u64(text, &number);
        memcpy(&old->bits, field, sizeof(uint64_t));
        *(uint64_t *)field = number;
        break;
    case DM_STRING:
    case DM_BASE64:
    case DM_HEX_BINARY:
        break;
    }
}

int dm_field_set(struct dm_row *row, const struct dm_param *param, struct str text, union dm_field *old,
                 struct error *err)
{
    if (!has_field(row, param))
        return error_set(err, ERROR_INTERNAL, NULL, "%s: has no place to be kept", param->name);
    if (!dm_type_is_text(param->type))
        set_number(dm_field_at(row, param), param, text, old);
    else if (set_text(dm_field_at(row, param), text, old) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s: out of memory", param->name);
    return 0;
}

static size_t field_bytes(const struct dm_param *param)
{
    switch (param->type) {
    case DM_BOOLEAN:
        return sizeof(bool);
    case DM_INT:
    case DM_UNSIGNED_INT:
    case DM_ENUM:
        return 4;
    case DM_LONG:
    case DM_DATE_TIME:
    case DM_UNSIGNED_LONG:
        return 8;
    case DM_STRING:
    case DM_BASE64:
    case DM_HEX_BINARY:
        break;
    }
    return sizeof(char *);
}

void dm_field_swap(struct dm_row *row, const struct dm_param *param, union dm_field *old)
{
    union dm_field now = {.bits = 0};
    void *field = dm_field_at(row, param);
    size_t size = field_bytes(param);

    memcpy(&now, field, size);
    memcpy(field, old, size);
    *old = now;
}

int dm_field_defaults(struct dm_row *row, struct error *err)
{
    for (const struct dm_param *param = row->node->object->params; param && param->name; param++) {
        union dm_field old;

        if (!param->default_value || !has_field(row, param))
            continue;
        if (dm_field_set(row, param, str_of(param->default_value), &old, err) < 0)
            return -1;
        if (dm_type_is_text(param->type))
            free(old.text);
    }
    return 0;
}

void dm_field_free(struct dm_row *row)
{
    for (const struct dm_param *param = row->node->object->params; param && param->name; param++) {
        if (has_field(row, param) && dm_type_is_text(param->type)) {
            char **field = dm_field_at(row, param);

            free(*field);
            *field = NULL;
        }
    }
}
