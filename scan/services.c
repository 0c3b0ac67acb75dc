/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan/services.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/map.h"
#include "scan/service_facts.h"

enum {
    KEY_BYTES = IF_NAMESIZE + HOST_SERVICE_TYPE_BYTES + HOST_SERVICE_NAME_BYTES + 2,
    HOST_NAME_BYTES = 64, /* one label */
};

/* One instance. What it points to is behind it, in one piece of memory. */
struct service {
    struct service *next;
    struct owner *owner;
    struct str key;
    const char *type;
    const char *name;
    char host[HOST_NAME_BYTES];
    struct service_fact facts[SERVICE_FACTS];
    size_t facts_count;
    bool doubted; /* not heard of since multicast DNS went */
    char texts[];
};

/* An address, and what is advertised at it. */
struct owner {
    struct host_ip ip;
    char interface[IF_NAMESIZE];
    struct service *first;
    size_t count;
    uint64_t told; /* facts: HOST_BIT()s */
};

struct services {
    struct hosts *hosts;
    struct timers *timers;
    struct timer hold; /* until the doubted are withdrawn */
    struct map by_key, by_address;
    uint64_t refused;
};

/* ---- to the table of hosts ---- */

/* The fact as the most believable of the services has it; NULL: none does. */
static const char *best(const struct owner *owner, enum host_fact fact)
{
    const char *text = NULL;
    unsigned rank = 0;

    for (const struct service *service = owner->first; service; service = service->next) {
        if (fact == HOST_FACT_HOST_NAME && !text && service->host[0])
            text = service->host;
        for (size_t i = 0; i < service->facts_count; i++) {
            if (service->facts[i].fact != fact || (text && service->facts[i].rank >= rank))
                continue;
            text = service->facts[i].value;
            rank = service->facts[i].rank;
        }
    }
    return text;
}

/* service NULL: only the facts have changed. */
static void tell(struct services *services, struct owner *owner, const struct host_service_said *service)
{
    struct host_said facts[HOST_FACTS];
    struct host_sighting sighting = {
        .source = HOST_MDNS,
        .ip = &owner->ip,
        .interface = owner->interface[0] ? owner->interface : NULL,
        .facts = facts,
        .services = service,
        .services_count = service != NULL,
    };

    for (unsigned fact = 0; fact < HOST_FACTS; fact++) {
        const char *text = best(owner, fact);

        if (!text && !(owner->told & HOST_BIT(fact)))
            continue;
        facts[sighting.facts_count++] = (struct host_said){.fact = fact, .text = text};
        owner->told = text ? owner->told | HOST_BIT(fact) : owner->told & ~HOST_BIT(fact);
    }
    hosts_observe(services->hosts, &sighting);
}

/* ---- one service ---- */

static void unlink_service(struct service *service)
{
    struct service **at = &service->owner->first;

    while (*at != service)
        at = &(*at)->next;
    *at = service->next;
    service->owner->count--;
}

static struct str owner_key(const struct host_ip *ip)
{
    return (struct str){(const char *)ip, sizeof(*ip)};
}

static void owner_free(struct services *services, struct owner *owner)
{
    map_remove(&services->by_address, owner_key(&owner->ip));
    free(owner);
}

static void remove_service(struct services *services, struct service *service)
{
    struct owner *owner = service->owner;
    struct host_service_said gone = {.type = service->type, .instance = service->name, .gone = true};

    unlink_service(service);
    tell(services, owner, &gone);
    if (!owner->count)
        owner_free(services, owner);
    map_remove(&services->by_key, service->key);
    free(service);
}

/* "shelly.local" is the host shelly. */
static void host_label(const char *host, char to[HOST_NAME_BYTES])
{
    size_t len = strcspn(host, ".");

    to[0] = '\0';
    if (len >= HOST_NAME_BYTES ||
        (strcasecmp(host + len, ".local") != 0 && strcasecmp(host + len, ".local.") != 0))
        return;
    memcpy(to, host, len);
    to[len] = '\0';
}

static char *put(char **at, const char *text, size_t len)
{
    char *to = *at;

    memcpy(to, text, len);
    to[len] = '\0';
    *at += len + 1;
    return to;
}

static struct service *service_new(struct str key, const struct mdns_instance *instance)
{
    struct service_fact facts[SERVICE_FACTS];
    size_t count = service_facts(instance->type, instance->name, instance->txt, facts);
    size_t size = key.len + strlen(instance->type) + strlen(instance->name) + 3;
    struct service *service;
    char *at;

    for (size_t i = 0; i < count; i++)
        size += strlen(facts[i].value) + 1;
    service = calloc(1, sizeof(*service) + size);
    if (!service)
        return NULL;
    at = service->texts;
    service->key = (struct str){put(&at, key.data, key.len), key.len};
    service->type = put(&at, instance->type, strlen(instance->type));
    service->name = put(&at, instance->name, strlen(instance->name));
    host_label(instance->host, service->host);
    for (; service->facts_count < count; service->facts_count++) {
        struct service_fact *fact = &service->facts[service->facts_count];

        *fact = facts[service->facts_count];
        fact->value = put(&at, fact->value, strlen(fact->value));
    }
    return service;
}

/* ---- addresses ---- */

static int address_of(const struct mdns_instance *instance, struct host_ip *ret)
{
    const char *zone = strchr(instance->address, '%');
    char text[HOST_IP_TEXT_BYTES];
    size_t len = zone ? (size_t)(zone - instance->address) : strlen(instance->address);

    memset(ret, 0, sizeof(*ret)); /* it is a key, byte by byte */
    if (len >= sizeof(text))
        return -1;
    memcpy(text, instance->address, len);
    text[len] = '\0';
    return host_ip_from_text(text, if_nametoindex(instance->interface), ret);
}

static struct owner *owner_of(struct services *services, const struct host_ip *ip, const char *interface)
{
    struct owner *owner = map_get(&services->by_address, owner_key(ip));

    if (owner)
        return owner;
    owner = calloc(1, sizeof(*owner));
    if (!owner)
        return NULL;
    owner->ip = *ip;
    str_copy(owner->interface, sizeof(owner->interface), interface);
    if (map_put(&services->by_address, owner_key(&owner->ip), owner) == 0)
        return owner;
    free(owner);
    return NULL;
}

/* One of which nothing follows gives way to one of which something does. */
static bool make_place(struct services *services, struct owner *owner, const struct service *service)
{
    if (owner->count < LIMIT_SERVICES_PER_ADDRESS)
        return true;
    for (struct service *other = owner->first; other && service->facts_count; other = other->next) {
        if (other->facts_count)
            continue;
        remove_service(services, other);
        return true;
    }
    return false;
}

static bool add_service(struct services *services, struct service *service, const struct host_ip *ip,
                        const struct mdns_instance *instance)
{
    struct owner *owner = services->by_key.count < LIMIT_SERVICES
                              ? owner_of(services, ip, instance->interface)
                              : NULL;
    struct host_service_said said = {
        .type = service->type, .instance = service->name, .port = instance->port, .txt = instance->txt};

    if (!owner)
        return false;
    if (!make_place(services, owner, service) || map_put(&services->by_key, service->key, service) < 0) {
        if (!owner->count)
            owner_free(services, owner);
        return false;
    }
    service->owner = owner;
    service->next = owner->first;
    owner->first = service;
    owner->count++;
    tell(services, owner, &said);
    return true;
}

/* ---- what comes ---- */

static bool make_key(const struct mdns_instance *instance, char to[KEY_BYTES], struct str *ret)
{
    int len = snprintf(to, KEY_BYTES, "%s\n%s\n%s", instance->interface, instance->type, instance->name);

    *ret = (struct str){to, (size_t)len};
    return len < KEY_BYTES;
}

/* It stays at its address: what follows from it may be another thing now. */
static bool renew(struct services *services, struct service *old, const struct mdns_instance *instance)
{
    struct host_service_said said = {
        .type = instance->type, .instance = instance->name, .port = instance->port, .txt = instance->txt};
    struct service *service = service_new(old->key, instance);

    if (!service || map_put(&services->by_key, service->key, service) < 0) {
        free(service);
        return false;
    }
    service->owner = old->owner;
    service->next = old->next;
    for (struct service **at = &old->owner->first; *at; at = &(*at)->next) {
        if (*at == old) {
            *at = service;
            break;
        }
    }
    free(old);
    tell(services, service->owner, &said);
    return true;
}

void services_observe(struct services *services, const struct mdns_instance *instance, bool present)
{
    struct service *service;
    struct host_ip ip;
    char text[KEY_BYTES];
    struct str key;

    if (!make_key(instance, text, &key) || (present && address_of(instance, &ip) < 0)) {
        services->refused++;
        return;
    }
    service = map_get(&services->by_key, key);
    if (service && present && memcmp(&service->owner->ip, &ip, sizeof(ip)) == 0) {
        services->refused += !renew(services, service, instance);
        return;
    }
    if (service)
        remove_service(services, service);
    if (!present)
        return;
    service = service_new(key, instance);
    if (service && add_service(services, service, &ip, instance))
        return;
    free(service);
    services->refused++;
}

/* ---- nobody listens ---- */

static void on_hold_over(struct timer *timer, void *ctx)
{
    struct services *services = ctx;
    struct service *service;
    size_t at = 0;

    (void)timer;
    while ((service = map_next(&services->by_key, &at)))
        if (service->doubted)
            remove_service(services, service);
}

void services_heard(struct services *services, bool present)
{
    struct service *service;
    size_t at = 0;

    /* Who came back tells what is there, and that takes a while, too. */
    if (present ? timer_armed(&services->hold) : services->by_key.count > 0)
        timer_arm(services->timers, &services->hold, SERVICES_HOLD_MS);
    while (!present && (service = map_next(&services->by_key, &at)))
        service->doubted = true;
}

/* ---- life ---- */

struct services *services_new(struct hosts *hosts, struct timers *timers)
{
    struct services *services = calloc(1, sizeof(*services));

    if (!services)
        return NULL;
    services->hosts = hosts;
    services->timers = timers;
    timer_init(&services->hold, on_hold_over, services);
    map_init(&services->by_key);
    map_init(&services->by_address);
    return services;
}

void services_free(struct services *services)
{
    struct service *service;
    struct owner *owner;
    size_t at = 0;

    if (!services)
        return;
    timer_cancel(services->timers, &services->hold);
    while ((service = map_next(&services->by_key, &at)))
        free(service);
    at = 0;
    while ((owner = map_next(&services->by_address, &at)))
        free(owner);
    map_done(&services->by_key);
    map_done(&services->by_address);
    free(services);
}

size_t services_count(const struct services *services)
{
    return services->by_key.count;
}

uint64_t services_refused(const struct services *services)
{
    return services->refused;
}
