/* SPDX-License-Identifier: BSD-3-Clause */
/* libcurl's multi interface on the loop: it tells which sockets to watch and when to call again. */
#include <stdlib.h>

#include "transports/http_fetch_internal.h"

/* A socket that curl wants watched. */
struct watch {
    uv_poll_t poll;
    struct http_fetcher *fetcher; /* NULL when closed */
    curl_socket_t fd;
};

/* Fetches that curl is through with. */
static void harvest(struct http_fetcher *fetcher)
{
    struct http_fetch *fetch;
    CURLMsg *message;
    CURL *curl;
    CURLcode code;
    int left;

    while ((message = curl_multi_info_read(fetcher->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        curl = message->easy_handle; /* the message is gone once the handle is removed */
        code = message->data.result;
        curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&fetch);
        http_fetch_finish(fetch, code);
    }
}

/* ---- sockets and time ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct http_fetcher *fetcher = watch->fetcher;
    int running;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

    if (!fetcher)
        return;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(fetcher->multi, watch->fd, flags, &running);
    harvest(fetcher);
}

static struct watch *watch_new(struct http_fetcher *fetcher, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    if (uv_poll_init_socket(&fetcher->loop->uv, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->fetcher = fetcher;
    watch->fd = fd;
    curl_multi_assign(fetcher->multi, fd, watch);
    return watch;
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_fetcher *fetcher = ctx;
    struct watch *watch = socket_ctx;
    int events = 0;

    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        if (!watch)
            return 0;
        uv_poll_stop(&watch->poll);
        watch->fetcher = NULL;
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        curl_multi_assign(fetcher->multi, fd, NULL);
        return 0;
    }
    if (!watch)
        watch = watch_new(fetcher, fd);
    if (!watch)
        return -1;
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    return uv_poll_start(&watch->poll, events, on_ready) < 0 ? -1 : 0;
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct http_fetcher *fetcher = ctx;
    int running;

    (void)timer;
    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    harvest(fetcher);
}

static int on_timeout(CURLM *multi, long ms, void *ctx)
{
    struct http_fetcher *fetcher = ctx;

    (void)multi;
    if (ms < 0)
        timer_cancel(&fetcher->loop->timers, &fetcher->timer);
    else if (timer_arm(&fetcher->loop->timers, &fetcher->timer, (uint64_t)ms) < 0)
        return -1;
    return 0;
}

/* ---- fetches that ended inside curl ---- */

static void on_sweep(void *ctx)
{
    struct http_fetcher *fetcher = ctx;

    for (struct http_fetch *fetch = fetcher->first; fetch;) {
        struct http_fetch *next = fetch->next;

        if (fetch->ended)
            http_fetch_free(fetch);
        fetch = next;
    }
}

/* ---- the fetcher ---- */

struct http_fetcher *http_fetcher_new(struct loop *loop, struct error *err)
{
    struct http_fetcher *fetcher = calloc(1, sizeof(*fetcher));

    /* curl counts these calls; the first one of the process sets it up. */
    if (!fetcher || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(fetcher);
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "cannot start libcurl");
        return NULL;
    }
    fetcher->loop = loop;
    fetcher->multi = curl_multi_init();
    if (!fetcher->multi) {
        curl_global_cleanup();
        free(fetcher);
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "cannot start libcurl");
        return NULL;
    }
    timer_init(&fetcher->timer, on_timer, fetcher);
    fetcher->sweep = (struct deferred){.fn = on_sweep, .ctx = fetcher};
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    return fetcher;
}

void http_fetcher_free(struct http_fetcher *fetcher)
{
    if (!fetcher)
        return;
    while (fetcher->first)
        http_fetch_free(fetcher->first);
    curl_multi_cleanup(fetcher->multi);
    timer_cancel(&fetcher->loop->timers, &fetcher->timer);
    loop_undefer(fetcher->loop, &fetcher->sweep);
    curl_global_cleanup();
    free(fetcher);
}
