/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/uspdev_answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/record.h"

/* ---- saying ---- */

void uspdev_says(struct uspdev_bench *bench, const void *data, size_t len)
{
    struct mqtt_message message = {.topic = LAMP_SAYS, .payload = data, .len = len};

    if (bench->over_mqtt)
        uspdev_dialect.mqtt_message(bench->home.ctx, &message);
    else
        uspdev_dialect.message(bench->home.ctx, &bench->session, true, data, len);
}

void uspdev_say(struct uspdev_bench *bench, struct buf *content, struct str msg_id, unsigned type,
                unsigned body, unsigned kind)
{
    struct buf header;

    buf_room(content, 0);
    if (kind)
        pb_wrap(content, kind);
    pb_wrap(content, body);
    pb_wrap(content, USP_MSG_BODY);
    buf_init(&header, 256, 32);
    pb_write_text(&header, USP_HEADER_MSG_ID, msg_id);
    pb_write_uint(&header, USP_HEADER_MSG_TYPE, type);
    pb_wrap(&header, USP_MSG_HEADER);
    if (header.failed)
        content->failed = true;
    else
        buf_prepend(content, buf_data(&header), header.len);
    buf_done(&header);
    usp_record_wrap(content, STR(GATEWAY), str_of(bench->eid));
    if (!content->failed)
        uspdev_says(bench, buf_data(content), content->len);
    buf_done(content);
}

void uspdev_begin(struct buf *buf)
{
    buf_init(buf, 1 << 16, USP_HEADROOM);
}

void uspdev_connects(struct uspdev_bench *bench)
{
    struct buf record;

    uspdev_begin(&record);
    if (bench->over_mqtt)
        usp_record_mqtt_connect(&record, STR(GATEWAY), str_of(bench->eid), true, STR(LAMP_TOPIC));
    else
        usp_record_websocket_connect(&record, STR(GATEWAY), str_of(bench->eid));
    if (!record.failed)
        uspdev_says(bench, buf_data(&record), record.len);
    buf_done(&record);
}

void uspdev_disconnects(struct uspdev_bench *bench)
{
    struct buf record;

    uspdev_begin(&record);
    usp_record_disconnect(&record, STR(GATEWAY), str_of(bench->eid), 0, STR("bye"));
    if (!record.failed)
        uspdev_says(bench, buf_data(&record), record.len);
    buf_done(&record);
}

void uspdev_opens(struct uspdev_bench *bench, struct lan_session *session, const char *address,
                  const char *name, X509 *certificate)
{
    *session = (struct lan_session){.address = address,
                                    .path = "/usp",
                                    .name = name,
                                    .certificate = certificate,
                                    .certified = certificate != NULL,
                                    .new_devices = &bench->address};
    if (uspdev_dialect.opened(bench->home.ctx, session) < 0)
        session->peer = NULL;
}

void uspdev_closes(struct uspdev_bench *bench, struct lan_session *session)
{
    uspdev_dialect.closed(bench->home.ctx, session);
}

/* ---- notifications ---- */

static void notify(struct uspdev_bench *bench, struct buf *buf, unsigned kind)
{
    pb_wrap(buf, kind);
    pb_write_text(buf, USP_NOTIFY_SUBSCRIPTION_ID, STR("s"));
    pb_write_uint(buf, USP_NOTIFY_SEND_RESP, 1);
    uspdev_say(bench, buf, STR("n1"), USP_HEADER_MSG_TYPE_NOTIFY, USP_BODY_REQUEST, USP_REQUEST_NOTIFY);
}

void uspdev_notify(struct uspdev_bench *bench, const void *data, size_t len)
{
    struct buf buf;

    uspdev_begin(&buf);
    buf_append(&buf, data, len);
    uspdev_say(bench, &buf, STR("n1"), USP_HEADER_MSG_TYPE_NOTIFY, USP_BODY_REQUEST, USP_REQUEST_NOTIFY);
}

void uspdev_event(struct uspdev_bench *bench, const char *object, const char *event, const char *const *args)
{
    struct buf buf;

    uspdev_begin(&buf);
    pb_write_text(&buf, USP_NOTIFY_EVENT_OBJ_PATH, str_of(object));
    pb_write_text(&buf, USP_NOTIFY_EVENT_EVENT_NAME, str_of(event));
    for (; args && args[0]; args += 2)
        pb_write_entry(&buf, USP_NOTIFY_EVENT_PARAMS, str_of(args[0]), str_of(args[1]));
    notify(bench, &buf, USP_NOTIFY_EVENT);
}

void uspdev_complete(struct uspdev_bench *bench, const char *command, const char *key, uint32_t code)
{
    struct buf buf;
    size_t mark;

    uspdev_begin(&buf);
    pb_write_text(&buf, USP_NOTIFY_OPERATION_COMPLETE_OBJ_PATH, STR("Device.DeviceInfo.FirmwareImage.2."));
    pb_write_text(&buf, USP_NOTIFY_OPERATION_COMPLETE_COMMAND_NAME, str_of(command));
    pb_write_text(&buf, USP_NOTIFY_OPERATION_COMPLETE_COMMAND_KEY, str_of(key));
    mark = pb_begin(&buf, code ? USP_NOTIFY_OPERATION_COMPLETE_CMD_FAILURE
                               : USP_NOTIFY_OPERATION_COMPLETE_REQ_OUTPUT_ARGS);
    if (code) {
        pb_write_fixed32(&buf, USP_NOTIFY_COMMAND_FAILURE_ERR_CODE, code);
        pb_write_text(&buf, USP_NOTIFY_COMMAND_FAILURE_ERR_MSG, STR("it broke"));
    }
    pb_end(&buf, mark);
    notify(bench, &buf, USP_NOTIFY_OPER_COMPLETE);
}

void uspdev_value_change(struct uspdev_bench *bench, const char *version)
{
    struct buf buf;

    uspdev_begin(&buf);
    pb_write_text(&buf, USP_NOTIFY_VALUE_CHANGE_PARAM_PATH, STR("Device.DeviceInfo.SoftwareVersion"));
    pb_write_text(&buf, USP_NOTIFY_VALUE_CHANGE_PARAM_VALUE, str_of(version));
    notify(bench, &buf, USP_NOTIFY_VALUE_CHANGE);
}

/* ---- being asked ---- */

void uspdev_note(struct uspdev_bench *bench, const char *fmt, ...)
{
    size_t len = strlen(bench->asked);
    va_list ap;

    if (len + 200 > sizeof(bench->asked))
        len = 0;
    va_start(ap, fmt);
    vsnprintf(bench->asked + len, 200, fmt, ap);
    va_end(ap);
}

static void tap(void *ctx, const char *topic, struct lan_session *to, const void *data, size_t len)
{
    struct uspdev_bench *bench = ctx;
    struct bench_record *record;

    if (bench->queued == BENCH_QUEUE || len > sizeof(record->bytes))
        return; /* a fuzzer's device may leave questions unanswered */
    record = &bench->queue[bench->queued++];
    memcpy(record->bytes, data, len);
    record->len = len;
    record->to = to;
    snprintf(record->topic, sizeof(record->topic), "%s", topic ? topic : "");
}

struct asked {
    struct str msg_id, content;
    uint32_t kind; /* USP_REQUEST_* or USP_RESPONSE_* */
    bool is_response;
};

static bool field_in(struct str content, unsigned number, struct str *ret)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;

    while (pb_next(&reader, &field) > 0) {
        if (field.number == number) {
            *ret = field.bytes;
            return true;
        }
    }
    return false;
}

static bool read_message(struct str payload, struct asked *ret)
{
    struct str header, body, inner = STR("");
    struct pb_reader reader;
    struct pb_field field;

    if (!field_in(payload, USP_MSG_HEADER, &header) || !field_in(payload, USP_MSG_BODY, &body) ||
        !field_in(header, USP_HEADER_MSG_ID, &ret->msg_id))
        return false;
    ret->is_response = !field_in(body, USP_BODY_REQUEST, &inner);
    if (ret->is_response && !field_in(body, USP_BODY_RESPONSE, &inner))
        return false;
    reader = pb_reader(inner);
    if (pb_next(&reader, &field) <= 0)
        return false;
    ret->kind = field.number;
    ret->content = field.bytes;
    return true;
}

static void answer(struct uspdev_bench *bench, const struct asked *asked)
{
    struct str path = STR("");

    if (asked->is_response) {
        uspdev_note(bench, "ack ");
        return;
    }
    switch (asked->kind) {
    case USP_REQUEST_GET:
        field_in(asked->content, USP_GET_PARAM_PATHS, &path);
        if (str_starts(path, STR("Device.DeviceInfo."))) {
            uspdev_note(bench, "info ");
            uspdev_answer_info(bench, asked->msg_id);
        } else {
            uspdev_note(bench, "subscriptions ");
            uspdev_answer_subscriptions(bench, asked->msg_id);
        }
        break;
    case USP_REQUEST_GET_SUPPORTED_DM:
        uspdev_note(bench, "supported ");
        uspdev_answer_supported(bench, asked->msg_id);
        break;
    case USP_REQUEST_GET_SUPPORTED_PROTOCOL:
        uspdev_note(bench, "protocol ");
        uspdev_answer_protocol(bench, asked->msg_id);
        break;
    case USP_REQUEST_ADD:
        uspdev_answer_add(bench, asked->msg_id, asked->content);
        break;
    case USP_REQUEST_DELETE:
        field_in(asked->content, USP_DELETE_OBJ_PATHS, &path);
        uspdev_note(bench, "delete:%.*s ", (int)path.len, path.data);
        break;
    case USP_REQUEST_OPERATE:
        uspdev_answer_operate(bench, asked->msg_id, asked->content);
        break;
    default:
        uspdev_note(bench, "other ");
    }
}

bool uspdev_run_one(struct uspdev_bench *bench)
{
    struct bench_record *oldest;
    struct usp_record record;
    struct asked asked;

    if (!bench->queued)
        return false;
    oldest = malloc(sizeof(*oldest));
    if (!oldest)
        return false;
    *oldest = bench->queue[0];
    memmove(bench->queue, bench->queue + 1, --bench->queued * sizeof(bench->queue[0]));
    if (usp_record_parse((struct str){oldest->bytes, oldest->len}, &record, NULL) == 0 &&
        str_is(record.to_id, bench->eid) && str_is(record.from_id, GATEWAY)) {
        if (record.type != USP_RECORD_NO_SESSION)
            uspdev_note(bench, "connect ");
        else if (read_message(record.payload, &asked))
            answer(bench, &asked);
    }
    free(oldest);
    return true;
}

void uspdev_reply(struct uspdev_bench *bench, unsigned type, unsigned kind, const void *data, size_t len)
{
    struct asked asked = {.msg_id = STR("m")};
    struct usp_record record;
    struct buf buf;

    if (bench->queued &&
        usp_record_parse((struct str){bench->queue[0].bytes, bench->queue[0].len}, &record, NULL) == 0)
        read_message(record.payload, &asked);
    uspdev_begin(&buf);
    buf_append(&buf, data, len);
    uspdev_say(bench, &buf, asked.msg_id, type, USP_BODY_RESPONSE, kind);
    if (bench->queued)
        memmove(bench->queue, bench->queue + 1, --bench->queued * sizeof(bench->queue[0]));
}

void uspdev_run(struct uspdev_bench *bench)
{
    for (int i = 0; i < 200 && uspdev_run_one(bench); i++)
        ;
}

void uspdev_forget(struct uspdev_bench *bench)
{
    bench->asked[0] = '\0';
}

bool uspdev_asked(const struct uspdev_bench *bench, const char *word)
{
    return strstr(bench->asked, word) != NULL;
}

/* ---- life ---- */

static void plug_in(struct uspdev_bench *bench, struct store *store)
{
    fake_home_init(&bench->home, NULL, store);
    bench->home.tap = tap;
    bench->home.tap_ctx = bench;
    bench->home.host.endpoint_id = GATEWAY;
    bench->home.dialect = &uspdev_dialect;
    bench->home.ctx = uspdev_dialect.create(&bench->home.host);
}

void uspdev_bench_init(struct uspdev_bench *bench, struct store *store)
{
    memset(bench, 0, sizeof(*bench));
    bench->eid = LAMP;
    bench->model = "Lamp";
    bench->manufacturer = "Example";
    bench->version = "1.0.0";
    bench->active = "Device.DeviceInfo.FirmwareImage.1";
    bench->up_time = "1000";
    bench->banks[0] = (struct bench_bank){"Active", ""};
    bench->banks[1] = (struct bench_bank){"NoImage", ""};
    plug_in(bench, store);
}

int uspdev_bench_up(void **state)
{
    static struct uspdev_bench bench;

    uspdev_bench_init(&bench, NULL);
    *state = &bench;
    return 0;
}

int uspdev_bench_down(void **state)
{
    struct uspdev_bench *bench = *state;

    if (bench->session.peer)
        uspdev_closes(bench, &bench->session);
    fake_home_done(&bench->home, false);
    return 0;
}

void uspdev_bench_restart(struct uspdev_bench *bench)
{
    struct store *store;

    if (bench->session.peer)
        uspdev_closes(bench, &bench->session);
    bench->queued = 0;
    store = fake_home_done(&bench->home, true);
    plug_in(bench, store);
    fake_home_restore(&bench->home);
}

struct device *uspdev_device(struct uspdev_bench *bench)
{
    return registry_find(bench->home.registry, "usp:" LAMP);
}

struct device *uspdev_lamp(struct uspdev_bench *bench, bool over_mqtt)
{
    struct device *device;

    bench->over_mqtt = over_mqtt;
    if (!over_mqtt)
        uspdev_opens(bench, &bench->session, "192.168.1.20", LAMP, NULL);
    uspdev_connects(bench);
    uspdev_run(bench);
    device = uspdev_device(bench);
    assert_non_null(device);
    assert_true(device->online);
    fake_home_forget_logs(&bench->home);
    uspdev_forget(bench);
    return device;
}

int uspdev_install(struct uspdev_bench *bench, struct error *err)
{
    struct device *device = uspdev_device(bench);
    struct firmware_install install = {.url = "http://192.168.1.1:7681/f/secret/lamp.img",
                                       .path = "/cache/x",
                                       .version = "2.0.0",
                                       .sha256 = "abcd",
                                       .size = 1000};

    return device->target.ops->install(&device->target, &install, err);
}
