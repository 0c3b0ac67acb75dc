/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/host_port.h"

enum {
    STRICT = 0,
    EVERYTHING = HOST_PORT_LISTEN | HOST_PORT_OPTIONAL | HOST_PORT_BARE_IPV6,
};

static void good(void **state)
{
    static const struct {
        const char *text;
        unsigned taken;
        struct host_port expected;
    } cases[] = {
        {"broker.lan:1883", STRICT, {STR("broker.lan"), false, true, 1883}},
        {"192.0.2.1:1", STRICT, {STR("192.0.2.1"), false, true, 1}},
        {"[fd00::1]:65535", STRICT, {STR("fd00::1"), true, true, 65535}},
        {"[fe80::1%br-lan]:80", STRICT, {STR("fe80::1%br-lan"), true, true, 80}},
        {":8080", HOST_PORT_LISTEN, {STR(""), false, true, 8080}},
        {"127.0.0.1:0", HOST_PORT_LISTEN, {STR("127.0.0.1"), false, true, 0}},
        {"[::]:443", HOST_PORT_LISTEN, {STR("::"), true, true, 443}},
        {"plug.lan", HOST_PORT_OPTIONAL, {STR("plug.lan"), false, false, 0}},
        {"[fd00::1]", HOST_PORT_OPTIONAL, {STR("fd00::1"), true, false, 0}},
        {"plug.lan:81", HOST_PORT_OPTIONAL, {STR("plug.lan"), false, true, 81}},
        {"fd00::1", HOST_PORT_OPTIONAL | HOST_PORT_BARE_IPV6, {STR("fd00::1"), false, false, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char host[HOST_PORT_HOST_BYTES];
        struct host_port got;
        uint16_t port;

        print_message("%s\n", cases[i].text);
        assert_int_equal(host_port_split(str_of(cases[i].text), cases[i].taken, NULL, &got, NULL), 0);
        assert_true(str_equal(got.host, cases[i].expected.host));
        assert_int_equal(got.port, cases[i].expected.port);
        assert_int_equal(got.bracketed, cases[i].expected.bracketed);
        assert_int_equal(got.has_port, cases[i].expected.has_port);
        assert_int_equal(host_port_parse(str_of(cases[i].text), cases[i].taken, NULL, host, &port, NULL), 0);
        assert_true(str_is(cases[i].expected.host, host));
        assert_int_equal(port, cases[i].expected.port);
    }
}

static void bad(void **state)
{
    static const struct {
        const char *text;
        unsigned taken;
        const char *why; /* in the message */
    } cases[] = {
        {"", STRICT, "has no host"},
        {"", EVERYTHING & ~(unsigned)HOST_PORT_OPTIONAL, "has no port"},
        {":80", HOST_PORT_OPTIONAL, "has no host"},
        {"host", STRICT, "has no port"},
        {"[fd00::1]", HOST_PORT_LISTEN, "has no port"},
        {"fd00::1", HOST_PORT_BARE_IPV6, "has no port"},
        {"host:", EVERYTHING, "port that is not one"},
        {"host:0", STRICT, "port that is not one"},
        {"host:00", HOST_PORT_LISTEN, "port that is not one"},
        {"host:65536", EVERYTHING, "port that is not one"},
        {"host:80 ", EVERYTHING, "port that is not one"},
        {"host:+80", EVERYTHING, "port that is not one"},
        {"[fd00::1]:http", EVERYTHING, "port that is not one"},
        {"fd00::1", HOST_PORT_OPTIONAL, "goes in brackets"},
        {"fd00::1:80", HOST_PORT_LISTEN, "goes in brackets"},
        {"[fd00::1", EVERYTHING, "no \"]\""},
        {"[fd00::1]80", EVERYTHING, "more than a port"},
        {"[]:80", EVERYTHING, "no IPv6 address"},
        {"[host]:80", EVERYTHING, "no IPv6 address"},
    };
    struct host_port got = {.port = 7};
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("\"%s\"\n", cases[i].text);
        assert_int_equal(host_port_split(str_of(cases[i].text), cases[i].taken, "key", &got, &err), -1);
        assert_int_equal(got.port, 7);
        assert_string_equal(err.path, "key");
        assert_non_null(strstr(err.message, cases[i].why));
        assert_non_null(strstr(err.message, cases[i].text));
    }
}

/* What is hostile is neither copied beyond its room nor into the log as a whole. */
static void too_long(void **state)
{
    char text[HOST_PORT_HOST_BYTES + 8], host[HOST_PORT_HOST_BYTES];
    struct error err;
    uint16_t port;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + HOST_PORT_HOST_BYTES - 1, ":80", 3);
    assert_int_equal(
        host_port_parse((struct str){text, HOST_PORT_HOST_BYTES + 2}, 0, NULL, host, &port, &err), 0);
    assert_int_equal(strlen(host), HOST_PORT_HOST_BYTES - 1);
    memset(text, 'a', sizeof(text));
    memcpy(text + HOST_PORT_HOST_BYTES, ":80", 3);
    assert_int_equal(
        host_port_parse((struct str){text, HOST_PORT_HOST_BYTES + 3}, 0, NULL, host, &port, &err), -1);
    assert_non_null(strstr(err.message, "too long"));
    assert_true(strlen(err.message) < 150);
}

static void addresses(void **state)
{
    (void)state;
    assert_true(host_is_address("192.0.2.1"));
    assert_true(host_is_address("fd00::1"));
    assert_false(host_is_address("[fd00::1]"));
    assert_false(host_is_address("host"));
    assert_false(host_is_address(""));
    assert_false(host_is_address("192.0.2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(too_long),
        cmocka_unit_test(addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
