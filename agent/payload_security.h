/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payload security of session contexts (usp/security.h) by the TLS of transports/, with the agent's certificate and the
 * trust of Device.LocalAgent.Certificate.; and when the clock can be believed. Embedded in the agent; loop's thread only.
 */
#ifndef AGENT_PAYLOAD_SECURITY_H
#define AGENT_PAYLOAD_SECURITY_H

#include "agent/agent_config.h"
#include "datamodel/device/model.h"
#include "transports/tls_engine.h"

struct payload_security {
    struct model *model;
    struct tls_identity *identity; /* NULL: no certificate, no payload security */
    struct loop *loop;
    const char *time_file;
};

/* Gives it to the model's usp. Without a certificate sessions stay without TLS, which is logged if one was configured. */
void payload_security_init(struct payload_security *security, struct model *model,
                           const struct agent_config *config);
/* Whether the clock is right, as far as can be told; ctx is the payload_security. A tls_dated_fn. */
bool payload_security_dated(void *ctx);
void payload_security_done(struct payload_security *security);

#endif
