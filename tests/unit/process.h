/* SPDX-License-Identifier: BSD-3-Clause */
/* Other programs that a test starts, and ports for them. */
#ifndef TESTS_UNIT_PROCESS_H
#define TESTS_UNIT_PROCESS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static inline int process_socket(uint16_t port, int (*act)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (act(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A port of the loopback that nobody uses now. */
static inline uint16_t process_free_port(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = process_socket(0, bind);

    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static inline pid_t process_start(const char *path, char *const argv[])
{
    pid_t pid = fork();
    int null;

    assert_true(pid >= 0);
    if (pid == 0) {
        null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execv(path, argv);
        _exit(127);
    }
    return pid;
}

/* Waits until the process accepts connections. */
static inline void process_wait_port(pid_t pid, uint16_t port)
{
    const struct timespec step = {.tv_nsec = 5000000};
    int fd = -1;

    for (int i = 0; i < 4000; i++) {
        fd = process_socket(port, connect);
        if (fd >= 0) {
            close(fd);
            return;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid)
            break;
        nanosleep(&step, NULL);
    }
    fail_msg("nobody listens on port %u", port);
}

static inline void process_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

#endif
