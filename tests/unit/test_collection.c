/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.Hosts and Device.CollectionDevice: rows follow hosts and devices, and what is one is one. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "datamodel/device/collection_device.h"
#include "datamodel/device/hosts.h"
#include "devices/dialects/shelly.h"
#include "devices/home.h"
#include "tests/unit/fake_home.h"

static const struct dm_object plain = {0};
static const struct dm_object table = {.flags = DM_TABLE};

static const struct dm_mount mounts[] = {
    {"Device.", &plain},
    {"Device.Hosts.", &model_hosts},
    {"Device.Hosts." VENDOR_PREFIX "Scan.", &model_hosts_scan},
    {"Device.Hosts.Host.{i}.", &model_host},
    {"Device.Hosts.Host.{i}.IPv4Address.{i}.", &model_host_ipv4_address},
    {"Device.Hosts.Host.{i}.IPv6Address.{i}.", &model_host_ipv6_address},
    {"Device.Hosts.Host.{i}." VENDOR_PREFIX "Fact.{i}.", &model_host_fact},
    {"Device.Hosts.Host.{i}." VENDOR_PREFIX "Service.{i}.", &model_host_service},
    {"Device.CollectionDevice.{i}.", &model_collection_device},
    {"Device.ProxiedDevice.{i}.", &table},
};

struct fixture {
    struct fake_home home;
    struct timers timers;
    struct hosts *hosts;
    struct dm *dm;
    struct model model;
    struct observer feed;
    struct rate peer;
    char fed[8192];
};

/* In place of devices/home.c, which needs more of a home than this test has. */
struct registry *home_registry(struct home *home)
{
    return (struct registry *)home;
}

static void on_feed(void *ctx, const void *event)
{
    static const char *const types[] = {"value", "created", "deleted", "event", "complete"};
    const struct dm_feed *feed = event;
    struct fixture *fixture = ctx;
    size_t len = strlen(fixture->fed);
    char path[DM_PATH_BYTES];

    dm_row_path(feed->row, path);
    snprintf(fixture->fed + len, sizeof(fixture->fed) - len, "%s %s%s\n", types[feed->type],
             path + strlen("Device."),
             feed->type == DM_FEED_VALUE ? feed->row->node->object->params[feed->member].name : "");
}

static void begin(struct fixture *fixture)
{
    timers_init(&fixture->timers, fixture->home.registry->clock);
    fixture->hosts = hosts_new(fixture->home.store, &fixture->timers, &limits_default, 0);
    fixture->dm = dm_new(mounts, sizeof(mounts) / sizeof(mounts[0]), NULL, fixture->home.store, NULL);
    assert_non_null(fixture->dm);
    fixture->model = (struct model){
        .dm = fixture->dm, .home = (struct home *)fixture->home.registry, .hosts = fixture->hosts};
    assert_int_equal(model_hosts_start(&fixture->model, NULL), 0);
    assert_int_equal(hosts_load(fixture->hosts, NULL), 0);
    assert_int_equal(model_collection_start(&fixture->model, NULL), 0);
    fixture->feed = (struct observer){.fn = on_feed, .ctx = fixture};
    observer_add(dm_observers(fixture->dm), &fixture->feed);
}

static void end(struct fixture *fixture)
{
    model_collection_stop(&fixture->model);
    model_hosts_stop(&fixture->model);
    hosts_free(fixture->hosts);
    dm_free(fixture->dm);
    timers_done(&fixture->timers);
}

static int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fake_home_init(&fixture.home, &shelly_dialect, NULL);
    begin(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    end(fixture);
    fake_home_done(&fixture->home, false);
    return 0;
}

static void see(struct fixture *fixture, uint8_t last, const char *address, enum host_presence presence)
{
    uint8_t mac[HOST_MAC_BYTES] = {2, 0, 0, 0, 0, last};
    struct host_ip ip;

    assert_int_equal(host_ip_from_text(address, 0, &ip), 0);
    hosts_observe(
        fixture->hosts,
        &(struct host_sighting){
            .source = HOST_NEIGHBOUR, .mac = mac, .ip = &ip, .interface = "br-lan", .presence = presence});
}

static struct device *add_device(struct fixture *fixture, const char *id, const char *mac, const char *ip)
{
    struct device *device = registry_add(fixture->home.registry, &shelly_dialect, id, &fixture->peer, true,
                                         NULL);

    assert_non_null(device);
    device_set(device, DEVICE_MAC, mac);
    device_set(device, DEVICE_IP, ip);
    registry_announce(device);
    return device;
}

static const char *value(struct fixture *fixture, const char *path, const char *name)
{
    static char text[4][DM_SCRATCH_BYTES];
    static unsigned next;
    struct dm_row *row = dm_row_find(fixture->dm, str_of(path));
    char *to = text[next++ % 4];
    char scratch[DM_SCRATCH_BYTES];
    struct str found;

    if (!row)
        return "(no row)";
    found = dm_get_text(row, dm_node_param(row->node, name), scratch);
    snprintf(to, DM_SCRATCH_BYTES, "%.*s", (int)found.len, found.data);
    return to;
}

/* "1:Host.1+Device.1 2:Host.2" of all rows of the collection. */
static const char *collected(struct fixture *fixture)
{
    static char text[1000];
    struct dm_row *const *rows;
    uint32_t count = dm_rows(dm_root(fixture->dm), dm_node_find(fixture->dm, "Device.CollectionDevice.{i}."),
                             &rows);
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        char path[64];
        const char *host, *device;

        snprintf(path, sizeof(path), "Device.CollectionDevice.%u.", rows[i]->instance);
        host = value(fixture, path, "HostDeviceRef");
        device = value(fixture, path, "ProxiedDeviceRef");
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u:%s%s%s", len ? " " : "",
                                rows[i]->instance, *host ? host + strlen("Device.Hosts.") : "",
                                *host && *device ? "+" : "",
                                *device ? device + strlen("Device.Proxied") : "");
    }
    return text;
}

static void host_rows(void **state)
{
    struct fixture *fixture = *state;
    struct host_said said = {HOST_FACT_MANUFACTURER, "Maker"};
    struct host_service_said service = {"_http._tcp", "Page", 80, NULL, false};
    uint8_t mac[HOST_MAC_BYTES] = {2, 0, 0, 0, 0, 1};

    see(fixture, 1, "192.168.1.10", HOST_PRESENCE_TRACKED);
    assert_string_equal(value(fixture, "Device.Hosts.Host.1.", "PhysAddress"), "02:00:00:00:00:01");
    assert_string_equal(value(fixture, "Device.Hosts.Host.1.", "IPAddress"), "192.168.1.10");
    assert_string_equal(value(fixture, "Device.Hosts.Host.1.", "Active"), "true");
    assert_string_equal(value(fixture, "Device.Hosts.Host.1.", "InterfaceType"), "Other");
    assert_string_equal(value(fixture, "Device.Hosts.Host.1.IPv4Address.1.", "IPAddress"), "192.168.1.10");
    fixture->fed[0] = '\0';
    see(fixture, 1, "fd00::1", HOST_PRESENCE_TRACKED);
    assert_string_equal(fixture->fed, "created Hosts.Host.1.IPv6Address.1.\n");
    fixture->fed[0] = '\0';
    see(fixture, 1, "fd00::1", HOST_PRESENCE_GONE);
    see(fixture, 1, "fd00::1", HOST_PRESENCE_TRACKED);
    see(fixture, 1, "fd00::1", HOST_PRESENCE_TRACKED);
    assert_string_equal(fixture->fed,
                        "deleted Hosts.Host.1.IPv6Address.1.\ncreated Hosts.Host.1.IPv6Address.2.\n");

    fixture->fed[0] = '\0';
    hosts_observe(fixture->hosts, &(struct host_sighting){.source = HOST_OUI,
                                                          .mac = mac,
                                                          .facts = &said,
                                                          .facts_count = 1,
                                                          .services = &service,
                                                          .services_count = 1});
    assert_string_equal(value(fixture, "Device.Hosts.Host.1." VENDOR_PREFIX "Fact.1.", "Value"), "Maker");
    assert_string_equal(value(fixture, "Device.Hosts.Host.1." VENDOR_PREFIX "Fact.1.", "Grade"), "D");
    assert_string_equal(value(fixture, "Device.Hosts.Host.1." VENDOR_PREFIX "Service.1.", "Port"), "80");
    fixture->fed[0] = '\0';
    said.text = "Other";
    service.gone = true;
    hosts_observe(fixture->hosts, &(struct host_sighting){.source = HOST_OUI,
                                                          .mac = mac,
                                                          .facts = &said,
                                                          .facts_count = 1,
                                                          .services = &service,
                                                          .services_count = 1});
    assert_string_equal(fixture->fed, "deleted Hosts.Host.1." VENDOR_PREFIX "Service.1.\n"
                                      "value Hosts.Host.1." VENDOR_PREFIX "Fact.1.Value\n"
                                      "value Hosts.Host.1." VENDOR_PREFIX "Fact.1.Time\n");
}

static void joined_by_mac(void **state)
{
    struct fixture *fixture = *state;
    struct device *device;

    see(fixture, 1, "192.168.1.10", HOST_PRESENCE_TRACKED);
    see(fixture, 2, "192.168.1.11", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Host.1 2:Host.2");
    /* The device takes over the row of its host. */
    device = add_device(fixture, "a", "020000000002", NULL);
    assert_string_equal(collected(fixture), "1:Host.1 2:Host.2+Device.1");
    /* Its MAC address is known later, and two rows are one: the elder. */
    add_device(fixture, "b", NULL, NULL);
    assert_string_equal(collected(fixture), "1:Host.1 2:Host.2+Device.1 3:Device.2");
    device_set(registry_find(fixture->home.registry, "shelly:b"), DEVICE_MAC, "020000000001");
    registry_announce(registry_find(fixture->home.registry, "shelly:b"));
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 2:Host.2+Device.1");
    /* The host comes later. */
    add_device(fixture, "c", "020000000003", NULL);
    see(fixture, 3, "192.168.1.12", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 2:Host.2+Device.1 4:Host.3+Device.3");
    /* Two devices on one host. */
    add_device(fixture, "d", "020000000002", NULL);
    assert_string_equal(collected(fixture),
                        "1:Host.1+Device.2 2:Host.2+Device.1 4:Host.3+Device.3 5:Host.2+Device.4");
    registry_remove(device);
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 4:Host.3+Device.3 5:Host.2+Device.4");
    registry_remove(registry_find(fixture->home.registry, "shelly:d"));
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 4:Host.3+Device.3 5:Host.2");
}

static void joined_by_ip(void **state)
{
    struct fixture *fixture = *state;

    add_device(fixture, "a", NULL, "192.168.1.10");
    see(fixture, 1, "192.168.1.10", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Host.1+Device.1");
    /* The address goes to another: so does the device. */
    see(fixture, 2, "192.168.1.10", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Host.2+Device.1 2:Host.1");
    /* A device that says its MAC address is no other host, whatever its address. */
    add_device(fixture, "b", "020000000009", "192.168.1.10");
    assert_string_equal(collected(fixture), "1:Host.2+Device.1 2:Host.1 3:Device.2");
}

/* Two rows that turn out to be one: the elder stays, whichever it is. */
static void elder_stays(void **state)
{
    struct fixture *fixture = *state;
    struct device *device = add_device(fixture, "a", NULL, NULL);

    see(fixture, 1, "192.168.1.10", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Device.1 2:Host.1");
    device_set(device, DEVICE_MAC, "020000000001");
    registry_announce(device);
    assert_string_equal(collected(fixture), "1:Host.1+Device.1");
}

static void kept(void **state)
{
    struct fixture *fixture = *state;
    struct dm_requester nobody = {NULL, false};
    struct dm_row *row;

    see(fixture, 1, "192.168.1.10", HOST_PRESENCE_TRACKED);
    add_device(fixture, "a", "020000000002", NULL);
    see(fixture, 2, "192.168.1.11", HOST_PRESENCE_TRACKED);
    add_device(fixture, "b", NULL, "192.168.1.10");
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 2:Host.2+Device.1");
    row = dm_row_find(fixture->dm, STR("Device.CollectionDevice.2."));
    dm_begin(fixture->dm, &nobody);
    assert_int_equal(dm_set(fixture->dm, row, dm_node_param(row->node, "Alias"), STR("plug"), NULL), 0);
    assert_int_equal(dm_set_done(fixture->dm, row, NULL), 0);
    assert_int_equal(dm_commit(fixture->dm, NULL), 0);
    assert_int_equal(dm_flush(fixture->dm, NULL), 0);
    end(fixture);
    /* Where the hosts are is not known yet, who they are is. */
    begin(fixture);
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 2:Host.2+Device.1");
    assert_string_equal(value(fixture, "Device.CollectionDevice.2.", "Alias"), "plug");
    see(fixture, 1, "192.168.1.10", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 2:Host.2+Device.1");
    /* Forgotten meanwhile: the row is its host's alone, and numbers are not given again. */
    registry_remove(registry_find(fixture->home.registry, "shelly:a"));
    see(fixture, 3, "192.168.1.12", HOST_PRESENCE_TRACKED);
    assert_string_equal(collected(fixture), "1:Host.1+Device.2 2:Host.2 3:Host.3");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(host_rows), CASE(joined_by_mac), CASE(joined_by_ip), CASE(elder_stays), CASE(kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
