/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that announce themselves for Home Assistant, played by hand on a fake home. The broker is played, too, as far as
 * it keeps messages: a topic that the dialect subscribes gives what was published as retained.
 */
#ifndef TESTS_UNIT_HOMEASSISTANT_BENCH_H
#define TESTS_UNIT_HOMEASSISTANT_BENCH_H

#include "devices/dialects/homeassistant.h"
#include "tests/unit/fake_home.h"

enum {
    HA_BENCH_TOPICS = 64,
};

struct ha_bench {
    struct fake_home home;           /* first */
    char *topics[HA_BENCH_TOPICS];   /* that are subscribed beside discovery; NULL: free */
    char *kept[HA_BENCH_TOPICS][2];  /* topic and message */
    bool asked_for[HA_BENCH_TOPICS]; /* of kept: to be delivered */
    unsigned subscribed, unsubscribed;
    int qos; /* of what was published last */
    bool retain;
    bool credentials; /* from the next start on: the broker holds each to its own topics */
};

#define KITCHEN "homeassistant:a8032abe54dc"
#define KITCHEN_CONFIG "homeassistant/update/kitchen/firmware/config"
#define KITCHEN_STATE "kitchen/update/firmware/state"
#define KITCHEN_SAYS(installed, latest) \
    "{\"installed_version\":\"" installed "\",\"latest_version\":\"" latest "\",\"title\":\"Kitchen light\"}"

static inline struct registry *registry_of(struct ha_bench *bench)
{
    return bench->home.registry;
}

/* cmocka's set-up and tear-down; the bench is a struct ha_bench. */
int ha_bench_up(void **state);
int ha_bench_down(void **state);
/* The program stops and starts again, and gets what the broker keeps. */
void ha_bench_restart(struct ha_bench *bench);

/* Kept by the broker, and delivered: as retained where that is what the subscriber gets, and as it comes. */
void retained(struct ha_bench *bench, const char *topic, const char *payload);
void live(struct ha_bench *bench, const char *topic, const char *payload);
/* As a device publishes with the retain flag: who listens gets it as it comes, who comes later gets it. */
void publishes(struct ha_bench *bench, const char *topic, const char *payload);
/* All messages of a file of fixtures/homeassistant; then the dialect's patience passes. */
void fixture(struct ha_bench *bench, const char *name);
void passes(struct ha_bench *bench, uint64_t ms);
bool listens(const struct ha_bench *bench, const char *topic);
unsigned topics(const struct ha_bench *bench);
/* The device of that key, which must be there. */
struct device *the(struct ha_bench *bench, const char *key);

#define HA_TEST(name) cmocka_unit_test_setup_teardown(name, ha_bench_up, ha_bench_down)

#endif
