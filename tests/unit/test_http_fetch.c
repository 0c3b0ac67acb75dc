/* SPDX-License-Identifier: BSD-3-Clause */
/* Fetching, from servers in processes of their own that answer by script: a good one, and all the bad ones. */
#include "tests/unit/http_script.h"
#include "tests/unit/wait.h"
#include "transports/http_fetch.h"

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
    struct http_script plain, other, secure;
    struct pki pki;
    char path[2][PKI_PATH_BYTES];
    struct fetch fetch;
    struct http_request request;
    char url[300];
};

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
        fetch->wrong |= data[i] != http_script_byte(fetch->first_byte + fetch->bytes + i);
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

static const char *url(struct fixture *f, const struct http_script *server, const char *path)
{
    snprintf(f->url, sizeof(f->url), "%s://localhost:%u%s", server == &f->secure ? "https" : "http",
             server->port, path);
    return f->url;
}

static void get(struct fixture *f, const struct http_script *server, const char *path)
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
    http_script_start(&f->plain, &f->pki, NULL);
    http_script_start(&f->other, &f->pki, NULL);
    http_script_start(&f->secure, &f->pki, "server");
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
    assert_int_equal(f->fetch.head.length, HTTP_SCRIPT_BYTES);
    assert_int_equal(f->fetch.bytes, HTTP_SCRIPT_BYTES - offset);
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
    f->request.max_bytes = HTTP_SCRIPT_BYTES;
    get(f, &f->plain, "/file");
    expect(f, HTTP_DONE, NULL);
    f->request.max_bytes = HTTP_SCRIPT_BYTES - 1;
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
    f->request.no_redirects = true;
    get(f, &f->plain, "/to?/file");
    expect(f, HTTP_PERMANENT, "status 302");
    get(f, &f->plain, "/empty");
    expect(f, HTTP_DONE, NULL);
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
    http_script_start(&f->secure, &f->pki, "expired");
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
