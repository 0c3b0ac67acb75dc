/* SPDX-License-Identifier: BSD-3-Clause */
/* The USP dialect's way in: sessions and records, and the life of a peer. uspdev_peer.h has the map. */
#include "devices/dialects/uspdev.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"
#include "devices/dialects/uspdev_peer.h"
#include "devices/dialects/topics.h"
#include "usp/fields.h"

enum {
    QUIET_MS = 15 * 60 * 1000, /* a device that said nothing for so long is asked whether it is there */
    NAMELESS_MS = 30 * 1000,   /* a session that has not said its name by then is closed */
    /* Messages of a candidate, which has nothing to say but who it is. */
    CANDIDATE_INTERVAL_MS = 1000,
    CANDIDATE_BURST = 20,
    PRESENCE_INTERVAL_MS = 2000,
    PRESENCE_BURST = 20,
    EXCESS_MAX = 5000, /* messages beyond the limit before a session is closed */
};

/* ---- the life of a peer ---- */

static void on_timer(struct timer *timer, void *ctx);

static struct uspdev_peer *peer_new(struct uspdev *uspdev)
{
    struct uspdev_peer *peer = calloc(1, sizeof(*peer));

    if (!peer)
        return NULL;
    peer->uspdev = uspdev;
    timer_init(&peer->timer, on_timer, peer);
    return peer;
}

void uspdev_peer_free(struct uspdev_peer *peer)
{
    if (!peer)
        return;
    timer_cancel(peer->uspdev->host.timers, &peer->timer);
    if (peer->eid && map_get(&peer->uspdev->by_eid, str_of(peer->eid)) == peer)
        map_remove(&peer->uspdev->by_eid, str_of(peer->eid));
    if (peer->session)
        peer->session->peer = NULL;
    free(peer->eid);
    free(peer->topic);
    free(peer->failure);
    free(peer);
}

struct uspdev_peer *uspdev_peer_of_eid(struct uspdev *uspdev, struct str eid)
{
    struct uspdev_peer *peer = peer_new(uspdev);

    if (!peer)
        return NULL;
    peer->eid = str_dup(eid.data, eid.len);
    if (!peer->eid || map_put(&uspdev->by_eid, str_of(peer->eid), peer) < 0) {
        uspdev_peer_free(peer);
        return NULL;
    }
    return peer;
}

void uspdev_reject(struct uspdev_peer *peer, const char *why)
{
    const char *name = peer->session ? peer->session->address : peer->eid;

    registry_reject(peer->uspdev->host.registry, peer->device, name, why);
}

void uspdev_drop_candidate(struct uspdev_peer *peer, const char *why)
{
    const struct lan *lan = peer->uspdev->host.lan;
    struct lan_session *session = peer->session;

    uspdev_reject(peer, why);
    if (session) {
        session->peer = NULL;
        peer->session = NULL;
        lan->close(lan->ctx, session, why);
        uspdev_peer_free(peer);
        return;
    }
    uspdev_forget_requests(peer);
    peer->ignore = uspdev_now(peer) + USPDEV_IGNORE_MS;
    uspdev_schedule(peer);
}

void uspdev_schedule(struct uspdev_peer *peer)
{
    uint64_t now = uspdev_now(peer), due = uspdev_next_due(peer);

    if (peer->ignore && peer->ignore < due)
        due = peer->ignore;
    if (peer->session && !peer->eid && peer->quiet < due)
        due = peer->quiet;
    if (peer->device && peer->device->online) {
        if (peer->quiet < due)
            due = peer->quiet;
        if (peer->update.state != USPDEV_UPDATE_NONE && peer->update.poll < due)
            due = peer->update.poll;
    }
    if (due == UINT64_MAX)
        timer_cancel(peer->uspdev->host.timers, &peer->timer);
    else
        timer_arm(peer->uspdev->host.timers, &peer->timer, due > now ? due - now : 0);
}

static void on_timer(struct timer *timer, void *ctx)
{
    struct uspdev_peer *peer = ctx;
    uint64_t now = uspdev_now(peer);

    (void)timer;
    if (peer->ignore && peer->ignore <= now) {
        peer->uspdev->candidates--;
        uspdev_peer_free(peer);
        return;
    }
    if (peer->session && !peer->eid && peer->quiet <= now) {
        uspdev_drop_candidate(peer, "it does not say its Endpoint ID");
        return;
    }
    if (uspdev_expire(peer, now) < 0)
        return;
    if (peer->device && peer->device->online) {
        bool is_updating = peer->update.state != USPDEV_UPDATE_NONE && peer->update.poll <= now;
        bool is_quiet = peer->quiet <= now;

        if (is_quiet)
            peer->quiet = now + QUIET_MS;
        if (is_updating)
            peer->update.poll = now + USPDEV_POLL_MS;
        if (is_quiet || is_updating)
            uspdev_call(peer, USPDEV_INFO, NULL);
    }
    uspdev_schedule(peer);
}

void uspdev_offline(struct uspdev_peer *peer, bool left)
{
    uspdev_forget_requests(peer);
    peer->subscribed = false;
    if (left)
        uspdev_update_lost(peer);
    device_set_online(peer->device, false);
    registry_announce(peer->device);
    uspdev_schedule(peer);
}

enum device_grade uspdev_grade(const struct uspdev_peer *peer)
{
    const struct lan_session *session = peer->session;

    if (session)
        return session->certificate && tls_certificate_names(session->certificate, peer->eid)
                   ? DEVICE_GRADE_A
                   : DEVICE_GRADE_C;
    return peer->uspdev->host.device_credentials && peer->proven_topic ? DEVICE_GRADE_B : DEVICE_GRADE_C;
}

uint64_t uspdev_random(struct uspdev *uspdev)
{
    uint64_t counter = ++uspdev->ids;

    return map_hash(uspdev->seed, &counter, sizeof(counter));
}

/* ---- records ---- */

bool uspdev_may_speak(struct uspdev_peer *peer)
{
    const struct lan *lan = peer->uspdev->host.lan;
    uint64_t now = uspdev_now(peer);

    if (peer->device ? device_contacted(peer->device)
                     : rate_take(&peer->messages, now, CANDIDATE_INTERVAL_MS, CANDIDATE_BURST)) {
        if (peer->eid)
            peer->quiet = now + QUIET_MS;
        return true;
    }
    if (!peer->device)
        uspdev_reject(peer, "too many messages before it said who it is");
    if (peer->session && ++peer->excess == EXCESS_MAX)
        lan->close(lan->ctx, peer->session, "too many messages");
    return false;
}

const char *uspdev_read_record(const struct uspdev *uspdev, struct str data, struct usp_record *ret)
{
    if (usp_record_parse(data, ret, NULL) < 0)
        return "it sends what is no USP record";
    if (!str_is(ret->to_id, uspdev->host.endpoint_id))
        return "its record is addressed to another endpoint";
    if (usp_endpoint_id_check(ret->from_id, NULL) < 0 || str_is(ret->from_id, uspdev->host.endpoint_id))
        return "its record is from no Endpoint ID that a device may have";
    return NULL;
}

/* May free the peer. */
static void payload_in(struct uspdev_peer *peer, const struct usp_record *record)
{
    struct usp_client_message message;
    struct error err;

    if (record->payload_security != USP_RECORD_RECORD_PAYLOAD_SECURITY_PLAINTEXT) {
        uspdev_reject(peer, "its record has payload security outside of a session");
        return;
    }
    if (usp_client_parse(record->payload, &message, &err) < 0) {
        uspdev_reject(peer, err.message);
        return;
    }
    if (message.type == USP_HEADER_MSG_TYPE_NOTIFY) {
        uspdev_notified(peer, &message);
        return;
    }
    uspdev_answer(peer, &message);
}

/* It connected anew: after a restart, or only so. */
static void connected(struct uspdev_peer *peer)
{
    if (!rate_take(&peer->presence, uspdev_now(peer), PRESENCE_INTERVAL_MS, PRESENCE_BURST)) {
        uspdev_reject(peer, "it comes and goes too often");
        return;
    }
    uspdev_forget_requests(peer); /* asked of a connection that is gone */
    peer->subscribed = false;
    uspdev_update_lost(peer);
    uspdev_greet(peer);
    uspdev_call(peer, USPDEV_INFO, NULL);
}

void uspdev_record_in(struct uspdev_peer *peer, const struct usp_record *record)
{
    switch (record->type) {
    case USP_RECORD_NO_SESSION:
        if (peer->device && !peer->device->online)
            uspdev_call(peer, USPDEV_INFO, NULL);
        payload_in(peer, record);
        break;
    case USP_RECORD_SESSION:
        uspdev_reject(peer, "it begins an end-to-end session, which is not offered to devices");
        break;
    case USP_RECORD_DISCONNECT: /* over a WebSocket its end follows */
        if (!peer->session && peer->device && peer->device->online)
            uspdev_offline(peer, true);
        break;
    case USP_RECORD_MQTT_CONNECT:
        if (!peer->session && peer->device)
            connected(peer);
        break;
    case USP_RECORD_WEBSOCKET_CONNECT:
    case USP_RECORD_STOMP_CONNECT:
    case USP_RECORD_UDS_CONNECT:
        break; /* a session was greeted when it said its name */
    }
}

/* ---- WebSocket ---- */

static char *name_of(const struct websocket_request *request)
{
    return usp_endpoint_of_handshake(request->query, request->extensions);
}

static int opened(void *ctx, struct lan_session *session)
{
    struct uspdev_peer *peer = peer_new(ctx);

    if (!peer)
        return -1;
    peer->session = session;
    session->peer = peer;
    peer->quiet = uspdev_now(peer) + NAMELESS_MS;
    uspdev_schedule(peer);
    if (session->name)
        uspdev_claim(peer, str_of(session->name));
    return 0;
}

static void websocket_message(void *ctx, struct lan_session *session, bool binary, const uint8_t *data,
                              size_t len)
{
    struct uspdev_peer *peer = session->peer;
    struct uspdev *uspdev = ctx;
    struct usp_record record;
    const char *wrong;

    if (!peer || !uspdev_may_speak(peer))
        return;
    wrong = binary ? uspdev_read_record(uspdev, (struct str){(const char *)data, len}, &record)
                   : "it sends text where records are binary"; /* R-WS.14 */
    if (!wrong && peer->eid && !str_is(record.from_id, peer->eid))
        wrong = "it speaks in the name of another endpoint";
    if (wrong && !peer->device)
        uspdev_drop_candidate(peer, wrong);
    else if (wrong)
        uspdev_reject(peer, wrong);
    if (wrong)
        return;
    if (!peer->eid)
        peer = uspdev_claim(peer, record.from_id);
    if (peer)
        uspdev_record_in(peer, &record);
}

static void closed(void *ctx, struct lan_session *session)
{
    struct uspdev_peer *peer = session->peer;

    (void)ctx;
    if (!peer)
        return;
    session->peer = NULL;
    peer->session = NULL;
    if (peer->device)
        uspdev_offline(peer, true);
    else
        uspdev_peer_free(peer);
}

/* ---- the context ---- */

static void *create(const struct dialect_host *host)
{
    static const uint64_t fixed[2] = {0x686f6d6570617463, 0x7573702d6c616e21}; /* the same in every life */
    struct uspdev *uspdev = calloc(1, sizeof(*uspdev));

    if (!uspdev)
        return NULL;
    uspdev->host = *host;
    map_init(&uspdev->by_eid);
    snprintf(uspdev->listens, sizeof(uspdev->listens), "%s/" USPDEV_CONTROLLER, host->source);
    snprintf(uspdev->speaks, sizeof(uspdev->speaks), "%s/" USPDEV_AGENT "/", host->source);
    snprintf(uspdev->tag, sizeof(uspdev->tag), "hp%08" PRIx32 "-",
             (uint32_t)map_hash(fixed, host->endpoint_id, strlen(host->endpoint_id)));
    if (getrandom(uspdev->seed, sizeof(uspdev->seed), 0) != (ssize_t)sizeof(uspdev->seed)) {
        free(uspdev);
        return NULL;
    }
    return uspdev;
}

static void destroy(void *ctx)
{
    struct uspdev *uspdev = ctx;
    struct uspdev_peer *peer;
    size_t at = 0;

    if (!uspdev)
        return;
    while ((peer = map_next(&uspdev->by_eid, &at)))
        uspdev_peer_free(peer);
    map_done(&uspdev->by_eid);
    free(uspdev);
}

static int restore(void *ctx, struct device *device)
{
    struct uspdev *uspdev = ctx;
    const char *topic = device->text[DEVICE_ADDRESS];
    struct uspdev_peer *peer = uspdev_peer_of_eid(uspdev, str_of(device_id(device)));

    if (!peer)
        return -1;
    if (topic && uspdev_may_listen(uspdev, str_of(device_id(device)), str_of(topic)) &&
        str_replace(&peer->topic, topic) < 0) {
        uspdev_peer_free(peer);
        return -1;
    }
    peer->device = device;
    device->dialect_data = peer;
    return 0;
}

static void forget(struct device *device)
{
    struct uspdev_peer *peer = device->dialect_data;

    device->dialect_data = NULL;
    if (peer && peer->session) {
        const struct lan *lan = peer->uspdev->host.lan;

        peer->session->peer = NULL;
        lan->close(lan->ctx, peer->session, "the device is forgotten");
        peer->session = NULL;
    }
    uspdev_peer_free(peer);
}

static void identify(struct device *device)
{
    if (device->dialect_data)
        uspdev_call(device->dialect_data, USPDEV_INFO, NULL);
}

const struct dialect uspdev_dialect = {
    .name = "usp",
    .mqtt_protocol = "USP-MQTT",
    .websocket_protocol = "USP-WebSocket",
    .firmware = &uspdev_firmware_ops,
    .create = create,
    .destroy = destroy,
    .restore = restore,
    .forget = forget,
    .identify = identify,
    .subscriptions = uspdev_subscriptions,
    .broker = uspdev_broker,
    .mqtt_message = uspdev_mqtt_message,
    .websocket_path = "/usp",
    .websocket_subprotocol = "v1.usp",
    .name_of = name_of,
    .opened = opened,
    .message = websocket_message,
    .closed = closed,
};
