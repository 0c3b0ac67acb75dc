/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/gateway.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/hook.h"
#include "firmware/manager.h"

enum {
    STALL_S = 900, /* writing a bank may say nothing for long */
    REBOOT_S = 600,
    RESTARTS = 2, /* asked for per activation */
};

struct firmware_gateway {
    struct firmware_target target;
    struct loop *loop;
    struct store *store;
    struct hook_client *hooks; /* NULL: hook_firmware is not configured */
    char *path;
    char *version; /* of the settings */
    bool restarts_machine;
    void (*restart)(void *ctx);
    void *ctx;
    struct hook_run *installing; /* install or activate */
    struct hook_run *asking;
    void (*known)(void *ctx, const char *version); /* of firmware_gateway_ask() */
    void *known_ctx;
    int slot;
    struct store_waiter waiter;
    bool waiter_armed;
    bool freed;
};

static struct firmware_gateway *gateway_of(struct firmware_target *target)
{
    return target->ctx;
}

/* ---- version ---- */

static void tell_version(struct firmware_gateway *gateway, const char *output)
{
    cJSON *json = cJSON_Parse(output);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "version");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");

    if (cJSON_IsString(version) && *version->valuestring && str_is_utf8(str_of(version->valuestring)))
        firmware_target_version(
            &gateway->target,
            cJSON_IsString(name) && str_is_utf8(str_of(name->valuestring)) ? name->valuestring : NULL,
            version->valuestring);
    cJSON_Delete(json);
}

static void on_version(void *ctx, const struct hook_result *result)
{
    struct firmware_gateway *gateway = ctx;

    gateway->asking = NULL;
    if (result->status == 0)
        tell_version(gateway, result->output);
    else if (gateway->target.active < 0 && gateway->version)
        firmware_target_version(&gateway->target, NULL, gateway->version);
}

static const struct hook_ops version_ops = {.done = on_version};

static int read_version(struct firmware_target *target, struct error *err)
{
    struct firmware_gateway *gateway = gateway_of(target);

    if (gateway->asking)
        return 0;
    if (!gateway->hooks)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path, "hook_firmware is not configured");
    gateway->asking = hook_start(gateway->hooks, HOOK_VERSION, NULL, 0, &version_ops, gateway, err);
    return gateway->asking ? 0 : -1;
}

/* ---- what runs, for whoever must know before the target exists ---- */

static void on_first_version(void *ctx, const struct hook_result *result)
{
    struct firmware_gateway *gateway = ctx;
    cJSON *json = result->status == 0 ? cJSON_Parse(result->output) : NULL;
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "version");
    char text[FIRMWARE_TEXT_BYTES] = "";

    gateway->asking = NULL;
    if (cJSON_IsString(version) && str_is_utf8(str_of(version->valuestring)))
        str_copy(text, sizeof(text), version->valuestring);
    cJSON_Delete(json);
    gateway->known(gateway->known_ctx, text);
}

static const struct hook_ops first_version_ops = {.done = on_first_version};

int firmware_gateway_ask(struct firmware_gateway *gateway, void (*known)(void *ctx, const char *version),
                         void *ctx, struct error *err)
{
    gateway->known = known;
    gateway->known_ctx = ctx;
    gateway->asking = hook_start(gateway->hooks, HOOK_VERSION, NULL, 0, &first_version_ops, gateway, err);
    return gateway->asking ? 0 : -1;
}

/* ---- restart ---- */

/* Identifies one start of the machine; "" where the kernel does not tell. */
static void boot_id(char id[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, id, 36);

    id[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static void on_restart_durable(void *ctx, bool durable)
{
    struct firmware_gateway *gateway = ctx;

    gateway->waiter_armed = false;
    if (gateway->freed) {
        free(gateway);
        return;
    }
    /* When it is not durable the job asks for the version until its time is over, and fails: a true result. */
    if (durable)
        gateway->restart(gateway->ctx);
}

/* Kind "firmware", key "restart": "<boot id> <times>". */
static unsigned restarts_of_this_boot(struct firmware_gateway *gateway, const char *id)
{
    unsigned times = 0;
    struct buf buf;

    buf_init(&buf, 128, 0);
    if (store_get(gateway->store, "firmware", STR("restart"), &buf, NULL) == 1 && buf.len > 36 &&
        strncmp((const char *)buf_data(&buf), id, 36) == 0)
        times = (unsigned)strtoul(buf_cstr(&buf) + 36, NULL, 10);
    buf_done(&buf);
    return times;
}

static void request_restart(struct firmware_gateway *gateway, unsigned times)
{
    char record[64];
    char id[40];
    int len;

    boot_id(id);
    len = snprintf(record, sizeof(record), "%-36s %u", id, times);
    store_put(gateway->store, "firmware", STR("restart"), record, (size_t)len, NULL);
    if (gateway->waiter_armed)
        return;
    gateway->waiter_armed = true;
    store_wait(gateway->store, &gateway->waiter);
}

/*
 * The agent was killed between "activate" and the restart of the machine: the same start of the machine is still on, so
 * it is asked for again. Without restarts_machine our own restart was it.
 */
static bool restart_again(struct firmware_target *target)
{
    struct firmware_gateway *gateway = gateway_of(target);
    char id[40];
    unsigned times;

    if (!gateway->restarts_machine)
        return false;
    boot_id(id);
    times = restarts_of_this_boot(gateway, id);
    if (!times || times >= RESTARTS)
        return false;
    request_restart(gateway, times + 1);
    return true;
}

/* ---- install, activate ---- */

static void failed(struct firmware_gateway *gateway, const char *step, const struct hook_result *result)
{
    char reason[HOOK_REASON_BYTES + 80];

    if (*result->reason)
        snprintf(reason, sizeof(reason), "the firmware hook's %s failed: %s", step, result->reason);
    else
        snprintf(reason, sizeof(reason), "the firmware hook's %s failed with status %d and no word", step,
                 result->status);
    firmware_target_failed(&gateway->target, result->status == HOOK_TRY_LATER, reason);
}

static void on_activated(void *ctx, const struct hook_result *result)
{
    struct firmware_gateway *gateway = ctx;

    gateway->installing = NULL;
    if (result->status != 0) {
        failed(gateway, "activate", result);
        return;
    }
    firmware_target_transferred(&gateway->target);
    request_restart(gateway, 1);
}

static const struct hook_ops activate_ops = {.done = on_activated};

static void on_progress(void *ctx, const char *line)
{
    struct firmware_gateway *gateway = ctx;
    uint64_t percent;

    /* The last step is not the hook's to announce. */
    if (str_to_u64(str_of(line), &percent) == 0 && percent < 100)
        firmware_target_progress(&gateway->target, (unsigned)percent);
}

static void on_installed(void *ctx, const struct hook_result *result)
{
    struct firmware_gateway *gateway = ctx;
    struct error err;

    gateway->installing = NULL;
    if (result->status != 0) {
        failed(gateway, "install", result);
        return;
    }
    firmware_target_progress(&gateway->target, 99);
    gateway->installing = hook_start(gateway->hooks, HOOK_ACTIVATE, NULL, (unsigned)gateway->slot + 1,
                                     &activate_ops, gateway, &err);
    if (!gateway->installing)
        firmware_target_failed(&gateway->target, false, err.message);
}

static const struct hook_ops install_ops = {.line = on_progress, .done = on_installed};

static int install(struct firmware_target *target, const struct firmware_install *what, struct error *err)
{
    struct firmware_gateway *gateway = gateway_of(target);
    const char *image = what->path ? strrchr(what->path, '/') : NULL;

    if (!gateway->hooks)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path,
                         "this gateway cannot update itself: hook_firmware is not configured");
    if (!image)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path, "there is no image to install");
    hook_cancel(gateway->installing);
    gateway->slot = what->slot;
    /* In the cache an image's name is its digest. */
    gateway->installing = hook_start(gateway->hooks, HOOK_INSTALL, image + 1, (unsigned)what->slot + 1,
                                     &install_ops, gateway, err);
    return gateway->installing ? 0 : -1;
}

static void stop_installing(struct firmware_target *target)
{
    struct firmware_gateway *gateway = gateway_of(target);

    hook_cancel(gateway->installing);
    gateway->installing = NULL;
}

static const struct firmware_target_ops gateway_ops = {
    .install = install,
    .abort = stop_installing,
    .read_version = read_version,
    .restart = restart_again,
    .takes_file = true,
    .transfer_stall_s = STALL_S,
    .reboot_s = REBOOT_S,
};

/* ---- life ---- */

static void gateway_done(struct firmware_gateway *gateway)
{
    hook_client_free(gateway->hooks);
    free(gateway->path);
    free(gateway->version);
    gateway->hooks = NULL;
    gateway->path = gateway->version = NULL;
}

struct firmware_gateway *firmware_gateway_new(struct loop *loop, struct store *store,
                                              const struct firmware_gateway_settings *settings,
                                              struct error *err)
{
    struct firmware_gateway *gateway = calloc(1, sizeof(*gateway));

    if (!gateway || str_replace(&gateway->path, settings->path) < 0 ||
        str_replace(&gateway->version, settings->version) < 0) {
        if (gateway)
            gateway_done(gateway);
        free(gateway);
        error_set(err, ERROR_RESOURCES_EXCEEDED, settings->path, "out of memory");
        return NULL;
    }
    if (hook_runner_has(settings->hooks, HOOK_VERSION)) {
        gateway->hooks = hook_client_new(loop, settings->hooks, err);
        if (!gateway->hooks) {
            gateway_done(gateway);
            free(gateway);
            return NULL;
        }
    }
    gateway->loop = loop;
    gateway->store = store;
    gateway->restarts_machine = settings->restarts_machine;
    gateway->restart = settings->restart;
    gateway->ctx = settings->ctx;
    gateway->waiter = (struct store_waiter){.fn = on_restart_durable, .ctx = gateway};
    gateway->target = (struct firmware_target){.key = "gateway",
                                               .path = gateway->path,
                                               .ops = &gateway_ops,
                                               .ctx = gateway,
                                               .online = true,
                                               .active = -1};
    return gateway;
}

int firmware_gateway_start(struct firmware_gateway *gateway, struct firmware *firmware, struct error *err)
{
    if (firmware_target_add(firmware, &gateway->target, err) < 0)
        return -1;
    if (read_version(&gateway->target, NULL) < 0 && gateway->version)
        firmware_target_version(&gateway->target, NULL, gateway->version);
    return 0;
}

bool firmware_gateway_updating(const struct firmware_gateway *gateway)
{
    for (const struct firmware_job *job = gateway->target.jobs; job; job = job->target_next)
        if (job->resumed && job->handed)
            return true;
    return false;
}

struct firmware_target *firmware_gateway_target(struct firmware_gateway *gateway)
{
    return &gateway->target;
}

void firmware_gateway_free(struct firmware_gateway *gateway)
{
    if (!gateway)
        return;
    hook_cancel(gateway->installing);
    hook_cancel(gateway->asking);
    firmware_target_detach(&gateway->target);
    gateway_done(gateway);
    gateway->freed = true;
    if (!gateway->waiter_armed)
        free(gateway);
}
