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

#include "base/file.h"
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

/* The folder is not in the name that the error has. */
static int failed(const struct lan_files *files, const char *name, struct error *err)
{
    if (err)
        snprintf(err->path, sizeof(err->path), "%s/%s", files->dir, name);
    return -1;
}

int lan_files_read(const struct lan_files *files, const char *name, struct arena *arena, struct str *ret,
                   bool *ret_there, struct error *err)
{
    int rc = file_read_text(files->fd, name, LIMIT_CONFIG_BYTES, arena, ret, err);

    *ret_there = rc > 0;
    return rc < 0 ? failed(files, name, err) : 0;
}

static bool is_same(const struct lan_files *files, const char *name, struct str text)
{
    struct buf old;
    bool same;

    buf_init(&old, text.len + 2, 0);
    same = file_read(files->fd, name, 0, &old, NULL) > 0 &&
           str_equal((struct str){(const char *)buf_data(&old), old.len}, text);
    buf_done(&old);
    return same;
}

int lan_files_write(const struct lan_files *files, const char *name, const struct buf *text,
                    bool *ret_changed, struct error *err)
{
    struct str content = {(const char *)buf_data(text), text->len};

    if (text->failed)
        return error_set(err, ERROR_INTERNAL, name, "out of memory");
    *ret_changed = false;
    if (is_same(files, name, content))
        return 0;
    if (file_replace(files->fd, name, content, 0640, broker_group(), err) < 0)
        return failed(files, name, err);
    *ret_changed = true;
    return 0;
}
