/* SPDX-License-Identifier: BSD-3-Clause */
#include "discovery/dhcp.h"

#include <string.h>

#include "base/host_port.h"

enum {
    ENTERPRISE_BYTES = 4,
    URL = 25,
    PROVISIONING_CODE = 26,
    RETRY_MINIMUM = 27,
    RETRY_MULTIPLIER = 28,
    ENDPOINT_ID = 29,
    LABEL_BYTES = 63,
    HTTPS_PORT = 443,
    HTTP_PORT = 80,
};

static uint32_t number(const char *bytes, size_t count)
{
    uint32_t value = 0;

    while (count--)
        value = value << 8 | (uint8_t)*bytes++;
    return value;
}

/* ---- the option ---- */

/* R-DIS.1c: a NUL at the end is no part of the value. False: there is one inside, or it is not text. */
static bool as_text(struct str *value)
{
    while (value->len && !value->data[value->len - 1])
        value->len--;
    for (size_t i = 0; i < value->len; i++)
        if ((unsigned char)value->data[i] < ' ' || value->data[i] == 0x7f)
            return false;
    return str_is_utf8(*value);
}

static int keep(char *slot, size_t size, unsigned code, struct str value, struct error *err)
{
    if (slot[0])
        return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP sub-option %u is there twice", code);
    if (value.len >= size)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP sub-option %u has %zu bytes, %zu at most",
                         code, value.len, size - 1);
    memcpy(slot, value.data, value.len);
    slot[value.len] = '\0';
    return 0;
}

/* R-DIS.1a: numbers are texts, too. The range is that of the parameter. */
static int keep_number(uint32_t *slot, uint32_t min, unsigned code, struct str value, struct error *err)
{
    uint64_t parsed;

    if (*slot)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP sub-option %u is there twice", code);
    if (str_to_u64(value, &parsed) < 0 || parsed < min || parsed > 65535)
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "DHCP sub-option %u is not a number from %u to 65535, in digits", code, min);
    *slot = (uint32_t)parsed;
    return 0;
}

static int take(struct dhcp_answer *answer, unsigned code, struct str value, struct error *err)
{
    if (code < URL || code > ENDPOINT_ID)
        return 0;
    if (!as_text(&value))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP sub-option %u is not text", code);
    if (!value.len)
        return 0;
    switch (code) {
    case URL:
        return keep(answer->url, sizeof(answer->url), code, value, err);
    case PROVISIONING_CODE:
        return keep(answer->provisioning_code, sizeof(answer->provisioning_code), code, value, err);
    case RETRY_MINIMUM:
        return keep_number(&answer->retry_minimum, 1, code, value, err);
    case RETRY_MULTIPLIER:
        return keep_number(&answer->retry_multiplier, 1000, code, value, err);
    default:
        if (!endpoint_id_valid(value))
            return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP sub-option %u is not an Endpoint ID",
                             code);
        return keep(answer->endpoint_id, sizeof(answer->endpoint_id), code, value, err);
    }
}

/* The sub-options of one enterprise: code and length are of `width` bytes each. */
static int parse_inside(struct str data, size_t width, struct dhcp_answer *answer, struct error *err)
{
    while (data.len) {
        unsigned code;
        size_t len;

        if (data.len < 2 * width)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "a DHCP sub-option is cut off in its header");
        code = number(data.data, width);
        len = number(data.data + width, width);
        data.data += 2 * width;
        data.len -= 2 * width;
        if (len > data.len)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP sub-option %u is cut off", code);
        if (take(answer, code, (struct str){data.data, len}, err) < 0)
            return -1;
        data.data += len;
        data.len -= len;
    }
    return 0;
}

/* RFC 3925, 4: one enterprise after the other, each with a length of one byte. */
static int parse_v4(struct str option, struct dhcp_answer *answer, struct error *err)
{
    while (option.len) {
        size_t len = option.len > ENTERPRISE_BYTES ? (uint8_t)option.data[ENTERPRISE_BYTES] : 0;

        if (option.len <= ENTERPRISE_BYTES || len > option.len - ENTERPRISE_BYTES - 1)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCP option 125 is cut off");
        if (number(option.data, ENTERPRISE_BYTES) == DHCP_ENTERPRISE &&
            parse_inside((struct str){option.data + ENTERPRISE_BYTES + 1, len}, 1, answer, err) < 0)
            return -1;
        option.data += ENTERPRISE_BYTES + 1 + len;
        option.len -= ENTERPRISE_BYTES + 1 + len;
    }
    return 0;
}

/* RFC 8415, 21.17: one enterprise, to the end of the option. */
static int parse_v6(struct str option, struct dhcp_answer *answer, struct error *err)
{
    if (option.len < ENTERPRISE_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "DHCPv6 option 17 is cut off");
    if (number(option.data, ENTERPRISE_BYTES) != DHCP_ENTERPRISE)
        return 0;
    return parse_inside((struct str){option.data + ENTERPRISE_BYTES, option.len - ENTERPRISE_BYTES}, 2,
                        answer, err);
}

int dhcp_parse(struct str option, enum dhcp_family family, struct dhcp_answer *answer, struct error *err)
{
    struct dhcp_answer next = *answer;

    if ((family == DHCP_V6 ? parse_v6 : parse_v4)(option, &next, err) < 0)
        return -1;
    *answer = next;
    return 0;
}

bool dhcp_answer_empty(const struct dhcp_answer *answer)
{
    return !answer->url[0] && !answer->endpoint_id[0] && !answer->provisioning_code[0] &&
           !answer->retry_minimum && !answer->retry_multiplier;
}

/* ---- the address ---- */

static bool is_label(char c)
{
    return c == '-' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool host_name_valid(struct str name)
{
    size_t label = 0;

    if (!name.len || name.len > ADDRESS_HOST_BYTES - 1)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.') {
            if (!label)
                return false;
            label = 0;
        } else if (!is_label(name.data[i]) || ++label > LABEL_BYTES) {
            return false;
        }
    }
    return true;
}

bool endpoint_id_valid(struct str id)
{
    const char *colon = id.len ? memchr(id.data, ':', id.len) : NULL;
    size_t rest = colon ? (size_t)(id.data + id.len - colon - 1) : 0;
    const char *second = rest ? memchr(colon + 1, ':', rest) : NULL;

    if (!second || colon == id.data || second + 1 == id.data + id.len || id.len >= DHCP_ENDPOINT_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] <= ' ' || id.data[i] > '~')
            return false;
    return true;
}

/* A name gets the dot at its end that makes it absolute; an address stays as it is. */
static int set_host(struct controller_address *address, struct str host, bool bracketed, struct error *err)
{
    if (host.len < sizeof(address->host)) {
        memcpy(address->host, host.data, host.len);
        address->host[host.len] = '\0';
        address->literal = host_is_address(address->host);
    }
    if (address->literal && bracketed == (strchr(address->host, ':') != NULL))
        return 0;
    if (bracketed || address->literal || !host_name_valid(host))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "\"%.*s\" is not a host",
                         (int)(host.len > 100 ? 100 : host.len), host.data);
    if (host.data[host.len - 1] != '.')
        memcpy(address->host + host.len, ".", 2);
    return 0;
}

static int set_path(struct controller_address *address, struct str path, struct error *err)
{
    if (path.len >= sizeof(address->path))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "the path of the URL is longer than %zu bytes",
                         sizeof(address->path) - 1);
    for (size_t i = 0; i < path.len; i++)
        if (path.data[i] <= ' ' || path.data[i] > '~' || path.data[i] == '#')
            return error_set(err, ERROR_INVALID_VALUE, NULL, "the path of the URL has a byte that is none");
    memcpy(address->path, path.data, path.len);
    address->path[path.len] = '\0';
    return 0;
}

static int parse_authority(struct str text, struct controller_address *address, struct error *err)
{
    struct host_port parts;

    if (host_port_split(text, HOST_PORT_OPTIONAL, NULL, &parts, err) < 0 ||
        set_host(address, parts.host, parts.bracketed, err) < 0)
        return -1;
    if (parts.has_port)
        address->port = parts.port;
    return 0;
}

static int parse_url(struct str rest, bool tls, struct controller_address *address, struct error *err)
{
    struct str authority = rest;

    address->complete = true;
    address->tls = tls;
    address->port = tls ? HTTPS_PORT : HTTP_PORT;
    for (authority.len = 0; authority.len < rest.len; authority.len++)
        if (strchr("/?#", rest.data[authority.len]))
            break;
    if (parse_authority(authority, address, err) < 0)
        return -1;
    return set_path(address, (struct str){rest.data + authority.len, rest.len - authority.len}, err);
}

static struct str after(struct str text, size_t n)
{
    return (struct str){text.data + n, text.len - n};
}

int controller_address_parse(struct str text, struct controller_address *ret, struct error *err)
{
    struct controller_address address = {.tls = true, .port = HTTPS_PORT};
    int result;

    if (str_starts(text, STR("wss://")))
        result = parse_url(after(text, 6), true, &address, err);
    else if (str_starts(text, STR("ws://")))
        result = parse_url(after(text, 5), false, &address, err);
    else if (text.len && memmem(text.data, text.len, "://", 3))
        /* A broker does not prove who the controller behind it is, and DHCP cannot. */
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "\"%.*s\": DHCP may name a controller by wss:// or by its name alone",
                         (int)(text.len > 100 ? 100 : text.len), text.data);
    else
        result = set_host(&address, text, false, err);
    if (result == 0)
        *ret = address;
    return result;
}
