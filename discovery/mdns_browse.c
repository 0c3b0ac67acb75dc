/* SPDX-License-Identifier: BSD-3-Clause */
#include "discovery/mdns_browse.h"

#include <avahi-client/lookup.h>
#include <avahi-common/domain.h>
#include <avahi-common/malloc.h>
#include <avahi-common/timeval.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"

enum {
    ADDRESS_BYTES = AVAHI_ADDRESS_STR_MAX + IF_NAMESIZE + 1, /* with a zone */
};

/* One instance on one interface, by whichever of the two protocols it was heard. */
struct instance {
    struct instance *next;
    struct type *type;
    AvahiServiceResolver *resolver; /* NULL: not under way */
    AvahiIfIndex interface;
    char interface_name[IF_NAMESIZE]; /* as it was found: it may be withdrawn after that has gone */
    AvahiProtocol asked;              /* the address that is asked for: IPv4 (0) first */
    unsigned heard;                   /* bits: by IPv4, by IPv6 */
    char address[ADDRESS_BYTES];      /* "": not known */
    struct timeval due;
    bool waiting; /* for a resolver */
    bool told;
    bool confirmed; /* by the browser that is running */
    char name[];
};

struct type {
    struct type *next;
    struct link *link;
    AvahiServiceBrowser *browser;
    struct instance *instances; /* the newest last: who waits longest is first */
    size_t count;
    bool known;    /* one of those that are looked for by name */
    bool overflow; /* there were more than may be: looked at anew in a while */
    char name[];
};

struct link {
    struct mdns_browse *browse;
    const char *name; /* NULL: all */
    AvahiIfIndex index;
    bool open;
    AvahiServiceTypeBrowser *browser;
    struct type *types;
    size_t others; /* types that are not known */
};

struct mdns_browse {
    struct mdns_channel *channel;
    const AvahiPoll *api;
    AvahiClient *client; /* NULL: no daemon */
    AvahiTimeout *tick;
    struct mdns_message *wanted; /* NULL: nothing */
    struct link links[LIMIT_MDNS_LINKS];
    size_t links_count;
    struct type *turn; /* the type that was served last; NULL: none */
    size_t resolving;
};

static void pump(struct mdns_browse *browse);

static void tick_in(struct mdns_browse *browse, unsigned ms)
{
    struct timeval when;

    avahi_elapse_time(&when, ms, 0);
    browse->api->timeout_update(browse->tick, &when);
}

/* ---- to the loop ---- */

static const char *const *copy_txt(struct arena *arena, AvahiStringList *txt)
{
    const char **list = arena_alloc(arena, (LIMIT_MDNS_TXT + 1) * sizeof(*list));
    size_t n = 0, bytes = 0;

    for (; list && txt && n < LIMIT_MDNS_TXT; txt = avahi_string_list_get_next(txt)) {
        const char *text = (const char *)avahi_string_list_get_text(txt);
        size_t len = avahi_string_list_get_size(txt);

        if (!len || memchr(text, '\0', len)) /* no text: not for us */
            continue;
        bytes += len;
        list[n] = bytes <= LIMIT_MDNS_TXT_BYTES ? arena_strndup(arena, text, len) : NULL;
        if (!list[n])
            break;
        n++;
    }
    if (list)
        list[n] = NULL;
    return list;
}

static void tell(struct instance *instance, bool present, const char *host, uint16_t port,
                 AvahiStringList *txt)
{
    struct mdns_message *message = mdns_message_new(MDNS_INSTANCE, 0, NULL);
    struct mdns_instance *to;

    if (!message)
        return; /* the next refresh tells it */
    to = &message->instance;
    to->interface = arena_strdup(&message->arena, instance->interface_name);
    to->type = arena_strdup(&message->arena, instance->type->name);
    to->name = arena_strdup(&message->arena, instance->name);
    if (present) {
        to->host = arena_strdup(&message->arena, host);
        to->address = arena_strdup(&message->arena, instance->address);
        to->port = port;
        to->txt = copy_txt(&message->arena, txt);
    }
    if (!to->interface || !to->type || !to->name || (present && (!to->host || !to->address || !to->txt))) {
        mdns_message_free(message);
        return;
    }
    message->present = instance->told = present;
    mdns_to_loop(instance->type->link->browse->channel, message);
}

/* ---- instances ---- */

static void stop_resolving(struct instance *instance)
{
    if (!instance->resolver)
        return;
    avahi_service_resolver_free(instance->resolver);
    instance->resolver = NULL;
    instance->type->link->browse->resolving--;
}

static void instance_free(struct instance *instance)
{
    struct instance **at = &instance->type->instances;

    stop_resolving(instance);
    while (*at != instance)
        at = &(*at)->next;
    *at = instance->next;
    instance->type->count--;
    free(instance);
}

static void instance_gone(struct instance *instance)
{
    if (instance->told)
        tell(instance, false, NULL, 0, NULL);
    instance_free(instance);
}

/* To the end of its type's line. */
static void instance_later(struct instance *instance, unsigned seconds)
{
    struct instance **at = &instance->type->instances;

    stop_resolving(instance);
    instance->waiting = false;
    avahi_elapse_time(&instance->due, seconds * 1000, 0);
    while (*at != instance)
        at = &(*at)->next;
    *at = instance->next;
    while (*at)
        at = &(*at)->next;
    instance->next = NULL;
    *at = instance;
}

static struct instance *instance_find(const struct type *type, AvahiIfIndex interface, const char *name)
{
    for (struct instance *instance = type->instances; instance; instance = instance->next)
        if (instance->interface == interface && strcmp(instance->name, name) == 0)
            return instance;
    return NULL;
}

static struct instance *instance_new(struct type *type, AvahiIfIndex interface, const char *name)
{
    size_t most = type->known ? LIMIT_MDNS_INSTANCES : LIMIT_MDNS_OTHER_INSTANCES, size = strlen(name) + 1;
    struct instance **at = &type->instances;
    struct instance *instance;

    if (type->count >= most) {
        type->overflow = true;
        return NULL;
    }
    instance = calloc(1, sizeof(*instance) + size);
    if (!instance)
        return NULL;
    instance->type = type;
    instance->interface = interface;
    if (!if_indextoname((unsigned)interface, instance->interface_name))
        instance->interface_name[0] = '\0';
    memcpy(instance->name, name, size);
    instance->waiting = true;
    while (*at)
        at = &(*at)->next;
    *at = instance;
    type->count++;
    return instance;
}

/* Whether others of its type are at the same address already, as many as one host may have. */
static bool host_is_full(const struct instance *instance, const char *address)
{
    size_t same = 0;

    for (const struct instance *other = instance->type->instances; other; other = other->next)
        same += other != instance && other->told && strcmp(other->address, address) == 0;
    return same >= LIMIT_MDNS_PER_HOST;
}

static void write_address(const AvahiAddress *address, AvahiIfIndex interface, char to[ADDRESS_BYTES])
{
    char zone[IF_NAMESIZE];

    avahi_address_snprint(to, AVAHI_ADDRESS_STR_MAX, address);
    if (address->proto == AVAHI_PROTO_INET6 && strncmp(to, "fe80:", 5) == 0 &&
        if_indextoname((unsigned)interface, zone))
        snprintf(to + strlen(to), IF_NAMESIZE + 1, "%%%s", zone);
}

static void on_resolved(AvahiServiceResolver *resolver, AvahiIfIndex interface, AvahiProtocol protocol,
                        AvahiResolverEvent event, const char *name, const char *type, const char *domain,
                        const char *host, const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
                        AvahiLookupResultFlags flags, void *ctx)
{
    struct instance *instance = ctx;
    struct mdns_browse *browse = instance->type->link->browse;
    char text[ADDRESS_BYTES];

    (void)resolver;
    (void)protocol;
    (void)name;
    (void)type;
    (void)domain;
    (void)flags;
    if (event == AVAHI_RESOLVER_FOUND) {
        write_address(address, interface, text);
        if (host_is_full(instance, text)) {
            instance_gone(instance); /* its place is for others' */
        } else {
            str_copy(instance->address, sizeof(instance->address), text);
            tell(instance, true, host, port, txt);
            instance_later(instance, MDNS_REFRESH_S);
        }
    } else {
        AvahiProtocol asked = instance->asked;

        instance_later(instance, MDNS_AGAIN_S);
        instance->asked = asked == AVAHI_PROTO_INET ? AVAHI_PROTO_INET6 : AVAHI_PROTO_INET;
        instance->waiting = asked == AVAHI_PROTO_INET; /* by the other protocol at once */
    }
    pump(browse);
}

/* ---- whose turn it is ---- */

static struct instance *first_waiting(const struct type *type)
{
    for (struct instance *instance = type->instances; instance; instance = instance->next)
        if (instance->waiting && !instance->resolver)
            return instance;
    return NULL;
}

static struct type *after(struct mdns_browse *browse, const struct type *type)
{
    size_t i = type ? (size_t)(type->link - browse->links) + 1 : 0;

    if (type && type->next)
        return type->next;
    for (size_t tried = 0; tried < browse->links_count; tried++, i++)
        if (browse->links[i % browse->links_count].types)
            return browse->links[i % browse->links_count].types;
    return NULL;
}

/* The next instance in turn of types; NULL: none waits. */
static struct instance *next_waiting(struct mdns_browse *browse)
{
    struct type *begin = after(browse, browse->turn), *type = begin;

    while (type) {
        struct instance *instance = first_waiting(type);

        browse->turn = type;
        if (instance)
            return instance;
        type = after(browse, type);
        if (type == begin)
            break;
    }
    return NULL;
}

static void pump(struct mdns_browse *browse)
{
    struct instance *instance;

    while (browse->client && browse->resolving < LIMIT_MDNS_RESOLVERS) {
        if (mdns_unread(browse->channel) >= LIMIT_MDNS_UNREAD) {
            tick_in(browse, MDNS_UNREAD_MS);
            return;
        }
        instance = next_waiting(browse);
        if (!instance)
            return;
        instance->resolver = avahi_service_resolver_new(
            browse->client, instance->interface, instance->heard & 1 ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6,
            instance->name, instance->type->name, NULL, instance->asked, 0, on_resolved, instance);
        if (!instance->resolver) {
            instance_later(instance, MDNS_AGAIN_S);
            return; /* the daemon has enough, or is going */
        }
        browse->resolving++;
    }
}

/* ---- types ---- */

static void type_free(struct type *type)
{
    struct mdns_browse *browse = type->link->browse;
    struct type **at = &type->link->types;

    if (browse->turn == type)
        browse->turn = NULL;
    while (type->instances)
        instance_free(type->instances);
    if (type->browser)
        avahi_service_browser_free(type->browser);
    while (*at != type)
        at = &(*at)->next;
    *at = type->next;
    type->link->others -= !type->known;
    free(type);
}

static void unconfirmed_gone(struct type *type)
{
    for (struct instance *instance = type->instances, *next; instance; instance = next) {
        next = instance->next;
        if (!instance->confirmed)
            instance_gone(instance);
    }
}

static unsigned protocol_bit(AvahiProtocol protocol)
{
    return protocol == AVAHI_PROTO_INET ? 1 : 2;
}

static void on_new(struct type *type, AvahiIfIndex interface, AvahiProtocol protocol, const char *name)
{
    struct instance *instance = instance_find(type, interface, name);

    if (!instance)
        instance = instance_new(type, interface, name);
    if (!instance)
        return;
    instance->heard |= protocol_bit(protocol);
    instance->confirmed = true;
    pump(type->link->browse);
}

static void on_instance(AvahiServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                        AvahiBrowserEvent event, const char *name, const char *name_of_type,
                        const char *domain, AvahiLookupResultFlags flags, void *ctx)
{
    struct type *type = ctx;
    struct instance *instance;

    (void)browser;
    (void)name_of_type;
    (void)domain;
    switch (event) {
    case AVAHI_BROWSER_NEW:
        if (!(flags & (AVAHI_LOOKUP_RESULT_LOCAL | AVAHI_LOOKUP_RESULT_OUR_OWN))) /* not the gateway's own */
            on_new(type, interface, protocol, name);
        break;
    case AVAHI_BROWSER_REMOVE:
        instance = instance_find(type, interface, name);
        if (instance && !(instance->heard &= ~protocol_bit(protocol)))
            instance_gone(instance);
        break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
        unconfirmed_gone(type);
        break;
    default: /* cached; or a failure, after which the daemon's going is told as well */
        break;
    }
}

static void browse_type(struct type *type)
{
    struct mdns_browse *browse = type->link->browse;

    if (type->browser)
        avahi_service_browser_free(type->browser);
    for (struct instance *instance = type->instances; instance; instance = instance->next)
        instance->confirmed = false;
    type->overflow = false;
    type->browser = avahi_service_browser_new(browse->client, type->link->index, AVAHI_PROTO_UNSPEC,
                                              type->name, NULL, 0, on_instance, type);
}

static struct type *type_find(const struct link *link, const char *name)
{
    for (struct type *type = link->types; type; type = type->next)
        if (avahi_domain_equal(type->name, name))
            return type;
    return NULL;
}

static void type_new(struct link *link, const char *name, bool known)
{
    size_t size = strlen(name) + 1;
    struct type *type;

    if (type_find(link, name) || (!known && link->others >= LIMIT_MDNS_TYPES))
        return;
    type = calloc(1, sizeof(*type) + size);
    if (!type)
        return;
    type->link = link;
    type->known = known;
    memcpy(type->name, name, size);
    type->next = link->types;
    link->types = type;
    link->others += !known;
    browse_type(type);
    if (!type->browser)
        type_free(type);
}

static void on_type(AvahiServiceTypeBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                    AvahiBrowserEvent event, const char *name, const char *domain,
                    AvahiLookupResultFlags flags, void *ctx)
{
    (void)browser;
    (void)interface;
    (void)protocol;
    (void)domain;
    (void)flags;
    /* One that is gone is kept: what was found of it is withdrawn by its own browser, and its place is needed when it is
     * not there for others. */
    if (event == AVAHI_BROWSER_NEW)
        type_new(ctx, name, false);
}

/* ---- links ---- */

/* gone: the interface is, and nobody will hear what is withdrawn there. */
static void link_close(struct link *link, bool gone)
{
    for (struct type *type = link->types; gone && type; type = type->next)
        while (type->instances)
            instance_gone(type->instances);
    while (link->types)
        type_free(link->types);
    if (link->browser)
        avahi_service_type_browser_free(link->browser);
    link->browser = NULL;
    link->open = false;
}

static void links_close(struct mdns_browse *browse)
{
    for (size_t i = 0; i < browse->links_count; i++)
        link_close(&browse->links[i], false);
}

static void link_open(struct link *link)
{
    struct mdns_browse *browse = link->browse;

    link->open = true;
    for (const char *const *type = browse->wanted->types; *type; type++)
        type_new(link, *type, true);
    link->browser = avahi_service_type_browser_new(browse->client, link->index, AVAHI_PROTO_UNSPEC, NULL, 0,
                                                   on_type, link);
}

/* An interface that comes, goes, or is made anew has another index. */
static void links_check(struct mdns_browse *browse)
{
    for (size_t i = 0; i < browse->links_count; i++) {
        struct link *link = &browse->links[i];
        AvahiIfIndex index = link->name ? (AvahiIfIndex)if_nametoindex(link->name) : AVAHI_IF_UNSPEC;

        if (link->open && link->index != index)
            link_close(link, true);
        link->index = index;
        if (!link->open && index != 0)
            link_open(link);
    }
}

static void types_check(struct link *link)
{
    struct timeval now;

    avahi_elapse_time(&now, 0, 0);
    for (struct type *type = link->types; type; type = type->next) {
        size_t most = type->known ? LIMIT_MDNS_INSTANCES : LIMIT_MDNS_OTHER_INSTANCES;

        if (type->overflow && type->count < most)
            browse_type(type);
        for (struct instance *instance = type->instances; instance; instance = instance->next)
            if (!instance->waiting && avahi_timeval_compare(&instance->due, &now) <= 0)
                instance->waiting = true;
    }
}

static void on_tick(AvahiTimeout *timeout, void *ctx)
{
    struct mdns_browse *browse = ctx;

    browse->api->timeout_update(timeout, NULL);
    if (!browse->client || !browse->wanted)
        return;
    tick_in(browse, MDNS_TICK_S * 1000);
    links_check(browse);
    for (size_t i = 0; i < browse->links_count; i++)
        types_check(&browse->links[i]);
    pump(browse);
}

/* ---- life ---- */

static void begin(struct mdns_browse *browse)
{
    if (browse->client && browse->wanted)
        tick_in(browse, 0); /* not here: the client may be calling, and is not ready */
}

void mdns_browse_want(struct mdns_browse *browse, struct mdns_message *wanted)
{
    const char *const *name = wanted->interfaces;

    links_close(browse);
    mdns_message_free(browse->wanted);
    browse->wanted = wanted;
    browse->links_count = 0;
    do {
        browse->links[browse->links_count++] = (struct link){.browse = browse, .name = name ? *name : NULL};
    } while (name && *name && *++name && browse->links_count < LIMIT_MDNS_LINKS);
    begin(browse);
}

void mdns_browse_begin(struct mdns_browse *browse, AvahiClient *client)
{
    browse->client = client;
    begin(browse);
}

void mdns_browse_end(struct mdns_browse *browse)
{
    links_close(browse);
    browse->client = NULL;
    browse->api->timeout_update(browse->tick, NULL);
}

struct mdns_browse *mdns_browse_new(struct mdns_channel *channel, const AvahiPoll *api)
{
    struct mdns_browse *browse = calloc(1, sizeof(*browse));

    if (!browse)
        return NULL;
    browse->channel = channel;
    browse->api = api;
    browse->tick = api->timeout_new(api, NULL, on_tick, browse);
    if (browse->tick)
        return browse;
    free(browse);
    return NULL;
}

void mdns_browse_free(struct mdns_browse *browse)
{
    if (!browse)
        return;
    mdns_browse_end(browse);
    browse->api->timeout_free(browse->tick);
    mdns_message_free(browse->wanted);
    free(browse);
}
