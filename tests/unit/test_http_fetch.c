/* SPDX-License-Identifier: BSD-3-Clause */
/* Fetching, from servers in processes of their own that answer by script: a good one, and all the bad ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "tests/unit/pki.h"
#include "tests/unit/process.h"
#include "tests/unit/wait.h"
#include "transports/http_fetch.h"

enum {
    FILE_BYTES = 300000,
};

struct server {
    pid_t pid;
    uint16_t port;
    SSL *ssl;
    int fd;
};

struct fetch {
    struct http_fetch *fetch;
    int heads, done;
    bool cancel_in_head, cancel_in_body, abort_in_head, abort_in_body, start_again;
    struct http_head head;
    char validator[100], content_type[100];
    size_t bytes;
    uint64_t first_byte;
    bool wrong; /* bytes that are not the file's */
    char text[200];
    enum http_outcome outcome;
    struct error why;
    struct fixture *fixture;
};

struct fixture {
    struct loop loop;
    struct http_fetcher *fetcher;
    struct server plain, other, secure;
    struct pki pki;
    char path[2][PKI_PATH_BYTES];
    struct fetch fetch;
    struct http_request request;
    char url[300];
};

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 251);
}

/* ---- the server, in its process ---- */

static void put(struct server *server, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t n = server->ssl ? SSL_write(server->ssl, at, (int)len) : write(server->fd, at, len);

        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

__attribute__((format(printf, 2, 3))) static void say(struct server *server, const char *fmt, ...)
{
    char text[1000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put(server, text, strlen(text));
}

static void put_file(struct server *server, size_t from, size_t to)
{
    uint8_t chunk[4096];

    while (from < to) {
        size_t n = to - from < sizeof(chunk) ? to - from : sizeof(chunk);

        for (size_t i = 0; i < n; i++)
            chunk[i] = byte_at(from + i);
        put(server, chunk, n);
        from += n;
    }
}

static void answer_file(struct server *server, const char *request, bool ranges)
{
    const char *range = strstr(request, "Range: bytes=");
    const char *condition = strstr(request, "If-Range: ");
    size_t from = range && ranges ? (size_t)atol(range + 13) : 0;

    if (condition && strncmp(condition, "If-Range: \"one\"", 15) != 0)
        from = 0;
    if (from)
        say(server, "HTTP/1.1 206 Partial\r\nContent-Range: bytes %zu-%d/%d\r\n", from, FILE_BYTES - 1,
            FILE_BYTES);
    else
        say(server, "HTTP/1.1 200 OK\r\n");
    say(server, "ETag: \"one\"\r\nContent-Type: image/x\r\nContent-Length: %zu\r\n\r\n", FILE_BYTES - from);
    put_file(server, from, FILE_BYTES);
}

static void answer_text(struct server *server, const char *status, const char *headers, const char *text)
{
    say(server, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(text), text);
}

static void answer(struct server *server, const char *path, const char *request)
{
    char header[400];

    if (strcmp(path, "/file") == 0) {
        answer_file(server, request, true);
    } else if (strcmp(path, "/whole") == 0) {
        answer_file(server, request, false);
    } else if (strcmp(path, "/otherpart") == 0) {
        say(server, "HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nabcde");
    } else if (strcmp(path, "/short") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
    } else if (strcmp(path, "/claims") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc");
    } else if (strcmp(path, "/endless") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 2500; i++)
            say(server, "200\r\n%0512d\r\n", 0);
    } else if (strcmp(path, "/stall") == 0) {
        say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
        sleep(60);
    } else if (strcmp(path, "/auth") == 0) {
        if (strstr(request, "Authorization: Basic dXNlcjpzZWNyZXQ="))
            answer_text(server, "200 OK", "", "welcome");
        else
            answer_text(server, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "who?");
    } else if (strcmp(path, "/seen") == 0) {
        answer_text(server, "200 OK", "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nETag: W/\"weak\"\r\n",
                    strstr(request, "Authorization:") ? "credentials" : "none");
    } else if (strncmp(path, "/to?", 4) == 0) {
        snprintf(header, sizeof(header), "Location: %s\r\nETag: \"redirect\"\r\n", path + 4);
        answer_text(server, "302 Found", header, "not this");
    } else if (strncmp(path, "/hops", 5) == 0) {
        snprintf(header, sizeof(header), "Location: /hops%d\r\n", atoi(path + 5) - 1);
        answer_text(server, atoi(path + 5) ? "302 Found" : "200 OK", atoi(path + 5) ? header : "", "end");
    } else if (strncmp(path, "/status", 7) == 0) {
        answer_text(server, path + 7, "", "no");
    } else if (strcmp(path, "/empty") == 0) {
        answer_text(server, "200 OK", "", "");
    } else if (strcmp(path, "/garbage") == 0) {
        say(server, "220 mail.example.com ESMTP\r\n");
    }
}

static void converse(struct server *server)
{
    char request[4000] = "";
    char path[300] = "";
    size_t have = 0;

    while (have + 1 < sizeof(request) && !strstr(request, "\r\n\r\n")) {
        ssize_t n = server->ssl ? SSL_read(server->ssl, request + have, (int)(sizeof(request) - 1 - have))
                                : read(server->fd, request + have, sizeof(request) - 1 - have);

        if (n <= 0)
            return;
        have += (size_t)n;
        request[have] = '\0';
    }
    if (sscanf(request, "GET %299s", path) == 1)
        answer(server, path, request);
}

static void serve(struct server *server, int listener, SSL_CTX *tls)
{
    for (;;) {
        server->fd = accept(listener, NULL, NULL);
        if (server->fd < 0)
            continue;
        if (fork() == 0) { /* so that one that stalls holds up nobody */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (tls) {
                server->ssl = SSL_new(tls);
                SSL_set_fd(server->ssl, server->fd);
                if (SSL_accept(server->ssl) != 1)
                    _exit(0);
            }
            converse(server);
            if (server->ssl)
                SSL_shutdown(server->ssl);
            shutdown(server->fd, SHUT_WR);
            _exit(0);
        }
        close(server->fd);
    }
}

static void start_server(struct server *server, const struct pki *pki, const char *certificate)
{
    char path[PKI_PATH_BYTES];
    struct tls_settings settings = {.certificate_file = certificate ? pki_path(pki, certificate, path)
                                                                    : NULL};
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = process_socket(0, bind);

    assert_int_equal(listen(fd, 20), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    server->pid = fork();
    if (server->pid == 0) {
        signal(SIGCHLD, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(server, fd, certificate ? tls_context_new(&settings, TLS_SERVER, NULL, NULL) : NULL);
    }
    close(fd);
}

/* ---- the owner ---- */

static void start(struct fixture *f, struct fetch *fetch);

static int on_head(void *ctx, const struct http_head *head)
{
    struct fetch *fetch = ctx;

    fetch->heads++;
    fetch->head = *head;
    fetch->first_byte = head->offset;
    snprintf(fetch->validator, sizeof(fetch->validator), "%s", head->validator ? head->validator : "");
    snprintf(fetch->content_type, sizeof(fetch->content_type), "%s",
             head->content_type ? head->content_type : "");
    if (fetch->cancel_in_head)
        http_fetch_cancel(fetch->fetch);
    return fetch->abort_in_head;
}

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct fetch *fetch = ctx;

    for (size_t i = 0; i < len; i++)
        fetch->wrong |= data[i] != byte_at(fetch->first_byte + fetch->bytes + i);
    if (fetch->bytes == 0)
        snprintf(fetch->text, sizeof(fetch->text), "%.*s", len < 190 ? (int)len : 190, (const char *)data);
    fetch->bytes += len;
    if (fetch->cancel_in_body)
        http_fetch_cancel(fetch->fetch);
    return fetch->abort_in_body;
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct fetch *fetch = ctx;

    fetch->done++;
    fetch->outcome = outcome;
    fetch->why = *err;
    if (fetch->start_again) {
        fetch->start_again = false;
        start(fetch->fixture, fetch);
    }
}

static const struct http_fetch_ops ops = {.head = on_head, .body = on_body, .done = on_done};

static void start(struct fixture *f, struct fetch *fetch)
{
    struct error err;

    fetch->fixture = f;
    fetch->fetch = http_fetch_start(f->fetcher, &f->request, &ops, fetch, &err);
    if (!fetch->fetch)
        fail_msg("%s", err.message);
}

static const char *url(struct fixture *f, const struct server *server, const char *path)
{
    snprintf(f->url, sizeof(f->url), "%s://localhost:%u%s", server == &f->secure ? "https" : "http",
             server->port, path);
    return f->url;
}

static void get(struct fixture *f, const struct server *server, const char *path)
{
    bool keep = f->fetch.start_again;

    f->fetch = (struct fetch){.abort_in_head = f->fetch.abort_in_head,
                              .abort_in_body = f->fetch.abort_in_body};
    f->fetch.start_again = keep;
    f->request.url = url(f, server, path);
    start(f, &f->fetch);
    WAIT_FOR(&f->loop, f->fetch.done);
}

static void expect(const struct fixture *f, enum http_outcome outcome, const char *why)
{
    if (f->fetch.outcome != outcome || (why && !strstr(f->fetch.why.message, why)))
        fail_msg("outcome %d: %s", f->fetch.outcome, f->fetch.why.message);
    if (why)
        assert_non_null(strstr(f->fetch.why.path, "localhost"));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    signal(SIGPIPE, SIG_IGN);
    pki_init(&f->pki);
    pki_issue(&f->pki, "server", "DNS:localhost", -1, 10);
    start_server(&f->plain, &f->pki, NULL);
    start_server(&f->other, &f->pki, NULL);
    start_server(&f->secure, &f->pki, "server");
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->fetcher = http_fetcher_new(&f->loop, NULL);
    assert_non_null(f->fetcher);
    f->request = (struct http_request){.max_bytes = 1000000};
    f->request.tls.ca_file = pki_path(&f->pki, "ca.pem", f->path[0]);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_fetcher_free(f->fetcher);
    loop_done(&f->loop);
    process_stop(f->plain.pid);
    process_stop(f->other.pid);
    process_stop(f->secure.pid);
    pki_done(&f->pki);
    free(f);
    return 0;
}

/* ---- tests ---- */

static void expect_file(const struct fixture *f, uint64_t offset)
{
    expect(f, HTTP_DONE, NULL);
    assert_int_equal(f->fetch.heads, 1);
    assert_int_equal(f->fetch.head.offset, offset);
    assert_int_equal(f->fetch.head.length, FILE_BYTES);
    assert_int_equal(f->fetch.bytes, FILE_BYTES - offset);
    assert_false(f->fetch.wrong);
    assert_string_equal(f->fetch.validator, "\"one\"");
    assert_string_equal(f->fetch.content_type, "image/x");
}

static void test_whole(void **state)
{
    struct fixture *f = *state;

    get(f, &f->plain, "/file");
    expect_file(f, 0);
    assert_int_equal(f->fetch.head.status, 200);
    get(f, &f->secure, "/file");
    expect_file(f, 0);
    get(f, &f->plain, "/empty");
    expect(f, HTTP_DONE, NULL);
    assert_int_equal(f->fetch.heads, 1);
    assert_int_equal(f->fetch.head.length, 0);
    get(f, &f->plain, "/seen");
    expect(f, HTTP_DONE, NULL);
    assert_string_equal(f->fetch.validator, "Mon, 01 Jan 2024 00:00:00 GMT"); /* a weak ETag is none */
}

static void test_resume(void **state)
{
    struct fixture *f = *state;

    f->request.offset = 100000;
    get(f, &f->plain, "/file");
    expect_file(f, 100000);
    assert_int_equal(f->fetch.head.status, 206);
    f->request.validator = "\"one\"";
    get(f, &f->plain, "/file");
    expect_file(f, 100000);
    f->request.validator = "\"two\""; /* it has changed: all of it again */
    get(f, &f->plain, "/file");
    expect_file(f, 0);
    get(f, &f->plain, "/whole");
    expect_file(f, 0);
    get(f, &f->plain, "/otherpart");
    expect(f, HTTP_PERMANENT, "another part");
    assert_int_equal(f->fetch.bytes, 0);
    f->request.offset = 0;
    get(f, &f->plain, "/otherpart");
    expect(f, HTTP_PERMANENT, "another part");
}

static void test_limits(void **state)
{
    struct fixture *f = *state;

    get(f, &f->plain, "/claims");
    expect(f, HTTP_PERMANENT, "larger");
    assert_int_equal(f->fetch.heads, 0);
    get(f, &f->plain, "/endless");
    expect(f, HTTP_PERMANENT, "larger");
    assert_true(f->fetch.bytes <= f->request.max_bytes);
    f->request.max_bytes = FILE_BYTES;
    get(f, &f->plain, "/file");
    expect(f, HTTP_DONE, NULL);
    f->request.max_bytes = FILE_BYTES - 1;
    get(f, &f->plain, "/file");
    expect(f, HTTP_PERMANENT, "larger");
    f->request.offset = 10;
    get(f, &f->plain, "/file");
    expect(f, HTTP_PERMANENT, "larger");
}

static void test_failures(void **state)
{
    struct fixture *f = *state;

    get(f, &f->plain, "/short");
    expect(f, HTTP_TRANSIENT, "before the file did");
    get(f, &f->plain, "/status404");
    expect(f, HTTP_PERMANENT, "404");
    assert_int_equal(f->fetch.heads, 0);
    get(f, &f->plain, "/status403");
    expect(f, HTTP_PERMANENT, "403");
    get(f, &f->plain, "/status408");
    expect(f, HTTP_TRANSIENT, "408");
    get(f, &f->plain, "/status429");
    expect(f, HTTP_TRANSIENT, "429");
    get(f, &f->plain, "/status503");
    expect(f, HTTP_TRANSIENT, "503");
    get(f, &f->plain, "/status204");
    expect(f, HTTP_PERMANENT, "204");
    get(f, &f->plain, "/garbage");
    assert_int_not_equal(f->fetch.outcome, HTTP_DONE);
    get(f, &f->plain, "/nothing");
    expect(f, HTTP_TRANSIENT, NULL);
    f->request.stall_timeout_s = 1;
    get(f, &f->plain, "/stall");
    expect(f, HTTP_TRANSIENT, NULL);
    process_stop(f->other.pid);
    f->other.pid = 0;
    get(f, &f->other, "/file");
    expect(f, HTTP_TRANSIENT, NULL);
    f->request.url = "http://name.invalid/";
    f->fetch = (struct fetch){0};
    start(f, &f->fetch);
    WAIT_FOR(&f->loop, f->fetch.done);
    expect(f, HTTP_TRANSIENT, NULL);
}

static void test_urls(void **state)
{
    static const char *const urls[] = {"ftp://localhost/x", "file:///etc/passwd", "", "localhost/x",
                                       "javascript:0"};
    struct fixture *f = *state;
    struct error err;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        f->request.url = urls[i];
        assert_null(http_fetch_start(f->fetcher, &f->request, &ops, &f->fetch, &err));
        assert_non_null(strstr(err.message, "only http"));
    }
    snprintf(f->url, sizeof(f->url), "http://user:secret@localhost:%u/status404", f->plain.port);
    f->request.url = f->url;
    start(f, &f->fetch);
    WAIT_FOR(&f->loop, f->fetch.done);
    expect(f, HTTP_PERMANENT, "404");
    assert_null(strstr(f->fetch.why.path, "secret"));
    f->request.url = "http://[bad";
    f->fetch = (struct fetch){0};
    start(f, &f->fetch);
    WAIT_FOR(&f->loop, f->fetch.done);
    assert_int_equal(f->fetch.outcome, HTTP_PERMANENT);
}

static void test_redirects(void **state)
{
    struct fixture *f = *state;
    char path[200];

    get(f, &f->plain, "/to?/file");
    expect_file(f, 0);
    get(f, &f->plain, "/hops5");
    expect(f, HTTP_DONE, NULL);
    get(f, &f->plain, "/hops6");
    expect(f, HTTP_PERMANENT, "more than 5 redirects");
    snprintf(path, sizeof(path), "/to?https://localhost:%u/file", f->secure.port);
    get(f, &f->plain, path);
    expect_file(f, 0);
    snprintf(path, sizeof(path), "/to?http://localhost:%u/file", f->plain.port);
    get(f, &f->secure, path);
    expect(f, HTTP_PERMANENT, "nothing else after https");
    get(f, &f->plain, "/to?file:///etc/passwd");
    expect(f, HTTP_PERMANENT, "only http");
    get(f, &f->plain, "/to?ftp://localhost/x");
    expect(f, HTTP_PERMANENT, "only http");
}

static void test_credentials(void **state)
{
    struct fixture *f = *state;
    char path[200];

    get(f, &f->plain, "/auth");
    expect(f, HTTP_PERMANENT, "401");
    f->request.username = "user";
    f->request.password = "secret";
    get(f, &f->plain, "/auth");
    expect(f, HTTP_DONE, NULL);
    assert_string_equal(f->fetch.text, "welcome");
    f->request.password = "wrong";
    get(f, &f->plain, "/auth");
    expect(f, HTTP_PERMANENT, "401");
    f->request.password = "secret";
    /* Another host (a port of its own is one) does not see them. */
    snprintf(path, sizeof(path), "/to?http://127.0.0.1:%u/auth", f->other.port);
    get(f, &f->plain, path);
    expect(f, HTTP_PERMANENT, "401");
}

static void test_tls(void **state)
{
    struct fixture *f = *state;
    struct pki other;

    pki_init(&other);
    pki_save(&f->pki, "other.pem", other.certificate, NULL);
    f->request.tls.ca_file = pki_path(&f->pki, "other.pem", f->path[1]);
    get(f, &f->secure, "/file");
    expect(f, HTTP_PERMANENT, "certificate");
    f->request.tls.ca_file = NULL; /* the system's do not know the test's */
    get(f, &f->secure, "/file");
    expect(f, HTTP_PERMANENT, "certificate");
    f->request.tls.ca_file = f->path[0];
    snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%u/file", f->secure.port);
    f->request.url = f->url;
    f->fetch = (struct fetch){0};
    start(f, &f->fetch);
    WAIT_FOR(&f->loop, f->fetch.done);
    assert_int_equal(f->fetch.outcome, HTTP_PERMANENT);
    process_stop(f->secure.pid);
    pki_issue(&f->pki, "expired", "DNS:localhost", -9, -2);
    start_server(&f->secure, &f->pki, "expired");
    get(f, &f->secure, "/file");
    expect(f, HTTP_PERMANENT, "expired");
    pki_done(&other);
}

static void test_owner_stops(void **state)
{
    struct fixture *f = *state;

    f->fetch.abort_in_head = true;
    get(f, &f->plain, "/file");
    expect(f, HTTP_ABORTED, NULL);
    assert_int_equal(f->fetch.bytes, 0);
    f->fetch.abort_in_head = false;
    f->fetch.abort_in_body = true;
    get(f, &f->plain, "/file");
    expect(f, HTTP_ABORTED, NULL);
    f->fetch.abort_in_body = false;
    /* Cancelled: nothing more is heard. */
    for (int i = 0; i < 3; i++) {
        f->fetch = (struct fetch){.cancel_in_head = i == 0, .cancel_in_body = i == 1};
        f->request.url = url(f, &f->plain, "/file");
        start(f, &f->fetch);
        if (i == 2)
            http_fetch_cancel(f->fetch.fetch);
        else
            WAIT_FOR(&f->loop, f->fetch.heads);
        for (int k = 0; k < 10; k++)
            wait_turn(&f->loop);
        assert_int_equal(f->fetch.done, 0);
    }
    f->fetch = (struct fetch){.start_again = true};
    get(f, &f->plain, "/seen");
    WAIT_FOR(&f->loop, f->fetch.done == 2);
    start(f, &f->fetch); /* and freed with one under way */
}

static void test_many(void **state)
{
    struct fixture *f = *state;
    struct fetch many[20] = {0};
    int done = 0;

    f->request.url = url(f, &f->plain, "/file");
    for (int i = 0; i < 20; i++)
        start(f, &many[i]);
    WAIT_FOR(&f->loop, ({
        done = 0;
        for (int i = 0; i < 20; i++)
            done += many[i].done;
        done == 20;
    }));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(many[i].outcome, HTTP_DONE);
        assert_false(many[i].wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_urls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_redirects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
