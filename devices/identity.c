/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/identity.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* How many digits there were; 0 when there was something else, or more than max. */
static size_t digits_of(const char *text, char *to, size_t max)
{
    size_t digits = 0;

    for (; *text; text++) {
        if (*text == ':' || *text == '-')
            continue;
        if (!isxdigit((unsigned char)*text) || digits == max)
            return 0;
        to[digits++] = (char)toupper((unsigned char)*text);
    }
    to[digits] = '\0';
    return digits;
}

int identity_mac(const char *mac, char to[13])
{
    return digits_of(mac, to, 12) == 12 ? 0 : -1;
}

int identity_address(const char *text, char to[IDENTITY_ADDRESS_BYTES])
{
    size_t digits = digits_of(text[0] == '0' && text[1] == 'x' ? text + 2 : text, to, 16);

    return digits == 12 || digits == 16 ? 0 : -1;
}

/* Which facts make an identity, and what people call them. */
static const struct {
    enum device_field field;
    const char *name;
} facts[] = {
    {DEVICE_MAC, "MAC address"},
    {DEVICE_MANUFACTURER, "manufacturer"},
    {DEVICE_MODEL, "model"},
    {DEVICE_APP, "firmware family"},
    {DEVICE_HARDWARE_VERSION, "hardware version"},
    {DEVICE_SERIAL_NUMBER, "serial number"},
};

static const char *fact_of(const struct identity *identity, enum device_field field)
{
    switch (field) {
    case DEVICE_MAC:
        return identity->mac;
    case DEVICE_MANUFACTURER:
        return identity->manufacturer;
    case DEVICE_MODEL:
        return identity->model;
    case DEVICE_APP:
        return identity->app;
    case DEVICE_HARDWARE_VERSION:
        return identity->hardware_version;
    case DEVICE_SERIAL_NUMBER:
        return identity->serial_number;
    default:
        return NULL;
    }
}

/* The first fact that contradicts what is known; false when none does. */
static bool contradiction(const struct device *device, const struct identity *identity, char *reason,
                          size_t size)
{
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const char *known = device_text(device, facts[i].field), *said = fact_of(identity, facts[i].field);

        if (said && *known && strcmp(known, said) != 0) {
            snprintf(reason, size, "%s changed from \"%s\" to \"%s\"", facts[i].name, known, said);
            return true;
        }
    }
    /* B and C come from the configuration of the gateway; only a proof that was once shown can be missed. */
    if (device->grade == DEVICE_GRADE_A && identity->grade != DEVICE_GRADE_A) {
        snprintf(reason, size, "it came without the certificate that it showed before");
        return true;
    }
    return false;
}

enum identity_verdict identity_present(struct device *device, const struct identity *identity)
{
    struct identity normal = *identity;
    char reason[256], mac[13], oui[7] = "";

    if (identity->mac && identity_mac(identity->mac, mac) == 0) {
        normal.mac = mac;
        memcpy(oui, mac, 6);
    } else {
        normal.mac = NULL;
    }
    if (!device->accept_identity && contradiction(device, &normal, reason, sizeof(reason))) {
        registry_quarantine(device, reason);
        return IDENTITY_CHANGED;
    }
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const char *said = fact_of(&normal, facts[i].field);

        if (said)
            device_set(device, facts[i].field, said);
    }
    if (oui[0])
        device_set(device, DEVICE_OUI, oui);
    device_set_grade(device, normal.grade);
    if (device->accept_identity) {
        device->accept_identity = false;
        device->changed |= DEVICE_BIT(DEVICE_QUARANTINED); /* the flag is stored with it */
    }
    return device->quarantined ? IDENTITY_CHANGED : IDENTITY_ACCEPTED;
}
