/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One device may be heard by two dialects: by its own, and by one that understands whatever announces itself in a
 * common language (dialect->generic). Its own knows more of it, and it is listed once. What tells is the hardware address:
 * a device of a dialect of its own claims it as soon as the registry knows it (a MAC address, else an EUI-64 as serial
 * number or as id); no dialect has to do anything for it. A generic dialect asks claim_owner() before it lists a device,
 * and hears of later claims as an observer of the registry. Better proof takes a claim over.
 *
 * The registry calls claim_update() and claim_drop(). Loop's thread only.
 */
#ifndef DEVICES_CLAIM_H
#define DEVICES_CLAIM_H

#include "devices/registry.h"

/* The device of a dialect of its own with that address (as identity_address() writes it), or NULL. */
struct device *claim_owner(const struct registry *registry, const char *address);

/*
 * Whether the claimant takes the place of a device that a generic dialect lists under the same address: with better
 * proof always, with equal proof when it is proof, or when it was there first. An address that is only observed can be
 * forged by any device of the home: who comes later with that takes nobody's row, and both are listed until a person
 * forgets one (Forget()) or the broker holds devices to their names.
 */
bool claim_outranks(const struct device *claimant, const struct device *listed);

/* After what is known of the device changed. Without memory the claim is not there until the next change. */
void claim_update(struct device *device);
/* Before the device leaves the table. */
void claim_drop(struct device *device);

#endif
