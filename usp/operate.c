/* SPDX-License-Identifier: BSD-3-Clause */
/* Operate (R-OPR.*). */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"

struct operation {
    struct usp_request *request;
    const char *command_key;
    bool send_resp;
    struct dm_pair *inputs;
    size_t inputs_count;
    /* What the path names, gathered before a command changes the tree under the walk (Request.*.Cancel()). */
    struct dm_target *targets;
    uint32_t count;
    uint32_t cap;
};

/* "TimeWindow.2.Start" is declared as "TimeWindow.{i}.Start". */
static bool is_arg(const char *declared, const char *name)
{
    while (*declared && *name) {
        if (strncmp(declared, "{i}", 3) == 0) {
            if (*name < '1' || *name > '9')
                return false;
            while (*name >= '0' && *name <= '9')
                name++;
            declared += 3;
        } else if (*declared++ != *name++) {
            return false;
        }
    }
    return !*declared && !*name;
}

static const char *given(const struct operation *operation, const char *declared)
{
    for (size_t i = 0; i < operation->inputs_count; i++)
        if (is_arg(declared, operation->inputs[i].name))
            return operation->inputs[i].value;
    return NULL;
}

/* R-OPR.5: a missing mandatory argument is 7027; R-OPR.6: what is not declared is ignored. */
static int check_inputs(const struct operation *operation, const struct dm_command *command,
                        struct error *err)
{
    for (const struct dm_arg *arg = command->inputs; arg && arg->name; arg++) {
        if (arg->required && !strstr(arg->name, "{i}") && !given(operation, arg->name))
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, NULL, "the argument %s is missing",
                             arg->name);
        for (size_t i = 0; i < operation->inputs_count; i++) {
            if (!is_arg(arg->name, operation->inputs[i].name))
                continue;
            if (dm_arg_check(arg, str_of(operation->inputs[i].value), err) < 0) {
                if (err)
                    err->code = ERROR_INVALID_COMMAND_ARGUMENTS;
                return -1;
            }
        }
    }
    return 0;
}

static void write_failure(struct buf *out, const char *path, const struct error *err)
{
    size_t mark = pb_begin(out, USP_OPERATE_RESP_OPERATION_RESULTS);
    size_t inner;

    pb_write_text(out, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, str_of(path));
    inner = pb_begin(out, USP_OPERATE_RESP_OPERATION_RESULT_CMD_FAILURE);
    pb_write_fixed32(out, USP_OPERATE_RESP_COMMAND_FAILURE_ERR_CODE, err->code);
    pb_write_text(out, USP_OPERATE_RESP_COMMAND_FAILURE_ERR_MSG, usp_error_text(err));
    pb_end(out, inner);
    pb_end(out, mark);
}

static void write_outputs(struct buf *out, const char *path, const struct dm_call *call)
{
    size_t mark = pb_begin(out, USP_OPERATE_RESP_OPERATION_RESULTS);
    size_t inner;

    pb_write_text(out, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, str_of(path));
    inner = pb_begin(out, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OUTPUT_ARGS);
    for (size_t i = 0; i < call->outputs_count; i++)
        pb_write_entry(out, USP_OPERATE_RESP_OUTPUT_ARGS_OUTPUT_ARGS, str_of(call->outputs[i].name),
                       str_of(call->outputs[i].value));
    pb_end(out, inner);
    pb_end(out, mark);
}

static void write_request(struct buf *out, const char *path, uint32_t instance)
{
    size_t mark = pb_begin(out, USP_OPERATE_RESP_OPERATION_RESULTS);
    char request[64];

    snprintf(request, sizeof(request), "Device.LocalAgent.Request.%u.", instance);
    pb_write_text(out, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, str_of(path));
    pb_write_text(out, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OBJ_PATH, str_of(request));
    pb_end(out, mark);
}

static int run_sync(const struct operation *operation, const struct dm_target *target, const char *path,
                    const struct dm_command *command, struct error *err)
{
    struct usp_request *request = operation->request;
    struct dm_call call = {
        .dm = request->dm,
        .row = target->row,
        .command = command,
        .originator = request->controller->endpoint_id,
        .command_key = operation->command_key,
        .path = path,
        .inputs = operation->inputs,
        .inputs_count = operation->inputs_count,
        .ctx = request->usp,
    };
    int rc;

    arena_init(&call.arena, LIMIT_RECORD_BYTES);
    rc = command->run(&call, err);
    if (rc == 0)
        write_outputs(request->out, path, &call);
    arena_done(&call.arena);
    return rc;
}

static int run(const struct operation *operation, const struct dm_target *target, const char *path,
               const struct dm_command *command, struct error *err)
{
    struct usp_request *request = operation->request;
    uint32_t instance = 0;

    if (!dm_may(request->access, target->row, dm_id_command(target->node, target->member), DM_MAY_EXECUTE))
        return error_set(err, ERROR_PERMISSION_DENIED, NULL,
                         "the role of this controller may not execute it");
    if (check_inputs(operation, command, err) < 0)
        return -1;
    if (!command->async)
        return run_sync(operation, target, path, command, err);
    if (usp_request_start(request->usp, target->row, command, path, request->controller->endpoint_id,
                          operation->command_key, operation->inputs, operation->inputs_count, &instance,
                          err) < 0)
        return -1;
    write_request(request->out, path, instance);
    return 0;
}

static int gather(void *ctx, const struct dm_target *target)
{
    struct operation *operation = ctx;

    if (target->kind != DM_TARGET_COMMAND)
        return 1;
    if (operation->count == operation->cap) {
        uint32_t cap = operation->cap ? operation->cap * 2 : 4;
        struct dm_target *targets = arena_alloc(operation->request->arena, cap * sizeof(*targets));

        if (!targets)
            return 2;
        if (operation->count)
            memcpy(targets, operation->targets, operation->count * sizeof(*targets));
        operation->targets = targets;
        operation->cap = cap;
    }
    operation->targets[operation->count++] = *target;
    return 0;
}

static void execute(struct operation *operation, const struct dm_target *target)
{
    struct usp_request *request = operation->request;
    const struct dm_command *command = &target->node->object->commands[target->member];
    char path[DM_PATH_BYTES + 64];
    size_t len = dm_row_path(target->row, path);
    struct error err;

    str_copy(path + len, sizeof(path) - len, command->name);
    error_clear(&err);
    if (run(operation, target, path, command, &err) == 0)
        return;
    write_failure(request->out, path, &err);
    /* R-OPR.4: a failure is told even to who wants no response. */
    request->silent = false;
}

static int parse(struct operation *operation, struct str content, struct str *ret_command, struct error *err)
{
    struct usp_request *request = operation->request;
    struct pb_reader reader = pb_reader(content);
    struct str key = STR("");
    struct pb_field field;
    size_t cap = 0;
    bool good = true;
    int rc;

    *ret_command = STR("");
    while (good && (rc = pb_next(&reader, &field)) != 0) {
        struct str name;
        struct str value;

        if (rc < 0)
            return usp_malformed(err, "Operate");
        if (field.number == USP_OPERATE_COMMAND)
            good = pb_text(&field, ret_command);
        else if (field.number == USP_OPERATE_COMMAND_KEY)
            good = pb_text(&field, &key);
        else if (field.number == USP_OPERATE_SEND_RESP)
            good = pb_bool(&field, &operation->send_resp);
        if (!good || field.number != USP_OPERATE_INPUT_ARGS)
            continue;
        good = pb_entry(&field, &name, &value);
        if (operation->inputs_count == cap) {
            struct dm_pair *inputs = arena_alloc(request->arena, (cap ? cap * 2 : 8) * sizeof(*inputs));

            if (!inputs)
                return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
            if (cap)
                memcpy(inputs, operation->inputs, cap * sizeof(*inputs));
            cap = cap ? cap * 2 : 8;
            operation->inputs = inputs;
        }
        operation->inputs[operation->inputs_count++] = (struct dm_pair){
            arena_strndup(request->arena, name.data, name.len),
            arena_strndup(request->arena, value.data, value.len)};
    }
    operation->command_key = arena_strndup(request->arena, key.data, key.len);
    return good && operation->command_key ? 0 : usp_malformed(err, "Operate");
}

/* A command that runs cannot be taken back, so an answer that says no must be certain before the first one does. */
static int make_room(const struct operation *operation, struct error *err)
{
    enum { FRAMING = 128 };
    char path[DM_PATH_BYTES];
    size_t need = 0;

    for (uint32_t i = 0; i < operation->count; i++) {
        const struct dm_target *target = &operation->targets[i];

        need += dm_row_path(target->row, path) + strlen(target->node->object->commands[target->member].name) +
                ERROR_MESSAGE_BYTES + FRAMING;
    }
    if (buf_room(operation->request->out, need))
        return 0;
    return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no room for the answer: nothing was executed");
}

int usp_operate(struct usp_request *request, struct str content, struct error *err)
{
    struct operation operation = {.request = request};
    struct dm_resolver resolver = {.dm = request->dm,
                                   .arena = request->arena,
                                   .access = request->access,
                                   .found = gather,
                                   .ctx = &operation};
    struct str command;
    int rc;

    if (parse(&operation, content, &command, err) < 0)
        return -1;
    request->silent = !operation.send_resp;
    rc = dm_resolve(&resolver, command, err);
    if (rc > 0)
        return rc == 1 ? error_set(err, ERROR_INVALID_PATH, NULL, "the path does not name a command")
                       : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (rc < 0 && resolver.missing_instance)
        err->code = ERROR_OBJECT_DOES_NOT_EXIST;
    if (rc == 0 && make_room(&operation, err) < 0)
        return -1;
    for (uint32_t i = 0; rc == 0 && i < operation.count; i++)
        execute(&operation, &operation.targets[i]);
    return rc;
}
