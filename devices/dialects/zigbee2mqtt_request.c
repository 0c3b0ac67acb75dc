/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to a bridge, and answers matched to what was asked. An answer that tells of a failure does not say which device
 * it is about: only the transaction does. Transactions name the row of the device and cannot be guessed.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/zigbee2mqtt_peer.h"
#include "devices/dialects/topics.h"

enum {
    REQUEST_BYTES = 512, /* without an image */
    REASON_MAX = 4096,
};

static void got_check(struct z2m_peer *peer, const cJSON *data, const char *failure)
{
    (void)data;
    z2m_check_done(peer, failure);
}

static void got_schedule(struct z2m_peer *peer, const cJSON *data, const char *failure)
{
    (void)data;
    z2m_schedule_done(peer, failure);
}

static void got_unschedule(struct z2m_peer *peer, const cJSON *data, const char *failure)
{
    (void)data;
    z2m_unschedule_done(peer, failure);
}

static const struct verb {
    const char *topic;
    uint32_t timeout_ms; /* 0: until the update ends */
    uint8_t tries;
    void (*done)(struct z2m_peer *peer, const cJSON *data, const char *failure);
} verbs[] = {
    /* The bridge asks the device, which may take a minute to say that it is not there, and then the Internet. */
    [Z2M_CHECK] = {"check", 120000, 1, got_check},
    [Z2M_UPDATE] = {"update", 0, 1, z2m_update_done},
    [Z2M_UPDATE_DOWN] = {"update/downgrade", 0, 1, z2m_update_done},
    [Z2M_SCHEDULE] = {"schedule", 30000, 1, got_schedule},
    [Z2M_SCHEDULE_DOWN] = {"schedule/downgrade", 30000, 1, got_schedule},
    [Z2M_UNSCHEDULE] = {"unschedule", 30000, 3, got_unschedule},
    [Z2M_ABORT] = {"update/abort", 30000, 1, NULL},
};

static int publish(struct z2m_peer *peer, const struct z2m_request *request, const char *more,
                   struct error *err)
{
    const struct lan *lan = peer->z2m->host.lan;
    char topic[256];
    struct buf frame;
    int rc;

    snprintf(topic, sizeof(topic), "%s/" Z2M_REQUEST "%s", peer->bridge->base, verbs[request->verb].topic);
    buf_init(&frame, REQUEST_BYTES + (more ? strlen(more) : 0), 0);
    buf_printf(&frame, "{\"id\":\"%s\",\"transaction\":\"%s\"", z2m_ieee(peer), request->transaction);
    if (more)
        buf_append_str(&frame, more);
    buf_append_byte(&frame, '}');
    if (frame.failed)
        rc = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the request");
    else
        rc = lan->publish(lan->ctx,
                          &(struct mqtt_publication){
                              .topic = topic, .payload = buf_data(&frame), .len = frame.len, .qos = 1},
                          err);
    buf_done(&frame);
    return rc;
}

static void name_transaction(struct z2m_peer *peer, struct z2m_request *request)
{
    struct z2m *z2m = peer->z2m;
    uint64_t counter = ++z2m->ids;

    snprintf(request->transaction, sizeof(request->transaction), "homepatch-%u-%016llx",
             peer->device->instance, (unsigned long long)map_hash(z2m->seed, &counter, sizeof(counter)));
}

/* A free place for the request, the one that stands for it, or NULL. */
static struct z2m_request *place_for(struct z2m_peer *peer, enum z2m_verb verb, bool *ret_waits)
{
    struct z2m_request *free_one = NULL;

    *ret_waits = false;
    for (size_t i = 0; i < Z2M_PENDING; i++) {
        struct z2m_request *request = &peer->pending[i];

        if (request->verb == verb && verbs[verb].timeout_ms) {
            *ret_waits = true;
            return request;
        }
        if (request->verb == Z2M_NONE || request->verb == verb)
            free_one = request;
    }
    return free_one;
}

int z2m_call(struct z2m_peer *peer, enum z2m_verb verb, const char *more, struct error *err)
{
    uint64_t now = z2m_now(peer->z2m);
    struct z2m_request *request;
    bool waits;
    int rc;

    if (!peer->bridge || !peer->bridge->online)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the device's Zigbee2MQTT is offline");
    request = place_for(peer, verb, &waits);
    if (!request)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "too many requests about the device wait for answers");
    if (waits && !more)
        return 0;
    *request = (struct z2m_request){
        .verb = (uint8_t)verb,
        .tries = 1,
        .due = verbs[verb].timeout_ms ? now + verbs[verb].timeout_ms : UINT64_MAX,
    };
    name_transaction(peer, request);
    rc = publish(peer, request, more, err);
    if (rc < 0)
        request->verb = Z2M_NONE;
    z2m_schedule(peer);
    return rc;
}

/* "homepatch-12-...": the device of row 12, if it waits for that answer. */
static struct z2m_peer *asker(const struct z2m_bridge *bridge, const char *transaction,
                              struct z2m_request **ret_request)
{
    const struct z2m *z2m = bridge->z2m;
    struct str rest = str_of(transaction), part;
    struct device *device;
    struct z2m_peer *peer;
    uint64_t instance;

    if (!str_next(&rest, '-', &part) || !str_is(part, "homepatch") || !str_next(&rest, '-', &part) ||
        str_to_u64(part, &instance) < 0 || instance > UINT32_MAX)
        return NULL;
    device = registry_instance(z2m->host.registry, (uint32_t)instance);
    if (!device || device->dialect != &zigbee2mqtt_dialect)
        return NULL;
    peer = device->dialect_data;
    for (size_t i = 0; peer && peer->bridge == bridge && i < Z2M_PENDING; i++) {
        if (peer->pending[i].verb != Z2M_NONE && strcmp(peer->pending[i].transaction, transaction) == 0) {
            *ret_request = &peer->pending[i];
            return peer;
        }
    }
    return NULL;
}

void z2m_answer(struct z2m_bridge *bridge, const cJSON *response)
{
    const char *transaction = json_text(response, "transaction", Z2M_TRANSACTION_BYTES);
    const char *status = json_text(response, "status", Z2M_TEXT_BYTES);
    const char *failure = NULL;
    struct z2m_request *request;
    struct z2m_peer *peer = transaction ? asker(bridge, transaction, &request) : NULL;
    const struct verb *verb;

    if (!peer)
        return; /* late, or asked by somebody else: neither is worth a word */
    verb = &verbs[request->verb];
    request->verb = Z2M_NONE;
    if (!status || strcmp(status, "ok") != 0) {
        failure = json_text(response, "error", REASON_MAX);
        failure = failure ? failure : "no reason given";
    }
    if (verb->done)
        verb->done(peer, json_object(response, "data"), failure);
    z2m_schedule(peer);
}

void z2m_expire(struct z2m_peer *peer, uint64_t now)
{
    for (size_t i = 0; i < Z2M_PENDING; i++) {
        struct z2m_request *request = &peer->pending[i];
        const struct verb *verb = &verbs[request->verb];

        if (request->verb == Z2M_NONE || request->due > now)
            continue;
        if (request->tries < verb->tries && z2m_reachable(peer)) {
            request->tries++;
            request->due = now + verb->timeout_ms;
            publish(peer, request, NULL, NULL);
            continue;
        }
        request->verb = Z2M_NONE;
        if (verb->done)
            verb->done(peer, NULL, "no answer");
    }
}

void z2m_forget_requests(struct z2m_peer *peer)
{
    memset(peer->pending, 0, sizeof(peer->pending));
}

void z2m_forget_question(struct z2m_peer *peer, enum z2m_verb verb)
{
    for (size_t i = 0; i < Z2M_PENDING; i++)
        if (peer->pending[i].verb == verb)
            peer->pending[i].verb = Z2M_NONE;
}

uint64_t z2m_next_due(const struct z2m_peer *peer)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < Z2M_PENDING; i++)
        if (peer->pending[i].verb != Z2M_NONE && peer->pending[i].due < due)
            due = peer->pending[i].due;
    return due;
}
