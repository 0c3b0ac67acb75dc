/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The USP agent as an endpoint (TR-369): takes records, answers them, and sends notifications. It has no sockets and
 * no clock of its own: channels and timers are given to it.
 *
 * Rows of the data model that are USP's own (controllers, subscriptions, requests, roles) keep their values in the
 * structs of controller.h, subscription.h, request.h and access.h.
 *
 * Owned and freed by the wiring; loop's thread only.
 */
#ifndef USP_USP_H
#define USP_USP_H

#include "base/buf.h"
#include "base/loop.h"
#include "datamodel/dm.h"

struct usp;
struct controller;

/* A way to send records: an MQTT client, a WebSocket, a UNIX socket connection. Embedded in the wiring's struct. */
struct usp_channel;
struct usp_channel_ops {
    /* Takes over the record's bytes. topic: where to (MQTT), else NULL. -1: could not be sent now. */
    int (*send)(struct usp_channel *channel, const char *topic, struct buf *record, struct error *err);
};
struct usp_channel {
    const struct usp_channel_ops *ops;
    void *ctx;
    uint64_t
        number; /* of a connection of which one endpoint may have several, and that it tells apart; else 0 */
    const char *peer; /* Endpoint ID that the transport vouches for; NULL when it serves many (MQTT) */
    bool broker;      /* what shows a certificate is a broker, through which many endpoints speak */
    bool local;       /* no network between: the socket file's permissions say who may speak */
    /* Paths of the Device.LocalAgent.Certificate. rows in the peer's verified chain, its own first, "," between; NULL
     * when it showed no certificate. */
    const char *certificates;
    bool named; /* the certificate names `peer` in its subjectAltName (R-SEC.0a) */
    bool
        first_use; /* nobody who is trusted vouches for the certificate (Device.LocalAgent.ControllerTrust.TOFUAllowed) */
};

struct usp_route {
    struct usp_channel *channel;
    const char *topic;             /* NULL unless the channel has topics; borrowed */
    struct controller *in_session; /* messages go into the session context with it; NULL: without one */
};

struct usp_security_ops;

struct usp_ops {
    /* How the controller can be reached now, by its MTP rows and what is connected. -1: it cannot. */
    int (*route)(void *ctx, struct controller *controller, struct usp_route *ret);
    /* The open channel with this number, or NULL. */
    struct usp_channel *(*numbered)(void *ctx, uint64_t number);
    /* In an open transaction: a row of Device.LocalAgent.Certificate. for the certificate that the peer showed, which is
     * the channel's from now on. Returns its path, which lives as long as the channel, or NULL. */
    const char *(*remember)(void *ctx, struct usp_channel *channel);
};

struct usp *usp_new(struct dm *dm, const struct usp_ops *ops, void *ctx, struct error *err);
/* The program ends: commands that run are let go of (their modules still exist), the feed is not listened to any more.
 * Before dm_free(); usp_free() comes after it. */
void usp_stop(struct usp *usp);
void usp_free(struct usp *usp);

/* Who does TLS in payloads and signatures of records (usp/security.h); NULL: nobody. Both must outlive usp_free(). */
void usp_set_security(struct usp *usp, const struct usp_security_ops *ops, void *ctx);

/* Own Endpoint ID; copied. */
int usp_set_endpoint_id(struct usp *usp, const char *endpoint_id);
const char *usp_endpoint_id(const struct usp *usp);

/* What Device.Boot! says of the last restart (TR-181). */
struct usp_boot {
    const char *cause; /* "LocalReboot", "RemoteReboot", "LocalFactoryReset", "RemoteFactoryReset" */
    const char *command_key;
    const char *reason;
    bool firmware_updated;
};

/*
 * After the rows are loaded: restores notifications that wait, raises Device.Boot! for every controller that subscribed
 * to it (before anything else), deletes subscriptions that are not Persistent, and listens to the feed.
 */
int usp_start(struct usp *usp, const struct usp_boot *boot, struct error *err);

enum usp_verdict {
    USP_TAKEN,
    USP_IGNORED,       /* not for us, spoofed, from nobody we know, or a response: nothing to do */
    USP_UNPROCESSABLE, /* not a record (R-WS.16: close 1003; R-UDS.23: error and close); err says why */
};

/* A record came. reply_topic: where its sender wants the answer (R-MQTT.26), or NULL. data is not changed. */
enum usp_verdict usp_receive(struct usp *usp, struct usp_channel *from, const char *reply_topic,
                             struct str data, struct error *err);
/* The channel is going away: nothing more is sent on it. */
void usp_channel_gone(struct usp *usp, struct usp_channel *channel);
/* The controller can be reached (again): sends what waits for it. */
void usp_controller_reachable(struct usp *usp, struct controller *controller);
/* The same for all controllers whose route exists. */
void usp_reachable(struct usp *usp);

/* Counters for people and tests. */
struct usp_stats {
    uint64_t records_received;
    uint64_t records_ignored;
    uint64_t records_sent;
    uint64_t notifications_dropped;
};
const struct usp_stats *usp_stats(const struct usp *usp);

#endif
