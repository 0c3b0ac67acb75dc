/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/host_port.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    SHOWN_BYTES = 100, /* of a text in an error */
};

static int refuse(struct str text, const char *path, const char *why, struct error *err)
{
    return error_set(err, ERROR_INVALID_VALUE, path, "\"%.*s\" %s",
                     (int)(text.len > SHOWN_BYTES ? SHOWN_BYTES : text.len), text.data, why);
}

int port_parse(struct str text, uint16_t *ret)
{
    uint64_t port;

    if (str_to_u64(text, &port) < 0 || !port || port > UINT16_MAX)
        return -1;
    *ret = (uint16_t)port;
    return 0;
}

bool host_is_address(const char *host)
{
    uint8_t bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Cuts the host off; *ret_rest is what is behind it: nothing, or what has to be a colon and a port. */
static int split_host(struct str text, unsigned taken, const char *path, struct host_port *to,
                      struct str *ret_rest, struct error *err)
{
    const char *end = text.data + text.len;
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;

    to->host = text;
    if (text.len && text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.len);

        if (!close)
            return refuse(text, path, "has no \"]\" after its address", err);
        to->bracketed = true;
        to->host = (struct str){text.data + 1, (size_t)(close - text.data) - 1};
        if (!to->host.len || !memchr(to->host.data, ':', to->host.len))
            return refuse(text, path, "has something in brackets that is no IPv6 address", err);
        *ret_rest = (struct str){close + 1, (size_t)(end - close) - 1};
        return 0;
    }
    if (colon && memchr(colon + 1, ':', (size_t)(end - colon) - 1)) {
        if (!(taken & HOST_PORT_BARE_IPV6))
            return refuse(text, path, "has more than one colon: an IPv6 address goes in brackets", err);
        colon = NULL;
    }
    if (colon)
        to->host.len = (size_t)(colon - text.data);
    *ret_rest = (struct str){text.data + to->host.len, text.len - to->host.len};
    return 0;
}

int host_port_split(struct str text, unsigned taken, const char *path, struct host_port *ret,
                    struct error *err)
{
    struct host_port result = {.port = 0};
    struct str rest;

    if (split_host(text, taken, path, &result, &rest, err) < 0)
        return -1;
    if (!result.host.len && !(taken & HOST_PORT_LISTEN))
        return refuse(text, path, "has no host", err);
    if (result.host.len >= HOST_PORT_HOST_BYTES)
        return refuse(text, path, "has a host that is too long", err);
    if (rest.len && rest.data[0] != ':')
        return refuse(text, path, "has more than a port after its address", err);
    result.has_port = rest.len > 0;
    if (!rest.len && !(taken & HOST_PORT_OPTIONAL))
        return refuse(text, path, "has no port: write host:port", err);
    rest = rest.len ? (struct str){rest.data + 1, rest.len - 1} : rest;
    if (result.has_port && port_parse(rest, &result.port) < 0 &&
        !(taken & HOST_PORT_LISTEN && str_is(rest, "0")))
        return refuse(text, path, "has a port that is not one from 1 to 65535", err);
    *ret = result;
    return 0;
}

int host_port_parse(struct str text, unsigned taken, const char *path, char ret_host[HOST_PORT_HOST_BYTES],
                    uint16_t *ret_port, struct error *err)
{
    struct host_port parts;

    if (host_port_split(text, taken, path, &parts, err) < 0)
        return -1;
    memcpy(ret_host, parts.host.data, parts.host.len);
    ret_host[parts.host.len] = '\0';
    *ret_port = parts.port;
    return 0;
}
