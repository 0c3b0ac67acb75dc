/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    CONNECT_TIMEOUT_S = 10,
    STALL_TIMEOUT_S = 30,
    CHUNK_BYTES = 4096,   /* small, so that a limited rate is an even one */
    RECEIVE_BYTES = 8192, /* what a small device's network stack holds: the sender waits for it */
};

struct fetcher {
    struct loop *loop;
    CURLM *multi;
    struct timer timeout;
};

struct fetch {
    struct fetcher *fetcher;
    CURL *easy;
    const struct fetch_ops *ops;
    void *ctx;
    uint64_t got;
    uint64_t rate;  /* bytes per second, 0: no limit */
    uint64_t begun; /* monotonic ms, of the first byte */
    struct timer
        pause; /* until the rate allows more; curl's own limit lets the first seconds through at once */
    struct error err; /* from ops->data */
};

/* A socket of curl's that the loop watches. */
struct watch {
    uv_poll_t poll;
    struct fetcher *fetcher;
    curl_socket_t socket;
};

static void fetch_free(struct fetch *fetch)
{
    timer_cancel(&fetch->fetcher->loop->timers, &fetch->pause);
    curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
    curl_easy_cleanup(fetch->easy);
    free(fetch);
}

static void finish(struct fetch *fetch, CURLcode code)
{
    const struct fetch_ops *ops = fetch->ops;
    void *ctx = fetch->ctx;
    struct error err = fetch->err;
    long status = 0;

    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        error_set(&err, ERROR_COMMAND_FAILURE, NULL, "HTTP status %ld", status);
    else if (code != CURLE_OK && err.code == ERROR_NONE)
        error_set(&err, ERROR_COMMAND_FAILURE, NULL, "%s", curl_easy_strerror(code));
    fetch_free(fetch);
    ops->done(ctx, code == CURLE_OK ? NULL : &err);
}

static void collect(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetcher->multi, &left))) {
        CURLcode code = message->data.result;
        char *fetch = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
        finish((struct fetch *)(void *)fetch, code);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct fetcher *fetcher = watch->fetcher;
    int flags = 0, running;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(fetcher->multi, watch->socket, flags, &running);
    collect(fetcher);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watch *watch_new(struct fetcher *fetcher, curl_socket_t socket)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch || uv_poll_init_socket(&fetcher->loop->uv, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->fetcher = fetcher;
    watch->socket = socket;
    curl_multi_assign(fetcher->multi, socket, watch);
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *ctx, void *socket_ctx)
{
    struct fetcher *fetcher = ctx;
    struct watch *watch = socket_ctx;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, on_closed);
            curl_multi_assign(fetcher->multi, socket, NULL);
        }
        return 0;
    }
    if (!watch)
        watch = watch_new(fetcher, socket);
    if (!watch)
        return -1;
    uv_poll_start(&watch->poll,
                  (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                  on_poll);
    return 0;
}

static int on_timeout_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    struct fetcher *fetcher = ctx;

    (void)multi;
    if (timeout_ms < 0)
        timer_cancel(&fetcher->loop->timers, &fetcher->timeout);
    else
        timer_arm(&fetcher->loop->timers, &fetcher->timeout, (uint64_t)timeout_ms);
    return 0;
}

static void on_timeout(struct timer *timer, void *ctx)
{
    struct fetcher *fetcher = ctx;
    int running;

    (void)timer;
    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(fetcher);
}

struct fetcher *fetcher_new(struct loop *loop, struct error *err)
{
    struct fetcher *fetcher = calloc(1, sizeof(*fetcher));

    if (fetcher)
        fetcher->multi = curl_multi_init();
    if (!fetcher || !fetcher->multi) {
        free(fetcher);
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    fetcher->loop = loop;
    timer_init(&fetcher->timeout, on_timeout, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    curl_multi_cleanup(fetcher->multi);
    timer_cancel(&fetcher->loop->timers, &fetcher->timeout);
    free(fetcher);
}

static void on_pause_over(struct timer *timer, void *ctx)
{
    struct fetch *fetch = ctx;

    (void)timer;
    curl_easy_pause(fetch->easy, CURLPAUSE_CONT);
}

/* True when the rate does not allow more at present; the timer goes on then. */
static bool too_fast(struct fetch *fetch)
{
    struct timers *timers = &fetch->fetcher->loop->timers;
    uint64_t now = clock_monotonic(timers->clock), due;

    if (!fetch->rate)
        return false;
    if (!fetch->got)
        fetch->begun = now;
    due = fetch->begun + fetch->got * 1000 / fetch->rate;
    return due > now && timer_arm(timers, &fetch->pause, due - now) == 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch *fetch = ctx;
    curl_off_t total = 0;

    if (too_fast(fetch))
        return CURL_WRITEFUNC_PAUSE;
    curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
    fetch->got += size * count;
    if (fetch->ops->data(fetch->ctx, data, size * count, fetch->got, total > 0 ? (uint64_t)total : 0,
                         &fetch->err))
        return 0;
    return size * count;
}

static int on_connected(void *ctx, curl_socket_t socket, curlsocktype purpose)
{
    int bytes = RECEIVE_BYTES;

    (void)ctx;
    (void)purpose;
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    return CURL_SOCKOPT_OK;
}

struct fetch *fetch_start(struct fetcher *fetcher, const char *url, uint64_t rate,
                          const struct fetch_ops *ops, void *ctx)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));

    if (!fetch)
        return NULL;
    fetch->fetcher = fetcher;
    fetch->ops = ops;
    fetch->ctx = ctx;
    fetch->rate = rate;
    timer_init(&fetch->pause, on_pause_over, fetch);
    fetch->easy = curl_easy_init();
    if (!fetch->easy) {
        free(fetch);
        return NULL;
    }
    curl_easy_setopt(fetch->easy, CURLOPT_URL, url);
    curl_easy_setopt(fetch->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(fetch->easy, CURLOPT_USERAGENT, "ShellyHTTPClient/1.0");
    curl_easy_setopt(fetch->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(fetch->easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(fetch->easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(fetch->easy, CURLOPT_FRESH_CONNECT, 1L); /* each device has its own connection */
    curl_easy_setopt(fetch->easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(fetch->easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S);
    curl_easy_setopt(fetch->easy, CURLOPT_BUFFERSIZE, (long)CHUNK_BYTES);
    if (rate)
        curl_easy_setopt(fetch->easy, CURLOPT_SOCKOPTFUNCTION, on_connected);
    curl_easy_setopt(fetch->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(fetch->easy, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(fetch->easy, CURLOPT_PRIVATE, fetch);
    curl_multi_add_handle(fetcher->multi, fetch->easy);
    return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch)
        fetch_free(fetch);
}
