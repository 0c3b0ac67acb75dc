/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 16384,
};

/* ---- reading ---- */

/* 1 and an open regular file, 0: there is none, -1. */
static int open_regular(int dir, const char *name, unsigned flags, int *ret_fd, struct stat *ret,
                        struct error *err)
{
    int links = flags & (FILE_NO_LINK | FILE_TRUSTED) ? O_NOFOLLOW : 0;
    int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | links);
    int rc = 1;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, name, errno, "cannot open the file");
    if (fstat(fd, ret) < 0 || !S_ISREG(ret->st_mode))
        rc = error_set(err, ERROR_INVALID_CONFIGURATION, name, "it is no regular file");
    else if (flags & FILE_TRUSTED &&
             (ret->st_mode & (S_IWGRP | S_IWOTH) || (ret->st_uid != 0 && ret->st_uid != geteuid())))
        rc = error_set(err, ERROR_INVALID_CONFIGURATION, name,
                       "the file is not root's, or others may write it: it is not believed");
    if (rc > 0)
        *ret_fd = fd;
    else
        close(fd);
    return rc;
}

/* Up to `size` bytes, fewer only where the file ends; -1 and errno. */
static ssize_t read_up_to(int fd, void *to, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, (char *)to + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* To the end of the file, wherever that is by then: others write some of these files in place. */
static int read_rest(int fd, const char *name, struct buf *ret, struct error *err)
{
    for (;;) {
        size_t left = ret->max - ret->head - ret->len;
        size_t size = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        char *to = left ? (char *)buf_room(ret, size) : NULL;
        ssize_t len;

        if (!left)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, name,
                             "the file has %zu bytes or more: it is not read", ret->max - ret->head);
        if (!to)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, name, "out of memory");
        len = read_up_to(fd, to, size);
        if (len < 0)
            return error_set_errno(err, ERROR_INVALID_CONFIGURATION, name, errno, "cannot read the file");
        ret->len += (size_t)len;
        if ((size_t)len < size)
            return 1;
    }
}

int file_read(int dir, const char *name, unsigned flags, struct buf *ret, struct error *err)
{
    struct stat status;
    int fd, rc = open_regular(dir, name, flags, &fd, &status, err);

    if (rc <= 0)
        return rc;
    rc = read_rest(fd, name, ret, err);
    close(fd);
    return rc;
}

int file_read_text(int dir, const char *name, size_t max, struct arena *arena, struct str *ret,
                   struct error *err)
{
    struct stat status;
    ssize_t len = 0;
    char *text = NULL;
    int fd, rc = open_regular(dir, name, 0, &fd, &status, err);

    if (rc == 0)
        *ret = STR("");
    if (rc <= 0)
        return rc;
    if ((uint64_t)status.st_size > max)
        rc = error_set(err, ERROR_RESOURCES_EXCEEDED, name,
                       "the file has more than %zu bytes: it is not read", max);
    else if (!(text = arena_alloc(arena, (size_t)status.st_size + 1)))
        rc = error_set(err, ERROR_RESOURCES_EXCEEDED, name, "out of memory");
    else if ((len = read_up_to(fd, text, (size_t)status.st_size)) < 0)
        rc = error_set_errno(err, ERROR_INVALID_CONFIGURATION, name, errno, "cannot read the file");
    close(fd);
    if (rc < 0)
        return -1;
    text[len] = '\0';
    *ret = (struct str){text, (size_t)len};
    return 1;
}

/* ---- writing ---- */

static int write_all(int fd, struct str content)
{
    while (content.len) {
        ssize_t n = write(fd, content.data, content.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        content.data += n;
        content.len -= (size_t)n;
    }
    return 0;
}

/* A rename is durable once its folder is. */
static int sync_folder(int dir, const char *name)
{
    const char *slash = strrchr(name, '/');
    char folder[PATH_MAX] = ".";
    int fd, rc;

    if (slash) {
        size_t len = slash == name ? 1 : (size_t)(slash - name);

        memcpy(folder, name, len);
        folder[len] = '\0';
    }
    fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    rc = fsync(fd);
    if (rc < 0 && errno == EINVAL)
        rc = 0; /* a file system that cannot, as some of FUSE */
    close(fd);
    return rc;
}

int file_rename(int dir, const char *from, const char *to)
{
    if (strlen(to) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return renameat(dir, from, dir, to) < 0 ? -1 : sync_folder(dir, to);
}

static int write_fresh(int dir, const char *fresh, struct str content, mode_t mode, gid_t group)
{
    int fd, rc;

    /* What a loss of power left, or somebody put there: never followed, never written into. */
    if (unlinkat(dir, fresh, 0) < 0 && errno != ENOENT)
        return -1;
    fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return -1;
    rc = write_all(fd, content);
    if (rc == 0 && group != (gid_t)-1)
        (void)!fchown(fd, (uid_t)-1, group);
    if (rc == 0)
        rc = fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -1 : 0;
    return close(fd) == 0 ? rc : -1;
}

int file_replace(int dir, const char *name, struct str content, mode_t mode, gid_t group, struct error *err)
{
    char fresh[PATH_MAX];
    int number;

    if (snprintf(fresh, sizeof(fresh), "%s.new", name) >= (int)sizeof(fresh))
        return error_set(err, ERROR_INTERNAL, name, "the name is too long");
    if (write_fresh(dir, fresh, content, mode, group) == 0 && file_rename(dir, fresh, name) == 0)
        return 0;
    number = errno;
    unlinkat(dir, fresh, 0);
    return error_set_errno(err, ERROR_INTERNAL, name, number, "cannot be written");
}
