/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Request.{i}. */
#include "usp/request.h"

#include "base/limits.h"
#include "datamodel/device/model.h"

static const char *const statuses[] = {"Requested", "Active", "Canceling", "Canceled",
                                       "Success",   "Error",  NULL};

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct request, alias)},
    {.name = "Originator",
     .type = DM_STRING,
     .flags = DM_STATE,
     .offset = DM_OFFSET(struct request, originator)},
    {.name = "Command", .type = DM_STRING, .flags = DM_STATE, .offset = DM_OFFSET(struct request, command)},
    {.name = "CommandKey",
     .type = DM_STRING,
     .flags = DM_STATE,
     .offset = DM_OFFSET(struct request, command_key)},
    {.name = "Status",
     .type = DM_ENUM,
     .flags = DM_STATE,
     .values = statuses,
     .offset = DM_OFFSET(struct request, status)},
    DM_END_PARAMS,
};

/*
 * TR-181 has (Originator, Command, CommandKey) as a functional key. A controller may run a command twice under one
 * command key (or none), and USP does not forbid it: the set is declared, and not enforced for rows that Operate makes.
 */
static const struct dm_key keys[] = {{{"Originator", "Command", "CommandKey"}}, {{"Alias"}}, {{NULL}}};

static int run_cancel(struct dm_call *call, struct error *err)
{
    return usp_request_cancel(call->row, err);
}

static const struct dm_command commands[] = {
    {.name = "Cancel()", .run = run_cancel},
    {.name = NULL},
};

const struct dm_object model_request = {
    .flags = DM_TABLE,
    .data_size = sizeof(struct request),
    .params = params,
    .commands = commands,
    .keys = keys,
    .rows_limit = LIMITS_OFFSET(requests),
    .done = usp_request_done,
};
