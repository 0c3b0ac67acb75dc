/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SSDP's sockets: per interface of the LAN, IPv4 and IPv6, one that hears what is sent to the group, and one that searches
 * and gets the answers. Only these interfaces are sent to or heard on. What comes from the gateway's own addresses, or from an
 * address that is not of the link, is dropped here: nobody is to make the gateway fetch from itself, or through its uplink.
 *
 * Interfaces are looked at again every SSDP_LOOK_S, so one may come, go and change its addresses. Loop's thread only.
 */
#ifndef SCAN_SSDP_LINK_H
#define SCAN_SSDP_LINK_H

#include "base/loop.h"
#include "scan/ssdp.h"

enum {
    SSDP_LINKS = 8,
    SSDP_LINK_ADDRESSES = 16, /* of one interface */
    SSDP_LOOK_S = 30,
    SSDP_FIRST_MS = 3000,    /* the first search comes within this time after an interface */
    SSDP_REPEAT_MS = 2000,   /* and once more, since datagrams get lost */
    SSDP_SEARCH_S = 15 * 60, /* then after this long, a quarter more or less */
};

/* An address of the gateway, with the prefix of its link. */
struct ssdp_prefix {
    int family;
    unsigned bits;
    uint8_t bytes[16];
};

/* Whether a host of the link, and not the gateway itself, has this address. own: all addresses of the gateway; link: those
 * of the interface. */
bool ssdp_on_link(const struct sockaddr *from, const struct ssdp_prefix *own, size_t own_count,
                  const struct ssdp_prefix *link, size_t link_count);

struct ssdp_links;
/* interfaces: names, separated by commas; SSDP_LINKS of them count. A socket that cannot be opened is told to `failed`, once
 * until it works again. */
struct ssdp_links *ssdp_links_new(struct loop *loop, const char *interfaces, struct ssdp *ssdp,
                                  void (*failed)(void *ctx, const struct error *err), void *ctx,
                                  struct error *err);
void ssdp_links_free(struct ssdp_links *links);
/* Datagrams that came from elsewhere than the link. */
uint64_t ssdp_links_strangers(const struct ssdp_links *links);

#endif
