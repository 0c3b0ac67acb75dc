/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is given a certificate, and which: the rules of enrolment. */
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "devices/authority/authority_internal.h"
#include "devices/authority/csr.h"

/* What a request has proven, and by that may ask for. */
struct grant {
    enum issued_by by;
    struct code *code;                       /* NULL: none was shown */
    const struct manufacturer *manufacturer; /* NULL: it showed no IDevID */
    X509 *idevid;
    const struct issued *present; /* the certificate that is renewed, or NULL */
    char serial_number[CA_NAME_BYTES];
};

static enum authority_verdict forbid(struct error *err, const char *name, const char *why)
{
    error_set(err, ERROR_PERMISSION_DENIED, name, "%s", why);
    return AUTHORITY_FORBIDDEN;
}

/* ---- what the request shows ---- */

/* IEEE 802.1AR, 8.6: the device is the one of the subject's serialNumber. */
static enum authority_verdict take_idevid(const struct authority *authority,
                                          const struct authority_request *request, struct grant *grant,
                                          struct error *err)
{
    X509 *leaf = sk_X509_value(request->chain, 0);

    grant->manufacturer = manufacturers_find(&authority->manufacturers, request->chain);
    if (!grant->manufacturer)
        return forbid(err, NULL, "its certificate is neither a manufacturer's nor ours");
    if (X509_check_ca(leaf))
        return forbid(err, NULL, "its certificate is an authority's, not a device's");
    if (csr_name_entry(X509_get_subject_name(leaf), NID_serialNumber, grant->serial_number) < 0)
        return forbid(err, NULL, "its manufacturer's certificate has no serialNumber (IEEE 802.1AR)");
    grant->idevid = leaf;
    grant->by = ISSUED_BY_IDEVID;
    return AUTHORITY_GRANTED;
}

static enum authority_verdict take_code(struct authority *authority, const struct authority_request *request,
                                        struct grant *grant, struct error *err)
{
    switch (codes_check(&authority->codes, request->code, request->peer, clock_monotonic(authority->clock),
                        &grant->code)) {
    case CODE_RIGHT:
        grant->by = ISSUED_BY_CODE;
        return AUTHORITY_GRANTED;
    case CODE_WRONG:
        error_set(err, ERROR_PERMISSION_DENIED, NULL, "the enrolment code is wrong, used or too old");
        return AUTHORITY_UNAUTHENTICATED;
    case CODE_TOO_MANY:
        break;
    }
    error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "too many wrong enrolment codes: try again in a minute");
    return AUTHORITY_TOO_MANY;
}

static enum authority_verdict authorize(struct authority *authority, const struct authority_request *request,
                                        struct grant *grant, struct error *err)
{
    const struct issued *present = request->chain
                                       ? authority_find(authority, sk_X509_value(request->chain, 0))
                                       : NULL;
    enum authority_verdict verdict = AUTHORITY_GRANTED;

    if (request->renews) {
        if (!present)
            return forbid(err, NULL, "renewing needs the certificate that is to be renewed");
        if (present->ended || present->not_after < clock_wall(authority->clock)) /* since its handshake */
            return forbid(err, present->name, "the certificate that is to be renewed is not valid any more");
        grant->present = present;
        grant->by = ISSUED_BY_RENEWAL;
        return AUTHORITY_GRANTED;
    }
    if (request->chain && !present)
        verdict = take_idevid(authority, request, grant, err);
    if (verdict == AUTHORITY_GRANTED && request->code.len)
        verdict = take_code(authority, request, grant, err);
    if (verdict == AUTHORITY_GRANTED && !grant->manufacturer && !grant->code) {
        error_set(err, ERROR_PERMISSION_DENIED, NULL,
                  "it shows neither an enrolment code nor its manufacturer's certificate");
        verdict = AUTHORITY_UNAUTHENTICATED;
    }
    return verdict;
}

/* ---- the name ---- */

static bool is_same_device(const struct issued *issued, const struct grant *grant)
{
    return grant->manufacturer && strcmp(issued->manufacturer, grant->manufacturer->name) == 0 &&
           strcmp(issued->serial_number, grant->serial_number) == 0;
}

/* An operator has shut this device out: only another operator's code for it lets it in again. */
static bool is_shut_out(const struct authority *authority, const char *name, const struct grant *grant)
{
    for (uint32_t i = 0; i < authority->count; i++) {
        const struct issued *issued = authority->list[i];

        if (issued->status == ISSUED_REVOKED && !issued->pardoned &&
            (strcmp(issued->name, name) == 0 || is_same_device(issued, grant)))
            return true;
    }
    return false;
}

/* Whether a device other than the one that asks has a valid certificate of that name. */
static bool is_taken(const struct authority *authority, const char *name, const struct grant *grant)
{
    for (uint32_t i = 0; i < authority->count; i++) {
        const struct issued *issued = authority->list[i];

        if (issued->status == ISSUED_VALID && strcmp(issued->name, name) == 0 &&
            !is_same_device(issued, grant))
            return true;
    }
    return false;
}

static uint32_t certificates_of(const struct authority *authority, const char *name)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < authority->count; i++)
        count += strcmp(authority->list[i]->name, name) == 0 && authority->list[i]->status != ISSUED_EXPIRED;
    return count;
}

static const char *reserved(const struct authority *authority, const char *name, bool unnamed_code)
{
    return authority->ops.reserved ? authority->ops.reserved(authority->ops.reserved_ctx, name, unnamed_code)
                                   : NULL;
}

/* R-SEC.0a: the name is what the certificate is about. NULL: this request may have it. */
static const char *why_not(const struct authority *authority, const struct csr *csr,
                           const struct grant *grant)
{
    bool named = grant->code && grant->code->name[0];
    const char *why = reserved(authority, csr->name, grant->by == ISSUED_BY_CODE && !named);

    if (why)
        return why;
    if (grant->present)
        return strcmp(grant->present->name, csr->name) == 0 ? NULL : "it renews under another name";
    if (named)
        return strcmp(grant->code->name, csr->name) == 0 ? NULL : "the enrolment code is another device's";
    if (grant->code && !csr->is_endpoint)
        return "the enrolment code is for Endpoint IDs: ask for one that names this device";
    if (!grant->code &&
        !manufacturer_covers(grant->manufacturer, grant->idevid, grant->serial_number, csr->name))
        return "its manufacturer's certificate does not cover this name";
    if (is_shut_out(authority, csr->name, grant))
        return "its certificate was revoked: it needs an enrolment code that names it";
    if (is_taken(authority, csr->name, grant))
        return "another device has this name: it needs an enrolment code that names it";
    return NULL;
}

/* ---- the certificate ---- */

static int draw_serial(struct ca_subject *subject, struct issued *issued)
{
    if (RAND_bytes(subject->serial, CA_SERIAL_BYTES) != 1)
        return -1;
    subject->serial[0] = (uint8_t)((subject->serial[0] & 0x3f) | 0x40); /* positive, and never shorter */
    str_to_hex(issued->serial, subject->serial, CA_SERIAL_BYTES);
    return 0;
}

/* What is proven of the device; a renewal keeps what was. */
static void take_facts(struct issued *issued, const struct grant *grant)
{
    if (grant->manufacturer) {
        str_copy(issued->manufacturer, CA_NAME_BYTES, grant->manufacturer->name);
        str_copy(issued->serial_number, CA_NAME_BYTES, grant->serial_number);
    } else if (grant->present) {
        str_copy(issued->manufacturer, CA_NAME_BYTES, grant->present->manufacturer);
        str_copy(issued->serial_number, CA_NAME_BYTES, grant->present->serial_number);
    }
}

static X509 *make(struct authority *authority, const struct csr *csr, const struct grant *grant,
                  struct issued **ret_issued, struct error *err)
{
    int64_t now = clock_wall(authority->clock);
    int64_t last = ca_not_after(&authority->ca);
    int64_t wanted = now + (int64_t)authority->certificate_days * DAY_S;
    struct issued *issued = calloc(1, sizeof(*issued));
    struct ca_subject subject = {.from = now - BACKDATE_S, .to = wanted < last ? wanted : last};
    X509 *certificate = NULL;

    error_set(err, ERROR_RESOURCES_EXCEEDED, csr->name, "no memory or no randomness for a certificate");
    if (issued && draw_serial(&subject, issued) == 0) {
        take_facts(issued, grant);
        str_copy(issued->name, CA_NAME_BYTES, csr->name);
        issued->not_before = subject.from;
        issued->not_after = subject.to;
        issued->by = grant->by;
        subject.name = issued->name;
        subject.manufacturer = issued->manufacturer;
        subject.serial_number = issued->serial_number;
        certificate = ca_issue(&authority->ca, &subject, csr->key, err);
    }
    if (certificate)
        *ret_issued = issued;
    else
        free(issued);
    return certificate;
}

/*
 * The device's earlier certificates. Of a renewal the present one stays until it expires: the device may lose power before it
 * has kept the new one.
 */
static void supersede(struct authority *authority, const struct issued *fresh, const struct grant *grant)
{
    bool pardons = grant->code && grant->code->name[0];
    bool changed = false;

    for (uint32_t i = 0; i < authority->count; i++) {
        struct issued *old = authority->list[i];

        bool is_namesake = strcmp(old->name, fresh->name) == 0;

        if (old == fresh || old == grant->present)
            continue;
        if (old->status == ISSUED_VALID && is_namesake)
            changed |= authority_end(old, ISSUED_SUPERSEDED, NULL) == 0;
        else if (old->status == ISSUED_REVOKED && pardons && (is_namesake || is_same_device(old, grant)))
            authority_pardon(old, NULL);
    }
    if (changed)
        authority_write_list(authority, NULL);
}

static enum authority_verdict issue(struct authority *authority, const struct csr *csr, struct grant *grant,
                                    X509 **ret, struct error *err)
{
    const char *why = why_not(authority, csr, grant);
    struct issued *issued;
    X509 *certificate;

    if (why) {
        forbid(err, csr->name, why);
        return grant->code || grant->present ? AUTHORITY_FORBIDDEN : AUTHORITY_UNAUTHENTICATED;
    }
    if (authority->count >= LIMIT_ISSUED_CERTIFICATES ||
        (!grant->code && certificates_of(authority, csr->name) >= LIMIT_ISSUED_PER_DEVICE)) {
        error_set(err, ERROR_RESOURCES_EXCEEDED, csr->name, "too many certificates were issued");
        return AUTHORITY_TOO_MANY;
    }
    certificate = make(authority, csr, grant, &issued, err);
    if (!certificate)
        return AUTHORITY_NOT_NOW;
    if (authority_add(authority, issued, err) < 0) {
        X509_free(certificate);
        return AUTHORITY_NOT_NOW;
    }
    supersede(authority, issued, grant);
    if (grant->code)
        codes_use(grant->code);
    *ret = certificate;
    return AUTHORITY_GRANTED;
}

static enum authority_verdict enrol(struct authority *authority, const struct authority_request *request,
                                    X509 **ret, struct error *err)
{
    struct grant grant = {.by = ISSUED_BY_CODE};
    enum authority_verdict verdict;
    struct csr csr;

    if (authority_ready(authority, err) < 0)
        return AUTHORITY_NOT_NOW;
    verdict = authorize(authority, request, &grant, err);
    if (verdict != AUTHORITY_GRANTED)
        return verdict;
    if (csr_read(request->body, &csr, err) < 0)
        return AUTHORITY_MALFORMED;
    verdict = issue(authority, &csr, &grant, ret, err);
    csr_done(&csr);
    return verdict;
}

enum authority_verdict authority_enrol(struct authority *authority, const struct authority_request *request,
                                       X509 **ret, struct error *err)
{
    enum authority_verdict verdict;
    struct error why;

    error_clear(&why);
    verdict = enrol(authority, request, ret, &why);
    /* Without a code a client of HTTP only asks whether it needs one. */
    if (verdict != AUTHORITY_GRANTED &&
        (verdict != AUTHORITY_UNAUTHENTICATED || request->code.len || request->chain))
        authority_refused(authority, request->peer, why.message);
    if (err)
        *err = why;
    return verdict;
}
