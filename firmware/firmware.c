/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/firmware.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/release_keep.h"
#include "firmware/trust.h"
#include "firmware/turn.h"

enum {
    REPAIR_MS = 5 * 1000,
    DEFAULT_RETRIES = 3,
    DEFAULT_RETRY_WAIT_S = 10,
};

void firmware_tell(struct firmware *firmware, enum firmware_event_type type, struct firmware_target *target,
                   int slot, struct firmware_job *job)
{
    struct firmware_event event = {.type = type, .target = target, .slot = slot, .job = job};

    observers_notify(&firmware->observers, &event);
}

struct observers *firmware_observers(struct firmware *firmware)
{
    return &firmware->observers;
}

/* ---- policy ---- */

static int accept_image(void *ctx, struct firmware_target *target, const struct firmware_candidate *candidate,
                        struct firmware_release *release, struct error *err)
{
    (void)ctx;
    (void)target;
    (void)candidate;
    (void)release;
    (void)err;
    return 0;
}

static enum firmware_consent know_no_consent(void *ctx, struct firmware_job *job,
                                             const struct firmware_window *window, const char **ret_reason)
{
    (void)ret_reason;
    (void)ctx;
    (void)job;
    (void)window;
    return CONSENT_UNKNOWN;
}

static const struct firmware_policy default_policy = {
    .verify_release = accept_image,
    .consent = know_no_consent,
};

void firmware_set_policy(struct firmware *firmware, const struct firmware_policy *policy)
{
    if (!policy)
        policy = &default_policy;
    if (policy->verify_release) {
        firmware->policy.verify_release = policy->verify_release;
        firmware->policy.ctx = policy->ctx;
    }
    if (policy->consent) {
        firmware->policy.consent = policy->consent;
        firmware->policy.consent_ctx = policy->consent_ctx;
    }
}

int firmware_set_trust(struct firmware *firmware, const struct firmware_trust *settings, struct error *err)
{
    struct trust *trust = trust_new(settings, err);

    if (!trust)
        return -1;
    trust_free(firmware->trust);
    firmware->trust = trust;
    firmware->trust_generation++;
    firmware_reconsider(firmware);
    return 0;
}

/* ---- waiting jobs ---- */

static void on_reconsider(void *ctx)
{
    struct firmware *firmware = ctx;

    /* A job that ends on the way takes itself out; unlink_job() moves the walk on. */
    for (struct firmware_job *job = firmware->jobs; job; job = firmware->walk) {
        firmware->walk = job->next;
        if (job->state == JOB_WAITING && job->accepted && !job->to_resume)
            activate_consider(job);
        else if (job->state == JOB_TRANSFERRING && job->installing)
            install_reconsider(job);
    }
    firmware->walk = NULL;
}

static void on_resume(void *ctx)
{
    struct firmware *firmware = ctx;

    for (struct firmware_job *job = firmware->jobs; job; job = firmware->walk) {
        firmware->walk = job->next;
        if (!job->to_resume)
            continue;
        job->to_resume = false;
        job_resume(job);
    }
    firmware->walk = NULL;
}

void firmware_reconsider(struct firmware *firmware)
{
    loop_defer(firmware->loop, &firmware->reconsider);
}

/* ---- a batch that was lost ---- */

static void rewrite(struct firmware *firmware)
{
    for (struct firmware_target *target = firmware->targets; target; target = target->next) {
        slots_save(target);
        release_keep_running(target);
    }
    for (struct firmware_job *job = firmware->jobs; job; job = job->next)
        if (job->accepted)
            job_rewrite(job);
    /* Rewriting frees an ended job at once when there is nothing to wait for. */
    for (struct firmware_job *job = firmware->ended, *next; job; job = next) {
        next = job->next;
        if (!job->waiter_armed)
            job_rewrite(job);
    }
    turn_rewrite(firmware);
    cache_rewrite(firmware->cache);
}

static void on_repair(struct timer *timer, void *ctx)
{
    struct firmware *firmware = ctx;
    bool lost = firmware->lost;

    /* Its place in the heap is free until something else is armed. */
    timer_arm(&firmware->loop->timers, timer, UINT64_MAX);
    firmware->lost = false;
    for (struct firmware_job *job = firmware->jobs; job; job = job->next)
        job_rearm(job);
    if (lost)
        rewrite(firmware);
}

void firmware_repair(struct firmware *firmware)
{
    timer_arm(&firmware->loop->timers, &firmware->repair, REPAIR_MS);
}

static void lost(struct firmware *firmware)
{
    if (firmware->lost)
        return;
    firmware->lost = true;
    firmware_repair(firmware);
}

static void on_batch(void *ctx, bool durable)
{
    struct firmware *firmware = ctx;

    firmware->waiter_armed = false;
    if (!durable)
        lost(firmware);
}

void firmware_wrote(struct firmware *firmware, int result)
{
    if (result < 0)
        lost(firmware);
    if (firmware->waiter_armed)
        return;
    firmware->waiter_armed = true;
    store_wait(firmware->store, &firmware->waiter);
}

/* ---- targets ---- */

int firmware_target_add(struct firmware *firmware, struct firmware_target *target, struct error *err)
{
    target->firmware = firmware;
    target->job = NULL;
    target->jobs = NULL;
    if (slots_load(target, err) < 0 || jobs_load(target, err) < 0) {
        slots_free(target);
        target->firmware = NULL;
        return -1;
    }
    target->previous = NULL;
    target->next = firmware->targets;
    if (target->next)
        target->next->previous = target;
    firmware->targets = target;
    slots_drop_withdrawn(target);
    target->since = clock_monotonic(&firmware->loop->clock);
    firmware_tell(firmware, FIRMWARE_TARGET_ADDED, target, 0, NULL);
    for (struct firmware_job *job = target->jobs, *next; job; job = next) {
        next = job->target_next;
        firmware_tell(firmware, FIRMWARE_JOB_RESUMED, target, job->slot, job);
        job->to_resume = true;
        loop_defer(firmware->loop, &firmware->resume);
    }
    return 0;
}

static void unlink_target(struct firmware_target *target)
{
    turn_leave_cohort(target);
    turn_leave_hub(target);
    *(target->previous ? &target->previous->next : &target->firmware->targets) = target->next;
    if (target->next)
        target->next->previous = target->previous;
    target->next = target->previous = NULL;
    for (struct firmware_job *job = target->firmware->ended; job; job = job->next)
        if (job->target == target)
            job->target = NULL;
    slots_free(target);
    target->firmware = NULL;
}

void firmware_target_remove(struct firmware_target *target)
{
    if (!target->firmware)
        return;
    while (target->jobs) {
        struct firmware_job *job = target->jobs;

        if (job->state == JOB_TRANSFERRING && target->ops->abort)
            target->ops->abort(target);
        if (job->state < JOB_WAITING && job->command == FIRMWARE_DOWNLOAD)
            download_cancel(job);
        job_end(job, JOB_FAILED, ERROR_COMMAND_FAILURE, "the device was removed from the gateway");
    }
    firmware_tell(target->firmware, FIRMWARE_TARGET_REMOVED, target, 0, NULL);
    slots_forget(target);
    release_forget(target);
    unlink_target(target);
}

void firmware_target_detach(struct firmware_target *target)
{
    if (!target->firmware)
        return;
    while (target->jobs)
        job_let_go(target->jobs);
    unlink_target(target);
}

/* ---- what dialects tell ---- */

void firmware_target_online(struct firmware_target *target, bool online)
{
    bool was = target->online;

    target->online = online;
    if (!target->firmware || was == online)
        return;
    if (target->job)
        install_online(target->job, online);
    /* Its own jobs, and those of its kind that wait for it as their canary. */
    if (target->jobs || (target->cohort && target->firmware->job_count))
        firmware_reconsider(target->firmware);
}

void firmware_target_progress(struct firmware_target *target, unsigned percent)
{
    if (target->job)
        install_progress(target->job, percent);
}

void firmware_target_transferred(struct firmware_target *target)
{
    if (target->job)
        install_transferred(target->job);
}

void firmware_target_failed(struct firmware_target *target, bool transient, const char *reason)
{
    struct firmware_job *job = target->job;

    if (!job)
        return;
    /* A job that resumed asks for the version; what the device says of a transfer that it lost is no news then. */
    if (job->state != JOB_TRANSFERRING && (job->state != JOB_REBOOTING || job->was_offline))
        return;
    job->unsure = false;
    if (!transient)
        turn_failed(job, reason);
    activate_failed(job, transient && job->state == JOB_TRANSFERRING, reason);
}

void firmware_target_deferred(struct firmware_target *target, bool deferred)
{
    if (target->job)
        install_defer(target->job, deferred);
}

void firmware_target_boot_failure(struct firmware_target *target, const char *log)
{
    if (target->job)
        str_replace(&target->job->boot_failure,
                    log); /* without memory for it the reason is the general one */
}

/* The job that the version which a target runs decides, or NULL. */
static struct firmware_job *job_to_decide(const struct firmware_target *target)
{
    struct firmware_job *job = target->job;

    for (struct firmware_job *at = target->jobs; at && !job; at = at->target_next)
        if (at->state == JOB_WAITING && at->unsure)
            job = at;
    return job;
}

void firmware_target_version(struct firmware_target *target, const char *name, const char *version)
{
    struct firmware_job *job;

    if (!target->firmware || !version || !*version)
        return;
    job = job_to_decide(target);
    if (job)
        install_version(job, name, version);
    else
        slot_running(target, name, version);
}

void firmware_target_interim(struct firmware_target *target, const char *name, const char *version)
{
    struct firmware_job *job;

    if (!target->firmware)
        return;
    job = job_to_decide(target);
    if (job)
        install_interim(job, version);
    else
        slot_running(target, name, version);
}

void firmware_target_offer(struct firmware_target *target, const char *offer, const char *version)
{
    if (target->firmware)
        slot_offer(target, offer, version);
}

static void block_job(struct firmware_job *job)
{
    struct firmware_target *target = job->target;
    const char *reason = target->blocked_reason ? target->blocked_reason : "it is quarantined";

    if (job->state == JOB_TRANSFERRING && target->ops->abort)
        target->ops->abort(target);
    if (job->state >= JOB_WAITING) {
        activate_failed(job, false, reason);
        return;
    }
    if (job->command == FIRMWARE_DOWNLOAD)
        download_cancel(job);
    job_end(job, JOB_FAILED, ERROR_COMMAND_FAILURE, "the device is not updated: %s", reason);
}

void firmware_target_block(struct firmware_target *target, const char *reason)
{
    target->blocked = reason != NULL;
    target->blocked_reason = reason;
    if (!reason || !target->firmware)
        return;
    while (target->jobs)
        block_job(target->jobs);
}

/* ---- serving ---- */

static int on_serve(void *ctx, const char *path, const char *peer, struct http_answer *ret_answer)
{
    struct firmware *firmware = ctx;

    return serve_request(&firmware->serve, path, peer, ret_answer);
}

static void on_serve_progress(void *ctx, void *request_ctx, uint64_t position)
{
    (void)ctx;
    serve_progress(request_ctx, position);
}

static void on_serve_end(void *ctx, void *request_ctx, bool complete)
{
    (void)ctx;
    (void)complete; /* only the device knows whether it has the image */
    serve_end(request_ctx);
}

static const struct http_server_ops server_ops = {
    .request = on_serve,
    .progress = on_serve_progress,
    .end = on_serve_end,
};

const struct http_server_ops *firmware_server_ops(void)
{
    return &server_ops;
}

int firmware_serve_at(struct firmware *firmware, const char *url)
{
    return str_replace(&firmware->serve_url, url);
}

/* ---- the list of withdrawn images ---- */

int firmware_reload(struct firmware *firmware, struct error *err)
{
    if (!firmware->withdrawn_file)
        return 0;
    if (withdrawn_read(&firmware->withdrawn, firmware->withdrawn_file, err) < 0)
        return -1;
    for (struct firmware_target *target = firmware->targets; target; target = target->next)
        slots_drop_withdrawn(target);
    firmware_reconsider(firmware);
    return 0;
}

/* ---- start and end ---- */

static const struct cache_ops cache_ops = {
    .survey = slots_survey,
    .evicted = slots_evicted,
};

static int init_parts(struct firmware *firmware, const struct firmware_settings *settings,
                      const struct fetch_source *source, struct error *err)
{
    struct fetch_source http;
    struct tls_settings tls = settings->tls;

    if (str_replace(&firmware->serve_url, settings->serve_url) < 0 ||
        str_replace(&firmware->ca_file, tls.ca_file) < 0 ||
        str_replace(&firmware->certificate_file, tls.certificate_file) < 0 ||
        str_replace(&firmware->key_file, tls.key_file) < 0 ||
        str_replace(&firmware->withdrawn_file, settings->withdrawn_file) < 0)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    if (firmware_reload(firmware, err) < 0)
        return -1;
    tls.ca_file = firmware->ca_file;
    tls.certificate_file = firmware->certificate_file;
    tls.key_file = firmware->key_file;
    firmware->cache = cache_new(firmware->store, &firmware->loop->clock, settings->cache_dir,
                                settings->cache_bytes, &cache_ops, firmware, err);
    if (!firmware->cache)
        return -1;
    if (!source) {
        firmware->fetcher = http_fetcher_new(firmware->loop, err);
        if (!firmware->fetcher)
            return -1;
        http = fetch_source_http(firmware->fetcher);
        source = &http;
    }
    firmware->fetches = fetches_new(firmware->loop, firmware->cache, source, &tls, settings->parallel_fetches,
                                    firmware->retries, firmware->retry_wait_s);
    return firmware->fetches ? 0 : error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
}

struct firmware *firmware_new_from(struct loop *loop, struct store *store,
                                   const struct firmware_settings *settings,
                                   const struct fetch_source *source, struct error *err)
{
    struct firmware *firmware = calloc(1, sizeof(*firmware));

    if (!firmware) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    *firmware = (struct firmware){
        .loop = loop,
        .store = store,
        .parallel_installs = settings->parallel_installs ? settings->parallel_installs : 1,
        .retries = settings->retries ? settings->retries : DEFAULT_RETRIES,
        .retry_wait_s = settings->retry_wait_s ? settings->retry_wait_s : DEFAULT_RETRY_WAIT_S,
        .transfer_stall_s = settings->transfer_stall_s,
        .reboot_s = settings->reboot_s,
        .canary_soak_s = settings->canary_soak_s,
        .battery_minimum = settings->battery_minimum,
        .allow_downgrade = settings->allow_downgrade,
        .policy = default_policy,
        .reconsider = {.fn = on_reconsider, .ctx = firmware},
        .resume = {.fn = on_resume, .ctx = firmware},
        .waiter = {.fn = on_batch, .ctx = firmware},
    };
    timer_init(&firmware->repair, on_repair, firmware);
    map_init(&firmware->cohorts);
    withdrawn_init(&firmware->withdrawn);
    serve_init(&firmware->serve);
    firmware->next_id = jobs_next_id(store);
    if (timer_arm(&loop->timers, &firmware->repair, UINT64_MAX) < 0 ||
        init_parts(firmware, settings, source, err) < 0) {
        firmware_free(firmware);
        return NULL;
    }
    return firmware;
}

struct firmware *firmware_new(struct loop *loop, struct store *store,
                              const struct firmware_settings *settings, struct error *err)
{
    return firmware_new_from(loop, store, settings, NULL, err);
}

void firmware_free(struct firmware *firmware)
{
    if (!firmware)
        return;
    while (firmware->targets)
        firmware_target_detach(firmware->targets);
    /* What the store still owes an answer to is answered now, while it is there. */
    store_flush(firmware->store, NULL);
    while (firmware->ended) {
        struct firmware_job *job = firmware->ended;

        firmware->ended = job->next;
        job_free(job);
    }
    timer_cancel(&firmware->loop->timers, &firmware->repair);
    loop_undefer(firmware->loop, &firmware->reconsider);
    loop_undefer(firmware->loop, &firmware->resume);
    fetches_free(firmware->fetches);
    http_fetcher_free(firmware->fetcher);
    cache_free(firmware->cache);
    trust_free(firmware->trust);
    map_done(&firmware->cohorts);
    withdrawn_done(&firmware->withdrawn);
    free(firmware->withdrawn_file);
    serve_done(&firmware->serve);
    free(firmware->serve_url);
    free(firmware->ca_file);
    free(firmware->certificate_file);
    free(firmware->key_file);
    free(firmware);
}

const char *firmware_status_text(enum firmware_status status)
{
    static const char *const texts[] = {
        [FIRMWARE_NO_IMAGE] = "NoImage",
        [FIRMWARE_ACTIVE] = "Active",
        [FIRMWARE_DOWNLOADING] = "Downloading",
        [FIRMWARE_VALIDATING] = "Validating",
        [FIRMWARE_AVAILABLE] = "Available",
        [FIRMWARE_DOWNLOAD_FAILED] = "DownloadFailed",
        [FIRMWARE_VALIDATION_FAILED] = "ValidationFailed",
        [FIRMWARE_INSTALLATION_FAILED] = "InstallationFailed",
        [FIRMWARE_ACTIVATION_FAILED] = "ActivationFailed",
    };

    return texts[status];
}
