/* SPDX-License-Identifier: BSD-3-Clause */
#include "firmware/trust.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firmware/turn.h"
#include "release/anchor.h"

const struct firmware_trust *trust_settings(const struct trust *trust)
{
    static const struct firmware_trust none = {.required = SIGNATURES_NONE};

    return trust ? &trust->settings : &none;
}

struct trust *trust_new(const struct firmware_trust *settings, struct error *err)
{
    struct trust *trust = calloc(1, sizeof(*trust));
    struct firmware_vendor *vendors;

    if (!trust) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
        return NULL;
    }
    arena_init(&trust->arena, 0);
    trust->settings = *settings;
    anchors_ref(settings->anchors);
    vendors = arena_alloc(&trust->arena, (settings->vendors_count + 1) * sizeof(*vendors));
    for (size_t i = 0; vendors && i < settings->vendors_count; i++) {
        const struct firmware_vendor *from = &settings->vendors[i];

        vendors[i] = *from;
        vendors[i].name = arena_strndup(&trust->arena, from->name, strlen(from->name));
        vendors[i].domain = arena_strndup(&trust->arena, from->domain, strlen(from->domain));
        if (!vendors[i].name || !vendors[i].domain)
            vendors = NULL;
    }
    trust->settings.vendors = vendors;
    if (vendors)
        return trust;
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "out of memory");
    trust_free(trust);
    return NULL;
}

void trust_free(struct trust *trust)
{
    if (!trust)
        return;
    anchors_unref(trust->settings.anchors);
    arena_done(&trust->arena);
    free(trust);
}

static const struct firmware_vendor *vendor_of(const struct firmware_trust *trust, struct str name)
{
    for (size_t i = 0; i < trust->vendors_count; i++)
        if (strlen(trust->vendors[i].name) == name.len &&
            strncasecmp(trust->vendors[i].name, name.data, name.len) == 0)
            return &trust->vendors[i];
    return NULL;
}

/* The parts of "manufacturer\nmodel\nhardware". */
static void parts_of(const struct firmware_target *target, struct str parts[3])
{
    const char *name = turn_cohort_name(target);
    struct str rest = str_of(name ? name : "");

    for (unsigned i = 0; i < 3; i++)
        if (!str_next(&rest, '\n', &parts[i]))
            parts[i] = (struct str){"", 0};
}

int trust_identify(const struct trust *trust, const struct firmware_target *target, struct arena *arena,
                   struct release_identity *ret, struct error *err)
{
    const struct firmware_vendor *vendor;
    const char *texts[3];
    struct str parts[3];

    parts_of(target, parts);
    if (!parts[1].len)
        return release_refuse(err, RELEASE_CONDITION_FAILED,
                              "the device has not said its model yet, so no release is for it");
    for (unsigned i = 0; i < 3; i++) {
        texts[i] = arena_strndup(arena, parts[i].data, parts[i].len);
        if (!texts[i])
            return error_set(err, ERROR_RESOURCES_EXCEEDED, target->path, "out of memory");
    }
    vendor = vendor_of(trust_settings(trust), parts[0]);
    return release_identify(ret, texts[0], vendor ? vendor->domain : NULL, texts[1], texts[2], err);
}

uint8_t trust_battery(const struct trust *trust, const struct firmware_target *target)
{
    const struct firmware_trust *settings = trust_settings(trust);
    const struct firmware_vendor *vendor;
    struct str parts[3];

    parts_of(target, parts);
    vendor = vendor_of(settings, parts[0]);
    return vendor ? vendor->battery_percent : settings->battery_percent;
}

static int needs(struct error *err, unsigned roles, const char *whom)
{
    return roles
               ? release_refuse(err, RELEASE_UNAUTHORISED,
                                "it is not signed by %s, whose signature the policy for this vendor asks for",
                                whom)
               : error_set(
                     err, ERROR_PERMISSION_DENIED, NULL,
                     "the policy for this device's vendor takes only releases signed by %s, and this is a bare "
                     "image: name a signed release",
                     whom);
}

int trust_admits(const struct trust *trust, const struct firmware_target *target, unsigned roles,
                 bool checksum, struct error *err)
{
    const struct firmware_trust *settings = trust_settings(trust);
    const struct firmware_vendor *vendor;
    struct str parts[3];

    parts_of(target, parts);
    vendor = vendor_of(settings, parts[0]);
    switch (vendor ? vendor->required : settings->required) {
    case SIGNATURES_NONE:
        return 0;
    case SIGNATURES_CHECKSUM:
        return roles || checksum
                   ? 0
                   : error_set(
                         err, ERROR_PERMISSION_DENIED, NULL,
                         "the policy for this device's vendor takes a bare image only with CheckSum and "
                         "CheckSumAlgorithm");
    case SIGNATURES_MANUFACTURER:
        return roles & RELEASE_MANUFACTURER ? 0 : needs(err, roles, "the manufacturer");
    case SIGNATURES_OPERATOR:
        return roles & RELEASE_OPERATOR ? 0 : needs(err, roles, "the operator");
    case SIGNATURES_BOTH:
        return (roles & RELEASE_MANUFACTURER) && (roles & RELEASE_OPERATOR)
                   ? 0
                   : needs(err, roles,
                           roles & RELEASE_MANUFACTURER ? "the operator, beside the manufacturer"
                                                        : "the manufacturer and the operator");
    default:
        return roles ? 0 : needs(err, roles, "the manufacturer or the operator");
    }
}
