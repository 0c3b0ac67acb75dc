/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/trust.h"

#include <string.h>

#include "base/limits.h"
#include "usp/internal.h"

static const char TRUST[] = "Device.LocalAgent.ControllerTrust.";

static uint32_t credentials(struct usp *usp, struct dm_row *const **ret_rows)
{
    struct dm_row *trust = dm_row_find(usp->dm, STR(TRUST));
    struct dm_node *node = trust ? dm_node_child(trust->node, STR("Credential")) : NULL;

    return node ? dm_rows(trust, node, ret_rows) : 0;
}

bool usp_certificate_enabled(const struct dm_row *certificate)
{
    int param = dm_node_param(certificate->node, "Enable");
    char scratch[DM_SCRATCH_BYTES];

    return param < 0 || str_is(dm_get_text(certificate, param, scratch), "true");
}

/* The enabled Credential row for the nearest certificate of the chain that has one (R-SEC.25), or NULL. */
static const struct credential *credential_of(struct usp *usp, const char *certificates)
{
    struct str chain = str_of(certificates);
    struct dm_row *const *rows;
    uint32_t count = credentials(usp, &rows);
    struct str one;

    while (count && chain.len && str_next(&chain, ',', &one)) {
        const struct dm_row *certificate = dm_row_find(usp->dm, one);

        if (!certificate || !usp_certificate_enabled(certificate))
            continue;
        for (uint32_t i = 0; i < count; i++) {
            const struct credential *credential = rows[i]->data;

            if (credential->enable && credential->credential && credential->credential[0] &&
                dm_row_find(usp->dm, str_of(credential->credential)) == certificate)
                return credential;
        }
    }
    return NULL;
}

/* What vouches for the identity of who speaks over a channel with this chain: NULL is nothing that a Credential says. */
static const struct credential *authority(struct usp *usp, const char *certificates, bool broker)
{
    const struct credential *credential = certificates ? credential_of(usp, certificates) : NULL;

    return credential &&
                   credential->allowed_uses == (broker ? CREDENTIAL_MTP_AND_BROKER : CREDENTIAL_MTP_AND_USP)
               ? credential
               : NULL;
}

/* Whether brokers are to be known at all (R-SEC.26 is optional: it begins with the first row that names one). */
static bool brokers_are_named(struct usp *usp)
{
    struct dm_row *const *rows;
    uint32_t count = credentials(usp, &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct credential *credential = rows[i]->data;

        if (credential->enable && credential->allowed_uses == CREDENTIAL_MTP_AND_BROKER)
            return true;
    }
    return false;
}

const char *usp_inherited_role(const struct controller *controller)
{
    const struct credential *credential = controller->usp
                                              ? authority(controller->usp, controller->certificates,
                                                          controller->brokered)
                                              : NULL;

    return credential && credential->role ? credential->role : "";
}

void usp_controller_presented(struct controller *controller, const struct usp_channel *channel)
{
    const char *certificates = channel->certificates;
    const char *before;

    if (controller->brokered == channel->broker &&
        strcmp(controller->certificates ? controller->certificates : "", certificates ? certificates : "") ==
            0)
        return;
    before = usp_inherited_role(controller); /* of the Credential row: it stays */
    controller->brokered = channel->broker;
    /* Without memory for it there is no inherited role. */
    if (str_replace(&controller->certificates, certificates) < 0)
        str_replace(&controller->certificates, NULL);
    if (strcmp(before, usp_inherited_role(controller)) == 0)
        return;
    controller->access_generation = 0;
    dm_changed(controller->usp->dm, controller->row, dm_node_param(controller->row->node, "InheritedRole"));
}

/* Does the chain have a certificate that Controller.{i}.Credential names? */
static bool shows_its_own(const struct controller *controller, const char *certificates)
{
    struct str chain = str_of(certificates);
    struct str one;

    while (chain.len && str_next(&chain, ',', &one)) {
        const struct dm_row *shown = dm_row_find(controller->usp->dm, one);
        struct str allowed = str_of(controller->credential);
        struct str item;

        while (shown && usp_certificate_enabled(shown) && allowed.len && str_next(&allowed, ',', &item))
            if (dm_row_find(controller->usp->dm, str_trim(item)) == shown)
                return true;
    }
    return false;
}

/* R-SEC.0: over a network, a known certificate or a Trusted Broker's wherever one is asked for; plain transports are
 * for who configures them. R-SEC.22a: brokers; R-SEC.24a: an Endpoint ID of its own under a trusted CA. */
bool usp_credential_accepts(const struct controller *controller, const struct usp_channel *channel)
{
    bool bound = controller->credential && controller->credential[0];

    if (channel->local)
        return true;
    /* R-SEC.8: the Endpoint ID is somebody's already, and not with this certificate */
    if (channel->first_use)
        return false;
    if (channel->broker && authority(controller->usp, channel->certificates, true))
        return true;
    if (channel->broker && brokers_are_named(controller->usp))
        return false;
    if (!bound || shows_its_own(controller, channel->certificates))
        return true;
    return channel->named && authority(controller->usp, channel->certificates, false);
}

static int set(struct usp *usp, struct dm_row *row, const char *name, struct str value, struct error *err)
{
    return dm_set(usp->dm, row, dm_node_param(row->node, name), value, err);
}

/* Strangers must not fill the table: how many controllers have no role but the untrusted one. */
static bool room_for_strangers(struct usp *usp, const char *untrusted_role)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->controllers, &rows);
    uint32_t strangers = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct controller *controller = rows[i]->data;

        if (strcmp(controller->assigned_role ? controller->assigned_role : "", untrusted_role) == 0)
            strangers++;
    }
    return strangers < LIMIT_FIRST_USE;
}

/* R-SEC.6, R-SEC.8: the untrusted role, and the certificate is kept as the only one that this Endpoint ID may show. */
static int keep_certificate(struct usp *usp, struct dm_row *row, struct usp_channel *channel)
{
    const char *certificate = usp->ops->remember ? usp->ops->remember(usp->ctx, channel) : NULL;

    return certificate ? set(usp, row, "Credential", str_of(certificate), NULL) : -1;
}

/* In an open transaction. */
static int add_controller(struct usp *usp, struct str endpoint_id, const char *role, struct usp_channel *keep)
{
    struct dm_row *row = dm_add(usp->dm, usp->local_agent, usp->controllers, 0, NULL);

    if (!row || set(usp, row, "EndpointID", endpoint_id, NULL) < 0 ||
        set(usp, row, "Enable", STR("true"), NULL) < 0 ||
        set(usp, row, "AssignedRole", str_of(role), NULL) < 0 ||
        (keep && keep_certificate(usp, row, keep) < 0))
        return -1;
    return dm_add_done(usp->dm, row, NULL);
}

/* R-SEC.6: nobody vouches for it, and that is allowed. */
static bool is_first_use(struct usp *usp, const struct usp_channel *channel,
                         const struct controller_trust *trust, const char *untrusted_role)
{
    return channel->first_use && channel->named && trust && trust->tofu_allowed &&
           room_for_strangers(usp, untrusted_role);
}

struct controller *usp_first_contact(struct usp *usp, struct usp_channel *channel, struct str endpoint_id)
{
    struct dm_row *trust_row = dm_row_find(usp->dm, STR(TRUST));
    const struct controller_trust *trust = trust_row ? trust_row->data : NULL;
    const char *role = trust && trust->untrusted_role ? trust->untrusted_role : "";
    const struct credential *credential = channel->named || channel->broker
                                              ? authority(usp, channel->certificates, channel->broker)
                                              : NULL;

    if (!credential && !is_first_use(usp, channel, trust, role))
        return NULL;
    if (credential && credential->role && credential->role[0])
        role = ""; /* it inherits one */
    dm_begin(usp->dm, NULL);
    if (add_controller(usp, endpoint_id, role, credential ? NULL : channel) < 0) {
        dm_rollback(usp->dm);
        return NULL;
    }
    /* Now, not at the end of the iteration: its first message is waiting for the row. */
    if (dm_commit(usp->dm, NULL) < 0 || dm_flush(usp->dm, NULL) < 0)
        return NULL;
    return usp_controller_find(usp, endpoint_id);
}
