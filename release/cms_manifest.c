/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON manifest that a CMS signature covers. Read it only after that signature was verified. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "release/cms.h"

enum {
    FORMAT = 1,
    NAMES = 32, /* models or hardware versions in one manifest */
    EXACT_BITS = 53,
};

struct reading {
    const struct release_identity *identity;
    struct release *release;
    struct error *err;
};

static int refuse(struct reading *at, const char *member, const char *what)
{
    return release_refuse(at->err, RELEASE_PARAMETER_UNSUPPORTED, "its manifest: \"%.40s\" %s", member, what);
}

bool cms_is_manifest(struct str bytes)
{
    struct str text = str_trim(bytes);

    return text.len && text.data[0] == '{';
}

/* ---- values ---- */

static int take_text(struct reading *at, const cJSON *item, char *to, size_t size)
{
    const char *text = cJSON_GetStringValue(item);

    if (!text || strlen(text) >= size)
        return refuse(at, item->string, text ? "is too long" : "is no text");
    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            return refuse(at, item->string, "has control characters in it");
    str_copy(to, size, text);
    return 0;
}

static int take_number(struct reading *at, const cJSON *item, int64_t min, int64_t *ret)
{
    double value = cJSON_IsNumber(item) ? item->valuedouble : 0.5;

    if (value < -(double)(1ll << EXACT_BITS) || value > (double)(1ll << EXACT_BITS) ||
        value != (double)(int64_t)value || (int64_t)value < min)
        return refuse(at, item->string, "is no whole number in its range");
    *ret = (int64_t)value;
    return 0;
}

/* One text, or a list of them: 1 when it has `wanted`, 0, -1 refused. */
static int names(struct reading *at, const cJSON *item, const char *wanted)
{
    const cJSON *each = cJSON_IsArray(item) ? item->child : item;
    int count = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 1;
    int found = 0;

    if (!count || count > NAMES)
        return refuse(at, item->string, "has none, or too many, in it");
    for (int i = 0; i < count; i++, each = each->next) {
        if (!cJSON_IsString(each) || !*each->valuestring)
            return refuse(at, item->string, "is neither a text nor a list of texts");
        if (strcmp(each->valuestring, wanted) == 0 || strcmp(each->valuestring, "*") == 0)
            found = 1;
    }
    return found;
}

/* ---- members ---- */

static int take_format(struct reading *at, const cJSON *item)
{
    int64_t format = 0;

    if (take_number(at, item, 0, &format) < 0)
        return -1;
    return format == FORMAT ? 0 : refuse(at, item->string, "is another version than 1");
}

static int take_vendor(struct reading *at, const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);
    struct release_identity named;

    if (!text || !*text)
        return refuse(at, item->string, "is no text");
    if (release_identify(&named, text, NULL, NULL, NULL, at->err) < 0)
        return -1;
    if (at->identity && memcmp(named.vendor_id, at->identity->vendor_id, sizeof(named.vendor_id)) != 0)
        return release_refuse(at->err, RELEASE_CONDITION_FAILED,
                              "it is for another vendor's devices than this one");
    return 0;
}

static int take_model(struct reading *at, const cJSON *item)
{
    int found = names(at, item, at->identity ? at->identity->model : "");

    if (found < 0 || found || !at->identity)
        return found < 0 ? -1 : 0;
    return release_refuse(at->err, RELEASE_CONDITION_FAILED, "it is for other models than \"%.60s\"",
                          at->identity->model);
}

static int take_hardware(struct reading *at, const cJSON *item)
{
    int found = names(at, item, at->identity ? at->identity->hardware : "");

    if (found < 0 || found || !at->identity)
        return found < 0 ? -1 : 0;
    return release_refuse(at->err, RELEASE_CONDITION_FAILED, "it is for other hardware than \"%.60s\"",
                          at->identity->hardware);
}

static int take_vendor_name(struct reading *at, const cJSON *item)
{
    return take_text(at, item, at->release->vendor_name, sizeof(at->release->vendor_name));
}

static int take_version(struct reading *at, const cJSON *item)
{
    return take_text(at, item, at->release->version, sizeof(at->release->version));
}

static int take_sequence(struct reading *at, const cJSON *item)
{
    int64_t value = 0;

    if (take_number(at, item, 0, &value) < 0)
        return -1;
    at->release->sequence = (uint64_t)value;
    return 0;
}

static int take_priority(struct reading *at, const cJSON *item)
{
    at->release->has_priority = true;
    return take_number(at, item, INT64_MIN, &at->release->priority);
}

static int take_ask(struct reading *at, const cJSON *item)
{
    at->release->ask = cJSON_IsTrue(item);
    return cJSON_IsBool(item) ? 0 : refuse(at, item->string, "is neither true nor false");
}

static int take_use_before(struct reading *at, const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    if (!text || str_to_time(str_of(text), &at->release->use_before) < 0 || at->release->use_before <= 0)
        return refuse(at, item->string, "is no time such as 2027-01-31T00:00:00Z");
    return 0;
}

static int take_battery(struct reading *at, const cJSON *item)
{
    int64_t value = 0;

    if (take_number(at, item, 0, &value) < 0)
        return -1;
    at->release->has_battery = true;
    at->release->battery_mwh = (uint64_t)value;
    return 0;
}

static int take_description(struct reading *at, const cJSON *item)
{
    return take_text(at, item, at->release->description, sizeof(at->release->description));
}

static int take_size(struct reading *at, const cJSON *item)
{
    int64_t value = 0;

    if (take_number(at, item, 1, &value) < 0)
        return -1;
    at->release->size = (uint64_t)value;
    return 0;
}

static int take_sha256(struct reading *at, const cJSON *item)
{
    char *hex = at->release->sha256;
    uint8_t bytes[32];

    if (take_text(at, item, hex, RELEASE_SHA256_HEX_BYTES) < 0)
        return -1;
    if (str_from_hex(str_of(hex), bytes, sizeof(bytes)) != sizeof(bytes))
        return refuse(at, item->string, "is not 64 hexadecimal digits");
    str_to_hex(hex, bytes, sizeof(bytes));
    return 0;
}

static int take_uri(struct reading *at, const cJSON *item)
{
    if (take_text(at, item, at->release->uri, sizeof(at->release->uri)) < 0)
        return -1;
    if (!at->release->uri[0] || strpbrk(at->release->uri, " #"))
        return refuse(at, item->string, "is no address of a file");
    return 0;
}

struct member {
    const char *name;
    int (*take)(struct reading *at, const cJSON *item);
    bool required;
};

static int take_image(struct reading *at, const cJSON *item);

static const struct member members[] = {
    {"homepatch-release", take_format, true}, {"vendor", take_vendor, true},
    {"vendor-name", take_vendor_name, false}, {"model", take_model, true},
    {"hardware", take_hardware, false},       {"version", take_version, true},
    {"sequence", take_sequence, true},        {"image", take_image, true},
    {"priority", take_priority, false},       {"ask", take_ask, false},
    {"use-before", take_use_before, false},   {"min-battery", take_battery, false},
    {"description", take_description, false}, {NULL, NULL, false},
};

static const struct member image_members[] = {
    {"uri", take_uri, true},
    {"size", take_size, true},
    {"sha256", take_sha256, true},
    {NULL, NULL, false},
};

/* Each member once, no other, and all that are required. */
static int take_members(struct reading *at, const cJSON *object, const struct member *table)
{
    unsigned seen = 0;

    for (const cJSON *item = cJSON_IsObject(object) ? object->child : NULL; item; item = item->next) {
        unsigned i = 0;

        while (table[i].name && strcmp(table[i].name, item->string) != 0)
            i++;
        if (!table[i].name)
            return refuse(at, item->string, "is not known here");
        if (seen & 1u << i)
            return refuse(at, item->string, "is there twice");
        seen |= 1u << i;
        if (table[i].take(at, item) < 0)
            return -1;
    }
    for (unsigned i = 0; table[i].name; i++)
        if (table[i].required && !(seen & 1u << i))
            return refuse(at, table[i].name, "is missing");
    return 0;
}

static int take_image(struct reading *at, const cJSON *item)
{
    return take_members(at, item, image_members);
}

int cms_read(struct str bytes, const struct release_identity *identity, struct release *ret,
             struct error *err)
{
    struct reading at = {.identity = identity, .release = ret, .err = err};
    const char *end = NULL;
    cJSON *json = str_is_utf8(bytes) ? cJSON_ParseWithLengthOpts(bytes.data, bytes.len, &end, 0) : NULL;
    int result;

    if (!json || str_trim((struct str){end, (size_t)(bytes.data + bytes.len - end)}).len)
        result = release_refuse(err, RELEASE_CBOR_PARSE,
                                "its manifest is no JSON object, or something follows it");
    else
        result = take_members(&at, json, members);
    cJSON_Delete(json);
    if (result == 0) {
        ret->wait = (struct release_wait){
            .time = -1, .time_of_day = -1, .day_of_week = -1, .time_of_day_utc = -1, .day_of_week_utc = -1};
        str_copy(ret->component, sizeof(ret->component), "manifest");
        str_copy(ret->model_name, sizeof(ret->model_name), identity ? identity->model : "");
    }
    return result;
}
