/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/release_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "release/anchor.h"
#include "release/cms.h"

enum {
    PEEK_BYTES = 16,
};

static const char SUFFIX[] = ".json";

/* ---- what came ---- */

static size_t peek(const char *path, char bytes[PEEK_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, bytes, PEEK_BYTES);

    if (fd >= 0)
        close(fd);
    return n > 0 ? (size_t)n : 0;
}

bool release_check_is_envelope(const char *path, bool untagged)
{
    char bytes[PEEK_BYTES];

    return release_is_envelope((struct str){bytes, peek(path, bytes)}, untagged);
}

bool release_check_is_manifest(const char *path, const char *url)
{
    size_t len = strcspn(url, "?#"), suffix = strlen(SUFFIX);
    char bytes[PEEK_BYTES];

    return len > suffix && strncmp(url + len - suffix, SUFFIX, suffix) == 0 &&
           cms_is_manifest((struct str){bytes, peek(path, bytes)});
}

/* ---- on the worker ---- */

static int map_file(const char *path, void **ret_map, size_t *ret_len, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status = {.st_size = 0};
    void *map = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0)
        map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        error_set_errno(err, ERROR_INTERNAL, NULL, errno, "cannot read the release");
    if (fd >= 0)
        close(fd);
    if (map == MAP_FAILED)
        return -1;
    *ret_map = map;
    *ret_len = (size_t)status.st_size;
    return 0;
}

static int read_signature(struct release_check *check)
{
    void *map;
    size_t len;
    int result;

    if (!check->signature_path)
        return 0;
    if (map_file(check->signature_path, &map, &len, &check->err) < 0)
        return -1;
    result = buf_append(&check->signature, map, len);
    munmap(map, len);
    if (result < 0)
        return release_refuse(&check->err, RELEASE_CBOR_PARSE, "its signature is longer than %d bytes",
                              CMS_SIGNATURE_BYTES);
    check->request.signature = (struct str){(const char *)buf_data(&check->signature), len};
    return 0;
}

static int keep(struct release_check *check)
{
    struct str bytes = check->request.bytes;

    if (!check->signature_path)
        return release_strip(bytes, check->request.untagged, &check->kept, &check->err);
    return buf_append(&check->kept, bytes.data, bytes.len) < 0
               ? error_set(&check->err, ERROR_RESOURCES_EXCEEDED, NULL, "the release is too long to be kept")
               : 0;
}

static void work_open(void *ctx)
{
    struct release_check *check = ctx;

    if (map_file(check->path, &check->map, &check->map_len, &check->err) < 0)
        return;
    check->request.bytes = (struct str){check->map, check->map_len};
    check->request.identity = &check->identity;
    check->request.anchors = check->anchors;
    check->good = read_signature(check) == 0 &&
                  release_open(&check->request, &check->release, &check->err) == 0 && keep(check) == 0;
}

static void work_extract(void *ctx)
{
    struct release_check *check = ctx;
    struct str rest = check->release.payload;
    int fd = open(check->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = 0;

    while (fd >= 0 && rest.len && (n = write(fd, rest.data, rest.len)) > 0) {
        rest.data += n;
        rest.len -= (size_t)n;
    }
    check->good = fd >= 0 && !rest.len;
    if (!check->good)
        error_set_errno(&check->err, ERROR_RESOURCES_EXCEEDED, NULL, errno,
                        "cannot write the image that is inside the release to the cache");
    if (fd >= 0)
        close(fd);
}

/* ---- on the loop ---- */

static void check_free(struct release_check *check)
{
    if (check->map)
        munmap(check->map, check->map_len);
    anchors_unref(check->anchors);
    buf_done(&check->kept);
    buf_done(&check->signature);
    arena_done(&check->arena);
    free(check);
}

static void on_done(void *ctx, bool cancelled)
{
    struct release_check *check = ctx;

    check->busy = false;
    if (!check->done)
        check_free(check);
    else if (!cancelled)
        check->done(check->ctx, check);
}

static int begin(struct loop *loop, struct release_check *check, void (*work)(void *ctx))
{
    check->good = false;
    check->busy = loop_work(loop, work, on_done, check) == 0;
    return check->busy ? 0 : -1;
}

static const char *copy(struct release_check *check, const char *text)
{
    return text ? arena_strndup(&check->arena, text, strlen(text)) : NULL;
}

struct release_check *release_check_start(struct loop *loop, const struct trust *trust,
                                          const struct firmware_target *target, const char *path,
                                          const char *signature_path, int64_t now,
                                          void (*done)(void *ctx, struct release_check *check), void *ctx,
                                          struct error *err)
{
    const struct firmware_trust *settings = trust_settings(trust);
    struct release_check *check = calloc(1, sizeof(*check));

    if (!check) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to verify the release");
        return NULL;
    }
    arena_init(&check->arena, 0);
    buf_init(&check->kept, LIMIT_RELEASE_BYTES, 0);
    buf_init(&check->signature, CMS_SIGNATURE_BYTES, 0);
    check->done = done;
    check->ctx = ctx;
    check->request = (struct release_request){.now = now, .untagged = settings->untagged};
    check->anchors = settings->anchors ? anchors_ref(settings->anchors) : anchors_new();
    check->path = copy(check, path);
    check->signature_path = copy(check, signature_path);
    if (trust_identify(trust, target, &check->arena, &check->identity, err) < 0) {
        check_free(check);
        return NULL;
    }
    if (check->anchors && check->path && !signature_path == !check->signature_path &&
        begin(loop, check, work_open) == 0)
        return check;
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to verify the release");
    check_free(check);
    return NULL;
}

int release_check_extract(struct loop *loop, struct release_check *check, const char *to)
{
    check->to = copy(check, to);
    return check->to ? begin(loop, check, work_extract) : -1;
}

void release_check_drop(struct release_check *check)
{
    if (!check)
        return;
    check->done = NULL;
    if (!check->busy)
        check_free(check);
}
