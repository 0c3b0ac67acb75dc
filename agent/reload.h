/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGHUP: files that may change while the agent runs are read again; one that is wrong leaves all as it was, and is logged. */
#ifndef AGENT_RELOAD_H
#define AGENT_RELOAD_H

#include "agent/agent.h"

void agent_reload(struct agent *agent);

#endif
