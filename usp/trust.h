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
    CREDENTIAL_MTP_AND_BROKER, /* a Trusted Broker's, which vouches for the endpoints behind it (R-SEC.4a) */
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
/* The controller was heard, or is connected, on this channel. */
void usp_controller_presented(struct controller *controller, const struct usp_channel *channel);
/*
 * Whether what the channel's peer showed will do for this controller (R-SEC.4, R-SEC.22, R-SEC.24). A controller whose
 * Credential names certificates shows one of them, or its own name under a CA that may authenticate controllers, or
 * speaks through a Trusted Broker. As soon as an enabled Credential row names a Trusted Broker, no other is believed.
 */
bool usp_credential_accepts(const struct controller *controller, const struct usp_channel *channel);
/*
 * First contact: the row for an Endpoint ID that no controller has, when its certificate names it and a CA of an enabled
 * Credential row that may authenticate controllers vouches (R-SEC.3), or a Trusted Broker does (R-SEC.26), or, with
 * TOFUAllowed, when it names it and nobody vouches. Without an inherited role it is assigned the UntrustedRole.
 * NULL: it stays unknown.
 */
struct controller *usp_first_contact(struct usp *usp, struct usp_channel *channel, struct str endpoint_id);
/* Device.LocalAgent.Certificate.{i}.Enable */
bool usp_certificate_enabled(const struct dm_row *certificate);

#endif
