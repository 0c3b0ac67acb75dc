/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to USP devices, and which answer belongs to which: by a message id that nobody else can guess. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/dialects/uspdev_peer.h"
#include "usp/fields.h"

enum {
    READ_MS = 15000,
    OPERATE_MS = 30000,
    READ_TRIES = 3,
    MSG_ID_BYTES = 24,
    REASON_BYTES = 200,
};

/* ---- what is asked ---- */

static void write_protocol(struct uspdev_peer *peer, struct buf *buf, struct str msg_id)
{
    (void)peer;
    usp_client_get_supported_protocol(buf, msg_id, STR("1.4,1.3,1.2,1.1,1.0"));
}

static void write_info(struct uspdev_peer *peer, struct buf *buf, struct str msg_id)
{
    /* Depth: of other objects below DeviceInfo. nothing is wanted. */
    static const struct str paths[] = {{"Device.DeviceInfo.", 18}, {"Device.DeviceInfo.FirmwareImage.", 32}};

    (void)peer;
    usp_client_get(buf, msg_id, paths, sizeof(paths) / sizeof(paths[0]), 2);
}

static void write_supported(struct uspdev_peer *peer, struct buf *buf, struct str msg_id)
{
    static const struct str paths[] = {{"Device.DeviceInfo.FirmwareImage.", 32}};

    (void)peer;
    usp_client_get_supported_dm(buf, msg_id, paths, 1, USP_CLIENT_FIRST_LEVEL | USP_CLIENT_COMMANDS);
}

static void write_subscription(struct uspdev_peer *peer, struct buf *buf, struct str msg_id)
{
    static const struct str paths[] = {{"Device.LocalAgent.Subscription.", 31}};

    (void)peer;
    usp_client_get(buf, msg_id, paths, 1, 0);
}

/* ---- what comes of it ---- */

static void on_info(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    struct uspdev_info info;
    struct error err = {0};

    if (uspdev_info_read(message, &info, &err) == 0)
        uspdev_identified(peer, &info);
    else if (peer->device)
        uspdev_reject(peer, err.message);
    else
        uspdev_drop_candidate(peer, err.message);
}

static void info_failed(struct uspdev_peer *peer, uint32_t code, const char *message)
{
    if (!peer->device)
        uspdev_drop_candidate(peer, code ? message : "it does not say what it is");
    else if (code)
        uspdev_reject(peer, message);
    else if (peer->device->online)
        uspdev_offline(peer, true);
}

static void on_supported(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    bool download, activate;

    if (uspdev_commands_read(message, &download, &activate) < 0) {
        uspdev_reject(peer, "GetSupportedDM answered with something else");
        return;
    }
    peer->lacks_download = !download;
    peer->lacks_activate = !activate;
}

static void subscription_failed(struct uspdev_peer *peer, uint32_t code, const char *message)
{
    (void)message;
    if (code)
        uspdev_subscribe_refused(peer);
}

/* The path of a Request row ends with its number. */
static uint32_t request_of(struct str path)
{
    static const struct str table = {"Device.LocalAgent.Request.", 26};
    uint64_t number;

    if (!str_starts(path, table))
        return 0;
    path = (struct str){path.data + table.len, path.len - table.len};
    if (path.len && path.data[path.len - 1] == '.')
        path.len--;
    return str_to_u64(path, &number) == 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

struct operated {
    bool started, failed, executed;
    uint32_t request;
    uint32_t code;
    char text[REASON_BYTES];
};

static int on_operated_fact(void *ctx, const struct usp_client_fact *fact)
{
    struct operated *operated = ctx;

    if (fact->kind == USP_FACT_STARTED) {
        operated->started = true;
        operated->request = request_of(fact->value);
    } else if (fact->kind == USP_FACT_EXECUTED) {
        operated->executed = true;
    } else if (fact->kind == USP_FACT_FAILURE && !operated->failed) {
        operated->failed = true;
        operated->code = fact->code;
        snprintf(operated->text, sizeof(operated->text), "%.*s",
                 (int)(fact->text.len > 160 ? 160 : fact->text.len), fact->text.data ? fact->text.data : "");
    }
    return 0;
}

static void operated(struct uspdev_peer *peer, enum uspdev_method method,
                     const struct usp_client_message *message)
{
    struct operated result = {.failed = false};

    if (usp_client_read(message, on_operated_fact, &result, NULL) < 0 ||
        (!result.failed && !result.started && !result.executed))
        uspdev_update_refused(peer, method, ERROR_MESSAGE_FAILED, "its answer to Operate is malformed");
    else if (result.failed)
        uspdev_update_refused(peer, method, result.code ? result.code : ERROR_COMMAND_FAILURE,
                              result.text[0] ? result.text : error_text(result.code));
    else
        uspdev_update_answered(peer, method, result.request);
}

static void on_download(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    operated(peer, USPDEV_DOWNLOAD, message);
}

static void download_failed(struct uspdev_peer *peer, uint32_t code, const char *message)
{
    uspdev_update_refused(peer, USPDEV_DOWNLOAD, code, message);
}

static void on_activate(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    operated(peer, USPDEV_ACTIVATE, message);
}

static void activate_failed(struct uspdev_peer *peer, uint32_t code, const char *message)
{
    uspdev_update_refused(peer, USPDEV_ACTIVATE, code, message);
}

static const struct method {
    void (*write)(struct uspdev_peer *peer, struct buf *buf, struct str msg_id);
    uint32_t answer; /* USP_HEADER_MSG_TYPE_* */
    void (*result)(struct uspdev_peer *peer, const struct usp_client_message *message); /* may be NULL */
    void (*failed)(struct uspdev_peer *peer, uint32_t code, const char *message);       /* may be NULL */
    uint32_t timeout_ms;
    uint8_t tries;
} methods[USPDEV_METHODS] = {
    [USPDEV_PROTOCOL] = {write_protocol, USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO_RESP, NULL, NULL, READ_MS,
                         1},
    [USPDEV_INFO] = {write_info, USP_HEADER_MSG_TYPE_GET_RESP, on_info, info_failed, READ_MS, READ_TRIES},
    [USPDEV_SUPPORTED] = {write_supported, USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM_RESP, on_supported, NULL,
                          READ_MS, READ_TRIES},
    [USPDEV_SUBSCRIPTION] = {write_subscription, USP_HEADER_MSG_TYPE_GET_RESP, uspdev_subscription_read,
                             subscription_failed, READ_MS, READ_TRIES},
    [USPDEV_SUBSCRIBE] = {uspdev_write_subscribe, USP_HEADER_MSG_TYPE_ADD_RESP, uspdev_subscribe_answered,
                          subscription_failed, READ_MS, 1},
    [USPDEV_UNSUBSCRIBE] = {NULL, USP_HEADER_MSG_TYPE_DELETE_RESP, NULL, NULL, READ_MS, 1},
    [USPDEV_DOWNLOAD] = {NULL, USP_HEADER_MSG_TYPE_OPERATE_RESP, on_download, download_failed, OPERATE_MS, 1},
    [USPDEV_ACTIVATE] = {NULL, USP_HEADER_MSG_TYPE_OPERATE_RESP, on_activate, activate_failed, OPERATE_MS, 1},
    [USPDEV_CANCEL] = {NULL, USP_HEADER_MSG_TYPE_OPERATE_RESP, NULL, NULL, READ_MS, 1},
};

/* ---- sending ---- */

bool uspdev_reachable(const struct uspdev_peer *peer)
{
    return peer->eid && (peer->session || peer->topic);
}

static int publish(struct uspdev_peer *peer, struct buf *record, struct error *err)
{
    const struct lan *lan = peer->uspdev->host.lan;
    char *topic = NULL, listens[4 * USPDEV_TOPIC_MAX];
    int rc;

    /* R-MQTT.24. With 5.0 the agent answers where its Controller row says, which is how it found us. */
    if (peer->version_3_1_1) {
        snprintf(listens, sizeof(listens), "%s%s%s", peer->uspdev->listens, peer->proven_topic ? "/" : "",
                 peer->proven_topic ? peer->eid : "");
        topic = usp_topic_with_reply(peer->topic, listens);
        if (!topic)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    rc = lan->publish(
        lan->ctx,
        &(struct mqtt_publication){
            .topic = topic ? topic : peer->topic, .payload = buf_data(record), .len = record->len, .qos = 1},
        err);
    free(topic);
    return rc;
}

int uspdev_send(struct uspdev_peer *peer, struct buf *record, struct error *err)
{
    const struct lan *lan = peer->uspdev->host.lan;

    if (record->failed || !record->len)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the record is too long or memory is out");
    if (peer->session)
        return lan->send(lan->ctx, peer->session, true, buf_data(record), record->len, err);
    return peer->topic ? publish(peer, record, err)
                       : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the device is offline");
}

int uspdev_send_message(struct uspdev_peer *peer, struct buf *message, struct error *err)
{
    usp_record_wrap(message, str_of(peer->eid), str_of(peer->uspdev->host.endpoint_id));
    return uspdev_send(peer, message, err);
}

void uspdev_greet(struct uspdev_peer *peer)
{
    struct str to = str_of(peer->eid), from = str_of(peer->uspdev->host.endpoint_id);
    struct buf record;

    buf_init(&record, LIMIT_LAN_FRAME_BYTES, USP_HEADROOM);
    if (peer->session)
        usp_record_websocket_connect(&record, to, from);
    else
        usp_record_mqtt_connect(&record, to, from, false, str_of(peer->uspdev->listens));
    uspdev_send(peer, &record, NULL);
    buf_done(&record);
}

static struct str msg_id_of(uint64_t id, char to[MSG_ID_BYTES])
{
    int len = snprintf(to, MSG_ID_BYTES, "hp%016" PRIx64, id);

    return (struct str){to, (size_t)len};
}

static int write_and_send(struct uspdev_peer *peer, const struct uspdev_request *request,
                          void (*write)(struct uspdev_peer *peer, struct buf *buf, struct str msg_id,
                                        void *ctx),
                          void *ctx, struct error *err)
{
    char id[MSG_ID_BYTES];
    struct buf message;
    int rc;

    buf_init(&message, LIMIT_LAN_FRAME_BYTES, USP_HEADROOM);
    if (write)
        write(peer, &message, msg_id_of(request->id, id), ctx);
    else
        methods[request->method].write(peer, &message, msg_id_of(request->id, id));
    rc = uspdev_send_message(peer, &message, err);
    buf_done(&message);
    return rc;
}

int uspdev_call_with(struct uspdev_peer *peer, enum uspdev_method method,
                     void (*write)(struct uspdev_peer *peer, struct buf *buf, struct str msg_id, void *ctx),
                     void *ctx, struct error *err)
{
    const struct method *how = &methods[method];
    struct uspdev_request *request = NULL;
    int rc;

    if (!uspdev_reachable(peer))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the device is offline");
    for (size_t i = 0; i < USPDEV_PENDING; i++) {
        if (peer->pending[i].method == method && !write)
            return 0;
        if (peer->pending[i].method == USPDEV_NONE || (write && peer->pending[i].method == method))
            request = &peer->pending[i];
    }
    if (!request)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "too many requests to the device wait for answers");
    *request = (struct uspdev_request){
        .id = uspdev_random(peer->uspdev),
        .method = (uint8_t)method,
        .tries = 1,
        .due = uspdev_now(peer) + how->timeout_ms,
    };
    rc = write_and_send(peer, request, write, ctx, err);
    /* What is tried more than once may go out with the next try. */
    if (rc < 0 && how->tries == 1)
        request->method = USPDEV_NONE;
    else
        rc = 0;
    uspdev_schedule(peer);
    return rc;
}

int uspdev_call(struct uspdev_peer *peer, enum uspdev_method method, struct error *err)
{
    return uspdev_call_with(peer, method, NULL, NULL, err);
}

/* ---- answers ---- */

static int first_failure(void *ctx, const struct usp_client_fact *fact)
{
    struct operated *failure = ctx;

    if (fact->kind != USP_FACT_FAILURE)
        return 0;
    on_operated_fact(failure, fact);
    return 1;
}

void uspdev_answer(struct uspdev_peer *peer, const struct usp_client_message *message)
{
    struct operated failure = {.code = 0};
    const struct method *method = NULL;
    char id[MSG_ID_BYTES];

    for (size_t i = 0; i < USPDEV_PENDING && !method; i++) {
        struct uspdev_request *request = &peer->pending[i];

        if (request->method == USPDEV_NONE || !str_equal(message->msg_id, msg_id_of(request->id, id)))
            continue;
        method = &methods[request->method];
        request->method = USPDEV_NONE;
    }
    if (!method)
        return; /* late: not worth a word */
    if (message->type == USP_HEADER_MSG_TYPE_ERROR) {
        usp_client_read(message, first_failure, &failure, NULL);
        if (method->failed)
            method->failed(peer, failure.code ? failure.code : ERROR_MESSAGE_FAILED,
                           failure.text[0] ? failure.text : "it answers with an Error message");
    } else if (message->type != method->answer) {
        uspdev_reject(peer, "the answer is of another type than the request");
    } else if (method->result) {
        method->result(peer, message);
    }
}

int uspdev_expire(struct uspdev_peer *peer, uint64_t now)
{
    bool candidate = !peer->device;

    for (size_t i = 0; i < USPDEV_PENDING; i++) {
        struct uspdev_request *request = &peer->pending[i];
        const struct method *method = &methods[request->method];

        if (request->method == USPDEV_NONE || request->due > now)
            continue;
        if (request->tries < method->tries) {
            request->tries++;
            request->due = now + method->timeout_ms;
            write_and_send(peer, request, NULL, NULL, NULL);
            continue;
        }
        request->method = USPDEV_NONE;
        if (!method->failed)
            continue;
        method->failed(peer, 0, "the device does not answer");
        if (candidate)
            return -1; /* dropped */
    }
    return 0;
}

void uspdev_ask_anew(struct uspdev *uspdev)
{
    struct uspdev_peer *peer;
    size_t at = 0;

    while ((peer = map_next(&uspdev->by_eid, &at))) {
        for (size_t i = 0; !peer->session && i < USPDEV_PENDING; i++) {
            struct uspdev_request *request = &peer->pending[i];
            const struct method *method = &methods[request->method];

            /* What is not repeated may have been heard. */
            if (request->method == USPDEV_NONE || method->tries == 1)
                continue;
            request->due = uspdev_now(peer) + method->timeout_ms;
            write_and_send(peer, request, NULL, NULL, NULL);
        }
        uspdev_schedule(peer);
    }
}

void uspdev_forget_requests(struct uspdev_peer *peer)
{
    memset(peer->pending, 0, sizeof(peer->pending));
}

uint64_t uspdev_next_due(const struct uspdev_peer *peer)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < USPDEV_PENDING; i++)
        if (peer->pending[i].method != USPDEV_NONE && peer->pending[i].due < due)
            due = peer->pending[i].due;
    return due;
}
