/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: what is kept of releases. Kind "release", key "<target>\n<SHA-256 of the image>": the signed bytes
 * without the image, so that they can be verified anew whenever it matters; it goes when the target is forgotten. The
 * sequence number of what the target came to run stays (firmware/sequence.h); lower ones and itself are refused from then on.
 */
#ifndef FIRMWARE_RELEASE_KEEP_H
#define FIRMWARE_RELEASE_KEEP_H

#include "firmware/manager.h"

/* In the open batch. signature is empty for an envelope. */
int release_keep(struct firmware_target *target, const struct release *release, struct str bytes,
                 struct str signature, struct error *err);
bool release_is_kept(const struct firmware_target *target, const char *sha256);
/* 1: verified anew, against the anchors and the time of now; 0: nothing is kept about this image; -1 and err. */
int release_reopen(const struct firmware_target *target, const char *sha256, struct release *ret,
                   struct error *err);
/* -1 and err: the target has had this release or a later one. */
int release_check_sequence(const struct firmware_target *target, const struct release *release,
                           struct error *err);
/* The target runs the image of its Active slot: its release's sequence number counts from this batch on. */
void release_keep_running(struct firmware_target *target);
/* Gives the slot the words of what is kept about its image. */
void release_keep_words(struct firmware_target *target, int slot);
void release_forget(struct firmware_target *target);

#endif
