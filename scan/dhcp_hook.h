/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What DHCP clients of the LAN said of themselves, as the server's script leaves it (packaging/dhcp/homepatch-lease): one
 * folder, a file for each client, replaced as a whole, with a line "key=value" for each thing. A client chooses most of these
 * bytes: keys that are not known are passed over, and a file with anything else is refused as a whole. Loop's thread only.
 */
#ifndef SCAN_DHCP_HOOK_H
#define SCAN_DHCP_HOOK_H

#include "base/loop.h"
#include "scan/hosts.h"

enum {
    HOOK_FACTS = 12,
};

/* One file. What it says lies in the text that was read, whose line ends and equals signs become terminators. */
struct hook_file {
    bool has_mac, has_ip;
    uint8_t mac[HOST_MAC_BYTES];
    struct host_ip ip;
    const char *interface; /* NULL: not told */
    struct host_said facts[HOOK_FACTS];
    size_t facts_count;
};

/* text: terminated, and changed. -1: malformed. */
int hook_file_parse(char *text, size_t len, struct hook_file *ret, struct error *err);

struct dhcp_hook;
struct dhcp_hook *dhcp_hook_new(struct loop *loop, struct hosts *hosts, const char *dir, struct error *err);
void dhcp_hook_free(struct dhcp_hook *hook);
/* Files that were refused since the start. */
uint64_t dhcp_hook_refused(const struct dhcp_hook *hook);

#endif
