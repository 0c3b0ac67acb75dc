/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent. and its events. */
#include "config.h"

#include "datamodel/device/local_agent.h"

#include <time.h>

#include "datamodel/device/certificate.h"
#include "datamodel/device/model.h"

static void get_up_time(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct local_agent *agent = row->data;
    struct timespec now;

    (void)scratch;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ret->number = (uint64_t)(now.tv_sec - agent->started);
}

static void get_subscription_limit(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->integer = -1; /* TR-181: no limit worth announcing */
}

static void get_fingerprint_algorithms(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR("SHA-1,SHA-224,SHA-256,SHA-384,SHA-512");
}

static void get_software_version(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct local_agent *agent = row->data;

    (void)scratch;
    ret->text = str_of(agent->software_version ? agent->software_version : "");
}

static void get_protocols(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct local_agent *agent = row->data;

    (void)scratch;
    ret->text = str_of(agent->protocols);
}

static const struct dm_param params[] = {
    {.name = "EndpointID",
     .type = DM_STRING,
     .flags = DM_FACTORY,
     .offset = DM_OFFSET(struct local_agent, endpoint_id)},
    {.name = "SoftwareVersion", .type = DM_STRING, .max = 64, .get = get_software_version},
    {.name = "UpTime", .type = DM_UNSIGNED_INT, .flags = DM_NO_NOTIFY, .get = get_up_time},
    {.name = "SupportedProtocols", .type = DM_STRING, .flags = DM_LIST, .get = get_protocols},
    {.name = "SupportedFingerprintAlgorithms",
     .type = DM_STRING,
     .flags = DM_LIST,
     .get = get_fingerprint_algorithms},
    {.name = "SupportedNumberOfSubscriptions", .type = DM_INT, .get = get_subscription_limit},
    {.name = "MTPNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "MTP"},
    {.name = "ControllerNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Controller"},
    {.name = "SubscriptionNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Subscription"},
    {.name = "RequestNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Request"},
    {.name = "CertificateNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Certificate"},
    DM_END_PARAMS,
};

static const struct dm_arg transfer_args[] = {
    {.name = "Command"},
    {.name = "CommandKey"},
    {.name = "Requestor"},
    {.name = "TransferType"},
    {.name = "Affected"},
    {.name = "TransferURL"},
    {.name = "StartTime", .type = DM_DATE_TIME},
    {.name = "CompleteTime", .type = DM_DATE_TIME},
    {.name = "FaultCode", .type = DM_UNSIGNED_INT},
    {.name = "FaultString"},
    {.name = "CheckSumAlgorithm"},
    {.name = "CheckSum", .type = DM_HEX_BINARY},
    {.name = NULL},
};

/*
 * The database was damaged, and File is what was kept of it. Outcome "Anew": the agent began with its factory configuration;
 * "CutShort": what was stored last is missing.
 */
static const struct dm_arg recovered_args[] = {{.name = "File"}, {.name = "Outcome"}, {.name = NULL}};

static const struct dm_event_type events[] = {
    {.name = "Periodic!"},
    {.name = "TransferComplete!", .args = transfer_args},
    {.name = VENDOR_PREFIX "StoreRecovered!", .args = recovered_args},
    {.name = NULL},
};

static const struct dm_command commands[] = {
    {.name = "AddCertificate()", .inputs = model_add_certificate_inputs, .run = model_add_certificate},
    {.name = NULL},
};

const struct dm_object model_local_agent = {
    .data_size = sizeof(struct local_agent),
    .params = params,
    .commands = commands,
    .events = events,
};
