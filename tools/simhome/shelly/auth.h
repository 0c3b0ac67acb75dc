/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The password of a device's own server: RFC 7616 digest inside RPC frames, as the maker's documentation of authentication
 * over WebSocket has it. Written from that, not from our dialect.
 */
#ifndef TOOLS_SIMHOME_SHELLY_AUTH_H
#define TOOLS_SIMHOME_SHELLY_AUTH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct shelly;
struct rpc_error;

enum {
    AUTH_NONCES = 4,
};

struct shelly_auth {
    char password[65]; /* "": none */
    struct {
        uint32_t nonce; /* 0: free */
        uint32_t used;  /* the highest nc */
    } nonces[AUTH_NONCES];
    unsigned turn;
    unsigned failures; /* in a row */
    uint64_t locked;   /* monotonic ms: nobody is let in until then */
    unsigned challenges, taken, refused;
};

/* False: *ret_error is the answer. */
bool auth_admits(struct shelly *device, const cJSON *request, const char *method,
                 struct rpc_error *ret_error);
/* "password" ("-": none any more), "nonces" (forgets those given out), "lock" (as after too many failures). -1: no such thing. */
int auth_set(struct shelly_auth *auth, const char *name, const char *value);
void auth_describe(const struct shelly_auth *auth, cJSON *json);

#endif
