/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-time codes for enrolment: forty random bits each, good for one device and a short time, remembered as digests and in
 * memory only. Guesses are limited for each address and for all together. Embedded in its owner.
 */
#ifndef DEVICES_AUTHORITY_CODES_H
#define DEVICES_AUTHORITY_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "devices/authority/ca.h"
#include "base/rate.h"

enum {
    CODE_BYTES = 10, /* "K7QF-3M9X" */
    CODE_DIGEST_BYTES = 32,
    CODE_ADDRESS_BYTES = 46,
};

struct code {
    uint8_t digest[CODE_DIGEST_BYTES];
    char name[CA_NAME_BYTES]; /* of the device that may use it; "": of any Endpoint ID that is free */
    uint64_t expires;         /* monotonic ms; 0: unused */
};

struct codes {
    struct code code[LIMIT_ENROLMENT_CODES];
    struct {
        char address[CODE_ADDRESS_BYTES];
        struct rate wrong;
    } guessers[LIMIT_CODE_GUESSERS];
    struct rate wrong; /* of all addresses */
};

/* now: monotonic ms. -1: there are too many, or no randomness. */
int codes_add(struct codes *codes, const char *name, uint64_t now, uint64_t lifetime_ms, char ret[CODE_BYTES],
              struct error *err);
void codes_clear(struct codes *codes);
unsigned codes_count(const struct codes *codes, uint64_t now);

enum code_verdict {
    CODE_RIGHT,
    CODE_WRONG,
    CODE_TOO_MANY, /* was not looked at */
};
/* Whether the text is one of them: *ret, to be given to codes_use() once it has served. peer: the guesser's address. */
enum code_verdict codes_check(struct codes *codes, struct str text, const char *peer, uint64_t now,
                              struct code **ret);
void codes_use(struct code *code);

#endif
