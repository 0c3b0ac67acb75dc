/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the LAN's hosts advertise by DNS-SD, gathered per host: one host has several services, each says a part, and they come
 * and go one by one. What is known of a host follows from those that are there, in order of the table in service_facts.c.
 *
 * Loop's thread only. Bounded by LIMIT_SERVICES; of one address (LIMIT_SERVICES_PER_ADDRESS) services of which nothing follows give
 * way to others.
 */
#ifndef SCAN_SERVICES_H
#define SCAN_SERVICES_H

#include "base/limits.h"
#include "discovery/mdns.h"
#include "scan/hosts.h"

enum {
    /* How long after multicast DNS went, or came back, what was not confirmed is believed: as long as a host's address is by
     * its own word (RFC 6762, 10). A daemon that is only started anew tells all again before. */
    SERVICES_HOLD_MS = 120 * 1000,
};

struct services;

/* NULL: no memory. hosts is told; it and the timers live longer. */
struct services *services_new(struct hosts *hosts, struct timers *timers);
void services_free(struct services *services);

/* As mdns_ops.instance has it. */
void services_observe(struct services *services, const struct mdns_instance *instance, bool present);

/* As mdns_ops.state has it: while nobody listens, nobody hears what is withdrawn. */
void services_heard(struct services *services, bool present);

size_t services_count(const struct services *services);
/* Instances that were not taken: too many of one host or in all, no address of a host, no memory. */
uint64_t services_refused(const struct services *services);

#endif
