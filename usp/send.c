/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending, no earlier than what a record says is durable. While the store's batch is open, records wait; when it fails,
 * answers of the batch become errors: what they reported has been undone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "usp/internal.h"
#include "usp/message.h"
#include "usp/record.h"

static void held_free(struct held *held)
{
    buf_done(&held->record);
    free(held->topic);
    free(held->msg_id);
    free(held->to);
    free(held);
}

int usp_send_record(struct usp *usp, const struct usp_route *route, struct buf *record)
{
    int rc = -1;

    if (!record->failed && route->channel)
        rc = route->channel->ops->send(route->channel, route->topic, record, NULL);
    if (rc == 0)
        usp->stats.records_sent++;
    buf_done(record);
    return rc;
}

/* A message for a session, else a whole record. */
static void deliver(struct usp *usp, const struct usp_route *route, struct buf *bytes)
{
    if (route->in_session)
        usp_session_send(route->in_session, route, bytes);
    else
        usp_send_record(usp, route, bytes);
}

/* The answer that is true after the batch was lost. */
static void replace_by_error(struct usp *usp, struct held *held)
{
    struct error err;

    error_set(&err, ERROR_INTERNAL, NULL, "the change could not be stored, and was undone");
    buf_done(&held->record);
    buf_init(&held->record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_msg_error(&held->record, str_of(held->msg_id), &err, NULL);
    if (!held->route.in_session)
        usp_record_wrap(&held->record, str_of(held->to), str_of(usp->endpoint_id));
}

static void on_durable(void *ctx, bool durable)
{
    struct usp *usp = ctx;
    struct held *held = usp->held;

    usp->held = NULL;
    usp->held_last = &usp->held;
    usp->held_waiting = false;
    if (usp->answer_at)
        usp->answer_at = &usp->held;
    while (held) {
        struct held *next = held->next;

        if (!durable && held->msg_id && held->to)
            replace_by_error(usp, held);
        /* A notification of a lost batch is not sent: its record is not in the store either. */
        if (durable || held->msg_id)
            deliver(usp, &held->route, &held->record);
        held_free(held);
        held = next;
    }
}

static struct held *held_new(const struct usp_route *route, struct str to, struct str msg_id)
{
    struct held *held = calloc(1, sizeof(*held));

    if (!held)
        return NULL;
    held->topic = route->topic ? strdup(route->topic) : NULL;
    held->route = (struct usp_route){route->channel, held->topic, route->in_session};
    held->msg_id = msg_id.len ? str_dup(msg_id.data, msg_id.len) : NULL;
    held->to = to.len ? str_dup(to.data, to.len) : NULL;
    if ((route->topic && !held->topic) || (msg_id.len && !held->msg_id) || (to.len && !held->to)) {
        held_free(held);
        return NULL;
    }
    return held;
}

static void wait_for_batch(struct usp *usp)
{
    if (usp->held_waiting)
        return;
    usp->held_waiting = true;
    usp->held_waiter = (struct store_waiter){.fn = on_durable, .ctx = usp};
    store_wait(usp->store, &usp->held_waiter);
}

void usp_answer_begin(struct usp *usp)
{
    usp->answer_at = usp->held_last;
}

void usp_answer_end(struct usp *usp)
{
    usp->answer_at = NULL;
    if (usp->held)
        wait_for_batch(usp); /* or at once, when no batch is open */
}

void usp_send(struct usp *usp, const struct usp_route *route, struct buf *message, struct str to,
              struct str msg_id)
{
    bool behind = usp->answer_at && !msg_id.len;
    struct held **at;
    struct held *held;

    if (!route->in_session)
        usp_record_wrap(message, to, str_of(usp->endpoint_id));
    if (message->failed) {
        buf_done(message);
        return;
    }
    if (!usp->held && !store_pending(usp->store) && !behind) {
        deliver(usp, route, message);
        return;
    }
    held = held_new(route, to, msg_id);
    if (!held) {
        buf_done(message);
        return;
    }
    buf_move(&held->record, message);
    at = usp->answer_at && !behind ? usp->answer_at : usp->held_last;
    held->next = *at;
    *at = held;
    if (at == usp->held_last)
        usp->held_last = &held->next;
    if (!usp->answer_at)
        wait_for_batch(usp);
}

void usp_channel_gone(struct usp *usp, struct usp_channel *channel)
{
    for (struct held *held = usp->held; held; held = held->next)
        if (held->route.channel == channel)
            held->route.channel = NULL;
}

void usp_send_done(struct usp *usp)
{
    if (usp->held_waiting)
        store_unwait(usp->store, &usp->held_waiter);
    while (usp->held) {
        struct held *next = usp->held->next;

        held_free(usp->held);
        usp->held = next;
    }
}

void usp_send_forget(struct usp *usp, const struct controller *controller)
{
    for (struct held *held = usp->held; held; held = held->next)
        if (held->route.in_session == controller)
            held->route = (struct usp_route){0}; /* a message without its session is no record */
}
