/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USP over MQTT (R-MQTT.*): one client per row of Device.MQTT.Client., whose topics come from its Subscription rows,
 * from the broker, and from the LocalAgent.MTP row that refers to it. Records may be published once a topic of ours is
 * subscribed, because only then can anybody answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mtp.h"
#include "base/limits.h"
#include "base/log.h"

static const char CONTENT_TYPE[] = "usp.msg";
static const char REPLY_TO[] = "/reply-to=";

enum {
    RESTART_MS =
        100, /* the answer to the message that changed the settings goes out on the old connection first */
    MAX_TOPICS = 64,
    FIRST_FAILURE = 0x80, /* MQTT: SUBACK codes from here on are refusals */
};

/* A topic that the agent wants for itself. */
struct topic {
    char *name;
    int qos;
    bool granted;
    bool answered;
};

struct carrier {
    struct usp_channel channel;
    struct mtp *mtp;
    struct dm_row *row; /* Device.MQTT.Client. */
    struct mqtt_client *client;
    struct topic topics[MAX_TOPICS];
    size_t topics_count;
    char *reply_topic; /* where answers to our records are to go */
    bool version_5;
    struct timer restart;
    bool ready; /* connected, and a topic is subscribed */
    char *
        assigned_id; /* client identifier given by the broker: its arrival in the row is no change of settings */
};

static struct mqtt_row *row_data(const struct carrier *carrier)
{
    return carrier->row->data;
}

/* ---- sending ---- */

/* R-MQTT.24: in 3.1.1 the reply topic rides at the end of the topic, slashes as %2F. */
static char *topic_311(const char *topic, const char *reply)
{
    struct buf buf;

    buf_init(&buf, 2 * LIMIT_VALUE_BYTES, 0);
    buf_printf(&buf, "%s%s", topic, REPLY_TO);
    for (; *reply; reply++) {
        if (*reply == '/')
            buf_append_str(&buf, "%2F");
        else
            buf_append_byte(&buf, (uint8_t)*reply);
    }
    buf_append_byte(&buf, 0);
    if (buf.failed) {
        buf_done(&buf);
        return NULL;
    }
    return (char *)buf.base;
}

static uint32_t publish_qos(const struct carrier *carrier);

static int send_record(struct usp_channel *channel, const char *topic, struct buf *record, struct error *err)
{
    struct carrier *carrier = channel->ctx;
    struct mqtt_publication publication = {
        .topic = topic,
        .payload = buf_data(record),
        .len = record->len,
        .qos = (int)publish_qos(carrier),
        .response_topic = carrier->reply_topic, /* R-MQTT.23 */
        .content_type = CONTENT_TYPE,           /* R-MQTT.27 */
    };
    char *with_reply = NULL;
    int rc;

    if (!carrier->ready || !topic)
        return error_set(err, ERROR_INTERNAL, topic, "the MQTT client is not connected");
    if (!carrier->version_5) {
        with_reply = topic_311(topic, carrier->reply_topic ? carrier->reply_topic : "");
        if (!with_reply)
            return error_set(err, ERROR_RESOURCES_EXCEEDED, topic, "out of memory");
        publication.topic = with_reply;
    }
    rc = mqtt_client_publish(carrier->client, &publication, err);
    free(with_reply);
    return rc;
}

static const struct usp_channel_ops channel_ops = {.send = send_record};

/* ---- who refers to this client ---- */

/* The enabled LocalAgent.MTP row for this client, or NULL. */
static struct dm_row *local_of(const struct carrier *carrier)
{
    struct mtp *mtp = carrier->mtp;
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.LocalAgent.")), mtp->local_mtp, &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct local_mtp *local = rows[i]->data;

        if (local->enable && local->protocol && strcmp(local->protocol, "MQTT") == 0 &&
            mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client) == carrier->row)
            return rows[i];
    }
    return NULL;
}

static uint32_t publish_qos(const struct carrier *carrier)
{
    const struct dm_row *local = local_of(carrier);

    return local ? ((const struct local_mtp *)local->data)->mqtt_publish_qos : 0;
}

static void set_status(struct carrier *carrier, enum local_mtp_status status)
{
    struct dm_row *local = local_of(carrier);

    if (local)
        mtp_set_status(carrier->mtp, local, status);
}

/* ---- topics ---- */

static void forget_topics(struct carrier *carrier)
{
    for (size_t i = 0; i < carrier->topics_count; i++)
        free(carrier->topics[i].name);
    carrier->topics_count = 0;
}

static bool covered(const struct carrier *carrier, const char *topic)
{
    for (size_t i = 0; i < carrier->topics_count; i++)
        if (mqtt_topic_matches(carrier->topics[i].name, topic))
            return true;
    return false;
}

static void add_topic(struct carrier *carrier, const char *name, int qos)
{
    struct topic *topic = &carrier->topics[carrier->topics_count];

    if (!name || !name[0] || carrier->topics_count == MAX_TOPICS || covered(carrier, name))
        return;
    *topic = (struct topic){.name = str_dup(name, strlen(name)), .qos = qos};
    if (topic->name)
        carrier->topics_count++;
}

static void add_rows(struct carrier *carrier)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(carrier->row, carrier->mtp->mqtt_subscription, &rows);

    for (uint32_t i = 0; i < count; i++) {
        const struct mqtt_subscription_row *row = rows[i]->data;

        if (row->enable)
            add_topic(carrier, row->topic, (int)row->qos);
    }
}

/* R-MQTT.15: configured topics, what the broker names, and the own response topic (3.1.1: what is below it, too). */
static void gather_topics(struct carrier *carrier, const struct mqtt_connack *connack)
{
    const struct dm_row *local = local_of(carrier);
    const struct local_mtp *local_mtp = local ? local->data : NULL;
    int qos = (int)publish_qos(carrier);

    forget_topics(carrier);
    add_rows(carrier);
    for (size_t i = 0; i < connack->properties_count; i++)
        if (strcmp(connack->properties[i].name, "subscribe-topic") == 0)
            add_topic(carrier, connack->properties[i].value, qos);
    add_topic(carrier, connack->response_information, qos);
    if (!local_mtp || !local_mtp->mqtt_response_topic || !local_mtp->mqtt_response_topic[0])
        return;
    if (carrier->version_5) {
        add_topic(carrier, local_mtp->mqtt_response_topic, qos);
    } else {
        char *below = malloc(strlen(local_mtp->mqtt_response_topic) + 3);

        if (!below)
            return;
        sprintf(below, "%s/#", local_mtp->mqtt_response_topic);
        add_topic(carrier, below, qos);
        free(below);
    }
}

static const char *first_subscribe_topic(const struct mqtt_connack *connack)
{
    for (size_t i = 0; i < connack->properties_count; i++)
        if (strcmp(connack->properties[i].name, "subscribe-topic") == 0)
            return connack->properties[i].value;
    return NULL;
}

/* R-MQTT.21: Response Information is the reply topic; else what is configured; else where we listen. */
static void choose_reply_topic(struct carrier *carrier, const struct mqtt_connack *connack)
{
    struct dm_row *local = local_of(carrier);
    struct local_mtp *local_mtp = local ? local->data : NULL;
    const char *discovered = connack->response_information ? connack->response_information
                                                           : first_subscribe_topic(connack);
    const char *reply = discovered;

    if (!reply && local_mtp && local_mtp->mqtt_response_topic && local_mtp->mqtt_response_topic[0])
        reply = local_mtp->mqtt_response_topic;
    if (!reply && carrier->topics_count)
        reply = carrier->topics[0].name;
    str_replace(&carrier->reply_topic, reply);
    if (local)
        mtp_set_text(carrier->mtp, dm_row_child(local, dm_node_child(local->node, STR("MQTT"))),
                     "ResponseTopicDiscovered", &local_mtp->mqtt_discovered_topic, discovered);
}

/* Shows in the Subscription row what the broker said of its topic. */
static void show_topic(struct carrier *carrier, const char *topic, enum mqtt_subscription_status status)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(carrier->row, carrier->mtp->mqtt_subscription, &rows);

    for (uint32_t i = 0; i < count; i++) {
        struct mqtt_subscription_row *row = rows[i]->data;

        if (!row->topic || strcmp(row->topic, topic) != 0 || row->status == status)
            continue;
        row->status = status;
        if (status == MQTT_SUBSCRIBING)
            str_replace(&row->subscribed, topic);
        dm_changed(carrier->mtp->dm, rows[i], dm_node_param(rows[i]->node, "Status"));
    }
}

/* ---- the connection ---- */

static void keep_client_id(struct carrier *carrier, const char *id)
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

static void give_up(struct carrier *carrier, const char *why)
{
    log_error("MQTT client %s: %s", row_data(carrier)->broker_address, why);
    carrier->ready = false;
    mqtt_client_stop(carrier->client);
    set_status(carrier, LOCAL_MTP_ERROR);
}

static void on_connected(void *ctx, const struct mqtt_connack *connack)
{
    struct carrier *carrier = ctx;
    struct mqtt_row *row = row_data(carrier);

    if (carrier->mtp->stopping) /* a connection that came back while the program ends */
        return;
    log_info("MQTT broker %s:%u connected", row->broker_address, row->broker_port);
    dm_changed(carrier->mtp->dm, carrier->row, dm_node_param(carrier->row->node, "Status"));
    keep_client_id(carrier, connack->assigned_client_id);
    mtp_set_text(carrier->mtp, carrier->row, "ResponseInformation", &row->response_information,
                 connack->response_information);
    gather_topics(carrier, connack);
    choose_reply_topic(carrier, connack);
    if (!carrier->topics_count) { /* R-MQTT.16 */
        give_up(carrier,
                "no topic to listen on: set Device.MQTT.Client.{i}.Subscription. or ResponseTopicConfigured");
        return;
    }
    for (size_t i = 0; i < carrier->topics_count; i++) {
        struct error err;

        show_topic(carrier, carrier->topics[i].name, MQTT_SUBSCRIBING);
        if (mqtt_client_subscribe(carrier->client, carrier->topics[i].name, carrier->topics[i].qos, &err) < 0)
            log_failure(LOG_LEVEL_WARNING, "MQTT subscribe", &err);
    }
}

static void on_disconnected(void *ctx, const struct error *err)
{
    struct carrier *carrier = ctx;
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
    struct carrier *carrier = ctx;
    const struct controller_mtp *mtp_row = row->data;
    struct dm_row *local = mtp_referenced(carrier->mtp, mtp_row->mqtt_agent_mtp, carrier->mtp->local_mtp);
    struct buf record;

    if (!mtp_row->mqtt_topic || !local || local != local_of(carrier))
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
    struct carrier *carrier = ctx;
    bool granted = qos_or_reason < FIRST_FAILURE;
    size_t answered = 0;
    size_t refused = 0;

    show_topic(carrier, topic, granted ? MQTT_SUBSCRIBED : MQTT_SUBSCRIPTION_ERROR);
    if (!granted)
        log_warning("MQTT broker refuses topic %s (reason %d)", topic, qos_or_reason);
    for (size_t i = 0; i < carrier->topics_count; i++) {
        struct topic *entry = &carrier->topics[i];

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

/* R-MQTT.25: the reply topic of a 3.1.1 message, malloc'ed, or NULL. */
static char *reply_311(const char *topic)
{
    const char *at = NULL;
    char *reply;
    char *to;

    for (const char *next = strstr(topic, REPLY_TO); next; next = strstr(next + 1, REPLY_TO))
        at = next;
    if (!at)
        return NULL;
    reply = str_dup(at + sizeof(REPLY_TO) - 1, strlen(at) - sizeof(REPLY_TO) + 1);
    if (!reply)
        return NULL;
    to = reply;
    for (const char *from = reply; *from; from++) {
        if (strncmp(from, "%2F", 3) == 0 || strncmp(from, "%2f", 3) == 0) {
            *to++ = '/';
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return reply;
}

static bool is_usp(const char *content_type)
{
    /* R-MQTT.27a; none at all is what 3.1.1 and careless senders have. */
    return !content_type || strcmp(content_type, CONTENT_TYPE) == 0 ||
           strcmp(content_type, "application/vnd.bbf.usp.msg") == 0;
}

static void on_message(void *ctx, const struct mqtt_message *message)
{
    struct carrier *carrier = ctx;
    char *reply = carrier->version_5 ? NULL : reply_311(message->topic);
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

static void carrier_free(struct carrier *carrier)
{
    timer_cancel(&carrier->mtp->loop->timers, &carrier->restart);
    usp_channel_gone(carrier->mtp->usp, &carrier->channel);
    row_data(carrier)->client = NULL;
    row_data(carrier)->carrier = NULL;
    mqtt_client_free(carrier->client);
    forget_topics(carrier);
    free(carrier->reply_topic);
    free(carrier->assigned_id);
    free(carrier);
}

static void on_restart(struct timer *timer, void *ctx);

static struct carrier *carrier_new(struct mtp *mtp, struct dm_row *row)
{
    struct carrier *carrier = calloc(1, sizeof(*carrier));
    struct mqtt_row *data = row->data;

    if (!carrier)
        return NULL;
    carrier->mtp = mtp;
    carrier->row = row;
    carrier->channel = (struct usp_channel){.ops = &channel_ops, .ctx = carrier};
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

static const char *client_id(const struct carrier *carrier)
{
    const struct mqtt_row *row = row_data(carrier);

    /* R-MQTT.8: in 3.1.1 the Endpoint ID stands in for a missing identifier. */
    if ((!row->client_id || !row->client_id[0]) && !carrier->version_5)
        return usp_endpoint_id(carrier->mtp->usp);
    return row->client_id ? row->client_id : "";
}

static void start(struct carrier *carrier)
{
    struct mqtt_row *row = row_data(carrier);
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
    struct carrier *carrier = ctx;
    const struct mqtt_row *row = row_data(carrier);

    (void)timer;
    if (row->enable && row->broker_address)
        start(carrier);
    else
        carrier_free(carrier);
}

/* At once when nobody can be waiting for an answer on the connection. */
static void restart(struct carrier *carrier)
{
    timer_arm(&carrier->mtp->loop->timers, &carrier->restart, carrier->ready ? RESTART_MS : 0);
}

void mtp_mqtt_client_changed(struct mtp *mtp, struct dm_row *row, uint64_t params, bool deleted)
{
    struct mqtt_row *data = row->data;
    struct carrier *carrier = data->carrier;
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
    struct carrier *carrier = ((struct mqtt_row *)row->data)->carrier;

    if (carrier) {
        carrier->ready = false;
        mqtt_client_reconnect(carrier->client);
    }
}

void mtp_mqtt_subscription_changed(struct mtp *mtp, struct dm_row *row, bool deleted)
{
    struct mqtt_subscription_row *subscription = row->data;
    struct carrier *carrier = ((struct mqtt_row *)row->parent->data)->carrier;
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
        show_topic(carrier, subscription->topic, MQTT_SUBSCRIBING);
        mqtt_client_subscribe(carrier->client, subscription->topic, (int)subscription->qos, NULL);
    }
}

/* The LocalAgent.MTP row may have changed which client it means, or what the reply topic is: begin anew. */
void mtp_mqtt_local_changed(struct mtp *mtp, struct dm_row *row)
{
    struct local_mtp *local = row->data;
    struct dm_row *client = mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client);
    struct carrier *carrier = client ? ((struct mqtt_row *)client->data)->carrier : NULL;

    if (!carrier || !local->enable) {
        mtp_set_status(mtp, row, LOCAL_MTP_DOWN);
        return;
    }
    if (mqtt_client_status(carrier->client) == MQTT_STATUS_CONNECTED)
        restart(carrier);
}

struct usp_channel *mtp_mqtt_channel(struct mtp *mtp, struct dm_row *row)
{
    const struct local_mtp *local = row->data;
    struct dm_row *client = local->enable ? mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client)
                                          : NULL;
    struct carrier *carrier = client ? ((struct mqtt_row *)client->data)->carrier : NULL;

    return carrier && carrier->ready ? &carrier->channel : NULL;
}

static void each_carrier(struct mtp *mtp, void (*fn)(struct carrier *carrier))
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.MQTT.")), mtp->mqtt_client, &rows);

    for (uint32_t i = 0; i < count; i++)
        if (((struct mqtt_row *)rows[i]->data)->carrier)
            fn(((struct mqtt_row *)rows[i]->data)->carrier);
}

static void bye(void *ctx, struct controller *controller, struct dm_row *row)
{
    struct carrier *carrier = ctx;
    const struct controller_mtp *mtp_row = row->data;
    struct buf record;

    if (!mtp_row->mqtt_topic ||
        mtp_referenced(carrier->mtp, mtp_row->mqtt_agent_mtp, carrier->mtp->local_mtp) != local_of(carrier))
        return;
    buf_init(&record, LIMIT_RECORD_BYTES, USP_HEADROOM);
    usp_record_disconnect(&record, str_of(controller->endpoint_id),
                          str_of(usp_endpoint_id(carrier->mtp->usp)), 0, STR("The agent stops"));
    if (!record.failed)
        send_record(&carrier->channel, mtp_row->mqtt_topic, &record, NULL);
    buf_done(&record);
}

static void stop(struct carrier *carrier)
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
