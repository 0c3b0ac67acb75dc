/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One simulated Tasmota device: its topics, what it runs, and its way through an upgrade. The home owns it; it owns its
 * connection and its running fetch. Written from the maker's public documentation, not from our dialect.
 */
#ifndef TOOLS_SIMHOME_TASMOTA_TASMOTA_H
#define TOOLS_SIMHOME_TASMOTA_TASMOTA_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timer.h"
#include "tools/simhome/device.h"
#include "tools/simhome/tasmota/image.h"

struct fetch;
struct sim_mqtt;

enum {
    TASMOTA_TOPIC_BYTES = 256,
    TASMOTA_URL_BYTES = 101, /* OtaUrl: 100 characters */
};

struct tasmota_model {
    const char *module; /* what it is called in announcements */
    const char *chip;   /* "esp8266", "esp32" */
    const char *hardware;
    unsigned flash_kb, program_kb, space_kb; /* space: for programs, in all */
};

enum tasmota_state {
    TASMOTA_OFF,
    TASMOTA_RUNNING,
    TASMOTA_UPDATING,
    TASMOTA_REBOOTING,
    TASMOTA_SLEEPING,
};

enum tasmota_prefix {
    TASMOTA_CMND,
    TASMOTA_STAT,
    TASMOTA_TELE,
};

struct tasmota_counters {
    unsigned connects, boots, commands, unknown_commands, group_commands;
    unsigned update_requests, updates_begun, updates_done, updates_failed, minimal_steps;
};

struct tasmota {
    struct device base;
    const struct tasmota_model *model;
    char mac[13];
    char topic[32];
    const char *full_topic;
    const char *online, *offline; /* texts of the last will */
    char version[TASMOTA_VERSION_BYTES];
    char variant[TASMOTA_VERSION_BYTES]; /* "tasmota", "minimal" */
    char ota_url[TASMOTA_URL_BYTES];
    unsigned program_kb; /* of what it runs */
    bool command_topics; /* SetOption4 */
    bool legacy;         /* before version 8: no announcement, no JSON around results */
    bool battery;
    bool sleepy;

    struct sim_mqtt *mqtt; /* NULL while off, rebooting or asleep */
    char client_id[16];
    char will_topic[TASMOTA_TOPIC_BYTES];
    bool linked;
    bool announced; /* INFO1 went out in this boot */
    enum tasmota_state state;
    struct timer life;  /* the next step of an upgrade or restart */
    struct timer noise; /* flood and garbage */
    uint64_t noise_due; /* messages of the flood that time has earned, in thousandths */
    unsigned noise_turn;
    uint64_t booted_at; /* monotonic ms */
    unsigned boot_count;

    struct fetch *fetch;
    struct tasmota_reader reader;
    bool reading;
    bool fetching_minimal;
    bool propagate; /* the minimal firmware goes on with the upgrade once it runs */
    int progress;
    bool flashed; /* the next boot runs what follows */
    char next_version[TASMOTA_VERSION_BYTES];
    char next_variant[TASMOTA_VERSION_BYTES];
    unsigned next_program_kb;
    char last_url[TASMOTA_URL_BYTES + 16];
    struct tasmota_counters count;
};

extern const struct family tasmota_family;

/* After that long: down, and up again. */
void tasmota_reboot(struct tasmota *device, uint64_t delay_ms);
/* "stat/tasmota_ABCDEF/RESULT" */
void tasmota_topic(const struct tasmota *device, enum tasmota_prefix prefix, const char *command,
                   char to[TASMOTA_TOPIC_BYTES]);
void tasmota_publish(struct tasmota *device, enum tasmota_prefix prefix, const char *command,
                     const char *text, bool retain);
/* Consumes json. */
void tasmota_publish_json(struct tasmota *device, enum tasmota_prefix prefix, const char *command,
                          cJSON *json, bool retain);

/* ---- commands.c ---- */
void tasmota_command(struct tasmota *device, const char *command, const char *data, size_t len);
/* What it says after it connected. */
void tasmota_hello(struct tasmota *device);
void tasmota_announce(struct tasmota *device);

/* ---- upgrade.c ---- */
/* Begins; the caller has checked that it may. */
void tasmota_upgrade(struct tasmota *device);
void tasmota_upgrade_abort(struct tasmota *device);
/* What was flashed runs from now on. True when the upgrade goes on from there. */
bool tasmota_upgrade_boot(struct tasmota *device);

#endif
