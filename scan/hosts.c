/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/record.h"
#include "scan/hosts_internal.h"

enum {
    /* New hosts, of all sources: the homes there are fit in the burst, and a flood of invented addresses does not. */
    NEW_INTERVAL_MS = 1000,
    NEW_BURST = 1024,
    /* A host that comes and goes costs the flash no more than one write in this time. */
    ACTIVE_STORE_S = 600,
};

#define KIND "host"
#define KIND_STATE "host-table"

static const uint64_t fact_fields = HOST_BIT(HOST_FACTS) - 1;

static struct str mac_key(const uint8_t mac[HOST_MAC_BYTES])
{
    return (struct str){(const char *)mac, HOST_MAC_BYTES};
}

static bool is_waiting(const struct host *host)
{
    return !host->mac_text[0];
}

/* ---- the table ---- */

struct hosts *hosts_new(struct store *store, struct timers *timers, const struct limits *limits,
                        uint32_t presence_s)
{
    struct hosts *hosts = calloc(1, sizeof(*hosts));

    if (!hosts)
        return NULL;
    hosts->store = store;
    hosts->timers = timers;
    hosts->limits = limits;
    hosts->presence_ms = presence_s * 1000ull;
    hosts->next_instance = 1;
    map_init(&hosts->by_mac);
    map_init(&hosts->by_ip);
    timer_init(&hosts->due, host_due, hosts);
    return hosts;
}

static void host_free(struct host *host)
{
    host_addresses_sweep(host, true);
    host_said_sweep(host, true);
    free(host->alias);
    free(host);
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    for (uint32_t i = 0; i < hosts->count; i++)
        host_free(hosts->table[i]);
    while (hosts->waiting_first) {
        struct host *host = hosts->waiting_first;

        hosts->waiting_first = host->next;
        host_free(host);
    }
    timer_cancel(hosts->timers, &hosts->due);
    free(hosts->table);
    map_done(&hosts->by_mac);
    map_done(&hosts->by_ip);
    free(hosts);
}

void hosts_set_check(struct hosts *hosts, hosts_check_fn *check, void *ctx)
{
    hosts->check = check;
    hosts->check_ctx = ctx;
}

struct host *hosts_find(const struct hosts *hosts, const uint8_t mac[HOST_MAC_BYTES])
{
    return map_get(&hosts->by_mac, mac_key(mac));
}

struct host *hosts_find_ip(const struct hosts *hosts, const struct host_ip *ip)
{
    const struct host_address *address = map_get(&hosts->by_ip, host_ip_key(ip));

    return address && !is_waiting(address->host) ? address->host : NULL;
}

const struct clock *hosts_clock(const struct hosts *hosts)
{
    return hosts->timers->clock;
}

uint32_t hosts_count(const struct hosts *hosts)
{
    return hosts->count;
}

struct host *hosts_at(const struct hosts *hosts, uint32_t index)
{
    return hosts->table[index];
}

const struct hosts_stats *hosts_stats(const struct hosts *hosts)
{
    return &hosts->stats;
}

struct observers *hosts_observers(struct hosts *hosts)
{
    return &hosts->observers;
}

/* Where the instance is in the table, or where it would be. */
static uint32_t place_of(const struct hosts *hosts, uint32_t instance)
{
    uint32_t low = 0, high = hosts->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (hosts->table[middle]->instance < instance)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int enter(struct hosts *hosts, struct host *host)
{
    uint32_t place = place_of(hosts, host->instance);
    struct host **table = host_room(hosts->table, hosts->count);

    if (table)
        hosts->table = table;
    if (!table || map_put(&hosts->by_mac, mac_key(host->mac), host) < 0)
        return -1;
    memmove(hosts->table + place + 1, hosts->table + place, (hosts->count - place) * sizeof(struct host *));
    hosts->table[place] = host;
    hosts->count++;
    return 0;
}

/* ---- the store ---- */

int host_save(struct host *host, struct error *err)
{
    struct store *store = host->hosts->store;
    struct buf record;
    int rc;

    if (!store)
        return 0;
    host_record_write(host, &record);
    host->stored_change = host->active_change;
    rc = record.failed ? error_set(err, ERROR_INTERNAL, host->mac_text, "out of memory")
                       : store_put(store, KIND, mac_key(host->mac), buf_data(&record), record.len, err);
    buf_done(&record);
    return rc;
}

static void save_next_instance(struct hosts *hosts)
{
    char digits[20];
    struct error err = {0};

    if (hosts->store && store_put(hosts->store, KIND_STATE, STR("next-instance"), digits,
                                  str_from_u64(digits, hosts->next_instance), &err) < 0)
        log_failure(LOG_LEVEL_WARNING, "cannot store the next instance number of a host", &err);
}

static void load_next_instance(struct hosts *hosts)
{
    struct buf text;
    uint64_t next;

    buf_init(&text, 64, 0);
    if (store_get(hosts->store, KIND_STATE, STR("next-instance"), &text, NULL) == 1 &&
        str_to_u64((struct str){(const char *)buf_data(&text), text.len}, &next) == 0 && next > 0 &&
        next < UINT32_MAX)
        hosts->next_instance = (uint32_t)next;
    buf_done(&text);
}

static bool is_taken(const struct hosts *hosts, uint32_t instance)
{
    uint32_t place = place_of(hosts, instance);

    return place < hosts->count && hosts->table[place]->instance == instance;
}

static int load_row(void *ctx, struct str key, struct str value)
{
    struct hosts *hosts = ctx;
    struct host *host = key.len == HOST_MAC_BYTES ? calloc(1, sizeof(*host)) : NULL;

    if (host) {
        host->hosts = hosts;
        memcpy(host->mac, key.data, HOST_MAC_BYTES);
        host_mac_text(host->mac, host->mac_text);
    }
    if (!host || host_record_read(host, value) < 0 || is_taken(hosts, host->instance) ||
        enter(hosts, host) < 0) {
        if (host)
            host_free(host);
        hosts->stats.skipped++;
        return 0;
    }
    if (host->instance >= hosts->next_instance)
        hosts->next_instance = host->instance + 1;
    return 0;
}

int hosts_load(struct hosts *hosts, struct error *err)
{
    if (!hosts->store)
        return 0;
    load_next_instance(hosts);
    if (store_each(hosts->store, KIND, STR(""), load_row, hosts, err) < 0)
        return -1;
    for (uint32_t i = 0; i < hosts->count; i++) {
        struct host *host = hosts->table[i];

        observers_notify(&hosts->observers, &(struct host_event){HOST_ADDED, host, 0});
        host_said_sweep(host, false);
    }
    return 0;
}

/* ---- what changed ---- */

static void announce(struct host *host, uint64_t changed)
{
    bool added = changed & HOST_BIT(HOST_FIELDS);
    bool left = (changed & HOST_BIT(HOST_ACTIVE)) && !host->active &&
                host->active_change - host->stored_change >= ACTIVE_STORE_S;
    struct host_event event = {added ? HOST_ADDED : HOST_CHANGED, host, changed & ~HOST_BIT(HOST_FIELDS)};
    struct error err = {0};

    if (!changed)
        return;
    host->changed = 0;
    if (!is_waiting(host)) {
        if ((added || left || (changed & fact_fields)) && host_save(host, &err) < 0)
            log_failure(LOG_LEVEL_ERROR, "cannot store a host", &err);
        observers_notify(&host->hosts->observers, &event);
    }
    host_addresses_sweep(host, false);
    host_said_sweep(host, false);
}

static void note_address(struct host *host)
{
    const struct host_address *address = host_address(host);
    struct host_ip ip = address ? address->ip : (struct host_ip){.scope = 0};
    bool lease = address && address->lease_expires;

    if (lease == host->shown_lease && memcmp(&ip, &host->shown_ip, sizeof(ip)) == 0)
        return;
    host->shown_ip = ip;
    host->shown_lease = lease;
    host->changed |= HOST_BIT(HOST_ADDRESS);
}

void host_announce(struct host *host)
{
    note_address(host);
    announce(host, host->changed);
}

/* ---- coming and going ---- */

static void forget(struct host *host)
{
    struct hosts *hosts = host->hosts;
    uint32_t place = place_of(hosts, host->instance);

    observers_notify(&hosts->observers, &(struct host_event){HOST_REMOVED, host, 0});
    if (hosts->store)
        store_delete(hosts->store, KIND, mac_key(host->mac), NULL);
    map_remove(&hosts->by_mac, mac_key(host->mac));
    memmove(hosts->table + place, hosts->table + place + 1,
            (hosts->count - place - 1) * sizeof(struct host *));
    hosts->count--;
    hosts->stats.forgotten++;
    host_free(host);
}

static struct host *longest_inactive(const struct hosts *hosts)
{
    struct host *longest = NULL;

    for (uint32_t i = 0; i < hosts->count; i++) {
        struct host *host = hosts->table[i];

        if (!host->active && !host->alias && (!longest || host->active_change < longest->active_change))
            longest = host;
    }
    return longest;
}

/* The longest inactive one that nobody named gives way; more of them after the limit was lowered. */
static bool make_way(struct hosts *hosts)
{
    while (hosts->count >= hosts->limits->hosts) {
        struct host *longest = longest_inactive(hosts);

        if (!longest)
            return false;
        forget(longest);
    }
    return true;
}

static struct host *add_host(struct hosts *hosts, const uint8_t mac[HOST_MAC_BYTES])
{
    struct host *host;

    if (!rate_take(&hosts->added, hosts_now(hosts), NEW_INTERVAL_MS, NEW_BURST) || !make_way(hosts)) {
        hosts->stats.refused++;
        return NULL;
    }
    host = calloc(1, sizeof(*host));
    if (!host)
        return NULL;
    host->hosts = hosts;
    host->instance = hosts->next_instance;
    memcpy(host->mac, mac, HOST_MAC_BYTES);
    host_mac_text(mac, host->mac_text);
    host->active_change = clock_wall(hosts->timers->clock);
    if (enter(hosts, host) < 0) {
        free(host);
        return NULL;
    }
    hosts->next_instance++;
    save_next_instance(hosts);
    host->changed = HOST_BIT(HOST_FIELDS); /* added, not told yet */
    return host;
}

static void stop_waiting(struct host *host)
{
    struct hosts *hosts = host->hosts;

    *(host->previous ? &host->previous->next : &hosts->waiting_first) = host->next;
    *(host->next ? &host->next->previous : &hosts->waiting_last) = host->previous;
    hosts->waiting_count--;
    host_free(host);
}

static struct host *add_waiting(struct hosts *hosts, const struct host_ip *ip)
{
    struct host *host = calloc(1, sizeof(*host));

    if (!host)
        return NULL;
    host->hosts = hosts;
    if (!host_address_claim(host, ip)) {
        host_free(host);
        return NULL;
    }
    if (hosts->waiting_count >= hosts->limits->hosts_waiting) {
        stop_waiting(hosts->waiting_first);
        hosts->stats.expired++;
    }
    host->previous = hosts->waiting_last;
    *(hosts->waiting_last ? &hosts->waiting_last->next : &hosts->waiting_first) = host;
    hosts->waiting_last = host;
    hosts->waiting_count++;
    return host;
}

/* ---- sightings ---- */

/* Whether the sighting says that somebody is, or was, there. */
static bool is_of_somebody(const struct host_sighting *sighting)
{
    return sighting->presence != HOST_PRESENCE_GONE && sighting->lease != HOST_LEASE_ENDED &&
           (sighting->ip || sighting->facts_count || sighting->services_count);
}

static bool may_be_forged(enum host_source source)
{
    return source == HOST_SSDP || source == HOST_MDNS;
}

static struct host *host_of(struct hosts *hosts, const struct host_sighting *sighting)
{
    const struct host_address *address;
    struct host *host;

    if (sighting->mac && !(sighting->ip && may_be_forged(sighting->source))) {
        host = hosts_find(hosts, sighting->mac);
        return host || !is_of_somebody(sighting) ? host : add_host(hosts, sighting->mac);
    }
    if (!sighting->ip)
        return NULL;
    address = map_get(&hosts->by_ip, host_ip_key(sighting->ip));
    if (address)
        return address->host;
    return is_of_somebody(sighting) ? add_waiting(hosts, sighting->ip) : NULL;
}

/* Whether the address becomes this host's: where another answers, only the neighbour table may say so. */
static bool may_take(const struct host_address *address, const struct host_sighting *sighting)
{
    if (!is_of_somebody(sighting))
        return false;
    if (!address || is_waiting(address->host) || address->presence == HOST_PRESENCE_GONE ||
        address->presence == HOST_PRESENCE_UNKNOWN)
        return true;
    return sighting->source == HOST_NEIGHBOUR && sighting->presence != HOST_PRESENCE_UNKNOWN;
}

/* The address of the sighting, as this host's; NULL: it is not. */
static struct host_address *take_address(struct host *host, const struct host_sighting *sighting)
{
    struct host_address *address = map_get(&host->hosts->by_ip, host_ip_key(sighting->ip));
    struct host *before = address ? address->host : NULL;
    int64_t lease_expires = 0;

    if (before == host)
        return address;
    if (!may_take(address, sighting))
        return NULL;
    if (before && is_waiting(before)) {
        lease_expires = address->lease_expires;
        host_said_move(before, host);
        stop_waiting(before);
        before = NULL;
    }
    address = host_address_claim(host, sighting->ip);
    if (address)
        address->lease_expires = lease_expires;
    if (before) {
        host_addresses_settle(before);
        host_announce(before);
    }
    return address;
}

static void observe_address(struct host *host, const struct host_sighting *sighting)
{
    struct host_address *address = take_address(host, sighting);

    if (!address)
        return;
    host_address_presence(address, sighting->source, sighting->presence);
    host_address_lease(address, sighting->lease, sighting->lease_expires);
    host_addresses_settle(host);
}

void hosts_observe(struct hosts *hosts, const struct host_sighting *sighting)
{
    struct host *host = host_of(hosts, sighting);

    hosts->stats.sightings++;
    if (!host)
        return;
    if (sighting->interface && sighting->presence != HOST_PRESENCE_GONE &&
        strcmp(host->interface, sighting->interface) != 0) {
        str_copy(host->interface, sizeof(host->interface), sighting->interface);
        host->changed |= HOST_BIT(HOST_INTERFACE);
    }
    if (sighting->link_type && (!host->link_type || strcmp(host->link_type, sighting->link_type) != 0)) {
        host->link_type = sighting->link_type;
        host->changed |= HOST_BIT(HOST_LINK_TYPE);
    }
    if (sighting->ip)
        observe_address(host, sighting);
    for (size_t i = 0; i < sighting->facts_count; i++)
        host_say(host, sighting->source, &sighting->facts[i]);
    for (size_t i = 0; i < sighting->services_count; i++)
        host_serve(host, sighting->source, &sighting->services[i]);
    host_announce(host);
}
