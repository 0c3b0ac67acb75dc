/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The few of Home Assistant's templates that are understood: none, a path into the JSON of the message, and the one that
 * Zigbee2MQTT announces for its updates. Templates are programs of a language that is not run here; any other one is
 * told apart, so that nothing is guessed. Embedded in its owner; freed with ha_template_done().
 */
#ifndef DEVICES_DIALECTS_HOMEASSISTANT_TEMPLATE_H
#define DEVICES_DIALECTS_HOMEASSISTANT_TEMPLATE_H

#include "devices/json.h"

enum {
    HA_TEMPLATE_BYTES = 512, /* a longer one is none of ours */
    HA_TEMPLATE_KEYS = 8,
};

enum ha_template_kind {
    HA_TEMPLATE_NONE,        /* the message as it is */
    HA_TEMPLATE_PATH,        /* {{ value_json.a['b'] }} */
    HA_TEMPLATE_ZIGBEE2MQTT, /* an object made of the message's member "update" */
    HA_TEMPLATE_OTHER,       /* not understood */
};

struct ha_template {
    enum ha_template_kind kind;
    unsigned count; /* of keys */
    char *keys;     /* one after the other, each with its terminator */
};

/* text NULL: none. -1: memory is out. */
int ha_template_parse(const char *text, struct ha_template *ret);
void ha_template_done(struct ha_template *template);

/* HA_TEMPLATE_PATH: what the path leads to in that JSON, or NULL. */
const cJSON *ha_template_follow(const struct ha_template *template, const cJSON *json);

#endif
