/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access control (TR-181 Device.LocalAgent.ControllerTrust.): roles, their ordered permissions, and what follows from
 * them for one controller, compiled to a byte per access id (datamodel/access.h).
 */
#ifndef USP_ACCESS_H
#define USP_ACCESS_H

#include "datamodel/access.h"
#include "usp/controller.h"

/* Device.LocalAgent.ControllerTrust. */
struct controller_trust {
    char *untrusted_role;
    char *banned_role;
    char *secured_roles;
    bool tofu_allowed;
    uint32_t tofu_inactivity; /* s; 0: for ever */
};

/* Device.LocalAgent.ControllerTrust.Role.{i}. */
struct role {
    bool enable;
    char *alias;
    char *name;
};

/* Device.LocalAgent.ControllerTrust.Role.{i}.Permission.{i}. */
struct permission {
    bool enable;
    char *alias;
    uint32_t order;
    char *targets;
    char *param;
    char *obj;
    char *instantiated_obj;
    char *command_event;
};

/* What the controller may do; never NULL. Valid until the next change of roles. */
const struct dm_access *usp_access(struct usp *usp, struct controller *controller);
/* Whether the BannedRole is among the controller's roles: it is neither heard nor told anything. */
bool usp_access_banned(struct usp *usp, struct controller *controller);
/* A parameter as this access may see it: a secret is "" for who has no secured role. access NULL: as it is. */
struct str usp_access_text(const struct dm_access *access, const struct dm_row *row, int param,
                           char scratch[DM_SCRATCH_BYTES]);
/* A role, permission or assignment changed. */
void usp_access_changed(struct usp *usp);
/* "rwxn" with '-' for what is not granted; any other form is an error. */
int usp_permission_check(const struct dm_row *row, struct str text, struct error *err);

#endif
