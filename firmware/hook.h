/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run of a hook program: what it prints is bounded, how long it takes too, and what it started is killed with it.
 * A run frees itself after `done` returned, or after hook_cancel(). Loop's thread only.
 */
#ifndef FIRMWARE_HOOK_H
#define FIRMWARE_HOOK_H

#include <stdbool.h>

#include "base/error.h"
#include "base/loop.h"

enum {
    HOOK_OUTPUT_BYTES = 64 << 10, /* of standard output that are kept */
    HOOK_REASON_BYTES = 200,
    HOOK_ARGUMENTS = 4,  /* after the program */
    HOOK_TRY_LATER = 75, /* exit status: failed now, may work later (EX_TEMPFAIL) */
};

struct hook_result {
    int status;         /* exit status; -1: could not be waited for, killed or timed out */
    const char *output; /* standard output, terminated */
    const char *reason; /* the last line on standard error, or what happened to it; "" when all is well */
};

struct hook_run;

struct hook_ops {
    /* A line of standard output, as it comes. May be NULL. */
    void (*line)(void *ctx, const char *line);
    void (*done)(void *ctx, const struct hook_result *result);
};

/* arguments: ended by NULL, at most HOOK_ARGUMENTS. NULL: the program cannot be started; `done` is not called then. */
struct hook_run *hook_start(struct loop *loop, const char *program, const char *const *arguments,
                            uint32_t timeout_s, const struct hook_ops *ops, void *ctx, struct error *err);
/* Kills it; no further callback. */
void hook_cancel(struct hook_run *run);

#endif
