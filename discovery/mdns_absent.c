/* SPDX-License-Identifier: BSD-3-Clause */
/* Multicast DNS was left out of this build (--without-avahi). */
#include "discovery/mdns.h"

const bool mdns_available = false;

struct mdns *mdns_new(struct loop *loop, const struct mdns_ops *ops, void *ctx, struct error *err)
{
    (void)loop;
    (void)ops;
    (void)ctx;
    error_set(err, ERROR_INTERNAL, NULL, "this build has no multicast DNS");
    return NULL;
}

void mdns_free(struct mdns *mdns)
{
    (void)mdns;
}

int mdns_advertise(struct mdns *mdns, const struct mdns_service *services, size_t count, struct error *err)
{
    (void)mdns;
    (void)services;
    (void)count;
    return error_set(err, ERROR_INTERNAL, NULL, "this build has no multicast DNS");
}

struct mdns_lookup *mdns_resolve(struct mdns *mdns, const char *host,
                                 void (*done)(void *ctx, const char *address, const struct error *err),
                                 void *ctx, struct error *err)
{
    (void)mdns;
    (void)done;
    (void)ctx;
    error_set(err, ERROR_INTERNAL, host, "this build has no multicast DNS");
    return NULL;
}

void mdns_resolve_cancel(struct mdns *mdns, struct mdns_lookup *lookup)
{
    (void)mdns;
    (void)lookup;
}

int mdns_browse(struct mdns *mdns, const char *const *interfaces, const char *const *types, struct error *err)
{
    (void)mdns;
    (void)interfaces;
    (void)types;
    return error_set(err, ERROR_INTERNAL, NULL, "this build has no multicast DNS");
}
