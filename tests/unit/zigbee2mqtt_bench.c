/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/zigbee2mqtt_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/json.h"

enum {
    FIXTURE_BYTES = 65536,
};

/* A Zigbee OTA file: the header, one element, four bytes. */
static void write_image(const char *path, uint32_t version)
{
    uint8_t file[66] = {0x1e, 0xf1, 0xee, 0x0b, 0x00, 0x01, 56, 0, 0, 0, 0xf1, 0x12, 0x01, 0x01};
    FILE *to = fopen(path, "wb");

    for (int i = 0; i < 4; i++)
        file[14 + i] = (uint8_t)(version >> 8 * i);
    file[52] = sizeof(file);
    file[58] = 4;
    assert_non_null(to);
    assert_int_equal(fwrite(file, 1, sizeof(file), to), sizeof(file));
    fclose(to);
}

int z2m_bench_up(void **state)
{
    struct z2m_bench *bench = calloc(1, sizeof(*bench));

    snprintf(bench->image, sizeof(bench->image), "/tmp/homepatch-z2m-%d.ota", (int)getpid());
    write_image(bench->image, NEW_VERSION);
    fake_home_init(&bench->home, &zigbee2mqtt_dialect, NULL);
    *state = bench;
    return 0;
}

int z2m_bench_down(void **state)
{
    struct z2m_bench *bench = *state;

    fake_home_done(&bench->home, false);
    unlink(bench->image);
    free(bench);
    return 0;
}

void z2m_bench_restart(struct z2m_bench *bench)
{
    struct store *store = fake_home_done(&bench->home, true);

    fake_home_init(&bench->home, &zigbee2mqtt_dialect, store);
    fake_home_restore(&bench->home);
    bench->seen = 0;
}

void fixture(struct z2m_bench *bench, const char *topic, const char *file)
{
    char *text = calloc(1, FIXTURE_BYTES), path[512];
    FILE *from;

    snprintf(path, sizeof(path), "%s/zigbee2mqtt/%s", FIXTURES, file);
    from = fopen(path, "rb");
    assert_non_null(from);
    assert_true(fread(text, 1, FIXTURE_BYTES - 1, from) > 0);
    fclose(from);
    fake_home_mqtt(&bench->home, topic, text, true);
    free(text);
}

void bridge_comes(struct z2m_bench *bench)
{
    says(bench, "zigbee2mqtt/bridge/state", "{\"state\":\"online\"}");
    fixture(bench, "zigbee2mqtt/bridge/devices", "devices.json");
}

void says(struct z2m_bench *bench, const char *topic, const char *payload)
{
    fake_home_mqtt(&bench->home, topic, payload, false);
}

void update_says(struct z2m_bench *bench, const char *topic, const char *state, uint32_t installed,
                 const char *more)
{
    char text[512];

    snprintf(text, sizeof(text),
             "{\"linkquality\":90,\"update\":{\"state\":\"%s\",\"installed_version\":%u%s}}", state,
             installed, more);
    says(bench, topic, text);
}

bool asked(struct z2m_bench *bench, const char *verb)
{
    char topic[256];
    bool new_one = bench->home.sent != bench->seen;

    bench->seen = bench->home.sent;
    snprintf(topic, sizeof(topic), REQUEST "%s", verb);
    return new_one && strcmp(bench->home.topic, topic) == 0;
}

void answer(struct z2m_bench *bench, const char *verb, const char *data, const char *failure)
{
    cJSON *request = json_parse((const uint8_t *)bench->home.frame, strlen(bench->home.frame), NULL);
    const char *transaction = json_text(request, "transaction", 64);
    char topic[256], text[1024];

    assert_non_null(transaction);
    snprintf(topic, sizeof(topic), "zigbee2mqtt/bridge/response/device/ota_update/%s", verb);
    if (failure)
        snprintf(text, sizeof(text),
                 "{\"status\":\"error\",\"data\":{},\"error\":\"%s\",\"transaction\":\"%s\"}", failure,
                 transaction);
    else
        snprintf(text, sizeof(text), "{\"status\":\"ok\",\"data\":%s,\"transaction\":\"%s\"}", data,
                 transaction);
    cJSON_Delete(request);
    says(bench, topic, text);
}

struct device *device_called(struct z2m_bench *bench, const char *ieee)
{
    char key[64];

    snprintf(key, sizeof(key), "zigbee2mqtt:%s", ieee);
    return registry_find(bench->home.registry, key);
}

static struct device *ready(struct z2m_bench *bench, const char *ieee, const char *topic)
{
    struct device *device;

    bridge_comes(bench);
    device = device_called(bench, ieee);
    assert_non_null(device);
    update_says(bench, topic, "idle", OLD_VERSION, "");
    assert_true(device->online);
    fake_home_forget_logs(&bench->home);
    return device;
}

struct device *lamp(struct z2m_bench *bench)
{
    return ready(bench, LAMP_ID, LAMP);
}

struct device *door(struct z2m_bench *bench)
{
    return ready(bench, DOOR_ID, DOOR);
}

int install_on(struct z2m_bench *bench, struct device *device, const char *url, struct error *err)
{
    struct firmware_install install = {.url = url, .path = bench->image, .version = ""};

    return device->target.ops->install(&device->target, &install, err);
}
