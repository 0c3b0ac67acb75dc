/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the USP dialect share. A peer is a USP agent on the LAN under its Endpoint ID: reached over a WebSocket
 * that it opened, or on its topic at the broker, or not at all now. A peer without a device is a candidate: it has not said
 * yet what it is. A device's peer is its dialect_data and lives as long as the device.
 *
 *   uspdev.c            sessions, records, the life of a peer
 *   uspdev_mqtt.c       topics
 *   uspdev_rpc.c        requests and their answers
 *   uspdev_info.c       what a device says of itself, read from a Get response
 *   uspdev_identify.c   from a peer that speaks to a device that is known
 *   uspdev_subscribe.c  our rows of the device's Subscription table
 *   uspdev_notify.c     what the device tells by itself
 *   uspdev_update.c     Download(), Activate(), and what became of them
 *
 * Topics: devices publish to SOURCE/usp/controller/ENDPOINT-ID (or without the last level, which proves nothing) and
 * listen below SOURCE/usp/agent/. Nothing is published anywhere else, whatever a device says where it listens.
 */
#ifndef DEVICES_DIALECTS_USPDEV_PEER_H
#define DEVICES_DIALECTS_USPDEV_PEER_H

#include "devices/dialects/uspdev.h"
#include "usp/address.h"
#include "usp/client.h"
#include "usp/endpoint_id.h"
#include "usp/record.h"

enum {
    USPDEV_PENDING = 6,   /* requests to one peer that wait for their answers */
    USPDEV_EID_MAX = 128, /* longer than any that usp_endpoint_id_check() takes */
    USPDEV_TEXT_MAX = 64, /* TR-181: the strings of DeviceInfo. that we use */
    USPDEV_LOG_MAX = 160, /* of BootFailureLog, what is kept */
    USPDEV_BANKS = 8,     /* rows of FirmwareImage. that are looked at */
    USPDEV_TOPIC_MAX = 200,
    USPDEV_SUBSCRIPTIONS = 5,
    USPDEV_POLL_MS = 20000,    /* nothing heard for this long during an update: look at the device */
    USPDEV_IGNORE_MS = 120000, /* a refused candidate on a topic is left alone */
};

/* Requests that we make; the table in uspdev_rpc.c has their patience. */
enum uspdev_method {
    USPDEV_NONE,
    USPDEV_PROTOCOL,     /* GetSupportedProtocol */
    USPDEV_INFO,         /* Get DeviceInfo. and its FirmwareImage. */
    USPDEV_SUPPORTED,    /* GetSupportedDM FirmwareImage. */
    USPDEV_SUBSCRIPTION, /* Get Subscription. */
    USPDEV_SUBSCRIBE,    /* Add */
    USPDEV_UNSUBSCRIBE,  /* Delete */
    USPDEV_DOWNLOAD,     /* Operate Download() */
    USPDEV_ACTIVATE,     /* Operate Activate() */
    USPDEV_CANCEL,       /* Operate Cancel() of the Request that one of those made */
    USPDEV_METHODS,
};

struct uspdev_request {
    uint64_t id;    /* of its msg_id */
    uint8_t method; /* enum uspdev_method; USPDEV_NONE: free */
    uint8_t tries;  /* made so far */
    uint64_t due;   /* monotonic ms: the time to try again or to give up */
};

/* FirmwareImage.{i}.Status, as far as it tells us what to do. */
enum uspdev_status {
    USPDEV_OTHER, /* NoImage, or a word that we do not know */
    USPDEV_ACTIVE,
    USPDEV_BUSY, /* Downloading, Validating */
    USPDEV_AVAILABLE,
    USPDEV_LOAD_FAILED, /* DownloadFailed, ValidationFailed, InstallationFailed */
    USPDEV_ACTIVATION_FAILED,
};

/* A row of the device's FirmwareImage table. */
struct uspdev_bank {
    uint32_t instance; /* 0: free */
    uint8_t status;    /* enum uspdev_status */
};

/* What an INFO answer said. Texts are "" when it was silent. */
struct uspdev_info {
    char manufacturer[USPDEV_TEXT_MAX + 1], oui[USPDEV_TEXT_MAX + 1], model[USPDEV_TEXT_MAX + 1];
    char serial_number[USPDEV_TEXT_MAX + 1], hardware_version[USPDEV_TEXT_MAX + 1];
    char software_version[USPDEV_TEXT_MAX + 1], friendly_name[USPDEV_TEXT_MAX + 1];
    char product_class[USPDEV_TEXT_MAX + 1], description[256];
    uint64_t up_time; /* s; UINT64_MAX: not said */
    uint32_t active;  /* instance of ActiveFirmwareImage; 0: not said */
    struct uspdev_bank banks[USPDEV_BANKS];
    char names[USPDEV_BANKS][USPDEV_TEXT_MAX + 1];
    char log[USPDEV_LOG_MAX + 1]; /* BootFailureLog of a bank whose activation failed */
};

enum uspdev_state {
    USPDEV_UPDATE_NONE,
    USPDEV_ASKED_DOWNLOAD, /* Download() is on its way */
    USPDEV_DOWNLOADING,    /* it was taken; the device fetches */
    USPDEV_ASKED_ACTIVATE, /* the image is in the bank; Activate() is on its way */
    USPDEV_ACTIVATING,     /* it was taken, or the device restarts by itself */
};

struct uspdev_update {
    enum uspdev_state state;
    uint32_t bank;      /* instance of the device's FirmwareImage row */
    uint64_t key;       /* command key */
    uint32_t request;   /* the device's row of its Request table; 0: not known */
    uint8_t before;     /* enum uspdev_status of the bank when the update began */
    bool busy_seen;     /* the bank's status is this update's */
    bool again;         /* Activate() was sent in the gateway's last life, too */
    bool away;          /* the device left since Activate() */
    bool booted;        /* it said that it started anew */
    uint64_t activated; /* monotonic ms: when Activate() was sent */
    uint64_t poll;      /* monotonic ms: look when nothing was heard until then */
};

struct uspdev {
    struct dialect_host host;
    struct map by_eid;   /* Endpoint ID -> peer: devices, and candidates at the broker */
    uint32_t candidates; /* at the broker, that are no device */
    uint64_t seed[2];
    uint64_t ids; /* message ids and command keys given out */
    struct rate broker_new;
    char tag[17];                       /* of our subscriptions' IDs: another gateway's are not ours */
    char listens[2 * USPDEV_TOPIC_MAX]; /* SOURCE/usp/controller */
    char speaks[2 * USPDEV_TOPIC_MAX];  /* SOURCE/usp/agent/ */
};

struct uspdev_peer {
    struct uspdev *uspdev;
    struct device *device; /* NULL: a candidate */
    char *eid;             /* NULL: a session that has not said its name */
    struct lan_session *session;
    char *topic;   /* MQTT: where it listens; NULL: not reached so */
    char *failure; /* BootFailureLog of the bank that failed; NULL: none */
    struct uspdev_request pending[USPDEV_PENDING];
    struct timer timer;
    uint64_t quiet;       /* monotonic ms: see whether it is still there */
    uint64_t ignore;      /* monotonic ms: a refused candidate is not listened to until then; 0: it is */
    uint32_t excess;      /* messages dropped for being too many */
    struct rate messages; /* of a candidate */
    struct rate presence;
    struct uspdev_bank banks[USPDEV_BANKS];
    uint32_t active;     /* bank it runs from; 0: not known */
    uint8_t missing;     /* bits by subscription that the device has not got */
    uint8_t wanted;      /* bits by subscription that are to be added */
    bool version_3_1_1;  /* MQTT: the device takes reply topics at the end of a topic */
    bool proven_topic;   /* MQTT: it publishes to the topic that only it may publish to */
    bool lacks_download; /* by GetSupportedDM, or because there is no bank */
    bool lacks_activate;
    bool subscribed; /* in this connection */
    struct uspdev_update update;
};

static inline uint64_t uspdev_now(const struct uspdev_peer *peer)
{
    return clock_monotonic(peer->uspdev->host.clock);
}

/* ---- uspdev.c ---- */
/* Arms the peer's timer for whatever comes first. */
void uspdev_schedule(struct uspdev_peer *peer);
/* The peer cannot be reached. left: the device went, it is not us who lost the broker. */
void uspdev_offline(struct uspdev_peer *peer, bool left);
void uspdev_reject(struct uspdev_peer *peer, const char *why);
/* Refuses a candidate: the session is closed, or its Endpoint ID at the broker is not listened to for a while. The peer is
 * gone for the caller. */
void uspdev_drop_candidate(struct uspdev_peer *peer, const char *why);
void uspdev_peer_free(struct uspdev_peer *peer);
/* A peer in the table, or NULL when memory is out. */
struct uspdev_peer *uspdev_peer_of_eid(struct uspdev *uspdev, struct str eid);
/* One more message: false when there are too many, which in the end costs a session its connection. */
bool uspdev_may_speak(struct uspdev_peer *peer);
/* A record that may concern us. NULL: it does, else why not. */
const char *uspdev_read_record(const struct uspdev *uspdev, struct str data, struct usp_record *ret);
/* May free the peer. */
void uspdev_record_in(struct uspdev_peer *peer, const struct usp_record *record);
enum device_grade uspdev_grade(const struct uspdev_peer *peer);
/* Hands out a number that nobody on the LAN can guess. */
uint64_t uspdev_random(struct uspdev *uspdev);

/* ---- uspdev_mqtt.c ---- */
void uspdev_subscriptions(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx);
void uspdev_broker(void *ctx, bool is_connected);
bool uspdev_mqtt_message(void *ctx, const struct mqtt_message *message);
/* Where a device may say that it listens: its Endpoint ID below our topic for that, and nowhere else. */
bool uspdev_may_listen(const struct uspdev *uspdev, struct str eid, struct str topic);

/* ---- uspdev_rpc.c ---- */
bool uspdev_reachable(const struct uspdev_peer *peer);
/* A whole record over whatever reaches the peer. */
int uspdev_send(struct uspdev_peer *peer, struct buf *record, struct error *err);
/* A message with its record around it. */
int uspdev_send_message(struct uspdev_peer *peer, struct buf *message, struct error *err);
/* The Connect record of the transport (R-MTP.6). */
void uspdev_greet(struct uspdev_peer *peer);
/* Asks. A request of the same method that is still waiting stands for this one. -1: it cannot be sent now. */
int uspdev_call(struct uspdev_peer *peer, enum uspdev_method method, struct error *err);
/* The same, with the whole message given; for methods that are tried once. */
int uspdev_call_with(struct uspdev_peer *peer, enum uspdev_method method,
                     void (*write)(struct uspdev_peer *peer, struct buf *buf, struct str msg_id, void *ctx),
                     void *ctx, struct error *err);
/* The answer to a request. May free the peer. */
void uspdev_answer(struct uspdev_peer *peer, const struct usp_client_message *message);
/* Requests that waited too long are repeated or given up. May free the peer: -1 then. */
int uspdev_expire(struct uspdev_peer *peer, uint64_t now);
void uspdev_forget_requests(struct uspdev_peer *peer);
/* The broker is there (again): what was asked while it was not goes out now, and not when its time is over. */
void uspdev_ask_anew(struct uspdev *uspdev);
uint64_t uspdev_next_due(const struct uspdev_peer *peer);

/* ---- uspdev_info.c ---- */
/* -1: malformed, or nothing in it that says which version the device runs. */
int uspdev_info_read(const struct usp_client_message *message, struct uspdev_info *ret, struct error *err);
/* GetSupportedDM of FirmwareImage.: which of the two commands it has. */
int uspdev_commands_read(const struct usp_client_message *message, bool *ret_download, bool *ret_activate);
/* The instance in "Device.DeviceInfo.FirmwareImage.2" (with what may follow it), or 0. */
uint32_t uspdev_bank_of(struct str path);

/* ---- uspdev_identify.c ---- */
/* The session said its name. The peer that it is from now on, or NULL: refused, and gone. */
struct uspdev_peer *uspdev_claim(struct uspdev_peer *candidate, struct str eid);
/* The answer to INFO. May free the peer. */
void uspdev_identified(struct uspdev_peer *peer, const struct uspdev_info *info);

/* ---- uspdev_subscribe.c ---- */
void uspdev_subscription_read(struct uspdev_peer *peer, const struct usp_client_message *message);
void uspdev_subscribe_answered(struct uspdev_peer *peer, const struct usp_client_message *message);
void uspdev_subscribe_refused(struct uspdev_peer *peer);
void uspdev_write_subscribe(struct uspdev_peer *peer, struct buf *buf, struct str msg_id);

/* ---- uspdev_notify.c ---- */
void uspdev_notified(struct uspdev_peer *peer, const struct usp_client_message *message);

/* ---- uspdev_update.c ---- */
extern const struct firmware_target_ops uspdev_firmware_ops;
/* The answers to Download() and Activate(): *request is the device's row, 0 when the command has ended already. */
void uspdev_update_answered(struct uspdev_peer *peer, enum uspdev_method method, uint32_t request);
/* code 0: the device does not answer. */
void uspdev_update_refused(struct uspdev_peer *peer, enum uspdev_method method, uint32_t code,
                           const char *message);
/* OperationComplete, or TransferComplete! for a Download(). code 0: it went well. */
void uspdev_update_completed(struct uspdev_peer *peer, bool download, struct str key, uint32_t code,
                             struct str text);
/* The device left, or came anew without having been seen to leave: answers that were awaited do not come any more. */
void uspdev_update_lost(struct uspdev_peer *peer);
/* Boot!: the device itself has started anew. */
void uspdev_update_booted(struct uspdev_peer *peer);
/* The device was asked and runs this; peer->banks are new. */
void uspdev_update_info(struct uspdev_peer *peer, const struct uspdev_info *info, bool changed);

#endif
