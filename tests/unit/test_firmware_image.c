/* SPDX-License-Identifier: BSD-3-Clause */
/* FirmwareImage.{i}. over the bench of fake_update.h: parameters, commands, the feed. No USP: calls are the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datamodel/device/firmware_image.h"
#include "tests/unit/fake_update.h"
#include "usp/request.h"

#define URL "https://images.example/plus1-1.4.4.bin"

static const struct dm_object plain = {.params = NULL};
static const struct dm_object table = {.flags = DM_TABLE};
static const struct dm_arg transfer_args[] = {{.name = "Affected"}, {.name = NULL}};
static const struct dm_event_type agent_events[] = {{.name = "TransferComplete!", .args = transfer_args},
                                                    {.name = NULL}};
static const struct dm_object local_agent = {.events = agent_events};
static const struct dm_param info_params[] = {
    {.name = "ActiveFirmwareImage", .type = DM_STRING, .get = model_gateway_active_image},
    {.name = "MaxNumberOfActivateTimeWindows", .type = DM_UNSIGNED_INT, .get = model_activate_windows},
    DM_END_PARAMS,
};
static const struct dm_object gateway_info = {.params = info_params};
static const struct dm_mount mounts[] = {
    {"Device.", &plain},
    {"Device.DeviceInfo.", &gateway_info},
    {"Device.DeviceInfo.FirmwareImage.{i}.", &model_firmware_image},
    {"Device.LocalAgent.", &local_agent},
    {"Device.ProxiedDevice.{i}.", &table},
    {"Device.ProxiedDevice.{i}.DeviceInfo.", &plain},
    {"Device.ProxiedDevice.{i}.DeviceInfo.FirmwareImage.{i}.", &model_firmware_image},
};

struct fixture {
    struct bench bench;
    struct model model;
    struct observer observer;
    char feed[4096]; /* "FirmwareImage.2.Status=Downloading; " */
    char transfer[1024];
    struct dm_call *calls[4];
    unsigned completed;
    uint32_t code;
    char message[256];
    unsigned resumed;
};

static struct fixture *current; /* for usp_request_resume(), which the model calls */

static const struct dm_command *command_named(const char *name)
{
    const struct dm_command *command = model_firmware_image.commands;

    while (strcmp(command->name, name) != 0)
        command++;
    return command;
}

static void on_complete(struct dm_call *call, const struct error *err)
{
    struct fixture *fixture = call->ctx;

    fixture->completed++;
    fixture->code = err ? err->code : 0;
    str_copy(fixture->message, sizeof(fixture->message), err ? err->message : "");
    for (size_t i = 0; i < 4; i++)
        if (fixture->calls[i] == call)
            fixture->calls[i] = NULL;
    arena_done(&call->arena);
    free(call);
}

static struct dm_call *call_new(struct fixture *fixture, struct dm_row *row, const char *name)
{
    struct dm_call *call = calloc(1, sizeof(*call));
    char path[DM_PATH_BYTES + 32];
    size_t at = 0;

    dm_row_path(row, path);
    strcat(path, name);
    call->dm = fixture->model.dm;
    call->row = row;
    call->command = command_named(name);
    arena_init(&call->arena, 0);
    call->originator = "self::ctl";
    call->command_key = "key";
    call->path = arena_strdup(&call->arena, path);
    call->request = 7;
    call->complete = on_complete;
    call->ctx = fixture;
    while (fixture->calls[at])
        at++;
    fixture->calls[at] = call;
    return call;
}

struct dm_call *usp_request_resume(struct usp *usp, uint32_t instance)
{
    (void)usp;
    if (instance != 7)
        return NULL; /* the bench's own commands */
    current->resumed++;
    return call_new(current,
                    dm_row_find(current->model.dm, STR("Device.ProxiedDevice.1.DeviceInfo.FirmwareImage.2")),
                    "Download()");
}

static void on_feed(void *ctx, const void *data)
{
    const struct dm_feed *feed = data;
    struct fixture *fixture = ctx;
    size_t len = strlen(fixture->feed);
    char scratch[DM_SCRATCH_BYTES];
    struct str value;

    if (feed->type == DM_FEED_VALUE) {
        value = dm_get_text(feed->row, feed->member, scratch);
        snprintf(fixture->feed + len, sizeof(fixture->feed) - len, "%u.%s=%.*s; ", feed->row->instance,
                 feed->row->node->object->params[feed->member].name, (int)value.len, value.data);
    } else if (feed->type == DM_FEED_EVENT) {
        fixture->transfer[0] = '\0';
        for (size_t i = 0; i < feed->args_count; i++) {
            len = strlen(fixture->transfer);
            snprintf(fixture->transfer + len, sizeof(fixture->transfer) - len, "%s=%s; ", feed->args[i].name,
                     feed->args[i].value);
        }
    }
}

static void start_model(struct fixture *fixture)
{
    struct bench *bench = &fixture->bench;
    struct model *model = &fixture->model;
    struct dm_node *proxied;
    struct dm_row *row;

    model->dm = dm_new(mounts, sizeof(mounts) / sizeof(mounts[0]), &bench->loop, bench->store, NULL);
    assert_non_null(model->dm);
    dm_set_ctx(model->dm, model);
    model->usp = (struct usp *)fixture; /* opaque here */
    model->firmware = bench->firmware;
    assert_int_equal(model_firmware_start(model, NULL), 0);
    proxied = dm_node_find(model->dm, "Device.ProxiedDevice.{i}.");
    row = dm_attach(model->dm, dm_root(model->dm), proxied, 1, NULL);
    row = dm_row_child(row, dm_node_child(proxied, STR("DeviceInfo")));
    assert_int_equal(model_firmware_attach(model, row, &bench->devices[0].target), 0);
    fixture->observer = (struct observer){.fn = on_feed, .ctx = fixture};
    observer_add(dm_observers(model->dm), &fixture->observer);
}

static void stop_model(struct fixture *fixture)
{
    for (size_t i = 0; i < 4; i++) {
        struct dm_call *call = fixture->calls[i];

        if (!call)
            continue;
        call->command->forget(call);
        arena_done(&call->arena);
        free(call);
        fixture->calls[i] = NULL;
    }
    model_firmware_stop(&fixture->model);
    dm_free(fixture->model.dm);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    bench_init(&fixture->bench, 1);
    bench_serve(&fixture->bench, URL, "an image", "1.4.4");
    start_model(fixture);
    current = fixture;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    stop_model(fixture);
    bench_done(&fixture->bench);
    free(fixture);
    return 0;
}

static struct dm_row *image_row(struct fixture *fixture, unsigned instance)
{
    char path[96];
    struct dm_row *row;

    snprintf(path, sizeof(path), "Device.ProxiedDevice.1.DeviceInfo.FirmwareImage.%u", instance);
    row = dm_row_find(fixture->model.dm, str_of(path));
    assert_non_null(row);
    return row;
}

static void check_value(struct fixture *fixture, unsigned instance, const char *param, const char *expected)
{
    struct dm_row *row = image_row(fixture, instance);
    char scratch[DM_SCRATCH_BYTES];
    struct str value = dm_get_text(row, dm_node_param(row->node, param), scratch);

    if (!str_is(value, expected))
        fail_msg("%s of %u is \"%.*s\" and not \"%s\"", param, instance, (int)value.len, value.data,
                 expected);
}

/* inputs: name, value, ..., NULL. */
static int run(struct fixture *fixture, unsigned instance, const char *name, ...)
{
    struct dm_call *call = call_new(fixture, image_row(fixture, instance), name);
    struct error err = {.code = 0};
    const char *input;
    va_list ap;
    int result;

    call->inputs = arena_calloc(&call->arena, 32, sizeof(*call->inputs));
    va_start(ap, name);
    while ((input = va_arg(ap, const char *))) {
        call->inputs[call->inputs_count].name = input;
        call->inputs[call->inputs_count++].value = va_arg(ap, const char *);
    }
    va_end(ap);
    result = call->command->run(call, &err);
    if (result < 0) {
        print_message("refused: %s %s\n", err.path, err.message);
        on_complete(call, &err);
    }
    return result;
}

static void test_values(void **state)
{
    struct fixture *fixture = *state;

    check_value(fixture, 1, "Status", "Active");
    check_value(fixture, 1, "Version", "1.0.0");
    check_value(fixture, 1, "Available", "true");
    check_value(fixture, 1, "Alias", "cpe-1");
    check_value(fixture, 2, "Status", "NoImage");
    check_value(fixture, 2, "Available", "false");
    check_value(fixture, 3, "Name", "");
}

static void test_download_is_told(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run(fixture, 2, "Download()", "URL", URL, "AutoActivate", "false", NULL), 0);
    bench_finish(&fixture->bench);
    assert_string_equal(fixture->feed, "2.Status=Downloading; 2.Status=Validating; 2.Status=Available; "
                                       "2.Available=true; 2.Name=plus1-1.4.4.bin; 2.Version=1.4.4; ");
    assert_int_equal(fixture->completed, 1);
    assert_int_equal(fixture->code, 0);
    assert_non_null(
        strstr(fixture->transfer, "Affected=Device.ProxiedDevice.1.DeviceInfo.FirmwareImage.2.; "));
    assert_non_null(
        strstr(fixture->transfer,
               "Command=Device.ProxiedDevice.1.DeviceInfo.FirmwareImage.2.Download(); CommandKey=key; "
               "Requestor=self::ctl; TransferType=Download; "));
    assert_non_null(strstr(fixture->transfer, "TransferURL=" URL "; StartTime=2026-01-01T"));
    assert_non_null(
        strstr(fixture->transfer, "FaultCode=0; FaultString=; CheckSumAlgorithm=SHA-256; CheckSum="));
}

static void test_failed_download_is_told(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run(fixture, 2, "Download()", "URL", URL, "AutoActivate", "0", "CheckSumAlgorithm",
                         "SHA-1", "CheckSum", "0000000000000000000000000000000000000000", NULL),
                     0);
    bench_finish(&fixture->bench);
    check_value(fixture, 2, "Status", "ValidationFailed");
    assert_int_equal(fixture->code, ERROR_COMMAND_FAILURE);
    assert_non_null(strstr(fixture->message, URL));
    assert_non_null(strstr(fixture->transfer, "FaultCode=7022; FaultString=" URL));
    assert_null(strstr(fixture->transfer, "CheckSum="));
}

static void test_activate(void **state)
{
    struct fixture *fixture = *state;

    bench_have(&fixture->bench, 0, 1, URL);
    fixture->feed[0] = fixture->transfer[0] = '\0';
    assert_int_equal(run(fixture, 2, "Activate()", "TimeWindow.5.Mode", "AnyTime", "TimeWindow.5.Start",
                         "100", "TimeWindow.5.End", "500", "TimeWindow.5.MaxRetries", "2",
                         "TimeWindow.2.Start", "0", "TimeWindow.2.End", "50", "TimeWindow.2.Mode",
                         "ConfirmationNeeded", "TimeWindow.2.UserMessage", "Now?", "Something", "else", NULL),
                     0);
    assert_int_equal(fixture->bench.firmware->jobs->windows[0].mode, MODE_CONFIRMATION_NEEDED);
    assert_string_equal(fixture->bench.firmware->jobs->windows[0].user_message, "Now?");
    assert_int_equal(fixture->bench.firmware->jobs->windows[1].start_s, 100);
    assert_int_equal(fixture->bench.firmware->jobs->windows[1].max_retries, 2);
    bench_finish(&fixture->bench);
    assert_int_equal(fixture->completed, 1);
    assert_int_equal(fixture->code, 0);
    assert_string_equal(fixture->transfer, "");
    assert_string_equal(fixture->feed, "1.Status=NoImage; 1.Available=false; 1.Version=; 2.Status=Active; ");
}

static void test_arguments_that_are_refused(void **state)
{
    struct fixture *fixture = *state;

    bench_have(&fixture->bench, 0, 1, URL);
    assert_int_equal(
        run(fixture, 2, "Activate()", "TimeWindow.1.Start", "0", "TimeWindow.1.Mode", "AnyTime", NULL), -1);
    assert_int_equal(fixture->code, ERROR_INVALID_COMMAND_ARGUMENTS);
    assert_non_null(strstr(fixture->message, "no End"));
    assert_int_equal(run(fixture, 2, "Activate()", "TimeWindow.1.Start", "x", NULL), -1);
    assert_int_equal(fixture->code, ERROR_INVALID_COMMAND_ARGUMENTS);
    assert_int_equal(run(fixture, 2, "Activate()", "TimeWindow.1.Mode", "Whenever", NULL), -1);
    assert_int_equal(run(fixture, 2, "Activate()", "TimeWindow.1.MaxRetries", "11", NULL), -1);
    assert_int_equal(run(fixture, 2, "Activate()", "TimeWindow.1.Start", "0", "TimeWindow.2.Start", "0",
                         "TimeWindow.3.Start", "0", "TimeWindow.4.Start", "0", "TimeWindow.5.Start", "0",
                         "TimeWindow.6.Start", "0", NULL),
                     -1);
    assert_non_null(strstr(fixture->message, "at most 5"));
    assert_int_equal(run(fixture, 1, "Download()", "URL", URL, "AutoActivate", "true", NULL), -1);
    assert_int_equal(fixture->code, ERROR_COMMAND_FAILURE);
    assert_null(fixture->bench.firmware->jobs);
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct dm_call *call;

    assert_int_equal(run(fixture, 2, "Download()", "URL", URL, "AutoActivate", "false", NULL), 0);
    bench_run(&fixture->bench, 2);
    call = fixture->calls[0];
    assert_int_equal(call->command->cancel(call, NULL), 0);
    assert_int_equal(fixture->completed, 1);
    assert_int_equal(fixture->code, ERROR_COMMAND_CANCELLED);
    bench_settle(&fixture->bench);
    check_value(fixture, 2, "Status", "NoImage");
}

static void test_resumed_job_has_its_request_again(void **state)
{
    struct fixture *fixture = *state;
    struct firmware_target *target = &fixture->bench.devices[0].target;

    assert_int_equal(run(fixture, 2, "Download()", "URL", URL, "AutoActivate", "false", NULL), 0);
    bench_run(&fixture->bench, 2);
    stop_model(fixture);
    firmware_target_detach(target);
    start_model(fixture);
    target->active = -1;
    assert_int_equal(firmware_target_add(fixture->bench.firmware, target, NULL), 0);
    assert_int_equal(fixture->resumed, 1);
    bench_finish(&fixture->bench);
    assert_int_equal(fixture->resumed, 1);
    assert_int_equal(fixture->completed, 1);
    assert_int_equal(fixture->code, 0);
}

static int set(struct fixture *fixture, unsigned instance, const char *param, const char *value,
               struct error *err)
{
    struct dm *dm = fixture->model.dm;
    struct dm_row *row = image_row(fixture, instance);

    dm_begin(dm, NULL);
    if (dm_set(dm, row, dm_node_param(row->node, param), str_of(value), err) < 0 ||
        dm_set_done(dm, row, err) < 0) {
        dm_rollback(dm);
        return -1;
    }
    return dm_commit(dm, err);
}

static void test_available(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    assert_int_equal(set(fixture, 1, "Available", "false", &err), -1);
    assert_non_null(strstr(err.message, "Active"));
    assert_int_equal(set(fixture, 2, "Available", "true", &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_VALUE);
    bench_have(&fixture->bench, 0, 1, URL);
    assert_int_equal(set(fixture, 2, "Alias", "bank", &err), 0);
    bench_settle(&fixture->bench);
    fixture->feed[0] = '\0';
    assert_int_equal(set(fixture, 2, "Available", "false", &err), 0);
    bench_settle(&fixture->bench);
    dm_flush(fixture->model.dm, NULL);
    bench_settle(&fixture->bench);
    check_value(fixture, 2, "Status", "NoImage");
    check_value(fixture, 2, "Alias", "bank");
    assert_non_null(strstr(fixture->feed, "2.Available=false; "));
    assert_null(strstr(strstr(fixture->feed, "2.Available") + 1, "2.Available"));
    stop_model(fixture);
    bench_restart(&fixture->bench);
    start_model(fixture);
    check_value(fixture, 2, "Status", "NoImage");
    check_value(fixture, 2, "Alias", "bank");
}

static void test_gateway_getters(void **state)
{
    struct fixture *fixture = *state;
    struct dm_row *info = dm_row_find(fixture->model.dm, STR("Device.DeviceInfo."));
    struct firmware_target target = {.active = 1, .slots = {[1] = {.status = FIRMWARE_ACTIVE}}};
    char scratch[DM_SCRATCH_BYTES];

    assert_true(str_is(dm_get_text(info, 0, scratch), ""));
    assert_int_equal(model_firmware_attach(&fixture->model, info, &target), 0);
    assert_true(str_is(dm_get_text(info, 0, scratch), "Device.DeviceInfo.FirmwareImage.2"));
    assert_true(str_is(dm_get_text(info, 1, scratch), "5"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values),
        TEST(test_download_is_told),
        TEST(test_failed_download_is_told),
        TEST(test_activate),
        TEST(test_arguments_that_are_refused),
        TEST(test_cancel),
        TEST(test_resumed_job_has_its_request_again),
        TEST(test_available),
        TEST(test_gateway_getters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
