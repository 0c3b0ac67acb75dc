/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/flight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "firmware/fetch_check.h"

enum {
    CONNECT_S = 30,
    STALL_S = 60,
    BACKOFF_MULTIPLIER = 2000,
    BACKOFF_CAP_S = 300,
    GROW_BYTES = 1 << 20, /* reserved at a time when the server does not say how long the image is */
};

static void start_request(struct flight *flight);

/* ---- flights ---- */

static void unpin(struct firmware_image **image)
{
    if (*image)
        (*image)->pins--;
    *image = NULL;
}

static void leave_part(struct flight *flight, bool drop)
{
    if (flight->fd >= 0)
        close(flight->fd);
    flight->fd = -1;
    cache_release(flight->fetches->cache, flight->reserved);
    flight->reserved = 0;
    if (flight->part && drop)
        cache_part_drop(flight->fetches->cache, flight->part);
    else
        cache_part_leave(flight->part);
    flight->part = NULL;
}

void flight_free(struct flight *flight, bool drop_part)
{
    struct fetches *fetches = flight->fetches;

    for (struct flight **at = &fetches->first; *at; at = &(*at)->next) {
        if (*at == flight) {
            *at = flight->next;
            break;
        }
    }
    if (flight->fetch)
        fetches->source.cancel(fetches->source.ctx, flight->fetch);
    fetch_check_drop(flight->check);
    timer_cancel(&fetches->loop->timers, &flight->retry);
    unpin(&flight->probe);
    unpin(&flight->checked);
    leave_part(flight, drop_part);
    free(flight->url);
    free(flight->username);
    free(flight->password);
    free(flight);
}

static void tell_state(struct flight *flight, enum fetch_state state)
{
    flight->state = state;
    for (struct fetch_want *want = flight->wants, *next; want; want = next) {
        next = want->next;
        want->state(want->ctx, state);
    }
}

static void tell_progress(struct flight *flight)
{
    uint64_t total = flight->total ? flight->total : flight->size_hint;
    unsigned percent = total ? (unsigned)(flight->part->size * 100 / total) : 0;

    if (percent > 100)
        percent = 100;
    if (percent <= flight->percent)
        return;
    flight->percent = percent;
    for (struct fetch_want *want = flight->wants, *next; want; want = next) {
        next = want->next;
        want->progress(want->ctx, percent);
    }
}

/* Tells all wants and ends the flight. The image stays where it is until the last one was told. */
static void finish(struct flight *flight, enum fetch_result result, struct firmware_image *image,
                   const struct error *err)
{
    struct fetches *fetches = flight->fetches;
    struct fetch_want *want;

    flight->ending = true;
    if (image)
        image->pins++;
    leave_part(flight, true);
    while ((want = flight->wants)) {
        flight->wants = want->next;
        want->flight = NULL;
        want->done(want->ctx, result, image, err);
    }
    unpin(&image);
    flight_free(flight, true);
    loop_defer(fetches->loop, &fetches->pump);
}

static void fail(struct flight *flight, enum fetch_result result, uint32_t code, const struct error *cause)
{
    struct error err;

    error_set(&err, code, flight->url, "%s", cause->message);
    finish(flight, result, NULL, &err);
}

/* ---- the file is here: check it ---- */

/* What was there is not what it should be, and it was put together from pieces: once more from the beginning. */
static bool restart_from_zero(struct flight *flight)
{
    if (flight->restarted)
        return false;
    flight->restarted = true;
    leave_part(flight, true);
    start_request(flight);
    return true;
}

static void on_part_checked(struct flight *flight, const struct fetch_check *check)
{
    struct fetches *fetches = flight->fetches;
    struct firmware_image *image;
    struct error err;

    if (check->outcome == CHECK_WRONG && flight->resumed && restart_from_zero(flight))
        return;
    if (check->outcome != CHECK_RIGHT) {
        fail(flight, check->outcome == CHECK_WRONG ? FETCH_INVALID : FETCH_FAILED, check->err.code,
             &check->err);
        return;
    }
    image = cache_add(fetches->cache, check->result.sha256, check->result.size, flight->url,
                      flight->part->validator, &flight->checksum, &err);
    if (!image)
        fail(flight, FETCH_FAILED, err.code, &err);
    else
        finish(flight, FETCH_OK, image, NULL);
}

/* A file of the cache that is not what its name says is dropped, and the image fetched. */
static void on_image_checked(struct flight *flight, const struct fetch_check *check)
{
    struct fetches *fetches = flight->fetches;
    struct firmware_image *image = flight->checked;

    unpin(&flight->checked);
    if (check->outcome == CHECK_RIGHT && strcmp(check->result.sha256, image->sha256) == 0) {
        cache_touch(fetches->cache, image);
        finish(flight, FETCH_OK, image, NULL);
        return;
    }
    if (!image->pins)
        cache_drop(fetches->cache, image);
    flight->restarted = true; /* no second look at what the cache has */
    start_request(flight);
}

static void on_checked(void *ctx, struct fetch_check *check)
{
    struct flight *flight = ctx;

    flight->check = NULL;
    if (flight->checked)
        on_image_checked(flight, check);
    else
        on_part_checked(flight, check);
}

static void start_check(struct flight *flight, struct firmware_image *image)
{
    struct cache *cache = flight->fetches->cache;
    char *path = image ? cache_path(cache, image->sha256) : cache_part_path(cache, flight->part->key);
    struct error err;

    if (path)
        flight->check = fetch_check_start(flight->fetches->loop, path, image ? NULL : cache_dir(cache),
                                          &flight->checksum, on_checked, flight);
    free(path);
    if (!flight->check) {
        error_set(&err, ERROR_RESOURCES_EXCEEDED, flight->url, "no memory to check the image");
        finish(flight, FETCH_FAILED, NULL, &err);
        return;
    }
    flight->checked = image;
    if (image)
        image->pins++;
    tell_state(flight, FETCH_VERIFYING);
}

/* ---- on the wire ---- */

static int reserve(struct flight *flight, uint64_t bytes)
{
    if (bytes <= flight->reserved)
        return 0;
    if (cache_reserve(flight->fetches->cache, bytes - flight->reserved, &flight->err) < 0)
        return -1;
    flight->reserved = bytes;
    return 0;
}

static int open_part(struct flight *flight, const struct http_head *head)
{
    struct cache *cache = flight->fetches->cache;
    char *path = cache_part_path(cache, flight->part->key);

    if (path)
        flight->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (head->offset ? 0 : O_TRUNC), 0600);
    free(path);
    if (flight->fd < 0)
        return error_set_errno(&flight->err, ERROR_RESOURCES_EXCEEDED, cache_dir(cache), errno,
                               "cannot write to the directory for images");
    flight->resumed = head->offset > 0;
    flight->part->size = head->offset;
    return cache_part_save(cache, flight->part, head->validator, &flight->err);
}

static int on_head(void *ctx, const struct http_head *head)
{
    struct flight *flight = ctx;
    const struct limits *limits = flight->fetches->loop->limits;
    uint64_t size;

    flight->head_seen = true;
    if (flight->probe) {
        flight->unchanged = head->offset + 1 == flight->probe->size &&
                            (head->length < 0 || (uint64_t)head->length == flight->probe->size);
        if (flight->unchanged)
            return -1;
        unpin(&flight->probe);
    }
    if (head->offset && head->offset != flight->part->size) {
        flight->restart = true;
        return -1;
    }
    flight->total = head->length > 0 ? (uint64_t)head->length : 0;
    if (flight->total > limits->image_bytes)
        return error_set(&flight->err, ERROR_RESOURCES_EXCEEDED, flight->url,
                         "the image is %llu bytes long (%s is %u)", (unsigned long long)flight->total,
                         LIMIT_SAYS(limits, image_bytes));
    size = flight->total > head->offset ? flight->total - head->offset : GROW_BYTES;
    if (reserve(flight, size) < 0)
        return -1;
    return open_part(flight, head);
}

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct flight *flight = ctx;
    const struct limits *limits = flight->fetches->loop->limits;

    if (flight->part->size + len > limits->image_bytes)
        return error_set(&flight->err, ERROR_RESOURCES_EXCEEDED, flight->url,
                         "the image is too long (%s is %u)", LIMIT_SAYS(limits, image_bytes));
    if (len > flight->reserved && reserve(flight, len + GROW_BYTES) < 0)
        return -1;
    while (len) {
        ssize_t n = pwrite(flight->fd, data, len, (off_t)flight->part->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set_errno(&flight->err, ERROR_RESOURCES_EXCEEDED, flight->url, errno,
                                   "cannot write the image to the cache");
        data += n;
        len -= (size_t)n;
        flight->part->size += (uint64_t)n;
        flight->reserved -= (uint64_t)n;
        cache_release(flight->fetches->cache, (uint64_t)n);
    }
    tell_progress(flight);
    return 0;
}

static void retry_later(struct flight *flight, const struct error *err)
{
    struct fetches *fetches = flight->fetches;
    bool resumable = flight->part && flight->part->validator && flight->part->size;

    if (++flight->tries > fetches->retries) {
        fail(flight, FETCH_FAILED, ERROR_COMMAND_FAILURE, err);
        return;
    }
    leave_part(flight, !resumable);
    if (timer_arm(&fetches->loop->timers, &flight->retry,
                  timer_backoff(fetches->retry_wait_s, BACKOFF_MULTIPLIER, flight->tries, BACKOFF_CAP_S)) <
        0) {
        fail(flight, FETCH_FAILED, ERROR_RESOURCES_EXCEEDED, err);
        return;
    }
    tell_state(flight, FETCH_RETRYING);
    loop_defer(fetches->loop, &fetches->pump);
}

static void on_aborted(struct flight *flight)
{
    struct firmware_image *image = flight->probe;

    if (flight->unchanged && image) {
        flight->probe = NULL;
        image->pins--;
        start_check(flight, image);
    } else if (flight->restart) {
        flight->restart = false;
        if (!restart_from_zero(flight))
            fail(flight, FETCH_FAILED, ERROR_COMMAND_FAILURE,
                 &(struct error){.message = "the server resumes elsewhere than asked"});
    } else {
        fail(flight, FETCH_FAILED, flight->err.code, &flight->err);
    }
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct flight *flight = ctx;
    bool from_zero = !flight->head_seen && (flight->probe || (flight->part && flight->part->size));

    flight->fetch = NULL;
    if (flight->fd >= 0)
        close(flight->fd);
    flight->fd = -1;
    if (outcome == HTTP_ABORTED) {
        on_aborted(flight);
        return;
    }
    unpin(&flight->probe);
    if (outcome == HTTP_DONE && flight->part && flight->head_seen)
        start_check(flight, NULL);
    else if (outcome == HTTP_TRANSIENT)
        retry_later(flight, err);
    else if (!from_zero ||
             !restart_from_zero(flight)) /* 416: what we have is not a beginning of what is there */
        fail(flight, FETCH_FAILED, ERROR_COMMAND_FAILURE, err);
}

static const struct http_fetch_ops http_ops = {
    .head = on_head,
    .body = on_body,
    .done = on_done,
};

static void start_request(struct flight *flight)
{
    struct fetches *fetches = flight->fetches;
    struct http_request request = {
        .url = flight->url,
        .username = flight->username,
        .password = flight->password,
        .max_bytes = fetches->loop->limits->image_bytes,
        .connect_timeout_s = CONNECT_S,
        .stall_timeout_s = STALL_S,
        .tls = fetches->tls,
    };
    struct error err = {.code = ERROR_RESOURCES_EXCEEDED, .message = "out of memory"};

    flight->head_seen = flight->unchanged = flight->resumed = false;
    flight->total = 0;
    flight->percent = 0;
    flight->part = cache_part_take(fetches->cache, flight->key);
    if (!flight->part) {
        fail(flight, FETCH_FAILED, err.code, &err);
        return;
    }
    if (flight->part->size && flight->part->validator) {
        request.offset = flight->part->size;
        request.validator = flight->part->validator;
    } else if (!flight->restarted && flight->checksum.algorithm == VERIFY_ALGORITHMS &&
               (flight->probe = cache_find_url(fetches->cache, flight->url))) {
        /* Asking for the last byte of what we have tells whether it is unchanged. */
        flight->probe->pins++;
        request.offset = flight->probe->size - 1;
        request.validator = flight->probe->validator;
    }
    if (flight->state != FETCH_RUNNING)
        tell_state(flight, FETCH_RUNNING);
    flight->fetch = fetches->source.start(fetches->source.ctx, &request, &http_ops, flight, &err);
    if (!flight->fetch)
        fail(flight, FETCH_FAILED, err.code, &err);
}

void flight_begin(struct flight *flight)
{
    struct firmware_image *image = cache_find_checksum(flight->fetches->cache, &flight->checksum);

    if (image)
        start_check(flight, image);
    else
        start_request(flight);
}

void flight_retry(struct timer *timer, void *ctx)
{
    struct flight *flight = ctx;

    (void)timer;
    tell_state(flight, FETCH_QUEUED);
    loop_defer(flight->fetches->loop, &flight->fetches->pump);
}
