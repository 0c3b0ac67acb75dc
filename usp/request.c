/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/internal.h"

static void call_free(struct dm_call *call)
{
    arena_done(&call->arena);
    free(call);
}

static struct dm_row *request_row(struct usp *usp, uint32_t instance)
{
    return dm_row_instance(usp->local_agent, usp->requests, instance);
}

/* The object that the command is of: it may have gone while the command ran. */
static struct dm_row *command_row(struct usp *usp, const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dm_row_find(usp->dm, (struct str){path, (size_t)(dot - path) + 1}) : NULL;
}

static void on_complete(struct dm_call *call, const struct error *err)
{
    struct usp *usp = call->ctx;
    struct dm_row *row = request_row(usp, call->request);
    struct dm_feed feed = {.type = DM_FEED_COMPLETE, .call = call, .err = err};

    /* The notification and the end of the Request are in one batch: neither is without the other after a crash. */
    call->row = command_row(usp, call->path);
    feed.row = call->row;
    observers_notify(dm_observers(usp->dm), &feed);
    if (row) {
        struct request *request = row->data;

        request->call = NULL;
        dm_begin(usp->dm, NULL);
        if (dm_delete(usp->dm, row, NULL) == 0)
            dm_commit(usp->dm, NULL);
        else
            dm_rollback(usp->dm);
    }
    call_free(call);
}

static int copy_inputs(struct dm_call *call, const struct dm_pair *inputs, size_t count)
{
    call->inputs = arena_calloc(&call->arena, count ? count : 1, sizeof(*call->inputs));
    if (!call->inputs)
        return -1;
    for (size_t i = 0; i < count; i++) {
        call->inputs[i].name = arena_strdup(&call->arena, inputs[i].name);
        call->inputs[i].value = arena_strdup(&call->arena, inputs[i].value);
        if (!call->inputs[i].name || !call->inputs[i].value)
            return -1;
    }
    call->inputs_count = count;
    return 0;
}

static struct dm_call *call_new(struct usp *usp, struct dm_row *row, const struct dm_command *command,
                                const char *path, const char *originator, const char *command_key)
{
    struct dm_call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    arena_init(&call->arena, LIMIT_CALL_ARENA_BYTES);
    call->dm = usp->dm;
    call->row = row;
    call->command = command;
    call->complete = on_complete;
    call->ctx = usp;
    call->originator = arena_strdup(&call->arena, originator);
    call->command_key = arena_strdup(&call->arena, command_key);
    call->path = arena_strdup(&call->arena, path);
    if (!call->originator || !call->command_key || !call->path) {
        call_free(call);
        return NULL;
    }
    return call;
}

static struct dm_row *row_new(struct usp *usp, struct dm_call *call, struct error *err)
{
    struct dm_row *row = dm_add(usp->dm, usp->local_agent, usp->requests, 0, err);
    struct request *request;

    if (!row)
        return NULL;
    request = row->data;
    request->originator = strdup(call->originator);
    request->command = strdup(call->path);
    request->command_key = strdup(call->command_key);
    request->status = REQUEST_ACTIVE;
    if (!request->originator || !request->command || !request->command_key) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "out of memory");
        return NULL;
    }
    return row;
}

int usp_request_start(struct usp *usp, struct dm_row *row, const struct dm_command *command, const char *path,
                      const char *originator, const char *command_key, const struct dm_pair *inputs,
                      size_t count, uint32_t *ret_request, struct error *err)
{
    struct dm_call *call = call_new(usp, row, command, path, originator, command_key);
    struct dm_row *request = NULL;

    if (!call || copy_inputs(call, inputs, count) < 0) {
        if (call)
            call_free(call);
        return error_set(err, ERROR_RESOURCES_EXCEEDED, path, "out of memory");
    }
    dm_begin(usp->dm, NULL);
    request = row_new(usp, call, err);
    if (request) {
        call->request = request->instance;
        *ret_request = request->instance;
    }
    if (!request || command->run(call, err) < 0) {
        /* Refused: there never was a Request. */
        dm_rollback(usp->dm);
        call_free(call);
        return -1;
    }
    /* A command may complete at once: then the row is gone again, and so is the call. */
    request = request_row(usp, *ret_request);
    if (request)
        ((struct request *)request->data)->call = call;
    return dm_commit(usp->dm, err);
}

struct dm_call *usp_request_resume(struct usp *usp, uint32_t instance)
{
    struct dm_row *row = request_row(usp, instance);
    struct request *request = row ? row->data : NULL;
    struct dm_row *object;
    enum dm_member_kind kind;
    const char *name;
    int index;

    if (!request || request->call || !request->command)
        return NULL;
    object = command_row(usp, request->command);
    name = strrchr(request->command, '.');
    index = object ? dm_node_member(object->node, str_of(name + 1), &kind) : -1;
    if (index < 0 || kind != DM_MEMBER_COMMAND)
        return NULL;
    request->call = call_new(usp, object, &object->node->object->commands[index], request->command,
                             request->originator ? request->originator : "",
                             request->command_key ? request->command_key : "");
    if (request->call)
        request->call->request = instance;
    return request->call;
}

/* A Request that nobody goes on with: the command is considered to have failed by the restart. */
static void abandon(struct usp *usp, struct dm_row *row, bool failed)
{
    struct request *request = row->data;
    struct dm_call *call = failed ? usp_request_resume(usp, row->instance) : NULL;
    struct error err;

    error_set(&err, ERROR_COMMAND_FAILURE, request->command,
              "the agent was restarted before the command ended");
    if (call) {
        dm_call_complete(call, &err);
        return;
    }
    dm_begin(usp->dm, NULL);
    if (dm_delete(usp->dm, row, NULL) == 0)
        dm_commit(usp->dm, NULL);
    else
        dm_rollback(usp->dm);
}

void usp_requests_abandon(struct usp *usp, bool failed)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->requests, &rows);

    for (uint32_t i = count; i-- > 0;) {
        struct request *request = rows[i]->data;

        if (!request->call)
            abandon(usp, rows[i], failed);
        dm_rows(usp->local_agent, usp->requests, &rows); /* the table changed */
    }
}

void usp_requests_forget(struct usp *usp)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->requests, &rows);

    for (uint32_t i = 0; i < count; i++)
        usp_request_done(rows[i]);
}

int usp_request_cancel(struct dm_row *row, struct error *err)
{
    struct request *request = row->data;
    struct dm_call *call = request->call;

    if (!call || !call->command->cancel)
        return error_set(err, ERROR_COMMAND_FAILURE, request->command, "this command cannot be cancelled");
    return call->command->cancel(call, err);
}

void usp_request_set_status(struct usp *usp, uint32_t instance, enum request_status status)
{
    struct dm_row *row = request_row(usp, instance);
    struct request *request = row ? row->data : NULL;

    if (!request || request->status == status)
        return;
    request->status = status;
    dm_changed(usp->dm, row, dm_node_param(row->node, "Status"));
}

void usp_request_done(struct dm_row *row)
{
    struct request *request = row->data;

    if (!request->call)
        return;
    if (request->call->command->forget)
        request->call->command->forget(request->call);
    call_free(request->call);
    request->call = NULL;
}
