/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line of a DHCP server's lease file: dnsmasq's (with its section of DHCPv6), or odhcpd's state file. The server wrote it,
 * with names and identifiers that its clients chose: what does not fit is refused. Owns no memory.
 */
#ifndef SCAN_LEASE_LINE_H
#define SCAN_LEASE_LINE_H

#include "base/str.h"
#include "scan/hosts.h"

enum {
    LEASE_ADDRESSES = 8, /* of one line: odhcpd lists all of a client */
};

struct lease_line {
    bool has_mac;
    uint8_t mac[HOST_MAC_BYTES];
    struct host_ip ips[LEASE_ADDRESSES];
    uint32_t ips_count;
    int64_t expires; /* s since 1970; INT64_MAX: never */
    char interface[HOST_INTERFACE_BYTES];
    char host_name[HOST_FACT_BYTES + 1]; /* these two: "" when there is none */
    char client_id[HOST_FACT_BYTES + 1];
};

/* 1: a lease. 0: a line that is none (a comment, a prefix, the server's DUID). -1: malformed. */
int lease_line_parse(struct str line, struct lease_line *ret);

#endif
