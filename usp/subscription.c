/* SPDX-License-Identifier: BSD-3-Clause */
#include "usp/subscription.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/path.h"
#include "usp/internal.h"

/* ---- the index ---- */

static bool names_no_instance(const struct dm_path *path)
{
    for (uint32_t i = 0; i < path->count; i++)
        if (path->segments[i].kind == DM_SEGMENT_INSTANCE ||
            path->segments[i].kind == DM_SEGMENT_EXPRESSION || path->segments[i].follow != DM_FOLLOW_NONE)
            return false;
    return true;
}

/* Fills one ref from an item of the list; false when the item is nothing that this agent has. */
static bool compile_item(struct subscription *subscription, struct arena *arena, struct str item,
                         struct subscription_ref *ret)
{
    struct usp *usp = subscription->usp;
    struct dm_target target;
    struct dm_path path;

    if (dm_path_parse(arena, item, &path, NULL) < 0 ||
        dm_resolve_supported(usp->dm, arena, item, &target, NULL) < 0)
        return false;
    *ret = (struct subscription_ref){
        .subscription = subscription,
        .node = target.node->index,
        .member = (int16_t)target.member,
        .everywhere = names_no_instance(&path),
        .offset = (uint16_t)(item.data - subscription->reference_list),
        .len = (uint16_t)item.len,
    };
    return true;
}

static uint32_t count_items(struct str list)
{
    struct str item;
    uint32_t count = 0;

    while (list.len && dm_path_next(&list, &item))
        count++;
    return count;
}

static int refs_table(struct usp *usp)
{
    struct dm_node *const *nodes;

    if (!usp->refs)
        usp->refs = calloc(dm_nodes(usp->dm, &nodes), sizeof(struct subscription_ref *));
    return usp->refs ? 0 : -1;
}

static void unindex(struct subscription *subscription)
{
    for (uint16_t i = 0; i < subscription->refs_count; i++) {
        struct subscription_ref *ref = &subscription->refs[i];
        struct subscription_ref **at = &subscription->usp->refs[ref->node];

        while (*at && *at != ref)
            at = &(*at)->next;
        if (*at)
            *at = ref->next;
    }
    free(subscription->refs);
    subscription->refs = NULL;
    subscription->refs_count = 0;
}

static void index_refs(struct subscription *subscription)
{
    struct str list = str_of(subscription->reference_list);
    struct arena arena;
    struct str item;

    unindex(subscription);
    if (!subscription->enable || !list.len || refs_table(subscription->usp) < 0)
        return;
    subscription->refs = calloc(count_items(list), sizeof(*subscription->refs));
    if (!subscription->refs)
        return;
    arena_init(&arena, 0);
    while (list.len && dm_path_next(&list, &item)) {
        struct subscription_ref *ref = &subscription->refs[subscription->refs_count];

        if (!compile_item(subscription, &arena, str_trim(item), ref))
            continue;
        ref->next = subscription->usp->refs[ref->node];
        subscription->usp->refs[ref->node] = ref;
        subscription->refs_count++;
    }
    arena_done(&arena);
}

/* ---- matching ---- */

static bool type_fits(const struct subscription *subscription, enum dm_feed_type type)
{
    static const enum subscription_type types[] = {
        [DM_FEED_VALUE] = SUBSCRIBE_VALUE_CHANGE,          [DM_FEED_CREATED] = SUBSCRIBE_OBJECT_CREATION,
        [DM_FEED_DELETED] = SUBSCRIBE_OBJECT_DELETION,     [DM_FEED_EVENT] = SUBSCRIBE_EVENT,
        [DM_FEED_COMPLETE] = SUBSCRIBE_OPERATION_COMPLETE,
    };

    return subscription->notif_type == types[type];
}

static int feed_member(const struct dm_feed *feed)
{
    if (feed->type == DM_FEED_COMPLETE)
        return (int)(feed->call->command - feed->row->node->object->commands);
    return feed->type == DM_FEED_VALUE || feed->type == DM_FEED_EVENT ? feed->member : -1;
}

static bool ref_fits(struct usp *usp, const struct subscription_ref *ref, const struct dm_feed *feed,
                     bool own)
{
    struct subscription *subscription = ref->subscription;
    struct dm_path path;
    bool covers;

    if (!type_fits(subscription, feed->type))
        return false;
    /* A member is of the row's own object; creation and deletion are of the table itself, not of one below. */
    if (ref->member >= 0 && (!own || ref->member != feed_member(feed)))
        return false;
    if ((feed->type == DM_FEED_CREATED || feed->type == DM_FEED_DELETED) && !own)
        return false;
    if (ref->everywhere)
        return true;
    covers = dm_path_parse(&usp->feed_arena,
                           (struct str){subscription->reference_list + ref->offset, ref->len}, &path,
                           NULL) == 0 &&
             dm_path_covers(usp->dm, &usp->feed_arena, &path, feed->row);
    return covers;
}

/* R-SEC.1: nobody is told of what their role may not be notified of. */
static bool permitted(struct usp *usp, struct controller *controller, const struct dm_feed *feed)
{
    const struct dm_node *node = feed->row->node;
    int member = feed_member(feed);
    uint32_t id = 0;

    switch (feed->type) {
    case DM_FEED_VALUE:
        id = dm_id_param(node, member);
        break;
    case DM_FEED_CREATED:
        id = dm_id_object(node);
        break;
    case DM_FEED_DELETED:
        id = dm_id_instance(node);
        break;
    case DM_FEED_EVENT:
        id = dm_id_event(node, member);
        break;
    case DM_FEED_COMPLETE:
        id = dm_id_command(node, member);
        break;
    }
    return dm_may(usp_access(usp, controller), feed->row, id, DM_MAY_NOTIFY);
}

struct controller *usp_subscription_recipient(struct subscription *subscription)
{
    struct dm_row *row = dm_row_find(subscription->usp->dm, str_of(subscription->recipient));

    return row && row->node == subscription->usp->controllers ? row->data : NULL;
}

void usp_subscriptions_matching(struct usp *usp, const struct dm_feed *feed,
                                void (*fn)(void *ctx, struct subscription *subscription), void *ctx)
{
    if (!usp->refs || !feed->row)
        return;
    usp->changes++;
    for (const struct dm_node *node = feed->row->node; node; node = node->parent) {
        struct subscription_ref *next;

        for (struct subscription_ref *ref = usp->refs[node->index]; ref; ref = next) {
            struct controller *controller;

            next = ref->next;
            if (ref->subscription->told == usp->changes || !ref_fits(usp, ref, feed, node == feed->row->node))
                continue;
            ref->subscription->told = usp->changes;
            controller = usp_subscription_recipient(ref->subscription);
            if (controller && controller->enable && permitted(usp, controller, feed))
                fn(ctx, ref->subscription);
        }
    }
    arena_reset(&usp->feed_arena);
}

/* ---- hooks ---- */

static void on_expiry(struct timer *timer, void *ctx)
{
    struct subscription *subscription = ctx;
    struct dm *dm = subscription->usp->dm;

    (void)timer;
    dm_begin(dm, NULL);
    if (dm_delete(dm, subscription->row, NULL) == 0)
        dm_commit(dm, NULL);
    else
        dm_rollback(dm);
}

/* TimeToLive counts from the creation, over restarts too. */
static void arm_expiry(struct subscription *subscription)
{
    struct loop *loop = subscription->usp->loop;
    int64_t left = subscription->creation_date + subscription->time_to_live - clock_wall(&loop->clock);

    timer_cancel(&loop->timers, &subscription->expiry);
    if (subscription->time_to_live)
        timer_arm(&loop->timers, &subscription->expiry, left > 0 ? (uint64_t)left * 1000 : 0);
}

int usp_subscription_init(struct usp *usp, struct dm_row *row, struct dm_row *requester, struct error *err)
{
    struct subscription *subscription = row->data;
    char path[DM_PATH_BYTES];

    subscription->creation_date = clock_wall(&usp->loop->clock);
    if (!requester)
        return 0;
    path[dm_row_path(requester, path) - 1] = '\0';
    if (str_replace(&subscription->recipient, path) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    return 0;
}

int usp_subscription_check(struct usp *usp, struct dm_row *row, struct error *err)
{
    const struct subscription *subscription = row->data;
    struct str list = str_of(subscription->reference_list);
    struct arena arena;
    struct str item;
    int result = 0;

    if (list.len > UINT16_MAX)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "ReferenceList is too long");
    arena_init(&arena, 0);
    while (result == 0 && list.len && dm_path_next(&list, &item)) {
        struct dm_path path;

        result = dm_path_parse(&arena, str_trim(item), &path, err);
    }
    arena_done(&arena);
    (void)usp;
    if (result < 0 && err) {
        err->code = ERROR_INVALID_VALUE;
        str_copy(err->path + dm_row_path(row, err->path), 32, "ReferenceList");
    }
    return result;
}

void usp_subscription_applied(struct usp *usp, struct dm_row *row, enum dm_change_kind kind)
{
    struct subscription *subscription = row->data;
    struct controller *controller;

    if (!subscription->usp) {
        subscription->usp = usp;
        subscription->row = row;
        timer_init(&subscription->expiry, on_expiry, subscription);
    }
    if (kind != DM_ROW_DELETED) {
        index_refs(subscription);
        arm_expiry(subscription);
        return;
    }
    unindex(subscription);
    timer_cancel(&usp->loop->timers, &subscription->expiry);
    controller = usp_subscription_recipient(subscription);
    if (controller)
        usp_notifications_forget_subscription(controller, subscription->id ? subscription->id : "");
}

int usp_subscriptions_purge(struct usp *usp, struct error *err)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->subscriptions, &rows);

    dm_begin(usp->dm, NULL);
    for (uint32_t i = count; i-- > 0;) {
        const struct subscription *subscription = rows[i]->data;

        if (!subscription->persistent && dm_delete(usp->dm, rows[i], err) < 0) {
            dm_rollback(usp->dm);
            return -1;
        }
        dm_rows(usp->local_agent, usp->subscriptions, &rows); /* the table may have moved */
    }
    return dm_commit(usp->dm, err) < 0 ? -1 : dm_flush(usp->dm, err);
}

void usp_subscription_done(struct dm_row *row)
{
    struct subscription *subscription = row->data;

    if (!subscription->usp)
        return;
    timer_cancel(&subscription->usp->loop->timers, &subscription->expiry);
    free(subscription->refs); /* the index itself goes, or the hook was here before */
    subscription->refs = NULL;
}
