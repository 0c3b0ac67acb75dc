/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of a slot's update (struct firmware_notice) as part of the slots' record. */
#ifndef FIRMWARE_NOTICE_H
#define FIRMWARE_NOTICE_H

#include "firmware/firmware.h"
#include "base/record.h"

/* notice NULL: none. */
void notice_put(struct buf *buf, const struct firmware_notice *notice);
/* malloc'ed, or NULL: there is none, or the reader failed. */
struct firmware_notice *notice_read(struct record_reader *reader);
/* Replaces the malloc'ed *slot by a copy, NULL when it says nothing. -1 (and *slot unchanged): out of memory. */
int notice_replace(struct firmware_notice **slot, const struct firmware_notice *notice);

#endif
