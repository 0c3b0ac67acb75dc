/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/web.h"

#include "base/log.h"
#include "config.h"

int agent_web_open(struct agent *agent, const char *address, uint16_t port, struct error *err)
{
    const struct agent_config *config = agent->config;
    const struct web_settings settings = {
        .address = address,
        .port = port,
        .names = config->resident_names,
        .certificate_file = config->resident_tls_certificate_file,
        .key_file = config->resident_tls_key_file,
        .state_dir = config->state_dir,
        .version = PACKAGE_VERSION,
    };

    agent->web = web_new(&agent->loop, agent->websockets, agent->consent, &settings, err);
    if (!agent->web)
        return -1;
    log_info("the resident's page: https, %s, port %u, certificate SHA-256 %s",
             *address ? address : "all addresses", web_port(agent->web), web_fingerprint(agent->web));
    return 0;
}
