/* SPDX-License-Identifier: BSD-3-Clause */
/* The hook that has the LAN's broker read the list of revoked certificates again: a shell script, a real loop, a clock of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/broker_reload.h"
#include "tests/unit/wait.h"

struct bench {
    struct loop loop;
    struct hook_runner hooks;
    struct broker_reload reload;
    char dir[32];
    char hook[64];
};

static const char *path_of(const struct bench *b, const char *name, char to[64])
{
    snprintf(to, 64, "%s/%s", b->dir, name);
    return to;
}

/* One line for each run. */
static size_t runs(const struct bench *b)
{
    char path[64];
    struct stat status;

    return stat(path_of(b, "runs", path), &status) == 0 ? (size_t)status.st_size / 2 : 0;
}

static void write_hook(const struct bench *b, const char *then)
{
    FILE *file = fopen(b->hook, "w");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\necho x >> %s/runs\n%s\n", b->dir, then);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(b->hook, 0755), 0);
}

static void pass(struct bench *b, uint64_t ms)
{
    clock_fake_advance(&b->loop.clock, ms);
    timers_run(&b->loop.timers);
}

static int set_up(void **state)
{
    static struct bench b;
    struct hook_programs programs = {.broker_reload = {.path = b.hook}};

    b = (struct bench){.dir = "/tmp/hp-reload-XXXXXX"};
    if (!mkdtemp(b.dir) || loop_init(&b.loop, NULL) < 0)
        return -1;
    clock_fake(&b.loop.clock, 1700000000);
    path_of(&b, "hook", b.hook);
    write_hook(&b, "exit 0");
    *state = &b;
    return hook_runner_start(&b.hooks, &programs, NULL) < 0 ||
                   broker_reload_init(&b.reload, &b.loop, &b.hooks, NULL) < 0
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    char path[64];

    broker_reload_done(&b->reload);
    loop_done(&b->loop);
    hook_runner_stop(&b->hooks);
    unlink(b->hook);
    unlink(path_of(b, "runs", path));
    unlink(path_of(b, "go", path));
    return rmdir(b->dir);
}

static void once_for_several(void **state)
{
    struct bench *b = *state;

    write_hook(b, "exit 0");
    for (int i = 0; i < 10; i++)
        broker_reload_due(&b->reload);
    assert_null(b->reload.run);
    pass(b, 100);
    assert_non_null(b->reload.run);
    WAIT_FOR(&b->loop, !b->reload.run);
    assert_int_equal(runs(b), 1);
    assert_false(b->reload.failed);
    pass(b, 3600000);
    assert_null(b->reload.run); /* nothing changed */
    broker_reload_due(&b->reload);
    pass(b, 100);
    WAIT_FOR(&b->loop, !b->reload.run);
    assert_int_equal(runs(b), 2);
}

/* A list that is written while the hook runs may be one that the broker did not read: another run, after this one. */
static void changes_while_it_runs(void **state)
{
    struct bench *b = *state;
    char path[64], then[128];

    snprintf(then, sizeof(then), "while ! test -e %s; do sleep 0.01; done", path_of(b, "go", path));
    write_hook(b, then);
    broker_reload_due(&b->reload);
    pass(b, 100);
    WAIT_FOR(&b->loop, runs(b) == 1);
    broker_reload_due(&b->reload);
    pass(b, 200);
    assert_int_equal(runs(b), 1);
    fclose(fopen(path, "w"));
    WAIT_FOR(&b->loop, !b->reload.run);
    pass(b, 100);
    assert_non_null(b->reload.run);
    WAIT_FOR(&b->loop, !b->reload.run);
    assert_int_equal(runs(b), 2);
}

static void tries_again(void **state)
{
    struct bench *b = *state;

    unlink(b->hook);
    broker_reload_due(&b->reload); /* there is no program */
    pass(b, 100);
    WAIT_FOR(&b->loop, !b->reload.run);
    assert_true(b->reload.failed);
    write_hook(b, "exit 1");
    pass(b, 59999);
    assert_null(b->reload.run);
    for (size_t i = 1; i < 4; i++) {
        pass(b, i == 1 ? 1 : 60000);
        WAIT_FOR(&b->loop, !b->reload.run);
        assert_int_equal(runs(b), i);
        assert_true(b->reload.failed);
    }
    write_hook(b, "exit 0");
    pass(b, 60000);
    WAIT_FOR(&b->loop, !b->reload.run);
    assert_false(b->reload.failed);
    pass(b, 3600000);
    assert_int_equal(runs(b), 4);
}

static void nobody_to_tell(void **state)
{
    struct broker_reload none = {.hooks = NULL};
    struct bench *b = *state;

    broker_reload_done(&none);
    assert_int_equal(broker_reload_init(&none, &b->loop, NULL, NULL), 0);
    broker_reload_due(&none);
    pass(b, 60000);
    assert_null(none.run);
    broker_reload_done(&none);
    /* And an end in the middle of a run. */
    write_hook(b, "sleep 60");
    broker_reload_due(&b->reload);
    pass(b, 100);
    assert_non_null(b->reload.run);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(once_for_several),
        TEST(changes_while_it_runs),
        TEST(tries_again),
        TEST(nobody_to_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
