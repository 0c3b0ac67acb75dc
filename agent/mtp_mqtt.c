/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USP over MQTT (R-MQTT.*): one client per row of Device.MQTT.Client., whose topics come from its Subscription rows,
 * from the broker, and from the LocalAgent.MTP row that refers to it. Records may be published once a topic of ours is
 * subscribed, because only then can anybody answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mtp_mqtt.h"
#include "base/limits.h"
#include "base/log.h"
#include "datamodel/device/certificate.h"
#include "usp/address.h"

static const char CONTENT_TYPE[] = "usp.msg";

enum {
    /* The answer to the message that changed the settings goes out on the old connection first. */
    RESTART_MS = 100,
    FIRST_FAILURE = 0x80, /* MQTT: SUBACK codes from here on are refusals */
};

static void set_status(struct mqtt_carrier *carrier, enum local_mtp_status status)
{
    struct dm_row *local = mqtt_local_of(carrier);

    if (local)
        mtp_set_status(carrier->mtp, local, status);
}

/* ---- sending ---- */

static int send_record(struct usp_channel *channel, const char *topic, struct buf *record, struct error *err)
{
    struct mqtt_carrier *carrier = channel->ctx;
    struct mqtt_publication publication = {
        .topic = topic,
        .payload = buf_data(record),
        .len = record->len,
        .qos = (int)mqtt_publish_qos(carrier),
        .response_topic = carrier->reply_topic, /* R-MQTT.23 */
        .content_type = CONTENT_TYPE,           /* R-MQTT.27 */
    };
    char *with_reply = NULL;
    int rc;

    if (!carrier->ready || !topic)
        return error_set(err, ERROR_INTERNAL, topic, "the MQTT client is not connected");
    if (!carrier->version_5) {
        with_reply = usp_topic_with_reply(topic, carrier->reply_topic ? carrier->reply_topic : "");
        if (!with_reply)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, topic, "out of memory");
        publication.topic = with_reply;
    }
    rc = mqtt_client_publish(carrier->client, &publication, err);
    free(with_reply);
    return rc;
}

static const struct usp_channel_ops channel_ops = {.send = send_record};

/* ---- the connection ---- */

static void keep_client_id(struct mqtt_carrier *carrier, const char *id)
{
    struct dm *dm = carrier->mtp->dm;

    if (!id)
        return;
    /* R-MQTT.9, R-MQTT.11: the same identifier from now on, over restarts too. */
    str_replace(&carrier->assigned_id, id);
    dm_begin(dm, NULL);
    if (dm_set(dm, carrier->row, dm_node_param(carrier->row->node, "ClientID"), str_of(id), NULL) < 0)
        dm_rollback(dm);
    else
        dm_commit(dm, NULL);
}

/* R-SEC.4a: what the broker showed, by which a Trusted Broker is known. */
static void keep_certificates(struct mqtt_carrier *carrier, const STACK_OF(X509) * chain)
{
    free(carrier->certificates);
    carrier->certificates = chain ? model_certificates_in(carrier->mtp->dm, chain) : NULL;
    carrier->channel.certificates = carrier->certificates;
}

static void give_up(struct mqtt_carrier *carrier, const char *why)
{
    log_error("MQTT client %s: %s", mqtt_row_of(carrier)->broker_address, why);
    carrier->ready = false;
    mqtt_client_stop(carrier->client);
    set_status(carrier, LOCAL_MTP_ERROR);
}

static void on_connected(void *ctx, const struct mqtt_connack *connack)
{
    struct mqtt_carrier *carrier = ctx;
    struct mqtt_row *row = mqtt_row_of(carrier);

    if (carrier->mtp->stopping) /* a connection that came back while the program ends */
        return;
    log_info("MQTT broker %s:%u connected", row->broker_address, row->broker_port);
    dm_changed(carrier->mtp->dm, carrier->row, dm_node_param(carrier->row->node, "Status"));
    keep_certificates(carrier, connack->peer_chain);
    keep_client_id(carrier, connack->assigned_client_id);
    mtp_set_text(carrier->mtp, carrier->row, "ResponseInformation", &row->response_information,
                 connack->response_information);
    mqtt_gather_topics(carrier, connack);
    mqtt_choose_reply_topic(carrier, connack);
    if (!carrier->topics_count) { /* R-MQTT.16 */
        give_up(carrier,
                "no topic to listen on: set Device.MQTT.Client.{i}.Subscription. or ResponseTopicConfigured");
        return;
    }
    for (size_t i = 0; i < carrier->topics_count; i++) {
        struct error err;

        mqtt_show_topic(carrier, carrier->topics[i].name, MQTT_SUBSCRIBING);
        if (mqtt_client_subscribe(carrier->client, carrier->topics[i].name, carrier->topics[i].qos, &err) < 0)
            log_failure(LOG_LEVEL_WARNING, "MQTT subscribe", &err);
    }
}

static void on_disconnected(void *ctx, const struct error *err)
{
    struct mqtt_carrier *carrier = ctx;
    struct dm_row *const *rows;
    uint32_t count = dm_rows(carrier->row, carrier->mtp->mqtt_subscription, &rows);

    log_failure(LOG_LEVEL_WARNING, "MQTT broker", err);
    carrier->ready = false;
    for (uint32_t i = 0; i < count; i++)
        ((struct mqtt_subscription_row *)rows[i]->data)->status = MQTT_UNSUBSCRIBED;
    dm_changed(carrier->mtp->dm, carrier->row, dm_node_param(carrier->row->node, "Status"));
    set_status(carrier, LOCAL_MTP_DOWN);
}

/* R-MTP.6: each controller of this client is told where the agent listens, before anything else. */
static void greet(void *ctx, struct controller *controller, struct dm_row *row)
{
    struct mqtt_carrier *carrier = ctx;
    const struct controller_mtp *mtp_row = row->data;
    struct dm_row *local = mtp_referenced(carrier->mtp, mtp_row->mqtt_agent_mtp, carrier->mtp->local_mtp);
    struct buf record;

    if (!mtp_row->mqtt_topic || !local || local != mqtt_local_of(carrier))
        return;
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_mqtt_connect(&record, str_of(controller->endpoint_id),
                            str_of(usp_endpoint_id(carrier->mtp->usp)), carrier->version_5,
                            str_of(carrier->reply_topic));
    if (!record.failed)
        send_record(&carrier->channel, mtp_row->mqtt_topic, &record, NULL);
    buf_done(&record);
    usp_controller_reachable(carrier->mtp->usp, controller);
}

static void on_subscribed(void *ctx, const char *topic, int qos_or_reason)
{
    struct mqtt_carrier *carrier = ctx;
    bool granted = qos_or_reason < FIRST_FAILURE;
    size_t answered = 0;
    size_t refused = 0;

    mqtt_show_topic(carrier, topic, granted ? MQTT_SUBSCRIBED : MQTT_SUBSCRIPTION_ERROR);
    if (!granted)
        log_warning("MQTT broker refuses topic %s (reason %d)", topic, qos_or_reason);
    for (size_t i = 0; i < carrier->topics_count; i++) {
        struct mqtt_topic *entry = &carrier->topics[i];

        if (strcmp(entry->name, topic) == 0) {
            entry->answered = true;
            entry->granted = granted;
        }
        answered += entry->answered;
        refused += entry->answered && !entry->granted;
    }
    if (answered && refused == carrier->topics_count) { /* R-MQTT.17 */
        give_up(carrier, "the broker refuses every topic: check its access control for this client");
        return;
    }
    if (!granted || carrier->ready)
        return;
    carrier->ready = true;
    set_status(carrier, LOCAL_MTP_UP);
    mtp_each_controller(carrier->mtp, "MQTT", greet, carrier);
}

static bool is_usp(const char *content_type)
{
    /* R-MQTT.27a; none at all is what 3.1.1 and careless senders have. */
    return !content_type || strcmp(content_type, CONTENT_TYPE) == 0 ||
           strcmp(content_type, "application/vnd.bbf.usp.msg") == 0;
}

static void on_message(void *ctx, const struct mqtt_message *message)
{
    struct mqtt_carrier *carrier = ctx;
    char *reply = carrier->version_5 ? NULL : usp_reply_of_topic(message->topic);
    struct error err;

    if (carrier->version_5 && !is_usp(message->content_type)) {
        log_warning("MQTT message on %s ignored: content type %s", message->topic, message->content_type);
        return;
    }
    if (usp_receive(carrier->mtp->usp, &carrier->channel, reply ? reply : message->response_topic,
                    (struct str){(const char *)message->payload, message->len}, &err) != USP_TAKEN)
        log_failure(LOG_LEVEL_WARNING, message->topic, &err);
    free(reply);
}

static const struct mqtt_ops mqtt_ops = {
    .connected = on_connected,
    .disconnected = on_disconnected,
    .subscribed = on_subscribed,
    .message = on_message,
};

/* ---- rows ---- */

static void carrier_free(struct mqtt_carrier *carrier)
{
    timer_cancel(&carrier->mtp->loop->timers, &carrier->restart);
    usp_channel_gone(carrier->mtp->usp, &carrier->channel);
    mqtt_row_of(carrier)->client = NULL;
    mqtt_row_of(carrier)->carrier = NULL;
    mqtt_client_free(carrier->client);
    mqtt_forget_topics(carrier);
    free(carrier->reply_topic);
    free(carrier->assigned_id);
    free(carrier->certificates);
    free(carrier);
}

static void on_restart(struct timer *timer, void *ctx);

static struct mqtt_carrier *carrier_new(struct mtp *mtp, struct dm_row *row)
{
    struct mqtt_carrier *carrier = calloc(1, sizeof(*carrier));
    struct mqtt_row *data = row->data;

    if (!carrier)
        return NULL;
    carrier->mtp = mtp;
    carrier->row = row;
    carrier->channel = (struct usp_channel){.ops = &channel_ops, .ctx = carrier, .broker = true};
    timer_init(&carrier->restart, on_restart, carrier);
    carrier->client = mqtt_client_new(mtp->loop, &mqtt_ops, carrier);
    if (!carrier->client) {
        free(carrier);
        return NULL;
    }
    data->carrier = carrier;
    data->client = carrier->client;
    return carrier;
}

static bool is_text(const char *text, const char *value)
{
    return text && strcmp(text, value) == 0;
}

static const char *client_id(const struct mqtt_carrier *carrier)
{
    const struct mqtt_row *row = mqtt_row_of(carrier);

    /* R-MQTT.8: in 3.1.1 the Endpoint ID stands in for a missing identifier. */
    if ((!row->client_id || !row->client_id[0]) && !carrier->version_5)
        return usp_endpoint_id(carrier->mtp->usp);
    return row->client_id ? row->client_id : "";
}

static void start(struct mqtt_carrier *carrier)
{
    struct mqtt_row *row = mqtt_row_of(carrier);
    struct mqtt_property endpoint = {"usp-endpoint-id", usp_endpoint_id(carrier->mtp->usp)}; /* R-MQTT.13 */
    struct mqtt_settings settings = {
        .host = row->broker_address,
        .port = (uint16_t)row->broker_port,
        .username = row->username && row->username[0] ? row->username : NULL,
        .password = row->password && row->password[0] ? row->password : NULL,
        .keep_alive_s = (uint16_t)row->keep_alive,
        .session_expiry_s = row->session_expiry,
        .receive_maximum = (uint16_t)row->receive_maximum,
        .maximum_packet = row->maximum_packet,
        .topic_alias_maximum = (uint16_t)row->topic_alias_maximum,
        .request_response_info = row->request_response_info,
        .request_problem_info = row->request_problem_info,
        .connect_properties = &endpoint,
        .connect_properties_count = 1,
        .retry_s = row->retry_time,
        .retry_multiplier = row->retry_multiplier,
        .retry_max_s = row->retry_maximum,
        .tls = is_text(row->transport_protocol, "TLS"),
        .tls_settings = carrier->mtp->tls,
    };
    struct error err;

    carrier->version_5 = !is_text(row->protocol_version, "3.1.1");
    carrier->ready = false;
    settings.version = carrier->version_5 ? MQTT_5_0 : MQTT_3_1_1;
    settings.clean = carrier->version_5 ? row->clean_start : row->clean_session;
    settings.client_id = client_id(carrier);
    if (mqtt_client_start(carrier->client, &settings, &err) == 0)
        return;
    log_failure(LOG_LEVEL_ERROR, "MQTT client", &err);
    set_status(carrier, LOCAL_MTP_ERROR);
}

static void on_restart(struct timer *timer, void *ctx)
{
    struct mqtt_carrier *carrier = ctx;
    const struct mqtt_row *row = mqtt_row_of(carrier);

    (void)timer;
    if (row->enable && row->broker_address)
        start(carrier);
    else
        carrier_free(carrier);
}

/* At once when nobody can be waiting for an answer on the connection. */
static void restart(struct mqtt_carrier *carrier)
{
    timer_arm(&carrier->mtp->loop->timers, &carrier->restart, carrier->ready ? RESTART_MS : 0);
}

void mtp_mqtt_client_changed(struct mtp *mtp, struct dm_row *row, uint64_t params, bool deleted)
{
    struct mqtt_row *data = row->data;
    struct mqtt_carrier *carrier = data->carrier;
    uint64_t id_bit = 1ull << dm_node_param(row->node, "ClientID");
    uint64_t harmless = 1ull << dm_node_param(row->node, "Alias") | 1ull << dm_node_param(row->node, "Name") |
                        1ull << dm_node_param(row->node, "MessageRetryTime");

    if (deleted) {
        if (carrier)
            carrier_free(carrier);
        return;
    }
    if (carrier && (params & ~harmless) == 0)
        return;
    if (carrier && (params & ~harmless) == id_bit &&
        is_text(carrier->assigned_id, data->client_id ? data->client_id : ""))
        return;
    if (!carrier && data->enable && data->broker_address)
        carrier = carrier_new(mtp, row);
    if (carrier)
        restart(carrier);
}

void mtp_mqtt_reconnect(struct dm_row *row)
{
    struct mqtt_carrier *carrier = ((struct mqtt_row *)row->data)->carrier;

    if (carrier) {
        carrier->ready = false;
        mqtt_client_reconnect(carrier->client);
    }
}

void mtp_mqtt_subscription_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    struct mqtt_subscription_row *subscription = row->data;
    struct mqtt_carrier *carrier = ((struct mqtt_row *)row->parent->data)->carrier;
    bool wanted = !deleted && subscription->enable && subscription->topic && subscription->topic[0];
    bool had = subscription->subscribed != NULL;

    (void)mtp;
    if (!carrier || mqtt_client_status(carrier->client) != MQTT_STATUS_CONNECTED) {
        /* A client that gave up for want of a topic has one now. */
        if (carrier && wanted && mqtt_client_status(carrier->client) == MQTT_STATUS_DISABLED)
            start(carrier);
        return;
    }
    if (had && (!wanted || !is_text(subscription->subscribed, subscription->topic))) {
        mqtt_client_unsubscribe(carrier->client, subscription->subscribed, NULL); /* R-MQTT.34 */
        str_replace(&subscription->subscribed, NULL);
        subscription->status = MQTT_UNSUBSCRIBED;
        had = false;
    }
    if (wanted && !had) {
        mqtt_show_topic(carrier, subscription->topic, MQTT_SUBSCRIBING);
        mqtt_client_subscribe(carrier->client, subscription->topic, (int)subscription->qos, NULL);
    }
}

/* The LocalAgent.MTP row may have changed which client it means, or what the reply topic is: begin anew. */
void mtp_mqtt_local_changed(struct mtp *mtp, struct dm_row *row)
{
    struct local_mtp *local = row->data;
    struct dm_row *client = mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client);
    struct mqtt_carrier *carrier = client ? ((struct mqtt_row *)client->data)->carrier : NULL;

    if (!carrier || !local->row.enable) {
        mtp_set_status(mtp, row, LOCAL_MTP_DOWN);
        return;
    }
    if (mqtt_client_status(carrier->client) == MQTT_STATUS_CONNECTED)
        restart(carrier);
}

struct usp_channel *mtp_mqtt_channel(struct mtp *mtp, struct dm_row *row)
{
    const struct local_mtp *local = row->data;
    struct dm_row *client = local->row.enable ? mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client)
                                              : NULL;
    struct mqtt_carrier *carrier = client ? ((struct mqtt_row *)client->data)->carrier : NULL;

    return carrier && carrier->ready ? &carrier->channel : NULL;
}

static void each_carrier(struct mtp *mtp, void (*fn)(struct mqtt_carrier *carrier))
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.MQTT.")), mtp->mqtt_client, &rows);

    for (uint32_t i = 0; i < count; i++)
        if (((struct mqtt_row *)rows[i]->data)->carrier)
            fn(((struct mqtt_row *)rows[i]->data)->carrier);
}

static void bye(void *ctx, struct controller *controller, struct dm_row *row)
{
    struct mqtt_carrier *carrier = ctx;
    const struct controller_mtp *mtp_row = row->data;
    struct buf record;

    if (!mtp_row->mqtt_topic || mtp_referenced(carrier->mtp, mtp_row->mqtt_agent_mtp,
                                               carrier->mtp->local_mtp) != mqtt_local_of(carrier))
        return;
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_disconnect(&record, str_of(controller->endpoint_id),
                          str_of(usp_endpoint_id(carrier->mtp->usp)), 0, STR("The agent stops"));
    if (!record.failed)
        send_record(&carrier->channel, mtp_row->mqtt_topic, &record, NULL);
    buf_done(&record);
}

static void stop(struct mqtt_carrier *carrier)
{
    if (carrier->ready)
        mtp_each_controller(carrier->mtp, "MQTT", bye, carrier);
}

void mtp_mqtt_stop(struct mtp *mtp)
{
    each_carrier(mtp, stop);
}

void mtp_mqtt_done(struct mtp *mtp)
{
    each_carrier(mtp, carrier_free);
}
