/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the Zigbee2MQTT dialect share. A bridge is one Zigbee2MQTT, one radio, known by its base topic; there
 * are as many as the configuration names. A peer is what we know of one device beyond the registry: which bridge speaks
 * for it, under which topic, and how its update goes. It is the device's dialect_data and lives as long as the device.
 * Bridges live as long as the dialect's context.
 */
#ifndef DEVICES_DIALECTS_ZIGBEE2MQTT_PEER_H
#define DEVICES_DIALECTS_ZIGBEE2MQTT_PEER_H

#include "devices/dialects/zigbee2mqtt.h"
#include "devices/json.h"

enum {
    Z2M_PENDING = 4,            /* requests about one device that wait for their answers */
    Z2M_TEXT_BYTES = 65,        /* a text of the list of devices, with the terminator */
    Z2M_NAME_BYTES = 129,       /* a friendly name: it is part of a topic */
    Z2M_IEEE_BYTES = 19,        /* "0x00124b0018e27d4f" */
    Z2M_TRANSACTION_BYTES = 40, /* "homepatch-12-0123456789abcdef" */
    Z2M_SCHEDULE_FAILURES = 5,  /* of a scheduled update: it stays scheduled after each, but not for ever */
};

enum z2m_verb {
    Z2M_NONE,
    Z2M_CHECK,
    Z2M_UPDATE,
    Z2M_UPDATE_DOWN,
    Z2M_SCHEDULE,
    Z2M_SCHEDULE_DOWN,
    Z2M_UNSCHEDULE,
    Z2M_ABORT,
};

struct z2m_request {
    char transaction[Z2M_TRANSACTION_BYTES];
    uint8_t verb; /* enum z2m_verb; Z2M_NONE: free */
    uint8_t tries;
    uint64_t due; /* monotonic ms; UINT64_MAX: it is answered at the end of the update */
};

enum z2m_update_state {
    Z2M_UPDATE_NONE,
    Z2M_UPDATE_ASKED,      /* on its way to the bridge, or not begun yet */
    Z2M_UPDATE_SCHEDULED,  /* the bridge has the order and waits for the device */
    Z2M_UPDATE_RUNNING,    /* the device takes the image */
    Z2M_UPDATE_CONFIRMING, /* the bridge says that it is done: what does the device say? */
};

struct z2m_update {
    enum z2m_update_state state;
    bool scheduled;     /* the bridge keeps the order until the device asks */
    bool adopted;       /* was under way when the job came: the outcome shows only in the version */
    bool by_url;        /* the bridge fetches from the gateway */
    bool lost;          /* the bridge went away meanwhile, and what it did with it */
    bool unheard;       /* we were away: the end may have been missed */
    bool doubted;       /* the bridge says that there is no image: does the device run it already? */
    bool moved;         /* there was progress */
    bool interviewed;   /* the device was interviewed anew since the end */
    bool has_expected;  /* expected: what the image says of itself */
    bool has_from;      /* from: what the device ran before */
    bool was_told;      /* and the job knows it, too */
    uint8_t failures;   /* of a scheduled update */
    uint8_t unanswered; /* questions for the version that could not be answered */
    uint32_t expected;
    uint32_t from;
    uint64_t
        settle; /* monotonic ms: the bridge's answer, or the device's version, should be here by then; 0: no */
};

struct z2m_bridge {
    struct z2m *z2m;
    char *base; /* topic */
    bool online;
    bool hex;     /* images go inside messages: so configured, or it cannot fetch from the gateway */
    bool awaited; /* a device of it is asked for updates */
    uint32_t lists_read;
    struct timer timer; /* questions for updates, one device after the other: the radio is slow */
    struct rate lists, responses, new_devices;
};

struct z2m {
    struct dialect_host host;
    struct z2m_bridge *bridges;
    size_t bridge_count;
    struct map by_topic; /* "<base>/<friendly name>" -> peer */
    uint64_t seed[2];
    uint64_t ids;
};

struct z2m_peer {
    struct z2m *z2m;
    struct device *device;
    struct z2m_bridge *bridge; /* NULL: none lists it */
    char *topic;               /* NULL: none */
    bool disabled;
    bool sleepy;   /* asks for an image when it wakes, and not before */
    bool has_ota;  /* the bridge knows where to look for updates for it */
    bool away;     /* the bridge says that it is not there */
    bool busy;     /* the bridge updates it, whoever asked for that */
    bool withdraw; /* a schedule of ours is to be taken back when the bridge can hear it */
    bool interviewing;
    bool reading; /* a job wants to know what it runs */
    bool has_installed;
    uint32_t listed;    /* the number of the list that it was last in */
    uint32_t installed; /* file version, as the device told the bridge */
    struct z2m_request pending[Z2M_PENDING];
    struct z2m_update update;
    struct timer timer;
    uint64_t check; /* monotonic ms: ask for updates; 0: never asked about */
    uint64_t gone;  /* monotonic ms: no bridge has listed it since; 0: one does */
};

/* One device of a list, as far as we use it. Empty texts: not said. */
struct z2m_entry {
    char ieee[Z2M_IEEE_BYTES];
    char name[Z2M_NAME_BYTES];
    char manufacturer[Z2M_TEXT_BYTES];
    char model[Z2M_TEXT_BYTES];
    char build[Z2M_TEXT_BYTES];
    char vendor[Z2M_TEXT_BYTES]; /* these three: the bridge's words for people */
    char product[Z2M_TEXT_BYTES];
    char what[Z2M_TEXT_BYTES];
    bool disabled;
    bool sleepy;
    bool has_ota;
    bool interviewed;
    bool interviewing;
};

struct z2m_list {
    struct z2m_entry *entries;
    size_t count, cap;
    bool whole; /* every item was understood: what is not in it is not there */
};

struct z2m_image {
    uint32_t version;
    uint16_t manufacturer;
    uint16_t type;
};

static inline uint64_t z2m_now(const struct z2m *z2m)
{
    return clock_monotonic(z2m->host.clock);
}

/* ---- zigbee2mqtt.c ---- */
/* Arms the bridge's timer for the device that is next to be asked for updates. */
void z2m_plan_checks(struct z2m_bridge *bridge);
/* Arms the peer's timer for whatever comes first. */
void z2m_schedule(struct z2m_peer *peer);
void z2m_reject(struct z2m_peer *peer, const char *why);
/* Online as the bridge, its list and its availability have it. */
void z2m_presence(struct z2m_peer *peer);
/* Without a device it is freed with free(); else it goes with its device. NULL: memory is out. */
struct z2m_peer *z2m_peer_new(struct z2m *z2m);
void z2m_peer_attach(struct z2m_peer *peer, struct device *device);
bool z2m_reachable(const struct z2m_peer *peer);

/* ---- zigbee2mqtt_list.c ---- */
/* Reads a list of devices. -1: it is none. Freed with z2m_list_done(), also then. */
int z2m_list_read(struct z2m_list *list, const uint8_t *data, size_t len, struct error *err);
void z2m_list_done(struct z2m_list *list);

/* ---- zigbee2mqtt_devices.c ---- */
/* The bridge's list of devices: who came, who left, who has another name. */
void z2m_listed(struct z2m_bridge *bridge, const struct z2m_list *list);
/* Takes its topics away from the peer, whatever they were. */
void z2m_unname(struct z2m_peer *peer);
/* "0x00124b0018e27d4f" */
const char *z2m_ieee(const struct z2m_peer *peer);
/* The device was not listed for too long. Frees it. */
void z2m_forget(struct z2m_peer *peer);

/* ---- zigbee2mqtt_request.c ---- */
/* Asks the bridge. more: further members, each with a comma before it, or NULL. A question of the same kind that waits
 * stands for this one. */
int z2m_call(struct z2m_peer *peer, enum z2m_verb verb, const char *more, struct error *err);
void z2m_answer(struct z2m_bridge *bridge, const cJSON *response);
/* Gives up what waited too long. */
void z2m_expire(struct z2m_peer *peer, uint64_t now);
void z2m_forget_requests(struct z2m_peer *peer);
void z2m_forget_question(struct z2m_peer *peer, enum z2m_verb verb);
uint64_t z2m_next_due(const struct z2m_peer *peer);

/* ---- zigbee2mqtt_image.c ---- */
/* The header of a Zigbee OTA file, which some makers put behind one of their own. -1: it has none. */
int z2m_image_read(const char *path, struct z2m_image *ret, struct error *err);
/* Appends the file in hexadecimal. -1: too large, or it cannot be read. */
int z2m_image_hex(const char *path, struct buf *to, struct error *err);

/* ---- zigbee2mqtt_install.c ---- */
extern const struct firmware_target_ops z2m_firmware_ops;

/* ---- zigbee2mqtt_update.c ---- */
void z2m_update_end(struct z2m_peer *peer);
/* What the device runs is known: that is the outcome. */
void z2m_conclude(struct z2m_peer *peer);
/* Passes on what the device runs, if that is known. */
void z2m_report_version(struct z2m_peer *peer);
/* Takes an order back that the bridge may keep; later, when it does not hear now. */
void z2m_unschedule(struct z2m_peer *peer);
/* The member "update" of what the bridge says about the device. */
void z2m_update_in(struct z2m_peer *peer, const cJSON *update);
/* Answers, and what came instead. message: the bridge's words, NULL: it does not answer. */
void z2m_check_done(struct z2m_peer *peer, const char *failure);
void z2m_update_done(struct z2m_peer *peer, const cJSON *data, const char *failure);
void z2m_schedule_done(struct z2m_peer *peer, const char *failure);
void z2m_unschedule_done(struct z2m_peer *peer, const char *failure);
/* The bridge is here (again). */
void z2m_update_bridge(struct z2m_peer *peer, bool online, bool left);
/* The device was interviewed, after which what the bridge says of it was read from it. */
void z2m_update_interviewed(struct z2m_peer *peer);
/* What update.settle waited for did not come. */
void z2m_update_settle(struct z2m_peer *peer);

#endif
