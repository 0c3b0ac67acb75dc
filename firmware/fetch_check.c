/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/fetch_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void check_free(struct fetch_check *check)
{
    free(check->path);
    free(check->dir);
    free(check);
}

static int settle(struct fetch_check *check, int fd)
{
    char *to = NULL;
    int rc = -1;

    if (asprintf(&to, "%s/%s", check->dir, check->result.sha256) < 0)
        return error_set(&check->err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (fsync(fd) == 0 && file_rename(AT_FDCWD, check->path, to) == 0)
        rc = 0;
    else
        error_set_errno(&check->err, ERROR_RESOURCES_EXCEEDED, check->dir, errno, "cannot keep the image");
    free(to);
    return rc;
}

static bool is_expected(struct fetch_check *check)
{
    const char *got = check->expected.algorithm == VERIFY_ALGORITHMS ? NULL : check->result.other;

    if (check->result.size == 0) {
        error_set(&check->err, ERROR_COMMAND_FAILURE, NULL, "the file is empty");
        return false;
    }
    if (got && strcmp(got, check->expected.hex) != 0) {
        error_set(&check->err, ERROR_COMMAND_FAILURE, NULL, "its %s is %.16s... and not %.16s...",
                  verify_algorithm_text(check->expected.algorithm), got, check->expected.hex);
        return false;
    }
    return true;
}

static void work(void *ctx)
{
    struct fetch_check *check = ctx;
    int fd = open(check->path, O_RDWR | O_CLOEXEC);

    check->outcome = CHECK_FAILED;
    if (fd < 0) {
        error_set_errno(&check->err, ERROR_INTERNAL, check->path, errno, "cannot open the image");
        return;
    }
    if (verify_file(fd, check->expected.algorithm, &check->result, &check->err) < 0)
        check->outcome = CHECK_FAILED;
    else if (!is_expected(check))
        check->outcome = CHECK_WRONG;
    else if (!check->dir || settle(check, fd) == 0)
        check->outcome = CHECK_RIGHT;
    close(fd);
}

static void on_done(void *ctx, bool cancelled)
{
    struct fetch_check *check = ctx;

    if (check->done && !cancelled)
        check->done(check->ctx, check);
    check_free(check);
}

struct fetch_check *fetch_check_start(struct loop *loop, const char *path, const char *dir,
                                      const struct verify_checksum *expected,
                                      void (*done)(void *ctx, struct fetch_check *check), void *ctx)
{
    struct fetch_check *check = calloc(1, sizeof(*check));

    if (!check)
        return NULL;
    check->path = strdup(path);
    check->dir = dir ? strdup(dir) : NULL;
    check->expected = *expected;
    check->done = done;
    check->ctx = ctx;
    if (!check->path || (dir && !check->dir) || loop_work(loop, work, on_done, check) < 0) {
        check_free(check);
        return NULL;
    }
    return check;
}

void fetch_check_drop(struct fetch_check *check)
{
    if (check)
        check->done = NULL;
}
