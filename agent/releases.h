/* SPDX-License-Identifier: BSD-3-Clause */
/* Trust anchors of releases from files: read at start and with SIGHUP. Loop's thread only. */
#ifndef AGENT_RELEASES_H
#define AGENT_RELEASES_H

#include "agent/agent.h"

/* Once the firmware manager is there. -1: a file is wrong, and all stays as it was. */
int agent_releases_load(struct agent *agent, struct error *err);
void agent_releases_done(struct agent *agent);
/* The gateway is a device too: its maker, model and hardware, as releases name them. */
void agent_releases_identify(struct agent *agent);

#endif
