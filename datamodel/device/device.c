/* SPDX-License-Identifier: BSD-3-Clause */
/* Device. */
#include <stdlib.h>

#include "datamodel/device/model.h"
#include "base/timer.h"

static void get_data_model_version(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR("2.19");
}

static const struct dm_param params[] = {
    {.name = "RootDataModelVersion", .type = DM_STRING, .max = 32, .get = get_data_model_version},
    {.name = "CollectionDeviceNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "CollectionDevice"},
    {.name = "ProxiedDeviceNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "ProxiedDevice"},
    DM_END_PARAMS,
};

/* ---- Reboot(), FactoryReset() ---- */

static const char *const reboot_causes[] = {"LocalReboot", "RemoteReboot", NULL};
static const char *const reset_causes[] = {"LocalFactoryReset", "RemoteFactoryReset", NULL};

static const struct dm_arg reboot_inputs[] = {
    {.name = "Cause", .type = DM_STRING, .values = reboot_causes, .default_value = "RemoteReboot"},
    {.name = "Reason", .type = DM_STRING, .default_value = ""},
    {.name = NULL},
};

static const struct dm_arg reset_inputs[] = {
    {.name = "Cause", .type = DM_STRING, .values = reset_causes, .default_value = "RemoteFactoryReset"},
    {.name = "Reason", .type = DM_STRING, .default_value = ""},
    {.name = NULL},
};

static int restart(struct dm_call *call, bool factory_reset, struct error *err)
{
    struct model *model = model_of(call->dm);
    struct model_restart how = {
        .cause = dm_call_input(call, "Cause"),
        .command_key = call->command_key,
        .reason = dm_call_input(call, "Reason"),
        .factory_reset = factory_reset,
    };

    if (!model->restart)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "this agent cannot restart its device");
    model->restart(model->ctx, &how);
    return 0;
}

static int run_reboot(struct dm_call *call, struct error *err)
{
    return restart(call, false, err);
}

static int run_factory_reset(struct dm_call *call, struct error *err)
{
    return restart(call, true, err);
}

/* ---- ScheduleTimer() ---- */

struct schedule {
    struct timer timer;
    struct dm_call *call;
};

static const struct dm_arg schedule_inputs[] = {
    {.name = "DelaySeconds", .type = DM_UNSIGNED_INT, .required = true, .min = 1},
    {.name = NULL},
};

static void schedule_end(struct schedule *schedule, const struct error *err)
{
    struct dm_call *call = schedule->call;

    timer_cancel(&dm_loop(call->dm)->timers, &schedule->timer);
    dm_call_complete(call, err);
}

static void on_schedule(struct timer *timer, void *ctx)
{
    (void)timer;
    schedule_end(ctx, NULL);
}

static int run_schedule(struct dm_call *call, struct error *err)
{
    struct schedule *schedule = arena_calloc(&call->arena, 1, sizeof(*schedule));

    if (!schedule)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    timer_init(&schedule->timer, on_schedule, schedule);
    schedule->call = call;
    call->state = schedule;
    if (timer_arm(&dm_loop(call->dm)->timers, &schedule->timer,
                  dm_call_input_number(call, "DelaySeconds") * 1000) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return 0;
}

static int cancel_schedule(struct dm_call *call, struct error *err)
{
    struct error reason;

    (void)err;
    error_set(&reason, ERROR_COMMAND_CANCELLED, call->path, "cancelled by a controller");
    schedule_end(call->state, &reason);
    return 0;
}

static void forget_schedule(struct dm_call *call)
{
    struct schedule *schedule = call->state;

    timer_cancel(&dm_loop(call->dm)->timers, &schedule->timer);
}

static const struct dm_command commands[] = {
    {.name = "Reboot()", .inputs = reboot_inputs, .run = run_reboot},
    {.name = "FactoryReset()", .inputs = reset_inputs, .run = run_factory_reset},
    {.name = "ScheduleTimer()",
     .async = true,
     .inputs = schedule_inputs,
     .run = run_schedule,
     .cancel = cancel_schedule,
     .forget = forget_schedule},
    {.name = NULL},
};

/* ---- Boot! ---- */

static const struct dm_arg boot_args[] = {
    {.name = "CommandKey"},   {.name = "Cause"},
    {.name = "Reason"},       {.name = "FirmwareUpdated", .type = DM_BOOLEAN},
    {.name = "ParameterMap"}, {.name = NULL},
};

static const struct dm_event_type events[] = {
    {.name = "Boot!", .args = boot_args},
    {.name = NULL},
};

const struct dm_object model_device = {.params = params, .commands = commands, .events = events};
