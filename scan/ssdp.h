/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SSDP: which UPnP devices are on the LAN, and what their descriptions say. Takes datagrams and time, gives searches and
 * fetches to its owner's ops; the sockets are scan/ssdp_link.h's. Nothing here is authenticated: a description is believed
 * to be what the host at the sender's address says of itself, and nothing is fetched from any other address.
 *
 * All of a host's doings cost that host: its messages are counted, it has few descriptions, one fetch at a time, and a pause
 * between them. Loop's thread only.
 */
#ifndef SCAN_SSDP_H
#define SCAN_SSDP_H

#include "base/limits.h"
#include "base/timer.h"
#include "scan/ssdp_message.h"
#include "scan/upnp_description.h"

enum {
    SSDP_BURST = 100,          /* messages of one sender at once: a device of many services says 50 */
    SSDP_INTERVAL_MS = 1000,   /* one per so long beyond that */
    SSDP_FETCH_S = 10,         /* one may take this long, however it dribbles */
    SSDP_FETCH_PAUSE_S = 10,   /* between two of one sender */
    SSDP_REFRESH_S = 6 * 3600, /* a description that is known is read anew */
    SSDP_RETRY_FIRST_S = 60,   /* one that failed; doubled up to SSDP_REFRESH_S */
};

/* Where something was heard. */
struct ssdp_seen {
    const struct sockaddr *address;
    const char *interface;
    const char *url; /* of the description; NULL: none is known */
    bool primary;    /* the first of its sender's: what the host itself is, not what else runs there */
};

struct ssdp_counts {
    uint64_t messages; /* that came, of whatever kind */
    uint64_t refused;  /* malformed, or with the LOCATION of another */
    uint64_t limited;  /* above what one sender, or all, may say */
    uint64_t fetched;  /* descriptions that were read and taken */
    uint64_t failed;   /* fetches that failed, and descriptions that were refused */
};

struct ssdp_fetch;
struct ssdp_ops {
    /* Gets the URL: no redirects, at most LIMIT_UPNP_BYTES. ssdp_fetched() follows, later, unless it is cancelled.
     * NULL: not now, and err. */
    void *(*fetch)(void *ctx, const char *url, struct ssdp_fetch *token, struct error *err);
    void (*cancel)(void *ctx, void *fetch);
    void (*described)(void *ctx, const struct ssdp_seen *seen, const struct upnp_device *device);
    void (*refused)(void *ctx, const struct ssdp_seen *seen, const struct error *err);
};

struct ssdp;
struct ssdp *ssdp_new(struct timers *timers, const struct ssdp_ops *ops, void *ctx, struct error *err);
/* Cancels the fetches; nothing more is told. */
void ssdp_free(struct ssdp *ssdp);

/* A datagram of a host of this link, IPv4 or IPv6. The caller knows that it is not the gateway itself. */
void ssdp_input(struct ssdp *ssdp, const struct sockaddr *from, const char *interface, struct str datagram);
/* How a fetch ended; text NULL: err says why not. */
void ssdp_fetched(struct ssdp_fetch *token, const struct str *text, const struct error *err);

const struct ssdp_counts *ssdp_counts(const struct ssdp *ssdp);
/* Hosts that are known. */
size_t ssdp_senders(const struct ssdp *ssdp);

/* What goes to the group of a link: "239.255.255.250:1900" or "[FF02::C]:1900" stands in HOST. Returns its length. */
size_t ssdp_search_text(int family, char to[256]);

#endif
