/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process that runs hooks. It is forked before the agent gives up its user and raises its walls, has neither, and does
 * nothing but this: a request names a step of the table below, an image by its digest and a slot, and that is all that is in
 * it. Programs, folder, environment and time are what they were at the fork; no word of the agent becomes a path, a
 * program or an option. The agent may be beaten, so the first request that no agent makes ends the process.
 *
 * A hook gets two pipes, whose ends the agent receives; what is read of them is bounded there (firmware/hook.h). When the
 * agent is gone the process ends, with what it runs; but the hooks of a restart may be what ended the agent, and stay.
 */
#ifndef FIRMWARE_HOOK_RUNNER_H
#define FIRMWARE_HOOK_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "firmware/verify.h"

enum {
    HOOK_PLACES = 4,    /* hooks at one time */
    HOOK_ARGUMENTS = 3, /* after the program */
    HOOK_PATH_BYTES = 4096,
};

enum hook_step {
    HOOK_VERSION, /* of hook_firmware, as the two below */
    HOOK_INSTALL,
    HOOK_ACTIVATE,
    HOOK_REBOOT,
    HOOK_FACTORY_RESET,
    HOOK_BROKER_RELOAD,
    HOOK_STEPS,
};

struct hook_program {
    const char *path; /* absolute, as it is configured: what the program is called by; NULL: there is none */
    const char *file; /* what is executed, without links that somebody could turn; NULL: path */
};

struct hook_programs {
    struct hook_program firmware;
    struct hook_program reboot;
    struct hook_program factory_reset;
    struct hook_program broker_reload;
    const char *image_dir; /* of what HOOK_INSTALL installs */
    uint32_t longest_s;    /* no step may take longer; 0: each as its row says */
};

/* The agent's end. Owned by main; all zeros: there is none. */
struct hook_runner {
    int fd;
    pid_t pid;
    uint32_t last_id;
    bool has[HOOK_STEPS];
    struct hook_client *client; /* on the loop: firmware/hook.h */
};

/* Forks it, unless there is no program. The strings are the process's own from then on. Before there is a second thread. */
int hook_runner_start(struct hook_runner *runner, const struct hook_programs *programs, struct error *err);
/* The program of that step is there. */
bool hook_runner_has(const struct hook_runner *runner, enum hook_step step);
/* Waits for a step without a loop. Returns its exit status; -1: it was killed or could not be run. */
int hook_runner_wait(struct hook_runner *runner, enum hook_step step, struct error *err);
/* Ends the process, and what it runs for the agent. */
void hook_runner_stop(struct hook_runner *runner);

/* ---- what the two say to each other: one packet each ---- */

enum hook_request_kind {
    HOOK_START,
    HOOK_KILL,    /* and say no more of it */
    HOOK_RELEASE, /* its end was heard */
};

struct hook_request {
    uint32_t kind;
    uint32_t id; /* of the run, chosen by the agent */
    uint32_t step;
    uint32_t slot;                       /* HOOK_INSTALL, HOOK_ACTIVATE: instance number */
    char image[VERIFY_SHA256_HEX_BYTES]; /* HOOK_INSTALL: name of the file in image_dir */
};

enum hook_answer_kind {
    HOOK_STARTED, /* with the pipes of its standard output and error */
    HOOK_EXITED,  /* value: status. From here on each is the last of its run */
    HOOK_SIGNALLED,
    HOOK_TIMED_OUT,
    HOOK_REFUSED, /* value: error number */
};

struct hook_answer {
    uint32_t kind;
    uint32_t id;
    int32_t value;
};

/* -1: not what an agent says. */
int hook_request_read(const void *bytes, size_t len, const struct hook_programs *programs,
                      struct hook_request *ret);
/* argv of a request that was read; argv and path have room for what the enumeration above says. */
void hook_request_arguments(const struct hook_request *request, const struct hook_programs *programs,
                            const char *argv[HOOK_ARGUMENTS + 2], char path[HOOK_PATH_BYTES], char slot[12]);
/* The agent's side. -1 with errno. */
int hook_request_send(const struct hook_runner *runner, const struct hook_request *request);
/* 1; 0: the process is gone; -1 with errno (EAGAIN: nothing there). The pipes are the caller's, -1 when there are none. */
int hook_answer_receive(const struct hook_runner *runner, struct hook_answer *ret, int ret_pipes[2]);

/* The process itself; does not return. */
void hook_process(int fd, const struct hook_programs *programs) __attribute__((noreturn));
/* What is executed for a step. */
const char *hook_step_file(enum hook_step step, const struct hook_programs *programs);
/* The time of a step in seconds, 0: any; whether its output goes to the agent, and it ends with the agent. */
uint32_t hook_step_timeout_s(enum hook_step step, const struct hook_programs *programs);
bool hook_step_heard(enum hook_step step);

#endif
