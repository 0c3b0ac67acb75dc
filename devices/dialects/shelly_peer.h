/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the Shelly dialect share. A peer is one who speaks Shelly RPC to us: a topic prefix at the broker
 * or a WebSocket session, or a known device that has neither now. A peer without a device is a candidate: it has not
 * said yet who it is. A device's peer is its dialect_data and lives as long as the device.
 */
#ifndef DEVICES_DIALECTS_SHELLY_PEER_H
#define DEVICES_DIALECTS_SHELLY_PEER_H

#include "devices/dialects/shelly.h"
#include "devices/json.h"

enum {
    SHELLY_PENDING = 4, /* requests to one peer that wait for their answers */
    SHELLY_TEXT_MAX = 64,
    SHELLY_POLL_MS = 20000, /* nothing heard for this long during an update: look at the version */
    SHELLY_IGNORE_MS =
        120000, /* a topic prefix of nobody, or of a device that is here otherwise, is left alone */
    SHELLY_NONCE_BYTES = 65,
    SHELLY_DIGEST_BYTES = 65,  /* SHA-256 in hexadecimal digits, with the terminator */
    SHELLY_PASSWORD_MAX = 256, /* bytes */
    SHELLY_CHALLENGES_MAX = 3, /* answered for one request */
    SHELLY_ERROR_MAX = 512,    /* text of an error; a challenge is one */
};

/* Requests that we make; the table in shelly_rpc.c has their names and patience. */
enum shelly_method {
    SHELLY_NONE,
    SHELLY_GET_DEVICE_INFO,
    SHELLY_GET_SYS_STATUS,
    SHELLY_CHECK_FOR_UPDATE,
    SHELLY_LIST_SCHEDULES,
    SHELLY_UPDATE,
    SHELLY_REBOOT,
};

struct shelly_request {
    uint32_t id;
    uint8_t method;      /* enum shelly_method; SHELLY_NONE: free */
    uint8_t tries;       /* made so far */
    uint64_t due;        /* monotonic ms: the time to try again or to give up */
    char *params;        /* what it was asked with beyond the method's own, or NULL */
    bool authenticated;  /* the last try had an answer to a challenge */
    uint8_t challenges;  /* taken for it */
    uint32_t nonce_turn; /* struct shelly_auth.turn of that answer */
};

/* Of a device that we connected to and that has a password: shelly_auth.c. */
struct shelly_auth {
    char nonce[SHELLY_NONCE_BYTES]; /* of the newest challenge; "": none */
    bool is_number;                 /* the nonce, in JSON */
    bool proven;                    /* the device took an answer made with it */
    bool locked_out;                /* the device said so itself */
    uint8_t refusals;               /* in a row */
    uint32_t count;                 /* answers made with the nonce: nc */
    uint32_t turn;                  /* counts challenges */
    uint64_t retry; /* monotonic ms: nothing that needs the password is asked until then; 0: may be */
    char refused[SHELLY_DIGEST_BYTES]; /* digest of the password that was refused; "": none */
};

/* What a session said before it said who it is. */
struct shelly_first {
    bool told;
    bool sleeps;
    int battery; /* percent; -1: mains; -2: not told */
};

enum shelly_update_state {
    SHELLY_UPDATE_NONE,
    SHELLY_UPDATE_ASKED,        /* Shelly.Update is on its way */
    SHELLY_UPDATE_TRANSFERRING, /* it was taken; the device fetches */
    SHELLY_UPDATE_REBOOTING,    /* the device said that it has all */
};

struct shelly_update {
    enum shelly_update_state state;
    bool away;        /* the device itself left since the update began */
    uint64_t started; /* monotonic ms */
    uint64_t poll;    /* monotonic ms: look at the version when nothing was heard until then */
};

struct shelly {
    struct dialect_host host;
    struct map by_prefix; /* topic prefix -> peer */
    uint32_t candidates;  /* peers without a device, MQTT only */
    uint64_t seed[2];
    uint64_t ids; /* request ids given out */
    struct rate broker_new;
};

struct shelly_peer {
    struct shelly *shelly;
    struct device *device; /* NULL: a candidate */
    char *prefix;          /* MQTT: topic prefix; NULL: none */
    struct lan_session *session;
    struct shelly_request pending[SHELLY_PENDING];
    struct timer timer;
    uint64_t check;       /* monotonic ms: ask for updates; 0: not yet */
    uint64_t quiet;       /* monotonic ms: see whether it is still there */
    uint64_t ignore;      /* monotonic ms: a refused candidate is not listened to until then; 0: it is */
    uint32_t excess;      /* messages dropped for being too many */
    struct rate messages; /* of a candidate */
    struct rate answers;  /* on the topic that is for answers only */
    struct rate presence; /* coming and going, of which everybody above is told */
    struct shelly_first first;
    struct shelly_auth auth;
    struct shelly_update update;
};

/* ---- shelly.c ---- */
/* Arms the peer's timer for whatever comes first. */
void shelly_schedule(struct shelly_peer *peer);
/* The peer cannot be reached. left: the device went, it is not us who lost the broker. */
void shelly_offline(struct shelly_peer *peer, bool left);
void shelly_reject(struct shelly_peer *peer, const char *why);
/* What "stable" is now, in an object like {"stable": {"version": ...}}. */
void shelly_offered(struct shelly_peer *peer, const cJSON *updates);
/* Refuses a candidate: the session is closed, or its topics are not listened to for a while. The peer is gone for
 * the caller. */
void shelly_drop_candidate(struct shelly_peer *peer, const char *why);

/* Notes what NotifyFullStatus and the like say of power and sleep; to be announced. */
void shelly_power(struct shelly_peer *peer, const struct shelly_first *said);

/* ---- shelly_auth.c ---- */
/* Appends the member "auth" when there is a challenge to answer. False: it was not needed, or could not be made. */
bool shelly_auth_add(struct shelly_peer *peer, struct buf *frame);
/* The device asks for its password with this error text: 0 when the request is to be sent again. */
int shelly_auth_challenged(struct shelly_peer *peer, struct shelly_request *request, const char *message);
/* It took the answer. */
void shelly_auth_taken(struct shelly_peer *peer);
/* It wants no password. */
void shelly_auth_clear(struct shelly_peer *peer);
void shelly_auth_locked_out(struct shelly_peer *peer);
/* Another connection: what was agreed before is over. */
void shelly_auth_begin(struct shelly_peer *peer);
/* Why nothing is asked now that needs the password, or NULL. Valid until the next change of the device. */
const char *shelly_auth_obstacle(struct shelly_peer *peer);

/* ---- shelly_identify.c ---- */
/* The answer to Shelly.GetDeviceInfo. May free the peer (a candidate that is refused or joins a known device). */
void shelly_identified(struct shelly_peer *peer, const char *src, const cJSON *result);

/* ---- shelly_rpc.c ---- */
/* Asks; a request of the same method that is still waiting stands for this one. params: JSON object or NULL.
 * -1: too many are waiting. */
int shelly_call(struct shelly_peer *peer, enum shelly_method method, const char *params, struct error *err);
/* Is the peer to be reached at all? */
bool shelly_reachable(const struct shelly_peer *peer);
/* The answer to a request. May free the peer. */
void shelly_answer(struct shelly_peer *peer, const char *src, uint64_t id, const cJSON *frame);
/* Requests that waited too long are repeated or given up. May free the peer: -1 then. */
int shelly_expire(struct shelly_peer *peer, uint64_t now);
void shelly_forget_requests(struct shelly_peer *peer);
/* The broker is there (again): what was asked while it was not goes out now, and not when its time is over. */
void shelly_ask_anew(struct shelly *shelly);
uint64_t shelly_next_due(const struct shelly_peer *peer);

/* ---- shelly_update.c ---- */
extern const struct firmware_target_ops shelly_firmware_ops;
void shelly_update_answered(struct shelly_peer *peer);
void shelly_update_refused(struct shelly_peer *peer, int code, const char *message);
void shelly_update_event(struct shelly_peer *peer, const char *event, const cJSON *details);
/* The device was asked and runs this. */
void shelly_update_version(struct shelly_peer *peer, const char *name, const char *version, bool changed);
/* uptime_s: of Sys.GetStatus, or UINT64_MAX when it did not tell. */
void shelly_update_uptime(struct shelly_peer *peer, uint64_t uptime_s);

#endif
