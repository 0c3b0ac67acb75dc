/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.BulkData.: profiles, what they gather, how their reports are written and where they go. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "bulk/profile.h"
#include "datamodel/device/model.h"

/* ---- BulkData. ---- */

static void get_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct bulk_data *data = row->data;

    (void)scratch;
    ret->text = data->enable ? STR("Enabled") : STR("Disabled");
}

static void get_minimum(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->number = 1;
}

static void get_protocols(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = mqtt_available ? STR("HTTP,MQTT,USPEventNotif") : STR("HTTP,USPEventNotif");
}

static void get_encodings(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR("JSON,CSV");
}

static void get_wildcards(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->boolean = true;
}

static void get_profile_limit(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->integer = LIMIT_BULK_PROFILES;
}

static void get_reference_limit(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->integer = LIMIT_BULK_PARAMETERS;
}

static const char *const statuses[] = {"Enabled", "Disabled", "Error", NULL};

static const struct dm_param data_params[] = {
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .offset = DM_OFFSET(struct bulk_data, enable)},
    {.name = "Status", .type = DM_STRING, .values = statuses, .get = get_status},
    {.name = "MinReportingInterval", .type = DM_UNSIGNED_INT, .get = get_minimum},
    {.name = "Protocols", .type = DM_STRING, .flags = DM_LIST, .get = get_protocols},
    {.name = "EncodingTypes", .type = DM_STRING, .flags = DM_LIST, .get = get_encodings},
    {.name = "ParameterWildCardSupported", .type = DM_BOOLEAN, .get = get_wildcards},
    {.name = "MaxNumberOfProfiles", .type = DM_INT, .min = -1, .max = INT32_MAX, .get = get_profile_limit},
    {.name = "MaxNumberOfParameterReferences",
     .type = DM_INT,
     .min = -1,
     .max = INT32_MAX,
     .get = get_reference_limit},
    {.name = "ProfileNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Profile"},
    DM_END_PARAMS,
};

static void data_applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    (void)row;
    (void)kind;
    (void)changed;
    bulk_enabled(model_of(dm)->bulk);
}

const struct dm_object model_bulk_data = {
    .data_size = sizeof(struct bulk_data),
    .params = data_params,
    .applied = data_applied,
};

/* ---- Profile ---- */

static const char *const protocols[] = {
    [BULK_HTTP] = "HTTP", [BULK_MQTT] = "MQTT", [BULK_EVENT] = "USPEventNotif", NULL};
static const char *const encodings[] = {[BULK_JSON] = "JSON", [BULK_CSV] = "CSV", NULL};

enum {
    PARAM_INTERVAL = 8, /* in profile_params */
    PARAM_TIME_REFERENCE,
};

static const struct dm_param profile_params[] = {
    {.name = "Enable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct bulk_profile, enable)},
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_AT_CREATION | DM_ALIAS | DM_INDEXED,
     .max = 64,
     .offset = DM_OFFSET(struct bulk_profile, alias)},
    {.name = "Name",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 255,
     .offset = DM_OFFSET(struct bulk_profile, name)},
    {.name = "NumberOfRetainedFailedReports",
     .type = DM_INT,
     .flags = DM_WRITABLE,
     .min = -1,
     .max = INT32_MAX,
     .default_value = "0",
     .offset = DM_OFFSET(struct bulk_profile, retained)},
    {.name = "Protocol",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = protocols,
     .offset = DM_OFFSET(struct bulk_profile, protocol)},
    {.name = "EncodingType",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = encodings,
     .offset = DM_OFFSET(struct bulk_profile, encoding)},
    {.name = "Controller",
     .type = DM_STRING,
     .flags = DM_STATE | DM_STRONG_REF,
     .refers = "Device.LocalAgent.Controller.",
     .offset = DM_OFFSET(struct bulk_profile, controller)},
    {.name = "ParameterNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Parameter"},
    [PARAM_INTERVAL] = {.name = "ReportingInterval",
                        .type = DM_UNSIGNED_INT,
                        .flags = DM_WRITABLE,
                        .min = 1,
                        .max = UINT32_MAX,
                        .default_value = "86400",
                        .offset = DM_OFFSET(struct bulk_profile, interval)},
    [PARAM_TIME_REFERENCE] = {.name = "TimeReference",
                              .type = DM_DATE_TIME,
                              .flags = DM_WRITABLE,
                              .default_value = "0001-01-01T00:00:00Z",
                              .offset = DM_OFFSET(struct bulk_profile, time_reference)},
    DM_END_PARAMS,
};

static int profile_init(struct dm *dm, struct dm_row *row, struct dm_row *requester, struct error *err)
{
    struct bulk_profile *profile = row->data;
    char path[DM_PATH_BYTES];
    size_t len;

    (void)dm;
    if (!requester)
        return 0;
    len = dm_row_path(requester, path);
    path[len - 1] = '\0'; /* references have no final dot */
    return str_replace(&profile->controller, path) < 0
               ? error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory")
               : 0;
}

static void profile_applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    bulk_profile_changed(model_of(dm)->bulk, row, kind,
                         (changed & (1ull << PARAM_INTERVAL | 1ull << PARAM_TIME_REFERENCE)) != 0);
}

static int force_collection(struct dm_call *call, struct error *err)
{
    return bulk_force(model_of(call->dm)->bulk, call->row, err);
}

static const struct dm_command profile_commands[] = {
    {.name = "ForceCollection()", .run = force_collection},
    {.name = NULL},
};

static const struct dm_arg push_args[] = {{.name = "Data"}, {.name = NULL}};
static const struct dm_event_type profile_events[] = {
    {.name = "Push!", .args = push_args},
    {.name = NULL},
};

static const struct dm_key profile_keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_bulk_profile = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct bulk_profile),
    .params = profile_params,
    .commands = profile_commands,
    .events = profile_events,
    .keys = profile_keys,
    .max_rows = LIMIT_BULK_PROFILES,
    .init = profile_init,
    .applied = profile_applied,
    .done = bulk_profile_done,
};

/* ---- Profile.{i}.Parameter ---- */

static const struct dm_param parameter_params[] = {
    {.name = "Name",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 64,
     .offset = DM_OFFSET(struct bulk_parameter, name)},
    {.name = "Reference",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct bulk_parameter, reference)},
    {.name = "Exclude",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct bulk_parameter, exclude)},
    DM_END_PARAMS,
};

static int parameter_check(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct bulk_parameter *parameter = row->data;

    return bulk_reference_check(dm, row, parameter->reference, err);
}

const struct dm_object model_bulk_parameter = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct bulk_parameter),
    .params = parameter_params,
    .max_rows = LIMIT_BULK_PARAMETERS,
    .check = parameter_check,
};

/* ---- Profile.{i}.CSVEncoding, .JSONEncoding ---- */

static const char *const csv_formats[] = {
    [BULK_PER_ROW] = "ParameterPerRow", [BULK_PER_COLUMN] = "ParameterPerColumn", NULL};
static const char *const json_formats[] = {
    [BULK_OBJECT_HIERARCHY] = "ObjectHierarchy", [BULK_NAME_VALUE_PAIR] = "NameValuePair", NULL};
static const char *const timestamps[] = {
    [BULK_UNIX_EPOCH] = "Unix-Epoch", [BULK_ISO_8601] = "ISO-8601", [BULK_NO_TIME] = "None", NULL};

static int check_field_separator(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    return value.len ? 0 : error_set(err, ERROR_INVALID_VALUE, NULL, "fields need something between them");
}

/* Controllers write the line ending as it is, or as TR-181 prints it. */
static int check_row_separator(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    if (str_is(value, "\n") || str_is(value, "\r\n") || str_is(value, "&#10;") || str_is(value, "&#13;&#10;"))
        return 0;
    return error_set(err, ERROR_INVALID_VALUE, NULL,
                     "rows end with a line feed, or carriage return and line feed");
}

static const struct dm_param csv_params[] = {
    {.name = "FieldSeparator",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .default_value = ",",
     .check = check_field_separator,
     .offset = DM_OFFSET(struct bulk_profile, csv.field_separator)},
    {.name = "RowSeparator",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .default_value = "\r\n",
     .check = check_row_separator,
     .offset = DM_OFFSET(struct bulk_profile, csv.row_separator)},
    {.name = "EscapeCharacter",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .default_value = "\"",
     .offset = DM_OFFSET(struct bulk_profile, csv.escape)},
    {.name = "ReportFormat",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = csv_formats,
     .default_value = "ParameterPerColumn",
     .offset = DM_OFFSET(struct bulk_profile, csv.format)},
    {.name = "RowTimestamp",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = timestamps,
     .default_value = "Unix-Epoch",
     .offset = DM_OFFSET(struct bulk_profile, csv.timestamp)},
    DM_END_PARAMS,
};

const struct dm_object model_bulk_csv = {.params = csv_params};

static const struct dm_param json_params[] = {
    {.name = "ReportFormat",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = json_formats,
     .default_value = "ObjectHierarchy",
     .offset = DM_OFFSET(struct bulk_profile, json.format)},
    {.name = "ReportTimestamp",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = timestamps,
     .default_value = "Unix-Epoch",
     .offset = DM_OFFSET(struct bulk_profile, json.timestamp)},
    DM_END_PARAMS,
};

const struct dm_object model_bulk_json = {.params = json_params};

/* ---- Profile.{i}.HTTP, .MQTT ---- */

static const char *const methods[] = {"POST", "PUT", NULL};
static const char *const compressions[] = {"None", NULL};

static void get_methods(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR("POST,PUT");
}

static void get_compressions(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->text = STR(""); /* reports go as they are */
}

static int check_url(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    if (value.len && !str_starts(value, STR("http://")) && !str_starts(value, STR("https://")))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "reports go to http:// or https:// URLs");
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.data[i] <= ' ' || value.data[i] == 0x7f)
            return error_set(err, ERROR_INVALID_VALUE, NULL, "a URL has no blanks in it");
    return 0;
}

static const struct dm_param http_params[] = {
    {.name = "URL",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 2048,
     .check = check_url,
     .offset = DM_OFFSET(struct bulk_profile, url)},
    {.name = "Username",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct bulk_profile, username)},
    {.name = "Password",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_SECRET,
     .max = 256,
     .offset = DM_OFFSET(struct bulk_profile, password)},
    {.name = "CompressionsSupported", .type = DM_STRING, .flags = DM_LIST, .get = get_compressions},
    {.name = "Compression",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .values = compressions,
     .default_value = "None",
     .offset = DM_OFFSET(struct bulk_profile, compression)},
    {.name = "MethodsSupported", .type = DM_STRING, .flags = DM_LIST, .get = get_methods},
    {.name = "Method",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = methods,
     .default_value = "POST",
     .offset = DM_OFFSET(struct bulk_profile, method)},
    {.name = "UseDateHeader",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = DM_OFFSET(struct bulk_profile, use_date_header)},
    {.name = "RetryEnable",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct bulk_profile, retry)},
    {.name = "RetryMinimumWaitInterval",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 65535,
     .default_value = "5",
     .offset = DM_OFFSET(struct bulk_profile, retry_minimum)},
    {.name = "RetryIntervalMultiplier",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1000,
     .max = 65535,
     .default_value = "2000",
     .offset = DM_OFFSET(struct bulk_profile, retry_multiplier)},
    {.name = "RequestURIParameterNumberOfEntries",
     .type = DM_UNSIGNED_INT,
     .count_of = "RequestURIParameter"},
    DM_END_PARAMS,
};

const struct dm_object model_bulk_http = {.params = http_params};

static const struct dm_param uri_params[] = {
    {.name = "Name",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 64,
     .offset = DM_OFFSET(struct bulk_uri_parameter, name)},
    {.name = "Reference",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 256,
     .offset = DM_OFFSET(struct bulk_uri_parameter, reference)},
    DM_END_PARAMS,
};

static int uri_parameter_check(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct bulk_uri_parameter *parameter = row->data;

    return bulk_reference_check(dm, row, parameter->reference, err);
}

const struct dm_object model_bulk_uri_parameter = {
    .flags = DM_TABLE | DM_ADD | DM_DELETE,
    .data_size = sizeof(struct bulk_uri_parameter),
    .params = uri_params,
    .max_rows = LIMIT_BULK_PARAMETERS,
    .check = uri_parameter_check,
};

static const struct dm_param mqtt_params[] = {
    {.name = "Reference",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_STRONG_REF,
     .refers = "Device.MQTT.Client.",
     .offset = DM_OFFSET(struct bulk_profile, mqtt_reference)},
    {.name = "PublishTopic",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .max = 65535,
     .offset = DM_OFFSET(struct bulk_profile, mqtt_topic)},
    {.name = "PublishQoS",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 2,
     .offset = DM_OFFSET(struct bulk_profile, mqtt_qos)},
    {.name = "PublishRetain",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "false",
     .offset = DM_OFFSET(struct bulk_profile, mqtt_retain)},
    DM_END_PARAMS,
};

const struct dm_object model_bulk_mqtt = {.params = mqtt_params};
