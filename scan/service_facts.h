/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the attributes of a DNS-SD service say of the host that advertises it: one table, type and key to fact, of services
 * whose makers or specifications document what the key means. Owns no memory.
 */
#ifndef SCAN_SERVICE_FACTS_H
#define SCAN_SERVICE_FACTS_H

#include <stddef.h>

#include "scan/hosts.h"

enum {
    SERVICE_FACTS = 12, /* of one service at most */
};

struct service_fact {
    enum host_fact fact;
    unsigned rank;     /* of several that say the same fact of one host, the lowest is believed */
    const char *value; /* borrowed from the arguments, or a literal */
};

/* The types of the table, ended by NULL: those that are looked for by name. */
extern const char *const service_types[];

/* txt: "key=value", ended by NULL. Returns how many. */
size_t service_facts(const char *type, const char *instance, const char *const *txt,
                     struct service_fact ret[SERVICE_FACTS]);

#endif
