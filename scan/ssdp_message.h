/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader of SSDP messages (UPnP Device Architecture 2.0, section 1): NOTIFY, the answer to M-SEARCH, and the URL in
 * LOCATION. Whoever is on the LAN may send one, so all of it is hostile: what does not fit the grammar is refused as a whole.
 * Owns no memory.
 */
#ifndef SCAN_SSDP_MESSAGE_H
#define SCAN_SSDP_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
    SSDP_PORT = 1900,
    SSDP_MESSAGE_BYTES = 2048, /* one datagram; more than any that follows the standard */
    SSDP_UUID_BYTES = 69,      /* "uuid:" is cut off; 36 by the standard, and some devices have longer ones */
    SSDP_URL_BYTES = 256,
    SSDP_PATH_BYTES = 200,
    SSDP_MAX_AGE_FIRST = 60, /* s: what is said is brought between these */
    SSDP_MAX_AGE_LAST = 86400,
    SSDP_MAX_AGE = 1800, /* when nothing is said */
};

enum ssdp_kind {
    SSDP_ALIVE,  /* NOTIFY ssdp:alive, or an answer to M-SEARCH: they say the same */
    SSDP_UPDATE, /* its BOOTID changes; the description may have, too */
    SSDP_BYEBYE,
    SSDP_SEARCH, /* another control point asks: nothing for us */
};

struct ssdp_message {
    enum ssdp_kind kind;
    struct str location; /* of SSDP_ALIVE and SSDP_UPDATE; borrowed from the datagram, as those below */
    struct str uuid;     /* of the USN, without what follows "::" */
    uint32_t max_age;    /* s */
    uint32_t boot_id;    /* of SSDP_UPDATE the next one; 0: not said */
};

/* -1: not such a message. */
int ssdp_parse(struct str datagram, struct ssdp_message *ret, struct error *err);

/* Where a description is: an address, never a name, and never more than the sender itself. */
struct ssdp_location {
    char url[SSDP_URL_BYTES]; /* as it is fetched: written anew, with the zone of a link-local address */
    uint16_t port;
};

/*
 * The URL of LOCATION, when its host is the sender: http only, a literal address equal to from's, a port, no user, and a path
 * in printable ASCII. -1 for anything else.
 */
int ssdp_location(struct str text, const struct sockaddr *from, struct ssdp_location *ret, struct error *err);

#endif
