/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "usp/fields.h"
#include "usp/record.h"

enum {
    NOTICE_ARGS = 64,  /* arguments of one notification that are kept */
    GOODBYE_MS = 2000, /* for taking the subscriptions away */
};

/* ---- what the socket brings ---- */

struct collected {
    struct usp_client_pair args[NOTICE_ARGS];
    size_t count;
};

static int collect(void *ctx, const struct usp_client_fact *fact)
{
    struct collected *collected = ctx;

    if (collected->count < NOTICE_ARGS)
        collected->args[collected->count++] = (struct usp_client_pair){.name = fact->name,
                                                                       .value = fact->value};
    return 0;
}

static bool is_ours(const struct session *session, struct str id)
{
    for (size_t i = 0; i < session->subscribed; i++)
        if (str_is(id, session->subscriptions[i].id))
            return true;
    return false;
}

static void send_record(struct session *session, struct buf *message)
{
    usp_record_wrap(message, str_of(session->agent), str_of(session->settings.endpoint));
    if (message->failed || !session->uds || uds_send(session->uds, message) < 0)
        buf_done(message);
}

static void on_notify(struct session *session, const struct usp_client_message *message)
{
    struct session_notice notice;
    struct collected collected;

    collected.count = 0;
    if (usp_client_read_notify(message, &notice.notify, collect, &collected, NULL) != 0 ||
        !is_ours(session, notice.notify.subscription_id))
        return;
    notice.args = collected.args;
    notice.count = collected.count;
    session->noticed++;
    if (session->on_notice)
        session->on_notice(session->on_notice_ctx, &notice);
    if (notice.notify.send_resp) {
        struct buf buf;

        buf_init(&buf, LIMIT_RECORD_BYTES, USP_HEADROOM);
        usp_client_notify_response(&buf, message->msg_id, notice.notify.subscription_id);
        send_record(session, &buf);
        buf_done(&buf);
    }
    loop_stop(&session->loop);
}

static void on_record(void *ctx, struct uds *uds, const uint8_t *data, size_t len)
{
    struct session *session = ctx;
    struct usp_client_message message;
    struct usp_record record;

    (void)uds;
    if (usp_record_parse((struct str){(const char *)data, len}, &record, NULL) < 0 ||
        record.type != USP_RECORD_NO_SESSION || usp_client_parse(record.payload, &message, NULL) < 0)
        return;
    if (message.type == USP_HEADER_MSG_TYPE_NOTIFY) {
        on_notify(session, &message);
        return;
    }
    if (session->answered || !str_is(message.msg_id, session->msg_id))
        return;
    buf_clear(&session->received, 0);
    if (buf_append(&session->received, record.payload.data, record.payload.len) < 0)
        return;
    session->answered = usp_client_parse(
                            (struct str){(const char *)buf_data(&session->received), session->received.len},
                            &session->answer, NULL) == 0;
    loop_stop(&session->loop);
}

static int on_opened(void *ctx, struct uds *uds, struct str peer)
{
    struct session *session = ctx;

    if (peer.len >= sizeof(session->agent))
        return -1;
    memcpy(session->agent, peer.data, peer.len);
    session->agent[peer.len] = '\0';
    session->uds = uds;
    session->reconnected = session->open;
    loop_stop(&session->loop);
    return 0;
}

static void on_closed(void *ctx, struct uds *uds, const struct error *err)
{
    struct session *session = ctx;

    (void)uds;
    session->uds = NULL;
    session->lost = *err;
    loop_stop(&session->loop);
}

static const struct uds_ops ops = {.opened = on_opened, .record = on_record, .closed = on_closed};

static void on_signal(uv_signal_t *handle, int number)
{
    struct session *session = handle->data;

    (void)number;
    session->interrupted = true;
    loop_stop(&session->loop);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct session *session = ctx;

    (void)timer;
    session->timed_out = true;
    loop_stop(&session->loop);
}

/* ---- opening and closing ---- */

static enum outcome unreachable(const struct session *session, struct error *err)
{
    const char *path = session->settings.socket;
    struct stat st;

    if (stat(path, &st) < 0 && errno == ENOENT)
        error_set(
            err, ERROR_REQUEST_DENIED, path,
            "there is no such socket. Is homepatchd running, and does its UnixDomainSocket.{i}.Path say "
            "this path (--socket)?");
    else if (stat(path, &st) < 0 && errno == EACCES)
        error_set(err, ERROR_REQUEST_DENIED, path,
                  "permission denied. Run it as root or as a member of the agent's group");
    else if (access(path, R_OK | W_OK) < 0)
        error_set(err, ERROR_REQUEST_DENIED, path, "%s. Run it as root or as a member of the agent's group",
                  strerror(errno));
    else
        error_set(err, ERROR_REQUEST_DENIED, path, "%s. Is homepatchd running?",
                  session->lost.message[0] ? session->lost.message : "no answer");
    return OUTCOME_UNREACHABLE;
}

static void watch_signals(struct session *session)
{
    static const int numbers[] = {SIGINT, SIGTERM};

    for (int i = 0; i < 2; i++) {
        uv_signal_init(&session->loop.uv, &session->signals[i]);
        session->signals[i].data = session;
        uv_signal_start(&session->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&session->signals[i]);
    }
}

enum outcome session_open(struct session *session, const struct session_settings *settings, struct error *err)
{
    *session = (struct session){.settings = *settings};
    error_clear(&session->lost);
    buf_init(&session->received, LIMIT_RECORD_BYTES, 0);
    if (loop_init(&session->loop, err) < 0)
        return OUTCOME_UNREACHABLE;
    session->started = true;
    watch_signals(session);
    timer_init(&session->timer, on_timer, session);
    timer_arm(&session->loop.timers, &session->timer, settings->timeout_ms);
    session->client = uds_client_new(&session->loop, settings->socket, settings->endpoint, &ops, session,
                                     err);
    if (!session->client)
        return OUTCOME_UNREACHABLE;
    /* An agent that starts just now may take a moment; one that is not there says so at once. */
    while (!session->uds && !session->timed_out && !session->interrupted && !session->lost.code)
        loop_run(&session->loop);
    timer_cancel(&session->loop.timers, &session->timer);
    if (!session->uds)
        return session->interrupted ? OUTCOME_INTERRUPTED : unreachable(session, err);
    session->open = true;
    session->reconnected = false;
    return OUTCOME_DONE;
}

static void unsubscribe(struct session *session)
{
    struct str paths[SESSION_SUBSCRIPTIONS];
    struct buf message;
    struct str msg_id;
    size_t count = 0;

    for (size_t i = 0; i < session->subscribed; i++)
        if (session->subscriptions[i].path[0])
            paths[count++] = str_of(session->subscriptions[i].path);
    session->subscribed = 0;
    if (!count || !session->uds)
        return;
    session->interrupted = false;
    session->settings.timeout_ms = GOODBYE_MS;
    msg_id = session_begin(session, &message);
    usp_client_delete(&message, msg_id, paths, count, true);
    session_request(session, &message, NULL);
    buf_done(&message);
}

void session_close(struct session *session)
{
    if (!session->started)
        return;
    session->on_notice = NULL;
    if (session->open)
        unsubscribe(session);
    uds_client_free(session->client);
    timer_cancel(&session->loop.timers, &session->timer);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&session->signals[i], NULL);
    loop_done(&session->loop);
    buf_done(&session->received);
    *session = (struct session){0};
}

/* ---- asking ---- */

struct str session_begin(struct session *session, struct buf *buf)
{
    int len = snprintf(session->msg_id, sizeof(session->msg_id), "homepatch-%d-%u", (int)getpid(),
                       ++session->requests);

    buf_init(buf, LIMIT_RECORD_BYTES, USP_HEADROOM);
    return (struct str){session->msg_id, (size_t)len};
}

static enum outcome no_answer(const struct session *session, struct error *err)
{
    if (session->interrupted) {
        error_set(err, ERROR_REQUEST_DENIED, NULL, "interrupted");
        return OUTCOME_INTERRUPTED;
    }
    if (!session->uds) {
        error_set(err, ERROR_REQUEST_DENIED, session->settings.socket, "the agent closed the connection: %s",
                  session->lost.message);
        return OUTCOME_UNREACHABLE;
    }
    error_set(
        err, ERROR_REQUEST_DENIED, session->agent,
        "no answer within %u s. The agent ignores endpoints that it does not know: it needs an enabled row "
        "Device.LocalAgent.Controller.{i}. with EndpointID \"%s\" (--timeout, --endpoint)",
        (session->settings.timeout_ms + 999) / 1000, session->settings.endpoint);
    return OUTCOME_TIMEOUT;
}

enum outcome session_request(struct session *session, struct buf *message, struct error *err)
{
    usp_record_wrap(message, str_of(session->agent), str_of(session->settings.endpoint));
    session->answered = session->timed_out = false;
    if (message->failed || (session->uds && uds_send(session->uds, message) < 0)) {
        buf_done(message);
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the request is too large");
        return OUTCOME_USAGE;
    }
    timer_arm(&session->loop.timers, &session->timer, session->settings.timeout_ms);
    while (session->uds && !session->answered && !session->timed_out && !session->interrupted)
        loop_run(&session->loop);
    timer_cancel(&session->loop.timers, &session->timer);
    return session->answered ? OUTCOME_DONE : no_answer(session, err);
}

enum outcome session_ask(struct session *session, struct buf *message, usp_client_fn *fn, void *ctx,
                         struct error *err)
{
    enum outcome outcome = session_request(session, message, err);

    buf_done(message);
    if (outcome != OUTCOME_DONE)
        return outcome;
    return usp_client_read(&session->answer, fn, ctx, err) == 0 ? OUTCOME_DONE : OUTCOME_REFUSED;
}

/* ---- notifications ---- */

struct created {
    char *path;
    size_t size;
    struct error *err;
};

static int on_created(void *ctx, const struct usp_client_fact *fact)
{
    struct created *created = ctx;

    if (fact->kind == USP_FACT_CREATED && fact->path.len < created->size) {
        memcpy(created->path, fact->path.data, fact->path.len);
        created->path[fact->path.len] = '\0';
    } else if (fact->kind == USP_FACT_FAILURE) {
        error_set(created->err, fact->code, "Device.LocalAgent.Subscription.", "%.*s", (int)fact->text.len,
                  fact->text.data);
    }
    return 0;
}

static enum outcome subscribe(struct session *session, struct session_subscription *subscription,
                              struct error *err)
{
    char ttl[16];
    struct usp_client_pair params[] = {
        {STR("ID"), str_of(subscription->id), true},
        {STR("NotifType"), str_of(subscription->type), true},
        {STR("ReferenceList"), str_of(subscription->references), true},
        {STR("NotifRetry"), subscription->retry ? STR("true") : STR("false"), true},
        {STR("NotifExpiration"), STR("60"), true},
        {STR("TimeToLive"), {ttl, (size_t)snprintf(ttl, sizeof(ttl), "%d", SESSION_TTL_S)}, true},
        {STR("Enable"), STR("true"), true},
    };
    struct usp_client_object object = {STR("Device.LocalAgent.Subscription."), params,
                                       sizeof(params) / sizeof(params[0])};
    struct created created = {subscription->path, sizeof(subscription->path), err};
    struct buf message;
    struct str msg_id = session_begin(session, &message);
    enum outcome outcome;

    subscription->path[0] = '\0';
    subscription->created = clock_monotonic(&session->loop.clock);
    usp_client_add(&message, msg_id, &object, 1, false);
    outcome = session_ask(session, &message, on_created, &created, err);
    return outcome == OUTCOME_DONE && !subscription->path[0] ? OUTCOME_REFUSED : outcome;
}

enum outcome session_subscribe(struct session *session, const char *type, const char *references, bool retry,
                               struct error *err)
{
    struct session_subscription *subscription = &session->subscriptions[session->subscribed];

    if (session->subscribed == SESSION_SUBSCRIPTIONS) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "too many subscriptions");
        return OUTCOME_USAGE;
    }
    *subscription = (struct session_subscription){.type = type, .references = references, .retry = retry};
    snprintf(subscription->id, sizeof(subscription->id), "homepatch-%d-%zu-%llx", (int)getpid(),
             session->subscribed, (unsigned long long)clock_wall_ms(&session->loop.clock));
    session->subscribed++;
    session->renewed = clock_monotonic(&session->loop.clock);
    return subscribe(session, subscription, err);
}

static int ignore(void *ctx, const struct usp_client_fact *fact)
{
    (void)ctx;
    (void)fact;
    return 0;
}

/* TimeToLive counts from the creation of the row: for a program that lives long it has to grow. */
static void renew(struct session *session)
{
    uint64_t now = clock_monotonic(&session->loop.clock);
    char ttl[24];

    if (now - session->renewed < (uint64_t)SESSION_TTL_S * 500)
        return;
    session->renewed = now;
    for (size_t i = 0; i < session->subscribed; i++) {
        struct usp_client_pair param = {STR("TimeToLive"), STR(""), true};
        struct usp_client_object object = {str_of(session->subscriptions[i].path), &param, 1};
        struct buf message;
        struct str msg_id = session_begin(session, &message);

        snprintf(ttl, sizeof(ttl), "%llu",
                 (unsigned long long)((now - session->subscriptions[i].created) / 1000 + SESSION_TTL_S));
        param.value = str_of(ttl);
        usp_client_set(&message, msg_id, &object, 1, false);
        session_ask(session, &message, ignore, NULL, NULL);
    }
}

/* After the agent was restarted: its rows of ours did not survive. */
static enum outcome restore(struct session *session, struct error *err)
{
    session->reconnected = false;
    session->restored = true;
    for (size_t i = 0; i < session->subscribed; i++) {
        enum outcome outcome;

        snprintf(session->subscriptions[i].id, sizeof(session->subscriptions[i].id), "homepatch-%d-%zu-%llx",
                 (int)getpid(), i, (unsigned long long)clock_wall_ms(&session->loop.clock));
        outcome = subscribe(session, &session->subscriptions[i], err);
        if (outcome != OUTCOME_DONE)
            return outcome;
    }
    return OUTCOME_DONE;
}

void session_reopen(struct session *session)
{
    uds_client_free(session->client);
    session->uds = NULL;
    error_clear(&session->lost);
    session->timed_out = false;
    session->client = uds_client_new(&session->loop, session->settings.socket, session->settings.endpoint,
                                     &ops, session, &session->lost);
    timer_arm(&session->loop.timers, &session->timer, session->settings.timeout_ms);
    while (session->client && !session->uds && !session->timed_out && !session->interrupted &&
           !session->lost.code)
        loop_run(&session->loop);
    timer_cancel(&session->loop.timers, &session->timer);
    /* The subscriptions are still there: it was not the agent that went away. */
    if (session->uds)
        session->reconnected = false;
}

enum outcome session_wait(struct session *session, uint64_t ms, struct error *err)
{
    session->timed_out = false;
    timer_arm(&session->loop.timers, &session->timer, ms);
    while (!session->noticed && !session->timed_out && !session->interrupted && !session->reconnected)
        loop_run(&session->loop);
    timer_cancel(&session->loop.timers, &session->timer);
    session->noticed = 0;
    if (session->interrupted)
        return OUTCOME_INTERRUPTED;
    if (session->reconnected)
        return restore(session, err);
    if (session->uds)
        renew(session);
    return OUTCOME_DONE;
}
