/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses of hosts, and whether somebody answers there. Who was seen at an address is believed to be there for
 * presence_ms; then the address is asked for once, and who does not answer is gone. While the kernel itself knows that a
 * neighbour is reachable (HOST_PRESENCE_TRACKED), nothing is asked.
 */
#include <string.h>

#include "base/limits.h"
#include "scan/hosts_internal.h"

enum {
    ANSWER_MS = 20000, /* the kernel gives up after some seconds and says so; this is for when it does not */
    /* Not all at once: after a start, each address of a lease is asked for. */
    ASK_AT_ONCE = 16,
    ASK_PAUSE_MS = 100,
};

/* ---- what is due ---- */

static struct host_queue *queue_of(struct host_address *address)
{
    struct hosts *hosts = address->host->hosts;

    return address->asked ? &hosts->asked : &hosts->quiet;
}

static void unqueue(struct host_address *address)
{
    struct host_queue *queue = queue_of(address);

    if (!address->queued)
        return;
    *(address->previous ? &address->previous->next : &queue->first) = address->next;
    *(address->next ? &address->next->previous : &queue->last) = address->previous;
    address->previous = address->next = NULL;
    address->queued = false;
    address->asked = 0;
}

static uint64_t due_of(const struct hosts *hosts, const struct host_address *address)
{
    if (address->asked)
        return address->asked + ANSWER_MS;
    return address->seen ? address->seen + hosts->presence_ms : 0;
}

static void arm(struct hosts *hosts, uint64_t at_least)
{
    uint64_t now = hosts_now(hosts), due = UINT64_MAX;

    if (hosts->quiet.first)
        due = due_of(hosts, hosts->quiet.first);
    if (hosts->asked.first && due_of(hosts, hosts->asked.first) < due)
        due = due_of(hosts, hosts->asked.first);
    if (due == UINT64_MAX)
        return;
    due = due > now ? due - now : 0;
    timer_arm(hosts->timers, &hosts->due, due > at_least ? due : at_least);
}

/* Behind all others, or, when it was never seen, before them. */
static void enqueue(struct host_address *address)
{
    struct hosts *hosts = address->host->hosts;
    struct host_queue *queue = queue_of(address);
    bool first = !address->asked && !address->seen;

    if (!hosts->presence_ms)
        return;
    address->previous = first ? NULL : queue->last;
    address->next = first ? queue->first : NULL;
    *(address->previous ? &address->previous->next : &queue->first) = address;
    *(address->next ? &address->next->previous : &queue->last) = address;
    address->queued = true;
    if (!timer_armed(&hosts->due) || first)
        arm(hosts, ASK_PAUSE_MS);
}

static void ask(struct host_address *address)
{
    struct hosts *hosts = address->host->hosts;

    unqueue(address);
    address->asked = hosts_now(hosts) ? hosts_now(hosts) : 1;
    enqueue(address);
    if (hosts->check)
        hosts->check(hosts->check_ctx, &address->ip, address->host->interface);
}

static void give_up(struct host_address *address)
{
    struct host *host = address->host;

    unqueue(address);
    address->presence = HOST_PRESENCE_GONE;
    host_addresses_settle(host);
    host_announce(host);
}

void host_due(struct timer *timer, void *ctx)
{
    struct hosts *hosts = ctx;
    uint64_t now = hosts_now(hosts);

    (void)timer;
    while (hosts->asked.first && due_of(hosts, hosts->asked.first) <= now)
        give_up(hosts->asked.first);
    for (unsigned i = 0; i < ASK_AT_ONCE && hosts->quiet.first; i++) {
        if (due_of(hosts, hosts->quiet.first) > now)
            break;
        ask(hosts->quiet.first);
    }
    arm(hosts, ASK_PAUSE_MS);
}

/* ---- one address ---- */

static void end(struct host_address *address)
{
    struct host *host = address->host;

    if (address->ended)
        return;
    unqueue(address);
    map_remove(&host->hosts->by_ip, host_ip_key(&address->ip));
    address->ended = true;
    host->changed |= HOST_BIT(HOST_ADDRESSES);
}

static bool is_there(const struct host_address *address)
{
    return !address->ended &&
           (address->presence == HOST_PRESENCE_SEEN || address->presence == HOST_PRESENCE_TRACKED);
}

/* The address that a new one may take the place of: the one that says least of the host. NULL: all are in use. */
static struct host_address *spare(const struct host *host)
{
    struct host_address *found = NULL;

    for (uint32_t i = 0; i < host->addresses_count; i++) {
        struct host_address *address = host->addresses[i];

        if (address->presence != HOST_PRESENCE_TRACKED && !address->ended &&
            (!found || address->seen < found->seen))
            found = address;
    }
    return found;
}

/* What ended lies in the list until it was told, and counts there, too. */
static bool has_room(struct host *host)
{
    struct host_address *least;
    uint32_t used = 0;

    for (uint32_t i = 0; i < host->addresses_count; i++)
        used += !host->addresses[i]->ended;
    if (used < LIMIT_HOST_ADDRESSES)
        return true;
    least = spare(host);
    if (least)
        end(least);
    return least != NULL;
}

static struct host_address *add(struct host *host, const struct host_ip *ip)
{
    struct host_address **addresses, *address;

    if (!has_room(host)) {
        host->hosts->stats.dropped++;
        return NULL;
    }
    addresses = host_room(host->addresses, host->addresses_count);
    if (addresses)
        host->addresses = addresses;
    address = addresses ? calloc(1, sizeof(*address)) : NULL;
    if (!address)
        return NULL;
    address->ip = *ip;
    address->host = host;
    if (map_put(&host->hosts->by_ip, host_ip_key(&address->ip), address) < 0) {
        free(address);
        return NULL;
    }
    host->addresses[host->addresses_count++] = address;
    host->changed |= HOST_BIT(HOST_ADDRESSES);
    enqueue(address);
    return address;
}

struct host_address *host_address_claim(struct host *host, const struct host_ip *ip)
{
    struct host_address *address = map_get(&host->hosts->by_ip, host_ip_key(ip));

    if (address && address->host == host)
        return address;
    if (address)
        end(address);
    return add(host, ip);
}

void host_address_presence(struct host_address *address, enum host_source source, enum host_presence presence)
{
    struct hosts *hosts = address->host->hosts;

    /* Nobody will be asked: what the kernel remembers has to do. */
    if (presence == HOST_PRESENCE_UNKNOWN && source == HOST_NEIGHBOUR && !hosts->presence_ms)
        presence = HOST_PRESENCE_SEEN;
    if (presence == HOST_PRESENCE_UNTRACKED) {
        if (address->presence != HOST_PRESENCE_TRACKED)
            return;
        presence = HOST_PRESENCE_SEEN;
    }
    /* Who tracks knows better than who heard something. */
    if (presence == HOST_PRESENCE_UNKNOWN ||
        (address->presence == HOST_PRESENCE_TRACKED && source != HOST_NEIGHBOUR))
        return;
    unqueue(address);
    address->presence = presence;
    if (presence != HOST_PRESENCE_GONE)
        address->seen = hosts_now(hosts) ? hosts_now(hosts) : 1;
    if (presence == HOST_PRESENCE_SEEN)
        enqueue(address);
}

void hosts_lost_track(struct hosts *hosts)
{
    for (uint32_t i = 0; i < hosts->count; i++)
        for (uint32_t k = 0; k < hosts->table[i]->addresses_count; k++)
            host_address_presence(hosts->table[i]->addresses[k], HOST_NEIGHBOUR, HOST_PRESENCE_UNTRACKED);
}

void host_address_lease(struct host_address *address, enum host_lease lease, int64_t expires)
{
    if (lease == HOST_LEASE_UNKNOWN)
        return;
    address->lease_expires = lease == HOST_LEASE_HELD ? expires : 0;
    if (lease == HOST_LEASE_ENDED && !is_there(address))
        end(address);
}

/* ---- all of a host ---- */

void host_addresses_settle(struct host *host)
{
    const struct clock *clock = host->hosts->timers->clock;
    bool active = false;

    for (uint32_t i = 0; i < host->addresses_count && !active; i++)
        active = is_there(host->addresses[i]);
    /* It is here: where it is no longer, and has no lease, it will not be either. */
    for (uint32_t i = 0; active && i < host->addresses_count; i++)
        if (host->addresses[i]->presence == HOST_PRESENCE_GONE &&
            host->addresses[i]->lease_expires <= clock_wall(clock))
            end(host->addresses[i]);
    if (active == host->active)
        return;
    host->active = active;
    host->active_change = clock_wall(clock);
    host->changed |= HOST_BIT(HOST_ACTIVE);
}

void host_addresses_sweep(struct host *host, bool all)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < host->addresses_count; i++) {
        struct host_address *address = host->addresses[i];

        if (all)
            end(address);
        if (address->ended)
            free(address);
        else
            host->addresses[kept++] = address;
    }
    host->addresses_count = kept;
    if (all)
        free(host->addresses);
}

/* IPv4 before IPv6, where the host is before where it was, and link-local last. */
static int worth(const struct host_address *address)
{
    bool v4 = host_ip_is_v4(&address->ip);
    bool local = v4 ? address->ip.bytes[12] == 169 && address->ip.bytes[13] == 254 : address->ip.scope != 0;

    return (is_there(address) ? 8 : 0) + (local ? 0 : 4) + (v4 ? 2 : 0) + (address->lease_expires ? 1 : 0);
}

const struct host_address *host_address(const struct host *host)
{
    const struct host_address *best = NULL;

    for (uint32_t i = 0; i < host->addresses_count; i++)
        if (!host->addresses[i]->ended && (!best || worth(host->addresses[i]) > worth(best)))
            best = host->addresses[i];
    return best;
}
