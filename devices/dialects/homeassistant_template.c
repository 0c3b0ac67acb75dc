/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/dialects/homeassistant_template.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* What Zigbee2MQTT announces, without its blanks; older releases have no in_progress. */
#define Z2M_PART(name) "\"" name "\":\"{{value_json['update']['" name "']}}\","
#define Z2M_BOTH                             \
    "{" Z2M_PART("latest_version") Z2M_PART( \
        "installed_version") "\"update_percentage\":{{value_json['update'].get('progress','null')}}"
static const char *const zigbee2mqtt[] = {
    Z2M_BOTH ",\"in_progress\":{{(value_json['update']['state']=='updating')|lower}}}",
    Z2M_BOTH "}",
};

static bool is_zigbee2mqtt(const char *text)
{
    char dense[HA_TEMPLATE_BYTES + 1];
    size_t len = 0;

    for (; *text; text++)
        if (*text != ' ')
            dense[len++] = *text;
    dense[len] = '\0';
    for (size_t i = 0; i < sizeof(zigbee2mqtt) / sizeof(zigbee2mqtt[0]); i++)
        if (strcmp(dense, zigbee2mqtt[i]) == 0)
            return true;
    return false;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ')
        ++*at;
}

static bool take(const char **at, const char *what)
{
    size_t len = strlen(what);

    if (strncmp(*at, what, len) != 0)
        return false;
    *at += len;
    return true;
}

/* ".name": the name, or an empty string when it is none. */
static struct str read_name(const char **at)
{
    struct str name = {*at, 0};

    if (!isdigit((unsigned char)**at))
        while (isalnum((unsigned char)**at) || **at == '_')
            ++*at;
    name.len = (size_t)(*at - name.data);
    return name;
}

/* "['name']", behind the bracket. */
static struct str read_quoted(const char **at)
{
    struct str none = {NULL, 0}, name;
    char quote;

    skip_blanks(at);
    quote = **at;
    if (quote != '\'' && quote != '"')
        return none;
    name.data = ++*at;
    while (**at && **at != quote && **at != '\\')
        ++*at;
    name.len = (size_t)(*at - name.data);
    if (**at != quote)
        return none;
    ++*at;
    skip_blanks(at);
    return take(at, "]") ? name : none;
}

/* Reads "value_json.a['b']" up to the closing braces into keys; how many there are, 0 when it is something else. */
static unsigned read_path(const char *text, char keys[HA_TEMPLATE_BYTES], size_t *ret_len)
{
    const char *at = text;
    unsigned count = 0;

    *ret_len = 0;
    if (!take(&at, "{{"))
        return 0;
    skip_blanks(&at);
    if (!take(&at, "value_json"))
        return 0;
    while (*at == '.' || *at == '[') {
        bool plain = *at++ == '.';
        struct str name = plain ? read_name(&at) : read_quoted(&at);

        if (!name.len || ++count > HA_TEMPLATE_KEYS)
            return 0;
        memcpy(keys + *ret_len, name.data, name.len);
        *ret_len += name.len;
        keys[(*ret_len)++] = '\0';
    }
    skip_blanks(&at);
    return take(&at, "}}") && !*at ? count : 0;
}

static bool is_plain_value(const char *text)
{
    const char *at = text;

    if (!take(&at, "{{"))
        return !*at;
    skip_blanks(&at);
    if (!take(&at, "value"))
        return false;
    skip_blanks(&at);
    return take(&at, "}}") && !*at;
}

int ha_template_parse(const char *text, struct ha_template *ret)
{
    char trimmed[HA_TEMPLATE_BYTES], keys[HA_TEMPLATE_BYTES];
    struct str bare = str_trim(str_of(text ? text : ""));
    size_t len;

    *ret = (struct ha_template){.kind = HA_TEMPLATE_OTHER};
    if (bare.len >= sizeof(trimmed))
        return 0;
    memcpy(trimmed, bare.data, bare.len);
    trimmed[bare.len] = '\0';
    ret->count = read_path(trimmed, keys, &len);
    if (ret->count) {
        ret->keys = str_dup(keys, len);
        if (!ret->keys)
            return -1;
        ret->kind = HA_TEMPLATE_PATH;
    } else if (is_plain_value(trimmed)) {
        ret->kind = HA_TEMPLATE_NONE;
    } else if (is_zigbee2mqtt(trimmed)) {
        ret->kind = HA_TEMPLATE_ZIGBEE2MQTT;
    }
    return 0;
}

void ha_template_done(struct ha_template *template)
{
    free(template->keys);
    *template = (struct ha_template){.kind = HA_TEMPLATE_NONE};
}

const cJSON *ha_template_follow(const struct ha_template *template, const cJSON *json)
{
    const char *key = template->keys;

    for (unsigned i = 0; i < template->count && json; i++, key += strlen(key) + 1)
        json = json_member(json, key);
    return json;
}
