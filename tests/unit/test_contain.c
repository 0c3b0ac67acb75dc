/* SPDX-License-Identifier: BSD-3-Clause */
/* The walls, each in a child process that has no way out of them. What needs root is skipped without it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/contain.h"

enum {
    SOMEBODY = 12345, /* a user number */
    SKIPPED = 77,
};

#define EXPECT(condition)                                                   \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)

struct fixture {
    char dir[64];
    struct agent_config config;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    *state = fixture;
    if (!fixture)
        return -1;
    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/test_contain.XXXXXX");
    if (!mkdtemp(fixture->dir) || chdir(fixture->dir) < 0)
        return -1;
    return mkdir("state", 0700) < 0 || mkdir("conf", 0700) < 0 || mkdir("other", 0700) < 0;
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

static void touch(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void configure(struct fixture *fixture, const char *more)
{
    char text[1024];
    struct error err;
    FILE *file = fopen("conf/agent.conf", "w");

    assert_non_null(file);
    snprintf(text, sizeof(text),
             "state_dir = %s/state\ncache_dir = %s/state\nrun_dir =\nfactory_file = %s/conf/factory.conf\n%s",
             fixture->dir, fixture->dir, fixture->dir, more);
    fputs(text, file);
    fclose(file);
    if (agent_config_read(&fixture->config, "conf/agent.conf", &err) < 0)
        fail_msg("%s: %s", err.path, err.message);
}

/* Runs fn in a child; skipped when that says so. */
static void in_child(void (*fn)(struct fixture *), struct fixture *fixture)
{
    pid_t pid = fork();
    int status = -1;

    assert_true(pid >= 0);
    if (pid == 0) {
        fn(fixture);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(status, 0);
}

/* ---- files ---- */

static int opened(const char *name, int flags)
{
    int fd = open(name, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void *open_elsewhere(void *result)
{
    *(int *)result = opened("other/secret", O_RDONLY);
    return NULL;
}

static void behind_landlock(struct fixture *fixture)
{
    struct error err;
    pthread_t thread;
    int abi, seen = 0;

    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    abi = contain_files(&fixture->config, NULL, &err);
    if (abi == 0)
        _exit(SKIPPED);
    EXPECT(abi > 0);
    EXPECT(opened("state/fresh", O_RDWR | O_CREAT) == 0);
    EXPECT(rename("state/fresh", "state/kept") == 0 && unlink("state/kept") == 0);
    EXPECT(opened("conf/factory.conf", O_RDONLY) == 0);
    EXPECT(opened("conf/factory.conf", O_WRONLY) == EACCES);
    EXPECT(opened("conf/fresh", O_WRONLY | O_CREAT) == EACCES);
    EXPECT(opened("other/secret", O_RDONLY) == EACCES);
    EXPECT(opened("other/fresh", O_WRONLY | O_CREAT) == EACCES);
    EXPECT(opened("/etc/passwd", O_RDONLY) == 0 && opened("/dev/null", O_WRONLY) == 0);
    EXPECT(mknod("state/device", S_IFCHR | 0600, 0) < 0);
    EXPECT(execl("/bin/true", "true", (char *)NULL) < 0 && errno == EACCES);
    EXPECT(pthread_create(&thread, NULL, open_elsewhere, &seen) == 0 && pthread_join(thread, NULL) == 0);
    EXPECT(seen == EACCES);
}

static void files_that_are_not_named_are_closed(void **state)
{
    struct fixture *fixture = *state;

    touch("conf/factory.conf");
    touch("other/secret");
    configure(fixture, "");
    in_child(behind_landlock, fixture);
}

/* ---- system calls ---- */

static void *unshare_elsewhere(void *result)
{
    *(int *)result = unshare(0) < 0 ? errno : 0;
    return NULL;
}

static void behind_filter(struct fixture *fixture)
{
    pthread_t thread;
    struct error err;
    int rc, seen = 0;

    (void)fixture;
    EXPECT(unshare(0) == 0); /* it is the filter that refuses, below */
    rc = contain_calls(&err);
    if (rc == 0)
        _exit(SKIPPED);
    EXPECT(rc == 1);
    EXPECT(unshare(0) < 0 && errno == EPERM);
    EXPECT(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0) < 0 && errno == EPERM);
    EXPECT(syscall(SYS_bpf, -1, NULL, 0) < 0 && errno == EPERM);
    EXPECT(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == EPERM);
    EXPECT(socket(AF_PACKET, SOCK_DGRAM, 0) < 0 && errno == EAFNOSUPPORT);
    EXPECT(socket(AF_ALG, SOCK_SEQPACKET, 0) < 0 && errno == EAFNOSUPPORT);
    EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) >= 0 && socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
    EXPECT(execl("/bin/true", "true", (char *)NULL) < 0 && errno == EPERM);
    EXPECT(pthread_create(&thread, NULL, unshare_elsewhere, &seen) == 0 && pthread_join(thread, NULL) == 0);
    EXPECT(seen == EPERM);
}

static void calls_that_nobody_makes_are_refused(void **state)
{
    in_child(behind_filter, *state);
}

/* ---- the user ---- */

static uid_t owner_of(const char *name)
{
    struct stat st;

    assert_int_equal(lstat(name, &st), 0);
    return st.st_uid;
}

static void only_its_own_files_are_given(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    if (geteuid() != 0)
        skip();
    touch("state/homepatch.db");
    assert_int_equal(mkdir("state/authority", 0700), 0);
    touch("state/authority/key");
    touch("other/secret");
    touch("other/second");
    assert_int_equal(symlink("../other/secret", "state/link"), 0);
    assert_int_equal(symlink("../other", "state/folder"), 0);
    assert_int_equal(link("other/second", "state/second"), 0);
    assert_int_equal(contain_give("state", SOMEBODY, SOMEBODY, &err), 0);
    assert_int_equal(owner_of("state"), SOMEBODY);
    assert_int_equal(owner_of("state/homepatch.db"), SOMEBODY);
    assert_int_equal(owner_of("state/authority/key"), SOMEBODY);
    assert_int_equal(owner_of("other/secret"), 0);
    assert_int_equal(owner_of("other/second"), 0);
    assert_int_equal(owner_of("other"), 0);

    /* What the user could have moved is not touched: below a folder of theirs a path leads anywhere. */
    assert_int_equal(mkdir("state/cache", 0700), 0);
    assert_int_equal(contain_give("state/cache", SOMEBODY, SOMEBODY, &err), 0);
    assert_int_equal(owner_of("state/cache"), 0);
    (void)fixture;
}

static void folders_of_others_are_refused(void **state)
{
    struct error err;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod("other", 0777), 0);
    assert_int_equal(contain_give("other", SOMEBODY, SOMEBODY, &err), -1);
    assert_non_null(strstr(err.message, "others may write in it"));
    assert_int_equal(chown("conf", SOMEBODY + 1, 0), 0);
    assert_int_equal(contain_give("conf", SOMEBODY, SOMEBODY, &err), -1);
    assert_non_null(strstr(err.message, "belongs to user number 12346"));
    assert_int_equal(contain_give("nowhere", SOMEBODY, SOMEBODY, &err), -1);
    assert_int_equal(owner_of("other"), 0);
}

static void become_nobody(struct fixture *fixture)
{
    struct error err;

    EXPECT(contain_user(&fixture->config, &err) == 0);
    EXPECT(getuid() == geteuid() && getuid() != 0 && getgid() != 0);
    EXPECT(setuid(0) < 0 && setgid(0) < 0 && opened("/etc/shadow", O_RDONLY) == EACCES);
    EXPECT(contain_user(&fixture->config, &err) == 0); /* the next life */
}

static void there_is_no_way_back(void **state)
{
    struct fixture *fixture = *state;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(fixture->dir, 0755), 0);
    configure(fixture, "user = nobody\n");
    in_child(become_nobody, fixture);
    assert_int_not_equal(owner_of("state"), 0);
}

static void users_that_are_no_good(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    configure(fixture, "user = no-such-user\n");
    assert_int_equal(contain_user(&fixture->config, &err), -1);
    assert_non_null(strstr(err.message, "there is no user"));
    agent_config_done(&fixture->config);
    configure(fixture, "user = root\n");
    assert_int_equal(contain_user(&fixture->config, &err), -1);
    assert_non_null(strstr(err.message, "root's"));
}

/* ---- hooks ---- */

static int text_of(const char *name)
{
    char text[16] = "";
    FILE *file = fopen(name, "r");

    if (!file || !fgets(text, sizeof(text), file))
        return -1;
    fclose(file);
    return atoi(text);
}

/* Of root's agent that becomes nobody, behind all walls. */
static void with_a_hook(struct fixture *fixture)
{
    struct contain contain = {.begun = false};
    struct error err;

    EXPECT(contain_hooks(&contain, &fixture->config, &err) == 0);
    /* The configured path leads over a folder of anybody: where it led at the start counts. */
    EXPECT(unlink("anybody/link") == 0 && symlink("/bin/true", "anybody/link") == 0);
    EXPECT(contain_user(&fixture->config, &err) == 0 && getuid() != 0);
    EXPECT(contain_raise(&contain, &fixture->config, NULL, &err) == 0);
    EXPECT(contain.walled && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    EXPECT(!contain.state.landlock || opened("other/ran", O_WRONLY | O_CREAT) == EACCES);
    EXPECT(execl("other/hook", "hook", (char *)NULL) < 0);
    EXPECT(contain_hooks(&contain, &fixture->config, &err) == 0); /* the next life */
    EXPECT(hook_runner_wait(&contain.hooks, HOOK_REBOOT, &err) == 3);
    contain_done(&contain);
}

static void hooks_keep_the_rights_of_the_start(void **state)
{
    struct fixture *fixture = *state;
    char more[160];

    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(fixture->dir, 0755), 0);
    assert_int_equal(system("printf '#!/bin/sh\\ncd \"${0%%/*}\" && id -u > ran\\nexit 3\\n' > other/hook && "
                            "chmod 755 other/hook && mkdir anybody && ln -s ../other/hook anybody/link && "
                            "chown -h nobody anybody anybody/link"),
                     0);
    snprintf(more, sizeof(more), "user = nobody\nhook_reboot = %s/anybody/link\n", fixture->dir);
    configure(fixture, more);
    in_child(with_a_hook, fixture);
    assert_int_equal(text_of("other/ran"), 0);
}

static void hooks_of_others_are_not_roots(void **state)
{
    struct fixture *fixture = *state;
    struct contain contain = {.begun = false};
    struct error err;
    char more[160];

    if (geteuid() != 0)
        skip();
    assert_int_equal(system("cp /bin/true other/hook && chmod 755 other/hook"), 0);
    snprintf(more, sizeof(more), "user = nobody\nhook_firmware = %s/other/hook\n", fixture->dir);
    configure(fixture, more);
    for (int i = 0; i < 4; i++) {
        const char *name = i < 2 ? "other/hook" : "other";

        assert_int_equal(i & 1 ? chown(name, SOMEBODY, 0) : chmod(name, 0775), 0);
        assert_int_equal(contain_hooks(&contain, &fixture->config, &err), -1);
        assert_string_equal(err.path, "hook_firmware");
        assert_non_null(strstr(err.message, "others than root"));
        assert_int_equal(contain.hooks.pid, 0);
        assert_int_equal(chown(name, 0, 0) | chmod(name, 0755), 0);
        contain_done(&contain);
        contain = (struct contain){.begun = false};
    }
    assert_int_equal(contain_hooks(&contain, &fixture->config, &err), 0);
    assert_true(contain.hooks.pid > 0);
    contain_done(&contain);
}

/* ---- together ---- */

static void wanted(struct fixture *fixture)
{
    struct contain contain = {.begun = false};
    struct error err;

    EXPECT(contain_raise(&contain, &fixture->config, NULL, &err) == 0);
    EXPECT(contain.walled == (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
    EXPECT(contain.walled == (strcmp(fixture->config.contain, "auto") == 0));
    EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == (strcmp(fixture->config.contain, "off") == 0));
    EXPECT(contain_raise(&contain, &fixture->config, NULL, &err) == 0);
}

static void only_off_goes_without(void **state)
{
    static const char *const texts[] = {"", "contain = off\n", "hook_reboot = /bin/true\n"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        configure(fixture, texts[i]);
        in_child(wanted, fixture);
        agent_config_done(&fixture->config);
    }
    configure(fixture, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_that_are_not_named_are_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(hooks_keep_the_rights_of_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(hooks_of_others_are_not_roots, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_that_nobody_makes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(only_its_own_files_are_given, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_of_others_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(there_is_no_way_back, setup, teardown),
        cmocka_unit_test_setup_teardown(users_that_are_no_good, setup, teardown),
        cmocka_unit_test_setup_teardown(only_off_goes_without, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
