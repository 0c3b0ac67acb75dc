/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a DHCP server says of a controller (TR-369 "DHCP Options for Controller Discovery"): the reader of the bytes of
 * DHCPv4 option 125 and DHCPv6 option 17, and of the address in them. DHCP is not authenticated, so all of this is hostile:
 * what does not fit to the byte is refused as a whole. Owns no memory.
 */
#ifndef DISCOVERY_DHCP_H
#define DISCOVERY_DHCP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum {
    DHCP_ENTERPRISE = 3561, /* the Broadband Forum's, R-DIS.1 */
    DHCP_URL_BYTES = 257,
    DHCP_ENDPOINT_ID_BYTES = 257,
    DHCP_PROVISIONING_CODE_BYTES = 65,
};

enum dhcp_family {
    DHCP_V4 = 4, /* option 125: codes and lengths of one byte */
    DHCP_V6 = 6, /* option 17: of two */
};

/* The values, as texts without their NUL (R-DIS.1a, R-DIS.1c). "" and 0: not there. */
struct dhcp_answer {
    char url[DHCP_URL_BYTES]; /* or a bare FQDN */
    char endpoint_id[DHCP_ENDPOINT_ID_BYTES];
    char provisioning_code[DHCP_PROVISIONING_CODE_BYTES];
    uint32_t retry_minimum;    /* s */
    uint32_t retry_multiplier; /* thousandths */
};

/*
 * Adds what one option holds for enterprise 3561 to *answer; other enterprises are passed over. -1: the option is not what
 * the specification says, and *answer is as it was.
 */
int dhcp_parse(struct str option, enum dhcp_family family, struct dhcp_answer *answer, struct error *err);
bool dhcp_answer_empty(const struct dhcp_answer *answer);

enum {
    ADDRESS_HOST_BYTES = 254,
    ADDRESS_PATH_BYTES = 256,
};

/* Where a controller is. */
struct controller_address {
    char host[ADDRESS_HOST_BYTES + 1]; /* ends with a dot when it is a name: R-DIS.1b, it is absolute */
    uint16_t port;
    char path[ADDRESS_PATH_BYTES];
    bool tls;
    bool complete; /* a URL; false: a bare name, of which DNS-SD knows the rest (R-DIS.7) */
    bool literal;  /* the host is an address, not a name */
};

/* "wss://host:port/path", "ws://..." or a bare name. -1: neither, or what DHCP may not ask for. */
int controller_address_parse(struct str text, struct controller_address *ret, struct error *err);
/* A host name of letters, digits, '-' and '_' in labels of 1 to 63 bytes; a dot at its end is allowed. */
bool host_name_valid(struct str name);
/* authority-scheme ":" [authority-id] ":" instance-id, in printable ASCII (R-ARC.1). */
bool endpoint_id_valid(struct str id);

#endif
