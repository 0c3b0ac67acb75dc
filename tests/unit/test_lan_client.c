/* SPDX-License-Identifier: BSD-3-Clause */
/* WebSockets that the gateway opens to devices: the list, the passwords, and connections on a real loop. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/lan_client.h"
#include "tests/unit/wait.h"

struct fixture {
    struct loop loop;
    struct websocket_context *context;
    struct lan_client *lan;
    struct websocket_server *server; /* the device */
    struct websocket *device;        /* its side of the connection */
    uint16_t port;
    struct lan_session *session; /* ours; NULL: closed */
    char address[64], password[64], entry[64];
    char message[64];  /* what the dialect heard */
    char received[64]; /* what the device heard */
    unsigned opens, closes, refused;
    bool refuse;
    char file[64];
};

/* ---- a dialect that only listens ---- */

static int opened(void *ctx, struct lan_session *session)
{
    struct fixture *f = ctx;

    assert_true(session->outbound);
    assert_string_equal(session->path, "/rpc");
    f->session = session;
    f->opens++;
    snprintf(f->address, sizeof(f->address), "%s", session->address);
    snprintf(f->entry, sizeof(f->entry), "%s", session->entry);
    snprintf(f->password, sizeof(f->password), "%s", session->password ? session->password : "");
    return 0;
}

static void message(void *ctx, struct lan_session *session, bool binary, const uint8_t *data, size_t len)
{
    struct fixture *f = ctx;

    assert_ptr_equal(session, f->session);
    assert_false(binary);
    snprintf(f->message, sizeof(f->message), "%.*s", (int)len, (const char *)data);
}

static void closed(void *ctx, struct lan_session *session)
{
    struct fixture *f = ctx;

    assert_ptr_equal(session, f->session);
    f->session = NULL;
    f->closes++;
}

static const struct dialect dialect = {
    .name = "toy", .websocket_server_path = "/rpc", .opened = opened, .message = message, .closed = closed};

/* ---- the device ---- */

static int on_accept(void *ctx, const struct websocket_request *request, void **ret_ctx)
{
    struct fixture *f = ctx;

    if (f->refuse || strcmp(request->path, "/rpc") != 0) {
        f->refused++;
        return 503;
    }
    *ret_ctx = f;
    return 0;
}

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    (void)peer_certificate;
    ((struct fixture *)ctx)->device = ws;
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct fixture *f = ctx;

    (void)ws;
    (void)binary;
    snprintf(f->received, sizeof(f->received), "%.*s", (int)len, (const char *)data);
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct fixture *f = ctx;

    (void)code;
    (void)err;
    if (f->device == ws)
        f->device = NULL;
}

static const struct websocket_ops server_ops = {
    .accept = on_accept, .opened = on_opened, .message = on_message, .closed = on_closed};

static void listen_at(struct fixture *f, uint16_t port)
{
    struct websocket_server_settings settings = {
        .address = "127.0.0.1", .port = port, .max_message = 65536, .max_connections = 10};
    struct error err = {0};

    f->server = websocket_server_new(f->context, &settings, &server_ops, f, &err);
    assert_non_null(f->server);
    f->port = websocket_server_port(f->server);
}

/* ---- the home ---- */

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd;

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->context = websocket_context_new(&f->loop, NULL);
    f->lan = lan_client_new(&f->loop);
    assert_non_null(f->lan);
    listen_at(f, 0);
    strcpy(f->file, "/tmp/homepatch-test-XXXXXX");
    fd = mkstemp(f->file);
    assert_true(fd >= 0);
    close(fd);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    lan_client_free(f->lan);
    if (f->server)
        websocket_server_free(f->server);
    websocket_context_free(f->context);
    loop_done(&f->loop);
    unlink(f->file);
    free(f);
    return 0;
}

static void list(struct fixture *f, const char *host)
{
    char text[100];

    snprintf(text, sizeof(text), "%s:%u", host, f->port);
    assert_int_equal(lan_client_add(f->lan, &dialect, f, text, NULL), 0);
}

static void write_passwords(struct fixture *f, const char *host, const char *password)
{
    FILE *file = fopen(f->file, "w");

    assert_non_null(file);
    fprintf(file, "%s:%u = %s\n", host, f->port, password);
    fclose(file);
}

static void connects_and_talks(void **state)
{
    struct fixture *f = *state;
    struct buf hello;

    list(f, "localhost"); /* a name: resolved without blocking */
    lan_client_start(f->lan, f->context);
    WAIT_FOR(&f->loop, f->session && f->device);
    assert_string_equal(f->address, "127.0.0.1");
    assert_true(f->session->local);
    assert_string_equal(f->password, "");
    assert_int_equal(lan_client_send(f->session, false, "ask", 3, NULL), 0);
    WAIT_FOR(&f->loop, strcmp(f->received, "ask") == 0);
    buf_init(&hello, 100, WEBSOCKET_HEADROOM);
    buf_append_str(&hello, "hello");
    assert_int_equal(websocket_send(f->device, false, &hello), 0);
    buf_done(&hello);
    WAIT_FOR(&f->loop, strcmp(f->message, "hello") == 0);
}

static void comes_back(void **state)
{
    struct fixture *f = *state;

    list(f, "127.0.0.1");
    lan_client_start(f->lan, f->context);
    WAIT_FOR(&f->loop, f->session && f->device);
    websocket_server_free(f->server); /* the device restarts */
    f->server = NULL;
    f->device = NULL;
    WAIT_FOR(&f->loop, f->closes == 1);
    listen_at(f, f->port);
    f->refuse = true;
    WAIT_FOR(&f->loop, f->refused == 1);
    f->refuse = false;
    WAIT_FOR(&f->loop, f->opens == 2);
    lan_client_close(f->session, "go away"); /* as the dialect does with a stranger */
    WAIT_FOR(&f->loop, f->closes == 2);
    assert_int_equal(f->opens, 2);
}

static void the_list(void **state)
{
    static const char *const bad[] = {"a:0", "a:70000", "a:x", "[::1", "[::1]x",
                                      "a b", "a/b",     ":80", "a,,b", "a,a"};
    struct fixture *f = *state;
    struct error err;
    char many[16 * 300];
    size_t len = 0;

    assert_int_equal(lan_client_add(f->lan, &dialect, f,
                                    "192.168.1.20, name.local:8080 ,fd00::1,[fd00::2],[fd00::3]:81", &err),
                     0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(lan_client_add(f->lan, &dialect, f, bad[i], &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_VALUE);
    }
    for (unsigned i = 0; i < 300; i++)
        len += (size_t)snprintf(many + len, sizeof(many) - len, "%sx%u.home", i ? "," : "", i);
    assert_int_equal(lan_client_add(f->lan, &dialect, f, many, &err), -1);
    assert_non_null(strstr(err.message, "limit_lan_clients is 256"));
    assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
}

static void the_file_is_private(void **state)
{
    struct fixture *f = *state;
    struct error err;

    list(f, "127.0.0.1");
    write_passwords(f, "127.0.0.1", "\"se cret\"");
    assert_int_equal(lan_client_passwords(f->lan, f->file, &err), 0);
    chmod(f->file, 0640);
    assert_int_equal(lan_client_passwords(f->lan, f->file, &err), -1);
    assert_non_null(strstr(err.message, "0600"));
    chmod(f->file, 0604);
    assert_int_equal(lan_client_passwords(f->lan, f->file, &err), -1);
    chmod(f->file, 0600);
    write_passwords(f, "127.0.0.2", "TOPSECRET");
    assert_int_equal(lan_client_passwords(f->lan, f->file, &err), -1);
    assert_null(strstr(err.message, "TOPSECRET"));
    assert_non_null(strstr(err.path, ":1"));
    write_passwords(f, "127.0.0.1", "");
    assert_int_equal(lan_client_passwords(f->lan, f->file, &err), -1);
    assert_int_equal(lan_client_passwords(f->lan, "/nonexistent/passwords", &err), -1);
    /* What could not be read changed nothing. */
    lan_client_start(f->lan, f->context);
    WAIT_FOR(&f->loop, f->session);
    assert_string_equal(f->password, "se cret");
}

static void another_password(void **state)
{
    struct fixture *f = *state;

    list(f, "127.0.0.1");
    write_passwords(f, "127.0.0.1", "one");
    assert_int_equal(lan_client_passwords(f->lan, f->file, NULL), 0);
    lan_client_start(f->lan, f->context);
    WAIT_FOR(&f->loop, f->session);
    assert_string_equal(f->password, "one");
    assert_int_equal(lan_client_passwords(f->lan, f->file, NULL), 0); /* the same: nothing happens */
    write_passwords(f, "127.0.0.1", "two");
    assert_int_equal(lan_client_passwords(f->lan, f->file, NULL), 0);
    WAIT_FOR(&f->loop, f->opens == 2);
    assert_int_equal(f->closes, 1);
    assert_string_equal(f->password, "two");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connects_and_talks),  TEST(comes_back),       TEST(the_list),
        TEST(the_file_is_private), TEST(another_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
