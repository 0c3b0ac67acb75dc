/* SPDX-License-Identifier: BSD-3-Clause */
/* Delivering over HTTP and HTTPS, to servers that say what they were given. */
#include "transports/http_post.h"

#include "tests/unit/http_script.h"
#include "tests/unit/wait.h"

struct fixture {
    struct loop loop;
    struct http_fetcher *fetcher;
    struct http_script plain, secure;
    struct pki pki;
    char ca[PKI_PATH_BYTES];
    struct http_post post;
    char url[300];
    char echo[5000];
    int done;
    enum http_outcome outcome;
    struct error why;
};

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct fixture *f = ctx;
    size_t have = strlen(f->echo);

    assert_true(have + len < sizeof(f->echo));
    memcpy(f->echo + have, data, len);
    return 0;
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct fixture *f = ctx;

    f->done++;
    f->outcome = outcome;
    f->why = *err;
}

static const struct http_fetch_ops keeping = {.body = on_body, .done = on_done};
static const struct http_fetch_ops ignoring = {.body = http_post_ignore, .done = on_done};

static void deliver(struct fixture *f, const struct http_script *server, const char *path, const char *text,
                    const struct http_fetch_ops *ops)
{
    struct buf content;
    struct error err;

    snprintf(f->url, sizeof(f->url), "%s://localhost:%u%s", server == &f->secure ? "https" : "http",
             server->port, path);
    f->post.url = f->url;
    f->done = 0;
    memset(f->echo, 0, sizeof(f->echo));
    buf_init(&content, 10000, 0);
    buf_append_str(&content, text);
    if (!http_post_start(f->fetcher, &f->post, &content, ops, f, &err))
        fail_msg("%s", err.message);
    assert_int_equal(content.len, 0); /* taken over */
    buf_done(&content);
    WAIT_FOR(&f->loop, f->done);
}

static void expect_echo(const struct fixture *f, const char *text)
{
    if (f->outcome != HTTP_DONE)
        fail_msg("%s", f->why.message);
    if (!strstr(f->echo, text))
        fail_msg("no \"%s\" in:\n%s", text, f->echo);
}

static int setup(void **state)
{
    static const char *const headers[] = {"Content-Type: text/x", "X-Further: 1", NULL};
    struct fixture *f = calloc(1, sizeof(*f));

    signal(SIGPIPE, SIG_IGN);
    pki_init(&f->pki);
    pki_issue(&f->pki, "server", "DNS:localhost", -1, 10);
    http_script_start(&f->plain, &f->pki, NULL);
    http_script_start(&f->secure, &f->pki, "server");
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->fetcher = http_fetcher_new(&f->loop, NULL);
    assert_non_null(f->fetcher);
    f->post = (struct http_post){.method = "POST", .headers = headers};
    f->post.tls.ca_file = pki_path(&f->pki, "ca.pem", f->ca);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_fetcher_free(f->fetcher);
    loop_done(&f->loop);
    process_stop(f->plain.pid);
    process_stop(f->secure.pid);
    pki_done(&f->pki);
    free(f);
    return 0;
}

/* Method, headers and content as they were given; any 2xx is success */
static void test_content(void **state)
{
    struct fixture *f = *state;

    f->post.date = 784111777;
    deliver(f, &f->plain, "/echo", "content", &keeping);
    expect_echo(f, "POST /echo HTTP/1.1\r\n");
    expect_echo(f, "\r\nContent-Type: text/x\r\n");
    expect_echo(f, "\r\nX-Further: 1\r\n");
    expect_echo(f, "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    expect_echo(f, "\r\nContent-Length: 7\r\n");
    expect_echo(f, "\r\n\r\ncontent");
    assert_null(strstr(f->echo, "Expect"));
    f->post.method = "PUT";
    f->post.date = 0;
    deliver(f, &f->secure, "/echo", "", &keeping);
    expect_echo(f, "PUT /echo HTTP/1.1\r\n");
    expect_echo(f, "\r\nContent-Length: 0\r\n");
    assert_null(strstr(f->echo, "Date:"));
    deliver(f, &f->plain, "/empty", "content", &ignoring);
    assert_int_equal(f->outcome, HTTP_DONE);
}

/* The content goes along where the server sends it on, and once more when it asks who is there */
static void test_again(void **state)
{
    struct fixture *f = *state;
    char path[100];

    snprintf(path, sizeof(path), "/to?http://localhost:%u/echo", f->plain.port);
    deliver(f, &f->plain, path, "content", &keeping);
    expect_echo(f, "POST /echo HTTP/1.1\r\n");
    expect_echo(f, "\r\n\r\ncontent");
    f->post.username = "user";
    f->post.password = "secret";
    deliver(f, &f->plain, "/auth", "content", &keeping);
    expect_echo(f, "welcome");
    f->post.password = "wrong";
    deliver(f, &f->plain, "/auth", "content", &ignoring);
    assert_int_equal(f->outcome, HTTP_PERMANENT);
}

static void test_failures(void **state)
{
    struct fixture *f = *state;

    deliver(f, &f->plain, "/status503", "content", &ignoring);
    assert_int_equal(f->outcome, HTTP_TRANSIENT);
    deliver(f, &f->plain, "/status404", "content", &ignoring);
    assert_int_equal(f->outcome, HTTP_PERMANENT);
    assert_non_null(strstr(f->why.message, "404"));
    f->post.tls.ca_file = "/nonexistent/ca.pem"; /* R-BULK.6: nobody vouches for the server */
    deliver(f, &f->secure, "/echo", "content", &ignoring);
    assert_int_not_equal(f->outcome, HTTP_DONE);
}

/* One that is under way can be let go of, and nothing is told */
static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct http_fetch *fetch;
    struct buf content;

    buf_init(&content, 100, 0);
    buf_append_str(&content, "content");
    snprintf(f->url, sizeof(f->url), "http://localhost:%u/stall", f->plain.port);
    f->post.url = f->url;
    fetch = http_post_start(f->fetcher, &f->post, &content, &ignoring, f, NULL);
    assert_non_null(fetch);
    http_fetch_cancel(fetch);
    deliver(f, &f->plain, "/empty", "content", &ignoring);
    assert_int_equal(f->done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_content, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
