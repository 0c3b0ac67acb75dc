/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/job_release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "firmware/fetch_check.h"
#include "firmware/release_check.h"
#include "firmware/release_keep.h"
#include "firmware/trust.h"
#include "firmware/turn.h"
#include "transports/http_url.h"

enum step {
    STEP_SIGNATURE, /* of a manifest is fetched */
    STEP_VERIFY,    /* on a worker */
    STEP_IMAGE,     /* is fetched */
    STEP_EXTRACT,   /* from the release, on a worker; and then looked at like one that was fetched */
    STEP_KEEP,      /* the release becomes durable */
};

struct job_release {
    enum step step;
    struct firmware_image *statement; /* these three pinned */
    struct firmware_image *signature;
    struct firmware_image *image;
    struct release_check *check;
    struct fetch_check *image_check; /* of an image that was inside */
    char *url;                       /* of what is fetched now */
    char *part;                      /* where the image inside is written */
    uint64_t reserved;               /* for it */
    struct release release;
};

/* ---- leaving ---- */

static void unpin(struct firmware_image **image)
{
    if (*image)
        (*image)->pins--;
    *image = NULL;
}

static struct firmware_image *pin(struct firmware_image *image)
{
    image->pins++;
    return image;
}

void release_leave(struct firmware_job *job)
{
    struct job_release *at = job->release;

    if (!at)
        return;
    job->release = NULL;
    job->release_seen = 0;
    release_check_drop(at->check);
    fetch_check_drop(at->image_check);
    cache_release(job->firmware->cache, at->reserved);
    if (at->part)
        unlink(at->part); /* a worker that still writes does so to nobody's file */
    unpin(&at->statement);
    unpin(&at->signature);
    unpin(&at->image);
    free(at->url);
    free(at->part);
    free(at);
}

static void refuse(struct firmware_job *job, enum firmware_status status, const struct error *err)
{
    struct error kept = *err; /* may lie in what goes now */

    release_leave(job);
    download_failed(job, status, &kept);
}

static void out_of_memory(struct firmware_job *job)
{
    struct error err;

    error_set(&err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the release");
    refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
}

/* ---- fetching what it names ---- */

bool release_fetching(const struct firmware_job *job)
{
    return job->release && (job->release->step == STEP_SIGNATURE || job->release->step == STEP_IMAGE);
}

const char *release_url(const struct firmware_job *job, struct verify_checksum *ret_checksum,
                        uint64_t *ret_size)
{
    const struct job_release *at = job->release;

    if (!release_fetching(job))
        return NULL;
    *ret_checksum = (struct verify_checksum){.algorithm = VERIFY_ALGORITHMS};
    *ret_size = 0;
    if (at->step == STEP_IMAGE) {
        ret_checksum->algorithm = VERIFY_SHA256;
        str_copy(ret_checksum->hex, sizeof(ret_checksum->hex), at->release.sha256);
        *ret_size = at->release.size;
    }
    return at->url;
}

static void fetch(struct firmware_job *job, enum step step, char *url)
{
    struct job_release *at = job->release;

    free(at->url);
    at->url = url;
    at->step = step;
    if (!url)
        out_of_memory(job);
    else
        download_fetch(job);
}

/* ---- the image is there ---- */

static void keep_durably(struct firmware_job *job);

/* The release is durable: the slot may be Available. */
static void on_kept(struct firmware_job *job)
{
    struct job_release *at = job->release;
    struct firmware_image *image = at->image;
    struct release release = at->release;

    if (!release_is_kept(job->target, release.sha256)) { /* its batch was lost */
        keep_durably(job);
        return;
    }
    /* Pinned by the slot's record from here on; until then by us. */
    image->pins++;
    release_leave(job);
    download_take(job, image, &release);
    image->pins--;
}

static void keep_durably(struct firmware_job *job)
{
    const struct release_check *check = job->release->check;
    struct error err;
    int result = release_keep(job->target, &job->release->release,
                              (struct str){(const char *)buf_data(&check->kept), check->kept.len},
                              (struct str){(const char *)buf_data(&check->signature), check->signature.len},
                              &err);

    firmware_wrote(job->firmware, result);
    if (result < 0)
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
    else
        job_then(job, on_kept);
}

static void keep(struct firmware_job *job, struct firmware_image *image)
{
    struct job_release *at = job->release;
    struct error err;

    at->image = pin(image);
    at->step = STEP_KEEP;
    if (image->size == at->release.size) {
        keep_durably(job);
        return;
    }
    release_refuse(&err, RELEASE_CONDITION_FAILED, "the image has %llu bytes, and %llu were signed",
                   (unsigned long long)image->size, (unsigned long long)at->release.size);
    refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
}

/* ---- an image inside ---- */

static void on_image_checked(void *ctx, struct fetch_check *check)
{
    struct firmware_job *job = ctx;
    struct job_release *at = job->release;
    struct firmware_image *image;
    struct error err = check->err;

    at->image_check = NULL;
    if (check->outcome != CHECK_RIGHT) {
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
        return;
    }
    cache_release(job->firmware->cache, at->reserved);
    at->reserved = 0;
    image = cache_add(job->firmware->cache, check->result.sha256, check->result.size, NULL, NULL, NULL, &err);
    if (image)
        keep(job, image);
    else
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
}

static void on_extracted(struct firmware_job *job)
{
    struct job_release *at = job->release;
    struct verify_checksum expected = {.algorithm = VERIFY_SHA256};

    if (!at->check->good) {
        refuse(job, FIRMWARE_VALIDATION_FAILED, &at->check->err);
        return;
    }
    str_copy(expected.hex, sizeof(expected.hex), at->release.sha256);
    at->image_check = fetch_check_start(job->firmware->loop, at->part, cache_dir(job->firmware->cache),
                                        &expected, on_image_checked, job);
    if (!at->image_check)
        out_of_memory(job);
}

static void extract(struct firmware_job *job)
{
    struct job_release *at = job->release;
    struct cache *cache = job->firmware->cache;
    struct error err;

    at->step = STEP_EXTRACT;
    if (cache_reserve(cache, at->release.size, &err) < 0) {
        refuse(job, FIRMWARE_DOWNLOAD_FAILED, &err);
        return;
    }
    at->reserved = at->release.size;
    /* A name of its own for each job; what a crash leaves is removed at start, as no record names it. */
    if (asprintf(&at->part, "%s/inside-%016llx", cache_dir(cache), (unsigned long long)job->id) < 0)
        at->part = NULL;
    if (!at->part || release_check_extract(job->firmware->loop, at->check, at->part) < 0)
        out_of_memory(job);
}

/* ---- verified ---- */

/* At a Download() as soon as it can be known, so that nobody waits for what will not be; at the installation it counts. */
static int judge_version(const struct firmware_job *job, const struct release *release, bool installing,
                         struct error *err)
{
    const char *runs = slot_version(job->target, job->target->active), *objection;
    char text[160];

    objection = installing || *runs ? release_version_objection(release, runs, text) : NULL;
    return objection ? release_refuse(err, RELEASE_CONDITION_FAILED, "%s", objection) : 0;
}

static int judge(struct firmware_job *job, const struct release *release, bool installing, struct error *err)
{
    int64_t now = clock_wall(&job->firmware->loop->clock);

    if (trust_admits(job->firmware->trust, job->target, release->roles, false, err) < 0)
        return -1;
    if (release->use_before && now >= release->use_before)
        return release_refuse(err, RELEASE_CONDITION_FAILED,
                              "its time is over: ask its maker for a newer one");
    if (release->size > job->firmware->loop->limits->image_bytes)
        return release_refuse(err, RELEASE_OPERATION_FAILED, "its image has %llu bytes (%s is %u)",
                              (unsigned long long)release->size,
                              LIMIT_SAYS(job->firmware->loop->limits, image_bytes));
    if (release_check_sequence(job->target, release, err) < 0)
        return -1;
    return judge_version(job, release, installing, err);
}

static void on_verified(struct firmware_job *job)
{
    struct job_release *at = job->release;
    struct firmware_image *image;
    struct error err;

    if (!at->check->good) {
        refuse(job, FIRMWARE_VALIDATION_FAILED, &at->check->err);
        return;
    }
    at->release = at->check->release;
    if (judge(job, &at->release, false, &err) < 0) {
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
        return;
    }
    image = at->release.payload.len ? cache_find(job->firmware->cache, at->release.sha256) : NULL;
    if (image)
        keep(job, image);
    else if (at->release.payload.len)
        extract(job);
    else
        fetch(job, STEP_IMAGE, http_url_join(job->url, at->release.uri));
}

static void on_check(void *ctx, struct release_check *check)
{
    struct firmware_job *job = ctx;

    (void)check;
    if (job->release->step == STEP_EXTRACT)
        on_extracted(job);
    else
        on_verified(job);
}

static void verify(struct firmware_job *job)
{
    struct job_release *at = job->release;
    struct firmware *firmware = job->firmware;
    char *path = cache_path(firmware->cache, at->statement->sha256);
    char *signature = at->signature ? cache_path(firmware->cache, at->signature->sha256) : NULL;
    struct error err;

    at->step = STEP_VERIFY;
    error_set(&err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory for the release");
    if (path && !at->signature == !signature)
        at->check = release_check_start(firmware->loop, firmware->trust, job->target, path, signature,
                                        clock_wall(&firmware->loop->clock), on_check, job, &err);
    free(path);
    free(signature);
    if (!at->check)
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
}

/* ---- what came ---- */

/* Beside the manifest: its path with .p7s behind it, before a query. malloc'ed. */
static char *signature_url(const char *url)
{
    size_t len = strcspn(url, "?#");
    char *to;

    return asprintf(&to, "%.*s.p7s%s", (int)len, url, url + len) < 0 ? NULL : to;
}

bool release_begin(struct firmware_job *job, struct firmware_image *image)
{
    const struct firmware_trust *trust = trust_settings(job->firmware->trust);
    char *path = cache_path(job->firmware->cache, image->sha256);
    bool envelope = path && release_check_is_envelope(path, trust->untagged);
    bool manifest = path && !envelope && release_check_is_manifest(path, job->url);

    free(path);
    if (path && !envelope && !manifest)
        return false;
    job->release = calloc(1, sizeof(*job->release));
    if (!path || !job->release) {
        out_of_memory(job);
        return true;
    }
    job->release->statement = pin(image);
    if (envelope)
        verify(job);
    else
        fetch(job, STEP_SIGNATURE, signature_url(job->url));
    return true;
}

void release_fetched(struct firmware_job *job, enum fetch_result result, struct firmware_image *image,
                     const struct error *cause)
{
    struct job_release *at = job->release;
    struct error err;

    if (result != FETCH_OK && at->step == STEP_SIGNATURE) {
        release_refuse(&err, RELEASE_UNAUTHORISED, "its signature cannot be had: %.150s", cause->message);
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
    } else if (result == FETCH_INVALID) {
        release_refuse(&err, RELEASE_CONDITION_FAILED,
                       "the image at %.80s is not the one that was signed: %.100s", at->url, cause->message);
        refuse(job, FIRMWARE_VALIDATION_FAILED, &err);
    } else if (result != FETCH_OK) {
        refuse(job, FIRMWARE_DOWNLOAD_FAILED, cause);
    } else if (at->step == STEP_SIGNATURE) {
        at->signature = pin(image);
        verify(job);
    } else {
        keep(job, image);
    }
}

/* ---- at the time of the installation ---- */

/* Opens the release of the slot's image again: job->release, or NULL when it has none. */
static int look(struct firmware_job *job, struct error *err)
{
    const struct firmware_image *image = job->target->slots[job->slot].image;
    struct job_release *at = calloc(1, sizeof(*at));
    int result;

    release_leave(job);
    if (!at)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to verify the release");
    result = image ? release_reopen(job->target, image->sha256, &at->release, err) : 0;
    if (result == 1)
        job->release = at;
    else
        free(at);
    if (result >= 0)
        job->release_seen = job->firmware->trust_generation + 1;
    return result < 0 ? -1 : 0;
}

/* What a bare image had to show was seen at its Download(); here only whether it may be one at all. */
static int judge_again(struct firmware_job *job, struct error *err)
{
    const struct firmware_target *target = job->target;
    const struct release *release = job->release ? &job->release->release : NULL;

    if (!target->slots[job->slot].image)
        return 0; /* the manufacturer's own offer, which the device verifies */
    if (!release)
        return trust_admits(job->firmware->trust, target, 0, true, err);
    return judge(job, release, true, err);
}

int release_recheck(struct firmware_job *job, struct error *err)
{
    return look(job, err) < 0 ? -1 : judge_again(job, err);
}

bool release_is_seen(const struct firmware_job *job)
{
    return job->release_seen == job->firmware->trust_generation + 1;
}

/*
 * min-battery is in mWh, and devices tell percent. Without knowing their capacity nothing follows from that, unless the
 * policy says which percentage is enough. 1: enough; 0: not yet; -1 and err: it cannot be known.
 */
static int has_battery(const struct firmware_job *job, const struct release *release, struct error *err)
{
    const struct firmware_target *target = job->target;
    uint8_t enough = trust_battery(job->firmware->trust, target);

    if (!release->has_battery || !target->on_battery)
        return 1;
    if (enough)
        return target->battery >= enough;
    return release_refuse(
        err, RELEASE_CONDITION_FAILED,
        "it asks for %llu mWh, and the device's battery tells percent only (%u %%): put it on "
        "mains, or set BatteryPercent, of its Vendor row or of Releases, to what is enough",
        (unsigned long long)release->battery_mwh, target->battery);
}

int release_allows(struct firmware_job *job, enum waits_for *ret_what, uint64_t *ret_ms, struct error *err)
{
    const struct firmware_target *target = job->target;
    const struct release *release;
    uint64_t wait_s;
    int charged;

    if (!release_is_seen(job) && look(job, err) < 0)
        return -1;
    if (judge_again(job, err) < 0)
        return -1;
    release = job->release ? &job->release->release : NULL;
    if (!release)
        return 1;
    *ret_ms = UINT64_MAX;
    charged = has_battery(job, release, err);
    if (charged < 0)
        return -1;
    if (!charged || (target->on_battery && release->wait.power)) {
        *ret_what = WAITS_BATTERY;
        return 0;
    }
    wait_s = release_wait_s(release, clock_wall(&job->firmware->loop->clock));
    if (!wait_s)
        return 1;
    *ret_what = WAITS_RELEASE;
    *ret_ms = wait_s > UINT64_MAX / 1000 ? UINT64_MAX : wait_s * 1000;
    return 0;
}
