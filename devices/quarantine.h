/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quarantine: a device whose identity changed under its name is listed and not updated, until somebody looked. What
 * changed is kept as a code with two values, so that whoever shows it can say it in the reader's language; the English
 * sentence is DEVICE_REASON. There are three ways out: what it says now is right (release), what was known is right and
 * somebody else spoke (reject), or the device is no more (registry_remove()).
 *
 * Loop's thread only. All of it is stored, and outlives the program.
 */
#ifndef DEVICES_QUARANTINE_H
#define DEVICES_QUARANTINE_H

#include "devices/registry.h"

/* Stable: they are in the store, and others translate them. New ones go to the end. */
enum quarantine_code {
    QUARANTINE_NONE,
    QUARANTINE_ADDRESS,
    QUARANTINE_MANUFACTURER,
    QUARANTINE_MODEL,
    QUARANTINE_FIRMWARE_FAMILY,
    QUARANTINE_HARDWARE,
    QUARANTINE_SERIAL_NUMBER,
    QUARANTINE_NO_CERTIFICATE, /* it came without the certificate that it showed before; no values */
    QUARANTINE_REVOKED,        /* its certificate was revoked; no values */
    QUARANTINE_CODES,
};

struct quarantine_notice {
    const char *code;   /* as in the data model: "ModelChanged"; "None" when it is not quarantined */
    const char *before; /* what is known, and stays; "" when the code has no values */
    const char *now;    /* what it says since */
};

/* By enum quarantine_code, NULL-terminated. */
extern const char *const quarantine_code_names[QUARANTINE_CODES + 1];

/* Borrowed from the device. */
struct quarantine_notice quarantine_notice(const struct device *device);
/* The code of a contradiction about that fact. */
enum quarantine_code quarantine_code_of(enum device_field fact);

/* now: what it says in place of the fact; NULL: the code has no values. Its jobs end. Told once as long as nothing changes. */
void quarantine_put(struct device *device, enum quarantine_code code, const char *now);
/* What the device says next is its identity. Does nothing when it is not quarantined, nor does the next one. */
void quarantine_release(struct device *device);
/* What was known is its identity: it is updated again, and whoever says otherwise puts it back here. */
void quarantine_reject(struct device *device);

#endif
