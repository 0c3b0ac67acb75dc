/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/endpoint_id.h"

#include <string.h>

enum {
    INSTANCE_ID_CHARACTERS = 50, /* R-ARC.6 */
};

enum authority {
    NO_AUTHORITY,
    ANY_AUTHORITY, /* at most 6 characters */
    OUI_AUTHORITY, /* 6, 7 or 9 hexadecimal digits */
    CID_AUTHORITY, /* 6 hexadecimal digits */
    PEN_AUTHORITY, /* decimal digits */
};

/* R-ARC.2a */
static const struct scheme {
    const char *name;
    enum authority authority;
    bool begins_with_oui; /* the instance-id is <OUI>-... */
} schemes[] = {
    {"oui", OUI_AUTHORITY, false},   {"cid", CID_AUTHORITY, false},  {"pen", PEN_AUTHORITY, false},
    {"self", ANY_AUTHORITY, false},  {"user", ANY_AUTHORITY, false}, {"os", NO_AUTHORITY, true},
    {"ops", NO_AUTHORITY, true},     {"uuid", NO_AUTHORITY, false},  {"imei", NO_AUTHORITY, false},
    {"proto", ANY_AUTHORITY, false}, {"doc", ANY_AUTHORITY, false},  {"fqdn", NO_AUTHORITY, false},
};

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_';
}

static bool all(struct str text, bool (*is)(char c))
{
    for (size_t i = 0; i < text.len; i++)
        if (!is(text.data[i]))
            return false;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* R-ARC.5: plain characters, the others as %HH */
static bool is_instance_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_plain(text.data[i]))
            continue;
        if (text.data[i] != '%' || text.len - i < 3 || !is_hex(text.data[i + 1]) || !is_hex(text.data[i + 2]))
            return false;
        i += 2;
    }
    return text.len > 0 && text.len <= INSTANCE_ID_CHARACTERS;
}

static bool is_oui(struct str text)
{
    return (text.len == 6 || text.len == 7 || text.len == 9) && all(text, is_hex);
}

static bool is_authority(enum authority rule, struct str text)
{
    switch (rule) {
    case NO_AUTHORITY:
        return text.len == 0;
    case ANY_AUTHORITY:
        return text.len <= 6 && all(text, is_plain);
    case OUI_AUTHORITY:
        return is_oui(text);
    case CID_AUTHORITY:
        return text.len == 6 && all(text, is_hex);
    case PEN_AUTHORITY:
        return text.len > 0 && text.len <= 10 && all(text, is_digit);
    }
    return false;
}

/* R-ARC.3: the Broadband Forum's own */
static bool is_reserved(enum authority rule, struct str authority)
{
    return (rule == OUI_AUTHORITY && str_is(authority, "00256D")) ||
           (rule == PEN_AUTHORITY && str_is(authority, "3561"));
}

static const struct scheme *split(struct str id, struct str *ret_authority, struct str *ret_instance)
{
    struct str name;

    if (!str_next(&id, ':', &name) || !id.data || !str_next(&id, ':', ret_authority) || !id.data)
        return NULL;
    *ret_instance = id;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (str_is(name, schemes[i].name))
            return &schemes[i];
    return NULL;
}

int usp_endpoint_id_check(struct str id, struct error *err)
{
    struct str authority;
    struct str instance;
    const struct scheme *scheme = split(id, &authority, &instance);
    struct str rest = instance;
    struct str oui = authority;
    bool reserved;

    if (!scheme)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "not an Endpoint ID (scheme:authority:instance)");
    if (!is_authority(scheme->authority, authority))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "not an authority-id of scheme %s", scheme->name);
    if (!is_instance_id(instance))
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "an instance-id has 1 to %d characters: letters, digits, '-', '.', '_', %%HH",
                         INSTANCE_ID_CHARACTERS);
    if (scheme->begins_with_oui && (!str_next(&rest, '-', &oui) || !is_oui(oui) || !rest.len))
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "an instance-id of scheme %s begins with an OUI and '-'", scheme->name);
    reserved = is_reserved(scheme->begins_with_oui ? OUI_AUTHORITY : scheme->authority, oui);
    return reserved ? error_set(err, ERROR_INVALID_VALUE, NULL, "%.*s is the Broadband Forum's own",
                                (int)oui.len, oui.data)
                    : 0;
}

bool usp_endpoint_id_is_trial(struct str id)
{
    return str_starts(id, STR("proto:")) || str_starts(id, STR("doc:"));
}
