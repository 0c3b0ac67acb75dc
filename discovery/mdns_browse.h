/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The browsing of discovery/mdns.h, on the thread's side: which types of services there are on each link, which instances of
 * each type, and where each instance is. An instance is resolved when it comes and again every MDNS_REFRESH_S, for a device
 * that has a new version says so there and nowhere else.
 *
 * Types take turns in being resolved, so a flood of one type makes the others wait for one place at most.
 */
#ifndef DISCOVERY_MDNS_BROWSE_H
#define DISCOVERY_MDNS_BROWSE_H

#include <avahi-client/client.h>

#include "discovery/mdns_internal.h"

enum {
    MDNS_REFRESH_S = 600,
    MDNS_AGAIN_S = 60,    /* an instance that nobody answered for */
    MDNS_TICK_S = 30,     /* how often interfaces are looked at, and what is due */
    MDNS_UNREAD_MS = 100, /* the wait for a loop that is behind */
};

struct mdns_browse;

/* NULL: no memory. */
struct mdns_browse *mdns_browse_new(struct mdns_channel *channel, const AvahiPoll *api);
void mdns_browse_free(struct mdns_browse *browse);

/* What to look for: an MDNS_BROWSE, which is taken over. */
void mdns_browse_want(struct mdns_browse *browse, struct mdns_message *wanted);
/* The daemon is there. */
void mdns_browse_begin(struct mdns_browse *browse, AvahiClient *client);
/* It is not, or its client is about to be freed: all that was made of it goes. */
void mdns_browse_end(struct mdns_browse *browse);

#endif
