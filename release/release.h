/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A release: a signed statement about an image. What it may say, whatever its form (a SUIT envelope, draft-ietf-suit-manifest,
 * or a JSON manifest with a detached CMS signature), and for which device.
 *
 * Nothing of it is believed before a signature by a known anchor was verified over it; what is not understood is refused.
 * Functions here touch nothing but their arguments, so they run on workers too. Nothing owns memory but what its
 * `_done` says.
 */
#ifndef RELEASE_RELEASE_H
#define RELEASE_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum {
    RELEASE_TEXT_BYTES = 65,       /* names and versions: TR-181 string(:64), with the terminator */
    RELEASE_WORDS_BYTES = 1025,    /* the description for the resident, with the terminator */
    RELEASE_URI_BYTES = 2049,      /* where the image is, with the terminator */
    RELEASE_SHA256_HEX_BYTES = 65, /* with the terminator */
    RELEASE_COMPONENT_BYTES = 129, /* a component's identifier in hexadecimal, with the terminator */
    RELEASE_UUID_BYTES = 16,
    RELEASE_CLASSES = 3,
    RELEASE_VERSIONS = 4, /* conditions on the version that the device runs */
    RELEASE_VERSION_PARTS = 6,
};

/* Why a release is refused: SUIT_Report_Reasons of draft-ietf-suit-report, whatever its form. */
enum release_reason {
    RELEASE_OK = 0,
    RELEASE_CBOR_PARSE = 1,
    RELEASE_COSE_UNSUPPORTED = 2,
    RELEASE_ALGORITHM_UNSUPPORTED = 3,
    RELEASE_UNAUTHORISED = 4,
    RELEASE_COMMAND_UNSUPPORTED = 5,
    RELEASE_COMPONENT_UNSUPPORTED = 6,
    RELEASE_COMPONENT_UNAUTHORISED = 7,
    RELEASE_PARAMETER_UNSUPPORTED = 8,
    RELEASE_SEVERING_UNSUPPORTED = 9,
    RELEASE_CONDITION_FAILED = 10,
    RELEASE_OPERATION_FAILED = 11,
};

/* Fills err: the reason's USP code, and "release refused, <reason>: <fmt>". Returns -1. */
int release_refuse(struct error *err, enum release_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "unauthorised": the word that a report has for it. */
const char *release_reason_text(enum release_reason reason);

/* Who the device is, in the words of a release. Texts are borrowed. */
struct release_identity {
    const char *vendor; /* as the device names its maker: anchors are limited by it */
    const char *domain; /* its maker's DNS domain; "": the vendor's name stands for it */
    const char *model;
    const char *hardware;
    uint8_t vendor_id[RELEASE_UUID_BYTES]; /* UUID5(DNS, domain or name in lower case) */
    uint8_t class_id[RELEASE_CLASSES][RELEASE_UUID_BYTES];
    unsigned classes;
};

/*
 * vendor-id is UUID5(DNS, domain); class-id is UUID5(vendor-id, model), UUID5(vendor-id, "model|hardware"), or
 * UUID5(vendor-id, "*"), which is any device of the vendor. domain may be NULL. -1: no digest can be computed.
 */
int release_identify(struct release_identity *ret, const char *vendor, const char *domain, const char *model,
                     const char *hardware, struct error *err);

enum release_roles {
    RELEASE_MANUFACTURER = 1 << 0,
    RELEASE_OPERATOR = 1 << 1,
};

enum release_comparison {
    RELEASE_GREATER = 1,
    RELEASE_GREATER_EQUAL = 2,
    RELEASE_EQUAL = 3,
    RELEASE_LESSER_EQUAL = 4,
    RELEASE_LESSER = 5,
};

/* suit-parameter-version: what the device must run for the update to be allowed. */
struct release_version {
    enum release_comparison comparison;
    unsigned count;
    int64_t parts[RELEASE_VERSION_PARTS];
};

/* suit-parameter-wait-info, as far as the gateway can know it. Numbers: -1, not given. */
struct release_wait {
    bool authorization;  /* ask, as with update-authorized */
    bool power;          /* not on battery */
    int64_t time;        /* not before, s since 1970 */
    int32_t time_of_day; /* s since 00:00 local time */
    int32_t day_of_week; /* days since Sunday, local time */
    int32_t time_of_day_utc;
    int32_t day_of_week_utc;
};

/* What a release says to this device. */
struct release {
    unsigned roles;                          /* of whose signatures were verified */
    char signers[160];                       /* their names, for people */
    uint64_t sequence;                       /* greater than that of any release the device took */
    char component[RELEASE_COMPONENT_BYTES]; /* whose sequence that is */
    char sha256[RELEASE_SHA256_HEX_BYTES];   /* of the image */
    uint64_t size;
    char uri[RELEASE_URI_BYTES]; /* absolute or relative to the release; "#name" when the image is inside */
    struct str payload;          /* the image, when it is inside: borrowed from the release's bytes */

    /* Conditions that policy judges, and consent. */
    bool has_priority;
    int64_t priority; /* suit-parameter-update-priority: the smaller, the more urgent */
    bool ask;         /* suit-condition-update-authorized: only when somebody agrees */
    bool has_battery;
    uint64_t battery_mwh;
    int64_t use_before; /* s since 1970; 0: no limit */
    struct release_wait wait;
    struct release_version versions[RELEASE_VERSIONS];
    unsigned versions_count;

    /* Words for people; "" when it has none. UTF-8 without control characters. */
    char vendor_name[RELEASE_TEXT_BYTES];
    char model_name[RELEASE_TEXT_BYTES];
    char version[RELEASE_TEXT_BYTES];
    char description[RELEASE_WORDS_BYTES];
};

struct anchors;

struct release_request {
    struct str bytes;              /* the envelope, or the JSON manifest */
    struct str signature;          /* detached CMS, DER or PEM; empty for an envelope */
    const struct anchors *anchors; /* who may sign */
    /* NULL: for no device, only its signatures and its form (tool); sha256 is "" when no gateway could install it. */
    const struct release_identity *identity;
    int64_t now;   /* s since 1970: anchors and certificates are valid at a time */
    bool untagged; /* an envelope without its tag 107 is one too */
    bool stripped; /* it was through release_strip() */
};

/* Verifies signatures, then reads. -1 and err: refused. *ret borrows from request->bytes. */
int release_open(const struct release_request *request, struct release *ret, struct error *err);
/* Appends the envelope without the images inside: what is kept of it. -1: it is none, or no memory. */
int release_strip(struct str bytes, bool untagged, struct buf *to, struct error *err);
/* Begins like an envelope (tag 107, or a map with an authentication block when untagged is set). */
bool release_is_envelope(struct str bytes, bool untagged);

/* "1.4.4" against the conditions: NULL when they hold, or which does not, in text. */
const char *release_version_objection(const struct release *release, const char *version, char text[160]);
/* Seconds until wait-info allows the update; 0: it does. now: s since 1970. */
uint64_t release_wait_s(const struct release *release, int64_t now);

#endif
