/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/client_wire.h"

/* Reading the whole, every shortened piece of it, and it with every byte changed: no crash, and never a lie about the end. */
static void check_facts(struct buf *message, const char *expected)
{
    struct usp_client_message parsed;
    struct told told = {.len = 0};
    struct error err;

    assert_int_equal(usp_client_parse(bytes_of(message), &parsed, &err), 0);
    assert_true(str_is(parsed.msg_id, "m1"));
    assert_int_equal(usp_client_read(&parsed, tell, &told, &err), 0);
    assert_string_equal(told.text, expected);
    told = (struct told){.stop_at = 1};
    assert_int_equal(usp_client_read(&parsed, tell, &told, &err), 77);
    assert_int_equal(told.count, 1);
    for (size_t len = 0; len < message->len; len++) {
        char *piece = malloc(len + 1); /* so that a sanitizer sees a read behind its end */

        assert_non_null(piece);
        memcpy(piece, buf_data(message), len);
        assert_int_equal(usp_client_parse((struct str){piece, len}, &parsed, &err), -1);
        free(piece);
    }
    for (size_t i = 0; i < message->len * 8; i++) {
        buf_data(message)[i / 8] ^= (uint8_t)(1 << i % 8);
        told = (struct told){.len = 0};
        if (usp_client_parse(bytes_of(message), &parsed, &err) == 0)
            usp_client_read(&parsed, tell, &told, &err);
        buf_data(message)[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    buf_done(message);
}

/* ---- requests ---- */

static void test_get_on_the_wire(void **state)
{
    static const uint8_t expected[] = {
        0x0a, 0x06, 0x0a, 0x02, 'm',  '1',  0x10, 0x01, /* header: msg_id, GET */
        0x12, 0x10, 0x0a, 0x0e, 0x0a, 0x0c,             /* body, request, get */
        0x0a, 0x02, 'A',  '.',  0x0a, 0x01, 'B',        /* two paths */
        0x15, 0x03, 0x00, 0x00, 0x00,                   /* max_depth 3 */
    };
    struct str paths[] = {STR("A."), STR("B")};
    struct buf buf;

    (void)state;
    begin(&buf);
    usp_client_get(&buf, STR("m1"), paths, 2, 3);
    assert_int_equal(buf.len, sizeof(expected));
    assert_memory_equal(buf_data(&buf), expected, sizeof(expected));
    buf_done(&buf);
}

static void check_request(struct buf *buf, uint32_t type, const char *content, size_t len)
{
    struct usp_client_message message;
    struct error err;

    assert_int_equal(usp_client_parse(bytes_of(buf), &message, &err), 0);
    assert_int_equal(message.type, type);
    assert_int_equal(message.content.len, len);
    assert_memory_equal(message.content.data, content, len);
    /* A request is no answer. */
    assert_int_equal(usp_client_read(&message, NULL, NULL, &err), -1);
    buf_done(buf);
    begin(buf);
}

#define CHECK_REQUEST(buf, type, literal) check_request(buf, type, literal, sizeof(literal) - 1)

static void test_requests(void **state)
{
    struct str paths[] = {STR("A.")};
    struct usp_client_pair params[] = {{STR("P"), STR("v"), true}, {STR("Q"), STR(""), false}};
    struct usp_client_object object = {STR("A."), params, 2};
    struct usp_client_command command = {STR("C()"), STR("k"), params, 1, true};
    struct buf buf;

    (void)state;
    begin(&buf);
    usp_client_get_instances(&buf, STR("m1"), paths, 1, true);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_GET_INSTANCES,
                  "\x0a\x02"
                  "A.\x10\x01");
    usp_client_get_supported_dm(&buf, STR("m1"), paths, 1, USP_CLIENT_FIRST_LEVEL | USP_CLIENT_PARAMS);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM,
                  "\x0a\x02"
                  "A.\x10\x01\x28\x01");
    usp_client_get_supported_dm(&buf, STR("m1"), paths, 1,
                                USP_CLIENT_COMMANDS | USP_CLIENT_EVENTS | USP_CLIENT_UNIQUE_KEYS);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM,
                  "\x0a\x02"
                  "A.\x18\x01\x20\x01\x30\x01");
    usp_client_get_supported_protocol(&buf, STR("m1"), STR("1.4"));
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_GET_SUPPORTED_PROTO,
                  "\x0a\x03"
                  "1.4");
    usp_client_set(&buf, STR("m1"), &object, 1, true);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_SET,
                  "\x08\x01\x12\x13\x0a\x02"
                  "A.\x12\x08\x0a\x01P\x12\x01v\x18\x01\x12\x03\x0a\x01Q");
    usp_client_add(&buf, STR("m1"), &object, 1, false);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_ADD,
                  "\x12\x13\x0a\x02"
                  "A.\x12\x08\x0a\x01P\x12\x01v\x18\x01\x12\x03\x0a\x01Q");
    usp_client_delete(&buf, STR("m1"), paths, 1, true);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_DELETE,
                  "\x08\x01\x12\x02"
                  "A.");
    usp_client_operate(&buf, STR("m1"), &command);
    CHECK_REQUEST(&buf, USP_HEADER_MSG_TYPE_OPERATE,
                  "\x0a\x03"
                  "C()\x12\x01k\x18\x01\x22\x06\x0a\x01P\x12\x01v");
    buf_done(&buf);
}

static void test_empty_and_full(void **state)
{
    struct usp_client_message message;
    struct str path = STR("Device.");
    struct buf buf;

    (void)state;
    begin(&buf);
    usp_client_get(&buf, STR("m1"), NULL, 0, 0); /* an empty content is still a member of its oneof */
    assert_int_equal(usp_client_parse(bytes_of(&buf), &message, NULL), 0);
    assert_int_equal(message.content.len, 0);
    buf_done(&buf);
    buf_init(&buf, 16, 0); /* a ceiling is reached: the buffer says so */
    usp_client_get(&buf, STR("m1"), &path, 1, 0);
    assert_true(buf.failed);
    buf_done(&buf);
}

static void test_notify_response(void **state)
{
    struct usp_client_message message;
    struct told told = {.len = 0};
    struct buf buf;

    (void)state;
    begin(&buf);
    usp_client_notify_response(&buf, STR("m1"), STR("sub"));
    assert_int_equal(usp_client_parse(bytes_of(&buf), &message, NULL), 0);
    assert_int_equal(usp_client_read(&message, tell, &told, NULL), 0);
    assert_true(strstr(told.text, "|||sub 0") != NULL);
    buf_done(&buf);
}

/* ---- answers ---- */

static void test_error(void **state)
{
    struct buf buf;
    size_t mark;

    (void)state;
    begin(&buf);
    mark = pb_begin(&buf, USP_ERROR_PARAM_ERRS);
    pb_write_text(&buf, USP_ERROR_PARAM_ERROR_PARAM_PATH, STR("A.P"));
    pb_write_fixed32(&buf, USP_ERROR_PARAM_ERROR_ERR_CODE, 7013);
    pb_write_text(&buf, USP_ERROR_PARAM_ERROR_ERR_MSG, STR("read-only"));
    pb_end(&buf, mark);
    put_failure(&buf, 7004, "no"); /* behind what it qualifies */
    wrap_as(&buf, USP_HEADER_MSG_TYPE_ERROR, USP_BODY_ERROR, 0);
    check_facts(&buf, "0 ||| 7004 no 0 0 0\n"
                      "0 |A.P|| 7013 read-only 0 0 0\n");
}

static void test_get_resp(void **state)
{
    struct buf buf;
    size_t result;
    size_t resolved;

    (void)state;
    begin(&buf);
    result = pb_begin(&buf, USP_GET_RESP_REQ_PATH_RESULTS);
    resolved = pb_begin(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_RESOLVED_PATH_RESULTS);
    pb_write_entry(&buf, USP_GET_RESP_RESOLVED_PATH_RESULT_RESULT_PARAMS, STR("P"), STR("1"));
    pb_write_entry(&buf, USP_GET_RESP_RESOLVED_PATH_RESULT_RESULT_PARAMS, STR("Q"), STR(""));
    pb_write_text(&buf, USP_GET_RESP_RESOLVED_PATH_RESULT_RESOLVED_PATH, STR("A.1."));
    pb_end(&buf, resolved);
    pb_write_text(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, STR("A.*."));
    pb_end(&buf, result);
    result = pb_begin(&buf, USP_GET_RESP_REQ_PATH_RESULTS);
    pb_write_text(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, STR("B."));
    pb_write_fixed32(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_ERR_CODE, 7026);
    pb_end(&buf, result);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_GET_RESP);
    check_facts(&buf, "1 A.*.|A.1.|P|1 0  0 0 0\n"
                      "1 A.*.|A.1.|Q| 0  0 0 0\n"
                      "0 B.||| 7026  0 0 0\n");
}

static void test_get_instances_resp(void **state)
{
    struct buf buf;
    size_t result;
    size_t row;

    (void)state;
    begin(&buf);
    result = pb_begin(&buf, USP_GET_INSTANCES_RESP_REQ_PATH_RESULTS);
    pb_write_text(&buf, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, STR("A."));
    row = pb_begin(&buf, USP_GET_INSTANCES_RESP_REQUESTED_PATH_RESULT_CURR_INSTS);
    pb_write_text(&buf, USP_GET_INSTANCES_RESP_CURR_INSTANCE_INSTANTIATED_OBJ_PATH, STR("A.7."));
    pb_write_entry(&buf, USP_GET_INSTANCES_RESP_CURR_INSTANCE_UNIQUE_KEYS, STR("Alias"), STR("x"));
    pb_end(&buf, row);
    pb_end(&buf, result);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_INSTANCES_RESP, USP_BODY_RESPONSE, USP_RESPONSE_GET_INSTANCES_RESP);
    check_facts(&buf, "2 A.|A.7.|| 0  0 0 0\n"
                      "6 A.|A.7.|Alias|x 0  0 0 0\n");
}

static void test_set_resp(void **state)
{
    struct buf buf;
    size_t marks[4];

    (void)state;
    begin(&buf);
    marks[0] = pb_begin(&buf, USP_SET_RESP_UPDATED_OBJ_RESULTS);
    pb_write_text(&buf, USP_SET_RESP_UPDATED_OBJECT_RESULT_REQUESTED_PATH, STR("A.*."));
    marks[1] = pb_begin(&buf, USP_SET_RESP_UPDATED_OBJECT_RESULT_OPER_STATUS);
    marks[2] = pb_begin(&buf, USP_SET_RESP_OPERATION_STATUS_OPER_SUCCESS);
    marks[3] = pb_begin(&buf, USP_SET_RESP_OPERATION_SUCCESS_UPDATED_INST_RESULTS);
    pb_write_text(&buf, USP_SET_RESP_UPDATED_INSTANCE_RESULT_AFFECTED_PATH, STR("A.1."));
    pb_write_entry(&buf, USP_SET_RESP_UPDATED_INSTANCE_RESULT_UPDATED_PARAMS, STR("P"), STR("v"));
    for (int i = 3; i >= 0; i--)
        pb_end(&buf, marks[i]);
    marks[0] = pb_begin(&buf, USP_SET_RESP_UPDATED_OBJ_RESULTS);
    pb_write_text(&buf, USP_SET_RESP_UPDATED_OBJECT_RESULT_REQUESTED_PATH, STR("B."));
    marks[1] = pb_begin(&buf, USP_SET_RESP_UPDATED_OBJECT_RESULT_OPER_STATUS);
    marks[2] = pb_begin(&buf, USP_SET_RESP_OPERATION_STATUS_OPER_FAILURE);
    put_failure(&buf, 7021, "required");
    marks[3] = pb_begin(&buf, USP_SET_RESP_OPERATION_FAILURE_UPDATED_INST_FAILURES);
    pb_write_text(&buf, USP_SET_RESP_UPDATED_INSTANCE_FAILURE_AFFECTED_PATH, STR("B."));
    {
        size_t inner = pb_begin(&buf, USP_SET_RESP_UPDATED_INSTANCE_FAILURE_PARAM_ERRS);

        pb_write_text(&buf, USP_SET_RESP_PARAMETER_ERROR_PARAM, STR("P"));
        pb_write_fixed32(&buf, USP_SET_RESP_PARAMETER_ERROR_ERR_CODE, 7012);
        pb_write_text(&buf, USP_SET_RESP_PARAMETER_ERROR_ERR_MSG, STR("bad"));
        pb_end(&buf, inner);
    }
    for (int i = 3; i >= 0; i--)
        pb_end(&buf, marks[i]);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_SET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_SET_RESP);
    check_facts(&buf, "4 A.*.|A.1.|| 0  0 0 0\n"
                      "1 A.*.|A.1.|P|v 0  0 0 0\n"
                      "0 B.||| 7021 required 0 0 0\n"
                      "0 B.|B.|P| 7012 bad 0 0 0\n");
}

static void test_add_resp(void **state)
{
    struct buf buf;
    size_t marks[4];

    (void)state;
    begin(&buf);
    marks[0] = pb_begin(&buf, USP_ADD_RESP_CREATED_OBJ_RESULTS);
    marks[1] = pb_begin(&buf, USP_ADD_RESP_CREATED_OBJECT_RESULT_OPER_STATUS);
    marks[2] = pb_begin(&buf, USP_ADD_RESP_OPERATION_STATUS_OPER_SUCCESS);
    pb_write_text(&buf, USP_ADD_RESP_OPERATION_SUCCESS_INSTANTIATED_PATH, STR("A.3."));
    marks[3] = pb_begin(&buf, USP_ADD_RESP_OPERATION_SUCCESS_PARAM_ERRS);
    pb_write_text(&buf, USP_ADD_RESP_PARAMETER_ERROR_PARAM, STR("Q"));
    pb_write_fixed32(&buf, USP_ADD_RESP_PARAMETER_ERROR_ERR_CODE, 7010);
    pb_end(&buf, marks[3]);
    pb_write_entry(&buf, USP_ADD_RESP_OPERATION_SUCCESS_UNIQUE_KEYS, STR("Alias"), STR("c"));
    pb_end(&buf, marks[2]);
    pb_end(&buf, marks[1]);
    pb_write_text(&buf, USP_ADD_RESP_CREATED_OBJECT_RESULT_REQUESTED_PATH, STR("A."));
    pb_end(&buf, marks[0]);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_ADD_RESP, USP_BODY_RESPONSE, USP_RESPONSE_ADD_RESP);
    check_facts(&buf, "3 A.|A.3.|| 0  0 0 0\n"
                      "6 A.|A.3.|Alias|c 0  0 0 0\n"
                      "0 A.|A.3.|Q| 7010  0 0 0\n");
}

static void test_delete_resp(void **state)
{
    struct buf buf;
    size_t marks[4];

    (void)state;
    begin(&buf);
    marks[0] = pb_begin(&buf, USP_DELETE_RESP_DELETED_OBJ_RESULTS);
    pb_write_text(&buf, USP_DELETE_RESP_DELETED_OBJECT_RESULT_REQUESTED_PATH, STR("A.*."));
    marks[1] = pb_begin(&buf, USP_DELETE_RESP_DELETED_OBJECT_RESULT_OPER_STATUS);
    marks[2] = pb_begin(&buf, USP_DELETE_RESP_OPERATION_STATUS_OPER_SUCCESS);
    pb_write_text(&buf, USP_DELETE_RESP_OPERATION_SUCCESS_AFFECTED_PATHS, STR("A.1."));
    pb_write_text(&buf, USP_DELETE_RESP_OPERATION_SUCCESS_AFFECTED_PATHS, STR("A.2."));
    marks[3] = pb_begin(&buf, USP_DELETE_RESP_OPERATION_SUCCESS_UNAFFECTED_PATH_ERRS);
    pb_write_text(&buf, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_UNAFFECTED_PATH, STR("A.3."));
    pb_write_fixed32(&buf, USP_DELETE_RESP_UNAFFECTED_PATH_ERROR_ERR_CODE, 7006);
    for (int i = 3; i >= 0; i--)
        pb_end(&buf, marks[i]);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_DELETE_RESP, USP_BODY_RESPONSE, USP_RESPONSE_DELETE_RESP);
    check_facts(&buf, "5 A.*.|A.1.|| 0  0 0 0\n"
                      "5 A.*.|A.2.|| 0  0 0 0\n"
                      "0 A.*.|A.3.|| 7006  0 0 0\n");
}

static void test_operate_resp(void **state)
{
    struct buf buf;
    size_t result;
    size_t inner;

    (void)state;
    begin(&buf);
    result = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULTS);
    pb_write_text(&buf, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, STR("A.1.C()"));
    pb_write_text(&buf, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OBJ_PATH, STR("R.1."));
    pb_end(&buf, result);
    result = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULTS);
    inner = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULT_REQ_OUTPUT_ARGS);
    pb_write_entry(&buf, USP_OPERATE_RESP_OUTPUT_ARGS_OUTPUT_ARGS, STR("O"), STR("x"));
    pb_end(&buf, inner);
    pb_write_text(&buf, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, STR("A.2.C()"));
    pb_end(&buf, result);
    result = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULTS);
    pb_write_text(&buf, USP_OPERATE_RESP_OPERATION_RESULT_EXECUTED_COMMAND, STR("A.3.C()"));
    inner = pb_begin(&buf, USP_OPERATE_RESP_OPERATION_RESULT_CMD_FAILURE);
    put_failure(&buf, 7022, "failed");
    pb_end(&buf, inner);
    pb_end(&buf, result);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_OPERATE_RESP, USP_BODY_RESPONSE, USP_RESPONSE_OPERATE_RESP);
    check_facts(&buf, "9 A.1.C()|A.1.C()||R.1. 0  0 0 0\n"
                      "7 A.2.C()|A.2.C()|| 0  0 0 0\n"
                      "8 A.2.C()|A.2.C()|O|x 0  0 0 0\n"
                      "0 A.3.C()|A.3.C()|| 7022 failed 0 0 0\n");
}

static void test_supported_resp(void **state)
{
    struct buf buf;
    size_t marks[3];

    (void)state;
    begin(&buf);
    marks[0] = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_REQ_OBJ_RESULTS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_REQ_OBJ_PATH, STR("A."));
    marks[1] = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_REQUESTED_OBJECT_RESULT_SUPPORTED_OBJS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_OBJ_PATH, STR("A.{i}."));
    pb_write_uint(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_ACCESS, 1);
    pb_write_uint(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_IS_MULTI_INSTANCE, 1);
    marks[2] = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_PARAMS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_PARAM_NAME, STR("P"));
    pb_write_uint(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_ACCESS, 1);
    pb_write_uint(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_PARAM_RESULT_VALUE_TYPE, 8);
    pb_end(&buf, marks[2]);
    marks[2] = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_COMMANDS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_NAME, STR("C()"));
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_INPUT_ARG_NAMES, STR("I"));
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_OUTPUT_ARG_NAMES, STR("O"));
    pb_write_uint(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_COMMAND_RESULT_COMMAND_TYPE, 2);
    pb_end(&buf, marks[2]);
    marks[2] = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_SUPPORTED_EVENTS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_EVENT_RESULT_EVENT_NAME, STR("E!"));
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_EVENT_RESULT_ARG_NAMES, STR("X"));
    pb_end(&buf, marks[2]);
    marks[2] = pb_begin(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_OBJECT_RESULT_UNIQUE_KEY_SETS);
    pb_write_text(&buf, USP_GET_SUPPORTED_DM_RESP_SUPPORTED_UNIQUE_KEY_SET_KEY_NAMES, STR("P"));
    pb_end(&buf, marks[2]);
    pb_end(&buf, marks[1]);
    pb_end(&buf, marks[0]);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_SUPPORTED_DM_RESP, USP_BODY_RESPONSE,
            USP_RESPONSE_GET_SUPPORTED_DM_RESP);
    check_facts(&buf, "10 A.|A.{i}.|| 0  1 0 1\n"
                      "11 A.|A.{i}.|P| 0  1 8 1\n"
                      "12 A.|A.{i}.|C()| 0  2 0 1\n"
                      "13 A.|A.{i}.|C()|I 0  2 0 1\n"
                      "14 A.|A.{i}.|C()|O 0  2 0 1\n"
                      "15 A.|A.{i}.|E!| 0  0 0 1\n"
                      "16 A.|A.{i}.|E!|X 0  0 0 1\n"
                      "17 A.|A.{i}.||P 0  1 0 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_on_the_wire),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_empty_and_full),
        cmocka_unit_test(test_notify_response),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_get_resp),
        cmocka_unit_test(test_get_instances_resp),
        cmocka_unit_test(test_set_resp),
        cmocka_unit_test(test_add_resp),
        cmocka_unit_test(test_delete_resp),
        cmocka_unit_test(test_operate_resp),
        cmocka_unit_test(test_supported_resp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
