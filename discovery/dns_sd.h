/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the controller behind a name is (R-DIS.7, R-DIS.8, R-DIS.11, R-DIS.11a): PTR, SRV and TXT over unicast DNS. The C
 * library asks, because it knows the gateway's servers (resolv.conf, also a changed one) and repeats over TCP; it blocks,
 * so it does that on a worker. Its answers are read by discovery/dns_message.h.
 */
#ifndef DISCOVERY_DNS_SD_H
#define DISCOVERY_DNS_SD_H

#include "base/loop.h"
#include "discovery/dhcp.h"

enum dns_sd_verdict {
    DNS_SD_FOUND,
    DNS_SD_NONE,   /* the name has no such service: an answer, too */
    DNS_SD_FAILED, /* nobody answers, or not properly: later perhaps */
};

struct dns_sd_result {
    enum dns_sd_verdict verdict;
    char endpoint_id[DHCP_ENDPOINT_ID_BYTES];
    struct controller_address address; /* host, port, path; tls: "encrypt" is there */
    struct error why;                  /* when it was not found */
};

/*
 * One query that may block: the answer goes to *message (DNS_MESSAGE_BYTES). Returns its length, 0 when the name or the
 * type is not there, -1 when nobody says. The C library's is dns_query().
 */
typedef int dns_query_fn(void *ctx, const char *name, int type, uint8_t *message);
dns_query_fn dns_query;

/* All of it, on this thread. endpoint_id: the one that is looked for, or "" for the first. */
void dns_sd_find(const char *host, const char *endpoint_id, dns_query_fn *query, void *ctx, uint8_t *message,
                 struct dns_sd_result *ret);

/* The same on a worker. `done` is called once, unless it is cancelled before; NULL: no memory. */
struct dns_sd;
struct dns_sd *dns_sd_start(struct loop *loop, const char *host, const char *endpoint_id, dns_query_fn *query,
                            void (*done)(void *ctx, const struct dns_sd_result *result), void *ctx);
void dns_sd_cancel(struct dns_sd *lookup);

#endif
