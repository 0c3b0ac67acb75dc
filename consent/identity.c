/* SPDX-License-Identifier: BSD-3-Clause */
/* What somebody says of a device that is in quarantine. */
#include <stdio.h>
#include <string.h>

#include "consent/internal.h"

enum {
    LINE_BYTES = 320,
};

enum consent_why consent_identity_why(const struct consent_device *device)
{
    struct consent_device_info info;

    consent_device_info(device, &info);
    if (!info.quarantined)
        return WHY_NOTHING;
    if (!device->consent->home.resident_identity)
        return WHY_OPERATOR;
    return info.about.proven ? WHY_PROOF : WHY_NOT_NEEDED;
}

static bool is_as_shown(const char *shown, const char *there)
{
    return !shown || strcmp(shown, there) == 0;
}

/* The line has both values: what was believed from now on follows from it, whatever is said later. */
static int log_it(struct consent_device *device, const struct consent_identification *said,
                  const struct consent_about *about, struct error *err)
{
    char text[LINE_BYTES];
    const struct ledger_line line = {
        .what = said->what, .by = said->by, .device = device, .wording = about->changed, .text = text};

    if (*about->was || *about->is)
        snprintf(text, sizeof(text), "\"%.120s\" > \"%.120s\"", about->was, about->is);
    else
        text[0] = '\0';
    text[str_whole(str_of(text))] = '\0';
    return ledger_add(device->consent, &line, err);
}

int consent_identify(struct consent *consent, struct consent_device *device,
                     const struct consent_identification *said, struct error *err)
{
    enum consent_why why = consent_identity_why(device);
    struct consent_device_info info;

    consent_device_info(device, &info);
    if (said->by.who == WHO_RESIDENT && why != WHY_NOT_NEEDED)
        return error_set(err, ERROR_COMMAND_FAILURE, device->key, "%s",
                         why == WHY_NOTHING ? "the device is not quarantined" : consent_why_text(why));
    if (!is_as_shown(said->changed, info.about.changed) || !is_as_shown(said->was, info.about.was) ||
        !is_as_shown(said->is, info.about.is))
        return error_set(err, ERROR_COMMAND_FAILURE, device->key,
                         "the device says otherwise now; look at it again");
    if (!device->target || !consent->ops.identify)
        return error_set(err, ERROR_COMMAND_FAILURE, device->key, "the device is not there");
    if (log_it(device, said, &info.about, err) < 0)
        return -1;
    return consent->ops.identify(consent->ops.ctx, device->target, said->what, err);
}
