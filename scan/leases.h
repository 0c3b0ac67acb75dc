/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DHCP server's lease file as a source: read when it changes, and what is new, other or gone in it is reported. A lease
 * that is there at the first reading says nothing of now; one that comes or is renewed later says that its client is here.
 * The file need not exist yet. Loop's thread only.
 */
#ifndef SCAN_LEASES_H
#define SCAN_LEASES_H

#include "base/loop.h"
#include "scan/hosts.h"

struct leases;

struct leases *leases_new(struct loop *loop, struct hosts *hosts, const char *file, struct error *err);
void leases_free(struct leases *leases);

/* How many leases there are, and how many lines were malformed at the last reading. */
uint32_t leases_count(const struct leases *leases);
uint32_t leases_malformed(const struct leases *leases);

#endif
