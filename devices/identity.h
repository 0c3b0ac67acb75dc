/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who a device is. The first identity that a key shows is kept; when the same key later shows another one (address,
 * model, manufacturer, firmware family, hardware, serial number, or no certificate any more), the device is quarantined
 * (devices/quarantine.h). Other software is no other identity.
 *
 * Each fact has a proof of its own. Better proof takes its place; weaker proof changes nothing, and where it says
 * otherwise that is counted as a rejected message: who can prove less cannot put in quarantine who can prove more. What was
 * inferred (grade D) contradicts nothing.
 */
#ifndef DEVICES_IDENTITY_H
#define DEVICES_IDENTITY_H

#include "devices/registry.h"

/* What a device says of itself. NULL: not said, which contradicts nothing. Borrowed. */
struct identity {
    const char *manufacturer;
    const char *mac; /* hexadecimal, with or without separators */
    const char *serial_number;
    const char *model;
    const char *app;
    const char *hardware_version;
    enum device_grade grade;
    enum device_source source; /* DEVICE_SOURCE_NONE: the device itself */
    uint64_t inferred;         /* DEVICE_BIT() of those of them that nobody said: they follow from others */
};

enum identity_verdict {
    IDENTITY_ACCEPTED, /* written to the device; not yet announced */
    IDENTITY_CHANGED,  /* the device is quarantined now, and was told so to the observers */
};

/* -1: mac is no MAC address. */
int identity_mac(const char *mac, char to[13]);
/* A MAC address or an EUI-64 (Zigbee, Thread), with or without "0x" and separators: 12 or 16 upper-case digits. */
int identity_address(const char *text, char to[IDENTITY_ADDRESS_BYTES]);

enum identity_verdict identity_present(struct device *device, const struct identity *identity);

#endif
