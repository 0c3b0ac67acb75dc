/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The LAN as the gateway sees it: which hosts there are, under which instance number, what was observed of each, by
 * whom, and when. A host is a MAC address. What is heard of an IP address whose MAC nobody knows yet waits, bounded, and
 * joins its host when a lease or a neighbour tells whose address that is; it never becomes a host of its own.
 *
 * Sources report through hosts_observe() and through nothing else. What they report came from the LAN and is hostile:
 * texts that are too long, not UTF-8 or hold control characters are dropped here, new hosts come at a limited rate, and
 * what is known of a host changes at a limited rate. None of it is authenticated: it identifies nobody, and grants nothing.
 *
 * Kept in the store (kind "host"): address, instance, alias, facts; not IP addresses and services, which are heard again.
 * All hosts are inactive after a restart until they are seen. Bounded by limit_hosts: the longest inactive one
 * without an alias gives way first, active ones never do.
 *
 * Owned by the caller; loop's thread only. Hosts are owned by the table.
 */
#ifndef SCAN_HOSTS_H
#define SCAN_HOSTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/observer.h"
#include "base/rate.h"
#include "base/store.h"
#include "base/timer.h"

/* ---- what is observed ---- */

/* Who says so, the most believable first: of two that name the same fact, the first is shown. */
enum host_source {
    HOST_LEASE, /* the DHCP server's lease file */
    HOST_HOOK,  /* the DHCP server's script: what the client sent */
    HOST_SSDP,  /* UPnP: SSDP and the device description */
    HOST_MDNS,  /* DNS-SD by multicast */
    HOST_OUI,   /* the registry of MAC address blocks: inferred */
    HOST_NEIGHBOUR,
    HOST_SOURCES,
};
/* "Lease", "DHCP", "SSDP", "mDNS", "OUI", "Neighbour". */
const char *host_source_name(enum host_source source);

/* Facts are texts of up to HOST_FACT_BYTES bytes. HOST_FACT_BIT() of one is its bit in a set of changes. */
enum host_fact {
    HOST_FACT_HOST_NAME,     /* as DHCP or DNS has it, without domain and dot at its end */
    HOST_FACT_FRIENDLY_NAME, /* for people */
    HOST_FACT_MANUFACTURER,
    HOST_FACT_MANUFACTURER_OUI, /* six upper-case digits */
    HOST_FACT_MODEL_NAME,
    HOST_FACT_MODEL_NUMBER,
    HOST_FACT_MODEL_DESCRIPTION,
    HOST_FACT_SERIAL_NUMBER,
    HOST_FACT_PRODUCT_CLASS,
    HOST_FACT_HARDWARE_VERSION,
    HOST_FACT_SOFTWARE_VERSION,
    HOST_FACT_DEVICE_TYPE, /* UPnP deviceType */
    HOST_FACT_UDN,         /* UPnP: "uuid:..." */
    HOST_FACT_URL, /* where the device says that its description or page is; never fetched because of this */
    HOST_FACT_MUD_URL, /* RFC 8520 */
    HOST_FACT_VENDOR_CLASS_ID,
    HOST_FACT_USER_CLASS_ID,
    HOST_FACT_CLIENT_ID, /* DHCPv4 option 61, hexadecimal */
    HOST_FACT_DUID,      /* of DHCPv6, hexadecimal */
    HOST_FACT_REQUESTED_OPTIONS,
    HOST_FACTS,
};
/* "HostName", "FriendlyName", "Manufacturer", ... */
const char *host_fact_name(enum host_fact fact);

enum {
    HOST_MAC_BYTES = 6,
    HOST_MAC_TEXT_BYTES = 18,      /* "00:11:22:AA:BB:CC" */
    HOST_FACT_BYTES = 256,         /* longest fact, without its terminator */
    HOST_SERVICE_TYPE_BYTES = 256, /* longest service type */
    HOST_SERVICE_NAME_BYTES = 64,  /* longest service instance (RFC 6763, 4.1.1: one label) */
    HOST_SERVICE_TXT_BYTES = 1024, /* longest list of attributes */
    HOST_INTERFACE_BYTES = 16,     /* IFNAMSIZ */
    HOST_IP_TEXT_BYTES = 46,
};

/* An IPv4 (mapped) or IPv6 address. scope: the interface's index, for link-local addresses; else 0. */
struct host_ip {
    uint8_t bytes[16];
    uint32_t scope;
};

/* scope counts for IPv6 link-local addresses only. -1: not an address of one host (multicast, loopback, unspecified). */
int host_ip_from_text(const char *text, uint32_t scope, struct host_ip *ret);
int host_ip_from_sockaddr(const struct sockaddr *address, struct host_ip *ret);
/* Without the scope, in the form of RFC 5952. */
void host_ip_text(const struct host_ip *ip, char to[HOST_IP_TEXT_BYTES]);
bool host_ip_is_v4(const struct host_ip *ip);
/* "00:11:22:aa:bb:cc", "00-11-...", "001122aabbcc". -1: no unicast MAC address of 48 bits. */
int host_mac_from_text(struct str text, uint8_t ret[HOST_MAC_BYTES]);
void host_mac_text(const uint8_t mac[HOST_MAC_BYTES], char to[HOST_MAC_TEXT_BYTES]);

/* One fact as a source tells it. text NULL or "": this source no longer says so. */
struct host_said {
    enum host_fact fact;
    const char *text;
};

/* One service as DNS-SD or SSDP tells it. */
struct host_service_said {
    const char *type;       /* "_http._tcp", "urn:schemas-upnp-org:service:..." */
    const char *instance;   /* "Shelly Plug"; "" for one that has no name */
    uint16_t port;          /* 0: not told */
    const char *const *txt; /* "key=value", ended by NULL; NULL: none, or not told */
    bool gone;              /* withdrawn */
};

/* How the source knows that the host is there now, or not. */
enum host_presence {
    HOST_PRESENCE_UNKNOWN,   /* it says nothing of that: a file that was written some time ago */
    HOST_PRESENCE_SEEN,      /* it spoke just now */
    HOST_PRESENCE_TRACKED,   /* there, and the source reports when that is over */
    HOST_PRESENCE_UNTRACKED, /* who was tracked is so no more, and was seen until now */
    HOST_PRESENCE_GONE,      /* it does not answer at this address */
};

enum host_lease {
    HOST_LEASE_UNKNOWN, /* nothing is said of a lease */
    HOST_LEASE_HELD,    /* until lease_expires */
    HOST_LEASE_ENDED,
};

/*
 * mac or ip, or both, are known. Of SSDP and mDNS, which anybody may forge, ip counts and mac only without it: they add facts
 * to whom the neighbour table or DHCP knows, and no address to anybody. Everything is borrowed for the time of the call.
 */
struct host_sighting {
    enum host_source source;
    const uint8_t *mac;       /* HOST_MAC_BYTES; NULL: whoever has ip */
    const struct host_ip *ip; /* NULL: not told */
    const char *interface;    /* "br-lan"; NULL: not told */
    enum host_presence presence;
    enum host_lease lease; /* of ip */
    int64_t lease_expires; /* s since 1970; INT64_MAX: never */
    const char *link_type; /* of HOST_NEIGHBOUR: a value of TR-181's InterfaceType; NULL: not told */
    const struct host_said *facts;
    size_t facts_count;
    const struct host_service_said *services;
    size_t services_count;
};

/* ---- a host ---- */

/*
 * What is `ended` is told to the observers once more, and gone after that; what is `fresh` came or changed. Each lies where it
 * is until then: `row` is of the observer above that shows it.
 */
struct host_known_fact {
    char *text;
    int64_t time; /* s since 1970, when it was first said so */
    enum host_fact fact;
    enum host_source source;
    bool fresh, ended;
    void *row;
};

struct host_service {
    char *type;
    char *name;   /* of the instance; NULL: it has none */
    char *txt;    /* a TR-106 list, or NULL */
    int64_t time; /* s since 1970, when it was first announced like this */
    enum host_source source;
    uint16_t port;
    bool fresh, ended;
    void *row;
};

struct host_address {
    struct host_ip ip;
    enum host_presence presence; /* UNKNOWN: leased or heard of, not seen */
    bool ended, queued;
    int64_t lease_expires; /* 0: no lease */
    uint64_t seen;         /* monotonic ms; 0: not yet */
    uint64_t asked;        /* monotonic ms; 0: no answer is waited for */
    struct host *host;
    struct host_address *previous, *next; /* in the order in which something is due */
    void *row;
};

enum host_event_type {
    HOST_ADDED,
    HOST_REMOVED, /* still readable */
    HOST_CHANGED, /* fields says what */
};

/* What can change besides facts. */
enum host_field {
    HOST_ACTIVE = HOST_FACTS, /* and when that was */
    HOST_ADDRESSES,           /* some came, some ended */
    HOST_ADDRESS,             /* another is the one to show, or the same has a lease or none */
    HOST_SERVICES,
    HOST_INTERFACE,
    HOST_LINK_TYPE,
    HOST_FIELDS,
};
#define HOST_BIT(field) (UINT64_C(1) << (field))

struct host_event {
    enum host_event_type type;
    struct host *host;
    uint64_t fields;
};

struct host {
    struct hosts *hosts;
    char mac_text[HOST_MAC_TEXT_BYTES]; /* its key; "" while it waits for its MAC: nobody is told of it */
    uint8_t mac[HOST_MAC_BYTES];
    bool active;
    uint32_t instance;     /* of Device.Hosts.Host.; stays with the MAC as long as the host is known */
    char *alias;           /* by a controller; NULL: none was given */
    int64_t active_change; /* s since 1970; 0: not since it is known */
    int64_t stored_change;
    char interface[HOST_INTERFACE_BYTES];
    const char *link_type; /* a literal */
    struct host_address **addresses;
    struct host_known_fact **facts; /* by fact, then source */
    struct host_service **services;
    uint32_t addresses_count, facts_count, services_count;
    uint64_t changed;        /* set of fields not yet announced */
    struct host_ip shown_ip; /* what was announced as its address, and whether that was leased */
    bool shown_lease;
    struct rate changes;
    void *row;                    /* of the observer above that shows the host; NULL: not shown */
    struct host *previous, *next; /* waiting ones, oldest first */
};

/* What the best source says, or "". */
const char *host_text(const struct host *host, enum host_fact fact);
const struct host_known_fact *host_fact(const struct host *host, enum host_fact fact);
/* Its IP address: an active IPv4 address, else the best there is; NULL: none. */
const struct host_address *host_address(const struct host *host);

/* ---- the table ---- */

/* Counted since start, for people and tests. */
struct hosts_stats {
    uint64_t sightings;
    uint64_t refused;   /* new hosts that were not let in: too many at once, or all are active */
    uint64_t dropped;   /* facts and services that were malformed, too many, or changed too often */
    uint64_t expired;   /* sightings of an address whose MAC never became known */
    uint32_t forgotten; /* hosts that gave way to others */
    uint32_t skipped;   /* stored rows that could not be read */
};

/* Asks the LAN whether an address answers: the neighbour table's source tells the outcome. May be NULL. */
typedef void hosts_check_fn(void *ctx, const struct host_ip *ip, const char *interface);

struct hosts;

/* store: NULL: nothing is kept (tests). presence_s: after so long without a sign a host is asked for; 0: never. */
struct hosts *hosts_new(struct store *store, struct timers *timers, const struct limits *limits,
                        uint32_t presence_s);
/* Nothing is announced, nothing is forgotten. */
void hosts_free(struct hosts *hosts);
/* Reads the stored hosts and announces each. -1: the store cannot be read. */
int hosts_load(struct hosts *hosts, struct error *err);
void hosts_set_check(struct hosts *hosts, hosts_check_fn *check, void *ctx);

/* The one way in. Cannot fail: what cannot be taken is counted. */
void hosts_observe(struct hosts *hosts, const struct host_sighting *sighting);

/* Whoever tracks hosts has missed something: who was tracked was seen now, and no more is known. */
void hosts_lost_track(struct hosts *hosts);

struct host *hosts_find(const struct hosts *hosts, const uint8_t mac[HOST_MAC_BYTES]);
/* The host that has the address, or NULL. */
struct host *hosts_find_ip(const struct hosts *hosts, const struct host_ip *ip);
const struct clock *hosts_clock(const struct hosts *hosts);
uint32_t hosts_count(const struct hosts *hosts);
/* In order of instance. */
struct host *hosts_at(const struct hosts *hosts, uint32_t index);
const struct hosts_stats *hosts_stats(const struct hosts *hosts);
/* Of type struct host_event. */
struct observers *hosts_observers(struct hosts *hosts);
/* Writes the host into the store's open batch. For the alias, which the layer above has set in the struct itself. */
int host_save(struct host *host, struct error *err);

#endif
