/* SPDX-License-Identifier: BSD-3-Clause */
/* What the agent is towards the home, as homepatchd.conf(5) names it: devices, images for them, enrolment, and the scan. */
#ifndef AGENT_LAN_H
#define AGENT_LAN_H

#include "agent/agent.h"

/* The rows that the last life knew come back: that is no news, so nobody listens yet. */
int agent_lan_restore(struct agent *agent, struct error *err);
/* Jobs of the last life go on, and devices are listened to. */
int agent_lan_open(struct agent *agent, struct error *err);

#endif
