/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "scan/hosts_internal.h"

enum {
    /* What is known of a host changes no more often than this in the long run: each change is a write and a notification. */
    CHANGE_INTERVAL_MS = 10000,
    CHANGE_BURST = 128,
    HOST_NAME_MAX_BYTES = 64, /* Device.Hosts.Host.{i}.HostName */
};

static bool may_change(struct host *host)
{
    if (rate_take(&host->changes, hosts_now(host->hosts), CHANGE_INTERVAL_MS, CHANGE_BURST))
        return true;
    host->hosts->stats.dropped++;
    return false;
}

/* ---- facts ---- */

/* Where the fact of that source is in the list, or where it would be. */
static uint32_t place_of(const struct host *host, enum host_fact fact, enum host_source source)
{
    uint32_t i = 0;

    while (i < host->facts_count &&
           (host->facts[i]->fact < fact || (host->facts[i]->fact == fact && host->facts[i]->source < source)))
        i++;
    return i;
}

static struct host_known_fact *find(const struct host *host, enum host_fact fact, enum host_source source)
{
    uint32_t place = place_of(host, fact, source);

    return place < host->facts_count && host->facts[place]->fact == fact &&
                   host->facts[place]->source == source
               ? host->facts[place]
               : NULL;
}

const struct host_known_fact *host_fact(const struct host *host, enum host_fact fact)
{
    for (uint32_t i = place_of(host, fact, 0); i < host->facts_count && host->facts[i]->fact == fact; i++)
        if (!host->facts[i]->ended)
            return host->facts[i];
    return NULL;
}

const char *host_text(const struct host *host, enum host_fact fact)
{
    const struct host_known_fact *known = host_fact(host, fact);

    return known ? known->text : "";
}

int host_said_restore(struct host *host, enum host_source source, enum host_fact fact, char *text,
                      int64_t time)
{
    uint32_t place = place_of(host, fact, source);
    struct host_known_fact **facts = host_room(host->facts, host->facts_count);
    struct host_known_fact *known;

    if (facts)
        host->facts = facts;
    if (!facts || !(known = calloc(1, sizeof(*known))))
        return -1;
    *known = (struct host_known_fact){
        .text = text, .time = time, .fact = fact, .source = source, .fresh = true};
    memmove(host->facts + place + 1, host->facts + place,
            (host->facts_count - place) * sizeof(struct host_known_fact *));
    host->facts[place] = known;
    host->facts_count++;
    return 0;
}

static void forget_fact(struct host *host, struct host_known_fact *known)
{
    if (!known || known->ended || !may_change(host))
        return;
    known->ended = true;
    host->changed |= HOST_BIT(known->fact);
}

static void set_fact(struct host *host, enum host_source source, enum host_fact fact, const char *text)
{
    struct host_known_fact *known = find(host, fact, source);
    int64_t now = clock_wall(host->hosts->timers->clock);
    char *copy;

    if ((known && !known->ended && strcmp(known->text, text) == 0) || !may_change(host))
        return;
    copy = str_dup(text, strlen(text));
    if (!copy)
        return;
    if (known) {
        free(known->text);
        known->text = copy;
        known->time = now;
        known->ended = false;
        known->fresh = true;
    } else if (host_said_restore(host, source, fact, copy, now) < 0) {
        free(copy);
        return;
    }
    host->changed |= HOST_BIT(fact);
}

/* A name without its domain, as the LAN's other hosts say it. */
static const char *bare_name(const char *text, char name[HOST_NAME_MAX_BYTES + 1])
{
    size_t len = strcspn(text, ".");

    if (len > HOST_NAME_MAX_BYTES)
        return text; /* too long: refused */
    memcpy(name, text, len);
    name[len] = '\0';
    return name;
}

void host_say(struct host *host, enum host_source source, const struct host_said *said)
{
    char name[HOST_NAME_MAX_BYTES + 1];
    const char *text = said->text ? said->text : "";
    size_t max = HOST_FACT_BYTES;

    if (said->fact == HOST_FACT_HOST_NAME) {
        text = bare_name(text, name);
        max = HOST_NAME_MAX_BYTES;
    }
    if (!*text)
        forget_fact(host, find(host, said->fact, source));
    else if (host_text_valid(text, max))
        set_fact(host, source, said->fact, text);
    else
        host->hosts->stats.dropped++;
}

/* ---- services ---- */

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static struct host_service *find_service(const struct host *host, enum host_source source,
                                         const struct host_service_said *said)
{
    for (uint32_t i = 0; i < host->services_count; i++) {
        struct host_service *service = host->services[i];

        if (service->source == source && strcmp(service->type, said->type) == 0 &&
            strcmp(text_of(service->name), text_of(said->instance)) == 0)
            return service;
    }
    return NULL;
}

static void service_free(struct host_service *service)
{
    if (!service)
        return;
    free(service->type);
    free(service->name);
    free(service->txt);
    free(service);
}

static struct host_service *add_service(struct host *host, enum host_source source,
                                        const struct host_service_said *said)
{
    struct host_service **services;
    struct host_service *service;

    if (host->services_count >= LIMIT_HOST_SERVICES) {
        host->hosts->stats.dropped++;
        return NULL;
    }
    services = host_room(host->services, host->services_count);
    if (services)
        host->services = services;
    service = services ? calloc(1, sizeof(*service)) : NULL;
    if (!service || str_replace(&service->type, said->type) < 0 ||
        (*text_of(said->instance) && str_replace(&service->name, said->instance) < 0)) {
        service_free(service);
        return NULL;
    }
    service->source = source;
    host->services[host->services_count++] = service;
    return service;
}

/* Takes over txt. */
static void set_service(struct host *host, enum host_source source, const struct host_service_said *said,
                        char *txt)
{
    struct host_service *service = find_service(host, source, said);
    bool same = service && !service->ended && service->port == said->port &&
                strcmp(text_of(service->txt), text_of(txt)) == 0;

    if (same || !may_change(host) || (!service && !(service = add_service(host, source, said)))) {
        free(txt);
        return;
    }
    free(service->txt);
    service->txt = txt;
    service->port = said->port;
    service->time = clock_wall(host->hosts->timers->clock);
    service->ended = false;
    service->fresh = true;
    host->changed |= HOST_BIT(HOST_SERVICES);
}

void host_serve(struct host *host, enum host_source source, const struct host_service_said *said)
{
    struct host_service *service;
    char *txt = NULL;

    if (!said->type || !host_text_valid(said->type, HOST_SERVICE_TYPE_BYTES) ||
        (*text_of(said->instance) && !host_text_valid(said->instance, HOST_SERVICE_NAME_BYTES)) ||
        (!said->gone && said->txt && !(txt = host_text_list(said->txt)))) {
        host->hosts->stats.dropped++;
        return;
    }
    if (!said->gone) {
        set_service(host, source, said, txt);
        return;
    }
    service = find_service(host, source, said);
    if (service && !service->ended && may_change(host)) {
        service->ended = true;
        host->changed |= HOST_BIT(HOST_SERVICES);
    }
}

/* ---- all of it ---- */

void host_said_move(struct host *from, struct host *to)
{
    for (uint32_t i = 0; i < from->facts_count; i++)
        if (!from->facts[i]->ended)
            host_say(to, from->facts[i]->source,
                     &(struct host_said){from->facts[i]->fact, from->facts[i]->text});
    for (uint32_t i = 0; i < from->services_count; i++) {
        struct host_service *service = from->services[i];
        struct host_service_said said = {service->type, service->name, service->port, NULL, false};

        if (service->ended)
            continue;
        /* The attributes are in the form of the table already. */
        set_service(to, service->source, &said, service->txt);
        service->txt = NULL;
    }
}

void host_said_sweep(struct host *host, bool all)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < host->facts_count; i++) {
        struct host_known_fact *known = host->facts[i];

        known->fresh = false;
        if (all || known->ended) {
            free(known->text);
            free(known);
        } else {
            host->facts[kept++] = known;
        }
    }
    host->facts_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < host->services_count; i++) {
        host->services[i]->fresh = false;
        if (all || host->services[i]->ended)
            service_free(host->services[i]);
        else
            host->services[kept++] = host->services[i];
    }
    host->services_count = kept;
    if (all) {
        free(host->facts);
        free(host->services);
    }
}
