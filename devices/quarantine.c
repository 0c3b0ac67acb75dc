/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "devices/dialects/dialect.h"

const char *const quarantine_code_names[QUARANTINE_CODES + 1] = {
    "None",
    "AddressChanged",
    "ManufacturerChanged",
    "ModelChanged",
    "FirmwareFamilyChanged",
    "HardwareChanged",
    "SerialNumberChanged",
    "CertificateMissing",
    "CertificateRevoked",
    NULL,
};

/* Which fact a code is about, and what people call it. */
static const struct {
    enum quarantine_code code;
    enum device_field fact;
    const char *name;
} causes[] = {
    {QUARANTINE_ADDRESS, DEVICE_MAC, "MAC address"},
    {QUARANTINE_MANUFACTURER, DEVICE_MANUFACTURER, "manufacturer"},
    {QUARANTINE_MODEL, DEVICE_MODEL, "model"},
    {QUARANTINE_FIRMWARE_FAMILY, DEVICE_APP, "firmware family"},
    {QUARANTINE_HARDWARE, DEVICE_HARDWARE_VERSION, "hardware version"},
    {QUARANTINE_SERIAL_NUMBER, DEVICE_SERIAL_NUMBER, "serial number"},
};

enum {
    CAUSES = sizeof(causes) / sizeof(causes[0]),
    REASON_WORDS_BYTES = 100,
};

struct quarantine_notice quarantine_notice(const struct device *device)
{
    enum quarantine_code code = device->quarantined ? device->quarantine : QUARANTINE_NONE;
    struct quarantine_notice notice = {quarantine_code_names[code], "", ""};

    for (size_t i = 0; i < CAUSES; i++) {
        if (causes[i].code != code)
            continue;
        notice.before = device_text(device, causes[i].fact);
        notice.now = device_text(device, DEVICE_CLAIMED);
    }
    return notice;
}

enum quarantine_code quarantine_code_of(enum device_field fact)
{
    for (size_t i = 0; i < CAUSES; i++)
        if (causes[i].fact == fact)
            return causes[i].code;
    return QUARANTINE_NONE;
}

/* A device's words, as much as has room; between characters, for controllers refuse what is no UTF-8. */
static struct str cut(const char *text)
{
    struct str words = {text, strnlen(text, REASON_WORDS_BYTES)};

    return (struct str){text, str_whole(words)};
}

static void set_reason(struct device *device, enum quarantine_code code, const char *now)
{
    struct str before, after;
    char reason[320];

    if (code == QUARANTINE_NO_CERTIFICATE)
        device_set(device, DEVICE_REASON, "it came without the certificate that it showed before");
    if (code == QUARANTINE_REVOKED)
        device_set(device, DEVICE_REASON, "its certificate was revoked");
    for (size_t i = 0; i < CAUSES; i++) {
        if (causes[i].code != code)
            continue;
        before = cut(device_text(device, causes[i].fact));
        after = cut(now);
        snprintf(reason, sizeof(reason), "%s changed from \"%.*s\" to \"%.*s\"", causes[i].name,
                 (int)before.len, before.data, (int)after.len, after.data);
        device_set(device, DEVICE_REASON, reason);
    }
    device_set(device, DEVICE_CLAIMED, now);
}

void quarantine_put(struct device *device, enum quarantine_code code, const char *now)
{
    bool before = device->quarantined;

    set_reason(device, code, now);
    device->quarantined = true;
    device->quarantine = (uint8_t)code;
    device->accept_identity = false;
    if (!before)
        device->changed |= DEVICE_BIT(DEVICE_QUARANTINED);
    if (device->registry->firmware)
        firmware_target_block(&device->target, device_text(device, DEVICE_REASON));
    if (before && !(device->changed & DEVICE_BIT(DEVICE_REASON)))
        return;
    registry_announce(device);
    registry_tell(device, DEVICE_QUARANTINE);
}

static void end(struct device *device, bool accept)
{
    if (!device->quarantined)
        return;
    device->quarantined = false;
    device->quarantine = QUARANTINE_NONE;
    device->accept_identity = accept;
    device->changed |= DEVICE_BIT(DEVICE_QUARANTINED);
    if (device->registry->firmware)
        firmware_target_block(&device->target, NULL);
    device_set(device, DEVICE_REASON, NULL);
    device_set(device, DEVICE_CLAIMED, NULL);
    registry_announce(device);
    if (device->dialect->identify)
        device->dialect->identify(device);
}

void quarantine_release(struct device *device)
{
    end(device, true);
}

void quarantine_reject(struct device *device)
{
    end(device, false);
}
