/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory runs out at every allocation of every message, one after the other: no crash and no leak, and the model is as
 * it was before or as it is after the whole change. Then the message is asked again and answered as ever.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/pki.h"
#include "tests/unit/usp_bench.h"
#include "usp/record.h"

enum {
    MOST_ALLOCATIONS = 5000,
};

typedef void make_fn(struct buf *message);

static void make_get(struct buf *message)
{
    struct str paths[] = {STR("Device.Thing."),
                          STR("Device.Thing.[Name==\"a\"&&Part.*.Color==\"red\"].Part.*.Order"),
                          STR("Device.Thing.1.Ref+.Name"), STR("Device.Nope.")};

    usp_client_get(message, STR("m1"), paths, 4, 0);
}

static void make_instances(struct buf *message)
{
    struct str paths[] = {STR("Device.Thing."), STR("Device.LocalAgent.Subscription.")};

    usp_client_get_instances(message, STR("m1"), paths, 2, false);
}

static void make_supported(struct buf *message)
{
    struct str paths[] = {STR("Device.")};

    usp_client_get_supported_dm(message, STR("m1"), paths, 1, 31);
}

static void make_protocol(struct buf *message)
{
    usp_client_get_supported_protocol(message, STR("m1"), STR("1.3"));
}

static void make_set(struct buf *message)
{
    struct usp_client_pair pairs[] = {{STR("Number"), STR("77"), true},
                                      {STR("Secret"), STR("new"), true},
                                      {STR("Ref"), STR("Device.Thing.2"), true}};
    struct usp_client_object objects[] = {{STR("Device.Thing.*."), pairs, 3}, {STR("Device.Box."), pairs, 1}};

    usp_client_set(message, STR("m1"), objects, 2, false);
}

static void make_set_partial(struct buf *message)
{
    struct usp_client_pair pairs[] = {
        {STR("Number"), STR("78"), true}, {STR("Nope"), STR("x"), false}, {STR("Enable"), STR("x"), false}};
    struct usp_client_object objects[] = {{STR("Device.Thing.*."), pairs, 3},
                                          {STR("Device.Thing.99."), pairs, 1}};

    usp_client_set(message, STR("m1"), objects, 2, true);
}

static void make_add(struct buf *message)
{
    struct usp_client_pair pairs[] = {{STR("Number"), STR("5"), true},
                                      {STR("Inside.Title"), STR("t"), true},
                                      {STR("Alias"), STR("chosen"), true}};
    struct usp_client_object objects[] = {{STR("Device.Thing."), pairs, 3},
                                          {STR("Device.Thing.1.Part."), NULL, 0}};

    usp_client_add(message, STR("m1"), objects, 2, false);
}

static void make_subscribe(struct buf *message)
{
    struct usp_client_pair pairs[] = {{STR("ID"), STR("more"), true},
                                      {STR("Enable"), STR("true"), true},
                                      {STR("NotifType"), STR("ObjectCreation"), true},
                                      {STR("ReferenceList"), STR("Device.Thing.,Device.Thing.*.Part."), true},
                                      {STR("TimeToLive"), STR("100"), true}};
    struct usp_client_object object = {STR("Device.LocalAgent.Subscription."), pairs, 5};

    usp_client_add(message, STR("m1"), &object, 1, false);
}

static void make_delete(struct buf *message)
{
    struct str paths[] = {STR("Device.Thing.2."), STR("Device.Thing.1.Part.*.")};

    usp_client_delete(message, STR("m1"), paths, 2, false);
}

static void make_operate(struct buf *message)
{
    struct usp_client_pair args[] = {{STR("Text"), STR("a"), false}, {STR("Number"), STR("1"), false}};
    struct usp_client_command command = {STR("Device.Echo()"), STR("key"), args, 2, true};

    usp_client_operate(message, STR("m1"), &command);
}

static void make_quick(struct buf *message)
{
    struct usp_client_command command = {STR("Device.Quick()"), STR("key"), NULL, 0, true};

    usp_client_operate(message, STR("m1"), &command);
}

static void make_slow(struct buf *message)
{
    struct usp_client_command command = {STR("Device.Slow()"), STR("key"), NULL, 0, true};

    usp_client_operate(message, STR("m1"), &command);
}

/* The same certificate each time: the model is compared. */
static void make_my_certificate(struct buf *message)
{
    static char content[2048];
    struct usp_client_pair args[] = {{STR("Certificate"), STR(""), false},
                                     {STR("Alias"), STR("mine"), false}};
    struct usp_client_command command = {STR("Device.LocalAgent.Controller.1.AddMyCertificate()"), STR("key"),
                                         args, 2, true};

    if (!content[0]) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *x509 = pki_certificate(key, "mine", NULL, NULL, NULL, -1, 30);
        unsigned char *der = NULL;
        int len = i2d_X509(x509, &der);

        EVP_EncodeBlock((unsigned char *)content, der, len);
        OPENSSL_free(der);
        X509_free(x509);
        EVP_PKEY_free(key);
    }
    args[0].value = str_of(content);
    usp_client_operate(message, STR("m1"), &command);
}

static void populate(struct usp_bench *bench)
{
    usp_bench_init(bench, ":memory:");
    for (unsigned i = 0; i < 10; i++) /* enough for an index */
        bench_add(bench, false, i ? "Device.Thing.: Number=1" : "Device.Thing.: Name=a Secret=old");
    bench_add(bench, false, "Device.Thing.1.Part.: Color=red Device.Thing.2.Part.: Color=red");
    bench_set(bench, false, "Device.Thing.1.: Ref=Device.Thing.2 Refs=Device.Thing.2,Device.Thing.3");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=v Enable=1 NotifType=ValueChange NotifRetry=1 ReferenceList=Device.");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=d Enable=1 NotifType=ObjectDeletion ReferenceList=Device.Thing.");
    bench_add(
        bench, false,
        "Device.LocalAgent.Subscription.: ID=o Enable=1 NotifType=OperationComplete ReferenceList=Device.");
    bench_sent(bench);
}

/* The model without what the time and the process give. */
static char *dump(struct usp_bench *bench)
{
    char *text = small_dump(bench->dm), *at = strstr(text, "  UpTime=");

    while (at && *at != '\n')
        *at++ = ' ';
    return text;
}

static void give(struct usp_bench *bench, make_fn *make)
{
    struct buf message;

    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    make(&message);
    bench_give(bench, &message);
}

/* Gives the message while the n-th allocation fails. True when there was an n-th. */
static bool give_failing(struct usp_bench *bench, make_fn *make, unsigned long n)
{
    struct buf message;
    bool hit;

    buf_init(&message, LIMIT_RECORD_BYTES, USP_HEADROOM);
    make(&message);
    usp_record_wrap(&message, STR("self::agent"), STR("self::one"));
    failing_alloc_arm(n);
    usp_receive(bench->usp, &bench->channels[0].channel, NULL,
                (struct str){(char *)buf_data(&message), message.len}, NULL);
    bench_turn(bench);
    hit = failing_alloc_hit();
    failing_alloc_arm(0);
    buf_done(&message);
    return hit;
}

static bool round_of(make_fn *make, unsigned long n, const char *before, const char *after)
{
    static const char refused[] = "self::one ERROR ";
    static struct usp_bench bench;
    char *now;
    bool hit;

    populate(&bench);
    hit = give_failing(&bench, make, n);
    now = dump(&bench);
    if (strcmp(now, before) != 0 && strcmp(now, after) != 0)
        fail_msg("allocation %lu: the model is between before and after:\n%s", n, now);
    /* Whoever is refused may ask again: nothing was done. */
    if (strncmp(bench_sent(&bench), refused, strlen(refused)) == 0 && strcmp(now, before) != 0)
        fail_msg("allocation %lu: refused, and done:\n%s", n, now);
    free(now);
    small_check_index(bench.dm);
    bench.channels[0].channel.local = true; /* AddMyCertificate() has bound it to a certificate elsewhere */
    bench_expect(
        bench_get(&bench, 0, "Device.DeviceInfo.SerialNumber"),
        "self::one GET_RESP m1 {Device.DeviceInfo.SerialNumber {Device.DeviceInfo. SerialNumber=S1}}");
    usp_bench_done(&bench);
    return hit;
}

static void every_allocation(make_fn *make)
{
    static struct usp_bench bench;
    unsigned long n = 1;
    char *before, *after;

    populate(&bench);
    before = dump(&bench);
    give(&bench, make);
    bench_turn(&bench);
    after = dump(&bench);
    usp_bench_done(&bench);
    while (n < MOST_ALLOCATIONS && round_of(make, n, before, after))
        n++;
    assert_true(n > 1 && n < MOST_ALLOCATIONS);
    print_message("%lu allocations\n", n - 1);
    free(before);
    free(after);
}

#define EVERY(name)                    \
    static void name(void **state)     \
    {                                  \
        (void)state;                   \
        every_allocation(make_##name); \
    }
EVERY(get)
EVERY(instances)
EVERY(supported)
EVERY(protocol)
EVERY(set)
EVERY(add)
EVERY(subscribe)
EVERY(delete)
EVERY(operate)
EVERY(quick)
EVERY(slow)
EVERY(my_certificate)

/* Objects of a partial Set stand alone: what of them is done may differ, but never half an object. */
static void set_partial(void **state)
{
    unsigned long n = 1;
    bool hit = true;

    (void)state;
    for (; hit && n < MOST_ALLOCATIONS; n++) {
        static struct usp_bench bench;
        const char *numbers;

        populate(&bench);
        hit = give_failing(&bench, make_set_partial, n);
        bench_sent(&bench);
        numbers = bench_get(&bench, 0, "Device.Thing.*.Number");
        if (!strstr(numbers, "Number=78") != !!strstr(numbers, "Number=1}"))
            fail_msg("allocation %lu: %s", n, numbers);
        usp_bench_done(&bench);
    }
    assert_true(n < MOST_ALLOCATIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get),         cmocka_unit_test(instances),
        cmocka_unit_test(supported),   cmocka_unit_test(protocol),
        cmocka_unit_test(set),         cmocka_unit_test(add),
        cmocka_unit_test(subscribe),   cmocka_unit_test(delete),
        cmocka_unit_test(operate),     cmocka_unit_test(my_certificate),
        cmocka_unit_test(quick),       cmocka_unit_test(slow),
        cmocka_unit_test(set_partial),
    };

    failing_alloc_cjson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
