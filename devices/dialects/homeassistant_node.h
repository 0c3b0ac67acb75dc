/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the Home Assistant dialect share. A node is a device that announced itself; several discovery messages
 * (sources) may speak of it, and one entity among them is followed: the update, if there is one. A node is listed in the
 * registry after a little patience, and only when no dialect of its own has it (devices/claim.h). Topics are subscribed
 * for listed nodes only; several nodes may share one (the state of a bridge).
 *
 * Nodes own their sources and uses; sources own their entities. A listed node is its device's dialect_data.
 */
#ifndef DEVICES_DIALECTS_HOMEASSISTANT_NODE_H
#define DEVICES_DIALECTS_HOMEASSISTANT_NODE_H

#include "devices/dialects/homeassistant.h"
#include "devices/dialects/homeassistant_config.h"

enum {
    HA_VERSION_BYTES = 65,
    HA_PUBLISHER_BYTES = 65,
    HA_LAST_BYTES = 256, /* what is kept of a topic for nodes that come to it later */
    HA_GRACE_MS = 30000, /* a device that says its old version is given this long to say another one */
};

struct ha_node;

/* One discovery topic. */
struct ha_source {
    char *topic;
    struct ha_node *node;
    struct ha_entity *entity; /* NULL: nothing that is followed */
    uint64_t hash;            /* of the message: said again, it is no news */
    bool loose;               /* its topic names no publisher */
    struct rate changes;
    struct ha_source *next; /* of the node */
};

enum ha_role {
    HA_STATE,
    HA_LATEST,
    HA_AVAILABLE,
};

/* A node listens to a topic. */
struct ha_use {
    struct ha_topic *topic;
    struct ha_node *node;
    enum ha_role role;
    unsigned index; /* of the availability */
    struct ha_use *next_of_topic, *next_of_node;
};

struct ha_topic {
    char *name;
    struct ha_use *uses;
    char *last; /* the newest message, if it is short; NULL: none */
    size_t last_len;
    struct rate messages;
};

enum ha_run_state {
    HA_RUN_NONE,
    HA_RUN_ASKED,  /* payload_install was published */
    HA_RUN_TAKEN,  /* the device said that it is at work */
    HA_RUN_HANDED, /* the job was told that the device restarts */
};

struct ha_run {
    enum ha_run_state state;
    char old[HA_VERSION_BYTES];
    int percent;    /* -1: not said */
    bool at_work;   /* its last word was "in progress" */
    bool away;      /* it left since the update began */
    bool early;     /* ... before it had all, for all that it said */
    bool retained;  /* the command is kept by the broker until we take it back */
    uint64_t grace; /* monotonic ms: until then it may still say another version; 0: not yet */
};

struct ha_node {
    struct ha *ha;
    struct device *device; /* NULL: not listed */
    char *tokens[HA_TOKENS];
    unsigned token_count;
    struct ha_facts facts;
    char publisher
        [HA_PUBLISHER_BYTES]; /* the topic level that an access list holds its announcer to; "": none */
    struct ha_source *sources;
    unsigned source_count;
    struct ha_source *followed; /* whose entity is the device's; NULL: none */
    struct ha_use *uses;
    const struct ha_entity *listening; /* what uses were made for; to be compared, not to be looked into */
    uint8_t heard[HA_AVAILABILITY];    /* 0 nothing yet, 1 available, 2 not */
    bool latest_heard;                 /* the newest of them, whichever topic it came on */
    bool in_progress;
    char latest[HA_VERSION_BYTES];
    struct rate presence;
    struct ha_run run;
    struct timer timer;
    uint64_t review; /* monotonic ms: list it, or leave it to another dialect; 0: nothing to decide */
    uint64_t forget; /* monotonic ms: nobody speaks of it any more; 0: somebody does */
    uint64_t online_since;
    uint64_t asked; /* when its state was asked for last */
};

struct ha {
    struct dialect_host host;
    struct map nodes;   /* token -> node */
    struct map sources; /* topic -> source */
    struct map topics;  /* name -> topic */
    unsigned node_count;
    uint64_t seed[2];
    struct observer observer;
    struct rate broker_new, new_sources;
    struct timer birth;
    uint64_t born;       /* monotonic ms: when we published the birth message last; 0 never */
    bool echo;           /* our own birth message has not come back yet */
    bool home_assistant; /* the real one is at the broker */
    char *prefix;
};

static inline uint64_t ha_now(const struct ha *ha)
{
    return clock_monotonic(ha->host.clock);
}

/* The entity that is followed, or NULL. */
static inline const struct ha_entity *ha_entity_of(const struct ha_node *node)
{
    return node->followed ? node->followed->entity : NULL;
}

/* False while more messages may be on their way that say what it is. */
static inline bool ha_settled(const struct ha_node *node)
{
    return node->review == 0;
}

/* A job has the device. */
static inline bool ha_is_installing(const struct device *device)
{
    return device->job_state > JOB_TRANSFERRING && device->job_state <= JOB_DONE; /* 1 + the state */
}

static inline bool ha_can_install(const struct ha_entity *entity)
{
    return entity && entity->update && !entity->unsupported && entity->command_topic &&
           entity->payload_install;
}

/* ---- homeassistant_source.c: discovery messages ---- */
/* publisher: the topic level that one announcer has for itself, "" where topics have none. */
void ha_source_in(struct ha *ha, struct str component, struct str publisher,
                  const struct mqtt_message *message);
void ha_source_free(struct ha_source *source);

/* ---- homeassistant_node.c: nodes and the registry ---- */
struct ha_node *ha_node_find(const struct ha *ha, const struct ha_config *config);
/* NULL when there are too many, or memory is out. */
struct ha_node *ha_node_new(struct ha *ha, const struct ha_config *config);
void ha_node_free(struct ha_node *node);
/* How sure it is who announces the node. */
enum device_grade ha_grade(const struct ha_node *node);
/* A discovery message about the node was read and its source entered. */
void ha_node_update(struct ha_node *node, const struct ha_config *config);
/* It announced itself, be it again: it is there, when nothing else would tell. */
void ha_node_announced(struct ha_node *node);
/* Takes the source away. handed_over: another one will speak for the same device. May free the node. */
void ha_node_drop_source(struct ha_source *source, bool handed_over);
/* Arms the timer for whatever comes first. */
void ha_node_schedule(struct ha_node *node);
void ha_node_reject(struct ha_node *node, const char *why);
void ha_node_describe(struct ha_node *node);
/* What was said of it was not its own: it is learnt from what is announced from now on. */
void ha_node_unlearn(struct ha_node *node);
/* Presents the identity anew; true when it is accepted. */
bool ha_node_identify(struct ha_node *node);
int ha_node_restore(struct ha *ha, struct device *device);
void ha_registry_event(void *ctx, const void *event);

/* ---- homeassistant_topic.c: what nodes listen to ---- */
/* Follows the node's entity, and nothing else any more. */
void ha_topic_follow(struct ha_node *node);
void ha_topic_leave(struct ha_node *node);
/* Asks the broker for what it keeps of that topic of the node. False: the node does not listen to such a one. */
bool ha_topic_ask(struct ha_node *node, enum ha_role role);
/* False when nobody listens to that topic. */
bool ha_topic_in(struct ha *ha, const struct mqtt_message *message);

/* ---- homeassistant_state.c: what is heard ---- */
void ha_state_in(struct ha_node *node, const uint8_t *data, size_t len, bool retained);
void ha_latest_in(struct ha_node *node, const uint8_t *data, size_t len);
void ha_availability_in(struct ha_node *node, unsigned index, const uint8_t *data, size_t len, bool retained);
void ha_online(struct ha_node *node);
/* left: the device went; it is not us who lost the broker. */
void ha_offline(struct ha_node *node, bool left);
/* Fills or clears the row of what the maker offers. */
void ha_offer(struct ha_node *node);
/* See firmware_target_ops.compare: numbers between dots, with or without a "v" before them. */
int ha_version_compare(const char *a, const char *b, int *ret);

/* ---- homeassistant_update.c ---- */
#define HA_OFFER "latest" /* what the offer is called */
extern const struct firmware_target_ops ha_firmware_ops;
/* The device's state was heard. version NULL: it did not say what it runs. percent -1: not said. */
void ha_update_heard(struct ha_node *node, const char *title, const char *version, int percent,
                     bool retained);
void ha_update_left(struct ha_node *node);
/* The time of grace is over. */
void ha_update_conclude(struct ha_node *node);
void ha_update_end(struct ha_node *node);

#endif
