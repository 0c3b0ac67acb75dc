/* SPDX-License-Identifier: BSD-3-Clause */
/* USP devices at the LAN's broker: whose record a message is, and where its sender may be answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/uspdev_peer.h"
#include "usp/fields.h"
#include "usp/pb.h"

void uspdev_subscriptions(void *ctx, void (*add)(void *add_ctx, const char *topic), void *add_ctx)
{
    struct uspdev *uspdev = ctx;
    char topic[4 * USPDEV_TOPIC_MAX];

    snprintf(topic, sizeof(topic), "%s/#", uspdev->listens);
    add(add_ctx, topic);
}

bool uspdev_may_listen(const struct uspdev *uspdev, struct str eid, struct str topic)
{
    struct str speaks = str_of(uspdev->speaks);

    return str_starts(topic, speaks) &&
           str_equal((struct str){topic.data + speaks.len, topic.len - speaks.len}, eid);
}

/* subscribed_topic and version of an MQTTConnect record. */
static void read_connect(const struct usp_record *record, struct str *ret_topic, uint64_t *ret_version)
{
    struct pb_reader reader = pb_reader(record->body);
    struct pb_field field;

    while (pb_next(&reader, &field) > 0) {
        if (field.number == USP_RECORD_MQTT_CONNECT_RECORD_SUBSCRIBED_TOPIC)
            pb_text(&field, ret_topic);
        else if (field.number == USP_RECORD_MQTT_CONNECT_RECORD_VERSION)
            pb_number(&field, ret_version);
    }
    if (ret_topic->len > 2 && memcmp(ret_topic->data + ret_topic->len - 2, "/#", 2) == 0)
        ret_topic->len -= 2;
}

/*
 * Where a record says that its sender listens: "" when it does not say. A device that named another's topic would have that one get
 * what is for itself, and answer in its place what it can: it may have its own only, as the access list has it.
 */
static struct str said_topic(const struct usp_record *record, const char *reply, bool *ret_version_3_1_1)
{
    uint64_t version = USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1; /* proto3: not written */
    struct str topic = str_of(reply);

    *ret_version_3_1_1 = reply != NULL;
    if (record->type == USP_RECORD_MQTT_CONNECT) {
        read_connect(record, &topic, &version);
        *ret_version_3_1_1 = version == USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1;
    }
    return topic;
}

/* The device is reached at its own topic from now on. -1: memory is out. */
static int reach(struct uspdev_peer *peer, const struct usp_record *record, bool version_3_1_1)
{
    char topic[4 * USPDEV_TOPIC_MAX];

    if (record->type == USP_RECORD_MQTT_CONNECT || version_3_1_1)
        peer->version_3_1_1 = version_3_1_1;
    if (peer->topic)
        return 0;
    snprintf(topic, sizeof(topic), "%s%s", peer->uspdev->speaks, peer->eid);
    if (str_replace(&peer->topic, topic) < 0)
        return -1;
    if (peer->device) {
        device_set(peer->device, DEVICE_ADDRESS, peer->topic);
        registry_announce(peer->device);
    }
    return 0;
}

/* A new candidate at the broker, asked who it is. */
static void introduce(struct uspdev *uspdev, const struct usp_record *record, bool version_3_1_1, bool proven)
{
    struct registry *registry = uspdev->host.registry;
    struct uspdev_peer *peer = NULL;

    if (uspdev->candidates < registry->limits->lan_candidates)
        peer = uspdev_peer_of_eid(uspdev, record->from_id);
    if (!peer) {
        registry_reject(registry, NULL, "the broker", "too many unknown endpoints (limit_lan_candidates)");
        return;
    }
    peer->proven_topic = proven;
    uspdev->candidates++;
    if (reach(peer, record, version_3_1_1) < 0) {
        uspdev_drop_candidate(peer, "out of memory");
        return;
    }
    uspdev_greet(peer);
    uspdev_call(peer, USPDEV_PROTOCOL, NULL);
    uspdev_call(peer, USPDEV_INFO, NULL);
}

/* Whether a record that came this way may be this peer's; counts it when not. */
static bool believable(struct uspdev_peer *peer, bool proven)
{
    enum device_grade grade = peer->uspdev->host.device_credentials && proven ? DEVICE_GRADE_B
                                                                              : DEVICE_GRADE_C;

    if (peer->session)
        uspdev_reject(peer, "a record at the broker from a device that is connected by WebSocket");
    else if (peer->device && grade > peer->device->grade && !peer->device->accept_identity)
        uspdev_reject(peer, "a record at the broker from a device that is known by better proof");
    else
        return true;
    return false;
}

/* Why a record cannot be its sender's; NULL: it can. retained: it was said before we listened, by a device that may be gone. */
static const char *misplaced(const struct usp_record *record, struct str level, bool retained)
{
    if (level.len && !str_equal(level, record->from_id))
        return "a record on the topic of another endpoint";
    if (retained && record->type != USP_RECORD_MQTT_CONNECT)
        return "a record is retained at the broker that is no MQTTConnect";
    return NULL;
}

/* foreign: what is wrong with the topic that it listens on, or NULL. */
static void known_record(struct uspdev_peer *peer, const struct usp_record *record, bool version_3_1_1,
                         bool proven, const char *foreign)
{
    if (peer->ignore || !believable(peer, proven) || !uspdev_may_speak(peer))
        return;
    peer->proven_topic = proven;
    if (foreign)
        uspdev_reject(peer, foreign);
    else if (reach(peer, record, version_3_1_1) == 0)
        uspdev_record_in(peer, record);
}

static void broker_record(struct uspdev *uspdev, struct str level, const char *reply, bool retained,
                          struct str data)
{
    struct usp_record record;
    bool version_3_1_1 = false, proven = level.len != 0;
    const char *foreign = NULL, *wrong = uspdev_read_record(uspdev, data, &record);
    struct uspdev_peer *peer = NULL;

    if (!wrong)
        wrong = misplaced(&record, level, retained);
    if (!wrong) {
        struct str topic = said_topic(&record, reply, &version_3_1_1);

        peer = map_get(&uspdev->by_eid, record.from_id);
        if (topic.len && !uspdev_may_listen(uspdev, record.from_id, topic))
            foreign =
                "it listens on another topic than its own, which is its Endpoint ID below the gateway's "
                "usp/agent/";
    }
    if (wrong || (foreign && !peer))
        registry_reject(uspdev->host.registry, NULL, "the broker", wrong ? wrong : foreign);
    else if (!peer)
        introduce(uspdev, &record, version_3_1_1, proven);
    else if (!retained) /* who is known was asked when we connected */
        known_record(peer, &record, version_3_1_1, proven, foreign);
}

bool uspdev_mqtt_message(void *ctx, const struct mqtt_message *message)
{
    struct uspdev *uspdev = ctx;
    struct str topic = usp_topic_without_reply(message->topic), listens = str_of(uspdev->listens), level;
    char *reply;

    if (!str_starts(topic, listens) || (topic.len > listens.len && topic.data[listens.len] != '/'))
        return false;
    level = (struct str){topic.data + listens.len, topic.len - listens.len};
    if (level.len)
        level = (struct str){level.data + 1, level.len - 1};
    reply = usp_reply_of_topic(message->topic);
    broker_record(uspdev, level, reply, message->retain,
                  (struct str){(const char *)message->payload, message->len});
    free(reply);
    return true;
}

void uspdev_broker(void *ctx, bool is_connected)
{
    struct uspdev *uspdev = ctx;
    struct registry *registry = uspdev->host.registry;

    if (is_connected)
        uspdev_ask_anew(uspdev);
    for (uint32_t i = 0; i < registry->count; i++) {
        struct device *device = registry->devices[i];
        struct uspdev_peer *peer = device->dialect_data;

        if (device->dialect != &uspdev_dialect || !peer || peer->session)
            continue;
        if (is_connected)
            uspdev_call(peer, USPDEV_INFO, NULL); /* nothing retained says who is there */
        else if (device->online)
            uspdev_offline(peer, false);
    }
}
