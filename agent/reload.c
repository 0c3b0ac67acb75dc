/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/reload.h"

#include "agent/releases.h"
#include "base/log.h"

void agent_reload(struct agent *agent)
{
    struct error err;

    if (firmware_reload(agent->firmware, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the list of withdrawn images stays as it was", &err);
    if (agent->home && home_reload(agent->home, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the passwords of devices stay as they were", &err);
    if (enrolment_reload(&agent->enrolment, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the manufacturers of devices stay as they were", &err);
    if (agent_releases_load(agent, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the trust anchors of releases stay as they were", &err);
}
