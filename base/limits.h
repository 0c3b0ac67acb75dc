/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every ceiling of the program in one place. A buffer, queue or table that grows from input names its ceiling
 * here; reaching one costs the peer that caused it an error or its connection, never the agent.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* Bytes. */
#define LIMIT_RECORD_BYTES (8u << 20)  /* one USP record, in or out */
#define LIMIT_PATH_BYTES 1024u         /* one path name, search expressions included */
#define LIMIT_VALUE_BYTES 65536u       /* one parameter value */
#define LIMIT_CONFIG_LINE_BYTES 66560u /* one line of a configuration file: a path, a value and the rest */
#define LIMIT_CONFIG_BYTES (4u << 20)  /* one configuration file */
#define LIMIT_BULK_REPORT_BYTES (8u << 20)  /* one bulk data report as it is sent, retained ones included */
#define LIMIT_BULK_GATHER_BYTES (64u << 20) /* names and values of one report while it is written */
#define LIMIT_BULK_RETAINED_BYTES \
    (32u << 20)                          /* bulk data reports that were not delivered yet, of all profiles */
#define LIMIT_SESSION_BYTES (12u << 20)  /* records and payload that one session context keeps */
#define LIMIT_SESSIONS_BYTES (48u << 20) /* the same, of all */
#define LIMIT_LAN_FRAME_BYTES (256u << 10) /* one message from a LAN device */
#define LIMIT_IMAGE_BYTES (512ull << 20)   /* one firmware image */
#define LIMIT_RELEASE_BYTES (40u << 10)    /* one signed release, without an image that is inside */

/* Counts. */
#define LIMIT_PATH_DEPTH 32u          /* segments in a path */
#define LIMIT_EXPRESSION_TERMS 16u    /* terms joined by && in one search expression */
#define LIMIT_REFERENCE_HOPS 8u       /* references followed in one path */
#define LIMIT_MESSAGE_PATHS 4096u     /* request paths or objects in one USP message */
#define LIMIT_MESSAGE_SETTINGS 65536u /* parameter settings in one USP message */
#define LIMIT_TABLE_ROWS 65536u       /* rows a controller may add to one table */
#define LIMIT_CONTROLLERS 64u         /* rows of Device.LocalAgent.Controller */
#define LIMIT_CREDENTIALS 256u        /* rows of Device.LocalAgent.ControllerTrust.Credential */
#define LIMIT_FIRST_USE 16u           /* controllers without a role, while more are trusted on first use */
#define LIMIT_CHALLENGES 64u          /* rows of Device.LocalAgent.ControllerTrust.Challenge */
#define LIMIT_CERTIFICATES 512u       /* rows of Device.LocalAgent.Certificate */
#define LIMIT_SUBSCRIPTIONS 16384u    /* rows of Device.LocalAgent.Subscription */
#define LIMIT_REQUESTS 4096u          /* rows of Device.LocalAgent.Request */
#define LIMIT_SESSION_EARLY 256u      /* records of one session context that came before their turn */
#define LIMIT_SESSION_SENT 1024u      /* records of one session context that may be asked for again */
#define LIMIT_NOTIFICATIONS 16384u    /* notifications waiting for one controller */
#define LIMIT_QUEUE_BYTES (32u << 20) /* bytes waiting for one peer to read */
#define LIMIT_QUEUE_MESSAGES 16384u   /* messages waiting for one peer to read */
#define LIMIT_CONNECTIONS 12000u      /* connections to one server socket */
#define LIMIT_PROXIED_DEVICES 16384u  /* rows of Device.ProxiedDevice */
#define LIMIT_JOBS 65536u             /* firmware jobs that have not ended */
#define LIMIT_CONSENT_LEDGER 1000u    /* lines of the ledger of consent; then who has most loses one */
#define LIMIT_RESIDENT_GUESSERS 1024u /* addresses whose tries of a sign-in code are counted */
#define LIMIT_RESIDENT_STREAMS 4u     /* of one address that are told of changes; in all one per session */
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
#define LIMIT_LAN_CANDIDATES 4096u    /* peers on the LAN that spoke but did not say yet who they are */
#define LIMIT_LAN_ADDRESSES 16384u    /* addresses of LAN peers with an allowance of their own */
#define LIMIT_LAN_SESSIONS 16u        /* to one server, from one address of the LAN other than this machine */
#define LIMIT_LAN_CLIENTS 256u        /* devices on the LAN that the gateway connects to */
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
#define LIMIT_HOSTS 4096u                 /* rows of Device.Hosts.Host */
#define LIMIT_HOSTS_WAITING 1024u         /* IP addresses that were heard, and whose MAC is not known yet */
#define LIMIT_HOST_ADDRESSES 16u          /* IP addresses of one host */
#define LIMIT_HOST_SERVICES 32u           /* services of one host */
#define LIMIT_HOST_FILE_BYTES 4096u       /* what the DHCP server's script leaves of one client */
#define LIMIT_HOST_FILES 4096u            /* clients that it leaves files of */
#define LIMIT_LEASE_FILE_BYTES (1u << 20) /* one lease file of a DHCP server */
#define LIMIT_LEASE_FILES 8u              /* lease files that are watched */
#define LIMIT_SCAN_INTERFACES 8u          /* interfaces whose neighbours are hosts */
#define LIMIT_OUI_FILE_BYTES (64u << 20)  /* the registry of MAC address blocks */

#endif
