/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In the place of Avahi's client library: a daemon that is there or not as a test says, and writes down what it is told. The
 * poll, the string lists and the addresses are Avahi's own. Its functions are called on the thread of discovery/mdns.h; a
 * test uses those below, which lock.
 */
#ifndef TESTS_UNIT_FAKE_AVAHI_H
#define TESTS_UNIT_FAKE_AVAHI_H

#include <stdbool.h>

void fake_avahi_reset(void);
/* Whether a bus is there, and a daemon on it. What changes while a client is connected is told it at once. */
void fake_avahi_set(bool bus, bool daemon);
/* The next commit collides. */
void fake_avahi_collide(void);
/* What the address of this name is; NULL: nobody answers. It is given for this protocol only: 4 or 6. */
void fake_avahi_name(const char *name, const char *address, int protocol);
/*
 * Services of the LAN: each instance is at this address (of a test's choice; "": nobody answers for it) with one string of TXT.
 * Browsers of its type that there are, or come, are told at once on interface 1, by IPv4. local: it is the gateway's own. What
 * is there already is changed.
 */
void fake_avahi_service(const char *type, const char *name, const char *address, const char *txt, bool local);
void fake_avahi_gone(const char *type, const char *name);
/* The interface has no name any more, as once it was removed. */
void fake_avahi_interface_gone(void);
/* Resolvers under way now, and the most there were at a time. */
unsigned fake_avahi_resolving(unsigned *ret_most);
/* Whether the log holds this text; forgets it up to there. */
bool fake_avahi_saw(const char *text);
/* The log, for a message. */
const char *fake_avahi_log(void);

/* For fake_avahi_browse.c: what a client waits with. */
struct AvahiClient;
struct AvahiPoll;
const struct AvahiPoll *fake_avahi_poll(struct AvahiClient *client);
void fake_avahi_browse_reset(void);

#endif
