/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Controller.{i}.E2ESession.: settings and state of the session context (usp/session.h). */
#include "datamodel/device/model.h"
#include "usp/controller.h"

static const char *const modes[] = {"Require", "Allow", "Forbid", NULL};   /* enum session_mode */
static const char *const statuses[] = {"Up", "Negotiating", "Down", NULL}; /* enum session_status */
static const char *const securities[] = {"Plaintext", "TLS", NULL};        /* enum session_security */

static void get_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(statuses[usp_session_status(row->data)]);
}

static void get_retries(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->number = usp_session_retries(row->data);
}

/* TR-181 names no default of SessionMode: Allow leaves it to the controller, whose records need no session otherwise. */
static const struct dm_param params[] = {
    {.name = "SessionMode",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = modes,
     .default_value = "Allow",
     .offset = DM_OFFSET(struct controller, e2e.mode)},
    {.name = "Status", .type = DM_ENUM, .values = statuses, .get = get_status},
    {.name = "SessionExpiration",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "0",
     .offset = DM_OFFSET(struct controller, e2e.expiration)},
    {.name = "SessionRetryMinimumWaitInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "5",
     .offset = DM_OFFSET(struct controller, e2e.retry_minimum)},
    {.name = "SessionRetryIntervalMultiplier",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1000,
     .max = 65535,
     .default_value = "2000",
     .offset = DM_OFFSET(struct controller, e2e.retry_multiplier)},
    {.name = "CurrentRetryCount", .type = DM_UNSIGNED_INT, .get = get_retries},
    {.name = "MaxUSPRecordSize",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "0",
     .offset = DM_OFFSET(struct controller, e2e.record_max)},
    {.name = "MaxRetransmitTries",
     .type = DM_INT,
     .flags = DM_WRITABLE,
     .min = -1,
     .max = 10,
     .default_value = "0",
     .offset = DM_OFFSET(struct controller, e2e.retransmit_max)},
    {.name = "PayloadSecurity",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = securities,
     .default_value = "TLS",
     .offset = DM_OFFSET(struct controller, e2e.security)},
    DM_END_PARAMS,
};

static int run_reset(struct dm_call *call, struct error *err)
{
    (void)err;
    usp_session_reset(call->row->data);
    return 0;
}

static const struct dm_command commands[] = {
    {.name = "Reset()", .run = run_reset},
    {.name = NULL},
};

static int check(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct controller *controller = row->data;

    (void)dm;
    if (controller->e2e.record_max && controller->e2e.record_max < 512)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "MaxUSPRecordSize: 0, or at least 512 bytes");
    return 0;
}

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    (void)dm;
    (void)changed;
    if (kind != DM_ROW_DELETED)
        usp_session_applied(row->data);
}

const struct dm_object model_e2e_session = {
    .params = params,
    .commands = commands,
    .check = check,
    .applied = applied,
};
