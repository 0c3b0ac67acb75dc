/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of hosts on a fake clock: who is who, who is there, what is believed, and what a flood costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "scan/hosts.h"
#include "tests/unit/failing_alloc.h"

enum {
    NOW = 1800000000,
    PRESENCE_S = 300,
    ROUNDS_MAX = 2000,
};

static const uint8_t phone[] = {2, 0, 0, 0, 0, 10}, printer[] = {2, 0, 0, 0, 0, 11};

struct bench {
    struct clock clock;
    struct timers timers;
    struct store *store;
    struct hosts *hosts;
    struct observer observer;
    struct limits limits;
    unsigned added, removed, changed, asked;
    uint64_t fields;
    char last_asked[HOST_IP_TEXT_BYTES];
};

static void on_host(void *ctx, const void *event)
{
    const struct host_event *news = event;
    struct bench *bench = ctx;

    bench->added += news->type == HOST_ADDED;
    bench->removed += news->type == HOST_REMOVED;
    bench->changed += news->type == HOST_CHANGED;
    bench->fields |= news->fields;
}

static void on_check(void *ctx, const struct host_ip *ip, const char *interface)
{
    struct bench *bench = ctx;

    (void)interface;
    bench->asked++;
    host_ip_text(ip, bench->last_asked);
}

static void open_table(struct bench *bench)
{
    bench->hosts = hosts_new(bench->store, &bench->timers, &bench->limits, PRESENCE_S);
    assert_non_null(bench->hosts);
    bench->observer = (struct observer){.fn = on_host, .ctx = bench};
    observer_add(hosts_observers(bench->hosts), &bench->observer);
    hosts_set_check(bench->hosts, on_check, bench);
}

static int set_up(void **state)
{
    static struct bench bench;

    bench = (struct bench){.limits = limits_default};
    clock_fake(&bench.clock, NOW);
    timers_init(&bench.timers, &bench.clock);
    bench.store = store_open(":memory:", NULL, NULL);
    assert_non_null(bench.store);
    open_table(&bench);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    hosts_free(bench->hosts);
    store_close(bench->store);
    timers_done(&bench->timers);
    return 0;
}

static void advance(struct bench *bench, uint64_t ms)
{
    for (; ms; ms -= ms > 1000 ? 1000 : ms) {
        clock_fake_advance(&bench->clock, ms > 1000 ? 1000 : ms);
        timers_run(&bench->timers);
    }
}

static struct host_ip ip_of(const char *text)
{
    struct host_ip ip;

    assert_int_equal(host_ip_from_text(text, 0, &ip), 0);
    return ip;
}

static void neighbour(struct bench *bench, const uint8_t *mac, const char *address,
                      enum host_presence presence)
{
    struct host_ip ip = ip_of(address);

    hosts_observe(
        bench->hosts,
        &(struct host_sighting){
            .source = HOST_NEIGHBOUR, .mac = mac, .ip = &ip, .interface = "br-lan", .presence = presence});
}

static void say(struct bench *bench, enum host_source source, const uint8_t *mac, const char *address,
                enum host_fact fact, const char *text)
{
    struct host_ip ip = address ? ip_of(address) : (struct host_ip){.scope = 0};
    struct host_said said = {fact, text};

    hosts_observe(
        bench->hosts,
        &(struct host_sighting){
            .source = source, .mac = mac, .ip = address ? &ip : NULL, .facts = &said, .facts_count = 1});
}

static void lease(struct bench *bench, const uint8_t *mac, const char *address, enum host_lease how)
{
    struct host_ip ip = ip_of(address);

    hosts_observe(
        bench->hosts,
        &(struct host_sighting){
            .source = HOST_LEASE, .mac = mac, .ip = &ip, .lease = how, .lease_expires = NOW + 3600});
}

static const char *shown_ip(const struct host *host)
{
    static char text[HOST_IP_TEXT_BYTES];
    const struct host_address *address = host_address(host);

    text[0] = '\0';
    if (address)
        host_ip_text(&address->ip, text);
    return text;
}

/* ---- texts ---- */

static void addresses(void **state)
{
    static const char *const none[] = {"0.0.0.0", "127.0.0.1",    "224.0.0.1", "255.255.255.255",
                                       "::",      "::1",          "ff02::1",   "::ffff:127.0.0.1",
                                       "1.2.3",   "fe80::1%eth0", ""};
    struct host_ip ip, other;
    uint8_t mac[HOST_MAC_BYTES];
    char text[HOST_IP_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(host_ip_from_text(none[i], 0, &ip), -1);
    assert_int_equal(host_ip_from_text("::ffff:192.168.1.9", 7, &ip), 0);
    host_ip_text(&ip, text);
    assert_string_equal(text, "192.168.1.9");
    assert_int_equal(host_ip_from_text("fd00::1", 7, &ip), 0);
    assert_int_equal(ip.scope, 0);
    assert_int_equal(host_ip_from_text("fe80::1", 7, &ip), 0);
    assert_int_equal(host_ip_from_text("fe80::1", 8, &other), 0);
    assert_int_equal(ip.scope, 7);
    assert_memory_not_equal(&ip, &other, sizeof(ip));
    assert_int_equal(host_mac_from_text(STR("02:00:00:00:00:0a"), mac), 0);
    assert_memory_equal(mac, phone, sizeof(mac));
    assert_int_equal(host_mac_from_text(STR("02000000000A"), mac), 0);
    assert_int_equal(host_mac_from_text(STR("01:00:5e:00:00:01"), mac), -1); /* a group */
    assert_int_equal(host_mac_from_text(STR("00:00:00:00:00:00"), mac), -1);
    assert_int_equal(host_mac_from_text(STR("02:00:00:00:00"), mac), -1);
    assert_int_equal(host_mac_from_text(STR("02:00-00:00:00.0a"), mac), -1);
}

/* ---- who is who ---- */

static void no_ghosts(void **state)
{
    struct bench *bench = *state;
    struct host *host;

    say(bench, HOST_MDNS, NULL, "fd00::5", HOST_FACT_FRIENDLY_NAME, "Printer");
    lease(bench, NULL, "fd00::5", HOST_LEASE_HELD);
    assert_int_equal(hosts_count(bench->hosts), 0);
    assert_int_equal(bench->added, 0);
    assert_null(hosts_find_ip(bench->hosts, &(struct host_ip){.bytes = {0xfd, [15] = 5}}));
    advance(bench, 1000); /* it is asked who that is */
    assert_string_equal(bench->last_asked, "fd00::5");
    neighbour(bench, printer, "fd00::5", HOST_PRESENCE_TRACKED);
    host = hosts_find(bench->hosts, printer);
    assert_non_null(host);
    assert_int_equal(bench->added, 1);
    assert_string_equal(host_text(host, HOST_FACT_FRIENDLY_NAME), "Printer");
    assert_int_equal(host_address(host)->lease_expires, NOW + 3600);
    assert_true(host->active);
    assert_ptr_equal(hosts_find_ip(bench->hosts, &host_address(host)->ip), host);
}

static void nobody_answers(void **state)
{
    struct bench *bench = *state;

    neighbour(bench, NULL, "192.168.1.9", HOST_PRESENCE_GONE);
    lease(bench, phone, "192.168.1.9", HOST_LEASE_ENDED);
    neighbour(bench, phone, "192.168.1.9", HOST_PRESENCE_GONE);
    assert_int_equal(hosts_count(bench->hosts), 0);
    for (unsigned i = 0; i < 3 * limits_default.hosts_waiting; i++) {
        char text[32];

        snprintf(text, sizeof(text), "fd00::%x", i + 1);
        say(bench, HOST_SSDP, NULL, text, HOST_FACT_FRIENDLY_NAME, "Nobody");
    }
    assert_int_equal(hosts_count(bench->hosts), 0);
    assert_int_equal(hosts_stats(bench->hosts)->expired, 2 * limits_default.hosts_waiting);
}

/* Who multicasts on the LAN cannot put words into another's mouth, nor take an address. */
static void forged(void **state)
{
    struct bench *bench = *state;
    struct host_ip ip = ip_of("192.168.1.10");

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    neighbour(bench, printer, "192.168.1.11", HOST_PRESENCE_TRACKED);
    say(bench, HOST_MDNS, printer, "192.168.1.10", HOST_FACT_MODEL_NAME, "Spoof");
    assert_string_equal(host_text(hosts_find(bench->hosts, printer), HOST_FACT_MODEL_NAME), "");
    assert_string_equal(host_text(hosts_find(bench->hosts, phone), HOST_FACT_MODEL_NAME), "Spoof");
    /* DHCP gave it to another, but who answers there counts. */
    lease(bench, printer, "192.168.1.10", HOST_LEASE_HELD);
    hosts_observe(bench->hosts,
                  &(struct host_sighting){
                      .source = HOST_HOOK, .mac = printer, .ip = &ip, .presence = HOST_PRESENCE_SEEN});
    assert_string_equal(shown_ip(hosts_find(bench->hosts, phone)), "192.168.1.10");
    neighbour(bench, printer, "192.168.1.10", HOST_PRESENCE_SEEN);
    assert_string_equal(shown_ip(hosts_find(bench->hosts, phone)), "");
    assert_false(hosts_find(bench->hosts, phone)->active);
    assert_int_equal(hosts_find(bench->hosts, printer)->addresses_count, 2);
}

/* ---- who is there ---- */

static void presence(void **state)
{
    struct bench *bench = *state;
    struct host *host;

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    host = hosts_find(bench->hosts, phone);
    assert_int_equal(host->active_change, NOW);
    advance(bench, 10 * 3600 * 1000u);
    assert_int_equal(bench->asked, 0); /* the kernel tracks it: nothing is asked */
    assert_true(host->active);

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_SEEN);
    advance(bench, (PRESENCE_S - 10) * 1000u);
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_FRIENDLY_NAME, "Phone");
    assert_int_equal(bench->asked, 0);
    advance(bench, 20 * 1000u);
    assert_int_equal(bench->asked, 1);
    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    advance(bench, 60 * 1000u);
    assert_true(host->active);

    /* Gone by the kernel's word. */
    bench->fields = 0;
    neighbour(bench, NULL, "192.168.1.10", HOST_PRESENCE_GONE);
    assert_false(host->active);
    assert_true(bench->fields & HOST_BIT(HOST_ACTIVE));
    assert_false(bench->fields & HOST_BIT(HOST_ADDRESS)); /* where it was last */
    assert_int_equal(host->active_change, clock_wall(&bench->clock));

    /* Back at another address: the old one is of the past. */
    neighbour(bench, phone, "192.168.1.99", HOST_PRESENCE_SEEN);
    assert_true(host->active);
    assert_int_equal(host->addresses_count, 1);
    assert_string_equal(shown_ip(host), "192.168.1.99");

    /* Nobody says whether it answered. */
    advance(bench, (PRESENCE_S + 60) * 1000u);
    assert_int_equal(bench->asked, 2);
    assert_false(host->active);
    assert_int_equal(bench->added, 1);
}

static void lost_track(void **state)
{
    struct bench *bench = *state;

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    neighbour(bench, printer, "192.168.1.11", HOST_PRESENCE_TRACKED);
    neighbour(bench, NULL, "192.168.1.11", HOST_PRESENCE_GONE);
    neighbour(bench, NULL, "192.168.1.11", HOST_PRESENCE_UNTRACKED); /* the kernel drops the old entry */
    assert_false(hosts_find(bench->hosts, printer)->active);
    hosts_lost_track(bench->hosts);
    assert_true(hosts_find(bench->hosts, phone)->active);
    advance(bench, (PRESENCE_S + 60) * 1000u);
    assert_int_equal(bench->asked, 1);
    assert_false(hosts_find(bench->hosts, phone)->active);
}

/* A lease that was there at the start says nothing of now; it is asked for, and not all at once. */
static void leases_of_the_past(void **state)
{
    struct bench *bench = *state;

    for (uint8_t i = 1; i <= 100; i++) {
        uint8_t mac[HOST_MAC_BYTES] = {2, 0, 0, 0, 1, i};
        char text[32];

        snprintf(text, sizeof(text), "192.168.1.%u", i);
        lease(bench, mac, text, HOST_LEASE_HELD);
    }
    assert_int_equal(bench->added, 100);
    assert_false(hosts_at(bench->hosts, 0)->active);
    assert_string_equal(shown_ip(hosts_at(bench->hosts, 0)), "192.168.1.1");
    advance(bench, 100);
    assert_in_range(bench->asked, 1, 20);
    advance(bench, 10000);
    assert_int_equal(bench->asked, 100);
    advance(bench, 60000);
    assert_int_equal(bench->asked, 100);
    lease(bench, NULL, "192.168.1.1", HOST_LEASE_ENDED);
    assert_string_equal(shown_ip(hosts_at(bench->hosts, 0)), "");
}

static void many_addresses(void **state)
{
    struct bench *bench = *state;
    struct host *host;

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    for (unsigned i = 1; i < 5 * LIMIT_HOST_ADDRESSES; i++) {
        char text[32];

        snprintf(text, sizeof(text), "fd00::%x", i);
        advance(bench, 10);
        neighbour(bench, phone, text, HOST_PRESENCE_SEEN);
    }
    host = hosts_find(bench->hosts, phone);
    assert_int_equal(host->addresses_count, LIMIT_HOST_ADDRESSES);
    assert_string_equal(shown_ip(host), "192.168.1.10");
    assert_null(hosts_find_ip(bench->hosts, &(struct host_ip){.bytes = {0xfd, [15] = 1}}));
}

/* ---- what is believed ---- */

static void facts(void **state)
{
    struct bench *bench = *state;
    struct host *host;
    char longest[HOST_FACT_BYTES + 2];

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    host = hosts_find(bench->hosts, phone);
    say(bench, HOST_OUI, phone, NULL, HOST_FACT_MANUFACTURER, "Block Owner");
    say(bench, HOST_SSDP, NULL, "192.168.1.10", HOST_FACT_MANUFACTURER, "Maker");
    assert_string_equal(host_text(host, HOST_FACT_MANUFACTURER), "Maker");
    assert_int_equal(host_fact(host, HOST_FACT_MANUFACTURER)->source, HOST_SSDP);
    say(bench, HOST_SSDP, NULL, "192.168.1.10", HOST_FACT_MANUFACTURER, "");
    assert_string_equal(host_text(host, HOST_FACT_MANUFACTURER), "Block Owner");
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_HOST_NAME, "Phone.local.");
    assert_string_equal(host_text(host, HOST_FACT_HOST_NAME), "Phone");
    bench->changed = 0;
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_HOST_NAME, "Phone");
    assert_int_equal(bench->changed, 0);

    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_MODEL_NAME, longest);
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_MODEL_NAME, "a\nb");
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_MODEL_NAME, "\xff\xfe");
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_HOST_NAME, longest);
    assert_string_equal(host_text(host, HOST_FACT_MODEL_NAME), "");
    assert_string_equal(host_text(host, HOST_FACT_HOST_NAME), "Phone");
    assert_int_equal(hosts_stats(bench->hosts)->dropped, 4);
}

static void serve(struct bench *bench, const char *type, const char *instance, const char *const *txt,
                  bool gone)
{
    struct host_service_said said = {type, instance, 80, txt, gone};
    struct host_ip ip = ip_of("192.168.1.10");

    hosts_observe(bench->hosts, &(struct host_sighting){
                                    .source = HOST_MDNS, .ip = &ip, .services = &said, .services_count = 1});
}

static void services(void **state)
{
    static const char *const txt[] = {"a=1,2", "b=50% off", "", NULL}, *const other[] = {"a=2", NULL};
    struct bench *bench = *state;
    struct host *host;

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    host = hosts_find(bench->hosts, phone);
    serve(bench, "_http._tcp", "Phone", txt, false);
    assert_int_equal(host->services_count, 1);
    assert_string_equal(host->services[0]->txt, "a=1%2C2,b=50%25%20off");
    serve(bench, "_http._tcp", "Phone", other, false);
    assert_string_equal(host->services[0]->txt, "a=2");
    serve(bench, "_http._tcp", "Other", NULL, false);
    serve(bench, "", "Phone", NULL, false);
    assert_int_equal(host->services_count, 2);
    serve(bench, "_http._tcp", "Phone", NULL, true);
    assert_int_equal(host->services_count, 1);
    assert_string_equal(host->services[0]->name, "Other");
    for (unsigned i = 0; i < 2 * LIMIT_HOST_SERVICES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "n%u", i);
        serve(bench, "_x._udp", name, NULL, false);
    }
    assert_int_equal(host->services_count, LIMIT_HOST_SERVICES);
}

/* A host that changes all the time is listened to at a slow rate: each change is a write and a notification. */
static void restless(void **state)
{
    struct bench *bench = *state;
    char text[16];

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    bench->changed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "n%u", i);
        say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_FRIENDLY_NAME, text);
    }
    assert_in_range(bench->changed, 100, 150);
    advance(bench, 20000);
    say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_FRIENDLY_NAME, "calm");
    assert_string_equal(host_text(hosts_find(bench->hosts, phone), HOST_FACT_FRIENDLY_NAME), "calm");
}

/* ---- the store, and a flood ---- */

static void restart(struct bench *bench)
{
    hosts_free(bench->hosts);
    assert_int_equal(store_flush(bench->store, NULL), 0);
    bench->added = 0;
    open_table(bench);
    assert_int_equal(hosts_load(bench->hosts, NULL), 0);
}

static void numbers_stay(void **state)
{
    struct bench *bench = *state;
    struct host *host;

    neighbour(bench, printer, "192.168.1.11", HOST_PRESENCE_TRACKED);
    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    say(bench, HOST_HOOK, phone, NULL, HOST_FACT_MUD_URL, "https://mud.example/");
    host = hosts_find(bench->hosts, phone);
    assert_int_equal(host->instance, 2);
    assert_int_equal(str_replace(&host->alias, "mine"), 0);
    assert_int_equal(host_save(host, NULL), 0);
    restart(bench);
    assert_int_equal(bench->added, 2);
    host = hosts_find(bench->hosts, phone);
    assert_int_equal(host->instance, 2);
    assert_ptr_equal(hosts_at(bench->hosts, 1), host);
    assert_string_equal(host->alias, "mine");
    assert_string_equal(host_text(host, HOST_FACT_MUD_URL), "https://mud.example/");
    assert_false(host->active);
    assert_int_equal(host->addresses_count, 0);

    /* What cannot be read is passed over, and its number is not given again. */
    assert_int_equal(store_put(bench->store, "host", (struct str){(const char *)phone, 6}, "x", 1, NULL), 0);
    restart(bench);
    assert_int_equal(hosts_count(bench->hosts), 1);
    assert_int_equal(hosts_stats(bench->hosts)->skipped, 1);
    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    assert_int_equal(hosts_find(bench->hosts, phone)->instance, 3);
}

static void flood(struct bench *bench, unsigned from, unsigned to, enum host_presence presence)
{
    for (unsigned i = from; i < to; i++) {
        uint8_t mac[HOST_MAC_BYTES] = {2, 1, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
        char text[32];

        snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
        neighbour(bench, mac, text, presence);
    }
}

static void flooded(void **state)
{
    struct bench *bench = *state;
    uint32_t before;

    neighbour(bench, printer, "192.168.1.11", HOST_PRESENCE_TRACKED);
    assert_int_equal(str_replace(&hosts_find(bench->hosts, printer)->alias, "mine"), 0);
    neighbour(bench, printer, "192.168.1.11", HOST_PRESENCE_GONE);
    advance(bench, 1000);
    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    flood(bench, 0, 5000, HOST_PRESENCE_UNKNOWN);
    before = hosts_count(bench->hosts);
    assert_in_range(before, 1000, 1100);
    assert_int_equal(hosts_stats(bench->hosts)->refused, 5002 - before);
    for (unsigned i = 0; i < 10; i++) {
        advance(bench, 1024000);
        flood(bench, 5000 + 1000 * i, 6000 + 1000 * i, HOST_PRESENCE_UNKNOWN);
    }
    assert_int_equal(hosts_count(bench->hosts), limits_default.hosts);
    assert_int_equal(bench->removed, hosts_stats(bench->hosts)->forgotten);
    assert_non_null(hosts_find(bench->hosts, phone));   /* it is there */
    assert_non_null(hosts_find(bench->hosts, printer)); /* it has a name */
    /* Lowered: those that are not there any more go when the next one comes. */
    bench->limits.hosts = 100;
    advance(bench, 1024000);
    flood(bench, 40000, 40001, HOST_PRESENCE_UNKNOWN);
    assert_int_equal(hosts_count(bench->hosts), 100);
    assert_non_null(hosts_find(bench->hosts, phone));
    assert_non_null(hosts_find(bench->hosts, printer));
}

/* ---- without memory ---- */

static void out_of_memory(void **state)
{
    static const char *const txt[] = {"a=1", NULL};
    unsigned long n = 1;

    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        struct bench *bench;

        tear_down(state);
        set_up(state);
        bench = *state;
        failing_alloc_arm(n);
        say(bench, HOST_MDNS, NULL, "192.168.1.10", HOST_FACT_FRIENDLY_NAME, "Phone");
        serve(bench, "_http._tcp", "Phone", txt, false);
        neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
        lease(bench, phone, "192.168.1.10", HOST_LEASE_HELD);
        neighbour(bench, printer, "192.168.1.10", HOST_PRESENCE_TRACKED);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        neighbour(bench, phone, "192.168.1.12", HOST_PRESENCE_TRACKED);
        say(bench, HOST_MDNS, NULL, "192.168.1.12", HOST_FACT_FRIENDLY_NAME, "Again");
        assert_non_null(hosts_find(bench->hosts, phone));
        assert_string_equal(host_text(hosts_find(bench->hosts, phone), HOST_FACT_FRIENDLY_NAME), "Again");
    }
    assert_true(n > 10 && n < ROUNDS_MAX);
}

static void load_without_memory(void **state)
{
    struct bench *bench = *state;
    unsigned long n = 1;
    int rc;

    neighbour(bench, phone, "192.168.1.10", HOST_PRESENCE_TRACKED);
    say(bench, HOST_HOOK, phone, NULL, HOST_FACT_MUD_URL, "https://mud.example/");
    assert_int_equal(store_flush(bench->store, NULL), 0);
    for (bool hit = true; hit && n < ROUNDS_MAX; n++) {
        hosts_free(bench->hosts);
        open_table(bench);
        failing_alloc_arm(n);
        rc = hosts_load(bench->hosts, NULL);
        hit = failing_alloc_hit();
        failing_alloc_arm(0);
        if (rc == 0)
            assert_int_equal(hosts_count(bench->hosts) + hosts_stats(bench->hosts)->skipped, 1);
    }
    assert_true(n > 3 && n < ROUNDS_MAX);
    assert_int_equal(hosts_count(bench->hosts), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(addresses),
        CASE(no_ghosts),
        CASE(nobody_answers),
        CASE(forged),
        CASE(presence),
        CASE(lost_track),
        CASE(leases_of_the_past),
        CASE(many_addresses),
        CASE(facts),
        CASE(services),
        CASE(restless),
        CASE(numbers_stay),
        CASE(flooded),
        CASE(out_of_memory),
        CASE(load_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
