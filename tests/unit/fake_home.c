/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_home.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the firmware manager ---- */

struct firmware {
    struct observers observers;
    struct fake_home *home;
};

struct firmware_job {
    struct firmware_job_info info;
};

static void note(char *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(char *log, const char *fmt, ...)
{
    size_t len = strlen(log);
    va_list ap;

    if (len + 300 > FAKE_LOG_BYTES)
        len = 0; /* a fuzzer's log need not be whole */
    va_start(ap, fmt);
    vsnprintf(log + len, 300, fmt, ap);
    va_end(ap);
}

static char *log_of(struct firmware_target *target)
{
    return target->firmware->home->firmware_log;
}

struct observers *firmware_observers(struct firmware *firmware)
{
    return &firmware->observers;
}

int firmware_target_add(struct firmware *firmware, struct firmware_target *target, struct error *err)
{
    (void)err;
    target->firmware = firmware;
    return 0;
}

void firmware_target_cohort(struct firmware_target *target, const char *name)
{
    (void)target;
    (void)name;
}

void firmware_target_battery(struct firmware_target *target, int percent)
{
    target->on_battery = percent >= 0;
    target->battery = percent >= 0 ? (uint8_t)percent : 0;
}

void firmware_target_sleeps(struct firmware_target *target, bool sleeps)
{
    target->sleeps = sleeps;
}

void firmware_target_hub(struct firmware_target *target, struct firmware_target *hub)
{
    target->hub = hub;
}

void firmware_target_remove(struct firmware_target *target)
{
    note(log_of(target), "remove; ");
    target->firmware = NULL;
}

void firmware_target_detach(struct firmware_target *target)
{
    target->firmware = NULL;
}

void firmware_target_online(struct firmware_target *target, bool online)
{
    target->online = online;
    note(log_of(target), "online %s; ", online ? "true" : "false");
}

void firmware_target_progress(struct firmware_target *target, unsigned percent)
{
    note(log_of(target), "progress %u; ", percent);
}

void firmware_target_deferred(struct firmware_target *target, bool deferred)
{
    note(log_of(target), deferred ? "deferred; " : "begun; ");
}

void firmware_target_transferred(struct firmware_target *target)
{
    note(log_of(target), "transferred; ");
}

void firmware_target_failed(struct firmware_target *target, bool transient, const char *reason)
{
    note(log_of(target), "failed %s %s; ", transient ? "for now" : "for good", reason);
}

void firmware_target_version(struct firmware_target *target, const char *name, const char *version)
{
    note(log_of(target), "version %s %s; ", name ? name : "-", version);
}

void firmware_target_interim(struct firmware_target *target, const char *name, const char *version)
{
    note(log_of(target), "interim %s %s; ", name ? name : "-", version);
}

void firmware_target_boot_failure(struct firmware_target *target, const char *log)
{
    if (log)
        note(log_of(target), "boot failure %s; ", log);
}

void firmware_target_offer(struct firmware_target *target, const char *offer, const char *version)
{
    note(log_of(target), "offer %s %s; ", offer, version ? version : "-");
}

void firmware_target_block(struct firmware_target *target, const char *reason)
{
    target->blocked = reason != NULL;
    target->blocked_reason = reason;
    note(log_of(target), reason ? "block; " : "unblock; ");
}

void firmware_job_info(const struct firmware_job *job, struct firmware_job_info *ret)
{
    *ret = job->info;
    if (!ret->waits_for)
        ret->waits_for = "";
}

const char *firmware_job_state_text(enum firmware_job_state state)
{
    return state == JOB_DONE ? "Done" : state == JOB_FAILED ? "Failed" : "Other";
}

void fake_home_job(struct fake_home *home, struct firmware_target *target, enum firmware_event_type type,
                   enum firmware_job_state state, unsigned progress, const char *fault)
{
    struct firmware_job job = {{.command = FIRMWARE_ACTIVATE,
                                .state = state,
                                .target = target,
                                .progress = progress,
                                .fault = fault}};
    struct firmware_event event = {.type = type, .target = target, .job = &job};

    observers_notify(&home->firmware->observers, &event);
}

/* ---- the LAN ---- */

static int fake_publish(void *ctx, const struct mqtt_publication *publication, struct error *err)
{
    struct fake_home *home = ctx;

    if (home->lan_down)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "not connected");
    snprintf(home->topic, sizeof(home->topic), "%s", publication->topic);
    snprintf(home->frame, sizeof(home->frame), "%.*s", (int)publication->len,
             (const char *)publication->payload);
    home->to = NULL;
    home->sent++;
    if (home->tap)
        home->tap(home->tap_ctx, publication->topic, NULL, publication->payload, publication->len);
    return 0;
}

static int fake_subscribe(void *ctx, const char *topic, struct error *err)
{
    (void)ctx;
    (void)topic;
    (void)err;
    return 0;
}

static int fake_send(void *ctx, struct lan_session *session, bool binary, const void *data, size_t len,
                     struct error *err)
{
    struct fake_home *home = ctx;

    (void)binary;
    if (home->lan_down)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "queue full");
    home->topic[0] = '\0';
    snprintf(home->frame, sizeof(home->frame), "%.*s", (int)len, (const char *)data);
    home->to = session;
    home->sent++;
    if (home->tap)
        home->tap(home->tap_ctx, NULL, session, data, len);
    return 0;
}

static void fake_close(void *ctx, struct lan_session *session, const char *reason)
{
    struct fake_home *home = ctx;

    home->closed = session;
    home->closes++;
    snprintf(home->close_reason, sizeof(home->close_reason), "%s", reason);
}

/* ---- the registry's events ---- */

static void on_event(void *ctx, const void *event)
{
    static const char *const names[DEVICE_FIELDS] = {
        [DEVICE_NAME] = "name",
        [DEVICE_SOFTWARE_VERSION] = "software",
        [DEVICE_MODEL] = "model",
        [DEVICE_OFFERED_VERSION] = "offered",
        [DEVICE_LAST_RESULT] = "result",
        [DEVICE_REASON] = "reason",
        [DEVICE_ONLINE] = "online",
        [DEVICE_LAST_CONTACTED] = "contacted",
        [DEVICE_QUARANTINED] = "quarantined",
        [DEVICE_JOB_STATE] = "job",
        [DEVICE_PROGRESS] = "progress",
        [DEVICE_REJECTED] = "rejected",
    };
    static const char *const types[] = {"added", "removed", "changed", "quarantine"};
    const struct device_event *device_event = event;
    struct fake_home *home = ctx;

    note(home->events, "%s %u", types[device_event->type], device_event->device->instance);
    for (int i = 0; i < DEVICE_FIELDS; i++)
        if ((device_event->fields & DEVICE_BIT(i)) && names[i])
            note(home->events, " %s", names[i]);
    note(home->events, "; ");
}

/* ---- the home ---- */

void fake_home_init(struct fake_home *home, const struct dialect *dialect, struct store *store)
{
    memset(home, 0, sizeof(*home));
    home->limits = limits_default;
    clock_fake(&home->clock, 1800000000);
    timers_init(&home->timers, &home->clock);
    home->store = store ? store : store_open(":memory:", NULL, NULL);
    home->firmware = calloc(1, sizeof(*home->firmware));
    home->firmware->home = home;
    home->registry = registry_new(home->store, &home->clock, home->firmware, &home->limits);
    home->observer = (struct observer){.fn = on_event, .ctx = home};
    observer_add(registry_observers(home->registry), &home->observer);
    home->lan = (struct lan){home, fake_publish, fake_subscribe, fake_subscribe, fake_send, fake_close};
    home->host = (struct dialect_host){.registry = home->registry,
                                       .timers = &home->timers,
                                       .clock = &home->clock,
                                       .lan = &home->lan,
                                       .source = "homepatch",
                                       .zigbee2mqtt_topics = "zigbee2mqtt, attic/z2m",

                                       .endpoint_id = ""};
    home->dialect = dialect;
    if (dialect)
        home->ctx = dialect->create(&home->host);
}

struct store *fake_home_done(struct fake_home *home, bool keep_store)
{
    registry_free(home->registry);
    if (home->dialect)
        home->dialect->destroy(home->ctx);
    free(home->firmware);
    timers_done(&home->timers);
    if (keep_store)
        return home->store;
    store_close(home->store);
    return NULL;
}

void fake_home_restore(struct fake_home *home)
{
    registry_load(home->registry, dialect_find, NULL);
    for (uint32_t i = 0; i < home->registry->count; i++)
        home->dialect->restore(home->ctx, home->registry->devices[i]);
    registry_resume(home->registry, NULL);
}

void fake_home_advance(struct fake_home *home, uint64_t ms)
{
    clock_fake_advance(&home->clock, ms);
    timers_run(&home->timers);
}

void fake_home_mqtt(struct fake_home *home, const char *topic, const char *payload, bool retain)
{
    struct mqtt_message message = {
        .topic = topic, .payload = (const uint8_t *)payload, .len = strlen(payload), .retain = retain};

    home->dialect->mqtt_message(home->ctx, &message);
}

void fake_home_forget_logs(struct fake_home *home)
{
    home->events[0] = '\0';
    home->firmware_log[0] = '\0';
}
