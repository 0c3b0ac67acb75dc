/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shelly devices played by hand, on a fake home. The messages are as the manufacturer's public description of its RPC
 * shows them, with names and numbers of our own.
 */
#ifndef TESTS_UNIT_SHELLY_BENCH_H
#define TESTS_UNIT_SHELLY_BENCH_H

#include "devices/dialects/shelly.h"
#include "tests/unit/fake_home.h"

#define PLUG "shellyplusplugs-a8032abe54dc"
#define RELAY "shelly1minig3-84fce63a1b2c"

struct shelly_bench {
    struct fake_home home; /* first */
    struct rate address;
};

static inline struct registry *registry_of(struct shelly_bench *bench)
{
    return bench->home.registry;
}

/* cmocka's set-up and tear-down; the bench is a struct shelly_bench. */
int shelly_bench_up(void **state);
int shelly_bench_down(void **state);
/* The program stops and starts again. */
void shelly_bench_restart(struct shelly_bench *bench);

/* GetDeviceInfo's result, with what differs between tests. */
const char *plug_info(const char *version, const char *model, char to[1024]);

/* True when the newest request has this method (and was sent since the last call). */
bool asked(struct shelly_bench *bench, const char *method);
/* The answer to the newest request, as the device `id` gives it: result is JSON. */
void answer(struct shelly_bench *bench, const char *id, const char *result);
void answer_error(struct shelly_bench *bench, const char *id, int code, const char *message);
/* A frame on <prefix>/events/rpc, or on the session. */
void event_mqtt(struct shelly_bench *bench, const char *prefix, const char *id, const char *method,
                const char *params);
void session_says(struct shelly_bench *bench, struct lan_session *session, const char *frame);
void session_event(struct shelly_bench *bench, struct lan_session *session, const char *id,
                   const char *method, const char *params);
/* An OTA event of the device `id` on its own topic. */
void ota(struct shelly_bench *bench, const char *id, const char *event, int percent);

void session_open(struct shelly_bench *bench, struct lan_session *session, const char *address);
void session_close(struct shelly_bench *bench, struct lan_session *session);

/* The plug comes up on MQTT with version 1.4.4 and is known; logs are empty. */
struct device *plug_on_mqtt(struct shelly_bench *bench);
struct device *plug_on_websocket(struct shelly_bench *bench, struct lan_session *session);

#endif
