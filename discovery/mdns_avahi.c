/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread's side of discovery/mdns.h: one Avahi client, one group of what is advertised, the lookups under way, and what
 * is browsed (mdns_browse.c). All is made anew whenever the daemon comes, for it forgets us when it goes.
 */
#include "discovery/mdns_browse.h"

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>
#include <avahi-common/timeval.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/resolve.h"

enum {
    RETRY_FIRST_S = 2, /* without a bus: D-Bus tells who comes to it, and nobody tells when it comes itself */
    RETRY_LAST_S = 600,
    TAKEN_S = 300, /* a name that another has may be free later */
};

/* A name that is being resolved: by IPv4 first, then by IPv6. */
struct name {
    struct name *next;
    struct side *side;
    struct mdns_message *request; /* id, text */
    AvahiHostNameResolver *resolver;
    AvahiProtocol protocol;
};

struct side {
    struct mdns_channel *channel;
    AvahiSimplePoll *poll;
    const AvahiPoll *api;
    AvahiClient *client;
    AvahiEntryGroup *group;
    struct mdns_message *wanted; /* the newest MDNS_ADVERTISE, or NULL */
    struct name *names;
    struct mdns_browse *browse;
    AvahiTimeout *retry; /* a new client; or what is advertised once more */
    unsigned retry_s;
    bool running; /* the daemon is there */
    bool known;   /* whether it is: lookups wait for that */
    bool renew;   /* the client is dead: the retry makes another */
};

static void tell(struct side *side, enum mdns_kind kind, uint64_t id, bool present, const char *text)
{
    struct mdns_message *message = mdns_message_new(kind, id, text);

    if (!message)
        return; /* a lookup whose answer is lost is cancelled by its owner, sooner or later */
    message->present = present;
    mdns_to_loop(side->channel, message);
}

static void retry_in(struct side *side, unsigned seconds)
{
    struct timeval when;

    avahi_elapse_time(&when, seconds * 1000, 0);
    side->api->timeout_update(side->retry, &when);
}

/* ---- lookups ---- */

static void name_free(struct name *name)
{
    for (struct name **at = &name->side->names; *at; at = &(*at)->next) {
        if (*at == name) {
            *at = name->next;
            break;
        }
    }
    if (name->resolver)
        avahi_host_name_resolver_free(name->resolver);
    mdns_message_free(name->request);
    free(name);
}

static void name_end(struct name *name, bool found, const char *text)
{
    tell(name->side, MDNS_RESOLVED, name->request->id, found, text);
    name_free(name);
}

static void name_ask(struct name *name);

static void on_name(AvahiHostNameResolver *resolver, AvahiIfIndex interface, AvahiProtocol protocol,
                    AvahiResolverEvent event, const char *host, const AvahiAddress *address,
                    AvahiLookupResultFlags flags, void *ctx)
{
    char text[AVAHI_ADDRESS_STR_MAX + 16];
    struct name *name = ctx;

    (void)protocol;
    (void)host;
    (void)flags;
    if (event == AVAHI_RESOLVER_FOUND) {
        avahi_address_snprint(text, sizeof(text), address);
        if (address->proto == AVAHI_PROTO_INET6 && strncmp(text, "fe80:", 5) == 0)
            snprintf(text + strlen(text), 16, "%%%d", interface);
        name_end(name, true, text);
        return;
    }
    if (name->protocol == AVAHI_PROTO_INET) {
        avahi_host_name_resolver_free(resolver);
        name->resolver = NULL;
        name->protocol = AVAHI_PROTO_INET6;
        name_ask(name);
        return;
    }
    name_end(name, false, "nobody on the LAN answers to it (multicast DNS)");
}

static void name_ask(struct name *name)
{
    struct side *side = name->side;

    name->resolver = avahi_host_name_resolver_new(side->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                                  name->request->text, name->protocol, 0, on_name, name);
    if (!name->resolver)
        name_end(name, false, avahi_strerror(avahi_client_errno(side->client)));
}

/* The daemon is there, or is known not to be. */
static void names_go_on(struct side *side)
{
    for (struct name *name = side->names, *next; name; name = next) {
        next = name->next;
        if (name->resolver)
            continue;
        if (side->running)
            name_ask(name);
        else
            name_end(name, false, "no Avahi daemon answers on the system bus");
    }
}

static void name_new(struct side *side, struct mdns_message *request)
{
    struct name *name = calloc(1, sizeof(*name));
    char *text = (char *)request->text; /* of the message's arena, which is ours */

    if (!name) {
        tell(side, MDNS_RESOLVED, request->id, false, "out of memory");
        mdns_message_free(request);
        return;
    }
    if (*text && text[strlen(text) - 1] == '.') /* Avahi's names have no dot at their end */
        text[strlen(text) - 1] = '\0';
    name->side = side;
    name->request = request;
    name->protocol = AVAHI_PROTO_INET;
    name->next = side->names;
    side->names = name;
    if (side->known)
        names_go_on(side);
}

static void name_cancel(struct side *side, uint64_t id)
{
    for (struct name *name = side->names; name; name = name->next) {
        if (name->request->id == id) {
            name_free(name);
            return;
        }
    }
}

/* ---- what is advertised ---- */

static void on_group(AvahiEntryGroup *group, AvahiEntryGroupState state, void *ctx)
{
    struct side *side = ctx;

    if (state == AVAHI_ENTRY_GROUP_COLLISION) {
        /* The name is the Endpoint ID (R-DIS.8): another one would be another endpoint. */
        tell(side, MDNS_REFUSED, 0, false, "another host of the LAN advertises this Endpoint ID");
        retry_in(side, TAKEN_S);
    } else if (state == AVAHI_ENTRY_GROUP_FAILURE) {
        tell(side, MDNS_REFUSED, 0, false,
             avahi_strerror(avahi_client_errno(avahi_entry_group_get_client(group))));
    }
}

static AvahiStringList *txt_of(const struct mdns_service *service)
{
    AvahiStringList *list = NULL;

    for (size_t n = 0; service->txt[n]; n++)
        list = avahi_string_list_add(list, service->txt[n]);
    return list; /* Avahi writes the list from its end */
}

/* R-MQTT.38: a server that has no name gets one in our host's, with its address. */
static int add_host(struct side *side, const struct mdns_service *service, char host[AVAHI_DOMAIN_NAME_MAX])
{
    const char *own = avahi_client_get_host_name(side->client);
    AvahiAddress address;

    snprintf(host, AVAHI_DOMAIN_NAME_MAX, "%s-%s.local", own ? own : "host", service->host_label);
    if (!avahi_address_parse(service->address, AVAHI_PROTO_UNSPEC, &address))
        return AVAHI_ERR_INVALID_ADDRESS;
    return avahi_entry_group_add_address(side->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                         AVAHI_PUBLISH_NO_REVERSE, host, &address);
}

static int add_service(struct side *side, const struct mdns_service *service)
{
    char made[AVAHI_DOMAIN_NAME_MAX];
    const char *host = service->host;
    AvahiStringList *txt;
    int rc = 0;

    if (service->address) {
        rc = add_host(side, service, made);
        host = made;
    }
    if (rc < 0)
        return rc;
    txt = txt_of(service);
    rc = avahi_entry_group_add_service_strlst(side->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                              service->instance, service->type, NULL, host, service->port,
                                              txt);
    avahi_string_list_free(txt);
    if (rc == 0 && service->subtype) {
        char subtype[AVAHI_DOMAIN_NAME_MAX];

        snprintf(subtype, sizeof(subtype), "%s._sub.%s", service->subtype, service->type);
        rc = avahi_entry_group_add_service_subtype(side->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                                   service->instance, service->type, NULL, subtype);
    }
    return rc;
}

static void publish(struct side *side)
{
    int rc = 0;

    if (!side->running || !side->wanted)
        return;
    if (side->group)
        rc = avahi_entry_group_reset(side->group);
    else if (side->wanted->count && !(side->group = avahi_entry_group_new(side->client, on_group, side)))
        rc = avahi_client_errno(side->client);
    for (size_t i = 0; rc == 0 && i < side->wanted->count; i++) {
        char text[128];

        rc = add_service(side, &side->wanted->services[i]);
        if (rc == 0)
            continue;
        /* One that is refused does not take the others along. */
        snprintf(text, sizeof(text), "%.60s: %.50s", side->wanted->services[i].type, avahi_strerror(rc));
        tell(side, MDNS_REFUSED, 0, false, text);
        rc = 0;
    }
    if (rc == 0 && side->group && !avahi_entry_group_is_empty(side->group))
        rc = avahi_entry_group_commit(side->group);
    if (rc < 0)
        tell(side, MDNS_REFUSED, 0, false, avahi_strerror(rc));
}

/* ---- the daemon ---- */

static void gone(struct side *side, const char *why)
{
    bool was = side->running || !side->known;

    side->running = false;
    side->known = true;
    side->group = NULL; /* it goes with the client, or is reset by the daemon that comes */
    mdns_browse_end(side->browse);
    if (was)
        tell(side, MDNS_STATE, 0, false, why);
    names_go_on(side);
}

static void on_client(AvahiClient *client, AvahiClientState state, void *ctx)
{
    struct side *side = ctx;

    side->client = client; /* the first call comes from within avahi_client_new() */
    switch (state) {
    case AVAHI_CLIENT_S_RUNNING:
        if (!side->running)
            tell(side, MDNS_STATE, 0, true, NULL);
        side->running = side->known = true;
        side->retry_s = RETRY_FIRST_S;
        publish(side);
        names_go_on(side);
        mdns_browse_begin(side->browse, client);
        break;
    case AVAHI_CLIENT_S_COLLISION:
    case AVAHI_CLIENT_S_REGISTERING:
        /* The host gets another name: what is advertised refers to it. It is made anew when the daemon runs again. */
        if (side->group)
            avahi_entry_group_reset(side->group);
        break;
    case AVAHI_CLIENT_CONNECTING:
        gone(side, "no Avahi daemon runs");
        break;
    case AVAHI_CLIENT_FAILURE:
        side->renew = true; /* not here: the client is calling */
        retry_in(side, 0);
        break;
    }
}

static void drop_client(struct side *side)
{
    for (struct name *name = side->names; name; name = name->next)
        name->resolver = NULL; /* freed with the client */
    side->group = NULL;
    mdns_browse_end(side->browse);
    if (side->client)
        avahi_client_free(side->client);
    side->client = NULL;
}

static void connect_daemon(struct side *side)
{
    int rc = 0;

    drop_client(side);
    side->renew = false;
    if (!avahi_client_new(side->api, AVAHI_CLIENT_NO_FAIL, on_client, side, &rc)) {
        side->client = NULL;
        gone(side, avahi_strerror(rc));
        side->renew = true;
        retry_in(side, side->retry_s);
        side->retry_s = side->retry_s * 2 > RETRY_LAST_S ? RETRY_LAST_S : side->retry_s * 2;
    }
}

static void on_retry(AvahiTimeout *timeout, void *ctx)
{
    struct side *side = ctx;

    side->api->timeout_update(timeout, NULL);
    if (!side->renew) {
        publish(side);
        return;
    }
    if (side->client)
        gone(side, avahi_strerror(avahi_client_errno(side->client)));
    connect_daemon(side);
}

/* ---- the thread ---- */

static void take(struct side *side, struct mdns_message *message)
{
    switch (message->kind) {
    case MDNS_ADVERTISE:
        mdns_message_free(side->wanted);
        side->wanted = message;
        publish(side);
        return;
    case MDNS_RESOLVE:
        name_new(side, message);
        return;
    case MDNS_BROWSE:
        mdns_browse_want(side->browse, message);
        return;
    case MDNS_CANCEL:
        name_cancel(side, message->id);
        break;
    default:
        avahi_simple_poll_quit(side->poll);
        break;
    }
    mdns_message_free(message);
}

static void on_wake(AvahiWatch *watch, int fd, AvahiWatchEvent event, void *ctx)
{
    struct side *side = ctx;
    struct mdns_message *message;
    char bytes[64];

    (void)watch;
    (void)event;
    while (read(fd, bytes, sizeof(bytes)) == sizeof(bytes)) {}
    while ((message = mdns_take(side->channel, &side->channel->to_thread)))
        take(side, message);
}

void mdns_thread(void *ctx)
{
    struct side side = {.channel = ctx, .retry_s = RETRY_FIRST_S};
    AvahiWatch *wake;

    side.poll = avahi_simple_poll_new();
    if (!side.poll)
        return;
    side.api = avahi_simple_poll_get(side.poll);
    wake = side.api->watch_new(side.api, side.channel->wake[0], AVAHI_WATCH_IN, on_wake, &side);
    side.retry = side.api->timeout_new(side.api, NULL, on_retry, &side);
    side.browse = mdns_browse_new(side.channel, side.api);
    if (wake && side.retry && side.browse) {
        connect_daemon(&side);
        while (avahi_simple_poll_iterate(side.poll, -1) == 0) {}
        drop_client(&side);
    }
    mdns_browse_free(side.browse);
    while (side.names)
        name_free(side.names);
    mdns_message_free(side.wanted);
    avahi_simple_poll_free(side.poll);
}
