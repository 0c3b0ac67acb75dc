/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names to addresses, without blocking the loop. Names that end in ".local" go to whoever speaks multicast DNS, when the loop
 * has somebody (R-DIS.5); all others, and those without one, to the system on a worker (R-DIS.6). Loop's thread only.
 */
#ifndef BASE_RESOLVE_H
#define BASE_RESOLVE_H

#include <netdb.h>

#include "base/loop.h"

/* Who resolves ".local" names. Set in struct loop by the wiring. */
struct local_names {
    /* `done` is called once, later, unless cancelled: with a numeric address, or NULL and err. NULL: err says why. */
    void *(*start)(void *ctx, const char *host,
                   void (*done)(void *done_ctx, const char *address, const struct error *err), void *done_ctx,
                   struct error *err);
    void (*cancel)(void *ctx, void *lookup);
    void *ctx;
};

struct resolve;
/* The result, for freeaddrinfo(); or NULL and err, which says "cannot resolve the name". Streams only. */
typedef void resolve_fn(void *ctx, struct addrinfo *addresses, const struct error *err);

/* `done` is called once, never from within this function. NULL: it cannot even begin. */
struct resolve *resolve_start(struct loop *loop, const char *host, resolve_fn *done, void *ctx,
                              struct error *err);
/* `done` will not be called any more. */
void resolve_cancel(struct resolve *resolve);

/* Whether the name is one of multicast DNS: it ends with ".local", with or without a final dot. */
bool resolve_is_local(const char *host);

#endif
