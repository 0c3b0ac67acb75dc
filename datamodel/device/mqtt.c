/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.MQTT.: its clients (profile MQTTClientExtended:1, R-MQTT.5). What is below them is in mqtt_tables.c. */
#include "base/limits.h"
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"

static const struct dm_param mqtt_params[] = {
    {.name = "ClientNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Client"},
    DM_END_PARAMS,
};

const struct dm_object model_mqtt = {.params = mqtt_params};

/* ---- Capabilities ---- */

static void get_versions(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR("3.1.1,5.0");
}

static void get_transports(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR("TCP/IP,TLS");
}

static void get_subscriptions_limit(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->number = model_mqtt_subscription.max_rows;
}

static const struct dm_param capabilities_params[] = {
    {.name = "MaxNumberOfClientSubscriptions", .type = DM_UNSIGNED_INT, .get = get_subscriptions_limit},
    {.name = "ProtocolVersionsSupported", .type = DM_STRING, .flags = DM_LIST, .get = get_versions},
    {.name = "TransportProtocolSupported", .type = DM_STRING, .flags = DM_LIST, .get = get_transports},
    DM_END_PARAMS,
};

const struct dm_object model_mqtt_capabilities = {.params = capabilities_params};

/* ---- Client ---- */

static const char *const versions[] = {"3.1.1", "5.0", NULL};
static const char *const transports[] = {"TCP/IP", "TLS", NULL};

static void get_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    static const char *const names[] = {
        [MQTT_STATUS_DISABLED] = "Disabled",
        [MQTT_STATUS_CONNECTING] = "Connecting",
        [MQTT_STATUS_CONNECTED] = "Connected",
        [MQTT_STATUS_ERROR_MISCONFIGURED] = "Error_Misconfigured",
        [MQTT_STATUS_ERROR_UNREACHABLE] = "Error_BrokerUnreachable",
        [MQTT_STATUS_ERROR] = "Error",
    };
    const struct mqtt_row *mqtt = row->data;

    (void)scratch;
    ret->text = str_of(names[mqtt->client ? mqtt_client_status(mqtt->client) : MQTT_STATUS_DISABLED]);
}

static const char *const statuses[] = {
    "Disabled", "Connecting", "Connected", "Error_Misconfigured", "Error_BrokerUnreachable", "Error", NULL};

/* libmosquitto has no shorter one, and what is configured has to be sent (R-MQTT.14). */
static int check_keep_alive(const struct dm_row *row, struct str value, struct error *err)
{
    uint64_t seconds;

    (void)row;
    if (str_to_u64(value, &seconds) == 0 && seconds > 0 && seconds < 5)
        return error_set(err, ERROR_INVALID_VALUE, NULL, "a keep-alive of less than 5 s is not supported");
    return 0;
}

/* TR-181: 0 says that topic aliases are not supported, which libmosquitto does not. */
static int check_topic_alias(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    return str_is(value, "0") ? 0
                              : error_set(err, ERROR_INVALID_VALUE, NULL, "topic aliases are not supported");
}

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct mqtt_row, alias)},
    {.name = "Name",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct mqtt_row, name)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct mqtt_row, enable)},
    {.name = "Status", .type = DM_STRING, .values = statuses, .get = get_status},
    {.name = "ProtocolVersion",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .values = versions,
     .default_value = "5.0",
     .offset = DM_OFFSET(struct mqtt_row, protocol_version)},
    {.name = "BrokerAddress",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct mqtt_row, broker_address)},
    {.name = "BrokerPort",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "1883",
     .offset = DM_OFFSET(struct mqtt_row, broker_port)},
    {.name = "TransportProtocol",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .values = transports,
     .default_value = "TCP/IP",
     .offset = DM_OFFSET(struct mqtt_row, transport_protocol)},
    {.name = "CleanSession",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct mqtt_row, clean_session)},
    {.name = "CleanStart",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct mqtt_row, clean_start)},
    {.name = "KeepAliveTime",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 65535,
     .default_value = "60",
     .check = check_keep_alive,
     .offset = DM_OFFSET(struct mqtt_row, keep_alive)},
    {.name = "SessionExpiryInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct mqtt_row, session_expiry)},
    {.name = "ReceiveMaximum",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_row, receive_maximum)},
    {.name = "MaximumPacketSize",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct mqtt_row, maximum_packet)},
    {.name = "TopicAliasMaximum",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 65535,
     .check = check_topic_alias,
     .offset = DM_OFFSET(struct mqtt_row, topic_alias_maximum)},
    {.name = "RequestResponseInfo",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct mqtt_row, request_response_info)},
    {.name = "RequestProblemInfo",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct mqtt_row, request_problem_info)},
    {.name = "ResponseInformation",
     .type = DM_STRING,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_row, response_information)},
    {.name = "ClientID",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_row, client_id)},
    {.name = "Username",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct mqtt_row, username)},
    {.name = "Password",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_SECRET,
     .max = 256,
     .offset = DM_OFFSET(struct mqtt_row, password)},
    {.name = "ConnectRetryTime",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "5",
     .offset = DM_OFFSET(struct mqtt_row, retry_time)},
    {.name = "ConnectRetryIntervalMultiplier",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1000,
     .max = 65535,
     .default_value = "2000",
     .offset = DM_OFFSET(struct mqtt_row, retry_multiplier)},
    {.name = "ConnectRetryMaxInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "30720",
     .offset = DM_OFFSET(struct mqtt_row, retry_maximum)},
    /* 3.1.1 re-sends what was not acknowledged when it reconnects, as 5.0 does, and never on a live connection (3.1.1,
     * 4.4): the value is kept for controllers that set it, and has nothing to do. */
    {.name = "MessageRetryTime",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "5",
     .offset = DM_OFFSET(struct mqtt_row, message_retry)},
    {.name = "PublishMessageExpiryInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct mqtt_row, publish_expiry)},
    {.name = "ALPN",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_LIST,
     .max = 256,
     .offset = DM_OFFSET(struct mqtt_row, alpn)},
    {.name = "WillEnable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct mqtt_row, will_enable)},
    {.name = "WillTopic",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_row, will_topic)},
    {.name = "WillValue",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_row, will_value)},
    {.name = "WillQoS",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 2,
     .offset = DM_OFFSET(struct mqtt_row, will_qos)},
    {.name = "WillRetain",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct mqtt_row, will_retain)},
    {.name = "WillDelayInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .default_value = "5",
     .offset = DM_OFFSET(struct mqtt_row, will_delay)},
    {.name = "WillMessageExpiryInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct mqtt_row, will_expiry)},
    {.name = "WillContentType",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct mqtt_row, will_content_type)},
    {.name = "WillResponseTopic",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct mqtt_row, will_response_topic)},
    {.name = "UserPropertyNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "UserProperty"},
    {.name = "SubscriptionNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Subscription"},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{"Name"}}, {{NULL}}};

static int run_reconnect(struct dm_call *call, struct error *err)
{
    struct model *model = model_of(call->dm);
    const struct mqtt_row *mqtt = call->row->data;

    if (!mqtt->enable || !mqtt->client)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "the client is disabled: set Enable first");
    model->mqtt_reconnect(model->ctx, call->row);
    return 0;
}

static const struct dm_command commands[] = {
    {.name = "ForceReconnect()", .run = run_reconnect},
    {.name = NULL},
};

const struct dm_object model_mqtt_client = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct mqtt_row),
    .params = params,
    .commands = commands,
    .keys = keys,
    .max_rows = LIMIT_MQTT_CLIENTS,
    .applied = model_mtp_applied,
};
