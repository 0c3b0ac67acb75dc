/* SPDX-License-Identifier: BSD-3-Clause */
/* Shelly RPC frames out, and answers matched to what was asked. Request ids cannot be guessed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "devices/dialects/shelly_peer.h"

enum {
    FRAME_BYTES = 4096, /* of a request */
    TIMED_OUT = -1,
    UNAUTHORIZED = 401,
    TOO_MANY_REQUESTS = 429,
};

static void got_device_info(struct shelly_peer *peer, const char *src, const cJSON *result)
{
    shelly_identified(peer, src, result);
}

static void no_device_info(struct shelly_peer *peer, int code, const char *message)
{
    (void)message;
    if (!peer->device)
        shelly_drop_candidate(peer, code == TIMED_OUT ? "it does not answer" : "it does not say what it is");
    else if (code == TIMED_OUT)
        shelly_offline(peer, false);
}

static void got_sys_status(struct shelly_peer *peer, const char *src, const cJSON *result)
{
    uint64_t uptime = UINT64_MAX;

    (void)src;
    json_number(result, "uptime", UINT32_MAX, &uptime);
    if (json_object(result, "available_updates"))
        shelly_offered(peer, json_object(result, "available_updates"));
    shelly_update_uptime(peer, uptime);
}

static void no_sys_status(struct shelly_peer *peer, int code, const char *message)
{
    (void)message;
    if (code != TIMED_OUT)
        shelly_update_uptime(peer, UINT64_MAX);
}

static void got_offer(struct shelly_peer *peer, const char *src, const cJSON *result)
{
    (void)src;
    if (cJSON_IsObject(result))
        shelly_offered(peer, result);
    shelly_call(peer, SHELLY_LIST_SCHEDULES, NULL, NULL); /* and who would install it */
}

static void got_update(struct shelly_peer *peer, const char *src, const cJSON *result)
{
    (void)src;
    (void)result;
    shelly_update_answered(peer);
}

/* A job of the device's own schedule that installs what its maker has: such a device is not ours alone to update. */
static bool updates_itself(const cJSON *job)
{
    const cJSON *call;

    if (!cJSON_IsTrue(json_member(job, "enable")))
        return false;
    cJSON_ArrayForEach(call, json_array(job, "calls"))
    {
        const char *method = json_text(call, "method", SHELLY_TEXT_MAX);

        if (method && strcasecmp(method, "Shelly.Update") == 0)
            return true;
    }
    return false;
}

static void got_schedules(struct shelly_peer *peer, const char *src, const cJSON *result)
{
    const cJSON *job;
    bool rival = false;

    (void)src;
    if (!peer->device)
        return;
    cJSON_ArrayForEach(job, json_array(result, "jobs")) rival = rival || updates_itself(job);
    device_set(peer->device, DEVICE_RIVAL,
               rival ? "its own schedule runs Shelly.Update; delete that schedule to decide here" : NULL);
    registry_announce(peer->device);
}

static const struct method {
    const char *name;
    const char *params;
    uint32_t timeout_ms;
    uint8_t tries;
    void (*result)(struct shelly_peer *peer, const char *src, const cJSON *result);
    void (*failed)(struct shelly_peer *peer, int code, const char *message);
} methods[] = {
    [SHELLY_GET_DEVICE_INFO] = {"Shelly.GetDeviceInfo", "{\"ident\":true}", 10000, 3, got_device_info,
                                no_device_info},
    [SHELLY_GET_SYS_STATUS] = {"Sys.GetStatus", NULL, 10000, 3, got_sys_status, no_sys_status},
    /* The device asks its manufacturer, which takes a while. */
    [SHELLY_CHECK_FOR_UPDATE] = {"Shelly.CheckForUpdate", NULL, 30000, 2, got_offer, NULL},
    [SHELLY_LIST_SCHEDULES] = {"Schedule.List", NULL, 10000, 2, got_schedules, NULL},
    /* Not repeated: the first may have been taken although its answer was lost. */
    [SHELLY_UPDATE] = {"Shelly.Update", NULL, 30000, 1, got_update, shelly_update_refused},
    [SHELLY_REBOOT] = {"Shelly.Reboot", NULL, 10000, 1, NULL, NULL},
};

bool shelly_reachable(const struct shelly_peer *peer)
{
    return peer->session || peer->prefix;
}

static int publish(struct shelly_peer *peer, struct buf *frame, struct error *err)
{
    const struct lan *lan = peer->shelly->host.lan;
    char topic[256];

    snprintf(topic, sizeof(topic), "%s/rpc", peer->prefix);
    return lan->publish(
        lan->ctx,
        &(struct mqtt_publication){.topic = topic, .payload = buf_data(frame), .len = frame->len, .qos = 1},
        err);
}

/* Over MQTT the answer comes to <src>/rpc: each peer has a src of its own, so that its topic names it. */
static int send_request(struct shelly_peer *peer, struct shelly_request *request, struct error *err)
{
    const struct dialect_host *host = &peer->shelly->host;
    const struct method *method = &methods[request->method];
    const char *params = request->params ? request->params : method->params;
    char src[256];
    struct buf frame;
    int rc;

    if (peer->session)
        snprintf(src, sizeof(src), "%s", host->source);
    else
        snprintf(src, sizeof(src), "%s/%s", host->source, peer->prefix);
    buf_init(&frame, FRAME_BYTES, 0);
    buf_printf(&frame, "{\"id\":%u,\"src\":", request->id);
    json_quote(&frame, src);
    buf_printf(&frame, ",\"method\":\"%s\"", method->name);
    if (params) {
        buf_append_str(&frame, ",\"params\":");
        buf_append_str(&frame, params);
    }
    request->authenticated = request->method != SHELLY_GET_DEVICE_INFO && shelly_auth_add(peer, &frame);
    request->nonce_turn = peer->auth.turn;
    buf_append_byte(&frame, '}');
    if (frame.failed)
        rc = error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the request is too long or memory is out");
    else if (peer->session)
        rc = host->lan->send(host->lan->ctx, peer->session, false, buf_data(&frame), frame.len, err);
    else
        rc = publish(peer, &frame, err);
    buf_done(&frame);
    return rc;
}

static uint32_t next_id(struct shelly *shelly)
{
    uint64_t counter = ++shelly->ids;
    uint32_t id = (uint32_t)map_hash(shelly->seed, &counter, sizeof(counter)) & 0x7fffffff;

    return id ? id : 1;
}

static void forget_request(struct shelly_request *request)
{
    free(request->params);
    *request = (struct shelly_request){.method = SHELLY_NONE};
}

/* A place for a request of this method: NULL and 0 when one of it waits already, NULL and -1 when there is no room. */
static int find_room(struct shelly_peer *peer, enum shelly_method method, struct shelly_request **ret)
{
    *ret = NULL;
    for (size_t i = 0; i < SHELLY_PENDING; i++) {
        if (peer->pending[i].method == method && method != SHELLY_UPDATE) {
            *ret = NULL;
            return 0;
        }
        if (peer->pending[i].method == SHELLY_NONE ||
            (method == SHELLY_UPDATE && peer->pending[i].method == method))
            *ret = &peer->pending[i];
    }
    return *ret ? 0 : -1;
}

static int make_request(struct shelly_peer *peer, struct shelly_request *request, enum shelly_method method,
                        const char *params)
{
    forget_request(request);
    if (str_replace(&request->params, params) < 0)
        return -1;
    request->id = next_id(peer->shelly);
    request->method = (uint8_t)method;
    request->tries = 1;
    request->due = clock_monotonic(peer->shelly->host.clock) + methods[method].timeout_ms;
    return 0;
}

int shelly_call(struct shelly_peer *peer, enum shelly_method method, const char *params, struct error *err)
{
    const char *obstacle = method == SHELLY_GET_DEVICE_INFO ? NULL : shelly_auth_obstacle(peer);
    struct shelly_request *request;
    int rc;

    if (!shelly_reachable(peer))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the device is offline");
    if (obstacle)
        return error_set(err, ERROR_REQUEST_DENIED, peer->device->key, "%s", obstacle);
    if (find_room(peer, method, &request) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "too many requests to the device wait for answers");
    if (!request)
        return 0;
    if (make_request(peer, request, method, params) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    rc = send_request(peer, request, err);
    /* What is tried more than once may go out with the next try. */
    if (rc < 0 && methods[method].tries == 1)
        forget_request(request);
    else
        rc = 0;
    shelly_schedule(peer);
    return rc;
}

/* The device refuses for want of a password. True: the request went out again. */
static bool ask_again(struct shelly_peer *peer, struct shelly_request *request, const char *message)
{
    if (request->method == SHELLY_GET_DEVICE_INFO || shelly_auth_challenged(peer, request, message) < 0)
        return false;
    request->due = clock_monotonic(peer->shelly->host.clock) + methods[request->method].timeout_ms;
    return send_request(peer, request, NULL) == 0;
}

static void answer_error(struct shelly_peer *peer, struct shelly_request *request, const cJSON *error)
{
    const struct method *method = &methods[request->method];
    const cJSON *number = json_member(error, "code");
    const char *message = json_text(error, "message", SHELLY_ERROR_MAX), *obstacle;
    int code = cJSON_IsNumber(number) ? number->valueint : 500;

    if (code == UNAUTHORIZED && ask_again(peer, request, message))
        return;
    forget_request(request);
    if (code == TOO_MANY_REQUESTS && peer->device && peer->session && peer->session->outbound)
        shelly_auth_locked_out(peer);
    obstacle = code == UNAUTHORIZED && peer->device ? peer->device->text[DEVICE_LOCKED] : NULL;
    if (obstacle)
        message = obstacle;
    if (method->failed)
        method->failed(peer, code != TIMED_OUT ? code : 500, message ? message : "no reason given");
}

void shelly_answer(struct shelly_peer *peer, const char *src, uint64_t id, const cJSON *frame)
{
    const cJSON *error = json_object(frame, "error");
    struct shelly_request *request = NULL;
    const struct method *method;

    for (size_t i = 0; i < SHELLY_PENDING && !request; i++)
        if (peer->pending[i].method != SHELLY_NONE && peer->pending[i].id == id)
            request = &peer->pending[i];
    if (!request)
        return; /* late, or asked by somebody else: neither is worth a word */
    if (error) {
        answer_error(peer, request, error);
        return;
    }
    method = &methods[request->method];
    if (request->authenticated)
        shelly_auth_taken(peer);
    else if (request->method != SHELLY_GET_DEVICE_INFO)
        shelly_auth_clear(peer);
    forget_request(request);
    if (method->result)
        method->result(peer, src, json_member(frame, "result"));
}

int shelly_expire(struct shelly_peer *peer, uint64_t now)
{
    bool candidate = !peer->device;

    for (size_t i = 0; i < SHELLY_PENDING; i++) {
        struct shelly_request *request = &peer->pending[i];
        const struct method *method = &methods[request->method];

        if (request->method == SHELLY_NONE || request->due > now)
            continue;
        if (request->tries < method->tries) {
            request->tries++;
            request->due = now + method->timeout_ms;
            send_request(peer, request, NULL);
            continue;
        }
        forget_request(request);
        if (method->failed)
            method->failed(peer, TIMED_OUT, "the device does not answer");
        if (candidate)
            return -1; /* the only thing ever asked of it is who it is */
    }
    return 0;
}

void shelly_ask_anew(struct shelly *shelly)
{
    uint64_t now = clock_monotonic(shelly->host.clock);
    struct shelly_peer *peer;
    size_t at = 0;

    while ((peer = map_next(&shelly->by_prefix, &at))) {
        for (size_t i = 0; !peer->session && i < SHELLY_PENDING; i++) {
            struct shelly_request *request = &peer->pending[i];

            /* What is not repeated may have been heard. */
            if (request->method == SHELLY_NONE || methods[request->method].tries == 1)
                continue;
            request->due = now + methods[request->method].timeout_ms;
            send_request(peer, request, NULL);
        }
        shelly_schedule(peer);
    }
}

void shelly_forget_requests(struct shelly_peer *peer)
{
    for (size_t i = 0; i < SHELLY_PENDING; i++)
        forget_request(&peer->pending[i]);
}

uint64_t shelly_next_due(const struct shelly_peer *peer)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < SHELLY_PENDING; i++)
        if (peer->pending[i].method != SHELLY_NONE && peer->pending[i].due < due)
            due = peer->pending[i].due;
    return due;
}
