/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Download() and Activate() on the banks. A download goes into a file beside the bank, is checked, and only then becomes the
 * bank. An activation writes the boot record and starts the device anew; its result is known when the new image has
 * confirmed that it works, or the old one runs again. So its Request outlives the restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "device/device.h"
#include "firmware/verify.h"
#include "usp/request.h"

enum {
    CONNECT_S = 15,
    STALL_S = 60,
};

struct download {
    struct device_agent *device;
    struct dm_call *call; /* NULL: let go of */
    struct http_fetch *fetch;
    struct verify_checksum checksum;
    struct image image;
    struct error err; /* of the worker, or of writing */
    int64_t started;
    int bank;
    int fd;
    bool auto_activate;
    bool bad;
    uint64_t size, expected;
    char path[BANK_PATH_BYTES];
};

static struct device_agent *device_of(const struct dm_call *call)
{
    return (struct device_agent *)model_of(call->dm);
}

static int bank_of(const struct dm_call *call)
{
    return (int)call->row->instance - 1;
}

static void show(struct device_agent *device, int bank)
{
    static const char *const params[] = {"Status", "Version", "Name", "Available", "BootFailureLog"};
    struct dm_row *row = device_bank_row(device, bank);

    for (size_t i = 0; row && i < sizeof(params) / sizeof(params[0]); i++)
        dm_changed(device->dm, row, dm_node_param(row->node, params[i]));
}

static int set_status(struct device_agent *device, int bank, enum bank_status status, const char *log,
                      struct error *err)
{
    struct bank *to = &device->banks.bank[bank];

    to->status = status;
    str_copy(to->log, sizeof(to->log), log);
    show(device, bank);
    return banks_save(&device->banks, err);
}

/* ---- TransferComplete! ---- */

static void raise_transfer(struct device_agent *device, const struct dm_call *call, int64_t started,
                           const struct error *err)
{
    struct dm_row *agent = dm_row_find(device->dm, STR("Device.LocalAgent."));
    const char *url = dm_call_input(call, "URL");
    char affected[DM_PATH_BYTES], begin[STR_TIME_BYTES], end[STR_TIME_BYTES], code[16];
    struct dm_pair args[] = {
        {"Command", call->path},
        {"CommandKey", call->command_key},
        {"Requestor", call->originator},
        {"TransferType", "Download"},
        {"Affected", affected},
        {"TransferURL", url ? url : ""},
        {"StartTime", begin},
        {"CompleteTime", end},
        {"FaultCode", code},
        {"FaultString", err ? err->message : ""},
    };

    if (device->config->faults & FAULT_NO_TRANSFER_COMPLETE)
        return;
    dm_row_path(call->row, affected);
    str_from_time(begin, started);
    str_from_time(end, clock_wall(&device->loop.clock));
    snprintf(code, sizeof(code), "%u", err ? err->code : 0);
    dm_raise(device->dm, agent, "TransferComplete!", args, sizeof(args) / sizeof(args[0]));
}

/* ---- Activate() ---- */

static int start_trial(struct device_agent *device, int bank, const char *command_key, struct error *err)
{
    if (banks_try(&device->banks, bank, err) < 0)
        return -1;
    if (device->config->faults & FAULT_POWER_LOSS_ACTIVATE)
        raise(SIGKILL);
    show(device, bank);
    device_restart(device, "LocalReboot", command_key, "Firmware activation");
    return 0;
}

static int run_activate(struct dm_call *call, struct error *err)
{
    struct device_agent *device = device_of(call);

    /* R-OPR.6 would have what is not declared ignored; to start at another time than asked for is worse. */
    for (size_t i = 0; i < call->inputs_count; i++)
        if (strncmp(call->inputs[i].name, "TimeWindow.", 11) == 0)
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, call->inputs[i].name,
                             "this device activates at once and knows no windows");
    if (device->config->faults & FAULT_REFUSE_ACTIVATE)
        return error_set(err, ERROR_REQUEST_DENIED, call->path, "refused, as the configuration wants it");
    if (device->download || device->restart)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "the device is busy");
    return start_trial(device, bank_of(call), call->command_key, err);
}

/* ---- Download() ---- */

static void end_download(struct download *download, const struct error *err)
{
    struct device_agent *device = download->device;
    struct dm_call *call = download->call;
    bool activate = !err && download->auto_activate;
    int bank = download->bank;
    struct error why;

    if (download->fd >= 0)
        close(download->fd);
    if (err)
        unlink(download->path);
    device->download = NULL;
    raise_transfer(device, call, download->started, err);
    free(download);
    dm_call_complete(call, err);
    if (activate && start_trial(device, bank, "", &why) < 0)
        log_failure(LOG_LEVEL_ERROR, "cannot activate what was downloaded", &why);
}

static void fail_download(struct download *download, enum bank_status status, const struct error *why)
{
    struct error err = *why;

    err.code = ERROR_COMMAND_FAILURE;
    set_status(download->device, download->bank, status, err.message, NULL);
    end_download(download, &err);
}

/* Worker: is it what the controller said, and what this device can run? */
static void check_file(void *ctx)
{
    struct download *download = ctx;
    struct verify_result result;
    const char *hex = result.sha256;

    download->bad = true;
    if (fsync(download->fd) < 0 || lseek(download->fd, 0, SEEK_SET) < 0 ||
        verify_file(download->fd, download->checksum.algorithm, &result, &download->err) < 0) {
        if (!download->err.code)
            error_set_errno(&download->err, ERROR_COMMAND_FAILURE, download->path, errno,
                            "cannot read it again");
        return;
    }
    if (download->checksum.algorithm != VERIFY_SHA256)
        hex = result.other;
    if (download->checksum.algorithm != VERIFY_ALGORITHMS && strcmp(hex, download->checksum.hex) != 0)
        error_set(&download->err, ERROR_COMMAND_FAILURE, download->path,
                  "the checksum is wrong: the file has %s", hex);
    else if (image_check(download->path, download->device->config->model, &download->image, &download->err) ==
             0)
        download->bad = false;
}

static void on_checked(void *ctx, bool cancelled)
{
    struct download *download = ctx;
    struct device_agent *device = download->device;
    struct bank *bank = &device->banks.bank[download->bank];
    char path[BANK_PATH_BYTES];
    struct error err;

    if (!download->call) { /* the program ends */
        close(download->fd);
        free(download);
        return;
    }
    if (cancelled)
        error_set(&download->err, ERROR_COMMAND_FAILURE, NULL, "the device stops");
    if (cancelled || download->bad) {
        fail_download(download, BANK_VALIDATION_FAILED, &download->err);
        return;
    }
    if (file_rename(AT_FDCWD, download->path, banks_path(&device->banks, download->bank, "", path)) < 0) {
        error_set_errno(&err, ERROR_COMMAND_FAILURE, path, errno, "the bank cannot be written");
        fail_download(download, BANK_INSTALLATION_FAILED, &err);
        return;
    }
    str_copy(bank->version, sizeof(bank->version), download->image.version);
    if (set_status(device, download->bank, BANK_AVAILABLE, "", &err) < 0)
        fail_download(download, BANK_INSTALLATION_FAILED, &err);
    else
        end_download(download, NULL);
}

static int on_head(void *ctx, const struct http_head *head)
{
    struct download *download = ctx;

    download->expected = head->length > 0 ? (uint64_t)head->length : 0;
    return 0;
}

static int on_body(void *ctx, const uint8_t *data, size_t len)
{
    struct download *download = ctx;

    if (write(download->fd, data, len) != (ssize_t)len)
        return error_set_errno(&download->err, ERROR_COMMAND_FAILURE, download->path, errno,
                               "the image cannot be written");
    download->size += len;
    if ((download->device->config->faults & FAULT_POWER_LOSS_DOWNLOAD) &&
        download->size * 2 > download->expected)
        raise(SIGKILL);
    return 0;
}

static void on_fetched(void *ctx, enum http_outcome outcome, const struct error *err)
{
    struct download *download = ctx;
    struct error memory = {.message = "out of memory"};

    download->fetch = NULL;
    if (outcome != HTTP_DONE) {
        fail_download(download, BANK_DOWNLOAD_FAILED, outcome == HTTP_ABORTED ? &download->err : err);
        return;
    }
    set_status(download->device, download->bank, BANK_VALIDATING, "", NULL);
    if (loop_work(&download->device->loop, check_file, on_checked, download) < 0)
        fail_download(download, BANK_VALIDATION_FAILED, &memory);
}

static const struct http_fetch_ops fetch_ops = {.head = on_head, .body = on_body, .done = on_fetched};

/* -1: nothing was begun. */
static int begin(struct download *download, struct dm_call *call, struct error *err)
{
    struct device_agent *device = download->device;
    struct http_request request = {
        .url = dm_call_input(call, "URL"),
        .username = dm_call_input(call, "Username"),
        .password = dm_call_input(call, "Password"),
        .max_bytes = LIMIT_IMAGE_BYTES,
        .connect_timeout_s = CONNECT_S,
        .stall_timeout_s = STALL_S,
        .tls = {.ca_file = device->config->ca_file},
    };

    if (verify_checksum_parse(dm_call_input(call, "CheckSumAlgorithm"), dm_call_input(call, "CheckSum"),
                              &download->checksum, err) < 0)
        return -1;
    banks_path(&device->banks, download->bank, ".part", download->path);
    download->fd = open(download->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (download->fd < 0)
        return error_set_errno(err, ERROR_COMMAND_FAILURE, download->path, errno,
                               "the bank cannot be written");
    download->fetch = http_fetch_start(device->fetcher, &request, &fetch_ops, download, err);
    return download->fetch ? 0 : -1;
}

static int run_download(struct dm_call *call, struct error *err)
{
    struct device_agent *device = device_of(call);
    struct download *download;
    int bank = bank_of(call);

    if (device->config->faults & FAULT_REFUSE_DOWNLOAD)
        return error_set(err, ERROR_REQUEST_DENIED, call->path, "refused, as the configuration wants it");
    if (device->download || device->restart || device->banks.trial >= 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "the device is busy with another update");
    if (bank == device->banks.running)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "the device runs from this bank");
    download = calloc(1, sizeof(*download));
    if (!download)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "out of memory");
    download->device = device;
    download->bank = bank;
    download->fd = -1;
    download->started = clock_wall(&device->loop.clock);
    download->auto_activate = dm_call_input_bool(call, "AutoActivate");
    if (begin(download, call, err) < 0) {
        if (download->fd >= 0)
            close(download->fd);
        free(download);
        return -1;
    }
    download->call = call;
    call->state = download;
    device->download = download;
    set_status(device, bank, BANK_DOWNLOADING, "", NULL); /* a record that cannot be written fails it later */
    return 0;
}

static int cancel_download(struct dm_call *call, struct error *err)
{
    struct download *download = call->state;
    struct error reason;

    if (!download || !download->fetch)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "it is too late: the image is here");
    http_fetch_cancel(download->fetch);
    download->fetch = NULL;
    error_set(&reason, ERROR_COMMAND_CANCELLED, call->path, "cancelled by a controller");
    set_status(download->device, download->bank, BANK_DOWNLOAD_FAILED, reason.message, NULL);
    end_download(download, &reason);
    return 0;
}

static void forget(struct dm_call *call)
{
    struct download *download = call->state;

    if (download)
        download->call = NULL;
}

void device_firmware_stop(struct device_agent *device)
{
    struct download *download = device->download;

    if (!download || !download->fetch)
        return; /* a worker has it, and lets go of it */
    http_fetch_cancel(download->fetch);
    close(download->fd);
    free(download);
    device->download = NULL;
}

/* ---- what the last life began ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* fn for each Request of this command; the table changes meanwhile. */
static void each_request(struct device_agent *device, const char *command,
                         void (*fn)(struct device_agent *device, struct dm_call *call, const char *why),
                         const char *why)
{
    struct dm_row *agent = dm_row_find(device->dm, STR("Device.LocalAgent."));
    struct dm_node *table = dm_node_child(agent->node, STR("Request"));
    struct dm_row *const *rows;

    for (uint32_t i = dm_rows(agent, table, &rows); i-- > 0; dm_rows(agent, table, &rows)) {
        const struct request *request = rows[i]->data;
        struct dm_call *call = NULL;

        if (!request->command || !ends_with(request->command, command))
            continue;
        call = request->call ? request->call : usp_request_resume(device->usp, rows[i]->instance);
        if (call && fn)
            fn(device, call, why);
    }
}

static void fail_call(struct device_agent *device, struct dm_call *call, const char *why)
{
    struct error err;

    error_set(&err, ERROR_COMMAND_FAILURE, call->path, "%s", why);
    if (ends_with(call->path, "Download()"))
        raise_transfer(device, call, 0, &err);
    dm_call_complete(call, &err);
}

static void end_call(struct device_agent *device, struct dm_call *call, const char *why)
{
    if (why)
        fail_call(device, call, why);
    else
        dm_call_complete(call, NULL);
}

void device_firmware_conclude(struct device_agent *device, const char *why)
{
    each_request(device, "Activate()", end_call, why);
    for (int i = 0; i < BANKS; i++)
        show(device, i);
}

void device_firmware_resume(struct device_agent *device)
{
    each_request(device, "Download()", fail_call, "the device restarted in the middle of the download");
    if (device->start == BANK_STARTED_TRIAL)
        each_request(device, "Activate()", NULL, NULL); /* taken over, and ended with the trial */
    else if (device->start == BANK_ROLLED_BACK)
        for (int i = 0; i < BANKS; i++) {
            if (device->banks.bank[i].status == BANK_ACTIVATION_FAILED)
                device_firmware_conclude(device, device->banks.bank[i].log);
        }
}

/* ---- declarations ---- */

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

#define DOWNLOAD                                                                             \
    {                                                                                        \
        .name = "Download()", .async = true, .inputs = download_inputs, .run = run_download, \
        .cancel = cancel_download, .forget = forget                                          \
    }

const struct dm_command device_firmware_commands[] = {
    DOWNLOAD,
    {.name = "Activate()", .async = true, .run = run_activate},
    {.name = NULL},
};

const struct dm_command device_firmware_download_only[] = {DOWNLOAD, {.name = NULL}};
