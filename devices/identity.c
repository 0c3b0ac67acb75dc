/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/identity.h"

#include <ctype.h>
#include <string.h>

#include "devices/quarantine.h"

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

/* Which facts make an identity. */
static const enum device_field facts[] = {
    DEVICE_MAC, DEVICE_MANUFACTURER, DEVICE_MODEL, DEVICE_APP, DEVICE_HARDWARE_VERSION, DEVICE_SERIAL_NUMBER,
};

enum {
    FACTS = sizeof(facts) / sizeof(facts[0]),
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

static struct device_proof proof_of(const struct identity *identity, enum device_field fact)
{
    if (!(identity->inferred & DEVICE_BIT(fact)))
        return (struct device_proof){identity->grade & 7,
                                     identity->source ? identity->source : DEVICE_SOURCE_DEVICE};
    return (struct device_proof){DEVICE_GRADE_D, fact == DEVICE_MANUFACTURER || fact == DEVICE_APP
                                                     ? DEVICE_SOURCE_FAMILY
                                                     : DEVICE_SOURCE_ADDRESS};
}

/* What becomes of a fact that is said. */
enum said {
    SAID_TAKEN,
    SAID_WEAKER, /* what is known has better proof, and stays */
    SAID_CONTRADICTS,
};

static enum said judge(const struct device *device, const struct identity *identity, enum device_field fact,
                       const char *text)
{
    const struct device_proof *known = device_proof(device, fact);
    struct device_proof proof = proof_of(identity, fact);

    if (!*device_text(device, fact) || device->accept_identity)
        return SAID_TAKEN;
    if (strcmp(device_text(device, fact), text) == 0)
        return !known->source || proof.grade < known->grade ||
                       (proof.grade == known->grade && proof.source <= known->source)
                   ? SAID_TAKEN
                   : SAID_WEAKER;
    if (proof.grade > known->grade && known->source)
        return SAID_WEAKER;
    /* What was inferred gives way to whatever is told, and to another inference. */
    return known->grade == DEVICE_GRADE_D && known->source ? SAID_TAKEN : SAID_CONTRADICTS;
}

/* The first fact that contradicts what is known, in *ret_now what it says; QUARANTINE_NONE when none does. */
static enum quarantine_code contradiction(const struct device *device, const struct identity *identity,
                                          const char **ret_now)
{
    for (size_t i = 0; i < FACTS; i++) {
        const char *said = fact_of(identity, facts[i]);

        if (said && judge(device, identity, facts[i], said) == SAID_CONTRADICTS) {
            *ret_now = said;
            return quarantine_code_of(facts[i]);
        }
    }
    /* Only a certificate that was once shown can be missed: accounts at a broker come and go with its configuration. */
    *ret_now = NULL;
    return device->grade == DEVICE_GRADE_A && identity->grade != DEVICE_GRADE_A && !device->accept_identity
               ? QUARANTINE_NO_CERTIFICATE
               : QUARANTINE_NONE;
}

/* Writes what is taken; false when something else was said than what is known by better proof. */
static bool take(struct device *device, const struct identity *identity)
{
    bool agreed = true;

    for (size_t i = 0; i < FACTS; i++) {
        const char *said = fact_of(identity, facts[i]);
        struct device_proof proof = proof_of(identity, facts[i]);

        if (!said)
            continue;
        if (judge(device, identity, facts[i], said) == SAID_TAKEN)
            device_set_fact(device, facts[i], said, proof.grade, proof.source);
        else if (!(identity->inferred & DEVICE_BIT(facts[i])))
            agreed = agreed && strcmp(device_text(device, facts[i]), said) == 0;
    }
    return agreed;
}

enum identity_verdict identity_present(struct device *device, const struct identity *identity)
{
    struct identity normal = *identity;
    char mac[13], oui[7] = "";
    enum quarantine_code code;
    const char *now;

    if (identity->mac && identity_mac(identity->mac, mac) == 0) {
        normal.mac = mac;
        memcpy(oui, mac, 6);
    } else {
        normal.mac = NULL;
    }
    code = contradiction(device, &normal, &now);
    if (code != QUARANTINE_NONE) {
        quarantine_put(device, code, now);
        return IDENTITY_CHANGED;
    }
    if (!take(device, &normal))
        registry_reject(device->registry, device, NULL,
                        "it says otherwise than what is known by better proof");
    if (oui[0] && device_proof(device, DEVICE_OUI)->source != DEVICE_SOURCE_DEVICE)
        device_set_fact(device, DEVICE_OUI, oui, DEVICE_GRADE_D, DEVICE_SOURCE_ADDRESS);
    if (normal.grade < device->grade || device->accept_identity)
        device_set_grade(device, normal.grade);
    if (device->accept_identity) {
        device->accept_identity = false;
        device->changed |= DEVICE_BIT(DEVICE_QUARANTINED); /* the flag is stored with it */
    }
    return device->quarantined ? IDENTITY_CHANGED : IDENTITY_ACCEPTED;
}
