/* SPDX-License-Identifier: BSD-3-Clause */
/* Below Device.MQTT.Client.{i}.: counters, topics, user properties. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"

/* ---- Stats ---- */

static const struct mqtt_stats *stats_of(const struct dm_row *row)
{
    static const struct mqtt_stats none;
    const struct mqtt_row *mqtt = row->data;

    return mqtt->client ? mqtt_client_stats(mqtt->client) : &none;
}

#define STAT(member, field)                                                                \
    static void get_##field(const struct dm_row *row, struct dm_value *ret, char *scratch) \
    {                                                                                      \
        (void)scratch;                                                                     \
        ret->member = stats_of(row)->field;                                                \
    }

STAT(integer, established)
STAT(integer, last_sent)
STAT(integer, last_received)
STAT(number, publish_sent)
STAT(number, publish_received)
STAT(number, subscribe_sent)
STAT(number, unsubscribe_sent)
STAT(number, messages_sent)
STAT(number, messages_received)
STAT(number, connection_errors)
STAT(number, publish_errors)

static const struct dm_param stats_params[] = {
    {.name = "BrokerConnectionEstablished",
     .type = DM_DATE_TIME,
     .flags = DM_NO_NOTIFY,
     .get = get_established},
    {.name = "LastPublishMessageSent", .type = DM_DATE_TIME, .flags = DM_NO_NOTIFY, .get = get_last_sent},
    {.name = "LastPublishMessageReceived",
     .type = DM_DATE_TIME,
     .flags = DM_NO_NOTIFY,
     .get = get_last_received},
    {.name = "PublishSent", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_publish_sent},
    {.name = "PublishReceived", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_publish_received},
    {.name = "SubscribeSent", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_subscribe_sent},
    {.name = "UnSubscribeSent", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_unsubscribe_sent},
    {.name = "MQTTMessagesSent", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_messages_sent},
    {.name = "MQTTMessagesReceived",
     .type = DM_UNSIGNED_LONG,
     .flags = DM_NO_NOTIFY,
     .get = get_messages_received},
    {.name = "ConnectionErrors",
     .type = DM_UNSIGNED_INT,
     .flags = DM_NO_NOTIFY,
     .get = get_connection_errors},
    {.name = "PublishErrors", .type = DM_UNSIGNED_INT, .flags = DM_NO_NOTIFY, .get = get_publish_errors},
    DM_END_PARAMS,
};

const struct dm_object model_mqtt_client_stats = {.params = stats_params};

/* ---- Subscription ---- */

static const char *const subscription_statuses[] = {"Unsubscribed",  "Subscribed", "Subscribing",
                                                    "Unsubscribing", "Error",      NULL};

static const struct dm_param subscription_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct mqtt_subscription_row, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct mqtt_subscription_row, enable)},
    {.name = "Status",
     .type = DM_ENUM,
     .values = subscription_statuses,
     .offset = DM_OFFSET(struct mqtt_subscription_row, status)},
    {.name = "Topic",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_subscription_row, topic)},
    {.name = "QoS",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 2,
     .offset = DM_OFFSET(struct mqtt_subscription_row, qos)},
    DM_END_PARAMS,
};

static const struct dm_key subscription_keys[] = {{{"Alias"}}, {{"Topic"}}, {{NULL}}};

static void subscription_done(struct dm_row *row)
{
    struct mqtt_subscription_row *subscription = row->data;

    free(subscription->subscribed);
    subscription->subscribed = NULL;
}

const struct dm_object model_mqtt_subscription = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct mqtt_subscription_row),
    .params = subscription_params,
    .keys = subscription_keys,
    .max_rows = LIMIT_MQTT_SUBSCRIPTIONS,
    .applied = model_mtp_applied,
    .done = subscription_done,
};

/* ---- UserProperty ---- */

/* libmosquitto makes the other packets by itself. */
static const char *const packet_types[] = {"CONNECT",     "DISCONNECT", "PUBLISH", "SUBSCRIBE",
                                           "UNSUBSCRIBE", "WILL",       NULL};
static const enum mqtt_packets packets[] = {MQTT_IN_CONNECT,   MQTT_IN_DISCONNECT,  MQTT_IN_PUBLISH,
                                            MQTT_IN_SUBSCRIBE, MQTT_IN_UNSUBSCRIBE, MQTT_IN_WILL};

unsigned model_mqtt_packets(const char *packet_type)
{
    struct str rest = str_of(packet_type ? packet_type : "");
    struct str name;
    unsigned set = 0;

    while (str_next(&rest, ',', &name))
        for (size_t i = 0; packet_types[i]; i++)
            if (str_is(str_trim(name), packet_types[i]))
                set |= packets[i];
    return set;
}

static const struct dm_param user_property_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct mqtt_user_property_row, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct mqtt_user_property_row, enable)},
    {.name = "Name",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_user_property_row, name)},
    {.name = "Value",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_user_property_row, value)},
    {.name = "PacketType",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST,
     .values = packet_types,
     .offset = DM_OFFSET(struct mqtt_user_property_row, packet_type)},
    DM_END_PARAMS,
};

static const struct dm_key user_property_keys[] = {{{"Alias"}}, {{"Name"}}, {{NULL}}};

const struct dm_object model_mqtt_user_property = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct mqtt_user_property_row),
    .params = user_property_params,
    .keys = user_property_keys,
    .max_rows = LIMIT_MQTT_USER_PROPERTIES,
    .applied = model_mtp_applied,
};
