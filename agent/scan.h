/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scan: the table of hosts and its sources, as homepatchd.conf(5) names them. Off without scan_interfaces: the table is there
 * and empty then. Embedded in the agent; loop's thread only.
 */
#ifndef AGENT_SCAN_H
#define AGENT_SCAN_H

#include "agent/agent_config.h"
#include "agent/scan_listen.h"
#include "base/limits.h"
#include "datamodel/device/hosts.h"
#include "scan/dhcp_hook.h"
#include "scan/hosts.h"
#include "scan/leases.h"
#include "scan/neighbours.h"
#include "scan/oui.h"

struct agent_scan {
    const struct agent_config *config;
    struct loop *loop;
    struct hosts *hosts;
    struct model *model; /* NULL: the rows are not there (any more) */
    struct model_scan shown;
    struct oui *oui;
    struct neighbours *neighbours;
    struct leases *leases[LIMIT_LEASE_FILES];
    size_t leases_count;
    struct dhcp_hook *hook;
    struct scan_listen listen;
};

/* Hosts that the last life knew come back, with their rows. After model_proxied_start(). */
int agent_scan_restore(struct agent_scan *scan, struct model *model, struct store *store,
                       const struct agent_config *config, struct error *err);
/* From here on the LAN is looked at. A source that is not there is logged and left out. After agent_discovery_start(), whose
 * multicast DNS it uses. */
void agent_scan_start(struct agent_scan *scan, struct agent_discovery *discovery);
/* Rows and sources go; before the home's registry and the data model do. */
void agent_scan_stop(struct agent_scan *scan);

#endif
