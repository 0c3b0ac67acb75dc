/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the fake Avahi that browses: a list of instances, which each browser holds against what it has told. */
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-common/malloc.h>
#include <avahi-common/timeval.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_avahi.h"

enum {
    SERVICES = 1000,
    LOOK_MS = 2,
    INTERFACE = 1, /* loopback: there is one everywhere */
};

struct service {
    char type[64], name[64], address[64], txt[64];
    bool present, local;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct service services[SERVICES];
    unsigned count, resolving, most;
    bool unnamed;
} lan;

/* Of types and of instances alike. */
struct browser {
    AvahiClient *client;
    AvahiTimeout *look;
    char type[64]; /* "": browses types */
    bool told[SERVICES];
    bool all_told;
    AvahiServiceTypeBrowserCallback on_type;
    AvahiServiceBrowserCallback on_service;
    void *ctx;
};

struct AvahiServiceTypeBrowser {
    struct browser browser;
};

struct AvahiServiceBrowser {
    struct browser browser;
};

struct AvahiServiceResolver {
    AvahiClient *client;
    AvahiTimeout *later;
    AvahiServiceResolverCallback callback;
    void *ctx;
    AvahiProtocol wanted;
    char type[64], name[64];
};

/* ---- the test's side ---- */

void fake_avahi_browse_reset(void)
{
    memset(&lan, 0, sizeof(lan));
}

static struct service *find(const char *type, const char *name)
{
    for (unsigned i = 0; i < lan.count; i++)
        if (strcmp(lan.services[i].type, type) == 0 && strcmp(lan.services[i].name, name) == 0)
            return &lan.services[i];
    return NULL;
}

void fake_avahi_service(const char *type, const char *name, const char *address, const char *txt, bool local)
{
    struct service *service;

    pthread_mutex_lock(&lock);
    service = find(type, name);
    if (!service && lan.count < SERVICES)
        service = &lan.services[lan.count++];
    if (service) {
        snprintf(service->type, sizeof(service->type), "%s", type);
        snprintf(service->name, sizeof(service->name), "%s", name);
        snprintf(service->address, sizeof(service->address), "%s", address);
        snprintf(service->txt, sizeof(service->txt), "%s", txt);
        service->local = local;
        service->present = true;
    }
    pthread_mutex_unlock(&lock);
}

void fake_avahi_gone(const char *type, const char *name)
{
    struct service *service;

    pthread_mutex_lock(&lock);
    service = find(type, name);
    if (service)
        service->present = false;
    pthread_mutex_unlock(&lock);
}

unsigned fake_avahi_resolving(unsigned *ret_most)
{
    unsigned now;

    pthread_mutex_lock(&lock);
    now = lan.resolving;
    *ret_most = lan.most;
    pthread_mutex_unlock(&lock);
    return now;
}

void fake_avahi_interface_gone(void)
{
    pthread_mutex_lock(&lock);
    lan.unnamed = true;
    pthread_mutex_unlock(&lock);
}

/* In the place of the C library's. */
char *if_indextoname(unsigned index, char name[IF_NAMESIZE])
{
    bool unnamed;

    pthread_mutex_lock(&lock);
    unnamed = lan.unnamed || index != INTERFACE;
    pthread_mutex_unlock(&lock);
    errno = ENXIO;
    return unnamed ? NULL : strcpy(name, "lo");
}

unsigned if_nametoindex(const char *name)
{
    bool unnamed;

    pthread_mutex_lock(&lock);
    unnamed = lan.unnamed || strcmp(name, "lo") != 0;
    pthread_mutex_unlock(&lock);
    errno = ENODEV;
    return unnamed ? 0 : INTERFACE;
}

/* ---- browsers ---- */

static void again(AvahiClient *client, AvahiTimeout *timeout)
{
    struct timeval when;

    avahi_elapse_time(&when, LOOK_MS, 0);
    fake_avahi_poll(client)->timeout_update(timeout, &when);
}

static void tell(struct browser *browser, const struct service *service)
{
    AvahiBrowserEvent event = service->present ? AVAHI_BROWSER_NEW : AVAHI_BROWSER_REMOVE;
    AvahiLookupResultFlags flags = service->local ? AVAHI_LOOKUP_RESULT_LOCAL : 0;

    if (!browser->type[0]) {
        if (service->present)
            browser->on_type(NULL, INTERFACE, AVAHI_PROTO_INET, event, service->type, "local", flags,
                             browser->ctx);
        return;
    }
    browser->on_service(NULL, INTERFACE, AVAHI_PROTO_INET, event, service->name, service->type, "local",
                        flags, browser->ctx);
}

static void on_look(AvahiTimeout *timeout, void *ctx)
{
    struct browser *browser = ctx;
    struct service changed;

    again(browser->client, timeout);
    for (unsigned i = 0;; i++) {
        bool tells;

        pthread_mutex_lock(&lock);
        if (i == lan.count) {
            pthread_mutex_unlock(&lock);
            break;
        }
        changed = lan.services[i];
        tells = changed.present != browser->told[i] &&
                (!browser->type[0] || strcmp(browser->type, changed.type) == 0);
        pthread_mutex_unlock(&lock);
        if (!tells)
            continue;
        browser->told[i] = changed.present;
        tell(browser, &changed);
    }
    if (!browser->all_told && browser->type[0])
        browser->on_service(NULL, INTERFACE, AVAHI_PROTO_INET, AVAHI_BROWSER_ALL_FOR_NOW, NULL, browser->type,
                            "local", 0, browser->ctx);
    browser->all_told = true;
}

static void start(struct browser *browser, AvahiClient *client, const char *type, void *ctx)
{
    const AvahiPoll *poll = fake_avahi_poll(client);

    browser->client = client;
    browser->ctx = ctx;
    snprintf(browser->type, sizeof(browser->type), "%s", type);
    browser->look = poll->timeout_new(poll, NULL, on_look, browser);
    again(client, browser->look);
}

AvahiServiceTypeBrowser *avahi_service_type_browser_new(AvahiClient *client, AvahiIfIndex interface,
                                                        AvahiProtocol protocol, const char *domain,
                                                        AvahiLookupFlags flags,
                                                        AvahiServiceTypeBrowserCallback callback, void *ctx)
{
    AvahiServiceTypeBrowser *browser = avahi_new0(AvahiServiceTypeBrowser, 1);

    (void)interface;
    (void)protocol;
    (void)domain;
    (void)flags;
    browser->browser.on_type = callback;
    start(&browser->browser, client, "", ctx);
    return browser;
}

int avahi_service_type_browser_free(AvahiServiceTypeBrowser *browser)
{
    fake_avahi_poll(browser->browser.client)->timeout_free(browser->browser.look);
    avahi_free(browser);
    return 0;
}

AvahiServiceBrowser *avahi_service_browser_new(AvahiClient *client, AvahiIfIndex interface,
                                               AvahiProtocol protocol, const char *type, const char *domain,
                                               AvahiLookupFlags flags, AvahiServiceBrowserCallback callback,
                                               void *ctx)
{
    AvahiServiceBrowser *browser = avahi_new0(AvahiServiceBrowser, 1);

    (void)interface;
    (void)protocol;
    (void)domain;
    (void)flags;
    browser->browser.on_service = callback;
    start(&browser->browser, client, type, ctx);
    return browser;
}

int avahi_service_browser_free(AvahiServiceBrowser *browser)
{
    fake_avahi_poll(browser->browser.client)->timeout_free(browser->browser.look);
    avahi_free(browser);
    return 0;
}

/* ---- resolvers ---- */

static void on_later(AvahiTimeout *timeout, void *ctx)
{
    AvahiServiceResolver *resolver = ctx;
    struct service service = {.present = false};
    AvahiStringList *txt = NULL;
    const struct service *found;
    AvahiAddress address;
    bool answers;

    fake_avahi_poll(resolver->client)->timeout_update(timeout, NULL);
    pthread_mutex_lock(&lock);
    found = find(resolver->type, resolver->name);
    if (found)
        service = *found;
    pthread_mutex_unlock(&lock);
    answers = service.present && avahi_address_parse(service.address, AVAHI_PROTO_UNSPEC, &address) &&
              address.proto == resolver->wanted;
    if (answers && service.txt[0])
        txt = avahi_string_list_add(txt, service.txt);
    resolver->callback(resolver, INTERFACE, AVAHI_PROTO_INET,
                       answers ? AVAHI_RESOLVER_FOUND : AVAHI_RESOLVER_FAILURE, resolver->name,
                       resolver->type, "local", answers ? "host.local" : NULL, answers ? &address : NULL, 80,
                       txt, 0, resolver->ctx);
    avahi_string_list_free(txt);
}

AvahiServiceResolver *avahi_service_resolver_new(AvahiClient *client, AvahiIfIndex interface,
                                                 AvahiProtocol protocol, const char *name, const char *type,
                                                 const char *domain, AvahiProtocol wanted,
                                                 AvahiLookupFlags flags,
                                                 AvahiServiceResolverCallback callback, void *ctx)
{
    AvahiServiceResolver *resolver = avahi_new0(AvahiServiceResolver, 1);
    const AvahiPoll *poll = fake_avahi_poll(client);

    (void)interface;
    (void)protocol;
    (void)domain;
    (void)flags;
    resolver->client = client;
    resolver->callback = callback;
    resolver->ctx = ctx;
    resolver->wanted = wanted;
    snprintf(resolver->type, sizeof(resolver->type), "%s", type);
    snprintf(resolver->name, sizeof(resolver->name), "%s", name);
    resolver->later = poll->timeout_new(poll, NULL, on_later, resolver);
    again(client, resolver->later);
    pthread_mutex_lock(&lock);
    if (++lan.resolving > lan.most)
        lan.most = lan.resolving;
    pthread_mutex_unlock(&lock);
    return resolver;
}

int avahi_service_resolver_free(AvahiServiceResolver *resolver)
{
    pthread_mutex_lock(&lock);
    lan.resolving--;
    pthread_mutex_unlock(&lock);
    fake_avahi_poll(resolver->client)->timeout_free(resolver->later);
    avahi_free(resolver);
    return 0;
}
