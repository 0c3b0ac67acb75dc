/* SPDX-License-Identifier: BSD-3-Clause */
/* The resident's page as a part of the agent: its settings, and the line in the log that says where it is. */
#ifndef AGENT_WEB_H
#define AGENT_WEB_H

#include "agent/agent.h"

/* Opens agent->web. address: "" for all. */
int agent_web_open(struct agent *agent, const char *address, uint16_t port, struct error *err);

#endif
