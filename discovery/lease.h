/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the gateway's DHCP clients were told, as their hook leaves it (packaging/dhcp/homepatch-dhcp): one folder, one file
 * per interface and family ("eth1.v4"), in it the bytes of option 125 or 17 in hexadecimal, one option a line. A file may be
 * written before the agent starts and stays over its restarts. It is empty when the lease says nothing, and goes with the lease.
 * The folder belongs to root: whoever can write there can already speak for the DHCP client.
 */
#ifndef DISCOVERY_LEASE_H
#define DISCOVERY_LEASE_H

#include "base/loop.h"
#include "discovery/dhcp.h"

enum lease_state {
    LEASE_NONE,   /* no file: no client has a lease, or none has come so far */
    LEASE_SILENT, /* leases that say nothing, or nothing that can be used */
    LEASE_SPEAKS,
};

/*
 * The first file, by name, of an interface in `interfaces` (comma-separated; NULL: any) that says something: its interface and
 * answer. Files that cannot be used are passed over; `refused` hears why, and may be NULL.
 */
enum lease_state lease_read(const char *dir, const char *interfaces, struct dhcp_answer *ret,
                            char ret_interface[64], void (*refused)(void *ctx, const struct error *err),
                            void *ctx);

/* Watches the folder, also for its coming and going. `changed` comes at most once per LEASE_SETTLE_MS. */
enum {
    LEASE_SETTLE_MS = 100,
};
struct lease_watch;
struct lease_watch *lease_watch_new(struct loop *loop, const char *dir, void (*changed)(void *ctx), void *ctx,
                                    struct error *err);
void lease_watch_free(struct lease_watch *watch);

#endif
