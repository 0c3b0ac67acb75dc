/* SPDX-License-Identifier: BSD-3-Clause */
/* What follows from DNS-SD services for the hosts that advertise them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "scan/service_facts.h"
#include "scan/services.h"
#include "tests/unit/failing_alloc.h"

struct bench {
    struct clock clock;
    struct timers timers;
    struct hosts *hosts;
    struct services *services;
};

static const uint8_t mac[HOST_MAC_BYTES] = {0, 0x11, 0x22, 0x33, 0x44, 0x55};

/* Whose address it is, a neighbour says. */
static void neighbour(struct bench *bench, const char *address, uint8_t last)
{
    uint8_t its[HOST_MAC_BYTES];
    struct host_ip ip;
    struct host_sighting sighting = {.source = HOST_NEIGHBOUR,
                                     .mac = its,
                                     .ip = &ip,
                                     .interface = "br-lan",
                                     .presence = HOST_PRESENCE_TRACKED};

    memcpy(its, mac, sizeof(its));
    its[5] = last;
    assert_int_equal(host_ip_from_text(address, 0, &ip), 0);
    hosts_observe(bench->hosts, &sighting);
}

static int set_up(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    clock_fake(&bench.clock, 1700000000);
    timers_init(&bench.timers, &bench.clock);
    bench.hosts = hosts_new(NULL, &bench.timers, &limits_default, 0);
    bench.services = bench.hosts ? services_new(bench.hosts, &bench.timers) : NULL;
    *state = &bench;
    return bench.services ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    services_free(bench->services);
    hosts_free(bench->hosts);
    timers_done(&bench->timers);
    return 0;
}

static const char *const nothing[] = {NULL};

static void observe(struct bench *bench, const char *type, const char *name, const char *address,
                    const char *const *txt)
{
    struct mdns_instance instance = {.interface = "br-lan",
                                     .type = type,
                                     .name = name,
                                     .host = "plug.local",
                                     .address = address,
                                     .port = 80,
                                     .txt = txt ? txt : nothing};

    services_observe(bench->services, &instance, address != NULL);
    /* What is told changes at a limited rate. */
    clock_fake_advance(&bench->clock, 600000);
    timers_run(&bench->timers);
}

static const char *fact(const struct bench *bench, enum host_fact which)
{
    struct host *host = hosts_find(bench->hosts, mac);

    return host ? host_text(host, which) : "no host";
}

static void facts(void **state)
{
    struct bench *bench = *state;
    const char *const shelly[] = {"gen=2", "APP=Plus1", "ver=1.4.4", "ver=9", NULL};
    const char *const hap[] = {"md=Accessory", NULL};
    struct host *host;

    neighbour(bench, "192.0.2.7", 0x55);
    observe(bench, "_shelly._tcp", "shellyplus1-aabb", "192.0.2.7", shelly);
    assert_string_equal(fact(bench, HOST_FACT_MANUFACTURER), "Shelly");
    assert_string_equal(fact(bench, HOST_FACT_MODEL_NAME), "Plus1");
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "1.4.4");
    assert_string_equal(fact(bench, HOST_FACT_HOST_NAME), "plug");
    host = hosts_find(bench->hosts, mac);
    assert_non_null(host);
    assert_int_equal(host->services_count, 1);
    assert_string_equal(host->services[0]->type, "_shelly._tcp");
    assert_int_equal(host->services[0]->port, 80);
    assert_int_equal(host_fact(host, HOST_FACT_MODEL_NAME)->source, HOST_MDNS);
    /* A platform's own word for it counts less than the maker's, in whichever order they come. */
    observe(bench, "_hap._tcp", "Kitchen", "192.0.2.7", hap);
    assert_string_equal(fact(bench, HOST_FACT_MODEL_NAME), "Plus1");
    assert_string_equal(fact(bench, HOST_FACT_FRIENDLY_NAME), "Kitchen");
    observe(bench, "_shelly._tcp", "shellyplus1-aabb", NULL, NULL);
    assert_string_equal(fact(bench, HOST_FACT_MODEL_NAME), "Accessory");
    assert_string_equal(fact(bench, HOST_FACT_MANUFACTURER), "");
    observe(bench, "_shelly._tcp", "shellyplus1-aabb", "192.0.2.7", shelly);
    assert_string_equal(fact(bench, HOST_FACT_MODEL_NAME), "Plus1");
    observe(bench, "_shelly._tcp", "shellyplus1-aabb", NULL, NULL);
    assert_int_equal(hosts_find(bench->hosts, mac)->services_count, 1);
    observe(bench, "_hap._tcp", "Kitchen", NULL, NULL);
    assert_int_equal(services_count(bench->services), 0);
    assert_int_equal(hosts_find(bench->hosts, mac)->services_count, 0);
}

static void changes(void **state)
{
    struct bench *bench = *state;
    const char *const old[] = {"ver=1", NULL}, *const newer[] = {"ver=2", NULL};

    neighbour(bench, "192.0.2.7", 0x55);
    neighbour(bench, "192.0.2.8", 0x66);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", old);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", newer);
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "2");
    assert_int_equal(services_count(bench->services), 1);
    /* It moves to another host: the first keeps nothing of it. */
    observe(bench, "_shelly._tcp", "a", "192.0.2.8", newer);
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "");
    assert_int_equal(services_count(bench->services), 1);
    observe(bench, "_shelly._tcp", "unknown", NULL, NULL);
    assert_int_equal(services_count(bench->services), 1);
}

static void limits(void **state)
{
    struct bench *bench = *state;
    const char *const shelly[] = {"ver=1", NULL};
    char name[32];

    neighbour(bench, "192.0.2.7", 0x55);
    neighbour(bench, "192.0.2.8", 0x66);
    for (unsigned i = 0; i < LIMIT_SERVICES_PER_ADDRESS + 10; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        observe(bench, "_flood._tcp", name, "192.0.2.7", NULL);
    }
    assert_int_equal(services_count(bench->services), LIMIT_SERVICES_PER_ADDRESS);
    assert_int_equal(services_refused(bench->services), 10);
    observe(bench, "_flood._tcp", "other", "192.0.2.8", NULL); /* another host's */
    assert_int_equal(services_count(bench->services), LIMIT_SERVICES_PER_ADDRESS + 1);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", shelly); /* one that says something */
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "1");
    assert_int_equal(services_count(bench->services), LIMIT_SERVICES_PER_ADDRESS + 1);
    observe(bench, "_shelly._tcp", "b", "224.0.0.1", shelly);
    observe(bench, "_shelly._tcp", "b", "nonsense", shelly);
    observe(bench, "_shelly._tcp", "b", "127.0.0.1", shelly);
    assert_int_equal(services_refused(bench->services), 13);
}

static void table(void **state)
{
    struct service_fact facts_of[SERVICE_FACTS];
    const char *const printer[] = {"usb_MFG=HP", "usb_MDL=", "ty=HP LaserJet", "adminurl=http://p.local/",
                                   "txtvers",    NULL};
    const char *const esphome[] = {"version=2024.5", "project_name=maker.lamp", "project_version=3", NULL};

    (void)state;
    assert_int_equal(service_facts("_IPP._tcp", "Office", printer, facts_of), 4);
    assert_string_equal(facts_of[0].value, "HP");
    assert_string_equal(facts_of[1].value, "HP LaserJet"); /* usb_MDL is empty */
    assert_int_equal(facts_of[1].fact, HOST_FACT_MODEL_NAME);
    assert_string_equal(facts_of[3].value, "Office");
    assert_int_equal(service_facts("_esphomelib._tcp", "lamp", esphome, facts_of), 2);
    assert_string_equal(facts_of[1].value, "3");
    assert_int_equal(service_facts("_http._tcp", "x", printer, facts_of), 0);
    /* Each type that is looked for by name has rules: an instance with all keys says something. */
    for (const char *const *type = service_types; *type; type++) {
        const char *const all[] = {"app=1",     "friendly_name=1", "modelid=1", "version=1", "fn=1",
                                   "usb_MFG=1", "manufacturer=1",  "VP=1",      "md=1",      NULL};

        assert_true(service_facts(*type, "name", all, facts_of) > 0);
    }
}

static void pass(struct bench *bench, uint64_t ms)
{
    clock_fake_advance(&bench->clock, ms);
    timers_run(&bench->timers);
}

/* Nobody listens: what is not said again in time is withdrawn, with what followed from it. */
static void nobody_listens(void **state)
{
    struct bench *bench = *state;
    const char *const one[] = {"ver=1", NULL}, *const hap[] = {"md=Accessory", NULL};

    neighbour(bench, "192.0.2.7", 0x55);
    services_heard(bench->services, false); /* the first state of all */
    services_heard(bench->services, true);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", one);
    observe(bench, "_hap._tcp", "b", "192.0.2.7", hap);
    pass(bench, 3600000);
    assert_int_equal(services_count(bench->services), 2);
    services_heard(bench->services, false);
    pass(bench, SERVICES_HOLD_MS - 1);
    assert_int_equal(services_count(bench->services), 2);
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "1");
    pass(bench, 1);
    assert_int_equal(services_count(bench->services), 0);
    pass(bench, 600000);
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "");
    assert_string_equal(fact(bench, HOST_FACT_MODEL_NAME), "");
    assert_int_equal(hosts_find(bench->hosts, mac)->services_count, 0);
}

/* It comes back and tells what is there: that stays, what went meanwhile does not. */
static void daemon_comes_back(void **state)
{
    struct bench *bench = *state;
    const char *const one[] = {"ver=1", NULL}, *const hap[] = {"md=Accessory", NULL};

    neighbour(bench, "192.0.2.7", 0x55);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", one);
    observe(bench, "_hap._tcp", "b", "192.0.2.7", hap);
    services_heard(bench->services, false);
    pass(bench, SERVICES_HOLD_MS - 1);
    services_heard(bench->services, true);
    pass(bench, SERVICES_HOLD_MS - 1);
    assert_int_equal(services_count(bench->services), 2);
    services_observe(bench->services,
                     &(struct mdns_instance){.interface = "br-lan",
                                             .type = "_shelly._tcp",
                                             .name = "a",
                                             .host = "plug.local",
                                             .address = "192.0.2.7",
                                             .port = 80,
                                             .txt = one},
                     true);
    pass(bench, 1);
    assert_int_equal(services_count(bench->services), 1);
    pass(bench, 3600000);
    assert_int_equal(services_count(bench->services), 1);
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "1");
    services_heard(bench->services, true); /* as after a collision of names: nobody was away */
    pass(bench, 3600000);
    assert_int_equal(services_count(bench->services), 1);
}

static void out_of_memory(void **state)
{
    struct bench *bench = *state;
    const char *const old[] = {"ver=1", NULL}, *const newer[] = {"ver=2", NULL};
    unsigned long n;

    neighbour(bench, "192.0.2.7", 0x55);
    for (n = 1; n < 50 && !services_count(bench->services); n++) {
        failing_alloc_arm(n);
        observe(bench, "_shelly._tcp", "a", "192.0.2.7", old);
        failing_alloc_arm(0);
    }
    assert_in_range(n, 4, 49);
    failing_alloc_arm(1);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", newer); /* the old one stays */
    failing_alloc_arm(0);
    assert_int_equal(services_count(bench->services), 1);
    observe(bench, "_shelly._tcp", "a", "192.0.2.7", newer);
    assert_string_equal(fact(bench, HOST_FACT_SOFTWARE_VERSION), "2");
    failing_alloc_arm(1);
    assert_null(services_new(bench->hosts, &bench->timers));
    failing_alloc_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test_setup_teardown(facts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(daemon_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
