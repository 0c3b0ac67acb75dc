/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Zigbee2MQTT played by hand, on a fake home: what it publishes is in fixtures/zigbee2mqtt, or made here in the same
 * shape.
 */
#ifndef TESTS_UNIT_ZIGBEE2MQTT_BENCH_H
#define TESTS_UNIT_ZIGBEE2MQTT_BENCH_H

#include "devices/dialects/zigbee2mqtt.h"
#include "tests/unit/fake_home.h"

#define LAMP_ID "0x020d6ffffe010203"
#define DOOR_ID "0x020d6ffffe0a0b0c"
#define PLUG_ID "0x020d6ffffe112233"
#define LAMP "zigbee2mqtt/living room/lamp"
#define DOOR "zigbee2mqtt/front door"
#define REQUEST "zigbee2mqtt/bridge/request/device/ota_update/"
#define OLD_VERSION 587765297u
#define NEW_VERSION 587806257u

#define Z2M_TEST(name) cmocka_unit_test_setup_teardown(name, z2m_bench_up, z2m_bench_down)

struct z2m_bench {
    struct fake_home home; /* first */
    char image[64];        /* an image of NEW_VERSION */
    unsigned seen;         /* requests that asked() has looked at */
};

int z2m_bench_up(void **state);
int z2m_bench_down(void **state);
/* The program stops and starts again. */
void z2m_bench_restart(struct z2m_bench *bench);

/* A message from a file, as it is. */
void fixture(struct z2m_bench *bench, const char *topic, const char *file);
/* The bridge is online and has published its list. */
void bridge_comes(struct z2m_bench *bench);
void says(struct z2m_bench *bench, const char *topic, const char *payload);
/* The device's update: {"update":{"state":..., ...}}; more begins with a comma, or is "". */
void update_says(struct z2m_bench *bench, const char *topic, const char *state, uint32_t installed,
                 const char *more);

/* True when the newest request is this one, and new since the last call. */
bool asked(struct z2m_bench *bench, const char *verb);
/* The answer to the newest request. failure NULL: ok, with data (JSON). */
void answer(struct z2m_bench *bench, const char *verb, const char *data, const char *failure);

struct device *device_called(struct z2m_bench *bench, const char *ieee);
/* Known, online, running OLD_VERSION; logs are empty. */
struct device *lamp(struct z2m_bench *bench);
struct device *door(struct z2m_bench *bench);
int install_on(struct z2m_bench *bench, struct device *device, const char *url, struct error *err);

/* Each runs its group; the number of tests that failed. */
int test_zigbee2mqtt_update(void);
int test_zigbee2mqtt_sleepy(void);
int test_zigbee2mqtt_hostile(void);

#endif
