/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks whether somebody has an address of the LAN: one empty datagram to the discard port, which no router passes on, makes the
 * kernel resolve the address. The answer is in the neighbour table, and not here.
 */
#ifndef SCAN_ASK_H
#define SCAN_ASK_H

#include "scan/hosts.h"

struct asker {
    int v4, v6; /* sockets; -1: there is none */
};

void ask_init(struct asker *asker);
void ask_done(struct asker *asker);
void ask_send(const struct asker *asker, const struct host_ip *ip, uint32_t interface);

#endif
