/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to this folder: whose turn it is among jobs that could begin (DESIGN, "Jobs"). No ownership passes. */
#ifndef FIRMWARE_TURN_H
#define FIRMWARE_TURN_H

#include "firmware/manager.h"

/* WAITS_NOT: it may begin. *ret_ms: ask again then at the latest; UINT64_MAX: something will make it be asked again. */
enum waits_for turn_of(const struct firmware_job *job, uint64_t *ret_ms);
/* Why this image is not to be tried on this device any more, or NULL. Valid until the next change. */
const char *turn_held_back(const struct firmware_job *job);
/* The device had the image, and it did not come to run it: no device of its kind is given it for a command of before. */
void turn_failed(struct firmware_job *job, const char *reason);
/* "manufacturer\nmodel\nhardware" as firmware_target_cohort() was given it, or NULL. */
const char *turn_cohort_name(const struct firmware_target *target);
/* A job of the target began or left, or it runs something else. */
void turn_changed(struct firmware_target *target);

/* A job of that cohort ended and is listed no more. */
void turn_ended(struct firmware *firmware, struct firmware_cohort *cohort);
/* After a batch was lost: writes what is remembered once more. */
void turn_rewrite(struct firmware *firmware);

/* The target goes. */
void turn_leave_cohort(struct firmware_target *target);
void turn_leave_hub(struct firmware_target *target);

#endif
