/* SPDX-License-Identifier: BSD-3-Clause */
/* The bench of usp_bench.h on a store that outlives the agent. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/usp_bench.h"

enum {
    PATH_BYTES = 64,
};

static const char *store_path(char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "/tmp/homepatch-usp-%d.db", (int)getpid());
    return path;
}

static void remove_store(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < 3; i++) {
        char base[PATH_BYTES];
        char path[PATH_BYTES + 8];

        snprintf(path, sizeof(path), "%s%s", store_path(base), suffixes[i]);
        unlink(path);
    }
}

int usp_bench_set_up(void **state)
{
    static struct usp_bench bench;
    char path[PATH_BYTES];

    remove_store();
    usp_bench_init(&bench, store_path(path));
    *state = &bench;
    return 0;
}

int usp_bench_tear_down(void **state)
{
    usp_bench_done(*state);
    remove_store();
    return 0;
}

void bench_restart(struct usp_bench *bench, unsigned down, bool away)
{
    int64_t now = clock_wall(&bench->loop.clock) + down;
    char path[PATH_BYTES];

    usp_bench_done(bench);
    usp_bench_open(bench, store_path(path));
    clock_fake(&bench->loop.clock, now);
    bench->channels[0].up = !away;
    assert_int_equal(dm_load(bench->dm, NULL, NULL), 0);
    bench_turn(bench);
    usp_bench_start(bench);
    bench_turn(bench);
}

void bench_subscribe(struct usp_bench *bench, const char *settings)
{
    char text[512];

    snprintf(text, sizeof(text), "Device.LocalAgent.Subscription.: Enable=true %s", settings);
    assert_non_null(strstr(bench_add(bench, false, text), "ok{"));
}
