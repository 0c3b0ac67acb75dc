/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/fake_avahi.h"

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/timeval.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct AvahiEntryGroup {
    AvahiClient *client;
    AvahiEntryGroupCallback callback;
    void *ctx;
    unsigned entries;
};

struct AvahiHostNameResolver {
    AvahiClient *client;
    AvahiHostNameResolver *next;
    AvahiHostNameResolverCallback callback;
    void *ctx;
    AvahiTimeout *later;
    AvahiProtocol protocol;
    char name[128];
};

struct AvahiClient {
    const AvahiPoll *poll;
    AvahiClientCallback callback;
    void *ctx;
    AvahiTimeout *check; /* looks at what the test has set */
    AvahiEntryGroup *group;
    AvahiHostNameResolver *resolvers;
    bool daemon, dead;
    int error;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool bus, daemon, collide;
    char name[128], address[64];
    int protocol;
    char log[8192];
} world;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
    va_list ap;
    size_t len;

    pthread_mutex_lock(&lock);
    len = strlen(world.log);
    va_start(ap, fmt);
    vsnprintf(world.log + len, sizeof(world.log) - len, fmt, ap);
    va_end(ap);
    pthread_mutex_unlock(&lock);
}

static void now_state(bool *bus, bool *daemon)
{
    pthread_mutex_lock(&lock);
    *bus = world.bus;
    *daemon = world.daemon;
    pthread_mutex_unlock(&lock);
}

/* ---- the test's side ---- */

void fake_avahi_reset(void)
{
    memset(&world, 0, sizeof(world));
    fake_avahi_browse_reset();
}

const AvahiPoll *fake_avahi_poll(AvahiClient *client)
{
    return client->poll;
}

void fake_avahi_set(bool bus, bool daemon)
{
    pthread_mutex_lock(&lock);
    world.bus = bus;
    world.daemon = daemon;
    pthread_mutex_unlock(&lock);
}

void fake_avahi_collide(void)
{
    pthread_mutex_lock(&lock);
    world.collide = true;
    pthread_mutex_unlock(&lock);
}

void fake_avahi_name(const char *name, const char *address, int protocol)
{
    pthread_mutex_lock(&lock);
    snprintf(world.name, sizeof(world.name), "%s", name);
    snprintf(world.address, sizeof(world.address), "%s", address ? address : "");
    world.protocol = protocol;
    pthread_mutex_unlock(&lock);
}

bool fake_avahi_saw(const char *text)
{
    char *found;

    pthread_mutex_lock(&lock);
    found = strstr(world.log, text);
    if (found)
        memmove(world.log, found + strlen(text), strlen(found + strlen(text)) + 1);
    pthread_mutex_unlock(&lock);
    return found != NULL;
}

const char *fake_avahi_log(void)
{
    return world.log;
}

/* ---- the client ---- */

static void again(AvahiClient *client)
{
    struct timeval when;

    avahi_elapse_time(&when, 2, 0);
    client->poll->timeout_update(client->check, &when);
}

static void on_check(AvahiTimeout *timeout, void *ctx)
{
    AvahiClient *client = ctx;
    bool bus, daemon;

    (void)timeout;
    now_state(&bus, &daemon);
    if (client->dead)
        return;
    again(client);
    if (client->daemon && !(bus && daemon)) {
        client->dead = true;
        client->error = AVAHI_ERR_DISCONNECTED;
        client->callback(client, AVAHI_CLIENT_FAILURE, client->ctx);
    } else if (!client->daemon && bus && daemon) {
        client->daemon = true;
        client->callback(client, AVAHI_CLIENT_S_RUNNING, client->ctx);
    }
}

AvahiClient *avahi_client_new(const AvahiPoll *poll, AvahiClientFlags flags, AvahiClientCallback callback,
                              void *ctx, int *error)
{
    AvahiClient *client;
    bool bus, daemon;

    (void)flags;
    now_state(&bus, &daemon);
    if (!bus) {
        *error = AVAHI_ERR_DBUS_ERROR;
        return NULL;
    }
    client = avahi_new0(AvahiClient, 1);
    client->poll = poll;
    client->callback = callback;
    client->ctx = ctx;
    client->daemon = daemon;
    client->check = poll->timeout_new(poll, NULL, on_check, client);
    again(client);
    note("client\n");
    callback(client, daemon ? AVAHI_CLIENT_S_RUNNING : AVAHI_CLIENT_CONNECTING, ctx);
    return client;
}

void avahi_client_free(AvahiClient *client)
{
    note("client freed\n");
    if (client->group)
        avahi_entry_group_free(client->group);
    while (client->resolvers)
        avahi_host_name_resolver_free(client->resolvers);
    client->poll->timeout_free(client->check);
    avahi_free(client);
}

int avahi_client_errno(AvahiClient *client)
{
    return client->error;
}

const char *avahi_client_get_host_name(AvahiClient *client)
{
    (void)client;
    return "gateway";
}

/* ---- the group ---- */

AvahiEntryGroup *avahi_entry_group_new(AvahiClient *client, AvahiEntryGroupCallback callback, void *ctx)
{
    AvahiEntryGroup *group = avahi_new0(AvahiEntryGroup, 1);

    *group = (AvahiEntryGroup){.client = client, .callback = callback, .ctx = ctx};
    client->group = group;
    return group;
}

int avahi_entry_group_free(AvahiEntryGroup *group)
{
    group->client->group = NULL;
    avahi_free(group);
    return 0;
}

AvahiClient *avahi_entry_group_get_client(AvahiEntryGroup *group)
{
    return group->client;
}

int avahi_entry_group_reset(AvahiEntryGroup *group)
{
    group->entries = 0;
    note("reset\n");
    return 0;
}

int avahi_entry_group_is_empty(AvahiEntryGroup *group)
{
    return !group->entries;
}

int avahi_entry_group_commit(AvahiEntryGroup *group)
{
    bool collide;

    pthread_mutex_lock(&lock);
    collide = world.collide;
    world.collide = false;
    pthread_mutex_unlock(&lock);
    note("commit %u\n", group->entries);
    group->callback(group, collide ? AVAHI_ENTRY_GROUP_COLLISION : AVAHI_ENTRY_GROUP_ESTABLISHED, group->ctx);
    return 0;
}

int avahi_entry_group_add_service_strlst(AvahiEntryGroup *group, AvahiIfIndex interface,
                                         AvahiProtocol protocol, AvahiPublishFlags flags, const char *name,
                                         const char *type, const char *domain, const char *host,
                                         uint16_t port, AvahiStringList *txt)
{
    char *text = avahi_string_list_to_string(txt);

    (void)interface;
    (void)protocol;
    (void)flags;
    (void)domain;
    if (strcmp(type, "_bad._tcp") == 0) {
        avahi_free(text);
        return AVAHI_ERR_INVALID_SERVICE_TYPE;
    }
    note("service %s %s %s:%u %s\n", name, type, host ? host : "-", port, text);
    avahi_free(text);
    group->entries++;
    return 0;
}

int avahi_entry_group_add_service_subtype(AvahiEntryGroup *group, AvahiIfIndex interface,
                                          AvahiProtocol protocol, AvahiPublishFlags flags, const char *name,
                                          const char *type, const char *domain, const char *subtype)
{
    (void)group;
    (void)interface;
    (void)protocol;
    (void)flags;
    (void)name;
    (void)type;
    (void)domain;
    note("subtype %s\n", subtype);
    return 0;
}

int avahi_entry_group_add_address(AvahiEntryGroup *group, AvahiIfIndex interface, AvahiProtocol protocol,
                                  AvahiPublishFlags flags, const char *name, const AvahiAddress *address)
{
    char text[AVAHI_ADDRESS_STR_MAX];

    (void)interface;
    (void)protocol;
    (void)flags;
    note("address %s %s\n", name, avahi_address_snprint(text, sizeof(text), address));
    group->entries++;
    return 0;
}

/* ---- names ---- */

static void on_later(AvahiTimeout *timeout, void *ctx)
{
    AvahiHostNameResolver *resolver = ctx;
    AvahiAddress address;
    bool found;

    (void)timeout;
    pthread_mutex_lock(&lock);
    found = world.address[0] && strcmp(world.name, resolver->name) == 0 &&
            resolver->protocol == (world.protocol == 6 ? AVAHI_PROTO_INET6 : AVAHI_PROTO_INET) &&
            avahi_address_parse(world.address, AVAHI_PROTO_UNSPEC, &address);
    pthread_mutex_unlock(&lock);
    resolver->callback(resolver, 3, AVAHI_PROTO_INET, found ? AVAHI_RESOLVER_FOUND : AVAHI_RESOLVER_FAILURE,
                       resolver->name, found ? &address : NULL, 0, resolver->ctx);
}

AvahiHostNameResolver *avahi_host_name_resolver_new(AvahiClient *client, AvahiIfIndex interface,
                                                    AvahiProtocol protocol, const char *name,
                                                    AvahiProtocol wanted, AvahiLookupFlags flags,
                                                    AvahiHostNameResolverCallback callback, void *ctx)
{
    AvahiHostNameResolver *resolver = avahi_new0(AvahiHostNameResolver, 1);
    struct timeval when;

    (void)interface;
    (void)protocol;
    (void)flags;
    resolver->client = client;
    resolver->callback = callback;
    resolver->ctx = ctx;
    resolver->protocol = wanted;
    snprintf(resolver->name, sizeof(resolver->name), "%s", name);
    resolver->next = client->resolvers;
    client->resolvers = resolver;
    avahi_elapse_time(&when, 2, 0);
    note("resolve %s %d\n", name, wanted == AVAHI_PROTO_INET6 ? 6 : 4);
    if (strcmp(name, "silent.local") != 0)
        resolver->later = client->poll->timeout_new(client->poll, &when, on_later, resolver);
    return resolver;
}

int avahi_host_name_resolver_free(AvahiHostNameResolver *resolver)
{
    for (AvahiHostNameResolver **at = &resolver->client->resolvers; *at; at = &(*at)->next) {
        if (*at == resolver) {
            *at = resolver->next;
            break;
        }
    }
    note("resolver freed\n");
    if (resolver->later)
        resolver->client->poll->timeout_free(resolver->later);
    avahi_free(resolver);
    return 0;
}
