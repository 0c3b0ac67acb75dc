/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What certificates mean for controllers (TR-369 "Security", R-SEC.*): which roles are inherited from the CA that
 * vouched, which certificates a controller may show, and the row that a controller gets on first contact. It sees no
 * certificate itself: a channel names the rows of Device.LocalAgent.Certificate. that the peer's verified chain has.
 */
#ifndef USP_TRUST_H
#define USP_TRUST_H

#include "usp/controller.h"

enum credential_uses {
    CREDENTIAL_MTP_ONLY,
    CREDENTIAL_MTP_AND_USP,
};

/* Device.LocalAgent.ControllerTrust.Credential.{i}. */
struct credential {
    bool enable;
    char *alias;
    char *role;
    char *credential;
    uint32_t allowed_uses; /* enum credential_uses */
};

/* Device.LocalAgent.Controller.{i}.InheritedRole: of the first CA of the chain that Credential names (R-SEC.25), by the
 * chain of the newest record. Borrowed; "" for none. */
const char *usp_inherited_role(const struct controller *controller);
/* The controller was heard, or is connected, on a channel with this chain (see struct usp_channel). */
void usp_controller_presented(struct controller *controller, const char *certificates);
/* Controller.{i}.Credential: when it names certificates, a chain that was shown has to have one of them. */
bool usp_credential_accepts(const struct controller *controller, const char *certificates);
/*
 * First contact: the row for an Endpoint ID that no controller has, when its certificate names it and a CA of an enabled
 * Credential row that may authenticate controllers vouches (R-SEC.3, R-SEC.4). Without an inherited role it is assigned
 * the UntrustedRole. NULL: it stays unknown.
 */
struct controller *usp_first_contact(struct usp *usp, const struct usp_channel *channel,
                                     struct str endpoint_id);

#endif
