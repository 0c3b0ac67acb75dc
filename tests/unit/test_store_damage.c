/* SPDX-License-Identifier: BSD-3-Clause */
/* A store whose files were damaged: what is noticed, what is kept, and what can still be read. */
#include "tests/unit/store_bench.h"

#include <sqlite3.h>
#include <sys/stat.h>

static void overwrite(const char *path, off_t at, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void damaged(void **state)
{
    struct fixture *fixture = *state;
    struct stat st;

    for (unsigned i = 0; i < 2; i++) {
        char garbage[4096];

        memset(garbage, 'z', sizeof(garbage));
        for (unsigned j = 0; j < 500; j++) {
            char key[16];

            snprintf(key, sizeof(key), "%u", j);
            put(fixture, "a", key, "some value that fills the pages of the file");
        }
        assert_null(store_damaged_file(fixture->store));
        store_close(fixture->store);
        overwrite(fixture->path, i ? 8192 : 0, garbage, sizeof(garbage)); /* the header, then a page */
        open_store(fixture);
        assert_non_null(store_damaged_file(fixture->store));
        assert_int_equal(stat(store_damaged_file(fixture->store), &st), 0);
        assert_true(st.st_size > 8192);
        expect_list(fixture, "a", "", "");
        put(fixture, "a", "new", "life");
        assert_int_equal(unlink(store_damaged_file(fixture->store)), 0);
        reopen(fixture);
        assert_null(store_damaged_file(fixture->store));
        expect_list(fixture, "a", "", "new=life ");
    }
}

/* Turns the first byte of `text` in the file into another. */
static void spoil(const char *path, const char *text)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    char *bytes, *at;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    at = memmem(bytes, (size_t)st.st_size, text, strlen(text));
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "#", 1, at - bytes), 1);
    close(fd);
    free(bytes);
}

static void changed_value(void **state)
{
    static const char *const texts[] = {"the value of one", "key-one"};
    struct fixture *fixture = *state;
    char aside[128];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(fixture, "a", "key-one", "the value of one");
        put(fixture, "a", "key-two", "x");
        put(fixture, "b", "key-three", "y");
        store_close(fixture->store);
        spoil(fixture->path, texts[i]);
        open_store(fixture);
        assert_int_equal(store_damage(fixture->store), STORE_ANEW);
        expect_list(fixture, "a", "", "");
        assert_int_equal(store_salvage(fixture->store, "b", STR("key-t")), 1);
        assert_int_equal(store_salvage(fixture->store, "b", STR("other")), 0);
        assert_int_equal(store_salvage(fixture->store, "a", STR("")), 1);
        snprintf(aside, sizeof(aside), "%s", store_damaged_file(fixture->store));
        reopen(fixture);
        assert_int_equal(store_damage(fixture->store), STORE_WHOLE);
        assert_int_equal(store_salvage(fixture->store, "a", STR("")), 0);
        expect_list(fixture, "a", "", "key-two=x ");
        expect_list(fixture, "b", "", "key-three=y ");
        assert_int_equal(unlink(aside), 0);
        store_forget(fixture->store, "none", NULL);
    }
}

/* A page in the middle is noise, or the second half is missing: what lies around it is read, from both ends. */
static void salvaged_around_a_hole(void **state)
{
    struct fixture *fixture = *state;
    char noise[4096];
    struct stat st;

    memset(noise, 'z', sizeof(noise));
    for (unsigned round = 0; round < 2; round++) {
        unsigned count;

        for (unsigned i = 0; i < 2000; i++) {
            char key[16];

            snprintf(key, sizeof(key), "%05u", i);
            put(fixture, "a", key, "some value that fills the pages of the file");
        }
        store_close(fixture->store);
        assert_int_equal(stat(fixture->path, &st), 0);
        if (round == 0)
            overwrite(fixture->path, st.st_size / 8192 * 4096, noise, sizeof(noise));
        else
            assert_int_equal(truncate(fixture->path, st.st_size / 2), 0);
        open_store(fixture);
        assert_int_equal(store_damage(fixture->store), STORE_ANEW);
        count = store_salvage(fixture->store, "a", STR(""));
        assert_in_range(count, round == 0 ? 1800 : 500, 1999);
        assert_int_equal(store_salvage(fixture->store, "a", STR("")), 0); /* all that there is */
        assert_int_equal(unlink(store_damaged_file(fixture->store)), 0);
        store_forget(fixture->store, "none", NULL);
        store_flush(fixture->store, NULL);
    }
}

/* As a kill leaves it: the log is there. Returns its length. */
static off_t kill_store(struct fixture *fixture)
{
    char command[400];
    char log[100];
    struct stat st;

    store_flush(fixture->store, NULL);
    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    snprintf(command, sizeof(command), "cd %s && cp db 1 && cp db-wal 2", fixture->directory);
    assert_int_equal(system(command), 0);
    store_close(fixture->store);
    snprintf(command, sizeof(command), "cd %s && mv 1 db && mv 2 db-wal && rm -f db-shm", fixture->directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(stat(log, &st), 0);
    return st.st_size;
}

static void damaged_log(void **state)
{
    struct fixture *fixture = *state;
    char log[100];
    off_t len;

    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    put(fixture, "a", "kept", "x");
    reopen(fixture);
    for (unsigned round = 0; round < 4; round++) {
        struct stat st;

        for (unsigned i = 0; i < 3; i++) {
            put(fixture, "a", i == 0 ? "first" : i == 1 ? "second" : "third", "x");
            store_flush(fixture->store, NULL);
        }
        len = kill_store(fixture);
        if (round == 0)
            overwrite(log, len - 4096 - 24 - 100, "#", 1); /* in the last batch but one */
        else if (round == 1)
            overwrite(log, 20, "#", 1); /* its own header */
        else if (round == 2)
            assert_int_equal(truncate(log, len - 100), 0); /* the last write was cut short */
        open_store(fixture);
        assert_int_equal(store_damage(fixture->store), round < 2 ? STORE_CUT_SHORT : STORE_WHOLE);
        expect_list(fixture, "a", "",
                    round == 0   ? "first=x kept=x "
                    : round == 1 ? "kept=x "
                    : round == 2 ? "first=x kept=x second=x "
                                 : "first=x kept=x second=x third=x ");
        if (round < 2) {
            assert_int_equal(stat(store_damaged_file(fixture->store), &st), 0);
            assert_int_equal(st.st_size, len);
            assert_int_equal(unlink(store_damaged_file(fixture->store)), 0);
        }
        store_forget(fixture->store, "none", NULL);
        put(fixture, "a", "kept", "x");
        reopen(fixture);
    }
}

static void of_a_version_without_sums(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *db;

    store_close(fixture->store);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TABLE record(kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
                     " PRIMARY KEY(kind, key)) WITHOUT ROWID;"
                     "INSERT INTO record VALUES('a', CAST('old' AS BLOB), CAST('x' AS BLOB))",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    open_store(fixture);
    put(fixture, "a", "new", "y");
    reopen(fixture);
    assert_int_equal(store_damage(fixture->store), STORE_WHOLE);
    expect_list(fixture, "a", "", "new=y old=x ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changed_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(salvaged_around_a_hole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_version_without_sums, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
