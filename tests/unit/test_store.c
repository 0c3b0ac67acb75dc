/* SPDX-License-Identifier: BSD-3-Clause */
/* The store: batches and their waiters, marks, full disks, and kill -9 at any moment. */
#include "tests/unit/store_bench.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* The value, or NULL; in a static buffer. */
static const char *get(struct fixture *fixture, const char *kind, const char *key)
{
    static char text[256];
    struct buf buf;
    int rc;

    buf_init(&buf, 1 << 20, 0);
    rc = store_get(fixture->store, kind, str_of(key), &buf, NULL);
    assert_true(rc >= 0);
    if (rc == 1)
        str_copy(text, sizeof(text), buf_cstr(&buf));
    buf_done(&buf);
    return rc == 1 ? text : NULL;
}

static int stop(void *ctx, struct str key, struct str value)
{
    list(ctx, key, value);
    return 7;
}

static void records(void **state)
{
    struct fixture *fixture = *state;
    struct buf buf;

    put(fixture, "a", "k2", "two");
    put(fixture, "a", "k1", "one");
    put(fixture, "a", "k10", "ten");
    put(fixture, "a", "k1\xc3\xa9", "accent");
    put(fixture, "b", "k1", "other kind");
    put(fixture, "a", "k2", "replaced");
    put(fixture, "a", "", "");
    assert_string_equal(get(fixture, "a", "k2"), "replaced"); /* reads see the open batch */
    assert_string_equal(get(fixture, "a", ""), "");
    assert_null(get(fixture, "a", "k3"));
    assert_null(get(fixture, "c", "k1"));
    expect_list(fixture, "a", "", "= k1=one k10=ten k1\xc3\xa9=accent k2=replaced ");
    expect_list(fixture, "a", "k1", "k1=one k10=ten k1\xc3\xa9=accent ");
    expect_list(fixture, "a", "k3", "");
    buf_init(&buf, 1000, 0);
    assert_int_equal(store_each(fixture->store, "a", STR("k"), stop, &buf, NULL), 7);
    assert_string_equal(buf_cstr(&buf), "k1=one ");
    buf_done(&buf);
    assert_int_equal(store_delete(fixture->store, "a", STR("k2"), NULL), 0);
    assert_int_equal(store_delete(fixture->store, "a", STR("nothing"), NULL), 0);
    assert_int_equal(store_delete_prefix(fixture->store, "a", STR("k1"), NULL), 0);
    expect_list(fixture, "a", "", "= ");
    expect_list(fixture, "b", "", "k1=other kind ");
    assert_int_equal(store_flush(fixture->store, NULL), 0);
    reopen(fixture);
    expect_list(fixture, "a", "", "= ");
    assert_string_equal(get(fixture, "b", "k1"), "other kind");
    assert_int_equal(store_delete_prefix(fixture->store, "b", STR(""), NULL), 0);
    expect_list(fixture, "b", "", "");
}

struct waiting {
    struct store_waiter waiter;
    struct fixture *fixture;
    bool writes;
};

static void on_end(void *ctx, bool durable)
{
    struct waiting *waiting = ctx;

    waiting->fixture->told[strlen(waiting->fixture->told)] = durable ? 'y' : 'n';
    if (waiting->writes)
        put(waiting->fixture, "a", "from waiter", "1");
}

static void batches(void **state)
{
    struct fixture *fixture = *state;
    struct waiting first = {{on_end, &first, NULL}, fixture, true},
                   second = {{on_end, &second, NULL}, fixture, false};

    /* Nothing open: told at once. */
    store_wait(fixture->store, &second.waiter);
    assert_string_equal(fixture->told, "y");
    put(fixture, "a", "1", "x");
    assert_true(store_pending(fixture->store));
    store_wait(fixture->store, &first.waiter);
    store_wait(fixture->store, &second.waiter);
    put(fixture, "a", "2", "x");
    assert_string_equal(fixture->told, "y");
    loop_run_deferred(&fixture->loop);
    assert_string_equal(fixture->told, "yyy");
    /* What the waiter wrote is a batch of its own, which the same iteration ended. */
    assert_string_equal(get(fixture, "a", "from waiter"), "1");
    assert_false(store_pending(fixture->store));
    assert_int_equal(store_flush(fixture->store, NULL), 0);
}

/* Waiters that go away: the first, the last, the only one. */
static void waiters_go(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting[3];

    put(fixture, "a", "1", "x");
    for (unsigned i = 0; i < 3; i++) {
        waiting[i] = (struct waiting){{on_end, &waiting[i], NULL}, fixture, false};
        store_wait(fixture->store, &waiting[i].waiter);
    }
    store_unwait(fixture->store, &waiting[2].waiter);
    store_unwait(fixture->store, &waiting[2].waiter);
    store_unwait(fixture->store, &waiting[0].waiter);
    store_wait(fixture->store, &waiting[0].waiter);
    store_flush(fixture->store, NULL);
    assert_string_equal(fixture->told, "yy");
    put(fixture, "a", "2", "x");
    store_wait(fixture->store, &waiting[1].waiter);
    store_unwait(fixture->store, &waiting[1].waiter);
    store_flush(fixture->store, NULL);
    assert_string_equal(fixture->told, "yy");
}

/* All kinds but one, as a factory reset wants it. */
static void forgetting(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "a", "1", "x");
    put(fixture, "kept", "1", "x");
    put(fixture, "b", "1", "x");
    assert_int_equal(store_forget(fixture->store, "kept", NULL), 0);
    reopen(fixture);
    expect_list(fixture, "a", "", "");
    expect_list(fixture, "b", "", "");
    expect_list(fixture, "kept", "", "1=x ");
}

static void marks(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "a", "1", "before");
    assert_int_equal(store_mark(fixture->store, NULL), 0);
    put(fixture, "a", "1", "changed");
    put(fixture, "a", "2", "new");
    assert_int_equal(store_mark(fixture->store, NULL), 0);
    put(fixture, "a", "3", "inner");
    store_mark_rollback(fixture->store);
    expect_list(fixture, "a", "", "1=changed 2=new ");
    assert_int_equal(store_mark(fixture->store, NULL), 0);
    put(fixture, "a", "4", "kept");
    store_mark_keep(fixture->store);
    store_mark_rollback(fixture->store);
    expect_list(fixture, "a", "", "1=before ");
    /* A mark begins a batch when none is open. */
    store_flush(fixture->store, NULL);
    assert_int_equal(store_mark(fixture->store, NULL), 0);
    assert_true(store_pending(fixture->store));
    put(fixture, "a", "5", "x");
    store_mark_keep(fixture->store);
    reopen(fixture);
    expect_list(fixture, "a", "", "1=before 5=x ");
}

/* ---- a full disk ---- */

static void full_disk(struct rlimit *old, rlim_t bytes)
{
    struct rlimit none;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, old), 0);
    signal(SIGXFSZ, SIG_IGN);
    none = (struct rlimit){bytes, old->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
}

static void lost_at_commit(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting = {{on_end, &waiting, NULL}, fixture, false};
    struct error err;
    struct rlimit old;

    put(fixture, "a", "kept", "x");
    store_flush(fixture->store, NULL);
    full_disk(&old, 1024);
    put(fixture, "a", "lost", "x");
    store_wait(fixture->store, &waiting.waiter);
    assert_int_equal(store_flush(fixture->store, &err), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(err.message[0]);
    assert_string_equal(fixture->told, "n");
    expect_list(fixture, "a", "", "kept=x ");
    put(fixture, "a", "later", "x");
    assert_int_equal(store_flush(fixture->store, NULL), 0);
    reopen(fixture);
    expect_list(fixture, "a", "", "kept=x later=x ");
}

/* A batch that is lost half-way is lost as a whole: what is written after that, too. */
static void lost_half_way(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting = {{on_end, &waiting, NULL}, fixture, false};
    char *large = calloc(1, 60000);
    struct rlimit old;
    int rc = 0;

    memset(large, 'x', 59999);
    put(fixture, "a", "kept", "x");
    store_flush(fixture->store, NULL);
    full_disk(&old, 16384);
    put(fixture, "a", "first", "x");
    store_wait(fixture->store, &waiting.waiter);
    for (unsigned i = 0; rc == 0 && i < 200; i++) {
        char key[16];

        snprintf(key, sizeof(key), "large%u", i);
        rc = store_put(fixture->store, "a", str_of(key), large, 59999, NULL);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, -1);
    store_put(fixture->store, "a", STR("after"), "x", 1, NULL);
    store_flush(fixture->store, NULL);
    assert_string_equal(fixture->told, "n");
    reopen(fixture);
    expect_list(fixture, "a", "", "kept=x ");
    free(large);
}

/* ---- what cannot be opened ---- */

static void cannot_open(void **state)
{
    struct error err;

    (void)state;
    assert_null(store_open("/nonexistent/db", NULL, &err));
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_string_equal(err.path, "/nonexistent/db");
    assert_null(store_open("/tmp", NULL, &err));
    store_close(NULL);
}

/* ---- kill -9 ---- */

enum {
    KILLS = 50,
    RECORDS = 20, /* of each batch: all of them or none are there */
};

/* Writes batches for ever and reports each that is durable through the pipe. */
static void write_batches(const char *path, int report, unsigned first)
{
    struct store *store = store_open(path, NULL, NULL);

    for (unsigned batch = first; store; batch++) {
        for (unsigned i = 0; i < RECORDS; i++) {
            char key[32], value[600];

            snprintf(key, sizeof(key), "%08u/%u", batch, i);
            memset(value, 'v', sizeof(value));
            if (store_put(store, "batch", str_of(key), value, sizeof(value), NULL) < 0)
                _exit(1);
        }
        if (batch % 7 == 0 && store_delete_prefix(store, "batch", STR("0000"), NULL) < 0)
            _exit(1);
        for (unsigned i = 0; batch % 7 == 0 && i < RECORDS; i++) {
            char key[32];

            snprintf(key, sizeof(key), "%08u/%u", batch, i);
            store_put(store, "batch", str_of(key), "again", 5, NULL);
        }
        if (store_flush(store, NULL) < 0 || write(report, &batch, sizeof(batch)) != sizeof(batch))
            _exit(1);
    }
    _exit(1);
}

struct counting {
    unsigned newest;
    unsigned records; /* of the newest */
    unsigned partial;
};

static int count(void *ctx, struct str key, struct str value)
{
    struct counting *counting = ctx;
    unsigned batch = (unsigned)strtoul(key.data, NULL, 10);

    (void)value;
    if (batch != counting->newest) {
        if (counting->records && counting->records != RECORDS)
            counting->partial++;
        counting->newest = batch;
        counting->records = 0;
    }
    counting->records++;
    return 0;
}

static void killed(void **state)
{
    struct fixture *fixture = *state;
    unsigned reported = 0, random = (unsigned)getpid();

    store_close(fixture->store);
    for (unsigned round = 0; round < KILLS; round++) {
        struct counting counting = {0};
        unsigned batch;
        int pipes[2];
        pid_t pid;

        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        if (pid == 0)
            write_batches(fixture->path, pipes[1], reported + 1);
        assert_true(pid > 0);
        close(pipes[1]);
        assert_int_equal(read(pipes[0], &batch, sizeof(batch)), sizeof(batch)); /* it writes */
        reported = batch;
        random = random * 1664525u + 1013904223u;
        nanosleep(&(struct timespec){0, (long)(random >> 8) % 8000000}, NULL); /* any moment of it */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        while (read(pipes[0], &batch, sizeof(batch)) == sizeof(batch))
            reported = batch;
        close(pipes[0]);
        open_store(fixture);
        assert_null(store_damaged_file(fixture->store));
        assert_int_equal(store_each(fixture->store, "batch", STR(""), count, &counting, NULL), 0);
        assert_int_equal(counting.partial, 0);
        assert_int_equal(counting.records, RECORDS);
        assert_true(counting.newest >= reported);
        assert_true(counting.newest <= reported + 1); /* committed, and killed before it was reported */
        reported = counting.newest;
        store_close(fixture->store);
    }
    open_store(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiters_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgetting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_at_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_half_way, set_up, tear_down),
        cmocka_unit_test(cannot_open),
        cmocka_unit_test_setup_teardown(killed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
