/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/usp_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum how {
    TEXT,   /* label and text */
    NUMBER, /* label and number */
    ENTRY,  /* key=value */
    REASON, /* err_msg: must be there, not shown */
    INNER,  /* label{...} */
    PLAIN,  /* a message whose braces are not shown */
};

struct shape {
    unsigned number;
    enum how how;
    const char *label;
    const struct shape *inner;
};

#define CODE                \
    {1, NUMBER, "#", NULL}, \
    {                       \
        2, REASON, "", NULL \
    }
static const struct shape failure[] = {CODE, {0, TEXT, "", NULL}};
static const struct shape parameter_error[] = {
    {1, TEXT, "", NULL}, {2, NUMBER, "#", NULL}, {3, REASON, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape keyed[] = {{1, TEXT, "", NULL}, {2, ENTRY, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape one_text[] = {{1, TEXT, "", NULL}, {0, TEXT, "", NULL}};

static const struct shape path_result[] = {{1, TEXT, "", NULL},
                                           {2, NUMBER, "#", NULL},
                                           {3, REASON, "", NULL},
                                           {4, INNER, "", keyed},
                                           {0, TEXT, "", NULL}};
static const struct shape path_results[] = {{1, INNER, "", path_result}, {0, TEXT, "", NULL}};

static const struct shape command[] = {{1, TEXT, "", NULL},
                                       {2, TEXT, "in:", NULL},
                                       {3, TEXT, "out:", NULL},
                                       {4, NUMBER, "type:", NULL},
                                       {0, TEXT, "", NULL}};
static const struct shape event[] = {{1, TEXT, "", NULL}, {2, TEXT, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape param[] = {{1, TEXT, "", NULL},
                                     {2, NUMBER, "rw", NULL},
                                     {3, NUMBER, "type:", NULL},
                                     {4, NUMBER, "notify:", NULL},
                                     {0, TEXT, "", NULL}};
static const struct shape object[] = {{1, TEXT, "", NULL},         {2, NUMBER, "access:", NULL},
                                      {3, NUMBER, "table:", NULL}, {4, INNER, "command", command},
                                      {5, INNER, "event", event},  {6, INNER, "param", param},
                                      {8, INNER, "key", one_text}, {0, TEXT, "", NULL}};
static const struct shape object_result[] = {{1, TEXT, "", NULL},    {2, NUMBER, "#", NULL},
                                             {3, REASON, "", NULL},  {4, REASON, "", NULL},
                                             {5, INNER, "", object}, {0, TEXT, "", NULL}};
static const struct shape object_results[] = {{1, INNER, "", object_result}, {0, TEXT, "", NULL}};

static const struct shape added[] = {
    {1, TEXT, "", NULL}, {2, INNER, "perr", parameter_error}, {3, ENTRY, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape add_status[] = {
    {1, INNER, "fail", failure}, {2, INNER, "ok", added}, {0, TEXT, "", NULL}};
static const struct shape add_result[] = {
    {1, TEXT, "", NULL}, {2, PLAIN, "", add_status}, {0, TEXT, "", NULL}};
static const struct shape add_results[] = {{1, INNER, "", add_result}, {0, TEXT, "", NULL}};

static const struct shape deleted[] = {
    {1, TEXT, "", NULL}, {2, INNER, "kept", parameter_error}, {0, TEXT, "", NULL}};
static const struct shape delete_status[] = {
    {1, INNER, "fail", failure}, {2, INNER, "ok", deleted}, {0, TEXT, "", NULL}};
static const struct shape delete_result[] = {
    {1, TEXT, "", NULL}, {2, PLAIN, "", delete_status}, {0, TEXT, "", NULL}};
static const struct shape delete_results[] = {{1, INNER, "", delete_result}, {0, TEXT, "", NULL}};

static const struct shape instance_failure[] = {
    {1, TEXT, "", NULL}, {2, INNER, "perr", parameter_error}, {0, TEXT, "", NULL}};
static const struct shape set_failure[] = {CODE, {3, INNER, "", instance_failure}, {0, TEXT, "", NULL}};
static const struct shape updated[] = {
    {1, TEXT, "", NULL}, {2, INNER, "perr", parameter_error}, {3, ENTRY, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape set_success[] = {{1, INNER, "", updated}, {0, TEXT, "", NULL}};
static const struct shape set_status[] = {
    {1, INNER, "fail", set_failure}, {2, INNER, "ok", set_success}, {0, TEXT, "", NULL}};
static const struct shape set_result[] = {
    {1, TEXT, "", NULL}, {2, PLAIN, "", set_status}, {0, TEXT, "", NULL}};
static const struct shape set_results[] = {{1, INNER, "", set_result}, {0, TEXT, "", NULL}};

static const struct shape outputs[] = {{1, ENTRY, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape operate_result[] = {{1, TEXT, "", NULL},
                                              {2, TEXT, "request:", NULL},
                                              {3, INNER, "out", outputs},
                                              {4, INNER, "fail", failure},
                                              {0, TEXT, "", NULL}};
static const struct shape operate_results[] = {{1, INNER, "", operate_result}, {0, TEXT, "", NULL}};

static const struct shape told_event[] = {
    {1, TEXT, "", NULL}, {2, TEXT, "", NULL}, {3, ENTRY, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape told_value[] = {{1, TEXT, "", NULL}, {2, TEXT, "=", NULL}, {0, TEXT, "", NULL}};
static const struct shape told_complete[] = {{1, TEXT, "", NULL},         {2, TEXT, "", NULL},
                                             {3, TEXT, "key:", NULL},     {4, INNER, "out", outputs},
                                             {5, INNER, "fail", failure}, {0, TEXT, "", NULL}};
static const struct shape told_onboard[] = {
    {1, TEXT, "", NULL}, {2, TEXT, "", NULL}, {3, TEXT, "", NULL}, {4, TEXT, "", NULL}, {0, TEXT, "", NULL}};
static const struct shape notify[] = {{1, TEXT, "", NULL},
                                      {2, NUMBER, "resp:", NULL},
                                      {3, INNER, "event", told_event},
                                      {4, INNER, "value", told_value},
                                      {5, INNER, "created", keyed},
                                      {6, INNER, "deleted", one_text},
                                      {7, INNER, "complete", told_complete},
                                      {8, INNER, "onboard", told_onboard},
                                      {0, TEXT, "", NULL}};
static const struct shape error[] = {CODE, {3, INNER, "perr", parameter_error}, {0, TEXT, "", NULL}};

static const struct {
    unsigned type, body, member;
    const char *name;
    const struct shape *shape;
} messages[] = {
    {2, 2, 1, "GET_RESP", path_results},     {3, 1, 8, "NOTIFY", notify},
    {5, 2, 4, "SET_RESP", set_results},      {7, 2, 7, "OPERATE_RESP", operate_results},
    {9, 2, 5, "ADD_RESP", add_results},      {11, 2, 6, "DELETE_RESP", delete_results},
    {13, 2, 2, "GSDM_RESP", object_results}, {15, 2, 3, "INSTANCES_RESP", path_results},
    {18, 2, 9, "PROTOCOL_RESP", one_text},
};

/* ---- reading ---- */

struct field {
    unsigned number;
    unsigned wire;
    uint64_t value;
    struct str bytes;
};

static uint64_t varint(struct str *rest)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte;

        assert_true(rest->len > 0 && shift < 64);
        byte = (unsigned char)*rest->data++;
        rest->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static struct field next(struct str *rest)
{
    uint64_t tag = varint(rest);
    struct field field = {.number = (unsigned)(tag >> 3), .wire = (unsigned)(tag & 7)};

    if (field.wire == 0) {
        field.value = varint(rest);
        return field;
    }
    assert_true(field.wire == 2 || field.wire == 5);
    field.bytes.len = field.wire == 5 ? 4 : varint(rest);
    assert_true(field.bytes.len <= rest->len);
    field.bytes.data = rest->data;
    rest->data += field.bytes.len;
    rest->len -= field.bytes.len;
    for (unsigned i = 0; field.wire == 5 && i < 4; i++)
        field.value |= (uint64_t)(unsigned char)field.bytes.data[i] << 8 * i;
    return field;
}

static void blank(struct buf *to)
{
    if (to->len && buf_data(to)[to->len - 1] != '{' && buf_data(to)[to->len - 1] != '\n')
        buf_append_str(to, " ");
}

static void write_entry(struct buf *to, struct str entry)
{
    struct str parts[2] = {STR(""), STR("")};

    while (entry.len) {
        struct field field = next(&entry);

        assert_true(field.number == 1 || field.number == 2);
        parts[field.number - 1] = field.bytes;
    }
    blank(to);
    buf_printf(to, "%.*s=%.*s", (int)parts[0].len, parts[0].data, (int)parts[1].len, parts[1].data);
}

static void write_shape(struct buf *to, struct str bytes, const struct shape *shape)
{
    bool code = false, reason = false;

    while (bytes.len) {
        struct field field = next(&bytes);
        const struct shape *at = shape;

        while (at->number && at->number != field.number)
            at++;
        if (!at->number)
            fail_msg("field %u is not in the schema; so far: %s", field.number, buf_cstr(to));
        switch (at->how) {
        case TEXT:
            assert_true(str_is_utf8(field.bytes));
            blank(to);
            buf_printf(to, "%s%.*s", at->label, (int)field.bytes.len, field.bytes.data);
            break;
        case NUMBER:
            blank(to);
            buf_printf(to, "%s%llu", at->label, (unsigned long long)field.value);
            code = code || at->label[0] == '#';
            break;
        case REASON:
            assert_true(field.bytes.len > 0);
            reason = true;
            break;
        case ENTRY:
            write_entry(to, field.bytes);
            break;
        case INNER:
            blank(to);
            buf_printf(to, "%s{", at->label);
            write_shape(to, field.bytes, at->inner);
            buf_append_str(to, "}");
            break;
        case PLAIN:
            write_shape(to, field.bytes, at->inner);
            break;
        }
    }
    if (code)
        assert_true(reason);
}

/* The only field of a message, which must be this one if number is not 0. */
static struct field only(struct str bytes, unsigned number)
{
    struct field field = next(&bytes);

    assert_int_equal(bytes.len, 0);
    if (number)
        assert_int_equal(field.number, number);
    return field;
}

void usp_text_message(struct buf *to, struct str message)
{
    struct field header = next(&message);
    struct field body = next(&message);
    struct field id = next(&header.bytes);
    struct field type = {.value = 0};
    struct field inner, content;

    assert_true(header.number == 1 && body.number == 2 && message.len == 0);
    assert_true(id.number == 1 && id.bytes.len > 0);
    if (header.bytes.len)
        type = only(header.bytes, 2);
    inner = only(body.bytes, 0);
    if (inner.number == 3) {
        assert_int_equal(type.value, 0);
        buf_printf(to, "ERROR %.*s", (int)id.bytes.len, id.bytes.data);
        write_shape(to, inner.bytes, error);
        return;
    }
    content = only(inner.bytes, 0);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (messages[i].body != inner.number || messages[i].member != content.number)
            continue;
        assert_int_equal(type.value, messages[i].type);
        buf_append_str(to, messages[i].name);
        if (messages[i].type != 3) /* a Notify's msg_id is ours to choose */
            buf_printf(to, " %.*s", (int)id.bytes.len, id.bytes.data);
        write_shape(to, content.bytes, messages[i].shape);
        return;
    }
    fail_msg("a message of unknown type: %u.%u", inner.number, content.number);
}

/* "session 7 1/2 " and the message, if the record has a whole one that is not secured; else "[bytes]" of each entry. */
static void write_session(struct buf *to, struct str body, bool secured)
{
    unsigned long long numbers[8] = {0};
    struct str entries = body;

    while (body.len) {
        struct field field = next(&body);

        assert_in_range(field.number, 1, 7);
        numbers[field.number] = field.number < 7 ? field.value : numbers[7] + 1;
    }
    if (numbers[1] < 1000) /* one that a test made up */
        buf_printf(to, "session %llu ", numbers[1]);
    else
        buf_append_str(to, "session new ");
    buf_printf(to, "%llu/%llu", numbers[2], numbers[3]);
    if (numbers[4])
        buf_printf(to, " again=%llu", numbers[4]);
    if (numbers[5] || numbers[6])
        buf_printf(to, " sar=%llu/%llu", numbers[5], numbers[6]);
    while (entries.len) {
        struct field field = next(&entries);

        if (field.number != 7)
            continue;
        buf_append_str(to, " ");
        if (secured || numbers[5] || numbers[6])
            buf_printf(to, "[%zu]", field.bytes.len);
        else
            usp_text_message(to, field.bytes);
    }
}

void usp_text_record(struct buf *to, struct str record, const char *from_id)
{
    static const char *const types[] = {"", "websocket", "mqtt", "stomp", "disconnect", "uds"};

    bool secured = false;

    while (record.len) {
        struct field field = next(&record);

        if (field.number == 1)
            assert_true(str_is(field.bytes, "1.4"));
        else if (field.number == 2)
            buf_printf(to, "%.*s ", (int)field.bytes.len, field.bytes.data);
        else if (field.number == 3)
            assert_true(str_is(field.bytes, from_id));
        else if (field.number == 4)
            secured = field.value == 1;
        else if (field.number == 5)
            buf_append_str(to, field.bytes.len == 32 ? "mac " : "signed ");
        else if (field.number == 6)
            assert_true(field.bytes.len > 0);
        else if (field.number == 7)
            usp_text_message(to, only(field.bytes, 2).bytes);
        else if (field.number == 8)
            write_session(to, field.bytes, secured);
        else if (field.number > 7 && field.number <= 13)
            buf_append_str(to, types[field.number - 8]);
        else
            fail_msg("record field %u is not in the schema", field.number);
        if (field.number == 12)
            write_shape(
                to, field.bytes,
                (const struct shape[]){{1, REASON, "", NULL}, {2, NUMBER, "#", NULL}, {0, TEXT, "", NULL}});
    }
}
