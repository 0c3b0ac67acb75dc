/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose block a MAC address is of, by the registry that the system has as a file: IEEE's oui.txt as Debian's ieee-data and hwdata
 * have it, or nmap's list. The file has some MB and is asked for seldom: it is read through on a worker, for all hosts that came
 * meanwhile, and nothing of it is kept. An address that is locally administered (as phones make them up) has no owner.
 * Reports what it finds as HOST_FACT_MANUFACTURER of HOST_OUI, which is inferred. Loop's thread only.
 */
#ifndef SCAN_OUI_H
#define SCAN_OUI_H

#include "base/loop.h"
#include "scan/hosts.h"

enum {
    OUI_BYTES = 3,
};

/* One line of such a file: 1 and the owner (borrowed from the line), or 0: it names none. */
int oui_line(struct str line, uint8_t ret_oui[OUI_BYTES], struct str *ret_owner);

struct oui;

/* The first of the files (separated by commas) that is there; NULL and err when none is. Before hosts_load(). */
struct oui *oui_new(struct loop *loop, struct hosts *hosts, const char *files, struct error *err);
/* A lookup that is under way ends by itself. */
void oui_free(struct oui *oui);
const char *oui_file(const struct oui *oui);

#endif
