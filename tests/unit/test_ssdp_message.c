/* SPDX-License-Identifier: BSD-3-Clause */
/* SSDP messages, to the letter: what is read, what is refused, and whose LOCATION counts. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "scan/ssdp.h"
#include "scan/ssdp_link.h"
#include "tests/unit/test_ssdp.h"

static int read_message(const char *text, struct ssdp_message *message, struct error *err)
{
    return ssdp_parse(str_of(text), message, err);
}

static void messages(void **state)
{
    struct ssdp_message message;

    (void)state;
    assert_int_equal(read_message(ALIVE("http://192.0.2.7/d.xml"), &message, NULL), 0);
    assert_int_equal(message.kind, SSDP_ALIVE);
    assert_true(str_is(message.location, "http://192.0.2.7/d.xml"));
    assert_true(str_is(message.uuid, "abc"));
    assert_int_equal(message.max_age, 100);
    assert_int_equal(
        read_message("HTTP/1.1 200 OK\r\nlocation:http://192.0.2.7/\r\nEXT:\r\nuSn: uuid:x\r\n"
                     "Cache-Control: no-cache=\"Ext\", max-age = 99999999\r\nBOOTID.UPNP.ORG: 7\r\n\r\n",
                     &message, NULL),
        0);
    assert_int_equal(message.max_age, SSDP_MAX_AGE_LAST);
    assert_int_equal(message.boot_id, 7);
    assert_int_equal(
        read_message("NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x::urn:a\r\n\r\n", &message, NULL),
        0);
    assert_int_equal(message.kind, SSDP_BYEBYE);
    assert_int_equal(read_message("NOTIFY * HTTP/1.1\r\nNTS: ssdp:update\r\nUSN: uuid:x\r\nLOCATION: y\r\n"
                                  "BOOTID.UPNP.ORG: 1\r\nNEXTBOOTID.UPNP.ORG: 2\r\n\r\n",
                                  &message, NULL),
                     0);
    assert_int_equal(message.kind, SSDP_UPDATE);
    assert_int_equal(message.boot_id, 2);
    assert_int_equal(message.max_age, SSDP_MAX_AGE);
    assert_int_equal(read_message("M-SEARCH * HTTP/1.1\r\nanything", &message, NULL), 0);
    assert_int_equal(message.kind, SSDP_SEARCH);
}

static void bad_messages(void **state)
{
    static const char *const bad[] = {
        "",
        "\r\n\r\n",
        "NOTIFY * HTTP/1.0\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\n\r\n",
        "NOTIFY /x HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nLOCATION: a\r\nUSN: uuid:x\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\n",                    /* no end */
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\n\r\nmore",            /* a body */
        "NOTIFY * HTTP/1.1\nNTS: ssdp:byebye\nUSN: uuid:x\n\n",                        /* LF */
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\nUSN: uuid:y\r\n\r\n", /* twice */
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\n folded\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\nno colon\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\nA B: c\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\nA: \x1b[31m\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:other\r\nUSN: uuid:x\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nUSN: uuid:x\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: urn:x\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nUSN: uuid:x\r\n\r\n", /* no LOCATION */
    };
    char text[SSDP_MESSAGE_BYTES + 100] = "NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nUSN: uuid:x\r\n";
    struct ssdp_message message;
    size_t len = strlen(text);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (read_message(bad[i], &message, NULL) == 0)
            fail_msg("taken: %s", bad[i]);
    for (size_t i = 2; i < LIMIT_SSDP_HEADERS; i++)
        len += (size_t)sprintf(text + len, "A%zu: b\r\n", i);
    strcpy(text + len, "\r\n");
    assert_int_equal(read_message(text, &message, NULL), 0);
    strcpy(text + len, "One: more\r\n\r\n");
    assert_int_equal(read_message(text, &message, NULL), -1);
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "M-SEARCH * HTTP/1.1\r\n", 21);
    assert_int_equal(ssdp_parse((struct str){text, SSDP_MESSAGE_BYTES}, &message, NULL), 0);
    assert_int_equal(ssdp_parse((struct str){text, SSDP_MESSAGE_BYTES + 1}, &message, NULL), -1);
}

/* ---- LOCATION ---- */

static struct sockaddr_in6 v6(const char *text, uint32_t scope)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_scope_id = scope};

    inet_pton(AF_INET6, text, &address.sin6_addr);
    return address;
}

static const char *location(const char *text, const void *from)
{
    static struct ssdp_location ret;

    return ssdp_location(str_of(text), from, &ret, NULL) == 0 ? ret.url : NULL;
}

static void locations(void **state)
{
    struct sockaddr_in tv = v4("192.0.2.7");
    struct sockaddr_in6 global = v6("2001:db8::7", 0), local = v6("fe80::7", 1);
    static const char *const bad[] = {
        "",
        "http://",
        "http:///x",
        "https://192.0.2.7/",
        "ftp://192.0.2.7/",
        "file:///etc/passwd",
        "http://192.0.2.8/", /* another host */
        "http://127.0.0.1/",
        "http://localhost/",
        "http://tv.local/", /* a name may be any address */
        "http://192.0.2.7.evil.example/",
        "http://192.0.2.7@192.0.2.8/",
        "http://user@192.0.2.7/",
        "http://user:pass@192.0.2.7/",
        "http://192.0.2.7:0/",
        "http://192.0.2.7:65536/",
        "http://192.0.2.7:-1/",
        "http://192.0.2.7:/",
        "http://192.0.2.7:80:80/",
        "http://192.0.519/", /* what curl would take for an address */
        "http://3221225991/",
        "http://0300.0.2.7/",
        "http://192.0.2.7?x",
        "http://192.0.2.7#/",
        "http://192.0.2.7/a#b",
        "http://192.0.2.7/a b",
        "http://192.0.2.7/\\",
        "http://192.0.2.7/\xe4",
        "http://192.0.2.7\\@192.0.2.8/",
        "http://[::ffff:192.0.2.7]/",
        "http://192.0.2.7%25lo/",
    };
    char text[SSDP_PATH_BYTES + 64];

    (void)state;
    assert_string_equal(location("http://192.0.2.7", &tv), "http://192.0.2.7:80/");
    assert_string_equal(location("HTTP://192.0.2.7:49152/a/d.xml?x=1&y", &tv),
                        "http://192.0.2.7:49152/a/d.xml?x=1&y");
    assert_string_equal(location("http://[2001:DB8:0::7]:80/", &global), "http://[2001:db8::7]:80/");
    assert_null(location("http://[2001:db8::8]/", &global));
    assert_null(location("http://[2001:db8::7]x/", &global));
    assert_null(location("http://2001:db8::7/", &global));
    /* The zone is ours to say. */
    assert_string_equal(location("http://[fe80::7%25eth9]/", &local), "http://[fe80::7%25lo]:80/");
    assert_string_equal(location("http://[fe80::7]:8/x", &local), "http://[fe80::7%25lo]:8/x");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (location(bad[i], &tv))
            fail_msg("taken: %s", bad[i]);
    memset(text, 'x', sizeof(text));
    memcpy(text, "http://192.0.2.7/", 17);
    text[16 + SSDP_PATH_BYTES] = '\0';
    assert_null(location(text, &tv));
    text[15 + SSDP_PATH_BYTES] = '\0';
    assert_non_null(location(text, &tv));
}

static void link_addresses(void **state)
{
    struct ssdp_prefix lan[] = {{.family = AF_INET, .bits = 23, .bytes = {192, 0, 2, 1}},
                                {.family = AF_INET6, .bits = 64, .bytes = {0xfe, 0x80, [15] = 1}}};
    struct ssdp_prefix own[] = {lan[0], lan[1], {.family = AF_INET, .bits = 24, .bytes = {192, 0, 2, 9}}};
    static const struct {
        const char *address;
        bool good;
    } cases[] = {
        {"192.0.2.7", true},        {"192.0.3.255", true},      {"192.0.4.1", false}, {"198.51.100.1", false},
        {"192.0.2.1", false},       {"192.0.2.9", false},       {"127.0.0.1", false}, {"0.0.0.0", false},
        {"239.255.255.250", false}, {"255.255.255.255", false},
    };
    struct sockaddr_in6 host = v6("fe80::7", 1), self = v6("fe80::1", 1), mapped = v6("::ffff:192.0.2.7", 0),
                        far = v6("2001:db8::7", 0);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_in from = v4(cases[i].address);

        if (ssdp_on_link((struct sockaddr *)&from, own, 3, lan, 2) != cases[i].good)
            fail_msg("%s", cases[i].address);
    }
    assert_true(ssdp_on_link((struct sockaddr *)&host, own, 3, lan, 2));
    assert_false(ssdp_on_link((struct sockaddr *)&self, own, 3, lan, 2));
    assert_false(ssdp_on_link((struct sockaddr *)&mapped, own, 3, lan, 2));
    assert_false(ssdp_on_link((struct sockaddr *)&far, own, 3, lan, 2));
}

static void search_text(void **state)
{
    char text[256];
    size_t len = ssdp_search_text(AF_INET, text);

    (void)state;
    assert_int_equal(len, strlen(text));
    assert_non_null(strstr(text, "HOST: 239.255.255.250:1900\r\n"));
    assert_non_null(strstr(text, "MAN: \"ssdp:discover\"\r\n"));
    len = ssdp_search_text(AF_INET6, text);
    assert_int_equal(len, strlen(text));
    assert_non_null(strstr(text, "HOST: [FF02::C]:1900\r\n"));
    assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),       cmocka_unit_test(bad_messages), cmocka_unit_test(locations),
        cmocka_unit_test(link_addresses), cmocka_unit_test(search_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
