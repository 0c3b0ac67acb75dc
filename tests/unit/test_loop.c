/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/observer.h"

struct item {
    struct deferred deferred;
    struct loop *loop;
    char *log;
    char name;
    struct item *defers;
    struct item *takes_back;
};

static void on_item(void *ctx)
{
    struct item *item = ctx;

    item->log[strlen(item->log)] = item->name;
    if (item->defers)
        loop_defer(item->loop, &item->defers->deferred);
    if (item->takes_back)
        loop_undefer(item->loop, &item->takes_back->deferred);
}

static void deferring(void **state)
{
    char log[16] = "";
    struct item items[4];
    struct loop loop;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        items[i] = (struct item){.deferred = {.fn = on_item, .ctx = &items[i]},
                                 .loop = &loop,
                                 .log = log,
                                 .name = (char)('a' + i)};
    items[0].defers = &items[3];
    loop_defer(&loop, &items[0].deferred);
    loop_defer(&loop, &items[1].deferred);
    loop_defer(&loop, &items[0].deferred); /* once */
    loop_defer(&loop, &items[2].deferred);
    loop_run_deferred(&loop);
    assert_string_equal(log, "abcd");
    loop_run_deferred(&loop);
    assert_string_equal(log, "abcd");
    /* Taken back: from the end, from the middle, and while others run. */
    memset(log, 0, sizeof(log));
    items[0].defers = NULL;
    items[0].takes_back = &items[1];
    for (unsigned i = 0; i < 4; i++)
        loop_defer(&loop, &items[i].deferred);
    loop_undefer(&loop, &items[3].deferred);
    loop_undefer(&loop, &items[3].deferred);
    loop_run_deferred(&loop);
    assert_string_equal(log, "ac");
    loop_defer(&loop, &items[3].deferred);
    loop_run_deferred(&loop);
    assert_string_equal(log, "acd");
    loop_done(&loop);
}

struct running {
    struct loop loop;
    struct timer timer;
    struct timer stop;
    struct deferred deferred;
    unsigned fired, deferred_ran, worked;
    bool cancelled;
};

static void on_timer(struct timer *timer, void *ctx)
{
    struct running *running = ctx;

    (void)timer;
    running->fired++;
    loop_defer(&running->loop, &running->deferred);
}

static void on_deferred(void *ctx)
{
    struct running *running = ctx;

    if (++running->deferred_ran < 3)
        timer_arm(&running->loop.timers, &running->timer, 1);
    else
        loop_stop(&running->loop);
}

static void running(void **state)
{
    struct running run = {0};

    (void)state;
    assert_int_equal(loop_init(&run.loop, NULL), 0);
    run.deferred = (struct deferred){.fn = on_deferred, .ctx = &run};
    timer_init(&run.timer, on_timer, &run);
    timer_arm(&run.loop.timers, &run.timer, 1);
    loop_run(&run.loop);
    assert_int_equal(run.fired, 3);
    assert_int_equal(run.deferred_ran, 3);
    loop_done(&run.loop);
}

static void work(void *ctx)
{
    struct running *run = ctx;

    run->worked++; /* on a worker; read after it is done */
}

static void work_done(void *ctx, bool cancelled)
{
    struct running *run = ctx;

    run->cancelled = cancelled;
    if (run->worked == 1)
        loop_stop(&run->loop);
}

static void working(void **state)
{
    struct running run = {0};

    (void)state;
    assert_int_equal(loop_init(&run.loop, NULL), 0);
    assert_int_equal(loop_work(&run.loop, work, work_done, &run), 0);
    loop_run(&run.loop);
    assert_int_equal(run.worked, 1);
    assert_false(run.cancelled);
    loop_done(&run.loop);
}

/* ---- observers ---- */

struct watcher {
    struct observer observer;
    struct observers *list;
    char *log;
    char name;
    bool leaves;
};

static void on_event(void *ctx, const void *event)
{
    struct watcher *watcher = ctx;

    watcher->log[strlen(watcher->log)] = watcher->name;
    assert_string_equal(event, "event");
    if (watcher->leaves)
        observer_remove(watcher->list, &watcher->observer);
}

static void observing(void **state)
{
    struct observers list = {NULL};
    struct watcher watchers[3];
    char log[16] = "";

    (void)state;
    observers_notify(&list, "event");
    for (unsigned i = 0; i < 3; i++) {
        watchers[i] = (struct watcher){.observer = {.fn = on_event, .ctx = &watchers[i]},
                                       .list = &list,
                                       .log = log,
                                       .name = (char)('a' + i)};
        observer_add(&list, &watchers[i].observer);
    }
    watchers[1].leaves = true;
    observers_notify(&list, "event");
    observers_notify(&list, "event");
    assert_string_equal(log, "abcac");
    observer_remove(&list, &watchers[1].observer); /* not there any more */
    observer_remove(&list, &watchers[0].observer);
    observers_notify(&list, "event");
    assert_string_equal(log, "abcacc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deferring),
        cmocka_unit_test(running),
        cmocka_unit_test(working),
        cmocka_unit_test(observing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
