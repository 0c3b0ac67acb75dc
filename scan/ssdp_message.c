/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/ssdp_message.h"

#include "base/limits.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/host_port.h"

enum {
    HTTP_PORT = 80,
};

/* ---- lines ---- */

/* RFC 9110, 5.6.2 */
static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", name.data[i]))
            return false;
    return name.len > 0;
}

/* Values may be UTF-8; what controls a terminal or a parser may not be in them. */
static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.data[i] < ' ' && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return true;
}

/* The line before the next CRLF. */
static bool next_line(struct str *rest, struct str *ret)
{
    const char *end = memmem(rest->data, rest->len, "\r\n", 2);

    if (!end)
        return false;
    *ret = (struct str){rest->data, (size_t)(end - rest->data)};
    *rest = (struct str){end + 2, rest->len - ret->len - 2};
    return true;
}

static bool named(struct str name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp(name.data, wanted, name.len) == 0;
}

/* ---- headers ---- */

enum header {
    HEADER_LOCATION,
    HEADER_USN,
    HEADER_NTS,
    HEADER_CACHE_CONTROL,
    HEADER_BOOT_ID,
    HEADER_NEXT_BOOT_ID,
    HEADERS_KNOWN,
};

static const char *const header_names[HEADERS_KNOWN] = {
    [HEADER_LOCATION] = "location",
    [HEADER_USN] = "usn",
    [HEADER_NTS] = "nts",
    [HEADER_CACHE_CONTROL] = "cache-control",
    [HEADER_BOOT_ID] = "bootid.upnp.org",
    [HEADER_NEXT_BOOT_ID] = "nextbootid.upnp.org",
};

static int keep(struct str name, struct str value, struct str values[HEADERS_KNOWN], struct error *err)
{
    for (unsigned i = 0; i < HEADERS_KNOWN; i++) {
        if (!named(name, header_names[i]))
            continue;
        if (values[i].data)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: \"%s\" is there twice", header_names[i]);
        values[i] = value;
    }
    return 0;
}

static int read_headers(struct str rest, struct str values[HEADERS_KNOWN], struct error *err)
{
    struct str line, name;

    for (unsigned count = 0; next_line(&rest, &line); count++) {
        if (!line.len)
            return rest.len ? error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: something follows the headers")
                            : 0;
        if (count == LIMIT_SSDP_HEADERS)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: more than %u headers",
                             LIMIT_SSDP_HEADERS);
        if (!memchr(line.data, ':', line.len) || !str_next(&line, ':', &name) || !is_token(name) ||
            !is_value(line))
            return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: line %u is no header", count + 2);
        if (keep(name, str_trim(line), values, err) < 0)
            return -1;
    }
    return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: the headers do not end");
}

/* "max-age = 1800", perhaps beside others. */
static uint32_t max_age_of(struct str value)
{
    struct str directive, name;
    uint64_t seconds;

    while (value.len && str_next(&value, ',', &directive)) {
        if (!memchr(directive.data, '=', directive.len) || !str_next(&directive, '=', &name) ||
            !named(str_trim(name), "max-age") || str_to_u64(str_trim(directive), &seconds) < 0)
            continue;
        return seconds < SSDP_MAX_AGE_FIRST  ? SSDP_MAX_AGE_FIRST
               : seconds > SSDP_MAX_AGE_LAST ? SSDP_MAX_AGE_LAST
                                             : (uint32_t)seconds;
    }
    return SSDP_MAX_AGE;
}

static uint32_t boot_id_of(struct str value)
{
    uint64_t number;

    return value.data && str_to_u64(value, &number) == 0 && number <= INT32_MAX ? (uint32_t)number : 0;
}

/* "uuid:X", "uuid:X::upnp:rootdevice", "uuid:X::urn:..." */
static int uuid_of(struct str usn, struct str *ret, struct error *err)
{
    const char *end;

    if (usn.len <= 5 || strncasecmp(usn.data, "uuid:", 5) != 0)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: USN does not begin with \"uuid:\"");
    *ret = (struct str){usn.data + 5, usn.len - 5};
    end = memmem(ret->data, ret->len, "::", 2);
    if (end)
        ret->len = (size_t)(end - ret->data);
    if (!is_token(*ret) || ret->len >= SSDP_UUID_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL,
                         "SSDP: the UUID in USN is empty, too long or not one");
    return 0;
}

static int notify_kind(struct str nts, enum ssdp_kind *ret, struct error *err)
{
    static const struct {
        const char *text;
        enum ssdp_kind kind;
    } kinds[] = {{"ssdp:alive", SSDP_ALIVE}, {"ssdp:update", SSDP_UPDATE}, {"ssdp:byebye", SSDP_BYEBYE}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (named(nts, kinds[i].text)) {
            *ret = kinds[i].kind;
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: NOTIFY without a known NTS");
}

int ssdp_parse(struct str datagram, struct ssdp_message *ret, struct error *err)
{
    struct str values[HEADERS_KNOWN] = {{NULL, 0}};
    struct ssdp_message message = {.kind = SSDP_ALIVE};
    struct str rest = datagram, line;
    bool notify;

    if (datagram.len > SSDP_MESSAGE_BYTES)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: longer than %d bytes", SSDP_MESSAGE_BYTES);
    if (!next_line(&rest, &line))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: no line");
    if (str_is(line, "M-SEARCH * HTTP/1.1")) {
        *ret = (struct ssdp_message){.kind = SSDP_SEARCH};
        return 0;
    }
    notify = str_is(line, "NOTIFY * HTTP/1.1");
    if (!notify && !str_is(line, "HTTP/1.1 200 OK") && !str_is(line, "HTTP/1.1 200"))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: neither NOTIFY nor an answer");
    if (read_headers(rest, values, err) < 0 || uuid_of(values[HEADER_USN], &message.uuid, err) < 0 ||
        (notify && notify_kind(values[HEADER_NTS], &message.kind, err) < 0))
        return -1;
    message.location = values[HEADER_LOCATION];
    if (!message.location.len && message.kind != SSDP_BYEBYE)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: no LOCATION");
    message.max_age = max_age_of(values[HEADER_CACHE_CONTROL]);
    message.boot_id = boot_id_of(values[message.kind == SSDP_UPDATE ? HEADER_NEXT_BOOT_ID : HEADER_BOOT_ID]);
    *ret = message;
    return 0;
}

/* ---- LOCATION ---- */

/* What may follow the host as it is. Without a fragment, and without what curl or a server could read in two ways. */
static bool path_good(struct str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.data[i] <= ' ' || path.data[i] > '~' || strchr("\"#<>\\^`{|}", path.data[i]))
            return false;
    return path.len < SSDP_PATH_BYTES && (!path.len || path.data[0] == '/');
}

/* A zone in the text (RFC 6874) is the sender's own name for its link and is passed over. */
static bool is_sender(struct str host, const struct sockaddr *from)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t address[16];
    const char *zone = memchr(host.data, '%', host.len);

    if (zone && from->sa_family == AF_INET6)
        host.len = (size_t)(zone - host.data);
    if (!host.len || host.len >= sizeof(text))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    if (inet_pton(from->sa_family, text, address) != 1)
        return false;
    if (from->sa_family == AF_INET)
        return memcmp(address, &((const struct sockaddr_in *)from)->sin_addr, 4) == 0;
    return memcmp(address, &((const struct sockaddr_in6 *)from)->sin6_addr, 16) == 0;
}

/* "192.0.2.1", "[2001:db8::1]", "[fe80::1%25br-lan]" */
static int write_host(const struct sockaddr *from, char to[INET6_ADDRSTRLEN + IF_NAMESIZE + 8])
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    char text[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];

    if (from->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, to, INET6_ADDRSTRLEN);
        return 0;
    }
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    if (!IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
        return sprintf(to, "[%s]", text) < 0 ? -1 : 0;
    if (!if_indextoname(v6->sin6_scope_id, zone))
        return -1;
    return sprintf(to, "[%s%%25%s]", text, zone) < 0 ? -1 : 0;
}

int ssdp_location(struct str text, const struct sockaddr *from, struct ssdp_location *ret, struct error *err)
{
    char sender[INET6_ADDRSTRLEN + IF_NAMESIZE + 8];
    struct host_port at;
    struct str authority, path;
    size_t length = 0;
    uint16_t port;

    if (text.len <= 7 || strncasecmp(text.data, "http://", 7) != 0)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: LOCATION is no http URL");
    authority = (struct str){text.data + 7, text.len - 7};
    while (length < authority.len && !strchr("/?#", authority.data[length]))
        length++;
    path = (struct str){authority.data + length, authority.len - length};
    authority.len = length;
    if (host_port_split(authority, HOST_PORT_OPTIONAL, NULL, &at, NULL) < 0 || !path_good(path))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: LOCATION is malformed or too long");
    if (!is_sender(at.host, from) || write_host(from, sender) < 0)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: the host of LOCATION is not the sender");
    port = at.has_port ? at.port : HTTP_PORT;
    if (snprintf(ret->url, sizeof(ret->url), "http://%s:%u%.*s", sender, (unsigned)port,
                 path.len ? (int)path.len : 1, path.len ? path.data : "/") >= (int)sizeof(ret->url))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "SSDP: LOCATION is too long");
    ret->port = port;
    return 0;
}
