/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/trust.h"

#include <string.h>

#include "usp/internal.h"

static const char TRUST[] = "Device.LocalAgent.ControllerTrust.";

/* The enabled Credential row for the nearest certificate of the chain that has one (R-SEC.25), or NULL. */
static const struct credential *credential_of(struct usp *usp, const char *certificates)
{
    struct dm_row *trust = dm_row_find(usp->dm, STR(TRUST));
    struct dm_node *node = trust ? dm_node_child(trust->node, STR("Credential")) : NULL;
    struct str chain = str_of(certificates);
    struct dm_row *const *rows;
    uint32_t count = node ? dm_rows(trust, node, &rows) : 0;
    struct str one;

    while (count && chain.len && str_next(&chain, ',', &one)) {
        const struct dm_row *certificate = dm_row_find(usp->dm, one);

        for (uint32_t i = 0; certificate && i < count; i++) {
            const struct credential *credential = rows[i]->data;

            if (credential->enable && credential->credential && credential->credential[0] &&
                dm_row_find(usp->dm, str_of(credential->credential)) == certificate)
                return credential;
        }
    }
    return NULL;
}

const char *usp_inherited_role(const struct controller *controller)
{
    const struct credential *credential = controller->usp && controller->certificates
                                              ? credential_of(controller->usp, controller->certificates)
                                              : NULL;

    return credential && credential->allowed_uses == CREDENTIAL_MTP_AND_USP && credential->role
               ? credential->role
               : "";
}

void usp_controller_presented(struct controller *controller, const char *certificates)
{
    const char *before = usp_inherited_role(controller); /* of the Credential row: it stays */

    if (strcmp(controller->certificates ? controller->certificates : "", certificates ? certificates : "") ==
        0)
        return;
    /* Without memory for it there is no inherited role. */
    if (str_replace(&controller->certificates, certificates) < 0)
        str_replace(&controller->certificates, NULL);
    if (strcmp(before, usp_inherited_role(controller)) == 0)
        return;
    controller->access_generation = 0;
    dm_changed(controller->usp->dm, controller->row, dm_node_param(controller->row->node, "InheritedRole"));
}

bool usp_credential_accepts(const struct controller *controller, const char *certificates)
{
    struct str chain = str_of(certificates);
    struct str one;

    if (!certificates || !controller->credential || !controller->credential[0])
        return true;
    while (chain.len && str_next(&chain, ',', &one)) {
        const struct dm_row *shown = dm_row_find(controller->usp->dm, one);
        struct str allowed = str_of(controller->credential);
        struct str item;

        while (shown && allowed.len && str_next(&allowed, ',', &item))
            if (dm_row_find(controller->usp->dm, str_trim(item)) == shown)
                return true;
    }
    return false;
}

static int set(struct usp *usp, struct dm_row *row, const char *name, struct str value, struct error *err)
{
    return dm_set(usp->dm, row, dm_node_param(row->node, name), value, err);
}

struct controller *usp_first_contact(struct usp *usp, const struct usp_channel *channel,
                                     struct str endpoint_id)
{
    const struct credential *credential = channel->named && channel->certificates
                                              ? credential_of(usp, channel->certificates)
                                              : NULL;
    struct dm_row *trust_row = dm_row_find(usp->dm, STR(TRUST));
    const struct controller_trust *trust = trust_row ? trust_row->data : NULL;
    const char *role = trust && trust->untrusted_role ? trust->untrusted_role : "";
    struct dm_row *row;

    if (!credential || credential->allowed_uses != CREDENTIAL_MTP_AND_USP)
        return NULL;
    if (credential->role && credential->role[0])
        role = ""; /* it inherits one */
    dm_begin(usp->dm, NULL);
    row = dm_add(usp->dm, usp->local_agent, usp->controllers, 0, NULL);
    if (!row || set(usp, row, "EndpointID", endpoint_id, NULL) < 0 ||
        set(usp, row, "Enable", STR("true"), NULL) < 0 ||
        set(usp, row, "AssignedRole", str_of(role), NULL) < 0 || dm_add_done(usp->dm, row, NULL) < 0) {
        dm_rollback(usp->dm);
        return NULL;
    }
    /* Now, not at the end of the iteration: its first message is waiting for the row. */
    if (dm_commit(usp->dm, NULL) < 0 || dm_flush(usp->dm, NULL) < 0)
        return NULL;
    return usp_controller_find(usp, endpoint_id);
}
