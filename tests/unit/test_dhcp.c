/* SPDX-License-Identifier: BSD-3-Clause */
/* What a DHCP server says of a controller: the bytes, and the address in them (R-DIS.1a to R-DIS.1c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/dhcp.h"

#define V4(length) "\0\0\x0d\xe9" length
#define V6 "\0\0\x0d\xe9"

/* Parses a copy of exactly this size, so that a byte too far is seen. */
static int parse(struct str option, enum dhcp_family family, struct dhcp_answer *answer, struct error *err)
{
    char *copy = malloc(option.len ? option.len : 1);
    int result;

    memcpy(copy, option.data, option.len);
    result = dhcp_parse((struct str){copy, option.len}, family, answer, err);
    free(copy);
    return result;
}

static void all_of_v4(void **state)
{
    struct dhcp_answer answer = {.url = ""};

    (void)state;
    assert_int_equal(parse(STR("\0\0\0\x09\x03"
                               "abc" V4("\x35") "\x19\x0fwss://c.example"
                                                "\x1a\x05"
                                                "code\0"
                                                "\x1b\x02"
                                                "30"
                                                "\x1c\x04"
                                                "1500"
                                                "\x1d\x09"
                                                "self::ctl"
                                                "\x01\x01x\x04\x03"
                                                "abc"),
                           DHCP_V4, &answer, NULL),
                     0);
    assert_string_equal(answer.url, "wss://c.example");
    assert_string_equal(answer.provisioning_code, "code");
    assert_int_equal(answer.retry_minimum, 30);
    assert_int_equal(answer.retry_multiplier, 1500);
    assert_string_equal(answer.endpoint_id, "self::ctl");
    assert_false(dhcp_answer_empty(&answer));
}

static void all_of_v6(void **state)
{
    struct dhcp_answer answer = {.url = ""};

    (void)state;
    assert_int_equal(parse(STR(V6 "\0\x19\0\x09"
                                  "c.example"
                                  "\0\x1a\0\x02"
                                  "a\0"
                                  "\0\x1b\0\x01"
                                  "1"
                                  "\0\x1c\0\x05"
                                  "65535"
                                  "\0\x1d\0\x06"
                                  "os::1\0"),
                           DHCP_V6, &answer, NULL),
                     0);
    assert_string_equal(answer.url, "c.example");
    assert_string_equal(answer.provisioning_code, "a");
    assert_int_equal(answer.retry_minimum, 1);
    assert_int_equal(answer.retry_multiplier, 65535);
    assert_string_equal(answer.endpoint_id, "os::1");
}

static void nothing_for_us(void **state)
{
    struct dhcp_answer answer = {.url = ""};

    (void)state;
    assert_int_equal(parse(STR(""), DHCP_V4, &answer, NULL), 0);
    assert_int_equal(parse(STR("\0\0\0\x09\x02\x19\0"), DHCP_V4, &answer, NULL), 0);
    assert_int_equal(parse(STR("\0\0\0\x09\0\x19\0\x01x"), DHCP_V6, &answer, NULL), 0);
    assert_int_equal(parse(STR(V4("\x04") "\x19\0\x1a\0"), DHCP_V4, &answer, NULL), 0);
    assert_int_equal(parse(STR(V4("\x03") "\x1a\x01\0"), DHCP_V4, &answer, NULL), 0); /* only a NUL */
    assert_true(dhcp_answer_empty(&answer));
}

static void several_options_add_up(void **state)
{
    struct dhcp_answer answer = {.url = ""};
    struct error err;

    (void)state;
    assert_int_equal(parse(STR(V4("\x03") "\x1a\x01"
                                          "a" V4("\x03") "\x19\x01"
                                                         "h"),
                           DHCP_V4, &answer, NULL),
                     0);
    assert_string_equal(answer.provisioning_code, "a");
    assert_string_equal(answer.url, "h");
    assert_int_equal(parse(STR(V4("\x03") "\x1a\x01"
                                          "b"),
                           DHCP_V4, &answer, &err),
                     -1);
    assert_string_equal(err.message, "DHCP sub-option 26 is there twice");
    assert_string_equal(answer.provisioning_code, "a");
}

/* What is refused is refused as a whole. */
static void refused(void **state)
{
    static const struct {
        struct str option;
        enum dhcp_family family;
    } cases[] = {
        {STR("\0"), DHCP_V4},
        {STR("\0\0\x0d\xe9"), DHCP_V4},
        {STR(V4("\x01")), DHCP_V4},
        {STR(V4("\x01") "\x1a"), DHCP_V4},
        {STR(V4("\x02") "\x1a\x01"), DHCP_V4},
        {STR(V4("\x03") "\x1a\x02x"), DHCP_V4},
        {STR(V4("\x03") "\x1a\x01x\0"), DHCP_V4},    /* a byte behind it */
        {STR(V4("\x05") "\x1a\x03x\0y"), DHCP_V4},   /* a NUL inside */
        {STR(V4("\x04") "\x1a\x02x\n"), DHCP_V4},    /* no text */
        {STR(V4("\x03") "\x1a\x01\xff"), DHCP_V4},   /* no UTF-8 */
        {STR(V4("\x04") "\x1b\x02\0\x1e"), DHCP_V4}, /* a number that is not in digits */
        {STR(V4("\x03") "\x1b\x01"
                        "0"),
         DHCP_V4},
        {STR(V4("\x07") "\x1b\x05"
                        "65536"),
         DHCP_V4},
        {STR(V4("\x05") "\x1c\x03"
                        "999"),
         DHCP_V4},
        {STR(V4("\x06") "\x1c\x04"
                        "+999"),
         DHCP_V4},
        {STR(V4("\x06") "\x1b\x01"
                        "1"
                        "\x1b\x01"
                        "2"),
         DHCP_V4},
        {STR(V4("\x06") "\x1d\x04"
                        "self"),
         DHCP_V4}, /* no Endpoint ID */
        {STR("\0\0\x0d"), DHCP_V6},
        {STR(V6 "\0"), DHCP_V6},
        {STR(V6 "\0\x1a\0"), DHCP_V6},
        {STR(V6 "\0\x1a\0\x02x"), DHCP_V6},
        {STR(V6 "\0\x1a\xff\xffx"), DHCP_V6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dhcp_answer answer = {.url = "as it was"};
        struct error err;

        print_message("%zu\n", i);
        assert_int_equal(parse(cases[i].option, cases[i].family, &answer, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_VALUE);
        assert_string_equal(answer.url, "as it was");
        assert_string_equal(answer.provisioning_code, "");
        assert_int_equal(answer.retry_minimum, 0);
        assert_int_equal(parse(cases[i].option, cases[i].family, &answer, NULL), -1);
    }
}

/* The longest that fits, and one more. */
static void lengths(void **state)
{
    char option[400] = V4("\0");

    (void)state;
    for (size_t len = 64; len <= 65; len++) {
        struct dhcp_answer answer = {.url = ""};

        option[4] = (char)(len + 2);
        option[5] = 26;
        option[6] = (char)len;
        memset(option + 7, 'x', len);
        assert_int_equal(parse((struct str){option, len + 7}, DHCP_V4, &answer, NULL), len == 64 ? 0 : -1);
        assert_int_equal(strlen(answer.provisioning_code), len == 64 ? 64 : 0);
    }
    for (size_t len = 256; len <= 257; len++) {
        struct dhcp_answer answer = {.url = ""};

        memcpy(option, V6 "\0\x19", 6);
        option[6] = (char)(len >> 8);
        option[7] = (char)len;
        memset(option + 8, 'x', len);
        assert_int_equal(parse((struct str){option, len + 8}, DHCP_V6, &answer, NULL), len == 256 ? 0 : -1);
    }
}

static void addresses(void **state)
{
    static const struct {
        const char *text;
        struct controller_address address;
    } cases[] = {
        {"host.example.com", {.host = "host.example.com.", .port = 443, .tls = true}},
        {"host.example.com.", {.host = "host.example.com.", .port = 443, .tls = true}},
        {"192.0.2.1", {.host = "192.0.2.1", .port = 443, .tls = true, .literal = true}},
        {"wss://h", {.host = "h.", .port = 443, .tls = true, .complete = true}},
        {"wss://h.example:8443/usp",
         {.host = "h.example.", .port = 8443, .path = "/usp", .tls = true, .complete = true}},
        {"wss://h/a?b=c", {.host = "h.", .port = 443, .path = "/a?b=c", .tls = true, .complete = true}},
        {"ws://h:1", {.host = "h.", .port = 1, .complete = true}},
        {"ws://h/", {.host = "h.", .port = 80, .path = "/", .complete = true}},
        {"wss://[2001:db8::1]:9/x",
         {.host = "2001:db8::1", .port = 9, .path = "/x", .tls = true, .complete = true, .literal = true}},
        {"wss://192.0.2.1/x",
         {.host = "192.0.2.1", .port = 443, .path = "/x", .tls = true, .complete = true, .literal = true}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct controller_address *want = &cases[i].address;
        struct controller_address got;

        print_message("%s\n", cases[i].text);
        assert_int_equal(controller_address_parse(str_of(cases[i].text), &got, NULL), 0);
        assert_string_equal(got.host, want->host);
        assert_string_equal(got.path, want->path);
        assert_int_equal(got.port, want->port);
        assert_int_equal(got.tls, want->tls);
        assert_int_equal(got.complete, want->complete);
        assert_int_equal(got.literal, want->literal);
    }
}

static void bad_addresses(void **state)
{
    static const char *const cases[] = {
        "",
        ".",
        "a..b",
        "a b",
        "host:443",
        "host/path",
        "-\x7f",
        "wss://",
        "wss:///x",
        "wss://h:0",
        "wss://h:65536",
        "wss://h:",
        "wss://h:1x",
        "wss://user@h/",
        "wss://h/#f",
        "wss://h/a b",
        "wss://[::1",
        "wss://[h]/",
        "wss://[::1]x",
        "wss://::1/",
        "wss://[192.0.2.1]/",
        "mqtts://b/",
        "mqtt://b",
        "https://h/",
        "://",
        "WSS//h",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
    };
    char name[300] = "wss://h/";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct controller_address address = {.port = 7};
        struct error err;

        print_message("%s\n", cases[i]);
        assert_int_equal(controller_address_parse(str_of(cases[i]), &address, &err), -1);
        assert_true(err.message[0] && address.port == 7);
    }
    memset(name + 8, 'x', 255);
    assert_int_equal(controller_address_parse(str_of(name), &(struct controller_address){0}, NULL), -1);
    for (size_t i = 0; i < 299; i++)
        name[i] = i % 2 ? '.' : 'a';
    assert_int_equal(controller_address_parse(str_of(name), &(struct controller_address){0}, NULL), -1);
    assert_int_equal(controller_address_parse((struct str){name, 253}, &(struct controller_address){0}, NULL),
                     0);
    assert_int_equal(controller_address_parse((struct str){name, 254}, &(struct controller_address){0}, NULL),
                     -1);
}

static void endpoint_ids(void **state)
{
    char id[300];

    (void)state;
    assert_true(endpoint_id_valid(STR("self::a")));
    assert_true(endpoint_id_valid(STR("os::012345-A%20B")));
    assert_true(endpoint_id_valid(STR("proto:org:x:y")));
    assert_false(endpoint_id_valid(STR("")));
    assert_false(endpoint_id_valid(STR("self:a")));
    assert_false(endpoint_id_valid(STR("self::")));
    assert_false(endpoint_id_valid(STR("::a")));
    assert_false(endpoint_id_valid(STR("self::a b")));
    assert_false(endpoint_id_valid(STR("self::a\n")));
    assert_false(endpoint_id_valid(STR("self::\xc3\xa4")));
    memset(id, 'a', sizeof(id));
    memcpy(id, "self::", 6);
    assert_true(endpoint_id_valid((struct str){id, 256}));
    assert_false(endpoint_id_valid((struct str){id, 257}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_v4),      cmocka_unit_test(all_of_v6),
        cmocka_unit_test(nothing_for_us), cmocka_unit_test(several_options_add_up),
        cmocka_unit_test(refused),        cmocka_unit_test(lengths),
        cmocka_unit_test(addresses),      cmocka_unit_test(bad_addresses),
        cmocka_unit_test(endpoint_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
