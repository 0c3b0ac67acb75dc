/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two sources of the scan that listen to what hosts say of themselves: DNS-SD (through discovery/mdns.h) and UPnP. Embedded
 * in the scan; loop's thread only.
 */
#ifndef AGENT_SCAN_LISTEN_H
#define AGENT_SCAN_LISTEN_H

#include "agent/discovery.h"
#include "base/rate.h"
#include "scan/services.h"
#include "scan/upnp_scan.h"
#include "transports/http_fetch.h"

struct scan_listen {
    struct loop *loop;
    struct agent_discovery *discovery; /* NULL: DNS-SD is not browsed */
    struct services *services;
    struct upnp_scan *upnp;
    struct http_fetcher *fetcher; /* made for the first description */
    struct rate complaints;
};

/* What is configured, or possible, of the two begins; -1: one of them does not, and err says why. */
int scan_listen_start(struct scan_listen *listen, struct loop *loop, struct hosts *hosts,
                      struct agent_discovery *discovery, const struct agent_config *config,
                      struct error *err);
/* Before the table of hosts goes. */
void scan_listen_stop(struct scan_listen *listen);

/* Messages and instances that were not taken, of both. */
uint64_t scan_listen_rejected(const struct scan_listen *listen);

#endif
