/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Subscriptions: the data of a row of Device.LocalAgent.Subscription., and an index from places in the supported model
 * to the subscriptions that name them, so that a change costs what it notifies and nothing is polled (R-NOT.0).
 */
#ifndef USP_SUBSCRIPTION_H
#define USP_SUBSCRIPTION_H

#include "base/timer.h"
#include "usp/controller.h"

enum subscription_type {
    SUBSCRIBE_VALUE_CHANGE,
    SUBSCRIBE_OBJECT_CREATION,
    SUBSCRIBE_OBJECT_DELETION,
    SUBSCRIBE_OPERATION_COMPLETE,
    SUBSCRIBE_EVENT,
};

enum trigger_action {
    TRIGGER_NOTIFY,
    TRIGGER_CONFIG,
    TRIGGER_NOTIFY_AND_CONFIG,
};

/* One item of ReferenceList. */
struct subscription_ref {
    struct subscription_ref *next; /* of the same place */
    struct subscription *subscription;
    uint32_t node;   /* index of the object in dm_nodes() */
    int16_t member;  /* index of parameter, command or event; -1: all below the object */
    bool everywhere; /* no instance is named: any row of the object will do */
    uint16_t offset; /* of the item in the list */
    uint16_t len;
};

struct subscription {
    /* Device.LocalAgent.Subscription.{i}. */
    bool enable;
    char *alias;
    char *recipient; /* path of the controller's row */
    char *id;
    int64_t creation_date;
    uint32_t notif_type; /* enum subscription_type */
    char *reference_list;
    bool persistent;
    uint32_t time_to_live; /* s; 0: for ever */
    bool notif_retry;
    uint32_t notif_expiration; /* s; 0: never */

    uint32_t trigger_action; /* enum trigger_action */
    char *trigger_settings;  /* "Path=Value,..." */

    struct usp *usp;
    struct dm_row *row;
    int64_t triggered_at;          /* s since 1970 */
    uint32_t triggers;             /* in that second */
    struct subscription_ref *refs; /* one allocation */
    uint16_t refs_count;
    struct timer expiry; /* TimeToLive */
    uint64_t
        session;   /* number of the channel that asked for it: what it tells goes there while that is open */
    uint64_t told; /* number of the change that it was told last: once, whatever its list says */
};

/* Hooks for the declaration in datamodel/device/. */
int usp_subscription_init(struct usp *usp, struct dm_row *row, struct dm_row *requester, struct error *err);
int usp_subscription_check(struct usp *usp, struct dm_row *row, struct error *err);
void usp_subscription_applied(struct usp *usp, struct dm_row *row, enum dm_change_kind kind);
void usp_subscription_done(struct dm_row *row);
/* Deletes what is not Persistent. All rows are stored, so that those of the last life still hear of Boot!. */
int usp_subscriptions_purge(struct usp *usp, struct error *err);

/* Calls fn for each enabled subscription that the feed's change concerns. */
void usp_subscriptions_matching(struct usp *usp, const struct dm_feed *feed,
                                void (*fn)(void *ctx, struct subscription *subscription), void *ctx);

#endif
