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
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum op { OP_SYNC, OP_WRITE, OP_RENAME, OP_UNLINK, OP_TRUNCATE, OP_CREATE, OP_MALLOC, OPS };

enum action { KILL_BEFORE = 1, KILL_AFTER, KILL_TORN, FAIL_IO, FAIL_SPACE, FAIL_MEMORY };

struct control {
    _Atomic int64_t clock_offset; /* s */
    _Atomic uint32_t ops;         /* set of 1 << enum op: the calls that count down; 0: not armed */
    _Atomic uint32_t action;
    _Atomic int64_t countdown; /* strikes when it comes to 0 ... */
    _Atomic int64_t repeats;   /* ... and at so many calls after it */
    _Atomic uint32_t struck;
    uint32_t unused;
    _Atomic uint64_t count[OPS];
};

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
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
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
