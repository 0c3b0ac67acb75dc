/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands out, and how long their answers may take. Tasmota's answers carry no id: what was asked is told apart by the
 * topic and the name in it. Never to the topic of a group.
 */
#include <stdio.h>
#include <string.h>

#include "devices/dialects/tasmota_peer.h"

static void no_identity(struct tasmota_peer *peer)
{
    if (peer->device)
        tasmota_offline(peer);
    else
        tasmota_drop_candidate(peer, "it does not answer");
}

static const struct question {
    const char *command;
    const char *payload; /* NULL: the URL of the update */
    uint32_t timeout_ms;
    uint8_t tries;
    void (*failed)(struct tasmota_peer *peer);
} questions[] = {
    [TASMOTA_ALL] = {"STATUS", "0", 10000, 3, no_identity},
    [TASMOTA_VERSION] = {"STATUS", "2", 10000, 3, no_identity},
    [TASMOTA_SPACE] = {"STATUS", "4", 10000, 3, tasmota_update_unanswered},
    [TASMOTA_URL] = {"OtaUrl", NULL, 10000, 3, tasmota_update_unanswered},
    /* Not repeated: the first may have been taken although its answer was lost. */
    [TASMOTA_UPGRADE] = {"Upgrade", "1", 30000, 1, tasmota_update_unanswered},
    [TASMOTA_RESTART] = {"Restart", "1", 10000, 1, NULL},
};

int tasmota_tell(struct tasmota_peer *peer, const char *command, const char *payload, struct error *err)
{
    const struct lan *lan = peer->tasmota->host.lan;
    char topic[TASMOTA_TOPIC_MAX + 32];

    if (!peer->topics.command)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the device is offline");
    snprintf(topic, sizeof(topic), "%s%s", peer->topics.command, command);
    return lan->publish(
        lan->ctx,
        &(struct mqtt_publication){.topic = topic, .payload = payload, .len = strlen(payload), .qos = 1},
        err);
}

static int send_question(struct tasmota_peer *peer, const struct question *question, struct error *err)
{
    return tasmota_tell(peer, question->command, question->payload ? question->payload : peer->update.url,
                        err);
}

static struct tasmota_pending *find(struct tasmota_peer *peer, uint8_t question)
{
    for (size_t i = 0; i < TASMOTA_PENDING; i++)
        if (peer->pending[i].question == question)
            return &peer->pending[i];
    return NULL;
}

int tasmota_ask(struct tasmota_peer *peer, enum tasmota_question question, struct error *err)
{
    struct tasmota_pending *pending = find(peer, (uint8_t)question);
    const struct question *how = &questions[question];
    int rc;

    if (pending && how->tries > 1 && question != TASMOTA_URL)
        return 0;
    if (!pending)
        pending = find(peer, TASMOTA_NOTHING);
    if (!pending || !peer->topics.command)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "%s",
                         pending ? "the device is offline"
                                 : "too many questions to the device wait for answers");
    if (question == TASMOTA_ALL)
        peer->has_version = peer->has_mac = false;
    *pending = (struct tasmota_pending){
        .question = (uint8_t)question,
        .tries = 1,
        .due = clock_monotonic(peer->tasmota->host.clock) + how->timeout_ms,
    };
    rc = send_question(peer, how, err);
    /* What is tried more than once may go out with the next try. */
    if (rc < 0 && how->tries == 1)
        pending->question = TASMOTA_NOTHING;
    else
        rc = 0;
    tasmota_schedule(peer);
    return rc;
}

bool tasmota_asked(const struct tasmota_peer *peer, enum tasmota_question question)
{
    for (size_t i = 0; i < TASMOTA_PENDING; i++)
        if (peer->pending[i].question == question)
            return true;
    return false;
}

void tasmota_answered(struct tasmota_peer *peer, enum tasmota_question question)
{
    struct tasmota_pending *pending = find(peer, (uint8_t)question);

    if (pending)
        pending->question = TASMOTA_NOTHING;
}

void tasmota_expire(struct tasmota_peer *peer, uint64_t now)
{
    for (size_t i = 0; i < TASMOTA_PENDING; i++) {
        struct tasmota_pending *pending = &peer->pending[i];
        const struct question *how = &questions[pending->question];

        if (pending->question == TASMOTA_NOTHING || pending->due > now)
            continue;
        if (pending->tries < how->tries) {
            pending->tries++;
            pending->due = now + how->timeout_ms;
            send_question(peer, how, NULL);
            continue;
        }
        pending->question = TASMOTA_NOTHING;
        if (how->failed)
            how->failed(peer);
    }
}

void tasmota_ask_anew(struct tasmota *tasmota)
{
    uint64_t now = clock_monotonic(tasmota->host.clock);
    struct tasmota_peer *peer;
    size_t at = 0;

    while ((peer = map_next(&tasmota->by_status, &at))) {
        for (size_t i = 0; i < TASMOTA_PENDING; i++) {
            struct tasmota_pending *pending = &peer->pending[i];
            const struct question *how = &questions[pending->question];

            /* What is not repeated may have been heard. */
            if (pending->question == TASMOTA_NOTHING || how->tries == 1)
                continue;
            pending->due = now + how->timeout_ms;
            send_question(peer, how, NULL);
        }
        tasmota_schedule(peer);
    }
}

uint64_t tasmota_next_due(const struct tasmota_peer *peer)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < TASMOTA_PENDING; i++)
        if (peer->pending[i].question != TASMOTA_NOTHING && peer->pending[i].due < due)
            due = peer->pending[i].due;
    return due;
}
