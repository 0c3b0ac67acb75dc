/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What mosquitto reads, made from the accounts: its configuration and its access list. Each account has a section of its
 * own and there are no patterns: a pattern with %u holds for every user, so a device called like somebody's topic would
 * own it. Topics are the dialects' (devices/dialects/topics.h).
 */
#ifndef TOOLS_HOMEPATCH_LAN_ACL_H
#define TOOLS_HOMEPATCH_LAN_ACL_H

#include "tools/homepatch/lan_accounts.h"

struct lan_rule {
    const char *access;
    /* %t the account's topic, %n its node, %m its address, %e its endpoint, %p the prefix of discovery; a rule whose
     * account has no such thing is left out. NULL: the end. */
    const char *topic;
};

struct lan_kind {
    const char *name;
    const struct lan_rule *rules;    /* of the account itself */
    const struct lan_rule *commands; /* of a program that steers devices, for each account of this kind */
    bool has_topic;                  /* topic= is its name unless given */
    bool has_node;                   /* the same for node= */
    bool has_endpoint;               /* ... and endpoint= */
    bool announces_any;              /* it announces devices whose names are not known here */
    bool steers;                     /* a program that commands other accounts' devices */
};

/* NULL: there is no such kind. */
const struct lan_kind *lan_kind_find(struct str name);
/* All of them, for people: "shelly, tasmota, ...". */
const char *lan_kind_names(struct arena *arena);

/* Both set out->failed when memory is out. dir: where the files are. */
void lan_acl_write(const struct lan_broker *broker, struct buf *out);
void lan_mosquitto_write(const struct lan_broker *broker, const char *dir, struct buf *out);

#endif
