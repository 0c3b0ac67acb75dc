/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Discovery and advertisement (R-DIS.*): what DHCP and DNS say of a controller becomes a row of Controller., and the MTP rows
 * that are Up and want it are advertised by multicast DNS. Embedded in the agent; loop's thread only.
 */
#ifndef AGENT_DISCOVERY_H
#define AGENT_DISCOVERY_H

#include "agent/discovery_controller.h"
#include "agent/mtp.h"
#include "base/resolve.h"
#include "discovery/dns_sd.h"
#include "discovery/lease.h"
#include "discovery/mdns.h"

struct agent_discovery {
    struct model *model; /* NULL: not started */
    struct mtp *mtp;
    const struct agent_config *config;

    /* DHCP and DNS */
    struct lease_watch *leases;
    struct dns_sd *lookup;     /* under way, or NULL */
    struct dhcp_answer answer; /* that is looked into, or was */
    struct timer retry;        /* of a lookup that failed */
    uint32_t retries;
    bool heard; /* an answer, since the start */

    /* Multicast DNS */
    struct mdns *mdns;
    struct local_names names;
    struct observer feed;
    struct deferred advertise;
    struct buf advertised; /* as text: what the daemon was told last */
    /* Who browses: set before mdns_browse(); NULL: nobody. */
    void (*instance)(void *ctx, const struct mdns_instance *instance, bool present);
    void (*heard_daemon)(void *ctx, bool present); /* the daemon came or went */
    void *instance_ctx;
};

/* Before mtp_start(), whose connections may want ".local" names. What is missing is logged and left out: the agent goes on
 * without it. */
void agent_discovery_start(struct agent_discovery *discovery, struct model *model, struct mtp *mtp,
                           const struct agent_config *config);
/* Withdraws what is advertised, and stops listening. */
void agent_discovery_stop(struct agent_discovery *discovery);

/* discovery_advertise.c */
void discovery_advertise_start(struct agent_discovery *discovery);
void discovery_advertise_stop(struct agent_discovery *discovery);

#endif
