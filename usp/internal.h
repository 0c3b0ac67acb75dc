/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of usp/ share and nobody else includes. */
#ifndef USP_INTERNAL_H
#define USP_INTERNAL_H

#include "base/arena.h"
#include "base/store.h"
#include "usp/access.h"
#include "usp/controller.h"
#include "usp/request.h"
#include "usp/subscription.h"
#include "usp/usp.h"

/* A record that waits until the store's batch is durable: an answer must not be ahead of what it says. */
struct held {
    struct held *next;
    struct usp_channel *channel;
    char *topic;
    struct buf record;
    /* An answer: what is sent instead when the batch failed. */
    char *msg_id;
    char *to;
};

struct usp {
    struct dm *dm;
    struct store *store;
    struct loop *loop;
    const struct usp_ops *ops;
    void *ctx;
    char *endpoint_id;
    struct usp_stats stats;
    struct arena arena;      /* of the request being answered */
    struct arena feed_arena; /* of the change being told */
    struct observer feed;
    bool started;

    struct held *held;
    struct held **held_last;
    struct held **answer_at; /* while a request is handled: where its answer goes, ahead of what it causes */
    struct store_waiter held_waiter;
    bool held_waiting;

    struct dm_node *controllers; /* Device.LocalAgent.Controller.{i}. */
    struct dm_row *local_agent;  /* Device.LocalAgent. */
    struct dm_node *subscriptions;
    struct dm_node *requests;
    struct subscription_ref **refs; /* by index of the object in dm_nodes() */
    uint64_t changes;               /* of the feed, counted */
    uint32_t access_generation;
    struct dm_access no_access; /* for when a controller's own table cannot be made */

    uint64_t boot;              /* makes message ids differ from those before a restart */
    uint64_t next_notification; /* key in the store: order survives a restart */
};

/* send.c */
/* Sends now, or when the open batch is durable. Takes over the record. */
void usp_send(struct usp *usp, const struct usp_route *route, struct buf *record, struct str to,
              struct str msg_id);

/* While a request is handled, what it causes to be sent waits behind its answer. */
void usp_answer_begin(struct usp *usp);
void usp_answer_end(struct usp *usp);

/* notify.c */
void usp_on_feed(void *ctx, const void *event);
int usp_notifications_load(struct usp *usp, struct error *err);
/* A Notify response came (R-NOT.9). */
void usp_notify_response(struct controller *controller, struct str msg_id);
void usp_notifications_send(struct controller *controller);
void usp_notifications_forget(struct controller *controller);
/* What was sent for this subscription is not sent again: the subscription is gone. */
void usp_notifications_forget_subscription(struct controller *controller, const char *id);
/* Only the memory: the program ends. */
void usp_notifications_free(struct controller *controller);
/* Queues a Notify: `notification` is one member of its oneof, already with its tag. id: "" for OnBoardRequest. */
struct notify_options {
    const char *id;
    bool retry;
    bool in_batch;    /* tells of what the store's open batch holds: never happened when that is lost */
    uint64_t session; /* number of the channel that it is for, if that is still open; 0: any */
    uint32_t expiration_s;
    bool onboarding;
    bool first; /* ahead of what waits already */
};
int usp_notify(struct controller *controller, const struct notify_options *options,
               const struct buf *notification);

/* event.c */
void usp_write_event(struct buf *out, const struct dm_row *row, const char *event, const struct dm_pair *args,
                     size_t count);
/* Raises an event of the row towards one controller only (Periodic!, Boot!). */
void usp_raise_for(struct controller *controller, struct dm_row *row, const char *event,
                   const struct dm_pair *args, size_t count);
void usp_raise_boot(struct usp *usp, const struct usp_boot *boot);
void usp_onboard_arm(struct controller *controller);

/* trigger.c */
void usp_trigger(struct subscription *subscription);

struct controller *usp_subscription_recipient(struct subscription *subscription);

#endif
