/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.IP.Diagnostics.: which way packets take. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "datamodel/device/model.h"
#include "transports/traceroute.h"

const struct dm_object model_ip = {.flags = 0};

static void get_supported(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->boolean = true;
}

static const struct dm_param params[] = {
    {.name = "IPv4TraceRouteSupported", .type = DM_BOOLEAN, .get = get_supported},
    {.name = "IPv6TraceRouteSupported", .type = DM_BOOLEAN, .get = get_supported},
    DM_END_PARAMS,
};

/* ---- TraceRoute() ---- */

static const char *const versions[] = {
    [TRACEROUTE_ANY] = "Any", [TRACEROUTE_IPV4] = "IPv4", [TRACEROUTE_IPV6] = "IPv6", NULL};

/* Defaults are TR-181's (TP-469 1.92). */
static const struct dm_arg inputs[] = {
    {.name = "ProtocolVersion", .type = DM_STRING, .required = true, .values = versions},
    {.name = "Host", .type = DM_STRING, .required = true, .min = 1, .max = 256},
    {.name = "NumberOfTries",
     .type = DM_UNSIGNED_INT,
     .min = 1,
     .max = TRACEROUTE_TRIES_MAX,
     .default_value = "3"},
    {.name = "Timeout", .type = DM_UNSIGNED_INT, .min = 1, .default_value = "5000"}, /* ms */
    {.name = "DataBlockSize", .type = DM_UNSIGNED_INT, .min = 1, .max = 65535, .default_value = "38"},
    {.name = "DSCP", .type = DM_UNSIGNED_INT, .max = 63, .default_value = "0"},
    {.name = "MaxHopCount",
     .type = DM_UNSIGNED_INT,
     .min = 1,
     .max = TRACEROUTE_HOPS_MAX,
     .default_value = "30"},
    {.name = NULL},
};

static const char *const statuses[] = {
    [TRACEROUTE_COMPLETE] = "Complete",
    [TRACEROUTE_CANNOT_RESOLVE] = "Error_CannotResolveHostName",
    [TRACEROUTE_NO_ROUTE] = "Error_NoRouteToHost",
    [TRACEROUTE_TOO_FAR] = "Error_MaxHopCountExceeded",
    [TRACEROUTE_FAILED] = "Error_Other",
    NULL,
};

static const struct dm_arg outputs[] = {
    {.name = "Status", .type = DM_STRING, .values = statuses},
    {.name = "IPAddressUsed", .type = DM_STRING},
    {.name = "ResponseTime", .type = DM_UNSIGNED_INT},
    {.name = "RouteHops.{i}.Host", .type = DM_STRING},
    {.name = "RouteHops.{i}.HostAddress", .type = DM_STRING},
    {.name = "RouteHops.{i}.ErrorCode", .type = DM_UNSIGNED_INT},
    {.name = "RouteHops.{i}.RTTimes", .type = DM_UNSIGNED_INT},
    {.name = NULL},
};

static int output_number(struct dm_call *call, const char *name, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value);
    return dm_call_output(call, name, text);
}

static int output_hop(struct dm_call *call, size_t number, const struct traceroute_hop *hop)
{
    uint64_t tries = dm_call_input_number(call, "NumberOfTries");
    char names[4][48];
    char times[64] = "";
    size_t at = 0;

    snprintf(names[0], sizeof(names[0]), "RouteHops.%zu.Host", number);
    snprintf(names[1], sizeof(names[1]), "RouteHops.%zu.HostAddress", number);
    snprintf(names[2], sizeof(names[2]), "RouteHops.%zu.ErrorCode", number);
    snprintf(names[3], sizeof(names[3]), "RouteHops.%zu.RTTimes", number);
    for (uint64_t i = 0; i < tries && i < TRACEROUTE_TRIES_MAX; i++)
        at += (size_t)snprintf(times + at, sizeof(times) - at, "%s%u", i ? "," : "", hop->times_ms[i]);
    /* HostAddress is there for what Host does not say. */
    if (dm_call_output(call, names[0], hop->name[0] ? hop->name : hop->address) < 0 ||
        dm_call_output(call, names[1], hop->name[0] ? hop->address : "") < 0 ||
        output_number(call, names[2], hop->code) < 0)
        return -1;
    return dm_call_output(call, names[3], times);
}

static int output_result(struct dm_call *call, const struct traceroute_result *result)
{
    if (dm_call_output(call, "Status", statuses[result->status]) < 0 ||
        dm_call_output(call, "IPAddressUsed", result->source) < 0 ||
        output_number(call, "ResponseTime", result->response_ms) < 0)
        return -1;
    for (size_t i = 0; i < result->hops_count; i++)
        if (output_hop(call, i + 1, &result->hops[i]) < 0)
            return -1;
    return 0;
}

/* A trace that does not arrive has a result, too: its Status. */
static void on_done(void *ctx, const struct traceroute_result *result)
{
    struct dm_call *call = ctx;
    struct error err;

    model_of(call->dm)->traceroutes--;
    error_set(&err, ERROR_RESOURCES_EXCEEDED, call->path, "out of memory");
    dm_call_complete(call, output_result(call, result) < 0 ? &err : NULL);
}

static enum traceroute_family family_of(const char *version)
{
    enum traceroute_family family = TRACEROUTE_ANY;

    for (int i = 0; versions[i]; i++)
        if (strcmp(versions[i], version) == 0)
            family = (enum traceroute_family)i;
    return family;
}

static int run_traceroute(struct dm_call *call, struct error *err)
{
    struct model *model = model_of(call->dm);
    struct traceroute_settings settings = {
        .host = dm_call_input(call, "Host"),
        .family = family_of(dm_call_input(call, "ProtocolVersion")),
        .tries = (uint32_t)dm_call_input_number(call, "NumberOfTries"),
        .timeout_ms = (uint32_t)dm_call_input_number(call, "Timeout"),
        .size = (uint32_t)dm_call_input_number(call, "DataBlockSize"),
        .dscp = (uint8_t)dm_call_input_number(call, "DSCP"),
        .max_hops = (uint32_t)dm_call_input_number(call, "MaxHopCount"),
    };

    if (model->traceroutes >= LIMIT_TRACEROUTES)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL,
                         "%u of these commands run already: wait, or cancel one", LIMIT_TRACEROUTES);
    call->state = traceroute_start(dm_loop(call->dm), &settings, on_done, call, err);
    if (!call->state)
        return -1;
    model->traceroutes++;
    return 0;
}

static void forget_traceroute(struct dm_call *call)
{
    model_of(call->dm)->traceroutes--;
    traceroute_cancel(call->state);
}

static int cancel_traceroute(struct dm_call *call, struct error *err)
{
    struct error reason;

    (void)err;
    forget_traceroute(call);
    error_set(&reason, ERROR_COMMAND_CANCELLED, call->path, "cancelled by a controller");
    dm_call_complete(call, &reason);
    return 0;
}

static const struct dm_command commands[] = {
    {.name = "TraceRoute()",
     .async = true,
     .inputs = inputs,
     .outputs = outputs,
     .run = run_traceroute,
     .cancel = cancel_traceroute,
     .forget = forget_traceroute},
    {.name = NULL},
};

const struct dm_object model_ip_diagnostics = {.params = params, .commands = commands};
