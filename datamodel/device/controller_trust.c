/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.ControllerTrust.: roles and their permissions, and the credentials that roles come from. */
#include "base/limits.h"
#include "datamodel/device/certificate.h"
#include "datamodel/device/challenge.h"
#include "datamodel/device/model.h"
#include "usp/access.h"
#include "usp/trust.h"

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    (void)row;
    (void)kind;
    (void)changed;
    usp_access_changed(model_of(dm)->usp);
}

/* What connections trust depends on it, too. */
static void trust_applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    applied(dm, row, kind, changed);
    model_certificates_referred(dm);
}

static const struct dm_param trust_params[] = {
    {.name = "UntrustedRole",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .offset = DM_OFFSET(struct controller_trust, untrusted_role)},
    {.name = "BannedRole",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .offset = DM_OFFSET(struct controller_trust, banned_role)},
    {.name = "SecuredRoles",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .offset = DM_OFFSET(struct controller_trust, secured_roles)},
    {.name = "TOFUAllowed",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct controller_trust, tofu_allowed)},
    {.name = "TOFUInactivityTimer",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "60",
     .offset = DM_OFFSET(struct controller_trust, tofu_inactivity)},
    {.name = "RoleNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Role"},
    {.name = "CredentialNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Credential"},
    {.name = "ChallengeNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Challenge"},
    DM_END_PARAMS,
};

static const struct dm_command trust_commands[] = {
    {.name = "RequestChallenge()",
     .inputs = model_request_challenge_inputs,
     .outputs = model_request_challenge_outputs,
     .run = model_request_challenge},
    {.name = "ChallengeResponse()",
     .inputs = model_challenge_response_inputs,
     .run = model_challenge_response},
    {.name = NULL},
};

const struct dm_object model_controller_trust = {
    .data_size = sizeof(struct controller_trust),
    .params = trust_params,
    .commands = trust_commands,
    .applied = trust_applied,
};

static const struct dm_param role_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct role, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct role, enable)},
    {.name = "Name",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .offset = DM_OFFSET(struct role, name)},
    {.name = "PermissionNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Permission"},
    DM_END_PARAMS,
};

static const struct dm_key role_keys[] = {{{"Name"}}, {{"Alias"}}, {{NULL}}};

const struct dm_object model_role = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct role),
    .params = role_params,
    .keys = role_keys,
    .max_rows = LIMIT_ROLES,
    .applied = applied,
};

static const struct dm_param permission_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct permission, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct permission, enable)},
    {.name = "Order",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE | DM_INDEXED,
     .default_value = "0",
     .offset = DM_OFFSET(struct permission, order)},
    {.name = "Targets",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST,
     .offset = DM_OFFSET(struct permission, targets)},
    {.name = "Param",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .min = 4,
     .max = 4,
     .default_value = "----",
     .check = usp_permission_check,
     .offset = DM_OFFSET(struct permission, param)},
    {.name = "Obj",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .min = 4,
     .max = 4,
     .default_value = "----",
     .check = usp_permission_check,
     .offset = DM_OFFSET(struct permission, obj)},
    {.name = "InstantiatedObj",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .min = 4,
     .max = 4,
     .default_value = "----",
     .check = usp_permission_check,
     .offset = DM_OFFSET(struct permission, instantiated_obj)},
    {.name = "CommandEvent",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .min = 4,
     .max = 4,
     .default_value = "----",
     .check = usp_permission_check,
     .offset = DM_OFFSET(struct permission, command_event)},
    DM_END_PARAMS,
};

static const struct dm_key permission_keys[] = {{{"Order"}}, {{"Alias"}}, {{NULL}}};

const struct dm_object model_permission = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct permission),
    .params = permission_params,
    .keys = permission_keys,
    .max_rows = LIMIT_PERMISSIONS,
    .applied = applied,
};

/* ---- Credential ---- */

static const char *const uses[] = {[CREDENTIAL_MTP_ONLY] = "MTP-only",
                                   [CREDENTIAL_MTP_AND_USP] = "MTP-and-USP",
                                   [CREDENTIAL_MTP_AND_BROKER] = "MTP-and-broker",
                                   NULL};

static const struct dm_param credential_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct credential, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct credential, enable)},
    {.name = "Role",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .offset = DM_OFFSET(struct credential, role)},
    {.name = "Credential",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF | DM_INDEXED,
     .refers = "Device.LocalAgent.Certificate.",
     .offset = DM_OFFSET(struct credential, credential)},
    {.name = "AllowedUses",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = uses,
     .default_value = "MTP-only",
     .offset = DM_OFFSET(struct credential, allowed_uses)},
    DM_END_PARAMS,
};

static const struct dm_key credential_keys[] = {{{"Credential"}}, {{"Alias"}}, {{NULL}}};

const struct dm_object model_credential = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct credential),
    .params = credential_params,
    .keys = credential_keys,
    .max_rows = LIMIT_CREDENTIALS,
    .applied = trust_applied,
};

/* ---- the built-in roles ---- */

struct grant {
    const char *targets;
    const char *param, *obj, *instantiated_obj, *command_event;
};

static const struct grant full_access[] = {
    {"Device.", "rw-n", "rw-n", "rw-n", "r-xn"},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Enough to see whom one talks to, nothing else. */
static const struct grant untrusted[] = {
    {"Device.DeviceInfo.", "r---", "r---", "r---", "----"},
    {"Device.DeviceInfo.FirmwareImage.", "----", "----", "----", "----"},
    {NULL, NULL, NULL, NULL, NULL},
};

static int set(struct dm *dm, struct dm_row *row, const char *name, const char *value, struct error *err)
{
    return dm_set(dm, row, dm_node_param(row->node, name), str_of(value), err);
}

static int add_role(struct dm *dm, struct dm_row *trust, const char *name, const struct grant *grants,
                    struct error *err)
{
    struct dm_row *role = dm_add(dm, trust, dm_node_child(trust->node, STR("Role")), 0, err);
    unsigned order = 0;

    if (!role || set(dm, role, "Enable", "true", err) < 0 || set(dm, role, "Name", name, err) < 0 ||
        dm_add_done(dm, role, err) < 0)
        return -1;
    for (; grants->targets; grants++) {
        struct dm_row *row = dm_add(dm, role, dm_node_child(role->node, STR("Permission")), 0, err);
        char scratch[DM_SCRATCH_BYTES];

        scratch[str_from_u64(scratch, order++)] =
            '\0'; /* from 0: the orders that controllers use begin with 1 (TP-469 2.25) */
        if (!row || set(dm, row, "Enable", "true", err) < 0 || set(dm, row, "Order", scratch, err) < 0 ||
            set(dm, row, "Targets", grants->targets, err) < 0 ||
            set(dm, row, "Param", grants->param, err) < 0 || set(dm, row, "Obj", grants->obj, err) < 0 ||
            set(dm, row, "InstantiatedObj", grants->instantiated_obj, err) < 0 ||
            set(dm, row, "CommandEvent", grants->command_event, err) < 0 || dm_add_done(dm, row, err) < 0)
            return -1;
    }
    return 0;
}

int model_default_roles(struct model *model, struct error *err)
{
    struct dm *dm = model->dm;
    struct dm_row *trust = dm_row_find(dm, STR("Device.LocalAgent.ControllerTrust."));
    struct dm_row *const *rows;

    if (dm_rows(trust, dm_node_child(trust->node, STR("Role")), &rows))
        return 0;
    dm_begin(dm, NULL);
    if (add_role(dm, trust, "Full Access", full_access, err) < 0 ||
        add_role(dm, trust, "Untrusted", untrusted, err) < 0 ||
        set(dm, trust, "UntrustedRole", "Device.LocalAgent.ControllerTrust.Role.2", err) < 0) {
        dm_rollback(dm);
        return -1;
    }
    return dm_commit(dm, err);
}
