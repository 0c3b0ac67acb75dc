/* SPDX-License-Identifier: BSD-3-Clause */
/* A store in a folder of its own, for its tests. */
#ifndef TESTS_UNIT_STORE_BENCH_H
#define TESTS_UNIT_STORE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/store.h"

struct fixture {
    struct loop loop;
    struct store *store;
    char directory[64];
    char path[80];
    char told[16]; /* of the waiters: "y" durable, "n" not */
};

static inline void open_store(struct fixture *fixture)
{
    struct error err;

    fixture->store = store_open(fixture->path, &fixture->loop, &err);
    if (!fixture->store)
        fail_msg("%s", err.message);
}

static inline int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    snprintf(fixture.directory, sizeof(fixture.directory), "/tmp/homepatch-store-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    snprintf(fixture.path, sizeof(fixture.path), "%s/db", fixture.directory);
    assert_int_equal(loop_init(&fixture.loop, NULL), 0);
    open_store(&fixture);
    *state = &fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    DIR *directory;
    struct dirent *entry;

    store_close(fixture->store);
    loop_done(&fixture->loop);
    directory = opendir(fixture->directory);
    while ((entry = readdir(directory)))
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    return rmdir(fixture->directory);
}

static inline void reopen(struct fixture *fixture)
{
    store_close(fixture->store);
    open_store(fixture);
}

static inline void put(struct fixture *fixture, const char *kind, const char *key, const char *value)
{
    assert_int_equal(store_put(fixture->store, kind, str_of(key), value, strlen(value), NULL), 0);
}

static inline int list(void *ctx, struct str key, struct str value)
{
    struct buf *to = ctx;

    buf_printf(to, "%.*s=%.*s ", (int)key.len, key.data, (int)value.len, value.data);
    return 0;
}

static inline void expect_list(struct fixture *fixture, const char *kind, const char *prefix,
                               const char *expected)
{
    struct buf buf;

    buf_init(&buf, 1 << 20, 0);
    assert_int_equal(store_each(fixture->store, kind, str_of(prefix), list, &buf, NULL), 0);
    assert_string_equal(buf_cstr(&buf), expected);
    buf_done(&buf);
}

#endif
