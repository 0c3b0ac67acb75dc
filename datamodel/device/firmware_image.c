/* SPDX-License-Identifier: BSD-3-Clause */
/* FirmwareImage.{i}. of the gateway and of each proxied device: a row's data is a slot of a firmware_target. */
#include "config.h"

#include "datamodel/device/firmware_image.h"

#include <stddef.h>

enum {
    PARAM_ALIAS,
    PARAM_NAME,
    PARAM_VERSION,
    PARAM_AVAILABLE,
    PARAM_STATUS,
    PARAM_BOOT_FAILURE_LOG,
    PARAM_DESCRIPTION,
    PARAM_SIGNERS,
};

/* By enum firmware_status. */
static const char *const statuses[] = {
    "NoImage",        "Active",           "Downloading",        "Validating",       "Available",
    "DownloadFailed", "ValidationFailed", "InstallationFailed", "ActivationFailed", NULL};

#define SLOT(member) DM_OFFSET(struct firmware_slot, member)

static void set_text(struct dm_value *ret, const char *text)
{
    ret->text = str_of(text ? text : "");
}

static void get_description(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct firmware_slot *slot = row->data;

    (void)scratch;
    set_text(ret, slot->words ? slot->words->description : NULL);
}

static void get_signers(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct firmware_slot *slot = row->data;

    (void)scratch;
    set_text(ret, slot->words ? slot->words->signers : NULL);
}

static const struct dm_param params[] = {
    [PARAM_ALIAS] = {.name = "Alias",
                     .type = DM_STRING,
                     .flags = DM_WRITABLE | DM_ALIAS | DM_INDEXED,
                     .max = 64,
                     .offset = SLOT(alias)},
    [PARAM_NAME] = {.name = "Name", .type = DM_STRING, .max = 64, .offset = SLOT(name)},
    [PARAM_VERSION] = {.name = "Version", .type = DM_STRING, .max = 64, .offset = SLOT(version)},
    [PARAM_AVAILABLE] = {.name = "Available",
                         .type = DM_BOOLEAN,
                         .flags = DM_WRITABLE,
                         .offset = SLOT(available)},
    [PARAM_STATUS] = {.name = "Status", .type = DM_ENUM, .values = statuses, .offset = SLOT(status)},
    [PARAM_BOOT_FAILURE_LOG] = {.name = "BootFailureLog",
                                .type = DM_STRING,
                                .offset = SLOT(boot_failure_log)},
    /* What the release of the image says; "" for a bare image. */
    [PARAM_DESCRIPTION] = {.name = VENDOR_PREFIX "Description", .type = DM_STRING, .get = get_description},
    [PARAM_SIGNERS] = {.name = VENDOR_PREFIX "Signers", .type = DM_STRING, .get = get_signers},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{NULL}}};

static int slot_of(const struct dm_row *row)
{
    return (int)row->instance - 1;
}

/* The slots are an array in the target: the row of the n-th one leads there. */
static struct firmware_target *target_of(const struct dm_row *row)
{
    char *slots = (char *)((struct firmware_slot *)row->data - slot_of(row));

    return (struct firmware_target *)(slots - offsetof(struct firmware_target, slots));
}

/* ---- Alias, Available ---- */

static bool holds_something(const struct firmware_slot *slot)
{
    return slot->image || slot->offer;
}

static int check(struct dm *dm, struct dm_row *row, struct error *err)
{
    const struct firmware_slot *slot = row->data;

    (void)dm;
    if (slot->available && slot->status != FIRMWARE_ACTIVE && !holds_something(slot))
        return error_set(err, ERROR_INVALID_VALUE, NULL, "there is no image; Download() one");
    if (!slot->available && (slot->status == FIRMWARE_ACTIVE || holds_something(slot)))
        return firmware_slot_check_clear(target_of(row), slot_of(row), err);
    return 0;
}

static int save(struct dm *dm, struct dm_row *row, struct error *err)
{
    (void)dm;
    return firmware_slots_save(target_of(row), err);
}

static void applied(struct dm *dm, struct dm_row *row, enum dm_change_kind kind, uint64_t changed)
{
    const struct firmware_slot *slot = row->data;

    (void)dm;
    if (kind == DM_ROW_CHANGED && (changed & 1ull << PARAM_AVAILABLE) && !slot->available &&
        holds_something(slot))
        firmware_slot_clear(target_of(row), slot_of(row), NULL);
}

/* ---- Download() ---- */

static const char *const checksum_algorithms[] = {"SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512", NULL};

static const struct dm_arg download_inputs[] = {
    {.name = "URL", .type = DM_STRING, .required = true},
    {.name = "AutoActivate", .type = DM_BOOLEAN, .required = true},
    {.name = "Username", .type = DM_STRING, .max = 256},
    {.name = "Password", .type = DM_STRING, .max = 256},
    {.name = "FileSize", .type = DM_UNSIGNED_INT},
    {.name = "CheckSumAlgorithm", .type = DM_STRING, .values = checksum_algorithms},
    {.name = "CheckSum", .type = DM_HEX_BINARY},
    {.name = NULL},
};

static struct firmware_origin origin_of(const struct dm_call *call)
{
    return (struct firmware_origin){
        .originator = call->originator,
        .command = call->path,
        .command_key = call->command_key,
        .request = call->request,
    };
}

/* The call and the job know each other until one of them ends. */
static int join(struct dm_call *call, struct firmware_job *job)
{
    if (!job)
        return -1;
    call->state = job;
    firmware_job_set_ctx(job, call);
    return 0;
}

static int run_download(struct dm_call *call, struct error *err)
{
    struct firmware_download args = {
        .url = dm_call_input(call, "URL"),
        .auto_activate = dm_call_input_bool(call, "AutoActivate"),
        .username = dm_call_input(call, "Username"),
        .password = dm_call_input(call, "Password"),
        .file_size = dm_call_input_number(call, "FileSize"),
        .checksum_algorithm = dm_call_input(call, "CheckSumAlgorithm"),
        .checksum = dm_call_input(call, "CheckSum"),
    };
    struct firmware_origin origin = origin_of(call);

    return join(call, firmware_download(target_of(call->row), slot_of(call->row), &args, &origin, err));
}

static int run_cancel(struct dm_call *call, struct error *err)
{
    return firmware_job_cancel(call->state, err);
}

static void forget(struct dm_call *call)
{
    if (call->state)
        firmware_job_set_ctx(call->state, NULL);
    call->state = NULL;
}

/* ---- Activate() ---- */

/* By enum firmware_mode. */
static const char *const modes[] = {"AnyTime", "Immediately", "WhenIdle", "ConfirmationNeeded", NULL};

static const struct dm_arg activate_inputs[] = {
    {.name = "TimeWindow.{i}.Start", .type = DM_UNSIGNED_INT, .required = true},
    {.name = "TimeWindow.{i}.End", .type = DM_UNSIGNED_INT, .required = true},
    {.name = "TimeWindow.{i}.Mode", .type = DM_STRING, .values = modes, .required = true},
    {.name = "TimeWindow.{i}.UserMessage", .type = DM_STRING},
    {.name = "TimeWindow.{i}.MaxRetries", .type = DM_INT, .min = -1, .max = 10},
    {.name = NULL},
};

enum {
    HAS_START = 1 << 0,
    HAS_END = 1 << 1,
    HAS_MODE = 1 << 2,
    HAS_ALL = HAS_START | HAS_END | HAS_MODE,
};

struct windows {
    struct firmware_window window[FIRMWARE_WINDOWS];
    uint64_t instance[FIRMWARE_WINDOWS];
    unsigned has[FIRMWARE_WINDOWS];
    size_t count;
};

/* The window with this instance number, made where its number puts it in order; -1: too many. */
static int window_of(struct windows *windows, uint64_t instance)
{
    size_t at = 0;

    while (at < windows->count && windows->instance[at] < instance)
        at++;
    if (at < windows->count && windows->instance[at] == instance)
        return (int)at;
    if (windows->count == FIRMWARE_WINDOWS)
        return -1;
    for (size_t i = windows->count++; i > at; i--) {
        windows->window[i] = windows->window[i - 1];
        windows->instance[i] = windows->instance[i - 1];
        windows->has[i] = windows->has[i - 1];
    }
    windows->window[at] = (struct firmware_window){.max_retries = -1};
    windows->instance[at] = instance;
    windows->has[at] = 0;
    return (int)at;
}

static int parse_seconds(struct str value, uint32_t *ret)
{
    uint64_t number;

    if (str_to_u64(value, &number) < 0 || number > UINT32_MAX)
        return -1;
    *ret = (uint32_t)number;
    return 0;
}

static int parse_mode(struct str value, enum firmware_mode *ret)
{
    for (int i = 0; modes[i]; i++) {
        if (str_is(value, modes[i])) {
            *ret = (enum firmware_mode)i;
            return 0;
        }
    }
    return -1;
}

static int parse_member(struct windows *windows, int at, struct str member, const char *text)
{
    struct firmware_window *window = &windows->window[at];
    struct str value = str_of(text);
    int64_t retries;

    if (str_is(member, "Start")) {
        windows->has[at] |= HAS_START;
        return parse_seconds(value, &window->start_s);
    }
    if (str_is(member, "End")) {
        windows->has[at] |= HAS_END;
        return parse_seconds(value, &window->end_s);
    }
    if (str_is(member, "Mode")) {
        windows->has[at] |= HAS_MODE;
        return parse_mode(value, &window->mode);
    }
    if (str_is(member, "UserMessage")) {
        window->user_message = text;
        return 0;
    }
    if (!str_is(member, "MaxRetries"))
        return 0; /* R-OPR.6: what is not declared is ignored */
    if (str_to_i64(value, &retries) < 0 || retries < -1 || retries > 10)
        return -1;
    window->max_retries = (int32_t)retries;
    return 0;
}

static int parse_input(struct windows *windows, const struct dm_pair *input, struct error *err)
{
    struct str rest = str_of(input->name);
    struct str part;
    uint64_t instance;
    int at;

    if (!str_next(&rest, '.', &part) || !str_is(part, "TimeWindow") || !str_next(&rest, '.', &part) ||
        str_to_u64(part, &instance) < 0)
        return 0; /* R-OPR.6: what is not declared is ignored */
    at = window_of(windows, instance);
    if (at < 0)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, input->name, "at most %d windows are allowed",
                         FIRMWARE_WINDOWS);
    if (parse_member(windows, at, rest, input->value) < 0)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, input->name, "\"%.64s\" is not allowed here",
                         input->value);
    return 0;
}

static int parse_windows(const struct dm_call *call, struct windows *windows, struct error *err)
{
    for (size_t i = 0; i < call->inputs_count; i++)
        if (parse_input(windows, &call->inputs[i], err) < 0)
            return -1;
    for (size_t i = 0; i < windows->count; i++)
        if (windows->has[i] != HAS_ALL)
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, NULL, "TimeWindow.%llu. has no %s",
                             (unsigned long long)windows->instance[i],
                             !(windows->has[i] & HAS_START) ? "Start"
                             : !(windows->has[i] & HAS_END) ? "End"
                                                            : "Mode");
    return 0;
}

static int run_activate(struct dm_call *call, struct error *err)
{
    struct windows windows = {.count = 0};
    struct firmware_origin origin = origin_of(call);

    if (parse_windows(call, &windows, err) < 0)
        return -1;
    return join(call, firmware_activate(target_of(call->row), slot_of(call->row), windows.window,
                                        windows.count, &origin, err));
}

/* ---- Notice() ---- */

/* By enum firmware_severity. */
static const char *const severities[] = {"Unknown", "Low", "Medium", "High", "Critical", NULL};

static const struct dm_arg notice_inputs[] = {
    {.name = "UserMessage", .type = DM_STRING, .required = true, .min = 1, .max = FIRMWARE_NOTICE_BYTES - 1},
    {.name = "Severity", .type = DM_STRING, .values = severities, .default_value = "Unknown"},
    {.name = "Security", .type = DM_BOOLEAN, .default_value = "false"},
    {.name = "ReleaseNotes", .type = DM_STRING, .max = FIRMWARE_URL_BYTES - 1, .default_value = ""},
    {.name = "Version", .type = DM_STRING, .max = 64, .default_value = ""},
    {.name = "Confirm", .type = DM_BOOLEAN, .default_value = "true"},
    {.name = NULL},
};

static const struct dm_arg notice_outputs[] = {{.name = "Request"}, {.name = NULL}};

static int run_notice(struct dm_call *call, struct error *err)
{
    const struct model *model = model_of(call->dm);

    return model->notice ? model->notice(call, target_of(call->row), slot_of(call->row), err)
                         : error_set(err, ERROR_COMMAND_FAILURE, call->path, "this agent knows no consent");
}

static const struct dm_command commands[] = {
    {.name = "Download()",
     .async = true,
     .inputs = download_inputs,
     .run = run_download,
     .cancel = run_cancel,
     .forget = forget},
    {.name = "Activate()",
     .async = true,
     .inputs = activate_inputs,
     .run = run_activate,
     .cancel = run_cancel,
     .forget = forget},
    {.name = VENDOR_PREFIX "Notice()", .inputs = notice_inputs, .outputs = notice_outputs, .run = run_notice},
    {.name = NULL},
};

const struct dm_object model_firmware_image = {
    .flags = DM_TABLE,
    .params = params,
    .commands = commands,
    .keys = keys,
    .max_rows = FIRMWARE_SLOTS,
    .check = check,
    .save = save,
    .applied = applied,
};
