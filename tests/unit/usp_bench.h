/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An agent without sockets: the declared objects of Device.LocalAgent. with the small model's Box and Thing, commands on
 * "Device." that do as they are told, a fake clock, and a channel to each controller that keeps what is sent. Requests
 * are written in one line, answers read in one (usp_text.h). The caller owns the struct; one at a time.
 */
#ifndef TESTS_UNIT_USP_BENCH_H
#define TESTS_UNIT_USP_BENCH_H

#include "datamodel/device/local_agent.h"
#include "datamodel/device/model.h"
#include "tests/unit/small_model.h"
#include "usp/client.h"
#include "usp/controller.h"
#include "usp/usp.h"

enum {
    BENCH_CHANNELS = 4,
    BENCH_SENT = 4096,
};

struct bench_channel {
    struct usp_channel channel;
    char peer[64];
    bool up;    /* there is a route to it */
    bool fails; /* sending fails */
    const char *topic;
};

struct usp_bench {
    struct model model;
    struct loop loop;
    struct limits limits; /* of the loop */
    struct store *store;
    struct dm *dm;
    struct usp *usp;
    struct bench_channel channels[BENCH_CHANNELS]; /* of self::one, self::two ... */
    unsigned as;                                   /* which controller asks */
    struct buf sent;                               /* as text, one line each */
    unsigned sent_count;
    struct buf last; /* bytes of the last record */
    char log[SMALL_LOG_BYTES];
    struct dm_call *slow; /* the newest "Slow()" that runs */
    unsigned slow_running;
    bool refuse_cancel;
    char resumed[128];
    const char *(*remember)(void *ctx,
                            struct usp_channel *channel); /* of struct usp_ops; NULL: no memory for it */
};

/* A new agent with self::one (full access), self::two (full access) and self::none (untrusted), started. */
void usp_bench_init(struct usp_bench *bench, const char *store);
void usp_bench_done(struct usp_bench *bench);
/* The parts of it: for restarts on the same store. */
void usp_bench_open(struct usp_bench *bench, const char *store);
void usp_bench_populate(struct usp_bench *bench);
void usp_bench_start(struct usp_bench *bench);

/* cmocka's set-up and tear-down for tests that restart the agent: the bench on a store in a file of this process. */
int usp_bench_set_up(void **state);
int usp_bench_tear_down(void **state);
/* The agent ends and starts again on that store; `down` s later, with self::one out of reach if `away`. */
void bench_restart(struct usp_bench *bench, unsigned down, bool away);
/* Adds an enabled subscription; settings as in bench_add(). */
void bench_subscribe(struct usp_bench *bench, const char *settings);

/* Ends the iteration. */
void bench_turn(struct usp_bench *bench);
/* Lets time pass; timers fire at their time. */
void bench_advance(struct usp_bench *bench, uint64_t ms);
/* What was sent since, one line each without a newline at the end; and forgets it. */
const char *bench_sent(struct usp_bench *bench);

/* A message of the asking controller; ends the iteration and gives what was sent. The buffer is used up. */
const char *bench_ask(struct usp_bench *bench, struct buf *message);
/* The same without ending the iteration. */
enum usp_verdict bench_give(struct usp_bench *bench, struct buf *message);

/* Paths are separated by blanks. */
const char *bench_get(struct usp_bench *bench, unsigned depth, const char *paths);
const char *bench_instances(struct usp_bench *bench, bool first_level, const char *paths);
const char *bench_supported(struct usp_bench *bench, unsigned flags, const char *paths);
const char *bench_delete(struct usp_bench *bench, bool partial, const char *paths);
/* "Device.Thing.1.: Name=a Number!=3 Device.Box.: Number=1"; != for required; %20 for a blank. */
const char *bench_set(struct usp_bench *bench, bool partial, const char *objects);
const char *bench_add(struct usp_bench *bench, bool partial, const char *objects);
const char *bench_operate(struct usp_bench *bench, const char *command, const char *key, const char *args,
                          bool respond);
/* Answers the last Notify that was sent. */
void bench_acknowledge(struct usp_bench *bench);

/* Whether the text is what was expected, with the difference in the message. */
#define bench_expect(got, expected) bench_expect_at(got, expected, __FILE__, __LINE__)
void bench_expect_at(const char *got, const char *expected, const char *file, int line);

#endif
