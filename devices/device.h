/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One proxied device: what the registry knows of it. Rows of Device.ProxiedDevice.{i}. read this struct; there is no
 * second copy. Owned by the registry (devices/registry.h); changed by the device's dialect through the functions there,
 * read by everybody. Loop's thread only.
 *
 * Texts are malloc'ed, NULL for "". A device costs what its texts need, not what they might.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rate.h"
#include "firmware/firmware.h"

struct registry;
struct dialect;

enum {
    IDENTITY_ADDRESS_BYTES = 17, /* a MAC address or an EUI-64 in digits, with the terminator */
};

/* What can change about a device; DEVICE_BIT() of one is its bit in a set of changes. Texts come first. */
enum device_field {
    DEVICE_ALIAS,    /* by a controller; NULL: none was given */
    DEVICE_NAME,     /* by the device until a controller gives another */
    DEVICE_OWN_NAME, /* what the device calls itself */
    DEVICE_TYPE,     /* IoTDeviceType of TR-181, or NULL */
    DEVICE_DESCRIPTION,
    DEVICE_MANUFACTURER,
    DEVICE_OUI, /* six upper-case digits */
    DEVICE_MODEL,
    DEVICE_HARDWARE_VERSION,
    DEVICE_SOFTWARE_VERSION,
    DEVICE_SERIAL_NUMBER,
    DEVICE_MAC,           /* twelve upper-case digits */
    DEVICE_APP,           /* the manufacturer's name of the firmware family */
    DEVICE_FIRMWARE_NAME, /* FirmwareImage.{i}.Name of what it runs */
    DEVICE_ADDRESS,       /* where the dialect reaches it: a topic prefix */
    DEVICE_IP,            /* where it was seen to come from, when it connected to us itself */
    DEVICE_OFFERED_VERSION,
    DEVICE_LAST_RESULT,
    DEVICE_REASON,    /* why it is quarantined */
    DEVICE_CLAIMED,   /* while it is quarantined: what it says now in place of the fact that is known */
    DEVICE_PUBLISHER, /* who announces it, as far as an access list can hold somebody to that */
    DEVICE_RIVAL,     /* who else updates it, as far as the device tells */
    DEVICE_LOCKED,    /* why the gateway may not ask it all: what is wrong with the password that it wants */
    DEVICE_TEXTS,     /* how many texts there are */

    DEVICE_ONLINE = DEVICE_TEXTS,
    DEVICE_LAST_CONTACTED, /* announced seldom, see registry.c */
    DEVICE_TRANSPORT,
    DEVICE_GRADE,
    DEVICE_QUARANTINED,
    DEVICE_JOB_STATE,
    DEVICE_PROGRESS,
    DEVICE_WAITS_FOR,
    DEVICE_BATTERY,
    DEVICE_SLEEPING,
    DEVICE_ACTIVE_IMAGE,
    DEVICE_REJECTED, /* announced seldom */
    DEVICE_PROOF,    /* of a fact, whose text may be the same */
    DEVICE_FIELDS,
};

#define DEVICE_BIT(field) (UINT64_C(1) << (field))

enum device_transport {
    DEVICE_MQTT,
    DEVICE_WEBSOCKET,
};

/* How sure we are that the device is what it says it is. */
enum device_grade {
    DEVICE_GRADE_A, /* cryptographic: client certificate or signed answer */
    DEVICE_GRADE_B, /* its own credential at the broker */
    DEVICE_GRADE_C, /* observed */
    DEVICE_GRADE_D, /* inferred */
};

/* Where a fact is from. The numbers are in the store. */
enum device_source {
    DEVICE_SOURCE_NONE,
    DEVICE_SOURCE_CERTIFICATE,  /* its own, signed by its manufacturer */
    DEVICE_SOURCE_DEVICE,       /* the device said so */
    DEVICE_SOURCE_BRIDGE,       /* who speaks for it said so */
    DEVICE_SOURCE_ANNOUNCEMENT, /* a message that was kept for whoever listens, and not asked for */
    DEVICE_SOURCE_FAMILY,       /* all devices of the dialect have it */
    DEVICE_SOURCE_ADDRESS,      /* it follows from the hardware address */
    DEVICE_SOURCES,
};

/* Facts: texts that somebody vouches for. They follow one another in enum device_field. */
enum {
    DEVICE_FACT_FIRST = DEVICE_MANUFACTURER,
    DEVICE_FACTS = DEVICE_APP - DEVICE_MANUFACTURER + 1,
};

/* Of one fact, in a byte: its grade and its source. Zero: there is no such fact. */
struct device_proof {
    uint8_t grade : 3;
    uint8_t source : 5;
};

struct device {
    struct registry *registry;
    const struct dialect *dialect;
    void *dialect_data; /* the dialect's, freed by dialect->forget() */
    char *key;          /* "shelly:shellyplus1-a8032abe54dc" */
    char *path;         /* "Device.ProxiedDevice.3.DeviceInfo.", for the firmware target */
    char *text[DEVICE_TEXTS];
    uint32_t instance; /* of Device.ProxiedDevice.; stays with the key as long as the device is known */
    uint64_t changed;  /* set of fields not yet announced */
    enum device_transport transport;
    enum device_grade grade;
    uint32_t job_state;     /* of the newest job: 1 + enum firmware_job_state, 0 when there was none */
    uint32_t progress;      /* percent of its present step */
    const char *waits_for;  /* as struct firmware_job_info says; NULL or "": for nothing */
    uint32_t rejected;      /* messages refused: malformed, of another, too many */
    int64_t last_contacted; /* s since 1970; 0 never */
    int64_t announced_contacted;
    int64_t stored_contacted;
    bool online;
    bool sleeps; /* by its own account it is awake only for moments: offline says nothing about its health */
    bool quarantined;     /* listed, not updated */
    bool accept_identity; /* released: whatever it says next is what it is */
    uint8_t quarantine;   /* enum quarantine_code of devices/quarantine.h */
    struct device_proof proof[DEVICE_FACTS];
    char
        claim[IDENTITY_ADDRESS_BYTES]; /* hardware address under which it is in registry->by_address, or "" */
    void *row;                         /* of the observer above that shows the device; NULL: not shown */
    struct rate messages;
    struct firmware_target target;
};

/* The text, "" when there is none. */
static inline const char *device_text(const struct device *device, enum device_field field)
{
    return device->text[field] ? device->text[field] : "";
}

/* Who vouches for a fact, and how well. */
static inline const struct device_proof *device_proof(const struct device *device, enum device_field fact)
{
    return &device->proof[fact - DEVICE_FACT_FIRST];
}

/* The part of the key after the dialect's name and the colon. */
const char *device_id(const struct device *device);

#endif
