/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of session contexts: when they begin, fail, are tried again, expire and end. */
#include "usp/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "usp/access.h"
#include "usp/session_internal.h"

enum {
    HANDSHAKE_MS = 30000, /* until the peer's part of a handshake has to be there */
    MISSING_MS = 10000,   /* until a record that is missing is asked for: it may only be late */
    MISSING_TRIES = 3,
};

static struct timers *timers_of(const struct usp_session *session)
{
    return &session->controller->usp->loop->timers;
}

static uint64_t now_of(const struct usp_session *session)
{
    return clock_monotonic(&session->controller->usp->loop->clock);
}

/* ---- what is kept ---- */

bool usp_session_charge(struct usp_session *session, size_t bytes)
{
    struct usp *usp = session->controller->usp;

    if (session->bytes + bytes > usp->limits->session_bytes ||
        usp->session_bytes + bytes > usp->limits->sessions_bytes)
        return false;
    session->bytes += bytes;
    usp->session_bytes += bytes;
    return true;
}

void usp_session_refund(struct usp_session *session, size_t bytes)
{
    session->bytes -= bytes;
    session->controller->usp->session_bytes -= bytes;
}

static void forget(struct usp_session *session)
{
    usp_session_forget_sent(session);
    usp_session_forget_received(session);
    if (session->security)
        session->controller->usp->security->close(session->security);
    session->security = NULL;
    timer_cancel(timers_of(session), &session->wait);
    timer_cancel(timers_of(session), &session->expiry);
}

/* ---- what is told ---- */

static void tell_param(struct usp_session *session, const char *name)
{
    struct dm_row *row = session->controller->row;
    struct dm_node *node = dm_node_child(row->node, STR("E2ESession"));
    struct dm_row *own = node ? dm_row_child(row, node) : NULL;

    if (own)
        dm_changed(session->controller->usp->dm, own, dm_node_param(node, name));
}

/* The old one ends in any case: it may be one that the settings do not allow any more. */
static void restart(struct usp_session *session)
{
    usp_session_end(session);
    usp_session_start(session, NULL);
}

/* The settings changed, or Reset() was called, in this iteration: its answers have left. */
static void follow(struct usp_session *session)
{
    const struct session_settings *settings = &session->controller->e2e;
    bool required = settings->mode == SESSION_REQUIRE;
    struct usp_route route;

    if (settings->mode == SESSION_FORBID || !session->controller->enable) {
        /* TR-181 SessionMode Forbid: an established session is terminated at once. */
        if (session->status != SESSION_DOWN &&
            session->controller->usp->ops->route(session->controller->usp->ctx, session->controller,
                                                 &route) == 0)
            usp_session_disconnect(session->controller->usp, &route, str_of(session->controller->endpoint_id),
                                   ERROR_SESSION_CONTEXT_TERMINATED);
        usp_session_end(session);
        session->perpetual = false;
        return;
    }
    if (session->restart || (required && (session->status == SESSION_DOWN
                                              ? !timer_armed(&session->wait)
                                              : session->secured != (settings->security == SESSION_TLS))))
        restart(session);
    timer_cancel(timers_of(session), &session->expiry);
    if (session->status != SESSION_DOWN)
        usp_session_alive(session);
}

/* At the end of the iteration: here nothing is being read or sent, so notifications may leave. */
static void on_tell(void *ctx)
{
    struct usp_session *session = ctx;

    if (session->restart || session->follow)
        follow(session);
    session->restart = false;
    session->follow = false;
    if (session->told_retries != session->retries) {
        session->told_retries = session->retries;
        tell_param(session, "CurrentRetryCount");
    }
    if (session->told != session->status) {
        session->told = session->status;
        tell_param(session, "Status");
    }
    if (session->came_up) {
        session->came_up = false;
        usp_notifications_send(session->controller);
    }
}

static void tell(struct usp_session *session)
{
    loop_defer(session->controller->usp->loop, &session->tell);
}

void usp_session_set_status(struct usp_session *session, enum session_status status)
{
    session->status = status;
    tell(session);
}

static void set_retries(struct usp_session *session, uint32_t retries)
{
    if (session->retries == retries)
        return;
    session->retries = retries;
    tell(session);
}

void usp_session_disconnect(struct usp *usp, const struct usp_route *route, struct str to, uint32_t code)
{
    struct buf out;

    buf_init(&out, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_disconnect(&out, to, str_of(usp->endpoint_id), code, str_of(error_text(code)));
    usp_send_record(usp, route, &out);
}

/* ---- beginning and ending ---- */

void usp_session_alive(struct usp_session *session)
{
    uint32_t expiration = session->controller->e2e.expiration;

    session->active = now_of(session);
    if (expiration && !timer_armed(&session->expiry))
        timer_arm(timers_of(session), &session->expiry, (uint64_t)expiration * 1000);
}

int usp_session_begin(struct usp_session *session, uint64_t id, bool ours, bool secured, struct error *err)
{
    const struct usp *usp = session->controller->usp;
    struct usp_security *security = NULL;

    if (secured && !usp->security)
        return error_set(err, ERROR_SECURE_SESSION_NOT_SUPPORTED, NULL, "there is no payload security");
    if (secured && !(security = usp->security->open(usp->security_ctx, session->controller, ours, err)))
        return -1;
    forget(session);
    session->security = security;
    session->previous = session->id;
    session->id = id;
    session->ours = ours;
    session->secured = secured;
    session->signs = false;
    session->proven = false;
    session->came_up = false;
    session->expected = 1; /* R-E2E.4, R-E2E.6 */
    session->next = 1;     /* R-E2E.14 */
    session->asked = 0;
    session->begun++;
    usp_session_set_status(session, SESSION_NEGOTIATING);
    usp_session_alive(session);
    if (secured)
        timer_arm(timers_of(session), &session->wait, HANDSHAKE_MS);
    return 0;
}

/* R-E2E.3: above 1, and none that either side may still have in mind. */
static uint64_t new_id(const struct usp_session *session)
{
    uint64_t id = 0;

    if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
        id = (uint64_t)clock_wall_ms(&session->controller->usp->loop->clock);
    id >>= 16;
    while (id < 2 || id == session->id || id == session->previous)
        id++;
    return id;
}

static int begin_handshake(struct usp_session *session, const struct usp_route *route)
{
    const struct usp_security_ops *ops = session->controller->usp->security;
    struct buf out, none;
    int rc;

    buf_init(&out, LIMIT_RECORD_BYTES, 0);
    buf_init(&none, 1, 0);
    rc = ops->take(session->security, STR(""), &none, &out, NULL);
    if (rc == 0 && !out.failed)
        rc = usp_session_emit(session, route, (struct str){(char *)buf_data(&out), out.len});
    buf_done(&out);
    buf_done(&none);
    return rc;
}

int usp_session_start(struct usp_session *session, const struct usp_route *route)
{
    struct controller *controller = session->controller;
    struct usp *usp = controller->usp;
    bool secured = controller->e2e.mode == SESSION_ALLOW && session->perpetual
                       ? session->secured
                       : controller->e2e.security == SESSION_TLS;
    struct usp_route own;

    if (!controller->enable || usp_access_banned(usp, controller))
        return -1;
    if (!route) {
        if (usp->ops->route(usp->ctx, controller, &own) < 0)
            return -1;
        route = &own;
    }
    if (usp_session_begin(session, new_id(session), true, secured, NULL) < 0)
        return -1;
    return secured ? begin_handshake(session, route) : usp_session_signal(session, route, 0);
}

void usp_session_end(struct usp_session *session)
{
    forget(session);
    set_retries(session, 0);
    usp_session_set_status(session, SESSION_DOWN);
}

void usp_session_up(struct usp_session *session)
{
    timer_cancel(timers_of(session), &session->wait);
    if (session->controller->e2e.mode == SESSION_ALLOW)
        session->perpetual = true;
    session->came_up = true;
    usp_session_set_status(session, SESSION_UP);
}

/* ---- failing and trying again ---- */

/* TR-181 SessionMode: with Allow the agent only goes on with what the controller began. */
static bool may_start(const struct usp_session *session)
{
    const struct controller *controller = session->controller;

    return controller->enable && (controller->e2e.mode == SESSION_REQUIRE ||
                                  (controller->e2e.mode == SESSION_ALLOW && session->perpetual));
}

/* R-E2E.10, R-E2E.11. */
static void try_later(struct usp_session *session)
{
    const struct session_settings *settings = &session->controller->e2e;
    uint64_t now = now_of(session);

    if (!session->retries)
        session->tried = now;
    if (settings->expiration && now - session->tried >= (uint64_t)settings->expiration * 1000) {
        set_retries(session, 0); /* until there is something to say again */
        return;
    }
    set_retries(session, session->retries + 1);
    timer_arm(timers_of(session), &session->wait,
              timer_backoff(settings->retry_minimum, settings->retry_multiplier, session->retries, 0));
}

void usp_session_fail(struct usp_session *session, const struct usp_route *route)
{
    struct controller *controller = session->controller;
    bool up = session->status == SESSION_UP;
    bool worked = up && (session->proven || !session->retries);

    if (up && !session->proven) /* nothing came of it: this is the one that needs no wait */
        set_retries(session, session->retries + 1);
    forget(session);
    usp_session_set_status(session, SESSION_DOWN);
    if (!may_start(session)) {
        if (route) /* R-E2E.6b */
            usp_session_disconnect(controller->usp, route, str_of(controller->endpoint_id),
                                   ERROR_SESSION_CONTEXT_TERMINATED);
        set_retries(session, 0);
        return;
    }
    /* One that worked is followed by another at once; what fails again and again waits (R-E2E.10). */
    if (!worked || usp_session_start(session, route) < 0)
        try_later(session);
}

void usp_session_next(struct usp_session *session, const struct usp_route *route)
{
    struct controller *controller = session->controller;

    if (may_start(session))
        usp_session_start(session, route);
    else /* R-E2E.6b */
        usp_session_disconnect(controller->usp, route, str_of(controller->endpoint_id),
                               ERROR_SESSION_CONTEXT_TERMINATED);
}

static void on_wait(struct timer *timer, void *ctx)
{
    struct usp_session *session = ctx;

    (void)timer;
    if (session->status == SESSION_DOWN) {
        if (may_start(session))
            usp_session_start(session, NULL); /* not reachable: usp_session_reachable() tries again */
        return;
    }
    if ((session->secured && session->status != SESSION_UP) || !session->early ||
        session->asked >= MISSING_TRIES || usp_session_signal(session, NULL, session->expected) < 0) {
        usp_session_fail(session, NULL);
        return;
    }
    session->asked++;
    timer_arm(timers_of(session), timer, MISSING_MS);
}

void usp_session_missing(struct usp_session *session, bool missing)
{
    if (session->secured && session->status != SESSION_UP)
        return; /* the handshake's time is running */
    if (!missing)
        timer_cancel(timers_of(session), &session->wait);
    else if (!timer_armed(&session->wait))
        timer_arm(timers_of(session), &session->wait, MISSING_MS);
}

void usp_session_heard(struct usp_session *session)
{
    session->proven = true;
    set_retries(session, 0); /* R-E2E.12 */
}

/* R-E2E.7: nothing is said; the next contact begins another one. */
static void on_expiry(struct timer *timer, void *ctx)
{
    struct usp_session *session = ctx;
    uint64_t due = session->active + (uint64_t)session->controller->e2e.expiration * 1000;
    uint64_t now = now_of(session);

    if (!session->controller->e2e.expiration)
        return;
    if (now < due)
        timer_arm(timers_of(session), timer, due - now);
    else
        usp_session_end(session);
}

/* ---- the controller ---- */

struct usp_session *usp_session_of(struct controller *controller)
{
    struct usp_session *session = controller->session;

    if (session)
        return session;
    session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    session->controller = controller;
    session->status = session->told = SESSION_DOWN;
    session->sent_last = &session->sent;
    buf_init(&session->payload, LIMIT_RECORD_BYTES, 0);
    timer_init(&session->wait, on_wait, session);
    timer_init(&session->expiry, on_expiry, session);
    session->tell = (struct deferred){.fn = on_tell, .ctx = session};
    controller->session = session;
    return session;
}

void usp_session_done(struct controller *controller)
{
    struct usp_session *session = controller->session;

    if (!session)
        return;
    usp_send_forget(controller->usp, controller);
    forget(session);
    loop_undefer(controller->usp->loop, &session->tell);
    controller->session = NULL;
    free(session);
}

/* R-SEC.23: in a session, and secured, when the controller's settings or the session that there is ask for it. */
bool usp_session_route(struct controller *controller, struct usp_route *route)
{
    struct usp_session *session = controller->session;
    bool required = controller->e2e.mode == SESSION_REQUIRE;

    if (!required && (!session || !session->perpetual))
        return true;
    if (!session && !(session = usp_session_of(controller)))
        return false;
    if (session->next > SEQUENCE_LAST) /* R-E2E.9 */
        usp_session_end(session);
    if (session->status == SESSION_DOWN &&
        (timer_armed(&session->wait) || usp_session_start(session, route) < 0))
        return false;
    if (session->secured && session->status != SESSION_UP)
        return false;
    route->in_session = controller;
    return true;
}

void usp_session_reachable(struct controller *controller)
{
    struct usp_session *session;

    if (controller->e2e.mode != SESSION_REQUIRE || !controller->usp)
        return;
    session = usp_session_of(controller);
    if (session && session->status == SESSION_DOWN && !timer_armed(&session->wait))
        usp_session_start(session, NULL);
}

void usp_session_without(struct controller *controller)
{
    controller->session->perpetual = false;
}

/* R-MTP.7: what the other side knew of the session is void. */
void usp_session_left(struct controller *controller)
{
    struct usp_session *session = controller->session;
    bool failed = session->status == SESSION_NEGOTIATING && session->ours;

    if (session->status == SESSION_DOWN)
        return;
    forget(session);
    usp_session_set_status(session, SESSION_DOWN);
    if (failed && may_start(session))
        try_later(session);
    else
        set_retries(session, 0);
}

/* ---- for the declaration ---- */

enum session_status usp_session_status(const struct controller *controller)
{
    return controller->session ? controller->session->status : SESSION_DOWN;
}

uint32_t usp_session_retries(const struct controller *controller)
{
    return controller->session ? controller->session->retries : 0;
}

void usp_session_applied(struct controller *controller)
{
    if (!controller->usp || (!controller->session && controller->e2e.mode != SESSION_REQUIRE) ||
        !usp_session_of(controller))
        return;
    controller->session->follow = true;
    tell(controller->session);
}

void usp_session_reset(struct controller *controller)
{
    if (!usp_session_of(controller))
        return;
    controller->session->restart = true;
    tell(controller->session);
}
