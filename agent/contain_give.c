/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chown as root of folders that a beaten agent may have prepared in an earlier life: no link is followed, a file with a second
 * name is left alone, and so is a folder that somebody else than root can move.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/contain.h"

enum {
    DEPTH = 8, /* deeper than anything the agent makes */
};

struct owner {
    uid_t uid;
    gid_t gid;
    dev_t device;
};

static int give_entries(int fd, const struct owner *owner, int depth);

/* fd: O_PATH of one entry. A regular file with two names may be anybody's. */
static int give_entry(int fd, const struct owner *owner, int depth)
{
    struct stat st;
    int folder;

    if (fstat(fd, &st) < 0)
        return -1;
    if (st.st_dev != owner->device ||
        !(S_ISDIR(st.st_mode) || ((S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode)) && st.st_nlink == 1)))
        return 0;
    if ((st.st_uid != owner->uid || st.st_gid != owner->gid) &&
        fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode) || depth == DEPTH)
        return 0;
    folder = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return -1;
    return give_entries(folder, owner, depth + 1);
}

/* Takes the descriptor. */
static int give_entries(int fd, const struct owner *owner, int depth)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int rc = 0;

    if (!dir) {
        close(fd);
        return -1;
    }
    while (rc == 0 && (entry = readdir(dir))) {
        int child;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        child = openat(dirfd(dir), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0) {
            rc = errno == ENOENT ? 0 : -1; /* it went */
            continue;
        }
        rc = give_entry(child, owner, depth);
        close(child);
    }
    closedir(dir);
    return rc;
}

/* Walks a path without links; ret_fd is an O_PATH of its end. 0: some folder on the way is not root's alone. */
static int walk(char *path, int *ret_fd)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *rest = path, *name;

    while (fd >= 0 && (name = strtok_r(rest, "/", &rest))) {
        struct stat st;
        int next = -1;
        bool trusted = fstat(fd, &st) == 0 && st.st_uid == 0 &&
                       (!(st.st_mode & (S_IWGRP | S_IWOTH)) || (st.st_mode & S_ISVTX));

        if (trusted)
            next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        if (!trusted)
            return 0;
        fd = next;
    }
    *ret_fd = fd;
    return fd < 0 ? -1 : 1;
}

int contain_give(const char *folder, uid_t uid, gid_t gid, struct error *err)
{
    struct owner owner = {.uid = uid, .gid = gid};
    char path[PATH_MAX];
    struct stat st;
    int fd = -1, rc;

    /* The links that an administrator made (/var/run) are gone from it; what changes afterwards is not followed. */
    if (!realpath(folder, path))
        return error_set_errno(err, ERROR_INVALID_CONFIGURATION, folder, errno, "cannot be found");
    rc = walk(path, &fd);
    if (rc == 0)
        return 0; /* below a folder of the user, or of another: theirs to give */
    if (rc > 0) {
        rc = fstat(fd, &st);
        if (rc == 0 && st.st_uid != 0 && st.st_uid != uid) {
            close(fd);
            return error_set(err, ERROR_INVALID_CONFIGURATION, folder,
                             "belongs to user number %u: it has to be root's or the agent's",
                             (unsigned)st.st_uid);
        }
        if (rc == 0 && (st.st_mode & S_IWOTH)) {
            close(fd);
            return error_set(err, ERROR_INVALID_CONFIGURATION, folder,
                             "others may write in it: the agent needs a folder of its own");
        }
        owner.device = st.st_dev;
        rc = rc == 0 ? give_entry(fd, &owner, 0) : rc;
        close(fd);
    }
    return rc < 0 ? error_set_errno(err, ERROR_INVALID_CONFIGURATION, folder, errno,
                                    "cannot be given to the user of the agent")
                  : 0;
}
