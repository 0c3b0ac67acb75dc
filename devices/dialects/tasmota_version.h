/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasmota's versions: "14.2.0(release-tasmota)", "13.4.0.3(tasmota32)", "9.1", "5.12.0a". Numbers decide their order; the
 * image's variant in parentheses says what was built, not how new it is. Pure functions, nothing to free.
 */
#ifndef DEVICES_DIALECTS_TASMOTA_VERSION_H
#define DEVICES_DIALECTS_TASMOTA_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct tasmota_version {
    uint32_t number;    /* a byte for each of the four numbers; a letter is the fourth: 5.12.0a is 5.12.0.1 */
    struct str base;    /* "14.2.0"; borrowed from the text */
    struct str variant; /* "release-tasmota", "" when there is none */
};

/* -1: no such version. */
int tasmota_version_parse(const char *text, struct tasmota_version *ret);

/* A firmware that is only there to take another one: -minimal of an ESP8266, -safeboot of an ESP32. */
bool tasmota_version_is_interim(const struct tasmota_version *version);

/* For firmware_target_ops.compare. What is only there to take another firmware has no place in the order. */
int tasmota_version_compare(const char *a, const char *b, int *ret);

/*
 * May a device that runs `running` take an image of version `image` (NULL: not known)? The maker's upgrade path has
 * steps that must not be left out, and none that may be taken back, for the stored settings change with them. -1:
 * err says which step is next.
 */
int tasmota_version_check(const struct tasmota_version *running, const struct tasmota_version *image,
                          struct error *err);
/* May it take a compressed image? */
int tasmota_version_check_gzip(const struct tasmota_version *running, struct error *err);

#endif
