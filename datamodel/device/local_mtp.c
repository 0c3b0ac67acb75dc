/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.MTP.{i}. and its objects per protocol, which are there only for that Protocol (TR-181). */
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"

static const char *const statuses[] = {"Up", "Down", "Error", NULL};

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
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_local_mtp = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct local_mtp),
    .params = params,
    .keys = keys,
    .max_rows = 32,
    .applied = model_mtp_applied,
};

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
