/* SPDX-License-Identifier: BSD-3-Clause */
/* Services of the LAN: found, changed, withdrawn, and as many as may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/str.h"
#include "tests/unit/failing_alloc.h"
#include "tests/unit/fake_avahi.h"
#include "tests/unit/test_mdns.h"
#include "tests/unit/wait.h"

static const char *const known[] = {"_shelly._tcp", "_hap._tcp", NULL};

void test_mdns_instance(void *ctx, const struct mdns_instance *instance, bool present)
{
    struct bench *bench = ctx;

    assert_string_equal(instance->interface, "lo");
    if (present) {
        bench->told++;
        snprintf(bench->last, sizeof(bench->last), "%s %s %s %s:%u %s", instance->type, instance->name,
                 instance->host, instance->address, instance->port,
                 instance->txt[0] ? instance->txt[0] : "-");
    } else {
        bench->withdrawn++;
        snprintf(bench->last, sizeof(bench->last), "%s %s", instance->type, instance->name);
    }
    bench->present = bench->told - bench->withdrawn;
}

static void browse(struct bench *bench, const char *const *interfaces)
{
    assert_int_equal(mdns_browse(bench->mdns, interfaces, known, NULL), 0);
}

static void finds(void **state)
{
    struct bench *bench = *state;

    fake_avahi_service("_shelly._tcp", "plug", "192.0.2.7", "ver=1", false);
    fake_avahi_service("_shelly._tcp", "mine", "192.0.2.1", "", true); /* the gateway's own is no host's */
    test_mdns_begin(bench, true, true);
    browse(bench, NULL);
    WAIT_FOR(&bench->loop, bench->told == 1);
    assert_string_equal(bench->last, "_shelly._tcp plug host.local 192.0.2.7:80 ver=1");
    /* A type that nobody named. */
    fake_avahi_service("_other._tcp", "Some Thing", "2001:db8::7", "", false);
    WAIT_FOR(&bench->loop, bench->told == 2);
    assert_string_equal(bench->last, "_other._tcp Some Thing host.local 2001:db8::7:80 -");
    fake_avahi_service("_hap._tcp", "local", "fe80::7", "", false);
    WAIT_FOR(&bench->loop, bench->told == 3);
    assert_string_equal(bench->last, "_hap._tcp local host.local fe80::7%lo:80 -");
    fake_avahi_gone("_shelly._tcp", "plug");
    WAIT_FOR(&bench->loop, bench->withdrawn == 1);
    assert_string_equal(bench->last, "_shelly._tcp plug");
    /* One that nobody answers for is not told, and does not hold others up. */
    fake_avahi_service("_shelly._tcp", "mute", "", "", false);
    fake_avahi_service("_shelly._tcp", "next", "192.0.2.8", "", false);
    WAIT_FOR(&bench->loop, bench->told == 4);
    fake_avahi_gone("_shelly._tcp", "mute");
    fake_avahi_gone("_shelly._tcp", "next");
    WAIT_FOR(&bench->loop, bench->withdrawn == 2);
}

static void daemon_restarts(void **state)
{
    struct bench *bench = *state;

    fake_avahi_service("_shelly._tcp", "plug", "192.0.2.7", "", false);
    test_mdns_begin(bench, true, false);
    browse(bench, NULL);
    WAIT_FOR(&bench->loop, bench->went == 1);
    fake_avahi_set(true, true);
    WAIT_FOR(&bench->loop, bench->told == 1);
    fake_avahi_set(true, false);
    WAIT_FOR(&bench->loop, bench->went == 2);
    fake_avahi_set(true, true);
    WAIT_FOR(&bench->loop, bench->told == 2); /* the host was not away */
    assert_int_equal(bench->withdrawn, 0);
}

static void only_on_its_interfaces(void **state)
{
    static const char *const interfaces[] = {"no-such-if", "lo", NULL};
    struct bench *bench = *state;

    fake_avahi_service("_shelly._tcp", "plug", "192.0.2.7", "", false);
    test_mdns_begin(bench, true, true);
    browse(bench, interfaces);
    WAIT_FOR(&bench->loop, bench->told == 1); /* once: the other interface is not there */
    fake_avahi_service("_shelly._tcp", "end", "192.0.2.8", "", false);
    WAIT_FOR(&bench->loop, strncmp(bench->last, "_shelly._tcp end", 16) == 0);
    assert_int_equal(bench->told, 2);
}

/* Withdrawn as of the interface that it was told of, so that whoever was told finds it. */
static void interface_goes(void **state)
{
    struct bench *bench = *state;

    fake_avahi_service("_shelly._tcp", "plug", "192.0.2.7", "", false);
    test_mdns_begin(bench, true, true);
    browse(bench, NULL);
    WAIT_FOR(&bench->loop, bench->told == 1);
    fake_avahi_interface_gone();
    fake_avahi_gone("_shelly._tcp", "plug");
    WAIT_FOR(&bench->loop, bench->withdrawn == 1);
}

/*
 * And what nobody withdraws, because the interface that it was heard on is not there any more. Interfaces are looked at from time
 * to time; here soon, because the loop is behind.
 */
static void interface_goes_with_all(void **state)
{
    static const char *const interfaces[] = {"lo", NULL};
    struct bench *bench = *state;
    unsigned most = 0;
    char name[64], address[32];

    for (unsigned i = 0; i < LIMIT_MDNS_UNREAD + 100; i++) {
        snprintf(name, sizeof(name), "plug%u", i);
        snprintf(address, sizeof(address), "10.0.%u.%u", i / 250, i % 250);
        fake_avahi_service(known[i % 2], name, address, "", false);
    }
    test_mdns_begin(bench, true, true);
    browse(bench, interfaces);
    WAIT_FOR(&bench->loop, bench->told > 0);
    while (fake_avahi_resolving(&most) > 0) {} /* until the thread waits for the loop */
    fake_avahi_interface_gone();
    WAIT_FOR(&bench->loop, bench->withdrawn > LIMIT_MDNS_UNREAD / 2 && bench->present == 0);
}

/* Instances of one host, of one type, of many types: each meets its ceiling, and the next host's are found all the same. */
static void flood(void **state)
{
    struct bench *bench = *state;
    unsigned most = 0;
    char name[64];

    for (unsigned i = 0; i < LIMIT_MDNS_INSTANCES + 100; i++) {
        snprintf(name, sizeof(name), "flood%u", i);
        fake_avahi_service("_shelly._tcp", name, "192.0.2.66", "", false);
    }
    for (unsigned i = 0; i < LIMIT_MDNS_TYPES + 20; i++) {
        snprintf(name, sizeof(name), "_t%u._tcp", i);
        fake_avahi_service(name, "x", "192.0.2.66", "", false);
    }
    test_mdns_begin(bench, true, true);
    browse(bench, NULL);
    /* _shelly._tcp counts among the types that are named: its places are its own. */
    WAIT_FOR(&bench->loop,
             bench->present == LIMIT_MDNS_PER_HOST + LIMIT_MDNS_TYPES && fake_avahi_resolving(&most) == 0);
    assert_in_range(most, 2, LIMIT_MDNS_RESOLVERS);
    fake_avahi_service("_shelly._tcp", "plug", "192.0.2.7", "", false);
    fake_avahi_service("_hap._tcp", "lamp", "192.0.2.8", "", false);
    WAIT_FOR(&bench->loop, bench->present == LIMIT_MDNS_PER_HOST + LIMIT_MDNS_TYPES + 2);
}

static void out_of_memory(void **state)
{
    static const char *const interfaces[] = {"lo", NULL};
    struct bench *bench = *state;
    struct error err;
    unsigned long n;

    test_mdns_begin(bench, true, true);
    WAIT_FOR(&bench->loop, bench->came == 1);
    for (n = 1; n < 50; n++) {
        failing_alloc_arm(n);
        if (mdns_browse(bench->mdns, interfaces, known, &err) == 0)
            break;
        failing_alloc_arm(0);
        assert_int_equal(err.code, ERROR_RESOURCES_EXCEEDED);
    }
    failing_alloc_arm(0);
    assert_in_range(n, 2, 49);
    fake_avahi_service("_shelly._tcp", "plug", "192.0.2.7", "", false);
    WAIT_FOR(&bench->loop, bench->told == 1);
}

int test_mdns_browse(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(daemon_restarts, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(only_on_its_interfaces, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(interface_goes, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(interface_goes_with_all, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(flood, test_mdns_set_up, test_mdns_tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, test_mdns_set_up, test_mdns_tear_down),
    };

    return cmocka_run_group_tests_name("browse", tests, NULL, NULL);
}
