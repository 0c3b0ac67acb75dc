/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one way to the controller. The device opens it, and opens it again: a WebSocket with its certificate, or a client of
 * the LAN's broker with topics of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "device/device.h"
#include "usp/address.h"
#include "usp/controller.h"
#include "usp/record.h"

enum {
    PING_S = 30,
    KEEP_ALIVE_S = 30,
    RETRY_MULTIPLIER = 2000,
    RETRY_MAX_S = 300,
    CLOSE_UNSUPPORTED_DATA = 1003, /* R-WS.14, R-WS.16 */
    CLOSE_POLICY = 1008,
};

static bool is_mqtt(const struct device_agent *device)
{
    return strcmp(device->config->transport, "mqtt") == 0;
}

static struct tls_settings tls_of(const struct device_config *config)
{
    return (struct tls_settings){.ca_file = config->ca_file,
                                 .certificate_file = config->certificate_file,
                                 .key_file = config->key_file};
}

/* ---- records ---- */

static int send_record(struct usp_channel *channel, const char *topic, struct buf *record, struct error *err)
{
    struct device_agent *device = channel->ctx;
    struct link *link = &device->link;

    if (!link->up)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the controller is not connected");
    if (link->ws)
        return websocket_send(link->ws, true, record) < 0
                   ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "the controller does not read")
                   : 0;
    return mqtt_client_publish(
        link->mqtt,
        &(struct mqtt_publication){.topic = topic ? topic : device->config->controller_topic,
                                   .payload = buf_data(record),
                                   .len = record->len,
                                   .qos = 1,
                                   .response_topic = device->config->device_topic,
                                   .content_type = "usp.msg"},
        err);
}

static const struct usp_channel_ops channel_ops = {.send = send_record};

static int route(void *ctx, struct controller *controller, struct usp_route *ret)
{
    struct device_agent *device = ctx;

    if (!device->link.up || strcmp(controller->endpoint_id, device->config->controller) != 0)
        return -1;
    *ret = (struct usp_route){.channel = &device->link.channel,
                              .topic = is_mqtt(device) ? device->config->controller_topic : NULL};
    return 0;
}

const struct usp_ops device_usp_ops = {.route = route};

/* R-MTP.6: the first record says over what it runs. */
static void greet(struct device_agent *device)
{
    struct str to = str_of(device->config->controller), from = str_of(device->config->endpoint_id);
    struct buf record;

    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    if (is_mqtt(device))
        usp_record_mqtt_connect(&record, to, from, true, str_of(device->config->device_topic));
    else
        usp_record_websocket_connect(&record, to, from);
    send_record(&device->link.channel, NULL, &record, NULL);
    buf_done(&record);
}

/*
 * At a broker nobody may have listened: a controller that comes later does not hear what was said before, and does not know of a
 * device that it never met. So it is said until a record comes.
 */
static void greet_until_heard(struct device_agent *device)
{
    struct link *link = &device->link;

    greet(device);
    if (is_mqtt(device))
        timer_arm(
            &device->loop.timers, &link->greeting,
            timer_backoff((uint32_t)device->config->retry, RETRY_MULTIPLIER, ++link->greetings, RETRY_MAX_S));
}

static void on_greeting(struct timer *timer, void *ctx)
{
    (void)timer;
    greet_until_heard(ctx);
}

static void record_in(struct device_agent *device, const char *reply_topic, const uint8_t *data, size_t len)
{
    struct error err;
    enum usp_verdict verdict = usp_receive(device->usp, &device->link.channel, reply_topic,
                                           (struct str){(const char *)data, len}, &err);

    if (verdict == USP_TAKEN) {
        timer_cancel(&device->loop.timers, &device->link.greeting);
        device_reached(device);
    } else {
        log_failure(LOG_LEVEL_WARNING, "record ignored", &err);
    }
    if (verdict == USP_UNPROCESSABLE && device->link.ws)
        websocket_close(device->link.ws, CLOSE_UNSUPPORTED_DATA, err.message);
}

static void up(struct device_agent *device)
{
    device->link.up = true;
    device->link.retries = 0;
    device->link.greetings = 0;
    log_info("connected to the controller");
    greet_until_heard(device);
    usp_reachable(device->usp);
}

static void down(struct device_agent *device)
{
    device->link.up = false;
    timer_cancel(&device->loop.timers, &device->link.greeting);
    usp_channel_gone(device->usp, &device->link.channel);
}

/* ---- WebSocket ---- */

static void connect_websocket(struct device_agent *device);

static void on_retry(struct timer *timer, void *ctx)
{
    (void)timer;
    connect_websocket(ctx);
}

static void retry_later(struct device_agent *device)
{
    struct link *link = &device->link;

    if (link->stopped)
        return;
    timer_arm(&device->loop.timers, &link->retry,
              timer_backoff((uint32_t)device->config->retry, RETRY_MULTIPLIER, ++link->retries, RETRY_MAX_S));
    enrol_refused(device, link->retries);
}

static void on_opened(void *ctx, struct websocket *ws, X509 *certificate)
{
    struct device_agent *device = ctx;
    const char *controller = device->config->controller;

    /* R-SEC.0a: the gateway's certificate, when it says whose it is, has to be the controller's. */
    if (certificate && tls_certificate_claims(certificate, controller) &&
        !tls_certificate_names(certificate, controller)) {
        log_error("the gateway's certificate is another endpoint's than %s", controller);
        websocket_close(ws, CLOSE_POLICY, "your certificate is another endpoint's");
        return;
    }
    device->link.ws = ws;
    up(device);
}

static void on_message(void *ctx, struct websocket *ws, bool binary, const uint8_t *data, size_t len)
{
    struct device_agent *device = ctx;

    if (!device->link.up)
        return;
    if (binary)
        record_in(device, NULL, data, len);
    else
        websocket_close(ws, CLOSE_UNSUPPORTED_DATA, "records are binary");
}

static void on_closed(void *ctx, struct websocket *ws, int code, const struct error *err)
{
    struct device_agent *device = ctx;

    (void)ws;
    (void)code;
    log_failure(LOG_LEVEL_WARNING, "WebSocket to the controller", err);
    down(device);
    device->link.ws = NULL;
    retry_later(device);
}

static const struct websocket_ops websocket_ops = {
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
};

static void connect_websocket(struct device_agent *device)
{
    const struct device_config *config = device->config;
    char *path = usp_handshake_path(config->path, config->endpoint_id);
    struct websocket_client_settings settings = {
        .host = config->host,
        .port = (uint16_t)config->port,
        .path = path,
        .subprotocol = "v1.usp",
        .ping_s = PING_S,
        .tls = config->tls,
        .tls_settings = tls_of(config),
        .max_message = LIMIT_RECORD_BYTES,
    };
    struct error err = {.message = "out of memory"};

    websocket_client_free(device->link.client);
    device->link.ws = NULL;
    device->link.client = path ? websocket_client_new(device->link.websockets, &settings, &websocket_ops,
                                                      device, &err)
                               : NULL;
    free(path);
    if (device->link.client)
        return;
    log_failure(LOG_LEVEL_ERROR, "cannot connect to the controller", &err);
    retry_later(device);
}

/* ---- MQTT ---- */

static void on_mqtt_connected(void *ctx, const struct mqtt_connack *connack)
{
    struct device_agent *device = ctx;
    struct error err;

    (void)connack;
    if (mqtt_client_subscribe(device->link.mqtt, device->config->device_topic, 1, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "cannot subscribe", &err);
}

static void on_subscribed(void *ctx, const char *topic, int qos_or_reason)
{
    struct device_agent *device = ctx;

    if (qos_or_reason >= 0x80)
        log_error("the broker refuses the subscription of %s: reason 0x%02x", topic, (unsigned)qos_or_reason);
    else
        up(device); /* R-MQTT.17: before, nobody could answer */
}

static void on_mqtt_disconnected(void *ctx, const struct error *err)
{
    log_failure(LOG_LEVEL_WARNING, "the broker", err);
    down(ctx);
}

static void on_mqtt_message(void *ctx, const struct mqtt_message *message)
{
    record_in(ctx, message->response_topic, message->payload, message->len);
}

static const struct mqtt_ops mqtt_ops = {
    .connected = on_mqtt_connected,
    .disconnected = on_mqtt_disconnected,
    .subscribed = on_subscribed,
    .message = on_mqtt_message,
};

static void write_disconnect(struct device_agent *device, struct buf *record, struct str reason)
{
    buf_init(record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_disconnect(record, str_of(device->config->controller), str_of(device->config->endpoint_id), 0,
                          reason);
}

/* The will is a Disconnect record: when the device is gone, the broker says so in its place. */
static void connect_mqtt(struct device_agent *device)
{
    const struct device_config *config = device->config;
    struct buf will;
    struct error err;

    write_disconnect(device, &will, STR("The connection was lost"));
    if (mqtt_client_start(
            device->link.mqtt,
            &(struct mqtt_settings){
                .version = MQTT_5_0,
                .host = config->host,
                .port = (uint16_t)config->port,
                .client_id = config->endpoint_id,
                .username = config->username,
                .password = config->password,
                .keep_alive_s = KEEP_ALIVE_S,
                .clean = true,
                .request_problem_info = true,
                .user_properties = &(struct mqtt_user_property){"usp-endpoint-id", config->endpoint_id,
                                                                MQTT_IN_CONNECT},
                .user_properties_count = 1,
                .will = {.topic = config->controller_topic,
                         .payload = buf_data(&will),
                         .len = will.len,
                         .qos = 1,
                         .content_type = "usp.msg"},
                .retry_s = (uint32_t)config->retry,
                .retry_multiplier = RETRY_MULTIPLIER,
                .retry_max_s = RETRY_MAX_S,
                .tls = config->tls,
                .tls_settings = tls_of(config),
            },
            &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "cannot connect to the broker", &err);
    buf_done(&will);
}

/* ---- life ---- */

int link_init(struct device_agent *device, struct error *err)
{
    struct link *link = &device->link;

    link->channel = (struct usp_channel){
        .ops = &channel_ops, .ctx = device, .peer = is_mqtt(device) ? NULL : device->config->controller};
    timer_init(&link->retry, on_retry, device);
    timer_init(&link->greeting, on_greeting, device);
    if (is_mqtt(device)) {
        link->mqtt = mqtt_client_new(&device->loop, &mqtt_ops, device);
        return link->mqtt ? 0 : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    }
    link->websockets = websocket_context_new(&device->loop, err);
    return link->websockets ? 0 : -1;
}

void link_start(struct device_agent *device)
{
    device->link.stopped = false;
    if (device->enrol.waiting)
        return;
    if (is_mqtt(device))
        connect_mqtt(device);
    else
        connect_websocket(device);
}

/* A WebSocket reads the file when it connects, the client of a broker when it is started. */
void link_certificate_changed(struct device_agent *device)
{
    if (!is_mqtt(device))
        return;
    link_stop(device);
    link_start(device);
}

void link_stop(struct device_agent *device)
{
    struct link *link = &device->link;
    struct buf record;

    link->stopped = true;
    timer_cancel(&device->loop.timers, &link->retry);
    if (link->up) {
        write_disconnect(device, &record, STR("The device stops"));
        send_record(&link->channel, NULL, &record, NULL);
        buf_done(&record);
    }
    down(device);
    if (link->mqtt)
        mqtt_client_stop(link->mqtt);
    if (link->ws)
        websocket_close(link->ws, 1000, "the device stops");
}

void link_done(struct device_agent *device)
{
    struct link *link = &device->link;

    link->stopped = true;
    timer_cancel(&device->loop.timers, &link->retry);
    timer_cancel(&device->loop.timers, &link->greeting);
    mqtt_client_free(link->mqtt);
    websocket_client_free(link->client);
    websocket_context_free(link->websockets);
}
