/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of usp/ share and nobody else includes. */
#ifndef USP_INTERNAL_H
#define USP_INTERNAL_H

#include "base/arena.h"
#include "base/store.h"
#include "usp/access.h"
#include "usp/controller.h"
#include "usp/record.h"
#include "usp/request.h"
#include "usp/security.h"
#include "usp/subscription.h"
#include "usp/usp.h"

/* A record that waits until the store's batch is durable: an answer must not be ahead of what it says. */
struct held {
    struct held *next;
    struct usp_route route; /* its topic is the held record's own */
    char *topic;
    struct buf record; /* route.in_session: still a message, it gets its number when it leaves */
    /* An answer: what is sent instead when the batch failed. */
    char *msg_id;
    char *to;
};

struct usp {
    struct dm *dm;
    struct store *store;
    struct loop *loop;
    const struct limits *limits;
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

    const struct usp_security_ops *security; /* NULL: none */
    void *security_ctx;
    size_t session_bytes; /* that all sessions keep */

    uint64_t boot;              /* makes message ids differ from those before a restart */
    uint64_t next_notification; /* key in the store: order survives a restart */
};

/* send.c */
/* Sends a message, in a record of its own or in the route's session, now or when the open batch is durable. Takes it
 * over. msg_id: of the request that it answers, else "". */
void usp_send(struct usp *usp, const struct usp_route *route, struct buf *message, struct str to,
              struct str msg_id);
/* A whole record, now. Takes it over. -1: the channel does not take it. */
int usp_send_record(struct usp *usp, const struct usp_route *route, struct buf *record);
/* The controller is gone: nothing that is held goes into its session. */
void usp_send_forget(struct usp *usp, const struct controller *controller);
/* What is still held is not sent any more. */
void usp_send_done(struct usp *usp);

/* usp.c */
/* May it be heard, with what it showed of itself? Else USP_IGNORED and err. */
enum usp_verdict usp_admit(struct controller *controller, const struct usp_channel *shown, struct error *err);
enum usp_verdict usp_ignore(struct usp *usp, struct error *err, uint32_t code, const char *why,
                            struct str who);
void usp_take_message(struct usp *usp, struct controller *controller, const struct usp_route *route,
                      struct str payload);

/* session.c */
/* Puts what goes to the controller by itself into its session, if it has to be in one: false when it has to wait. */
bool usp_session_route(struct controller *controller, struct usp_route *route);
/* The controller can be reached: a session that it requires starts. */
void usp_session_reachable(struct controller *controller);
/* It spoke without a session, or said that it leaves. */
void usp_session_without(struct controller *controller);
void usp_session_left(struct controller *controller);
void usp_session_done(struct controller *controller);

/* session_send.c */
/* The message leaves in the session with the controller; takes it over. -1: there is none any more. */
int usp_session_send(struct controller *controller, const struct usp_route *route, struct buf *message);

/* session_receive.c */
enum usp_verdict usp_session_receive(struct controller *controller, const struct usp_channel *from,
                                     const struct usp_route *route, struct str data,
                                     const struct usp_record *record, struct error *err);

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
