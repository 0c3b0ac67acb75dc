/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every ceiling of the program in one place. A buffer, queue or table that grows from input names its ceiling here; reaching
 * one costs the peer that caused it an error or its connection, never the agent.
 *
 * There are two kinds. What whoever builds or runs a gateway may want otherwise is a row of LIMITS: a member of struct limits and
 * a key of homepatchd.conf(5), "limit_" and its name. The agent has one struct, filled from its configuration; modules find it at
 * their event loop (base/loop.h) or are given it, and read it each time, so that a new value counts at once. What holds a parser,
 * an array or a rule together is a macro further down, and stays as it was built.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* ---- set in homepatchd.conf(5) ---- */

/* Name, unit, default, lowest and highest value, when a new value counts, and what the manual says it is.
 * The first is the one of all tables (datamodel/schema.h). */
/* clang-format off */
#define LIMITS(L) \
    L(table_rows, COUNT, 65536, 32, 65536, AT_ONCE, "Rows of any one table that controllers add rows to, whatever other limits say") \
    L(controllers, COUNT, 64, 1, 1024, AT_ONCE, "Rows of Device.LocalAgent.Controller") \
    L(certificates, COUNT, 512, 1, 4096, AT_ONCE, "Rows of Device.LocalAgent.Certificate") \
    L(subscriptions, COUNT, 16384, 1, 65536, AT_ONCE, "Rows of Device.LocalAgent.Subscription") \
    L(requests, COUNT, 4096, 1, 65536, AT_ONCE, "Rows of Device.LocalAgent.Request: commands that run") \
    L(record_bytes, BYTES, LIMIT_RECORD_BYTES, 64 << 10, LIMIT_RECORD_BYTES, AT_START, "One USP record, in or out") \
    L(session_bytes, BYTES, 12 << 20, 64 << 10, 256 << 20, AT_ONCE, "Records and payload that one session context keeps") \
    L(sessions_bytes, BYTES, 48 << 20, 64 << 10, 1 << 30, AT_ONCE, "The same, of all session contexts") \
    L(notifications, COUNT, 16384, 16, 262144, AT_ONCE, "Notifications that wait for one controller") \
    L(queue_bytes, BYTES, 32 << 20, 64 << 10, 256 << 20, AT_ONCE, "Bytes that wait for one peer to read") \
    L(queue_messages, COUNT, 16384, 16, 262144, AT_ONCE, "MQTT messages that wait for one broker to take them") \
    L(bulk_retained_bytes, BYTES, 32 << 20, 64 << 10, 1 << 30, AT_ONCE, "Bulk data reports that were not delivered yet, of all profiles") \
    L(connections, COUNT, LIMIT_CONNECTIONS, 128, LIMIT_CONNECTIONS, AT_ONCE, "Connections over the network, in and out, without MQTT, as far as open_files goes; 64 of them are kept for controllers") \
    L(controller_connections, COUNT, 64, 1, 1024, AT_START, "Connections to one WebSocket server for controllers") \
    L(local_connections, COUNT, 12000, 2, 12000, AT_ONCE, "Connections to one UNIX socket") \
    L(lan_connections, COUNT, 12000, 1, 12000, AT_START, "Connections to lan_websocket_listen") \
    L(image_connections, COUNT, 1024, 1, 12000, AT_START, "Connections to lan_http_listen") \
    L(address_connections, COUNT, 16, 1, 1024, AT_START, "Connections from one address of the LAN to one of these two") \
    L(lan_clients, COUNT, 256, 1, 4096, AT_START, "Devices in shelly_devices") \
    L(lan_candidates, COUNT, 4096, 1, 16384, AT_ONCE, "Peers of one kind on the LAN that spoke but did not say yet who they are") \
    L(proxied_devices, COUNT, 16384, 1, 16384, AT_ONCE, "Rows of Device.ProxiedDevice") \
    L(hosts, COUNT, 4096, 16, 16384, AT_ONCE, "Rows of Device.Hosts.Host") \
    L(hosts_waiting, COUNT, 1024, 16, 16384, AT_ONCE, "IP addresses that were heard, and whose MAC address is not known yet") \
    L(jobs, COUNT, 65536, 1, 65536, AT_ONCE, "Firmware jobs that have not ended") \
    L(image_bytes, BYTES, LIMIT_IMAGE_BYTES, 64 << 10, LIMIT_IMAGE_BYTES, AT_ONCE, "One firmware image") \
    L(consent_ledger, COUNT, 1000, 100, 100000, AT_ONCE, "Lines of the ledger of consent")
/* clang-format on */

#define LIMITS_MEMBER(name, ...) uint32_t name;
struct limits {
    LIMITS(LIMITS_MEMBER)
};
#undef LIMITS_MEMBER

enum limit_unit {
    LIMIT_COUNT,
    LIMIT_BYTES,
};

enum limit_when {
    LIMIT_AT_ONCE,
    LIMIT_AT_START,
};

struct limit {
    const char *key; /* "limit_subscriptions" */
    size_t offset;   /* in struct limits */
    enum limit_unit unit;
    uint32_t standard;
    uint32_t lowest;
    uint32_t highest;
    enum limit_when when;
    const char *meaning;
};

enum {
    LIMIT_TEXT_BYTES = 64,
};

extern const struct limit limits_table[];
extern const size_t limits_count;
/* What counts where nobody says otherwise. */
extern const struct limits limits_default;

/* NULL: there is no such key. */
const struct limit *limits_find(struct str key);
/* -1: it is no number, or not in the range. */
int limits_set(struct limits *limits, const struct limit *limit, struct str value);
/* What limits_set() takes, for people: "a number from 1 to 64", "a size from 64K to 8M". */
void limits_expected(const struct limit *limit, char text[LIMIT_TEXT_BYTES]);
/* A value as the configuration has it: "16384", "8M". */
void limits_text(const struct limit *limit, uint32_t value, char text[LIMIT_TEXT_BYTES]);
/* What only works together. -1: err names the two keys. */
int limits_check(const struct limits *limits, const char *file, struct error *err);
/* Takes what counts at once. Calls fn, if there is one, for each that differs: of those whose `when` is the start, limits stays
 * as it was. */
void limits_follow(struct limits *limits, const struct limits *next,
                   void (*fn)(void *ctx, const struct limit *limit, uint32_t value), void *ctx);

/* By LIMITS_OFFSET(). */
#define LIMITS_OFFSET(name) offsetof(struct limits, name)
uint32_t limits_value(const struct limits *limits, size_t offset);
const char *limits_key(size_t offset);

/* For the end of an error's text, "... (%s is %u)": whoever reads it knows what to change. */
#define LIMIT_SAYS(limits, name) "limit_" #name, (limits)->name

/* ---- as built ---- */

/* Bytes. */
#define LIMIT_RECORD_BYTES (8u << 20)  /* the highest limit_record_bytes; no buffer of one grows further */
#define LIMIT_PATH_BYTES 1024u         /* one path name, search expressions included */
#define LIMIT_VALUE_BYTES 65536u       /* one parameter value */
#define LIMIT_CONFIG_LINE_BYTES 66560u /* one line of a configuration file: a path, a value and the rest */
#define LIMIT_CONFIG_BYTES (4u << 20)  /* one configuration file */
#define LIMIT_BULK_REPORT_BYTES (8u << 20)  /* one bulk data report as it is sent, retained ones included */
#define LIMIT_BULK_GATHER_BYTES (64u << 20) /* names and values of one report while it is written */
#define LIMIT_LAN_FRAME_BYTES (256u << 10)  /* one message from a LAN device */
#define LIMIT_IMAGE_BYTES (512u << 20)      /* the highest limit_image_bytes */
#define LIMIT_RELEASE_BYTES (40u << 10)     /* one signed release, without an image that is inside */

/* Counts. */
#define LIMIT_PATH_DEPTH 32u          /* segments in a path */
#define LIMIT_EXPRESSION_TERMS 16u    /* terms joined by && in one search expression */
#define LIMIT_REFERENCE_HOPS 8u       /* references followed in one path */
#define LIMIT_MESSAGE_PATHS 4096u     /* request paths or objects in one USP message */
#define LIMIT_MESSAGE_SETTINGS 65536u /* parameter settings in one USP message */
#define LIMIT_CREDENTIALS 256u        /* rows of Device.LocalAgent.ControllerTrust.Credential */
#define LIMIT_FIRST_USE 16u           /* controllers without a role, while more are trusted on first use */
#define LIMIT_CHALLENGES 64u          /* rows of Device.LocalAgent.ControllerTrust.Challenge */
#define LIMIT_SESSION_EARLY 256u      /* records of one session context that came before their turn */
#define LIMIT_SESSION_SENT 1024u      /* records of one session context that may be asked for again */
#define LIMIT_CONNECTIONS 16320u      /* what the tables of libwebsockets are made for, at most */
#define LIMIT_ANCHORS 64u             /* trust anchors of releases, from files and rows */
#define LIMIT_DEPARTED 8192u          /* sequence numbers of devices that were forgotten; two for most */
#define LIMIT_RELEASE_VENDORS 256u    /* rows of the vendors that have a policy of their own */
#define LIMIT_JSON_DEPTH 32u          /* nesting of JSON from the LAN */
#define LIMIT_JSON_VALUES 8192u       /* members and items in one JSON message from the LAN */
#define LIMIT_BULK_PROFILES 64u       /* rows of Device.BulkData.Profile */
#define LIMIT_BULK_PARAMETERS 256u    /* rows of one profile's Parameter and RequestURIParameter */
#define LIMIT_BULK_ITEMS 262144u      /* parameters in one bulk data report */
#define LIMIT_BULK_REPORTS 1024u      /* reports of one profile that were not delivered yet */
#define LIMIT_TRACEROUTES 4u          /* commands TraceRoute() that run */
#define LIMIT_LAN_ADDRESSES 16384u    /* addresses of LAN peers with an allowance of their own */
#define LIMIT_DHCP_FILE_BYTES 16384u  /* one file of DHCP options, in hexadecimal */
#define LIMIT_DHCP_FILES 32u          /* interfaces that DHCP options are read for */
#define LIMIT_DISCOVERED 4u           /* rows of Device.LocalAgent.Controller that DHCP may have made */
#define LIMIT_DNS_INSTANCES 16u       /* service instances looked at in one DNS answer */
#define LIMIT_MDNS_SERVICES 8u        /* services advertised at a time */
#define LIMIT_MDNS_LOOKUPS 64u        /* names asked for by multicast DNS at a time */
#define LIMIT_MDNS_TYPES \
    64u /* types of services that are browsed besides those known by name, per interface */
#define LIMIT_MDNS_INSTANCES 256u      /* instances of one known type, per interface */
#define LIMIT_MDNS_OTHER_INSTANCES 32u /* instances of one other type, per interface */
#define LIMIT_MDNS_PER_HOST 8u         /* instances of one type at one address */
#define LIMIT_MDNS_RESOLVERS 16u       /* instances that are resolved at a time */
#define LIMIT_MDNS_TXT 32u             /* strings of one instance's TXT */
#define LIMIT_MDNS_TXT_BYTES 1024u     /* all of them */
#define LIMIT_MDNS_UNREAD 256u         /* messages that the loop has not read, before browsing waits for it */
#define LIMIT_MDNS_LINKS 8u            /* interfaces that are browsed */
#define LIMIT_BRIDGE_DEVICES_BYTES (7u << 20) /* the list of devices that a bridge on the LAN publishes */
#define LIMIT_BRIDGE_DEVICES 2048u            /* devices behind one bridge */
#define LIMIT_BRIDGE_IMAGE_BYTES (2u << 20)   /* an image that is sent inside a message */
#define LIMIT_LAN_BRIDGES 16u                 /* bridges of one kind at the LAN's broker */
#define LIMIT_LAN_TOPICS 65536u               /* topics subscribed at one broker; a Tasmota has three */
#define LIMIT_CSR_BYTES 8192u                 /* a certificate signing request of a device, in base64 */
#define LIMIT_ISSUED_CERTIFICATES 8192u       /* certificates of devices in the authority's register */
#define LIMIT_ISSUED_PER_DEVICE 16u       /* of them of one device, unless an operator's code asks for more */
#define LIMIT_ENROLMENT_CODES 16u         /* one-time codes that wait to be used */
#define LIMIT_ENROLMENT_CONNECTIONS 64u   /* at a time */
#define LIMIT_DEVICE_MANUFACTURERS 64u    /* whose certificates of devices are taken */
#define LIMIT_MANUFACTURER_ROOTS 8u       /* of one file */
#define LIMIT_HOST_ADDRESSES 16u          /* IP addresses of one host */
#define LIMIT_HOST_SERVICES 32u           /* services of one host */
#define LIMIT_HOST_FILE_BYTES 4096u       /* what the DHCP server's script leaves of one client */
#define LIMIT_HOST_FILES 4096u            /* clients that it leaves files of */
#define LIMIT_LEASE_FILE_BYTES (1u << 20) /* one lease file of a DHCP server */
#define LIMIT_LEASES 4096u                /* addresses of one lease file */
#define LIMIT_LEASE_FILES 8u              /* lease files that are watched */
#define LIMIT_SCAN_INTERFACES 8u          /* interfaces whose neighbours are hosts */
#define LIMIT_OUI_FILE_BYTES (64u << 20)  /* the registry of MAC address blocks */

#define LIMIT_ROLES 64u                /* rows of Device.LocalAgent.ControllerTrust.Role */
#define LIMIT_PERMISSIONS 1024u        /* permissions of one role */
#define LIMIT_CONTROLLER_MTPS 16u      /* MTPs of one controller */
#define LIMIT_UNIX_SOCKETS 32u         /* rows of Device.UnixDomainSockets.UnixDomainSocket */
#define LIMIT_LOCAL_MTPS 32u           /* rows of Device.LocalAgent.MTP */
#define LIMIT_MQTT_SUBSCRIPTIONS 64u   /* subscriptions of one row of Device.MQTT.Client */
#define LIMIT_MQTT_CLIENTS 16u         /* rows of Device.MQTT.Client */
#define LIMIT_BOOT_PARAMETERS 256u     /* rows of one controller's BootParameter */
#define LIMIT_MQTT_USER_PROPERTIES 64u /* of one client */
#define LIMIT_RESIDENT_SESSIONS 8u     /* sign-ins; the oldest gives way to a new one, who needs a code */
#define LIMIT_RESIDENT_ADDRESSES 64u  /* that are counted at a time; who was heard longest ago is forgotten */
#define LIMIT_RESIDENT_GUESSERS 1024u /* addresses whose tries of a sign-in code are counted */
#define LIMIT_RESIDENT_STREAMS 4u     /* of one address that are told of changes; in all one per session */
#define LIMIT_RESIDENT_CONNECTIONS 64u         /* to the page */
#define LIMIT_RESIDENT_PENDING 32u             /* answers that wait for the store */
#define LIMIT_RESIDENT_BODY_BYTES 8192u        /* what the page posts */
#define LIMIT_RESIDENT_ANSWER_BYTES (1u << 20) /* what it is told at a time */
#define LIMIT_RESIDENT_DEVICES 1000u           /* in one answer */
#define LIMIT_RESIDENT_QUESTIONS 200u          /* likewise */
#define LIMIT_RESIDENT_HISTORY 50u             /* likewise */
#define LIMIT_REQUEST_ARENA_BYTES \
    (32u << 20)                            /* what answering one message may take besides the answer itself */
#define LIMIT_CALL_ARENA_BYTES (1u << 20)  /* what the inputs and outputs of one call may take */
#define LIMIT_POST_ANSWER_BYTES (1u << 20) /* a collector's answer to a report */
#define LIMIT_HANDSHAKES 512u              /* of one server, not open yet: libwebsockets has 5 KB for each */
#define LIMIT_SPARE_CONNECTIONS 64u        /* left to controllers, whatever devices do */
#define LIMIT_MQTT_USER_PROPERTIES_HEARD 256u /* of one packet from a broker */
#define LIMIT_HA_NODES 4096u                  /* nodes that announce themselves for Home Assistant */
#define LIMIT_HA_SOURCES 32768u               /* topics of theirs that are listened to */
#define LIMIT_HA_NODE_SOURCES 512u            /* of one of them */
#define LIMIT_HA_STATE_BYTES (16u << 10)      /* one message on such a topic */
#define LIMIT_HA_CONFIG_BYTES (128u << 10)    /* one discovery message */
#define LIMIT_HA_COMPONENTS 512u              /* in one discovery message */
#define LIMIT_CODE_GUESSERS 32u               /* addresses whose tries of a code are counted */
#define LIMIT_SSDP_SENDERS 512u               /* hosts that are heard */
#define LIMIT_SSDP_LOCATIONS 4u               /* descriptions of one sender */
#define LIMIT_SSDP_FETCHES 4u                 /* descriptions fetched at a time, one per sender */
#define LIMIT_SSDP_HEADERS 32u                /* of one datagram */
#define LIMIT_SERVICES 4096u                  /* services heard by multicast DNS that have a host */
#define LIMIT_SERVICES_PER_ADDRESS 32u        /* of one address */
#define LIMIT_UPNP_BYTES 65536u               /* one UPnP description */
#define LIMIT_UPNP_DEPTH 24u                  /* its nesting */
#define LIMIT_UPNP_ELEMENTS 2000u             /* its elements */
#define LIMIT_UPNP_ATTRIBUTES 16u             /* of one element */

#endif
