/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS answers, read to the byte, and what service discovery makes of them (R-DIS.7, R-DIS.8, R-DIS.11, R-DIS.11a). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/dns_message.h"
#include "discovery/dns_sd.h"
#include "tests/unit/wait.h"

/* ---- writing ---- */

static size_t put_name(uint8_t *to, const char *name)
{
    size_t at = 0;

    while (*name) {
        size_t len = strcspn(name, ".");

        to[at++] = (uint8_t)len;
        memcpy(to + at, name, len);
        at += len;
        name += len + (name[len] == '.');
    }
    to[at++] = 0;
    return at;
}

static size_t put_u16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return 2;
}

struct given {
    const char *name; /* of the question and of the owner; labels without dots inside */
    int type;
    const char *target; /* PTR, SRV */
    unsigned port, priority;
    struct str txt;
};

/* An answer with these records, whose owner is a pointer to the question. */
static size_t write_answer(uint8_t *to, const char *question, int type, const struct given *records,
                           size_t count)
{
    size_t at = 0;

    memcpy(to, "\x12\x34\x81\x80\0\x01\0\0\0\0\0\0", 12);
    at = 12 + put_name(to + 12, question);
    at += put_u16(to + at, (unsigned)type);
    at += put_u16(to + at, 1);
    for (size_t i = 0; i < count; i++) {
        const struct given *record = &records[i];
        uint8_t data[512];
        size_t len = 0;

        if (strcmp(record->name, question) != 0 || record->type != type)
            continue;
        to[7]++;
        at += put_u16(to + at, 0xc00c);
        at += put_u16(to + at, (unsigned)record->type);
        memcpy(to + at, "\0\x01\0\0\0\x3c", 6);
        at += 6;
        if (type == DNS_TXT) {
            memcpy(data, record->txt.data, len = record->txt.len);
        } else if (type == DNS_SRV) {
            len = put_u16(data, record->priority);
            len += put_u16(data + len, 1);
            len += put_u16(data + len, record->port);
        }
        if (record->target)
            len += put_name(data + len, record->target);
        at += put_u16(to + at, (unsigned)len);
        memcpy(to + at, data, len);
        at += len;
    }
    return at;
}

/* ---- the reader ---- */

static void reads_records(void **state)
{
    static const struct given records[] = {
        {"a.example", DNS_SRV, "h.example", 443, 5, {NULL, 0}},
        {"a.example", DNS_SRV, "i.example", 444, 6, {NULL, 0}},
    };
    uint8_t message[DNS_MESSAGE_BYTES];
    size_t len = write_answer(message, "a.example", DNS_SRV, records, 2);
    struct dns_record record;
    struct dns_reader reader;
    char text[DNS_TEXT_BYTES];

    (void)state;
    assert_int_equal(dns_open((struct str){(char *)message, len}, &reader, NULL), 0);
    assert_int_equal(dns_next(&reader, &record, NULL), 1);
    dns_name_text(&record.owner, text);
    assert_string_equal(text, "a.example.");
    dns_name_text(&record.name, text);
    assert_string_equal(text, "h.example.");
    assert_int_equal(record.port, 443);
    assert_int_equal(record.priority, 5);
    assert_int_equal(record.ttl, 60);
    assert_int_equal(dns_next(&reader, &record, NULL), 1);
    assert_int_equal(record.port, 444);
    assert_int_equal(dns_next(&reader, &record, NULL), 0);
}

/* Cut anywhere, an answer is refused or has fewer records; it is never read beyond its end. */
static void cut_anywhere(void **state)
{
    static const struct given records[] = {{"a.example", DNS_PTR, "x.a.example", 0, 0, {NULL, 0}}};
    uint8_t message[DNS_MESSAGE_BYTES];
    size_t len = write_answer(message, "a.example", DNS_PTR, records, 1);

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        char *copy = malloc(cut ? cut : 1);
        struct dns_reader reader;
        struct dns_record record;
        struct error err;

        memcpy(copy, message, cut);
        if (dns_open((struct str){copy, cut}, &reader, &err) == 0)
            assert_int_equal(dns_next(&reader, &record, &err), -1);
        assert_non_null(strstr(err.message, "malformed DNS answer"));
        free(copy);
    }
}

#define HEAD(answers) "\0\0\x81\x80\0\0\0" answers "\0\0\0\0"

static void malformed(void **state)
{
    static const struct str cases[] = {
        STR(HEAD("\x01") "\xc0\x0c\0\x0c\0\x01\0\0\0\0\0\0"),         /* a name that is its own pointer */
        STR(HEAD("\x01") "\x01\x61\xc0\x0c\0\x0c\0\x01\0\0\0\0\0\0"), /* one that goes in a circle */
        STR(HEAD("\x01") "\xc0\x18\0\x0c\0\x01\0\0\0\0\0\x01\0"),     /* one that points ahead */
        STR(HEAD("\x01") "\x80\0\0\x0c\0\x01\0\0\0\0\0\0"),           /* a label of unknown type */
        STR(HEAD("\x01") "\0\0\x0c\0\x01\0\0\0\0\0\x02\0\0"),         /* PTR with a byte too much */
        STR(HEAD("\x01") "\0\0\x0c\0\x01\0\0\0\0\0\0"),               /* without data */
        STR(HEAD("\x01") "\0\0\x21\0\x01\0\0\0\0\0\x05\0\0\0\0\0"),   /* a short SRV */
        STR(HEAD("\x01") "\0\0\x10\0\x01\0\0\0\0\0\x02\x05x"),        /* a TXT string that is cut off */
        STR("\0\0\x01\0\0\0\0\0\0\0\0\0"),                            /* a question */
        STR("\0\0\x81\x80\0\x01\0\0\0\0\0\0\0\0\x0c"),                /* a question without its class */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dns_reader reader;
        struct dns_record record;
        struct error err;

        print_message("%zu\n", i);
        if (dns_open(cases[i], &reader, &err) == 0)
            assert_int_equal(dns_next(&reader, &record, &err), -1);
        assert_non_null(strstr(err.message, "malformed"));
    }
}

static void passes_over(void **state)
{
    /* Another class, then a type that nobody asked for. */
    struct str message = STR(HEAD("\x02") "\0\0\x0c\0\x03\0\0\0\0\0\x01\0"
                                          "\0\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04");
    struct dns_reader reader;
    struct dns_record record;
    struct error err;

    (void)state;
    assert_int_equal(dns_open(message, &reader, NULL), 0);
    assert_int_equal(dns_next(&reader, &record, NULL), 1);
    assert_int_equal(record.type, 1);
    assert_int_equal(dns_next(&reader, &record, NULL), 0);
    assert_int_equal(dns_open(STR("\0\0\x81\x82\0\0\0\0\0\0\0\0"), &reader, &err), -1);
    assert_string_equal(err.message, "the DNS server answers with error 2");
}

static void names(void **state)
{
    struct dns_name name = {"\x04"
                            "a.\\\x01"
                            "\x01"
                            "b",
                            8};
    struct dns_name other = {"\x01"
                             "A\x01"
                             "b",
                             5};
    char text[DNS_TEXT_BYTES];

    (void)state;
    dns_name_text(&name, text);
    assert_string_equal(text, "a\\.\\\\\\001.b.");
    assert_true(dns_name_equal(&other, &(struct dns_name){"\x01"
                                                          "a\x01"
                                                          "B",
                                                          5}));
    assert_false(dns_name_equal(&other, &name));
    assert_false(dns_name_equal(&other, &(struct dns_name){"\x01"
                                                           "a",
                                                           3}));
    /* The longest there is, each byte as an escape. */
    memset(&name, 1, sizeof(name));
    for (unsigned at = 0; at < 252; at += 64)
        name.wire[at] = at == 192 ? 61 : 63;
    name.wire[254] = 0;
    name.len = 255;
    dns_name_text(&name, text);
    assert_int_equal(strlen(text), 250 * 4 + 4);
}

static void attributes(void **state)
{
    struct str txt = STR("\x03"
                         "pat"
                         "\x09"
                         "pathos=no"
                         "\x08"
                         "PATH=/ab"
                         "\x06"
                         "path=c"
                         "\x07"
                         "encrypt"
                         "\0");
    struct str value;

    (void)state;
    assert_true(dns_attribute(txt, "path", &value) && str_is(value, "/ab"));
    assert_true(dns_attribute(txt, "encrypt", &value) && value.len == 0);
    assert_false(dns_attribute(txt, "name", &value));
    assert_false(dns_attribute(STR(""), "name", &value));
}

/* ---- discovery ---- */

#define SERVICE "_usp-ctr-ws._tcp."
#define INSTANCE "self::ctl." SERVICE "example"

struct world {
    const struct given *records;
    size_t count;
    const char *fails; /* a query for this name fails */
    char asked[1024];
};

static int query(void *ctx, const char *name, int type, uint8_t *message)
{
    struct world *world = ctx;
    char plain[256];
    size_t len;

    len = strlen(world->asked);
    snprintf(world->asked + len, sizeof(world->asked) - len, "%s%d ", name, type);
    str_copy(plain, sizeof(plain), name);
    if (plain[strlen(plain) - 1] == '.')
        plain[strlen(plain) - 1] = '\0';
    if (world->fails && strcmp(plain, world->fails) == 0)
        return -1;
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->records[i].name, plain) == 0 && world->records[i].type == type)
            return (int)write_answer(message, plain, type, world->records, world->count);
    return 0;
}

static const struct given whole[] = {
    {SERVICE "host.example", DNS_PTR, "no-id." SERVICE "example", 0, 0, {NULL, 0}},
    {SERVICE "host.example", DNS_PTR, "self::other." SERVICE "example", 0, 0, {NULL, 0}},
    {SERVICE "host.example", DNS_PTR, INSTANCE, 0, 0, {NULL, 0}},
    {INSTANCE, DNS_SRV, "second.example", 2, 9, {NULL, 0}},
    {INSTANCE, DNS_SRV, "first.example", 5684, 1, {NULL, 0}},
    {INSTANCE, DNS_SRV, "third.example", 3, 2, {NULL, 0}},
    {INSTANCE, DNS_TXT, NULL, 0, 0,
     STR("\x09path=/usp\x07"
         "encrypt")},
};

static void find(struct world *world, const char *endpoint_id, struct dns_sd_result *ret)
{
    static uint8_t message[DNS_MESSAGE_BYTES];

    dns_sd_find("host.example.", endpoint_id, query, world, message, ret);
}

static void finds(void **state)
{
    struct world world = {.records = whole, .count = 7};
    struct dns_sd_result result;

    (void)state;
    find(&world, "self::ctl", &result);
    assert_int_equal(result.verdict, DNS_SD_FOUND);
    assert_string_equal(result.endpoint_id, "self::ctl");
    assert_string_equal(result.address.host, "first.example.");
    assert_int_equal(result.address.port, 5684);
    assert_string_equal(result.address.path, "/usp");
    assert_true(result.address.tls);
    assert_string_equal(world.asked, SERVICE "host.example.12 " INSTANCE ".33 " INSTANCE ".16 ");
}

/* Without a name to look for, the first that is an Endpoint ID. */
static void takes_the_first(void **state)
{
    struct world world = {.records = whole, .count = 7};
    struct dns_sd_result result;

    (void)state;
    find(&world, "", &result);
    assert_string_equal(result.endpoint_id, "self::other");
    assert_int_equal(result.verdict, DNS_SD_NONE); /* it has no SRV */
    find(&world, "self::third", &result);
    assert_int_equal(result.verdict, DNS_SD_NONE);
    assert_non_null(strstr(result.why.message, "no instance that is self::third"));
}

static void does_not_find(void **state)
{
    static const struct given no_path[] = {
        {SERVICE "host.example", DNS_PTR, INSTANCE, 0, 0, {NULL, 0}},
        {INSTANCE, DNS_SRV, "first.example", 1, 1, {NULL, 0}},
        {INSTANCE, DNS_TXT, NULL, 0, 0,
         STR("\x07"
             "encrypt")},
    };
    static const struct given no_port[] = {
        {SERVICE "host.example", DNS_PTR, INSTANCE, 0, 0, {NULL, 0}},
        {INSTANCE, DNS_SRV, "first.example", 0, 1, {NULL, 0}},
    };
    static const struct given torn[] = {
        {SERVICE "host.example", DNS_PTR, INSTANCE, 0, 0, {NULL, 0}},
        {INSTANCE, DNS_SRV, NULL, 1, 1, {NULL, 0}},
    };
    struct world worlds[] = {
        {.count = 0},
        {.records = no_path, .count = 3},
        {.records = no_port, .count = 2},
        {.records = torn, .count = 2},
        {.fails = SERVICE "host.example"},
        {.records = whole, .count = 7, .fails = INSTANCE},
    };
    static const enum dns_sd_verdict verdicts[] = {DNS_SD_NONE,   DNS_SD_NONE,   DNS_SD_NONE,
                                                   DNS_SD_FAILED, DNS_SD_FAILED, DNS_SD_FAILED};

    (void)state;
    for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
        struct dns_sd_result result;

        print_message("%zu\n", i);
        find(&worlds[i], "self::ctl", &result);
        assert_int_equal(result.verdict, verdicts[i]);
        assert_true(result.why.message[0]);
    }
}

/* ---- on a worker ---- */

static int no_query(void *ctx, const char *name, int type, uint8_t *message)
{
    (void)ctx;
    (void)name;
    (void)type;
    (void)message;
    return 0;
}

static void on_done(void *ctx, const struct dns_sd_result *result)
{
    *(int *)ctx = (int)result->verdict;
}

static void answers_later(void **state)
{
    struct loop loop;
    struct dns_sd *lookup;
    int verdict = -1;
    int cancelled = -1;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL), 0);
    lookup = dns_sd_start(&loop, "host.example.", "", no_query, on_done, &cancelled);
    assert_non_null(lookup);
    assert_non_null(dns_sd_start(&loop, "host.example.", "", no_query, on_done, &verdict));
    assert_int_equal(verdict, -1);
    dns_sd_cancel(lookup);
    WAIT_FOR(&loop, verdict >= 0);
    assert_int_equal(verdict, DNS_SD_NONE);
    loop_done(&loop);
    assert_int_equal(cancelled, -1);
    dns_sd_cancel(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_records), cmocka_unit_test(cut_anywhere),    cmocka_unit_test(malformed),
        cmocka_unit_test(passes_over),   cmocka_unit_test(names),           cmocka_unit_test(attributes),
        cmocka_unit_test(finds),         cmocka_unit_test(takes_the_first), cmocka_unit_test(does_not_find),
        cmocka_unit_test(answers_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
