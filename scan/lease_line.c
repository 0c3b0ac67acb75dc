/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/lease_line.h"

#include <string.h>

enum {
    FIELDS = 8, /* of odhcpd, before its addresses */
};

/* Cuts the next field off, which blanks end. False: there is none. */
static bool next_field(struct str *rest, struct str *ret)
{
    *rest = str_trim(*rest);
    return rest->len && str_next(rest, ' ', ret);
}

static int copy(char *to, size_t size, struct str from)
{
    if (from.len >= size)
        return -1;
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static int add_address(struct lease_line *lease, struct str text)
{
    char address[HOST_IP_TEXT_BYTES];

    if (lease->ips_count == LEASE_ADDRESSES)
        return 0;
    if (copy(address, sizeof(address), text) < 0 ||
        host_ip_from_text(address, 0, &lease->ips[lease->ips_count]) < 0)
        return -1;
    lease->ips_count++;
    return 0;
}

/* "01:02:03" or "010203" as digits. */
static int copy_id(struct lease_line *lease, struct str text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ':')
            continue;
        if (!strchr("0123456789abcdefABCDEF", text.data[i]) || len == sizeof(lease->client_id) - 1)
            return -1;
        lease->client_id[len++] = text.data[i];
    }
    lease->client_id[len] = '\0';
    return 0;
}

/* dnsmasq: "<expiry> <MAC or IAID> <address> <name or *> <client id or *>". */
static int parse_dnsmasq(struct str line, struct lease_line *lease)
{
    struct str expires, who, address, name, id;
    int64_t time;

    if (!next_field(&line, &expires))
        return 0;
    if (str_is(expires, "duid"))
        return 0;
    if (!next_field(&line, &who) || !next_field(&line, &address) || !next_field(&line, &name) ||
        !next_field(&line, &id) || line.len || str_to_i64(expires, &time) < 0 || time < 0 ||
        add_address(lease, address) < 0)
        return -1;
    lease->expires = time ? time : INT64_MAX;
    lease->has_mac = host_mac_from_text(who, lease->mac) == 0;
    /* DHCPv4 names its client by its hardware; DHCPv6 has an IAID there, and no MAC address is read out of a DUID. */
    if (host_ip_is_v4(&lease->ips[0]) ? !lease->has_mac : lease->has_mac)
        return -1;
    if (!str_is(name, "*") && copy(lease->host_name, sizeof(lease->host_name), name) < 0)
        return -1;
    return str_is(id, "*") ? 0 : copy_id(lease, id);
}

/* A name that is not one of DNS is marked as such by odhcpd, and is nobody's. */
static int copy_name(struct lease_line *lease, struct str name)
{
    if (str_is(name, "-") || str_starts(name, STR("broken\\x20")))
        return 0;
    return copy(lease->host_name, sizeof(lease->host_name), name);
}

/* "<address>/<length>"; a prefix that was delegated is no address of the host. */
static int parse_odhcpd_address(struct lease_line *lease, struct str text)
{
    const char *slash = memchr(text.data, '/', text.len);
    struct str address = {text.data, slash ? (size_t)(slash - text.data) : 0};
    uint64_t length;

    if (!slash || str_to_u64((struct str){slash + 1, text.len - address.len - 1}, &length) < 0 ||
        length > 128)
        return -1;
    return length == (memchr(address.data, ':', address.len) ? 128u : 32u) ? add_address(lease, address) : 0;
}

/* odhcpd: "# <interface> <MAC or DUID> <ipv4 or IAID> <name or -> <expiry> <address or id> <length> <address>/<length>...". */
static int parse_odhcpd(struct str line, struct lease_line *lease)
{
    struct str fields[FIELDS], address;
    int64_t time;

    for (size_t i = 0; i < FIELDS; i++)
        if (!next_field(&line, &fields[i]))
            return -1;
    if (copy(lease->interface, sizeof(lease->interface), fields[1]) < 0 || str_to_i64(fields[5], &time) < 0 ||
        copy_name(lease, fields[4]) < 0)
        return -1;
    lease->expires = time < 0 ? INT64_MAX : time;
    if (!str_is(fields[3], "ipv4")) {
        if (copy_id(lease, fields[2]) < 0)
            return -1;
    } else if (host_mac_from_text(fields[2], lease->mac) == 0) {
        lease->has_mac = true;
    } else {
        return -1;
    }
    while (next_field(&line, &address))
        if (parse_odhcpd_address(lease, address) < 0)
            return -1;
    return 0;
}

int lease_line_parse(struct str line, struct lease_line *ret)
{
    struct lease_line lease = {.has_mac = false};
    int rc;

    line = str_trim(line);
    if (line.len && line.data[0] == '#') {
        rc = parse_odhcpd(line, &lease);
    } else {
        const char *blank = memchr(line.data, ' ', line.len);

        /* odhcpd's other lines are those of a hosts file: "<address>\t<name>". */
        if (!line.len || (!blank && memchr(line.data, '\t', line.len)))
            return 0;
        rc = parse_dnsmasq(line, &lease);
    }
    if (rc < 0)
        return -1;
    if (!lease.ips_count)
        return 0;
    *ret = lease;
    return 1;
}
