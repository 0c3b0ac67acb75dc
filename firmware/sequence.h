/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: the highest sequence number of a release whose image a target came to run, by component. Kind
 * "sequence", key "<target>\n<component>": of a target that is there. Kind "departed", key "<name>\n<component>": of one that
 * was forgotten, under its key and under its hardware address, so that leaving and coming back opens no way to an older
 * release. Of those, LIMIT_DEPARTED are kept: who left first is dropped first; of who is there, nothing.
 */
#ifndef FIRMWARE_SEQUENCE_H
#define FIRMWARE_SEQUENCE_H

#include "firmware/manager.h"

/* The last of a component: 1 and *ret; 0: there is none; -1 and err: it cannot be read. */
int sequence_last(const struct firmware_target *target, const char *component, uint64_t *ret,
                  struct error *err);
/* From the open batch on; a lower one than the last changes nothing. */
int sequence_keep(struct firmware_target *target, const char *component, uint64_t sequence);
/* The target is forgotten; its numbers are not. In the open batch. */
int sequence_depart(struct firmware_target *target);

#endif
