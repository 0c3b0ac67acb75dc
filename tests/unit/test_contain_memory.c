/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The n-th allocation or call of the system fails, for each n: either the walls stand in the end, or it is said that they do
 * not. Each attempt is a child, since walls stay.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/contain.h"

enum {
    SOMEBODY = 12345,   /* a user number */
    NOTHING_FAILED = 7, /* exit status: n is past the last call */
    SKIPPED = 77,
    ATTEMPTS = 2000,
};

/* ---- what fails ---- */

static unsigned long left;
static bool hit;

static bool fails(void)
{
    if (left == 0 || --left > 0)
        return false;
    hit = true;
    errno = ENOMEM;
    return true;
}

#define WRAP(type, name, parameters, arguments, failed)      \
    type __real_##name parameters;                           \
    type __wrap_##name parameters;                           \
    type __wrap_##name parameters                            \
    {                                                        \
        return fails() ? (failed) : __real_##name arguments; \
    }

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *block, size_t size), (block, size), NULL)
WRAP(struct passwd *, getpwnam, (const char *name), (name), NULL)
WRAP(int, initgroups, (const char *name, gid_t gid), (name, gid), -1)
WRAP(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved), -1)
WRAP(int, setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved), -1)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL)
WRAP(int, openat, (int fd, const char *path, int flags), (fd, path, flags), -1)
WRAP(int, fchownat, (int fd, const char *path, uid_t uid, gid_t gid, int flags), (fd, path, uid, gid, flags),
     -1)
WRAP(char *, realpath, (const char *path, char *real), (path, real), NULL)
WRAP(pid_t, fork, (void), (), -1)
WRAP(int, socketpair, (int domain, int type, int protocol, int *fds), (domain, type, protocol, fds), -1)
WRAP(scmp_filter_ctx, seccomp_init, (uint32_t action), (action), NULL)
WRAP(int, seccomp_attr_set, (scmp_filter_ctx filter, enum scmp_filter_attr attribute, uint32_t value),
     (filter, attribute, value), -ENOMEM)
WRAP(int, seccomp_load, (const scmp_filter_ctx filter), (filter), -ENOMEM)

int __real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    /* What asks, and what ends a list of capabilities by failing, is no step. */
    bool step = option == PR_SET_NO_NEW_PRIVS || option == PR_SET_KEEPCAPS;

    return step && fails() ? -1 : __real_prctl(option, a, b, c, d);
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return fails() ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

int __wrap_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int number, unsigned count,
                            struct scmp_arg_cmp comparison);
int __wrap_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int number, unsigned count,
                            struct scmp_arg_cmp comparison)
{
    return fails() ? -ENOMEM : seccomp_rule_add_array(filter, action, number, count, &comparison);
}

/* ---- the home ---- */

struct fixture {
    char dir[64];
    char hook[96];
    struct agent_config config;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    FILE *file;

    *state = fixture;
    if (!fixture)
        return -1;
    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/test_contain_memory.XXXXXX");
    if (!mkdtemp(fixture->dir) || chdir(fixture->dir) < 0 || chmod(fixture->dir, 0755) < 0)
        return -1;
    snprintf(fixture->hook, sizeof(fixture->hook), "%s/hook", fixture->dir);
    if (mkdir("state", 0700) < 0 || mkdir("conf", 0755) < 0 || mkdir("other", 0777) < 0 ||
        system("cp /bin/true hook && chmod 755 hook && echo x > other/secret") != 0)
        return -1;
    file = fopen("conf/agent.conf", "w");
    fprintf(file,
            "state_dir = %s/state\ncache_dir = %s/state\nrun_dir =\nfactory_file = %s/state/factory.conf\n"
            "hook_reboot = %s\ncontain = on\n%s",
            fixture->dir, fixture->dir, fixture->dir, fixture->hook, geteuid() == 0 ? "user = nobody\n" : "");
    fclose(file);
    return agent_config_read(&fixture->config, "conf/agent.conf", &err);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
    agent_config_done(&fixture->config);
    free(fixture);
    return chdir("/") < 0 || system(command) != 0;
}

/* ---- each step, with each of its calls failing once ---- */

#define EXPECT(condition)                                                                \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: call %lu: %s\n", __FILE__, __LINE__, n, #condition); \
            _exit(1);                                                                    \
        }                                                                                \
    } while (0)

typedef void step_fn(struct fixture *fixture, unsigned long n);

static void each_call_fails(step_fn *fn, struct fixture *fixture)
{
    for (unsigned long n = 1; n < ATTEMPTS; n++) {
        pid_t pid = __real_fork();
        int status = -1;

        if (pid == 0) {
            if (!freopen("/dev/null", "w", stdout))
                _exit(2);
            fn(fixture, n);
            _exit(hit ? 0 : NOTHING_FAILED);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == SKIPPED)
            skip();
        if (WEXITSTATUS(status) == NOTHING_FAILED && n > 1)
            return;
        if (WEXITSTATUS(status) != 0)
            fail_msg("call %lu: status %d", n, WEXITSTATUS(status));
    }
    fail_msg("no end");
}

static int opened(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void raise_all(struct fixture *fixture, unsigned long n)
{
    struct contain contain = {.begun = false};
    struct error err = {.code = 0};
    int rc;

    if (syscall(444, 0, 0, 1) <= 0)
        _exit(SKIPPED); /* a kernel without Landlock: `on` refuses it */
    left = n;
    rc = contain_raise(&contain, &fixture->config, NULL, &err);
    left = 0;
    if (rc < 0) {
        EXPECT(hit && err.code != 0 && err.message[0]);
        return;
    }
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && contain.walled);
    EXPECT(opened("other/secret") == EACCES && opened("state") == 0);
    EXPECT(execl("/bin/true", "true", (char *)NULL) < 0 && errno == EPERM);
    EXPECT(contain.state.landlock > 0 && contain.state.calls_filtered && contain.state.no_new_privileges);
}

static void walls_stand_or_it_is_said(void **state)
{
    each_call_fails(raise_all, *state);
}

static void change_user(struct fixture *fixture, unsigned long n)
{
    struct error err = {.code = 0};
    int rc;

    left = n;
    rc = contain_user(&fixture->config, &err);
    left = 0;
    if (rc < 0) {
        EXPECT(hit && err.code != 0 && err.message[0]);
        return;
    }
    EXPECT(getuid() != 0 && geteuid() != 0 && getgid() != 0 && setuid(0) < 0 && setgid(0) < 0);
    EXPECT(opened("/etc/shadow") == EACCES);
}

static void the_user_is_another_or_it_is_said(void **state)
{
    if (geteuid() != 0)
        skip();
    each_call_fails(change_user, *state);
}

/* A file that is not given is no success: the agent would not find its own database. */
static void give_all(struct fixture *fixture, unsigned long n)
{
    struct error err = {.code = 0};
    struct stat st;
    int rc;

    (void)fixture;
    EXPECT(system("chown -R 0:0 state && mkdir -p state/inner && touch state/inner/file state/file") == 0);
    left = n;
    rc = contain_give("state", SOMEBODY, SOMEBODY, &err);
    left = 0;
    if (rc < 0) {
        EXPECT(hit && strcmp(err.path, "state") == 0 && err.message[0]);
        return;
    }
    EXPECT(stat("state/inner/file", &st) == 0 && st.st_uid == SOMEBODY);
    EXPECT(stat("state/file", &st) == 0 && st.st_uid == SOMEBODY);
}

static void all_is_given_or_it_is_said(void **state)
{
    if (geteuid() != 0)
        skip();
    each_call_fails(give_all, *state);
}

static void start_hooks(struct fixture *fixture, unsigned long n)
{
    struct contain contain = {.begun = false};
    struct error err = {.code = 0};
    int rc;

    left = n;
    rc = contain_hooks(&contain, &fixture->config, &err);
    left = 0;
    if (rc < 0) {
        EXPECT(hit && err.code != 0 && err.message[0] && !contain.hooks.pid && !contain.begun);
        EXPECT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    } else {
        EXPECT(hook_runner_wait(&contain.hooks, HOOK_REBOOT, &err) == 0);
    }
    contain_done(&contain);
}

static void hooks_can_be_run_or_it_is_said(void **state)
{
    each_call_fails(start_hooks, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(walls_stand_or_it_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(the_user_is_another_or_it_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(all_is_given_or_it_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(hooks_can_be_run_or_it_is_said, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
