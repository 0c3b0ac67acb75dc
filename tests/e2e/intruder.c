/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into the agent by test_contain.py: what somebody would do who runs code inside it. Each thread that gets SIGUSR1
 * tries everything and writes one line with the error numbers, 0 for what went well.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int outcome(long result)
{
    return result < 0 ? errno : 0;
}

static int try_open(const char *name, int flags)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", getenv("HOMEPATCH_INTRUDER"), name);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return outcome(fd);
}

static int try_exec(void)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    char *environment[] = {NULL};
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        execve(argv[0], argv, environment);
        _exit(errno);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int try_memory(void)
{
    char from[4] = "abc", to[4];
    struct iovec local = {.iov_base = to, .iov_len = sizeof(to)};
    struct iovec remote = {.iov_base = from, .iov_len = sizeof(from)};

    return outcome(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static int try_packet(void)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM, 0);

    if (fd >= 0)
        close(fd);
    return outcome(fd);
}

static void on_signal(int number)
{
    int saved = errno;
    char line[256];
    int len;

    (void)number;
    len = snprintf(line, sizeof(line),
                   "intruder %ld write=%d read=%d exec=%d memory=%d packet=%d unshare=%d setuid=%d.\n",
                   syscall(SYS_gettid), try_open("planted", O_WRONLY | O_CREAT), try_open("secret", O_RDONLY),
                   try_exec(), try_memory(), try_packet(), outcome(unshare(0)),
                   outcome(syscall(SYS_setresuid, 0, 0, 0)));
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        _exit(99);
    errno = saved;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &action, NULL);
}
