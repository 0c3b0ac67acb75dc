/* SPDX-License-Identifier: BSD-3-Clause */
/* A Download() job: Requested, Fetching, Verifying; with AutoActivate it goes on as an activation. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firmware/job_release.h"
#include "firmware/trust.h"
#include "transports/http_url.h"

/* What is fetched now: the job's URL, or what the release names that was there. */
static struct fetch_args args_of(const struct firmware_job *job)
{
    struct fetch_args args = {
        .url = job->url,
        .username = job->username,
        .password = job->password,
        .size_hint = job->file_size,
        .checksum = job->checksum,
    };
    const char *url = release_url(job, &args.checksum, &args.size_hint);

    if (url) {
        args.url = url;
        if (!http_url_same_origin(url, job->url))
            args.username = args.password = NULL;
    }
    return args;
}

/* ---- the fetch tells ---- */

static void on_state(void *ctx, enum fetch_state state)
{
    struct firmware_job *job = ctx;

    switch (state) {
    case FETCH_RUNNING:
        if (job->state == JOB_VERIFYING) /* the cache's file was damaged */
            slot_set_status(job->target, job->slot, FIRMWARE_DOWNLOADING, NULL);
        job_set_state(job, JOB_FETCHING);
        break;
    case FETCH_VERIFYING:
        slot_set_status(job->target, job->slot, FIRMWARE_VALIDATING, NULL);
        job_set_state(job, JOB_VERIFYING);
        break;
    case FETCH_RETRYING:
        job->tries++;
        job->progress = 0;
        job_save(job, NULL);
        firmware_tell(job->firmware, FIRMWARE_JOB_CHANGED, job->target, job->slot, job);
        break;
    case FETCH_QUEUED:
        break;
    }
}

static void on_progress(void *ctx, unsigned percent)
{
    job_set_progress(ctx, percent);
}

/* What a release states stands in place of what was guessed. */
static void take_statement(const struct release *stated, struct firmware_release *release)
{
    if (*stated->version) {
        str_copy(release->version, sizeof(release->version), stated->version);
        release->proven = true;
    }
    release->notice.ask = stated->ask;
    str_copy(release->notice.text, sizeof(release->notice.text), stated->description);
    if (stated->has_priority)
        release->notice.severity = firmware_severity_of_priority(stated->priority);
}

static int ask_policy(struct firmware_job *job, struct firmware_image *image, const struct release *stated,
                      struct firmware_release *release, struct error *err)
{
    struct firmware *firmware = job->firmware;
    char *path = cache_path(firmware->cache, image->sha256);
    struct firmware_candidate candidate = {
        .path = path,
        .url = job->url,
        .sha256 = image->sha256,
        .size = image->size,
        .checksum_given = job->checksum.algorithm != VERIFY_ALGORITHMS,
    };
    int result;

    if (!path)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, job->url, "no memory to look at the image");
    result = job->target->ops->inspect ? job->target->ops->inspect(path, release, err) : 0;
    if (result == 0 && stated)
        take_statement(stated, release);
    if (result == 0)
        result = firmware->policy.verify_release(firmware->policy.ctx, job->target, &candidate, release, err);
    free(path);
    return result;
}

void download_failed(struct firmware_job *job, enum firmware_status status, const struct error *err)
{
    bool named = strstr(err->message, job->url) != NULL;

    slot_set_status(job->target, job->slot, status, NULL);
    job_end(job, JOB_FAILED, err->code ? err->code : ERROR_COMMAND_FAILURE, "%s%s%s", named ? "" : job->url,
            named ? "" : ": ", err->message);
}

/* Withdrawn, not what its maker signs, or not what the dialect or the policy takes. */
static int admit(struct firmware_job *job, struct firmware_image *image, const struct release *stated,
                 struct firmware_release *release, struct error *err)
{
    const char *why = withdrawn_reason(&job->firmware->withdrawn, image->sha256);

    if (why)
        return error_set(err, ERROR_COMMAND_FAILURE, NULL, "this image was withdrawn: %s", why);
    if (!stated && trust_admits(job->firmware->trust, job->target, 0,
                                job->checksum.algorithm != VERIFY_ALGORITHMS, err) < 0)
        return -1;
    return ask_policy(job, image, stated, release, err);
}

void download_take(struct firmware_job *job, struct firmware_image *image, const struct release *stated)
{
    struct firmware_release release;
    struct error err;

    slot_guess(stated && stated->uri[0] != '#' ? stated->uri : job->url, &release);
    if (admit(job, image, stated, &release, &err) < 0) {
        download_failed(job, FIRMWARE_VALIDATION_FAILED, &err);
        return;
    }
    job->fetched = job->checksum;
    if (stated || job->fetched.algorithm == VERIFY_ALGORITHMS) {
        job->fetched.algorithm = VERIFY_SHA256;
        str_copy(job->fetched.hex, sizeof(job->fetched.hex), image->sha256);
    }
    slot_set_image(job->target, job->slot, image, &release);
    if (stated)
        slot_set_words(&job->target->slots[job->slot], stated->description, stated->signers);
    if (!job->auto_activate) {
        job_end(job, JOB_DONE, ERROR_NONE, "%s", "");
        return;
    }
    job->windows[0] = (struct firmware_window){
        .end_s = WINDOW_UNTIMED_S, .mode = MODE_IMMEDIATELY, .max_retries = -1};
    job->window_count = 1;
    activate_begin(job);
}

static void on_done(void *ctx, enum fetch_result result, struct firmware_image *image,
                    const struct error *cause)
{
    struct firmware_job *job = ctx;

    if (release_fetching(job))
        release_fetched(job, result, image, cause);
    else if (result != FETCH_OK)
        download_failed(job, result == FETCH_INVALID ? FIRMWARE_VALIDATION_FAILED : FIRMWARE_DOWNLOAD_FAILED,
                        cause);
    else if (!release_begin(job, image))
        download_take(job, image, NULL);
}

/* ---- start, cancel ---- */

void download_fetch(struct firmware_job *job)
{
    struct fetch_args args = args_of(job);
    enum fetch_state state;
    unsigned percent;
    struct error err;

    job->want = (struct fetch_want){.state = on_state, .progress = on_progress, .done = on_done, .ctx = job};
    if (fetch_start(job->firmware->fetches, &args, &job->want, &err) < 0) {
        download_failed(job, FIRMWARE_DOWNLOAD_FAILED, &err);
        return;
    }
    /* It may have joined a fetch that is under way. */
    state = fetch_want_state(&job->want, &percent);
    if (state == FETCH_RUNNING || state == FETCH_VERIFYING)
        on_state(job, state);
    if (state == FETCH_RUNNING)
        job_set_progress(job, percent);
}

void download_begin(struct firmware_job *job)
{
    slot_reset(job->target, job->slot, FIRMWARE_DOWNLOADING);
    download_fetch(job);
}

void download_cancel(struct firmware_job *job)
{
    struct fetch_args args = args_of(job);

    fetch_cancel(job->firmware->fetches, &job->want);
    fetch_forget(job->firmware->fetches, &args);
    release_leave(job);
    /* Before its acceptance was durable the slot was left alone. */
    if (job->accepted)
        slot_reset(job->target, job->slot, FIRMWARE_NO_IMAGE);
}

/* ---- acceptance ---- */

static int check_args(struct firmware_target *target, const struct firmware_download *args,
                      struct verify_checksum *checksum, struct error *err)
{
    if (!args->url || !*args->url)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, target->path, "URL is missing");
    if (strncasecmp(args->url, "https://", 8) != 0 && strncasecmp(args->url, "http://", 7) != 0)
        return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, target->path,
                         "URL \"%.100s\" is neither https nor http", args->url);
    for (const char *at = args->url; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 127)
            return error_set(err, ERROR_INVALID_COMMAND_ARGUMENTS, target->path,
                             "URL \"%.100s\" has blanks or control characters in it", args->url);
    return verify_checksum_parse(args->checksum_algorithm, args->checksum, checksum, err);
}

struct firmware_job *firmware_download(struct firmware_target *target, int slot,
                                       const struct firmware_download *args,
                                       const struct firmware_origin *origin, struct error *err)
{
    struct verify_checksum checksum;
    struct firmware_job *job;

    if (target->ops->no_download) {
        error_set(err, ERROR_COMMAND_FAILURE, target->path, "%s", target->ops->no_download);
        return NULL;
    }
    if (check_args(target, args, &checksum, err) < 0 || job_admit(target, slot, err) < 0)
        return NULL;
    if (slot == target->active) {
        error_set(err, ERROR_COMMAND_FAILURE, target->path,
                  "FirmwareImage.%d is what the device runs; download to one that is not Active", slot + 1);
        return NULL;
    }
    job = job_new(target, FIRMWARE_DOWNLOAD, slot);
    if (!job || str_replace(&job->url, args->url) < 0 ||
        str_replace(&job->username, args->username && *args->username ? args->username : NULL) < 0 ||
        str_replace(&job->password, args->username && *args->username ? args->password : NULL) < 0) {
        job_free(job);
        error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "no memory for the job");
        return NULL;
    }
    job->file_size = args->file_size;
    job->auto_activate = args->auto_activate;
    job->checksum = checksum;
    return job_accept(job, origin, download_begin, err);
}
