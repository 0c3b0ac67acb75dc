/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A home for tests of dialects: a registry in a store in memory, a fake clock, a LAN that keeps what is sent to it, and
 * a firmware manager that writes down what it is told. fake_home.c defines the functions of firmware/firmware.h that
 * devices/ uses, so that the real manager is not linked.
 */
#ifndef TESTS_UNIT_FAKE_HOME_H
#define TESTS_UNIT_FAKE_HOME_H

#include "devices/dialects/dialect.h"

enum {
    FAKE_LOG_BYTES = 8192,
    FAKE_FRAME_BYTES = 8192,
};

struct fake_home {
    struct clock clock;
    struct timers timers;
    struct store *store;
    struct firmware *firmware;
    struct limits limits; /* of the registry */
    struct registry *registry;
    struct lan lan;
    struct dialect_host host;
    const struct dialect *dialect;
    void *ctx; /* of the dialect */
    struct observer observer;
    bool lan_down; /* publishing and sending fail */

    /* The newest message that the dialect sent, and how many there were. */
    char topic[256]; /* "" when it went over a WebSocket */
    char frame[FAKE_FRAME_BYTES];
    struct lan_session *to;
    unsigned sent;
    /* Sees each message as it is; topic NULL: over the session. NULL: nobody looks. */
    void (*tap)(void *ctx, const char *topic, struct lan_session *to, const void *data, size_t len);
    void *tap_ctx;
    struct lan_session *closed;
    char close_reason[256];
    unsigned closes;

    /* "added 1; changed 1 online software; quarantine 1; " and "online true; version x; progress 40; ". */
    char events[FAKE_LOG_BYTES];
    char firmware_log[FAKE_LOG_BYTES];
};

/* store: NULL for a new one in memory. */
void fake_home_init(struct fake_home *home, const struct dialect *dialect, struct store *store);
/* Ends everything but the store, which is returned if it was kept (else closed and NULL). */
struct store *fake_home_done(struct fake_home *home, bool keep_store);
/* Reads the store, as at the start of the program. */
void fake_home_restore(struct fake_home *home);

void fake_home_advance(struct fake_home *home, uint64_t ms);
void fake_home_mqtt(struct fake_home *home, const char *topic, const char *payload, bool retain);
/* Empties both logs. */
void fake_home_forget_logs(struct fake_home *home);
/* As the firmware manager would tell of a job. */
void fake_home_job(struct fake_home *home, struct firmware_target *target, enum firmware_event_type type,
                   enum firmware_job_state state, unsigned progress, const char *fault);

#endif
