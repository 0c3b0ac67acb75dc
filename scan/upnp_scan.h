/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The UPnP part of the scan: SSDP on the LAN's interfaces (scan/ssdp.h, scan/ssdp_link.h), and what the descriptions say, told
 * to the table of hosts. Optional: --without-ssdp leaves it out, and libxml2. Loop's thread only.
 */
#ifndef SCAN_UPNP_SCAN_H
#define SCAN_UPNP_SCAN_H

#include "base/loop.h"
#include "scan/hosts.h"

struct upnp_scan_ops {
    /* Gets the URL: HTTP, no redirects, at most max_bytes. upnp_scan_fetched() follows, later, unless it is cancelled. NULL: not
     * now, and err. */
    void *(*fetch)(void *ctx, const char *url, size_t max_bytes, void *token, struct error *err);
    void (*cancel)(void *ctx, void *fetch);
    /* For people; a hostile host can cause many: the owner says a few. */
    void (*refused)(void *ctx, const char *address, const struct error *err);
};

struct upnp_counts {
    uint64_t messages, strangers, refused, limited, fetched, failed;
    size_t senders;
};

struct upnp_scan;
/* interfaces: names, separated by commas. */
struct upnp_scan *upnp_scan_new(struct loop *loop, struct hosts *hosts, const char *interfaces,
                                const struct upnp_scan_ops *ops, void *ctx, struct error *err);
void upnp_scan_free(struct upnp_scan *scan);
/* text NULL: err says why. token is the one of ops->fetch. */
void upnp_scan_fetched(void *token, const struct str *text, const struct error *err);
void upnp_scan_counts(const struct upnp_scan *scan, struct upnp_counts *ret);

/* Whether this build has it. */
extern const bool upnp_scan_available;

#endif
