/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into homepatchd by tests/faults: counts what the program does to its disk, and at the chosen call does what
 * a power cut, a full disk, a dying flash or an empty memory would do. It also moves the wall clock. The test steers it
 * through a file of one page that both map; faults.py has the same layout.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum op { OP_SYNC, OP_WRITE, OP_RENAME, OP_UNLINK, OP_TRUNCATE, OP_CREATE, OP_MALLOC, OP_TRANSITION, OPS };

enum action { KILL_BEFORE = 1, KILL_AFTER, KILL_TORN, FAIL_IO, FAIL_SPACE, FAIL_MEMORY };

enum {
    PAGE = 4096,
    JOBS = 64,
    STATES = 9, /* of a job: 0, it is not in the store; else 1 + enum firmware_job_state */
    COMMANDS = 2,
    BATCH = 32, /* writes of jobs in one batch that are read along */
    MARKS = 16,
    STATE_AT = 9, /* in a job's record: a byte for its version, the command, the state */
};

struct job {
    _Atomic uint64_t key; /* a hash; 0: free */
    _Atomic uint64_t state;
    _Atomic uint64_t command;
};

/* From one state to another, by command: how often it was committed, and killed before and after. */
struct seen {
    _Atomic uint32_t committed, before, after;
};

struct control {
    _Atomic int64_t clock_offset; /* s */
    _Atomic uint32_t ops;         /* set of 1 << enum op: the calls that count down; 0: not armed */
    _Atomic uint32_t action;
    _Atomic int64_t countdown; /* strikes when it comes to 0 ... */
    _Atomic int64_t repeats;   /* ... and at so many calls after it */
    _Atomic uint32_t struck;
    _Atomic uint32_t only_new; /* OP_TRANSITION: only what this action did not strike yet */
    _Atomic uint64_t count[OPS];
    struct seen seen[COMMANDS][STATES][STATES];
    struct job jobs[JOBS];
};

/* What the open batch of the store does to jobs. The store is used by one thread. */
static struct batch {
    bool is_job; /* what is bound now is of this kind */
    uint64_t key, state, command;
    struct job writes[BATCH];
    unsigned count;
    unsigned marks[MARKS], depth; /* what `count` was at each savepoint */
} batch;

_Static_assert(sizeof(struct control) <= PAGE, "faults.py maps one page");

static struct control *control;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* The next definition of a function: the C library's. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("HOMEPATCH_FAULTS");
    int fd = -1;
    void *page;

    if (path && strcmp(program_invocation_short_name, "homepatchd") == 0)
        fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        control = page;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    pause();
}

/* 0: nothing happens at this call; else the action that strikes. KILL_BEFORE does not return. */
static uint32_t strike(enum op op)
{
    uint32_t action;
    int64_t left;

    if (!control)
        return 0;
    atomic_fetch_add(&control->count[op], 1);
    if (!(atomic_load(&control->ops) & 1u << op))
        return 0;
    left = atomic_fetch_sub(&control->countdown, 1) - 1;
    if (left > 0 || left < -atomic_load(&control->repeats))
        return 0;
    atomic_store(&control->struck, 1);
    action = atomic_load(&control->action);
    if (action == KILL_BEFORE)
        die();
    return action;
}

/* True when the call fails; errno is set. */
static bool fails(uint32_t action)
{
    if (action != FAIL_IO && action != FAIL_SPACE)
        return false;
    errno = action == FAIL_IO ? EIO : ENOSPC;
    return true;
}

static int done(uint32_t action, int result)
{
    if (action == KILL_AFTER || action == KILL_TORN)
        die();
    return result;
}

/* ---- the disk ---- */

static bool is_file(int fd)
{
    struct stat st;

    return control && fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int fsync(int fd)
{
    uint32_t action = strike(OP_SYNC);

    return fails(action) ? -1 : done(action, NEXT(fsync)(fd));
}

int fdatasync(int fd)
{
    uint32_t action = strike(OP_SYNC);

    return fails(action) ? -1 : done(action, NEXT(fdatasync)(fd));
}

/* A cut in the middle leaves half of it. */
static size_t torn(uint32_t action, size_t len)
{
    return action == KILL_TORN ? len / 2 : len;
}

ssize_t write(int fd, const void *data, size_t len)
{
    uint32_t action = is_file(fd) ? strike(OP_WRITE) : 0;
    ssize_t result;

    if (fails(action))
        return -1;
    result = NEXT(write)(fd, data, torn(action, len));
    done(action, 0);
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    uint32_t action = is_file(fd) ? strike(OP_WRITE) : 0;
    ssize_t result;

    if (fails(action))
        return -1;
    result = NEXT(pwrite)(fd, data, torn(action, len), at);
    done(action, 0);
    return result;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return pwrite(fd, data, len, at);
}

int rename(const char *from, const char *to)
{
    uint32_t action = strike(OP_RENAME);

    return fails(action) ? -1 : done(action, NEXT(rename)(from, to));
}

int unlink(const char *path)
{
    uint32_t action = strike(OP_UNLINK);

    return fails(action) ? -1 : done(action, NEXT(unlink)(path));
}

int ftruncate(int fd, off_t size)
{
    uint32_t action = is_file(fd) ? strike(OP_TRUNCATE) : 0;

    return fails(action) ? -1 : done(action, NEXT(ftruncate)(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int open(const char *path, int flags, ...)
{
    uint32_t action = control && flags & O_CREAT ? strike(OP_CREATE) : 0;
    mode_t mode = 0;
    va_list ap;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return fails(action) ? -1 : done(action, NEXT(open)(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return open(path, flags, mode);
}

/* ---- the store ---- */

int sqlite3_bind_text(sqlite3_stmt *stmt, int at, const char *text, int len, void (*done)(void *))
{
    if (control && at == 1)
        batch.is_job = strcmp(text, "job") == 0;
    return NEXT(sqlite3_bind_text)(stmt, at, text, len, done);
}

int sqlite3_bind_blob(sqlite3_stmt *stmt, int at, const void *data, int len, void (*done)(void *))
{
    const uint8_t *bytes = data;

    if (control && batch.is_job && at == 2) {
        batch.key = 1469598103934665603u; /* FNV-1a */
        for (int i = 0; i < len; i++)
            batch.key = (batch.key ^ bytes[i]) * 1099511628211u;
    } else if (control && batch.is_job && at == 3 && len > STATE_AT) {
        batch.command = bytes[1];
        batch.state = 1u + bytes[STATE_AT];
    }
    return NEXT(sqlite3_bind_blob)(stmt, at, data, len, done);
}

static struct job *job_of(uint64_t key)
{
    struct job *free_one = NULL;

    for (struct job *job = control->jobs; job < control->jobs + JOBS; job++) {
        if (job->key == key)
            return job;
        if (!free_one && (!job->key || !job->state))
            free_one = job;
    }
    if (free_one) {
        free_one->state = 0;
        free_one->key = key;
    }
    return free_one;
}

static void note(bool deleted)
{
    if (!batch.is_job || batch.count == BATCH)
        return;
    batch.writes[batch.count].key = batch.key;
    batch.writes[batch.count].command = batch.command;
    batch.writes[batch.count++].state = deleted ? 0 : batch.state;
}

/*
 * Goes over what the batch changes. at: the member of struct seen to count up. True when something of it may be struck.
 */
static bool transitions(size_t at)
{
    bool wanted = false;

    for (unsigned i = 0; i < batch.count; i++) {
        struct job *write = &batch.writes[i], *job = job_of(write->key);
        uint64_t command = job && job->state ? job->command : write->command;
        struct seen *seen;
        bool last = true;

        for (unsigned j = i + 1; j < batch.count; j++)
            last = last && batch.writes[j].key != write->key;
        if (!job || !last || job->state == write->state || write->state >= STATES || command >= COMMANDS)
            continue;
        seen = &control->seen[command][job->state][write->state];
        wanted = wanted || !control->only_new ||
                 !(control->action == KILL_BEFORE ? seen->before : seen->after);
        atomic_fetch_add((_Atomic uint32_t *)((char *)seen + at), 1);
    }
    return wanted;
}

static void committed(void)
{
    for (unsigned i = 0; i < batch.count; i++) {
        struct job *job = job_of(batch.writes[i].key);

        if (job) {
            job->state = batch.writes[i].state;
            job->command = batch.writes[i].command;
        }
    }
    batch.count = 0;
}

/* Whether the call that follows is one that will be struck by this action. */
static bool will_strike(enum op op, uint32_t action)
{
    return control->ops & 1u << op && control->action == action && control->countdown == 1;
}

static int commit(sqlite3_stmt *stmt)
{
    uint32_t action = 0;
    int result;

    if (transitions(offsetof(struct seen, committed))) {
        if (will_strike(OP_TRANSITION, KILL_BEFORE))
            transitions(offsetof(struct seen, before));
        action = strike(OP_TRANSITION);
    }
    result = NEXT(sqlite3_step)(stmt);
    if (result != SQLITE_DONE)
        return result;
    if (action == KILL_AFTER)
        transitions(offsetof(struct seen, after));
    committed();
    return done(action, result);
}

int sqlite3_step(sqlite3_stmt *stmt)
{
    const char *sql = control ? sqlite3_sql(stmt) : NULL;

    if (!sql)
        return NEXT(sqlite3_step)(stmt);
    if (strcmp(sql, "COMMIT") == 0)
        return commit(stmt);
    if (strcmp(sql, "BEGIN IMMEDIATE") == 0)
        batch.count = batch.depth = 0;
    else if (strcmp(sql, "SAVEPOINT mark") == 0 && batch.depth < MARKS)
        batch.marks[batch.depth++] = batch.count;
    else if (strcmp(sql, "ROLLBACK TO mark") == 0 && batch.depth)
        batch.count = batch.marks[batch.depth - 1];
    else if (strcmp(sql, "RELEASE mark") == 0 && batch.depth)
        batch.depth--;
    else if (strncmp(sql, "INSERT INTO record", 18) == 0)
        note(false);
    else if (strcmp(sql, "DELETE FROM record WHERE kind = ?1 AND key = ?2") == 0)
        note(true);
    return NEXT(sqlite3_step)(stmt);
}

/* ---- memory ---- */

void *malloc(size_t size)
{
    return strike(OP_MALLOC) == FAIL_MEMORY ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return strike(OP_MALLOC) == FAIL_MEMORY ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return strike(OP_MALLOC) == FAIL_MEMORY ? NULL : __libc_realloc(old, size);
}

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int result = NEXT(clock_gettime)(clock, ret);

    if (result == 0 && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += atomic_load(&control->clock_offset);
    return result;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
