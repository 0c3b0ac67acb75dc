/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our rows in the device's Subscription table. They outlive restarts of both sides, so they are looked for before they are
 * made: by an ID that is this gateway's. One that is not as it should be goes and is made anew. What a device refuses, it
 * lacks: its state is then looked at instead.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/uspdev_peer.h"

static const struct str TABLE = {"Device.LocalAgent.Subscription.", 31};

enum {
    ROWS_MAX = 32, /* rows with our IDs that are looked at */
    ID_BYTES = 40,
    PATH_BYTES = 64,
    EXPIRATION_S = 3600, /* what the device could not tell us by then is no news */
};

static const struct subscription {
    const char *name;
    const char *type;
    const char *references;
} subscriptions[USPDEV_SUBSCRIPTIONS] = {
    {"version", "ValueChange", "Device.DeviceInfo.SoftwareVersion"},
    {"download", "OperationComplete", "Device.DeviceInfo.FirmwareImage.*.Download()"},
    {"activate", "OperationComplete", "Device.DeviceInfo.FirmwareImage.*.Activate()"},
    {"transfer", "Event", "Device.LocalAgent.TransferComplete!"},
    {"boot", "Event", "Device.Boot!"},
};

/* ---- what is there ---- */

struct row {
    uint32_t instance;
    uint8_t which;
    bool enabled, right_type, right_references;
};

struct reading {
    const struct uspdev_peer *peer;
    struct row rows[ROWS_MAX];
    size_t count;
};

static uint32_t instance_of(struct str path)
{
    uint64_t number;
    struct str part;

    if (!str_starts(path, TABLE))
        return 0;
    path = (struct str){path.data + TABLE.len, path.len - TABLE.len};
    return str_next(&path, '.', &part) && path.len == 0 && str_to_u64(part, &number) == 0 &&
                   number <= UINT32_MAX
               ? (uint32_t)number
               : 0;
}

/* Index of our subscription with this ID, or -1: another's. */
static int which_of(const struct uspdev_peer *peer, struct str id)
{
    struct str tag = str_of(peer->uspdev->tag);

    if (!str_starts(id, tag))
        return -1;
    id = (struct str){id.data + tag.len, id.len - tag.len};
    for (int i = 0; i < USPDEV_SUBSCRIPTIONS; i++)
        if (str_is(id, subscriptions[i].name))
            return i;
    return -1;
}

static int find_ours(void *ctx, const struct usp_client_fact *fact)
{
    struct reading *reading = ctx;
    int which;

    if (fact->kind != USP_FACT_VALUE || !str_is(fact->name, "ID") || reading->count == ROWS_MAX)
        return 0;
    which = which_of(reading->peer, fact->value);
    if (which >= 0 && instance_of(fact->path))
        reading->rows[reading->count++] = (struct row){.instance = instance_of(fact->path),
                                                       .which = (uint8_t)which};
    return 0;
}

static int look_at_ours(void *ctx, const struct usp_client_fact *fact)
{
    struct reading *reading = ctx;
    uint32_t instance = fact->kind == USP_FACT_VALUE ? instance_of(fact->path) : 0;

    for (size_t i = 0; instance && i < reading->count; i++) {
        struct row *row = &reading->rows[i];
        const struct subscription *wanted = &subscriptions[row->which];

        if (row->instance != instance)
            continue;
        if (str_is(fact->name, "Enable"))
            str_to_bool(fact->value, &row->enabled);
        else if (str_is(fact->name, "NotifType"))
            row->right_type = str_is(fact->value, wanted->type);
        else if (str_is(fact->name, "ReferenceList"))
            row->right_references = str_is(fact->value, wanted->references);
    }
    return 0;
}

/* ---- what is to go, and to come ---- */

static void write_unsubscribe(struct uspdev_peer *peer, struct buf *buf, struct str msg_id, void *ctx)
{
    const struct reading *reading = ctx;
    char texts[ROWS_MAX][PATH_BYTES];
    struct str paths[ROWS_MAX];
    size_t count = 0;

    (void)peer;
    for (size_t i = 0; i < reading->count; i++) {
        if (!reading->rows[i].instance)
            continue;
        snprintf(texts[count], sizeof(texts[count]), "%.*s%u.", (int)TABLE.len, TABLE.data,
                 reading->rows[i].instance);
        paths[count] = str_of(texts[count]);
        count++;
    }
    usp_client_delete(buf, msg_id, paths, count, true);
}

void uspdev_subscription_read(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    struct reading reading = {.peer = peer};
    uint8_t found = 0;
    bool has_wrong = false;

    if (usp_client_read(message, find_ours, &reading, NULL) < 0 ||
        usp_client_read(message, look_at_ours, &reading, NULL) < 0) {
        uspdev_reject(peer, "its Subscription table cannot be read");
        return;
    }
    /* What stays in the list is deleted: instance 0 takes a row off it. */
    for (size_t i = 0; i < reading.count; i++) {
        struct row *row = &reading.rows[i];

        if (row->enabled && row->right_type && row->right_references && !(found & 1u << row->which)) {
            found |= (uint8_t)(1u << row->which);
            row->instance = 0;
        } else {
            has_wrong = true;
        }
    }
    if (has_wrong)
        uspdev_call_with(peer, USPDEV_UNSUBSCRIBE, write_unsubscribe, &reading, NULL);
    peer->wanted = (uint8_t)(((1u << USPDEV_SUBSCRIPTIONS) - 1) & ~found & ~peer->missing);
    if (peer->wanted)
        uspdev_call(peer, USPDEV_SUBSCRIBE, NULL);
}

/* NotifRetry: what the device tells while the gateway restarts is told again. Persistent: also after its own restart. */
void uspdev_write_subscribe(struct uspdev_peer *peer, struct buf *buf, struct str msg_id)
{
    struct usp_client_object objects[USPDEV_SUBSCRIPTIONS];
    struct usp_client_pair params[USPDEV_SUBSCRIPTIONS][7];
    char ids[USPDEV_SUBSCRIPTIONS][ID_BYTES], expiration[12];
    size_t count = 0;

    snprintf(expiration, sizeof(expiration), "%d", EXPIRATION_S);
    for (size_t i = 0; i < USPDEV_SUBSCRIPTIONS; i++) {
        struct usp_client_pair *param = params[count];

        if (!(peer->wanted & 1u << i))
            continue;
        snprintf(ids[count], ID_BYTES, "%s%s", peer->uspdev->tag, subscriptions[i].name);
        param[0] = (struct usp_client_pair){STR("ID"), str_of(ids[count]), true};
        param[1] = (struct usp_client_pair){STR("NotifType"), str_of(subscriptions[i].type), true};
        param[2] = (struct usp_client_pair){STR("ReferenceList"), str_of(subscriptions[i].references), true};
        param[3] = (struct usp_client_pair){STR("Enable"), STR("true"), true};
        param[4] = (struct usp_client_pair){STR("Persistent"), STR("true"), false};
        param[5] = (struct usp_client_pair){STR("NotifRetry"), STR("true"), false};
        param[6] = (struct usp_client_pair){STR("NotifExpiration"), str_of(expiration), false};
        objects[count++] = (struct usp_client_object){TABLE, param, 7};
    }
    usp_client_add(buf, msg_id, objects, count, true);
}

struct outcome {
    uint8_t wanted, missing;
    unsigned at; /* which of those that were to be added */
};

/* Objects are answered in the order in which they were asked for. */
static int on_added(void *ctx, const struct usp_client_fact *fact)
{
    struct outcome *outcome = ctx;

    if (fact->kind != USP_FACT_CREATED && (fact->kind != USP_FACT_FAILURE || fact->name.len))
        return 0;
    while (outcome->at < USPDEV_SUBSCRIPTIONS && !(outcome->wanted & 1u << outcome->at))
        outcome->at++;
    if (outcome->at < USPDEV_SUBSCRIPTIONS && fact->kind == USP_FACT_FAILURE)
        outcome->missing |= (uint8_t)(1u << outcome->at);
    outcome->at++;
    return 0;
}

void uspdev_subscribe_answered(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    struct outcome outcome = {.wanted = peer->wanted};

    if (usp_client_read(message, on_added, &outcome, NULL) < 0) {
        uspdev_reject(peer, "its answer to Add is malformed");
        return;
    }
    peer->missing |= outcome.missing;
    peer->wanted = 0;
}

/* All of it: the device has no such table, or does not let us. */
void uspdev_subscribe_refused(struct uspdev_peer *peer)
{
    peer->missing = (1u << USPDEV_SUBSCRIPTIONS) - 1;
    peer->wanted = 0;
}
