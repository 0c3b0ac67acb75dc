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

bool uspdev_may_listen(const struct uspdev *uspdev, struct str topic)
{
    if (topic.len >= USPDEV_TOPIC_MAX || !str_starts(topic, str_of(uspdev->speaks)) ||
        topic.len == strlen(uspdev->speaks))
        return false;
    for (size_t i = 0; i < topic.len; i++)
        if ((unsigned char)topic.data[i] <= ' ' || topic.data[i] == '+' || topic.data[i] == '#')
            return false;
    return true;
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

/* Where the device listens, as this record says. -1: it may not, or memory is out. */
static int learn_topic(struct uspdev_peer *peer, const struct usp_record *record, const char *reply)
{
    uint64_t version = USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1; /* proto3: not written */
    char fallback[4 * USPDEV_TOPIC_MAX];
    struct str topic = str_of(reply);
    char *copy;

    if (record->type == USP_RECORD_MQTT_CONNECT) {
        read_connect(record, &topic, &version);
        peer->version_3_1_1 = version == USP_RECORD_MQTT_CONNECT_RECORD_MQTT_VERSION_V3_1_1;
    } else if (reply) {
        peer->version_3_1_1 = true;
    }
    if (!topic.len && peer->topic)
        return 0;
    if (!topic.len) {
        snprintf(fallback, sizeof(fallback), "%s%s", peer->uspdev->speaks, peer->eid);
        topic = str_of(fallback);
    }
    if (peer->topic && str_is(topic, peer->topic))
        return 0;
    if (!uspdev_may_listen(peer->uspdev, topic))
        return -1;
    copy = str_dup(topic.data, topic.len);
    if (!copy)
        return -1;
    free(peer->topic);
    peer->topic = copy;
    if (peer->device) {
        device_set(peer->device, DEVICE_ADDRESS, peer->topic);
        registry_announce(peer->device);
    }
    return 0;
}

/* A new candidate at the broker, asked who it is. */
static void introduce(struct uspdev *uspdev, const struct usp_record *record, const char *reply, bool proven)
{
    struct registry *registry = uspdev->host.registry;
    struct uspdev_peer *peer = NULL;

    if (uspdev->candidates < LIMIT_LAN_CANDIDATES)
        peer = uspdev_peer_of_eid(uspdev, record->from_id);
    if (!peer) {
        registry_reject(registry, NULL, "the broker", "too many unknown endpoints");
        return;
    }
    peer->proven_topic = proven;
    uspdev->candidates++;
    if (learn_topic(peer, record, reply) < 0) {
        uspdev_drop_candidate(peer, "it listens on a topic that is not below the gateway's usp/agent/");
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

static void broker_record(struct uspdev *uspdev, struct str level, const char *reply, struct str data)
{
    struct registry *registry = uspdev->host.registry;
    struct uspdev_peer *peer;
    struct usp_record record;
    const char *wrong = uspdev_read_record(uspdev, data, &record);

    if (!wrong && level.len && !str_equal(level, record.from_id))
        wrong = "a record on the topic of another endpoint";
    if (wrong) {
        registry_reject(registry, NULL, "the broker", wrong);
        return;
    }
    peer = map_get(&uspdev->by_eid, record.from_id);
    if (!peer) {
        introduce(uspdev, &record, reply, level.len != 0);
        return;
    }
    if (peer->ignore || !believable(peer, level.len != 0) || !uspdev_may_speak(peer))
        return;
    peer->proven_topic = level.len != 0;
    if (learn_topic(peer, &record, reply) < 0)
        uspdev_reject(peer, "it listens on a topic that is not below the gateway's usp/agent/");
    else
        uspdev_record_in(peer, &record);
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
    if (message->retain) /* a record is said once */
        return true;
    reply = usp_reply_of_topic(message->topic);
    broker_record(uspdev, level, reply, (struct str){(const char *)message->payload, message->len});
    free(reply);
    return true;
}

void uspdev_broker(void *ctx, bool is_connected)
{
    struct uspdev *uspdev = ctx;
    struct registry *registry = uspdev->host.registry;

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
