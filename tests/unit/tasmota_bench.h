/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasmota devices played by hand, on a fake home. Whole messages are in fixtures/tasmota/. */
#ifndef TESTS_UNIT_TASMOTA_BENCH_H
#define TESTS_UNIT_TASMOTA_BENCH_H

#include "devices/dialects/tasmota.h"
#include "tests/unit/fake_home.h"

#define LAMP_MAC "A4CF121A2B3C"
#define LAMP "tasmota:" LAMP_MAC
#define LAMP_STAT "stat/tasmota_1A2B3C/"
#define LAMP_TELE "tele/tasmota_1A2B3C/"
#define LAMP_URL "http://192.168.1.1:7681/image/0123456789abcdef0123456789abcdef/tasmota-14.2.0.bin"
#define LAMP_OTA "http://192.168.1.1:7681/image/0123456789abcdef0123456789abcdef/tasmota.bin"

struct tasmota_bench {
    struct fake_home home; /* first */
    char topics[4096];     /* "+tele/x/LWT -tele/x/LWT ": subscribed and not any more */
    char sent[4096];       /* "cmnd/x/STATUS=0 " */
    int (*publish)(void *ctx, const struct mqtt_publication *publication, struct error *err);
};

/* cmocka's set-up and tear-down; the bench is a struct tasmota_bench. */
int tasmota_bench_up(void **state);
int tasmota_bench_down(void **state);
void tasmota_bench_restart(struct tasmota_bench *bench);
/* On a bench of the caller's. */
void tasmota_bench_init(struct tasmota_bench *bench, struct store *store);

void hear(struct tasmota_bench *bench, const char *topic, const char *payload);
void hear_retained(struct tasmota_bench *bench, const char *topic, const char *payload);
/* A message from fixtures/tasmota/. */
const char *fixture(const char *name);
/* True when this was sent since the last call; forgets what was sent. */
bool sent(struct tasmota_bench *bench, const char *what);
/* The lamp answers "STATUS 0", with the version and the model that it has. */
void lamp_says(struct tasmota_bench *bench, const char *version);
/* The lamp is announced, online, asked and known, with 13.4.0; logs are empty. */
struct device *lamp_up(struct tasmota_bench *bench);
/* As the job machine would; size 0: 300 KiB. */
int lamp_install(struct device *device, const char *name, uint64_t size, uint64_t companion,
                 struct error *err);

#endif
