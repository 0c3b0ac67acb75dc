/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/store_check.h"

enum statement {
    PUT,
    DELETE,
    DELETE_PREFIX,
    FORGET,
    GET,
    EACH,
    BEGIN,
    COMMIT,
    ROLLBACK,
    SAVEPOINT,
    RELEASE,
    ROLLBACK_TO,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [PUT] = ("INSERT INTO record(kind, key, value, sum) VALUES(?1, ?2, ?3, ?4) "
             "ON CONFLICT(kind, key) DO UPDATE SET value = excluded.value, sum = excluded.sum"),
    [DELETE] = "DELETE FROM record WHERE kind = ?1 AND key = ?2",
    /* A key that starts with the prefix sorts between it and the prefix followed by the highest byte. */
    [DELETE_PREFIX] = "DELETE FROM record WHERE kind = ?1 AND key >= ?2 AND key < ?3",
    [FORGET] = "DELETE FROM record WHERE kind <> ?1",
    [GET] = "SELECT value FROM record WHERE kind = ?1 AND key = ?2",
    [EACH] = "SELECT key, value FROM record WHERE kind = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SAVEPOINT] = "SAVEPOINT mark",
    [RELEASE] = "RELEASE mark",
    [ROLLBACK_TO] = "ROLLBACK TO mark",
};

enum {
    LARGEST_RECORD = 1 << 20, /* that a damaged file is believed to have */
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct loop *loop;
    struct deferred flush;
    bool pending;
    struct store_waiter *waiters_first;
    struct store_waiter **waiters_last;
    enum store_damage damage;
    char *damaged_file;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS record("
    "kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, sum INTEGER, PRIMARY KEY(kind, key)) WITHOUT ROWID;";

/* For a file of a version before there were sums; fails when the column is there. */
static const char add_sums[] = "ALTER TABLE record ADD COLUMN sum INTEGER";

/*
 * WAL with synchronous=FULL: one fsync per commit, and a process or power cut loses nothing that was committed.
 * The page cache is small: all that is read often lives in memory elsewhere.
 */
static const char pragmas[] = "PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=FULL;"
                              "PRAGMA locking_mode=EXCLUSIVE;"
                              "PRAGMA cache_size=-256;"
                              "PRAGMA temp_store=MEMORY;"
                              "PRAGMA wal_autocheckpoint=1000;";

/* writable_schema: also a file that is shorter than it says is read. */
static const char pragmas_of_damaged[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                         "PRAGMA writable_schema=ON;"
                                         "PRAGMA cell_size_check=ON;";

static int fail(struct store *store, struct error *err, const char *what)
{
    int code = sqlite3_errcode(store->db);

    return error_set(err, code == SQLITE_FULL ? ERROR_RESOURCES_EXCEEDED : ERROR_INTERNAL,
                     sqlite3_db_filename(store->db, "main"), "%s: %s", what, sqlite3_errmsg(store->db));
}

static sqlite3_stmt *statement(struct store *store, enum statement which)
{
    sqlite3_stmt **slot = &store->statements[which];

    if (!*slot &&
        sqlite3_prepare_v3(store->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
        return NULL;
    return *slot;
}

static int run(struct store *store, enum statement which)
{
    sqlite3_stmt *stmt = statement(store, which);
    int rc;

    if (!stmt)
        return -1;
    rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

static bool is_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

/* SQLITE_OK, or the code that says why the file cannot be used. */
static int check_file(struct store *store)
{
    int rc = sqlite3_exec(store->db, pragmas, NULL, NULL, NULL);

    if (rc == SQLITE_OK) /* before anything is written into a file that is to be kept as it is */
        rc = store_check_structure(store->db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK &&
        sqlite3_exec(store->db, "SELECT sum FROM record LIMIT 0", NULL, NULL, NULL) == SQLITE_ERROR)
        rc = sqlite3_exec(store->db, add_sums, NULL, NULL, NULL);
    return rc == SQLITE_OK ? store_check_sums(store->db) : rc;
}

static int open_file(struct store *store, const char *path)
{
    int rc = sqlite3_open_v2(path, &store->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    return rc == SQLITE_OK ? check_file(store) : rc;
}

/* "<path>.corrupt-<time><suffix>"; NULL when memory is out. */
static char *name_aside(const char *path, const char *suffix)
{
    size_t size = strlen(path) + 64;
    char *name = malloc(size);

    if (name)
        snprintf(name, size, "%s.corrupt-%lld%s", path, (long long)time(NULL), suffix);
    return name;
}

/* Keeps the damaged file and its journal for whoever wants to look, under a name that is free. */
static int put_aside(struct store *store, const char *path, struct error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm"};
    char from[4096];
    char to[4096];
    int rc;

    free(store->damaged_file);
    store->damage = STORE_ANEW;
    store->damaged_file = name_aside(path, "");
    if (!store->damaged_file)
        return error_set(err, ERROR_INTERNAL, path, "out of memory");
    rc = rename(path, store->damaged_file);
    for (size_t i = 0; rc == 0 && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
        snprintf(to, sizeof(to), "%s%s", store->damaged_file, suffixes[i]);
        if (access(from, F_OK) == 0 && rename(from, to) < 0)
            unlink(from);
    }
    if (rc < 0)
        return error_set(err, ERROR_INTERNAL, path, "the database is damaged and cannot be put aside");
    return 0;
}

/* SQLite takes what comes before the damage and says nothing. A copy is kept, when there is room for one. */
static void check_log(struct store *store, const char *path)
{
    char log[4096];

    snprintf(log, sizeof(log), "%s-wal", path);
    if (!store_log_damaged(log))
        return;
    store->damage = STORE_CUT_SHORT;
    store->damaged_file = name_aside(path, "-wal");
    if (store->damaged_file && store_copy(log, store->damaged_file) < 0) {
        free(store->damaged_file);
        store->damaged_file = NULL;
    }
}

static void on_end_of_iteration(void *ctx)
{
    store_flush(ctx, NULL);
}

struct store *store_open(const char *path, struct loop *loop, struct error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    int rc;

    if (!store) {
        error_set(err, ERROR_INTERNAL, path, "out of memory");
        return NULL;
    }
    store->loop = loop;
    store->flush = (struct deferred){.fn = on_end_of_iteration, .ctx = store};
    store->waiters_last = &store->waiters_first;
    check_log(store, path);
    rc = open_file(store, path);
    if (is_damage(rc)) {
        sqlite3_close(store->db);
        store->db = NULL;
        if (put_aside(store, path, err) < 0)
            goto fail;
        rc = open_file(store, path);
    }
    if (rc != SQLITE_OK) {
        error_set(err, ERROR_INTERNAL, path, "cannot open the database: %s",
                  store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc));
        goto fail;
    }
    /* Every life begins with an empty log: what lies in one is of the last life, and none of it is old. */
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return store;
fail:
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->pending)
        store_flush(store, NULL);
    if (store->loop)
        loop_undefer(store->loop, &store->flush);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    free(store->damaged_file);
    free(store);
}

enum store_damage store_damage(const struct store *store)
{
    return store->damage;
}

const char *store_damaged_file(const struct store *store)
{
    return store->damaged_file;
}

static void bind_key(sqlite3_stmt *stmt, const char *kind, struct str key)
{
    sqlite3_bind_text(stmt, 1, kind, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 2, key.data ? key.data : "", (int)key.len, SQLITE_STATIC);
}

/* Binds the first key after all that start with prefix; keys are UTF-8 or numbers, so 0xff follows any of them. */
static int bind_prefix(sqlite3_stmt *stmt, const char *kind, struct str prefix)
{
    unsigned char *end = malloc(prefix.len + 1);

    if (!end)
        return -1;
    if (prefix.len)
        memcpy(end, prefix.data, prefix.len);
    end[prefix.len] = 0xff;
    bind_key(stmt, kind, prefix);
    sqlite3_bind_blob(stmt, 3, end, (int)prefix.len + 1, free);
    return 0;
}

static bool has(struct store *store, const char *kind, struct str key)
{
    struct buf value;
    int found;

    buf_init(&value, LARGEST_RECORD, 0);
    found = store_get(store, kind, key, &value, NULL);
    buf_done(&value);
    return found != 0;
}

/* One pass over the damaged file, which ends at the first place that cannot be read. */
static unsigned salvage(struct store *store, sqlite3 *damaged, const char *kind, struct str prefix,
                        const char *order)
{
    unsigned count = 0;
    sqlite3_stmt *stmt = NULL;
    char text[160];

    snprintf(
        text, sizeof(text),
        "SELECT kind, key, value, sum FROM record WHERE kind = ?1 AND key >= ?2 AND key < ?3 ORDER BY key %s",
        order);
    if (sqlite3_prepare_v2(damaged, text, -1, &stmt, NULL) == SQLITE_OK &&
        bind_prefix(stmt, kind, prefix) == 0) {
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            struct str key = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};

            if (store_record_whole(stmt) && !has(store, kind, key) &&
                store_put(store, kind, key, sqlite3_column_blob(stmt, 2),
                          (size_t)sqlite3_column_bytes(stmt, 2), NULL) == 0)
                count++;
        }
    }
    sqlite3_finalize(stmt);
    return count;
}

unsigned store_salvage(struct store *store, const char *kind, struct str prefix)
{
    static const char *const orders[] = {"ASC", "DESC"};
    sqlite3 *damaged = NULL;
    unsigned count = 0;

    if (store->damage != STORE_ANEW)
        return 0;
    /* For reading only, but its log has to count; closing it must not tidy that up. */
    if (sqlite3_open_v2(store->damaged_file, &damaged, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
            SQLITE_OK &&
        sqlite3_exec(damaged, pragmas_of_damaged, NULL, NULL, NULL) == SQLITE_OK) {
        sqlite3_db_config(damaged, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_limit(damaged, SQLITE_LIMIT_LENGTH, LARGEST_RECORD);
        for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) /* from the front, and from the end */
            count += salvage(store, damaged, kind, prefix, orders[i]);
    }
    sqlite3_close(damaged);
    return count;
}

static int begin(struct store *store, struct error *err)
{
    /* SQLite takes a whole batch back when the disk is full; what is written after that must not stand alone. */
    if (store->pending && sqlite3_get_autocommit(store->db))
        return error_set(err, ERROR_INTERNAL, sqlite3_db_filename(store->db, "main"),
                         "the batch was lost by an earlier failure");
    if (store->pending)
        return 0;
    if (run(store, BEGIN) < 0)
        return fail(store, err, "cannot begin to write");
    store->pending = true;
    if (store->loop)
        loop_defer(store->loop, &store->flush);
    return 0;
}

int store_put(struct store *store, const char *kind, struct str key, const void *value, size_t len,
              struct error *err)
{
    sqlite3_stmt *stmt = statement(store, PUT);

    if (!stmt)
        return fail(store, err, "cannot write");
    if (begin(store, err) < 0)
        return -1;
    bind_key(stmt, kind, key);
    sqlite3_bind_blob(stmt, 3, value ? value : "", (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 4, store_sum(kind, key, (struct str){value ? value : "", len}));
    return run(store, PUT) < 0 ? fail(store, err, "cannot write") : 0;
}

int store_delete(struct store *store, const char *kind, struct str key, struct error *err)
{
    sqlite3_stmt *stmt = statement(store, DELETE);

    if (!stmt)
        return fail(store, err, "cannot delete");
    if (begin(store, err) < 0)
        return -1;
    bind_key(stmt, kind, key);
    return run(store, DELETE) < 0 ? fail(store, err, "cannot delete") : 0;
}

int store_delete_prefix(struct store *store, const char *kind, struct str prefix, struct error *err)
{
    sqlite3_stmt *stmt = statement(store, DELETE_PREFIX);

    if (!stmt || bind_prefix(stmt, kind, prefix) < 0)
        return fail(store, err, "cannot delete");
    if (begin(store, err) < 0)
        return -1;
    return run(store, DELETE_PREFIX) < 0 ? fail(store, err, "cannot delete") : 0;
}

int store_forget(struct store *store, const char *kept_kind, struct error *err)
{
    sqlite3_stmt *stmt = statement(store, FORGET);

    if (!stmt)
        return fail(store, err, "cannot delete");
    if (begin(store, err) < 0)
        return -1;
    sqlite3_bind_text(stmt, 1, kept_kind, -1, SQLITE_STATIC);
    return run(store, FORGET) < 0 ? fail(store, err, "cannot delete") : 0;
}

int store_get(struct store *store, const char *kind, struct str key, struct buf *ret, struct error *err)
{
    sqlite3_stmt *stmt = statement(store, GET);
    int result;
    int rc;

    if (!stmt)
        return fail(store, err, "cannot read");
    bind_key(stmt, kind, key);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        result = buf_append(ret, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)) < 0 ? -1
                                                                                                          : 1;
    else
        result = rc == SQLITE_DONE ? 0 : -1;
    if (result < 0)
        fail(store, err, "cannot read");
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return result;
}

int store_each(struct store *store, const char *kind, struct str prefix,
               int (*fn)(void *ctx, struct str key, struct str value), void *ctx, struct error *err)
{
    sqlite3_stmt *stmt = statement(store, EACH);
    int result = 0;
    int rc = SQLITE_DONE;

    if (!stmt || bind_prefix(stmt, kind, prefix) < 0)
        return fail(store, err, "cannot read");
    while (result == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct str key = {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
        struct str value = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};

        result = fn(ctx, key, value);
    }
    if (result == 0 && rc != SQLITE_DONE)
        result = fail(store, err, "cannot read");
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return result;
}

int store_mark(struct store *store, struct error *err)
{
    if (begin(store, err) < 0)
        return -1;
    return run(store, SAVEPOINT) < 0 ? fail(store, err, "cannot mark") : 0;
}

void store_mark_keep(struct store *store)
{
    run(store, RELEASE);
}

void store_mark_rollback(struct store *store)
{
    run(store, ROLLBACK_TO);
    run(store, RELEASE);
}

bool store_pending(const struct store *store)
{
    return store->pending;
}

void store_wait(struct store *store, struct store_waiter *waiter)
{
    if (!store->pending) {
        waiter->fn(waiter->ctx, true);
        return;
    }
    waiter->next = NULL;
    *store->waiters_last = waiter;
    store->waiters_last = &waiter->next;
}

void store_unwait(struct store *store, struct store_waiter *waiter)
{
    struct store_waiter **at = &store->waiters_first;

    while (*at && *at != waiter)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = waiter->next;
    if (!*at)
        store->waiters_last = at;
}

int store_flush(struct store *store, struct error *err)
{
    struct store_waiter *waiter = store->waiters_first;
    int result = 0;

    if (!store->pending)
        return 0;
    if (run(store, COMMIT) < 0) {
        result = fail(store, err, "cannot commit");
        run(store, ROLLBACK);
    }
    store->pending = false;
    if (store->loop)
        loop_undefer(store->loop, &store->flush);
    store->waiters_first = NULL;
    store->waiters_last = &store->waiters_first;
    while (waiter) {
        struct store_waiter *next = waiter->next;

        waiter->fn(waiter->ctx, result == 0);
        waiter = next;
    }
    return result;
}
