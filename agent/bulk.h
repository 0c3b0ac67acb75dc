/* SPDX-License-Identifier: BSD-3-Clause */
/* Joins bulk data collection to HTTP, to the MQTT clients and to access control. Embedded in the agent. */
#ifndef AGENT_BULK_H
#define AGENT_BULK_H

#include "bulk/profile.h"
#include "datamodel/device/model.h"
#include "transports/http_fetch.h"

struct agent_bulk {
    struct usp *usp;
    struct http_fetcher *fetcher;
    struct bulk *bulk;
};

/* Profiles begin to run. -1: agent_bulk_done() is due in any case. */
int agent_bulk_start(struct agent_bulk *bulk, struct model *model, const struct tls_settings *tls,
                     struct error *err);
/* Before dm_free(), once nothing waits to be applied. */
void agent_bulk_done(struct agent_bulk *bulk, struct model *model);

#endif
