/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent: all modules, made and joined in order, and taken apart in the opposite order. Owned by main. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/boot.h"
#include "agent/boot_image.h"
#include "agent/agent_config.h"
#include "agent/bulk.h"
#include "agent/consent.h"
#include "agent/contain.h"
#include "agent/discovery.h"
#include "agent/enrolment.h"
#include "agent/mtp.h"
#include "agent/payload_security.h"
#include "agent/scan.h"
#include "web/web.h"
#include "devices/home.h"
#include "firmware/firmware.h"
#include "firmware/gateway.h"

struct agent {
    struct agent_config *config;
    struct contain *contain; /* of main; NULL while a configuration is only checked */
    struct loop loop;
    struct store *store;
    struct dm *dm;
    struct model model;
    struct usp *usp;
    struct firmware *firmware;
    struct firmware_gateway *gateway;
    struct enrolment enrolment;
    struct consent *consent;
    struct home *home;
    struct websocket_context *websockets;
    struct http_server *images;
    struct web *web; /* the resident's page */
    struct mtp mtp;
    struct tls_trust *trust; /* of the certificates that controllers added */
    struct agent_discovery discovery;
    struct agent_scan scan;
    struct payload_security security;
    struct agent_bulk bulk;
    struct boot boot;
    struct boot_image boot_image;
    uv_signal_t signals[3];
    struct timer grace;
    char *lan_endpoint_id; /* as a controller of devices */
    char *serve_url;
    bool signals_open;
    bool restart;       /* start anew after the loop ended */
    bool factory_reset; /* and forget everything before */
    bool failed;        /* the start failed after agent_start() returned */
};

/* Makes everything and begins to work. -1: err says what is missing; agent_done() is due in any case. */
int agent_start(struct agent *agent, struct agent_config *config, struct contain *walls, struct error *err);
/* Whether the files say something that an agent can be started with: the data model in memory, nothing opened or stored.
 * -1: err names the file and the line. */
int agent_check(struct agent_config *config, struct error *err);
/* Until a signal or a restart. */
void agent_run(struct agent *agent);
void agent_done(struct agent *agent);

#endif
