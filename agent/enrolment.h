/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The authority of the home's devices as a part of the agent: where its files are, who may be called what, and what follows
 * when a certificate is revoked. Embedded in the agent; does nothing unless lan_enrol_listen is set.
 */
#ifndef AGENT_ENROLMENT_H
#define AGENT_ENROLMENT_H

#include "agent/agent_config.h"
#include "agent/broker_reload.h"
#include "agent/payload_security.h"
#include "datamodel/device/model.h"
#include "devices/authority/authority.h"
#include "transports/http_server.h"

struct enrolment {
    struct model *model;
    const struct agent_config *config;
    const char *lan_endpoint_id; /* the gateway's towards devices */
    struct authority *authority;
    struct http_server *server;
    struct observer observer;
    struct broker_reload broker;
};

/* Whether the files that the configuration names can be used. */
int enrolment_check(const struct agent_config *config, struct error *err);
/* Key, register and rows, before the home is made. *enrolment is zeroed or as the last call left it. */
int enrolment_open(struct enrolment *enrolment, struct model *model, const struct agent_config *config,
                   struct hook_runner *hooks, struct payload_security *security, const char *lan_endpoint_id,
                   struct error *err);
/* Devices may enrol from now on. tls: the gateway's certificate towards devices. */
int enrolment_listen(struct enrolment *enrolment, struct websocket_context *websockets, const char *address,
                     uint16_t port, const struct tls_settings *tls, struct error *err);
/* Reads the file of manufacturers again. -1: it stays as it was. */
int enrolment_reload(struct enrolment *enrolment, struct error *err);
/* The server first, while there is a loop; then the rest, when the home is gone. */
void enrolment_close(struct enrolment *enrolment);
void enrolment_done(struct enrolment *enrolment, bool forget);

#endif
