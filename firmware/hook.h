/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of the firmware hook on the loop, by the process of firmware/hook_runner.h: what a hook prints is bounded, how long it
 * takes too, and what it started is killed with it. A run frees itself after `done` returned, or after hook_cancel().
 * Loop's thread only.
 */
#ifndef FIRMWARE_HOOK_H
#define FIRMWARE_HOOK_H

#include <stdbool.h>

#include "base/error.h"
#include "base/loop.h"
#include "firmware/hook_runner.h"

enum {
    HOOK_OUTPUT_BYTES = 64 << 10, /* of standard output that are kept */
    HOOK_REASON_BYTES = 200,
    HOOK_TRY_LATER = 75, /* exit status: failed now, may work later (EX_TEMPFAIL) */
};

struct hook_result {
    int status;         /* exit status; -1: not started, killed or timed out */
    const char *output; /* standard output, terminated */
    const char *reason; /* the last line on standard error, or what happened to it; "" when all is well */
};

struct hook_run;

struct hook_ops {
    /* A line of standard output, as it comes. May be NULL. */
    void (*line)(void *ctx, const char *line);
    void (*done)(void *ctx, const struct hook_result *result);
};

/* What listens to the process: one for all who run hooks. Each frees it once; the last cancels the runs that are left. */
struct hook_client;

/* runner: borrowed. */
struct hook_client *hook_client_new(struct loop *loop, struct hook_runner *runner, struct error *err);
void hook_client_free(struct hook_client *client);
/* image: its SHA-256, for HOOK_INSTALL; slot: for that and HOOK_ACTIVATE. NULL: no memory, or no process; `done` is not
 * called then. A program that cannot be executed is a result. */
struct hook_run *hook_start(struct hook_client *client, enum hook_step step, const char *image, unsigned slot,
                            const struct hook_ops *ops, void *ctx, struct error *err);
/* Kills it; no further callback. */
void hook_cancel(struct hook_run *run);

#endif
