/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent/broker_reload.h"

#include "base/log.h"

enum {
    GATHER_MS = 100, /* one run for several changes */
    RETRY_MS = 60000,
};

static void arm(struct broker_reload *reload, uint64_t ms)
{
    timer_arm(&reload->loop->timers, &reload->timer, ms);
}

static void failed(struct broker_reload *reload, const char *why)
{
    if (!reload->failed)
        log_error(
            "hook_broker_reload failed, so that the broker still takes certificates that were revoked: %s; "
            "it is run again each minute",
            why);
    reload->failed = true;
    reload->due = true;
    arm(reload, RETRY_MS);
}

static void on_done(void *ctx, const struct hook_result *result)
{
    struct broker_reload *reload = ctx;

    reload->run = NULL;
    if (result->status != 0) {
        failed(reload, result->reason[0] ? result->reason : "it ended with an error");
        return;
    }
    if (reload->failed)
        log_info("hook_broker_reload works again");
    reload->failed = false;
    if (reload->due)
        arm(reload, GATHER_MS);
}

static void on_timer(struct timer *timer, void *ctx)
{
    static const struct hook_ops ops = {.done = on_done};
    struct broker_reload *reload = ctx;
    struct error err;

    (void)timer;
    reload->due = false;
    reload->run = hook_start(reload->hooks, HOOK_BROKER_RELOAD, NULL, 0, &ops, reload, &err);
    if (!reload->run)
        failed(reload, err.message);
}

int broker_reload_init(struct broker_reload *reload, struct loop *loop, struct hook_runner *hooks,
                       struct error *err)
{
    *reload = (struct broker_reload){.loop = loop};
    timer_init(&reload->timer, on_timer, reload);
    if (!hook_runner_has(hooks, HOOK_BROKER_RELOAD))
        return 0;
    reload->hooks = hook_client_new(loop, hooks, err);
    return reload->hooks ? 0 : -1;
}

void broker_reload_due(struct broker_reload *reload)
{
    if (!reload->hooks)
        return;
    reload->due = true;
    if (!reload->run)
        arm(reload, GATHER_MS);
}

void broker_reload_done(struct broker_reload *reload)
{
    if (!reload->hooks)
        return;
    timer_cancel(&reload->loop->timers, &reload->timer);
    if (reload->run)
        hook_cancel(reload->run);
    hook_client_free(reload->hooks);
    *reload = (struct broker_reload){.hooks = NULL};
}
