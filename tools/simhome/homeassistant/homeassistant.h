/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simulated devices that announce themselves for Home Assistant and update themselves from their maker. Life, update and
 * faults are the same for all; how they announce themselves and what they say is their kind's. Written from the public
 * documentation of Home Assistant, ESPHome and OpenMQTTGateway, not from our dialect. The home owns them.
 */
#ifndef TOOLS_SIMHOME_HOMEASSISTANT_HOMEASSISTANT_H
#define TOOLS_SIMHOME_HOMEASSISTANT_HOMEASSISTANT_H

#include "base/timer.h"
#include "tools/simhome/device.h"

struct sim_mqtt;

enum announcer_state {
    ANNOUNCER_OFF,
    ANNOUNCER_RUNNING,
    ANNOUNCER_UPDATING,
    ANNOUNCER_REBOOTING,
};

enum {
    ANNOUNCER_TOPIC_BYTES = 128,
    ANNOUNCER_PAYLOAD_BYTES = 2048,
};

struct announcer {
    struct device base;
    const struct announcer_kind *kind;
    char mac[13];
    unsigned model; /* of the kind's two */
    char version[DEVICE_VERSION_BYTES], next_version[DEVICE_VERSION_BYTES], offer[DEVICE_VERSION_BYTES];
    char presence[ANNOUNCER_TOPIC_BYTES], state_topic[ANNOUNCER_TOPIC_BYTES], command[ANNOUNCER_TOPIC_BYTES];
    struct sim_mqtt *mqtt; /* NULL while off or rebooting */
    bool linked;
    enum announcer_state state;
    bool flashed;        /* the next boot runs next_version */
    int progress;        /* percent */
    struct timer life;   /* the next step of an update or reboot */
    struct timer noise;  /* flood and garbage */
    struct timer report; /* of what the broker does not keep: said again and again */
    unsigned noise_turn;
    uint64_t noise_due; /* messages of the flood that time has earned, in thousandths */
    struct {
        unsigned connects, boots, commands, announcements, update_requests, updates_begun, updates_done,
            updates_failed;
    } count;
};

/* How devices of one maker announce themselves. */
struct announcer_kind {
    const struct family *family;
    const char *models[2];
    const char *install;                          /* payload_install */
    const char *presence, *state_topic, *command; /* below the device's id */
    bool retained;                                /* announcements and state are kept by the broker */
    bool tells_progress;
    /* Publishes the discovery messages. */
    void (*announce)(struct announcer *device);
    /* Writes what is said on the state topic. */
    void (*state)(const struct announcer *device, char to[ANNOUNCER_PAYLOAD_BYTES]);
};

extern const struct announcer_kind esphome_kind, openmqttgateway_kind, homeassistant_kind;
extern const struct family esphome_family, openmqttgateway_family, homeassistant_family;

void announcer_publish(struct announcer *device, const char *topic, const char *payload, bool retain);

#endif
