/* SPDX-License-Identifier: BSD-3-Clause */
#include "discovery/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"

enum {
    NAME_BYTES = 64,
    SUFFIX_BYTES = 3, /* ".v4" */
};

/* ---- reading ---- */

static int parse_line(struct str line, enum dhcp_family family, struct dhcp_answer *answer, struct error *err)
{
    uint8_t option[LIMIT_DHCP_FILE_BYTES / 2];
    int len = str_from_hex(line, option, sizeof(option));

    if (len < 0)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "the file does not hold bytes in hexadecimal");
    return dhcp_parse((struct str){(const char *)option, (size_t)len}, family, answer, err);
}

static int parse(struct str text, enum dhcp_family family, struct dhcp_answer *ret, struct error *err)
{
    struct dhcp_answer answer = {.retry_minimum = 0};
    struct str line;

    while (text.len && str_next(&text, '\n', &line))
        if (str_trim(line).len && parse_line(str_trim(line), family, &answer, err) < 0)
            return -1;
    *ret = answer;
    return 0;
}

static bool listed(const char *interfaces, struct str interface)
{
    struct str rest = str_of(interfaces);
    struct str one;

    while (interfaces && rest.len && str_next(&rest, ',', &one))
        if (str_equal(str_trim(one), interface))
            return true;
    return !interfaces;
}

/* "eth1.v4" of an interface that counts: its family, or 0. */
static int family_of(const char *name, const char *interfaces)
{
    size_t len = strlen(name);

    if (name[0] == '.' || len <= SUFFIX_BYTES || len >= NAME_BYTES ||
        !listed(interfaces, (struct str){name, len - SUFFIX_BYTES}))
        return 0;
    if (strcmp(name + len - SUFFIX_BYTES, ".v4") == 0)
        return DHCP_V4;
    return strcmp(name + len - SUFFIX_BYTES, ".v6") == 0 ? DHCP_V6 : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t list(int dir, const char *interfaces, char names[LIMIT_DHCP_FILES][NAME_BYTES])
{
    int copy = dup(dir);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    size_t count = 0;

    while (stream && count < LIMIT_DHCP_FILES && (entry = readdir(stream)))
        if (family_of(entry->d_name, interfaces))
            str_copy(names[count++], NAME_BYTES, entry->d_name);
    if (stream)
        closedir(stream);
    else if (copy >= 0)
        close(copy);
    qsort(names, count, NAME_BYTES, by_name);
    return count;
}

/* A file that is gone again says nothing. */
static int read_one(int dir, const char *name, struct dhcp_answer *ret, struct error *err)
{
    struct buf text;
    int rc;

    *ret = (struct dhcp_answer){.retry_minimum = 0};
    buf_init(&text, LIMIT_DHCP_FILE_BYTES, 0);
    rc = file_read(dir, name, FILE_TRUSTED, &text, err);
    if (rc > 0)
        rc = parse((struct str){(const char *)buf_data(&text), text.len},
                   (enum dhcp_family)family_of(name, NULL), ret, err);
    buf_done(&text);
    return rc < 0 ? -1 : 0;
}

enum lease_state lease_read(const char *dir, const char *interfaces, struct dhcp_answer *ret,
                            char ret_interface[64], void (*refused)(void *ctx, const struct error *err),
                            void *ctx)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char names[LIMIT_DHCP_FILES][NAME_BYTES];
    size_t count = fd < 0 ? 0 : list(fd, interfaces, names);
    struct dhcp_answer answer;
    enum lease_state state = count ? LEASE_SILENT : LEASE_NONE;
    struct error err;

    for (size_t i = 0; i < count && state != LEASE_SPEAKS; i++) {
        if (read_one(fd, names[i], &answer, &err) < 0) {
            snprintf(err.path, sizeof(err.path), "%.500s/%s", dir, names[i]);
            if (refused)
                refused(ctx, &err);
        } else if (!dhcp_answer_empty(&answer)) {
            *ret = answer;
            str_copy(ret_interface, NAME_BYTES, names[i]);
            ret_interface[strlen(names[i]) - SUFFIX_BYTES] = '\0';
            state = LEASE_SPEAKS;
        }
    }
    if (fd >= 0)
        close(fd);
    return state;
}

/* ---- watching ---- */

struct lease_watch {
    struct loop *loop;
    uv_fs_event_t *event; /* on the folder, or on the nearest one above it that is there; NULL: none yet */
    char *dir;
    size_t watched; /* bytes of `dir` that name it */
    void (*changed)(void *ctx);
    void *ctx;
    struct timer settle;
};

static void on_event_closed(uv_handle_t *handle)
{
    free(handle);
}

static void unwatch(struct lease_watch *watch)
{
    if (!watch->event)
        return;
    uv_close((uv_handle_t *)watch->event, on_event_closed);
    watch->event = NULL;
}

/* In a folder above ours only the one that leads to it counts: /run is busy. */
static bool is_foreign(const struct lease_watch *watch, const char *name)
{
    const char *rest = watch->dir + watch->watched;
    size_t len = strlen(name);

    rest += strspn(rest, "/");
    return *rest && (strncmp(rest, name, len) != 0 || (rest[len] && rest[len] != '/'));
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct lease_watch *watch = event->data;

    (void)events;
    (void)status;
    if (name && is_foreign(watch, name))
        return;
    if (!timer_armed(&watch->settle))
        timer_arm(&watch->loop->timers, &watch->settle, LEASE_SETTLE_MS);
}

static int watch_path(struct lease_watch *watch, const char *path)
{
    uv_fs_event_t *event = calloc(1, sizeof(*event));

    if (!event || uv_fs_event_init(&watch->loop->uv, event) < 0) {
        free(event);
        return -1;
    }
    event->data = watch;
    if (uv_fs_event_start(event, on_event, path, 0) < 0) {
        uv_close((uv_handle_t *)event, on_event_closed);
        return -1;
    }
    unwatch(watch);
    watch->event = event;
    return 0;
}

/* The folder, else the nearest one above it: there it will appear. */
static int watch_nearest(struct lease_watch *watch)
{
    char path[4096];

    str_copy(path, sizeof(path), watch->dir);
    while (watch_path(watch, path) < 0) {
        char *slash = strrchr(path, '/');

        if (!slash || !path[1])
            return -1;
        slash[slash == path] = '\0'; /* "/" stays one */
    }
    watch->watched = strlen(path);
    return 0;
}

static void on_settled(struct timer *timer, void *ctx)
{
    struct lease_watch *watch = ctx;

    (void)timer;
    /* Another folder may have taken the place of the one that was watched. It is watched before it is read. */
    watch_nearest(watch);
    watch->changed(watch->ctx);
}

struct lease_watch *lease_watch_new(struct loop *loop, const char *dir, void (*changed)(void *ctx), void *ctx,
                                    struct error *err)
{
    struct lease_watch *watch = calloc(1, sizeof(*watch));

    if (!watch || str_replace(&watch->dir, dir) < 0) {
        free(watch);
        error_set(err, ERROR_RESOURCES_EXCEEDED, dir, "out of memory");
        return NULL;
    }
    watch->loop = loop;
    watch->changed = changed;
    watch->ctx = ctx;
    timer_init(&watch->settle, on_settled, watch);
    if (watch_nearest(watch) == 0)
        return watch;
    lease_watch_free(watch);
    error_set(err, ERROR_INVALID_CONFIGURATION, dir, "cannot watch the folder nor one above it");
    return NULL;
}

void lease_watch_free(struct lease_watch *watch)
{
    if (!watch)
        return;
    timer_cancel(&watch->loop->timers, &watch->settle);
    unwatch(watch);
    free(watch->dir);
    free(watch);
}
