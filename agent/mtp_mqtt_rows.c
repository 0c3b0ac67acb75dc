/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * USP over MQTT: what the rows say, and what becomes of the connection when they change. TR-181 lets most parameters of a
 * client wait for its next CONNECT, or for ForceReconnect(); where it connects to, and as whom, is followed at once.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/mtp_mqtt.h"
#include "base/limits.h"
#include "base/log.h"

static bool is_text(const char *text, const char *value)
{
    return text && strcmp(text, value) == 0;
}

/* Bits of a change: those of these parameters. */
static uint64_t params_of(const struct dm_node *node, const char *const *names)
{
    uint64_t bits = 0;

    for (; *names; names++) {
        int param = dm_node_param(node, *names);

        if (param >= 0)
            bits |= 1ull << param;
    }
    return bits;
}

/* ---- settings ---- */

static const char *client_id(const struct mqtt_carrier *carrier)
{
    const struct mqtt_row *row = mqtt_row_of(carrier);

    /* R-MQTT.8: in 3.1.1 the Endpoint ID stands in for a missing identifier. */
    if ((!row->client_id || !row->client_id[0]) && !carrier->version_5)
        return usp_endpoint_id(carrier->mtp->usp);
    return row->client_id ? row->client_id : "";
}

/* Our own first, then those of the table; returns how many. */
static size_t user_properties(const struct mqtt_carrier *carrier, struct mqtt_user_property *to)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(carrier->row, carrier->mtp->mqtt_user_property, &rows);
    size_t n = 0;

    to[n++] = (struct mqtt_user_property){"usp-endpoint-id", usp_endpoint_id(carrier->mtp->usp),
                                          MQTT_IN_CONNECT}; /* R-MQTT.13 */
    for (uint32_t i = 0; i < count && n <= LIMIT_MQTT_USER_PROPERTIES; i++) {
        const struct mqtt_user_property_row *row = rows[i]->data;

        if (row->enable && row->name && row->name[0])
            to[n++] = (struct mqtt_user_property){row->name, row->value ? row->value : "",
                                                  model_mqtt_packets(row->packet_type)};
    }
    return n;
}

static struct mqtt_will will_of(const struct mqtt_row *row)
{
    if (!row->will_enable)
        return (struct mqtt_will){.topic = NULL};
    return (struct mqtt_will){
        .topic = row->will_topic ? row->will_topic : "",
        .payload = row->will_value ? row->will_value : "",
        .len = row->will_value ? strlen(row->will_value) : 0,
        .qos = (int)row->will_qos,
        .retain = row->will_retain,
        .delay_s = row->will_delay,
        .expiry_s = row->will_expiry,
        .content_type = row->will_content_type,
        .response_topic = row->will_response_topic,
    };
}

/* Hands the row's values to `use`, which is mqtt_client_start() or mqtt_client_configure(). */
static int apply(struct mqtt_carrier *carrier,
                 int (*use)(struct mqtt_client *client, const struct mqtt_settings *settings,
                            struct error *err),
                 struct error *err)
{
    struct mqtt_row *row = mqtt_row_of(carrier);
    struct mqtt_user_property properties[LIMIT_MQTT_USER_PROPERTIES + 1];
    struct mqtt_settings settings = {
        .version = carrier->version_5 ? MQTT_5_0 : MQTT_3_1_1,
        .host = row->broker_address,
        .port = (uint16_t)row->broker_port,
        .client_id = client_id(carrier),
        .username = row->username && row->username[0] ? row->username : NULL,
        .password = row->password && row->password[0] ? row->password : NULL,
        .keep_alive_s = (uint16_t)row->keep_alive,
        .clean = carrier->version_5 ? row->clean_start : row->clean_session,
        .session_expiry_s = row->session_expiry,
        .receive_maximum = (uint16_t)row->receive_maximum,
        .maximum_packet = row->maximum_packet,
        .topic_alias_maximum = (uint16_t)row->topic_alias_maximum,
        .request_response_info = row->request_response_info,
        .request_problem_info = row->request_problem_info,
        .user_properties = properties,
        .user_properties_count = user_properties(carrier, properties),
        .will = will_of(row),
        .retry_s = row->retry_time,
        .retry_multiplier = row->retry_multiplier,
        .retry_max_s = row->retry_maximum,
        .tls = is_text(row->transport_protocol, "TLS"),
        .tls_settings = carrier->mtp->tls,
        .alpn = row->alpn,
    };

    return use(carrier->client, &settings, err);
}

static void start(struct mqtt_carrier *carrier)
{
    const struct mqtt_row *row = mqtt_row_of(carrier);
    struct error err;

    mqtt_say_goodbye(carrier);
    carrier->parted = false;
    carrier->version_5 = !is_text(row->protocol_version, "3.1.1");
    carrier->ready = false;
    carrier->local = mqtt_local_of(carrier);
    if (!is_text(carrier->broker, row->broker_address)) {
        mqtt_client_reset_stats(carrier->client); /* TR-181, Stats.: of another broker */
        str_replace(&carrier->broker, row->broker_address);
    }
    if (apply(carrier, mqtt_client_start, &err) < 0) {
        log_failure(LOG_LEVEL_ERROR, "MQTT client", &err);
        mqtt_set_status(carrier, LOCAL_MTP_ERROR);
    }
    dm_changed(carrier->mtp->dm, carrier->row, dm_node_param(carrier->row->node, "Status"));
}

/* ---- a client's life ---- */

static void carrier_free(struct mqtt_carrier *carrier)
{
    mqtt_say_goodbye(carrier);
    timer_cancel(&carrier->mtp->loop->timers, &carrier->restart);
    usp_channel_gone(carrier->mtp->usp, &carrier->channel);
    mqtt_row_of(carrier)->client = NULL;
    mqtt_row_of(carrier)->carrier = NULL;
    mqtt_client_free(carrier->client);
    mqtt_forget_topics(carrier);
    free(carrier->reply_topic);
    free(carrier->assigned_id);
    free(carrier->certificates);
    free(carrier->broker);
    free(carrier);
}

static void on_restart(struct timer *timer, void *ctx)
{
    struct mqtt_carrier *carrier = ctx;
    const struct mqtt_row *row = mqtt_row_of(carrier);
    struct dm *dm = carrier->mtp->dm;
    struct dm_row *client = carrier->row;

    (void)timer;
    if (carrier->mtp->stopping)
        return;
    if (row->enable && row->broker_address) {
        start(carrier);
        return;
    }
    mqtt_set_status(carrier, LOCAL_MTP_DOWN);
    carrier_free(carrier);
    dm_changed(dm, client, dm_node_param(client->node, "Status"));
}

static struct mqtt_carrier *carrier_new(struct mtp *mtp, struct dm_row *row)
{
    struct mqtt_carrier *carrier = calloc(1, sizeof(*carrier));
    struct mqtt_row *data = row->data;

    if (!carrier)
        return NULL;
    carrier->mtp = mtp;
    carrier->row = row;
    carrier->channel = (struct usp_channel){.ops = &mqtt_channel_ops, .ctx = carrier, .broker = true};
    timer_init(&carrier->restart, on_restart, carrier);
    carrier->client = mqtt_client_new(mtp->loop, &mqtt_carrier_ops, carrier);
    if (!carrier->client) {
        free(carrier);
        return NULL;
    }
    data->carrier = carrier;
    data->client = carrier->client;
    return carrier;
}

/* At once when nobody can be waiting for an answer on the connection. */
static void restart(struct mqtt_carrier *carrier)
{
    timer_arm(&carrier->mtp->loop->timers, &carrier->restart, carrier->ready ? MTP_RESTART_MS : 0);
}

/* For the next CONNECT. Settings that cannot be used are found out then, too. */
static void configure(struct mqtt_carrier *carrier)
{
    struct error err;

    if (mqtt_client_status(carrier->client) == MQTT_STATUS_DISABLED ||
        mqtt_client_status(carrier->client) == MQTT_STATUS_ERROR_MISCONFIGURED) {
        restart(carrier);
        return;
    }
    carrier->misconfigured = apply(carrier, mqtt_client_configure, &err) < 0;
    if (carrier->misconfigured)
        log_failure(LOG_LEVEL_WARNING, "MQTT client, from its next connection on", &err);
}

void mqtt_client_is_lost(struct mqtt_carrier *carrier)
{
    if (carrier->misconfigured)
        restart(carrier);
    carrier->misconfigured = false;
}

/* ---- changes ---- */

void mtp_mqtt_client_changed(struct mtp *mtp, struct dm_row *row, uint64_t params, bool deleted)
{
    static const char *const at_once[] = {"Enable",
                                          "ProtocolVersion",
                                          "BrokerAddress",
                                          "BrokerPort",
                                          "TransportProtocol",
                                          "Username",
                                          "Password",
                                          NULL};
    static const char *const no_matter[] = {"Alias", "Name", "MessageRetryTime",
                                            "PublishMessageExpiryInterval", NULL};
    static const char *const identifier[] = {"ClientID", NULL};
    struct mqtt_row *data = row->data;
    struct mqtt_carrier *carrier = data->carrier;

    if (deleted) {
        if (carrier)
            carrier_free(carrier);
        return;
    }
    if (!carrier) {
        carrier = data->enable && data->broker_address ? carrier_new(mtp, row) : NULL;
        if (carrier)
            restart(carrier);
        return;
    }
    params &= ~params_of(row->node, no_matter);
    /* The identifier that the broker gave: the connection has it already. */
    if (is_text(carrier->assigned_id, data->client_id ? data->client_id : ""))
        params &= ~params_of(row->node, identifier);
    if (params & params_of(row->node, at_once))
        restart(carrier);
    else if (params)
        configure(carrier);
}

void mtp_mqtt_reconnect(struct dm_row *row)
{
    struct mqtt_carrier *carrier = ((struct mqtt_row *)row->data)->carrier;

    if (carrier)
        restart(carrier);
}

void mtp_mqtt_user_property_changed(struct dm_row *row)
{
    struct mqtt_carrier *carrier = ((struct mqtt_row *)row->parent->data)->carrier;

    if (carrier)
        configure(carrier);
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
    if (wanted && (!had || subscription->asked_qos != subscription->qos)) {
        mqtt_show_topic(carrier, subscription->topic, MQTT_SUBSCRIBING);
        mqtt_client_subscribe(carrier->client, subscription->topic, (int)subscription->qos, NULL);
    }
}

static void each_carrier(struct mtp *mtp, void (*fn)(struct mqtt_carrier *carrier, struct dm_row *local),
                         struct dm_row *local)
{
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_row_find(mtp->dm, STR("Device.MQTT.")), mtp->mqtt_client, &rows);

    for (uint32_t i = 0; i < count; i++)
        if (((struct mqtt_row *)rows[i]->data)->carrier)
            fn(((struct mqtt_row *)rows[i]->data)->carrier, local);
}

/* The LocalAgent.MTP row was, or is now, the one of this client. */
static void follow(struct mqtt_carrier *carrier, struct dm_row *local)
{
    if (carrier->local == local || mqtt_local_of(carrier) == local)
        restart(carrier);
}

static void let_go(struct mqtt_carrier *carrier, struct dm_row *local)
{
    if (carrier->local != local)
        return;
    carrier->local = NULL;
    restart(carrier);
}

/* What client the row means, or what the reply topic is, may have changed: begin anew. */
void mtp_mqtt_local_changed(struct mtp *mtp, struct dm_row *row, const struct dm_node *node, uint64_t params,
                            bool deleted)
{
    static const char *const no_matter[] = {"Alias", "EnableMDNS", "PublishQoS", NULL};
    const struct local_mtp *local = row->data;
    bool carries = !deleted && local->row.enable && is_text(local->row.protocol, "MQTT");

    if (params && !(params & ~params_of(node, no_matter)))
        return;
    each_carrier(mtp, deleted ? let_go : follow, row);
    if (!deleted && !carries && is_text(local->row.protocol, "MQTT"))
        mtp_set_status(mtp, row, LOCAL_MTP_DOWN);
}

struct usp_channel *mtp_mqtt_channel(struct mtp *mtp, struct dm_row *row)
{
    const struct local_mtp *local = row->data;
    struct dm_row *client = local->row.enable ? mtp_referenced(mtp, local->mqtt_reference, mtp->mqtt_client)
                                              : NULL;
    struct mqtt_carrier *carrier = client ? ((struct mqtt_row *)client->data)->carrier : NULL;

    return carrier && carrier->ready ? &carrier->channel : NULL;
}

/* ---- the end ---- */

static void part(struct mqtt_carrier *carrier, struct dm_row *local)
{
    (void)local;
    mqtt_say_goodbye(carrier);
}

void mtp_mqtt_stop(struct mtp *mtp)
{
    each_carrier(mtp, part, NULL);
}

static void done(struct mqtt_carrier *carrier, struct dm_row *local)
{
    (void)local;
    carrier_free(carrier);
}

void mtp_mqtt_done(struct mtp *mtp)
{
    each_carrier(mtp, done, NULL);
}
