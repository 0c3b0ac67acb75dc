/* SPDX-License-Identifier: BSD-3-Clause */
#include "release/release.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/calendar.h"
#include "release/cms.h"
#include "release/suit.h"

/* ---- refusals ---- */

static const struct {
    const char *text;
    uint32_t code;
} reasons[] = {
    [RELEASE_OK] = {"ok", ERROR_NONE},
    [RELEASE_CBOR_PARSE] = {"parse error", ERROR_INVALID_VALUE},
    [RELEASE_COSE_UNSUPPORTED] = {"signature format unsupported", ERROR_INVALID_VALUE},
    [RELEASE_ALGORITHM_UNSUPPORTED] = {"algorithm unsupported", ERROR_INVALID_VALUE},
    [RELEASE_UNAUTHORISED] = {"unauthorised", ERROR_PERMISSION_DENIED},
    [RELEASE_COMMAND_UNSUPPORTED] = {"command unsupported", ERROR_INVALID_VALUE},
    [RELEASE_COMPONENT_UNSUPPORTED] = {"component unsupported", ERROR_INVALID_VALUE},
    [RELEASE_COMPONENT_UNAUTHORISED] = {"component unauthorised", ERROR_PERMISSION_DENIED},
    [RELEASE_PARAMETER_UNSUPPORTED] = {"parameter unsupported", ERROR_INVALID_VALUE},
    [RELEASE_SEVERING_UNSUPPORTED] = {"severing unsupported", ERROR_INVALID_VALUE},
    [RELEASE_CONDITION_FAILED] = {"condition failed", ERROR_COMMAND_FAILURE},
    [RELEASE_OPERATION_FAILED] = {"operation failed", ERROR_COMMAND_FAILURE},
};

const char *release_reason_text(enum release_reason reason)
{
    return reasons[reason].text;
}

int release_refuse(struct error *err, enum release_reason reason, const char *fmt, ...)
{
    char text[ERROR_MESSAGE_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return error_set(err, reasons[reason].code, NULL, "release refused, %s: %s", reasons[reason].text, text);
}

/* ---- identity ---- */

/* RFC 4122, 4.3: a version 5 UUID of a name in a name space. */
static int uuid5(const uint8_t space[RELEASE_UUID_BYTES], const char *name, size_t len,
                 uint8_t ret[RELEASE_UUID_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t digest[EVP_MAX_MD_SIZE];
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
             EVP_DigestUpdate(ctx, space, RELEASE_UUID_BYTES) == 1 && EVP_DigestUpdate(ctx, name, len) == 1 &&
             EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    if (!ok)
        return -1;
    memcpy(ret, digest, RELEASE_UUID_BYTES);
    ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x50);
    ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
    return 0;
}

int release_identify(struct release_identity *ret, const char *vendor, const char *domain, const char *model,
                     const char *hardware, struct error *err)
{
    static const uint8_t dns[RELEASE_UUID_BYTES] = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
                                                    0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
    char name[256], class[512];
    int len;

    *ret = (struct release_identity){.vendor = vendor ? vendor : "",
                                     .domain = domain ? domain : "",
                                     .model = model ? model : "",
                                     .hardware = hardware ? hardware : ""};
    str_copy(name, sizeof(name), *ret->domain ? ret->domain : ret->vendor);
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    len = snprintf(class, sizeof(class), "%s|%s", ret->model, ret->hardware);
    if (uuid5(dns, name, strlen(name), ret->vendor_id) < 0 ||
        uuid5(ret->vendor_id, "*", 1, ret->class_id[0]) < 0 ||
        (*ret->model && uuid5(ret->vendor_id, ret->model, strlen(ret->model), ret->class_id[1]) < 0) ||
        (*ret->model && *ret->hardware && len < (int)sizeof(class) &&
         uuid5(ret->vendor_id, class, (size_t)len, ret->class_id[2]) < 0))
        return error_set(err, ERROR_RESOURCES_EXCEEDED, NULL, "no memory to name the device's class");
    ret->classes = !*ret->model ? 1 : !*ret->hardware || len >= (int)sizeof(class) ? 2 : 3;
    return 0;
}

/* ---- a release ---- */

static int open_suit(const struct release_request *request, struct release *ret, struct error *err)
{
    struct suit_envelope envelope;
    struct suit_manifest manifest;

    if (suit_read(request->bytes, request->untagged, &envelope, err) < 0 ||
        suit_authenticate(&envelope, request, ret, err) < 0 || suit_check(&envelope, &manifest, err) < 0)
        return -1;
    manifest.stripped = request->stripped;
    if (!request->identity) {
        struct release release = *ret;

        /* Signed and well formed is what was asked; whether a gateway could install it is another question. */
        if (suit_run(&manifest, NULL, &release, NULL) == 0)
            *ret = release;
        return 0;
    }
    return suit_run(&manifest, request->identity, ret, err);
}

int release_open(const struct release_request *request, struct release *ret, struct error *err)
{
    struct release release = {.roles = 0};

    if ((request->signature.len ? cms_open(request, &release, err) : open_suit(request, &release, err)) < 0)
        return -1;
    *ret = release;
    return 0;
}

/* ---- conditions on the time and the version ---- */

static bool holds(enum release_comparison comparison, int order)
{
    switch (comparison) {
    case RELEASE_GREATER:
        return order > 0;
    case RELEASE_GREATER_EQUAL:
        return order >= 0;
    case RELEASE_EQUAL:
        return order == 0;
    case RELEASE_LESSER_EQUAL:
        return order <= 0;
    case RELEASE_LESSER:
        return order < 0;
    }
    return false;
}

/* The numbers of "v1.4.4-beta2": 1, 4, 4. */
static unsigned parts_of(const char *version, int64_t parts[RELEASE_VERSION_PARTS])
{
    unsigned count = 0;

    while (*version && !isdigit((unsigned char)*version))
        version++;
    while (isdigit((unsigned char)*version) && count < RELEASE_VERSION_PARTS) {
        int64_t value = 0;

        for (; isdigit((unsigned char)*version); version++)
            value = value < INT32_MAX ? 10 * value + (*version - '0') : value;
        parts[count++] = value;
        if (*version != '.')
            break;
        version++;
    }
    return count;
}

static int order_of(const struct release_version *condition, const int64_t *parts, unsigned count)
{
    for (unsigned i = 0; i < condition->count || i < count; i++) {
        int64_t a = i < count ? parts[i] : 0;
        int64_t b = i < condition->count ? condition->parts[i] : 0;

        if (a != b)
            return a < b ? -1 : 1;
    }
    return 0;
}

const char *release_version_objection(const struct release *release, const char *version, char text[160])
{
    static const char *const words[] = {[RELEASE_GREATER] = "newer than",
                                        [RELEASE_GREATER_EQUAL] = "at least",
                                        [RELEASE_EQUAL] = "exactly",
                                        [RELEASE_LESSER_EQUAL] = "at most",
                                        [RELEASE_LESSER] = "older than"};
    int64_t parts[RELEASE_VERSION_PARTS];
    unsigned count = parts_of(version, parts);

    for (unsigned i = 0; i < release->versions_count; i++) {
        const struct release_version *condition = &release->versions[i];
        int len;

        if (count && holds(condition->comparison, order_of(condition, parts, count)))
            continue;
        len = snprintf(text, 160, "it installs over a version %s ", words[condition->comparison]);
        for (unsigned p = 0; p < condition->count; p++)
            len += snprintf(text + len, 160 - (size_t)len, "%s%lld", p ? "." : "",
                            (long long)(condition->parts[p] % 1000000));
        snprintf(text + len, 160 - (size_t)len, ", and the device runs \"%.40s\"", version);
        return text;
    }
    return NULL;
}

/* Until it is that time of that day of the week; -1: any. */
static uint64_t until(int32_t time_of_day, int32_t day_of_week, const struct tm *now)
{
    enum { DAY_S = 86400, WEEK = 7 };
    int32_t second = now->tm_hour * 3600 + now->tm_min * 60 + now->tm_sec;
    uint64_t wait = 0;

    if (day_of_week >= 0 && day_of_week != now->tm_wday)
        return (uint64_t)((day_of_week - now->tm_wday + WEEK) % WEEK) * DAY_S - (uint64_t)second +
               (time_of_day > 0 ? (uint64_t)time_of_day : 0);
    if (time_of_day > second)
        wait = (uint64_t)(time_of_day - second);
    return wait;
}

uint64_t release_wait_s(const struct release *release, int64_t now)
{
    const struct release_wait *wait = &release->wait;
    time_t seconds = (time_t)now;
    struct tm local, utc;
    uint64_t longest = wait->time > now ? (uint64_t)(wait->time - now) : 0;
    uint64_t other;

    localtime_r(&seconds, &local);
    calendar_of(now, &utc);
    other = until(wait->time_of_day, wait->day_of_week, &local);
    longest = other > longest ? other : longest;
    other = until(wait->time_of_day_utc, wait->day_of_week_utc, &utc);
    return other > longest ? other : longest;
}
