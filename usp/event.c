/* SPDX-License-Identifier: BSD-3-Clause */
/* What the change feed says becomes notifications; the events that a controller gets for itself. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"

/* ---- the members of Notify's oneof ---- */

static void write_value_change(struct buf *out, const struct dm_feed *feed)
{
    const struct dm_param *param = &feed->row->node->object->params[feed->member];
    size_t mark = pb_begin(out, USP_NOTIFY_VALUE_CHANGE);
    char path[DM_PATH_BYTES + 128];
    char scratch[DM_SCRATCH_BYTES];
    size_t len = dm_row_path(feed->row, path);

    len += str_copy(path + len, sizeof(path) - len, param->name);
    pb_write_text(out, USP_NOTIFY_VALUE_CHANGE_PARAM_PATH, (struct str){path, len});
    pb_write_text(out, USP_NOTIFY_VALUE_CHANGE_PARAM_VALUE,
                  param->flags & DM_SECRET ? STR("") : dm_get_text(feed->row, feed->member, scratch));
    pb_end(out, mark);
}

static void write_creation(struct buf *out, const struct dm_feed *feed)
{
    const struct dm_key *keys = feed->row->node->object->keys;
    size_t mark = pb_begin(out, USP_NOTIFY_OBJ_CREATION);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(feed->row, path);

    pb_write_text(out, USP_NOTIFY_OBJECT_CREATION_OBJ_PATH, (struct str){path, len});
    for (; keys && keys->params[0]; keys++) {
        for (size_t i = 0; keys->params[i]; i++) {
            char scratch[DM_SCRATCH_BYTES];
            int param = dm_node_param(feed->row->node, keys->params[i]);

            pb_write_entry(out, USP_NOTIFY_OBJECT_CREATION_UNIQUE_KEYS, str_of(keys->params[i]),
                           dm_get_text(feed->row, param, scratch));
        }
    }
    pb_end(out, mark);
}

static void write_deletion(struct buf *out, const struct dm_feed *feed)
{
    size_t mark = pb_begin(out, USP_NOTIFY_OBJ_DELETION);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(feed->row, path);

    pb_write_text(out, USP_NOTIFY_OBJECT_DELETION_OBJ_PATH, (struct str){path, len});
    pb_end(out, mark);
}

void usp_write_event(struct buf *out, const struct dm_row *row, const char *event, const struct dm_pair *args,
                     size_t count)
{
    size_t mark = pb_begin(out, USP_NOTIFY_EVENT);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(row, path);

    pb_write_text(out, USP_NOTIFY_EVENT_OBJ_PATH, (struct str){path, len});
    pb_write_text(out, USP_NOTIFY_EVENT_EVENT_NAME, str_of(event));
    for (size_t i = 0; i < count; i++)
        pb_write_entry(out, USP_NOTIFY_EVENT_PARAMS, str_of(args[i].name), str_of(args[i].value));
    pb_end(out, mark);
}

static void write_complete(struct buf *out, const struct dm_feed *feed)
{
    const struct dm_call *call = feed->call;
    size_t mark = pb_begin(out, USP_NOTIFY_OPER_COMPLETE);
    char path[DM_PATH_BYTES];
    size_t len = dm_row_path(feed->row, path);
    size_t inner;

    pb_write_text(out, USP_NOTIFY_OPERATION_COMPLETE_OBJ_PATH, (struct str){path, len});
    pb_write_text(out, USP_NOTIFY_OPERATION_COMPLETE_COMMAND_NAME, str_of(call->command->name));
    pb_write_text(out, USP_NOTIFY_OPERATION_COMPLETE_COMMAND_KEY, str_of(call->command_key));
    if (feed->err) {
        inner = pb_begin(out, USP_NOTIFY_OPERATION_COMPLETE_CMD_FAILURE);
        pb_write_fixed32(out, USP_NOTIFY_COMMAND_FAILURE_ERR_CODE, feed->err->code);
        pb_write_text(out, USP_NOTIFY_COMMAND_FAILURE_ERR_MSG, usp_error_text(feed->err));
    } else {
        inner = pb_begin(out, USP_NOTIFY_OPERATION_COMPLETE_REQ_OUTPUT_ARGS);
        for (size_t i = 0; i < call->outputs_count; i++)
            pb_write_entry(out, USP_NOTIFY_OUTPUT_ARGS_OUTPUT_ARGS, str_of(call->outputs[i].name),
                           str_of(call->outputs[i].value));
    }
    pb_end(out, inner);
    pb_end(out, mark);
}

/* ---- the feed ---- */

struct telling {
    const struct dm_feed *feed;
    struct buf oneof; /* written for the first subscription that matches, the same for all */
    struct controller *only;
    bool first;    /* ahead of what waits already */
    bool in_batch; /* it happens in the store's open batch, as all of one job's end does */
};

static void write_oneof(struct telling *telling)
{
    const struct dm_feed *feed = telling->feed;

    if (telling->oneof.len || telling->oneof.failed)
        return;
    switch (feed->type) {
    case DM_FEED_VALUE:
        write_value_change(&telling->oneof, feed);
        break;
    case DM_FEED_CREATED:
        write_creation(&telling->oneof, feed);
        break;
    case DM_FEED_DELETED:
        write_deletion(&telling->oneof, feed);
        break;
    case DM_FEED_EVENT:
        usp_write_event(&telling->oneof, feed->row, feed->row->node->object->events[feed->member].name,
                        feed->args, feed->args_count);
        break;
    case DM_FEED_COMPLETE:
        write_complete(&telling->oneof, feed);
        break;
    }
}

static void tell(void *ctx, struct subscription *subscription)
{
    struct telling *telling = ctx;
    struct controller *controller = usp_subscription_recipient(subscription);
    struct notify_options options = {
        .id = subscription->id ? subscription->id : "",
        .retry = subscription->notif_retry,
        .expiration_s = subscription->notif_expiration,
        .session = subscription->session,
        .in_batch = telling->in_batch,
        .first = telling->first,
    };

    if (!controller || (telling->only && controller != telling->only))
        return;
    if (subscription->trigger_action != TRIGGER_CONFIG) {
        write_oneof(telling);
        usp_notify(controller, &options, &telling->oneof);
    }
    if (subscription->trigger_action != TRIGGER_NOTIFY)
        usp_trigger(subscription);
}

static void distribute(struct usp *usp, const struct dm_feed *feed, struct controller *only, bool first)
{
    bool joined = feed->type == DM_FEED_EVENT && !only && store_pending(usp->store);
    struct telling telling = {
        .feed = feed, .only = only, .first = first, .in_batch = joined || feed->type == DM_FEED_COMPLETE};

    if (!feed->row)
        return;
    if (feed->type == DM_FEED_VALUE && (feed->row->node->object->params[feed->member].flags & DM_NO_NOTIFY))
        return;
    buf_init(&telling.oneof, LIMIT_RECORD_BYTES, 0);
    usp_subscriptions_matching(usp, feed, tell, &telling);
    buf_done(&telling.oneof);
}

/* R-NOT.0a: in the iteration of the loop in which the change has become durable. */
void usp_on_feed(void *ctx, const void *event)
{
    distribute(ctx, event, NULL, false);
}

void usp_raise_for(struct controller *controller, struct dm_row *row, const char *event,
                   const struct dm_pair *args, size_t count)
{
    enum dm_member_kind kind;
    struct dm_feed feed = {.type = DM_FEED_EVENT, .row = row, .args = args, .args_count = count};

    feed.member = dm_node_member(row->node, str_of(event), &kind);
    if (feed.member >= 0 && kind == DM_MEMBER_EVENT)
        distribute(controller->usp, &feed, controller, strcmp(event, "Boot!") == 0);
}

/* ---- Boot! ---- */

struct boot_values {
    struct usp *usp;
    const struct dm_access *access;
    cJSON *map;
};

static int add_value(void *ctx, const struct dm_target *target)
{
    struct boot_values *values = ctx;
    char path[DM_PATH_BYTES + 128];
    char scratch[DM_SCRATCH_BYTES];
    struct str text;
    char *copy;
    size_t len;

    if (target->kind != DM_TARGET_PARAM)
        return 0;
    len = dm_row_path(target->row, path);
    str_copy(path + len, sizeof(path) - len, target->node->object->params[target->member].name);
    text = usp_access_text(values->access, target->row, target->member, scratch);
    copy = arena_strndup(&values->usp->feed_arena, text.data, text.len);
    if (copy)
        cJSON_AddStringToObject(values->map, path, copy);
    return 0;
}

/* ParameterMap: the values of the controller's enabled BootParameter rows, as a JSON object. */
static char *parameter_map(struct controller *controller)
{
    struct usp *usp = controller->usp;
    struct dm_node *node = dm_node_child(controller->row->node, STR("BootParameter"));
    struct boot_values values = {usp, usp_access(usp, controller), cJSON_CreateObject()};
    struct dm_resolver resolver = {.dm = usp->dm,
                                   .arena = &usp->feed_arena,
                                   .access = values.access,
                                   .found = add_value,
                                   .ctx = &values};
    struct dm_row *const *rows;
    uint32_t count = node ? dm_rows(controller->row, node, &rows) : 0;
    char *text;

    for (uint32_t i = 0; values.map && i < count; i++) {
        char scratch[DM_SCRATCH_BYTES];
        struct dm_value enable;

        dm_get(rows[i], dm_node_param(node, "Enable"), &enable, scratch);
        if (enable.boolean)
            dm_resolve(&resolver, dm_get_text(rows[i], dm_node_param(node, "ParameterName"), scratch), NULL);
    }
    text = values.map ? cJSON_PrintUnformatted(values.map) : NULL;
    cJSON_Delete(values.map);
    arena_reset(&usp->feed_arena);
    return text;
}

void usp_raise_boot(struct usp *usp, const struct usp_boot *boot)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->controllers, &rows);

    for (uint32_t i = 0; i < count; i++) {
        struct controller *controller = rows[i]->data;
        char *map = parameter_map(controller);
        struct dm_pair args[] = {
            {"CommandKey", boot->command_key},
            {"Cause", boot->cause},
            {"Reason", boot->reason},
            {"FirmwareUpdated", boot->firmware_updated ? "true" : "false"},
            {"ParameterMap", map ? map : "{}"},
        };

        usp_raise_for(controller, dm_root(usp->dm), "Boot!", args, sizeof(args) / sizeof(args[0]));
        cJSON_free(map);
    }
}
