/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.Controller.{i}.MTP.{i}. and its objects per protocol. */
#include "base/limits.h"
#include "datamodel/device/model.h"
#include "datamodel/device/mtp.h"

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
    {.name = "Protocol",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED,
     .values = model_mtp_protocols,
     .offset = DM_OFFSET(struct mtp_row, protocol)},
    {.name = "Order",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "1",
     .offset = DM_OFFSET(struct controller_mtp, order)},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{"Protocol"}}, {{NULL}}};

const struct dm_object model_controller_mtp = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct controller_mtp),
    .params = params,
    .keys = keys,
    .max_rows = LIMIT_CONTROLLER_MTPS,
    .applied = model_mtp_applied,
};

static const struct dm_param mqtt_params[] = {
    {.name = "AgentMTPReference",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.LocalAgent.MTP.",
     .offset = DM_OFFSET(struct controller_mtp, mqtt_agent_mtp)},
    {.name = "Topic",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct controller_mtp, mqtt_topic)},
    {.name = "PublishRetainResponse",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct controller_mtp, mqtt_retain_response)},
    {.name = "PublishRetainNotify",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct controller_mtp, mqtt_retain_notify)},
    DM_END_PARAMS,
};

const struct dm_object model_controller_mtp_mqtt = {
    .params = mqtt_params,
    .present = model_is_mqtt,
    .applied = model_mtp_applied,
};

static const struct dm_param websocket_params[] = {
    {.name = "Host",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct controller_mtp, websocket_host)},
    {.name = "Port",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "443",
     .offset = DM_OFFSET(struct controller_mtp, websocket_port)},
    {.name = "Path",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct controller_mtp, websocket_path)},
    {.name = "EnableEncryption",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct controller_mtp, websocket_encryption)},
    {.name = "KeepAliveInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .default_value = "60",
     .offset = DM_OFFSET(struct controller_mtp, websocket_keep_alive)},
    {.name = "CurrentRetryCount",
     .type = DM_UNSIGNED_INT,
     .offset = DM_OFFSET(struct controller_mtp, websocket_retries)},
    {.name = "SessionRetryMinimumWaitInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "5",
     .offset = DM_OFFSET(struct controller_mtp, websocket_retry_minimum)},
    {.name = "SessionRetryIntervalMultiplier",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1000,
     .max = 65535,
     .default_value = "2000",
     .offset = DM_OFFSET(struct controller_mtp, websocket_retry_multiplier)},
    DM_END_PARAMS,
};

static int run_reset(struct dm_call *call, struct error *err)
{
    struct model *model = model_of(call->dm);

    if (!model->websocket_reset || !model->websocket_reset(model->ctx, call->row->parent))
        return error_set(
            err, ERROR_COMMAND_FAILURE, NULL,
            "there is no session to begin: enable the controller and its MTP, and set Host first");
    return 0;
}

static const struct dm_command websocket_commands[] = {
    {.name = "Reset()", .run = run_reset},
    {.name = NULL},
};

const struct dm_object model_controller_mtp_websocket = {
    .params = websocket_params,
    .commands = websocket_commands,
    .present = model_is_websocket,
    .applied = model_mtp_applied,
};

static const struct dm_param uds_params[] = {
    {.name = "UnixDomainSocketRef",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.UnixDomainSockets.UnixDomainSocket.",
     .offset = DM_OFFSET(struct controller_mtp, uds_reference)},
    DM_END_PARAMS,
};

const struct dm_object model_controller_mtp_uds = {
    .params = uds_params,
    .present = model_is_uds,
    .applied = model_mtp_applied,
};
