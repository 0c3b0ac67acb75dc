/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that runs out in the transports: each scenario is run over and over, with the next allocation of ours failing
 * each time, until it needs no more. It may fail, but must end in order; what is lost shows in the sanitizers' build.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/wait.h"
#include "transports/http_fetch.h"
#include "transports/http_server.h"
#include "transports/mqtt.h"
#include "transports/traceroute.h"
#include "transports/uds.h"
#include "transports/websocket.h"

enum {
    TURNS = 40,
    BIG = 20000, /* more than is copied */
    ALLOCATIONS_MAX = 300,
};

struct scene {
    struct loop loop;
    int opened, closed, got; /* on the client's side */
    size_t bytes;
    bool done;
};

static void turn(struct scene *scene)
{
    for (int i = 0; i < TURNS && !scene->done; i++)
        wait_turn(&scene->loop);
}

static void fill(struct buf *buf, size_t headroom, size_t len)
{
    uint8_t *room;

    buf_init(buf, LIMIT_RECORD_BYTES, headroom);
    room = buf_room(buf, len);
    if (room) {
        memset(room, 'x', len);
        buf->len = len;
    }
}

/* Runs the scenario until no allocation fails; it says whether it succeeded. */
static void exhaust(bool (*run)(struct scene *scene))
{
    bool hit = true;

    signal(SIGPIPE, SIG_IGN);
    for (unsigned long n = 1; hit; n++) {
        struct scene scene = {0};
        bool good;

        assert_true(n < ALLOCATIONS_MAX);
        assert_int_equal(loop_init(&scene.loop, NULL), 0);
        failing_alloc_arm(n);
        good = run(&scene);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        loop_done(&scene.loop);
        assert_true(scene.closed <= scene.opened + 1);
        assert_true(good || hit);
    }
}

/* ---- UNIX socket ---- */

static int uds_opened(void *ctx, struct uds *uds, struct str peer)
{
    struct scene *scene = ctx;
    struct buf record;

    (void)peer;
    scene->opened++;
    for (int i = 0; i < 2; i++) {
        fill(&record, UDS_HEADROOM, i ? BIG : 100);
        if (uds_send(uds, &record) < 0)
            uds_close(uds, "no");
        buf_done(&record);
    }
    return 0;
}

static void uds_record(void *ctx, struct uds *uds, const uint8_t *data, size_t len)
{
    struct scene *scene = ctx;

    (void)uds;
    (void)data;
    scene->bytes += len;
    scene->done = scene->bytes == 2 * (BIG + 100); /* both directions */
}

static void uds_closed(void *ctx, struct uds *uds, const struct error *err)
{
    struct scene *scene = ctx;

    (void)uds;
    (void)err;
    scene->closed++;
}

static bool run_uds(struct scene *scene)
{
    static const struct uds_ops ops = {.opened = uds_opened, .record = uds_record, .closed = uds_closed};
    char path[64];
    struct uds_server *server;
    struct uds_client *client;

    snprintf(path, sizeof(path), "/tmp/homepatch-memory-%d", (int)getpid());
    server = uds_server_new(&scene->loop, path, 0600, "server", &ops, scene, NULL);
    client = uds_client_new(&scene->loop, path, "client", &ops, scene, NULL);
    turn(scene);
    uds_client_free(client);
    uds_server_free(server);
    return scene->done;
}

/* ---- WebSocket ---- */

static int ws_accept(void *ctx, const struct websocket_request *request, void **ret_ctx)
{
    (void)request;
    *ret_ctx = ctx;
    return 0;
}

static void ws_opened(void *ctx, struct websocket *ws, X509 *peer_certificate)
{
    struct scene *scene = ctx;
    struct buf message;

    (void)peer_certificate;
    scene->opened++;
    for (int i = 0; i < 2; i++) {
        fill(&message, WEBSOCKET_HEADROOM, i ? BIG : 100);
        if (websocket_send(ws, true, &message) < 0)
            websocket_close(ws, 1011, "no");
        buf_done(&message);
    }
}

static void ws_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    (void)binary;
    uds_record(ctx, NULL, data, len);
    (void)ws;
}

static void ws_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    (void)ws;
    (void)code;
    uds_closed(ctx, NULL, err);
}

static bool run_websocket(struct scene *scene)
{
    static const struct websocket_ops ops = {
        .accept = ws_accept, .opened = ws_opened, .message = ws_message, .closed = ws_closed};
    struct websocket_server_settings server_settings = {.address = "127.0.0.1",
                                                        .subprotocol = "v1.usp",
                                                        .extension = "name; x=y",
                                                        .max_message = BIG,
                                                        .max_connections = 5};
    struct websocket_client_settings client_settings = {
        .host = "127.0.0.1", .path = "/", .subprotocol = "v1.usp", .extension = "name", .max_message = BIG};
    struct websocket_context *context = websocket_context_new(&scene->loop, NULL);
    struct websocket_server *server = NULL;
    struct websocket_client *client = NULL;

    if (context)
        server = websocket_server_new(context, &server_settings, &ops, scene, NULL);
    if (server) {
        client_settings.port = websocket_server_port(server);
        client = websocket_client_new(context, &client_settings, &ops, scene, NULL);
        turn(scene);
    }
    websocket_client_free(client);
    websocket_server_free(server);
    websocket_context_free(context);
    return scene->done;
}

/* ---- HTTP, both sides ---- */

static int on_request(void *ctx, const char *path, const char *peer, struct http_answer *ret_answer)
{
    (void)ctx;
    (void)path;
    (void)peer;
    *ret_answer = (struct http_answer){.fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), .size = BIG};
    return ret_answer->fd < 0 ? 404 : 200;
}

static void on_progress(void *ctx, void *request_ctx, uint64_t position)
{
    (void)ctx;
    (void)request_ctx;
    (void)position;
}

static void on_end(void *ctx, void *request_ctx, bool complete)
{
    (void)ctx;
    (void)request_ctx;
    (void)complete;
}

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct scene *scene = ctx;

    (void)data;
    scene->bytes += len;
    return 0;
}

static void on_done(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct scene *scene = ctx;

    (void)err;
    scene->opened++;
    scene->done = true;
    if (outcome != HTTP_DONE)
        scene->bytes = 0;
}

static bool run_http(struct scene *scene)
{
    static const struct http_server_ops server_ops = {
        .request = on_request, .progress = on_progress, .end = on_end};
    static const struct http_fetch_ops fetch_ops = {.body = on_body, .done = on_done};
    struct http_server_settings settings = {.address = "127.0.0.1", .max_connections = 5};
    struct websocket_context *context = websocket_context_new(&scene->loop, NULL);
    struct http_fetcher *fetcher = http_fetcher_new(&scene->loop, NULL);
    struct http_server *server = context ? http_server_new(context, &settings, &server_ops, scene, NULL)
                                         : NULL;
    struct http_request request = {.offset = 1, .validator = "\"x\"", .max_bytes = BIG};
    char url[64];

    if (server && fetcher) {
        snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_server_port(server));
        request.url = url;
        http_fetch_start(fetcher, &request, &fetch_ops, scene, NULL);
        turn(scene);
    }
    http_fetcher_free(fetcher);
    http_server_free(server);
    websocket_context_free(context);
    return scene->done && scene->bytes == BIG;
}

/* ---- MQTT: as far as it comes without a broker ---- */

static void on_connected(void *ctx, const struct mqtt_connack *connack)
{
    (void)ctx;
    (void)connack;
}

static void on_disconnected(void *ctx, const struct error *err)
{
    struct scene *scene = ctx;

    (void)err;
    scene->opened++;
    scene->closed++;
    scene->done = true;
}

static bool run_mqtt(struct scene *scene)
{
    static const struct mqtt_user_property property = {"name", "value", MQTT_IN_CONNECT | MQTT_IN_PUBLISH};
    static const struct mqtt_ops ops = {.connected = on_connected, .disconnected = on_disconnected};
    struct mqtt_settings settings = {.version = MQTT_5_0,
                                     .host = "127.0.0.1",
                                     .port = 1,
                                     .client_id = "x",
                                     .will = {.topic = "t", .payload = "x", .len = 1},
                                     .user_properties = &property,
                                     .user_properties_count = 1,
                                     .retry_s = 1,
                                     .retry_multiplier = 1000};
    struct mqtt_client *client = mqtt_client_new(&scene->loop, &ops, scene);
    bool good = false;

    if (client && mqtt_client_start(client, &settings, NULL) == 0) {
        good = mqtt_client_configure(client, &settings, NULL) == 0;
        turn(scene);
    }
    mqtt_client_free(client);
    return good && scene->done;
}

/* ---- traceroute ---- */

static void on_traced(void *ctx, const struct traceroute_result *result)
{
    struct scene *scene = ctx;

    scene->opened++;
    scene->closed++;
    scene->got += result->status == TRACEROUTE_COMPLETE;
    scene->done = true;
}

static bool run_traceroute(struct scene *scene)
{
    struct traceroute_settings settings = {
        .host = "127.0.0.1", .tries = 1, .timeout_ms = 1000, .size = 38, .max_hops = 2};

    if (traceroute_start(&scene->loop, &settings, on_traced, scene, NULL))
        WAIT_FOR(&scene->loop, scene->done);
    return scene->got == 1;
}

static void test_uds(void **state)
{
    (void)state;
    exhaust(run_uds);
}

static void test_websocket(void **state)
{
    (void)state;
    exhaust(run_websocket);
}

static void test_http(void **state)
{
    (void)state;
    exhaust(run_http);
}

static void test_mqtt(void **state)
{
    (void)state;
    exhaust(run_mqtt);
}

static void test_traceroute(void **state)
{
    (void)state;
    exhaust(run_traceroute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uds),  cmocka_unit_test(test_websocket),  cmocka_unit_test(test_http),
        cmocka_unit_test(test_mqtt), cmocka_unit_test(test_traceroute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
