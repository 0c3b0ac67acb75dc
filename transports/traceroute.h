/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the route to a host: UDP probes with a growing number of hops, and what routers say of them (Linux hands ICMP
 * errors to the socket that caused them, so no privilege is needed). One probe at a time: the next one leaves when the last
 * was answered or its time is over.
 *
 * Owned by the caller until `done` is called or traceroute_cancel() returns; loop's thread only. Settings are copied.
 */
#ifndef TRANSPORTS_TRACEROUTE_H
#define TRANSPORTS_TRACEROUTE_H

#include <netinet/in.h>

#include "base/loop.h"

enum {
    TRACEROUTE_HOPS_MAX = 64, /* of Device.IP.Diagnostics.TraceRoute() */
    TRACEROUTE_TRIES_MAX = 3,
    TRACEROUTE_NAME_BYTES = 257,
};

enum traceroute_family {
    TRACEROUTE_ANY,
    TRACEROUTE_IPV4,
    TRACEROUTE_IPV6,
};

struct traceroute_settings {
    const char *host;
    enum traceroute_family family;
    uint32_t tries;      /* of each hop */
    uint32_t timeout_ms; /* of each try */
    uint32_t size;       /* data bytes of a probe */
    uint8_t dscp;
    uint32_t max_hops;
};

enum traceroute_status {
    TRACEROUTE_COMPLETE,
    TRACEROUTE_CANNOT_RESOLVE,
    TRACEROUTE_NO_ROUTE,
    TRACEROUTE_TOO_FAR, /* more than max_hops */
    TRACEROUTE_FAILED,
};

struct traceroute_hop {
    char address[INET6_ADDRSTRLEN];   /* "" when nobody answered */
    char name[TRACEROUTE_NAME_BYTES]; /* of the address; "" when it has none */
    uint8_t code;                     /* ICMP code of the last answer */
    uint32_t times_ms[TRACEROUTE_TRIES_MAX];
};

struct traceroute_result {
    enum traceroute_status status;
    const char *source; /* own address; "" when unknown */
    const struct traceroute_hop *hops;
    size_t hops_count;
    uint32_t response_ms;    /* of the host itself; 0 when it was not reached */
    const struct error *err; /* why it failed, for people; NULL when it did not */
};

struct traceroute;

/* `done` is called once, never from inside this. The result lives during the call. */
struct traceroute *traceroute_start(struct loop *loop, const struct traceroute_settings *settings,
                                    void (*done)(void *ctx, const struct traceroute_result *result),
                                    void *ctx, struct error *err);
/* Ends it without `done`. */
void traceroute_cancel(struct traceroute *traceroute);

#endif
