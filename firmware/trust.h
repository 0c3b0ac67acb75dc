/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: whose signatures an image needs, by vendor, and who a target is in the words of a release. Made
 * from the caller's struct firmware_trust, never changed; loop's thread only.
 */
#ifndef FIRMWARE_TRUST_H
#define FIRMWARE_TRUST_H

#include "base/arena.h"
#include "firmware/firmware.h"

struct trust {
    struct arena arena;
    struct firmware_trust settings; /* texts and vendors in the arena */
};

struct trust *trust_new(const struct firmware_trust *settings, struct error *err);
void trust_free(struct trust *trust);
/* NULL stands for no trust at all: bare images are taken, and no release is. */
const struct firmware_trust *trust_settings(const struct trust *trust);

/* Texts of the identity; they live in the arena. */
int trust_identify(const struct trust *trust, const struct firmware_target *target, struct arena *arena,
                   struct release_identity *ret, struct error *err);
/* roles: whose signatures were verified; 0: a bare image. -1 and err: the policy of the target's vendor needs others. */
int trust_admits(const struct trust *trust, const struct firmware_target *target, unsigned roles,
                 bool checksum, struct error *err);
/* Of a device on battery: the percentage that is enough for a release that asks for mWh. 0: nobody has said. */
uint8_t trust_battery(const struct trust *trust, const struct firmware_target *target);

#endif
