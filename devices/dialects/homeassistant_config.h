/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a discovery message says, as far as it is used: who the device is, when it is available, and its update. Both
 * forms (one device with its components, one single entity), short and long names of members, the base topic "~".
 * A config is read into a struct of its reader, who calls ha_config_done(); the entity in it may be taken out.
 */
#ifndef DEVICES_DIALECTS_HOMEASSISTANT_CONFIG_H
#define DEVICES_DIALECTS_HOMEASSISTANT_CONFIG_H

#include "base/str.h"
#include "devices/dialects/homeassistant_template.h"

enum {
    HA_TOPIC_BYTES = 256,
    HA_PAYLOAD_BYTES = 1024, /* payload_install */
    HA_TEXT_BYTES = 65,      /* a fact, cut to what the data model takes */
    HA_TOKEN_BYTES = 131,
    HA_TOKENS = 24,      /* identifiers, connections and hardware addresses of one device */
    HA_AVAILABILITY = 8, /* topics that together say whether it is there */
};

struct ha_availability {
    char *topic;
    struct ha_template template;
    char *available, *not_available;
};

enum ha_mode {
    HA_MODE_LATEST,
    HA_MODE_ANY,
    HA_MODE_ALL,
};

/* An update entity, or (without a state_topic) the availability of another one. malloc'ed. */
struct ha_entity {
    bool update;
    bool firmware;           /* its device_class */
    const char *unsupported; /* why the update cannot be followed; NULL: it can */
    char *state_topic;
    char *latest_topic;  /* NULL: the state tells */
    char *command_topic; /* NULL, as payload_install: it shows versions only */
    char *payload_install;
    struct ha_template state_template, latest_template;
    int qos; /* of the command, as retain */
    bool retain;
    enum ha_mode mode;
    unsigned availability_count;
    struct ha_availability availability[HA_AVAILABILITY];
};

void ha_entity_free(struct ha_entity *entity);
/* Update before the others, firmware before other updates, one that is understood before one that is not; NULL: 0. */
int ha_entity_rank(const struct ha_entity *entity);

/* "" for what was not said. */
struct ha_facts {
    char name[HA_TEXT_BYTES], manufacturer[HA_TEXT_BYTES], model[HA_TEXT_BYTES], hardware[HA_TEXT_BYTES],
        software[HA_TEXT_BYTES], serial[HA_TEXT_BYTES], mac[13];
    char origin[HA_TEXT_BYTES], origin_version[HA_TEXT_BYTES];
};

struct ha_config {
    bool hand_over; /* {"migrate_discovery": true}: the entity will come in another message */
    /* "i=<identifier>", "c=<type>=<value>" join messages to one device; "a=<digits>" are its hardware addresses. */
    char tokens[HA_TOKENS][HA_TOKEN_BYTES];
    unsigned token_count; /* 0: there is no device in it */
    struct ha_facts facts;
    struct ha_entity *entity; /* the best update entity in it, or one with availability, or NULL */
};

/* component: of the topic ("device", "update", "sensor"). -1: err says what is wrong. */
int ha_config_read(const uint8_t *data, size_t len, struct str component, struct ha_config *ret,
                   struct error *err);
void ha_config_done(struct ha_config *config);

#endif
