/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader of DNS answers (RFC 1035) for service discovery: PTR, SRV and TXT. The bytes come from whoever answered, so
 * each length is held against what is there and compression cannot loop. Owns no memory; names are copied out.
 */
#ifndef DISCOVERY_DNS_MESSAGE_H
#define DISCOVERY_DNS_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum dns_type {
    DNS_PTR = 12,
    DNS_TXT = 16,
    DNS_SRV = 33,
};

enum {
    DNS_NAME_BYTES = 255,      /* as on the wire, without compression */
    DNS_TEXT_BYTES = 1024,     /* as text, each byte as \DDD at worst */
    DNS_MESSAGE_BYTES = 65535, /* the longest there is */
};

struct dns_name {
    uint8_t wire[DNS_NAME_BYTES];
    uint8_t len; /* the root's zero included */
};

struct dns_record {
    struct dns_name owner;
    uint16_t type; /* enum dns_type or another */
    uint32_t ttl;
    struct dns_name name; /* DNS_PTR, and the target of DNS_SRV */
    uint16_t priority, weight, port;
    struct str txt; /* DNS_TXT; borrowed from the message */
};

struct dns_reader {
    struct str message;
    size_t at;
    unsigned left; /* records of the answer section */
};

/* -1: no answer, or one that says that something failed. */
int dns_open(struct str message, struct dns_reader *ret, struct error *err);
/* The next record of the answer section: 1, 0 at the end, -1 when the message is malformed. */
int dns_next(struct dns_reader *reader, struct dns_record *ret, struct error *err);

/* The n-th label, or an empty one behind the last. */
struct str dns_label(const struct dns_name *name, unsigned n);
/* In the form that a query takes ("a\.b.example.com"), with a dot at the end. */
void dns_name_text(const struct dns_name *name, char to[DNS_TEXT_BYTES]);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* The attribute of a TXT record (RFC 6763, 6.4): "" when it has no value; the first of several counts. */
bool dns_attribute(struct str txt, const char *key, struct str *ret);

#endif
