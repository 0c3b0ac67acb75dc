/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/fake_update.h"

/* ---- the server ---- */

static size_t size_of(const struct bench_image *image)
{
    return image->size ? image->size : strlen(image->content);
}

static void *source_start(void *ctx, const struct http_request *request, const struct http_fetch_ops *ops,
                          void *fetch_ctx, struct error *err)
{
    struct bench *bench = ctx;
    const struct bench_image *image = NULL;
    unsigned running = 0;

    for (unsigned i = 0; i < BENCH_IMAGES; i++)
        if (bench->images[i].url && strcmp(bench->images[i].url, request->url) == 0)
            image = &bench->images[i];
    bench->requests++;
    if (request->validator)
        bench->conditional++;
    for (unsigned i = 0; i < BENCH_FETCHES; i++)
        running += bench->fetches[i].turn != 0;
    if (running + 1 > bench->most_parallel)
        bench->most_parallel = running + 1;
    for (unsigned i = 0; i < BENCH_FETCHES; i++) {
        struct bench_fetch *fetch = &bench->fetches[i];

        if (fetch->turn)
            continue;
        *fetch = (struct bench_fetch){
            .bench = bench, .image = image, .ops = ops, .ctx = fetch_ctx, .turn = 1};
        if (image && request->offset && request->validator && image->validator &&
            strcmp(request->validator, image->validator) == 0 && request->offset < size_of(image)) {
            fetch->at = request->offset;
            fetch->range = true;
        }
        return fetch;
    }
    error_set(err, ERROR_RESOURCES_EXCEEDED, request->url, "too many");
    return NULL;
}

static void source_cancel(void *ctx, void *fetch)
{
    (void)ctx;
    ((struct bench_fetch *)fetch)->turn = 0;
}

static void end_fetch(struct bench_fetch *fetch, enum http_outcome outcome, const char *what)
{
    struct bench_fetch copy = *fetch;
    struct error err;

    error_set(&err, ERROR_COMMAND_FAILURE, NULL, "%s", what);
    fetch->turn = 0;
    copy.ops->done(copy.ctx, outcome, &err);
}

static void send_head(struct bench_fetch *fetch)
{
    struct bench_image *image = (struct bench_image *)fetch->image;
    struct http_head head = {
        .status = fetch->range ? 206 : 200,
        .offset = fetch->at,
        .length = image && !image->hides_length ? (int64_t)size_of(image) : -1,
        .validator = image ? image->validator : NULL,
    };

    fetch->turn = 2;
    if (!image || image->missing) {
        end_fetch(fetch, HTTP_PERMANENT, "the server answered 404");
    } else if (image->failures) {
        image->failures--;
        end_fetch(fetch, HTTP_TRANSIENT, "the server answered 503");
    } else if (fetch->ops->head(fetch->ctx, &head) != 0) {
        end_fetch(fetch, HTTP_ABORTED, "aborted");
    }
}

/* A quarter of the image at a time. */
static void send_body(struct bench_fetch *fetch)
{
    struct bench_image *image = (struct bench_image *)fetch->image;
    size_t size = size_of(image);
    size_t n = size / 4 + 1;

    if (image->cuts && fetch->at >= size / 2) {
        image->cuts--;
        end_fetch(fetch, HTTP_TRANSIENT, "the connection was cut");
        return;
    }
    if (n > size - fetch->at)
        n = size - fetch->at;
    if (n && fetch->ops->body(fetch->ctx, (const uint8_t *)image->content + fetch->at, n) != 0) {
        end_fetch(fetch, HTTP_ABORTED, "aborted");
        return;
    }
    fetch->at += n;
    if (fetch->at == size)
        end_fetch(fetch, HTTP_DONE, "");
}

static void server_tick(struct bench *bench)
{
    for (unsigned i = 0; i < BENCH_FETCHES; i++) {
        if (bench->fetches[i].turn == 1)
            send_head(&bench->fetches[i]);
        else if (bench->fetches[i].turn == 2)
            send_body(&bench->fetches[i]);
    }
}

struct bench_image *bench_serve(struct bench *bench, const char *url, const char *content,
                                const char *version)
{
    for (unsigned i = 0; i < BENCH_IMAGES; i++) {
        struct bench_image *image = &bench->images[i];

        if (image->url && strcmp(image->url, url) != 0)
            continue;
        *image = (struct bench_image){
            .url = url, .content = content, .version = version, .validator = "\"v1\""};
        return image;
    }
    fail_msg("no room for another image");
    return NULL;
}

/* ---- devices ---- */

static int device_install(struct firmware_target *target, const struct firmware_install *install,
                          struct error *err)
{
    struct bench_device *device = target->ctx;
    struct bench *bench = device->bench;

    device->installs++;
    assert_true(device->online);
    if (device->fault_times && device->installs > device->fault_times)
        device->fault = FAULT_NONE;
    if (device->fault == FAULT_REFUSES)
        return error_set(err, ERROR_COMMAND_FAILURE, target->path, "wrong hardware");
    if (device->fault == FAULT_BUSY)
        return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "battery too low");
    device->step = 1;
    str_copy(device->next_version, sizeof(device->next_version), "9.9.9");
    if (install->offer) {
        str_copy(device->next_version, sizeof(device->next_version), install->version);
        assert_null(install->url);
        return 0;
    }
    assert_non_null(strstr(install->url, "http://gw:1/image/"));
    assert_int_equal(access(install->path, R_OK), 0);
    for (unsigned i = 0; i < BENCH_IMAGES; i++) {
        FILE *file = bench->images[i].url ? fopen(install->path, "r") : NULL;
        char text[4096];

        if (!file)
            continue;
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        if (strcmp(text, bench->images[i].content) == 0 && bench->images[i].version)
            str_copy(device->next_version, sizeof(device->next_version), bench->images[i].version);
    }
    return 0;
}

static void device_abort(struct firmware_target *target)
{
    struct bench_device *device = target->ctx;

    device->aborts++;
    device->step = 0;
}

static int device_read_version(struct firmware_target *target, struct error *err)
{
    struct bench_device *device = target->ctx;

    (void)err;
    device->questions++;
    device->asked = true;
    return 0;
}

static bool device_idle(struct firmware_target *target)
{
    struct bench_device *device = target->ctx;

    return !device->busy;
}

/* "1.2.3": by its first number. */
static int device_compare(const char *a, const char *b, int *ret)
{
    if (*a < '0' || *a > '9' || *b < '0' || *b > '9')
        return -1;
    *ret = *a - *b;
    return 0;
}

const struct firmware_target_ops bench_device_ops = {
    .install = device_install,
    .abort = device_abort,
    .read_version = device_read_version,
    .idle = device_idle,
    .compare = device_compare,
    .transfer_stall_s = 60,
    .reboot_s = 120,
};

static void set_online(struct bench_device *device, bool online)
{
    device->online = online;
    if (!device->target.firmware)
        return;
    firmware_target_online(&device->target, online);
    if (online)
        firmware_target_version(&device->target, NULL, device->version);
}

void bench_fetched(struct firmware_target *target)
{
    if (target->job)
        target->job->grant.position = target->job->grant.size;
}

/* An installation takes 20 s: 10 to transfer, then a restart. It goes on whether the gateway lives or not. */
static void install_tick(struct bench_device *device)
{
    bool heard = device->target.firmware != NULL;

    device->step++;
    if (device->step <= 10 && heard && !(device->fault == FAULT_STALLS && device->step > 4))
        firmware_target_progress(&device->target, device->step * 10);
    if (device->step == 10 && device->fault != FAULT_CLAIMS)
        bench_fetched(&device->target);
    if (device->step == 5 && (device->fault == FAULT_FAILS_AT_40 || device->fault == FAULT_BREAKS_AT_40)) {
        device->step = 0;
        if (heard)
            firmware_target_failed(&device->target, device->fault == FAULT_FAILS_AT_40,
                                   "flash write failed at 40 %");
    } else if (device->fault == FAULT_STALLS) {
        return;
    } else if (device->step == 11) {
        if (heard)
            firmware_target_transferred(&device->target);
    } else if (device->step == 13) {
        set_online(device, false);
    } else if (device->step == 20 && device->fault != FAULT_NEVER_RETURNS) {
        device->step = 0;
        if (device->fault == FAULT_OTHER_VERSION)
            str_copy(device->version, sizeof(device->version), "6.6.6");
        else if (device->fault != FAULT_OLD_VERSION)
            str_copy(device->version, sizeof(device->version), device->next_version);
        set_online(device, true);
    }
}

static void device_tick(struct bench_device *device)
{
    /* The gateway began anew: it hears what the device runs, in the middle of whatever it does. */
    if (device->step && device->online && device->target.firmware && !device->target.online)
        set_online(device, true);
    if (device->step)
        install_tick(device);
    else if (!device->keeps_offline && (!device->online || !device->target.online))
        set_online(device, true);
    else if (device->keeps_offline && device->online)
        set_online(device, false);
    if (device->asked && device->online) {
        device->asked = false;
        firmware_target_version(&device->target, NULL, device->version);
    }
}

/* ---- the observer: what the data model does ---- */

static void on_event(void *ctx, const void *data)
{
    struct bench *bench = ctx;
    const struct firmware_event *event = data;
    struct firmware_job_info info;
    char key[32];

    if (event->type == FIRMWARE_TARGET_UPDATED)
        bench->updated++;
    if (!event->job)
        return;
    firmware_job_info(event->job, &info);
    bench->progress = info.progress;
    str_copy(bench->waits_for, sizeof(bench->waits_for), info.waits_for);
    if (event->type == FIRMWARE_JOB_DROPPED)
        bench->dropped++;
    if (event->type != FIRMWARE_JOB_ENDED)
        return;
    bench->ended++;
    bench->state = info.state;
    bench->fault_code = info.fault_code;
    str_copy(bench->fault, sizeof(bench->fault), info.fault);
    str_copy(bench->checksum, sizeof(bench->checksum), info.checksum);
    assert_true(info.state >= JOB_DONE);
    assert_true((info.state == JOB_DONE) == (info.fault_code == 0));
    assert_true((info.state == JOB_DONE) == (*info.fault == '\0'));
    /* One record per job and life: were a job to end twice, both would be there. */
    snprintf(key, sizeof(key), "%llu.%u.%u", (unsigned long long)info.id, bench->life, bench->ended);
    store_put(bench->store, "result", str_of(key), firmware_job_state_text(info.state),
              strlen(firmware_job_state_text(info.state)), NULL);
}

/* ---- lives ---- */

static void begin_life(struct bench *bench)
{
    struct fetch_source source = {.start = source_start, .cancel = source_cancel, .ctx = bench};
    struct error err;
    int64_t wall = bench->life ? clock_wall(&bench->loop.clock) : BENCH_START;

    memset(bench->fetches, 0, sizeof(bench->fetches));
    bench->life++;
    bench->commits = bench->stop_at = 0;
    bench->stopped = false;
    snprintf(bench->db, sizeof(bench->db), "%s/%u.db", bench->dir, bench->life);
    assert_int_equal(loop_init(&bench->loop, &err), 0);
    clock_fake(&bench->loop.clock, wall);
    bench->store = store_open(bench->db, NULL, &err); /* commits when the bench says so */
    assert_non_null(bench->store);
    bench->settings.cache_dir = bench->cache;
    bench->firmware = firmware_new_from(&bench->loop, bench->store, &bench->settings, &source, &err);
    assert_non_null(bench->firmware);
    bench->observer = (struct observer){.fn = on_event, .ctx = bench};
    observer_add(firmware_observers(bench->firmware), &bench->observer);
    if (bench->began)
        bench->began(bench);
    for (unsigned i = 0; i < bench->device_count; i++) {
        struct bench_device *device = &bench->devices[i];

        device->asked = false;
        device->target = (struct firmware_target){.key = device->key,
                                                  .path = device->path,
                                                  .ops = &bench_device_ops,
                                                  .ctx = device,
                                                  .group = device->target.group,
                                                  .active = -1};
        assert_int_equal(firmware_target_add(bench->firmware, &device->target, &err), 0);
        firmware_target_cohort(&device->target, device->cohort);
    }
    bench_settle(bench);
}

static void end_life(struct bench *bench)
{
    observer_remove(firmware_observers(bench->firmware), &bench->observer);
    if (bench->ends)
        bench->ends(bench, true);
    firmware_free(bench->firmware);
    if (bench->ends)
        bench->ends(bench, false);
    store_close(bench->store);
    loop_done(&bench->loop);
}

static void copy_file(const char *from, const char *to)
{
    char command[512];

    snprintf(command, sizeof(command), "if [ -f %s ]; then cp %s %s; fi", from, from, to);
    assert_int_equal(system(command), 0);
}

static void copy_db(const struct bench *bench)
{
    static const char *const suffixes[] = {"", "-wal"};

    for (size_t i = 0; i < 2; i++) {
        char from[128];
        char to[128];

        snprintf(from, sizeof(from), "%s%s", bench->db, suffixes[i]);
        snprintf(to, sizeof(to), "%s/%u.db%s", bench->dir, bench->life + 1, suffixes[i]);
        copy_file(from, to);
    }
}

void bench_restart(struct bench *bench)
{
    end_life(bench);
    copy_db(bench);
    begin_life(bench);
}

void bench_crash(struct bench *bench)
{
    copy_db(bench); /* as it is on disk at this moment */
    end_life(bench);
    begin_life(bench);
}

void bench_init(struct bench *bench, unsigned devices)
{
    memset(bench, 0, sizeof(*bench));
    strcpy(bench->dir, "/tmp/homepatch-test-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    snprintf(bench->cache, sizeof(bench->cache), "%s/cache", bench->dir);
    bench->settings = (struct firmware_settings){.cache_bytes = 1 << 20,
                                                 .parallel_fetches = 2,
                                                 .parallel_installs = 2,
                                                 .serve_url = "http://gw:1",
                                                 .retries = 3};
    bench->device_count = devices;
    for (unsigned i = 0; i < devices; i++) {
        struct bench_device *device = &bench->devices[i];

        device->bench = bench;
        snprintf(device->key, sizeof(device->key), "device-%u", i);
        snprintf(device->path, sizeof(device->path), "Device.ProxiedDevice.%u.DeviceInfo.", i + 1);
        strcpy(device->version, "1.0.0");
        device->online = true;
    }
    begin_life(bench);
    bench_run(bench, 2);
}

void bench_done(struct bench *bench)
{
    char command[128];

    end_life(bench);
    snprintf(command, sizeof(command), "rm -rf %s", bench->dir);
    assert_int_equal(system(command), 0);
}

void bench_disk_full(bool full)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 0 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* ---- time ---- */

/* True when the test wants to stop here. */
static bool commit(struct bench *bench)
{
    bool here = ++bench->commits == bench->stop_at;

    if (!here || !bench->stop_before)
        store_flush(bench->store, NULL);
    bench->stopped = here;
    return here;
}

void bench_settle(struct bench *bench)
{
    if (bench->stopped)
        return;
    do {
        timers_run(&bench->loop.timers);
        loop_run_deferred(&bench->loop);
        uv_run(&bench->loop.uv, UV_RUN_NOWAIT);
        if (store_pending(bench->store) && commit(bench))
            return;
        if (bench->loop.uv.active_reqs.count)
            usleep(100); /* a worker hashes */
    } while (bench->loop.uv.active_reqs.count || bench->loop.deferred_first || store_pending(bench->store) ||
             timers_next(&bench->loop.timers) == 0);
}

void bench_tick(struct bench *bench)
{
    if (bench->stopped)
        return;
    clock_fake_advance(&bench->loop.clock, 1000);
    for (unsigned i = 0; i < bench->device_count; i++)
        device_tick(&bench->devices[i]);
    server_tick(bench);
    bench_settle(bench);
}

void bench_run(struct bench *bench, unsigned seconds)
{
    while (seconds--)
        bench_tick(bench);
}

void bench_finish(struct bench *bench)
{
    for (unsigned i = 0; i < 20000 && bench_jobs(bench); i++)
        bench_tick(bench);
    if (bench->stopped)
        return;
    assert_int_equal(bench_jobs(bench), 0);
    assert_true(bench->firmware->installs == 0);
    for (unsigned i = 0; i < bench->device_count; i++)
        assert_null(bench->devices[i].target.job);
}
