/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the Tasmota dialect share. A peer is one who speaks Tasmota to us: three topic prefixes at the
 * broker (commands, answers, telemetry), or a known device of which no topics are known yet in this life. A peer
 * without a device is a candidate: it has not said yet who it is, and has topics always. A device's peer is its
 * dialect_data and lives as long as the device.
 */
#ifndef DEVICES_DIALECTS_TASMOTA_PEER_H
#define DEVICES_DIALECTS_TASMOTA_PEER_H

#include "devices/dialects/tasmota.h"
#include "devices/dialects/tasmota_version.h"
#include "devices/json.h"

enum {
    TASMOTA_PENDING = 4,
    TASMOTA_TEXT_MAX = 64,
    TASMOTA_TOPIC_MAX = 200,    /* one prefix; FullTopic itself has 100 */
    TASMOTA_URL_MAX = 100,      /* OtaUrl, by the maker's description */
    TASMOTA_POLL_MS = 20000,    /* nothing heard for this long during an update: look at the version */
    TASMOTA_IGNORE_MS = 120000, /* topics of nobody are left alone for so long */
};

/* With the slash at their end. malloc'ed; all NULL: not known. */
struct tasmota_topics {
    char *command;
    char *status;
    char *telemetry;
};

/* What is asked; the table in tasmota_ask.c has their commands and patience. */
enum tasmota_question {
    TASMOTA_NOTHING,
    TASMOTA_ALL,     /* STATUS 0: who it is and what it runs */
    TASMOTA_VERSION, /* STATUS 2 */
    TASMOTA_SPACE,   /* STATUS 4 */
    TASMOTA_URL,     /* OtaUrl */
    TASMOTA_UPGRADE, /* Upgrade 1 */
    TASMOTA_RESTART, /* Restart 1 */
};

struct tasmota_pending {
    uint8_t question; /* enum tasmota_question; TASMOTA_NOTHING: free */
    uint8_t tries;    /* made so far */
    uint64_t due;     /* monotonic ms: the time to try again or to give up */
};

enum tasmota_update_state {
    TASMOTA_UPDATE_NONE,
    TASMOTA_UPDATE_SPACE, /* STATUS 4 was asked */
    TASMOTA_UPDATE_URL,   /* OtaUrl is on its way */
    TASMOTA_UPDATE_ASKED, /* Upgrade is on its way */
    TASMOTA_UPDATE_TRANSFERRING,
    TASMOTA_UPDATE_REBOOTING, /* the device said that it has all */
};

struct tasmota_update {
    enum tasmota_update_state state;
    bool two_steps;   /* by its space it takes the minimal image first */
    bool booted;      /* it was heard starting since the last step began */
    uint64_t started; /* monotonic ms: the last step */
    uint64_t poll;    /* monotonic ms: look at the version when nothing was heard until then */
    uint64_t size, companion_size;
    char url[TASMOTA_URL_MAX + 1];
    char from[TASMOTA_TEXT_MAX + 1]; /* the version it ran before */
};

struct tasmota {
    struct dialect_host host;
    struct map by_status;    /* topic prefix -> peer */
    struct map by_telemetry; /* topic prefix -> peer */
    struct map by_mac;       /* peers whose address is known */
    uint32_t candidates;
    struct rate broker_new;
    struct rate announcements;
};

struct tasmota_peer {
    struct tasmota *tasmota;
    struct device *device; /* NULL: a candidate */
    struct tasmota_topics topics;
    char mac[13];  /* "": not known yet */
    char *online;  /* what its last will says; NULL: "Online" */
    char *offline; /* NULL: "Offline" */
    char *name;    /* DeviceName */
    char *model;   /* module or template; NULL: not said */
    char *group;   /* GroupTopic: obeyed by others, too */
    char *ota_url; /* its own, put back after an update; NULL: not known */
    bool battery, sleepy, light;
    /* The answers to STATUS 0 as they come in. */
    bool has_version, has_mac;
    char version[TASMOTA_TEXT_MAX + 1]; /* as it says it, with its variant */
    char hardware[TASMOTA_TEXT_MAX + 1];
    char says_mac[13];
    uint64_t uptime_s; /* UINT64_MAX: not told */

    struct tasmota_pending pending[TASMOTA_PENDING];
    struct timer timer;
    uint64_t quiet;       /* monotonic ms: see whether it is still there */
    uint64_t ignore;      /* monotonic ms: a refused candidate is not listened to until then; 0: it is */
    struct rate messages; /* of a candidate */
    struct rate answers;  /* on topics that are for answers only */
    struct rate presence; /* coming and going, of which everybody above is told */
    struct tasmota_update update;
};

/* ---- tasmota.c ---- */
void tasmota_schedule(struct tasmota_peer *peer);
/* The peer cannot be reached. */
void tasmota_offline(struct tasmota_peer *peer);
void tasmota_reject(struct tasmota_peer *peer, const char *why);
/* Refuses a candidate: its topics are not listened to for a while. */
void tasmota_drop_candidate(struct tasmota_peer *peer, const char *why);
void tasmota_peer_free(struct tasmota_peer *peer);
/* The same for one that is counted as a candidate. */
void tasmota_candidate_free(struct tasmota_peer *peer);

/* ---- tasmota_topics.c ---- */
void tasmota_topics_done(struct tasmota_topics *topics);
/* The three prefixes that a FullTopic stands for. -1: it cannot be used; err says why. */
struct tasmota_naming {
    const char *full_topic, *prefix[3], *topic, *host_name, *id;
};
int tasmota_topics_make(const struct tasmota_naming *naming, struct tasmota_topics *ret, struct error *err);
/* A new candidate under these topics (taken over, also on failure), or NULL. */
struct tasmota_peer *tasmota_introduce(struct tasmota *tasmota, struct tasmota_topics *topics);
/* The peer's topics from now on (taken over, also on failure): subscribed, and listened to. */
int tasmota_topics_set(struct tasmota_peer *peer, struct tasmota_topics *topics, struct error *err);
void tasmota_topics_drop(struct tasmota_peer *peer);
/* -1: memory is out, or another peer has it. */
int tasmota_mac_set(struct tasmota_peer *peer, const char *mac);

/* ---- tasmota_discovery.c ---- */
/* tasmota/discovery/<mac>/config */
void tasmota_announced(struct tasmota *tasmota, struct str mac, const struct mqtt_message *message);

/* ---- tasmota_status.c ---- */
/* One answer on the status prefix: true when the command is one that we read. May free the peer. */
bool tasmota_status_in(struct tasmota_peer *peer, struct str command, const struct mqtt_message *message);
/* INFO1: it started. */
void tasmota_started(struct tasmota_peer *peer, const cJSON *info);

/* ---- tasmota_ask.c ---- */
/* Asks; a question that waits already stands for this one. -1: it could not be sent. */
int tasmota_ask(struct tasmota_peer *peer, enum tasmota_question question, struct error *err);
bool tasmota_asked(const struct tasmota_peer *peer, enum tasmota_question question);
void tasmota_answered(struct tasmota_peer *peer, enum tasmota_question question);
/* Questions that waited too long are repeated or given up. */
void tasmota_expire(struct tasmota_peer *peer, uint64_t now);
/* The broker is there (again): what was asked while it was not goes out now, and not when its time is over. */
void tasmota_ask_anew(struct tasmota *tasmota);
uint64_t tasmota_next_due(const struct tasmota_peer *peer);
/* Sends a command without waiting for an answer. */
int tasmota_tell(struct tasmota_peer *peer, const char *command, const char *payload, struct error *err);

/* ---- tasmota_update.c ---- */
extern const struct firmware_target_ops tasmota_firmware_ops;
void tasmota_update_space(struct tasmota_peer *peer, const cJSON *memory);
void tasmota_update_url(struct tasmota_peer *peer, const char *url);
/* "Version 12.5.0(tasmota) from http://..." or why not: the answer to Upgrade. */
void tasmota_update_answered(struct tasmota_peer *peer, const char *text);
/* "Successful. Restarting" or "Failed <reason>". */
void tasmota_update_result(struct tasmota_peer *peer, const char *text);
void tasmota_update_unanswered(struct tasmota_peer *peer);
void tasmota_update_left(struct tasmota_peer *peer);
void tasmota_update_drop(struct tasmota_peer *peer);
/* The device was asked and runs this. */
void tasmota_update_version(struct tasmota_peer *peer);

#endif
