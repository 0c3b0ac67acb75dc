/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast DNS through the machine's Avahi daemon: advertises services (R-DIS.3, R-DIS.8), resolves ".local" names
 * (R-DIS.5), and browses what the LAN's hosts advertise. The daemon owns the socket, answers queries, and forgets what was
 * advertised when its client goes away.
 *
 * Avahi's library waits for the daemon in most of its calls, so it lives on a thread of its own; the two sides pass
 * messages. Without a bus or a daemon nothing fails: `state` says so, and what is advertised or browsed then begins when the
 * daemon appears. Loop's thread only; the callbacks too.
 */
#ifndef DISCOVERY_MDNS_H
#define DISCOVERY_MDNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct mdns;
struct mdns_lookup;

struct mdns_service {
    const char *instance; /* R-DIS.8: the Endpoint ID */
    const char *type;     /* "_usp-agt-ws._tcp" */
    const char *subtype;  /* "_gateway"; NULL: none */
    const char *host;     /* of the server; NULL: this machine */
    const char *
        address; /* numeric, when the server has no name: one in ".local" is made from host_label; else NULL */
    const char *host_label;
    uint16_t port;
    const char *const *txt; /* "path=/usp", up to 255 bytes each; ended by NULL */
};

/* An instance of a service that a host advertises (RFC 6763). Anybody on the LAN can say so: all of it is hostile. */
struct mdns_instance {
    const char *interface; /* on which it was heard: "br-lan" */
    const char *type;      /* "_shelly._tcp" */
    const char *name;      /* of the instance */
    const char *host;      /* "shelly.local"; NULL when it is withdrawn, as those below */
    const char *address;   /* numeric; link-local IPv6 with its zone */
    uint16_t port;
    const char *const
        *txt; /* "key=value", ended by NULL: LIMIT_MDNS_TXT at most, LIMIT_MDNS_TXT_BYTES in all */
};

struct mdns_ops {
    /* The daemon came or went; why: in the latter case, for people. The first call comes soon after mdns_new(). */
    void (*state)(void *ctx, bool present, const char *why);
    /* What is to be advertised is not: a name is taken by another on the LAN, or the daemon does not want it. */
    void (*refused)(void *ctx, const struct error *err);
    /* An instance was found, has changed, or (present false) was withdrawn. When the daemon goes nothing is withdrawn: what
     * was found is told again when it comes back, and what is not told then was not there. May be NULL without mdns_browse(). */
    void (*instance)(void *ctx, const struct mdns_instance *instance, bool present);
};

struct mdns *mdns_new(struct loop *loop, const struct mdns_ops *ops, void *ctx, struct error *err);
/* Withdraws what is advertised, and waits for the daemon to know. Lookups end without a word. */
void mdns_free(struct mdns *mdns);

/* Exactly these from now on; at most LIMIT_MDNS_SERVICES. -1: as before. */
int mdns_advertise(struct mdns *mdns, const struct mdns_service *services, size_t count, struct error *err);

/* `done` is called once, later, unless cancelled: with a numeric address, or NULL and err. NULL: err says why. */
struct mdns_lookup *mdns_resolve(struct mdns *mdns, const char *host,
                                 void (*done)(void *ctx, const char *address, const struct error *err),
                                 void *ctx, struct error *err);
void mdns_resolve_cancel(struct mdns *mdns, struct mdns_lookup *lookup);

/*
 * Looks for services from now on, on these interfaces (NULL-ended; NULL: on all of Avahi's). `types` (NULL-ended) are looked
 * for by name and have places of their own, so that a flood of other types costs them nothing; up to LIMIT_MDNS_TYPES others
 * are found by enumeration (RFC 6763, 9). Once per mdns_new(). -1: no memory.
 */
int mdns_browse(struct mdns *mdns, const char *const *interfaces, const char *const *types,
                struct error *err);

/* Whether this build has it. */
extern const bool mdns_available;

#endif
