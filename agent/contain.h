/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walls around the agent, for the day on which one of its parsers is beaten: another user, nothing to exec, files and
 * system calls that it never needs refused (docs/security.md). Raised on one thread before there is a second one, so that
 * libuv's workers and Avahi's thread begin inside; they cannot be taken down again.
 */
#ifndef AGENT_CONTAIN_H
#define AGENT_CONTAIN_H

#include <stdbool.h>

#include "agent/agent_config.h"
#include "datamodel/device/containment.h"
#include "datamodel/dm.h"
#include "firmware/hook_runner.h"

enum {
    CONTAIN_HOOKS = 4, /* hook_firmware, hook_reboot, hook_factory_reset, hook_broker_reload */
};

/* Owned by main; outlives a restart inside the process. */
struct contain {
    bool begun;                    /* the steps before the loop were taken, in this life or an earlier one */
    bool walled;                   /* the process cannot exec itself any more */
    struct hook_runner hooks;      /* keeps what the agent gives up */
    char *programs[CONTAIN_HOOKS]; /* that it runs, as they were configured */
    char *files
        [CONTAIN_HOOKS]; /* where those really are; only when they run as root for another user's agent */
    struct model_containment state; /* for the data model */
};

/* The process that runs hooks, with the rights that this one still has. Before contain_user(), and before threads. */
int contain_hooks(struct contain *contain, const struct agent_config *config, struct error *err);
/* Says in the log which hook of a configuration that was read later does not count. */
void contain_hooks_compare(const struct contain *contain, const struct agent_config *config);
void contain_done(struct contain *contain);
/* The name of the user that this process is, or its number. */
void contain_whoami(char *to, size_t size);
/* `user`: gives it what the agent owns and becomes it, for good; CAP_NET_BIND_SERVICE is all that stays. Before anything
 * is opened. */
int contain_user(const struct agent_config *config, struct error *err);
/* `contain`: once the rows are loaded, whose sockets have folders. -1: `contain = on`, and a wall is missing. */
int contain_raise(struct contain *contain, const struct agent_config *config, const struct dm *dm,
                  struct error *err);

/* ---- its parts, each a file ---- */

/* Gives a folder and what is in it to the user, where nobody but root could have put a link in the way. */
int contain_give(const char *folder, uid_t uid, gid_t gid, struct error *err);
/* Files. Returns the kernel's Landlock version, 0 where it has none. */
int contain_files(const struct agent_config *config, const struct dm *dm, struct error *err);
/* System calls that the agent never makes. Returns 1, or 0 where that was not compiled in or the kernel has no filters. */
int contain_calls(struct error *err);

#endif
