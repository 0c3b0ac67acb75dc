/* SPDX-License-Identifier: BSD-3-Clause */
/* Data of Device.LocalAgent.: the Endpoint ID is a parameter, the rest is set by the wiring at start (borrowed). */
#ifndef DATAMODEL_DEVICE_LOCAL_AGENT_H
#define DATAMODEL_DEVICE_LOCAL_AGENT_H

#include <stdint.h>

struct local_agent {
    char *endpoint_id;
    const char *software_version;
    char protocols[32]; /* "MQTT,WebSocket,UDS", as this build has them */
    int64_t started;    /* monotonic s */
};

#endif
