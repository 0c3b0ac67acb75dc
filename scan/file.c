/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/file.h"

#include <errno.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 16384,
};

static int read_all(int fd, const char *name, struct buf *ret, struct error *err)
{
    for (;;) {
        size_t left = ret->max - ret->len;
        uint8_t *room = left ? buf_room(ret, left < CHUNK_BYTES ? left : CHUNK_BYTES) : NULL;
        ssize_t len;

        if (!room)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, name,
                             "the file has %zu bytes or more: it is not read", ret->max);
        len = read(fd, room, left < CHUNK_BYTES ? left : CHUNK_BYTES);
        if (len < 0)
            return error_set_errno(err, ERROR_INVALID_CONFIGURATION, name, errno, "cannot read the file");
        if (len == 0)
            return 1;
        ret->len += (size_t)len;
    }
}

int scan_read_file(int dir, const char *name, struct buf *ret, struct error *err)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    int rc;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, name, errno, "cannot open the file");
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        rc = error_set(err, ERROR_INVALID_CONFIGURATION, name, "it is no regular file");
    else
        rc = read_all(fd, name, ret, err);
    close(fd);
    return rc;
}
