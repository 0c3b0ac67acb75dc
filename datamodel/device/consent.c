/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "consent/quiet.h"
#include "datamodel/device/consent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char consent_path[] = "Device." VENDOR_PREFIX "Consent.";

/* Who opened the transaction: a controller, or the factory configuration. */
static struct consent_by requester(const struct dm *dm, char scratch[DM_SCRATCH_BYTES])
{
    const struct dm_row *controller = dm_requester(dm)->controller;

    if (!controller)
        return (struct consent_by){WHO_POLICY, "factory configuration"};
    return (struct consent_by){
        WHO_CONTROLLER, dm_get_text(controller, dm_node_param(controller->node, "EndpointID"), scratch).data};
}

/* ---- <vendor prefix>Consent. ---- */

/* By enum consent_policy, enum firmware_severity. */
static const char *const home_policies[] = {"Automatic", "SecurityAutomatic", "Ask", "Never", NULL};
static const char *const policies[] = {"Automatic", "SecurityAutomatic", "Ask", "Never", "Home", NULL};
static const char *const floors[] = {"None", "Low", "Medium", "High", "Critical", NULL};
static const char *const severities[] = {"Unknown", "Low", "Medium", "High", "Critical", NULL};

#define HOME(member) DM_OFFSET(struct consent_home, member)

static int check_time(const struct dm_row *row, struct str value, struct error *err)
{
    (void)row;
    return quiet_minute(value) < 0
               ? error_set(err, ERROR_INVALID_VALUE, NULL, "\"%.*s\" is no local time such as 02:30",
                           (int)value.len, value.data)
               : 0;
}

static const struct dm_param home_params[] = {
    {.name = "Policy",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = home_policies,
     .default_value = "Automatic",
     .offset = HOME(policy)},
    {.name = "GatewayPolicy",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = policies,
     .default_value = "Home",
     .offset = HOME(gateway_policy)},
    {.name = "QuietStart",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .min = 5,
     .max = 5,
     .default_value = "02:00",
     .offset = HOME(quiet_start),
     .check = check_time},
    {.name = "QuietEnd",
     .type = DM_STRING,
     .flags = DM_WRITABLE,
     .min = 5,
     .max = 5,
     .default_value = "05:00",
     .offset = HOME(quiet_end),
     .check = check_time},
    {.name = "QuietOnly", .type = DM_BOOLEAN, .flags = DM_WRITABLE, .offset = HOME(quiet_only)},
    {.name = "NoticePeriod",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 30 * 86400,
     .default_value = "86400",
     .offset = HOME(notice_s)},
    {.name = "DeferralPeriod",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .min = 1,
     .max = 30 * 86400,
     .default_value = "86400",
     .offset = HOME(deferral_s)},
    {.name = "MaxDeferrals",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 100,
     .default_value = "3",
     .offset = HOME(max_deferrals)},
    {.name = "FloorSeverity",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = floors,
     .default_value = "None",
     .offset = HOME(floor_severity)},
    {.name = "FloorDays",
     .type = DM_UNSIGNED_INT,
     .flags = DM_WRITABLE,
     .max = 365,
     .default_value = "7",
     .offset = HOME(floor_days)},
    {.name = "ResidentIdentity",
     .type = DM_BOOLEAN,
     .flags = DM_WRITABLE,
     .default_value = "true",
     .offset = HOME(resident_identity)},
    {.name = "RequestNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Request"},
    {.name = "LedgerNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Ledger"},
    DM_END_PARAMS,
};

static bool has_data(const struct dm_row *row)
{
    return row->data != NULL;
}

static int check_home(struct dm *dm, struct dm_row *row, struct error *err)
{
    (void)dm;
    return consent_home_check(row->data, err);
}

static int save_home(struct dm *dm, struct dm_row *row, struct error *err)
{
    char scratch[DM_SCRATCH_BYTES];
    struct consent_by by = requester(dm, scratch);

    (void)row;
    return consent_home_save(model_of(dm)->consent, &by, err);
}

static const struct dm_arg code_outputs[] = {
    {.name = "Code"}, {.name = "ValidFor", .type = DM_UNSIGNED_INT}, {.name = NULL}};

/* The resident's sign-in code: whoever may run this stands for the resident. */
static int create_code(struct dm_call *call, struct error *err)
{
    char code[CONSENT_CODE_BYTES];
    char seconds[16];

    snprintf(seconds, sizeof(seconds), "%d", CONSENT_CODE_S);
    if (consent_code_make(model_of(call->dm)->consent, code, err) < 0)
        return -1;
    if (dm_call_output(call, "Code", code) < 0 || dm_call_output(call, "ValidFor", seconds) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "out of memory");
    return 0;
}

static const struct dm_command home_commands[] = {
    {.name = "CreateCode()", .outputs = code_outputs, .run = create_code},
    {.name = NULL},
};

static const struct dm_arg asked_args[] = {
    {.name = "Request"}, {.name = "Device"}, {.name = "Version"}, {.name = "UserMessage"}, {.name = NULL}};

static const struct dm_arg decided_args[] = {
    {.name = "Number", .type = DM_UNSIGNED_INT},
    {.name = "Time", .type = DM_DATE_TIME},
    {.name = "Decision"},
    {.name = "Who"},
    {.name = "Means"},
    {.name = "Request"},
    {.name = "Device"},
    {.name = "Version"},
    {.name = "UserMessage"},
    {.name = "Text"},
    {.name = NULL},
};

static const struct dm_event_type home_events[] = {
    {.name = "Asked!", .args = asked_args},
    {.name = "Decided!", .args = decided_args},
    {.name = NULL},
};

const struct dm_object model_consent = {
    .params = home_params,
    .commands = home_commands,
    .events = home_events,
    .present = has_data,
    .check = check_home,
    .save = save_home,
};

/* ---- Request.{i}. ---- */

static struct consent_question_info info_of(const struct dm_row *row)
{
    struct consent_question_info info;

    consent_question_info(row->data, &info);
    return info;
}

static void device_path(const struct consent_question_info *info, char to[DM_SCRATCH_BYTES])
{
    struct consent_device_info device;

    consent_device_info(info->device, &device);
    str_copy(to, DM_SCRATCH_BYTES, device.about.path);
}

#define GET_TEXT(name, value)                                                             \
    static void get_##name(const struct dm_row *row, struct dm_value *ret, char *scratch) \
    {                                                                                     \
        const struct consent_question_info info = info_of(row);                           \
                                                                                          \
        (void)scratch;                                                                    \
        ret->text = str_of(value);                                                        \
    }
GET_TEXT(version, info.version)
GET_TEXT(replaces, info.from)
GET_TEXT(severity, consent_severity_text(info.severity))
GET_TEXT(message, info.wording)
GET_TEXT(notes, info.notes_url)
GET_TEXT(state, consent_state_text(info.state))

#define GET_NUMBER(name, member, value)                                                   \
    static void get_##name(const struct dm_row *row, struct dm_value *ret, char *scratch) \
    {                                                                                     \
        const struct consent_question_info info = info_of(row);                           \
                                                                                          \
        (void)scratch;                                                                    \
        ret->member = value;                                                              \
    }
GET_NUMBER(security, boolean, info.security)
GET_NUMBER(deferrals_left, number, info.deferrals_left)
GET_NUMBER(asked, integer, info.asked)
GET_NUMBER(acts_at, integer, info.acts_at)
GET_NUMBER(until, integer, info.until)
GET_NUMBER(answer_by, integer, info.answer_by)

static void get_device(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct consent_question_info info = info_of(row);

    device_path(&info, scratch);
    ret->text = str_of(scratch);
}

static void get_image(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct consent_question_info info = info_of(row);
    size_t len;

    device_path(&info, scratch);
    len = strlen(scratch);
    snprintf(scratch + len, DM_SCRATCH_BYTES - len, "%sFirmwareImage.%d",
             strstr(scratch, "DeviceInfo.") ? "" : "DeviceInfo.", info.slot + 1);
    ret->text = str_of(scratch);
}

static void get_choices(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct consent_question_info info = info_of(row);
    size_t len = 0;

    scratch[0] = '\0';
    for (enum consent_choice choice = 0; choice < CONSENT_CHOICES; choice++)
        if (info.why[choice] == WHY_NOT_NEEDED)
            len += (size_t)snprintf(scratch + len, DM_SCRATCH_BYTES - len, "%s%s", len ? "," : "",
                                    consent_choice_text(choice));
    ret->text = (struct str){scratch, len};
}

static const char *const states[] = {"Asked", "Notice", "Later", "Tonight", "Agreed", "Refused", NULL};
static const char *const choices[] = {"Now", "Tonight", "Later", "Never", "Withdraw", NULL};

static const struct dm_param request_params[] = {
    {.name = "Device", .type = DM_STRING, .get = get_device},
    {.name = "FirmwareImage", .type = DM_STRING, .get = get_image},
    {.name = "Version", .type = DM_STRING, .max = 64, .get = get_version},
    {.name = "Replaces", .type = DM_STRING, .max = 64, .get = get_replaces},
    {.name = "Severity", .type = DM_STRING, .values = severities, .get = get_severity},
    {.name = "Security", .type = DM_BOOLEAN, .get = get_security},
    {.name = "UserMessage", .type = DM_STRING, .max = CONSENT_WORDING_BYTES - 1, .get = get_message},
    {.name = "ReleaseNotes", .type = DM_STRING, .max = FIRMWARE_URL_BYTES - 1, .get = get_notes},
    {.name = "State", .type = DM_STRING, .values = states, .get = get_state},
    {.name = "Choices", .type = DM_STRING, .flags = DM_LIST, .values = choices, .get = get_choices},
    {.name = "DeferralsLeft", .type = DM_UNSIGNED_INT, .get = get_deferrals_left},
    {.name = "Asked", .type = DM_DATE_TIME, .get = get_asked},
    {.name = "ActsAt", .type = DM_DATE_TIME, .flags = DM_NO_NOTIFY, .get = get_acts_at},
    {.name = "Until", .type = DM_DATE_TIME, .flags = DM_NO_NOTIFY, .get = get_until},
    {.name = "AnswerBy", .type = DM_DATE_TIME, .flags = DM_NO_NOTIFY, .get = get_answer_by},
    DM_END_PARAMS,
};

static const struct dm_arg decide_inputs[] = {
    {.name = "Decision", .type = DM_STRING, .required = true, .values = choices},
    {.name = "UserMessage", .type = DM_STRING, .max = CONSENT_WORDING_BYTES - 1},
    {.name = NULL},
};

/* A controller on behalf of the resident, which the ledger says. */
static int decide(struct dm_call *call, struct error *err)
{
    const char *decision = dm_call_input(call, "Decision");
    const char *wording = dm_call_input(call, "UserMessage");
    struct consent_answer answer = {
        .question = call->row->instance,
        .choice = CONSENT_CHOICES,
        .by = {WHO_CONTROLLER, call->originator},
        .wording = wording && *wording ? wording : NULL,
    };

    for (enum consent_choice choice = 0; choice < CONSENT_CHOICES; choice++)
        if (strcmp(consent_choice_text(choice), decision) == 0)
            answer.choice = choice;
    return consent_decide(model_of(call->dm)->consent, &answer, err);
}

static const struct dm_command request_commands[] = {
    {.name = "Decide()", .inputs = decide_inputs, .run = decide},
    {.name = NULL},
};

const struct dm_object model_consent_request = {
    .flags = DM_TABLE, .params = request_params, .commands = request_commands};

/* ---- Ledger.{i}. ---- */

#define ENTRY(member) DM_OFFSET(struct consent_entry, member)

static const char *const whats[] = {"Asked",     "Notified", "Now",       "Tonight", "Later",   "Never",
                                    "Withdrawn", "Policy",   "Installed", "Failed",  "Expired", "Dropped",
                                    "Released",  "Rejected", "Forgotten", NULL};
static const char *const whos[] = {"Resident", "Controller", "Policy", NULL};

static const struct dm_param ledger_params[] = {
    {.name = "Time", .type = DM_DATE_TIME, .offset = ENTRY(time)},
    {.name = "What", .type = DM_ENUM, .values = whats, .offset = ENTRY(what)},
    {.name = "Who", .type = DM_ENUM, .values = whos, .offset = ENTRY(who)},
    {.name = "Means", .type = DM_STRING, .offset = ENTRY(means)},
    {.name = "Request", .type = DM_UNSIGNED_INT, .offset = ENTRY(question)},
    {.name = "Device", .type = DM_STRING, .offset = ENTRY(path)},
    {.name = "DeviceName", .type = DM_STRING, .offset = ENTRY(name)},
    {.name = "Version", .type = DM_STRING, .max = 64, .offset = ENTRY(version)},
    {.name = "UserMessage", .type = DM_STRING, .offset = ENTRY(wording)},
    {.name = "Text", .type = DM_STRING, .offset = ENTRY(text)},
    DM_END_PARAMS,
};

const struct dm_object model_consent_ledger = {.flags = DM_TABLE, .params = ledger_params};

/* ---- ProxiedDevice.{i}.<vendor prefix>Consent. ---- */

static const struct dm_param device_params[] = {
    {.name = "Policy",
     .type = DM_ENUM,
     .flags = DM_WRITABLE,
     .values = policies,
     .default_value = "Home",
     .offset = 0}, /* of struct consent_device */
    DM_END_PARAMS,
};

/* Bound to a struct of its own, and not to the device's. */
static bool is_bound(const struct dm_row *row)
{
    return row->data && row->data != row->parent->data;
}

static int save_device(struct dm *dm, struct dm_row *row, struct error *err)
{
    char scratch[DM_SCRATCH_BYTES];
    struct consent_by by = requester(dm, scratch);

    return is_bound(row) ? consent_device_save(row->data, &by, err) : 0;
}

const struct dm_object model_consent_device = {
    .params = device_params,
    .present = is_bound,
    .save = save_device,
};

/* ---- FirmwareImage.{i}.<vendor prefix>Notice() ---- */

int model_consent_notice(struct dm_call *call, struct firmware_target *target, int slot, struct error *err)
{
    const char *severity = dm_call_input(call, "Severity");
    const char *version = dm_call_input(call, "Version");
    const char *there = target->slots[slot].version ? target->slots[slot].version : "";
    struct firmware_notice notice = {.security = dm_call_input_bool(call, "Security")};
    const struct consent_by by = {WHO_CONTROLLER, call->originator};
    char request[DM_PATH_BYTES];
    uint32_t number;

    for (enum firmware_severity at = 0; at < FIRMWARE_SEVERITIES; at++)
        if (strcmp(severities[at], severity) == 0)
            notice.severity = at;
    str_copy(notice.text, sizeof(notice.text), dm_call_input(call, "UserMessage"));
    str_copy(notice.notes_url, sizeof(notice.notes_url), dm_call_input(call, "ReleaseNotes"));
    if (*version && strcmp(version, there) != 0)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "the slot holds version \"%s\", not \"%s\"",
                         there, version);
    if (consent_notice(model_of(call->dm)->consent, target, slot, &notice,
                       dm_call_input_bool(call, "Confirm"), &by, &number, err) < 0)
        return -1;
    snprintf(request, sizeof(request), "%sRequest.%u.", consent_path, number);
    return dm_call_output(call, "Request", request) < 0
               ? error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "out of memory")
               : 0;
}

/* ---- ProxiedDevice.{i}.<vendor prefix>Identity.Release(), Reject(), Forget() ---- */

int model_consent_identify(struct dm_call *call, const char *key, int what, struct error *err)
{
    const struct consent_identification said = {.what = what, .by = {WHO_CONTROLLER, call->originator}};
    struct consent *consent = model_of(call->dm)->consent;
    struct consent_device *device = consent_find_device(consent, key);

    return device ? consent_identify(consent, device, &said, err)
                  : error_set(err, ERROR_COMMAND_FAILURE, call->path, "the device is not there");
}
