/* SPDX-License-Identifier: BSD-3-Clause */
/* Hooks, the process that runs them, and what an agent that was taken over can make it do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "firmware/hook.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/wait.h"

static const char image[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

enum {
    DEADLINE_MS = 10000,
};

struct fixture {
    char dir[64];
    char hook[96];
    char other[96];
    struct loop loop;
    struct hook_runner runner;
    struct hook_client *client;
    unsigned results;
    int status;
    char output[256];
    char reason[HOOK_REASON_BYTES];
};

static void write_file(const struct fixture *fixture, const char *name, const char *text, mode_t mode)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* `version` is the test's script; `install` says what it was called with. */
static const char program[] = "#!/bin/sh\n"
                              "cd \"${0%/*}\" || exit 1\n"
                              "[ \"$1\" = version ] && . ./script\n"
                              "echo \"$# $*\"\n";

static void begin(struct fixture *fixture, const char *firmware, uint32_t longest_s)
{
    struct hook_programs programs = {.firmware = {.path = firmware},
                                     .reboot = {.path = fixture->other},
                                     .image_dir = fixture->dir,
                                     .longest_s = longest_s};
    struct error err;

    assert_int_equal(hook_runner_start(&fixture->runner, &programs, &err), 0);
    assert_int_equal(loop_init(&fixture->loop, &err), 0);
    fixture->client = hook_client_new(&fixture->loop, &fixture->runner, &err);
    assert_non_null(fixture->client);
}

static void end(struct fixture *fixture)
{
    hook_client_free(fixture->client);
    loop_done(&fixture->loop);
    hook_runner_stop(&fixture->runner);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->dir, "/tmp/homepatch-hook-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->hook, sizeof(fixture->hook), "%s/hook", fixture->dir);
    snprintf(fixture->other, sizeof(fixture->other), "%s/other", fixture->dir);
    write_file(fixture, "hook", program, 0755);
    write_file(fixture, "other", "#!/bin/sh\ncd \"${0%/*}\" && echo \"$#\" > rebooted\nexit 7\n", 0755);
    write_file(fixture, image, "x", 0600);
    begin(fixture, fixture->hook, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[96];

    end(fixture);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static void on_hook(void *ctx, const struct hook_result *result)
{
    struct fixture *fixture = ctx;

    fixture->results++;
    fixture->status = result->status;
    str_copy(fixture->output, sizeof(fixture->output), result->output);
    str_copy(fixture->reason, sizeof(fixture->reason), result->reason);
}

static const struct hook_ops hook_ops = {.done = on_hook};

static struct hook_run *start(struct fixture *fixture, const char *script)
{
    struct hook_run *run;

    write_file(fixture, "script", script, 0644);
    fixture->results = 0;
    run = hook_start(fixture->client, HOOK_VERSION, NULL, 0, &hook_ops, fixture, NULL);
    assert_non_null(run);
    return run;
}

static void run(struct fixture *fixture, const char *script)
{
    start(fixture, script);
    WAIT_FOR(&fixture->loop, fixture->results == 1);
}

static bool exists(const struct fixture *fixture, const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    return access(path, F_OK) == 0;
}

static int number_in(const struct fixture *fixture, const char *name)
{
    char path[160], text[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    file = fopen(path, "r");
    if (!file)
        return 0;
    if (!fgets(text, sizeof(text), file))
        text[0] = '\0';
    fclose(file);
    return strchr(text, '\n') ? atoi(text) : 0;
}

/* ---- what the agent sees ---- */

static void results_are_what_the_program_did(void **state)
{
    struct fixture *fixture = *state;

    run(fixture, "echo a; echo b; echo first >&2; echo last >&2; exit 3");
    assert_int_equal(fixture->status, 3);
    assert_string_equal(fixture->output, "a\nb\n");
    assert_string_equal(fixture->reason, "last");
    run(fixture, "kill -TERM $$");
    assert_int_equal(fixture->status, -1);
    assert_non_null(strstr(fixture->reason, "signal 15"));
    run(fixture, "head -c 1000000 /dev/zero | tr '\\0' x; echo; printf '\\377' >&2; exit 0");
    assert_int_equal(fixture->status, 0);
    assert_string_equal(fixture->reason, "");
    run(fixture, "sleep 100 & exit 0"); /* who keeps the pipe is not waited for */
    assert_int_equal(fixture->status, 0);
    run(fixture, "read line; echo \"$?\"; exit 0"); /* nothing on standard input */
    assert_string_equal(fixture->output, "1\n");
}

static void arguments_are_those_of_the_step(void **state)
{
    struct fixture *fixture = *state;
    char expected[256];

    fixture->results = 0;
    hook_start(fixture->client, HOOK_INSTALL, image, 2, &hook_ops, fixture, NULL);
    WAIT_FOR(&fixture->loop, fixture->results == 1);
    snprintf(expected, sizeof(expected), "3 install %s/%s 2\n", fixture->dir, image);

    assert_string_equal(fixture->output, expected);
    hook_start(fixture->client, HOOK_ACTIVATE, NULL, 3, &hook_ops, fixture, NULL);
    WAIT_FOR(&fixture->loop, fixture->results == 2);
    assert_string_equal(fixture->output, "2 activate 3\n");
}

static void programs_that_cannot_be_run(void **state)
{
    struct fixture *fixture = *state;
    struct hook_programs programs = {.firmware = {.path = "/nonexistent/hook"}, .image_dir = "/tmp"};
    struct hook_runner runner;
    struct error err;

    assert_int_equal(hook_runner_start(&runner, &programs, &err), -1);
    assert_string_equal(err.path, "hook_firmware");
    assert_non_null(strstr(err.message, "/nonexistent/hook cannot be run: No such file"));
    programs = (struct hook_programs){.reboot = {.path = NULL}};
    assert_int_equal(hook_runner_start(&runner, &programs, &err), 0);
    assert_int_equal(runner.pid, 0);
    assert_false(hook_runner_has(&runner, HOOK_REBOOT));
    hook_runner_stop(&runner);

    /* It was there at the start. */
    assert_int_equal(unlink(fixture->hook), 0);
    run(fixture, "");
    assert_int_equal(fixture->status, -1);
    assert_string_equal(fixture->reason, "the program cannot be run: No such file or directory");
}

static void cancelled_is_killed_and_not_heard(void **state)
{
    struct fixture *fixture = *state;
    int child;

    hook_cancel(start(fixture, "sleep 100"));
    hook_cancel(NULL);
    start(fixture, "sleep 100 & echo $! > child; wait");
    WAIT_FOR(&fixture->loop, (child = number_in(fixture, "child")) > 0);
    hook_cancel(start(fixture, "exit 0"));                        /* beside it */
    assert_int_equal(shutdown(fixture->runner.fd, SHUT_RDWR), 0); /* as when the agent is gone */
    WAIT_FOR(&fixture->loop, fixture->results == 1);
    for (int i = 0; kill(child, 0) == 0 && i < DEADLINE_MS; i++)
        usleep(1000);
    assert_int_equal(kill(child, 0), -1); /* the process ended, and took it along */
    end(fixture);
    begin(fixture, fixture->hook, 0);
    run(fixture, "exit 0");
    assert_int_equal(fixture->status, 0);
    assert_int_equal(fixture->results, 1);
}

static void what_takes_too_long_is_killed(void **state)
{
    struct fixture *fixture = *state;

    end(fixture);
    begin(fixture, fixture->hook, 1);
    run(fixture, "sleep 100 & sleep 100");
    assert_int_equal(fixture->status, -1);
    assert_non_null(strstr(fixture->reason, "too long"));
}

static void after_the_loop_it_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    start(fixture, "echo left over; exit 0"); /* its answers come first */
    assert_int_equal(hook_runner_wait(&fixture->runner, HOOK_REBOOT, &err), 7);
    assert_int_equal(number_in(fixture, "rebooted"), 0);
    assert_true(exists(fixture, "rebooted"));
    assert_int_equal(unlink(fixture->other), 0);
    assert_int_equal(hook_runner_wait(&fixture->runner, HOOK_REBOOT, &err), -1);
    assert_non_null(strstr(err.message, "cannot be run"));
    kill(fixture->runner.pid, SIGKILL);
    assert_int_equal(hook_runner_wait(&fixture->runner, HOOK_REBOOT, &err), -1);
    assert_non_null(strstr(err.message, "gone"));
}

static void the_process_dies(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    start(fixture, "echo $$ > child; exec sleep 100");
    WAIT_FOR(&fixture->loop, number_in(fixture, "child") > 0);
    kill(fixture->runner.pid, SIGKILL);
    WAIT_FOR(&fixture->loop, fixture->results == 1);
    assert_int_equal(fixture->status, -1);
    assert_non_null(strstr(fixture->reason, "is gone"));
    assert_null(hook_start(fixture->client, HOOK_VERSION, NULL, 0, &hook_ops, fixture, &err));
    assert_int_equal(err.code, ERROR_COMMAND_FAILURE);
    kill(number_in(fixture, "child"), SIGKILL);
}

/* ---- what a beaten agent cannot do ---- */

/* Sends bytes as they are; whether the process lives on. */
static bool survives(struct fixture *fixture, const void *bytes, size_t len)
{
    struct pollfd hangup = {.fd = fixture->runner.fd, .events = POLLIN};
    struct hook_request last = {.kind = HOOK_START, .id = 77, .step = HOOK_REBOOT};
    struct hook_answer answer;
    int pipes[2], rc;

    assert_int_equal(send(fixture->runner.fd, bytes, len, MSG_NOSIGNAL), len);
    send(fixture->runner.fd, &last, sizeof(last), MSG_NOSIGNAL);
    do {
        assert_int_equal(poll(&hangup, 1, DEADLINE_MS), 1);
        rc = hook_answer_receive(&fixture->runner, &answer, pipes);
        for (int i = 0; i < 2 && rc > 0; i++)
            if (pipes[i] >= 0)
                close(pipes[i]);
    } while (rc > 0 && !(answer.id == 77 && answer.kind != HOOK_STARTED));
    return rc > 0;
}

static void words_of_no_agent_end_it(void **state)
{
    struct fixture *fixture = *state;
    struct hook_request good = {.kind = HOOK_START, .id = 1, .step = HOOK_INSTALL, .slot = 1};
    struct hook_request bad[12];
    char long_one[sizeof(good) + 1] = "";
    size_t count = 0;

    memcpy(good.image, image, sizeof(good.image));
    assert_true(survives(fixture, &good, sizeof(good)));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        bad[i] = good;
    bad[count++].kind = HOOK_RELEASE + 1;
    bad[count++].step = HOOK_STEPS;
    bad[count++].step = UINT32_MAX;
    bad[count++].step = HOOK_FACTORY_RESET; /* not configured */
    bad[count++].slot = 0;
    bad[count++].slot = 4;
    memcpy(bad[count++].image, "../", 3);
    memcpy(bad[count++].image, "/etc/shadow", 12);
    bad[count++].image[63] = '\0';
    bad[count++].image[0] = 'A';
    memset(bad[count++].image, '0', sizeof(good.image)); /* not terminated */
    bad[count].step = HOOK_ACTIVATE;
    bad[count++].slot = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        end(fixture);
        begin(fixture, fixture->hook, 0);
        if (survives(fixture, &bad[i], sizeof(bad[i])))
            fail_msg("request %zu was taken", i);
    }
    end(fixture);
    begin(fixture, fixture->hook, 0);
    assert_false(survives(fixture, &good, sizeof(good) - 1));
    end(fixture);
    begin(fixture, fixture->hook, 0);
    assert_false(survives(fixture, long_one, sizeof(long_one)));
}

static void images_are_files_of_the_folder(void **state)
{
    static const char *const links[] = {"/etc/passwd", ".", "nowhere"};
    struct fixture *fixture = *state;
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", fixture->dir, image);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        unlink(path);
        assert_int_equal(symlink(links[i], path), 0);
        fixture->results = 0;
        hook_start(fixture->client, HOOK_INSTALL, image, 1, &hook_ops, fixture, NULL);
        WAIT_FOR(&fixture->loop, fixture->results == 1);
        assert_int_equal(fixture->status, -1);
        assert_non_null(strstr(fixture->reason, "cannot be run"));
    }
}

static void there_are_so_many_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct hook_run *runs[HOOK_PLACES];

    runs[0] = start(fixture, "exec sleep 100");
    for (int i = 1; i < HOOK_PLACES; i++)
        runs[i] = hook_start(fixture->client, HOOK_VERSION, NULL, 0, &hook_ops, fixture, NULL);
    hook_start(fixture->client, HOOK_VERSION, NULL, 0, &hook_ops, fixture, NULL);
    WAIT_FOR(&fixture->loop, fixture->results == 1);
    assert_int_equal(fixture->status, -1);
    assert_string_equal(fixture->reason, "the program cannot be run: Resource temporarily unavailable");
    for (int i = 0; i < HOOK_PLACES; i++)
        hook_cancel(runs[i]);
}

/* Nothing of the agent's is open in the process or the hook, and the environment is the one that it began with. */
static void nothing_is_inherited(void **state)
{
    struct fixture *fixture = *state;
    int secret, more;

    end(fixture);
    secret = open("/etc/passwd", O_RDONLY); /* without O_CLOEXEC */
    more = fcntl(secret, F_DUPFD, 500);
    begin(fixture, fixture->hook, 0);
    close(secret);
    close(more);
    assert_int_equal(setenv("HOMEPATCH_LATER", "1", 1), 0);
    run(fixture, "echo \"${HOMEPATCH_LATER:-none}\"; exec ls /proc/$PPID/fd 2>&1");
    unsetenv("HOMEPATCH_LATER");
    /* 3 and 4: its socket and its signals; from 5 on what is there for a moment: the pipes of this run. */
    assert_int_equal(strncmp(fixture->output, "none\n0\n1\n2\n3\n4\n", 15), 0);
    run(fixture, "exec ls /proc/self/fd");
    assert_string_equal(fixture->output, "0\n1\n2\n3\n"); /* 3: the folder that ls reads */
}

static void signals_are_for_the_agent(void **state)
{
    struct fixture *fixture = *state;

    run(fixture, "exit 0"); /* it is up */
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(fixture->runner.pid, (const int[]){SIGTERM, SIGINT, SIGHUP}[i]), 0);
    run(fixture, "kill -TERM $$"); /* in the hook they are what they were */
    assert_non_null(strstr(fixture->reason, "signal 15"));
}

/* ---- memory ---- */

static void memory_runs_out(void **state)
{
    struct fixture *fixture = *state;
    bool hit = true;

    for (unsigned long n = 1; hit; n++) {
        struct error err = {.code = 0};
        struct hook_run *started;

        fixture->results = 0;
        write_file(fixture, "script", "echo a; exit 3", 0644);
        failing_alloc_arm(n);
        started = hook_start(fixture->client, HOOK_VERSION, NULL, 0, &hook_ops, fixture, &err);
        if (started)
            WAIT_FOR(&fixture->loop, fixture->results == 1);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        if (started)
            assert_int_equal(fixture->status, 3); /* what it printed may be lost, how it ended is not */
        else
            assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
        assert_true(hit || strcmp(fixture->output, "a\n") == 0);
    }
    hook_client_free(fixture->client);
    failing_alloc_arm(1);
    fixture->client = hook_client_new(&fixture->loop, &fixture->runner, NULL);
    failing_alloc_arm(0);
    assert_null(fixture->client);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_are_what_the_program_did),
        TEST(arguments_are_those_of_the_step),
        TEST(programs_that_cannot_be_run),
        TEST(cancelled_is_killed_and_not_heard),
        TEST(what_takes_too_long_is_killed),
        TEST(after_the_loop_it_is_waited_for),
        TEST(the_process_dies),
        TEST(words_of_no_agent_end_it),
        TEST(images_are_files_of_the_folder),
        TEST(there_are_so_many_and_no_more),
        TEST(nothing_is_inherited),
        TEST(signals_are_for_the_agent),
        TEST(memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
