/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "tests/unit/client_wire.h"

/* ---- what is no message ---- */

static void check_refused(struct buf *buf)
{
    struct usp_client_message message;
    struct error err = {0};

    assert_int_equal(usp_client_parse(bytes_of(buf), &message, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    buf_done(buf);
}

static void test_refused(void **state)
{
    struct buf buf;

    (void)state;
    begin(&buf); /* nothing */
    check_refused(&buf);
    begin(&buf); /* the header says GET_RESP, the body is a SET_RESP */
    buf_room(&buf, 0);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_SET_RESP);
    check_refused(&buf);
    begin(&buf); /* a response in a request */
    buf_room(&buf, 0);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_REQUEST, USP_RESPONSE_GET_RESP);
    check_refused(&buf);
    begin(&buf); /* two members of a oneof */
    pb_write_bytes(&buf, USP_RESPONSE_GET_RESP, STR(""));
    pb_write_bytes(&buf, USP_RESPONSE_GET_RESP, STR(""));
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_RESPONSE, 0);
    check_refused(&buf);
    begin(&buf); /* a type that does not exist, and one that nobody sends to a controller */
    buf_room(&buf, 0);
    wrap_as(&buf, 99, USP_BODY_RESPONSE, USP_RESPONSE_GET_RESP);
    check_refused(&buf);
    begin(&buf);
    buf_room(&buf, 0);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_REGISTER, USP_BODY_REQUEST, USP_REQUEST_REGISTER);
    check_refused(&buf);
}

static void test_malformed_content(void **state)
{
    struct usp_client_message message;
    struct told told = {.len = 0};
    struct error err;
    struct buf buf;
    size_t mark;

    (void)state;
    begin(&buf); /* a path that is no UTF-8 */
    mark = pb_begin(&buf, USP_GET_RESP_REQ_PATH_RESULTS);
    pb_write_bytes(&buf, USP_GET_RESP_REQUESTED_PATH_RESULT_REQUESTED_PATH, STR("\xff"));
    pb_end(&buf, mark);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_GET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_GET_RESP);
    assert_int_equal(usp_client_parse(bytes_of(&buf), &message, &err), 0);
    assert_int_equal(usp_client_read(&message, tell, &told, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENTS);
    buf_done(&buf);
    begin(&buf); /* a number where a message should be */
    pb_write_uint(&buf, USP_SET_RESP_UPDATED_OBJ_RESULTS, 5);
    wrap_as(&buf, USP_HEADER_MSG_TYPE_SET_RESP, USP_BODY_RESPONSE, USP_RESPONSE_SET_RESP);
    assert_int_equal(usp_client_parse(bytes_of(&buf), &message, &err), 0);
    assert_int_equal(usp_client_read(&message, tell, &told, &err), -1);
    assert_int_equal(told.count, 0);
    buf_done(&buf);
}

/* ---- notifications ---- */

static struct usp_client_notify read_notify(struct buf *buf, struct told *told)
{
    struct usp_client_notify notify;
    struct usp_client_message message;
    struct error err;

    pb_write_text(buf, USP_NOTIFY_SUBSCRIPTION_ID, STR("sub"));
    pb_write_uint(buf, USP_NOTIFY_SEND_RESP, 1);
    wrap_as(buf, USP_HEADER_MSG_TYPE_NOTIFY, USP_BODY_REQUEST, USP_REQUEST_NOTIFY);
    assert_int_equal(usp_client_parse(bytes_of(buf), &message, &err), 0);
    assert_int_equal(usp_client_read_notify(&message, &notify, tell, told, &err), 0);
    assert_true(str_is(notify.subscription_id, "sub") && notify.send_resp);
    return notify;
}

static void test_notify_event(void **state)
{
    struct told told = {.len = 0};
    struct usp_client_notify notify;
    struct buf buf;
    size_t mark;

    (void)state;
    begin(&buf);
    mark = pb_begin(&buf, USP_NOTIFY_EVENT);
    pb_write_entry(&buf, USP_NOTIFY_EVENT_PARAMS, STR("Cause"), STR("LocalReboot"));
    pb_write_text(&buf, USP_NOTIFY_EVENT_OBJ_PATH, STR("Device."));
    pb_write_text(&buf, USP_NOTIFY_EVENT_EVENT_NAME, STR("Boot!"));
    pb_end(&buf, mark);
    notify = read_notify(&buf, &told);
    assert_int_equal(notify.kind, USP_CLIENT_EVENT);
    assert_true(str_is(notify.path, "Device.") && str_is(notify.name, "Boot!"));
    assert_non_null(strstr(told.text, "|Device.|Cause|LocalReboot 0"));
    buf_done(&buf);
}

static void test_notify_rows_and_values(void **state)
{
    struct told told = {.len = 0};
    struct usp_client_notify notify;
    struct buf buf;
    size_t mark;

    (void)state;
    begin(&buf);
    mark = pb_begin(&buf, USP_NOTIFY_VALUE_CHANGE);
    pb_write_text(&buf, USP_NOTIFY_VALUE_CHANGE_PARAM_PATH, STR("A.P"));
    pb_write_text(&buf, USP_NOTIFY_VALUE_CHANGE_PARAM_VALUE, STR("v"));
    pb_end(&buf, mark);
    notify = read_notify(&buf, &told);
    assert_true(notify.kind == USP_CLIENT_VALUE_CHANGE && str_is(notify.path, "A.P") &&
                str_is(notify.value, "v"));
    buf_done(&buf);
    begin(&buf);
    mark = pb_begin(&buf, USP_NOTIFY_OBJ_CREATION);
    pb_write_text(&buf, USP_NOTIFY_OBJECT_CREATION_OBJ_PATH, STR("A.1."));
    pb_write_entry(&buf, USP_NOTIFY_OBJECT_CREATION_UNIQUE_KEYS, STR("Alias"), STR("x"));
    pb_end(&buf, mark);
    notify = read_notify(&buf, &told);
    assert_true(notify.kind == USP_CLIENT_CREATION && str_is(notify.path, "A.1."));
    assert_non_null(strstr(told.text, "|A.1.|Alias|x 0"));
    buf_done(&buf);
    begin(&buf);
    mark = pb_begin(&buf, USP_NOTIFY_OBJ_DELETION);
    pb_write_text(&buf, USP_NOTIFY_OBJECT_DELETION_OBJ_PATH, STR("A.1."));
    pb_end(&buf, mark);
    notify = read_notify(&buf, &told);
    assert_true(notify.kind == USP_CLIENT_DELETION && str_is(notify.path, "A.1."));
    buf_done(&buf);
}

static void test_notify_complete(void **state)
{
    struct told told = {.len = 0};
    struct usp_client_notify notify;
    struct buf buf;

    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        size_t mark;
        size_t inner;

        begin(&buf);
        mark = pb_begin(&buf, USP_NOTIFY_OPER_COMPLETE);
        pb_write_text(&buf, USP_NOTIFY_OPERATION_COMPLETE_OBJ_PATH, STR("A.1."));
        pb_write_text(&buf, USP_NOTIFY_OPERATION_COMPLETE_COMMAND_NAME, STR("C()"));
        pb_write_text(&buf, USP_NOTIFY_OPERATION_COMPLETE_COMMAND_KEY, STR("k"));
        inner = pb_begin(&buf, failed ? USP_NOTIFY_OPERATION_COMPLETE_CMD_FAILURE
                                      : USP_NOTIFY_OPERATION_COMPLETE_REQ_OUTPUT_ARGS);
        if (failed)
            put_failure(&buf, 7022, "broken");
        else
            pb_write_entry(&buf, USP_NOTIFY_OUTPUT_ARGS_OUTPUT_ARGS, STR("O"), STR("x"));
        pb_end(&buf, inner);
        pb_end(&buf, mark);
        notify = read_notify(&buf, &told);
        assert_true(notify.kind == USP_CLIENT_COMPLETE && str_is(notify.path, "A.1.") &&
                    str_is(notify.name, "C()") && str_is(notify.key, "k"));
        assert_int_equal(notify.code, failed ? 7022 : 0);
        assert_true(str_is(notify.text, failed ? "broken" : ""));
        buf_done(&buf);
    }
    assert_non_null(strstr(told.text, "|A.1.|O|x 0"));
    assert_int_equal(told.count, 1);
}

static void test_notify_refused(void **state)
{
    struct usp_client_notify notify;
    struct usp_client_message message;
    struct error err;
    struct buf buf;

    (void)state;
    begin(&buf); /* no notification, and two */
    pb_write_text(&buf, USP_NOTIFY_SUBSCRIPTION_ID, STR("sub"));
    wrap_as(&buf, USP_HEADER_MSG_TYPE_NOTIFY, USP_BODY_REQUEST, USP_REQUEST_NOTIFY);
    assert_int_equal(usp_client_parse(bytes_of(&buf), &message, &err), 0);
    assert_int_equal(usp_client_read_notify(&message, &notify, NULL, NULL, &err), -1);
    buf_done(&buf);
    begin(&buf);
    pb_write_bytes(&buf, USP_NOTIFY_OBJ_CREATION, STR(""));
    pb_write_bytes(&buf, USP_NOTIFY_OBJ_DELETION, STR(""));
    wrap_as(&buf, USP_HEADER_MSG_TYPE_NOTIFY, USP_BODY_REQUEST, USP_REQUEST_NOTIFY);
    assert_int_equal(usp_client_parse(bytes_of(&buf), &message, &err), 0);
    assert_int_equal(usp_client_read_notify(&message, &notify, NULL, NULL, &err), -1);
    assert_int_equal(usp_client_read(&message, NULL, NULL, &err), -1); /* a Notify is no answer */
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_malformed_content),
        cmocka_unit_test(test_notify_event),    cmocka_unit_test(test_notify_rows_and_values),
        cmocka_unit_test(test_notify_complete), cmocka_unit_test(test_notify_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
