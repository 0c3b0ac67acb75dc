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
    FIRST_FAILURE = 0x80, /* MQTT: SUBACK codes from here on are refusals */
};

void mqtt_set_status(struct mqtt_carrier *carrier, enum local_mtp_status status)
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
        .retain = mqtt_retains(carrier, (struct str){(const char *)buf_data(record), record->len}),
        .expiry_s = mqtt_row_of(carrier)->publish_expiry,
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

const struct usp_channel_ops mqtt_channel_ops = {.send = send_record};

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
    mqtt_set_status(carrier, LOCAL_MTP_ERROR);
}

/* R-MQTT.15: in as few packets as the QoS of the topics allows. */
static void subscribe(struct mqtt_carrier *carrier)
{
    struct mqtt_filter filters[MQTT_MAX_TOPICS];
    struct error err;

    for (size_t i = 0; i < carrier->topics_count; i++) {
        filters[i] = (struct mqtt_filter){carrier->topics[i].name, carrier->topics[i].qos};
        mqtt_show_topic(carrier, carrier->topics[i].name, MQTT_SUBSCRIBING);
    }
    if (mqtt_client_subscribe_all(carrier->client, filters, carrier->topics_count, &err) < 0)
        log_failure(LOG_LEVEL_WARNING, "MQTT subscribe", &err);
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
    /* A client that carries no records (bulk data alone) needs neither. */
    if (!carrier->topics_count && carrier->local) /* R-MQTT.16 */
        give_up(carrier,
                "no topic to listen on: set Device.MQTT.Client.{i}.Subscription. or ResponseTopicConfigured");
    else if (!carrier->reply_topic && carrier->local) /* R-MQTT.22 */
        give_up(carrier, "no topic without wildcards to be answered on: set ResponseTopicConfigured");
    else if (carrier->topics_count)
        subscribe(carrier);
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
    mqtt_set_status(carrier, LOCAL_MTP_DOWN);
    mqtt_client_is_lost(carrier);
}

/* R-MTP.6: each controller of this client is told where the agent listens, before anything else. */
void mqtt_greet(void *ctx, struct controller *controller, struct dm_row *row)
{
    struct mqtt_carrier *carrier = ctx;
    const struct controller_mtp *mtp_row = row->data;
    struct dm_row *local = mtp_referenced(carrier->mtp, mtp_row->mqtt_agent_mtp, carrier->mtp->local_mtp);
    struct buf record;

    if (!mtp_row->mqtt_topic || !local || local != carrier->local)
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
    if (answered && refused == carrier->topics_count && carrier->local) { /* R-MQTT.17 */
        give_up(carrier, "the broker refuses every topic: check its access control for this client");
        return;
    }
    if (!granted || carrier->ready || !carrier->local)
        return;
    carrier->ready = true;
    mqtt_set_status(carrier, LOCAL_MTP_UP);
    mtp_each_controller(carrier->mtp, "MQTT", mqtt_greet, carrier);
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
    struct str record = {(const char *)message->payload, message->len};
    char *reply = carrier->version_5 ? NULL : usp_reply_of_topic(message->topic);
    const char *reply_topic = reply ? reply : message->response_topic; /* R-MQTT.25, R-MQTT.26 */
    struct error err;

    if (!carrier->local)
        return; /* no message transfer on this client */
    if (carrier->version_5 && !is_usp(message->content_type))
        log_warning("MQTT message on %s ignored: content type %s", message->topic, message->content_type);
    else if (!mqtt_versions_match(carrier, record, reply_topic != NULL))
        log_warning("MQTT message on %s ignored: its sender uses another MQTT version", message->topic);
    else if (usp_receive(carrier->mtp->usp, &carrier->channel, reply_topic, record, &err) != USP_TAKEN)
        log_failure(LOG_LEVEL_WARNING, message->topic, &err);
    else
        mqtt_greet_again(carrier, record);
    free(reply);
}

const struct mqtt_ops mqtt_carrier_ops = {
    .connected = on_connected,
    .disconnected = on_disconnected,
    .subscribed = on_subscribed,
    .message = on_message,
};

/* R-MTP.7 */
static void bye(void *ctx, struct controller *controller, struct dm_row *row)
{
    struct mqtt_carrier *carrier = ctx;
    const struct controller_mtp *mtp_row = row->data;
    struct buf record;

    if (!mtp_row->mqtt_topic ||
        mtp_referenced(carrier->mtp, mtp_row->mqtt_agent_mtp, carrier->mtp->local_mtp) != carrier->local)
        return;
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_disconnect(&record, str_of(controller->endpoint_id),
                          str_of(usp_endpoint_id(carrier->mtp->usp)), 0, STR("The agent ends the session"));
    if (!record.failed)
        send_record(&carrier->channel, mtp_row->mqtt_topic, &record, NULL);
    buf_done(&record);
}

void mqtt_say_goodbye(struct mqtt_carrier *carrier)
{
    if (carrier->ready && !carrier->parted)
        mtp_each_controller(carrier->mtp, "MQTT", bye, carrier);
    carrier->parted = true;
}
