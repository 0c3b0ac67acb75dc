/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Controller.{i}. (R-DIS.0) and its BootParameter rows. */
#include "config.h"

#include "usp/controller.h"

#include "base/limits.h"
#include "datamodel/device/certificate.h"
#include "datamodel/device/model.h"
#include "usp/access.h"
#include "usp/trust.h"

static void get_inherited_role(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(usp_inherited_role(row->data));
}

static const char *const origins[] = {"None", "DHCP", NULL};

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct controller, alias)},
    {.name = "EndpointID",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .max = 256,
     .offset = DM_OFFSET(struct controller, endpoint_id)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct controller, enable)},
    {.name = "ControllerCode",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 128,
     .offset = DM_OFFSET(struct controller, controller_code)},
    {.name = "ProvisioningCode",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 64,
     .offset = DM_OFFSET(struct controller, provisioning_code)},
    /* R-SEC.1a, R-SEC.7 */
    {.name = "AssignedRole",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .offset = DM_OFFSET(struct controller, assigned_role)},
    {.name = "InheritedRole",
     .type = DM_STRING,
     .flags = DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.ControllerTrust.Role.",
     .get = get_inherited_role},
    {.name = "Credential",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST | DM_STRONG_REF,
     .refers = "Device.LocalAgent.Certificate.",
     .offset = DM_OFFSET(struct controller, credential)},
    {.name = "PeriodicNotifInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "86400",
     .offset = DM_OFFSET(struct controller, periodic_interval)},
    {.name = "PeriodicNotifTime",
     .type = DM_DATE_TIME,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct controller, periodic_time)},
    {.name = "USPNotifRetryMinimumWaitInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "5",
     .offset = DM_OFFSET(struct controller, retry_minimum)},
    {.name = "USPNotifRetryIntervalMultiplier",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1000,
     .max = 65535,
     .default_value = "2000",
     .offset = DM_OFFSET(struct controller, retry_multiplier)},
    {.name = "OnBoardingComplete",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct controller, onboarding_complete)},
    {.name = "OnBoardingRestartTime",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "0",
     .offset = DM_OFFSET(struct controller, onboarding_restart)},
    /* Who made the row without being asked for it by a controller, and goes on to say where the controller is. */
    {.name = VENDOR_PREFIX "DiscoveredBy",
     .type = DM_ENUM,
     .flags = DM_STATE,
     .values = origins,
     .default_value = "None",
     .offset = DM_OFFSET(struct controller, origin)},
    {.name = "MTPNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "MTP"},
    {.name = "BootParameterNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "BootParameter"},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"EndpointID"}}, {{"Alias"}}, {{NULL}}};

/* R-NOT.5: OnBoardingComplete becomes false, and the request goes out. */
static int run_onboard(struct dm_call *call, struct error *err)
{
    struct controller *controller = call->row->data;

    dm_begin(call->dm, NULL);
    if (dm_set(call->dm, call->row, dm_node_param(call->row->node, "OnBoardingComplete"), STR("false"), err) <
        0) {
        dm_rollback(call->dm);
        return -1;
    }
    if (dm_commit(call->dm, err) < 0)
        return -1;
    return usp_onboard(controller, err);
}

static const struct dm_command commands[] = {
    {.name = "SendOnBoardRequest()", .run = run_onboard},
    {.name = "AddMyCertificate()", .inputs = model_add_certificate_inputs, .run = model_add_my_certificate},
    {.name = NULL},
};

static int check_delete(struct dm *dm, struct dm_row *row, struct error *err)
{
    return usp_controller_deleting(model_of(dm)->usp, row, err);
}

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    usp_controller_applied(model_of(dm)->usp, row, kind);
    if (kind != DM_ROW_CHANGED || changed & 1ull << dm_node_param(row->node, "Credential") ||
        changed & 1ull << dm_node_param(row->node, "Enable"))
        model_certificates_referred(dm);
    model_mtp_applied(dm, row, kind, changed);
}

/* TR-181: the BannedRole is the only one of who has it. */
static int check(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct controller *controller = row->data;
    const struct dm_row *trust = dm_row_find(dm, STR("Device.LocalAgent.ControllerTrust."));
    const char *banned = trust ? ((const struct controller_trust *)trust->data)->banned_role : NULL;
    struct str roles = str_of(controller->assigned_role);
    bool has_banned = false;
    unsigned count = 0;
    struct str one;

    while (roles.len && str_next(&roles, ',', &one)) {
        count++;
        if (banned && banned[0] && dm_row_find(dm, str_trim(one)) == dm_row_find(dm, str_of(banned)))
            has_banned = true;
    }
    if (has_banned && count > 1)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "AssignedRole: the BannedRole excludes all others");
    return 0;
}

const struct dm_object model_controller = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct controller),
    .params = params,
    .commands = commands,
    .keys = keys,
    .rows_limit = LIMITS_OFFSET(controllers),
    .check = check,
    .check_delete = check_delete,
    .applied = applied,
    .done = usp_controller_done,
};

/* ---- BootParameter ---- */

struct boot_parameter {
    bool enable;
    char *alias;
    char *parameter_name;
};

static const struct dm_param boot_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct boot_parameter, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct boot_parameter, enable)},
    {.name = "ParameterName",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .max = 256,
     .offset = DM_OFFSET(struct boot_parameter, parameter_name)},
    DM_END_PARAMS,
};

static const struct dm_key boot_keys[] = {{{"ParameterName"}}, {{"Alias"}}, {{NULL}}};

const struct dm_object model_boot_parameter = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct boot_parameter),
    .params = boot_params,
    .keys = boot_keys,
    .max_rows = LIMIT_BOOT_PARAMETERS,
};
