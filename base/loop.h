/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: libuv, with our timers on our clock, work at the end of an iteration, and a pool of workers for what
 * would block. Everything runs on the loop's thread unless it says worker. The caller owns the struct.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/timer.h"

/* Work for the end of the current iteration, after all input of it was read. Embedded in its owner. */
struct deferred {
    void (*fn)(void *ctx);
    void *ctx;
    struct deferred *next;
    bool queued;
};

struct limits;
struct local_names;

struct loop {
    uv_loop_t uv;
    struct clock clock;
    struct timers timers;
    uv_timer_t alarm;
    uv_prepare_t prepare;
    uv_check_t check;
    struct deferred *deferred_first;
    struct deferred **deferred_last;
    const struct limits *limits; /* limits_default, unless its owner sets others before it makes anything */
    const struct local_names *local_names; /* base/resolve.h; NULL: the system's resolver does all */
    bool stopping;
};

int loop_init(struct loop *loop, struct error *err);
/* All handles of others must be closed (uv_close called) before; runs the loop until they are gone. */
void loop_done(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Runs item->fn once at the end of this iteration, in order of deferring; items deferred meanwhile run too. */
void loop_defer(struct loop *loop, struct deferred *item);
void loop_undefer(struct loop *loop, struct deferred *item);
/* Runs what is deferred now: for tests and for an orderly stop. */
void loop_run_deferred(struct loop *loop);

/*
 * Runs `work` on a worker thread, then `done` on the loop. The worker touches nothing but ctx. ctx must live until
 * `done`. -1 when memory is out. cancelled: the loop stops before the work was started.
 */
int loop_work(struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx, bool cancelled), void *ctx);

#endif
