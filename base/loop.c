/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/loop.h"

#include <stdlib.h>

#include "base/limits.h"

struct job {
    uv_work_t request;
    void (*work)(void *ctx);
    void (*done)(void *ctx, bool cancelled);
    void *ctx;
};

static void set_alarm(struct loop *loop);

static void on_alarm(uv_timer_t *handle)
{
    struct loop *loop = handle->data;

    timers_run(&loop->timers);
    set_alarm(loop);
}

static void set_alarm(struct loop *loop)
{
    uint64_t next = timers_next(&loop->timers);

    if (loop->stopping || next == UINT64_MAX) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, next, 0);
}

static void on_timers_changed(void *ctx)
{
    struct loop *loop = ctx;

    set_alarm(loop);
}

static void on_prepare(uv_prepare_t *handle)
{
    loop_run_deferred(handle->data);
}

static void on_check(uv_check_t *handle)
{
    loop_run_deferred(handle->data);
}

int loop_init(struct loop *loop, struct error *err)
{
    int rc;

    *loop = (struct loop){0};
    loop->limits = &limits_default;
    loop->deferred_last = &loop->deferred_first;
    rc = uv_loop_init(&loop->uv);
    if (rc < 0)
        return error_set(err, ERROR_INTERNAL, NULL, "cannot start the event loop: %s", uv_strerror(rc));
    timers_init(&loop->timers, &loop->clock);
    loop->timers.changed = on_timers_changed;
    loop->timers.changed_ctx = loop;
    uv_timer_init(&loop->uv, &loop->alarm);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    loop->alarm.data = loop;
    loop->prepare.data = loop;
    loop->check.data = loop;
    /* Twice per iteration: what timers deferred runs before the loop sleeps, what input deferred runs after it. */
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->check);
    return 0;
}

void loop_done(struct loop *loop)
{
    loop->stopping = true;
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    timers_done(&loop->timers);
    uv_loop_close(&loop->uv);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_defer(struct loop *loop, struct deferred *item)
{
    if (item->queued)
        return;
    item->queued = true;
    item->next = NULL;
    *loop->deferred_last = item;
    loop->deferred_last = &item->next;
}

void loop_undefer(struct loop *loop, struct deferred *item)
{
    if (!item->queued)
        return;
    for (struct deferred **at = &loop->deferred_first; *at; at = &(*at)->next) {
        if (*at != item)
            continue;
        *at = item->next;
        if (!*at)
            loop->deferred_last = at;
        break;
    }
    item->queued = false;
}

void loop_run_deferred(struct loop *loop)
{
    while (loop->deferred_first) {
        struct deferred *item = loop->deferred_first;

        loop->deferred_first = item->next;
        if (!loop->deferred_first)
            loop->deferred_last = &loop->deferred_first;
        item->queued = false;
        item->fn(item->ctx);
    }
}

static void on_work(uv_work_t *request)
{
    struct job *job = request->data;

    job->work(job->ctx);
}

static void on_work_done(uv_work_t *request, int status)
{
    struct job *job = request->data;

    job->done(job->ctx, status == UV_ECANCELED);
    free(job);
}

int loop_work(struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx, bool cancelled), void *ctx)
{
    struct job *job = malloc(sizeof(*job));

    if (!job)
        return -1;
    *job = (struct job){.work = work, .done = done, .ctx = ctx};
    job->request.data = job;
    if (uv_queue_work(&loop->uv, &job->request, on_work, on_work_done) < 0) {
        free(job);
        return -1;
    }
    return 0;
}
