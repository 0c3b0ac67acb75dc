/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that need a second image on their way to the first: it is served beside the one that they are given, and what
 * runs in between is no outcome.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_update.h"

#define FULL "https://images.example/full-2.0.0.bin"
#define MINIMAL "https://images.example/full-minimal-2.0.0.bin"

/* The newest installation, as the device was told of it. */
struct told {
    char url[256];
    uint64_t size, companion_size;
};

struct table {
    struct bench bench;
    struct firmware_target_ops ops;
    struct told told;
};

static int install(struct firmware_target *target, const struct firmware_install *how, struct error *err)
{
    struct bench_device *device = target->ctx;
    struct table *table = (struct table *)(void *)device->bench; /* its first member */

    snprintf(table->told.url, sizeof(table->told.url), "%s", how->url);
    table->told.size = how->size;
    table->told.companion_size = how->companion_size;
    return bench_device_ops.install(target, how, err);
}

/* One device that runs 1.0.0 and has the image in its second slot. */
static int setup(void **state)
{
    static struct table table;

    memset(&table, 0, sizeof(table));
    bench_init(&table.bench, 1);
    table.ops = bench_device_ops;
    table.ops.install = install;
    table.ops.companion = "-minimal";
    table.bench.devices[0].target.ops = &table.ops;
    bench_serve(&table.bench, FULL, "the full image", "2.0.0");
    bench_serve(&table.bench, MINIMAL, "minimal", "2.0.0-minimal");
    bench_have(&table.bench, 0, 1, FULL);
    table.bench.ended = 0;
    *state = &table;
    return 0;
}

static int teardown(void **state)
{
    struct table *table = *state;

    bench_done(&table->bench);
    return 0;
}

static void activate(struct table *table)
{
    assert_non_null(bench_activate(&table->bench, 0, 1, MODE_IMMEDIATELY, 0, 3600));
    bench_settle(&table->bench);
}

/* What the device gets under this name beside its image; NULL text: 404. */
static void check_served(struct table *table, const char *name, const char *text)
{
    const struct http_server_ops *ops = firmware_server_ops();
    struct http_answer answer = {.fd = -1};
    char path[300], got[64] = "";

    snprintf(path, sizeof(path), "%s", strstr(table->told.url, "/image/"));
    snprintf(strrchr(path, '/'), 100, "/%s", name);
    if (!text) {
        assert_int_equal(ops->request(table->bench.firmware, path, "192.168.1.9", &answer), 404);
        return;
    }
    assert_int_equal(ops->request(table->bench.firmware, path, "192.168.1.9", &answer), 200);
    assert_int_equal(answer.size, strlen(text));
    assert_int_equal(read(answer.fd, got, sizeof(got) - 1), (ssize_t)strlen(text));
    assert_string_equal(got, text);
    ops->progress(table->bench.firmware, answer.request_ctx, answer.size);
    ops->end(table->bench.firmware, answer.request_ctx, true);
    close(answer.fd);
}

static void served_beside(void **state)
{
    struct table *table = *state;

    bench_have(&table->bench, 0, 2, MINIMAL);
    activate(table);
    assert_int_equal(table->told.size, strlen("the full image"));
    assert_int_equal(table->told.companion_size, strlen("minimal"));
    check_served(table, "t-minimal.bin", "minimal");
    assert_int_equal(table->bench.progress, 0); /* a sign of life, but not of progress */
    check_served(table, "t-minimal.bin.gz", "minimal");
    check_served(table, "t.bin", "the full image");
    bench_finish(&table->bench);
    assert_int_equal(table->bench.state, JOB_DONE);
    check_served(table, "t-minimal.bin", NULL); /* over with the job */
    assert_int_equal(table->bench.devices[0].target.slots[2].status, FIRMWARE_AVAILABLE);
}

/* The image, for which there is no room; the other one; the image once more: all of that is life. */
static void begins_anew(void **state)
{
    static const char *const fetched[][2] = {
        {"t.bin", "the full image"}, {"t-minimal.bin", "minimal"}, {"t.bin", "the full image"}};
    struct table *table = *state;

    bench_have(&table->bench, 0, 2, MINIMAL);
    table->bench.devices[0].fault = FAULT_STALLS; /* in its own words; 60 s without life end it */
    activate(table);
    for (int i = 0; i < 3; i++) {
        bench_run(&table->bench, 50);
        check_served(table, fetched[i][0], fetched[i][1]);
    }
    bench_run(&table->bench, 50);
    assert_non_null(table->bench.devices[0].target.job);
    bench_run(&table->bench, 20);
    assert_null(table->bench.devices[0].target.job);
}

static void none_to_serve(void **state)
{
    struct table *table = *state;

    activate(table);
    assert_int_equal(table->told.companion_size, 0);
    check_served(table, "t-minimal.bin", NULL); /* never the image under another name */
    check_served(table, "t.bin", "the full image");
    bench_finish(&table->bench);
    assert_int_equal(table->bench.state, JOB_DONE);
}

/* Other dialects know no such thing: any name is the image's. */
static void not_asked_for(void **state)
{
    struct table *table = *state;

    table->ops.companion = NULL;
    bench_have(&table->bench, 0, 2, MINIMAL);
    activate(table);
    assert_int_equal(table->told.companion_size, 0);
    check_served(table, "t-minimal.bin", "the full image");
    bench_finish(&table->bench);
}

static void damaged(void **state)
{
    struct table *table = *state;
    char *path;
    FILE *file;

    bench_have(&table->bench, 0, 2, MINIMAL);
    path = cache_path(table->bench.firmware->cache, table->bench.devices[0].target.slots[2].image->sha256);
    file = fopen(path, "r+");
    assert_non_null(file);
    fputs("MINIMAL", file);
    fclose(file);
    free(path);
    assert_non_null(bench_activate(&table->bench, 0, 1, MODE_IMMEDIATELY, 0, 3600));
    bench_finish(&table->bench);
    assert_int_equal(table->bench.state, JOB_FAILED);
    assert_non_null(strstr(table->bench.fault, "damaged"));
    assert_int_equal(table->bench.devices[0].installs, 0);
}

static unsigned interim_at_step(struct table *table, unsigned step)
{
    struct bench_device *device = &table->bench.devices[0];

    activate(table);
    while (device->step && device->step < step)
        bench_tick(&table->bench);
    firmware_target_interim(&device->target, "x", "2.0.0-minimal");
    return device->installs;
}

static void on_the_way(void **state)
{
    struct table *table = *state;

    interim_at_step(table, 5); /* Transferring */
    assert_non_null(table->bench.devices[0].target.job);
    bench_finish(&table->bench);
    assert_int_equal(table->bench.state, JOB_DONE);
    assert_int_equal(table->bench.devices[0].installs, 1);
    assert_string_equal(table->bench.devices[0].target.slots[1].version, "2.0.0");
}

static void left_half_way(void **state)
{
    struct table *table = *state;

    assert_int_equal(interim_at_step(table, 12), 1); /* it has said that it has all */
    table->bench.devices[0].step = 0;
    bench_finish(&table->bench);
    assert_int_equal(table->bench.state, JOB_DONE); /* the second try */
    assert_int_equal(table->bench.devices[0].installs, 2);
}

/* The gateway dies with the device half way: the next life does not take that for the outcome. */
static void found_half_way(void **state)
{
    struct table *table = *state;
    struct bench_device *device = &table->bench.devices[0];

    activate(table);
    while (device->step < 5)
        bench_tick(&table->bench);
    device->step = 0;
    device->keeps_offline = true;
    bench_crash(&table->bench);
    bench_settle(&table->bench);
    firmware_target_online(&device->target, true);
    firmware_target_interim(&device->target, "x", "2.0.0-minimal");
    assert_int_equal(table->bench.ended, 0);
    device->keeps_offline = false;
    bench_finish(&table->bench);
    assert_int_equal(table->bench.state, JOB_DONE);
    assert_string_equal(device->version, "2.0.0");
}

static void outside_a_job(void **state)
{
    struct table *table = *state;
    struct firmware_target *target = &table->bench.devices[0].target;

    firmware_target_interim(target, "x", "2.0.0-minimal");
    assert_string_equal(target->slots[target->active].version, "2.0.0-minimal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(served_beside, setup, teardown),
        cmocka_unit_test_setup_teardown(begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(none_to_serve, setup, teardown),
        cmocka_unit_test_setup_teardown(not_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(left_half_way, setup, teardown),
        cmocka_unit_test_setup_teardown(found_half_way, setup, teardown),
        cmocka_unit_test_setup_teardown(outside_a_job, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
