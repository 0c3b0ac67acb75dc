/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "datamodel/device/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Device.Hosts. ---- */

static const struct dm_param hosts_params[] = {
    {.name = "HostNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "Host"},
    DM_END_PARAMS,
};

const struct dm_object model_hosts = {.params = hosts_params};

/* ---- <vendor prefix>Scan. ---- */

static const char *const scan_states[] = {"Disabled", "Enabled", "Error", NULL};

static void get_scan_status(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct model *model = row->data;
    const struct model_scan *scan = model ? model->scan : NULL;

    (void)scratch;
    ret->text = str_of(scan_states[!scan || !scan->interfaces ? 0 : scan->problem[0] ? 2 : 1]);
}

static void get_scan_interfaces(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct model *model = row->data;

    (void)scratch;
    ret->text = str_of(model && model->scan && model->scan->interfaces ? model->scan->interfaces : "");
}

static void get_scan_problem(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct model *model = row->data;

    (void)scratch;
    ret->text = str_of(model && model->scan ? model->scan->problem : "");
}

static const struct hosts_stats *stats_of(const struct dm_row *row)
{
    static const struct hosts_stats none;
    const struct model *model = row->data;

    return model && model->hosts ? hosts_stats(model->hosts) : &none;
}

static void get_refused(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->number = stats_of(row)->refused;
}

static void get_dropped(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->number = stats_of(row)->dropped;
}

static void get_rejected(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct model *model = row->data;
    const struct model_scan *scan = model ? model->scan : NULL;

    (void)scratch;
    ret->number = scan && scan->rejected ? scan->rejected(scan->rejected_ctx) : 0;
}

static const struct dm_param scan_params[] = {
    {.name = "Status", .type = DM_ENUM, .values = scan_states, .get = get_scan_status},
    {.name = "Interfaces", .type = DM_STRING, .flags = DM_LIST, .get = get_scan_interfaces},
    {.name = "Problem", .type = DM_STRING, .get = get_scan_problem},
    {.name = "RefusedHosts", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_refused},
    {.name = "DroppedFacts", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_dropped},
    {.name = "RejectedMessages", .type = DM_UNSIGNED_LONG, .flags = DM_NO_NOTIFY, .get = get_rejected},
    DM_END_PARAMS,
};

const struct dm_object model_hosts_scan = {.params = scan_params};

/* ---- Host.{i}. ---- */

static void get_mac(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host *host = row->data;

    (void)scratch;
    ret->text = str_of(host->mac_text);
}

static void get_ip(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_address *address = host_address(row->data);

    scratch[0] = '\0';
    if (address)
        host_ip_text(&address->ip, scratch);
    ret->text = str_of(scratch);
}

static void get_host_name(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)scratch;
    ret->text = str_of(host_text(row->data, HOST_FACT_HOST_NAME));
}

static const char *const interface_types[] = {"Ethernet", "G.hn",  "HPNA",  "HomePlug", "MoCA",
                                              "UPA",      "Wi-Fi", "Other", NULL};

static void get_interface_type(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host *host = row->data;

    (void)scratch;
    ret->text = str_of(host->link_type ? host->link_type : "Other");
}

static void get_interface(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host *host = row->data;

    (void)scratch;
    ret->text = str_of(host->interface);
}

/* What Device:2 had as AddressSource until 2.14; of its values these two are what a gateway can know. */
static const char *const address_sources[] = {"DHCP", "None", NULL};

static void get_address_source(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_address *address = host_address(row->data);

    (void)scratch;
    ret->text = str_of(address && address->lease_expires ? "DHCP" : "None");
}

/* Of the address in IPAddress; -1: it does not end. Time that passes is no change of a value. */
static void get_lease_time(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host *host = row->data;
    const struct host_address *address = host_address(host);
    int64_t left = address && address->lease_expires
                       ? address->lease_expires - clock_wall(hosts_clock(host->hosts))
                       : 0;

    (void)scratch;
    if (left > 0 && address->lease_expires == INT64_MAX)
        ret->integer = -1;
    else
        ret->integer = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
}

static int save_host(struct dm *dm, struct dm_row *row, struct error *err)
{
    (void)dm;
    return host_save(row->data, err);
}

static const struct dm_param host_params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED | DM_ALIAS,
     .max = 64,
     .offset = DM_OFFSET(struct host, alias)},
    {.name = "PhysAddress", .type = DM_STRING, .flags = DM_INDEXED, .max = 64, .get = get_mac},
    {.name = "IPAddress", .type = DM_STRING, .max = 45, .get = get_ip},
    {.name = "InterfaceType", .type = DM_ENUM, .values = interface_types, .get = get_interface_type},
    {.name = "HostName", .type = DM_STRING, .max = 64, .get = get_host_name},
    {.name = "Active", .type = DM_BOOLEAN, .offset = DM_OFFSET(struct host, active)},
    {.name = "ActiveLastChange", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct host, active_change)},
    {.name = "IPv4AddressNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "IPv4Address"},
    {.name = "IPv6AddressNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = "IPv6Address"},
    {.name = VENDOR_PREFIX "Interface", .type = DM_STRING, .max = 15, .get = get_interface},
    {.name = VENDOR_PREFIX "AddressSource",
     .type = DM_ENUM,
     .values = address_sources,
     .get = get_address_source},
    {.name = VENDOR_PREFIX "LeaseTimeRemaining",
     .type = DM_INT,
     .flags = DM_NO_NOTIFY,
     .min = -1,
     .max = INT32_MAX,
     .get = get_lease_time},
    {.name = VENDOR_PREFIX "FactNumberOfEntries", .type = DM_UNSIGNED_INT, .count_of = VENDOR_PREFIX "Fact"},
    {.name = VENDOR_PREFIX "ServiceNumberOfEntries",
     .type = DM_UNSIGNED_INT,
     .count_of = VENDOR_PREFIX "Service"},
    DM_END_PARAMS,
};

static const struct dm_key host_keys[] = {{{"PhysAddress"}}, {{"Alias"}}, {{NULL}}};

const struct dm_object model_host = {
    .flags = DM_TABLE,
    .params = host_params,
    .keys = host_keys,
    .save = save_host,
};

/* ---- IPv4Address.{i}., IPv6Address.{i}. ---- */

static void get_address(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_address *address = row->data;

    host_ip_text(&address->ip, scratch);
    ret->text = str_of(scratch);
}

static const struct dm_param address_params[] = {
    {.name = "IPAddress", .type = DM_STRING, .flags = DM_INDEXED, .max = 45, .get = get_address},
    DM_END_PARAMS,
};

static const struct dm_param address_v4_params[] = {
    {.name = "IPAddress", .type = DM_STRING, .flags = DM_INDEXED, .max = 15, .get = get_address},
    DM_END_PARAMS,
};

static const struct dm_key address_keys[] = {{{"IPAddress"}}, {{NULL}}};

const struct dm_object model_host_ipv4_address = {
    .flags = DM_TABLE, .params = address_v4_params, .keys = address_keys};
const struct dm_object model_host_ipv6_address = {
    .flags = DM_TABLE, .params = address_params, .keys = address_keys};

/* ---- <vendor prefix>Fact.{i}., <vendor prefix>Service.{i}. ---- */

static const char *const grades[] = {"C", "D", NULL};

/* Nothing here is authenticated: it was observed, or it is inferred from the address. */
static struct str grade_of(enum host_source source)
{
    return str_of(source == HOST_OUI ? "D" : "C");
}

static void get_fact_name(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_known_fact *known = row->data;

    (void)scratch;
    ret->text = str_of(host_fact_name(known->fact));
}

static void get_fact_source(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_known_fact *known = row->data;

    (void)scratch;
    ret->text = str_of(host_source_name(known->source));
}

static void get_fact_grade(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_known_fact *known = row->data;

    (void)scratch;
    ret->text = grade_of(known->source);
}

static const struct dm_param fact_params[] = {
    {.name = "Name", .type = DM_STRING, .flags = DM_INDEXED, .max = 64, .get = get_fact_name},
    {.name = "Value",
     .type = DM_STRING,
     .max = HOST_FACT_BYTES,
     .offset = DM_OFFSET(struct host_known_fact, text)},
    {.name = "Source", .type = DM_STRING, .max = 64, .get = get_fact_source},
    {.name = "Grade", .type = DM_ENUM, .values = grades, .get = get_fact_grade},
    {.name = "Time", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct host_known_fact, time)},
    DM_END_PARAMS,
};

static const struct dm_key fact_keys[] = {{{"Name", "Source"}}, {{NULL}}};

const struct dm_object model_host_fact = {.flags = DM_TABLE, .params = fact_params, .keys = fact_keys};

static void get_service_source(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_service *service = row->data;

    (void)scratch;
    ret->text = str_of(host_source_name(service->source));
}

static void get_service_grade(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_service *service = row->data;

    (void)scratch;
    ret->text = grade_of(service->source);
}

static void get_service_port(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct host_service *service = row->data;

    (void)scratch;
    ret->number = service->port;
}

static const struct dm_param service_params[] = {
    {.name = "Type",
     .type = DM_STRING,
     .flags = DM_INDEXED,
     .max = HOST_SERVICE_TYPE_BYTES,
     .offset = DM_OFFSET(struct host_service, type)},
    {.name = "Name",
     .type = DM_STRING,
     .max = HOST_SERVICE_NAME_BYTES,
     .offset = DM_OFFSET(struct host_service, name)},
    {.name = "Port", .type = DM_UNSIGNED_INT, .max = 65535, .get = get_service_port},
    {.name = "Attributes",
     .type = DM_STRING,
     .flags = DM_LIST,
     .max = HOST_SERVICE_TXT_BYTES,
     .offset = DM_OFFSET(struct host_service, txt)},
    {.name = "Source", .type = DM_STRING, .max = 64, .get = get_service_source},
    {.name = "Grade", .type = DM_ENUM, .values = grades, .get = get_service_grade},
    {.name = "Time", .type = DM_DATE_TIME, .offset = DM_OFFSET(struct host_service, time)},
    DM_END_PARAMS,
};

static const struct dm_key service_keys[] = {{{"Type", "Name", "Source"}}, {{NULL}}};

const struct dm_object model_host_service = {
    .flags = DM_TABLE, .params = service_params, .keys = service_keys};

/* ---- rows ---- */

/* What a change of a host means to the parameters of its row. */
static const struct {
    unsigned field; /* enum host_fact, or host_field */
    const char *param;
} shown[] = {
    {HOST_FACT_HOST_NAME, "HostName"},
    {HOST_ACTIVE, "Active"},
    {HOST_ACTIVE, "ActiveLastChange"},
    {HOST_ADDRESS, "IPAddress"},
    {HOST_ADDRESS, VENDOR_PREFIX "AddressSource"},
    {HOST_INTERFACE, VENDOR_PREFIX "Interface"},
    {HOST_LINK_TYPE, "InterfaceType"},
};

enum {
    SHOWN = sizeof(shown) / sizeof(shown[0]),
    FACT_VALUE = 1, /* by their place in the tables above */
    FACT_TIME = 4,
    SERVICE_PORT = 2,
    SERVICE_ATTRIBUTES = 3,
    SERVICE_TIME = 6,
};

/* Found again through the observers. */
struct shown_hosts {
    struct dm *dm;
    struct observer observer;
    struct dm_row *parent;
    struct dm_node *table, *v4, *v6, *fact, *service;
    int params[SHOWN];
};

/* The row of something that may have come, changed or ended. True: it was there before, and still is. */
static bool follow(struct shown_hosts *all, struct host *host, struct dm_node *node, void *data, bool ended,
                   void **row)
{
    if (ended && *row) {
        dm_detach(all->dm, *row);
        *row = NULL;
    } else if (!ended && !*row) {
        *row = dm_attach(all->dm, host->row, node, 0, data);
    } else {
        return *row != NULL;
    }
    return false;
}

static void follow_addresses(struct shown_hosts *all, struct host *host)
{
    for (uint32_t i = 0; i < host->addresses_count; i++) {
        struct host_address *address = host->addresses[i];

        follow(all, host, host_ip_is_v4(&address->ip) ? all->v4 : all->v6, address, address->ended,
               &address->row);
    }
}

static void follow_facts(struct shown_hosts *all, struct host *host)
{
    for (uint32_t i = 0; i < host->facts_count; i++) {
        struct host_known_fact *known = host->facts[i];

        if (!follow(all, host, all->fact, known, known->ended, &known->row) || !known->fresh)
            continue;
        dm_changed(all->dm, known->row, FACT_VALUE);
        dm_changed(all->dm, known->row, FACT_TIME);
    }
}

static void follow_services(struct shown_hosts *all, struct host *host)
{
    for (uint32_t i = 0; i < host->services_count; i++) {
        struct host_service *service = host->services[i];

        if (!follow(all, host, all->service, service, service->ended, &service->row) || !service->fresh)
            continue;
        dm_changed(all->dm, service->row, SERVICE_PORT);
        dm_changed(all->dm, service->row, SERVICE_ATTRIBUTES);
        dm_changed(all->dm, service->row, SERVICE_TIME);
    }
}

static void add_row(struct shown_hosts *all, struct host *host)
{
    host->row = dm_attach(all->dm, all->parent, all->table, host->instance, host);
    if (!host->row)
        return; /* no memory: it is not shown */
    follow_addresses(all, host);
    follow_facts(all, host);
    follow_services(all, host);
}

static void remove_row(struct shown_hosts *all, struct host *host)
{
    dm_detach(all->dm, host->row);
    host->row = NULL;
}

static void tell_changes(struct shown_hosts *all, struct host *host, uint64_t fields)
{
    if (fields & HOST_BIT(HOST_ADDRESSES))
        follow_addresses(all, host);
    if (fields & HOST_BIT(HOST_SERVICES))
        follow_services(all, host);
    if (fields & (HOST_BIT(HOST_FACTS) - 1))
        follow_facts(all, host);
    for (size_t i = 0; i < SHOWN; i++)
        if (fields & HOST_BIT(shown[i].field))
            dm_changed(all->dm, host->row, all->params[i]);
}

static void on_host(void *ctx, const void *event)
{
    const struct host_event *news = event;
    struct shown_hosts *all = ctx;

    if (news->type == HOST_ADDED)
        add_row(all, news->host);
    else if (!news->host->row)
        return;
    else if (news->type == HOST_REMOVED)
        remove_row(all, news->host);
    else
        tell_changes(all, news->host, news->fields);
}

static int find_places(struct shown_hosts *all)
{
    all->parent = dm_row_find(all->dm, STR("Device.Hosts."));
    all->table = dm_node_find(all->dm, "Device.Hosts.Host.{i}.");
    if (!all->parent || !all->table)
        return -1;
    all->v4 = dm_node_child(all->table, STR("IPv4Address"));
    all->v6 = dm_node_child(all->table, STR("IPv6Address"));
    all->fact = dm_node_child(all->table, STR(VENDOR_PREFIX "Fact"));
    all->service = dm_node_child(all->table, STR(VENDOR_PREFIX "Service"));
    for (size_t i = 0; i < SHOWN; i++) {
        all->params[i] = dm_node_param(all->table, shown[i].param);
        if (all->params[i] < 0)
            return -1;
    }
    return all->v4 && all->v6 && all->fact && all->service ? 0 : -1;
}

int model_hosts_start(struct model *model, struct error *err)
{
    struct shown_hosts *all = calloc(1, sizeof(*all));

    if (!all)
        return error_set(err, ERROR_INTERNAL, NULL, "out of memory");
    all->dm = model->dm;
    all->observer = (struct observer){.fn = on_host, .ctx = all};
    if (find_places(all) < 0) {
        free(all);
        return error_set(err, ERROR_INTERNAL, "Device.Hosts.Host.{i}.", "an object of it is not mounted");
    }
    dm_bind(dm_row_child(all->parent, dm_node_child(all->parent->node, STR(VENDOR_PREFIX "Scan"))), model);
    observer_add(hosts_observers(model->hosts), &all->observer);
    return 0;
}

void model_hosts_stop(struct model *model)
{
    struct observers *observers = hosts_observers(model->hosts);

    for (struct observer *at = observers->first; at; at = at->next) {
        struct shown_hosts *all = at->ctx;

        if (at->fn != on_host)
            continue;
        observer_remove(observers, at);
        model->hosts = NULL;
        free(all);
        return;
    }
}
