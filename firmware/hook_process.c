/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the process that runs hooks. No loop and no log: a table of HOOK_PLACES, and poll(). It may be root, and
 * who speaks to it may be anybody: docs/security.md, "Hooks".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "firmware/hook_runner.h"

struct place {
    pid_t pid; /* leads a session and group of its own; 0: the place is free */
    uint32_t id;
    enum hook_step step;
    int64_t deadline; /* monotonic ms; 0: none */
    bool timed_out;
    bool
        ended; /* and told. It stays a zombie, so that its group's number is nobody else's, until it is released */
    bool dropped; /* nobody wants to hear of its end */
};

struct process {
    const struct hook_programs *programs;
    int socket;
    int signals;
    struct place places[HOOK_PLACES];
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void kill_group(const struct place *place)
{
    kill(-place->pid, SIGKILL);
}

/* The agent is gone, or is not one. */
static void leave(const struct process *process, int status) __attribute__((noreturn));
static void leave(const struct process *process, int status)
{
    for (int i = 0; i < HOOK_PLACES; i++)
        if (process->places[i].pid && hook_step_heard(process->places[i].step))
            kill_group(&process->places[i]);
    _exit(status);
}

/* pipes: both, or NULL. An agent that does not read its answers is none. */
static void answer(const struct process *process, enum hook_answer_kind kind, uint32_t id, int value,
                   const int *pipes)
{
    struct hook_answer packet = {.kind = kind, .id = id, .value = value};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {
        .header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {.iov_base = &packet, .iov_len = sizeof(packet)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (pipes) {
        memcpy(CMSG_DATA(&control.header), pipes, 2 * sizeof(int));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    if (sendmsg(process->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        leave(process, 1);
}

/* ---- start ---- */

/* As a program expects to be started, with nothing of ours open. Not fork(): what a library does after one (libuv opens its
 * signals' pipe anew) meets descriptors that are not its own any more. Returns the child, or -1 with errno. */
static pid_t spawn(const char *file, const char *const *argv, const int *output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    pid_t pid = -1;
    int rc;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; output && rc == 0 && i < 2; i++)
        rc = posix_spawn_file_actions_adddup2(&actions, output[i], STDOUT_FILENO + i);
    if (rc == 0)
        rc = posix_spawn(&pid, file, &actions, &attributes, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    errno = rc;
    return rc ? -1 : pid;
}

/* An image is a file, and not what a link leads to. A beaten agent can still exchange it later: hooks are told so. */
static bool is_image(const struct hook_request *request, const char *path)
{
    struct stat st;

    if (request->step != HOOK_INSTALL)
        return true;
    if (lstat(path, &st) < 0)
        return false;
    errno = EINVAL;
    return S_ISREG(st.st_mode);
}

static int make_pipes(int out[2], int err[2])
{
    if (pipe2(out, O_CLOEXEC) < 0)
        return -1;
    if (pipe2(err, O_CLOEXEC) == 0)
        return 0;
    close(out[0]);
    close(out[1]);
    return -1;
}

static void run(struct process *process, struct place *place, const struct hook_request *request,
                const char *const *argv)
{
    bool heard = hook_step_heard(request->step);
    uint32_t timeout_s = hook_step_timeout_s(request->step, process->programs);
    int out[2], err[2];
    pid_t pid;

    if (heard && make_pipes(out, err) < 0) {
        answer(process, HOOK_REFUSED, request->id, errno, NULL);
        return;
    }
    pid = spawn(hook_step_file(request->step, process->programs), argv,
                heard ? (const int[]){out[1], err[1]} : NULL);
    if (pid < 0) {
        answer(process, HOOK_REFUSED, request->id, errno, NULL);
    } else {
        *place = (struct place){.pid = pid, .id = request->id, .step = request->step};
        if (timeout_s)
            place->deadline = now_ms() + timeout_s * 1000ll;
        answer(process, HOOK_STARTED, request->id, 0, heard ? (const int[]){out[0], err[0]} : NULL);
    }
    for (int i = 0; heard && i < 2; i++) {
        close(out[i]);
        close(err[i]);
    }
}

static void start(struct process *process, const struct hook_request *request)
{
    const char *argv[HOOK_ARGUMENTS + 2];
    char path[HOOK_PATH_BYTES], slot[12];

    hook_request_arguments(request, process->programs, argv, path, slot);
    for (int i = 0; i < HOOK_PLACES; i++) {
        if (process->places[i].pid)
            continue;
        if (is_image(request, path))
            run(process, &process->places[i], request, argv);
        else
            answer(process, HOOK_REFUSED, request->id, errno, NULL);
        return;
    }
    answer(process, HOOK_REFUSED, request->id, EAGAIN, NULL);
}

/* ---- end ---- */

static void free_place(struct place *place)
{
    waitpid(place->pid, NULL, 0);
    *place = (struct place){.pid = 0};
}

static void look_for_the_dead(struct process *process)
{
    for (int i = 0; i < HOOK_PLACES; i++) {
        struct place *place = &process->places[i];
        siginfo_t info = {.si_pid = 0};

        if (!place->pid || place->ended ||
            waitid(P_PID, (id_t)place->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
            continue;
        if (place->dropped) {
            free_place(place);
            continue;
        }
        place->ended = true;
        place->deadline = 0;
        answer(process,
               place->timed_out             ? HOOK_TIMED_OUT
               : info.si_code == CLD_EXITED ? HOOK_EXITED
                                            : HOOK_SIGNALLED,
               place->id, info.si_status, NULL);
    }
}

/* Kills what is late; returns how long poll() may wait for the next. */
static int watch_time(struct process *process)
{
    int64_t now = now_ms(), next = -1;

    for (int i = 0; i < HOOK_PLACES; i++) {
        struct place *place = &process->places[i];

        if (!place->pid || !place->deadline)
            continue;
        if (place->deadline <= now) {
            place->timed_out = true;
            place->deadline = 0;
            kill_group(place);
        } else if (next < 0 || place->deadline - now < next) {
            next = place->deadline - now;
        }
    }
    return (int)next;
}

static void let_go(struct process *process, const struct hook_request *request)
{
    for (int i = 0; i < HOOK_PLACES; i++) {
        struct place *place = &process->places[i];

        if (!place->pid || place->id != request->id)
            continue;
        if (request->kind == HOOK_KILL) {
            kill_group(place);
            place->dropped = true;
        }
        if (place->ended)
            free_place(place);
    }
}

static void on_request(struct process *process)
{
    char bytes[sizeof(struct hook_request) + 1];
    struct hook_request request;
    ssize_t n = recv(process->socket, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        leave(process, 0);
    if (hook_request_read(bytes, (size_t)n, process->programs, &request) < 0)
        leave(process, 1);
    if (request.kind == HOOK_START)
        start(process, &request);
    else
        let_go(process, &request);
}

/* ---- life ---- */

/* Nothing of the agent's is open but its standard streams; signals of a terminal or a service manager go to the agent, whose
 * end is ours. */
static int seclude(int fd)
{
    const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    sigset_t child;

    prctl(PR_SET_NAME, "homepatch-hooks", 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (fd != STDERR_FILENO + 1 && dup3(fd, STDERR_FILENO + 1, O_CLOEXEC) < 0)
        _exit(1);
    fd = STDERR_FILENO + 1;
    if (syscall(SYS_close_range, fd + 1, ~0u, 0) < 0)
        for (int other = fd + 1; other < sysconf(_SC_OPEN_MAX); other++)
            close(other);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    return fd;
}

void hook_process(int fd, const struct hook_programs *programs)
{
    struct process process = {.programs = programs, .socket = seclude(fd)};
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    process.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (process.signals < 0)
        _exit(1);
    for (;;) {
        struct pollfd fds[] = {{.fd = process.socket, .events = POLLIN},
                               {.fd = process.signals, .events = POLLIN}};
        struct signalfd_siginfo drained;

        if (poll(fds, 2, watch_time(&process)) < 0 && errno != EINTR)
            leave(&process, 1);
        while (read(process.signals, &drained, sizeof(drained)) > 0)
            ;
        look_for_the_dead(&process);
        if (fds[0].revents)
            on_request(&process);
    }
}
