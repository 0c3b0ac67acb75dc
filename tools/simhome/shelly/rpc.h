/* SPDX-License-Identifier: BSD-3-Clause */
/* The RPC methods of a device: one table, a function each. Results are cJSON values that the caller frees. */
#ifndef TOOLS_SIMHOME_SHELLY_RPC_H
#define TOOLS_SIMHOME_SHELLY_RPC_H

#include <cjson/cJSON.h>

struct shelly;

/* The codes that the devices' documentation names. */
enum {
    RPC_INVALID_ARGUMENT = -103,
    RPC_NOT_FOUND = -105,
    RPC_FAILED_PRECONDITION = -109,
    RPC_UNAVAILABLE = -114,
    RPC_NO_HANDLER = 404,
};

struct rpc_error {
    int code; /* 0: no error */
    char message[160];
};

/* The result (maybe a JSON null), or NULL and *ret_error. params may be NULL. */
cJSON *rpc_call(struct shelly *device, const char *method, const cJSON *params, struct rpc_error *ret_error);
/* Every component's status: the result of Shelly.GetStatus and the content of NotifyFullStatus. */
cJSON *rpc_status(const struct shelly *device);
cJSON *rpc_sys_status(const struct shelly *device);
/* Of a device on a battery. */
cJSON *rpc_power_status(const struct shelly *device);

#endif
