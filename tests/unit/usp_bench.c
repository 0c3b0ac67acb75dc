/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/usp_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/usp_text.h"
#include "usp/record.h"
#include "usp/request.h"

/* ---- commands ---- */

static struct usp_bench *bench_of(const struct dm *dm)
{
    return (struct usp_bench *)model_of(dm);
}

/* Gives its inputs back; fails when told so. */
static int run_echo(struct dm_call *call, struct error *err)
{
    if (dm_call_input_bool(call, "Fail"))
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "as told");
    return dm_call_output(call, "Text", dm_call_input(call, "Text")) < 0 ||
                   dm_call_output(call, "Number", dm_call_input(call, "Number")) < 0 ||
                   dm_call_output(call, "Key", call->command_key) < 0
               ? error_set(err, ERROR_RESOURCES_EXCEEDED, call->path, "out of memory")
               : 0;
}

static int run_slow(struct dm_call *call, struct error *err)
{
    struct usp_bench *bench = bench_of(call->dm);

    (void)err;
    bench->slow = call;
    bench->slow_running++;
    return 0;
}

static int cancel_slow(struct dm_call *call, struct error *err)
{
    struct usp_bench *bench = bench_of(call->dm);
    struct error reason;

    if (bench->refuse_cancel)
        return error_set(err, ERROR_COMMAND_FAILURE, call->path, "too late");
    error_set(&reason, ERROR_COMMAND_CANCELLED, call->path, "cancelled");
    bench->slow_running--;
    dm_call_complete(call, &reason);
    return 0;
}

static void forget_slow(struct dm_call *call)
{
    bench_of(call->dm)->slow_running--;
}

static int run_quick(struct dm_call *call, struct error *err)
{
    (void)err;
    dm_call_output(call, "Done", "yes");
    dm_call_complete(call, NULL);
    return 0;
}

static int run_refuse(struct dm_call *call, struct error *err)
{
    return error_set(err, ERROR_COMMAND_FAILURE, call->path, "not now");
}

static const struct dm_arg echo_inputs[] = {
    {.name = "Text", .type = DM_STRING, .required = true, .max = 8},
    {.name = "Number", .type = DM_UNSIGNED_INT, .default_value = "42"},
    {.name = "Fail", .type = DM_BOOLEAN},
    {.name = "Window.{i}.Start", .type = DM_UNSIGNED_INT},
    {.name = NULL},
};
static const struct dm_arg echo_outputs[] = {
    {.name = "Text"}, {.name = "Number"}, {.name = "Key"}, {.name = NULL}};
static const struct dm_command commands[] = {
    {.name = "Echo()", .inputs = echo_inputs, .outputs = echo_outputs, .run = run_echo},
    {.name = "Slow()", .async = true, .run = run_slow, .cancel = cancel_slow, .forget = forget_slow},
    {.name = "Quick()", .async = true, .run = run_quick},
    {.name = "Refuse()", .async = true, .run = run_refuse},
    {.name = NULL},
};
static const struct dm_arg boot_args[] = {{.name = "CommandKey"}, {.name = "Cause"}, {.name = NULL}};
static const struct dm_event_type events[] = {{.name = "Boot!", .args = boot_args}, {.name = NULL}};
static const struct dm_object device = {.commands = commands, .events = events};

struct info {
    char *oui, *class, *serial;
};
static const struct dm_param info_params[] = {
    {.name = "ManufacturerOUI",
     .type = DM_STRING,
     .default_value = "012345",
     .offset = DM_OFFSET(struct info, oui)},
    {.name = "ProductClass",
     .type = DM_STRING,
     .default_value = "Gateway",
     .offset = DM_OFFSET(struct info, class)},
    {.name = "SerialNumber",
     .type = DM_STRING,
     .default_value = "S1",
     .offset = DM_OFFSET(struct info, serial)},
    DM_END_PARAMS,
};
static const struct dm_object info = {.data_size = sizeof(struct info), .params = info_params};

static const struct dm_mount mounts[] = {
    {"Device.", &device},
    {"Device.DeviceInfo.", &info},
    {"Device.LocalAgent.", &model_local_agent},
    {"Device.LocalAgent.Controller.{i}.", &model_controller},
    {"Device.LocalAgent.Controller.{i}.E2ESession.", &model_e2e_session},
    {"Device.LocalAgent.Controller.{i}.BootParameter.{i}.", &model_boot_parameter},
    {"Device.LocalAgent.Subscription.{i}.", &model_subscription},
    {"Device.LocalAgent.Request.{i}.", &model_request},
    {"Device.LocalAgent.ControllerTrust.", &model_controller_trust},
    {"Device.LocalAgent.Certificate.{i}.", &model_certificate},
    {"Device.LocalAgent.ControllerTrust.Credential.{i}.", &model_credential},
    {"Device.LocalAgent.ControllerTrust.Challenge.{i}.", &model_challenge},
    {"Device.LocalAgent.ControllerTrust.Role.{i}.", &model_role},
    {"Device.LocalAgent.ControllerTrust.Role.{i}.Permission.{i}.", &model_permission},
    {"Device.Box.", &small_box},
    {"Device.Thing.{i}.", &small_thing},
    {"Device.Thing.{i}.Inside.", &small_inside},
    {"Device.Thing.{i}.Part.{i}.", &small_part},
};

/* ---- channels ---- */

static int send_record(struct usp_channel *channel, const char *topic, struct buf *record, struct error *err)
{
    struct usp_bench *bench = channel->ctx;
    struct bench_channel *own = (struct bench_channel *)channel;

    if (own->fails)
        return error_set(err, ERROR_INTERNAL, NULL, "as told");
    bench->sent_count++;
    if (bench->sent.len)
        buf_append_str(&bench->sent, "\n");
    if (topic)
        buf_printf(&bench->sent, "@%s ", topic);
    usp_text_record(&bench->sent, (struct str){(char *)buf_data(record), record->len},
                    usp_endpoint_id(bench->usp));
    buf_clear(&bench->last, 0);
    buf_append(&bench->last, buf_data(record), record->len);
    buf_done(record);
    return 0;
}

static int route(void *ctx, struct controller *controller, struct usp_route *ret)
{
    struct usp_bench *bench = ctx;

    for (unsigned i = 0; i < BENCH_CHANNELS; i++) {
        struct bench_channel *channel = &bench->channels[i];

        if (!channel->up || strcmp(channel->peer, controller->endpoint_id) != 0)
            continue;
        *ret = (struct usp_route){.channel = &channel->channel, .topic = channel->topic};
        return 0;
    }
    return -1;
}

static const struct usp_channel_ops channel_ops = {.send = send_record};

static const char *remember(void *ctx, struct usp_channel *channel)
{
    struct usp_bench *bench = ctx;

    return bench->remember ? bench->remember(ctx, channel) : NULL;
}

static struct usp_channel *numbered(void *ctx, uint64_t number)
{
    struct usp_bench *bench = ctx;

    for (unsigned i = 0; i < BENCH_CHANNELS; i++)
        if (bench->channels[i].channel.number == number)
            return &bench->channels[i].channel;
    return NULL;
}

static const struct usp_ops ops = {.route = route, .numbered = numbered, .remember = remember};

/* ---- life ---- */

void usp_bench_open(struct usp_bench *bench, const char *store)
{
    static const char *const peers[BENCH_CHANNELS] = {"self::one", "self::two", "self::none",
                                                      "self::stranger"};

    *bench = (struct usp_bench){.limits = limits_default};
    small_log = bench->log;
    assert_int_equal(loop_init(&bench->loop, NULL), 0);
    bench->loop.limits = &bench->limits;
    clock_fake(&bench->loop.clock, SMALL_TIME);
    bench->store = store_open(store, &bench->loop, NULL);
    assert_non_null(bench->store);
    bench->dm = dm_new(mounts, sizeof(mounts) / sizeof(mounts[0]), &bench->loop, bench->store, NULL);
    assert_non_null(bench->dm);
    bench->usp = usp_new(bench->dm, &ops, bench, NULL);
    assert_non_null(bench->usp);
    bench->model = (struct model){.dm = bench->dm, .usp = bench->usp};
    dm_set_ctx(bench->dm, &bench->model);
    assert_int_equal(usp_set_endpoint_id(bench->usp, "self::agent"), 0);
    for (unsigned i = 0; i < BENCH_CHANNELS; i++) {
        struct bench_channel *channel = &bench->channels[i];

        str_copy(channel->peer, sizeof(channel->peer), peers[i]);
        channel->channel = (struct usp_channel){.ops = &channel_ops, .ctx = bench, .peer = channel->peer};
        channel->up = true;
    }
    buf_init(&bench->sent, 16 << 20, 0);
    buf_init(&bench->last, 16 << 20, 0);
    /* Room beforehand, as much as buf_clear() keeps: tests of running out of memory mean the agent's. */
    buf_room(&bench->sent, 60000);
    buf_room(&bench->last, 60000);
}

static void add_controller(struct usp_bench *bench, const char *endpoint, const char *role)
{
    struct dm_node *node = dm_node_find(bench->dm, "Device.LocalAgent.Controller.");
    struct dm_row *agent = dm_row_find(bench->dm, STR("Device.LocalAgent."));
    struct dm_row *row = dm_add(bench->dm, agent, node, 0, NULL);

    assert_non_null(row);
    assert_int_equal(dm_set(bench->dm, row, dm_node_param(node, "EndpointID"), str_of(endpoint), NULL), 0);
    assert_int_equal(dm_set(bench->dm, row, dm_node_param(node, "Enable"), STR("true"), NULL), 0);
    assert_int_equal(dm_set(bench->dm, row, dm_node_param(node, "AssignedRole"), str_of(role), NULL), 0);
    assert_int_equal(dm_add_done(bench->dm, row, NULL), 0);
}

void usp_bench_populate(struct usp_bench *bench)
{
    assert_int_equal(model_default_roles(&bench->model, NULL), 0);
    dm_begin(bench->dm, NULL);
    add_controller(bench, "self::one", "Device.LocalAgent.ControllerTrust.Role.1");
    add_controller(bench, "self::two", "Device.LocalAgent.ControllerTrust.Role.1");
    add_controller(bench, "self::none", "");
    assert_int_equal(dm_commit(bench->dm, NULL), 0);
    assert_int_equal(dm_flush(bench->dm, NULL), 0);
}

void usp_bench_start(struct usp_bench *bench)
{
    static const struct usp_boot boot = {.cause = "LocalReboot", .command_key = "", .reason = "test"};

    assert_int_equal(usp_start(bench->usp, &boot, NULL), 0);
}

void usp_bench_init(struct usp_bench *bench, const char *store)
{
    usp_bench_open(bench, store);
    usp_bench_populate(bench);
    usp_bench_start(bench);
    bench->log[0] = '\0';
}

void usp_bench_done(struct usp_bench *bench)
{
    dm_flush(bench->dm, NULL);
    usp_stop(bench->usp);
    dm_free(bench->dm);
    usp_free(bench->usp);
    store_close(bench->store);
    loop_done(&bench->loop);
    buf_done(&bench->sent);
    buf_done(&bench->last);
    small_log = NULL;
}

void bench_turn(struct usp_bench *bench)
{
    loop_run_deferred(&bench->loop);
}

void bench_advance(struct usp_bench *bench, uint64_t ms)
{
    while (ms) {
        uint64_t next = timers_next(&bench->loop.timers);
        uint64_t step = next < ms ? next : ms;

        clock_fake_advance(&bench->loop.clock, step);
        ms -= step;
        timers_run(&bench->loop.timers);
        bench_turn(bench);
    }
}

const char *bench_sent(struct usp_bench *bench)
{
    static char text[1 << 20];

    str_copy(text, sizeof(text), bench->sent.len ? buf_cstr(&bench->sent) : "");
    buf_clear(&bench->sent, 0);
    bench->sent_count = 0;
    return text;
}

/* ---- asking ---- */

enum usp_verdict bench_give(struct usp_bench *bench, struct buf *message)
{
    struct bench_channel *channel = &bench->channels[bench->as];
    enum usp_verdict verdict;

    assert_false(message->failed);
    usp_record_wrap(message, STR("self::agent"), str_of(channel->peer));
    verdict = usp_receive(bench->usp, &channel->channel, NULL,
                          (struct str){(char *)buf_data(message), message->len}, NULL);
    buf_done(message);
    return verdict;
}

const char *bench_ask(struct usp_bench *bench, struct buf *message)
{
    bench_give(bench, message);
    bench_turn(bench);
    return bench_sent(bench);
}

static struct buf message_new(void)
{
    struct buf buf;

    buf_init(&buf, LIMIT_RECORD_BYTES, USP_HEADROOM);
    return buf;
}

static size_t split(const char *text, struct str *to, size_t max)
{
    struct str rest = str_of(text);
    size_t count = 0;

    while (rest.len && count < max && str_next(&rest, ' ', &to[count]))
        count++;
    return count;
}

const char *bench_get(struct usp_bench *bench, unsigned depth, const char *paths)
{
    struct buf message = message_new();
    struct str list[16];

    usp_client_get(&message, STR("m1"), list, split(paths, list, 16), depth);
    return bench_ask(bench, &message);
}

const char *bench_instances(struct usp_bench *bench, bool first_level, const char *paths)
{
    struct buf message = message_new();
    struct str list[16];

    usp_client_get_instances(&message, STR("m1"), list, split(paths, list, 16), first_level);
    return bench_ask(bench, &message);
}

const char *bench_supported(struct usp_bench *bench, unsigned flags, const char *paths)
{
    struct buf message = message_new();
    struct str list[16];

    usp_client_get_supported_dm(&message, STR("m1"), list, split(paths, list, 16), flags);
    return bench_ask(bench, &message);
}

const char *bench_delete(struct usp_bench *bench, bool partial, const char *paths)
{
    struct buf message = message_new();
    struct str list[16];

    usp_client_delete(&message, STR("m1"), list, split(paths, list, 16), partial);
    return bench_ask(bench, &message);
}

struct objects {
    char text[4096];
    struct usp_client_object objects[16];
    struct usp_client_pair pairs[64];
    size_t count;
};

/* "Name=a", "Name!=a": %20 becomes a blank, in place. */
static struct usp_client_pair parse_pair(char *text)
{
    struct usp_client_pair pair = {0};
    char *equals = strstr(text, "=");
    char *to;

    assert_non_null(equals);
    pair.required = equals > text && equals[-1] == '!';
    pair.name = (struct str){text, (size_t)(equals - text) - pair.required};
    to = ++equals;
    pair.value.data = equals;
    for (const char *from = equals; *from; from++) {
        bool escaped = strncmp(from, "%20", 3) == 0;

        *to++ = escaped ? ' ' : *from;
        from += escaped ? 2 : 0;
    }
    pair.value.len = (size_t)(to - equals);
    return pair;
}

static void parse_objects(const char *text, struct objects *ret)
{
    size_t pairs = 0;
    char *rest;

    ret->count = 0;
    str_copy(ret->text, sizeof(ret->text), text);
    for (char *word = strtok_r(ret->text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        size_t len = strlen(word);

        if (word[len - 1] == ':' || !ret->count) {
            ret->objects[ret->count++] = (struct usp_client_object){
                {word, len - (word[len - 1] == ':')}, &ret->pairs[pairs], 0};
            continue;
        }
        ret->pairs[pairs++] = parse_pair(word);
        ret->objects[ret->count - 1].count++;
    }
}

const char *bench_set(struct usp_bench *bench, bool partial, const char *text)
{
    struct buf message = message_new();
    struct objects objects;

    parse_objects(text, &objects);
    usp_client_set(&message, STR("m1"), objects.objects, objects.count, partial);
    return bench_ask(bench, &message);
}

const char *bench_add(struct usp_bench *bench, bool partial, const char *text)
{
    struct buf message = message_new();
    struct objects objects;

    parse_objects(text, &objects);
    usp_client_add(&message, STR("m1"), objects.objects, objects.count, partial);
    return bench_ask(bench, &message);
}

const char *bench_operate(struct usp_bench *bench, const char *command, const char *key, const char *args,
                          bool respond)
{
    struct buf message = message_new();
    struct objects objects;
    char text[1024];
    struct usp_client_command operate = {.path = str_of(command), .key = str_of(key), .send_resp = respond};

    snprintf(text, sizeof(text), "x: %s", args);
    parse_objects(text, &objects);
    operate.args = objects.pairs;
    operate.count = objects.objects[0].count;
    usp_client_operate(&message, STR("m1"), &operate);
    return bench_ask(bench, &message);
}

void bench_acknowledge(struct usp_bench *bench)
{
    struct buf message = message_new();
    struct usp_client_message parsed;
    struct usp_record record;

    assert_int_equal(
        usp_record_parse((struct str){(char *)buf_data(&bench->last), bench->last.len}, &record, NULL), 0);
    assert_int_equal(usp_client_parse(record.payload, &parsed, NULL), 0);
    usp_client_notify_response(&message, parsed.msg_id, STR("ignored"));
    for (unsigned i = 0; i < BENCH_CHANNELS; i++)
        if (str_is(record.to_id, bench->channels[i].peer))
            bench->as = i;
    bench_ask(bench, &message);
}

void bench_expect_at(const char *got, const char *expected, const char *file, int line)
{
    if (strcmp(got, expected) == 0)
        return;
    print_error("got      \"%s\"\nexpected \"%s\"\n", got, expected);
    _fail(file, line);
}
