/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/reload.h"

#include "agent/releases.h"
#include "base/log.h"

static void tell_limit(void *ctx, const struct limit *limit, uint32_t value)
{
    char text[LIMIT_TEXT_BYTES];

    (void)ctx;
    limits_text(limit, value, text);
    log_info("%s is %s %s", limit->key, text,
             limit->when == LIMIT_AT_ONCE ? "now" : "from the next start on");
}

/* Of the configuration itself, limits alone may change: what counts at once has to fit to what needs a restart. Of hooks it
 * is told which would be others. */
static int reload_configuration(struct agent *agent, struct error *err)
{
    struct limits together = agent->config->limits;
    struct agent_config next;
    int rc = agent_config_read(&next, agent->config->file, err);

    if (rc == 0) {
        contain_hooks_compare(agent->contain, &next);
        limits_follow(&together, &next.limits, NULL, NULL);
        rc = limits_check(&together, agent->config->file, err);
    }
    if (rc == 0)
        limits_follow(&agent->config->limits, &next.limits, tell_limit, NULL);
    agent_config_done(&next);
    return rc;
}

void agent_reload(struct agent *agent)
{
    struct error err;

    if (reload_configuration(agent, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the limits stay as they were", &err);
    if (firmware_reload(agent->firmware, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the list of withdrawn images stays as it was", &err);
    if (agent->home && home_reload(agent->home, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the passwords of devices stay as they were", &err);
    if (enrolment_reload(&agent->enrolment, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the manufacturers of devices stay as they were", &err);
    if (agent_releases_load(agent, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the trust anchors of releases stay as they were", &err);
}
