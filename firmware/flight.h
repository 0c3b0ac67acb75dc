/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to fetch.c and flight.c: one fetch on its way, from its turn to the answer. Owned by the list in struct fetches.
 */
#ifndef FIRMWARE_FLIGHT_H
#define FIRMWARE_FLIGHT_H

#include "firmware/fetch.h"

struct fetch_check;

/* One image on its way, for all its wants. */
struct flight {
    struct flight *next;
    struct fetches *fetches;
    struct fetch_want *wants;
    char key[CACHE_PART_KEY_BYTES];
    char *url;
    char *username;
    char *password;
    uint64_t size_hint;
    struct verify_checksum checksum;
    enum fetch_state state;
    bool ending; /* its wants are being told */
    unsigned percent;
    uint32_t tries; /* that failed */
    struct timer retry;
    /* While it is on the wire. */
    void *fetch;
    int fd;
    struct cache_part *part;
    uint64_t total;               /* whole size, 0 when not known */
    uint64_t reserved;            /* of it, not yet on disk */
    struct firmware_image *probe; /* pinned: asked whether the server still has this one */
    bool unchanged;               /* it has */
    bool head_seen;
    bool resumed;     /* the part has bytes of an earlier response */
    bool restarted;   /* begun again from zero once, because what was there did not fit */
    bool restart;     /* do so now */
    struct error err; /* why head() or body() aborted */
    /* While a worker looks at the file. */
    struct fetch_check *check;
    struct firmware_image *checked; /* pinned: it is this one of the cache; NULL: it is the part */
};

struct fetches {
    struct loop *loop;
    struct cache *cache;
    struct fetch_source source;
    struct tls_settings tls;
    uint32_t parallel;
    uint32_t retries;
    uint32_t retry_wait_s;
    struct flight *first;
    struct deferred pump;
};

/* Its turn has come: looks into the cache, asks the server. Ends in flight_free(). */
void flight_begin(struct flight *flight);
/* The time before the next try is over: queues again. */
void flight_retry(struct timer *timer, void *ctx);
/* Ends it without telling anybody. */
void flight_free(struct flight *flight, bool drop_part);

#endif
