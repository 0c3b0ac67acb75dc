/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Avahi's client library, loaded by the thread that uses it (config.h: LAZY_AVAHI_CLIENT): it brings D-Bus along and much
 * else, and a start is not to wait for that. In the place of each function that the thread calls stands one here that finds the
 * library's; the linker then has no use for the library itself. Where there is none, no client can be made: as without a bus.
 */
#include "config.h"

/* These are not to stand in the way of the library's own. */
#pragma GCC visibility push(hidden)
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#pragma GCC visibility pop

#include <avahi-common/error.h>
#include <dlfcn.h>
#include <stddef.h>

/* It is asked each time, for a pointer that is kept would be state; once loaded it stays, and an answer takes a microsecond. */
static void *find(const char *name)
{
    void *library = dlopen(LAZY_AVAHI_CLIENT, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *found = library ? dlsym(library, name) : NULL;

    if (library)
        dlclose(library);
    return found;
}

#define THEIRS(function) ((__typeof__(&(function)))find(#function))

/* ---- the client ---- */

AvahiClient *avahi_client_new(const AvahiPoll *poll, AvahiClientFlags flags, AvahiClientCallback callback,
                              void *ctx, int *error)
{
    __typeof__(&avahi_client_new) theirs = THEIRS(avahi_client_new);

    if (theirs)
        return theirs(poll, flags, callback, ctx, error);
    *error = AVAHI_ERR_NOT_SUPPORTED;
    return NULL;
}

/* Who calls those below has a client. */
void avahi_client_free(AvahiClient *client)
{
    THEIRS(avahi_client_free)(client);
}

int avahi_client_errno(AvahiClient *client)
{
    return THEIRS(avahi_client_errno)(client);
}

const char *avahi_client_get_host_name(AvahiClient *client)
{
    return THEIRS(avahi_client_get_host_name)(client);
}

/* ---- what is advertised ---- */

AvahiEntryGroup *avahi_entry_group_new(AvahiClient *client, AvahiEntryGroupCallback callback, void *ctx)
{
    return THEIRS(avahi_entry_group_new)(client, callback, ctx);
}

AvahiClient *avahi_entry_group_get_client(AvahiEntryGroup *group)
{
    return THEIRS(avahi_entry_group_get_client)(group);
}

int avahi_entry_group_reset(AvahiEntryGroup *group)
{
    return THEIRS(avahi_entry_group_reset)(group);
}

int avahi_entry_group_commit(AvahiEntryGroup *group)
{
    return THEIRS(avahi_entry_group_commit)(group);
}

int avahi_entry_group_is_empty(AvahiEntryGroup *group)
{
    return THEIRS(avahi_entry_group_is_empty)(group);
}

int avahi_entry_group_add_service_strlst(AvahiEntryGroup *group, AvahiIfIndex interface,
                                         AvahiProtocol protocol, AvahiPublishFlags flags, const char *name,
                                         const char *type, const char *domain, const char *host,
                                         uint16_t port, AvahiStringList *txt)
{
    return THEIRS(avahi_entry_group_add_service_strlst)(group, interface, protocol, flags, name, type, domain,
                                                        host, port, txt);
}

int avahi_entry_group_add_service_subtype(AvahiEntryGroup *group, AvahiIfIndex interface,
                                          AvahiProtocol protocol, AvahiPublishFlags flags, const char *name,
                                          const char *type, const char *domain, const char *subtype)
{
    return THEIRS(avahi_entry_group_add_service_subtype)(group, interface, protocol, flags, name, type,
                                                         domain, subtype);
}

int avahi_entry_group_add_address(AvahiEntryGroup *group, AvahiIfIndex interface, AvahiProtocol protocol,
                                  AvahiPublishFlags flags, const char *name, const AvahiAddress *address)
{
    return THEIRS(avahi_entry_group_add_address)(group, interface, protocol, flags, name, address);
}

/* ---- what is looked for ---- */

AvahiHostNameResolver *avahi_host_name_resolver_new(AvahiClient *client, AvahiIfIndex interface,
                                                    AvahiProtocol protocol, const char *name,
                                                    AvahiProtocol wanted, AvahiLookupFlags flags,
                                                    AvahiHostNameResolverCallback callback, void *ctx)
{
    return THEIRS(avahi_host_name_resolver_new)(client, interface, protocol, name, wanted, flags, callback,
                                                ctx);
}

int avahi_host_name_resolver_free(AvahiHostNameResolver *resolver)
{
    return THEIRS(avahi_host_name_resolver_free)(resolver);
}

AvahiServiceTypeBrowser *avahi_service_type_browser_new(AvahiClient *client, AvahiIfIndex interface,
                                                        AvahiProtocol protocol, const char *domain,
                                                        AvahiLookupFlags flags,
                                                        AvahiServiceTypeBrowserCallback callback, void *ctx)
{
    return THEIRS(avahi_service_type_browser_new)(client, interface, protocol, domain, flags, callback, ctx);
}

int avahi_service_type_browser_free(AvahiServiceTypeBrowser *browser)
{
    return THEIRS(avahi_service_type_browser_free)(browser);
}

AvahiServiceBrowser *avahi_service_browser_new(AvahiClient *client, AvahiIfIndex interface,
                                               AvahiProtocol protocol, const char *type, const char *domain,
                                               AvahiLookupFlags flags, AvahiServiceBrowserCallback callback,
                                               void *ctx)
{
    return THEIRS(avahi_service_browser_new)(client, interface, protocol, type, domain, flags, callback, ctx);
}

int avahi_service_browser_free(AvahiServiceBrowser *browser)
{
    return THEIRS(avahi_service_browser_free)(browser);
}

AvahiServiceResolver *avahi_service_resolver_new(AvahiClient *client, AvahiIfIndex interface,
                                                 AvahiProtocol protocol, const char *name, const char *type,
                                                 const char *domain, AvahiProtocol wanted,
                                                 AvahiLookupFlags flags,
                                                 AvahiServiceResolverCallback callback, void *ctx)
{
    return THEIRS(avahi_service_resolver_new)(client, interface, protocol, name, type, domain, wanted, flags,
                                              callback, ctx);
}

int avahi_service_resolver_free(AvahiServiceResolver *resolver)
{
    return THEIRS(avahi_service_resolver_free)(resolver);
}
