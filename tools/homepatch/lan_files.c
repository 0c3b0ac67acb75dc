/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/homepatch/lan_files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

/* The broker reads these files under its own user: -1 when there is none here. */
static gid_t broker_group(void)
{
    const struct group *group = getgrnam("mosquitto");

    return group ? group->gr_gid : (gid_t)-1;
}

int lan_files_open(struct lan_files *files, const char *dir, bool make, struct error *err)
{
    *files = (struct lan_files){dir, -1};
    if (make && mkdir(dir, 0750) < 0 && errno != EEXIST)
        return error_set_errno(err, ERROR_INTERNAL, dir, errno, "cannot make the folder");
    files->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, dir, errno,
                               "cannot open the folder (homepatch lan-broker init makes it)");
    if (flock(files->fd, LOCK_EX) < 0) {
        lan_files_close(files);
        return error_set_errno(err, ERROR_INTERNAL, dir, errno, "cannot lock the folder");
    }
    if (make)
        (void)!fchown(files->fd, (uid_t)-1, broker_group()); /* who is not root keeps its own group */
    return 0;
}

void lan_files_close(struct lan_files *files)
{
    if (files->fd >= 0)
        close(files->fd);
    files->fd = -1;
}

int lan_files_read(const struct lan_files *files, const char *name, struct arena *arena, struct str *ret,
                   bool *ret_there, struct error *err)
{
    int fd = openat(files->fd, name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    char *text = NULL;
    ssize_t len = 0;

    *ret = (struct str){"", 0};
    *ret_there = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : error_set_errno(err, ERROR_INTERNAL, name, errno, "cannot be opened");
    if (fstat(fd, &status) == 0 && status.st_size <= (off_t)LIMIT_CONFIG_BYTES &&
        (text = arena_alloc(arena, (size_t)status.st_size + 1)) != NULL)
        len = read(fd, text, (size_t)status.st_size);
    close(fd);
    if (!text || len < 0)
        return error_set(err, ERROR_INTERNAL, name, "cannot be read, or is larger than %u bytes",
                         LIMIT_CONFIG_BYTES);
    *ret = (struct str){text, (size_t)len};
    return 0;
}

static bool is_same(const struct lan_files *files, const char *name, const struct buf *text)
{
    int fd = openat(files->fd, name, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0;
    size_t at = 0;
    char part[4096];
    ssize_t len;

    while (same && (len = read(fd, part, sizeof(part))) > 0) {
        same = (size_t)len <= text->len - at && memcmp(part, buf_data(text) + at, (size_t)len) == 0;
        at += same ? (size_t)len : 0;
    }
    if (fd >= 0)
        close(fd);
    return same && at == text->len;
}

static int write_whole(int fd, const struct buf *text)
{
    size_t at = 0;

    while (at < text->len) {
        ssize_t len = write(fd, buf_data(text) + at, text->len - at);

        if (len < 0 && errno != EINTR)
            return -1;
        at += len > 0 ? (size_t)len : 0;
    }
    (void)!fchown(fd, (uid_t)-1, broker_group());
    return fchmod(fd, 0640) < 0 || fsync(fd) < 0 ? -1 : 0;
}

int lan_files_write(const struct lan_files *files, const char *name, const struct buf *text,
                    bool *ret_changed, struct error *err)
{
    char temporary[64];
    int fd, rc = -1;

    if (text->failed)
        return error_set(err, ERROR_INTERNAL, name, "out of memory");
    *ret_changed = false;
    if (is_same(files, name, text))
        return 0;
    snprintf(temporary, sizeof(temporary), ".%s.new", name);
    fd = openat(files->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        rc = write_whole(fd, text);
        if (close(fd) < 0)
            rc = -1;
    }
    if (rc < 0 || renameat(files->fd, temporary, files->fd, name) < 0 || fsync(files->fd) < 0)
        return error_set_errno(err, ERROR_INTERNAL, name, errno, "cannot be written in %s", files->dir);
    *ret_changed = true;
    return 0;
}
