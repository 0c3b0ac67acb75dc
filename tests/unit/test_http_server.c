/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file server, asked by raw bytes and by our own fetcher.
 * size: file: all ways to ask one server share its fixture.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pki.h"
#include "tests/unit/process.h"
#include "tests/unit/wait.h"
#include "transports/http_fetch.h"
#include "transports/http_server.h"

enum {
    FILE_BYTES = 3000000,
};

struct fixture {
    struct loop loop;
    struct websocket_context *context;
    struct http_server *server;
    struct http_server_settings settings;
    char file[64];
    char path[200], peer[64];
    int posts, requests, progresses, ends, complete;
    int status;        /* to answer with */
    uint64_t claim;    /* size to claim; 0 for the file's */
    uint64_t position; /* of the last progress */
    bool free_server;  /* in the next progress */
    int fd;
    char head[2000];
    char *body; /* of the last answer */
    size_t body_len;
    size_t fetched;
    bool wrong;
    int done;
    enum http_outcome outcome;
    struct http_pending *pending; /* what is to be answered later */
    int pieces;                   /* of an answer that goes on: asked for, */
    int ready;                    /* and there */
};

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 13 + at / 257);
}

static int on_request(void *ctx, const char *path, const char *peer, struct http_answer *ret_answer)
{
    struct fixture *f = ctx;

    f->requests++;
    snprintf(f->path, sizeof(f->path), "%s", path);
    snprintf(f->peer, sizeof(f->peer), "%s", peer);
    if (f->status != 200)
        return f->status;
    *ret_answer = (struct http_answer){.fd = open(f->file, O_RDONLY | O_CLOEXEC),
                                       .size = f->claim ? f->claim : FILE_BYTES,
                                       .content_type = "application/zip",
                                       .request_ctx = f->file};
    return 200;
}

static void on_progress(void *ctx, void *request_ctx, uint64_t position)
{
    struct fixture *f = ctx;

    assert_ptr_equal(request_ctx, f->file);
    assert_true(position > f->position || f->position == 0);
    f->position = position;
    f->progresses++;
    if (f->free_server) {
        http_server_free(f->server);
        f->server = NULL;
        f->free_server = false;
    }
}

static void on_end(void *ctx, void *request_ctx, bool complete)
{
    struct fixture *f = ctx;

    assert_true(!request_ctx || request_ctx == f->file); /* there is none of what was posted */
    f->ends++;
    f->complete += complete;
    f->position = 0;
}

/* Says what it was told: "path type authorization body". */
static int on_post(void *ctx, const struct http_posted *posted, struct http_answer *ret_answer)
{
    struct fixture *f = ctx;
    int len;

    assert_string_equal(posted->peer, "127.0.0.1");
    assert_null(posted->chain);
    f->posts++;
    if (f->free_server) {
        http_server_free(f->server);
        f->server = NULL;
        f->free_server = false;
    }
    ret_answer->content = malloc(400);
    len = snprintf(ret_answer->content, 400, "%s|%s|%s|%.*s", posted->path, posted->content_type,
                   posted->authorization, (int)posted->body.len, posted->body.data);
    ret_answer->size = (uint64_t)len;
    ret_answer->content_type = "text/plain";
    ret_answer->header = "Retry-After: 60";
    return f->status;
}

static const struct http_server_ops posting_ops = {.request = on_request, .end = on_end, .post = on_post};
static const struct http_server_ops ops = {.request = on_request, .progress = on_progress, .end = on_end};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    uint8_t *bytes = malloc(FILE_BYTES);
    int fd;

    signal(SIGPIPE, SIG_IGN);
    snprintf(f->file, sizeof(f->file), "/tmp/homepatch-test-http-XXXXXX");
    fd = mkstemp(f->file);
    for (size_t i = 0; i < FILE_BYTES; i++)
        bytes[i] = byte_at(i);
    assert_int_equal(write(fd, bytes, FILE_BYTES), FILE_BYTES);
    close(fd);
    free(bytes);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->context = websocket_context_new(&f->loop, NULL);
    assert_non_null(f->context);
    f->settings = (struct http_server_settings){.address = "127.0.0.1", .max_connections = 10};
    f->status = 200;
    f->fd = -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    http_server_free(f->server);
    websocket_context_free(f->context);
    loop_done(&f->loop);
    assert_int_equal(f->ends, f->status == 200 ? f->requests : f->ends); /* one end for each answer */
    unlink(f->file);
    free(f->body);
    free(f);
    return 0;
}

static void serve(struct fixture *f)
{
    struct error err;

    f->server = http_server_new(f->context, &f->settings, &ops, f, &err);
    if (!f->server)
        fail_msg("%s", err.message);
}

static void connect_raw(struct fixture *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = process_socket(http_server_port(f->server), connect);
    assert_true(f->fd >= 0);
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

static bool read_some(struct fixture *f, char *to, size_t size, size_t *len)
{
    ssize_t n = -1;

    WAIT_FOR(&f->loop, (n = read(f->fd, to + *len, size - *len)) >= 0 || errno != EAGAIN);
    if (n <= 0)
        return false;
    *len += (size_t)n;
    return true;
}

/* Asks on the connection that is there; returns the status, 0 when there is no answer. Body as the length says. */
static int ask(struct fixture *f, const char *method, const char *path, const char *headers)
{
    char request[1000];
    const char *length;
    char *end;
    size_t have = 0;
    size_t size;

    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: gateway\r\n%s\r\n", method, path, headers);
    assert_int_equal(write(f->fd, request, strlen(request)), strlen(request));
    memset(f->head, 0, sizeof(f->head));
    while (!(end = strstr(f->head, "\r\n\r\n")))
        if (have + 1 >= sizeof(f->head) || !read_some(f, f->head, sizeof(f->head) - 1, &have))
            return 0;
    length = strcasestr(f->head, "content-length:");
    size = length && strcmp(method, "HEAD") != 0 ? (size_t)atol(length + 15) : 0;
    free(f->body);
    f->body = malloc(size + 1);
    f->body_len = have - (size_t)(end + 4 - f->head);
    assert_true(f->body_len <= size);
    memcpy(f->body, end + 4, f->body_len);
    end[4] = '\0';
    while (f->body_len < size && read_some(f, f->body, size, &f->body_len))
        ;
    return atoi(f->head + 9);
}

static bool is_file(const struct fixture *f, size_t from, size_t len)
{
    if (f->body_len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)f->body[i] != byte_at(from + i))
            return false;
    return true;
}

/* ---- tests ---- */

static void test_get(void **state)
{
    struct fixture *f = *state;

    serve(f);
    connect_raw(f);
    assert_int_equal(ask(f, "GET", "/a%20b/../c?x=1", ""), 200);
    assert_true(is_file(f, 0, FILE_BYTES));
    assert_non_null(strstr(f->head, "Content-Type: application/zip\r\n"));
    assert_non_null(strstr(f->head, "Accept-Ranges: bytes\r\n"));
    assert_string_equal(f->path, "/c");
    assert_string_equal(f->peer, "127.0.0.1");
    WAIT_FOR(&f->loop, f->ends == 1);
    assert_int_equal(f->complete, 1);
    assert_true(f->progresses > 3);
    /* The same connection again. */
    assert_int_equal(ask(f, "HEAD", "/c", ""), 200);
    assert_non_null(strstr(f->head, "Content-Length: 3000000\r\n"));
    assert_int_equal(f->body_len, 0);
    assert_int_equal(ask(f, "GET", "/c", ""), 200);
    assert_true(is_file(f, 0, FILE_BYTES));
}

static void test_ranges(void **state)
{
    static const struct {
        const char *range;
        int status;
        size_t from, len;
    } cases[] = {
        {"bytes=0-9", 206, 0, 10},
        {"bytes=10-", 206, 10, FILE_BYTES - 10},
        {"bytes=-5", 206, FILE_BYTES - 5, 5},
        {"bytes=2999999-", 206, 2999999, 1},
        {"bytes=100-99999999", 206, 100, FILE_BYTES - 100},
        {"bytes=-99999999", 206, 0, FILE_BYTES},
        {"bytes=3000000-", 416, 0, 0},
        {"bytes=-0", 416, 0, 0},
        {"bytes=5-4", 200, 0, FILE_BYTES},
        {"bytes=0-1,5-6", 200, 0, FILE_BYTES},
        {"bytes=x-", 200, 0, FILE_BYTES},
        {"bytes=-", 200, 0, FILE_BYTES},
        {"lines=1-2", 200, 0, FILE_BYTES},
        {"bytes=99999999999999999999999-", 200, 0, FILE_BYTES},
    };
    struct fixture *f = *state;
    char header[200];

    serve(f);
    connect_raw(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(header, sizeof(header), "Range: %s\r\n", cases[i].range);
        assert_int_equal(ask(f, "GET", "/", header), cases[i].status);
        if (!is_file(f, cases[i].from, cases[i].len))
            fail_msg("%s gives %zu bytes", cases[i].range, f->body_len);
    }
    assert_int_equal(ask(f, "GET", "/", "Range: bytes=1-2\r\n"), 206);
    assert_non_null(strstr(f->head, "Content-Range: bytes 1-2/3000000\r\n"));
    assert_int_equal(ask(f, "GET", "/", "Range: bytes=3000000-\r\n"), 416);
    assert_non_null(strstr(f->head, "Content-Range: bytes */3000000\r\n"));
    assert_int_equal(ask(f, "GET", "/", "Range: bytes=1-2\r\nIf-Range: \"x\"\r\n"), 200);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;

    serve(f);
    connect_raw(f);
    f->status = 404;
    assert_int_equal(ask(f, "GET", "/none", ""), 404);
    f->status = 403;
    assert_int_equal(ask(f, "GET", "/none", ""), 403);
    assert_int_equal(f->requests, 2);
    connect_raw(f);
    assert_int_equal(ask(f, "POST", "/", "Content-Length: 0\r\n"), 405);
    connect_raw(f);
    assert_int_not_equal(ask(f, "GET", "/", "Upgrade: websocket\r\nConnection: Upgrade\r\n"), 101);
    connect_raw(f);
    assert_int_not_equal(ask(f, "\x01\x02", "/", ""), 200);
    assert_int_equal(f->requests, 2);
}

static void test_peer_goes(void **state)
{
    struct fixture *f = *state;

    serve(f);
    connect_raw(f);
    assert_int_equal(write(f->fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 27);
    WAIT_FOR(&f->loop, f->progresses);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, f->ends);
    assert_int_equal(f->complete, 0);
}

/* A file that is shorter than was said does not look whole to the peer. */
static void test_short_file(void **state)
{
    struct fixture *f = *state;

    f->claim = FILE_BYTES + 10;
    serve(f);
    connect_raw(f);
    assert_int_equal(ask(f, "GET", "/", ""), 200);
    assert_int_equal(f->body_len, FILE_BYTES);
    WAIT_FOR(&f->loop, f->ends);
    assert_int_equal(f->complete, 0);
}

static void test_server_goes(void **state)
{
    struct fixture *f = *state;
    uint16_t port;

    serve(f);
    connect_raw(f);
    assert_int_equal(write(f->fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 27);
    f->free_server = true;
    port = http_server_port(f->server);
    WAIT_FOR(&f->loop, !f->server);
    assert_int_equal(f->ends, 1);
    f->settings.port = port;
    serve(f);
    connect_raw(f);
    assert_int_equal(ask(f, "GET", "/", "Range: bytes=0-9\r\n"), 206);
    assert_true(is_file(f, 0, 10));
}

static void test_connection_limit(void **state)
{
    struct fixture *f = *state;
    int fds[10];

    serve(f);
    for (int i = 0; i < 10; i++) {
        fds[i] = process_socket(http_server_port(f->server), connect);
        assert_true(fds[i] >= 0);
        wait_turn(&f->loop);
    }
    connect_raw(f);
    assert_int_equal(ask(f, "GET", "/", ""), 0);
    for (int i = 0; i < 10; i++)
        close(fds[i]);
    WAIT_FOR(&f->loop, ({
        connect_raw(f);
        ask(f, "GET", "/", "Range: bytes=0-0\r\n") == 206;
    }));
}

/* Where connections are brief, who holds them keeps nobody out: the oldest gives way. */
static void test_oldest_gives_way(void **state)
{
    struct fixture *f = *state;
    int fds[25];
    char byte;

    f->settings.brief = true;
    serve(f);
    for (int i = 0; i < 25; i++) {
        fds[i] = process_socket(http_server_port(f->server), connect);
        assert_true(fds[i] >= 0);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        /* Some have asked for half of something. */
        assert_int_equal(write(fds[i], "GET / HT", i % 2 ? 8 : 0), i % 2 ? 8 : 0);
        wait_turn(&f->loop);
    }
    connect_raw(f);
    assert_int_equal(ask(f, "GET", "/", "Range: bytes=0-0\r\n"), 206);
    WAIT_FOR(&f->loop, read(fds[0], &byte, 1) == 0);
    assert_int_equal(read(fds[24], &byte, 1), -1); /* the newest are still there */
    for (int i = 0; i < 25; i++)
        close(fds[i]);
}

/* What is posted comes in whole, however it was cut, and the answer comes from memory. */
static void test_post(void **state)
{
    struct fixture *f = *state;
    const char *body;

    f->settings.max_body = 100;
    f->server = http_server_new(f->context, &f->settings, &posting_ops, f, NULL);
    assert_non_null(f->server);
    f->requests = f->ends = 0;
    connect_raw(f);
    for (int i = 0; i < 3; i++) { /* on one connection */
        f->status = i == 1 ? 403 : 200;
        assert_int_equal(
            ask(f, "POST", "/a/../b?x=1",
                "Content-Type: text/x\r\nAuthorization: Basic eDp5\r\nContent-Length: 7\r\n\r\nhello"),
            f->status);
        assert_int_equal(f->body_len, 28);
        assert_memory_equal(f->body, "/b|text/x|Basic eDp5|hello\r\n", 28);
        assert_non_null(strstr(f->head, "Retry-After: 60\r\n"));
        assert_null(strstr(f->head, "Accept-Ranges"));
    }
    assert_int_equal(f->posts, 3);
    /* In pieces. */
    body = "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234";
    connect_raw(f);
    assert_int_equal(write(f->fd, body, strlen(body)), strlen(body));
    for (int i = 0; i < 5; i++)
        wait_turn(&f->loop);
    assert_int_equal(f->posts, 3);
    assert_int_equal(write(f->fd, "56789", 5), 5);
    WAIT_FOR(&f->loop, f->posts == 4);
    /* Too long, of no length, empty. */
    connect_raw(f);
    assert_int_equal(ask(f, "POST", "/", "Content-Length: 101\r\n"), 413);
    connect_raw(f);
    assert_int_equal(ask(f, "POST", "/", ""), 411);
    connect_raw(f);
    assert_int_equal(ask(f, "POST", "/", "Content-Length: 0\r\n"), 400);
    connect_raw(f);
    assert_int_equal(ask(f, "PUT", "/", "Content-Length: 0\r\n"), 405);
    assert_int_equal(f->posts, 4);
    /* The server goes while it is asked. */
    connect_raw(f);
    f->free_server = true;
    assert_int_equal(ask(f, "POST", "/", "Content-Length: 3\r\n\r\na"), 0);
    assert_null(f->server);
    f->requests = f->ends;
}

/* ---- headers, and answers that come later ---- */

static const char *const wanted[] = {"host", "x-test", "cookie", "origin", NULL};

/* Says what it was told: "path|host|x-test|cookie|origin". */
static int on_get(void *ctx, const struct http_posted *asked, struct http_answer *ret_answer)
{
    struct fixture *f = ctx;
    int len;

    f->requests++;
    ret_answer->content = malloc(6000);
    len = snprintf(ret_answer->content, 6000, "%s|%s|%s|%s|%s", asked->path, asked->headers[0],
                   asked->headers[1], asked->headers[2], asked->headers[3]);
    ret_answer->size = (uint64_t)len;
    ret_answer->header = "X-One: 1\r\nX-Two: 2";
    str_copy(ret_answer->cookie, sizeof(ret_answer->cookie), "a=b; Secure");
    return f->status;
}

static int on_post_later(void *ctx, const struct http_posted *posted, struct http_answer *ret_answer)
{
    struct fixture *f = ctx;

    (void)ret_answer;
    assert_string_equal(posted->headers[1], "later");
    f->posts++;
    f->pending = posted->pending;
    return 0;
}

static void on_gone(void *ctx, struct http_pending *pending)
{
    struct fixture *f = ctx;

    assert_ptr_equal(f->pending, pending);
    f->pending = NULL;
}

static const struct http_server_ops later_ops = {.get = on_get, .post = on_post_later, .gone = on_gone};

static void test_headers(void **state)
{
    struct fixture *f = *state;
    char header[400] = "X-Test: ";

    f->settings.headers = wanted;
    f->server = http_server_new(f->context, &f->settings, &later_ops, f, NULL);
    assert_non_null(f->server);
    connect_raw(f);
    f->status = 401;
    assert_int_equal(ask(f, "GET", "/a", "x-tEst: one\r\nCookie: a=b\r\nX-Testing: no\r\n"), 401);
    assert_int_equal(f->body_len, strlen("/a|gateway|one|a=b|"));
    assert_memory_equal(f->body, "/a|gateway|one|a=b|", f->body_len);
    assert_non_null(strstr(f->head, "X-One: 1\r\nX-Two: 2\r\n"));
    assert_non_null(strstr(f->head, "Set-Cookie: a=b; Secure\r\n"));
    f->status = 200; /* on the same connection, nothing of the last is left */
    assert_int_equal(ask(f, "GET", "/b", "Origin: x\r\n"), 200);
    assert_memory_equal(f->body, "/b|gateway|||x", f->body_len);
    memset(header + 8, 'x', 300);
    str_copy(header + 308, sizeof(header) - 308, "\r\n");
    assert_int_equal(ask(f, "GET", "/c", header), 200);
    assert_int_equal(f->body_len, strlen("/c|gateway|||") + 300);
    f->requests = f->ends;
}

static void test_answered_later(void **state)
{
    static const char post[] = "POST /p HTTP/1.1\r\nHost: x\r\nX-Test: later\r\nContent-Length: 2\r\n\r\n{}";
    struct fixture *f = *state;
    struct http_answer answer = {.fd = -1, .size = 4};
    char text[2000] = "";
    size_t have = 0;

    f->settings.headers = wanted;
    f->settings.max_body = 10;
    f->server = http_server_new(f->context, &f->settings, &later_ops, f, NULL);
    assert_non_null(f->server);
    connect_raw(f);
    for (int i = 1; i < 3; i++) { /* on one connection */
        assert_int_equal(write(f->fd, post, strlen(post)), strlen(post));
        WAIT_FOR(&f->loop, f->posts == i);
        for (int turn = 0; turn < 3; turn++)
            wait_turn(&f->loop);
        assert_int_equal(read(f->fd, text, sizeof(text)), -1); /* not yet */
        answer.content = strdup("done");
        http_server_answer(f->pending, 202, &answer);
        memset(text, 0, sizeof(text));
        for (have = 0; !strstr(text, "done");)
            assert_true(read_some(f, text, sizeof(text) - 1, &have));
        assert_memory_equal(text, "HTTP/1.1 202 ", 13);
    }
    /* The peer goes while it waits. */
    connect_raw(f);
    assert_int_equal(write(f->fd, post, strlen(post)), strlen(post));
    WAIT_FOR(&f->loop, f->posts == 3);
    assert_non_null(f->pending);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, !f->pending);
    /* The answer is there and cannot be sent any more; and the server goes. */
    connect_raw(f);
    assert_int_equal(write(f->fd, post, strlen(post)), strlen(post));
    WAIT_FOR(&f->loop, f->posts == 4);
    answer.content = strdup("done");
    http_server_answer(f->pending, 200, &answer);
    f->pending = NULL;
    connect_raw(f);
    assert_int_equal(write(f->fd, post, strlen(post)), strlen(post));
    WAIT_FOR(&f->loop, f->posts == 5);
    http_server_free(f->server);
    f->server = NULL;
    assert_null(f->pending);
    f->requests = f->ends;
}

/* ---- an answer that goes on ---- */

enum {
    PIECE_BYTES = 4 << 20, /* more than the kernel takes */
    PIECES = 5,
};

static int on_get_stream(void *ctx, const struct http_posted *asked, struct http_answer *ret_answer)
{
    struct fixture *f = ctx;

    f->requests++;
    f->pending = asked->pending;
    ret_answer->content = strdup("begun");
    ret_answer->size = 5;
    ret_answer->content_type = "text/event-stream";
    ret_answer->stream = true;
    return 200;
}

static int on_more(void *ctx, struct http_pending *stream, struct http_answer *ret_answer)
{
    struct fixture *f = ctx;

    assert_ptr_equal(stream, f->pending);
    if (f->pieces == f->ready)
        return 0;
    f->pieces++;
    ret_answer->content = malloc(PIECE_BYTES);
    memset(ret_answer->content, '0' + f->pieces, PIECE_BYTES);
    ret_answer->size = PIECE_BYTES;
    ret_answer->stream = f->pieces < PIECES;
    return 1;
}

static const struct http_server_ops stream_ops = {.get = on_get_stream, .more = on_more, .gone = on_gone};

static void open_stream(struct fixture *f, const char *method)
{
    char request[100];

    f->pieces = f->ready = 0;
    connect_raw(f);
    snprintf(request, sizeof(request), "%s /events HTTP/1.1\r\nHost: x\r\n\r\n", method);
    assert_int_equal(write(f->fd, request, strlen(request)), strlen(request));
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    char *text = calloc(1, 6 * PIECE_BYTES);
    size_t have = 0, at;

    f->settings.headers = wanted;
    f->server = http_server_new(f->context, &f->settings, &stream_ops, f, NULL);
    assert_non_null(f->server);
    open_stream(f, "GET");
    while (!strstr(text, "begun"))
        assert_true(read_some(f, text, 4000, &have));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    assert_null(strstr(text, "Content-Length"));
    at = have;
    for (int turn = 0; turn < 3; turn++)
        wait_turn(&f->loop);
    assert_int_equal(read(f->fd, text + have, 1), -1); /* nothing is new, and it is open */
    f->ready = 1;
    http_server_more(f->pending);
    while (have < at + PIECE_BYTES)
        assert_true(read_some(f, text, 6 * PIECE_BYTES, &have));
    assert_int_equal(f->pieces, 1);
    /* Who takes nothing is given no more than one piece, however much is new. */
    f->ready = PIECES;
    http_server_more(f->pending);
    WAIT_FOR(&f->loop, f->pieces > 1);
    for (int turn = 0; turn < 50; turn++) {
        http_server_more(f->pending);
        wait_turn(&f->loop);
    }
    assert_in_range(f->pieces, 2, PIECES - 1);
    while (read_some(f, text, 6 * PIECE_BYTES, &have)) /* until it ends by itself */
        ;
    assert_int_equal(have, at + PIECES * PIECE_BYTES);
    assert_int_equal(text[have - 1], '0' + PIECES);
    assert_non_null(f->pending); /* nobody went: the owner ended it */
    /* The peer goes; it asks for the head only; the server goes. */
    open_stream(f, "GET");
    WAIT_FOR(&f->loop, f->requests == 2);
    close(f->fd);
    f->fd = -1;
    WAIT_FOR(&f->loop, !f->pending);
    open_stream(f, "HEAD");
    WAIT_FOR(&f->loop, f->requests == 3 && !f->pending);
    open_stream(f, "GET");
    WAIT_FOR(&f->loop, f->requests == 4);
    http_server_free(f->server);
    f->server = NULL;
    assert_null(f->pending);
    f->requests = f->ends;
    free(text);
}

/* ---- with TLS, by the fetcher ---- */

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct fixture *f = ctx;

    for (size_t i = 0; i < len; i++)
        f->wrong |= data[i] != byte_at(f->fetched + i);
    f->fetched += len;
    return 0;
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct fixture *f = ctx;

    if (outcome != HTTP_DONE)
        print_message("%s\n", err->message);
    f->done++;
    f->outcome = outcome;
}

static void test_tls(void **state)
{
    static const struct http_fetch_ops fetch_ops = {.body = on_body, .done = on_done};
    struct fixture *f = *state;
    struct http_fetcher *fetcher = http_fetcher_new(&f->loop, NULL);
    struct http_request request = {.max_bytes = FILE_BYTES};
    char path[2][PKI_PATH_BYTES], url[100];
    struct pki pki;

    pki_init(&pki);
    pki_issue(&pki, "server", "IP:127.0.0.1", -1, 10);
    f->settings.tls = true;
    f->settings.tls_settings.certificate_file = pki_path(&pki, "server", path[0]);
    serve(f);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/image", http_server_port(f->server));
    request.url = url;
    request.tls.ca_file = pki_path(&pki, "ca.pem", path[1]);
    assert_non_null(http_fetch_start(fetcher, &request, &fetch_ops, f, NULL));
    WAIT_FOR(&f->loop, f->done);
    assert_int_equal(f->outcome, HTTP_DONE);
    assert_int_equal(f->fetched, FILE_BYTES);
    assert_false(f->wrong);
    f->fetched = request.offset = 12345; /* and a part of it */
    assert_non_null(http_fetch_start(fetcher, &request, &fetch_ops, f, NULL));
    WAIT_FOR(&f->loop, f->done == 2);
    assert_int_equal(f->outcome, HTTP_DONE);
    assert_int_equal(f->fetched, FILE_BYTES);
    assert_false(f->wrong);
    connect_raw(f);
    assert_int_not_equal(ask(f, "GET", "/", ""), 200); /* without TLS */
    http_fetcher_free(fetcher);
    pki_done(&pki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connection_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oldest_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post, setup, teardown),
        cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answered_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
