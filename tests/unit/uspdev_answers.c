/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/uspdev_answers.h"

#include <stdio.h>
#include <string.h>

#include "usp/fields.h"
#include "usp/pb.h"
#include "usp/record.h"

static void put_value(struct buf *buf, const char *name, const char *value)
{
    if (value)
        pb_write_entry(buf, USP_GET_RESP_RESOLVED_PATH_RESULT_RESULT_PARAMS, str_of(name), str_of(value));
}

static size_t begin_object(struct buf *buf, const char *path)
{
    size_t mark = pb_begin(buf, USP_GET_RESP_REQUESTED_PATH_RESULT_RESOLVED_PATH_RESULTS);

    pb_write_text(buf, USP_GET_RESP_RESOLVED_PATH_RESULT_RESOLVED_PATH, str_of(path));
    return mark;
}

static void put_failed_path(struct buf *buf, const char *path)
{
    size_t mark = pb_begin(buf, USP_GET_RESP_REQ_PATH_RESULTS);

    pb_write_text(buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, str_of(path));
    pb_write_fixed32(buf, USP_GET_RESP_REQUESTED_PATH_RESULT_ERR_CODE, 7026);
    pb_end(buf, mark);
}

static void put_banks(struct uspdev_bench *bench, struct buf *buf)
{
    size_t path = pb_begin(buf, USP_GET_RESP_REQ_PATH_RESULTS);

    pb_write_text(buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH,
                  STR("Device.DeviceInfo.FirmwareImage."));
    for (int i = 0; i < BENCH_BANKS; i++) {
        char name[64];
        size_t object;

        if (!bench->banks[i].status)
            continue;
        snprintf(name, sizeof(name), "Device.DeviceInfo.FirmwareImage.%d.", i + 1);
        object = begin_object(buf, name);
        put_value(buf, "Status", bench->banks[i].status);
        put_value(buf, "Name", "lamp");
        put_value(buf, "BootFailureLog", bench->banks[i].log);
        pb_end(buf, object);
    }
    pb_end(buf, path);
}

void uspdev_answer_info(struct uspdev_bench *bench, struct str msg_id)
{
    size_t path, object;
    struct buf buf;

    uspdev_begin(&buf);
    if (bench->refuses_info) {
        put_failed_path(&buf, "Device.DeviceInfo.");
    } else {
        path = pb_begin(&buf, USP_GET_RESP_REQ_PATH_RESULTS);
        pb_write_text(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, STR("Device.DeviceInfo."));
        object = begin_object(&buf, "Device.DeviceInfo.");
        put_value(&buf, "Manufacturer", bench->manufacturer);
        put_value(&buf, "ManufacturerOUI", "0a0b0c");
        put_value(&buf, "ModelName", bench->model);
        put_value(&buf, "SerialNumber", "LAMP1");
        put_value(&buf, "HardwareVersion", "B");
        put_value(&buf, "SoftwareVersion", bench->version);
        put_value(&buf, "ActiveFirmwareImage", bench->active);
        put_value(&buf, "UpTime", bench->up_time);
        pb_end(&buf, object);
        pb_end(&buf, path);
    }
    if (bench->banks[0].status)
        put_banks(bench, &buf);
    else
        put_failed_path(&buf, "Device.DeviceInfo.FirmwareImage.");
    uspdev_say(bench, &buf, msg_id, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_GET_RESP);
}

void uspdev_answer_subscriptions(struct uspdev_bench *bench, struct str msg_id)
{
    static const char *const names[] = {"ID", "NotifType", "ReferenceList", "Enable"};
    struct buf buf;
    size_t path;

    uspdev_begin(&buf);
    path = pb_begin(&buf, USP_GET_RESP_REQ_PATH_RESULTS);
    pb_write_text(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH,
                  STR("Device.LocalAgent.Subscription."));
    for (int i = 0; i < 8; i++) {
        char name[64];
        size_t object;

        if (!bench->subscriptions[i][0])
            continue;
        snprintf(name, sizeof(name), "Device.LocalAgent.Subscription.%d.", i + 1);
        object = begin_object(&buf, name);
        for (int k = 0; k < 4; k++)
            put_value(&buf, names[k], bench->subscriptions[i][k]);
        pb_end(&buf, object);
    }
    pb_end(&buf, path);
    uspdev_say(bench, &buf, msg_id, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_GET_RESP);
}

void uspdev_answer_supported(struct uspdev_bench *bench, struct str msg_id)
{
    static const char *const commands[] = {"Download()", "Activate()"};
    size_t result, object;
    struct buf buf;

    uspdev_begin(&buf);
    result = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_REQ_OBJ_RESULTS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_REQ_OBJ_PATH,
                  STR("Device.DeviceInfo.FirmwareImage."));
    object = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_SUPPORTED_OBJS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_OBJ_PATH,
                  STR("Device.DeviceInfo.FirmwareImage.{i}."));
    for (int i = 0; i < (bench->lacks_activate ? 1 : 2); i++) {
        size_t command = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_COMMANDS);

        pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_NAME,
                      str_of(commands[i]));
        pb_end(&buf, command);
    }
    pb_end(&buf, object);
    pb_end(&buf, result);
    uspdev_say(bench, &buf, msg_id, USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM_RESP, USP_BODY_RESPONSE,
               USP_RESPONSE_GET_SUPPORTED_DM_RESP);
}

void uspdev_answer_protocol(struct uspdev_bench *bench, struct str msg_id)
{
    struct buf buf;

    uspdev_begin(&buf);
    pb_write_text(&buf, USP_GET_SUPPORTED_PROTOCOL_RESP_AGENT_SUPPORTED_PROTOCOL_VERSIONS, STR("1.4"));
    uspdev_say(bench, &buf, msg_id, USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO_RESP, USP_BODY_RESPONSE,
               USP_RESPONSE_GET_SUPPORTED_PROTOCOL_RESP);
}

/* ---- Add ---- */

/* The value of a setting of an object of Add. */
static struct str setting(struct str object, const char *wanted)
{
    struct pb_reader reader = pb_reader(object);
    struct pb_field field;

    while (pb_next(&reader, &field) > 0) {
        struct pb_reader inner = pb_reader(field.bytes);
        struct str name = STR(""), value = STR("");
        struct pb_field part;

        if (field.number != USP_ADD_CREATE_OBJECT_PARAM_SETTINGS)
            continue;
        while (pb_next(&inner, &part) > 0) {
            if (part.number == USP_ADD_CREATE_PARAM_SETTING_PARAM)
                name = part.bytes;
            else if (part.number == USP_ADD_CREATE_PARAM_SETTING_VALUE)
                value = part.bytes;
        }
        if (str_is(name, wanted))
            return value;
    }
    return STR("");
}

void uspdev_answer_add(struct uspdev_bench *bench, struct str msg_id, struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    struct buf buf;

    uspdev_begin(&buf);
    while (pb_next(&reader, &field) > 0) {
        struct str id = setting(field.number == USP_ADD_CREATE_OBJS ? field.bytes : STR(""), "ID");
        size_t result, status, outcome;
        bool fails;

        if (field.number != USP_ADD_CREATE_OBJS)
            continue;
        fails = bench->lacks_transfer && id.len > 8 && memcmp(id.data + id.len - 8, "transfer", 8) == 0;
        uspdev_note(bench, "add:%.*s ", (int)id.len, id.data);
        result = pb_begin(&buf, USP_ADD_RESP_CREATED_OBJ_RESULTS);
        pb_write_text(&buf, USP_ADD_RESP_CREATED_OBJECT_RESULT_REQUESTED_PATH,
                      STR("Device.LocalAgent.Subscription."));
        status = pb_begin(&buf, USP_ADD_RESP_CREATED_OBJECT_RESULT_OPER_STATUS);
        outcome = pb_begin(&buf, fails ? USP_ADD_RESP_OPERATION_STATUS_OPER_FAILURE
                                       : USP_ADD_RESP_OPERATION_STATUS_OPER_SUCCESS);
        if (fails)
            pb_write_fixed32(&buf, USP_ADD_RESP_OPERATION_FAILURE_ERR_CODE, 7010);
        else
            pb_write_text(&buf, USP_ADD_RESP_OPERATION_SUCCESS_INSTANTIATED_PATH,
                          STR("Device.LocalAgent.Subscription.9."));
        pb_end(&buf, outcome);
        pb_end(&buf, status);
        pb_end(&buf, result);
    }
    uspdev_say(bench, &buf, msg_id, USP_HEADER_MSG_TYPE_ADD_RESP, USP_BODY_RESPONSE, USP_RESPONSE_ADD_RESP);
}

/* ---- Operate ---- */

void uspdev_answer_operate(struct uspdev_bench *bench, struct str msg_id, struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct str command = STR(""), key = STR("");
    struct pb_field field;
    size_t result, failure, len = 0;
    struct buf buf;

    bench->last_args[0] = '\0';
    while (pb_next(&reader, &field) > 0) {
        struct str name, value;

        if (field.number == USP_OPERATE_COMMAND)
            command = field.bytes;
        else if (field.number == USP_OPERATE_COMMAND_KEY)
            key = field.bytes;
        else if (field.number == USP_OPERATE_INPUT_ARGS && pb_entry(&field, &name, &value) &&
                 len + name.len + value.len + 3 < sizeof(bench->last_args))
            len += (size_t)snprintf(bench->last_args + len, sizeof(bench->last_args) - len, "%.*s=%.*s;",
                                    (int)name.len, name.data, (int)value.len, value.data);
    }
    uspdev_note(bench, "%.*s ", (int)command.len, command.data);
    snprintf(bench->command_key, sizeof(bench->command_key), "%.*s", (int)key.len, key.data);
    uspdev_begin(&buf);
    result = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULTS);
    pb_write_text(&buf, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, command);
    if (bench->operate_code) {
        failure = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULT_CMD_FAILURE);
        pb_write_fixed32(&buf, USP_OPERATE_RESP_COMMAND_FAILURE_ERR_CODE, bench->operate_code);
        pb_write_text(&buf, USP_OPERATE_RESP_COMMAND_FAILURE_ERR_MSG, STR("no"));
        pb_end(&buf, failure);
    } else {
        pb_write_text(&buf, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OBJ_PATH,
                      STR("Device.LocalAgent.Request.7."));
    }
    pb_end(&buf, result);
    uspdev_say(bench, &buf, msg_id, USP_HEADER_MSG_TYPE_OPERATE_RESP, USP_BODY_RESPONSE,
               USP_RESPONSE_OPERATE_RESP);
}
