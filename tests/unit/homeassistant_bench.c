/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/homeassistant_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the broker ---- */

static int on_publish(void *ctx, const struct mqtt_publication *publication, struct error *err)
{
    struct ha_bench *bench = ctx;

    if (bench->home.lan_down)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "not connected");
    snprintf(bench->home.topic, sizeof(bench->home.topic), "%s", publication->topic);
    snprintf(bench->home.frame, sizeof(bench->home.frame), "%.*s", (int)publication->len,
             (const char *)publication->payload);
    bench->qos = publication->qos;
    bench->retain = publication->retain;
    bench->home.sent++;
    return 0;
}

static int on_subscribe(void *ctx, const char *topic, struct error *err)
{
    struct ha_bench *bench = ctx;

    (void)err;
    bench->subscribed++;
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++)
        if (bench->kept[i][0] && strcmp(bench->kept[i][0], topic) == 0)
            bench->asked_for[i] = true;
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++) {
        if (!bench->topics[i]) {
            bench->topics[i] = strdup(topic);
            return 0;
        }
    }
    return error_set(err, ERROR_RESOURCES_EXCEEDED, topic, "the bench has no room");
}

static int on_unsubscribe(void *ctx, const char *topic, struct error *err)
{
    struct ha_bench *bench = ctx;

    (void)err;
    bench->unsubscribed++;
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++) {
        if (bench->topics[i] && strcmp(bench->topics[i], topic) == 0) {
            free(bench->topics[i]);
            bench->topics[i] = NULL;
            return 0;
        }
    }
    return 0;
}

bool listens(const struct ha_bench *bench, const char *topic)
{
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++)
        if (bench->topics[i] && strcmp(bench->topics[i], topic) == 0)
            return true;
    return false;
}

unsigned topics(const struct ha_bench *bench)
{
    unsigned count = 0;

    for (size_t i = 0; i < HA_BENCH_TOPICS; i++)
        count += bench->topics[i] != NULL;
    return count;
}

static void keep(struct ha_bench *bench, const char *topic, const char *payload)
{
    size_t at = HA_BENCH_TOPICS;

    for (size_t i = HA_BENCH_TOPICS; i-- > 0;)
        if (!bench->kept[i][0] || strcmp(bench->kept[i][0], topic) == 0)
            at = i;
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++)
        if (bench->kept[i][0] && strcmp(bench->kept[i][0], topic) == 0)
            at = i;
    assert_true(at < HA_BENCH_TOPICS);
    free(bench->kept[at][0]);
    free(bench->kept[at][1]);
    bench->kept[at][0] = strdup(topic);
    bench->kept[at][1] = strdup(payload);
}

static void deliver_asked_for(struct ha_bench *bench)
{
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++) {
        if (!bench->asked_for[i])
            continue;
        bench->asked_for[i] = false;
        fake_home_mqtt(&bench->home, bench->kept[i][0], bench->kept[i][1], true);
    }
}

static bool reaches(const struct ha_bench *bench, const char *topic)
{
    return strncmp(topic, "homeassistant/", 14) == 0 || listens(bench, topic);
}

void retained(struct ha_bench *bench, const char *topic, const char *payload)
{
    keep(bench, topic, payload);
    if (reaches(bench, topic))
        fake_home_mqtt(&bench->home, topic, payload, true);
    deliver_asked_for(bench);
}

void live(struct ha_bench *bench, const char *topic, const char *payload)
{
    if (reaches(bench, topic))
        fake_home_mqtt(&bench->home, topic, payload, false);
    deliver_asked_for(bench);
}

void publishes(struct ha_bench *bench, const char *topic, const char *payload)
{
    keep(bench, topic, payload);
    live(bench, topic, payload);
}

void passes(struct ha_bench *bench, uint64_t ms)
{
    fake_home_advance(&bench->home, ms);
    deliver_asked_for(bench);
}

void fixture(struct ha_bench *bench, const char *name)
{
    char path[1024], *line = NULL;
    size_t cap = 0;
    ssize_t len;
    FILE *file;

    snprintf(path, sizeof(path), "%s/homeassistant/%s.msgs", FIXTURES, name);
    file = fopen(path, "r");
    assert_non_null(file);
    while ((len = getline(&line, &cap, file)) > 0) {
        char *payload = strchr(line + 2, ' ');

        line[len - 1] = '\0';
        /* A topic may hold blanks; what follows it begins with none of its characters. */
        while (payload && !strchr("{01o", payload[1]))
            payload = strchr(payload + 1, ' ');
        assert_non_null(payload);
        *payload++ = '\0';
        (line[0] == 'R' ? retained : live)(bench, line + 2, payload);
    }
    free(line);
    fclose(file);
    passes(bench, 31000);
}

struct device *the(struct ha_bench *bench, const char *key)
{
    struct device *device = registry_find(registry_of(bench), key);

    assert_non_null(device);
    return device;
}

/* ---- life ---- */

static void begin(struct ha_bench *bench, struct store *store)
{
    fake_home_init(&bench->home, NULL, store);
    bench->home.lan = (struct lan){bench, on_publish, on_subscribe, on_unsubscribe, NULL, NULL};
    bench->home.host.homeassistant_prefix = "homeassistant";
    bench->home.host.device_credentials = bench->credentials;
    bench->home.dialect = &homeassistant_dialect;
    bench->home.ctx = homeassistant_dialect.create(&bench->home.host);
}

int ha_bench_up(void **state)
{
    struct ha_bench *bench = calloc(1, sizeof(*bench));

    begin(bench, NULL);
    *state = bench;
    return 0;
}

static void forget_topics(struct ha_bench *bench)
{
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++) {
        free(bench->topics[i]);
        bench->topics[i] = NULL;
    }
}

int ha_bench_down(void **state)
{
    struct ha_bench *bench = *state;

    fake_home_done(&bench->home, false);
    forget_topics(bench);
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++) {
        free(bench->kept[i][0]);
        free(bench->kept[i][1]);
    }
    free(bench);
    return 0;
}

void ha_bench_restart(struct ha_bench *bench)
{
    struct store *store = fake_home_done(&bench->home, true);

    forget_topics(bench);
    begin(bench, store);
    fake_home_restore(&bench->home);
    for (size_t i = 0; i < HA_BENCH_TOPICS; i++)
        if (bench->kept[i][0] && strncmp(bench->kept[i][0], "homeassistant/", 14) == 0)
            fake_home_mqtt(&bench->home, bench->kept[i][0], bench->kept[i][1], true);
    deliver_asked_for(bench);
}
