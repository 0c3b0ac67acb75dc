/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/tasmota_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void append(char *log, size_t size, const char *sign, const char *text, const char *more)
{
    size_t len = strlen(log);

    snprintf(log + len, size - len, "%s%s%s ", sign, text, more);
}

static int on_publish(void *ctx, const struct mqtt_publication *publication, struct error *err)
{
    struct tasmota_bench *bench = ctx;
    char payload[300];

    if (bench->publish(&bench->home, publication, err) < 0)
        return -1;
    assert_false(
        publication->retain); /* a command that waits at the broker would be obeyed again and again */
    snprintf(payload, sizeof(payload), "=%.*s", (int)publication->len, (const char *)publication->payload);
    append(bench->sent, sizeof(bench->sent), "", publication->topic, payload);
    return 0;
}

static int on_subscribe(void *ctx, const char *topic, struct error *err)
{
    struct tasmota_bench *bench = ctx;

    if (bench->home.lan_down)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, topic, "too many topics");
    append(bench->topics, sizeof(bench->topics), "+", topic, "");
    return 0;
}

static int on_unsubscribe(void *ctx, const char *topic, struct error *err)
{
    struct tasmota_bench *bench = ctx;

    (void)err;
    append(bench->topics, sizeof(bench->topics), "-", topic, "");
    return 0;
}

void tasmota_bench_init(struct tasmota_bench *bench, struct store *store)
{
    memset(bench, 0, sizeof(*bench));
    fake_home_init(&bench->home, &tasmota_dialect, store);
    bench->publish = bench->home.lan.publish;
    bench->home.lan.ctx = bench; /* whose first member the home is */
    bench->home.lan.publish = on_publish;
    bench->home.lan.subscribe = on_subscribe;
    bench->home.lan.unsubscribe = on_unsubscribe;
}

int tasmota_bench_up(void **state)
{
    static struct tasmota_bench bench;

    tasmota_bench_init(&bench, NULL);
    *state = &bench;
    return 0;
}

int tasmota_bench_down(void **state)
{
    struct tasmota_bench *bench = *state;

    fake_home_done(&bench->home, false);
    return 0;
}

void tasmota_bench_restart(struct tasmota_bench *bench)
{
    tasmota_bench_init(bench, fake_home_done(&bench->home, true));
    fake_home_restore(&bench->home);
}

void hear(struct tasmota_bench *bench, const char *topic, const char *payload)
{
    fake_home_mqtt(&bench->home, topic, payload, false);
}

void hear_retained(struct tasmota_bench *bench, const char *topic, const char *payload)
{
    fake_home_mqtt(&bench->home, topic, payload, true);
}

const char *fixture(const char *name)
{
    static char text[4096];
    char path[512];
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), FIXTURES "/%s.json", name);
    file = fopen(path, "r");
    if (!file)
        fail_msg("no fixture %s", path);
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    return text;
}

bool sent(struct tasmota_bench *bench, const char *what)
{
    bool yes = *what ? strstr(bench->sent, what) != NULL : bench->sent[0] == '\0';

    bench->sent[0] = '\0';
    return yes;
}

void lamp_says(struct tasmota_bench *bench, const char *version)
{
    char text[300];

    hear(bench, LAMP_STAT "STATUS", fixture("status"));
    hear(bench, LAMP_STAT "STATUS1", fixture("status1"));
    snprintf(text, sizeof(text), "{\"StatusFWR\":{\"Version\":\"%s\",\"Hardware\":\"ESP8266EX\"}}", version);
    hear(bench, LAMP_STAT "STATUS2", text);
    hear(bench, LAMP_STAT "STATUS5", fixture("status5"));
}

struct device *lamp_up(struct tasmota_bench *bench)
{
    struct device *device;

    hear_retained(bench, "tasmota/discovery/" LAMP_MAC "/config", fixture("discovery"));
    hear_retained(bench, LAMP_TELE "LWT", "Online");
    assert_true(sent(bench, "cmnd/tasmota_1A2B3C/STATUS=0"));
    lamp_says(bench, "13.4.0(release-tasmota)");
    device = registry_find(bench->home.registry, LAMP);
    assert_non_null(device);
    assert_true(device->online);
    fake_home_forget_logs(&bench->home);
    return device;
}

int lamp_install(struct device *device, const char *name, uint64_t size, uint64_t companion,
                 struct error *err)
{
    struct firmware_install install = {.url = LAMP_URL,
                                       .path = "/x",
                                       .name = name,
                                       .version = "",
                                       .size = size ? size : 300u << 10,
                                       .companion_size = companion};
    char *version = (char[]){"14.2.0"};
    int rc;

    /* What the file's name lets guess. */
    device->target.slots[0].version = strstr(name, "14.2.0") ? version : NULL;
    rc = device->target.ops->install(&device->target, &install, err);
    device->target.slots[0].version = NULL;
    return rc;
}
