/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the authority share: authority.c has its life and the register, authority_enrol.c who is given what. */
#ifndef DEVICES_AUTHORITY_AUTHORITY_INTERNAL_H
#define DEVICES_AUTHORITY_AUTHORITY_INTERNAL_H

#include "base/map.h"
#include "devices/authority/authority.h"
#include "devices/authority/manufacturers.h"

enum {
    DAY_S = 86400,
    BACKDATE_S = 300, /* a device's clock may be behind */
};

struct authority {
    const struct clock *clock;
    struct timers *timers;
    struct store *store;
    struct authority_ops ops;
    struct ca ca;
    struct manufacturers manufacturers;
    struct tls_trust *trust[2]; /* of those who connect, and of those who enrol */
    struct codes codes;
    struct map by_serial;
    struct issued **list; /* in order of instance */
    uint32_t count;
    uint32_t next_instance;
    struct observers observers;
    struct timer tick;
    struct rate told; /* of refusals that observers hear of */
    uint32_t refusals;
    uint64_t list_number;
    uint32_t listed; /* entries of the newest list */
    uint32_t certificate_days;
    uint32_t authority_days;
    char *owner;
    char *manufacturers_file; /* NULL: there are none */
    char *key_file;
    char *certificate_file;
    char *list_file;
};

/* Into the register and durable: takes over the entry, also when it fails. Its room is made before. */
int authority_add(struct authority *authority, struct issued *issued, struct error *err);
/* Another status, from now; the list of revoked ones is the caller's to write. */
int authority_end(struct issued *issued, enum issued_status status, struct error *err);
/* An operator's code lets the device in again. */
int authority_pardon(struct issued *issued, struct error *err);
int authority_write_list(struct authority *authority, struct error *err);
/* Counted, and told seldom. */
void authority_refused(struct authority *authority, const char *peer, const char *why);

#endif
