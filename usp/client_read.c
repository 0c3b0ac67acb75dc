/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading what an agent sends. Fields may come in any order, so what qualifies a nested message (its path, its code) is
 * looked up before the nested messages themselves are walked.
 */
#include "usp/client.h"

#include "usp/fields.h"
#include "usp/pb.h"

struct reading {
    usp_client_fn *fn; /* may be NULL */
    void *ctx;
    bool malformed;
    struct usp_client_fact fact; /* what the surrounding messages said */
};

typedef int part_fn(struct reading *reading, struct str content);

static int malformed(struct reading *reading)
{
    reading->malformed = true;
    return -1;
}

static int tell(struct reading *reading, enum usp_client_fact_kind kind)
{
    reading->fact.kind = kind;
    return reading->fn ? reading->fn(reading->ctx, &reading->fact) : 0;
}

/* ---- fields ---- */

/* The last text with this number, as proto3 has it; "" when there is none. */
static int get_text(struct reading *reading, struct str content, unsigned number, struct str *ret)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int rc;

    *ret = STR("");
    while ((rc = pb_next(&reader, &field)) > 0)
        if (field.number == number && !pb_text(&field, ret))
            return malformed(reading);
    return rc < 0 ? malformed(reading) : 0;
}

static int get_number(struct reading *reading, struct str content, unsigned number, uint32_t *ret)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    uint64_t value;
    int rc;

    *ret = 0;
    while ((rc = pb_next(&reader, &field)) > 0) {
        if (field.number != number)
            continue;
        if (!pb_number(&field, &value) || value > UINT32_MAX)
            return malformed(reading);
        *ret = (uint32_t)value;
    }
    return rc < 0 ? malformed(reading) : 0;
}

/* fn for each nested message with this number. */
static int each(struct reading *reading, struct str content, unsigned number, part_fn *fn)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int rc;

    while ((rc = pb_next(&reader, &field)) > 0) {
        int result;

        if (field.number != number)
            continue;
        if (field.wire != PB_BYTES)
            return malformed(reading);
        result = fn(reading, field.bytes);
        if (result != 0)
            return result;
    }
    return rc < 0 ? malformed(reading) : 0;
}

/* A fact for each text with this number, as the fact's value. */
static int each_text(struct reading *reading, struct str content, unsigned number,
                     enum usp_client_fact_kind kind)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int result = 0;
    int rc;

    while (result == 0 && (rc = pb_next(&reader, &field)) != 0) {
        if (rc < 0)
            return malformed(reading);
        if (field.number != number)
            continue;
        if (!pb_text(&field, &reading->fact.value))
            return malformed(reading);
        result = tell(reading, kind);
    }
    reading->fact.value = STR("");
    return result;
}

/* A fact for each map entry with this number. */
static int each_entry(struct reading *reading, struct str content, unsigned number,
                      enum usp_client_fact_kind kind)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int result = 0;
    int rc;

    while (result == 0 && (rc = pb_next(&reader, &field)) != 0) {
        if (rc < 0)
            return malformed(reading);
        if (field.number != number)
            continue;
        if (!pb_entry(&field, &reading->fact.name, &reading->fact.value))
            return malformed(reading);
        result = tell(reading, kind);
    }
    reading->fact.name = reading->fact.value = STR("");
    return result;
}

/* Code and text of a failure. */
static int get_failure(struct reading *reading, struct str content, unsigned code, unsigned text)
{
    if (get_number(reading, content, code, &reading->fact.code) < 0)
        return -1;
    return get_text(reading, content, text, &reading->fact.text);
}

/* ---- Error ---- */

static int param_error(struct reading *reading, struct str content)
{
    if (get_text(reading, content, USP_ERROR_PARAM_ERROR_PARAM_PATH, &reading->fact.path) < 0 ||
        get_failure(reading, content, USP_ERROR_PARAM_ERROR_ERR_CODE, USP_ERROR_PARAM_ERROR_ERR_MSG) < 0)
        return -1;
    return tell(reading, USP_FACT_FAILURE);
}

static int error(struct reading *reading, struct str content)
{
    int result;

    if (get_failure(reading, content, USP_ERROR_ERR_CODE, USP_ERROR_ERR_MSG) < 0)
        return -1;
    result = tell(reading, USP_FACT_FAILURE);
    return result ? result : each(reading, content, USP_ERROR_PARAM_ERRS, param_error);
}

/* ---- Get, GetInstances ---- */

static int resolved_path(struct reading *reading, struct str content)
{
    if (get_text(reading, content, USP_GET_RESP_RESOLVED_PATH_RESULT_RESOLVED_PATH, &reading->fact.path) < 0)
        return -1;
    return each_entry(reading, content, USP_GET_RESP_RESOLVED_PATH_RESULT_RESULT_PARAMS, USP_FACT_VALUE);
}

static int instance(struct reading *reading, struct str content)
{
    int result;

    if (get_text(reading, content, USP_GET_INSTANCES_RESP_CURR_INSTANCE_INSTANTIATED_OBJ_PATH,
                 &reading->fact.path) < 0)
        return -1;
    result = tell(reading, USP_FACT_INSTANCE);
    return result
               ? result
               : each_entry(reading, content, USP_GET_INSTANCES_RESP_CURR_INSTANCE_UNIQUE_KEYS, USP_FACT_KEY);
}

/* The head that the results of Get, GetInstances and GetSupportedDM have in common. 1: it failed, and that is all. */
static int result_head(struct reading *reading, struct str content)
{
    int result;

    reading->fact = (struct usp_client_fact){.path = STR(""), .name = STR(""), .value = STR("")};
    if (get_text(reading, content, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH,
                 &reading->fact.requested) < 0 ||
        get_failure(reading, content, USP_GET_RESP_REQUESTED_PATH_RESULT_ERR_CODE,
                    USP_GET_RESP_REQUESTED_PATH_RESULT_ERR_MSG) < 0)
        return -1;
    if (!reading->fact.code)
        return 0;
    result = tell(reading, USP_FACT_FAILURE);
    reading->fact.code = 0;
    reading->fact.text = STR("");
    return result;
}

static int get_result(struct reading *reading, struct str content)
{
    int result = result_head(reading, content);

    return result ? result
                  : each(reading, content, USP_GET_RESP_REQUESTED_PATH_RESULT_RESOLVED_PATH_RESULTS,
                         resolved_path);
}

static int get_instances_result(struct reading *reading, struct str content)
{
    int result = result_head(reading, content);

    return result ? result
                  : each(reading, content, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_CURR_INSTS, instance);
}

/* ---- GetSupportedDM ---- */

static int supported_param(struct reading *reading, struct str content)
{
    struct usp_client_fact *fact = &reading->fact;

    if (get_text(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_PARAM_NAME, &fact->name) <
            0 ||
        get_number(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_ACCESS, &fact->number) <
            0 ||
        get_number(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_VALUE_TYPE,
                   &fact->type) < 0)
        return -1;
    return tell(reading, USP_FACT_PARAM);
}

static int supported_command(struct reading *reading, struct str content)
{
    int result;

    reading->fact.type = 0;
    if (get_text(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_NAME,
                 &reading->fact.name) < 0 ||
        get_number(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_TYPE,
                   &reading->fact.number) < 0)
        return -1;
    result = tell(reading, USP_FACT_COMMAND);
    if (result == 0)
        result = each_text(reading, content,
                           USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_INPUT_ARG_NAMES,
                           USP_FACT_INPUT);
    if (result == 0)
        result = each_text(reading, content,
                           USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_OUTPUT_ARG_NAMES,
                           USP_FACT_RESULT);
    return result;
}

static int supported_event(struct reading *reading, struct str content)
{
    int result;

    reading->fact.number = reading->fact.type = 0;
    if (get_text(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_EVENT_RESULT_EVENT_NAME,
                 &reading->fact.name) < 0)
        return -1;
    result = tell(reading, USP_FACT_EVENT);
    return result ? result
                  : each_text(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_EVENT_RESULT_ARG_NAMES,
                              USP_FACT_ARGUMENT);
}

static int unique_key_set(struct reading *reading, struct str content)
{
    reading->fact.number++;
    return each_text(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_UNIQUE_KEY_SET_KEY_NAMES,
                     USP_FACT_UNIQUE);
}

static int supported_object(struct reading *reading, struct str content)
{
    struct usp_client_fact *fact = &reading->fact;
    uint32_t table;
    int result;

    fact->name = fact->value = STR("");
    fact->type = 0;
    if (get_text(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_OBJ_PATH,
                 &fact->path) < 0 ||
        get_number(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_ACCESS,
                   &fact->number) < 0 ||
        get_number(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_IS_MULTI_INSTANCE,
                   &table) < 0)
        return -1;
    fact->table = table != 0;
    result = tell(reading, USP_FACT_OBJECT);
    if (result == 0)
        result = each(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_PARAMS,
                      supported_param);
    if (result == 0)
        result = each(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_COMMANDS,
                      supported_command);
    if (result == 0)
        result = each(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_EVENTS,
                      supported_event);
    fact->number = fact->type = 0;
    fact->name = STR("");
    if (result == 0)
        result = each(reading, content, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_UNIQUE_KEY_SETS,
                      unique_key_set);
    return result;
}

static int supported_result(struct reading *reading, struct str content)
{
    int result = result_head(reading, content);

    return result ? result
                  : each(reading, content, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_SUPPORTED_OBJS,
                         supported_object);
}

/* ---- Add, Set, Delete: a requested path, and failure or success ---- */

static int parameter_error(struct reading *reading, struct str content)
{
    int result;

    if (get_text(reading, content, USP_SET_RESP_PARAMETER_ERROR_PARAM, &reading->fact.name) < 0 ||
        get_failure(reading, content, USP_SET_RESP_PARAMETER_ERROR_ERR_CODE,
                    USP_SET_RESP_PARAMETER_ERROR_ERR_MSG) < 0)
        return -1;
    result = tell(reading, USP_FACT_FAILURE);
    reading->fact.name = reading->fact.text = STR("");
    reading->fact.code = 0;
    return result;
}

static int set_inst_failure(struct reading *reading, struct str content)
{
    if (get_text(reading, content, USP_SET_RESP_UPDATED_INSTANCE_FAILURE_AFFECTED_PATH, &reading->fact.path) <
        0)
        return -1;
    return each(reading, content, USP_SET_RESP_UPDATED_INSTANCE_FAILURE_PARAM_ERRS, parameter_error);
}

static int set_inst_result(struct reading *reading, struct str content)
{
    int result;

    if (get_text(reading, content, USP_SET_RESP_UPDATED_INSTANCE_RESULT_AFFECTED_PATH, &reading->fact.path) <
        0)
        return -1;
    result = tell(reading, USP_FACT_UPDATED);
    if (result == 0)
        result = each_entry(reading, content, USP_SET_RESP_UPDATED_INSTANCE_RESULT_UPDATED_PARAMS,
                            USP_FACT_VALUE);
    if (result == 0)
        result = each(reading, content, USP_SET_RESP_UPDATED_INSTANCE_RESULT_PARAM_ERRS, parameter_error);
    return result;
}

/* Failures of all three begin alike; only Set goes into rows and parameters. */
static int failure(struct reading *reading, struct str content)
{
    int result;

    if (get_failure(reading, content, USP_SET_RESP_OPERATION_FAILURE_ERR_CODE,
                    USP_SET_RESP_OPERATION_FAILURE_ERR_MSG) < 0)
        return -1;
    result = tell(reading, USP_FACT_FAILURE);
    reading->fact.code = 0;
    reading->fact.text = STR("");
    return result;
}

static int set_failure(struct reading *reading, struct str content)
{
    int result = failure(reading, content);

    return result ? result
                  : each(reading, content, USP_SET_RESP_OPERATION_FAILURE_UPDATED_INST_FAILURES,
                         set_inst_failure);
}

static int set_success(struct reading *reading, struct str content)
{
    return each(reading, content, USP_SET_RESP_OPERATION_SUCCESS_UPDATED_INST_RESULTS, set_inst_result);
}

static int add_success(struct reading *reading, struct str content)
{
    int result;

    if (get_text(reading, content, USP_ADD_RESP_OPERATION_SUCCESS_INSTANTIATED_PATH, &reading->fact.path) < 0)
        return -1;
    result = tell(reading, USP_FACT_CREATED);
    if (result == 0)
        result = each_entry(reading, content, USP_ADD_RESP_OPERATION_SUCCESS_UNIQUE_KEYS, USP_FACT_KEY);
    if (result == 0)
        result = each(reading, content, USP_ADD_RESP_OPERATION_SUCCESS_PARAM_ERRS, parameter_error);
    return result;
}

static int unaffected_path(struct reading *reading, struct str content)
{
    int result;

    if (get_text(reading, content, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_UNAFFECTED_PATH,
                 &reading->fact.path) < 0 ||
        get_failure(reading, content, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_ERR_CODE,
                    USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_ERR_MSG) < 0)
        return -1;
    result = tell(reading, USP_FACT_FAILURE);
    reading->fact.code = 0;
    reading->fact.text = STR("");
    return result;
}

static int delete_success(struct reading *reading, struct str content)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    int result = 0;

    while (result == 0 && pb_next(&reader, &field) > 0) {
        if (field.number != USP_DELETE_RESP_OPERATION_SUCCESS_AFFECTED_PATHS)
            continue;
        if (!pb_text(&field, &reading->fact.path))
            return malformed(reading);
        result = tell(reading, USP_FACT_DELETED);
    }
    if (result)
        return result;
    return each(reading, content, USP_DELETE_RESP_OPERATION_SUCCESS_UNAFFECTED_PATH_ERRS, unaffected_path);
}

/* All three number requested_path and oper_status, and failure and success below it, alike. */
static int change_result(struct reading *reading, struct str content, part_fn *failed, part_fn *succeeded)
{
    struct pb_reader reader = pb_reader(content);
    struct pb_field field;
    struct str status = STR("");
    int result;

    reading->fact = (struct usp_client_fact){.path = STR(""), .name = STR(""), .value = STR("")};
    if (get_text(reading, content, USP_SET_RESP_UPDATED_OBJECT_RESULT_REQUESTED_PATH,
                 &reading->fact.requested) < 0)
        return -1;
    while (pb_next(&reader, &field) > 0)
        if (field.number == USP_SET_RESP_UPDATED_OBJECT_RESULT_OPER_STATUS && !pb_bytes(&field, &status))
            return malformed(reading);
    result = each(reading, status, USP_SET_RESP_OPERATION_STATUS_OPER_FAILURE, failed);
    return result ? result : each(reading, status, USP_SET_RESP_OPERATION_STATUS_OPER_SUCCESS, succeeded);
}

static int set_result(struct reading *reading, struct str content)
{
    return change_result(reading, content, set_failure, set_success);
}

static int add_result(struct reading *reading, struct str content)
{
    return change_result(reading, content, failure, add_success);
}

static int delete_result(struct reading *reading, struct str content)
{
    return change_result(reading, content, failure, delete_success);
}

/* ---- Operate ---- */

static int output_args(struct reading *reading, struct str content)
{
    int result = tell(reading, USP_FACT_EXECUTED);

    return result ? result
                  : each_entry(reading, content, USP_OPERATE_RESP_OUTPUT_ARGS_OUTPUT_ARGS, USP_FACT_OUTPUT);
}

static int operate_result(struct reading *reading, struct str content)
{
    int result;

    reading->fact = (struct usp_client_fact){.name = STR(""), .value = STR("")};
    if (get_text(reading, content, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, &reading->fact.path) <
        0)
        return -1;
    reading->fact.requested = reading->fact.path;
    result = each_text(reading, content, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OBJ_PATH, USP_FACT_STARTED);
    if (result == 0)
        result = each(reading, content, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OUTPUT_ARGS, output_args);
    if (result == 0)
        result = each(reading, content, USP_OPERATE_RESP_OPERATION_RESULT_CMD_FAILURE, failure);
    return result;
}

/* ---- any answer ---- */

static int versions(struct reading *reading, struct str content)
{
    return each_text(reading, content, USP_GET_SUPPORTED_PROTOCOL_RESP_AGENT_SUPPORTED_PROTOCOL_VERSIONS,
                     USP_FACT_VERSIONS);
}

static int acknowledged(struct reading *reading, struct str content)
{
    return each_text(reading, content, USP_NOTIFY_RESP_SUBSCRIPTION_ID, USP_FACT_ACKNOWLEDGED);
}

struct shape {
    uint32_t type;
    part_fn *whole;  /* reads the content, or */
    part_fn *result; /* each of its results, which all messages number 1 */
};

static const struct shape shapes[] = {
    {USP_HEADER_MSG_TYPE_ERROR, error, NULL},
    {USP_HEADER_MSG_TYPE_GET_RESP, NULL, get_result},
    {USP_HEADER_MSG_TYPE_GET_INSTANCES_RESP, NULL, get_instances_result},
    {USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM_RESP, NULL, supported_result},
    {USP_HEADER_MSG_TYPE_SET_RESP, NULL, set_result},
    {USP_HEADER_MSG_TYPE_ADD_RESP, NULL, add_result},
    {USP_HEADER_MSG_TYPE_DELETE_RESP, NULL, delete_result},
    {USP_HEADER_MSG_TYPE_OPERATE_RESP, NULL, operate_result},
    {USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO_RESP, versions, NULL},
    {USP_HEADER_MSG_TYPE_NOTIFY_RESP, acknowledged, NULL},
};

static int finish(const struct reading *reading, int result, struct error *err)
{
    if (reading->malformed)
        return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "the message of the agent is malformed");
    return result;
}

int usp_client_read(const struct usp_client_message *message, usp_client_fn *fn, void *ctx, struct error *err)
{
    struct reading reading = {.fn = fn, .ctx = ctx};

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        int result;

        if (shapes[i].type != message->type)
            continue;
        reading.fact = (struct usp_client_fact){
            .requested = STR(""), .path = STR(""), .name = STR(""), .value = STR(""), .text = STR("")};
        result = shapes[i].whole ? shapes[i].whole(&reading, message->content)
                                 : each(&reading, message->content, 1, shapes[i].result);
        return finish(&reading, result, err);
    }
    return error_set(err, ERROR_INVALID_ARGUMENTS, NULL, "message type %u is no answer", message->type);
}
