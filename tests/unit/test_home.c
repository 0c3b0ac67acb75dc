/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole home on a real loop and a real socket: a device connects to it with its outbound WebSocket. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/home.h"
#include "tests/unit/fake_home.h"
#include "tests/unit/wait.h"

#define ID "shellyplus1-a8032abe54dc"

struct fixture {
    struct fake_home fake; /* for its store and firmware manager */
    struct loop loop;
    struct websocket_context *context;
    struct home *home;
    struct websocket_client *client;
    struct websocket *ws;
    bool failed;
};

/* ---- the device ---- */

static void on_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct fixture *f = ctx;

    (void)peer_certificate;
    f->ws = ws;
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    char text[512];
    struct buf answer;
    unsigned long id;

    (void)ctx;
    assert_false(binary);
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)data);
    assert_memory_equal(text, "{\"id\":", 6);
    id = strtoul(text + 6, NULL, 10);
    buf_init(&answer, 4096, WEBSOCKET_HEADROOM);
    buf_printf(&answer, "{\"id\":%lu,\"src\":\"" ID "\",\"dst\":\"homepatch\",\"result\":", id);
    if (strstr(text, "Shelly.GetDeviceInfo"))
        buf_append_str(&answer,
                       "{\"id\":\"" ID "\",\"mac\":\"A8032ABE54DC\",\"model\":\"SNSW-001X16EU\",\"gen\":2,"
                       "\"fw_id\":\"f\",\"ver\":\"1.4.4\",\"app\":\"Plus1\"}}");
    else
        buf_append_str(&answer, "{}}");
    assert_int_equal(websocket_send(ws, false, &answer), 0);
    buf_done(&answer);
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct fixture *f = ctx;

    (void)ws;
    (void)code;
    (void)err;
    f->ws = NULL;
    f->failed = true;
}

static const struct websocket_ops device_ops = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

static void connect_device(struct fixture *f, const char *path)
{
    struct websocket_client_settings settings = {
        .host = "127.0.0.1", .port = home_websocket_port(f->home), .path = path, .max_message = 65536};

    f->failed = false;
    f->client = websocket_client_new(f->context, &settings, &device_ops, f, NULL);
    assert_non_null(f->client);
}

static void disconnect_device(struct fixture *f)
{
    websocket_client_free(f->client);
    f->client = NULL;
    f->ws = NULL;
}

/* ---- the home ---- */

static const struct home_settings settings = {.websocket_listen = "127.0.0.1:0"};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};

    signal(SIGPIPE, SIG_IGN);
    fake_home_init(&f->fake, NULL, NULL);
    assert_int_equal(loop_init(&f->loop, NULL), 0);
    f->context = websocket_context_new(&f->loop, &err);
    assert_non_null(f->context);
    f->home = home_new(&f->loop, f->fake.store, f->fake.firmware, &settings, &err);
    assert_non_null(f->home);
    assert_int_equal(home_load(f->home, &err), 0);
    assert_int_equal(home_start(f->home, f->context, &settings, &err), 0);
    assert_true(home_websocket_port(f->home) > 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    disconnect_device(f);
    home_free(f->home);
    websocket_context_free(f->context);
    loop_done(&f->loop);
    fake_home_done(&f->fake, false);
    free(f);
    return 0;
}

static struct device *device_of(struct fixture *f)
{
    return registry_find(home_registry(f->home), "shelly:" ID);
}

static bool online(struct fixture *f)
{
    struct device *device = device_of(f);

    return device && device->online;
}

static void a_device_connects(void **state)
{
    struct fixture *f = *state;

    connect_device(f, "/shelly");
    WAIT_FOR(&f->loop, online(f));
    assert_string_equal(device_text(device_of(f), DEVICE_MODEL), "SNSW-001X16EU");
    assert_string_equal(device_text(device_of(f), DEVICE_IP), "127.0.0.1");
    assert_null(device_of(f)->target.address); /* this machine: the address says nothing */
    disconnect_device(f);
    WAIT_FOR(&f->loop, !online(f));
    connect_device(f, "/shelly");
    WAIT_FOR(&f->loop, online(f));
    assert_int_equal(home_registry(f->home)->count, 1);
}

static void nobody_speaks_there(void **state)
{
    struct fixture *f = *state;

    connect_device(f, "/tasmota");
    WAIT_FOR(&f->loop, f->failed);
    assert_null(f->ws);
    assert_int_equal(home_registry(f->home)->count, 0);
}

static void garbage_over_the_wire(void **state)
{
    struct fixture *f = *state;
    struct buf garbage;

    connect_device(f, "/shelly");
    WAIT_FOR(&f->loop, online(f));
    buf_init(&garbage, 4096, WEBSOCKET_HEADROOM);
    buf_append_str(&garbage, "{\"src\":[[[[[");
    assert_int_equal(websocket_send(f->ws, false, &garbage), 0);
    buf_done(&garbage);
    WAIT_FOR(&f->loop, device_of(f)->rejected == 1);
    assert_true(online(f));
}

/* Stopping with a device connected makes no device offline for those who would be told. */
static void stop_is_no_news(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    connect_device(f, "/shelly");
    WAIT_FOR(&f->loop, online(f));
    fake_home_forget_logs(&f->fake);
    home_free(f->home);
    assert_string_equal(f->fake.firmware_log, "");
    f->home = home_new(&f->loop, f->fake.store, f->fake.firmware, &settings, &err);
    assert_int_equal(home_load(f->home, &err), 0);
    assert_non_null(device_of(f));
    assert_false(online(f));
}

static void bad_settings(void **state)
{
    static const char *const endpoints[] = {"1883", ":x", "127.0.0.1:70000", "127.0.0.1:", "127.0.0.1:-1"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct home_settings bad = {.websocket_listen = endpoints[i]};
        struct home_settings worse = {.mqtt_broker = endpoints[i]};
        struct error err = {0};

        assert_int_equal(home_start(f->home, f->context, &bad, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_VALUE);
        assert_int_equal(home_start(f->home, f->context, &worse, &err), -1);
    }
}

/* A transfer that says nothing more, and a restart that nobody comes back from, end by the dialect's own measure. */
static void every_dialect_has_its_patience(void **state)
{
    const struct dialect *dialect;

    (void)state;
    for (size_t i = 0; (dialect = dialect_at(i)); i++) {
        assert_in_range(dialect->firmware->transfer_stall_s, 60, 3600);
        assert_in_range(dialect->firmware->reboot_s, 60, 3600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_device_connects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_speaks_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_over_the_wire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_is_no_news, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_settings, set_up, tear_down),
        cmocka_unit_test(every_dialect_has_its_patience),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
