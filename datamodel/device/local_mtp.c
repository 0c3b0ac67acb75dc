/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.MTP.{i}. and its objects per protocol, which are there only for that Protocol (TR-181). */
#include <string.h>

#include "base/limits.h"
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"

static const char *const statuses[] = {"Up", "Down", "Error", NULL};

/*
 * TR-181: not with several rows of one Protocol, for they would advertise under one name. The default is true all the same;
 * of rows that have it by default the first that is Up is advertised.
 */
static int check_enable_mdns(const struct dm_row *row, struct str value, struct error *err)
{
    const struct mtp_row *mtp = row->data;
    struct dm_row *const *rows;
    uint32_t count = dm_rows(row->parent, row->node, &rows);
    bool enable;

    if (str_to_bool(value, &enable) < 0 || !enable || !mtp->protocol)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct mtp_row *other = rows[i]->data;

        if (other != mtp && other->protocol && strcmp(other->protocol, mtp->protocol) == 0)
            return error_set(err, ERROR_VALUE_CONFLICT, NULL,
                             "EnableMDNS: another row has the Protocol %s, too", mtp->protocol);
    }
    return 0;
}

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct mtp_row, alias)},
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct mtp_row, enable)},
    {.name = "Status",
     .type = DM_ENUM,
     .values = statuses,
     .default_value = "Down",
     .offset = DM_OFFSET(struct local_mtp, status)},
    {.name = "Protocol",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .values = model_mtp_protocols,
     .offset = DM_OFFSET(struct mtp_row, protocol)},
    {.name = "EnableMDNS",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .check = check_enable_mdns,
     .offset = DM_OFFSET(struct local_mtp, enable_mdns)},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_local_mtp = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct local_mtp),
    .params = params,
    .keys = keys,
    .max_rows = LIMIT_LOCAL_MTPS,
    .applied = model_mtp_applied,
};

/* TR-181: a topic to be answered on, no filter. */
static int check_response_topic(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    if (value.len && (memchr(value.data, '+', value.len) || memchr(value.data, '#', value.len)))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "a response topic has no wildcards");
    return 0;
}

static const struct dm_param mqtt_params[] = {
    {.name = "Reference",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.MQTT.Client.",
     .offset = DM_OFFSET(struct local_mtp, mqtt_reference)},
    {.name = "PublishQoS",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 2,
     .offset = DM_OFFSET(struct local_mtp, mqtt_publish_qos)},
    {.name = "ResponseTopicConfigured",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .check = check_response_topic,
     .offset = DM_OFFSET(struct local_mtp, mqtt_response_topic)},
    {.name = "ResponseTopicDiscovered",
     .type = DM_STRING,
     .max = 65535,
     .offset = DM_OFFSET(struct local_mtp, mqtt_discovered_topic)},
    DM_END_PARAMS,
};

const struct dm_object model_local_mtp_mqtt = {
    .params = mqtt_params,
    .present = model_is_mqtt,
    .applied = model_mtp_applied,
};

static const struct dm_param websocket_params[] = {
    {.name = "Port",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "8443",
     .offset = DM_OFFSET(struct local_mtp, websocket_port)},
    {.name = "Path",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct local_mtp, websocket_path)},
    {.name = "EnableEncryption",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct local_mtp, websocket_encryption)},
    {.name = "KeepAliveInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "60",
     .offset = DM_OFFSET(struct local_mtp, websocket_keep_alive)},
    DM_END_PARAMS,
};

const struct dm_object model_local_mtp_websocket = {
    .params = websocket_params,
    .present = model_is_websocket,
    .applied = model_mtp_applied,
};

static const struct dm_param uds_params[] = {
    {.name = "UnixDomainSocketRef",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.UnixDomainSockets.UnixDomainSocket.",
     .offset = DM_OFFSET(struct local_mtp, uds_reference)},
    DM_END_PARAMS,
};

const struct dm_object model_local_mtp_uds = {
    .params = uds_params,
    .present = model_is_uds,
    .applied = model_mtp_applied,
};
