/* SPDX-License-Identifier: BSD-3-Clause */
/* The bench of fake_update.h: commands, and what came out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_update.h"

/* ---- commands ---- */

static struct firmware_origin origin_of(unsigned device)
{
    return (struct firmware_origin){.originator = "self::ctl",
                                    .command = "Device.X.Download()",
                                    .command_key = "k",
                                    .request = device + 1};
}

static struct firmware_job *checked(struct bench *bench, struct firmware_job *job, const struct error *err)
{
    if (!job)
        str_copy(bench->fault, sizeof(bench->fault), err->message);
    bench->fault_code = job ? 0 : err->code;
    return job;
}

struct firmware_job *bench_download(struct bench *bench, unsigned device, int slot, const char *url,
                                    bool auto_activate)
{
    struct firmware_download args = {.url = url, .auto_activate = auto_activate};
    struct firmware_origin origin = origin_of(device);
    struct error err;

    return checked(bench, firmware_download(&bench->devices[device].target, slot, &args, &origin, &err),
                   &err);
}

struct firmware_job *bench_download_sum(struct bench *bench, unsigned device, int slot, const char *url,
                                        const char *algorithm, const char *checksum)
{
    struct firmware_download args = {.url = url, .checksum_algorithm = algorithm, .checksum = checksum};
    struct firmware_origin origin = origin_of(device);
    struct error err;

    return checked(bench, firmware_download(&bench->devices[device].target, slot, &args, &origin, &err),
                   &err);
}

struct firmware_job *bench_activate(struct bench *bench, unsigned device, int slot, enum firmware_mode mode,
                                    uint32_t start_s, uint32_t end_s)
{
    struct firmware_window window = {.start_s = start_s, .end_s = end_s, .mode = mode, .max_retries = -1};
    struct firmware_origin origin = origin_of(device);
    struct error err;

    return checked(bench, firmware_activate(&bench->devices[device].target, slot, &window, 1, &origin, &err),
                   &err);
}

void bench_have(struct bench *bench, unsigned device, int slot, const char *url)
{
    assert_non_null(bench_download(bench, device, slot, url, false));
    bench_finish(bench);
    assert_int_equal(bench->devices[device].target.slots[slot].status, FIRMWARE_AVAILABLE);
}

/* ---- what came out ---- */

static int count_record(void *ctx, struct str key, struct str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)ctx;
    return 0;
}

unsigned bench_results(struct bench *bench)
{
    unsigned count = 0;

    store_each(bench->store, "result", STR(""), count_record, &count, NULL);
    return count;
}

unsigned bench_jobs(struct bench *bench)
{
    unsigned count = 0;

    /* The bench itself may meet the allocation that fails. */
    if (store_each(bench->store, "job", STR(""), count_record, &count, NULL) == 0 && !bench->firmware->lost)
        assert_int_equal(count, bench->firmware->job_count);
    return (unsigned)bench->firmware->job_count;
}

void bench_check_slots(struct bench *bench, unsigned index)
{
    const struct bench_device *device = &bench->devices[index];
    const struct firmware_target *target = &device->target;
    unsigned active = 0;

    for (int i = 0; i < FIRMWARE_SLOTS; i++) {
        const struct firmware_slot *slot = &target->slots[i];

        active += slot->status == FIRMWARE_ACTIVE;
        assert_true(slot->status != FIRMWARE_DOWNLOADING && slot->status != FIRMWARE_VALIDATING);
        assert_int_equal(slot->status == FIRMWARE_ACTIVE, i == target->active);
        if (slot->status == FIRMWARE_AVAILABLE)
            assert_true(slot->image || slot->offer);
        if (slot->status == FIRMWARE_NO_IMAGE)
            assert_false(slot->image || slot->offer || slot->available);
    }
    assert_int_equal(active, 1);
    assert_string_equal(target->slots[target->active].version, device->version);
}

unsigned bench_files(const struct bench *bench, const char *prefix)
{
    DIR *dir = opendir(bench->cache);
    struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            count++;
    closedir(dir);
    return count;
}
