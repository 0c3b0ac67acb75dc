/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the LAN's broker that the list of revoked certificates is another one: the program hook_broker_reload is run. One run at a
 * time; one that failed is tried again, since until then the broker lets the revoked in. Embedded in struct enrolment.
 */
#ifndef AGENT_BROKER_RELOAD_H
#define AGENT_BROKER_RELOAD_H

#include "firmware/hook.h"

struct broker_reload {
    struct loop *loop;
    struct hook_client *hooks; /* NULL: nobody is told */
    struct hook_run *run;
    struct timer timer;
    bool due;    /* the list changed since the last run began */
    bool failed; /* the last run, and the log has said so */
};

/* hooks: borrowed. */
int broker_reload_init(struct broker_reload *reload, struct loop *loop, struct hook_runner *hooks,
                       struct error *err);
/* The list was written. Not before the loop turns. */
void broker_reload_due(struct broker_reload *reload);
/* Kills a run. Does nothing for one that is zeroed. */
void broker_reload_done(struct broker_reload *reload);

#endif
