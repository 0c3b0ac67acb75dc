/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the table of hosts share: hosts.c (the table), host_address.c (addresses, and whether somebody answers
 * there), host_said.c (facts and services), host_text.c (texts from the LAN), host_record.c (the store).
 */
#ifndef SCAN_HOSTS_INTERNAL_H
#define SCAN_HOSTS_INTERNAL_H

#include <stdlib.h>

#include "scan/hosts.h"

struct host_queue {
    struct host_address *first, *last;
};

struct hosts {
    struct store *store;
    struct timers *timers;
    const struct limits *limits;
    uint64_t presence_ms;
    struct map by_mac;   /* mac -> host */
    struct map by_ip;    /* struct host_ip -> host_address */
    struct host **table; /* in order of instance */
    uint32_t count, cap;
    uint32_t next_instance;
    struct host *waiting_first, *waiting_last; /* without a MAC, oldest first */
    uint32_t waiting_count;
    struct rate added;
    struct host_queue quiet; /* seen, and not tracked: the longest ago first */
    struct host_queue asked; /* an answer is waited for: the longest first */
    struct timer due;        /* of the first in either queue */
    hosts_check_fn *check;
    void *check_ctx;
    struct observers observers;
    struct hosts_stats stats;
};

static inline struct str host_ip_key(const struct host_ip *ip)
{
    return (struct str){(const char *)ip, sizeof(*ip)};
}

static inline uint64_t hosts_now(const struct hosts *hosts)
{
    return clock_monotonic(hosts->timers->clock);
}

/* An array of pointers with room for one more than count; NULL: no memory, and the array is as it was. */
static inline void *host_room(void *array, uint32_t count)
{
    return count & (count - 1) ? array : realloc(array, (count ? 2 * (size_t)count : 1) * sizeof(void *));
}

/* hosts.c: tells what changed, stores it where that is due, and lets go of what ended. */
void host_announce(struct host *host);

/* host_address.c */
void host_due(struct timer *timer, void *hosts);
/* The address of this host, made when there was none; taken from its owner, whose mark is set. NULL: no memory or room. */
struct host_address *host_address_claim(struct host *host, const struct host_ip *ip);
void host_address_presence(struct host_address *address, enum host_source source,
                           enum host_presence presence);
void host_address_lease(struct host_address *address, enum host_lease lease, int64_t expires);
/* After the addresses of a host changed: whether it is active, and which addresses are of the past. */
void host_addresses_settle(struct host *host);
/* Lets go of those that ended (all: of each). */
void host_addresses_sweep(struct host *host, bool all);

/* host_said.c */
void host_say(struct host *host, enum host_source source, const struct host_said *said);
void host_serve(struct host *host, enum host_source source, const struct host_service_said *said);
/* Moves what was said of one that waited to the host that it turned out to be. */
void host_said_move(struct host *from, struct host *to);
void host_said_sweep(struct host *host, bool all);
/* From the store. -1: no memory. */
int host_said_restore(struct host *host, enum host_source source, enum host_fact fact, char *text,
                      int64_t time);

/* host_text.c: whether a text from the LAN may be kept: 1 to max bytes of UTF-8 without control characters. */
bool host_text_valid(const char *text, size_t max);
/* The list in TR-106's form, malloc'ed, or NULL: it is malformed, too long, or there is no memory. */
char *host_text_list(const char *const *items);

/* host_record.c */
void host_record_write(const struct host *host, struct buf *record);
/* Fills a host that is zero but for its MAC. -1: the record cannot be used. */
int host_record_read(struct host *host, struct str record);

#endif
