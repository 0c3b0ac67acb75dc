/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the LAN's hosts advertise by DNS-SD, gathered per host: one host has several services, each says a part, and they come
 * and go one by one. What is known of a host follows from those that are there, in order of the table in service_facts.c.
 *
 * Loop's thread only. Bounded by SERVICES_PER_ADDRESS and SERVICES; of one address, services of which nothing follows give
 * way to others.
 */
#ifndef SCAN_SERVICES_H
#define SCAN_SERVICES_H

#include "discovery/mdns.h"
#include "scan/hosts.h"

enum {
    SERVICES = 4096,
    SERVICES_PER_ADDRESS = 32,
};

struct services;

/* NULL: no memory. hosts is told, and lives longer. */
struct services *services_new(struct hosts *hosts);
void services_free(struct services *services);

/* As mdns_ops.instance has it. */
void services_observe(struct services *services, const struct mdns_instance *instance, bool present);

size_t services_count(const struct services *services);
/* Instances that were not taken: too many of one host or in all, no address of a host, no memory. */
uint64_t services_refused(const struct services *services);

#endif
