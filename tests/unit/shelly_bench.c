/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/shelly_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices/json.h"

int shelly_bench_up(void **state)
{
    static struct shelly_bench bench;

    memset(&bench, 0, sizeof(bench));
    fake_home_init(&bench.home, &shelly_dialect, NULL);
    *state = &bench;
    return 0;
}

int shelly_bench_down(void **state)
{
    struct shelly_bench *bench = *state;

    fake_home_done(&bench->home, false);
    return 0;
}

void shelly_bench_restart(struct shelly_bench *bench)
{
    struct store *store = fake_home_done(&bench->home, true);

    fake_home_init(&bench->home, &shelly_dialect, store);
    fake_home_restore(&bench->home);
}

const char *plug_info(const char *version, const char *model, char to[1024])
{
    snprintf(
        to, 1024,
        "{\"name\":\"Kitchen plug\",\"id\":\"" PLUG "\",\"mac\":\"A8032ABE54DC\",\"slot\":0,"
        "\"key\":\"f00dfeed\",\"batch\":\"2243-Broadwell\",\"fw_sbits\":\"04\",\"model\":\"%s\",\"gen\":2,"
        "\"fw_id\":\"20250101-101010/%s-g1234567\",\"ver\":\"%s\",\"app\":\"PlusPlugS\",\"auth_en\":false,"
        "\"auth_domain\":null}",
        model, version, version);
    return to;
}

bool asked(struct shelly_bench *bench, const char *method)
{
    cJSON *frame;
    bool yes;

    if (!bench->home.sent)
        return false;
    frame = json_parse((const uint8_t *)bench->home.frame, strlen(bench->home.frame), NULL);
    assert_non_null(frame);
    yes = strcmp(json_text(frame, "method", 64), method) == 0;
    cJSON_Delete(frame);
    bench->home.sent = 0;
    return yes;
}

/* An answer to the newest request goes where the request said. */
static void reply(struct shelly_bench *bench, const char *id, const char *body)
{
    cJSON *request = json_parse((const uint8_t *)bench->home.frame, strlen(bench->home.frame), NULL);
    const char *src = json_text(request, "src", 200);
    uint64_t number = 0;
    char frame[4096], topic[256];

    assert_non_null(request);
    assert_int_equal(json_number(request, "id", UINT32_MAX, &number), 0);
    snprintf(frame, sizeof(frame), "{\"id\":%llu,\"src\":\"%s\",\"dst\":\"%s\",%s}",
             (unsigned long long)number, id, src, body);
    snprintf(topic, sizeof(topic), "%s/rpc", src);
    cJSON_Delete(request);
    if (bench->home.to)
        session_says(bench, bench->home.to, frame);
    else
        fake_home_mqtt(&bench->home, topic, frame, false);
}

void answer(struct shelly_bench *bench, const char *id, const char *result)
{
    char body[3000];

    snprintf(body, sizeof(body), "\"result\":%s", result);
    reply(bench, id, body);
}

void answer_error(struct shelly_bench *bench, const char *id, int code, const char *message)
{
    char body[300];

    snprintf(body, sizeof(body), "\"error\":{\"code\":%d,\"message\":\"%s\"}", code, message);
    reply(bench, id, body);
}

static void frame_of(char to[4096], const char *id, const char *method, const char *params)
{
    snprintf(to, 4096, "{\"src\":\"%s\",\"dst\":\"%s/events\",\"method\":\"%s\",\"params\":%s}", id, id,
             method, params);
}

void event_mqtt(struct shelly_bench *bench, const char *prefix, const char *id, const char *method,
                const char *params)
{
    char topic[256], frame[4096];

    snprintf(topic, sizeof(topic), "%s/events/rpc", prefix);
    frame_of(frame, id, method, params);
    fake_home_mqtt(&bench->home, topic, frame, false);
}

void session_says(struct shelly_bench *bench, struct lan_session *session, const char *frame)
{
    shelly_dialect.message(bench->home.ctx, session, false, (const uint8_t *)frame, strlen(frame));
}

void session_event(struct shelly_bench *bench, struct lan_session *session, const char *id,
                   const char *method, const char *params)
{
    char frame[4096];

    frame_of(frame, id, method, params);
    session_says(bench, session, frame);
}

void ota(struct shelly_bench *bench, const char *id, const char *event, int percent)
{
    struct device *device;
    char params[300], key[128];

    snprintf(params, sizeof(params),
             "{\"ts\":1800000000.12,\"events\":[{\"component\":\"input:0\",\"id\":0,\"event\":\"btn_down\"},"
             "{\"component\":\"sys\",\"event\":\"%s\",\"msg\":\"Flash write failed\",\"progress_percent\":%d,"
             "\"ts\":1800000000.12}]}",
             event, percent);
    snprintf(key, sizeof(key), "shelly:%s", id);
    device = registry_find(bench->home.registry, key);
    assert_non_null(device);
    event_mqtt(bench, device_text(device, DEVICE_ADDRESS), id, "NotifyEvent", params);
}

void session_open(struct shelly_bench *bench, struct lan_session *session, const char *address)
{
    *session = (struct lan_session){.address = address, .path = "/shelly", .new_devices = &bench->address};
    assert_int_equal(shelly_dialect.opened(bench->home.ctx, session), 0);
}

void session_close(struct shelly_bench *bench, struct lan_session *session)
{
    shelly_dialect.closed(bench->home.ctx, session);
    assert_null(session->peer);
}

static struct device *settle(struct shelly_bench *bench)
{
    struct device *device;
    char info[1024];

    assert_true(asked(bench, "Shelly.GetDeviceInfo"));
    answer(bench, PLUG, plug_info("1.4.4", "SNPL-00112EU", info));
    device = registry_find(bench->home.registry, "shelly:" PLUG);
    assert_non_null(device);
    assert_true(device->online);
    assert_true(asked(bench, "Sys.GetStatus"));
    answer(bench, PLUG, "{\"mac\":\"A8032ABE54DC\",\"uptime\":86400,\"available_updates\":{}}");
    fake_home_forget_logs(&bench->home);
    return device;
}

struct device *plug_on_mqtt(struct shelly_bench *bench)
{
    fake_home_mqtt(&bench->home, PLUG "/online", "true", true);
    return settle(bench);
}

struct device *plug_on_websocket(struct shelly_bench *bench, struct lan_session *session)
{
    session_open(bench, session, "192.168.1.20");
    return settle(bench);
}
