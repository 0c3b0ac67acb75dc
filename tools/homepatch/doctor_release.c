/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose signatures count: images that are taken without any, and policies that nobody can meet. */
#include "config.h"

#include "tools/homepatch/doctor.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define RELEASES "Device." VENDOR_PREFIX "Releases."

enum {
    SOON_S = 30 * 86400,
};

enum role {
    MANUFACTURER = 1,
    OPERATOR = 2,
};

/* Whose anchors are looked for: of a vendor's devices, or of all others (NULL). */
struct search {
    const char *vendor;
    unsigned roles; /* of whom there is one that counts */
};

static const char *anchor(struct doctor *doctor, unsigned instance, const char *name)
{
    return doctor_get(doctor, RELEASES "Anchor.%u.%s", instance, name);
}

static const char *name_of(struct doctor *doctor, unsigned instance)
{
    const char *name = anchor(doctor, instance, "Name");

    return *name ? name : doctor_text(doctor, "%u", instance);
}

static void look(struct doctor *doctor, unsigned instance, void *ctx)
{
    struct search *search = ctx;
    const char *status = anchor(doctor, instance, "Status");
    const char *vendor = anchor(doctor, instance, "Vendor");

    /* The factory configuration knows no Status. */
    if ((doctor->live && strcmp(status, "Valid") != 0) ||
        (search->vendor && *vendor && strcasecmp(vendor, search->vendor) != 0))
        return;
    search->roles |= strcmp(anchor(doctor, instance, "Role"), "Operator") == 0 ? OPERATOR : MANUFACTURER;
}

static const char *missing(struct doctor *doctor, const char *required, const char *vendor)
{
    struct search search = {.vendor = vendor};

    doctor_rows(doctor, RELEASES "Anchor.", look, &search);
    if (strcmp(required, "Any") == 0)
        return search.roles ? NULL : "manufacturer or operator";
    if (strcmp(required, "Operator") != 0 && !(search.roles & MANUFACTURER))
        return "manufacturer";
    return strcmp(required, "Manufacturer") != 0 && !(search.roles & OPERATOR) ? "operator" : NULL;
}

static void judge(struct doctor *doctor, const char *parameter, const char *required, const char *vendor)
{
    const char *whose = vendor ? doctor_text(doctor, "devices of %s", vendor)
                               : "devices of makers that have no Vendor row";
    const char *role;

    if (!*required || strcmp(required, "None") == 0 || strcmp(required, "Checksum") == 0) {
        doctor_warn(doctor, parameter,
                    doctor_text(doctor,
                                "images for %s are taken without a signature: whoever may command Download() "
                                "installs what they like",
                                whose),
                    doctor_text(doctor,
                                "when their makers (or you) sign releases: homepatch set %s Any, or "
                                "Manufacturer, Operator, ManufacturerAndOperator",
                                parameter));
        return;
    }
    role = missing(doctor, required, vendor);
    if (role)
        doctor_fail(
            doctor, parameter,
            doctor_text(doctor,
                        "nothing can be installed on %s: %s asks for signatures, and no valid trust anchor "
                        "of the role %s is there",
                        whose, required, role),
            "add a row " RELEASES "Anchor., or a file to release_anchors_dir, with the key");
    else
        doctor_ok(doctor, parameter,
                  doctor_text(doctor, "images for %s need signatures: %s", whose, required));
}

static void judge_vendor(struct doctor *doctor, unsigned instance, void *ctx)
{
    const char *row = doctor_text(doctor, RELEASES "Vendor.%u.", instance);

    (void)ctx;
    judge(doctor, doctor_text(doctor, "%sRequiredSignatures", row),
          doctor_get(doctor, "%sRequiredSignatures", row), doctor_get(doctor, "%sName", row));
}

static void judge_anchor(struct doctor *doctor, unsigned instance, void *ctx)
{
    const char *status = anchor(doctor, instance, "Status");
    const char *row = doctor_text(doctor, RELEASES "Anchor.%u.", instance);
    int64_t until;

    (void)ctx;
    if (strcmp(status, "Valid") != 0 && strcmp(status, "Revoked") != 0 && strcmp(status, "Disabled") != 0)
        doctor_warn(doctor, row,
                    doctor_text(doctor, "the trust anchor \"%s\" does not count: %s",
                                name_of(doctor, instance), status),
                    "see NotBefore, NotAfter and the agent's log; delete what is not needed");
    else if (strcmp(status, "Valid") == 0 &&
             str_to_time(str_of(anchor(doctor, instance, "NotAfter")), &until) == 0 && until > 0 &&
             until < time(NULL) + SOON_S)
        doctor_warn(doctor, row,
                    doctor_text(doctor, "the trust anchor \"%s\" counts until %s only",
                                name_of(doctor, instance), anchor(doctor, instance, "NotAfter")),
                    "add its successor now, so that releases that are signed with both reach all "
                    "(docs/releases.md, Replacing a key)");
}

void doctor_releases(struct doctor *doctor)
{
    judge(doctor, RELEASES "RequiredSignatures", doctor_get(doctor, RELEASES "RequiredSignatures"), NULL);
    doctor_rows(doctor, RELEASES "Vendor.", judge_vendor, NULL);
    if (doctor->live)
        doctor_rows(doctor, RELEASES "Anchor.", judge_anchor, NULL);
}
