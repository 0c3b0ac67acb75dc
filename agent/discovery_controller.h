/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What DHCP says of a controller, in the data model. DHCP is not authenticated: whoever is first on the link may answer. So
 * it may name a controller, and say where it is; it grants nothing. A row made here has no AssignedRole: until a
 * certificate that a configured CA vouches for gives one (InheritedRole), or a controller that may, it has the
 * UntrustedRole. Of a row that somebody else made DHCP changes ProvisioningCode, and nothing more.
 */
#ifndef AGENT_DISCOVERY_CONTROLLER_H
#define AGENT_DISCOVERY_CONTROLLER_H

#include "datamodel/device/model.h"
#include "discovery/dhcp.h"

struct discovered {
    char endpoint_id[DHCP_ENDPOINT_ID_BYTES];
    struct controller_address address;
    const struct dhcp_answer *answer; /* the rest of what DHCP said */
};

enum discovered_verdict {
    DISCOVERED_NEW,  /* a row was made, and the controller is asked to take the agent on (OnBoardRequest) */
    DISCOVERED_KEPT, /* the row that DHCP made before is as DHCP says now */
    DISCOVERED_CONFIGURED, /* the row is another's: its ProvisioningCode follows */
};

/* -1: nothing has changed; or the row is there, but the OnBoardRequest is not. */
int discovered_apply(struct model *model, const struct discovered *found, enum discovered_verdict *ret,
                     struct error *err);
/* Rows that DHCP made, other than this one's, are no longer what it says (keep: "" for all): connections to them end. A row
 * that nobody has come to trust yet goes; with one that has a role, or has been onboarded, only its MTP rows are disabled. */
int discovered_withdraw(struct model *model, const char *keep, struct error *err);

#endif
