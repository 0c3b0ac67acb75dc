/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "config.h"
#include "usp/request.h"

enum {
    GRACE_MS = 150, /* for an answer to go out, and then for the Disconnect record */
};

/* ---- the end ---- */

static void on_grace(struct timer *timer, void *ctx)
{
    struct device_agent *device = ctx;

    if (device->stopping) {
        loop_stop(&device->loop);
        return;
    }
    device->stopping = true;
    enrol_stop(device);
    link_stop(device);
    timer_arm(&device->loop.timers, timer, GRACE_MS);
}

static void on_durable(void *ctx, bool durable)
{
    struct device_agent *device = ctx;

    if (!durable)
        log_error("what is stored was lost: the restart will not know why it came");
    if (!timer_armed(&device->grace))
        timer_arm(&device->loop.timers, &device->grace, GRACE_MS);
}

void device_restart(struct device_agent *device, const char *cause, const char *command_key,
                    const char *reason)
{
    struct model_restart restart = {.cause = cause, .command_key = command_key, .reason = reason};
    struct error err;

    if (device->restart)
        return;
    log_info("restart: %s %s", cause, reason);
    device->restart = true;
    if (boot_save(device->store, &restart, &err) < 0)
        log_failure(LOG_LEVEL_ERROR, "the cause of the restart is not kept", &err);
    device->restarting = (struct store_waiter){.fn = on_durable, .ctx = device};
    store_wait(device->store, &device->restarting);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct device_agent *device = handle->data;

    log_info("signal %d: the device stops", number);
    device->restart = false;
    if (!timer_armed(&device->grace))
        on_grace(&device->grace, device);
}

static int watch_signals(struct device_agent *device, struct error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&device->loop.uv, &device->signals[i]);
        device->signals[i].data = device;
        if (uv_signal_start(&device->signals[i], on_signal, numbers[i]) < 0)
            return error_set(err, ERROR_INTERNAL, NULL, "cannot watch signals");
    }
    device->signals_open = true;
    return 0;
}

/* ---- the trial of a new image ---- */

void device_reached(struct device_agent *device)
{
    struct error err;

    if (device->start != BANK_STARTED_TRIAL || device->banks.trial < 0 || device->restart)
        return;
    timer_cancel(&device->loop.timers, &device->confirm);
    if (banks_confirm(&device->banks, &err) < 0) {
        log_failure(LOG_LEVEL_ERROR, "the new image cannot be confirmed", &err);
        return;
    }
    log_info("version %s works: confirmed", device->image.version);
    device_firmware_conclude(device, NULL);
}

/* The watchdog of the trial: the next start has one chance less, or is the old image's. */
static void on_unconfirmed(struct timer *timer, void *ctx)
{
    struct device_agent *device = ctx;

    (void)timer;
    log_error("version %s did not reach the controller within %u s", device->image.version,
              (unsigned)device->config->confirm_time);
    device_restart(device, "LocalReboot", "", "The image did not reach its controller");
}

/* ---- sleep ---- */

static void on_sleep(struct timer *timer, void *ctx)
{
    struct device_agent *device = ctx;
    const struct device_config *config = device->config;
    bool is_busy = device->download || device->restart || device->banks.trial >= 0;

    if (device->asleep) {
        link_start(device);
    } else if (!is_busy) {
        link_stop(device);
    }
    if (!is_busy)
        device->asleep = !device->asleep;
    timer_arm(&device->loop.timers, timer, (device->asleep ? config->sleep_time : config->awake_time) * 1000);
}

/* ---- the start ---- */

static int open_store(struct device_agent *device, struct error *err)
{
    char path[BANK_PATH_BYTES];

    snprintf(path, sizeof(path), "%s/device.db", device->config->state_dir);
    device->store = store_open(path, &device->loop, err);
    return device->store ? 0 : -1;
}

static int make_model(struct device_agent *device, struct error *err)
{
    uint32_t skipped = 0;
    size_t count;
    const struct dm_mount *mounts = device_mounts(device->config->faults, &count);

    device->dm = dm_new(mounts, count, &device->loop, device->store, err);
    if (!device->dm)
        return -1;
    device->model.dm = device->dm;
    device->model.software_version = device->image.version;
    dm_set_ctx(device->dm, &device->model);
    device->usp = usp_new(device->dm, &device_usp_ops, device, err);
    device->model.usp = device->usp;
    if (!device->usp || dm_load(device->dm, &skipped, err) < 0 || dm_flush(device->dm, err) < 0)
        return -1;
    return device_model_bind(device, err) < 0 ? -1 : dm_flush(device->dm, err);
}

/* Boot! comes before all else, then what the last life left open. */
static int begin(struct device_agent *device, struct error *err)
{
    const struct device_config *config = device->config;
    bool is_trial = device->start == BANK_STARTED_TRIAL;

    if (boot_load(&device->boot, device->store, device->image.version, err) < 0 ||
        usp_start(device->usp, &device->boot.why, err) < 0)
        return -1;
    device_firmware_resume(device);
    usp_requests_abandon(device->usp, true);
    if (is_trial)
        timer_arm(&device->loop.timers, &device->confirm, config->confirm_time * 1000);
    if (config->sleep_time)
        timer_arm(&device->loop.timers, &device->sleep, config->awake_time * 1000);
    if (!is_trial || device->image.behaviour != IMAGE_MUTE)
        enrol_start(device);
    log_info("ready endpoint=%s version=%s", config->endpoint_id, device->image.version);
    return 0;
}

int device_agent_start(struct device_agent *device, struct device_config *config, struct error *err)
{
    struct timespec now;

    *device = (struct device_agent){.config = config};
    clock_gettime(CLOCK_MONOTONIC, &now);
    device->started = now.tv_sec;
    timer_init(&device->grace, on_grace, device);
    timer_init(&device->confirm, on_unconfirmed, device);
    timer_init(&device->sleep, on_sleep, device);
    if (banks_open(&device->banks, config->state_dir, config->model, config->factory_image, err) < 0 ||
        banks_start(&device->banks, &device->start, &device->image, err) < 0 ||
        loop_init(&device->loop, err) < 0)
        return -1;
    if (device->start == BANK_STARTED_TRIAL &&
        (device->image.behaviour == IMAGE_DEAD || (config->faults & FAULT_DEAD))) {
        log_error("version %s does not come up", device->image.version);
        device->restart = true; /* the hardware's watchdog */
        loop_stop(&device->loop);
        return 0;
    }
    if (watch_signals(device, err) < 0 || open_store(device, err) < 0)
        return -1;
    device->fetcher = http_fetcher_new(&device->loop, err);
    if (!device->fetcher || make_model(device, err) < 0 || link_init(device, err) < 0)
        return -1;
    return begin(device, err);
}

void device_agent_run(struct device_agent *device)
{
    if (device->usp)
        loop_run(&device->loop);
}

void device_agent_done(struct device_agent *device)
{
    if (!device->loop.timers.clock) /* it did not come so far */
        return;
    usp_stop(device->usp);
    device_firmware_stop(device);
    enrol_stop(device);
    if (device->dm)
        link_done(device);
    if (device->dm)
        dm_flush(device->dm, NULL);
    dm_free(device->dm);
    usp_free(device->usp);
    store_close(device->store);
    boot_done(&device->boot);
    timer_cancel(&device->loop.timers, &device->grace);
    timer_cancel(&device->loop.timers, &device->confirm);
    timer_cancel(&device->loop.timers, &device->sleep);
    http_fetcher_free(device->fetcher);
    for (size_t i = 0; device->signals_open && i < 2; i++)
        uv_close((uv_handle_t *)&device->signals[i], NULL);
    loop_done(&device->loop);
}
