/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's end of the process that runs hooks, and what the two may say. */
#include "firmware/hook_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "firmware/firmware.h"

/* docs/firmware-hook.md has the times. */
static const struct step {
    const char *name; /* the first argument */
    size_t program;   /* in struct hook_programs */
    uint32_t timeout_s;
    bool heard;
    bool image;
    bool slot;
} steps[HOOK_STEPS] = {
    [HOOK_VERSION] = {"version", offsetof(struct hook_programs, firmware), 20, .heard = true},
    [HOOK_INSTALL] = {"install", offsetof(struct hook_programs, firmware), 3600, .heard = true, .image = true,
                      .slot = true},
    [HOOK_ACTIVATE] = {"activate", offsetof(struct hook_programs, firmware), 300, .heard = true,
                       .slot = true},
    /* They take the machine down, and us with it. */
    [HOOK_REBOOT] = {NULL, offsetof(struct hook_programs, reboot), .heard = false},
    [HOOK_FACTORY_RESET] = {NULL, offsetof(struct hook_programs, factory_reset), .heard = false},
    [HOOK_BROKER_RELOAD] = {NULL, offsetof(struct hook_programs, broker_reload), 30, .heard = true},
};

static const char *program_of(const struct hook_programs *programs, enum hook_step step)
{
    return ((const struct hook_program *)((const char *)programs + steps[step].program))->path;
}

const char *hook_step_file(enum hook_step step, const struct hook_programs *programs)
{
    const struct hook_program *program = (const struct hook_program *)((const char *)programs +
                                                                       steps[step].program);

    return program->file ? program->file : program->path;
}

uint32_t hook_step_timeout_s(enum hook_step step, const struct hook_programs *programs)
{
    uint32_t timeout_s = steps[step].timeout_s;

    return programs->longest_s && timeout_s > programs->longest_s ? programs->longest_s : timeout_s;
}

bool hook_step_heard(enum hook_step step)
{
    return steps[step].heard;
}

/* ---- requests ---- */

int hook_request_read(const void *bytes, size_t len, const struct hook_programs *programs,
                      struct hook_request *ret)
{
    struct hook_request request;

    if (len != sizeof(request))
        return -1;
    memcpy(&request, bytes, sizeof(request));
    if (request.kind > HOOK_RELEASE)
        return -1;
    if (request.kind == HOOK_START) {
        const size_t digits = sizeof(request.image) - 1;

        if (request.step >= HOOK_STEPS || !program_of(programs, request.step))
            return -1;
        if (steps[request.step].slot && (request.slot < 1 || request.slot > FIRMWARE_SLOTS))
            return -1;
        if (steps[request.step].image &&
            (request.image[digits] != '\0' || strspn(request.image, "0123456789abcdef") != digits))
            return -1;
    }
    *ret = request;
    return 0;
}

void hook_request_arguments(const struct hook_request *request, const struct hook_programs *programs,
                            const char *argv[HOOK_ARGUMENTS + 2], char path[HOOK_PATH_BYTES], char slot[12])
{
    const struct step *step = &steps[request->step];
    size_t count = 0;

    argv[count++] = program_of(programs, request->step);
    if (step->name)
        argv[count++] = step->name;
    if (step->image) {
        snprintf(path, HOOK_PATH_BYTES, "%s/%s", programs->image_dir, request->image);
        argv[count++] = path;
    }
    if (step->slot) {
        snprintf(slot, 12, "%u", (unsigned)request->slot);
        argv[count++] = slot;
    }
    argv[count] = NULL;
}

int hook_request_send(const struct hook_runner *runner, const struct hook_request *request)
{
    return send(runner->fd, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*request) ? 0
                                                                                                        : -1;
}

/* ---- answers ---- */

int hook_answer_receive(const struct hook_runner *runner, struct hook_answer *ret, int ret_pipes[2])
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *header;
    ssize_t n;

    ret_pipes[0] = ret_pipes[1] = -1;
    do
        n = recvmsg(runner->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 && errno != ECONNRESET ? -1 : 0;
    header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(2 * sizeof(int)))
        memcpy(ret_pipes, CMSG_DATA(header), 2 * sizeof(int));
    return 1;
}

static void close_pipes(const int pipes[2])
{
    for (int i = 0; i < 2; i++)
        if (pipes[i] >= 0)
            close(pipes[i]);
}

/* Of a run of an earlier loop something may still be there: it is not ours. */
static int wait_for(const struct hook_runner *runner, uint32_t id, struct hook_answer *ret)
{
    struct pollfd poll_fd = {.fd = runner->fd, .events = POLLIN};
    int pipes[2];

    for (;;) {
        int rc = hook_answer_receive(runner, ret, pipes);

        close_pipes(pipes);
        if (rc == 0 || (rc < 0 && errno != EAGAIN))
            return -1;
        if (rc > 0 && ret->id == id && ret->kind != HOOK_STARTED)
            return 0;
        if (rc < 0 && poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
            return -1;
    }
}

int hook_runner_wait(struct hook_runner *runner, enum hook_step step, struct error *err)
{
    struct hook_request request = {.kind = HOOK_START, .id = ++runner->last_id, .step = step};
    struct hook_answer answer;

    if (hook_request_send(runner, &request) < 0 || wait_for(runner, request.id, &answer) < 0)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "the process that runs hooks is gone");
    request.kind = HOOK_RELEASE;
    hook_request_send(runner, &request);
    if (answer.kind == HOOK_REFUSED)
        return error_set_errno(err, ERROR_COMMAND_FAILURE, NULL, answer.value, "cannot be run");
    if (answer.kind != HOOK_EXITED)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "was killed by signal %d", answer.value);
    return answer.value;
}

/* ---- life ---- */

static int check(const struct hook_programs *programs, struct error *err)
{
    static const struct {
        const char *key;
        enum hook_step step;
    } keys[] = {
        {"hook_firmware", HOOK_VERSION},
        {"hook_reboot", HOOK_REBOOT},
        {"hook_factory_reset", HOOK_FACTORY_RESET},
        {"hook_broker_reload", HOOK_BROKER_RELOAD},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *program = program_of(programs, keys[i].step);

        if (program && access(program, X_OK) < 0)
            return error_set_errno(err, ERROR_INVALID_CONFIGURATION, keys[i].key, errno, "%s cannot be run",
                                   program);
    }
    if (programs->firmware.path &&
        (!programs->image_dir ||
         strlen(programs->image_dir) + sizeof("/") + VERIFY_SHA256_HEX_BYTES > HOOK_PATH_BYTES))
        return error_set(err, ERROR_INVALID_CONFIGURATION, "cache_dir", "its path is too long for a hook");
    return 0;
}

int hook_runner_start(struct hook_runner *runner, const struct hook_programs *programs, struct error *err)
{
    bool any = false;
    int ends[2];
    pid_t pid;

    *runner = (struct hook_runner){.pid = 0};
    for (int step = 0; step < HOOK_STEPS; step++) {
        runner->has[step] = program_of(programs, step) != NULL;
        any = any || runner->has[step];
    }
    if (!any)
        return 0;
    if (check(programs, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, ERROR_INTERNAL, NULL, errno, "no socket for the process that runs hooks");
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        hook_process(ends[1], programs);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set_errno(err, ERROR_INTERNAL, NULL, errno, "no process to run hooks");
    }
    runner->fd = ends[0];
    runner->pid = pid;
    return 0;
}

bool hook_runner_has(const struct hook_runner *runner, enum hook_step step)
{
    return runner && runner->pid && runner->has[step];
}

void hook_runner_stop(struct hook_runner *runner)
{
    if (!runner->pid)
        return;
    close(runner->fd);
    waitpid(runner->pid, NULL, 0);
    *runner = (struct hook_runner){.pid = 0};
}
