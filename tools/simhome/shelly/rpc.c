/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/rpc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tools/simhome/shelly/shelly.h"
#include "tools/simhome/fault.h"
#include "tools/simhome/home.h"

struct call {
    struct shelly *device;
    const cJSON *params;
    struct rpc_error *error;
};

struct method {
    const char *name;
    cJSON *(*fn)(struct call *call);
};

static cJSON *fail(struct call *call, int code, const char *message)
{
    call->error->code = code;
    snprintf(call->error->message, sizeof(call->error->message), "%s", message);
    return NULL;
}

static cJSON *bad_argument(struct call *call, const char *name)
{
    char text[160];

    snprintf(text, sizeof(text), "Invalid argument '%s'!", name);
    return fail(call, RPC_INVALID_ARGUMENT, text);
}

static const cJSON *param(const struct call *call, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(call->params, name);

    return cJSON_IsNull(item) ? NULL : item;
}

/* ---- status ----------------------------------------------------------------------------------------------- */

static cJSON *offered(const struct shelly *device)
{
    cJSON *updates = cJSON_CreateObject();

    if (device->offer.version[0]) {
        cJSON *stable = cJSON_AddObjectToObject(updates, "stable");
        char build[IMAGE_FW_ID_BYTES];

        snprintf(build, sizeof(build), "20260101-000000/%.60s", device->offer.version);
        cJSON_AddStringToObject(stable, "version", device->offer.version);
        cJSON_AddStringToObject(stable, "build_id", build);
    }
    return updates;
}

cJSON *rpc_sys_status(const struct shelly *device)
{
    const struct clock *clock = &device->base.home->loop.clock;
    uint64_t uptime = (clock_monotonic(clock) - device->booted_at) / 1000;
    cJSON *sys = cJSON_CreateObject();

    cJSON_AddStringToObject(sys, "mac", device->mac);
    cJSON_AddBoolToObject(sys, "restart_required", false);
    cJSON_AddNumberToObject(sys, "unixtime", (double)clock_wall(clock));
    cJSON_AddNumberToObject(sys, "uptime", (double)uptime);
    cJSON_AddNumberToObject(sys, "ram_size", 260000);
    cJSON_AddNumberToObject(sys, "ram_free", 120000);
    cJSON_AddNumberToObject(sys, "fs_size", 393216);
    cJSON_AddNumberToObject(sys, "fs_free", 106496);
    cJSON_AddNumberToObject(sys, "cfg_rev", 10);
    if (device->model->battery) {
        cJSON *reason = cJSON_AddObjectToObject(sys, "wakeup_reason");

        cJSON_AddStringToObject(reason, "boot", device->count.boots > 1 ? "deepsleep_wake" : "poweron");
        cJSON_AddStringToObject(reason, "cause", device->count.boots > 1 ? "periodic" : "undefined");
        cJSON_AddNumberToObject(sys, "wakeup_period", SHELLY_WAKEUP_S);
    }
    cJSON_AddNumberToObject(sys, "reset_reason", device->count.boots > 1 ? 3 : 1);
    cJSON_AddItemToObject(sys, "available_updates", offered(device));
    return sys;
}

cJSON *rpc_power_status(const struct shelly *device)
{
    bool low = device->base.faults & FAULT_LOW_BATTERY;
    cJSON *power = cJSON_CreateObject();
    cJSON *part;

    cJSON_AddNumberToObject(power, "id", 0);
    part = cJSON_AddObjectToObject(power, "battery");
    cJSON_AddNumberToObject(part, "V", low ? 4.4 : 5.9);
    cJSON_AddNumberToObject(part, "percent", low ? 9 : 96);
    cJSON_AddBoolToObject(cJSON_AddObjectToObject(power, "external"), "present", false);
    return power;
}

cJSON *rpc_status(const struct shelly *device)
{
    bool mqtt = device->ops == &link_mqtt;
    cJSON *all = cJSON_CreateObject();
    cJSON *part;
    char name[32];

    cJSON_AddObjectToObject(all, "ble");
    part = cJSON_AddObjectToObject(all, "cloud");
    cJSON_AddBoolToObject(part, "connected", false);
    part = cJSON_AddObjectToObject(all, "mqtt");
    cJSON_AddBoolToObject(part, "connected", mqtt && device->linked);
    for (int i = 0; i < device->model->switches; i++) {
        snprintf(name, sizeof(name), "switch:%d", i);
        part = cJSON_AddObjectToObject(all, name);
        cJSON_AddNumberToObject(part, "id", i);
        cJSON_AddStringToObject(part, "source", "init");
        cJSON_AddBoolToObject(part, "output", false);
    }
    if (device->model->battery || device->base.faults & FAULT_LOW_BATTERY)
        cJSON_AddItemToObject(all, "devicepower:0", rpc_power_status(device));
    cJSON_AddItemToObject(all, "sys", rpc_sys_status(device));
    part = cJSON_AddObjectToObject(all, "wifi");
    cJSON_AddStringToObject(part, "status", "got ip");
    cJSON_AddNumberToObject(part, "rssi", -40 - (double)(device->base.index % 40));
    part = cJSON_AddObjectToObject(all, "ws");
    cJSON_AddBoolToObject(part, "connected", !mqtt && device->linked);
    return all;
}

static cJSON *on_get_status(struct call *call)
{
    return rpc_status(call->device);
}

static cJSON *on_sys_get_status(struct call *call)
{
    return rpc_sys_status(call->device);
}

/* ---- identity and configuration ------------------------------------------------------------------------------ */

static cJSON *on_get_device_info(struct call *call)
{
    const struct shelly *device = call->device;
    const cJSON *ident = param(call, "ident");
    cJSON *info;

    if (ident && !cJSON_IsBool(ident))
        return bad_argument(call, "ident");
    info = cJSON_CreateObject();
    cJSON_AddNullToObject(info, "name");
    cJSON_AddStringToObject(info, "id", device->base.id);
    cJSON_AddStringToObject(info, "mac", device->mac);
    cJSON_AddNumberToObject(info, "slot", device->count.updates_done % 2);
    if (cJSON_IsTrue(ident)) {
        cJSON_AddStringToObject(info, "key", device->key);
        cJSON_AddStringToObject(info, "batch", "2430-Broadwell");
        cJSON_AddStringToObject(info, "fw_sbits", "04");
    }
    cJSON_AddStringToObject(info, "model", device->model->code);
    cJSON_AddNumberToObject(info, "gen", device->model->generation);
    cJSON_AddStringToObject(info, "fw_id", device->fw_id);
    cJSON_AddStringToObject(info, "ver", device->version);
    cJSON_AddStringToObject(info, "app", device->model->app);
    cJSON_AddBoolToObject(info, "auth_en", *device->auth.password != '\0');
    cJSON_AddItemToObject(info, "auth_domain",
                          *device->auth.password ? cJSON_CreateString(device->base.id) : cJSON_CreateNull());
    if (device->model->generation >= 4)
        cJSON_AddBoolToObject(info, "matter", false);
    return info;
}

static cJSON *on_sys_get_config(struct call *call)
{
    const struct shelly *device = call->device;
    cJSON *config = cJSON_CreateObject();
    cJSON *part = cJSON_AddObjectToObject(config, "device");

    cJSON_AddNullToObject(part, "name");
    cJSON_AddStringToObject(part, "mac", device->mac);
    cJSON_AddStringToObject(part, "fw_id", device->fw_id);
    cJSON_AddBoolToObject(part, "discoverable", true);
    cJSON_AddBoolToObject(part, "eco_mode", false);
    part = cJSON_AddObjectToObject(config, "location");
    cJSON_AddNullToObject(part, "tz");
    part = cJSON_AddObjectToObject(config, "rpc_udp");
    cJSON_AddNullToObject(part, "dst_addr");
    part = cJSON_AddObjectToObject(config, "sntp");
    cJSON_AddStringToObject(part, "server", "time.example.net");
    cJSON_AddNumberToObject(config, "cfg_rev", 10);
    return config;
}

static cJSON *on_mqtt_get_config(struct call *call)
{
    const struct options *options = call->device->base.home->options;
    bool used = call->device->ops == &link_mqtt;
    cJSON *config = cJSON_CreateObject();
    char server[300];

    snprintf(server, sizeof(server), "%s:%d", options->mqtt_host, options->mqtt_port);
    cJSON_AddBoolToObject(config, "enable", used);
    cJSON_AddItemToObject(config, "server", used ? cJSON_CreateString(server) : cJSON_CreateNull());
    cJSON_AddStringToObject(config, "client_id", call->device->base.id);
    cJSON_AddItemToObject(config, "user",
                          options->mqtt_username ? cJSON_CreateString(options->mqtt_username)
                                                 : cJSON_CreateNull());
    cJSON_AddNullToObject(config, "ssl_ca");
    cJSON_AddStringToObject(config, "topic_prefix", call->device->base.id);
    cJSON_AddBoolToObject(config, "rpc_ntf", true);
    cJSON_AddBoolToObject(config, "status_ntf", false);
    cJSON_AddBoolToObject(config, "use_client_cert", false);
    cJSON_AddBoolToObject(config, "enable_rpc", true);
    cJSON_AddBoolToObject(config, "enable_control", true);
    return config;
}

static cJSON *on_ws_get_config(struct call *call)
{
    const struct options *options = call->device->base.home->options;
    bool used = call->device->ops == &link_websocket;
    cJSON *config = cJSON_CreateObject();
    char server[600];

    snprintf(server, sizeof(server), "ws://%s:%d%s", options->ws_host, options->ws_port, options->ws_path);
    cJSON_AddBoolToObject(config, "enable", used);
    cJSON_AddItemToObject(config, "server", used ? cJSON_CreateString(server) : cJSON_CreateNull());
    cJSON_AddStringToObject(config, "ssl_ca", "ca.pem");
    return config;
}

static cJSON *on_get_config(struct call *call)
{
    cJSON *all = cJSON_CreateObject();

    cJSON_AddItemToObject(all, "mqtt", on_mqtt_get_config(call));
    cJSON_AddItemToObject(all, "sys", on_sys_get_config(call));
    cJSON_AddItemToObject(all, "ws", on_ws_get_config(call));
    return all;
}

static cJSON *on_schedule_list(struct call *call)
{
    cJSON *result = cJSON_CreateObject();
    cJSON *jobs = cJSON_AddArrayToObject(result, "jobs");

    /* As the maker's application sets it up when automatic updates are switched on. */
    if (call->device->base.faults & FAULT_RIVAL) {
        cJSON *job = cJSON_CreateObject();
        cJSON *update = cJSON_CreateObject();

        cJSON_AddNumberToObject(job, "id", 1);
        cJSON_AddBoolToObject(job, "enable", true);
        cJSON_AddStringToObject(job, "timespec", "0 0 3 * * *");
        cJSON_AddStringToObject(update, "method", "shelly.update");
        cJSON_AddStringToObject(cJSON_AddObjectToObject(update, "params"), "stage", "stable");
        cJSON_AddStringToObject(update, "origin", "shelly_service");
        cJSON_AddItemToArray(cJSON_AddArrayToObject(job, "calls"), update);
        cJSON_AddItemToArray(jobs, job);
    }
    cJSON_AddNumberToObject(result, "rev", 0);
    return result;
}

/* ---- firmware ----------------------------------------------------------------------------------------------- */

static cJSON *on_check_for_update(struct call *call)
{
    return offered(call->device);
}

static bool is_url(const char *text)
{
    size_t len = strlen(text);

    return len < DEVICE_URL_BYTES && (!strncmp(text, "http://", 7) || !strncmp(text, "https://", 8));
}

static cJSON *on_update(struct call *call)
{
    struct shelly *device = call->device;
    const cJSON *url = param(call, "url");
    const cJSON *stage = param(call, "stage");
    const char *stage_name = stage ? cJSON_GetStringValue(stage) : "stable";

    device->count.update_requests++;
    if (url && (!cJSON_IsString(url) || !is_url(url->valuestring)))
        return bad_argument(call, "url");
    if (!stage_name || (strcmp(stage_name, "stable") && strcmp(stage_name, "beta")))
        return bad_argument(call, "stage");
    if (url && stage)
        return fail(call, RPC_INVALID_ARGUMENT, "Either 'stage' or 'url'!");
    if (device->base.faults & FAULT_REFUSES)
        return fail(call, RPC_FAILED_PRECONDITION, "Precondition failed: Update refused!");
    if (device->state != SHELLY_RUNNING)
        return fail(call, RPC_UNAVAILABLE, "Resource unavailable: Update in progress!");
    if (!url && (!device->offer.version[0] || strcmp(stage_name, "stable")))
        return fail(call, RPC_UNAVAILABLE, "Resource unavailable: No update info!");
    shelly_update(device, url ? url->valuestring : NULL);
    return cJSON_CreateNull();
}

static cJSON *on_reboot(struct call *call)
{
    const cJSON *delay = param(call, "delay_ms");

    if (delay && (!cJSON_IsNumber(delay) || delay->valuedouble < 0 || delay->valuedouble > 3600e3))
        return bad_argument(call, "delay_ms");
    if (call->device->state != SHELLY_RUNNING)
        return fail(call, RPC_FAILED_PRECONDITION, "Precondition failed: Update in progress!");
    shelly_reboot(call->device, delay ? (uint64_t)delay->valuedouble : 1000);
    return cJSON_CreateNull();
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static cJSON *on_list_methods(struct call *call);

static const struct method methods[] = {
    {"Mqtt.GetConfig", on_mqtt_get_config},
    {"Schedule.List", on_schedule_list},
    {"Shelly.CheckForUpdate", on_check_for_update},
    {"Shelly.GetConfig", on_get_config},
    {"Shelly.GetDeviceInfo", on_get_device_info},
    {"Shelly.GetStatus", on_get_status},
    {"Shelly.ListMethods", on_list_methods},
    {"Shelly.Reboot", on_reboot},
    {"Shelly.Update", on_update},
    {"Sys.GetConfig", on_sys_get_config},
    {"Sys.GetStatus", on_sys_get_status},
    {"Ws.GetConfig", on_ws_get_config},
};

enum {
    METHOD_COUNT = sizeof(methods) / sizeof(methods[0]),
};

static cJSON *on_list_methods(struct call *call)
{
    cJSON *result = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(result, "methods");

    (void)call;
    for (size_t i = 0; i < METHOD_COUNT; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(methods[i].name));
    return result;
}

cJSON *rpc_call(struct shelly *device, const char *method, const cJSON *params, struct rpc_error *ret_error)
{
    struct call call = {device, params, ret_error};
    char text[160];

    ret_error->code = 0;
    device->count.requests++;
    if (params && !cJSON_IsObject(params) && !cJSON_IsNull(params))
        return bad_argument(&call, "params");
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (!strcasecmp(methods[i].name, method))
            return methods[i].fn(&call);
    }
    device->count.unknown_methods++;
    snprintf(text, sizeof(text), "No handler for %.120s", method);
    return fail(&call, RPC_NO_HANDLER, text);
}
