/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications on their way: each controller has a queue. One that wants a response (NotifRetry, OnBoardRequest) is in
 * the store until it was acknowledged or expired, so it survives a restart; it is sent again after the back-off of
 * R-NOT.1 and whenever the controller becomes reachable. One that wants none is sent once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"
#include "usp/record.h"

static const char KIND[] = "notify";

enum {
    ID_BYTES = 48,
    KEY_BYTES = 320,
    VALUE_HEAD_BYTES = 1 + 8 + ID_BYTES, /* flags, expiry, message id */
    FLAG_ONBOARDING = 1,
};

struct notification {
    struct notification *next;
    struct controller *controller;
    uint64_t number; /* order, and key in the store */
    char msg_id[ID_BYTES];
    bool retry;
    bool onboarding;
    bool sent;        /* at least once since the controller became reachable */
    bool in_batch;    /* waits for the batch in which what it tells happened */
    uint64_t session; /* see struct notify_options */
    struct store_waiter batch;
    uint32_t tries;
    int64_t expires; /* s since 1970; 0 never */
    struct timer timer;
    char *subscription_id;
    size_t len;
    uint8_t content[]; /* of the Notify message */
};

/* ---- the queue ---- */

static struct str store_key(const struct notification *notification, char key[KEY_BYTES])
{
    int len = snprintf(key, KEY_BYTES, "%s/%016llx", notification->controller->endpoint_id,
                       (unsigned long long)notification->number);

    return (struct str){key, len < KEY_BYTES ? (size_t)len : KEY_BYTES - 1};
}

static void free_notification(struct notification *notification)
{
    timer_cancel(&notification->controller->usp->loop->timers, &notification->timer);
    if (notification->in_batch)
        store_unwait(notification->controller->usp->store, &notification->batch);
    free(notification->subscription_id);
    free(notification);
}

static void mark_sent(struct notification *notification, bool sent)
{
    if (notification->sent == sent)
        return;
    notification->sent = sent;
    notification->controller->unsent += sent ? -1u : 1u;
}

static void unlink_notification(struct notification *notification)
{
    struct controller *controller = notification->controller;
    struct notification **at = &controller->first;

    while (*at && *at != notification)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = notification->next;
    if (!*at)
        controller->last = at;
    controller->waiting--;
    if (!notification->sent)
        controller->unsent--;
}

/* Delivered, expired or given up. */
static void finish(struct notification *notification)
{
    char key[KEY_BYTES];

    if (notification->retry)
        store_delete(notification->controller->usp->store, KIND, store_key(notification, key), NULL);
    unlink_notification(notification);
    free_notification(notification);
}

static int save(const struct notification *notification, struct error *err)
{
    char key[KEY_BYTES];
    struct buf value;
    int result = -1;

    buf_init(&value, LIMIT_RECORD_BYTES, 0);
    buf_append_byte(&value, notification->onboarding ? FLAG_ONBOARDING : 0);
    buf_append(&value, &notification->expires, sizeof(notification->expires));
    buf_append(&value, notification->msg_id, ID_BYTES);
    buf_append(&value, notification->content, notification->len);
    if (!value.failed)
        result = store_put(notification->controller->usp->store, KIND, store_key(notification, key),
                           buf_data(&value), value.len, err);
    buf_done(&value);
    return result;
}

/* ---- sending ---- */

/* Whom the BannedRole has is told nothing. */
static bool reachable(struct controller *controller, struct usp_route *ret)
{
    struct usp *usp = controller->usp;

    return controller->enable && !usp_access_banned(usp, controller) &&
           usp->ops->route(usp->ctx, controller, ret) == 0 && usp_session_route(controller, ret);
}

/* Of several sessions with one endpoint, the one that asked for it. */
static struct usp_route route_of(const struct notification *notification, const struct usp_route *any)
{
    const struct usp *usp = notification->controller->usp;
    struct usp_channel *own = notification->session && usp->ops->numbered
                                  ? usp->ops->numbered(usp->ctx, notification->session)
                                  : NULL;
    bool same = own && own->peer && any->channel && any->channel->number && !any->in_session &&
                strcmp(own->peer, notification->controller->endpoint_id) == 0;
    struct usp_route route = *any;

    if (same)
        route = (struct usp_route){.channel = own};
    return route;
}

static void send_one(struct notification *notification, const struct usp_route *any)
{
    struct controller *controller = notification->controller;
    struct usp *usp = controller->usp;
    struct usp_route route = route_of(notification, any);
    struct str to = str_of(controller->endpoint_id);
    struct buf out;

    buf_init(&out, usp->limits->record_bytes, USP_HEADROOM);
    buf_append(&out, notification->content, notification->len);
    usp_msg_wrap(&out, str_of(notification->msg_id), USP_HEADER_MSG_TYPE_NOTIFY, USP_BODY_REQUEST,
                 USP_REQUEST_NOTIFY);
    usp_send(usp, &route, &out, to, STR(""));
    buf_done(&out);
    mark_sent(notification, true);
    if (!notification->retry) {
        finish(notification);
        return;
    }
    notification->tries++;
    timer_arm(&usp->loop->timers, &notification->timer,
              timer_backoff(controller->retry_minimum, controller->retry_multiplier, notification->tries, 0));
}

static bool expired(const struct notification *notification)
{
    return notification->expires &&
           clock_wall(&notification->controller->usp->loop->clock) >= notification->expires;
}

static void on_retry(struct timer *timer, void *ctx)
{
    struct notification *notification = ctx;
    struct controller *controller = notification->controller;
    struct usp_route route;

    (void)timer;
    if (expired(notification)) { /* R-NOT.2 */
        finish(notification);
        return;
    }
    if (reachable(controller, &route))
        send_one(notification, &route);
    else
        mark_sent(notification, false); /* goes out when the controller can be reached */
}

void usp_notifications_send(struct controller *controller)
{
    struct notification *next;
    struct usp_route route;

    if (!controller->unsent || !reachable(controller, &route))
        return;
    for (struct notification *notification = controller->first; notification; notification = next) {
        next = notification->next;
        if (expired(notification))
            finish(notification);
        else if (!notification->sent)
            send_one(notification, &route);
    }
}

void usp_controller_reachable(struct usp *usp, struct controller *controller)
{
    (void)usp;
    usp_session_reachable(controller);
    for (struct notification *notification = controller->first; notification;
         notification = notification->next)
        mark_sent(notification, false);
    usp_notifications_send(controller);
}

void usp_reachable(struct usp *usp)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(usp->local_agent, usp->controllers, &rows);

    for (uint32_t i = 0; i < count; i++) {
        usp_session_reachable(rows[i]->data);
        usp_notifications_send(rows[i]->data);
    }
}

/* ---- making ---- */

static struct notification *notification_new(struct controller *controller, const char *id,
                                             const void *content, size_t len)
{
    struct notification *notification = calloc(1, sizeof(*notification) + len);

    if (!notification)
        return NULL;
    notification->controller = controller;
    notification->subscription_id = strdup(id);
    notification->len = len;
    if (len)
        memcpy(notification->content, content, len);
    timer_init(&notification->timer, on_retry, notification);
    if (notification->subscription_id)
        return notification;
    free_notification(notification);
    return NULL;
}

static void enqueue(struct notification *notification)
{
    struct controller *controller = notification->controller;

    if (!controller->last)
        controller->last = &controller->first;
    notification->next = NULL;
    *controller->last = notification;
    controller->last = &notification->next;
    controller->waiting++;
    controller->unsent++;
}

static void enqueue_first(struct notification *notification)
{
    struct controller *controller = notification->controller;

    if (!controller->first) {
        enqueue(notification);
        return;
    }
    notification->next = controller->first;
    controller->first = notification;
    controller->waiting++;
    controller->unsent++;
}

/* What it tells was undone with its batch; when that happens again, it is told then. */
static void on_batch(void *ctx, bool durable)
{
    struct notification *notification = ctx;

    notification->in_batch = false;
    if (!durable)
        finish(notification);
}

/* A full queue drops the oldest that nobody is promised. */
static bool make_room(struct controller *controller)
{
    if (controller->waiting < controller->usp->limits->notifications)
        return true;
    for (struct notification *notification = controller->first; notification;
         notification = notification->next) {
        if (notification->retry)
            continue;
        controller->usp->stats.notifications_dropped++;
        finish(notification);
        return true;
    }
    return false;
}

int usp_notify(struct controller *controller, const struct notify_options *options, const struct buf *oneof)
{
    struct usp *usp = controller->usp;
    struct notification *notification = NULL;
    struct usp_route route;
    struct buf content;

    buf_init(&content, usp->limits->record_bytes, 0);
    pb_write_text(&content, USP_NOTIFY_SUBSCRIPTION_ID, str_of(options->id));
    pb_write_uint(&content, USP_NOTIFY_SEND_RESP, options->retry);
    buf_append(&content, buf_data(oneof), oneof->len);
    if (!content.failed && !oneof->failed && make_room(controller))
        notification = notification_new(controller, options->id, buf_data(&content), content.len);
    buf_done(&content);
    if (!notification) {
        usp->stats.notifications_dropped++;
        return -1;
    }
    notification->number = usp->next_notification++;
    notification->retry = options->retry;
    notification->onboarding = options->onboarding;
    notification->session = options->session;
    if (options->expiration_s)
        notification->expires = clock_wall(&usp->loop->clock) + options->expiration_s;
    snprintf(notification->msg_id, ID_BYTES, "%016llx-%llu", (unsigned long long)usp->boot,
             (unsigned long long)notification->number);
    if (options->first)
        enqueue_first(notification);
    else
        enqueue(notification);
    if (notification->retry)
        save(notification, NULL); /* a full disk: it is still delivered, only not across a restart */
    if (options->in_batch && notification->retry && store_pending(usp->store)) {
        notification->in_batch = true;
        notification->batch = (struct store_waiter){.fn = on_batch, .ctx = notification};
        store_wait(usp->store, &notification->batch);
    }
    /* Usually it is the only one that was not sent: no walk past those that wait for their response. */
    if (controller->unsent > 1)
        usp_notifications_send(controller);
    else if (reachable(controller, &route))
        send_one(notification, &route);
    return 0;
}

void usp_notify_response(struct controller *controller, struct str msg_id)
{
    /* Responses come in order, so the oldest is the one meant: this does not walk the queue. */
    for (struct notification *notification = controller->first; notification;
         notification = notification->next) {
        if (!str_is(msg_id, notification->msg_id) || !notification->retry)
            continue;
        if (notification->onboarding)
            usp_onboard_arm(controller);
        finish(notification); /* the tries are its own: the next one begins at none (R-NOT.3) */
        return;
    }
}

void usp_notifications_forget(struct controller *controller)
{
    while (controller->first)
        finish(controller->first);
}

void usp_notifications_forget_subscription(struct controller *controller, const char *id)
{
    struct notification *next;

    for (struct notification *notification = controller->first; notification; notification = next) {
        next = notification->next;
        if (notification->sent && strcmp(notification->subscription_id, id) == 0)
            finish(notification);
    }
}

void usp_notifications_free(struct controller *controller)
{
    while (controller->first) {
        struct notification *notification = controller->first;

        controller->first = notification->next;
        free_notification(notification);
    }
    controller->last = NULL;
    controller->waiting = 0;
    controller->unsent = 0;
}

/* ---- after a restart ---- */

static struct str subscription_id_of(struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    struct str id = STR("");

    while (pb_next(&reader, &field) > 0)
        if (field.number == USP_NOTIFY_SUBSCRIPTION_ID)
            pb_text(&field, &id);
    return id;
}

static int load_one(void *ctx, struct str key, struct str value)
{
    struct usp *usp = ctx;
    size_t slash = key.len;
    struct controller *controller;
    struct notification *notification;
    struct str content;
    char id[128];

    while (slash && key.data[slash - 1] != '/')
        slash--;
    controller = slash ? usp_controller_find(usp, (struct str){key.data, slash - 1}) : NULL;
    if (!controller || value.len < VALUE_HEAD_BYTES)
        return 0;
    content = (struct str){value.data + VALUE_HEAD_BYTES, value.len - VALUE_HEAD_BYTES};
    snprintf(id, sizeof(id), "%.*s", (int)subscription_id_of(content).len, subscription_id_of(content).data);
    notification = notification_new(controller, id, content.data, content.len);
    if (!notification)
        return 0;
    notification->retry = true;
    notification->onboarding = (value.data[0] & FLAG_ONBOARDING) != 0;
    memcpy(&notification->expires, value.data + 1, sizeof(notification->expires));
    memcpy(notification->msg_id, value.data + 9, ID_BYTES);
    notification->msg_id[ID_BYTES - 1] = '\0';
    notification->number = strtoull(key.data + slash, NULL, 16);
    if (notification->number >= usp->next_notification)
        usp->next_notification = notification->number + 1;
    enqueue(notification);
    return 0;
}

int usp_notifications_load(struct usp *usp, struct error *err)
{
    return store_each(usp->store, KIND, STR(""), load_one, usp, err) < 0 ? -1 : 0;
}
