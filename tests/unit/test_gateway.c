/* SPDX-License-Identifier: BSD-3-Clause */
/* The gateway as a target, with a shell script for a hook and a real loop. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/gateway.h"
#include "firmware/hook_runner.h"
#include "firmware/manager.h"
#include "tests/unit/wait.h"

struct fixture {
    char dir[64];
    char hook[96];
    char cache[96];
    char db[96];
    struct loop loop;
    struct store *store;
    struct firmware *firmware;
    struct firmware_gateway *gateway;
    struct firmware_target *target;
    struct observer observer;
    unsigned restarts;
    unsigned ended;
    unsigned progress;
    enum firmware_job_state state;
    char fault[256];
    bool machine;
    struct hook_runner hooks;
};

static void write_file(const struct fixture *fixture, const char *name, const char *text, int mode)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, (mode_t)mode);
}

static bool has_file(const struct fixture *fixture, const char *name, char *to, size_t size)
{
    char path[160];
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    file = fopen(path, "r");
    if (!file)
        return false;
    n = fread(to, 1, size - 1, file);
    to[n] = '\0';
    fclose(file);
    return true;
}

/* A platform with files for banks: "running", "next", "bank-2". "broken" and "later" make install fail. */
static const char platform[] =
    "#!/bin/sh\n"
    "cd \"${0%/*}\" || exit 1\n"
    "case $1 in\n"
    "version) printf '{\"version\": \"%s\", \"name\": \"os\"}\\n' \"$(cat running)\" ;;\n"
    "install) [ -e broken ] && { echo no such bank >&2; exit 1; }\n"
    "    [ -e later ] && { rm later; echo bank is busy >&2; exit 75; }\n"
    "    echo 30; cat \"$2\" > \"bank-$3\"; echo 70 ;;\n"
    "activate) cp \"bank-$2\" next ;;\n"
    "*) exit 2 ;;\n"
    "esac\n";

static void on_restart(void *ctx)
{
    struct fixture *fixture = ctx;

    fixture->restarts++;
}

static void on_event(void *ctx, const void *data)
{
    const struct firmware_event *event = data;
    struct fixture *fixture = ctx;
    struct firmware_job_info info;

    if (!event->job)
        return;
    firmware_job_info(event->job, &info);
    if (info.progress > fixture->progress)
        fixture->progress = info.progress;
    if (event->type != FIRMWARE_JOB_ENDED)
        return;
    fixture->ended++;
    fixture->state = info.state;
    str_copy(fixture->fault, sizeof(fixture->fault), info.fault);
}

static void *no_start(void *ctx, const struct http_request *request, const struct http_fetch_ops *ops,
                      void *fetch_ctx, struct error *err)
{
    (void)ctx;
    (void)ops;
    (void)fetch_ctx;
    error_set(err, ERROR_COMMAND_FAILURE, request->url, "no network");
    return NULL;
}

static void begin(struct fixture *fixture)
{
    struct firmware_settings settings = {
        .cache_dir = fixture->cache, .cache_bytes = 1 << 20, .parallel_installs = 1};
    struct firmware_gateway_settings gateway = {
        .hooks = &fixture->hooks,
        .path = "Device.DeviceInfo.",
        .version = "0.9",
        .restarts_machine = fixture->machine,
        .restart = on_restart,
        .ctx = fixture,
    };
    struct hook_programs programs = {.firmware = {.path = fixture->hook[0] ? fixture->hook : NULL},
                                     .image_dir = fixture->cache};
    struct fetch_source source = {.start = no_start};
    struct error err;

    assert_int_equal(hook_runner_start(&fixture->hooks, &programs, &err), 0);
    assert_int_equal(loop_init(&fixture->loop, &err), 0);
    fixture->store = store_open(fixture->db, &fixture->loop, &err);
    assert_non_null(fixture->store);
    fixture->firmware = firmware_new_from(&fixture->loop, fixture->store, &settings, &source, &err);
    assert_non_null(fixture->firmware);
    fixture->observer = (struct observer){.fn = on_event, .ctx = fixture};
    observer_add(firmware_observers(fixture->firmware), &fixture->observer);
    fixture->gateway = firmware_gateway_new(&fixture->loop, fixture->store, &gateway, &err);
    assert_non_null(fixture->gateway);
    fixture->target = firmware_gateway_target(fixture->gateway);
    assert_int_equal(firmware_gateway_start(fixture->gateway, fixture->firmware, &err), 0);
}

static void end(struct fixture *fixture)
{
    firmware_gateway_free(fixture->gateway);
    firmware_free(fixture->firmware);
    store_close(fixture->store);
    loop_done(&fixture->loop);
    hook_runner_stop(&fixture->hooks);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->dir, "/tmp/homepatch-gateway-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->hook, sizeof(fixture->hook), "%s/hook", fixture->dir);
    snprintf(fixture->cache, sizeof(fixture->cache), "%s/cache", fixture->dir);
    snprintf(fixture->db, sizeof(fixture->db), "%s/db", fixture->dir);
    write_file(fixture, "hook", platform, 0755);
    write_file(fixture, "running", "1.0", 0644);
    begin(fixture);
    WAIT_FOR(&fixture->loop, fixture->target->active >= 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[96];

    end(fixture);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* Puts an image into the cache and slot 1, as a Download() would. */
static void have_image(struct fixture *fixture, const char *content)
{
    struct firmware_release release = {.name = "os.img"};
    struct firmware_image *image;
    char sha256[VERIFY_SHA256_HEX_BYTES];
    char name[128];

    verify_bytes(content, strlen(content), sha256);
    snprintf(name, sizeof(name), "cache/%s", sha256);
    write_file(fixture, name, content, 0600);
    image = cache_add(fixture->firmware->cache, sha256, strlen(content), "https://a/os.img", NULL, NULL,
                      NULL);
    assert_non_null(image);
    slot_set_image(fixture->target, 1, image, &release);
}

static void activate(struct fixture *fixture)
{
    struct firmware_origin origin = {.command = "c"};

    assert_non_null(firmware_activate(fixture->target, 1, NULL, 0, &origin, NULL));
}

/* As when the power comes back: what "activate" chose runs now. */
static void next_life(struct fixture *fixture, bool rebooted)
{
    char next[64];

    end(fixture);
    if (rebooted && has_file(fixture, "next", next, sizeof(next)))
        write_file(fixture, "running", next, 0644);
    begin(fixture);
}

static void test_version(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(fixture->target->slots[0].version, "1.0");
    assert_string_equal(fixture->target->slots[0].name, "os");
    assert_int_equal(fixture->target->slots[0].status, FIRMWARE_ACTIVE);
}

static void test_activation_outlives_the_agent(void **state)
{
    struct fixture *fixture = *state;

    have_image(fixture, "2.0");
    activate(fixture);
    WAIT_FOR(&fixture->loop, fixture->restarts == 1);
    assert_int_equal(fixture->ended, 0);
    assert_true(fixture->progress >= 70);
    assert_false(firmware_gateway_updating(fixture->gateway));
    next_life(fixture, true);
    assert_true(firmware_gateway_updating(fixture->gateway));
    WAIT_FOR(&fixture->loop, fixture->ended == 1);
    assert_int_equal(fixture->state, JOB_DONE);
    assert_int_equal(fixture->target->active, 1);
    assert_string_equal(fixture->target->slots[1].version, "2.0");
    assert_int_equal(fixture->restarts, 1);
}

static void test_comes_back_old(void **state)
{
    struct fixture *fixture = *state;

    have_image(fixture, "2.0");
    activate(fixture);
    WAIT_FOR(&fixture->loop, fixture->restarts == 1);
    next_life(fixture, false);
    WAIT_FOR(&fixture->loop, fixture->ended == 1);
    assert_int_equal(fixture->state, JOB_ROLLED_BACK);
    assert_int_equal(fixture->target->active, 0);
    assert_int_equal(fixture->target->slots[1].status, FIRMWARE_ACTIVATION_FAILED);
}

/* Killed before the machine restarted: it is asked for once more, then the old version is the answer. */
static void test_restart_of_the_machine_is_repeated(void **state)
{
    struct fixture *fixture = *state;

    fixture->machine = true;
    next_life(fixture, false);
    WAIT_FOR(&fixture->loop, !fixture->gateway || fixture->target->active == 0);
    have_image(fixture, "2.0");
    activate(fixture);
    WAIT_FOR(&fixture->loop, fixture->restarts == 1);
    next_life(fixture, false);
    WAIT_FOR(&fixture->loop, fixture->restarts == 2);
    assert_int_equal(fixture->ended, 0);
    next_life(fixture, true);
    WAIT_FOR(&fixture->loop, fixture->ended == 1);
    assert_int_equal(fixture->state, JOB_DONE);
}

static void test_hook_says_no(void **state)
{
    struct fixture *fixture = *state;

    have_image(fixture, "2.0");
    write_file(fixture, "broken", "", 0644);
    activate(fixture);
    WAIT_FOR(&fixture->loop, fixture->ended == 1);
    assert_int_equal(fixture->state, JOB_FAILED);
    assert_non_null(strstr(fixture->fault, "no such bank"));
    assert_int_equal(fixture->restarts, 0);
}

static void test_hook_says_later(void **state)
{
    struct fixture *fixture = *state;

    have_image(fixture, "2.0");
    write_file(fixture, "later", "", 0644);
    activate(fixture);
    WAIT_FOR(&fixture->loop, fixture->target->jobs && fixture->target->jobs->tries == 1);
    assert_int_equal(fixture->target->jobs->state, JOB_WAITING);
    assert_int_equal(fixture->ended, 0);
}

static void test_without_hook(void **state)
{
    struct fixture *fixture = *state;

    fixture->hook[0] = '\0';
    next_life(fixture, false);
    assert_int_equal(fixture->target->active, 0);
    have_image(fixture, "2.0");
    activate(fixture);
    WAIT_FOR(&fixture->loop, fixture->ended == 1);
    assert_non_null(strstr(fixture->fault, "hook_firmware is not configured"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_version),        TEST(test_activation_outlives_the_agent),
        TEST(test_comes_back_old), TEST(test_restart_of_the_machine_is_repeated),
        TEST(test_hook_says_no),   TEST(test_hook_says_later),
        TEST(test_without_hook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
