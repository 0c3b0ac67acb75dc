/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's neighbour table as a source (ARP, ND): which MAC address is behind an IP address of the LAN, and whether it is
 * reachable. The table is read at the start; from then on the kernel tells what changes (rtnetlink(7)), and when it had to drop
 * something, the table is read again. Only interfaces that are named count; they may come and go. Needs no privilege.
 *
 * It is also who asks: a datagram to an address makes the kernel find out whether somebody is there. Loop's thread only.
 */
#ifndef SCAN_NEIGHBOURS_H
#define SCAN_NEIGHBOURS_H

#include "base/loop.h"
#include "scan/hosts.h"

struct neighbours;

/* interfaces: names, separated by commas; at most LIMIT_SCAN_INTERFACES. Sets the table's check. */
struct neighbours *neighbours_new(struct loop *loop, struct hosts *hosts, const char *interfaces,
                                  struct error *err);
void neighbours_free(struct neighbours *neighbours);

/* Counted since start. */
struct neighbours_stats {
    uint64_t messages;
    uint64_t lost;    /* times that the kernel dropped messages */
    uint64_t asked;   /* datagrams */
    uint32_t present; /* named interfaces that are there now */
};
const struct neighbours_stats *neighbours_stats(const struct neighbours *neighbours);

#endif
